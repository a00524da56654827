// SPDX-License-Identifier: Apache-2.0

//! A policy as the policy server holds it: a module, its settings and what its manifest grants.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::callback::{ContextAwareResource, Grants, HostCall, LogEntry, Recorder, callback};
use super::constraints;
use super::diagnosis::{DIAGNOSE, Diagnosed, Diagnosis};
use super::memory::Memory;
use super::module::{CallError, Module};
use super::request::{AdmissionRequest, WithoutNulls};
use super::response::{AdmissionResponse, PatchForm, SettingsValidationResponse};
use crate::cluster::Cluster;

/// `spec.mode` of a policy's manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Mode {
    /// Enforce the verdict.
    #[default]
    Protect,
    /// Accept every object unchanged, and only log the verdict.
    Monitor,
}

/// What the manifest of a policy says.
#[derive(Debug, Clone)]
pub struct PolicyConfig {
    /// The name in the policy server's own texts.
    pub id: String,
    /// `spec.settings`; null means `{}`.
    pub settings: Value,
    /// `spec.mode`.
    pub mode: Mode,
    /// `spec.mutating`.
    pub allowed_to_mutate: bool,
    /// `spec.contextAwareResources`.
    pub context_aware: BTreeSet<ContextAwareResource>,
    /// Host capabilities, as `namespace/operation`.
    pub capabilities: BTreeSet<String>,
    /// What look-ups find.
    pub cluster: Arc<Cluster>,
    /// Whether look-ups are remembered for five seconds, as the policy server does it.
    pub remembers: bool,
    /// `spec.message`.
    pub message: Option<String>,
    /// The time limit of one evaluation.
    pub timeout: Duration,
}

impl Default for PolicyConfig {
    /// Settings `{}`, protect mode, mutating, look-ups of ServiceAccounts and reviews granted in an empty cluster, two seconds.
    fn default() -> Self {
        Self {
            id: "clusterwide-serviceaccount-hygiene".to_owned(),
            settings: Value::Object(Map::new()),
            mode: Mode::Protect,
            allowed_to_mutate: true,
            context_aware: [ContextAwareResource::service_account()].into(),
            capabilities: ["kubernetes/get_resource", "kubernetes/can_i"].map(str::to_owned).into(),
            cluster: Arc::default(),
            remembers: true,
            message: None,
            timeout: Duration::from_secs(2),
        }
    }
}

/// A policy whose settings the module has accepted. Can be used by several threads at once: every request has an
/// instance of its own.
#[derive(Debug)]
pub struct Policy {
    module: Module,
    config: PolicyConfig,
    grants: Arc<Grants>,
}

/// A request's way through the policy.
#[derive(Debug, Clone)]
pub struct Evaluation {
    /// What the API server gets.
    pub response: AdmissionResponse,
    /// The policy's answer before `mode`, `mutating` and `message`; the audit scanner gets this one.
    pub unconstrained: AdmissionResponse,
    /// The guest's own bytes, or why there are none.
    pub answer: Result<Vec<u8>, CallError>,
    /// What the guest logged.
    pub logs: Vec<LogEntry>,
    /// What the guest asked of the host, the log left out.
    pub host_calls: Vec<HostCall>,
    /// The request's object, as the policy server holds it.
    pub object: Option<Value>,
}

impl Policy {
    /// Has the module check its settings, as the policy server does when it starts; it exits where this fails.
    pub fn load(module: &Module, mut config: PolicyConfig) -> Result<Self> {
        match config.settings {
            Value::Object(_) => {}
            Value::Null => config.settings = Value::Object(Map::new()),
            _ => bail!("Invalid settings in CRD, not an object"),
        }
        let grants = Arc::new(Grants {
            context_aware: config.context_aware.clone(),
            capabilities: config.capabilities.clone(),
            cluster: config.cluster.clone(),
            memory: config.remembers.then(Memory::default),
        });
        let policy = Self { module: module.clone(), config, grants };
        let answer = policy.validate_settings();
        if !answer.valid {
            bail!("Policy settings are invalid: {}", answer.message.as_deref().unwrap_or("no message"));
        }
        Ok(policy)
    }

    /// What the manifest says.
    pub fn config(&self) -> &PolicyConfig {
        &self.config
    }

    /// Evaluates an `AdmissionReview` or the request alone. Fails only where the policy server could not even read
    /// the request.
    pub fn evaluate(&self, request: &Value) -> Result<Evaluation> {
        let request = AdmissionRequest::read(request).context("not an admission request")?;
        match serde_json::to_value(request).context("cannot write the request")? {
            Value::Object(request) => self.evaluate_read(&request),
            _ => bail!("not an admission request"),
        }
    }

