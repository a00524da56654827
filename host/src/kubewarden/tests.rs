// SPDX-License-Identifier: Apache-2.0

//! Tests of the host with guests of a few lines of WebAssembly text, each of which does one thing.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rstest::rstest;
use serde_json::{Value, json};

use super::*;
use crate::cluster::{Cluster, LookupBehavior};

/// Escapes a text for a data segment.
fn escaped(text: &str) -> String {
    text.bytes().fold(String::new(), |escaped, byte| format!("{escaped}\\{byte:02x}"))
}

/// A waPC module that accepts its settings and otherwise runs `body`. `texts` are in memory from address 1024.
fn guest(body: &str, texts: &[&str]) -> Module {
    let valid = escaped(r#"{"valid":true}"#);
    let texts: String = texts.iter().map(|text| escaped(text)).collect();
    let module = format!(
        r#"(module
            (import "wapc" "__guest_request" (func $request (param i32 i32)))
            (import "wapc" "__guest_response" (func $response (param i32 i32)))
            (import "wapc" "__guest_error" (func $error (param i32 i32)))
            (import "wapc" "__host_call" (func $call (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
            (import "wapc" "__host_response_len" (func $answer_len (result i32)))
            (import "wapc" "__host_response" (func $answer (param i32)))
            (import "wapc" "__host_error_len" (func $refusal_len (result i32)))
            (import "wapc" "__host_error" (func $refusal (param i32)))
            (memory (export "memory") 4)
            (data (i32.const 0) "{valid}")
            (data (i32.const 1024) "{texts}")
            (func (export "__guest_call") (param $op i32) (param $len i32) (result i32)
                (if (i32.eq (local.get $op) (i32.const {settings}))
                    (then (call $response (i32.const 0) (i32.const 14)) (return (i32.const 1))))
                {body}))"#,
        settings = "validate_settings".len(),
    );
    Module::new(module.as_bytes()).unwrap()
}

fn answering(answer: &str) -> Module {
    guest(&format!("(call $response (i32.const 1024) (i32.const {})) (i32.const 1)", answer.len()), &[answer])
}

/// A guest that calls the host and returns its answer, or its error.
fn calling(binding: &str, namespace: &str, operation: &str, payload: &str) -> Module {
    let mut at = 1024;
    let mut arguments = String::new();
    for text in [binding, namespace, operation, payload] {
        arguments = format!("{arguments}(i32.const {at}) (i32.const {})", text.len());
        at += text.len();
    }
    let body = format!(
        "(if (call $call {arguments})
            (then (call $answer (i32.const 8192)) (call $response (i32.const 8192) (call $answer_len))
                  (return (i32.const 1))))
         (call $refusal (i32.const 8192)) (call $error (i32.const 8192) (call $refusal_len)) (i32.const 0)"
    );
    guest(&body, &[binding, namespace, operation, payload])
}

fn load(module: &Module, config: PolicyConfig) -> Policy {
    Policy::load(module, config).unwrap()
}

fn policy(module: &Module) -> Policy {
    load(module, PolicyConfig::default())
}

#[expect(clippy::needless_pass_by_value, reason = "callers read better")]
fn request(object: Value) -> Value {
    json!({
        "uid": "u-1",
        "kind": {"group": "", "version": "v1", "kind": "Pod"},
        "resource": {"group": "", "version": "v1", "resource": "pods"},
        "operation": "CREATE",
        "userInfo": {"username": "alice", "uid": null},
        "object": object,
        "name": null,
        "notInTheApi": true,
    })
}

#[test]
fn payload_matches_policy_server() {
    let echo = guest(
        "(call $request (i32.const 4096) (i32.const 8192)) (call $response (i32.const 8192) (local.get $len)) (i32.const 1)",
        &[],
    );
    let policy = load(&echo, PolicyConfig { settings: json!({"b": 1, "a": 2}), ..PolicyConfig::default() });
    let evaluation = policy.evaluate(&json!({"kind": "AdmissionReview", "request": request(json!({"z": 1, "a": 2}))}));
    assert_eq!(
        String::from_utf8(evaluation.unwrap().answer.unwrap()).unwrap(),
        r#"{"request":{"kind":{"group":"","kind":"Pod","version":"v1"},"object":{"a":2,"z":1},"operation":"CREATE","resource":{"group":"","resource":"pods","version":"v1"},"uid":"u-1","userInfo":{"username":"alice"}},"settings":{"a":2,"b":1}}"#,
        "keys sorted, nulls and unknown fields gone"
    );
}

#[test]
fn patch() {
    let answer = r#"{"accepted":true,"mutated_object":{"a":2},"warnings":["w"],"audit_annotations":{"k":"v"}}"#;
    let evaluation = policy(&answering(answer)).evaluate(&request(json!({"a": 1}))).unwrap();
    assert_eq!(json!(evaluation.response.patch), json!([{"op": "replace", "path": "/a", "value": 2}]));
    assert_eq!(evaluation.patched_object().unwrap(), Some(json!({"a": 2})));
    assert_eq!(
        evaluation.response.to_wire(),
        json!({
            "uid": "u-1",
            "allowed": true,
            "patchType": "JSONPatch",
            "patch": "W3sib3AiOiJyZXBsYWNlIiwicGF0aCI6Ii9hIiwidmFsdWUiOjJ9XQ==",
            "warnings": ["w"],
            "auditAnnotations": {"k": "v"},
        })
    );
}

#[test]
fn unchanged_object_has_no_patch() {
    let evaluation = policy(&answering(r#"{"accepted":true,"mutated_object":{"a":1}}"#))
        .evaluate(&request(json!({"a": 1})))
        .unwrap();
    assert_eq!(evaluation.response.patch, None);
}

#[test]
fn rejects_mutation_without_object() {
    let evaluation =
        policy(&answering(r#"{"accepted":true,"mutated_object":{"a":1}}"#)).evaluate(&request(json!(null)));
    let response = evaluation.unwrap().response;
    assert!(!response.allowed);
    assert!(response.message().unwrap().starts_with("Incoming object is null, which happens only with DELETE"));
    assert_eq!(response.code(), None);
}

#[test]
fn rejection() {
    let evaluation =
        policy(&answering(r#"{"accepted":false,"message":"no","code":403}"#)).evaluate(&request(json!({}))).unwrap();
    assert_eq!(
        evaluation.response.to_wire(),
        json!({
            "uid": "u-1",
            "allowed": false,
            "status": {"message": "no", "code": 403},
            "auditAnnotations": null,
            "warnings": null,
        })
    );
    assert!(!evaluation.failed());
}

#[rstest]
#[case::trap(
    "unreachable",
    "internal server error: Guest call failure: wasm trap: wasm `unreachable` instruction executed"
)]
#[case::error(
    "(call $error (i32.const 1024) (i32.const 4)) (i32.const 0)",
    "internal server error: Guest call failure: boom"
)]
#[case::nonsense(
    "(call $response (i32.const 1024) (i32.const 4)) (i32.const 1)",
    "internal server error: invalid response from policy: expected value at line 1 column 1"
)]
#[case::silence("(i32.const 1)", "internal server error: Guest call failure: No error message OR response set")]
fn failing_guest(#[case] body: &str, #[case] message: &str) {
    let evaluation = policy(&guest(body, &["boom"])).evaluate(&request(json!({}))).unwrap();
    assert!(!evaluation.response.allowed);
    assert_eq!(evaluation.response.code(), Some(500));
    assert!(evaluation.response.message().unwrap().starts_with(message), "{:?}", evaluation.response);
    assert!(evaluation.failed());
}

#[test]
fn stops_endless_guest() {
    let endless = guest("(loop $again (br $again)) (i32.const 1)", &[]);
    let policy = load(&endless, PolicyConfig { timeout: Duration::from_millis(100), ..PolicyConfig::default() });
    for _ in 0..2 {
        let start = Instant::now();
        let evaluation = policy.evaluate(&request(json!({}))).unwrap();
        assert_eq!(
            evaluation.response.message(),
            Some("Policy execution interrupted because it exceeded the allowed execution time")
        );
        assert_eq!(evaluation.response.code(), Some(500));
        assert_eq!(evaluation.answer, Err(CallError::Timeout));
        assert!(start.elapsed() >= Duration::from_millis(80));
    }
}

#[test]
fn fresh_instance_per_request() {
    let counting = guest(
        "(i32.store8 (i32.const 1024) (i32.add (i32.load8_u (i32.const 1024)) (i32.const 1)))
         (call $response (i32.const 1024) (i32.const 1)) (i32.const 1)",
        &["0"],
    );
    let policy = policy(&counting);
    assert_eq!(policy.evaluate_raw("x", b"").unwrap(), b"1");
    assert_eq!(policy.evaluate_raw("x", b"").unwrap(), b"1");
}

const LOOK_UP: &str = r#"{"api_version":"v1","kind":"ServiceAccount","name":"app","namespace":"team-a","disable_cache":true,"field_masks":["metadata.annotations"]}"#;

fn team_a() -> Cluster {
    let account =
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "app", "namespace": "team-a"}});
    Cluster::from_objects([account]).unwrap()
}

