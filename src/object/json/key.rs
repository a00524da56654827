// SPDX-License-Identifier: Apache-2.0
//! Keys of objects, and those among them that are read.

use std::borrow::Cow;

use super::string::unescape;

/// The keys that a view reads.
#[derive(Debug)]
pub struct Known {
    /// The keys; at most 32.
    pub keys: &'static [&'static str],
    /// The marks of all of them: most keys that are not among them have none of
    /// these, and need not be compared.
    marks: u32,
}

impl Known {
    /// These keys.
    ///
    /// # Panics
    /// While it is compiled, with more than 32 of them.
    #[must_use]
    pub const fn new(keys: &'static [&'static str]) -> Self {
        assert!(keys.len() <= 32, "a walk has one bit for each key");
        let (mut marks, mut left) = (0, keys);
        while let [key, rest @ ..] = left {
            marks |= mark(key.as_bytes());
            left = rest;
        }
        Self { keys, marks }
    }
}

/// One bit, by the length of a key and its first letter.
#[inline]
const fn mark(key: &[u8]) -> u32 {
    let first = match key {
        [first, ..] => *first as usize,
        [] => 0,
    };
    1 << ((key.len() + 8 * first) & 31)
}

/// The key of a member.
#[derive(Debug, Clone, Copy)]
pub struct Key<'a> {
    /// As it is written, quotes included.
    pub written: &'a str,
    escaped: bool,
}

impl<'a> Key<'a> {
    /// A key, quotes included, and whether it holds an escape.
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
        let inner = self.written.as_bytes().get(1..self.written.len() - 1).unwrap_or_default();
        if known.marks & mark(inner) == 0 {
            return None;
        }
        known.keys.iter().position(|key| key.as_bytes() == inner)
    }

    fn inner(self) -> &'a str {
        self.written.get(1..self.written.len() - 1).unwrap_or_default()
    }

    /// The key's text. A lone surrogate, which is no text, stays as written.
    #[must_use]
    pub fn text(self) -> Cow<'a, str> {
        let inner = self.inner();
        if self.escaped { unescape(inner).map_or(Cow::Borrowed(inner), Cow::Owned) } else { Cow::Borrowed(inner) }
    }
}
