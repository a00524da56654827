// SPDX-License-Identifier: Apache-2.0

//! CSV for spreadsheets: one line for each row.

use super::token;
use crate::report::{Calls, Report};

/// The columns.
const HEADER: [&str; 17] = [
    "namespace",
    "account",
    "workloadKind",
    "workload",
    "pods",
    "recommendation",
    "reason",
    "token",
    "bindings",
    "level",
    "permissions",
    "calls",
    "denied",
    "firstUsed",
    "lastUsed",
    "legacyTokens",
    "cloudIdentities",
];

/// First characters of a cell that a spreadsheet interprets as a formula.
const FORMULA: [char; 6] = ['=', '+', '-', '@', '\t', '\r'];

/// The whole report.
///
/// # Errors
/// If a row cannot be written.
pub fn render(report: &Report) -> anyhow::Result<String> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(HEADER)?;
    let join = |texts: &[String]| texts.join("; ");
    for namespace in &report.namespaces {
        for row in namespace.rows() {
            let (account, workload) = (row.account, row.workload);
            let bindings: Vec<String> = account
                .bindings
                .iter()
                .map(|it| match &it.namespace {
                    Some(namespace) => format!("{} {namespace}/{} ({})", it.kind, it.name, it.role),
                    None => format!("{} {} ({})", it.kind, it.name, it.role),
                })
                .collect();
            let legacy: Vec<String> = account.legacy_tokens.iter().map(|it| it.secret.clone()).collect();
            let identities: Vec<String> =
                account.identities.iter().map(|it| format!("{}={}", it.annotation, it.value)).collect();
            let calls = row.calls();
            let count = |of: fn(&Calls) -> u64| calls.map(|it| of(it).to_string()).unwrap_or_default();
            let time = |of: fn(&Calls) -> &Option<String>| calls.and_then(|it| of(it).clone()).unwrap_or_default();
            let level = serde_json::to_value(account.permissions.level)?;
            let record = [
                row.namespace.to_owned(),
                account.name.clone(),
                workload.map(|it| it.kind.clone()).unwrap_or_default(),
                workload.map(|it| it.name.clone()).unwrap_or_default(),
                workload.map(|it| it.pods.to_string()).unwrap_or_default(),
                row.recommendation().word().to_owned(),
                row.reason().to_owned(),
                workload.map(|it| token(&it.token)).unwrap_or_default(),
                join(&bindings),
                level.as_str().unwrap_or_default().to_owned(),
                join(&account.permissions.summary),
                count(|it| it.calls),
                count(|it| it.denied),
                time(|it| &it.first),
                time(|it| &it.last),
                join(&legacy),
                join(&identities),
            ];
            writer.write_record(record.iter().map(|cell| harmless(cell)))?;
        }
    }
    Ok(String::from_utf8(writer.into_inner()?)?)
}

/// A text that no spreadsheet executes (<https://owasp.org/www-community/attacks/CSV_Injection>).
fn harmless(cell: &str) -> String {
    if cell.starts_with(FORMULA) { format!("'{cell}") } else { cell.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_formulas() {
        assert_eq!(harmless("=HYPERLINK(\"x\")"), "'=HYPERLINK(\"x\")");
        assert_eq!(harmless("web"), "web");
    }
}
