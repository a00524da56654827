// SPDX-License-Identifier: Apache-2.0

//! What a policy's answer says, finding by finding.

use serde_json::Value;
use serviceaccount_hygiene::admission::response::POLICY;
use serviceaccount_hygiene::rules::RULES;

use super::place;
use super::source::Location;
use crate::kubewarden::{Evaluation, Mode};
use crate::shown;

/// The "rule" of what the API server itself would not take.
pub const API_SERVER: &str = "api-server";

/// How far a finding goes, from least to most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// The cluster changes it, in the object or in the Pods made from it.
    Fixed,
    /// The cluster warns.
    Warned,
    /// The API server would not take the object, as far as that is simulated; nothing fails because of it.
    Invalid,
    /// A policy refuses the object.
    Refused,
}

impl Level {
    /// Every level, from least to most.
    pub const ALL: [Self; 4] = [Self::Fixed, Self::Warned, Self::Invalid, Self::Refused];

    /// For reports.
    pub fn word(self) -> &'static str {
        match self {
            Self::Fixed => "fixed",
            Self::Warned => "warned",
            Self::Invalid => "invalid",
            Self::Refused => "refused",
        }
    }
}

/// Something that a policy, or the API server, says about an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The rule's id; [`API_SERVER`]; or the policy's name where it is no rule that speaks.
    pub rule: String,
    /// Where in the object; empty for the object as a whole.
    pub place: String,
    /// What is wrong, or what was changed.
    pub text: String,
    /// How far it goes.
    pub level: Level,
    /// Where in the file.
    pub location: Location,
    /// Whether the baseline lets it pass.
    pub is_known: bool,
    /// Whether a Pod made from the template is meant, and not the template.
    pub is_of_pods: bool,
}

impl Finding {
    /// A finding whose place in the file is not known yet.
    pub fn new(rule: &str, place: &str, text: &str, level: Level) -> Self {
        Self {
            rule: rule.to_owned(),
            place: place.to_owned(),
            text: text.to_owned(),
            level,
            location: Location { line: 1, column: 1 },
            is_known: false,
            is_of_pods: false,
        }
    }

    /// What the API server says, at the field that it names.
    pub fn of_api_server(text: &str) -> Self {
        let is_path =
            |path: &str| path.starts_with(|first: char| first.is_ascii_lowercase()) && !path.contains([' ', '"']);
        let (place, text) = text.split_once(": ").filter(|(path, _)| is_path(path)).unwrap_or(("", text));
        Self::new(API_SERVER, place, &format!("the API server refuses it: {}", shown::text(text)), Level::Invalid)
    }

    /// Whether a rule says it, and not the policy as a whole.
    pub(super) fn is_of_a_rule(&self) -> bool {
        is_rule(&self.rule)
    }

    /// `rule: place: text`, as the policy writes it.
    pub fn to_line(&self) -> String {
        let Self { rule, place, text, .. } = self;
        let pods = if self.is_of_pods { "in its Pods: " } else { "" };
        if place.is_empty() { format!("{rule}: {pods}{text}") } else { format!("{rule}: {pods}{place}: {text}") }
    }

    fn read(line: &str, level: Level) -> Self {
        let mut parts = line.splitn(3, ": ");
        match (parts.next(), parts.next(), parts.next()) {
            (Some(rule), Some(place), Some(text)) if is_rule(rule) => Self::new(rule, place, text, level),
            (Some(rule), Some(text), None) if is_rule(rule) => Self::new(rule, "", text, level),
            _ => {
                let text = line.strip_prefix(POLICY).and_then(|text| text.strip_prefix(": ")).unwrap_or(line);
                Self::new(POLICY, "", text, level)
            }
        }
    }
}

fn is_rule(word: &str) -> bool {
    RULES.iter().any(|rule| rule.id == word)
}

/// What the policy writes before a fix that the Pods of a template will get.
const FORESEEN: &str = "Pods made from this template will be changed: ";

/// The findings of an answer. `patched` is the object after the patch, where there is one.
pub(super) fn findings(evaluation: &Evaluation, mode: Mode, patched: Option<&Value>) -> Vec<Finding> {
    let answer = &evaluation.unconstrained;
    let mut found = Vec::new();
    if let Some(message) = answer.message().filter(|_| !answer.allowed) {
        found.extend(entries(message).into_iter().map(|line| Finding::read(line, Level::Refused)));
    } else if let Some(message) = evaluation.response.message().filter(|_| !evaluation.response.allowed) {
        // `mutating: false` in the policy's manifest, and yet a fix.
        found.push(Finding::read(message, Level::Refused));
    }
    for line in &answer.warnings {
        let mut finding = Finding::read(line, Level::Warned);
        if let Some(text) = finding.text.strip_prefix(FORESEEN).map(str::to_owned) {
            finding.level = Level::Fixed;
            finding.text = format!("{FORESEEN}{text}");
        } else if is_fix(&finding, evaluation, patched) {
            finding.level = Level::Fixed;
        }
        found.push(finding);
    }
    if mode == Mode::Monitor {
        for finding in found.iter_mut().filter(|finding| finding.level != Level::Warned) {
            finding.text = format!("{} (would be {}; the policy only monitors)", finding.text, finding.level.word());
            finding.level = Level::Warned;
        }
    }
    found
}

/// A change is announced like a warning. Which it is, the object tells: a change has changed what is at its place.
fn is_fix(finding: &Finding, evaluation: &Evaluation, patched: Option<&Value>) -> bool {
    let is_fixing =
        evaluation.unconstrained.audit_annotations.get(&finding.rule).is_some_and(|it| it.starts_with("fixed("));
    let (true, Some(before), Some(after)) = (is_fixing, &evaluation.object, patched) else { return false };
    let at = |object| {
        let (steps, is_all) = place::steps(object, &finding.place);
        place::value_at(object, &steps).filter(|_| is_all).cloned()
    };
    at(before) != at(after)
}

/// The findings of a message: the entries of its list, or else all of it.
pub(crate) fn entries(message: &str) -> Vec<&str> {
    let mut lines = message.lines();
    match lines.next() {
        Some(_) if lines.clone().any(|line| line.starts_with("- ")) => {
            lines.map(|line| line.strip_prefix("- ").unwrap_or(line)).collect()
        }
        _ => vec![message],
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[test]
    fn a_list_is_taken_apart_and_anything_else_is_left_whole() {
        assert_eq!(entries("p: 2 problems\n- a: b\n- c: d\nand 3 more"), ["a: b", "c: d", "and 3 more"]);
        assert_eq!(entries("one\ntwo"), ["one\ntwo"]);
        assert_eq!(entries(""), [""]);
    }

    #[rstest]
    #[case("role-arn: metadata.annotations[\"a\"]: is x: no", ("role-arn", "metadata.annotations[\"a\"]", "is x: no"))]
    #[case("role-arn: is x", ("role-arn", "", "is x"))]
    #[case("serviceaccount-hygiene: the request cannot be read: x", (POLICY, "", "the request cannot be read: x"))]
    #[case("and 3 more", (POLICY, "", "and 3 more"))]
    fn lines_are_rule_place_and_text(#[case] line: &str, #[case] expected: (&str, &str, &str)) {
        let finding = Finding::read(line, Level::Warned);
        assert_eq!((finding.rule.as_str(), finding.place.as_str(), finding.text.as_str()), expected);
    }
}
