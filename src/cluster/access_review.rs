// SPDX-License-Identifier: Apache-2.0
//! The query whether an account has a permission, and its answer, in the format
//! of the host's `kubernetes/can_i`: written and read without a second JSON
//! model, like the look-up of an account.

use super::error::{LookupError, refused};
use crate::object::json::write_string;
use crate::object::view::{self, Text, view};

/// A permission that an account may have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permission<'a> {
    /// `get`, `list`, ...; `*` is every verb.
    pub verb: Text<'a>,
    /// The API group; empty for the core group, `*` for every group.
    pub group: Text<'a>,
    /// The resource in the plural; `*` is every resource.
    pub resource: Text<'a>,
    /// The subresource; empty for the resource itself.
    pub subresource: Text<'a>,
    /// Whether it applies to all namespaces, or to a cluster-scoped resource.
    pub cluster_wide: bool,
}

impl Permission<'_> {
    /// `get pods`, `create serviceaccounts/token`, `list leases.coordination.k8s.io`.
    #[must_use]
    pub fn describe(&self) -> String {
        let mut text = [&self.verb, " ", &*self.resource].concat();
        for (sign, part) in [(".", &self.group), ("/", &self.subresource)] {
            if !part.is_empty() {
                text.push_str(sign);
                text.push_str(part);
            }
        }
        text
    }
}

