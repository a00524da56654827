// SPDX-License-Identifier: Apache-2.0

use serde_json::{Value, json};

use super::*;

const GET_PODS: Attributes<'static> = Attributes::resource("get", "", "pods").within("shop");

fn object(kind: &str, name: &str, rest: &Value) -> Value {
    let mut object = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind, "metadata": {"name": name}});
    if !kind.starts_with("Cluster") {
        object["metadata"]["namespace"] = "shop".into();
    }
    json_patch::merge(&mut object, rest);
    object
}

fn pod_reader(kind: &str, name: &str) -> Value {
    object(kind, name, &json!({"rules": [{"verbs": ["get"], "apiGroups": [""], "resources": ["pods"]}]}))
}

fn bound(kind: &str, name: &str, role: (&str, &str), subjects: &Value) -> Value {
    let role = json!({"apiGroup": API_GROUP, "kind": role.0, "name": role.1});
    object(kind, name, &json!({"roleRef": role, "subjects": subjects}))
}

fn web() -> Value {
    json!([{"kind": "ServiceAccount", "name": "web", "namespace": "shop"}])
}

fn authorizer(objects: &[Value]) -> Authorizer {
    let mut read = Objects::new("default");
    for object in objects {
        read.add(object).unwrap();
    }
    Authorizer::new(&read)
}

/// The decision for the account `shop/web`.
fn decision(objects: &[Value], attributes: &Attributes<'_>) -> String {
    let authorizer = authorizer(objects);
    match authorizer.may(&User::service_account("shop", "web"), attributes) {
        Decision::Allowed { binding, role } => format!("allowed: {binding}, {role}"),
        Decision::Unknown { binding, role } => format!("unknown: {binding}, {role}"),
        Decision::Denied => "denied".to_owned(),
        Decision::Superuser => "superuser".to_owned(),
    }
}

#[test]
fn names_first_allowing_binding() {
    let objects = [
        pod_reader("Role", "reader"),
        pod_reader("ClusterRole", "readers"),
        bound("RoleBinding", "b", ("Role", "reader"), &web()),
        bound("RoleBinding", "a", ("Role", "reader"), &web()),
        bound("ClusterRoleBinding", "z", ("ClusterRole", "readers"), &web()),
    ];
    assert_eq!(decision(&objects[..4], &GET_PODS), "allowed: RoleBinding shop/a, Role shop/reader");
    assert_eq!(decision(&objects, &GET_PODS), "allowed: ClusterRoleBinding z, ClusterRole readers");
}

#[test]
fn known_role_before_unknown() {
    let objects = [
        bound("ClusterRoleBinding", "a", ("ClusterRole", "elsewhere"), &web()),
        bound("RoleBinding", "b", ("Role", "reader"), &web()),
        pod_reader("Role", "reader"),
    ];
    assert_eq!(decision(&objects, &GET_PODS), "allowed: RoleBinding shop/b, Role shop/reader");
    assert_eq!(decision(&objects[..2], &GET_PODS), "unknown: ClusterRoleBinding a, ClusterRole elsewhere");
    let other = Attributes::resource("get", "", "pods").within("other");
    assert_eq!(decision(&objects[1..2], &other), "denied", "the unknown role is bound in another namespace");
}

#[test]
fn invalid_references_grant_nothing() {
    for binding in [
        bound("ClusterRoleBinding", "a", ("Role", "reader"), &web()),
        bound("RoleBinding", "a", ("Rolle", "reader"), &web()),
        bound("RoleBinding", "a", ("", ""), &web()),
        bound(
            "ClusterRoleBinding",
            "a",
            ("ClusterRole", "reader"),
            &json!([{"kind": "ServiceAccount", "name": "web"}]),
        ),
        bound("RoleBinding", "a", ("Role", "reader"), &json!([{"kind": "serviceaccount", "name": "web"}])),
    ] {
        let objects = [pod_reader("Role", "reader"), pod_reader("ClusterRole", "reader"), binding.clone()];
        assert_eq!(decision(&objects, &GET_PODS), "denied", "{binding}");
    }
}

#[test]
fn default_namespace() {
    let mut role = pod_reader("Role", "reader");
    let mut binding =
        bound("RoleBinding", "a", ("Role", "reader"), &json!([{"kind": "ServiceAccount", "name": "web"}]));
    for object in [&mut role, &mut binding] {
        object["metadata"].as_object_mut().unwrap().remove("namespace");
    }
    let mut objects = Objects::new("shop");
    assert!(objects.add(&role).unwrap() && objects.add(&binding).unwrap());
    let authorizer = Authorizer::new(&objects);
    let user = User::service_account("shop", "web");
    assert!(matches!(authorizer.may(&user, &GET_PODS), Decision::Allowed { .. }));
}

#[test]
fn later_object_wins() {
    let empty = object("Role", "reader", &json!({"rules": []}));
    let objects = [pod_reader("Role", "reader"), bound("RoleBinding", "a", ("Role", "reader"), &web()), empty];
    assert_eq!(decision(&objects, &GET_PODS), "denied");
}

