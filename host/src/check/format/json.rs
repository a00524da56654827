// SPDX-License-Identifier: Apache-2.0

//! JSON output: one document with the schema `docs/check.schema.json`. Within a version, fields are added and never removed.

use std::collections::BTreeMap;

use anyhow::Result;
#[cfg(feature = "schema")]
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::Findings;
use crate::check::finding::{self, Pass, Token};
use crate::check::report::{self, Applicability, ObjectFix, ObjectReport, Row};
use crate::check::verdict::{Column, Verdict};
use crate::kubewarden::Segment;

/// What `sa-hygiene check -o json` prints.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[cfg_attr(feature = "schema", schemars(title = "sa-hygiene check -o json"))]
#[serde(rename_all = "camelCase")]
struct Document<'r> {
    /// The version of this format, 2. Within a version, fields are added and never removed.
    version: u32,
    /// The version of the command.
    tool_version: &'static str,
    /// The configuration file that was used.
    config: Option<&'r str>,
    /// Every object, in the order of the input.
    objects: Vec<Object<'r>>,
    /// Files and documents that could not be read.
    unreadable: Vec<Problem<'r>>,
    /// Warnings about files, such as duplicate keys and unused suppressions.
    warnings: Vec<Problem<'r>>,
    /// Notes about the result as a whole.
    notes: &'r [String],
    /// Pods that are not among `objects`, because their templates are checked.
    pods_not_listed: usize,
    /// The number of objects by verdict, and further counts.
    summary: BTreeMap<&'static str, usize>,
    /// The number of objects that were not checked, by reason.
    not_checked: BTreeMap<&'static str, usize>,
    /// The number of objects with findings, by rule and namespace. Each number counts an object once.
    by_rule: Vec<ByRule<'r>>,
    /// The number of objects with findings of any rule. Each number counts an object once.
    by_any_rule: Row,
    /// The number of findings by rule and level, without suppressed findings and those in the baseline.
    statistics: Vec<Statistic<'r>>,
    /// The files that `--fix` has written.
    fixed_files: &'r [report::FixedFileReport],
    /// The objects whose fix was not written, or would not be.
    not_fixed: &'r [report::NotFixedReport],
    /// The changes of `--diff`, in unified format, file by file.
    diffs: &'r [report::DiffReport],
}

/// An object.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(rename_all = "camelCase")]
struct Object<'r> {
    /// The file, as named on the command line; `-` is the standard input.
    file: &'r str,
    /// The line where it begins.
    line: usize,
    /// The template of the chart that it was rendered from.
    origin: Option<&'r str>,
    /// Its kind.
    kind: &'r str,
    /// Its namespace; null for cluster-scoped kinds.
    namespace: Option<&'r str>,
    /// Its name; with `*` at the end for `generateName`.
    name: &'r str,
    /// `accepted`, `podsWouldBeFixed`, `monitored`, `wouldFix`, `wouldWarn`, `invalid`, `podsWouldBeRejected`,
    /// `wouldReject`, `partial` or `notChecked`. An object whose Pods would be fixed or rejected is itself accepted.
    verdict: &'static str,
    /// Why it was not checked.
    reason: Option<&'static str>,
    /// What to do so that it is checked.
    hint: Option<&'r str>,
    /// The findings, in the order of their lines.
    findings: Vec<Finding<'r>>,
    /// The changes that `--fix` makes to its text, if the policies change it.
    fix: Option<Fix<'r>>,
}

