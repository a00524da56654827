// SPDX-License-Identifier: Apache-2.0

//! UPDATEs of every kind that is checked: an existing problem does not block another change, a new problem is rejected.
//! Secrets are not included: their rule itself compares with the old object.

use std::sync::Arc;

use anyhow::{Result, ensure};
use e2e_tests::case::Host;
use e2e_tests::engine::Engine;
use e2e_tests::expectation::Verdict;
use libtest_mimic::Trial;
use policy_host::apiserver::{ApiServer, RequestOptions};
use serde_json::{Map, Value, json};

use crate::failed;

/// A kind, with three variants of an object: without findings, with a finding, and with a different finding.
struct Row {
    name: &'static str,
    api_version: &'static str,
    kind: &'static str,
    /// The rule with the findings.
    rule: &'static str,
    /// The path at which the variants are inserted.
    path: &'static [&'static str],
    fine: Part,
    wrong: Part,
    otherwise_wrong: Part,
}

type Part = fn() -> Value;

const TEMPLATE: &[&str] = &["spec", "template", "spec"];

/// Settings with which each of the rules rejects.
fn settings() -> Value {
    json!({
        "customTemplates": [{"apiGroup": "argoproj.io", "kind": "Rollout", "path": "spec.template"}],
        "rules": {
            "pod-automount": {"allowExplicitOptIn": false},
            "service-account-automount": {"explicitTrue": "reject"},
            "service-account-secrets": "reject",
            "binding-subjects": "reject",
            "token-issuing-roles": "reject",
        },
    })
}

fn pod(account: &str, automount: bool) -> Value {
    json!({
        "serviceAccountName": account,
        "automountServiceAccountToken": automount,
        "containers": [{"name": "web", "image": "registry.example.com/shop/web:1.4.2"}],
    })
}

const fn workload(api_version: &'static str, kind: &'static str, path: &'static [&'static str]) -> Row {
    Row {
        name: kind,
        api_version,
        kind,
        rule: "pod-automount",
        path,
        fine: || pod("app", false),
        wrong: || pod("app", true),
        otherwise_wrong: || pod("other", true),
    }
}

/// A kind whose variants are whole objects.
const fn whole(kind: &'static str, rule: &'static str, fine: Part, wrong: Part, otherwise_wrong: Part) -> Row {
    let api_version = "rbac.authorization.k8s.io/v1";
    Row { name: kind, api_version, kind, rule, path: &[], fine, wrong, otherwise_wrong }
}

fn bound(namespace: &str, account: &str) -> Value {
    json!({
        "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": namespace}],
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"},
    })
}

fn granted(resource: &str, names: &[&str]) -> Value {
    json!({"rules": [{"apiGroups": [""], "resources": [resource], "verbs": ["create"], "resourceNames": names}]})
}

const fn account(name: &'static str, rule: &'static str, fine: Part, wrong: Part, otherwise_wrong: Part) -> Row {
    Row { name, api_version: "v1", kind: "ServiceAccount", rule, path: &[], fine, wrong, otherwise_wrong }
}

const ROWS: &[Row] = &[
    workload("apps/v1", "Deployment", TEMPLATE),
    workload("apps/v1", "ReplicaSet", TEMPLATE),
    workload("apps/v1", "StatefulSet", TEMPLATE),
    workload("apps/v1", "DaemonSet", TEMPLATE),
    workload("batch/v1", "Job", TEMPLATE),
    workload("batch/v1", "CronJob", &["spec", "jobTemplate", "spec", "template", "spec"]),
    workload("v1", "ReplicationController", TEMPLATE),
    workload("v1", "PodTemplate", &["template", "spec"]),
    workload("argoproj.io/v1alpha1", "Rollout", TEMPLATE),
    account(
        "ServiceAccount_automount",
        "service-account-automount",
        || json!({"automountServiceAccountToken": false}),
        || json!({"automountServiceAccountToken": true}),
        // There is only one invalid value; a list is added for the second variant.
        || json!({"automountServiceAccountToken": true, "secrets": [{"name": "key"}]}),
    ),
    account(
        "ServiceAccount_secrets",
        "service-account-secrets",
        || json!({}),
        || json!({"secrets": [{"name": "key"}]}),
        || json!({"secrets": [{"name": "another-key"}]}),
    ),
    account(
        "ServiceAccount_annotation",
        "service-account-secrets",
        || json!({"secrets": []}),
        || json!({"metadata": {"annotations": {"kubernetes.io/enforce-mountable-secrets": "true"}}}),
        || json!({"secrets": [{"name": "key"}]}),
    ),
    account(
        "ServiceAccount_role",
        "role-arn",
        || with_role("arn:aws:iam::123456789012:role/s3-upload"),
        || with_role("arn:aws:iam::123456789:role/s3-upload"),
        || with_role("arn:aws:iam::12345678:role/s3-upload"),
    ),
    whole("RoleBinding", "binding-subjects", || bound("shop", "app"), || bound("bank", "app"), || bound("mill", "app")),
    whole(
        "ClusterRoleBinding",
        "binding-subjects",
        || bound("shop", "app"),
        || bound("shop", "default"),
        || bound("bank", "default"),
    ),
    whole(
        "Role",
        "token-issuing-roles",
        || granted("pods", &[]),
        || granted("serviceaccounts/token", &["app"]),
        || granted("serviceaccounts/token", &["app", "admin"]),
    ),
    whole(
        "ClusterRole",
        "token-issuing-roles",
        || granted("pods", &[]),
        || granted("serviceaccounts/token", &["app"]),
        || granted("serviceaccounts/token", &[]),
    ),
];

