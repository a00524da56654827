// SPDX-License-Identifier: Apache-2.0

//! The findings of a policy's answer.

use serviceaccount_hygiene::admission::response::POLICY;

pub use super::evidence::Token;
use super::source::Location;
use crate::kubewarden::{Diagnosed, Diagnostic, Segment, Severity};
use crate::shown;

/// The rule ID of findings about objects that the API server would reject.
pub const API_SERVER: &str = "api-server";

/// The level of a finding, from least to most severe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// The cluster accepts the object, and changes the Pods made from it.
    PodsFixed,
    /// A policy in monitor mode logs it; see [`Finding::monitored`].
    Monitored,
    /// The cluster changes the object.
    Fixed,
    /// The cluster warns.
    Warned,
    /// The API server would reject the object, according to the simulated part of its validation. Never makes the command fail.
    Invalid,
    /// The cluster accepts the object, and a policy rejects the Pods made from it.
    PodsRejected,
    /// A policy rejects the object.
    Rejected,
}

impl Level {
    /// Every level, from least to most severe.
    pub const ALL: [Self; 7] = [
        Self::PodsFixed,
        Self::Monitored,
        Self::Fixed,
        Self::Warned,
        Self::Invalid,
        Self::PodsRejected,
        Self::Rejected,
    ];

    /// The text in reports for people.
    pub fn word(self) -> &'static str {
        match self {
            Self::PodsFixed | Self::Fixed => "would fix",
            Self::Monitored => "monitored",
            Self::Warned => "would warn",
            Self::Invalid => "invalid",
            Self::PodsRejected | Self::Rejected => "would reject",
        }
    }

    /// The key in machine-readable reports and in baselines.
    pub fn key(self) -> &'static str {
        match self {
            Self::PodsFixed => "podsWouldBeFixed",
            Self::Monitored => "monitored",
            Self::Fixed => "wouldFix",
            Self::Warned => "wouldWarn",
            Self::Invalid => "invalid",
            Self::PodsRejected => "podsWouldBeRejected",
            Self::Rejected => "wouldReject",
        }
    }

    /// The level with a key, including the keys of version 0.1.
    pub fn from_key(key: &str) -> Option<Self> {
        match key {
            "fixed" => Some(Self::Fixed),
            "warned" => Some(Self::Warned),
            "refused" => Some(Self::Rejected),
            _ => Self::ALL.into_iter().find(|level| level.key() == key),
        }
    }

    /// The level for the Pods of the object.
    fn of_pods(self) -> Self {
        match self {
            Self::Fixed => Self::PodsFixed,
            Self::Rejected => Self::PodsRejected,
            other => other,
        }
    }

    /// Whether something is changed.
    pub fn is_fix(self) -> bool {
        matches!(self, Self::Fixed | Self::PodsFixed)
    }

    /// Whether something is rejected.
    pub fn is_rejection(self) -> bool {
        matches!(self, Self::Rejected | Self::PodsRejected)
    }
}

/// Why a finding does not count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pass {
    /// The baseline contains it.
    Baseline,
    /// A comment in the file suppresses it.
    Suppressed {
        /// The comment's line.
        line: usize,
        /// The reason in the comment; empty without one.
        reason: String,
    },
}

/// A finding of a policy, or of the API server, about an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The rule's ID, [`API_SERVER`], or the policy's name if the finding is not from a rule.
    pub rule: String,
    /// The ID of the message within the rule; empty if the finding is not from a rule.
    pub id: String,
    /// The field; empty for the object as a whole.
    pub path: Vec<Segment>,
    /// The field as text.
    pub field_path: String,
    /// What is wrong, or what would be changed.
    pub message: String,
    /// What to do about it; empty if there is nothing to add.
    pub help: String,
    /// The value in question.
    pub value: Option<String>,
    /// How severe it is.
    pub level: Level,
    /// The level that it would have if the policy were enforced; only for policies in monitor mode.
    pub monitored: Option<Level>,
    /// The location in the file.
    pub location: Location,
    /// Why it does not count, if it does not.
    pub pass: Option<Pass>,
    /// Whether it concerns the Pods created from the template, and not the template itself.
    pub is_of_pods: bool,
    /// Whether the token of the account is needed; only for findings about a token.
    pub token: Option<Token>,
}

impl Finding {
    /// A finding that is not from a rule, about the object as a whole. Its location in the file is not known yet.
    pub fn new(source: &str, message: &str, level: Level) -> Self {
        Self {
            rule: source.to_owned(),
            id: String::new(),
            path: Vec::new(),
            field_path: String::new(),
            message: message.to_owned(),
            help: String::new(),
            value: None,
            level,
            monitored: None,
            location: Location { line: 1, column: 1 },
            pass: None,
            is_of_pods: false,
            token: None,
        }
    }

    /// An error of the API server, at the field that it names.
    pub fn of_api_server(text: &str) -> Self {
        let is_path =
            |path: &str| path.starts_with(|first: char| first.is_ascii_lowercase()) && !path.contains([' ', '"']);
        let (field_path, text) = text.split_once(": ").filter(|(path, _)| is_path(path)).unwrap_or(("", text));
        let message = format!("the API server rejects it: {}", shown::text(text));
        let path = Segment::read_path(field_path);
        Self { path, field_path: field_path.to_owned(), ..Self::new(API_SERVER, &message, Level::Invalid) }
    }

