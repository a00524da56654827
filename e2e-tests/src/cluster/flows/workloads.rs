// SPDX-License-Identifier: Apache-2.0

//! Accounts and Pods that controllers create.

#![expect(clippy::indexing_slicing, reason = "of JSON values: what is missing reads as null")]

use std::time::Duration;

use anyhow::{Result, bail, ensure};
use serde_json::{Value, json};

use super::{Caller, Flows, NAMESPACE, eventually, path, within};

/// The controller of a `CronJob` starts one Job a minute.
const CRON_JOB_TIMEOUT: Duration = Duration::from_secs(90);

/// Creates one workload of each kind, and the objects that they need.
pub(super) fn start(flows: &Flows) -> Result<()> {
    // For the DaemonSet. No kubelet runs, so nothing else would report the node as ready.
    flows.create(&json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "node-1"}}))?;
    let no_taints = json!({"spec": {"taints": null}});
    flows.api.call("PATCH", "/api/v1/nodes/node-1", Some(&no_taints), &Caller::default())?.success()?;
    let template = template("quiet", &json!({}));
    let selector = json!({"matchLabels": {"app": "quiet"}});
    let mut job = template.clone();
    job["spec"]["restartPolicy"] = "Never".into();
    for (api_version, kind, spec) in [
        ("batch/v1", "CronJob", json!({"schedule": "* * * * *", "jobTemplate": {"spec": {"template": job}}})),
        ("apps/v1", "Deployment", json!({"selector": selector, "template": template})),
        ("apps/v1", "StatefulSet", json!({"selector": selector, "template": template, "serviceName": "quiet"})),
        ("apps/v1", "DaemonSet", json!({"selector": selector, "template": template})),
        ("batch/v1", "Job", json!({"template": job})),
    ] {
        let name = format!("quiet-{}", kind.to_lowercase());
        flows.create(&object(api_version, kind, &name, &spec))?;
    }
    Ok(())
}

/// A Deployment whose Pods the policies reject.
pub(super) fn refused_deployment(name: &str) -> Value {
    let template = template(name, &json!({"volumes": [{"name": "kube-api-access-cache", "emptyDir": {}}]}));
    let spec = json!({"selector": {"matchLabels": {"app": name}}, "template": template});
    object("apps/v1", "Deployment", name, &spec)
}

pub(super) fn default_account(flows: &mut Flows) -> Result<()> {
    const NEW: &str = "flows-new";
    flows.create(&json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NEW}}))?;
    let account = format!("/api/v1/namespaces/{NEW}/serviceaccounts/default");
    let account = eventually("default account", || Ok(flows.api.get(&account).ok()))?;
    ensure!(account["automountServiceAccountToken"] == false, "it says {}", account["automountServiceAccountToken"]);
    Ok(())
}

pub(super) fn without_token(flows: &mut Flows, kind: &str) -> Result<()> {
    let prefix = format!("quiet-{}-", kind.to_lowercase());
    let pod = pod(flows, &prefix)?;
    ensure!(pod["spec"]["automountServiceAccountToken"] == false, "the Pod does not say false: {}", pod["spec"]);
    ensure!(!has_token(&pod), "the Pod has a token: {}", pod["spec"]);
    let by = pod["metadata"]["ownerReferences"][0]["kind"].as_str().unwrap_or_default();
    let expected = match kind {
        "Deployment" => "ReplicaSet",
        "CronJob" => "Job",
        other => other,
    };
    ensure!(by == expected, "the Pod is of a {by}");
    Ok(())
}

pub(super) fn with_token(flows: &mut Flows) -> Result<()> {
    let account =
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "app", "namespace": NAMESPACE}});
    flows.create(&account)?;
    let template = template("asking", &json!({"serviceAccountName": "app", "automountServiceAccountToken": true}));
    let spec = json!({"selector": {"matchLabels": {"app": "asking"}}, "template": template});
    flows.create(&object("apps/v1", "Deployment", "asking", &spec))?;
    let pod = pod(flows, "asking-")?;
    ensure!(has_token(&pod), "the Pod has no token: {}", pod["spec"]);
    Ok(())
}

/// The Deployment existed before the policies; once its Pod is deleted, no other can be created.
pub(super) fn refused(flows: &mut Flows) -> Result<()> {
    let pod = pod(flows, "stored-")?;
    let name = pod["metadata"]["name"].as_str().unwrap_or_default();
    flows.api.delete(&format!("{}/{name}", path("v1", "pods")))?;
    let event = eventually("event about a Pod that is refused", || {
        let events = flows.list(&path("v1", "events"))?;
        let is_it = |event: &Value| {
            event["reason"] == "FailedCreate"
                && event["involvedObject"]["kind"] == "ReplicaSet"
                && event["involvedObject"]["name"].as_str().is_some_and(|name| name.starts_with("stored-"))
        };
        Ok(events.into_iter().find(is_it))
    })?;
    let message = event["message"].as_str().unwrap_or_default();
    for part in [
        "denied the request: serviceaccount-hygiene: ",
        "reserved-volume-name: spec.volumes[kube-api-access-cache].name",
    ] {
        ensure!(message.contains(part), "the event says: {message}");
    }
    Ok(())
}

/// A Pod that a controller created.
fn pod(flows: &Flows, prefix: &str) -> Result<Value> {
    let limit = if prefix.starts_with("quiet-cronjob") { CRON_JOB_TIMEOUT } else { super::TIMEOUT };
    let found = within(limit, &format!("Pod {prefix}*"), || {
        let pods = flows.list(&path("v1", "pods"))?;
        Ok(pods.into_iter().find(|pod| pod["metadata"]["name"].as_str().is_some_and(|name| name.starts_with(prefix))))
    });
    match found {
        Ok(pod) => Ok(pod),
        Err(error) => {
            let events = flows.list(&path("v1", "events"))?;
            let told = events.iter().filter_map(|event| event["message"].as_str());
            bail!("{error}; events: {}", told.collect::<Vec<_>>().join("; "))
        }
    }
}

fn has_token(pod: &Value) -> bool {
    let volumes = pod["spec"]["volumes"].as_array().into_iter().flatten();
    let mut sources = volumes.flat_map(|volume| volume["projected"]["sources"].as_array().into_iter().flatten());
    sources.any(|source| !source["serviceAccountToken"].is_null())
}

fn template(app: &str, spec: &Value) -> Value {
    let mut spec = spec.clone();
    spec["containers"] = json!([{"name": "app", "image": "registry.example.com/app:1.0.0"}]);
    json!({"metadata": {"labels": {"app": app}}, "spec": spec})
}

fn object(api_version: &str, kind: &str, name: &str, spec: &Value) -> Value {
    json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": name, "namespace": NAMESPACE}, "spec": spec})
}
