// SPDX-License-Identifier: Apache-2.0

//! What came out, ready to be printed in any format: file by file, and a summary of all.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value;

use super::finding::{Finding, Level, Token};
use super::source::{Location, Manifest, Remarked, SourcePart, Unreadable};
use super::verdict::{Tally, Verdict};
use crate::apiserver::ApiServer;
use crate::shown;
use crate::yaml::parts::What;

/// The report on some documents of one file.
#[derive(Debug, Default)]
pub struct FileReport {
    /// As the user named it.
    pub file: Arc<str>,
    /// Each object, in the order of the file.
    pub objects: Vec<ObjectReport>,
    /// What cannot be checked; all else is checked all the same.
    pub unreadable: Vec<Unreadable>,
    /// What is read in another way than its author may think.
    pub remarks: Vec<Remarked>,
    /// Documents that are not Kubernetes objects.
    pub others: usize,
    /// What the summary has to know.
    pub(super) noted: Noted,
}

/// What is reported once, however many objects are concerned.
#[derive(Debug, Default)]
pub(super) struct Noted {
    pub unknown_accounts: BTreeSet<String>,
    pub unknown_namespaces: BTreeSet<String>,
    /// The number of the policy and that of the entry.
    pub exemptions: BTreeSet<(usize, usize)>,
    /// Pods of controllers whose templates are checked; and how many of these have findings.
    pub unlisted_pods: (usize, usize),
    /// The folders of kustomizations that patches are in.
    pub kustomizations: BTreeSet<String>,
    /// Old `apiVersion`s, and what they are now.
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
    /// Its namespace; none for a kind that has none.
    pub namespace: Option<String>,
    /// Its name, or what its name will begin with.
    pub name: String,
    /// The chart's template.
    pub origin: Option<String>,
    /// How it ended.
    pub verdict: Verdict,
    /// Its findings, in the order of the lines.
    pub findings: Vec<Finding>,
    /// The edits that `--fix` would make for it, where they were asked for.
    pub edits: Vec<TextEdit>,
}

/// A part of a file, and what comes in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextEdit {
    /// Where the part begins.
    pub start: Location,
    /// Behind its end.
    pub end: Location,
    /// What comes in its place.
    pub text: String,
}

/// From which level on the command fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum FailOn {
    /// What the cluster refuses
    #[default]
    Reject,
    /// What the cluster refuses, warns about or changes
    Warn,
    /// Nothing
    Never,
}

impl FailOn {
    /// Whether a finding makes the command fail.
    pub fn fails(self, finding: &Finding) -> bool {
        match self {
            // There are other tools for what the API server takes.
            _ if finding.is_known || finding.level == Level::Invalid => false,
            Self::Reject => finding.level == Level::Refused,
            Self::Warn => true,
            Self::Never => false,
        }
    }
}

/// A row of the roll-out preview: how many objects of a namespace a rule would concern.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Row {
    /// Objects with a warning, whether they are changed or not.
    pub warned: usize,
    /// Objects that are changed.
    pub fixed: usize,
    /// Objects that lose their token by that.
    pub without_token: usize,
    /// Objects that are refused.
    pub refused: usize,
    /// Objects that lose a token of an account that no binding names.
    pub unused: usize,
    /// Objects with a token of an account that a binding names.
    pub needed: usize,
    /// Objects of whose account nothing is known.
    pub unknown: usize,
}

/// The rules whose fix takes the API token away.
const AUTOMOUNT: [&str; 2] = ["pod-automount", "service-account-automount"];

/// All files together.
#[derive(Debug, Default)]
pub struct Summary {
    /// How many objects ended how.
    pub tally: Tally,
    /// Files with objects.
    pub files: usize,
    /// Findings that the baseline lets pass.
    pub known: usize,
    /// Files and documents that cannot be checked.
    pub unreadable: usize,
    /// Files in which characters end a line that do so for hardly anybody but kubectl.
    pub unusual_files: usize,
    /// Documents that are not Kubernetes objects.
    pub others: usize,
    /// Whether something makes the command fail.
    pub fails: bool,
    /// What a reader has to know about all this.
    pub notes: Vec<String>,
    /// Rule by namespace: how many objects are concerned.
    pub by_rule: BTreeMap<(String, String), Row>,
    pub(super) noted: Noted,
    last_file: Option<Arc<str>>,
    last_unusual: Option<Arc<str>>,
}

impl Summary {
    /// Adds the report on some documents; those of a file come one after the other.
    pub fn add(&mut self, report: &mut FileReport, fail_on: FailOn) {
        if !report.objects.is_empty() && self.last_file.as_ref() != Some(&report.file) {
            self.last_file = Some(report.file.clone());
            self.files += 1;
        }
        let is_unusual = report.remarks.iter().any(|remark| matches!(remark.what, What::LineBreak(_)));
        if is_unusual && self.last_unusual.as_ref() != Some(&report.file) {
            self.last_unusual = Some(report.file.clone());
            self.unusual_files += 1;
        }
        self.unreadable += report.unreadable.len();
        self.others += report.others;
        for object in &report.objects {
            self.tally.add(&object.verdict);
            self.known += object.findings.iter().filter(|finding| finding.is_known).count();
            self.fails |= object.findings.iter().any(|finding| fail_on.fails(finding));
            self.count_rules(object);
        }
        self.noted.add(std::mem::take(&mut report.noted));
    }

    /// Pods that are not listed, for their templates are.
    pub fn noted_pods(&self) -> usize {
        self.noted.unlisted_pods.0
    }

    fn count_rules(&mut self, object: &ObjectReport) {
        let mut levels: BTreeMap<&str, BTreeSet<Level>> = BTreeMap::new();
        let mut tokens: BTreeMap<&str, BTreeSet<Token>> = BTreeMap::new();
        for finding in object.findings.iter().filter(|it| !it.is_known && it.level != Level::Invalid) {
            levels.entry(&finding.rule).or_default().insert(finding.level);
            tokens.entry(&finding.rule).or_default().extend(finding.token);
        }
        for (rule, levels) in levels {
            let namespace = object.namespace.clone().unwrap_or_default();
            let row = self.by_rule.entry((rule.to_owned(), namespace)).or_default();
            let tokens = tokens.remove(rule).unwrap_or_default();
            row.unused += usize::from(tokens.contains(&Token::Unused));
            row.needed += usize::from(tokens.contains(&Token::Needed));
            row.unknown += usize::from(tokens.contains(&Token::Unknown));
            if levels.contains(&Level::Refused) {
                row.refused += 1;
                continue;
            }
            row.warned += usize::from(levels.contains(&Level::Warned));
            if levels.contains(&Level::Fixed) {
                row.fixed += 1;
                row.without_token += usize::from(AUTOMOUNT.contains(&rule));
            }
        }
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
            edits: Vec::new(),
        }
    }

    /// `Pod team-a/web`.
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
    fn the_rules_that_take_tokens_away_exist() {
        for id in AUTOMOUNT {
            assert!(serviceaccount_hygiene::rules::RULES.iter().any(|rule| rule.id == id), "{id}");
        }
    }
}
