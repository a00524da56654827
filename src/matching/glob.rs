// SPDX-License-Identifier: Apache-2.0
//! Globs: `*` matches any run of characters, `?` matches exactly one. Nothing
//! else is special, so that a pattern can be read without a manual.

use std::borrow::Cow;

use crate::diagnostic::escaped::Escaped;

/// A pattern over a whole text, case-sensitive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Glob<'a>(Cow<'a, str>);

impl<'a> Glob<'a> {
    /// Any text is a pattern; the settings reader rejects those for which `validate_pattern` returns a problem.
    pub fn new(pattern: impl Into<Cow<'a, str>>) -> Self {
        Self(pattern.into())
    }

    /// The pattern as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the pattern matches the whole of `text`.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        matches(&self.0, text)
    }
}

/// Whether one of the patterns matches the text.
#[must_use]
pub fn any(patterns: &[Glob<'_>], text: &str) -> bool {
    patterns.iter().any(|pattern| pattern.matches(text))
}

/// The patterns, for messages.
#[must_use]
#[inline(never)]
pub fn listed(patterns: &[Glob<'_>]) -> String {
    let mut all = String::new();
    for pattern in patterns {
        all.push_str(if all.is_empty() { "" } else { ", " });
        all.push_str(&pattern.0);
    }
    all
}

/// The problem with a pattern, wherever it is used: it is empty, or contains
/// whitespace or control characters, which no Kubernetes name, user or ARN
/// contains.
#[must_use]
pub fn validate_pattern(pattern: &str) -> Option<String> {
    if pattern.is_empty() {
        return Some("is empty; remove it, or write what it is to match".to_owned());
    }
    let plain = pattern.bytes().all(|byte| (0x21..0x7f).contains(&byte));
    if !plain && pattern.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Some(format!(
            "has a blank or control character, so it cannot match anything ({})",
            Escaped::new(pattern)
        ));
    }
    None
}

/// Whether `pattern` matches the whole of `text`. Backtracks only to the last
/// `*`, so the cost is at most the product of the two lengths.
#[must_use]
pub fn matches(pattern: &str, text: &str) -> bool {
    let mut pattern = pattern.chars();
    let mut text = text.chars();
    // Where to resume when the current attempt fails: after the last `*`, which
    // then takes one more character.
    let mut retry = None;
    loop {
        let mut rest = pattern.clone();
        match rest.next() {
            Some('*') => {
                pattern = rest;
                retry = Some((pattern.clone(), text.clone()));
                continue;
            }
            wanted => {
                let mut after = text.clone();
                match (wanted, after.next()) {
                    (None, None) => return true,
                    (Some(wanted), Some(found)) if wanted == '?' || wanted == found => {
                        (pattern, text) = (rest, after);
                        continue;
                    }
                    _ => {}
                }
            }
        }
        let Some((behind_star, mut taken)) = retry.take() else { return false };
        if taken.next().is_none() {
            return false;
        }
        (pattern, text) = (behind_star.clone(), taken.clone());
        retry = Some((behind_star, taken));
    }
}

#[cfg(test)]
mod tests {
    use super::{Glob, listed, matches};
    use rstest::rstest;

    #[rstest]
    #[case("", "", true)]
    #[case("", "a", false)]
    #[case("a", "", false)]
    #[case("*", "", true)]
    #[case("*", "anything/at all", true)]
    #[case("team-*", "team-a", true)]
    #[case("team-*", "team-", true)]
    #[case("team-*", "team", false)]
    #[case("team-*", "my-team-a", false)]
    #[case("*-token-?????", "app-token-abcde", true)]
    #[case("*-token-?????", "app-token-abcd", false)]
    #[case("a*b*c", "aXbYbZc", true)]
    #[case("a*b*c", "aXbYbZ", false)]
    #[case("?", "é", true)]
    #[case("?", "", false)]
    #[case("[a]", "a", false)]
    #[case("[a]", "[a]", true)]
    #[case("A", "a", false)]
    #[case("**", "x", true)]
    fn covers(#[case] pattern: &str, #[case] text: &str, #[case] expected: bool) {
        assert_eq!(matches(pattern, text), expected);
    }

    #[test]
    fn lists_patterns() {
        assert_eq!(listed(&[Glob::new("a-*"), Glob::new("b")]), "a-*, b");
        assert_eq!(listed(&[]), "");
    }

    #[test]
    fn many_stars_are_fast() {
        assert!(!matches(&"*a".repeat(100), &"a".repeat(99)));
        assert!(matches(&"*a".repeat(100), &"a".repeat(1000)));
    }
}
