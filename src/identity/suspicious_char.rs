// SPDX-License-Identifier: Apache-2.0
//! Characters that no cloud identity contains.

use crate::messages;

messages! {
    /// Quotes left by YAML or a template.
    QUOTED: "has quotes as part of the value", help: "remove them";
    /// `${ACCOUNT_ID}`, `{{ .Values.role }}`, `<account>`.
    UNFILLED: "has a placeholder that was not replaced", help: "write the value it stands for";
}

/// What such a character says about the cause of the mistake, from the least
/// specific to the most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SuspiciousChar {
    /// `%`, as in a URL.
    Percent,
    /// From a shell variable, a template, or an example.
    Placeholder,
    /// A quote left by YAML or a template.
    Quote,
    /// A blank.
    Blank,
    /// A line break, mostly from a block scalar in YAML.
    LineBreak,
}

impl SuspiciousChar {
    /// The most specific one in a text.
    #[must_use]
    pub fn most_telling(text: &str) -> Option<Self> {
        text.chars().map(Self::of).max().flatten()
    }

    fn of(character: char) -> Option<Self> {
        match character {
            '%' => Some(Self::Percent),
            '$' | '{' | '}' | '<' | '>' => Some(Self::Placeholder),
            '"' | '\'' | '`' | '“' | '”' | '‘' | '’' => Some(Self::Quote),
            '\n' | '\r' => Some(Self::LineBreak),
            _ if character.is_whitespace() => Some(Self::Blank),
            _ => None,
        }
    }
}
