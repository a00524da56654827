// SPDX-License-Identifier: Apache-2.0

//! Compares with `plugin/pkg/admission/serviceaccount/admission_test.go` and the documentation of reinvocation.

use serde_json::{Value, json};

use super::*;

#[test]
fn automount_preference() {
    for (pod_says, account_name, mounted) in [
        (Some(false), "quiet", false),
        (Some(false), "app", false),
        (Some(false), "loud", false),
        (Some(true), "quiet", true),
        (Some(true), "app", true),
        (Some(true), "loud", true),
        (None, "quiet", false),
        (None, "app", true),
        (None, "loud", true),
    ] {
        let mut spec = json!({"serviceAccountName": account_name});
        if let Some(value) = pod_says {
            spec["automountServiceAccountToken"] = value.into();
        }
        let pod = admitted(&server(), pod(&spec));
        let expected = usize::from(mounted);
        assert_eq!(token_volumes(&pod).len(), expected, "Pod says {pod_says:?}, account is {account_name}");
        assert_eq!(token_mounts(&pod), token_volumes(&pod), "Pod says {pod_says:?}, account is {account_name}");
    }
}

#[test]
fn injects_documented_volume() {
    let pod = admitted(&server(), pod(&json!({"serviceAccountName": "app"})));
    let volume = &pod["spec"]["volumes"][0];
    let suffix = volume["name"].as_str().unwrap().strip_prefix("kube-api-access-").unwrap();
    assert_eq!(suffix.len(), 5);
    assert!(suffix.chars().all(|c| "bcdfghjklmnpqrstvwxz2456789".contains(c)), "{suffix}");
    assert_eq!(
        volume["projected"],
        json!({
            "defaultMode": 420,
            "sources": [
                {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
                {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
                {"downwardAPI": {"items": [
                    {"path": "namespace", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}}
                ]}},
            ],
        })
    );
    assert_eq!(
        pod["spec"]["containers"][0]["volumeMounts"],
        json!([{"name": volume["name"], "readOnly": true, "mountPath": TOKEN_PATH}])
    );
}

#[test]
fn volumes_of_openshift_and_old_versions() {
    let options = RequestOptions { openshift: true, without_injected_default_mode: true, ..RequestOptions::default() };
    let request = server().request(pod(&json!({})), &options).unwrap();
    let projected = &request["object"]["spec"]["volumes"][0]["projected"];
    assert_eq!(
        projected["sources"][3],
        json!({"configMap": {"name": "openshift-service-ca.crt", "items": [{"key": "service-ca.crt", "path": "service-ca.crt"}]}})
    );
    assert_eq!(projected.get("defaultMode"), None);
}

#[test]
fn existing_mount_counts_by_exact_path() {
    for (path, counts) in [
        (TOKEN_PATH, true),
        ("/var/run/secrets/kubernetes.io/serviceaccount/", false),
        ("/run/secrets/kubernetes.io/serviceaccount", false),
        ("/var/run/secrets/kubernetes.io", false),
    ] {
        let pod = admitted(
            &server(),
            pod(&json!({
                "volumes": [{"name": "mine", "emptyDir": {}}],
                "containers": [{"name": "web", "image": "web", "volumeMounts": [{"name": "mine", "mountPath": path}]}],
            })),
        );
        assert_eq!(token_volumes(&pod).is_empty(), counts, "{path}");
    }
}

#[test]
fn mounts_into_init_containers() {
    let pod = admitted(
        &server(),
        pod(&json!({"initContainers": [{"name": "proxy", "image": "proxy", "restartPolicy": "Always"}]})),
    );
    assert_eq!(token_mounts(&pod).len(), 2);
    assert_eq!(token_volumes(&pod).len(), 1);
}

#[test]
fn takes_first_volume_with_prefix() {
    for source in [
        json!({"emptyDir": {}}),
        json!({"secret": {"secretName": "app-token-b7x2k"}}),
        json!({"projected": {"sources": [{"serviceAccountToken": {"path": "token", "expirationSeconds": 31_536_000}}]}}),
    ] {
        let mut volume = json!({"name": "kube-api-access-mine"});
        volume.as_object_mut().unwrap().extend(source.as_object().unwrap().clone());
        let pod =
            admitted(&server(), pod(&json!({"volumes": [{"name": "tmp"}, volume, {"name": "kube-api-access-other"}]})));
        assert_eq!(list(&pod, "/spec/volumes").len(), 3);
        assert_eq!(token_mounts(&pod), ["kube-api-access-mine"]);
    }
}

#[test]
fn ignores_volume_without_automount() {
    let object = pod(&json!({"automountServiceAccountToken": false, "volumes": [{"name": "kube-api-access-mine"}]}));
    assert_eq!(token_mounts(&admitted(&server(), object)), [""; 0]);
}

#[test]
fn generated_names() {
    let first = admitted(&server(), pod(&json!({})));
    assert_eq!(first, admitted(&server(), pod(&json!({}))));
    let mut other = pod(&json!({}));
    other["metadata"]["name"] = "api".into();
    assert_ne!(token_volumes(&first), token_volumes(&admitted(&server(), other)));
    let mut stripped = first.clone();
    remove_token(&mut stripped);
    assert_ne!(token_volumes(&first), token_volumes(&again(&server(), &stripped)));
}

#[test]
fn patch_of_flag_alone_leaves_token() {
    let mut pod = bare();
    pod["spec"]["automountServiceAccountToken"] = false.into();
    assert_eq!(token_mounts(&again(&server(), &pod)).len(), 1);
}

#[test]
fn patch_of_volume_and_mounts_alone() {
    let mut pod = bare();
    remove_token(&mut pod);
    let stored = again(&server(), &pod);
    assert_eq!(token_volumes(&stored).len(), 1);
    assert_eq!(token_mounts(&stored), token_volumes(&stored));
}

#[test]
fn patch_of_flag_volume_and_mounts() {
    let mut pod = bare();
    pod["spec"]["automountServiceAccountToken"] = false.into();
    remove_token(&mut pod);
    let stored = again(&server(), &pod);
    assert_eq!((token_volumes(&stored), token_mounts(&stored)), (vec![], vec![]));
}

#[test]
fn patch_of_the_lifetime_holds() {
    let mut pod = bare();
    pod["spec"]["volumes"][0]["projected"]["sources"][0]["serviceAccountToken"]["expirationSeconds"] = 3600.into();
    assert_eq!(again(&server(), &pod), pod);
}

#[test]
fn patch_renames_volume() {
    let mut pod = bare();
    pod["spec"]["volumes"][0]["name"] = "api-token".into();
    pod["spec"]["containers"][0]["volumeMounts"][0]["name"] = "api-token".into();
    assert_eq!(again(&server(), &pod), pod);
}

#[test]
fn mounts_into_injected_containers() {
    let sidecar = json!({"name": "proxy", "image": "proxy"});
    let mut pod = bare();
    pod["spec"]["containers"].as_array_mut().unwrap().push(sidecar.clone());
    assert_eq!(token_mounts(&again(&server(), &pod)).len(), 2);

    pod["spec"]["automountServiceAccountToken"] = false.into();
    remove_token(&mut pod);
    assert_eq!(token_mounts(&again(&server(), &pod)).len(), 0);
}

#[test]
fn equalizes_name_and_alias() {
    for (spec, expected) in [
        (json!({}), "default"),
        (json!({"serviceAccount": "app"}), "app"),
        (json!({"serviceAccountName": "", "serviceAccount": "app"}), "app"),
        (json!({"serviceAccountName": "app"}), "app"),
        (json!({"serviceAccountName": "app", "serviceAccount": "quiet"}), "app"),
        (json!({"serviceAccountName": null, "serviceAccount": null}), "default"),
    ] {
        let pod = admitted(&server(), pod(&spec));
        assert_eq!(pod["spec"]["serviceAccountName"], expected, "{spec}");
        assert_eq!(pod["spec"]["serviceAccount"], expected, "{spec}");
    }
}

#[test]
fn rejects_change_of_one_name() {
    let mut pod = bare();
    pod["spec"]["serviceAccount"] = "quiet".into();
    assert_eq!(again(&server(), &pod)["spec"]["serviceAccount"], "app");
    pod["spec"]["serviceAccountName"] = "".into();
    assert_eq!(again(&server(), &pod)["spec"]["serviceAccountName"], "quiet");
}

#[test]
fn defaults_templates() {
    let template = json!({"spec": {
        "serviceAccount": "app",
        "volumes": [{"name": "t", "projected": {"sources": [{"serviceAccountToken": {"path": "t", "audience": "vault"}}]}}],
        "containers": [{"name": "web", "image": "web"}],
    }});
    for (api_version, kind, spec, path) in [
        ("apps/v1", "Deployment", json!({"spec": {"template": template}}), "/spec/template/spec"),
        (
            "batch/v1",
            "CronJob",
            json!({"spec": {"jobTemplate": {"spec": {"template": template}}}}),
            "/spec/jobTemplate/spec/template/spec",
        ),
        ("v1", "PodTemplate", json!({"template": template}), "/template/spec"),
    ] {
        let mut object = json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": "web"}});
        object.as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
        let object = admitted(&server(), object);
        let spec = object.pointer(path).unwrap();
        assert_eq!(spec["serviceAccountName"], "app", "{kind}");
        assert_eq!(spec.get("automountServiceAccountToken"), None, "{kind}");
        assert_eq!(
            spec["volumes"],
            json!([{"name": "t", "projected": {"defaultMode": 420, "sources": [
                {"serviceAccountToken": {"path": "t", "audience": "vault", "expirationSeconds": 3600}}
            ]}}]),
            "{kind}"
        );
        assert_eq!(spec["containers"][0].get("volumeMounts"), None, "{kind}");
    }
}

#[test]
fn defaults_volumes() {
    let spec = json!({"volumes": [
        {"name": "a"},
        {"name": "b", "secret": {"secretName": "s"}},
        {"name": "c", "configMap": {"name": "c", "defaultMode": 256}},
        {"name": "d", "downwardAPI": {"items": [{"path": "ns", "fieldRef": {"fieldPath": "metadata.namespace"}}]}},
    ]});
    let pod = admitted(&server(), pod(&spec));
    assert_eq!(
        list(&pod, "/spec/volumes")[..4],
        [
            json!({"name": "a", "emptyDir": {}}),
            json!({"name": "b", "secret": {"secretName": "s", "defaultMode": 420}}),
            json!({"name": "c", "configMap": {"name": "c", "defaultMode": 256}}),
            json!({"name": "d", "downwardAPI": {"defaultMode": 420, "items": [
                {"path": "ns", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}}
            ]}}),
        ]
    );
}

