// SPDX-License-Identifier: Apache-2.0

//! The result of each webhook for small Pods.

use serde_json::{Value, json};

use super::*;

const ROLE: &str = "arn:aws:iam::123456789012:role/app";
const AWS_PATH: &str = "/var/run/secrets/eks.amazonaws.com/serviceaccount";
const API_PATH: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// A server with the account `app`, which has these annotations.
fn server(annotations: &Value) -> ApiServer {
    let metadata = json!({"name": "app", "namespace": "shop", "annotations": annotations});
    ApiServer::new(&[json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata})])
}

/// A Pod of `app` that requests every webhook except those of AWS, which the account requests.
fn asking(spec: &Value) -> Value {
    let mut pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {
        "name": "web", "namespace": "shop",
        "labels": {"sidecar.istio.io/inject": "true"},
        "annotations": {"linkerd.io/inject": "enabled", "vault.hashicorp.com/agent-inject": "true"},
    }, "spec": {
        "serviceAccountName": "app", "serviceAccount": "app",
        "containers": [{"name": "web", "image": "web"}],
    }});
    for (key, value) in spec.as_object().cloned().unwrap_or_default() {
        pod["spec"][key] = value;
    }
    pod
}

fn called(webhook: Webhook, annotations: &Value, pod: &Value) -> Result<Value, String> {
    let server = server(annotations);
    let first = server.call(webhook, pod.clone(), &RequestOptions::default()).map_err(|error| error.to_string())?;
    // A second call changes nothing.
    let again = server.call(webhook, first.clone(), &RequestOptions::default());
    assert_eq!(again.as_ref(), Ok(&first), "{webhook} again");
    Ok(first)
}

fn irsa() -> Value {
    json!({"eks.amazonaws.com/role-arn": ROLE})
}

/// A container with or without the API token.
fn container(name: &str, has_token: bool) -> Value {
    let mut container = json!({"name": name, "image": name});
    if has_token {
        let mount = json!({"name": "kube-api-access-bcd24", "readOnly": true, "mountPath": API_PATH});
        container["volumeMounts"] = json!([mount]);
    }
    container
}

fn projected(name: &str, audience: &str, seconds: i64, path: &str) -> Value {
    let token = json!({"audience": audience, "expirationSeconds": seconds, "path": path});
    json!({"name": name, "projected": {"defaultMode": 420, "sources": [{"serviceAccountToken": token}]}})
}

fn memory(name: &str) -> Value {
    json!({"name": name, "emptyDir": {"medium": "Memory"}})
}

#[test]
fn irsa_order() {
    let pod = asking(&json!({
        "volumes": [{"name": "data", "emptyDir": {}}],
        "initContainers": [{"name": "setup", "image": "setup"}],
        "containers": [{"name": "web", "image": "web", "env": [{"name": "A", "value": "b"}]}],
    }));
    let pair = json!([
        {"name": "AWS_ROLE_ARN", "value": ROLE},
        {"name": "AWS_WEB_IDENTITY_TOKEN_FILE", "value": format!("{AWS_PATH}/token")},
    ]);
    let mount = json!([{"name": "aws-iam-token", "readOnly": true, "mountPath": AWS_PATH}]);
    let mut expected = pod.clone();
    expected["spec"]["volumes"] =
        json!([projected("aws-iam-token", "sts.amazonaws.com", 86_400, "token"), {"name": "data", "emptyDir": {}}]);
    expected["spec"]["initContainers"] =
        json!([{"name": "setup", "image": "setup", "env": pair, "volumeMounts": mount}]);
    expected["spec"]["containers"] = json!([{"name": "web", "image": "web",
        "env": [{"name": "A", "value": "b"}, pair[0], pair[1]], "volumeMounts": mount}]);
    assert_eq!(called(Webhook::Irsa, &irsa(), &pod), Ok(expected));
}

