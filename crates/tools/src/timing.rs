// SPDX-License-Identifier: Apache-2.0

//! How long one request takes, as the policy server would run it: with a new instance each time, and with epoch interruption.
//!
//! Absolute times differ from machine to machine and from minute to minute, so two policies are always measured alternately.

use std::time::{Duration, Instant};

use anyhow::Result;
use policy_host::kubewarden::Policy;

/// Rounds that are not counted.
const WARM_UP: usize = 10;

/// The median times of two policies for the same request.
///
/// # Errors
///
/// If a policy does not answer.
pub fn medians(policies: [&Policy; 2], operation: &str, payload: &[u8], rounds: usize) -> Result<[Duration; 2]> {
    let [first, second] = policies;
    let [mut first_times, mut second_times] = [Vec::with_capacity(rounds), Vec::with_capacity(rounds)];
    for round in 0..rounds + WARM_UP {
        let mut turns = [(first, &mut first_times), (second, &mut second_times)];
        // The order alternates, so that neither policy always runs on the caches that the other one left behind.
        if round % 2 == 1 {
            turns.reverse();
        }
        for (policy, times) in turns {
            let start = Instant::now();
            policy.evaluate_raw(operation, payload)?;
            let elapsed = start.elapsed();
            if round >= WARM_UP {
                times.push(elapsed);
            }
        }
    }
    Ok([first_times, second_times].map(median))
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}
