// SPDX-License-Identifier: Apache-2.0

//! The policies that evaluate requests: one made from settings, or those in policy manifests.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use serde_json::{Value, json};

use super::coverage::Coverage;
use super::evidence::with_binding_check;
use super::for_files;
use super::scope::Scope;
use super::settings::{self, Source, is_policy};
use crate::cluster::Cluster;
use crate::kubewarden::{ContextAwareResource, Mode, Module, Policy, PolicyConfig};
use crate::yaml::{self, Document};

/// The names of the policy's module, regardless of its registry.
const MODULE: [&str; 2] = ["serviceaccount-hygiene", "serviceaccount_hygiene"];

/// Generous, so that a busy build machine does not affect verdicts.
const TIMEOUT: Duration = Duration::from_secs(10);

/// A policy, and which requests reach it.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a field of the manifest, or follows from some")]
pub struct PolicyUnit {
    /// The name in its manifest; empty for the policy made from settings.
    pub name: String,
    /// The policy.
    pub policy: Policy,
    /// The same policy with settings that fix everything it can, including templates, for `--fix`. Keyed by the rules that are
    /// off and by whether accounts are assumed; loaded on demand.
    fixers: Mutex<BTreeMap<FixerKey, Arc<Policy>>>,
    fixing: PolicyConfig,
    module: Module,
    /// Which requests reach it.
    pub(super) scope: Scope,
    /// Which objects it checks, according to its settings.
    pub(super) coverage: Coverage,
    /// Whether it is called before policies that only validate.
    pub(super) is_mutating: bool,
    /// Whether the audit scanner calls it.
    pub(super) is_audited: bool,
    /// Whether it changes objects; otherwise it rejects what it would change.
    pub(super) can_fix: bool,
    /// Whether its manifest has `mode: monitor`. It is then evaluated as if it were enforced.
    is_monitored: bool,
}

/// Which fixes are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fixing<'r> {
    /// The rules that are off.
    pub without: &'r BTreeSet<&'static str>,
    /// Whether unknown accounts count as accounts that do not request a token.
    pub assumes_accounts: bool,
}

