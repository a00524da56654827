// SPDX-License-Identifier: Apache-2.0

//! The blocks of a case file: what each kind holds, and how a section inherits those of the sections around it.

use policy_host::yaml;
use serde_json::{Map, Value, json};

use super::section::Block;
use crate::case::{self, Given, Subject};
use crate::expectation::{self, Expected};

/// The kinds of blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Object,
    ObjectChange,
    Request,
    Old,
    OldChange,
    Settings,
    SettingsChange,
    Cluster,
    ClusterChange,
    Given,
    GivenChange,
    Expect,
}

/// The words after `yaml` or `json`, the kind, and the input that such a block sets. A section sets each input at most once.
const KINDS: [(&str, Kind, &str); 12] = [
    ("object", Kind::Object, "object"),
    ("change", Kind::ObjectChange, "object"),
    ("request", Kind::Request, "object"),
    ("old", Kind::Old, "old"),
    ("old change", Kind::OldChange, "old"),
    ("settings", Kind::Settings, "settings"),
    ("settings change", Kind::SettingsChange, "settings"),
    ("cluster", Kind::Cluster, "cluster"),
    ("cluster change", Kind::ClusterChange, "cluster"),
    ("given", Kind::Given, "given"),
    ("given change", Kind::GivenChange, "given"),
    ("expect", Kind::Expect, "expect"),
];

/// A line and a problem in it.
pub type Problem = (usize, String);

/// The inputs of a section, its own and those it inherits.
#[derive(Debug, Clone, Default)]
pub struct Inputs {
    /// `object` or `request`.
    pub subject: Option<Subject>,
    /// `old` or `old change`.
    old: Option<Old>,
    /// `settings`.
    pub settings: Option<Value>,
    /// `cluster`.
    pub cluster: Option<Vec<Value>>,
    /// `given`.
    pub given: Given,
    /// The merged `given` blocks as written.
    pub given_document: Map<String, Value>,
    /// `expect`; never inherited.
    pub expected: Option<Expected>,
}

/// The stored object.
#[derive(Debug, Clone)]
enum Old {
    Whole(Value),
    /// A merge patch on the object of the request.
    Change(Value),
}

impl Inputs {
    /// The inputs of a subsection with these blocks.
    ///
    /// # Errors
    /// All problems of the blocks.
    pub fn with(&self, blocks: &[Block], text: &str, file: &str) -> Result<Self, Vec<Problem>> {
        let mut inputs = Self { expected: None, ..self.clone() };
        let mut stated: Vec<(&str, &str, usize)> = Vec::new();
        let mut problems = Vec::new();
        for block in blocks {
            let kind = match kind(block) {
                Ok(Some(kind)) => kind,
                Ok(None) => continue,
                Err(message) => {
                    problems.push((block.line, message));
                    continue;
                }
            };
            let (name, kind, input) = kind;
            if let Some((_, earlier, line)) = stated.iter().find(|(other, _, _)| *other == input) {
                let message = format!("a second block for the {input}: `{name}` after `{earlier}` in line {line}");
                problems.push((block.line, message));
                continue;
            }
            stated.push((input, name, block.line));
            let content = text.get(block.content.clone()).unwrap_or_default();
            let result = documents(content, file, block.line)
                .and_then(|documents| inputs.state(kind, name, documents).map_err(|message| (block.line, message)));
            problems.extend(result.err());
        }
        if problems.is_empty() { Ok(inputs) } else { Err(problems) }
    }

