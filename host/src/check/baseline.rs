// SPDX-License-Identifier: Apache-2.0

//! Baselines: files with known findings, which do not count. With a baseline, an existing repository can adopt `check`
//! gradually.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

use super::finding::{Finding, Level, Pass};
use super::report::{FileReport, ObjectReport};
use super::verdict::Verdict;
use crate::shown::{self, count};
use crate::yaml;

/// The file's content.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Baseline {
    /// Sorted, without duplicates.
    findings: BTreeSet<Known>,
}

/// A finding without its line, which may change.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Known {
    rule: String,
    /// For example, `Pod team-a/web`.
    object: String,
    // The name in version 0.1.
    #[serde(alias = "place")]
    field: String,
    /// The level when the baseline was written; a finding with a higher level does not match.
    level: String,
}

impl Known {
    fn of(object: &ObjectReport, finding: &Finding) -> Self {
        Self {
            rule: finding.rule.clone(),
            object: object.title(),
            field: finding.field_path.clone(),
            level: finding.enforced().key().to_owned(),
        }
    }
}

impl Baseline {
    /// Reads a file that `--write-baseline` wrote.
    pub fn read(path: &Path) -> Result<Self> {
        let value = yaml::load_settings(path)?;
        serde_json::from_value(value).with_context(|| format!("{}: not a baseline", shown::path(path)))
    }

    /// Prepares it for the comparison with reports.
    pub fn applied(self) -> Applied {
        let mut applied = Applied::default();
        for it in self.findings {
            let level = Level::from_key(&it.level);
            applied.read.entry(it.object.clone()).or_default();
            let entry = applied.known.entry([it.rule, it.object, it.field]).or_default();
            entry.0 = entry.0.max(level);
        }
        applied
    }
}

/// A baseline to be written.
#[derive(Debug)]
pub struct NewBaseline {
    old: Baseline,
    /// The objects in the old baseline, and whether each was read.
    read: BTreeMap<String, bool>,
    found: BTreeSet<Known>,
}

impl NewBaseline {
    /// Starts with the findings in the file, if it exists. Fails if the file is not a baseline, so that it is not replaced.
    pub fn begin(path: &Path) -> Result<Self> {
        let old = if path.exists() { Baseline::read(path)? } else { Baseline::default() };
        let read = old.findings.iter().map(|known| (known.object.clone(), false)).collect();
        Ok(Self { old, read, found: BTreeSet::new() })
    }

    /// Adds every finding of a report, except suppressed ones.
    pub fn add(&mut self, report: &FileReport) {
        for object in &report.objects {
            mark_read(&mut self.read, object);
            let counts = |finding: &&Finding| !matches!(finding.pass, Some(Pass::Suppressed { .. }));
            self.found.extend(object.findings.iter().filter(counts).map(|finding| Known::of(object, finding)));
        }
    }

    /// Writes the file. Returns the number of findings in it, and how many of them were kept because their objects were not
    /// read or their rules are not selected.
    pub fn write(self, path: &Path, is_selected: impl Fn(&str) -> bool) -> Result<(usize, usize)> {
        let Self { old, read, mut found } = self;
        let is_kept =
            |known: &Known| !read.get(&known.object).copied().unwrap_or_default() || !is_selected(&known.rule);
        let kept: BTreeSet<Known> = old.findings.into_iter().filter(is_kept).collect();
        let kept_count = kept.difference(&found).count();
        found.extend(kept);
        let count = found.len();
        let text = "# Findings that `sa-hygiene check --baseline` does not count. Written by --write-baseline.\n";
        let text = format!("{text}{}", yaml::to_string(&serde_json::to_value(Baseline { findings: found })?)?);
        super::write::write(path, &text).with_context(|| shown::path(path))?;
        Ok((count, kept_count))
    }
}

fn mark_read(read: &mut BTreeMap<String, bool>, object: &ObjectReport) {
    if read.is_empty() {
        return;
    }
    if let Some(is_read) = read.get_mut(&object.title()) {
        *is_read = true;
    }
}

/// A baseline during the comparison with reports.
#[derive(Debug, Default)]
pub struct Applied {
    /// By rule, object and field: the level, and whether a report has the finding.
    known: BTreeMap<[String; 3], (Option<Level>, bool)>,
    /// The objects in it, and whether each was read.
    read: BTreeMap<String, bool>,
}

impl Applied {
    /// Marks the findings that the baseline contains.
    pub fn mark(&mut self, report: &mut FileReport) {
        for object in &mut report.objects {
            mark_read(&mut self.read, object);
            if object.findings.is_empty() {
                continue;
            }
            let title = object.title();
            for finding in &mut object.findings {
                let key = [finding.rule.clone(), title.clone(), finding.field_path.clone()];
                let Some((level, occurs)) = self.known.get_mut(&key) else { continue };
                *occurs = true;
                if finding.pass.is_none() && *level >= Some(finding.enforced()) {
                    finding.pass = Some(Pass::Baseline);
                }
            }
            if object.verdict.is_of_checked() {
                object.verdict = Verdict::of(&object.findings);
            }
        }
    }

    /// A note on the findings that no longer occur, of the objects that were read and the rules that are selected.
    pub fn note(&self, is_selected: impl Fn(&str) -> bool) -> Option<String> {
        let is_stale = |([rule, object, _], (_, occurs)): &(&[String; 3], &(Option<Level>, bool))| {
            !occurs && self.read.get(object).copied().unwrap_or_default() && is_selected(rule)
        };
        let gone = self.known.iter().filter(is_stale).count();
        let verb = if gone == 1 { "does" } else { "do" };
        let findings = count(gone, "finding");
        (gone > 0)
            .then(|| format!("{findings} of the baseline {verb} not occur any more; --write-baseline removes them"))
    }
}
