// SPDX-License-Identifier: Apache-2.0

//! Applies the fix of an admitted object to the object as it was written. The API server has added defaults, an account and a
//! token volume, which do not belong in the file.

use serde_json::{Map, Value};

/// Applies the changes from `before` to `after` to `written`; `None` if they do not apply to it.
pub(super) fn carry(before: &Value, after: &Value, written: &Value) -> Option<Value> {
    if before == after {
        return Some(written.clone());
    }
    match (before, after, written) {
        (Value::Object(before), Value::Object(after), Value::Object(written)) => {
            carry_fields(before, after, written).map(Value::Object)
        }
        (Value::Array(before), Value::Array(after), Value::Array(written)) => {
            carry_items(before, after, written).map(Value::Array)
        }
        // A value that was written differently but means the same (`off`, a null) is replaced by the new value.
        _ => Some(after.clone()),
    }
}

fn carry_fields(
    before: &Map<String, Value>,
    after: &Map<String, Value>,
    written: &Map<String, Value>,
) -> Option<Map<String, Value>> {
    let mut fields = written.clone();
    fields.retain(|key, _| after.contains_key(key) || !before.contains_key(key));
    for (key, after) in after {
        let value = match (before.get(key), written.get(key).filter(|value| !value.is_null())) {
            (Some(before), _) if before == after => continue,
            (Some(before), Some(written)) => carry(before, after, written)?,
            (Some(before), None) => match apply_to_default(before, after)? {
                Value::Null => continue,
                value => value,
            },
            (None, _) => after.clone(),
        };
        fields.insert(key.clone(), value);
    }
    Some(fields)
}

/// A change to a value that the API server added: the result contains only what is new, and is null if nothing is.
fn apply_to_default(before: &Value, after: &Value) -> Option<Value> {
    let (carried, is_empty) = match (before, after) {
        (Value::Object(before), Value::Object(after)) => {
            let fields = carry_fields(before, after, &Map::new())?;
            (Value::Object(fields.clone()), fields.is_empty())
        }
        (Value::Array(before), Value::Array(after)) => {
            let items = carry_items(before, after, &[])?;
            (Value::Array(items.clone()), items.is_empty())
        }
        _ => (after.clone(), false),
    };
    Some(if is_empty { Value::Null } else { carried })
}

/// Entries that the API server added come after those that were written. Entries are changed or removed in order, and new ones
/// come last.
fn carry_items(before: &[Value], after: &[Value], written: &[Value]) -> Option<Vec<Value>> {
    if written.len() > before.len() {
        return None;
    }
    let mut items = Vec::new();
    let mut rest = after.iter().peekable();
    for (index, before_item) in before.iter().enumerate() {
        // If none was removed, the entries are the same ones, even if their names changed.
        let is_same = rest.len() >= before.len() - index || rest.peek().is_some_and(|item| is_same(before_item, item));
        let Some(item) = (if is_same { rest.next() } else { None }) else { continue };
        if let Some(written) = written.get(index) {
            items.push(carry(before_item, item, written)?);
        } else if before_item != item {
            return None;
        }
    }
    items.extend(rest.cloned());
    Some(items)
}

/// Whether two entries of lists stand for the same item.
fn is_same(a: &Value, b: &Value) -> bool {
    let names = ["mountPath", "name"].iter().find_map(|key| Some((a.get(key)?, b.get(key)?)));
    names.map_or(a == b, |(a, b)| a == b)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    #[rstest]
    #[case::a_field_is_added(json!({"a": 1}), json!({"a": 1, "b": false}), json!({}), json!({"b": false}))]
    #[case::a_default_stays_out(json!({"a": 1, "d": 2}), json!({"a": 3, "d": 2}), json!({"a": 1}), json!({"a": 3}))]
    #[case::a_default_that_changes_is_written(json!({"t": {"s": 1, "p": "x"}}), json!({"t": {"s": 2, "p": "x"}}), json!({"t": {"p": "x"}}), json!({"t": {"s": 2, "p": "x"}}))]
    #[case::what_was_injected_and_goes_was_never_there(
        json!({"v": [{"name": "a"}, {"name": "token"}]}), json!({"v": [{"name": "a"}]}),
        json!({"v": [{"name": "a"}]}), json!({"v": [{"name": "a"}]}))]
    #[case::a_list_that_was_injected(json!({"v": [{"name": "token"}]}), json!({"v": []}), json!({}), json!({}))]
    #[case::a_mount_among_others(
        json!({"c": [{"name": "x", "m": [{"mountPath": "/a"}, {"mountPath": "/t"}, {"mountPath": "/b"}]}]}),
        json!({"c": [{"name": "x", "m": [{"mountPath": "/a"}, {"mountPath": "/b"}]}]}),
        json!({"c": [{"name": "x", "m": [{"mountPath": "/a"}, {"mountPath": "/t"}]}]}),
        json!({"c": [{"name": "x", "m": [{"mountPath": "/a"}]}]}))]
    #[case::a_field_is_removed(json!({"a": 1, "b": 2}), json!({"a": 1}), json!({"a": 1, "b": 2}), json!({"a": 1}))]
    #[case::a_null_takes_the_value(json!({}), json!({"a": false}), json!({"a": null}), json!({"a": false}))]
    fn carries_changes_only(
        #[case] before: Value,
        #[case] after: Value,
        #[case] written: Value,
        #[case] expected: Value,
    ) {
        assert_eq!(carry(&before, &after, &written), Some(expected));
    }

    #[test]
    fn change_of_defaulted_field() {
        let (before, after) = (json!([{"name": "t", "x": 1}]), json!([{"name": "t", "x": 2}]));
        assert_eq!(carry(&json!({"v": before}), &json!({"v": after}), &json!({"v": []})), None);
    }
}
