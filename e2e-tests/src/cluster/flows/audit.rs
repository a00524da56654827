// SPDX-License-Identifier: Apache-2.0

//! Runs `sa-hygiene audit` through `kubectl`, with the audit log of this API server.

#![expect(clippy::indexing_slicing, reason = "of JSON values: what is missing reads as null")]

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use policy_audit::snapshot::{Kubectl, Selection, Snapshot};
use policy_audit::{Options, log};
use serde_json::{Value, json};

use super::eventually;
use crate::cluster::api::{Api, Caller};
use crate::cluster::audit::NAMESPACE;
use crate::cluster::control_plane::Credential;
use crate::cluster::policy_server::ServerConfig;

/// A value that must never be transferred.
const TOKEN: &str = "do-not-repeat-me";

/// A Pod uses its token to list Pods; a Secret contains another token.
pub(super) fn through_kubectl(config: &ServerConfig<'_>, api: &Api) -> Result<()> {
    let kubectl =
        config.assets.kubectl.as_deref().context("kubectl is not in KUBEBUILDER_ASSETS, although envtest has it")?;
    prepare(api)?;
    let token = pod_token(api)?;
    let as_pod = config.plane.kubeconfig("pod", config.plane.port, Credential::Token(&token))?;
    let listed =
        Command::new(kubectl).arg("--kubeconfig").arg(as_pod).args(["get", "pods", "-n", NAMESPACE]).output()?;
    ensure!(listed.status.success(), "the Pod cannot list Pods: {}", String::from_utf8_lossy(&listed.stderr));

    let identity = config.plane.pki.client("admin", Some("system:masters"))?;
    let kubeconfig = config.plane.kubeconfig("audit", config.plane.port, Credential::Certificate(&identity))?;
    let client = Kubectl {
        program: kubectl.into(),
        context: Some("c".to_owned()),
        kubeconfig: Some(kubeconfig.clone().into()),
        say: |_| (),
    };
    let selection = Selection { namespace: None, token_secrets: true, api_audiences: Vec::new() };
    let snapshot = client.read(&selection, &|_| ())?;
    ensure!(snapshot.unread.is_empty(), "not read: {:?}", snapshot.unread);
    let secret = (NAMESPACE.to_owned(), "reader-token".to_owned());
    let secrets = snapshot.token_secrets.as_ref().context("Secrets were not listed")?;
    ensure!(secrets.contains_key(&secret), "the table has {:?}", secrets.keys());
    no_token_is_transferred(kubectl, &kubeconfig)?;

    eventually("call of the Pod in the audit log", || {
        let report = report(config, &snapshot)?;
        let namespaces = report["namespaces"].as_array().cloned().unwrap_or_default();
        let namespace =
            namespaces.into_iter().find(|it| it["name"] == NAMESPACE).context("the namespace is missing")?;
        let accounts = namespace["accounts"].as_array().cloned().unwrap_or_default();
        let account = accounts.into_iter().find(|it| it["name"] == "reader").context("the account is missing")?;
        let workload = &account["workloads"][0];
        if workload["use"]["calls"] == 0 {
            return Ok(None);
        }
        let found = json!({
            "kind": workload["kind"], "held": workload["token"]["held"], "may": account["permissions"]["summary"],
            "pods": workload["use"]["podNames"], "lists pods": lists_pods(workload),
            "recommendation": workload["recommendation"],
        });
        let expected = json!({
            "kind": "Pod", "held": true, "may": ["read pods"], "pods": ["reader"], "lists pods": true,
            "recommendation": "keep, used",
        });
        ensure!(found == expected, "{found}");
        Ok(Some(()))
    })
}

/// Other calls are ignored: `kubectl` also requests the kinds that the API server serves.
fn lists_pods(workload: &Value) -> bool {
    let actions = workload["use"]["actions"].as_array();
    actions.into_iter().flatten().any(|it| it["resource"] == "pods" && it["scope"] == "own namespace")
}

