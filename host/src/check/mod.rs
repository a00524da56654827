// SPDX-License-Identifier: Apache-2.0

//! The cluster's verdict on plain manifests: what `sa-hygiene check` does, as a library.
//!
//! Files → [`source`] → every object through the simulated API server and the [`policies`] ([`judge`]) → [`finding`]s,
//! each at its line → [`report`] → one of the [`format`]s; [`fix`] writes what the policies would change back.

pub mod baseline;
mod exemptions;
pub mod finding;
pub mod fix;
pub mod format;
pub mod judge;
mod merge;
mod patch;
mod place;
pub mod policies;
pub mod report;
mod scope;
pub mod source;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use rayon::iter::{IntoParallelRefIterator as _, ParallelIterator as _};
use serde_json::Value;

use crate::apiserver::ApiServer;
use crate::cluster::{Cluster, LookupBehaviour};
use crate::kubewarden::{Module, PolicyConfig};
use crate::yaml;
use judge::{Judge, Opinion};
use policies::Policies;
use report::{ObjectReport, Report};
use source::{Manifest, Sources};

/// What to judge with.
#[derive(Debug, Default)]
pub struct Options {
    /// Objects that exist besides the manifests.
    pub cluster: Vec<PathBuf>,
    /// Policies as the cluster has them; without any, one is made from `config`.
    pub policy_manifests: Vec<PathBuf>,
    /// The policy, where no manifests are given. Its cluster is filled in.
    pub config: PolicyConfig,
    /// Where an object is that does not say it.
    pub namespace: String,
    /// Whether the Pods of templates are judged, too.
    pub with_pods: bool,
}

/// The judge for these manifests: what is among them exists, and so do the objects of `cluster`.
pub fn judge(sources: &Sources, module: &Module, options: Options) -> Result<Judge> {
    let mut cluster = Cluster::load(&options.cluster)?;
    let is_partial = options.cluster.is_empty();
    for manifest in &sources.manifests {
        let mut object = manifest.object.clone();
        let is_kind = |kind: &str| manifest.text("/apiVersion") == Some("v1") && manifest.text("/kind") == Some(kind);
        if (is_kind("ServiceAccount") || is_kind("Namespace")) && manifest.text("/metadata/name").is_some() {
            if manifest.text("/metadata/namespace").is_none()
                && is_kind("ServiceAccount")
                && let Some(metadata) = object.pointer_mut("/metadata").and_then(Value::as_object_mut)
            {
                metadata.insert("namespace".to_owned(), options.namespace.as_str().into());
            }
            cluster.insert(object)?;
        }
    }
    let behaviour = if is_partial { LookupBehaviour::KnownOnly } else { LookupBehaviour::Granted };
    let cluster = Arc::new(cluster.with_behaviour(behaviour));

    let objects = sources.manifests.iter().map(|manifest| &manifest.object);
    let server = ApiServer::of_manifests(cluster.objects(), objects, &options.namespace, is_partial);
    let namespaces = cluster.objects().filter(|object| object.get("kind").and_then(Value::as_str) == Some("Namespace"));
    let namespaces = namespaces
        .filter_map(|object| Some((object.pointer("/metadata/name")?.as_str()?.to_owned(), scope::labels(object))))
        .collect();
    let policies = if options.policy_manifests.is_empty() {
        Policies::from_settings(module, PolicyConfig { cluster, ..options.config })?
    } else {
        let mut documents = Vec::new();
        for path in &options.policy_manifests {
            let files = crate::cluster::files_below(path)?;
            let read: Result<Vec<_>, _> = files.iter().map(yaml::load_file).collect();
            documents.extend(read?.into_iter().flatten());
        }
        Policies::from_manifests(module, documents, &cluster).context("policy manifests")?
    };
    Ok(Judge { policies, server, namespaces, namespace: options.namespace, with_pods: options.with_pods })
}

