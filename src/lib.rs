// SPDX-License-Identifier: Apache-2.0
//! serviceaccount-hygiene: a Kubewarden policy that validates and mutates Pods,
//! workloads, ServiceAccounts and related objects. A container gets a token for
//! the Kubernetes API only if someone requests it, and a cloud identity is
//! declared once, on the ServiceAccount.
//!
//! Data flows one way: payload → request → subject → plan (the rules that are
//! on for the subject) → exemptions → fixed object → findings → verdict →
//! response.

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

/// Allocates memory and never frees it: a fresh instance serves every request
/// (docs/performance.md). The allocator of the C library, which the module
/// contains for panic messages, starts at the same address. That is safe: after
/// a panic, nothing else runs.
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
    register_function("protocol_version", |_| Ok(guest::protocol_version()));
}