/// A finding.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(rename_all = "camelCase")]
struct Finding<'r> {
    /// The ID of the rule, or `api-server` if the API server would reject the object.
    rule: &'r str,
    /// The ID of the message within the rule; empty if the finding is not from a rule.
    id: &'r str,
    /// The level of the finding; see `verdict` of the object.
    verdict: &'static str,
    /// The level that the finding would have if the policy were enforced; only for policies in monitor mode.
    enforced: Option<&'static str>,
    /// The field as text; empty for the object as a whole.
    field: &'r str,
    /// The field as steps from the object: a name, or an object with `key`, `name` or `index`.
    path: Vec<PathStep<'r>>,
    /// `message; help (value)`.
    text: String,
    /// What is wrong, or what would be changed.
    message: &'r str,
    /// What to do about it.
    help: Option<&'r str>,
    /// The value in question.
    value: Option<&'r str>,
    /// The line of the field, or of the nearest parent field that is present.
    line: usize,
    /// The column, in characters.
    column: usize,
    /// Whether the baseline contains it.
    known: bool,
    /// The comment that suppresses it.
    suppressed: Option<Suppressed<'r>>,
    /// Whether it is about the Pods that are created from the object.
    in_pods: bool,
    /// `unused`, `needed` or `unknown`: whether the token in question is used.
    token: Option<&'static str>,
    /// Whether it makes the command fail with the given `--fail-on`.
    fails: bool,
}

/// A step of a path.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(rename_all = "camelCase", untagged)]
enum PathStep<'r> {
    /// A field.
    Field(&'r str),
    /// An entry of a map whose keys are data, such as an annotation.
    Key {
        /// The key.
        key: &'r str,
    },
    /// An entry of a list, by its name.
    Name {
        /// The name.
        name: &'r str,
    },
    /// An entry of a list, by its position.
    Index {
        /// 0-based.
        index: usize,
    },
}

/// A comment that suppresses a finding.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
struct Suppressed<'r> {
    /// The comment's line.
    line: usize,
    /// The reason in it; empty without one.
    reason: &'r str,
}

/// A fix of an object.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(rename_all = "camelCase")]
struct Fix<'r> {
    /// `safe`: `--fix` applies it; `unsafe`: `--fix --unsafe-fixes` applies it; `displayOnly`: apply it by hand.
    applicability: Applicability,
    /// Why it is not safe.
    reason: Option<&'r str>,
    /// The changes to the text; empty if it cannot be changed line by line.
    edits: &'r [report::TextEdit],
}

/// A file or document that could not be read, or a warning about one.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
struct Problem<'r> {
    /// The file, as named on the command line.
    file: &'r str,
    /// The line, if it is known.
    line: Option<usize>,
    /// The column, if it is known.
    column: Option<usize>,
    /// What is wrong.
    message: String,
}

/// The number of objects with findings of a rule in a namespace.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
struct ByRule<'r> {
    /// The rule's ID.
    rule: &'r str,
    /// The namespace; empty for objects without one.
    namespace: &'r str,
    #[serde(flatten)]
    row: Row,
}

/// The number of findings of a rule.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
pub struct Statistic<'r> {
    /// The rule's ID.
    rule: &'r str,
    /// See `verdict` of findings; for policies in monitor mode, the level if they were enforced.
    verdict: &'static str,
    /// The number of findings.
    count: usize,
}

/// The report as JSON.
pub fn render(findings: Findings<'_>) -> Result<Value> {
    Ok(serde_json::to_value(document(findings))?)
}

/// The numbers of `--statistics` as JSON.
pub fn statistics(findings: Findings<'_>) -> Result<Value> {
    Ok(serde_json::to_value(statistics_of(findings))?)
}

