// SPDX-License-Identifier: Apache-2.0

//! Turns tokens into the parts of a document, with go-yaml's grammar instead of that of YAML 1.2: for kubectl, U+2028 is a line
//! break, and `[a:]`, `{?a: b}` and `[!!str, b]` have a meaning that they have for no other parser.
//!
//! No available parser reads YAML in this way (`docs/check.md` describes what was tried). `host/tests/kubectl` records how
//! kubectl reads some texts, and the tests compare the results.

use std::borrow::Cow;
use std::ops::Range;

use super::scan::{Scanner, Spanned, Style, Token};

/// Maximum nesting of collections. kubectl accepts 10,000 levels, which no Kubernetes object has; here, every level uses stack
/// space of a thread.
pub(super) const MAX_DEPTH: usize = 256;

/// A part of a document.
#[derive(Debug)]
pub(super) enum Event<'t> {
    Scalar {
        text: Cow<'t, str>,
        /// Whether its text determines its type: it has no quotes and no tag, or the tag `!`.
        is_plain: bool,
        /// `|` or `>`.
        is_block: bool,
        marks: Marks<'t>,
    },
    /// A reference to another node, by the name of its anchor.
    Alias(&'t str),
    ListStart {
        is_flow: bool,
        marks: Marks<'t>,
    },
    MappingStart {
        is_flow: bool,
        marks: Marks<'t>,
    },
    /// The end of the list or mapping that was opened last.
    End,
}

/// The properties of a node besides its content.
#[derive(Debug, Default)]
pub(super) struct Marks<'t> {
    pub anchor: Option<&'t str>,
    pub tag: Option<Cow<'t, str>>,
}

/// Why a text is not valid YAML, and the byte of the error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SyntaxError {
    pub at: usize,
    pub message: String,
}

impl SyntaxError {
    pub fn new(at: usize, message: impl Into<String>) -> Self {
        Self { at, message: message.into() }
    }
}

type Result<T> = std::result::Result<T, SyntaxError>;

/// Calls `sink` with every part of the first document and its range in the text. Returns where content begins that is not part
/// of the document, which kubectl does not read.
pub(super) fn of_first_document<'t>(
    text: &'t str,
    sink: impl FnMut(Event<'t>, Range<usize>) -> Result<()>,
) -> Result<Option<usize>> {
    let content = text.trim_start_matches('\u{feff}');
    let skipped = text.len() - content.len();
    let moved = |broken: SyntaxError| SyntaxError { at: broken.at.min(content.len()) + skipped, ..broken };
    let is_plain_ascii = content.bytes().all(|byte| matches!(byte, b'\t' | b'\n' | b'\r' | b' '..=b'~'));
    let forbidden = || content.char_indices().find(|(_, character)| !is_allowed(*character));
    if let Some((at, _)) = (!is_plain_ascii).then(forbidden).flatten() {
        return Err(moved(SyntaxError::new(at, "control characters are not allowed")));
    }
    let mut grammar = Grammar { scanner: Scanner::new(content), sink, skipped, depth: 0 };
    grammar.document().map_err(moved)?;
    let rest = loop {
        match grammar.scanner.take() {
            Ok(Spanned { token: Token::DocumentEnd, .. }) => {}
            Ok(Spanned { token: Token::StreamEnd, .. }) => break None,
            Ok(Spanned { start: at, .. }) | Err(SyntaxError { at, .. }) => break Some(at.min(content.len()) + skipped),
        }
    };
    Ok(rest)
}

/// What YAML 1.1 allows in a text.
fn is_allowed(character: char) -> bool {
    matches!(character, '\t' | '\n' | '\r' | ' '..='~' | '\u{85}' | '\u{a0}'..='\u{fffd}' | '\u{10000}'..)
}

struct Grammar<'t, S> {
    scanner: Scanner<'t>,
    sink: S,
    skipped: usize,
    depth: usize,
}

/// Which nodes are allowed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Position {
    /// In brackets.
    Flow,
    Block,
    /// The key or value of a block mapping: a list there need not be indented.
    InMapping,
}

