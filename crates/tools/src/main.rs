// SPDX-License-Identifier: Apache-2.0

//! `policy-tools`: measures the policy and the command, and tests the command with other projects' manifests. The targets of
//! the Makefile call it; it is not released.

mod audit_speed;
mod bench;
mod load;
mod manifests;
mod module_size;
mod process;
mod sample;
mod speed;
mod table;
mod timing;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

/// The same as in the command, so that their measurements are comparable.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Measures the policy and sa-hygiene, and tests sa-hygiene with other projects' manifests.
#[derive(Debug, Parser)]
#[command(max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Check and fix a directory of other projects, to test the checks themselves
    Manifests(manifests::Args),
    /// Compare the policy's speed with that of a policy that accepts requests without reading them
    Bench(bench::Args),
    /// Measure how a larger module affects the time of a request
    ModuleSize(module_size::Args),
    /// Send many requests at once, and compare the responses with those of a single thread
    Load(load::Args),
    /// Measure the time and memory of `sa-hygiene check`
    Speed(speed::Args),
    /// Measure the time and memory of `sa-hygiene audit`
    AuditSpeed(audit_speed::Args),
    /// Write generated clusters and audit logs for `sa-hygiene audit`
    Sample(sample::Args),
}

/// Whether every result is as expected and within its limits.
type Passed = bool;

fn main() -> Result<ExitCode> {
    let passed: Passed = match Cli::parse().command {
        Command::Manifests(args) => manifests::run(&args)?,
        Command::Bench(args) => bench::run(&args)?,
        Command::ModuleSize(args) => module_size::run(&args)?,
        Command::Load(args) => load::run(&args)?,
        Command::Speed(args) => speed::run(&args)?,
        Command::AuditSpeed(args) => audit_speed::run(&args)?,
        Command::Sample(args) => sample::run(&args)?,
    };
    Ok(if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn command_line() {
        super::Cli::command().debug_assert();
    }
}
