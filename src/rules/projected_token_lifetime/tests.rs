// SPDX-License-Identifier: Apache-2.0
use rstest::rstest;
use serde_json::{Value, json};

use crate::testing::{
    create, deployment, only, outcome, plugin_volume, projected, quiet_cluster, reported, review, settings_problems,
    token, tokenless_pod, update,
};

const ID: &str = "projected-token-lifetime";

fn settings(params: &Value) -> Value {
    only(&json!({ID: params}))
}

fn pod(audience: &str, seconds: i64) -> Value {
    tokenless_pod(&json!({"volumes": [projected("t", &json!([token(audience, seconds)]))]}))
}

fn checked(object: &Value, params: &Value) -> Value {
    review(&create(object), &settings(params), &quiet_cluster())
}

#[test]
fn messages() {
    assert_eq!(
        reported(&checked(&pod("vault", 86401), &json!("reject")), ID),
        [
            "spec.volumes[t].projected.sources[token].serviceAccountToken.expirationSeconds: is 86401, but at most 86400 is allowed; the kubelet renews the token before it expires"
        ]
    );
    assert_eq!(
        reported(&checked(&pod("vault", 31_536_000), &json!("mutate")), ID),
        [
            "spec.volumes[t].projected.sources[token].serviceAccountToken.expirationSeconds: lowered from 31536000 to 86400"
        ]
    );
}

#[rstest]
#[case::the_default("vault", 3600, "fine")]
#[case::irsa("sts.amazonaws.com", 86400, "fine")]
#[case::istio("istio-ca", 43200, "fine")]
#[case::a_second_more("vault", 86401, "fix")]
#[case::a_year("", 31_536_000, "fix")]
#[case::the_most_there_is("vault", 4_294_967_296, "fix")]
fn with_defaults(#[case] audience: &str, #[case] seconds: i64, #[case] expected: &str) {
    let answer = review(
        &create(&pod(audience, seconds)),
        &json!({"rules": {"projected-token-audience": "off", "cloud-token-audience": "off"}}),
        &quiet_cluster(),
    );
    assert_eq!(outcome(&answer), expected);
}

#[test]
fn fix_changes_one_number() {
    let mut pod = tokenless_pod(&json!({"volumes": [
        {"name": "data", "emptyDir": {}},
        projected("t", &json!([{"configMap": {"name": "c"}}, token("vault", 90000), token("", 90000)])),
    ]}));
    pod["spec"]["volumes"][1]["projected"]["sources"][2]["serviceAccountToken"]["future"] = json!(1);
    let answer = checked(&pod, &json!({"action": "mutate", "perAudience": {"vault": 3600}}));
    let mut expected = pod;
    expected["spec"]["volumes"][1]["projected"]["sources"][1]["serviceAccountToken"]["expirationSeconds"] = json!(3600);
    expected["spec"]["volumes"][1]["projected"]["sources"][2]["serviceAccountToken"]["expirationSeconds"] =
        json!(86400);
    assert_eq!(answer["mutated_object"], expected);
    assert_eq!(answer["audit_annotations"], json!({ID: "fixed(2)"}));
}

/// The limit for an audience may be longer or shorter than the one for all.
#[rstest]
#[case("vault", 7200, "reject")]
#[case("vault", 3600, "fine")]
#[case("backup", 604_800, "fine")]
#[case("backup", 604_801, "reject")]
#[case("Vault", 7200, "fine")]
#[case("vault2", 7200, "fine")]
#[case("", 1200, "fine")]
#[case("", 1201, "reject")]
fn per_audience(#[case] audience: &str, #[case] seconds: i64, #[case] expected: &str) {
    let params = json!({"action": "reject", "perAudience": {"vault": 3600, "backup": 604_800, "": 1200}});
    assert_eq!(outcome(&checked(&pod(audience, seconds), &params)), expected);
}

/// The API server sets one hour by default before it calls any webhook; a
/// template of a custom resource has no defaults.
#[test]
fn default_lifetime() {
    let mut silent = pod("vault", 1);
    silent["spec"]["volumes"][0]["projected"]["sources"][0]["serviceAccountToken"]["expirationSeconds"] = Value::Null;
    assert_eq!(outcome(&checked(&silent, &json!("reject"))), "fine");
    let answer = checked(&silent, &json!({"action": "mutate", "maxSeconds": 600}));
    assert_eq!(answer["mutated_object"], pod("vault", 600));
    assert_eq!(
        reported(&answer, ID),
        ["spec.volumes[t].projected.sources[token].serviceAccountToken.expirationSeconds: lowered from 3600 to 600"]
    );
}

/// The fix must not lower the lifetime to the number that means a year.
#[test]
fn fix_avoids_one_year_token() {
    let answer = checked(&pod("", 7200), &json!({"action": "mutate", "maxSeconds": 3607}));
    assert_eq!(answer["mutated_object"], pod("", 3600));
    assert_eq!(outcome(&checked(&pod("", 3607), &json!({"action": "reject", "maxSeconds": 3607}))), "fine");
}

