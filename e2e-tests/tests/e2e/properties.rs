// SPDX-License-Identifier: Apache-2.0

//! Properties of every Pod that passes through the API server, the policy and the API server again.
//!
//! The policy's `tests/properties.rs` has the properties that need neither the compiled policy nor an API server; the
//! generators of Pods and settings are the same.

use std::cell::Cell;
use std::sync::Arc;

use e2e_tests::case::Host;
use e2e_tests::engine::{Answer, Engine};
use libtest_mimic::{Failed, Trial};
use policy_host::apiserver::{ApiServer, RequestOptions};
use policy_testing::objects::{NAMESPACE, pod, written_pod};
use policy_testing::settings::settings;
use proptest::option;
use proptest::prelude::*;
use proptest::test_runner::{TestCaseError, TestRunner};
use serde_json::{Value, json};
use serviceaccount_hygiene::cluster::{Access, AccountRecord, Age, LookupError};
use serviceaccount_hygiene::rules::RULES;

use crate::invariants::token_mounts;

/// The number of Pods.
const CASES: u32 = 500;

/// At least this many Pods must be fixed for the property to be meaningful.
const FIXED: usize = 20;

pub fn trials(engine: &Arc<Engine>) -> Vec<Trial> {
    let trial = |name: &str, property: Property| {
        let engine = Arc::clone(engine);
        Trial::test(format!("property::{name}"), move || hold(&engine, property))
    };
    let compared = Arc::clone(engine);
    vec![
        trial("the_patch_makes_the_fixed_object", the_patch_makes_the_fixed_object),
        trial("a_denied_token_stays_away", a_denied_token_stays_away),
        Trial::test("property::the_module_answers_as_the_library", move || {
            the_module_answers_as_the_library(&compared)
        }),
    ]
}

/// A cluster without accounts.
struct Empty;

impl serviceaccount_hygiene::cluster::Cluster for Empty {
    fn service_account(&self, _: &str, _: &str, _: Age) -> Result<AccountRecord, LookupError> {
        Err(LookupError::Absent)
    }

    fn can_i(&self, _: &str) -> Result<bool, LookupError> {
        Ok(false)
    }

    fn log_not_granted(&self, _: Access, _: &str) {}
}

