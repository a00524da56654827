// SPDX-License-Identifier: Apache-2.0

//! Any bytes as a payload: no panic; for JSON, which is all that a host sends, the policy responds, and twice with the same
//! bytes.

#![no_main]

mod common;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|payload: &[u8]| {
    if serde_json::from_slice::<serde_json::Value>(payload).is_ok() {
        assert_eq!(common::validate(payload), common::validate(payload));
    } else {
        common::answer(payload);
    }
});
