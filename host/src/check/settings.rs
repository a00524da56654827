// SPDX-License-Identifier: Apache-2.0

//! Settings in files. All mistakes are reported together, each with its line.

use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};
use serviceaccount_hygiene::engine::settings_problem;
use serviceaccount_hygiene::rules::AllRules;

use super::placeholder::Placeholder;
use crate::shown;
use crate::yaml::layout::{self, Content, Node, Step};
use crate::yaml::lines::Lines;
use crate::yaml::{self, Document, parts};

/// Mistakes in a file, each with its location.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.join("\n"))]
pub struct Problems(pub Vec<String>);

/// Whether an object is a policy's manifest.
pub(super) fn is_policy(object: &Value) -> bool {
    let text = |key: &str| object.get(key).and_then(Value::as_str).unwrap_or_default();
    matches!(text("kind"), "ClusterAdmissionPolicy" | "AdmissionPolicy")
        && text("apiVersion").starts_with("policies.kubewarden.io/")
}

/// The location of settings.
#[derive(Debug, Clone)]
pub struct Source {
    /// The file, as the user named it.
    file: Arc<str>,
    text: Arc<str>,
    /// The index of the document that contains them; documents without content are not counted.
    ordinal: usize,
    /// The steps to them in the document.
    steps: Vec<Step>,
}

impl Source {
    /// The settings in a file that contains nothing else.
    pub fn of_file(file: &str, text: &str) -> Self {
        Self { file: file.into(), text: text.into(), ordinal: 0, steps: Vec::new() }
    }

    /// Settings below some fields of the file's document.
    #[must_use]
    pub fn below(mut self, fields: &[&str]) -> Self {
        self.steps.extend(fields.iter().map(|field| Step::Key((*field).to_owned())));
        self
    }

    /// The settings of a policy's manifest; `None` if the file cannot be read again.
    pub(super) fn of_manifest(document: &Document) -> Option<Self> {
        let text = std::fs::read_to_string(&*document.file).ok()?;
        let steps = document.items.iter().flat_map(|index| [Step::Key("items".to_owned()), Step::Index(*index)]);
        let source =
            Self { file: document.file.clone(), text: text.into(), ordinal: document.ordinal, steps: steps.collect() };
        Some(source.below(&["spec", "settings"]))
    }

    /// `file:line:column` of a path in the settings, or of its nearest parent that is present.
    pub(super) fn location(&self, path: &str) -> String {
        let file = shown::text(&self.file);
        let location = || {
            let documents = parts::of(&self.text);
            let with_content = |part: &&parts::Part| part.read(&self.text).is_ok_and(|read| read.document.is_some());
            let part = documents.iter().filter(with_content).nth(self.ordinal)?;
            let node = layout::first_document(part.text(&self.text))?;
            let found = node.nearest(&self.steps);
            let at = part.bytes.start + start_of(found.node, path, found.start());
            Some(Lines::of(&self.text).line_and_column(&self.text, at))
        };
        match location() {
            Some((line, column)) => format!("{file}:{line}:{column}"),
            None => file,
        }
    }
}

/// The byte where the entry at a path begins; `start` is the start of the node itself. Keys may contain dots.
fn start_of(node: &Node, path: &str, start: usize) -> usize {
    let rest = path.strip_prefix('.').unwrap_or(path);
    match &node.content {
        Content::Mapping { entries, .. } => {
            let candidates = entries.iter().rev().filter_map(|entry| {
                let name = shown::text(entry.name.as_deref()?);
                let rest = rest.strip_prefix(&name)?;
                (rest.is_empty() || rest.starts_with(['.', '['])).then_some((name.len(), entry, rest))
            });
            let longest = candidates.max_by_key(|(length, ..)| *length);
            longest.map_or(start, |(_, entry, rest)| start_of(&entry.value, rest, entry.key.bytes.start))
        }
        Content::List { items, .. } => {
            let index = rest.strip_prefix('[').and_then(|rest| rest.split_once(']'));
            let item = index.and_then(|(index, rest)| Some((items.get(index.parse::<usize>().ok()?)?, rest)));
            item.map_or(start, |(item, rest)| start_of(item, rest, item.bytes.start))
        }
        Content::Scalar { .. } | Content::Alias => start,
    }
}

