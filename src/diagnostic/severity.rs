// SPDX-License-Identifier: Apache-2.0
//! How far a finding can go.

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
