// SPDX-License-Identifier: Apache-2.0

//! Combines the cluster, its bindings and the log into a report.

mod parts;
mod words;

use std::collections::BTreeMap;

use policy_host::rbac::{Authorizer, Grant, User};

use super::log::{Log, Use};
use super::permissions::{AccountPermissions, PermissionCache};
use super::recommend::{Bound, Facts, Recommendation, Used, recommend};
use super::report::{
    Account, Binding, LegacyToken, Namespace, Permissions, Report, Rule, Unassigned, VERSION, Workload, weight,
};
use super::snapshot::{Kind, Snapshot, WorkloadId};
use super::usage::{self, AccountCalls};
use super::window::{Subject, Window, days};
use super::workload::{self, Group};
use parts::{binding, cluster, log_info, report_calls, report_token, summary};
pub(super) use words::number;
use words::{Words, minute, reason, times, unknown_use};

/// The account that every namespace has.
const DEFAULT: &str = "default";

/// The options of the user.
#[derive(Debug, Clone)]
pub struct Options {
    /// How much time a log has to cover before a token counts as unused, in seconds.
    pub window_seconds: i64,
    /// Whether the logs of all API servers are present.
    pub is_complete: bool,
    /// The only namespace that was read.
    pub namespace: Option<String>,
}

/// Creates the report.
pub fn build(snapshot: &Snapshot, log: Option<&Log>, options: &Options) -> Report {
    let window = Window::new(log, options.window_seconds);
    let (groups, of_pods) = workload::groups(snapshot);
    let mut by_account: BTreeMap<(&str, &str), Vec<&Group>> = BTreeMap::new();
    for group in &groups {
        by_account.entry((&group.id.namespace, &group.account)).or_default().push(group);
    }
    for (namespace, name) in snapshot.accounts.keys() {
        by_account.entry((namespace, name)).or_default();
    }
    // Deleted accounts are not in the report; only the totals contain their calls.
    let mut builder = Builder {
        snapshot,
        log,
        options,
        window,
        of_pods,
        authorizer: Authorizer::new(&snapshot.rbac),
        permissions: PermissionCache::default(),
        roles: BTreeMap::new(),
        legacy_names: BTreeMap::new(),
    };
    builder.find_legacy_secrets();
    let mut namespaces: BTreeMap<&str, Vec<Account>> = BTreeMap::new();
    for ((namespace, name), groups) in by_account {
        namespaces.entry(namespace).or_default().push(builder.account(namespace, name, &groups));
    }
    let worst = |account: &Account| {
        let workloads = account.workloads.iter().map(|it| it.recommendation);
        let level = account.permissions.level;
        let own = account.has_own_row().then_some(account.recommendation);
        workloads.chain(own).map(|it| weight(it, level)).min().unwrap_or(weight(Recommendation::NoToken, level))
    };
    let mut namespaces: Vec<Namespace> = namespaces
        .into_iter()
        .map(|(name, mut accounts)| {
            accounts.sort_by_cached_key(|it| (worst(it), it.name.clone()));
            Namespace { name: name.to_owned(), accounts }
        })
        .collect();
    namespaces.sort_by_cached_key(|it| (it.accounts.first().map(worst), it.name.clone()));

    let Builder { roles, window, .. } = builder;
    let cluster = cluster(snapshot, options, namespaces.len());
    let log = log.map(|log| log_info(log, &window, options));
    Report { version: VERSION, cluster, log, summary: summary(&namespaces), namespaces, roles }
}

struct Builder<'a> {
    snapshot: &'a Snapshot,
    log: Option<&'a Log>,
    options: &'a Options,
    window: Window,
    of_pods: BTreeMap<(String, String), WorkloadId>,
    authorizer: Authorizer,
    permissions: PermissionCache,
    roles: BTreeMap<String, Option<Vec<Rule>>>,
    /// The Secrets with legacy tokens of each namespace, with their accounts where these are known.
    legacy_names: BTreeMap<&'a str, BTreeMap<&'a str, Option<&'a str>>>,
}

/// What all tokens of an account have in common.
struct Shared<'b> {
    namespace: &'b str,
    name: &'b str,
    bound: Bound,
    bindings: &'b [Binding],
    permissions: &'b AccountPermissions,
    calls: &'b AccountCalls,
    identities: String,
}

