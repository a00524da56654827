// SPDX-License-Identifier: Apache-2.0
use rstest::rstest;
use serde_json::{Value, json};

use crate::cluster::LookupError;
use crate::testing::{FakeCluster, create, review, update};

fn role(rules: &Value) -> Value {
    json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "r"}, "rules": rules})
}

fn rule(verbs: &[&str], groups: &[&str], resources: &[&str]) -> Value {
    json!({"verbs": verbs, "apiGroups": groups, "resources": resources})
}

fn answer_with(settings: &Value, request: &Value) -> Value {
    let cluster = FakeCluster::failing(LookupError::Failed);
    let answer = review(request, settings, &cluster);
    assert_eq!(cluster.lookups(), 0);
    answer
}

fn answer(request: &Value) -> Value {
    answer_with(&json!({"rules": {"token-issuing-roles": "reject"}}), request)
}

fn lines(answer: &Value) -> Vec<String> {
    let message = answer["message"].as_str().unwrap_or_default().lines().skip(1);
    message.map(|line| line.trim_start_matches("- ").to_owned()).collect()
}

fn accepts_silently(answer: &Value) -> bool {
    *answer == json!({"accepted": true})
}

fn outcome(answer: &Value) -> &'static str {
    match (answer["accepted"] == json!(true), answer.get("warnings").is_some()) {
        (false, _) => "reject",
        (true, true) => "warn",
        (true, false) => "fine",
    }
}

#[test]
fn messages() {
    let mut some = rule(&["get", "create"], &[""], &["serviceaccounts/token"]);
    some["resourceNames"] = json!(["deployer", "ci"]);
    let rules = json!([some, rule(&["*"], &["*"], &["*"]), rule(&["create"], &[""], &["pods", "serviceaccounts/*"])]);
    let answer = answer(&create(&role(&rules)));
    assert_eq!(
        lines(&answer),
        [
            "token-issuing-roles: rules: `*` on `*` lets its holders issue tokens of every account; remove it, or exempt the role",
            "token-issuing-roles: rules: `create` on `serviceaccounts/token` lets its holders issue tokens of `ci`, `deployer`; remove it, or exempt the role",
        ]
    );
    assert_eq!(
        answer["warnings"],
        json!([
            "token-issuing-roles: rules: `serviceaccounts/*` grants nothing, since RBAC has no such wildcard; remove it, or name the subresources"
        ])
    );
}

const EXEMPT: &str = "remove it, or exempt the role";

#[rstest]
#[case::accounts(&["impersonate"], "", &["serviceaccounts"], format!("`impersonate` on `serviceaccounts` lets its holders act as every account; remove it, or exempt the role"))]
#[case::users(&["impersonate"], "", &["users"], format!("`impersonate` on `users` lets its holders act as every user; remove it, or exempt the role"))]
#[case::groups(&["impersonate"], "", &["groups"], format!("`impersonate` on `groups` lets its holders act as every group; remove it, or exempt the role"))]
#[case::escalate(&["escalate"], "rbac.authorization.k8s.io", &["roles"], format!("`escalate` on `roles` lets its holders grant permissions that they do not have, with every role; {EXEMPT}"))]
#[case::bind(&["bind"], "rbac.authorization.k8s.io", &["clusterroles"], format!("`bind` on `clusterroles` lets its holders grant permissions that they do not have, with every role; {EXEMPT}"))]
#[case::audiences(&["request-serviceaccounts-token-audience"], "", &["*"], "`request-serviceaccounts-token-audience` on `*` lets nodes request tokens for any audience; name the audiences in resources".to_owned())]
#[case::managed_identities(&["use-managed-identity"], "cid.wi.aks.azure.com", &["*"], "`use-managed-identity` on `*` lets its holders use every managed identity that is bound to the cluster; name the client IDs in resources".to_owned())]
fn messages_of_other_grants(
    #[case] verbs: &[&str],
    #[case] group: &str,
    #[case] resources: &[&str],
    #[case] expected: String,
) {
    let answer = answer(&create(&role(&json!([rule(verbs, &[group], resources)]))));
    assert_eq!(lines(&answer), [format!("token-issuing-roles: rules: {expected}")]);
}

