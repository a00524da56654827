// SPDX-License-Identifier: Apache-2.0
use rstest::rstest;
use serde_json::{Value, json};

use crate::cluster::{AccountRecord, LookupError};
use crate::testing::{
    FakeCluster, admitted_pod, create, deployment, only, outcome, projected, quiet_cluster, reported, review,
    settings_problems, token, tokenless_pod,
};

const ID: &str = "token-and-cloud-role";
const ROLE: &str = "eks.amazonaws.com/role-arn";

fn settings() -> Value {
    only(&json!({ID: "reject"}))
}

fn cluster(automount: Option<bool>, annotations: &[(&str, &str)]) -> FakeCluster {
    FakeCluster::with("shop", "app", AccountRecord::new(automount).with_annotations(annotations))
}

fn with_role() -> FakeCluster {
    cluster(None, &[(ROLE, "arn:aws:iam::123456789012:role/s3")])
}

fn app() -> Value {
    admitted_pod(&json!({"serviceAccountName": "app"}))
}

fn with_env(name: &str) -> Value {
    admitted_pod(
        &json!({"serviceAccountName": "app", "containers": [{"name": "web", "image": "i", "env": [{"name": name, "value": "x"}]}]}),
    )
}

#[test]
fn messages() {
    assert_eq!(
        reported(&review(&create(&app()), &settings(), &with_role()), ID),
        [
            "spec.volumes[kube-api-access-bcd24]: holds an API token in addition to the cloud role of the Pod (eks.amazonaws.com/role-arn of account app); set automountServiceAccountToken: false, or split the Pod"
        ]
    );
    assert_eq!(
        reported(&review(&create(&with_env("AWS_ROLE_ARN")), &settings(), &quiet_cluster()), ID),
        [
            "spec.volumes[kube-api-access-bcd24]: holds an API token in addition to the cloud role of the Pod (AWS_ROLE_ARN of container web); set automountServiceAccountToken: false, or split the Pod"
        ]
    );
    assert_eq!(
        reported(&review(&create(&deployment(&json!({"serviceAccountName": "app"}))), &settings(), &with_role()), ID),
        [
            "spec.template.spec.automountServiceAccountToken: is not false, so Pods get an API token in addition to their cloud role (eks.amazonaws.com/role-arn of account app); set it to false, or split the Pod"
        ]
    );
}

#[test]
fn off_by_default() {
    assert_eq!(reported(&review(&create(&app()), &json!({}), &with_role()), ID), Vec::<String>::new());
}

/// The role of the account.
#[rstest]
#[case::aws(&[(ROLE, "arn:aws:iam::123456789012:role/s3")], "reject")]
#[case::gcp(&[("iam.gke.io/gcp-service-account", "a@b.iam.gserviceaccount.com")], "reject")]
#[case::azure(&[("azure.workload.identity/client-id", "6c9c0b1e-0000-0000-0000-000000000000")], "reject")]
#[case::empty(&[(ROLE, "")], "fine")]
#[case::none(&[], "fine")]
#[case::options_only(&[("eks.amazonaws.com/audience", "sts.amazonaws.com")], "fine")]
fn roles(#[case] annotations: &[(&str, &str)], #[case] expected: &str) {
    assert_eq!(outcome(&review(&create(&app()), &settings(), &cluster(None, annotations))), expected);
    // Without an API token, a role is fine, and nothing is looked up.
    let fake = cluster(None, annotations);
    assert_eq!(outcome(&review(&create(&tokenless_pod(&json!({}))), &settings(), &fake)), "fine");
    assert_eq!(fake.lookups(), 0);
}

#[test]
fn configured_prefix() {
    let mut settings = settings();
    settings["aws"] = json!({"annotationPrefix": "irsa.example.com"});
    let role = "arn:aws:iam::123456789012:role/s3";
    let own = cluster(None, &[("irsa.example.com/role-arn", role)]);
    assert_eq!(outcome(&review(&create(&app()), &settings, &own)), "reject");
    assert_eq!(outcome(&review(&create(&app()), &settings, &with_role())), "fine");
}

