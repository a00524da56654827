// SPDX-License-Identifier: Apache-2.0
//! The subject of a request: what rules check.

use super::request::{Operation, Request};
use crate::object::identity_grant::GrantKind;
use crate::object::kinds::{
    CLUSTER_ROLE, CLUSTER_ROLE_BINDING, CONFIG_MAP, CRON_JOB, DAEMON_SET, DEPLOYMENT, JOB, PERSISTENT_VOLUME, POD,
    POD_TEMPLATE, REPLICA_SET, REPLICATION_CONTROLLER, ROLE, ROLE_BINDING, SECRET, SERVICE_ACCOUNT, STATEFUL_SET,
    TOKEN_REQUEST,
};
use crate::settings::Common;

/// The kinds of subjects that rules check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SubjectKind {
    /// A Pod.
    Pod,
    /// The Pod template of a workload.
    PodTemplate,
    /// A container that is added to a running Pod.
    EphemeralContainer,
    /// A ServiceAccount.
    ServiceAccount,
    /// A request for a token of a ServiceAccount.
    TokenRequest,
    /// A Secret.
    Secret,
    /// A RoleBinding or ClusterRoleBinding.
    Binding,
    /// A Role or ClusterRole.
    Role,
    /// A `PersistentVolume`.
    PersistentVolume,
    /// A custom resource that grants a cloud identity to ServiceAccounts.
    IdentityGrant,
    /// A `ConfigMap`.
    ConfigMap,
}

/// The subject of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject<'a> {
    /// A Pod that is being created.
    Pod,
    /// A running Pod that gets ephemeral containers.
    EphemeralContainers,
    /// A workload; the steps lead to its Pod template.
    Template(Vec<&'a str>),
    /// A ServiceAccount that is being created or updated.
    ServiceAccount,
    /// A request for a token of a ServiceAccount.
    TokenRequest,
    /// A Secret that is being created or updated.
    Secret,
    /// A binding that is being created or updated.
    Binding,
    /// A role that is being created or updated.
    Role,
    /// A `PersistentVolume` that is being created or updated.
    PersistentVolume,
    /// A custom resource that grants a cloud identity to ServiceAccounts.
    IdentityGrant(GrantKind),
    /// A `ConfigMap` that is being created or updated.
    ConfigMap,
}

/// The built-in workloads, and where their Pod templates are.
const WORKLOADS: [((&str, &str), &[&str]); 8] = [
    (DEPLOYMENT, &["spec", "template"]),
    (REPLICA_SET, &["spec", "template"]),
    (STATEFUL_SET, &["spec", "template"]),
    (DAEMON_SET, &["spec", "template"]),
    (JOB, &["spec", "template"]),
    (CRON_JOB, &["spec", "jobTemplate", "spec", "template"]),
    (REPLICATION_CONTROLLER, &["spec", "template"]),
    (POD_TEMPLATE, &["template"]),
];

impl<'a> Subject<'a> {
    /// The subject of a request; `None` if no rule can apply.
    ///
    /// A Pod is checked only when it is created: afterwards, everything about
    /// its tokens is immutable.
    /// <https://kubernetes.io/docs/concepts/workloads/pods/#pod-update-and-replacement>
    #[must_use]
    pub fn of(request: &Request<'_>, common: &'a Common<'_>) -> Option<Self> {
        let (group, kind) = (request.group(), request.kind());
        match request.sub_resource() {
            "" => {}
            "token" if (group, kind) == TOKEN_REQUEST => {
                return (request.operation() == Operation::Create).then_some(Self::TokenRequest);
            }
            "ephemeralcontainers" if request.operation() == Operation::Update && (group, kind) == POD => {
                return Some(Self::EphemeralContainers);
            }
            _ => return None,
        }
        match request.operation() {
            Operation::Create if (group, kind) == POD => Some(Self::Pod),
            Operation::Create | Operation::Update => Self::created_or_updated(group, kind)
                .or_else(|| template(group, kind, common).map(Self::Template))
                .or_else(|| GrantKind::of(group, kind).map(Self::IdentityGrant)),
            Operation::Other => None,
        }
    }

    /// The objects that are checked as a whole whenever they are created or updated.
    fn created_or_updated(group: &str, kind: &str) -> Option<Self> {
        match (group, kind) {
            SERVICE_ACCOUNT => Some(Self::ServiceAccount),
            SECRET => Some(Self::Secret),
            ROLE_BINDING | CLUSTER_ROLE_BINDING => Some(Self::Binding),
            ROLE | CLUSTER_ROLE => Some(Self::Role),
            PERSISTENT_VOLUME => Some(Self::PersistentVolume),
            CONFIG_MAP => Some(Self::ConfigMap),
            _ => None,
        }
    }

