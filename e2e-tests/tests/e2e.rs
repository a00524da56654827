// SPDX-License-Identifier: Apache-2.0

//! All tests of the compiled policy, in one binary, so that the module is compiled only once.
//!
//! - `case::<rule>::<case>`: a case of a case file; `BLESS=1` rewrites what it expects
//! - `table::...`: the table of `pod-automount`, with every outcome of a look-up
//! - `accounts::...`: accounts and their Pods, both sent through the policy
//! - `exemptions::...`: every matcher against every kind of subject
//! - `ratchet::...`: an UPDATE of every kind that is checked
//! - `coverage::<rule>`: what no case covers yet
//! - `consistency::...`: rules, settings, documentation and cases refer to each other
//! - `docs::...`: the documentation matches the code; `BLESS=1` rewrites its generated parts
//! - `package::...`: `metadata.yml`, workflows and the demo match the policy
//! - `distribution::...`: archives, image, action and manifests of package managers agree with the version
//! - `overlay::...`: the kustomizations in `examples/` result in the objects of the single files; `BLESS=1` updates their copy
//! - `schema::...`, `questions::...`, `artifacthub::...`: files generated from the rules' declarations; `BLESS=1` rewrites them
//! - `example::<file>::<policy>::<case>`: the examples, unchanged; `BLESS=1` rewrites what they expect
//! - `kwctl::...`: what `make e2e-tests` passes to kwctl
//! - `hostile::...`: payloads that no API server sends, and what they cost
//! - `property::...`: properties of every Pod that passes through the API server, for generated Pods
//! - `budget::...`: the limits in `budgets.toml`
//! - `count::...`: the counted cost of requests; `BLESS=1` rewrites `counts.toml`

#[path = "e2e/accounts.rs"]
mod accounts;
#[path = "e2e/artifacthub.rs"]
mod artifacthub;
#[path = "e2e/cases.rs"]
mod cases;
#[path = "e2e/consistency.rs"]
mod consistency;
#[path = "e2e/counts.rs"]
mod counts;
#[path = "e2e/coverage.rs"]
mod coverage;
#[path = "e2e/distribution.rs"]
mod distribution;
#[path = "e2e/docs.rs"]
mod docs;
#[path = "e2e/evidence.rs"]
mod evidence;
#[path = "e2e/examples.rs"]
mod examples;
#[path = "e2e/exemptions.rs"]
mod exemptions;
#[path = "e2e/hostile.rs"]
mod hostile;
#[path = "e2e/invariants.rs"]
mod invariants;
#[path = "e2e/kwctl.rs"]
mod kwctl;
#[path = "e2e/later_webhooks.rs"]
mod later_webhooks;
#[path = "e2e/overlays.rs"]
mod overlays;
#[path = "e2e/package.rs"]
mod package;
#[path = "e2e/properties.rs"]
mod properties;
#[path = "e2e/questions.rs"]
mod questions;
#[path = "e2e/ratchet.rs"]
mod ratchet;
#[path = "e2e/schema.rs"]
mod schema;
#[path = "e2e/table.rs"]
mod table;

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use e2e_tests::engine::Engine;
use e2e_tests::{case_file, repository};
use libtest_mimic::{Arguments, Failed};

fn main() -> ExitCode {
    match run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<ExitCode> {
    let arguments = Arguments::from_args();
    let bless = is_set("BLESS");
    ensure!(!(bless && is_set("CI")), "BLESS rewrites what the tests expect; CI must not do that");

    let engine = Arc::new(Engine::load().context("cannot load the policy")?);
    let cases = Arc::new(case_file::load_all(&repository().join("e2e-tests/cases"))?);
    let counted = Arc::default();
    let trials = [
        cases::trials(&cases, &engine, bless),
        table::trials(&engine),
        accounts::trials(&engine),
        evidence::trials(&engine),
        exemptions::trials(&engine),
        ratchet::trials(&engine),
        // While blessing, `cases` still contains the old expectations.
        if bless { Vec::new() } else { coverage::trials(&cases) },
        consistency::trials(&cases, &engine),
        docs::trials(&engine, bless),
        package::trials(),
        overlays::trials(bless),
        distribution::trials(),
        schema::trials(&cases, &engine, bless),
        questions::trials(&engine, bless),
        artifacthub::trials(bless),
        examples::trials(&engine, bless)?,
        kwctl::trials(&engine),
        hostile::trials(&counted),
        properties::trials(&engine),
        later_webhooks::trials(&engine),
        counts::trials(&engine, &counted, bless),
    ];
    Ok(libtest_mimic::run(&arguments, trials.into_iter().flatten().collect()).exit_code())
}

fn is_set(variable: &str) -> bool {
    std::env::var_os(variable).is_some_and(|value| !value.is_empty() && value != "0")
}

/// A failed trial, with the whole chain of causes.
fn failed(error: impl Into<anyhow::Error>) -> Failed {
    format!("{:#}", error.into()).into()
}
