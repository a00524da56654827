// SPDX-License-Identifier: Apache-2.0

//! Summarizes bindings: permissions that allow privilege escalation, and how many others there are.

use std::collections::{BTreeMap, BTreeSet};

use policy_host::rbac::{Attributes, Grant, PolicyRule, Resource, RoleId, Target};
#[cfg(feature = "schema")]
use schemars::JsonSchema;
use serde::Serialize;

use super::log::Scope;
use super::usage::Action;

/// The level of a ServiceAccount's permissions, lowest first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum Level {
    /// It has only the permissions of every client.
    #[default]
    Nothing,
    /// It may read.
    Read,
    /// It may change something.
    Write,
    /// It has permissions that lead to further permissions.
    Dangerous,
    /// `*` on everything, cluster-wide or in a namespace.
    Everything,
}

/// A permission that allows privilege escalation
/// (<https://kubernetes.io/docs/concepts/security/rbac-good-practices/#privilege-escalation-risks>).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct EscalationRisk {
    /// A description for reports.
    words: &'static str,
    verbs: &'static [&'static str],
    group: &'static str,
    /// A subresource follows a slash.
    resources: &'static [&'static str],
}

const fn risk(
    words: &'static str,
    verbs: &'static [&'static str],
    group: &'static str,
    resources: &'static [&'static str],
) -> EscalationRisk {
    EscalationRisk { words, verbs, group, resources }
}

const CHANGE: &[&str] = &["create", "update", "patch"];
const RBAC: &str = policy_host::rbac::API_GROUP;

/// The most dangerous first.
const ESCALATION_RISKS: [EscalationRisk; 15] = [
    risk("impersonate", &["impersonate"], "", &["users", "groups", "serviceaccounts"]),
    risk("grant any role", &["escalate", "bind"], RBAC, &["roles", "clusterroles"]),
    risk("issue tokens", &["create"], "", &["serviceaccounts/token"]),
    risk("read secrets", &["get", "list", "watch"], "", &["secrets"]),
    risk("run commands in pods", &["create", "get"], "", &["pods/exec", "pods/attach"]),
    risk("use kubelet APIs", &["get", "create"], "", &["nodes/proxy"]),
    risk("add containers", &["update", "patch"], "", &["pods/ephemeralcontainers"]),
    risk("create pods", &["create"], "", &["pods"]),
    risk("change workloads", CHANGE, "apps", &["deployments", "daemonsets", "statefulsets", "replicasets"]),
    risk("change jobs", CHANGE, "batch", &["jobs", "cronjobs"]),
    risk("change replication controllers", CHANGE, "", &["replicationcontrollers"]),
    risk(
        "change webhooks",
        CHANGE,
        "admissionregistration.k8s.io",
        &["mutatingwebhookconfigurations", "validatingwebhookconfigurations"],
    ),
    risk("approve certificates", &["update", "patch"], "certificates.k8s.io", &["certificatesigningrequests/approval"]),
    risk("create persistent volumes", &["create"], "", &["persistentvolumes"]),
    risk("change nodes", &["update", "patch"], "", &["nodes"]),
];

/// The number of verbs that `*` counts as: get, list, watch, create, update, patch, delete, deletecollection.
const USUAL_VERBS: usize = 8;
const USUAL_GROUPS: usize = 10;
const USUAL_RESOURCES: usize = 10;

/// The permissions of a role, independent of its bindings.
#[derive(Debug, Clone, Default)]
struct RolePermissions {
    everything: bool,
    risks: BTreeSet<usize>,
    /// Kinds that may be changed; `*` means all.
    writes: BTreeSet<String>,
    reads: BTreeSet<String>,
    /// The number of pairs of verb and resource; a wildcard counts as a typical number of them.
    pairs: usize,
}

