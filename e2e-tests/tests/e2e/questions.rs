// SPDX-License-Identifier: Apache-2.0

//! `questions-ui.yml`, Rancher's form, generated from the same declarations as the schema.
//!
//! The behavior of the form (its source is `pkg/kubewarden/components/Questions/` of
//! <https://github.com/rancher/kubewarden-ui>) restricts the questions:
//!
//! - A visible question stores its default. So the settings of the unchanged form must be valid.
//! - A condition with a hyphen, as in every rule's ID, is first evaluated as a subtraction, which is false. Then it is
//!   evaluated again: split at `||` or else `&&`, and at `=`, without trimming. `!=` would be true in the first evaluation,
//!   blanks break the second, and only top-level questions are found.
//! - Lists of objects work only at the top level, and the values of maps are always strings. Parameters of these kinds have to
//!   be set in YAML.

#![expect(clippy::indexing_slicing, reason = "of JSON values: what is missing reads as null")]

use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use e2e_tests::engine::Engine;
use libtest_mimic::Trial;
use policy_host::yaml;
use serde_json::{Map, Value, json};
use serviceaccount_hygiene::admission::subject::SubjectKind;
use serviceaccount_hygiene::rules::{RULES, Rule};
use serviceaccount_hygiene::settings::declared::{AWS, COMMON};
use serviceaccount_hygiene::settings::params::{Kind, Param};

use crate::docs::compare_or_bless;
use crate::{failed, repository};

const FILE: &str = "questions-ui.yml";

pub fn trials(engine: &Arc<Engine>, bless: bool) -> Vec<Trial> {
    let engine = Arc::clone(engine);
    vec![
        Trial::test("questions::are_generated", move || are_generated(bless).map_err(failed)),
        Trial::test("questions::conditions_are_understood", || conditions().map_err(failed)),
        Trial::test("questions::untouched_form_is_valid", move || form_is_valid(&engine).map_err(failed)),
    ]
}

/// The expected text of the file.
pub fn text() -> Result<String> {
    let head = "# Rancher's form for the settings. Generated from the policy's own declarations by `make bless`.\n";
    Ok(head.to_owned() + &yaml::to_string(&json!({"questions": questions()}))?)
}

fn questions() -> Vec<Value> {
    let hidden = "Set a rule to off, warn, reject or mutate, or leave it empty to use the action of the profile. The parameters \
                  of a rule appear when it is on. Lists of objects, and maps, can be set only in YAML; the form keeps them.";
    let mut questions = vec![json!({
        "variable": "description", "label": "Description", "description": hidden, "group": "General",
        "type": "string", "default": null, "hide_input": true, "required": false,
    })];
    questions.extend(COMMON.iter().filter_map(|param| question(param, "", "General", true)));
    questions.extend(AWS.iter().filter_map(|param| question(param, "aws.", "Amazon EKS", false)));
    for rule in RULES {
        let above = format!("rules.{}.", rule.id);
        // A visible question stores its default, and an explicit action would override that of the profile.
        let options: Vec<&str> = [""].into_iter().chain(rule.actions().iter().copied()).collect();
        questions.push(json!({
            "variable": format!("{above}action"), "label": rule.id, "description": action(rule),
            "group": group(rule), "type": "enum", "options": options,
            "default": "", "required": false,
        }));
        for param in rule.params {
            questions.extend(question(param, &above, group(rule), false).map(|mut question| {
                question["label"] = json!(format!("{}: {}", rule.id, param.name));
                question["show_if"] = json!(is_on(rule));
                question
            }));
        }
    }
    questions
}

/// The description of a rule's action, and the parameters that the form cannot set.
fn action(rule: &Rule) -> String {
    let left: Vec<&str> =
        rule.params.iter().filter(|param| form_type(&param.kind, false).is_none()).map(|param| param.name).collect();
    let left = if left.is_empty() { String::new() } else { format!(" (in YAML also: {})", left.join(", ")) };
    plain(rule.summary.text()) + &left
}

/// The tab, determined by the first subject of the rule.
fn group(rule: &Rule) -> &'static str {
    match rule.subjects.first() {
        Some(SubjectKind::ServiceAccount | SubjectKind::IdentityGrant) => "ServiceAccounts",
        Some(SubjectKind::TokenRequest | SubjectKind::Secret) => "Issued tokens",
        Some(SubjectKind::Binding | SubjectKind::Role) => "RBAC",
        _ => "Pods",
    }
}

/// The rule has an action other than `off`.
fn is_on(rule: &Rule) -> String {
    let on = rule.actions().iter().filter(|action| **action != "off");
    on.map(|action| format!("rules.{}.action={action}", rule.id)).collect::<Vec<_>>().join("||")
}

fn question(param: &Param, above: &str, group: &str, is_top: bool) -> Option<Value> {
    let mut question = json!({
        "variable": format!("{above}{}", param.name),
        "label": format!("{above}{}", param.name),
        "description": plain(param.doc.text()),
        "group": group,
        "type": form_type(&param.kind, is_top)?,
        "default": serde_json::from_str::<Value>(param.default).unwrap_or(json!("")),
        "required": false,
    });
    match &param.kind {
        Kind::Choice(choices) => question["options"] = json!(choices),
        Kind::Entries(fields) => {
            let entries = fields.iter().filter_map(|field| self::question(field, "", group, false));
            question["sequence_questions"] = entries.collect();
        }
        _ => {}
    }
    Some(question)
}

