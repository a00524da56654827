// SPDX-License-Identifier: Apache-2.0
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use rstest::rstest;
use serde_json::{Value, json};

use crate::cluster::LookupError;
use crate::testing::{FakeCluster, create, review, update};

const NAME: &str = "kubernetes.io/service-account.name";
const UID: &str = "kubernetes.io/service-account.uid";
const LAST_USED: &str = "kubernetes.io/legacy-token-last-used";

/// A token Secret as the token controller leaves it.
fn filled() -> Value {
    json!({
        "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/service-account-token",
        "metadata": {"name": "app-token", "namespace": "shop", "annotations": {NAME: "app", UID: "1"}, "labels": {"team": "shop"}},
        "data": {"token": "c2VjcmV0", "ca.crt": "Y2E=", "namespace": "c2hvcA=="},
    })
}

/// A token Secret as a user writes it.
fn new() -> Value {
    json!({
        "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/service-account-token",
        "metadata": {"name": "app-token", "namespace": "shop", "annotations": {NAME: "app"}},
    })
}

fn answer(request: &Value, settings: &Value) -> Value {
    let answer = review(request, settings, &FakeCluster::failing(LookupError::Failed));
    assert!(!answer.to_string().contains("c2VjcmV0"), "{answer}");
    answer
}

fn lines(answer: &Value) -> Vec<&str> {
    let message = answer["message"].as_str().unwrap_or_default().lines().skip(1);
    message.map(|line| line.trim_start_matches("- ")).collect()
}

fn accepts_silently(answer: &Value) -> bool {
    *answer == json!({"accepted": true})
}

fn with(mut object: Value, pointer: &str, value: Value) -> Value {
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    let key = key.replace("~1", "/");
    match (object.pointer_mut(parent).unwrap().as_object_mut().unwrap(), value) {
        (parent, Value::Null) => drop(parent.remove(&key)),
        (parent, value) => drop(parent.insert(key, value)),
    }
    object
}

const NAME_AT: &str = "/metadata/annotations/kubernetes.io~1service-account.name";
const INVALID_AT: &str = "/metadata/labels/kubernetes.io~1legacy-token-invalid-since";

#[test]
fn messages() {
    assert_eq!(
        lines(&answer(&create(&new()), &json!({}))),
        [
            "legacy-token-secret: type: creates a token that never expires; use a projected volume, or kubectl create token"
        ]
    );
    let old = with(filled(), INVALID_AT, json!("2026-01-01"));
    let new = with(with(filled(), NAME_AT, json!("admin")), "/data", json!({}));
    assert_eq!(
        lines(&answer(&update(&old, &new), &json!({}))),
        [
            "legacy-token-secret: data.token: is emptied, which creates a new token of account `admin` that never expires; delete the Secret instead",
            r#"legacy-token-secret: metadata.annotations["kubernetes.io/service-account.name"]: changed from `app` to `admin`, whose token never expires; use a projected volume, or kubectl create token"#,
            r#"legacy-token-secret: metadata.labels["kubernetes.io/legacy-token-invalid-since"]: is no longer set, which makes the token of account `app` valid again; keep the label, and delete the Secret"#,
        ]
    );
}

#[test]
fn actions() {
    let request = create(&new());
    assert!(accepts_silently(&answer(&request, &json!({"rules": {"legacy-token-secret": "off"}}))));
    let warned = answer(&request, &json!({"rules": {"legacy-token-secret": "warn"}}));
    assert_eq!((&warned["accepted"], warned["warnings"].as_array().unwrap().len()), (&json!(true), 1));
    assert_eq!(answer(&request, &json!({}))["code"], json!(403));
}

/// Changes that create no token.
#[rstest]
#[case::label(filled(), with(filled(), "/metadata/labels/team", json!("web")))]
#[case::finalizer_gone(with(filled(), "/metadata/finalizers", json!(["x"])), filled())]
#[case::still_empty(new(), with(new(), "/metadata/labels", json!({"team": "shop"})))]
#[case::controller_fills_in(new(), filled())]
#[case::controller_renews_ca(filled(), with(filled(), "/data/ca.crt", json!("bmV3")))]
#[case::controller_fills_in_namespace(with(filled(), "/data/namespace", Value::Null), filled())]
#[case::api_server_notes_the_use(filled(), with(filled(), "/metadata/labels", json!({"team": "shop", LAST_USED: "2026-01-01"})))]
#[case::cleaner_invalidates(filled(), with(filled(), INVALID_AT, json!("2026-01-01")))]
#[case::another_date(with(filled(), INVALID_AT, json!("2026-01-01")), with(filled(), INVALID_AT, json!("2026-02-01")))]
#[case::no_date_goes(with(filled(), INVALID_AT, json!("")), filled())]
#[case::other_token(filled(), with(filled(), "/data/token", json!("b3RoZXI=")))]
fn accepts_ordinary_updates(#[case] old: Value, #[case] new: Value) {
    assert!(accepts_silently(&answer(&update(&old, &new), &json!({}))));
}

