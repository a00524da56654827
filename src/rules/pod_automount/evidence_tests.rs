// SPDX-License-Identifier: Apache-2.0
//! The permissions of the account decide about its token: the table of docs/rules/pod-automount.md.
use rstest::rstest;
use serde_json::{Value, json};

use crate::cluster::{AccountRecord, LookupError};
use crate::testing::{
    FakeCluster, admitted_pod, create, deployment, only, outcome, reported, review, settings_problems, update,
};

const RULE: &str = "pod-automount";

/// A cluster with these answers about permissions, and an account with this setting.
fn cluster(may: &str, automount: Option<bool>) -> FakeCluster {
    let cluster = FakeCluster::with("shop", "default", AccountRecord::new(automount));
    match may {
        "something" => cluster.allowing(&["get configmaps", "delete nodes"]),
        "nothing" => cluster.allowing(&["delete nodes"]),
        "unknown" => cluster.failing_reviews(LookupError::NotGranted),
        "failing" => cluster.failing_reviews(LookupError::Failed),
        other => panic!("{other}"),
    }
}

/// Outcomes of a Pod in the mutating and in the validating phase, and of a template.
#[rstest]
#[case::observe_may("observe", "something", ["warn", "warn", "warn"])]
#[case::observe_may_not("observe", "nothing", ["warn", "warn", "warn"])]
#[case::observe_unknown("observe", "unknown", ["warn", "warn", "warn"])]
#[case::baseline_may("baseline", "something", ["warn", "warn", "warn"])]
#[case::baseline_may_not("baseline", "nothing", ["fix", "reject", "warn"])]
#[case::baseline_unknown("baseline", "unknown", ["warn", "warn", "warn"])]
#[case::baseline_failing("baseline", "failing", ["warn", "warn", "warn"])]
#[case::restricted_may("restricted", "something", ["fix", "reject", "warn"])]
#[case::restricted_may_not("restricted", "nothing", ["fix", "reject", "warn"])]
#[case::restricted_unknown("restricted", "unknown", ["fix", "reject", "warn"])]
fn unset_on_default(#[case] profile: &str, #[case] may: &str, #[case] expected: [&str; 3]) {
    let objects = [admitted_pod(&json!({})), admitted_pod(&json!({})), deployment(&json!({}))];
    let outcomes = ["mutating", "validating", "mutating"].iter().zip(&objects).map(|(phase, object)| {
        let mut settings = of_this_rule(profile);
        settings["phase"] = json!(phase);
        outcome(&review(&create(object), &settings, &cluster(may, None)))
    });
    assert_eq!(outcomes.collect::<Vec<_>>(), expected);
}

/// A Pod that requests the token, by its field or by an annotation.
#[rstest]
#[case("observe", "warn")]
#[case("baseline", "warn")]
#[case("restricted", "reject")]
fn opt_in_on_default(#[case] profile: &str, #[case] expected: &str) {
    let field = json!({"automountServiceAccountToken": true});
    let mut annotated = admitted_pod(&json!({}));
    annotated["metadata"]["annotations"] = json!({"vault.hashicorp.com/agent-inject": "true"});
    for object in [admitted_pod(&field), deployment(&field), annotated] {
        for may in ["something", "nothing", "unknown"] {
            let cluster = cluster(may, None);
            let answer = review(&create(&object), &of_this_rule(profile), &cluster);
            assert_eq!((outcome(&answer), cluster.reviewed().len()), (expected, 0), "{answer}");
        }
    }
}

#[test]
fn allowed_opt_in_on_default() {
    let pod = admitted_pod(&json!({"automountServiceAccountToken": true}));
    let outcome =
        |params: Value| outcome(&review(&create(&pod), &only(&json!({RULE: params})), &cluster("nothing", None)));
    assert_eq!(outcome(json!({"optInOnDefault": "allow"})), "fine");
    // If Pods may not request a token, those of `default` may not either.
    assert_eq!(outcome(json!({"optInOnDefault": "allow", "allowExplicitOptIn": false})), "reject");
}

/// Settings of a profile with every other rule off.
fn of_this_rule(profile: &str) -> Value {
    let mut settings = only(&json!({}));
    settings["rules"].as_object_mut().unwrap().remove(RULE);
    settings["profile"] = json!(profile);
    settings
}

