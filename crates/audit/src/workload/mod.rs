// SPDX-License-Identifier: Apache-2.0

//! Groups Pods by account and workload.

use std::collections::{BTreeMap, BTreeSet};

use super::snapshot::{Kind, PodFacts, Snapshot, WorkloadId};

/// The Pods of one workload with the same account; during a change of the account, a workload has two groups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Group {
    pub id: WorkloadId,
    pub account: String,
    /// The Pods that are running or have not started yet.
    pub running: BTreeSet<String>,
    pub token: Holding,
    /// The annotation that tells an injector to use the token.
    pub reads_token: Option<String>,
    pub created: Option<i64>,
    pub schedule: Option<String>,
    /// Whether it is suspended or scaled down.
    pub is_idle: bool,
}

/// The API tokens that Pods hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Holding {
    /// Whether the API server adds a token, and for which reason.
    pub automatic: Option<Why>,
    /// Hand-written volumes with a token.
    pub volumes: BTreeSet<String>,
    /// Secrets that containers use; some of them may contain legacy tokens.
    pub secrets: BTreeSet<String>,
    /// Whether this describes Pods that a template will create, because none is running.
    pub is_prediction: bool,
}

/// Why a Pod gets the token of its account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Why {
    /// Neither the Pod nor the account sets `automountServiceAccountToken`.
    Unset,
    /// The account sets `automountServiceAccountToken: true`.
    Account,
    /// The Pod sets it.
    Pod,
}

impl Holding {
    fn add(&mut self, facts: &PodFacts, account_says: Option<bool>, is_prediction: bool) {
        let is_mounted = if is_prediction {
            facts.tokens.automount.or(account_says).unwrap_or(true)
        } else {
            facts.tokens.is_mounted
        };
        if is_mounted {
            let why = match (facts.tokens.automount, account_says) {
                (Some(true), _) => Why::Pod,
                (_, Some(true)) => Why::Account,
                _ => Why::Unset,
            };
            self.automatic = self.automatic.max(Some(why));
        }
        self.volumes.extend(facts.tokens.by_hand.iter().cloned());
        self.secrets.extend(facts.tokens.secrets.iter().cloned());
        self.is_prediction = is_prediction;
    }

    /// Whether there is a token of the account, except legacy tokens.
    pub fn has_token(&self) -> bool {
        self.automatic.is_some() || !self.volumes.is_empty()
    }
}

/// All groups of a cluster, and the workload of each Pod (including finished ones).
pub(super) fn groups(snapshot: &Snapshot) -> (Vec<Group>, BTreeMap<(String, String), WorkloadId>) {
    let mut groups: BTreeMap<(String, WorkloadId), Group> = BTreeMap::new();
    let mut of_pods = BTreeMap::new();
    for ((namespace, name), pod) in &snapshot.pods {
        let id = workload_of(snapshot, namespace, name);
        of_pods.insert((namespace.clone(), name.clone()), id.clone());
        if pod.is_finished {
            continue;
        }
        let account_says = account_says(snapshot, namespace, &pod.facts.account);
        let group = groups
            .entry((pod.facts.account.clone(), id.clone()))
            .or_insert_with(|| Group::new(snapshot, id, &pod.facts.account));
        group.token.add(&pod.facts, account_says, false);
        group.running.insert(name.clone());
        group.reads_token = group.reads_token.take().or_else(|| pod.facts.reads_token.clone());
        if group.id.kind == Kind::Pods.name() || !snapshot.workloads.contains_key(&group.id) {
            group.created = match (group.created, pod.created) {
                (Some(one), Some(other)) => Some(one.min(other)),
                (one, other) => one.or(other),
            };
        }
    }
    for (id, workload) in &snapshot.workloads {
        let is_part = workload.owner.is_some() && is_made_by_another(&id.kind);
        // A Job without Pods is finished.
        if is_part || id.kind == Kind::Jobs.name() {
            continue;
        }
        let key = (workload.template.account.clone(), id.clone());
        if groups.contains_key(&key) {
            continue;
        }
        let mut group = Group::new(snapshot, id.clone(), &workload.template.account);
        let account_says = account_says(snapshot, &id.namespace, &workload.template.account);
        group.token.add(&workload.template, account_says, true);
        group.reads_token.clone_from(&workload.template.reads_token);
        groups.insert(key, group);
    }
    (groups.into_values().collect(), of_pods)
}

