// SPDX-License-Identifier: Apache-2.0

//! `sa-hygiene audit`: the accounts of a cluster, and which tokens were used.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use indicatif::{ProgressBar, ProgressStyle};
use jiff::{Span, SpanRelativeTo, Unit};
use policy_audit::advice::{patches, settings};
use policy_audit::format;
use policy_audit::log::{self, Log};
use policy_audit::report::Report;
use policy_audit::snapshot::{self, FileError, Kubectl, Selection, Snapshot};
use policy_host::shown::count;

use super::{Outcome, printer};

const EXIT_CODES: &str = "\
Exit codes:
  0  a report, even if parts of the cluster could not be read; the report names them
  2  files, a log or the cluster cannot be read; the report contains the parts of files and logs that can be read";

#[derive(Debug, clap::Args)]
#[command(after_help = EXIT_CODES)]
pub(super) struct Args {
    /// Files instead of the cluster: the output of `kubectl get -A -o json pods,sa,...`, directories with such files, or
    /// `-` for the standard input
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,

    /// The `kubectl` program that reads the cluster; only `kubectl get` is called
    #[arg(long, value_name = "PROGRAM", default_value = "kubectl", conflicts_with = "files")]
    kubectl: OsString,

    /// Context, as in kubectl
    #[arg(long, conflicts_with = "files")]
    context: Option<String>,

    /// Configuration file, as in kubectl
    #[arg(long, value_name = "FILE", conflicts_with = "files")]
    kubeconfig: Option<OsString>,

    /// Read only this namespace
    #[arg(long, short = 'n', conflicts_with = "files")]
    namespace: Option<String>,

    /// Read all namespaces (the default)
    #[arg(long, short = 'A', conflicts_with_all = ["namespace", "files"])]
    all_namespaces: bool,

    /// Also list Secrets with tokens that never expire; only their names, types and labels are read, never their content
    #[arg(long)]
    secrets: bool,

    /// Audit logs of the API server: files, directories, `.gz`, `-`; for EKS, AKS and GKE, as the cloud exports them; can
    /// be repeated
    #[arg(long, value_name = "FILE")]
    audit_log: Vec<PathBuf>,

    /// Time that the log must cover before a token counts as unused
    #[arg(long, value_name = "TIME", default_value = "7d", value_parser = window)]
    window: i64,

    /// Assert that --audit-log contains the logs of all API servers
    #[arg(long, requires = "audit_log")]
    complete: bool,

    /// Additional audience of the API server (from its --api-audiences); can be repeated
    #[arg(long, value_name = "AUDIENCE")]
    api_audience: Vec<String>,

    /// Output format
    #[arg(long, short = 'o', value_enum, default_value_t)]
    output: Format,

    /// Write the recommended changes to a new or empty directory: kustomize patches, manifests and commands, each with its
    /// evidence. Nothing is changed in the cluster
    #[arg(long, value_name = "DIR")]
    patch: Option<PathBuf>,

