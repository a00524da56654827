// SPDX-License-Identifier: Apache-2.0

//! What the policies cost on a real control plane: `make cluster-bench` and `make cluster-load`.

pub mod latency;
pub mod load;
pub mod throughput;

use std::env;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use super::policies::Policy;

/// Modules of other policies to compare with, as `name=file.wasm,...`: annotated modules that validate Pods.
pub const OTHER_POLICIES: &str = "OTHER_POLICIES";

/// The percentiles of a list of times, in milliseconds; zero for an empty list.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Times {
    /// Half of the times are below it.
    pub median: f64,
    /// 95% of the times are below it.
    pub p95: f64,
    /// 99% of the times are below it.
    pub p99: f64,
}

impl Times {
    /// The percentiles of these times.
    #[must_use]
    pub fn of(mut times: Vec<Duration>) -> Self {
        times.sort();
        let at = |percent: usize| {
            let index = (times.len() * percent / 100).min(times.len().saturating_sub(1));
            times.get(index).map_or(0.0, |time| time.as_secs_f64() * 1000.0)
        };
        Self { median: at(50), p95: at(95), p99: at(99) }
    }
}

/// The other policies, by name.
///
/// # Errors
/// If an entry is not `name=file`, or the file does not exist.
pub fn others() -> Result<Vec<(String, Policy)>> {
    let list = env::var(OTHER_POLICIES).unwrap_or_default();
    let entries = list.split(',').map(str::trim).filter(|entry| !entry.is_empty());
    let read = |entry: &str| {
        let (name, file) = entry.split_once('=').with_context(|| format!("{OTHER_POLICIES}: {entry} has no `=`"))?;
        let file = PathBuf::from(file).canonicalize().with_context(|| format!("{OTHER_POLICIES}: {file}"))?;
        let manifest = json!({
            "kind": "ClusterAdmissionPolicy",
            "metadata": {"name": name},
            "spec": {
                "module": format!("file://{}", file.display()),
                "mutating": false,
                "settings": {},
                "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"], "operations": ["CREATE"]}],
            },
        });
        Ok((name.to_owned(), Policy::of_manifest(&manifest)?))
    };
    entries.map(read).collect()
}

/// A Pod as a typical chart creates it: two containers with variables, probes and resource requests, in 6 KB.
fn ordinary_pod(namespace: &str, account: &str, automount: Option<bool>) -> Value {
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

/// An account with `automountServiceAccountToken: true`.
fn account_with_token(namespace: &str, name: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {"name": name, "namespace": namespace},
        "automountServiceAccountToken": true,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_sorted() {
        for (times, median, p95, p99) in [
            ((1..=100).rev().map(Duration::from_millis).collect(), 51.0, 96.0, 100.0),
            (vec![Duration::from_millis(7)], 7.0, 7.0, 7.0),
            (Vec::new(), 0.0, 0.0, 0.0),
        ] {
            assert_eq!(Times::of(times), Times { median, p95, p99 });
        }
    }
}