/// The SDK's `CanIRequest`: whether the account `namespace/name` has a
/// permission. The groups are those that a token of the account has; without
/// them, the authorizer ignores what is granted to all accounts, or to all
/// accounts of a namespace. The host may answer from its cache of 5 seconds.
/// <https://docs.rs/kubewarden-policy-sdk/latest/kubewarden_policy_sdk/host_capabilities/kubernetes/struct.CanIRequest.html>
/// <https://kubernetes.io/docs/reference/access-authn-authz/authentication/#service-account-tokens>
#[must_use]
pub fn request(namespace: &str, name: &str, permission: &Permission<'_>) -> String {
    let group = ["system:serviceaccounts:", namespace].concat();
    let user = ["system:serviceaccount:", namespace, ":", name].concat();
    let everywhere = if permission.cluster_wide { "" } else { namespace };
    let mut request = String::new();
    for (key, value) in [
        (r#"{"subject_access_review":{"groups":["system:serviceaccounts","#, group.as_str()),
        (r#","system:authenticated"],"resource_attributes":{"group":"#, &permission.group),
        (r#","namespace":"#, everywhere),
        (r#","resource":"#, &permission.resource),
        (r#","subresource":"#, &permission.subresource),
        (r#","verb":"#, &permission.verb),
        (r#"},"user":"#, &user),
    ] {
        request.push_str(key);
        write_string(value, &mut request);
    }
    request.push_str(r#"},"disable_cache":false}"#);
    request
}

view! {
    /// The status of a `SubjectAccessReview`.
    pub struct Status<'a> {
        allowed: Option<bool> = "allowed",
        evaluation_error: Option<Text<'a>> = "evaluationError",
    }
}

/// Reads the response to [`request`]. A permission that is not allowed is denied,
/// unless the authorizer could not evaluate it. A binding to a role that does not
/// exist is no such failure: it grants nothing.
/// <https://kubernetes.io/docs/reference/kubernetes-api/authorization-resources/subject-access-review-v1/>
pub(super) fn answer(bytes: &[u8]) -> Result<bool, LookupError> {
    let text = std::str::from_utf8(bytes).map_err(|_| LookupError::Failed)?;
    let status: Status<'_> = view::read(text, "").map_err(|_| LookupError::Failed)?;
    let is_broken = status.evaluation_error.is_some_and(|error| !error.is_empty());
    match status.allowed {
        Some(true) => Ok(true),
        Some(false) if !is_broken => Ok(false),
        _ => Err(LookupError::Failed),
    }
}

/// Classifies the errors of a host, which are plain text.
pub(super) fn classify(error: &str) -> LookupError {
    if refused(error) { LookupError::NotGranted } else { LookupError::Failed }
}

#[cfg(test)]
mod tests {
    use kubewarden_policy_sdk::host_capabilities::kubernetes::{CanIRequest, ResourceAttributes, SubjectAccessReview};
    use rstest::rstest;

    use super::*;

    fn permission(verb: &'static str, group: &'static str, resource: &'static str) -> Permission<'static> {
        Permission {
            verb: verb.into(),
            group: group.into(),
            resource: resource.into(),
            subresource: "".into(),
            cluster_wide: false,
        }
    }

    #[rstest]
    #[case(permission("list", "", "pods"), "shop")]
    #[case(Permission { cluster_wide: true, ..permission("*", "*", "*") }, "")]
    #[case(Permission { subresource: "token".into(), ..permission("create", "a\"b", "serviceaccounts") }, "shop")]
    fn request_is_the_sdks(#[case] permission: Permission<'_>, #[case] namespace: &str) {
        let asked: CanIRequest = serde_json::from_str(&request("shop", "web", &permission)).unwrap();
        let text = |text: &Text<'_>| text.to_string();
        let review = SubjectAccessReview {
            groups: Some(
                ["system:serviceaccounts", "system:serviceaccounts:shop", "system:authenticated"]
                    .map(str::to_owned)
                    .into(),
            ),
            resource_attributes: ResourceAttributes {
                group: Some(text(&permission.group)),
                namespace: Some(namespace.to_owned()),
                resource: text(&permission.resource),
                subresource: Some(text(&permission.subresource)),
                verb: text(&permission.verb),
                ..ResourceAttributes::default()
            },
            user: "system:serviceaccount:shop:web".to_owned(),
        };
        assert_eq!(asked.subject_access_review, review);
        assert!(!asked.disable_cache);
    }

    #[rstest]
    #[case(r#"{"allowed":true,"reason":"RBAC: allowed by RoleBinding \"a/b\""}"#, Ok(true))]
    #[case(r#"{"allowed":true,"evaluationError":"webhook: timeout"}"#, Ok(true))]
    #[case(r#"{"allowed":false,"denied":true}"#, Ok(false))]
    #[case(r#"{"allowed":false,"evaluationError":null,"reason":"RBAC: role \"x\" not found"}"#, Ok(false))]
    #[case(r#"{"allowed":false,"evaluationError":""}"#, Ok(false))]
    #[case(r#"{"allowed":false,"evaluationError":"webhook: timeout"}"#, Err(LookupError::Failed))]
    #[case("{}", Err(LookupError::Failed))]
    #[case(r#"{"allowed":"yes"}"#, Err(LookupError::Failed))]
    #[case("true", Err(LookupError::Failed))]
    fn reads_answers(#[case] text: &str, #[case] expected: Result<bool, LookupError>) {
        assert_eq!(answer(text.as_bytes()), expected);
        assert_eq!(answer(&[0xff]), Err(LookupError::Failed));
    }

    #[rstest]
    #[case(
        "Policy has not been granted access to the 'kubernetes/can_i' host capability. The violation has been reported.",
        LookupError::NotGranted
    )]
    #[case(
        r#"ApiError: subjectaccessreviews.authorization.k8s.io is forbidden: User "x" cannot create resource"#,
        LookupError::NotGranted
    )]
    #[case("kube::Client was not initialized properly", LookupError::Failed)]
    #[case("", LookupError::Failed)]
    fn classifies_errors(#[case] text: &str, #[case] expected: LookupError) {
        assert_eq!(classify(&format!("error invoking host capability: {text}")), expected);
    }

    #[test]
    fn describes_permissions() {
        assert_eq!(permission("get", "", "pods").describe(), "get pods");
        assert_eq!(permission("get", "coordination.k8s.io", "leases").describe(), "get leases.coordination.k8s.io");
        let token = Permission { subresource: "token".into(), ..permission("create", "", "serviceaccounts") };
        assert_eq!(token.describe(), "create serviceaccounts/token");
        assert_eq!(permission("*", "*", "*").describe(), "* *.*");
    }
}
