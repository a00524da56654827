// SPDX-License-Identifier: Apache-2.0

//! Removes what decoding into the API server's structs and encoding them loses: nulls, and empty values of fields with
//! `omitempty` (`staging/src/k8s.io/api/core/v1/types.go` and the other groups).

use serde_json::{Map, Value};

/// Lists that are written even if they are empty: `rules` and `verbs` of roles (`rbac/v1/types.go`), `containers` and `sources`
/// of Pods.
const WRITTEN_LISTS: [&str; 4] = ["containers", "rules", "sources", "verbs"];

/// Maps that are not written if they are empty. Any other empty object is a pointer to a struct, which is written: `emptyDir`.
const MAPS: [&str; 10] = [
    "annotations",
    "binaryData",
    "data",
    "labels",
    "limits",
    "matchLabels",
    "nodeSelector",
    "overhead",
    "requests",
    "stringData",
];

/// Fields with `omitempty` that are not pointers, so that `false` and `""` are not written; these are the fields of a Pod.
const OF_POD: [&str; 8] =
    ["hostIPC", "hostNetwork", "hostPID", "hostname", "nodeName", "priorityClassName", "schedulerName", "subdomain"];
const OF_CONTAINER: [&str; 6] = ["image", "imagePullPolicy", "stdin", "stdinOnce", "tty", "workingDir"];
const OF_VARIABLE: [&str; 1] = ["value"];
const OF_MOUNT: [&str; 3] = ["readOnly", "subPath", "subPathExpr"];
const OF_TOKEN: [&str; 1] = ["audience"];

/// The origin of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// The request's body, which is JSON.
    Body,
    /// The store, which uses protobuf: empty lists become null.
    Store,
}

/// Decodes an object of a built-in kind, and encodes it again.
pub(super) fn reencode(object: &mut Value, origin: Origin) {
    if let Value::Object(fields) = object {
        reencode_fields(fields, origin);
    }
}

/// Removes the fields of a Pod that are empty and not written.
pub(super) fn reencode_pod_spec(spec: &mut Map<String, Value>) {
    omit(spec, &OF_POD);
    for containers in ["containers", "ephemeralContainers", "initContainers"] {
        for container in objects(spec, containers) {
            omit(container, &OF_CONTAINER);
            objects(container, "env").for_each(|variable| omit(variable, &OF_VARIABLE));
            objects(container, "volumeMounts").for_each(|mount| omit(mount, &OF_MOUNT));
        }
    }
    for volume in objects(spec, "volumes") {
        let Some(Value::Object(projected)) = volume.get_mut("projected") else {
            continue;
        };
        for source in objects(projected, "sources") {
            if let Some(Value::Object(token)) = source.get_mut("serviceAccountToken") {
                omit(token, &OF_TOKEN);
            }
        }
    }
}

fn reencode_fields(fields: &mut Map<String, Value>, origin: Origin) {
    fields.retain(|key, value| match value {
        Value::Null => false,
        Value::Array(entries) => !entries.is_empty() || WRITTEN_LISTS.contains(&key.as_str()),
        Value::Object(fields) => !fields.is_empty() || !MAPS.contains(&key.as_str()),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => true,
    });
    for value in fields.values_mut() {
        match value {
            Value::Array(entries) if entries.is_empty() && origin == Origin::Store => *value = Value::Null,
            _ => reencode_below(value, origin),
        }
    }
}

fn reencode_below(value: &mut Value, origin: Origin) {
    match value {
        Value::Object(fields) => reencode_fields(fields, origin),
        Value::Array(entries) => entries.iter_mut().for_each(|entry| reencode_below(entry, origin)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn omit(fields: &mut Map<String, Value>, names: &[&str]) {
    fields.retain(|key, value| {
        let is_zero = *value == Value::Bool(false) || value.as_str() == Some("");
        !is_zero || !names.contains(&key.as_str())
    });
}

fn objects<'f>(fields: &'f mut Map<String, Value>, key: &str) -> impl Iterator<Item = &'f mut Map<String, Value>> {
    let entries = fields.get_mut(key).and_then(Value::as_array_mut).into_iter().flatten();
    entries.filter_map(Value::as_object_mut)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn drops_empty_values() {
        for (origin, mut object, expected) in [
            (Origin::Body, json!({"a": null, "secrets": [], "labels": {}, "emptyDir": {}}), json!({"emptyDir": {}})),
            (Origin::Body, json!({"rules": [{"verbs": [], "resources": []}]}), json!({"rules": [{"verbs": []}]})),
            (Origin::Body, json!({"rules": []}), json!({"rules": []})),
            (Origin::Store, json!({"rules": []}), json!({"rules": null})),
            (Origin::Store, json!({"subjects": [], "a": [[], {"b": null}]}), json!({"a": [[], {}]})),
        ] {
            reencode(&mut object, origin);
            assert_eq!(object, expected);
        }
    }

    #[test]
    fn drops_zero_of_non_pointers() {
        let spec = json!({
            "hostPID": false,
            "hostNetwork": true,
            "automountServiceAccountToken": false,
            "containers": [{
                "name": "",
                "tty": false,
                "env": [{"name": "A", "value": ""}],
                "volumeMounts": [{"name": "v", "mountPath": "", "readOnly": false}],
            }],
            "volumes": [{"name": "v", "projected": {"sources": [{"serviceAccountToken": {"audience": "", "path": ""}}]}}],
        });
        let Value::Object(mut spec) = spec else { panic!("it is an object") };
        reencode_pod_spec(&mut spec);
        assert_eq!(
            Value::Object(spec),
            json!({
                "hostNetwork": true,
                "automountServiceAccountToken": false,
                "containers": [{
                    "name": "",
                    "env": [{"name": "A"}],
                    "volumeMounts": [{"name": "v", "mountPath": ""}],
                }],
                "volumes": [{"name": "v", "projected": {"sources": [{"serviceAccountToken": {"path": ""}}]}}],
            })
        );
    }
}
