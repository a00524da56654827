// SPDX-License-Identifier: Apache-2.0

//! `etcd`, `kube-apiserver`, and optionally `kube-controller-manager`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result};
use policy_host::yaml;
use serde_json::{Value, json};

use super::api::{Api, Caller};
use super::assets::Assets;
use super::audit::{self, AuditLog};
use super::pki::{Identity, Pki};
use super::processes::{Process, free_port, write_private};

/// How long a component may take to become ready, on a busy machine.
pub const START: Duration = Duration::from_mins(2);

/// The controllers that create Pods and accounts and clean up after them; those for nodes and clouds are left out.
const CONTROLLERS: &str = "serviceaccount-controller,serviceaccount-token-controller,root-ca-certificate-publisher-controller,\
    deployment-controller,replicaset-controller,statefulset-controller,daemonset-controller,job-controller,\
    cronjob-controller,replicationcontroller-controller,namespace-controller,garbage-collector-controller,\
    clusterrole-aggregation-controller,endpointslice-controller";

/// A control plane without nodes.
#[derive(Debug)]
pub struct ControlPlane {
    /// A client that is a member of `system:masters`.
    pub admin: Api,
    /// Keys and certificates.
    pub pki: Pki,
    /// The API server's port.
    pub port: u16,
    folder: PathBuf,
    // Fields are dropped in this order: the API server stops before etcd.
    api_server: Process,
    _etcd: Process,
}

/// How a client authenticates to the API server.
#[derive(Debug, Clone, Copy)]
pub enum Credential<'c> {
    /// With a client certificate.
    Certificate(&'c Identity),
    /// With the token of a ServiceAccount.
    Token(&'c str),
}

impl ControlPlane {
    /// Starts `etcd` and `kube-apiserver`, and waits until they are ready.
    ///
    /// # Errors
    /// If one of them does not become ready.
    pub fn start(assets: &Assets, folder: &Path) -> Result<Self> {
        let pki = Pki::new(folder)?;
        let (etcd, url) = start_etcd(assets, folder)?;
        let port = free_port()?;
        let api_server = start_api_server(assets, folder, &pki, port, &url)?;
        let admin =
            Api::new(&format!("https://127.0.0.1:{port}"), &pki, &pki.client("admin", Some("system:masters"))?)?;
        let ready = |path: &str| admin.get(path).is_ok();
        api_server.wait(START, || {
            // System namespaces may be created after the API server is ready.
            ready("/readyz") && ready("/api/v1/namespaces/default") && ready("/api/v1/namespaces/kube-system")
        })?;
        Ok(Self { admin, pki, port, folder: folder.to_owned(), api_server, _etcd: etcd })
    }

    /// Starts `kube-controller-manager`.
    ///
    /// # Errors
    /// If it does not become ready.
    pub fn start_controller_manager(&self, binary: &Path) -> Result<Process> {
        let identity = self.pki.client("system:kube-controller-manager", None)?;
        let kubeconfig = self.kubeconfig("controller-manager", self.port, Credential::Certificate(&identity))?;
        let mut command = Command::new(binary);
        command.arg(flag("kubeconfig", &kubeconfig));
        command.arg(flag("service-account-private-key-file", &self.pki.token_key_files.1));
        command.arg(flag("root-ca-file", &self.pki.authority_file));
        command.arg(format!("--controllers={CONTROLLERS}"));
        command.args(["--use-service-account-credentials=true", "--leader-elect=false", "--secure-port=0"]);
        let process = Process::start("kube-controller-manager", &mut command, &self.folder)?;
        process.wait(START, || self.admin.get("/api/v1/namespaces/default/serviceaccounts/default").is_ok())?;
        Ok(process)
    }

    /// Writes a kubeconfig.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn kubeconfig(&self, name: &str, port: u16, credential: Credential<'_>) -> Result<PathBuf> {
        let user = match credential {
            Credential::Certificate(Identity { certificate, key }) => {
                json!({"client-certificate-data": base64(certificate), "client-key-data": base64(key)})
            }
            Credential::Token(token) => json!({"token": token}),
        };
        let server = format!("https://127.0.0.1:{port}");
        let config = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [
                {"name": "c", "cluster": {"server": server, "certificate-authority-data": base64(&self.pki.authority)}}
            ],
            "users": [{"name": "u", "user": user}],
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
            "current-context": "c",
        });
        let path = self.folder.join(format!("{name}.kubeconfig"));
        write_private(&path, &yaml::to_string(&config)?)?;
        Ok(path)
    }

    /// A client for another server of this run.
    ///
    /// # Errors
    /// If the certificate cannot be created.
    pub fn client_of(&self, url: &str) -> Result<Api> {
        Api::new(url, &self.pki, &self.pki.client("client", None)?)
    }

    /// Creates an account, unless it exists, and a token for it.
    ///
    /// # Errors
    /// If the API server rejects one of them.
    pub fn token(&self, namespace: &str, name: &str) -> Result<String> {
        let accounts = format!("/api/v1/namespaces/{namespace}/serviceaccounts");
        let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}});
        self.admin.ensure(&accounts, &account)?;
        let request = json!({
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {"expirationSeconds": 36000},
        });
        let path = format!("{accounts}/{name}/token");
        let answer = self.admin.call("POST", &path, Some(&request), &Caller::default())?.success()?;
        let token = answer.body.pointer("/status/token").and_then(Value::as_str);
        Ok(token.context("a TokenRequest without a token")?.to_owned())
    }

    /// Opens the audit log.
    ///
    /// # Errors
    /// If there is no audit log.
    pub fn audit_log(&self) -> Result<AuditLog> {
        AuditLog::open(&self.audit_log_file())
    }

    /// The path of the audit log.
    #[must_use]
    pub fn audit_log_file(&self) -> PathBuf {
        audit_log(&self.folder)
    }

    /// The memory of the API server, in KiB.
    #[must_use]
    pub fn memory(&self) -> Option<u64> {
        self.api_server.memory()
    }
}

