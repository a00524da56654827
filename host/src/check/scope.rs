// SPDX-License-Identifier: Apache-2.0

//! Which requests reach a policy: its namespace, `rules`, `objectSelector` and `namespaceSelector`, as the API server
//! evaluates them (`staging/src/k8s.io/apiserver/pkg/admission/plugin/webhook/predicates/` of
//! <https://github.com/kubernetes/kubernetes>).

use std::collections::BTreeMap;

use crate::json::{at, text_at};
use anyhow::{Context as _, Result};
use serde::Deserialize;
use serde_json::Value;

/// Which requests reach a policy; by default all.
#[derive(Debug, Clone, Default)]
pub(super) struct Scope {
    /// The namespace of a namespaced policy.
    namespace: Option<String>,
    rules: Vec<Rule>,
    is_exact: bool,
    objects: Option<Selector>,
    namespaces: Option<Selector>,
    has_conditions: bool,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Rule {
    api_groups: Vec<String>,
    api_versions: Vec<String>,
    resources: Vec<String>,
    operations: Vec<String>,
    scope: Option<String>,
}

/// A label selector.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Selector {
    match_labels: Option<BTreeMap<String, String>>,
    match_expressions: Option<Vec<Expression>>,
}

#[derive(Debug, Clone, Deserialize)]
struct Expression {
    key: String,
    operator: String,
    #[serde(default)]
    values: Vec<String>,
}

/// The labels of the namespaces that are known.
pub(super) type Namespaces = BTreeMap<String, BTreeMap<String, String>>;

/// The one label that every namespace has.
const NAME_LABEL: &str = "kubernetes.io/metadata.name";

/// Whether a request reaches a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum PolicyMatch {
    Yes,
    No,
    /// It depends on the labels of a namespace that is not known.
    Unknown,
}

impl Scope {
    /// Reads a policy's `spec`; `namespace` is the policy's own, if it has one.
    pub fn read(spec: &Value, namespace: Option<&str>) -> Result<Self> {
        Ok(Self {
            namespace: namespace.map(str::to_owned),
            rules: part(spec, "rules")?.unwrap_or_default(),
            is_exact: spec.get("matchPolicy").and_then(Value::as_str) == Some("Exact"),
            objects: part(spec, "objectSelector")?,
            namespaces: part(spec, "namespaceSelector")?,
            has_conditions: spec.get("matchConditions").and_then(Value::as_array).is_some_and(|list| !list.is_empty()),
        })
    }

    /// A note on what is not evaluated.
    pub fn note(&self, policy: &str) -> Option<String> {
        self.has_conditions
            .then(|| format!("policy {policy}: matchConditions are not evaluated; objects are checked as if they held"))
    }

    /// Whether a request reaches the policy.
    pub fn reach(&self, request: &Value, namespaces: &Namespaces) -> PolicyMatch {
        let text = |pointer: &str| text_at(request, pointer).filter(|text| !text.is_empty());
        let namespace = text("/namespace");
        if self.namespace.is_some() && self.namespace.as_deref() != namespace {
            return PolicyMatch::No;
        }
        let object = request.get("object").unwrap_or(&Value::Null);
        if !self.rules.is_empty() && !self.rules.iter().any(|rule| rule.fits(request, self.is_exact))
            || self.objects.as_ref().is_some_and(|selector| !selector.fits(&labels(object)))
        {
            return PolicyMatch::No;
        }
        let Some(selector) = &self.namespaces else { return PolicyMatch::Yes };
        let is_namespace = text("/kind/kind") == Some("Namespace") && text("/kind/group").is_none();
        let known = match namespace {
            // For a namespace, its own labels apply.
            _ if is_namespace => Some(labels(object)),
            // The selector does not apply to objects without a namespace.
            None => return PolicyMatch::Yes,
            Some(name) => namespaces.get(name).cloned(),
        };
        let is_known = known.is_some();
        let mut labels = known.unwrap_or_default();
        labels.extend(namespace.map(|name| (NAME_LABEL.to_owned(), name.to_owned())));
        match selector.fits(&labels) {
            _ if !is_known && !selector.needs_only(NAME_LABEL) => {
                // If the name alone excludes the namespace, the other labels do not matter.
                if selector.only(NAME_LABEL).fits(&labels) { PolicyMatch::Unknown } else { PolicyMatch::No }
            }
            true => PolicyMatch::Yes,
            false => PolicyMatch::No,
        }
    }
}

