// SPDX-License-Identifier: Apache-2.0

//! Describes a request in a few words: its object, and the fields that concern tokens and identity.

use policy_host::shown;
use serde_json::Value;

/// `Pod team-a/web`, with the operation if it is not a CREATE.
pub(super) fn title(request: &Value) -> String {
    shown::text(&raw_title(request))
}

fn raw_title(request: &Value) -> String {
    let text = |pointer: &str| request.pointer(pointer).and_then(Value::as_str).filter(|text| !text.is_empty());
    let object = |pointer: &str| text(&format!("/object{pointer}")).or_else(|| text(&format!("/oldObject{pointer}")));

    let mut title = String::new();
    if let Some(operation) = text("/operation").filter(|operation| *operation != "CREATE") {
        title.push_str(operation);
        title.push(' ');
    }
    title.push_str(text("/kind/kind").unwrap_or("object"));
    if let Some(sub_resource) = text("/subResource") {
        title.push('/');
        title.push_str(sub_resource);
    }
    title.push(' ');
    if let Some(namespace) = text("/namespace") {
        title.push_str(namespace);
        title.push('/');
    }
    match (text("/name").or_else(|| object("/metadata/name")), object("/metadata/generateName")) {
        (Some(name), _) => title.push_str(name),
        (None, Some(prefix)) => {
            title.push_str(prefix);
            title.push('*');
        }
        (None, None) => title.push('?'),
    }
    title
}

/// The fields that the author set and that are relevant here.
pub(super) fn fields(object: &Value) -> String {
    shown::text(&raw_fields(object))
}

fn raw_fields(object: &Value) -> String {
    let kind = object.get("kind").and_then(Value::as_str).unwrap_or_default();
    let pod_spec = match kind {
        "Pod" => object.pointer("/spec"),
        "CronJob" => object.pointer("/spec/jobTemplate/spec/template/spec"),
        "PodTemplate" => object.pointer("/template/spec"),
        _ => object.pointer("/spec/template/spec"),
    };
    match (kind, pod_spec) {
        (_, Some(spec)) => pod(spec),
        ("ServiceAccount", _) => account(object),
        ("Secret", _) => text(object, "/type").map(|it| format!("type {it}")).unwrap_or_default(),
        ("TokenRequest", _) => token_request(object),
        ("RoleBinding" | "ClusterRoleBinding", _) => subjects(object),
        _ => String::new(),
    }
}

fn pod(spec: &Value) -> String {
    let account = text(spec, "/serviceAccountName").or_else(|| text(spec, "/serviceAccount")).unwrap_or("default");
    let mut parts = vec![account.to_owned()];
    if spec.get("automountServiceAccountToken").is_some() {
        parts.push(automount(spec));
    }
    for volume in spec.get("volumes").and_then(Value::as_array).into_iter().flatten() {
        let injected = text(volume, "/name").is_some_and(|name| name.starts_with("kube-api-access-"));
        for source in volume.pointer("/projected/sources").and_then(Value::as_array).into_iter().flatten() {
            if let Some(token) = source.get("serviceAccountToken").filter(|_| !injected) {
                parts.push(format!("{} token", text(token, "/audience").unwrap_or("API server")));
            }
        }
    }
    parts.join(", ")
}

fn account(account: &Value) -> String {
    const IDENTITIES: [&str; 3] = ["eks.amazonaws.com/", "iam.gke.io/", "azure.workload.identity/"];
    let annotations = account.pointer("/metadata/annotations").and_then(Value::as_object);
    let mut parts: Vec<_> = annotations
        .into_iter()
        .flatten()
        .filter(|(key, _)| IDENTITIES.iter().any(|prefix| key.starts_with(prefix)))
        .map(|(key, value)| {
            let key = key.split_once('/').map_or(key.as_str(), |(_, name)| name);
            // Only the name of a role; findings report what is wrong with the rest.
            let value = value.as_str().unwrap_or_default();
            format!("{key} {}", value.rsplit_once('/').map_or(value, |(_, name)| name))
        })
        .collect();
    if account.get("automountServiceAccountToken").is_some() || parts.is_empty() {
        parts.push(automount(account));
    }
    parts.join(", ")
}

fn automount(value: &Value) -> String {
    match value.get("automountServiceAccountToken").and_then(Value::as_bool) {
        Some(value) => format!("automount {value}"),
        None => "automount unset".to_owned(),
    }
}

fn token_request(object: &Value) -> String {
    let seconds = object.pointer("/spec/expirationSeconds").and_then(Value::as_i64);
    let audiences: Vec<_> = object
        .pointer("/spec/audiences")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let mut parts = Vec::from_iter(seconds.map(|seconds| format!("{seconds} s")));
    parts
        .push(format!("for {}", if audiences.is_empty() { "the API server".to_owned() } else { audiences.join(", ") }));
    parts.join(", ")
}

fn subjects(object: &Value) -> String {
    let subjects = object.get("subjects").and_then(Value::as_array).into_iter().flatten();
    let names: Vec<_> = subjects
        .filter_map(|subject| Some(format!("{} {}", text(subject, "/kind")?, text(subject, "/name")?)))
        .collect();
    names.join(", ")
}

fn text<'a>(value: &'a Value, pointer: &str) -> Option<&'a str> {
    value.pointer(pointer).and_then(Value::as_str).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    #[rstest]
    #[case(json!({"kind": "Pod", "spec": {}}), "default")]
    #[case(
        json!({"kind": "Deployment", "spec": {"template": {"spec": {"serviceAccountName": "a",
            "automountServiceAccountToken": true, "volumes": [{"name": "t", "projected": {"sources":
            [{"serviceAccountToken": {"audience": "vault"}}]}}]}}}}),
        "a, automount true, vault token"
    )]
    #[case(
        json!({"kind": "ServiceAccount", "metadata": {"annotations": {"eks.amazonaws.com/role-arn": "arn:x", "a": "b"}}}),
        "role-arn arn:x"
    )]
    #[case(
        json!({"kind": "ServiceAccount", "metadata": {"annotations": {"eks.amazonaws.com/role-arn": "arn:aws:iam::1:role/a"}}}),
        "role-arn a"
    )]
    #[case(json!({"kind": "ServiceAccount", "automountServiceAccountToken": false}), "automount false")]
    #[case(json!({"kind": "Secret", "type": "Opaque"}), "type Opaque")]
    #[case(json!({"kind": "TokenRequest", "spec": {"expirationSeconds": 600}}), "600 s, for the API server")]
    #[case(json!({"kind": "ConfigMap"}), "")]
    fn describes_objects(#[case] object: Value, #[case] expected: &str) {
        assert_eq!(fields(&object), expected);
    }

    #[rstest]
    #[case(json!({"kind": {"kind": "Pod"}, "operation": "CREATE", "namespace": "n", "name": "a"}), "Pod n/a")]
    #[case(
        json!({"kind": {"kind": "Pod"}, "operation": "CREATE", "namespace": "n",
            "object": {"metadata": {"generateName": "a-"}}}),
        "Pod n/a-*"
    )]
    #[case(
        json!({"kind": {"kind": "TokenRequest"}, "subResource": "token", "operation": "CREATE", "name": "a"}),
        "TokenRequest/token a"
    )]
    #[case(json!({"kind": {"kind": "Pod"}, "operation": "DELETE", "oldObject": {"metadata": {"name": "o"}}}), "DELETE Pod o")]
    fn requests_have_titles(#[case] request: Value, #[case] expected: &str) {
        assert_eq!(title(&request), expected);
    }
}
