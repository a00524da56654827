// SPDX-License-Identifier: Apache-2.0
use rstest::rstest;
use serde_json::{Value, json};

use crate::cluster::{AccountRecord, LookupError};
use crate::testing::{
    FakeCluster, admitted_pod, create, deployment, only, outcome, projected, reported, review, settings_problems,
    token, tokenless_pod, update,
};

const RULE: &str = "account-permissions";

fn cluster(allowed: &[&str]) -> FakeCluster {
    FakeCluster::with("shop", "app", AccountRecord::new(None)).allowing(allowed)
}

fn holder() -> Value {
    admitted_pod(&json!({"serviceAccountName": "app", "automountServiceAccountToken": true}))
}

fn answer(object: &Value, params: &Value, cluster: &FakeCluster) -> Value {
    review(&create(object), &only(&json!({RULE: params})), cluster)
}

#[test]
fn messages() {
    let two = cluster(&["get secrets", "bind clusterroles.rbac.authorization.k8s.io"]);
    let prefix = "spec.serviceAccountName: account `app` of the API token may";
    let end = "cluster-wide; grant it fewer permissions, or set automountServiceAccountToken: false";
    assert_eq!(
        reported(&answer(&holder(), &json!("reject"), &two), RULE),
        [
            format!("{prefix} `bind clusterroles.rbac.authorization.k8s.io` {end}"),
            format!("{prefix} `get secrets` {end}"),
        ]
    );
    let unknown = cluster(&[]).failing_reviews(LookupError::Failed);
    let reported = reported(&answer(&holder(), &json!("reject"), &unknown), RULE);
    assert_eq!(
        reported,
        [
            "spec.serviceAccountName: the permissions of account `app` are unknown; let the policy server create subjectaccessreviews"
        ]
    );
    assert_eq!(unknown.reviewed().len(), 1);
}

/// Each permission of the default.
#[rstest]
#[case("* *.*")]
#[case("get secrets")]
#[case("create pods")]
#[case("impersonate users")]
#[case("create serviceaccounts/token")]
#[case("escalate clusterroles.rbac.authorization.k8s.io")]
#[case("bind clusterroles.rbac.authorization.k8s.io")]
fn default_permissions(#[case] permission: &str) {
    let cluster = cluster(&[permission]);
    assert_eq!(outcome(&answer(&holder(), &json!("reject"), &cluster)), "reject");
    assert_eq!(cluster.reviewed().len(), 7);
    assert!(cluster.reviewed().contains(&format!("shop/app {permission}")), "{:?}", cluster.reviewed());
}

/// An account is checked only if there is a token of it.
#[rstest]
#[case::holds_it(holder(), 7)]
#[case::by_hand(tokenless_pod(&json!({"volumes": [projected("t", &json!([token("", 3600)]))]})), 7)]
#[case::template(deployment(&json!({"serviceAccountName": "app"})), 7)]
#[case::says_false(tokenless_pod(&json!({})), 0)]
#[case::for_a_vault(tokenless_pod(&json!({"volumes": [projected("t", &json!([token("vault", 3600)]))]})), 0)]
#[case::template_says_false(deployment(&json!({"serviceAccountName": "app", "automountServiceAccountToken": false})), 0)]
fn asks_about_accounts_with_token(#[case] object: Value, #[case] reviews: usize) {
    let cluster = cluster(&["get secrets"]);
    let expected = if reviews == 0 { "fine" } else { "reject" };
    assert_eq!(outcome(&answer(&object, &json!("reject"), &cluster)), expected);
    assert_eq!(cluster.reviewed().len(), reviews);
}

#[test]
fn configured_permissions() {
    let list = json!([{"verb": "delete", "group": "apps", "resource": "deployments"}]);
    let cluster = cluster(&["delete deployments.apps"]);
    let params = json!({"action": "reject", "forbidden": list});
    let answer = answer(&holder(), &params, &cluster);
    assert_eq!(cluster.reviewed(), ["shop/app delete deployments.apps in shop"]);
    assert!(
        reported(&answer, RULE)[0].contains("may `delete deployments.apps` in its namespace; grant it fewer"),
        "{answer}"
    );
}

#[test]
fn at_most_twelve() {
    let list = |count: usize| {
        let entries = vec![json!({"verb": "get", "resource": "pods"}); count];
        settings_problems(&only(&json!({RULE: {"action": "warn", "forbidden": entries}})))
    };
    assert_eq!(list(12), Vec::<String>::new());
    assert_eq!(
        list(13),
        [
            "rules.account-permissions.forbidden: has 13 entries, but at most 12 are allowed, because each needs an access review"
        ]
    );
}

#[test]
fn old_problem_warns() {
    let old = deployment(&json!({"serviceAccountName": "app"}));
    let mut new = old.clone();
    new["metadata"]["labels"] = json!({"a": "b"});
    let settings = only(&json!({RULE: "reject"}));
    assert_eq!(outcome(&review(&update(&old, &new), &settings, &cluster(&["get secrets"]))), "warn");
    // Nothing is known of the account that it moves away from.
    let other = deployment(&json!({"serviceAccountName": "old"}));
    assert_eq!(outcome(&review(&update(&other, &new), &settings, &cluster(&["get secrets"]))), "reject");
}

#[rstest]
#[case("optional", LookupError::NotGranted, ("warn", None))]
#[case("optional", LookupError::Failed, ("warn", None))]
#[case("off", LookupError::Failed, ("warn", None))]
#[case("required", LookupError::NotGranted, ("reject", Some(403)))]
#[case("required", LookupError::Failed, ("reject", Some(503)))]
fn without_answer(#[case] mode: &str, #[case] error: LookupError, #[case] expected: (&str, Option<u64>)) {
    let mut settings = only(&json!({RULE: "reject"}));
    settings["permissionLookup"] = json!(mode);
    let answer = review(&create(&holder()), &settings, &cluster(&[]).failing_reviews(error));
    assert_eq!((outcome(&answer), answer["code"].as_u64()), expected, "{answer}");
}
