// SPDX-License-Identifier: Apache-2.0
use rstest::rstest;
use serde_json::{Value, json};

use crate::testing::{
    admitted_pod, create, deployment, only, outcome, plugin_volume, projected, quiet_cluster, reported, review, token,
    tokenless_pod, update,
};

const ID: &str = "reserved-volume-name";

fn checked(object: &Value, action: &str) -> Value {
    review(&create(object), &only(&json!({ID: action})), &quiet_cluster())
}

fn with(volume: &Value) -> Value {
    tokenless_pod(&json!({"volumes": [volume]}))
}

#[test]
fn messages() {
    assert_eq!(
        reported(&checked(&with(&json!({"name": "kube-api-access-x", "emptyDir": {}})), "reject"), ID),
        [
            "spec.volumes[kube-api-access-x].name: is reserved for the API server's token volume; rename it, or it will be mounted into every container once automountServiceAccountToken is no longer false"
        ]
    );
    assert_eq!(
        reported(&checked(&saying(&Value::Null, &json!({"name": "kube-api-access-x", "emptyDir": {}})), "reject"), ID),
        [
            "spec.volumes[kube-api-access-x].name: makes the API server treat the volume as its token volume and mount it into every container; rename it, or remove it if it was copied from a running Pod"
        ]
    );
    assert_eq!(
        reported(&checked(&with(&json!({"name": "aws-iam-token", "emptyDir": {}})), "warn"), ID),
        [
            "spec.volumes[aws-iam-token].name: is reserved for a volume with one token for AWS and nothing else; rename the volume"
        ]
    );
}

#[rstest]
#[case::data(json!({"name": "data", "emptyDir": {}}))]
#[case::nearly_the_plugins(json!({"name": "kube-api-acces-x", "emptyDir": {}}))]
#[case::ends_like_the_plugins(json!({"name": "my-kube-api-access-x", "emptyDir": {}}))]
#[case::prefix_without_dash(json!({"name": "kube-api-access", "emptyDir": {}}))]
#[case::irsa(projected("aws-iam-token", &json!([token("sts.amazonaws.com", 86400)])))]
#[case::irsa_with_an_audience_of_its_own(projected("aws-iam-token", &json!([token("https://sts.cn-north-1.amazonaws.com.cn", 80000)])))]
#[case::pod_identity(projected("eks-pod-identity-token", &json!([token("pods.eks.amazonaws.com", 84000)])))]
#[case::azure(projected("azure-identity-token", &json!([token("api://AzureADTokenExchange", 3600)])))]
#[case::like_the_webhooks(json!({"name": "aws-iam-tokens", "emptyDir": {}}))]
fn accepts_other_names_and_webhook_volumes(#[case] volume: Value) {
    assert_eq!(outcome(&checked(&with(&volume), "reject")), "fine");
    assert_eq!(outcome(&checked(&deployment(&json!({"volumes": [volume]})), "reject")), "fine");
}

/// The volume of a Pod that does not set `false`; also in the copy of a Pod
/// that ran, which already contains it.
#[test]
fn accepts_plugin_volume() {
    for automount in [json!(true), Value::Null] {
        let pod = admitted_pod(&json!({"automountServiceAccountToken": automount}));
        assert_eq!(outcome(&checked(&pod, "reject")), "fine");
    }
    let mut openshift = admitted_pod(&json!({}));
    openshift["spec"]["volumes"][0]["projected"]["sources"].as_array_mut().unwrap().push(json!(
        {"configMap": {"name": "openshift-service-ca.crt", "items": [{"key": "service-ca.crt", "path": "service-ca.crt"}]}}
    ));
    assert_eq!(outcome(&checked(&openshift, "reject")), "fine");
}

fn changed(change: impl FnOnce(&mut Value)) -> Value {
    let mut volume = plugin_volume();
    change(&mut volume);
    volume
}

