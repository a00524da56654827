// SPDX-License-Identifier: Apache-2.0
//! The response as JSON. It is written by hand, because the fixed object is
//! text and stays text.

use crate::object::json::write_string as string;

use super::verdict::{Outcome, Verdict};

/// The name at the start of messages.
pub const POLICY: &str = "serviceaccount-hygiene";

/// The JSON of a verdict, in the format of the SDK's `ValidationResponse`.
#[must_use]
pub fn encode(verdict: &Verdict) -> Vec<u8> {
    let object = if let Outcome::Fixed(object) = &verdict.outcome { object.len() } else { 0 };
    let mut out = String::with_capacity(object + 512);
    match &verdict.outcome {
        Outcome::Accepted => out.push_str(r#"{"accepted":true"#),
        Outcome::Fixed(object) => {
            out.push_str(r#"{"accepted":true,"mutated_object":"#);
            out.push_str(object);
        }
        Outcome::Rejected(rejection) => {
            out.push_str(r#"{"accepted":false,"code":"#);
            out.push_str(&rejection.code.number().to_string());
            out.push_str(r#","message":"#);
            string(&rejection.message, &mut out);
        }
    }
    if !verdict.audit.is_empty() {
        out.push_str(r#","audit_annotations":{"#);
        for (index, (key, value)) in verdict.audit.iter().enumerate() {
            comma(index, &mut out);
            string(key, &mut out);
            out.push(':');
            string(value, &mut out);
        }
        out.push('}');
    }
    if !verdict.warnings.is_empty() {
        out.push_str(r#","warnings":["#);
        for (index, warning) in verdict.warnings.iter().enumerate() {
            comma(index, &mut out);
            string(warning, &mut out);
        }
        out.push(']');
    }
    out.push('}');
    out.into_bytes()
}

/// The JSON of a response to `validate_settings`, in the format of the SDK's
/// `SettingsValidationResponse`.
#[must_use]
pub fn encode_settings(problem: Option<&str>) -> Vec<u8> {
    let mut out = String::new();
    match problem {
        None => out.push_str(r#"{"valid":true}"#),
        Some(problem) => {
            out.push_str(r#"{"valid":false,"message":"#);
            string(problem, &mut out);
            out.push('}');
        }
    }
    out.into_bytes()
}

fn comma(index: usize, out: &mut String) {
    if index > 0 {
        out.push(',');
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admission::verdict::Code;
    use kubewarden_policy_sdk::response::ValidationResponse;
    use kubewarden_policy_sdk::settings::SettingsValidationResponse;

    fn decoded(verdict: &Verdict) -> ValidationResponse {
        serde_json::from_slice(&encode(verdict)).unwrap()
    }

    #[test]
    fn sdk_reads_rejection() {
        let mut verdict = Verdict::rejected(Code::Forbidden, "a \"b\" \\ \n\u{1}\u{7f}é".to_owned());
        verdict.warnings = vec!["one".to_owned(), "two".to_owned()];
        verdict.audit.push(("pod-automount", "rejected(1)".to_owned()));
        verdict.audit.push(("lookup", "not-granted".to_owned()));
        let response = decoded(&verdict);
        assert!(!response.accepted);
        assert_eq!((response.code, response.message.as_deref()), (Some(403), Some("a \"b\" \\ \n\u{1}\u{7f}é")));
        assert_eq!(response.warnings.unwrap(), ["one", "two"]);
        assert_eq!(response.audit_annotations.unwrap().len(), 2);
        assert!(response.mutated_object.is_none());
    }

    #[test]
    fn sdk_reads_acceptance_and_fix() {
        let response = decoded(&Verdict::default());
        assert!(response.accepted && response.mutated_object.is_none() && response.warnings.is_none());
        let fixed = Verdict { outcome: Outcome::Fixed(r#"{"a": 1}"#.to_owned()), ..Verdict::default() };
        assert_eq!(decoded(&fixed).mutated_object.unwrap(), serde_json::json!({"a": 1}));
    }

    #[test]
    fn sdk_reads_settings_response() {
        let answer = |problem| serde_json::from_slice::<SettingsValidationResponse>(&encode_settings(problem)).unwrap();
        assert!(answer(None).valid);
        assert_eq!((answer(Some("x")).valid, answer(Some("x")).message.as_deref()), (false, Some("x")));
    }
}
