// SPDX-License-Identifier: Apache-2.0
use rstest::rstest;
use serde_json::{Value, json};

use crate::testing::{
    create, deployment, only, outcome, quiet_cluster, reported, review, settings_problems, tokenless_pod, update,
};

const ID: &str = "identity-annotation-keys";

fn settings(params: &Value) -> Value {
    only(&json!({ID: params}))
}

fn account(keys: &[&str]) -> Value {
    let annotations: serde_json::Map<String, Value> = keys.iter().map(|key| ((*key).to_owned(), json!("x"))).collect();
    json!({
        "apiVersion": "v1", "kind": "ServiceAccount",
        "metadata": {"name": "app", "namespace": "shop", "annotations": annotations},
    })
}

fn pod(key: &str) -> Value {
    let mut pod = tokenless_pod(&json!({}));
    pod["metadata"]["annotations"] = json!({key: "x"});
    pod
}

fn template(key: &str) -> Value {
    let mut template = deployment(&json!({}));
    template["spec"]["template"]["metadata"]["annotations"] = json!({key: "x"});
    template
}

fn checked(object: &Value, params: &Value) -> Value {
    review(&create(object), &settings(params), &quiet_cluster())
}

#[test]
fn messages() {
    let text = |key: &str| reported(&checked(&account(&[key]), &json!("reject")), ID).join("\n");
    assert_eq!(
        text("eks.amazon.com/role-arn"),
        r#"metadata.annotations["eks.amazon.com/role-arn"]: is not a known key, so it has no effect; did you mean `eks.amazonaws.com/role-arn`?"#
    );
    assert_eq!(
        text("iam.gke.io/owner"),
        r#"metadata.annotations["iam.gke.io/owner"]: is not a known key; keys with this prefix are gcp-service-account, return-principal-id-as-email, credential-quota-project, identity"#
    );
    assert_eq!(
        text("iam.amazonaws.com/role"),
        r#"metadata.annotations["iam.amazonaws.com/role"]: is a key of kiam and kube2iam, which the EKS webhook does not read; remove it, and write eks.amazonaws.com/role-arn on the ServiceAccount if it needs a role"#
    );
    let mut settings = settings(&json!("reject"));
    settings["aws"] = json!({"annotationPrefix": "irsa.example.com"});
    assert_eq!(
        reported(&review(&create(&account(&["eks.amazonaws.com/role-arn"])), &settings, &quiet_cluster()), ID),
        [
            r#"metadata.annotations["eks.amazonaws.com/role-arn"]: is not read here: the webhook of this cluster has another prefix; write `irsa.example.com/role-arn`"#
        ]
    );
}

/// A key, and the outcome for an account, a template and a Pod that has it.
#[rstest]
#[case("eks.amazonaws.com/role-arn", ["fine", "fine", "fine"])]
#[case("eks.amazonaws.com/compute-type", ["fine", "fine", "fine"])]
#[case("azure.workload.identity/use", ["fine", "fine", "fine"])]
#[case("azure.workload.identity/use-identity-binding", ["fine", "fine", "fine"])]
#[case("prometheus.io/scrape", ["fine", "fine", "fine"])]
#[case("eks.amazon.com/role-arn", ["reject", "reject", "warn"])]
#[case("azure.workload.identity/client_id", ["reject", "reject", "warn"])]
#[case("iam.gke.io/gcp-serviceaccount", ["reject", "reject", "warn"])]
#[case("eks.amazonaws.com/skip-container", ["reject", "reject", "warn"])]
#[case("eks.amazonaws.com/owner", ["warn", "warn", "warn"])]
#[case("iam.amazonaws.com/role", ["warn", "warn", "warn"])]
fn each_kind_of_object(#[case] key: &str, #[case] expected: [&str; 3]) {
    let objects = [account(&[key]), template(key), pod(key)];
    assert_eq!(objects.map(|object| outcome(&checked(&object, &json!("reject")))), expected);
}

#[rstest]
#[case("allow", "reject", "fine")]
#[case("warn", "reject", "warn")]
#[case("reject", "reject", "reject")]
#[case("reject", "warn", "warn")]
fn other_keys(#[case] choice: &str, #[case] action: &str, #[case] expected: &str) {
    for (param, key, other) in [
        ("unknownKeys", "eks.amazonaws.com/owner", "iam.amazonaws.com/role"),
        ("legacyKeys", "iam.amazonaws.com/role", "eks.amazonaws.com/owner"),
    ] {
        let params = json!({"action": action, param: choice});
        assert_eq!(outcome(&checked(&account(&[key]), &params)), expected);
        assert_eq!(outcome(&checked(&template(key), &params)), expected);
        assert_eq!(outcome(&checked(&pod(key), &params)), if expected == "reject" { "warn" } else { expected });
        assert_eq!(outcome(&checked(&account(&[other]), &params)), "warn");
    }
}

