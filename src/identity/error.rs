// SPDX-License-Identifier: Apache-2.0
//! Errors in a text that should name an identity in Google's or Microsoft's
//! cloud, each with its own message.

use std::fmt;

use super::suspicious_char::{QUOTED, SuspiciousChar, UNFILLED};
use crate::diagnostic::message::{Message, MessageTemplate};
use crate::messages;

messages! {
    /// Nothing at all.
    EMPTY: "is empty", help: "write a value, or remove it";
    /// A blank or a line break anywhere.
    BLANK: "contains a space or a line break", help: "remove it";
}

/// An error in a text that should name an identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IdentityError<'t> {
    template: &'static MessageTemplate,
    /// The part of the text that the message shows.
    part: Option<&'t str>,
}

impl<'t> IdentityError<'t> {
    /// An error in the text as a whole.
    #[must_use]
    pub const fn new(template: &'static MessageTemplate) -> Self {
        Self { template, part: None }
    }

    /// An error in a part of the text, which the message shows.
    #[must_use]
    pub const fn of(part: &'t str, template: &'static MessageTemplate) -> Self {
        Self { template, part: Some(part) }
    }

    /// Checks a text for errors that do not depend on what it should name.
    ///
    /// # Errors
    /// An empty text, blanks, quotes, placeholders.
    pub fn in_general(text: &str) -> Result<(), Self> {
        Err(Self::new(match SuspiciousChar::most_telling(text) {
            None if text.is_empty() => &EMPTY,
            Some(SuspiciousChar::LineBreak | SuspiciousChar::Blank) => &BLANK,
            Some(SuspiciousChar::Quote) => &QUOTED,
            Some(SuspiciousChar::Placeholder) => &UNFILLED,
            None | Some(SuspiciousChar::Percent) => return Ok(()),
        }))
    }

    /// The message, with the value as it was written.
    #[must_use]
    pub fn about(&self, written: &str) -> Message {
        if written.is_empty() { self.message() } else { self.message().about(written) }
    }

    /// The name of its message.
    #[cfg(test)]
    pub(super) const fn name(&self) -> &'static str {
        self.template.name
    }

    fn message(&self) -> Message {
        Message::new(self.template, self.part.as_slice())
    }
}

/// The message without the value.
impl fmt::Display for IdentityError<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.message().fmt(f)
    }
}

impl std::error::Error for IdentityError<'_> {}

/// The texts before and after the first `at`. Many grammars use this, so it is
/// not inlined.
#[inline(never)]
pub(super) fn split(text: &str, at: u8) -> Option<(&str, &str)> {
    text.split_once(char::from(at))
}

/// The first character outside of an alphabet.
#[inline(never)]
pub(super) fn first_other<'t>(text: &'t str, alphabet: &dyn Fn(u8) -> bool) -> Option<&'t str> {
    let (at, other) = text.char_indices().find(|&(_, c)| !u8::try_from(c).is_ok_and(alphabet))?;
    text.get(at..at + other.len_utf8())
}

#[cfg(test)]
mod tests {
    use super::*;

    static NAMING: MessageTemplate = MessageTemplate { name: "NAMING", message: "has {} inside", help: "remove it" };

    #[test]
    fn messages_have_part_and_value() {
        let error = IdentityError::of("b", &NAMING);
        assert_eq!(error.about("abc").to_string(), "has b inside; remove it (abc)");
        assert_eq!(error.to_string(), "has b inside; remove it");
        assert_eq!(IdentityError::new(&EMPTY).about("").to_string(), "is empty; write a value, or remove it");
    }

    #[test]
    fn in_general() {
        let name = |text| IdentityError::in_general(text).map_err(|error| error.name());
        assert_eq!(name("a@b"), Ok(()));
        assert_eq!(name(""), Err("EMPTY"));
        assert_eq!(name("a b"), Err("BLANK"));
        assert_eq!(name("\"a\"\n"), Err("BLANK"));
        assert_eq!(name("\"${a}\""), Err("QUOTED"));
        assert_eq!(name("{{ .Values.a }}"), Err("BLANK"));
        assert_eq!(name("${a}"), Err("UNFILLED"));
    }
}
