// SPDX-License-Identifier: Apache-2.0
//! How far a finding can go, and how far a diagnostic went.

/// What a diagnostic comes to in a verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// A reason to reject the object.
    Rejection,
    /// A warning.
    Warning,
    /// A change of the object.
    Change,
    /// A change that the Pods of this template will get, not the template.
    PodChange,
}

impl Severity {
    /// The word in JSON.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Rejection => "rejection",
            Self::Warning => "warning",
            Self::Change => "change",
            Self::PodChange => "podChange",
        }
    }
}

/// The most that a finding can lead to, whatever the rule's action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MaxSeverity {
    /// What the rule's action says.
    Action,
    /// A warning.
    Warning,
    /// A warning even where warnings count as rejections: a rejection would break
    /// something.
    Notice,
}

impl MaxSeverity {
    /// The words of parameters that choose it.
    pub const WORDS: &'static [&'static str] = &["allow", "warn", "reject"];

    /// What a word chooses; none for `allow`.
    #[must_use]
    pub fn chosen(word: &str) -> Option<Self> {
        match word {
            "allow" => None,
            "warn" => Some(Self::Warning),
            _ => Some(Self::Action),
        }
    }
}
