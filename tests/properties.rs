// SPDX-License-Identifier: Apache-2.0

//! Property tests: properties of all requests, clusters and settings, tested with generated ones.

use std::collections::BTreeSet;

use policy_testing::answer::{Answer, evaluate, evaluate_cached, evaluate_with, problems_of_settings};
use policy_testing::cluster::{Known, any_cluster};
use policy_testing::expected_changes;
use policy_testing::objects::{CANARY, pod, pod_with_lookalike};
use policy_testing::requests::{Review, review, review_of};
use policy_testing::settings::{ids, malformed_settings, settings};
use policy_testing::written::Written;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::ValueTree;
use proptest::test_runner::{FileFailurePersistence, RngAlgorithm, TestRng, TestRunner};
use serde_json::{Map, Value, json};
use serviceaccount_hygiene::admission::subject::SubjectKind;
use serviceaccount_hygiene::cluster::Age;
use serviceaccount_hygiene::rules::RULES;

/// The number of cases for each property.
fn config() -> ProptestConfig {
    ProptestConfig {
        cases: 256,
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct("tests/regressions/properties.txt"))),
        max_shrink_iters: 4000,
        ..ProptestConfig::default()
    }
}

fn is(review: &Review, pointer: &str, word: &str) -> bool {
    review.settings.pointer(pointer).and_then(Value::as_str) == Some(word)
}

fn is_of_kind(review: &Review, kinds: &[&str]) -> bool {
    let kind = review.envelope.pointer("/kind/kind").and_then(Value::as_str);
    kind.is_some_and(|kind| kinds.contains(&kind))
}

fn is_create_of(review: &Review, kinds: &[&str]) -> bool {
    is_of_kind(review, kinds) && review.envelope.pointer("/operation") == Some(&json!("CREATE"))
}

/// The rules with a fix.
fn fixing_ids() -> Vec<&'static str> {
    RULES.iter().filter(|rule| rule.changes_objects()).map(|rule| rule.id).collect()
}

/// The rules with the actions `warn` and `reject`.
fn checking_ids() -> Vec<&'static str> {
    RULES.iter().filter(|rule| !rule.injects()).map(|rule| rule.id).collect()
}

/// The action that rejects what a fix should have changed.
fn strictest(id: &str) -> &'static str {
    if checking_ids().contains(&id) { "reject" } else { "mutate" }
}