impl Builder<'_> {
    fn find_legacy_secrets(&mut self) {
        let secrets = self.snapshot.token_secrets.as_ref();
        for ((namespace, name), secret) in secrets.into_iter().flatten() {
            self.legacy_names.entry(namespace).or_default().insert(name, secret.account.as_deref());
        }
        for ((namespace, account), it) in &self.snapshot.accounts {
            for secret in &it.secrets {
                let generated = secret.strip_prefix(account.as_str()).is_some_and(|it| it.starts_with("-token-"));
                let known =
                    self.legacy_names.get(namespace.as_str()).is_some_and(|it| it.contains_key(secret.as_str()));
                // A listed Secret may have any type.
                if known || generated && secrets.is_none() {
                    self.legacy_names.entry(namespace).or_default().insert(secret, Some(account));
                }
            }
        }
        for ((namespace, account), use_) in self.log.into_iter().flat_map(|log| &log.usage.accounts) {
            for secret in use_.legacy.keys().filter(|it| !it.is_empty()) {
                self.legacy_names.entry(namespace).or_default().insert(secret, Some(account));
            }
        }
    }

    fn account(&mut self, namespace: &str, name: &str, groups: &[&Group]) -> Account {
        let key = (namespace.to_owned(), name.to_owned());
        let object = self.snapshot.accounts.get(&key);
        let none = Use::default();
        let use_ = self.log.map(|log| log.usage.accounts.get(&key).unwrap_or(&none));
        let calls = usage::split(namespace, use_.unwrap_or(&none), groups, &self.of_pods);

        let user = User::service_account(namespace, name);
        let grants: Vec<Grant<'_>> =
            self.authorizer.grants(&user).into_iter().filter(|grant| !grant.is_for_everybody).collect();
        let permissions = self.permissions.of(&grants);
        let bindings: Vec<Binding> = grants.iter().map(binding).collect();
        for grant in &grants {
            let rules = || grant.rules.map(|rules| rules.iter().map(Rule::from).collect());
            self.roles.entry(grant.role.to_string()).or_insert_with(rules);
        }
        let bound = match () {
            () if !bindings.is_empty() => Bound::Yes,
            () if self.snapshot.knows_bindings() => Bound::No,
            () => Bound::Unknown,
        };
        let legacy_tokens = self.legacy_tokens(namespace, name, &calls);
        let identities = object.map_or(&[][..], |it| &it.identities);
        let shared = Shared {
            namespace,
            name,
            bound,
            bindings: &bindings,
            permissions: &permissions,
            calls: &calls,
            identities: identities
                .iter()
                .map(|it| format!("{}: {}", it.annotation, it.value))
                .collect::<Vec<_>>()
                .join(", "),
        };
        let mut workloads: Vec<Workload> =
            groups.iter().zip(&calls.by_group).map(|(group, calls)| self.workload(&shared, group, calls)).collect();
        workloads
            .sort_by_cached_key(|it| (weight(it.recommendation, permissions.level), it.kind.clone(), it.name.clone()));
        let (recommendation, reason) = self.of_account(&shared, groups, &legacy_tokens);
        let unassigned = Unassigned {
            by_pods_that_are_gone: calls.gone.count.calls,
            without_pod: calls.without_pod.count.calls,
            with_legacy_tokens: calls.legacy.values().map(|it| it.calls).sum(),
        };
        Account {
            name: name.to_owned(),
            exists: (!self.snapshot.unread.contains_key(&Kind::ServiceAccounts)).then_some(object.is_some()),
            automount: object.and_then(|it| it.automount),
            identities: identities.to_vec(),
            recommendation,
            reason,
            bindings_known: self.snapshot.knows_bindings(),
            permissions: Permissions { level: permissions.level, summary: permissions.phrases.clone() },
            legacy_tokens,
            calls: self.log.map(|_| report_calls(&calls.total)),
            unassigned: Some(unassigned).filter(|it| *it != Unassigned::default()),
            bindings,
            workloads,
        }
    }

    fn legacy_tokens(&self, namespace: &str, account: &str, calls: &AccountCalls) -> Vec<LegacyToken> {
        let of_namespace = self.legacy_names.get(namespace).into_iter().flatten();
        let mut tokens: Vec<LegacyToken> = of_namespace
            .filter(|(_, of)| **of == Some(account))
            .map(|(secret, _)| {
                let key = (namespace.to_owned(), (*secret).to_owned());
                let known = self.snapshot.token_secrets.as_ref().and_then(|it| it.get(&key));
                LegacyToken {
                    secret: (*secret).to_owned(),
                    last_used: known.and_then(|it| it.last_used.clone()),
                    invalid_since: known.and_then(|it| it.invalid_since.clone()),
                    calls: self.log.map(|_| calls.legacy.get(*secret).map_or(0, |it| it.calls)),
                }
            })
            .collect();
        if let Some(unnamed) = calls.legacy.get("") {
            tokens.push(LegacyToken { calls: Some(unnamed.calls), ..LegacyToken::default() });
        }
        tokens
    }

    fn workload(&self, shared: &Shared<'_>, group: &Group, own: &usage::Calls) -> Workload {
        let legacy: Vec<String> = self
            .legacy_names
            .get(group.id.namespace.as_str())
            .into_iter()
            .flat_map(BTreeMap::keys)
            .filter(|secret| group.token.secrets.contains(**secret))
            .map(|secret| (*secret).to_owned())
            .collect();
        let token = report_token(group, legacy);
        let without_pod = &shared.calls.without_pod;
        let (used, seen) = if !own.is_empty() {
            (Used::Yes, seen(own))
        } else if !without_pod.is_empty() && group.token.has_token() {
            let times = times(without_pod.count.calls);
            let last = without_pod.count.last.map(|it| format!(", last {}", minute(it))).unwrap_or_default();
            (Used::Yes, format!("its account was used {times}{last}; the log does not name the Pods"))
        } else {
            let subject =
                Subject { created: group.created, schedule: group.schedule.as_deref(), is_idle: group.is_idle };
            self.not_seen(subject, shared)
        };
        // Permissions belong to the account, so the calls of all its Pods count.
        let beyond = self.beyond(shared, used == Used::Yes);
        let facts = Facts {
            has_token: group.token.has_token(),
            has_legacy: !token.legacy_secrets.is_empty(),
            is_default: shared.name == DEFAULT,
            bound: shared.bound,
            used,
            is_too_wide: beyond.is_some(),
            used_elsewhere: group.reads_token.clone(),
        };
        let recommendation = recommend(&facts);
        let reason = reason(recommendation, &facts, shared, &Words { seen, beyond, token: &token.why, legacy: &[] });
        Workload {
            kind: group.id.kind.clone(),
            name: group.id.name.clone(),
            pods: group.running.len(),
            recommendation,
            reason,
            calls: self.log.map(|_| report_calls(own)),
            token,
        }
    }

    fn of_account(&self, shared: &Shared<'_>, groups: &[&Group], legacy: &[LegacyToken]) -> (Recommendation, String) {
        let total = &shared.calls.total;
        let created = self.snapshot.accounts.get(&(shared.namespace.to_owned(), shared.name.to_owned()));
        let subject = Subject { created: created.and_then(|it| it.created), ..Subject::default() };
        let (used, seen) = if total.is_empty() { self.not_seen(subject, shared) } else { (Used::Yes, seen(total)) };
        // One workload whose use is unknown is enough.
        let unknown = groups.iter().filter(|group| group.token.has_token()).find_map(|group| {
            let subject =
                Subject { created: group.created, schedule: group.schedule.as_deref(), is_idle: group.is_idle };
            self.window.shows_absence(subject).err()
        });
        let (used, seen) = match (used, unknown) {
            (Used::No, Some(why)) => (Used::Unknown(why.clone()), unknown_use(&why)),
            other => (other.0, seen),
        };
        let beyond = self.beyond(shared, used == Used::Yes);
        let facts = Facts {
            has_token: groups.iter().any(|group| group.token.has_token()),
            has_legacy: !legacy.is_empty(),
            is_default: shared.name == DEFAULT,
            bound: shared.bound,
            used,
            is_too_wide: beyond.is_some(),
            used_elsewhere: groups.iter().find_map(|group| group.reads_token.clone()),
        };
        let recommendation = recommend(&facts);
        let token = match () {
            () if groups.is_empty() => vec!["no Pod uses this ServiceAccount".to_owned()],
            () if !facts.has_token => vec!["no Pod holds its token".to_owned()],
            () => Vec::new(),
        };
        (recommendation, reason(recommendation, &facts, shared, &Words { seen, beyond, token: &token, legacy }))
    }

    fn not_seen(&self, subject: Subject<'_>, shared: &Shared<'_>) -> (Used, String) {
        let result = if shared.calls.is_cut {
            Err("the log contains too many different calls of this account to distinguish".to_owned())
        } else {
            self.window.shows_absence(subject)
        };
        match result {
            Ok(()) => {
                let whose = if self.options.is_complete { "" } else { " in this log" };
                (Used::No, format!("not used{whose} in {}", days(self.window.covered)))
            }
            Err(why) => {
                let seen = unknown_use(&why);
                (Used::Unknown(why), seen)
            }
        }
    }

    /// The permissions that go far beyond what the account did; none if the log cannot show that.
    fn beyond(&self, shared: &Shared<'_>, is_used: bool) -> Option<String> {
        if !is_used || shared.calls.is_cut || self.window.shows_absence(Subject::default()).is_err() {
            return None;
        }
        let actions: Vec<_> = shared.calls.total.actions.keys().cloned().collect();
        shared.permissions.beyond(&actions, shared.namespace)
    }
}

fn seen(calls: &usage::Calls) -> String {
    let by = match calls.pods.len() {
        0 => String::new(),
        1 => format!(" by {}", calls.pods.first().map_or("", String::as_str)),
        count => format!(" by {count} Pods"),
    };
    let denied =
        if calls.count.denied > 0 { format!(", {} denied", number(calls.count.denied)) } else { String::new() };
    let last = calls.count.last.map(|it| format!(", last {}", minute(it))).unwrap_or_default();
    format!("used {}{by}{last}{denied}", times(calls.count.calls))
}

#[cfg(test)]
mod tests;
