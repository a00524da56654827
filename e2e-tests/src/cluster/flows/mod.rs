// SPDX-License-Identifier: Apache-2.0

//! `examples/mutating.yaml` and `examples/validating.yaml` in a working cluster: controllers create accounts and Pods, collect
//! garbage and delete namespaces, and the policy server stops and starts again.

mod audit;
mod cache;
mod deletion;
mod outage;
mod workloads;

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use policy_host::yaml;
use serde_json::{Value, json};

use super::api::{Api, Caller};
use super::discovery::Discovery;
use super::policies::Policy;
use super::policy_server::{PolicyServer, ServerConfig};
use super::preparation;
use super::report::Outcome;
use super::webhooks;

/// The namespace of the workloads.
const NAMESPACE: &str = "flows";

/// The examples whose policies are installed.
const EXAMPLES: [&str; 2] = ["mutating", "validating"];

/// How long a controller may take.
const TIMEOUT: Duration = Duration::from_mins(1);

/// A cluster with the policies.
#[derive(Debug)]
pub struct Flows {
    api: Api,
    discovery: Discovery,
    server: PolicyServer,
}

/// The name of a flow, and its function.
type Flow = (&'static str, fn(&mut Flows) -> Result<()>);

/// The flows that need controllers.
const OF_CONTROLLERS: [Flow; 11] = [
    ("a namespace gets a default account that says false", workloads::default_account),
    ("the Pod of a Deployment has no token", |flows| workloads::without_token(flows, "Deployment")),
    ("the Pod of a StatefulSet has no token", |flows| workloads::without_token(flows, "StatefulSet")),
    ("the Pod of a DaemonSet has no token", |flows| workloads::without_token(flows, "DaemonSet")),
    ("the Pod of a Job has no token", |flows| workloads::without_token(flows, "Job")),
    ("a Pod that asks keeps its token", workloads::with_token),
    ("a Pod that is refused is told of in an event of its ReplicaSet", workloads::refused),
    ("dependents are orphaned and collected", deletion::garbage),
    ("controllers go on after the policy server was away", outage::controllers),
    // The controller waits for the next minute, most of which has passed by now.
    ("the Pod of a CronJob has no token", |flows| workloads::without_token(flows, "CronJob")),
    ("a namespace is deleted with its objects", deletion::namespace),
];

/// The flows that need only the API server.
const OF_API_SERVER: [Flow; 3] = [
    ("an account goes when its finalizer is removed", deletion::finalizer),
    ("an account that the policy server remembers changes", cache::account),
    ("while the policy server is away, exempt namespaces go on and others wait", outage::policy_server),
];

/// The number of flows that need controllers.
#[must_use]
pub fn of_controllers() -> usize {
    OF_CONTROLLERS.len()
}

/// Runs all flows; those that need controllers only if the controller manager was found.
///
/// # Errors
/// If the policies cannot be installed.
pub fn run(repository: &Path, config: &ServerConfig<'_>) -> Result<Vec<Outcome>> {
    let api = config.plane.admin.clone();
    webhooks::uninstall(&api)?;
    preparation::permissions(repository, &api)?;
    for namespace in [NAMESPACE, "default"] {
        api.ensure_namespace(namespace)?;
    }
    let controllers = config.assets.controller_manager.as_deref();
    let _manager = controllers.map(|binary| config.plane.start_controller_manager(binary)).transpose()?;
    let discovery = api.discover()?;
    // Objects that exist before the policies and that the policies would reject.
    deletion::store(&api, &discovery, controllers.is_some())?;

    let audit = Outcome::of("sa-hygiene audit through kubectl", audit::through_kubectl(config, &api));

    let policies = EXAMPLES.map(|example| policy(repository, example));
    let policies = policies.into_iter().collect::<Result<Vec<Policy>>>()?;
    let mut server = PolicyServer::new(config, "policy-server", config.plane.port, 2)?;
    server.configure(&policies)?;
    server.start()?;
    webhooks::install(config.plane, policies.iter().map(|policy| (policy, &server)))?;

    let mut flows = Flows { api, discovery, server };
    let mut outcomes = vec![audit];
    if controllers.is_some() {
        workloads::start(&flows)?;
        outcomes.extend(OF_CONTROLLERS.iter().map(|(name, flow)| Outcome::of(name, flow(&mut flows))));
    }
    outcomes.extend(OF_API_SERVER.iter().map(|(name, flow)| Outcome::of(name, flow(&mut flows))));
    Ok(outcomes)
}

/// The policy of an example's manifest, as it is installed in a cluster.
///
/// # Errors
/// If there is none.
pub fn policy(repository: &Path, example: &str) -> Result<Policy> {
    let file = repository.join(format!("examples/{example}.yaml"));
    let mut documents = yaml::load_file(file)?;
    Policy::of_manifest(&documents.pop().with_context(|| format!("{example}.yaml is empty"))?.value)
}

impl Flows {
    fn create(&self, object: &Value) -> Result<Value> {
        self.api.create(&self.discovery, object)
    }

    /// The items of a list.
    fn list(&self, path: &str) -> Result<Vec<Value>> {
        let list = self.api.get(path)?;
        Ok(list.get("items").and_then(Value::as_array).cloned().unwrap_or_default())
    }

    fn delete(&self, path: &str, propagation: &str) -> Result<()> {
        let options = json!({"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": propagation});
        self.api.call("DELETE", path, Some(&options), &Caller::default())?.success()?;
        Ok(())
    }

    fn is_there(&self, path: &str) -> Result<bool> {
        let answer = self.api.call("GET", path, None, &Caller::default())?;
        match answer.status {
            404 => Ok(false),
            _ => answer.success().map(|_| true),
        }
    }
}

/// Waits for the result of a controller.
fn eventually<T>(what: &str, find: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    within(TIMEOUT, what, find)
}

fn within<T>(limit: Duration, what: &str, mut find: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let start = Instant::now();
    loop {
        if let Some(found) = find()? {
            return Ok(found);
        }
        if start.elapsed() > limit {
            bail!("after {} s: no {what}", limit.as_secs());
        }
        thread::sleep(Duration::from_millis(100));
    }
}

/// The path of objects in the namespace of the flows.
fn path(group: &str, plural: &str) -> String {
    let root = if group == "v1" { "/api/v1".to_owned() } else { format!("/apis/{group}") };
    format!("{root}/namespaces/{NAMESPACE}/{plural}")
}
