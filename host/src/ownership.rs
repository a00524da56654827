// SPDX-License-Identifier: Apache-2.0

//! Owners, modes and names of files. Windows has neither owners nor modes in this sense: a new file inherits the access rules
//! of its directory, and a user's own directories are not accessible to other users.

use std::fs::{File, Metadata};
use std::io;
use std::path::Path;

/// How many names (hard links) a file has.
#[cfg(unix)]
pub(crate) fn names(metadata: &Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::nlink(metadata)
}

/// Always 1: Windows reports this only for open files, in an API that the standard library does not have yet.
#[cfg(not(unix))]
pub(crate) fn names(_metadata: &Metadata) -> u64 {
    1
}

/// Gives a file the owner and the group of another one.
///
/// # Errors
/// If the user may not give files to that owner.
#[cfg(unix)]
pub(crate) fn keep_owner(file: &File, like: &Metadata) -> io::Result<()> {
    use std::os::unix::fs::{MetadataExt as _, fchown};
    let own = file.metadata()?;
    if (own.uid(), own.gid()) == (like.uid(), like.gid()) {
        return Ok(());
    }
    fchown(file, Some(like.uid()), Some(like.gid()))
}

/// See the module documentation.
#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "as on other systems")]
pub(crate) fn keep_owner(_file: &File, _like: &Metadata) -> io::Result<()> {
    Ok(())
}

/// Sets the mode of an ordinary new file, which the umask restricts. By default, only the owner can read temporary files.
#[cfg(unix)]
pub(crate) fn as_new_file(builder: &mut tempfile::Builder<'_, '_>) {
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
}

/// See the module documentation.
#[cfg(not(unix))]
pub(crate) fn as_new_file(_builder: &mut tempfile::Builder<'_, '_>) {}

/// Lets the owner write to a file.
///
/// # Errors
/// If the file belongs to another user.
#[cfg(unix)]
pub fn make_writable(path: &Path) -> io::Result<()> {
    std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o644))
}

/// Clears the read-only attribute.
#[cfg(not(unix))]
pub fn make_writable(path: &Path) -> io::Result<()> {
    let mut permissions = path.metadata()?.permissions();
    #[expect(clippy::permissions_set_readonly_false, reason = "not Unix")]
    permissions.set_readonly(false);
    std::fs::set_permissions(path, permissions)
}