#[test]
fn include_pod_creation() {
    let pods = rule(&["create"], &[""], &["pods"]);
    let jobs = rule(&["patch"], &["batch"], &["cronjobs"]);
    let controllers = rule(&["update"], &[""], &["replicationcontrollers"]);
    let debuggers = rule(&["patch"], &[""], &["pods/ephemeralcontainers"]);
    let request = create(&role(&json!([pods, jobs, controllers, debuggers])));
    assert!(accepts_silently(&answer(&request)));
    let settings = json!({"rules": {"token-issuing-roles": {"action": "reject", "includePodCreation": true}}});
    assert_eq!(
        lines(&answer_with(&settings, &request)),
        [
            "token-issuing-roles: rules: `create` on `pods` lets its holders run containers as any account of the namespace; remove it, or exempt the role",
            "token-issuing-roles: rules: `patch` on `cronjobs` lets its holders run containers as any account of the namespace; remove it, or exempt the role",
            "token-issuing-roles: rules: `patch` on `pods/ephemeralcontainers` lets its holders run containers as any account of the namespace; remove it, or exempt the role",
            "token-issuing-roles: rules: `update` on `replicationcontrollers` lets its holders run containers as any account of the namespace; remove it, or exempt the role",
        ]
    );
    for harmless in [rule(&["get", "update"], &[""], &["pods"]), rule(&["delete"], &["apps"], &["deployments"])] {
        assert!(accepts_silently(&answer_with(&settings, &create(&role(&json!([harmless]))))));
    }
}

/// A verb on everything is one finding, whatever it grants.
#[rstest]
#[case::everything(&["*"], &["*"], &["*"], 1)]
#[case::the_core_group(&["*"], &[""], &["*"], 1)]
#[case::impersonate_everything(&["impersonate"], &["*"], &["*"], 1)]
#[case::three_resources(&["impersonate"], &[""], &["users", "groups", "serviceaccounts"], 3)]
#[case::two_verbs(&["escalate", "bind"], &["rbac.authorization.k8s.io"], &["*"], 2)]
#[case::constrained_and_plain(&["*"], &["*"], &["serviceaccounts"], 1)]
fn one_finding_per_problem(
    #[case] verbs: &[&str],
    #[case] groups: &[&str],
    #[case] resources: &[&str],
    #[case] expected: usize,
) {
    let settings = json!({"rules": {"token-issuing-roles": {"action": "reject", "includePodCreation": true}}});
    let answer = answer_with(&settings, &create(&role(&json!([rule(verbs, groups, resources)]))));
    assert_eq!(lines(&answer).len(), expected, "{answer}");
}

#[rstest]
#[case::of_all(json!([]), "reject")]
#[case::of_a_role_that_hands_out_tokens(json!(["view", "edit"]), "reject")]
#[case::of_cluster_admin(json!(["cluster-admin"]), "reject")]
#[case::of_what_is_aggregated_to_edit(json!(["system:aggregate-to-edit"]), "reject")]
#[case::of_nodes(json!(["system:node"]), "reject")]
#[case::of_a_controller(json!(["system:controller:clusterrole-aggregation-controller"]), "reject")]
#[case::of_an_extension(json!(["system:auth-delegator"]), "fine")]
#[case::of_one_that_does_not(json!(["view"]), "fine")]
fn bind_by_name(#[case] names: Value, #[case] expected: &str) {
    let mut bind = rule(&["bind"], &["rbac.authorization.k8s.io"], &["clusterroles"]);
    bind["resourceNames"] = names;
    assert_eq!(outcome(&answer(&create(&role(&json!([bind]))))), expected);
}

const LISTED: &str = "7d6b0f14-7c0a-4b5a-9d43-2f6a1f6d9b10";
const UNLISTED: &str = "11111111-2222-3333-4444-555555555555";

