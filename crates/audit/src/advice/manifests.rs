// SPDX-License-Identifier: Apache-2.0

//! The objects for a recommendation.

use std::collections::{BTreeMap, BTreeSet};

use policy_host::rbac::API_GROUP;
use serde_json::{Value, json};

use crate::report::{Account, Calls, Workload};

/// The API version of a kind, and the path of its Pod template's `spec`; none for a kind whose template cannot be changed.
pub(super) fn template_of(kind: &str) -> Option<(&'static str, &'static [&'static str])> {
    const TEMPLATE: &[&str] = &["spec", "template", "spec"];
    const JOB: &[&str] = &["spec", "jobTemplate", "spec", "template", "spec"];
    match kind {
        "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet" => Some(("apps/v1", TEMPLATE)),
        "ReplicationController" => Some(("v1", TEMPLATE)),
        "CronJob" => Some(("batch/v1", JOB)),
        _ => None,
    }
}

/// A patch of a workload for these fields of its Pod template.
pub(super) fn template_patch(path: &[&str], fields: Value) -> Value {
    path.iter().rev().fold(fields, |value, key| json!({ *key: value }))
}

/// The patch, with the identity of its object.
pub(super) fn addressed(patch: &Value, api_version: &str, kind: &str, namespace: &str, name: &str) -> Value {
    let mut object =
        json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": name, "namespace": namespace}});
    json_patch::merge(&mut object, patch);
    object
}

/// An account for a workload, with the bindings of `default`.
pub(super) fn own_account(namespace: &str, account: &Account, workload: &Workload) -> Vec<Value> {
    let name = &workload.name;
    let subject = json!({"kind": "ServiceAccount", "name": name, "namespace": namespace});
    let object = json!({
        "apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": namespace},
        "automountServiceAccountToken": false
    });
    let bindings = account.bindings.iter().filter(|it| it.group.is_none()).map(|binding| {
        let (kind, role) = binding.role.split_once(' ').unwrap_or(("ClusterRole", &binding.role));
        let role = role.rsplit_once('/').map_or(role, |(_, role)| role);
        let mut metadata = json!({"name": format!("{name}-{}", binding.name)});
        if let Some(namespace) = &binding.namespace {
            json_patch::merge(&mut metadata, &json!({ "namespace": namespace }));
        }
        json!({
            "apiVersion": format!("{API_GROUP}/v1"), "kind": binding.kind, "metadata": metadata,
            "roleRef": {"apiGroup": API_GROUP, "kind": kind, "name": role}, "subjects": [subject]
        })
    });
    std::iter::once(object).chain(bindings).collect()
}

/// Roles that allow only what was done, bound to the account.
pub(super) fn narrow_roles(namespace: &str, account: &str, calls: &Calls) -> Vec<Value> {
    let mut objects = Vec::new();
    for (kind, binding_kind, own) in [("Role", "RoleBinding", true), ("ClusterRole", "ClusterRoleBinding", false)] {
        let rules = rules(calls, own);
        if rules.is_empty() {
            continue;
        }
        let name = if own { format!("{account}-used") } else { format!("{namespace}-{account}-used") };
        let mut metadata = json!({ "name": name });
        if own {
            json_patch::merge(&mut metadata, &json!({ "namespace": namespace }));
        }
        let api_version = format!("{API_GROUP}/v1");
        objects.push(json!({"apiVersion": api_version, "kind": kind, "metadata": metadata, "rules": rules}));
        objects.push(json!({
            "apiVersion": api_version, "kind": binding_kind, "metadata": metadata,
            "roleRef": {"apiGroup": API_GROUP, "kind": kind, "name": name},
            "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": namespace}]
        }));
    }
    objects
}

/// Rules for the calls in the account's own namespace, or for all others; calls that were always denied are left out.
fn rules(calls: &Calls, own: bool) -> Vec<Value> {
    let mut by_verbs: BTreeMap<(&str, &[String]), BTreeSet<String>> = BTreeMap::new();
    let done = calls.actions.iter().filter(|it| it.calls > it.denied && it.scope != "path");
    for action in done.filter(|it| (it.scope == "own namespace") == own) {
        let (resource, subresource) = action.resource.split_once('/').unwrap_or((&action.resource, ""));
        let (resource, group) = resource.split_once('.').unwrap_or((resource, ""));
        let resource = if subresource.is_empty() { resource.to_owned() } else { format!("{resource}/{subresource}") };
        by_verbs.entry((group, &action.verbs)).or_default().insert(resource);
    }
    let rule = |((group, verbs), resources)| json!({"apiGroups": [group], "resources": resources, "verbs": verbs});
    by_verbs.into_iter().map(rule).collect()
}
