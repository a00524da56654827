// SPDX-License-Identifier: Apache-2.0
//! Reads the settings in one pass and notes every problem with its path. A
//! derived reader would stop at the first.

use std::borrow::Cow;
use std::fmt;

use crate::diagnostic::escaped::Escaped;
use crate::matching::closest;
use crate::matching::glob::Glob;
use crate::object::json::{Cursor, Kind, Read};
use crate::object::view::Text;

/// All problems with the settings so far.
#[derive(Debug, Default)]
pub struct Problems(Vec<String>);

impl Problems {
    /// Notes a problem at a path.
    #[cold]
    pub fn note(&mut self, path: &Path<'_>, text: impl fmt::Display) {
        self.0.push(format!("{path}: {text}"));
    }

    /// Whether there are no problems.
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

/// The path of a value in the settings. It is on the stack, and written only
/// for a problem.
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
            Self::Key(Self::Root, key) => write!(f, "{}", Escaped::new(key)),
            Self::Key(parent, key) => write!(f, "{parent}.{}", Escaped::new(key)),
            Self::Entry(parent, index) => write!(f, "{parent}[{index}]"),
        }
    }
}

/// A value of the settings that is about to be read, with its path. It is read
/// at most once; if it is not read, it is skipped.
#[derive(Debug)]
pub struct Value<'c, 'a, 'p> {
    json: &'c mut Cursor<'a>,
    /// The path of the value.
    pub path: Path<'p>,
}

/// Takes a member of a map: its key and its value.
type EachMember<'e, 'a> = &'e mut dyn FnMut(&str, Value<'_, 'a, '_>, &mut Problems);

/// Takes an entry of a list: its number and its value.
type EachEntry<'e, 'a> = &'e mut dyn FnMut(usize, Value<'_, 'a, '_>, &mut Problems);

impl<'c, 'a, 'p> Value<'c, 'a, 'p> {
    /// The next value.
    #[must_use]
    pub const fn new(json: &'c mut Cursor<'a>, path: Path<'p>) -> Self {
        Self { json, path }
    }

    /// The kind of the value, with its article.
    fn kind(&mut self) -> &'static str {
        match self.json.kind() {
            Kind::Object => "a map",
            kind => kind.noun(),
        }
    }

    /// Whether the value counts as absent; if so, it has been read.
    pub fn is_absent(&mut self) -> bool {
        self.json.nothing()
    }

    /// Whether this is a map.
    pub fn is_map(&mut self) -> bool {
        self.json.kind() == Kind::Object
    }

    #[cold]
    fn wrong(&mut self, wanted: &str, problems: &mut Problems) {
        let found = self.kind();
        let hint = if wanted == "a string" && found == "a number" { "; write it in quotes" } else { "" };
        problems.note(&self.path, format_args!("must be {wanted}, is {found}{hint}"));
    }

    /// A separate cursor on the value, to look ahead; the value stays unread.
    #[must_use]
    pub fn ahead(&self) -> Cursor<'a> {
        self.json.clone()
    }

    /// Walks the members of a map that are not absent: `null`, `""` and `[]`
    /// count as absent everywhere, because forms and Helm store them.
    pub fn map(self, problems: &mut Problems, each: EachMember<'_, 'a>) {
        self.members(false, problems, each);
    }

    /// The same, including absent members, for maps where a key without a value
    /// would not mean what its author expects.
    pub fn map_of_all(self, problems: &mut Problems, each: EachMember<'_, 'a>) {
        self.members(true, problems, each);
    }

    fn members(mut self, absent_too: bool, problems: &mut Problems, each: EachMember<'_, 'a>) {
        if !self.is_map() {
            return self.wrong("a map", problems);
        }
        if self.walk_members(absent_too, problems, each).is_err() {
            note_broken(&self.path, problems);
        }
    }

    fn walk_members(&mut self, absent_too: bool, problems: &mut Problems, each: EachMember<'_, 'a>) -> Read<()> {
        let (path, json) = (self.path, &mut *self.json);
        let mut seen = Seen::default();
        let mut more = json.enter_object()?;
        while more {
            let key = json.key()?.text();
            let start = json.start();
            if seen.has(&key) {
                problems.note(&Path::Key(&path, &key), "appears twice");
            } else if absent_too || !json.nothing() {
                each(&key, Value::new(json, Path::Key(&path, &key)), problems);
            }
            seen.push(key);
            json.skip_unread(start)?;
            more = json.more_members()?;
        }
        Ok(())
    }

    /// Walks the entries of a list.
    pub fn list(self, problems: &mut Problems, each: EachEntry<'_, 'a>) {
        let mut entries = self.entries(problems);
        while let Some((index, entry)) = entries.next(problems) {
            each(index, entry, problems);
        }
    }

    /// The entries of a list, for a loop in the caller.
    fn entries(mut self, problems: &mut Problems) -> Entries<'c, 'a, 'p> {
        let is_list = self.json.kind() == Kind::List;
        if !is_list {
            self.wrong("a list", problems);
        }
        Entries { json: self.json, path: self.path, count: 0, is_over: !is_list, start: 0 }
    }

    /// The JSON text of the value, to be read later.
    #[must_use]
    pub fn raw(self) -> &'a str {
        self.json.skip().unwrap_or_default()
    }

    /// A text.
    pub fn text(mut self, problems: &mut Problems) -> Option<Text<'a>> {
        if self.json.kind() != Kind::String {
            self.wrong("a string", problems);
            return None;
        }
        let text = self.json.string().ok();
        if text.is_none() {
            problems.note(&self.path, "has half of a surrogate pair, which is not valid text");
        }
        text.map(Text::from)
    }

    /// A boolean.
    pub fn flag(mut self, problems: &mut Problems) -> Option<bool> {
        if self.json.kind() != Kind::Boolean {
            self.wrong("true or false", problems);
            return None;
        }
        self.json.boolean().ok()
    }

    /// A whole number within bounds.
    pub fn integer(mut self, least: i64, most: i64, problems: &mut Problems) -> Option<i64> {
        let read = if self.json.kind() == Kind::Number { self.json.clone().integer().ok() } else { None };
        match read {
            Some(number) if (least..=most).contains(&number) => return Some(number),
            Some(number) => problems.note(&self.path, format_args!("is {number}, must be {least} to {most}")),
            None => self.wrong(&format!("a whole number from {least} to {most}"), problems),
        }
        None
    }

    /// One of several words. An unquoted `off` arrives as `false` (YAML 1.1),
    /// so `false` means `off` if that is a choice.
    pub fn choice(mut self, choices: &[&'static str], problems: &mut Problems) -> Option<&'static str> {
        let text = match self.json.kind() {
            Kind::String => self.json.string().unwrap_or_default(),
            Kind::Boolean if choices.contains(&"off") && self.json.clone().boolean() == Ok(false) => {
                Cow::Borrowed("off")
            }
            _ => {
                self.wrong(&["one of ", &choices.join(", ")].concat(), problems);
                return None;
            }
        };
        let found = choices.iter().find(|choice| **choice == text);
        if found.is_none() {
            problems.note(&self.path, unknown(&text, "value", choices));
        }
        found.copied()
    }

    /// A list of globs. `validate_pattern` returns the problem with a pattern, if any.
    pub fn globs(self, validate_pattern: fn(&str) -> Option<String>, problems: &mut Problems) -> Vec<Glob<'a>> {
        let mut globs = Vec::new();
        self.add_globs(validate_pattern, &mut globs, problems);
        globs
    }

    /// The same, appended to `globs`.
    pub fn add_globs(
        self,
        validate_pattern: fn(&str) -> Option<String>,
        globs: &mut Vec<Glob<'a>>,
        problems: &mut Problems,
    ) {
        let mut entries = self.entries(problems);
        while let Some((_, entry)) = entries.next(problems) {
            let path = entry.path;
            let Some(pattern) = entry.text(problems) else { continue };
            match validate_pattern(&pattern) {
                Some(problem) => problems.note(&path, problem),
                None => globs.push(Glob::new(pattern.into_cow())),
            }
        }
    }
}

