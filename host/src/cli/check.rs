// SPDX-License-Identifier: Apache-2.0

//! `sa-hygiene check`: the cluster's verdict on plain manifests.

use std::io::IsTerminal as _;
use std::path::PathBuf;

use anyhow::Result;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::options::PolicyArgs;
use super::{Outcome, diff, output, printer};
use crate::check::baseline::Baseline;
use crate::check::evaluate::Evaluator;
use crate::check::fix;
use crate::check::format::{self, Findings};
use crate::check::input::{InputOptions, Inputs};
use crate::check::report::{FailOn, FileReport, Summary};
use crate::check::{self, Options, index};
use crate::kubewarden::Module;

/// The exit codes, for `--help`.
pub(super) const EXIT_CODES: &str = "\
Exit codes:
  0  nothing at or above --fail-on
  1  findings at or above --fail-on
  2  input, settings or policies that cannot be used; what can be read is evaluated all the same
  3  --fix could not write everything that the policies would fix";

/// From how many objects on progress is shown.
const MANY: u64 = 200;

#[derive(Debug, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
#[command(after_help = EXIT_CODES)]
pub(super) struct Args {
    /// Manifests in YAML or JSON, folders of them, or `-` for the standard input: what people write, and what
    /// `helm template`, `kustomize build` and `kubectl get -A -o yaml` print
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,

    #[command(flatten)]
    policy: PolicyArgs,

    /// Manifests of `ClusterAdmissionPolicy` and `AdmissionPolicy` as the cluster has them, instead of --settings; can
    /// be given several times
    #[arg(long, value_name = "FILE_OR_DIR", conflicts_with_all = ["settings", "mode", "no_mutate"])]
    policy_manifest: Vec<PathBuf>,

    /// The namespace of objects without one, as with `kubectl apply -n`
    #[arg(long, short = 'n', default_value = "default")]
    namespace: String,

    /// Evaluator the Pods that templates will make, too: what finally runs
    #[arg(long)]
    pods: bool,

    /// Leave out what is not a Kubernetes object in named files, too, as in folders
    #[arg(long)]
    skip_non_objects: bool,

    /// The largest file that is read, in MB
    #[arg(long, value_name = "MB", default_value_t = 256, value_parser = clap::value_parser!(u64).range(1..=1_048_576))]
    max_file_size: u64,

    /// How to print the result
    #[arg(long, short = 'o', value_enum, default_value_t)]
    output: Format,

    /// From what on the command fails
    #[arg(long, value_enum, default_value_t)]
    fail_on: FailOn,

    /// Let the findings of this file pass
    #[arg(long, value_name = "FILE")]
    baseline: Option<PathBuf>,

    /// Write every finding into this file, and succeed
    #[arg(long, value_name = "FILE", conflicts_with_all = ["baseline", "fix", "diff"])]
    write_baseline: Option<PathBuf>,

    /// Print how many objects would be warned about, fixed or refused, by rule and namespace, instead of each
    #[arg(long)]
    summary: bool,

    /// Write what the policies would fix back into the files; comments and formatting stay. Templates are fixed, too
    #[arg(long)]
    fix: bool,

    /// Show what --fix would write, and write nothing
    #[arg(long, conflicts_with = "fix")]
    diff: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
enum Format {
    /// For people: by file, each finding at its line
    #[default]
    Text,
    /// One document, for programs
    Json,
    /// For code scanning, version 2.1.0
    Sarif,
    /// For reports of tests
    Junit,
    /// Annotations in a GitHub workflow
    Github,
}

pub(super) fn run(args: &Args) -> Result<Outcome> {
    let inputs = self::inputs(args);
    let module = args.policy.module_for_many_requests()?;
    let evaluator = self::evaluator(args, &inputs, &module)?;
    if !(args.fix || args.diff) {
        return check(args, &inputs, &evaluator, 0);
    }
    let (written, refused) = fix(args, &inputs, &evaluator)?;
    if args.diff {
        // A diff is read alone, or piped into `patch`.
        return Ok(if refused > 0 { Outcome::NotFixed } else { Outcome::AllAccepted });
    }
    if written == 0 {
        return check(args, &inputs, &evaluator, refused);
    }
    // The verdict is that of the files as they are now.
    let inputs = self::inputs(args);
    let evaluator = self::evaluator(args, &inputs, &module)?;
    check(args, &inputs, &evaluator, refused)
}

fn inputs(args: &Args) -> Inputs {
    let options = InputOptions {
        skip_non_objects: args.skip_non_objects,
        max_file_size: args.max_file_size.saturating_mul(1 << 20),
    };
    Inputs::find(&args.files, &options)
}

fn evaluator(args: &Args, inputs: &Inputs, module: &Module) -> Result<Evaluator> {
    let options = Options {
        cluster: args.policy.cluster.clone(),
        policy_manifests: args.policy_manifest.clone(),
        config: args.policy.config()?,
        namespace: args.namespace.clone(),
        with_pods: args.pods,
        with_fixes: matches!(args.output, Format::Sarif),
    };
    args.policy.in_settings(check::evaluator(index::of(inputs), module, options))
}

fn check(args: &Args, inputs: &Inputs, evaluator: &Evaluator, not_fixed: usize) -> Result<Outcome> {
    let mut baseline = args.baseline.as_deref().map(Baseline::read).transpose()?.map(Baseline::applied);
    let mut found = args.write_baseline.is_some().then(Baseline::default);
    let mut summary = Summary::default();
    let mut printed = Printed::new(args);
    let progress = Progress::new();
    check::run(inputs, evaluator, |mut report| {
        if let Some(baseline) = &mut baseline {
            baseline.mark(&mut report);
        }
        if let Some(found) = &mut found {
            found.add(&report);
        }
        summary.add(&mut report, args.fail_on);
        progress.add(report.objects.len());
        progress.aside(|| printed.add(report))
    })?;
    progress.finish();
    check::conclude(&mut summary, evaluator);
    summary.notes.extend(baseline.and_then(|baseline| baseline.note()));
    printed.finish(&summary)?;
    if let (Some(path), Some(found)) = (&args.write_baseline, found) {
        let count = found.write(path)?;
        printer::note(&format!("{count} findings are in {}", crate::shown::path(path)));
    }
    let is_empty = summary.tally.total() + summary.noted_pods() == 0;
    if is_empty && summary.unreadable == 0 && !args.skip_non_objects {
        printer::error("nothing to check here: no kubernetes object in any file");
        return Ok(Outcome::Unusable);
    }
    Ok(match () {
        () if summary.unreadable > 0 => Outcome::Unusable,
        () if summary.fails && args.write_baseline.is_none() => Outcome::SomethingRefused,
        () if not_fixed > 0 => Outcome::NotFixed,
        () => Outcome::AllAccepted,
    })
}

/// The result on its way out: text as it comes, documents at the end and whole.
struct Printed<'a> {
    args: &'a Args,
    text: format::text::Files,
    files: Vec<FileReport>,
}

