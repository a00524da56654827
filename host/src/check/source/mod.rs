// SPDX-License-Identifier: Apache-2.0

//! What there is to judge: files, folders, the standard input; every object in them, and where each is written.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use serde_json::Value;

use super::finding::printable;
use super::place;
use crate::cluster::files_below;
use crate::yaml::layout::{self, Step};
use crate::yaml::{self, Document};

/// Everything that was read, and what could not be.
#[derive(Debug, Default)]
pub struct Sources {
    /// In the order of the command line, folders sorted.
    pub files: Vec<SourceFile>,
    /// Every object of every file.
    pub manifests: Vec<Manifest>,
    /// What cannot be judged; the rest is judged all the same.
    pub unreadable: Vec<Unreadable>,
    /// Documents in folders that are no Kubernetes objects, such as a chart's values.
    pub left_out: usize,
}

/// A file that was read.
#[derive(Debug)]
pub struct SourceFile {
    /// As the user named it; `-` is the standard input.
    pub name: Arc<str>,
    /// Its content.
    pub text: String,
    /// The content without the documents that cannot be read, where there are such.
    readable: Option<String>,
    layout: OnceLock<Option<Vec<layout::Node>>>,
}

/// An object as somebody wrote it.
#[derive(Debug, Clone)]
pub struct Manifest {
    /// Its file, an index of [`Sources::files`].
    pub file: usize,
    /// Which document of the file.
    pub ordinal: usize,
    /// Its way through `List`s.
    pub items: Vec<usize>,
    /// 1-based line of the document.
    pub line: usize,
    /// The template that a chart's renderer says it comes from.
    pub origin: Option<String>,
    /// The object.
    pub object: Value,
}

/// A file, or a document of one, that cannot be judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// As the user named it.
    pub file: String,
    /// 1-based, where it is known.
    pub line: Option<usize>,
    /// 1-based, where it is known.
    pub column: Option<usize>,
    /// What is wrong.
    pub message: String,
}

/// Where in the files something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Location {
    /// 1-based.
    pub line: usize,
    /// 1-based.
    pub column: usize,
}

impl Sources {
    /// Reads files and folders. A file that was named must hold objects, unless `others_too`; one that a folder
    /// happens to hold may be something else.
    pub fn read<P: AsRef<Path>>(paths: impl IntoIterator<Item = P>, others_too: bool) -> Self {
        let mut sources = Self::default();
        let mut seen = BTreeSet::new();
        for path in paths {
            let path = path.as_ref();
            let is_strict = !path.is_dir() && !others_too;
            match files_below(path) {
                Ok(files) => {
                    // The same file twice would be judged, and fixed, twice.
                    for file in files.into_iter().filter(|file| seen.insert(file.clone())).collect::<Vec<PathBuf>>() {
                        sources.read_file(&file, is_strict);
                    }
                }
                Err(error) => sources.unreadable.push(Unreadable::without_place(path, format!("{error:#}"))),
            }
        }
        sources
    }

    fn read_file(&mut self, path: &Path, is_strict: bool) {
        match yaml::read_file(path) {
            // As a reader, and a code host, calls it.
            Ok((name, text)) => self.add(name.strip_prefix("./").unwrap_or(&name).into(), text, is_strict),
            Err(error) => self.unreadable.push(Unreadable::of(error, "")),
        }
    }

    /// Adds a text as if it was read from a file.
    pub fn add(&mut self, name: Arc<str>, text: String, is_strict: bool) {
        let (readable, documents) = match yaml::load_str(&text, &name) {
            Ok(documents) => (None, documents),
            Err(error) => {
                // One broken document does not hide the others of its file.
                let (readable, broken) = without_broken(&text, &name);
                let documents = match yaml::load_str(&readable, &name) {
                    Ok(documents) if !broken.is_empty() => documents,
                    _ => return self.unreadable.push(Unreadable::of(error, &text)),
                };
                self.unreadable.extend(broken.into_iter().map(|error| Unreadable::of(error, &text)));
                (Some(readable), documents)
            }
        };
        let file = self.files.len();
        for document in yaml::flatten_lists(documents) {
            let text_of = |key: &str| document.value.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
            match (text_of("apiVersion"), text_of("kind")) {
                (Some(_), Some("List")) if document.value.get("items").is_none_or(Value::is_null) => {}
                (Some(_), Some("List")) => {
                    self.unreadable.push(Unreadable::of(document.error("the items of a List must be a list"), ""));
                }
                (Some(_), Some("AdmissionReview")) => {
                    let message = "an admission request; `sa-hygiene run` judges those";
                    self.unreadable.push(Unreadable::of(document.error(message), ""));
                }
                (Some(_), Some(_)) => self.manifests.push(Manifest::new(document, file, &text)),
                // An entry of a List is an object or a mistake, wherever the file is.
                _ if is_strict || !document.items.is_empty() => {
                    let message = "no kubernetes object: it has no apiVersion and kind";
                    self.unreadable.push(Unreadable::of(document.error(message), ""));
                }
                _ => self.left_out += 1,
            }
        }
        self.files.push(SourceFile { name, text, readable, layout: OnceLock::new() });
    }

    /// The file of an object.
    pub fn file_of(&self, manifest: &Manifest) -> Option<&SourceFile> {
        self.files.get(manifest.file)
    }

