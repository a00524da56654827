// SPDX-License-Identifier: Apache-2.0

//! Limits of `budgets.toml` that can be counted.

use std::fs;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use e2e_tests::engine::Engine;
use libtest_mimic::Trial;
use serde::Deserialize;

use crate::{failed, repository};

#[derive(Deserialize)]
struct Budgets {
    module: Module,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Module {
    max_bytes: usize,
}

pub fn trials(engine: &Arc<Engine>) -> Vec<Trial> {
    let engine = Arc::clone(engine);
    vec![Trial::test("budget::module_size", move || module_size(&engine).map_err(failed))]
}

fn module_size(engine: &Engine) -> Result<()> {
    let text = fs::read_to_string(repository().join("bench/budgets.toml")).context("budgets.toml")?;
    let budgets: Budgets = toml::from_str(&text).context("budgets.toml")?;
    let (size, limit) = (engine.module_size(), budgets.module.max_bytes);
    ensure!(size <= limit, "the module has {size} bytes, {} more than budgets.toml allows", size - limit);
    Ok(())
}
