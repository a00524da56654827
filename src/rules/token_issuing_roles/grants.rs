// SPDX-License-Identifier: Apache-2.0
//! What roles can grant, as data: which verbs on which resources let their
//! holders act as somebody else.

use crate::diagnostic::message::MessageTemplate;
use crate::messages;
use crate::object::rbac::PolicyRule;
use crate::object::view::Text;

messages! {
    GRANTS: "`{}` on `{}` lets its holders issue tokens of {}", help: "remove it, or exempt the role";
    IMPERSONATES: "`{}` on `{}` lets its holders act as {}", help: "remove it, or exempt the role";
    CONSTRAINED:
        "`{}` on `{}` together with `{}` on `{}` lets its holders act as {}",
        help: "remove one of them, or exempt the role";
    ESCALATES:
        "`{}` on `{}` lets its holders grant permissions that they do not have, with {}",
        help: "remove it, or exempt the role";
    CERTIFICATES:
        "`{}` on `{}` lets its holders act as {}, with a client certificate",
        help: "remove it, or exempt the role";
    AUDIENCES: "`{}` on `{}` lets nodes request tokens for any audience", help: "name the audiences in resources";
    MANAGED_IDENTITIES:
        "`{}` on `{}` lets its holders use every managed identity that is bound to the cluster",
        help: "name the client IDs in resources";
    MANAGED_IDENTITY:
        "`{}` lets its holders use an identity that azure-workload-identity rejects: {}",
        help: "remove it, or exempt the role";
    PODS:
        "`{}` on `{}` lets its holders run containers as any account of the namespace",
        help: "remove it, or exempt the role";
    LITERAL:
        "`{}` grants nothing, since RBAC has no such wildcard",
        help: "remove it, or name the subresources";
}

/// What a rule of a role grants: with one of the verbs, in one of the API
/// groups, on one of the resources; the widest come first.
/// <https://github.com/kubernetes/kubernetes/blob/master/pkg/apis/rbac/v1/evaluation_helpers.go>
pub(super) struct Grant {
    /// The entry of `grants` that turns it on, if any.
    pub name: &'static str,
    pub verbs: &'static [&'static str],
    pub api_groups: &'static [&'static str],
    pub resources: &'static [&'static str],
    pub message: &'static MessageTemplate,
    pub target: Target,
}

/// What the message of a grant names besides verb and resource.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    /// The objects in `resourceNames`, or this text if there are none.
    Names(&'static str),
    /// The same; only names of roles that hand out tokens are a finding.
    Roles,
    /// Every user; only names of signers whose certificates the API server
    /// accepts for any user are a finding.
    Signers,
    /// Nothing.
    None,
}

pub(super) const CORE: &[&str] = &["*", ""];
const RBAC: &[&str] = &["*", "rbac.authorization.k8s.io"];
const EVERY_ACCOUNT: Target = Target::Names("every account");

