// SPDX-License-Identifier: Apache-2.0

//! Payloads that no API server sends. Whatever comes, the answer is a well-formed acceptance, or a rejection with
//! code 400 or 403; never a trap, never an error of the guest.

use std::sync::Arc;

use e2e_tests::engine::Engine;
use libtest_mimic::{Failed, Trial};
use serde_json::{Value, json};

use crate::failed;

pub fn trials(engine: &Arc<Engine>) -> Vec<Trial> {
    let trial = |(name, payload): (&str, Vec<u8>)| {
        let engine = Arc::clone(engine);
        Trial::test(format!("hostile::{name}"), move || is_answered(&engine, &payload))
    };
    payloads().into_iter().map(trial).collect()
}

fn is_answered(engine: &Engine, payload: &[u8]) -> Result<(), Failed> {
    let bytes = engine.evaluate_raw(payload).map_err(failed)?;
    let response: Value = serde_json::from_slice(&bytes).map_err(failed)?;
    let accepted = response.get("accepted").and_then(Value::as_bool);
    let code = response.get("code").and_then(Value::as_u64);
    match (accepted, code) {
        (Some(true), None) | (Some(false), Some(400 | 403)) => Ok(()),
        _ => Err(format!("neither accepted nor rejected with 400 or 403: {response}").into()),
    }
}

fn payloads() -> Vec<(&'static str, Vec<u8>)> {
    let request = |object: &Value| {
        json!({
            "uid": "00000000-0000-4000-8000-000000000000",
            "kind": {"group": "", "version": "v1", "kind": "Pod"},
            "resource": {"group": "", "version": "v1", "resource": "pods"},
            "name": "web",
            "namespace": "shop",
            "operation": "CREATE",
            "userInfo": {"username": "alice"},
            "object": object,
        })
    };
    let payload = |object: Value| json!({"request": request(&object), "settings": {}}).to_string().into_bytes();
    let with = |pointer: &str, value: Value| {
        let mut payload = json!({"request": request(&pod(json!({}))), "settings": {}});
        if let Some(place) = payload.pointer_mut(pointer) {
            *place = value;
        }
        payload.to_string().into_bytes()
    };
    // Deeper than JSON readers recurse, in text: the host's own reader would refuse it as a value.
    let nested = |depth: usize| format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
    let text_payload = |object: &str| {
        let text = String::from_utf8(payload(json!("OBJECT"))).unwrap_or_default();
        text.replace("\"OBJECT\"", object).into_bytes()
    };

    vec![
        ("empty", Vec::new()),
        ("malformed_json", b"{\"request\":".to_vec()),
        (
            "not_utf8",
            text_payload("{\"metadata\":{\"name\":\"\u{1}\"}}")
                .into_iter()
                .map(|b| if b == 1 { 0xff } else { b })
                .collect(),
        ),
        ("null", b"null".to_vec()),
        ("list", b"[]".to_vec()),
        ("missing_request", json!({"settings": {}}).to_string().into_bytes()),
        ("missing_settings", json!({"request": request(&pod(json!({})))}).to_string().into_bytes()),
        ("request_of_wrong_shape", json!({"request": [1, 2], "settings": {}}).to_string().into_bytes()),
        ("settings_of_wrong_shape", with("/settings", json!("off"))),
        ("settings_that_were_never_validated", with("/settings", json!({"rules": {"pod-automount": 7}}))),
        ("kind_of_wrong_shape", with("/request/kind", json!("Pod"))),
        ("user_of_wrong_shape", with("/request/userInfo", json!([]))),
        ("null_object", payload(Value::Null)),
        ("object_of_wrong_shape", payload(json!([{"spec": {}}]))),
        ("spec_of_wrong_shape", payload(json!({"apiVersion": "v1", "kind": "Pod", "spec": "none"}))),
        ("containers_of_wrong_shape", payload(pod(json!({"containers": {"web": {}}})))),
        ("volumes_of_nulls", payload(pod(json!({"volumes": [null, null]})))),
        ("field_twice", text_payload("{\"spec\":{\"containers\":[]},\"spec\":{\"containers\":7}}")),
        ("lone_surrogate", text_payload("{\"metadata\":{\"name\":\"\\ud800\"},\"spec\":{\"containers\":[]}}")),
        (
            "huge_numbers",
            text_payload("{\"spec\":{\"containers\":[],\"priority\":1e999,\"x\":99999999999999999999999999}}"),
        ),
        ("nested_200_levels", text_payload(&format!("{{\"spec\":{{\"containers\":[],\"x\":{}}}}}", nested(200)))),
        (
            "nested_100000_levels",
            text_payload(&format!("{{\"spec\":{{\"containers\":[],\"x\":{}}}}}", nested(100_000))),
        ),
        ("nested_containers", text_payload(&format!("{{\"spec\":{{\"containers\":{}}}}}", nested(200)))),
        ("one_megabyte", payload(big_pod())),
    ]
}

fn pod(spec: Value) -> Value {
    let mut pod = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"containers": [{"name": "web", "image": "registry.example.com/shop/web:1.4.2"}]},
    });
    if let (Value::Object(fields), Some(own)) = (spec, pod.get_mut("spec").and_then(Value::as_object_mut)) {
        own.extend(fields);
    }
    pod
}

fn big_pod() -> Value {
    let env = |index: usize| json!({"name": format!("SETTING_{index}"), "value": "x".repeat(70)});
    let container = |index: usize| {
        let env: Vec<Value> = (0..100).map(env).collect();
        json!({"name": format!("worker-{index}"), "image": "registry.example.com/shop/worker:1.4.2", "env": env})
    };
    pod(json!({"containers": (0..100).map(container).collect::<Vec<_>>()}))
}