    /// Where a place of an object is, or the nearest field above it that is written.
    pub fn locate(&self, manifest: &Manifest, place: &str) -> Location {
        let (steps, _) = place::steps(&manifest.object, place);
        let node = self.file_of(manifest).and_then(|file| file.node_of(manifest));
        let (line, column) = node.map_or((manifest.line, 1), |node| node.nearest(&steps).place());
        Location { line, column }
    }
}

/// The text with the documents that cannot be read blanked out, so that everything else stays where it is; and what
/// is wrong with them.
fn without_broken(text: &str, name: &str) -> (String, Vec<yaml::Error>) {
    let mut readable = String::with_capacity(text.len());
    let mut broken = Vec::new();
    let (mut line, mut chunk) = (0, String::new());
    let mut finish = |chunk: &mut String, before: usize, readable: &mut String| {
        match yaml::load_str(chunk, name) {
            Ok(_) => readable.push_str(chunk),
            Err(yaml::Error::Content { file, line, column, message }) => {
                broken.push(yaml::Error::Content { file, line: line + before, column, message });
                // Each byte by one blank: what comes later keeps its place.
                readable.extend(
                    chunk.bytes().map(|byte| if matches!(byte, b'\n' | b'\r') { char::from(byte) } else { ' ' }),
                );
            }
            Err(error @ yaml::Error::Read { .. }) => broken.push(error),
        }
        chunk.clear();
    };
    for (number, text) in text.split_inclusive('\n').enumerate() {
        if text.trim_end() == "---" || text.starts_with("--- ") {
            finish(&mut chunk, line, &mut readable);
            line = number;
        }
        chunk.push_str(text);
    }
    finish(&mut chunk, line, &mut readable);
    (readable, broken)
}

impl SourceFile {
    /// The nodes of each document; worked out when somebody asks, for most files have nothing to say.
    pub fn layout(&self) -> Option<&[layout::Node]> {
        let text = self.readable.as_deref().unwrap_or(&self.text);
        self.layout.get_or_init(|| layout::documents(text)).as_deref()
    }

    /// Whether every document could be read.
    pub fn is_whole(&self) -> bool {
        self.readable.is_none()
    }

    /// The node of an object.
    pub fn node_of(&self, manifest: &Manifest) -> Option<&layout::Node> {
        let way = manifest.way();
        let document = self.layout()?.get(manifest.ordinal)?;
        let found = document.nearest(&way);
        (found.depth == way.len()).then_some(found.node)
    }
}

impl Manifest {
    fn new(document: Document, file: usize, text: &str) -> Self {
        let origin = origin(text, document.line);
        let Document { value, line, ordinal, items, .. } = document;
        Self { file, ordinal, items, line, origin, object: value }
    }

    /// The steps from the document to the object.
    pub fn way(&self) -> Vec<Step> {
        let steps = self.items.iter().flat_map(|index| [Step::Key("items".to_owned()), Step::Index(*index)]);
        steps.collect()
    }

    /// A text of the object, where it is one and not empty.
    pub fn text(&self, pointer: &str) -> Option<&str> {
        self.object.pointer(pointer).and_then(Value::as_str).filter(|text| !text.is_empty())
    }

    /// Whether it was read from a cluster.
    pub fn is_live(&self) -> bool {
        self.text("/metadata/uid").is_some()
    }
}

/// `# Source: chart/templates/x.yaml`, which Helm writes above each object.
fn origin(text: &str, line: usize) -> Option<String> {
    let above: Vec<&str> = text.lines().take(line.saturating_sub(1)).collect();
    above
        .into_iter()
        .rev()
        .map(str::trim)
        .take_while(|line| line.is_empty() || line.starts_with('#'))
        .find_map(|line| Some(line.strip_prefix("# Source:")?.trim().to_owned()))
}

impl Unreadable {
    fn of(error: yaml::Error, text: &str) -> Self {
        let mut unreadable = Self::as_named(error, text);
        if let Some(name) = unreadable.file.strip_prefix("./") {
            unreadable.file = name.to_owned();
        }
        unreadable
    }

    fn as_named(error: yaml::Error, text: &str) -> Self {
        match error {
            yaml::Error::Read { file, error } => Self::without_place(Path::new(&*file), error.to_string()),
            yaml::Error::Content { file, line, column, message } => {
                // The parser's words do not help whoever meant to give the rendered chart.
                let is_template = text.contains("{{");
                let hint = if is_template { " (a template? render it first: `helm template`)" } else { "" };
                Self {
                    file: file.to_string(),
                    line: Some(line),
                    column: Some(column),
                    message: format!("{}{hint}", printable(&message)),
                }
            }
        }
    }

    fn without_place(path: &Path, message: String) -> Self {
        Self { file: path.display().to_string(), line: None, column: None, message }
    }

    /// `file:line:column: message`, as far as these are known.
    pub fn to_line(&self) -> String {
        let Self { file, line, column, message } = self;
        match (line, column) {
            (Some(line), Some(column)) => format!("{file}:{line}:{column}: {message}"),
            (Some(line), None) => format!("{file}:{line}: {message}"),
            (None, _) => format!("{file}: {message}"),
        }
    }
}

#[cfg(test)]
mod tests;
