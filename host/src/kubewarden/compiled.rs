// SPDX-License-Identifier: Apache-2.0

//! Compiled modules: built into the program, or kept in wasmtime's own cache, in a directory of the user.
//!
//! Compiling takes 0.4 s, ten times what `check` needs for a file. Released programs have the machine code of their own policy
//! built in ([`policy_precompile`]). Programs that were built without it, and machines with an older processor, use the cache.

use std::path::Path;

use anyhow::Result;
pub(super) use policy_precompile::engine;
use wasmtime::{Cache, CacheConfig, Config, Engine, InstanceAllocationStrategy, Module, PoolingAllocationConfig};

use crate::ownership;

/// How much of an instance's memory stays with the process for the next instance, in bytes: as much as an instance uses until
/// it is replaced (`MAX_INSTANCE_BYTES`). Otherwise, each page causes a page fault, two or three for a Pod.
const KEPT_MEMORY: usize = 2 << 20;

/// A module from machine code of [`policy_precompile`]; `None` if the code is empty, or not for this processor.
///
/// # Safety
///
/// See [`super::Module::for_many_requests_of`].
#[expect(unsafe_code, reason = "the caller vouches for the code")]
pub(super) unsafe fn load(code: &[u8]) -> Result<Option<(Engine, Module)>> {
    if code.is_empty() {
        return Ok(None);
    }
    let engine = pooled(Config::default())?;
    let Ok(code) = policy_precompile::decompress(code) else { return Ok(None) };
    // SAFETY: the caller vouches for the code. wasmtime rejects code for another target, for other settings, or for a processor
    // with more features than this one.
    let module = unsafe { Module::deserialize(&engine, &code) };
    Ok(module.ok().map(|module| (engine, module)))
}

/// An engine with the cache.
pub(super) fn with_cache() -> Result<Engine> {
    let mut config = Config::default();
    config.cache(cache());
    pooled(config)
}

/// An engine that allocates instances from a pool: successive instances get the same memory. The pool reserves 4 GiB of address
/// space for each instance; if address space is limited, there is no pool.
fn pooled(config: Config) -> Result<Engine> {
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

/// The cache; `None` if the user has no cache directory, or if others could write to it: its content is executed.
fn cache() -> Option<Cache> {
    in_folder(&ownership::user_caches()?.join("sa-hygiene"))
}

fn in_folder(folder: &Path) -> Option<Cache> {
    ownership::create_private(folder).ok()?;
    let home = folder.parent()?.metadata().ok()?;
    ownership::is_private(&folder.symlink_metadata().ok()?, &home).then_some(())?;
    let mut config = CacheConfig::new();
    config.with_directory(folder);
    Cache::new(config).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The test program has no built-in code; this loads what the build script would embed.
    #[test]
    #[expect(unsafe_code, reason = "see below")]
    fn precompiled_code() {
        let code = policy_precompile::compile(policy_module::WASM, env!("SA_HYGIENE_TARGET")).unwrap();
        // SAFETY: the code was compiled above, and wasmtime rejects what is not code.
        unsafe {
            let module = super::super::Module::for_many_requests_of(policy_module::WASM, &code).unwrap();
            assert_eq!(module.size(), policy_module::WASM.len());
            assert!(load(&code).unwrap().is_some());
            // Empty code, and code that is not for this wasmtime, is ignored.
            assert!(load(&[]).unwrap().is_none());
            assert!(load(b"other").unwrap().is_none());
        }
    }

    #[cfg(unix)]
    #[test]
    fn rejects_writable_cache() {
        use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("cache");
        assert!(in_folder(&folder).is_some());
        assert_eq!(folder.metadata().unwrap().mode() & 0o777, 0o700);
        std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o777)).unwrap();
        assert!(in_folder(&folder).is_none());
        let link = home.path().join("link");
        std::os::unix::fs::symlink(home.path(), &link).unwrap();
        assert!(in_folder(&link).is_none());
        assert!(in_folder(Path::new("/dev/null/x")).is_none());
    }
}