    fn state(&mut self, kind: Kind, name: &str, documents: Vec<Value>) -> Result<(), String> {
        if kind == Kind::Cluster {
            self.cluster = Some(documents);
            return Ok(());
        }
        if kind == Kind::ClusterChange {
            let cluster = self.cluster.as_mut().ok_or("`cluster change` without a `cluster` around it")?;
            return documents.iter().try_for_each(|change| change_one(cluster, change));
        }
        let mut documents = documents.into_iter();
        let (Some(value), None) = (documents.next(), documents.next()) else {
            return Err(format!("`{name}` must have exactly one document"));
        };
        match kind {
            Kind::Object => self.subject = Some(Subject::Object(value)),
            Kind::Request => self.subject = Some(Subject::Request(value)),
            Kind::ObjectChange => match &mut self.subject {
                Some(Subject::Object(object)) => json_patch::merge(object, &value),
                _ => return Err("`change` without an `object` around it".to_owned()),
            },
            Kind::Old => self.old = Some(Old::Whole(value)),
            Kind::OldChange => self.old = Some(Old::Change(value)),
            Kind::Settings => self.settings = Some(value),
            Kind::SettingsChange => match &mut self.settings {
                Some(settings) => json_patch::merge(settings, &value),
                None => return Err("`settings change` without `settings` around it".to_owned()),
            },
            Kind::Given | Kind::GivenChange => {
                if !value.is_object() {
                    return Err(format!("`{name}` must be a mapping"));
                }
                let mut document = match kind {
                    Kind::GivenChange if self.given_document.is_empty() => {
                        return Err("`given change` without `given` around it".to_owned());
                    }
                    Kind::GivenChange => Value::Object(self.given_document.clone()),
                    _ => json!({}),
                };
                if kind == Kind::Given {
                    document = value;
                } else {
                    json_patch::merge(&mut document, &value);
                }
                self.given = case::read_given(&document)?;
                self.given_document = document.as_object().cloned().unwrap_or_default();
            }
            Kind::Expect => self.expected = Some(expectation::read(value)?),
            Kind::Cluster | Kind::ClusterChange => {}
        }
        Ok(())
    }

    /// The stored object of a case.
    ///
    /// # Errors
    /// If it is a merge patch, and there is no object to apply it to.
    pub fn old(&self) -> Result<Option<Value>, String> {
        match (&self.old, &self.subject) {
            (None, _) => Ok(None),
            (Some(Old::Whole(old)), _) => Ok(Some(old.clone())),
            (Some(Old::Change(change)), Some(Subject::Object(object))) => {
                let mut old = object.clone();
                json_patch::merge(&mut old, change);
                Ok(Some(old))
            }
            (Some(Old::Change(_)), _) => Err("`old change` without an `object`".to_owned()),
        }
    }
}

/// Applies a merge patch to the object with the same kind, namespace and name; adds an object if there is none.
fn change_one(cluster: &mut Vec<Value>, change: &Value) -> Result<(), String> {
    let identity = |object: &Value| {
        ["/apiVersion", "/kind", "/metadata/namespace", "/metadata/name"].map(|at| object.pointer(at).cloned())
    };
    let wanted = identity(change);
    if wanted[1].is_none() || wanted[3].is_none() {
        return Err("a document of `cluster change` must have `kind` and `metadata.name`".to_owned());
    }
    match cluster.iter_mut().find(|object| identity(object) == wanted) {
        Some(object) => json_patch::merge(object, change),
        None => cluster.push(change.clone()),
    }
    Ok(())
}

/// The kind of a block; none for a block that is part of the prose.
fn kind(block: &Block) -> Result<Option<(&'static str, Kind, &'static str)>, String> {
    let (language, name) = block.info.split_once(char::is_whitespace).unwrap_or((&block.info, ""));
    if !["yaml", "json"].contains(&language) {
        return Ok(None);
    }
    let name = name.split_whitespace().collect::<Vec<_>>().join(" ");
    if let Some(kind) = KINDS.iter().find(|(known, _, _)| *known == name) {
        if block.is_nested {
            return Err(format!("`{name}` in a list or a quotation"));
        }
        return Ok(Some(*kind));
    }
    let known = KINDS.map(|(name, _, _)| name);
    if name.is_empty() {
        return Err(format!("a `{language}` block that does not say what it holds: {}", known.join(", ")));
    }
    Err(format!("unknown block `{name}`{}", case::did_you_mean(&name, &known)))
}

/// The documents of a block, with lines as in the file.
fn documents(content: &str, file: &str, line: usize) -> Result<Vec<Value>, Problem> {
    match yaml::load_str(content, file) {
        Ok(documents) => Ok(documents.into_iter().map(|document| document.value).collect()),
        Err(yaml::Error::Content { line: inside, column, message, .. }) => {
            Err((line + inside, format!("column {column}: {message}")))
        }
        Err(error) => Err((line, error.to_string())),
    }
}
