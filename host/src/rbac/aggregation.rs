// SPDX-License-Identifier: Apache-2.0

//! The rules of `ClusterRoles`, including aggregated ones
//! (`pkg/controller/clusterroleaggregation/clusterroleaggregation_controller.go` of
//! <https://github.com/kubernetes/kubernetes>).

use std::collections::{BTreeMap, BTreeSet};

use super::bootstrap;
use super::object::{PolicyRule, Role};

/// The rules of each `ClusterRole`, including the built-in ones. `None` if they are not known.
///
/// An aggregated role has the rules of all roles that its selectors match, directly or through other aggregated roles. Its own
/// rules count only if it was read from a cluster, where the controller has filled them in; the controller would overwrite
/// those of a manifest. If the selectors of a manifest's role match no role here, its rules are not known.
pub(super) fn cluster_role_rules(given: &BTreeMap<String, Role>) -> BTreeMap<String, Option<Vec<PolicyRule>>> {
    let built_in = bootstrap::ROLES.iter().filter(|role| !given.contains_key(&role.metadata.name));
    let roles: BTreeMap<&str, &Role> =
        given.values().chain(built_in).map(|role| (role.metadata.name.as_str(), role)).collect();
    // Aggregated roles are few, and each is matched once against all roles.
    let parts: BTreeMap<&str, Vec<&str>> = roles
        .iter()
        .filter_map(|(name, role)| {
            Some((*name, selected(name, &role.aggregation_rule.as_ref()?.cluster_role_selectors, &roles)))
        })
        .collect();
    roles.iter().map(|(name, role)| ((*name).to_owned(), rules(name, role, &roles, &parts))).collect()
}

fn selected<'r>(
    name: &str,
    selectors: &[super::object::LabelSelector],
    roles: &BTreeMap<&'r str, &'r Role>,
) -> Vec<&'r str> {
    let is_selected = |role: &Role| selectors.iter().any(|selector| selector.selects(&role.metadata.labels));
    roles.iter().filter(|(other, role)| **other != name && is_selected(role)).map(|(other, _)| *other).collect()
}

fn rules<'r>(
    name: &'r str,
    role: &Role,
    roles: &BTreeMap<&'r str, &'r Role>,
    parts: &BTreeMap<&'r str, Vec<&'r str>>,
) -> Option<Vec<PolicyRule>> {
    let Some(direct) = parts.get(name) else { return Some(role.rules.clone()) };
    let is_live = role.metadata.uid.is_some();
    if direct.is_empty() && !is_live {
        return None;
    }
    let mut seen = BTreeSet::from([name]);
    let mut open: Vec<&str> = direct.clone();
    let mut found: BTreeSet<&str> = BTreeSet::new();
    while let Some(next) = open.pop() {
        if seen.insert(next) {
            found.insert(next);
            open.extend(parts.get(next).into_iter().flatten());
        }
    }
    let own = |name: &str| {
        let role = roles.get(name)?;
        let counts = role.aggregation_rule.is_none() || role.metadata.uid.is_some();
        counts.then_some(role.rules.as_slice())
    };
    let mut rules: Vec<PolicyRule> = Vec::new();
    let mut known = BTreeSet::new();
    for rule in own(name).into_iter().chain(found.into_iter().filter_map(own)).flatten() {
        if known.insert(rule) {
            rules.push(rule.clone());
        }
    }
    Some(rules)
}
