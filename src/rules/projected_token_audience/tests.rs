// SPDX-License-Identifier: Apache-2.0
use rstest::rstest;
use serde_json::{Value, json};

use crate::testing::{
    admitted_pod, annotated_cluster, create, deployment, inject, only, outcome, plugin_volume, projected,
    quiet_cluster, reported, review, settings_problems, token, tokenless_pod, update,
};

const ID: &str = "projected-token-audience";

fn settings(params: &Value) -> Value {
    only(&json!({ID: params}))
}

fn pod(sources: &Value) -> Value {
    tokenless_pod(&json!({"volumes": [projected("api", sources)]}))
}

fn checked(object: &Value, params: &Value) -> Value {
    review(&create(object), &settings(params), &quiet_cluster())
}

#[test]
fn messages() {
    let reported = |sources: Value, params: Value| reported(&checked(&pod(&sources), &params), ID);
    assert_eq!(
        reported(json!([token("", 3600)]), json!("warn")),
        [
            "spec.volumes[api].projected.sources[token].serviceAccountToken.audience: is not set, so this is an API token; name the intended audience, or use automountServiceAccountToken: true"
        ]
    );
    assert_eq!(
        reported(json!([token("https://kubernetes.default.svc", 3600)]), json!("reject")),
        [
            "spec.volumes[api].projected.sources[token].serviceAccountToken.audience: `https://kubernetes.default.svc` is the Kubernetes API; name the intended audience, or use automountServiceAccountToken: true"
        ]
    );
    assert_eq!(
        reported(json!([token("vault", 3600)]), json!({"allowedAudiences": ["sts.amazonaws.com", "istio-*"]})),
        [
            "spec.volumes[api].projected.sources[token].serviceAccountToken.audience: `vault` is not an allowed audience; use one of sts.amazonaws.com, istio-*"
        ]
    );
}

/// What common webhooks inject, and the API server itself.
#[rstest]
#[case::irsa("aws-iam-token", "sts.amazonaws.com", 86400)]
#[case::irsa_randomised("aws-iam-token", "sts.amazonaws.com", 79_200)]
#[case::eks_pod_identity("eks-pod-identity-token", "pods.eks.amazonaws.com", 80_000)]
#[case::azure("azure-identity-token", "api://AzureADTokenExchange", 3600)]
#[case::istio("istio-token", "istio-ca", 43200)]
#[case::linkerd("linkerd-identity-token", "identity.l5d.io", 86400)]
#[case::vault("vault-token", "vault", 600)]
fn accepts_other_audiences(#[case] volume: &str, #[case] audience: &str, #[case] seconds: i64) {
    let pod = tokenless_pod(&json!({"volumes": [projected(volume, &json!([token(audience, seconds)]))]}));
    assert_eq!(checked(&pod, &json!("reject")), checked(&tokenless_pod(&json!({})), &json!("reject")));
    let cluster = annotated_cluster(&[
        ("eks.amazonaws.com/role-arn", "arn:aws:iam::123456789012:role/app"),
        ("azure.workload.identity/client-id", "6c9c0b1e-0000-0000-0000-000000000000"),
    ]);
    assert_eq!(outcome(&review(&create(&pod), &json!({}), &cluster)), "fine");
}

#[test]
fn accepts_plugin_volume() {
    assert_eq!(outcome(&checked(&admitted_pod(&json!({"serviceAccountName": "app"})), &json!("reject"))), "fine");
    assert_eq!(
        outcome(&checked(&admitted_pod(&json!({"automountServiceAccountToken": true})), &json!("reject"))),
        "fine"
    );
}

/// With a list, only audiences in it are accepted, and that of the API only by
/// its full name.
#[rstest]
#[case(json!(["vault"]), "vault", "fine")]
#[case(json!(["vault"]), "vault2", "reject")]
#[case(json!(["vault*"]), "vault2", "fine")]
#[case(json!(["*"]), "anyone", "fine")]
#[case(json!(["*"]), "", "reject")]
#[case(json!(["*"]), "api", "reject")]
#[case(json!(["https://*"]), "https://kubernetes.default.svc", "reject")]
#[case(json!(["https://kubernetes.default.svc"]), "https://kubernetes.default.svc", "fine")]
#[case(json!(["https://kubernetes.default.svc"]), "https://kubernetes.default.svc.cluster.local", "reject")]
#[case(json!(["https://kubernetes.default.svc"]), "", "reject")]
#[case(json!([]), "anyone", "fine")]
#[case(json!(null), "anyone", "fine")]
fn allowed_audiences(#[case] allowed: Value, #[case] audience: &str, #[case] expected: &str) {
    let params = json!({"action": "reject", "allowedAudiences": allowed});
    assert_eq!(outcome(&checked(&pod(&json!([token(audience, 3600)])), &params)), expected);
}