    /// Write settings for the policy that exempt the workloads that must keep their token
    #[arg(long, value_name = "FILE")]
    settings_out: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
enum Format {
    /// A table for each namespace
    #[default]
    Text,
    /// One JSON document (docs/audit.schema.json)
    Json,
    /// One line for each workload
    Csv,
    /// A single page for browsers
    Html,
}

pub(super) fn run(args: &Args) -> Result<Outcome> {
    let reads_twice = [&args.files, &args.audit_log].iter().all(|it| it.iter().any(|path| path == Path::new("-")));
    if reads_twice {
        bail!("the standard input cannot be both the cluster and the log");
    }
    let (snapshot, errors) = if args.files.is_empty() { (cluster(args)?, Vec::new()) } else { files(args)? };
    let log = if args.audit_log.is_empty() { None } else { Some(read_log(args, &snapshot)?) };
    let options = policy_audit::Options {
        window_seconds: args.window,
        is_complete: args.complete,
        namespace: args.namespace.clone(),
    };
    let report = policy_audit::build(&snapshot, log.as_ref(), &options);
    print(&report, args.output)?;
    write_advice(&report, args)?;

    for FileError { file, why } in &errors {
        printer::error(&format!("{file}: {why}; the report contains what precedes the error"));
    }
    let bad_logs: Vec<_> = log.iter().flat_map(|log| &log.files).filter(|file| file.error.is_some()).collect();
    for file in &bad_logs {
        printer::error(&format!("{}: {}", file.name, file.error.as_deref().unwrap_or_default()));
    }
    Ok(if errors.is_empty() && bad_logs.is_empty() { Outcome::AllAccepted } else { Outcome::Unusable })
}

fn write_advice(report: &Report, args: &Args) -> Result<()> {
    if let Some(folder) = &args.patch {
        let written = patches::write(report, folder)?;
        let patches = if written.patches == 1 { "1 patch".to_owned() } else { format!("{} patches", written.patches) };
        let advice = format!("{}: {patches}, {}", folder.display(), count(written.comments, "proposal"));
        printer::good("written:", &advice);
    }
    if let Some(path) = &args.settings_out {
        let (text, exemptions) = settings::render(report)?;
        std::fs::write(path, text).with_context(|| path.display().to_string())?;
        printer::good("written:", &format!("{}: {}", path.display(), count(exemptions, "exemption")));
    }
    Ok(())
}

fn print(report: &Report, output: Format) -> Result<()> {
    match output {
        Format::Text => printer::text(&format::text::render(report)),
        Format::Json => printer::document(&(serde_json::to_string_pretty(report)? + "\n")),
        Format::Csv => printer::document(&format::csv::render(report)?),
        Format::Html => printer::document(&format::html::render(report)),
    }
}

/// Reads the files. Fails if they contain nothing to audit.
fn files(args: &Args) -> Result<(Snapshot, Vec<FileError>)> {
    let (mut snapshot, errors) = snapshot::from_paths(&args.files, &args.api_audience);
    if !args.secrets {
        snapshot.token_secrets = None;
    }
    if snapshot.counts.is_empty() {
        if let Some(FileError { file, why }) = errors.first() {
            bail!("{file}: {why}");
        }
        bail!("nothing to audit here: no Pod, workload, account, role or binding in any file");
    }
    Ok((snapshot, errors))
}

fn cluster(args: &Args) -> Result<Snapshot> {
    let kubectl = Kubectl {
        program: args.kubectl.clone(),
        context: args.context.clone(),
        kubeconfig: args.kubeconfig.clone(),
        say: printer::note,
    };
    let selection = Selection {
        namespace: args.namespace.clone(),
        token_secrets: args.secrets,
        api_audiences: args.api_audience.clone(),
    };
    let bar = if std::io::stderr().is_terminal() { ProgressBar::new_spinner() } else { ProgressBar::hidden() };
    bar.set_style(style("{spinner} reading the cluster: {pos} objects"));
    bar.enable_steady_tick(Duration::from_millis(100));
    let snapshot = kubectl.read(&selection, &|count| bar.inc(count as u64));
    bar.finish_and_clear();
    Ok(snapshot?)
}

fn read_log(args: &Args, snapshot: &Snapshot) -> Result<Log> {
    let known: BTreeSet<String> =
        snapshot.accounts.keys().map(|(namespace, name)| format!("{namespace}:{name}")).collect();
    let bar = if std::io::stderr().is_terminal() { ProgressBar::new(0) } else { ProgressBar::hidden() };
    bar.set_style(style("reading the log: {bar:30} {binary_bytes} of {binary_total_bytes}, {binary_bytes_per_sec}"));
    let advance = {
        let bar = bar.clone();
        move |done: u64, total: u64| {
            bar.set_length(total);
            bar.set_position(done);
        }
    };
    let log = log::read(&args.audit_log, &known, Arc::new(advance));
    bar.finish_and_clear();
    let log = log.map_err(|(path, error)| anyhow::Error::from(error).context(path.display().to_string()))?;
    if !log.files.iter().any(|file| file.has_events) {
        printer::note("note: no audit events in the log");
    }
    Ok(log)
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// The seconds of a time span such as `7d`, `36h` or `2w`.
fn window(text: &str) -> Result<i64> {
    let span: Span = text.parse().ok().context("expected a duration such as 7d, 36h or 2w")?;
    let seconds = span.total((Unit::Second, SpanRelativeTo::days_are_24_hours()))?;
    if !(3600.0..=1e9).contains(&seconds) {
        bail!("must be between 1 hour and 31 years");
    }
    #[expect(clippy::cast_possible_truncation, reason = "it is between the limits above")]
    Ok(seconds as i64)
}

#[cfg(test)]
mod tests {
    use super::window;

    #[test]
    fn windows() {
        for (text, expected) in
            [("7d", Some(604_800)), ("36h", Some(129_600)), ("2w", Some(1_209_600)), ("P7D", Some(604_800))]
        {
            assert_eq!(window(text).ok(), expected, "{text}");
        }
        for text in ["", "7", "a week", "0d", "10m", "-7d", "99999y"] {
            assert!(window(text).is_err(), "{text}");
        }
    }
}
