// SPDX-License-Identifier: Apache-2.0

//! The operations `validate` and `diagnose` say the same: the texts of the one are made of the data of the other.

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use serde_json::Value;
use serviceaccount_hygiene::admission::response::POLICY;
use serviceaccount_hygiene::diagnostic::escaped::Escaped;

#[derive(Deserialize)]
struct Diagnostic {
    rule: String,
    severity: String,
    field: String,
    message: String,
    #[serde(default)]
    help: String,
    value: Option<String>,
}

impl Diagnostic {
    fn line(&self) -> String {
        let Self { rule, severity, field, message, help, value } = self;
        let pods = if severity == "podChange" { "Pods made from this template will be changed: " } else { "" };
        let help = if help.is_empty() { String::new() } else { format!("; {help}") };
        let value = value.as_ref().map(|value| format!(" ({})", Escaped::new(value))).unwrap_or_default();
        format!("{rule}: {field}: {pods}{message}{help}{value}")
    }
}

/// Compares the answers of both operations to one request.
pub fn agree(validated: &[u8], diagnosed: &[u8]) -> Result<()> {
    let list = diagnosed
        .strip_prefix(br#"{"response":"#.as_slice())
        .and_then(|rest| rest.strip_prefix(validated))
        .and_then(|rest| rest.strip_prefix(br#","diagnostics":"#.as_slice()))
        .and_then(|rest| rest.strip_suffix(b"}"))
        .context("`diagnose` has another response than `validate`")?;
    let diagnostics: Vec<Diagnostic> = serde_json::from_slice(list).context("the diagnostics")?;
    let lines = |severities: &[&str]| {
        let found = diagnostics.iter().filter(|diagnostic| severities.contains(&diagnostic.severity.as_str()));
        let mut lines: Vec<String> = found.map(Diagnostic::line).collect();
        lines.sort();
        lines.dedup();
        lines
    };
    let response: Value = serde_json::from_slice(validated).context("the response")?;
    let member = |key: &str| response.get(key).unwrap_or(&Value::Null);

    let rejections = lines(&["rejection"]);
    if rejections.is_empty() {
        // Without a rule that rejects, nothing is said beside the reason.
        ensure!(
            *member("accepted") == true || diagnostics.is_empty(),
            "diagnostics of a request that was not reviewed"
        );
    } else {
        ensure!(member("message").as_str() == Some(&rejection(&rejections)), "another message: {response}");
    }
    let has_changes = !lines(&["change"]).is_empty();
    ensure!(has_changes != member("mutated_object").is_null(), "changes without an object, or the other way round");

    let warnings = lines(&["warning", "change", "podChange"]);
    let shown: Vec<&str> = member("warnings").as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let (shown, more) = match shown.split_last() {
        Some((last, rest)) if last.ends_with(" more warnings") => (rest, Some(*last)),
        _ => (shown.as_slice(), None),
    };
    let left = warnings.len().saturating_sub(shown.len());
    let expected_more = (left > 0).then(|| format!("{POLICY}: and {left} more warnings"));
    ensure!(more == expected_more.as_deref(), "{left} warnings are not shown, but {more:?}");
    for (shown, line) in shown.iter().zip(&warnings) {
        let is_cut = shown.strip_suffix('…').is_some_and(|start| line.starts_with(start));
        ensure!(shown == line || is_cut, "another warning: {shown:?}, {line:?}");
    }
    Ok(())
}

fn rejection(lines: &[String]) -> String {
    const LISTED: usize = 20;
    let plural = if lines.len() == 1 { "" } else { "s" };
    let mut message = format!("{POLICY}: {} problem{plural}", lines.len());
    for line in lines.iter().take(LISTED) {
        message.extend(["\n- ", line]);
    }
    if lines.len() > LISTED {
        message.extend(["\n- and ", &(lines.len() - LISTED).to_string(), " more"]);
    }
    message
}
