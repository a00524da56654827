// SPDX-License-Identifier: Apache-2.0

//! One trial per case.

use std::sync::Arc;

use anyhow::{Result, anyhow, bail};
use e2e_tests::case::Case;
use e2e_tests::case_file::{self, Cases};
use e2e_tests::engine::Engine;
use e2e_tests::expectation::{Expectation, SettingsAnswer};
use libtest_mimic::Trial;

use crate::{failed, invariants};

pub fn trials(cases: &Arc<Cases>, engine: &Arc<Engine>, bless: bool) -> Vec<Trial> {
    let trial = |index: usize| {
        let (cases, engine) = (Arc::clone(cases), Arc::clone(engine));
        let name = cases.get(index).map(|(name, _)| name.replace('/', "::")).unwrap_or_default();
        Trial::test(format!("case::{name}"), move || match cases.get(index) {
            Some((_, Ok(case))) => run(case, &engine, bless).map_err(failed),
            Some((_, Err(error))) => Err(format!("{error:#}").into()),
            None => Ok(()),
        })
    };
    (0..cases.len()).map(trial).collect()
}

/// Runs a case, or writes what it expects.
pub fn run(case: &Case, engine: &Engine, bless: bool) -> Result<()> {
    let actual = answer(case, engine)?;
    if bless {
        if let Some(difference) = case_file::bless(case, &actual)? {
            println!("\nblessed {}, {}\n{difference}", case.location, case.full_name());
        }
        return Ok(());
    }
    match case.expectation()? {
        None => {
            bail!("{}: no `expect` block; look at what `make bless` writes, and keep it if it is right", case.location)
        }
        Some(expected) => {
            expected.compare(&actual).map_err(|difference| anyhow!("{}: another answer\n{difference}", case.location))
        }
    }
}

/// The policy's response, after checks that apply to every response.
fn answer(case: &Case, engine: &Engine) -> Result<Expectation> {
    let settings = engine.validate_settings(&case.settings)?;
    let request = case.request()?;
    let (true, Some(request)) = (settings.valid, request) else {
        return Ok(Expectation::Settings(SettingsAnswer { settings }));
    };
    let answer = engine.evaluate(&request, &case.settings, &case.cluster, &case.given.host)?;
    invariants::check(case, &request, &answer, engine)?;
    Ok(Expectation::Verdict(answer.verdict))
}
