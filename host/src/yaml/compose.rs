// SPDX-License-Identifier: Apache-2.0

//! From the parser's events to values: tags, aliases, merge keys, duplicate keys.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use granit_parser::{Event, Parser, ScalarStyle, Span, Tag};
use serde_json::{Map, Value};

use super::Problem;
use super::scalar::Scalar;

/// How many nodes aliases may add to a file, so that a small file cannot fill the memory.
const MAX_ALIASED_NODES: usize = 1_000_000;

/// What `!!` stands for.
const STANDARD_TAGS: &str = "tag:yaml.org,2002:";

/// Every document with the line its first node is on.
pub(super) fn documents(text: &str) -> Result<Vec<(usize, Value)>, Problem> {
    let mut composer = Composer::default();
    let mut options = granit_parser::Options::default();
    options.set_emit_comments(false);
    for event in Parser::new_from_str_with_options(text, options) {
        let (event, span) = event.map_err(|error| {
            let marker = error.marker();
            Problem { line: marker.line(), column: marker.col() + 1, message: error.info() }
        })?;
        composer.event(event, &span)?;
    }
    Ok(composer.documents)
}

#[derive(Default)]
struct Composer {
    documents: Vec<(usize, Value)>,
    open: Vec<Open>,
    anchors: BTreeMap<usize, Anchored>,
    aliased: usize,
    line: usize,
}

struct Anchored {
    value: Value,
    nodes: usize,
}

/// A collection whose end has not been read yet.
struct Open {
    anchor: usize,
    start: Span,
    kind: Kind,
}

enum Kind {
    List(Vec<Value>),
    Mapping { map: Map<String, Value>, own: BTreeSet<String>, key: Option<Key> },
}

enum Key {
    Own(String),
    Merge,
}

impl Composer {
    fn event(&mut self, event: Event<'_>, span: &Span) -> Result<(), Problem> {
        match event {
            Event::DocumentStart(..) => {
                self.anchors.clear();
                self.line = 0;
            }
            Event::Scalar(text, style, anchor, tag) => {
                self.starts(span);
                let plain = style == ScalarStyle::Plain;
                self.scalar(&text, plain, tag.as_deref(), anchor, span)?;
            }
            Event::SequenceStart(_, anchor, _) => {
                self.starts(span);
                self.open.push(Open { anchor, start: *span, kind: Kind::List(Vec::new()) });
            }
            Event::MappingStart(_, anchor, _) => {
                self.starts(span);
                let kind = Kind::Mapping { map: Map::new(), own: BTreeSet::new(), key: None };
                self.open.push(Open { anchor, start: *span, kind });
            }
            Event::SequenceEnd | Event::MappingEnd => {
                if let Some(Open { anchor, start, kind }) = self.open.pop() {
                    let value = match kind {
                        Kind::List(items) => Value::Array(items),
                        Kind::Mapping { map, .. } => Value::Object(map),
                    };
                    self.finished(value, anchor, &start)?;
                }
            }
            Event::Alias(id) => {
                self.starts(span);
                let anchored = self.anchors.get(&id).ok_or_else(|| problem(span, "an anchor contains itself"))?;
                self.aliased = self.aliased.saturating_add(anchored.nodes);
                if self.aliased > MAX_ALIASED_NODES {
                    return Err(problem(span, format!("aliases expand to more than {MAX_ALIASED_NODES} nodes")));
                }
                let value = anchored.value.clone();
                self.alias(value, span)?;
            }
            Event::UnresolvedAlias(name) => return Err(problem(span, format!("anchor `{name}` is not defined"))),
            // What is left carries no data: stream and document ends, comments, anchor names.
            _ => {}
        }
        Ok(())
    }

    fn starts(&mut self, span: &Span) {
        if self.line == 0 {
            self.line = span.start.line();
        }
    }