    /// The kind, as rules declare it.
    #[must_use]
    pub const fn kind(&self) -> SubjectKind {
        match self {
            Self::Pod => SubjectKind::Pod,
            Self::Template(_) => SubjectKind::PodTemplate,
            Self::EphemeralContainers => SubjectKind::EphemeralContainer,
            Self::ServiceAccount => SubjectKind::ServiceAccount,
            Self::TokenRequest => SubjectKind::TokenRequest,
            Self::Secret => SubjectKind::Secret,
            Self::Binding => SubjectKind::Binding,
            Self::Role => SubjectKind::Role,
            Self::PersistentVolume => SubjectKind::PersistentVolume,
            Self::IdentityGrant(_) => SubjectKind::IdentityGrant,
            Self::ConfigMap => SubjectKind::ConfigMap,
        }
    }

    /// Whether an object that is being deleted is checked. Otherwise, anyone who
    /// can add a finalizer could delete an object and then change it at will, and
    /// the object stays effective until it is gone: bindings and roles grant
    /// permissions, accounts keep their role, the token controller fills Secrets,
    /// and the kubelet starts ephemeral containers. The controller of a workload
    /// that is being deleted creates no Pods, and its Pods are checked anyway.
    #[must_use]
    pub const fn checked_while_being_deleted(&self) -> bool {
        !self.is_template()
    }

    /// Whether the subject is a workload.
    #[must_use]
    pub const fn is_template(&self) -> bool {
        matches!(self, Self::Template(_))
    }

    /// The steps from the object to the part that is checked.
    #[must_use]
    pub fn steps(&self) -> &[&'a str] {
        match self {
            Self::Pod
            | Self::EphemeralContainers
            | Self::ServiceAccount
            | Self::TokenRequest
            | Self::Secret
            | Self::Binding
            | Self::Role
            | Self::PersistentVolume
            | Self::IdentityGrant(_)
            | Self::ConfigMap => &[],
            Self::Template(steps) => steps,
        }
    }
}

fn template<'a>(group: &str, kind: &str, common: &'a Common<'_>) -> Option<Vec<&'a str>> {
    let built_in = WORKLOADS.iter().find(|(built_in, _)| *built_in == (group, kind));
    if let Some((_, steps)) = built_in {
        return Some(steps.to_vec());
    }
    let custom = common
        .custom_templates
        .iter()
        .find(|custom| (custom.api_group.as_str(), custom.kind.as_str()) == (group, kind))?;
    Some(custom.path.split('.').collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object::view;
    use rstest::rstest;

    #[rstest]
    #[case("", "Pod", "", "CREATE", Some(Subject::Pod))]
    #[case("", "Pod", "", "UPDATE", None)]
    #[case("", "Pod", "", "DELETE", None)]
    #[case("", "Pod", "ephemeralcontainers", "UPDATE", Some(Subject::EphemeralContainers))]
    #[case("", "Pod", "ephemeralcontainers", "CREATE", None)]
    #[case("", "Pod", "ephemeralContainers", "UPDATE", None)]
    #[case("", "Pod", "status", "UPDATE", None)]
    #[case("", "Pod", "binding", "CREATE", None)]
    #[case("example.com", "Pod", "", "CREATE", None)]
    #[case("example.com", "Pod", "ephemeralcontainers", "UPDATE", None)]
    #[case("", "ServiceAccount", "", "UPDATE", Some(Subject::ServiceAccount))]
    #[case("", "ServiceAccount", "token", "CREATE", None)]
    #[case("apps", "Deployment", "", "UPDATE", Some(Subject::Template(vec!["spec", "template"])))]
    #[case("apps", "Deployment", "scale", "UPDATE", None)]
    #[case(
        "eks.services.k8s.aws",
        "PodIdentityAssociation",
        "",
        "CREATE",
        Some(Subject::IdentityGrant(GrantKind::Ack))
    )]
    #[case("eks.services.k8s.aws", "PodIdentityAssociation", "status", "UPDATE", None)]
    #[case("eks.services.k8s.aws.example.com", "PodIdentityAssociation", "", "CREATE", None)]
    fn of_a_request(
        #[case] group: &str,
        #[case] kind: &str,
        #[case] sub_resource: &str,
        #[case] operation: &str,
        #[case] expected: Option<Subject<'_>>,
    ) {
        let request = format!(
            r#"{{"kind":{{"group":"{group}","kind":"{kind}"}},"subResource":"{sub_resource}","operation":"{operation}"}}"#
        );
        let request: Request<'_> = view::read(&request, "").unwrap();
        assert_eq!(Subject::of(&request, &Common::default()), expected);
    }
}
