// SPDX-License-Identifier: Apache-2.0

//! Splits a stream into records without reading it completely: into lines, or into the objects of a larger JSON document.
//!
//! A log usually contains one JSON object per line. Command-line tools of clouds print an array, or an object with a list of
//! events, often over several lines. `jq` and some collectors write one object after the other.

use std::io::{self, Read};
use std::ops::Range;

use memchr::{memchr, memrchr};
use serde::de::IgnoredAny;

/// The size of the blocks for workers.
const BLOCK_BYTES: usize = 1 << 20;

/// Longer records are counted and skipped.
pub const MAX_RECORD_BYTES: usize = 4 << 20;

/// Fields with lists of records, in objects that are not records themselves: `aws logs filter-log-events`, `CloudWatch`
/// subscriptions, Azure's Event Hubs, `EventList` and `List`.
const WRAPPERS: [&[u8]; 4] = [b"events", b"logEvents", b"records", b"items"];

/// Consecutive bytes of a stream that contain only complete records.
#[derive(Debug, Default)]
pub struct Block {
    bytes: Vec<u8>,
    records: Records,
    /// The number of records that were too long.
    pub oversized: u64,
    /// Whether this is the last block of the stream, so that its last record may be incomplete.
    pub is_last: bool,
}

#[derive(Debug, Default)]
enum Records {
    #[default]
    Lines,
    Spans(Vec<Range<usize>>),
}

impl Block {
    /// The records; blank lines are left out.
    pub fn records(&self) -> impl Iterator<Item = &[u8]> {
        let (lines, spans): (_, &[Range<usize>]) = match &self.records {
            Records::Lines => (self.bytes.as_slice(), &[]),
            Records::Spans(spans) => (&[], spans),
        };
        Lines(lines)
            .map(<[u8]>::trim_ascii)
            .filter(|line| !line.is_empty())
            .chain(spans.iter().filter_map(|span| self.bytes.get(span.clone())))
    }
}

/// Splits text into lines, searching many bytes at a time.
struct Lines<'b>(&'b [u8]);

impl<'b> Iterator for Lines<'b> {
    type Item = &'b [u8];

    fn next(&mut self) -> Option<&'b [u8]> {
        if self.0.is_empty() {
            return None;
        }
        let end = memchr(b'\n', self.0).unwrap_or(self.0.len());
        let (line, rest) = self.0.split_at_checked(end)?;
        self.0 = rest.get(1..).unwrap_or_default();
        Some(line)
    }
}

/// Calls `each` with the blocks of a stream until it returns `false`.
///
/// # Errors
/// Read errors. `each` has received everything before the error.
pub fn split(input: impl Read, each: &mut dyn FnMut(Block) -> bool) -> io::Result<()> {
    let mut input = Fused { input, error: None };
    let mut start = Vec::new();
    let layout = loop {
        let is_end = !matches!(fill(&mut input, &mut start, 64 << 10), Ok(1..));
        if let Some(layout) = Layout::of(&start, is_end) {
            break layout;
        }
    };
    match layout {
        Layout::Lines => lines(input, start, each),
        Layout::Document => document(input, &start, each),
    }
}

/// A reader that returns the data before an error first, and the error on the next read.
struct Fused<R> {
    input: R,
    error: Option<(io::ErrorKind, String)>,
}

impl<R: Read> Read for Fused<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if let Some((kind, text)) = &self.error {
            return Err(io::Error::new(*kind, text.clone()));
        }
        let result = self.input.read(buffer);
        if let Err(error) = &result
            && error.kind() != io::ErrorKind::Interrupted
        {
            self.error = Some((error.kind(), error.to_string()));
        }
        result
    }
}

/// The layout of records in a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Layout {
    Lines,
    Document,
}

impl Layout {
    /// Detects the layout from the first lines of a stream; none if more data is needed.
    fn of(start: &[u8], is_end: bool) -> Option<Self> {
        let text = start.trim_ascii_start();
        match text.first() {
            None if is_end => return Some(Self::Lines),
            None => return None,
            Some(b'[') => return Some(Self::Document),
            Some(b'{') => {}
            Some(_) => return Some(Self::Lines),
        }
        let Some(end) = memchr(b'\n', text) else {
            let is_long = is_end || text.len() > MAX_RECORD_BYTES;
            // One long line: works for an array, for an object with a list of records, and for a single object.
            return is_long.then_some(Self::Document);
        };
        let (first, rest) = text.split_at(end);
        if is_object(first) {
            return Some(Self::Lines);
        }
        // The first line may be broken although the following lines are not.
        let rest = rest.trim_ascii_start();
        let next = match memchr(b'\n', rest) {
            Some(end) => rest.split_at(end).0,
            None if is_end => rest,
            None if rest.len() > MAX_RECORD_BYTES => return Some(Self::Document),
            None => return None,
        };
        Some(if is_object(next) { Self::Lines } else { Self::Document })
    }
}

fn is_object(line: &[u8]) -> bool {
    line.first() == Some(&b'{') && serde_json::from_slice::<IgnoredAny>(line).is_ok()
}

/// Appends at least `least` bytes, or all that are left; returns the number of bytes.
fn fill(input: &mut impl Read, buffer: &mut Vec<u8>, least: usize) -> io::Result<usize> {
    let before = buffer.len();
    input.take(least as u64).read_to_end(buffer)?;
    Ok(buffer.len() - before)
}