fn part<T: serde::de::DeserializeOwned>(spec: &Value, key: &str) -> Result<Option<T>> {
    let value = spec.get(key).cloned().unwrap_or_default();
    serde_json::from_value(value).with_context(|| format!("spec.{key}"))
}

/// The labels of an object.
pub(super) fn labels(object: &Value) -> BTreeMap<String, String> {
    let labels = at(object, "/metadata/labels").and_then(Value::as_object);
    let texts = labels.into_iter().flatten().filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())));
    texts.collect()
}

impl Rule {
    fn fits(&self, request: &Value, is_exact: bool) -> bool {
        let text = |pointer: &str| text_at(request, pointer).unwrap_or_default();
        let any = |list: &[String], wanted: &str| list.iter().any(|entry| entry == "*" || entry == wanted);
        let is_namespaced = !text("/namespace").is_empty() && text("/kind/kind") != "Namespace";
        any(&self.api_groups, text("/resource/group"))
            // With `matchPolicy: Equivalent`, other versions of a resource are converted.
            && (!is_exact || any(&self.api_versions, text("/resource/version")))
            && any(&self.operations, text("/operation"))
            && self.resources.iter().any(|entry| fits_resource(entry, text("/resource/resource"), text("/subResource")))
            && match self.scope.as_deref() {
                Some("Namespaced") => is_namespaced,
                Some("Cluster") => !is_namespaced,
                _ => true,
            }
    }
}

/// `pods`, `pods/status`, `pods/*`, `*`, `*/status`, `*/*`.
fn fits_resource(entry: &str, resource: &str, sub_resource: &str) -> bool {
    let (wanted, wanted_sub) = entry.split_once('/').unwrap_or((entry, ""));
    (wanted == "*" || wanted == resource) && (wanted_sub == "*" || wanted_sub == sub_resource)
}

impl Selector {
    fn fits(&self, labels: &BTreeMap<String, String>) -> bool {
        self.match_labels.iter().flatten().all(|(key, value)| labels.get(key) == Some(value))
            && self.match_expressions.iter().flatten().all(|expression| expression.fits(labels))
    }

    fn needs_only(&self, label: &str) -> bool {
        self.match_labels.iter().flatten().all(|(key, _)| key == label)
            && self.match_expressions.iter().flatten().all(|expression| expression.key == label)
    }

    /// The part of the selector that concerns one label.
    fn only(&self, label: &str) -> Self {
        let expressions = self.match_expressions.iter().flatten().filter(|expression| expression.key == label);
        let labels = self.match_labels.iter().flatten().filter(|(key, _)| *key == label);
        Self {
            match_labels: Some(labels.map(|(key, value)| (key.clone(), value.clone())).collect()),
            match_expressions: Some(expressions.cloned().collect()),
        }
    }
}