/// Ways to get a token without creating a Secret for it.
#[rstest]
#[case::re_pointed(filled(), with(filled(), NAME_AT, json!("admin")))]
#[case::no_account(filled(), with(filled(), NAME_AT, Value::Null))]
#[case::token_emptied(filled(), with(filled(), "/data/token", json!("")))]
#[case::token_gone(filled(), with(filled(), "/data/token", Value::Null))]
#[case::data_gone(filled(), with(filled(), "/data", Value::Null))]
#[case::label_gone(with(filled(), INVALID_AT, json!("2026-01-01")), filled())]
#[case::labels_gone(with(filled(), INVALID_AT, json!("2026-01-01")), with(filled(), "/metadata/labels", Value::Null))]
#[case::label_emptied(with(filled(), INVALID_AT, json!("2026-01-01")), with(filled(), INVALID_AT, json!("")))]
#[case::pending_re_pointed(new(), with(new(), NAME_AT, json!("admin")))]
#[case::mirror_annotation(filled(), with(with(filled(), NAME_AT, json!("admin")), "/metadata/annotations/kubernetes.io~1config.mirror", json!("x")))]
#[case::controlled(filled(), with(with(filled(), NAME_AT, json!("admin")), "/metadata/ownerReferences", json!([{"controller": true}])))]
#[case::old_of_another_type(with(filled(), "/type", json!("Opaque")), filled())]
fn bypasses(#[case] old: Value, #[case] new: Value) {
    assert_eq!(answer(&update(&old, &new), &json!({}))["code"], json!(403));
    // Unlike for other rules, the old object does not matter.
    let mut request = update(&old, &new);
    request["userInfo"] = json!({"username": "system:kube-controller-manager", "groups": []});
    assert_eq!(answer(&request, &json!({}))["code"], json!(403));
}

#[test]
fn update_without_old_object() {
    assert_eq!(answer(&update(&Value::Null, &filled()), &json!({}))["code"], json!(403));
}

#[test]
fn never_reads_other_secrets() {
    for object in [
        json!({"apiVersion": "v1", "kind": "Secret", "type": "Opaque", "metadata": {}, "data": {"password": 7}}),
        json!({"apiVersion": "v1", "kind": "Secret", "type": "Opaque", "metadata": {}, "data": {"token": "c2VjcmV0"}}),
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"annotations": {NAME: "app"}}}),
        json!({"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/service-account-token2", "metadata": {}}),
    ] {
        assert!(accepts_silently(&answer(&create(&object), &json!({"exemptions": [{"names": ["x"]}]}))));
    }
}

#[rstest]
#[case(json!({"allowed": ["shop/app"]}), true)]
#[case(json!({"allowed": ["*/ap?"]}), true)]
#[case(json!({"allowed": ["shop/other", "team/app"]}), false)]
#[case(json!({"allowedUsers": ["ali*"]}), true)]
#[case(json!({"allowedUsers": ["bob"]}), false)]
fn allowed_accounts_and_users(#[case] params: Value, #[case] expected: bool) {
    let settings = json!({"rules": {"legacy-token-secret": params}});
    assert_eq!(accepts_silently(&answer(&create(&new()), &settings)), expected);
    assert_eq!(accepts_silently(&answer(&update(&with(new(), NAME_AT, json!("x")), &new()), &settings)), expected);
    // An update that takes the token from an account is accepted.
    let taken = update(&new(), &with(new(), NAME_AT, json!("admin")));
    if params["allowedUsers"].is_null() {
        assert!(!accepts_silently(&answer(&taken, &settings)));
    }
}

/// A token authenticates as the account that it names: pointing its Secret at
/// an account that may have a token does not change that.
#[rstest]
#[case::allowed(json!({"rules": {"legacy-token-secret": {"allowed": ["shop/app"]}}}))]
#[case::exempt(json!({"exemptions": [{"serviceAccounts": ["shop/app"]}]}))]
fn bypass_by_allowed_account(#[case] settings: Value) {
    let invalid = with(filled(), INVALID_AT, json!("2026-01-01"));
    let of_admin = with(invalid.clone(), NAME_AT, json!("admin"));
    assert!(accepts_silently(&answer(&update(&invalid, &filled()), &settings)));
    let line = r#"legacy-token-secret: metadata.labels["kubernetes.io/legacy-token-invalid-since"]: is no longer set, which makes the token of account `admin` valid again; keep the label, and delete the Secret"#;
    let answer = answer(&update(&of_admin, &filled()), &settings);
    assert!(lines(&answer).contains(&line), "{answer}");
}

