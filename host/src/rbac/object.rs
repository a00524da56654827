// SPDX-License-Identifier: Apache-2.0

//! Roles and bindings, with the fields that the evaluation needs.
//!
//! The types of `rbac.authorization.k8s.io/v1`
//! (<https://kubernetes.io/docs/reference/kubernetes-api/authorization-resources/>). Unknown fields are skipped, and `null` is
//! read as absent.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::json::null_as_default;

/// What one rule of a role allows. A resource rule must match in `verbs`, `apiGroups` and `resources`; a rule for URLs must
/// match in `verbs` and `nonResourceURLs`.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PolicyRule {
    /// `get`, `list` ...; `*` means every verb.
    #[serde(deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub verbs: Vec<String>,
    /// An empty string means the core group; `*` means every group.
    #[serde(deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub api_groups: Vec<String>,
    /// `pods`, `pods/log`, `*/scale`; `*` means every resource and subresource.
    #[serde(deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub resources: Vec<String>,
    /// Restricts the rule to objects with these names; empty means every name.
    #[serde(deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub resource_names: Vec<String>,
    /// Paths that are not resources; a `*` at the end matches any suffix.
    #[serde(rename = "nonResourceURLs", deserialize_with = "null_as_default", skip_serializing_if = "Vec::is_empty")]
    pub non_resource_urls: Vec<String>,
}

/// A Role or a `ClusterRole`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Role {
    /// The metadata.
    #[serde(deserialize_with = "null_as_default")]
    pub metadata: Metadata,
    /// Its rules. The API server's controller overwrites those of an aggregated `ClusterRole`.
    #[serde(deserialize_with = "null_as_default")]
    pub rules: Vec<PolicyRule>,
    /// Selects the other `ClusterRoles` whose rules this one has.
    pub aggregation_rule: Option<AggregationRule>,
}

/// A `RoleBinding` or a `ClusterRoleBinding`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Binding {
    /// The metadata.
    #[serde(deserialize_with = "null_as_default")]
    pub metadata: Metadata,
    /// The role that it grants.
    #[serde(deserialize_with = "null_as_default")]
    pub role_ref: RoleRef,
    /// The subjects that it grants the role to.
    #[serde(deserialize_with = "null_as_default")]
    pub subjects: Vec<Subject>,
}

/// The part of an object's metadata that the evaluation needs.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Metadata {
    /// The object's name.
    #[serde(deserialize_with = "null_as_default")]
    pub name: String,
    /// The namespace; absent for cluster roles and their bindings, and in manifests that leave it to `kubectl apply`.
    pub namespace: Option<String>,
    /// The labels, which the selectors of aggregated `ClusterRoles` match.
    #[serde(deserialize_with = "null_as_default")]
    pub labels: BTreeMap<String, String>,
    /// Set for objects that were read from a cluster.
    pub uid: Option<String>,
}

/// The role of a binding.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct RoleRef {
    /// `Role` or `ClusterRole`.
    #[serde(deserialize_with = "null_as_default")]
    pub kind: String,
    /// The role's name.
    #[serde(deserialize_with = "null_as_default")]
    pub name: String,
}

/// A subject of a binding.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Subject {
    /// `ServiceAccount`, `User` or `Group`.
    #[serde(deserialize_with = "null_as_default")]
    pub kind: String,
    /// Its name.
    #[serde(deserialize_with = "null_as_default")]
    pub name: String,
    /// The namespace of a `ServiceAccount`; if it is absent in a `RoleBinding`, the namespace of the binding applies.
    pub namespace: Option<String>,
}

/// The selectors of an aggregated `ClusterRole`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AggregationRule {
    /// A role that matches one of them contributes its rules.
    #[serde(deserialize_with = "null_as_default")]
    pub cluster_role_selectors: Vec<LabelSelector>,
}

/// A label selector; all of its requirements have to match, and an empty one selects everything.
/// <https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#resources-that-support-set-based-requirements>
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LabelSelector {
    #[serde(deserialize_with = "null_as_default")]
    match_labels: BTreeMap<String, String>,
    #[serde(deserialize_with = "null_as_default")]
    match_expressions: Vec<Requirement>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct Requirement {
    #[serde(deserialize_with = "null_as_default")]
    key: String,
    #[serde(deserialize_with = "null_as_default")]
    operator: String,
    #[serde(deserialize_with = "null_as_default")]
    values: BTreeSet<String>,
}

impl LabelSelector {
    /// Whether it selects an object with these labels. An unknown operator selects nothing.
    pub fn selects(&self, labels: &BTreeMap<String, String>) -> bool {
        self.match_labels.iter().all(|(key, value)| labels.get(key) == Some(value))
            && self.match_expressions.iter().all(|requirement| requirement.holds(labels))
    }
}

impl Requirement {
    fn holds(&self, labels: &BTreeMap<String, String>) -> bool {
        let value = labels.get(&self.key);
        match self.operator.as_str() {
            "In" => value.is_some_and(|value| self.values.contains(value)),
            "NotIn" => value.is_none_or(|value| !self.values.contains(value)),
            "Exists" => value.is_some(),
            "DoesNotExist" => value.is_none(),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::{Value, json};

    use super::*;

    #[rstest]
    #[case::empty(json!({}), true)]
    #[case::labels(json!({"matchLabels": {"a": "1", "b": "2"}}), true)]
    #[case::other_value(json!({"matchLabels": {"a": "1", "b": "3"}}), false)]
    #[case::absent_label(json!({"matchLabels": {"c": ""}}), false)]
    #[case::one_of(json!({"matchExpressions": [{"key": "a", "operator": "In", "values": ["0", "1"]}]}), true)]
    #[case::none_of(json!({"matchExpressions": [{"key": "a", "operator": "NotIn", "values": ["0", "1"]}]}), false)]
    #[case::not_in_holds_without_the_key(json!({"matchExpressions": [{"key": "c", "operator": "NotIn", "values": ["0"]}]}), true)]
    #[case::exists(json!({"matchExpressions": [{"key": "a", "operator": "Exists"}]}), true)]
    #[case::exists_not(json!({"matchExpressions": [{"key": "c", "operator": "Exists", "values": null}]}), false)]
    #[case::absent(json!({"matchExpressions": [{"key": "c", "operator": "DoesNotExist"}]}), true)]
    #[case::present(json!({"matchExpressions": [{"key": "b", "operator": "DoesNotExist"}]}), false)]
    #[case::both(json!({"matchLabels": {"a": "1"}, "matchExpressions": [{"key": "b", "operator": "DoesNotExist"}]}), false)]
    #[case::unknown_operator(json!({"matchExpressions": [{"key": "a", "operator": "Gt", "values": ["0"]}]}), false)]
    fn label_selector(#[case] selector: Value, #[case] expected: bool) {
        let selector: LabelSelector = serde_json::from_value(selector).unwrap();
        let labels = [("a", "1"), ("b", "2")].map(|(key, value)| (key.to_owned(), value.to_owned()));
        assert_eq!(selector.selects(&labels.into()), expected);
    }

    #[test]
    fn null_is_absent() {
        let role: Role = serde_json::from_value(json!({"metadata": null, "rules": null})).unwrap();
        assert!(role.rules.is_empty() && role.metadata.name.is_empty());
        let rule: PolicyRule = serde_json::from_value(json!({"verbs": ["get"], "apiGroups": null})).unwrap();
        assert_eq!(rule, PolicyRule { verbs: vec!["get".to_owned()], ..PolicyRule::default() });
        let binding: Binding = serde_json::from_value(json!({"subjects": null, "roleRef": null})).unwrap();
        assert!(binding.subjects.is_empty());
    }
}
