// SPDX-License-Identifier: Apache-2.0

//! `sa-hygiene run`: the policy's response to files.

use std::path::PathBuf;

use anyhow::Result;
use policy_host::apiserver::ApiServer;
use policy_host::check::evidence::{Evidence, with_binding_check};
use policy_host::check::for_files;
use policy_host::kubewarden::{Module, Policy, PolicyConfig};
use serde_json::Value;

use super::Outcome;
use super::embedded::EmbeddedPolicy;
use super::evaluate::{Evaluated, Evaluator, Files};
use super::input::{self, Input, Subject};
use super::options::PolicyArgs;
use super::output::{self, Format};
use super::printer::{self, Stream};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Kubernetes objects or admission requests in YAML or JSON, directories with them, or `-` for the standard input.
    /// An object becomes a CREATE request, as the API server would send it; a document of `oldObject` and `object`
    /// becomes an UPDATE
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,

    #[command(flatten)]
    policy: PolicyArgs,

    /// Send objects as they are written, without the changes that the API server makes before admission
    #[arg(long)]
    raw: bool,

    /// Print only the table, without the changes and findings of each object
    #[arg(long)]
    summary: bool,

    /// Output format
    #[arg(long, short = 'o', value_enum, default_value_t)]
    output: Format,
}

pub(super) fn run(args: &Args, embedded: EmbeddedPolicy) -> Result<Outcome> {
    let inputs = input::read(&args.files)?;
    let mut cluster = args.policy.cluster()?;
    for object in inputs.iter().filter_map(existing) {
        cluster.insert(object.clone())?;
    }
    let server = ApiServer::of_known(cluster.objects(), args.policy.cluster.is_empty());
    let module = args.policy.module(embedded)?;
    let policy = args.policy.load(&module, cluster)?;

    let has_diagnostics = policy.require_diagnostics().is_ok();
    let files = if has_diagnostics { Some(for_objects(&module, policy.config(), &args.policy)?) } else { None };
    let evaluator = Evaluator { policy: &policy, files, server, raw: args.raw, has_diagnostics };
    let results: Vec<Evaluated> = inputs.iter().map(|input| evaluator.evaluate(input)).collect::<Result<_>>()?;
    match args.output {
        Format::Table if args.summary => printer::text(&output::summary(&results))?,
        Format::Table => printer::lines(&output::text(&results)?, Stream::Output)?,
        Format::Json => printer::document(&output::json(&results)?)?,
    }
    let refused = results.iter().any(|evaluated| evaluated.verdict.is_rejection());
    Ok(if refused { Outcome::SomethingRefused } else { Outcome::AllAccepted })
}

/// The policy for objects from files, with the same settings as in `check`.
fn for_objects(module: &Module, config: &PolicyConfig, args: &PolicyArgs) -> Result<Files> {
    let is_partial = args.cluster.is_empty();
    let mut settings = if is_partial { for_files(&config.settings) } else { config.settings.clone() };
    if config.cluster.has_bindings() {
        settings = with_binding_check(&settings, &config.cluster, false);
    }
    let policy = args.in_settings(Policy::load(module, PolicyConfig { settings, ..config.clone() }))?;
    Ok(Files { policy, evidence: Evidence::new(config.cluster.clone(), is_partial) })
}

/// The objects that exist before the Pods of the input are created: its ServiceAccounts, roles and bindings.
fn existing(input: &Input) -> Option<&Value> {
    const KINDS: [&str; 5] = ["ServiceAccount", "Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding"];
    match &input.subject {
        Subject::Object(object) if kind(object).is_some_and(|kind| KINDS.contains(&kind)) => {
            object.pointer("/metadata/name").is_some_and(Value::is_string).then_some(object)
        }
        _ => None,
    }
}

fn kind(object: &Value) -> Option<&str> {
    object.get("kind").and_then(Value::as_str)
}
