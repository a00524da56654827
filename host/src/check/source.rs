// SPDX-License-Identifier: Apache-2.0

//! The objects in a file, and their locations.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

#[cfg(feature = "schema")]
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::field_path;
use crate::json::text_at;
use crate::kubewarden::Segment;
use crate::shown;
use crate::yaml::layout::{self, Step};
use crate::yaml::lines::Lines;
use crate::yaml::parts::{self, Part, Problem, Warning, WarningKind};

/// A file that was read.
#[derive(Debug)]
pub struct SourceFile {
    /// As the user named it; `-` is the standard input.
    pub name: Arc<str>,
    /// Where it is; `None` for the standard input.
    pub path: Option<PathBuf>,
    /// Its content.
    pub text: String,
    /// Whether it must contain objects, because the user named it. Other files in a directory may contain something else.
    pub is_strict: bool,
    /// The directory of the kustomization that lists it as a patch.
    pub patch_of: Option<String>,
    /// What its text was rendered from, if it was.
    pub rendered_from: Option<String>,
    parts: OnceLock<Vec<Part>>,
    lines: OnceLock<Lines>,
}

/// One document of a file.
#[derive(Debug)]
pub struct SourcePart<'f> {
    /// The file.
    pub file: &'f SourceFile,
    /// Which part of it.
    pub part: &'f Part,
    layout: OnceLock<Option<layout::Node>>,
}

/// An object as it is written in a file.
#[derive(Debug, Clone)]
pub struct Manifest {
    /// Its indices in nested lists of objects.
    pub items: Vec<usize>,
    /// The byte of the file where the document begins.
    pub start: usize,
    /// The object.
    pub object: Value,
}

/// The content of a part.
#[derive(Debug, Default)]
pub struct Contents {
    /// The objects, including each object of a list.
    pub objects: Vec<Manifest>,
    /// What cannot be read.
    pub unreadable: Vec<Unreadable>,
    /// Content that kubectl reads differently than its author may expect.
    pub warnings: Vec<FileWarning>,
    /// Documents that are not Kubernetes objects, such as a chart's values.
    pub others: usize,
}

/// A file, or a document of one, that cannot be checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// As the user named it.
    pub file: String,
    /// 1-based, if known.
    pub line: Option<usize>,
    /// 1-based, if known.
    pub column: Option<usize>,
    /// What is wrong.
    pub message: String,
}

/// A warning about a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileWarning {
    /// Where it is.
    pub location: Location,
    /// What it is.
    pub what: FileWarningKind,
}

/// See [`FileWarning`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileWarningKind {
    /// Content that kubectl reads differently than its author may expect.
    Reading(WarningKind),
    /// An invalid or unused suppression.
    Suppression(String),
}

impl FileWarningKind {
    /// Whether the warning is about a character that ends a line for kubectl, but not for most other tools.
    pub fn is_line_break(&self) -> bool {
        matches!(self, Self::Reading(WarningKind::LineBreak(_)))
    }
}

impl std::fmt::Display for FileWarningKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Reading(what) => what.fmt(f),
            Self::Suppression(message) => f.write_str(message),
        }
    }
}

/// Where in a file something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
pub struct Location {
    /// 1-based.
    pub line: usize,
    /// 1-based.
    pub column: usize,
}

impl SourceFile {
    /// A file with the given text.
    pub fn new(name: &str, path: Option<PathBuf>, text: String, is_strict: bool) -> Self {
        // The name that readers and code hosts use.
        let name = name.strip_prefix("./").unwrap_or(name).into();
        let (parts, lines) = (OnceLock::new(), OnceLock::new());
        Self { name, path, text, is_strict, patch_of: None, rendered_from: None, parts, lines }
    }

    /// Its documents.
    pub fn parts(&self) -> &[Part] {
        self.parts.get_or_init(|| parts::of(&self.text))
    }

    /// A document of it.
    pub fn part<'f>(&'f self, part: &'f Part) -> SourcePart<'f> {
        SourcePart { file: self, part, layout: OnceLock::new() }
    }