/// The permissions of an account.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct AccountPermissions {
    pub level: Level,
    /// The permissions and their scope in words, the most dangerous first.
    pub phrases: Vec<String>,
    risks: BTreeSet<(usize, BindingScope)>,
    everything: BTreeSet<BindingScope>,
    /// The number of pairs of verb and resource; a wildcard counts as a typical number of them.
    pairs: usize,
}

/// The scope of a permission.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum BindingScope {
    Cluster,
    Namespace(String),
}

impl BindingScope {
    fn words(&self) -> String {
        match self {
            Self::Cluster => "cluster-wide".to_owned(),
            Self::Namespace(namespace) => format!("in {namespace}"),
        }
    }
}

impl RolePermissions {
    fn of(rules: &[PolicyRule]) -> Self {
        let has = |values: &[String], value: &str| values.iter().any(|it| it == value);
        let mut permissions = Self::default();
        for rule in rules {
            permissions.everything |= has(&rule.verbs, "*")
                && has(&rule.api_groups, "*")
                && has(&rule.resources, "*")
                && rule.resource_names.is_empty();
            let count = |values: &[String], usual: usize| if has(values, "*") { usual } else { values.len() };
            let groups = if has(&rule.api_groups, "*") { USUAL_GROUPS } else { 1 };
            let resources = count(&rule.resources, USUAL_RESOURCES) * groups + rule.non_resource_urls.len();
            permissions.pairs += count(&rule.verbs, USUAL_VERBS) * resources;
            let changes = rule.verbs.iter().any(|verb| !matches!(verb.as_str(), "get" | "list" | "watch" | "head"));
            let kinds = if changes { &mut permissions.writes } else { &mut permissions.reads };
            kinds.extend(rule.resources.iter().chain(&rule.non_resource_urls).cloned());
        }
        permissions.risks = (0..ESCALATION_RISKS.len())
            .filter(|index| ESCALATION_RISKS.get(*index).is_some_and(|risk| risk.is_in(rules)))
            .collect();
        permissions
    }
}

impl EscalationRisk {
    fn verb_resource_pairs(&self) -> impl Iterator<Item = (&'static str, &'static str, &'static str)> {
        let Self { verbs, resources, .. } = *self;
        resources.iter().flat_map(move |resource| {
            let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
            verbs.iter().map(move |verb| (*verb, resource, subresource))
        })
    }

    /// Whether the rules grant any part of this permission for all objects.
    fn is_in(&self, rules: &[PolicyRule]) -> bool {
        self.verb_resource_pairs().any(|(verb, resource, subresource)| {
            let target = Resource { group: self.group, resource, subresource, name: "", namespace: None };
            let attributes = Attributes { verb, target: Target::Resource(target) };
            rules.iter().any(|rule| rule.allows(&attributes))
        })
    }

    /// Whether an action used this permission.
    fn was_used(&self, action: &Action) -> bool {
        let (resource, subresource) = action.resource.split_once('/').unwrap_or((&action.resource, ""));
        action.scope != Scope::Path
            && action.group == self.group
            && self.verb_resource_pairs().any(|it| it == (action.verb.as_str(), resource, subresource))
    }
}

/// Summarizes bindings. Each role is evaluated only once for all accounts.
#[derive(Debug, Default)]
pub(super) struct PermissionCache(BTreeMap<RoleId, RolePermissions>);

