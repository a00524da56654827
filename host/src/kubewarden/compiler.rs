// SPDX-License-Identifier: Apache-2.0

//! Compiles modules (the feature `compiler`), and keeps the result in wasmtime's own cache, in a directory of the user.
//!
//! Compiling takes 0.4 s, ten times what `check` needs for a file. Released programs contain the machine code of their own
//! policy instead, and no compiler: it would be 40% of the program, and more than 40% of the time to build it
//! (docs/performance.md).

use std::fs::{DirBuilder, Metadata};
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow};
use wasmtime::{Cache, CacheConfig, Config, Engine, Module as WasmModule};

use super::Module;
use super::compiled::{engine, pooled};

impl Module {
    /// Compiles a waPC module.
    ///
    /// # Errors
    /// If it is not a valid module, or not one for waPC.
    pub fn new(wasm: &[u8]) -> Result<Self> {
        compile(wasm, &engine(Config::default())?)
    }

    /// Compiles a module for many requests in a row, or loads it from the cache; see [`Self::reusing_instances`].
    ///
    /// # Errors
    /// The same as for [`Self::new`].
    pub fn for_many_requests(wasm: &[u8]) -> Result<Self> {
        // A module with several memories or tables does not fit into the pool.
        let module = compile(wasm, &engine_with_cache()?).or_else(|_| compile(wasm, &engine(Config::default())?))?;
        Ok(module.reusing_instances())
    }
}

fn compile(wasm: &[u8], engine: &Engine) -> Result<Module> {
    let module = WasmModule::new(engine, wasm).map_err(|error| anyhow!("cannot compile the module: {error:#}"))?;
    Module::ready(engine, &module, wasm.len())
}

fn engine_with_cache() -> Result<Engine> {
    let mut config = Config::default();
    config.cache(cache());
    pooled(config)
}

/// The cache; `None` if the user has no cache directory, or if others could write to it: its content is executed.
fn cache() -> Option<Cache> {
    in_folder(&user_caches()?.join("sa-hygiene"))
}

/// The user's directory for caches.
fn user_caches() -> Option<PathBuf> {
    let variable = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    if cfg!(windows) {
        return variable("LOCALAPPDATA");
    }
    variable("XDG_CACHE_HOME").or_else(|| Some(variable("HOME")?.join(".cache")))
}

fn in_folder(folder: &Path) -> Option<Cache> {
    create_private(folder).ok()?;
    let home = folder.parent()?.metadata().ok()?;
    is_private(&folder.symlink_metadata().ok()?, &home).then_some(())?;
    let mut config = CacheConfig::new();
    config.with_directory(folder);
    Cache::new(config).ok()
}

/// Creates a directory that only its owner may use.
fn create_private(folder: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

/// Whether a directory has the same owner as the one above it, and nobody else may write to it.
#[cfg(unix)]
fn is_private(folder: &Metadata, above: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    folder.is_dir() && folder.uid() == above.uid() && folder.mode() & 0o022 == 0
}

/// Whether it is a directory, and not a link: Windows has neither owners nor modes in this sense, and a user's own directories
/// are not accessible to other users.
#[cfg(not(unix))]
fn is_private(folder: &Metadata, above: &Metadata) -> bool {
    folder.is_dir() && above.is_dir()
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

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