#[test]
fn messages() {
    let text = |object: &Value, params: &Value, cluster: &FakeCluster| {
        reported(&review(&create(object), &only(&json!({RULE: params})), cluster), RULE)
    };
    let on_default = admitted_pod(&json!({}));
    let mutate = json!("mutate");
    assert_eq!(
        text(&on_default, &mutate, &cluster("something", None)),
        [
            "spec.automountServiceAccountToken: is not set, and the token stays: account `default` may `get configmaps` in its namespace; use a dedicated account, and set it to true"
        ]
    );
    assert_eq!(
        text(&on_default, &mutate, &cluster("nothing", None).allowing(&["list nodes"])),
        [
            "spec.automountServiceAccountToken: is not set, and the token stays: account `default` may `list nodes` cluster-wide; use a dedicated account, and set it to true"
        ]
    );
    assert_eq!(
        text(&deployment(&json!({})), &mutate, &cluster("unknown", None)),
        [
            "spec.template.spec.automountServiceAccountToken: is not set, and the token stays: the permissions of account `default` are unknown; set it, or let the policy server create subjectaccessreviews"
        ]
    );
    let app = FakeCluster::with("shop", "app", AccountRecord::new(None)).allowing(&["get pods"]);
    assert_eq!(
        text(&admitted_pod(&json!({"serviceAccountName": "app"})), &json!({"action": "mutate", "scope": "all"}), &app),
        [
            "spec.automountServiceAccountToken: is not set, and the token stays: account `app` may `get pods` in its namespace; set it to true if the Kubernetes API is called, else to false"
        ]
    );
    assert_eq!(
        text(&deployment(&json!({})), &mutate, &cluster("something", Some(false))),
        [
            "spec.template.spec.automountServiceAccountToken: is not set, so there is no token: account `default` sets false, but may `get configmaps` in its namespace; set it to true to get one"
        ]
    );
}

/// Permissions are queried in turn until the first yes, each once, whatever the fix and the check after it need.
#[test]
fn asks_default_permissions_in_turn() {
    let reviewed = |may: &str| {
        let cluster = cluster(may, None);
        review(&create(&admitted_pod(&json!({}))), &only(&json!({RULE: "mutate"})), &cluster);
        assert_eq!(cluster.lookups(), 0);
        cluster.reviewed()
    };
    let all = [
        "shop/default get pods in shop",
        "shop/default list pods in shop",
        "shop/default get configmaps in shop",
        "shop/default get secrets in shop",
        "shop/default get leases.coordination.k8s.io in shop",
        "shop/default list nodes",
    ];
    assert_eq!(reviewed("nothing"), all);
    assert_eq!(reviewed("something"), all[..3]);
    assert_eq!(reviewed("failing"), all[..1]);
}

/// Permissions are not queried for a token that is not about to be removed.
#[rstest]
#[case::says_false(admitted_pod(&json!({"automountServiceAccountToken": false})), "default")]
#[case::of_an_account_of_its_own(admitted_pod(&json!({"serviceAccountName": "app"})), "default")]
#[case::template_of_an_account_of_its_own(deployment(&json!({"serviceAccountName": "app"})), "default")]
#[case::asks(admitted_pod(&json!({"serviceAccountName": "app", "automountServiceAccountToken": true})), "all")]
fn reviews_only_removed_tokens(#[case] object: Value, #[case] scope: &str) {
    let cluster = cluster("something", None);
    review(&create(&object), &only(&json!({RULE: {"action": "mutate", "scope": scope}})), &cluster);
    assert_eq!(cluster.reviewed(), Vec::<String>::new());
}

/// A Pod without the field, whose account sets `false`: the permissions of the account are the only finding.
#[rstest]
#[case("something", "default", "warn")]
#[case("nothing", "default", "fine")]
#[case("unknown", "default", "fine")]
fn without_token(#[case] may: &str, #[case] scope: &str, #[case] expected: &str) {
    let mut pod = admitted_pod(&json!({"automountServiceAccountToken": false}));
    pod["spec"].as_object_mut().unwrap().remove("automountServiceAccountToken");
    let settings = only(&json!({RULE: {"action": "mutate", "scope": scope}}));
    for object in [&pod, &deployment(&json!({}))] {
        let answer = review(&create(object), &settings, &cluster(may, Some(false)));
        assert_eq!(outcome(&answer), expected, "{answer}");
    }
    // An object that never went through the API server is not a Pod without a token.
    assert_eq!(outcome(&review(&create(&pod), &settings, &cluster(may, None))), "fine");
    // A failed look-up does not reject it either.
    let failing = FakeCluster::failing(LookupError::Failed).allowing(&["get pods"]);
    assert_eq!(outcome(&review(&create(&pod), &settings, &failing)), "fine");
}

