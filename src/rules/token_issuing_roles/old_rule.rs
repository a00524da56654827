// SPDX-License-Identifier: Apache-2.0
//! Whether the old role already granted at least as much.

use super::grants::{AUTHENTICATION, GRANTED, Grant, MODES};
use crate::fast::names::Names;
use crate::object::rbac::PolicyRule;
use crate::object::view::Text;

/// The maximum number of old rules that a new rule is compared with. If there
/// are more, an unchanged rule still counts as old.
pub(super) const COMPARED: usize = 64;

/// A rule of the old role.
pub(super) struct OldRule<'r> {
    rule: &'r PolicyRule<'r>,
    verbs: Names<'r>,
    api_groups: Names<'r>,
    resources: Names<'r>,
    resource_names: Names<'r>,
    urls: Names<'r>,
}

impl<'r> OldRule<'r> {
    #[inline(never)]
    pub(super) fn new(rule: &'r PolicyRule<'r>) -> Self {
        let names = |list: &'r [Text<'r>]| Names::of(list.iter().map(Text::as_str));
        Self {
            rule,
            verbs: names(&rule.verbs),
            api_groups: names(&rule.api_groups),
            resources: names(&rule.resources),
            resource_names: names(&rule.resource_names),
            urls: names(&rule.non_resource_urls),
        }
    }

    /// Whether it allowed everything that a rule allows as far as this grant is
    /// concerned.
    #[inline(never)]
    pub(super) fn grants(&self, grant: &Grant, rule: &PolicyRule<'_>) -> bool {
        self.covers(
            rule,
            &|verb| grant.verbs.contains(&verb),
            &|group| grant.api_groups.contains(&group),
            &|resource| grant.resources.contains(&resource),
        )
    }

    /// Whether it covered a rule, as far as verbs, API groups and resources matter.
    #[inline(never)]
    pub(super) fn covers(
        &self,
        rule: &PolicyRule<'_>,
        verb: &dyn Fn(&str) -> bool,
        group: &dyn Fn(&str) -> bool,
        resource: &dyn Fn(&str) -> bool,
    ) -> bool {
        let has_names = self.rule.resource_names.is_empty()
            || !rule.resource_names.is_empty() && are_in(&self.resource_names, &rule.resource_names, &|_| true);
        has_names
            && are_in(&self.verbs, &rule.verbs, verb)
            && are_in(&self.api_groups, &rule.api_groups, group)
            && are_in(&self.resources, &rule.resources, resource)
            && are_in(&self.urls, &rule.non_resource_urls, &|_| true)
    }
}

/// Whether the entries of a list that matter are in another list; `*` and `*/sub`
/// are read as wildcards.
#[inline(never)]
fn are_in(known: &Names<'_>, list: &[Text<'_>], matters: &dyn Fn(&str) -> bool) -> bool {
    let is_wild = known.has("*");
    let is_in = |entry: &str| {
        known.has(entry)
            || entry.split_once('/').is_some_and(|(name, sub)| {
                // A URL begins with the slash; there, `*` is a wildcard only at the end.
                !name.is_empty() && !sub.is_empty() && known.has(&["*/", sub].concat())
            })
    };
    list.iter().map(Text::as_str).filter(|entry| matters(entry)).all(|entry| is_wild || is_in(entry))
}

/// The reach of rules of a role: their verbs, API groups and resources, as far as a
/// grant concerns them. An additional one makes a finding new, so that a role with an
/// old problem cannot grow; whatever grants nothing can be added and removed.
#[inline(never)]
pub(super) fn reach(rules: &[&PolicyRule<'_>]) -> String {
    let grants_in_group =
        |group: &str| AUTHENTICATION.contains(&group) || GRANTED.iter().any(|grant| grant.api_groups.contains(&group));
    let grants_on_resource = |resource: &str| {
        MODES.iter().any(|(_, of_mode, _)| *of_mode == resource)
            || GRANTED.iter().any(|grant| grant.resources.contains(&resource))
    };
    let mut reach = String::new();
    for rule in rules {
        push_sorted(&mut reach, &rule.verbs, &|verb| GRANTED.iter().any(|grant| grant.verbs.contains(&verb)));
        push_sorted(&mut reach, &rule.api_groups, &grants_in_group);
        push_sorted(&mut reach, &rule.resources, &grants_on_resource);
    }
    reach
}

/// Appends the entries of a list that matter, sorted, or the wildcard alone.
#[inline(never)]
pub(super) fn push_sorted(out: &mut String, list: &[Text<'_>], matters: &dyn Fn(&str) -> bool) {
    let sorted = Names::of(list.iter().map(Text::as_str)).distinct();
    let is_wild = sorted.contains(&"*");
    for entry in sorted {
        if if is_wild { entry == "*" } else { matters(entry) } {
            out.push_str(entry);
            out.push('\0');
        }
    }
    out.push('\0');
}
