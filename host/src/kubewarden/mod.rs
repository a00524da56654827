// SPDX-License-Identifier: Apache-2.0

//! Kubewarden's policy server, embedded: wasmtime runs the module, as in the policy server, and the rest follows
//! `crates/policy-evaluator` and `crates/policy-server` of <https://github.com/kubewarden/kubewarden-controller>:
//!
//! | here | there |
//! |---|---|
//! | [`Module`], [`Policy`] | `policy-evaluator/src/runtimes/wapc/{stack_pre,runtime}.rs`, `policy-server/src/evaluation/` |
//! | [`AdmissionRequest`] | `policy-evaluator/src/admission_request.rs` |
//! | [`AdmissionResponse`] | `policy-evaluator/src/admission_response.rs` |
//! | `constraints` | `policy-evaluator/src/admission_response_handler.rs` |
//! | `wapc`, `wasi` | the crates `wapc`, `wasmtime-provider` and `wasi-common` |
//! | `callback` | `policy-evaluator/src/runtimes/callback.rs` |
//!
//! Every request gets a fresh instance (except with [`Module::reusing_instances`]), settings are sent with every request, and
//! the host computes the JSON patch from the object that the guest returns.

mod callback;
mod compiled;
#[cfg(feature = "compiler")]
mod compiler;
mod constraints;
mod diagnosis;
mod memory;
mod module;
mod policy;
mod request;
mod response;
mod wapc;
mod wasi;

pub use callback::{ContextAwareResource, HostCall, LogEntry};
pub use diagnosis::{Diagnosed, Diagnostic, Segment, Severity};
pub use module::{CallError, Module};
pub use policy::{Evaluation, Mode, Policy, PolicyConfig};
pub use request::AdmissionRequest;
pub use response::{AdmissionResponse, Status};

#[cfg(test)]
mod tests;
