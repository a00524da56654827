// SPDX-License-Identifier: Apache-2.0

//! Runs the cases and the examples on a real control plane: `make cluster-test`.
//!
//! ```text
//! cluster test [PART]     all of it, or the cases whose name contains PART
//! cluster flows           the flows alone
//! cluster bench [ROUNDS]  how long a Pod takes (300 rounds), and how much a policy server answers
//! cluster load [PODS]     many Pods (20,000) by 16 clients at once
//! ```

use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context as _, Result, anyhow, bail};
use e2e_tests::cluster::assets::{Assets, Missing};
use e2e_tests::cluster::cases::Runner;
use e2e_tests::cluster::control_plane::ControlPlane;
use e2e_tests::cluster::plan::Plan;
use e2e_tests::cluster::policy_server::ServerConfig;
use e2e_tests::cluster::processes::Workspace;
use e2e_tests::cluster::report::{Outcome, Report};
use e2e_tests::cluster::{bench, conditions, flows, manifests, module, refusals};
use e2e_tests::repository;

/// The exit code if a required tool is missing, as for the other make targets that need tools.
const MISSING: u8 = 3;

const ROUNDS: usize = 300;
const PODS: usize = 20_000;
const CLIENTS: usize = 16;

fn main() -> ExitCode {
    let assets = match Assets::find() {
        Ok(assets) => assets,
        Err(missing) => {
            eprintln!("cluster: {missing}");
            return ExitCode::from(MISSING);
        }
    };
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let is_passed = match arguments.as_slice() {
        ["test"] => test(&assets, None),
        ["test", part] => test(&assets, Some(part)),
        ["flows"] => only_flows(&assets),
        ["bench"] => measure(&assets, ROUNDS),
        ["bench", rounds] => number(rounds).and_then(|rounds| measure(&assets, rounds)),
        ["load"] => load(&assets, PODS),
        ["load", pods] => number(pods).and_then(|pods| load(&assets, pods)),
        _ => Err(anyhow!("cluster test [PART], cluster flows, cluster bench [ROUNDS], or cluster load [PODS]")),
    };
    match is_passed {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Starts a control plane, and stops it afterwards.
fn on_control_plane<T>(assets: &Assets, run: impl FnOnce(&ServerConfig<'_>) -> Result<T>) -> Result<T> {
    println!("{}", assets.versions());
    let workspace = Workspace::new()?;
    let plane = ControlPlane::start(assets, workspace.path())?;
    let module = module::write(&repository(), workspace.path())?;
    run(&ServerConfig { assets, plane: &plane, folder: workspace.path(), module: &module })
}

fn test(assets: &Assets, part: Option<&str>) -> Result<bool> {
    let mut plan = Plan::new(&repository())?;
    if let Some(part) = part {
        plan.keep(part);
        if plan.cases.is_empty() {
            bail!("no case has `{part}` in its name");
        }
    }
    let mut report = Report::default();
    on_control_plane(assets, |config| {
        cases(config, &plan, part.is_none(), &mut report)?;
        if part.is_none() {
            flows(config, &mut report)?;
        }
        Ok(())
    })?;
    println!("exceptions: {} cases, each with a reason in e2e-tests/cluster/exceptions.yaml", plan.exceptions.len());
    Ok(report.is_passed(is_ci()))
}

fn only_flows(assets: &Assets) -> Result<bool> {
    let mut report = Report::default();
    on_control_plane(assets, |config| flows(config, &mut report))?;
    Ok(report.is_passed(is_ci()))
}

fn number(text: &str) -> Result<usize> {
    text.parse().with_context(|| format!("{text} is not a number"))
}

fn measure(assets: &Assets, rounds: usize) -> Result<bool> {
    on_control_plane(assets, |config| bench::latency::run(&repository(), config, rounds))?;
    on_control_plane(assets, |config| bench::throughput::run(&repository(), config))?;
    Ok(true)
}

fn load(assets: &Assets, pods: usize) -> Result<bool> {
    on_control_plane(assets, |config| bench::load::run(&repository(), config, pods, CLIENTS))?;
    Ok(true)
}

fn is_ci() -> bool {
    std::env::var_os("CI").is_some_and(|value| !value.is_empty())
}

fn cases(config: &ServerConfig<'_>, plan: &Plan, is_all: bool, report: &mut Report) -> Result<()> {
    let (repository, api) = (repository(), &config.plane.admin);
    let start = Instant::now();
    report.part("refusals of the API server", &refusals::run(&repository, api)?, start.elapsed());

    let start = Instant::now();
    let mut runner = Runner::new(&repository, config, plan)?;
    let run = |planned| runner.run(planned).unwrap_or_else(|error| Outcome::of(&planned.name, Err::<(), _>(error)));
    let outcomes: Vec<Outcome> = plan.cases.iter().map(run).collect();
    report.part("cases", &outcomes, start.elapsed());
    if !is_all {
        return Ok(());
    }

    let start = Instant::now();
    let outcomes = conditions::run(&repository, &mut runner, plan)?;
    report.part("what reaches the examples", &outcomes, start.elapsed());

    let start = Instant::now();
    match manifests::definitions() {
        Some(definitions) => {
            let outcomes = manifests::run(&repository, api, &definitions)?;
            report.part("manifests of the examples", &outcomes, start.elapsed());
        }
        None => report.skip("manifests of the examples", "KUBEWARDEN_CRDS names no definitions"),
    }
    Ok(())
}

fn flows(config: &ServerConfig<'_>, report: &mut Report) -> Result<()> {
    let start = Instant::now();
    report.part("flows", &flows::run(&repository(), config)?, start.elapsed());
    if config.assets.controller_manager.is_none() {
        let name = format!("{} flows of controllers", flows::of_controllers());
        report.skip(&name, &Missing::controller_manager().to_string());
    }
    Ok(())
}