/// The form's type for a kind of parameter; none if the form cannot set it.
fn form_type(kind: &Kind, is_top: bool) -> Option<&'static str> {
    match kind {
        Kind::Flag => Some("boolean"),
        Kind::Choice(_) => Some("enum"),
        Kind::Glob(_) | Kind::Text(_) => Some("string"),
        Kind::Globs(_) | Kind::Texts { .. } => Some("array["),
        Kind::Seconds { .. } => Some("int"),
        Kind::Entries(_) if is_top => Some("sequence["),
        // The form would store every default of a map, and explicit values take precedence.
        Kind::ByKey(_) | Kind::Entries(_) | Kind::Map(_) => None,
    }
}

/// Removes markup, because the form shows plain text.
fn plain(doc: &str) -> String {
    doc.replace('`', "")
}

fn are_generated(bless: bool) -> Result<()> {
    let path = repository().join(FILE);
    compare_or_bless(&path, &std::fs::read_to_string(&path).unwrap_or_default(), &text()?, bless)
}

/// The questions in the repository's file.
fn load() -> Result<Vec<Value>> {
    let document = yaml::load_str(&text()?, FILE)?.pop().context("there are no questions")?.value;
    document["questions"].as_array().cloned().context("there are no questions")
}

/// Conditions have the form `variable=word`, joined only by `||` or only by `&&`, and refer to top-level questions.
fn conditions() -> Result<()> {
    let questions = load()?;
    let find = |variable: &str| questions.iter().find(|question| question["variable"] == variable);
    for question in &questions {
        ensure!(question["subquestions"].is_null(), "{question}: conditions do not find subquestions");
        let Some(condition) = question["show_if"].as_str() else { continue };
        ensure!(!condition.contains([' ', '!', '(']), "`{condition}`: no blanks, no !=, no brackets");
        ensure!(!(condition.contains("||") && condition.contains("&&")), "`{condition}`: || and && do not mix");
        for part in condition.split("||").flat_map(|part| part.split("&&")) {
            let (variable, word) = part.split_once('=').with_context(|| format!("`{part}` has no ="))?;
            let asked = find(variable).with_context(|| format!("`{condition}`: there is no question {variable}"))?;
            let is_option = asked["options"].as_array().is_some_and(|options| options.contains(&json!(word)));
            ensure!(is_option, "`{condition}`: {word} is not an option of {variable}");
        }
        let variable = question["variable"].as_str().unwrap_or_default();
        ensure!(
            question["type"] != "sequence[" || !variable.contains('.'),
            "{variable}: lists of maps: top level only"
        );
    }
    Ok(())
}

/// The settings that the form stores are valid: unchanged, and with each action of each rule.
fn form_is_valid(engine: &Engine) -> Result<()> {
    let questions = load()?;
    let answer = engine.validate_settings(&filled(&questions, &json!({})))?;
    ensure!(answer.valid, "the untouched form: {}", answer.message.unwrap_or_default());
    for rule in RULES {
        for action in rule.actions() {
            let form = filled(&questions, &json!({"rules": {rule.id: {"action": action}}}));
            let answer = engine.validate_settings(&form)?;
            // A rule may require other settings too; but the settings from the form must be accepted.
            let (message, own) = (answer.message.unwrap_or_default(), format!("rules.{}.", rule.id));
            let wrong: Vec<&str> = message.lines().filter(|line| line.contains(&own)).collect();
            ensure!(wrong.is_empty(), "the form with {}: {action}: {}", rule.id, wrong.join("\n"));
            for param in rule.params.iter().filter(|param| form_type(&param.kind, false).is_some()) {
                let is_there = form.pointer(&format!("/rules/{}/{}", rule.id, param.name)).is_some();
                ensure!(is_there == (*action != "off"), "{}: {} with action {action}", rule.id, param.name);
            }
        }
    }
    Ok(())
}

/// The settings that the form stores if it starts with these settings.
fn filled(questions: &[Value], start: &Value) -> Value {
    let mut settings = start.clone();
    // Each answer may make other questions visible.
    loop {
        let before = settings.clone();
        for question in questions {
            let is_shown = question["show_if"].as_str().is_none_or(|condition| is_shown(condition, &settings));
            let variable = question["variable"].as_str().unwrap_or_default();
            if is_shown && get(&settings, variable).is_none() {
                set(&mut settings, variable, question["default"].clone());
            }
        }
        if settings == before {
            return settings;
        }
    }
}

/// The form's second evaluation of a condition; if it contains a hyphen, the first evaluation is always false.
fn is_shown(condition: &str, settings: &Value) -> bool {
    let holds = |part: &str| {
        let Some((variable, word)) = part.split_once('=') else { return false };
        get(settings, variable).and_then(Value::as_str) == Some(word)
    };
    if condition.contains("||") { condition.split("||").any(holds) } else { condition.split("&&").all(holds) }
}

fn get<'v>(settings: &'v Value, variable: &str) -> Option<&'v Value> {
    settings.pointer(&format!("/{}", variable.replace('.', "/")))
}

fn set(settings: &mut Value, variable: &str, value: Value) {
    let mut node = settings;
    for part in variable.split('.') {
        if !node.is_object() {
            *node = Value::Object(Map::new());
        }
        node = &mut node[part];
    }
    *node = value;
}
