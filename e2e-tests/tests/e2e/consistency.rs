// SPDX-License-Identifier: Apache-2.0

//! That the registry, the documentation and the cases name each other.

use std::collections::BTreeSet;
use std::fs;
use std::sync::Arc;

use anyhow::Context as _;
use libtest_mimic::{Failed, Trial};
use serviceaccount_hygiene::rules::RULES;

use crate::cases::Cases;
use crate::{failed, repository};

/// Case folders that belong to no rule.
const GENERAL: &[&str] = &["core"];

pub fn trials(cases: &Arc<Cases>) -> Vec<Trial> {
    let cases = Arc::clone(cases);
    vec![
        Trial::test("consistency::rules_have_cases", move || rules_have_cases(&cases)),
        Trial::test("consistency::rules_have_pages", rules_have_pages),
        Trial::test("consistency::readme_lists_rules", readme_lists_rules),
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
    let folders: BTreeSet<&str> = cases.iter().filter_map(|(name, _)| Some(name.split_once('/')?.0)).collect();
    let without = ids().into_iter().filter(|id| !folders.contains(id));
    let without = without.map(|id| format!("add cases in e2e-tests/cases/{id}/"));
    let unknown = folders.iter().filter(|folder| !ids().contains(*folder) && !GENERAL.contains(folder));
    let unknown = unknown.map(|folder| format!("e2e-tests/cases/{folder}: there is no such rule; rename or remove it"));
    report(without.chain(unknown))
}

fn rules_have_pages() -> Result<(), Failed> {
    let mut pages = BTreeSet::new();
    for entry in fs::read_dir(repository().join("docs/rules")).context("docs/rules").map_err(failed)? {
        let name = entry.map_err(failed)?.file_name().to_string_lossy().into_owned();
        pages.extend(name.strip_suffix(".md").map(str::to_owned));
    }
    let without = ids().into_iter().filter(|id| !pages.contains(*id)).map(|id| format!("add docs/rules/{id}.md"));
    let unknown = pages.iter().filter(|page| !ids().contains(page.as_str()) && *page != "README");
    let unknown = unknown.map(|page| format!("docs/rules/{page}.md: there is no such rule; rename or remove it"));
    report(without.chain(unknown))
}

/// The table of rules has a row per rule: `| [`id`](docs/rules/id.md) | ...`.
fn readme_lists_rules() -> Result<(), Failed> {
    let readme = fs::read_to_string(repository().join("README.md")).context("README.md").map_err(failed)?;
    let rows: Vec<&str> = readme.lines().filter(|line| line.starts_with('|')).collect();
    let is_listed = |id: &str| rows.iter().any(|row| row.split('`').nth(1) == Some(id));
    report(ids().into_iter().filter(|id| !is_listed(id)).map(|id| format!("add a row for `{id}` to README.md")))
}
