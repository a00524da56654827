// SPDX-License-Identifier: Apache-2.0

//! The roles that every API server creates when it starts
//! (<https://kubernetes.io/docs/reference/access-authn-authz/rbac/#default-roles-and-role-bindings>).
//!
//! `bootstrap.json` contains these roles as `kubectl get clusterroles -o json` prints them on Kubernetes 1.36, without the
//! rules from aggregation.

use std::sync::LazyLock;

use super::object::{PolicyRule, Role};

/// `cluster-admin`, `admin`, `edit`, `view`, and the roles that the last three are aggregated from.
pub(super) static ROLES: LazyLock<Vec<Role>> =
    LazyLock::new(|| serde_json::from_str(include_str!("bootstrap.json")).unwrap_or_default());

/// The permissions that Kubernetes and its distributions grant to everybody: discovery, health, and questions about oneself
/// (`system:discovery`, `system:basic-user`, `system:public-info-viewer`, `system:service-account-issuer-discovery`).
static EVERYBODY: LazyLock<[PolicyRule; 2]> = LazyLock::new(|| {
    let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    [
        PolicyRule {
            verbs: texts(&["get", "head"]),
            non_resource_urls: texts(&[
                "/.well-known",
                "/.well-known/*",
                "/api",
                "/api/*",
                "/apis",
                "/apis/*",
                "/healthz",
                "/healthz/*",
                "/livez",
                "/livez/*",
                "/openapi",
                "/openapi/*",
                "/openid/v1/jwks",
                "/openid/v1/jwks/",
                "/readyz",
                "/readyz/*",
                "/swagger*",
                "/version",
                "/version/*",
            ]),
            ..PolicyRule::default()
        },
        PolicyRule {
            verbs: texts(&["create"]),
            api_groups: texts(&["authorization.k8s.io", "authentication.k8s.io"]),
            resources: texts(&["selfsubjectaccessreviews", "selfsubjectrulesreviews", "selfsubjectreviews"]),
            ..PolicyRule::default()
        },
    ]
});

/// Whether the rules allow only what every client is allowed anyway.
pub(super) fn is_for_everybody(rules: &[PolicyRule]) -> bool {
    rules.iter().all(|rule| EVERYBODY.iter().any(|everybody| everybody.covers(rule)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_recorded_roles() {
        let names: Vec<_> = ROLES.iter().map(|role| role.metadata.name.as_str()).collect();
        assert_eq!(
            names,
            [
                "admin",
                "cluster-admin",
                "edit",
                "system:aggregate-to-admin",
                "system:aggregate-to-edit",
                "system:aggregate-to-view",
                "view"
            ]
        );
    }

    #[test]
    fn default_permissions() {
        let rules = |json: &str| serde_json::from_str::<Vec<PolicyRule>>(json).unwrap();
        for (json, expected) in [
            ("[]", true),
            (r#"[{"verbs": ["get"], "nonResourceURLs": ["/api", "/apis/*", "/version/"]}]"#, true),
            (
                r#"[{"verbs": ["create"], "apiGroups": ["authorization.k8s.io"], "resources": ["selfsubjectaccessreviews"]}]"#,
                true,
            ),
            (r#"[{"verbs": ["get"], "nonResourceURLs": ["/metrics"]}]"#, false),
            (r#"[{"verbs": ["post"], "nonResourceURLs": ["/api"]}]"#, false),
            (
                r#"[{"verbs": ["create"], "apiGroups": ["authorization.k8s.io"], "resources": ["subjectaccessreviews"]}]"#,
                false,
            ),
            (
                r#"[{"verbs": ["get"], "nonResourceURLs": ["/api"]}, {"verbs": ["get"], "apiGroups": [""], "resources": ["pods"]}]"#,
                false,
            ),
        ] {
            assert_eq!(is_for_everybody(&rules(json)), expected, "{json}");
        }
    }
}
