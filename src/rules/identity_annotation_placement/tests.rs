// SPDX-License-Identifier: Apache-2.0
use rstest::rstest;
use serde_json::{Value, json};

use crate::testing::{
    create, deployment, only, outcome, quiet_cluster, reported, review, settings_problems, tokenless_pod, update,
};

const ID: &str = "identity-annotation-placement";
const SKIP: &str = "eks.amazonaws.com/skip-containers";

fn settings(params: &Value) -> Value {
    only(&json!({ID: params}))
}

fn account(metadata: &Value) -> Value {
    let mut account =
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "app", "namespace": "shop"}});
    account["metadata"].as_object_mut().unwrap().extend(metadata.as_object().unwrap().clone());
    account
}

fn annotated(key: &str, value: &str) -> Value {
    account(&json!({"annotations": {key: value}}))
}

/// A Pod with containers `setup`, `web` and `proxy`.
fn pod(key: &str, value: &str) -> Value {
    let mut pod = tokenless_pod(&json!({
        "initContainers": [{"name": "setup", "image": "x"}],
        "containers": [{"name": "web", "image": "x"}, {"name": "proxy", "image": "x"}],
    }));
    pod["metadata"]["annotations"] = json!({key: value});
    pod
}

fn template(key: &str, value: &str) -> Value {
    let mut template = deployment(&json!({"serviceAccountName": "app"}));
    template["spec"]["template"]["metadata"]["annotations"] = json!({key: value});
    template
}

fn checked(object: &Value, params: &Value) -> Value {
    review(&create(object), &settings(params), &quiet_cluster())
}

/// In the validating phase, after all other webhooks.
fn checked_last(object: &Value, params: &Value) -> Value {
    let mut settings = settings(params);
    settings["phase"] = json!("validating");
    review(&create(object), &settings, &quiet_cluster())
}

#[test]
fn messages() {
    let reject = json!("reject");
    assert_eq!(
        reported(&checked(&template("eks.amazonaws.com/role-arn", "x"), &reject), ID),
        [
            r#"spec.template.metadata.annotations["eks.amazonaws.com/role-arn"]: has no effect on a Pod: it is read from the Pod's ServiceAccount; move it to ServiceAccount `app`"#
        ]
    );
    assert_eq!(
        reported(&checked(&annotated(SKIP, "proxy"), &reject), ID),
        [
            r#"metadata.annotations["eks.amazonaws.com/skip-containers"]: has no effect on a ServiceAccount: it is read from Pods; move it to the metadata of their template"#
        ]
    );
    assert_eq!(
        reported(&checked(&pod("azure.workload.identity/use", "true"), &reject), ID),
        [
            r#"metadata.annotations["azure.workload.identity/use"]: has no effect as an annotation: it is a label of Pods; move it to the labels of the Pod"#
        ]
    );
    let labelled = account(&json!({"labels": {"azure.workload.identity/use": "true"}}));
    assert_eq!(
        reported(&checked(&labelled, &reject), ID),
        [
            r#"metadata.labels["azure.workload.identity/use"]: has no effect on a ServiceAccount: the webhook looks for this label on Pods; move it to the metadata of their template"#
        ]
    );
    assert_eq!(
        reported(&checked(&pod(SKIP, "a \"b\""), &reject), ID),
        [
            r#"metadata.annotations["eks.amazonaws.com/skip-containers"]: is `a "b"`, which the webhook cannot read as a list, so no container is skipped and all get the role; separate the names with commas"#
        ]
    );
    assert_eq!(
        reported(&checked(&pod(SKIP, "web, proxy"), &reject), ID),
        [
            r#"metadata.annotations["eks.amazonaws.com/skip-containers"]: has ` proxy`, which is not a valid container name, so it skips none; separate the names with commas, without spaces"#
        ]
    );
    assert_eq!(
        reported(&checked_last(&pod(SKIP, "web,proxi"), &reject), ID),
        [
            r#"metadata.annotations["eks.amazonaws.com/skip-containers"]: has `proxi`, but no container of the Pod has this name, so it skips none; write the name of a container, or remove it"#
        ]
    );
}