#[rstest]
#[case("AWS_ROLE_ARN", "reject")]
#[case("AWS_CONTAINER_CREDENTIALS_FULL_URI", "reject")]
#[case("AZURE_FEDERATED_TOKEN_FILE", "reject")]
#[case("AWS_REGION", "fine")]
#[case("MY_AWS_ROLE_ARN", "fine")]
fn variables(#[case] name: &str, #[case] expected: &str) {
    assert_eq!(outcome(&review(&create(&with_env(name)), &settings(), &quiet_cluster())), expected);
}

/// What a template's Pods will have.
#[rstest]
#[case::asked_for(json!(true), Some(false), "reject")]
#[case::refused(json!(false), Some(true), "fine")]
#[case::account_refuses(json!(null), Some(false), "fine")]
#[case::account_asks(json!(null), Some(true), "reject")]
#[case::nobody_says(json!(null), None, "reject")]
fn templates(#[case] pod_says: Value, #[case] account_says: Option<bool>, #[case] expected: &str) {
    let template = deployment(&json!({"serviceAccountName": "app", "automountServiceAccountToken": pod_says}));
    let cluster = cluster(account_says, &[(ROLE, "arn:aws:iam::123456789012:role/s3")]);
    assert_eq!(outcome(&review(&create(&template), &settings(), &cluster)), expected);
    assert!(cluster.lookups() <= 2);
}

#[test]
fn unknown_account() {
    let failing = FakeCluster::failing(LookupError::NotGranted);
    assert_eq!(outcome(&review(&create(&app()), &settings(), &failing)), "fine");
    assert_eq!(outcome(&review(&create(&with_env("AWS_ROLE_ARN")), &settings(), &failing)), "reject");
    let broken = FakeCluster::failing(LookupError::Failed);
    assert_eq!(review(&create(&app()), &settings(), &broken)["code"], 503);
}

/// The token from another source, or the role in another container.
#[rstest]
#[case::by_hand(json!({"volumes": [projected("t", &json!([token("api", 600)]))]}))]
#[case::in_an_init_container(json!({"volumes": [projected("t", &json!([token("", 600)]))], "initContainers": [{"name": "i", "image": "i", "env": [{"name": "X"}, {"name": "AWS_ROLE_ARN", "valueFrom": {"configMapKeyRef": {"name": "c", "key": "k"}}}]}]}))]
fn bypass(#[case] more: Value) {
    assert_eq!(outcome(&review(&create(&tokenless_pod(&more)), &settings(), &with_role())), "reject");
}

#[test]
fn reports_first_container() {
    let container =
        |name: &str, variable: &str| json!({"name": name, "image": "i", "env": [{"name": variable, "value": "x"}]});
    let containers = json!([
        container("plain", "AWS_REGION"),
        container("first", "AZURE_FEDERATED_TOKEN_FILE"),
        container("second", "AWS_ROLE_ARN"),
    ]);
    let pod = admitted_pod(&json!({"serviceAccountName": "app", "containers": containers}));
    let lines = reported(&review(&create(&pod), &settings(), &quiet_cluster()), ID);
    let [line] = lines.as_slice() else { panic!("{lines:?}") };
    assert!(line.contains("(AZURE_FEDERATED_TOKEN_FILE of container first)"), "{line}");
}

/// The webhooks' own tokens are not for the Kubernetes API.
#[test]
fn accepts_cloud_token() {
    let pod = tokenless_pod(&json!({
        "containers": [{"name": "web", "image": "i", "env": [{"name": "AWS_ROLE_ARN", "value": "arn:aws:iam::123456789012:role/s3"}]}],
        "volumes": [projected("aws-iam-token", &json!([token("sts.amazonaws.com", 86400)]))],
    }));
    assert_eq!(outcome(&review(&create(&pod), &settings(), &with_role())), "fine");
}

#[test]
fn exempt_pod() {
    let mut settings = settings();
    settings["exemptions"] = json!([{"rules": [ID], "serviceAccounts": ["shop/app"]}]);
    assert_eq!(outcome(&review(&create(&app()), &settings, &with_role())), "fine");
}

#[test]
fn rejects_parameters() {
    assert_eq!(
        settings_problems(
            &json!({"rules": {ID: {"action": "warn", "roles": []}, "reserved-volume-name": {"names": ["x"]}}})
        ),
        ["rules.reserved-volume-name.names: unknown parameter; this rule has none"]
    );
}
