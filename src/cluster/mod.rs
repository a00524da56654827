// SPDX-License-Identifier: Apache-2.0
//! The two queries that rules send to the cluster, and the only code that calls
//! the host. Nothing is ever listed: a list call for which the policy server has
//! no permission never returns, and blocks every other policy there.

pub mod access_review;
mod error;

use crate::admission::response::POLICY;
use crate::object::json::write_string;
use crate::object::kinds::{CORE_VERSION, SERVICE_ACCOUNT};
use crate::object::view::{self, Strings, view};
pub use error::LookupError;
use error::refused;

view! {
    /// A ServiceAccount as the host returns it, reduced by a field mask.
    pub struct MaskedAccount<'a> {
        metadata: Option<MaskedMeta<'a>> = "metadata",
        automount: Option<bool> = "automountServiceAccountToken",
    }
}

view! {
    /// Its metadata.
    pub struct MaskedMeta<'a> {
        annotations: Strings<'a> = "annotations",
    }
}

/// What rules read of a ServiceAccount.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AccountRecord {
    automount: Option<bool>,
    annotations: Vec<(String, String)>,
}

impl AccountRecord {
    /// A record without annotations.
    #[must_use]
    pub const fn new(automount: Option<bool>) -> Self {
        Self { automount, annotations: Vec::new() }
    }

    /// The record with these annotations.
    #[must_use]
    pub fn with_annotations(mut self, annotations: &[(&str, &str)]) -> Self {
        self.annotations = annotations.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        self
    }

    fn read(text: &str) -> Option<Self> {
        let account: MaskedAccount<'_> = view::read(text, "").ok()?;
        let annotations = account.metadata.map(|meta| meta.annotations).unwrap_or_default();
        Some(Self {
            automount: account.automount,
            annotations: annotations
                .iter()
                .filter_map(|(key, value)| Some((key.to_owned(), value.as_ref()?.to_string())))
                .collect(),
        })
    }

    /// Whether the account's Pods get its token; unset means yes.
    #[must_use]
    pub const fn automount(&self) -> Option<bool> {
        self.automount
    }

    /// An annotation.
    #[must_use]
    pub fn annotation(&self, key: &str) -> Option<&str> {
        self.annotations.iter().find_map(|(name, value)| (name == key).then_some(value.as_str()))
    }
}

/// How old a record may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Age {
    /// At most the 5 seconds for which the host caches a response. It caches
    /// only successes: that an account is missing, or a failure, is never
    /// cached.
    /// <https://github.com/kubewarden/kubewarden-controller/tree/main/crates/policy-evaluator/src/callback_handler/kubernetes>
    Recent,
    /// As it is now.
    Fresh,
}

/// Access that a policy server may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Get ServiceAccounts.
    Accounts,
    /// Create `SubjectAccessReview`s.
    Reviews,
}

/// The cluster as rules see it.
pub trait Cluster {
    /// Looks up one ServiceAccount.
    ///
    /// # Errors
    /// [`LookupError`] when there is no record.
    fn service_account(&self, namespace: &str, name: &str, age: Age) -> Result<AccountRecord, LookupError>;

    /// Whether an account has a permission; `request` is an [`access_review::request`].
    ///
    /// # Errors
    /// [`LookupError`] when the answer is unknown.
    fn can_i(&self, request: &str) -> Result<bool, LookupError>;

    /// Tells the operator of the policy server that access is missing. Of the
    /// request, only the namespace is logged.
    fn log_not_granted(&self, access: Access, namespace: &str);
}

/// The cluster behind a Kubewarden host.
#[derive(Debug, Clone, Copy)]
pub struct KubewardenHost;

impl Cluster for KubewardenHost {
    fn service_account(&self, namespace: &str, name: &str, age: Age) -> Result<AccountRecord, LookupError> {
        // The call that the SDK's `get_resource` makes, written and read without
        // a second JSON model, which would be a fifth of the module.
        let request = get_request(namespace, name, age);
        let answer = wapc_guest::host_call("kubewarden", "kubernetes", "get_resource", request.as_bytes())
            .map_err(|error| classify(&error.to_string(), name))?;
        std::str::from_utf8(&answer).ok().and_then(AccountRecord::read).ok_or(LookupError::Failed)
    }

    fn can_i(&self, request: &str) -> Result<bool, LookupError> {
        let answer = wapc_guest::host_call("kubewarden", "kubernetes", "can_i", request.as_bytes())
            .map_err(|error| access_review::classify(&error.to_string()))?;
        access_review::answer(&answer)
    }

    fn log_not_granted(&self, access: Access, namespace: &str) {
        // A log that fails must not fail the request.
        drop(wapc_guest::host_call("kubewarden", "tracing", "log", log_event(access, namespace).as_bytes()));
    }
}

