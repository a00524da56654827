// SPDX-License-Identifier: Apache-2.0
use rstest::rstest;
use serde_json::{Value, json};

use crate::cluster::LookupError;
use crate::testing::{FakeCluster, review, settings_problems, token_request};

fn answer_with(settings: &Value, request: &Value) -> Value {
    let cluster = FakeCluster::failing(LookupError::Failed);
    let answer = review(request, settings, &cluster);
    assert_eq!(cluster.lookups(), 0);
    answer
}

fn answer(params: &Value, spec: &Value) -> Value {
    answer_with(&json!({"rules": {"token-request": params}}), &token_request(spec))
}

/// The lines of a response, without the count.
fn lines(answer: &Value) -> Vec<String> {
    let message = answer["message"].as_str().unwrap_or_default().lines().skip(1);
    let message = message.map(|line| line.trim_start_matches("- ").to_owned());
    let warnings = answer["warnings"].as_array().into_iter().flatten().map(|line| line.as_str().unwrap().to_owned());
    message.chain(warnings).collect()
}

fn accepts_silently(answer: &Value) -> bool {
    *answer == json!({"accepted": true})
}

#[test]
fn messages() {
    let all = json!({"action": "reject", "allowedAudiences": ["vault"], "requireBoundObject": true});
    assert_eq!(
        lines(&answer(&all, &json!({"expirationSeconds": 604_800, "audiences": ["sts.amazonaws.com", "vault"]}))),
        [
            "token-request: spec.audiences: audience `sts.amazonaws.com` is not allowed; request one that is, or exempt account `app`",
            "token-request: spec.boundObjectRef: is not set; bind the token to the Pod or Secret whose deletion must invalidate it",
            "token-request: spec.expirationSeconds: is 604800, but the maximum is 86400; request a new token before it expires",
        ]
    );
    assert_eq!(
        lines(&answer(&all, &json!({"expirationSeconds": 3607, "boundObjectRef": {"kind": "Node", "name": "node-1"}}))),
        [
            "token-request: spec.audiences: requests an audience of the Kubernetes API, which is not allowed; name an audience that is, or exempt account `app`",
            "token-request: spec.boundObjectRef.kind: is Node, which only nodes may request; bind the token to a Pod or Secret",
            "token-request: spec.expirationSeconds: is 3607, for which the API server may sign a one-year token; request 3600",
        ]
    );
    assert_eq!(
        lines(&answer(&json!("mutate"), &json!({"expirationSeconds": 604_800}))),
        ["token-request: spec.expirationSeconds: lowered from 604800 to 86400"]
    );
}

#[rstest]
#[case(600, None)]
#[case(3600, None)]
#[case(3606, None)]
#[case(3607, Some(3600))]
#[case(3608, None)]
#[case(86400, None)]
#[case(86401, Some(86400))]
#[case(31_536_000, Some(86400))]
#[case(4_294_967_296, Some(86400))]
fn lowers_long_lifetime(#[case] asked: i64, #[case] given: Option<i64>) {
    let spec = json!({"audiences": null, "expirationSeconds": asked, "boundObjectRef": null, "new": [1.50]});
    let request = token_request(&spec);
    let answer = answer_with(&json!({}), &request);
    let Some(given) = given else { return assert!(accepts_silently(&answer), "{answer}") };
    let mut expected = request["object"].clone();
    expected["spec"]["expirationSeconds"] = json!(given);
    assert_eq!(answer["mutated_object"], expected);
    assert_eq!(answer["audit_annotations"], json!({"token-request": "fixed(1)"}));
}

/// A fix must not lead to a finding of the rule itself.
#[rstest]
#[case(3607, 86400, 3600)]
#[case(3607, 3607, 3600)]
#[case(3600, 3607, 3600)]
#[case(600, 3607, 600)]
#[case(4_294_967_296, 3607, 3600)]
fn configured_limit(#[case] max: i64, #[case] asked: i64, #[case] given: i64) {
    let params = json!({"action": "mutate", "maxSeconds": max});
    let first = answer(&params, &json!({"expirationSeconds": asked}));
    assert_eq!(first["mutated_object"]["spec"]["expirationSeconds"], json!(given));
    assert!(accepts_silently(&answer(&params, &json!({"expirationSeconds": given}))));
}

/// With a limit of 3607, that lifetime is not too long, but still means a year.
#[test]
fn one_year_limit() {
    let params = json!({"action": "reject", "maxSeconds": 3607});
    assert_eq!(
        lines(&answer(&params, &json!({"expirationSeconds": 3607}))),
        [
            "token-request: spec.expirationSeconds: is 3607, for which the API server may sign a one-year token; request 3600"
        ]
    );
}

