// SPDX-License-Identifier: Apache-2.0

//! Files that are not checked: patterns in the syntax of `.gitignore` (<https://git-scm.com/docs/gitignore>).

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use ignore::gitignore::{Gitignore, GitignoreBuilder};

use crate::shown;

/// Patterns, each relative to a directory.
#[derive(Debug, Clone, Default)]
pub struct Excludes {
    matchers: Vec<Gitignore>,
}

impl Excludes {
    /// Adds patterns that are relative to a directory. Among these patterns, later ones take precedence, as in one file.
    pub fn add<P: AsRef<str>>(&mut self, root: &Path, patterns: &[P]) -> Result<()> {
        if patterns.is_empty() {
            return Ok(());
        }
        let root = real(root);
        let mut builder = GitignoreBuilder::new(&root);
        for pattern in patterns.iter().map(AsRef::as_ref) {
            builder.add_line(None, pattern).with_context(|| format!("`{}`: not a pattern", shown::text(pattern)))?;
        }
        self.matchers.push(builder.build().context("the patterns cannot be used")?);
        Ok(())
    }

    /// Whether a file or directory is excluded, by its own path or by that of a parent directory.
    pub(super) fn has(&self, path: &Path, is_folder: bool) -> bool {
        if self.matchers.is_empty() {
            return false;
        }
        let path = real(path);
        self.matchers.iter().any(|matcher| {
            // Patterns apply only below their directory.
            path.starts_with(matcher.path()) && matcher.matched_path_or_any_parents(&path, is_folder).is_ignore()
        })
    }
}

/// The path with symbolic links resolved, if it exists.
fn real(path: &Path) -> PathBuf {
    path.canonicalize().or_else(|_| std::path::absolute(path)).unwrap_or_else(|_| path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gitignore_patterns() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["a/b/c.yaml", "a/vendor/d.yaml", "keep/c.yaml", "e.yaml"] {
            std::fs::create_dir_all(folder.path().join(name).parent().unwrap()).unwrap();
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        let mut excludes = Excludes::default();
        excludes.add(folder.path(), &["vendor/", "*/b", "c.yaml", "!keep/c.yaml", "/e.*"]).unwrap();
        let has = |name: &str| excludes.has(&folder.path().join(name), false);
        let names = ["a/b/c.yaml", "a/vendor/d.yaml", "keep/c.yaml", "e.yaml", "a/e.yaml"];
        assert_eq!(names.map(has), [true, true, false, true, false]);
        assert!(excludes.has(&folder.path().join("a/vendor"), true));
        assert!(!excludes.has(Path::new("/e.yaml"), false), "outside of the folder");
        assert_eq!(
            Excludes::default().add(folder.path(), &["[z-a]"]).unwrap_err().to_string(),
            "`[z-a]`: not a pattern"
        );
    }
}
