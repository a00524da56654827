// SPDX-License-Identifier: Apache-2.0
use rstest::rstest;
use serde_json::{Value, json};

use crate::cluster::AccountRecord;
use crate::testing::{FakeCluster, create, outcome, review, update};

const CONTROLLER: &str = "system:serviceaccount:kube-system:service-account-controller";
const OPENSHIFT: &str = "system:serviceaccount:openshift-infra:serviceaccount-controller";

fn settings(params: &Value) -> Value {
    json!({"rules": {"service-account-automount": params}})
}

fn account(name: &str, automount: Option<bool>) -> Value {
    let mut account =
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": "shop"}});
    if let Some(automount) = automount {
        account["automountServiceAccountToken"] = json!(automount);
    }
    account
}

fn by(user: &str, mut request: Value) -> Value {
    request["userInfo"] = if user.is_empty() { json!({}) } else { json!({"username": user}) };
    request
}

fn answer(request: &Value, settings: &Value) -> Value {
    let cluster = FakeCluster::with("shop", "app", AccountRecord::default());
    let answer = review(request, settings, &cluster);
    assert_eq!(cluster.lookups(), 0);
    answer
}

/// A cell of the table: what the account sets when it is created, and the
/// outcome under `scope: default` and `scope: all`, for each action and phase.
#[rstest]
fn create_table(
    #[values("app", "default")] name: &str,
    #[values(Some(true), Some(false), None)] automount: Option<bool>,
    #[values("default", "all")] scope: &str,
    #[values("warn", "reject", "mutate")] action: &str,
    #[values("mutating", "validating")] phase: &str,
) {
    let expected = match (name, automount, scope, action, phase) {
        (_, Some(false), ..) => "fine",
        ("default", Some(true), _, "warn", _) => "warn",
        ("default", Some(true), ..) => "reject",
        (_, Some(true), ..) => "warn",
        ("app", None, "default", ..) => "fine",
        (_, None, _, "mutate", "mutating") => "fix",
        // Never rejected.
        ("default", None, ..) => "warn",
        (_, None, _, "warn", _) => "warn",
        (_, None, ..) => "reject",
    };
    let mut settings = settings(&json!({"action": action, "scope": scope}));
    settings["phase"] = json!(phase);
    let answer = answer(&create(&account(name, automount)), &settings);
    assert_eq!(outcome(&answer), expected, "{answer}");
}

/// What the account set, what it sets now, and the outcome: without and with
/// `fixOnUpdate`, in the mutating and in the validating phase.
#[rstest]
// The policy set it to false, and someone applies a manifest without the field.
#[case("default", Some(false), None, ["fix", "fix", "reject", "reject"])]
#[case("default", Some(true), None, ["warn", "fix", "warn", "reject"])]
// An account from before the policy keeps working.
#[case("default", None, None, ["warn", "fix", "warn", "warn"])]
#[case("default", Some(false), Some(true), ["reject", "reject", "reject", "reject"])]
#[case("default", None, Some(true), ["reject", "reject", "reject", "reject"])]
#[case("default", Some(true), Some(true), ["warn", "warn", "warn", "warn"])]
#[case("default", Some(true), Some(false), ["fine", "fine", "fine", "fine"])]
#[case("app", Some(false), None, ["warn", "fix", "warn", "reject"])]
#[case("app", None, None, ["warn", "fix", "warn", "warn"])]
#[case("app", None, Some(true), ["warn", "warn", "warn", "warn"])]
fn update_table(
    #[case] name: &str,
    #[case] reported: Option<bool>,
    #[case] automount: Option<bool>,
    #[case] expected: [&str; 4],
) {
    let request = update(&account(name, reported), &account(name, automount));
    let outcomes = [("mutating", false), ("mutating", true), ("validating", false), ("validating", true)];
    for ((phase, fix_on_update), expected) in outcomes.into_iter().zip(expected) {
        let mut settings = settings(&json!({"scope": "all", "fixOnUpdate": fix_on_update}));
        settings["phase"] = json!(phase);
        let answer = answer(&request, &settings);
        assert_eq!(outcome(&answer), expected, "{phase}, fixOnUpdate: {fix_on_update}: {answer}");
    }
}

/// A namespace without `default` cannot run Pods.
#[rstest]
fn never_rejects_creation_of_default(
    #[values(CONTROLLER, "alice", OPENSHIFT)] user: &str,
    #[values("mutating", "validating")] phase: &str,
    #[values("warn", "reject", "mutate")] action: &str,
    #[values("warn", "reject")] treat_warn_as: &str,
    #[values("default", "all")] scope: &str,
) {
    let mut settings = settings(&json!({"action": action, "scope": scope, "explicitTrue": "reject"}));
    settings["phase"] = json!(phase);
    settings["treatWarnAs"] = json!(treat_warn_as);
    let answer = answer(&by(user, create(&account("default", None))), &settings);
    assert_eq!(answer["accepted"], true, "{answer}");
    // The audit log shows that it was not fixed.
    assert_ne!(answer["audit_annotations"], json!(null));
}

