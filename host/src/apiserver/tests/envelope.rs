// SPDX-License-Identifier: Apache-2.0

//! The request around the object.

use serde_json::{Value, json};

use super::*;

#[test]
fn rejects_creation_in_deleted_namespace() {
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}, "status": {"phase": "Terminating"}});
    let error = ApiServer::new(&[namespace]).request(pod(&json!({})), &RequestOptions::default()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "pods \"web\" is forbidden: unable to create new content in namespace shop because it is being terminated"
    );
}

#[test]
fn pod_envelope() {
    let mut object = pod(&json!({"automountServiceAccountToken": false}));
    object["metadata"] = json!({"name": "web", "creationTimestamp": null, "uid": "of-a-copied-pod"});
    let request = server().request(object, &RequestOptions::default()).unwrap();
    let uid = request["uid"].as_str().unwrap();
    assert_eq!(uid.split('-').map(str::len).collect::<Vec<_>>(), [8, 4, 4, 4, 12], "{uid}");
    let mut rest = request.clone();
    rest.as_object_mut().unwrap().retain(|key, _| key != "uid" && key != "object");
    assert_eq!(
        rest,
        json!({
            "kind": {"group": "", "version": "v1", "kind": "Pod"},
            "resource": {"group": "", "version": "v1", "resource": "pods"},
            "requestKind": {"group": "", "version": "v1", "kind": "Pod"},
            "requestResource": {"group": "", "version": "v1", "resource": "pods"},
            "name": "web",
            "namespace": "default",
            "operation": "CREATE",
            "userInfo": {"username": "kubernetes-admin", "groups": ["kubeadm:cluster-admins", "system:authenticated"]},
            "oldObject": null,
            "dryRun": false,
            "options": {
                "apiVersion": "meta.k8s.io/v1",
                "kind": "CreateOptions",
                "fieldManager": "kubectl-client-side-apply",
                "fieldValidation": "Strict",
            },
        })
    );
    assert_eq!(request["object"]["metadata"], json!({"name": "web", "namespace": "default"}));
}

#[test]
fn generate_name_leaves_names_empty() {
    let mut object = pod(&json!({}));
    object["metadata"] = json!({"generateName": "web-6d4cf56db6-", "namespace": "shop", "ownerReferences": [
        {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-6d4cf56db6", "uid": "u", "controller": true},
    ]});
    let request = server().request(object, &RequestOptions::default()).unwrap();
    assert_eq!(request.get("name"), None);
    assert_eq!(request["object"]["metadata"].get("name"), None);
    assert_eq!(request["userInfo"]["username"], "system:serviceaccount:kube-system:replicaset-controller");
    let error = server()
        .request(
            json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"generateName": "web-"}, "spec": {"serviceAccountName": "gone"}}),
            &RequestOptions::default(),
        )
        .unwrap_err();
    assert!(error.to_string().starts_with("pods \"web-\" is forbidden"), "{error}");
}

#[test]
fn resources_namespaces_and_operations() {
    for (api_version, kind, resource, namespace) in [
        ("apps/v1", "Deployment", "deployments", Some("shop")),
        ("v1", "ReplicationController", "replicationcontrollers", Some("shop")),
        ("v1", "ServiceAccount", "serviceaccounts", Some("shop")),
        ("rbac.authorization.k8s.io/v1", "ClusterRoleBinding", "clusterrolebindings", None),
        ("v1", "Namespace", "namespaces", Some("shop")),
        ("argoproj.io/v1alpha1", "Rollout", "rollouts", Some("shop")),
    ] {
        let object =
            json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": "shop", "namespace": "shop"}});
        let options = RequestOptions { old_object: Some(object.clone()), dry_run: true, ..RequestOptions::default() };
        let request = server().request(object, &options).unwrap();
        assert_eq!(request["resource"]["resource"], resource);
        assert_eq!(request.get("namespace").and_then(Value::as_str), namespace, "{kind}");
        assert_eq!(request["operation"], "UPDATE");
        assert_eq!(request["options"]["dryRun"], json!(["All"]));
        assert!(request["oldObject"].is_object());
    }
}

#[test]
fn token_request_envelope() {
    let object =
        json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"audiences": ["vault"]}});
    let options = RequestOptions {
        namespace: Some("shop".to_owned()),
        name: Some("app".to_owned()),
        user: Some(UserInfo { username: "alice".to_owned(), ..UserInfo::default() }),
        ..RequestOptions::default()
    };
    let request = server().request(object, &options).unwrap();
    assert_eq!(request["kind"]["kind"], "TokenRequest");
    assert_eq!(request["resource"], json!({"group": "", "version": "v1", "resource": "serviceaccounts"}));
    assert_eq!(request["subResource"], "token");
    assert_eq!(request["requestSubResource"], "token");
    assert_eq!(request["name"], "app");
    assert_eq!(request["userInfo"], json!({"username": "alice", "groups": ["system:authenticated"]}));
    assert_eq!(
        request["object"],
        json!({
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "metadata": {"namespace": "shop"},
            "spec": {"audiences": ["vault"], "expirationSeconds": 3600, "boundObjectRef": null},
            "status": {"token": "", "expirationTimestamp": null},
        })
    );
}

#[test]
fn raw_request_keeps_object() {
    let mut object = pod(&json!({"serviceAccountName": "gone", "volumes": null}));
    object["metadata"]["creationTimestamp"] = Value::Null;
    let request = ApiServer::raw_request(object.clone(), &RequestOptions::default()).unwrap();
    assert_eq!(request["object"], object);
    assert_eq!(request["namespace"], "shop");
}

#[test]
fn rejects_odd_input() {
    for (object, text) in [
        (json!("pod"), "the object must be an object, is a string"),
        (json!({}), "the object has no apiVersion"),
        (json!({"apiVersion": "v1"}), "the object has no kind"),
        (json!({"apiVersion": "v1", "kind": 7}), "kind: must be a string, is a number"),
        (json!({"apiVersion": "v1", "kind": "Pod", "metadata": []}), "metadata: must be an object, is a list"),
        (pod(&json!({"containers": {}})), "spec.containers: must be a list, is an object"),
        (pod(&json!({"containers": [true]})), "spec.containers[0]: must be an object, is a boolean"),
        (
            pod(&json!({"containers": [{"volumeMounts": [{"mountPath": 1}]}]})),
            "spec.containers[0].volumeMounts[0].mountPath: must be a string, is a number",
        ),
        (
            pod(&json!({"automountServiceAccountToken": "false"})),
            "spec.automountServiceAccountToken: must be a boolean, is a string",
        ),
        (
            pod(&json!({"volumes": [{"name": "v", "projected": {"sources": "all"}}]})),
            "spec.volumes[0].projected.sources: must be a list, is a string",
        ),
    ] {
        let error = server().request(object, &RequestOptions::default()).unwrap_err();
        assert_eq!(error, ApiError::BadRequest(text.to_owned()));
    }
}

#[test]
fn rejects_other_namespace() {
    let options = RequestOptions { namespace: Some("bank".to_owned()), ..RequestOptions::default() };
    let error = server().request(pod(&json!({})), &options).unwrap_err();
    assert_eq!(error.code(), 400);
}
