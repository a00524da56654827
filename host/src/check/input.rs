// SPDX-License-Identifier: Apache-2.0

//! Finds the files to check: named files, and files in directories.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::exclude::Excludes;
use super::kustomize::{FILES, Kustomizations};
use super::read;
use super::render::{CHART, Renderable};
use super::source::{SourceFile, Unreadable};
use crate::shown;

/// What to read, and how.
#[derive(Debug, Clone)]
pub struct InputOptions {
    /// Whether documents that are not Kubernetes objects are also skipped in named files.
    pub skip_non_objects: bool,
    /// The maximum size of a file, in bytes.
    pub max_file_size: u64,
    /// The files that are not checked, even if they are named.
    pub excludes: Excludes,
    /// The file whose content is the standard input.
    pub stdin_filename: Option<PathBuf>,
    /// Whether charts and kustomizations in directories are rendered.
    pub render: bool,
    /// The namespace to render charts for.
    pub namespace: String,
}

impl Default for InputOptions {
    fn default() -> Self {
        Self {
            skip_non_objects: false,
            max_file_size: read::DEFAULT_MAX_SIZE,
            excludes: Excludes::default(),
            stdin_filename: None,
            render: false,
            namespace: "default".to_owned(),
        }
    }
}

/// A file to check.
#[derive(Debug, Clone)]
pub struct Input {
    /// As the user named it; `-` is the standard input.
    pub path: PathBuf,
    /// The directory outside which nothing is written.
    pub tree: PathBuf,
    is_strict: bool,
    /// The text, if it does not have to be read.
    text: Option<Arc<str>>,
    /// What the text was rendered from, if it was.
    rendered_from: Option<String>,
}

impl Input {
    fn new(path: PathBuf, tree: PathBuf, is_strict: bool) -> Self {
        Self { path, tree, is_strict, text: None, rendered_from: None }
    }

    /// Whether it is the standard input.
    pub fn is_standard_input(&self) -> bool {
        self.path.as_os_str() == "-"
    }
}

/// The content of a directory.
#[derive(Default)]
struct Found {
    files: Vec<PathBuf>,
    renderables: Vec<Renderable>,
}

/// The files, in the order of the command line; the files of a directory are sorted.
#[derive(Debug, Default)]
pub struct Inputs {
    /// The files.
    pub files: Vec<Input>,
    /// Directories that cannot be read.
    pub unreadable: Vec<Unreadable>,
    /// What the kustomizations around them list.
    pub kustomizations: Kustomizations,
    /// The number of files that patterns exclude.
    pub excluded: usize,
    /// How to check the charts that are not rendered.
    pub hints: Vec<String>,
    max_file_size: u64,
    stdin_filename: Option<PathBuf>,
    standard_input: Mutex<Option<Result<Arc<str>, String>>>,
}

impl Inputs {
    /// Finds the files. A file that is found twice is checked once.
    pub fn find<P: AsRef<Path>>(paths: impl IntoIterator<Item = P>, options: &InputOptions) -> Self {
        let mut inputs = Self {
            max_file_size: options.max_file_size,
            stdin_filename: options.stdin_filename.clone(),
            ..Self::default()
        };
        let mut seen = BTreeSet::new();
        let mut renderables = Vec::new();
        for path in paths {
            let path = path.as_ref();
            let is_folder = path.as_os_str() != "-" && path.is_dir();
            let is_strict = !is_folder && !options.skip_non_objects;
            let mut found = Found::default();
            if is_folder {
                inputs.walk(path, options, &mut found);
            } else {
                let name = options.stdin_filename.as_deref().filter(|_| path.as_os_str() == "-").unwrap_or(path);
                let is_excluded = options.excludes.has(name, false);
                inputs.excluded += usize::from(is_excluded);
                found.files.extend((!is_excluded).then(|| path.to_owned()));
            }
            found.files.sort();
            let tree = if is_folder { path.to_owned() } else { parent(path).to_owned() };
            let files = found.files.into_iter().filter(|file| seen.insert(file.clone()));
            inputs.files.extend(files.map(|path| Input::new(path, tree.clone(), is_strict)));
            renderables.extend(found.renderables);
        }
        let names = inputs.files.iter().filter_map(|file| inputs.name(file));
        let folders = renderables.iter().filter_map(|it| match it {
            Renderable::Kustomization(folder) => Some(folder.join(FILES[0])),
            Renderable::Chart(_) => None,
        });
        let names: Vec<PathBuf> = names.map(Path::to_owned).chain(folders).collect();
        inputs.kustomizations = Kustomizations::of(names.iter().map(PathBuf::as_path));
        if options.render {
            inputs.render(renderables, options);
        } else {
            let charts = renderables.iter().filter(|it| matches!(it, Renderable::Chart(_)));
            inputs.hints = charts.map(|chart| chart.hint(&options.namespace)).collect();
        }
        inputs
    }

