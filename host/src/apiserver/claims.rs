// SPDX-License-Identifier: Apache-2.0

//! The volumes of a StatefulSet's claims, which its controller adds to each Pod (`updateStorage` in
//! `pkg/controller/statefulset/stateful_set_utils.go`).

use crate::json::{at, text_at};
use serde_json::{Map, Value, json};

/// The names of the claims.
pub(super) fn names(stateful_set: &Value) -> impl Iterator<Item = &str> {
    let claims = at(stateful_set, "/spec/volumeClaimTemplates").and_then(Value::as_array);
    claims.into_iter().flatten().filter_map(|claim| text_at(claim, "/metadata/name"))
}

/// Adds the volumes to a Pod; they replace volumes with the same names.
pub(super) fn add_volumes(pod: &mut Map<String, Value>, stateful_set: &Value) {
    let owner = text_at(stateful_set, "/metadata/name").unwrap_or_default();
    let volumes: Vec<Value> = names(stateful_set)
        .map(|name| json!({"name": name, "persistentVolumeClaim": {"claimName": format!("{name}-{owner}-0")}}))
        .collect();
    let Some(spec) = pod.get_mut("spec").and_then(Value::as_object_mut) else { return };
    if volumes.is_empty() {
        return;
    }
    if let Some(existing) = spec.entry("volumes").or_insert_with(|| json!([])).as_array_mut() {
        existing.retain(|volume| !volumes.iter().any(|claim| claim.get("name") == volume.get("name")));
        existing.extend(volumes);
    }
}
