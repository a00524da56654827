// SPDX-License-Identifier: Apache-2.0

//! Annotations in a GitHub workflow
//! (<https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands>).

use std::fmt::Write as _;

use crate::check::finding::Level;
use crate::check::report::{FileReport, Summary};
use crate::shown;

/// One command per finding, warning and unreadable document.
pub fn file(report: &FileReport) -> String {
    let mut text = String::new();
    for object in &report.objects {
        for finding in object.findings.iter().filter(|finding| !finding.passes()) {
            let command = match finding.level {
                Level::Rejected | Level::PodsRejected => "error",
                Level::Warned => "warning",
                Level::Invalid | Level::Fixed | Level::PodsFixed | Level::Monitored => "notice",
            };
            let _ = writeln!(
                text,
                "::{command} file={},line={},col={},title={}::{}",
                property(&object.file),
                finding.location.line,
                finding.location.column,
                property(&format!("{} {}", object.title(), finding.word())),
                data(&finding.to_line()),
            );
        }
    }
    for warning in &report.warnings {
        let (line, column) = (warning.location.line, warning.location.column);
        let file = property(&report.file);
        let _ = writeln!(text, "::warning file={file},line={line},col={column}::{}", data(&warning.what.to_string()));
    }
    for unreadable in &report.unreadable {
        let line = unreadable.line.map(|line| format!(",line={line}")).unwrap_or_default();
        let column = unreadable.column.map(|column| format!(",col={column}")).unwrap_or_default();
        let _ =
            writeln!(text, "::error file={}{line}{column}::{}", property(&unreadable.file), data(&unreadable.message));
    }
    text
}

/// One command per note.
pub fn notes(summary: &Summary) -> String {
    let mut text = String::new();
    for note in &summary.notes {
        let _ = writeln!(text, "::notice::{}", data(note));
    }
    text
}

/// Escapes the text of a command.
fn data(text: &str) -> String {
    let text = text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A");
    // Control characters are also escaped.
    shown::text(&text)
}

/// Escapes the value of a property.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_text() {
        assert_eq!(data("50%\r\n::error::x"), "50%25%0D%0A::error::x");
        assert_eq!(property("a,b:c\n"), "a%2Cb%3Ac%0A");
        assert_eq!(data("a\u{1b}[31m"), "a\\u{1b}[31m");
    }
}
