// SPDX-License-Identifier: Apache-2.0
use rstest::rstest;
use serde_json::{Value, json};

use crate::cluster::LookupError;
use crate::testing::{FakeCluster, create, review, update};

fn binding(kind: &str, subjects: &Value) -> Value {
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind, "metadata": {"name": "b"}, "subjects": subjects,
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "edit"},
    })
}

fn request(kind: &str, subjects: &Value) -> Value {
    let mut request = create(&binding(kind, subjects));
    if kind == "ClusterRoleBinding" {
        request.as_object_mut().unwrap().remove("namespace");
    }
    request
}

fn answer_with(settings: &Value, request: &Value) -> Value {
    let cluster = FakeCluster::failing(LookupError::Failed);
    let answer = review(request, settings, &cluster);
    assert_eq!(cluster.lookups(), 0);
    answer
}

fn on(params: &Value) -> Value {
    let mut settings = json!({"rules": {"binding-subjects": {"action": "reject"}}});
    settings["rules"]["binding-subjects"].as_object_mut().unwrap().extend(params.as_object().unwrap().clone());
    settings
}

fn lines(answer: &Value) -> Vec<String> {
    let message = answer["message"].as_str().unwrap_or_default().lines().skip(1);
    message.map(|line| line.trim_start_matches("- binding-subjects: ").to_owned()).collect()
}

fn accepts_silently(answer: &Value) -> bool {
    *answer == json!({"accepted": true})
}

fn account(namespace: &str, name: &str) -> Value {
    json!({"kind": "ServiceAccount", "namespace": namespace, "name": name})
}

#[test]
fn messages() {
    let subjects = json!([
        account("monitoring", "prometheus"),
        account("shop", "default"),
        {"kind": "Group", "apiGroup": "rbac.authorization.k8s.io", "name": "system:serviceaccounts:shop"},
        {"kind": "Group", "apiGroup": "rbac.authorization.k8s.io", "name": "system:serviceaccounts"},
    ]);
    assert_eq!(
        lines(&answer_with(&on(&json!({})), &request("RoleBinding", &subjects))),
        [
            "subjects[default]: is the default account of namespace `shop`, which every Pod that names no account uses; bind a dedicated account",
            "subjects[prometheus]: is in namespace `monitoring`; bind an account of this namespace, or add that one to allowCrossNamespace",
            "subjects[system:serviceaccounts:shop]: covers every account in namespace `shop`, including default; bind the accounts that need it",
            "subjects[system:serviceaccounts]: covers every account in every namespace, including default; bind the accounts that need it, or add the role to allowForEveryone",
        ]
    );
}

#[test]
fn actions() {
    let request = request("RoleBinding", &json!([account("shop", "default")]));
    assert!(accepts_silently(&answer_with(&json!({}), &request)));
    let warned = answer_with(&json!({"rules": {"binding-subjects": "warn"}}), &request);
    assert_eq!((&warned["accepted"], warned["warnings"].as_array().unwrap().len()), (&json!(true), 1));
    assert_eq!(answer_with(&on(&json!({})), &request)["code"], json!(403));
}

/// Each subject alone, and the number of findings in a RoleBinding of namespace
/// shop and in a ClusterRoleBinding.
#[rstest]
#[case(account("shop", "app"), 0, 0)]
#[case(json!({"kind": "ServiceAccount", "name": "app"}), 0, 0)]
#[case(json!({"kind": "User", "name": "system:serviceaccount:shop:app"}), 0, 0)]
#[case(account("team", "app"), 1, 0)]
#[case(json!({"kind": "User", "name": "system:serviceaccount:team:app"}), 1, 0)]
#[case(account("shop", "default"), 1, 1)]
#[case(json!({"kind": "ServiceAccount", "name": "default"}), 1, 1)]
#[case(json!({"kind": "User", "name": "system:serviceaccount:shop:default"}), 1, 1)]
#[case(account("team", "default"), 2, 1)]
#[case(json!({"kind": "User", "name": "system:serviceaccount:team:default"}), 2, 1)]
#[case(json!({"kind": "Group", "name": "system:serviceaccounts:shop"}), 1, 1)]
#[case(json!({"kind": "Group", "name": "system:serviceaccounts:team"}), 2, 1)]
#[case(json!({"kind": "Group", "name": "system:serviceaccounts"}), 1, 1)]
#[case(json!({"kind": "Group", "name": "system:authenticated"}), 1, 1)]
#[case(json!({"kind": "Group", "name": "system:unauthenticated"}), 0, 0)]
#[case(json!({"kind": "User", "name": "alice"}), 0, 0)]
#[case(json!({"kind": "User", "name": "default"}), 0, 0)]
#[case(json!({"kind": "Group", "name": "developers"}), 0, 0)]
#[case(json!({"kind": "Group", "name": "system:serviceaccountsx"}), 0, 0)]
#[case(json!({}), 0, 0)]
fn subjects(#[case] subject: Value, #[case] in_role_binding: usize, #[case] in_cluster_role_binding: usize) {
    for (kind, expected) in [("RoleBinding", in_role_binding), ("ClusterRoleBinding", in_cluster_role_binding)] {
        let answer = answer_with(&on(&json!({})), &request(kind, &json!([subject])));
        assert_eq!(lines(&answer).len(), expected, "{kind}: {answer}");
    }
}