#[test]
fn rejects_absent_account() {
    let error = server().request(pod(&json!({"serviceAccountName": "gone"})), &RequestOptions::default()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "pods \"web\" is forbidden: error looking up service account shop/gone: serviceaccount \"gone\" not found"
    );
    assert_eq!(error.code(), 403);
}

#[test]
fn account_of_other_namespace() {
    let options = RequestOptions { namespace: Some("bank".to_owned()), ..RequestOptions::default() };
    let mut object = pod(&json!({"serviceAccountName": "app"}));
    object["metadata"].as_object_mut().unwrap().remove("namespace");
    let error = server().request(object, &options).unwrap_err();
    assert!(error.to_string().contains("bank/app"), "{error}");
}

#[test]
fn given_default_account() {
    let server = ApiServer::new(&[account("default", Some(false))]);
    assert_eq!(token_mounts(&admitted(&server, pod(&json!({})))), [""; 0]);
}

#[test]
fn copies_pull_secrets() {
    let mut with_secrets = account("app", None);
    with_secrets["imagePullSecrets"] = json!([{"name": "registry"}, {"name": "mirror"}]);
    let server = ApiServer::new(&[with_secrets]);
    let copied = admitted(&server, pod(&json!({"serviceAccountName": "app"})));
    assert_eq!(copied["spec"]["imagePullSecrets"], json!([{"name": "registry"}, {"name": "mirror"}]));
    let own = admitted(&server, pod(&json!({"serviceAccountName": "app", "imagePullSecrets": [{"name": "own"}]})));
    assert_eq!(own["spec"]["imagePullSecrets"], json!([{"name": "own"}]));
    assert_eq!(bare()["spec"].get("imagePullSecrets"), None);
}