/// The list of `azure-workload-identity` covers identities that RBAC grants.
#[rstest]
#[case::listed(&["use-managed-identity"], "cid.wi.aks.azure.com", LISTED, false)]
#[case::listed_in_upper_case(&["use-managed-identity"], "cid.wi.aks.azure.com", &LISTED.to_uppercase(), false)]
#[case::unlisted(&["use-managed-identity"], "cid.wi.aks.azure.com", UNLISTED, true)]
#[case::every_verb(&["*"], "cid.wi.aks.azure.com", UNLISTED, true)]
#[case::every_group(&["use-managed-identity"], "*", UNLISTED, true)]
#[case::another_verb(&["get"], "cid.wi.aks.azure.com", UNLISTED, false)]
#[case::another_group(&["use-managed-identity"], "wi.aks.azure.com", UNLISTED, false)]
#[case::not_a_client_id(&["use-managed-identity"], "cid.wi.aks.azure.com", "8f0b", false)]
fn allowed_managed_identities(#[case] verbs: &[&str], #[case] group: &str, #[case] id: &str, #[case] is_found: bool) {
    let object = role(&json!([rule(verbs, &[group], &[id])]));
    let found = |rules: Value| lines(&answer_with(&json!({"rules": rules}), &create(&object)));
    let expected = format!(
        "token-issuing-roles: rules: `{}` lets its holders use an identity that azure-workload-identity rejects: is not one of the allowed clients: {LISTED}; remove it, or exempt the role ({id})",
        verbs[0]
    );
    let list = json!({"clients": [LISTED]});
    assert_eq!(
        found(json!({"token-issuing-roles": "reject", "azure-workload-identity": list})),
        if is_found { vec![expected] } else { Vec::new() }
    );
    assert!(found(json!({"token-issuing-roles": "reject"})).is_empty());
    let others = json!({"action": "reject", "grants": ["tokens"]});
    assert!(found(json!({"token-issuing-roles": others, "azure-workload-identity": list})).is_empty());
}

#[test]
fn ratchet_of_managed_identities() {
    let settings =
        json!({"rules": {"token-issuing-roles": "reject", "azure-workload-identity": {"clients": [LISTED]}}});
    let with = |ids: &[&str]| role(&json!([rule(&["use-managed-identity"], &["cid.wi.aks.azure.com"], ids)]));
    let updated = |old: &Value, new: &Value| outcome(&answer_with(&settings, &update(old, new)));
    assert_eq!(updated(&with(&[UNLISTED]), &with(&[LISTED, UNLISTED])), "warn");
    assert_eq!(updated(&with(&["*"]), &with(&[UNLISTED])), "warn");
    assert_eq!(updated(&with(&[LISTED]), &with(&[LISTED, UNLISTED])), "reject");
}

#[rstest]
#[case::an_audience(&["request-serviceaccounts-token-audience"], "", &["vault"])]
#[case::a_client_id(&["use-managed-identity"], "cid.wi.aks.azure.com", &["8f0b"])]
#[case::another_group(&["use-managed-identity"], "wi.aks.azure.com", &["*"])]
#[case::uids(&["impersonate"], "authentication.k8s.io", &["uids"])]
#[case::half_of_it(&["impersonate:serviceaccount"], "authentication.k8s.io", &["serviceaccounts"])]
#[case::the_other_half(&["impersonate-on:serviceaccount:create"], "", &["serviceaccounts/token"])]
#[case::a_legacy_verb_in_the_new_group(&["impersonate"], "authentication.k8s.io", &["serviceaccounts"])]
fn accepts(#[case] verbs: &[&str], #[case] group: &str, #[case] resources: &[&str]) {
    assert!(accepts_silently(&answer(&create(&role(&json!([rule(verbs, &[group], resources)]))))));
}

/// Both verbs must be present, in one rule or in two.
#[rstest]
#[case::accounts("serviceaccount", "serviceaccounts", "every account")]
#[case::users("user-info", "users", "every user")]
#[case::any_node("arbitrary-node", "nodes", "every node")]
#[case::own_node("associated-node", "nodes", "the node that they run on")]
fn constrained_impersonation(#[case] mode: &str, #[case] resource: &str, #[case] whom: &str) {
    let (who, what) = (format!("impersonate:{mode}"), format!("impersonate-on:{mode}:create"));
    let first = rule(&[&who], &["authentication.k8s.io"], &[resource]);
    let second = rule(&[&what], &[""], &["serviceaccounts/token", "pods"]);
    let expected = format!(
        "token-issuing-roles: rules: `{who}` on `{resource}` together with `{what}` on `serviceaccounts/token`, `pods` lets its holders act as {whom}; remove one of them, or exempt the role"
    );
    for rules in [json!([first, second]), json!([second, first])] {
        assert_eq!(lines(&answer(&create(&role(&rules)))), std::slice::from_ref(&expected));
    }
    let other = rule(&["impersonate-on:other:create"], &[""], &["pods"]);
    assert!(accepts_silently(&answer(&create(&role(&json!([first, other]))))));
}

