// SPDX-License-Identifier: Apache-2.0

//! Determines which accounts of a cluster hold API tokens, what these tokens allow, and which of them were used.
//!
//! ```text
//! snapshot (files, kubectl) --workload::groups--> Pods by account and workload --\
//! snapshot.rbac ---------- permissions ----------> what an account may do ---------- build --> Report --> format, advice
//! log (audit events) -------- usage ------------> what it did --------------------/    recommend
//! ```

#![expect(clippy::must_use_candidate, reason = "a part of a tool: nothing here is called for its effects")]

pub mod advice;
mod build;
pub mod format;
pub mod log;
mod permissions;
mod recommend;
pub mod report;
#[cfg(any(test, feature = "sample"))]
pub mod sample;
pub mod snapshot;
mod usage;
mod window;
mod workload;

pub use build::{Options, build};
pub use report::Report;
