// SPDX-License-Identifier: Apache-2.0

//! Runs the compiled policy under the circumstances of a case.

use std::sync::Arc;

use anyhow::{Context, Result};
use policy_host::cluster::{Cluster, LookupBehavior, ReviewBehavior};
use policy_host::kubewarden::{AdmissionResponse, Evaluation, HostCall, Mode, Module, Policy, PolicyConfig};
use serde_json::Value;

use crate::case::{self, Host, Lookup};
use crate::expectation::{SettingsVerdict, Verdict};

/// The compiled module.
pub struct Engine {
    module: Module,
    /// The policy with default settings, for calls with a complete payload.
    bare: Policy,
}

/// The response to a request.
#[derive(Debug)]
pub struct Answer {
    /// The verdict that the API server receives.
    pub verdict: Verdict,
    /// The bytes that the guest returned.
    pub bytes: Vec<u8>,
    /// The object that the guest returned, from which the host computes the patch.
    pub mutated_object: Option<Value>,
    /// Whether the guest trapped, returned an error, timed out or returned something unreadable.
    pub failed: bool,
    /// The guest's calls to the host.
    pub host_calls: Vec<HostCall>,
}

impl Engine {
    /// Compiles the module.
    ///
    /// # Errors
    /// If it is not a policy, or rejects the default settings.
    pub fn load() -> Result<Self> {
        let module = Module::new(policy_module::WASM)?;
        let bare = Policy::load(&module, PolicyConfig::default())?;
        Ok(Self { module, bare })
    }

    /// The module's size in bytes.
    #[must_use]
    pub fn module_size(&self) -> usize {
        self.module.size()
    }

    /// Validates settings with the policy.
    ///
    /// # Errors
    /// If it returns no valid response.
    pub fn validate_settings(&self, settings: &Value) -> Result<SettingsVerdict> {
        let answer = self.bare.evaluate_raw("validate_settings", settings.to_string().as_bytes())?;
        serde_json::from_slice(&answer).context("the answer to validate_settings")
    }

    /// Sends a request to a policy with these settings.
    ///
    /// # Errors
    /// If the settings are rejected, or a policy server could not read the request.
    pub fn evaluate(&self, request: &Value, settings: &Value, cluster: &[Value], host: &Host) -> Result<Answer> {
        let evaluation = self.policy(settings, cluster, host)?.evaluate(request)?;
        let bytes = evaluation.answer.clone().unwrap_or_default();
        let guest: Value = serde_json::from_slice(&bytes).unwrap_or_default();
        Ok(Answer {
            verdict: verdict(&evaluation)?,
            bytes,
            mutated_object: guest.get("mutated_object").filter(|object| !object.is_null()).cloned(),
            failed: evaluation.failed(),
            host_calls: evaluation.host_calls,
        })
    }

    /// The response of the guest's operation `diagnose` to the same request.
    ///
    /// # Errors
    /// The same as for [`Engine::evaluate`], and if the guest traps or returns an error.
    pub fn diagnose(&self, request: &Value, settings: &Value, cluster: &[Value], host: &Host) -> Result<Vec<u8>> {
        let policy = self.policy(settings, cluster, host)?;
        Ok(policy.evaluate_raw("diagnose", &policy.payload(request)?)?)
    }

    /// The payload that the guest receives for the same request.
    ///
    /// # Errors
    /// The same as for [`Engine::evaluate`].
    pub fn payload(&self, request: &Value, settings: &Value, cluster: &[Value], host: &Host) -> Result<Vec<u8>> {
        self.policy(settings, cluster, host)?.payload(request)
    }

    fn policy(&self, settings: &Value, cluster: &[Value], host: &Host) -> Result<Policy> {
        let defaults = PolicyConfig::default();
        let config = PolicyConfig {
            settings: settings.clone(),
            mode: match host.mode {
                case::Mode::Protect => Mode::Protect,
                case::Mode::Monitor => Mode::Monitor,
            },
            allowed_to_mutate: host.mutating,
            context_aware: if host.context_aware_resources { defaults.context_aware } else { [].into() },
            cluster: Arc::new(
                Cluster::from_objects(cluster.to_vec())?
                    .with_behavior(behavior(host.lookup))
                    .with_review_behavior(review_behavior(host.reviews)),
            ),
            ..PolicyConfig::default()
        };
        Policy::load(&self.module, config)
    }

    /// Calls `validate` with any payload.
    ///
    /// # Errors
    /// If the guest traps or returns an error.
    pub fn evaluate_raw(&self, payload: &[u8]) -> Result<Vec<u8>> {
        Ok(self.bare.evaluate_raw("validate", payload)?)
    }
}

fn behavior(lookup: Lookup) -> LookupBehavior {
    match lookup {
        Lookup::Granted => LookupBehavior::Granted,
        Lookup::Forbidden => LookupBehavior::RbacForbidden,
        Lookup::Unavailable => LookupBehavior::Unavailable,
    }
}

fn review_behavior(lookup: Lookup) -> ReviewBehavior {
    match lookup {
        Lookup::Granted => ReviewBehavior::Granted,
        Lookup::Forbidden => ReviewBehavior::RbacForbidden,
        Lookup::Unavailable => ReviewBehavior::Unavailable,
    }
}

fn verdict(evaluation: &Evaluation) -> Result<Verdict> {
    let AdmissionResponse { allowed, warnings, audit_annotations, patch, .. } = &evaluation.response;
    let count = |operation: &str| evaluation.host_calls.iter().filter(|call| call.operation == operation).count();
    Ok(Verdict {
        allowed: *allowed,
        code: evaluation.response.code(),
        message: evaluation.response.message().map(str::to_owned),
        warnings: warnings.clone(),
        audit_annotations: audit_annotations.clone(),
        lookups: count("get_resource"),
        reviews: count("can_i"),
        object: if patch.is_some() { evaluation.patched_object()? } else { None },
    })
}