/// Reads a settings file, which contains one mapping or nothing.
pub fn read(path: &Path) -> anyhow::Result<(Value, Source)> {
    let (file, text) = yaml::read_file(path)?;
    let documents = match yaml::load_str(&text, &file) {
        Ok(documents) => documents,
        Err(error) if text.contains("{{") => {
            return Err(Problems(vec![format!("{error} (a template? render it first)")]).into());
        }
        Err(error) => return Err(error.into()),
    };
    let source = Source::of_file(&file, &text);
    if let Some(policy) = documents.iter().find(|document| is_policy(&document.value)) {
        let kind = policy.value.get("kind").and_then(Value::as_str).unwrap_or_default();
        return Err(policy.error(format!("a {kind}, not settings; pass it with --policy-manifest")).into());
    }
    let mut documents = documents.into_iter();
    match (documents.next(), documents.next()) {
        (None, _) => Ok((json!({}), source)),
        (Some(_), Some(second)) => Err(second.error("unexpected second document; a settings file has only one").into()),
        (Some(Document { value: value @ Value::Object(_), .. }), None)
            if !(value.get("apiVersion").is_some() && value.get("kind").is_some()) =>
        {
            Ok((value, source))
        }
        (Some(document), None) => {
            let message = match document.value.get("kind").and_then(Value::as_str) {
                Some(kind) => format!("a {}, not settings", shown::text(kind)),
                None => "settings must be a mapping".to_owned(),
            };
            Err(document.error(message).into())
        }
    }
}

/// Fails with every mistake in settings for the built-in policy. Stricter than the policy itself: in a file, an unknown key
/// without a value is a mistake, while forms and Helm may leave such keys behind. Placeholders are also mistakes.
pub fn validate(settings: &Value, source: impl FnOnce() -> Option<Source>) -> Result<(), Problems> {
    let mut found = problems(settings);
    let unknown = problems(&with_values(settings)).into_iter().filter(|(_, text)| text.starts_with("unknown "));
    for problem in unknown {
        if !found.contains(&problem) {
            found.push(problem);
        }
    }
    let mut placeholders = Vec::new();
    add_placeholders(settings, "", &mut placeholders);
    for (path, text) in placeholders {
        found.retain(|(known, _)| *known != path);
        found.push((path, text));
    }
    if found.is_empty() {
        return Ok(());
    }
    let source = source();
    let located = found.into_iter().map(|(path, text)| {
        let location = source.as_ref().map_or_else(|| "settings".to_owned(), |source| source.location(&path));
        (location, format!("{path}: {text}"))
    });
    Err(Problems::sorted(located.collect()))
}

impl Problems {
    /// Locations (`file:line:column`) and texts, in the order of the lines.
    pub(super) fn sorted(mut problems: Vec<(String, String)>) -> Self {
        problems.sort_by_key(|(location, _)| {
            location.split(':').filter_map(|part| part.parse::<usize>().ok()).collect::<Vec<_>>()
        });
        Self(problems.into_iter().map(|(location, text)| format!("{location}: {text}")).collect())
    }
}

/// The path and text of each problem that the policy reports.
fn problems(settings: &Value) -> Vec<(String, String)> {
    let message = settings_problem(AllRules, settings.to_string().as_bytes()).unwrap_or_default();
    let lines = super::finding::entries(&message).into_iter().filter(|line| !line.is_empty());
    lines
        .map(|line| {
            line.split_once(": ")
                .map_or((String::new(), line.to_owned()), |(path, text)| (path.to_owned(), text.to_owned()))
        })
        .collect()
}

