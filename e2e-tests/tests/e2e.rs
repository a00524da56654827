// SPDX-License-Identifier: Apache-2.0

//! Everything that is tested on the compiled policy, as one binary, so that the module is compiled once.
//!
//! - `case::<rule>::<case>`: a case of a case file; `BLESS=1` rewrites what it expects
//! - `table::...`: the table of `pod-automount`, every cell under every outcome of a look-up
//! - `accounts::...`: accounts and their Pods from the beginning, both through the policy
//! - `exemptions::...`: every matcher against every kind of subject
//! - `ratchet::...`: an UPDATE of every kind that is checked
//! - `coverage::<rule>`: what no case shows yet
//! - `consistency::...`: that rules, settings, documentation and cases name each other
//! - `docs::...`: that the documentation says what the code does; `BLESS=1` rewrites its generated parts
//! - `package::...`: that `metadata.yml`, workflows and the demo fit the policy
//! - `distribution::...`: archives, image, action and manifests of package managers agree with the version
//! - `overlay::...`: that the kustomizations in `examples/` are what the single files are; `BLESS=1` renews their copy
//! - `schema::...`, `questions::...`, `artifacthub::...`: files made from the rules' declarations; `BLESS=1` rewrites them
//! - `example::<file>::<policy>::<case>`: the examples, run as they are; `BLESS=1` rewrites what they expect
//! - `kwctl::...`: what `make e2e-tests` gives to kwctl
//! - `hostile::...`: payloads that no API server sends, and what they cost
//! - `property::...`: what holds for every Pod on its way through the API server, on generated ones
//! - `budget::...`: limits of `budgets.toml`
//! - `count::...`: what requests cost, counted; `BLESS=1` rewrites `counts.toml`

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
        // What is being blessed is not what the cases expected when they were read.
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

/// A failed trial, with every cause.
fn failed(error: impl Into<anyhow::Error>) -> Failed {
    format!("{:#}", error.into()).into()
}
