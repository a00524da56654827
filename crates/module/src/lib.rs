// SPDX-License-Identifier: Apache-2.0

//! The compiled policy, for programs that embed it.
//!
//! This is a separate package, so that only the command waits for the policy. The libraries that it uses are compiled at the
//! same time.

/// The policy, a WebAssembly module, as built by the build script of this package.
pub static WASM: &[u8] = include_bytes!(env!("SA_HYGIENE_POLICY_WASM"));

/// The machine code of [`WASM`] as `crates/precompile` compressed it, with the feature `machine-code` or with
/// `SA_HYGIENE_COMPILED`; otherwise empty.
pub static MACHINE_CODE: &[u8] = include_bytes!(env!("SA_HYGIENE_POLICY_CODE"));
