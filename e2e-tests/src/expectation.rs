// SPDX-License-Identifier: Apache-2.0

//! The exact response that is expected of the policy.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use policy_host::{diff, yaml};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::case::check_keys;

/// All fields, in the order in which they are written.
const FIELDS: &[&str] = &[
    "settings",
    "allowed",
    "code",
    "message",
    "warnings",
    "auditAnnotations",
    "lookups",
    "reviews",
    "object",
    "patched",
];

/// The keys of `settings`.
const SETTINGS: &[&str] = &["valid", "message"];

/// A response as it is written in a case file.
#[derive(Debug, Clone, PartialEq)]
pub struct Expected {
    answer: Expectation,
    /// The fixed object, as a merge patch on the object that webhooks receive.
    patched: Option<Value>,
}

/// A response: to the settings, or to a request with valid settings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Expectation {
    /// The response to the settings; for cases that only test settings, and for settings that are rejected.
    Settings(SettingsAnswer),
    /// A request was evaluated.
    Verdict(Verdict),
}

/// The response to the settings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SettingsAnswer {
    /// The policy's verdict on the settings.
    pub settings: SettingsVerdict,
}

/// The policy's verdict on its settings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SettingsVerdict {
    /// Whether the settings are valid.
    pub valid: bool,
    /// All problems of the settings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// All fields of a response, and the number of look-ups and reviews. An absent field must be absent in the response.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Verdict {
    /// Whether the request is accepted.
    pub allowed: bool,
    /// The HTTP status of a rejection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<u16>,
    /// The message of a rejection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The warnings, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// The annotations for the audit log.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub audit_annotations: BTreeMap<String, String>,
    /// The number of look-ups of accounts.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub lookups: usize,
    /// The number of access reviews.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub reviews: usize,
    /// The whole fixed object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<Value>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature is serde's")]
fn is_zero(number: &usize) -> bool {
    *number == 0
}

impl Verdict {
    /// The findings and fixes that users see, one per line, without list marks.
    pub fn lines(&self) -> impl Iterator<Item = &str> {
        let message = self.message.iter().flat_map(|message| message.lines());
        let message = message.map(|line| line.strip_prefix("- ").unwrap_or(line));
        message.chain(self.warnings.iter().map(String::as_str))
    }

    /// The lines that name a rule.
    pub fn lines_of<'a>(&'a self, rule: &'a str) -> impl Iterator<Item = &'a str> {
        self.lines().filter_map(move |line| line.strip_prefix(rule)?.strip_prefix(": "))
    }
}

impl Expectation {
    /// The verdict, if a request was evaluated.
    #[must_use]
    pub fn verdict(&self) -> Option<&Verdict> {
        match self {
            Self::Verdict(verdict) => Some(verdict),
            Self::Settings(_) => None,
        }
    }

    /// The text of an `expect` block. If possible, it contains the fixed object as a merge patch on `base`, the object that
    /// webhooks receive.
    ///
    /// # Errors
    /// If the serializer fails.
    pub fn to_yaml(&self, base: Option<&Value>) -> Result<String> {
        let mut fields = serde_json::to_value(self)?;
        if let (Some(base), Some(fields)) = (base, fields.as_object_mut())
            && let Some(patch) = fields.get("object").and_then(|object| merge_patch(base, object))
        {
            fields.remove("object");
            fields.insert("patched".to_owned(), patch);
        }
        let mut text = String::new();
        for field in FIELDS {
            if let Some(value) = fields.get(field) {
                text.push_str(yaml::to_string(&json!({*field: value}))?.trim_end());
                text.push('\n');
            }
        }
        Ok(text)
    }

    /// Compares two responses exactly.
    ///
    /// # Errors
    /// A readable difference.
    pub fn compare(&self, actual: &Self) -> Result<(), String> {
        if self == actual {
            return Ok(());
        }
        let text = |expectation: &Self| expectation.to_yaml(None).unwrap_or_else(|error| error.to_string());
        Err(difference(&text(self), &text(actual)))
    }
}

impl Expected {
    /// The complete response. `object` returns the object that webhooks receive.
    ///
    /// # Errors
    /// If the fixed object is a patch, and there is no object to apply it to.
    pub fn resolve(&self, object: impl FnOnce() -> Result<Option<Value>>) -> Result<Expectation> {
        let mut answer = self.answer.clone();
        if let (Some(patch), Expectation::Verdict(verdict)) = (&self.patched, &mut answer) {
            let mut object = object()?.context("`patched` in a case without an object")?;
            json_patch::merge(&mut object, patch);
            verdict.object = Some(object);
        }
        Ok(answer)
    }
}

