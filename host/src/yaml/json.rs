// SPDX-License-Identifier: Apache-2.0

//! Reads JSON: one document, or several in sequence. The last of several duplicate keys applies, as in Go.

use std::cell::RefCell;
use std::fmt;
use std::ops::Range;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::lines::Lines;
use super::parts::Problem;

/// The range of each document; `None` if the first one cannot be read. From a later document that cannot be read, the rest of
/// the text is the last part.
pub(super) fn parts(text: &str) -> Option<Vec<Range<usize>>> {
    let mut parts = Vec::new();
    let mut stream = serde_json::Deserializer::from_str(text).into_iter::<IgnoredAny>();
    let mut start = 0;
    while let Some(found) = stream.next() {
        if found.is_err() {
            if parts.is_empty() {
                return None;
            }
            parts.push(start..text.len());
            break;
        }
        parts.push(start..stream.byte_offset());
        start = stream.byte_offset();
    }
    Some(parts)
}

/// A document, the byte where it begins, and its duplicate keys.
pub(super) struct Document {
    pub start: usize,
    pub value: Value,
    pub repeated: Vec<(usize, String)>,
}

/// Reads a text of one document.
pub(super) fn document(text: &str) -> Result<Document, Problem> {
    let start = text.len() - text.trim_start().len();
    let repeated = RefCell::new(Vec::new());
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let value = Reader(&repeated).deserialize(&mut deserializer).and_then(|value| deserializer.end().map(|()| value));
    match value {
        Ok(value) => {
            let repeated = repeated.into_inner().into_iter().map(|key| (start, key)).collect();
            Ok(Document { start, value, repeated })
        }
        Err(error) => Err(problem(&error, text)),
    }
}

fn problem(error: &serde_json::Error, text: &str) -> Problem {
    let (line, column) = (error.line(), error.column());
    let words = error.to_string();
    let position = format!(" at line {line} column {column}");
    let message = words.strip_suffix(&position).unwrap_or(&words).to_owned();
    let message = if error.is_eof() { "the text ends too early".to_owned() } else { message };
    Problem { at: Lines::of(text).start(line) + column.saturating_sub(1), message }
}

/// Reads a value, and records duplicate keys.
#[derive(Clone, Copy)]
struct Reader<'r>(&'r RefCell<Vec<String>>);

impl<'de> DeserializeSeed<'de> for Reader<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Reader<'_> {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("json")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element_seed(self)? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(key) = access.next_key::<String>()? {
            let value = access.next_value_seed(self)?;
            if map.insert(key.clone(), value).is_some() {
                self.0.borrow_mut().push(key);
            }
        }
        Ok(Value::Object(map))
    }
}
