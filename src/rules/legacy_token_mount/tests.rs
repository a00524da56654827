// SPDX-License-Identifier: Apache-2.0
use rstest::rstest;
use serde_json::{Value, json};

use crate::testing::{
    create, deployment, ephemeral, only, outcome, projected, quiet_cluster, reported, review, settings_problems, token,
    tokenless_pod, update,
};

const ID: &str = "legacy-token-mount";
const SECRET: &str = "app-token-bcd24";

fn settings(params: &Value) -> Value {
    only(&json!({ID: params}))
}

fn checked(object: &Value, params: &Value) -> Value {
    review(&create(object), &settings(params), &quiet_cluster())
}

fn with_volume(volume: &Value) -> Value {
    tokenless_pod(&json!({"volumes": [volume]}))
}

fn with_env(list: &str, container: &Value) -> Value {
    tokenless_pod(&json!({list: [container]}))
}

fn env_from(secret: &str) -> Value {
    json!({"name": "web", "image": "i", "envFrom": [{"secretRef": {"name": secret}}]})
}

fn env(secret: &str) -> Value {
    json!({"name": "web", "image": "i", "env": [
        {"name": "A", "value": "1"},
        {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": secret, "key": "token"}}},
    ]})
}

#[test]
fn messages() {
    let volume = json!({"name": "t", "secret": {"secretName": SECRET}});
    assert_eq!(
        reported(&checked(&with_volume(&volume), &json!("reject")), ID),
        [
            "spec.volumes[t].secret.secretName: `app-token-bcd24` has the name of a legacy token, which never expires; use a projected serviceAccountToken volume"
        ]
    );
    let listed = json!({"extraSecretNames": ["deployer"]});
    assert_eq!(
        reported(&checked(&with_env("containers", &env("deployer")), &listed), ID),
        [
            "spec.containers[web].env[TOKEN].valueFrom.secretKeyRef.name: `deployer` is listed as a legacy token, which never expires; use a projected serviceAccountToken volume"
        ]
    );
}

/// Every way in which a Secret gets into a container, each with its path.
#[test]
fn every_path() {
    let paths = |object: &Value| {
        let lines = reported(&checked(object, &json!("reject")), ID);
        lines.iter().map(|line| line.split(": ").next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let sources = json!([{"secret": {"name": "other"}}, token("vault", 600), {"secret": {"name": SECRET}}]);
    assert_eq!(
        paths(&with_volume(&projected("t", &sources))),
        ["spec.volumes[t].projected.sources[app-token-bcd24].secret.name"]
    );
    for list in ["containers", "initContainers"] {
        assert_eq!(
            paths(&with_env(list, &env(SECRET))),
            [format!("spec.{list}[web].env[TOKEN].valueFrom.secretKeyRef.name")]
        );
        assert_eq!(
            paths(&with_env(list, &env_from(SECRET))),
            [format!("spec.{list}[web].envFrom[app-token-bcd24].secretRef.name")]
        );
    }
    let template = deployment(&json!({"volumes": [{"name": "t", "secret": {"secretName": SECRET}}]}));
    assert_eq!(paths(&template), ["spec.template.spec.volumes[t].secret.secretName"]);
}

#[rstest]
#[case("app-token-bcd24", true)]
#[case("default-token-x7k2p", true)]
#[case::of_any_account("somebody-elses-account-token-zzzzz", true)]
#[case::account_with_dots("my.account-token-22222", true)]
#[case("a-token-bcd24", true)]
#[case::account_that_ends_so("token-token-bcd24", true)]
#[case::no_account("-token-bcd24", false)]
#[case::no_account_at_all("token-bcd24", false)]
#[case::a_vowel("app-token-abcde", false)]
#[case::a_word("app-token-store", false)]
#[case::a_digit_that_is_none("app-token-bcd21", false)]
#[case::four("app-token-bcd2", false)]
#[case::six("bootstrap-token-bcd245", false)]
#[case::another_infix("app-dockercfg-bcd24", false)]
#[case::upper_case("app-TOKEN-bcd24", false)]
#[case::umlauts("app-token-ääää", false)]
#[case::umlauts_at_the_cut("äääää", false)]
#[case::empty("", false)]
fn names(#[case] secret: &str, #[case] is_legacy: bool) {
    let expected = if is_legacy { "reject" } else { "fine" };
    let volume = json!({"name": "t", "secret": {"secretName": secret}});
    assert_eq!(outcome(&checked(&with_volume(&volume), &json!("reject"))), expected);
}

#[test]
fn accepts_other_secrets() {
    let spec = json!({
        "volumes": [
            {"name": "tls", "secret": {"secretName": "web-tls"}},
            {"name": SECRET, "configMap": {"name": SECRET}},
            projected("p", &json!([{"configMap": {"name": SECRET}}, {"secret": {"name": "web-tls"}}])),
        ],
        "imagePullSecrets": [{"name": SECRET}],
        "containers": [{"name": "web", "image": "i",
            "env": [{"name": SECRET, "value": SECRET}, {"name": "C", "valueFrom": {"configMapKeyRef": {"name": SECRET, "key": "k"}}},
                {"name": "S", "valueFrom": {"secretKeyRef": {"name": "db", "key": SECRET}}}],
            "envFrom": [{"configMapRef": {"name": SECRET}}, {"prefix": SECRET, "secretRef": {"name": "db"}}]}],
    });
    assert_eq!(outcome(&checked(&tokenless_pod(&spec), &json!("reject"))), "fine");
}

#[test]
fn extra_secret_names() {
    let params = json!({"action": "reject", "extraSecretNames": ["*-sa-token", "deployer"]});
    let reviewed = |secret: &str| {
        outcome(&checked(&with_volume(&json!({"name": "t", "secret": {"secretName": secret}})), &params))
    };
    assert_eq!(reviewed("ci-sa-token"), "reject");
    assert_eq!(reviewed("deployer"), "reject");
    assert_eq!(reviewed("deployer2"), "fine");
    assert_eq!(reviewed(SECRET), "reject");
}

/// Attempts to bypass the rule.
#[rstest]
#[case::optional(with_volume(&json!({"name": "t", "secret": {"secretName": SECRET, "optional": true}})))]
#[case::items(with_volume(&json!({"name": "t", "secret": {"secretName": SECRET, "items": [{"key": "token", "path": "x"}]}})))]
#[case::mounted_nowhere(with_volume(&json!({"name": "unused", "secret": {"secretName": SECRET}})))]
#[case::name_of_the_plugin(with_volume(&json!({"name": "kube-api-access-bcd24", "secret": {"secretName": SECRET}})))]
#[case::the_only_source(with_volume(&projected("t", &json!([{"secret": {"name": SECRET}}]))))]
#[case::twice_in_one_volume(with_volume(&projected("t", &json!([{"secret": {"name": "x"}}, {"secret": {"name": SECRET}}]))))]
#[case::init(with_env("initContainers", &env(SECRET)))]
#[case::sidecar(with_env("initContainers", &json!({"name": "s", "image": "i", "restartPolicy": "Always", "envFrom": [{"secretRef": {"name": SECRET}}]})))]
#[case::ephemeral_in_a_new_pod(with_env("ephemeralContainers", &env_from(SECRET)))]
#[case::with_a_prefix(with_env("containers", &json!({"name": "web", "image": "i", "envFrom": [{"prefix": "X_", "secretRef": {"name": SECRET, "optional": true}}]})))]
#[case::of_another_account(with_volume(&json!({"name": "t", "secret": {"secretName": "admin-token-zzzzz"}})))]
fn bypass(#[case] pod: Value) {
    assert_eq!(outcome(&checked(&pod, &json!("reject"))), "reject");
}

/// Keys and names may be written with escapes.
#[test]
fn bypass_by_escapes() {
    for pod in [with_env("containers", &env(SECRET)), with_env("containers", &env_from(SECRET))] {
        let request = create(&pod).to_string();
        let escaped = request
            .replace("secretKeyRef", "secretK\\u0065yRef")
            .replace("secretRef", "s\\u0065cretRef")
            .replace("app-token-", "app-\\u0074oken-");
        assert_ne!(request, escaped);
        let payload = format!(r#"{{"request":{escaped},"settings":{}}}"#, settings(&json!("reject")));
        let answer: Value =
            serde_json::from_slice(&crate::guest::validate(payload.as_bytes(), &quiet_cluster())).unwrap();
        assert_eq!(answer["code"], 403);
    }
}

fn debugger(more: &Value) -> Value {
    let mut container = json!({"name": "debug", "image": "i"});
    container.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    container
}

/// In a running Pod, only new ephemeral containers are checked: their
/// environment, and their mounts of the Pod's volumes.
#[rstest]
#[case::env(json!({"env": [{"name": "T", "valueFrom": {"secretKeyRef": {"name": SECRET, "key": "token"}}}]}), "spec.ephemeralContainers[debug].env[T].valueFrom.secretKeyRef.name")]
#[case::env_from(json!({"envFrom": [{"secretRef": {"name": SECRET}}]}), "spec.ephemeralContainers[debug].envFrom[app-token-bcd24].secretRef.name")]
#[case::mount(json!({"volumeMounts": [{"name": "t", "mountPath": "/t"}]}), "spec.ephemeralContainers[debug].volumeMounts[t]")]
fn ephemeral_container(#[case] more: Value, #[case] path: &str) {
    let pod = with_volume(&json!({"name": "t", "secret": {"secretName": SECRET}}));
    let (none, new) = (json!([]), json!([debugger(&more)]));
    let reviewed =
        |old: &Value, new: &Value| review(&ephemeral(&pod, old, new), &settings(&json!("reject")), &quiet_cluster());
    let lines = reported(&reviewed(&none, &new), ID);
    assert_eq!(
        lines,
        [format!(
            "{path}: `app-token-bcd24` has the name of a legacy token, which never expires; use a projected serviceAccountToken volume"
        )]
    );
    assert_eq!(outcome(&reviewed(&none, &json!([debugger(&json!({}))]))), "fine");
    // One that was there before is accepted.
    assert_eq!(outcome(&reviewed(&new, &new)), "fine");
    let other = json!([debugger(&more), {"name": "second", "image": "i"}]);
    assert_eq!(outcome(&reviewed(&new, &other)), "fine");
}

#[test]
fn reads_environment_lazily() {
    let pod = with_env("containers", &json!({"name": "web", "image": "i", "env": {"secretKeyRef": "app-token-bcd24"}}));
    let answer = checked(&pod, &json!("reject"));
    assert_eq!(answer["code"], 400);
    assert_eq!(
        answer["message"],
        "serviceaccount-hygiene: the request cannot be read: object.spec.containers[web].env: must be a list, is an object"
    );
    assert_eq!(outcome(&checked(&pod, &json!("off"))), "fine");
    let other = with_env("containers", &json!({"name": "web", "image": "i", "env": {"secretKeyRef": "app"}}));
    assert_eq!(outcome(&checked(&other, &json!("reject"))), "fine");
    let listed = checked(&other, &json!({"action": "reject", "extraSecretNames": ["app"]}));
    assert_eq!(listed["code"], 400);
    let answer = checked(&with_volume(&json!({"name": "t", "secret": {"secretName": 7}})), &json!("reject"));
    assert_eq!(
        answer["message"],
        "serviceaccount-hygiene: the request cannot be read: object.spec.volumes[t].secret.secretName: must be a string, is a number"
    );
}

#[test]
fn old_problem_warns() {
    let with = |secret: &str, replicas: usize| {
        let mut object = deployment(&json!({"volumes": [{"name": "t", "secret": {"secretName": secret}}]}));
        object["spec"]["replicas"] = json!(replicas);
        object
    };
    let reviewed =
        |old: &Value, new: &Value| outcome(&review(&update(old, new), &settings(&json!("reject")), &quiet_cluster()));
    assert_eq!(reviewed(&with(SECRET, 1), &with(SECRET, 2)), "warn");
    assert_eq!(reviewed(&with(SECRET, 1), &with("admin-token-zzzzz", 1)), "reject");
}

#[test]
fn exempt_pod() {
    let mut settings = settings(&json!("reject"));
    settings["exemptions"] = json!([{"rules": [ID], "serviceAccounts": ["shop/app"]}]);
    let pod = with_volume(&json!({"name": "t", "secret": {"secretName": SECRET}}));
    assert_eq!(outcome(&review(&create(&pod), &settings, &quiet_cluster())), "fine");
    let new = json!([debugger(&json!({"volumeMounts": [{"name": "t", "mountPath": "/t"}]}))]);
    assert_eq!(outcome(&review(&ephemeral(&pod, &json!([]), &new), &settings, &quiet_cluster())), "fine");
}

#[test]
fn rejects_wrong_parameters() {
    assert_eq!(
        settings_problems(&settings(&json!({"extraSecretNames": "deployer"}))),
        ["rules.legacy-token-mount.extraSecretNames: must be a list, is a string"]
    );
}
