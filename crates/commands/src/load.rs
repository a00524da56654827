// SPDX-License-Identifier: Apache-2.0

//! `sa-hygiene load`: sends many requests at once.

use anyhow::Result;
use policy_host::load;

use super::embedded::EmbeddedPolicy;
use super::{Outcome, printer};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Number of threads that send requests
    #[arg(long, default_value_t = 32)]
    threads: usize,

    /// Number of requests per thread
    #[arg(long, default_value_t = 10_000)]
    requests: usize,
}

pub(super) fn run(args: &Args, embedded: EmbeddedPolicy) -> Result<Outcome> {
    let report = load::run(&embedded.module()?, args.threads, args.requests)?;
    let memory = report.peak_memory.map_or_else(|| "unknown".to_owned(), |kib| format!("{} MB", kib / 1024));
    printer::text(&format!(
        "{} requests from {} threads in {:.1} s; responses that differ: {}; instances left: {}; peak memory: {memory}\n",
        report.requests,
        args.threads,
        report.elapsed.as_secs_f64(),
        report.wrong,
        report.instances,
    ))?;
    Ok(if report.wrong + report.instances > 0 { Outcome::SomethingRefused } else { Outcome::AllAccepted })
}
