// SPDX-License-Identifier: Apache-2.0
//! Secrets that hold the token of a ServiceAccount.

use super::data::Data;
use super::legacy_token::LegacyToken;
use super::meta::Meta;
use super::view::{self, Raw, ReadError, Text, view};

/// The type of the Secrets that the token controller writes tokens into.
pub const TOKEN_TYPE: &str = "kubernetes.io/service-account-token";

/// The annotation with the account of the token.
pub const ACCOUNT_ANNOTATION: &str = "kubernetes.io/service-account.name";

/// The label that makes the API server reject the token, unless it is empty.
pub const INVALID_LABEL: &str = "kubernetes.io/legacy-token-invalid-since";

view! {
    /// A Secret as a source of a projected volume, or of environment variables.
    pub struct SecretName<'a> {
        /// The Secret's name.
        pub name: Option<Text<'a>> = "name",
    }
}

view! {
    /// Any Secret. If it holds no token, nothing else of it is read.
    pub struct Secret<'a> {
        kind: Option<Text<'a>> = "type",
        metadata: Raw<'a> = "metadata",
        data: Raw<'a> = "data",
        string_data: Raw<'a> = "stringData",
    }
}

view! {
    /// The metadata that describes the token.
    pub struct TokenMeta<'a> {
        annotations: Option<TokenAnnotations<'a>> = "annotations",
        labels: Option<TokenLabels<'a>> = "labels",
    }
}

view! {
    /// The annotations that the token controller reads.
    pub struct TokenAnnotations<'a> {
        account: Option<Text<'a>> = "kubernetes.io/service-account.name",
    }
}

view! {
    /// The labels that the API server reads.
    pub struct TokenLabels<'a> {
        invalid_since: Option<Text<'a>> = "kubernetes.io/legacy-token-invalid-since",
    }
}

view! {
    /// The data that is read.
    pub struct TokenData<'a> {
        token: Option<Text<'a>> = "token",
    }
}

/// A Secret that holds the token of an account, or will.
#[derive(Debug)]
pub struct TokenSecret<'a> {
    annotation: Option<Text<'a>>,
    token: Option<Text<'a>>,
    /// Whether the token controller writes a token into it if there is none.
    pub is_token_type: bool,
    /// Whether the API server rejects the token.
    pub is_invalidated: bool,
    /// The claims of `data.token`, if it is a legacy token, be it of this
    /// Secret or of another.
    pub legacy: Option<LegacyToken>,
    /// All of its data.
    pub data: Data<'a>,
}

impl<'a> TokenSecret<'a> {
    /// Reads a Secret; `None` if it has another type and holds no legacy token.
    ///
    /// # Errors
    /// [`ReadError`] when a field that is read has the wrong shape.
    pub fn read(text: &'a str, base: &str) -> Result<Option<(Meta<'a>, Self)>, ReadError> {
        let secret: Secret<'a> = view::read(text, base)?;
        let is_token_type = secret.kind.as_deref() == Some(TOKEN_TYPE);
        if !is_token_type && !secret.data.may_hold("\"token\"") {
            return Ok(None);
        }
        let data: TokenData<'a> = secret.data.read(&format!("{base}.data"))?;
        let legacy = data.token.as_deref().and_then(LegacyToken::read);
        if !is_token_type && legacy.is_none() {
            return Ok(None);
        }
        let path = format!("{base}.metadata");
        let meta: Meta<'a> = secret.metadata.read(&path)?;
        let about: TokenMeta<'a> = secret.metadata.read(&path)?;
        let invalid_since = about.labels.and_then(|labels| labels.invalid_since);
        let token = Self {
            annotation: about.annotations.and_then(|annotations| annotations.account),
            token: data.token,
            is_token_type,
            is_invalidated: invalid_since.is_some_and(|since| !since.is_empty()),
            legacy,
            data: Data::of_secret(secret.data, secret.string_data),
        };
        Ok(Some((meta, token)))
    }

    /// Whether it has a token; if not, the token controller creates one.
    #[must_use]
    pub fn has_token(&self) -> bool {
        self.token.as_deref().is_some_and(|token| !token.is_empty())
    }

    /// Whether both hold exactly the same token.
    #[must_use]
    pub fn has_token_of(&self, other: &TokenSecret<'_>) -> bool {
        self.token.as_deref() == other.token.as_deref()
    }

    /// The account in the annotation, for which the token controller creates
    /// the token; empty if there is none.
    #[must_use]
    pub fn account(&self) -> &str {
        self.annotation.as_deref().unwrap_or_default()
    }

    /// The accounts whose tokens the Secret holds, or will: the one in the
    /// annotation, and the one in the token.
    pub fn accounts(&self) -> impl Iterator<Item = &str> {
        let annotation = self.is_token_type.then(|| self.account());
        annotation.into_iter().chain(self.legacy.iter().map(|token| token.account.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn token(data: &str) -> Result<bool, String> {
        let text = format!(r#"{{"type":"{TOKEN_TYPE}","data":{data}}}"#);
        let read = TokenSecret::read(&text, "object").map_err(|error| error.to_string())?;
        Ok(read.unwrap().1.has_token())
    }

    #[rstest]
    #[case("null", false)]
    #[case("{}", false)]
    #[case(r#"{"token":null}"#, false)]
    #[case(r#"{"token":""}"#, false)]
    #[case(r#"{"token": "c2VjcmV0"}"#, true)]
    #[case(r#"{"ca.crt":"eA==","token":"\u0041"}"#, true)]
    fn finds_tokens(#[case] data: &str, #[case] expected: bool) {
        assert_eq!(token(data), Ok(expected));
    }

    #[test]
    fn errors_never_show_data() {
        for data in [r#"{"token":["c2VjcmV0"]}"#, r#"{"token":7}"#, r#"["c2VjcmV0"]"#, r#""c2VjcmV0""#] {
            let error = token(data).unwrap_err();
            assert!(error.starts_with("object.data") && !error.contains("c2Vj"), "{error}");
        }
        assert_eq!(token(r#"{"token":7}"#).unwrap_err(), "object.data.token: must be a string, is a number");
    }

    #[test]
    fn never_reads_other_secrets() {
        for text in [
            r#"{"type":"Opaque","data":7,"metadata":"x"}"#,
            r#"{"data":{"token":"e30.e30.x"}}"#,
            r#"{"type":null,"data":[]}"#,
        ] {
            assert!(TokenSecret::read(text, "object").unwrap().is_none(), "{text}");
        }
    }

    #[test]
    fn keys_match_constants() {
        let text = format!(
            r#"{{"type":"{TOKEN_TYPE}","metadata":{{"annotations":{{"{ACCOUNT_ANNOTATION}":"app"}},"labels":{{"{INVALID_LABEL}":"2026-01-01"}}}}}}"#
        );
        let (_, secret) = TokenSecret::read(&text, "object").unwrap().unwrap();
        assert_eq!((secret.account(), secret.is_invalidated), ("app", true));
        let (_, secret) = TokenSecret::read(r#"{"type":"kubernetes.io/service-account-token","metadata":{"labels":{"kubernetes.io/legacy-token-invalid-since":""}}}"#, "object").unwrap().unwrap();
        assert_eq!((secret.account(), secret.is_invalidated), ("", false));
    }
}