#[test]
fn granted_lookup() {
    let module = calling("kubewarden", "kubernetes", "get_resource", LOOK_UP);
    let policy = load(&module, PolicyConfig { cluster: Arc::new(team_a()), ..PolicyConfig::default() });
    let evaluation = policy.evaluate(&request(json!({}))).unwrap();
    let found: Value = serde_json::from_slice(&evaluation.answer.unwrap()).unwrap();
    assert_eq!(found["metadata"]["name"], "app");
    let [HostCall { namespace, operation, error, payload, answer }] = evaluation.host_calls.as_slice() else {
        panic!("{:?}", evaluation.host_calls)
    };
    assert_eq!((namespace.as_str(), operation.as_str(), error), ("kubernetes", "get_resource", &None));
    assert_eq!((String::from_utf8_lossy(payload).as_ref(), answer), (LOOK_UP, &serde_json::to_vec(&found).unwrap()));
}

#[rstest]
#[case(
    PolicyConfig { context_aware: [].into(), ..PolicyConfig::default() },
    "Policy has not been granted access to Kubernetes v1/ServiceAccount resources. The violation has been reported."
)]
#[case(
    PolicyConfig { capabilities: [].into(), ..PolicyConfig::default() },
    "Policy has not been granted access to the 'kubernetes/get_resource' host capability. The violation has been reported."
)]
#[case(
    PolicyConfig::default(),
    "Callback evaluation failure: Cannot find v1/ServiceAccount named 'app' inside of namespace 'Some(\"team-a\")'"
)]
#[case(
    PolicyConfig {
        cluster: Arc::new(Cluster::default().with_behavior(LookupBehavior::Unavailable)),
        ..PolicyConfig::default()
    },
    "Callback evaluation failure: ServiceError: client error (Connect)"
)]
fn failed_lookup(#[case] config: PolicyConfig, #[case] text: &str) {
    let policy = load(&calling("kubewarden", "kubernetes", "get_resource", LOOK_UP), config);
    let evaluation = policy.evaluate(&request(json!({}))).unwrap();
    let Err(CallError::Guest(error)) = evaluation.answer else { panic!("{:?}", evaluation.answer) };
    assert!(error.starts_with(text), "{error}");
    assert_eq!(evaluation.host_calls[0].error.as_deref(), Some(error.as_str()));
}

