// SPDX-License-Identifier: Apache-2.0

//! Time and memory of other programs.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// Number of runs. The fastest one counts, so that other load on the machine is not measured.
pub const ROUNDS: usize = 3;

/// The duration of a program, and its peak memory in MB.
///
/// # Errors
///
/// If the program does not start, or fails.
pub fn measure(command: &mut Command) -> Result<(Duration, u64)> {
    let start = Instant::now();
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    let ended = loop {
        if let Some(ended) = child.try_wait()? {
            break ended;
        }
        peak = peak.max(peak_memory(&status).unwrap_or_default());
        std::thread::sleep(Duration::from_millis(2));
    };
    if !ended.success() {
        bail!("the command failed: {ended}");
    }
    Ok((start.elapsed(), peak / 1024))
}

/// The peak memory of a process in KiB, from its file `status` (<https://man7.org/linux/man-pages/man5/proc_pid_status.5.html>);
/// `None` if the system has no such file.
pub fn peak_memory(status: &str) -> Option<u64> {
    let text = std::fs::read_to_string(status).ok()?;
    text.lines().find_map(|line| line.strip_prefix("VmHWM:"))?.split_whitespace().next()?.parse().ok()
}
