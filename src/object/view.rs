// SPDX-License-Identifier: Apache-2.0
//! Reading borrowed views out of JSON text.
//!
//! A view is a struct that names the few fields a rule reads; everything else
//! is skipped without being built. When a value does not fit, the reader knows
//! the path, the kind that was wanted and the kind that was found, and never
//! repeats what was there: a payload may hold credentials, and a parser's own
//! error text quotes them.
//!
//! `null` is absent, everywhere. A key that a view reads may occur once only:
//! two readers of one document must not see two different Pods.

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// Why a document could not be read. Holds no value of the document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Misfit {
    /// A value of the wrong kind.
    Kind {
        /// Where, e.g. `spec.containers[2].name`.
        path: String,
        /// The kind that was wanted, with its article.
        wanted: &'static str,
        /// The kind that was found, with its article.
        found: &'static str,
    },
    /// A key that occurs twice in one object.
    Twice {
        /// The path of the key.
        path: String,
    },
    /// Not JSON at all.
    Broken {
        /// Bytes from the start of the document to the error.
        offset: usize,
    },
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kind { path, wanted, found } => write!(f, "{path}: must be {wanted}, is {found}"),
            Self::Twice { path } => write!(f, "{path}: is there twice"),
            Self::Broken { offset } => write!(f, "broken JSON at byte {offset}"),
        }
    }
}

/// Where a reader stands and what it stumbled over; filled only on an error,
/// from the innermost value outwards.
#[derive(Debug, Default)]
pub struct Trail {
    path: RefCell<Vec<String>>,
    misfit: Cell<Option<(&'static str, &'static str)>>,
    twice: Cell<bool>,
}

impl Trail {
    fn wrong<E: serde::de::Error>(&self, wanted: &'static str, found: &'static str) -> E {
        self.misfit.set(Some((wanted, found)));
        E::custom("")
    }

    fn again<E: serde::de::Error>(&self, key: &str) -> E {
        self.twice.set(true);
        self.path.borrow_mut().push(format!(".{key}"));
        E::custom("")
    }

    fn inside_key<E>(&self, key: &str, error: E) -> E {
        self.path.borrow_mut().push(format!(".{key}"));
        error
    }

    fn inside_quoted<E>(&self, key: &str, error: E) -> E {
        self.path.borrow_mut().push(format!("[\"{key}\"]"));
        error
    }

    fn inside_index<E>(&self, index: usize, error: E) -> E {
        self.path.borrow_mut().push(format!("[{index}]"));
        error
    }

    fn misfit(&self, base: &str, text: &str, error: &serde_json::Error) -> Misfit {
        let mut path = base.to_owned();
        for step in self.path.borrow().iter().rev() {
            path.push_str(step);
        }
        let path = path.strip_prefix('.').unwrap_or(&path).to_owned();
        if self.twice.get() {
            return Misfit::Twice { path };
        }
        match self.misfit.get() {
            Some((wanted, found)) => Misfit::Kind { path, wanted, found },
            None => Misfit::Broken { offset: offset(text, error) },
        }
    }
}

/// The byte offset of a parser's line and column.
fn offset(text: &str, error: &serde_json::Error) -> usize {
    let lines_before = error.line().saturating_sub(1);
    let start: usize = text.split_inclusive('\n').take(lines_before).map(str::len).sum();
    start + error.column()
}

/// A type that can be read from JSON while keeping track of the path.
pub trait View<'a>: Sized {
    /// Reads one value.
    ///
    /// # Errors
    /// The deserializer's error; what was wrong is noted in `trail`.
    fn read<D: Deserializer<'a>>(deserializer: D, trail: &Trail) -> Result<Self, D::Error>;
}

/// Reads a whole document; `base` is the path of the document itself.
///
/// # Errors
/// [`Misfit`] when the text is not JSON or does not fit the view.
pub fn read<'a, T: View<'a>>(text: &'a str, base: &str) -> Result<T, Misfit> {
    let trail = Trail::default();
    let mut deserializer = serde_json::Deserializer::from_str(text);
    T::read(&mut deserializer, &trail)
        .and_then(|view| deserializer.end().map(|()| view))
        .map_err(|error| trail.misfit(base, text, &error))
}