fn report(config: &ServerConfig<'_>, snapshot: &Snapshot) -> Result<Value> {
    let path = config.plane.audit_log_file();
    let log = log::read([path], &BTreeSet::new(), Arc::new(|_, _| ())).map_err(|(_, error)| error)?;
    let options = Options { window_seconds: 1, is_complete: true, namespace: None };
    Ok(serde_json::to_value(policy_audit::build(snapshot, Some(&log), &options))?)
}

fn prepare(api: &Api) -> Result<()> {
    api.ensure_namespace(NAMESPACE)?;
    let metadata = json!({"name": "reader", "namespace": NAMESPACE});
    let core = |plural: &str| format!("/api/v1/namespaces/{NAMESPACE}/{plural}");
    let rbac = |plural: &str| format!("/apis/rbac.authorization.k8s.io/v1/namespaces/{NAMESPACE}/{plural}");
    api.ensure(&core("serviceaccounts"), &json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata}))?;
    let rules = json!([{"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list"]}]);
    let api_version = "rbac.authorization.k8s.io/v1";
    api.ensure(
        &rbac("roles"),
        &json!({"apiVersion": api_version, "kind": "Role", "metadata": metadata, "rules": rules}),
    )?;
    api.ensure(
        &rbac("rolebindings"),
        &json!({
            "apiVersion": api_version, "kind": "RoleBinding", "metadata": metadata,
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "reader"},
            "subjects": [{"kind": "ServiceAccount", "name": "reader", "namespace": NAMESPACE}],
        }),
    )?;
    api.ensure(
        &core("secrets"),
        &json!({
            "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/service-account-token", "stringData": {"extra": TOKEN},
            "metadata": {
                "name": "reader-token", "namespace": NAMESPACE, "annotations": {"kubernetes.io/service-account.name": "reader"},
            },
        }),
    )?;
    api.ensure(
        &core("pods"),
        &json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": metadata,
            "spec": {
                "serviceAccountName": "reader", "automountServiceAccountToken": true,
                "containers": [{"name": "app", "image": "registry.example.com/app:1.0.0"}],
            },
        }),
    )
}

/// Requests a token for the Pod, as kubelet does.
fn pod_token(api: &Api) -> Result<String> {
    let pod = api.get(&format!("/api/v1/namespaces/{NAMESPACE}/pods/reader"))?;
    let request = json!({
        "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest",
        "spec": {
            "expirationSeconds": 3600,
            "boundObjectRef": {"apiVersion": "v1", "kind": "Pod", "name": "reader", "uid": pod["metadata"]["uid"]},
        },
    });
    let path = format!("/api/v1/namespaces/{NAMESPACE}/serviceaccounts/reader/token");
    let answer = api.call("POST", &path, Some(&request), &Caller::default())?.success()?;
    Ok(answer.body["status"]["token"].as_str().context("a TokenRequest without a token")?.to_owned())
}

/// At log level 9, `kubectl` logs the responses of the API server.
fn no_token_is_transferred(kubectl: &Path, kubeconfig: &Path) -> Result<()> {
    let run = |arguments: &[&str]| -> Result<String> {
        let output = Command::new(kubectl).arg("--kubeconfig").arg(kubeconfig).args(arguments).arg("-v=9").output()?;
        Ok(String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let encoded = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, TOKEN);
    let table = run(&[&policy_audit::snapshot::SECRET_ARGUMENTS[..], &["--all-namespaces"]].concat())?;
    ensure!(table.contains("\"kind\":\"Table\"") && table.contains("reader-token"), "no table: {table}");
    ensure!(!table.contains(&encoded), "the table has the data of a Secret in it");
    // Check that this test can fail: the whole object contains the token.
    let whole = run(&["get", "secret", "reader-token", "-n", NAMESPACE, "-o", "json"])?;
    ensure!(whole.contains(&encoded), "level 9 does not show what is transferred");
    Ok(())
}