#[test]
fn empty_list_asks_nothing() {
    let settings = only(&json!({RULE: {"action": "mutate", "keepIfAllowed": []}}));
    let cluster = cluster("something", None);
    assert_eq!(outcome(&review(&create(&admitted_pod(&json!({}))), &settings, &cluster)), "fix");
    assert_eq!(cluster.reviewed(), Vec::<String>::new());
}

#[test]
fn configured_permissions() {
    let list = json!([{"verb": "delete", "resource": "nodes", "clusterWide": true}]);
    let settings = only(&json!({RULE: {"action": "mutate", "keepIfAllowed": list}}));
    let cluster = cluster("nothing", None);
    assert_eq!(outcome(&review(&create(&admitted_pod(&json!({}))), &settings, &cluster)), "warn");
    assert_eq!(cluster.reviewed(), ["shop/default delete nodes"]);
}

#[test]
fn rejects_nine_permissions() {
    let list = |count: usize| {
        let entries = vec![json!({"verb": "get", "resource": "pods"}); count];
        settings_problems(&only(&json!({RULE: {"action": "mutate", "keepIfAllowed": entries}})))
    };
    assert_eq!(list(8), Vec::<String>::new());
    assert_eq!(
        list(9),
        [
            "rules.pod-automount.keepIfAllowed: has 9 entries, but at most 8 are allowed, because each needs an access review"
        ]
    );
}

/// With `off`, permissions are not queried and so unknown; `required` rejects
/// what is unknown.
#[rstest]
#[case("off", "something", ("warn", None))]
#[case("required", "something", ("warn", None))]
#[case("required", "unknown", ("reject", Some(403)))]
#[case("required", "failing", ("reject", Some(503)))]
fn permission_lookup_modes(#[case] mode: &str, #[case] may: &str, #[case] expected: (&str, Option<u64>)) {
    let mut settings = only(&json!({RULE: "mutate"}));
    settings["permissionLookup"] = json!(mode);
    let cluster = cluster(may, None);
    let answer = review(&create(&admitted_pod(&json!({}))), &settings, &cluster);
    assert_eq!((outcome(&answer), answer["code"].as_u64()), expected, "{answer}");
    assert_eq!(cluster.reviewed().is_empty(), mode == "off");
}

#[test]
fn audits_and_logs_missing_access() {
    let cluster = cluster("unknown", None);
    let answer = review(&create(&admitted_pod(&json!({}))), &only(&json!({RULE: "mutate"})), &cluster);
    assert_eq!(answer["audit_annotations"], json!({"permission-lookup": "not-granted", "pod-automount": "warned(1)"}));
    assert_eq!(cluster.logged(), ["shop"]);
}

/// A label can be added to a stored template that kept its token.
#[test]
fn keeps_old_templates() {
    let old = deployment(&json!({}));
    let mut new = old.clone();
    new["metadata"]["labels"] = json!({"a": "b"});
    for may in ["something", "nothing", "unknown"] {
        let cluster = cluster(may, None);
        let answer = review(&update(&old, &new), &only(&json!({RULE: "reject"})), &cluster);
        assert_eq!(outcome(&answer), "warn", "{may} {answer}");
    }
}

/// In `observe`, a failed look-up is a warning, unless the settings require look-ups.
#[test]
fn observes_failed_lookup() {
    let pod = admitted_pod(&json!({"serviceAccountName": "app"}));
    let failing = FakeCluster::failing(LookupError::Failed);
    let answer = review(&create(&pod), &json!({"profile": "observe"}), &failing);
    assert_eq!(
        answer["warnings"],
        json!([
            "pod-automount: spec.automountServiceAccountToken: is not set, and account `app` is unknown; set it to true if the Kubernetes API is called, else to false",
            "serviceaccount-hygiene: ServiceAccount `shop/app` could not be looked up",
        ])
    );
    let required = json!({"profile": "observe", "serviceAccountLookup": "required"});
    assert_eq!(review(&create(&pod), &required, &failing)["code"], 503);
    assert_eq!(review(&create(&pod), &json!({}), &failing)["code"], 503);
}
