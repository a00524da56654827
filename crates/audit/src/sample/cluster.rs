// SPDX-License-Identifier: Apache-2.0

//! Objects as an API server would return them, including secret values that a report must not contain.

use serde_json::{Value, json};

/// The stand-in for every secret value: if a report contains it, there is a leak.
pub(super) const SECRET_VALUE: &str = "do-not-repeat-me";

const IMAGE: &str = "registry.example.com/app:1.4.2";

/// A Pod template or a Pod: the fields of `spec` that an audit reads.
#[derive(Debug, Clone, Default)]
pub(super) struct Spec<'a> {
    pub account: &'a str,
    pub automount: Option<bool>,
    /// The name of a hand-written volume with a token.
    pub volume: Option<&'a str>,
    /// The name of a Secret in the environment.
    pub secret: Option<&'a str>,
    pub annotations: &'a [(&'a str, &'a str)],
}

pub(super) fn metadata(namespace: &str, name: &str) -> Value {
    let last_applied = json!({"env": SECRET_VALUE}).to_string();
    json!({
        "name": name, "namespace": namespace, "uid": format!("{namespace}-{name}"),
        "creationTimestamp": "2026-03-02T09:00:00Z",
        "annotations": {"kubectl.kubernetes.io/last-applied-configuration": last_applied}
    })
}

pub(super) fn namespace(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
}

pub(super) fn account(namespace: &str, name: &str, change: &Value) -> Value {
    let mut account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata(namespace, name)});
    json_patch::merge(&mut account, change);
    account
}

impl Spec<'_> {
    /// The `spec` as a user writes it; with `is_pod`, as the API server creates it in a Pod.
    fn spec(&self, is_pod: bool) -> Value {
        let mut volumes = Vec::new();
        let mut mounts = Vec::new();
        if let Some(name) = self.volume {
            volumes.push(json!({"name": name, "projected": {"sources": [{"serviceAccountToken": {"path": "token"}}]}}));
            mounts.push(json!({"name": name, "mountPath": "/var/run/token"}));
        }
        if is_pod && self.automount != Some(false) {
            let sources = json!([
                {"serviceAccountToken": {"path": "token", "expirationSeconds": 3607}},
                {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}}
            ]);
            volumes.push(json!({"name": "kube-api-access-x2b4c", "projected": {"sources": sources}}));
            mounts.push(
                json!({"name": "kube-api-access-x2b4c", "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount"}),
            );
        }
        let mut env = vec![json!({"name": "PASSWORD", "value": SECRET_VALUE})];
        if let Some(secret) = self.secret {
            env.push(json!({"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": secret, "key": "token"}}}));
        }
        let container = json!({"name": "app", "image": IMAGE, "env": env, "volumeMounts": mounts});
        let mut spec = json!({"serviceAccountName": self.account, "containers": [container], "volumes": volumes});
        if let Some(automount) = self.automount {
            json_patch::merge(&mut spec, &json!({ "automountServiceAccountToken": automount }));
        }
        spec
    }

    fn annotations(&self) -> Value {
        self.annotations.iter().map(|(key, value)| ((*key).to_owned(), Value::from(*value))).collect()
    }

    pub fn template(&self) -> Value {
        json!({"metadata": {"annotations": self.annotations()}, "spec": self.spec(false)})
    }

    /// A running Pod whose controller is `owner` (kind and name).
    pub fn pod(&self, namespace: &str, name: &str, owner: (&str, &str)) -> Value {
        let mut metadata = metadata(namespace, name);
        json_patch::merge(&mut metadata, &json!({"annotations": self.annotations()}));
        let owner = json!({"apiVersion": "v1", "kind": owner.0, "name": owner.1, "uid": "x", "controller": true});
        json_patch::merge(&mut metadata, &json!({ "ownerReferences": [owner] }));
        let status = json!({"phase": "Running"});
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": self.spec(true), "status": status})
    }
}

/// A workload of `apps/v1` with a template and a number of replicas.
pub(super) fn workload(kind: &str, namespace: &str, name: &str, replicas: usize, spec: &Spec<'_>) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": kind, "metadata": metadata(namespace, name),
        "spec": {"replicas": replicas, "template": spec.template()}
    })
}

/// A Deployment, its `ReplicaSet`, and its Pods.
pub(super) fn deployment(namespace: &str, name: &str, pods: &[&str], spec: &Spec<'_>) -> Vec<Value> {
    let set_name = format!("{name}-5d8f7c9b64");
    let mut set = workload("ReplicaSet", namespace, &set_name, pods.len(), spec);
    let owners = json!([{"apiVersion": "apps/v1", "kind": "Deployment", "name": name, "uid": "x", "controller": true}]);
    json_patch::merge(&mut set, &json!({"metadata": {"ownerReferences": owners}}));
    let mut objects = vec![workload("Deployment", namespace, name, pods.len(), spec), set];
    objects.extend(
        pods.iter().map(|chance| spec.pod(namespace, &format!("{set_name}-{chance}"), ("ReplicaSet", &set_name))),
    );
    objects
}

pub(super) fn cron_job(namespace: &str, name: &str, schedule: &str, spec: &Spec<'_>) -> Value {
    let template = json!({"spec": {"template": spec.template()}});
    json!({
        "apiVersion": "batch/v1", "kind": "CronJob", "metadata": metadata(namespace, name),
        "spec": {"schedule": schedule, "jobTemplate": template}
    })
}

pub(super) fn role(namespace: Option<&str>, name: &str, rules: &Value) -> Value {
    let kind = if namespace.is_some() { "Role" } else { "ClusterRole" };
    let mut role = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind, "metadata": metadata("", name), "rules": rules
    });
    json_patch::merge(&mut role, &json!({"metadata": {"namespace": namespace}}));
    role
}

/// A binding of a role (kind and name) to an account (namespace and name).
pub(super) fn binding(namespace: Option<&str>, name: &str, role: (&str, &str), account: (&str, &str)) -> Value {
    let kind = if namespace.is_some() { "RoleBinding" } else { "ClusterRoleBinding" };
    let mut binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind, "metadata": metadata("", name),
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": role.0, "name": role.1},
        "subjects": [{"kind": "ServiceAccount", "namespace": account.0, "name": account.1}]
    });
    json_patch::merge(&mut binding, &json!({"metadata": {"namespace": namespace}}));
    binding
}