/// Ways to get an API token despite a ban on automounting.
#[rstest]
#[case::plain(json!({"volumes": [projected("api", &json!([token("", 3600)]))]}))]
#[case::null_audience(json!({"volumes": [projected("api", &json!([{"serviceAccountToken": {"path": "t", "audience": null}}]))]}))]
#[case::empty_audience(json!({"volumes": [projected("api", &json!([{"serviceAccountToken": {"path": "t", "audience": ""}}]))]}))]
#[case::the_issuers_own_url(json!({"volumes": [projected("api", &json!([token("https://oidc.eks.eu-west-1.amazonaws.com/id/ABC", 3600)]))]}))]
#[case::the_issuer_by_a_setting(json!({"volumes": [projected("api", &json!([token("https://issuer.example", 3600)]))]}))]
#[case::another_file(json!({"volumes": [projected("api", &json!([{"serviceAccountToken": {"path": "cache/x"}}]))]}))]
#[case::behind_another_source(json!({"volumes": [projected("api", &json!([{"configMap": {"name": "c"}}, token("", 3600)]))]}))]
#[case::second_of_two_tokens(json!({"volumes": [projected("api", &json!([token("vault", 600), {"serviceAccountToken": {"path": "t2"}}]))]}))]
#[case::second_volume(json!({"volumes": [{"name": "a", "emptyDir": {}}, projected("b", &json!([token("", 3600)]))]}))]
#[case::name_of_a_mesh(json!({"volumes": [projected("istio-token", &json!([token("", 43200)]))]}))]
#[case::name_of_the_plugin(json!({"volumes": [projected("kube-api-access-x", &json!([token("", 3600)]))]}))]
#[case::the_plugins_shape_under_false(json!({"volumes": [plugin_volume()]}))]
#[case::mounted_nowhere(json!({"volumes": [projected("api", &json!([token("", 3600)]))], "containers": [{"name": "web", "image": "i"}]}))]
fn bypass(#[case] more: Value) {
    let mut settings = settings(&json!("reject"));
    settings["extraApiAudiences"] = json!(["https://issuer.example"]);
    let reviewed = |object: &Value| outcome(&review(&create(object), &settings, &quiet_cluster()));
    assert_eq!(reviewed(&tokenless_pod(&more)), "reject");
    // The same in a template.
    let mut spec = more;
    spec["automountServiceAccountToken"] = json!(false);
    assert_eq!(reviewed(&deployment(&spec)), "reject");
}

/// It does not matter where and how a container mounts the token.
#[rstest]
#[case(json!({"mountPath": "/var/run/secrets/kubernetes.io/serviceaccount"}))]
#[case(json!({"mountPath": "/var/run/secrets/kubernetes.io/serviceaccount/"}))]
#[case(json!({"mountPath": "/run/secrets/kubernetes.io/serviceaccount"}))]
#[case(json!({"mountPath": "/var/run/secrets/kubernetes.io/serviceaccount/token", "subPath": "token"}))]
#[case(json!({"mountPath": "/cache"}))]
fn bypass_by_mount(#[case] mut mount: Value) {
    mount["name"] = json!("api");
    let pod = tokenless_pod(&json!({
        "containers": [{"name": "web", "image": "i", "volumeMounts": [mount]}],
        "volumes": [projected("api", &json!([token("", 3600)]))],
    }));
    assert_eq!(outcome(&checked(&pod, &json!("reject"))), "reject");
}

/// A template has no volume of the plugin: what looks like one was copied.
#[test]
fn template_with_plugin_shape() {
    let template = deployment(&json!({"volumes": [plugin_volume()]}));
    assert_eq!(outcome(&checked(&template, &json!("reject"))), "reject");
}