/// Volumes that the plugin would treat as its own.
#[rstest]
#[case::empty_dir(json!({"name": "kube-api-access-x", "emptyDir": {}}))]
#[case::empty_dir_with_a_made_up_name(json!({"name": "kube-api-access-bcd24", "emptyDir": {}}))]
#[case::no_type(json!({"name": "kube-api-access-bcd24"}))]
#[case::secret(json!({"name": "kube-api-access-bcd24", "secret": {"secretName": "app-token-bcd24"}}))]
#[case::bare_prefix(json!({"name": "kube-api-access-", "emptyDir": {}}))]
#[case::name_with_a_vowel(changed(|volume| volume["name"] = json!("kube-api-access-abcde")))]
#[case::another_audience(changed(|volume| volume["projected"]["sources"][0]["serviceAccountToken"]["audience"] = json!("vault")))]
#[case::a_century(changed(|volume| volume["projected"]["sources"][0]["serviceAccountToken"]["expirationSeconds"] = json!(3_153_600_000_i64)))]
#[case::one_more_source(changed(|volume| volume["projected"]["sources"].as_array_mut().unwrap().push(json!({"secret": {"name": "s"}}))))]
#[case::one_source_less(changed(|volume| drop(volume["projected"]["sources"].as_array_mut().unwrap().pop())))]
#[case::another_mode(changed(|volume| volume["projected"]["defaultMode"] = json!(511)))]
fn bypass(#[case] volume: Value) {
    for automount in [json!(true), Value::Null] {
        assert_eq!(outcome(&checked(&saying(&automount, &volume), "reject")), "reject");
    }
    // If nothing is automounted, only a token in the volume is rejected.
    let expected = if volume.to_string().contains("serviceAccountToken") { "reject" } else { "warn" };
    assert_eq!(outcome(&checked(&saying(&json!(false), &volume), "reject")), expected);
}

fn saying(automount: &Value, volume: &Value) -> Value {
    let mut pod = with(volume);
    pod["spec"]["automountServiceAccountToken"] = automount.clone();
    pod
}

/// The Pods that vcluster creates: with its own volume under the plugin's name,
/// from a Secret, where the host's API server adds none.
#[test]
fn volume_without_token() {
    let sources = json!([
        {"secret": {"name": "virtual-token"}},
        {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
    ]);
    let pod = saying(&json!(false), &projected("kube-api-access-bcd24", &sources));
    assert_eq!(outcome(&checked(&pod, "reject")), "warn");
    assert_eq!(
        outcome(&checked(&saying(&Value::Null, &projected("kube-api-access-bcd24", &sources)), "reject")),
        "reject"
    );
}

/// The exact shape where the plugin adds nothing: someone else added it.
#[test]
fn bypass_by_exact_shape() {
    assert_eq!(outcome(&checked(&with(&plugin_volume()), "reject")), "reject");
    assert_eq!(outcome(&checked(&deployment(&json!({"volumes": [plugin_volume()]})), "reject")), "reject");
}

/// Volumes that the webhooks would leave as they are.
#[rstest]
#[case::an_api_token(projected("aws-iam-token", &json!([token("", 3600)])))]
#[case::an_api_token_by_name(projected("aws-iam-token", &json!([token("https://kubernetes.default.svc", 3600)])))]
#[case::two_tokens(projected("aws-iam-token", &json!([token("sts.amazonaws.com", 600), token("sts.amazonaws.com", 600)])))]
#[case::a_secret_too(projected("aws-iam-token", &json!([token("sts.amazonaws.com", 600), {"secret": {"name": "s"}}])))]
#[case::a_secret_in_one_source(projected("aws-iam-token", &json!([{"serviceAccountToken": {"path": "t", "audience": "sts.amazonaws.com"}, "secret": {"name": "s"}}])))]
#[case::only_a_secret(projected("eks-pod-identity-token", &json!([{"secret": {"name": "s"}}])))]
#[case::nothing(projected("eks-pod-identity-token", &json!([])))]
#[case::a_secret(json!({"name": "eks-pod-identity-token", "secret": {"secretName": "s"}}))]
#[case::a_host_path(json!({"name": "aws-iam-token", "hostPath": {"path": "/x"}}))]
#[case::two_types(json!({"name": "aws-iam-token", "hostPath": {"path": "/x"}, "projected": {"sources": [token("sts.amazonaws.com", 600)]}}))]
fn bypass_by_webhook_names(#[case] volume: Value) {
    assert_eq!(outcome(&checked(&with(&volume), "reject")), "reject");
}

#[test]
fn old_problem_warns() {
    let with = |name: &str| deployment(&json!({"volumes": [{"name": name, "emptyDir": {}}]}));
    let reviewed = |old: &str, new: &str| {
        outcome(&review(&update(&with(old), &with(new)), &only(&json!({ID: "reject"})), &quiet_cluster()))
    };
    assert_eq!(reviewed("kube-api-access-x", "kube-api-access-x"), "warn");
    assert_eq!(reviewed("kube-api-access-x", "kube-api-access-y"), "reject");
}

#[test]
fn exempt_pod() {
    let mut settings = only(&json!({ID: "reject"}));
    settings["exemptions"] = json!([{"rules": [ID], "users": ["alice"]}]);
    let pod = with(&json!({"name": "kube-api-access-x", "emptyDir": {}}));
    assert_eq!(outcome(&review(&create(&pod), &settings, &quiet_cluster())), "fine");
}
