// SPDX-License-Identifier: Apache-2.0
use rstest::rstest;
use serde_json::{Value, json};

use crate::testing::{
    create, deployment, only, outcome, quiet_cluster, reported, review, settings_problems, tokenless_pod, update,
};

const ID: &str = "identity-annotations";
const ROLE: &str = "arn:aws:iam::123456789012:role/app";

fn settings(params: &Value) -> Value {
    only(&json!({ID: params}))
}

/// An account with a role and one more annotation.
fn account(suffix: &str, value: &str) -> Value {
    let mut account = with(json!({"eks.amazonaws.com/role-arn": ROLE}));
    account["metadata"]["annotations"][format!("eks.amazonaws.com/{suffix}")] = json!(value);
    account
}

fn with(annotations: Value) -> Value {
    let mut account =
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "app", "namespace": "shop"}});
    account["metadata"]["annotations"] = annotations;
    account
}

fn checked(object: &Value, params: &Value) -> Value {
    review(&create(object), &settings(params), &quiet_cluster())
}

fn pod(expiration: &str) -> Value {
    let mut pod = tokenless_pod(&json!({}));
    pod["metadata"]["annotations"] = json!({"eks.amazonaws.com/token-expiration": expiration});
    pod
}

#[test]
fn messages() {
    let text = |suffix: &str, value: &str| reported(&checked(&account(suffix, value), &json!("reject")), ID).join("\n");
    assert_eq!(
        text("audience", ""),
        r#"metadata.annotations["eks.amazonaws.com/audience"]: is empty, which overrides the webhook's default and makes the token valid for the Kubernetes API; write `sts.amazonaws.com`, or remove it"#
    );
    assert_eq!(
        text("audience", "sts.amazon.com"),
        r#"metadata.annotations["eks.amazonaws.com/audience"]: `sts.amazon.com` is not an allowed audience; write one of sts.amazonaws.com"#
    );
    assert_eq!(
        text("audience", "api"),
        r#"metadata.annotations["eks.amazonaws.com/audience"]: `api` is an audience of the Kubernetes API, not of STS; write `sts.amazonaws.com`, or remove it"#
    );
    assert_eq!(
        text("token-expiration", "1h"),
        r#"metadata.annotations["eks.amazonaws.com/token-expiration"]: is `1h`, which is not a whole number, so the webhook ignores it; write seconds without a unit, e.g. "3600""#
    );
    assert_eq!(
        text("token-expiration", "60"),
        r#"metadata.annotations["eks.amazonaws.com/token-expiration"]: is 60, which the webhook raises to 600; write at least 600"#
    );
    assert_eq!(
        text("token-expiration", "172800"),
        r#"metadata.annotations["eks.amazonaws.com/token-expiration"]: is 172800, but at most 86400 is allowed; the kubelet renews the token before it expires"#
    );
    assert_eq!(
        text("sts-regional-endpoints", "regional"),
        r#"metadata.annotations["eks.amazonaws.com/sts-regional-endpoints"]: is `regional`, which is not a boolean that the webhook accepts, so the webhook ignores it; write "true""#
    );
    assert_eq!(
        reported(&checked(&with(json!({"eks.amazonaws.com/token-expiration": "3600"})), &json!("reject")), ID),
        [
            r#"metadata.annotations["eks.amazonaws.com/token-expiration"]: has no effect without eks.amazonaws.com/role-arn, unless EKS Pod Identity gives the account a role; add the role, or remove it"#
        ]
    );
    let params = json!({"action": "mutate", "defaults": {"stsRegionalEndpoints": true}});
    assert_eq!(
        reported(&checked(&account("token-expiration", "172800"), &params), ID),
        [
            r#"metadata.annotations["eks.amazonaws.com/sts-regional-endpoints"]: added: true"#,
            r#"metadata.annotations["eks.amazonaws.com/token-expiration"]: lowered from 172800 to 86400"#,
        ]
    );
}

