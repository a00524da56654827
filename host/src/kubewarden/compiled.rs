// SPDX-License-Identifier: Apache-2.0

//! Modules from machine code that was compiled before ([`policy_precompile`]).

use anyhow::{Context as _, Result, anyhow};
pub(super) use policy_precompile::engine;
use wasmtime::{Config, Engine, InstanceAllocationStrategy, Module, PoolingAllocationConfig};

/// How much of an instance's memory stays with the process for the next instance, in bytes: as much as an instance uses until
/// it is replaced (`MAX_INSTANCE_BYTES`). Otherwise, each page causes a page fault, two or three for a Pod.
const KEPT_MEMORY: usize = 2 << 20;

/// A module from machine code of [`policy_precompile`].
///
/// # Errors
/// If the code is for another platform, or another major version or configuration of wasmtime.
///
/// # Safety
/// See [`super::Module::from_machine_code`].
#[expect(unsafe_code, reason = "the caller vouches for the code")]
pub(super) unsafe fn load(code: &[u8]) -> Result<(Engine, Module)> {
    let engine = pooled(Config::default())?;
    let code = policy_precompile::decompress(code).context("cannot load the policy's machine code")?;
    // SAFETY: the caller vouches for the code. wasmtime rejects code for another target, for other settings, or for a processor
    // with more features than this one.
    let module = unsafe { Module::deserialize(&engine, &code) };
    let module = module.map_err(|error| anyhow!("cannot load the policy's machine code: {error:#}"))?;
    Ok((engine, module))
}

/// An engine that allocates instances from a pool: successive instances get the same memory. The pool reserves 4 GiB of address
/// space for each instance; if address space is limited, there is no pool.
pub(super) fn pooled(config: Config) -> Result<Engine> {
    // Each thread has one instance of each module.
    let instances =
        u32::try_from(rayon::current_num_threads()).unwrap_or(u32::MAX / 4).saturating_add(1).saturating_mul(4);
    let mut pool = PoolingAllocationConfig::default();
    pool.total_core_instances(instances)
        .total_memories(instances)
        .total_tables(instances)
        .linear_memory_keep_resident(KEPT_MEMORY);
    let mut with_pool = config.clone();
    with_pool.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    engine(with_pool).or_else(|_| engine(config))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kubewarden::{Policy, PolicyConfig};

    /// The test program has no built-in code; this loads what the build script would embed.
    #[test]
    #[expect(unsafe_code, reason = "the code was compiled in the same test")]
    fn precompiled_code() {
        let code = policy_precompile::compile(policy_module::WASM, env!("SA_HYGIENE_TARGET")).unwrap();
        // SAFETY: see above.
        let load =
            || unsafe { crate::kubewarden::Module::from_machine_code(&code, policy_module::WASM.len()).unwrap() };
        for (module, kept) in [(load(), 0), (load().reusing_instances(), 1)] {
            assert_eq!(module.size(), policy_module::WASM.len());
            let policy = Policy::load(&module, PolicyConfig::default()).unwrap();
            for _ in 0..2 {
                assert!(policy.evaluate_raw("validate_settings", b"{}").is_ok());
                assert_eq!(module.instances(), kept);
            }
        }
    }

    #[test]
    #[expect(unsafe_code, reason = "wasmtime rejects the code")]
    fn rejects_other_code() {
        let other_system = format!("{}-unknown-freebsd", std::env::consts::ARCH);
        let code = policy_precompile::compile(b"\0asm\x01\0\0\0", &other_system).unwrap();
        for (code, expected) in [
            (b"other".as_slice(), "cannot load the policy's machine code: cannot decompress the machine code: "),
            (&code, "cannot load the policy's machine code: Module was compiled for operating system 'freebsd'"),
        ] {
            // SAFETY: see above.
            let error = unsafe { load(code) }.map(|_| ()).unwrap_err();
            assert!(format!("{error:#}").starts_with(expected), "{error:#}");
        }
    }
}