/// Reads an `expect` block.
///
/// # Errors
/// If a key is unknown, or a value has the wrong type.
pub fn read(mut value: Value) -> Result<Expected, String> {
    check_keys(&value, "", FIELDS)?;
    let fields = value.as_object_mut().ok_or("`expect` must be a mapping")?;
    let patched = fields.remove("patched");
    if patched.is_some() && fields.contains_key("object") {
        return Err("`object` and `patched` exclude each other".to_owned());
    }
    // The untagged enum is not used here because its error messages are not helpful.
    let answer = if let Some(settings) = fields.get("settings") {
        check_keys(settings, "settings.", SETTINGS)?;
        serde_json::from_value(value).map(Expectation::Settings)
    } else {
        serde_json::from_value(value).map(Expectation::Verdict)
    };
    Ok(Expected { answer: answer.map_err(|error| error.to_string())?, patched })
}

/// The merge patch (RFC 7386) from one value to another; none if it would have to set a null.
fn merge_patch(from: &Value, to: &Value) -> Option<Value> {
    fn changes(from: &Map<String, Value>, to: &Map<String, Value>) -> Map<String, Value> {
        let mut patch = Map::new();
        for (key, value) in to {
            match (from.get(key), value) {
                (Some(old), new) if old == new => {}
                (Some(Value::Object(old)), Value::Object(new)) => {
                    patch.insert(key.clone(), changes(old, new).into());
                }
                (_, new) => {
                    patch.insert(key.clone(), new.clone());
                }
            }
        }
        patch.extend(from.keys().filter(|key| !to.contains_key(*key)).map(|key| (key.clone(), Value::Null)));
        patch
    }
    let patch = Value::Object(changes(from.as_object()?, to.as_object()?));
    let mut made = from.clone();
    json_patch::merge(&mut made, &patch);
    (made == *to).then_some(patch)
}

fn difference(old: &str, new: &str) -> String {
    diff::unified(("expected", "actual"), old, new)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rejection() -> Expectation {
        Expectation::Verdict(Verdict {
            code: Some(403),
            message: Some("serviceaccount-hygiene: 1 problem\n- pod-automount: spec: text".to_owned()),
            warnings: vec!["one-year-token: spec: text".to_owned()],
            lookups: 1,
            ..Verdict::default()
        })
    }

    #[test]
    fn writes_block_scalars() {
        assert_eq!(
            rejection().to_yaml(None).unwrap(),
            "allowed: false\ncode: 403\nmessage: |-\n  serviceaccount-hygiene: 1 problem\n  - pod-automount: spec: text\n\
             warnings:\n- \"one-year-token: spec: text\"\nlookups: 1\n"
        );
    }

    #[test]
    fn writes_fixed_object_as_patch() {
        let base = json!({"kind": "Pod", "spec": {"a": 1, "b": {"c": 1, "d": [1]}}});
        for (object, expected) in [
            (
                json!({"kind": "Pod", "spec": {"a": 1, "b": {"d": [1, 2]}}}),
                "patched:\n  spec:\n    b:\n      c: null\n      d:\n      - 1\n      - 2\n",
            ),
            (json!({"kind": "Pod", "spec": {"a": 1}}), "patched:\n  spec:\n    b: null\n"),
            // A merge patch cannot set a null.
            (json!({"kind": "Pod", "spec": null}), "object:\n  kind: Pod\n  spec: null\n"),
        ] {
            let verdict = Verdict { allowed: true, object: Some(object.clone()), ..Verdict::default() };
            let text = Expectation::Verdict(verdict.clone()).to_yaml(Some(&base)).unwrap();
            assert_eq!(text, format!("allowed: true\n{expected}"));
            let read = read(yaml::load_str(&text, "test").unwrap().remove(0).value).unwrap();
            assert_eq!(read.resolve(|| Ok(Some(base.clone()))).unwrap(), Expectation::Verdict(verdict));
        }
    }

    #[test]
    fn read_rejects_unknown_keys() {
        for (value, message) in [
            (json!({"alowed": true}), "unknown key `alowed`; did you mean `allowed`?"),
            (json!({"settings": {"vald": true}}), "unknown key `settings.vald`; did you mean `valid`?"),
            (json!({"allowed": true, "object": {}, "patched": {}}), "`object` and `patched` exclude each other"),
            (json!([]), "`expect` must be a mapping"),
            (json!({"allowed": 1}), "invalid type: integer `1`, expected a boolean"),
        ] {
            assert_eq!(read(value).unwrap_err(), message);
        }
    }

    #[test]
    fn lines_of_a_rule() {
        let expectation = rejection();
        let verdict = expectation.verdict().unwrap();
        assert_eq!(verdict.lines_of("pod-automount").collect::<Vec<_>>(), ["spec: text"]);
        assert_eq!(verdict.lines_of("one-year-token").collect::<Vec<_>>(), ["spec: text"]);
        assert_eq!(verdict.lines_of("pod").count(), 0);
    }

    #[test]
    fn compare_shows_a_difference_by_line() {
        let mut other = rejection();
        let Expectation::Verdict(verdict) = &mut other else { panic!("a verdict") };
        verdict.lookups = 0;
        assert!(rejection().compare(&other).unwrap_err().contains("-lookups: 1"));
    }
}
