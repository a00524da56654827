// SPDX-License-Identifier: Apache-2.0

//! Converts the guest's answer to the response for the API server.

use std::collections::BTreeMap;

use base64::Engine as _;
use json_patch::jsonptr::PointerBuf;
use json_patch::{Patch, PatchOperation, ReplaceOperation};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::module::CallError;

/// An `admission.k8s.io/v1 AdmissionResponse`, with the patch as operations.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AdmissionResponse {
    /// The UID of the request.
    pub uid: String,
    /// The verdict.
    pub allowed: bool,
    /// Why the request is rejected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<Status>,
    /// Warnings, which kubectl shows.
    pub warnings: Vec<String>,
    /// Annotations for the audit log.
    pub audit_annotations: BTreeMap<String, String>,
    /// The patch; never empty.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub patch: Option<Patch>,
}

/// Why a request was rejected.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Status {
    /// The message for the caller.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The HTTP status code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<u16>,
    /// The policy's own message, if the manifest's `message` replaced it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub causes: Vec<String>,
}

/// The guest's answer, in the shape of the SDK's `ValidationResponse` (`src/response.rs` of policy-sdk-rust).
#[derive(Debug, Deserialize)]
pub(super) struct ValidationResponse {
    accepted: bool,
    message: Option<String>,
    code: Option<u16>,
    mutated_object: Option<Value>,
    audit_annotations: Option<BTreeMap<String, String>>,
    warnings: Option<Vec<String>>,
}

/// The guest's answer to the validation of settings (`src/settings.rs` of policy-sdk-rust).
#[derive(Debug, Deserialize)]
pub(super) struct SettingsValidationResponse {
    pub(super) valid: bool,
    pub(super) message: Option<String>,
}

impl AdmissionResponse {
    /// The message of a rejection, if there is one.
    pub fn message(&self) -> Option<&str> {
        self.status.as_ref().and_then(|status| status.message.as_deref())
    }

    /// The code of a rejection, if there is one.
    pub fn code(&self) -> Option<u16> {
        self.status.as_ref().and_then(|status| status.code)
    }

    /// The JSON that the policy server and `kwctl run` print: the patch in base64, absent lists as null.
    pub fn to_wire(&self) -> Value {
        let mut wire = Map::new();
        wire.insert("uid".to_owned(), self.uid.clone().into());
        wire.insert("allowed".to_owned(), self.allowed.into());
        if let Some(patch) = &self.patch {
            let patch = base64::engine::general_purpose::STANDARD.encode(patch.to_string());
            wire.insert("patchType".to_owned(), "JSONPatch".into());
            wire.insert("patch".to_owned(), patch.into());
        }
        if let Some(Status { message, code, causes }) = &self.status {
            let mut status = Map::new();
            status.extend(message.clone().map(|message| ("message".to_owned(), message.into())));
            status.extend(code.map(|code| ("code".to_owned(), code.into())));
            if !causes.is_empty() {
                let causes: Vec<_> = causes.iter().map(|message| json!({ "message": message })).collect();
                status.insert("details".to_owned(), json!({ "causes": causes }));
            }
            wire.insert("status".to_owned(), status.into());
        }
        let annotations = (!self.audit_annotations.is_empty()).then_some(&self.audit_annotations);
        let warnings = (!self.warnings.is_empty()).then_some(&self.warnings);
        wire.insert("auditAnnotations".to_owned(), json!(annotations));
        wire.insert("warnings".to_owned(), json!(warnings));
        Value::Object(wire)
    }

    pub(super) fn reject(uid: &str, message: impl Into<String>, code: u16) -> Self {
        let status = Status { message: Some(message.into()), code: Some(code), ..Status::default() };
        Self { uid: uid.to_owned(), status: Some(status), ..Self::default() }
    }

    pub(super) fn internal_error(uid: &str, message: &str) -> Self {
        Self::reject(uid, format!("internal server error: {message}"), 500)
    }

    /// The response for a call of the guest; see [`Self::from_guest`].
    pub(super) fn of_call(
        uid: &str,
        answer: Result<Result<ValidationResponse, serde_json::Error>, &CallError>,
        object: Option<&Value>,
        form: PatchForm,
    ) -> Self {
        match answer {
            Ok(answer) => Self::from_guest(uid, answer, object, form),
            Err(error @ CallError::Timeout) => Self::reject(uid, error.to_string(), 500),
            Err(error) => Self::internal_error(uid, &error.to_string()),
        }
    }

    /// Whether the guest trapped, returned an error, took too long or returned an invalid answer, unless a manifest changed
    /// this.
    pub fn is_failure(&self) -> bool {
        self.code() == Some(500)
    }

    /// Adds the patch to the guest's answer. As in the policy server, a rejection also gets a patch.
    fn from_guest(
        uid: &str,
        answer: Result<ValidationResponse, serde_json::Error>,
        object: Option<&Value>,
        form: PatchForm,
    ) -> Self {
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) => return Self::internal_error(uid, &format!("invalid response from policy: {error}")),
        };
        let patch = match (answer.mutated_object, object) {
            (None, _) => None,
            (Some(_), None) => {
                let message = "Incoming object is null, which happens only with DELETE operations, but the policy is \
                               attempting a mutation. This is not allowed";
                let status = Status { message: Some(message.to_owned()), ..Status::default() };
                return Self { uid: uid.to_owned(), status: Some(status), ..Self::default() };
            }
            (Some(mutated), Some(object)) => match form {
                PatchForm::Diff => Some(json_patch::diff(object, &mutated)).filter(|patch| !patch.is_empty()),
                PatchForm::Whole => (mutated != *object).then(|| whole(mutated)),
            },
        };
        let status = (answer.message.is_some() || answer.code.is_some()).then(|| Status {
            message: answer.message,
            code: answer.code,
            causes: Vec::new(),
        });
        Self {
            uid: uid.to_owned(),
            allowed: answer.accepted,
            status,
            warnings: answer.warnings.unwrap_or_default(),
            audit_annotations: answer.audit_annotations.unwrap_or_default(),
            patch,
        }
    }
}

/// How a patch is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PatchForm {
    /// Field by field, as in the policy server.
    Diff,
    /// As one replacement of the object, which costs much less.
    Whole,
}

fn whole(mutated: Value) -> Patch {
    let path = PointerBuf::new();
    Patch(vec![PatchOperation::Replace(ReplaceOperation { path, value: mutated })])
}
