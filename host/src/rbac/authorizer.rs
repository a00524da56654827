// SPDX-License-Identifier: Apache-2.0

//! Answers questions about permissions from roles and bindings.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use super::object::{Binding, PolicyRule};
use super::rule::Attributes;
use super::user::{ALL_ACCOUNTS, AUTHENTICATED, User, account};
use super::{Objects, aggregation, bootstrap};

/// The group whose members the API server allows to do everything, regardless of bindings.
const MASTERS: &str = "system:masters";

/// Evaluates roles and bindings.
#[derive(Debug)]
pub struct Authorizer {
    /// `ClusterRoleBindings` first, then `RoleBindings` by namespace, each by name.
    bindings: Vec<Bound>,
    by_subject: HashMap<SubjectKey, Vec<usize>>,
    /// `None` for an aggregated role whose rules are not known.
    rules: BTreeMap<RoleId, Option<Vec<PolicyRule>>>,
}

#[derive(Debug)]
struct Bound {
    id: BindingId,
    role: RoleId,
}

/// The subject of a binding. Accounts are users, as in the API server.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum SubjectKey {
    Account(String, String),
    User(String),
    Group(String),
}

/// A binding. A `ClusterRoleBinding` has no namespace.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BindingId {
    /// The namespace in which it grants its role; `None` for all namespaces.
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
}

/// A role as a binding refers to it. A `ClusterRole` has no namespace.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RoleId {
    /// `None` for a `ClusterRole`.
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
}

/// The decision about a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision<'a> {
    /// A binding allows it: the first one, cluster-wide before namespaced ones, by name.
    Allowed {
        /// The binding.
        binding: &'a BindingId,
        /// The role that it grants.
        role: &'a RoleId,
    },
    /// No binding allows it, and all roles of the user's bindings are known.
    Denied,
    /// No known role allows it, but a binding grants a role that is not known.
    Unknown {
        /// The binding.
        binding: &'a BindingId,
        /// The role that is not known.
        role: &'a RoleId,
    },
    /// The user is in `system:masters`, which is not subject to RBAC.
    Superuser,
}

/// A binding that names a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grant<'a> {
    /// The binding.
    pub binding: &'a BindingId,
    /// The role that it grants.
    pub role: &'a RoleId,
    /// The subject that matches the user.
    pub via: Via<'a>,
    /// The rules of the role; `None` if they are not known.
    pub rules: Option<&'a [PolicyRule]>,
    /// Whether it applies to every account and allows only what Kubernetes allows every client: discovery, health and questions
    /// about oneself. Then it is no evidence about the account.
    pub is_for_everybody: bool,
}

/// How a binding names a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Via<'a> {
    /// As a subject of kind `ServiceAccount`, or by the user name of an account.
    Account,
    /// As any other user.
    User,
    /// By a group that contains the user.
    Group(&'a str),
}

impl Authorizer {
    /// Prepares the objects for queries.
    pub fn new(objects: &Objects) -> Self {
        let Objects { cluster_roles, roles, bindings, .. } = objects;
        let cluster = aggregation::cluster_role_rules(cluster_roles)
            .into_iter()
            .map(|(name, rules)| (RoleId { namespace: None, name }, rules));
        let namespaced = roles.iter().map(|((namespace, name), role)| {
            (RoleId { namespace: Some(namespace.clone()), name: name.clone() }, Some(role.rules.clone()))
        });
        let mut by_subject: HashMap<SubjectKey, Vec<usize>> = HashMap::new();
        let mut bound = Vec::with_capacity(bindings.len());
        for (id, binding) in bindings {
            let Some(role) = role_of(id, binding) else { continue };
            for key in binding.subjects.iter().filter_map(|subject| SubjectKey::of(subject, id.namespace.as_deref())) {
                let indices = by_subject.entry(key).or_default();
                if indices.last() != Some(&bound.len()) {
                    indices.push(bound.len());
                }
            }
            bound.push(Bound { id: id.clone(), role });
        }
        Self { bindings: bound, by_subject, rules: cluster.chain(namespaced).collect() }
    }

