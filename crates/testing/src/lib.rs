// SPDX-License-Identifier: Apache-2.0

//! Code shared by property tests and e2e tests: generators, a simulated cluster, and parsers of responses.
//!
//! | module | content |
//! |---|---|
//! | [`vocabulary`] | the values that objects and settings are made from; each rule adds its own |
//! | [`objects`], [`requests`], [`settings`], [`style`] | generators, from an object to the bytes of a request |
//! | [`cluster`] | a fake cluster, with the same result for every look-up |
//! | [`answer`] | calls of the policy, and what is in its answer |
//! | [`written`], [`expected_changes`] | JSON byte for byte, and what fixes are expected to change in it |
//!
//! This crate depends on the policy, so the policy's own unit tests cannot use it: they compile the policy a second time, with
//! types that are not the same as this crate's. They have `src/testing.rs`.

pub mod answer;
pub mod cluster;
pub mod expected_changes;
pub mod objects;
pub mod requests;
pub mod settings;
pub mod style;
pub mod vocabulary;
pub mod written;