fn lines(mut input: impl Read, mut buffer: Vec<u8>, each: &mut dyn FnMut(Block) -> bool) -> io::Result<()> {
    let mut oversized = 0;
    let mut is_skipping = false;
    loop {
        let wanted = BLOCK_BYTES.saturating_sub(buffer.len()).max(BLOCK_BYTES / 4);
        let result = fill(&mut input, &mut buffer, wanted);
        let is_last = !matches!(result, Ok(1..));
        if is_skipping {
            let Some(end) = memchr(b'\n', &buffer) else {
                buffer.clear();
                if is_last {
                    each(Block { oversized, is_last, ..Block::default() });
                    return result.map(|_| ());
                }
                continue;
            };
            buffer.drain(..=end);
            is_skipping = false;
        }
        if is_last {
            let bytes = std::mem::take(&mut buffer);
            each(Block { bytes, oversized, is_last, ..Block::default() });
            return result.map(|_| ());
        }
        match memrchr(b'\n', &buffer) {
            Some(end) => {
                let rest = buffer.split_off(end + 1);
                let bytes = std::mem::replace(&mut buffer, rest);
                if !each(Block { bytes, oversized: std::mem::take(&mut oversized), ..Block::default() }) {
                    return Ok(());
                }
            }
            None if buffer.len() > MAX_RECORD_BYTES => {
                buffer.clear();
                oversized += 1;
                is_skipping = true;
            }
            None => {}
        }
    }
}

/// The position of the scanner relative to strings.
#[derive(Debug, Clone, Copy, Default)]
enum Text {
    #[default]
    Outside,
    Inside,
    /// After a backslash.
    Escape,
}

/// Finds records by counting braces.
#[derive(Debug, Default)]
struct Scanner {
    depth: usize,
    /// The brackets at the first two levels.
    opened: [u8; 2],
    text: Text,
    /// The last string in a top-level object, which may be the name of a field.
    word: Vec<u8>,
    /// The depth at which the current record starts.
    record: Option<usize>,
    /// Whether the top-level object is a wrapper around records.
    is_wrapper: bool,
    is_oversized: bool,
    block: Block,
    start: usize,
}

impl Scanner {
    /// Processes a byte; returns whether the block is full.
    fn take(&mut self, byte: u8) -> bool {
        if self.record.is_some() && !self.is_oversized {
            if self.block.bytes.len() - self.start < MAX_RECORD_BYTES {
                self.block.bytes.push(byte);
            } else {
                self.is_oversized = true;
                self.block.bytes.truncate(self.start);
            }
        }
        match self.text {
            Text::Outside => {}
            Text::Escape => {
                self.text = Text::Inside;
                return false;
            }
            Text::Inside => {
                match byte {
                    b'\\' => self.text = Text::Escape,
                    b'"' => self.text = Text::Outside,
                    _ if self.depth == 1 && self.word.len() < 16 => self.word.push(byte),
                    _ => {}
                }
                return false;
            }
        }
        match byte {
            b'"' => {
                self.text = Text::Inside;
                if self.depth == 1 {
                    self.word.clear();
                }
            }
            b'{' | b'[' => self.open(byte),
            b'}' | b']' => return self.close(),
            _ => {}
        }
        false
    }

    fn open(&mut self, byte: u8) {
        if byte == b'[' && self.depth == 1 && self.opened[0] == b'{' && WRAPPERS.contains(&self.word.as_slice()) {
            // The object is a wrapper, so the part of it that was kept is discarded.
            self.is_wrapper = true;
            if self.record.take().is_some() {
                self.block.bytes.truncate(self.start);
                self.is_oversized = false;
            }
        }
        let starts = byte == b'{'
            && self.record.is_none()
            && match self.depth {
                0 => true,
                1 => self.opened[0] == b'[',
                2 => self.is_wrapper && self.opened == [b'{', b'['],
                _ => false,
            };
        if starts {
            self.record = Some(self.depth);
            self.start = self.block.bytes.len();
            self.block.bytes.push(byte);
        }
        if let Some(opened) = self.opened.get_mut(self.depth) {
            *opened = byte;
        }
        self.depth += 1;
    }

    fn close(&mut self) -> bool {
        self.depth = self.depth.saturating_sub(1);
        if self.depth < 2 {
            self.is_wrapper = false;
        }
        if self.record != Some(self.depth) {
            return false;
        }
        self.finish_record();
        self.block.bytes.len() >= BLOCK_BYTES
    }

    fn finish_record(&mut self) {
        self.record = None;
        if std::mem::take(&mut self.is_oversized) {
            self.block.oversized += 1;
        } else if let Records::Spans(spans) = &mut self.block.records {
            spans.push(self.start..self.block.bytes.len());
        }
    }

    fn take_block(&mut self) -> Block {
        std::mem::replace(&mut self.block, Self::empty_block())
    }

    fn empty_block() -> Block {
        Block { records: Records::Spans(Vec::new()), ..Block::default() }
    }
}

fn document(mut input: impl Read, start: &[u8], each: &mut dyn FnMut(Block) -> bool) -> io::Result<()> {
    let mut scanner = Scanner { block: Scanner::empty_block(), ..Scanner::default() };
    let mut buffer = start.to_vec();
    let result = loop {
        for byte in &buffer {
            if scanner.take(*byte) && !each(scanner.take_block()) {
                return Ok(());
            }
        }
        buffer.clear();
        match fill(&mut input, &mut buffer, BLOCK_BYTES) {
            Ok(1..) => {}
            other => break other.map(|_| ()),
        }
    };
    if scanner.record.is_some() {
        scanner.finish_record();
    }
    each(Block { is_last: true, ..scanner.take_block() });
    result
}

#[cfg(test)]
mod tests;