    fn of_rule(diagnostic: &Diagnostic) -> Self {
        let Diagnostic { rule, severity, id, path, field, message, help, value } = diagnostic.clone();
        let level = match severity {
            Severity::Rejection => Level::Rejected,
            Severity::Warning => Level::Warned,
            Severity::Change => Level::Fixed,
            Severity::PodChange => Level::PodsFixed,
        };
        let is_of_pods = severity == Severity::PodChange;
        Self { id, path, field_path: field, help, value, is_of_pods, ..Self::new(&rule, &message, level) }
    }

    /// Whether it comes from a rule, and not from the policy as a whole.
    pub(super) fn is_of_a_rule(&self) -> bool {
        !self.id.is_empty()
    }

    /// Whether both are the same finding, regardless of their levels.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        (&self.field_path, &self.rule, &self.path) == (&other.field_path, &other.rule, &other.path)
            && self.text() == other.text()
    }

    /// `message; help (value)`.
    pub fn text(&self) -> String {
        let Self { message, help, value, .. } = self;
        let mut text = message.clone();
        if !help.is_empty() {
            text.extend(["; ", help]);
        }
        if let Some(value) = value {
            text.extend([" (", &shown::text(value), ")"]);
        }
        text
    }

    /// Whether it does not count.
    pub fn passes(&self) -> bool {
        self.pass.is_some()
    }

    /// What the cluster would do, for example `would fix`.
    pub fn word(&self) -> String {
        match self.monitored {
            Some(level) => format!("{}, {}", self.level.word(), level.word()),
            None => self.level.word().to_owned(),
        }
    }

    /// The level, or the level that it would have if the policy were enforced.
    pub fn enforced(&self) -> Level {
        self.monitored.unwrap_or(self.level)
    }

    /// The same finding for a Pod created from the object; `template` is the path of the Pod template.
    #[must_use]
    pub fn into_pods(mut self, template: &str) -> Self {
        if !self.field_path.is_empty() {
            self.field_path = format!("{template}.{}", self.field_path);
            self.path.splice(0..0, Segment::read_path(template));
        }
        Self { is_of_pods: true, level: self.level.of_pods(), monitored: self.monitored.map(Level::of_pods), ..self }
    }

    /// The same finding from a policy in monitor mode. Warnings still reach the user.
    #[must_use]
    pub fn into_monitored(self) -> Self {
        match self.level {
            Level::Warned => self,
            level => Self { monitored: Some(level), level: Level::Monitored, ..self },
        }
    }

    /// `rule: field_path: text`, as the policy writes it.
    pub fn to_line(&self) -> String {
        let Self { rule, field_path, .. } = self;
        let text = self.text();
        let pods = if self.is_of_pods { "in its Pods: " } else { "" };
        if field_path.is_empty() {
            format!("{rule}: {pods}{text}")
        } else {
            format!("{rule}: {pods}{field_path}: {text}")
        }
    }
}

/// The findings of an answer.
pub fn findings(evaluation: &Diagnosed) -> Vec<Finding> {
    let of_policy = |message: &str| {
        let text = message.strip_prefix(POLICY).and_then(|text| text.strip_prefix(": ")).unwrap_or(message);
        Finding::new(POLICY, text, Level::Rejected)
    };
    let mut found: Vec<Finding> = Vec::new();
    for diagnostic in &evaluation.diagnostics {
        let finding = Finding::of_rule(diagnostic);
        if !found.iter().any(|known| known.is_same(&finding)) {
            found.push(finding);
        }
    }
    let is_rejected_by_rules = found.iter().any(|finding| finding.level == Level::Rejected);
    // Rejections that are not from a rule: the object cannot be read, a look-up failed, or the policy changes the object
    // despite `mutating: false` in its manifest.
    for answer in [&evaluation.unconstrained, &evaluation.response] {
        if let Some(message) = answer.message().filter(|_| !answer.allowed && !is_rejected_by_rules) {
            found.push(of_policy(message));
            break;
        }
    }
    found
}

/// The findings in a message: the entries of its list, or the whole message if it has no list.
pub fn entries(message: &str) -> Vec<&str> {
    let mut lines = message.lines();
    match lines.next() {
        Some(_) if lines.clone().any(|line| line.starts_with("- ")) => {
            lines.map(|line| line.strip_prefix("- ").unwrap_or(line)).collect()
        }
        _ => vec![message],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_lists_only() {
        assert_eq!(entries("p: 2 problems\n- a: b\n- c: d\nand 3 more"), ["a: b", "c: d", "and 3 more"]);
        assert_eq!(entries("one\ntwo"), ["one\ntwo"]);
        assert_eq!(entries(""), [""]);
    }

    #[test]
    fn line_of_every_part() {
        let text = r#"{"rule": "role-arn", "severity": "podChange", "id": "x", "path": ["a"], "field": "a",
            "message": "is x", "help": "use y", "value": "z\n"}"#;
        let mut finding = Finding::of_rule(&serde_json::from_str(text).unwrap());
        finding.monitored = Some(Level::Rejected);
        assert_eq!(finding.to_line(), "role-arn: in its Pods: a: is x; use y (z\\u{a})");
        assert_eq!(Finding::new(POLICY, "x", Level::Rejected).to_line(), "serviceaccount-hygiene: x");
    }
}
