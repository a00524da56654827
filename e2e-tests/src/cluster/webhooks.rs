// SPDX-License-Identifier: Apache-2.0

//! Creates and deletes webhooks at the API server, and waits until it has seen the change.

#![expect(clippy::indexing_slicing, reason = "of JSON values: what is missing reads as null")]

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use base64::Engine as _;
use serde_json::{Value, json};

use super::api::{Api, Caller};
use super::control_plane::ControlPlane;
use super::policies::{Policy, is_marked};
use super::policy_server::PolicyServer;

const CONFIGURATIONS: &str = "/apis/admissionregistration.k8s.io/v1";

/// The mark of requests that wait for webhooks; no policy receives them.
const SENTINEL: &str = "sentinel";

/// How long the API server may take to see a webhook.
const PROPAGATION: Duration = Duration::from_secs(30);

/// Creates the webhooks of policies, and waits until the API server calls them.
///
/// # Errors
/// If the API server rejects a webhook.
pub fn install<'p>(
    plane: &ControlPlane,
    policies: impl IntoIterator<Item = (&'p Policy, &'p PolicyServer)>,
) -> Result<()> {
    for (policy, server) in policies {
        let configuration = policy.webhook_configuration(&server.url(), &plane.pki.authority);
        create(&plane.admin, &configuration).with_context(|| policy.id.clone())?;
    }
    wait_until_called(plane)
}

/// Creates a webhook that receives all requests with a mark, before any other webhook changes the object.
///
/// # Errors
/// If the API server rejects it.
pub fn install_capture(plane: &ControlPlane, mark: &str, port: u16) -> Result<()> {
    let everything = json!({"apiGroups": ["*"], "apiVersions": ["*"], "resources": ["*/*"], "operations": ["*"]});
    let ca = base64::engine::general_purpose::STANDARD.encode(&plane.pki.authority);
    let configuration = configuration(
        "Mutating",
        &json!({"name": mark}),
        &json!({"url": format!("https://127.0.0.1:{port}/"), "caBundle": ca}),
        &everything,
        mark,
    );
    create(&plane.admin, &configuration)
}

fn configuration(kind: &str, metadata: &Value, client: &Value, rule: &Value, mark: &str) -> Value {
    json!({
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": format!("{kind}WebhookConfiguration"),
        "metadata": metadata,
        "webhooks": [{
            "name": format!("{mark}.kubewarden.admission").to_lowercase(),
            "clientConfig": client,
            "rules": [rule],
            "failurePolicy": "Fail",
            "sideEffects": "None",
            "admissionReviewVersions": ["v1"],
            "matchConditions": [is_marked(mark)],
        }],
    })
}

/// Deletes every webhook, and waits until the API server calls none.
///
/// # Errors
/// If the API server does not delete a webhook.
pub fn uninstall(api: &Api) -> Result<()> {
    for plural in ["mutatingwebhookconfigurations", "validatingwebhookconfigurations"] {
        let list = api.get(&format!("{CONFIGURATIONS}/{plural}"))?;
        for item in list["items"].as_array().into_iter().flatten() {
            api.delete(&format!(
                "{CONFIGURATIONS}/{plural}/{}",
                item["metadata"]["name"].as_str().unwrap_or_default()
            ))?;
        }
    }
    let is_gone = || sentinels_called(api).map(|called| called == [false, false]);
    wait_for("webhooks are called after they were deleted", is_gone)
}

fn create(api: &Api, configuration: &Value) -> Result<()> {
    let plural = match configuration["kind"].as_str() {
        Some("MutatingWebhookConfiguration") => "mutatingwebhookconfigurations",
        _ => "validatingwebhookconfigurations",
    };
    api.call("POST", &format!("{CONFIGURATIONS}/{plural}"), Some(configuration), &Caller::default())?.success()?;
    Ok(())
}

/// Creates two more webhooks, whose server does not exist. Once the API server calls both, it also calls the earlier ones: it
/// sees webhooks in the order in which they were stored.
fn wait_until_called(plane: &ControlPlane) -> Result<()> {
    // No server listens on port 1.
    let client = json!({"url": "https://127.0.0.1:1/"});
    let rule = json!({"apiGroups": [""], "apiVersions": ["v1"], "resources": ["configmaps"], "operations": ["CREATE"]});
    for kind in SENTINELS {
        let metadata = json!({"generateName": format!("{SENTINEL}-")});
        create(&plane.admin, &configuration(kind, &metadata, &client, &rule, &sentinel(kind)))?;
    }
    wait_for("webhooks are not called", || sentinels_called(&plane.admin).map(|called| called == [true, true]))
}

fn sentinel(kind: &str) -> String {
    format!("{SENTINEL}-{}", kind.to_lowercase())
}

const SENTINELS: [&str; 2] = ["Mutating", "Validating"];

fn sentinels_called(api: &Api) -> Result<[bool; 2]> {
    let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": SENTINEL}});
    let mut called = [false, false];
    for (called, kind) in called.iter_mut().zip(SENTINELS) {
        let path = "/api/v1/namespaces/default/configmaps?dryRun=All";
        let answer = api.call("POST", path, Some(&object), &Caller::marked(&sentinel(kind)))?;
        *called = !answer.is_success() && answer.message().contains(SENTINEL);
    }
    Ok(called)
}

fn wait_for(failure: &str, mut is_so: impl FnMut() -> Result<bool>) -> Result<()> {
    let start = Instant::now();
    while !is_so()? {
        if start.elapsed() > PROPAGATION {
            bail!("after {} s {failure}", PROPAGATION.as_secs());
        }
        thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}
