// SPDX-License-Identifier: Apache-2.0
//! Where in an object something is, as the user would write it.

use std::fmt::{self, Write};

/// A field path such as `spec.containers[web].env[TOKEN]`. Entries of a list
/// are named, not numbered: other webhooks insert entries, and both phases have
/// to say the same.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct FieldPath(String);

impl FieldPath {
    /// The object itself.
    #[must_use]
    pub const fn root() -> Self {
        Self(String::new())
    }

    /// A path given as a whole, e.g. `spec.template`; empty is the root.
    #[must_use]
    pub fn at(path: &str) -> Self {
        Self(path.to_owned())
    }

    /// A member with a plain name, or further down: `secretRef.name`.
    #[must_use]
    #[inline(never)]
    pub fn field(&self, name: &str) -> Self {
        if self.0.is_empty() {
            return Self(name.to_owned());
        }
        Self([&self.0, ".", name].concat())
    }

    /// A member whose key is data, such as an annotation.
    #[must_use]
    #[inline(never)]
    pub fn key(&self, key: &str) -> Self {
        let mut path = String::with_capacity(self.0.len() + Escaped(key).length() + 4);
        // Writing to a string cannot fail.
        let _ = write!(path, "{}[\"{}\"]", self.0, Escaped(key));
        Self(path)
    }

    /// An entry of a list, by its name; by its number if it has none.
    #[must_use]
    #[inline(never)]
    pub fn entry(&self, name: Option<&str>, index: usize) -> Self {
        match name {
            Some(name) if !name.is_empty() => Self(format!("{}[{}]", self.0, Named(name))),
            _ => Self(format!("{}[{index}]", self.0)),
        }
    }

    /// The path as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The most characters of a user's text that are shown.
const SHOWN: usize = 120;

/// A user's text in a message: control and bidirectional characters written
/// out (they could forge lines or reorder what a reader sees), cut at 120
/// characters.
#[derive(Debug, Clone, Copy)]
pub struct Escaped<'a>(pub &'a str);

impl Escaped<'_> {
    /// How many bytes it takes, if no character takes more than one.
    #[must_use]
    pub fn length(self) -> usize {
        let length = self.0.len();
        if length > SHOWN { SHOWN + '…'.len_utf8() } else { length }
    }
}

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        show(self.0, SHOWN, f)
    }
}

/// The most characters of a name in a path: the longest that an object can
/// have. Shorter, two of them could look the same to ratcheting.
const NAMED: usize = 253;

struct Named<'a>(&'a str);

impl fmt::Display for Named<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        show(self.0, NAMED, f)
    }
}

fn show(text: &str, most: usize, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    // As almost all texts are.
    if text.len() <= most && text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return f.write_str(text);
    }
    let mut characters = text.chars();
    for character in characters.by_ref().take(most) {
        if character.is_control() || is_invisible(character) {
            write!(f, "\\u{{{:x}}}", u32::from(character))?;
        } else {
            f.write_str(character.encode_utf8(&mut [0; 4]))?;
        }
    }
    if characters.next().is_some() {
        f.write_str("…")?;
    }
    Ok(())
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
    fn paths_read_as_a_user_writes_them() {
        let pod = FieldPath::root().field("spec").field("containers").entry(Some("web"), 0);
        assert_eq!(pod.field("env").entry(None, 3).as_str(), "spec.containers[web].env[3]");
        assert_eq!(pod.field("env").entry(Some(""), 3).as_str(), "spec.containers[web].env[3]");
        assert_eq!(
            FieldPath::root().field("metadata").field("annotations").key("eks.amazonaws.com/role-arn").as_str(),
            r#"metadata.annotations["eks.amazonaws.com/role-arn"]"#
        );
        assert_eq!(FieldPath::at("spec.template").field("spec").as_str(), "spec.template.spec");
    }

    #[test]
    fn user_text_cannot_forge_lines() {
        assert_eq!(Escaped("a\n- rule: fine\u{202e}x").to_string(), "a\\u{a}- rule: fine\\u{202e}x");
        assert_eq!(Escaped(&"x".repeat(121)).to_string(), format!("{}…", "x".repeat(120)));
        assert_eq!(Escaped(&"é".repeat(120)).to_string(), "é".repeat(120));
        assert_eq!([0, 120, 121].map(|length| Escaped(&"x".repeat(length)).length()), [0, 120, 123]);
    }
}