impl Expression {
    fn fits(&self, labels: &BTreeMap<String, String>) -> bool {
        let value = labels.get(&self.key);
        let is_listed = || value.is_some_and(|value| self.values.contains(value));
        match self.operator.as_str() {
            "In" => is_listed(),
            "NotIn" => !is_listed(),
            "Exists" => value.is_some(),
            "DoesNotExist" => value.is_none(),
            // The API server rejects a policy with another operator; the object is checked.
            _ => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    fn request(namespace: &str) -> Value {
        json!({
            "kind": {"group": "apps", "version": "v1", "kind": "Deployment"},
            "resource": {"group": "apps", "version": "v1", "resource": "deployments"},
            "operation": "CREATE",
            "namespace": namespace,
            "object": {"metadata": {"labels": {"tier": "web"}}},
        })
    }

    fn reach(spec: &Value, namespace: Option<&str>) -> PolicyMatch {
        let known = [("known".to_owned(), [("team".to_owned(), "a".to_owned())].into())].into();
        Scope::read(spec, namespace).unwrap().reach(&request("known"), &known)
    }

    fn rule(groups: &str, versions: &str, resources: &str, operations: &str) -> Value {
        json!({"apiGroups": [groups], "apiVersions": [versions], "resources": [resources], "operations": [operations]})
    }

    #[rstest]
    #[case(json!({}), PolicyMatch::Yes)]
    #[case(json!({"rules": [rule("apps", "v1", "deployments", "CREATE")]}), PolicyMatch::Yes)]
    #[case(json!({"rules": [rule("*", "*", "*", "*")]}), PolicyMatch::Yes)]
    #[case(json!({"rules": [rule("apps", "v1", "*/*", "*")]}), PolicyMatch::Yes)]
    #[case(json!({"rules": [rule("apps", "v1", "deployments/*", "*")]}), PolicyMatch::Yes)]
    #[case(json!({"rules": [rule("apps", "v1beta1", "deployments", "*")]}), PolicyMatch::Yes)]
    #[case(json!({"rules": [rule("apps", "v1beta1", "deployments", "*")], "matchPolicy": "Exact"}), PolicyMatch::No)]
    #[case(json!({"rules": [rule("apps", "v1", "deployments/status", "*")]}), PolicyMatch::No)]
    #[case(json!({"rules": [rule("", "v1", "deployments", "*")]}), PolicyMatch::No)]
    #[case(json!({"rules": [rule("apps", "v1", "deployments", "UPDATE")]}), PolicyMatch::No)]
    #[case(json!({"rules": [rule("batch", "v1", "jobs", "*"), rule("apps", "v1", "deployments", "*")]}), PolicyMatch::Yes)]
    #[case(json!({"objectSelector": {"matchLabels": {"tier": "web"}}}), PolicyMatch::Yes)]
    #[case(json!({"objectSelector": {"matchLabels": {"tier": "db"}}}), PolicyMatch::No)]
    #[case(json!({"objectSelector": {"matchExpressions": [{"key": "x", "operator": "Exists"}]}}), PolicyMatch::No)]
    #[case(json!({"objectSelector": {"matchExpressions": [{"key": "x", "operator": "DoesNotExist"}]}}), PolicyMatch::Yes)]
    #[case(json!({"namespaceSelector": {"matchLabels": {"team": "a"}}}), PolicyMatch::Yes)]
    #[case(json!({"namespaceSelector": {"matchLabels": {"team": "b"}}}), PolicyMatch::No)]
    #[case(json!({"namespaceSelector": {"matchExpressions": [{"key": NAME_LABEL, "operator": "NotIn", "values": ["known"]}]}}), PolicyMatch::No)]
    #[case(json!({"namespaceSelector": {"matchExpressions": [{"key": "team", "operator": "NotIn", "values": ["b"]}]}}), PolicyMatch::Yes)]
    fn match_of_policies(#[case] spec: Value, #[case] expected: PolicyMatch) {
        assert_eq!(reach(&spec, None), expected);
    }

    #[test]
    fn namespaced_policy() {
        assert_eq!(reach(&json!({}), Some("known")), PolicyMatch::Yes);
        assert_eq!(reach(&json!({}), Some("other")), PolicyMatch::No);
    }

    #[test]
    fn unknown_namespace() {
        let selector = |key: &str, operator: &str, value: &str| json!({"namespaceSelector": {"matchExpressions": [{"key": key, "operator": operator, "values": [value]}]}});
        let reach = |spec: &Value| Scope::read(spec, None).unwrap().reach(&request("new"), &Namespaces::new());
        assert_eq!(reach(&selector("team", "In", "a")), PolicyMatch::Unknown);
        assert_eq!(reach(&selector(NAME_LABEL, "NotIn", "kube-system")), PolicyMatch::Yes);
        assert_eq!(reach(&selector(NAME_LABEL, "NotIn", "new")), PolicyMatch::No);
        let mut both = selector("team", "In", "a");
        both["namespaceSelector"]["matchLabels"] = json!({NAME_LABEL: "old"});
        assert_eq!(reach(&both), PolicyMatch::No, "its name alone excludes it");
    }

    #[test]
    fn cluster_scoped_objects() {
        let mut request = request("x");
        request["namespace"] = Value::Null;
        let spec = json!({"namespaceSelector": {"matchLabels": {"team": "b"}}});
        assert_eq!(Scope::read(&spec, None).unwrap().reach(&request, &Namespaces::new()), PolicyMatch::Yes);
    }
}