#[rstest]
#[case("oci", "v1/verify")]
#[case("net", "v1/dns_lookup_host")]
#[case("crypto", "v1/is_certificate_trusted")]
#[case("kubernetes", "list_resources_by_namespace")]
#[case("kubernetes", "list_resources_all")]
fn other_capabilities(#[case] namespace: &str, #[case] operation: &str) {
    let answer = policy(&calling("kubewarden", namespace, operation, "{}")).evaluate_raw("validate", b"");
    let expected = format!(
        "Policy has not been granted access to the '{namespace}/{operation}' host capability. The violation has been \
         reported."
    );
    assert_eq!(answer, Err(CallError::Guest(expected)));
}

#[test]
fn unknown_bindings() {
    let answer = policy(&calling("default", "kubernetes", "get_resource", "{}")).evaluate_raw("validate", b"");
    assert_eq!(answer, Err(CallError::Guest("unknown binding: default".to_owned())));
}

#[rstest]
#[case(r#"{"level":"info","message":"m","policy":"p"}"#, "info", "m", json!({"policy": "p"}))]
#[case("no json", "malformed", "no json", json!({}))]
fn logs(#[case] line: &str, #[case] level: &str, #[case] message: &str, #[case] data: Value) {
    let module = calling("kubewarden", "tracing", "log", line);
    let policy = load(&module, PolicyConfig { capabilities: [].into(), ..PolicyConfig::default() });
    let evaluation = policy.evaluate(&request(json!({}))).unwrap();
    assert!(evaluation.host_calls.is_empty());
    let [log] = evaluation.logs.as_slice() else { panic!("{:?}", evaluation.logs) };
    assert_eq!((log.level.as_str(), log.message.as_str(), json!(log.data)), (level, message, data));
}

