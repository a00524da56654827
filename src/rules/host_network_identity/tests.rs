// SPDX-License-Identifier: Apache-2.0
use rstest::rstest;
use serde_json::{Value, json};

use crate::testing::{
    FakeCluster, annotated_cluster, create, deployment, quiet_cluster, reported, review, tokenless_pod,
};

const ROLE: (&str, &str) = ("eks.amazonaws.com/role-arn", "arn:aws:iam::123456789012:role/uploader");
const RULE: &str = "host-network-identity";

fn found(object: &Value, params: &Value, cluster: &FakeCluster) -> Vec<String> {
    reported(&review(&create(object), &json!({"rules": {RULE: params}}), cluster), RULE)
}

fn line(path: &str, role: &str) -> String {
    format!(
        "{path}hostNetwork: is true, so the Pod can get its node's credentials in addition to its own cloud role ({role}); set it to false, or split the Pod"
    )
}

#[rstest]
#[case(ROLE)]
#[case(("iam.gke.io/gcp-service-account", "uploader@shop-prod.iam.gserviceaccount.com"))]
#[case(("azure.workload.identity/client-id", "d2c9a7ab-9a4e-4c1c-8d2f-5f0a1b6c7d8e"))]
fn a_role_of_the_account(#[case] annotation: (&str, &str)) {
    let cluster = annotated_cluster(&[annotation]);
    let pod = tokenless_pod(&json!({"hostNetwork": true}));
    assert_eq!(found(&pod, &json!("reject"), &cluster), [line("spec.", &format!("{} of account app", annotation.0))]);
}

#[test]
fn a_role_in_the_environment() {
    let containers =
        json!([{"name": "web", "image": "i", "env": [{"name": "AWS_CONTAINER_CREDENTIALS_FULL_URI", "value": "x"}]}]);
    let pod = tokenless_pod(&json!({"hostNetwork": true, "containers": containers}));
    assert_eq!(
        found(&pod, &json!("reject"), &quiet_cluster()),
        [line("spec.", "AWS_CONTAINER_CREDENTIALS_FULL_URI of container web")]
    );
}

#[test]
fn a_template() {
    let object = deployment(&json!({"serviceAccountName": "app", "hostNetwork": true}));
    assert_eq!(
        found(&object, &json!("reject"), &annotated_cluster(&[ROLE])),
        [line("spec.template.spec.", "eks.amazonaws.com/role-arn of account app")]
    );
}

/// Without a cloud role, without the host network, or with an exception, the
/// Pod is accepted.
#[rstest]
#[case(json!({"hostNetwork": false}), json!("reject"), annotated_cluster(&[ROLE]))]
#[case(json!({}), json!("reject"), annotated_cluster(&[ROLE]))]
#[case(json!({"hostNetwork": true}), json!("reject"), quiet_cluster())]
#[case(json!({"hostNetwork": true}), json!({"action": "reject", "allowedAccounts": ["shop/app"]}), annotated_cluster(&[ROLE]))]
#[case(json!({"hostNetwork": true}), json!("off"), annotated_cluster(&[ROLE]))]
fn accepted(#[case] spec: Value, #[case] params: Value, #[case] cluster: FakeCluster) {
    assert!(found(&tokenless_pod(&spec), &params, &cluster).is_empty());
}
