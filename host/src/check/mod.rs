// SPDX-License-Identifier: Apache-2.0

//! The library behind `sa-hygiene check`: the cluster's verdict on manifests.
//!
//! [`input`] finds the files, and [`index`] collects the accounts and bindings in them. [`run`] reads the objects of each
//! document ([`source`]) and passes them through the simulated API server and the [`policies`] ([`evaluate`]). The
//! [`finding`]s, each with its line, become [`report`]s, which are printed in one of the [`format`]s. [`fix`] writes the
//! changes of the policies to the files.

pub mod baseline;
pub mod config;
mod coverage;
pub mod evaluate;
pub mod evidence;
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
pub mod suppress;
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

/// The options of a check.
#[derive(Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is an argument of the command")]
pub struct Options {
    /// Files with objects that exist in addition to the manifests.
    pub cluster: Vec<PathBuf>,
    /// Files with manifests of policies; if empty, one policy is made from `config`.
    pub policy_manifests: Vec<PathBuf>,
    /// The policy, if no policy manifests are given. [`evaluator`] sets its cluster.
    pub config: PolicyConfig,
    /// The namespace of objects without one.
    pub namespace: String,
    /// Whether the Pods of templates are also checked.
    pub with_pods: bool,
    /// Whether reports contain the fixes that `--fix` would make.
    pub with_fixes: bool,
    /// Which rules' findings are reported.
    pub selection: Selection,
    /// Whether comments that suppress findings are ignored.
    pub ignore_suppressions: bool,
    /// Whether the module is the built-in policy, so that its settings can be validated here.
    pub is_builtin: bool,
}

/// Creates the evaluator for some manifests. `index` contains the accounts, namespaces, roles and bindings in them. These exist
/// in the simulated cluster, together with the objects of `options.cluster`.
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
    let behavior = if is_partial { LookupBehavior::KnownOnly } else { LookupBehavior::Granted };
    let cluster = Arc::new(cluster.with_behavior(behavior).with_default_accounts());

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

/// Settings for files without `--cluster`. An account or role that is not in the files cannot be looked up; this is reported
/// once, and never causes a rejection.
pub fn for_files(settings: &Value) -> Value {
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

/// Whether an object is partial.
fn is_partial(part: &SourcePart<'_>, object: &Value) -> bool {
    part.file.patch_of.is_some() || coverage::is_partial(&coverage::today(object))
}

/// Adds the notes about all files to the summary.
pub fn conclude(summary: &mut Summary, inputs: &Inputs, evaluator: &Evaluator) {
    summary.excluded = inputs.excluded;
    let mut notes = evaluator.policies.notes.clone();
    let noted = &summary.noted;
    if !noted.unknown_accounts.is_empty() {
        notes.push(format!(
            "ServiceAccounts that were looked up and are not among the manifests (add them, or pass the objects of the cluster \
             with --cluster): {}",
            shortened(noted.unknown_accounts.iter())
        ));
    }
    if !noted.unknown_namespaces.is_empty() {
        notes.push(format!(
            "a namespaceSelector depends on labels of Namespaces that are not among the manifests; their objects are \
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
        notes.push(format!("`{old}` was removed from Kubernetes; its objects are checked as `{current}`"));
    }
    let patches = noted.kustomizations.iter().map(|folder| {
        let build = coverage::build_hint(Some(folder));
        format!("patches of {folder} are not checked; check the result with --render or: {build}")
    });
    notes.extend(shorten_notes(patches, "kustomizations with patches; --render checks the results"));
    let charts = inputs.hints.iter();
    let charts =
        charts.map(|hint| format!("a chart has to be rendered before it is checked, with --render or: {hint}"));
    notes.extend(shorten_notes(charts, "charts; --render checks the results"));
    let hints = summary.tally.reasons.iter().filter_map(|(reason, count)| Some((reason.hint.as_ref()?, count)));
    let hints: Vec<String> = hints.map(|(hint, count)| format!("not checked: {hint} ({count})")).collect();
    notes.extend(shorten_notes(hints.into_iter(), "like these; --render builds charts and kustomizations"));
    summary.notes = notes.iter().map(|note| shown::text(note)).collect();
}

/// Maximum number of names in a note.
const NAMED: usize = 20;

/// Maximum number of notes of one kind.
const NOTES: usize = 3;

/// The first notes of a kind, and how many more there are.
fn shorten_notes(mut notes: impl ExactSizeIterator<Item = String>, kind: &str) -> Vec<String> {
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