#[test]
fn actions() {
    let long = json!({"expirationSeconds": 604_800});
    assert!(accepts_silently(&answer(&json!("off"), &long)));
    let warned = answer(&json!("warn"), &long);
    assert_eq!((&warned["accepted"], lines(&warned).len()), (&json!(true), 1));
    assert!(warned.get("mutated_object").is_none());
    assert_eq!(answer(&json!("reject"), &long)["accepted"], json!(false));
    // In the validating phase, the fix should already have been made.
    let validating = json!({"phase": "validating"});
    assert_eq!(answer_with(&validating, &token_request(&long))["accepted"], json!(false));
    // A request with something that cannot be fixed is rejected, whatever else
    // can be fixed.
    let answer = answer(&json!("mutate"), &json!({"expirationSeconds": 604_800, "boundObjectRef": {"kind": "Node"}}));
    assert_eq!((&answer["accepted"], lines(&answer).len()), (&json!(false), 1));
    assert!(answer.get("mutated_object").is_none());
}

/// The mutating phase sees `audiences: null` and no name; the validating phase
/// sees the API server's own audiences and the account's name. Both report the
/// same.
#[rstest]
#[case(json!(["vault"]), false)]
#[case(json!(["vault", "https://kubernetes.default*"]), true)]
#[case(json!(["https://kubernetes.default.svc"]), true)]
#[case(json!(["*"]), true)]
#[case(json!(["https://*"]), true)]
#[case(json!(["kubernetes"]), true)]
#[case(json!(["https://issuer.example"]), true)]
fn api_audience_in_both_phases(#[case] allowed: Value, #[case] accepted: bool) {
    let settings = |phase: &str| json!({"phase": phase, "extraApiAudiences": ["https://issuer.example"], "rules": {"token-request": {"action": "reject", "allowedAudiences": allowed}}});
    let mutating = answer_with(&settings("mutating"), &token_request(&json!({"audiences": null})));
    for audiences in
        [json!([]), json!([""]), json!(["https://kubernetes.default.svc"]), json!(["https://issuer.example", "api"])]
    {
        let mut request = token_request(&json!({"audiences": audiences}));
        request["object"]["metadata"] =
            json!({"name": "app", "namespace": "shop", "creationTimestamp": "2026-01-01T00:00:00Z"});
        assert_eq!(answer_with(&settings("validating"), &request), mutating, "{audiences}");
    }
    assert_eq!(mutating["accepted"], json!(accepted));
}

#[test]
fn allowed_audiences() {
    let spec = json!({"audiences": ["vault", "https://kubernetes.default.svc"]});
    assert!(accepts_silently(&answer(&json!("reject"), &spec)));
    let params = json!({"action": "reject", "allowedAudiences": ["vault", "sts.*"]});
    assert!(accepts_silently(&answer(&params, &json!({"audiences": ["vault", "sts.amazonaws.com"]}))));
    assert_eq!(lines(&answer(&params, &spec)).len(), 1);
}

#[rstest]
#[case(json!(null), false)]
#[case(json!({}), false)]
#[case(json!({"kind": ""}), false)]
#[case(json!({"apiVersion": "v1", "kind": "Pod", "name": "web"}), true)]
#[case(json!({"apiVersion": "v1", "kind": "Secret", "name": "s"}), true)]
fn bound_objects(#[case] bound: Value, #[case] accepted: bool) {
    let spec = json!({"boundObjectRef": bound});
    let params = json!({"action": "reject", "requireBoundObject": true});
    assert_eq!(answer(&params, &spec)["accepted"], json!(accepted));
    assert!(accepts_silently(&answer(&json!("reject"), &spec)));
}

/// Callers that are never checked, and others that look like them.
#[rstest]
#[case::kubelet("system:node:node-1", &["system:nodes", "system:authenticated"], true)]
#[case::controller_manager("system:kube-controller-manager", &["system:authenticated"], true)]
#[case::account_of_kube_system("system:serviceaccount:kube-system:cilium", &["system:serviceaccounts"], true)]
#[case::called_like_a_node("system:node:node-1", &["system:authenticated"], false)]
#[case::group_like_nodes("alice", &["system:nodes2", "nodes"], false)]
#[case::namespace_like_kube_system("system:serviceaccount:kube-system-2:cilium", &[], false)]
#[case::account_called_kube_system("system:serviceaccount:shop:kube-system:x", &[], false)]
#[case::user_like_the_controller_manager("system:kube-controller-manager2", &[], false)]
#[case::administrator("kubernetes-admin", &["system:masters"], false)]
#[case::no_caller("", &[], false)]
fn callers(#[case] user: &str, #[case] groups: &[&str], #[case] skipped: bool) {
    let mut request =
        token_request(&json!({"expirationSeconds": 3607, "boundObjectRef": {"kind": "Pod", "name": "web"}}));
    request["userInfo"] = json!({"username": user, "groups": groups});
    let settings = json!({"rules": {"token-request": {"action": "reject", "allowedAudiences": ["vault"], "requireBoundObject": true}}});
    assert_eq!(accepts_silently(&answer_with(&settings, &request)), skipped);
}

