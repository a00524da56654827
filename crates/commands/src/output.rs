// SPDX-License-Identifier: Apache-2.0

//! The format of results. Text is built with colours; `anstream` removes them if the output is not a terminal or `NO_COLOR` is
//! set.

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};
use anyhow::Result;
use comfy_table::{Attribute, Cell, Color, ContentArrangement, Table, TableComponent, presets};
use policy_host::check::finding::Level;
use serde_json::{Value, json};

use super::diff;
use super::evaluate::{Evaluated, Verdict};

pub(super) const BAD: Style = AnsiColor::Red.on_default();
pub(super) const GOOD: Style = AnsiColor::Green.on_default();
pub(super) const QUIET: Style = Style::new().dimmed();
const BOLD: Style = Style::new().bold();

/// Width of a table if the output is not a terminal.
const WIDTH: u16 = 140;

/// Spaces between two columns: the padding and the separator.
const GAP: usize = 2;

/// Minimum width of the last column, even on a narrow terminal.
const SHORTEST: usize = 24;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub(super) enum Format {
    /// A table, and details of each object
    #[default]
    Table,
    /// One JSON document
    Json,
}

/// The table (if there are several objects), then each object with findings.
pub(super) fn text(results: &[Evaluated]) -> Result<String> {
    let mut text = String::new();
    if results.len() > 1 {
        writeln!(text, "{}\n", render(&summary_table(results)))?;
    }
    // An object without findings has nothing to add to its row in the table.
    for evaluated in results.iter().filter(|evaluated| results.len() == 1 || evaluated.verdict != Verdict::Accepted) {
        details(&mut text, evaluated)?;
    }
    if results.len() > 1 {
        writeln!(text, "{}", closing_line(results))?;
    }
    Ok(text)
}

/// Only the table and the counts.
pub(super) fn summary(results: &[Evaluated]) -> String {
    format!("{}\n\n{}\n", render(&summary_table(results)), closing_line(results))
}

/// One line per object; what does not fit is in the details.
fn summary_table(results: &[Evaluated]) -> Table {
    const HEADER: [&str; 4] = ["verdict", "object", "account / fields", "what happened"];
    let mut table = new_table(HEADER);
    let widest = |header: &str, text: fn(&Evaluated) -> usize| {
        results.iter().map(text).max().unwrap_or_default().max(header.chars().count())
    };
    let widths = [
        results.iter().map(|evaluated| evaluated.verdict.word().chars().count() + 2).max().unwrap_or_default(),
        widest(HEADER[1], |evaluated| evaluated.title.chars().count()),
        widest(HEADER[2], |evaluated| evaluated.fields.chars().count()),
    ];
    let taken = widths.iter().map(|width| width + GAP).sum::<usize>();
    if let Some(last) = table.column_mut(HEADER.len() - 1) {
        last.set_padding((0, 0));
    }
    let width = usize::from(table.width().unwrap_or(WIDTH));
    for evaluated in results {
        table.add_row(vec![
            verdict_cell(evaluated.verdict),
            Cell::new(&evaluated.title).add_attribute(Attribute::Bold),
            Cell::new(&evaluated.fields),
            Cell::new(in_short(&evaluated.findings, width.saturating_sub(taken).max(SHORTEST))),
        ]);
    }
    table
}

/// The first finding without its field path and help, and the number of further findings.
fn in_short(findings: &[String], width: usize) -> String {
    let Some(first) = findings.first() else { return String::new() };
    let first = first.lines().next().unwrap_or_default().replacen("in its Pods: ", "", 1);
    let mut parts = first.splitn(3, ": ");
    let text = match (parts.next(), parts.next(), parts.next()) {
        (Some(rule), Some(_), Some(text)) if !rule.contains(' ') => format!("{rule}: {text}"),
        _ => first.clone(),
    };
    let text = text.split("; ").next().unwrap_or_default();
    match findings.len() {
        1 => cut(text, width),
        count => {
            let more = format!(" (+{})", count - 1);
            cut(text, width.saturating_sub(more.chars().count())) + &more
        }
    }
}

/// At most `width` characters, cut between words.
fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let head: String = text.chars().take(width.saturating_sub(1)).collect();
    let head = head.rsplit_once(' ').map_or(head.as_str(), |(words, _)| words);
    format!("{}…", head.trim_end_matches([',', ':']))
}

/// The table as text, without trailing spaces.
pub(super) fn render(table: &Table) -> String {
    table.trim_fmt()
}

/// A table in the common style: a line below the header, and none between the rows.
pub(super) fn new_table<const N: usize>(header: [&str; N]) -> Table {
    let mut table = Table::new();
    table
        .load_preset(presets::NOTHING)
        .set_style(TableComponent::HeaderLines, '─')
        .set_style(TableComponent::MiddleHeaderIntersections, '─')
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_header(header.map(|title| Cell::new(title).add_attribute(Attribute::Dim)))
        .enforce_styling();
    for column in table.column_iter_mut() {
        column.set_padding((0, 1));
    }
    if !table.is_tty() {
        let columns = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
        table.set_width(columns.unwrap_or(WIDTH));
    }
    table
}

