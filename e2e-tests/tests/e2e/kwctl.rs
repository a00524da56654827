// SPDX-License-Identifier: Apache-2.0

//! Checks that kwctl can read the files that `make e2e-tests` passes to it. Without kwctl, an error would go unnoticed until a
//! release.

#![expect(clippy::indexing_slicing, reason = "of JSON values: what is missing reads as null")]

use std::collections::BTreeSet;
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use e2e_tests::engine::Engine;
use e2e_tests::examples;
use e2e_tests::kwctl::{self, Inputs};
use e2e_tests::{case_file, expectation::Expectation};
use libtest_mimic::Trial;
use policy_host::yaml;
use serde_json::Value;

use crate::{failed, repository};

const MODULE: &str = "file:///annotated-policy.wasm";

pub fn trials(engine: &Arc<Engine>) -> Vec<Trial> {
    let engine = Arc::clone(engine);
    vec![Trial::test("kwctl::inputs_are_what_kwctl_reads", move || inputs(&engine).map_err(failed))]
}

fn inputs(engine: &Engine) -> Result<()> {
    let inputs = kwctl::inputs(&repository(), MODULE, engine)?;
    for case in &inputs {
        check(case).with_context(|| case.name.clone())?;
    }

    let names: BTreeSet<&str> = inputs.iter().map(|case| case.name.as_str()).collect();
    ensure!(names.len() == inputs.len(), "two cases of one name");
    let cases = case_file::load_all(&repository().join("e2e-tests/cases"))?;
    for (name, _) in &cases {
        ensure!(names.contains(name.as_str()), "{name} is not run by kwctl");
    }
    for example in examples::find_all(&repository())? {
        let prefix = format!("examples/{}/{}/", example.file, example.name);
        ensure!(names.iter().any(|name| name.starts_with(&prefix)), "kwctl runs nothing through {prefix}");
    }
    let bats = kwctl::bats(&inputs);
    ensure!(bats.matches("@test ").count() == inputs.len(), "a case without a test");
    Ok(())
}

fn check(case: &Inputs) -> Result<()> {
    // kwctl requires fields that are optional in the SDK.
    let request = &case.request;
    for pointer in [
        "/uid",
        "/operation",
        "/kind/group",
        "/kind/version",
        "/kind/kind",
        "/resource/group",
        "/resource/version",
        "/resource/resource",
    ] {
        ensure!(request.pointer(pointer).is_some_and(Value::is_string), "the request has no {pointer}");
    }
    ensure!(request["userInfo"].is_object(), "the request has no userInfo");
    ensure!(request.get("request").is_none(), "the request is a review");

    if let Some(policy) = &case.policy {
        let policy = yaml::load_str(policy, "policy.yaml")?.pop().context("no policy")?.value;
        ensure!(policy["apiVersion"] == "policies.kubewarden.io/v1", "apiVersion");
        ensure!(
            policy["metadata"]["name"].as_str().is_some_and(|name| !name.is_empty()),
            "kwctl refuses an empty name"
        );
        ensure!(policy["spec"]["module"] == MODULE, "module");
        ensure!(policy["spec"]["mutating"].is_boolean(), "mutating");
        ensure!(matches!(policy["spec"]["mode"].as_str(), Some("protect" | "monitor")), "mode");
        ensure!(policy["spec"]["settings"].is_object(), "settings must be a map");
    } else {
        ensure!(case.settings.is_some(), "neither a policy nor settings");
    }

    let session = yaml::load_str(&case.session, "session.yml")?.pop().context("no session")?.value;
    let exchanges = session.as_array().context("a session is a list")?;
    for (position, exchange) in exchanges.iter().enumerate() {
        ensure!(exchange["type"] == "Exchange", "type");
        // kwctl reads the request from a string, with the operation as a tag, and compares every field.
        let request = exchange["request"].as_str().context("the request is a text")?;
        let (tag, fields) = request.split_once('\n').context("the tag")?;
        let fields = yaml::load_str(fields, "request")?.pop().context("no request")?.value;
        let keys: Vec<&str> = fields.as_object().context("fields")?.keys().map(String::as_str).collect();
        match tag {
            "!KubernetesGetResource" => {
                ensure!(
                    keys == ["api_version", "disable_cache", "field_masks", "kind", "name", "namespace"],
                    "{keys:?}"
                );
                ensure!(fields["kind"] == "ServiceAccount", "{fields}");
                // A second look-up must bypass the cache.
                let is_fresh = fields["disable_cache"].as_bool().context("disable_cache")?;
                let earlier = exchanges.iter().take(position);
                let is_first = earlier.filter(|exchange| is_of(exchange, tag)).count() == 0;
                ensure!(is_fresh || is_first, "{fields}");
            }
            "!KubernetesCanI" => {
                ensure!(keys == ["disable_cache", "request"], "{keys:?}");
                ensure!(fields["disable_cache"] == false, "{fields}");
                let review = fields["request"].as_object().context("the review")?;
                let keys: Vec<&str> = review.keys().map(String::as_str).collect();
                ensure!(keys == ["groups", "resource_attributes", "user"], "{keys:?}");
            }
            other => anyhow::bail!("a request of type {other}"),
        }
        let response = &exchange["response"];
        match response["type"].as_str() {
            Some("Success") => {
                let payload = response["payload"].as_str().context("the payload is a text")?;
                serde_json::from_str::<Value>(payload).context("the payload is JSON")?;
            }
            Some("Error") => ensure!(response["message"].is_string(), "an error without a message"),
            other => anyhow::bail!("a response of type {other:?}"),
        }
    }
    if let Expectation::Verdict(verdict) = &case.expectation {
        // A look-up that the manifest does not grant never leaves the host.
        let is_granted = case.policy.as_deref().is_none_or(|policy| {
            policy.contains("kind: ServiceAccount\n") || policy.contains("\"kind\": \"ServiceAccount\"")
        });
        let wanted = [if is_granted { verdict.lookups } else { 0 }, verdict.reviews];
        let found = ["!KubernetesGetResource", "!KubernetesCanI"]
            .map(|tag| exchanges.iter().filter(|exchange| is_of(exchange, tag)).count());
        ensure!(found == wanted, "the session has {found:?} look-ups and reviews, not {wanted:?}");
    }
    Ok(())
}

/// Whether an exchange belongs to an operation.
fn is_of(exchange: &Value, tag: &str) -> bool {
    exchange["request"].as_str().is_some_and(|request| request.starts_with(tag))
}
