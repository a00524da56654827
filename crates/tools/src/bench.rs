// SPDX-License-Identifier: Apache-2.0

//! `policy-tools bench`: compares the policy with one that accepts requests without reading them.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use comfy_table::{Cell, Color};
use policy_host::cluster::Cluster;
use policy_host::kubewarden::{Evaluation, Module, Policy, PolicyConfig};
use policy_tools::budgets::Budgets;
use policy_tools::subjects::{self, Expected, Settings, Subject};

use crate::{Passed, table, timing};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The policy that accepts requests without reading them: the example `accept_unread`, built for wasm32-wasip1 in release
    /// mode
    #[arg(long, value_name = "WASM")]
    baseline: PathBuf,

    /// Policy module [default: the one built into this program]
    #[arg(long, value_name = "WASM")]
    policy: Option<PathBuf>,

    /// How often each request is measured
    #[arg(long, default_value_t = 200)]
    rounds: usize,
}

/// One row of the table.
struct Measurement {
    /// The name of the request.
    subject: &'static str,
    /// The name of the settings.
    settings: &'static str,
    /// Size of the payload, in bytes.
    bytes: usize,
    /// Median time of the policy that accepts requests without reading them.
    baseline: Duration,
    /// Median time of the policy.
    policy: Duration,
    /// What the policy did, if that was not expected.
    unexpected: Option<Expected>,
}

impl Measurement {
    /// The policy's median divided by that of the other policy.
    fn ratio(&self) -> f64 {
        self.policy.as_secs_f64() / self.baseline.as_secs_f64()
    }
}

pub fn run(args: &Args) -> Result<Passed> {
    let budgets = Budgets::embedded()?;
    let baseline = read(&args.baseline)?;
    let policy = match &args.policy {
        Some(path) => read(path)?,
        None => Module::new(policy_module::WASM)?,
    };
    let rounds = args.rounds.max(1);
    let mut measurements = Vec::new();
    for settings in subjects::settings() {
        for subject in subjects::subjects()? {
            measurements.push(measured(&baseline, &policy, &settings, &subject, rounds)?);
        }
    }

    let mut table = table::new(["request", "settings", "KB", "baseline µs", "policy µs", "ratio", "limit", "note"]);
    let mut passed = policy.size() <= budgets.module.max_bytes;
    for measurement in &measurements {
        let limit = limit(&budgets, measurement, &measurements);
        let is_over = limit.is_some_and(|limit| measurement.ratio() > limit);
        passed &= !is_over && measurement.unexpected.is_none();
        let note = match measurement.unexpected {
            Some(found) => format!("was {found:?}").to_lowercase(),
            None => String::new(),
        };
        table.add_row(vec![
            Cell::new(measurement.subject),
            Cell::new(measurement.settings),
            table::number(measurement.bytes.div_ceil(1024)),
            table::number(measurement.baseline.as_micros()),
            table::number(measurement.policy.as_micros()),
            table::limited(format!("{:.2}", measurement.ratio()), is_over),
            table::number(limit.map(|limit| format!("{limit:.2}")).unwrap_or_default()),
            Cell::new(note).fg(Color::Red),
        ]);
    }
    println!(
        "{table}\n\nmodule: {} bytes, limit {}; medians of {rounds} rounds, a new instance for each request",
        policy.size(),
        budgets.module.max_bytes,
    );
    Ok(passed)
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

fn measured(
    baseline: &Module,
    policy: &Module,
    settings: &Settings,
    subject: &Subject,
    rounds: usize,
) -> Result<Measurement> {
    let config = PolicyConfig {
        settings: settings.value.clone(),
        // Long enough that a slow machine measures instead of timing out.
        timeout: Duration::from_mins(1),
        ..PolicyConfig::default()
    };
    let unread = Policy::load(baseline, config.clone()).context("the baseline policy")?;
    let cluster = Arc::new(Cluster::from_objects(subject.account.iter().chain(&subject.grants).cloned())?);
    let config = PolicyConfig { cluster, caches_lookups: subject.caches_lookups, ..config };
    let policy = Policy::load(policy, config).context("the policy")?;
    let payload = policy.payload(&subject.request)?;
    let found = verdict(&policy.evaluate(&subject.request)?);
    let [baseline, policy] = timing::medians([&unread, &policy], "validate", &payload, rounds).context(subject.name)?;
    Ok(Measurement {
        subject: subject.name,
        settings: settings.name,
        bytes: payload.len(),
        baseline,
        policy,
        unexpected: (found != subject.expected).then_some(found),
    })
}

fn verdict(evaluation: &Evaluation) -> Expected {
    match (evaluation.response.allowed, &evaluation.response.patch) {
        (false, _) => Expected::Rejected,
        (true, Some(_)) => Expected::Fixed,
        (true, None) => Expected::Accepted,
    }
}

fn read(path: &Path) -> Result<Module> {
    let context = || path.display().to_string();
    Module::new(&std::fs::read(path).with_context(context)?).with_context(context)
}
