// SPDX-License-Identifier: Apache-2.0
use rstest::rstest;
use serde_json::{Value, json};

use crate::testing::{create, only, outcome, quiet_cluster, reported, review, settings_problems, update};

const ID: &str = "identity-editors";
const ROLE: &str = "eks.amazonaws.com/role-arn";

fn settings(params: &Value) -> Value {
    only(&json!({ID: params}))
}

/// Platform engineers and Argo CD may.
fn params() -> Value {
    json!({
        "action": "reject", "groups": ["platform-*"],
        "users": ["carol", "system:serviceaccount:argocd:argocd-application-controller"],
    })
}

fn account(annotations: Value) -> Value {
    let mut account =
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "app", "namespace": "shop"}});
    account["metadata"]["annotations"] = annotations;
    account
}

fn with(value: &str) -> Value {
    account(json!({ROLE: value}))
}

fn by(user: &str, groups: &[&str], mut request: Value) -> Value {
    request["userInfo"] = json!({"username": user, "groups": groups});
    request
}

fn checked(request: &Value) -> Value {
    review(request, &settings(&params()), &quiet_cluster())
}

#[test]
fn messages() {
    assert_eq!(
        reported(&checked(&create(&with("x"))), ID),
        [
            r#"metadata.annotations["eks.amazonaws.com/role-arn"]: is added by `alice`, who is not allowed to give accounts a cloud identity; allowed: users carol, system:serviceaccount:argocd:argocd-application-controller, groups platform-* (x)"#
        ]
    );
    let unlisted = review(&update(&with("x"), &with("y")), &settings(&json!("reject")), &quiet_cluster());
    assert_eq!(
        reported(&unlisted, ID),
        [
            r#"metadata.annotations["eks.amazonaws.com/role-arn"]: is changed from `x` to `y` by `alice`, who is not allowed to give accounts a cloud identity; allowed: nobody"#
        ]
    );
}

/// What the account had, what it gets, and the outcome for a user who is not listed.
#[rstest]
#[case::added(json!({}), json!({ROLE: "x"}), "reject")]
#[case::added_where_nothing_was(json!(null), json!({ROLE: "x"}), "reject")]
#[case::changed(json!({ROLE: "x"}), json!({ROLE: "y"}), "reject")]
#[case::changed_by_a_blank(json!({ROLE: "x"}), json!({ROLE: "x "}), "reject")]
#[case::filled(json!({ROLE: ""}), json!({ROLE: "x"}), "reject")]
#[case::kept(json!({ROLE: "x"}), json!({ROLE: "x", "owner": "y"}), "fine")]
#[case::removed(json!({ROLE: "x"}), json!({}), "fine")]
#[case::removed_with_all(json!({ROLE: "x"}), json!(null), "fine")]
#[case::emptied(json!({ROLE: "x"}), json!({ROLE: ""}), "fine")]
#[case::nulled(json!({ROLE: "x"}), json!({ROLE: null}), "fine")]
#[case::never_there(json!({}), json!({"owner": "x"}), "fine")]
#[case::options(json!({}), json!({"eks.amazonaws.com/audience": "x", "eks.amazonaws.com/token-expiration": "x"}), "fine")]
#[case::pulling(json!({}), json!({"eks.amazonaws.com/ecr-role-arn": "x"}), "reject")]
#[case::google(json!({}), json!({"iam.gke.io/gcp-service-account": "x"}), "reject")]
#[case::google_quota(json!({}), json!({"iam.gke.io/credential-quota-project": "x"}), "fine")]
#[case::azure(json!({}), json!({"azure.workload.identity/client-id": "x"}), "reject")]
#[case::azure_tenant(json!({}), json!({"azure.workload.identity/tenant-id": "x"}), "reject")]
#[case::another_cloud(json!({ROLE: "x"}), json!({ROLE: "x", "iam.gke.io/gcp-service-account": "x"}), "reject")]
#[case::in_exchange(json!({ROLE: "x"}), json!({"eks.amazonaws.com/ecr-role-arn": "x"}), "reject")]
// Not read by anything.
#[case::misspelt(json!({}), json!({"eks.amazonaws.com/rolearn": "x"}), "fine")]
fn edits(#[case] old: Value, #[case] new: Value, #[case] expected: &str) {
    let request = update(&account(old), &account(new));
    assert_eq!(outcome(&checked(&request)), expected);
    assert_eq!(outcome(&checked(&by("carol", &[], request))), "fine");
}

#[rstest]
#[case("carol", &[], "fine")]
#[case("system:serviceaccount:argocd:argocd-application-controller", &["system:serviceaccounts"], "fine")]
#[case("dave", &["system:authenticated", "platform-admins"], "fine")]
#[case("dave", &["system:authenticated", "platform"], "reject")]
#[case("dave", &["carol"], "reject")]
#[case("platform-admins", &[], "reject")]
#[case("carol2", &[], "reject")]
#[case("Carol", &[], "reject")]
#[case("system:serviceaccount:argocd:argocd-application-controller-2", &[], "reject")]
#[case("system:serviceaccount:shop:argocd-application-controller", &[], "reject")]
#[case("system:admin", &["system:masters"], "reject")]
fn allowed_editors(#[case] user: &str, #[case] groups: &[&str], #[case] expected: &str) {
    for request in [create(&with("x")), update(&with("x"), &with("y")), update(&account(json!({})), &with("y"))] {
        assert_eq!(outcome(&checked(&by(user, groups, request))), expected);
    }
}

