// SPDX-License-Identifier: Apache-2.0

//! Applies the policy's manifest to the policy's answer: `mode`, `mutating`, `message`.

use super::policy::{Mode, PolicyConfig};
use super::response::{AdmissionResponse, Status};

/// Applies the constraints in the policy server's order: monitor mode, then `mutating: false`, then the custom message.
pub(super) fn apply(config: &PolicyConfig, answer: AdmissionResponse) -> AdmissionResponse {
    let answer = match config.mode {
        // Accepted, unchanged. Warnings and audit annotations stay.
        Mode::Monitor => AdmissionResponse { allowed: true, patch: None, status: None, ..answer },
        Mode::Protect if !config.allowed_to_mutate && answer.patch.is_some() => {
            let message = format!(
                "Request rejected by policy {}. The policy attempted to mutate the request, but it is currently \
                 configured to not allow mutations.",
                config.id
            );
            let status = Status { message: Some(message), ..Status::default() };
            AdmissionResponse { allowed: false, patch: None, status: Some(status), ..answer }
        }
        Mode::Protect => answer,
    };
    match &config.message {
        Some(message) if !answer.allowed => {
            let status = answer.status.unwrap_or_default();
            let cause = status.message.unwrap_or_default();
            let status = Status { message: Some(message.clone()), causes: vec![cause], ..status };
            AdmissionResponse { status: Some(status), ..answer }
        }
        _ => answer,
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    const NOT_ALLOWED: &str = "Request rejected by policy p. The policy attempted to mutate the request, but it is \
                               currently configured to not allow mutations.";

    fn answer(allowed: bool, mutated: bool) -> AdmissionResponse {
        let patch = json!([{"op": "remove", "path": "/a"}]);
        AdmissionResponse {
            uid: "1".to_owned(),
            allowed,
            status: (!allowed).then(|| Status { message: Some("no".to_owned()), code: Some(403), causes: vec![] }),
            warnings: vec!["w".to_owned()],
            audit_annotations: [("k".to_owned(), "v".to_owned())].into(),
            patch: mutated.then(|| serde_json::from_value(patch).unwrap()),
        }
    }

    // mode, allowed_to_mutate, the policy's answer (allowed, mutated) -> allowed, mutated, message, code
    #[rstest]
    #[case(Mode::Protect, true, (true, false), (true, false, None, None))]
    #[case(Mode::Protect, true, (true, true), (true, true, None, None))]
    #[case(Mode::Protect, true, (false, false), (false, false, Some("no"), Some(403)))]
    #[case(Mode::Protect, true, (false, true), (false, true, Some("no"), Some(403)))]
    #[case(Mode::Protect, false, (true, false), (true, false, None, None))]
    #[case(Mode::Protect, false, (true, true), (false, false, Some(NOT_ALLOWED), None))]
    #[case(Mode::Protect, false, (false, false), (false, false, Some("no"), Some(403)))]
    #[case(Mode::Protect, false, (false, true), (false, false, Some(NOT_ALLOWED), None))]
    #[case(Mode::Monitor, true, (true, false), (true, false, None, None))]
    #[case(Mode::Monitor, true, (true, true), (true, false, None, None))]
    #[case(Mode::Monitor, true, (false, false), (true, false, None, None))]
    #[case(Mode::Monitor, false, (true, true), (true, false, None, None))]
    #[case(Mode::Monitor, false, (false, true), (true, false, None, None))]
    fn manifest_modes(
        #[case] mode: Mode,
        #[case] allowed_to_mutate: bool,
        #[case] (allowed, mutated): (bool, bool),
        #[case] expected: (bool, bool, Option<&str>, Option<u16>),
    ) {
        let config = PolicyConfig { id: "p".to_owned(), mode, allowed_to_mutate, ..PolicyConfig::default() };
        let response = apply(&config, answer(allowed, mutated));
        let found = (response.allowed, response.patch.is_some(), response.message(), response.code());
        assert_eq!(found, expected);
        assert_eq!(response.warnings, ["w"], "warnings survive everything");
        assert_eq!(response.audit_annotations.len(), 1, "audit annotations survive everything");
    }

    #[test]
    fn custom_message() {
        let config = PolicyConfig { message: Some("ask us".to_owned()), ..PolicyConfig::default() };
        let refused = apply(&config, answer(false, false));
        let status = Status { message: Some("ask us".to_owned()), code: Some(403), causes: vec!["no".to_owned()] };
        assert_eq!(refused.status, Some(status));
        assert_eq!(apply(&config, answer(true, false)).status, None);
    }
}
