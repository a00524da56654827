// SPDX-License-Identifier: Apache-2.0

//! Compiles modules, with the feature `compiler`. Released programs contain the machine code of their own policy instead,
//! and cannot evaluate another one: a compiler would be 40% of the program.

use anyhow::Result;
use policy_host::kubewarden::Module;

/// Compiles a module.
///
/// # Errors
///
/// If it is not a policy, or if this program has no compiler.
pub(super) fn module(wasm: &[u8]) -> Result<Module> {
    #[cfg(feature = "compiler")]
    return Module::new(wasm);
    #[cfg(not(feature = "compiler"))]
    none(wasm)
}

/// Compiles a module for many requests in a row: see [`Module::reusing_instances`].
///
/// # Errors
///
/// The same as for [`module`].
pub(super) fn module_for_many_requests(wasm: &[u8]) -> Result<Module> {
    #[cfg(feature = "compiler")]
    return Module::for_many_requests(wasm);
    #[cfg(not(feature = "compiler"))]
    none(wasm)
}

#[cfg(not(feature = "compiler"))]
fn none(_wasm: &[u8]) -> Result<Module> {
    anyhow::bail!(
        "this command was built without a compiler, so it cannot load another policy; \
         build it from source with `cargo install --locked --path cli`"
    )
}
