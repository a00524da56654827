// SPDX-License-Identifier: Apache-2.0

//! The simple parts of a report.

use std::collections::{BTreeMap, BTreeSet};

use policy_host::rbac::{Grant, Via};

use super::Options;
use super::words::time;
use crate::log::{Format, Log, Scope};
use crate::recommend::Recommendation;
use crate::report::{Action, Binding, Calls, Cluster, LogFile, LogInfo, Namespace, NotRead, Summary, Token};
use crate::snapshot::{Kind, Snapshot};
use crate::usage;
use crate::window::{Subject, Window};
use crate::workload::{Group, Why};

/// The maximum number of Pods that are named.
const NAMED_PODS: usize = 5;

pub(super) fn binding(grant: &Grant<'_>) -> Binding {
    Binding {
        kind: if grant.binding.namespace.is_some() { "RoleBinding" } else { "ClusterRoleBinding" },
        namespace: grant.binding.namespace.clone(),
        name: grant.binding.name.clone(),
        role: grant.role.to_string(),
        group: match grant.via {
            Via::Group(group) => Some(group.to_owned()),
            Via::Account | Via::User => None,
        },
    }
}

pub(super) fn report_token(group: &Group, legacy_secrets: Vec<String>) -> Token {
    let holding = &group.token;
    let pods = if holding.is_prediction { "its Pods will get a token" } else { "token mounted" };
    let mut why = Vec::new();
    match holding.automatic {
        Some(Why::Unset) => why.push(format!("{pods}: automountServiceAccountToken is unset")),
        Some(Why::Account) => why.push(format!("{pods}: set by the ServiceAccount")),
        Some(Why::Pod) => why.push(format!("{pods}: set by the Pod")),
        None => {}
    }
    why.extend(holding.volumes.iter().map(|volume| format!("token in the volume {volume}")));
    why.extend(legacy_secrets.iter().map(|secret| format!("Secret {secret} never expires")));
    Token {
        is_automatic: holding.automatic.is_some(),
        held: holding.has_token() || !legacy_secrets.is_empty(),
        why,
        volumes: holding.volumes.iter().cloned().collect(),
        legacy_secrets,
        is_prediction: holding.is_prediction,
    }
}

pub(super) fn report_calls(calls: &usage::Calls) -> Calls {
    let mut actions: BTreeMap<(String, Scope), (BTreeSet<&str>, u64, u64)> = BTreeMap::new();
    for (action, count) in &calls.actions {
        let resource = if action.group.is_empty() {
            action.resource.clone()
        } else {
            match action.resource.split_once('/') {
                Some((resource, subresource)) => format!("{resource}.{}/{subresource}", action.group),
                None => format!("{}.{}", action.resource, action.group),
            }
        };
        let (verbs, calls, denied) = actions.entry((resource, action.scope)).or_default();
        verbs.insert(&action.verb);
        *calls += count.calls;
        *denied += count.denied;
    }
    let mut actions: Vec<Action> = actions
        .into_iter()
        .map(|((resource, scope), (verbs, calls, denied))| Action {
            verbs: verbs.into_iter().map(str::to_owned).collect(),
            resource,
            scope: match scope {
                Scope::OwnNamespace => "own namespace",
                Scope::OtherNamespace => "other namespaces",
                Scope::Cluster => "cluster",
                Scope::Path => "path",
            },
            calls,
            denied,
        })
        .collect();
    actions.sort_by(|one, other| other.calls.cmp(&one.calls).then_with(|| one.resource.cmp(&other.resource)));
    Calls {
        calls: calls.count.calls,
        denied: calls.count.denied,
        first: calls.count.first.map(time),
        last: calls.count.last.map(time),
        pods: calls.pods.len(),
        pod_names: calls.pods.iter().take(NAMED_PODS).cloned().collect(),
        actions,
    }
}

pub(super) fn cluster(snapshot: &Snapshot, options: &Options, namespaces: usize) -> Cluster {
    let not_read = |only_elsewhere: bool| {
        move |(kind, why): (&Kind, &String)| NotRead {
            resource: kind.plural().to_owned(),
            why: why.clone(),
            only_elsewhere,
        }
    };
    let elsewhere = snapshot.unread_elsewhere.iter().map(not_read(true));
    Cluster {
        namespace: options.namespace.clone(),
        namespaces,
        accounts: snapshot.accounts.len(),
        pods: snapshot.pods.values().filter(|pod| !pod.is_finished).count(),
        token_secrets: snapshot.token_secrets.is_some(),
        not_read: snapshot.unread.iter().map(not_read(false)).chain(elsewhere).collect(),
        unreadable_objects: snapshot.broken.clone(),
    }
}

pub(super) fn log_info(log: &Log, window: &Window, options: &Options) -> LogInfo {
    let seen = &log.usage.seen;
    let format = |format: &Format| match format {
        Format::ApiServer => "API server",
        Format::CloudWatch => "EKS (CloudWatch)",
        Format::AzureMonitor => "AKS (Azure Monitor)",
        Format::CloudLogging => "GKE (Cloud Logging)",
    };
    LogInfo {
        files: log
            .files
            .iter()
            .map(|file| LogFile {
                name: file.name.clone(),
                has_events: file.has_events,
                is_cut_off: file.is_cut_off,
                error: file.error.clone(),
            })
            .collect(),
        formats: seen.formats.iter().map(|it| format(it).to_owned()).collect(),
        complete: options.is_complete,
        first: seen.first.map(time),
        last: seen.last.map(time),
        covered_seconds: window.covered,
        gaps: window.gaps.iter().map(|(start, end)| [time(*start), time(*end)]).collect(),
        inconclusive: window.shows_absence(Subject::default()).err(),
        records: seen.records,
        account_calls: seen.account_events,
        account_reads: seen.account_reads,
        with_pod: seen.with_pod,
        other_calls: seen.other_events,
        others: log.usage.other_accounts.calls,
        broken: seen.broken,
        oversized: seen.oversized,
        foreign: seen.foreign,
    }
}

pub(super) fn summary(namespaces: &[Namespace]) -> Summary {
    let mut summary = Summary::default();
    for recommendation in Recommendation::ALL {
        summary.recommendations.insert(recommendation.word(), 0);
    }
    for namespace in namespaces {
        for row in namespace.rows() {
            *summary.recommendations.entry(row.recommendation().word()).or_default() += 1;
        }
        for account in &namespace.accounts {
            let holding = || account.workloads.iter().filter(|it| it.token.held);
            summary.pods_with_token += holding().map(|it| it.pods).sum::<usize>();
            summary.accounts_with_token += usize::from(holding().next().is_some());
            summary.accounts_bound += usize::from(!account.bindings.is_empty());
            summary.accounts_with_identity += usize::from(!account.identities.is_empty());
            summary.legacy_tokens += account.legacy_tokens.len();
        }
    }
    summary
}