#[test]
fn irsa_options() {
    let token = |account: Value, pod_says: Option<&str>| {
        let mut account = account;
        account["eks.amazonaws.com/role-arn"] = ROLE.into();
        let mut pod = asking(&json!({}));
        if let Some(seconds) = pod_says {
            pod["metadata"]["annotations"]["eks.amazonaws.com/token-expiration"] = seconds.into();
        }
        let pod = called(Webhook::Irsa, &account, &pod).unwrap();
        let token = &pod["spec"]["volumes"][0]["projected"]["sources"][0]["serviceAccountToken"];
        // An empty audience is not written.
        let audience = token["audience"].as_str().unwrap_or_default().to_owned();
        (audience, token["expirationSeconds"].clone(), pod["spec"]["containers"][0]["env"][0].clone())
    };
    let role = json!({"name": "AWS_ROLE_ARN", "value": ROLE});
    let sts = json!({"name": "AWS_STS_REGIONAL_ENDPOINTS", "value": "regional"});
    for (account, pod_says, expected) in [
        (json!({"eks.amazonaws.com/token-expiration": "3600"}), None, ("sts.amazonaws.com", 3600, &role)),
        (json!({"eks.amazonaws.com/token-expiration": "3600"}), Some("7200"), ("sts.amazonaws.com", 7200, &role)),
        (json!({"eks.amazonaws.com/token-expiration": "3600"}), Some("1h"), ("sts.amazonaws.com", 3600, &role)),
        (json!({"eks.amazonaws.com/token-expiration": "7"}), None, ("sts.amazonaws.com", 600, &role)),
        (json!({"eks.amazonaws.com/audience": "corp"}), None, ("corp", 86_400, &role)),
        (json!({"eks.amazonaws.com/audience": ""}), None, ("", 86_400, &role)),
        (json!({"eks.amazonaws.com/sts-regional-endpoints": "T"}), None, ("sts.amazonaws.com", 86_400, &sts)),
        (json!({"eks.amazonaws.com/sts-regional-endpoints": "regional"}), None, ("sts.amazonaws.com", 86_400, &role)),
    ] {
        let (audience, seconds, first) = expected;
        assert_eq!(token(account, pod_says), (audience.to_owned(), seconds.into(), first.clone()));
    }
}

#[test]
fn eks_skip_containers() {
    let mut pod = asking(&json!({"containers": [container("web", false), container("cache", false)]}));
    pod["metadata"]["annotations"]["eks.amazonaws.com/skip-containers"] = "web, cache".into();
    let pod = called(Webhook::Irsa, &irsa(), &pod).unwrap();
    assert_eq!(pod["spec"]["containers"][0], container("web", false));
    assert_ne!(pod["spec"]["containers"][1], container("cache", false), "the blank is part of the name");
}

#[test]
fn eks_half_pairs_and_foreign_volumes() {
    let foreign = json!({"name": "aws-iam-token", "hostPath": {"path": "/x"}});
    let pod = asking(&json!({
        "volumes": [foreign],
        "containers": [{"name": "web", "image": "web", "env": [{"name": "AWS_ROLE_ARN", "value": "x"}]}],
    }));
    let mut expected = pod.clone();
    expected["spec"]["containers"][0]["volumeMounts"] =
        json!([{"name": "aws-iam-token", "readOnly": true, "mountPath": AWS_PATH}]);
    assert_eq!(called(Webhook::Irsa, &irsa(), &pod), Ok(expected));
}

