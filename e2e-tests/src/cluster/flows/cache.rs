// SPDX-License-Identifier: Apache-2.0

//! An account changes while the policy server has it in its cache. For 5 seconds, a Pod may be accepted because of the
//! account's old value; warnings and rejections always use the current one ([threat
//! model](../../../../docs/threat-model.md#what-it-relies-on)).

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use super::{Flows, eventually};
use crate::cluster::api::Caller;

/// How long `policy-server` caches an object: `get_resource_cached` in
/// `crates/policy-evaluator/src/callback_handler/kubernetes.rs` of <https://github.com/kubewarden/kubewarden-controller>.
const MEMORY: Duration = Duration::from_secs(5);

/// A namespace that no other flow deletes.
const NAMESPACE: &str = "default";

const ACCOUNT: &str = "changing";

pub(super) fn account(flows: &mut Flows) -> Result<()> {
    set_automount(flows, Some(true))?;
    let start = Instant::now();
    ensure!(warnings(flows)?.is_empty(), "a warning, though the account says true");

    set_automount(flows, None)?;
    let remembered = warnings(flows)?;
    // On a machine so slow that the cache entry has expired, the warning comes immediately.
    ensure!(
        remembered.is_empty() || start.elapsed() >= MEMORY,
        "the account was not remembered for {} ms: {remembered:?}",
        start.elapsed().as_millis()
    );
    let warning = eventually("warning after the account lost its true", || Ok(warnings(flows)?.pop()))?;
    ensure!(start.elapsed() >= MEMORY, "the account was not remembered: {warning}");
    ensure!(warning.contains("pod-automount: "), "the warning is another one: {warning}");

    // The cached account would lead to a warning, but no warning is based on a cached account.
    set_automount(flows, Some(true))?;
    let warnings = warnings(flows)?;
    ensure!(warnings.is_empty(), "warnings about an account of a moment ago: {warnings:?}");
    Ok(())
}

/// Creates the account, or updates it.
fn set_automount(flows: &Flows, automount: Option<bool>) -> Result<()> {
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
    let stored = stored.get("automountServiceAccountToken").and_then(Value::as_bool);
    ensure!(stored == automount, "automountServiceAccountToken of the account is {stored:?}");
    Ok(())
}

/// The warnings for a Pod of the account that does not set `automountServiceAccountToken` itself.
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