/// A key, and the outcome for an account, a template and a Pod that has it.
#[rstest]
#[case("eks.amazonaws.com/role-arn", ["fine", "reject", "warn"])]
#[case("eks.amazonaws.com/ecr-role-arn", ["fine", "reject", "warn"])]
#[case("eks.amazonaws.com/audience", ["fine", "reject", "warn"])]
#[case("eks.amazonaws.com/sts-regional-endpoints", ["fine", "reject", "warn"])]
#[case("eks.amazonaws.com/token-expiration", ["fine", "fine", "fine"])]
#[case("eks.amazonaws.com/skip-containers", ["reject", "fine", "fine"])]
#[case("eks.amazonaws.com/skip-pod-identity-webhook", ["warn", "warn", "warn"])]
#[case("eks.amazonaws.com/compute-type", ["fine", "fine", "fine"])]
#[case("iam.gke.io/gcp-service-account", ["fine", "reject", "warn"])]
#[case("iam.gke.io/return-principal-id-as-email", ["fine", "reject", "warn"])]
#[case("azure.workload.identity/client-id", ["fine", "reject", "warn"])]
#[case("azure.workload.identity/service-account-token-expiration", ["fine", "fine", "fine"])]
#[case("azure.workload.identity/skip-containers", ["reject", "fine", "fine"])]
#[case("azure.workload.identity/inject-proxy-sidecar", ["reject", "fine", "fine"])]
#[case("azure.workload.identity/proxy-sidecar-port", ["reject", "fine", "fine"])]
#[case("azure.workload.identity/use", ["warn", "warn", "warn"])]
// Misspelled: reported by another rule.
#[case("eks.amazonaws.com/rolearn", ["fine", "fine", "fine"])]
fn each_kind_of_object(#[case] key: &str, #[case] expected: [&str; 3]) {
    let objects = [annotated(key, "web"), template(key, "web"), pod(key, "web")];
    assert_eq!(objects.map(|object| outcome(&checked(&object, &json!("reject")))), expected);
}

/// A list of containers, and the number of findings in each phase.
#[rstest]
#[case("web", 0, 0)]
#[case("web,proxy,setup", 0, 0)]
#[case("\"web\",proxy", 0, 0)]
#[case("web\nother", 0, 0)]
#[case("other", 0, 1)]
#[case("web,other,more", 0, 2)]
#[case("Web", 1, 1)]
#[case("web,other, proxy", 1, 2)]
#[case("web, proxy", 1, 1)]
#[case(" web", 1, 1)]
#[case("web;proxy", 1, 1)]
#[case("web,", 1, 1)]
#[case("*", 1, 1)]
#[case("", 1, 1)]
#[case("\"web", 1, 1)]
fn skip_containers(#[case] list: &str, #[case] mutating: usize, #[case] validating: usize) {
    let count = |answer: &Value| {
        assert_eq!(outcome(answer), if reported(answer, ID).is_empty() { "fine" } else { "warn" });
        reported(answer, ID).len()
    };
    let reject = json!("reject");
    assert_eq!(
        [count(&checked(&pod(SKIP, list), &reject)), count(&checked_last(&pod(SKIP, list), &reject))],
        [mutating, validating]
    );
    // A template may still get containers, whatever the phase.
    assert_eq!(count(&checked_last(&template(SKIP, list), &reject)), mutating);
    let refused = checked_last(&pod(SKIP, list), &json!({"action": "reject", "unmatchedSkip": "reject"}));
    assert_eq!(outcome(&refused), if validating == 0 { "fine" } else { "reject" });
    let warned = checked_last(&pod(SKIP, list), &json!({"action": "warn", "unmatchedSkip": "reject"}));
    assert_eq!(outcome(&warned), if validating == 0 { "fine" } else { "warn" });
}

/// The webhook does not process ephemeral containers.
#[test]
fn ephemeral_container_is_not_skipped() {
    let mut pod = pod(SKIP, "debug");
    pod["spec"]["ephemeralContainers"] = json!([{"name": "debug", "image": "x"}]);
    assert_eq!(outcome(&checked_last(&pod, &json!("reject"))), "warn");
}

