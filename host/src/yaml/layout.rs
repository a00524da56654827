// SPDX-License-Identifier: Apache-2.0

//! Where everything is in a text: the same documents as the loader's, as nodes with their places instead of values.

use std::ops::Range;

use granit_parser::{Event, Parser, ScalarStyle, Span, StructureStyle};

use super::scalar::Scalar;

/// A node of a document.
#[derive(Debug, Clone)]
pub struct Node {
    /// Where it begins and ends in the text, in bytes. A collection ends where its last entry does.
    pub bytes: Range<usize>,
    /// 1-based.
    pub line: usize,
    /// 1-based.
    pub column: usize,
    /// What it is.
    pub content: Content,
    /// Whether aliases elsewhere may stand for it, or a tag says what it is.
    pub is_marked: bool,
}

/// What a node is.
#[derive(Debug, Clone)]
pub enum Content {
    /// A text on one line or several; `true` where nothing but the line's end shows where it ends (`|` and `>`).
    Scalar {
        /// Written as `|` or `>`.
        is_block: bool,
    },
    /// Another node's content.
    Alias,
    /// A list.
    List {
        /// Written as `[…]`.
        is_flow: bool,
        /// In their order.
        items: Vec<Node>,
    },
    /// A mapping.
    Mapping {
        /// Written as `{…}`.
        is_flow: bool,
        /// In their order.
        entries: Vec<Entry>,
    },
}

/// A key of a mapping, and its value.
#[derive(Debug, Clone)]
pub struct Entry {
    /// As it is in the loader's value; none for a merge key.
    pub name: Option<String>,
    /// The key itself.
    pub key: Node,
    /// What it holds.
    pub value: Node,
}

/// The documents of a YAML text (JSON is YAML, too), those without content left out, as the loader does. None where
/// the text cannot be read.
pub fn documents(text: &str) -> Option<Vec<Node>> {
    let skipped = text.len() - text.strip_prefix('\u{feff}').unwrap_or(text).len();
    let text = text.get(skipped..)?;
    let mut options = granit_parser::Options::default();
    options.set_emit_comments(false);
    let mut builder = Builder { skipped, ..Builder::default() };
    for event in Parser::new_from_str_with_options(text, options) {
        let (event, span) = event.ok()?;
        builder.event(event, &span)?;
    }
    Some(builder.documents)
}

#[derive(Default)]
struct Builder {
    skipped: usize,
    documents: Vec<Node>,
    open: Vec<Open>,
}

/// A collection whose end has not been read yet.
struct Open {
    node: Node,
    key: Option<(Option<String>, Node)>,
}

