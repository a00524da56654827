// SPDX-License-Identifier: Apache-2.0

//! The cluster of `examples/audit`: each recommendation occurs once, and so do similar situations with another recommendation.

use serde_json::{Value, json};

use super::cluster::{Spec, account, binding, cron_job, deployment, namespace, role, workload};
use super::events::{Call, event};

/// 2026-11-19T06:00:00Z.
const START: i64 = 1_795_068_000;
const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;

/// The output of `kubectl get -A -o json`.
pub fn example_cluster() -> Value {
    let mut objects: Vec<Value> = ["blog", "ci", "kube-system", "ops", "shop"].map(namespace).into();
    for namespace in ["blog", "ci", "kube-system", "ops", "shop"] {
        objects.push(account(namespace, "default", &json!({})));
    }
    let unbound = Spec { account: "default", ..Spec::default() };
    objects.extend(deployment("blog", "site", &["f6g8h"], &unbound));
    objects.extend(shop());
    objects.extend(ci());
    objects.extend(ops());
    objects.extend(system());
    json!({"apiVersion": "v1", "kind": "List", "metadata": {"resourceVersion": ""}, "items": objects})
}

fn reader(resources: &[&str]) -> Value {
    json!([{"apiGroups": [""], "resources": resources, "verbs": ["get", "list", "watch"]}])
}

/// Workloads with `default`, one of which uses its token, and workloads with their own accounts.
fn shop() -> Vec<Value> {
    let spec = |account| Spec { account, ..Spec::default() };
    let quiet = Spec { account: "uploader", automount: Some(false), ..Spec::default() };
    let role_arn =
        json!({"metadata": {"annotations": {"eks.amazonaws.com/role-arn": "arn:aws:iam::123456789012:role/uploader"}}});
    let mut objects = vec![
        account("shop", "api", &json!({"automountServiceAccountToken": true})),
        account("shop", "uploader", &role_arn),
        role(Some("shop"), "endpoints-reader", &reader(&["endpoints", "pods", "services"])),
        binding(Some("shop"), "api", ("Role", "endpoints-reader"), ("shop", "api")),
        binding(Some("shop"), "report", ("ClusterRole", "view"), ("shop", "default")),
    ];
    objects.extend(deployment("shop", "api", &["q7w2x", "z4k9d"], &spec("api")));
    objects.extend(deployment("shop", "report", &["hx6vf"], &spec("default")));
    objects.extend(deployment("shop", "uploader", &["m2t5r"], &quiet));
    objects.extend(deployment("shop", "web", &["b8n4c", "l5s7p"], &spec("default")));
    objects
}

/// A runner with all permissions that lists Pods, and a pipeline outside of the cluster with a token from 2021.
fn ci() -> Vec<Value> {
    let secret = json!({"secrets": [{"name": "deployer-token-x2b4c"}]});
    let mut objects = vec![
        account("ci", "runner", &json!({})),
        account("ci", "deployer", &secret),
        binding(None, "ci-runner", ("ClusterRole", "cluster-admin"), ("ci", "runner")),
        binding(Some("ci"), "deployer", ("ClusterRole", "edit"), ("ci", "deployer")),
    ];
    let asking = Spec { account: "runner", automount: Some(true), ..Spec::default() };
    objects.extend(deployment("ci", "runner", &["t9g4k"], &asking));
    objects
}

/// A daily and a monthly `CronJob`, a hand-written token volume, and a token for Vault.
fn ops() -> Vec<Value> {
    let spec = |account| Spec { account, ..Spec::default() };
    let mut objects = vec![
        account("ops", "backup", &json!({})),
        account("ops", "billing", &json!({})),
        account("ops", "agent", &json!({"automountServiceAccountToken": false})),
        account("ops", "vault-client", &json!({})),
        role(None, "volume-reader", &reader(&["persistentvolumes", "persistentvolumeclaims"])),
        binding(None, "backup", ("ClusterRole", "volume-reader"), ("ops", "backup")),
        role(None, "node-reader", &reader(&["nodes"])),
        binding(None, "agent", ("ClusterRole", "node-reader"), ("ops", "agent")),
        cron_job("ops", "backup", "30 2 * * *", &spec("backup")),
        cron_job("ops", "billing", "0 4 1 * *", &spec("billing")),
    ];
    let by_hand = Spec { account: "agent", volume: Some("api-token"), automount: Some(false), ..Spec::default() };
    objects.push(workload("DaemonSet", "ops", "agent", 2, &by_hand));
    for chance in ["c4d6f", "v8x2z"] {
        objects.push(by_hand.pod("ops", &format!("agent-{chance}"), ("DaemonSet", "agent")));
    }
    let vault = Spec {
        account: "vault-client",
        annotations: &[("vault.hashicorp.com/agent-inject", "true")],
        ..Spec::default()
    };
    objects.extend(deployment("ops", "payments", &["k7r2w"], &vault));
    objects
}

