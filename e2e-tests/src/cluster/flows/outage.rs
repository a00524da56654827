// SPDX-License-Identifier: Apache-2.0

//! The policy server stops and starts again, with `failurePolicy: Fail`.

#![expect(clippy::indexing_slicing, reason = "of JSON values: what is missing reads as null")]

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use super::{Flows, eventually};
use crate::cluster::api::{Answer, Caller};

const EXCLUDED: [&str; 4] = ["kube-system", "kube-public", "kube-node-lease", "kubewarden"];

pub(super) fn policy_server(flows: &mut Flows) -> Result<()> {
    flows.server.stop();
    let refused = create_pod(flows, "default")?;
    ensure!(
        refused.message().contains("failed calling webhook \"clusterwide-serviceaccount-hygiene-mutating"),
        "without a policy server, the API server answers {}: {}",
        refused.status,
        refused.message()
    );
    for namespace in EXCLUDED {
        flows.api.ensure_namespace(namespace)?;
        create_pod(flows, namespace)?.success()?;
    }
    flows.server.start()?;
    let pod = eventually("Pod after the policy server came back", || {
        let answer = create_pod(flows, "default")?;
        Ok(answer.is_success().then_some(answer.body))
    })?;
    ensure!(pod["spec"]["automountServiceAccountToken"] == false, "the Pod is not fixed: {}", pod["spec"]);
    Ok(())
}

/// What controllers could not create during the outage, they create afterwards.
pub(super) fn controllers(flows: &mut Flows) -> Result<()> {
    const NEW: &str = "flows-outage";
    flows.server.stop();
    flows.create(&json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NEW}}))?;
    let account = format!("/api/v1/namespaces/{NEW}/serviceaccounts/default");
    ensure!(!flows.is_there(&account)?, "an account was made without the policy");
    flows.server.start()?;
    let account = eventually("default account after the policy server came back", || Ok(flows.api.get(&account).ok()))?;
    ensure!(account["automountServiceAccountToken"] == false, "it says {}", account["automountServiceAccountToken"]);
    Ok(())
}

fn create_pod(flows: &Flows, namespace: &str) -> Result<Answer> {
    let pod: Value = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "outage", "namespace": namespace},
        "spec": {"containers": [{"name": "app", "image": "registry.example.com/app:1.0.0"}]},
    });
    let path = format!("/api/v1/namespaces/{namespace}/pods?dryRun=All");
    flows.api.call("POST", &path, Some(&pod), &Caller::default())
}
