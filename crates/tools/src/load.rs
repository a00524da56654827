// SPDX-License-Identifier: Apache-2.0

//! `policy-tools load`: sends many requests at once to one policy, as in a policy server with many workers. Every answer must be
//! the same as in a single thread, and no instance may be left.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use policy_host::kubewarden::{Module, Policy, PolicyConfig};
use policy_tools::subjects;

use crate::{Passed, process};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Number of threads that send requests
    #[arg(long, default_value_t = 32)]
    threads: usize,

    /// Number of requests per thread
    #[arg(long, default_value_t = 10_000)]
    requests: usize,
}

/// The result.
struct Report {
    /// The number of requests that were sent.
    requests: usize,
    /// From the first request to the last answer.
    elapsed: Duration,
    /// Answers that differ from those of a single thread, and requests without an answer.
    wrong: usize,
    /// Instances that are left.
    instances: usize,
}

pub fn run(args: &Args) -> Result<Passed> {
    let report = send(&Module::new(policy_module::WASM)?, args.threads, args.requests)?;
    let memory = process::peak_memory("/proc/self/status");
    println!(
        "{} requests from {} threads in {:.1} s; responses that differ: {}; instances left: {}; peak memory: {}",
        report.requests,
        args.threads,
        report.elapsed.as_secs_f64(),
        report.wrong,
        report.instances,
        memory.map_or_else(|| "unknown".to_owned(), |kib| format!("{} MB", kib / 1024)),
    );
    Ok(report.wrong + report.instances == 0)
}

/// Sends `each` requests from each of `threads` threads. The subjects are those of the benchmark, in turn.
fn send(module: &Module, threads: usize, each: usize) -> Result<Report> {
    // Long enough that a busy machine answers late instead of not at all.
    let config = PolicyConfig { timeout: Duration::from_mins(1), ..PolicyConfig::default() };
    let policy = Policy::load(module, config)?;
    let mut pairs = Vec::new();
    for subject in subjects::subjects()? {
        let payload = policy.payload(&subject.request)?;
        let answer = policy.evaluate_raw("validate", &payload).context(subject.name)?;
        pairs.push((payload, answer));
    }
    let wrong = AtomicUsize::new(0);
    let start = Instant::now();
    thread::scope(|scope| {
        for thread in 0..threads {
            let (policy, pairs, wrong) = (&policy, &pairs, &wrong);
            scope.spawn(move || {
                // Each thread begins with another subject, so that different requests run at the same time.
                for (payload, answer) in pairs.iter().cycle().skip(thread % pairs.len().max(1)).take(each) {
                    if policy.evaluate_raw("validate", payload).as_ref() != Ok(answer) {
                        wrong.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    Ok(Report {
        requests: threads * each,
        elapsed: start.elapsed(),
        wrong: wrong.into_inner(),
        instances: module.instances(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_agree() {
        // A separate module, because other tests have instances of the shared one at the same time.
        let module = Module::new(policy_module::WASM).unwrap();
        let report = send(&module, 8, 12).unwrap();
        assert_eq!((report.requests, report.wrong, report.instances), (96, 0, 0));
    }

    #[test]
    fn reused_instance() {
        let new = Policy::load(&Module::new(policy_module::WASM).unwrap(), PolicyConfig::default()).unwrap();
        let module = Module::for_many_requests(policy_module::WASM).unwrap();
        let again = Policy::load(&module, PolicyConfig::default()).unwrap();
        let subjects = subjects::subjects().unwrap();
        // Often enough that instances are also replaced.
        for _ in 0..30 {
            for subject in &subjects {
                let payload = new.payload(&subject.request).unwrap();
                assert_eq!(
                    again.evaluate_raw("validate", &payload),
                    new.evaluate_raw("validate", &payload),
                    "{}",
                    subject.name
                );
            }
        }
        assert!(module.instances() <= 1, "one waits for its thread");
    }
}
