// SPDX-License-Identifier: Apache-2.0

//! Policies as Kubewarden's controller installs them
//! (`internal/controller/policy_subreconciler_webhook.go` and `policyserver_controller_configmap.go` of
//! <https://github.com/kubewarden/kubewarden-controller>): an entry in the policy server's configuration, and a webhook.

#![expect(clippy::indexing_slicing, reason = "of JSON values: what is missing reads as null")]

use std::path::Path;

use anyhow::{Context as _, Result, bail};
use base64::Engine as _;
use serde_json::{Value, json};

use super::api::MARK;

/// The namespace in which Kubewarden is deployed.
pub const NAMESPACE: &str = "kubewarden";

/// A policy.
#[derive(Debug, Clone)]
pub struct Policy {
    /// The name that the controller derives from the policy's name, for the webhook configuration, URLs and messages.
    pub id: String,
    /// If set, the policy receives only requests with this mark in `userInfo.extra`, so that many policies can be installed at
    /// the same time. The condition is the last of its `matchConditions`, after those of the manifest.
    mark: Option<String>,
    name: String,
    namespace: Option<String>,
    spec: Value,
}

impl Policy {
    /// The policy of a manifest.
    ///
    /// # Errors
    /// If the manifest has another kind.
    pub fn of_manifest(manifest: &Value) -> Result<Self> {
        let name = manifest["metadata"]["name"].as_str().context("a policy without a name")?.to_owned();
        let (id, namespace) = match manifest["kind"].as_str() {
            Some("ClusterAdmissionPolicy") => (format!("clusterwide-{name}"), None),
            Some("AdmissionPolicy") => {
                let namespace = manifest["metadata"]["namespace"].as_str().unwrap_or("default");
                (format!("namespaced-{namespace}-{name}"), Some(namespace.to_owned()))
            }
            other => bail!("{name}: {} is not a policy", other.unwrap_or("no kind")),
        };
        Ok(Self { id, mark: None, name, namespace, spec: manifest["spec"].clone() })
    }

    /// The same policy, only for requests with a mark.
    #[must_use]
    pub fn marked(self, mark: &str) -> Self {
        Self { mark: Some(mark.to_owned()), ..self }
    }

    /// The same policy, only for objects of one namespace.
    #[must_use]
    pub fn within(mut self, namespace: &str) -> Self {
        let only = json!({"key": "kubernetes.io/metadata.name", "operator": "In", "values": [namespace]});
        let selector = &mut self.spec["namespaceSelector"]["matchExpressions"];
        match selector.as_array_mut() {
            Some(expressions) => expressions.push(only),
            None => *selector = json!([only]),
        }
        self
    }

    /// The mark of its requests; empty if it receives all requests.
    #[must_use]
    pub fn mark(&self) -> &str {
        self.mark.as_deref().unwrap_or_default()
    }

    /// The `spec` of its manifest.
    #[must_use]
    pub fn spec(&self) -> &Value {
        &self.spec
    }

    /// Whether it may change objects.
    #[must_use]
    pub fn is_mutating(&self) -> bool {
        self.spec["mutating"] == true
    }

    /// The namespaces that its manifest excludes; for a policy of a namespace, a different namespace.
    #[must_use]
    pub fn excluded_namespaces(&self) -> Vec<&str> {
        let expressions = self.spec["namespaceSelector"]["matchExpressions"].as_array().into_iter().flatten();
        let excluded = expressions.filter(|expression| {
            expression["key"] == "kubernetes.io/metadata.name" && expression["operator"] == "NotIn"
        });
        let excluded = excluded.flat_map(|expression| expression["values"].as_array().into_iter().flatten());
        let elsewhere = self.namespace.as_deref().filter(|namespace| *namespace != "default").map(|_| "default");
        excluded.filter_map(Value::as_str).chain(elsewhere).collect()
    }

    /// The webhook's name, which is also in messages and is the prefix of audit annotations.
    #[must_use]
    pub fn webhook_name(&self) -> String {
        format!("{}.kubewarden.admission", self.id)
    }

    /// Adds a rule that matches a request.
    pub fn also_ask(&mut self, request: &Value) {
        let resource = match request["subResource"].as_str() {
            None | Some("") => request["resource"]["resource"].clone(),
            Some(sub) => format!("{}/{sub}", request["resource"]["resource"].as_str().unwrap_or_default()).into(),
        };
        let rule = json!({
            "apiGroups": [request["resource"]["group"]],
            "apiVersions": [request["resource"]["version"]],
            "resources": [resource],
            "operations": [request["operation"]],
        });
        if let Some(rules) = self.spec["rules"].as_array_mut()
            && !rules.contains(&rule)
        {
            rules.push(rule);
        }
    }

    /// The entry in the configuration of the policy server.
    pub(super) fn entry(&self, module: &Path) -> Value {
        // The tests use the built-in module in place of one from a registry.
        let own = self.spec["module"].as_str().filter(|module| module.starts_with("file://"));
        let module = own.map_or_else(|| format!("file://{}", module.display()), str::to_owned);
        let mut entry = json!({
            "namespacedName": {"Namespace": self.namespace.as_deref().unwrap_or_default(), "Name": self.name},
            "module": module,
            "policyMode": self.spec["mode"].as_str().unwrap_or("protect"),
            "allowedToMutate": self.is_mutating(),
            "settings": self.spec["settings"],
            "hostCapabilities": ["*"],
        });
        // A namespaced policy cannot look up resources.
        if self.namespace.is_none() && !self.spec["contextAwareResources"].is_null() {
            entry["contextAwareResources"] = self.spec["contextAwareResources"].clone();
        }
        for optional in ["message", "timeoutEvalSeconds"] {
            if !self.spec[optional].is_null() {
                entry[optional] = self.spec[optional].clone();
            }
        }
        entry
    }

