// SPDX-License-Identifier: Apache-2.0

//! `settings.schema.json`, generated from the declarations of rules and settings. Editors use it for completion and validation.
//!
//! It describes what users should write. The policy also accepts `null`, `""` and `[]` for anything absent.
//!
//! These tests validate with [`refusals`], which supports only the few keywords that the schema uses and fails on any other;
//! `make audit` uses a complete validator.

#![expect(clippy::indexing_slicing, reason = "of JSON values: what is missing reads as null")]

use std::sync::Arc;

use anyhow::{Context as _, Result, bail, ensure};
use e2e_tests::case_file::Cases;
use e2e_tests::engine::Engine;
use libtest_mimic::Trial;
use serde_json::{Map, Value, json};
use serviceaccount_hygiene::rules::{RULES, Rule};
use serviceaccount_hygiene::settings::declared::{AWS, COMMON};
use serviceaccount_hygiene::settings::params::{Kind, Param};

use crate::docs::{self, compare_or_bless};
use crate::{examples, failed, repository};

/// The name of the file, with which its `$id` ends.
const FILE: &str = "settings.schema.json";

/// The URL of the repository.
const REPOSITORY: &str = "https://github.com/kubewarden/serviceaccount-hygiene";

pub fn trials(cases: &Arc<Cases>, engine: &Arc<Engine>, bless: bool) -> Vec<Trial> {
    let (taken, engine) = ((Arc::clone(cases), Arc::clone(engine)), Arc::clone(engine));
    vec![
        Trial::test("schema::is_generated", move || is_generated(bless).map_err(failed)),
        Trial::test("schema::takes_what_the_policy_takes", move || takes(&taken.0, &taken.1).map_err(failed)),
        Trial::test("schema::refuses_what_the_policy_refuses", move || refuses(&engine).map_err(failed)),
    ]
}

/// The expected schema.
pub fn schema() -> Value {
    let mut properties = properties(COMMON);
    let description = "anything; Rancher stores the description of its form here";
    properties.insert("description".to_owned(), json!({"description": description, "type": "string"}));
    let mut aws = map(AWS);
    aws["description"] = json!("configuration of the cluster's EKS Pod identity webhook");
    properties.insert("aws".to_owned(), aws);
    let rules = RULES.iter().map(|rule| (rule.id.to_owned(), rule_schema(rule)));
    let rules = json!({
        "description": "the rules, by ID: an action, or a map with the action and the parameters of the rule",
        "type": "object",
        "additionalProperties": false,
        "properties": rules.collect::<Map<_, _>>(),
    });
    properties.insert("rules".to_owned(), rules);

    // The list of rules in an exemption contains only IDs of rules.
    let ids: Vec<&str> = RULES.iter().map(|rule| rule.id).collect();
    let mut schema = json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "$id": format!("{REPOSITORY}/raw/main/{FILE}"),
        "title": "Settings of serviceaccount-hygiene",
        "description": format!("Generated from the policy's own declarations. {REPOSITORY}#settings"),
        "type": "object",
        "additionalProperties": false,
        "properties": properties,
    });
    schema["properties"]["exemptions"]["items"]["properties"]["rules"]["items"] = json!({"enum": ids});
    schema
}

fn rule_schema(rule: &Rule) -> Value {
    let default = rule.default_action().word();
    let mut fields = map(rule.params);
    fields["properties"]["action"] = json!({
        "description": "action for a finding; `false` means `off`, because YAML 1.1 reads an unquoted `off` as `false`",
        "default": default,
        "enum": actions(rule),
    });
    json!({
        "description": format!(
            "{} (default: {default}). {REPOSITORY}/blob/main/docs/rules/{}.md", rule.summary.text(), rule.id
        ),
        "default": default,
        "anyOf": [{"enum": actions(rule)}, fields],
    })
}

fn actions(rule: &Rule) -> Vec<Value> {
    words(rule.actions())
}

/// kubectl reads an unquoted `off` as `false`.
fn words(words: &[&str]) -> Vec<Value> {
    let no = words.contains(&"off").then_some(json!(false));
    words.iter().map(|word| json!(word)).chain(no).collect()
}

