// SPDX-License-Identifier: Apache-2.0

//! `sa-hygiene`: the policy on the command line, without a cluster.
//!
//! Only this program contains the policy; `crates/commands` contains the rest.

use std::process::ExitCode;

use policy_commands::EmbeddedPolicy;

#[cfg(not(feature = "compiler"))]
const _: () = assert!(
    !policy_module::MACHINE_CODE.is_empty(),
    "without a compiler, the program needs the policy's machine code: the feature `machine-code`, or SA_HYGIENE_COMPILED"
);

// SAFETY: the machine code is part of this program, like its own code: anyone who can change it can also change the program. It
// was compiled from the same policy, with the same lock file: by the build script of `policy-module`, or in the release workflow;
// then the build script compares the policy and the target.
#[expect(unsafe_code, reason = "see above")]
const POLICY: EmbeddedPolicy = unsafe { EmbeddedPolicy::new(policy_module::WASM, policy_module::MACHINE_CODE) };

fn main() -> ExitCode {
    policy_commands::main(POLICY)
}
