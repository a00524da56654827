// SPDX-License-Identifier: Apache-2.0

//! The policy that is built into the program.

use anyhow::Result;
use policy_host::kubewarden::Module;

/// The policy that is built into the program. It is not part of this library, so that the library does not wait for the policy
/// to be built (`.ci/dist`).
#[derive(Clone, Copy)]
pub struct EmbeddedPolicy {
    wasm: &'static [u8],
    machine_code: &'static [u8],
}

impl EmbeddedPolicy {
    /// A policy, and its machine code as `crates/precompile` compressed it, or no bytes: then the policy is compiled when it is
    /// used.
    ///
    /// # Safety
    ///
    /// The machine code is run as it is. It must have been compiled from `wasm` by a program that was built from the same lock
    /// file and with the same features of wasmtime as this one.
    #[expect(unsafe_code, reason = "see above")]
    #[must_use]
    pub const unsafe fn new(wasm: &'static [u8], machine_code: &'static [u8]) -> Self {
        Self { wasm, machine_code }
    }

    /// The module.
    pub(super) fn module(self) -> Result<Module> {
        Module::new(self.wasm)
    }

    /// The module for many requests in a row: see [`Module::for_many_requests`].
    pub(super) fn module_for_many_requests(self) -> Result<Module> {
        // SAFETY: required by `new`.
        #[expect(unsafe_code, reason = "see above")]
        unsafe {
            Module::for_many_requests_of(self.wasm, self.machine_code)
        }
    }
}
