// SPDX-License-Identifier: Apache-2.0

//! A position in a text, with its line and column as go-yaml counts them.

/// A position in a text. Beyond the end, it reads zeros, which no readable text contains.
#[derive(Debug, Clone)]
pub(super) struct Cursor<'t> {
    text: &'t str,
    /// The byte.
    pub at: usize,
    /// The number of line breaks before it, including those of YAML 1.1.
    pub line: usize,
    line_start: usize,
    /// The number of UTF-8 continuation bytes before it.
    continued: usize,
    continued_at_line_start: usize,
}

impl<'t> Cursor<'t> {
    pub fn new(text: &'t str) -> Self {
        Self { text, at: 0, line: 0, line_start: 0, continued: 0, continued_at_line_start: 0 }
    }

    /// The byte at an offset of `ahead` bytes.
    pub fn peek(&self, ahead: usize) -> u8 {
        self.text.as_bytes().get(self.at + ahead).copied().unwrap_or(0)
    }

    /// The number of characters before it on its line.
    pub fn column(&self) -> usize {
        self.at - self.line_start - (self.continued - self.continued_at_line_start)
    }

    /// The number of characters before it.
    pub fn index(&self) -> usize {
        self.at - self.continued
    }

    pub fn slice(&self, from: usize) -> &'t str {
        self.text.get(from..self.at).unwrap_or_default()
    }

    pub fn between(&self, from: usize, to: usize) -> &'t str {
        self.text.get(from..to).unwrap_or_default()
    }

    pub fn is_end(&self) -> bool {
        self.at >= self.text.len()
    }

    /// Skips some bytes, each of which is a character.
    pub fn skip(&mut self, bytes: usize) {
        self.at = (self.at + bytes).min(self.text.len());
    }

    /// Skips ASCII characters.
    pub fn skip_while(&mut self, is_skipped: impl Fn(u8) -> bool) {
        let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
        self.at += rest.iter().take_while(|byte| is_skipped(**byte)).count();
    }

    /// Skips one character.
    pub fn skip_char(&mut self) {
        let length = match self.peek(0) {
            0..0x80 => 1,
            0x80..0xe0 => 2,
            0xe0..0xf0 => 3,
            _ => 4,
        };
        self.continued += length - 1;
        self.skip(length);
    }

    /// The length in bytes of the line break at an offset of `ahead` bytes; 0 if there is none.
    pub fn break_length(&self, ahead: usize) -> usize {
        match self.peek(ahead) {
            b'\n' => 1,
            b'\r' if self.peek(ahead + 1) == b'\n' => 2,
            b'\r' => 1,
            0xc2 if self.peek(ahead + 1) == 0x85 => 2,
            0xe2 if self.peek(ahead + 1) == 0x80 && matches!(self.peek(ahead + 2), 0xa8 | 0xa9) => 3,
            _ => 0,
        }
    }

    pub fn is_blank(&self, ahead: usize) -> bool {
        matches!(self.peek(ahead), b' ' | b'\t')
    }

    pub fn is_break_or_end(&self, ahead: usize) -> bool {
        self.at + ahead >= self.text.len() || self.break_length(ahead) > 0
    }

    pub fn is_space_or_end(&self, ahead: usize) -> bool {
        self.is_blank(ahead) || self.is_break_or_end(ahead)
    }

    /// Skips a line break, and returns what it is in a scalar: U+2028 and U+2029 stay, all others become a line feed.
    pub fn skip_break(&mut self) -> &'static str {
        let length = self.break_length(0);
        let line_break = match (length, self.peek(2)) {
            (0, _) => return "",
            (3, 0xa8) => "\u{2028}",
            (3, _) => "\u{2029}",
            _ => "\n",
        };
        // Carriage return and line feed are two characters.
        self.continued += if self.peek(0) < 0x80 { 0 } else { length - 1 };
        self.skip(length);
        self.line += 1;
        self.line_start = self.at;
        self.continued_at_line_start = self.continued;
        line_break
    }

    /// Skips everything up to the end of the line.
    pub fn skip_line_rest(&mut self) {
        while !self.is_break_or_end(0) {
            self.skip_char();
        }
    }

    /// Whether `---` or `...` is here, at the beginning of a line and as a token of its own.
    pub fn is_document_mark(&self) -> bool {
        matches!((self.peek(0), self.peek(1), self.peek(2)), (b'-', b'-', b'-') | (b'.', b'.', b'.'))
            && self.column() == 0
            && self.is_space_or_end(3)
    }
}