/// Both fixes change the same field: the lower number wins.
#[test]
fn two_fixes_of_one_field() {
    let settings = only(&json!({ID: {"action": "mutate", "maxSeconds": 600}, "one-year-token": "mutate"}));
    let answer = review(&create(&pod("", 3607)), &settings, &quiet_cluster());
    assert_eq!(answer["mutated_object"], pod("", 600));
    assert_eq!(answer["audit_annotations"], json!({ID: "fixed(1)"}));
}

#[rstest]
#[case::name_of_the_plugin(projected("kube-api-access-bcd24", &json!([token("", 90000)])))]
#[case::second_source(projected("t", &json!([token("vault", 600), {"serviceAccountToken": {"path": "b", "expirationSeconds": 90000}}])))]
#[case::beside_a_secret(projected("t", &json!([{"secret": {"name": "s"}}, token("vault", 90000)])))]
#[case::nobody_mounts_it(projected("unused", &json!([token("vault", 90000)])))]
fn bypass(#[case] volume: Value) {
    assert_eq!(outcome(&checked(&tokenless_pod(&json!({"volumes": [volume]})), &json!("reject"))), "reject");
}

/// The plugin's exact shape, but with a lifetime of a century.
#[test]
fn bypass_by_plugin_shape() {
    let mut volume = plugin_volume();
    volume["projected"]["sources"][0]["serviceAccountToken"]["expirationSeconds"] = json!(3_153_600_000_i64);
    for automount in [json!(false), Value::Null] {
        let mut pod = tokenless_pod(&json!({"volumes": [volume]}));
        pod["spec"]["automountServiceAccountToken"] = automount;
        let answer = checked(&pod, &json!("mutate"));
        assert_eq!(
            answer["mutated_object"]["spec"]["volumes"][0]["projected"]["sources"][0]["serviceAccountToken"]["expirationSeconds"],
            86400
        );
    }
}

/// A number that no integer can hold is rejected as unreadable, not accepted.
#[test]
fn bypass_by_number_out_of_range() {
    let request = create(&pod("vault", 777_777)).to_string().replace("777777", "99999999999999999999");
    let payload = format!(r#"{{"request":{request},"settings":{}}}"#, settings(&json!("mutate")));
    let answer: Value = serde_json::from_slice(&crate::guest::validate(payload.as_bytes(), &quiet_cluster())).unwrap();
    assert_eq!(answer["code"], 400);
}

#[test]
fn validating_phase_rejects() {
    let mut settings = settings(&json!("mutate"));
    settings["phase"] = json!("validating");
    assert_eq!(outcome(&review(&create(&pod("vault", 90000)), &settings, &quiet_cluster())), "reject");
    // A template is not rejected for what the fix will change in its Pods.
    let template = deployment(&json!({"volumes": [projected("t", &json!([token("vault", 90000)]))]}));
    let answer = review(&create(&template), &settings, &quiet_cluster());
    assert_eq!(
        reported(&answer, ID),
        [
            "spec.template.spec.volumes[t].projected.sources[token].serviceAccountToken.expirationSeconds: Pods made from this template will be changed: lowered from 90000 to 86400"
        ]
    );
}

#[test]
fn fixes_template() {
    let mut settings = settings(&json!("mutate"));
    settings["templates"] = json!("fix");
    let template = |seconds| deployment(&json!({"volumes": [projected("t", &json!([token("vault", seconds)]))]}));
    let answer = review(&create(&template(90000)), &settings, &quiet_cluster());
    assert_eq!(answer["mutated_object"], template(86400));
}

#[test]
fn old_problem_warns() {
    let with = |seconds| deployment(&json!({"volumes": [projected("t", &json!([token("vault", seconds)]))]}));
    let reviewed =
        |old, new| outcome(&review(&update(&with(old), &with(new)), &settings(&json!("reject")), &quiet_cluster()));
    assert_eq!(reviewed(90000, 90000), "warn");
    assert_eq!(reviewed(90000, 90001), "reject");
    assert_eq!(reviewed(3600, 90000), "reject");
}

#[test]
fn exempt_pod() {
    let mut settings = settings(&json!("mutate"));
    settings["exemptions"] = json!([{"rules": [ID], "names": ["web"]}]);
    assert_eq!(outcome(&review(&create(&pod("vault", 90000)), &settings, &quiet_cluster())), "fine");
}

#[test]
fn rejects_wrong_parameters() {
    assert_eq!(
        settings_problems(&settings(
            &json!({"maxSeconds": 599, "perAudience": {"vault": "1h", "x": 4_294_967_297_i64}})
        )),
        [
            "rules.projected-token-lifetime.maxSeconds: is 599, must be 600 to 4294967296",
            "rules.projected-token-lifetime.perAudience.vault: must be a whole number from 600 to 4294967296, is a string",
            "rules.projected-token-lifetime.perAudience.x: is 4294967297, must be 600 to 4294967296",
        ]
    );
    assert_eq!(
        settings_problems(&settings(&json!({"perAudience": [3600]}))),
        ["rules.projected-token-lifetime.perAudience: must be a map, is a list"]
    );
}
