// SPDX-License-Identifier: Apache-2.0

//! Counts the differences between two documents.

use serde_json::Value;

/// Counts the differences between two values. Each of the following is one difference: another scalar or another type, a key
/// that only one side has, or one run of list entries that only one side has. Lists of the same length are compared entry by
/// entry; lists that differ in more than one run count as two differences.
#[must_use]
pub fn count(a: &Value, b: &Value) -> usize {
    match (a, b) {
        _ if a == b => 0,
        (Value::Object(a), Value::Object(b)) => {
            let shared = a.iter().map(|(key, value)| b.get(key).map_or(1, |other| count(value, other)));
            shared.sum::<usize>() + b.keys().filter(|key| !a.contains_key(*key)).count()
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => a.iter().zip(b).map(|(a, b)| count(a, b)).sum(),
        (Value::Array(a), Value::Array(b)) if a.len() < b.len() => runs(a, b),
        (Value::Array(a), Value::Array(b)) => runs(b, a),
        _ => 1,
    }
}

fn runs(short: &[Value], long: &[Value]) -> usize {
    let before = short.iter().zip(long).take_while(|(a, b)| a == b).count();
    let after = short.iter().rev().zip(long.iter().rev()).take_while(|(a, b)| a == b).count();
    if before + after >= short.len() { 1 } else { 2 }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::count;

    #[test]
    fn counts_differences() {
        for (a, b, expected) in [
            (json!({"a": 1}), json!({"a": 1}), 0),
            (json!({"a": 1}), json!({"a": 2}), 1),
            (json!({"a": 1}), json!({}), 1),
            (json!({}), json!({"a": {"b": [1, 2]}}), 1),
            (json!({"a": 1}), json!({"a": {"b": 1}}), 1),
            (json!({"a": 1, "b": 1}), json!({"a": 2, "b": 2}), 2),
            (json!([1, 2, 3]), json!([1, 9, 3]), 1),
            (json!([1, 2, 3, 4]), json!([1, 4]), 1),
            (json!([1, 4]), json!([1, 2, 3, 4]), 1),
            (json!([1, 2, 3, 4]), json!([2, 3]), 2),
            (json!([]), json!([1, 2]), 1),
            (json!({"a": [{"x": 1}, {"x": 2}]}), json!({"a": [{"x": 1}, {"x": 3}]}), 1),
        ] {
            assert_eq!(count(&a, &b), expected, "{a} and {b}");
            assert_eq!(count(&b, &a), expected, "{b} and {a}");
        }
    }
}
