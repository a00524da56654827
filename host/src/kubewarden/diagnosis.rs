// SPDX-License-Identifier: Apache-2.0

//! The answer to the policy's own operation `diagnose`: the answer of `validate`, and every diagnostic as data. Policy servers
//! do not call it.

use json_patch::PatchOperation;
use serde::Deserialize;
use serde_json::Value;

use super::response::{AdmissionResponse, ValidationResponse};

/// The name of the operation.
pub(super) const DIAGNOSE: &str = "diagnose";

/// The answer.
#[derive(Debug, Deserialize)]
pub(super) struct Diagnosis {
    pub response: ValidationResponse,
    pub diagnostics: Vec<Diagnostic>,
}

/// The result of [`Policy::diagnose`](super::Policy::diagnose) for a request.
#[derive(Debug, Clone)]
pub struct Diagnosed {
    /// The response for the API server. A patch is written as one replacement of the whole object.
    pub response: AdmissionResponse,
    /// The policy's answer before `mode`, `mutating` and `message`, without its patch.
    pub unconstrained: AdmissionResponse,
    /// Every diagnostic.
    pub diagnostics: Vec<Diagnostic>,
}

impl Diagnosed {
    /// The object after the patch, if there is one.
    pub fn take_object(&mut self) -> Option<Value> {
        match self.response.patch.take()?.0.pop()? {
            PatchOperation::Replace(whole) => Some(whole.value),
            _ => None,
        }
    }
}

/// The finding of a rule about one field (`src/admission/diagnostics.rs` of the policy).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Diagnostic {
    /// The rule's id.
    pub rule: String,
    /// Its severity.
    pub severity: Severity,
    /// The id of the message within the rule.
    pub id: String,
    /// The field, as steps from the object.
    pub path: Vec<Segment>,
    /// The field as text.
    pub field: String,
    /// What is wrong, or what would be changed.
    pub message: String,
    /// What to do about it; empty if there is nothing to add.
    #[serde(default)]
    pub help: String,
    /// The value in question, as it is in the object; never the value of a variable, a key or a token.
    #[serde(default)]
    pub value: Option<String>,
}

/// The severity of a diagnostic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Severity {
    /// A reason to reject the object.
    Rejection,
    /// A warning.
    Warning,
    /// A change to the object.
    Change,
    /// A change to the Pods of a template, and not to the template.
    PodChange,
}

/// A step from a value to a value inside it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(untagged)]
pub enum Segment {
    /// A field.
    Field(String),
    /// A field whose key is data, such as an annotation.
    Key {
        /// The key.
        key: String,
    },
    /// An entry of a list, by its name, or by the name, path or Secret in its content.
    Name {
        /// The name.
        name: String,
    },
    /// An entry of a list that has no name.
    Index {
        /// Its position.
        index: usize,
    },
}

impl Segment {
    /// The segments of a path of plain names with dots between them and positions in brackets, as the API server
    /// writes it: `spec.containers[0].name`.
    pub fn read_path(path: &str) -> Vec<Self> {
        let segments = path.split(['.', '[']).filter(|segment| !segment.is_empty());
        segments
            .map(|segment| match segment.strip_suffix(']') {
                None => Self::Field(segment.to_owned()),
                Some(inner) => match inner.parse() {
                    Ok(index) => Self::Index { index },
                    Err(_) => Self::Key { key: inner.to_owned() },
                },
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn paths() {
        let field = |name: &str| Segment::Field(name.to_owned());
        assert_eq!(
            Segment::read_path("spec.containers[0].ports[name]"),
            [
                field("spec"),
                field("containers"),
                Segment::Index { index: 0 },
                field("ports"),
                Segment::Key { key: "name".to_owned() }
            ]
        );
        assert_eq!(Segment::read_path(""), []);
    }

    #[test]
    fn reads_diagnostics_of_policy() {
        let answer = json!({
            "response": {"accepted": true},
            "diagnostics": [{
                "rule": "a", "severity": "podChange", "id": "too-long", "field": "spec[x]", "message": "is 9",
                "path": ["spec", {"name": "x"}, {"index": 3}, {"key": "x/y"}],
            }],
        });
        let read: Diagnosis = serde_json::from_value(answer).unwrap();
        let [diagnostic] = read.diagnostics.as_slice() else { panic!("{read:?}") };
        assert_eq!((diagnostic.severity, diagnostic.help.as_str()), (Severity::PodChange, ""));
        assert_eq!(diagnostic.path.len(), 4);
        assert_eq!(diagnostic.path[1], Segment::Name { name: "x".to_owned() });
    }
}
