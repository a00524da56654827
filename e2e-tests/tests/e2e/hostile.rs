// SPDX-License-Identifier: Apache-2.0

//! Payloads that no API server sends, or that are designed to be expensive. The response is always a correct verdict, or a
//! rejection with code 400 or 403 that says what is wrong; never a trap or an error of the guest. The number of instructions
//! never exceeds what the length of the payload and the number of findings allow. Instructions are counted, not timed.

use std::sync::Arc;

use anyhow::{Result, ensure};
use libtest_mimic::Trial;
use serde_json::{Value, json};

use crate::counts::Lazy;
use crate::failed;

/// The maximum number of instructions for each byte of a payload. An ordinary Pod takes 34.
const PER_BYTE: u64 = 300;

/// The maximum number of instructions for each finding, mostly for its message.
const PER_FINDING: u64 = 80_000;

/// A constant number of instructions in addition, for short payloads.
const AT_MOST: u64 = 200_000;

/// The maximum memory for each byte of a payload, in bytes: for its text and its parsed form.
const MEMORY_PER_BYTE: u64 = 6;

/// The maximum memory for each finding.
const MEMORY_PER_FINDING: u64 = 1_500;

/// A constant amount of memory in addition, for short payloads: the stack of 1 MiB, and the module's data.
const MEMORY_AT_MOST: u64 = 18 * PAGE;

/// The size of a WebAssembly page.
const PAGE: u64 = 65_536;

