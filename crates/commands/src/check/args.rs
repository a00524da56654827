// SPDX-License-Identifier: Apache-2.0

//! The arguments of `check`.

use std::path::PathBuf;

use policy_host::check::config::Output;
use policy_host::check::report::FailOn;

use crate::options::PolicyArgs;

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
  2  input, settings or policies that cannot be used; everything else is still checked
  3  --fix could not write everything that the policies would fix";

/// Heading in `--help`.
const SELECTION: &str = "Selection";
/// Heading in `--help`.
const FIXES: &str = "Fixes";
/// Heading in `--help`.
const OUTPUT: &str = "Output";
/// Heading in `--help`.
const CONFIGURATION: &str = "Configuration";

#[derive(Debug, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
#[command(after_help = AFTER)]
pub(crate) struct Args {
    /// Manifests in YAML or JSON, directories with manifests, or `-` for the standard input, including the output of
    /// `helm template`, `kustomize build` and `kubectl get -A -o yaml`
    #[arg(value_name = "FILE", default_value = ".")]
    pub files: Vec<PathBuf>,

    #[command(flatten)]
    pub policy: PolicyArgs,

    /// Manifests of `ClusterAdmissionPolicy` and `AdmissionPolicy` objects, as in the cluster, instead of --settings; can
    /// be repeated
    #[arg(long, value_name = "FILE_OR_DIR", conflicts_with_all = ["settings", "mode", "no_mutate"])]
    pub policy_manifest: Vec<PathBuf>,

    /// Namespace of objects that do not set one, as with `kubectl apply -n` [default: default]
    #[arg(long, short = 'n')]
    pub namespace: Option<String>,

    /// Also check the Pods that are created from templates
    #[arg(long)]
    pub pods: bool,

    /// Render charts (with `helm`) and kustomizations (with `kustomize` or `kubectl`) in directories, and check the result
    #[arg(long)]
    pub render: bool,

    /// Skip documents that are not Kubernetes objects in named files too, as in directories
    #[arg(long)]
    pub skip_non_objects: bool,

    /// Maximum size of a file, in MB
    #[arg(long, value_name = "MB", default_value_t = 256, value_parser = clap::value_parser!(u64).range(1..=1_048_576))]
    pub max_file_size: u64,

    /// Treat the standard input as the content of this file (for editors)
    #[arg(long, value_name = "FILE")]
    pub stdin_filename: Option<PathBuf>,

    /// Configuration file, instead of the `.sa-hygiene.yaml` in the directory of the checked path or a directory above it
    #[arg(long, value_name = "FILE", help_heading = CONFIGURATION)]
    pub config: Option<PathBuf>,

    /// Do not use a configuration file
    #[arg(long, conflicts_with = "config", help_heading = CONFIGURATION)]
    pub no_config: bool,

    /// Report only the findings of these rules
    #[arg(long, value_name = "RULE", value_delimiter = ',', help_heading = SELECTION)]
    pub select: Vec<String>,

    /// Do not report the findings of these rules
    #[arg(long, value_name = "RULE", value_delimiter = ',', help_heading = SELECTION)]
    pub ignore: Vec<String>,

    /// Do not check matching files and directories, in the syntax of .gitignore; can be repeated
    #[arg(long, value_name = "GLOB", help_heading = SELECTION)]
    pub exclude: Vec<String>,

    /// Also report findings that comments in the files suppress
    #[arg(long, help_heading = SELECTION)]
    pub ignore_suppressions: bool,

    /// Do not count the findings in this baseline file
    #[arg(long, value_name = "FILE", help_heading = SELECTION)]
    pub baseline: Option<PathBuf>,

    /// Write every finding to this file, and succeed. Entries about objects that are not in the input are kept
    #[arg(long, value_name = "FILE", conflicts_with_all = ["baseline", "fix", "diff"], help_heading = SELECTION)]
    pub write_baseline: Option<PathBuf>,

    /// Least severe result that makes the command fail [default: reject]
    #[arg(long, value_enum, help_heading = SELECTION)]
    pub fail_on: Option<FailOn>,

    /// Write the policies' fixes to the files, including Pod templates; comments and formatting stay. With `-`, the fixed
    /// text is written to the standard output, and the report to the standard error
    #[arg(long, help_heading = FIXES)]
    pub fix: bool,

    /// Show what --fix would write, without writing it. The report is on the standard error, or in the document of -o
    #[arg(long, conflicts_with = "fix", help_heading = FIXES)]
    pub diff: bool,

    /// Also apply fixes that may remove something that is needed: the token of a named ServiceAccount that is not in the
    /// input
    #[arg(long, help_heading = FIXES)]
    pub unsafe_fixes: bool,

    /// Output format [default: text]
    #[arg(long, short = 'o', value_enum, help_heading = OUTPUT)]
    pub output: Option<Output>,

    /// Print the number of objects with warnings, fixes and rejections by rule and namespace, instead of each finding
    #[arg(long, conflicts_with = "statistics", help_heading = OUTPUT)]
    pub summary: bool,

    /// Print the number of findings of each rule, instead of each finding
    #[arg(long, help_heading = OUTPUT)]
    pub statistics: bool,

    /// Print only findings and errors
    #[arg(long, short = 'q', conflicts_with = "verbose", help_heading = OUTPUT)]
    pub quiet: bool,

    /// Print every object, and the findings that are suppressed or in the baseline
    #[arg(long, short = 'v', help_heading = OUTPUT)]
    pub verbose: bool,
}
