// SPDX-License-Identifier: Apache-2.0

//! The comments of a document. Text in block scalars and quotes is not a comment, even if it looks like one.

use std::ops::Range;

use memchr::memmem;

use super::events::{self, Event};

/// The characters that end a line, and with it a comment, for kubectl.
const BREAKS: [char; 5] = ['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}'];

/// The comments in the first document of a text that contain some words, from their `#` to the end of the line, in bytes of
/// that text. Empty if the document cannot be read.
pub fn containing(text: &str, words: &str) -> Vec<Range<usize>> {
    let mut found = memmem::find_iter(text.as_bytes(), words).peekable();
    if found.peek().is_none() {
        return Vec::new();
    }
    let mut scalars: Vec<Range<usize>> = Vec::new();
    let read = events::of_first_document(text, |event, at| {
        if let Event::Scalar { is_block, .. } = event {
            // A comment may follow the `|` itself.
            let header =
                if is_block { text.get(at.clone()).and_then(|it| it.find(BREAKS)).unwrap_or_default() } else { 0 };
            scalars.push(at.start + header..at.end);
        }
        Ok(())
    });
    // kubectl does not read what follows the first document.
    let Ok(end) = read.map(|dropped| dropped.unwrap_or(text.len())) else { return Vec::new() };
    let mut comments: Vec<Range<usize>> = Vec::new();
    for at in found.take_while(|at| *at < end) {
        if let Some(comment) = comment_around(text, at, &scalars)
            && comments.last() != Some(&comment)
        {
            comments.push(comment);
        }
    }
    comments
}

/// The comment that contains a byte.
fn comment_around(text: &str, at: usize, scalars: &[Range<usize>]) -> Option<Range<usize>> {
    let before = text.get(..at)?;
    let line = before.rfind(BREAKS).map_or(0, |end| end + before.get(end..).map_or(1, first_length));
    let end = text.get(at..)?.find(BREAKS).map_or(text.len(), |end| at + end);
    let hashes = before.get(line..)?.match_indices('#').map(|(offset, _)| line + offset);
    let start = hashes.into_iter().find(|hash| {
        let is_separate =
            *hash == line || text.as_bytes().get(hash - 1).is_some_and(|byte| matches!(byte, b' ' | b'\t'));
        // The scalars are sorted by position.
        let next = scalars.partition_point(|scalar| scalar.end <= *hash);
        is_separate && scalars.get(next).is_none_or(|scalar| !scalar.contains(hash))
    })?;
    Some(start..end)
}

fn first_length(text: &str) -> usize {
    text.chars().next().map_or(1, char::len_utf8)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::own_line("# mark\na: 1\n", &["# mark"])]
    #[case::behind_a_value("a: 1 # mark x\nb: 2 #mark\n", &["# mark x", "#mark"])]
    #[case::after_another("a: 1 # b # mark\n", &["# b # mark"])]
    #[case::plain_with_a_hash("a: b#mark\n", &[])]
    #[case::in_quotes("a: ' # mark'\nb: \"\n  # mark\n  \"\n", &[])]
    #[case::in_a_key("'x # mark': 1\n", &[])]
    #[case::in_a_block_scalar("a: |\n  # mark\n  x\n\n  # mark\nb: 1\n", &[])]
    #[case::in_a_folded_scalar("a:\n- >-\n  # mark\n", &[])]
    #[case::behind_a_block_scalar("a: |\n  x\n# mark 1\nb: |\n  x\n # mark 2\n", &["# mark 1", "# mark 2"])]
    #[case::behind_its_header("a: | # mark\n  # mark 2\n", &["# mark"])]
    #[case::in_flow_style("a: [1, # mark\n  2]\n", &["# mark"])]
    #[case::between_lines_of_a_value("a: b\n  # mark\nc: d\n", &["# mark"])]
    #[case::ended_by_an_unusual_line_break("a: 1 # x\u{2028}b: mark\n", &[])]
    #[case::behind_the_document("a: 1\n...\n# mark\nb: 1 # mark\n", &["# mark"])]
    #[case::unreadable("a: [ # mark\n", &[])]
    #[case::twice_in_one("# mark mark\na: 1\n", &["# mark mark"])]
    fn comments(#[case] text: &str, #[case] expected: &[&str]) {
        let found: Vec<&str> = containing(text, "mark").into_iter().filter_map(|at| text.get(at)).collect();
        assert_eq!(found, expected);
    }
}
