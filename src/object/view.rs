// SPDX-License-Identifier: Apache-2.0
//! Reads borrowed views from JSON text.
//!
//! A view is a struct that names the few fields a rule reads; everything else
//! is skipped without being built. If a value does not fit, the error contains
//! the path, the kind that was wanted and the kind that was found, but never
//! the value: a payload may contain credentials.
//!
//! `null` counts as absent everywhere. A key that a view reads may occur only
//! once: two readers of one document must not see two different Pods.

use std::borrow::Cow;
use std::ops::Deref;

pub use super::json::ReadError;
use super::json::{Cursor, Read};
use crate::diagnostic::escaped::Escaped;
use crate::fast::known::Known;
use crate::fast::word;

/// Something that can be read from JSON in place: code that reads a value and
/// then moves it to where it belongs would be a fifth of the module.
pub trait View<'a> {
    /// Reads the next value. Called once, on the default.
    ///
    /// # Errors
    /// [`ReadError`] when it does not fit.
    fn fill(&mut self, json: &mut Cursor<'a>) -> Read<()>;
}

/// Reads a whole document; `base` is the path of the document itself.
///
/// # Errors
/// [`ReadError`] when the text is not JSON or does not fit the view.
pub fn read<'a, T: View<'a> + Default>(text: &'a str, base: &str) -> Result<T, ReadError> {
    Raw::from(text).read(base)
}

/// Completes a path with the path of the document.
#[must_use]
pub fn based(error: Box<ReadError>, base: &str) -> ReadError {
    let mut error = *error.inside(&[base]);
    if let ReadError::Kind { path, .. } | ReadError::Twice { path } = &mut error
        && path.starts_with('.')
    {
        path.remove(0);
    }
    error
}

/// Text that borrows from the document unless it contains an escape.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Text<'a>(Cow<'a, str>);

impl<'a> Text<'a> {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The text, borrowed if possible.
    #[must_use]
    pub fn into_cow(self) -> Cow<'a, str> {
        self.0
    }
}

/// Texts separated by commas, for messages.
#[must_use]
pub fn listed(texts: &[Text<'_>]) -> String {
    texts.iter().map(Text::as_str).collect::<Vec<_>>().join(", ")
}

impl Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl<'a> From<Cow<'a, str>> for Text<'a> {
    fn from(text: Cow<'a, str>) -> Self {
        Self(text)
    }
}

impl<'a> From<&'a str> for Text<'a> {
    fn from(text: &'a str) -> Self {
        Self(Cow::Borrowed(text))
    }
}

/// A value that is kept as JSON text, and may be read later. Empty when absent
/// or `null`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Raw<'a>(Option<&'a str>);

impl<'a> Raw<'a> {
    /// An absent value.
    #[must_use]
    pub const fn none() -> Self {
        Self(None)
    }

    /// The JSON text, if there is any.
    #[must_use]
    pub const fn text(self) -> Option<&'a str> {
        self.0
    }

    /// Whether this word may be in the value. False is certain: text that is
    /// written with escapes contains a backslash.
    #[must_use]
    #[inline(never)]
    pub fn may_hold(self, word: &str) -> bool {
        self.0.is_some_and(|text| word::any(&[word, "\\"], text))
    }

    /// Reads the value; an absent value gives the default. The path is computed
    /// only for an error.
    ///
    /// # Errors
    /// Same as [`read`].
    pub fn read_at<T: View<'a> + Default>(self, base: &dyn Fn() -> String) -> Result<T, ReadError> {
        let mut view = T::default();
        if let Some(text) = self.0 {
            let mut json = Cursor::new(text);
            let filled = view.fill(&mut json).and_then(|()| json.end());
            filled.map_err(|error| based(error, &base()))?;
        }
        Ok(view)
    }

    /// Reads the value; an absent value gives the default.
    ///
    /// # Errors
    /// Same as [`read`].
    pub fn read<T: View<'a> + Default>(self, base: &str) -> Result<T, ReadError> {
        self.read_at(&|| base.to_owned())
    }
}

impl<'a> From<&'a str> for Raw<'a> {
    fn from(text: &'a str) -> Self {
        Self(Some(text))
    }
}

