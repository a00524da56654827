// SPDX-License-Identifier: Apache-2.0

//! `sa-hygiene bench`: prints the results of the benchmark as a table.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use comfy_table::{Cell, CellAlignment, Color};
use policy_host::bench::{Measurement, compare};
use policy_host::budgets::Budgets;
use policy_host::kubewarden::Module;

use super::embedded::EmbeddedPolicy;
use super::{Outcome, output, printer};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The policy that accepts requests without reading them: the example `accept_unread`, built for wasm32-wasip1 in release
    /// mode
    #[arg(long, value_name = "WASM")]
    baseline: PathBuf,

    /// Policy module [default: the one built into this command]
    #[arg(long, value_name = "WASM")]
    policy: Option<PathBuf>,

    /// How often each request is measured
    #[arg(long, default_value_t = 200)]
    rounds: usize,
}

pub(super) fn run(args: &Args, embedded: EmbeddedPolicy) -> Result<Outcome> {
    let budgets = Budgets::embedded()?;
    let baseline = read(&args.baseline)?;
    let policy = match &args.policy {
        Some(path) => read(path)?,
        None => embedded.module()?,
    };
    let measurements = compare(&baseline, &policy, args.rounds.max(1))?;

    let mut table =
        output::new_table(["request", "settings", "KB", "baseline µs", "policy µs", "ratio", "limit", "note"]);
    let mut over = policy.size() > budgets.module.max_bytes;
    for measurement in &measurements {
        let limit = limit(&budgets, measurement, &measurements);
        let exceeded = limit.is_some_and(|limit| measurement.ratio() > limit);
        over |= exceeded || measurement.unexpected.is_some();
        let note = match measurement.unexpected {
            Some(found) => format!("was {found:?}").to_lowercase(),
            None => String::new(),
        };
        let mut ratio = right(format!("{:.2}", measurement.ratio()));
        if exceeded {
            ratio = ratio.fg(Color::Red);
        }
        table.add_row(vec![
            Cell::new(measurement.subject),
            Cell::new(measurement.settings),
            right(measurement.bytes.div_ceil(1024).to_string()),
            right(measurement.baseline.as_micros().to_string()),
            right(measurement.policy.as_micros().to_string()),
            ratio,
            right(limit.map(|limit| format!("{limit:.2}")).unwrap_or_default()),
            Cell::new(note).fg(Color::Red),
        ]);
    }
    printer::text(&format!(
        "{}\n\nmodule: {} bytes, limit {}; medians of {} rounds, a fresh instance for each request\n",
        output::render(&table),
        policy.size(),
        budgets.module.max_bytes,
        args.rounds.max(1)
    ))?;
    Ok(if over { Outcome::SomethingRefused } else { Outcome::AllAccepted })
}

/// With default settings, the subject's own limit; with long settings, a multiple of the ratio with default settings.
fn limit(budgets: &Budgets, measurement: &Measurement, all: &[Measurement]) -> Option<f64> {
    let default = all.iter().find(|other| other.subject == measurement.subject)?;
    if default.settings == measurement.settings {
        budgets.ratio.get(measurement.subject).copied()
    } else {
        Some(default.ratio() * budgets.settings.max_ratio)
    }
}

fn right(text: String) -> Cell {
    Cell::new(text).set_alignment(CellAlignment::Right)
}

fn read(path: &Path) -> Result<Module> {
    let named = || policy_host::shown::path(path);
    Module::new(&std::fs::read(path).with_context(named)?).with_context(named)
}
