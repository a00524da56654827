// SPDX-License-Identifier: Apache-2.0

//! The outline of a Markdown text: headings, and the fenced blocks below each.

use std::ops::Range;

use pulldown_cmark::{CodeBlockKind, Event, HeadingLevel, Options, Parser, Tag, TagEnd};

/// A heading, and the text between it and the next heading.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    /// 1 for `#`; 0 for the text before the first heading.
    pub level: usize,
    /// The heading without its marks.
    pub title: String,
    /// The heading's line, 1-based.
    pub line: usize,
    /// The fenced blocks.
    pub blocks: Vec<Block>,
    /// The offset after the last paragraph or block.
    pub end: usize,
}

/// A fenced block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// The words after the opening fence.
    pub info: String,
    /// The line of the opening fence, 1-based.
    pub line: usize,
    /// The block with its fences.
    pub range: Range<usize>,
    /// The text between the fences.
    pub content: Range<usize>,
    /// Whether the block is inside a list or a quotation, where its lines have a prefix.
    pub is_nested: bool,
}

/// Where the lines of a text begin.
struct Lines(Vec<usize>);

impl Lines {
    fn of(text: &str) -> Self {
        let breaks = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        Self(std::iter::once(0).chain(breaks.map(|(at, _)| at + 1)).collect())
    }

    /// The 1-based line of an offset.
    fn line(&self, offset: usize) -> usize {
        self.0.partition_point(|start| *start <= offset)
    }
}

/// The sections of a text, in their order.
#[must_use]
pub fn sections(text: &str) -> Vec<Section> {
    let lines = Lines::of(text);
    let mut sections = Vec::new();
    let mut current = Section { level: 0, title: String::new(), line: 1, blocks: Vec::new(), end: 0 };
    let mut is_heading = false;
    // The number of lists and quotations around the current event, and of all elements around it.
    let (mut nested, mut depth) = (0_usize, 0_usize);
    for (event, range) in Parser::new_ext(text, Options::empty()).into_offset_iter() {
        match &event {
            Event::Start(Tag::Heading { level, .. }) if nested == 0 => {
                is_heading = true;
                let line = lines.line(range.start);
                let next =
                    Section { level: level_of(*level), title: String::new(), line, blocks: Vec::new(), end: range.end };
                sections.push(std::mem::replace(&mut current, next));
            }
            Event::End(TagEnd::Heading(_)) => is_heading = false,
            Event::Text(words) | Event::Code(words) if is_heading => current.title.push_str(words),
            Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(info))) => current.blocks.push(Block {
                info: info.trim().to_owned(),
                line: lines.line(range.start),
                content: inside(text, &range),
                range: range.clone(),
                is_nested: nested > 0,
            }),
            Event::Start(Tag::List(_) | Tag::BlockQuote(_)) => nested += 1,
            Event::End(TagEnd::List(_) | TagEnd::BlockQuote(_)) => nested = nested.saturating_sub(1),
            _ => {}
        }
        match &event {
            Event::Start(_) => depth += 1,
            Event::End(_) => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 {
            current.end = current.end.max(range.end);
        }
    }
    sections.push(current);
    if sections.first().is_some_and(|before| before.blocks.is_empty()) {
        sections.remove(0);
    }
    sections
}

/// The text between the fences of a block.
fn inside(text: &str, range: &Range<usize>) -> Range<usize> {
    let block = text.get(range.clone()).unwrap_or_default();
    let start = block.find('\n').map_or(block.len(), |at| at + 1);
    let last = block.trim_end().rfind('\n').map_or(0, |at| at + 1);
    // An unclosed fence extends to the end of the text.
    let is_closed = last >= start && block.get(last..).is_some_and(|line| line.trim_start().starts_with(['`', '~']));
    let end = if is_closed { last } else { block.len() };
    range.start + start..range.start + end
}

fn level_of(level: HeadingLevel) -> usize {
    match level {
        HeadingLevel::H1 => 1,
        HeadingLevel::H2 => 2,
        HeadingLevel::H3 => 3,
        HeadingLevel::H4 => 4,
        HeadingLevel::H5 => 5,
        HeadingLevel::H6 => 6,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Level, title and line of each section, with the info, the line and the content of its blocks.
    fn outline(text: &str) -> Vec<String> {
        let block = |block: &Block| {
            format!(" {} at {}: {:?}", block.info, block.line, text.get(block.content.clone()).unwrap())
        };
        let section = |section: &Section| {
            let blocks: String = section.blocks.iter().map(block).collect();
            format!("{} {} at {}{blocks}", section.level, section.title, section.line)
        };
        sections(text).iter().map(section).collect()
    }

    #[test]
    fn finds_headings_and_blocks() {
        let text =
            "# one\nwords\n\n```yaml object\na: 1\n```\n\n## `two` words\n\n~~~json request\n{}\n~~~\n```\n```\n";
        assert_eq!(
            outline(text),
            ["1 one at 1 yaml object at 4: \"a: 1\\n\"", "2 two words at 8 json request at 10: \"{}\\n\"  at 13: \"\""]
        );
    }

    #[test]
    fn headings_in_blocks_are_content() {
        assert_eq!(outline("# one\n```yaml\n# comment\n```\n"), ["1 one at 1 yaml at 2: \"# comment\\n\""]);
    }

    #[test]
    fn blocks_before_first_heading() {
        assert_eq!(outline("```yaml object\n```\n# one\n"), ["0  at 1 yaml object at 1: \"\"", "1 one at 3"]);
    }

    #[test]
    fn unterminated_block() {
        assert_eq!(outline("# one\n```yaml object\na: 1\n"), ["1 one at 1 yaml object at 2: \"a: 1\\n\""]);
        assert_eq!(outline("# one\n```yaml"), ["1 one at 1 yaml at 2: \"\""]);
    }

    #[test]
    fn blocks_in_lists_are_nested() {
        let sections = sections("# one\n- item\n\n  ```yaml object\n  a: 1\n  ```\n> ```yaml old\n> ```\n");
        let nested: Vec<bool> = sections[0].blocks.iter().map(|block| block.is_nested).collect();
        assert_eq!(nested, [true, true]);
    }

    #[test]
    fn end_of_section() {
        let text = "# one\n\nwords\n\n\n## two\n```yaml\n```\n\nmore\n";
        let ends: Vec<&str> =
            sections(text).iter().map(|section| text.get(..section.end).unwrap().trim_end()).collect();
        assert_eq!(ends, ["# one\n\nwords", text.trim_end()]);
    }
}
