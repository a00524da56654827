// SPDX-License-Identifier: Apache-2.0
//! Diagnostics as JSON, for programs: the response to the call `diagnose`.

use crate::diagnostic::Diagnostic;
use crate::diagnostic::field_path::Segment;
use crate::diagnostic::severity::Severity;
use crate::object::json::write_string as string;

/// Builds the JSON of diagnostics.
#[derive(Debug, Default)]
pub struct Encoder {
    list: String,
}

impl Encoder {
    /// Adds a diagnostic: `rule`, `severity` ([`Severity::word`]), `id` of the message, `path` (a list of
    /// `"field"`, `{"key": …}`, `{"name": …}` and `{"index": …}`), `field` (the path as text), `message`,
    /// and, if there are any, `help` and `value`.
    pub fn add(&mut self, severity: Severity, diagnostic: &Diagnostic) {
        let Diagnostic { rule, path, message } = diagnostic;
        let out = &mut self.list;
        out.push(if out.is_empty() { '[' } else { ',' });
        out.push_str(r#"{"path":["#);
        path.each_segment(&mut |segment| push_segment(segment, out));
        if out.ends_with(',') {
            out.pop();
        }
        out.push(']');
        let mut field = String::new();
        path.push_to(&mut field);
        let members = [
            ("rule", (*rule).to_owned()),
            ("severity", severity.word().to_owned()),
            ("id", message.template().id()),
            ("field", field),
            ("message", message.message()),
            ("help", message.help()),
            ("value", message.value().unwrap_or_default().to_owned()),
        ];
        for (name, text) in members {
            let is_optional = matches!(name, "help" | "value");
            if !is_optional || !text.is_empty() {
                out.push(',');
                member(name, &text, out);
            }
        }
        out.push('}');
    }

    /// The whole response: `{"response": …, "diagnostics": […]}`, where `response` is the response of `validate`.
    #[must_use]
    pub fn finish(self, response: &[u8]) -> Vec<u8> {
        let list = if self.list.is_empty() { "[" } else { &self.list };
        [br#"{"response":"#, response, br#","diagnostics":"#, list.as_bytes(), b"]}"].concat()
    }
}

fn push_segment(segment: &Segment, out: &mut String) {
    match segment {
        Segment::Field(names) => {
            for name in names.split('.') {
                string(name, out);
                out.push(',');
            }
            return;
        }
        Segment::Key(key) => {
            out.push('{');
            member("key", key, out);
        }
        Segment::Name(name) => {
            out.push('{');
            member("name", name, out);
        }
        Segment::Index(index) => {
            out.push_str(r#"{"index":"#);
            out.push_str(&index.to_string());
        }
    }
    out.push_str("},");
}

fn member(name: &str, text: &str, out: &mut String) {
    string(name, out);
    out.push(':');
    string(text, out);
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::diagnostic::field_path::FieldPath;
    use crate::diagnostic::message::{Message, MessageTemplate};

    static TOO_LONG: MessageTemplate = MessageTemplate { name: "TOO_LONG", message: "is {}", help: "use {}" };
    static LOWERED: MessageTemplate = MessageTemplate { name: "LOWERED", message: "lowered", help: "" };

    fn encoded(diagnostics: &[(Severity, Diagnostic)]) -> Value {
        let mut encoder = Encoder::default();
        for (severity, diagnostic) in diagnostics {
            encoder.add(*severity, diagnostic);
        }
        serde_json::from_slice(&encoder.finish(br#"{"accepted":true}"#)).unwrap()
    }

    #[test]
    fn encodes_no_diagnostics() {
        assert_eq!(encoded(&[]), json!({"response": {"accepted": true}, "diagnostics": []}));
    }

    #[test]
    fn encodes_every_member() {
        let path = FieldPath::at("spec.template").field("list").entry(Some("a\nb"), 0).entry(None, 3).key("x/y");
        let long = Message::new(&TOO_LONG, &["9", "1", "hidden"]).about("x\ny");
        let lowered = Message::new(&LOWERED, &[]);
        let reported = [
            (Severity::Rejection, Diagnostic { rule: "a", path, message: long }),
            (Severity::PodChange, Diagnostic { rule: "b", path: FieldPath::root(), message: lowered }),
        ];
        assert_eq!(
            encoded(&reported)["diagnostics"],
            json!([
                {
                    "rule": "a", "severity": "rejection", "id": "too-long",
                    "path": ["spec", "template", "list", {"name": "a\nb"}, {"index": 3}, {"key": "x/y"}],
                    "field": "spec.template.list[a\\u{a}b][3][\"x/y\"]",
                    "message": "is 9", "help": "use 1", "value": "x\ny",
                },
                {"rule": "b", "severity": "podChange", "id": "lowered", "path": [], "field": "", "message": "lowered"},
            ])
        );
    }
}