/// What Go's `strconv.ParseBool` accepts, and nothing else.
#[rstest]
fn go_booleans(#[values("1", "t", "T", "TRUE", "true", "True", "0", "f", "F", "FALSE", "false", "False")] value: &str) {
    assert_eq!(outcome(&checked(&account("sts-regional-endpoints", value), &json!("reject"))), "fine");
}

#[rstest]
#[case("regional", r#""true""#)]
#[case("legacy", r#""false""#)]
#[case("yes", r#""true""#)]
#[case("off", r#""false""#)]
#[case(" true", r#""true""#)]
#[case("true\n", r#""true""#)]
#[case("\"true\"", r#""true" or "false""#)]
#[case("tRUE", r#""true""#)]
#[case("", r#""true" or "false""#)]
#[case("eu-west-1", r#""true" or "false""#)]
#[case("2", r#""true" or "false""#)]
#[case("ｔｒｕｅ", r#""true" or "false""#)]
fn rejects_other_booleans(#[case] value: &str, #[case] advice: &str) {
    let reported = reported(&checked(&account("sts-regional-endpoints", value), &json!("reject")), ID);
    assert!(reported.len() == 1 && reported[0].ends_with(&format!("write {advice}")), "{reported:?}");
}

/// What Go's `strconv.ParseInt` accepts, within the webhook's minimum and the settings' maximum.
#[rstest]
#[case("600", "fine")]
#[case("86400", "fine")]
#[case("+3600", "fine")]
#[case("003600", "fine")]
#[case("599", "is 599")]
#[case("0", "is 0")]
#[case("-1", "is -1")]
#[case("-9223372036854775808", "is -9223372036854775808")]
#[case("86401", "is 86401, but at most")]
#[case("9223372036854775807", "is 9223372036854775807, but at most")]
#[case("9223372036854775808", "not a whole number")]
#[case("", "not a whole number")]
#[case("+", "not a whole number")]
#[case("3_600", "not a whole number")]
#[case("0x1000", "not a whole number")]
#[case("3600.0", "not a whole number")]
#[case("3.6e3", "not a whole number")]
#[case("3600s", "not a whole number")]
#[case(" 3600", "not a whole number")]
#[case("3600\n", "not a whole number")]
#[case("3,600", "not a whole number")]
#[case("٣٦٠٠", "not a whole number")]
fn lifetimes(#[case] value: &str, #[case] expected: &str) {
    for object in [account("token-expiration", value), pod(value)] {
        let answer = checked(&object, &json!("reject"));
        if expected == "fine" {
            assert_eq!(outcome(&answer), "fine");
        } else {
            let reported = reported(&answer, ID);
            assert!(
                outcome(&answer) == "reject" && reported.len() == 1 && reported[0].contains(expected),
                "{reported:?}"
            );
        }
    }
}

#[rstest]
#[case("sts.amazonaws.com", "fine")]
#[case("", "reject")]
#[case("sts.amazonaws.com.cn", "reject")]
#[case("sts.amazonaws.com ", "reject")]
#[case("STS.amazonaws.com", "reject")]
#[case("api", "reject")]
fn audiences(#[case] audience: &str, #[case] expected: &str) {
    assert_eq!(outcome(&checked(&account("audience", audience), &json!("reject"))), expected);
    // No wildcard allows an audience of the Kubernetes API, and the empty one is one.
    let any = json!({"action": "reject", "audiences": ["*"]});
    let expected = if ["", "api"].contains(&audience) { "reject" } else { "fine" };
    assert_eq!(outcome(&checked(&account("audience", audience), &any)), expected);
    let in_full = json!({"action": "reject", "audiences": ["api"]});
    assert_eq!(outcome(&checked(&account("audience", "api"), &in_full)), "fine");
}

/// The audience that the webhook would use anyway may be written.
#[test]
fn default_audience() {
    let mut settings = settings(&json!({"action": "reject", "audiences": ["vault"]}));
    let checked = |settings: &Value, audience| {
        outcome(&review(&create(&account("audience", audience)), settings, &quiet_cluster()))
    };
    assert_eq!(["vault", "sts.amazonaws.com", "corp"].map(|a| checked(&settings, a)), ["fine", "fine", "reject"]);
    settings["aws"] = json!({"defaultAudience": "corp"});
    assert_eq!(["vault", "sts.amazonaws.com", "corp"].map(|a| checked(&settings, a)), ["fine", "reject", "fine"]);
}

