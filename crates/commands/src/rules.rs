// SPDX-License-Identifier: Apache-2.0

//! `sa-hygiene rules` and `sa-hygiene explain`: the documentation in the terminal.

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};
use anyhow::{Result, bail};
use comfy_table::{Attribute, Cell};
use policy_host::check::suppress::unknown_rule;
use policy_host::docs;
use serde_json::{Map, Value, json};
use serviceaccount_hygiene::rules::Rule;
use serviceaccount_hygiene::settings::Profile;

use super::{Outcome, output, printer};

const TITLE: Style = AnsiColor::Cyan.on_default().bold();
const BOLD: Style = Style::new().bold();
const CODE: Style = AnsiColor::Green.on_default();

/// How rules are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub(super) enum Format {
    /// Text
    #[default]
    Text,
    /// One JSON document
    Json,
}

#[derive(Debug, clap::Args)]
pub(super) struct ListArgs {
    /// Output format
    #[arg(long, short = 'o', value_enum, default_value_t)]
    output: Format,
}

#[derive(Debug, clap::Args)]
pub(super) struct ExplainArgs {
    /// ID of the rule, as `sa-hygiene rules` lists it
    rule: String,

    /// Output format
    #[arg(long, short = 'o', value_enum, default_value_t)]
    output: Format,
}

/// The profiles, as columns.
const PROFILES: [(&str, Profile); 3] =
    [("observe", Profile::Observe), ("baseline", Profile::Baseline), ("restricted", Profile::Restricted)];

/// Lists the rules with their action in each profile.
pub(super) fn list(args: &ListArgs) -> Result<Outcome> {
    if args.output == Format::Json {
        let rules: Vec<Value> = docs::RULES_WITH_PAGES.iter().map(|(rule, _)| json_of(rule)).collect();
        return document(&Value::Array(rules));
    }
    let mut table = output::new_table(["rule", "observe", "baseline", "restricted", "requirement"]);
    for (rule, _) in docs::RULES_WITH_PAGES.iter() {
        let mut cells = vec![Cell::new(rule.id).add_attribute(Attribute::Bold)];
        cells.extend(PROFILES.map(|(_, profile)| Cell::new(rule.action_in(profile).word())));
        cells.push(Cell::new(rule.summary.text()));
        table.add_row(cells);
    }
    printer::text(&format!("{}\n\n`sa-hygiene explain RULE` prints the page of a rule\n", output::render(&table)))?;
    Ok(Outcome::AllAccepted)
}

/// Prints the page of a rule.
pub(super) fn explain(args: &ExplainArgs) -> Result<Outcome> {
    let known = docs::RULES_WITH_PAGES.iter().find(|(rule, _)| rule.id == args.rule);
    let Some((rule, page)) = known else { bail!(unknown_rule(&args.rule)) };
    if args.output == Format::Json {
        let mut document = json_of(rule);
        if let Some(fields) = document.as_object_mut() {
            fields.insert("page".to_owned(), docs::plain(page).into());
        }
        return self::document(&document);
    }
    printer::page(&rendered(page))?;
    Ok(Outcome::AllAccepted)
}

fn document(value: &Value) -> Result<Outcome> {
    printer::document(&(serde_json::to_string_pretty(value)? + "\n"))?;
    Ok(Outcome::AllAccepted)
}

fn json_of(rule: &Rule) -> Value {
    let actions = PROFILES.map(|(name, profile)| (name.to_owned(), Value::from(rule.action_in(profile).word())));
    let params = rule.params.iter().map(|param| {
        let default: Value = serde_json::from_str(param.default).unwrap_or_default();
        json!({"name": param.name, "type": param.kind.describe(), "default": default, "description": param.doc.text()})
    });
    json!({
        "id": rule.id,
        "summary": rule.summary.text(),
        "url": docs::page_url(rule.id),
        "actions": Map::from_iter(actions),
        "parameters": params.collect::<Vec<_>>(),
    })
}

/// Renders Markdown for a terminal: titles and code in colour, without markup.
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

/// Renders `**bold**` and `` `code` ``; links stay as they are.
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
