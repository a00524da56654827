// SPDX-License-Identifier: Apache-2.0

//! The layout of a text: the documents that the loader reads, as nodes with their positions instead of values.

use std::ops::Range;

use super::events::{self, Event, Marks};
use super::scalar::{self, Scalar};

/// A node of a document.
#[derive(Debug, Clone)]
pub struct Node {
    /// Where it begins and ends in the text, in bytes. A block collection ends where its last entry ends.
    pub bytes: Range<usize>,
    /// Its content.
    pub content: Content,
    /// Whether it has an anchor or a tag, or is an alias.
    pub is_marked: bool,
}

/// The content of a node.
#[derive(Debug, Clone)]
pub enum Content {
    /// A scalar on one or several lines.
    Scalar {
        /// Written as `|` or `>`.
        is_block: bool,
    },
    /// A reference to another node.
    Alias,
    /// A list.
    List {
        /// Written as `[…]`.
        is_flow: bool,
        /// The entries, in order.
        items: Vec<Node>,
    },
    /// A mapping.
    Mapping {
        /// Written as `{…}`.
        is_flow: bool,
        /// The entries, in order.
        entries: Vec<Entry>,
    },
}

/// A key of a mapping, and its value.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The key in the loader's value; `None` for a merge key.
    pub name: Option<String>,
    /// The key itself.
    pub key: Node,
    /// Its value.
    pub value: Node,
}

/// The nodes of the first document of a text, which may be JSON; `None` if the document is empty or cannot be read. Positions
/// are bytes of that text.
pub fn first_document(text: &str) -> Option<Node> {
    let mut builder = Builder::default();
    events::of_first_document(text, |event, at| {
        builder.event(&event, &at);
        Ok(())
    })
    .ok()?;
    builder.into_document()
}

/// Builds nodes from the parser's events.
#[derive(Default)]
pub(super) struct Builder {
    document: Option<Node>,
    open: Vec<Open>,
}

/// A collection whose end has not been read yet.
struct Open {
    node: Node,
    key: Option<(Option<String>, Node)>,
}

impl Builder {
    /// The node of the document, after the last event; `None` if the document is empty.
    pub fn into_document(self) -> Option<Node> {
        self.document
    }

    /// Adds the next event, with its range.
    pub fn event(&mut self, event: &Event<'_>, at: &Range<usize>) {
        match event {
            Event::Scalar { text, is_plain, is_block, marks } => {
                let (is_plain, is_block) = (*is_plain, *is_block);
                let scalar = if is_plain && marks.tag.is_none() { Scalar::plain(text) } else { Scalar::Str(text) };
                let name = if !self.expects_key() || scalar::is_merge(text, is_plain, marks.tag.as_deref()) {
                    None
                } else {
                    Some(scalar.to_key().unwrap_or_default())
                };
                let node = Node::new(at, Content::Scalar { is_block }, marks);
                self.finished(name, node, scalar == Scalar::Null);
            }
            Event::Alias(_) => {
                let node = Node { bytes: at.clone(), content: Content::Alias, is_marked: true };
                self.finished(Some(String::new()), node, false);
            }
            Event::ListStart { is_flow, marks } => {
                let node = Node::new(at, Content::List { is_flow: *is_flow, items: Vec::new() }, marks);
                self.open.push(Open { node, key: None });
            }
            Event::MappingStart { is_flow, marks } => {
                let node = Node::new(at, Content::Mapping { is_flow: *is_flow, entries: Vec::new() }, marks);
                self.open.push(Open { node, key: None });
            }
            Event::End => {
                let Some(Open { mut node, .. }) = self.open.pop() else { return };
                let last = match &node.content {
                    Content::List { is_flow: false, items } => items.last().map(|item| item.bytes.end),
                    Content::Mapping { is_flow: false, entries } => entries.last().map(|entry| entry.value.bytes.end),
                    // Including the closing bracket.
                    _ => Some(at.end),
                };
                node.bytes.end = last.unwrap_or(node.bytes.end).max(node.bytes.start);
                self.finished(None, node, false);
            }
        }
    }

    /// Whether the next node is the key of a mapping.
    fn expects_key(&self) -> bool {
        matches!(self.open.last(), Some(Open { node: Node { content: Content::Mapping { .. }, .. }, key: None }))
    }