struct Seed<'t, T>(&'t Trail, PhantomData<T>);

impl<'t, T> Seed<'t, T> {
    fn new(trail: &'t Trail) -> Self {
        Self(trail, PhantomData)
    }
}

impl<'a, T: View<'a>> DeserializeSeed<'a> for Seed<'_, T> {
    type Value = T;

    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<T, D::Error> {
        T::read(deserializer, self.0)
    }
}

/// Text that borrows from the document unless it holds an escape.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Text<'a>(Cow<'a, str>);

impl<'a> Text<'a> {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The text, borrowed where it can be.
    #[must_use]
    pub fn into_cow(self) -> Cow<'a, str> {
        self.0
    }
}

impl Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl<'a> From<&'a str> for Text<'a> {
    fn from(text: &'a str) -> Self {
        Self(Cow::Borrowed(text))
    }
}

/// A value that is kept as the text it was, for a reader that may come later.
/// Empty when absent or `null`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Raw<'a>(Option<&'a str>);

impl<'a> Raw<'a> {
    /// The JSON text, if there is any.
    #[must_use]
    pub fn text(self) -> Option<&'a str> {
        self.0
    }

    /// Reads the value now; absent gives the default.
    ///
    /// # Errors
    /// As [`read`].
    pub fn read<T: View<'a> + Default>(self, base: &str) -> Result<T, Misfit> {
        self.0.map_or_else(|| Ok(T::default()), |text| read(text, base))
    }
}

impl<'a> From<&'a str> for Raw<'a> {
    fn from(text: &'a str) -> Self {
        Self((text != "null").then_some(text))
    }
}

impl<'a> View<'a> for Raw<'a> {
    fn read<D: Deserializer<'a>>(deserializer: D, _: &Trail) -> Result<Self, D::Error> {
        Ok(Self::from(<&RawValue>::deserialize(deserializer)?.get()))
    }
}

enum Scalar<'a> {
    Null,
    Bool(bool),
    Integer(i64),
    Number,
    Text(Text<'a>),
}

impl Scalar<'_> {
    const fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::Integer(_) | Self::Number => "a number",
            Self::Text(_) => "a string",
        }
    }
}

struct ScalarVisitor<'t> {
    trail: &'t Trail,
    wanted: &'static str,
}

impl<'a> Visitor<'a> for ScalarVisitor<'_> {
    type Value = Scalar<'a>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.wanted)
    }
    fn visit_bool<E>(self, value: bool) -> Result<Self::Value, E> {
        Ok(Scalar::Bool(value))
    }
    fn visit_i64<E>(self, value: i64) -> Result<Self::Value, E> {
        Ok(Scalar::Integer(value))
    }
    fn visit_u64<E>(self, value: u64) -> Result<Self::Value, E> {
        Ok(i64::try_from(value).map_or(Scalar::Number, Scalar::Integer))
    }
    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(Scalar::Number)
    }
    fn visit_borrowed_str<E>(self, value: &'a str) -> Result<Self::Value, E> {
        Ok(Scalar::Text(Text(Cow::Borrowed(value))))
    }
    fn visit_str<E>(self, value: &str) -> Result<Self::Value, E> {
        Ok(Scalar::Text(Text(Cow::Owned(value.to_owned()))))
    }
    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Scalar::Null)
    }
    fn visit_seq<A: SeqAccess<'a>>(self, _: A) -> Result<Self::Value, A::Error> {
        Err(self.trail.wrong(self.wanted, "a list"))
    }
    fn visit_map<A: MapAccess<'a>>(self, _: A) -> Result<Self::Value, A::Error> {
        Err(self.trail.wrong(self.wanted, "an object"))
    }
}

