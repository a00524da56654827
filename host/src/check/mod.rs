// SPDX-License-Identifier: Apache-2.0

//! The cluster's verdict on plain manifests: what `sa-hygiene check` does, as a library.
//!
//! [`input`]: files and folders → [`index`]: the accounts in them → [`run`]: each document's objects ([`source`]) through
//! the simulated API server and the [`policies`] ([`evaluate`]) → [`finding`]s, each at its line → [`report`]s, file by file
//! → one of the [`format`]s; [`fix`] writes what the policies would change back.

pub mod baseline;
pub mod config;
mod coverage;
pub mod evaluate;
pub(crate) mod evidence;
pub mod exclude;
mod exemptions;
mod field_path;
pub mod finding;
pub mod fix;
pub mod format;
pub mod index;
pub mod input;
mod kustomize;
mod merge;
mod object;
mod patch;
pub(crate) mod placeholder;
pub mod policies;
mod read;
mod render;
pub mod report;
mod run;
mod scope;
pub mod selection;
pub mod settings;
pub mod source;
pub(crate) mod suppress;
pub mod verdict;
mod write;

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use crate::apiserver::ApiServer;
use crate::cluster::{Cluster, LookupBehavior};
use crate::kubewarden::{Module, PolicyConfig};
use crate::shown;
use crate::yaml;
use evaluate::Evaluator;
use evidence::Evidence;
use input::Inputs;
use policies::Policies;
use report::Summary;
use selection::Selection;
use source::SourcePart;

use crate::json::text_at;
pub use run::run;

/// What to check with.
#[derive(Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is an argument of the command")]
pub struct Options {
    /// Objects that exist besides the manifests.
    pub cluster: Vec<PathBuf>,
    /// Policies as the cluster has them; without any, one is made from `config`.
    pub policy_manifests: Vec<PathBuf>,
    /// The policy, where no manifests are given. Its cluster is filled in.
    pub config: PolicyConfig,
    /// The namespace of objects without one.
    pub namespace: String,
    /// Whether the Pods of templates are checked, too.
    pub with_pods: bool,
    /// Whether reports have the fixes that `--fix` would make.
    pub with_fixes: bool,
    /// Which rules' findings are reported.
    pub selection: Selection,
    /// Whether comments in files suppress nothing.
    pub ignore_suppressions: bool,
    /// Whether the module is the built-in policy, so that its settings can be read here.
    pub is_builtin: bool,
}

/// The evaluator for some manifests. `index` are the accounts, namespaces, roles and bindings among them: they exist, and so
/// do the objects of `cluster`.
pub fn evaluator(index: Vec<Value>, module: &Module, options: Options) -> Result<Evaluator> {
    let mut cluster = Cluster::load(&options.cluster)?;
    let is_partial = options.cluster.is_empty();
    for mut object in index {
        let kind = object.get("kind").and_then(Value::as_str);
        let is_namespaced = matches!(kind, Some("ServiceAccount" | "Role" | "RoleBinding"));
        let own = text_at(&object, "/metadata/namespace").filter(|it| !it.is_empty());
        if is_namespaced
            && own.is_none()
            && let Some(metadata) = object.pointer_mut("/metadata").and_then(Value::as_object_mut)
        {
            metadata.insert("namespace".to_owned(), options.namespace.as_str().into());
        }
        cluster.insert(object)?;
    }
    let behaviour = if is_partial { LookupBehavior::KnownOnly } else { LookupBehavior::Granted };
    let cluster = Arc::new(cluster.with_behavior(behaviour).with_default_accounts());

    let server = ApiServer::of_known(cluster.objects(), is_partial);
    let namespaces = cluster.objects().filter(|object| object.get("kind").and_then(Value::as_str) == Some("Namespace"));
    let namespaces = namespaces
        .filter_map(|object| Some((text_at(object, "/metadata/name")?.to_owned(), scope::labels(object))))
        .collect();
    let evidence = Evidence::new(cluster.clone(), is_partial);
    let policies = if options.policy_manifests.is_empty() {
        Policies::from_settings(module, PolicyConfig { cluster, ..options.config }, is_partial)?
    } else {
        let mut documents = Vec::new();
        for path in &options.policy_manifests {
            let files = crate::cluster::files_below(path)?;
            let read: Result<Vec<_>, _> = files.iter().map(yaml::load_file).collect();
            documents.extend(read?.into_iter().flatten());
        }
        Policies::from_manifests(module, documents, &cluster, is_partial, options.is_builtin)
            .context("policy manifests")?
    };
    let Options { namespace, with_pods, with_fixes, selection, ignore_suppressions, .. } = options;
    Ok(Evaluator {
        policies,
        server,
        evidence,
        namespaces,
        namespace,
        with_pods,
        with_fixes,
        selection,
        ignore_suppressions,
    })
}

