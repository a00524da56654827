// SPDX-License-Identifier: Apache-2.0

//! The arguments of `check`.

use std::path::PathBuf;

use crate::check::config::Output;
use crate::check::report::FailOn;
use crate::cli::options::PolicyArgs;

/// Examples and exit codes, for `--help`.
const AFTER: &str = "\
Examples:
  sa-hygiene check deploy/
  helm template shop ./chart -n shop | sa-hygiene check -n shop -
  kubectl get -A -o yaml deploy,sts,ds,sa,pod,rolebinding,clusterrolebinding | sa-hygiene check - --summary
  sa-hygiene check deploy/ --diff

Exit codes:
  0  nothing at or above --fail-on
  1  findings at or above --fail-on
  2  input, settings or policies that cannot be used; what can be read is checked all the same
  3  --fix could not write everything that the policies would fix";

/// In `--help`.
const SELECTION: &str = "Selection";
/// In `--help`.
const FIXES: &str = "Fixes";
/// In `--help`.
const OUTPUT: &str = "Output";
/// In `--help`.
const CONFIGURATION: &str = "Configuration";

#[derive(Debug, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
#[command(after_help = AFTER)]
pub(in crate::cli) struct Args {
    /// Manifests in YAML or JSON, folders of them, or `-` for the standard input: what people write, and what
    /// `helm template`, `kustomize build` and `kubectl get -A -o yaml` print
    #[arg(value_name = "FILE", default_value = ".")]
    pub files: Vec<PathBuf>,

    #[command(flatten)]
    pub policy: PolicyArgs,

    /// Manifests of `ClusterAdmissionPolicy` and `AdmissionPolicy` as the cluster has them, instead of --settings; can
    /// be given several times
    #[arg(long, value_name = "FILE_OR_DIR", conflicts_with_all = ["settings", "mode", "no_mutate"])]
    pub policy_manifest: Vec<PathBuf>,

    /// The namespace of objects without one, as with `kubectl apply -n` [default: default]
    #[arg(long, short = 'n')]
    pub namespace: Option<String>,

    /// Check the Pods that templates will make, too: what finally runs
    #[arg(long)]
    pub pods: bool,

    /// Render charts (with `helm`) and kustomizations (with `kustomize` or `kubectl`) in folders, and check what comes out
    #[arg(long)]
    pub render: bool,

    /// Skip what is not a Kubernetes object in named files, too, as in folders
    #[arg(long)]
    pub skip_non_objects: bool,

    /// The largest file that is read, in MB
    #[arg(long, value_name = "MB", default_value_t = 256, value_parser = clap::value_parser!(u64).range(1..=1_048_576))]
    pub max_file_size: u64,

    /// The file that the standard input is the content of: for editors
    #[arg(long, value_name = "FILE")]
    pub stdin_filename: Option<PathBuf>,

    /// The configuration file, instead of the `.sa-hygiene.yaml` that is found upwards from the checked path
    #[arg(long, value_name = "FILE", help_heading = CONFIGURATION)]
    pub config: Option<PathBuf>,

    /// Use no configuration file
    #[arg(long, conflicts_with = "config", help_heading = CONFIGURATION)]
    pub no_config: bool,

    /// Report the findings of these rules alone
    #[arg(long, value_name = "RULE", value_delimiter = ',', help_heading = SELECTION)]
    pub select: Vec<String>,

    /// Do not report the findings of these rules
    #[arg(long, value_name = "RULE", value_delimiter = ',', help_heading = SELECTION)]
    pub ignore: Vec<String>,

    /// Do not check files and folders that match, in the syntax of .gitignore; can be given several times
    #[arg(long, value_name = "GLOB", help_heading = SELECTION)]
    pub exclude: Vec<String>,

    /// Report what comments in the files suppress, too
    #[arg(long, help_heading = SELECTION)]
    pub ignore_suppressions: bool,

    /// Let the findings of this file pass
    #[arg(long, value_name = "FILE", help_heading = SELECTION)]
    pub baseline: Option<PathBuf>,

    /// Write every finding into this file, and succeed. Entries about objects that are not among the input stay
    #[arg(long, value_name = "FILE", conflicts_with_all = ["baseline", "fix", "diff"], help_heading = SELECTION)]
    pub write_baseline: Option<PathBuf>,

    /// From what on the command fails [default: reject]
    #[arg(long, value_enum, help_heading = SELECTION)]
    pub fail_on: Option<FailOn>,

    /// Write what the policies would fix back into the files; comments and formatting stay. Templates are fixed, too. With
    /// `-`, the fixed text is on the standard output, and the report on the standard error
    #[arg(long, help_heading = FIXES)]
    pub fix: bool,

    /// Show what --fix would write, and write nothing. The report is on the standard error, or part of the document of -o
    #[arg(long, conflicts_with = "fix", help_heading = FIXES)]
    pub diff: bool,

    /// Make fixes, too, that may take away something that is needed: the token of a named account that is not among the
    /// input
    #[arg(long, help_heading = FIXES)]
    pub unsafe_fixes: bool,

    /// How to print the result [default: text]
    #[arg(long, short = 'o', value_enum, help_heading = OUTPUT)]
    pub output: Option<Output>,

    /// Print how many objects would be warned about, fixed or refused, by rule and namespace, instead of each
    #[arg(long, conflicts_with = "statistics", help_heading = OUTPUT)]
    pub summary: bool,

    /// Print how many findings each rule has, instead of each
    #[arg(long, help_heading = OUTPUT)]
    pub statistics: bool,

    /// Print findings and errors alone
    #[arg(long, short = 'q', conflicts_with = "verbose", help_heading = OUTPUT)]
    pub quiet: bool,

    /// Print every object, also those without findings, and what passes
    #[arg(long, short = 'v', help_heading = OUTPUT)]
    pub verbose: bool,
}
