// SPDX-License-Identifier: Apache-2.0

//! The changes of a patch for people: a diff of the two objects as YAML.

use std::fmt::Write as _;

use anyhow::Result;
use policy_host::diff::{self, Line};
use policy_host::shown;
use policy_host::yaml;
use serde_json::Value;

use super::output::{BAD, GOOD, QUIET};

/// A unified diff with ANSI colours; `anstream` removes them where they are not supported.
pub(super) fn render(before: &Value, after: &Value) -> Result<String> {
    unified(("as admitted", "as fixed"), &yaml::to_string(before)?, &yaml::to_string(after)?)
}

/// The same for a file that changes, in the format of `patch`.
pub(super) fn of_texts(name: &str, before: &str, after: &str) -> Result<String> {
    let name = shown::text(name);
    unified((&name, &name), before, after)
}

/// The same without colours, for documents.
pub(super) fn plain(name: &str, before: &str, after: &str) -> String {
    let name = shown::text(name);
    diff::unified((&name, &name), before, after)
}

fn unified((old, new): (&str, &str), before: &str, after: &str) -> Result<String> {
    let mut text = String::new();
    writeln!(text, "{BAD}--- {old}{BAD:#}\n{GOOD}+++ {new}{GOOD:#}")?;
    for line in diff::lines(before, after) {
        match line {
            Line::Header(_) => writeln!(text, "{QUIET}{line}{QUIET:#}")?,
            Line::Context(_) | Line::NoNewline => writeln!(text, "{line}")?,
            Line::Delete(_) => writeln!(text, "{BAD}{line}{BAD:#}")?,
            Line::Insert(_) => writeln!(text, "{GOOD}{line}{GOOD:#}")?,
        }
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn shows_context_of_changes() {
        let before = json!({"a": 1, "spec": {"volumes": [{"name": "data"}, {"name": "token"}], "x": true}});
        let after = json!({"a": 1, "spec": {"volumes": [{"name": "data"}], "x": true}});
        let plain = anstream::adapter::strip_str(&render(&before, &after).unwrap()).to_string();
        assert_eq!(
            plain,
            "--- as admitted\n+++ as fixed\n@@ -2,5 +2,4 @@\n spec:\n   volumes:\n   - name: data\n-  - name: token\n   x: true\n"
        );
    }
}