impl<'a> View<'a> for Raw<'a> {
    fn fill(&mut self, json: &mut Cursor<'a>) -> Read<()> {
        let text = json.skip()?;
        self.0 = (text != "null").then_some(text);
        Ok(())
    }
}

impl<'a> View<'a> for bool {
    fn fill(&mut self, json: &mut Cursor<'a>) -> Read<()> {
        *self = json.boolean()?;
        Ok(())
    }
}

impl<'a> View<'a> for i64 {
    fn fill(&mut self, json: &mut Cursor<'a>) -> Read<()> {
        *self = json.integer()?;
        Ok(())
    }
}

impl<'a> View<'a> for Text<'a> {
    fn fill(&mut self, json: &mut Cursor<'a>) -> Read<()> {
        // The default owns nothing that must be freed.
        std::mem::forget(std::mem::replace(&mut self.0, json.string()?));
        Ok(())
    }
}

impl<'a, T: View<'a> + Default> View<'a> for Option<T> {
    fn fill(&mut self, json: &mut Cursor<'a>) -> Read<()> {
        if json.null()? {
            return Ok(());
        }
        std::mem::forget(self.replace(T::default()));
        self.as_mut().map_or(Ok(()), |view| view.fill(json))
    }
}

impl<'a, T: View<'a> + Default> View<'a> for Vec<T> {
    fn fill(&mut self, json: &mut Cursor<'a>) -> Read<()> {
        if json.null()? {
            return Ok(());
        }
        let mut more = json.enter_list()?;
        while more {
            let index = self.len();
            if index == MANY {
                self.reserve_exact(entries_ahead(json.clone()));
            }
            self.push(T::default());
            let filled = self.last_mut().map_or(Ok(()), |view| view.fill(json));
            filled.map_err(|error| error.in_entry(index))?;
            more = json.more_entries()?;
        }
        Ok(())
    }
}

/// In a list longer than this, the remaining entries are counted before space is
/// reserved for them. Memory is never freed: a list that is moved as it grows
/// would take twice its size, and an entry takes 40 times as much as `{},`.
const MANY: usize = 512;

/// The number of remaining entries of a list.
#[cold]
fn entries_ahead(mut json: Cursor<'_>) -> usize {
    let mut count = 1;
    while json.skip().is_ok() && json.more_entries() == Ok(true) {
        count += 1;
    }
    count
}

/// The number of remaining members of an object.
#[cold]
fn members_ahead(mut json: Cursor<'_>) -> usize {
    let mut count = 1;
    while json.key().is_ok() && json.skip().is_ok() && json.more_members() == Ok(true) {
        count += 1;
    }
    count
}

/// All members of an object in their original order, each value read by a view.
/// For maps whose keys are data, such as annotations.
#[derive(Debug, Clone)]
pub struct Members<'a, T>(Vec<(Text<'a>, T)>);

impl<T> Default for Members<'_, T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Members<'_, T> {
    /// The members, in the document's order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &T)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value))
    }

    /// The value of a key.
    #[must_use]
    pub fn find(&self, key: &str) -> Option<&T> {
        self.iter().find_map(|(name, value)| (name == key).then_some(value))
    }
}

/// The values of annotations and labels; `null` values are absent.
pub type Strings<'a> = Members<'a, Option<Text<'a>>>;

impl Strings<'_> {
    /// The text under a key.
    #[must_use]
    pub fn text(&self, key: &str) -> Option<&str> {
        self.find(key).and_then(Option::as_ref).map(Text::as_str)
    }
}

impl<'a, T: View<'a> + Default> View<'a> for Members<'a, T> {
    fn fill(&mut self, json: &mut Cursor<'a>) -> Read<()> {
        if json.null()? {
            return Ok(());
        }
        let mut more = json.enter_object()?;
        while more {
            if self.0.len() == MANY {
                self.0.reserve_exact(members_ahead(json.clone()));
            }
            self.0.push((Text(json.key()?.text()), T::default()));
            if let Some((key, value)) = self.0.last_mut() {
                value.fill(json).map_err(|error| error.inside(&["[\"", &Escaped::new(key).to_string(), "\"]"]))?;
            }
            more = json.more_members()?;
        }
        Ok(())
    }
}

