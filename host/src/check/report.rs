// SPDX-License-Identifier: Apache-2.0

//! Reports, independent of the output format: one or more for each file, and a summary.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

#[cfg(feature = "schema")]
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::finding::{Finding, Level, Pass, Token};
use super::source::{FileWarning, Location, Manifest, SourcePart, Unreadable};
use super::verdict::{Column, Tally, Verdict};
use crate::apiserver::ApiServer;
use crate::shown;

/// The report on some documents of one file.
#[derive(Debug, Default)]
pub struct FileReport {
    /// As the user named it.
    pub file: Arc<str>,
    /// Each object, in the order of the file.
    pub objects: Vec<ObjectReport>,
    /// What cannot be read; everything else is still checked.
    pub unreadable: Vec<Unreadable>,
    /// Warnings, such as content that kubectl reads differently than its author may expect.
    pub warnings: Vec<FileWarning>,
    /// Documents that are not Kubernetes objects.
    pub others: usize,
    /// Data for the summary.
    pub(super) noted: Noted,
}

/// Data that is reported once, regardless of the number of objects.
#[derive(Debug, Default)]
pub(super) struct Noted {
    pub unknown_accounts: BTreeSet<String>,
    pub unknown_namespaces: BTreeSet<String>,
    /// The indices of the policy and of the entry.
    pub exemptions: BTreeSet<(usize, usize)>,
    /// Pods of controllers whose templates are checked, and how many of these Pods have findings.
    pub unlisted_pods: (usize, usize),
    /// The directories of kustomizations with patches.
    pub kustomizations: BTreeSet<String>,
    /// Removed `apiVersion`s, and the current ones.
    pub moved: BTreeMap<String, &'static str>,
}

/// One object.
#[derive(Debug)]
pub struct ObjectReport {
    /// Its file, as the user named it.
    pub file: Arc<str>,
    /// Where it begins.
    pub location: Location,
    /// Its kind.
    pub kind: String,
    /// Its namespace; `None` for cluster-scoped kinds.
    pub namespace: Option<String>,
    /// Its name; for `generateName`, the prefix with `*` at the end.
    pub name: String,
    /// The template of the chart that it was rendered from.
    pub origin: Option<String>,
    /// Its verdict.
    pub verdict: Verdict,
    /// Its findings, in the order of the lines.
    pub findings: Vec<Finding>,
    /// The fix that the policies would make, if fixes were requested.
    pub fix: Option<ObjectFix>,
}

/// Whether a fix can be applied without further review.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum Applicability {
    /// According to the input, the fix removes nothing that is needed.
    Safe,
    /// The fix may remove something that is needed; `--unsafe-fixes` applies it.
    Unsafe,
    /// The fix must be applied by hand.
    DisplayOnly,
}

/// The fix of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectFix {
    /// Whether `--fix` applies it.
    pub applicability: Applicability,
    /// Why it is not safe.
    pub reason: Option<String>,
    /// The changes to the text; empty if it cannot be changed line by line.
    pub edits: Vec<TextEdit>,
}

/// A part of a file, and its replacement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
pub struct TextEdit {
    /// The start of the part.
    pub start: Location,
    /// The position after its end.
    pub end: Location,
    /// The replacement.
    pub text: String,
}

/// What the command did besides checking.
#[derive(Debug, Default)]
pub struct Outcome {
    /// The configuration file that was used.
    pub config: Option<String>,
    /// The files that were fixed.
    pub fixed: Vec<FixedFileReport>,
    /// The objects that were not fixed.
    pub not_fixed: Vec<NotFixedReport>,
    /// The changes of `--diff`.
    pub diffs: Vec<DiffReport>,
}

/// A file that was fixed.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
pub struct FixedFileReport {
    /// The file, as named on the command line.
    pub file: String,
    /// How many objects were fixed.
    pub objects: usize,
}

/// An object whose fix was not written.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
pub struct NotFixedReport {
    /// The file, as named on the command line.
    pub file: String,
    /// The line where the object begins; null if the whole file could not be written.
    pub line: Option<usize>,
    /// The object: `Pod shop/web`.
    pub object: Option<String>,
    /// The reason.
    pub reason: String,
    /// Whether `--unsafe-fixes` would fix it.
    #[serde(rename = "unsafe")]
    pub is_unsafe: bool,
}