/// The response to a payload.
enum Answer {
    /// Accepted unchanged and without warnings.
    Accepted,
    /// Accepted; the first warning starts with this text.
    Warned(&'static str),
    /// Rejected as unreadable, with this text after the policy's name.
    Unreadable(&'static str),
    /// Rejected; the message starts with this text.
    Refused(&'static str),
}
use Answer::{Accepted, Refused, Unreadable, Warned};

struct Row {
    name: &'static str,
    payload: Vec<u8>,
    answer: Answer,
    /// The maximum number of instructions for each byte.
    per_byte: u64,
    /// The maximum number of bytes of memory for each byte.
    memory_per_byte: u64,
}

impl Row {
    /// For lists of `{}`: each entry costs as much as one with all fields that a rule reads.
    fn with_empty_entry_limits(self) -> Self {
        Self { per_byte: 600, memory_per_byte: 46, ..self }
    }

    /// For paths: each is compared with all guarded paths, as a Linux path and as a Windows path.
    fn with_path_limits(self) -> Self {
        Self { per_byte: 500, memory_per_byte: 10, ..self }
    }

    /// For keys that resemble the webhook's: each is compared with the keys that it could be a misspelling of.
    fn with_similar_key_limits(self) -> Self {
        Self { per_byte: 1_500, memory_per_byte: 32, ..self }
    }
}

pub fn trials(counted: &Arc<Lazy>) -> Vec<Trial> {
    let trial = |row: Row| {
        let counted = Arc::clone(counted);
        Trial::test(format!("hostile::{}", row.name), move || hold(&counted, &row).map_err(failed))
    };
    malformed().into_iter().chain(misplaced()).chain(large()).map(trial).collect()
}

fn hold(counted: &Lazy, row: &Row) -> Result<()> {
    let count = counted.get()?.call("validate", &row.payload, None, false)?;
    let response: Value = serde_json::from_slice(&count.answer)?;
    let shown: String = response.to_string().chars().take(1_000).collect();
    let (bytes, findings) = (u64::try_from(row.payload.len())?, findings(&response)?);
    let limit = AT_MOST + row.per_byte * bytes + PER_FINDING * findings;
    println!("{}: {bytes} bytes, {findings} findings, {} instructions, {} pages", row.name, count.call, count.pages);
    ensure!(is_answered(&response, &row.answer), "{shown}");
    ensure!(
        count.call <= limit,
        "{} instructions for {bytes} bytes and {findings} findings, limit {limit}",
        count.call
    );
    let (memory, limit) =
        (count.pages * PAGE, MEMORY_AT_MOST + row.memory_per_byte * bytes + MEMORY_PER_FINDING * findings);
    ensure!(memory <= limit, "{memory} bytes of memory for {bytes} bytes and {findings} findings, limit {limit}");
    Ok(())
}

fn is_answered(response: &Value, answer: &Answer) -> bool {
    let text = |pointer: &str| response.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let accepted = response.get("accepted") == Some(&json!(true));
    let rejected =
        |code: u64| response.get("accepted") == Some(&json!(false)) && response.get("code") == Some(&json!(code));
    match *answer {
        Accepted => *response == json!({"accepted": true}),
        Warned(start) => accepted && text("/warnings/0").starts_with(start),
        Unreadable(message) => {
            rejected(400) && text("/message").strip_prefix("serviceaccount-hygiene: ") == Some(message)
        }
        Refused(start) => rejected(403) && text("/message").starts_with(start),
    }
}

/// The number of findings according to the audit annotations: `rejected(2)`.
fn findings(response: &Value) -> Result<u64> {
    let mut findings = 0;
    for text in response.get("audit_annotations").and_then(Value::as_object).into_iter().flat_map(|map| map.values()) {
        // `lookup: not-granted` has no count.
        let count = text.as_str().and_then(|text| text.strip_suffix(')')?.rsplit('(').next());
        findings += count.map_or(Ok(0), str::parse::<u64>)?;
    }
    Ok(findings)
}

/// Payloads that are not JSON, or not JSON that a Kubewarden host would write.
fn malformed() -> Vec<Row> {
    // Nested more deeply than JSON parsers allow. A text, because the host's own parser would reject it as a value.
    let nested = |depth: usize| format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
    let in_spec = |json: &str| with_object(&format!("{{\"spec\":{{\"containers\":[],\"x\":{json}}}}}"));
    let named =
        |name: &str| with_object(&format!("{{\"metadata\":{{\"name\":{name}}},\"spec\":{{\"containers\":[]}}}}"));
    let not_utf8 = named("\"\u{1}\"").into_iter().map(|byte| if byte == 1 { 0xff } else { byte }).collect();
    vec![
        row("empty", Vec::new(), Unreadable("the request cannot be read: broken JSON at byte 0")),
        row(
            "malformed_json",
            b"{\"request\":".to_vec(),
            Unreadable("the request cannot be read: broken JSON at byte 11"),
        ),
        row(
            "json_and_more",
            [payload(&pod(json!({}))), b"}".to_vec()].concat(),
            Unreadable("the request cannot be read: broken JSON at byte 430"),
        ),
        row("not_utf8", not_utf8, Unreadable("the request is not UTF-8")),
        row("lone_surrogate", named("\"\\ud800\""), Unreadable("the request cannot be read: broken JSON at byte 21")),
        row(
            "surrogates_the_wrong_way_round",
            named("\"\\udc00\\ud800\""),
            Unreadable("the request cannot be read: broken JSON at byte 21"),
        ),
        row(
            "escape_that_ends_early",
            named("\"\\u12\""),
            Unreadable("the request cannot be read: broken JSON at byte 21"),
        ),
        row(
            "escape_of_bytes_that_are_no_utf8",
            named("\"\\xff\""),
            Unreadable("the request cannot be read: broken JSON at byte 21"),
        ),
        row("escape_of_nothing", named("\"a\\u0000b\""), Accepted),
        row("numbers_out_of_range_unread", in_spec("[1e999,-1e-999,99999999999999999999999999]"), Accepted),
        row("nested_200_levels", in_spec(&nested(200)), Accepted),
        row("nested_100000_levels", in_spec(&nested(100_000)), Accepted),
        row(
            "nested_and_never_closed",
            in_spec(&"[".repeat(100_000)),
            Unreadable("the request cannot be read: broken JSON at byte 100303"),
        ),
        row(
            "nested_containers",
            with_object(&format!("{{\"spec\":{{\"containers\":{}}}}}", nested(200))),
            Unreadable("the request cannot be read: object.spec.containers[0]: must be an object, is a list"),
        ),
        row(
            "field_twice",
            with_object("{\"spec\":{\"containers\":[]},\"spec\":{\"containers\":7}}"),
            Unreadable("the request cannot be read: object.spec: appears twice"),
        ),
        row(
            "field_twice_by_escape",
            with_object("{\"spec\":{\"volumes\":[],\"\\u0076olumes\":[]}}"),
            Unreadable("the request cannot be read: object.spec.volumes: appears twice"),
        ),
        row("unread_field_twice", in_spec("1,\"x\":2"), Accepted),
    ]
}

/// Valid JSON in the wrong field.
fn misplaced() -> Vec<Row> {
    let with = |pointer: &str, value: Value| {
        let mut payload = json!({"request": request(&pod(json!({}))), "settings": {}});
        if let Some(node) = payload.pointer_mut(pointer) {
            *node = value;
        }
        payload.to_string().into_bytes()
    };
    let text = |value: Value| value.to_string().into_bytes();
    let token = |seconds: &str| {
        let source = format!("{{\"serviceAccountToken\":{{\"path\":\"t\",\"expirationSeconds\":{seconds}}}}}");
        let volume = format!("{{\"name\":\"t\",\"projected\":{{\"sources\":[{source}]}}}}");
        with_object(&format!(
            "{{\"spec\":{{\"serviceAccountName\":\"web\",\"containers\":[],\"volumes\":[{volume}]}}}}"
        ))
    };
    vec![
        row("null", b"null".to_vec(), Unreadable("the request cannot be read: : must be an object, is null")),
        row("list", b"[]".to_vec(), Unreadable("the request cannot be read: : must be an object, is a list")),
        row(
            "missing_request",
            text(json!({"settings": {}})),
            Unreadable("the request cannot be read: request: must be an object, is absent"),
        ),
        row("missing_settings", text(json!({"request": request(&pod(json!({})))})), Accepted),
        row(
            "request_of_wrong_shape",
            text(json!({"request": [1, 2], "settings": {}})),
            Unreadable("the request cannot be read: request: must be an object, is a list"),
        ),
        row(
            "settings_of_wrong_shape",
            with("/settings", json!("off")),
            Unreadable("1 problem in the settings\n- settings: must be a map, is a string"),
        ),
        row(
            "settings_that_were_never_validated",
            with("/settings", json!({"rules": {"pod-automount": 7}})),
            Unreadable(
                "1 problem in the settings\n- rules.pod-automount: must be one of off, warn, reject, mutate, is a number",
            ),
        ),
        row(
            "kind_of_wrong_shape",
            with("/request/kind", json!("Pod")),
            Unreadable("the request cannot be read: request.kind: must be an object, is a string"),
        ),
        row(
            "user_of_wrong_shape",
            with("/request/userInfo", json!([])),
            Unreadable("the request cannot be read: request.userInfo: must be an object, is a list"),
        ),
        row(
            "null_object",
            payload(&Value::Null),
            Unreadable("the request cannot be read: object: must be an object, is null"),
        ),
        row(
            "object_of_wrong_shape",
            payload(&json!([{"spec": {}}])),
            Unreadable("the request cannot be read: object: must be an object, is a list"),
        ),
        row(
            "spec_of_wrong_shape",
            payload(&json!({"spec": "none"})),
            Unreadable("the request cannot be read: object.spec: must be an object, is a string"),
        ),
        row(
            "containers_of_wrong_shape",
            payload(&pod(json!({"containers": {"web": {}}}))),
            Unreadable("the request cannot be read: object.spec.containers: must be a list, is an object"),
        ),
        row(
            "volumes_of_nulls",
            payload(&pod(json!({"volumes": [null, null]}))),
            Unreadable("the request cannot be read: object.spec.volumes[0]: must be an object, is null"),
        ),
        row(
            "nulls_everywhere",
            with_object(
                r#"{"metadata": {"name": null, "annotations": null, "labels": null, "ownerReferences": null},
                "spec": {"serviceAccountName": "web", "automountServiceAccountToken": null, "volumes": null, "initContainers": null,
                "containers": [{"name": null, "image": null, "env": null, "envFrom": null, "volumeMounts": null}]}}"#,
            ),
            Accepted,
        ),
        row(
            "seconds_out_of_range",
            token("99999999999999999999"),
            Unreadable(
                "the request cannot be read: object.spec.volumes[0].projected.sources[0].serviceAccountToken.expirationSeconds: must be an integer, is a number out of range",
            ),
        ),
        row(
            "seconds_as_a_fraction",
            token("3600.5"),
            Unreadable(
                "the request cannot be read: object.spec.volumes[0].projected.sources[0].serviceAccountToken.expirationSeconds: must be an integer, is a number out of range",
            ),
        ),
        row(
            "seconds_below_nothing",
            token("-9223372036854775808"),
            Warned(
                "projected-token-audience: spec.volumes[t].projected.sources[t].serviceAccountToken.audience: is not set, so this is an API token; ",
            ),
        ),
    ]
}

/// Valid but very large payloads.
fn large() -> Vec<Row> {
    let many = |count: usize, make: &dyn Fn(usize) -> Value| (0..count).map(make).collect::<Vec<_>>();
    let annotated = |count: usize, key: &dyn Fn(usize) -> String, value: &str| {
        let annotations: serde_json::Map<_, _> = (0..count).map(|number| (key(number), json!(value))).collect();
        json!({"metadata": {"name": "web", "annotations": annotations}, "spec": {"containers": []}})
    };
    let account = |annotated: Value| {
        let kind = json!({"group": "", "version": "v1", "kind": "ServiceAccount"});
        bytes(&merged(request(&annotated), json!({"kind": kind})), &json!({}))
    };
    let long = "x".repeat(1_000_000);
    let container = |number: usize| json!({"name": format!("w{number}"), "image": "registry.example.com/worker:1"});
    let token = json!({"serviceAccountToken": {"path": "token"}});
    let with_env = |env: &Value| pod(json!({"containers": [{"name": "web", "image": "web", "env": env}]}));
    let wrong_volumes = pod(json!({"volumes": many(10_000, &|number| json!({"name": format!("aws-iam-token{number}"),
        "hostPath": {"path": "/var/lib/kubelet/pods"}}))}));
    let deployment = json!({"metadata": {"name": "web"}, "spec": {"template": wrong_volumes}});
    let update = merged(
        request(&deployment),
        json!({
            "kind": {"group": "apps", "version": "v1", "kind": "Deployment"},
            "operation": "UPDATE",
            "oldObject": deployment,
        }),
    );
    let groups = many(100_000, &|number| json!(format!("group-{number}")));
    let crowd = merged(request(&pod(json!({}))), json!({"userInfo": {"username": "alice", "groups": groups}}));
    let keys = |number: usize| format!("eks.amazonaws.com/role-arm{number}");
    let near = |number: usize| format!("eks.amazonws.com/role-arn{number}");

    vec![
        Row { memory_per_byte: 3, ..row("one_megabyte", payload(&big_pod()), Accepted) },
        Row {
            memory_per_byte: 5,
            ..row(
                "one_megabyte_that_is_fixed",
                payload(&with_token(big_pod())),
                Warned("pod-automount: spec.automountServiceAccountToken: "),
            )
        },
        row("long_name", payload(&pod(json!({"serviceAccountName": long}))), Accepted),
        row("long_value", payload(&with_env(&json!([{"name": "A", "value": long}]))), Accepted),
        row(
            "long_key",
            payload(&annotated(1, &|_| format!("eks.amazonaws.com/{}", "x".repeat(1_000_000)), "")),
            Warned("identity-annotation-keys: metadata.annotations[\"eks.amazonaws.com/xxxx"),
        ),
        row("long_role", account(annotated(1, &|_| "eks.amazonaws.com/role-arn".to_owned(), &long)), Refused("serviceaccount-hygiene: 1 problem\n- role-arn: metadata.annotations[\"eks.amazonaws.com/role-arn\"]: ")),
        row(
            "long_escapes",
            with_object(&format!(
                "{{\"spec\":{{\"containers\":[],\"serviceAccountName\":\"{}\"}}}}",
                "\\u0061".repeat(200_000)
            )),
            Accepted,
        ),
        row("annotations", payload(&annotated(100_000, &|number| format!("example.com/key-{number}"), "")), Accepted),
        row("annotations_like_the_webhooks", payload(&annotated(100_000, &keys, "")), Warned("identity-annotation-keys: metadata.annotations[\"eks.amazonaws.com/role-arm0\"]: is not a known key, so it has no effect; did you mean `eks.amazonaws.com/role-arn`?")).with_similar_key_limits(),
        row("annotations_like_the_webhooks_on_an_account", account(annotated(100_000, &keys, "")), Refused("serviceaccount-hygiene: 10 problems\n- identity-annotation-keys: metadata.annotations[\"eks.amazonaws.com/role-arm0\"]: is not a known key, so it has no effect; did you mean `eks.amazonaws.com/role-arn`?\n")).with_similar_key_limits(),
        row("misspelt_annotations", account(annotated(100_000, &near, "")), Refused("serviceaccount-hygiene: 100 problems\n- identity-annotation-keys: metadata.annotations[\"eks.amazonws.com/role-arn0\"]: is not a known key, so it has no effect; did you mean `eks.amazonaws.com/role-arn`?\n")).with_similar_key_limits(),
        row("containers", payload(&pod(json!({"containers": many(20_000, &container)}))), Accepted),
        row(
            "volumes",
            payload(&pod(json!({"volumes": many(50_000, &|number| json!({"name": format!("v{number}")}))}))),
            Accepted,
        ),
        row(
            "paths_of_the_node",
            payload(&pod(json!({"volumes": many(10_000, &|number| json!({"name": format!("v{number}"),
                "hostPath": {"path": format!("/data/disk/{number}")}}))}))),
            Accepted,
        )
        .with_path_limits(),
        row("wrong_volumes", payload(&wrong_volumes), Warned("kubelet-host-path: spec.volumes[aws-iam-token0].hostPath.path: `/var/lib/kubelet/pods` on the node gives access to credentials of other Pods or the node")),
        row(
            "wrong_volumes_before_and_after",
            bytes(&update, &json!({"rules": {"kubelet-host-path": "reject"}})),
            Warned("kubelet-host-path: spec.template.spec.volumes[aws-iam-token0].hostPath.path: `/var/lib/kubelet/pods` on the node gives access to credentials of other Pods or the node"),
        ),
        row(
            "sources",
            payload(&pod(
                json!({"volumes": [{"name": "t", "projected": {"sources": many(50_000, &|_| token.clone())}}]}),
            )),
            Warned("projected-token-audience: spec.volumes[t].projected.sources[token].serviceAccountToken.audience: is not set, so this is an API token; "),
        ),
        row(
            "sources_of_nothing",
            payload(&pod(json!({"volumes": [{"name": "t", "projected": {"sources": many(300_000, &|_| json!({}))}}]}))),
            Accepted,
        )
        .with_empty_entry_limits(),
        row("containers_of_nothing", payload(&pod(json!({"containers": many(300_000, &|_| json!({}))}))), Accepted)
            .with_empty_entry_limits(),
        row("volumes_of_nothing", payload(&pod(json!({"volumes": many(300_000, &|_| json!({}))}))), Accepted)
            .with_empty_entry_limits(),
        row(
            "variables_of_nothing",
            payload(&with_env(&json!([vec![json!({"name": "AWS_REGION"})], many(300_000, &|_| json!({}))].concat()))),
            Accepted,
        )
        .with_empty_entry_limits(),
        row(
            "mounts",
            payload(&pod(json!({"containers": [{"name": "web", "image": "web",
            "volumeMounts": many(50_000, &|number| json!({"name": format!("v{number}"), "mountPath": format!("/m{number}")}))}]}))),
            Accepted,
        ),
        row(
            "variables",
            payload(&with_env(&json!(many(100_000, &|number| json!({"name": format!("AWS_{number}"), "value": "x"}))))),
            Accepted,
        ),
        row(
            "variables_that_are_credentials",
            payload(&with_env(&json!(many(20_000, &|_| json!({"name": "AWS_SECRET_ACCESS_KEY", "value": "x"}))))),
            Warned("static-credentials: spec.containers[web].env[AWS_SECRET_ACCESS_KEY]"),
        ),
        row("groups", bytes(&crowd, &json!({})), Accepted),
    ]
}

fn row(name: &'static str, payload: Vec<u8>, answer: Answer) -> Row {
    Row { name, payload, answer, per_byte: PER_BYTE, memory_per_byte: MEMORY_PER_BYTE }
}

fn request(object: &Value) -> Value {
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
}

fn bytes(request: &Value, settings: &Value) -> Vec<u8> {
    json!({"request": request, "settings": settings}).to_string().into_bytes()
}

fn payload(object: &Value) -> Vec<u8> {
    bytes(&request(object), &json!({}))
}

/// A payload with the text of a Pod.
fn with_object(object: &str) -> Vec<u8> {
    let text = json!({"request": request(&json!("OBJECT")), "settings": {}}).to_string();
    text.replace("\"OBJECT\"", object).into_bytes()
}

/// A Pod with its own account and these fields in `spec`.
fn pod(spec: Value) -> Value {
    let own = json!({
        "serviceAccountName": "web",
        "containers": [{"name": "web", "image": "registry.example.com/shop/web:1.4.2"}],
    });
    json!({"metadata": {"name": "web", "namespace": "shop"}, "spec": merged(own, spec)})
}

/// An object with the fields of another one merged into it.
fn merged(mut object: Value, fields: Value) -> Value {
    if let (Value::Object(fields), Some(own)) = (fields, object.as_object_mut()) {
        own.extend(fields);
    }
    object
}

/// A Pod of the default account, with the volume that the API server adds.
fn with_token(mut pod: Value) -> Value {
    let sources = json!([
        {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
        {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
        {"downwardAPI": {"items": [{"path": "namespace", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}}]}},
    ]);
    if let Some(spec) = pod.pointer_mut("/spec") {
        let volume = json!({"name": "kube-api-access-2bcd4", "projected": {"defaultMode": 420, "sources": sources}});
        *spec = merged(spec.take(), json!({"serviceAccountName": "default", "volumes": [volume]}));
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
