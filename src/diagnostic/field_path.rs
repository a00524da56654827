// SPDX-License-Identifier: Apache-2.0
//! Where in an object a field is, as its author would write it.

use std::fmt;

use super::escaped::Escaped;
use super::text::text;
use crate::fast::shared::Shared;

/// A field path such as `spec.containers[web].env[TOKEN]`. List entries are
/// identified by name, not by position: other webhooks insert entries, and both
/// phases have to report the same path. Paths share their parents, because a
/// large object can have thousands of paths.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FieldPath(Option<Shared<Node>>);

#[derive(Debug, PartialEq, Eq)]
struct Node {
    parent: FieldPath,
    segment: Segment,
}

/// One step from a value to a value inside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Segment {
    /// A member with a plain name, or several in a row: `secretRef.name`.
    Field(Box<str>),
    /// A member whose key is data, such as an annotation.
    Key(Box<str>),
    /// An entry of a list, by its name.
    Name(Box<str>),
    /// An entry of a list that has no name, by its position.
    Index(usize),
}

impl FieldPath {
    /// The object itself.
    #[must_use]
    pub const fn root() -> Self {
        Self(None)
    }

    /// A path of plain member names joined by dots, such as `spec.template`.
    /// The empty path is the root.
    #[must_use]
    pub fn at(path: &str) -> Self {
        if path.is_empty() { Self::root() } else { Self::root().field(path) }
    }

    /// A member with a plain name, or several in a row: `secretRef.name`.
    #[must_use]
    #[inline(never)]
    pub fn field(&self, name: &str) -> Self {
        self.child(Segment::Field(name.into()))
    }

    /// A member whose key is data, such as an annotation.
    #[must_use]
    #[inline(never)]
    pub fn key(&self, key: &str) -> Self {
        self.child(Segment::Key(key.into()))
    }

    /// A list entry, by its name, or by its position if it has no name.
    #[must_use]
    #[inline(never)]
    pub fn entry(&self, name: Option<&str>, index: usize) -> Self {
        self.child(match name {
            Some(name) if !name.is_empty() => Segment::Name(name.into()),
            _ => Segment::Index(index),
        })
    }

    /// This path with one more segment.
    #[must_use]
    pub fn child(&self, segment: Segment) -> Self {
        Self(Some(Shared::new(Node { parent: self.clone(), segment })))
    }

    /// Calls `each` with every segment, starting at the object.
    pub fn each_segment(&self, each: &mut dyn FnMut(&Segment)) {
        if let Some(node) = &self.0 {
            node.parent.each_segment(each);
            each(&node.segment);
        }
    }

    /// Appends the path to `out`.
    pub fn push_to(&self, out: &mut String) {
        let mut is_first = true;
        self.each_segment(&mut |segment| {
            let is_first = std::mem::take(&mut is_first);
            match segment {
                Segment::Field(name) => {
                    out.push_str(if is_first { "" } else { "." });
                    out.push_str(name);
                    return;
                }
                Segment::Key(key) => {
                    out.push_str("[\"");
                    Escaped::new(key).push_to(out);
                    out.push('"');
                }
                Segment::Name(name) => {
                    out.push('[');
                    Escaped::name(name).push_to(out);
                }
                Segment::Index(index) => {
                    out.push('[');
                    out.push_str(&index.to_string());
                }
            }
            out.push(']');
        });
    }
}

impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&text(|out| self.push_to(out)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn display() {
        let container = FieldPath::root().field("spec").field("containers").entry(Some("web"), 0);
        assert_eq!(container.field("env").entry(None, 3).to_string(), "spec.containers[web].env[3]");
        assert_eq!(container.field("env").entry(Some(""), 3).to_string(), "spec.containers[web].env[3]");
        assert_eq!(
            FieldPath::root().field("metadata").field("annotations").key("eks.amazonaws.com/role-arn").to_string(),
            r#"metadata.annotations["eks.amazonaws.com/role-arn"]"#
        );
        assert_eq!(FieldPath::at("spec.template").field("spec").to_string(), "spec.template.spec");
        assert_eq!(FieldPath::at("").to_string(), "");
        assert_eq!(FieldPath::root().entry(Some("a"), 0).to_string(), "[a]");
    }

    #[test]
    fn escapes_names() {
        let path = FieldPath::root().field("env").entry(Some("a]\n"), 0).key("\"\u{202e}");
        assert_eq!(path.to_string(), "env[a]\\u{a}][\"\"\\u{202e}\"]");
    }
}
