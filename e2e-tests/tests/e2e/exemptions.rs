// SPDX-License-Identifier: Apache-2.0

//! Every matcher of an exemption for every kind of subject.

use std::sync::Arc;

use anyhow::{Result, ensure};
use e2e_tests::case::Host;
use e2e_tests::engine::Engine;
use libtest_mimic::Trial;
use policy_host::apiserver::{ApiServer, RequestOptions, UserInfo};
use serde_json::{Value, json};

use crate::failed;

/// A Pod `web`, one whose name is generated from the prefix `web-`, a Deployment `web`, a ServiceAccount `default`, and one
/// whose name is generated from the prefix `ci-`; the Pods use `default`. All have findings.
fn subjects() -> [Value; 5] {
    let spec = json!({
        "automountServiceAccountToken": true,
        "containers": [{"name": "web", "image": "registry.example.com/shop/web:1.4.2"}],
    });
    let account = |metadata: &Value| json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata, "automountServiceAccountToken": true});
    [
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"}, "spec": spec}),
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"generateName": "web-"}, "spec": spec}),
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": {"template": {"spec": spec}}}),
        account(&json!({"name": "default"})),
        account(&json!({"generateName": "ci-"})),
    ]
}

/// The entries of `exemptions`, and the subjects that they exempt.
type Row = (&'static str, [bool; 5]);

const YES: bool = true;
const NO: bool = false;

#[rustfmt::skip]
const ROWS: &[Row] = &[
    //                                                                     Pod  web-  Deployment  default  ci-
    (r#"[{"namespaces": ["shop"]}]"#,                                     [YES, YES,  YES,        YES,     YES]),
    (r#"[{"namespaces": ["sh*", "bank"]}]"#,                              [YES, YES,  YES,        YES,     YES]),
    (r#"[{"namespaces": ["sho"]}]"#,                                      [NO,  NO,   NO,         NO,      NO]),
    (r#"[{"kinds": ["Pod"]}]"#,                                           [YES, YES,  NO,         NO,      NO]),
    (r#"[{"kinds": ["*ment", "ServiceAccount"]}]"#,                       [NO,  NO,   YES,        YES,     YES]),
    (r#"[{"kinds": ["pod", "deployments"]}]"#,                            [NO,  NO,   NO,         NO,      NO]),
    (r#"[{"names": ["web"]}]"#,                                           [YES, NO,   YES,        NO,      NO]),
    (r#"[{"names": ["web*"]}]"#,                                          [YES, YES,  YES,        NO,      NO]),
    (r#"[{"names": ["web-?????"]}]"#,                                     [NO,  YES,  NO,         NO,      NO]),
    (r#"[{"names": ["web-", "ci-", "web-a*"]}]"#,                         [NO,  NO,   NO,         NO,      NO]),
    (r#"[{"names": ["default", "ci-*"]}]"#,                               [NO,  NO,   NO,         YES,     YES]),
    (r#"[{"names": ["*"]}]"#,                                             [YES, YES,  YES,        YES,     YES]),
    (r#"[{"serviceAccounts": ["shop/default"]}]"#,                        [YES, YES,  YES,        YES,     NO]),
    (r#"[{"serviceAccounts": ["*/def*"]}]"#,                              [YES, YES,  YES,        YES,     NO]),
    (r#"[{"serviceAccounts": ["shop/ci-*"]}]"#,                           [NO,  NO,   NO,         NO,      YES]),
    (r#"[{"serviceAccounts": ["shop/ci-", "bank/*", "shop/web"]}]"#,      [NO,  NO,   NO,         NO,      NO]),
    (r#"[{"serviceAccounts": ["*/*"]}]"#,                                 [YES, YES,  YES,        YES,     YES]),
    (r#"[{"users": ["alice@example.com"]}]"#,                             [YES, YES,  YES,        YES,     YES]),
    (r#"[{"users": ["bob@*", "alice"]}]"#,                                [NO,  NO,   NO,         NO,      NO]),
    (r#"[{"groups": ["platform-*"]}]"#,                                   [YES, YES,  YES,        YES,     YES]),
    (r#"[{"groups": ["platform"]}]"#,                                     [NO,  NO,   NO,         NO,      NO]),
    // All matchers of an entry must match; one entry is enough.
    (r#"[{"namespaces": ["shop"], "names": ["web"]}]"#,                   [YES, NO,   YES,        NO,      NO]),
    (r#"[{"namespaces": ["bank"], "names": ["web"]}]"#,                   [NO,  NO,   NO,         NO,      NO]),
    (r#"[{"users": ["alice@*"], "kinds": ["Deployment"], "serviceAccounts": ["shop/default"]}]"#,
                                                                          [NO,  NO,   YES,        NO,      NO]),
    (r#"[{"names": ["web"], "kinds": ["Pod"]}, {"serviceAccounts": ["shop/ci-*"]}]"#,
                                                                          [YES, NO,   NO,         NO,      YES]),
    // Empty matchers count as absent.
    (r#"[{"names": ["web"], "users": [], "groups": null, "namespaces": ""}]"#,
                                                                          [YES, NO,   YES,        NO,      NO]),
    // Only the named rules are exempt.
    (r#"[{"names": ["*"], "rules": ["pod-automount", "default-service-account"]}]"#,
                                                                          [YES, YES,  YES,        NO,      NO]),
    (r#"[{"names": ["*"], "rules": ["pod-automount"]}, {"kinds": ["Pod"], "rules": ["default-service-account"]}]"#,
                                                                          [YES, YES,  NO,         NO,      NO]),
    (r#"[{"names": ["*"], "rules": ["service-account-automount"]}]"#,     [NO,  NO,   NO,         YES,     YES]),
    (r#"[{"names": ["*"], "rules": ["service-account-secrets"]}]"#,       [NO,  NO,   NO,         NO,      NO]),
];

pub fn trials(engine: &Arc<Engine>) -> Vec<Trial> {
    let trial = |(index, row): (usize, &'static Row)| {
        let engine = Arc::clone(engine);
        Trial::test(format!("exemptions::{index:02}"), move || check(&engine, row).map_err(failed))
    };
    let mut trials: Vec<Trial> = ROWS.iter().enumerate().map(trial).collect();
    let engine = Arc::clone(engine);
    trials.push(Trial::test("exemptions::nobody_is_nobody", move || nobody(&engine).map_err(failed)));
    trials
}

fn check(engine: &Engine, (exemptions, expected): &Row) -> Result<()> {
    let alice = UserInfo {
        username: "alice@example.com".to_owned(),
        groups: vec!["platform-admins".to_owned(), "system:authenticated".to_owned()],
        ..UserInfo::default()
    };
    for (subject, expected) in subjects().into_iter().zip(*expected) {
        let allowed = is_allowed(engine, &subject, exemptions, &alice, "shop")?;
        ensure!(allowed == expected, "{exemptions} exempts, or not: {subject:#}");
    }
    Ok(())
}

/// A request without a user or a namespace does not match an entry that requires one.
fn nobody(engine: &Engine) -> Result<()> {
    for subject in subjects() {
        for exemptions in [r#"[{"users": ["?*@*"]}]"#, r#"[{"groups": ["platform-*", "?"]}]"#] {
            ensure!(!is_allowed(engine, &subject, exemptions, &UserInfo::default(), "shop")?, "{exemptions}");
        }
        for exemptions in [r#"[{"namespaces": ["*"]}]"#, r#"[{"serviceAccounts": ["*/*"]}]"#] {
            ensure!(is_allowed(engine, &subject, exemptions, &UserInfo::default(), "shop")?, "{exemptions}");
            ensure!(!is_allowed(engine, &subject, exemptions, &UserInfo::default(), "")?, "{exemptions}");
        }
    }
    Ok(())
}

fn is_allowed(engine: &Engine, subject: &Value, exemptions: &str, user: &UserInfo, namespace: &str) -> Result<bool> {
    let options =
        RequestOptions { user: Some(user.clone()), namespace: Some("shop".to_owned()), ..RequestOptions::default() };
    let mut request = ApiServer::new(&[]).request(subject.clone(), &options)?;
    if let Some(fields) = request.as_object_mut() {
        fields.insert("namespace".to_owned(), namespace.into());
    }
    let settings = json!({
        "exemptions": serde_json::from_str::<Value>(exemptions)?,
        "rules": {
            "pod-automount": {"optInOnDefault": "reject"},
            "default-service-account": "reject",
            "service-account-automount": {"explicitTrue": "reject"},
        },
    });
    Ok(engine.evaluate(&request, &settings, &[], &Host::default())?.verdict.allowed)
}