    /// Line and column of a byte.
    pub fn location(&self, at: usize) -> Location {
        let (line, column) = self.lines.get_or_init(|| Lines::of(&self.text)).line_and_column(&self.text, at);
        Location { line, column }
    }
}

impl SourcePart<'_> {
    /// Reads the document.
    pub fn read(&self) -> Contents {
        let mut contents = Contents::default();
        let read = match self.part.read(&self.file.text) {
            Ok(read) => read,
            Err(problem) => {
                contents.unreadable.push(self.unreadable(&problem));
                return contents;
            }
        };
        if let Some(layout) = read.layout {
            // Fails only if the layout is already set.
            let _ = self.layout.set(Some(layout));
        }
        let file_warning = |Warning { at, what }| FileWarning {
            location: self.file.location(at),
            what: FileWarningKind::Reading(what),
        };
        contents.warnings = read.warnings.into_iter().map(file_warning).collect();
        if let Some((start, object)) = read.document {
            self.sort(Manifest { items: Vec::new(), start, object }, &mut contents);
        }
        contents
    }

    /// Sorts a document into objects, the objects of a list, or other content.
    fn sort(&self, mut manifest: Manifest, contents: &mut Contents) {
        let text = |key: &str| manifest.object.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
        let (version, kind) = (text("apiVersion").map(str::to_owned), text("kind").map(str::to_owned));
        match (&version, &kind) {
            // For kubectl, this is a list regardless of its kind.
            (_, Some(kind)) if manifest.object.get("items").is_some_and(|items| !items.is_null()) => {
                let Some(Value::Array(items)) = manifest.object.get_mut("items").map(Value::take) else {
                    contents.unreadable.push(self.problem(&manifest, "the items of a list must be a list"));
                    return;
                };
                for (index, mut object) in items.into_iter().enumerate() {
                    crate::yaml::complete_item(&mut object, version.as_deref(), kind);
                    let items = manifest.items.iter().copied().chain([index]).collect();
                    self.sort(Manifest { items, start: manifest.start, object }, contents);
                }
            }
            (Some(_), Some(kind)) if kind == "List" => {}
            (Some(_), Some(kind)) if kind == "AdmissionReview" => {
                let message = "an admission request; use `sa-hygiene run` for it";
                contents.unreadable.push(self.problem(&manifest, message));
            }
            (Some(_), Some(_)) => contents.objects.push(manifest),
            // Kustomize adds both.
            _ if self.file.patch_of.is_some() || self.is_kustomization_file() => contents.objects.push(manifest),
            // An entry of a list must be an object, even in a file that the user did not name.
            _ if self.file.is_strict || !manifest.items.is_empty() => {
                let message = "not a Kubernetes object: apiVersion or kind is missing";
                contents.unreadable.push(self.problem(&manifest, message));
            }
            _ => contents.others += 1,
        }
    }

    /// Whether the file has one of the names of kustomization files.
    pub fn is_kustomization_file(&self) -> bool {
        let name = self.file.path.as_deref().and_then(|path| path.file_name()?.to_str());
        name.is_some_and(|name| super::kustomize::FILES.contains(&name))
    }

    fn unreadable(&self, problem: &Problem) -> Unreadable {
        // The parser's message does not help a user who forgot to render the chart.
        let is_template = self.part.text(&self.file.text).contains("{{");
        let hint = if is_template { " (a template? render it first: `helm template`)" } else { "" };
        let Location { line, column } = self.file.location(problem.at);
        Unreadable {
            file: self.file.name.to_string(),
            line: Some(line),
            column: Some(column),
            message: format!("{}{hint}", shown::text(&problem.message)),
        }
    }

    fn problem(&self, manifest: &Manifest, message: &str) -> Unreadable {
        let Location { line, column } = self.locate(manifest, &[]);
        let file = self.file.name.to_string();
        Unreadable { file, line: Some(line), column: Some(column), message: message.to_owned() }
    }

    /// The nodes of the document; computed on demand, because many documents have no findings.
    pub fn layout(&self) -> Option<&layout::Node> {
        self.layout.get_or_init(|| self.part.layout(&self.file.text)).as_ref()
    }

    /// The node of an object. Its positions are bytes of the document.
    pub fn node_of(&self, manifest: &Manifest) -> Option<&layout::Node> {
        let path = manifest.path();
        let found = self.layout()?.nearest(&path);
        (found.depth == path.len()).then_some(found.node)
    }

    /// The location of a field of an object, or of its nearest parent field that is present.
    pub fn locate(&self, manifest: &Manifest, path: &[Segment]) -> Location {
        let at = match (manifest.items.is_empty(), path) {
            // The location is known without a search.
            (true, []) => None,
            _ => self.node_of(manifest).map(|node| {
                let (steps, _) = field_path::steps(&manifest.object, path);
                node.nearest(&steps).start()
            }),
        };
        self.file.location(at.map_or(manifest.start, |at| at + self.part.bytes.start))
    }

    /// The template that the document was rendered from, according to the comment above it: `# Source: chart/templates/x.yaml`.
    pub fn origin(&self, manifest: &Manifest) -> Option<String> {
        let above = self.file.text.get(self.part.bytes.start..manifest.start)?;
        let mut comments = above.lines().rev().map(str::trim);
        let found = comments
            .by_ref()
            .take_while(|line| line.is_empty() || line.starts_with('#'))
            .find_map(|line| line.strip_prefix("# Source:"));
        Some(found?.trim().to_owned())
    }
}

