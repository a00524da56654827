// SPDX-License-Identifier: Apache-2.0

use policy_host::rbac::{Authorizer, Objects, User};
use rstest::rstest;
use serde_json::{Value, json};

use super::*;

/// The permissions of `shop/web` with these rules, bound cluster-wide or in a namespace.
fn permissions(bindings: &[(Option<&str>, Value)]) -> AccountPermissions {
    let mut objects = Objects::new("default");
    for (index, (namespace, rules)) in bindings.iter().enumerate() {
        let name = format!("r{index}");
        let metadata = json!({"name": name, "namespace": namespace});
        let binding = if namespace.is_some() { "RoleBinding" } else { "ClusterRoleBinding" };
        let subject = json!({"kind": "ServiceAccount", "name": "web", "namespace": "shop"});
        for object in [
            json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": name}, "rules": rules}),
            json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": binding, "metadata": metadata,
                "roleRef": {"kind": "ClusterRole", "name": name}, "subjects": [subject]}),
        ] {
            assert!(objects.add(&object).unwrap());
        }
    }
    let authorizer = Authorizer::new(&objects);
    PermissionCache::default().of(&authorizer.grants(&User::service_account("shop", "web")))
}

fn rule(verbs: &[&str], group: &str, resources: &[&str]) -> Value {
    json!([{"verbs": verbs, "apiGroups": [group], "resources": resources}])
}

#[rstest]
#[case::nothing(&[], Level::Nothing, &[])]
#[case::read(&[(Some("shop"), rule(&["get"], "", &["pods"]))], Level::Read, &["read pods"])]
#[case::many(&[(None, rule(&["get"], "", &["a", "b", "c", "d"]))], Level::Read, &["read 4 kinds"])]
#[case::write(&[(None, rule(&["patch"], "", &["configmaps"]))], Level::Write, &["change configmaps"])]
#[case::secrets(&[(None, rule(&["get"], "", &["secrets"]))], Level::Dangerous, &["read secrets cluster-wide"])]
#[case::secrets_here(&[(Some("shop"), rule(&["list"], "", &["secrets"]))], Level::Dangerous, &["read secrets in shop"])]
#[case::one_secret(&[(Some("shop"), json!([{"verbs": ["get"], "apiGroups": [""], "resources": ["secrets"], "resourceNames": ["a"]}]))], Level::Read, &["read secrets"])]
#[case::exec(&[(Some("shop"), rule(&["create"], "", &["pods/exec"]))], Level::Dangerous, &["run commands in pods in shop"])]
#[case::wildcard_verbs(&[(None, rule(&["*"], "apps", &["deployments"]))], Level::Dangerous, &["change workloads cluster-wide"])]
#[case::everything(&[(None, rule(&["*"], "*", &["*"])), (None, rule(&["get"], "", &["pods"]))], Level::Everything, &["everything cluster-wide"])]
#[case::everything_here(&[(Some("shop"), rule(&["*"], "*", &["*"])), (None, rule(&["get"], "", &["nodes"]))], Level::Everything, &["everything in shop", "change all resources of some API groups", "read nodes"])]
fn summary(#[case] bindings: &[(Option<&str>, Value)], #[case] level: Level, #[case] phrases: &[&str]) {
    let permissions = permissions(bindings);
    assert_eq!(
        (permissions.level, permissions.phrases.iter().map(String::as_str).collect::<Vec<_>>()),
        (level, phrases.to_vec())
    );
}

fn action(verb: &str, group: &str, resource: &str, scope: Scope) -> Action {
    Action { group: group.to_owned(), resource: resource.to_owned(), verb: verb.to_owned(), scope }
}

#[test]
fn more_than_was_used() {
    let pods = action("list", "", "pods", Scope::OwnNamespace);
    let secrets = |scope| action("get", "", "secrets", scope);
    let everything = permissions(&[(None, rule(&["*"], "*", &["*"]))]);
    assert_eq!(everything.beyond(std::slice::from_ref(&pods), "shop").as_deref(), Some("everything cluster-wide"));

    let wide = permissions(&[(None, rule(&["get"], "", &["secrets"])), (Some("shop"), rule(&["list"], "", &["pods"]))]);
    let beyond = |used: &[Action]| wide.beyond(used, "shop");
    assert_eq!(beyond(std::slice::from_ref(&pods)).as_deref(), Some("read secrets cluster-wide"), "not used");
    assert_eq!(beyond(&[secrets(Scope::OwnNamespace)]).as_deref(), Some("read secrets cluster-wide"), "only here");
    assert_eq!(beyond(&[secrets(Scope::OtherNamespace)]), None);
    assert_eq!(beyond(&[secrets(Scope::Cluster), secrets(Scope::OwnNamespace)]), None);

    let here = permissions(&[(Some("shop"), rule(&["get"], "", &["secrets"]))]);
    assert_eq!(here.beyond(&[secrets(Scope::OwnNamespace)], "shop"), None);
    assert_eq!(here.beyond(std::slice::from_ref(&pods), "shop").as_deref(), Some("read secrets in shop"));

    let kinds: Vec<String> = (0..20).map(|number| format!("kind{number}")).collect();
    let kinds: Vec<&str> = kinds.iter().map(String::as_str).collect();
    let many = permissions(&[(None, rule(&["get"], "", &kinds))]);
    assert_eq!(
        many.beyond(&[pods.clone(), pods.clone()], "shop").as_deref(),
        Some("20 pairs of verb and resource, 1 used")
    );
    let used = [pods, action("get", "", "kind1", Scope::Cluster), action("get", "", "kind2", Scope::Cluster)];
    assert_eq!(many.beyond(&used, "shop"), None);
}

#[test]
fn paths_are_not_resources() {
    let risk = ESCALATION_RISKS.iter().find(|it| it.words == "read secrets").unwrap();
    assert!(!risk.was_used(&action("get", "", "secrets", Scope::Path)));
    assert!(risk.was_used(&action("get", "", "secrets", Scope::Cluster)));
}