/// The verb wildcard of RBAC counts as the first verb, too.
#[test]
fn constrained_impersonation_by_wildcard() {
    let first = rule(&["*"], &["authentication.k8s.io"], &["serviceaccounts"]);
    let second = rule(&["impersonate-on:serviceaccount:list"], &[""], &["secrets"]);
    assert_eq!(
        lines(&answer(&create(&role(&json!([first, second]))))),
        [
            "token-issuing-roles: rules: `impersonate:serviceaccount` on `serviceaccounts` together with `impersonate-on:serviceaccount:list` on `secrets` lets its holders act as every account; remove one of them, or exempt the role"
        ]
    );
    let paths = json!({"verbs": ["*"], "nonResourceURLs": ["/metrics"]});
    assert_eq!(
        lines(&answer(&create(&role(&json!([first, paths]))))),
        [
            "token-issuing-roles: rules: `impersonate:serviceaccount` on `serviceaccounts` together with `*` on `/metrics` lets its holders act as every account; remove one of them, or exempt the role"
        ]
    );
}

/// Each case grants more than the role had.
#[rstest]
#[case::every_name(json!([{"verbs": ["impersonate:serviceaccount"], "apiGroups": ["authentication.k8s.io"], "resources": ["serviceaccounts"]}]))]
#[case::another_name(json!([{"verbs": ["impersonate:serviceaccount"], "apiGroups": ["authentication.k8s.io"], "resources": ["serviceaccounts"], "resourceNames": ["b"]}]))]
#[case::another_verb(json!([{"verbs": ["impersonate-on:serviceaccount:get", "impersonate-on:serviceaccount:delete"], "apiGroups": [""], "resources": ["pods"]}]))]
#[case::another_mode(json!([{"verbs": ["impersonate:user-info"], "apiGroups": ["authentication.k8s.io"], "resources": ["groups"]}, {"verbs": ["impersonate-on:user-info:get"], "apiGroups": [""], "resources": ["pods"]}]))]
fn bypass_by_old_finding(#[case] added: Value) {
    let had = json!([
        {"verbs": ["impersonate:serviceaccount"], "apiGroups": ["authentication.k8s.io"], "resources": ["serviceaccounts"], "resourceNames": ["a"]},
        {"verbs": ["impersonate-on:serviceaccount:get"], "apiGroups": [""], "resources": ["pods"]},
    ]);
    let all = [had.as_array().unwrap().clone(), added.as_array().unwrap().clone()].concat();
    assert_eq!(outcome(&answer(&update(&role(&had), &role(&had)))), "warn");
    assert_eq!(outcome(&answer(&update(&role(&had), &role(&json!(all))))), "reject");
}

#[rstest]
#[case::every_signer(json!([]), true)]
#[case::signer(json!(["example.com/mine", "kubernetes.io/kube-apiserver-client"]), true)]
#[case::signers_of_the_domain(json!(["kubernetes.io/*"]), true)]
#[case::serving(json!(["kubernetes.io/kubelet-serving", "example.com/mine"]), false)]
fn client_certificates(#[case] signers: Value, #[case] is_found: bool) {
    let mut rule = rule(&["approve"], &["certificates.k8s.io"], &["signers"]);
    rule["resourceNames"] = signers;
    let text = "token-issuing-roles: rules: `approve` on `signers` lets its holders act as every user, with a client certificate; remove it, or exempt the role";
    let expected: &[&str] = if is_found { &[text] } else { &[] };
    assert_eq!(lines(&answer(&create(&role(&json!([rule]))))), expected);
}

#[test]
fn client_certificates_of_nodes() {
    let mut rule = rule(&["approve"], &["certificates.k8s.io"], &["signers"]);
    rule["resourceNames"] = json!(["kubernetes.io/kube-apiserver-client-kubelet"]);
    assert_eq!(
        lines(&answer(&create(&role(&json!([rule]))))),
        [
            "token-issuing-roles: rules: `approve` on `signers` lets its holders act as every node, with a client certificate; remove it, or exempt the role"
        ]
    );
}

