// SPDX-License-Identifier: Apache-2.0

//! Findings that were there before: a file of them lets them pass, so that an old repository can start.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

use super::finding::{Finding, Level};
use super::report::{FileReport, ObjectReport};
use super::verdict::Verdict;
use crate::shown;
use crate::yaml;

/// The file's content.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Baseline {
    /// Sorted, each once.
    findings: BTreeSet<Known>,
}

/// A finding, wherever its line has moved.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Known {
    rule: String,
    /// `Pod team-a/web`.
    object: String,
    #[serde(rename = "place")]
    field_path: String,
    /// As far as it goes today; further is new.
    level: String,
}

impl Known {
    fn of(object: &ObjectReport, finding: &Finding) -> Self {
        Self {
            rule: finding.rule.clone(),
            object: object.title(),
            field_path: finding.field_path.clone(),
            level: finding.level.word().to_owned(),
        }
    }
}

/// What the file knows, as far as reports have been compared with it.
#[derive(Debug, Default)]
pub struct Applied {
    /// By rule, object and field_path: how far it goes, and whether it occurs.
    known: BTreeMap<[String; 3], (Option<Level>, bool)>,
}

impl Baseline {
    /// Adds every finding of a report.
    pub fn add(&mut self, report: &FileReport) {
        for object in &report.objects {
            self.findings.extend(object.findings.iter().map(|finding| Known::of(object, finding)));
        }
    }

    /// Reads a file that `--write-baseline` wrote.
    pub fn read(path: &Path) -> Result<Self> {
        let value = yaml::load_settings(path)?;
        serde_json::from_value(value).with_context(|| format!("{}: not a baseline", shown::path(path)))
    }

    /// Writes the file; how many findings it holds.
    pub fn write(&self, path: &Path) -> Result<usize> {
        let text = "# Findings that `sa-hygiene check --baseline` lets pass. Made by --write-baseline.\n";
        let text = format!("{text}{}", yaml::to_string(&serde_json::to_value(self)?)?);
        super::write::write(path, &text).with_context(|| shown::path(path))?;
        Ok(self.findings.len())
    }

    /// Ready to be compared with reports.
    pub fn applied(self) -> Applied {
        let mut applied = Applied::default();
        for it in self.findings {
            let level = Level::ALL.into_iter().find(|level| level.word() == it.level);
            let entry = applied.known.entry([it.rule, it.object, it.field_path]).or_default();
            entry.0 = entry.0.max(level);
        }
        applied
    }
}

impl Applied {
    /// Marks what is known.
    pub fn mark(&mut self, report: &mut FileReport) {
        for object in &mut report.objects {
            let title = object.title();
            for finding in &mut object.findings {
                let key = [finding.rule.clone(), title.clone(), finding.field_path.clone()];
                if let Some((level, occurs)) = self.known.get_mut(&key) {
                    *occurs = true;
                    finding.is_known = *level >= Some(finding.level);
                }
            }
            if object.verdict.is_of_checked() {
                object.verdict = Verdict::of(&object.findings);
            }
        }
    }

    /// What is known and does not occur any more.
    pub fn note(&self) -> Option<String> {
        let gone = self.known.values().filter(|(_, occurs)| !occurs).count();
        let text = "findings of the baseline do not occur any more; --write-baseline takes them out";
        (gone > 0).then(|| format!("{gone} {text}"))
    }
}