fn scalar<'a, D: Deserializer<'a>>(
    deserializer: D,
    trail: &Trail,
    wanted: &'static str,
) -> Result<Scalar<'a>, D::Error> {
    deserializer.deserialize_any(ScalarVisitor { trail, wanted })
}

impl<'a> View<'a> for bool {
    fn read<D: Deserializer<'a>>(deserializer: D, trail: &Trail) -> Result<Self, D::Error> {
        match scalar(deserializer, trail, "a boolean")? {
            Scalar::Bool(value) => Ok(value),
            other => Err(trail.wrong("a boolean", other.kind())),
        }
    }
}

impl<'a> View<'a> for i64 {
    fn read<D: Deserializer<'a>>(deserializer: D, trail: &Trail) -> Result<Self, D::Error> {
        match scalar(deserializer, trail, "an integer")? {
            Scalar::Integer(value) => Ok(value),
            Scalar::Number => Err(trail.wrong("an integer", "a number out of range")),
            other => Err(trail.wrong("an integer", other.kind())),
        }
    }
}

impl<'a> View<'a> for Text<'a> {
    fn read<D: Deserializer<'a>>(deserializer: D, trail: &Trail) -> Result<Self, D::Error> {
        match scalar(deserializer, trail, "a string")? {
            Scalar::Text(value) => Ok(value),
            other => Err(trail.wrong("a string", other.kind())),
        }
    }
}

struct OptionVisitor<'t, T>(&'t Trail, PhantomData<T>);

impl<'a, T: View<'a>> Visitor<'a> for OptionVisitor<'_, T> {
    type Value = Option<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }
    fn visit_none<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }
    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }
    fn visit_some<D: Deserializer<'a>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        T::read(deserializer, self.0).map(Some)
    }
}

impl<'a, T: View<'a>> View<'a> for Option<T> {
    fn read<D: Deserializer<'a>>(deserializer: D, trail: &Trail) -> Result<Self, D::Error> {
        deserializer.deserialize_option(OptionVisitor(trail, PhantomData))
    }
}

/// What a list and an object refuse; the same for every view.
macro_rules! refuse_scalars {
    ($wanted:literal) => {
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str($wanted)
        }
        fn visit_bool<E: serde::de::Error>(self, _: bool) -> Result<Self::Value, E> {
            Err(self.0.wrong($wanted, "a boolean"))
        }
        fn visit_i64<E: serde::de::Error>(self, _: i64) -> Result<Self::Value, E> {
            Err(self.0.wrong($wanted, "a number"))
        }
        fn visit_u64<E: serde::de::Error>(self, _: u64) -> Result<Self::Value, E> {
            Err(self.0.wrong($wanted, "a number"))
        }
        fn visit_f64<E: serde::de::Error>(self, _: f64) -> Result<Self::Value, E> {
            Err(self.0.wrong($wanted, "a number"))
        }
        fn visit_str<E: serde::de::Error>(self, _: &str) -> Result<Self::Value, E> {
            Err(self.0.wrong($wanted, "a string"))
        }
    };
}

struct ListVisitor<'t, T>(&'t Trail, PhantomData<T>);

impl<'a, T: View<'a>> Visitor<'a> for ListVisitor<'_, T> {
    type Value = Vec<T>;

    refuse_scalars!("a list");
    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Vec::new())
    }
    fn visit_map<A: MapAccess<'a>>(self, _: A) -> Result<Self::Value, A::Error> {
        Err(self.0.wrong("a list", "an object"))
    }
    fn visit_seq<A: SeqAccess<'a>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) =
            list.next_element_seed(Seed::<T>::new(self.0)).map_err(|error| self.0.inside_index(items.len(), error))?
        {
            items.push(item);
        }
        Ok(items)
    }
}

impl<'a, T: View<'a>> View<'a> for Vec<T> {
    fn read<D: Deserializer<'a>>(deserializer: D, trail: &Trail) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ListVisitor(trail, PhantomData))
    }
}

/// Every member of an object in its own order, values by view. For maps whose
/// keys are data, such as annotations.
#[derive(Debug, Clone)]
pub struct Members<'a, T>(Vec<(Text<'a>, T)>);

