// SPDX-License-Identifier: Apache-2.0

//! Field masks in the way that the policy server applies them
//! (`crates/policy-evaluator/src/callback_handler/kubernetes/field_mask.rs` of kubewarden/kubewarden-controller).

use std::collections::BTreeMap;

use serde_json::Value;

/// The fields to keep, as a tree of dot-separated paths. Paths apply to all entries of lists, and keep everything below their
/// ends.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FieldMask {
    below: BTreeMap<String, FieldMask>,
}

impl FieldMask {
    /// A mask of paths such as `spec.containers.image`; without paths, it keeps everything.
    pub fn new<P: AsRef<str>>(paths: impl IntoIterator<Item = P>) -> Self {
        let mut root = Self::default();
        for path in paths {
            let mut node = &mut root;
            for part in path.as_ref().split('.') {
                node = node.below.entry(part.to_owned()).or_default();
            }
        }
        root
    }

    /// Removes the fields that no path contains.
    pub fn prune(&self, value: &mut Value) {
        if self.below.is_empty() {
            return;
        }
        match value {
            Value::Object(map) => map.retain(|key, value| match self.below.get(key) {
                Some(mask) => {
                    mask.prune(value);
                    true
                }
                None => false,
            }),
            Value::Array(items) => items.iter_mut().for_each(|item| self.prune(item)),
            _ => {}
        }
    }

    /// Masks a Kubernetes object. The policy server stores it as kube's `DynamicObject` and masks only `data`. So `apiVersion`,
    /// `kind` and all of `metadata` are always kept; nulls in `metadata` are lost.
    pub fn apply_to_object(&self, mut object: Value) -> Value {
        const TYPED: [&str; 3] = ["apiVersion", "kind", "metadata"];
        if let Value::Object(fields) = &mut object {
            let kept: Vec<_> = TYPED.iter().filter_map(|name| fields.remove_entry(*name)).collect();
            self.prune(&mut object);
            if let Value::Object(fields) = &mut object {
                fields.extend(kept);
                if let Some(Value::Object(metadata)) = fields.get_mut("metadata") {
                    metadata.retain(|_, value| !value.is_null());
                }
            }
        }
        object
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    #[rstest]
    #[case::object(&["a.b", "d"], json!({"a": {"b": 1, "c": 2}, "d": 3, "e": 4}), json!({"a": {"b": 1}, "d": 3}))]
    #[case::list(&["c.image"], json!({"c": [{"image": "x", "name": "y"}, {}]}), json!({"c": [{"image": "x"}, {}]}))]
    #[case::list_in_list(&["c.n"], json!({"c": [[{"n": 1, "m": 2}]]}), json!({"c": [[{"n": 1}]]}))]
    #[case::all_below(&["a"], json!({"a": {"b": {"c": 1}}, "d": 1}), json!({"a": {"b": {"c": 1}}}))]
    #[case::longer_path_wins(&["a", "a.b"], json!({"a": {"b": 1, "c": 2}}), json!({"a": {"b": 1}}))]
    #[case::scalar_on_the_way(&["a.b"], json!({"a": "text"}), json!({"a": "text"}))]
    #[case::absent(&["x.y"], json!({"a": 1}), json!({}))]
    #[case::dots_split_keys(&["m.example.com/x"], json!({"m": {"example.com/x": 1}}), json!({"m": {}}))]
    #[case::nothing_named(&[], json!({"a": 1}), json!({"a": 1}))]
    fn masks_keep_named_fields(#[case] paths: &[&str], #[case] mut value: Value, #[case] expected: Value) {
        FieldMask::new(paths).prune(&mut value);
        assert_eq!(value, expected);
    }
}
