// SPDX-License-Identifier: Apache-2.0

//! The policy that is built into the program.

use anyhow::Result;
use policy_host::kubewarden::Module;

use super::compiler;

/// The policy that is built into the program. It is not part of this library, so that the library does not wait for the policy
/// to be built.
#[derive(Clone, Copy)]
pub struct EmbeddedPolicy {
    wasm: &'static [u8],
    machine_code: &'static [u8],
}

impl EmbeddedPolicy {
    /// A policy, and its machine code as `crates/precompile` compressed it. With the feature `compiler`, there may be no machine
    /// code (no bytes): then the policy is compiled when it is used.
    ///
    /// # Safety
    ///
    /// The machine code is run as it is. It must have been compiled from `wasm` by `crates/precompile`, in a
    /// build with the same lock file.
    #[expect(unsafe_code, reason = "see above")]
    #[must_use]
    pub const unsafe fn new(wasm: &'static [u8], machine_code: &'static [u8]) -> Self {
        Self { wasm, machine_code }
    }

    /// The module.
    pub(super) fn module(self) -> Result<Module> {
        if self.machine_code.is_empty() { compiler::module(self.wasm) } else { self.precompiled() }
    }

    /// The module for many requests in a row: see [`Module::reusing_instances`].
    pub(super) fn module_for_many_requests(self) -> Result<Module> {
        if self.machine_code.is_empty() {
            compiler::module_for_many_requests(self.wasm)
        } else {
            Ok(self.precompiled()?.reusing_instances())
        }
    }

    fn precompiled(self) -> Result<Module> {
        // SAFETY: required by `new`.
        #[expect(unsafe_code, reason = "see above")]
        unsafe {
            Module::from_machine_code(self.machine_code, self.wasm.len())
        }
    }
}