/// A walk over the members of an object of which a view reads some.
#[derive(Debug, Default)]
pub struct Walk {
    is_inside: bool,
    /// One bit for each field that has been seen.
    seen: u32,
    /// Whether there was a member that the view does not read and that is not
    /// `null`.
    pub others: bool,
}

impl Walk {
    /// Moves to the next member that the view reads, skips others, and returns
    /// its position among the keys; `None` at the end.
    ///
    /// # Errors
    /// [`ReadError`] when there is no object, or when a field occurs twice.
    pub fn next(&mut self, known: &Known, json: &mut Cursor<'_>) -> Read<Option<usize>> {
        let mut more = if self.is_inside { json.more_members()? } else { json.enter_object()? };
        self.is_inside = true;
        while more {
            let key = json.key()?;
            let Some(position) = key.position(known) else {
                self.others |= json.skip()? != "null";
                more = json.more_members()?;
                continue;
            };
            let bit = 1_u32 << position;
            if self.seen & bit != 0 {
                return Err(Box::new(ReadError::Twice { path: [".", &key.text()].concat() }));
            }
            self.seen |= bit;
            return Ok(Some(position));
        }
        Ok(None)
    }
}

/// Puts the key of a field in front of a path, in the format of messages.
#[cold]
#[must_use]
pub fn in_field(error: Box<ReadError>, key: &str) -> Box<ReadError> {
    let (before, behind) = if key.bytes().any(|byte| byte == b'.') { ("[\"", "\"]") } else { (".", "") };
    error.inside(&[before, key, behind])
}

