// SPDX-License-Identifier: Apache-2.0

//! Scans scalars in all styles, and tags.

use std::borrow::Cow;

use super::cursor::Cursor;
use super::events::SyntaxError;

type Result<T> = std::result::Result<T, SyntaxError>;

/// A plain scalar.
pub(super) struct Plain<'t> {
    pub text: Cow<'t, str>,
    pub end: usize,
    /// Whether the scanner is on a later line than the end of the scalar.
    pub ends_in_another_line: bool,
}

/// The line breaks between two words of a scalar that continues on another line.
#[derive(Default)]
struct Gap {
    /// The first line break; empty if there is none.
    first: &'static str,
    /// The line breaks after the first one.
    others: String,
}

impl Gap {
    fn add(&mut self, line_break: &'static str) {
        if self.first.is_empty() { self.first = line_break } else { self.others.push_str(line_break) }
    }

    /// Folds the line breaks: one becomes a space, and several become one fewer; U+2028 and U+2029 stay.
    fn fold_into(&self, text: &mut String) {
        match (self.first, self.others.as_str()) {
            ("\n", "") => text.push(' '),
            ("\n", others) => text.push_str(others),
            (first, others) => {
                text.push_str(first);
                text.push_str(others);
            }
        }
    }
}

/// Scans a plain scalar. `indent` is one more than the column of the collection around it.
pub(super) fn plain<'t>(cursor: &mut Cursor<'t>, indent: usize, is_flow: bool) -> Result<Plain<'t>> {
    let start = cursor.at;
    let mut end = start;
    // Only a scalar that continues on another line differs from its source.
    let mut folded: Option<String> = None;
    let mut gap: Option<Gap> = None;
    loop {
        if cursor.is_document_mark() || cursor.peek(0) == b'#' {
            break;
        }
        let word = cursor.at;
        cursor.skip_while(is_plain_everywhere);
        while !cursor.is_space_or_end(0) && !ends_plain(cursor, is_flow) {
            cursor.skip_char();
            cursor.skip_while(is_plain_everywhere);
        }
        if cursor.at > word {
            if let Some(gap) = gap.take() {
                let text = folded.get_or_insert_with(|| cursor.between(start, end).to_owned());
                gap.fold_into(text);
                text.push_str(cursor.slice(word));
            } else if let Some(text) = &mut folded {
                // Including the spaces before the word.
                text.push_str(cursor.slice(end));
            }
            end = cursor.at;
        }
        if !cursor.is_blank(0) && cursor.break_length(0) == 0 {
            break;
        }
        while cursor.is_blank(0) || cursor.break_length(0) > 0 {
            if !cursor.is_blank(0) {
                let line_break = cursor.skip_break();
                gap.get_or_insert_default().add(line_break);
            } else if gap.is_some() && cursor.column() < indent && cursor.peek(0) == b'\t' {
                return Err(SyntaxError::new(cursor.at, "found a tab character that violates indentation"));
            } else {
                cursor.skip(1);
            }
        }
        if !is_flow && cursor.column() < indent {
            break;
        }
    }
    let text = folded.map_or_else(|| cursor.between(start, end).into(), Cow::Owned);
    Ok(Plain { text, end, ends_in_another_line: gap.is_some() })
}

/// Characters of which neither ends a plain scalar, whatever follows it.
fn is_plain_everywhere(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'/')
}

fn ends_plain(cursor: &Cursor<'_>, is_flow: bool) -> bool {
    match cursor.peek(0) {
        b':' => cursor.is_space_or_end(1),
        b',' | b'?' | b'[' | b']' | b'{' | b'}' => is_flow,
        _ => false,
    }
}