#[rstest]
#[case("allow", "reject", "fine")]
#[case("warn", "reject", "warn")]
#[case("reject", "reject", "reject")]
#[case("reject", "warn", "warn")]
fn options_without_role(#[case] choice: &str, #[case] action: &str, #[case] expected: &str) {
    let params = json!({"action": action, "optionsWithoutRole": choice});
    for suffix in ["audience", "sts-regional-endpoints", "token-expiration"] {
        let value = match suffix {
            "audience" => "sts.amazonaws.com",
            "token-expiration" => "3600",
            _ => "true",
        };
        let lone = with(json!({format!("eks.amazonaws.com/{suffix}"): value}));
        assert_eq!(outcome(&checked(&lone, &params)), expected, "{suffix}");
        assert_eq!(outcome(&checked(&account(suffix, value), &params)), "fine");
    }
    // A Pod's account has the role.
    assert_eq!(outcome(&checked(&pod("3600"), &params)), "fine");
}

#[test]
fn fix_changes_only_values() {
    let mut before = account("token-expiration", "+172800");
    before["metadata"]["annotations"]["b"] = json!("\u{e9}\"");
    before["future"] = json!([null, 1.50]);
    let mut after = before.clone();
    after["metadata"]["annotations"]["eks.amazonaws.com/token-expiration"] = json!("3600");
    let answer = checked(&before, &json!({"action": "mutate", "maxTokenExpirationSeconds": 3600}));
    assert_eq!(answer["mutated_object"], after);
    assert_eq!(answer["audit_annotations"], json!({ID: "fixed(1)"}));
    assert_eq!(outcome(&checked(&after, &json!({"action": "mutate", "maxTokenExpirationSeconds": 3600}))), "fine");
}

#[test]
fn fix_adds_defaults() {
    let params = json!({"action": "mutate", "defaults": {"audience": "sts.amazonaws.com", "stsRegionalEndpoints": false, "tokenExpirationSeconds": 3600}});
    let all = json!({
        "eks.amazonaws.com/role-arn": ROLE, "eks.amazonaws.com/audience": "sts.amazonaws.com",
        "eks.amazonaws.com/sts-regional-endpoints": "false", "eks.amazonaws.com/token-expiration": "3600",
    });
    assert_eq!(
        checked(&with(json!({"eks.amazonaws.com/role-arn": ROLE})), &params)["mutated_object"],
        with(all.clone())
    );
    assert_eq!(outcome(&checked(&with(all), &params)), "fine");
    // Existing values stay, and an account without a role is not changed.
    let answer = checked(&account("token-expiration", "7200"), &params);
    assert_eq!(answer["mutated_object"]["metadata"]["annotations"]["eks.amazonaws.com/token-expiration"], "7200");
    for annotations in
        [json!(null), json!({}), json!({"eks.amazonaws.com/role-arn": null}), json!({"eks.amazonaws.com/role-arn": ""})]
    {
        assert_eq!(outcome(&checked(&with(annotations), &params)), "fine");
    }
    assert_eq!(outcome(&checked(&pod("3600"), &params)), "fine");
    // Only `mutate` adds defaults.
    let params = json!({"action": "reject", "defaults": {"tokenExpirationSeconds": 3600}});
    assert_eq!(outcome(&checked(&with(json!({"eks.amazonaws.com/role-arn": ROLE})), &params)), "fine");
}

#[rstest]
#[case("audience", "")]
#[case("audience", "sts.amazon.com")]
#[case("token-expiration", "1h")]
#[case("token-expiration", "60")]
#[case("sts-regional-endpoints", "regional")]
fn fix_keeps_unreadable_values(#[case] suffix: &str, #[case] value: &str) {
    let params = json!({"action": "mutate", "defaults": {"audience": "sts.amazonaws.com", "stsRegionalEndpoints": true, "tokenExpirationSeconds": 3600}});
    let answer = checked(&account(suffix, value), &params);
    assert_eq!((outcome(&answer), reported(&answer, ID).len()), ("reject", 1));
}

