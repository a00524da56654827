// SPDX-License-Identifier: Apache-2.0

//! Assigns the calls of an account to the workloads whose Pods made them.

use std::collections::{BTreeMap, BTreeSet};

use super::log::{Count, Scope, Use};
use super::snapshot::WorkloadId;
use super::workload::Group;

/// What was done.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Action {
    pub group: String,
    pub resource: String,
    pub verb: String,
    pub scope: Scope,
}

/// Calls of the same origin.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Calls {
    pub count: Count,
    pub pods: BTreeSet<String>,
    pub actions: BTreeMap<Action, Count>,
}

/// The calls of an account, by origin.
#[derive(Debug, Clone, Default)]
pub(super) struct AccountCalls {
    /// By workload, in the order of the groups.
    pub by_group: Vec<Calls>,
    /// By Pods whose workload is unknown or no longer exists.
    pub gone: Calls,
    /// With tokens that do not belong to a Pod: those from `TokenRequest`, and those in logs that do not contain Pods. Legacy
    /// tokens are not included.
    pub without_pod: Calls,
    /// All calls.
    pub total: Calls,
    /// With legacy tokens, by Secret; the name is empty if the log does not contain it.
    pub legacy: BTreeMap<String, Count>,
    /// Whether there were too many calls to count all of them separately.
    pub is_cut: bool,
}

impl Calls {
    fn add(&mut self, action: Action, pod: Option<&str>, count: &Count) {
        self.count.merge(count);
        self.actions.entry(action).or_default().merge(count);
        if let Some(pod) = pod {
            self.pods.insert(pod.to_owned());
        }
    }

    /// Whether there are no calls.
    pub const fn is_empty(&self) -> bool {
        self.count.calls == 0
    }
}

/// Splits the calls of an account. `groups` are its workloads, and `of_pods` contains the workload of each existing Pod.
pub(super) fn split(
    namespace: &str,
    use_: &Use,
    groups: &[&Group],
    of_pods: &BTreeMap<(String, String), WorkloadId>,
) -> AccountCalls {
    let mut calls = AccountCalls {
        by_group: vec![Calls::default(); groups.len()],
        legacy: use_.legacy.clone(),
        is_cut: use_.others.calls > 0,
        ..AccountCalls::default()
    };
    let mut origins: BTreeMap<&str, Option<usize>> = BTreeMap::new();
    for (detail, count) in &use_.details {
        let action = Action {
            group: detail.group.to_string(),
            resource: detail.resource.to_string(),
            verb: detail.verb.to_string(),
            scope: detail.scope,
        };
        let pod = detail.pod.as_deref();
        let origin = match pod {
            None => &mut calls.without_pod,
            Some(pod) => {
                let origin = *origins.entry(pod).or_insert_with(|| group_of(namespace, pod, groups, of_pods));
                origin.and_then(|index| calls.by_group.get_mut(index)).unwrap_or(&mut calls.gone)
            }
        };
        origin.add(action.clone(), pod, count);
        calls.total.add(action, pod, count);
    }
    calls.total.count = use_.total;
    let legacy: u64 = use_.legacy.values().map(|count| count.calls).sum();
    calls.without_pod.count.calls = calls.without_pod.count.calls.saturating_sub(legacy);
    calls
}

fn group_of(
    namespace: &str,
    pod: &str,
    groups: &[&Group],
    of_pods: &BTreeMap<(String, String), WorkloadId>,
) -> Option<usize> {
    if let Some(id) = of_pods.get(&(namespace.to_owned(), pod.to_owned())) {
        return groups.iter().position(|group| group.id == *id);
    }
    let candidates = groups.iter().enumerate().filter(|(_, group)| group.may_have_made(pod));
    candidates.max_by_key(|(_, group)| group.id.name.len()).map(|(index, _)| index)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::Detail;
    use crate::workload::Holding;

    fn group(kind: &str, name: &str) -> Group {
        Group {
            id: WorkloadId { namespace: "shop".to_owned(), kind: kind.to_owned(), name: name.to_owned() },
            account: "a".to_owned(),
            running: BTreeSet::new(),
            token: Holding::default(),
            reads_token: None,
            created: None,
            schedule: None,
            is_idle: false,
        }
    }

    fn count(calls: u64) -> Count {
        Count { calls, denied: 0, first: Some(1), last: Some(2) }
    }

    fn detail(pod: Option<&str>) -> Detail {
        let text = |text: &str| text.into();
        let scope = Scope::OwnNamespace;
        Detail { pod: pod.map(Into::into), group: text(""), resource: text("pods"), verb: text("get"), scope }
    }

    #[test]
    fn counts_by_workload_of_pod() {
        let groups = [group("Deployment", "web"), group("Deployment", "web-api"), group("StatefulSet", "db")];
        let groups: Vec<_> = groups.iter().collect();
        let id = groups[2].id.clone();
        let of_pods = BTreeMap::from([(("shop".to_owned(), "renamed".to_owned()), id)]);
        let details = [
            (Some("web-7d4b9c8f6-x2b4c"), 1),
            (Some("web-api-7d4b9c8f6-x2b4c"), 2),
            (Some("db-11"), 4),
            (Some("renamed"), 8),
            (Some("other-7d4b9c8f6-x2b4c"), 16),
            (None, 32),
        ];
        let use_ = Use {
            total: count(63),
            details: details.map(|(pod, calls)| (detail(pod), count(calls))).into(),
            legacy: BTreeMap::from([("old".to_owned(), count(30))]),
            ..Use::default()
        };
        let split = split("shop", &use_, &groups, &of_pods);
        assert_eq!(split.by_group.iter().map(|it| it.count.calls).collect::<Vec<_>>(), [1, 2, 12]);
        assert_eq!((split.gone.count.calls, split.without_pod.count.calls, split.total.count.calls), (16, 2, 63));
        assert_eq!(split.by_group[2].pods, ["db-11", "renamed"].map(str::to_owned).into());
    }
}
