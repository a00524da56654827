// SPDX-License-Identifier: Apache-2.0

//! The options of a check: the arguments, and the configuration file for what they do not set.

use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow, bail};
use policy_host::check::baseline::Baseline;
use policy_host::check::config::{Config, Output};
use policy_host::check::evaluate::Evaluator;
use policy_host::check::exclude::Excludes;
use policy_host::check::input::{InputOptions, Inputs};
use policy_host::check::report::FailOn;
use policy_host::check::selection::Selection;
use policy_host::check::settings::{self, Source};
use policy_host::check::{self, Options, index};
use policy_host::kubewarden::{Module, PolicyConfig};

use super::args::Args;

pub(super) struct Resolved<'a> {
    pub args: &'a Args,
    pub config: Config,
    pub output: Output,
    pub fail_on: FailOn,
    pub namespace: String,
    selection: Selection,
    excludes: Excludes,
}

impl<'a> Resolved<'a> {
    pub fn new(args: &'a Args) -> Result<Self> {
        let config = match &args.config {
            _ if args.no_config => Config::default(),
            Some(path) => Config::read(path)?,
            None => Config::find(args.files.iter().map(|path| args.name(path)))?,
        };
        let chosen = |given: &[String], configured: &[String]| -> Vec<String> {
            if given.is_empty() { configured.to_vec() } else { given.to_vec() }
        };
        let (select, ignore) = (chosen(&args.select, &config.select), chosen(&args.ignore, &config.ignore));
        let selection = Selection::new(&select, &ignore).map_err(|error| anyhow!(error))?;
        let mut excludes = Excludes::default();
        if let Some(folder) = config.path.as_deref().and_then(Path::parent) {
            excludes.add(if folder.as_os_str().is_empty() { Path::new(".") } else { folder }, &config.exclude)?;
        }
        excludes.add(Path::new("."), &args.exclude)?;
        let output = args.output.or(config.output).unwrap_or_default();
        let resolved = Self {
            args,
            output,
            fail_on: args.fail_on.or(config.fail_on).unwrap_or_default(),
            namespace: args
                .namespace
                .clone()
                .or_else(|| config.namespace.clone())
                .unwrap_or_else(|| "default".to_owned()),
            selection,
            excludes,
            config,
        };
        resolved.validate()?;
        Ok(resolved)
    }

    fn validate(&self) -> Result<()> {
        let Args { fix, unsafe_fixes, diff, summary, statistics, stdin_filename, .. } = self.args;
        if *fix && self.reads_standard_input() && self.output != Output::Text {
            bail!("--fix with `-` prints the fixed text, so -o cannot be used; --diff works with both");
        }
        if *unsafe_fixes && !(*fix || *diff) {
            bail!("--unsafe-fixes needs --fix or --diff");
        }
        if *statistics && !matches!(self.output, Output::Text | Output::Json) {
            bail!("--statistics requires -o text or -o json");
        }
        if *summary && matches!(self.output, Output::Sarif | Output::Junit | Output::Github) {
            bail!("--summary requires -o text or -o json");
        }
        if stdin_filename.is_some() && !self.reads_standard_input() {
            bail!("--stdin-filename needs `-`");
        }
        Ok(())
    }

    pub fn reads_standard_input(&self) -> bool {
        self.args.files.iter().any(|path| path.as_os_str() == "-")
    }

    pub fn inputs(&self) -> Inputs {
        let options = InputOptions {
            skip_non_objects: self.args.skip_non_objects,
            max_file_size: self.args.max_file_size.saturating_mul(1 << 20),
            excludes: self.excludes.clone(),
            stdin_filename: self.args.stdin_filename.clone(),
            render: self.args.render,
            namespace: self.namespace.clone(),
        };
        Inputs::find(&self.args.files, &options)
    }

    pub fn evaluator(&self, inputs: &Inputs, module: &Module) -> Result<Evaluator> {
        let Args { policy, policy_manifest, pods, ignore_suppressions, .. } = self.args;
        let is_given = |given: &[PathBuf]| !given.is_empty();
        let has_settings = policy.settings.is_some();
        let policy_manifests = match () {
            () if is_given(policy_manifest) => policy_manifest.clone(),
            () if has_settings => Vec::new(),
            () => self.config.policy_manifests.clone(),
        };
        let cluster = if is_given(&policy.cluster) { policy.cluster.clone() } else { self.config.cluster.clone() };
        let is_builtin = policy.policy.is_none();
        let settings = if policy_manifests.is_empty() { self.settings()? } else { None };
        if let Some((settings, source)) = settings.clone().filter(|_| is_builtin) {
            settings::validate(&settings, || Some(source))?;
        }
        let config = PolicyConfig {
            settings: settings.map(|(settings, _)| settings).unwrap_or_default(),
            mode: policy.mode,
            allowed_to_mutate: !policy.no_mutate,
            ..PolicyConfig::default()
        };
        let options = Options {
            cluster,
            policy_manifests,
            config,
            namespace: self.namespace.clone(),
            with_pods: *pods,
            with_fixes: matches!(self.output, Output::Sarif | Output::Json) && !self.args.statistics,
            selection: self.selection.clone(),
            ignore_suppressions: *ignore_suppressions,
            is_builtin,
        };
        policy.in_settings(check::evaluator(index::of(inputs), module, options))
    }

    fn settings(&self) -> Result<Option<(serde_json::Value, Source)>> {
        let file = self.args.policy.settings.as_ref().or(self.config.settings_file.as_ref());
        match file {
            Some(path) => settings::read(path).map(Some),
            None => Ok(self.config.settings.clone()),
        }
    }

    pub fn baseline(&self) -> Result<Option<Baseline>> {
        // The configured baseline does not apply while a new one is written.
        let configured = self.config.baseline.as_ref().filter(|_| self.args.write_baseline.is_none());
        self.args.baseline.as_ref().or(configured).map(|path| Baseline::read(path)).transpose()
    }
}

impl Args {
    /// The path from which the configuration file is searched.
    fn name<'p>(&'p self, path: &'p Path) -> &'p Path {
        let is_standard_input = path.as_os_str() == "-";
        match &self.stdin_filename {
            Some(name) if is_standard_input => name,
            None if is_standard_input => Path::new("."),
            _ => path,
        }
    }
}