#[test]
fn pods_and_templates() {
    assert_eq!(outcome(&checked(&pod("86401"), &json!("reject"))), "reject");
    let fixed = checked(&pod("86401"), &json!("mutate"));
    assert_eq!(fixed["mutated_object"], pod("86400"));
    // An option of accounts has no effect on a Pod; another rule reports that.
    let mut odd = pod("3600");
    odd["metadata"]["annotations"]["eks.amazonaws.com/audience"] = json!("");
    assert_eq!(outcome(&checked(&odd, &json!("reject"))), "fine");

    let mut template = deployment(&json!({}));
    template["spec"]["template"]["metadata"]["annotations"] = json!({"eks.amazonaws.com/token-expiration": "172800"});
    assert_eq!(
        reported(&checked(&template, &json!("mutate")), ID),
        [
            r#"spec.template.metadata.annotations["eks.amazonaws.com/token-expiration"]: Pods made from this template will be changed: lowered from 172800 to 86400"#
        ]
    );
    assert_eq!(outcome(&checked(&template, &json!("reject"))), "reject");
    let mut settings = settings(&json!("mutate"));
    settings["templates"] = json!("fix");
    let answer = review(&create(&template), &settings, &quiet_cluster());
    template["spec"]["template"]["metadata"]["annotations"]["eks.amazonaws.com/token-expiration"] = json!("86400");
    assert_eq!(answer["mutated_object"], template);
}

#[test]
fn validating_phase_rejects() {
    let mut settings = settings(&json!({"action": "mutate", "defaults": {"tokenExpirationSeconds": 3600}}));
    settings["phase"] = json!("validating");
    let checked = |object: &Value| outcome(&review(&create(object), &settings, &quiet_cluster()));
    assert_eq!(checked(&account("token-expiration", "172800")), "reject");
    assert_eq!(checked(&with(json!({"eks.amazonaws.com/role-arn": ROLE}))), "fine");
}

#[test]
fn another_prefix() {
    let mut settings = settings(&json!({"action": "mutate", "defaults": {"stsRegionalEndpoints": true}}));
    settings["aws"] = json!({"annotationPrefix": "irsa.example.com"});
    let checked = |annotations: Value| review(&create(&with(annotations)), &settings, &quiet_cluster());
    assert_eq!(outcome(&checked(json!({"eks.amazonaws.com/audience": ""}))), "fine");
    assert_eq!(outcome(&checked(json!({"irsa.example.com/audience": ""}))), "reject");
    assert_eq!(outcome(&checked(json!({"eks.amazonaws.com/role-arn": ROLE}))), "fine");
    let added = json!({"irsa.example.com/role-arn": ROLE, "irsa.example.com/sts-regional-endpoints": "true"});
    assert_eq!(checked(json!({"irsa.example.com/role-arn": ROLE}))["mutated_object"], with(added));
}

#[test]
fn old_problem_warns() {
    let reviewed = |old: &str, new: &str| {
        let [old, new] = [old, new].map(|value| account("token-expiration", value));
        outcome(&review(&update(&old, &new), &settings(&json!("reject")), &quiet_cluster()))
    };
    assert_eq!(reviewed("1h", "1h"), "warn");
    assert_eq!(reviewed("1h", "2h"), "reject");
    assert_eq!(reviewed("3600", "1h"), "reject");
    assert_eq!(reviewed("1h", "3600"), "fine");
}

#[test]
fn exempt_account() {
    let mut settings = settings(&json!("mutate"));
    settings["exemptions"] = json!([{"rules": [ID], "serviceAccounts": ["shop/app"]}]);
    for value in ["172800", "1h"] {
        assert_eq!(outcome(&review(&create(&account("token-expiration", value)), &settings, &quiet_cluster())), "fine");
    }
}

