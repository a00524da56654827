// SPDX-License-Identifier: Apache-2.0

//! What came out, ready to be printed in any format.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::finding::{Finding, Level, printable};
use super::source::{Location, Manifest};
use crate::apiserver::ApiServer;

/// Everything there is to say.
#[derive(Debug, Default)]
pub struct Report {
    /// Each object, in the order of the input.
    pub objects: Vec<ObjectReport>,
    /// Pods of controllers whose templates are judged.
    pub unlisted_pods: usize,
    /// Those of them that something is said about.
    pub unlisted_pods_with_findings: usize,
    /// Documents that are no Kubernetes objects.
    pub documents_left_out: usize,
    /// What a reader has to know about all this.
    pub notes: Vec<String>,
}

/// One object.
#[derive(Debug)]
pub struct ObjectReport {
    /// Its number among the manifests.
    pub manifest: usize,
    /// Its file, a number among the files.
    pub file: usize,
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
    /// What was said, in the order of the lines.
    pub findings: Vec<Finding>,
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
            _ if finding.is_known => false,
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
}

/// The rules whose fix takes the API token away.
const AUTOMOUNT: [&str; 2] = ["pod-automount", "service-account-automount"];

impl Report {
    /// Every finding with its object.
    pub fn findings(&self) -> impl Iterator<Item = (&ObjectReport, &Finding)> {
        self.objects.iter().flat_map(|object| object.findings.iter().map(move |finding| (object, finding)))
    }

    /// Whether something makes the command fail.
    pub fn fails(&self, on: FailOn) -> bool {
        self.findings().any(|(_, finding)| on.fails(finding))
    }

    /// How many objects end at each level; then, without a word.
    pub fn counts(&self) -> ([(Level, usize); 3], usize) {
        let count = |level| self.objects.iter().filter(|object| object.level() == level).count();
        (Level::ALL.map(|level| (level, count(Some(level)))), count(None))
    }

    /// Findings that the baseline lets pass.
    pub fn known(&self) -> usize {
        self.findings().filter(|(_, finding)| finding.is_known).count()
    }

    /// Rule by namespace: how many objects are concerned.
    pub fn summary(&self) -> BTreeMap<(String, String), Row> {
        let mut rows: BTreeMap<(String, String), Row> = BTreeMap::new();
        for object in &self.objects {
            let mut levels: BTreeMap<&str, BTreeSet<Level>> = BTreeMap::new();
            for finding in object.findings.iter().filter(|finding| !finding.is_known) {
                levels.entry(&finding.rule).or_default().insert(finding.level);
            }
            for (rule, levels) in levels {
                let namespace = object.namespace.clone().unwrap_or_default();
                let row = rows.entry((rule.to_owned(), namespace)).or_default();
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
        rows
    }
}

impl ObjectReport {
    pub(super) fn new(number: usize, manifest: &Manifest, namespace: &str, findings: Vec<Finding>) -> Self {
        let own = manifest.text("/metadata/namespace");
        let is_namespaced = own.is_some() || ApiServer::is_namespaced(&manifest.object);
        let name = match (manifest.text("/metadata/name"), manifest.text("/metadata/generateName")) {
            (Some(name), _) => name.to_owned(),
            (None, Some(prefix)) => format!("{prefix}*"),
            (None, None) => "?".to_owned(),
        };
        Self {
            manifest: number,
            file: manifest.file,
            location: Location { line: manifest.line, column: 1 },
            kind: printable(manifest.object.get("kind").and_then(Value::as_str).unwrap_or_default()),
            namespace: is_namespaced.then(|| printable(own.unwrap_or(namespace))),
            name: printable(&name),
            origin: manifest.origin.as_deref().map(printable),
            findings,
        }
    }

    /// The worst that is said of it, what the baseline knows left out.
    pub fn level(&self) -> Option<Level> {
        self.findings.iter().filter(|finding| !finding.is_known).map(|finding| finding.level).max()
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
