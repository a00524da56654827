// SPDX-License-Identifier: Apache-2.0

//! Text output: findings by file, each with its line, and a summary.

use std::fmt::{Result, Write as _};
use std::sync::Arc;

use anstyle::{AnsiColor, Style};

use crate::check::finding::{Finding, Level, Pass};
use crate::check::report::{FileReport, ObjectReport, Summary};
use crate::check::source::FileWarning;
use crate::check::verdict::{Column, Verdict};
use crate::shown::{self, count};

const BOLD: Style = Style::new().bold();
const QUIET: Style = Style::new().dimmed();
const GOOD: Style = AnsiColor::Green.on_default();

/// How much of a file is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Detail {
    /// The findings that count.
    #[default]
    Findings,
    /// Every object, and also the findings that do not count.
    Everything,
}

/// Formats reports file by file, as they arrive.
#[derive(Debug, Default)]
pub struct Files {
    detail: Detail,
    last: Option<Arc<str>>,
}

impl Files {
    /// No report has been formatted yet.
    pub fn new(detail: Detail) -> Self {
        Self { detail, last: None }
    }

    /// The report on some documents of a file; empty if there is nothing to report.
    pub fn text(&mut self, report: &FileReport) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = self.write(&mut text, report);
        text
    }

    fn write(&mut self, text: &mut String, report: &FileReport) -> Result {
        let is_everything = self.detail == Detail::Everything;
        let is_shown = |finding: &&Finding| is_everything || !finding.passes();
        let has_shown = |object: &&ObjectReport| is_everything || object.findings.iter().any(|it| is_shown(&it));
        let mut objects = report.objects.iter().filter(has_shown).peekable();
        if objects.peek().is_none() && report.warnings.is_empty() {
            return Ok(());
        }
        let file = shown::text(&report.file);
        if self.last.as_ref() != Some(&report.file) {
            self.last = Some(report.file.clone());
            writeln!(text, "{BOLD}{}{BOLD:#}", if file == "-" { "standard input" } else { &file })?;
        }
        for object in objects {
            header(text, object, is_everything)?;
            for finding in object.findings.iter().filter(is_shown) {
                line(text, &file, finding)?;
            }
        }
        report.warnings.iter().try_for_each(|warning| file_warning(text, &file, warning))
    }

    /// Whether anything was printed.
    pub fn is_empty(&self) -> bool {
        self.last.is_none()
    }
}

fn file_warning(text: &mut String, file: &str, warning: &FileWarning) -> Result {
    let (line, column) = (warning.location.line, warning.location.column);
    let style = style(Level::Warned);
    let what = shown::text(&warning.what.to_string());
    writeln!(text, "  {QUIET}{file}:{line}:{column}:{QUIET:#} {style}warning{style:#} {what}")
}

fn header(text: &mut String, object: &ObjectReport, is_everything: bool) -> Result {
    write!(text, "  {BOLD}{}{BOLD:#}", object.title())?;
    match (&object.verdict, object.pods()) {
        (_, Some(verdict)) => write!(text, ": {verdict}")?,
        (Verdict::NotChecked(reason), None) => write!(text, ": not checked: {}", reason.why)?,
        (verdict, None) if is_everything => write!(text, ": {}", verdict.column().word())?,
        _ => {}
    }
    if let Some(origin) = &object.origin {
        write!(text, "  {QUIET}{origin}{QUIET:#}")?;
    }
    writeln!(text)
}

fn line(text: &mut String, file: &str, finding: &Finding) -> Result {
    let style = style(finding.level);
    let (line, column) = (finding.location.line, finding.location.column);
    let (word, what) = (finding.word(), finding.to_line());
    write!(text, "    {QUIET}{file}:{line}:{column}:{QUIET:#} {style}{word}{style:#} {what}")?;
    match &finding.pass {
        None => writeln!(text),
        Some(Pass::Baseline) => writeln!(text, " {QUIET}(in the baseline){QUIET:#}"),
        Some(Pass::Suppressed { line, reason }) if reason.is_empty() => {
            writeln!(text, " {QUIET}(suppressed on line {line}){QUIET:#}")
        }
        Some(Pass::Suppressed { line, reason }) => {
            writeln!(text, " {QUIET}(suppressed on line {line}: {reason}){QUIET:#}")
        }
    }
}

