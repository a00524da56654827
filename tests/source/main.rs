// SPDX-License-Identifier: Apache-2.0
//! Tests that read the source of the policy, for what the compiler does not
//! hold: the layers of the modules, and that every message is used.

#![expect(clippy::unwrap_used, reason = "all of it is a test")]

mod layers;
mod messages;
mod scan;
