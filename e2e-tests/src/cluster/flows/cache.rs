// SPDX-License-Identifier: Apache-2.0

//! An account changes while the policy server remembers it: for 5 seconds a Pod may be accepted for what the account said,
//! and everything else is said of the account as it is
//! ([threat model](../../../../docs/threat-model.md#assumptions)).

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use super::{Flows, eventually};
use crate::cluster::api::Caller;

/// How long `policy-server` remembers an object: `get_resource_cached` in
/// `crates/policy-evaluator/src/callback_handler/kubernetes.rs` of <https://github.com/kubewarden/kubewarden-controller>.
const MEMORY: Duration = Duration::from_secs(5);

/// A namespace that no other flow deletes.
const NAMESPACE: &str = "default";

const ACCOUNT: &str = "changing";

pub(super) fn account(flows: &mut Flows) -> Result<()> {
    says(flows, Some(true))?;
    let start = Instant::now();
    ensure!(warnings(flows)?.is_empty(), "a warning, though the account says true");

    says(flows, None)?;
    let remembered = warnings(flows)?;
    // On a machine that is so slow that the memory is over, the warning comes at once.
    ensure!(
        remembered.is_empty() || start.elapsed() >= MEMORY,
        "the account was not remembered for {} ms: {remembered:?}",
        start.elapsed().as_millis()
    );
    let warning = eventually("warning after the account lost its true", || Ok(warnings(flows)?.pop()))?;
    ensure!(start.elapsed() >= MEMORY, "the account was not remembered: {warning}");
    ensure!(warning.contains("pod-automount: "), "the warning is another one: {warning}");

    // What is remembered now leads to a warning, which is never said of it.
    says(flows, Some(true))?;
    let warnings = warnings(flows)?;
    ensure!(warnings.is_empty(), "warnings about an account of a moment ago: {warnings:?}");
    Ok(())
}

/// Makes the account, or changes it.
fn says(flows: &Flows, automount: Option<bool>) -> Result<()> {
    let mut account = json!({
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {"name": ACCOUNT, "namespace": NAMESPACE},
    });
    if let (Some(automount), Some(fields)) = (automount, account.as_object_mut()) {
        fields.insert("automountServiceAccountToken".to_owned(), automount.into());
    }
    let account_path = format!("/api/v1/namespaces/{NAMESPACE}/serviceaccounts/{ACCOUNT}?fieldManager=flows");
    let stored = flows.api.apply(&account_path, &account)?.success().context(ACCOUNT)?.body;
    let says = stored.get("automountServiceAccountToken").and_then(Value::as_bool);
    ensure!(says == automount, "the account says {says:?}");
    Ok(())
}

/// What a Pod of the account is warned about that leaves the decision to it.
fn warnings(flows: &Flows) -> Result<Vec<String>> {
    let pod = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "of-a-changing-account", "namespace": NAMESPACE},
        "spec": {
            "serviceAccountName": ACCOUNT,
            "containers": [{"name": "app", "image": "registry.example.com/app:1.0.0"}],
        },
    });
    let path = format!("/api/v1/namespaces/{NAMESPACE}/pods?dryRun=All");
    Ok(flows.api.call("POST", &path, Some(&pod), &Caller::default())?.success()?.warnings)
}
