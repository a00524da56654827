// SPDX-License-Identifier: Apache-2.0

//! `sa-hygiene check`: the cluster's verdict on plain manifests.

use std::io::IsTerminal as _;
use std::path::PathBuf;

use anyhow::{Result, bail};
use indicatif::{ProgressBar, ProgressStyle};

use super::options::PolicyArgs;
use super::{Outcome, diff, output};
use crate::check::baseline::Baseline;
use crate::check::fix::{self, Fixes};
use crate::check::format::{self, Findings};
use crate::check::judge::Judge;
use crate::check::report::{FailOn, Report};
use crate::check::source::Sources;
use crate::check::{self, Options};
use crate::kubewarden::Module;

/// The exit codes, for `--help`.
pub(super) const EXIT_CODES: &str = "\
Exit codes:
  0  nothing at or above --fail-on
  1  findings at or above --fail-on
  2  input, settings or policies that cannot be used; what can be read is judged all the same
  3  --fix could not write everything that the policies would fix";

/// From how many objects on progress is shown.
const MANY: usize = 200;

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

    /// Where objects are that do not say it: what you would give to `kubectl apply`
    #[arg(long, short = 'n', default_value = "default")]
    namespace: String,

    /// Judge the Pods that templates will make, too: what finally runs
    #[arg(long)]
    pods: bool,

    /// Leave out what is no Kubernetes object in named files, too, as in folders
    #[arg(long)]
    skip_non_objects: bool,

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
    let mut sources = Sources::read(&args.files, args.skip_non_objects);
    let module = args.policy.module()?;
    let mut judge = judge(args, &sources, &module)?;
    if sources.manifests.is_empty() && sources.unreadable.is_empty() && !args.skip_non_objects {
        bail!("nothing to judge here: no kubernetes object in any file");
    }
    let mut report = check(&sources, &judge);

    let mut refused = 0;
    if args.fix || args.diff {
        let fixes = fix::plan(&sources, &judge, &report);
        show_fixes(&fixes, args.diff)?;
        refused = fixes.refused.len();
        if args.fix {
            let failures = fixes.write();
            refused += failures.len();
            for error in failures {
                anstream::eprintln!("{}not fixed:{} {error:#}", output::BAD.render(), output::BAD.render_reset());
            }
            if !fixes.files.is_empty() {
                // The verdict is that of the files as they are now.
                sources = Sources::read(&args.files, args.skip_non_objects);
                judge = self::judge(args, &sources, &module)?;
                report = check(&sources, &judge);
            }
        }
    }
    if let Some(path) = &args.write_baseline {
        let count = Baseline::of(&report).write(path)?;
        anstream::eprintln!("{count} findings are in {}", path.display());
    }
    if let Some(path) = &args.baseline {
        Baseline::read(path)?.apply(&mut report);
    }
    let findings = Findings { sources: &sources, report: &report, fail_on: args.fail_on };
    // A diff is read alone, or piped into `patch`.
    if !args.diff {
        output::print(&rendered(args, findings)?)?;
    }
    for unreadable in &sources.unreadable {
        anstream::eprintln!("{}error:{} {}", output::BAD.render(), output::BAD.render_reset(), unreadable.to_line());
    }
    Ok(match () {
        () if !sources.unreadable.is_empty() => Outcome::Unusable,
        () if report.fails(args.fail_on) && args.write_baseline.is_none() && !args.diff => Outcome::SomethingRefused,
        () if refused > 0 => Outcome::NotFixed,
        () => Outcome::AllAccepted,
    })
}

fn judge(args: &Args, sources: &Sources, module: &Module) -> Result<Judge> {
    let options = Options {
        cluster: args.policy.cluster.clone(),
        policy_manifests: args.policy_manifest.clone(),
        config: args.policy.config()?,
        namespace: args.namespace.clone(),
        with_pods: args.pods,
    };
    args.policy.in_settings(check::judge(sources, module, options))
}

fn check(sources: &Sources, judge: &Judge) -> Report {
    let count = sources.manifests.len();
    let bar = if count >= MANY && std::io::stderr().is_terminal() {
        let style = ProgressStyle::with_template("{bar:40} {pos} of {len} objects");
        ProgressBar::new(count as u64).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
    } else {
        ProgressBar::hidden()
    };
    let report = check::check(sources, judge, &|| bar.inc(1));
    bar.finish_and_clear();
    report
}

fn rendered(args: &Args, findings: Findings<'_>) -> Result<String> {
    let json = |value| serde_json::to_string_pretty(&value).map(|text| text + "\n").map_err(Into::into);
    match args.output {
        Format::Text if args.summary => {
            let mut table = output::new_table(format::summary::HEADER);
            format::summary::fill(&mut table, findings.report);
            let mut text = output::render(&table) + "\n\n";
            format::text::closing(&mut text, findings.sources, findings.report)?;
            Ok(text)
        }
        Format::Text => Ok(format::text::render(findings, false)),
        Format::Json => json(format::json::render(findings)),
        Format::Sarif => json(format::sarif::render(findings)),
        Format::Junit => format::junit::render(findings),
        Format::Github => Ok(format::github::render(findings)),
    }
}

fn show_fixes(fixes: &Fixes, as_diff: bool) -> Result<()> {
    for file in fixes.files.iter().filter(|_| as_diff) {
        output::print(&diff::of_texts(&file.name, &file.before, &file.after)?)?;
    }
    for file in fixes.files.iter().filter(|_| !as_diff) {
        let objects = if file.objects == 1 { "object" } else { "objects" };
        anstream::eprintln!(
            "{}fixed:{} {}: {} {objects}",
            output::GOOD.render(),
            output::GOOD.render_reset(),
            file.name,
            file.objects
        );
    }
    for it in &fixes.refused {
        let (start, end) = (output::BAD.render(), output::BAD.render_reset());
        anstream::eprintln!("{start}not fixed:{end} {}:{}: {}: {}", it.file, it.line, it.title, it.why);
    }
    Ok(())
}
