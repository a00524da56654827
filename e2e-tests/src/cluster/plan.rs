// SPDX-License-Identifier: Apache-2.0

//! Which cases run, under which policies, and in which order.

#![expect(clippy::indexing_slicing, reason = "of JSON values: what is missing reads as null")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use super::policies::Policy;
use crate::case::{Case, Host, Lookup, Mode, Subject};
use crate::case_file;
use crate::examples::{self, Example};
use crate::exceptions;
use crate::expectation::Verdict;

/// A case, and the policy that its request is sent to.
#[derive(Debug, Clone)]
pub struct Planned {
    /// `<rule>/<case>`, or `examples/<file>/<policy>/<case>`.
    pub name: String,
    /// The inputs.
    pub case: Case,
    /// The expected verdict.
    pub expected: Verdict,
    /// The request that the simulated API server sends to webhooks.
    pub request: Value,
    /// The index of the policy in [`Plan::policies`].
    pub policy: usize,
}

/// All cases that run, and their policies.
#[derive(Debug, Default)]
pub struct Plan {
    /// The cases; those with the same stored accounts are adjacent.
    pub cases: Vec<Planned>,
    /// The policies, each with the result of its look-ups.
    pub policies: Vec<(Policy, Lookup)>,
    /// The cases that do not run; the list of exceptions gives the reasons.
    pub exceptions: BTreeSet<String>,
}

impl Plan {
    /// Reads every case with an object, and every example.
    ///
    /// # Errors
    /// If a case or the list of exceptions cannot be read, or a case was never blessed.
    pub fn new(repository: &Path) -> Result<Self> {
        let mut plan = Self { exceptions: exceptions::names(repository)?, ..Self::default() };
        let mut by_settings = BTreeMap::new();
        for (name, case) in case_file::load_all(&repository.join("e2e-tests/cases"))? {
            let case = case.with_context(|| name.clone())?;
            // Invalid settings are rejected before a request is evaluated.
            let is_about_settings = case.expectation()?.is_some_and(|expectation| expectation.verdict().is_none());
            if matches!(case.subject, Some(Subject::Object(_)))
                && !is_about_settings
                && !plan.exceptions.contains(&name)
            {
                plan.add(&name, case, None, &mut by_settings).with_context(|| name)?;
            }
        }
        for example in examples::find_all(repository)? {
            for case in example.cases()? {
                let name = case.full_name();
                if !plan.exceptions.contains(&name) {
                    plan.add(&name, case, Some(&example), &mut by_settings).with_context(|| name)?;
                }
            }
        }
        plan.order();
        Ok(plan)
    }

    /// Keeps the cases whose name contains `part`.
    pub fn keep(&mut self, part: &str) {
        self.cases.retain(|planned| planned.name.contains(part));
    }

    fn add(
        &mut self,
        name: &str,
        case: Case,
        example: Option<&Example>,
        by_settings: &mut BTreeMap<String, usize>,
    ) -> Result<()> {
        let expectation = case.expectation()?.context("no `expect` block; `make bless` writes it")?;
        let expected = expectation.verdict().context("the settings are refused")?.clone();
        // The case with the fields that are actually sent.
        let mut sent = case.clone();
        sent.given.request.insert("dryRun".to_owned(), true.into());
        let request = sent.request()?.context("no request")?;
        let own = example.and_then(|example| Some((example, example.manifest.as_ref()?)));
        let key = match own {
            Some((example, _)) => format!("{}/{} {:?}", example.file, example.name, case.given.host.lookup),
            None => format!("{} {:?}", case.settings, case.given.host),
        };
        let policy = if let Some(index) = by_settings.get(&key) {
            *index
        } else {
            let index = self.policies.len();
            let manifest = match own {
                Some((example, manifest)) => renamed(example, manifest),
                None => manifest(index, &case),
            };
            let policy = Policy::of_manifest(&manifest)?.marked(&format!("p{index}"));
            // If the API server does not answer access reviews, it does not answer look-ups either.
            let host = &case.given.host;
            let is_unavailable = host.reviews == Lookup::Unavailable;
            self.policies.push((policy, if is_unavailable { Lookup::Unavailable } else { host.lookup }));
            by_settings.insert(key, index);
            index
        };
        if own.is_none()
            && let Some((policy, _)) = self.policies.get_mut(policy)
        {
            policy.also_ask(&request);
        }
        self.cases.push(Planned { name: name.to_owned(), case, expected, request, policy });
        Ok(())
    }

    /// Sorts the cases so that those with the same stored accounts are adjacent and few objects have to be stored again.
    fn order(&mut self) {
        let accounts = |planned: &Planned| Value::from(planned.case.cluster.clone()).to_string();
        self.cases.sort_by_cached_key(|planned| (accounts(planned), planned.name.clone()));
    }
}

/// A policy for the cases with the same settings; [`Policy::also_ask`] adds its rules.
fn manifest(index: usize, case: &Case) -> Value {
    let Host { mode, mutating, context_aware_resources, .. } = &case.given.host;
    let account = json!({"apiVersion": "v1", "kind": "ServiceAccount"});
    json!({
        "kind": "ClusterAdmissionPolicy",
        "metadata": {"name": format!("case-{index}")},
        "spec": {
            "mode": if *mode == Mode::Monitor { "monitor" } else { "protect" },
            "mutating": mutating,
            "rules": [],
            "contextAwareResources": if *context_aware_resources { vec![account] } else { vec![] },
            "settings": case.settings,
        },
    })
}

/// The manifest of an example with a unique name: several examples have the same one.
fn renamed(example: &Example, manifest: &Value) -> Value {
    let mut manifest = manifest.clone();
    manifest["metadata"]["name"] = format!("{}-{}", example.file, example.name).into();
    manifest
}