/// Scans a scalar in single or double quotes.
pub(super) fn quoted<'t>(cursor: &mut Cursor<'t>, is_single: bool) -> Result<Cow<'t, str>> {
    let quote = if is_single { b'\'' } else { b'"' };
    let open = cursor.at;
    cursor.skip(1);
    if let Some(text) = in_one_piece(cursor, quote, is_single) {
        return Ok(text.into());
    }
    let mut text = String::new();
    loop {
        if cursor.is_document_mark() {
            return Err(SyntaxError::new(cursor.at, "found unexpected document indicator"));
        }
        if cursor.is_end() {
            return Err(SyntaxError::new(open, "found unexpected end of stream"));
        }
        // A line break after a backslash is removed.
        let mut gap: Option<Gap> = None;
        while !cursor.is_space_or_end(0) {
            match cursor.peek(0) {
                b'\'' if is_single && cursor.peek(1) == b'\'' => {
                    text.push('\'');
                    cursor.skip(2);
                }
                found if found == quote => break,
                b'\\' if !is_single && cursor.break_length(1) > 0 => {
                    cursor.skip(1);
                    cursor.skip_break();
                    gap = Some(Gap::default());
                    break;
                }
                b'\\' if !is_single => text.push(escape(cursor)?),
                _ => {
                    let start = cursor.at;
                    cursor.skip_char();
                    text.push_str(cursor.slice(start));
                }
            }
        }
        if cursor.peek(0) == quote && gap.is_none() {
            cursor.skip(1);
            return Ok(text.into());
        }
        let is_joined = gap.is_some();
        let blanks = cursor.at;
        let mut blanks_end = blanks;
        while cursor.is_blank(0) || cursor.break_length(0) > 0 {
            if cursor.is_blank(0) {
                cursor.skip(1);
                if gap.is_none() {
                    blanks_end = cursor.at;
                }
                continue;
            }
            let line_break = cursor.skip_break();
            match &mut gap {
                Some(gap) if is_joined => gap.others.push_str(line_break),
                gap => gap.get_or_insert_default().add(line_break),
            }
        }
        match gap {
            Some(gap) => gap.fold_into(&mut text),
            None => text.push_str(cursor.between(blanks, blanks_end)),
        }
    }
}

/// The text up to the closing quote, if it is on the same line and nothing in it is escaped.
fn in_one_piece<'t>(cursor: &mut Cursor<'t>, quote: u8, is_single: bool) -> Option<&'t str> {
    let mut ahead = cursor.clone();
    let start = ahead.at;
    loop {
        match ahead.peek(0) {
            found if found == quote => break,
            b'\\' if !is_single => return None,
            _ if ahead.is_break_or_end(0) => return None,
            _ => ahead.skip_char(),
        }
    }
    if is_single && ahead.peek(1) == b'\'' {
        return None;
    }
    let text = ahead.slice(start);
    ahead.skip(1);
    *cursor = ahead;
    Some(text)
}