#[test]
fn pod_identity_wins_over_role() {
    let path = "/var/run/secrets/pods.eks.amazonaws.com/serviceaccount";
    let name = "eks-pod-identity-token";
    let pod = asking(&json!({}));
    let mut expected = pod.clone();
    expected["metadata"]["labels"]["eks.amazonaws.com/pod-identity"] = "enabled".into();
    expected["spec"]["volumes"] = json!([projected(name, "pods.eks.amazonaws.com", 79_200, name)]);
    expected["spec"]["containers"][0]["env"] = json!([
        {"name": "AWS_CONTAINER_CREDENTIALS_FULL_URI", "value": "http://169.254.170.23/v1/credentials"},
        {"name": "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "value": format!("{path}/{name}")},
    ]);
    expected["spec"]["containers"][0]["volumeMounts"] = json!([{"name": name, "readOnly": true, "mountPath": path}]);
    assert_eq!(called(Webhook::EksPodIdentity, &irsa(), &pod), Ok(expected));
}

#[test]
fn istio_native_sidecar() {
    let pod = asking(&json!({"initContainers": [container("setup", true)], "containers": [container("web", true)]}));
    let mounts = json!([
        {"name": "workload-socket", "mountPath": "/var/run/secrets/workload-spiffe-uds"},
        {"name": "credential-socket", "mountPath": "/var/run/secrets/credential-uds"},
        {"name": "workload-certs", "mountPath": "/var/run/secrets/workload-spiffe-credentials"},
        {"name": "istiod-ca-cert", "mountPath": "/var/run/secrets/istio"},
        {"name": "istio-ca-crl", "mountPath": "/var/run/secrets/istio/crl"},
        {"name": "istio-data", "mountPath": "/var/lib/istio/data"},
        {"name": "istio-envoy", "mountPath": "/etc/istio/proxy"},
        {"name": "istio-token", "mountPath": "/var/run/secrets/tokens"},
        {"name": "istio-podinfo", "mountPath": "/etc/istio/pod"},
    ]);
    let info =
        |path: &str| json!({"path": path, "fieldRef": {"apiVersion": "v1", "fieldPath": format!("metadata.{path}")}});
    let mut expected = pod.clone();
    expected["spec"]["volumes"] = json!([
        {"name": "workload-socket", "emptyDir": {}},
        {"name": "credential-socket", "emptyDir": {}},
        {"name": "workload-certs", "emptyDir": {}},
        {"name": "istio-data", "emptyDir": {}},
        memory("istio-envoy"),
        {"name": "istio-podinfo", "downwardAPI": {"defaultMode": 420, "items": [info("labels"), info("annotations")]}},
        projected("istio-token", "istio-ca", 43_200, "istio-token"),
        {"name": "istiod-ca-cert", "configMap": {"defaultMode": 420, "name": "istio-ca-root-cert"}},
        {"name": "istio-ca-crl", "configMap": {"defaultMode": 420, "name": "istio-ca-crl", "optional": true}},
    ]);
    let image = "docker.io/istio/proxyv2";
    expected["spec"]["initContainers"] = json!([
        {"name": "istio-init", "image": image},
        {"name": "istio-proxy", "image": image, "restartPolicy": "Always", "volumeMounts": mounts},
        container("setup", true),
    ]);
    assert_eq!(called(Webhook::Istio, &json!({}), &pod), Ok(expected.clone()));

    let mut pod = pod;
    pod["metadata"]["annotations"]["sidecar.istio.io/nativeSidecar"] = "false".into();
    expected["metadata"] = pod["metadata"].clone();
    expected["spec"]["initContainers"] = json!([container("setup", true), {"name": "istio-init", "image": image}]);
    expected["spec"]["containers"] =
        json!([container("web", true), {"name": "istio-proxy", "image": image, "volumeMounts": mounts}]);
    assert_eq!(called(Webhook::Istio, &json!({}), &pod), Ok(expected));
}

#[test]
fn istio_completes_own_proxy() {
    let own = json!({"name": "istio-proxy", "image": "mine",
        "volumeMounts": [{"name": "mine", "mountPath": "/var/run/secrets/tokens"}]});
    let volumes = json!([{"name": "mine", "emptyDir": {}}]);
    let pod = asking(&json!({"initContainers": [own], "volumes": volumes}));
    let pod = called(Webhook::Istio, &json!({}), &pod).unwrap();
    let proxy = &pod["spec"]["initContainers"][1];
    assert_eq!((&proxy["name"], &proxy["image"]), (&json!("istio-proxy"), &json!("mine")));
    assert_eq!(proxy["volumeMounts"].as_array().map(Vec::len), Some(9));
    assert_eq!(proxy["volumeMounts"][0], own["volumeMounts"][0]);
    assert_eq!(pod["spec"]["containers"].as_array().map(Vec::len), Some(1));
}

#[test]
fn linkerd_copies_token_mount() {
    for has_token in [true, false] {
        let mounts = |own: Value| {
            let copied = json!({"name": "kube-api-access-bcd24", "mountPath": API_PATH, "readOnly": true});
            let own = own.as_array().cloned().unwrap_or_default();
            own.into_iter().chain(has_token.then_some(copied)).collect::<Value>()
        };
        let main = json!([container("web", has_token), container("cache", true)]);
        let pod = asking(&json!({"initContainers": [container("setup", true)], "containers": main}));
        let image = "cr.l5d.io/linkerd/proxy";
        let init = json!({"name": "linkerd-init", "image": image, "volumeMounts":
            mounts(json!([{"name": "linkerd-proxy-init-xtables-lock", "mountPath": "/run"}]))});
        let mut proxy = json!({"name": "linkerd-proxy", "image": image, "volumeMounts": mounts(json!([
            {"name": "linkerd-identity-end-entity", "mountPath": "/var/run/linkerd/identity/end-entity"},
            {"name": "linkerd-identity-token", "mountPath": "/var/run/secrets/tokens"},
        ]))});
        let mut expected = pod.clone();
        expected["spec"]["volumes"] = json!([
            {"name": "linkerd-proxy-init-xtables-lock", "emptyDir": {}},
            memory("linkerd-identity-end-entity"),
            projected("linkerd-identity-token", "identity.l5d.io", 86_400, "linkerd-identity-token"),
        ]);

        let mut plain = pod.clone();
        plain["metadata"]["annotations"]["config.linkerd.io/proxy-enable-native-sidecar"] = "false".into();
        let mut expected_plain = expected.clone();
        expected_plain["metadata"] = plain["metadata"].clone();
        expected_plain["spec"]["initContainers"] = json!([container("setup", true), init]);
        expected_plain["spec"]["containers"] = json!([proxy, main[0], main[1]]);
        assert_eq!(called(Webhook::Linkerd, &json!({}), &plain), Ok(expected_plain));

        proxy["restartPolicy"] = "Always".into();
        expected["spec"]["initContainers"] = json!([init, proxy, container("setup", true)]);
        assert_eq!(called(Webhook::Linkerd, &json!({}), &pod), Ok(expected));
    }
}

#[test]
fn linkerd_skips_pods_with_sidecar() {
    let meshed = called(Webhook::Istio, &json!({}), &asking(&json!({}))).unwrap();
    assert_eq!(called(Webhook::Linkerd, &json!({}), &meshed), Ok(meshed));
}

/// The Pod as the Vault Agent injector returns it, with this token for its agents.
fn with_agents(pod: &Value, volume: &str, path: &str) -> Value {
    let secrets = json!({"name": "vault-secrets", "mountPath": "/vault/secrets"});
    let agent = |name: &str, home: &str| {
        let mounts = json!([
            {"name": volume, "mountPath": path, "readOnly": true},
            {"name": home, "mountPath": "/home/vault"},
            secrets,
        ]);
        json!({"name": name, "image": "docker.io/hashicorp/vault", "volumeMounts": mounts})
    };
    let mut pod = pod.clone();
    pod["metadata"]["annotations"]["vault.hashicorp.com/agent-inject-status"] = "injected".into();
    let volumes = pod["spec"]["volumes"].as_array().cloned().unwrap_or_default();
    let own = ["home-init", "home-sidecar", "vault-secrets"].map(memory);
    pod["spec"]["volumes"] = volumes.into_iter().chain(own).collect();
    for (list, agent) in [
        ("initContainers", agent("vault-agent-init", "home-init")),
        ("containers", agent("vault-agent", "home-sidecar")),
    ] {
        let mut containers = pod["spec"][list].as_array().cloned().unwrap_or_default();
        for container in &mut containers {
            let mut mounts = container["volumeMounts"].as_array().cloned().unwrap_or_default();
            mounts.push(secrets.clone());
            container["volumeMounts"] = mounts.into();
        }
        containers.push(agent);
        pod["spec"][list] = containers.into();
    }
    pod
}

#[test]
fn vault_mounts_token_of_container() {
    let pod = asking(&json!({
        "initContainers": [container("setup", false)],
        "containers": [container("web", false), container("cache", true)],
    }));
    let expected = with_agents(&pod, "kube-api-access-bcd24", API_PATH);
    assert_eq!(called(Webhook::VaultAgent, &json!({}), &pod), Ok(expected));
}

#[test]
fn vault_mounts_named_volume() {
    let name = "vault.hashicorp.com/agent-service-account-token-volume-name";
    let volumes = json!([projected("vault-token", "vault", 600, "token")]);
    let mut pod = asking(&json!({"volumes": volumes, "containers": [container("web", true)]}));
    pod["metadata"]["annotations"][name] = "vault-token".into();
    let expected = with_agents(&pod, "vault-token", "/var/run/secrets/vault.hashicorp.com/serviceaccount");
    assert_eq!(called(Webhook::VaultAgent, &json!({}), &pod), Ok(expected));

    pod["spec"]["containers"][0]["volumeMounts"] = json!([{"name": "vault-token", "mountPath": "/run/vault"}]);
    let expected = with_agents(&pod, "vault-token", "/run/vault");
    assert_eq!(called(Webhook::VaultAgent, &json!({}), &pod), Ok(expected));

    pod["metadata"]["annotations"][name] = "no-such".into();
    let refusal = "admission webhook \"vault.hashicorp.com\" denied the request: error creating new agent sidecar: failed to find service account volume";
    assert_eq!(called(Webhook::VaultAgent, &json!({}), &pod), Err(refusal.to_owned()));
}

#[test]
fn vault_rejects_pod_without_token() {
    let refusal = "admission webhook \"vault.hashicorp.com\" denied the request: error creating new agent sidecar: failed to find service account volume mount";
    let pod = asking(&json!({"initContainers": [container("setup", true)]}));
    assert_eq!(called(Webhook::VaultAgent, &json!({}), &pod), Err(refusal.to_owned()), "init containers do not count");
}

/// The path contains `serviceaccount`, so the agent logs in with the token for AWS.
#[test]
fn vault_mounts_aws_token() {
    let pod = called(Webhook::Irsa, &irsa(), &asking(&json!({}))).unwrap();
    let expected = with_agents(&pod, "aws-iam-token", AWS_PATH);
    assert_eq!(called(Webhook::VaultAgent, &irsa(), &pod), Ok(expected));
}

#[test]
fn webhooks_skip_unmarked_pods() {
    let mut silent = asking(&json!({"containers": [container("web", true)]}));
    silent["metadata"] = json!({"name": "web", "namespace": "shop"});
    for webhook in [Webhook::Irsa, Webhook::Istio, Webhook::Linkerd, Webhook::VaultAgent] {
        assert_eq!(
            called(webhook, &json!({"eks.amazonaws.com/role-arn": ""}), &silent),
            Ok(silent.clone()),
            "{webhook}"
        );
    }
    let mut passed_by = silent.clone();
    passed_by["metadata"]["labels"] = json!({"eks.amazonaws.com/skip-pod-identity-webhook": "x"});
    for webhook in [Webhook::Irsa, Webhook::EksPodIdentity] {
        assert_eq!(called(webhook, &irsa(), &passed_by), Ok(passed_by.clone()), "{webhook}");
    }
    let mut of_the_node = asking(&json!({"hostNetwork": true}));
    of_the_node["metadata"]["annotations"]["vault.hashicorp.com/agent-inject"] = "false".into();
    for webhook in [Webhook::Istio, Webhook::Linkerd, Webhook::VaultAgent] {
        assert_eq!(called(webhook, &irsa(), &of_the_node), Ok(of_the_node.clone()), "{webhook}");
    }
}
