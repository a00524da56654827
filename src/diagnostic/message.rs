// SPDX-License-Identifier: Apache-2.0
//! The text of a diagnostic: what is wrong, what to do about it, and the value
//! that is wrong.

use std::fmt;

use super::escaped::Escaped;
use super::text::text;
use crate::fast::{cut, word};

/// A message that a rule can report, with a `{}` for each piece of user input.
/// Lower case, without a full stop.
#[derive(Debug, PartialEq, Eq)]
pub struct MessageTemplate {
    /// The name of its static, unique within the rule.
    pub name: &'static str,
    /// What is wrong.
    pub message: &'static str,
    /// What to do about it; empty if there is nothing to add.
    pub help: &'static str,
}

/// Declares the messages of a module: a static for each, and `MESSAGES` with
/// all of them.
///
/// ```
/// # use serviceaccount_hygiene::messages;
/// messages! {
///     TOO_LONG: "is {}, the limit is {}", help: "use a shorter lifetime";
///     LOWERED: "lowered from {} to {}";
/// }
/// assert_eq!(MESSAGES, [&TOO_LONG, &LOWERED]);
/// assert_eq!((TOO_LONG.id(), LOWERED.help), ("too-long".to_owned(), ""));
/// ```
#[macro_export]
macro_rules! messages {
    ($($(#[$doc:meta])* $name:ident: $message:literal $(, help: $help:literal)?;)*) => {
        $(
            $(#[$doc])*
            pub(crate) static $name: $crate::diagnostic::message::MessageTemplate =
                $crate::diagnostic::message::MessageTemplate {
                    name: stringify!($name),
                    message: $message,
                    help: concat!($($help)?),
                };
        )*

        /// Every message that is declared here.
        pub(crate) static MESSAGES: &[&$crate::diagnostic::message::MessageTemplate] = &[$(&$name),*];
    };
}

impl MessageTemplate {
    /// The text as messages show it, with its `{}`.
    #[must_use]
    pub fn text(&self) -> String {
        if self.help.is_empty() { self.message.to_owned() } else { [self.message, "; ", self.help].concat() }
    }

    /// The name in kebab case: `too-long`.
    #[must_use]
    pub fn id(&self) -> String {
        self.name.bytes().map(|byte| if byte == b'_' { '-' } else { byte.to_ascii_lowercase().into() }).collect()
    }
}

/// A template and the values that fill it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    template: &'static MessageTemplate,
    values: Vec<String>,
    value: Option<String>,
}

impl Message {
    /// A message. Values beyond those that the template takes are never shown;
    /// they only tell messages apart ([`Message::push_identity`]).
    #[must_use]
    pub fn new(template: &'static MessageTemplate, values: &[&str]) -> Self {
        Self { template, values: values.iter().map(|&value| value.to_owned()).collect(), value: None }
    }

    /// The same message, with the value that is wrong.
    #[must_use]
    pub fn about(self, value: &str) -> Self {
        Self { value: Some(value.to_owned()), ..self }
    }

    /// The same message for a value that must not be shown: without the value,
    /// and without any part of it that is longer than a count or a character.
    #[must_use]
    pub fn redacted(mut self, value: &str) -> Self {
        /// The maximum length of a count or a single character, in bytes.
        const COUNT: usize = 3;
        self.value = None;
        for part in self.values.iter_mut().filter(|part| part.len() > COUNT && word::any(&[part.as_str()], value)) {
            "…".clone_into(part);
        }
        self
    }

    /// The template.
    #[must_use]
    pub const fn template(&self) -> &'static MessageTemplate {
        self.template
    }

    /// What is wrong.
    #[must_use]
    pub fn message(&self) -> String {
        text(|out| _ = fill(out, self.template.message, &self.values))
    }

    /// What to do about it; empty if there is nothing to add.
    #[must_use]
    pub fn help(&self) -> String {
        let used = self.template.message.bytes().filter(|&byte| byte == b'{').count();
        text(|out| _ = fill(out, self.template.help, self.values.get(used..).unwrap_or_default()))
    }

    /// The value that is wrong, in full.
    #[must_use]
    pub fn value(&self) -> Option<&str> {
        self.value.as_deref()
    }

    /// Appends everything that tells two messages apart, including hidden
    /// values. Never shown.
    pub fn push_identity(&self, out: &mut String) {
        out.push_str(self.template.name);
        for value in self.values.iter().chain(&self.value) {
            out.push('\0');
            out.push_str(value);
        }
    }

    /// Appends `message; help (value)` to a text.
    pub fn push_to(&self, out: &mut String) {
        let left = fill(out, self.template.message, &self.values);
        if !self.template.help.is_empty() {
            out.push_str("; ");
            fill(out, self.template.help, left);
        }
        if let Some(value) = &self.value {
            out.push_str(" (");
            Escaped::new(value).push_to(out);
            out.push(')');
        }
    }
}

/// `message; help (value)`.
impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&text(|out| self.push_to(out)))
    }
}

/// Appends a template filled with its values, and returns the values that are left.
fn fill<'v>(out: &mut String, template: &str, values: &'v [String]) -> &'v [String] {
    let (mut values, mut rest) = (values, template);
    while let Some((before, behind)) = cut::once(rest, b'{') {
        out.push_str(before);
        if let [value, left @ ..] = values {
            Escaped::new(value).push_to(out);
            values = left;
        }
        rest = behind.strip_prefix('}').unwrap_or(behind);
    }
    out.push_str(rest);
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    messages! {
        TOO_LONG: "is {}, the limit is {}", help: "use {} at most";
        LOWERED: "lowered from {} to {}";
    }

    #[test]
    fn fills_message_and_help() {
        let message = Message::new(&TOO_LONG, &["a\nb", "c {}", "d"]);
        assert_eq!(message.to_string(), "is a\\u{a}b, the limit is c {}; use d at most");
        assert_eq!(message.message(), "is a\\u{a}b, the limit is c {}");
        assert_eq!((message.help().as_str(), message.value()), ("use d at most", None));
        assert_eq!(message.clone().about("x y").to_string(), message.to_string() + " (x y)");
        assert_eq!(message.about("x\n").to_string().rsplit_once(' ').unwrap().1, "(x\\u{a})");
    }

    #[test]
    fn help_is_optional() {
        let message = Message::new(&LOWERED, &["2", "1"]);
        assert_eq!((message.to_string().as_str(), message.help().as_str()), ("lowered from 2 to 1", ""));
    }

    #[test]
    fn hidden_values_are_part_of_identity() {
        let identity = |hidden| {
            let (message, mut identity) = (Message::new(&LOWERED, &["2", "1", hidden]), String::new());
            assert_eq!(message.to_string(), "lowered from 2 to 1");
            message.push_identity(&mut identity);
            identity
        };
        assert_eq!(identity("s3cret"), identity("s3cret"));
        assert_ne!(identity("s3cret"), identity("other"));
    }

    #[test]
    fn redacts_the_value_and_its_parts() {
        let message = Message::new(&LOWERED, &["s3cr", "3cr"]).about("as3cret");
        assert_eq!(message.redacted("as3cret").to_string(), "lowered from … to 3cr");
        assert_eq!(Message::new(&LOWERED, &["other", ""]).redacted("as3cret").to_string(), "lowered from other to ");
    }

    #[test]
    fn kebab_case_ids() {
        assert_eq!(MESSAGES.iter().map(|message| message.id()).collect::<Vec<_>>(), ["too-long", "lowered"]);
    }
}
