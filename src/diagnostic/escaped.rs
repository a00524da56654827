// SPDX-License-Identifier: Apache-2.0
//! User input in messages.

use std::fmt::{self, Write};

use super::text::text;

/// The maximum number of characters of user input in a message.
const LIMIT: usize = 120;

/// The maximum number of characters of a name in a field path: the longest name
/// that an object can have. With a lower limit, two names could look the same.
const NAME_LIMIT: usize = 253;

/// User input in a message: truncated, and with control and bidirectional
/// characters escaped, which could forge lines or reorder the text.
#[derive(Debug, Clone, Copy)]
pub struct Escaped<'a> {
    text: &'a str,
    limit: usize,
}

impl<'a> Escaped<'a> {
    /// User input in a message: at most 120 characters.
    #[must_use]
    pub const fn new(text: &'a str) -> Self {
        Self { text, limit: LIMIT }
    }

    /// A name in a field path: at most 253 characters.
    #[must_use]
    pub const fn name(text: &'a str) -> Self {
        Self { text, limit: NAME_LIMIT }
    }
}

impl Escaped<'_> {
    /// Appends the escaped text to `out`.
    #[inline(never)]
    pub fn push_to(self, out: &mut String) {
        // Almost all texts need no escaping.
        if self.text.len() <= self.limit && self.text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
            out.push_str(self.text);
            return;
        }
        let mut characters = self.text.chars();
        for character in characters.by_ref().take(self.limit) {
            if character.is_control() || is_invisible(character) {
                // Writing to a string cannot fail.
                let _ = write!(out, "\\u{{{:x}}}", u32::from(character));
            } else {
                out.push(character);
            }
        }
        if characters.next().is_some() {
            out.push('…');
        }
    }
}

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&text(|out| self.push_to(out)))
    }
}

/// Bidirectional controls, zero-width characters, line and paragraph
/// separators and the byte order mark.
const fn is_invisible(character: char) -> bool {
    matches!(
        character,
        '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_control_and_bidirectional_characters() {
        assert_eq!(Escaped::new("a\n- rule: fine\u{202e}x").to_string(), "a\\u{a}- rule: fine\\u{202e}x");
    }

    #[test]
    fn cuts_long_text() {
        assert_eq!(Escaped::new(&"x".repeat(121)).to_string(), format!("{}…", "x".repeat(120)));
        assert_eq!(Escaped::new(&"é".repeat(120)).to_string(), "é".repeat(120));
        assert_eq!(Escaped::name(&"x".repeat(253)).to_string(), "x".repeat(253));
        assert_eq!(Escaped::name(&"x".repeat(254)).to_string(), format!("{}…", "x".repeat(253)));
    }
}