/// A guest that only answers the validation of settings.
fn settings_guest(answer: &str) -> Module {
    let module = format!(
        r#"(module
            (import "wapc" "__guest_response" (func $response (param i32 i32)))
            (memory (export "memory") 1)
            (data (i32.const 0) "{}")
            (func (export "__guest_call") (param i32 i32) (result i32)
                (call $response (i32.const 0) (i32.const {})) (i32.const {})))"#,
        escaped(answer),
        answer.len(),
        i32::from(!answer.is_empty()),
    );
    Module::new(module.as_bytes()).unwrap()
}

#[rstest]
#[case(r#"{"valid":false,"message":"bad"}"#, "Policy settings are invalid: bad")]
#[case(r#"{"valid":false}"#, "Policy settings are invalid: no message")]
#[case("", "Policy settings are invalid: Error invoking settings validation callback: ")]
#[case("nope", "Policy settings are invalid: error: ")]
fn rejects_bad_settings(#[case] answer: &str, #[case] message: &str) {
    let error = Policy::load(&settings_guest(answer), PolicyConfig::default()).unwrap_err().to_string();
    assert!(error.starts_with(message), "{error}");
}

#[test]
fn settings_must_be_a_mapping() {
    let module = answering("{}");
    let with = |settings| Policy::load(&module, PolicyConfig { settings, ..PolicyConfig::default() });
    assert_eq!(with(json!(null)).unwrap().config().settings, json!({}));
    assert_eq!(with(json!([])).unwrap_err().to_string(), "Invalid settings in CRD, not an object");
}

#[rstest]
#[case(json!({"a": 1}))]
#[case(json!(null))]
#[case(json!({"kind": "AdmissionReview", "response": {"uid": "1"}}))]
fn rejects_malformed_request(#[case] request: Value) {
    assert!(policy(&answering("{}")).evaluate(&request).is_err());
}

#[test]
fn rejects_other_modules() {
    let error = |module: &[u8]| Module::new(module).unwrap_err().to_string();
    assert!(error(b"nothing").starts_with("cannot compile the module: "));
    assert_eq!(error(b"(module)"), "this is not a waPC module: it does not export `__guest_call`");
    let call = "(func (export \"__guest_call\") (param i32 i32) (result i32) (i32.const 0))";
    assert_eq!(
        error(format!("(module (import \"env\" \"x\" (func)) {call})").as_bytes()),
        "this is not a waPC module: unknown import: `env::x` has not been defined"
    );
}

/// A guest whose functions of WASI are called by `body`, which leaves an error number on the stack; the number is the answer.
fn wasi_guest(imports: &str, body: &str) -> Module {
    let valid = escaped(r#"{"valid":true}"#);
    let module = format!(
        r#"(module
            (import "wapc" "__guest_response" (func $response (param i32 i32)))
            {imports}
            (memory (export "memory") 17)
            (data (i32.const 0) "{valid}")
            (func (export "__guest_call") (param $op i32) (param i32) (result i32)
                (if (i32.eq (local.get $op) (i32.const {settings}))
                    (then (call $response (i32.const 0) (i32.const 14)) (return (i32.const 1))))
                (i32.store (i32.const 1024) {body})
                (call $response (i32.const 1024) (i32.const 64))
                (i32.const 1)))"#,
        settings = "validate_settings".len(),
    );
    Module::new(module.as_bytes()).unwrap()
}

/// The error number, and the numbers that follow it in memory.
fn wasi(imports: &str, body: &str) -> (u32, Vec<u64>) {
    let answer = policy(&wasi_guest(imports, body)).evaluate_raw("validate", b"").unwrap();
    let (errno, rest) = answer.split_first_chunk::<4>().unwrap();
    let (words, _) = rest[4..].as_chunks::<8>();
    (u32::from_le_bytes(*errno), words.iter().map(|word| u64::from_le_bytes(*word)).collect())
}

