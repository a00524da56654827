// SPDX-License-Identifier: Apache-2.0

use rstest::rstest;
use serde_json::{Value, json};

use super::*;

fn snapshot(objects: &[Value]) -> Snapshot {
    let mut snapshot = Snapshot::new(&[]);
    for object in objects {
        assert!(snapshot.add(&object.to_string(), None), "{object}");
    }
    snapshot
}

fn object(api_version: &str, kind: &str, name: &str, owner: Option<(&str, &str)>, spec: &Value) -> Value {
    let owners: Vec<Value> =
        owner.iter().map(|(kind, name)| json!({"kind": kind, "name": name, "controller": true})).collect();
    let metadata = json!({"name": name, "namespace": "shop", "ownerReferences": owners});
    json!({"apiVersion": api_version, "kind": kind, "metadata": metadata, "spec": spec})
}

fn pod(name: &str, owner: Option<(&str, &str)>) -> Value {
    object("v1", "Pod", name, owner, &json!({}))
}

fn template() -> Value {
    json!({"template": {"spec": {}}})
}

/// One line for each group: workload, Pods.
fn lines(objects: &[Value]) -> Vec<String> {
    let (groups, _) = groups(&snapshot(objects));
    groups.iter().map(|it| format!("{} as {}: {:?}", it.id, it.account, it.running)).collect()
}

#[test]
fn counts_pods_under_their_controller() {
    let set = object("apps/v1", "ReplicaSet", "web-5d8f7c9b64", Some(("Deployment", "web")), &template());
    let rollout = object("apps/v1", "ReplicaSet", "canary-1", Some(("Rollout", "canary")), &template());
    let job = object("batch/v1", "Job", "backup-1", Some(("CronJob", "backup")), &template());
    let mut unread = pod("api-7f9c6b5d4-x2b4c", Some(("ReplicaSet", "api-7f9c6b5d4")));
    unread["metadata"]["labels"] = json!({"pod-template-hash": "7f9c6b5d4"});
    let found = lines(&[
        set,
        rollout,
        job,
        pod("web-5d8f7c9b64-x2b4c", Some(("ReplicaSet", "web-5d8f7c9b64"))),
        pod("canary-1-x", Some(("ReplicaSet", "canary-1"))),
        pod("backup-1-x", Some(("Job", "backup-1"))),
        unread,
        pod("bare", None),
        pod("static-node-1", Some(("Node", "node-1"))),
        pod("custom-0", Some(("Database", "custom"))),
    ]);
    assert_eq!(
        found,
        [
            "CronJob backup as default: {\"backup-1-x\"}",
            "Database custom as default: {\"custom-0\"}",
            "Deployment api as default: {\"api-7f9c6b5d4-x2b4c\"}",
            "Deployment web as default: {\"web-5d8f7c9b64-x2b4c\"}",
            "Pod bare as default: {\"bare\"}",
            "Pod static-node-1 as default: {\"static-node-1\"}",
            "Rollout canary as default: {\"canary-1-x\"}",
        ]
    );
}

#[test]
fn skips_finished_pods_and_jobs() {
    let mut finished = pod("done", None);
    finished["status"] = json!({"phase": "Succeeded"});
    let job = object("batch/v1", "Job", "once", None, &template());
    assert_eq!(lines(&[finished, job]), Vec::<String>::new());
}

#[test]
fn lists_workload_for_both_accounts() {
    let deployment =
        object("apps/v1", "StatefulSet", "db", None, &json!({"template": {"spec": {"serviceAccountName": "new"}}}));
    let old = pod("db-0", Some(("StatefulSet", "db")));
    assert_eq!(lines(&[deployment, old]), ["StatefulSet db as default: {\"db-0\"}", "StatefulSet db as new: {}"]);
}

#[rstest]
#[case::nobody(json!(null), json!(null), Some(Why::Unset))]
#[case::account(json!(true), json!(null), Some(Why::Account))]
#[case::account_off(json!(false), json!(null), None)]
#[case::pod(json!(false), json!(true), Some(Why::Pod))]
#[case::pod_off(json!(true), json!(false), None)]
fn templates_by_fields(#[case] account: Value, #[case] pod: Value, #[case] expected: Option<Why>) {
    let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": "shop"},
        "automountServiceAccountToken": account});
    let spec = json!({"template": {"spec": {"automountServiceAccountToken": pod}}});
    let (groups, _) = groups(&snapshot(&[account, object("apps/v1", "Deployment", "web", None, &spec)]));
    assert_eq!(groups[0].token.automatic, expected);
    assert!(groups[0].token.is_prediction);
}

#[test]
fn pods_by_mounts() {
    let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": "shop"},
        "automountServiceAccountToken": false});
    let volume = json!({"name": "kube-api-access-x2b4c", "projected": {"sources": [{"serviceAccountToken": {}}]}});
    let container = json!({"name": "c", "volumeMounts": [{"name": "kube-api-access-x2b4c"}]});
    let older = object("v1", "Pod", "older", None, &json!({"volumes": [volume], "containers": [container]}));
    let (groups, _) = groups(&snapshot(&[account, older, pod("newer", None)]));
    let held: Vec<_> = groups.iter().map(|it| (it.id.name.as_str(), it.token.automatic)).collect();
    assert_eq!(held, [("newer", None), ("older", Some(Why::Unset))]);
}

#[rstest]
#[case("Deployment", "web", "web-5d8f7c9b64-x2b4c", true)]
#[case("Deployment", "web", "web-api-5d8f7c9b64-x2b4c", false)]
#[case("Deployment", "web", "website-5d8f7c9b64-x2b4c", false)]
#[case("StatefulSet", "db", "db-12", true)]
#[case("StatefulSet", "db", "db-x", false)]
#[case("DaemonSet", "agent", "agent-x2b4c", true)]
#[case("DaemonSet", "agent", "agent-x2b4", false)]
#[case("CronJob", "backup", "backup-29312345-x2b4c", true)]
#[case("CronJob", "backup", "backup-x2b4c", false)]
#[case("Job", "once", "once-0-x2b4c", true)]
#[case("Pod", "web", "web", true)]
#[case("Pod", "web", "web-0", false)]
fn workloads_of_deleted_pods(#[case] kind: &str, #[case] name: &str, #[case] pod: &str, #[case] expected: bool) {
    let id = WorkloadId { namespace: "shop".to_owned(), kind: kind.to_owned(), name: name.to_owned() };
    assert_eq!(Group::new(&Snapshot::new(&[]), id, "default").may_have_made(pod), expected);
}
