// SPDX-License-Identifier: Apache-2.0

//! Annotations in a GitHub workflow
//! (<https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands>).

use std::fmt::Write as _;

use super::Findings;
use crate::check::finding::Level;

/// One command per finding and per unreadable document.
pub fn render(findings: Findings<'_>) -> String {
    let mut text = String::new();
    for (object, finding) in findings.report.findings().filter(|(_, finding)| !finding.is_known) {
        let command = match finding.level {
            Level::Refused => "error",
            Level::Warned => "warning",
            Level::Fixed => "notice",
        };
        let _ = writeln!(
            text,
            "::{command} file={},line={},col={},title={}::{}",
            property(findings.file(object.file)),
            finding.location.line,
            finding.location.column,
            property(&format!("{} {}", object.title(), finding.level.word())),
            data(&finding.to_line()),
        );
    }
    for unreadable in &findings.sources.unreadable {
        let line = unreadable.line.map(|line| format!(",line={line}")).unwrap_or_default();
        let column = unreadable.column.map(|column| format!(",col={column}")).unwrap_or_default();
        let _ =
            writeln!(text, "::error file={}{line}{column}::{}", property(&unreadable.file), data(&unreadable.message));
    }
    for note in &findings.report.notes {
        let _ = writeln!(text, "::notice::{}", data(note));
    }
    text
}

/// What a command's text may not hold.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// What the value of a property may not hold.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_cannot_end_its_command() {
        assert_eq!(data("50%\r\n::error::x"), "50%25%0D%0A::error::x");
        assert_eq!(property("a,b:c\n"), "a%2Cb%3Ac%0A");
    }
}