/// A map with these members and no others.
fn map(params: &[&Param]) -> Value {
    let required: Vec<&str> = params.iter().filter(|param| param.default.is_empty()).map(|param| param.name).collect();
    let mut map = json!({"type": "object", "additionalProperties": false, "properties": properties(params)});
    if !required.is_empty() {
        map["required"] = json!(required);
    }
    map
}

fn properties(params: &[&Param]) -> Map<String, Value> {
    params.iter().map(|param| (param.name.to_owned(), described(param))).collect()
}

fn described(param: &Param) -> Value {
    let mut value = takes_kind(&param.kind);
    value["description"] = json!(param.doc.text());
    if let Ok(default) = serde_json::from_str::<Value>(param.default) {
        value["default"] = default;
    }
    value
}

fn takes_kind(kind: &Kind) -> Value {
    match kind {
        Kind::Flag => json!({"type": "boolean"}),
        Kind::Choice(choices) => json!({"enum": words(choices)}),
        Kind::Glob(_) => json!({"type": "string", "minLength": 1}),
        Kind::Text(_) => json!({"type": "string"}),
        Kind::Globs(_) | Kind::Texts { .. } => json!({"type": "array", "items": {"type": "string", "minLength": 1}}),
        Kind::Seconds { least, most } => json!({"type": "integer", "minimum": least, "maximum": most}),
        Kind::ByKey(kind) => json!({"type": "object", "additionalProperties": takes_kind(kind)}),
        Kind::Entries(fields) => json!({"type": "array", "items": map(fields)}),
        Kind::Map(fields) => map(fields),
    }
}

fn is_generated(bless: bool) -> Result<()> {
    let schema = schema();
    let path = repository().join(FILE);
    let text = std::fs::read_to_string(&path).unwrap_or_default();
    compare_or_bless(&path, &text, &(serde_json::to_string_pretty(&schema)? + "\n"), bless)
}

/// The schema accepts the valid settings of the cases, the documentation and the examples.
fn takes(cases: &Cases, engine: &Engine) -> Result<()> {
    let schema = schema();
    let mut checked = 0;
    let cases = cases.iter().filter_map(|(name, case)| Some((name.clone(), case.as_ref().ok()?.settings.clone())));
    for (location, settings) in cases.chain(docs::settings_blocks()?).chain(examples::settings()?) {
        if engine.validate_settings(&settings)?.valid {
            checked += 1;
            let refusals = refusals(&schema, &present(&settings), "settings")?;
            ensure!(
                refusals.is_empty(),
                "{location}: the policy takes what the schema refuses:\n{}",
                refusals.join("\n")
            );
        }
    }
    ensure!(checked > RULES.len(), "only {checked} settings were found");
    Ok(())
}

/// The schema and the policy both reject syntactic mistakes: a wrong word, key or type, for every rule and parameter.
fn refuses(engine: &Engine) -> Result<()> {
    let schema = schema();
    let mut problems = vec![
        json!({"phse": "validating"}),
        json!({"rules": {"no-such-rule": "off"}}),
        json!({"rules": ["pod-automount"]}),
        json!({"customTemplates": [{"kind": "Rollout"}]}),
        json!({"exemptions": [{"rules": ["no-such-rule"], "names": ["x"]}]}),
        json!({"exemptions": [{"namespace": ["x"], "names": ["y"]}]}),
    ];
    problems.extend(COMMON.iter().map(|param| json!({param.name: wrong(&param.kind)})));
    problems.extend(AWS.iter().map(|param| json!({"aws": {param.name: wrong(&param.kind)}})));
    for rule in RULES {
        let own = |settings: Value| json!({"rules": {rule.id: settings}});
        let action = rule.actions().last().copied().unwrap_or_default();
        problems.extend([own(json!("sometimes")), own(json!(true)), own(json!({"action": "sometimes"}))]);
        problems.push(own(json!({"action": action, "noSuchParameter": true})));
        problems.extend(rule.params.iter().map(|param| own(json!({"action": action, param.name: wrong(&param.kind)}))));
    }
    for settings in problems {
        ensure!(!engine.validate_settings(&settings)?.valid, "the policy takes {settings}");
        ensure!(
            !refusals(&schema, &settings, "settings")?.is_empty(),
            "the schema takes {settings}, which the policy refuses"
        );
    }
    Ok(())
}