fn system() -> Vec<Value> {
    let mut objects = vec![
        account("kube-system", "coredns", &json!({})),
        role(None, "system:coredns", &reader(&["endpoints", "services", "pods", "namespaces"])),
        binding(None, "system:coredns", ("ClusterRole", "system:coredns"), ("kube-system", "coredns")),
    ];
    let spec = Spec { account: "coredns", ..Spec::default() };
    objects.extend(deployment("kube-system", "coredns", &["d5h7j", "r4n8s"], &spec));
    objects
}

/// Nine days of the API server's audit log, as JSON lines.
pub fn example_log() -> String {
    let user = |namespace: &str, name: &str| format!("system:serviceaccount:{namespace}:{name}");
    let (api, report, runner, agent) =
        (user("shop", "api"), user("shop", "default"), user("ci", "runner"), user("ops", "agent"));
    let (coredns, deployer, gone) = (user("kube-system", "coredns"), user("ci", "deployer"), user("ops", "gone"));
    let call = Call { user: "", pod: None, verb: "list", resource: ("", "pods"), namespace: None, code: 200 };
    let of = |user, pod, verb, resource, namespace| Call { user, pod: Some(pod), verb, resource, namespace, ..call };
    let daily = [
        of(&api, "api-5d8f7c9b64-q7w2x", "watch", ("", "endpoints"), Some("shop")),
        of(&api, "api-5d8f7c9b64-z4k9d", "list", ("", "pods"), Some("shop")),
        of(&api, "api-5d8f7c9b64-z4k9d", "get", ("", "services"), Some("shop")),
        of(&runner, "runner-5d8f7c9b64-t9g4k", "list", ("", "pods"), Some("ci")),
        of(&runner, "runner-5d8f7c9b64-t9g4k", "get", ("", "pods/log"), Some("ci")),
        of(&coredns, "coredns-5d8f7c9b64-d5h7j", "watch", ("", "services"), None),
        of(&agent, "agent-c4d6f", "get", ("", "nodes"), None),
        Call { user: "system:node:node-1", ..call },
    ];
    let mut id = 0;
    let mut lines = String::new();
    let mut add = |second: i64, call: &Call<'_>, change: &Value| {
        id += 1;
        let mut event = event(call, id, second);
        json_patch::merge(&mut event, change);
        lines.push_str(&event.to_string());
        lines.push('\n');
    };
    for day in 0..9 {
        let start = START + day * DAY;
        for (index, call) in (0..).zip(&daily) {
            add(start + index * HOUR, call, &json!({}));
        }
        add(start + 12 * HOUR, &Call { user: "system:kube-scheduler", ..call }, &json!({}));
    }
    let end = START + 8 * DAY + 13 * HOUR;
    let report_call = of(&report, "report-5d8f7c9b64-hx6vf", "get", ("", "configmaps"), Some("shop"));
    add(end - 2 * DAY, &report_call, &json!({}));
    add(end - 2 * DAY + 1, &Call { verb: "get", resource: ("", "secrets"), code: 403, ..report_call }, &json!({}));
    let legacy = json!({"annotations": {
        "authentication.k8s.io/legacy-token": deployer.as_str(),
        "authentication.k8s.io/legacy-token-autogenerated-secret": "deployer-token-x2b4c"
    }});
    let deploy =
        Call { user: &deployer, verb: "patch", resource: ("apps", "deployments"), namespace: Some("ci"), ..call };
    add(end - 3 * DAY, &deploy, &legacy);
    add(end - 2 * DAY + 2, &deploy, &legacy);
    // A user who impersonates an account does not use its token; and the two events of a watch are one use.
    let impersonated = json!({"impersonatedUser": {"username": user("ops", "backup")}});
    add(end - DAY, &Call { user: "alice", ..call }, &impersonated);
    add(end - DAY + 1, &of(&gone, "gone-0", "get", ("", "pods"), Some("ops")), &json!({}));
    add(end, &Call { user: "system:node:node-1", ..call }, &json!({}));
    lines
}
