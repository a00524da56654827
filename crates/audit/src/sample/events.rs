// SPDX-License-Identifier: Apache-2.0

//! Events as the API server writes them at level `Metadata`.

use jiff::Timestamp;
use serde_json::{Value, json};

/// A call.
#[derive(Debug, Clone, Copy)]
pub(super) struct Call<'a> {
    pub user: &'a str,
    pub pod: Option<&'a str>,
    pub verb: &'a str,
    /// Group and resource; a subresource follows a slash.
    pub resource: (&'a str, &'a str),
    pub namespace: Option<&'a str>,
    pub code: u16,
}

/// The event of a call, on its own line. `id` makes it unique.
pub(super) fn event(call: &Call<'_>, id: u64, second: i64) -> Value {
    let time = Timestamp::from_second(second).unwrap_or_default().to_string();
    let (resource, subresource) = call.resource.1.split_once('/').unwrap_or((call.resource.1, ""));
    let root = if call.resource.0.is_empty() { "/api/v1".to_owned() } else { format!("/apis/{}/v1", call.resource.0) };
    let namespace = call.namespace.map(|it| format!("/namespaces/{it}")).unwrap_or_default();
    let decision = if call.code == 403 { "forbid" } else { "allow" };
    let mut user = json!({"username": call.user, "groups": ["system:authenticated"]});
    if let Some(pod) = call.pod {
        json_patch::merge(&mut user, &json!({"extra": {"authentication.kubernetes.io/pod-name": [pod]}}));
    }
    let mut target = json!({"resource": resource, "apiVersion": "v1"});
    let optional = [
        ("namespace", call.namespace.unwrap_or_default()),
        ("apiGroup", call.resource.0),
        ("subresource", subresource),
    ];
    for (key, value) in optional.into_iter().filter(|(_, value)| !value.is_empty()) {
        json_patch::merge(&mut target, &json!({ key: value }));
    }
    json!({
        "kind": "Event", "apiVersion": "audit.k8s.io/v1", "level": "Metadata",
        "auditID": format!("{:08x}-5b1e-4d7a-9c3f-{id:012x}", id % 0xffff_ffff), "stage": "ResponseComplete",
        "requestURI": format!("{root}{namespace}/{resource}?limit=500"), "verb": call.verb, "user": user,
        "sourceIPs": ["10.0.0.7"], "userAgent": "app/v1.4.2 (linux/amd64)", "objectRef": target,
        "responseStatus": {"metadata": {}, "code": call.code},
        "requestReceivedTimestamp": time, "stageTimestamp": time,
        "annotations": {"authorization.k8s.io/decision": decision, "authorization.k8s.io/reason": ""}
    })
}