/// The settings with a value for each key that has none, so that the policy also reports unknown keys among them.
fn with_values(settings: &Value) -> Value {
    match settings {
        Value::Object(fields) => fields.iter().map(|(key, value)| (key.clone(), with_values(value))).collect(),
        Value::Array(items) if !items.is_empty() => items.iter().map(with_values).collect(),
        Value::Null | Value::Array(_) => json!({}),
        Value::String(text) if text.is_empty() => json!({}),
        other => other.clone(),
    }
}

fn add_placeholders(value: &Value, path: &str, found: &mut Vec<(String, String)>) {
    match value {
        Value::Object(fields) => {
            // These fields are texts for people.
            for (key, value) in fields.iter().filter(|(key, _)| !matches!(key.as_str(), "reason" | "description")) {
                let key = shown::text(key);
                let path = if path.is_empty() { key } else { format!("{path}.{key}") };
                add_placeholders(value, &path, found);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                add_placeholders(item, &format!("{path}[{index}]"), found);
            }
        }
        Value::String(text) => {
            if let Some(placeholder) = Placeholder::find(text) {
                found.push((path.to_owned(), placeholder.help(true)));
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(text: &str, fields: &[&str]) -> Vec<String> {
        let document = yaml::load_str(text, "s.yaml").unwrap().remove(0).value;
        let settings = fields.iter().fold(&document, |value, field| &value[field]);
        let source = Source::of_file("s.yaml", text).below(fields);
        validate(settings, || Some(source)).map_or_else(|problems| problems.0, |()| Vec::new())
    }

    #[test]
    fn mistakes_have_their_lines() {
        let text = "# note\nphase: validating\nrules:\n  pod-automont: warn\n  role-arn:\n    accounts: [\"1\"]\n    action: rejct\n";
        let found = problems(text, &[]);
        assert_eq!(
            found[0],
            "s.yaml:4:3: rules.pod-automont: unknown rule `pod-automont`; did you mean `pod-automount`?"
        );
        assert!(found[1].starts_with("s.yaml:6:16: rules.role-arn.accounts[0]: "), "{found:?}");
        assert_eq!(found[2], "s.yaml:7:5: rules.role-arn.action: unknown value `rejct`; did you mean `reject`?");
        assert_eq!(problems("a: 1\nsettings:\n  phase: x\n", &["settings"])[0].split(": ").next(), Some("s.yaml:3:3"));
        assert_eq!(
            problems("phase: validating\nrules: {role-arn: null}\nexemptions: []\ndescription: ''\n", &[]),
            [""; 0]
        );
    }

    #[test]
    fn unknown_keys_without_value() {
        let text = "exemption: []\nfoo: null\nrules:\n  pod-automont:\n  role-arn: {actoin: ''}\n";
        let found = problems(text, &[]);
        let expected = [
            "s.yaml:1:1: exemption: unknown setting `exemption`; did you mean `exemptions`?",
            "s.yaml:2:1: foo: unknown setting `foo`, must be one of",
            "s.yaml:4:3: rules.pod-automont: unknown rule `pod-automont`; did you mean `pod-automount`?",
            "s.yaml:5:14: rules.role-arn.actoin: unknown parameter `actoin`",
        ];
        assert_eq!(found.len(), expected.len(), "{found:?}");
        for (found, expected) in found.iter().zip(expected) {
            assert!(found.starts_with(expected), "{found}");
        }
    }

    #[test]
    fn placeholders_are_mistakes() {
        let text = "rules:\n  role-arn: {accounts: [\"${ACCOUNT}\", \"__ACCOUNT__\"]}\nexemptions:\n- {namespaces: [\"{{ ns }}\"], reason: \"${x}\"}\n";
        assert_eq!(
            problems(text, &[]),
            [
                "s.yaml:2:25: rules.role-arn.accounts[0]: `${ACCOUNT}` is a placeholder; substitute it first",
                "s.yaml:2:39: rules.role-arn.accounts[1]: `__ACCOUNT__` is a placeholder; substitute it first",
                "s.yaml:4:17: exemptions[0].namespaces[0]: `{{ ns }}` is a template; render it first, for example with `helm template`",
            ]
        );
    }
}