/// A value of another type.
fn wrong(kind: &Kind) -> Value {
    match kind {
        Kind::Flag | Kind::Choice(_) | Kind::Seconds { .. } => json!("no such word"),
        Kind::Glob(_) | Kind::Text(_) => json!(7),
        Kind::Globs(_) | Kind::Texts { .. } => json!([7]),
        Kind::ByKey(kind) => json!({"key": wrong(kind)}),
        Kind::Entries(_) => json!([{"noSuchKey": true}]),
        Kind::Map(_) => json!({"noSuchKey": true}),
    }
}

/// The reasons why the schema rejects a value.
fn refusals(schema: &Value, value: &Value, path: &str) -> Result<Vec<String>> {
    let mut refusals = Vec::new();
    let mut refuse = |is_met: bool, what: String| {
        if !is_met {
            refusals.push(format!("{path}: {what}, is {value}"));
        }
    };
    let mut below = Vec::new();
    for (keyword, wanted) in schema.as_object().context("a schema is a map")? {
        match keyword.as_str() {
            "$schema" | "$id" | "title" | "description" | "default" => {}
            "type" => refuse(type_of(value) == wanted.as_str(), format!("must be of type {wanted}")),
            "enum" => {
                let is_listed = wanted.as_array().is_some_and(|words| words.contains(value));
                refuse(is_listed, format!("must be in {wanted}"));
            }
            "minLength" => {
                let length = value.as_str().map_or(0, str::len) as u64;
                refuse(Some(length) >= wanted.as_u64(), "must not be empty".to_owned());
            }
            "minimum" => refuse(value.as_i64() >= wanted.as_i64(), format!("must be at least {wanted}")),
            "maximum" => refuse(value.as_i64() <= wanted.as_i64(), format!("must be at most {wanted}")),
            "required" => {
                for key in wanted.as_array().into_iter().flatten().filter_map(Value::as_str) {
                    refuse(value.get(key).is_some(), format!("must have {key}"));
                }
            }
            "anyOf" => {
                let mut ways = Vec::new();
                for way in wanted.as_array().into_iter().flatten() {
                    ways.push(self::refusals(way, value, path)?);
                }
                refuse(ways.iter().any(Vec::is_empty), format!("fits no way: {ways:?}"));
            }
            "items" => {
                for (index, item) in value.as_array().into_iter().flatten().enumerate() {
                    below.extend(self::refusals(wanted, item, &format!("{path}[{index}]"))?);
                }
            }
            "properties" => {
                for (key, schema) in wanted.as_object().into_iter().flatten() {
                    if let Some(member) = value.get(key) {
                        below.extend(self::refusals(schema, member, &format!("{path}.{key}"))?);
                    }
                }
            }
            "additionalProperties" => {
                let known = |key: &str| schema["properties"].get(key).is_some();
                for (key, member) in value.as_object().into_iter().flatten().filter(|(key, _)| !known(key)) {
                    match wanted {
                        Value::Bool(false) => refuse(false, format!("has no key {key}")),
                        wanted => below.extend(self::refusals(wanted, member, &format!("{path}.{key}"))?),
                    }
                }
            }
            other => bail!("{path}: the keyword {other} is not known here"),
        }
    }
    refusals.extend(below);
    Ok(refusals)
}

fn type_of(value: &Value) -> Option<&'static str> {
    match value {
        Value::Null => None,
        Value::Bool(_) => Some("boolean"),
        Value::Number(number) => number.is_i64().then_some("integer"),
        Value::String(_) => Some("string"),
        Value::Array(_) => Some("array"),
        Value::Object(_) => Some("object"),
    }
}

/// The settings without values that count as absent.
fn present(value: &Value) -> Value {
    let is_there = |value: &Value| !matches!(value, Value::Null) && value != &json!("") && value != &json!([]);
    match value {
        Value::Object(members) => {
            let members = members.iter().filter(|(_, value)| is_there(value));
            Value::Object(members.map(|(key, value)| (key.clone(), present(value))).collect())
        }
        Value::Array(entries) => Value::Array(entries.iter().map(present).collect()),
        other => other.clone(),
    }
}