fn style(level: Level) -> Style {
    let color = match level {
        Level::PodsFixed | Level::Fixed => AnsiColor::Cyan,
        Level::Invalid => AnsiColor::Magenta,
        Level::Monitored => AnsiColor::Blue,
        Level::Warned => AnsiColor::Yellow,
        Level::PodsRejected | Level::Rejected => AnsiColor::Red,
    };
    color.on_default().bold()
}

/// The notes and the counts.
pub fn closing(summary: &Summary) -> String {
    let mut text = String::new();
    let _ = write_closing(&mut text, summary);
    text
}

/// The order of the counts; `accepted` follows them.
const ORDER: [Column; 8] = [
    Column::Found(Level::Rejected),
    Column::Found(Level::PodsRejected),
    Column::Found(Level::Warned),
    Column::Found(Level::Fixed),
    Column::Found(Level::PodsFixed),
    Column::Found(Level::Monitored),
    Column::Found(Level::Invalid),
    Column::Partial,
];

fn write_closing(text: &mut String, summary: &Summary) -> Result {
    let mut note = |note: &str| writeln!(text, "{QUIET}note:{QUIET:#} {note}");
    summary.notes.iter().try_for_each(|text| note(text))?;
    let (unlisted, with_findings) = summary.noted.unlisted_pods;
    if unlisted > 0 {
        let pods = count(unlisted, "Pod");
        note(&format!(
            "not listed, because their templates are checked: {pods} of controllers, {with_findings} of them with findings"
        ))?;
    }
    if summary.others > 0 {
        note(&format!("skipped, not a Kubernetes object: {}", count(summary.others, "document")))?;
    }
    if summary.unusual_files > 0 {
        let files = count(summary.unusual_files, "file");
        note(&format!("characters that only kubectl treats as line breaks: {files}"))?;
    }
    if summary.excluded > 0 {
        note(&format!("excluded by patterns: {}", count(summary.excluded, "file")))?;
    }
    if summary.tally.of(Column::Found(Level::Invalid)) > 0 {
        note(
            "invalid: rejected by a partial copy of the API server's validation; validate manifests with `kubeconform` too",
        )?;
    }
    let by_reason = summary.tally.by_reason();
    if !by_reason.is_empty() {
        let reasons: Vec<String> = by_reason.iter().map(|(why, count)| format!("{why} ({count})")).collect();
        note(&format!("not checked: {}", reasons.join(", ")))?;
    }
    let (tally, mut parts) = (&summary.tally, Vec::new());
    for column in ORDER {
        let (count, style) = (tally.of(column), column_style(column));
        if count > 0 {
            parts.push(format!("{style}{}{style:#}", column.count(count)));
        }
    }
    let (accepted, not_checked) = (tally.of(Column::Accepted), tally.of(Column::NotChecked));
    if accepted > 0 || tally.total() == 0 {
        parts.push(format!("{GOOD}{}{GOOD:#}", Column::Accepted.count(accepted)));
    }
    if not_checked > 0 {
        parts.push(Column::NotChecked.count(not_checked));
    }
    if summary.known > 0 {
        parts.push(format!("{} in the baseline", count(summary.known, "finding")));
    }
    if summary.suppressed > 0 {
        parts.push(format!("{} suppressed", count(summary.suppressed, "finding")));
    }
    if summary.unreadable > 0 {
        parts.push(format!("{} unreadable", summary.unreadable));
    }
    let (objects, files) = (count(tally.total(), "object"), count(summary.files, "file"));
    writeln!(text, "{objects} in {files}: {}", parts.join(", "))
}

fn column_style(column: Column) -> Style {
    match column {
        Column::Found(level) => style(level),
        Column::Accepted | Column::Partial | Column::NotChecked => Style::new(),
    }
}
