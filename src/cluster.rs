// SPDX-License-Identifier: Apache-2.0
//! The one question that rules put to the cluster, and the only place that
//! calls the host.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::Resource;
use k8s_openapi::api::core::v1::ServiceAccount;
use kubewarden_policy_sdk::host_capabilities::kubernetes::{GetResourceRequest, get_resource};
use kubewarden_policy_sdk::logging::KubewardenDrain;
use serde::Deserialize;
use slog::{Drain, Logger, o, warn};

use crate::admission::response::POLICY;

/// What rules read of a ServiceAccount.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct AccountRecord {
    metadata: RecordMeta,
    #[serde(rename = "automountServiceAccountToken")]
    automount: Option<bool>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
struct RecordMeta {
    annotations: Option<BTreeMap<String, String>>,
}

impl AccountRecord {
    /// A record for tests and tools.
    #[must_use]
    pub fn new(automount: Option<bool>) -> Self {
        Self { automount, ..Self::default() }
    }

    /// Whether the account's Pods are to get its token; nothing said is yes.
    #[must_use]
    pub const fn automount(&self) -> Option<bool> {
        self.automount
    }

    /// An annotation.
    #[must_use]
    pub fn annotation(&self, key: &str) -> Option<&str> {
        self.metadata.annotations.as_ref()?.get(key).map(String::as_str)
    }
}

/// Why there is no record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LookupError {
    /// There is no such account.
    Absent,
    /// The policy may not ask, or the policy server may not read accounts.
    NotGranted,
    /// Anything else; a later try may succeed.
    Failed,
}

/// The cluster as rules see it.
pub trait Cluster {
    /// Looks up one ServiceAccount.
    ///
    /// # Errors
    /// [`LookupError`] when there is no record to give.
    fn service_account(&self, namespace: &str, name: &str) -> Result<AccountRecord, LookupError>;

    /// Tells whoever runs the policy server that access is missing. Nothing of
    /// the request goes into the log but the namespace.
    fn log_not_granted(&self, namespace: &str);
}

/// The cluster behind a Kubewarden host.
#[derive(Debug, Clone, Copy)]
pub struct KubewardenHost;

impl Cluster for KubewardenHost {
    fn service_account(&self, namespace: &str, name: &str) -> Result<AccountRecord, LookupError> {
        let request = GetResourceRequest {
            api_version: ServiceAccount::API_VERSION.to_owned(),
            kind: ServiceAccount::KIND.to_owned(),
            name: name.to_owned(),
            namespace: Some(namespace.to_owned()),
            // The account may have been made a moment ago, with its Pods.
            disable_cache: true,
            // A mask is split at its dots, so it cannot name one annotation.
            field_masks: Some(BTreeSet::from([
                "automountServiceAccountToken".to_owned(),
                "metadata.annotations".to_owned(),
            ])),
        };
        get_resource(&request).map_err(|error| classify(&error.to_string(), name))
    }

    fn log_not_granted(&self, namespace: &str) {
        // Not the SDK's fused drain: that one panics when the host's log fails.
        let log = Logger::root(KubewardenDrain::default().ignore_res(), o!("policy" => POLICY));
        warn!(log, "looking up ServiceAccounts is not granted"; "namespace" => namespace);
    }
}

/// Tells a host's errors apart. They are texts only.
/// <https://github.com/kubewarden/kubewarden-controller/tree/main/crates/policy-evaluator/src/callback_handler/kubernetes>
fn classify(error: &str, name: &str) -> LookupError {
    if error.contains(&format!("Cannot find v1/ServiceAccount named '{name}'")) {
        LookupError::Absent
    } else if error.contains("Policy has not been granted access to Kubernetes v1/ServiceAccount")
        || error.contains("is forbidden")
    {
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
    fn errors_are_told_apart(#[case] text: &str, #[case] expected: LookupError) {
        assert_eq!(classify(&format!("error invoking host capability: {text}"), "app"), expected);
    }

    #[test]
    fn a_masked_account_is_read() {
        let read = |text| serde_json::from_str::<AccountRecord>(text).unwrap();
        assert_eq!(read("{}"), AccountRecord::default());
        let record = read(
            r#"{"metadata":{"annotations":{"a/b":"c"}},"automountServiceAccountToken":false,"kind":"ServiceAccount"}"#,
        );
        assert_eq!(
            (record.automount(), record.annotation("a/b"), record.annotation("x")),
            (Some(false), Some("c"), None)
        );
        assert_eq!(read(r#"{"metadata":{"annotations":null}}"#).annotation("a"), None);
    }
}
