// SPDX-License-Identifier: Apache-2.0

//! How many requests a policy server answers per second. Requests go to it directly; only its look-ups go to the API server.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, ensure};
use policy_host::apiserver::{ApiServer, RequestOptions};
use serde_json::{Value, json};

use super::{account_with_token, ordinary_pod, others};
use crate::cluster::api::{Api, Caller};
use crate::cluster::flows::policy;
use crate::cluster::policies::Policy;
use crate::cluster::policy_server::{PolicyServer, ServerConfig};
use crate::cluster::preparation;

/// The number of measurements for each rate; they alternate, and the median counts.
const ROUNDS: usize = 7;

/// The duration of a measurement.
const SLICE: Duration = Duration::from_secs(1);

/// Enough clients that one worker never waits for a request.
const CLIENTS: usize = 4;

/// Many accounts, each of which is looked up once.
const ACCOUNTS: usize = 5000;
const ACCOUNT_CLIENTS: usize = 16;
const ACCOUNT_WORKERS: usize = 4;

const NAMESPACE: &str = "accounts";

/// A request that is sent repeatedly.
struct Review {
    path: String,
    body: Vec<u8>,
}

/// Measures the rates and prints the table.
///
/// # Errors
/// If a policy cannot be used, or a Pod is rejected.
pub fn run(repository: &Path, config: &ServerConfig<'_>) -> Result<()> {
    let api = &config.plane.admin;
    preparation::permissions(repository, api)?;
    let ours = policy(repository, "mutating")?;
    let others = others()?;
    let policies = || std::iter::once(&ours).chain(others.iter().map(|(_, policy)| policy));
    make_accounts(api)?;

    println!(
        "\n| policy server alone | workers | clients | requests per second | share | server memory MB, before and after |"
    );
    println!("|---|---:|---:|---:|---:|---:|");
    let mut server = PolicyServer::new(config, "policy-server", config.plane.port, 1)?;
    server.configure(policies())?;
    server.start()?;
    let client = config.plane.client_of(&server.url())?;
    let mut rows = vec![
        ("no look-up".to_owned(), review(&ours, "account-0", Some(true))?),
        ("a look-up of the same account".to_owned(), review(&ours, "account-0", None)?),
    ];
    for (name, policy) in &others {
        rows.push((name.clone(), review(policy, "account-0", None)?));
    }
    let mut rates = vec![Vec::new(); rows.len()];
    for _ in 0..ROUNDS {
        for ((_, review), rates) in rows.iter().zip(&mut rates) {
            rates.push(rate(&client, CLIENTS, SLICE, || Some(review))?);
        }
    }
    let mut first = None;
    for ((name, _), mut rates) in rows.iter().zip(rates) {
        rates.sort_by(f64::total_cmp);
        let rate = rates.get(ROUNDS / 2).copied().unwrap_or_default();
        let share = rate / *first.get_or_insert(rate);
        println!("| {name} | 1 | {CLIENTS} | {rate:.0} | {share:.2} | |");
    }

    let mut server = PolicyServer::new(config, "policy-server", config.plane.port, ACCOUNT_WORKERS)?;
    server.configure(policies())?;
    server.start()?;
    let client = config.plane.client_of(&server.url())?;
    let reviews: Result<Vec<Review>> =
        (0..ACCOUNTS).map(|index| review(&ours, &format!("account-{index}"), None)).collect();
    let (reviews, next) = (reviews?, AtomicUsize::new(0));
    let memory = server.memory();
    let each_once = || reviews.get(next.fetch_add(1, Ordering::Relaxed));
    let rate = rate(&client, ACCOUNT_CLIENTS, Duration::from_mins(1), each_once)?;
    let megabytes = |kib: Option<u64>| kib.map_or_else(|| "?".to_owned(), |kib| (kib / 1024).to_string());
    println!(
        "| a look-up of {ACCOUNTS} accounts, each once | {ACCOUNT_WORKERS} | {ACCOUNT_CLIENTS} | {rate:.0} | | {}, {} |",
        megabytes(memory),
        megabytes(server.memory())
    );
    Ok(())
}

fn make_accounts(api: &Api) -> Result<()> {
    api.ensure_namespace(NAMESPACE)?;
    let next = AtomicUsize::new(0);
    in_parallel(ACCOUNT_CLIENTS, || {
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            if index >= ACCOUNTS {
                return Ok(());
            }
            let account = account_with_token(NAMESPACE, &format!("account-{index}"));
            api.ensure(&format!("/api/v1/namespaces/{NAMESPACE}/serviceaccounts"), &account)?;
        }
    })
}

/// The request that the API server would send for a Pod of an account.
fn review(policy: &Policy, account: &str, automount: Option<bool>) -> Result<Review> {
    let pod = ordinary_pod(NAMESPACE, account, automount);
    let server = ApiServer::new(&[account_with_token(NAMESPACE, account)]);
    let request = server.request(pod, &RequestOptions::default())?;
    let review = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request});
    Ok(Review { path: format!("/validate/{}", policy.id), body: serde_json::to_vec(&review)? })
}

/// Sends requests from several clients until there are none left or the time is up.
fn rate<'r>(
    client: &Api,
    clients: usize,
    limit: Duration,
    next: impl Fn() -> Option<&'r Review> + Sync,
) -> Result<f64> {
    let (answered, first) = (AtomicUsize::new(0), Instant::now());
    in_parallel(clients, || {
        while first.elapsed() < limit
            && let Some(Review { path, body }) = next()
        {
            let answer = client.send("POST", path, body, &Caller::default())?.success()?;
            let is_allowed = answer.body.pointer("/response/allowed") == Some(&Value::Bool(true));
            ensure!(is_allowed, "the policy server answers {}", answer.body);
            answered.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    })?;
    #[expect(clippy::cast_precision_loss, reason = "a few thousand")]
    Ok(answered.into_inner() as f64 / first.elapsed().as_secs_f64())
}

/// Runs the same function in several threads.
pub(super) fn in_parallel(threads: usize, run: impl Fn() -> Result<()> + Sync) -> Result<()> {
    thread::scope(|scope| {
        let handles: Vec<_> = (0..threads).map(|_| scope.spawn(&run)).collect();
        handles.into_iter().try_for_each(|handle| handle.join().map_err(|_| anyhow!("a thread panicked"))?)
    })
    .context("a client")
}