fn mirror(spec: &Value) -> Value {
    let mut pod = pod(spec);
    pod["metadata"]["annotations"] = json!({"kubernetes.io/config.mirror": ""});
    pod
}

#[test]
fn skips_mirror_pods() {
    let pod = admitted(&server(), mirror(&json!({})));
    assert_eq!(pod["spec"], mirror(&json!({}))["spec"]);
}

#[test]
fn rejects_credentials_in_mirror_pods() {
    let projected = |source: Value| json!({"volumes": [{"name": "v", "projected": {"sources": [source]}}]});
    for (spec, why) in [
        (json!({"serviceAccountName": "app"}), "a mirror pod may not reference service accounts"),
        (json!({"volumes": [{"name": "v", "secret": {"secretName": "s"}}]}), "a mirror pod may not reference secrets"),
        (projected(json!({"secret": {"name": "s"}})), "a mirror pod may not reference secrets"),
        (json!({"imagePullSecrets": [{"name": "s"}]}), "a mirror pod may not reference secrets"),
        (
            projected(json!({"serviceAccountToken": {"path": "token"}})),
            "a mirror pod may not use ServiceAccountToken volume projections",
        ),
    ] {
        let error = server().request(mirror(&spec), &RequestOptions::default()).unwrap_err();
        assert_eq!(error.to_string(), format!("pods \"web\" is forbidden: {why}"));
    }
}

