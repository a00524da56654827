// SPDX-License-Identifier: Apache-2.0

//! Prints the result: text as it becomes available, and documents at the end, as a whole.

use anyhow::Result;
use comfy_table::{Cell, CellAlignment};
use policy_host::check::config::Output;
use policy_host::check::finding::Level;
use policy_host::check::format::text::Detail;
use policy_host::check::format::{self, Findings};
use policy_host::check::report::{FileReport, Outcome, Summary};
use serde_json::Value;

use super::resolved::Resolved;
use crate::printer::Stream;
use crate::{output, printer};

pub(super) struct Printed<'a> {
    resolved: &'a Resolved<'a>,
    text: format::text::Files,
    files: Vec<FileReport>,
    /// Where text is printed: on the standard error if the standard output contains a diff or a fixed text.
    stream: Stream,
}

impl<'a> Printed<'a> {
    pub fn new(resolved: &'a Resolved<'a>) -> Self {
        let args = resolved.args;
        let is_taken = args.diff || args.fix && resolved.reads_standard_input();
        let stream = if is_taken { Stream::Error } else { Stream::Output };
        let detail = if args.verbose { Detail::Everything } else { Detail::Findings };
        Self { resolved, text: format::text::Files::new(detail), files: Vec::new(), stream }
    }

    fn is_text_of_numbers(&self) -> bool {
        self.resolved.args.summary || self.resolved.args.statistics
    }

    pub fn add(&mut self, report: FileReport) -> Result<()> {
        for unreadable in &report.unreadable {
            printer::error(&unreadable.to_line());
        }
        match self.resolved.output {
            Output::Text if self.is_text_of_numbers() => {}
            Output::Text => {
                let text = self.text.text(&report);
                if !text.is_empty() {
                    printer::lines(&text, self.stream)?;
                }
            }
            Output::Github => printer::document(&format::github::file(&report))?,
            Output::Json | Output::Sarif | Output::Junit => self.files.push(report),
        }
        Ok(())
    }

    pub fn finish(&self, summary: &Summary, outcome: &Outcome) -> Result<()> {
        let args = self.resolved.args;
        let findings = Findings { files: &self.files, summary, outcome, fail_on: self.resolved.fail_on };
        let json = |value: Value| -> Result<()> { printer::document(&(serde_json::to_string_pretty(&value)? + "\n")) };
        match self.resolved.output {
            Output::Text if args.summary => {
                let mut table = output::new_table(format::summary::HEADER);
                format::summary::fill(&mut table, summary);
                printer::text(&format!("{}\n\n", output::render(&table)))?;
                printer::lines(&format!("{}\n\n", format::summary::LEGEND), Stream::Output)?;
                self.closing(summary, false)
            }
            Output::Text if args.statistics => {
                printer::text(&format!("{}\n", output::render(&statistics(summary))))?;
                self.closing(summary, true)
            }
            Output::Text => self.closing(summary, !self.text.is_empty()),
            Output::Json if args.statistics => json(format::json::statistics(findings)?),
            Output::Json => json(format::json::render(findings)?),
            Output::Sarif => json(format::sarif::render(findings)),
            Output::Junit => printer::document(&format::junit::render(findings)?),
            Output::Github => printer::document(&format::github::notes(summary)),
        }
    }

    fn closing(&self, summary: &Summary, has_gap: bool) -> Result<()> {
        if self.resolved.args.quiet {
            return Ok(());
        }
        let gap = if has_gap { "\n" } else { "" };
        printer::lines(&format!("{gap}{}", format::text::closing(summary)), self.stream)
    }
}

/// The number of findings of each rule, in descending order.
fn statistics(summary: &Summary) -> comfy_table::Table {
    let mut table = output::new_table(["findings", "rule", "verdict"]);
    let mut rows: Vec<_> = summary.statistics.iter().collect();
    rows.sort_by_key(|((rule, level), count)| (std::cmp::Reverse(**count), rule.clone(), *level));
    for ((rule, level), count) in rows {
        let verdict = match level {
            Level::PodsFixed | Level::PodsRejected => format!("{} (Pods)", level.word()),
            _ => level.word().to_owned(),
        };
        let count = Cell::new(count).set_alignment(CellAlignment::Right);
        table.add_row(vec![count, Cell::new(rule), Cell::new(verdict)]);
    }
    table
}