#[rstest]
#[case(json!(["monitoring"]), 0)]
#[case(json!(["mon*", "x"]), 0)]
#[case(json!(["monitoring-2"]), 1)]
#[case(json!(["prometheus"]), 1)]
fn allowed_namespaces(#[case] allowed: Value, #[case] expected: usize) {
    let settings = on(&json!({"allowCrossNamespace": allowed}));
    for subject in [
        account("monitoring", "prometheus"),
        json!({"kind": "User", "name": "system:serviceaccount:monitoring:prometheus"}),
    ] {
        assert_eq!(lines(&answer_with(&settings, &request("RoleBinding", &json!([subject])))).len(), expected);
    }
    // This does not apply to findings that do not depend on the namespace.
    let group = json!([{"kind": "Group", "name": "system:serviceaccounts:monitoring"}]);
    assert_eq!(lines(&answer_with(&settings, &request("RoleBinding", &group))).len(), expected + 1);
    let group = json!([{"kind": "Group", "name": "system:serviceaccounts"}]);
    assert_eq!(
        lines(&answer_with(&on(&json!({"allowCrossNamespace": ["*"]})), &request("RoleBinding", &group))).len(),
        1
    );
}

/// What Kubernetes itself grants to everyone may be granted, but nothing else
/// with that name.
#[rstest]
#[case::discovery(json!({"kind": "ClusterRole", "name": "system:discovery"}), json!({}), 0)]
#[case::basic_user(json!({"kind": "ClusterRole", "name": "system:basic-user"}), json!({}), 0)]
#[case::public_info(json!({"kind": "ClusterRole", "name": "system:public-info-viewer"}), json!({}), 0)]
#[case::issuer(json!({"kind": "ClusterRole", "name": "system:service-account-issuer-discovery"}), json!({}), 0)]
#[case::another(json!({"kind": "ClusterRole", "name": "view"}), json!({}), 1)]
#[case::a_role_of_that_name(json!({"kind": "Role", "name": "system:discovery"}), json!({}), 1)]
#[case::none(json!(null), json!({}), 1)]
#[case::a_role_of_ones_own(json!({"kind": "Role", "name": "info"}), json!({"allowForEveryone": ["shop/info"]}), 0)]
#[case::a_cluster_role_is_no_role(json!({"kind": "ClusterRole", "name": "info"}), json!({"allowForEveryone": ["shop/info"]}), 1)]
#[case::of_ones_own(json!({"kind": "ClusterRole", "name": "view"}), json!({"allowForEveryone": ["vi*"]}), 0)]
#[case::a_list_replaces_the_default(json!({"kind": "ClusterRole", "name": "system:discovery"}), json!({"allowForEveryone": ["view"]}), 1)]
#[case::a_star_is_no_slash(json!({"kind": "Role", "name": "info"}), json!({"allowForEveryone": ["*", "s*info"]}), 1)]
#[case::roles_of_a_namespace(json!({"kind": "Role", "name": "info"}), json!({"allowForEveryone": ["shop/*"]}), 0)]
#[case::roles_of_every_namespace(json!({"kind": "Role", "name": "info"}), json!({"allowForEveryone": ["*/info"]}), 0)]
#[case::as_in_0_1(json!({"kind": "ClusterRole", "name": "edit"}), json!({"allowForEveryone": ["*"]}), 0)]
fn everyone(#[case] role: Value, #[case] params: Value, #[case] expected: usize) {
    for group in ["system:authenticated", "system:serviceaccounts"] {
        for kind in ["RoleBinding", "ClusterRoleBinding"] {
            if kind == "ClusterRoleBinding" && role["kind"] == "Role" {
                continue;
            }
            let mut request = request(kind, &json!([{"kind": "Group", "name": group}]));
            request["object"]["roleRef"] = role.clone();
            assert_eq!(lines(&answer_with(&on(&params), &request)).len(), expected, "{kind} {group}");
        }
    }
}

/// Names that are longer than any account's are truncated where they are shown.
#[test]
fn bypass_by_long_name() {
    let user =
        |end: &str| json!({"kind": "User", "name": format!("system:serviceaccount:shop{}:{end}", "x".repeat(260))});
    let (old, new) = (binding("RoleBinding", &json!([user("a")])), binding("RoleBinding", &json!([user("b")])));
    let with_old = answer_with(&on(&json!({})), &update(&old, &old));
    assert_eq!((&with_old["accepted"], with_old["warnings"].as_array().unwrap().len()), (&json!(true), 1));
    assert_eq!(lines(&answer_with(&on(&json!({})), &update(&old, &new))).len(), 1);
}