/// The changes of a file.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
pub struct DiffReport {
    /// The file, as named on the command line.
    pub file: String,
    /// The changes in unified format.
    pub diff: String,
}

/// The least severe result that makes the command fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename_all = "lowercase"))]
pub enum FailOn {
    /// Rejections
    #[default]
    Reject,
    /// Rejections, warnings, fixes and monitored findings
    Warn,
    /// Never fail because of findings
    Never,
}

impl FailOn {
    /// Whether a finding makes the command fail.
    pub fn fails(self, finding: &Finding) -> bool {
        match self {
            // Other tools check whether the API server accepts an object.
            _ if finding.passes() || finding.level == Level::Invalid => false,
            Self::Reject => finding.level.is_rejection(),
            Self::Warn => true,
            Self::Never => false,
        }
    }
}

/// A row of the roll-out preview: the number of objects with findings of a rule in a namespace. Each column counts an object
/// once, even if it has several findings. Policies in monitor mode count as if they were enforced.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Row {
    /// Objects with a warning, whether they are changed or not.
    #[serde(rename = "wouldWarn")]
    pub warned: usize,
    /// Objects that are changed, or whose Pods are.
    #[serde(rename = "wouldFix")]
    pub fixed: usize,
    /// Objects whose token is removed.
    #[serde(rename = "loseTheirToken")]
    pub without_token: usize,
    /// Objects that are rejected, or whose Pods are.
    #[serde(rename = "wouldReject")]
    pub refused: usize,
    /// Objects whose token is removed, and whose ServiceAccount no binding names.
    #[serde(rename = "losesUnusedToken")]
    pub unused: usize,
    /// Objects with a token of a ServiceAccount that a binding names.
    #[serde(rename = "keepsNeededToken")]
    pub needed: usize,
    /// Objects whose ServiceAccount is unknown.
    #[serde(rename = "unknownToken")]
    pub unknown: usize,
}

impl Row {
    /// The row of one object, from its findings.
    fn of<'f>(findings: &(impl Iterator<Item = &'f Finding> + Clone)) -> Self {
        let count = |is: &dyn Fn(&Finding) -> bool| usize::from(findings.clone().any(is));
        let refused = count(&|it| it.enforced().is_rejection());
        // A rejected object is not changed.
        let others = 1 - refused;
        Self {
            warned: count(&|it| it.enforced() == Level::Warned) * others,
            fixed: count(&|it| it.enforced().is_fix()) * others,
            without_token: count(&|it| it.enforced().is_fix() && AUTOMOUNT.contains(&it.rule.as_str())) * others,
            refused,
            unused: count(&|it| it.token == Some(Token::Unused)),
            needed: count(&|it| it.token == Some(Token::Needed)),
            unknown: count(&|it| it.token == Some(Token::Unknown)),
        }
    }

    fn add(&mut self, other: Self) {
        self.warned += other.warned;
        self.fixed += other.fixed;
        self.without_token += other.without_token;
        self.refused += other.refused;
        self.unused += other.unused;
        self.needed += other.needed;
        self.unknown += other.unknown;
    }
}

/// The rules whose fix removes the API token.
const AUTOMOUNT: [&str; 2] = ["pod-automount", "service-account-automount"];

/// The summary of all files.
#[derive(Debug, Default)]
pub struct Summary {
    /// The number of objects by verdict.
    pub tally: Tally,
    /// The number of files with objects.
    pub files: usize,
    /// The number of findings that the baseline contains.
    pub known: usize,
    /// The number of findings that comments suppress.
    pub suppressed: usize,
    /// The number of files and documents that cannot be checked.
    pub unreadable: usize,
    /// The number of files with characters that end a line for kubectl, but not for most other tools.
    pub unusual_files: usize,
    /// The number of documents that are not Kubernetes objects.
    pub others: usize,
    /// The number of files that `--exclude` or the configuration excludes.
    pub excluded: usize,
    /// Whether something makes the command fail.
    pub fails: bool,
    /// Notes for the reader.
    pub notes: Vec<String>,
    /// The number of objects with findings, by rule and namespace.
    pub by_rule: BTreeMap<(String, String), Row>,
    /// The number of objects with findings of any rule; each column counts an object once.
    pub by_any_rule: Row,
    /// The number of findings, by rule and level.
    pub statistics: BTreeMap<(String, Level), usize>,
    pub(super) noted: Noted,
    last_file: Option<Arc<str>>,
    last_unusual: Option<Arc<str>>,
}

