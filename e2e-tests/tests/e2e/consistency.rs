// SPDX-License-Identifier: Apache-2.0

//! Checks that the registry of rules, the settings, the documentation and the cases refer to each other.

use std::collections::BTreeSet;
use std::fs;
use std::sync::Arc;

use anyhow::Context as _;
use e2e_tests::case_file::Cases;
use e2e_tests::engine::Engine;
use e2e_tests::exceptions;
use libtest_mimic::{Failed, Trial};
use serde_json::{Map, json};
use serviceaccount_hygiene::rules::RULES;

use crate::{failed, repository};

/// Case files that do not belong to a rule.
const GENERAL: &[&str] = &["exemptions", "profiles", "requests", "settings", "templates"];

pub fn trials(cases: &Arc<Cases>, engine: &Arc<Engine>) -> Vec<Trial> {
    let (cases, engine) = (Arc::clone(cases), Arc::clone(engine));
    vec![
        Trial::test("consistency::rules_have_cases", move || rules_have_cases(&cases)),
        Trial::test("consistency::pages_have_rules", pages_have_rules),
        Trial::test("consistency::settings_know_rules", move || settings_know_rules(&engine)),
        Trial::test("consistency::cluster_exceptions", || exceptions::names(&repository()).map(|_| ()).map_err(failed)),
    ]
}

fn ids() -> BTreeSet<&'static str> {
    RULES.iter().map(|rule| rule.id).collect()
}

fn report(problems: impl IntoIterator<Item = String>) -> Result<(), Failed> {
    let problems: Vec<String> = problems.into_iter().collect();
    if problems.is_empty() { Ok(()) } else { Err(problems.join("\n").into()) }
}

fn rules_have_cases(cases: &Cases) -> Result<(), Failed> {
    let files: BTreeSet<&str> = cases.iter().map(|(name, _)| name.split('/').next().unwrap_or_default()).collect();
    let without = ids().into_iter().filter(|id| !files.contains(id));
    let without = without.map(|id| format!("add cases in e2e-tests/cases/{id}.md"));
    let unknown = files.iter().filter(|file| !ids().contains(*file) && !GENERAL.contains(file));
    let unknown = unknown.map(|file| format!("e2e-tests/cases/{file}.md: there is no such rule; rename or remove it"));
    report(without.chain(unknown))
}

/// `docs::<rule>` reports a missing page, and can create it.
fn pages_have_rules() -> Result<(), Failed> {
    let mut pages = BTreeSet::new();
    for entry in fs::read_dir(repository().join("docs/rules")).context("docs/rules").map_err(failed)? {
        let name = entry.map_err(failed)?.file_name().to_string_lossy().into_owned();
        pages.extend(name.strip_suffix(".md").map(str::to_owned));
    }
    let unknown = pages.iter().filter(|page| !ids().contains(page.as_str()) && *page != "README");
    report(unknown.map(|page| format!("docs/rules/{page}.md: there is no such rule; rename or remove it")))
}

/// The policy accepts each rule with each of its actions, and each parameter with its documented default.
fn settings_know_rules(engine: &Engine) -> Result<(), Failed> {
    let mut problems = Vec::new();
    for rule in RULES {
        for action in rule.actions() {
            let mut settings = Map::from_iter([("action".to_owned(), json!(action))]);
            for param in rule.params.iter().filter(|param| !param.default.is_empty()) {
                settings.insert(param.name.to_owned(), serde_json::from_str(param.default)?);
            }
            let answer = engine.validate_settings(&json!({"rules": {rule.id: settings}})).map_err(failed)?;
            // A rule may require other settings too; but its own settings must be accepted.
            let message = answer.message.unwrap_or_default();
            let own = format!("rules.{}.", rule.id);
            problems.extend(message.lines().filter(|line| line.contains(&own)).map(str::to_owned));
        }
    }
    report(problems)
}
