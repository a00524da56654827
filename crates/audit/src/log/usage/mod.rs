// SPDX-License-Identifier: Apache-2.0

//! Counts the calls of accounts. Memory does not grow with the log: accounts of the cluster are always counted separately,
//! details up to a limit.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Mutex, PoisonError};

use hashbrown::HashTable;

use super::event::{Action, Event, Format, Found, Record, Scope};

/// The maximum number of combinations of account, Pod, verb, resource and scope that are counted separately; others are counted
/// together.
pub const MAX_KEYS: usize = 100_000;

/// The maximum number of accounts that are counted separately although they are not, or no longer, in the cluster.
const MAX_FOREIGN_ACCOUNTS: usize = 10_000;

/// The maximum number of requests whose end is awaited.
const MAX_OPEN_REQUESTS: usize = 1 << 20;

/// The maximum number of Secrets of an account that are counted separately.
const MAX_SECRETS: usize = 32;

/// The granularity at which the times of events are recorded, in seconds.
pub const HOUR: i64 = 3600;

/// A number of calls, and their times.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Count {
    /// The number of calls.
    pub calls: u64,
    /// The number of calls that were denied.
    pub denied: u64,
    /// The time of the first call, in seconds since 1970.
    pub first: Option<i64>,
    /// The time of the last call.
    pub last: Option<i64>,
}

/// The calls of one account.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Use {
    /// All calls.
    pub total: Count,
    /// The calls by Pod, verb and resource.
    pub details: BTreeMap<Detail, Count>,
    /// The calls beyond the limit for details.
    pub others: Count,
    /// The calls with legacy tokens, by Secret; the name is empty if the log does not contain it.
    pub legacy: BTreeMap<String, Count>,
}

/// What was done, and by which Pod.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Detail {
    /// `None` if the log does not contain it.
    pub pod: Option<Box<str>>,
    /// API group; empty for the core group and for paths.
    pub group: Box<str>,
    /// `pods`, `pods/log`, or the first segment of a path.
    pub resource: Box<str>,
    /// `get`, `list` ...
    pub verb: Box<str>,
    /// The scope.
    pub scope: Scope,
}

/// Information about a log that is independent of the clients.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen {
    /// The formats.
    pub formats: BTreeSet<Format>,
    /// The number of records of any kind.
    pub records: u64,
    /// The number of calls by accounts.
    pub account_events: u64,
    /// Those of them that get or list objects. Logs that contain only changes contain watches, too (`kube-audit-admin` of AKS).
    pub account_reads: u64,
    /// Those of them with the name of a Pod.
    pub with_pod: u64,
    /// Events of accounts that are followed by a later event.
    pub unfinished: u64,
    /// Calls by other clients.
    pub other_events: u64,
    /// Records that are not audit log records.
    pub foreign: u64,
    /// Records that cannot be read.
    pub broken: u64,
    /// Records that are too long.
    pub oversized: u64,
    /// Files that end in the middle of a record.
    pub cut_off: u64,
    /// The time of the first event that was parsed, in seconds since 1970.
    pub first: Option<i64>,
    /// The time of the last event.
    pub last: Option<i64>,
    /// The hours (since 1970) with events.
    pub hours: BTreeSet<i64>,
}

/// The calls of all accounts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Usage {
    /// The calls by namespace and name of the account.
    pub accounts: BTreeMap<(String, String), Use>,
    /// The calls of accounts that are not in the cluster, beyond the limit.
    pub other_accounts: Count,
    /// Information about the log itself.
    pub seen: Seen,
}

impl Count {
    /// Adds a call.
    pub fn add(&mut self, time: Option<i64>, is_denied: bool) {
        self.calls += 1;
        self.denied += u64::from(is_denied);
        self.touch(time);
    }

    /// Adds the time of another event of a call that was already counted.
    pub fn touch(&mut self, time: Option<i64>) {
        self.first = earlier(self.first, time);
        self.last = self.last.max(time);
    }

