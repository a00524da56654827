// SPDX-License-Identifier: Apache-2.0

//! Compares the results of a case with what the case expects.

#![expect(clippy::indexing_slicing, reason = "of JSON values: what is missing reads as null")]

use std::collections::BTreeMap;

use serde_json::Value;

use super::api::Answer;
use crate::expectation::{Expectation, Verdict};

/// The prefix of the token volume's name; five random characters follow.
const TOKEN_VOLUME: &str = "kube-api-access-";

/// The policy's name on the embedded host; one message contains it.
const EMBEDDED_POLICY: &str = "clusterwide-serviceaccount-hygiene";

/// The verdict of a policy, as far as it is visible to a client: the number of look-ups is not.
///
/// `without` contains the warnings that the API server gives without any policy.
#[must_use]
pub fn verdict(answer: &Answer, annotations: &BTreeMap<String, String>, webhook: &str, without: &[String]) -> Verdict {
    let denial = format!("admission webhook \"{webhook}\" denied the request: ");
    let message = answer.message().split_once(&denial).filter(|(before, _)| before.is_empty());
    let prefix = format!("{webhook}/");
    let own =
        annotations.iter().filter_map(|(key, value)| Some((key.strip_prefix(&prefix)?.to_owned(), value.clone())));
    Verdict {
        allowed: message.is_none(),
        code: message.is_some().then_some(answer.status),
        message: message.map(|(_, message)| message.to_owned()),
        warnings: subtract(&answer.warnings, without),
        audit_annotations: own.collect(),
        ..Verdict::default()
    }
}

/// The list without the entries of `without`; repeated entries are removed as often as `without` contains them.
fn subtract(list: &[String], without: &[String]) -> Vec<String> {
    let mut without = without.to_vec();
    let mut rest = list.to_vec();
    rest.retain(|entry| match without.iter().position(|other| other == entry) {
        Some(index) => {
            without.swap_remove(index);
            false
        }
        None => true,
    });
    rest
}

/// A verdict without the parts that differ between runs: the random suffix of the token volume's name, and the policy's name,
/// which becomes `policy`. Look-ups and the object are omitted.
#[must_use]
pub fn comparable(verdict: &Verdict, policy: &str) -> Expectation {
    let normalize = |text: &String| without_random_names(&text.replace(EMBEDDED_POLICY, policy));
    Expectation::Verdict(Verdict {
        allowed: verdict.allowed,
        // A denial without a code gets this one (`.../plugin/webhook/errors/statuserror.go`).
        code: verdict.code.or((!verdict.allowed).then_some(400)),
        message: verdict.message.as_ref().map(normalize),
        warnings: seen(verdict.warnings.iter().map(normalize)),
        audit_annotations: verdict.audit_annotations.clone(),
        ..Verdict::default()
    })
}

/// The API server does not repeat a warning (`staging/src/k8s.io/apiserver/pkg/endpoints/filters/warning.go`).
fn seen(warnings: impl Iterator<Item = String>) -> Vec<String> {
    let mut seen = Vec::new();
    for warning in warnings {
        if !seen.contains(&warning) {
            seen.push(warning);
        }
    }
    seen
}

/// An object without the parts that differ between runs.
#[must_use]
pub fn normalized(object: &Value) -> Value {
    let mut object = object.clone();
    if let Some(metadata) = object["metadata"].as_object_mut() {
        for own in [
            "creationTimestamp",
            "deletionTimestamp",
            "deletionGracePeriodSeconds",
            "generation",
            "managedFields",
            "resourceVersion",
            "selfLink",
            "uid",
        ] {
            metadata.remove(own);
        }
        if metadata.contains_key("generateName") {
            metadata.remove("name");
        }
    }
    // A token, and what controllers add.
    if let Some(fields) = object.as_object_mut() {
        fields.remove("status");
    }
    normalize_names(&mut object);
    object
}

/// An `AdmissionRequest` without the parts that differ between runs.
#[must_use]
pub fn normalized_request(request: &Value) -> Value {
    let mut request = request.clone();
    for object in ["object", "oldObject"] {
        if request[object].is_object() {
            request[object] = normalized(&request[object]);
        }
    }
    if let Some(fields) = request.as_object_mut() {
        fields.remove("uid");
    }
    request
}

/// Labels that contain the uid of a Job.
const MADE_OF_UID: [&str; 2] = ["batch.kubernetes.io/controller-uid", "controller-uid"];