/// The old object cannot be read, so it is unknown whose token it held.
#[test]
fn exemption_must_cover_old_account() {
    let settings = json!({"exemptions": [{"serviceAccounts": ["*/*"]}]});
    assert!(accepts_silently(&answer(&update(&filled(), &filled()), &settings)));
    let unreadable = with(filled(), "/data", json!(7));
    assert_eq!(answer(&update(&unreadable, &filled()), &settings)["accepted"], json!(false));
}

#[rstest]
#[case("system:serviceaccount:cattle-system:rancher", true)]
#[case("system:serviceaccount:cattle-fleet-system:fleet-controller", true)]
#[case("system:serviceaccount:openshift-infra:serviceaccount-controller", true)]
#[case("system:serviceaccount:cattle:rancher", false)]
#[case("system:serviceaccount:shop:cattle-system", false)]
#[case("system:kube-controller-manager", false)]
#[case("", false)]
fn default_users(#[case] user: &str, #[case] expected: bool) {
    let mut request = create(&new());
    request["userInfo"] = json!({"username": user});
    assert_eq!(accepts_silently(&answer(&request, &json!({}))), expected);
}

#[test]
fn exemption_compares_annotation() {
    for (account, expected) in [("shop/app", true), ("shop/app-token", false)] {
        let settings = json!({"exemptions": [{"serviceAccounts": [account]}]});
        assert_eq!(accepts_silently(&answer(&create(&new()), &settings)), expected, "{account}");
    }
    assert!(accepts_silently(&answer(&create(&new()), &json!({"exemptions": [{"names": ["app-token"]}]}))));
}

#[test]
fn rejects_wrong_parameters() {
    let settings = json!({"rules": {"legacy-token-secret": {"allowed": ["app"], "allowedUsers": ["*"]}}});
    assert_eq!(
        answer(&create(&new()), &settings)["message"],
        json!(
            "serviceaccount-hygiene: 2 problems in the settings\n- rules.legacy-token-secret.allowed[0]: must be namespace/name, e.g. monitoring/prometheus-*\n- rules.legacy-token-secret.allowedUsers[0]: matches everyone; switch the rule off instead"
        )
    );
}

/// A legacy token as the token controller signs it, base64 as in a Secret.
fn legacy(namespace: &str, secret: &str, account: &str, uid: &str) -> String {
    let claims = json!({
        "iss": "kubernetes/serviceaccount", "kubernetes.io/serviceaccount/namespace": namespace,
        "kubernetes.io/serviceaccount/secret.name": secret, "kubernetes.io/serviceaccount/service-account.name": account,
        "kubernetes.io/serviceaccount/service-account.uid": uid, "sub": format!("system:serviceaccount:{namespace}:{account}"),
    });
    STANDARD.encode(format!("{}.{}.c2ln", URL_SAFE_NO_PAD.encode("{}"), URL_SAFE_NO_PAD.encode(claims.to_string())))
}

fn of_admin() -> Value {
    json!(legacy("shop", "app-token", "admin", "1"))
}

fn opaque(token: &Value) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Secret", "type": "Opaque", "metadata": {"name": "app-token", "namespace": "shop"},
        "data": {"token": token},
    })
}

const HOLDS: &str = "legacy-token-secret: data.token: is a token of account `admin` that never expires and that this Secret makes valid; remove it, and use a projected volume, or kubectl create token";

/// Deleted, kept by a finalizer, pointed at another account and emptied: the token
/// controller would write a token into it.
#[test]
fn bypass_by_secret_being_deleted() {
    let deleting = |secret| with(secret, "/metadata/deletionTimestamp", json!("2026-01-01T00:00:00Z"));
    let kept = with(deleting(filled()), "/metadata/finalizers", json!(["example.com/keep"]));
    let emptied = with(with(kept.clone(), NAME_AT, json!("admin")), "/data/token", json!(""));
    assert_eq!(
        lines(&answer(&update(&kept, &emptied), &json!({}))),
        [
            "legacy-token-secret: data.token: is emptied, which creates a new token of account `admin` that never expires; delete the Secret instead",
            r#"legacy-token-secret: metadata.annotations["kubernetes.io/service-account.name"]: changed from `app` to `admin`, whose token never expires; use a projected volume, or kubectl create token"#,
        ]
    );
    assert!(accepts_silently(&answer(&update(&kept, &deleting(filled())), &json!({}))));
}

