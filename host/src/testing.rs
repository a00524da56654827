// SPDX-License-Identifier: Apache-2.0

//! The policy, for the tests of this crate.

use std::sync::OnceLock;

use crate::kubewarden::Module;

/// The policy, compiled once per process.
pub(crate) fn module() -> Module {
    static MODULE: OnceLock<Module> = OnceLock::new();
    MODULE.get_or_init(|| Module::new(policy_module::WASM).unwrap()).clone()
}
