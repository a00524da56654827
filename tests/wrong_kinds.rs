// SPDX-License-Identifier: Apache-2.0

//! Sets every field of a request to values of wrong types. If a rule reads the field, the policy rejects the request with its
//! path, without the value; other fields have no effect. Every field that a view declares is rejected at least once.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "all of it is a test")]

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use policy_testing::cluster::{FakeCluster, Known};
use serde_json::{Map, Value, json};
use serviceaccount_hygiene::guest;
use serviceaccount_hygiene::rules::RULES;

/// No response may contain it. It resembles the name of a token's Secret, so that rules that look for those read further.
const SECRET: &str = "s3cr3t-token-v4lue";

fn wrong_values() -> Vec<Value> {
    let mut values = vec![json!(null), json!(true), json!(7), json!(-1.5), json!(1e300), json!(u64::MAX)];
    values.extend([json!(SECRET), json!(""), json!([]), json!([null]), json!([SECRET]), json!([[SECRET]])]);
    values.extend([json!({}), json!({"x": SECRET}), json!([{"name": 7}]), json!({"name": [SECRET]})]);
    values
}

/// Fields that accept any value: their rules search the text, or read them as part of a map.
const ANY_VALUE: &[&str] = &[
    // Only its presence is checked.
    "deletionTimestamp",
    // Compared as text.
    "nodeSelector",
    "targetContainerName",
    // Only their presence is checked.
    "issuerFromConfig",
    "subjectFromConfig",
    // In the host's answers, not in requests.
    "allowed",
    "evaluationError",
    // Claims of a token, which is a string in the request.
    "iss",
    "kubernetes.io/serviceaccount/namespace",
    "kubernetes.io/serviceaccount/secret.name",
    "kubernetes.io/serviceaccount/service-account.name",
];

