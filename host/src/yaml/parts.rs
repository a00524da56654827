// SPDX-License-Identifier: Apache-2.0

//! Splits a text as kubectl does
//! ([`k8s.io/apimachinery/pkg/util/yaml`](https://github.com/kubernetes/apimachinery/blob/master/pkg/util/yaml/decoder.go)): a
//! text that begins with a brace is a sequence of JSON documents; any other text is split at the lines that begin with `---`,
//! and the first document of each part is read.

use std::ops::Range;

use memchr::memmem;
use serde_json::Value;

use super::layout::{self, Node};
use super::{compose, json};

/// A part of a text that contains one document, or none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Its range in the text.
    pub bytes: Range<usize>,
    form: Form,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Yaml,
    Json,
    /// Its first line begins with `---`, but kubectl does not accept it as the beginning of a document.
    Unseparated,
}

/// Why a part cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The position, in bytes of the whole text.
    pub at: usize,
    /// Lower case, without a full stop.
    pub message: String,
}

/// The content of a part.
#[derive(Debug, Default)]
pub struct Read {
    /// The document and the byte of the whole text where it begins; `None` if there is no content.
    pub document: Option<(usize, Value)>,
    /// Content that kubectl reads differently than its author may expect.
    pub warnings: Vec<Warning>,
    /// The nodes of a short document, which are built while it is read; see [`Part::layout`].
    pub layout: Option<Node>,
}

/// Content that kubectl reads differently than its author may expect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// The position, in bytes of the whole text.
    pub at: usize,
    /// What it is.
    pub what: WarningKind,
}

/// See [`Warning`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WarningKind {
    /// A duplicate key in a mapping; the last one applies.
    Repeated(String),
    /// A character that ends a line for kubectl, but not for most other tools.
    LineBreak(char),
    /// Content after the first document of a part, which kubectl does not read.
    Dropped,
}

impl std::fmt::Display for WarningKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Repeated(key) => {
                write!(f, "key `{key}` occurs twice in the same mapping; the last one applies, as in kubectl")
            }
            Self::LineBreak(character) => write!(
                f,
                "U+{:04X} ends a line for kubectl, but not for most other tools; kubectl reads the text after it",
                u32::from(*character)
            ),
            Self::Dropped => f.write_str(
                "kubectl does not read what follows, because no `---` line precedes it; it is not checked either",
            ),
        }
    }
}

/// Splits a text.
pub fn of(text: &str) -> Vec<Part> {
    if text.trim_start().starts_with('{')
        && let Some(parts) = json::parts(text)
    {
        return parts.into_iter().map(|bytes| Part { bytes, form: Form::Json }).collect();
    }
    let mut parts = Vec::new();
    let (mut start, mut form) = (0, Form::Yaml);
    for at in separators(text) {
        let end =
            memchr::memchr(b'\n', text.as_bytes().get(at..).unwrap_or_default()).map_or(text.len(), |it| at + it + 1);
        let rest = text.get(at + SEPARATOR.len()..end).unwrap_or_default().trim();
        parts.push(Part { bytes: start..at, form });
        (start, form) =
            if rest.is_empty() || rest.starts_with('#') { (end, Form::Yaml) } else { (at, Form::Unseparated) };
    }
    parts.push(Part { bytes: start..text.len(), form });
    parts
}

const SEPARATOR: &str = "---";

/// The positions of the lines that begin with `---`.
fn separators(text: &str) -> impl Iterator<Item = usize> {
    let first = text.starts_with(SEPARATOR).then_some(0);
    first.into_iter().chain(memmem::find_iter(text.as_bytes(), "\n---").map(|at| at + 1))
}

/// Maximum size in bytes of a document whose nodes are built while it is read. Most short documents are objects with a finding
/// that has to be located, and reading them a second time costs more than building the nodes. Long documents are often CRDs,
/// whose nodes are not needed.
const SHORT: usize = 16 << 10;

/// The characters besides `\n` that end a line in YAML 1.1.
const BREAKS: [char; 3] = ['\u{85}', '\u{2028}', '\u{2029}'];

impl Part {
    /// The part's text.
    pub fn text<'t>(&self, text: &'t str) -> &'t str {
        text.get(self.bytes.clone()).unwrap_or_default()
    }

    /// Reads the part's document; `text` is the whole text.
    pub fn read(&self, text: &str) -> Result<Read, Problem> {
        let own = self.text(text);
        let before = self.bytes.start;
        if self.form == Form::Json {
            let json::Document { start, value, repeated } =
                json::document(own).map_err(|problem| problem.after(before))?;
            let warnings = warnings(repeated, before);
            return Ok(Read { document: Some((start + before, value)), warnings, layout: None });
        }
        if self.form == Form::Unseparated {
            let message = "text after `---` on the same line; kubectl accepts only a comment there".to_owned();
            return Err(Problem { at: before, message });
        }
        let mut nodes = (own.len() <= SHORT).then(layout::Builder::default);
        let composed = compose::first_document(own, |event, at| {
            if let Some(nodes) = &mut nodes {
                nodes.event(event, at);
            }
        });
        let composed = composed.map_err(|broken| {
            let as_yaml = Problem { at: broken.at, message: broken.message };
            // For a text that looks like JSON, the JSON error is more useful.
            let is_json = own.trim_start().strip_prefix('{').is_some_and(|rest| rest.trim_start().starts_with('"'));
            let as_json = is_json.then(|| json::document(own).err()).flatten();
            as_json.unwrap_or(as_yaml).after(before)
        })?;
        let mut warnings = warnings(composed.repeated, before);
        warnings.extend(
            unusual_breaks(own).map(|(at, what)| Warning { at: at + before, what: WarningKind::LineBreak(what) }),
        );
        warnings.extend(composed.dropped.map(|at| Warning { at: at + before, what: WarningKind::Dropped }));
        let document = (!composed.value.is_null()).then_some((composed.start + before, composed.value));
        Ok(Read { document, warnings, layout: nodes.and_then(layout::Builder::into_document) })
    }

    /// The nodes of the part's document; `text` is the whole text, and positions are bytes of the part. `None` if the document
    /// is empty or cannot be read.
    pub fn layout(&self, text: &str) -> Option<Node> {
        layout::first_document(self.text(text))
    }
}

impl Problem {
    fn after(self, before: usize) -> Self {
        Self { at: self.at + before, ..self }
    }
}

fn warnings(repeated: Vec<(usize, String)>, before: usize) -> Vec<Warning> {
    repeated.into_iter().map(|(at, key)| Warning { at: at + before, what: WarningKind::Repeated(key) }).collect()
}

/// Line breaks that few tools recognise, and carriage returns without a line feed.
fn unusual_breaks(text: &str) -> impl Iterator<Item = (usize, char)> {
    let rare = text.match_indices(BREAKS).filter(|_| !text.is_ascii());
    let rare = rare.filter_map(|(at, found)| Some((at, found.chars().next()?)));
    let returns = memchr::memchr_iter(b'\r', text.as_bytes());
    let lone = returns.filter(|at| text.as_bytes().get(at + 1) != Some(&b'\n')).map(|at| (at, '\r'));
    rare.chain(lone)
}