fn with_role(arn: &str) -> Value {
    json!({"metadata": {"annotations": {"eks.amazonaws.com/role-arn": arn}}})
}

pub fn trials(engine: &Arc<Engine>) -> Vec<Trial> {
    let mut trials = Vec::new();
    for row in ROWS {
        for (what, check) in [
            ("old_problem_stays_labelled", stays_labelled as Check),
            ("new_problem_is_refused", becomes_wrong),
            ("problem_for_another_is_refused", becomes_wrong_otherwise),
            ("problem_that_goes_is_fine", becomes_fine),
            ("without_an_old_object_nothing_is_old", has_no_old_object),
        ] {
            let engine = Arc::clone(engine);
            let name = format!("ratchet::{}::{what}", row.name);
            trials.push(Trial::test(name, move || check(&engine, row).map_err(failed)));
        }
    }
    trials
}

type Check = fn(&Engine, &Row) -> Result<()>;

fn stays_labelled(engine: &Engine, row: &Row) -> Result<()> {
    let verdict = row.update(engine, row.wrong, row.wrong, |_| {})?;
    ensure!(verdict.allowed && verdict.object.is_none(), "{verdict:#?}");
    ensure!(verdict.lines_of(row.rule).count() == 1 && verdict.warnings.len() == 1, "{verdict:#?}");
    Ok(())
}

fn becomes_wrong(engine: &Engine, row: &Row) -> Result<()> {
    row.is_rejected(&row.update(engine, row.fine, row.wrong, |_| {})?)
}

fn becomes_wrong_otherwise(engine: &Engine, row: &Row) -> Result<()> {
    let verdict = row.update(engine, row.wrong, row.otherwise_wrong, |_| {})?;
    ensure!(!verdict.allowed && verdict.code == Some(403), "{verdict:#?}");
    Ok(())
}

fn becomes_fine(engine: &Engine, row: &Row) -> Result<()> {
    let verdict = row.update(engine, row.wrong, row.fine, |_| {})?;
    ensure!(verdict.allowed && verdict.warnings.is_empty(), "{verdict:#?}");
    Ok(())
}

fn has_no_old_object(engine: &Engine, row: &Row) -> Result<()> {
    let forget = |request: &mut Map<String, Value>| drop(request.insert("oldObject".to_owned(), Value::Null));
    row.is_rejected(&row.update(engine, row.wrong, row.wrong, forget)?)
}

impl Row {
    fn update(
        &self,
        engine: &Engine,
        old: Part,
        new: Part,
        change: impl FnOnce(&mut Map<String, Value>),
    ) -> Result<Verdict> {
        let mut labelled = self.object(new());
        merge(&mut labelled, json!({"metadata": {"labels": {"team": "shop"}}}));
        let options = RequestOptions { old_object: Some(self.object(old())), ..RequestOptions::default() };
        let mut request = ApiServer::new(&[]).request(labelled, &options)?;
        request.as_object_mut().map(change);
        Ok(engine.evaluate(&request, &settings(), &[], &Host::default())?.verdict)
    }

    fn object(&self, mut part: Value) -> Value {
        for step in self.path.iter().rev() {
            part = json!({ *step: part });
        }
        let mut object = json!({
            "apiVersion": self.api_version,
            "kind": self.kind,
            "metadata": {"name": "web", "namespace": "shop"},
        });
        merge(&mut object, part);
        object
    }

    fn is_rejected(&self, verdict: &Verdict) -> Result<()> {
        ensure!(!verdict.allowed && verdict.code == Some(403), "{verdict:#?}");
        ensure!(verdict.lines_of(self.rule).count() == 1, "{verdict:#?}");
        Ok(())
    }
}

fn merge(into: &mut Value, from: Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (key, value) in from {
                merge(into.entry(key).or_insert(Value::Null), value);
            }
        }
        (into, from) => *into = from,
    }
}