    /// Whether a user may do something.
    pub fn may(&self, user: &User, attributes: &Attributes<'_>) -> Decision<'_> {
        if user.groups.iter().any(|group| group == MASTERS) {
            return Decision::Superuser;
        }
        let mut unknown = None;
        for grant in self.grants(user) {
            let binding = grant.binding;
            if binding.namespace.is_some() && binding.namespace.as_deref() != attributes.namespace() {
                continue;
            }
            match grant.rules {
                Some(rules) if rules.iter().any(|rule| rule.allows(attributes)) => {
                    return Decision::Allowed { binding, role: grant.role };
                }
                Some(_) => {}
                None => unknown = unknown.or(Some(Decision::Unknown { binding, role: grant.role })),
            }
        }
        unknown.unwrap_or(Decision::Denied)
    }

    /// The bindings that name a user, directly or by a group: `ClusterRoleBindings` first, then `RoleBindings` of all
    /// namespaces. Each binding occurs once, with the most direct subject.
    pub fn grants(&self, user: &User) -> Vec<Grant<'_>> {
        let name = match user.account() {
            Some((namespace, name)) => SubjectKey::Account(namespace.to_owned(), name.to_owned()),
            None => SubjectKey::User(user.name.clone()),
        };
        let groups = user.groups.iter().map(|group| SubjectKey::Group(group.clone()));
        let mut found = BTreeMap::new();
        for key in std::iter::once(name).chain(groups) {
            let Some((key, indices)) = self.by_subject.get_key_value(&key) else { continue };
            for index in indices {
                found.entry(*index).or_insert(key);
            }
        }
        found.into_iter().filter_map(|(index, key)| Some(self.grant(self.bindings.get(index)?, key))).collect()
    }

    fn grant<'a>(&'a self, bound: &'a Bound, key: &'a SubjectKey) -> Grant<'a> {
        let via = match key {
            SubjectKey::Account(..) => Via::Account,
            SubjectKey::User(_) => Via::User,
            SubjectKey::Group(group) => Via::Group(group),
        };
        let rules = self.rules.get(&bound.role).and_then(Option::as_deref);
        let is_for_everybody =
            matches!(via, Via::Group(ALL_ACCOUNTS | AUTHENTICATED)) && rules.is_some_and(bootstrap::is_for_everybody);
        Grant { binding: &bound.id, role: &bound.role, via, rules, is_for_everybody }
    }
}

/// The role of a binding; none if the API server would reject the reference.
fn role_of(id: &BindingId, binding: &Binding) -> Option<RoleId> {
    let name = binding.role_ref.name.clone();
    match (binding.role_ref.kind.as_str(), &id.namespace) {
        ("ClusterRole", _) => Some(RoleId { namespace: None, name }),
        ("Role", Some(namespace)) => Some(RoleId { namespace: Some(namespace.clone()), name }),
        _ => None,
    }
}

impl SubjectKey {
    /// A subject of a binding; none if it is not valid.
    fn of(subject: &super::object::Subject, binding_namespace: Option<&str>) -> Option<Self> {
        let name = subject.name.clone();
        match subject.kind.as_str() {
            "ServiceAccount" => {
                let namespace = subject.namespace.as_deref().filter(|it| !it.is_empty()).or(binding_namespace)?;
                Some(Self::Account(namespace.to_owned(), name))
            }
            "User" => Some(match account(&name) {
                Some((namespace, name)) => Self::Account(namespace.to_owned(), name.to_owned()),
                None => Self::User(name),
            }),
            "Group" => Some(Self::Group(name)),
            _ => None,
        }
    }
}

impl fmt::Display for BindingId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(f, "RoleBinding {namespace}/{}", self.name),
            None => write!(f, "ClusterRoleBinding {}", self.name),
        }
    }
}

impl fmt::Display for RoleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(f, "Role {namespace}/{}", self.name),
            None => write!(f, "ClusterRole {}", self.name),
        }
    }
}