/// The fix of `pod-automount` may leave the plugin's volume to a container.
#[rstest]
#[case::kept(json!([["kuma-sidecar", true], ["web", false]]), "fine")]
#[case::mounted_by_another_too(json!([["kuma-sidecar", true], ["web", true]]), "reject")]
#[case::mounted_by_nobody(json!([["kuma-sidecar", false], ["web", false]]), "reject")]
fn kept_volume(#[case] containers: Value, #[case] expected: &str) {
    let container = |entry: &Value| {
        let name = entry[0].as_str().unwrap();
        let mounts =
            if entry[1] == true { json!([{"name": "kube-api-access-bcd24", "mountPath": "/t"}]) } else { json!([]) };
        json!({"name": name, "image": "kumahq/kuma-dp:2", "volumeMounts": mounts})
    };
    let containers: Vec<Value> = containers.as_array().unwrap().iter().map(container).collect();
    let mut pod = tokenless_pod(&json!({"containers": containers, "volumes": [plugin_volume()]}));
    let keepers = json!([{"name": "kuma-sidecar", "image": "docker.io/kumahq/kuma-dp:*"}]);
    let settings = only(&json!({ID: "reject", "pod-automount": {"action": "off", "tokenContainers": keepers}}));
    let reviewed = |pod: &Value| outcome(&review(&create(pod), &settings, &quiet_cluster()));
    assert_eq!(reviewed(&pod), expected);
    // But not if containers can see each other's files.
    pod["spec"]["shareProcessNamespace"] = json!(true);
    assert_eq!(reviewed(&pod), "reject");
}

/// Each of several volumes is checked separately.
#[test]
fn kept_volumes() {
    let names = ["kube-api-access-zzzzz", "kube-api-access-bbbbb", "kube-api-access-ddddd"];
    let volume = |name: &str| {
        let mut volume = plugin_volume();
        volume["name"] = json!(name);
        volume
    };
    let mount = |name: &str| json!({"name": name, "mountPath": format!("/{name}")});
    let pod = tokenless_pod(&json!({
        "containers": [
            {"name": "kuma-sidecar", "image": "kumahq/kuma-dp:2", "volumeMounts": names.map(mount)},
            {"name": "web", "image": "i", "volumeMounts": [mount(names[2])]},
        ],
        "volumes": names.map(volume),
    }));
    let keepers = json!([{"name": "kuma-sidecar", "image": "docker.io/kumahq/kuma-dp:*"}]);
    let settings = only(&json!({ID: "reject", "pod-automount": {"action": "off", "tokenContainers": keepers}}));
    let lines = reported(&review(&create(&pod), &settings, &quiet_cluster()), ID);
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].starts_with("spec.volumes[kube-api-access-ddddd]."));
}

#[test]
fn exempt_pod() {
    let mut settings = settings(&json!("reject"));
    settings["exemptions"] = json!([{"rules": [ID], "serviceAccounts": ["shop/app"]}]);
    assert_eq!(outcome(&review(&create(&pod(&json!([token("", 3600)]))), &settings, &quiet_cluster())), "fine");
}

#[test]
fn old_problem_warns() {
    let with = |audience: &str, label: &str| {
        let mut object = deployment(&json!({"volumes": [projected("api", &json!([token(audience, 3600)]))]}));
        object["metadata"]["labels"] = json!({"a": label});
        object
    };
    let reviewed =
        |old: &Value, new: &Value| outcome(&review(&update(old, new), &settings(&json!("reject")), &quiet_cluster()));
    assert_eq!(reviewed(&with("api", "1"), &with("api", "2")), "warn");
    assert_eq!(reviewed(&with("api", "1"), &with("k3s", "2")), "reject");
    assert_eq!(reviewed(&with("vault", "1"), &with("", "2")), "reject");
    assert_eq!(reviewed(&with("", "1"), &with("vault", "2")), "fine");
}

#[test]
fn windows_pod() {
    let mut pod = admitted_pod(&json!({"serviceAccountName": "app", "nodeSelector": {"kubernetes.io/os": "windows"}}));
    assert_eq!(outcome(&checked(&pod, &json!("reject"))), "fine");
    pod["spec"]["automountServiceAccountToken"] = json!(false);
    assert_eq!(outcome(&checked(&pod, &json!("reject"))), "reject");
    inject(&mut pod);
    assert_eq!(reported(&checked(&pod, &json!("reject")), ID).len(), 1);
}

#[test]
fn rejects_wrong_parameters() {
    let problems =
        settings_problems(&settings(&json!({"action": "mutate", "allowedAudiences": ["", "a b"], "allowed": []})));
    assert_eq!(
        problems,
        [
            "rules.projected-token-audience.action: unknown value `mutate`, must be one of off, warn, reject",
            "rules.projected-token-audience.allowedAudiences[0]: is empty; remove it, or write what it is to match",
            "rules.projected-token-audience.allowedAudiences[1]: has a blank or control character, so it cannot match anything (a b)",
        ]
    );
}