impl Summary {
    /// Adds the report on some documents. The reports on one file must follow each other.
    pub fn add(&mut self, report: &mut FileReport, fail_on: FailOn) {
        if !report.objects.is_empty() && self.last_file.as_ref() != Some(&report.file) {
            self.last_file = Some(report.file.clone());
            self.files += 1;
        }
        let is_unusual = report.warnings.iter().any(|warning| warning.what.is_line_break());
        if is_unusual && self.last_unusual.as_ref() != Some(&report.file) {
            self.last_unusual = Some(report.file.clone());
            self.unusual_files += 1;
        }
        self.unreadable += report.unreadable.len();
        self.others += report.others;
        for object in &report.objects {
            self.tally.add(&object.verdict);
            for finding in &object.findings {
                match finding.pass {
                    Some(Pass::Baseline) => self.known += 1,
                    Some(Pass::Suppressed { .. }) => self.suppressed += 1,
                    None => *self.statistics.entry((finding.rule.clone(), finding.enforced())).or_default() += 1,
                }
            }
            self.fails |= object.findings.iter().any(|finding| fail_on.fails(finding));
            self.count_rules(object);
        }
        self.noted.add(std::mem::take(&mut report.noted));
    }

    /// The number of Pods that are not listed, because their templates are checked.
    pub fn noted_pods(&self) -> usize {
        self.noted.unlisted_pods.0
    }

    fn count_rules(&mut self, object: &ObjectReport) {
        let findings = object.findings.iter().filter(|it| !it.passes() && it.level != Level::Invalid);
        let rules: BTreeSet<&str> = findings.clone().map(|finding| finding.rule.as_str()).collect();
        for rule in rules {
            let row = Row::of(&findings.clone().filter(|finding| finding.rule == rule));
            let namespace = object.namespace.clone().unwrap_or_default();
            self.by_rule.entry((rule.to_owned(), namespace)).or_default().add(row);
        }
        self.by_any_rule.add(Row::of(&findings));
    }
}

impl Noted {
    fn add(&mut self, other: Self) {
        self.unknown_accounts.extend(other.unknown_accounts);
        self.unknown_namespaces.extend(other.unknown_namespaces);
        self.exemptions.extend(other.exemptions);
        self.unlisted_pods.0 += other.unlisted_pods.0;
        self.unlisted_pods.1 += other.unlisted_pods.1;
        self.kustomizations.extend(other.kustomizations);
        self.moved.extend(other.moved);
    }
}

impl ObjectReport {
    pub(super) fn new(
        part: &SourcePart<'_>,
        manifest: &Manifest,
        namespace: &str,
        verdict: Verdict,
        findings: Vec<Finding>,
    ) -> Self {
        let own = manifest.text("/metadata/namespace");
        let is_namespaced = own.is_some() || ApiServer::is_namespaced(&manifest.object);
        let name = match (manifest.text("/metadata/name"), manifest.text("/metadata/generateName")) {
            (Some(name), _) => shown::text(name),
            (None, Some(prefix)) => format!("{}*", shown::text(prefix)),
            (None, None) => "?".to_owned(),
        };
        Self {
            file: part.file.name.clone(),
            location: part.locate(manifest, &[]),
            kind: shown::text(manifest.object.get("kind").and_then(Value::as_str).unwrap_or("?")),
            namespace: is_namespaced.then(|| shown::text(own.unwrap_or(namespace))),
            name,
            origin: if findings.is_empty() { None } else { part.origin(manifest).as_deref().map(shown::text) },
            verdict,
            findings,
            fix: None,
        }
    }

    /// What happens to the Pods created from it, if that is not its own verdict.
    pub fn pods(&self) -> Option<&'static str> {
        match self.verdict {
            Verdict::Found(level @ (Level::PodsFixed | Level::PodsRejected)) => Some(Column::Found(level).word()),
            _ => None,
        }
    }

    /// For example, `Pod team-a/web`.
    pub fn title(&self) -> String {
        match &self.namespace {
            Some(namespace) => format!("{} {namespace}/{}", self.kind, self.name),
            None => format!("{} {}", self.kind, self.name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn token_removing_rules_exist() {
        for id in AUTOMOUNT {
            assert!(serviceaccount_hygiene::rules::RULES.iter().any(|rule| rule.id == id), "{id}");
        }
    }
}
