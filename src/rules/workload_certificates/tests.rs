// SPDX-License-Identifier: Apache-2.0
use rstest::rstest;
use serde_json::{Value, json};

use crate::testing::{create, deployment, quiet_cluster, reported, review, tokenless_pod};

const RULE: &str = "workload-certificates";

fn found(pod: &Value, params: &Value) -> Vec<String> {
    reported(&review(&create(pod), &json!({"rules": {RULE: params}}), &quiet_cluster()), RULE)
}

fn pod_with(volume: &Value) -> Value {
    tokenless_pod(&json!({"volumes": [volume]}))
}

fn certificate(more: &Value) -> Value {
    let mut source =
        json!({"signerName": "example.com/mesh", "keyType": "ED25519", "credentialBundlePath": "bundle.pem"});
    for (key, value) in more.as_object().unwrap() {
        source[key] = value.clone();
    }
    json!({"name": "identity", "projected": {"sources": [{"podCertificate": source}]}})
}

const SOURCE: &str = "spec.volumes[identity].projected.sources[0].podCertificate";

#[test]
fn a_signer_that_is_not_listed() {
    let params = json!({"action": "reject", "signers": ["kubernetes.io/*", "csi.spiffe.io"]});
    assert_eq!(
        found(&pod_with(&certificate(&json!({}))), &params),
        [format!(
            "{SOURCE}.signerName: `example.com/mesh` is not one of the allowed signers: kubernetes.io/*, csi.spiffe.io"
        )]
    );
    assert!(
        found(&pod_with(&certificate(&json!({"signerName": "kubernetes.io/kube-apiserver-client-pod"}))), &params)
            .is_empty()
    );
    let csi = |driver: &str| pod_with(&json!({"name": "identity", "csi": {"driver": driver, "readOnly": true}}));
    assert_eq!(
        found(&csi("csi.cert-manager.io"), &params),
        [
            "spec.volumes[identity].csi.driver: `csi.cert-manager.io` is not one of the allowed signers: kubernetes.io/*, csi.spiffe.io"
        ]
    );
    assert!(found(&csi("csi.spiffe.io"), &params).is_empty());
    assert!(found(&csi("efs.csi.aws.com"), &params).is_empty());
}

#[rstest]
#[case(json!(3600), 3600, None)]
#[case(json!(3601), 3600, Some("is 3601, but the maximum is 3600; certificates are renewed before they expire"))]
#[case(json!(86400), 86400, None)]
#[case(json!(7_862_400), 86400, Some("is 7862400, but the maximum is 86400; certificates are renewed before they expire"))]
#[case(Value::Null, 86400, None)]
#[case(Value::Null, 86399, Some("is not set, which means 86400, but the maximum is 86399; set it"))]
fn lifetimes(#[case] seconds: Value, #[case] most: i64, #[case] expected: Option<&str>) {
    let pod = pod_with(&certificate(&json!({"maxExpirationSeconds": seconds})));
    let lines: Vec<String> =
        expected.map(|text| format!("{SOURCE}.maxExpirationSeconds: {text}")).into_iter().collect();
    assert_eq!(found(&pod, &json!({"action": "reject", "maxSeconds": most})), lines);
}

#[test]
fn annotations_for_the_signer() {
    let pod = pod_with(&certificate(&json!({"userAnnotations": {"example.com/dns": "x", "other.example/san": "y"}})));
    assert_eq!(
        found(&pod, &json!({"action": "reject", "userAnnotations": ["example.com/*"]})),
        [format!("{SOURCE}.userAnnotations: key `other.example/san` is not one of the allowed ones: example.com/*")]
    );
    assert!(found(&pod, &json!("reject")).is_empty());
}

#[test]
fn the_default_account() {
    let volumes = json!([certificate(&json!({})), {"name": "spiffe", "csi": {"driver": "csi.spiffe.io"}}]);
    let object = deployment(&json!({"volumes": volumes}));
    let text = "identifies the Pod as ServiceAccount default, like every Pod that names no account; use a dedicated ServiceAccount";
    assert_eq!(
        found(&object, &json!("reject")),
        [
            format!("spec.template.spec.volumes[identity].projected.sources[0].podCertificate: {text}"),
            format!("spec.template.spec.volumes[spiffe].csi: {text}"),
        ]
    );
}
