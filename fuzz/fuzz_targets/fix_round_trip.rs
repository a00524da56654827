// SPDX-License-Identifier: Apache-2.0

//! A fixed object is accepted unchanged: a fix leaves nothing to reject, and nothing is fixed twice.

#![no_main]

mod common;

use libfuzzer_sys::fuzz_target;
use serde_json::Value;

fuzz_target!(|payload: &[u8]| {
    // The host sends JSON without duplicate keys.
    let Ok(mut payload) = serde_json::from_slice::<Value>(payload) else { return };
    let answer = common::validate(payload.to_string().as_bytes());
    let Some(fixed) = answer.get("mutated_object").filter(|object| !object.is_null()) else { return };
    payload["request"]["object"] = fixed.clone();
    let again = common::validate(payload.to_string().as_bytes());
    assert_eq!(again["accepted"], true, "a fixed object is refused: {again}");
    assert!(again.get("mutated_object").is_none_or(Value::is_null), "a fixed object is fixed again: {again}");
});