/// Judges every object, several at a time; `tick` is called after each.
pub fn check(sources: &Sources, judge: &Judge, tick: &(dyn Fn() + Sync)) -> Report {
    let judged: Vec<(&Manifest, Opinion)> = sources
        .manifests
        .par_iter()
        .map(|manifest| {
            let opinion = judge.judge(&manifest.object, manifest.is_live());
            tick();
            (manifest, opinion)
        })
        .collect();

    let mut report = Report { notes: judge.policies.notes.clone(), ..Report::default() };
    let (mut accounts, mut namespaces) = (BTreeSet::new(), BTreeSet::new());
    let mut exemptions: BTreeMap<(usize, usize), usize> = BTreeMap::new();
    for (number, (manifest, opinion)) in judged.into_iter().enumerate() {
        accounts.extend(opinion.unknown_account);
        namespaces.extend(opinion.unknown_namespace);
        for entry in opinion.exemptions.into_iter().collect::<BTreeSet<_>>() {
            *exemptions.entry(entry).or_default() += 1;
        }
        let mut findings = opinion.findings;
        for finding in &mut findings {
            finding.location = sources.locate(manifest, &finding.place);
        }
        findings.sort_by(|a, b| (a.location, &a.rule, &a.text).cmp(&(b.location, &b.rule, &b.text)));
        if manifest.is_live() && is_of_a_judged_controller(&manifest.object) {
            report.unlisted_pods += 1;
            report.unlisted_pods_with_findings += usize::from(!findings.is_empty());
            continue;
        }
        let mut object = ObjectReport::new(number, manifest, &judge.namespace, findings);
        if !object.findings.is_empty() {
            object.location = sources.locate(manifest, "");
        }
        report.objects.push(object);
    }
    report.notes.extend(notes(judge, &accounts, &namespaces, &exemptions));
    report.notes.iter_mut().for_each(|note| *note = finding::printable(note));
    report.documents_left_out = sources.left_out;
    report
}

/// Whether a Pod is the copy of a template that is judged where it is written.
fn is_of_a_judged_controller(object: &Value) -> bool {
    const JUDGED: [&str; 5] = ["ReplicaSet", "StatefulSet", "DaemonSet", "Job", "ReplicationController"];
    let owners = object.pointer("/metadata/ownerReferences").and_then(Value::as_array);
    object.get("kind").and_then(Value::as_str) == Some("Pod")
        && owners.into_iter().flatten().any(|owner| {
            owner.get("controller") == Some(&Value::Bool(true))
                && owner.get("kind").and_then(Value::as_str).is_some_and(|kind| JUDGED.contains(&kind))
        })
}

fn notes(
    judge: &Judge,
    accounts: &BTreeSet<String>,
    namespaces: &BTreeSet<String>,
    exemptions: &BTreeMap<(usize, usize), usize>,
) -> Vec<String> {
    let mut notes = Vec::new();
    if !accounts.is_empty() {
        let names: Vec<&str> = accounts.iter().map(String::as_str).collect();
        notes.push(format!(
            "ServiceAccounts that were looked up and are not among the manifests (add them, or name what the cluster \
             has with --cluster): {}",
            shortened(&names)
        ));
    }
    if !namespaces.is_empty() {
        let names: Vec<&str> = namespaces.iter().map(String::as_str).collect();
        notes.push(format!(
            "a namespaceSelector asks for labels of Namespaces that are not among the manifests; their objects are \
             judged as if selected: {}",
            shortened(&names)
        ));
    }
    for (number, unit) in judge.policies.units.iter().enumerate() {
        for entry in 0..exemptions::count(&unit.policy.config().settings) {
            if !exemptions.contains_key(&(number, entry)) {
                let policy = if unit.name.is_empty() { String::new() } else { format!("policy {}: ", unit.name) };
                notes.push(format!("{policy}exemptions[{entry}] matched nothing here"));
            }
        }
    }
    notes
}

/// The most names in a note.
const NAMED: usize = 20;

fn shortened(names: &[&str]) -> String {
    let mut text: String = names.iter().take(NAMED).copied().collect::<Vec<_>>().join(", ");
    if names.len() > NAMED {
        text = format!("{text} and {} more", names.len() - NAMED);
    }
    text
}

#[cfg(test)]
mod tests;
