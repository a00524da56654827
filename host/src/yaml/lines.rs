// SPDX-License-Identifier: Apache-2.0

//! Lines and columns as editors and code hosts count them: only `\n` ends a line, even though YAML has other line breaks.

/// Where the lines of a text begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lines {
    /// The byte where each line begins.
    starts: Vec<usize>,
    /// Whether the text is ASCII, so that columns are bytes.
    is_ascii: bool,
}

impl Lines {
    /// Finds the lines of a text.
    pub fn of(text: &str) -> Self {
        let breaks = memchr::memchr_iter(b'\n', text.as_bytes());
        Self { starts: std::iter::once(0).chain(breaks.map(|at| at + 1)).collect(), is_ascii: text.is_ascii() }
    }

    /// The byte where a line begins, or the end of the text.
    pub(super) fn start(&self, line: usize) -> usize {
        self.starts.get(line.saturating_sub(1)).or(self.starts.last()).copied().unwrap_or_default()
    }

    /// The 1-based line and column of a byte of the same text; columns count characters.
    pub fn line_and_column(&self, text: &str, at: usize) -> (usize, usize) {
        let line = self.starts.partition_point(|start| *start <= at).max(1);
        let start = self.starts.get(line - 1).copied().unwrap_or_default();
        let column = match text.get(start..at) {
            Some(before) if !self.is_ascii => before.chars().count(),
            _ => at.saturating_sub(start),
        };
        (line, column + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_columns() {
        let text = "é: x\r\nb\u{2028}c\n";
        let lines = Lines::of(text);
        assert_eq!(lines.line_and_column(text, 0), (1, 1));
        assert_eq!(lines.line_and_column(text, text.find('x').unwrap()), (1, 4));
        assert_eq!(lines.line_and_column(text, text.find('c').unwrap()), (2, 3));
        assert_eq!(lines.line_and_column(text, text.len()), (3, 1));
    }
}
