// SPDX-License-Identifier: Apache-2.0

use serde_json::{Value, json};

use super::*;

fn snapshot(documents: &str) -> (Snapshot, Vec<FileError>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cluster.json");
    std::fs::write(&path, documents).unwrap();
    from_paths(&[path], &[])
}

fn pod(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "shop"}, "spec": {}})
}

fn names(snapshot: &Snapshot) -> Vec<&str> {
    snapshot.pods.keys().map(|(_, name)| name.as_str()).collect()
}

#[test]
fn reads_lists_objects_and_streams() {
    let list = json!({"apiVersion": "v1", "kind": "List", "items": [pod("a"), pod("b")]});
    let typed = json!({"kind": "PodList", "apiVersion": "v1", "items": [{"metadata": {"name": "c"}}]}).to_string();
    // Keys in another order than that of the API server.
    let typed = typed.replace(r#""apiVersion":"v1","#, "").replacen('{', r#"{"apiVersion":"v1","kind":"PodList","#, 1);
    let empty = json!({"kind": "PodList", "apiVersion": "v1", "items": null});
    let (snapshot, errors) = snapshot(&format!("\u{feff}{list}\n{}\n{typed}{empty}", pod("d")));
    assert_eq!(errors, []);
    assert_eq!(names(&snapshot), ["c", "a", "b", "d"], "by namespace and name");
    assert_eq!(
        snapshot.unread.keys().map(|it| it.plural()).collect::<Vec<_>>(),
        ["serviceaccounts", "rolebindings", "clusterrolebindings"]
    );
}

#[test]
fn reads_yaml_of_kubectl() {
    let (snapshot, errors) = snapshot(
        "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Pod\n  metadata: {name: a, namespace: shop}\n",
    );
    assert_eq!((names(&snapshot), errors), (vec!["a"], Vec::new()));
}

#[test]
fn keeps_what_precedes_an_error() {
    let list = json!({"kind": "List", "items": [pod("a"), pod("b")]}).to_string();
    let cases = [
        (list.replace(r#""b""#, "hunter2"), vec!["a"], "is not valid JSON, line 1 column"),
        (list.get(..list.len() - 20).unwrap().to_owned(), vec!["a"], "ends in the middle of an object, line 1 column"),
        ("{\"items\": 5}".to_owned(), vec![], "is not a list of objects, line 1 column"),
    ];
    for (text, expected, why) in cases {
        let (snapshot, errors) = snapshot(&text);
        assert_eq!(names(&snapshot), expected, "{text}");
        assert!(errors[0].why.starts_with(why), "{errors:?}");
        assert!(!errors[0].why.contains("hunter2"));
    }
}

#[test]
fn reports_malformed_objects() {
    let mut odd = pod("odd");
    odd["spec"] = json!({"volumes": "hunter2"});
    let list = json!({"kind": "List", "items": [odd, pod("a"), {"kind": "Pod"}, 5, null, {"apiVersion": "v1", "kind": "ConfigMap"}]});
    let (snapshot, errors) = snapshot(&list.to_string());
    assert_eq!((names(&snapshot), errors), (vec!["a"], Vec::new()));
    assert_eq!(snapshot.broken, ["Pod shop/odd"]);
}

#[test]
fn keeps_no_secret_values() {
    let secret = "do-not-repeat-me";
    let container = json!({"name": "c", "env": [{"name": "A", "value": secret}]});
    let mut pod = pod("a");
    pod["spec"] = json!({"containers": [container], "serviceAccount": "web"});
    pod["metadata"]["annotations"] = json!({"kubectl.kubernetes.io/last-applied-configuration": secret, "x": secret});
    let token = json!({
        "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/service-account-token", "data": {"token": secret},
        "metadata": {"name": "t", "namespace": "shop", "annotations": {"kubernetes.io/service-account.name": "web"},
            "labels": {"kubernetes.io/legacy-token-last-used": "2026-11-20"}}
    });
    let other = json!({"apiVersion": "v1", "kind": "Secret", "type": "Opaque", "metadata": {"name": "o"}, "data": {"x": secret}});
    let (snapshot, _) = snapshot(&format!("{pod}{token}{other}"));
    assert!(!format!("{snapshot:?}").contains(secret));
    let secrets = snapshot.token_secrets.unwrap();
    let expected =
        TokenSecret { account: Some("web".into()), last_used: Some("2026-11-20".into()), invalid_since: None };
    assert_eq!(secrets.into_values().collect::<Vec<_>>(), [expected]);
    assert_eq!(snapshot.pods.values().map(|it| it.facts.account.as_str()).collect::<Vec<_>>(), ["web"]);
}

#[test]
fn workloads() {
    let template = json!({"spec": {"serviceAccountName": "web", "automountServiceAccountToken": false}});
    let metadata = |name: &str| json!({"name": name, "namespace": "shop", "creationTimestamp": "2026-11-28T16:15:51Z"});
    let objects = json!({"kind": "List", "items": [
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata("d"), "spec": {"replicas": 0, "template": template}},
        {"apiVersion": "batch/v1", "kind": "CronJob", "metadata": metadata("c"),
         "spec": {"schedule": "@daily", "suspend": true, "jobTemplate": {"spec": {"template": template}}}},
        {"apiVersion": "batch/v1beta1", "kind": "CronJob", "metadata": metadata("old"), "spec": {"jobTemplate": null}},
        {"apiVersion": "example.com/v1", "kind": "Deployment", "metadata": metadata("foreign")}
    ]});
    let (snapshot, _) = snapshot(&objects.to_string());
    let found: Vec<_> = snapshot
        .workloads
        .iter()
        .map(|(id, it)| (id.to_string(), it.template.account.as_str(), it.template.tokens.automount, it.is_idle))
        .collect();
    assert_eq!(
        found,
        [
            ("CronJob c".to_owned(), "web", Some(false), true),
            ("CronJob old".to_owned(), "default", None, false),
            ("Deployment d".to_owned(), "web", Some(false), true),
        ]
    );
    let job = snapshot.workloads.values().next().unwrap();
    assert_eq!((job.created, job.schedule.as_deref()), (Some(1_795_882_551), Some("@daily")));
}
