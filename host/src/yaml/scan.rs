// SPDX-License-Identifier: Apache-2.0

//! Splits a text into tokens, as go-yaml v2 does.
//!
//! A key is only recognised at its colon, so tokens wait in a queue as long as the first of them may begin a key. This method
//! is described under "Simple keys" in <https://pyyaml.org/wiki/PyYAMLDocumentation>.

use std::borrow::Cow;
use std::collections::VecDeque;

use super::cursor::Cursor;
use super::events::SyntaxError;
use super::scalars;

/// A token and where it is.
#[derive(Debug)]
pub(super) struct Spanned<'t> {
    pub token: Token<'t>,
    pub start: usize,
    pub end: usize,
}

#[derive(Debug)]
pub(super) enum Token<'t> {
    DocumentStart,
    DocumentEnd,
    StreamEnd,
    BlockListStart,
    BlockMappingStart,
    /// The end of a block list or mapping, where the indentation decreases.
    BlockEnd,
    FlowListStart,
    FlowListEnd,
    FlowMappingStart,
    FlowMappingEnd,
    /// `-`.
    BlockEntry,
    /// `,`.
    FlowEntry,
    /// `?`, or inserted before what turned out to be a key.
    Key,
    /// `:`.
    Value,
    Anchor(&'t str),
    Alias(&'t str),
    Tag(Cow<'t, str>),
    Scalar {
        text: Cow<'t, str>,
        style: Style,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    Plain,
    Quoted,
    Block,
}

/// Maximum length of a key up to its colon, in characters.
const LONGEST_KEY: usize = 1024;

/// What may turn out to be a key, on one flow level.
#[derive(Debug, Clone, Copy)]
struct Candidate {
    /// The number of its first token.
    number: usize,
    at: usize,
    index: usize,
    line: usize,
    column: usize,
    is_possible: bool,
    /// Whether the first token waits until this is known. go-yaml does not wait if brackets close in which nothing could have
    /// been a key.
    is_awaited: bool,
    /// Whether it is an error if it is not a key.
    is_required: bool,
}

/// Produces the tokens.
#[derive(Debug)]
pub(super) struct Scanner<'t> {
    cursor: Cursor<'t>,
    queue: VecDeque<Spanned<'t>>,
    /// How many tokens have been taken out of the queue.
    taken: usize,
    /// The columns of the open block collections, each plus one; 0 means that none is open.
    indents: Vec<usize>,
    candidates: Vec<Candidate>,
    may_be_key: bool,
    /// Whether the first token of the queue is known not to wait for anything.
    is_ready: bool,
    is_over: bool,
}

type Result<T> = std::result::Result<T, SyntaxError>;

impl<'t> Scanner<'t> {
    pub fn new(text: &'t str) -> Self {
        let mut scanner = Self {
            cursor: Cursor::new(text),
            queue: VecDeque::new(),
            taken: 0,
            indents: Vec::new(),
            candidates: Vec::new(),
            may_be_key: true,
            is_ready: false,
            is_over: false,
        };
        scanner.candidates.push(scanner.candidate(false, false));
        scanner
    }

    /// The next token, without taking it. After the last token, it is `StreamEnd`.
    #[inline]
    pub fn peek(&mut self) -> Result<&Spanned<'t>> {
        const END: &Spanned<'static> = &Spanned { token: Token::StreamEnd, start: usize::MAX, end: usize::MAX };
        if !self.is_ready {
            self.prepare()?;
        }
        Ok(self.queue.front().unwrap_or(END))
    }

    /// Scans until it is known whether the first token of the queue begins a key.
    fn prepare(&mut self) -> Result<()> {
        while !self.is_over && (self.queue.is_empty() || self.is_head_a_candidate()?) {
            self.scan()?;
        }
        self.is_ready = true;
        Ok(())
    }

    /// Takes the next token.
    pub fn take(&mut self) -> Result<Spanned<'t>> {
        self.peek()?;
        self.is_ready = false;
        self.taken += 1;
        let end = self.cursor.at;
        Ok(self.queue.pop_front().unwrap_or(Spanned { token: Token::StreamEnd, start: end, end }))
    }

    /// Whether the first token of the queue may still turn out to begin a key.
    fn is_head_a_candidate(&mut self) -> Result<bool> {
        let taken = self.taken;
        let at = self.candidates.partition_point(|it| it.number < taken);
        match self.candidates.get(at) {
            Some(candidate) if candidate.number == taken && candidate.is_awaited => self.is_valid(at),
            _ => Ok(false),
        }
    }

    fn candidate(&self, is_possible: bool, is_required: bool) -> Candidate {
        Candidate {
            number: self.taken + self.queue.len(),
            at: self.cursor.at,
            index: self.cursor.index(),
            line: self.cursor.line,
            column: self.cursor.column(),
            is_possible,
            is_awaited: is_possible,
            is_required,
        }
    }

    /// Whether a candidate may still be a key: keys are on one line, and their length is limited.
    fn is_valid(&mut self, number: usize) -> Result<bool> {
        let (line, index) = (self.cursor.line, self.cursor.index());
        let at = self.cursor.at;
        let Some(candidate) = self.candidates.get_mut(number).filter(|it| it.is_possible) else { return Ok(false) };
        if candidate.line < line || candidate.index + LONGEST_KEY < index {
            if candidate.is_required {
                return Err(SyntaxError::new(at, NO_COLON));
            }
            candidate.is_possible = false;
            return Ok(false);
        }
        Ok(true)
    }

    fn save_candidate(&mut self) -> Result<()> {
        if !self.may_be_key {
            return Ok(());
        }
        let is_required = !self.is_flow() && self.indent() == self.cursor.column() + 1;
        let candidate = self.candidate(true, is_required);
        self.drop_candidate()?;
        if let Some(last) = self.candidates.last_mut() {
            *last = candidate;
        }
        Ok(())
    }

    fn drop_candidate(&mut self) -> Result<()> {
        let at = self.cursor.at;
        match self.candidates.last_mut() {
            Some(last) if last.is_possible && last.is_required => Err(SyntaxError::new(at, NO_COLON)),
            Some(last) => {
                last.is_possible = false;
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn is_flow(&self) -> bool {
        self.candidates.len() > 1
    }

    /// One more than the column of the innermost block collection.
    fn indent(&self) -> usize {
        self.indents.last().copied().unwrap_or(0)
    }

    /// Opens a block collection if the column is further right; `number` is that of its first token, if it is known.
    fn roll(&mut self, column: usize, number: Option<usize>, token: Token<'t>, at: usize) {
        if self.is_flow() || self.indent() > column {
            return;
        }
        self.indents.push(column + 1);
        let position = number.map_or(self.queue.len(), |number| self.position(number));
        self.queue.insert(position, Spanned { token, start: at, end: at });
    }

    /// The position in the queue at which to insert a token before the one with a number; the end if that one was taken.
    fn position(&self, number: usize) -> usize {
        let last = self.queue.len();
        number.checked_sub(self.taken).map_or(last, |position| position.min(last))
    }

    /// Closes the block collections that are further right than `indent` (a column, plus one).
    fn unroll(&mut self, indent: usize) {
        while !self.is_flow() && self.indent() > indent {
            let at = self.cursor.at;
            self.queue.push_back(Spanned { token: Token::BlockEnd, start: at, end: at });
            self.indents.pop();
        }
    }

    fn scan(&mut self) -> Result<()> {
        self.skip_to_token();
        self.unroll(self.cursor.column() + 1);
        if self.cursor.is_end() {
            self.unroll(0);
            self.drop_candidate()?;
            self.may_be_key = false;
            self.is_over = true;
            self.mark(Token::StreamEnd, 0);
            return Ok(());
        }
        let is_flow = self.is_flow();
        let is_alone = self.cursor.is_space_or_end(1);
        match self.cursor.peek(0) {
            // A document after a directive begins with `---`, where kubectl splits the text.
            b'%' if self.cursor.column() == 0 => {
                Err(SyntaxError::new(self.cursor.at, "found a directive, which kubectl does not accept"))
            }
            first @ (b'-' | b'.') if self.cursor.is_document_mark() => {
                self.unroll(0);
                self.drop_candidate()?;
                self.may_be_key = false;
                self.mark(if first == b'-' { Token::DocumentStart } else { Token::DocumentEnd }, 3);
                Ok(())
            }
            b'[' => self.open_flow(Token::FlowListStart),
            b'{' => self.open_flow(Token::FlowMappingStart),
            b']' => self.close_flow(Token::FlowListEnd),
            b'}' => self.close_flow(Token::FlowMappingEnd),
            b',' => {
                self.drop_candidate()?;
                self.may_be_key = true;
                self.mark(Token::FlowEntry, 1);
                Ok(())
            }
            b'-' if is_alone => self.block_entry(),
            b'?' if is_flow || is_alone => self.explicit_key(),
            b':' if is_flow || is_alone => self.value(),
            b'*' => {
                let (start, name) = self.name()?;
                self.push(Token::Alias(name), start);
                Ok(())
            }
            b'&' => {
                let (start, name) = self.name()?;
                self.push(Token::Anchor(name), start);
                Ok(())
            }
            b'!' => {
                self.save_candidate()?;
                self.may_be_key = false;
                let start = self.cursor.at;
                let tag = scalars::tag(&mut self.cursor)?;
                self.push(Token::Tag(tag), start);
                Ok(())
            }
            indicator @ (b'|' | b'>') if !is_flow => {
                self.drop_candidate()?;
                self.may_be_key = true;
                let start = self.cursor.at;
                let indent = self.indent();
                let (text, end) = scalars::block(&mut self.cursor, indent, indicator == b'|')?;
                self.queue.push_back(Spanned { token: Token::Scalar { text, style: Style::Block }, start, end });
                Ok(())
            }
            quote @ (b'\'' | b'"') => {
                self.save_candidate()?;
                self.may_be_key = false;
                let start = self.cursor.at;
                let text = scalars::quoted(&mut self.cursor, quote == b'\'')?;
                self.push(Token::Scalar { text, style: Style::Quoted }, start);
                Ok(())
            }
            first if can_begin_plain(first, is_flow, is_alone, self.cursor.is_blank(1)) => {
                self.save_candidate()?;
                self.may_be_key = false;
                let start = self.cursor.at;
                let indent = self.indent();
                let plain = scalars::plain(&mut self.cursor, indent, is_flow)?;
                self.may_be_key = plain.ends_in_another_line;
                let token = Token::Scalar { text: plain.text, style: Style::Plain };
                self.queue.push_back(Spanned { token, start, end: plain.end });
                Ok(())
            }
            _ => Err(SyntaxError::new(self.cursor.at, "found character that cannot start any token")),
        }
    }

    /// Skips spaces, comments and line breaks.
    fn skip_to_token(&mut self) {
        loop {
            self.cursor.skip_while(|byte| byte == b' ');
            while self.cursor.peek(0) == b' ' || self.cursor.peek(0) == b'\t' && (self.is_flow() || !self.may_be_key) {
                self.cursor.skip(1);
            }
            if self.cursor.peek(0) == b'#' {
                self.cursor.skip_line_rest();
            }
            if self.cursor.skip_break().is_empty() {
                return;
            }
            if !self.is_flow() {
                self.may_be_key = true;
            }
        }
    }

    /// Adds a token of some bytes, each of which is a character.
    fn mark(&mut self, token: Token<'t>, bytes: usize) {
        let start = self.cursor.at;
        self.cursor.skip(bytes);
        self.push(token, start);
    }

    /// Adds a token that ends here.
    fn push(&mut self, token: Token<'t>, start: usize) {
        self.queue.push_back(Spanned { token, start, end: self.cursor.at });
    }

    fn open_flow(&mut self, token: Token<'t>) -> Result<()> {
        self.save_candidate()?;
        self.candidates.push(self.candidate(false, false));
        self.may_be_key = true;
        self.mark(token, 1);
        Ok(())
    }

    fn close_flow(&mut self, token: Token<'t>) -> Result<()> {
        self.drop_candidate()?;
        let inner = if self.is_flow() { self.candidates.pop() } else { None };
        match self.candidates.last_mut() {
            Some(outer) if inner.is_some_and(|inner| inner.number == outer.number) => outer.is_awaited = false,
            _ => {}
        }
        self.may_be_key = false;
        self.mark(token, 1);
        Ok(())
    }

    fn block_entry(&mut self) -> Result<()> {
        if !self.is_flow() {
            if !self.may_be_key {
                return Err(SyntaxError::new(self.cursor.at, "block sequence entries are not allowed in this context"));
            }
            self.roll(self.cursor.column(), None, Token::BlockListStart, self.cursor.at);
        }
        self.drop_candidate()?;
        self.may_be_key = true;
        self.mark(Token::BlockEntry, 1);
        Ok(())
    }

    fn explicit_key(&mut self) -> Result<()> {
        if !self.is_flow() {
            if !self.may_be_key {
                return Err(SyntaxError::new(self.cursor.at, "mapping keys are not allowed in this context"));
            }
            self.roll(self.cursor.column(), None, Token::BlockMappingStart, self.cursor.at);
        }
        self.drop_candidate()?;
        self.may_be_key = !self.is_flow();
        self.mark(Token::Key, 1);
        Ok(())
    }

    fn value(&mut self) -> Result<()> {
        let last = self.candidates.len().saturating_sub(1);
        let is_key = self.is_valid(last)?;
        match self.candidates.get_mut(last) {
            Some(candidate) if is_key => {
                let Candidate { number, at, column, .. } = *candidate;
                candidate.is_possible = false;
                let position = self.position(number);
                self.queue.insert(position, Spanned { token: Token::Key, start: at, end: at });
                self.roll(column, Some(number), Token::BlockMappingStart, at);
                self.may_be_key = false;
            }
            _ => {
                if !self.is_flow() {
                    if !self.may_be_key {
                        return Err(SyntaxError::new(self.cursor.at, "mapping values are not allowed in this context"));
                    }
                    self.roll(self.cursor.column(), None, Token::BlockMappingStart, self.cursor.at);
                }
                self.may_be_key = !self.is_flow();
            }
        }
        self.mark(Token::Value, 1);
        Ok(())
    }

    /// Scans the name of an anchor or alias.
    fn name(&mut self) -> Result<(usize, &'t str)> {
        self.save_candidate()?;
        self.may_be_key = false;
        let start = self.cursor.at;
        self.cursor.skip(1);
        while scalars::is_word(self.cursor.peek(0)) {
            self.cursor.skip(1);
        }
        let name = self.cursor.slice(start + 1);
        let ends_well = self.cursor.is_space_or_end(0)
            || matches!(self.cursor.peek(0), b'?' | b':' | b',' | b']' | b'}' | b'%' | b'@' | b'`');
        if name.is_empty() || !ends_well {
            return Err(SyntaxError::new(start, "did not find expected alphabetic or numeric character"));
        }
        Ok((start, name))
    }
}

const NO_COLON: &str = "could not find expected ':'";

/// Whether a plain scalar can begin with a byte.
fn can_begin_plain(first: u8, is_flow: bool, is_alone: bool, is_before_blank: bool) -> bool {
    match first {
        b'-' => !is_before_blank,
        b'?' | b':' => !is_flow && !is_alone,
        b' ' | b'\t' | b',' | b'[' | b']' | b'{' | b'}' | b'#' | b'&' | b'*' | b'!' | b'|' | b'>' | b'\'' | b'"'
        | b'%' | b'@' | b'`' => false,
        _ => true,
    }
}