impl<T> Default for Members<'_, T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'a, T> Members<'a, T> {
    /// The members, in the document's order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &T)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value))
    }

    /// The value of a key.
    #[must_use]
    pub fn find(&self, key: &str) -> Option<&T> {
        self.iter().find_map(|(name, value)| (name == key).then_some(value))
    }

    /// The members, in the document's order.
    #[must_use]
    pub fn into_vec(self) -> Vec<(Text<'a>, T)> {
        self.0
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

struct MembersVisitor<'t, T>(&'t Trail, PhantomData<T>);

impl<'a, T: View<'a>> Visitor<'a> for MembersVisitor<'_, T> {
    type Value = Members<'a, T>;

    refuse_scalars!("an object");
    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Members(Vec::new()))
    }
    fn visit_seq<A: SeqAccess<'a>>(self, _: A) -> Result<Self::Value, A::Error> {
        Err(self.0.wrong("an object", "a list"))
    }
    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::new();
        while let Some(key) = map.next_key_seed(Seed::<Text<'a>>::new(self.0))? {
            let value =
                map.next_value_seed(Seed::<T>::new(self.0)).map_err(|error| self.0.inside_quoted(&key, error))?;
            members.push((key, value));
        }
        Ok(Members(members))
    }
}

impl<'a, T: View<'a>> View<'a> for Members<'a, T> {
    fn read<D: Deserializer<'a>>(deserializer: D, trail: &Trail) -> Result<Self, D::Error> {
        deserializer.deserialize_any(MembersVisitor(trail, PhantomData))
    }
}

/// The named fields of an object; made by the `view!` macro.
pub trait Fields<'a>: Default {
    /// The keys this view reads.
    const KEYS: &'static [&'static str];

    /// Reads the value of one of `KEYS`.
    ///
    /// # Errors
    /// The deserializer's error.
    fn set<A: MapAccess<'a>>(&mut self, key: &str, field: Value<'_, 'a, A>) -> Result<(), A::Error>;

    /// Called for a key that the view does not read and that is not `null`.
    fn unread(&mut self) {}
}

/// The value that comes next in an object.
pub struct Value<'t, 'a, A> {
    map: &'t mut A,
    trail: &'t Trail,
    document: PhantomData<&'a ()>,
}

impl<'a, A: MapAccess<'a>> Value<'_, 'a, A> {
    /// Reads it as a view.
    ///
    /// # Errors
    /// The deserializer's error, the key noted in the trail.
    pub fn read<T: View<'a>>(self, key: &str) -> Result<T, A::Error> {
        self.map.next_value_seed(Seed::<T>::new(self.trail)).map_err(|error| self.trail.inside_key(key, error))
    }

    /// Skips it.
    ///
    /// # Errors
    /// The deserializer's error.
    pub fn skip(self) -> Result<(), A::Error> {
        self.map.next_value::<IgnoredAny>().map(|_| ())
    }
}

struct FieldsVisitor<'t, T>(&'t Trail, PhantomData<T>);

impl<'a, T: Fields<'a>> Visitor<'a> for FieldsVisitor<'_, T> {
    type Value = T;

    refuse_scalars!("an object");
    fn visit_unit<E: serde::de::Error>(self) -> Result<Self::Value, E> {
        Err(self.0.wrong("an object", "null"))
    }
    fn visit_seq<A: SeqAccess<'a>>(self, _: A) -> Result<Self::Value, A::Error> {
        Err(self.0.wrong("an object", "a list"))
    }
    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut fields = T::default();
        let mut seen = 0_u32;
        while let Some(key) = map.next_key_seed(Seed::<Text<'a>>::new(self.0))? {
            let Some(position) = T::KEYS.iter().position(|known| *known == key.as_str()) else {
                if map.next_value::<Option<IgnoredAny>>()?.is_some() {
                    fields.unread();
                }
                continue;
            };
            let bit = 1_u32.checked_shl(u32::try_from(position).map_err(A::Error::custom)?).unwrap_or(0);
            if seen & bit != 0 {
                return Err(self.0.again(&key));
            }
            seen |= bit;
            fields.set(&key, Value { map: &mut map, trail: self.0, document: PhantomData })?;
        }
        Ok(fields)
    }
}