#[test]
fn wasi_clock() {
    let import = r#"(import "wasi_snapshot_preview1" "clock_time_get" (func $clock (param i32 i64 i32) (result i32)))"#;
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos();
    let before = now();
    let (errno, words) = wasi(import, "(call $clock (i32.const 0) (i64.const 1) (i32.const 1032))");
    assert_eq!(errno, 0);
    assert!((before..=now()).contains(&u128::from(words[0])), "{words:?}");
    let (errno, words) = wasi(import, "(call $clock (i32.const 1) (i64.const 1) (i32.const 1032))");
    assert!(errno == 0 && u128::from(words[0]) < before, "{words:?}");
    for (clock, errno) in [(2, 8), (3, 8), (4, 28)] {
        let call = format!("(call $clock (i32.const {clock}) (i64.const 1) (i32.const 1032))");
        assert_eq!(wasi(import, &call), (errno, vec![0; 7]));
    }
}

#[test]
fn wasi_random() {
    let import = r#"(import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))"#;
    let bytes = || wasi(import, "(call $random (i32.const 1032) (i32.const 16))");
    let ((errno, words), other) = (bytes(), bytes());
    assert_eq!((errno, &words[2..]), (0, [0; 5].as_slice()), "exactly 16 bytes");
    assert_ne!(words, other.1);
}

/// Each function gets memory that is filled with ones; `words` are the next 8-byte numbers.
#[rstest]
#[case::arguments("args_sizes_get", "(param i32 i32)", "(i32.const 1032) (i32.const 1036)", 0, 0)]
#[case::variables("environ_sizes_get", "(param i32 i32)", "(i32.const 1032) (i32.const 1036)", 0, 0)]
#[case::no_arguments("args_get", "(param i32 i32)", "(i32.const 1032) (i32.const 1036)", 0, u64::MAX)]
#[case::no_variables("environ_get", "(param i32 i32)", "(i32.const 1032) (i32.const 1036)", 0, u64::MAX)]
#[case::yields("sched_yield", "", "", 0, u64::MAX)]
#[case::output(
    "fd_write",
    "(param i32 i32 i32 i32)",
    "(i32.const 1) (i32.const 2048) (i32.const 2) (i32.const 1032)",
    0,
    0xffff_ffff_0000_0005
)]
#[case::no_output(
    "fd_write",
    "(param i32 i32 i32 i32)",
    "(i32.const 2) (i32.const 2048) (i32.const 0) (i32.const 1032)",
    0,
    0xffff_ffff_0000_0000
)]
#[case::other_file(
    "fd_write",
    "(param i32 i32 i32 i32)",
    "(i32.const 5) (i32.const 2048) (i32.const 2) (i32.const 1032)",
    8,
    u64::MAX
)]
#[case::too_much_random("random_get", "(param i32 i32)", "(i32.const 0) (i32.const 1048577)", 28, u64::MAX)]
#[case::preopened_directory("fd_prestat_get", "(param i32 i32)", "(i32.const 3) (i32.const 1032)", 8, u64::MAX)]
#[case::open("path_unlink_file", "(param i32 i32 i32)", "(i32.const 3) (i32.const 0) (i32.const 1)", 8, u64::MAX)]
#[case::signal("proc_raise", "(param i32)", "(i32.const 9)", 52, u64::MAX)]
fn wasi_functions(
    #[case] name: &str,
    #[case] params: &str,
    #[case] arguments: &str,
    #[case] errno: u32,
    #[case] word: u64,
) {
    let import = format!(r#"(import "wasi_snapshot_preview1" "{name}" (func $function {params} (result i32)))"#);
    // Two pieces of output, of 2 and 3 bytes.
    let pieces =
        "(i64.store (i32.const 2048) (i64.const 0x200000000)) (i64.store (i32.const 2056) (i64.const 0x300000001))";
    let filled = "(i64.store (i32.const 1032) (i64.const -1))";
    let body = format!("(block (result i32) {pieces} {filled} (call $function {arguments}))");
    let (found, words) = wasi(&import, &body);
    assert_eq!((found, words[0]), (errno, word));
}

#[test]
fn wasi_imports_must_exist() {
    let module = r#"(module (import "wasi_snapshot_preview1" "fork" (func (result i32)))
        (func (export "__guest_call") (param i32 i32) (result i32) (i32.const 0)))"#;
    assert_eq!(
        Module::new(module.as_bytes()).unwrap_err().to_string(),
        "this is not a waPC module: unknown import: `wasi_snapshot_preview1::fork` has not been defined"
    );
}

