// SPDX-License-Identifier: Apache-2.0

//! Which files there are to check: those that were named, and those in folders.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::kustomize::Kustomizations;
use super::read;
use super::source::{SourceFile, Unreadable};
use crate::shown;

/// What to read, and how.
#[derive(Debug, Clone)]
pub struct InputOptions {
    /// What is not a Kubernetes object is left out in named files, too.
    pub skip_non_objects: bool,
    /// The largest file that is read, in bytes.
    pub max_file_size: u64,
}

impl Default for InputOptions {
    fn default() -> Self {
        Self { skip_non_objects: false, max_file_size: read::DEFAULT_MAX_SIZE }
    }
}

/// A file to check.
#[derive(Debug, Clone)]
pub struct Input {
    /// As the user named it; `-` is the standard input.
    pub path: PathBuf,
    /// The folder outside of which nothing is written.
    pub tree: PathBuf,
    is_strict: bool,
    /// A text that is there already.
    text: Option<Arc<str>>,
}

/// The files, in the order of the command line, folders sorted.
#[derive(Debug, Default)]
pub struct Inputs {
    /// The files.
    pub files: Vec<Input>,
    /// Folders that cannot be read.
    pub unreadable: Vec<Unreadable>,
    /// What the kustomizations around them list.
    pub kustomizations: Kustomizations,
    max_file_size: u64,
    standard_input: Mutex<Option<Result<Arc<str>, String>>>,
}

impl Inputs {
    /// Looks for the files. Of the same file twice, the second is left out.
    pub fn find<P: AsRef<Path>>(paths: impl IntoIterator<Item = P>, options: &InputOptions) -> Self {
        let mut inputs = Self { max_file_size: options.max_file_size, ..Self::default() };
        let mut seen = BTreeSet::new();
        for path in paths {
            let path = path.as_ref();
            let is_folder = path.as_os_str() != "-" && path.is_dir();
            let is_strict = !is_folder && !options.skip_non_objects;
            let mut found = Vec::new();
            if is_folder {
                inputs.walk(path, &mut found);
            } else {
                found.push(path.to_owned());
            }
            found.sort();
            let tree = if is_folder { path.to_owned() } else { parent(path).to_owned() };
            let files = found.into_iter().filter(|file| seen.insert(file.clone()));
            inputs.files.extend(files.map(|path| Input { path, tree: tree.clone(), is_strict, text: None }));
        }
        inputs.kustomizations = Kustomizations::of(inputs.files.iter().map(|file| file.path.as_path()));
        inputs
    }

    /// A text as if it was read from a file.
    pub fn of_text(name: &str, text: &str) -> Self {
        let file = Input { path: name.into(), tree: PathBuf::from("."), is_strict: true, text: Some(text.into()) };
        Self { files: vec![file], max_file_size: read::DEFAULT_MAX_SIZE, ..Self::default() }
    }

    /// The YAML and JSON files below a folder. What begins with a dot is left out, and links to folders, which may lead
    /// in circles, are not followed.
    fn walk(&mut self, folder: &Path, found: &mut Vec<PathBuf>) {
        let entries = match std::fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) => return self.unreadable.push(Unreadable::of_file(&shown::path(folder), error.to_string())),
        };
        for entry in entries {
            let entry = match entry {
                Ok(entry) => entry,
                Err(error) => {
                    self.unreadable.push(Unreadable::of_file(&shown::path(folder), error.to_string()));
                    continue;
                }
            };
            let (name, path) = (entry.file_name(), entry.path());
            if name.as_encoded_bytes().starts_with(b".") {
                continue;
            }
            let has_known_name =
                path.extension().is_some_and(|it| ["yaml", "yml", "json"].iter().any(|known| it == *known));
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                self.walk(&path, found);
            } else if has_known_name && !path.is_dir() {
                found.push(path);
            }
        }
    }

    /// Reads a file. The standard input is read once, and then stays.
    pub fn read(&self, input: &Input) -> Result<SourceFile, Unreadable> {
        let name = input.path.display().to_string();
        let is_standard_input = input.path.as_os_str() == "-";
        let text = match &input.text {
            Some(text) => Ok(text.to_string()),
            None if is_standard_input => self.standard_input().map(|text| text.to_string()),
            None => read::file(&input.path, self.max_file_size).map_err(|error| error.to_string()),
        };
        let text = text.map_err(|error| Unreadable::of_file(&name, error))?;
        let path = (!is_standard_input).then(|| input.path.clone());
        let mut file = SourceFile::new(&name, path, text, input.is_strict);
        file.patch_of = self.kustomizations.patched_by(&input.path).map(shown::path);
        Ok(file)
    }

    fn standard_input(&self) -> Result<Arc<str>, String> {
        let mut text = self.standard_input.lock().unwrap_or_else(PoisonError::into_inner);
        text.get_or_insert_with(|| {
            read::standard_input(self.max_file_size).map(Arc::from).map_err(|error| error.to_string())
        })
        .clone()
    }
}

/// The folder of a file.
pub(super) fn parent(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_read_and_hidden_files_and_linked_folders_are_not() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str| {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "a: 1\n").unwrap();
        };
        ["b.yaml", "a/c.yml", "a/d.json", "a/notes.txt", ".hidden/e.yaml", ".f.yaml"].into_iter().for_each(write);
        std::os::unix::fs::symlink(folder.path().join("a"), folder.path().join("circle.yaml")).unwrap();
        let inputs = Inputs::find([folder.path(), &folder.path().join("b.yaml")], &InputOptions::default());
        let names: Vec<_> =
            inputs.files.iter().map(|it| it.path.strip_prefix(folder.path()).unwrap().to_str().unwrap()).collect();
        assert_eq!(names, ["a/c.yml", "a/d.json", "b.yaml"]);
        assert_eq!(inputs.unreadable, []);
    }
}
