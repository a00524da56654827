// SPDX-License-Identifier: Apache-2.0

//! Findings that were there before: a file of them lets them pass, so that an old repository can start.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

use super::finding::{Finding, Level};
use super::report::{ObjectReport, Report};
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
    place: String,
    /// As far as it goes today; further is new.
    level: String,
}

impl Known {
    fn of(object: &ObjectReport, finding: &Finding) -> Self {
        Self {
            rule: finding.rule.clone(),
            object: object.title(),
            place: finding.place.clone(),
            level: finding.level.word().to_owned(),
        }
    }
}

impl Baseline {
    /// Every finding of a report.
    pub fn of(report: &Report) -> Self {
        Self { findings: report.findings().map(|(object, finding)| Known::of(object, finding)).collect() }
    }

    /// Reads a file that `--write-baseline` wrote.
    pub fn read(path: &Path) -> Result<Self> {
        let value = yaml::load_settings(path)?;
        serde_json::from_value(value).with_context(|| format!("{}: not a baseline", path.display()))
    }

    /// Writes the file; how many findings it holds.
    pub fn write(&self, path: &Path) -> Result<usize> {
        let text = "# Findings that `sa-hygiene check --baseline` lets pass. Made by --write-baseline.\n";
        let text = format!("{text}{}", yaml::to_string(&serde_json::to_value(self)?)?);
        super::fix::replace_file(path, text.as_bytes()).with_context(|| path.display().to_string())?;
        Ok(self.findings.len())
    }

    /// Marks what is known. What is known and does not occur any more is a note.
    pub fn apply(&self, report: &mut Report) {
        // By rule, object and place: how far it goes, and whether it occurs.
        let mut known: BTreeMap<[&str; 3], (Option<Level>, bool)> = BTreeMap::new();
        for it in &self.findings {
            let level = Level::ALL.into_iter().find(|level| level.word() == it.level);
            let entry = known.entry([&it.rule, &it.object, &it.place]).or_default();
            entry.0 = entry.0.max(level);
        }
        for object in &mut report.objects {
            let title = object.title();
            for finding in &mut object.findings {
                let same = known.iter_mut().find(|([rule, object, place], _)| {
                    (*rule, *object, *place) == (finding.rule.as_str(), title.as_str(), finding.place.as_str())
                });
                if let Some((_, (level, occurs))) = same {
                    *occurs = true;
                    finding.is_known = *level >= Some(finding.level);
                }
            }
        }
        let gone = known.values().filter(|(_, occurs)| !occurs).count();
        if gone > 0 {
            report.notes.push(format!(
                "{gone} findings of the baseline do not occur any more; --write-baseline takes them out"
            ));
        }
    }
}