fn normalize_names(value: &mut Value) {
    match value {
        Value::String(text) => *text = without_random_names(text),
        Value::Array(entries) => entries.iter_mut().for_each(normalize_names),
        Value::Object(fields) => {
            fields.retain(|key, _| key != "uid" && !MADE_OF_UID.contains(&key.as_str()));
            fields.values_mut().for_each(normalize_names);
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn without_random_names(text: &str) -> String {
    let mut normalized = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(TOKEN_VOLUME) {
        normalized.push_str(before);
        normalized.push_str(TOKEN_VOLUME);
        let random = after.chars().take(5).take_while(|c| "bcdfghjklmnpqrstvwxz2456789".contains(*c)).count();
        rest = after;
        if random == 5 {
            normalized.push_str("xxxxx");
            rest = after.get(5..).unwrap_or_default();
        }
    }
    normalized + rest
}

/// The paths of `expected` that `found` lacks or has another value for; `found` may have more fields.
#[must_use]
pub fn missing(expected: &Value, found: &Value) -> Vec<String> {
    let mut differences = Vec::new();
    compare("", expected, found, false, &mut differences);
    differences
}

/// The paths at which two objects differ.
#[must_use]
pub fn differing(expected: &Value, found: &Value) -> Vec<String> {
    let mut differences = Vec::new();
    compare("", expected, found, true, &mut differences);
    differences
}

fn compare(path: &str, expected: &Value, found: &Value, is_exact: bool, differences: &mut Vec<String>) {
    match (expected, found) {
        (Value::Object(expected), Value::Object(found)) => {
            for (key, value) in expected {
                let path = format!("{path}.{key}");
                match found.get(key) {
                    Some(found) => compare(&path, value, found, is_exact, differences),
                    None if value.is_null() && !is_exact => {}
                    None => differences.push(format!("{path}: expected {value}, found nothing")),
                }
            }
            let more = found.iter().filter(|(key, _)| is_exact && !expected.contains_key(*key));
            differences.extend(more.map(|(key, value)| format!("{path}.{key}: expected nothing, found {value}")));
        }
        (Value::Array(expected), Value::Array(found)) if expected.len() == found.len() => {
            for (index, (expected, found)) in expected.iter().zip(found).enumerate() {
                compare(&format!("{path}[{index}]"), expected, found, is_exact, differences);
            }
        }
        _ if expected == found => {}
        _ => differences.push(format!("{path}: expected {expected}, found {found}")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn answer(status: u16, message: &str) -> Answer {
        Answer {
            status,
            body: json!({"message": message}),
            warnings: vec!["of the API server".to_owned(), "of the policy".to_owned()],
            audit_id: String::new(),
        }
    }

    #[test]
    fn denial() {
        let annotations = [("w/rule".to_owned(), "rejected(1)".to_owned()), ("other/rule".to_owned(), String::new())];
        let read = |status, message| {
            verdict(&answer(status, message), &annotations.clone().into(), "w", &["of the API server".to_owned()])
        };
        let denied = read(403, "admission webhook \"w\" denied the request: no\n- so");
        assert_eq!((denied.allowed, denied.code, denied.message.as_deref()), (false, Some(403), Some("no\n- so")));
        assert_eq!(denied.warnings, ["of the policy"]);
        assert_eq!(denied.audit_annotations, [("rule".to_owned(), "rejected(1)".to_owned())].into());
        for other in ["Pod \"a\" is invalid", "admission webhook \"x\" denied the request: no"] {
            assert!(read(422, other).allowed, "{other}");
        }
    }

    #[test]
    fn random_names_are_settled() {
        for (text, expected) in [
            ("volume kube-api-access-x7k2p is", "volume kube-api-access-xxxxx is"),
            ("kube-api-access-x7k2p and kube-api-access-b4c5d", "kube-api-access-xxxxx and kube-api-access-xxxxx"),
            ("kube-api-access-aaaaa", "kube-api-access-aaaaa"),
            ("kube-api-access-", "kube-api-access-"),
            ("kube-api-access-bé", "kube-api-access-bé"),
        ] {
            assert_eq!(without_random_names(text), expected);
        }
    }

    #[test]
    fn additional_fields() {
        let real = json!({"a": {"b": [1, {"c": 2, "d": 3}]}, "e": 1});
        assert_eq!(missing(&json!({"a": {"b": [1, {"c": 2}]}, "null": null}), &real), [] as [&str; 0]);
        assert_eq!(missing(&json!({"a": {"b": [1]}}), &real).len(), 1);
        assert_eq!(missing(&json!({"a": {"b": [1, {"c": 3}]}}), &real), [".a.b[1].c: expected 3, found 2"]);
        assert_eq!(differing(&json!({"a": 1}), &json!({"a": 1, "b": 2})), [".b: expected nothing, found 2"]);
        assert_eq!(missing(&json!({"f": 1}), &real), [".f: expected 1, found nothing"]);
    }
}