    /// Replaces the files of charts and kustomizations with the rendered output.
    fn render(&mut self, renderables: Vec<Renderable>, options: &InputOptions) {
        let kustomizations = &self.kustomizations;
        self.files.retain(|file| {
            let is_kustomization =
                file.path.file_name().and_then(|it| it.to_str()).is_some_and(|it| FILES.contains(&it));
            file.is_strict || !(is_kustomization || kustomizations.has_resource(&file.path))
        });
        for renderable in renderables {
            match &renderable {
                Renderable::Kustomization(folder) if !self.kustomizations.is_root(folder) => continue,
                Renderable::Kustomization(_) | Renderable::Chart(_) => {}
            }
            let name = renderable.name();
            match renderable.render(&options.namespace, options.max_file_size) {
                Err(error) => self.unreadable.push(Unreadable::of_file(&name, error)),
                Ok(text) => self.files.push(Input {
                    text: Some(text.into()),
                    rendered_from: Some(name.trim_end_matches(" (rendered)").to_owned()),
                    ..Input::new(name.into(), PathBuf::from("."), true)
                }),
            }
        }
    }

    /// Treats a text as the content of a file.
    pub fn of_text(name: &str, text: &str) -> Self {
        let file = Input { text: Some(text.into()), ..Input::new(name.into(), PathBuf::from("."), true) };
        Self { files: vec![file], max_file_size: read::DEFAULT_MAX_SIZE, ..Self::default() }
    }

    /// Adds the YAML and JSON files below a directory. Names that begin with a dot are skipped, and links to directories, which
    /// can form cycles, are not followed.
    fn walk(&mut self, folder: &Path, options: &InputOptions, found: &mut Found) {
        let is_in_chart =
            found.renderables.iter().any(|it| matches!(it, Renderable::Chart(chart) if folder.starts_with(chart)));
        if !is_in_chart && folder.join(CHART).is_file() {
            found.renderables.push(Renderable::Chart(folder.to_owned()));
            if options.render {
                return;
            }
        } else if FILES.iter().any(|name| folder.join(name).is_file()) {
            found.renderables.push(Renderable::Kustomization(folder.to_owned()));
        }
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
                if !options.excludes.has(&path, true) {
                    self.walk(&path, options, found);
                }
            } else if has_known_name && !path.is_dir() {
                if options.excludes.has(&path, false) {
                    self.excluded += 1;
                } else {
                    found.files.push(path);
                }
            }
        }
    }

    /// The path of a file, or the one given with `--stdin-filename`; `None` for the standard input without one.
    fn name<'i>(&'i self, input: &'i Input) -> Option<&'i Path> {
        if input.is_standard_input() { self.stdin_filename.as_deref() } else { Some(&input.path) }
    }

    /// Reads a file. The standard input is read once and kept.
    pub fn read(&self, input: &Input) -> Result<SourceFile, Unreadable> {
        let path = self.name(input);
        let name = path.unwrap_or(&input.path).display().to_string();
        let text = match &input.text {
            Some(text) => Ok(text.to_string()),
            None if input.is_standard_input() => self.standard_input().map(|text| text.to_string()),
            None => read::file(&input.path, self.max_file_size).map_err(|error| error.to_string()),
        };
        let text = text.map_err(|error| Unreadable::of_file(&name, error))?;
        let mut file = SourceFile::new(&name, path.map(Path::to_owned), text, input.is_strict);
        file.patch_of = path.and_then(|path| self.kustomizations.patched_by(path)).map(shown::path);
        file.rendered_from.clone_from(&input.rendered_from);
        Ok(file)
    }

    /// The text of the standard input, if it can be read.
    pub fn standard_input_text(&self) -> Option<String> {
        self.standard_input().ok().map(|text| text.to_string())
    }

    fn standard_input(&self) -> Result<Arc<str>, String> {
        let mut text = self.standard_input.lock().unwrap_or_else(PoisonError::into_inner);
        text.get_or_insert_with(|| {
            read::standard_input(self.max_file_size).map(Arc::from).map_err(|error| error.to_string())
        })
        .clone()
    }
}

/// The directory of a file.
pub(super) fn parent(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn skips_hidden_files_and_linked_folders() {
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
