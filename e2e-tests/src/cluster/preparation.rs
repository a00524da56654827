// SPDX-License-Identifier: Apache-2.0

//! Prepares the cluster for all cases: Kubewarden's namespace, the permissions of `examples/`, permission for every user to do
//! what a case does, and kinds that are not built in.

#![expect(clippy::indexing_slicing, reason = "of JSON values: what is missing reads as null")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use policy_host::yaml;
use serde_json::{Value, json};

use super::api::{Api, Caller};
use super::conditions;
use super::control_plane::ControlPlane;
use super::plan::{Plan, Planned};
use super::policies::NAMESPACE;

/// How long the API server may take to serve a new kind.
const PROPAGATION: Duration = Duration::from_secs(30);

/// Prepares the cluster for the cases of a plan.
///
/// # Errors
/// If the API server rejects an object.
pub fn prepare(repository: &Path, plane: &ControlPlane, plan: &Plan) -> Result<()> {
    let api = &plane.admin;
    permissions(repository, api)?;
    let excluded = conditions::users(repository)?;
    let mut users: BTreeSet<&str> = excluded.iter().map(String::as_str).collect();
    users.extend(plan.cases.iter().filter_map(|planned| planned.request["userInfo"]["username"].as_str()));
    grant_everything(api, users.into_iter().filter(|user| !user.is_empty()))?;
    define(api, custom_kinds(api, plan)?.values())
}

/// Kubewarden's namespace, and what `examples/permissions.yaml` grants.
///
/// # Errors
/// If the API server rejects an object.
pub fn permissions(repository: &Path, api: &Api) -> Result<()> {
    api.ensure_namespace(NAMESPACE)?;
    let discovery = api.discover()?;
    for document in yaml::load_file(repository.join("examples/permissions.yaml"))? {
        api.ensure(&discovery.collection(&document.value)?, &document.value)?;
    }
    aggregate(api)?;
    reviews(api)
}

/// Fills in the aggregated `ClusterRole`s that users are bound to. The controller manager would do this, but does not run yet.
fn aggregate(api: &Api) -> Result<()> {
    const PATH: &str = "/apis/rbac.authorization.k8s.io/v1/clusterroles";
    // Each one aggregates the previous one.
    for name in ["view", "edit", "admin"] {
        let roles = api.get(PATH)?;
        let label = format!("rbac.authorization.k8s.io/aggregate-to-{name}");
        let items = || roles["items"].as_array().into_iter().flatten();
        let parts = items().filter(|role| role["metadata"]["labels"][&label] == "true");
        let rules: Vec<Value> = parts.filter_map(|role| role["rules"].as_array()).flatten().cloned().collect();
        let Some(role) = items().find(|role| role["metadata"]["name"] == name) else { continue };
        let mut role = role.clone();
        role["rules"] = rules.into();
        api.call("PUT", &format!("{PATH}/{name}"), Some(&role), &Caller::default())?.success()?;
    }
    Ok(())
}

/// The permission that Kubewarden's own installation gives to every policy server: to create `SubjectAccessReview`s.
fn reviews(api: &Api) -> Result<()> {
    let group = "rbac.authorization.k8s.io";
    let (version, path) = (format!("{group}/v1"), format!("/apis/{group}/v1"));
    let name = json!({"name": "sa-hygiene-reviews"});
    let role = json!({
        "apiVersion": version, "kind": "ClusterRole", "metadata": name,
        "rules": [{"apiGroups": ["authorization.k8s.io"], "resources": ["subjectaccessreviews"], "verbs": ["create"]}],
    });
    api.ensure(&format!("{path}/clusterroles"), &role)?;
    let binding = json!({
        "apiVersion": version, "kind": "ClusterRoleBinding", "metadata": name,
        "subjects": [{"kind": "Group", "apiGroup": group, "name": format!("system:serviceaccounts:{NAMESPACE}")}],
        "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": "sa-hygiene-reviews"},
    });
    api.ensure(&format!("{path}/clusterrolebindings"), &binding)
}

/// Allows users to do everything: the cases do not test their permissions.
///
/// # Errors
/// If the API server rejects the binding.
pub fn grant_everything<'u>(api: &Api, users: impl Iterator<Item = &'u str>) -> Result<()> {
    let group = "rbac.authorization.k8s.io";
    let subjects: Vec<Value> = users.map(|user| json!({"kind": "User", "apiGroup": group, "name": user})).collect();
    let binding = json!({
        "apiVersion": format!("{group}/v1"),
        "kind": "ClusterRoleBinding",
        "metadata": {"generateName": "sa-hygiene-users-"},
        "subjects": subjects,
        "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": "cluster-admin"},
    });
    api.ensure(&format!("/apis/{group}/v1/clusterrolebindings"), &binding)
}

/// Creates definitions of custom resources, and waits until the API server serves them.
///
/// # Errors
/// If the API server rejects a definition.
pub fn define<'d>(api: &Api, definitions: impl Iterator<Item = &'d Value>) -> Result<()> {
    const PATH: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    let mut waiting = Vec::new();
    for definition in definitions {
        api.ensure(PATH, definition)?;
        waiting.extend(definition["metadata"]["name"].as_str());
    }
    let start = Instant::now();
    for name in waiting {
        let is_served = || -> Result<bool> {
            let stored = api.get(&format!("{PATH}/{name}"))?;
            let group = stored["spec"]["group"].as_str().unwrap_or_default();
            let version = stored["spec"]["versions"][0]["name"].as_str().unwrap_or_default();
            let served = api.get(&format!("/apis/{group}/{version}"));
            let plural = &stored["spec"]["names"]["plural"];
            Ok(served.is_ok_and(|list| {
                list["resources"].as_array().is_some_and(|all| all.iter().any(|resource| resource["name"] == *plural))
            }))
        };
        while !is_served()? {
            if start.elapsed() > PROPAGATION {
                bail!("the API server does not serve {name} after {} s", PROPAGATION.as_secs());
            }
            thread::sleep(Duration::from_millis(50));
        }
    }
    Ok(())
}

fn custom_kinds(api: &Api, plan: &Plan) -> Result<BTreeMap<String, Value>> {
    let discovery = api.discover()?;
    let unknown = plan.cases.iter().filter(|planned| discovery.resource(&planned.request["object"]).is_err());
    Ok(unknown.filter_map(definition).collect())
}

/// A definition for the custom resource of a case, which allows all fields.
fn definition(planned: &Planned) -> Option<(String, Value)> {
    let resource = &planned.request["resource"];
    let group = resource["group"].as_str().filter(|group| !group.is_empty())?;
    let (plural, version) = (resource["resource"].as_str()?, resource["version"].as_str()?);
    let kind = planned.request["kind"]["kind"].as_str()?;
    let name = format!("{plural}.{group}");
    let schema = json!({"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}});
    let definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": name},
        "spec": {
            "group": group,
            "scope": if planned.request["namespace"].is_string() { "Namespaced" } else { "Cluster" },
            "names": {"plural": plural, "kind": kind},
            "versions": [{"name": version, "served": true, "storage": true, "schema": schema}],
        },
    });
    Some((name, definition))
}