/// A verdict in its colour.
pub(super) fn verdict_cell(verdict: Verdict) -> Cell {
    let color = match verdict {
        Verdict::Accepted => Color::Green,
        Verdict::Found(Level::PodsFixed | Level::Fixed) => Color::Cyan,
        Verdict::Found(Level::Monitored) => Color::Blue,
        Verdict::Found(Level::Warned) => Color::Yellow,
        Verdict::Found(Level::Invalid) => Color::Magenta,
        Verdict::Found(Level::PodsRejected | Level::Rejected) | Verdict::Failed => Color::Red,
    };
    Cell::new(format!("{} {}", symbol(verdict), verdict.word())).fg(color).add_attribute(Attribute::Bold)
}

fn symbol(verdict: Verdict) -> char {
    match verdict {
        Verdict::Accepted | Verdict::Found(Level::PodsFixed) => '✔',
        Verdict::Found(Level::Fixed) => '✎',
        Verdict::Found(Level::Warned | Level::Monitored) => '!',
        Verdict::Found(Level::Invalid) => '?',
        Verdict::Found(Level::PodsRejected | Level::Rejected) | Verdict::Failed => '✘',
    }
}

fn style(verdict: Verdict) -> Style {
    let color = match verdict {
        Verdict::Accepted => AnsiColor::Green,
        Verdict::Found(Level::PodsFixed | Level::Fixed) => AnsiColor::Cyan,
        Verdict::Found(Level::Monitored) => AnsiColor::Blue,
        Verdict::Found(Level::Warned) => AnsiColor::Yellow,
        Verdict::Found(Level::Invalid) => AnsiColor::Magenta,
        Verdict::Found(Level::PodsRejected | Level::Rejected) | Verdict::Failed => AnsiColor::Red,
    };
    color.on_default().bold()
}

fn details(text: &mut String, evaluated: &Evaluated) -> Result<()> {
    let Evaluated { verdict, title, source, findings, evaluation, patched, .. } = evaluated;
    let style = style(*verdict);
    writeln!(
        text,
        "{style}{} {}{style:#}  {BOLD}{title}{BOLD:#}  {QUIET}{source}{QUIET:#}",
        symbol(*verdict),
        verdict.word()
    )?;
    for line in findings.iter().flat_map(|finding| finding.lines()) {
        writeln!(text, "  {line}")?;
    }
    if let Some(evaluation) = evaluation {
        if let Some(code) = evaluation.response.code() {
            writeln!(text, "  {QUIET}code: {code}{QUIET:#}")?;
        }
        if !evaluation.response.audit_annotations.is_empty() {
            let pairs = evaluation.response.audit_annotations.iter().map(|(key, value)| format!("{key}={value}"));
            let pairs: Vec<_> = pairs.collect();
            writeln!(text, "  {QUIET}audit: {}{QUIET:#}", pairs.join(" "))?;
        }
        if let (Some(before), Some(after)) = (&evaluation.object, patched) {
            for line in diff::render(before, after)?.lines() {
                writeln!(text, "    {line}")?;
            }
        }
    }
    writeln!(text)?;
    Ok(())
}

fn closing_line(results: &[Evaluated]) -> String {
    let counts: Vec<_> = counts(results)
        .into_iter()
        .filter(|(_, count)| *count > 0)
        .map(|(verdict, count)| {
            let style = style(verdict);
            format!("{style}{}{style:#}", verdict.count(count))
        })
        .collect();
    format!("{}: {}", policy_host::shown::count(results.len(), "object"), counts.join(", "))
}

fn counts(results: &[Evaluated]) -> Vec<(Verdict, usize)> {
    let count = |verdict| results.iter().filter(|evaluated| evaluated.verdict == verdict).count();
    Verdict::all().map(|verdict| (verdict, count(verdict))).collect()
}

/// Everything, as one JSON document.
pub(super) fn json(results: &[Evaluated]) -> Result<String> {
    let summary: serde_json::Map<_, _> =
        counts(results).into_iter().map(|(verdict, count)| (verdict.key().to_owned(), count.into())).collect();
    let results: Vec<_> = results.iter().map(json_result).collect();
    let text = serde_json::to_string_pretty(&json!({ "results": results, "summary": summary }))?;
    Ok(text + "\n")
}

fn json_result(evaluated: &Evaluated) -> Value {
    let mut result = json!({
        "source": evaluated.source,
        "title": evaluated.title,
        "verdict": evaluated.verdict.key(),
        "findings": evaluated.findings,
    });
    if let (Some(evaluation), Some(fields)) = (&evaluated.evaluation, result.as_object_mut()) {
        fields.insert("response".to_owned(), json!(evaluation.response));
        fields.insert("object".to_owned(), json!(evaluation.object));
        fields.insert("patchedObject".to_owned(), json!(evaluated.patched));
        fields.insert("hostCalls".to_owned(), json!(evaluation.host_calls));
        fields.insert("logs".to_owned(), json!(evaluation.logs));
        if evaluation.unconstrained != evaluation.response {
            fields.insert("policyAnswer".to_owned(), json!(evaluation.unconstrained));
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wraps_findings() {
        let one = ["pod-automount: spec.x: is true on the default account; set it to false".to_owned()];
        assert_eq!(in_short(&one, 60), "pod-automount: is true on the default account");
        assert_eq!(in_short(&one, 40), "pod-automount: is true on the default…");
        let two = [one[0].clone(), "b: c: d".to_owned()];
        assert_eq!(in_short(&two, 45), "pod-automount: is true on the default… (+1)");
        assert_eq!(in_short(&["the API server rejects it: a: b".to_owned()], 60), "the API server rejects it: a: b");
        assert_eq!(in_short(&[], 60), "");
    }
}