/// The response to the same request with another object.
fn again(review: &Review, fixed: &str) -> Result<Answer, TestCaseError> {
    evaluate_with(&review.payload_of(fixed, &review.settings.to_string()), review.cluster)
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn output_is_deterministic(review in review()) {
        prop_assert_eq!(evaluate(&review)?.text, evaluate(&review)?.text);
    }

    #[test]
    fn damaged_requests_are_answered(review in review(), at: prop::sample::Index, with in "[\\[\\]{}\",:0-9eE.\\-\\\\ntu\u{0}é]{0,3}") {
        let mut characters: Vec<char> = review.payload().chars().collect();
        let at = at.index(characters.len());
        characters.splice(at..=at, with.chars());
        let damaged: String = characters.into_iter().collect();
        let answer = evaluate_with(&damaged, review.cluster);
        // The host has parsed every document. The policy notices invalid JSON only in the parts that it reads, and a fix copies
        // the rest; in that case it must only not panic.
        if serde_json::from_str::<serde::de::IgnoredAny>(&damaged).is_ok() {
            answer?;
        }
    }

    #[test]
    fn fixes_suffice(review in review()) {
        let answer = evaluate(&review)?;
        let Some(fixed) = answer.fixed() else { return Ok(()) };
        let second = again(&review, fixed)?;
        prop_assert!(second.is_accepted(), "the fixed object is refused: {}", second.text);
        prop_assert!(second.fixed().is_none(), "the fixed object is fixed again: {}", second.text);
        // If the rule only checks, it also has no finding.
        for id in fixing_ids() {
            if answer.audit(id).is_some_and(|value| value.starts_with("fixed")) {
                let checked = again(&review.with_action(id, strictest(id)), fixed)?;
                prop_assert_eq!(checked.rejections_of(id), 0, "{}", checked.text);
            }
        }
    }

    #[test]
    fn fixes_change_nothing_else(review in review()) {
        let answer = evaluate(&review)?;
        let Some(fixed) = answer.fixed() else { return Ok(()) };
        let object = review.object_text();
        let (before, after) = (Written::of(&object), Written::of(fixed));
        let (Some(before), Some(after)) = (before, after) else { return Err(TestCaseError::fail("no JSON")) };
        // `pod-automount` removes all parts of the token, unless it keeps them for a token container.
        let keeps = review.settings.pointer("/rules/pod-automount/tokenContainers").is_some();
        let takes = answer.audit("pod-automount").is_some_and(|value| value.starts_with("fixed"));
        let unexpected_change = expected_changes::unexpected_change(&before, &after, takes && !keeps);
        prop_assert!(unexpected_change.is_none(), "{}", unexpected_change.unwrap_or_default());
        prop_assert_ne!(before.text, after.text, "a fix that changes nothing");
    }

    #[test]
    fn written_tokens_stay(review in review_of(pod_with_lookalike().boxed())) {
        let answer = evaluate(&review.with_settings(json!({})))?;
        prop_assert!(answer.fixed().is_none(), "{}", answer.text);
    }

    #[test]
    fn changes_are_expected(review in review()) {
        if evaluate(&review)?.fixed().is_none() {
            return Ok(());
        }
        prop_assert!(!is(&review, "/phase", "validating"));
        if !is_of_kind(&review, &["Pod", "ServiceAccount", "TokenRequest"]) {
            prop_assert!(is(&review, "/templates", "fix"), "a template is changed");
            // A fix must not change an unchanged template, which would start a rollout, or that of a Job, which is immutable.
            let templates = [&review.object, &review.old].map(|object| object.get("spec").or(object.get("template")));
            let may_change = !is_of_kind(&review, &["Job"]) && templates[0] != templates[1];
            prop_assert!(review.old.is_null() || may_change, "a template that exists is changed");
        }
    }

    #[test]
    fn rule_that_is_off(review in review(), id in select(ids())) {
        let answer = evaluate(&review.with_action(id, "off"))?;
        prop_assert!(answer.lines_of(id).is_empty() && answer.audit(id).is_none(), "{}", answer.text);
    }

    #[test]
    fn more_severe_never_accepts_more(review in review(), id in select(checking_ids())) {
        let mut accepted = true;
        for action in ["off", "warn", "reject"] {
            let answer = evaluate(&review.with_action(id, action))?;
            prop_assert!(accepted || !answer.is_accepted(), "{action} of {id} accepts again");
            accepted = answer.is_accepted();
        }
    }

    #[test]
    fn mutate_leaves_no_finding(review in review(), id in select(fixing_ids())) {
        // Findings in templates, and those that existed before, are only warnings.
        if !is_create_of(&review, &["Pod", "ServiceAccount", "TokenRequest"]) {
            return Ok(());
        }
        let mutate = review.with_action(id, "mutate");
        let answer = evaluate(&mutate)?;
        if !answer.is_accepted() {
            return Ok(());
        }
        let object = answer.fixed().map_or_else(|| review.object_text(), str::to_owned);
        let checked = again(&mutate.with_action(id, strictest(id)), &object)?;
        prop_assert_eq!(checked.rejections_of(id), 0, "accepted: {}", checked.text);
    }

    #[test]
    fn order_of_rules(review in review(), turn in 1_usize..8) {
        let Some(rules) = review.settings.get("rules").and_then(Value::as_object) else { return Ok(()) };
        let mut lines: Vec<String> = rules.iter().map(|(id, given)| format!("{}:{given}", json!(id))).collect();
        let turn = turn % lines.len().max(1);
        lines.rotate_left(turn);
        let settings = review.with_setting("rules", json!("RULES")).settings.to_string();
        let settings = settings.replace(r#""RULES""#, &format!("{{{}}}", lines.join(",")));
        let turned = evaluate_with(&review.payload_of(&review.object_text(), &settings), review.cluster)?;
        prop_assert_eq!(evaluate(&review)?.text, turned.text);
    }

    #[test]
    fn exemptions_add_no_findings(review in review(), exempt in prop::sample::subsequence(ids(), 1..=RULES.len())) {
        let without = evaluate(&review)?;
        for names in ["web*", "legacy-*"] {
            let mut exemptions = review.settings.get("exemptions").and_then(Value::as_array).cloned().unwrap_or_default();
            exemptions.push(json!({"rules": exempt, "names": [names]}));
            let with = evaluate(&review.with_setting("exemptions", exemptions.into()))?;
            for id in &exempt {
                let (with, without) = (with.lines_of(id), without.lines_of(id));
                prop_assert!(with.iter().all(|line| without.contains(line)), "{with:?} but {without:?}");
            }
        }
    }

    #[test]
    fn warnings_alone_never_reject(review in review()) {
        let mut review = review.with_setting("treatWarnAs", json!("warn"));
        for id in ids() {
            review = review.with_action(id, if checking_ids().contains(&id) { "warn" } else { "off" });
        }
        let answer = evaluate(&review)?;
        prop_assert!(answer.is_accepted() || !answer.is_checked(), "{}", answer.text);
    }

    #[test]
    fn nothing_secret_is_told(review in review()) {
        let answer = evaluate(&review)?;
        let mut told = answer.value.clone();
        if let Some(told) = told.as_object_mut() {
            told.remove("mutated_object");
        }
        prop_assert!(!told.to_string().contains(CANARY), "{told}");
        prop_assert!(!answer.logs.iter().any(|line| line.contains(CANARY)));
    }

    #[test]
    fn dedicated_account_keeps_token(review in review_of(pod())) {
        let review = review.with_settings(json!({}));
        let account = review.object.pointer("/spec/serviceAccountName").and_then(Value::as_str).unwrap_or_default();
        let is_known_to_say_no = matches!(review.cluster, Known::Account { automount: Some(false), .. });
        if matches!(account, "" | "default") || is_known_to_say_no {
            return Ok(());
        }
        let answer = evaluate(&review)?;
        prop_assert_eq!(answer.rejections_of("pod-automount"), 0);
        prop_assert!(answer.audit("pod-automount").is_none_or(|value| value.starts_with("warned")));
        let automount = "/mutated_object/spec/automountServiceAccountToken";
        let (before, after) = (review.object.pointer("/spec/automountServiceAccountToken"), answer.value.pointer(automount));
        prop_assert!(answer.fixed().is_none() || before == after, "{}", answer.text);
        prop_assert!(answer.code() != Some(503) || review.cluster == Known::Failing);
    }

    /// A cached account can lead to acceptance, but never to any other response.
    #[test]
    fn stale_accounts_only_accept(review in review(), stale in any_cluster()) {
        let payload = review.payload();
        let answer = evaluate_cached(&payload, review.cluster, Some(stale))?;
        let before = evaluate_with(&payload, stale)?;
        let is_acceptance = before.text == r#"{"accepted":true}"#;
        prop_assert!(
            answer.text == evaluate_with(&payload, review.cluster)?.text || is_acceptance && answer.text == before.text,
            "{}",
            answer.text
        );
        prop_assert!(matches!(*answer.ages, [] | [_] | [Age::Recent, Age::Fresh]), "{:?}", answer.ages);
    }

    #[test]
    fn validation_agrees_with_evaluation(settings in malformed_settings(), mut review in review_of(pod())) {
        if let Some(envelope) = review.envelope.as_object_mut() {
            envelope.insert("operation".to_owned(), json!("CREATE"));
            envelope.remove("subResource");
        }
        // The policy reads only the settings of rules that apply to the request, and exemptions that may match it.
        let parsed: Value = serde_json::from_str(&settings).unwrap_or_default();
        let may_be_for_others = |number: &str| {
            let entry = number.parse().ok().and_then(|number: usize| parsed.get("exemptions")?.get(number));
            entry.is_none_or(|entry| ["namespaces", "kinds", "users"].iter().any(|key| entry.get(key).is_some()))
        };
        let is_read = |line: &String| {
            if let Some(rest) = line.strip_prefix("- exemptions[") {
                return !rest.split(']').next().is_some_and(may_be_for_others);
            }
            line.strip_prefix("- rules.").is_none_or(|rest| {
                RULES.iter().filter(|rule| rule.subjects.contains(&SubjectKind::Pod)).any(|rule| {
                    rest.strip_prefix(rule.id).is_some_and(|rest| rest.starts_with([':', '.', '[']))
                })
            })
        };
        let all: BTreeSet<String> = problems_of_settings(&settings)?.into_iter().collect();
        let answer = evaluate_with(&review.payload_of(&review.object_text(), &settings), review.cluster)?;
        let found: BTreeSet<String> = answer.problems_of_settings().unwrap_or_default().into_iter().collect();
        prop_assert!(found.is_subset(&all), "{settings}: {found:?} but {all:?}");
        prop_assert!(all.iter().filter(|line| is_read(line)).all(|line| found.contains(line)), "{settings}: {found:?} but {all:?}");
    }
}

/// Checks that the properties are not trivially true: the generator reaches every outcome of every rule, and most messages.
#[test]
fn generator_reaches_everything() {
    let mut runner = TestRunner::new_with_rng(config(), TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let (strategy, all_settings) = (prop_oneof![3 => review(), 1 => review_of(pod())], settings());
    let mut seen: BTreeSet<String> = BTreeSet::new();
    let (mut invalid, mut checked) = (0, 0);
    let mut lines = String::new();
    for _ in 0..5000 {
        let settings = all_settings.new_tree(&mut runner).unwrap().current();
        invalid += usize::from(!problems_of_settings(&settings.to_string()).unwrap().is_empty());
        let review = strategy.new_tree(&mut runner).unwrap().current();
        let answer = evaluate(&review).unwrap();
        checked += usize::from(answer.is_checked() && !answer.lines().is_empty());
        seen.insert(answer.code().map_or_else(|| "accepted".to_owned(), |code| code.to_string()));
        seen.extend(answer.is_about_lookups().then(|| "required look-up".to_owned()));
        seen.extend(answer.audit("lookup").map(str::to_owned));
        for rule in RULES {
            seen.extend(
                answer
                    .audit(rule.id)
                    .and_then(|value| value.split('(').next())
                    .map(|word| format!("{} {word}", rule.id)),
            );
        }
        for line in answer.lines() {
            lines.push_str(line);
            lines.push('\n');
        }
        seen.extend(is_create_of(&review, &["Pod"]).then(|| "pod".to_owned()));
        seen.extend(is(&review, "/phase", "validating").then(|| "validating".to_owned()));
    }
    let mut wanted: BTreeSet<String> =
        ["accepted", "403", "503", "required look-up", "not-granted", "pod", "validating"].map(str::to_owned).into();
    for rule in RULES {
        wanted.insert(format!("{} rejected", rule.id));
        if !rule.injects() {
            wanted.insert(format!("{} warned", rule.id));
        }
        if rule.changes_objects() {
            wanted.insert(format!("{} fixed", rule.id));
        }
    }
    let missing: Vec<&String> = wanted.difference(&seen).collect();
    assert!(missing.is_empty(), "never drawn: {missing:?}");
    let templates = RULES.iter().flat_map(|rule| rule.messages.iter().copied().flatten());
    let texts: Vec<String> = templates.map(|template| template.text()).collect();
    let is_reported = |text: &&String| lines.lines().any(|line| is_made_from(line, text));
    let unreported: Vec<_> = texts.iter().filter(|text| !is_reported(text)).collect();
    assert!(unreported.len() * 2 <= texts.len(), "never reported: {unreported:#?}");
    assert_eq!(invalid, 0, "settings are invalid");
    assert!(checked > 300, "only {checked} of 5000 requests come to anything");
}

/// Whether a line contains the literal parts of a template, in order.
fn is_made_from(line: &str, template: &str) -> bool {
    let mut rest = line;
    template.split("{}").all(|piece| match rest.split_once(piece) {
        Some((_, after)) => {
            rest = after;
            true
        }
        None => false,
    })
}

/// The generated settings contain every parameter that the rules declare.
#[test]
fn settings_name_every_parameter() {
    let mut runner = TestRunner::new_with_rng(config(), TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let strategy = settings();
    let drawn: Vec<Value> = (0..300).map(|_| strategy.new_tree(&mut runner).unwrap().current()).collect();
    for rule in RULES {
        for param in rule.params {
            let pointer = format!("/rules/{}/{}", rule.id, param.name);
            let is_drawn =
                drawn.iter().any(|settings| settings.pointer(&pointer).is_some_and(|value| *value != json!([])));
            assert!(is_drawn, "{pointer} is never drawn: add words that it accepts to the vocabulary");
        }
        for action in rule.actions() {
            let is_it = |given: &Value| given == action || given.get("action").is_some_and(|given| given == action);
            let pointer = format!("/rules/{}", rule.id);
            assert!(drawn.iter().any(|settings| settings.pointer(&pointer).is_some_and(is_it)), "{pointer} {action}");
        }
    }
    let empty = Value::Object(Map::new());
    assert_ne!(drawn.iter().find(|settings| **settings != empty), None);
}
