// SPDX-License-Identifier: Apache-2.0

//! Typed access to JSON values that know their path.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::ApiError;
use super::path::Path;

/// A JSON object and its path. Absent and `null` fields are `None`; a field of the wrong type is a bad request.
pub(super) struct Node<'a> {
    pub path: Path,
    pub fields: &'a mut Map<String, Value>,
}

impl<'a> Node<'a> {
    pub fn root(object: &'a mut Value) -> Result<Self, ApiError> {
        let found = type_name(object);
        match object {
            Value::Object(fields) => Ok(Node { path: Path::default(), fields }),
            _ => Err(ApiError::BadRequest(format!("the object must be an object, is {found}"))),
        }
    }

    pub fn path_of(&self, key: impl Into<Cow<'static, str>>) -> Path {
        self.path.field(key)
    }

    pub fn has(&self, key: &str) -> bool {
        self.fields.get(key).is_some_and(|value| !value.is_null())
    }

    /// The object in a field.
    pub fn child(&mut self, key: &'static str) -> Result<Option<Node<'_>>, ApiError> {
        match self.fields.get_mut(key) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Object(fields)) => Ok(Some(Node { path: self.path.field(key), fields })),
            Some(other) => Err(wrong_type(&self.path.field(key), "an object", other)),
        }
    }

    /// The object at a path of fields.
    pub fn descend(self, keys: &[&'static str]) -> Result<Option<Node<'a>>, ApiError> {
        let Node { mut path, mut fields } = self;
        for key in keys {
            path = path.field(*key);
            match fields.get_mut(*key) {
                None | Some(Value::Null) => return Ok(None),
                Some(Value::Object(below)) => fields = below,
                Some(other) => return Err(wrong_type(&path, "an object", other)),
            }
        }
        Ok(Some(Node { path, fields }))
    }

    /// The objects of a list; none if the list is absent.
    pub fn list(&mut self, key: &'static str) -> Result<Vec<Node<'_>>, ApiError> {
        let entries = match self.fields.get_mut(key) {
            None | Some(Value::Null) => return Ok(Vec::new()),
            Some(Value::Array(entries)) => entries,
            Some(other) => return Err(wrong_type(&self.path.field(key), "a list", other)),
        };
        let path = self.path.field(key);
        let nodes = entries.iter_mut().enumerate().map(|(index, entry)| {
            let path = path.index(index);
            match entry {
                Value::Object(fields) => Ok(Node { path, fields }),
                other => Err(wrong_type(&path, "an object", other)),
            }
        });
        nodes.collect()
    }

    /// The list in a field; created if absent.
    pub fn list_mut(&mut self, key: &'static str) -> Result<&mut Vec<Value>, ApiError> {
        let value = self.fields.entry(key).or_insert(Value::Null);
        if value.is_null() {
            *value = Value::Array(Vec::new());
        }
        match value {
            Value::Array(entries) => Ok(entries),
            other => Err(wrong_type(&self.path.field(key), "a list", other)),
        }
    }

    pub fn text(&self, key: &'static str) -> Result<Option<&str>, ApiError> {
        self.scalar(key, "a string", Value::as_str)
    }

    pub fn boolean(&self, key: &'static str) -> Result<Option<bool>, ApiError> {
        self.scalar(key, "a boolean", Value::as_bool)
    }

    pub fn integer(&self, key: &'static str) -> Result<Option<i64>, ApiError> {
        self.scalar(key, "an integer", Value::as_i64)
    }

    /// Sets a field that is absent or `null`.
    pub fn default_to(&mut self, key: &str, value: impl Into<Value>) {
        if !self.has(key) {
            self.fields.insert(key.to_owned(), value.into());
        }
    }

    pub fn remove_null(&mut self, key: &str) {
        if !self.has(key) {
            self.fields.remove(key);
        }
    }

    fn scalar<'b, T>(
        &'b self,
        key: &'static str,
        wanted: &str,
        read: impl Fn(&'b Value) -> Option<T>,
    ) -> Result<Option<T>, ApiError> {
        match self.fields.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => match read(value) {
                Some(found) => Ok(Some(found)),
                None => Err(wrong_type(&self.path_of(key), wanted, value)),
            },
        }
    }
}

fn wrong_type(path: &Path, wanted: &str, found: &Value) -> ApiError {
    ApiError::BadRequest(format!("{path}: must be {wanted}, is {}", type_name(found)))
}

fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