    /// Adds other counts.
    pub fn merge(&mut self, other: &Self) {
        self.calls += other.calls;
        self.denied += other.denied;
        self.first = earlier(self.first, other.first);
        self.last = self.last.max(other.last);
    }
}

fn earlier(one: Option<i64>, other: Option<i64>) -> Option<i64> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

impl Seen {
    fn at(&mut self, time: Option<i64>) {
        if let Some(time) = time {
            self.first = earlier(self.first, Some(time));
            self.last = self.last.max(Some(time));
            self.hours.insert(time.div_euclid(HOUR));
        }
    }

    fn merge(&mut self, other: Self) {
        self.formats.extend(other.formats);
        self.records += other.records;
        self.account_events += other.account_events;
        self.account_reads += other.account_reads;
        self.with_pod += other.with_pod;
        self.unfinished += other.unfinished;
        self.other_events += other.other_events;
        self.foreign += other.foreign;
        self.broken += other.broken;
        self.oversized += other.oversized;
        self.cut_off += other.cut_off;
        self.first = earlier(self.first, other.first);
        self.last = self.last.max(other.last);
        self.hours.extend(other.hours);
    }
}

/// Open requests, of which one event was seen. All workers share them, because the second event may be in another block or
/// file.
#[derive(Debug, Default)]
pub struct OpenRequests {
    hasher: RandomState,
    seen: Mutex<HashSet<u64>>,
}

impl OpenRequests {
    /// Whether this is the first event of a request.
    fn is_first(&self, id: &str) -> bool {
        let hash = self.hasher.hash_one(id);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.remove(&hash) {
            return false;
        }
        if seen.len() < MAX_OPEN_REQUESTS {
            seen.insert(hash);
        }
        true
    }
}

/// The counts of one worker.
#[derive(Debug)]
pub struct Counter<'k> {
    known: &'k BTreeSet<String>,
    open: &'k OpenRequests,
    max_keys: usize,
    hasher: RandomState,
    accounts: HashMap<String, usize>,
    foreign_accounts: usize,
    totals: Vec<Total>,
    details: HashTable<(usize, Detail, Count)>,
    other_accounts: Count,
    /// Information about the log.
    pub seen: Seen,
}

#[derive(Debug, Default)]
struct Total {
    all: Count,
    others: Count,
    legacy: BTreeMap<String, Count>,
}

impl<'k> Counter<'k> {
    /// Empty counts. `known` are the accounts of the cluster, as `namespace:name`.
    pub fn new(known: &'k BTreeSet<String>, open: &'k OpenRequests) -> Self {
        Self {
            known,
            open,
            max_keys: MAX_KEYS,
            hasher: RandomState::new(),
            accounts: HashMap::new(),
            foreign_accounts: 0,
            totals: Vec::new(),
            details: HashTable::new(),
            other_accounts: Count::default(),
            seen: Seen::default(),
        }
    }

    /// Counts a record.
    pub fn add(&mut self, found: Found<'_>) {
        self.seen.formats.extend(found.format);
        self.seen.at(found.time);
        match found.record {
            Record::Account(event) => self.add_event(&event, found.time),
            Record::Other => self.seen.other_events += 1,
            Record::Unfinished => self.seen.unfinished += 1,
            Record::Foreign => self.seen.foreign += 1,
            Record::Broken => self.seen.broken += 1,
        }
    }

