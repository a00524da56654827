// SPDX-License-Identifier: Apache-2.0

//! Unified diffs of texts, in the format of GNU diff and patch.

use std::fmt;
use std::ops::Range;

use imara_diff::{Algorithm, Diff, Hunk, InternedInput, Token};

/// Unchanged lines before and after a change.
const CONTEXT: u32 = 3;

/// A line of a unified diff. Its `Display` is the line without its end.
pub enum Line<'a> {
    /// The position of the following lines in both texts.
    Header(String),
    /// A line of both texts.
    Context(&'a str),
    /// A line of the first text.
    Delete(&'a str),
    /// A line of the second text.
    Insert(&'a str),
    /// The line before this one is the last one of its text, and has no newline.
    NoNewline,
}

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Header(header) => f.write_str(header),
            Self::Context(line) => write!(f, " {line}"),
            Self::Delete(line) => write!(f, "-{line}"),
            Self::Insert(line) => write!(f, "+{line}"),
            Self::NoNewline => f.write_str("\\ No newline at end of file"),
        }
    }
}

/// The diff of two texts under their names. There are only the two lines with the names if the texts are equal.
#[must_use]
pub fn unified((old, new): (&str, &str), before: &str, after: &str) -> String {
    let names = [format!("--- {old}"), format!("+++ {new}")];
    let lines = lines(before, after).into_iter().map(|line| line.to_string());
    names.into_iter().chain(lines).map(|line| line + "\n").collect()
}

/// The diff of two texts.
#[must_use]
pub fn lines<'a>(before: &'a str, after: &'a str) -> Vec<Line<'a>> {
    let input = InternedInput::new(before, after);
    let mut diff = Diff::compute(Algorithm::Myers, &input);
    diff.postprocess_lines(&input);
    let changes: Vec<Hunk> = diff.hunks().collect();
    let mut lines = Vec::new();
    let texts = |tokens: &[Token], range: Range<u32>| -> Vec<&'a str> {
        let range = range.start as usize..range.end as usize;
        tokens.get(range).unwrap_or_default().iter().map(|token| input.interner[*token]).collect()
    };
    let length = u32::try_from(input.before.len()).unwrap_or(u32::MAX);
    for group in changes.chunk_by(|change, next| next.before.start - change.before.end <= 2 * CONTEXT) {
        let (Some(first), Some(last)) = (group.first(), group.last()) else { continue };
        let leading = first.before.start.min(CONTEXT);
        let trailing = (length - last.before.end).min(CONTEXT);
        let with_context = |start: u32, end: u32| range(start - leading, end + trailing);
        let old = with_context(first.before.start, last.before.end);
        let new = with_context(first.after.start, last.after.end);
        lines.push(Line::Header(format!("@@ -{old} +{new} @@")));
        let mut position = first.before.start - leading;
        for change in group {
            add(&mut lines, Line::Context, texts(&input.before, position..change.before.start));
            add(&mut lines, Line::Delete, texts(&input.before, change.before.clone()));
            add(&mut lines, Line::Insert, texts(&input.after, change.after.clone()));
            position = change.before.end;
        }
        add(&mut lines, Line::Context, texts(&input.before, position..last.before.end + trailing));
    }
    lines
}

fn add<'a>(lines: &mut Vec<Line<'a>>, line: fn(&'a str) -> Line<'a>, texts: Vec<&'a str>) {
    for text in texts {
        let complete = text.strip_suffix('\n');
        lines.push(line(complete.unwrap_or(text)));
        lines.extend(complete.is_none().then_some(Line::NoNewline));
    }
}

/// Lines as a header has them: the first one, counted from 1, and their number, which is omitted if it is 1. The position of no
/// lines is the line before them.
fn range(start: u32, end: u32) -> String {
    match end - start {
        0 => format!("{start},0"),
        1 => (start + 1).to_string(),
        length => format!("{},{length}", start + 1),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn numbers(range: std::ops::RangeInclusive<u32>) -> String {
        range.map(|number| number.to_string() + "\n").collect()
    }

    #[rstest]
    #[case::equal(&numbers(1..=3), &numbers(1..=3), "")]
    #[case::both_empty("", "", "")]
    #[case::new_text("", "a\n", "@@ -0,0 +1 @@\n+a\n")]
    #[case::no_text_left("a\nb\n", "", "@@ -1,2 +0,0 @@\n-a\n-b\n")]
    #[case::first_line("1\n2\n3\n4\n5\n", "x\n2\n3\n4\n5\n", "@@ -1,4 +1,4 @@\n-1\n+x\n 2\n 3\n 4\n")]
    #[case::fewer_lines_than_context_twice(&numbers(1..=6), "1\n2\n3\n4\n5\nx\n6\n", "@@ -3,4 +3,5 @@\n 3\n 4\n 5\n+x\n 6\n")]
    #[case::no_newline_before(
        "a: 1\nb: 2",
        "a: 1\nb: 3\n",
        "@@ -1,2 +1,2 @@\n a: 1\n-b: 2\n\\ No newline at end of file\n+b: 3\n"
    )]
    #[case::no_newline_in_both("a\nb", "x\nb", "@@ -1,2 +1,2 @@\n-a\n+x\n b\n\\ No newline at end of file\n")]
    #[case::changes_with_common_context(
        &numbers(1..=9),
        "x\n2\n3\n4\n5\n6\n7\ny\n9\n",
        "@@ -1,9 +1,9 @@\n-1\n+x\n 2\n 3\n 4\n 5\n 6\n 7\n-8\n+y\n 9\n"
    )]
    #[case::changes_apart(
        &numbers(1..=9),
        "x\n2\n3\n4\n5\n6\n7\n8\n",
        "@@ -1,4 +1,4 @@\n-1\n+x\n 2\n 3\n 4\n@@ -6,4 +6,3 @@\n 6\n 7\n 8\n-9\n"
    )]
    #[case::carriage_returns("a\r\nb\r\n", "a\r\nc\r\n", "@@ -1,2 +1,2 @@\n a\r\n-b\r\n+c\r\n")]
    fn unified_diffs(#[case] before: &str, #[case] after: &str, #[case] expected: &str) {
        assert_eq!(unified(("old", "new"), before, after), format!("--- old\n+++ new\n{expected}"));
    }
}