#[test]
fn wrong_kind_in_every_field() {
    let settings = strictest();
    let mut refused = BTreeSet::new();
    for request in requests() {
        let answer = |request: &Value| {
            let payload = json!({"request": request, "settings": settings}).to_string();
            serde_json::from_slice::<Value>(&guest::validate(payload.as_bytes(), &FakeCluster::new(Known::NotGranted)))
                .unwrap()
        };
        let good = answer(&request);
        assert_ne!(good.get("code"), Some(&json!(400)), "{good}");
        let mut pointers = Vec::new();
        walk(&request, &mut String::new(), &mut pointers);
        for pointer in pointers {
            for value in wrong_values() {
                let mut wrong = request.clone();
                *wrong.pointer_mut(&pointer).unwrap() = value.clone();
                let answer = answer(&wrong);
                match field_refused(&answer, &pointer, &value) {
                    Ok(field) => refused.extend(field),
                    Err(what) => panic!("{pointer} = {value}: {answer}: {what}"),
                }
            }
        }
    }
    let declared = declared(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
    assert!(declared.len() > 60, "only {} fields are declared: {declared:?}", declared.len());
    let takes_any = |key: &String| ANY_VALUE.contains(&key.as_str());
    let missed: Vec<_> = declared.difference(&refused).filter(|key| !takes_any(key)).collect();
    assert!(missed.is_empty(), "never refused: {missed:?}");
}

/// The field that the policy refuses to read, if any: it must be the changed field or below it. The error says what is wrong
/// with the response.
fn field_refused(answer: &Value, pointer: &str, value: &Value) -> Result<Option<String>, String> {
    if answer.get("code") != Some(&json!(400)) {
        let is_verdict = answer.get("accepted") == Some(&json!(true)) || answer.get("code") == Some(&json!(403));
        return if is_verdict { Ok(None) } else { Err("neither verdict nor reason".to_owned()) };
    }
    let message = answer.get("message").and_then(Value::as_str).unwrap_or_default();
    let message = message.strip_prefix("serviceaccount-hygiene: the request cannot be read: ").ok_or("another text")?;
    let (path, reason) = message.split_once(": must be ").ok_or("another reason")?;
    // If a stored Pod gets ephemeral containers, the paths refer to `object`.
    let field_path = written(pointer);
    // `null` means absent, except for entries of a list and for fields that must be present.
    let may_be_absent = !field_path.ends_with("[]") && !["object", "oldObject"].contains(&field_path.as_str());
    if !reason.contains(", is ") {
        Err("what is it?".to_owned())
    } else if message.contains(SECRET) {
        Err("the value is in the answer".to_owned())
    } else if ![&field_path, &field_path.replace("oldObject", "object")]
        .iter()
        .any(|field_path| without_entries(path).starts_with(*field_path))
    {
        Err(format!("another path than {field_path}"))
    } else if value.is_null() && may_be_absent {
        Err("null is refused".to_owned())
    } else {
        let field = pointer.rsplit('/').find(|step| step.parse::<usize>().is_err());
        Ok(field.map(|field| field.replace("~1", "/")))
    }
}

/// A pointer into the request in the format of messages, but without the names and indices of entries, which messages contain
/// if possible.
fn written(pointer: &str) -> String {
    let mut path = String::new();
    let mut is_map = false;
    for step in pointer.split('/').skip(1) {
        if is_map || step.parse::<usize>().is_ok() {
            path.push_str("[]");
        } else {
            path.push_str(if path.is_empty() { "" } else { "." });
            path.push_str(step);
        }
        is_map = matches!(step, "annotations" | "labels" | "userAnnotations");
    }
    let is_object = path.starts_with("object") || path.starts_with("oldObject");
    if is_object { path } else { ["request.", &path].concat() }
}

/// A path without the text in brackets.
fn without_entries(path: &str) -> String {
    let mut plain = String::new();
    for part in path.split_inclusive('[') {
        plain.push_str(part.split_once(']').map_or(part, |(_, behind)| behind));
        plain.push_str(if part.ends_with('[') { "]" } else { "" });
    }
    plain
}

/// Pointers to every field and entry of a value.
fn walk(value: &Value, pointer: &mut String, pointers: &mut Vec<String>) {
    let mut step = |key: &str, value: &Value| {
        let length = pointer.len();
        let _ = write!(pointer, "/{}", key.replace('~', "~0").replace('/', "~1"));
        pointers.push(pointer.clone());
        walk(value, pointer, pointers);
        pointer.truncate(length);
    };
    match value {
        Value::Object(map) => map.iter().for_each(|(key, value)| step(key, value)),
        Value::Array(list) => list.iter().enumerate().for_each(|(index, value)| step(&index.to_string(), value)),
        _ => {}
    }
}

/// Every rule that needs no parameters, with its strongest action.
fn strictest() -> Value {
    let mut rules = Map::new();
    for rule in RULES.iter().filter(|rule| !rule.injects()) {
        let mut with = rules.clone();
        with.insert(rule.id.to_owned(), json!("reject"));
        let answer = guest::validate_settings(json!({"rules": with}).to_string().as_bytes());
        if serde_json::from_slice::<Value>(&answer).unwrap().get("valid") == Some(&json!(true)) {
            rules = with;
        }
    }
    assert!(rules.len() > 20, "{rules:?}");
    json!({"rules": rules})
}

/// The keys of all views, from their declarations.
fn declared(folder: &Path) -> BTreeSet<String> {
    let mut keys = BTreeSet::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            keys.extend(declared(&path));
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        for view in text.split("\nview! {").skip(1) {
            let view = view.split("\n}").next().unwrap_or_default();
            let key = |line: &str| Some(line.split_once(" = \"")?.1.strip_suffix("\",")?.to_owned());
            keys.extend(view.lines().filter_map(key));
        }
    }
    keys
}

