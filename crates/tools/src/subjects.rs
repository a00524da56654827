// SPDX-License-Identifier: Apache-2.0

//! The requests and the settings with which the policy is measured.

use anyhow::{Context as _, Result, bail};
use policy_host::apiserver::{ApiServer, RequestOptions};
use policy_host::yaml;
use serde_json::{Map, Value, json};

/// What the policy is expected to do, so that the wrong path is not measured (`kwctl bench` does not check this).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// Without a patch.
    Accepted,
    /// With a patch.
    Fixed,
    /// Not allowed.
    Rejected,
}

/// A request to measure.
#[derive(Debug, Clone)]
pub struct Subject {
    /// A short name, which is also the key in `budgets.toml`.
    pub name: &'static str,
    /// The `AdmissionRequest`.
    pub request: Value,
    /// The expected verdict.
    pub expected: Expected,
    /// The ServiceAccount that a look-up finds.
    pub account: Option<Value>,
    /// Roles and bindings; without them, reviews are denied.
    pub grants: Vec<Value>,
    /// Whether the host caches look-ups.
    pub caches_lookups: bool,
}

/// Settings to measure with.
#[derive(Debug, Clone)]
pub struct Settings {
    /// A short name.
    pub name: &'static str,
    /// The policy's settings.
    pub value: Value,
}

/// The requests, from the most common to the largest.
pub fn subjects() -> Result<Vec<Subject>> {
    let documents = yaml::load_str(include_str!("../../../bench/pod.yaml"), "bench/pod.yaml")?;
    let [document] = documents.as_slice() else { bail!("bench/pod.yaml: one document is expected") };
    let accepted = document.value.clone();

    // Nobody requested a token: the account is `default`, and the Pod does not set the field.
    let mut fixed = accepted.clone();
    edit(&mut fixed, "/spec", |spec| {
        spec.remove("automountServiceAccountToken");
        spec.insert("serviceAccountName".to_owned(), "default".into());
    })?;

    // A volume with a reserved name, but with other content.
    let mut rejected = accepted.clone();
    push(&mut rejected, "/spec/volumes", json!({"name": "aws-iam-token", "emptyDir": {}}))?;

    let template = json!({
        "metadata": {"labels": accepted.pointer("/metadata/labels")},
        "spec": accepted.get("spec"),
    });
    let deployment = json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "checkout", "namespace": "shop", "labels": accepted.pointer("/metadata/labels")},
        "spec": {"replicas": 3, "selector": {"matchLabels": {"app": "checkout"}}, "template": template},
    });

    let mut megabyte = accepted.clone();
    let arguments: Vec<_> = (0..1_000).map(|number| format!("--option-{number:04}={}", "x".repeat(1_000))).collect();
    edit(&mut megabyte, "/spec/containers/0", |container| {
        container.insert("args".to_owned(), json!(arguments));
    })?;

    let mut many = accepted.clone();
    for number in 0..98 {
        let env: Vec<_> = (0..5).map(|entry| json!({"name": format!("NAME_{entry}"), "value": "some value"})).collect();
        let container =
            json!({"name": format!("worker-{number}"), "image": "registry.example.com/worker:1", "env": env});
        push(&mut many, "/spec/containers", container)?;
    }

    let account = json!({
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {"name": "checkout", "namespace": "shop",
            "annotations": {"eks.amazonaws.com/role-arn": "arn:aws:iam::123456789012:role/checkout"}},
    });

    // The account's own field decides.
    let mut unset = accepted.clone();
    edit(&mut unset, "/spec", |spec| drop(spec.remove("automountServiceAccountToken")))?;
    let says = |automount: Option<bool>| {
        let mut account = json!({"apiVersion": "v1", "kind": "ServiceAccount",
            "metadata": {"name": "checkout", "namespace": "shop", "annotations": {"example.com/team": "checkout"}}});
        if let (Some(account), Some(automount)) = (account.as_object_mut(), automount) {
            account.insert("automountServiceAccountToken".to_owned(), automount.into());
        }
        Some(account)
    };
    let looked_up = [
        ("pod, account cached", says(Some(true)), true),
        ("pod, account looked up", says(Some(true)), false),
        ("pod, account looked up twice", says(None), false),
    ]
    .map(|(name, account, caches_lookups)| {
        let request = request(unset.clone())?;
        Ok(Subject { account, caches_lookups, ..subject(name, request, Expected::Accepted) })
    });

    // The account's permissions decide: the policy asks for six permissions, or stops at the first one that the account has.
    let reviewed = [
        ("pod fixed, with reviews", Expected::Fixed, Vec::new(), false),
        ("pod keeps its token, one review", Expected::Accepted, vec![grant()], true),
    ]
    .map(|(name, expected, grants, caches_lookups)| {
        Ok(Subject { grants, caches_lookups, ..subject(name, request(fixed.clone())?, expected) })
    });

    [
        ("pod accepted", accepted, Expected::Accepted),
        ("pod fixed", fixed.clone(), Expected::Fixed),
        ("pod rejected", rejected, Expected::Rejected),
        ("deployment", deployment, Expected::Accepted),
        ("service account", account, Expected::Accepted),
        ("pod of 1 MB", megabyte, Expected::Accepted),
        ("pod with 100 containers", many, Expected::Accepted),
    ]
    .into_iter()
    .map(|(name, object, expected)| Ok(subject(name, request(object)?, expected)))
    .chain([Ok(subject("token request", token_request()?, Expected::Accepted))])
    .chain(looked_up)
    .chain(reviewed)
    .collect()
}

