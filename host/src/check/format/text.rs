// SPDX-License-Identifier: Apache-2.0

//! For people: by file, each finding at its line, and a count.

use std::collections::BTreeSet;
use std::fmt::{Result, Write as _};

use anstyle::{AnsiColor, Style};

use super::Findings;
use crate::check::finding::{Finding, Level};
use crate::check::report::{ObjectReport, Report};
use crate::check::source::Sources;

const BOLD: Style = Style::new().bold();
const QUIET: Style = Style::new().dimmed();
const GOOD: Style = AnsiColor::Green.on_default();

/// The whole report; with `everything`, also what the baseline lets pass.
pub fn render(findings: Findings<'_>, everything: bool) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = objects(&mut text, findings, everything);
    let _ = closing(&mut text, findings.sources, findings.report);
    text
}

fn objects(text: &mut String, findings: Findings<'_>, everything: bool) -> Result {
    let is_shown = |finding: &&Finding| everything || !finding.is_known;
    let mut last = None;
    for object in &findings.report.objects {
        if !object.findings.iter().any(|finding| is_shown(&finding)) {
            continue;
        }
        let file = findings.file(object.file);
        if last.replace(object.file) != Some(object.file) {
            writeln!(text, "{BOLD}{}{BOLD:#}", file_title(file))?;
        }
        header(text, object)?;
        for finding in object.findings.iter().filter(is_shown) {
            line(text, file, finding)?;
        }
    }
    if last.is_some() {
        writeln!(text)?;
    }
    Ok(())
}

fn file_title(name: &str) -> &str {
    if name == "-" { "standard input" } else { name }
}

fn header(text: &mut String, object: &ObjectReport) -> Result {
    write!(text, "  {BOLD}{}{BOLD:#}", object.title())?;
    if let Some(origin) = &object.origin {
        write!(text, "  {QUIET}{origin}{QUIET:#}")?;
    }
    writeln!(text)
}

fn line(text: &mut String, file: &str, finding: &Finding) -> Result {
    let style = style(finding.level);
    let location = finding.location;
    let word = finding.level.word();
    let known = if finding.is_known { " (known)" } else { "" };
    writeln!(
        text,
        "    {QUIET}{file}:{}:{}:{QUIET:#} {style}{word}{style:#}{known} {}",
        location.line,
        location.column,
        finding.to_line()
    )
}

fn style(level: Level) -> Style {
    let color = match level {
        Level::Fixed => AnsiColor::Cyan,
        Level::Warned => AnsiColor::Yellow,
        Level::Refused => AnsiColor::Red,
    };
    color.on_default().bold()
}

/// What a reader has to know, and how it ended.
pub fn closing(text: &mut String, sources: &Sources, report: &Report) -> Result {
    for note in &report.notes {
        writeln!(text, "{QUIET}note:{QUIET:#} {note}")?;
    }
    if report.unlisted_pods > 0 {
        writeln!(
            text,
            "{QUIET}note:{QUIET:#} not listed, for their templates are judged: {} of controllers, {} of them with findings",
            count(report.unlisted_pods, "Pod"),
            report.unlisted_pods_with_findings
        )?;
    }
    if report.documents_left_out > 0 {
        let documents = count(report.documents_left_out, "document");
        writeln!(text, "{QUIET}note:{QUIET:#} left out, for it is no kubernetes object: {documents}")?;
    }
    let (levels, fine) = report.counts();
    let mut parts: Vec<String> = levels
        .into_iter()
        .rev()
        .filter(|(_, count)| *count > 0)
        .map(|(level, count)| format!("{0}{count} {1}{0:#}", style(level), level.word()))
        .collect();
    if fine > 0 || parts.is_empty() {
        parts.push(format!("{GOOD}{fine} accepted{GOOD:#}"));
    }
    if report.known() > 0 {
        parts.push(format!("{} findings known to the baseline", report.known()));
    }
    if !sources.unreadable.is_empty() {
        parts.push(format!("{} unreadable", sources.unreadable.len()));
    }
    let files = report.objects.iter().map(|object| object.file).collect::<BTreeSet<_>>().len();
    let objects = report.objects.len();
    writeln!(text, "{} in {}: {}", count(objects, "object"), count(files, "file"), parts.join(", "))
}

fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}