    fn add_event(&mut self, event: &Event<'_>, time: Option<i64>) {
        let is_first = event.open_request.as_deref().is_none_or(|id| self.open.is_first(id));
        let count = |count: &mut Count| {
            if is_first { count.add(time, event.is_denied) } else { count.touch(time) }
        };
        if is_first {
            self.seen.account_events += 1;
            self.seen.with_pod += u64::from(event.pod.is_some());
            let reads = matches!(&*event.action.verb, "get" | "list") && event.action.scope != Scope::Path;
            self.seen.account_reads += u64::from(reads);
        }
        let Some(account) = self.account(&event.account) else { return count(&mut self.other_accounts) };
        let detail = self.detail(account, event.pod.as_deref(), &event.action);
        let is_told_apart = detail.map(count).is_some();
        let Some(total) = self.totals.get_mut(account) else { return };
        count(&mut total.all);
        if !is_told_apart {
            count(&mut total.others);
        }
        if let Some(secret) = &event.legacy_secret {
            let is_known = total.legacy.contains_key(&**secret) || total.legacy.len() < MAX_SECRETS;
            let secret = if is_known { (**secret).to_owned() } else { String::new() };
            count(total.legacy.entry(secret).or_default());
        }
    }

    fn account(&mut self, name: &str) -> Option<usize> {
        if let Some(index) = self.accounts.get(name) {
            return Some(*index);
        }
        if !self.known.contains(name) {
            if self.foreign_accounts == MAX_FOREIGN_ACCOUNTS {
                return None;
            }
            self.foreign_accounts += 1;
        }
        self.accounts.insert(name.to_owned(), self.totals.len());
        self.totals.push(Total::default());
        Some(self.totals.len() - 1)
    }

    fn detail(&mut self, account: usize, pod: Option<&str>, action: &Action<'_>) -> Option<&mut Count> {
        let hash = |account: usize, pod: Option<&str>, group: &str, resource: &str, verb: &str, scope: Scope| {
            self.hasher.hash_one((account, pod, group, resource, verb, scope))
        };
        let Action { verb, group, resource, scope } = action;
        let own = hash(account, pod, group, resource, verb, *scope);
        let is_same = |(other, detail, _): &(usize, Detail, Count)| {
            *other == account
                && *detail.verb == **verb
                && *detail.resource == **resource
                && detail.pod.as_deref() == pod
                && *detail.group == **group
                && detail.scope == *scope
        };
        if self.details.find(own, is_same).is_none() {
            if self.details.len() == self.max_keys {
                return None;
            }
            let detail = Detail {
                pod: pod.map(Into::into),
                group: (**group).into(),
                resource: (**resource).into(),
                verb: (**verb).into(),
                scope: *scope,
            };
            self.details.insert_unique(own, (account, detail, Count::default()), |(account, it, _)| {
                hash(*account, it.pod.as_deref(), &it.group, &it.resource, &it.verb, it.scope)
            });
        }
        self.details.find_mut(own, is_same).map(|(_, _, count)| count)
    }
}

impl Usage {
    /// Adds the counts of a worker.
    pub fn merge(&mut self, counter: Counter<'_>) {
        let Counter { accounts, totals, details, other_accounts, seen, max_keys, .. } = counter;
        self.seen.merge(seen);
        self.other_accounts.merge(&other_accounts);
        let names: BTreeMap<usize, (String, String)> = accounts
            .into_iter()
            .filter_map(|(name, index)| {
                name.split_once(':').map(|(namespace, name)| (index, (namespace.into(), name.into())))
            })
            .collect();
        let mut keys: usize = self.accounts.values().map(|it| it.details.len()).sum();
        for (index, total) in totals.iter().enumerate() {
            let Some(name) = names.get(&index) else { continue };
            let account = self.accounts.entry(name.clone()).or_default();
            account.total.merge(&total.all);
            account.others.merge(&total.others);
            for (secret, count) in &total.legacy {
                account.legacy.entry(secret.clone()).or_default().merge(count);
            }
        }
        for (index, detail, count) in details {
            let Some(account) = names.get(&index).and_then(|name| self.accounts.get_mut(name)) else { continue };
            if let Some(known) = account.details.get_mut(&detail) {
                known.merge(&count);
            } else if keys < max_keys {
                keys += 1;
                account.details.insert(detail, count);
            } else {
                account.others.merge(&count);
            }
        }
    }
}

#[cfg(test)]
mod tests;
