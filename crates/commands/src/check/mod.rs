// SPDX-License-Identifier: Apache-2.0

//! `sa-hygiene check`: the cluster's verdict on manifests.

mod args;
mod fix;
mod printed;
mod progress;
mod resolved;

use anyhow::Result;
use policy_host::check::baseline::{Baseline, NewBaseline};
use policy_host::check::evaluate::Evaluator;
use policy_host::check::input::Inputs;
use policy_host::check::report::{self, Summary};
use policy_host::check::{self};
use policy_host::shown::{self, count};

pub(super) use args::Args;
use printed::Printed;
use progress::Progress;
use resolved::Resolved;

use super::embedded::EmbeddedPolicy;
use super::{Outcome, printer};

pub(super) fn run(args: &Args, embedded: EmbeddedPolicy) -> Result<Outcome> {
    let resolved = Resolved::new(args)?;
    let inputs = resolved.inputs();
    let module = args.policy.module_for_many_requests(embedded)?;
    let evaluator = resolved.evaluator(&inputs, &module)?;
    let mut outcome =
        report::Outcome { config: resolved.config.path.as_deref().map(shown::path), ..Default::default() };
    if !(args.fix || args.diff) {
        return check(&resolved, &inputs, &evaluator, &outcome);
    }
    let is_interrupted = fix::run(&resolved, &inputs, &evaluator, &mut outcome)?;
    if is_interrupted {
        return Ok(Outcome::Interrupted);
    }
    if outcome.fixed.is_empty() || resolved.reads_standard_input() {
        return check(&resolved, &inputs, &evaluator, &outcome);
    }
    // The report is about the fixed files.
    let inputs = resolved.inputs();
    let evaluator = resolved.evaluator(&inputs, &module)?;
    check(&resolved, &inputs, &evaluator, &outcome)
}

fn check(
    resolved: &Resolved<'_>,
    inputs: &Inputs,
    evaluator: &Evaluator,
    outcome: &report::Outcome,
) -> Result<Outcome> {
    let args = resolved.args;
    let mut baseline = resolved.baseline()?.map(Baseline::applied);
    let mut new_baseline = args.write_baseline.as_deref().map(NewBaseline::begin).transpose()?;
    let mut summary = Summary::default();
    let mut printed = Printed::new(resolved);
    let progress = Progress::new(args.quiet);
    check::run(inputs, evaluator, |mut report| {
        if let Some(baseline) = &mut baseline {
            baseline.mark(&mut report);
        }
        if let Some(new_baseline) = &mut new_baseline {
            new_baseline.add(&report);
        }
        summary.add(&mut report, resolved.fail_on);
        progress.add(report.objects.len());
        progress.aside(|| printed.add(report))
    })?;
    progress.finish();
    check::conclude(&mut summary, inputs, evaluator);
    let is_selected = |rule: &str| evaluator.selection.has(rule);
    summary.notes.extend(baseline.and_then(|baseline| baseline.note(is_selected)));
    if let Some(path) = &outcome.config {
        summary.notes.insert(0, format!("configuration: {path}"));
    }
    printed.finish(&summary, outcome)?;
    if let (Some(path), Some(new_baseline)) = (&args.write_baseline, new_baseline) {
        let (total, kept) = new_baseline.write(path, is_selected)?;
        let verb = if total == 1 { "is" } else { "are" };
        let kept = if kept == 0 { String::new() } else { format!(", {kept} of them not checked again") };
        printer::note(&format!("{} {verb} in {}{kept}", count(total, "finding"), shown::path(path)));
    }
    let is_empty = summary.tally.total() + summary.noted_pods() == 0;
    if is_empty && summary.unreadable == 0 && summary.excluded == 0 && !args.skip_non_objects {
        printer::error("nothing to check here: no Kubernetes object in any file");
        return Ok(Outcome::Unusable);
    }
    Ok(match () {
        () if summary.unreadable > 0 => Outcome::Unusable,
        () if summary.fails && args.write_baseline.is_none() => Outcome::SomethingRefused,
        // Unsafe fixes are left to the user.
        () if outcome.not_fixed.iter().any(|it| !it.is_unsafe) => Outcome::NotFixed,
        () => Outcome::AllAccepted,
    })
}