/// Reads an object into a struct of fields.
///
/// # Errors
/// The deserializer's error.
pub fn fields<'a, T: Fields<'a>, D: Deserializer<'a>>(deserializer: D, trail: &Trail) -> Result<T, D::Error> {
    deserializer.deserialize_any(FieldsVisitor(trail, PhantomData))
}

/// Declares a view: a struct whose fields are read from the keys named, each
/// absent by default. A trailing `.. field` notes whether the object holds
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

        impl<$lt> $crate::object::view::Fields<$lt> for $name<$lt> {
            const KEYS: &'static [&'static str] = &[$($key),*];

            fn set<A: serde::de::MapAccess<$lt>>(
                &mut self,
                key: &str,
                value: $crate::object::view::Value<'_, $lt, A>,
            ) -> Result<(), A::Error> {
                match key {
                    $($key => self.$field = value.read($key)?,)*
                    _ => value.skip()?,
                }
                Ok(())
            }

            $(fn unread(&mut self) {
                self.$other = true;
            })?
        }

        impl<$lt> $crate::object::view::View<$lt> for $name<$lt> {
            fn read<D: serde::Deserializer<$lt>>(
                deserializer: D,
                trail: &$crate::object::view::Trail,
            ) -> Result<Self, D::Error> {
                $crate::object::view::fields(deserializer, trail)
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

    fn misfit(text: &str) -> String {
        read::<Tree<'_>>(text, "spec").map(|_| ()).unwrap_err().to_string()
    }

    #[test]
    fn reads_what_it_names_and_skips_the_rest() {
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
    fn null_is_absent() {
        let tree: Tree<'_> = read(r#"{"on":null,"leaves":null,"notes":null,"later":null}"#, "").unwrap();
        assert!(tree.on.is_none() && tree.leaves.is_empty() && tree.later.text().is_none());
    }

    #[test]
    fn a_misfit_names_path_and_kinds_and_never_the_value() {
        assert_eq!(misfit(r#"{"on":"hunter2"}"#), "spec.on: must be a boolean, is a string");
        assert_eq!(misfit(r#"{"leaves":{}}"#), "spec.leaves: must be a list, is an object");
        assert_eq!(misfit(r#"{"leaves":[{},7]}"#), "spec.leaves[1]: must be an object, is a number");
        assert_eq!(misfit(r#"{"leaves":[null]}"#), "spec.leaves[0]: must be an object, is null");
        assert_eq!(misfit(r#"{"leaves":[{"name":["x"]}]}"#), "spec.leaves[0].name: must be a string, is a list");
        assert_eq!(
            misfit(r#"{"leaves":[{"count":1e99}]}"#),
            "spec.leaves[0].count: must be an integer, is a number out of range"
        );
        assert_eq!(misfit(r#"{"notes":{"a b":true}}"#), r#"spec.notes["a b"]: must be a string, is a boolean"#);
        assert_eq!(misfit("[]"), "spec: must be an object, is a list");
        assert_eq!(misfit("null"), "spec: must be an object, is null");
    }

    #[test]
    fn a_key_that_is_read_occurs_once() {
        assert_eq!(misfit(r#"{"on":true,"on":false}"#), "spec.on: is there twice");
        assert!(read::<Tree<'_>>(r#"{"x":1,"x":2}"#, "").is_ok());
    }

    #[test]
    fn broken_json_gives_the_offset_only() {
        assert_eq!(misfit("{\"on\":tru}"), "broken JSON at byte 10");
        assert_eq!(misfit("{\n\"on\":tru}"), "broken JSON at byte 11");
        assert_eq!(misfit("{} x"), "broken JSON at byte 4");
    }
}
