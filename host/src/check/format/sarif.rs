// SPDX-License-Identifier: Apache-2.0

//! SARIF 2.1.0, as GitHub code scanning reads it
//! (<https://docs.github.com/en/code-security/code-scanning/integrating-with-code-scanning/sarif-support-for-code-scanning>).

use serde_json::{Map, Value, json};

use super::{Findings, uri};
use crate::check::finding::{API_SERVER, Finding, Level, Pass};
use crate::check::report::{Applicability, ObjectFix, ObjectReport};
use crate::docs;

/// The report as SARIF.
pub fn render(findings: Findings<'_>) -> Value {
    let rules = rules();
    let results: Vec<Value> = findings.findings().map(|(object, finding)| result(object, finding, &rules)).collect();
    let notifications: Vec<Value> = findings
        .files
        .iter()
        .flat_map(|file| &file.unreadable)
        .map(|it| {
            let mut location = json!({"artifactLocation": {"uri": uri(&it.file)}});
            if let (Some(line), Some(fields)) = (it.line, location.as_object_mut()) {
                fields.insert("region".to_owned(), json!({"startLine": line, "startColumn": it.column.unwrap_or(1)}));
            }
            json!({
                "level": "error",
                "message": {"text": it.message},
                "locations": [{"physicalLocation": location}],
            })
        })
        .collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "sa-hygiene",
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "informationUri": docs::REPOSITORY,
                "rules": rules,
            }},
            "columnKind": "unicodeCodePoints",
            "invocations": [{
                "executionSuccessful": notifications.is_empty(),
                "toolExecutionNotifications": notifications,
            }],
            "results": results,
        }],
    })
}

/// Every rule, and the rule IDs of findings that are not from a rule.
fn rules() -> Vec<Value> {
    let policy = serviceaccount_hygiene::admission::response::POLICY;
    let others = [
        (API_SERVER, "objects that the API server would reject; never makes the command fail"),
        (policy, "messages that are not from a rule: something could not be read, or the list of findings was cut"),
    ];
    let rules = docs::RULES_WITH_PAGES.iter().map(|(rule, page)| {
        json!({
            "id": rule.id,
            "shortDescription": {"text": rule.summary.text()},
            "fullDescription": {"text": rule.summary.text()},
            "help": {"text": docs::plain(page), "markdown": docs::plain(page)},
            "helpUri": docs::page_url(rule.id),
            "properties": {"tags": ["security", "kubernetes"], "precision": "high"},
        })
    });
    let others = others.map(|(id, text)| {
        json!({
            "id": id,
            "shortDescription": {"text": text},
            "fullDescription": {"text": text},
            "help": {"text": text},
            "helpUri": docs::REPOSITORY,
        })
    });
    rules.chain(others).collect()
}

fn result(object: &ObjectReport, finding: &Finding, rules: &[Value]) -> Value {
    let level = match finding.level {
        Level::Rejected | Level::PodsRejected => "error",
        Level::Warned => "warning",
        Level::Invalid | Level::Fixed | Level::PodsFixed | Level::Monitored => "note",
    };
    let title = object.title();
    let mut result = Map::new();
    let mut set = |key: &str, value: Value| result.insert(key.to_owned(), value);
    set("ruleId", finding.rule.as_str().into());
    if let Some(index) = rules.iter().position(|rule| rule.get("id").and_then(Value::as_str) == Some(&finding.rule)) {
        set("ruleIndex", index.into());
    }
    set("level", level.into());
    set("message", json!({"text": format!("{title} {}: {}", finding.word(), finding.to_line())}));
    set(
        "locations",
        json!([{
            "physicalLocation": {
                "artifactLocation": {"uri": uri(&object.file)},
                "region": {"startLine": finding.location.line, "startColumn": finding.location.column},
            },
            "logicalLocations": [{"fullyQualifiedName": format!("{title} {}", finding.field_path), "kind": "member"}],
        }]),
    );
    // Identifies the finding after its line has moved.
    let identity = format!("{} {title} {} {}", finding.rule, finding.field_path, finding.id);
    set("partialFingerprints", json!({"ruleObjectFieldMessage/v1": identity}));
    if let Some(fix) = object.fix.as_ref().filter(|fix| {
        (finding.enforced().is_fix() || fix.applicability == Applicability::Unsafe)
            && fix.applicability != Applicability::DisplayOnly
    }) {
        set("fixes", json!([self::fix(object, fix)]));
    }
    match &finding.pass {
        None => {}
        Some(Pass::Baseline) => {
            set(
                "suppressions",
                json!([{"kind": "external", "status": "accepted", "justification": "in the baseline"}]),
            );
        }
        Some(Pass::Suppressed { reason, .. }) => {
            let mut suppression = json!({"kind": "inSource", "status": "accepted"});
            if let (Some(fields), false) = (suppression.as_object_mut(), reason.is_empty()) {
                fields.insert("justification".to_owned(), reason.as_str().into());
            }
            set("suppressions", json!([suppression]));
        }
    }
    Value::Object(result)
}

/// The object's changes belong together, so each finding has all of them.
fn fix(object: &ObjectReport, fix: &ObjectFix) -> Value {
    let replacements: Vec<Value> = fix
        .edits
        .iter()
        .map(|edit| {
            json!({
                "deletedRegion": {
                    "startLine": edit.start.line, "startColumn": edit.start.column,
                    "endLine": edit.end.line, "endColumn": edit.end.column,
                },
                "insertedContent": {"text": edit.text},
            })
        })
        .collect();
    let command = if fix.applicability == Applicability::Safe { "--fix" } else { "--fix --unsafe-fixes" };
    json!({
        "description": {"text": format!("all changes of {}, as `sa-hygiene check {command}` makes them", object.title())},
        "artifactChanges": [{"artifactLocation": {"uri": uri(&object.file)}, "replacements": replacements}],
    })
}
