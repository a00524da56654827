// SPDX-License-Identifier: Apache-2.0

//! Everything that is needed to run the policy without a cluster: an embedded Kubewarden host, a simulated API server, the
//! loader that reads files as kubectl does, and the `sa-hygiene` command on top of them.

#![expect(
    clippy::missing_errors_doc,
    clippy::must_use_candidate,
    reason = "a tool and its test kit: what fails is said by the error, and nothing here is called for its effects"
)]

pub mod apiserver;
pub mod audit;
pub mod bench;
pub mod budgets;
pub mod check;
pub mod cli;
pub mod cluster;
pub mod diff;
pub mod docs;
pub mod json;
pub mod kubewarden;
pub mod load;
mod ownership;
pub mod rbac;
pub mod shown;
pub mod yaml;

use std::sync::OnceLock;

/// The policy, as built by this crate's build script.
pub static POLICY_WASM: &[u8] = include_bytes!(env!("SA_HYGIENE_POLICY_WASM"));

/// The policy's machine code, if this program was built with `SA_HYGIENE_COMPILED` (`.ci/dist`); otherwise empty.
static POLICY_CODE: &[u8] = include_bytes!(env!("SA_HYGIENE_POLICY_CODE"));

/// The built-in policy, compiled once per process and shared.
pub fn embedded_module() -> anyhow::Result<kubewarden::Module> {
    static MODULE: OnceLock<Result<kubewarden::Module, String>> = OnceLock::new();
    MODULE
        .get_or_init(|| kubewarden::Module::new(POLICY_WASM).map_err(|error| format!("{error:#}")))
        .clone()
        .map_err(anyhow::Error::msg)
}

/// The built-in policy for many requests in a row: see [`kubewarden::Module::for_many_requests`].
pub fn embedded_module_for_many_requests() -> anyhow::Result<kubewarden::Module> {
    kubewarden::Module::for_many_requests_of(POLICY_WASM, POLICY_CODE)
}
