// SPDX-License-Identifier: Apache-2.0

//! Pods before and after admission.

mod envelope;
mod plugin;
mod validation;

use serde_json::{Value, json};

use super::{ApiError, ApiServer, RequestOptions, UserInfo};

const TOKEN_PATH: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

fn account(name: &str, automount: Option<bool>) -> Value {
    let mut account =
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": "shop"}});
    if let Some(automount) = automount {
        account["automountServiceAccountToken"] = automount.into();
    }
    account
}

fn pod(spec: &Value) -> Value {
    let mut pod = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"containers": [{"name": "web", "image": "registry.example.com/web:1.2"}]},
    });
    for (key, value) in spec.as_object().cloned().unwrap_or_default() {
        pod["spec"][key] = value;
    }
    pod
}

fn server() -> ApiServer {
    ApiServer::new(&[account("app", None), account("quiet", Some(false)), account("loud", Some(true))])
}

fn admitted(server: &ApiServer, object: Value) -> Value {
    server.request(object, &RequestOptions::default()).unwrap()["object"].take()
}

fn again(server: &ApiServer, object: &Value) -> Value {
    server.second_pass(object.clone(), &RequestOptions::default()).unwrap()
}

fn list<'a>(value: &'a Value, pointer: &str) -> &'a [Value] {
    value.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// The names of the volumes with a token.
fn token_volumes(pod: &Value) -> Vec<&str> {
    let has_token = |volume: &&Value| {
        list(volume, "/projected/sources").iter().any(|source| source.get("serviceAccountToken").is_some())
    };
    list(pod, "/spec/volumes").iter().filter(has_token).filter_map(|volume| volume["name"].as_str()).collect()
}

/// The names of the volumes that the containers mount at the token's path.
fn token_mounts(pod: &Value) -> Vec<&str> {
    let containers = list(pod, "/spec/initContainers").iter().chain(list(pod, "/spec/containers"));
    let mounts = containers.flat_map(|container| list(container, "/volumeMounts"));
    mounts.filter(|mount| mount["mountPath"] == TOKEN_PATH).filter_map(|mount| mount["name"].as_str()).collect()
}

/// Removes the token, as a webhook would.
fn remove_token(pod: &mut Value) {
    let names: Vec<String> = token_volumes(pod).into_iter().map(str::to_owned).collect();
    let is_token = |entry: &Value| names.iter().any(|name| entry["name"] == name.as_str());
    if let Some(volumes) = pod["spec"]["volumes"].as_array_mut() {
        volumes.retain(|volume| !is_token(volume));
    }
    for containers in ["initContainers", "containers"] {
        for container in pod["spec"][containers].as_array_mut().into_iter().flatten() {
            if let Some(mounts) = container["volumeMounts"].as_array_mut() {
                mounts.retain(|mount| !is_token(mount));
            }
        }
    }
}

/// A Pod after admission. Its account is `app`, because `default` has no special role here.
fn bare() -> Value {
    admitted(&server(), pod(&json!({"serviceAccountName": "app"})))
}