fn escape(cursor: &mut Cursor<'_>) -> Result<char> {
    let start = cursor.at;
    let (digits, character) = match cursor.peek(1) {
        b'0' => (0, '\0'),
        b'a' => (0, '\u{7}'),
        b'b' => (0, '\u{8}'),
        b't' | b'\t' => (0, '\t'),
        b'n' => (0, '\n'),
        b'v' => (0, '\u{b}'),
        b'f' => (0, '\u{c}'),
        b'r' => (0, '\r'),
        b'e' => (0, '\u{1b}'),
        b' ' => (0, ' '),
        b'"' => (0, '"'),
        b'\'' => (0, '\''),
        b'\\' => (0, '\\'),
        b'N' => (0, '\u{85}'),
        b'_' => (0, '\u{a0}'),
        b'L' => (0, '\u{2028}'),
        b'P' => (0, '\u{2029}'),
        b'x' => (2, '\0'),
        b'u' => (4, '\0'),
        b'U' => (8, '\0'),
        _ => return Err(SyntaxError::new(start, "found unknown escape character")),
    };
    cursor.skip(2);
    if digits == 0 {
        return Ok(character);
    }
    let first = cursor.at;
    for _ in 0..digits {
        if !cursor.peek(0).is_ascii_hexdigit() {
            return Err(SyntaxError::new(start, "did not find expected hexdecimal number"));
        }
        cursor.skip(1);
    }
    let code = u32::from_str_radix(cursor.slice(first), 16).ok();
    code.and_then(char::from_u32).ok_or_else(|| SyntaxError::new(start, "found invalid Unicode character escape code"))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Chomping {
    Strip,
    Clip,
    Keep,
}

/// Scans a block scalar: `|` (literal) or `>`. Also returns where it ends.
pub(super) fn block<'t>(cursor: &mut Cursor<'t>, outer: usize, is_literal: bool) -> Result<(Cow<'t, str>, usize)> {
    let start = cursor.at;
    cursor.skip(1);
    let (chomping, increment) = header(cursor, start)?;
    while cursor.is_blank(0) {
        cursor.skip(1);
    }
    if cursor.peek(0) == b'#' {
        cursor.skip_line_rest();
    }
    if !cursor.is_break_or_end(0) {
        return Err(SyntaxError::new(cursor.at, "did not find expected comment or line break"));
    }
    cursor.skip_break();

    let mut indent = increment.map(|it| outer.saturating_sub(1) + it);
    let mut end = cursor.at;
    let mut text = String::new();
    let mut first = "";
    let mut others = breaks(cursor, &mut indent, outer, &mut end)?;
    let mut after_blank = false;
    while indent == Some(cursor.column()) && !cursor.is_end() {
        let is_blank = cursor.is_blank(0);
        if !is_literal && !after_blank && !is_blank && first == "\n" {
            if others.is_empty() {
                text.push(' ');
            }
        } else {
            text.push_str(first);
        }
        text.push_str(&others);
        after_blank = is_blank;
        let line = cursor.at;
        cursor.skip_line_rest();
        text.push_str(cursor.slice(line));
        first = cursor.skip_break();
        others = breaks(cursor, &mut indent, outer, &mut end)?;
    }
    if chomping != Chomping::Strip {
        text.push_str(first);
    }
    if chomping == Chomping::Keep {
        text.push_str(&others);
    }
    Ok((text.into(), end))
}

/// Scans the two indicators after `|` or `>`, which can be in any order.
fn header(cursor: &mut Cursor<'_>, start: usize) -> Result<(Chomping, Option<usize>)> {
    let (mut chomping, mut increment) = (None, None);
    loop {
        match cursor.peek(0) {
            b'+' if chomping.is_none() => chomping = Some(Chomping::Keep),
            b'-' if chomping.is_none() => chomping = Some(Chomping::Strip),
            b'0' if increment.is_none() => {
                return Err(SyntaxError::new(start, "found an indentation indicator equal to 0"));
            }
            digit @ b'1'..=b'9' if increment.is_none() => increment = Some(usize::from(digit - b'0')),
            _ => return Ok((chomping.unwrap_or(Chomping::Clip), increment)),
        }
        cursor.skip(1);
    }
}

/// Skips empty lines and the indentation of the next line, which determines the indentation of the text if that is not known.
fn breaks(cursor: &mut Cursor<'_>, indent: &mut Option<usize>, outer: usize, end: &mut usize) -> Result<String> {
    *end = cursor.at;
    let mut found = String::new();
    let mut widest = 0;
    loop {
        while cursor.peek(0) == b' ' && indent.is_none_or(|indent| cursor.column() < indent) {
            cursor.skip(1);
        }
        widest = widest.max(cursor.column());
        if cursor.peek(0) == b'\t' && indent.is_none_or(|indent| cursor.column() < indent) {
            return Err(SyntaxError::new(cursor.at, "found a tab character where an indentation space is expected"));
        }
        let line_break = cursor.skip_break();
        if line_break.is_empty() {
            break;
        }
        found.push_str(line_break);
        *end = cursor.at;
    }
    // The text is indented further than the collection around it.
    indent.get_or_insert(widest.max(outer).max(1));
    Ok(found)
}