/// The SDK's `GetResourceRequest` for an account. A field mask is split at its
/// dots, so it cannot name a single annotation.
/// <https://docs.rs/kubewarden-policy-sdk/latest/kubewarden_policy_sdk/host_capabilities/kubernetes/struct.GetResourceRequest.html>
fn get_request(namespace: &str, name: &str, age: Age) -> String {
    let mut request = String::new();
    let (_, kind) = SERVICE_ACCOUNT;
    for (key, value) in [
        ("{\"api_version\":", CORE_VERSION),
        (",\"kind\":", kind),
        (",\"name\":", name),
        (",\"namespace\":", namespace),
    ] {
        request.push_str(key);
        write_string(value, &mut request);
    }
    request.push_str(r#","disable_cache":"#);
    request.push_str(if age == Age::Fresh { "true" } else { "false" });
    request.push_str(r#","field_masks":["automountServiceAccountToken","metadata.annotations"]}"#);
    request
}

/// The event that the SDK's `KubewardenDrain` would send. The drain itself
/// would link slog and a second JSON model: 60 KB for one line.
/// <https://docs.rs/kubewarden-policy-sdk/latest/kubewarden_policy_sdk/logging/>
fn log_event(access: Access, namespace: &str) -> String {
    let what = match access {
        Access::Accounts => "looking up ServiceAccounts",
        Access::Reviews => "creating SubjectAccessReviews",
    };
    let mut event = [r#"{"level":"warning","message":""#, what, r#" is not granted","namespace":"#].concat();
    write_string(namespace, &mut event);
    event.push_str(r#","policy":"#);
    write_string(POLICY, &mut event);
    event.push('}');
    event
}

/// Classifies the errors of a host, which are plain text.
/// <https://github.com/kubewarden/kubewarden-controller/tree/main/crates/policy-evaluator/src/callback_handler/kubernetes>
fn classify(error: &str, name: &str) -> LookupError {
    if error.contains(&format!("Cannot find v1/ServiceAccount named '{name}'")) {
        LookupError::Absent
    } else if refused(error) {
        LookupError::NotGranted
    } else {
        LookupError::Failed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("Cannot find v1/ServiceAccount named 'app' inside of namespace 'shop'", LookupError::Absent)]
    #[case("Cannot find v1/ServiceAccount named 'other' inside of namespace 'shop'", LookupError::Failed)]
    #[case(
        "Policy has not been granted access to Kubernetes v1/ServiceAccount resources. The violation has been reported.",
        LookupError::NotGranted
    )]
    #[case(
        r#"ApiError: serviceaccounts "app" is forbidden: User "x" cannot get resource "serviceaccounts""#,
        LookupError::NotGranted
    )]
    #[case("connection refused", LookupError::Failed)]
    #[case("", LookupError::Failed)]
    fn classifies_errors(#[case] text: &str, #[case] expected: LookupError) {
        assert_eq!(classify(&format!("error invoking host capability: {text}"), "app"), expected);
    }

    #[rstest]
    #[case(Age::Recent, false)]
    #[case(Age::Fresh, true)]
    fn request_is_the_sdks(#[case] age: Age, #[case] disable_cache: bool) {
        let asked: serde_json::Value = serde_json::from_str(&get_request("sh\"op", "app", age)).unwrap();
        let sdk = kubewarden_policy_sdk::host_capabilities::kubernetes::GetResourceRequest {
            api_version: "v1".to_owned(),
            kind: "ServiceAccount".to_owned(),
            name: "app".to_owned(),
            namespace: Some("sh\"op".to_owned()),
            disable_cache,
            field_masks: Some(["automountServiceAccountToken", "metadata.annotations"].map(str::to_owned).into()),
        };
        assert_eq!(asked, serde_json::to_value(sdk).unwrap());
    }

    #[test]
    fn log_event_is_json() {
        let event: serde_json::Value = serde_json::from_str(&log_event(Access::Reviews, "a\"b")).unwrap();
        assert_eq!(event["level"], "warning");
        assert_eq!(event["message"], "creating SubjectAccessReviews is not granted");
        assert_eq!(event["namespace"], "a\"b");
        assert_eq!(event["policy"], "serviceaccount-hygiene");
    }

    #[test]
    fn reads_masked_account() {
        let read = |text| AccountRecord::read(text).unwrap();
        assert_eq!(read("{}"), AccountRecord::default());
        let record = read(
            r#"{"metadata":{"annotations":{"a/b":"c"}},"automountServiceAccountToken":false,"kind":"ServiceAccount"}"#,
        );
        assert_eq!(
            (record.automount(), record.annotation("a/b"), record.annotation("x")),
            (Some(false), Some("c"), None)
        );
        assert_eq!(AccountRecord::read(r#"{"metadata":[]}"#), None);
        assert_eq!(read(r#"{"metadata":{"annotations":null}}"#).annotation("a"), None);
    }
}