impl<'t, S: FnMut(Event<'t>, Range<usize>) -> Result<()>> Grammar<'t, S> {
    fn emit(&mut self, event: Event<'t>, start: usize, end: usize) -> Result<()> {
        (self.sink)(event, start + self.skipped..end + self.skipped)
    }

    /// Whether `wanted` accepts the next token.
    fn is_next(&mut self, wanted: impl Fn(&Token<'t>) -> bool) -> Result<bool> {
        Ok(wanted(&self.scanner.peek()?.token))
    }

    fn empty(&mut self, at: usize) -> Result<()> {
        let event = Event::Scalar { text: "".into(), is_plain: true, is_block: false, marks: Marks::default() };
        self.emit(event, at, at)
    }

    /// An error at the next token.
    fn wrong<T>(&mut self, message: &str) -> Result<T> {
        let at = self.scanner.peek()?.start;
        Err(SyntaxError::new(at, message))
    }

    fn document(&mut self) -> Result<()> {
        match self.scanner.peek()?.token {
            Token::StreamEnd => return Ok(()),
            Token::DocumentStart => {
                let end = self.scanner.take()?.end;
                let is_empty =
                    |token: &Token<'_>| matches!(token, Token::DocumentStart | Token::DocumentEnd | Token::StreamEnd);
                if self.is_next(is_empty)? { self.empty(end)? } else { self.node(Position::Block)? }
            }
            _ => self.node(Position::Block)?,
        }
        // An error directly after the document is an error of the document.
        self.scanner.peek().map(|_| ())
    }

    fn node(&mut self, position: Position) -> Result<()> {
        let start = self.scanner.peek()?.start;
        if self.is_next(|token| matches!(token, Token::Alias(_)))? {
            let Spanned { token, start, end } = self.scanner.take()?;
            return if let Token::Alias(name) = token { self.emit(Event::Alias(name), start, end) } else { Ok(()) };
        }
        let (marks, end) = self.marks(start)?;
        let is_marked = end > start;
        let next = self.scanner.peek()?;
        match next.token {
            Token::BlockEntry if position == Position::InMapping => {
                self.begin(Event::ListStart { is_flow: false, marks }, start)?;
                self.indentless_list()
            }
            Token::Scalar { .. } => {
                let Spanned { token, end, .. } = self.scanner.take()?;
                let Token::Scalar { text, style } = token else { return Ok(()) };
                let is_plain = match marks.tag.as_deref() {
                    None => style == Style::Plain,
                    Some(tag) => tag == "!",
                };
                self.emit(Event::Scalar { text, is_plain, is_block: style == Style::Block, marks }, start, end)
            }
            Token::FlowListStart => {
                self.scanner.take()?;
                self.begin(Event::ListStart { is_flow: true, marks }, start)?;
                self.flow_list()
            }
            Token::FlowMappingStart => {
                self.scanner.take()?;
                self.begin(Event::MappingStart { is_flow: true, marks }, start)?;
                self.flow_mapping()
            }
            Token::BlockListStart if position != Position::Flow => {
                self.scanner.take()?;
                self.begin(Event::ListStart { is_flow: false, marks }, start)?;
                self.block_list()
            }
            Token::BlockMappingStart if position != Position::Flow => {
                self.scanner.take()?;
                self.begin(Event::MappingStart { is_flow: false, marks }, start)?;
                self.block_mapping()
            }
            _ if is_marked => {
                let is_plain = marks.tag.is_none();
                self.emit(Event::Scalar { text: "".into(), is_plain, is_block: false, marks }, start, end)
            }
            _ => self.wrong("did not find expected node content"),
        }
    }

    /// Reads an anchor and a tag, in any order. Also returns where they end.
    fn marks(&mut self, start: usize) -> Result<(Marks<'t>, usize)> {
        let mut marks = Marks::default();
        let mut at = start;
        loop {
            match &self.scanner.peek()?.token {
                Token::Anchor(_) if marks.anchor.is_none() => {}
                Token::Tag(_) if marks.tag.is_none() => {}
                _ => return Ok((marks, at)),
            }
            let Spanned { token, end, .. } = self.scanner.take()?;
            at = end;
            match token {
                Token::Anchor(name) => marks.anchor = Some(name),
                Token::Tag(tag) => marks.tag = Some(tag),
                _ => {}
            }
        }
    }

    fn begin(&mut self, event: Event<'t>, start: usize) -> Result<()> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(SyntaxError::new(start, format!("nested deeper than {MAX_DEPTH} levels")));
        }
        self.emit(event, start, start)
    }

    fn finish(&mut self, start: usize, end: usize) -> Result<()> {
        self.depth -= 1;
        self.emit(Event::End, start, end)
    }

    fn block_list(&mut self) -> Result<()> {
        loop {
            match self.scanner.peek()?.token {
                Token::BlockEntry => {
                    let end = self.scanner.take()?.end;
                    let is_empty = |token: &Token<'_>| matches!(token, Token::BlockEntry | Token::BlockEnd);
                    if self.is_next(is_empty)? { self.empty(end)? } else { self.node(Position::Block)? }
                }
                Token::BlockEnd => {
                    let Spanned { start, end, .. } = self.scanner.take()?;
                    return self.finish(start, end);
                }
                _ => return self.wrong("did not find expected '-' indicator"),
            }
        }
    }

    fn indentless_list(&mut self) -> Result<()> {
        while self.is_next(|token| matches!(token, Token::BlockEntry))? {
            let end = self.scanner.take()?.end;
            let is_empty =
                |token: &Token<'_>| matches!(token, Token::BlockEntry | Token::Key | Token::Value | Token::BlockEnd);
            if self.is_next(is_empty)? { self.empty(end)? } else { self.node(Position::Block)? }
        }
        let at = self.scanner.peek()?.start;
        self.finish(at, at)
    }

    fn block_mapping(&mut self) -> Result<()> {
        let is_empty = |token: &Token<'_>| matches!(token, Token::Key | Token::Value | Token::BlockEnd);
        loop {
            match self.scanner.peek()?.token {
                Token::Key => {
                    let end = self.scanner.take()?.end;
                    if self.is_next(is_empty)? { self.empty(end)? } else { self.node(Position::InMapping)? }
                }
                Token::BlockEnd => {
                    let Spanned { start, end, .. } = self.scanner.take()?;
                    return self.finish(start, end);
                }
                _ => return self.wrong("did not find expected key"),
            }
            if self.is_next(|token| matches!(token, Token::Value))? {
                let end = self.scanner.take()?.end;
                if self.is_next(is_empty)? { self.empty(end)? } else { self.node(Position::InMapping)? }
            } else {
                let at = self.scanner.peek()?.start;
                self.empty(at)?;
            }
        }
    }

    fn flow_list(&mut self) -> Result<()> {
        let is_over = |token: &Token<'_>| matches!(token, Token::FlowListEnd);
        let mut is_first = true;
        while !self.is_next(is_over)? {
            if !is_first {
                self.comma("did not find expected ',' or ']'")?;
            }
            is_first = false;
            match self.scanner.peek()?.token {
                Token::Key => self.pair()?,
                Token::FlowListEnd => {}
                _ => self.node(Position::Flow)?,
            }
        }
        let Spanned { start, end, .. } = self.scanner.take()?;
        self.finish(start, end)
    }

    fn comma(&mut self, message: &str) -> Result<()> {
        if !self.is_next(|token| matches!(token, Token::FlowEntry))? {
            return self.wrong(message);
        }
        self.scanner.take().map(|_| ())
    }

    /// `a: b` in a flow list is a mapping of its own.
    fn pair(&mut self) -> Result<()> {
        let start = self.scanner.take()?.start;
        self.begin(Event::MappingStart { is_flow: true, marks: Marks::default() }, start)?;
        let is_over = |token: &Token<'_>| matches!(token, Token::FlowEntry | Token::FlowListEnd);
        if self.is_next(|token| is_over(token) || matches!(token, Token::Value))? {
            // go-yaml drops this token.
            let end = self.scanner.take()?.end;
            self.empty(end)?;
        } else {
            self.node(Position::Flow)?;
        }
        self.flow_value(is_over)?;
        let at = self.scanner.peek()?.start;
        self.finish(at, at)
    }

    fn flow_value(&mut self, is_over: impl Fn(&Token<'t>) -> bool) -> Result<()> {
        if self.is_next(|token| matches!(token, Token::Value))? {
            self.scanner.take()?;
            if !self.is_next(is_over)? {
                return self.node(Position::Flow);
            }
        }
        let at = self.scanner.peek()?.start;
        self.empty(at)
    }

    fn flow_mapping(&mut self) -> Result<()> {
        let is_over = |token: &Token<'_>| matches!(token, Token::FlowEntry | Token::FlowMappingEnd);
        let mut is_first = true;
        while !self.is_next(|token| matches!(token, Token::FlowMappingEnd))? {
            if !is_first {
                self.comma("did not find expected ',' or '}'")?;
            }
            is_first = false;
            match self.scanner.peek()?.token {
                Token::Key => {
                    self.scanner.take()?;
                    if self.is_next(|token| is_over(token) || matches!(token, Token::Value))? {
                        let at = self.scanner.peek()?.start;
                        self.empty(at)?;
                    } else {
                        self.node(Position::Flow)?;
                    }
                    self.flow_value(is_over)?;
                }
                Token::FlowMappingEnd => {}
                _ => {
                    self.node(Position::Flow)?;
                    let at = self.scanner.peek()?.start;
                    self.empty(at)?;
                }
            }
        }
        let Spanned { start, end, .. } = self.scanner.take()?;
        self.finish(start, end)
    }
}