#[test]
fn skips_other_kinds_and_rejects_wrong_types() {
    let mut objects = Objects::new("default");
    for other in
        [json!({}), json!(null), json!({"apiVersion": "v1", "kind": "Role"}), object("RoleList", "x", &json!({}))]
    {
        assert!(!objects.add(&other).unwrap(), "{other}");
    }
    for wrong in [
        object("Role", "x", &json!({"rules": {}})),
        object("ClusterRole", "x", &json!({"rules": [{"verbs": "get"}]})),
        object("RoleBinding", "x", &json!({"subjects": [1]})),
        object("ClusterRoleBinding", "x", &json!({"metadata": {"name": 1}})),
    ] {
        assert!(objects.add(&wrong).is_err(), "{wrong}");
    }
}

fn aggregated(rest: &Value) -> Vec<Value> {
    let rule = json!({"clusterRoleSelectors": [{"matchLabels": {"part": "yes"}}]});
    let mut role = object("ClusterRole", "whole", &json!({"aggregationRule": rule}));
    json_patch::merge(&mut role, rest);
    vec![role, bound("ClusterRoleBinding", "a", ("ClusterRole", "whole"), &web())]
}

#[test]
fn aggregated_role_without_parts() {
    let mut objects = aggregated(&json!({}));
    assert_eq!(decision(&objects, &GET_PODS), "unknown: ClusterRoleBinding a, ClusterRole whole");
    let mut part = pod_reader("ClusterRole", "part");
    part["metadata"]["labels"] = json!({"part": "yes"});
    objects.push(part);
    assert_eq!(decision(&objects, &GET_PODS), "allowed: ClusterRoleBinding a, ClusterRole whole");
}

#[test]
fn aggregated_role_of_cluster() {
    let rules = json!([{"verbs": ["get"], "apiGroups": [""], "resources": ["pods"]}]);
    let in_manifest = aggregated(&json!({"rules": rules}));
    assert_eq!(decision(&in_manifest, &GET_PODS), "unknown: ClusterRoleBinding a, ClusterRole whole");
    let live = aggregated(&json!({"rules": rules, "metadata": {"uid": "1"}}));
    assert_eq!(decision(&live, &GET_PODS), "allowed: ClusterRoleBinding a, ClusterRole whole");
    let empty = aggregated(&json!({"metadata": {"uid": "1"}}));
    assert_eq!(decision(&empty, &GET_PODS), "denied");
}

#[test]
fn cyclic_aggregation() {
    let select = |label: &str| json!({"clusterRoleSelectors": [{"matchLabels": {label: "yes"}}]});
    let mut leaf = pod_reader("ClusterRole", "leaf");
    leaf["metadata"]["labels"] = json!({"b": "yes"});
    let objects = [
        object("ClusterRole", "one", &json!({"aggregationRule": select("b"), "metadata": {"labels": {"a": "yes"}}})),
        object("ClusterRole", "two", &json!({"aggregationRule": select("a"), "metadata": {"labels": {"b": "yes"}}})),
        bound("ClusterRoleBinding", "x", ("ClusterRole", "two"), &web()),
        leaf,
    ];
    assert_eq!(decision(&objects, &GET_PODS), "allowed: ClusterRoleBinding x, ClusterRole two");
}

#[test]
fn input_replaces_built_in_role() {
    let binding = bound("RoleBinding", "a", ("ClusterRole", "cluster-admin"), &web());
    let own = object("ClusterRole", "cluster-admin", &json!({"rules": []}));
    assert!(decision(std::slice::from_ref(&binding), &GET_PODS).starts_with("allowed"));
    assert_eq!(decision(&[binding, own], &GET_PODS), "denied");
}

#[test]
fn grants_name_each_binding_once() {
    let group = |name: &str| json!({"kind": "Group", "name": name});
    let account = json!({"kind": "ServiceAccount", "name": "web", "namespace": "shop"});
    let discovery = json!({"rules": [{"verbs": ["get"], "nonResourceURLs": ["/api/*"]}]});
    let objects = [
        pod_reader("Role", "reader"),
        object("ClusterRole", "discovery", &discovery),
        bound("RoleBinding", "both", ("Role", "reader"), &json!([group("system:serviceaccounts"), account])),
        bound("RoleBinding", "missing", ("Role", "missing"), &json!([group("system:serviceaccounts:shop")])),
        bound("ClusterRoleBinding", "discovery", ("ClusterRole", "discovery"), &json!([group("system:authenticated")])),
        bound("ClusterRoleBinding", "to-one", ("ClusterRole", "discovery"), &web()),
        bound(
            "ClusterRoleBinding",
            "others",
            ("ClusterRole", "discovery"),
            &json!([group("system:serviceaccounts:web")]),
        ),
    ];
    let authorizer = authorizer(&objects);
    let user = User::service_account("shop", "web");
    let grants: Vec<_> = authorizer
        .grants(&user)
        .into_iter()
        .map(|it| (it.binding.to_string(), it.via, it.rules.map(<[_]>::len), it.is_for_everybody))
        .collect();
    assert_eq!(
        grants,
        [
            ("ClusterRoleBinding discovery".to_owned(), Via::Group("system:authenticated"), Some(1), true),
            ("ClusterRoleBinding to-one".to_owned(), Via::Account, Some(1), false),
            ("RoleBinding shop/both".to_owned(), Via::Account, Some(1), false),
            ("RoleBinding shop/missing".to_owned(), Via::Group("system:serviceaccounts:shop"), None, false),
        ]
    );
}