/// Attempts to bypass the rule.
#[rstest]
#[case::dry_run(json!({"dryRun": true, "options": {"dryRun": ["All"]}}))]
#[case::another_version(json!({"kind": {"group": "authentication.k8s.io", "version": "v1beta1", "kind": "TokenRequest"}}))]
#[case::no_user(json!({"userInfo": {}}))]
#[case::a_name_in_the_object(json!({"object": {"metadata": {"name": "exempt", "generateName": "exempt"}, "spec": {"expirationSeconds": 604_800}}}))]
#[case::an_annotation_of_mirror_pods(json!({"object": {"metadata": {"annotations": {"kubernetes.io/config.mirror": "x"}}, "spec": {"expirationSeconds": 604_800}}}))]
#[case::on_its_way_out(json!({"object": {"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}, "spec": {"expirationSeconds": 604_800}}}))]
fn bypasses(#[case] changed: Value) {
    let settings = json!({"rules": {"token-request": "reject"}, "exemptions": [{"names": ["exempt"]}, {"serviceAccounts": ["shop/exempt"]}]});
    let mut request = token_request(&json!({"expirationSeconds": 604_800}));
    request.as_object_mut().unwrap().extend(changed.as_object().unwrap().clone());
    assert_eq!(answer_with(&settings, &request)["accepted"], json!(false));
}

#[test]
fn exemptions_compare_url() {
    let request = token_request(&json!({"expirationSeconds": 604_800}));
    for entry in [
        json!({"serviceAccounts": ["shop/app"]}),
        json!({"names": ["app"]}),
        json!({"namespaces": ["shop"]}),
        json!({"kinds": ["TokenRequest"]}),
        json!({"users": ["alice"]}),
    ] {
        let settings = json!({"rules": {"token-request": "reject"}, "exemptions": [entry]});
        assert!(accepts_silently(&answer_with(&settings, &request)), "{settings}");
    }
    let mut system = request;
    system["namespace"] = json!("kube-system");
    assert!(accepts_silently(&answer_with(&json!({}), &system)));
    assert!(!accepts_silently(&answer_with(&json!({"exemptSystemNamespaces": false}), &system)));
}

#[test]
fn skips_other_requests() {
    let mut request = token_request(&json!({"expirationSeconds": 604_800}));
    for (key, value) in [
        ("operation", json!("UPDATE")),
        ("subResource", json!("")),
        ("subResource", json!("status")),
        ("kind", json!({"group": "", "kind": "ServiceAccount"})),
        ("kind", json!({"group": "example.com", "kind": "TokenRequest"})),
    ] {
        let was = request[key].take();
        request[key] = value.clone();
        assert!(accepts_silently(&answer_with(&json!({}), &request)), "{key} {value}");
        request[key] = was;
    }
    request["object"] = Value::Null;
    assert_eq!(answer_with(&json!({}), &request)["code"], json!(400));
    request["object"] = json!({"spec": {"expirationSeconds": "1h"}});
    assert_eq!(
        answer_with(&json!({}), &request)["message"],
        json!(
            "serviceaccount-hygiene: the request cannot be read: object.spec.expirationSeconds: must be an integer, is a string"
        )
    );
}

#[test]
fn empty_request() {
    let mut request = token_request(&json!({}));
    for object in [json!({}), json!({"spec": null}), json!({"spec": {"expirationSeconds": null}})] {
        request["object"] = object;
        assert!(accepts_silently(&answer_with(&json!({}), &request)));
        let strict = json!({"rules": {"token-request": {"action": "mutate", "allowedAudiences": ["vault"], "maxSeconds": 600, "requireBoundObject": true}}});
        assert_eq!(
            lines(&answer_with(&strict, &request)).len(),
            if request["object"]["spec"].is_null() { 3 } else { 2 }
        );
    }
}

const ESO: &str = "system:serviceaccount:external-secrets:external-secrets";

fn of_caller(user: &str, groups: &[&str], params: &Value, spec: &Value) -> Vec<String> {
    let mut request = token_request(spec);
    request["userInfo"] = json!({"username": user, "groups": groups});
    let mut all = json!({"action": "reject"});
    all.as_object_mut().unwrap().extend(params.as_object().unwrap().clone());
    lines(&answer_with(&json!({"rules": {"token-request": all}}), &request))
}

