// SPDX-License-Identifier: Apache-2.0

//! Access to JSON by a path, and the reading of `null`.

use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// The value at a path of plain keys such as `/metadata/name`. The same as [`Value::pointer`] for keys without `~` and
/// `/`, and without the two strings that it allocates for every key: with them, `check` took 3 % longer for small Pods.
pub fn at<'v>(value: &'v Value, path: &str) -> Option<&'v Value> {
    path.split('/').skip(1).try_fold(value, |value, key| value.get(key))
}

/// The text at a path, if there is one.
pub fn text_at<'v>(value: &'v Value, path: &str) -> Option<&'v str> {
    at(value, path)?.as_str()
}

/// Like Go's JSON decoder, reads `null` as the field's zero value.
///
/// # Errors
/// If the value is neither `null` nor a `T`.
pub fn null_as_default<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn same_as_pointer() {
        let value = json!({"a": {"b": "c", "": 1}, "l": ["x"], "n": null});
        for path in ["", "/a", "/a/b", "/a/", "/a/x", "/a/b/c", "/n", "/n/x", "/l"] {
            assert_eq!(at(&value, path), value.pointer(path), "{path}");
        }
        assert_eq!(text_at(&value, "/a/b"), Some("c"));
        assert_eq!(text_at(&value, "/a"), None);
    }
}
