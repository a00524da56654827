// SPDX-License-Identifier: Apache-2.0
//! Changes a few fields of a JSON document and nothing else.
//!
//! The document stays text. A container is opened, by one level, only if there
//! is an edit below it; every other value is copied byte for byte when the tree
//! is written: unknown fields, key order, nulls, numbers of any size. The host
//! creates a patch from the difference between what it sent and what it gets
//! back, so the patch would delete whatever a typed round trip loses.

use super::json::{Cursor, Key, Read, write_string};

/// A value of the document.
#[derive(Debug)]
pub enum Node<'a> {
    /// An unchanged value: its text.
    Raw(&'a str),
    /// An object with an edit below.
    Object(Vec<Member<'a>>),
    /// A list with an edit below.
    List(Vec<Node<'a>>),
    /// A new value: JSON text.
    New(String),
    /// A removed value. It keeps its place until the tree is written, so that
    /// positions that several fixes have read stay valid.
    Gone,
}

/// A key and its value.
#[derive(Debug)]
pub struct Member<'a> {
    key: MemberKey<'a>,
    value: Node<'a>,
}

#[derive(Debug)]
enum MemberKey<'a> {
    /// A key of the document.
    Old(Key<'a>),
    /// A key that was added.
    New(String),
}

impl MemberKey<'_> {
    fn is(&self, key: &str) -> bool {
        match self {
            Self::Old(old) => old.text() == key,
            Self::New(new) => new == key,
        }
    }
}

/// One step down the document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step<'s> {
    /// Into the member of an object.
    Key(&'s str),
    /// Into the entry of a list, as numbered in the document.
    Entry(usize),
}

/// An end of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListEnd {
    /// Before every entry; the entries' positions change.
    Front,
    /// After every entry.
    Back,
}

/// The document has no such value. Rules edit values that they have read, so
/// this means that a rule and a view disagree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoSuchNode;

impl<'a> Node<'a> {
    /// The tree of a document, with nothing opened yet.
    #[must_use]
    pub const fn new(text: &'a str) -> Self {
        Self::Raw(text)
    }

