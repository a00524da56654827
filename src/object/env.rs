// SPDX-License-Identifier: Apache-2.0
//! The environment of a container. It is read only by rules that need it, and
//! only for containers that may concern them.

use std::cell::OnceCell;

use super::json::{Cursor, Read};
use super::secret::SecretName;
use super::view::{Raw, ReadError, Text, View, view};
use crate::fast::word;

/// The environment of a container, a list of [`Env`], as text.
///
/// Several rules search it for a few words, which few containers have: all
/// words are searched for at once, when the first rule needs one.
#[derive(Debug, Default)]
pub struct Environment<'a> {
    pub(super) raw: Raw<'a>,
    found: OnceCell<u32>,
}

/// Words that rules search for in an environment, or prefixes of such words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SearchWords(u32);

/// The words; the position of each is its bit.
const WORDS: [&str; 10] = [
    // An escape, which can hide any text.
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

impl SearchWords {
    const ESCAPE: Self = Self(1);
    /// In the name of a legacy token's Secret.
    pub const LEGACY_TOKEN: Self = Self(1 << 1);
    /// The value of a variable comes from a Secret.
    pub const SECRET: Self = Self(1 << 2);
    /// Variables of AWS.
    pub const AWS: Self = Self(1 << 3);
    /// Variables of Azure.
    pub const AZURE: Self = Self(1 << 4);
    /// The variable with a Google Cloud key.
    pub const GOOGLE_KEY: Self = Self(1 << 5);
    /// IDs of AWS access keys.
    pub const KEY_ID: Self = Self(1 << 6 | 1 << 7);
    /// A property of the AWS SDK for Java.
    pub const JAVA: Self = Self(1 << 8 | 1 << 9);

    /// These marks and the others.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// The part after the dash of a JVM option that sets a system property for the AWS
/// SDK. It is searched for without the dash, because dashes are frequent.
const JAVA_PROPERTY: &str = "Daws.";

/// Contained in an option with quotes anywhere in it: `-D'a'ws.`. Double quotes
/// are escaped in JSON.
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
    pub fn may_hold(&self, marks: SearchWords) -> bool {
        let found = self.found.get_or_init(|| self.raw.text().map_or(0, |text| word::found(&WORDS, text)));
        found & marks.and(SearchWords::ESCAPE).0 != 0
    }

    /// Whether one of these words may be in it. They are not among those that are
    /// searched for together. False is certain.
    #[must_use]
    pub fn may_name(&self, words: &[&str]) -> bool {
        self.raw.text().is_some_and(|text| word::any(words, text))
    }
}

/// A command or its arguments, a list of texts, as JSON text.
#[derive(Debug, Default)]
pub struct Arguments<'a> {
    raw: Raw<'a>,
    /// Whether the container's environment, command or arguments may set a Java
    /// property. Two rules need this, and it is computed once.
    pub(super) sets_java_property: OnceCell<bool>,
}

impl<'a> View<'a> for Arguments<'a> {
    fn fill(&mut self, json: &mut Cursor<'a>) -> Read<()> {
        self.raw.fill(json)
    }
}

impl<'a> Arguments<'a> {
    /// Whether one of the texts may set a property for the AWS SDK. False is certain.
    #[must_use]
    pub fn may_set_java_property(&self) -> bool {
        const WORDS: [&str; 3] = ["\\", JAVA_PROPERTY, QUOTE];
        self.raw.text().is_some_and(|text| word::any(&WORDS, text))
    }

    /// Reads the texts; `path` is for errors.
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
        /// Its value as JSON. Never shown.
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
        /// The prefix of their names.
        pub prefix: Option<Text<'a>> = "prefix",
        /// A Secret.
        pub secret: Option<SecretName<'a>> = "secretRef",
    }
}

impl Env<'_> {
    /// The literal value; empty if there is none, or if it comes from
    /// elsewhere. `path` is the variable's path, for errors.
    ///
    /// # Errors
    /// [`ReadError`] when it is not a string.
    #[inline(never)]
    pub fn literal(&self, path: &dyn Fn() -> String) -> Result<Text<'_>, ReadError> {
        self.value.read_at(&|| path() + ".value")
    }

    /// The value, or where it comes from, as JSON: to tell an old finding from
    /// a new one, and never shown.
    #[must_use]
    pub fn source(&self) -> &str {
        self.value.text().or_else(|| self.value_from.text()).unwrap_or_default()
    }
}

/// The variable with a name; if there are several, the last one counts.
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
        assert!(!container.env.may_hold(SearchWords::SECRET));
        assert!(container.env_from.may_hold("secretRef"));
        assert!(!container.target.may_hold("x"));
    }
}