/// An old subject is a warning, wherever it is in the list now; a new one is rejected.
#[test]
fn old_problem_warns() {
    let (old, other) = (account("shop", "default"), account("shop", "app"));
    let was = binding("RoleBinding", &json!([old]));
    let labelled = |subjects: Value| {
        let mut new = binding("RoleBinding", &subjects);
        new["metadata"]["labels"] = json!({"team": "shop"});
        answer_with(&on(&json!({})), &update(&was, &new))
    };
    let kept = labelled(json!([other, old]));
    assert_eq!((&kept["accepted"], kept["warnings"].as_array().unwrap().len()), (&json!(true), 1));
    let added = labelled(json!([old, account("team", "default")]));
    assert_eq!((&added["accepted"], lines(&added).len()), (&json!(false), 2));
    // The same account, written in another way, is another subject.
    assert_eq!(
        labelled(json!([{"kind": "User", "name": "system:serviceaccount:shop:default"}]))["accepted"],
        json!(false)
    );
    assert!(accepts_silently(&labelled(json!([other]))));
}

/// Attempts to bypass the rule.
#[rstest]
#[case::mirror_annotation("annotations", json!({"kubernetes.io/config.mirror": "x"}))]
#[case::controlled("ownerReferences", json!([{"controller": true}]))]
#[case::kept_by_a_finalizer("deletionTimestamp", json!("2026-01-01T00:00:00Z"))]
#[case::labelled_as_a_default("labels", json!({"kubernetes.io/bootstrapping": "rbac-defaults"}))]
#[case::another_namespace_in_the_object("namespace", json!("monitoring"))]
fn bypasses(#[case] key: &str, #[case] value: Value) {
    let was = binding("RoleBinding", &json!([]));
    let mut new = binding("RoleBinding", &json!([account("monitoring", "prometheus")]));
    new["metadata"][key] = value;
    assert_eq!(answer_with(&on(&json!({})), &update(&was, &new))["accepted"], json!(false));
}

/// An exemption has to cover every account of the binding.
#[rstest]
#[case("monitoring/prometheus", json!([account("monitoring", "prometheus")]), true)]
#[case("monitoring/prometheus", json!([{"kind": "User", "name": "system:serviceaccount:monitoring:prometheus"}]), true)]
#[case("monitoring/prometheus", json!([account("monitoring", "prometheus"), {"kind": "User", "name": "alice"}]), true)]
#[case("monitoring/prometheus", json!([account("monitoring", "prometheus"), account("shop", "default")]), false)]
#[case("monitoring/prometheus", json!([account("monitoring", "prometheus"), {"kind": "Group", "name": "system:serviceaccounts:shop"}]), false)]
#[case("monitoring/?", json!([{"kind": "Group", "name": "system:serviceaccounts:monitoring"}]), false)]
#[case("monitoring/*", json!([{"kind": "Group", "name": "system:serviceaccounts:monitoring"}]), true)]
#[case("monitoring/*", json!([{"kind": "Group", "name": "system:serviceaccounts"}]), false)]
#[case("*/*", json!([{"kind": "Group", "name": "system:serviceaccounts"}]), true)]
#[case("shop/default", json!([{"kind": "ServiceAccount", "name": "default"}]), true)]
fn exemptions(#[case] pattern: &str, #[case] subjects: Value, #[case] expected: bool) {
    let mut settings = on(&json!({}));
    settings["exemptions"] = json!([{"serviceAccounts": [pattern]}]);
    assert_eq!(accepts_silently(&answer_with(&settings, &request("RoleBinding", &subjects))), expected);
}

#[test]
fn system_namespaces_and_cluster_scope() {
    let subjects = json!([account("kube-system", "default")]);
    let mut bound_there = request("RoleBinding", &subjects);
    bound_there["namespace"] = json!("kube-system");
    assert!(accepts_silently(&answer_with(&on(&json!({})), &bound_there)));
    assert_eq!(lines(&answer_with(&on(&json!({})), &request("ClusterRoleBinding", &subjects))).len(), 1);
    let mut settings = on(&json!({}));
    settings["exemptions"] = json!([{"namespaces": ["*"]}]);
    assert_eq!(lines(&answer_with(&settings, &request("ClusterRoleBinding", &subjects))).len(), 1);
}

#[test]
fn rejects_wrong_parameters() {
    let settings = on(&json!({"allowCrossNamespace": ["monitoring/prometheus"]}));
    assert_eq!(
        answer_with(&settings, &request("RoleBinding", &json!([])))["message"],
        json!(
            "serviceaccount-hygiene: 1 problem in the settings\n- rules.binding-subjects.allowCrossNamespace[0]: must be a namespace without an account, e.g. monitoring or team-*"
        )
    );
}
