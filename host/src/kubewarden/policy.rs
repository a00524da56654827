// SPDX-License-Identifier: Apache-2.0

//! A policy as in the policy server: a module, its settings and what its manifest grants.

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

/// The manifest of a policy.
#[derive(Debug, Clone)]
pub struct PolicyConfig {
    /// The name in the policy server's own messages.
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
    /// The cluster in which objects are looked up.
    pub cluster: Arc<Cluster>,
    /// Whether look-ups are cached for five seconds, as in the policy server.
    pub caches_lookups: bool,
    /// `spec.message`.
    pub message: Option<String>,
    /// The time limit of one evaluation.
    pub timeout: Duration,
}

impl Default for PolicyConfig {
    /// Settings `{}`, mode `protect`, mutations allowed, look-ups of ServiceAccounts and reviews granted in an empty cluster,
    /// and a time limit of two seconds.
    fn default() -> Self {
        Self {
            id: "clusterwide-serviceaccount-hygiene".to_owned(),
            settings: Value::Object(Map::new()),
            mode: Mode::Protect,
            allowed_to_mutate: true,
            context_aware: [ContextAwareResource::service_account()].into(),
            capabilities: ["kubernetes/get_resource", "kubernetes/can_i"].map(str::to_owned).into(),
            cluster: Arc::default(),
            caches_lookups: true,
            message: None,
            timeout: Duration::from_secs(2),
        }
    }
}

/// A policy whose settings the module has accepted. Several threads can use it at once, because no two requests share an
/// instance at the same time.
#[derive(Debug)]
pub struct Policy {
    module: Module,
    config: PolicyConfig,
    grants: Arc<Grants>,
}

/// The evaluation of a request.
#[derive(Debug, Clone)]
pub struct Evaluation {
    /// The response for the API server.
    pub response: AdmissionResponse,
    /// The policy's answer before `mode`, `mutating` and `message`; the audit scanner gets this one.
    pub unconstrained: AdmissionResponse,
    /// The guest's answer, or why there is none.
    pub answer: Result<Vec<u8>, CallError>,
    /// What the guest logged.
    pub logs: Vec<LogEntry>,
    /// The guest's calls to the host, without log lines.
    pub host_calls: Vec<HostCall>,
    /// The request's object, as the policy server reads it.
    pub object: Option<Value>,
}

impl Policy {
    /// Lets the module validate its settings, as the policy server does when it starts; the policy server exits if this fails.
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
            memory: config.caches_lookups.then(Memory::default),
        });
        let policy = Self { module: module.clone(), config, grants };
        let answer = policy.validate_settings();
        if !answer.valid {
            bail!("Policy settings are invalid: {}", answer.message.as_deref().unwrap_or("no message"));
        }
        Ok(policy)
    }

    /// The policy's configuration.
    pub fn config(&self) -> &PolicyConfig {
        &self.config
    }

    /// Evaluates an `AdmissionReview` or the request alone. Fails only if the policy server could not even read the request.
    pub fn evaluate(&self, request: &Value) -> Result<Evaluation> {
        let request = AdmissionRequest::read(request).context("not an admission request")?;
        match serde_json::to_value(request).context("cannot write the request")? {
            Value::Object(request) => self.evaluate_read(&request),
            _ => bail!("not an admission request"),
        }
    }

    /// Evaluates a request that has the fields of an `AdmissionRequest` and no others, such as a request of
    /// [`ApiServer`](crate::apiserver::ApiServer): it is not parsed first.
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

    /// Evaluates a request with the policy's own operation, which returns every diagnostic as data. Log lines and host calls
    /// are not recorded.
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

    /// Like [`Policy::diagnose`], for an `AdmissionReview` or a request that was not parsed.
    pub fn diagnose_any(&self, request: &Value) -> Result<Diagnosed> {
        let request = AdmissionRequest::read(request).context("not an admission request")?;
        match serde_json::to_value(request).context("cannot write the request")? {
            Value::Object(request) => self.diagnose(&request),
            _ => bail!("not an admission request"),
        }
    }

    /// Fails if the module has no operation for [`Policy::diagnose`].
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

/// The object that the guest gets, and to which the patch of a mutation applies.
fn object_of(request: &Map<String, Value>) -> Option<&Value> {
    request.get("object").filter(|object| !object.is_null())
}

fn uid_of(request: &Map<String, Value>) -> &str {
    request.get("uid").and_then(Value::as_str).unwrap_or_default()
}

impl Evaluation {
    /// The object with the response's patch applied, as in the API server; `None` if the request has no object.
    pub fn patched_object(&self) -> Result<Option<Value>> {
        let Some(mut object) = self.object.clone() else { return Ok(None) };
        if let Some(patch) = &self.response.patch {
            json_patch::patch(&mut object, patch).context("the patch does not apply")?;
        }
        Ok(Some(object))
    }

    /// Whether the guest trapped, returned an error, took too long or returned an invalid answer.
    pub fn failed(&self) -> bool {
        self.unconstrained.is_failure()
    }
}