/// The settings for files alone, where an account, or a role, that is not among them cannot be looked up: that is reported
/// once, and refuses nothing.
pub(crate) fn for_files(settings: &Value) -> Value {
    let mut settings = if settings.is_null() { json!({}) } else { settings.clone() };
    let is_restricted = settings.get("profile").and_then(Value::as_str) == Some("restricted");
    if let Some(fields) = settings.as_object_mut() {
        for key in ["serviceAccountLookup", "permissionLookup"] {
            let is_required = match fields.get(key).and_then(Value::as_str) {
                None | Some("") => is_restricted,
                Some(mode) => mode == "required",
            };
            if is_required {
                fields.insert(key.to_owned(), "optional".into());
            }
        }
    }
    settings
}

/// Whether an object is only a part of one.
fn is_partial(part: &SourcePart<'_>, object: &Value) -> bool {
    part.file.patch_of.is_some() || coverage::is_partial(&coverage::today(object))
}

/// What a reader has to know about all files.
pub fn conclude(summary: &mut Summary, inputs: &Inputs, evaluator: &Evaluator) {
    summary.excluded = inputs.excluded;
    let mut notes = evaluator.policies.notes.clone();
    let noted = &summary.noted;
    if !noted.unknown_accounts.is_empty() {
        notes.push(format!(
            "ServiceAccounts that were looked up and are not among the manifests (add them, or name what the cluster \
             has with --cluster): {}",
            shortened(noted.unknown_accounts.iter())
        ));
    }
    if !noted.unknown_namespaces.is_empty() {
        notes.push(format!(
            "a namespaceSelector asks for labels of Namespaces that are not among the manifests; their objects are \
             checked as if selected: {}",
            shortened(noted.unknown_namespaces.iter())
        ));
    }
    for (number, unit) in evaluator.policies.units.iter().enumerate() {
        for entry in 0..exemptions::count(&unit.policy.config().settings) {
            if !noted.exemptions.contains(&(number, entry)) {
                let policy = if unit.name.is_empty() { String::new() } else { format!("policy {}: ", unit.name) };
                notes.push(format!("{policy}exemptions[{entry}] matched nothing here"));
            }
        }
    }
    for (old, current) in &noted.moved {
        notes.push(format!("`{old}` is gone from Kubernetes; its objects are checked as those of `{current}`"));
    }
    let patches = noted.kustomizations.iter().map(|folder| {
        let build = coverage::build_hint(Some(folder));
        format!("patches of {folder} are not checked; check the result with --render or: {build}")
    });
    notes.extend(first_ones(patches, "kustomizations with patches; --render checks the results"));
    let charts = inputs.hints.iter();
    let charts =
        charts.map(|hint| format!("a chart has to be rendered before it is checked, with --render or: {hint}"));
    notes.extend(first_ones(charts, "charts; --render checks the results"));
    let hints = summary.tally.reasons.iter().filter_map(|(reason, count)| Some((reason.hint.as_ref()?, count)));
    let hints: Vec<String> = hints.map(|(hint, count)| format!("not checked: {hint} ({count})")).collect();
    notes.extend(first_ones(hints.into_iter(), "like these; --render builds charts and kustomizations"));
    summary.notes = notes.iter().map(|note| shown::text(note)).collect();
}

/// The most names in a note.
const NAMED: usize = 20;

/// The most notes of one kind.
const NOTES: usize = 3;

/// The first notes of a kind, and how many more there are.
fn first_ones(mut notes: impl ExactSizeIterator<Item = String>, kind: &str) -> Vec<String> {
    let more = notes.len().saturating_sub(NOTES);
    let mut first: Vec<String> = notes.by_ref().take(NOTES).collect();
    if more > 0 {
        first.push(format!("{more} more {kind}"));
    }
    first
}

fn shortened<'n>(names: impl ExactSizeIterator<Item = &'n String>) -> String {
    let count = names.len();
    let mut text = names.take(NAMED).map(String::as_str).collect::<Vec<_>>().join(", ");
    if count > NAMED {
        text = format!("{text} and {} more", count - NAMED);
    }
    text
}

#[cfg(test)]
mod tests;
