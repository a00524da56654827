// SPDX-License-Identifier: Apache-2.0

//! Reads documents: captured admission requests, or objects as a user writes them.

use std::path::Path;

use anyhow::{Result, bail};
use policy_host::cluster::files_below;
use policy_host::kubewarden::AdmissionRequest;
use policy_host::shown;
use policy_host::yaml::{self, Document};
use serde_json::Value;

/// One thing to evaluate.
#[derive(Debug, Clone)]
pub(super) struct Input {
    /// `file:line`.
    pub(super) source: String,
    pub(super) subject: Subject,
    /// The object as stored, which the subject replaces.
    pub(super) old: Option<Value>,
}

#[derive(Debug, Clone)]
pub(super) enum Subject {
    /// An `AdmissionRequest`, extracted from its review.
    Request(Value),
    /// A Kubernetes object.
    Object(Value),
}

/// Reads files and directories; `-` is the standard input.
pub(super) fn read<P: AsRef<Path>>(paths: impl IntoIterator<Item = P>) -> Result<Vec<Input>> {
    let mut inputs = Vec::new();
    for path in paths {
        let before = inputs.len();
        for file in files_below(path.as_ref())? {
            for document in yaml::flatten_lists(yaml::load_file(file)?) {
                inputs.push(classify(document)?);
            }
        }
        if inputs.len() == before {
            bail!("{}: nothing to evaluate here", path.as_ref().display());
        }
    }
    Ok(inputs)
}

fn classify(document: Document) -> Result<Input> {
    let source = shown::text(&document.location());
    let is_review = document.value.get("kind").and_then(Value::as_str) == Some("AdmissionReview");
    let is_request = document.value.get("uid").is_some() && document.value.get("kind").is_some_and(Value::is_object);
    let text = |name: &str| document.value.get(name).and_then(Value::as_str);
    let mut old = None;
    let subject = if let Some((object, old_object)) = update(&document)? {
        old = Some(old_object);
        Subject::Object(object)
    } else if is_review || is_request || document.value.pointer("/request/uid").is_some() {
        let request = match document.value.get("request") {
            Some(request) => request.clone(),
            None if is_review => return Err(document.error("an AdmissionReview without a request").into()),
            None => document.value.clone(),
        };
        if let Err(error) = AdmissionRequest::read(&request) {
            return Err(document.error(format!("not an admission request: {error}")).into());
        }
        Subject::Request(request)
    } else if text("apiVersion").is_some() && text("kind").is_some() {
        Subject::Object(document.value)
    } else {
        let message = "neither a Kubernetes object (apiVersion or kind is missing) nor an admission request";
        return Err(document.error(message).into());
    };
    Ok(Input { source, subject, old })
}

/// The objects of an UPDATE, if the document consists of `oldObject` and `object`.
fn update(document: &Document) -> Result<Option<(Value, Value)>> {
    let Some(fields) = document.value.as_object() else { return Ok(None) };
    if !fields.contains_key("oldObject") || fields.keys().any(|key| key != "object" && key != "oldObject") {
        return Ok(None);
    }
    let is_object = |value: &&Value| value.get("apiVersion").is_some() && value.get("kind").is_some();
    let field = |name: &str| fields.get(name).filter(is_object).cloned();
    match (field("object"), field("oldObject")) {
        (Some(object), Some(old)) => Ok(Some((object, old))),
        _ => Err(document.error("an update needs a Kubernetes object in both object and oldObject").into()),
    }
}