/// Scans a tag and resolves its handle; `!` alone is also a tag.
pub(super) fn tag<'t>(cursor: &mut Cursor<'t>) -> Result<Cow<'t, str>> {
    let start = cursor.at;
    let tag: Cow<'t, str> = if cursor.peek(1) == b'<' {
        cursor.skip(2);
        let name = uri(cursor, start, false)?;
        if cursor.peek(0) != b'>' {
            return Err(SyntaxError::new(start, "did not find the expected '>'"));
        }
        cursor.skip(1);
        name
    } else {
        cursor.skip(1);
        while is_word(cursor.peek(0)) {
            cursor.skip(1);
        }
        if cursor.peek(0) == b'!' {
            cursor.skip(1);
            let handle = cursor.slice(start);
            let name = uri(cursor, start, false)?;
            if handle != "!!" {
                return Err(SyntaxError::new(start, "found undefined tag handle"));
            }
            format!("{STANDARD}{name}").into()
        } else {
            let first = cursor.slice(start);
            let name = uri(cursor, start, true)?;
            if first.len() + name.len() == cursor.at - start {
                cursor.slice(start).into()
            } else {
                format!("{first}{name}").into()
            }
        }
    };
    if !cursor.is_space_or_end(0) {
        return Err(SyntaxError::new(start, "did not find expected whitespace or line break"));
    }
    Ok(tag)
}

/// What `!!` stands for.
pub(super) const STANDARD: &str = "tag:yaml.org,2002:";

fn uri<'t>(cursor: &mut Cursor<'t>, start: usize, may_be_empty: bool) -> Result<Cow<'t, str>> {
    let first = cursor.at;
    let mut decoded: Option<Vec<u8>> = None;
    loop {
        let byte = cursor.peek(0);
        if byte == b'%' {
            let bytes = decoded.get_or_insert_with(|| cursor.slice(first).as_bytes().to_vec());
            octets(cursor, start, bytes)?;
        } else if is_word(byte) || b";/?:@&=+$,.!~*'()[]".contains(&byte) {
            if let Some(bytes) = &mut decoded {
                bytes.push(byte);
            }
            cursor.skip(1);
        } else {
            break;
        }
    }
    if cursor.at == first && !may_be_empty {
        return Err(SyntaxError::new(start, "did not find expected tag URI"));
    }
    Ok(match decoded {
        None => cursor.slice(first).into(),
        Some(bytes) => String::from_utf8_lossy(&bytes).into_owned().into(),
    })
}

/// Scans one percent-encoded character, such as `%C3%A9`.
fn octets(cursor: &mut Cursor<'_>, start: usize, bytes: &mut Vec<u8>) -> Result<()> {
    let mut left = None;
    while left != Some(0) {
        let (high, low) = (cursor.peek(1), cursor.peek(2));
        let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|it| u8::try_from(it).ok());
        let (b'%', Some(high), Some(low)) = (cursor.peek(0), digit(high), digit(low)) else {
            return Err(SyntaxError::new(start, "did not find URI escaped octet"));
        };
        let octet = high << 4 | low;
        left = Some(match (left, octet) {
            (None, 0..0x80) => 0,
            (None, 0xc0..0xe0) => 1,
            (None, 0xe0..0xf0) => 2,
            (None, 0xf0..0xf8) => 3,
            (None, _) => return Err(SyntaxError::new(start, "found an incorrect leading UTF-8 octet")),
            (Some(left), 0x80..0xc0) => left - 1,
            (Some(_), _) => return Err(SyntaxError::new(start, "found an incorrect trailing UTF-8 octet")),
        });
        bytes.push(octet);
        cursor.skip(3);
    }
    Ok(())
}

/// A letter, a digit, `_` or `-`.
pub(super) fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')
}
