// SPDX-License-Identifier: Apache-2.0

//! A generator of settings, based on the declarations of the rules.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde_json::{Map, Value, json};
use serviceaccount_hygiene::guest;
use serviceaccount_hygiene::rules::{RULES, Rule};
use serviceaccount_hygiene::settings::params::{Kind, Param};

use crate::objects::{NAMESPACE, set};
use crate::vocabulary::{Vocabulary, vocabulary};

/// Valid settings: every rule with any of its actions and parameters.
pub fn settings() -> BoxedStrategy<Value> {
    (common(), rule_settings(), 0_u8..16)
        .prop_map(|(mut settings, rules, chance)| {
            set(&mut settings, "", "rules", rules);
            if chance < 3 {
                inject(&mut settings);
            }
            corrected(settings)
        })
        .boxed()
}

/// Prepares settings for rules that inject: they require that the other rules are off and that look-ups are required.
fn inject(settings: &mut Value) {
    set(settings, "", "serviceAccountLookup", json!("required"));
    set(settings, "", "phase", json!("mutating"));
    for rule in RULES {
        let given = settings.pointer(&format!("/rules/{}", rule.id)).cloned().unwrap_or_default();
        let given = match (rule.injects(), given) {
            (false, _) => json!("off"),
            (true, Value::Object(mut params)) => {
                params.insert("action".to_owned(), json!("mutate"));
                params.into()
            }
            (true, _) => json!("mutate"),
        };
        set(settings, "/rules", rule.id, given);
    }
}

/// Makes settings valid. Some parameters exclude each other, and only their rule knows which: the rule loses all of them. If a
/// rule still conflicts with the settings outside of it, these change if possible; otherwise the rule is turned off.
fn corrected(mut settings: Value) -> Value {
    for id in refused(&settings) {
        if let Some(given) = settings.pointer_mut(&format!("/rules/{id}")) {
            *given = given.get("action").cloned().unwrap_or_default();
        }
    }
    if settings.get("templates").is_some() && !refused(&settings).is_empty() {
        set(&mut settings, "", "serviceAccountLookup", json!("required"));
    }
    for id in refused(&settings) {
        set(&mut settings, "/rules", id, json!("off"));
    }
    settings
}

/// The rules whose settings the policy rejects.
fn refused(settings: &Value) -> Vec<&'static str> {
    let answer = guest::validate_settings(settings.to_string().as_bytes());
    let answer: Value = serde_json::from_slice(&answer).unwrap_or_default();
    let problems = answer.get("message").and_then(Value::as_str).unwrap_or_default();
    let is_rejected = |id: &&str| {
        let named = |line: &str| line.strip_prefix("- rules.").is_some_and(|rest| rest.starts_with(id));
        problems.lines().any(named)
    };
    ids().into_iter().filter(is_rejected).collect()
}

fn common() -> BoxedStrategy<Value> {
    let vocabulary = vocabulary();
    let word = |key: &'static str, words: &[&'static str]| {
        option::weighted(0.4, select(words.to_vec())).prop_map(move |word| (key, word.map(Value::from)))
    };
    let words = (
        word("phase", &["mutating", "mutating", "validating"]),
        word("templates", &["check", "fix", "ignore"]),
        word("serviceAccountLookup", &["optional", "off", "required", "required"]),
        word("treatWarnAs", &["warn", "reject"]),
        word("permissionLookup", &["optional", "optional", "off", "required"]),
    );
    let audiences =
        option::weighted(0.2, Just(json!(["https://issuer.example/*"]))).prop_map(|a| ("extraApiAudiences", a));
    let system = option::weighted(0.1, any::<bool>()).prop_map(|s| ("exemptSystemNamespaces", s.map(Value::from)));
    let rollouts = json!([{"apiGroup": "argoproj.io", "kind": "Rollout", "path": "spec.template"}]);
    let custom = option::of(Just(rollouts)).prop_map(|c| ("customTemplates", c));
    let exemptions =
        option::weighted(0.3, vec(exemption(&vocabulary), 1..3)).prop_map(|e| ("exemptions", e.map(Value::from)));
    (words, audiences, system, custom, exemptions)
        .prop_map(|((a, b, c, d, i), e, f, g, h)| {
            let given =
                [a, b, c, d, e, f, g, h, i].into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?)));
            Value::Object(given.collect())
        })
        .boxed()
}

