// SPDX-License-Identifier: Apache-2.0

//! Turns the change of a value into edits of its text. Only lines that have to change are changed, and line endings are kept.

use std::ops::Range;

use serde_json::{Map, Value};

use crate::yaml;
use crate::yaml::layout::{Content, Entry, Node};

/// A range of bytes in a text, and its replacement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Edit {
    pub range: Range<usize>,
    pub text: String,
}

/// Why a change cannot be written into a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    #[error("it is written in flow style ({{…}} or […]), which cannot be changed line by line")]
    Flow,
    #[error("it has an anchor, an alias, a merge key or a tag, so that a change would have effects elsewhere")]
    Shared,
    #[error("it is written in a way that cannot be changed line by line")]
    Shape,
}

/// The edits that change a node with the value `before` to `after`.
pub(super) fn edits(text: &str, node: &Node, before: &Value, after: &Value) -> Result<Vec<Edit>, Refusal> {
    let mut edits = Vec::new();
    Writer { text, edits: &mut edits }.change(Slot { node, key: None }, before, after)?;
    Ok(edits)
}

/// Applies the edits to the text; `None` if they overlap.
pub(super) fn apply(text: &str, mut edits: Vec<Edit>) -> Option<String> {
    edits.sort_by_key(|edit| (edit.range.start, edit.range.end));
    let mut result = String::with_capacity(text.len() + 64);
    let mut at = 0;
    for edit in edits {
        result.push_str(text.get(at..edit.range.start)?);
        result.push_str(&edit.text);
        at = edit.range.end;
    }
    result.push_str(text.get(at..)?);
    Some(result)
}

/// A node, and its key if it is the value of a mapping entry.
#[derive(Clone, Copy)]
struct Slot<'n> {
    node: &'n Node,
    key: Option<&'n Node>,
}

struct Writer<'t, 'e> {
    text: &'t str,
    edits: &'e mut Vec<Edit>,
}

