// SPDX-License-Identifier: Apache-2.0

//! Sends many requests at once to one policy, as in a policy server with many workers: every answer must be the same as in a
//! single thread, and no instance may be left.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use crate::bench;
use crate::kubewarden::{Module, Policy, PolicyConfig};

/// The result.
#[derive(Debug, Clone)]
pub struct Report {
    /// The number of requests that were sent.
    pub requests: usize,
    /// From the first request to the last answer.
    pub elapsed: Duration,
    /// Answers that differ from those of a single thread, and requests without an answer.
    pub wrong: usize,
    /// Instances that are left.
    pub instances: usize,
    /// Peak memory of the process in KiB; `None` if the system does not report it.
    pub peak_memory: Option<u64>,
}

/// Sends `each` requests from each of `threads` threads. The subjects are those of the benchmark, in turn.
pub fn run(module: &Module, threads: usize, each: usize) -> Result<Report> {
    // Long enough that a busy machine answers late instead of not at all.
    let config = PolicyConfig { timeout: Duration::from_mins(1), ..PolicyConfig::default() };
    let policy = Policy::load(module, config)?;
    let mut pairs = Vec::new();
    for subject in bench::subjects()? {
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
        peak_memory: peak_memory(),
    })
}

/// The peak memory in KiB (<https://man7.org/linux/man-pages/man5/proc_pid_status.5.html>).
fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_agree() {
        // A separate module, because other tests have instances of the shared one at the same time.
        let module = Module::new(policy_module::WASM).unwrap();
        let report = run(&module, 8, 12).unwrap();
        assert_eq!((report.requests, report.wrong, report.instances), (96, 0, 0));
    }
}
