// SPDX-License-Identifier: Apache-2.0

//! `sa-hygiene rules` and `sa-hygiene explain`: the documentation, without leaving the terminal.

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};
use anyhow::{Result, bail};
use comfy_table::{Attribute, Cell};
use serviceaccount_hygiene::matching::closest::closest_match;
use serviceaccount_hygiene::settings::Profile;

use super::{Outcome, output, printer};
use crate::docs;

const TITLE: Style = AnsiColor::Cyan.on_default().bold();
const BOLD: Style = Style::new().bold();
const CODE: Style = AnsiColor::Green.on_default();

#[derive(Debug, clap::Args)]
pub(super) struct ExplainArgs {
    /// The rule's id, as in the list of `sa-hygiene rules`
    rule: String,
}

/// The rules with what they do in each profile.
pub(super) fn list() -> Result<Outcome> {
    let mut table = output::new_table(["rule", "observe", "baseline", "restricted", "what it asks"]);
    for (rule, _) in docs::RULES_WITH_PAGES.iter() {
        let mut cells = vec![Cell::new(rule.id).add_attribute(Attribute::Bold)];
        let profiles = [Profile::Observe, Profile::Baseline, Profile::Restricted];
        cells.extend(profiles.map(|profile| Cell::new(rule.action_in(profile).word())));
        cells.push(Cell::new(rule.summary.text()));
        table.add_row(cells);
    }
    printer::text(&format!("{}\n\n`sa-hygiene explain RULE` prints the page of a rule\n", output::render(&table)))?;
    Ok(Outcome::AllAccepted)
}

/// The page of a rule.
pub(super) fn explain(args: &ExplainArgs) -> Result<Outcome> {
    let Some(page) = docs::page(&args.rule) else {
        let ids = docs::RULES_WITH_PAGES.iter().map(|(rule, _)| rule.id);
        match closest_match(&args.rule, ids) {
            Some(id) => bail!("no rule is called {}; did you mean {id}?", args.rule),
            None => bail!("no rule is called {}; `sa-hygiene rules` lists them", args.rule),
        }
    };
    printer::text(&rendered(page))?;
    Ok(Outcome::AllAccepted)
}

/// Markdown for a terminal: titles and code in colour, no marks.
fn rendered(page: &str) -> String {
    let mut text = String::new();
    let mut is_code = false;
    for line in docs::plain(page).lines() {
        // Writing to a string cannot fail.
        let _ = if line.starts_with("```") {
            is_code = !is_code;
            Ok(())
        } else if is_code {
            writeln!(text, "    {CODE}{line}{CODE:#}")
        } else if let Some(title) = line.strip_prefix('#') {
            writeln!(text, "{TITLE}{}{TITLE:#}", title.trim_start_matches('#').trim())
        } else {
            writeln!(text, "{}", inline(line))
        };
    }
    text
}

/// `**bold**` and `` `code` ``; links stay readable as they are.
fn inline(line: &str) -> String {
    let mut text = String::new();
    for (index, part) in line.split('`').enumerate() {
        if index % 2 == 1 {
            let _ = write!(text, "{CODE}{part}{CODE:#}");
            continue;
        }
        for (index, part) in part.split("**").enumerate() {
            let _ = if index % 2 == 1 { write!(text, "{BOLD}{part}{BOLD:#}") } else { write!(text, "{part}") };
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_of_markdown_become_colours() {
        let page = "# x\n\n<!-- generated:rule -->\n**It** is `so`.\n```yaml\na: **b**\n```\n";
        let found = rendered(page);
        assert_eq!(anstream::adapter::strip_str(&found).to_string(), "x\n\nIt is so.\n    a: **b**\n");
        assert!(found.contains('\u{1b}'));
    }
}