/// The schema of the report.
#[cfg(feature = "schema")]
pub fn schema() -> Result<Value> {
    Ok(serde_json::to_value(schemars::schema_for!(Document<'_>))?)
}

fn document(findings: Findings<'_>) -> Document<'_> {
    let Findings { files, summary, outcome, .. } = findings;
    let unreadable = files.iter().flat_map(|file| &file.unreadable);
    let warnings = files.iter().flat_map(|file| file.warnings.iter().map(|warning| (&*file.file, warning)));
    let mut counts: BTreeMap<&'static str, usize> =
        summary.tally.columns().into_iter().map(|(column, count)| (column.key(), count)).collect();
    counts.extend([
        ("objects", summary.tally.total()),
        ("known", summary.known),
        ("suppressed", summary.suppressed),
        ("unreadable", summary.unreadable),
        ("notObjects", summary.others),
        ("excludedFiles", summary.excluded),
        ("filesWithUnusualLineBreaks", summary.unusual_files),
    ]);
    Document {
        version: 2,
        tool_version: env!("CARGO_PKG_VERSION"),
        config: outcome.config.as_deref(),
        objects: findings.objects().map(|object| one(findings, object)).collect(),
        unreadable: unreadable
            .map(|it| Problem { file: &it.file, line: it.line, column: it.column, message: it.message.clone() })
            .collect(),
        warnings: warnings
            .map(|(file, warning)| Problem {
                file,
                line: Some(warning.location.line),
                column: Some(warning.location.column),
                message: warning.what.to_string(),
            })
            .collect(),
        notes: &summary.notes,
        pods_not_listed: summary.noted_pods(),
        summary: counts,
        not_checked: summary.tally.by_reason(),
        by_rule: summary.by_rule.iter().map(|((rule, namespace), row)| ByRule { rule, namespace, row: *row }).collect(),
        by_any_rule: summary.by_any_rule,
        statistics: statistics_of(findings),
        fixed_files: &outcome.fixed,
        not_fixed: &outcome.not_fixed,
        diffs: &outcome.diffs,
    }
}

fn statistics_of(findings: Findings<'_>) -> Vec<Statistic<'_>> {
    let statistics = findings.summary.statistics.iter();
    statistics.map(|((rule, level), count)| Statistic { rule, verdict: level.key(), count: *count }).collect()
}

fn one<'r>(findings: Findings<'r>, object: &'r ObjectReport) -> Object<'r> {
    let reason = match &object.verdict {
        Verdict::NotChecked(reason) => Some(reason),
        _ => None,
    };
    Object {
        file: &object.file,
        line: object.location.line,
        origin: object.origin.as_deref(),
        kind: &object.kind,
        namespace: object.namespace.as_deref(),
        name: &object.name,
        verdict: object.verdict.column().key(),
        reason: reason.map(|reason| reason.why),
        hint: reason.and_then(|reason| reason.hint.as_deref()),
        findings: object.findings.iter().map(|finding| self::finding(findings, finding)).collect(),
        fix: object.fix.as_ref().map(fix),
    }
}

fn fix(fix: &ObjectFix) -> Fix<'_> {
    let ObjectFix { applicability, reason, edits } = fix;
    Fix { applicability: *applicability, reason: reason.as_deref(), edits }
}

fn finding<'r>(findings: Findings<'r>, finding: &'r finding::Finding) -> Finding<'r> {
    let suppressed = match &finding.pass {
        Some(Pass::Suppressed { line, reason }) => Some(Suppressed { line: *line, reason }),
        _ => None,
    };
    Finding {
        rule: &finding.rule,
        id: &finding.id,
        verdict: Column::Found(finding.level).key(),
        enforced: finding.monitored.map(finding::Level::key),
        field: &finding.field_path,
        path: finding.path.iter().map(step).collect(),
        text: finding.text(),
        message: &finding.message,
        help: Some(finding.help.as_str()).filter(|help| !help.is_empty()),
        value: finding.value.as_deref(),
        line: finding.location.line,
        column: finding.location.column,
        known: finding.pass == Some(Pass::Baseline),
        suppressed,
        in_pods: finding.is_of_pods,
        token: finding.token.map(Token::key),
        fails: findings.fail_on.fails(finding),
    }
}

fn step(segment: &Segment) -> PathStep<'_> {
    match segment {
        Segment::Field(name) => PathStep::Field(name),
        Segment::Key { key } => PathStep::Key { key },
        Segment::Name { name } => PathStep::Name { name },
        Segment::Index { index } => PathStep::Index { index: *index },
    }
}
