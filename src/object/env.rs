// SPDX-License-Identifier: Apache-2.0
//! The environment of a container. Read only by rules that need it, of the
//! containers that could concern them.

use std::cell::OnceCell;

use super::json::{Cursor, Read};
use super::secret::SecretName;
use super::view::{Raw, ReadError, Text, View, view};
use crate::fast::word;

/// The environment of a container, a list of [`Env`], as text.
///
/// Several rules look for a few words in it, and find them in few containers:
/// all are looked for at once, when the first rule asks.
#[derive(Debug, Default)]
pub struct Environment<'a> {
    pub(super) raw: Raw<'a>,
    found: OnceCell<u32>,
}

/// Words that rules look for in an environment, or what those begin with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Marks(u32);

/// The words, each with its bit by its position.
const WORDS: [&str; 10] = [
    // An escape, behind which anything may be.
    "\\",
    "-token-",
    "secretKeyRef",
    "AWS_",
    "AZURE_",
    "GOOGLE_APPLICATION_CREDENTIALS_JSON",
    "AKIA",
    "ASIA",
    JAVA_PROPERTY,
    QUOTE,
];

impl Marks {
    const ESCAPE: Self = Self(1);
    /// In the name of a legacy token's Secret.
    pub const LEGACY_TOKEN: Self = Self(1 << 1);
    /// The value of a variable comes from a Secret.
    pub const SECRET: Self = Self(1 << 2);
    /// Variables of AWS.
    pub const AWS: Self = Self(1 << 3);
    /// Variables of Azure.
    pub const AZURE: Self = Self(1 << 4);
    /// The variable that holds a key of Google Cloud.
    pub const GOOGLE_KEY: Self = Self(1 << 5);
    /// Ids of AWS access keys.
    pub const KEY_ID: Self = Self(1 << 6 | 1 << 7);
    /// A property of Java's SDK of AWS.
    pub const JAVA: Self = Self(1 << 8 | 1 << 9);

    /// These and those.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// What is in an option of the JVM that sets a system property for the SDK of AWS,
/// behind the dash: dashes are frequent.
const JAVA_PROPERTY: &str = "Daws.";

/// In an option that is written with quotes in it, anywhere: `-D'a'ws.`. Double
/// quotes are an escape in JSON.
const QUOTE: &str = "'";

impl<'a> View<'a> for Environment<'a> {
    fn fill(&mut self, json: &mut Cursor<'a>) -> Read<()> {
        self.raw.fill(json)
    }
}

impl Environment<'_> {
    /// Whether one of these words may be in it. False is certain.
    #[must_use]
    #[inline]
    pub fn may_hold(&self, marks: Marks) -> bool {
        let found = self.found.get_or_init(|| self.raw.text().map_or(0, |text| word::found(&WORDS, text)));
        found & marks.and(Marks::ESCAPE).0 != 0
    }

    /// Whether one of these words may be in it, which are not among those that are
    /// looked for together. False is certain.
    #[must_use]
    pub fn may_name(&self, words: &[&str]) -> bool {
        self.raw.text().is_some_and(|text| word::any(words, text))
    }
}

/// A command or its arguments, a list of texts, as text.
#[derive(Debug, Default)]
pub struct Arguments<'a> {
    raw: Raw<'a>,
    /// Whether the container's environment, command or arguments may set a property
    /// of Java: two rules ask, and all is gone through once.
    pub(super) sets_java_property: OnceCell<bool>,
}

impl<'a> View<'a> for Arguments<'a> {
    fn fill(&mut self, json: &mut Cursor<'a>) -> Read<()> {
        self.raw.fill(json)
    }
}

impl<'a> Arguments<'a> {
    /// Whether one of the texts may set a property for the SDK of AWS. False is
    /// certain.
    #[must_use]
    pub fn may_set_java_property(&self) -> bool {
        const WORDS: [&str; 3] = ["\\", JAVA_PROPERTY, QUOTE];
        self.raw.text().is_some_and(|text| word::any(&WORDS, text))
    }

    /// The texts, read now; `path` is for errors.
    ///
    /// # Errors
    /// [`ReadError`] when they are not a list of texts.
    #[inline(never)]
    pub fn read(&self, path: &dyn Fn() -> String) -> Result<Vec<Text<'a>>, ReadError> {
        self.raw.read_at(path)
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
    /// comes from elsewhere. `path` is the variable's path, for errors.
    ///
    /// # Errors
    /// [`ReadError`] when it is not a string.
    #[inline(never)]
    pub fn literal(&self, path: &dyn Fn() -> String) -> Result<Text<'_>, ReadError> {
        self.value.read_at(&|| path() + ".value")
    }

    /// What the value is, or comes from, as JSON: to tell an old finding from
    /// a new one, never to be shown.
    #[must_use]
    pub fn source(&self) -> &str {
        self.value.text().or_else(|| self.value_from.text()).unwrap_or_default()
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
    use crate::object::pod::Container;
    use crate::object::view;

    #[test]
    fn reads_lazily() {
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
    fn may_hold_escaped_word() {
        let container: Container<'_> =
            view::read(r#"{"env":[{"name":"A"}],"envFrom":[{"secr\u0065tRef":{}}]}"#, "").unwrap();
        assert!(!container.env.may_hold(Marks::SECRET));
        assert!(container.env_from.may_hold("secretRef"));
        assert!(!container.target.may_hold("x"));
    }
}
