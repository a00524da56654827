// SPDX-License-Identifier: Apache-2.0
//! One walk over the settings that notes every problem with its path and goes
//! on. A derived reader would stop at the first.

use std::fmt;

use crate::matching::glob::Glob;
use crate::matching::near;
use crate::object::place::Shown;
use crate::object::view::{self, Members, Raw, Text};

/// Everything wrong with the settings so far.
#[derive(Debug, Default)]
pub struct Problems(Vec<String>);

impl Problems {
    /// Notes a problem at a path.
    pub fn note(&mut self, path: &Path<'_>, text: impl fmt::Display) {
        self.0.push(format!("{path}: {text}"));
    }

    /// Whether nothing was wrong.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The problems, `path: text`, in the order of the settings.
    #[must_use]
    pub fn into_lines(self) -> Vec<String> {
        self.0
    }
}

/// Where in the settings a value is; on the stack, written only for a problem.
#[derive(Debug, Clone, Copy)]
pub enum Path<'p> {
    /// The settings as a whole.
    Root,
    /// Under a key.
    Key(&'p Path<'p>, &'p str),
    /// An entry of a list.
    Entry(&'p Path<'p>, usize),
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => f.write_str("settings"),
            Self::Key(Self::Root, key) => write!(f, "{}", Shown(key)),
            Self::Key(parent, key) => write!(f, "{parent}.{}", Shown(key)),
            Self::Entry(parent, index) => write!(f, "{parent}[{index}]"),
        }
    }
}

/// A value of the settings that is not absent, with its path.
#[derive(Debug, Clone, Copy)]
pub struct Value<'a, 'p> {
    text: &'a str,
    /// Where the value stands.
    pub path: Path<'p>,
}

/// `null`, `""` and `[]` mean absent everywhere: forms and Helm store them.
fn is_absent(text: &str) -> bool {
    let inner = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    matches!(text, "null" | "\"\"") || inner.is_some_and(|inner| inner.trim_ascii().is_empty())
}

impl<'a, 'p> Value<'a, 'p> {
    /// A value, unless it means absent.
    #[must_use]
    pub fn new(text: &'a str, path: Path<'p>) -> Option<Self> {
        (!is_absent(text)).then_some(Self { text, path })
    }

    /// A default of the program, which is never absent, not even when empty.
    #[must_use]
    pub const fn default(text: &'a str, path: Path<'p>) -> Self {
        Self { text, path }
    }

    /// Whether this is the default of a parameter that has none.
    #[must_use]
    pub const fn is_unset(&self) -> bool {
        self.text.is_empty()
    }

