// SPDX-License-Identifier: Apache-2.0
//! The parameters of a rule: declared once, read from that declaration.
//! The reader, "did you mean", the documentation and the tests all use it.

use super::Common;
use super::reader::{self, Path, Problems, Value};
use crate::matching::glob::Glob;
use crate::object::view::Text;

/// A parameter of a rule.
#[derive(Debug)]
pub struct Param {
    /// Its key, camelCase.
    pub name: &'static str,
    /// What it takes.
    pub kind: Kind,
    /// Its default, as JSON.
    pub default: &'static str,
    /// One line for people.
    pub doc: &'static str,
}

/// What a parameter takes.
#[derive(Debug)]
pub enum Kind {
    /// `true` or `false`.
    Flag,
    /// One of several words.
    Choice(&'static [&'static str]),
    /// A list of globs; the function says what is wrong with one, if anything.
    Globs(fn(&str) -> Option<String>),
    /// One glob, likewise.
    Glob(fn(&str) -> Option<String>),
    /// A text; the function says what is wrong with it, if anything.
    Text(fn(&str) -> Option<String>),
    /// A whole number of seconds.
    Seconds {
        /// The least.
        least: i64,
        /// The most.
        most: i64,
    },
    /// A map from any key to one of these.
    ByKey(&'static Kind),
    /// A list of maps, each with these parameters. One without a default
    /// (empty text) is required.
    Entries(&'static [Param]),
}

impl Kind {
    /// How documentation names it.
    #[must_use]
    pub fn describe(&self) -> String {
        match self {
            Self::Flag => "`true` or `false`".to_owned(),
            Self::Choice(choices) => choices.iter().map(|c| format!("`{c}`")).collect::<Vec<_>>().join(" or "),
            Self::Globs(_) => "list of globs".to_owned(),
            Self::Glob(_) => "glob".to_owned(),
            Self::Text(_) => "text".to_owned(),
            Self::Seconds { least, most } => format!("seconds, {least} to {most}"),
            Self::ByKey(kind) => format!("map of key to {}", kind.describe()),
            Self::Entries(fields) => {
                let names: Vec<_> = fields.iter().map(|field| format!("`{}`", field.name)).collect();
                format!("list of {{{}}}", names.join(", "))
            }
        }
    }
}

/// Reads the parameters of one map.
#[derive(Debug)]
pub struct Params<'r, 'a> {
    members: Vec<(Text<'a>, &'a str)>,
    path: Path<'r>,
    problems: &'r mut Problems,
    /// The settings outside of the rules.
    pub common: &'r Common<'a>,
}

impl<'r, 'a> Params<'r, 'a> {
    /// The parameters in `members`; keys that are not declared are problems.
    pub fn new(
        members: Vec<(Text<'a>, &'a str)>,
        declared: &[Param],
        path: Path<'r>,
        problems: &'r mut Problems,
        common: &'r Common<'a>,
    ) -> Self {
        let names: Vec<&str> = declared.iter().map(|param| param.name).collect();
        for (key, _) in &members {
            if !names.contains(&key.as_str()) {
                let text = if names.is_empty() {
                    "unknown parameter; this rule has none".to_owned()
                } else {
                    reader::unknown(key, "parameter", &names)
                };
                problems.note(&Path::Key(&path, key), text);
            }
        }
        Self { members, path, problems, common }
    }

    fn value<'s>(&self, param: &'static Param, path: &'s Path<'r>) -> Value<'a, 's>
    where
        'r: 's,
    {
        let path = Path::Key(path, param.name);
        let given = self.members.iter().find(|(key, _)| key.as_str() == param.name);
        given.map_or(Value::default(param.default, path), |(_, text)| Value::default(text, path))
    }

    /// Notes a problem with a parameter.
    pub fn note(&mut self, param: &'static Param, text: &str) {
        self.problems.note(&Path::Key(&self.path, param.name), text);
    }

    /// A flag.
    pub fn flag(&mut self, param: &'static Param) -> bool {
        let path = self.path;
        self.value(param, &path).flag(self.problems).unwrap_or_default()
    }

    /// One of the words the parameter declares.
    pub fn choice(&mut self, param: &'static Param) -> &'static str {
        let Kind::Choice(choices) = &param.kind else { return "" };
        let path = self.path;
        self.value(param, &path).choice(choices, self.problems).unwrap_or_default()
    }

    /// A list of globs.
    pub fn globs(&mut self, param: &'static Param) -> Vec<Glob<'a>> {
        let Kind::Globs(senseless) = param.kind else { return Vec::new() };
        let path = self.path;
        self.value(param, &path).globs(senseless, self.problems)
    }

    /// One glob; absent is a problem when there is no default.
    pub fn glob(&mut self, param: &'static Param) -> Option<Glob<'a>> {
        let Kind::Glob(senseless) = param.kind else { return None };
        let path = self.path;
        let value = self.value(param, &path);
        if value.is_unset() {
            self.problems.note(&self.path, format_args!("{} is missing", param.name));
            return None;
        }
        let text = value.text(self.problems)?;
        match senseless(&text) {
            Some(problem) => {
                self.note(param, &problem);
                None
            }
            None => Some(Glob::new(text.into_cow())),
        }
    }

    /// A text; empty when nothing is given and there is no default.
    pub fn text(&mut self, param: &'static Param) -> Text<'a> {
        let Kind::Text(problem) = param.kind else { return Text::default() };
        let path = self.path;
        let value = self.value(param, &path);
        if value.is_unset() {
            return Text::default();
        }
        let Some(text) = value.text(self.problems) else { return Text::default() };
        if let Some(problem) = problem(&text) {
            self.note(param, &problem);
        }
        text
    }

    /// A number of seconds.
    pub fn seconds(&mut self, param: &'static Param) -> i64 {
        let Kind::Seconds { least, most } = param.kind else { return 0 };
        let path = self.path;
        self.value(param, &path).integer(least, most, self.problems).unwrap_or(least)
    }

    /// A list of globs under each key.
    pub fn globs_by_key(&mut self, param: &'static Param) -> Vec<(Text<'a>, Vec<Glob<'a>>)> {
        let Kind::ByKey(Kind::Globs(senseless)) = param.kind else { return Vec::new() };
        self.by_key(param, |value, problems| value.globs(*senseless, problems))
    }

    /// A number of seconds under each key.
    pub fn seconds_by_key(&mut self, param: &'static Param) -> Vec<(Text<'a>, i64)> {
        let Kind::ByKey(Kind::Seconds { least, most }) = param.kind else { return Vec::new() };
        self.by_key(param, |value, problems| value.integer(*least, *most, problems).unwrap_or(*least))
    }

    fn by_key<T>(
        &mut self,
        param: &'static Param,
        read: impl Fn(&Value<'a, '_>, &mut Problems) -> T,
    ) -> Vec<(Text<'a>, T)> {
        let path = self.path;
        let value = self.value(param, &path);
        let members = value.map(self.problems);
        let read = members.into_iter().map(|(key, text)| {
            let value = read(&Value::default(text, Path::Key(&value.path, &key)), self.problems);
            (key, value)
        });
        read.collect()
    }

    /// A list of maps, each read by `entry`.
    pub fn entries<T>(
        &mut self,
        param: &'static Param,
        mut entry: impl FnMut(&mut Params<'_, 'a>) -> Option<T>,
    ) -> Vec<T> {
        let Kind::Entries(declared) = &param.kind else { return Vec::new() };
        let path = self.path;
        let value = self.value(param, &path);
        let mut entries = Vec::new();
        for (index, text) in value.list(self.problems).into_iter().enumerate() {
            let path = Path::Entry(&value.path, index);
            let value = Value::default(text, path);
            let members = value.map(self.problems);
            if !value.is_map() {
                continue;
            }
            let mut params = Params::new(members, declared, path, self.problems, self.common);
            entries.extend(entry(&mut params));
        }
        entries
    }
}
