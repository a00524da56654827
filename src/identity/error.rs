// SPDX-License-Identifier: Apache-2.0
//! What can be wrong with a text that is to name an identity of Google's or
//! Microsoft's cloud, each in words of its own.

use std::fmt;

use super::role_arn_error::{QUOTED, UNFILLED, VALUE, without_value};
use super::suspicious_char::SuspiciousChar;
use crate::diagnostic::finding::{MessageTemplate, fill};

/// Nothing at all.
pub static EMPTY: MessageTemplate =
    MessageTemplate { name: "empty", template: "is empty; write a value, or remove it" };
/// A blank or a line break anywhere.
pub static BLANK: MessageTemplate =
    MessageTemplate { name: "blank", template: "has a blank or a line break; remove it ({})" };

/// A mistake, as the text that tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IdentityError<'t> {
    /// The text; it ends with the value as it was written, unless that is empty.
    pub message: &'static MessageTemplate,
    /// What else the text names: a part of the value.
    part: Option<&'t str>,
}

impl<'t> IdentityError<'t> {
    /// A mistake whose text names nothing but the value.
    #[must_use]
    pub const fn new(message: &'static MessageTemplate) -> Self {
        Self { message, part: None }
    }

    /// A mistake whose text names a part of the value.
    #[must_use]
    pub const fn of(part: &'t str, message: &'static MessageTemplate) -> Self {
        Self { message, part: Some(part) }
    }

    /// What is wrong with a text whatever it is to name.
    ///
    /// # Errors
    /// Nothing at all, blanks, quotes, placeholders.
    pub fn in_general(text: &str) -> Result<(), Self> {
        Err(Self::new(match SuspiciousChar::most_telling(text) {
            None if text.is_empty() => &EMPTY,
            Some(SuspiciousChar::LineBreak | SuspiciousChar::Blank) => &BLANK,
            Some(SuspiciousChar::Quote) => &QUOTED,
            Some(SuspiciousChar::Placeholder) => &UNFILLED,
            None | Some(SuspiciousChar::Percent) => return Ok(()),
        }))
    }

    /// The values that the text takes, the last one the value as it was
    /// written.
    #[must_use]
    pub fn values(&self, written: &'t str) -> Vec<&'t str> {
        let written = self.message.template.ends_with(VALUE).then_some(written);
        self.part.into_iter().chain(written).collect()
    }
}

/// The text without the value.
impl fmt::Display for IdentityError<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part: Vec<String> = self.part.into_iter().map(str::to_owned).collect();
        fill(without_value(self.message), &part, f)
    }
}

impl std::error::Error for IdentityError<'_> {}

/// What is before and behind the first `at`. Grammars ask often; once in the
/// module is enough.
#[inline(never)]
pub(super) fn split(text: &str, at: u8) -> Option<(&str, &str)> {
    text.split_once(char::from(at))
}

/// The first character that is none of these.
#[inline(never)]
pub(super) fn first_other<'t>(text: &'t str, alphabet: &dyn Fn(u8) -> bool) -> Option<&'t str> {
    let (at, other) = text.char_indices().find(|&(_, c)| !u8::try_from(c).is_ok_and(alphabet))?;
    text.get(at..at + other.len_utf8())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_value_comes_last_where_the_text_takes_it() {
        static NAMING: MessageTemplate = MessageTemplate { name: "x", template: "has {} inside ({})" };
        let error = IdentityError::of("b", &NAMING);
        assert_eq!((error.values("abc"), error.to_string()), (vec!["b", "abc"], "has b inside".to_owned()));
        assert_eq!(IdentityError::new(&EMPTY).values(""), Vec::<&str>::new());
    }

    #[test]
    fn in_general() {
        let message = |text| IdentityError::in_general(text).map_err(|error| error.message.name);
        assert_eq!(message("a@b"), Ok(()));
        assert_eq!(message(""), Err("empty"));
        assert_eq!(message("a b"), Err("blank"));
        assert_eq!(message("\"a\"\n"), Err("blank"));
        assert_eq!(message("\"${a}\""), Err("quoted"));
        assert_eq!(message("{{ .Values.a }}"), Err("blank"));
        assert_eq!(message("${a}"), Err("unfilled"));
    }
}
