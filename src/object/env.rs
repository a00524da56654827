// SPDX-License-Identifier: Apache-2.0
//! The environment of a container. Read only by rules that need it, of the
//! containers that could concern them.

use std::cell::OnceCell;

use super::json::{Cursor, Read};
use super::pod::{Container, SecretName};
use super::view::{Misfit, Raw, Text, View, view};
use crate::matching::word;

/// The environment of a container, a list of [`Env`], as text.
///
/// Several rules look for a few words in it, and find them in few containers:
/// all are looked for at once, when the first rule asks.
#[derive(Debug, Default)]
pub struct Environment<'a> {
    raw: Raw<'a>,
    found: OnceCell<[bool; MARKS.len()]>,
}

/// What the words that rules look for begin with; the last one is that of
/// escapes, behind which anything may be.
const MARKS: [&str; 8] =
    ["-token-", "secretKeyRef", "AWS_", "AZURE_", "GOOGLE_APPLICATION_CREDENTIALS_JSON", "AKIA", "ASIA", "\\"];

impl<'a> View<'a> for Environment<'a> {
    fn fill(&mut self, json: &mut Cursor<'a>) -> Read<()> {
        self.raw.fill(json)
    }
}

impl Environment<'_> {
    /// Whether one of these words may be in it. False is certain.
    #[must_use]
    #[inline(never)]
    pub fn may_hold(&self, words: &[&str]) -> bool {
        let Some(text) = self.raw.text() else { return false };
        let found = self.found.get_or_init(|| word::found(MARKS, text));
        let may_hold = |word: &&str| match MARKS.iter().position(|mark| word.starts_with(mark)) {
            Some(mark) => found.get(mark) == Some(&true),
            None => word::any(&[word], text),
        };
        found.last() == Some(&true) || words.iter().any(may_hold)
    }
}

view! {
    /// An environment variable.
    pub struct Env<'a> {
        /// Its name.
        pub name: Option<Text<'a>> = "name",
        /// Its value as JSON. Never shown to anyone.
        pub value: Raw<'a> = "value",
        /// Where its value comes from, a [`ValueFrom`].
        pub value_from: Raw<'a> = "valueFrom",
    }
}

view! {
    /// Where the value of an environment variable comes from.
    pub struct ValueFrom<'a> {
        /// A key of a Secret.
        pub secret: Option<SecretName<'a>> = "secretKeyRef",
    }
}

view! {
    /// An object whose keys become environment variables.
    pub struct EnvFrom<'a> {
        /// What their names are made to begin with.
        pub prefix: Option<Text<'a>> = "prefix",
        /// A Secret.
        pub secret: Option<SecretName<'a>> = "secretRef",
    }
}

impl Env<'_> {
    /// The value that is written here; empty when there is none, or when it
    /// comes from elsewhere. `place` is the variable's path, for errors.
    ///
    /// # Errors
    /// [`Misfit`] when it is no text.
    #[inline(never)]
    pub fn literal(&self, place: &dyn Fn() -> String) -> Result<Text<'_>, Misfit> {
        self.value.read_at(&|| place() + ".value")
    }

    /// What the value is, or comes from, as JSON: to tell an old finding from
    /// a new one, never to be shown.
    #[must_use]
    pub fn source(&self) -> &str {
        self.value.text().or_else(|| self.value_from.text()).unwrap_or_default()
    }
}

impl<'a> Container<'a> {
    /// The environment variables; `base` is the container's path, for errors.
    ///
    /// # Errors
    /// [`Misfit`] when they are not a list of objects.
    #[inline(never)]
    pub fn read_env(&self, base: &dyn Fn() -> String) -> Result<Vec<Env<'a>>, Misfit> {
        self.env.raw.read_at(&|| base() + ".env")
    }

    /// The objects in the environment; `base` is the container's path.
    ///
    /// # Errors
    /// [`Misfit`] when they are not a list of objects.
    #[inline(never)]
    pub fn read_env_from(&self, base: &dyn Fn() -> String) -> Result<Vec<EnvFrom<'a>>, Misfit> {
        self.env_from.read_at(&|| base() + ".envFrom")
    }
}

/// The variable of a name; of several the last counts.
#[must_use]
#[inline(never)]
pub fn named<'e, 'a>(env: &'e [Env<'a>], name: &str) -> Option<&'e Env<'a>> {
    env.iter().rev().find(|variable| variable.name.as_deref() == Some(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object::view;

    #[test]
    fn is_read_when_asked_for_and_never_before() {
        let wrong = r#"{"name":"web","env":{"a":1},"envFrom":"x"}"#;
        let container: Container<'_> = view::read(wrong, "").unwrap();
        let base = || "object.spec.containers[web]".to_owned();
        assert_eq!(
            container.read_env(&base).unwrap_err().to_string(),
            "object.spec.containers[web].env: must be a list, is an object"
        );
        assert_eq!(
            container.read_env_from(&base).unwrap_err().to_string(),
            "object.spec.containers[web].envFrom: must be a list, is a string"
        );
        let container: Container<'_> = view::read("{}", "").unwrap();
        assert!(container.read_env(&base).unwrap().is_empty());
    }

    #[test]
    fn a_word_that_is_written_with_escapes_may_be_there() {
        let container: Container<'_> =
            view::read(r#"{"env":[{"name":"A"}],"envFrom":[{"secr\u0065tRef":{}}]}"#, "").unwrap();
        assert!(!container.env.may_hold(&["secretKeyRef"]));
        assert!(container.env_from.may_hold("secretRef"));
        assert!(!container.target.may_hold("x"));
    }
}