fn account_says(snapshot: &Snapshot, namespace: &str, account: &str) -> Option<bool> {
    snapshot.accounts.get(&(namespace.to_owned(), account.to_owned()))?.automount
}

/// Whether another object usually creates objects of this kind: a Deployment creates `ReplicaSets`, a `CronJob` creates Jobs,
/// and custom resources create either.
fn is_made_by_another(kind: &str) -> bool {
    kind == Kind::ReplicaSets.name() || kind == Kind::Jobs.name()
}

fn workload_of(snapshot: &Snapshot, namespace: &str, pod_name: &str) -> WorkloadId {
    let id = |kind: &str, name: &str| WorkloadId {
        namespace: namespace.to_owned(),
        kind: kind.to_owned(),
        name: name.to_owned(),
    };
    let itself = || id(Kind::Pods.name(), pod_name);
    let Some(pod) = snapshot.pods.get(&(namespace.to_owned(), pod_name.to_owned())) else { return itself() };
    let Some((kind, name)) = &pod.owner else { return itself() };
    // A static Pod belongs to its node and has no other object.
    if kind == "Node" {
        return itself();
    }
    let direct = id(kind, name);
    if !is_made_by_another(kind) {
        return direct;
    }
    match snapshot.workloads.get(&direct).map(|it| &it.owner) {
        Some(Some((kind, name))) => id(kind, name),
        Some(None) => direct,
        // The `ReplicaSet` was not read, but its name contains that of its Deployment.
        None => {
            let of_deployment = pod.template_hash.as_ref().and_then(|hash| name.strip_suffix(hash)?.strip_suffix('-'));
            of_deployment.map_or(direct, |name| id(Kind::Deployments.name(), name))
        }
    }
}

impl Group {
    fn new(snapshot: &Snapshot, id: WorkloadId, account: &str) -> Self {
        let workload = snapshot.workloads.get(&id);
        Self {
            account: account.to_owned(),
            running: BTreeSet::new(),
            token: Holding::default(),
            reads_token: None,
            created: workload.and_then(|it| it.created),
            schedule: workload.and_then(|it| it.schedule.clone()),
            is_idle: workload.is_some_and(|it| it.is_idle),
            id,
        }
    }

    /// Whether this workload may have created a Pod with this name, which no longer exists.
    pub fn may_have_made(&self, pod: &str) -> bool {
        let Some(rest) = pod.strip_prefix(self.id.name.as_str()).and_then(|rest| rest.strip_prefix('-')) else {
            return self.id.kind == Kind::Pods.name() && self.id.name == pod;
        };
        let is_random_suffix = |part: &str| part.len() == 5 && part.bytes().all(|it| it.is_ascii_alphanumeric());
        let is_hash =
            |part: &str| !part.is_empty() && part.len() <= 10 && part.bytes().all(|it| it.is_ascii_alphanumeric());
        match self.id.kind.as_str() {
            "Pod" => false,
            "StatefulSet" => rest.bytes().all(|it| it.is_ascii_digit()),
            "DaemonSet" | "ReplicaSet" | "ReplicationController" => is_random_suffix(rest),
            "Job" => rest.rsplit('-').next().is_some_and(is_random_suffix),
            "CronJob" => {
                let time = rest.split('-').next().unwrap_or_default();
                time.len() >= 8 && time.bytes().all(|it| it.is_ascii_digit())
            }
            _ => rest.split_once('-').is_some_and(|(hash, chance)| is_hash(hash) && is_random_suffix(chance)),
        }
    }
}

#[cfg(test)]
mod tests;
