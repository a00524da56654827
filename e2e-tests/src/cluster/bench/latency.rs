// SPDX-License-Identifier: Apache-2.0

//! How long it takes to create a Pod: without policies, with ours, and with others.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

use super::{Times, account_with_token, ordinary_pod, others};
use crate::case::Host;
use crate::cluster::api::{Api, Caller};
use crate::cluster::flows::policy;
use crate::cluster::policies::Policy;
use crate::cluster::policy_server::{PolicyServer, ServerConfig};
use crate::cluster::{preparation, webhooks};
use crate::engine::Engine;

/// Rounds that are not counted.
const WARM_UP: usize = 20;

/// A namespace, the Pod that is created in it, and the times that this takes.
struct Row {
    name: String,
    namespace: String,
    body: Vec<u8>,
    times: Vec<Duration>,
}

/// Creates the same Pods in all namespaces in turn, `rounds` times, and prints the table.
///
/// # Errors
/// If a policy cannot be installed, or a Pod is rejected.
pub fn run(repository: &Path, config: &ServerConfig<'_>, rounds: usize) -> Result<()> {
    let api = &config.plane.admin;
    preparation::permissions(repository, api)?;
    let ours = [policy(repository, "mutating")?, policy(repository, "validating")?];
    let look_ups = |pod: &Value| look_ups(&ours, pod);

    let mut rows = vec![row(api, "no policy", "none", "web", None)?];
    for (account, automount) in [("web", Some(true)), ("web", None)] {
        let pod = ordinary_pod("ours", account, automount);
        let name = match look_ups(&pod)? {
            0 => "both policies, no look-up".to_owned(),
            count => format!("both policies, {count} look-ups"),
        };
        rows.push(row(api, &name, "ours", account, automount)?);
    }
    rows.push(row(api, "both policies, the token is removed", "ours", "default", None)?);
    rows.push(row(api, "a ValidatingAdmissionPolicy", "vap", "web", None)?);
    rows.push(row(api, "a MutatingAdmissionPolicy", "map", "web", None)?);
    let mut policies: Vec<Policy> = ours.iter().map(|policy| policy.clone().within("ours")).collect();
    for (name, other) in others()? {
        let namespace = format!("other-{name}");
        rows.push(row(api, &name, &namespace, "web", None)?);
        policies.push(other.within(&namespace));
    }
    in_process(api)?;
    let mut server = PolicyServer::new(config, "policy-server", config.plane.port, 2)?;
    server.configure(&policies)?;
    server.start()?;
    webhooks::install(config.plane, policies.iter().map(|policy| (policy, &server)))?;

    for round in 0..WARM_UP + rounds {
        for row in &mut rows {
            let path = format!("/api/v1/namespaces/{}/pods?dryRun=All", row.namespace);
            let start = Instant::now();
            let answer = api.send("POST", &path, &row.body, &Caller::default())?;
            let elapsed = start.elapsed();
            answer.success().with_context(|| row.name.clone())?;
            if round >= WARM_UP {
                row.times.push(elapsed);
            }
        }
    }
    print(rows);
    Ok(())
}

fn row(api: &Api, name: &str, namespace: &str, account: &str, automount: Option<bool>) -> Result<Row> {
    api.ensure_namespace(namespace)?;
    if account != "default" {
        let accounts = format!("/api/v1/namespaces/{namespace}/serviceaccounts");
        api.ensure(&accounts, &account_with_token(namespace, account))?;
    }
    let body = serde_json::to_vec(&ordinary_pod(namespace, account, automount))?;
    Ok(Row { name: name.to_owned(), namespace: namespace.to_owned(), body, times: Vec::new() })
}

/// The number of accounts that the policies look up for a Pod, counted by the embedded host.
fn look_ups(policies: &[Policy], pod: &Value) -> Result<usize> {
    use policy_host::apiserver::{ApiServer, RequestOptions};
    let engine = Engine::load()?;
    let cluster = [account_with_token("ours", "web")];
    let request = ApiServer::new(&cluster).request(pod.clone(), &RequestOptions::default())?;
    let mut count = 0;
    for policy in policies {
        let settings = policy.spec().get("settings").cloned().unwrap_or_default();
        count += engine.evaluate(&request, &settings, &cluster, &Host::default())?.verdict.lookups;
    }
    Ok(count)
}

/// Two policies in the API server's own process: one that checks this field, and one that sets it.
fn in_process(api: &Api) -> Result<()> {
    const ROOT: &str = "/apis/admissionregistration.k8s.io/v1";
    let pods = json!({"resourceRules": [
        {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}
    ]});
    let says = "!has(object.spec.automountServiceAccountToken) || object.spec.automountServiceAccountToken || \
                object.spec.volumes.all(v, !has(v.projected))";
    let sets = "Object{spec: Object.spec{automountServiceAccountToken: true}}";
    for (kind, plural, namespace, spec, binding) in [
        (
            "Validating",
            "validating",
            "vap",
            json!({"failurePolicy": "Fail", "matchConstraints": pods, "validations": [{"expression": says}]}),
            json!({"validationActions": ["Deny"]}),
        ),
        (
            "Mutating",
            "mutating",
            "map",
            json!({
                "failurePolicy": "Fail",
                "reinvocationPolicy": "Never",
                "matchConstraints": pods,
                "mutations": [{"patchType": "ApplyConfiguration", "applyConfiguration": {"expression": sets}}],
            }),
            json!({}),
        ),
    ] {
        let object = |kind: &str, spec: &Value| {
            json!({
                "apiVersion": "admissionregistration.k8s.io/v1",
                "kind": kind,
                "metadata": {"name": "automount"},
                "spec": spec,
            })
        };
        let policy = object(&format!("{kind}AdmissionPolicy"), &spec);
        api.ensure(&format!("{ROOT}/{plural}admissionpolicies"), &policy)?;
        let mut binding = binding.clone();
        if let Some(fields) = binding.as_object_mut() {
            let selector = json!({"matchLabels": {"kubernetes.io/metadata.name": namespace}});
            fields.insert("policyName".to_owned(), "automount".into());
            fields.insert("matchResources".to_owned(), json!({"namespaceSelector": selector}));
        }
        let binding = object(&format!("{kind}AdmissionPolicyBinding"), &binding);
        api.ensure(&format!("{ROOT}/{plural}admissionpolicybindings"), &binding)?;
    }
    wait_for_mutation(api)
}

/// Once the mutating policy sets the field, both policies are in effect.
fn wait_for_mutation(api: &Api) -> Result<()> {
    api.ensure_namespace("map")?;
    let pod = ordinary_pod("map", "default", None);
    let start = Instant::now();
    loop {
        let path = "/api/v1/namespaces/map/pods?dryRun=All";
        let answer = api.call("POST", path, Some(&pod), &Caller::default())?.success()?;
        if answer.body.pointer("/spec/automountServiceAccountToken") == Some(&Value::Bool(true)) {
            return Ok(());
        }
        if start.elapsed() > Duration::from_secs(30) {
            bail!("the MutatingAdmissionPolicy is not in force");
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn print(rows: Vec<Row>) {
    println!("\n| creating a Pod | median ms | p95 ms | added, ms |");
    println!("|---|---:|---:|---:|");
    let mut base = None;
    for row in rows {
        let times = Times::of(row.times);
        let base = *base.get_or_insert(times.median);
        println!("| {} | {:.2} | {:.2} | {:+.2} |", row.name, times.median, times.p95, times.median - base);
    }
}