impl Manifest {
    /// The steps from the document to the object.
    pub fn path(&self) -> Vec<Step> {
        let steps = self.items.iter().flat_map(|index| [Step::Key("items".to_owned()), Step::Index(*index)]);
        steps.collect()
    }

    /// A string in the object; `None` if it is empty or not a string.
    pub fn text(&self, pointer: &str) -> Option<&str> {
        text_at(&self.object, pointer).filter(|text| !text.is_empty())
    }

    /// Whether it was read from a cluster.
    pub fn is_live(&self) -> bool {
        self.text("/metadata/uid").is_some()
    }
}

impl Unreadable {
    /// An error about a file as a whole.
    pub fn of_file(name: &str, message: impl Into<String>) -> Self {
        let file = name.strip_prefix("./").unwrap_or(name).to_owned();
        Self { file, line: None, column: None, message: message.into() }
    }

    /// `file:line:column: message`, as far as these are known.
    pub fn to_line(&self) -> String {
        let Self { file, line, column, message } = self;
        let (file, message) = (shown::text(file), shown::text(message));
        match (line, column) {
            (Some(line), Some(column)) => format!("{file}:{line}:{column}: {message}"),
            (Some(line), None) => format!("{file}:{line}: {message}"),
            (None, _) => format!("{file}: {message}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn read(text: &str, is_strict: bool) -> (SourceFile, Contents) {
        let file = SourceFile::new("x.yaml", None, text.to_owned(), is_strict);
        let mut all = Contents::default();
        for part in file.parts() {
            let contents = file.part(part).read();
            all.objects.extend(contents.objects);
            all.unreadable.extend(contents.unreadable);
            all.warnings.extend(contents.warnings);
            all.others += contents.others;
        }
        (file, all)
    }

    fn kinds(contents: &Contents) -> Vec<&str> {
        contents.objects.iter().map(|manifest| manifest.text("/kind").unwrap_or("-")).collect()
    }

    #[test]
    fn broken_document_among_others() {
        let text = "apiVersion: v1\nkind: A\n---\nkind: é\n\tx: 1\n---\n# Source: c/t.yaml\napiVersion: v1\nkind: B\nspec: {a: 1}\n";
        let (file, contents) = read(text, true);
        assert_eq!(kinds(&contents), ["A", "B"]);
        let part = file.part(&file.parts()[2]);
        assert_eq!(part.origin(&contents.objects[1]).as_deref(), Some("c/t.yaml"));
        assert_eq!(part.locate(&contents.objects[1], &Segment::read_path("spec.a")), Location { line: 10, column: 8 });
        assert_eq!(file.part(&file.parts()[0]).origin(&contents.objects[0]), None);
        let lines: Vec<_> = contents.unreadable.iter().map(Unreadable::to_line).collect();
        assert_eq!(lines, ["x.yaml:5:1: found a tab character that violates indentation"]);
    }

    #[test]
    fn locations_of_list_entries() {
        let text = "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: A\n- apiVersion: v1\n  kind: B\n  spec:\n    x: 1\n";
        let (file, contents) = read(text, true);
        let part = file.part(&file.parts()[0]);
        assert_eq!(part.locate(&contents.objects[1], &Segment::read_path("spec.x")), Location { line: 9, column: 5 });
        assert_eq!(part.locate(&contents.objects[1], &Segment::read_path("spec.y.z")), Location { line: 8, column: 3 });
        assert_eq!(part.locate(&contents.objects[1], &Segment::read_path("")), Location { line: 6, column: 3 });
    }

    #[rstest]
    #[case::whatever_the_kind("apiVersion: v1\nkind: ConfigMap\nitems: [{apiVersion: v1, kind: Pod}]\n", "Pod")]
    #[case::without_a_version("kind: X\nitems: [{apiVersion: v1, kind: Pod}]\n", "Pod")]
    #[case::typed("apiVersion: v1\nkind: PodList\nitems: [{metadata: {name: a}}]\n", "Pod")]
    #[case::of_lists("kind: List\nitems: [{kind: List, items: [{apiVersion: v1, kind: Pod}]}]\n", "Pod")]
    #[case::empty("apiVersion: v1\nkind: List\nitems: []\n", "")]
    #[case::without_items("apiVersion: v1\nkind: List\n", "")]
    fn splits_lists(#[case] text: &str, #[case] expected: &str) {
        let (_, contents) = read(text, true);
        assert_eq!((kinds(&contents).join(" ").as_str(), &contents.unreadable[..]), (expected, &[][..]));
    }

    #[test]
    fn documents_that_are_not_objects() {
        let values = "image: x\n---\napiVersion: v1\nkind: List\nitems: []\n";
        assert_eq!(read(values, true).1.unreadable.len(), 1);
        let (_, lenient) = read(values, false);
        assert_eq!((lenient.unreadable.len(), lenient.others), (0, 1));
        for text in ["List\nitems: [{a: 1}]\n", "List\nitems: {a: 1}\n", "AdmissionReview\nrequest: {}\n"] {
            let (_, contents) = read(&format!("apiVersion: v1\nkind: {text}"), false);
            assert_eq!((contents.unreadable.len(), contents.objects.len()), (1, 0), "{text}");
        }
    }

    #[test]
    fn unrendered_template() {
        let (_, contents) = read("apiVersion: v1\nkind: A\nname: {{ .Values.x }}\n", true);
        assert!(contents.unreadable[0].message.contains("render it first"), "{:?}", contents.unreadable);
    }

    #[test]
    fn kubectl_reads_differently() {
        let text = "apiVersion: v1\nkind: A\nkind: B\n# x\u{2028}metadata: {name: live}\n...\nkind: C\n";
        let (_, contents) = read(text, true);
        assert_eq!(kinds(&contents), ["B"]);
        assert_eq!(contents.objects[0].text("/metadata/name"), Some("live"));
        let warnings: Vec<_> = contents.warnings.iter().map(|it| (it.location.line, it.what.clone())).collect();
        let expected = [
            (3, WarningKind::Repeated("kind".to_owned())),
            (4, WarningKind::LineBreak('\u{2028}')),
            (6, WarningKind::Dropped),
        ];
        assert_eq!(warnings, expected.map(|(line, what)| (line, FileWarningKind::Reading(what))));
    }
}
