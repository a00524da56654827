// SPDX-License-Identifier: Apache-2.0
//! The parameters of a rule. They are declared once: the reader, "did you
//! mean", the documentation and the tests all use the declaration.

use super::Common;
use super::doc::Doc;
use super::reader::{self, Path, Problems, Value};
use crate::matching::glob::Glob;
use crate::object::json::{self, Cursor};
use crate::object::view::Text;

/// A parameter of a rule.
#[derive(Debug)]
pub struct Param {
    /// Its key, camelCase.
    pub name: &'static str,
    /// The kind of its values.
    pub kind: Kind,
    /// Its default, as JSON.
    pub default: &'static str,
    /// What it is for.
    pub doc: Doc,
}

impl Param {
    /// Whether it is a list of maps that is not empty by default.
    fn has_entries(&self) -> bool {
        matches!(self.kind, Kind::Entries(_)) && self.default != "[]"
    }
}

/// The kind of a parameter's values.
#[derive(Debug)]
pub enum Kind {
    /// `true` or `false`.
    Flag,
    /// One of several words.
    Choice(&'static [&'static str]),
    /// A list of globs; the function returns the problem with one, if any.
    Globs(fn(&str) -> Option<String>),
    /// One glob, with such a function.
    Glob(fn(&str) -> Option<String>),
    /// A text; the function returns the problem with it, if any.
    Text(fn(&str) -> Option<String>),
    /// A list of texts.
    Texts {
        /// What the texts are, in the plural.
        of: &'static str,
        /// Returns the problem with one, if any.
        problem: fn(&str) -> Option<String>,
    },
    /// A whole number of seconds.
    Seconds {
        /// The minimum.
        least: i64,
        /// The maximum.
        most: i64,
    },
    /// A map from any key to values of this kind.
    ByKey(&'static Kind),
    /// A list of maps, each with these parameters. A parameter without a
    /// default (empty text) is required.
    Entries(&'static [&'static Param]),
    /// A map with these parameters.
    Map(&'static [&'static Param]),
}

impl Kind {
    /// Its description in the documentation.
    #[must_use]
    pub fn describe(&self) -> String {
        match self {
            Self::Flag => "`true` or `false`".to_owned(),
            Self::Choice(choices) => choices.iter().map(|c| format!("`{c}`")).collect::<Vec<_>>().join(" or "),
            Self::Globs(_) => "list of globs".to_owned(),
            Self::Glob(_) => "glob".to_owned(),
            Self::Text(_) => "text".to_owned(),
            Self::Texts { of, .. } => format!("list of {of}"),
            Self::Seconds { least, most } => format!("seconds, {least} to {most}"),
            Self::ByKey(kind) => format!("map of key to {}", kind.describe()),
            Self::Entries(fields) => ["list of ", &described(fields)].concat(),
            Self::Map(fields) => described(fields),
        }
    }
}

/// The description of a map in the documentation.
fn described(fields: &[&Param]) -> String {
    let names: Vec<_> = fields.iter().map(|field| format!("`{}`", field.name)).collect();
    format!("{{{}}}", names.join(", "))
}