    /// The webhook configuration, with a URL instead of a Service.
    pub(super) fn webhook_configuration(&self, server: &str, authority: &str) -> Value {
        let spec = |key: &str, default: Value| if self.spec[key].is_null() { default } else { self.spec[key].clone() };
        let mut webhook = json!({
            "name": self.webhook_name(),
            "clientConfig": {
                "url": format!("{server}/validate/{}", self.id),
                "caBundle": base64::engine::general_purpose::STANDARD.encode(authority),
            },
            "rules": self.spec["rules"],
            "failurePolicy": spec("failurePolicy", "Fail".into()),
            "matchPolicy": spec("matchPolicy", "Equivalent".into()),
            "sideEffects": spec("sideEffects", "None".into()),
            "timeoutSeconds": spec("timeoutSeconds", 10.into()),
            "admissionReviewVersions": ["v1"],
            "namespaceSelector": self.namespace_selector(),
            "objectSelector": spec("objectSelector", json!({})),
        });
        let mut conditions = self.spec["matchConditions"].as_array().cloned().unwrap_or_default();
        if let Some(mark) = &self.mark {
            conditions.push(is_marked(mark));
        }
        webhook["matchConditions"] = conditions.into();
        json!({
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": self.configuration_kind(),
            "metadata": {"name": self.id, "labels": {"app.kubernetes.io/part-of": "kubewarden"}},
            "webhooks": [webhook],
        })
    }

    fn configuration_kind(&self) -> &'static str {
        if self.is_mutating() { "MutatingWebhookConfiguration" } else { "ValidatingWebhookConfiguration" }
    }

    fn namespace_selector(&self) -> Value {
        if let Some(namespace) = &self.namespace {
            return json!({"matchLabels": {"kubernetes.io/metadata.name": namespace}});
        }
        let mut expressions =
            vec![json!({"key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": [NAMESPACE]})];
        let own = &self.spec["namespaceSelector"];
        expressions.extend(own["matchExpressions"].as_array().into_iter().flatten().cloned());
        // The controller ignores the `matchLabels` of a policy, and so does this code.
        json!({"matchExpressions": expressions})
    }
}

/// The match condition for requests with a mark.
pub(super) fn is_marked(mark: &str) -> Value {
    let expression = format!(
        "has(request.userInfo.extra) && '{MARK}' in request.userInfo.extra && '{mark}' in request.userInfo.extra['{MARK}']"
    );
    json!({"name": "is-marked", "expression": expression})
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(kind: &str, spec: &Value) -> Value {
        json!({"kind": kind, "metadata": {"name": "p", "namespace": "shop"}, "spec": spec})
    }

    #[test]
    fn cluster_wide_policy() {
        let expression = json!({"key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": ["kube-system"]});
        let spec = json!({
            "mutating": true,
            "rules": [],
            "namespaceSelector": {"matchExpressions": [expression]},
            "matchConditions": [{"name": "own", "expression": "true"}],
        });
        let manifest = manifest("ClusterAdmissionPolicy", &spec);
        let policy = Policy::of_manifest(&manifest).unwrap().marked("m");
        let configuration = policy.webhook_configuration("https://127.0.0.1:2", "ca");
        assert_eq!(configuration["kind"], "MutatingWebhookConfiguration");
        let webhook = &configuration["webhooks"][0];
        assert_eq!(webhook["name"], "clusterwide-p.kubewarden.admission");
        assert_eq!(webhook["clientConfig"]["url"], "https://127.0.0.1:2/validate/clusterwide-p");
        assert_eq!(
            webhook["namespaceSelector"]["matchExpressions"],
            json!([{"key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": ["kubewarden"]}, expression])
        );
        assert_eq!(webhook["matchConditions"][0]["name"], "own");
        assert_eq!(webhook["matchConditions"][1]["name"], "is-marked");
        assert_eq!(policy.excluded_namespaces(), ["kube-system"]);
    }

    #[test]
    fn namespaced_policy() {
        let spec =
            json!({"mutating": false, "contextAwareResources": [{"apiVersion": "v1", "kind": "ServiceAccount"}]});
        let policy = Policy::of_manifest(&manifest("AdmissionPolicy", &spec)).unwrap();
        let configuration = policy.webhook_configuration("https://127.0.0.1:2", "ca");
        assert_eq!(configuration["kind"], "ValidatingWebhookConfiguration");
        let webhook = &configuration["webhooks"][0];
        assert_eq!(webhook["name"], "namespaced-shop-p.kubewarden.admission");
        assert_eq!(webhook["namespaceSelector"], json!({"matchLabels": {"kubernetes.io/metadata.name": "shop"}}));
        assert_eq!(webhook["matchConditions"], json!([]));
        assert!(policy.entry(Path::new("/m.wasm")).get("contextAwareResources").is_none());
    }

    #[test]
    fn only_policies_are_policies() {
        assert!(Policy::of_manifest(&manifest("ClusterRole", &json!({}))).is_err());
    }
}
