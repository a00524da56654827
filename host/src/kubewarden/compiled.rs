// SPDX-License-Identifier: Apache-2.0

//! What the compiler made of a module, kept for the next time: wasmtime's own cache, in a folder of the user's.

use std::fs::{DirBuilder, Metadata};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use wasmtime_provider::wasmtime::{Cache, CacheConfig};

/// The cache; none where the user has no folder for such things, or one that others could write into: what is in it is
/// executed.
pub(super) fn cache() -> Option<Cache> {
    let variable = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let caches = variable("XDG_CACHE_HOME").or_else(|| Some(variable("HOME")?.join(".cache")))?;
    in_folder(&caches.join("sa-hygiene"))
}

fn in_folder(folder: &Path) -> Option<Cache> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder).ok()?;
    let home = folder.parent()?.metadata().ok()?;
    is_private(&folder.symlink_metadata().ok()?, &home).then_some(())?;
    let mut config = CacheConfig::new();
    config.with_directory(folder);
    Cache::new(config).ok()
}

/// A folder of whoever owns the one above it, and nobody else's to write into.
fn is_private(folder: &Metadata, above: &Metadata) -> bool {
    folder.is_dir() && folder.uid() == above.uid() && folder.mode() & 0o022 == 0
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_folder_that_others_may_write_into_is_not_used() {
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