#[test]
fn checks_annotations_of_template() {
    let mut workload = template("eks.amazonaws.com/rolearn");
    assert_eq!(
        reported(&checked(&workload, &json!("reject")), ID),
        [
            r#"spec.template.metadata.annotations["eks.amazonaws.com/rolearn"]: is not a known key, so it has no effect; did you mean `eks.amazonaws.com/role-arn`?"#
        ]
    );
    workload["metadata"]["annotations"] = workload["spec"]["template"]["metadata"]["annotations"].take();
    assert_eq!(outcome(&checked(&workload, &json!("reject"))), "fine");
}

#[test]
fn reports_every_key() {
    let keys = ["eks.amazonaws.com/rolearn", "eks.amazonaws.com/audiences", "iam.gke.com/gcp-service-account"];
    assert_eq!(reported(&checked(&account(&keys), &json!("reject")), ID).len(), 3);
}

#[test]
fn old_problem_warns() {
    let reviewed = |old: &[&str], new: &[&str]| {
        outcome(&review(&update(&account(old), &account(new)), &settings(&json!("reject")), &quiet_cluster()))
    };
    assert_eq!(reviewed(&["eks.amazon.com/role-arn"], &["eks.amazon.com/role-arn"]), "warn");
    assert_eq!(reviewed(&["eks.amazon.com/role-arn"], &["esk.amazonaws.com/role-arn"]), "reject");
    assert_eq!(reviewed(&["eks.amazon.com/role-arn"], &["eks.amazonaws.com/role-arn"]), "fine");
}

#[test]
fn exempt_account() {
    let mut settings = settings(&json!("reject"));
    settings["exemptions"] = json!([{"rules": [ID], "serviceAccounts": ["shop/app"]}]);
    let checked = |settings: &Value| {
        outcome(&review(&create(&account(&["eks.amazonaws.com/rolearn"])), settings, &quiet_cluster()))
    };
    assert_eq!(checked(&settings), "fine");
    settings["exemptions"][0]["serviceAccounts"] = json!(["shop/web"]);
    assert_eq!(checked(&settings), "reject");
}

/// Ways to get a wrong key past the rule.
#[rstest]
#[case::behind_a_right_one(r#"{"eks.amazonaws.com/role-arn": "x", "eks.amazonaws.com/role-arm": "x"}"#)]
#[case::written_with_escapes(r#"{"eks.amazonaws.com\/role\u002darm": "x"}"#)]
#[case::in_upper_case(r#"{"EKS.AMAZONAWS.COM/ROLE-ARN": "x"}"#)]
#[case::with_an_empty_value(r#"{"eks.amazonaws.com/role-arm": ""}"#)]
#[case::with_dashes(r#"{"eks.amazonaws.com/r-o-l-e-a-r-n": "x"}"#)]
#[case::where_a_canary_hides(
    r#"{"kubectl.kubernetes.io/last-applied-configuration": "{\"x\":1}", "eks.amazonaws.com/role_arn": "x"}"#
)]
fn bypass(#[case] annotations: &str) {
    let mut account = account(&[]);
    account["metadata"]["annotations"] = json!(777);
    let request = create(&account).to_string().replace("777", annotations);
    let payload = format!(r#"{{"request":{request},"settings":{}}}"#, settings(&json!("reject")));
    let answer: Value = serde_json::from_slice(&crate::guest::validate(payload.as_bytes(), &quiet_cluster())).unwrap();
    assert_eq!((outcome(&answer), reported(&answer, ID).len()), ("reject", 1), "{answer}");
}

/// Values are never read; only the map itself must be valid.
#[test]
fn never_reads_values() {
    let mut odd = account(&["prometheus.io/scrape"]);
    odd["metadata"]["annotations"]["prometheus.io/scrape"] = json!(true);
    assert_eq!(outcome(&checked(&odd, &json!("reject"))), "fine");
    odd["metadata"]["annotations"] = json!({"eks.amazonaws.com/rolearn": null});
    assert_eq!(outcome(&checked(&odd, &json!("reject"))), "fine");
    odd["metadata"]["annotations"] = json!(["a/b"]);
    assert_eq!(checked(&odd, &json!("reject"))["code"], 400);
}

#[test]
fn rejects_wrong_parameters() {
    assert_eq!(
        settings_problems(&settings(&json!({"unknownKeys": false, "legacyKeys": "rejected", "known": true}))),
        [
            "rules.identity-annotation-keys.known: unknown parameter `known`, must be one of unknownKeys, legacyKeys",
            "rules.identity-annotation-keys.unknownKeys: must be one of allow, warn, reject, is a boolean",
            "rules.identity-annotation-keys.legacyKeys: unknown value `rejected`; did you mean `reject`?",
        ][..]
    );
}