    /// Sets the member `key` of the object at `steps` to a JSON text. Returns
    /// false, and does nothing, if an earlier edit removed the object.
    ///
    /// # Errors
    /// [`NoSuchNode`] when `steps` does not lead to an object.
    pub fn set(&mut self, steps: &[Step<'_>], key: &str, json: String) -> Result<bool, NoSuchNode> {
        let Some(node) = self.at(steps)? else { return Ok(false) };
        node.put(key, json)?;
        Ok(true)
    }

    /// Sets the number under `key` of the object at `steps` to `most`, unless it
    /// is that or less already: the lowest value wins, in whatever order fixes
    /// run. Returns false if nothing is done.
    ///
    /// # Errors
    /// [`NoSuchNode`] when `steps` does not lead to an object.
    pub fn lower(&mut self, steps: &[Step<'_>], key: &str, most: i64) -> Result<bool, NoSuchNode> {
        let Some(node) = self.at(steps)? else { return Ok(false) };
        let there = node.object()?.iter().find(|member| member.key.is(key));
        let number = match there.map(|member| &member.value) {
            Some(Node::Raw(text)) => text.trim_ascii().parse().ok(),
            Some(Node::New(text)) => text.parse().ok(),
            _ => None,
        };
        if number.is_some_and(|number: i64| number <= most) {
            return Ok(false);
        }
        node.put(key, most.to_string())?;
        Ok(true)
    }

    /// Adds entries, as JSON texts separated by commas, to the list under `key`
    /// of the object at `steps`. Creates the list if it is absent. Returns false,
    /// and does nothing, if an earlier edit removed the object.
    ///
    /// # Errors
    /// [`NoSuchNode`] when `steps` does not lead to an object, or the value
    /// under `key` is not a list.
    pub fn extend(&mut self, steps: &[Step<'_>], key: &str, json: &str, end: ListEnd) -> Result<bool, NoSuchNode> {
        let Some(node) = self.at(steps)? else { return Ok(false) };
        let there = node.object()?.iter_mut().find(|member| member.key.is(key)).map(|member| &mut member.value);
        match there {
            None | Some(Self::Raw("null")) => node.put(key, ["[", json, "]"].concat())?,
            Some(list) => {
                let (entries, new) = (list.list()?, Self::New(json.to_owned()));
                entries.insert(if end == ListEnd::Front { 0 } else { entries.len() }, new);
            }
        }
        Ok(true)
    }

    /// Removes the value at `steps`. Returns false if it has been removed already.
    ///
    /// # Errors
    /// [`NoSuchNode`] when there is no such value.
    pub fn remove(&mut self, steps: &[Step<'_>]) -> Result<bool, NoSuchNode> {
        let Some(node) = self.at(steps)? else { return Ok(false) };
        *node = Node::Gone;
        Ok(true)
    }

    /// Writes the document.
    pub fn write(&self, out: &mut String) {
        match self {
            Self::Raw(text) => out.push_str(text),
            Self::New(text) => out.push_str(text),
            Self::Gone => {}
            Self::Object(members) => {
                out.push('{');
                let mut first = true;
                for member in members.iter().filter(|member| !matches!(member.value, Node::Gone)) {
                    if !std::mem::take(&mut first) {
                        out.push(',');
                    }
                    match &member.key {
                        MemberKey::Old(key) => out.push_str(key.written),
                        MemberKey::New(key) => write_string(key, out),
                    }
                    out.push(':');
                    member.value.write(out);
                }
                out.push('}');
            }
            Self::List(entries) => {
                out.push('[');
                let mut first = true;
                for entry in entries.iter().filter(|entry| !matches!(entry, Node::Gone)) {
                    if !std::mem::take(&mut first) {
                        out.push(',');
                    }
                    entry.write(out);
                }
                out.push(']');
            }
        }
    }

    fn put(&mut self, key: &str, json: String) -> Result<(), NoSuchNode> {
        let members = self.object()?;
        if let Some(member) = members.iter_mut().find(|member| member.key.is(key)) {
            member.value = Node::New(json);
        } else {
            members.push(Member { key: MemberKey::New(key.to_owned()), value: Node::New(json) });
        }
        Ok(())
    }

    /// The value at `steps`; `None` if it, or a value that contains it, was removed.
    fn at(&mut self, steps: &[Step<'_>]) -> Result<Option<&mut Self>, NoSuchNode> {
        let mut node = self;
        for step in steps {
            if matches!(node, Self::Gone) {
                return Ok(None);
            }
            node = match step {
                Step::Key(key) => {
                    node.object()?.iter_mut().find_map(|member| member.key.is(key).then_some(&mut member.value))
                }
                Step::Entry(index) => node.list()?.get_mut(*index),
            }
            .ok_or(NoSuchNode)?;
        }
        Ok((!matches!(node, Self::Gone)).then_some(node))
    }

    fn object(&mut self) -> Result<&mut Vec<Member<'a>>, NoSuchNode> {
        self.open()?;
        match self {
            Self::Object(members) => Ok(members),
            _ => Err(NoSuchNode),
        }
    }

    fn list(&mut self) -> Result<&mut Vec<Self>, NoSuchNode> {
        self.open()?;
        match self {
            Self::List(entries) => Ok(entries),
            _ => Err(NoSuchNode),
        }
    }

    fn open(&mut self) -> Result<(), NoSuchNode> {
        if let Self::Raw(text) = *self {
            *self = opened(text.trim_ascii()).map_err(|_| NoSuchNode)?;
        }
        Ok(())
    }
}

/// The members or entries of a container, each still as text.
fn opened(text: &str) -> Read<Node<'_>> {
    let mut json = Cursor::new(text);
    if text.starts_with('{') {
        let mut members = Vec::new();
        let mut more = json.enter_object()?;
        while more {
            members.push(Member { key: MemberKey::Old(json.key()?), value: Node::Raw(json.skip()?) });
            more = json.more_members()?;
        }
        return Ok(Node::Object(members));
    }
    let mut entries = Vec::new();
    let mut more = json.enter_list()?;
    while more {
        entries.push(Node::Raw(json.skip()?));
        more = json.more_entries()?;
    }
    Ok(Node::List(entries))
}

#[cfg(test)]
mod tests {
    use super::*;
    use Step::{Entry, Key};

    const POD: &str = r#"{ "kind":"Pod", "spec":{"big":123456789012345678901234567890,"n":null, "volumes":[ {"name":"a"}, {"name":"b","x":{ "y":1}},{"name":"c"} ],"es\u0063":1} ,"z":1.50}"#;

    fn edited<T>(edit: impl FnOnce(&mut Node<'_>) -> Result<T, NoSuchNode>) -> String {
        let mut tree = Node::new(POD);
        drop(edit(&mut tree).unwrap());
        let mut out = String::new();
        tree.write(&mut out);
        out
    }

    #[test]
    fn unopened_tree_is_the_document() {
        assert_eq!(edited(|_| Ok(())), POD);
    }

    #[test]
    fn keeps_unedited_bytes() {
        assert_eq!(
            edited(|tree| {
                tree.set(&[Key("spec")], "automount", "false".to_owned())?;
                tree.remove(&[Key("spec"), Key("volumes"), Entry(0)])?;
                tree.remove(&[Key("spec"), Key("volumes"), Entry(2)])
            }),
            r#"{"kind":"Pod","spec":{"big":123456789012345678901234567890,"n":null,"volumes":[{"name":"b","x":{ "y":1}}],"es\u0063":1,"automount":false},"z":1.50}"#
        );
    }

    #[test]
    fn finds_escaped_key() {
        assert!(edited(|tree| tree.set(&[Key("spec")], "esc", "2".to_owned())).contains(r#""es\u0063":2"#));
    }

    #[test]
    fn list_may_become_empty() {
        let out = edited(|tree| {
            (0..3).try_for_each(|index| tree.remove(&[Key("spec"), Key("volumes"), Entry(index)]).map(drop))
        });
        assert!(out.contains(r#""volumes":[]"#));
    }

    #[test]
    fn ignores_edits_below_removed_value() {
        let volume = [Key("spec"), Key("volumes"), Entry(1)];
        let out = edited(|tree| {
            assert_eq!(tree.remove(&volume), Ok(true));
            assert_eq!(tree.remove(&volume), Ok(false));
            assert_eq!(tree.set(&volume, "name", "1".to_owned()), Ok(false));
            assert_eq!(tree.set(&[&volume[..], &[Key("x")]].concat(), "y", "2".to_owned()), Ok(false));
            assert_eq!(tree.lower(&[&volume[..], &[Key("x")]].concat(), "y", 0), Ok(false));
            tree.remove(&[&volume[..], &[Key("x"), Key("y")]].concat())
        });
        assert!(out.contains(r#""volumes":[{"name":"a"},{"name":"c"}]"#), "{out}");
    }

    #[test]
    fn lower_keeps_lowest() {
        let x = [Key("spec"), Key("volumes"), Entry(1), Key("x")];
        for numbers in [[0, -1], [-1, 0]] {
            let out = edited(|tree| numbers.iter().try_for_each(|most| tree.lower(&x, "y", *most).map(drop)));
            assert!(out.contains(r#""y":-1}"#), "{out}");
        }
        assert!(edited(|tree| tree.lower(&[], "z", 2)).ends_with(r#","z":2}"#));
        assert!(edited(|tree| tree.lower(&x, "new", 7)).contains(r#""new":7"#));
        assert!(edited(|tree| tree.lower(&[Key("spec")], "n", 7)).contains(r#""n":7"#));
        let mut tree = Node::new(POD);
        assert_eq!(tree.lower(&x, "y", 1), Ok(false));
        assert_eq!(tree.lower(&[Key("kind")], "y", 1), Err(NoSuchNode));
    }

    #[test]
    fn extends_at_either_end() {
        let out = edited(|tree| {
            tree.extend(&[Key("spec")], "volumes", r#"{"name":"y"},{"name":"z"}"#, ListEnd::Back)?;
            tree.extend(&[Key("spec")], "volumes", r#"{"name":"x"}"#, ListEnd::Front)
        });
        assert!(
            out.contains(r#""volumes":[{"name":"x"},{"name":"a"},{"name":"b","x":{ "y":1}},{"name":"c"},{"name":"y"},{"name":"z"}]"#),
            "{out}"
        );
    }

    #[test]
    fn extend_creates_list() {
        for (key, end) in [("new", ListEnd::Back), ("n", ListEnd::Front)] {
            let out = edited(|tree| tree.extend(&[Key("spec")], key, "1,2", end));
            assert!(out.contains(&format!(r#""{key}":[1,2]"#)), "{out}");
        }
        let mut tree = Node::new(r#"{"l":[ ]}"#);
        assert_eq!(tree.extend(&[], "l", "1,2", ListEnd::Back), Ok(true));
        assert_eq!(tree.extend(&[], "m", "3", ListEnd::Back), Ok(true));
        let mut out = String::new();
        tree.write(&mut out);
        assert_eq!(out, r#"{"l":[1,2],"m":[3]}"#);
        assert_eq!(Node::new(POD).extend(&[], "kind", "1", ListEnd::Back), Err(NoSuchNode));
        assert_eq!(Node::new(POD).extend(&[Key("kind")], "x", "1", ListEnd::Back), Err(NoSuchNode));
    }

    #[test]
    fn missing_node() {
        let mut tree = Node::new(POD);
        assert_eq!(tree.remove(&[Key("status")]), Err(NoSuchNode));
        assert_eq!(tree.remove(&[Key("kind"), Key("x")]), Err(NoSuchNode));
        assert_eq!(tree.remove(&[Key("spec"), Key("volumes"), Entry(3)]), Err(NoSuchNode));
    }
}
