// SPDX-License-Identifier: Apache-2.0

//! Checks which requests reach the policies of `examples/`: the API server evaluates their rules, selectors and
//! `matchConditions`. While the policy server is down, a request that reaches a policy is rejected, and any other request is
//! accepted.

#![expect(clippy::indexing_slicing, reason = "of JSON values: what is missing reads as null")]

use std::path::Path;

use anyhow::{Context as _, Result, bail, ensure};
use policy_host::apiserver::{ApiServer, RequestOptions};
use policy_host::yaml;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::cases::Runner;
use super::exchange::Exchange;
use super::plan::{Plan, Planned};
use super::policies::Policy;
use super::report::Outcome;
use crate::case::{Lookup, Subject};

const FILE: &str = "e2e-tests/cluster/excluded.yaml";

/// A request that a policy's `matchConditions` exclude.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Excluded {
    /// `<file>/<policy>` of an example.
    policy: String,
    name: String,
    object: Value,
    /// Fields of the `AdmissionRequest`, as in a `given` block.
    #[serde(default)]
    request: Map<String, Value>,
}

/// Whether a request is sent to the policy server, which is down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expected {
    Sent,
    Excluded,
}

/// The users of the excluded requests; they need permission to make these requests.
///
/// # Errors
/// If the list cannot be read.
pub fn users(repository: &Path) -> Result<Vec<String>> {
    let user = |excluded: Excluded| excluded.request.get("userInfo")?["username"].as_str().map(str::to_owned);
    Ok(load(repository)?.into_iter().filter_map(user).collect())
}

/// Stops the policy server, sends requests that must reach an example and requests that must not, and starts it again.
///
/// # Errors
/// If the list cannot be read, a policy with conditions is not in it, or the policy server does not start again.
pub fn run(repository: &Path, runner: &mut Runner<'_>, plan: &Plan) -> Result<Vec<Outcome>> {
    runner.server(Lookup::Granted)?.stop();
    let mut outcomes = Vec::new();
    let mut add = |name: String, result: Result<()>| outcomes.push(Outcome::of(&name, result));
    let mut seen = Vec::new();
    for planned in &plan.cases {
        let Some((policy, Lookup::Granted)) = plan.policies.get(planned.policy) else { continue };
        let Some(Subject::Object(object)) = &planned.case.subject else { continue };
        if planned.name.starts_with("examples/") && !planned.name.starts_with("examples/settings/") {
            let own = (&planned.request, object, planned.case.old.as_ref(), planned.case.cluster.as_slice());
            add(format!("{} is sent", planned.name), send(runner, policy, own, Expected::Sent));
            if !seen.contains(&planned.policy) && planned.request["namespace"].is_string() {
                seen.push(planned.policy);
                for namespace in policy.excluded_namespaces() {
                    let name = format!("{} is not sent in {namespace}", planned.name);
                    add(name, send_elsewhere(runner, policy, planned, object, namespace));
                }
            }
        }
    }
    let list = load(repository)?;
    for (policy, _) in &plan.policies {
        let has_conditions = policy.spec()["matchConditions"].as_array().is_some_and(|all| !all.is_empty());
        let is_listed = || list.iter().any(|excluded| policy.id == id_of(&excluded.policy));
        ensure!(!has_conditions || is_listed(), "{FILE}: {} has matchConditions, but is not listed", policy.id);
    }
    for excluded in &list {
        let policy = plan.policies.iter().find(|(policy, _)| policy.id == id_of(&excluded.policy));
        let (policy, _) = policy.with_context(|| format!("{FILE}: no example {}", excluded.policy))?;
        let result = excluded
            .request()
            .and_then(|request| send(runner, policy, (&request, &excluded.object, None, &[]), Expected::Excluded));
        add(format!("{} does not see: {}", excluded.policy, excluded.name), result);
    }
    runner.server(Lookup::Granted)?.start()?;
    Ok(outcomes)
}

fn load(repository: &Path) -> Result<Vec<Excluded>> {
    let list = yaml::load_file(repository.join(FILE))?.pop().context("an empty file")?.value;
    serde_json::from_value(list).context(FILE)
}

/// The ID that [`super::plan`] gives to the policy of an example.
fn id_of(example: &str) -> String {
    format!("clusterwide-{}", example.replace('/', "-"))
}

impl Excluded {
    fn request(&self) -> Result<Value> {
        let text = |key: &str| self.request.get(key).and_then(Value::as_str).map(str::to_owned);
        let user = self.request.get("userInfo").map(|user| serde_json::from_value(user.clone())).transpose()?;
        let options = RequestOptions { name: text("name"), user, ..RequestOptions::default() };
        Ok(ApiServer::new(&[]).request(self.object.clone(), &options)?)
    }
}

type Sent<'s> = (&'s Value, &'s Value, Option<&'s Value>, &'s [Value]);

fn send(
    runner: &mut Runner<'_>,
    policy: &Policy,
    (request, object, old, cluster): Sent<'_>,
    expected: Expected,
) -> Result<()> {
    let api = runner.api();
    let fixtures = runner.fixtures();
    fixtures.prepare(request, cluster)?;
    let stored = fixtures.store(request, old)?;
    let answer = Exchange::new(api, request, &stored).and_then(|exchange| exchange.send(object, policy.mark()));
    fixtures.remove(&stored)?;
    let answer = answer?;
    let webhook = policy.webhook_name();
    // With `failurePolicy: Ignore` the request is accepted, and the audit log names the webhook that could not be called.
    let annotations = runner.audit().annotations(&answer.audit_id)?;
    let is_ignored = annotations.iter().any(|(key, value)| key.starts_with("failed-open.") && *value == webhook);
    let is_sent = is_ignored || answer.message().contains(&format!("failed calling webhook \"{webhook}\""));
    match expected {
        Expected::Sent if is_sent => Ok(()),
        Expected::Excluded if is_sent => bail!("the policy is asked"),
        Expected::Sent => bail!("the policy is not asked: {} {}", answer.status, answer.message()),
        Expected::Excluded => answer.success().map(|_| ()),
    }
}

/// Sends the same request in another namespace.
fn send_elsewhere(
    runner: &mut Runner<'_>,
    policy: &Policy,
    planned: &Planned,
    object: &Value,
    namespace: &str,
) -> Result<()> {
    let moved = |object: &Value| {
        let mut object = object.clone();
        object["metadata"]["namespace"] = namespace.into();
        object
    };
    let mut request = planned.request.clone();
    request["namespace"] = namespace.into();
    request["object"] = moved(&request["object"]);
    let old = planned.case.old.as_ref().map(moved);
    let cluster: Vec<Value> = planned.case.cluster.iter().map(moved).collect();
    send(runner, policy, (&request, &moved(object), old.as_ref(), &cluster), Expected::Excluded)
}