fn wide(verbs: &[&str], groups: &[&str], resources: &[&str], names: &[&str]) -> Value {
    json!({"verbs": verbs, "apiGroups": groups, "resources": resources, "resourceNames": names})
}

/// A role can be narrowed step by step, even if warnings are treated as rejections.
#[rstest]
#[case::group(&[wide(&["create"], &["", "apps"], &["serviceaccounts/token"], &[])], &[wide(&["create"], &[""], &["serviceaccounts/token"], &[])])]
#[case::resource(&[wide(&["create"], &[""], &["pods", "serviceaccounts/token"], &[])], &[wide(&["create"], &[""], &["serviceaccounts/token"], &[])])]
#[case::split(&[wide(&["create"], &["", "apps"], &["pods", "serviceaccounts/token"], &[])],
    &[wide(&["create"], &["apps"], &["pods"], &[]), wide(&["create"], &[""], &["serviceaccounts/token"], &[])])]
#[case::everything(&[wide(&["*"], &["*"], &["*"], &[])], &[wide(&["create"], &[""], &["serviceaccounts/token"], &[])])]
#[case::everything_of_a_group(&[wide(&["*"], &["", "apps"], &["*"], &[])], &[wide(&["*"], &[""], &["*"], &[])])]
#[case::subresource(&[wide(&["create"], &[""], &["*/token"], &[])], &[wide(&["create"], &[""], &["serviceaccounts/token"], &["a"])])]
#[case::names(&[wide(&["create"], &[""], &["serviceaccounts/token"], &["b", "a"])], &[wide(&["create"], &[""], &["serviceaccounts/token"], &["a"])])]
#[case::group_that_grants_nothing(&[wide(&["create"], &[""], &["serviceaccounts/token"], &[])], &[wide(&["create"], &["", "batch"], &["serviceaccounts/token"], &[])])]
fn narrowing(#[case] old: &[Value], #[case] new: &[Value]) {
    for settings in [
        json!({"rules": {"token-issuing-roles": "reject"}}),
        json!({"treatWarnAs": "reject", "rules": {"token-issuing-roles": "reject"}}),
    ] {
        assert_eq!(outcome(&answer_with(&settings, &update(&role(&json!(old)), &role(&json!(new))))), "warn");
        assert_eq!(outcome(&answer_with(&settings, &create(&role(&json!(new))))), "reject");
    }
}

/// `*/healthz` is a wildcard of resources, and grants nothing among URLs.
#[test]
fn bypass_by_url_wildcard() {
    let first = rule(&["impersonate:serviceaccount"], &["authentication.k8s.io"], &["serviceaccounts"]);
    let urls = |url: &str| json!({"verbs": ["impersonate-on:serviceaccount:get"], "nonResourceURLs": [url]});
    let changed = |old: &str, new: &str| {
        outcome(&answer(&update(&role(&json!([first, urls(old)])), &role(&json!([first, urls(new)])))))
    };
    assert_eq!(changed("/healthz", "/healthz"), "warn");
    assert_eq!(changed("*/healthz", "/healthz"), "reject");
}

/// The order within a rule does not matter.
#[test]
fn constrained_impersonation_in_another_order() {
    let first = rule(&["impersonate:serviceaccount"], &["authentication.k8s.io"], &["serviceaccounts"]);
    let (get, list) = ("impersonate-on:serviceaccount:get", "impersonate-on:serviceaccount:list");
    let old = rule(&[get, list], &[""], &["pods", "secrets"]);
    let new = rule(&[list, get], &[""], &["secrets", "pods"]);
    assert_eq!(outcome(&answer(&update(&role(&json!([first, old])), &role(&json!([first, new]))))), "warn");
}

