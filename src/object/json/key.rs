// SPDX-License-Identifier: Apache-2.0
//! Keys of objects.

use std::borrow::Cow;

use super::string::unescape;
use crate::fast::known::Known;

/// The key of a member.
#[derive(Debug, Clone, Copy)]
pub struct Key<'a> {
    /// As it is written, including the quotes.
    pub written: &'a str,
    escaped: bool,
}

impl<'a> Key<'a> {
    /// A key, including the quotes, and whether it contains an escape.
    pub(super) const fn new(written: &'a str, escaped: bool) -> Self {
        Self { written, escaped }
    }

    /// Its position among the keys that a view reads, if it is one of them.
    #[must_use]
    pub fn position(self, known: &Known) -> Option<usize> {
        if self.escaped {
            let text = self.text();
            return known.keys.iter().position(|key| *key == text);
        }
        known.position(self.written.as_bytes().get(1..self.written.len() - 1).unwrap_or_default())
    }

    fn inner(self) -> &'a str {
        self.written.get(1..self.written.len() - 1).unwrap_or_default()
    }

    /// The key's text. A lone surrogate, which is not valid text, stays as written.
    #[must_use]
    pub fn text(self) -> Cow<'a, str> {
        let inner = self.inner();
        if self.escaped { unescape(inner).map_or(Cow::Borrowed(inner), Cow::Owned) } else { Cow::Borrowed(inner) }
    }
}
