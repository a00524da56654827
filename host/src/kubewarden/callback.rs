// SPDX-License-Identifier: Apache-2.0

//! Answers the calls of the guest to the host.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::memory::Memory;
use super::wapc::HostCallback;
use crate::cluster::{CanI, Cluster, GetResource};

/// A kind of object that a policy may look up: an entry of `contextAwareResources` in a policy's manifest.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ContextAwareResource {
    /// `v1` for the core group, else `group/version`.
    pub api_version: String,
    /// Singular and capitalised.
    pub kind: String,
}

impl ContextAwareResource {
    /// `v1/ServiceAccount`, the one kind this policy looks up.
    pub fn service_account() -> Self {
        Self { api_version: "v1".to_owned(), kind: "ServiceAccount".to_owned() }
    }
}

/// A call of the guest to the host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HostCall {
    /// For instance `kubernetes`.
    pub namespace: String,
    /// For instance `get_resource`.
    pub operation: String,
    /// The error that the guest got instead of an answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// What the guest sent.
    #[serde(skip)]
    pub payload: Vec<u8>,
    /// The answer; empty if there is an error.
    #[serde(skip)]
    pub answer: Vec<u8>,
}

/// A line the guest logged.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LogEntry {
    /// The level that the guest set; `malformed` if the policy server cannot read the line.
    pub level: String,
    /// The text.
    pub message: String,
    /// Everything else.
    pub data: Map<String, Value>,
}

/// What a policy was granted.
#[derive(Debug)]
pub(super) struct Grants {
    pub(super) context_aware: BTreeSet<ContextAwareResource>,
    /// `namespace/operation`; the log is always allowed.
    pub(super) capabilities: BTreeSet<String>,
    pub(super) cluster: Arc<Cluster>,
    /// Cached look-ups, if the host caches them.
    pub(super) memory: Option<Memory>,
}

/// The calls and log lines of a guest during one call of it.
#[derive(Debug, Default)]
pub(super) struct Recorder {
    record: Mutex<Record>,
}

#[derive(Debug, Default)]
pub(super) struct Record {
    pub(super) calls: Vec<HostCall>,
    pub(super) logs: Vec<LogEntry>,
}

impl Recorder {
    pub(super) fn take(&self) -> Record {
        std::mem::take(&mut *self.record.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn note(&self, with: impl FnOnce(&mut Record)) {
        with(&mut self.record.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

/// The function that answers the guest. Log lines are not recorded as calls.
pub(super) fn callback(grants: Arc<Grants>, recorder: Option<Arc<Recorder>>) -> HostCallback {
    Box::new(move |binding, namespace, operation, payload| {
        if (binding, namespace, operation) == ("kubewarden", "tracing", "log") {
            if let Some(recorder) = &recorder {
                recorder.note(|record| record.logs.push(LogEntry::read(payload)));
            }
            return Ok(Vec::new());
        }
        let answer = answer(&grants, binding, namespace, operation, payload);
        if let Some(recorder) = &recorder {
            recorder.note(|record| {
                record.calls.push(HostCall {
                    namespace: namespace.to_owned(),
                    operation: operation.to_owned(),
                    error: answer.as_ref().err().cloned(),
                    payload: payload.to_vec(),
                    answer: answer.clone().unwrap_or_default(),
                });
            });
        }
        answer
    })
}

fn answer(grants: &Grants, binding: &str, namespace: &str, operation: &str, payload: &[u8]) -> Result<Vec<u8>, String> {
    if binding != "kubewarden" {
        return Err(format!("unknown binding: {binding}"));
    }
    let capability = format!("{namespace}/{operation}");
    if namespace != "tracing" && !grants.capabilities.contains(&capability) {
        return Err(format!(
            "Policy has not been granted access to the '{capability}' host capability. The violation has been \
             reported."
        ));
    }
    match capability.as_str() {
        "kubernetes/get_resource" => get_resource(grants, payload),
        "kubernetes/can_i" => can_i(grants, payload),
        _ => Err(format!("unknown operation: {operation}")),
    }
}

fn get_resource(grants: &Grants, payload: &[u8]) -> Result<Vec<u8>, String> {
    let request: GetResource = serde_json::from_slice(payload).map_err(|error| error.to_string())?;
    let wanted = ContextAwareResource { api_version: request.api_version.clone(), kind: request.kind.clone() };
    if !grants.context_aware.contains(&wanted) {
        return Err(format!(
            "Policy has not been granted access to Kubernetes {}/{} resources. The violation has been reported.",
            request.api_version, request.kind
        ));
    }
    let fetch = || grants.cluster.get_resource(&request);
    let object = match &grants.memory {
        Some(memory) => memory.get(&request, fetch)?,
        None => fetch()?,
    };
    serde_json::to_vec(&object).map_err(|error| error.to_string())
}

/// The policy server requires no entry in `contextAwareResources` for this.
fn can_i(grants: &Grants, payload: &[u8]) -> Result<Vec<u8>, String> {
    let request: CanI = serde_json::from_slice(payload).map_err(|error| error.to_string())?;
    let fetch = || grants.cluster.can_i(&request.subject_access_review);
    let status = match &grants.memory {
        Some(memory) => memory.review(&request, fetch)?,
        None => fetch()?,
    };
    serde_json::to_vec(&status).map_err(|error| error.to_string())
}

impl LogEntry {
    fn read(payload: &[u8]) -> Self {
        let Ok(Value::Object(mut data)) = serde_json::from_slice(payload) else {
            let message = String::from_utf8_lossy(payload).into_owned();
            return Self { level: "malformed".to_owned(), message, data: Map::new() };
        };
        let mut text = |name: &str| match data.remove(name) {
            Some(Value::String(text)) => Some(text),
            _ => None,
        };
        let message = text("message").unwrap_or_default();
        let level = text("level").unwrap_or_else(|| "malformed".to_owned());
        Self { level, message, data }
    }
}
