// SPDX-License-Identifier: Apache-2.0

//! Any bytes as a payload: no panic, an answer each time, the same one twice.

#![no_main]

mod common;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|payload: &[u8]| {
    assert_eq!(common::validate(payload), common::validate(payload));
});