    /// The same for a request that has the fields of one and no others, such as those of
    /// [`ApiServer`](crate::apiserver::ApiServer): it is not read first.
    pub fn evaluate_read(&self, request: &Map<String, Value>) -> Result<Evaluation> {
        let recorder = Arc::new(Recorder::default());
        let answer = self.call("validate", &self.payload_of(request)?, Some(&recorder));
        let read = answer.as_ref().map(|answer| serde_json::from_slice(answer));
        let object = object_of(request);
        let unconstrained = AdmissionResponse::of_call(uid_of(request), read, object, PatchForm::Diff);
        let record = recorder.take();
        Ok(Evaluation {
            response: constraints::apply(&self.config, unconstrained.clone()),
            unconstrained,
            answer,
            logs: record.logs,
            host_calls: record.calls,
            object: object.cloned(),
        })
    }

    /// The same by the policy's own operation, which gives every diagnostic as data. Nothing else is recorded.
    pub fn diagnose(&self, request: &Map<String, Value>) -> Result<Diagnosed> {
        let answer = self.call(DIAGNOSE, &self.payload_of(request)?, None);
        let mut diagnostics = Vec::new();
        let read = answer.as_ref().map(|answer| {
            let Diagnosis { response, diagnostics: found } = serde_json::from_slice(answer)?;
            diagnostics = found;
            Ok(response)
        });
        let object = object_of(request);
        let mut unconstrained = AdmissionResponse::of_call(uid_of(request), read, object, PatchForm::Whole);
        let patch = unconstrained.patch.take();
        let response = constraints::apply(&self.config, AdmissionResponse { patch, ..unconstrained.clone() });
        Ok(Diagnosed { response, unconstrained, diagnostics })
    }

    /// The same for an `AdmissionReview`, or for a request that was not read.
    pub fn diagnose_any(&self, request: &Value) -> Result<Diagnosed> {
        let request = AdmissionRequest::read(request).context("not an admission request")?;
        match serde_json::to_value(request).context("cannot write the request")? {
            Value::Object(request) => self.diagnose(&request),
            _ => bail!("not an admission request"),
        }
    }

    /// Fails with a module that has no operation for [`Policy::diagnose`].
    pub fn require_diagnostics(&self) -> Result<()> {
        match self.evaluate_raw(DIAGNOSE, b"{}") {
            Ok(answer) if serde_json::from_slice::<Diagnosis>(&answer).is_ok() => Ok(()),
            _ => bail!(
                "the module gives no diagnostics (operation `{DIAGNOSE}`): it is older than version 0.2, or another policy; \
                 `sa-hygiene run` takes any"
            ),
        }
    }

    /// What a policy server sends to the module.
    fn payload_of(&self, request: &Map<String, Value>) -> Result<Vec<u8>> {
        #[derive(Serialize)]
        struct Payload<'p> {
            request: WithoutNulls<'p>,
            settings: &'p Value,
        }
        let payload = Payload { request: WithoutNulls(request), settings: &self.config.settings };
        serde_json::to_vec(&payload).context("cannot write the request")
    }

    /// Calls any operation with any bytes, for payloads no policy server would send and for measurements.
    pub fn evaluate_raw(&self, operation: &str, payload: &[u8]) -> Result<Vec<u8>, CallError> {
        self.call(operation, payload, None)
    }

    /// The payload of a `validate` call, to be used with [`Policy::evaluate_raw`].
    pub fn payload(&self, request: &Value) -> Result<Vec<u8>> {
        let request = AdmissionRequest::read(request).context("not an admission request")?;
        serde_json::to_vec(&json!({ "request": request, "settings": self.config.settings })).map_err(Into::into)
    }

    fn call(&self, operation: &str, payload: &[u8], recorder: Option<&Arc<Recorder>>) -> Result<Vec<u8>, CallError> {
        let callback = callback(self.grants.clone(), recorder.cloned());
        self.module.call(operation, payload, self.config.timeout, callback)
    }

    fn validate_settings(&self) -> SettingsValidationResponse {
        let invalid = |message: String| SettingsValidationResponse { valid: false, message: Some(message) };
        let payload = self.config.settings.to_string();
        match self.evaluate_raw("validate_settings", payload.as_bytes()) {
            Ok(answer) => serde_json::from_slice(&answer)
                .unwrap_or_else(|error| invalid(format!("error: invalid response from policy: {error}"))),
            Err(error) => invalid(format!("Error invoking settings validation callback: {error}")),
        }
    }
}

/// What the diff of a mutation is against, and the guest was shown.
fn object_of(request: &Map<String, Value>) -> Option<&Value> {
    request.get("object").filter(|object| !object.is_null())
}

fn uid_of(request: &Map<String, Value>) -> &str {
    request.get("uid").and_then(Value::as_str).unwrap_or_default()
}

impl Evaluation {
    /// The object with the response's patch applied, as the API server does; nothing where the request has none.
    pub fn patched_object(&self) -> Result<Option<Value>> {
        let Some(mut object) = self.object.clone() else { return Ok(None) };
        if let Some(patch) = &self.response.patch {
            json_patch::patch(&mut object, patch).context("the patch does not apply")?;
        }
        Ok(Some(object))
    }

    /// Whether the guest trapped, returned an error, took too long or answered nonsense.
    pub fn failed(&self) -> bool {
        self.unconstrained.is_failure()
    }
}
