// SPDX-License-Identifier: Apache-2.0

//! Stores many Pods: checks that none is rejected, and that the memory of the policy server does not grow.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use super::throughput::in_parallel;
use super::{Times, account_with_token, ordinary_pod};
use crate::cluster::api::Caller;
use crate::cluster::flows::policy;
use crate::cluster::policies::Policy;
use crate::cluster::policy_server::{PolicyServer, ServerConfig};
use crate::cluster::{preparation, webhooks};

/// The number of namespaces, and of accounts in each.
const NAMESPACES: usize = 20;
const ACCOUNTS: usize = 25;

/// How many times the memory is measured during the run.
const SAMPLES: usize = 20;

/// How much the memory may grow between the first quarter of the run and its end, in percent.
const GROWTH: u64 = 10;

/// Creates Pods from several clients at once.
///
/// # Errors
/// If a Pod is rejected, or the memory grows.
pub fn run(repository: &Path, config: &ServerConfig<'_>, pods: usize, clients: usize) -> Result<()> {
    let api = &config.plane.admin;
    preparation::permissions(repository, api)?;
    for namespace in 0..NAMESPACES {
        let namespace = format!("load-{namespace}");
        api.ensure_namespace(&namespace)?;
        for account in 0..ACCOUNTS {
            let account = account_with_token(&namespace, &format!("account-{account}"));
            api.ensure(&format!("/api/v1/namespaces/{namespace}/serviceaccounts"), &account)?;
        }
    }
    let policies: Vec<Policy> = vec![policy(repository, "mutating")?, policy(repository, "validating")?];
    let mut server = PolicyServer::new(config, "policy-server", config.plane.port, 2)?;
    server.configure(&policies)?;
    server.start()?;
    webhooks::install(config.plane, policies.iter().map(|policy| (policy, &server)))?;

    let (next, times, memory) = (AtomicUsize::new(0), Mutex::new(Vec::new()), Mutex::new(Vec::new()));
    let start = Instant::now();
    in_parallel(clients, || {
        let mut own = Vec::new();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            if index >= pods {
                break;
            }
            if index % (pods / SAMPLES).max(1) == 0 {
                let sample = (index, server.memory().unwrap_or_default());
                memory.lock().unwrap_or_else(PoisonError::into_inner).push(sample);
            }
            own.push(create(config, index)?);
        }
        times.lock().unwrap_or_else(PoisonError::into_inner).extend(own);
        Ok(())
    })?;
    let elapsed = start.elapsed();
    let mut memory = memory.into_inner().unwrap_or_else(PoisonError::into_inner);
    memory.push((pods, server.memory().unwrap_or_default()));
    memory.sort_unstable();
    let times = Times::of(times.into_inner().unwrap_or_else(PoisonError::into_inner));
    report(pods, clients, elapsed, times, &memory);
    let at = |share: usize| memory.get(memory.len() * share / 4).or(memory.last()).map_or(0, |(_, kib)| *kib);
    let (early, late) = (at(1), at(4));
    ensure!(
        late <= early + early * GROWTH / 100,
        "the policy server's memory grew from {} to {} MB",
        early / 1024,
        late / 1024
    );
    Ok(())
}

/// Creates a Pod. One in four uses `default`, and its token is removed; some of the others need a look-up.
fn create(config: &ServerConfig<'_>, index: usize) -> Result<Duration> {
    let namespace = format!("load-{}", index % NAMESPACES);
    let account = format!("account-{}", index / NAMESPACES % ACCOUNTS);
    let pod = match index % 4 {
        0 => ordinary_pod(&namespace, "default", None),
        1 => ordinary_pod(&namespace, &account, Some(true)),
        _ => ordinary_pod(&namespace, &account, None),
    };
    let body = serde_json::to_vec(&pod)?;
    let start = Instant::now();
    let answer =
        config.plane.admin.send("POST", &format!("/api/v1/namespaces/{namespace}/pods"), &body, &Caller::default())?;
    let elapsed = start.elapsed();
    let answer = answer.success()?;
    let automount = answer.body.pointer("/spec/automountServiceAccountToken").and_then(serde_json::Value::as_bool);
    let expected = [Some(false), Some(true), None, None].get(index % 4).copied().flatten();
    ensure!(
        automount == expected,
        "automountServiceAccountToken of Pod {index} is {automount:?}, expected {expected:?}"
    );
    Ok(elapsed)
}

fn report(pods: usize, clients: usize, elapsed: Duration, times: Times, memory: &[(usize, u64)]) {
    #[expect(clippy::cast_precision_loss, reason = "a few thousand")]
    let rate = pods as f64 / elapsed.as_secs_f64();
    println!("\n{pods} Pods by {clients} clients in {:.0} s, {rate:.0} a second, none refused", elapsed.as_secs_f64());
    println!("median {:.1} ms, p95 {:.1} ms, p99 {:.1} ms", times.median, times.p95, times.p99);
    println!("\n| Pods | memory of the policy server, MB |");
    println!("|---:|---:|");
    for (count, kib) in memory {
        println!("| {count} | {} |", kib / 1024);
    }
}