/// Lets the account `default` read what is in its namespace.
fn grant() -> Value {
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
        "metadata": {"name": "web", "namespace": "shop"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"},
        "subjects": [{"kind": "ServiceAccount", "name": "default", "namespace": "shop"}],
    })
}

/// A request for which no object is looked up.
fn subject(name: &'static str, request: Value, expected: Expected) -> Subject {
    Subject { name, request, expected, account: None, grants: Vec::new(), caches_lookups: true }
}

/// A TokenRequest, as the kubelet sends it for every Pod with a projected token, and as others may send it.
fn token_request() -> Result<Value> {
    let mut request = request(json!({
        "apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "checkout", "namespace": "shop"},
    }))?;
    edit(&mut request, "", |request| {
        let kind = json!({"group": "authentication.k8s.io", "version": "v1", "kind": "TokenRequest"});
        request.insert("requestKind".to_owned(), kind.clone());
        request.insert("kind".to_owned(), kind);
        request.insert("subResource".to_owned(), "token".into());
        request.insert("requestSubResource".to_owned(), "token".into());
        let spec = json!({"audiences": ["https://vault.example.com"], "expirationSeconds": 3600,
            "boundObjectRef": {"apiVersion": "v1", "kind": "Pod", "name": "checkout-5d9c", "uid": "8f1c"}});
        let object = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest",
            "metadata": {"name": "checkout", "namespace": "shop"}, "spec": spec});
        request.insert("object".to_owned(), object);
    })?;
    Ok(request)
}

/// A number of exemptions, each with three patterns, none of which covers a subject.
#[must_use]
pub fn exemptions(count: usize) -> Vec<Value> {
    (0..count)
        .map(|number| {
            json!({
                "rules": ["pod-automount"],
                "namespaces": [format!("team-{number}-*"), format!("tools-{number}")],
                "serviceAccounts": [format!("team-{number}-*/operator")],
                "reason": "reads its own configuration from the API server",
            })
        })
        .collect()
}

/// `{}`, and settings of a large organisation.
#[must_use]
pub fn settings() -> Vec<Settings> {
    let exemptions = exemptions(200);
    let mut roles: Vec<_> = (1..200).map(|number| format!("team-{number}/{{serviceAccount}}")).collect();
    roles.push("checkout".to_owned());
    vec![
        Settings { name: "{}", value: Value::Object(Map::new()) },
        Settings {
            name: "200 exemptions, 200 roles",
            value: json!({"exemptions": exemptions, "rules": {"role-arn": {"action": "reject", "roles": roles}}}),
        },
    ]
}

fn request(object: Value) -> Result<Value> {
    let account =
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "checkout", "namespace": "shop"}});
    ApiServer::new(&[account]).request(object, &RequestOptions::default()).context("a subject of the benchmark")
}

fn edit(object: &mut Value, pointer: &str, change: impl FnOnce(&mut Map<String, Value>)) -> Result<()> {
    let fields = object.pointer_mut(pointer).and_then(Value::as_object_mut);
    change(fields.with_context(|| format!("bench/pod.yaml: no object at {pointer}"))?);
    Ok(())
}

fn push(object: &mut Value, pointer: &str, item: Value) -> Result<()> {
    let items = object.pointer_mut(pointer).and_then(Value::as_array_mut);
    items.with_context(|| format!("bench/pod.yaml: no list at {pointer}"))?.push(item);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_pod_size() {
        let subjects = subjects().unwrap();
        let size = |name: &str| {
            let subject = subjects.iter().find(|subject| subject.name == name).unwrap();
            subject.request["object"].to_string().len()
        };
        assert!((5_500..7_000).contains(&size("pod accepted")), "{}", size("pod accepted"));
        assert!((1_000_000..1_100_000).contains(&size("pod of 1 MB")), "{}", size("pod of 1 MB"));
    }
}
