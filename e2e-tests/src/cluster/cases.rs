// SPDX-License-Identifier: Apache-2.0

//! Runs every case on the real API server.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde_json::Value;

use super::api::Api;
use super::audit::AuditLog;
use super::capture::Capture;
use super::compare::{comparable, differing, missing, normalized, normalized_request, verdict};
use super::control_plane::ControlPlane;
use super::exchange::Exchange;
use super::fixtures::{AccountKey, Fixtures};
use super::forwarder::Forwarder;
use super::plan::{Plan, Planned};
use super::policies::Policy;
use super::policy_server::{PolicyServer, ServerConfig};
use super::preparation;
use super::report::Outcome;
use super::webhooks;
use crate::case::{Lookup, Subject};

/// The mark of requests that are sent to no policy, only to the capturing webhook.
const CAPTURE: &str = "capture";

/// The accounts of the policy servers, by the result of look-ups; the API server allows only the first one to read accounts.
const ACCOUNTS: [(Lookup, &str); 3] = [
    (Lookup::Granted, "policy-server"),
    (Lookup::Forbidden, "policy-server-without-permissions"),
    (Lookup::Unavailable, "policy-server-without-api-server"),
];

/// Runs the cases of a plan.
#[derive(Debug)]
pub struct Runner<'p> {
    plane: &'p ControlPlane,
    plan: &'p Plan,
    servers: BTreeMap<Lookup, PolicyServer>,
    fixtures: Fixtures,
    audit: AuditLog,
    capture: Capture,
    /// The accounts that the policy server may still have in its cache.
    cached: BTreeMap<AccountKey, Option<Value>>,
    _forwarder: Forwarder,
}

impl<'p> Runner<'p> {
    /// Starts the policy servers, and installs the policies.
    ///
    /// # Errors
    /// If a policy server or the API server rejects a policy.
    pub fn new(repository: &Path, config: &ServerConfig<'p>, plan: &'p Plan) -> Result<Self> {
        let plane = config.plane;
        preparation::prepare(repository, plane, plan)?;
        let forwarder = Forwarder::to(plane.port)?;
        let mut servers = BTreeMap::new();
        for (lookup, account) in ACCOUNTS {
            let port = if lookup == Lookup::Unavailable { forwarder.port } else { plane.port };
            let mut server = PolicyServer::new(config, account, port, 1)?;
            let its = plan.policies.iter().filter(|(_, of)| *of == lookup).map(|(policy, _)| policy);
            server.configure(its)?;
            server.start()?;
            servers.insert(lookup, server);
        }
        forwarder.close();
        let pairs: Result<Vec<(&Policy, &PolicyServer)>> = plan
            .policies
            .iter()
            .map(|(policy, lookup)| Ok((policy, servers.get(lookup).context("no policy server")?)))
            .collect();
        let capture = Capture::start(&plane.pki)?;
        webhooks::install_capture(plane, CAPTURE, capture.port)?;
        webhooks::install(plane, pairs?)?;
        Ok(Self {
            plane,
            plan,
            servers,
            fixtures: Fixtures::new(plane.admin.clone(), plane.admin.discover()?),
            audit: plane.audit_log()?,
            capture,
            cached: BTreeMap::new(),
            _forwarder: forwarder,
        })
    }

    /// Runs one case.
    ///
    /// # Errors
    /// If it cannot run: an object that it needs cannot be stored, or there is no response.
    pub fn run(&mut self, planned: &Planned) -> Result<Outcome> {
        self.fixtures.prepare(&planned.request, &planned.case.cluster)?;
        if self.fixtures.grant(&planned.case.cluster)? {
            // Its cached reviews are outdated.
            self.server(Lookup::Granted)?.start()?;
        }
        if planned.expected.lookups > 0 {
            self.forget_other_accounts(planned)?;
        }
        let stored = self.fixtures.store(&planned.request, planned.case.old.as_ref())?;
        let exchange = Exchange::new(self.plane.admin.clone(), &planned.request, &stored)?;
        let differences = self.differences(planned, &exchange);
        self.fixtures.remove(&stored)?;
        Ok(Outcome::new(&planned.name, differences?))
    }