impl<'a> Printed<'a> {
    fn new(args: &'a Args) -> Self {
        Self { args, text: format::text::Files::default(), files: Vec::new() }
    }

    fn add(&mut self, report: FileReport) -> Result<()> {
        for unreadable in &report.unreadable {
            printer::error(&unreadable.to_line());
        }
        match self.args.output {
            Format::Text if self.args.summary => {}
            Format::Text => {
                let text = self.text.text(&report);
                if !text.is_empty() {
                    printer::text(&text)?;
                }
            }
            Format::Github => printer::document(&format::github::file(&report))?,
            Format::Json | Format::Sarif | Format::Junit => self.files.push(report),
        }
        Ok(())
    }

    fn finish(&self, summary: &Summary) -> Result<()> {
        let findings = Findings { files: &self.files, summary, fail_on: self.args.fail_on };
        let json = |value| -> Result<()> { printer::document(&(serde_json::to_string_pretty(&value)? + "\n")) };
        match self.args.output {
            Format::Text if self.args.summary => {
                let mut table = output::new_table(format::summary::HEADER);
                format::summary::fill(&mut table, summary);
                printer::text(&format!("{}\n\n{}", output::render(&table), format::text::closing(summary)))
            }
            Format::Text => {
                let gap = if self.text.is_empty() { "" } else { "\n" };
                printer::text(&format!("{gap}{}", format::text::closing(summary)))
            }
            Format::Json => json(format::json::render(findings)),
            Format::Sarif => json(format::sarif::render(findings)),
            Format::Junit => printer::document(&format::junit::render(findings)?),
            Format::Github => printer::document(&format::github::notes(summary)),
        }
    }
}

/// How far it has come, for a person who waits at a terminal.
struct Progress(ProgressBar);

impl Progress {
    fn new() -> Self {
        let style = ProgressStyle::with_template("{spinner} {pos} objects");
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
        Self(bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner())))
    }

    fn add(&self, objects: usize) {
        if self.0.is_hidden() && self.0.position() >= MANY && std::io::stderr().is_terminal() {
            self.0.set_draw_target(ProgressDrawTarget::stderr());
        }
        self.0.inc(objects as u64);
    }

    /// Does something that prints, too.
    fn aside<T>(&self, print: impl FnOnce() -> T) -> T {
        if self.0.is_hidden() { print() } else { self.0.suspend(print) }
    }

    fn finish(&self) {
        self.0.finish_and_clear();
    }
}

/// How many files were written, and what could not be fixed.
fn fix(args: &Args, inputs: &Inputs, evaluator: &Evaluator) -> Result<(usize, usize)> {
    let (mut written, mut refused) = (0, 0);
    fix::plan(inputs, evaluator, |fixes| {
        let name = crate::shown::text(&fixes.name);
        if let Some(file) = &fixes.fixed {
            if args.diff {
                printer::changes(&diff::of_texts(&fixes.name, &file.before, &file.after)?)?;
            } else {
                match file.write() {
                    Ok(()) => {
                        written += 1;
                        let objects = if file.objects == 1 { "object" } else { "objects" };
                        printer::good("fixed:", &format!("{name}: {} {objects}", file.objects));
                    }
                    Err(error) => {
                        refused += file.objects;
                        printer::bad("not fixed:", &format!("{name}: {error:#}"));
                    }
                }
            }
        }
        refused += fixes.refused.len();
        for it in &fixes.refused {
            printer::bad("not fixed:", &format!("{name}:{}: {}: {}", it.line, it.title, it.why));
        }
        Ok(())
    })?;
    Ok((written, refused))
}