/// Values that no rule reads. They are skipped in chunks: with SIMD in the module, with portable code in the library.
fn unread() -> impl Strategy<Value = Value> {
    let text = r#"[a{}\[\]":,\\é\n]{0,70}"#;
    let leaf = prop_oneof![text.prop_map(Value::from), any::<i32>().prop_map(Value::from), Just(Value::Null)];
    leaf.prop_recursive(4, 24, 4, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map(text, inner, 0..4).prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// Most tests use the native library. The module returns the same responses.
fn the_module_answers_as_the_library(engine: &Engine) -> Result<(), Failed> {
    let mut runner = TestRunner::new(ProptestConfig { cases: CASES, failure_persistence: None, ..Default::default() });
    let unread = proptest::array::uniform3(unread());
    let (compared, fixes) = (Cell::new(0), Cell::new(0));
    let account = |name: &str| json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": NAMESPACE}});
    let server = ApiServer::new(&["app", "default"].map(account));
    let outcome =
        runner.run(&(written_pod(), settings(), unread, any::<bool>()), |(mut pod, settings, unread, pretty)| {
            let pointers = ["/metadata", "/spec", "/spec/containers/0"];
            for (pointer, value) in pointers.iter().zip(unread) {
                if let Some(members) = pod.pointer_mut(pointer).and_then(Value::as_object_mut) {
                    members.insert("b".to_owned(), value);
                }
            }
            let Ok(request) = server.request(pod, &RequestOptions::default()) else { return Ok(()) };
            let payload = json!({"request": request, "settings": settings});
            let payload = if pretty { format!("{payload:#}") } else { payload.to_string() };
            let answer = engine.evaluate_raw(payload.as_bytes());
            let answer = answer.map_err(|error| TestCaseError::fail(format!("{error:#}")))?;
            let expected = serviceaccount_hygiene::guest::validate(payload.as_bytes(), &Empty);
            prop_assert_eq!(String::from_utf8_lossy(&answer), String::from_utf8_lossy(&expected));
            compared.set(compared.get() + 1);
            fixes.set(fixes.get() + u32::from(String::from_utf8_lossy(&answer).contains("\"mutated_object\"")));
            Ok(())
        });
    outcome.map_err(|error| Failed::from(error.to_string()))?;
    let (compared, fixes) = (compared.get(), fixes.get());
    println!("{compared} of {CASES} compared, {fixes} of them fixed");
    if compared < CASES / 2 || fixes == 0 {
        return Err(format!("only {compared} of {CASES} Pods were compared, {fixes} of them fixed").into());
    }
    Ok(())
}

/// A fixed Pod.
struct Fixed<'a> {
    /// The request that the policy received.
    request: &'a Value,
    /// The policy's response.
    answer: &'a Answer,
    /// The object with the patch applied.
    object: &'a Value,
    server: &'a ApiServer,
    options: &'a RequestOptions,
}

type Property = fn(&Fixed<'_>) -> Result<(), TestCaseError>;

fn the_patch_makes_the_fixed_object(fixed: &Fixed<'_>) -> Result<(), TestCaseError> {
    prop_assert_eq!(fixed.answer.mutated_object.as_ref(), Some(fixed.object));
    Ok(())
}

/// After the fix, the plugin runs again, and its result is stored.
fn a_denied_token_stays_away(fixed: &Fixed<'_>) -> Result<(), TestCaseError> {
    let stored = fixed.server.second_pass(fixed.object.clone(), fixed.options);
    let stored = stored.map_err(|error| TestCaseError::fail(format!("the second pass: {error}")))?;
    if let Err(errors) = fixed.server.validate(&stored) {
        return Err(TestCaseError::fail(format!("the fixed Pod is invalid: {}", errors.join("; "))));
    }
    let (kept, stored) = (token_mounts(fixed.object), token_mounts(&stored));
    let back: Vec<_> = stored.difference(&kept).collect();
    prop_assert!(back.is_empty(), "the API server mounts a token again: {back:?}");
    let before = fixed.request.get("object").map(token_mounts).unwrap_or_default();
    let new: Vec<_> = kept.difference(&before).collect();
    prop_assert!(new.is_empty(), "the policy mounts a token: {new:?}");
    Ok(())
}

/// The `automountServiceAccountToken` of the accounts `app` and `default`, and whether the API server is that of `OpenShift`.
type Circumstances = (Option<bool>, Option<bool>, bool);

fn hold(engine: &Engine, property: Property) -> Result<(), Failed> {
    // The seed is PROPTEST_RNG_SEED, if it is set.
    let mut runner = TestRunner::new(ProptestConfig { cases: CASES, failure_persistence: None, ..Default::default() });
    let pods = prop_oneof![3 => written_pod(), 1 => pod()];
    let circumstances = (option::of(any::<bool>()), option::of(any::<bool>()), any::<bool>());
    let fixes = Cell::new(0);
    let outcome = runner.run(&(pods, settings(), circumstances), |(pod, mut settings, circumstances)| {
        // Only fixed Pods matter here.
        fixing(&mut settings);
        let is_fixed = is_fixed(engine, property, pod, &settings, circumstances)?;
        fixes.set(fixes.get() + usize::from(is_fixed));
        Ok(())
    });
    outcome.map_err(|error| Failed::from(error.to_string()))?;
    let fixes = fixes.get();
    if fixes < FIXED {
        return Err(format!("only {fixes} of {CASES} Pods were fixed").into());
    }
    Ok(())
}

/// Sets the action `mutate` for every rule that can fix objects.
pub fn fixing(settings: &mut Value) {
    let required = settings.get("serviceAccountLookup") == Some(&json!("required"));
    let rules = RULES.iter().filter(|rule| rule.changes_objects() && (required || !rule.injects()));
    for rule in rules {
        match settings.pointer_mut(&format!("/rules/{}", rule.id)) {
            Some(Value::Object(params)) => drop(params.insert("action".to_owned(), json!("mutate"))),
            Some(action) => *action = json!("mutate"),
            None => {}
        }
    }
    if let Some(settings) = settings.as_object_mut() {
        settings.remove("exemptions");
        settings.insert("phase".to_owned(), json!("mutating"));
    }
}

/// Whether the policy fixes this Pod; if so, the property must hold. Invalid Pods and settings are skipped.
fn is_fixed(
    engine: &Engine,
    property: Property,
    pod: Value,
    settings: &Value,
    (app, default, openshift): Circumstances,
) -> Result<bool, TestCaseError> {
    let failed = |error: anyhow::Error| TestCaseError::fail(format!("{error:#}"));
    let account = |name: &str, automount: Option<bool>| {
        let annotations = json!({"eks.amazonaws.com/role-arn": "arn:aws:iam::123456789012:role/app"});
        let metadata = json!({"name": name, "namespace": NAMESPACE, "annotations": annotations});
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata,
            "automountServiceAccountToken": automount})
    };
    let cluster = [account("app", app), account("default", default)];
    let server = ApiServer::new(&cluster);
    let options = RequestOptions { openshift, ..RequestOptions::default() };
    let Ok(request) = server.request(pod, &options) else { return Ok(false) };
    let is_valid = request.get("object").is_some_and(|object| server.validate(object).is_ok());
    if !is_valid || !engine.validate_settings(settings).map_err(failed)?.valid {
        return Ok(false);
    }
    let answer = engine.evaluate(&request, settings, &cluster, &Host::default()).map_err(failed)?;
    prop_assert!(!answer.failed, "the guest gave no answer: {:?}", answer.verdict);
    let Some(object) = &answer.verdict.object else { return Ok(false) };
    property(&Fixed { request: &request, answer: &answer, object, server: &server, options: &options })?;
    Ok(true)
}