/// One request of each kind that is checked, with every field that a rule reads.
fn requests() -> Vec<Value> {
    let request = |group: &str, kind: &str, resource: &str, object: Value| {
        json!({
            "uid": "00000000-0000-4000-8000-000000000000",
            "kind": {"group": group, "version": "v1", "kind": kind},
            "resource": {"group": group, "version": "v1", "resource": resource},
            "name": "web", "namespace": "shop", "operation": "CREATE",
            "userInfo": {"username": "alice", "groups": ["people"]},
            "object": object,
        })
    };
    let metadata = json!({
        "name": "web", "generateName": "web-", "namespace": "shop",
        "annotations": {"eks.amazonaws.com/role-arn": "arn:aws:iam::123456789012:role/web", "kubernetes.io/service-account.name": "web"},
        "labels": {"azure.workload.identity/use": "true", "kubernetes.io/legacy-token-invalid-since": "2026-01-01"},
        "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web", "controller": false}],
    });
    let container = json!({
        "name": "web", "image": "registry.example.com/web:1",
        "command": ["java", "-Daws.accessKeyId=a"], "args": ["-Daws.roleArn=a", "-v"],
        "env": [
            {"name": "AWS_ROLE_ARN", "value": "arn:aws:iam::123456789012:role/web"},
            {"name": "AWS_SECRET_ACCESS_KEY", "valueFrom": {"secretKeyRef": {"name": "web-token-abcde", "key": "token"}}},
            {"name": "AWS_ACCESS_KEY_ID", "valueFrom": {"configMapKeyRef": {"name": "web", "key": "id"}}},
        ],
        "envFrom": [{"prefix": "AWS_", "secretRef": {"name": "web-token-abcde"}}, {"configMapRef": {"name": "web"}}],
        "volumeMounts": [{"name": "token", "mountPath": "/var/run/secrets/tokens"}],
    });
    let spec = json!({
        "automountServiceAccountToken": false, "serviceAccountName": "web", "serviceAccount": "web",
        "nodeSelector": {"iam.gke.io/gke-metadata-server-enabled": "true"}, "shareProcessNamespace": true, "hostPID": true, "hostNetwork": true,
        "containers": [container], "initContainers": [container],
        "volumes": [
            {"name": "kube-api-access-bcdfg", "projected": {"defaultMode": 420, "sources": [
                {"serviceAccountToken": {"path": "token", "audience": "", "expirationSeconds": 3607}},
                {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
                {"downwardAPI": {"items": [{"path": "namespace", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}}]}},
            ]}},
            {"name": "token", "projected": {"sources": [{"secret": {"name": "web-token-abcde", "items": [{"key": "token", "path": "t"}]}}]}},
            {"name": "legacy", "secret": {"secretName": "web-token-abcde"}},
            {"name": "node", "hostPath": {"path": "/var/lib/kubelet/pods"}},
            {"name": "spiffe", "csi": {"driver": "csi.spiffe.io"}},
            {"name": "identity", "projected": {"sources": [{"podCertificate": {
                "signerName": "example.com/mesh", "maxExpirationSeconds": 3600, "userAnnotations": {"example.com/dns": "web"},
            }}]}},
        ],
    });
    let pod = json!({"metadata": metadata, "spec": spec});
    let mut debugged = pod.clone();
    debugged["spec"]["ephemeralContainers"] = json!([{
        "name": "debug", "image": "debug", "targetContainerName": "web", "env": container["env"], "envFrom": container["envFrom"],
        "volumeMounts": container["volumeMounts"],
    }]);
    let mut ephemeral = request("", "Pod", "pods", debugged);
    ephemeral["operation"] = json!("UPDATE");
    ephemeral["subResource"] = json!("ephemeralcontainers");
    ephemeral["oldObject"] = pod.clone();
    let deployment = json!({"metadata": metadata, "spec": {"template": pod}});
    let mut rollout = request("apps", "Deployment", "deployments", deployment.clone());
    rollout["operation"] = json!("UPDATE");
    rollout["oldObject"] = deployment;
    let account = json!({
        "metadata": metadata, "automountServiceAccountToken": true,
        "secrets": [{"name": "web-token-abcde"}], "imagePullSecrets": [{"name": "registry"}],
    });
    let mut changed_account = request("", "ServiceAccount", "serviceaccounts", account.clone());
    changed_account["operation"] = json!("UPDATE");
    changed_account["oldObject"] = account.clone();
    let mut token = request(
        "authentication.k8s.io",
        "TokenRequest",
        "serviceaccounts",
        json!({
            "metadata": {"name": "web"},
            "spec": {"audiences": ["vault"], "expirationSeconds": 3600, "boundObjectRef": {"kind": "Pod", "name": "web"}},
        }),
    );
    token["subResource"] = json!("token");
    let rbac = "rbac.authorization.k8s.io";
    vec![
        request("", "Pod", "pods", pod),
        ephemeral,
        rollout,
        request("", "ServiceAccount", "serviceaccounts", account),
        changed_account,
        token,
        request(
            "",
            "Secret",
            "secrets",
            json!({"type": "kubernetes.io/service-account-token", "metadata": metadata, "data": {"token": "eA=="}}),
        ),
        request(
            rbac,
            "RoleBinding",
            "rolebindings",
            json!({
                "metadata": metadata, "roleRef": {"kind": "ClusterRole", "name": "view"},
                "subjects": [{"kind": "ServiceAccount", "name": "default", "namespace": "shop"}],
            }),
        ),
        request(
            rbac,
            "ClusterRole",
            "clusterroles",
            json!({
                "metadata": metadata,
                "rules": [{"verbs": ["create"], "apiGroups": [""], "resources": ["serviceaccounts/token"], "resourceNames": ["web"], "nonResourceURLs": []}],
            }),
        ),
        request(
            "",
            "Secret",
            "secrets",
            json!({"metadata": metadata, "data": {"AZURE_CLIENT_SECRET": "eA=="}, "stringData": {"id": "x"}}),
        ),
        request(
            "",
            "ConfigMap",
            "configmaps",
            json!({"metadata": metadata, "data": {"AZURE_CLIENT_SECRET": "x"}, "binaryData": {"id": "eA=="}}),
        ),
        request(
            "eks.services.k8s.aws",
            "PodIdentityAssociation",
            "podidentityassociations",
            json!({"metadata": metadata, "spec": {"namespace": "shop", "serviceAccount": "web",
                "roleARN": "arn:aws:iam::123456789012:role/web", "policy": "{}", "disableSessionTags": true}}),
        ),
        request(
            "managedidentity.azure.com",
            "FederatedIdentityCredential",
            "federatedidentitycredentials",
            json!({"metadata": metadata, "spec": {"owner": {"name": "web", "armId": "/subscriptions/1"}, "issuer": "i",
                "issuerFromConfig": {"name": "c"}, "subject": "system:serviceaccount:shop:web", "subjectFromConfig": {"name": "c"}}}),
        ),
        request(
            "iam.cnrm.cloud.google.com",
            "IAMPartialPolicy",
            "iampartialpolicies",
            json!({"metadata": metadata, "spec": {
                "resourceRef": {"kind": "IAMServiceAccount", "name": "web", "external": "web@my-project.iam.gserviceaccount.com"},
                "member": "serviceAccount:p.svc.id.goog[shop/web]", "role": "roles/iam.workloadIdentityUser",
                "bindings": [{"role": "roles/iam.workloadIdentityUser", "members": [
                    "serviceAccount:p.svc.id.goog[shop/web]", {"member": "serviceAccount:p.svc.id.goog[shop/web]"},
                ]}],
            }}),
        ),
        request(
            "",
            "PersistentVolume",
            "persistentvolumes",
            json!({"metadata": metadata, "spec": {"hostPath": {"path": "/var/lib/kubelet"}, "local": {"path": "/"},
                "mountOptions": ["bind"]}}),
        ),
    ]
}