    /// The kind, with its article, told by the first character.
    fn kind(&self) -> &'static str {
        match self.text.as_bytes().first() {
            Some(b'{') => "a map",
            Some(b'[') => "a list",
            Some(b'"') => "a string",
            Some(b't' | b'f') => "a boolean",
            Some(b'n') => "null",
            _ => "a number",
        }
    }

    /// Whether this is `true` or `false`.
    #[must_use]
    pub fn as_bool(&self) -> Option<bool> {
        match self.text {
            "true" => Some(true),
            "false" => Some(false),
            _ => None,
        }
    }

    /// Whether this is a map.
    #[must_use]
    pub fn is_map(&self) -> bool {
        self.text.starts_with('{')
    }

    fn wrong(&self, wanted: impl fmt::Display, problems: &mut Problems) {
        problems.note(&self.path, format_args!("must be {wanted}, is {}", self.kind()));
    }

    /// The members of a map that are not absent.
    pub fn map(&self, problems: &mut Problems) -> Vec<(Text<'a>, &'a str)> {
        let members = match view::read::<Members<'a, Raw<'a>>>(self.text, "") {
            Ok(members) if self.is_map() => members.into_vec(),
            _ => {
                self.wrong("a map", problems);
                return Vec::new();
            }
        };
        let mut kept: Vec<(Text<'a>, &'a str)> = Vec::with_capacity(members.len());
        for (key, value) in members {
            if kept.iter().any(|(known, _)| *known == key) {
                problems.note(&Path::Key(&self.path, &key), "is there twice");
            } else if let Some(text) = value.text().filter(|text| !is_absent(text)) {
                kept.push((key, text));
            }
        }
        kept
    }

    /// The entries of a list.
    pub fn list(&self, problems: &mut Problems) -> Vec<&'a str> {
        match view::read::<Vec<Raw<'a>>>(self.text, "") {
            Ok(entries) if !self.is_map() => entries.iter().map(|entry| entry.text().unwrap_or("null")).collect(),
            _ => {
                self.wrong("a list", problems);
                Vec::new()
            }
        }
    }

    /// A text.
    pub fn text(&self, problems: &mut Problems) -> Option<Text<'a>> {
        match view::read::<Text<'a>>(self.text, "") {
            Ok(text) => Some(text),
            Err(_) if self.kind() == "a number" => {
                problems.note(&self.path, "must be a string, is a number; write it in quotes");
                None
            }
            Err(_) => {
                self.wrong("a string", problems);
                None
            }
        }
    }

    /// A boolean.
    pub fn flag(&self, problems: &mut Problems) -> Option<bool> {
        let flag = self.as_bool();
        if flag.is_none() {
            self.wrong("true or false", problems);
        }
        flag
    }

    /// A whole number within bounds.
    pub fn integer(&self, least: i64, most: i64, problems: &mut Problems) -> Option<i64> {
        match view::read::<i64>(self.text, "") {
            Ok(number) if (least..=most).contains(&number) => Some(number),
            Ok(number) => {
                problems.note(&self.path, format_args!("is {number}, must be {least} to {most}"));
                None
            }
            Err(_) => {
                self.wrong(format_args!("a whole number from {least} to {most}"), problems);
                None
            }
        }
    }

    /// One of several words. An unquoted `off` reaches us as `false` (YAML
    /// 1.1), so where `off` is a choice `false` means it.
    pub fn choice(&self, choices: &[&'static str], problems: &mut Problems) -> Option<&'static str> {
        let off = choices.iter().find(|choice| **choice == "off");
        match (self.as_bool(), off) {
            (Some(false), Some(off)) => return Some(off),
            (Some(_), _) => {
                self.wrong(format_args!("one of {}", choices.join(", ")), problems);
                return None;
            }
            (None, _) => {}
        }
        let Ok(text) = view::read::<Text<'a>>(self.text, "") else {
            self.wrong(format_args!("one of {}", choices.join(", ")), problems);
            return None;
        };
        let found = choices.iter().find(|choice| **choice == text.as_str());
        if found.is_none() {
            problems.note(&self.path, unknown(&text, "value", choices));
        }
        found.copied()
    }

    /// A list of globs. `senseless` says what is wrong with a pattern, if
    /// anything.
    pub fn globs(&self, senseless: fn(&str) -> Option<String>, problems: &mut Problems) -> Vec<Glob<'a>> {
        let mut globs = Vec::new();
        for (index, entry) in self.list(problems).into_iter().enumerate() {
            let path = Path::Entry(&self.path, index);
            let Some(pattern) = Value::default(entry, path).text(problems) else { continue };
            match senseless(&pattern) {
                Some(problem) => problems.note(&path, problem),
                None => globs.push(Glob::new(pattern.into_cow())),
            }
        }
        globs
    }
}

/// What is wrong with a pattern anywhere: nothing to match, or blanks and
/// control characters, which no Kubernetes name, user or ARN has.
#[must_use]
pub fn senseless(pattern: &str) -> Option<String> {
    if pattern.is_empty() {
        return Some("is empty; remove it, or write what it is to match".to_owned());
    }
    if pattern.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Some(format!(
            "has a blank or control character, which nothing it could match has ({})",
            Shown(pattern)
        ));
    }
    None
}