fn audit_log(folder: &Path) -> PathBuf {
    folder.join("audit.log")
}

fn flag(name: &str, path: &Path) -> String {
    format!("--{name}={}", path.display())
}

fn base64(text: &str) -> String {
    base64::Engine::encode(&base64::engine::general_purpose::STANDARD, text)
}

fn start_etcd(assets: &Assets, folder: &Path) -> Result<(Process, String)> {
    let url = |port: u16| format!("http://127.0.0.1:{port}");
    let (client, peer) = (url(free_port()?), url(free_port()?));
    let mut command = Command::new(&assets.etcd);
    command.arg(flag("data-dir", &folder.join("etcd")));
    for (name, value) in [
        ("listen-client-urls", &client),
        ("advertise-client-urls", &client),
        ("listen-peer-urls", &peer),
        ("initial-advertise-peer-urls", &peer),
        ("initial-cluster", &format!("default={peer}")),
    ] {
        command.arg(format!("--{name}={value}"));
    }
    // The data need not survive a power failure.
    command.args(["--unsafe-no-fsync=true", "--log-level=error"]);
    Ok((Process::start("etcd", &mut command, folder)?, client))
}

fn start_api_server(assets: &Assets, folder: &Path, pki: &Pki, port: u16, etcd: &str) -> Result<Process> {
    let policy = folder.join("audit-policy.yaml");
    fs::write(&policy, audit::POLICY)?;
    let mut command = Command::new(&assets.api_server);
    command.args([
        format!("--etcd-servers={etcd}"),
        format!("--secure-port={port}"),
        flag("cert-dir", &folder.join("certificates")),
        flag("tls-cert-file", &pki.server_files.0),
        flag("tls-private-key-file", &pki.server_files.1),
        flag("client-ca-file", &pki.authority_file),
        flag("service-account-key-file", &pki.token_key_files.0),
        flag("service-account-signing-key-file", &pki.token_key_files.1),
        flag("audit-policy-file", &policy),
        flag("audit-log-path", &audit_log(folder)),
    ]);
    command.args([
        "--bind-address=127.0.0.1",
        "--advertise-address=127.0.0.1",
        "--endpoint-reconciler-type=none",
        "--service-cluster-ip-range=10.0.0.0/24",
        "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
        "--authorization-mode=RBAC",
        "--allow-privileged=true",
    ]);
    Process::start("kube-apiserver", &mut command, folder)
}
