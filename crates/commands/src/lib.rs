// SPDX-License-Identifier: Apache-2.0

//! `sa-hygiene`: the policy on the command line, without a cluster. Arguments, subcommands and exit codes.
//!
//! This library contains all of the command except the policy, which `cli` adds.

mod audit;
mod check;
mod compiler;
mod corpus;
mod describe;
mod diff;
mod embedded;
mod evaluate;
mod generate;
mod input;
mod options;
mod output;
mod printer;
mod rules;
mod run;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{ColorChoice, CommandFactory as _, FromArgMatches as _, Parser, Subcommand, ValueEnum as _};
pub use embedded::EmbeddedPolicy;
use policy_host::check::settings::Problems;

/// Makes `check` faster for many objects than the system's allocator (docs/performance.md).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The result of a subcommand. The exit codes are part of the interface: pipelines distinguish findings from errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// Exit code 0.
    AllAccepted,
    /// Exit code 1.
    SomethingRefused,
    /// Exit code 2: some of the input cannot be used; the rest was evaluated.
    Unusable,
    /// Exit code 3.
    NotFixed,
    /// Exit code 130, which shells report for a program that Ctrl-C ended.
    Interrupted,
}

/// Exit code for input that cannot be used; clap uses the same code for invalid arguments.
const UNUSABLE: u8 = 2;

/// Exit code if a fix could not be written.
const NOT_FIXED: u8 = 3;

/// Exit code after SIGINT.
const INTERRUPTED: u8 = 130;

/// Runs the serviceaccount-hygiene policy without a cluster.
#[derive(Debug, Parser)]
#[command(name = "sa-hygiene", version, max_term_width = 100)]
struct Cli {
    #[command(flatten)]
    color: colorchoice_clap::Color,

    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Check manifests as the cluster would, and report each finding with its line
    Check(Box<check::Args>),
    /// Show the policy's response to manifests or admission requests, and its changes
    Run(run::Args),
    /// Run the policy on a directory of captured admission requests
    Corpus(corpus::Args),
    /// Show which workloads of a cluster hold API tokens, what these allow, and which were used
    Audit(Box<audit::Args>),
    /// List the rules and their action in each profile
    Rules(rules::ListArgs),
    /// Print the documentation of a rule
    Explain(rules::ExplainArgs),
    /// Print shell completions
    Completions(generate::CompletionsArgs),
    /// Print the man page of the command or of a subcommand
    Man(generate::ManArgs),
}

/// The name of the program as a kubectl plugin (`kubectl sa-hygiene audit`). In the file name, an underscore stands for the
/// hyphen. <https://kubernetes.io/docs/tasks/extend-kubectl/kubectl-plugins/>
const PLUGIN: &str = "kubectl-sa_hygiene";

fn parse() -> Cli {
    let program = std::env::args_os().next().map(PathBuf::from);
    let is_plugin = program.as_ref().and_then(|it| it.file_stem()).is_some_and(|name| name == PLUGIN);
    let mut command = Cli::command();
    if is_plugin {
        command.set_bin_name("kubectl sa-hygiene");
    }
    if let Some(choice) = color() {
        // Help and errors are printed while the arguments are parsed.
        command = command.color(choice);
    }
    Cli::from_arg_matches(&command.get_matches()).unwrap_or_else(|error| error.exit())
}

/// The value of `--color`, if there is one.
fn color() -> Option<ColorChoice> {
    let mut arguments = std::env::args_os().skip(1).take_while(|it| it != "--");
    while let Some(argument) = arguments.next() {
        let value = match argument.to_str().and_then(|it| it.strip_prefix("--color")) {
            Some("") => arguments.next()?.into_string().ok()?,
            Some(value) => value.strip_prefix('=')?.to_owned(),
            None => continue,
        };
        return ColorChoice::from_str(&value, true).ok();
    }
    None
}

/// Runs the command with the arguments of the process.
#[must_use]
pub fn main(embedded: EmbeddedPolicy) -> ExitCode {
    let Cli { color, command } = parse();
    color.write_global();
    let result = match command {
        Command::Check(args) => check::run(&args, embedded),
        Command::Run(args) => run::run(&args, embedded),
        Command::Corpus(args) => corpus::run(&args, embedded),
        Command::Audit(args) => audit::run(&args),
        Command::Rules(args) => rules::list(&args),
        Command::Explain(args) => rules::explain(&args),
        Command::Completions(args) => generate::completions(&args),
        Command::Man(args) => generate::man(&args),
    };
    match result {
        Ok(Outcome::AllAccepted) => ExitCode::SUCCESS,
        Ok(Outcome::SomethingRefused) => ExitCode::FAILURE,
        Ok(Outcome::Unusable) => ExitCode::from(UNUSABLE),
        Ok(Outcome::NotFixed) => ExitCode::from(NOT_FIXED),
        Ok(Outcome::Interrupted) => ExitCode::from(INTERRUPTED),
        Err(error) => {
            match error.downcast_ref::<Problems>() {
                Some(Problems(problems)) => printer::errors(problems),
                None => printer::error(&format!("{error:#}")),
            }
            ExitCode::from(UNUSABLE)
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn command_line() {
        super::Cli::command().debug_assert();
    }
}