/// Reads the parameters of one map.
#[derive(Debug)]
pub struct Params<'r, 'a> {
    /// The members that are given: key and JSON text.
    members: Vec<(String, &'a str)>,
    path: Path<'r>,
    problems: &'r mut Problems,
    /// The settings outside of the rules.
    pub common: &'r Common<'a>,
    /// Whether the rule is on.
    pub is_on: bool,
    /// Defaults of the profile, as JSON; they override those of the parameters.
    pub of_profile: &'static [(&'static str, &'static str)],
}

impl<'r, 'a> Params<'r, 'a> {
    /// The parameters in `members`; undeclared keys are problems.
    pub fn new(
        members: Vec<(String, &'a str)>,
        declared: &[&Param],
        path: Path<'r>,
        problems: &'r mut Problems,
        common: &'r Common<'a>,
    ) -> Self {
        for (key, _) in &members {
            if !declared.iter().any(|param| param.name == key) {
                problems.note(&Path::Key(&path, key), unknown_parameter(key, declared));
            }
        }
        Self { members, path, problems, common, is_on: false, of_profile: &[] }
    }

    /// Reads the value that is given, or else the default, if there is one.
    fn read<T>(
        &mut self,
        param: &'static Param,
        read: impl FnOnce(Value<'_, 'a, '_>, &mut Problems) -> Option<T>,
    ) -> Option<T> {
        let given = self.members.iter().find(|(key, _)| key == param.name);
        let text = given.map_or_else(|| self.default_of(param), |(_, text)| text);
        if text.is_empty() {
            return None;
        }
        read(Value::new(&mut Cursor::new(text), Path::Key(&self.path, param.name)), self.problems)
    }

    /// The default of a parameter that is not given. A test ensures that
    /// defaults are plain, so they need no JSON reader, which would slow down
    /// every request.
    fn default_if_unset(&self, param: &'static Param) -> Option<&'static str> {
        (!self.gives(param)).then(|| self.default_of(param))
    }

    fn default_of(&self, param: &Param) -> &'static str {
        let of_profile = self.of_profile.iter().find(|(name, _)| *name == param.name);
        of_profile.map_or(param.default, |(_, text)| text)
    }

    /// Whether a parameter has its declared default.
    #[must_use]
    pub fn is_default(&self, param: &'static Param) -> bool {
        !self.gives(param) && !self.of_profile.iter().any(|(name, _)| *name == param.name)
    }

    /// Whether a parameter is given, valid or not.
    #[must_use]
    pub fn gives(&self, param: &'static Param) -> bool {
        self.members.iter().any(|(key, _)| key == param.name)
    }

    /// Notes a problem with a parameter.
    pub fn note(&mut self, param: &'static Param, text: &str) {
        self.problems.note(&Path::Key(&self.path, param.name), text);
    }

    /// Notes a problem that the rule as a whole has with other settings, if it is on.
    pub fn note_rule(&mut self, text: &str) {
        if self.is_on {
            self.problems.note(&self.path, text);
        }
    }

    /// Notes a problem with a key of a parameter that is a map.
    pub fn note_key(&mut self, param: &'static Param, key: &str, text: &str) {
        let path = Path::Key(&self.path, param.name);
        self.problems.note(&Path::Key(&path, key), text);
    }

    /// A flag.
    #[expect(clippy::redundant_closure_for_method_calls, reason = "the method is not general enough in its lifetimes")]
    pub fn flag(&mut self, param: &'static Param) -> bool {
        if let Some(default) = self.default_if_unset(param) {
            return default == "true";
        }
        self.read(param, |value, problems| value.flag(problems)).unwrap_or_default()
    }

    /// One of the words the parameter declares.
    pub fn choice(&mut self, param: &'static Param) -> &'static str {
        let Kind::Choice(choices) = &param.kind else { return "" };
        if let Some(default) = self.default_if_unset(param) {
            return quoted(default).next().unwrap_or_default();
        }
        self.read(param, |value, problems| value.choice(choices, problems)).unwrap_or_default()
    }

    /// A list of globs.
    pub fn globs(&mut self, param: &'static Param) -> Vec<Glob<'a>> {
        let Kind::Globs(validate_pattern) = param.kind else { return Vec::new() };
        if let Some(default) = self.default_if_unset(param) {
            return quoted(default).map(Glob::new).collect();
        }
        self.read(param, |value, problems| Some(value.globs(validate_pattern, problems))).unwrap_or_default()
    }

    /// One glob. If it is neither given nor has a default, that is a problem.
    pub fn glob(&mut self, param: &'static Param) -> Option<Glob<'a>> {
        let Kind::Glob(validate_pattern) = param.kind else { return None };
        if param.default.is_empty() && !self.gives(param) {
            self.problems.note(&self.path, [param.name, " is missing"].concat());
            return None;
        }
        self.read(param, |value, problems| checked(value, validate_pattern, problems))
            .map(|text| Glob::new(text.into_cow()))
    }

    /// A text. If it is neither given nor has a default, that is a problem.
    pub fn text(&mut self, param: &'static Param) -> Text<'a> {
        let Kind::Text(problem) = param.kind else { return Text::default() };
        if param.default.is_empty() && !self.gives(param) {
            self.problems.note(&self.path, [param.name, " is missing"].concat());
        }
        self.read(param, |value, problems| checked(value, problem, problems)).unwrap_or_default()
    }

    /// A list of texts.
    pub fn texts(&mut self, param: &'static Param) -> Vec<Text<'a>> {
        let Kind::Texts { problem, .. } = param.kind else { return Vec::new() };
        if let Some(default) = self.default_if_unset(param) {
            return quoted(default).map(Text::from).collect();
        }
        self.read(param, |value, problems| Some(texts(value, problem, problems))).unwrap_or_default()
    }

    /// A list of texts under each key. A key without a list is a problem: it
    /// would be ignored, although its author may expect it to allow nothing.
    pub fn texts_by_key(&mut self, param: &'static Param) -> Vec<(String, Vec<Text<'a>>)> {
        let Kind::ByKey(Kind::Texts { problem, .. }) = param.kind else { return Vec::new() };
        let mut entries = Vec::new();
        self.read(param, |value, problems| {
            value.map_of_all(problems, &mut |key, mut value, problems| {
                let path = value.path;
                if value.is_absent() {
                    return problems.note(&path, "is empty; write what it allows, or remove the key");
                }
                entries.push((key.to_owned(), texts(value, *problem, problems)));
            });
            Some(())
        });
        entries
    }

    /// A number of seconds.
    pub fn seconds(&mut self, param: &'static Param) -> i64 {
        let Kind::Seconds { least, most } = param.kind else { return 0 };
        if let Some(default) = self.default_if_unset(param) {
            return default.parse().unwrap_or(least);
        }
        self.read(param, |value, problems| value.integer(least, most, problems)).unwrap_or(least)
    }

    /// A number of seconds under each key.
    pub fn seconds_by_key(&mut self, param: &'static Param) -> Vec<(String, i64)> {
        let Kind::ByKey(Kind::Seconds { least, most }) = param.kind else { return Vec::new() };
        let mut entries = Vec::new();
        self.read(param, |value, problems| {
            value.map(problems, &mut |key, value, problems| {
                entries.extend(value.integer(*least, *most, problems).map(|seconds| (key.to_owned(), seconds)));
            });
            Some(())
        });
        entries
    }

    /// A list of maps, each read by `entry`.
    pub fn entries<T>(
        &mut self,
        param: &'static Param,
        mut entry: impl FnMut(&mut Params<'_, 'a>) -> Option<T>,
    ) -> Vec<T> {
        let Kind::Entries(declared) = &param.kind else { return Vec::new() };
        let common = self.common;
        let mut entries = Vec::new();
        self.read(param, |value, problems| {
            value.list(problems, &mut |_, mut value, problems| {
                let path = value.path;
                let is_map = value.is_map();
                let members = members(value, declared, problems);
                if is_map {
                    entries.extend(entry(&mut Params::new(members, declared, path, problems, common)));
                }
            });
            Some(())
        });
        entries
    }
}

impl<'a> Params<'_, 'a> {
    /// A map, whose parameters `read` reads.
    pub fn map(&mut self, param: &'static Param, read: &mut dyn FnMut(&mut Params<'_, 'a>)) {
        let Kind::Map(declared) = &param.kind else { return };
        let common = self.common;
        self.read(param, |value, problems| {
            let path = value.path;
            let members = members(value, declared, problems);
            read(&mut Params::new(members, declared, path, problems, common));
            Some(())
        });
    }
}

/// The strings in a default.
fn quoted(default: &'static str) -> impl Iterator<Item = &'static str> {
    default.split('"').skip(1).step_by(2)
}

/// The members of a map, each kept as text. An empty list counts as a value if
/// the parameter has entries by default, and as absent everywhere else.
pub fn members<'a>(value: Value<'_, 'a, '_>, declared: &[&Param], problems: &mut Problems) -> Vec<(String, &'a str)> {
    let mut members = Vec::new();
    value.map_of_all(problems, &mut |key, mut value, _| {
        let mut ahead = value.ahead();
        if !value.is_absent() {
            members.push((key.to_owned(), value.raw()));
        } else if ahead.kind() == json::Kind::List
            && declared.iter().any(|param| param.name == key && param.has_entries())
        {
            members.push((key.to_owned(), "[]"));
        }
    });
    members
}

fn texts<'a>(value: Value<'_, 'a, '_>, problem: fn(&str) -> Option<String>, problems: &mut Problems) -> Vec<Text<'a>> {
    let mut texts = Vec::new();
    value.list(problems, &mut |_, entry, problems| texts.extend(checked(entry, problem, problems)));
    texts
}

/// A text without a problem.
fn checked<'a>(
    value: Value<'_, 'a, '_>,
    problem: fn(&str) -> Option<String>,
    problems: &mut Problems,
) -> Option<Text<'a>> {
    let path = value.path;
    let text = value.text(problems)?;
    match problem(&text) {
        Some(problem) => {
            problems.note(&path, problem);
            None
        }
        None => Some(text),
    }
}

#[cold]
fn unknown_parameter(key: &str, declared: &[&Param]) -> String {
    if declared.is_empty() {
        return "unknown parameter; this rule has none".to_owned();
    }
    let names: Vec<&str> = declared.iter().map(|param| param.name).collect();
    reader::unknown(key, "parameter", &names)
}

#[cfg(test)]
mod tests {
    use super::{Doc, Kind, Param};

    fn never(_: &str) -> Option<String> {
        None
    }

    const FIELDS: &[&Param] = &[
        &Param { name: "image", kind: Kind::Glob(never), default: "", doc: Doc::new("") },
        &Param { name: "container", kind: Kind::Text(never), default: "", doc: Doc::new("") },
    ];

    #[test]
    fn describes_kinds() {
        let names = [
            (Kind::Flag, "`true` or `false`"),
            (Kind::Choice(&["pod", "all"]), "`pod` or `all`"),
            (Kind::Globs(never), "list of globs"),
            (Kind::Glob(never), "glob"),
            (Kind::Text(never), "text"),
            (Kind::Texts { of: "ARNs", problem: never }, "list of ARNs"),
            (Kind::Seconds { least: 600, most: 86400 }, "seconds, 600 to 86400"),
            (Kind::ByKey(&Kind::Globs(never)), "map of key to list of globs"),
            (Kind::Entries(FIELDS), "list of {`image`, `container`}"),
            (Kind::Map(FIELDS), "{`image`, `container`}"),
        ];
        for (kind, name) in names {
            assert_eq!(kind.describe(), name);
        }
    }
}