/// The text for a word that is not known, with the one that was meant or all
/// that there are.
#[must_use]
pub fn unknown(word: &str, what: &str, known: &[&str]) -> String {
    match near::meant(word, known.iter().copied()) {
        Some(meant) => format!("unknown {what} {}; did you mean {meant}?", Shown(word)),
        None => format!("unknown {what} {}; there are {}", Shown(word), known.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(read: impl FnOnce(&mut Problems)) -> Vec<String> {
        let mut problems = Problems::default();
        read(&mut problems);
        problems.into_lines()
    }

    fn at(text: &str) -> Value<'_, 'static> {
        Value::default(text, Path::Key(&Path::Root, "x"))
    }

    #[test]
    fn empty_values_are_absent() {
        for text in ["null", "\"\"", "[]", "[ ]"] {
            assert!(Value::new(text, Path::Root).is_none(), "{text}");
        }
        assert!(Value::new("[null]", Path::Root).is_some());
        assert!(Value::new("{}", Path::Root).is_some());
        let members = at(r#"{"a":null,"b":"","c":[],"d":false}"#).map(&mut Problems::default());
        assert_eq!(members, [(Text::from("d"), "false")]);
    }

    #[test]
    fn off_is_false_in_yaml_1_1() {
        assert_eq!(at("false").choice(&["off", "warn"], &mut Problems::default()), Some("off"));
        assert_eq!(
            lines(|p| assert_eq!(at("true").choice(&["off", "warn"], p), None)),
            ["x: must be one of off, warn, is a boolean"]
        );
        assert_eq!(
            lines(|p| assert_eq!(at("false").choice(&["warn", "reject"], p), None)),
            ["x: must be one of warn, reject, is a boolean"]
        );
    }

    #[test]
    fn each_kind_has_its_words() {
        assert_eq!(
            lines(|p| assert!(at("123456789012").text(p).is_none())),
            ["x: must be a string, is a number; write it in quotes"]
        );
        assert_eq!(lines(|p| assert!(at("[]").text(p).is_none())), ["x: must be a string, is a list"]);
        assert_eq!(lines(|p| assert!(at("\"yes\"").flag(p).is_none())), ["x: must be true or false, is a string"]);
        assert_eq!(lines(|p| assert!(at("599").integer(600, 10, p).is_none())), ["x: is 599, must be 600 to 10"]);
        assert_eq!(
            lines(|p| assert!(at("\"1h\"").integer(600, 86400, p).is_none())),
            ["x: must be a whole number from 600 to 86400, is a string"]
        );
        assert_eq!(
            lines(|p| assert!(at("1.5").integer(1, 2, p).is_none())),
            ["x: must be a whole number from 1 to 2, is a number"]
        );
        assert_eq!(lines(|p| assert!(at("7").map(p).is_empty())), ["x: must be a map, is a number"]);
        assert_eq!(lines(|p| assert!(at("{}").list(p).is_empty())), ["x: must be a list, is a map"]);
        assert_eq!(
            lines(|p| assert!(at("\"rejct\"").choice(&["off", "reject"], p).is_none())),
            ["x: unknown value rejct; did you mean reject?"]
        );
        assert_eq!(
            lines(|p| assert!(at("\"zzz\"").choice(&["off", "reject"], p).is_none())),
            ["x: unknown value zzz; there are off, reject"]
        );
        assert_eq!(lines(|p| assert!(at(r#"{"a":1,"a":2}"#).map(p).len() == 1)), ["x.a: is there twice"]);
    }

    #[test]
    fn every_bad_pattern_is_named() {
        assert_eq!(
            lines(|p| assert_eq!(at(r#"["ok-*", "", "a b", 7]"#).globs(senseless, p).len(), 1)),
            [
                "x[1]: is empty; remove it, or write what it is to match",
                "x[2]: has a blank or control character, which nothing it could match has (a b)",
                "x[3]: must be a string, is a number; write it in quotes",
            ]
        );
    }
}