/// Declares a view: a struct whose fields are read from the given keys, each
/// absent by default. A trailing `.. field` records whether the object contains
/// anything that the view does not read.
macro_rules! view {
    ($(#[$meta:meta])* pub struct $name:ident<$lt:lifetime> {
        $($(#[$doc:meta])* $seen:vis $field:ident: $ty:ty = $key:literal,)*
        $(.. $(#[$other_doc:meta])* $other:ident)?
    }) => {
        $(#[$meta])*
        #[derive(Debug, Default)]
        pub struct $name<$lt> {
            $($(#[$doc])* $seen $field: $ty,)*
            $($(#[$other_doc])* $other: bool,)?
            /// Ties the view to the document that it borrows from.
            #[doc(hidden)]
            pub document: std::marker::PhantomData<&$lt ()>,
        }

        impl<$lt> $crate::object::view::View<$lt> for $name<$lt> {
            fn fill(&mut self, json: &mut $crate::object::json::Cursor<$lt>) -> $crate::object::json::Read<()> {
                static KNOWN: $crate::fast::known::Known = $crate::fast::known::Known::new(&[$($key),*]);
                let mut walk = $crate::object::view::Walk::default();
                while let Some(position) = walk.next(&KNOWN, json)? {
                    // The compiler turns these comparisons into a jump.
                    let mut fields = 0..KNOWN.keys.len();
                    let filled = $(if fields.next() == Some(position) {
                        $crate::object::view::View::fill(&mut self.$field, json)
                    } else)* {
                        Ok(())
                    };
                    if let Err(error) = filled {
                        return Err($crate::object::view::in_field(error, KNOWN.keys.get(position).unwrap_or(&"")));
                    }
                }
                $(self.$other = walk.others;)?
                Ok(())
            }
        }
    };
}
pub(crate) use view;

#[cfg(test)]
mod tests {
    use super::*;

    view! {
        /// A leaf.
        pub struct Leaf<'a> {
            name: Option<Text<'a>> = "name",
            count: Option<i64> = "count",
            .. others
        }
    }
    view! {
        /// A tree.
        pub struct Tree<'a> {
            on: Option<bool> = "on",
            leaves: Vec<Leaf<'a>> = "leaves",
            notes: Strings<'a> = "notes",
            later: Raw<'a> = "later",
        }
    }

    fn error(text: &str) -> String {
        read::<Tree<'_>>(text, "spec").map(|_| ()).unwrap_err().to_string()
    }

    #[test]
    fn reads_named_fields() {
        let text = r#"{"x":[1,{"y":2}],"on":true,"leaves":[{"name":"\u0061","z":null},{"count":3,"z":1}],
            "notes":{"k":"v","n":null},"later":{"a":1}}"#;
        let tree: Tree<'_> = read(text, "").unwrap();
        assert_eq!(tree.on, Some(true));
        assert_eq!(tree.leaves[0].name.as_deref(), Some("a"));
        assert!(!tree.leaves[0].others);
        assert_eq!((tree.leaves[1].count, tree.leaves[1].others), (Some(3), true));
        assert_eq!((tree.notes.text("k"), tree.notes.text("n")), (Some("v"), None));
        assert_eq!(tree.later.text(), Some(r#"{"a":1}"#));
    }

    #[test]
    fn reserves_exact_capacity() {
        assert_eq!(["1]", "1,{},3]"].map(|list| entries_ahead(Cursor::new(list))), [1, 3]);
        assert_eq!([r#""a":1}"#, r#""a":1,"b":[2,3]}"#].map(|map| members_ahead(Cursor::new(map))), [1, 2]);
        let leaves = vec!["{}"; 600].join(",");
        let notes = (0..600).map(|number| format!("\"{number}\":null")).collect::<Vec<_>>().join(",");
        let text = format!(r#"{{"leaves":[{leaves}],"notes":{{{notes}}}}}"#);
        let tree: Tree<'_> = read(&text, "").unwrap();
        assert_eq!((tree.leaves.len(), tree.leaves.capacity()), (600, 600));
        assert_eq!((tree.notes.0.len(), tree.notes.0.capacity()), (600, 600));
    }

    #[test]
    fn null_is_absent() {
        let tree: Tree<'_> = read(r#"{"on":null,"leaves":null,"notes":null,"later":null}"#, "").unwrap();
        assert!(tree.on.is_none() && tree.leaves.is_empty() && tree.later.text().is_none());
    }

    #[test]
    fn errors_without_values() {
        assert_eq!(error(r#"{"on":"hunter2"}"#), "spec.on: must be a boolean, is a string");
        assert_eq!(error(r#"{"leaves":{}}"#), "spec.leaves: must be a list, is an object");
        assert_eq!(error(r#"{"leaves":[{},7]}"#), "spec.leaves[1]: must be an object, is a number");
        assert_eq!(error(r#"{"leaves":[null]}"#), "spec.leaves[0]: must be an object, is null");
        assert_eq!(error(r#"{"leaves":[{"name":["x"]}]}"#), "spec.leaves[0].name: must be a string, is a list");
        assert_eq!(
            error(r#"{"leaves":[{"count":1e99}]}"#),
            "spec.leaves[0].count: must be an integer, is a number out of range"
        );
        assert_eq!(error(r#"{"notes":{"a b":true}}"#), r#"spec.notes["a b"]: must be a string, is a boolean"#);
        assert_eq!(
            error(&format!(r#"{{"notes":{{"a\n- b{}":true}}}}"#, "x".repeat(200))),
            format!(r#"spec.notes["a\u{{a}}- b{}…"]: must be a string, is a boolean"#, "x".repeat(115))
        );
        assert_eq!(error("[]"), "spec: must be an object, is a list");
        assert_eq!(error("null"), "spec: must be an object, is null");
    }

    #[test]
    fn rejects_repeated_key() {
        assert_eq!(error(r#"{"on":true,"on":false}"#), "spec.on: appears twice");
        assert_eq!(error(r#"{"leaves":[],"leaves":[]}"#), "spec.leaves: appears twice");
        assert_eq!(error(r#"{"later":1,"x":1,"x":1,"on":true,"later":2}"#), "spec.later: appears twice");
        assert!(read::<Tree<'_>>(r#"{"x":1,"x":2}"#, "").is_ok());
    }

    #[test]
    fn broken_json_has_offset_only() {
        assert_eq!(error("{\"on\":tru}"), "broken JSON at byte 6");
        assert_eq!(error("{\"leaves\":[{\"count\":1 2}]}"), "broken JSON at byte 22");
        assert_eq!(error("{} x"), "broken JSON at byte 3");
    }
}
