// SPDX-License-Identifier: Apache-2.0

//! For programs: one document. Fields may be added to it, none are taken away.

use serde_json::{Map, Value, json};

use super::Findings;
use crate::check::finding::Finding;
use crate::check::report::ObjectReport;

/// The report as JSON.
pub fn render(findings: Findings<'_>) -> Value {
    let Findings { sources, report, .. } = findings;
    let objects: Vec<Value> = report.objects.iter().map(|object| one(findings, object)).collect();
    let unreadable: Vec<Value> = sources
        .unreadable
        .iter()
        .map(|it| json!({"file": it.file, "line": it.line, "column": it.column, "message": it.message}))
        .collect();
    let (levels, accepted) = report.counts();
    let mut summary: Map<String, Value> =
        levels.into_iter().map(|(level, count)| (level.word().to_owned(), count.into())).collect();
    summary.insert("accepted".to_owned(), accepted.into());
    summary.insert("known".to_owned(), report.known().into());
    summary.insert("unreadable".to_owned(), unreadable.len().into());
    let by_rule: Vec<Value> = report
        .summary()
        .into_iter()
        .map(|((rule, namespace), row)| {
            json!({
                "rule": rule,
                "namespace": namespace,
                "warned": row.warned,
                "fixed": row.fixed,
                "loseTheirToken": row.without_token,
                "refused": row.refused,
            })
        })
        .collect();
    json!({
        "version": 1,
        "objects": objects,
        "unreadable": unreadable,
        "notes": report.notes,
        "podsNotListed": report.unlisted_pods,
        "summary": summary,
        "byRule": by_rule,
    })
}

fn one(findings: Findings<'_>, object: &ObjectReport) -> Value {
    json!({
        "file": findings.file(object.file),
        "line": object.location.line,
        "origin": object.origin,
        "kind": object.kind,
        "namespace": object.namespace,
        "name": object.name,
        "verdict": object.level().map_or("accepted", |level| level.word()),
        "findings": object.findings.iter().map(|finding| self::finding(findings, finding)).collect::<Vec<_>>(),
    })
}

fn finding(findings: Findings<'_>, finding: &Finding) -> Value {
    json!({
        "rule": finding.rule,
        "verdict": finding.level.word(),
        "place": finding.place,
        "text": finding.text,
        "line": finding.location.line,
        "column": finding.location.column,
        "known": finding.is_known,
        "inPods": finding.is_of_pods,
        "fails": findings.fail_on.fails(finding),
    })
}
