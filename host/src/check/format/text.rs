// SPDX-License-Identifier: Apache-2.0

//! For people: by file, each finding at its line, and a count.

use std::fmt::{Result, Write as _};
use std::sync::Arc;

use anstyle::{AnsiColor, Style};

use crate::check::finding::{Finding, Level};
use crate::check::report::{FileReport, ObjectReport, Summary};
use crate::check::source::Remarked;
use crate::check::verdict::Column;
use crate::shown;

const BOLD: Style = Style::new().bold();
const QUIET: Style = Style::new().dimmed();
const GOOD: Style = AnsiColor::Green.on_default();

/// File by file, as they come.
#[derive(Debug, Default)]
pub struct Files {
    last: Option<Arc<str>>,
}

impl Files {
    /// The report on some documents of a file; empty where there is nothing to report.
    pub fn text(&mut self, report: &FileReport) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = self.write(&mut text, report);
        text
    }

    fn write(&mut self, text: &mut String, report: &FileReport) -> Result {
        let is_shown = |finding: &&Finding| !finding.is_known;
        let mut objects =
            report.objects.iter().filter(|object| object.findings.iter().any(|finding| is_shown(&finding))).peekable();
        if objects.peek().is_none() && report.remarks.is_empty() {
            return Ok(());
        }
        let file = shown::text(&report.file);
        if self.last.as_ref() != Some(&report.file) {
            self.last = Some(report.file.clone());
            writeln!(text, "{BOLD}{}{BOLD:#}", if file == "-" { "standard input" } else { &file })?;
        }
        for object in objects {
            header(text, object)?;
            for finding in object.findings.iter().filter(is_shown) {
                line(text, &file, finding)?;
            }
        }
        report.remarks.iter().try_for_each(|remark| remarked(text, &file, remark))
    }

    /// Whether anything was printed.
    pub fn is_empty(&self) -> bool {
        self.last.is_none()
    }
}

fn remarked(text: &mut String, file: &str, remark: &Remarked) -> Result {
    let (line, column) = (remark.location.line, remark.location.column);
    let style = style(Level::Warned);
    let what = shown::text(&remark.what.to_string());
    writeln!(text, "  {QUIET}{file}:{line}:{column}:{QUIET:#} {style}warning{style:#} {what}")
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
        Level::Invalid => AnsiColor::Magenta,
        Level::Warned => AnsiColor::Yellow,
        Level::Refused => AnsiColor::Red,
    };
    color.on_default().bold()
}

/// What a reader has to know, and how it ended.
pub fn closing(summary: &Summary) -> String {
    let mut text = String::new();
    let _ = write_closing(&mut text, summary);
    text
}

fn write_closing(text: &mut String, summary: &Summary) -> Result {
    let mut note = |note: &str| writeln!(text, "{QUIET}note:{QUIET:#} {note}");
    summary.notes.iter().try_for_each(|text| note(text))?;
    let (unlisted, with_findings) = summary.noted.unlisted_pods;
    if unlisted > 0 {
        let pods = count(unlisted, "Pod");
        note(&format!(
            "not listed, for their templates are evaluated: {pods} of controllers, {with_findings} of them with findings"
        ))?;
    }
    if summary.others > 0 {
        note(&format!("left out, not a kubernetes object: {}", count(summary.others, "document")))?;
    }
    if summary.unusual_files > 0 {
        let files = count(summary.unusual_files, "file");
        note(&format!("characters that end a line for kubectl and for hardly anybody else: {files}"))?;
    }
    if summary.tally.of(Column::Invalid) > 0 {
        note(
            "invalid is what a partial copy of the API server's validation would not take; `kubeconform` checks all of it",
        )?;
    }
    let by_reason = summary.tally.by_reason();
    if !by_reason.is_empty() {
        let reasons: Vec<String> = by_reason.iter().map(|(why, count)| format!("{why} ({count})")).collect();
        note(&format!("not checked: {}", reasons.join(", ")))?;
    }
    let (tally, mut parts) = (&summary.tally, Vec::new());
    for column in [Column::Refused, Column::Warned, Column::Fixed, Column::Invalid, Column::Partial] {
        let (count, style) = (tally.of(column), column_style(column));
        if count > 0 {
            parts.push(format!("{style}{count} {}{style:#}", column.word()));
        }
    }
    let (accepted, not_checked) = (tally.of(Column::Accepted), tally.of(Column::NotChecked));
    if accepted > 0 || tally.total() == 0 {
        parts.push(format!("{GOOD}{accepted} accepted{GOOD:#}"));
    }
    if not_checked > 0 {
        parts.push(format!("{not_checked} not checked"));
    }
    if summary.known > 0 {
        parts.push(format!("{} findings known to the baseline", summary.known));
    }
    if summary.unreadable > 0 {
        parts.push(format!("{} unreadable", summary.unreadable));
    }
    let (objects, files) = (count(tally.total(), "object"), count(summary.files, "file"));
    writeln!(text, "{objects} in {files}: {}", parts.join(", "))
}

fn column_style(column: Column) -> Style {
    match column {
        Column::Refused => style(Level::Refused),
        Column::Warned => style(Level::Warned),
        Column::Fixed => style(Level::Fixed),
        Column::Invalid => style(Level::Invalid),
        Column::Accepted | Column::Partial | Column::NotChecked => Style::new(),
    }
}

fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}
