// SPDX-License-Identifier: Apache-2.0
//! Tests that read the source code of the policy, for requirements that the compiler does not check: the layers of the modules,
//! and that every message is used.

#![expect(clippy::unwrap_used, reason = "all of it is a test")]

mod layers;
mod messages;
mod scan;
