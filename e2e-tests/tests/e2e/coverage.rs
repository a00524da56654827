// SPDX-License-Identifier: Apache-2.0

//! Reports messages, parameters, outcomes and neighbors that no case covers.
//!
//! A **neighbor** of a rejected case is an accepted case of the same file whose inputs, read as one document
//! `{object | request, old, settings, cluster, given}`, differ from it by exactly one difference
//! ([`e2e_tests::difference::count`]). It proves that this difference is the reason for the rejection.

use std::sync::{Arc, OnceLock};

use e2e_tests::case::Case;
use e2e_tests::case_file::Cases;
use e2e_tests::difference::count;
use e2e_tests::expectation::{Expectation, Verdict};
use libtest_mimic::Trial;
use serde_json::Value;
use serviceaccount_hygiene::rules::{RULES, Rule};

pub fn trials(cases: &Arc<Cases>) -> Vec<Trial> {
    let all_expected: Arc<OnceLock<Vec<Option<Expectation>>>> = Arc::default();
    let trial = |rule: &'static Rule| {
        let (cases, all_expected) = (Arc::clone(cases), Arc::clone(&all_expected));
        Trial::test(format!("coverage::{}", rule.id), move || {
            let missing = missing(rule, &blessed(&cases, all_expected.get_or_init(|| expected(&cases))));
            if missing.is_empty() {
                Ok(())
            } else {
                Err(format!("not covered by any case:\n{}", missing.join("\n")).into())
            }
        })
    };
    RULES.iter().map(|rule| trial(rule)).collect()
}

/// The expectation of each case. A case without one is reported by its own trial.
fn expected(cases: &Cases) -> Vec<Option<Expectation>> {
    let expectation = |case: &Case| case.expectation().ok().flatten();
    cases.iter().map(|(_, case)| case.as_ref().ok().and_then(expectation)).collect()
}

/// The cases that have an expectation.
fn blessed<'a>(cases: &'a Cases, expected: &'a [Option<Expectation>]) -> Vec<(&'a Case, &'a Expectation)> {
    let pairs = cases.iter().zip(expected);
    pairs.filter_map(|((_, case), expectation)| Some((case.as_ref().ok()?, expectation.as_ref()?))).collect()
}

fn missing(rule: &Rule, cases: &[(&Case, &Expectation)]) -> Vec<String> {
    let verdicts = || cases.iter().filter_map(|(case, expectation)| Some((*case, expectation.verdict()?)));
    let own: Vec<_> = verdicts().filter(|(case, _)| case.rule == rule.id).collect();
    let mut missing = Vec::new();

    for message in rule.messages.iter().copied().flatten() {
        if !verdicts().any(|(_, verdict)| verdict.lines_of(rule.id).any(|line| is_made_from(line, &message.text()))) {
            missing.push(format!("message {}: {}", message.id(), message.text()));
        }
    }
    for param in rule.params {
        let default: Value = serde_json::from_str(param.default).unwrap_or_default();
        let pointer = format!("/rules/{}/{}", rule.id, param.name);
        let is_set = |case: &Case| case.settings.pointer(&pointer).is_some_and(|value| *value != default);
        if !verdicts().any(|(case, _)| is_set(case)) {
            missing.push(format!("parameter {} other than {}", param.name, param.default));
        }
    }
    let is_fixing = rule.changes_objects();
    let shows = |is_shown: Outcome| own.iter().any(|(case, verdict)| is_shown(rule, case, verdict));
    for (outcome, is_wanted, is_shown) in [
        ("accept", true, accepts as Outcome),
        ("reject or warn", true, complains),
        ("fix", is_fixing, fixes),
        ("exempt", true, exempts),
    ] {
        if is_wanted && !shows(is_shown) {
            missing.push(format!("outcome {outcome}, in e2e-tests/cases/{}.md", rule.id));
        }
    }
    for (case, _) in own.iter().filter(|(_, verdict)| !verdict.allowed) {
        let is_neighbor = |other: &Case| count(&case.inputs(), &other.inputs()) == 1;
        if !own.iter().any(|(other, verdict)| verdict.allowed && is_neighbor(other)) {
            missing.push(format!("an accepted neighbor of {}, {}", case.location, case.name));
        }
    }
    missing
}

/// Whether a case shows an outcome of a rule.
type Outcome = fn(&Rule, &Case, &Verdict) -> bool;

fn accepts(rule: &Rule, case: &Case, verdict: &Verdict) -> bool {
    !exempts(rule, case, verdict) && verdict.allowed && verdict.lines_of(rule.id).next().is_none()
}

fn complains(rule: &Rule, case: &Case, verdict: &Verdict) -> bool {
    !fixes(rule, case, verdict) && verdict.lines_of(rule.id).next().is_some()
}

fn fixes(rule: &Rule, _: &Case, verdict: &Verdict) -> bool {
    verdict.object.is_some() && verdict.audit_annotations.get(rule.id).is_some_and(|value| value.starts_with("fixed"))
}

/// An exemption in the settings could apply, and there are no findings.
fn exempts(rule: &Rule, case: &Case, verdict: &Verdict) -> bool {
    let entries = case.settings.get("exemptions").and_then(Value::as_array);
    let applies = |entry: &Value| match entry.get("rules").and_then(Value::as_array) {
        Some(rules) => rules.iter().any(|id| *id == rule.id),
        None => true,
    };
    let is_silent = verdict.allowed && verdict.object.is_none() && verdict.lines_of(rule.id).next().is_none();
    is_silent && entries.into_iter().flatten().any(applies)
}

/// Whether a line contains the literal parts of a template, in order.
fn is_made_from(line: &str, template: &str) -> bool {
    let mut rest = line;
    template.split("{}").all(|piece| match rest.find(piece) {
        Some(start) => {
            rest = rest.get(start + piece.len()..).unwrap_or_default();
            true
        }
        None => false,
    })
}
