// SPDX-License-Identifier: Apache-2.0

//! Settings of the policy that exempt workloads that must keep their tokens.

use policy_host::yaml;
use serde_json::{Value, json};

use crate::report::{Account, Namespace, Recommendation, Report, Row};

/// The comment at the top of the settings.
const HEADER: &str = "\
# Exemptions from the policy serviceaccount-hygiene, written by `sa-hygiene audit`, for workloads whose tokens were used or
# may have been used, according to the audit log. Each entry has a reason.
";

/// The settings as YAML, and the number of exemptions.
///
/// # Errors
/// If they cannot be written as YAML.
pub fn render(report: &Report) -> anyhow::Result<(String, usize)> {
    let rows = report.namespaces.iter().flat_map(Namespace::rows);
    let exemptions: Vec<Value> = rows.filter_map(|row| exemption(&row)).collect();
    let count = exemptions.len();
    let text = yaml::to_string(&json!({ "exemptions": exemptions }))?;
    Ok((format!("{HEADER}{text}"), count))
}

fn exemption(row: &Row<'_>) -> Option<Value> {
    let workload = row.workload.filter(|it| it.token.held)?;
    let is_kept = match row.recommendation() {
        Recommendation::Remove | Recommendation::RemoveUnused | Recommendation::NoToken => false,
        Recommendation::KeepUsed
        | Recommendation::MoveOffDefault
        | Recommendation::ReplaceLegacyToken
        | Recommendation::Narrow
        | Recommendation::Unknown => true,
    };
    if !is_kept || !is_plain(row.namespace) || !is_plain(&row.account.name) || !is_plain(&workload.name) {
        return None;
    }
    let Account { name, .. } = row.account;
    let mut rules = vec!["pod-automount"];
    let is_default = name == "default";
    if is_default {
        rules.push("default-service-account");
    }
    if !workload.token.legacy_secrets.is_empty() {
        rules.push("legacy-token-mount");
    }
    // The names of its Pods, and of objects between it and them, start with its own name.
    let names = if workload.kind == "Pod" {
        json!([workload.name])
    } else {
        json!([workload.name, format!("{}-*", workload.name)])
    };
    Some(json!({
        "rules": rules,
        "serviceAccounts": [format!("{}/{name}", row.namespace)],
        "names": names,
        "reason": format!("{}: {}", row.recommendation().word(), row.reason())
    }))
}

/// Whether the API server accepts a name, and it contains no wildcard.
pub(super) fn is_plain(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(['-', '.'])
        && name.bytes().all(|it| it.is_ascii_alphanumeric() || matches!(it, b'-' | b'.'))
}

#[cfg(test)]
mod tests {
    use super::is_plain;

    #[test]
    fn plain_names() {
        for (name, expected) in [
            ("web", true),
            ("a.b-1", true),
            ("", false),
            ("*", false),
            ("-n", false),
            ("..", false),
            ("a/b", false),
            ("a\nb", false),
        ] {
            assert_eq!(is_plain(name), expected, "{name}");
        }
    }
}
