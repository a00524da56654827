// SPDX-License-Identifier: Apache-2.0

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::*;
use crate::sample::{example_cluster, example_log};

fn example(change: impl Fn(&mut Snapshot), log: Option<&str>, options: &Options) -> Report {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.log");
    let log = log.map(|text| {
        std::fs::write(&path, text).unwrap();
        crate::log::read([&path], &BTreeSet::new(), std::sync::Arc::new(|_, _| ())).unwrap()
    });
    let mut snapshot = Snapshot::new(&[]);
    for object in example_cluster()["items"].as_array().unwrap() {
        snapshot.add(&object.to_string(), None);
    }
    change(&mut snapshot);
    build(&snapshot, log.as_ref(), options)
}

fn options() -> Options {
    Options { window_seconds: 7 * 24 * 3600, is_complete: false, namespace: None }
}

/// `namespace/account workload: recommendation` of each row.
fn lines(report: &Report) -> Vec<String> {
    report
        .namespaces
        .iter()
        .flat_map(Namespace::rows)
        .map(|row| {
            let workload = row.workload.map_or("-", |it| &it.name);
            format!("{}/{} {workload}: {}", row.namespace, row.account.name, row.recommendation().word())
        })
        .collect()
}

fn reason<'r>(report: &'r Report, account: &str, workload: Option<&str>) -> &'r str {
    let rows = report.namespaces.iter().flat_map(Namespace::rows);
    let mut rows = rows.filter(|row| format!("{}/{}", row.namespace, row.account.name) == account);
    rows.find(|row| row.workload.map(|it| it.name.as_str()) == workload).unwrap().reason()
}

#[test]
fn recommendations() {
    let report = example(|_| (), Some(&example_log()), &options());
    assert_eq!(
        lines(&report),
        [
            "ci/runner runner: narrow",
            "ci/deployer -: replace legacy token",
            "shop/default report: move off default",
            "shop/default web: remove, unused",
            "shop/api api: keep, used",
            "shop/uploader uploader: no token",
            "ops/backup backup: remove, unused",
            "ops/billing billing: unknown",
            "ops/vault-client payments: unknown",
            "ops/agent agent: keep, used",
            "blog/default site: remove",
            "kube-system/coredns coredns: keep, used",
        ]
    );
}

/// Without a log, or with an insufficient one, no token is called removable or unused.
#[test]
fn nothing_is_removable_without_proof() {
    let log = example_log();
    let short: String = log.split_inclusive('\n').take(20).collect();
    let unreadable = format!("{}{}", log, "{broken\n".repeat(20));
    let longer = Options { window_seconds: 30 * 24 * 3600, ..options() };
    let no_reads: String =
        log.split_inclusive('\n').filter(|line| line.contains("patch") || !line.contains("serviceaccount:")).collect();
    for (log, options) in [
        (None, options()),
        (Some(short.as_str()), options()),
        (Some(unreadable.as_str()), options()),
        (Some(no_reads.as_str()), options()),
        (Some(log.as_str()), longer),
        (Some(""), options()),
    ] {
        let report = example(|_| (), log, &options);
        for line in lines(&report) {
            assert!(!line.contains("remove") && !line.contains("narrow"), "{line}");
        }
        for row in report.namespaces.iter().flat_map(Namespace::rows) {
            assert!(!row.reason().contains("not used in"), "{}", row.reason());
        }
    }
}

#[test]
fn without_log() {
    let report = example(|_| (), None, &options());
    assert_eq!(
        reason(&report, "shop/default", Some("web")),
        "not known whether it was used: no audit log was given; bound to ClusterRole view: read 47 kinds; token mounted: automountServiceAccountToken is unset"
    );
    assert_eq!(
        reason(&report, "ops/billing", Some("billing")),
        "not known whether it was used: no audit log was given; no binding; its Pods will get a token: automountServiceAccountToken is unset"
    );
}

#[test]
fn names_log() {
    let log = example_log();
    let in_this = example(|_| (), Some(&log), &options());
    let complete = example(|_| (), Some(&log), &Options { is_complete: true, ..options() });
    assert!(
        reason(&in_this, "ops/backup", Some("backup"))
            .starts_with("not used in this log in 8 days; bound to ClusterRole volume-reader")
    );
    assert!(reason(&complete, "ops/backup", Some("backup")).starts_with("not used in 8 days;"));
}

#[test]
fn unread_bindings_are_unknown() {
    let unread = |snapshot: &mut Snapshot| {
        snapshot.unread.insert(Kind::RoleBindings, "forbidden".to_owned());
    };
    let report = example(unread, Some(&example_log()), &options());
    assert_eq!(report.cluster.not_read.iter().map(|it| it.resource.as_str()).collect::<Vec<_>>(), ["rolebindings"]);
    assert!(reason(&report, "ops/billing", Some("billing")).contains("bindings not read"));
}

#[test]
fn calls_without_pod() {
    let log = example_log().replace("authentication.kubernetes.io/pod-name", "other");
    let report = example(|_| (), Some(&log), &options());
    let lines = lines(&report);
    assert!(lines.contains(&"shop/api api: keep, used".to_owned()), "{lines:?}");
    assert!(lines.contains(&"shop/default web: move off default".to_owned()), "{lines:?}");
    assert!(reason(&report, "shop/api", Some("api")).contains("the log does not name the Pods"));
}

#[test]
fn overflow_is_never_removable() {
    let mut snapshot = Snapshot::new(&[]);
    for object in example_cluster()["items"].as_array().unwrap() {
        snapshot.add(&object.to_string(), None);
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.log");
    std::fs::write(&path, example_log()).unwrap();
    let mut log = crate::log::read([&path], &BTreeSet::new(), std::sync::Arc::new(|_, _| ())).unwrap();
    let key = ("ops".to_owned(), "backup".to_owned());
    log.usage.accounts.entry(key).or_default().others.calls = 1;
    let report = build(&snapshot, Some(&log), &options());
    assert_eq!(report_line(&report, "ops/backup"), "unknown");
}

fn report_line(report: &Report, account: &str) -> String {
    lines(report).iter().find_map(|line| line.strip_prefix(account)?.split_once(": ")).unwrap().1.to_owned()
}

#[test]
fn unused_and_unbound_is_removable() {
    let mut unbound = example(
        |snapshot| {
            let mut rbac = policy_host::rbac::Objects::new("default");
            std::mem::swap(&mut snapshot.rbac, &mut rbac);
        },
        Some(&example_log()),
        &options(),
    );
    unbound.namespaces.retain(|it| it.name == "shop");
    assert_eq!(
        lines(&unbound),
        [
            "shop/default report: move off default",
            "shop/default web: remove",
            "shop/api api: keep, used",
            "shop/uploader uploader: no token"
        ]
    );
}

#[test]
fn matches_schema() {
    let report = example(|_| (), Some(&example_log()), &options());
    let value: Value = serde_json::to_value(&report).unwrap();
    jsonschema::validate(&crate::report::schema(), &value).unwrap();
    assert!(jsonschema::validate(&crate::report::schema(), &json!({"version": 1})).is_err());
}
