// SPDX-License-Identifier: Apache-2.0

//! Replaces files atomically, and keeps their owner and mode.

use std::fs::{File, Metadata};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use tempfile::NamedTempFile;

use super::input::{Input, parent};
use crate::{ownership, shown};

/// Replaces a file, unless it changed after it was read.
pub(super) fn replace(input: &Input, before: &str, after: &str) -> Result<()> {
    let path = target(&input.path, &input.tree)?;
    let old = File::open(&path).context("cannot be read again")?;
    let metadata = old.metadata()?;
    if !metadata.is_file() {
        bail!("not a regular file");
    }
    let names = ownership::names(&metadata);
    if names > 1 {
        bail!("the file has {names} hard links, and replacing it would break them");
    }
    if metadata.permissions().readonly() {
        bail!("the file is read-only");
    }
    let new = written(parent(&path), after, Some(&metadata))?;
    // Checked as late as possible, so that changes by others are not lost.
    if !std::fs::read(&path).is_ok_and(|now| now == before.as_bytes()) {
        bail!("the file has changed in the meantime");
    }
    persist(new, &path)
}

/// Writes a new or existing file.
pub(super) fn write(path: &Path, content: &str) -> Result<()> {
    // Writes to the target of a link, and keeps the link.
    let path = &path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let metadata = path.metadata().ok();
    if metadata.as_ref().is_some_and(|it| !it.is_file()) {
        bail!("not a regular file");
    }
    persist(written(parent(path), content, metadata.as_ref())?, path)
}

/// The file that a path leads to. Fails for a symbolic link that points outside of the tree.
fn target(path: &Path, tree: &Path) -> Result<PathBuf> {
    let target = path.canonicalize().context("no longer exists")?;
    let tree = tree.canonicalize().context("its directory no longer exists")?;
    if !target.starts_with(&tree) {
        bail!("a symbolic link that points outside of {}", shown::path(&tree));
    }
    Ok(target)
}

/// Writes a temporary file with a unique name next to the final one.
fn written(folder: &Path, content: &str, like: Option<&Metadata>) -> Result<NamedTempFile> {
    let cannot = "cannot be written";
    let mut builder = tempfile::Builder::new();
    builder.prefix(".sa-hygiene-").suffix(".tmp");
    if like.is_none() {
        ownership::as_new_file(&mut builder);
    }
    let mut file = builder.tempfile_in(folder).context(cannot)?;
    file.write_all(content.as_bytes()).context(cannot)?;
    if let Some(like) = like {
        ownership::keep_owner(file.as_file(), like).context("the file's owner cannot be kept")?;
        // After the owner, because a new owner clears some of the mode bits.
        file.as_file().set_permissions(like.permissions()).context("the file's mode cannot be kept")?;
    }
    file.as_file().sync_all().context(cannot)?;
    Ok(file)
}

fn persist(file: NamedTempFile, path: &Path) -> Result<()> {
    file.persist(path).context("cannot be written")?;
    // The new name is stored in the directory, which is synchronised separately. Not every file system supports this.
    if let Ok(folder) = File::open(parent(path)) {
        let _ = folder.sync_all();
    }
    Ok(())
}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};

    use super::super::input::{InputOptions, Inputs};
    use super::*;

    struct Folder(tempfile::TempDir);

    impl Folder {
        fn new() -> Self {
            let folder = Self(tempfile::tempdir().unwrap());
            std::fs::create_dir(folder.path("tree")).unwrap();
            std::fs::write(folder.path("tree/a.yaml"), "old").unwrap();
            folder
        }

        fn path(&self, name: &str) -> PathBuf {
            self.0.path().join(name)
        }

        fn replace(&self, name: &str) -> Result<()> {
            let inputs = Inputs::find([self.path("tree")], &InputOptions::default());
            let input = inputs.files.iter().find(|it| it.path == self.path(name)).unwrap();
            replace(input, "old", "new")
        }

        fn text(&self, name: &str) -> String {
            std::fs::read_to_string(self.path(name)).unwrap()
        }

        fn names(&self) -> Vec<String> {
            let entries = std::fs::read_dir(self.path("tree")).unwrap();
            let mut names: Vec<_> = entries.map(|it| it.unwrap().file_name().into_string().unwrap()).collect();
            names.sort();
            names
        }
    }

    #[test]
    fn keeps_mode_and_owner() {
        let folder = Folder::new();
        let path = folder.path("tree/a.yaml");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        // Only root may give files away.
        let gives_away = std::os::unix::fs::chown(&path, Some(1234), Some(1235)).is_ok();
        // A temporary file of another process.
        std::fs::write(folder.path("tree/.sa-hygiene-x.tmp"), "theirs").unwrap();
        folder.replace("tree/a.yaml").unwrap();
        let metadata = path.metadata().unwrap();
        assert_eq!((folder.text("tree/a.yaml").as_str(), metadata.mode() & 0o7777), ("new", 0o640));
        if gives_away {
            assert_eq!((metadata.uid(), metadata.gid()), (1234, 1235));
        }
        assert_eq!(folder.names(), [".sa-hygiene-x.tmp", "a.yaml"]);
        assert_eq!(folder.text("tree/.sa-hygiene-x.tmp"), "theirs");
    }

    #[test]
    fn skips_changed_and_hard_linked_files() {
        let folder = Folder::new();
        std::fs::hard_link(folder.path("tree/a.yaml"), folder.path("other")).unwrap();
        let error = folder.replace("tree/a.yaml").unwrap_err().to_string();
        assert!(error.contains("2 hard links"), "{error}");
        std::fs::remove_file(folder.path("other")).unwrap();
        std::fs::write(folder.path("tree/a.yaml"), "newer").unwrap();
        assert_eq!(folder.replace("tree/a.yaml").unwrap_err().to_string(), "the file has changed in the meantime");
        assert_eq!((folder.text("tree/a.yaml").as_str(), folder.names().len()), ("newer", 1));
    }

    #[test]
    fn links_inside_the_tree() {
        let folder = Folder::new();
        std::fs::write(folder.path("outside.yaml"), "old").unwrap();
        symlink("../outside.yaml", folder.path("tree/out.yaml")).unwrap();
        symlink("a.yaml", folder.path("tree/in.yaml")).unwrap();
        let error = folder.replace("tree/out.yaml").unwrap_err().to_string();
        assert!(error.starts_with("a symbolic link that points outside of "), "{error}");
        assert_eq!(folder.text("outside.yaml"), "old");
        folder.replace("tree/in.yaml").unwrap();
        assert_eq!(folder.text("tree/a.yaml"), "new");
        assert!(folder.path("tree/in.yaml").symlink_metadata().unwrap().is_symlink());
    }

    #[test]
    fn read_only_file() {
        let folder = Folder::new();
        let path = folder.path("tree/a.yaml");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o444)).unwrap();
        assert_eq!(folder.replace("tree/a.yaml").unwrap_err().to_string(), "the file is read-only");
    }

    #[test]
    fn mode_of_new_files() {
        let folder = Folder::new();
        write(&folder.path("tree/new.yaml"), "a").unwrap();
        assert_eq!(folder.path("tree/new.yaml").metadata().unwrap().mode() & 0o600, 0o600);
        symlink("new.yaml", folder.path("tree/link.yaml")).unwrap();
        write(&folder.path("tree/link.yaml"), "b").unwrap();
        assert_eq!(folder.text("tree/new.yaml"), "b");
    }
}