/// An exemption that may match.
fn exemption(vocabulary: &Vocabulary) -> BoxedStrategy<Value> {
    let accounts: Vec<String> = vocabulary.accounts.iter().map(|name| format!("{NAMESPACE}/{name}")).collect();
    let matcher = prop_oneof![
        Just(("namespaces", "team-*".to_owned())),
        Just(("kinds", "Deployment".to_owned())),
        Just(("users", "alice*".to_owned())),
        Just(("groups", "admins".to_owned())),
        Just(("names", "legacy-*".to_owned())),
        select(accounts).prop_map(|account| ("serviceAccounts", account)),
    ];
    (vec(matcher, 1..3), option::of(subsequence(ids(), 1..=RULES.len())))
        .prop_map(|(matchers, rules)| {
            let mut exemption: Map<String, Value> =
                matchers.into_iter().map(|(key, pattern)| (key.to_owned(), json!([pattern]))).collect();
            if let Some(rules) = rules {
                exemption.insert("rules".to_owned(), json!(rules));
            }
            Value::Object(exemption)
        })
        .boxed()
}

/// The IDs of all rules.
#[must_use]
pub fn ids() -> Vec<&'static str> {
    RULES.iter().map(|rule| rule.id).collect()
}

fn rule_settings() -> BoxedStrategy<Value> {
    let vocabulary = vocabulary();
    let all: Vec<_> = RULES
        .iter()
        .map(|rule| option::weighted(0.8, one_rule(rule, &vocabulary)).prop_map(|given| (rule.id.to_owned(), given)))
        .collect();
    // With all rules on, hardly any object is accepted, so that hardly any fix is tested.
    let alone = option::of(subsequence(ids(), 1..=3));
    (all, alone)
        .prop_map(|(rules, alone)| {
            let is_on = |id: &str| alone.as_ref().is_none_or(|alone| alone.contains(&id));
            let rules = rules.into_iter().filter_map(|(id, given)| {
                let given = if is_on(&id) { given? } else { json!("off") };
                Some((id, given))
            });
            Value::Object(rules.collect())
        })
        .boxed()
}

fn one_rule(rule: &'static Rule, vocabulary: &Vocabulary) -> BoxedStrategy<Value> {
    let params: Vec<_> = rule
        .params
        .iter()
        .filter_map(|param| Some((param.name, of_param(rule, param, vocabulary)?)))
        .map(|(name, value)| option::weighted(0.4, value).prop_map(move |value| (name.to_owned(), value)))
        .collect();
    // Most of the code of a rule is for its strongest action.
    let strongest = rule.actions().last().copied().unwrap_or_default();
    (prop_oneof![select(rule.actions()), Just(strongest)], params, 0_u8..4)
        .prop_map(|(action, params, form)| {
            if form == 0 {
                return action.into();
            }
            let mut map: Map<String, Value> =
                params.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
            map.insert("action".to_owned(), action.into());
            Value::Object(map)
        })
        .boxed()
}

fn of_param(rule: &Rule, param: &'static Param, vocabulary: &Vocabulary) -> Option<BoxedStrategy<Value>> {
    let examples = vocabulary.examples.iter().filter(|(id, name, _)| (*id, *name) == (rule.id, param.name));
    let examples: Vec<Value> = examples.map(|(.., value)| value.clone()).collect();
    match (of_kind(&param.kind, param.default, &vocabulary.words), examples.is_empty()) {
        (drawn, true) => drawn,
        (None, false) => Some(select(examples).boxed()),
        (Some(drawn), false) => Some(prop_oneof![1 => drawn, 3 => select(examples)].boxed()),
    }
}

/// A value for a parameter; none if no known value makes sense.
fn of_kind(kind: &'static Kind, default: &str, words: &[&'static str]) -> Option<BoxedStrategy<Value>> {
    let sensible = |problem: &fn(&str) -> Option<String>| -> Option<Vec<String>> {
        let all = words.iter().map(|word| (*word).to_owned()).chain(texts_of(default));
        let sensible: Vec<String> = all.filter(|word| problem(word).is_none()).collect();
        (!sensible.is_empty()).then_some(sensible)
    };
    Some(match kind {
        Kind::Flag => any::<bool>().prop_map(Value::from).boxed(),
        Kind::Choice(choices) => select(*choices).prop_map(Value::from).boxed(),
        Kind::Glob(problem) | Kind::Text(problem) => select(sensible(problem)?).prop_map(Value::from).boxed(),
        Kind::Globs(problem) | Kind::Texts { problem, .. } => {
            vec(select(sensible(problem)?), 0..3).prop_map(Value::from).boxed()
        }
        Kind::Seconds { least, most } => {
            prop_oneof![Just(*least), Just(*most), *least..=*most].prop_map(Value::from).boxed()
        }
        Kind::ByKey(inner) => {
            let value = of_kind(inner, "", words)?;
            vec((select(words.to_vec()), value), 0..3)
                .prop_map(|pairs| Value::Object(pairs.into_iter().map(|(k, v)| (k.to_owned(), v)).collect()))
                .boxed()
        }
        Kind::Entries(fields) => vec(map_of(fields, words)?, 0..3).prop_map(Value::from).boxed(),
        Kind::Map(fields) => map_of(fields, words)?,
    })
}

