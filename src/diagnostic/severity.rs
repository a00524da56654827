// SPDX-License-Identifier: Apache-2.0
//! The severity of a diagnostic, and the maximum severity of a finding.

/// The severity of a diagnostic in a verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// A reason to reject the object.
    Rejection,
    /// A warning.
    Warning,
    /// A change of the object.
    Change,
    /// A change that the Pods of this template will get, but not the template.
    PodChange,
}

impl Severity {
    /// Its name in JSON.
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

/// The maximum severity of a finding, whatever the rule's action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MaxSeverity {
    /// Whatever the rule's action says.
    Action,
    /// A warning.
    Warning,
    /// A warning, even if warnings are treated as rejections: a rejection would
    /// break something.
    Notice,
}

impl MaxSeverity {
    /// The values of parameters that choose it.
    pub const WORDS: &'static [&'static str] = &["allow", "warn", "reject"];

    /// The choice that a word stands for; `None` for `allow`.
    #[must_use]
    pub fn chosen(word: &str) -> Option<Self> {
        match word {
            "allow" => None,
            "warn" => Some(Self::Warning),
            _ => Some(Self::Action),
        }
    }
}
