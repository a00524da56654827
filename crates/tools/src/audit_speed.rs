// SPDX-License-Identifier: Apache-2.0

//! `policy-tools audit-speed`: measures the time and memory of `sa-hygiene audit` with a generated cluster and log.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result};
use comfy_table::Cell;
use policy_audit::sample;

use crate::process::{self, ROUNDS};
use crate::{Passed, table};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The program `sa-hygiene`
    program: PathBuf,
}

const PODS: usize = 10_000;
const ACCOUNTS: usize = 5_000;
const BYTES: u64 = 1_000_000_000;
const KEYS: u64 = 100_000;

/// A run, and its limits.
struct Case {
    name: &'static str,
    arguments: &'static [&'static str],
    bytes: u64,
    /// Seconds.
    limit: f64,
    /// MB.
    memory: u64,
}

/// The cluster alone; the log with a small cluster, so that mostly the log is measured; and a line without a line end.
const CASES: [Case; 3] = [
    Case {
        name: "10,000 Pods, 5,000 accounts",
        arguments: &["large.json", "-o", "json"],
        bytes: 0,
        limit: 5.0,
        memory: 200,
    },
    Case {
        name: "log of 1 GB, 100,000 combinations",
        arguments: &["small.json", "--audit-log", "audit.log"],
        bytes: BYTES,
        limit: 2.0,
        memory: 200,
    },
    Case {
        name: "log of one line, 100 MB",
        arguments: &["small.json", "--audit-log", "line.log"],
        bytes: 100_000_000,
        limit: 1.0,
        memory: 200,
    },
];

pub fn run(args: &Args) -> Result<Passed> {
    let folder = tempfile::tempdir()?;
    // The program is started in another directory.
    let program = std::path::absolute(&args.program).context("cannot locate the program")?;
    write_inputs(folder.path())?;
    let mut table = table::new(["input", "seconds", "limit", "MB/s", "peak MB", "limit"]);
    let mut passed = true;
    for Case { name, arguments, bytes, limit, memory: most } in CASES {
        let mut best = (Duration::MAX, 0);
        for _ in 0..ROUNDS {
            let mut command = Command::new(&program);
            command.arg("audit").args(arguments).current_dir(folder.path());
            best = best.min(process::measure(&mut command)?);
        }
        let (time, memory) = best;
        let is_slow = time.as_secs_f64() > limit;
        passed &= !is_slow && memory <= most;
        let rate = u128::from(bytes) / 1_000 / time.as_millis().max(1);
        table.add_row(vec![
            Cell::new(name),
            table::limited(format!("{:.2}", time.as_secs_f64()), is_slow),
            table::number(format!("{limit:.2}")),
            table::number(if bytes == 0 { String::new() } else { rate.to_string() }),
            table::limited(memory, memory > most),
            table::number(most),
        ]);
    }
    println!("{table}\n\nthe best of {ROUNDS} runs");
    Ok(passed)
}

fn write_inputs(folder: &Path) -> Result<()> {
    let create = |name: &str| Ok::<_, std::io::Error>(BufWriter::new(File::create(folder.join(name))?));
    let mut large = create("large.json")?;
    sample::large_cluster(&mut large, PODS, ACCOUNTS)?;
    large.flush()?;
    let mut small = create("small.json")?;
    sample::large_cluster(&mut small, 100, 100)?;
    small.flush()?;
    let mut log = create("audit.log")?;
    sample::write_log(&mut log, BYTES, KEYS)?;
    log.flush()?;
    let mut line = create("line.log")?;
    line.write_all(b"{\"user\": {\"username\": \"system:serviceaccount:")?;
    let part = vec![b'x'; 1_000_000];
    for _ in 0..100 {
        line.write_all(&part)?;
    }
    Ok(line.flush()?)
}
