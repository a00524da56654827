// SPDX-License-Identifier: Apache-2.0

//! Comments in a file that suppress findings: `# sa-hygiene: ignore[rule-id] reason`.
//!
//! Only `check` reads them. The policy in a cluster does not trust the author of an object, and comments do not reach the API
//! server. `--ignore-suppressions` is for pipelines that do not trust authors either.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};

use serviceaccount_hygiene::matching::closest::closest_match;
use serviceaccount_hygiene::rules::RULES;

use super::finding::{API_SERVER, Finding, Pass};
use super::source::{FileWarning, FileWarningKind, Location, SourcePart};
use crate::shown;
use crate::yaml::comments;

/// The text that marks a suppression.
const MARK: &str = "sa-hygiene:";

/// The suppressions in a document.
#[derive(Debug, Default)]
pub(super) struct Suppressions {
    suppressions: Vec<Suppression>,
    /// Comments that look like suppressions but are invalid.
    malformed: Vec<FileWarning>,
}

/// A comment that suppresses findings.
#[derive(Debug)]
struct Suppression {
    location: Location,
    /// The rules, each with whether a finding of the rule was suppressed.
    rules: Vec<(String, AtomicBool)>,
    reason: String,
    /// The line of the next content, if the comment is on a line of its own.
    next: Option<usize>,
}

impl Suppressions {
    /// The suppressions in a document. Nothing is parsed if the text does not contain the mark.
    pub fn of(part: &SourcePart<'_>) -> Self {
        let mut found = Self::default();
        let start = part.part.bytes.start;
        if let Some(comment) = separator_comment(&part.file.text, start) {
            found.add(part, comment, true);
        }
        let text = part.part.text(&part.file.text);
        for comment in comments::containing(text, MARK) {
            let line = text.get(..comment.start).and_then(|before| before.rsplit('\n').next()).unwrap_or_default();
            found.add(part, start + comment.start..start + comment.end, line.trim().is_empty());
        }
        found
    }

    /// Reads a comment, by its bytes in the file.
    fn add(&mut self, part: &SourcePart<'_>, comment: Range<usize>, is_own_line: bool) {
        let Some(content) = part.file.text.get(comment.clone()) else { return };
        // Another comment may precede it: `# see #12 # sa-hygiene: ignore[…]`.
        let Some((before, directive)) = content.split_once(MARK) else { return };
        if !before.trim_end().ends_with('#') {
            return;
        }
        let location = part.file.location(comment.start);
        let mut malformed = |message: String| {
            self.malformed.push(FileWarning { location, what: FileWarningKind::Suppression(message) });
        };
        let directive = directive.trim();
        let list = directive.strip_prefix("ignore").map(str::trim_start).and_then(|rest| rest.strip_prefix('['));
        let Some((rules, reason)) = list.and_then(|list| list.split_once(']')) else {
            return malformed(format!(
                "`{MARK} {}` suppresses nothing; write `# {MARK} ignore[rule-id] reason`",
                shown::text(directive)
            ));
        };
        let rules: Vec<&str> = rules.split(',').map(str::trim).filter(|rule| !rule.is_empty()).collect();
        if rules.is_empty() {
            return malformed(format!("the suppression names no rule; write `# {MARK} ignore[rule-id] reason`"));
        }
        for rule in rules.iter().filter(|rule| !is_rule(rule)) {
            malformed(unknown_rule(rule));
        }
        let reason = reason.trim_start_matches([':', ' ', '\t']).trim_end();
        if reason.is_empty() {
            malformed(format!("the suppression of {} has no reason; add one after it", quoted(&rules)));
        }
        let known = rules.into_iter().filter(|rule| is_rule(rule));
        self.suppressions.push(Suppression {
            location,
            rules: known.map(|rule| (rule.to_owned(), AtomicBool::new(false))).collect(),
            reason: shown::text(reason),
            next: is_own_line.then(|| next_content(part, comment.end)),
        });
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.suppressions.is_empty()
    }

    /// Marks the suppressed findings of an object that begins at `start`.
    pub fn apply(&self, start: Location, findings: &mut [Finding]) {
        for finding in findings {
            let line = finding.location.line;
            let covers = |it: &&Suppression| match it.next {
                None => it.location.line == line,
                Some(next) => next == line || next == start.line,
            };
            let of_rule = |it: &&Suppression| it.rules.iter().any(|(rule, _)| *rule == finding.rule);
            let mut suppressing = self.suppressions.iter().filter(covers).filter(of_rule).peekable();
            if let Some(first) = suppressing.peek() {
                finding.pass = Some(Pass::Suppressed { line: first.location.line, reason: first.reason.clone() });
            }
            for (_, is_used) in suppressing.flat_map(|it| &it.rules).filter(|(rule, _)| *rule == finding.rule) {
                is_used.store(true, Ordering::Relaxed);
            }
        }
    }

    /// The warnings, after every object of the document was checked. `are_unused_known`: whether all findings of the document
    /// are known, so that unused suppressions can be reported; `is_selected`: whether the findings of a rule are selected.
    pub fn warnings(self, are_unused_known: bool, is_selected: impl Fn(&str) -> bool) -> Vec<FileWarning> {
        let mut warnings = self.malformed;
        for suppression in self.suppressions.into_iter().filter(|_| are_unused_known) {
            let unused = suppression
                .rules
                .iter()
                .filter(|(rule, is_used)| !is_used.load(Ordering::Relaxed) && is_selected(rule));
            let unused: Vec<&str> = unused.map(|(rule, _)| rule.as_str()).collect();
            if !unused.is_empty() {
                let message = format!("the suppression of {} suppresses nothing; remove it", quoted(&unused));
                warnings
                    .push(FileWarning { location: suppression.location, what: FileWarningKind::Suppression(message) });
            }
        }
        warnings.sort_by_key(|warning| warning.location);
        warnings
    }
}

