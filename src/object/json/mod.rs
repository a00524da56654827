// SPDX-License-Identifier: Apache-2.0
//! A cursor over JSON text.
//!
//! It is handwritten for three reasons, each measured or tested: the reader is
//! linked once instead of once per type (serde's visitors were 60 % of the
//! module), an error contains its path and never quotes the document, and a
//! value can be passed on as its original text. Property tests compare it with
//! `serde_json`: whatever that accepts is accepted, and strings are read the
//! same. Invalid JSON is noticed where it is read, not where it is skipped: the
//! host has parsed and written every document.

use std::borrow::Cow;

mod error;
mod key;
mod string;

pub use error::{Kind, Read, ReadError};
pub use key::Key;
pub use string::write_string;

use crate::fast::scan;
use string::unescape;

/// A position in a JSON text.
#[derive(Debug, Clone)]
pub struct Cursor<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Cursor<'a> {
    /// A cursor at the beginning of a text.
    #[must_use]
    pub const fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// The next byte that is not whitespace, without consuming it; 0 at the end
    /// (JSON has no such byte outside of strings).
    fn peek(&mut self) -> u8 {
        loop {
            let byte = self.here();
            if !matches!(byte, b' ' | b'\n' | b'\r' | b'\t') {
                return byte;
            }
            self.at += 1;
        }
    }

    /// The current byte; 0 at the end.
    fn here(&self) -> u8 {
        self.text.as_bytes().get(self.at).copied().unwrap_or_default()
    }

    fn broken<T>(&self) -> Read<T> {
        Err(Box::new(ReadError::Broken { offset: self.at }))
    }

    /// Consumes a byte, if it is next.
    fn takes(&mut self, byte: u8) -> bool {
        let found = self.peek() == byte;
        self.at += usize::from(found);
        found
    }

    fn word(&mut self, word: &str) -> Read<()> {
        if !self.text.get(self.at..).is_some_and(|rest| rest.starts_with(word)) {
            return self.broken();
        }
        self.at += word.len();
        Ok(())
    }

    /// The kind of the next value.
    pub fn kind(&mut self) -> Kind {
        match self.peek() {
            b'{' => Kind::Object,
            b'[' => Kind::List,
            b'"' => Kind::String,
            b't' | b'f' => Kind::Boolean,
            b'n' => Kind::Null,
            _ => Kind::Number,
        }
    }

    /// Where the next value starts, in bytes.
    pub fn start(&mut self) -> usize {
        self.peek();
        self.at
    }

    /// Moves to the position of another cursor on the same text, and returns
    /// the text in between.
    pub fn follow(&mut self, ahead: &Self) -> &'a str {
        let start = self.start();
        self.at = ahead.at;
        self.text.get(start..self.at).unwrap_or_default()
    }

    /// Moves past the value that begins at `start`, if it has not been read.
    ///
    /// # Errors
    /// [`ReadError::Broken`].
    pub fn skip_unread(&mut self, start: usize) -> Read<()> {
        if self.start() == start {
            self.skip()?;
        }
        Ok(())
    }

    /// Consumes `null`, `""` or `[]`, if one of them is next.
    pub fn nothing(&mut self) -> bool {
        let before = self.at;
        let found = match self.peek() {
            b'n' => self.word("null").is_ok(),
            b'"' => self.word("\"\"").is_ok(),
            b'[' => {
                self.at += 1;
                self.takes(b']')
            }
            _ => false,
        };
        if !found {
            self.at = before;
        }
        found
    }

    /// An error: the next value has the wrong kind. Broken JSON is reported as
    /// such instead.
    ///
    /// # Errors
    /// Always.
    pub fn wrong<T>(&mut self, wanted: &'static str) -> Read<T> {
        let found = self.kind().noun();
        self.skip()?;
        Err(Box::new(ReadError::Kind { path: String::new(), wanted, found }))
    }

    /// Checks that only whitespace is left.
    ///
    /// # Errors
    /// [`ReadError::Broken`] if there is anything else.
    pub fn end(&mut self) -> Read<()> {
        if self.peek() == 0 && self.at >= self.text.len() { Ok(()) } else { self.broken() }
    }

    /// Consumes `null`, if it is next.
    ///
    /// # Errors
    /// [`ReadError::Broken`].
    pub fn null(&mut self) -> Read<bool> {
        if self.peek() != b'n' {
            return Ok(false);
        }
        self.word("null")?;
        Ok(true)
    }

    /// A boolean.
    ///
    /// # Errors
    /// [`ReadError`] when there is none.
    pub fn boolean(&mut self) -> Read<bool> {
        match self.peek() {
            b't' => self.word("true").map(|()| true),
            b'f' => self.word("false").map(|()| false),
            _ => self.wrong("a boolean"),
        }
    }

    /// A whole number.
    ///
    /// # Errors
    /// [`ReadError`] when there is none, or when it is too large.
    pub fn integer(&mut self) -> Read<i64> {
        if !matches!(self.peek(), b'-' | b'0'..=b'9') {
            return self.wrong("an integer");
        }
        let text = self.skip()?;
        text.parse().map_err(|_| {
            let found = "a number out of range";
            Box::new(ReadError::Kind { path: String::new(), wanted: "an integer", found })
        })
    }

    /// A string, borrowed unless it contains an escape.
    ///
    /// # Errors
    /// [`ReadError`] when there is none.
    pub fn string(&mut self) -> Read<Cow<'a, str>> {
        if self.peek() != b'"' {
            return self.wrong("a string");
        }
        let start = self.at + 1;
        let escaped = self.skip_string()?;
        let inner = self.text.get(start..self.at - 1).unwrap_or_default();
        if !escaped {
            return Ok(Cow::Borrowed(inner));
        }
        unescape(inner).map(Cow::Owned).ok_or_else(|| Box::new(ReadError::Broken { offset: start }))
    }

    /// Skips a string; true if it contains an escape.
    fn skip_string(&mut self) -> Read<bool> {
        self.at += 1;
        let escaped = scan::string(self.text.as_bytes(), &mut self.at);
        escaped.map_or_else(|| self.broken(), Ok)
    }

    /// Skips a value of any kind and depth, and returns its text. Looks only at
    /// strings and brackets: the host has parsed and written the document, and
    /// the other methods read whatever a rule needs. Uses no memory, however
    /// deep the value is.
    ///
    /// # Errors
    /// [`ReadError::Broken`] when the value has no beginning or no end.
    pub fn skip(&mut self) -> Read<&'a str> {
        let start = self.start();
        match self.here() {
            b'"' => drop(self.skip_string()?),
            b'{' | b'[' => {
                self.at += 1;
                if scan::container(self.text.as_bytes(), &mut self.at).is_none() {
                    return self.broken();
                }
            }
            b'-' | b'0'..=b'9' | b'a'..=b'z' => self.skip_word(),
            _ => return self.broken(),
        }
        Ok(self.text.get(start..self.at).unwrap_or_default())
    }

    /// Skips a number, a boolean or `null`.
    fn skip_word(&mut self) {
        while matches!(self.here(), b'-' | b'+' | b'.' | b'0'..=b'9' | b'a'..=b'z' | b'E') {
            self.at += 1;
        }
    }

    /// Enters an object; false if it is empty. Call [`Cursor::key`] before the
    /// value of each member, and [`Cursor::more_members`] after it.
    ///
    /// The caller writes the loop, instead of passing a function to one here:
    /// in a fresh instance, calls through WebAssembly's table cost 60 ns each
    /// at first (docs/performance.md).
    ///
    /// # Errors
    /// [`ReadError`] when there is no object.
    pub fn enter_object(&mut self) -> Read<bool> {
        if self.peek() != b'{' {
            return self.wrong("an object");
        }
        self.at += 1;
        Ok(!self.takes(b'}'))
    }

    /// The key of the next member; its value is next.
    ///
    /// # Errors
    /// [`ReadError::Broken`].
    pub fn key(&mut self) -> Read<Key<'a>> {
        if self.peek() != b'"' {
            return self.broken();
        }
        let start = self.at;
        let escaped = self.skip_string()?;
        let key = Key::new(self.text.get(start..self.at).unwrap_or_default(), escaped);
        if self.takes(b':') { Ok(key) } else { self.broken() }
    }

    /// Whether another member follows; false at the end of the object.
    ///
    /// # Errors
    /// [`ReadError::Broken`].
    pub fn more_members(&mut self) -> Read<bool> {
        self.more(b'}')
    }

    /// Enters a list; false if it is empty. Call [`Cursor::more_entries`] after
    /// each entry.
    ///
    /// # Errors
    /// [`ReadError`] when there is no list.
    pub fn enter_list(&mut self) -> Read<bool> {
        if self.peek() != b'[' {
            return self.wrong("a list");
        }
        self.at += 1;
        Ok(!self.takes(b']'))
    }

    /// Whether another entry follows; false at the end of the list.
    ///
    /// # Errors
    /// [`ReadError::Broken`].
    pub fn more_entries(&mut self) -> Read<bool> {
        self.more(b']')
    }

    fn more(&mut self, end: u8) -> Read<bool> {
        let byte = self.peek();
        if byte != b',' && byte != end {
            return self.broken();
        }
        self.at += 1;
        Ok(byte == b',')
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    fn skips(text: &str) -> bool {
        let mut cursor = Cursor::new(text);
        cursor.skip().is_ok() && cursor.end().is_ok()
    }

    #[rstest]
    #[case(r#" {"a" : [1, -0.5e+3 , true,null,"x\u00e9\\\"\/"], "b":{}} "#)]
    #[case("[[],{},[[]]]")]
    #[case("0")]
    #[case("-0")]
    #[case("1E9")]
    #[case(r#""\ud83d\ude00""#)]
    fn skips_json(#[case] text: &str) {
        assert!(skips(text), "{text}");
        assert!(serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok());
    }

    #[rstest]
    #[case("")]
    #[case(" ")]
    #[case("{")]
    #[case("[1,")]
    #[case("[[]")]
    #[case("]")]
    #[case("{\"a\":1}}")]
    #[case("{a:1}é")]
    #[case("+1")]
    #[case(".5")]
    #[case("\"a")]
    #[case("\"\\")]
    #[case("\"\\\"")]
    #[case("1 1")]
    #[case("1\u{0}")]
    #[case("\u{0}")]
    fn rejects_unterminated_values(#[case] text: &str) {
        assert!(!skips(text), "{text}");
        assert!(serde_json::from_str::<serde::de::IgnoredAny>(text).is_err());
    }

    #[test]
    fn reports_offset_of_broken_json() {
        for (text, offset) in
            [("\"a", 2), ("\"a\\", 4), ("[1, ]", 4), ("[1", 2), ("{\"a\"", 4), ("\"0123456789abcdef", 17)]
        {
            let mut json = Cursor::new(text);
            let read = match json.kind() {
                Kind::String => json.string().map(drop),
                Kind::List => json
                    .enter_list()
                    .and_then(|_| json.integer())
                    .and_then(|_| json.more_entries())
                    .and_then(|_| json.integer())
                    .map(drop),
                _ => json.enter_object().and_then(|_| json.key()).map(drop),
            };
            assert_eq!(read, Err(Box::new(ReadError::Broken { offset })), "{text}");
        }
    }

    #[rstest]
    #[case("1e")]
    #[case("-")]
    #[case("1.0")]
    #[case("1x")]
    #[case("-e")]
    #[case("9223372036854775808")]
    fn rejects_other_numbers(#[case] text: &str) {
        assert!(Cursor::new(text).integer().is_err());
        assert!(serde_json::from_str::<i64>(text).is_err());
    }

    #[test]
    fn deep_nesting() {
        let deep = format!("{}{}", "[".repeat(200_000), "]".repeat(200_000));
        assert!(skips(&deep));
        assert!(!skips(deep.get(1..).unwrap()));
    }

    fn value() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<bool>().prop_map(Into::into),
            any::<i64>().prop_map(Into::into),
            any::<f64>().prop_map(Into::into),
            any::<String>().prop_map(Into::into),
        ];
        leaf.prop_recursive(4, 32, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Into::into),
                prop::collection::btree_map(any::<String>(), inner, 0..5)
                    .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn agrees_with_serde_json_on_json(value in value(), pretty: bool) {
            let text = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) }.unwrap();
            prop_assert!(skips(&text));
            let list = format!("[{text} ,1]");
            let mut json = Cursor::new(&list);
            prop_assert_eq!(json.enter_list(), Ok(true));
            prop_assert_eq!(json.skip(), Ok(text.as_str()));
            prop_assert_eq!(json.more_entries(), Ok(true));
            prop_assert_eq!(json.skip(), Ok("1"));
            prop_assert_eq!((json.more_entries(), json.end()), (Ok(false), Ok(())));
        }

        #[test]
        fn skips_damaged_json_as_serde_json_does(value in value(), at: prop::sample::Index, with in "[\\[\\]{}\",:0-9eE.+\\-\\\\ntu x]{0,2}") {
            let text = serde_json::to_string(&value).unwrap();
            let mut characters: Vec<char> = text.chars().collect();
            let at = at.index(characters.len());
            characters.splice(at..=at, with.chars());
            let text: String = characters.into_iter().collect();
            if serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok() {
                prop_assert!(skips(&text), "{}", text);
            }
            // Whatever the text is, nothing panics, and the cursor stays in the text.
            let mut cursor = Cursor::new(&text);
            while cursor.skip().is_ok() {}
        }
    }
}