/// The entries of a list, one after the other.
struct Entries<'c, 'a, 'p> {
    json: &'c mut Cursor<'a>,
    path: Path<'p>,
    /// The number of entries so far.
    count: usize,
    is_over: bool,
    /// Where the last entry begins.
    start: usize,
}

impl<'a> Entries<'_, 'a, '_> {
    fn next(&mut self, problems: &mut Problems) -> Option<(usize, Value<'_, 'a, '_>)> {
        if self.is_over {
            return None;
        }
        let more = self.advance();
        self.is_over = more != Ok(true);
        if more.is_err() {
            note_broken(&self.path, problems);
        }
        let index = self.count;
        self.count += 1;
        (!self.is_over).then(|| (index, Value::new(self.json, Path::Entry(&self.path, index))))
    }

    fn advance(&mut self) -> Read<bool> {
        let more = if self.count == 0 {
            self.json.enter_list()?
        } else {
            self.json.skip_unread(self.start)?;
            self.json.more_entries()?
        };
        self.start = self.json.start();
        Ok(more)
    }
}

/// The keys of a map so far. Most maps have few, and allocations are the main
/// cost of large settings.
#[derive(Default)]
struct Seen<'a> {
    first: [Cow<'a, str>; 8],
    count: usize,
    more: Vec<Cow<'a, str>>,
}

impl<'a> Seen<'a> {
    fn has(&self, key: &str) -> bool {
        self.first.iter().take(self.count).chain(&self.more).any(|seen| seen == key)
    }

    fn push(&mut self, key: Cow<'a, str>) {
        match self.first.get_mut(self.count) {
            Some(free) => {
                *free = key;
                self.count += 1;
            }
            None => self.more.push(key),
        }
    }
}

/// Truncated settings must not be mistaken for shorter ones.
#[cold]
fn note_broken(path: &Path<'_>, problems: &mut Problems) {
    problems.note(path, "is broken JSON");
}