/// The audit scanner sends existing objects as a CREATE without a user.
#[test]
fn skips_audit_scanner() {
    for user in [json!({}), json!(null), json!({"username": ""})] {
        let mut request = create(&with("x"));
        request["userInfo"] = user;
        assert_eq!(outcome(&checked(&request)), "fine");
    }
}

/// The API server sends the same object for server-side apply and `kubectl annotate`.
#[test]
fn every_way_of_editing() {
    let mut new = with("y");
    new["metadata"]["managedFields"] =
        json!([{"manager": "kubectl", "operation": "Apply", "fieldsV1": {"f:metadata": {}}}]);
    let mut request = update(&with("x"), &new);
    assert_eq!(outcome(&checked(&request)), "reject");
    request["options"] = json!({"kind": "PatchOptions", "fieldManager": "argocd-controller", "force": true});
    assert_eq!(outcome(&checked(&request)), "reject");
}

#[test]
fn another_prefix() {
    let mut settings = settings(&params());
    settings["aws"] = json!({"annotationPrefix": "irsa.example.com"});
    let checked = |key: &str| outcome(&review(&create(&account(json!({key: "x"}))), &settings, &quiet_cluster()));
    assert_eq!(checked("irsa.example.com/role-arn"), "reject");
    assert_eq!(checked("eks.amazonaws.com/ecr-role-arn"), "reject");
    assert_eq!(checked("eks.amazonaws.com/role-arn"), "fine");
}

#[test]
fn off_by_default_and_warns() {
    assert_eq!(
        outcome(&review(&create(&with("arn:aws:iam::123456789012:role/app")), &json!({}), &quiet_cluster())),
        "fine"
    );
    let mut params = params();
    params["action"] = json!("warn");
    assert_eq!(outcome(&review(&create(&with("x")), &settings(&params), &quiet_cluster())), "warn");
}

#[test]
fn exempt_account() {
    let mut settings = settings(&params());
    settings["exemptions"] = json!([{"rules": [ID], "serviceAccounts": ["shop/app"]}]);
    assert_eq!(outcome(&review(&create(&with("x")), &settings, &quiet_cluster())), "fine");
    settings["exemptions"] = json!([{"rules": [ID], "users": ["bob"]}]);
    assert_eq!(outcome(&review(&create(&with("x")), &settings, &quiet_cluster())), "reject");
}

/// Ways to get an identity that is not allowed.
#[test]
fn bypass() {
    let sent = |request: &Value, with: &str| -> Value {
        let request = request.to_string().replace("777", with);
        let payload = format!(r#"{{"request":{request},"settings":{}}}"#, settings(&params()));
        serde_json::from_slice(&crate::guest::validate(payload.as_bytes(), &quiet_cluster())).unwrap()
    };
    let edit = update(&with("x"), &account(json!(777)));
    for annotations in [
        // The same key twice: the API server uses the last one.
        r#"{"eks.amazonaws.com/role-arn": "x", "eks.amazonaws.com/role-arn": "y"}"#,
        r#"{"eks.amazonaws.com/role-arn": "y", "eks.amazonaws.com/role-arn": "x"}"#,
        r#"{"eks.amazonaws.com/role-arn": null, "eks.amazonaws.com\/role\u002darn": "y"}"#,
        // The old one stays, and another is added.
        r#"{"eks.amazonaws.com/role-arn": "x", "azure.workload.identity/client-id": "y"}"#,
        r#"{"eks.amazonaws.com/role-arn": ["x"]}"#,
    ] {
        assert_eq!(outcome(&sent(&edit, annotations)), "reject", "{annotations}");
    }
    // A CREATE replaces nothing, whatever it contains.
    let mut create = create(&with("x"));
    create["oldObject"] = with("x");
    assert_eq!(outcome(&checked(&create)), "reject");
    // An UPDATE without the old object, or with one that cannot be read.
    for old in [json!(null), json!({"metadata": 1}), json!({"metadata": {"annotations": ["x"]}})] {
        let mut request = update(&with("x"), &with("x"));
        request["oldObject"] = old;
        assert_eq!(outcome(&checked(&request)), "reject");
    }
    // Pods can still run as an account that is being deleted.
    let mut deleting = with("y");
    deleting["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
    assert_eq!(outcome(&checked(&update(&with("x"), &deleting))), "reject");
    // Another user's name in the object.
    let mut claimed = with("y");
    claimed["metadata"]["annotations"]["kubernetes.io/created-by"] = json!("carol");
    assert_eq!(outcome(&checked(&update(&with("x"), &claimed))), "reject");
}

#[test]
fn rejects_wrong_parameters() {
    assert_eq!(
        settings_problems(&settings(&json!({"action": "reject", "users": [""], "groups": "admins", "user": []}))),
        [
            "rules.identity-editors.users[0]: is empty; remove it, or write what it is to match",
            "rules.identity-editors.groups: must be a list, is a string",
        ]
    );
    assert_eq!(
        settings_problems(&settings(&json!({"users": ["carol"]}))),
        ["rules.identity-editors: has parameters, but the rule is off by default; set an action, or remove them"]
    );
}