impl Builder {
    fn event(&mut self, event: Event<'_>, span: &Span) -> Option<()> {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let is_block = matches!(style, ScalarStyle::Literal | ScalarStyle::Folded);
                let node = self.node(span, Content::Scalar { is_block }, anchor != 0 || tag.is_some())?;
                let is_plain = style == ScalarStyle::Plain && tag.is_none();
                let name = if is_plain && text == "<<" {
                    None
                } else if is_plain {
                    Some(Scalar::plain(&text).to_key().unwrap_or_default())
                } else {
                    Some(text.to_string())
                };
                let is_null = is_plain && matches!(Scalar::plain(&text), Scalar::Null);
                self.finished(name, node, is_null);
            }
            Event::Alias(_) | Event::UnresolvedAlias(_) => {
                let node = self.node(span, Content::Alias, true)?;
                self.finished(Some(String::new()), node, false);
            }
            Event::SequenceStart(style, anchor, ref tag) => {
                let content = Content::List { is_flow: style == StructureStyle::Flow, items: Vec::new() };
                let node = self.node(span, content, anchor != 0 || tag.is_some())?;
                self.open.push(Open { node, key: None });
            }
            Event::MappingStart(style, anchor, ref tag) => {
                let content = Content::Mapping { is_flow: style == StructureStyle::Flow, entries: Vec::new() };
                let node = self.node(span, content, anchor != 0 || tag.is_some())?;
                self.open.push(Open { node, key: None });
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let Open { mut node, .. } = self.open.pop()?;
                let last = match &node.content {
                    Content::List { is_flow: false, items } => items.last().map(|item| item.bytes.end),
                    Content::Mapping { is_flow: false, entries } => entries.last().map(|entry| entry.value.bytes.end),
                    // The bracket itself.
                    _ => span.byte_range().map(|range| range.end + self.skipped),
                };
                node.bytes.end = last.unwrap_or(node.bytes.end).max(node.bytes.start);
                self.finished(None, node, false);
            }
            _ => {}
        }
        Some(())
    }

    fn node(&self, span: &Span, content: Content, is_marked: bool) -> Option<Node> {
        let range = span.byte_range()?;
        Some(Node {
            bytes: range.start + self.skipped..range.end + self.skipped,
            line: span.start.line(),
            column: span.start.col() + 1,
            content,
            is_marked,
        })
    }

    fn finished(&mut self, name: Option<String>, node: Node, is_null: bool) {
        let Some(open) = self.open.last_mut() else {
            if !is_null {
                self.documents.push(node);
            }
            return;
        };
        match (&mut open.node.content, open.key.take()) {
            (Content::List { items, .. }, _) => items.push(node),
            (Content::Mapping { entries, .. }, Some((name, key))) => {
                // An empty value is where the next token is; it belongs to its key.
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

/// A node that was found, and its key where it has one.
#[derive(Debug, Clone, Copy)]
pub struct Found<'n> {
    /// The node.
    pub node: &'n Node,
    /// The key that holds it.
    pub key: Option<&'n Node>,
    /// How many steps led to it.
    pub depth: usize,
}

impl Found<'_> {
    /// Line and column of the key, or of the node where it has none.
    pub fn place(&self) -> (usize, usize) {
        let node = self.key.unwrap_or(self.node);
        (node.line, node.column)
    }
}

impl Node {
    /// The node at a path, or the nearest one above it. What comes in by an alias or a merge key is found where that
    /// is written.
    pub fn nearest(&self, path: &[Step]) -> Found<'_> {
        let mut found = Found { node: self, key: None, depth: 0 };
        for step in path {
            let next = match (step, &found.node.content) {
                (Step::Key(name), Content::Mapping { entries, .. }) => entries
                    .iter()
                    .find(|entry| entry.name.as_deref() == Some(name))
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
    use super::*;

    fn place(text: &str, document: usize, path: &[&str]) -> (usize, usize, String) {
        let documents = documents(text).unwrap();
        let steps: Vec<Step> =
            path.iter().map(|step| step.parse().map_or_else(|_| Step::Key((*step).to_owned()), Step::Index)).collect();
        let found = documents[document].nearest(&steps);
        let (line, column) = found.place();
        (line, column, text.get(found.node.bytes.clone()).unwrap().to_owned())
    }

    #[test]
    fn nodes_are_where_they_are_written() {
        let text = "# é\n---\na:\n  - name: \"é\" # no\n    b: |\n      x\n      y\n  - {c: [1, 2]}\n---\n---\nd: é\n";
        assert_eq!(place(text, 0, &["a", "0", "name"]), (4, 5, "\"é\"".to_owned()));
        assert_eq!(place(text, 0, &["a", "1", "c"]), (8, 6, "[1, 2]".to_owned()));
        assert_eq!(place(text, 0, &["a", "1"]), (8, 5, "{c: [1, 2]}".to_owned()));
        assert_eq!(place(text, 1, &["d"]), (11, 1, "é".to_owned()));
        assert_eq!(place(text, 0, &["a", "0", "nothing", "below"]).0, 4);
    }

    #[test]
    fn an_empty_value_is_at_its_key_and_a_mapping_ends_with_its_last_entry() {
        let text = "a:\n  b:\n\n# far\nc: 1 # x\n\n# end\n";
        assert_eq!(place(text, 0, &["a", "b"]), (2, 3, String::new()));
        assert_eq!(place(text, 0, &["a"]), (1, 1, "b:".strip_suffix(':').unwrap().to_owned()));
        assert_eq!(place(text, 0, &[]).2, "a:\n  b:\n\n# far\nc: 1");
    }

    #[test]
    fn documents_without_content_are_left_out_as_by_the_loader() {
        for text in ["# x\n", "---\n---\n", "a: 1\n---\n# x\n---\nb: 2\n", "\u{feff}a: 1\n", "a: 1\r\n---\r\nb: 2\r\n"]
        {
            let loaded = super::super::load_str(text, "x").unwrap();
            let lines: Vec<usize> = documents(text).unwrap().iter().map(|node| node.line).collect();
            assert_eq!(lines, loaded.iter().map(|document| document.line).collect::<Vec<_>>(), "{text:?}");
        }
        assert!(documents("a: [").is_none());
    }

    #[test]
    fn json_has_places_too() {
        let text = "{\n  \"a\": {\n    \"b\": true\n  }\n}\n";
        assert_eq!(place(text, 0, &["a", "b"]), (3, 5, "true".to_owned()));
    }
}
