// SPDX-License-Identifier: Apache-2.0

//! `sa-hygiene`: the policy on the command line, without a cluster.
//!
//! Only this program contains the policy; `crates/commands` contains the rest.

use std::process::ExitCode;

use policy_commands::EmbeddedPolicy;

// SAFETY: the machine code is part of this program, like its own code: anyone who can change it can also change the program.
// `.ci/dist` compiled it from the same policy (the build script of `policy-module` verifies that), and builds this program and
// the one that compiles the policy from one lock file, with the same features of wasmtime.
#[expect(unsafe_code, reason = "see above")]
const POLICY: EmbeddedPolicy = unsafe { EmbeddedPolicy::new(policy_module::WASM, policy_module::MACHINE_CODE) };

fn main() -> ExitCode {
    policy_commands::main(POLICY)
}