/// A map with these parameters; those without a default are always set.
fn map_of(fields: &'static [&'static Param], words: &[&'static str]) -> Option<BoxedStrategy<Value>> {
    let field = |param: &&'static Param| Some((*param, of_kind(&param.kind, param.default, words)?));
    let fields: Vec<_> = fields.iter().map(field).collect::<Option<_>>()?;
    let fields: Vec<_> = fields
        .into_iter()
        .map(|(param, value)| {
            let given = value.prop_map(Some);
            let given = if param.default.is_empty() { given.boxed() } else { prop_oneof![given, Just(None)].boxed() };
            given.prop_map(|value| (param.name.to_owned(), value))
        })
        .collect();
    let map = fields.prop_map(|fields| {
        Value::Object(fields.into_iter().filter_map(|(name, value)| Some((name, value?))).collect())
    });
    Some(map.boxed())
}

/// The strings in the default of a parameter.
fn texts_of(default: &str) -> Vec<String> {
    match serde_json::from_str(default) {
        Ok(Value::String(text)) => vec![text],
        Ok(Value::Array(list)) => list.iter().filter_map(|entry| entry.as_str().map(str::to_owned)).collect(),
        _ => Vec::new(),
    }
}

/// The keys under which invalid values are inserted.
const KEYS: &[&str] =
    &["action", "rules", "phase", "exemptions", "scope", "strict", "pod-automount", "tokenContainers", "zzz", ""];

/// The invalid values, as JSON texts.
#[rustfmt::skip]
const JUNK: &[&str] = &[
    "null", "\"\"", "[]", "[ ]", "{}", "true", "false", "7", "-1", "1.5", "1e999", "\"off\"", "\"on\"", "[null]",
    "[\"\"]", "[[]]", "{\"\":0}", "[{}]", "\"*\"", "\"a b\"", "\"\\u202e\\n\"", "\"\\ud83d\\ude00\"", "\"mutate\"",
    "{\"action\":null}", "{\"action\":\"off\",\"x\":1}", "{\"x\":1,\"x\":2}", "\"\\ud800\"", "{\"\\ud800\":1}",
    "[123456789012]",
];

/// Malformed settings: some of their values are replaced.
pub fn malformed_settings() -> BoxedStrategy<String> {
    let junk = prop_oneof![
        select(JUNK).prop_map(str::to_owned),
        "[a-zA-Z*?=/]{0,8}".prop_map(|word| Value::from(word).to_string()),
        Just(format!("\"{}\"", "x".repeat(2000))),
        Just(format!("{}{}", "[".repeat(300), "]".repeat(300))),
    ];
    let key = prop_oneof![select(KEYS), select(ids()),];
    let change = (any::<proptest::sample::Index>(), junk, option::of(key));
    (settings(), vec(change, 1..4))
        .prop_map(|(settings, changes)| {
            let mut marked = settings;
            let mut junks = Vec::new();
            for (at, junk, key) in changes {
                let marker = format!("{MARKER}{}", junks.len());
                let count = nodes(&marked);
                let mut left = at.index(count);
                put(&mut marked, &mut left, &marker, key);
                junks.push((marker, junk));
            }
            let mut text = marked.to_string();
            for (marker, junk) in junks {
                text = text.replace(&format!("\"{marker}\""), &junk);
            }
            text
        })
        .boxed()
}

const MARKER: &str = "here-comes-";

fn nodes(value: &Value) -> usize {
    1 + match value {
        Value::Object(members) => members.values().map(nodes).sum(),
        Value::Array(entries) => entries.iter().map(nodes).sum(),
        _ => 0_usize,
    }
}

/// Replaces a node by a text, or sets the text under one of the node's keys.
fn put(value: &mut Value, left: &mut usize, text: &str, key: Option<&str>) -> bool {
    if *left == 0 {
        match (value, key) {
            (Value::Object(members), Some(key)) => drop(members.insert(key.to_owned(), text.into())),
            (value, _) => *value = text.into(),
        }
        return true;
    }
    *left -= 1;
    match value {
        Value::Object(members) => members.values_mut().any(|value| put(value, left, text, key)),
        Value::Array(entries) => entries.iter_mut().any(|value| put(value, left, text, key)),
        _ => false,
    }
}
