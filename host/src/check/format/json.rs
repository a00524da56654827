// SPDX-License-Identifier: Apache-2.0

//! For programs: one document. Fields may be added to it, none are taken away.

use serde_json::{Map, Value, json};

use super::Findings;
use crate::check::finding::{Finding, Token};
use crate::check::report::ObjectReport;
use crate::check::verdict::Verdict;
use crate::kubewarden::Segment;

/// The report as JSON.
pub fn render(findings: Findings<'_>) -> Value {
    let Findings { files, summary, .. } = findings;
    let objects: Vec<Value> = findings.objects().map(|object| one(findings, object)).collect();
    let unreadable: Vec<Value> = files
        .iter()
        .flat_map(|file| &file.unreadable)
        .map(|it| json!({"file": it.file, "line": it.line, "column": it.column, "message": it.message}))
        .collect();
    let remarks = files.iter().flat_map(|file| {
        file.remarks.iter().map(|it| {
            let (line, column) = (it.location.line, it.location.column);
            json!({"file": &*file.file, "line": line, "column": column, "message": it.what.to_string()})
        })
    });
    let mut counts: Map<String, Value> =
        summary.tally.columns().into_iter().map(|(column, count)| (column.key().to_owned(), count.into())).collect();
    counts.insert("objects".to_owned(), summary.tally.total().into());
    counts.insert("known".to_owned(), summary.known.into());
    counts.insert("unreadable".to_owned(), summary.unreadable.into());
    counts.insert("notObjects".to_owned(), summary.others.into());
    counts.insert("filesWithUnusualLineBreaks".to_owned(), summary.unusual_files.into());
    let by_rule: Vec<Value> = summary
        .by_rule
        .iter()
        .map(|((rule, namespace), row)| {
            json!({
                "rule": rule,
                "namespace": namespace,
                "warned": row.warned,
                "fixed": row.fixed,
                "loseTheirToken": row.without_token,
                "refused": row.refused,
                "losesUnusedToken": row.unused,
                "keepsNeededToken": row.needed,
                "unknownToken": row.unknown,
            })
        })
        .collect();
    json!({
        "version": 1,
        "objects": objects,
        "unreadable": unreadable,
        "remarks": remarks.collect::<Vec<_>>(),
        "notes": summary.notes,
        "podsNotListed": summary.noted.unlisted_pods.0,
        "summary": counts,
        "notChecked": summary.tally.by_reason(),
        "byRule": by_rule,
    })
}

fn one(findings: Findings<'_>, object: &ObjectReport) -> Value {
    let reason = match &object.verdict {
        Verdict::NotChecked(reason) => Some(reason),
        _ => None,
    };
    json!({
        "file": &*object.file,
        "line": object.location.line,
        "origin": object.origin,
        "kind": object.kind,
        "namespace": object.namespace,
        "name": object.name,
        "verdict": object.verdict.column().key(),
        "reason": reason.map(|reason| reason.why),
        "hint": reason.and_then(|reason| reason.hint.as_deref()),
        "findings": object.findings.iter().map(|finding| self::finding(findings, finding)).collect::<Vec<_>>(),
    })
}

fn finding(findings: Findings<'_>, finding: &Finding) -> Value {
    json!({
        "rule": finding.rule,
        "verdict": finding.level.word(),
        "place": finding.field_path,
        "path": path(&finding.path),
        "text": finding.text(),
        "message": finding.message,
        "help": Some(&finding.help).filter(|help| !help.is_empty()),
        "value": finding.value,
        "line": finding.location.line,
        "column": finding.location.column,
        "known": finding.is_known,
        "inPods": finding.is_of_pods,
        "token": finding.token.map(Token::key),
        "fails": findings.fail_on.fails(finding),
    })
}

/// A JSON path: names, and positions or names of entries.
fn path(path: &[Segment]) -> Vec<Value> {
    let segment = |segment: &Segment| match segment {
        Segment::Field(name) => json!(name),
        Segment::Key { key } => json!({ "key": key }),
        Segment::Name { name } => json!({ "name": name }),
        Segment::Index { index } => json!({ "index": index }),
    };
    path.iter().map(segment).collect()
}
