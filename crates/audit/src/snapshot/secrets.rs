// SPDX-License-Identifier: Apache-2.0

//! Secrets with legacy tokens, without their data.
//!
//! `kubectl get secrets` without `-o` requests a table (`Accept: application/json;as=Table;v=v1;g=meta.k8s.io`): the API server
//! sends the columns and the metadata of each Secret, never `data`. Labels can be columns, annotations cannot. So the account
//! of a Secret is known only if the account lists the Secret, or the Secret has the name that Kubernetes used to generate.
//! <https://kubernetes.io/docs/reference/using-api/api-concepts/#receiving-resources-as-tables>

use std::collections::BTreeMap;

use super::TokenSecret;

/// The arguments of `kubectl` that request a table of all Secrets with legacy tokens.
pub const ARGUMENTS: [&str; 6] = [
    "get",
    "secrets",
    "--field-selector=type=kubernetes.io/service-account-token",
    "--label-columns=kubernetes.io/legacy-token-last-used,kubernetes.io/legacy-token-invalid-since",
    "--chunk-size=500",
    "--server-print=true",
];

/// What Kubernetes up to 1.23 inserted between an account's name and five random characters.
const GENERATED: &str = "-token-";

/// Reads the table. If it has no column for namespaces, all Secrets are in `namespace`.
pub(super) fn rows(table: &str, namespace: Option<&str>) -> Result<BTreeMap<(String, String), TokenSecret>, String> {
    let mut lines = table.lines().filter(|line| !line.trim().is_empty());
    let Some(header) = lines.next() else { return Ok(BTreeMap::new()) };
    let column = |title: &str| Column::of(header, title);
    let name = column("NAME").ok_or("the table of secrets has no column NAME")?;
    let (last_used, invalid_since) = (column("LEGACY-TOKEN-LAST-USED"), column("LEGACY-TOKEN-INVALID-SINCE"));
    let row = |line: &str| {
        let text = |column: &Option<Column>| column.as_ref().and_then(|it| it.cell(line));
        let namespace = text(&column("NAMESPACE")).or(namespace.map(str::to_owned))?;
        let name = name.cell(line)?;
        let account = generated_for(&name);
        Some((
            (namespace, name),
            TokenSecret { account, last_used: text(&last_used), invalid_since: text(&invalid_since) },
        ))
    };
    Ok(lines.filter_map(row).collect())
}

/// The account for which Kubernetes generated the name of this Secret.
fn generated_for(secret: &str) -> Option<String> {
    let (account, chance) = secret.rsplit_once(GENERATED)?;
    (chance.len() == 5 && serviceaccount_hygiene::object::pod::is_generated_suffix(chance)).then(|| account.to_owned())
}

/// The position of a column in a table. Cells may be empty, so only the header shows the positions.
struct Column {
    start: usize,
    end: Option<usize>,
}

impl Column {
    fn of(header: &str, title: &str) -> Option<Self> {
        let mut at = 0;
        let mut starts = Vec::new();
        for word in header.split(' ') {
            if !word.is_empty() {
                starts.push((at, word));
            }
            at += word.len() + 1;
        }
        let index = starts.iter().position(|(_, word)| *word == title)?;
        let (start, _) = *starts.get(index)?;
        Some(Self { start, end: starts.get(index + 1).map(|(start, _)| *start) })
    }

    fn cell(&self, line: &str) -> Option<String> {
        let cell = line.get(self.start..self.end.unwrap_or(line.len()).min(line.len()))?.trim();
        (!cell.is_empty()).then(|| cell.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_cells() {
        let table = "\
NAMESPACE   NAME               TYPE                                  DATA   AGE   LEGACY-TOKEN-LAST-USED   LEGACY-TOKEN-INVALID-SINCE
shop        ci-token           kubernetes.io/service-account-token   3      94d   2026-11-20               
shop        web-token-x2b4c    kubernetes.io/service-account-token   3      94d                            2026-10-01
kube-system old                kubernetes.io/service-account-token   3      94d                            
";
        let rows = rows(table, None).unwrap();
        let line = |namespace: &str, name: &str| {
            let it = &rows[&(namespace.to_owned(), name.to_owned())];
            let text = |text: &Option<String>| text.clone().unwrap_or("-".to_owned());
            [text(&it.account), text(&it.last_used), text(&it.invalid_since)].join(" ")
        };
        assert_eq!(rows.len(), 3);
        assert_eq!(line("shop", "ci-token"), "- 2026-11-20 -");
        assert_eq!(line("shop", "web-token-x2b4c"), "web - 2026-10-01");
        assert_eq!(line("kube-system", "old"), "- - -");
    }

    #[test]
    fn tables_of_one_namespace() {
        let table = "NAME       TYPE                                  DATA   AGE\nci-token   kubernetes.io/service-account-token   3      94d\n";
        let found = rows(table, Some("shop")).unwrap();
        assert_eq!(found.into_keys().collect::<Vec<_>>(), [("shop".to_owned(), "ci-token".to_owned())]);
        assert_eq!(rows("", Some("shop")).unwrap(), BTreeMap::new());
        assert!(rows("{}", Some("shop")).is_err());
    }
}