impl PermissionCache {
    /// The permissions that these bindings grant.
    pub fn of(&mut self, grants: &[Grant<'_>]) -> AccountPermissions {
        let mut permissions = AccountPermissions::default();
        let (mut writes, mut reads) = (BTreeSet::new(), BTreeSet::new());
        for grant in grants {
            let Some(rules) = grant.rules else { continue };
            let role = self.0.entry(grant.role.clone()).or_insert_with(|| RolePermissions::of(rules));
            let reach = match &grant.binding.namespace {
                None => BindingScope::Cluster,
                Some(namespace) => BindingScope::Namespace(namespace.clone()),
            };
            if role.everything {
                permissions.everything.insert(reach.clone());
            }
            permissions.risks.extend(role.risks.iter().map(|risk| (*risk, reach.clone())));
            permissions.pairs += role.pairs;
            writes.extend(role.writes.iter().cloned());
            reads.extend(role.reads.iter().cloned());
        }
        permissions.level = match () {
            () if !permissions.everything.is_empty() => Level::Everything,
            () if !permissions.risks.is_empty() => Level::Dangerous,
            () if !writes.is_empty() => Level::Write,
            () if !reads.is_empty() => Level::Read,
            () => Level::Nothing,
        };
        permissions.phrases =
            permissions.everything.iter().map(|reach| format!("everything {}", reach.words())).collect();
        if !permissions.everything.contains(&BindingScope::Cluster) {
            let risks = permissions.risks.iter().filter(|(_, reach)| !permissions.everything.contains(reach));
            let words = |(risk, reach): &(usize, BindingScope)| {
                Some(format!("{} {}", ESCALATION_RISKS.get(*risk)?.words, reach.words()))
            };
            permissions.phrases.extend(risks.filter_map(words));
            // Kinds that are already mentioned are not repeated.
            let named = |kind: &String| {
                let risks = permissions.risks.iter().filter(|(_, reach)| !permissions.everything.contains(reach));
                let mut risks = risks.filter_map(|(risk, _)| ESCALATION_RISKS.get(*risk));
                risks.any(|risk| risk.resources.contains(&kind.as_str()))
            };
            writes.retain(|kind| !named(kind));
            reads.retain(|kind| !named(kind));
            permissions.phrases.extend(kinds("change", &writes));
            permissions.phrases.extend(kinds("read", &reads));
        }
        permissions
    }
}

fn kinds(what: &str, kinds: &BTreeSet<String>) -> Option<String> {
    const NAMED: usize = 3;
    match kinds.len() {
        0 => None,
        _ if kinds.contains("*") => Some(format!("{what} all resources of some API groups")),
        count if count <= NAMED => Some(format!("{what} {}", kinds.iter().cloned().collect::<Vec<_>>().join(", "))),
        count => Some(format!("{what} {count} kinds")),
    }
}

impl AccountPermissions {
    /// The permissions that go far beyond what was done, in words: dangerous permissions that were not used, or are granted
    /// cluster-wide and were used only in the account's own namespace; or at least ten times as many pairs of verb and resource
    /// as were used.
    pub fn beyond(&self, used: &[Action], own_namespace: &str) -> Option<String> {
        const FACTOR: usize = 10;
        const FEW: usize = 20;
        let own = BindingScope::Namespace(own_namespace.to_owned());
        if let Some(reach) = self.everything.iter().next() {
            return Some(format!("everything {}", reach.words()));
        }
        let unused = |(index, reach): &(usize, BindingScope)| {
            let risk = ESCALATION_RISKS.get(*index)?;
            let mut uses = used.iter().filter(|it| risk.was_used(it)).peekable();
            let is_unused = uses.peek().is_none();
            let is_local = *reach == BindingScope::Cluster && uses.all(|it| it.scope == Scope::OwnNamespace);
            (is_unused || is_local).then(|| format!("{} {}", risk.words, reach.words()))
        };
        // A permission in the account's own namespace is not listed if the account has the same one cluster-wide.
        let is_covered = |(index, reach): &&(usize, BindingScope)| {
            *reach == own && self.risks.contains(&(*index, BindingScope::Cluster))
        };
        let unused: Vec<String> = self.risks.iter().filter(|it| !is_covered(it)).filter_map(unused).collect();
        if !unused.is_empty() {
            return Some(unused.join(", "));
        }
        let pairs: BTreeSet<_> = used.iter().map(|it| (&it.verb, &it.group, &it.resource)).collect();
        let (granted, used) = (self.pairs, pairs.len());
        (granted >= FEW && granted >= FACTOR * used)
            .then(|| format!("{granted} pairs of verb and resource, {used} used"))
    }
}

#[cfg(test)]
mod tests;