/// The rules that are off in a policy for fixes, and whether it assumes accounts.
type FixerKey = (BTreeSet<&'static str>, bool);

/// The policies, mutating ones first, and notes about them.
#[derive(Debug, Default)]
pub struct Policies {
    /// In the order in which the API server calls them.
    pub units: Vec<PolicyUnit>,
    /// Notes for the report.
    pub notes: Vec<String>,
}

impl Policies {
    /// Whether any policy is in monitor mode.
    pub(super) fn has_monitored(&self) -> bool {
        self.units.iter().any(PolicyUnit::is_monitored)
    }

    /// One policy that evaluates every request. Without `--cluster` (`is_of_files`), look-ups are not required.
    pub fn from_settings(module: &Module, config: PolicyConfig, is_of_files: bool) -> Result<Self> {
        let settings = if is_of_files { for_files(&config.settings) } else { config.settings };
        let config = PolicyConfig { timeout: TIMEOUT, settings, ..config };
        let unit = PolicyUnit::load(module, String::new(), config, Scope::default(), (true, true))?;
        Ok(Self { units: vec![unit], notes: Vec::new() })
    }

    /// The policies in manifests, as `kubectl get clusteradmissionpolicies,admissionpolicies -A -o yaml` prints them. Policies
    /// with another module are skipped.
    pub fn from_manifests(
        module: &Module,
        documents: Vec<Document>,
        cluster: &Arc<Cluster>,
        is_of_files: bool,
        is_builtin: bool,
    ) -> Result<Self> {
        let mut policies = Self::default();
        let mut others = Vec::new();
        for document in yaml::flatten_lists(documents) {
            let text = |pointer: &str| document.value.pointer(pointer).and_then(Value::as_str);
            let kind = text("/kind").unwrap_or_default();
            if !is_policy(&document.value) {
                if kind.is_empty() && text("/apiVersion").is_none() && document.value.is_object() {
                    return Err(document.error("not a policy manifest; settings are given with --settings").into());
                }
                if kind == "Kustomization" {
                    let error = "a kustomization; pipe the output of `kustomize build` to `--policy-manifest -`";
                    return Err(document.error(error).into());
                }
                if kind.ends_with("AdmissionPolicyGroup") {
                    let name = text("/metadata/name").unwrap_or_default();
                    policies.notes.push(format!("{kind} {name}: policy groups are not evaluated"));
                }
                continue;
            }
            match text("/spec/module") {
                Some(module) if is_this_module(module) => {}
                Some(module) => {
                    others.push(module.to_owned());
                    continue;
                }
                None => return Err(document.error("a policy without spec.module").into()),
            }
            if is_builtin {
                let settings = document.value.pointer("/spec/settings").unwrap_or(&Value::Null);
                settings::validate(settings, || Source::of_manifest(&document))?;
            }
            let location = document.location();
            let unit =
                PolicyUnit::from_manifest(module, &document.value, cluster, is_of_files).with_context(|| location)?;
            if let Some(note) = unit.scope.note(&unit.name) {
                policies.notes.push(note);
            }
            policies.units.push(unit);
        }
        if policies.units.is_empty() {
            let found = if others.is_empty() { "none at all".to_owned() } else { others.join(", ") };
            bail!("no policy with the module serviceaccount-hygiene among the manifests; found {found}");
        }
        if !others.is_empty() {
            policies.notes.push(format!("skipped because they use another module: {}", others.join(", ")));
        }
        // The API server calls webhooks in the order of their names, mutating ones first; Kubewarden prefixes the names of the
        // policies with `clusterwide-` or `namespaced-`.
        policies.units.sort_by(|a, b| (!a.is_mutating, a.id()).cmp(&(!b.is_mutating, b.id())));
        Ok(policies)
    }
}

/// Matches `registry://ghcr.io/x/policies/serviceaccount-hygiene:v1`, also with a digest or as a file.
fn is_this_module(module: &str) -> bool {
    let name = module.rsplit('/').next().unwrap_or_default();
    let name = name.split(['@', ':']).next().unwrap_or_default();
    let name = name.strip_suffix(".wasm").unwrap_or(name);
    MODULE.contains(&name)
}

impl PolicyUnit {
    fn load(
        module: &Module,
        name: String,
        config: PolicyConfig,
        scope: Scope,
        (is_mutating, is_audited): (bool, bool),
    ) -> Result<Self> {
        let mut settings = with_binding_check(&config.settings, &config.cluster, true);
        if let Some(fields) = settings.as_object_mut() {
            fields.insert("phase".to_owned(), "mutating".into());
            // Templates that the settings ignore are not fixed either.
            if fields.get("templates").and_then(Value::as_str) != Some("ignore") {
                fields.insert("templates".to_owned(), "fix".into());
            }
        }
        let fixing = PolicyConfig { settings, mode: Mode::Protect, allowed_to_mutate: true, ..config.clone() };
        let coverage = Coverage::of(&config.settings);
        let is_validating = config.settings.get("phase").and_then(Value::as_str) == Some("validating");
        let can_fix = config.allowed_to_mutate && !is_validating;
        let is_monitored = config.mode == Mode::Monitor;
        let settings = with_binding_check(&config.settings, &config.cluster, false);
        let policy = Policy::load(module, PolicyConfig { settings, mode: Mode::Protect, ..config })?;
        policy.require_diagnostics()?;
        let (fixers, module) = (Mutex::default(), module.clone());
        Ok(Self {
            name,
            policy,
            fixers,
            fixing,
            module,
            scope,
            coverage,
            is_mutating,
            is_audited,
            can_fix,
            is_monitored,
        })
    }

    /// The policy for fixes, loaded on demand.
    pub(super) fn fixer(&self, Fixing { without, assumes_accounts }: Fixing<'_>) -> Result<Arc<Policy>> {
        let key = (without.clone(), assumes_accounts);
        let mut fixers = self.fixers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(fixer) = fixers.get(&key) {
            return Ok(fixer.clone());
        }
        let mut config = self.fixing.clone();
        if assumes_accounts {
            config.cluster = Arc::new((*config.cluster).clone().with_assumed_accounts());
        }
        if let Some(settings) = config.settings.as_object_mut() {
            let rules = settings.entry("rules").or_insert_with(|| json!({}));
            if rules.is_null() {
                *rules = json!({});
            }
            if let Some(rules) = rules.as_object_mut() {
                rules.extend(without.iter().map(|rule| ((*rule).to_owned(), "off".into())));
            }
        }
        let fixer = Arc::new(Policy::load(&self.module, config)?);
        fixers.insert(key, fixer.clone());
        Ok(fixer)
    }

    /// Whether its manifest has `mode: monitor`.
    pub(super) fn is_monitored(&self) -> bool {
        self.is_monitored
    }

    fn from_manifest(module: &Module, manifest: &Value, cluster: &Arc<Cluster>, is_of_files: bool) -> Result<Self> {
        let spec = manifest.get("spec").unwrap_or(&Value::Null);
        let name = manifest.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
        if name.is_empty() {
            bail!("a policy without metadata.name");
        }
        let is_clusterwide = manifest.get("kind").and_then(Value::as_str) == Some("ClusterAdmissionPolicy");
        let namespace = manifest.pointer("/metadata/namespace").and_then(Value::as_str).unwrap_or("default");
        let flag = |key: &str, default: bool| match spec.get(key) {
            None | Some(Value::Null) => Ok(default),
            Some(value) => value.as_bool().ok_or_else(|| anyhow!("spec.{key}: must be true or false")),
        };
        let is_mutating = flag("mutating", false)?;
        let mode = match spec.get("mode").and_then(Value::as_str) {
            None | Some("protect") => Mode::Protect,
            Some("monitor") => Mode::Monitor,
            Some(other) => bail!("spec.mode: must be protect or monitor, is {other}"),
        };
        let context_aware: Vec<ContextAwareResource> = match spec.get("contextAwareResources") {
            None | Some(Value::Null) => Vec::new(),
            Some(list) => serde_json::from_value(list.clone()).context("spec.contextAwareResources")?,
        };
        let id = if is_clusterwide { format!("clusterwide-{name}") } else { format!("namespaced-{namespace}-{name}") };
        let settings = spec.get("settings").cloned().unwrap_or(Value::Null);
        let config = PolicyConfig {
            id,
            settings: if is_of_files { for_files(&settings) } else { settings },
            mode,
            allowed_to_mutate: is_mutating,
            context_aware: context_aware.into_iter().collect(),
            cluster: cluster.clone(),
            message: spec.get("message").and_then(Value::as_str).map(str::to_owned),
            timeout: TIMEOUT,
            ..PolicyConfig::default()
        };
        let scope = Scope::read(spec, (!is_clusterwide).then_some(namespace))?;
        let audited = (is_mutating, flag("backgroundAudit", true)?);
        Self::load(module, name.to_owned(), config, scope, audited)
    }

    fn id(&self) -> &str {
        &self.policy.config().id
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("registry://ghcr.io/kubewarden/policies/serviceaccount-hygiene:v0.1.0", true)]
    #[case("ghcr.io/mirror/serviceaccount-hygiene@sha256:00", true)]
    #[case("file:///policies/serviceaccount_hygiene.wasm", true)]
    #[case("registry://ghcr.io/kubewarden/policies/pod-privileged:v1", false)]
    #[case("registry://ghcr.io/serviceaccount-hygiene/other:v1", false)]
    fn module_names(#[case] module: &str, #[case] expected: bool) {
        assert_eq!(is_this_module(module), expected);
    }
}