/// The comment after the `---` that precedes a document, if it contains the mark.
fn separator_comment(text: &str, start: usize) -> Option<Range<usize>> {
    let before = text.get(..start)?;
    let line = before.strip_suffix('\n')?.rfind('\n').map_or(0, |end| end + 1);
    let separator = before.get(line..)?;
    if !separator.starts_with("---") || !separator.contains(MARK) {
        return None;
    }
    Some(line + separator.find('#')?..line + separator.trim_end().len())
}

/// The line of the next content after a byte of the file.
fn next_content(part: &SourcePart<'_>, from: usize) -> usize {
    let mut at = from;
    for (number, line) in part.file.text.get(from..).unwrap_or_default().split_inclusive('\n').enumerate() {
        let content = line.trim();
        // The first one is the rest of the comment's own line.
        if number > 0 && !(content.is_empty() || content.starts_with('#')) {
            break;
        }
        at += line.len();
    }
    part.file.location(at).line
}

fn is_rule(id: &str) -> bool {
    id == API_SERVER || RULES.iter().any(|rule| rule.id == id)
}

/// The message for a rule that does not exist.
pub fn unknown_rule(id: &str) -> String {
    let shown = shown::text(id);
    let ids = RULES.iter().map(|rule| rule.id).chain([API_SERVER]);
    match closest_match(id, ids) {
        Some(suggestion) => format!("unknown rule `{shown}`; did you mean `{suggestion}`?"),
        None => format!("unknown rule `{shown}`; `sa-hygiene rules` lists them"),
    }
}

fn quoted(rules: &[&str]) -> String {
    let rules: Vec<String> = rules.iter().map(|rule| format!("`{}`", shown::text(rule))).collect();
    rules.join(", ")
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::super::finding::Level;
    use super::super::source::SourceFile;
    use super::*;

    /// The lines of `pod-automount` findings that are suppressed, then the warnings.
    fn suppressed(text: &str, start: usize) -> (Vec<usize>, Vec<String>) {
        let file = SourceFile::new("x.yaml", None, text.to_owned(), true);
        let part = file.part(file.parts().last().unwrap());
        let suppressions = Suppressions::of(&part);
        let finding = |line| Finding {
            location: Location { line, column: 1 },
            ..Finding::new("pod-automount", "m", Level::Warned)
        };
        let mut findings: Vec<Finding> = (1..=text.lines().count()).map(finding).collect();
        suppressions.apply(Location { line: start, column: 1 }, &mut findings);
        let lines = findings.iter().filter(|it| it.passes()).map(|it| it.location.line).collect();
        let warnings = suppressions.warnings(true, |_| true);
        (lines, warnings.iter().map(|it| format!("{}: {}", it.location.line, it.what)).collect())
    }

    const OK: &str = "sa-hygiene: ignore[pod-automount] batch job";

    #[rstest]
    #[case::on_the_line(format!("a: 1\nb: 2 # {OK}\nc: 3\n"), 1, &[2])]
    #[case::above_the_line(format!("a: 1\n# {OK}\n# more\n\nb: 2\nc: 3\n"), 1, &[5])]
    #[case::above_the_object(format!("# {OK}\na: 1\nb: 2\n"), 2, &[1, 2, 3])]
    #[case::behind_another_comment(format!("a: 1\nb: 2 # see #12 # {OK}\n"), 1, &[2])]
    #[case::on_the_separator(format!("--- # {OK}\na: 1\nb: 2\n"), 2, &[1, 2, 3])]
    #[case::several_rules("a: 1\nb: 2 # sa-hygiene: ignore[role-arn, pod-automount] x\n".to_owned(), 1, &[2])]
    fn scope_of_suppressions(#[case] text: String, #[case] start: usize, #[case] lines: &[usize]) {
        assert_eq!(suppressed(&text, start).0, lines);
    }

    #[rstest]
    #[case(
        "a: 1 # sa-hygiene: ignore\n",
        "1: `sa-hygiene: ignore` suppresses nothing; write `# sa-hygiene: ignore[rule-id] reason`"
    )]
    #[case(
        "a: 1 # sa-hygiene: ignore[]\n",
        "1: the suppression names no rule; write `# sa-hygiene: ignore[rule-id] reason`"
    )]
    #[case(
        "a: 1 # sa-hygiene: ignore[pod-automont] x\n",
        "1: unknown rule `pod-automont`; did you mean `pod-automount`?"
    )]
    #[case(
        "a: 1 # sa-hygiene: ignore[pod-automount]\n",
        "1: the suppression of `pod-automount` has no reason; add one after it"
    )]
    #[case("a: 1 # sa-hygiene: ignore[role-arn] x\n", "1: the suppression of `role-arn` suppresses nothing; remove it")]
    #[case("a: 1\nb: | \n  # sa-hygiene: ignore\n", "")]
    #[case("a: 1 # ask the team of sa-hygiene: they know\n", "")]
    fn mistakes_in_suppressions_are_reported(#[case] text: &str, #[case] expected: &str) {
        assert_eq!(suppressed(text, 1).1.join("; "), expected);
    }
}
