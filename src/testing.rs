// SPDX-License-Identifier: Apache-2.0
//! What unit tests share: a cluster without a host, and reviews of Pods.

use std::cell::Cell;

use serde_json::{Value, json};

use crate::cluster::{AccountRecord, Cluster, LookupError};
use crate::guest;

/// A cluster that knows one account, or fails.
pub struct FakeCluster {
    answer: Result<(String, String, AccountRecord), LookupError>,
    asked: Cell<usize>,
}

impl FakeCluster {
    /// Knows one account.
    pub fn with(namespace: &str, name: &str, record: AccountRecord) -> Self {
        Self { answer: Ok((namespace.to_owned(), name.to_owned(), record)), asked: Cell::new(0) }
    }

    /// Knows none and says why.
    pub const fn failing(error: LookupError) -> Self {
        Self { answer: Err(error), asked: Cell::new(0) }
    }

    /// How often it was asked.
    pub fn asked(&self) -> usize {
        self.asked.get()
    }
}

impl Cluster for FakeCluster {
    fn service_account(&self, namespace: &str, name: &str) -> Result<AccountRecord, LookupError> {
        self.asked.set(self.asked.get() + 1);
        let (known_namespace, known_name, record) = self.answer.as_ref().map_err(|error| *error)?;
        if (known_namespace.as_str(), known_name.as_str()) == (namespace, name) {
            Ok(record.clone())
        } else {
            Err(LookupError::Absent)
        }
    }

    fn log_not_granted(&self, _: &str) {}
}

/// A Pod as the API server sends it: the token of its account injected, unless
/// it says no itself.
pub fn admitted_pod(spec: &Value) -> Value {
    let mut pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "namespace": "shop"},
        "spec": {
            "serviceAccountName": "default", "serviceAccount": "default",
            "containers": [{"name": "web", "image": "registry.example/web:1"}],
        },
    });
    merge(&mut pod["spec"], spec);
    pod["spec"]["serviceAccount"] = pod["spec"]["serviceAccountName"].clone();
    if pod["spec"]["automountServiceAccountToken"] != json!(false) {
        inject(&mut pod);
    }
    pod
}

/// Adds the plugin's volume and mounts.
pub fn inject(pod: &mut Value) {
    for list in ["initContainers", "containers"] {
        for container in pod["spec"][list].as_array_mut().into_iter().flatten() {
            let mount = json!({"name": "kube-api-access-bcd24", "readOnly": true, "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount"});
            push(&mut container["volumeMounts"], mount);
        }
    }
    push(&mut pod["spec"]["volumes"], plugin_volume());
}

/// The plugin's volume.
pub fn plugin_volume() -> Value {
    json!({"name": "kube-api-access-bcd24", "projected": {"defaultMode": 420, "sources": [
        {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
        {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
        {"downwardAPI": {"items": [{"path": "namespace", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}}]}},
    ]}})
}

fn push(list: &mut Value, entry: Value) {
    if !list.is_array() {
        *list = json!([]);
    }
    list.as_array_mut().unwrap().push(entry);
}

fn merge(into: &mut Value, from: &Value) {
    for (key, value) in from.as_object().unwrap() {
        into[key] = value.clone();
    }
}

/// The request that makes an object.
pub fn create(object: &Value) -> Value {
    let (group, _) = object["apiVersion"].as_str().unwrap().rsplit_once('/').unwrap_or(("", ""));
    json!({
        "kind": {"group": group, "version": "v1", "kind": object["kind"]}, "operation": "CREATE",
        "name": object["metadata"]["name"], "namespace": "shop", "object": object,
        "userInfo": {"username": "alice", "groups": ["developers"]},
    })
}

/// The request that changes an object.
pub fn update(old: &Value, new: &Value) -> Value {
    let mut request = create(new);
    request["operation"] = json!("UPDATE");
    request["oldObject"] = old.clone();
    request
}

/// The answer of the policy.
pub fn review(request: &Value, settings: &Value, cluster: &FakeCluster) -> Value {
    let payload = json!({"request": request, "settings": settings}).to_string();
    serde_json::from_slice(&guest::validate(payload.as_bytes(), cluster)).unwrap()
}

/// A Deployment with a Pod template.
pub fn deployment(spec: &Value) -> Value {
    let mut deployment = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"replicas": 2, "template": {"spec": {"containers": [{"name": "web", "image": "registry.example/web:1"}]}}},
    });
    merge(&mut deployment["spec"]["template"]["spec"], spec);
    deployment
}

/// The request for a token of account shop/app, as the mutating phase sees it.
pub fn token_request(spec: &Value) -> Value {
    json!({
        "kind": {"group": "authentication.k8s.io", "version": "v1", "kind": "TokenRequest"},
        "resource": {"group": "", "version": "v1", "resource": "serviceaccounts"}, "subResource": "token",
        "operation": "CREATE", "name": "app", "namespace": "shop",
        "userInfo": {"username": "alice", "groups": ["developers"]},
        "object": {
            "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "metadata": {"namespace": "shop"},
            "spec": spec, "status": {"token": "", "expirationTimestamp": null},
        },
    })
}