/// The audit scanner only writes reports, where an accepted object counts as a pass.
#[test]
fn audit_reports_default() {
    let request = by("", create(&account("default", None)));
    let mut settings = settings(&json!("mutate"));
    settings["phase"] = json!("validating");
    assert_eq!(outcome(&answer(&request, &settings)), "reject");
    settings["rules"]["service-account-automount"] = json!("warn");
    assert_eq!(outcome(&answer(&request, &settings)), "warn");
    settings["treatWarnAs"] = json!("reject");
    assert_eq!(outcome(&answer(&request, &settings)), "reject");
}

#[test]
fn messages() {
    let text = |request: &Value, params: &Value| {
        let answer = answer(request, &settings(params));
        let text = answer.get("message").or_else(|| answer["warnings"].get(0)).unwrap();
        text.as_str().unwrap().to_owned()
    };
    assert_eq!(
        text(&create(&account("default", Some(true))), &json!("mutate")),
        "serviceaccount-hygiene: 1 problem\n- service-account-automount: automountServiceAccountToken: is true on the default account; set it to false and let Pods that need a token use an account of their own"
    );
    assert_eq!(
        text(&create(&account("app", Some(true))), &json!("mutate")),
        "service-account-automount: automountServiceAccountToken: is true, so Pods of account `app` get a token by default; set it to false, and to true in the Pods that call the Kubernetes API"
    );
    assert_eq!(
        text(&create(&account("default", None)), &json!("reject")),
        "service-account-automount: automountServiceAccountToken: is not set on the default account, so its Pods get a token by default; set it to false and let Pods that need a token use an account of their own"
    );
    assert_eq!(
        text(&create(&account("app", None)), &json!({"action": "reject", "scope": "all"})),
        "serviceaccount-hygiene: 1 problem\n- service-account-automount: automountServiceAccountToken: is not set, so Pods of account `app` get a token by default; set it to false, and to true in the Pods that call the Kubernetes API"
    );
    assert_eq!(
        text(&update(&account("default", Some(false)), &account("default", None)), &json!("reject")),
        "serviceaccount-hygiene: 1 problem\n- service-account-automount: automountServiceAccountToken: was false on the default account and is no longer set, so its Pods get a token again; set it to false"
    );
    assert_eq!(
        text(&create(&account("default", None)), &json!("mutate")),
        "service-account-automount: automountServiceAccountToken: set to false"
    );
}

#[test]
fn fix_sets_one_field() {
    let mut bare = account("default", None);
    bare["automountServiceAccountToken"] = json!(null);
    bare["imagePullSecrets"] = json!([{"name": "default-dockercfg-x7k2p"}]);
    bare["newField"] = json!({"of": ["a", null, "later version"]});
    let mut expected = bare.clone();
    expected["automountServiceAccountToken"] = json!(false);
    let answer = answer(&create(&bare), &settings(&json!("mutate")));
    assert_eq!(answer["mutated_object"], expected);
    assert_eq!(answer["audit_annotations"], json!({"service-account-automount": "fixed(1)"}));
}

#[rstest]
#[case("allow", "mutate", "fine")]
#[case("warn", "mutate", "warn")]
#[case("reject", "mutate", "reject")]
#[case("reject", "reject", "reject")]
// The action limits the parameter.
#[case("reject", "warn", "warn")]
fn explicit_true_by_action(#[case] explicit_true: &str, #[case] action: &str, #[case] expected: &str) {
    let params = json!({"action": action, "explicitTrue": explicit_true});
    assert_eq!(outcome(&answer(&create(&account("app", Some(true))), &settings(&params))), expected);
    // On `default` it is a finding whatever the parameter says.
    let on_default = if action == "warn" { "warn" } else { "reject" };
    assert_eq!(outcome(&answer(&create(&account("default", Some(true))), &settings(&params))), on_default);
}

#[rstest]
#[case("shop/app", "app", "fine")]
#[case("shop/*", "app", "fine")]
#[case("*/default", "default", "fine")]
#[case("shop/app", "app2", "reject")]
#[case("shop/app", "default", "reject")]
#[case("bank/app", "app", "reject")]
fn allowed_true(#[case] pattern: &str, #[case] name: &str, #[case] expected: &str) {
    let params = json!({"explicitTrue": "reject", "allowExplicitTrue": [pattern]});
    assert_eq!(outcome(&answer(&create(&account(name, Some(true))), &settings(&params))), expected);
}

#[rstest]
#[case("shop/app-*", "fine")]
#[case("shop/app-?????", "fine")]
// A generated name is not the fixed name of another account.
#[case("shop/app-", "reject")]
#[case("shop/app-x*", "reject")]
fn allowed_true_for_generated_name(#[case] pattern: &str, #[case] expected: &str) {
    let mut account = account("", Some(true));
    account["metadata"] = json!({"generateName": "app-"});
    let params = json!({"explicitTrue": "reject", "allowExplicitTrue": [pattern]});
    assert_eq!(outcome(&answer(&create(&account), &settings(&params))), expected);
}