    fn differences(&mut self, planned: &Planned, exchange: &Exchange<'_>) -> Result<Vec<String>> {
        let (policy, _) = self.plan.policies.get(planned.policy).context("no policy")?;
        let Some(Subject::Object(object)) = &planned.case.subject else {
            return Ok(Vec::new());
        };
        let _ = self.capture.take();
        let plain = exchange.send(object, CAPTURE)?;
        let sent = self.capture.take();
        let fixed = planned.expected.object.as_ref().map(|object| exchange.send(object, CAPTURE)).transpose()?;
        let real = exchange.send(object, policy.mark())?;
        let annotations = self.audit.annotations(&real.audit_id)?;

        let mut differences = Vec::new();
        let found = verdict(&real, &annotations, &policy.webhook_name(), &plain.warnings);
        let expected = comparable(&planned.expected, &policy.id);
        if let Err(difference) = expected.compare(&comparable(&found, &policy.id)) {
            differences.push(format!("the verdict is another one\n{difference}"));
        }
        // Only the audit log shows whether a policy without findings was called at all.
        if found.allowed && policy.is_mutating() && !is_called(&annotations, &policy.webhook_name()) {
            differences.push("the policy is not asked".to_owned());
        }
        if found.allowed && !real.is_success() {
            differences.push(format!("the API server answers {}: {}", real.status, real.message()));
        }
        if !plain.is_success() {
            differences.push(format!("without policies, the API server answers {}: {}", plain.status, plain.message()));
        }
        match sent {
            // The simulation does not apply to raw requests.
            _ if planned.case.given.raw => {}
            None => differences.push("the API server sends nothing to webhooks".to_owned()),
            Some(sent) => {
                let fields = missing(&normalized_request(&planned.request), &normalized_request(&sent));
                differences
                    .extend(fields.into_iter().map(|field| format!("the request is not the simulated one: {field}")));
            }
        }
        // What the policy makes of the case's object must equal what the API server makes of the expected object without any
        // policy.
        let fixed = fixed.as_ref().unwrap_or(&plain);
        if real.is_success() && fixed.is_success() {
            let fields = differing(&normalized(&fixed.body), &normalized(&real.body));
            if !fields.is_empty() {
                differences.push(format!("the object is another one\n{}", fields.join("\n")));
            }
        } else if real.is_success() {
            differences.push(format!("the expected object is refused, {}: {}", fixed.status, fixed.message()));
        }
        Ok(differences)
    }

    /// The policy server may answer look-ups from a cache for five seconds; a case must not receive the account of another
    /// case.
    fn forget_other_accounts(&mut self, planned: &Planned) -> Result<()> {
        let (key, account) = self.fixtures.account_of(&planned.request);
        if self.cached.get(&key).is_some_and(|cached| *cached != account) {
            self.server(Lookup::Granted)?.start()?;
            self.cached.clear();
        }
        self.cached.insert(key, account);
        Ok(())
    }

    /// The policy server for policies whose look-ups have this result.
    ///
    /// # Errors
    /// If there is none.
    pub fn server(&mut self, lookup: Lookup) -> Result<&mut PolicyServer> {
        self.servers.get_mut(&lookup).context("no policy server")
    }

    /// The API server.
    #[must_use]
    pub fn api(&self) -> Api {
        self.plane.admin.clone()
    }

    /// The audit log.
    pub fn audit(&mut self) -> &mut AuditLog {
        &mut self.audit
    }

    /// The objects that are stored for cases.
    pub fn fixtures(&mut self) -> &mut Fixtures {
        &mut self.fixtures
    }
}

/// The API server records each mutating webhook that it has called
/// (`staging/src/k8s.io/apiserver/pkg/admission/plugin/webhook/mutating/dispatcher.go`).
fn is_called(annotations: &BTreeMap<String, String>, webhook: &str) -> bool {
    let called = annotations.iter().filter(|(key, _)| key.starts_with("mutation.webhook.admission.k8s.io/"));
    called.into_iter().any(|(_, call)| call.contains(&format!("\"{webhook}\"")))
}
