// SPDX-License-Identifier: Apache-2.0

//! Builds values from the parser's events: tags, aliases, merge keys, duplicate keys.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use base64::Engine as _;
use serde_json::map::Entry;
use serde_json::{Map, Value};

use super::events::{self, Event, Marks, SyntaxError};
use super::scalar::{self, Scalar};

/// Maximum number of nodes that aliases may add to a document, so that a small file cannot fill the memory.
const MAX_ALIASED_NODES: usize = 1_000_000;

/// Maximum number of bytes of text that aliases may add.
const MAX_ALIASED_BYTES: usize = 32 << 20;

/// The first document of a text.
#[derive(Debug, Default)]
pub(super) struct Composed {
    /// Null if the document is empty.
    pub value: Value,
    /// The byte where its first node begins.
    pub start: usize,
    /// The duplicate keys of mappings, each with its byte. The last one applies.
    pub repeated: Vec<(usize, String)>,
    /// The byte where content begins that kubectl does not read.
    pub dropped: Option<usize>,
}

/// Reads the first document of a text; `observe` is called with each event before it is used.
pub(super) fn first_document<'t>(
    text: &'t str,
    mut observe: impl FnMut(&Event<'t>, &Range<usize>),
) -> Result<Composed, SyntaxError> {
    let mut composer = Composer::default();
    let dropped = events::of_first_document(text, |event, at| {
        observe(&event, &at);
        composer.event(event, &at)
    })?;
    let Composer { start, mut composed, .. } = composer;
    // A key is known to be repeated at the end of its value.
    composed.repeated.sort_unstable();
    Ok(Composed { dropped, start: start.unwrap_or_default(), ..composed })
}

#[derive(Default)]
struct Composer {
    composed: Composed,
    start: Option<usize>,
    open: Vec<Open>,
    /// `None` until the node is complete.
    anchors: BTreeMap<String, Option<Anchored>>,
    aliased: Size,
}

struct Anchored {
    value: Value,
    size: Size,
}

/// The size of a value.
#[derive(Debug, Clone, Copy, Default)]
struct Size {
    nodes: usize,
    bytes: usize,
}

/// A collection whose end has not been read yet.
struct Open {
    anchor: Option<String>,
    at: usize,
    kind: Kind,
}

enum Kind {
    List(Vec<Value>),
    Mapping {
        map: Map<String, Value>,
        /// The mapping's own keys, without merged ones. `None` before the first merge, when all keys are its own.
        own: Option<BTreeSet<String>>,
        key: Option<Key>,
    },
}

enum Key {
    /// With the byte where it begins.
    Own(String, usize),
    Merge,
}

impl Composer {
    fn event(&mut self, event: Event<'_>, at: &Range<usize>) -> Result<(), SyntaxError> {
        self.start.get_or_insert(at.start);
        match event {
            Event::Scalar { text, is_plain, marks, .. } => self.scalar(text, is_plain, &marks, at.start),
            Event::Alias(name) => self.alias(name, at.start),
            Event::ListStart { marks, .. } => {
                self.open(&marks, at.start, Kind::List(Vec::new()));
                Ok(())
            }
            Event::MappingStart { marks, .. } => {
                self.open(&marks, at.start, Kind::Mapping { map: Map::new(), own: None, key: None });
                Ok(())
            }
            Event::End => {
                let Some(Open { anchor, at, kind }) = self.open.pop() else { return Ok(()) };
                let value = match kind {
                    Kind::List(items) => Value::Array(items),
                    Kind::Mapping { map, .. } => Value::Object(map),
                };
                self.finished(value, anchor, at, false)
            }
        }
    }

    fn open(&mut self, marks: &Marks<'_>, at: usize, kind: Kind) {
        if let Some(anchor) = marks.anchor {
            self.anchors.insert(anchor.to_owned(), None);
        }
        self.open.push(Open { anchor: marks.anchor.map(str::to_owned), at, kind });
    }

    fn scalar(&mut self, text: Cow<'_, str>, is_plain: bool, marks: &Marks<'_>, at: usize) -> Result<(), SyntaxError> {
        let is_merge = scalar::is_merge(&text, is_plain, marks.tag.as_deref());
        let decoded;
        let scalar = match marks.tag.as_deref().map(scalar::standard_tag) {
            None if is_plain => Scalar::plain(&text),
            Some(Some("binary")) => {
                decoded = binary(&text).ok_or_else(|| SyntaxError::new(at, "a !!binary value is not valid base64"))?;
                Scalar::Str(&decoded)
            }
            Some(Some(wanted)) => Scalar::tagged(wanted, &text)
                .ok_or_else(|| SyntaxError::new(at, format!("`{text}` is not a valid !!{wanted}")))?,
            None | Some(None) => Scalar::Str(&text),
        };
        if self.wants_key() {
            let key = scalar.to_key().map_err(|why| SyntaxError::new(at, why))?;
            if let Some(anchor) = marks.anchor {
                let value = scalar.to_json().unwrap_or(Value::Null);
                self.anchors.insert(anchor.to_owned(), Some(Anchored { size: size(&value), value }));
            }
            self.key(key, is_merge, at);
            return Ok(());
        }
        let value = match scalar {
            Scalar::Str(found) if found.as_ptr() == text.as_ptr() => Value::String(text.into_owned()),
            other => other
                .to_json()
                .ok_or_else(|| SyntaxError::new(at, format!("`{text}` cannot be represented in JSON")))?,
        };
        self.finished(value, marks.anchor.map(str::to_owned), at, false)
    }

