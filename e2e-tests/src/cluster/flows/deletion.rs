// SPDX-License-Identifier: Apache-2.0

//! Objects can be deleted even if the policies would reject them today.

#![expect(clippy::indexing_slicing, reason = "of JSON values: what is missing reads as null")]

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use super::workloads::refused_deployment;
use super::{Flows, NAMESPACE, eventually, path};
use crate::cluster::api::{Api, Caller};
use crate::cluster::discovery::Discovery;

const ACCOUNT: &str = "finalized";

/// Stores objects that the policies would reject, before the policies are installed.
pub(super) fn store(api: &Api, discovery: &Discovery, has_controllers: bool) -> Result<()> {
    let account = json!({
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {
            "name": ACCOUNT,
            "namespace": NAMESPACE,
            "annotations": {"eks.amazonaws.com/role-arn": "arn:aws:iam::123:role/broken"},
            "finalizers": ["example.com/flows"],
        },
    });
    api.create(discovery, &account)?;
    if has_controllers {
        api.create(discovery, &refused_deployment("stored"))?;
        eventually("Pod of the stored Deployment", || {
            let pods = api.get(&path("v1", "pods"))?;
            Ok(pods["items"].as_array().is_some_and(|pods| !pods.is_empty()).then_some(()))
        })?;
    }
    Ok(())
}

/// The garbage collector removes the owner reference from the `ReplicaSet`, and then the finalizer.
pub(super) fn garbage(flows: &mut Flows) -> Result<()> {
    let deployment = format!("{}/stored", path("apps/v1", "deployments"));
    let is_stored = |set: &Value| set["metadata"]["labels"]["app"] == "stored";
    flows.delete(&deployment, "Orphan")?;
    let set = eventually("ReplicaSet without its Deployment", || {
        let is_gone = !flows.is_there(&deployment)?;
        let sets = flows.list(&path("apps/v1", "replicasets"))?;
        let is_orphan = |set: &&Value| is_stored(set) && set["metadata"]["ownerReferences"].is_null();
        Ok(sets.iter().find(is_orphan).filter(|_| is_gone).cloned())
    })?;
    let name = set["metadata"]["name"].as_str().context("a ReplicaSet without a name")?;
    let set = format!("{}/{name}", path("apps/v1", "replicasets"));
    flows.delete(&set, "Foreground")?;
    eventually("end of the ReplicaSet", || Ok((!flows.is_there(&set)?).then_some(())))
}

pub(super) fn namespace(flows: &mut Flows) -> Result<()> {
    // Otherwise its finalizer would keep the namespace.
    let account = format!("{}/{ACCOUNT}", path("v1", "serviceaccounts"));
    let none = json!({"metadata": {"finalizers": null}});
    flows.api.call("PATCH", &account, Some(&none), &Caller::default())?.success()?;
    let namespace = format!("/api/v1/namespaces/{NAMESPACE}");
    flows.delete(&namespace, "Background")?;
    eventually("end of the namespace", || Ok((!flows.is_there(&namespace)?).then_some(())))
}

pub(super) fn finalizer(flows: &mut Flows) -> Result<()> {
    // A namespace that still exists.
    const ELSEWHERE: &str = "default";
    let accounts = format!("/api/v1/namespaces/{ELSEWHERE}/serviceaccounts");
    let account = json!({
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {"name": ACCOUNT, "namespace": ELSEWHERE, "finalizers": ["example.com/flows"]},
    });
    flows.create(&account)?;
    let account = format!("{accounts}/{ACCOUNT}");
    flows.delete(&account, "Background")?;
    let deleted = flows.api.get(&account)?;
    ensure!(!deleted["metadata"]["deletionTimestamp"].is_null(), "it is not being deleted");
    let none = json!({"metadata": {"finalizers": null}});
    flows.api.call("PATCH", &account, Some(&none), &Caller::default())?.success()?;
    ensure!(!flows.is_there(&account)?, "it is still there");
    Ok(())
}
