// SPDX-License-Identifier: Apache-2.0

//! Code shared by the targets: a simulated cluster, and calls that check the format of the response.

use serde_json::Value;
use serviceaccount_hygiene::cluster::{Access, AccountRecord, Age, Cluster, LookupError};
use serviceaccount_hygiene::guest;

/// A cluster in which every account exists except those whose names begin with `no-`.
struct AnyCluster;

impl Cluster for AnyCluster {
    fn service_account(&self, _: &str, name: &str, _: Age) -> Result<AccountRecord, LookupError> {
        if name.starts_with("no-") {
            return Err(LookupError::Absent);
        }
        let role = ("eks.amazonaws.com/role-arn", "arn:aws:iam::123456789012:role/app");
        Ok(AccountRecord::new(None).with_annotations(&[role]))
    }

    fn can_i(&self, request: &str) -> Result<bool, LookupError> {
        Ok(request.contains("no-"))
    }

    fn log_not_granted(&self, _: Access, _: &str) {}
}

/// Calls `validate`.
pub fn answer(payload: &[u8]) -> Vec<u8> {
    guest::validate(payload, &AnyCluster)
}

/// Calls `validate` with JSON. For any input, the response is JSON and states whether the request is accepted.
pub fn validate(payload: &[u8]) -> Value {
    let answer: Value = serde_json::from_slice(&answer(payload)).expect("the answer is JSON");
    let accepted = answer["accepted"].as_bool().expect("the answer says whether the request is accepted");
    if accepted {
        assert!(answer.get("code").is_none_or(Value::is_null), "an accepted request has no code: {answer}");
    } else {
        assert!(answer["message"].is_string(), "a rejection says why: {answer}");
        assert!(answer.get("mutated_object").is_none_or(Value::is_null), "a rejection changes nothing: {answer}");
    }
    answer
}
