// SPDX-License-Identifier: Apache-2.0
use rstest::rstest;
use serde_json::{Value, json};

use crate::testing::{
    admitted_pod, create, deployment, only, outcome, plugin_volume, projected, quiet_cluster, reported, review,
    settings_problems, token, tokenless_pod, update,
};

const ID: &str = "one-year-token";

fn settings(params: &Value) -> Value {
    only(&json!({ID: params}))
}

fn pod(audience: &str, seconds: i64) -> Value {
    tokenless_pod(&json!({"volumes": [projected("t", &json!([token(audience, seconds)]))]}))
}

fn checked(object: &Value, params: &Value) -> Value {
    review(&create(object), &settings(params), &quiet_cluster())
}

fn app() -> Value {
    admitted_pod(&json!({"serviceAccountName": "app"}))
}

#[test]
fn messages() {
    assert_eq!(
        reported(&checked(&pod("", 3607), &json!("warn")), ID),
        [
            "spec.volumes[t].projected.sources[token].serviceAccountToken.expirationSeconds: is 3607, so the API server signs a token that is valid for a year; write 3600"
        ]
    );
    assert_eq!(
        reported(&checked(&app(), &json!({"includeInjected": true})), ID),
        [
            "spec.volumes[kube-api-access-bcd24].projected.sources[token].serviceAccountToken.expirationSeconds: is 3607 in the API server's own volume, so the token is good for a year; with action mutate, this rule sets it to 3600"
        ]
    );
    assert_eq!(
        reported(&checked(&pod("", 3607), &json!("mutate")), ID),
        [
            "spec.volumes[t].projected.sources[token].serviceAccountToken.expirationSeconds: set to 3600, because the API server extends 3607 to a year"
        ]
    );
}

/// Only this number, and only for the Kubernetes API.
#[rstest]
#[case("", 3607, "reject")]
#[case("api", 3607, "reject")]
#[case("https://kubernetes.default.svc", 3607, "reject")]
#[case("", 3600, "fine")]
#[case("", 3606, "fine")]
#[case("", 3608, "fine")]
#[case("", 600, "fine")]
#[case("", 86400, "fine")]
#[case("vault", 3607, "fine")]
#[case("sts.amazonaws.com", 3607, "fine")]
fn lifetimes(#[case] audience: &str, #[case] seconds: i64, #[case] expected: &str) {
    assert_eq!(outcome(&checked(&pod(audience, seconds), &json!("reject"))), expected);
}

#[test]
fn fix_changes_one_number() {
    assert_eq!(checked(&pod("", 3607), &json!("mutate"))["mutated_object"], pod("", 3600));
    // The API server's own volume too, if configured; it is still recognized
    // afterwards.
    let answer = checked(&app(), &json!({"action": "mutate", "includeInjected": true}));
    let mut expected = app();
    expected["spec"]["volumes"][0]["projected"]["sources"][0]["serviceAccountToken"]["expirationSeconds"] = json!(3600);
    assert_eq!(answer["mutated_object"], expected);
    assert_eq!(outcome(&checked(&expected, &json!({"action": "mutate", "includeInjected": true}))), "fine");
    assert_eq!(outcome(&checked(&app(), &json!("mutate"))), "fine");
}

/// If `pod-automount` removes the volume, there is nothing left to change.
#[test]
fn volume_removed_by_other_fix() {
    let settings = only(&json!({ID: {"action": "mutate", "includeInjected": true}, "pod-automount": "mutate"}));
    let answer = review(&create(&admitted_pod(&json!({}))), &settings, &quiet_cluster());
    assert_eq!(answer["mutated_object"]["spec"]["volumes"], json!([]));
    assert_eq!(answer["audit_annotations"], json!({"pod-automount": "fixed(1)"}));
}

/// What `pod-automount` leaves to a container is still the API server's volume.
#[test]
fn volume_kept_by_other_fix() {
    let keepers = json!([{"name": "kuma-sidecar", "image": "docker.io/kumahq/kuma-dp:*"}]);
    let settings = only(&json!({
        ID: {"action": "mutate", "includeInjected": true},
        "pod-automount": {"scope": "all", "tokenContainers": keepers},
    }));
    let containers = json!([{"name": "web", "image": "i"}, {"name": "kuma-sidecar", "image": "kumahq/kuma-dp:2"}]);
    let pod = admitted_pod(&json!({"serviceAccountName": "app", "containers": containers}));
    let answer = review(&create(&pod), &settings, &quiet_cluster());
    let volume = &answer["mutated_object"]["spec"]["volumes"][0];
    assert_eq!(volume["projected"]["sources"][0]["serviceAccountToken"]["expirationSeconds"], 3600);
    assert_eq!(answer["audit_annotations"], json!({ID: "fixed(1)", "pod-automount": "fixed(1)"}));
}

#[rstest]
#[case::the_plugins_shape_under_false(plugin_volume())]
#[case::second_source(projected("t", &json!([token("vault", 600), {"serviceAccountToken": {"path": "b", "expirationSeconds": 3607}}])))]
#[case::name_of_a_webhook(projected("aws-iam-token", &json!([token("", 3607)])))]
#[case::the_issuers_own_url(projected("t", &json!([token("https://oidc.eks.eu-west-1.amazonaws.com/id/ABC", 3607)])))]
fn bypass(#[case] volume: Value) {
    assert_eq!(outcome(&checked(&tokenless_pod(&json!({"volumes": [&volume]})), &json!("reject"))), "reject");
    assert_eq!(outcome(&checked(&deployment(&json!({"volumes": [volume]})), &json!("reject"))), "reject");
}

/// A number is compared as a number, however it is written.
#[test]
fn bypass_by_spelling() {
    for number in ["3607.0", "3.607e3", "36070e-1"] {
        let request = create(&pod("", 777_777)).to_string().replace("777777", number);
        let payload = format!(r#"{{"request":{request},"settings":{}}}"#, settings(&json!("reject")));
        let answer: Value =
            serde_json::from_slice(&crate::guest::validate(payload.as_bytes(), &quiet_cluster())).unwrap();
        assert_eq!(answer["code"], 400, "{number}");
    }
}

#[test]
fn old_problem_warns() {
    let with = |seconds| deployment(&json!({"volumes": [projected("t", &json!([token("", seconds)]))]}));
    let reviewed =
        |old, new| outcome(&review(&update(&with(old), &with(new)), &settings(&json!("reject")), &quiet_cluster()));
    assert_eq!(reviewed(3607, 3607), "warn");
    assert_eq!(reviewed(3600, 3607), "reject");
}

#[test]
fn exempt_pod() {
    let mut settings = settings(&json!("mutate"));
    settings["exemptions"] = json!([{"rules": [ID], "namespaces": ["shop"]}]);
    assert_eq!(outcome(&review(&create(&pod("", 3607)), &settings, &quiet_cluster())), "fine");
}

#[test]
fn rejects_wrong_parameters() {
    assert_eq!(
        settings_problems(&settings(&json!({"includeInjected": "yes", "includeInject": true}))),
        [
            "rules.one-year-token.includeInject: unknown parameter `includeInject`; did you mean `includeInjected`?",
            "rules.one-year-token.includeInjected: must be true or false, is a string",
        ]
    );
}