    fn scalar(
        &mut self,
        text: &str,
        plain: bool,
        tag: Option<&Tag>,
        anchor: usize,
        span: &Span,
    ) -> Result<(), Problem> {
        let decoded;
        let merge = text == "<<"
            && match tag {
                None => plain,
                Some(tag) => tag.suffix_in_namespace(STANDARD_TAGS).as_deref() == Some("merge"),
            };
        let scalar = match tag {
            None if plain => Scalar::plain(text),
            None => Scalar::Str(text),
            Some(tag) => match tag.suffix_in_namespace(STANDARD_TAGS).as_deref() {
                Some(wanted @ ("null" | "bool" | "int" | "float")) => {
                    tagged(wanted, text).ok_or_else(|| problem(span, format!("`{text}` is no !!{wanted}")))?
                }
                Some("binary") => {
                    let compact: String = text.split_ascii_whitespace().collect();
                    let bytes = base64::engine::general_purpose::STANDARD
                        .decode(compact)
                        .map_err(|_| problem(span, "a !!binary value is no base64"))?;
                    decoded = String::from_utf8_lossy(&bytes).into_owned();
                    Scalar::Str(&decoded)
                }
                _ => Scalar::Str(text),
            },
        };
        if self.wants_key() {
            let key = scalar.to_key().ok_or_else(|| problem(span, "null cannot be a key"))?;
            self.key(key, merge, span)?;
            if anchor != 0 {
                let value = scalar.to_json().unwrap_or(Value::Null);
                self.anchors.insert(anchor, Anchored { value, nodes: 1 });
            }
            return Ok(());
        }
        let value = scalar.to_json().ok_or_else(|| problem(span, format!("`{text}` has no form in json")))?;
        self.finished(value, anchor, span)
    }

    fn alias(&mut self, value: Value, span: &Span) -> Result<(), Problem> {
        if !self.wants_key() {
            return self.finished(value, 0, span);
        }
        let key = match value {
            Value::String(text) => text,
            Value::Number(number) => number.to_string(),
            Value::Bool(value) => value.to_string(),
            Value::Null => return Err(problem(span, "null cannot be a key")),
            Value::Array(_) | Value::Object(_) => return Err(problem(span, "a key must be a scalar")),
        };
        self.key(key, false, span)
    }

    fn wants_key(&self) -> bool {
        matches!(self.open.last(), Some(Open { kind: Kind::Mapping { key: None, .. }, .. }))
    }

    fn key(&mut self, text: String, merge: bool, span: &Span) -> Result<(), Problem> {
        if let Some(Open { kind: Kind::Mapping { own, key, .. }, .. }) = self.open.last_mut() {
            if merge {
                *key = Some(Key::Merge);
            } else if own.insert(text.clone()) {
                *key = Some(Key::Own(text));
            } else {
                return Err(problem(span, format!("key `{text}` occurs twice in the same mapping")));
            }
        }
        Ok(())
    }

    /// A complete value: it goes to the collection around it, or is a document.
    fn finished(&mut self, value: Value, anchor: usize, start: &Span) -> Result<(), Problem> {
        if anchor != 0 {
            let nodes = count(&value);
            self.anchors.insert(anchor, Anchored { value: value.clone(), nodes });
        }
        match self.open.last_mut().map(|open| &mut open.kind) {
            None => self.documents.push((self.line.max(1), value)),
            Some(Kind::List(items)) => items.push(value),
            Some(Kind::Mapping { map, key, .. }) => match key.take() {
                Some(Key::Own(key)) => {
                    map.insert(key, value);
                }
                Some(Key::Merge) => merge(map, value).map_err(|message| problem(start, message))?,
                None => return Err(problem(start, "a key must be a scalar")),
            },
        }
        Ok(())
    }
}

/// A later entry of the mapping replaces a merged one, and the first of several merged mappings wins.
fn merge(map: &mut Map<String, Value>, value: Value) -> Result<(), &'static str> {
    const WANTED: &str = "a merge key needs a mapping or a list of mappings";
    match value {
        Value::Object(merged) => map.extend(merged),
        Value::Array(several) => {
            for merged in several.into_iter().rev() {
                let Value::Object(merged) = merged else { return Err(WANTED) };
                map.extend(merged);
            }
        }
        _ => return Err(WANTED),
    }
    Ok(())
}

fn tagged<'a>(wanted: &str, text: &'a str) -> Option<Scalar<'a>> {
    match (wanted, Scalar::plain(text)) {
        ("null", found @ Scalar::Null) => Some(found),
        ("bool", found @ Scalar::Bool(_)) => Some(found),
        ("int", found @ (Scalar::Int(_) | Scalar::Uint(_))) => Some(found),
        ("float", found @ Scalar::Float(_)) => Some(found),
        #[expect(clippy::cast_precision_loss, reason = "what the tag asks for")]
        ("float", Scalar::Int(value)) => Some(Scalar::Float(value as f64)),
        _ => None,
    }
}

fn count(value: &Value) -> usize {
    1 + match value {
        Value::Array(items) => items.iter().map(count).sum::<usize>(),
        Value::Object(map) => map.values().map(count).sum(),
        _ => 0,
    }
}

fn problem(span: &Span, message: impl Into<String>) -> Problem {
    Problem { line: span.start.line(), column: span.start.col() + 1, message: message.into() }
}