/// Beyond the rules that are compared, unchanged rules are still old.
#[test]
fn many_rules() {
    let rules = |last: &str| {
        let names = (0..100).map(|number| format!("a{number}")).chain([last.to_owned()]);
        let rules: Vec<Value> =
            names.map(|name| wide(&["create"], &[""], &["serviceaccounts/token"], &[&name])).collect();
        role(&json!(rules))
    };
    assert_eq!(outcome(&answer(&update(&rules("x"), &rules("x")))), "warn");
    assert_eq!(lines(&answer(&update(&rules("x"), &rules("y")))).len(), 1);
}

#[rstest]
#[case::verb_of_workloads(&["create"], &["create", "update"])]
#[case::every_verb(&["create"], &["*"])]
fn bypass_by_widening_pod_creation(#[case] old: &[&str], #[case] new: &[&str]) {
    let settings = json!({"rules": {"token-issuing-roles": {"action": "reject", "includePodCreation": true}}});
    let with = |verbs: &[&str]| role(&json!([rule(verbs, &["apps"], &["deployments"])]));
    assert_eq!(outcome(&answer_with(&settings, &update(&with(old), &with(old)))), "warn");
    assert_eq!(outcome(&answer_with(&settings, &update(&with(old), &with(new)))), "reject");
}

/// A rule with an old finding can lose and gain what grants nothing, but nothing else.
#[rstest]
#[case::group_without_such_a_resource(json!({"apiGroups": ["", "rbac.authorization.k8s.io"]}), "warn")]
#[case::every_group(json!({"apiGroups": ["", "*"]}), "reject")]
#[case::other_group(json!({"apiGroups": ["", "example.com"]}), "warn")]
#[case::resource(json!({"resources": ["*/token", "serviceaccounts"]}), "reject")]
#[case::every_resource(json!({"resources": ["*/token", "*"]}), "reject")]
#[case::other_resource(json!({"resources": ["configmaps", "*/token"]}), "warn")]
#[case::name(json!({"resourceNames": ["a", "b"]}), "reject")]
#[case::every_name(json!({"resourceNames": []}), "reject")]
#[case::order(json!({"verbs": ["*", "get"]}), "warn")]
fn bypass_by_widening(#[case] change: Value, #[case] expected: &str) {
    let old = json!({"verbs": ["*"], "apiGroups": [""], "resources": ["*/token"], "resourceNames": ["a"]});
    let mut new = old.clone();
    for (key, value) in change.as_object().unwrap() {
        new[key] = value.clone();
    }
    assert_eq!(outcome(&answer(&update(&role(&json!([old])), &role(&json!([new]))))), expected);
}

/// One verb on everything is one finding, which becomes new with more API groups.
#[test]
fn bypass_by_widening_everything() {
    let all = |groups: &[&str]| role(&json!([rule(&["*"], groups, &["*"])]));
    let widened = answer(&update(&all(&[""]), &all(&["", "rbac.authorization.k8s.io"])));
    assert_eq!(
        lines(&widened),
        [
            "token-issuing-roles: rules: `*` on `*` lets its holders grant permissions that they do not have, with every role; remove it, or exempt the role"
        ]
    );
}

/// Acting as somebody else, holders may do everything that the second rule allows.
#[rstest]
#[case::group(json!({"apiGroups": ["", "apps"]}))]
#[case::resource(json!({"resources": ["pods", "secrets"]}))]
#[case::every_name(json!({"resourceNames": []}))]
fn bypass_by_widening_constrained_impersonation(#[case] change: Value) {
    let first = rule(&["impersonate:serviceaccount"], &["authentication.k8s.io"], &["serviceaccounts"]);
    let old = json!({"verbs": ["impersonate-on:serviceaccount:get"], "apiGroups": [""], "resources": ["pods"], "resourceNames": ["a"]});
    let mut new = old.clone();
    for (key, value) in change.as_object().unwrap() {
        new[key] = value.clone();
    }
    let changed = |new: &Value| outcome(&answer(&update(&role(&json!([first, old])), &role(&json!([first, new])))));
    assert_eq!(changed(&old), "warn");
    assert_eq!(changed(&new), "reject");
}

#[test]
fn bypass_by_widening_api_groups() {
    let core = role(&json!([rule(&["*"], &[""], &["*"])]));
    let all = role(&json!([rule(&["*"], &["*"], &["*"])]));
    assert_eq!(outcome(&answer(&update(&core, &core))), "warn");
    assert_eq!(outcome(&answer(&update(&core, &all))), "reject");
}

