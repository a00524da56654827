// SPDX-License-Identifier: Apache-2.0

//! `kubernetes/can_i`: a `SubjectAccessReview`, answered from the Roles and bindings of the snapshot.

use std::sync::LazyLock;

use serde::Deserialize;
use serde_json::{Value, json};

use super::{CONNECTION_REFUSED, Cluster, forbidden_status};
use crate::rbac::{Attributes, Authorizer, Decision, Grant, Objects, PolicyRule, Resource, Target, User, Via};

/// The API group with which `sa-hygiene check` asks whether an account has any binding. No real authorizer knows it.
pub const CHECK_GROUP: &str = "check.sa-hygiene";

/// The result of access reviews.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ReviewBehavior {
    /// The API server answers; this matches Kubewarden's default RBAC.
    #[default]
    Granted,
    /// The policy server's own account is not allowed to create access reviews.
    RbacForbidden,
    /// The API server cannot be reached.
    Unavailable,
}

/// The payload of `kubernetes/can_i`, as the SDK sends it.
#[derive(Debug, Clone, Deserialize)]
pub struct CanI {
    /// The access review.
    pub subject_access_review: AccessReview,
    /// Whether the policy server must ask the API server, instead of answering from its cache of the last five seconds.
    pub disable_cache: bool,
}

/// The question whether a user may do something.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Deserialize)]
pub struct AccessReview {
    /// The user's name.
    pub user: String,
    /// The user's groups; absent for none.
    pub groups: Option<Vec<String>>,
    /// What the user wants to do.
    pub resource_attributes: ResourceAttributes,
}

/// What a user wants to do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Deserialize)]
pub struct ResourceAttributes {
    /// The API group; empty or absent for the core group.
    pub group: Option<String>,
    /// The object's name; absent or empty for all objects.
    pub name: Option<String>,
    /// The namespace; absent or empty for all namespaces, and for cluster-scoped objects.
    pub namespace: Option<String>,
    /// The resource: plural, in lower case.
    pub resource: String,
    /// The subresource; absent or empty for the resource itself.
    pub subresource: Option<String>,
    /// `get`, `create` ...
    pub verb: String,
    /// The API's version; not part of any rule.
    pub version: Option<String>,
}

impl Cluster {
    /// Answers `kubernetes/can_i` with the status of the review; the error is the text that reaches the policy.
    pub fn can_i(&self, review: &AccessReview) -> Result<Value, String> {
        let failure = |text: &str| Err(format!("Callback evaluation failure: {text}"));
        match self.reviews {
            ReviewBehavior::Granted => {}
            ReviewBehavior::Unavailable => return failure(CONNECTION_REFUSED),
            ReviewBehavior::RbacForbidden => {
                let resource = "subjectaccessreviews.authorization.k8s.io";
                let message = format!(
                    "{resource} is forbidden: User \"system:serviceaccount:kubewarden:policy-server\" cannot create \
                     resource \"subjectaccessreviews\" in API group \"authorization.k8s.io\" at the cluster scope"
                );
                return failure(&forbidden_status(&message, "", "authorization.k8s.io", "subjectaccessreviews"));
            }
        }
        let user = User { name: review.user.clone(), groups: review.groups.clone().unwrap_or_default() };
        let attributes = &review.resource_attributes;
        if attributes.group.as_deref() == Some(CHECK_GROUP) {
            return Ok(json!({"allowed": self.evidence(&user).is_some()}));
        }
        let text = |text: &'_ Option<String>| text.clone().unwrap_or_default();
        let (group, name, subresource) =
            (text(&attributes.group), text(&attributes.name), text(&attributes.subresource));
        let asked = Attributes {
            verb: &attributes.verb,
            target: Target::Resource(Resource {
                group: &group,
                resource: &attributes.resource,
                subresource: &subresource,
                name: &name,
                namespace: attributes.namespace.as_deref().filter(|namespace| !namespace.is_empty()),
            }),
        };
        match self.authorizer().may(&user, &asked) {
            Decision::Allowed { binding, role } => {
                Ok(json!({"allowed": true, "reason": format!("RBAC: allowed by {binding} of {role}")}))
            }
            Decision::Superuser => Ok(json!({"allowed": true})),
            Decision::Denied => Ok(json!({"allowed": false})),
            // A real API server knows all roles; with only some of the objects, the answer is unknown.
            Decision::Unknown { role, .. } if self.is_partial() => failure(&format!("{role} is not known")),
            Decision::Unknown { role, .. } => {
                Ok(json!({"allowed": false, "reason": format!("RBAC: {role} not found")}))
            }
        }
    }

    /// The binding that is the best evidence that an account uses its token: one that names the account, or else the group of
    /// its namespace, whatever role it grants. A binding for every account is evidence only if it grants a permission that
    /// programs with a token typically use ([`usual`]).
    pub fn evidence(&self, account: &User) -> Option<Grant<'_>> {
        let (namespace, _) = account.account()?;
        let is_evidence = |grant: &Grant<'_>| {
            let is_for_all = matches!(grant.via, Via::Group("system:serviceaccounts" | "system:authenticated"));
            let is_here = grant.binding.namespace.as_deref().is_none_or(|it| it == namespace);
            !is_for_all || is_here && grant.rules.is_none_or(|rules| is_usual(rules, namespace))
        };
        self.authorizer().grants(account).into_iter().filter(is_evidence).min_by_key(|grant| grant.via)
    }

    /// The authorizer, created on first use.
    fn authorizer(&self) -> &Authorizer {
        self.authorizer.get_or_init(|| {
            let mut objects = Objects::new("default");
            for object in self.objects() {
                // An API server would also reject an object that cannot be read as a Role or binding.
                let _ = objects.add(object);
            }
            Authorizer::new(&objects).into()
        })
    }
}

