// SPDX-License-Identifier: Apache-2.0

//! Any bytes as settings: no panic, and `validate` never rejects settings that `validate_settings` accepts.

#![no_main]

mod common;

use libfuzzer_sys::fuzz_target;
use serde_json::{Value, json};
use serviceaccount_hygiene::guest;

fuzz_target!(|settings: &[u8]| {
    let bytes = guest::validate_settings(settings);
    let answer: Value = serde_json::from_slice(&bytes).expect("the answer is JSON");
    let valid = answer["valid"].as_bool().expect("the answer says whether the settings are valid");
    assert_eq!(valid, answer.get("message").is_none_or(Value::is_null), "a message if and only if invalid: {answer}");
    let Ok(settings) = serde_json::from_slice::<Value>(settings) else { return };
    let request = json!({
        "kind": {"group": "", "kind": "Pod"}, "operation": "CREATE", "namespace": "shop",
        "object": {"metadata": {"name": "web"}, "spec": {"serviceAccountName": "app", "containers": [{"name": "web"}]}},
    });
    let payload = json!({"request": request, "settings": settings}).to_string();
    let answer = common::validate(payload.as_bytes());
    if valid {
        assert_ne!(answer["code"], 400, "valid settings make no request bad: {answer}");
    }
});
