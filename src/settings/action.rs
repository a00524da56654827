// SPDX-License-Identifier: Apache-2.0
//! What a rule does about a finding. There are two types, so that `mutate` for
//! a rule without a fix cannot be expressed once the settings are read.

/// The action of a rule that can only check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum CheckAction {
    /// The rule does not run.
    Off,
    /// Findings are warnings.
    Warn,
    /// Findings reject the request.
    Reject,
}

/// The action of a rule that can also fix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum FixAction {
    /// Check only.
    Check(CheckAction),
    /// Fix what can be fixed; what remains rejects the request.
    Mutate,
}

impl CheckAction {
    /// The words in the settings.
    pub const WORDS: &'static [&'static str] = &["off", "warn", "reject"];

    /// The action that a word stands for.
    #[must_use]
    pub fn from_word(word: &str) -> Self {
        match word {
            "off" => Self::Off,
            "warn" => Self::Warn,
            _ => Self::Reject,
        }
    }

    /// The word in the settings.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Warn => "warn",
            Self::Reject => "reject",
        }
    }
}

impl FixAction {
    /// The words in the settings.
    pub const WORDS: &'static [&'static str] = &["off", "warn", "reject", "mutate"];

    /// The action that a word stands for.
    #[must_use]
    pub fn from_word(word: &str) -> Self {
        match word {
            "mutate" => Self::Mutate,
            word => Self::Check(CheckAction::from_word(word)),
        }
    }

    /// The word in the settings.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Check(action) => action.word(),
            Self::Mutate => "mutate",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{CheckAction, FixAction};

    #[test]
    fn words() {
        for word in FixAction::WORDS {
            assert_eq!(FixAction::from_word(word).word(), *word);
        }
        for word in CheckAction::WORDS {
            assert_eq!(CheckAction::from_word(word).word(), *word);
        }
    }
}