#[test]
fn configured_grants() {
    let rules = json!([
        rule(&["create"], &[""], &["serviceaccounts/token"]),
        rule(&["impersonate"], &[""], &["serviceaccounts"]),
        rule(&["impersonate:serviceaccount"], &["authentication.k8s.io"], &["serviceaccounts"]),
        rule(&["impersonate-on:serviceaccount:get"], &[""], &["pods"]),
        rule(&["escalate"], &["rbac.authorization.k8s.io"], &["roles"]),
        rule(&["request-serviceaccounts-token-audience"], &[""], &["*"]),
        rule(&["use-managed-identity"], &["cid.wi.aks.azure.com"], &["*"]),
    ]);
    let found = |grants: Value| {
        let settings = json!({"rules": {"token-issuing-roles": {"action": "reject", "grants": grants}}});
        lines(&answer_with(&settings, &create(&role(&rules)))).len()
    };
    // As in 0.1.
    assert_eq!(found(json!(["tokens"])), 1);
    assert_eq!(found(json!(["impersonation"])), 2);
    assert_eq!(found(json!(["escalation", "nodeAudiences", "managedIdentities"])), 3);
    assert_eq!(lines(&answer(&create(&role(&rules)))).len(), 6);
    let settings = json!({"rules": {"token-issuing-roles": {"action": "reject", "grants": ["token"]}}});
    assert_eq!(
        lines(&answer_with(&settings, &create(&role(&rules)))),
        ["rules.token-issuing-roles.grants[0]: unknown grant `token`; did you mean `tokens`?"]
    );
}

#[test]
fn actions() {
    let request = create(&role(&json!([rule(&["create"], &[""], &["serviceaccounts/token"])])));
    assert!(accepts_silently(&answer_with(&json!({}), &request)));
    assert_eq!(outcome(&answer_with(&json!({"rules": {"token-issuing-roles": "warn"}}), &request)), "warn");
    assert_eq!(answer(&request)["code"], json!(403));
}

/// Rules are read as the RBAC authorizer reads them.
#[rstest]
#[case(&["create"], &[""], &["serviceaccounts/token"], "reject")]
#[case(&["*"], &[""], &["serviceaccounts/token"], "reject")]
#[case(&["get", "*"], &["apps", "*"], &["pods", "serviceaccounts/token"], "reject")]
#[case(&["create"], &["*"], &["*"], "reject")]
#[case(&["create"], &[""], &["*"], "reject")]
#[case(&["create"], &[""], &["*/token"], "reject")]
#[case(&["create"], &[""], &["serviceaccounts/*"], "warn")]
#[case(&["create"], &[""], &["*/*"], "warn")]
#[case(&["create"], &[""], &["serviceaccounts/*", "serviceaccounts/token"], "reject")]
#[case(&["get"], &[""], &["serviceaccounts/*"], "fine")]
#[case(&["create"], &["apps"], &["*/*"], "fine")]
#[case(&["create"], &[""], &["serviceaccounts"], "fine")]
#[case(&["create"], &[""], &["serviceaccounts/tokens"], "fine")]
#[case(&["create"], &[""], &["pods/token"], "fine")]
#[case(&["create"], &["apps"], &["*"], "fine")]
#[case(&["create"], &["authentication.k8s.io"], &["serviceaccounts/token"], "fine")]
#[case(&["create"], &["authentication.k8s.io"], &["tokenrequests"], "fine")]
#[case(&["get", "list", "update"], &["*"], &["*"], "fine")]
#[case(&["Create"], &[""], &["serviceaccounts/token"], "fine")]
#[case(&[], &[""], &["serviceaccounts/token"], "fine")]
#[case(&["create"], &[], &["serviceaccounts/token"], "fine")]
#[case(&["create"], &[""], &[], "fine")]
fn grants(#[case] verbs: &[&str], #[case] groups: &[&str], #[case] resources: &[&str], #[case] expected: &str) {
    for kind in ["Role", "ClusterRole"] {
        let mut object = role(&json!([rule(&["get"], &[""], &["pods"]), rule(verbs, groups, resources)]));
        object["kind"] = json!(kind);
        assert_eq!(outcome(&answer(&create(&object))), expected, "{kind}");
    }
}

