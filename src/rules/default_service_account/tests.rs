// SPDX-License-Identifier: Apache-2.0
use rstest::rstest;
use serde_json::{Value, json};

use crate::cluster::{AccountRecord, LookupError};
use crate::testing::{FakeCluster, admitted_pod, create, deployment, plugin_volume, projected, review, token, update};

/// Only this rule, with these parameters, in a cluster where `default` has this
/// setting.
fn answer(request: &Value, params: &Value, automount: Option<bool>) -> Value {
    let cluster = FakeCluster::with("shop", "default", AccountRecord::new(automount));
    review(request, &json!({"rules": only(params)}), &cluster)
}

fn only(params: &Value) -> Value {
    let mut rules: Value = crate::rules::RULES.iter().map(|rule| (rule.id.to_owned(), json!("off"))).collect();
    rules["default-service-account"] = params.clone();
    rules
}

fn with_volume(volume: &Value, more: Value) -> Value {
    let mut spec = more;
    spec["automountServiceAccountToken"] = json!(false);
    spec["volumes"] = json!([volume]);
    admitted_pod(&spec)
}

const PREFIX: &str = "serviceaccount-hygiene: 1 problem\n- default-service-account: spec.serviceAccountName: ";

#[test]
fn messages() {
    let message = |object: &Value, params: Value| answer(&create(object), &params, None)["message"].clone();
    assert_eq!(
        message(&admitted_pod(&json!({})), json!("reject")),
        format!(
            "{PREFIX}runs as the default account with an API token (volume `kube-api-access-bcd24`); use a dedicated account, or remove the token"
        )
    );
    assert_eq!(
        message(&deployment(&json!({})), json!("reject")),
        format!(
            "{}its Pods would run as the default account with an API token; use a dedicated account, or set automountServiceAccountToken: false",
            PREFIX.replace("spec.", "spec.template.spec.")
        )
    );
    assert_eq!(
        message(
            &admitted_pod(&json!({"automountServiceAccountToken": false})),
            json!({"action": "reject", "strict": true})
        ),
        format!("{PREFIX}runs as the default account; use a dedicated account")
    );
}

#[rstest]
#[case::token_of_the_plugin(admitted_pod(&json!({})), false)]
#[case::no_token(admitted_pod(&json!({"automountServiceAccountToken": false})), true)]
#[case::own_account(admitted_pod(&json!({"serviceAccountName": "app"})), true)]
#[case::no_name(admitted_pod(&json!({"serviceAccountName": ""})), false)]
#[case::for_a_vault(with_volume(&projected("t", &json!([token("vault", 3600)])), json!({})), true)]
#[case::for_a_mesh(with_volume(&projected("t", &json!([token("istio-ca", 43200)])), json!({})), true)]
fn pods(#[case] pod: Value, #[case] accepted: bool) {
    assert_eq!(answer(&create(&pod), &json!("reject"), None)["accepted"], accepted);
    let warned = answer(&create(&pod), &json!("warn"), None);
    assert_eq!((&warned["accepted"], warned.get("warnings").is_none()), (&json!(true), accepted));
    assert_eq!(answer(&create(&pod), &json!("off"), None), json!({"accepted": true}));
}

/// A template is checked like the Pods that it will create.
#[rstest]
#[case::says_nothing(json!({}), None, false)]
#[case::account_says_no(json!({}), Some(false), true)]
#[case::account_says_yes(json!({}), Some(true), false)]
#[case::says_no(json!({"automountServiceAccountToken": false}), None, true)]
#[case::says_yes_to_an_account_that_says_no(json!({"automountServiceAccountToken": true}), Some(false), false)]
fn templates(#[case] spec: Value, #[case] automount: Option<bool>, #[case] accepted: bool) {
    assert_eq!(answer(&create(&deployment(&spec)), &json!("reject"), automount)["accepted"], accepted);
}

/// Attempts to bypass the rule.
#[rstest]
#[case::another_name(with_volume(&projected("data", &json!([token("", 3600)])), json!({})))]
#[case::the_issuer_by_its_url(with_volume(&projected("t", &json!([token("https://kubernetes.default.svc", 3600)])), json!({})))]
#[case::behind_another_token(with_volume(&projected("t", &json!([token("vault", 3600), token("api", 3600)])), json!({})))]
#[case::the_plugins_shape_under_false(with_volume(&plugin_volume(), json!({})))]
#[case::mounted_nowhere(with_volume(&projected("t", &json!([token("", 3600)])), json!({})))]
#[case::alias_of_another(with_volume(&projected("t", &json!([token("", 3600)])), json!({"serviceAccountName": "default", "serviceAccount": "app"})))]
fn bypasses(#[case] pod: Value) {
    assert_eq!(answer(&create(&pod), &json!("reject"), None)["accepted"], false);
}

#[test]
fn unknown_account() {
    let settings = json!({"rules": only(&json!("reject"))});
    let unknown = FakeCluster::failing(LookupError::NotGranted);
    assert_eq!(review(&create(&deployment(&json!({}))), &settings, &unknown)["accepted"], false);
}

#[test]
fn exempt_account() {
    let mut settings = json!({"rules": only(&json!("reject"))});
    settings["exemptions"] = json!([{"rules": ["default-service-account"], "serviceAccounts": ["shop/default"]}]);
    let cluster = FakeCluster::with("shop", "default", AccountRecord::new(None));
    assert_eq!(review(&create(&admitted_pod(&json!({}))), &settings, &cluster), json!({"accepted": true}));
}

/// A second token is new, another order of the volumes is not.
#[test]
fn one_finding_per_volume() {
    let volumes = |names: &[&str]| {
        let volumes: Vec<Value> = names.iter().map(|name| projected(name, &json!([token("", 3600)]))).collect();
        deployment(&json!({"automountServiceAccountToken": false, "volumes": volumes}))
    };
    let change = |old: &[&str], new: &[&str]| {
        answer(&update(&volumes(old), &volumes(new)), &json!("reject"), None)["accepted"].clone()
    };
    assert_eq!(change(&["a", "b"], &["b", "a"]), true);
    assert_eq!(change(&["a"], &["a", "b"]), false);
    assert_eq!(change(&["a", "b"], &["b"]), true);
}
