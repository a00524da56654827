// SPDX-License-Identifier: Apache-2.0

//! `expect.yaml`: what the policy answers, to the letter.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use sa_hygiene::yaml;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use similar::TextDiff;

/// The order in which fields are written; what is missing here does not exist.
const FIELDS: &[&str] =
    &["settings", "allowed", "code", "message", "warnings", "auditAnnotations", "lookups", "reviews", "object"];

/// The file's name in the case folder.
pub const FILE: &str = "expect.yaml";

/// An answer: to the settings, or to a request under valid settings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Expectation {
    /// The settings are refused, or all there is.
    Settings(SettingsAnswer),
    /// A request was judged.
    Verdict(Verdict),
}

/// The answer to the settings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SettingsAnswer {
    /// What the policy says of them.
    pub settings: SettingsVerdict,
}

/// What the policy says of its settings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SettingsVerdict {
    /// Whether it can work with them.
    pub valid: bool,
    /// Every problem.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// Everything of a response, and how many look-ups and reviews it took. Absent means absent.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Verdict {
    /// Accepted or not.
    pub allowed: bool,
    /// The HTTP status of a rejection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<u16>,
    /// The text of a rejection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// In the order given.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// For the audit log.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub audit_annotations: BTreeMap<String, String>,
    /// How often the policy asked for an account.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub lookups: usize,
    /// How often it asked what an account may do.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub reviews: usize,
    /// The whole fixed object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<Value>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature is serde's")]
fn is_zero(number: &usize) -> bool {
    *number == 0
}

impl Verdict {
    /// The findings and fixes that people are told of, one per line, without list marks.
    pub fn lines(&self) -> impl Iterator<Item = &str> {
        let message = self.message.iter().flat_map(|message| message.lines());
        let message = message.map(|line| line.strip_prefix("- ").unwrap_or(line));
        message.chain(self.warnings.iter().map(String::as_str))
    }

    /// What is said in the name of a rule.
    pub fn lines_of<'a>(&'a self, rule: &'a str) -> impl Iterator<Item = &'a str> {
        self.lines().filter_map(move |line| line.strip_prefix(rule)?.strip_prefix(": "))
    }
}

impl Expectation {
    /// Reads the folder's file; none if it was never blessed.
    ///
    /// # Errors
    /// When the file cannot be read as an expectation.
    pub fn load(dir: &Path) -> Result<Option<Self>> {
        let path = dir.join(FILE);
        if !path.exists() {
            return Ok(None);
        }
        let mut documents = yaml::load_str(&fs::read_to_string(path)?, FILE)?;
        ensure!(documents.len() == 1, "{FILE} must have one document");
        let value = documents.pop().map(|document| document.value).unwrap_or_default();
        // Not through the untagged enum, whose errors say nothing.
        let parsed = if value.get("settings").is_some() {
            serde_json::from_value(value).map(Self::Settings)
        } else {
            serde_json::from_value(value).map(Self::Verdict)
        };
        parsed.context(FILE).map(Some)
    }

    /// The verdict, if a request was judged.
    #[must_use]
    pub fn verdict(&self) -> Option<&Verdict> {
        match self {
            Self::Verdict(verdict) => Some(verdict),
            Self::Settings(_) => None,
        }
    }

    /// The text of the file.
    ///
    /// # Errors
    /// When the serialiser gives up.
    pub fn to_yaml(&self) -> Result<String> {
        let fields = serde_json::to_value(self)?;
        let mut text = String::new();
        for field in FIELDS {
            if let Some(value) = fields.get(field) {
                text.push_str(yaml::to_string(&json!({*field: value}))?.trim_end());
                text.push('\n');
            }
        }
        Ok(text)
    }

    /// Writes the folder's file, and gives the difference to what it held.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn bless(&self, dir: &Path) -> Result<Option<String>> {
        let path = dir.join(FILE);
        let old = if path.exists() { fs::read_to_string(&path)? } else { String::new() };
        let new = self.to_yaml()?;
        if Self::load(dir).ok().flatten().as_ref() == Some(self) && old == new {
            return Ok(None);
        }
        fs::write(&path, &new)?;
        Ok(Some(difference(&old, &new)))
    }

    /// Compares to the letter.
    ///
    /// # Errors
    /// A readable difference.
    pub fn compare(&self, actual: &Self) -> Result<(), String> {
        if self == actual {
            return Ok(());
        }
        let text = |expectation: &Self| expectation.to_yaml().unwrap_or_else(|error| error.to_string());
        Err(difference(&text(self), &text(actual)))
    }
}

fn difference(old: &str, new: &str) -> String {
    TextDiff::from_lines(old, new).unified_diff().context_radius(2).header("expected", "actual").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rejection() -> Expectation {
        Expectation::Verdict(Verdict {
            code: Some(403),
            message: Some("serviceaccount-hygiene: 1 problem\n- pod-automount: spec: text".to_owned()),
            warnings: vec!["one-year-token: spec: text".to_owned()],
            lookups: 1,
            ..Verdict::default()
        })
    }

    #[test]
    fn is_written_in_reading_order_with_block_scalars() {
        assert_eq!(
            rejection().to_yaml().unwrap(),
            "allowed: false\ncode: 403\nmessage: |-\n  serviceaccount-hygiene: 1 problem\n  - pod-automount: spec: text\n\
             warnings:\n- \"one-year-token: spec: text\"\nlookups: 1\n"
        );
    }

    #[test]
    fn lines_are_found_by_rule() {
        let expectation = rejection();
        let verdict = expectation.verdict().unwrap();
        assert_eq!(verdict.lines_of("pod-automount").collect::<Vec<_>>(), ["spec: text"]);
        assert_eq!(verdict.lines_of("one-year-token").collect::<Vec<_>>(), ["spec: text"]);
        assert_eq!(verdict.lines_of("pod").count(), 0);
    }

    #[test]
    fn a_difference_is_shown_by_line() {
        let mut other = rejection();
        let Expectation::Verdict(verdict) = &mut other else { panic!("it is a verdict") };
        verdict.lookups = 0;
        assert!(rejection().compare(&other).unwrap_err().contains("-lookups: 1"));
    }
}
