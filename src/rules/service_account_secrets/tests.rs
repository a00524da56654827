// SPDX-License-Identifier: Apache-2.0
use rstest::rstest;
use serde_json::{Value, json};

use super::ENFORCE;
use crate::cluster::AccountRecord;
use crate::testing::{FakeCluster, create, review, update};

fn account(secrets: &Value, annotations: &Value) -> Value {
    json!({
        "apiVersion": "v1", "kind": "ServiceAccount",
        "metadata": {"name": "app", "namespace": "shop", "annotations": annotations},
        "secrets": secrets,
    })
}

fn listing(names: &[&str]) -> Value {
    let secrets: Vec<Value> = names.iter().map(|name| json!({"name": name})).collect();
    account(&json!(secrets), &json!(null))
}

fn answer(request: &Value, params: &Value) -> Value {
    let settings = json!({"rules": {"service-account-secrets": params}});
    review(request, &settings, &FakeCluster::with("shop", "app", AccountRecord::default()))
}

#[rstest]
#[case::nothing(json!(null))]
#[case::an_empty_list(json!([]))]
#[case::a_pull_secret_of_openshift(json!([{"name": "app-dockercfg-x7k2p"}]))]
fn accepts(#[case] secrets: Value) {
    let answer = answer(&create(&account(&secrets, &json!({}))), &json!("reject"));
    assert_eq!((&answer["accepted"], answer.get("warnings")), (&json!(true), None));
}

#[test]
fn messages() {
    let both = account(&json!([{"name": "app-token-x7k2p"}, {"name": "a\nb"}, {}]), &json!({ENFORCE: "false"}));
    let expected = [
        r#"service-account-secrets: metadata.annotations["kubernetes.io/enforce-mountable-secrets"]: is deprecated since Kubernetes 1.32; remove it, and isolate Secrets in separate namespaces"#,
        "service-account-secrets: secrets[2]: is listed, like the non-expiring tokens of Kubernetes before 1.24; delete the Secret if it is such a token, or add it to allowed if Tekton or another tool reads it from here",
        r"service-account-secrets: secrets[a\u{a}b]: is listed, like the non-expiring tokens of Kubernetes before 1.24; delete the Secret if it is such a token, or add it to allowed if Tekton or another tool reads it from here",
        "service-account-secrets: secrets[app-token-x7k2p]: is listed, like the non-expiring tokens of Kubernetes before 1.24; delete the Secret if it is such a token, or add it to allowed if Tekton or another tool reads it from here",
    ];
    // The default is to warn.
    let warned = answer(&create(&both), &json!({"allowed": ["*-dockercfg-*"], "action": "warn"}));
    assert_eq!(warned["warnings"], json!(expected));
    assert_eq!(warned["audit_annotations"], json!({"service-account-secrets": "warned(4)"}));
    assert_eq!(answer(&create(&both), &json!(null))["warnings"], json!(expected));
    let rejected = answer(&create(&both), &json!("reject"));
    let message = format!("serviceaccount-hygiene: 4 problems\n- {}", expected.join("\n- "));
    assert_eq!((&rejected["code"], &rejected["message"]), (&json!(403), &json!(message)));
}

#[test]
fn allowed_names() {
    let params = json!({"action": "reject", "allowed": ["registry-*"]});
    assert_eq!(answer(&create(&listing(&["registry-key"])), &params)["accepted"], true);
    assert_eq!(answer(&create(&listing(&["app-dockercfg-x7k2p"])), &params)["accepted"], false);
}

#[test]
fn exempt_account() {
    let settings = |pattern: &str| json!({"rules": {"service-account-secrets": "reject"}, "exemptions": [{"serviceAccounts": [pattern]}]});
    let cluster = FakeCluster::with("shop", "app", AccountRecord::default());
    let request = create(&listing(&["app-token-x7k2p"]));
    assert_eq!(review(&request, &settings("shop/app"), &cluster)["accepted"], true);
    assert_eq!(review(&request, &settings("shop/web"), &cluster)["accepted"], false);
}

#[test]
fn old_problem_warns() {
    let old = listing(&["app-token-x7k2p", "other"]);
    let reject = json!("reject");
    let accepted = answer(&update(&old, &listing(&["app-token-x7k2p"])), &reject);
    assert_eq!((&accepted["accepted"], accepted["warnings"].as_array().unwrap().len()), (&json!(true), 1));
    assert_eq!(answer(&update(&old, &listing(&["app-token-aaaaa"])), &reject)["accepted"], false);
    let annotated = account(&json!(null), &json!({ENFORCE: "true"}));
    assert_eq!(answer(&update(&old, &annotated), &reject)["accepted"], false);
}

/// Ways to bypass the rule.
#[rstest]
#[case::behind_an_allowed_one(json!([{"name": "app-dockercfg-x7k2p"}, {"name": "app-token-x7k2p"}]))]
#[case::in_the_manner_of_an_allowed_one(json!([{"name": "app-dockercfg"}]))]
#[case::without_a_name(json!([{}]))]
#[case::with_more_than_a_name(json!([{"kind": "Secret", "namespace": "other", "name": "app-token-x7k2p"}]))]
fn bypass(#[case] secrets: Value) {
    assert_eq!(answer(&create(&account(&secrets, &json!({}))), &json!("reject"))["accepted"], false);
}

#[test]
fn bypass_by_mirror_annotation() {
    let marked = account(&json!([{"name": "app-token-x7k2p"}]), &json!({"kubernetes.io/config.mirror": "x"}));
    assert_eq!(answer(&create(&marked), &json!("reject"))["accepted"], false);
}

#[test]
fn reads_list_lazily() {
    let odd = account(&json!({"name": "x"}), &json!({}));
    let refused = answer(&create(&odd), &json!("reject"));
    assert_eq!(
        (&refused["code"], &refused["message"]),
        (
            &json!(400),
            &json!("serviceaccount-hygiene: the request cannot be read: object.secrets: must be a list, is an object")
        )
    );
    assert_eq!(answer(&create(&odd), &json!("off"))["accepted"], true);
}
