// SPDX-License-Identifier: Apache-2.0
//! `ConfigMaps`, and Secrets as far as they are data.

use super::legacy_token::decode;
use super::meta::Meta;
use super::view::{Members, Raw, ReadError, Text, view};
use crate::fast::word;

view! {
    /// A `ConfigMap`, or a Secret that holds no token.
    pub struct DataObject<'a> {
        /// The metadata; taken by the code that reads the object.
        pub metadata: Option<Meta<'a>> = "metadata",
        data: Raw<'a> = "data",
        string_data: Raw<'a> = "stringData",
        binary_data: Raw<'a> = "binaryData",
    }
}

/// The data of an object.
#[derive(Debug, Clone, Copy)]
pub struct Data<'a> {
    /// Each map, with its field, and whether its values are in base64.
    maps: [(&'static str, Raw<'a>, bool); 3],
    is_secret: bool,
}

/// An entry of the data, with its value unread.
#[derive(Debug)]
pub struct Entry<'s> {
    /// The field that contains it.
    pub field: &'static str,
    /// Its key.
    pub key: &'s str,
    value: Raw<'s>,
    is_encoded: bool,
}

impl<'a> Data<'a> {
    /// The data of a Secret, whose values are in base64.
    #[must_use]
    pub const fn of_secret(data: Raw<'a>, string_data: Raw<'a>) -> Self {
        Self {
            maps: [("data", data, true), ("stringData", string_data, false), ("", Raw::none(), false)],
            is_secret: true,
        }
    }

    /// The data of an object of any kind.
    #[must_use]
    pub const fn of(object: &DataObject<'a>, is_secret: bool) -> Self {
        if is_secret {
            return Self::of_secret(object.data, object.string_data);
        }
        let maps = [("data", object.data, false), ("binaryData", object.binary_data, true), ("", Raw::none(), false)];
        Self { maps, is_secret }
    }

    /// Whether values are secrets because of the object's kind.
    #[must_use]
    pub const fn is_secret(&self) -> bool {
        self.is_secret
    }

    /// Calls `each` with every entry.
    ///
    /// # Errors
    /// [`ReadError`] when one of the maps is not a map. It never contains a value.
    pub fn each(&self, base: &str, each: &mut dyn FnMut(Entry<'_>) -> Result<(), ReadError>) -> Result<(), ReadError> {
        for (field, map, is_encoded) in self.maps {
            let members: Members<'a, Raw<'a>> = map.read_at(&|| [base, ".", field].concat())?;
            for (key, value) in members.iter() {
                each(Entry { field, key, value: *value, is_encoded })?;
            }
        }
        Ok(())
    }
}

impl<'s> Entry<'s> {
    /// The value as JSON. Must never be shown.
    #[must_use]
    pub fn raw(&self) -> &'s str {
        self.value.text().unwrap_or_default()
    }

    /// Whether there is a value that is not empty.
    #[must_use]
    pub fn is_set(&self) -> bool {
        self.value.text().is_some_and(|text| text != r#""""#)
    }

    /// Whether one of these words may be in the value. False is certain.
    #[must_use]
    pub fn may_hold(&self, words: &[&str]) -> bool {
        self.is_encoded || word::any(words, self.raw())
    }

    /// The value; `None` if it should be base64 but is not. Bytes that are not
    /// UTF-8 are read as Latin-1, so that they cannot hide the rest.
    ///
    /// # Errors
    /// [`ReadError`] when it is not a JSON string.
    pub fn text(&self, base: &str) -> Result<Option<String>, ReadError> {
        let value: Text<'_> = self.value.read_at(&|| [base, ".", self.field, ".", self.key].concat())?;
        if self.is_encoded {
            return Ok(decode(value.as_bytes()).map(|bytes| match String::from_utf8(bytes) {
                Ok(text) => text,
                Err(error) => error.into_bytes().into_iter().map(char::from).collect(),
            }));
        }
        Ok(Some(value.into_cow().into_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object::view;

    fn entries(text: &str, is_secret: bool) -> Result<Vec<String>, String> {
        let object: DataObject<'_> = view::read(text, "object").map_err(|error| error.to_string())?;
        let mut entries = Vec::new();
        let data = Data::of(&object, is_secret);
        let read = data.each("object", &mut |entry| {
            let text = entry.text("object")?.unwrap_or_else(|| "?".to_owned());
            entries.push(format!("{}.{}={text} {}", entry.field, entry.key, entry.is_set()));
            Ok(())
        });
        read.map_err(|error| error.to_string())?;
        Ok(entries)
    }

    #[test]
    fn of_a_config_map() {
        let text = r#"{"data":{"a":"x","b":""},"binaryData":{"c":"aGk=","d":"/w=="},"stringData":{"e":"y"}}"#;
        assert_eq!(
            entries(text, false).unwrap(),
            ["data.a=x true", "data.b= false", "binaryData.c=hi true", "binaryData.d=ÿ true"]
        );
    }

    #[test]
    fn of_a_secret() {
        let text = r#"{"data":{"a":"aGk=","b":null,"c":"*"},"stringData":{"e":"y\n"},"binaryData":{"f":"aGk="}}"#;
        assert_eq!(
            entries(text, true).unwrap(),
            ["data.a=hi true", "data.b= false", "data.c=? true", "stringData.e=y\n true"]
        );
    }

    #[test]
    fn an_error_never_shows_data() {
        for text in [r#"{"data":{"a":7}}"#, r#"{"data":["hunter2"]}"#, r#"{"data":"hunter2"}"#] {
            let error = entries(text, true).unwrap_err();
            assert!(error.starts_with("object.data") && !error.contains("hunter2"), "{error}");
        }
    }
}