/// Whether the rules grant any of the permissions for which the policy keeps a token by default.
fn is_usual(rules: &[PolicyRule], namespace: &str) -> bool {
    usual().iter().any(|permission| {
        let attributes = Attributes::resource(&permission.verb, &permission.group, &permission.resource);
        let attributes = if permission.cluster_wide { attributes } else { attributes.within(namespace) };
        rules.iter().any(|rule| rule.allows(&attributes))
    })
}

/// The default of `keepIfAllowed`.
fn usual() -> &'static [Usual] {
    static USUAL: LazyLock<Vec<Usual>> = LazyLock::new(|| {
        let rule = serviceaccount_hygiene::rules::RULES.iter().find(|rule| rule.id == "pod-automount");
        let param = rule.and_then(|rule| rule.params.iter().find(|param| param.name == "keepIfAllowed"));
        param.and_then(|param| serde_json::from_str(param.default).ok()).unwrap_or_default()
    });
    &USUAL
}

/// An entry of `keepIfAllowed`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Usual {
    verb: String,
    #[serde(default)]
    group: String,
    resource: String,
    #[serde(default)]
    cluster_wide: bool,
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::super::LookupBehavior;
    use super::*;

    fn cluster(role: &str) -> Cluster {
        let binding = json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
            "metadata": {"name": "web", "namespace": "shop"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
            "subjects": [{"kind": "ServiceAccount", "name": "web"}],
        });
        Cluster::from_objects([binding]).unwrap()
    }

    fn review(account: &str, attributes: Value) -> AccessReview {
        let user = User::service_account("shop", account);
        let mut review = json!({"user": user.name, "groups": user.groups});
        review["resource_attributes"] = attributes;
        serde_json::from_value(review).unwrap()
    }

    #[rstest]
    #[case("web", "shop", "", true)]
    #[case("web", "", "", false)]
    #[case("web", "other", "", false)]
    #[case("db", "shop", "", false)]
    #[case("web", "shop", "status", true)]
    fn answers_reviews_from_bindings(
        #[case] account: &str,
        #[case] namespace: &str,
        #[case] subresource: &str,
        #[case] allowed: bool,
    ) {
        let attributes = json!({"verb": "get", "resource": "pods", "namespace": namespace, "subresource": subresource});
        let answer = cluster("view").can_i(&review(account, attributes)).unwrap();
        assert_eq!(answer["allowed"], allowed, "{answer}");
    }

    #[test]
    fn absent_role() {
        let asked = review("web", json!({"verb": "get", "resource": "pods", "namespace": "shop"}));
        let whole = cluster("gone").can_i(&asked).unwrap();
        assert_eq!(whole, json!({"allowed": false, "reason": "RBAC: ClusterRole gone not found"}));
        let part = cluster("gone").with_behavior(LookupBehavior::KnownOnly).can_i(&asked);
        assert_eq!(part, Err("Callback evaluation failure: ClusterRole gone is not known".to_owned()));
    }

    #[rstest]
    #[case("web", true)]
    #[case("db", false)]
    fn answers_whether_bound(#[case] account: &str, #[case] is_bound: bool) {
        let asked = review(account, json!({"verb": "use", "group": CHECK_GROUP, "resource": "bindings"}));
        assert_eq!(cluster("gone").can_i(&asked).unwrap(), json!({"allowed": is_bound}));
    }

    /// A permission that every account has is evidence only if it applies in the account's namespace and is one that programs
    /// with a token typically use.
    #[rstest]
    #[case::of_another_namespace("RoleBinding", "other", "get", "pods", false)]
    #[case::unusual("ClusterRoleBinding", "", "create", "events", false)]
    #[case::usual("ClusterRoleBinding", "", "list", "pods", true)]
    #[case::of_its_namespace("RoleBinding", "shop", "get", "secrets", true)]
    fn common_permissions_are_no_evidence(
        #[case] kind: &str,
        #[case] namespace: &str,
        #[case] verb: &str,
        #[case] resource: &str,
        #[case] expected: bool,
    ) {
        let role = json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "all"},
            "rules": [{"apiGroups": [""], "resources": [resource], "verbs": [verb]}],
        });
        for group in ["system:serviceaccounts", "system:authenticated"] {
            let binding = json!({
                "apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind,
                "metadata": {"name": "all", "namespace": namespace},
                "roleRef": {"kind": "ClusterRole", "name": "all"}, "subjects": [{"kind": "Group", "name": group}],
            });
            let cluster = Cluster::from_objects([role.clone(), binding]).unwrap();
            let found = cluster.evidence(&User::service_account("shop", "web"));
            assert_eq!(found.is_some(), expected, "{group}: {found:?}");
        }
        assert_eq!(usual().len(), 6);
    }

    #[test]
    fn failing_reviews() {
        let error = |behavior| {
            let cluster = cluster("view").with_review_behavior(behavior);
            cluster.can_i(&review("web", json!({"verb": "get", "resource": "pods"}))).unwrap_err()
        };
        let forbidden = error(ReviewBehavior::RbacForbidden);
        assert!(
            forbidden.starts_with(
                "Callback evaluation failure: ApiError: subjectaccessreviews.authorization.k8s.io is forbidden: User"
            ),
            "{forbidden}"
        );
        let unavailable = error(ReviewBehavior::Unavailable);
        assert!(unavailable.contains("Connection refused") && !unavailable.contains("is forbidden"));
    }
}
