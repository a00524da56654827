// SPDX-License-Identifier: Apache-2.0
//! serviceaccount-hygiene: a Kubewarden policy that validates and mutates Pods
//! and ServiceAccounts, so that a Kubernetes API token reaches a container only
//! when someone asked for it.
//!
//! Data flows one way: payload → request → subject → plan (the rules left
//! after exemptions) → fixed object → findings → verdict → response.

pub mod admission;
pub mod cluster;
pub mod diagnostic;
pub mod engine;
pub mod fast;
pub mod guest;
pub mod identity;
pub mod matching;
pub mod object;
pub mod rules;
pub mod settings;
#[cfg(test)]
mod testing;

/// Hands out memory and takes none back: a fresh instance serves every request
/// (docs/performance.md). The C library's own would begin at the same place, and
/// is in the module for the message of a panic; after one nothing else runs.
#[cfg(target_arch = "wasm32")]
#[global_allocator]
static ALLOCATOR: mini_alloc::MiniAlloc = mini_alloc::MiniAlloc::INIT;

/// The waPC entry point: names the functions that the host may call.
#[cfg(target_arch = "wasm32")]
#[expect(unsafe_code, reason = "the host finds the entry point by its unmangled name")]
#[unsafe(no_mangle)]
pub extern "C" fn wapc_init() {
    use wapc_guest::register_function;

    register_function("validate", |payload| Ok(guest::validate(payload, &cluster::KubewardenHost)));
    register_function("diagnose", |payload| Ok(guest::diagnose(payload, &cluster::KubewardenHost)));
    register_function("validate_settings", |payload| Ok(guest::validate_settings(payload)));
    register_function("protocol_version", kubewarden_policy_sdk::protocol_version_guest);
}
