// SPDX-License-Identifier: Apache-2.0

//! The policy that is built into the command.

use anyhow::Result;
use policy_host::kubewarden::Module;

/// The policy.
pub(super) fn module() -> Result<Module> {
    Module::new(policy_module::WASM)
}

/// The policy for many requests in a row: see [`Module::for_many_requests`].
pub(super) fn module_for_many_requests() -> Result<Module> {
    // SAFETY: the machine code is part of this program, like its own code: anyone who can change it can also change the program.
    // `.ci/dist` compiled it from the same policy (the build script of `policy-module` verifies that), and builds this program
    // and the one that compiles the policy from one lock file, with the same features of wasmtime.
    #[expect(unsafe_code, reason = "see above")]
    unsafe {
        Module::for_many_requests_of(policy_module::WASM, policy_module::MACHINE_CODE)
    }
}