    fn alias(&mut self, name: &str, at: usize) -> Result<(), SyntaxError> {
        let anchored = match self.anchors.get(name) {
            Some(Some(anchored)) => anchored,
            Some(None) => return Err(SyntaxError::new(at, "an anchor contains itself")),
            None => return Err(SyntaxError::new(at, format!("anchor `{name}` is not defined"))),
        };
        self.aliased.nodes = self.aliased.nodes.saturating_add(anchored.size.nodes);
        self.aliased.bytes = self.aliased.bytes.saturating_add(anchored.size.bytes);
        if self.aliased.nodes > MAX_ALIASED_NODES {
            return Err(SyntaxError::new(at, format!("aliases expand to more than {MAX_ALIASED_NODES} nodes")));
        }
        if self.aliased.bytes > MAX_ALIASED_BYTES {
            return Err(SyntaxError::new(at, format!("aliases expand to more than {} MB", MAX_ALIASED_BYTES >> 20)));
        }
        let value = anchored.value.clone();
        if !self.wants_key() {
            return self.finished(value, None, at, true);
        }
        let key = match value {
            Value::String(text) => text,
            Value::Number(number) => number.to_string(),
            Value::Bool(value) => value.to_string(),
            Value::Null => return Err(SyntaxError::new(at, scalar::NULL_KEY)),
            Value::Array(_) | Value::Object(_) => return Err(SyntaxError::new(at, COMPLEX_KEY)),
        };
        self.key(key, false, at);
        Ok(())
    }

    fn wants_key(&self) -> bool {
        matches!(self.open.last(), Some(Open { kind: Kind::Mapping { key: None, .. }, .. }))
    }

    fn key(&mut self, text: String, is_merge: bool, at: usize) {
        if let Some(Open { kind: Kind::Mapping { map, own, key }, .. }) = self.open.last_mut() {
            if is_merge {
                own.get_or_insert_with(|| map.keys().cloned().collect());
                *key = Some(Key::Merge);
                return;
            }
            if own.as_mut().is_some_and(|own| !own.insert(text.clone())) {
                self.composed.repeated.push((at, text.clone()));
            }
            *key = Some(Key::Own(text, at));
        }
    }

    /// Adds a complete value to the collection around it, or makes it the document.
    fn finished(&mut self, value: Value, anchor: Option<String>, at: usize, is_alias: bool) -> Result<(), SyntaxError> {
        if let Some(anchor) = anchor {
            self.anchors.insert(anchor, Some(Anchored { size: size(&value), value: value.clone() }));
        }
        match self.open.last_mut().map(|open| &mut open.kind) {
            None => self.composed.value = value,
            Some(Kind::List(items)) => items.push(value),
            Some(Kind::Mapping { map, own, key }) => match key.take() {
                Some(Key::Own(key, at)) => match map.entry(key) {
                    Entry::Vacant(entry) => {
                        entry.insert(value);
                    }
                    Entry::Occupied(mut entry) => {
                        // With `own`, an entry may be a merged one.
                        if own.is_none() {
                            self.composed.repeated.push((at, entry.key().clone()));
                        }
                        entry.insert(value);
                    }
                },
                Some(Key::Merge) => merge(map, value, is_alias).map_err(|message| SyntaxError::new(at, message))?,
                None => return Err(SyntaxError::new(at, COMPLEX_KEY)),
            },
        }
        Ok(())
    }
}

const COMPLEX_KEY: &str = "a key must be a scalar";

/// A later entry of the mapping replaces a merged one, and the first of several merged mappings takes precedence.
fn merge(map: &mut Map<String, Value>, value: Value, is_alias: bool) -> Result<(), &'static str> {
    const WANTED: &str = "a merge key needs a mapping or a list of mappings";
    match value {
        Value::Object(merged) => map.extend(merged),
        Value::Array(several) if !is_alias => {
            for merged in several.into_iter().rev() {
                let Value::Object(merged) = merged else { return Err(WANTED) };
                map.extend(merged);
            }
        }
        _ => return Err(WANTED),
    }
    Ok(())
}

/// Go's `base64.StdEncoding`, which ignores only line breaks.
fn binary(text: &str) -> Option<String> {
    let compact: String = text.chars().filter(|character| !matches!(character, '\r' | '\n')).collect();
    let bytes = base64::engine::general_purpose::STANDARD.decode(compact).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

fn size(value: &Value) -> Size {
    let mut size = Size { nodes: 1, bytes: 0 };
    let mut add = |below: Size| {
        size.nodes += below.nodes;
        size.bytes += below.bytes;
    };
    match value {
        Value::Array(items) => items.iter().map(self::size).for_each(&mut add),
        Value::Object(map) => map.iter().for_each(|(key, value)| {
            let below = self::size(value);
            add(Size { bytes: below.bytes + key.len(), ..below });
        }),
        Value::String(text) => size.bytes = text.len(),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
    size
}