#[test]
fn another_prefix() {
    let mut settings = settings(&json!("reject"));
    settings["aws"] = json!({"annotationPrefix": "irsa.example.com"});
    let checked = |object: &Value| outcome(&review(&create(object), &settings, &quiet_cluster()));
    assert_eq!(checked(&template("irsa.example.com/role-arn", "x")), "reject");
    assert_eq!(checked(&template("eks.amazonaws.com/ecr-role-arn", "x")), "reject");
    // Not read anywhere: reported by another rule.
    assert_eq!(checked(&template("eks.amazonaws.com/role-arn", "x")), "fine");
    assert_eq!(checked(&annotated("irsa.example.com/skip-containers", "x")), "reject");
    assert_eq!(checked(&pod("irsa.example.com/skip-containers", "a, b")), "warn");
    assert_eq!(checked(&pod("eks.amazonaws.com/skip-containers", "a, b")), "fine");
}

#[test]
fn old_problem_warns() {
    let reviewed =
        |old: &Value, new: &Value| outcome(&review(&update(old, new), &settings(&json!("reject")), &quiet_cluster()));
    let [role, audience] = ["role-arn", "audience"].map(|suffix| template(&format!("eks.amazonaws.com/{suffix}"), "x"));
    assert_eq!(reviewed(&role, &role), "warn");
    assert_eq!(reviewed(&role, &audience), "reject");
    assert_eq!(reviewed(&annotated(SKIP, "a"), &annotated(SKIP, "a")), "warn");
    // An entry is compared, not the list that contains it.
    let strict = settings(&json!({"action": "reject", "unmatchedSkip": "reject"}));
    let lists = |old: &str, new: &str| {
        outcome(&review(&update(&template(SKIP, old), &template(SKIP, new)), &strict, &quiet_cluster()))
    };
    assert_eq!(lists("web, proxy", "more, proxy"), "warn");
    assert_eq!(lists("web, proxy", "web, other"), "reject");
}

#[test]
fn exempt_workload() {
    let mut settings = settings(&json!("reject"));
    settings["exemptions"] = json!([{"rules": [ID], "names": ["web"]}]);
    let checked = |object: &Value| outcome(&review(&create(object), &settings, &quiet_cluster()));
    assert_eq!(checked(&template("eks.amazonaws.com/role-arn", "x")), "fine");
    assert_eq!(checked(&annotated(SKIP, "x")), "reject");
}

/// Keys that only seem to have an effect.
#[rstest]
#[case::behind_one_that_does(
    r#"{"eks.amazonaws.com/role-arn": "x", "eks.amazonaws.com/skip-containers": "x"}"#,
    "reject"
)]
#[case::written_with_escapes(r#"{"eks.amazonaws.com\/skip\u002dcontainers": "x"}"#, "reject")]
#[case::empty(r#"{"eks.amazonaws.com/skip-containers": ""}"#, "reject")]
#[case::no_text(r#"{"eks.amazonaws.com/skip-containers": ["x"]}"#, "reject")]
#[case::null(r#"{"eks.amazonaws.com/skip-containers": null}"#, "fine")]
#[case::in_a_text(r#"{"note": "eks.amazonaws.com/skip-containers"}"#, "fine")]
fn bypass(#[case] annotations: &str, #[case] expected: &str) {
    let request = create(&account(&json!({"annotations": 777}))).to_string().replace("777", annotations);
    let payload = format!(r#"{{"request":{request},"settings":{}}}"#, settings(&json!("reject")));
    let answer: Value = serde_json::from_slice(&crate::guest::validate(payload.as_bytes(), &quiet_cluster())).unwrap();
    assert_eq!(outcome(&answer), expected, "{answer}");
}

#[test]
fn unreadable_labels() {
    assert_eq!(outcome(&checked(&account(&json!({"labels": ["x"]})), &json!("reject"))), "fine");
    let odd = checked(&account(&json!({"labels": ["azure.workload.identity/use"]})), &json!("reject"));
    assert_eq!(odd["code"], 400);
    assert_eq!(
        outcome(&checked(&account(&json!({"labels": {"azure.workload.identity/use": null}})), &json!("reject"))),
        "fine"
    );
    // On a Pod, it is in the right place.
    let mut pod = pod("a", "b");
    pod["metadata"]["labels"] = json!({"azure.workload.identity/use": "true"});
    assert_eq!(outcome(&checked(&pod, &json!("reject"))), "fine");
}

#[test]
fn rejects_wrong_parameters() {
    assert_eq!(
        settings_problems(&settings(&json!({"unmatchedSkip": "allow"}))),
        ["rules.identity-annotation-placement.unmatchedSkip: unknown value `allow`, must be one of warn, reject"]
    );
}
