// SPDX-License-Identifier: Apache-2.0

//! Which accounts of a cluster hold API tokens, what those allow, and which were ever used.
//!
//! ```text
//! snapshot (files, kubectl) --workload::groups--> Pods by account and workload --\
//! snapshot.rbac ------------- power ------------> what an account may do ---------- build --> Report --> format, advice
//! log (audit events) -------- usage ------------> what it did --------------------/    recommend
//! ```

pub mod advice;
mod build;
pub mod format;
pub mod log;
mod power;
mod recommend;
pub mod report;
pub mod sample;
pub mod snapshot;
mod usage;
mod window;
mod workload;

pub use build::{Options, build};
pub use report::Report;