/// The problem with an unknown word, with the known word that was probably
/// meant, or else all known words.
#[must_use]
#[cold]
pub fn unknown(word: &str, what: &str, known: &[&str]) -> String {
    match closest::closest_match(word, known.iter().copied()) {
        Some(meant) => format!("unknown {what} `{}`; did you mean `{meant}`?", Escaped::new(word)),
        None => format!("unknown {what} `{}`, must be one of {}", Escaped::new(word), known.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matching::glob::validate_pattern;

    const PATH: Path<'static> = Path::Key(&Path::Root, "x");

    fn read<T>(text: &str, read: impl FnOnce(Value<'_, '_, 'static>, &mut Problems) -> T) -> (T, Vec<String>) {
        let mut problems = Problems::default();
        let value = read(Value::new(&mut Cursor::new(text), PATH), &mut problems);
        (value, problems.into_lines())
    }

    fn lines<T>(text: &str, read_it: impl FnOnce(Value<'_, '_, 'static>, &mut Problems) -> T) -> Vec<String> {
        read(text, read_it).1
    }

    #[test]
    fn empty_values_are_absent() {
        let (keys, problems) =
            read(r#"{"a":null,"b":"","c":[ ],"d":false,"e":{},"f":[null],"g":{"x":1},"h":0}"#, |value, problems| {
                let mut keys = Vec::new();
                value.map(problems, &mut |key, _, _| keys.push(key.to_owned()));
                keys
            });
        assert_eq!(keys, ["d", "e", "f", "g", "h"]);
        assert_eq!(problems, Vec::<String>::new());
    }

    #[test]
    fn skips_unread_values() {
        let (seen, _) = read(r#"[{"a":[1]},"b",[[]],4]"#, |value, problems| {
            let mut seen = Vec::new();
            value.list(problems, &mut |index, entry, problems| {
                if index == 1 {
                    seen.push(entry.text(problems).unwrap().to_string());
                } else if index == 2 {
                    seen.push(entry.raw().to_owned());
                } else {
                    seen.push(index.to_string());
                }
            });
            seen
        });
        assert_eq!(seen, ["0", "b", "[[]]", "3"]);
    }

    #[test]
    fn off_may_be_false() {
        assert_eq!(read("false", |v, p| v.choice(&["off", "warn"], p)), (Some("off"), Vec::new()));
        assert_eq!(lines("true", |v, p| v.choice(&["off", "warn"], p)), ["x: must be one of off, warn, is a boolean"]);
        assert_eq!(
            lines("false", |v, p| v.choice(&["warn", "reject"], p)),
            ["x: must be one of warn, reject, is a boolean"]
        );
    }

    #[test]
    fn messages_by_kind() {
        assert_eq!(
            lines("123456789012", |v, p| v.text(p).map(|text| text.to_string())),
            ["x: must be a string, is a number; write it in quotes"]
        );
        assert_eq!(lines("[]", |v, p| v.text(p).map(|text| text.to_string())), ["x: must be a string, is a list"]);
        assert_eq!(
            lines(r#""\ud800""#, |v, p| v.text(p).map(|text| text.to_string())),
            ["x: has half of a surrogate pair, which is not valid text"]
        );
        assert_eq!(lines("\"yes\"", |v, p| v.flag(p).is_some()), ["x: must be true or false, is a string"]);
        assert_eq!(lines("599", |v, p| v.integer(600, 10, p)), ["x: is 599, must be 600 to 10"]);
        assert_eq!(
            lines("\"1h\"", |v, p| v.integer(600, 86400, p)),
            ["x: must be a whole number from 600 to 86400, is a string"]
        );
        assert_eq!(lines("1.5", |v, p| v.integer(1, 2, p)), ["x: must be a whole number from 1 to 2, is a number"]);
        assert_eq!(lines("7", |v, p| v.map(p, &mut |_, _, _| {})), ["x: must be a map, is a number"]);
        assert_eq!(lines("{}", |v, p| v.list(p, &mut |_, _, _| {})), ["x: must be a list, is a map"]);
        assert_eq!(
            lines("\"rejct\"", |v, p| v.choice(&["off", "reject"], p)),
            ["x: unknown value `rejct`; did you mean `reject`?"]
        );
        assert_eq!(
            lines("\"zzz\"", |v, p| v.choice(&["off", "reject"], p)),
            ["x: unknown value `zzz`, must be one of off, reject"]
        );
        assert_eq!(lines("3", |v, p| v.choice(&["off", "reject"], p)), ["x: must be one of off, reject, is a number"]);
        assert_eq!(lines(r#"{"a":1,"\u0061":2}"#, |v, p| v.map(p, &mut |_, _, _| {})), ["x.a: appears twice"]);
    }

    #[test]
    fn reports_every_bad_pattern() {
        let (globs, problems) = read(r#"["ok-*", "", "a b", 7, "é"]"#, |v, p| {
            v.globs(validate_pattern, p).iter().map(|glob| glob.as_str().to_owned()).collect::<Vec<_>>()
        });
        assert_eq!(globs, ["ok-*", "é"]);
        assert_eq!(
            problems,
            [
                "x[1]: is empty; remove it, or write what it is to match",
                "x[2]: has a blank or control character, so it cannot match anything (a b)",
                "x[3]: must be a string, is a number; write it in quotes",
            ]
        );
    }
}