/// The API server never checks the type of the Secret that a token names.
#[rstest]
#[case::opaque(json!("Opaque"))]
#[case::of_ones_own(json!("example.com/x"))]
#[case::unset(Value::Null)]
fn bypass_by_other_type(#[case] kind: Value) {
    let secret = with(opaque(&of_admin()), "/type", kind);
    assert_eq!(lines(&answer(&create(&secret), &json!({}))), [HOLDS]);
    // Or in a second step.
    for before in [json!(null), json!(""), json!("c2VjcmV0"), json!(legacy("shop", "app-token", "app", "1"))] {
        let old = with(secret.clone(), "/data/token", before);
        assert_eq!(lines(&answer(&update(&old, &secret), &json!({}))), [HOLDS]);
    }
    assert!(accepts_silently(&answer(&update(&secret, &with(secret.clone(), "/data/x", json!("eA=="))), &json!({}))));
    assert!(accepts_silently(&answer(&update(&secret, &with(secret.clone(), "/data/token", json!(null))), &json!({}))));
}

/// The token in a Secret of the token type is checked, too.
#[test]
fn bypass_by_older_token() {
    let own = with(filled(), "/data/token", json!(legacy("shop", "app-token", "app", "1")));
    let older = with(filled(), "/data/token", of_admin());
    assert_eq!(lines(&answer(&update(&own, &older), &json!({}))), [HOLDS]);
    assert_eq!(lines(&answer(&update(&new(), &older), &json!({}))), [HOLDS]);
    // As the token controller does.
    assert!(accepts_silently(&answer(&update(&new(), &own), &json!({}))));
}

/// The label invalidates a token whatever its Secret's type.
#[test]
fn bypass_by_label_of_other_type() {
    let secret = with(opaque(&of_admin()), "/metadata/labels", json!({}));
    let invalid = with(secret.clone(), INVALID_AT, json!("2026-01-01"));
    assert_eq!(
        lines(&answer(&update(&invalid, &secret), &json!({}))),
        [
            r#"legacy-token-secret: metadata.labels["kubernetes.io/legacy-token-invalid-since"]: is no longer set, which makes the token of account `admin` valid again; keep the label, and delete the Secret"#
        ]
    );
}

/// A name that the API server generates could be the right one.
#[rstest]
#[case::made_up(json!({"generateName": "app-"}), 1)]
#[case::made_up_of_nothing(json!({}), 1)]
#[case::made_up_of_something_else(json!({"generateName": "web-"}), 0)]
#[case::another_name(json!({"name": "web"}), 0)]
fn names(#[case] metadata: Value, #[case] expected: usize) {
    let mut request = create(&with(opaque(&of_admin()), "/metadata", metadata.clone()));
    request["name"] = metadata["name"].clone();
    assert_eq!(lines(&answer(&request, &json!({}))).len(), expected);
}

#[rstest]
#[case::of_another_secret(legacy("shop", "web", "admin", "1"))]
#[case::of_another_namespace(legacy("team", "app-token", "admin", "1"))]
#[case::bound(STANDARD.encode(format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(json!({"iss": "https://kubernetes.default.svc", "sub": "system:serviceaccount:shop:admin"}).to_string()))))]
#[case::password("aHVudGVyMg==".to_owned())]
fn accepts_other_tokens(#[case] token: String) {
    assert!(accepts_silently(&answer(&create(&opaque(&json!(token))), &json!({}))));
}

/// The token itself says whose it is.
#[rstest]
#[case(json!({"rules": {"legacy-token-secret": {"allowed": ["shop/admin"]}}}), true)]
#[case(json!({"rules": {"legacy-token-secret": {"allowed": ["shop/app"]}}}), false)]
#[case(json!({"rules": {"legacy-token-secret": {"allowedUsers": ["alice"]}}}), true)]
#[case(json!({"exemptions": [{"serviceAccounts": ["shop/admin"]}]}), true)]
#[case(json!({"exemptions": [{"serviceAccounts": ["shop/app"]}]}), false)]
fn allowed_holders(#[case] settings: Value, #[case] expected: bool) {
    assert_eq!(accepts_silently(&answer(&create(&opaque(&of_admin())), &settings)), expected);
    // The annotation has no meaning on a Secret of another type.
    let annotated = with(opaque(&of_admin()), "/metadata/annotations", json!({NAME: "app"}));
    assert_eq!(accepts_silently(&answer(&create(&annotated), &settings)), expected);
}