    fn finished(&mut self, name: Option<String>, node: Node, is_null: bool) {
        let Some(open) = self.open.last_mut() else {
            self.document = (!is_null).then_some(node);
            return;
        };
        match (&mut open.node.content, open.key.take()) {
            (Content::List { items, .. }, _) => items.push(node),
            (Content::Mapping { entries, .. }, Some((name, key))) => {
                // An empty value has the position of the next token; move it to the end of its key.
                let is_empty = is_null && node.bytes.is_empty();
                let value = if is_empty { Node { bytes: key.bytes.end..key.bytes.end, ..node } } else { node };
                entries.push(Entry { name, key, value });
            }
            (Content::Mapping { .. }, None) => open.key = Some((name, node)),
            (Content::Scalar { .. } | Content::Alias, _) => {}
        }
    }
}

/// A step from a node to one below.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// A field.
    Key(String),
    /// An entry of a list.
    Index(usize),
}

/// A node that was found, and its key if it has one.
#[derive(Debug, Clone, Copy)]
pub struct Found<'n> {
    /// The node.
    pub node: &'n Node,
    /// Its key.
    pub key: Option<&'n Node>,
    /// How many steps led to it.
    pub depth: usize,
}

impl Found<'_> {
    /// The byte where its key begins, or where the node begins if it has no key.
    pub fn start(&self) -> usize {
        self.key.unwrap_or(self.node).bytes.start
    }
}

impl Node {
    fn new(bytes: &Range<usize>, content: Content, marks: &Marks<'_>) -> Self {
        Self { bytes: bytes.clone(), content, is_marked: marks.anchor.is_some() || marks.tag.is_some() }
    }

    /// The node at a path, or its nearest parent. Content from an alias is located at the alias, and content from a merge key
    /// at the mapping.
    pub fn nearest(&self, path: &[Step]) -> Found<'_> {
        let mut found = Found { node: self, key: None, depth: 0 };
        for step in path {
            let next = match (step, &found.node.content) {
                (Step::Key(name), Content::Mapping { entries, .. }) => entries
                    .iter()
                    // The last of several duplicate keys applies.
                    .rfind(|entry| entry.name.as_deref() == Some(name))
                    .map(|entry| (&entry.value, Some(&entry.key))),
                (Step::Index(index), Content::List { items, .. }) => items.get(*index).map(|item| (item, None)),
                _ => None,
            };
            let Some((node, key)) = next else { break };
            found = Found { node, key, depth: found.depth + 1 };
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::super::lines::Lines;
    use super::*;

    fn located(text: &str, path: &[&str]) -> (usize, usize, String) {
        let document = first_document(text).unwrap();
        let steps: Vec<Step> =
            path.iter().map(|step| step.parse().map_or_else(|_| Step::Key((*step).to_owned()), Step::Index)).collect();
        let found = document.nearest(&steps);
        let (line, column) = Lines::of(text).line_and_column(text, found.start());
        (line, column, text.get(found.node.bytes.clone()).unwrap().to_owned())
    }

    #[test]
    fn positions_of_nodes() {
        let text = "# é\n---\na:\n  - name: \"é\" # no\n    b: |\n      x\n      y\n  - {c: [1, 2]}\n\n\nd: é\n";
        assert_eq!(located(text, &["a", "0", "name"]), (4, 5, "\"é\"".to_owned()));
        assert_eq!(located(text, &["a", "1", "c"]), (8, 6, "[1, 2]".to_owned()));
        assert_eq!(located(text, &["a", "1"]), (8, 5, "{c: [1, 2]}".to_owned()));
        assert_eq!(located(text, &["d"]), (11, 1, "é".to_owned()));
        assert_eq!(located(text, &["a", "0", "nothing", "below"]).0, 4);
    }

    #[test]
    fn positions_of_empty_values() {
        let text = "a:\n  b:\n\n# far\nc: 1 # x\n\n# end\n";
        assert_eq!(located(text, &["a", "b"]), (2, 3, String::new()));
        assert_eq!(located(text, &["a"]), (1, 1, "b:".strip_suffix(':').unwrap().to_owned()));
        assert_eq!(located(text, &[]).2, "a:\n  b:\n\n# far\nc: 1");
    }

    #[test]
    fn finds_last_of_repeated_keys() {
        assert_eq!(located("a: 1\nb: 2\na: 3\n", &["a"]), (3, 1, "3".to_owned()));
    }

    #[test]
    fn empty_documents_have_no_nodes() {
        for text in ["", "# x\n", "---\n", "null\n", "a: ["] {
            assert!(first_document(text).is_none(), "{text}");
        }
    }

    #[test]
    fn positions_in_json() {
        let text = "{\n  \"a\": {\n    \"b\": true\n  }\n}\n";
        assert_eq!(located(text, &["a", "b"]), (3, 5, "true".to_owned()));
    }
}
