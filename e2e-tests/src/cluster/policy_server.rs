// SPDX-License-Identifier: Apache-2.0

//! Kubewarden's `policy-server` as a process.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;
use policy_host::yaml;
use serde_json::{Map, Value};

use super::assets::Assets;
use super::control_plane::{ControlPlane, Credential, START};
use super::policies::{NAMESPACE, Policy};
use super::processes::{Process, free_port};

/// What a policy server needs to start.
#[derive(Debug, Clone, Copy)]
pub struct ServerConfig<'s> {
    /// The binaries.
    pub assets: &'s Assets,
    /// The API server that it connects to.
    pub plane: &'s ControlPlane,
    /// The folder for its files.
    pub folder: &'s Path,
    /// The module of policies that do not name a file.
    pub module: &'s Path,
}

/// A policy server that can be stopped and started again with the same policies.
#[derive(Debug)]
pub struct PolicyServer {
    process: Option<Process>,
    port: u16,
    binary: PathBuf,
    module: PathBuf,
    folder: PathBuf,
    name: String,
    workers: usize,
    kubeconfig: PathBuf,
    certificate: (PathBuf, PathBuf),
}

impl PolicyServer {
    /// Chooses a port, and starts nothing yet.
    ///
    /// `account` is the ServiceAccount that it uses at the API server on port `api_port`.
    ///
    /// # Errors
    /// If no port is free, or no token can be created for the account.
    pub fn new(config: &ServerConfig<'_>, account: &str, api_port: u16, workers: usize) -> Result<Self> {
        let token = config.plane.token(NAMESPACE, account)?;
        Ok(Self {
            process: None,
            port: free_port()?,
            binary: config.assets.policy_server.clone(),
            module: config.module.to_owned(),
            folder: config.folder.to_owned(),
            kubeconfig: config.plane.kubeconfig(account, api_port, Credential::Token(&token))?,
            certificate: config.plane.pki.server_files.clone(),
            name: account.to_owned(),
            workers,
        })
    }

    /// The URL for webhooks.
    #[must_use]
    pub fn url(&self) -> String {
        format!("https://127.0.0.1:{}", self.port)
    }

    /// Writes its configuration.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn configure<'p>(&self, policies: impl IntoIterator<Item = &'p Policy>) -> Result<()> {
        let entries = policies.into_iter().map(|policy| (policy.id.clone(), policy.entry(&self.module)));
        let entries: Map<String, Value> = entries.collect();
        std::fs::write(self.policies_file(), yaml::to_string(&Value::Object(entries))?)?;
        Ok(())
    }

    fn policies_file(&self) -> PathBuf {
        self.folder.join(format!("{}.yml", self.name))
    }

    /// Starts it, and waits until it has loaded all policies.
    ///
    /// # Errors
    /// If it cannot load a policy.
    pub fn start(&mut self) -> Result<()> {
        self.stop();
        let readiness = free_port()?;
        let mut command = Command::new(&self.binary);
        command.args(["--addr", "127.0.0.1", "--log-level", "warn", "--log-no-color"]);
        for (flag, value) in [
            ("--port", self.port.to_string()),
            ("--readiness-probe-port", readiness.to_string()),
            ("--workers", self.workers.to_string()),
            ("--always-accept-admission-reviews-on-namespace", NAMESPACE.to_owned()),
        ] {
            command.args([flag, &value]);
        }
        for (flag, path) in [
            ("--cert-file", &self.certificate.0),
            ("--key-file", &self.certificate.1),
            ("--policies", &self.policies_file()),
            ("--policies-download-dir", &self.folder.join("policies")),
            ("--sigstore-cache-dir", &self.folder.join("sigstore")),
        ] {
            command.arg(flag).arg(path);
        }
        command.env("KUBECONFIG", &self.kubeconfig);
        let process = Process::start(&self.name, &mut command, &self.folder)?;
        let url = format!("http://127.0.0.1:{readiness}/readiness");
        let agent: ureq::Agent = ureq::Agent::config_builder().proxy(None).build().into();
        process.wait(START, || agent.get(&url).call().is_ok())?;
        self.process = Some(process);
        Ok(())
    }

    /// Stops it, if it is running.
    pub fn stop(&mut self) {
        self.process = None;
    }

    /// The memory that it uses, in KiB.
    #[must_use]
    pub fn memory(&self) -> Option<u64> {
        self.process.as_ref()?.memory()
    }
}