#[test]
fn rules_without_resources() {
    for rules in [
        json!(null),
        json!([]),
        json!([{"verbs": ["*"], "nonResourceURLs": ["*"]}]),
        json!([{"verbs": ["create"], "apiGroups": [""], "resources": null}]),
    ] {
        assert!(accepts_silently(&answer(&create(&role(&rules)))), "{rules}");
    }
}

/// The rules of an aggregated role come from other roles, and are checked,
/// whoever writes them.
#[test]
fn aggregated_role() {
    let mut old = role(&json!([]));
    old["kind"] = json!("ClusterRole");
    old["aggregationRule"] = json!({"clusterRoleSelectors": [{"matchLabels": {"x": "y"}}]});
    assert!(accepts_silently(&answer(&create(&old))));
    let mut new = old.clone();
    new["rules"] = json!([rule(&["create"], &[""], &["serviceaccounts/token"])]);
    let mut request = update(&old, &new);
    request["userInfo"] = json!({"username": "system:serviceaccount:kube-system:clusterrole-aggregation-controller"});
    request.as_object_mut().unwrap().remove("namespace");
    assert_eq!(outcome(&answer(&request)), "reject");
}

/// An old grant is a warning, wherever it is in the list now; a wider one is new.
#[test]
fn old_grants_warn() {
    let grant = |names: Value| json!({"verbs": ["create"], "apiGroups": [""], "resources": ["serviceaccounts/token"], "resourceNames": names});
    let pods = rule(&["get"], &[""], &["pods"]);
    let change = |old: &Value, new: &Value| outcome(&answer(&update(&role(old), &role(new))));
    let ci = grant(json!(["ci"]));
    assert_eq!(change(&json!([ci]), &json!([pods, ci])), "warn");
    assert_eq!(change(&json!([grant(json!(["a", "b"]))]), &json!([grant(json!(["b", "a", "a"]))])), "warn");
    assert_eq!(change(&json!([ci]), &json!([grant(json!(["ci", "admin"]))])), "reject");
    assert_eq!(change(&json!([ci]), &json!([grant(json!([]))])), "reject");
    assert_eq!(change(&json!([ci]), &json!([ci, rule(&["*"], &["*"], &["*"])])), "reject");
    assert_eq!(change(&json!([ci]), &json!([pods])), "fine");
    // Names that look like other text.
    assert_eq!(change(&json!([grant(json!(["every account"]))]), &json!([grant(json!([]))])), "reject");
    assert_eq!(change(&json!([grant(json!(["a, b"]))]), &json!([grant(json!(["a", "b"]))])), "reject");
}

/// Attempts to bypass the rule.
#[rstest]
#[case::mirror_annotation("annotations", json!({"kubernetes.io/config.mirror": "x"}))]
#[case::controlled("ownerReferences", json!([{"controller": true}]))]
#[case::kept_by_a_finalizer("deletionTimestamp", json!("2026-01-01T00:00:00Z"))]
#[case::labelled_as_a_default("labels", json!({"kubernetes.io/bootstrapping": "rbac-defaults"}))]
#[case::to_be_aggregated("labels", json!({"rbac.authorization.k8s.io/aggregate-to-view": "true"}))]
fn bypasses(#[case] key: &str, #[case] value: Value) {
    let was = role(&json!([]));
    let mut new = role(&json!([rule(&["create"], &[""], &["serviceaccounts/token"])]));
    new["metadata"][key] = value;
    assert_eq!(outcome(&answer(&update(&was, &new))), "reject");
}

#[test]
fn exemptions() {
    let request = create(&role(&json!([rule(&["*"], &["*"], &["*"])])));
    for (entry, expected) in [
        (json!({"names": ["r"]}), "fine"),
        (json!({"kinds": ["Role"]}), "fine"),
        (json!({"namespaces": ["shop"]}), "fine"),
        // A role belongs to no account.
        (json!({"serviceAccounts": ["*/*"]}), "reject"),
    ] {
        let settings = json!({"rules": {"token-issuing-roles": "reject"}, "exemptions": [entry]});
        assert_eq!(outcome(&answer_with(&settings, &request)), expected, "{entry}");
    }
}