pub(super) static GRANTED: [Grant; 12] = [
    Grant {
        name: "tokens",
        verbs: &["*", "create"],
        api_groups: CORE,
        resources: &["*", "*/token", "serviceaccounts/token"],
        message: &GRANTS,
        target: EVERY_ACCOUNT,
    },
    Grant {
        name: "impersonation",
        verbs: &["*", "impersonate"],
        api_groups: CORE,
        resources: &["*", "serviceaccounts"],
        message: &IMPERSONATES,
        target: EVERY_ACCOUNT,
    },
    // Users and groups can be those of the control plane, of nodes and of accounts.
    Grant {
        name: "impersonation",
        verbs: &["*", "impersonate"],
        api_groups: CORE,
        resources: &["*", "users"],
        message: &IMPERSONATES,
        target: Target::Names("every user"),
    },
    Grant {
        name: "impersonation",
        verbs: &["*", "impersonate"],
        api_groups: CORE,
        resources: &["*", "groups"],
        message: &IMPERSONATES,
        target: Target::Names("every group"),
    },
    Grant {
        name: "escalation",
        verbs: &["*", "escalate"],
        api_groups: RBAC,
        resources: &["*", "clusterroles", "roles"],
        message: &ESCALATES,
        target: Target::Names("every role"),
    },
    Grant {
        name: "escalation",
        verbs: &["*", "bind"],
        api_groups: RBAC,
        resources: &["*", "clusterroles", "roles"],
        message: &ESCALATES,
        target: Target::Roles,
    },
    // An approved certificate of this signer authenticates as whatever user it names.
    // <https://kubernetes.io/docs/reference/access-authn-authz/certificate-signing-requests/#authorization>
    Grant {
        name: "certificates",
        verbs: &["*", "approve"],
        api_groups: &["*", "certificates.k8s.io"],
        resources: &["*", "signers"],
        message: &CERTIFICATES,
        target: Target::Signers,
    },
    // The resource is the audience.
    // <https://kubernetes.io/docs/reference/access-authn-authz/admission-controllers/#noderestriction>
    Grant {
        name: "nodeAudiences",
        verbs: &["*", "request-serviceaccounts-token-audience"],
        api_groups: CORE,
        resources: &["*"],
        message: &AUDIENCES,
        target: Target::None,
    },
    // The resource is the client ID; a role for one identity is the documented grant. The rule compares its ID with the
    // list of `azure-workload-identity`.
    // <https://learn.microsoft.com/azure/aks/identity-bindings>
    Grant {
        name: MANAGED_IDENTITIES_GRANT,
        verbs: &["*", "use-managed-identity"],
        api_groups: &["*", "cid.wi.aks.azure.com"],
        resources: &["*"],
        message: &MANAGED_IDENTITIES,
        target: Target::None,
    },
    Grant {
        name: POD_CREATION,
        verbs: &["*", "create"],
        api_groups: CORE,
        resources: &["*", "pods"],
        message: &PODS,
        target: Target::None,
    },
    Grant {
        name: POD_CREATION,
        verbs: &["*", "update", "patch"],
        api_groups: CORE,
        resources: &["*", "*/ephemeralcontainers", "pods/ephemeralcontainers"],
        message: &PODS,
        target: Target::None,
    },
    // Whoever may change the template of a workload can also name another account in it.
    Grant {
        name: POD_CREATION,
        verbs: &["*", "create", "update", "patch"],
        api_groups: &["*", "apps", "batch", ""],
        resources: &[
            "*",
            "replicationcontrollers",
            "deployments",
            "statefulsets",
            "daemonsets",
            "replicasets",
            "jobs",
            "cronjobs",
        ],
        message: &PODS,
        target: Target::None,
    },
];

/// The permission to use a managed identity of an AKS cluster.
pub(super) const MANAGED_IDENTITIES_GRANT: &str = "managedIdentities";

/// Not an entry of `grants`: a parameter of its own turns it on.
const POD_CREATION: &str = "";

/// The entries of `grants`.
pub(super) const NAMES: [&str; 6] =
    ["tokens", "impersonation", "escalation", "certificates", "nodeAudiences", MANAGED_IDENTITIES_GRANT];

/// Constrained impersonation: a mode, the resource of its first verb, and the
/// identities that its holders act as. The second verb is required for the request
/// itself, and ends with the request's own verb.
/// <https://github.com/kubernetes/kubernetes/blob/master/staging/src/k8s.io/apiserver/pkg/endpoints/filters/impersonation/mode.go>
pub(super) const MODES: [(&str, &str, &str); 5] = [
    ("serviceaccount", "serviceaccounts", "every account"),
    ("user-info", "users", "every user"),
    ("user-info", "groups", "every group"),
    ("arbitrary-node", "nodes", "every node"),
    ("associated-node", "nodes", "the node that they run on"),
];

/// The API group of the first verb.
pub(super) const AUTHENTICATION: [&str; 2] = ["*", "authentication.k8s.io"];

/// Whether a rule of a role grants plain impersonation.
pub(super) fn impersonates(rule: &PolicyRule<'_>) -> bool {
    GRANTED.iter().filter(|grant| grant.name == "impersonation").any(|grant| granted(grant, rule).is_some())
}

/// The widest verb and resource with which a rule grants this.
pub(super) fn granted(grant: &Grant, rule: &PolicyRule<'_>) -> Option<(&'static str, &'static str)> {
    let verb = widest(grant.verbs, &rule.verbs)?;
    widest(grant.api_groups, &rule.api_groups)?;
    Some((verb, widest(grant.resources, &rule.resources)?))
}

/// The first of `granting` that is in a list.
pub(super) fn widest<'g>(granting: &[&'g str], list: &[Text<'_>]) -> Option<&'g str> {
    granting.iter().find(|word| list.iter().any(|entry| entry.as_str() == **word)).copied()
}
