// SPDX-License-Identifier: Apache-2.0
//! Legacy tokens: JSON Web Tokens without expiration that the token controller
//! writes into Secrets. Only the claims are read; signatures are not verified.
//! <https://github.com/kubernetes/kubernetes/blob/master/pkg/serviceaccount/legacy.go>

use super::view::{self, Text, view};
use crate::fast::cut;

/// The issuer of every legacy token, whatever the cluster's own issuer is.
const ISSUER: &str = "kubernetes/serviceaccount";

view! {
    /// The claims that show whether a token is a legacy token.
    pub struct Claims<'a> {
        issuer: Option<Text<'a>> = "iss",
        namespace: Option<Text<'a>> = "kubernetes.io/serviceaccount/namespace",
        secret: Option<Text<'a>> = "kubernetes.io/serviceaccount/secret.name",
        account: Option<Text<'a>> = "kubernetes.io/serviceaccount/service-account.name",
    }
}

/// The claims of a legacy token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LegacyToken {
    /// The namespace of the Secret and of the account.
    pub namespace: String,
    /// The Secret that the API server looks up to validate the token. It compares
    /// `data.token` and the account's UID, but not the Secret's type.
    pub secret: String,
    /// The account that the token authenticates as.
    pub account: String,
}

impl LegacyToken {
    /// Reads the value of a Secret's key; `None` if it is not a legacy token.
    /// `data` is base64, as the API server encodes it.
    #[must_use]
    pub fn read(data: &str) -> Option<Self> {
        let token = String::from_utf8(decode(data.as_bytes())?).ok()?;
        let mut segments = cut::all(&token, b'.');
        let (Some(_), Some(payload), Some(_), None) =
            (segments.next(), segments.next(), segments.next(), segments.next())
        else {
            return None;
        };
        let payload = String::from_utf8(decode(payload.as_bytes())?).ok()?;
        let claims: Claims<'_> = view::read(&payload, "").ok()?;
        if claims.issuer.as_deref() != Some(ISSUER) {
            return None;
        }
        let text = |claim: Option<Text<'_>>| claim.map(|text| text.to_string()).filter(|text| is_subdomain(text));
        Some(Self { namespace: text(claims.namespace)?, secret: text(claims.secret)?, account: text(claims.account)? })
    }
}

/// Decodes base64 in both alphabets, with or without padding. White space is
/// ignored: Go's decoder ignores line breaks, and the API server strips all of
/// it from a token before it reads the header and the signature.
/// <https://pkg.go.dev/encoding/base64#Encoding.Decode>
#[must_use]
pub fn decode(text: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3 + 3);
    let (mut bits, mut count) = (0_u32, 0_u32);
    for byte in text {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            b'=' | b' ' | b'\t' | b'\r' | b'\n' => continue,
            _ => return None,
        };
        bits = bits << 6 | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push(u8::try_from(bits >> count & 0xff).unwrap_or_default());
        }
    }
    Some(bytes)
}

/// Whether this is a DNS subdomain, like the names of Secrets and accounts. A
/// token with any other name never authenticates, and such a text is never
/// shown.
fn is_subdomain(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 253
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'.'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine;
    use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
    use proptest::prelude::*;
    use rstest::rstest;
    use serde_json::{Value, json};

    fn claims() -> Value {
        json!({
            "iss": "kubernetes/serviceaccount",
            "kubernetes.io/serviceaccount/namespace": "shop",
            "kubernetes.io/serviceaccount/secret.name": "app-token",
            "kubernetes.io/serviceaccount/service-account.name": "app",
            "kubernetes.io/serviceaccount/service-account.uid": "0b1f2c1e",
            "sub": "system:serviceaccount:shop:app",
        })
    }

    fn signed(claims: &Value) -> String {
        format!("{}.{}.c2ln", URL_SAFE_NO_PAD.encode("{}"), URL_SAFE_NO_PAD.encode(claims.to_string()))
    }

    fn with(key: &str, value: Value) -> String {
        let mut claims = claims();
        claims[key] = value;
        signed(&claims)
    }

    fn read(token: &str) -> Option<LegacyToken> {
        LegacyToken::read(&STANDARD.encode(token))
    }

    fn app() -> LegacyToken {
        LegacyToken { namespace: "shop".to_owned(), secret: "app-token".to_owned(), account: "app".to_owned() }
    }

    #[test]
    fn read_claims() {
        assert_eq!(read(&signed(&claims())), Some(app()));
    }

    /// Tokens that the API server still authenticates.
    #[rstest]
    #[case::outer_white_space(format!(" \t\r\n{}\n", signed(&claims())))]
    #[case::line_break_in_the_payload(signed(&claims()).replacen(".ey", ".e\r\ny", 1))]
    #[case::unicode_space_in_the_header(format!("\u{85}{}", signed(&claims())))]
    fn read_white_space(#[case] token: String) {
        assert_eq!(read(&token), Some(app()));
    }

    #[test]
    fn read_broken_lines() {
        let data = STANDARD.encode(signed(&claims()));
        let (before, behind) = data.split_at(7);
        assert_eq!(LegacyToken::read(&format!("{before}\r\n{behind}\n")), Some(app()));
    }

    #[rstest]
    #[case::other_issuer(with("iss", json!("https://kubernetes.default.svc")))]
    #[case::no_issuer(with("iss", Value::Null))]
    #[case::issuer_of_another_kind(with("iss", json!(["kubernetes/serviceaccount"])))]
    #[case::no_secret(with("kubernetes.io/serviceaccount/secret.name", Value::Null))]
    #[case::no_account(with("kubernetes.io/serviceaccount/service-account.name", json!("")))]
    #[case::account_that_no_account_is_called(with("kubernetes.io/serviceaccount/service-account.name", json!("a b")))]
    #[case::four_parts(signed(&claims()) + ".x")]
    #[case::two_parts(signed(&claims()).replace(".c2ln", ""))]
    #[case::not_base64("e30.{}.x".to_owned())]
    #[case::not_json("e30.e30x.x".to_owned())]
    #[case::password("hunter2".to_owned())]
    #[case::empty(String::new())]
    fn rejects(#[case] token: String) {
        assert_eq!(read(&token), None);
    }

    #[test]
    fn rejects_invalid_base64() {
        for data in ["", "*", "\u{e9}", "/////w=="] {
            assert_eq!(LegacyToken::read(data), None, "{data}");
        }
    }

    proptest! {
        #[test]
        fn decodes_as_base64_does(bytes: Vec<u8>) {
            prop_assert_eq!(decode(STANDARD.encode(&bytes).as_bytes()), Some(bytes.clone()));
            prop_assert_eq!(decode(URL_SAFE_NO_PAD.encode(&bytes).as_bytes()), Some(bytes));
        }

        #[test]
        fn never_panics(data: String) {
            let _ = LegacyToken::read(&data);
        }
    }
}
