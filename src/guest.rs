// SPDX-License-Identifier: Apache-2.0
//! The calls that a Kubewarden host makes: bytes in, bytes out, never an error.
//! The host would answer an error with code 500 and copy its text, which may
//! quote the payload, into the response.

use crate::admission::{diagnostics, response};
use crate::cluster::Cluster;
use crate::engine;
use crate::rules::AllRules;

/// Reviews a request: `{"request": …, "settings": …}` in, the SDK's
/// `ValidationResponse` out.
#[must_use]
pub fn validate(payload: &[u8], cluster: &dyn Cluster) -> Vec<u8> {
    response::encode(&engine::review(AllRules, payload, cluster, &mut |_, _| {}))
}

/// Like [`validate`], but also returns every diagnostic as data: the same
/// input, `{"response": …, "diagnostics": […]}` out ([`diagnostics::Encoder`]).
/// Only `sa-hygiene` calls it; a policy server never does.
#[must_use]
pub fn diagnose(payload: &[u8], cluster: &dyn Cluster) -> Vec<u8> {
    let mut encoder = diagnostics::Encoder::default();
    let verdict =
        engine::review(AllRules, payload, cluster, &mut |severity, diagnostic| encoder.add(severity, diagnostic));
    encoder.finish(&response::encode(&verdict))
}

/// Validates settings: the settings in, the SDK's `SettingsValidationResponse`
/// with every problem out.
#[must_use]
pub fn validate_settings(payload: &[u8]) -> Vec<u8> {
    response::encode_settings(engine::settings_problem(AllRules, payload).as_deref())
}

/// The version of the protocol between a Kubewarden host and this policy, as
/// JSON. A test compares it with the SDK's function, which would be the only
/// use of the SDK in the module (docs/architecture.md).
/// <https://docs.kubewarden.io/reference/spec/intro-spec>
#[must_use]
pub fn protocol_version() -> Vec<u8> {
    br#""v1""#.to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn protocol_version_is_the_sdks() {
        assert_eq!(protocol_version(), kubewarden_policy_sdk::protocol_version_guest(&[]).unwrap());
    }
}