/// Ways to get an option past the rule.
#[test]
fn bypass() {
    let key = r#""eks.amazonaws.com/token-expiration":"#;
    let settings = settings(&json!("mutate"));
    let request = create(&account("token-expiration", "777")).to_string();
    let answer = |written: &str| -> Value {
        let request = request.replace(&format!(r#"{key}"777""#), written);
        let payload = format!(r#"{{"request":{request},"settings":{settings}}}"#);
        serde_json::from_slice(&crate::guest::validate(payload.as_bytes(), &quiet_cluster())).unwrap()
    };
    assert_eq!(outcome(&answer(&format!(r#"{key}"777""#))), "fine");
    // The API server uses the last of two keys; whichever it used, one is
    // wrong. A fix of the first leaves the other.
    for [first, second] in [["3600", "172800"], ["172800", "3600"], ["1h", "3600"], ["172800", "172800"]] {
        let refused = answer(&format!(r#"{key}"{first}",{key}"{second}""#));
        assert!(outcome(&refused) != "fine", "{refused}");
        assert!(first == "172800" && second == "3600" || outcome(&refused) == "reject", "{refused}");
    }
    // Escapes in the key and in the value.
    assert_eq!(outcome(&answer(r#""eks.amazonaws.com\/token\u002dexpiration":"\u0031h""#)), "reject");
    let fixed = answer(r#""eks.amazonaws.com\/token\u002dexpiration":"\u003172800""#);
    assert_eq!(fixed["mutated_object"]["metadata"]["annotations"]["eks.amazonaws.com/token-expiration"], "86400");
    // Not text at all.
    for value in ["3600", "true", "[]", "{}"] {
        let refused = answer(&format!("{key}{value}"));
        assert_eq!(refused["code"], 400, "{refused}");
        assert!(
            refused["message"]
                .as_str()
                .unwrap()
                .contains(r#"object.metadata.annotations["eks.amazonaws.com/token-expiration"]: must be a string"#)
        );
    }
    assert_eq!(outcome(&answer(&format!("{key}null"))), "fine");
}

#[test]
fn rejects_wrong_parameters() {
    let params = json!({
        "audiences": ["", "a b"], "maxTokenExpirationSeconds": 60, "optionsWithoutRole": "deny",
        "defaults": {"audience": "vault", "stsRegionalEndpoints": "regional", "tokenExpirationSeconds": "1h", "audiance": "x"},
    });
    assert_eq!(
        settings_problems(&settings(&params)),
        [
            "rules.identity-annotations.audiences[0]: is empty; remove it, or write what it is to match",
            "rules.identity-annotations.audiences[1]: has a blank or control character, so it cannot match anything (a b)",
            "rules.identity-annotations.maxTokenExpirationSeconds: is 60, must be 600 to 4294967296",
            "rules.identity-annotations.optionsWithoutRole: unknown value `deny`, must be one of allow, warn, reject",
            "rules.identity-annotations.defaults.audiance: unknown parameter `audiance`; did you mean `audience`?",
            "rules.identity-annotations.defaults.audience: is not in audiences; add it there",
            "rules.identity-annotations.defaults.stsRegionalEndpoints: must be true or false, is a string",
            "rules.identity-annotations.defaults.tokenExpirationSeconds: must be a whole number from 600 to 4294967296, is a string",
        ]
    );
    assert_eq!(
        settings_problems(&settings(&json!({"defaults": {"tokenExpirationSeconds": 100_000, "audience": " "}}))),
        [
            "rules.identity-annotations.defaults.audience: has a blank or control character, so it cannot match anything ( )",
            "rules.identity-annotations.defaults.tokenExpirationSeconds: is more than maxTokenExpirationSeconds",
        ]
    );
    assert_eq!(
        settings_problems(&settings(&json!({"defaults": ["audience"]}))),
        ["rules.identity-annotations.defaults: must be a map, is a list"]
    );
    assert_eq!(
        settings_problems(&settings(&json!({"defaults": {"audience": "", "tokenExpirationSeconds": null}}))),
        [""; 0]
    );
}