#[test]
fn enforces_mountable_secrets() {
    let mut strict = account("strict", None);
    strict["metadata"]["annotations"] = json!({"kubernetes.io/enforce-mountable-secrets": "t"});
    strict["secrets"] = json!([{"name": "mine"}]);
    let server = ApiServer::new(&[strict]);
    let env = |name: &str| json!([{"name": "KEY", "valueFrom": {"secretKeyRef": {"name": name, "key": "k"}}}]);
    let container = |env: Value| json!([{"name": "web", "image": "web", "env": env}]);
    let with = |extra: Value| {
        let mut pod = pod(&extra);
        pod["spec"]["serviceAccountName"] = "strict".into();
        server.request(pod, &RequestOptions::default()).map(|_| ()).map_err(|error| error.to_string())
    };
    let refused = |what: &str| {
        Err(format!(
            "pods \"web\" is forbidden: {what} is not allowed because service account strict does not reference that secret"
        ))
    };
    assert_eq!(with(json!({"containers": container(env("mine"))})), Ok(()));
    assert_eq!(
        with(json!({"containers": container(env("other"))})),
        refused("container web with envVar KEY referencing secret.secretName=\"other\"")
    );
    assert_eq!(
        with(json!({"volumes": [{"name": "v", "secret": {"secretName": "other"}}]})),
        refused("volume with secret.secretName=\"other\"")
    );
    let projected = json!({"volumes": [{"name": "v", "projected": {"sources": [{"secret": {"name": "other"}}]}}]});
    assert_eq!(with(projected), Ok(()));
}

#[test]
fn update_gets_no_token() {
    let old = bare();
    let mut object = old.clone();
    object["metadata"]["labels"] = json!({"tier": "web"});
    remove_token(&mut object);
    let options = RequestOptions { old_object: Some(old), ..RequestOptions::default() };
    let request = server().request(object, &options).unwrap();
    assert_eq!(token_volumes(&request["object"]), [""; 0]);
}