#[rstest]
#[case("builder", OPENSHIFT, "fine")]
#[case("deployer", "system:serviceaccount:openshift-infra:other-controller", "fine")]
#[case("default", OPENSHIFT, "fix")]
#[case("app", OPENSHIFT, "fix")]
#[case("builder", "alice", "fix")]
#[case("builder", CONTROLLER, "fix")]
#[case("builder", "system:serviceaccount:openshift-infra-2:x", "fix")]
#[case("builder", "", "fix")]
fn openshift_creates_accounts(#[case] name: &str, #[case] user: &str, #[case] expected: &str) {
    let params = settings(&json!({"scope": "all"}));
    assert_eq!(outcome(&answer(&by(user, create(&account(name, None))), &params)), expected);
}

#[test]
fn openshift_updates_accounts() {
    let params = settings(&json!({"scope": "all", "fixOnUpdate": true}));
    let request = update(&account("builder", None), &account("builder", None));
    assert_eq!(outcome(&answer(&by(OPENSHIFT, request.clone()), &params)), "fine");
    assert_eq!(outcome(&answer(&by("alice", request), &params)), "fix");
}

#[test]
fn exempt_account() {
    for exemption in [
        json!({"serviceAccounts": ["shop/default"]}),
        json!({"names": ["def*"], "kinds": ["ServiceAccount"]}),
        json!({"namespaces": ["shop"], "rules": ["service-account-automount"]}),
        json!({"users": ["alice"]}),
    ] {
        let settings = json!({"exemptions": [exemption]});
        assert_eq!(outcome(&answer(&create(&account("default", None)), &settings)), "fine");
        assert_eq!(outcome(&answer(&create(&account("default", Some(true))), &settings)), "fine");
    }
    let mut system = create(&account("default", None));
    system["namespace"] = json!("kube-system");
    assert_eq!(outcome(&answer(&system, &json!({}))), "fine");
    assert_eq!(outcome(&answer(&system, &json!({"exemptSystemNamespaces": false}))), "fix");
}

#[test]
fn update_without_old_object() {
    let mut request = update(&account("default", None), &account("default", Some(true)));
    request["oldObject"] = json!(null);
    assert_eq!(outcome(&answer(&request, &settings(&json!("mutate")))), "reject");
    request["object"] = account("default", None);
    assert_eq!(outcome(&answer(&request, &settings(&json!("mutate")))), "warn");
}

/// Ways to keep the token of an account.
#[rstest]
#[case::the_mark_of_a_mirror_pod(json!({"annotations": {"kubernetes.io/config.mirror": "x"}}), "reject")]
#[case::an_owner(json!({"ownerReferences": [{"controller": true, "kind": "X", "name": "x"}]}), "reject")]
#[case::a_prefix_as_well_as_a_name(json!({"generateName": "builder"}), "reject")]
#[case::another_namespace_in_the_object(json!({"namespace": "kube-system"}), "reject")]
fn bypass_by_metadata(#[case] more: Value, #[case] expected: &str) {
    let mut account = account("default", Some(true));
    account["metadata"].as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let exempt_generated = json!({"exemptions": [{"names": ["builder*"]}]});
    assert_eq!(outcome(&answer(&create(&account), &exempt_generated)), expected);
}

#[test]
fn bypass_by_spelling() {
    // A string is not a boolean; the API server rejects it as well.
    let mut account = account("default", None);
    account["automountServiceAccountToken"] = json!("false");
    let refused = answer(&create(&account), &json!({}));
    assert_eq!(
        (&refused["code"], &refused["message"]),
        (
            &json!(400),
            &json!(
                "serviceaccount-hygiene: the request cannot be read: object.automountServiceAccountToken: must be a boolean, is a string"
            )
        )
    );
}

#[test]
fn rejects_wrong_parameters() {
    let settings = settings(&json!({
        "action": "fix", "scope": "every", "fixOnUpdate": "no", "explicitTrue": true,
        "allowExplicitTrue": ["app", "a/b/c", ""], "allowExplicitTru": [],  "allowTrue": ["x/y"],
    }));
    let answer: Value =
        serde_json::from_slice(&crate::guest::validate_settings(settings.to_string().as_bytes())).unwrap();
    let lines: Vec<&str> = answer["message"].as_str().unwrap().lines().collect();
    assert_eq!(
        lines,
        [
            "serviceaccount-hygiene: 8 problems in the settings",
            "- rules.service-account-automount.action: unknown value `fix`, must be one of off, warn, reject, mutate",
            "- rules.service-account-automount.allowTrue: unknown parameter `allowTrue`, must be one of scope, fixOnUpdate, explicitTrue, allowExplicitTrue",
            "- rules.service-account-automount.scope: unknown value `every`, must be one of default, all",
            "- rules.service-account-automount.fixOnUpdate: must be true or false, is a string",
            "- rules.service-account-automount.explicitTrue: must be one of allow, warn, reject, is a boolean",
            "- rules.service-account-automount.allowExplicitTrue[0]: must be namespace/name, e.g. monitoring/prometheus-*",
            "- rules.service-account-automount.allowExplicitTrue[1]: must be namespace/name, e.g. monitoring/prometheus-*",
            "- rules.service-account-automount.allowExplicitTrue[2]: is empty; remove it, or write what it is to match",
        ]
    );
}