/// What `wapc_init` writes is not the response to a call.
#[test]
fn response_of_start_function_is_dropped() {
    let module = r#"(module
        (import "wapc" "__guest_response" (func $response (param i32 i32)))
        (memory (export "memory") 1)
        (func (export "wapc_init") (call $response (i32.const 0) (i32.const 1)))
        (func (export "__guest_call") (param i32 i32) (result i32) (i32.const 1)))"#;
    let error =
        Policy::load(&Module::new(module.as_bytes()).unwrap(), PolicyConfig::default()).unwrap_err().to_string();
    assert!(error.ends_with("Guest call failure: No error message OR response set for call success"), "{error}");
}

#[test]
fn modules_that_do_not_fit_into_the_pool() {
    let module = r#"(module (table 1 funcref) (table 1 funcref) (memory (export "memory") 1) (memory 1)
        (func (export "__guest_call") (param i32 i32) (result i32) (i32.const 0)))"#;
    assert!(Module::for_many_requests(module.as_bytes()).is_ok());
}

/// Whatever a guest passes to the host, it gets an error.
#[rstest]
#[case::beyond("(call $response (i32.const 262144) (i32.const 1)) (i32.const 1)")]
#[case::too_long("(call $response (i32.const 0) (i32.const -1)) (i32.const 1)")]
#[case::overflow("(call $response (i32.const 2147483647) (i32.const 2147483647)) (i32.const 1)")]
#[case::error("(call $error (i32.const -4) (i32.const 8)) (i32.const 0)")]
#[case::request("(call $request (i32.const 0) (i32.const -1)) (i32.const 1)")]
#[case::host_call(
    "(call $call (i32.const 0) (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 0) (i32.const 1)
                 (i32.const -1) (i32.const -1))"
)]
fn rejects_addresses_outside_of_memory(#[case] body: &str) {
    let answer = policy(&guest(body, &[])).evaluate_raw("validate", b"{}");
    let Err(CallError::Guest(error)) = answer else { panic!("{answer:?}") };
    assert_eq!(error, "wasm trap: out of bounds memory access");
}

#[test]
fn rejects_text_that_is_not_utf8() {
    let body = "(i32.store (i32.const 1024) (i32.const -1)) (call $error (i32.const 1024) (i32.const 4)) (i32.const 0)";
    let answer = policy(&guest(body, &[])).evaluate_raw("validate", b"{}");
    let Err(CallError::Guest(error)) = answer else { panic!("{answer:?}") };
    assert_eq!(error, "the guest sent text that is not UTF-8");
}

/// A module with a function `_start`, and one that returns an error for every call.
fn starting(body: &str) -> Result<Policy, String> {
    let module = format!(
        r#"(module
            (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
            (memory (export "memory") 1)
            (func (export "_start") {body})
            (func (export "__guest_call") (param i32 i32) (result i32) (i32.const 0)))"#
    );
    let config = PolicyConfig { timeout: Duration::from_millis(100), ..PolicyConfig::default() };
    Policy::load(&Module::new(module.as_bytes()).unwrap(), config).map_err(|error| error.to_string())
}

#[rstest]
#[case::tinygo("(call $exit (i32.const 0))", "Guest call failure: No error message set for call failure")]
#[case::failure("(call $exit (i32.const 3))", "cannot rehydrate PolicyEvaluatorPre: the guest exited with code 3")]
#[case::trap("unreachable", "cannot rehydrate PolicyEvaluatorPre: wasm trap: wasm `unreachable` instruction executed")]
#[case::endless(
    "(loop $again (br $again))",
    "Policy execution interrupted because it exceeded the allowed execution time"
)]
fn start_function(#[case] body: &str, #[case] text: &str) {
    let error = starting(body).unwrap_err();
    let expected = format!("Policy settings are invalid: Error invoking settings validation callback: {text}");
    assert_eq!(error, expected);
}

#[test]
fn serves_several_threads() {
    let policy = policy(&answering(r#"{"accepted":true}"#));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..20 {
                    assert!(policy.evaluate(&request(json!({}))).unwrap().response.allowed);
                }
            });
        }
    });
}

#[test]
fn policy_is_send_and_sync() {
    fn shared<T: Send + Sync>() {}
    shared::<Policy>();
    shared::<Module>();
    shared::<Evaluation>();
}

#[test]
fn drops_failed_instance() {
    let module = Module::for_many_requests(policy_module::WASM).unwrap();
    let policy = Policy::load(&module, PolicyConfig::default()).unwrap();
    assert!(policy.evaluate_raw("no such operation", b"{}").is_err());
    assert_eq!(module.instances(), 0);
    assert!(policy.evaluate_raw("validate_settings", b"{}").is_ok());
}