impl Writer<'_, '_> {
    fn change(&mut self, slot: Slot<'_>, before: &Value, after: &Value) -> Result<(), Refusal> {
        if before == after {
            return Ok(());
        }
        let node = slot.node;
        if node.is_marked {
            return Err(Refusal::Shared);
        }
        match (&node.content, before, after) {
            (Content::Alias, ..) => Err(Refusal::Shared),
            (Content::Mapping { is_flow: true, .. } | Content::List { is_flow: true, .. }, ..) => Err(Refusal::Flow),
            (Content::Mapping { .. } | Content::List { .. }, _, after) if is_empty(after) => self.empty(slot, after),
            (Content::Mapping { entries, .. }, Value::Object(before), Value::Object(after)) => {
                self.change_fields(slot, entries, before, after)
            }
            (Content::List { items, .. }, Value::Array(before), Value::Array(after)) => {
                self.change_items(items, before, after)
            }
            (
                Content::Scalar { is_block: false },
                _,
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_),
            ) => self.replace_scalar(slot, after),
            _ => Err(Refusal::Shape),
        }
    }

    fn replace_scalar(&mut self, slot: Slot<'_>, after: &Value) -> Result<(), Refusal> {
        let range = slot.node.bytes.clone();
        let new = rendered(after)?;
        if range.is_empty() {
            // `key:` without a value: the new value comes after the colon.
            let end = self.colon(slot.key.ok_or(Refusal::Shape)?)?;
            return self.push(end..end, format!(" {new}"));
        }
        if self.text.get(range.clone()).is_none_or(|old| old.contains('\n')) {
            return Err(Refusal::Shape);
        }
        self.push(range, new)
    }

    /// Replaces a collection with an empty one: `key: []`.
    fn empty(&mut self, slot: Slot<'_>, after: &Value) -> Result<(), Refusal> {
        let colon = self.colon(slot.key.ok_or(Refusal::Shape)?)?;
        let first = self.line_start(slot.node.bytes.start);
        if first <= colon || self.text.get(colon..first).is_none_or(|between| between.contains('#')) {
            return Err(Refusal::Shape);
        }
        self.push(colon..colon, format!(" {}", rendered(after)?))?;
        let lines = first..self.line_end(slot.node.bytes.end);
        self.push(lines, String::new())
    }

    fn change_fields(
        &mut self,
        slot: Slot<'_>,
        entries: &[Entry],
        before: &Map<String, Value>,
        after: &Map<String, Value>,
    ) -> Result<(), Refusal> {
        // The last of several duplicate keys applies.
        let find = |key: &str| entries.iter().rfind(|entry| entry.name.as_deref() == Some(key)).ok_or(Refusal::Shared);
        for (key, old) in before {
            match after.get(key) {
                Some(new) if new == old => {}
                Some(new) => {
                    let entry = find(key)?;
                    self.change(Slot { node: &entry.value, key: Some(&entry.key) }, old, new)?;
                }
                None => self.remove_entry(find(key)?)?,
            }
        }
        let added: Map<String, Value> = after
            .iter()
            .filter(|(key, _)| !before.contains_key(*key))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        if added.is_empty() { Ok(()) } else { self.add_fields(slot, entries, added) }
    }

    fn remove_entry(&mut self, entry: &Entry) -> Result<(), Refusal> {
        if entry.key.is_marked || entry.value.is_marked {
            return Err(Refusal::Shared);
        }
        self.remove_lines(entry.key.bytes.start, entry.value.bytes.end)
    }

    /// Adds fields directly below the mapping's own key, or at the end of the mapping if it has no key.
    fn add_fields(&mut self, slot: Slot<'_>, entries: &[Entry], added: Map<String, Value>) -> Result<(), Refusal> {
        let (Some(first), Some(last)) = (entries.first(), entries.last()) else { return Err(Refusal::Shape) };
        let at = match slot.key {
            Some(key) if self.is_on_a_later_line(key, &first.key) => self.line_end(self.colon(key)?),
            _ => self.line_end(last.value.bytes.end.max(last.key.bytes.end)),
        };
        let block = yaml::to_string(&Value::Object(added)).map_err(|_| Refusal::Shape)?;
        self.insert_lines(at, self.column(first.key.bytes.start), &block)
    }

    fn change_items(&mut self, items: &[Node], before: &[Value], after: &[Value]) -> Result<(), Refusal> {
        if items.len() != before.len() {
            return Err(Refusal::Shape);
        }
        if before.len() == after.len() {
            for (item, (old, new)) in items.iter().zip(before.iter().zip(after)) {
                self.change(Slot { node: item, key: None }, old, new)?;
            }
            return Ok(());
        }
        // Some entries are removed; the others stay unchanged.
        let mut rest = after.iter().peekable();
        for (item, old) in items.iter().zip(before) {
            if rest.next_if(|new| *new == old).is_none() {
                if item.is_marked {
                    return Err(Refusal::Shared);
                }
                self.remove_item(item)?;
            }
        }
        if rest.peek().is_none() { Ok(()) } else { Err(Refusal::Shape) }
    }

    fn remove_item(&mut self, item: &Node) -> Result<(), Refusal> {
        let start = self.line_start(item.bytes.start);
        let before = self.text.get(start..item.bytes.start).ok_or(Refusal::Shape)?;
        let dash = before.rfind('-').ok_or(Refusal::Shape)? + start;
        self.remove_lines(dash, item.bytes.end)
    }

    /// Removes whole lines, if nothing else is on them.
    fn remove_lines(&mut self, from: usize, to: usize) -> Result<(), Refusal> {
        let (start, end) = (self.line_start(from), self.line_end(to));
        let before = self.text.get(start..from).ok_or(Refusal::Shape)?;
        let behind = self.text.get(to..end).ok_or(Refusal::Shape)?.trim();
        if !before.bytes().all(|byte| byte == b' ') || !(behind.is_empty() || behind.starts_with('#')) {
            return Err(Refusal::Shape);
        }
        self.push(start..end, String::new())
    }

    fn insert_lines(&mut self, at: usize, indent: usize, block: &str) -> Result<(), Refusal> {
        let before = self.text.get(..at).ok_or(Refusal::Shape)?;
        let newline = if self.text.contains("\r\n") { "\r\n" } else { "\n" };
        let is_open = !before.is_empty() && !before.ends_with('\n');
        let mut lines = String::new();
        for line in block.lines() {
            if is_open {
                lines.push_str(newline);
            }
            lines.push_str(&" ".repeat(indent));
            lines.push_str(line);
            if !is_open {
                lines.push_str(newline);
            }
        }
        self.push(at..at, lines)
    }

    fn push(&mut self, range: Range<usize>, text: String) -> Result<(), Refusal> {
        if self.edits.iter().any(|edit| range.start < edit.range.end && edit.range.start < range.end) {
            return Err(Refusal::Shape);
        }
        self.edits.push(Edit { range, text });
        Ok(())
    }

    /// The position after the colon of a key.
    fn colon(&self, key: &Node) -> Result<usize, Refusal> {
        let rest = self.text.get(key.bytes.end..).ok_or(Refusal::Shape)?;
        let blanks = rest.len() - rest.trim_start_matches(' ').len();
        if rest.get(blanks..).is_some_and(|rest| rest.starts_with(':')) {
            Ok(key.bytes.end + blanks + 1)
        } else {
            Err(Refusal::Shape)
        }
    }

    fn is_on_a_later_line(&self, node: &Node, other: &Node) -> bool {
        self.text.get(node.bytes.end..other.bytes.start).is_some_and(|between| between.contains('\n'))
    }

    /// The number of characters before a byte on its line.
    fn column(&self, at: usize) -> usize {
        self.text.get(self.line_start(at)..at).map_or(0, |before| before.chars().count())
    }

    fn line_start(&self, at: usize) -> usize {
        self.text.get(..at).and_then(|before| before.rfind('\n')).map_or(0, |newline| newline + 1)
    }

    /// The position after the end of the line; a node may already end there.
    fn line_end(&self, at: usize) -> usize {
        if at > 0 && self.text.get(at - 1..at) == Some("\n") {
            return at;
        }
        self.text.get(at..).and_then(|rest| rest.find('\n')).map_or(self.text.len(), |newline| at + newline + 1)
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        _ => false,
    }
}

/// A value on one line.
fn rendered(value: &Value) -> Result<String, Refusal> {
    let text = yaml::to_string(value).map_err(|_| Refusal::Shape)?;
    let text = text.trim_end_matches('\n');
    if text.contains('\n') { Err(Refusal::Shape) } else { Ok(text.to_owned()) }
}

#[cfg(test)]
mod tests;
