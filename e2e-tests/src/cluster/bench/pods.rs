// SPDX-License-Identifier: Apache-2.0

//! The Pods that are created.

use serde_json::{Value, json};

/// What an ordinary chart makes: two containers with variables, probes and requests, in 6 KB.
pub(super) fn ordinary(namespace: &str, account: &str, automount: Option<bool>) -> Value {
    let numbered = |count: usize, entry: &dyn Fn(usize) -> (String, Value)| -> Value {
        Value::Object((0..count).map(entry).collect())
    };
    let env: Vec<Value> =
        (0..20).map(|index| json!({"name": format!("V{index}"), "value": "some value of ordinary length"})).collect();
    let probe = json!({"httpGet": {"path": "/healthz", "port": 8080}, "periodSeconds": 10});
    let container = |name: &str| {
        json!({
            "name": name,
            "image": format!("registry.example.com/{name}:1.2.3"),
            "env": env,
            "livenessProbe": probe,
            "readinessProbe": probe,
            "resources": {"requests": {"cpu": "100m"}},
        })
    };
    let mut pod = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "generateName": "p-",
            "namespace": namespace,
            "labels": numbered(8, &|index| (format!("label-{index}"), "value".into())),
            "annotations": numbered(6, &|index| (format!("example.com/annotation-{index}"), "some text".into())),
        },
        "spec": {"serviceAccountName": account, "containers": [container("app"), container("sidecar")]},
    });
    if let (Some(automount), Some(spec)) = (automount, pod.pointer_mut("/spec").and_then(Value::as_object_mut)) {
        spec.insert("automountServiceAccountToken".to_owned(), automount.into());
    }
    pod
}

/// An account that wants its token.
pub(super) fn account(namespace: &str, name: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {"name": name, "namespace": namespace},
        "automountServiceAccountToken": true,
    })
}
