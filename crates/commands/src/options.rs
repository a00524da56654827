// SPDX-License-Identifier: Apache-2.0

//! Arguments that several subcommands share: the policy, its settings and the cluster.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use policy_host::check::settings;
use policy_host::cluster::{Cluster, LookupBehavior};
use policy_host::kubewarden::{Mode, Module, Policy, PolicyConfig};

use super::compiler;
use super::embedded::EmbeddedPolicy;

/// How the policy is set up.
#[derive(Debug, clap::Args)]
pub(super) struct PolicyArgs {
    /// File with the policy's settings [default: `{}`]
    #[arg(long, short = 's', value_name = "FILE")]
    pub(super) settings: Option<PathBuf>,

    /// Objects that exist in the cluster, for look-ups of ServiceAccounts; can be repeated.
    /// Without it, ServiceAccounts that are not in the input are unknown to the policy
    #[arg(long, value_name = "FILE_OR_DIR")]
    pub(super) cluster: Vec<PathBuf>,

    /// Policy module [default: the one built into this command]
    #[arg(long, value_name = "WASM", hide = cfg!(not(feature = "compiler")))]
    pub(super) policy: Option<PathBuf>,

    /// `mode` of the policy's manifest
    #[arg(long, value_enum, default_value_t)]
    pub(super) mode: Mode,

    /// Evaluate as with `mutating: false` in the policy's manifest
    #[arg(long)]
    pub(super) no_mutate: bool,
}

impl PolicyArgs {
    /// The objects named on the command line. Without any, objects that are not in the input are unknown, not absent.
    pub(super) fn cluster(&self) -> Result<Cluster> {
        let cluster = Cluster::load(&self.cluster)?;
        let behavior = if self.cluster.is_empty() { LookupBehavior::KnownOnly } else { LookupBehavior::Granted };
        Ok(cluster.with_behavior(behavior))
    }

    /// Loads the policy with validated settings.
    pub(super) fn load(&self, module: &Module, cluster: Cluster) -> Result<Policy> {
        let config = PolicyConfig { cluster: Arc::new(cluster), ..self.config()? };
        self.in_settings(Policy::load(module, config))
    }

    /// The configuration of the arguments, without the cluster.
    pub(super) fn config(&self) -> Result<PolicyConfig> {
        let settings = match &self.settings {
            Some(path) => {
                let (settings, source) = settings::read(path)?;
                if self.policy.is_none() {
                    settings::validate(&settings, || Some(source))?;
                }
                settings
            }
            None => serde_json::Value::Null,
        };
        Ok(PolicyConfig { settings, mode: self.mode, allowed_to_mutate: !self.no_mutate, ..PolicyConfig::default() })
    }

    /// Adds the settings file to an error.
    pub(super) fn in_settings<T>(&self, result: Result<T>) -> Result<T> {
        match &self.settings {
            Some(path) => result.with_context(|| policy_host::shown::path(path)),
            None => result,
        }
    }

    /// The module.
    pub(super) fn module(&self, embedded: EmbeddedPolicy) -> Result<Module> {
        self.compiled(|| embedded.module(), compiler::module)
    }

    /// The module for many requests in a row.
    pub(super) fn module_for_many_requests(&self, embedded: EmbeddedPolicy) -> Result<Module> {
        self.compiled(|| embedded.module_for_many_requests(), compiler::module_for_many_requests)
    }

    fn compiled(
        &self,
        embedded: impl FnOnce() -> Result<Module>,
        compile: impl FnOnce(&[u8]) -> Result<Module>,
    ) -> Result<Module> {
        match &self.policy {
            None => embedded(),
            Some(path) => {
                let named = || policy_host::shown::path(path);
                let wasm = std::fs::read(path).with_context(named)?;
                compile(&wasm).with_context(named)
            }
        }
    }
}