#[rstest]
#[case::any(json!({}), json!({}), true)]
#[case::namespace(json!({"namespaces": ["shop"]}), json!({}), true)]
#[case::another_namespace(json!({"namespaces": ["bank", "shop-*"]}), json!({}), false)]
#[case::account(json!({"serviceAccounts": ["shop/app"]}), json!({}), true)]
#[case::another_account(json!({"serviceAccounts": ["shop/ap", "bank/app"]}), json!({}), false)]
#[case::audience(json!({"audiences": ["vault", "sts.amazonaws.com"]}), json!({"audiences": ["sts.amazonaws.com"]}), true)]
#[case::another_audience(json!({"audiences": ["vault"]}), json!({"audiences": ["sts.amazonaws.com"]}), false)]
#[case::one_audience_of_two(json!({"audiences": ["vault"]}), json!({"audiences": ["vault", "sts.amazonaws.com"]}), false)]
#[case::the_api(json!({"audiences": ["vault"]}), json!({}), false)]
#[case::the_api_in_full(json!({"audiences": ["vault"]}), json!({"audiences": ["https://kubernetes.default.svc"]}), false)]
#[case::the_api_is_listed(json!({"audiences": ["https://kubernetes.default*"]}), json!({}), true)]
#[case::the_issuer_counts_as_the_api(json!({"audiences": ["https://kubernetes.default*"]}), json!({"audiences": ["k3s"]}), true)]
#[case::all_but_one(json!({"namespaces": ["shop"], "serviceAccounts": ["shop/app"], "audiences": ["vault"]}), json!({"audiences": ["x"]}), false)]
fn what_a_caller_may_ask_for(#[case] entry: Value, #[case] spec: Value, #[case] is_allowed: bool) {
    for (key, value) in [("users", json!([ESO])), ("groups", json!(["system:serviceaccounts:external-secrets"]))] {
        let mut entry = entry.clone();
        entry[key] = value;
        let groups = ["system:serviceaccounts", "system:serviceaccounts:external-secrets"];
        let found = of_caller(ESO, &groups, &json!({"callers": [entry]}), &spec);
        assert_eq!(found.is_empty(), is_allowed, "{found:?}");
    }
}

#[test]
fn texts_about_callers() {
    let callers = json!([{"users": [ESO], "namespaces": ["bank"]}, {"users": ["*secrets*"], "audiences": ["vault"]}]);
    let text = |audience: &str| {
        [format!(
            "token-request: spec: caller `{ESO}` is not allowed to request a token of ServiceAccount `shop/app` for {audience}; request one that an entry of callers allows"
        )]
    };
    let ask = |spec: &Value| of_caller(ESO, &[], &json!({"callers": callers}), spec);
    assert_eq!(ask(&json!({})), text("the Kubernetes API"));
    assert_eq!(ask(&json!({"audiences": ["vault", "x"]})), text("vault, x"));
    // One entry is enough.
    assert!(ask(&json!({"audiences": ["vault"]})).is_empty());
    // Other callers are not affected.
    assert!(of_caller("alice", &[], &json!({"callers": callers}), &json!({})).is_empty());
    assert_eq!(
        of_caller("alice", &[], &json!({"callers": callers, "onlyListedCallers": true}), &json!({})),
        [
            "token-request: spec: caller `alice` is not allowed to request tokens, but requests one of ServiceAccount `shop/app`; add the caller to callers"
        ]
    );
    assert!(of_caller("", &[], &json!({"callers": callers, "onlyListedCallers": true}), &json!({})).is_empty());
}

#[rstest]
#[case("system:kube-controller-manager", "system:authenticated")]
#[case("system:serviceaccount:kube-system:generic-garbage-collector", "system:serviceaccounts")]
#[case("system:node:worker-1", "system:nodes")]
fn the_control_plane_may_ask_for_everything(#[case] user: &str, #[case] group: &str) {
    let params = json!({"callers": [{"users": ["*"], "namespaces": ["bank"]}], "onlyListedCallers": true});
    assert!(of_caller(user, &[group], &params, &json!({})).is_empty());
}

#[test]
fn an_entry_names_somebody() {
    let problems = |entry: Value| {
        settings_problems(&json!({"rules": {"token-request": {"action": "reject", "callers": [entry]}}}))
    };
    assert_eq!(
        problems(json!({"namespaces": ["shop"]})),
        ["rules.token-request.callers[0].users: is missing; name users or groups"]
    );
    assert_eq!(
        problems(json!({"user": [ESO]})),
        [
            "rules.token-request.callers[0].user: unknown parameter `user`; did you mean `users`?",
            "rules.token-request.callers[0].users: is missing; name users or groups"
        ]
    );
    assert!(problems(json!({"users": [ESO]})).is_empty());
}
