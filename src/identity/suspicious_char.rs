// SPDX-License-Identifier: Apache-2.0
//! Characters that no identity of any cloud has.

use crate::messages;

messages! {
    /// Quotes that YAML or a template left in.
    QUOTED: "has quotes as a part of the value", help: "remove them";
    /// `${ACCOUNT_ID}`, `{{ .Values.role }}`, `<account>`.
    UNFILLED: "has a placeholder that was not replaced", help: "write the value it stands for";
}

/// What such a character tells about how it came about, from the least telling
/// to the most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SuspiciousChar {
    /// `%`, as in an address.
    Percent,
    /// Of a shell variable, a template, or an example.
    Placeholder,
    /// A quote that YAML or a template left in.
    Quote,
    /// A blank.
    Blank,
    /// A line break, mostly by a block of YAML.
    LineBreak,
}

impl SuspiciousChar {
    /// The most telling one in a text.
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
