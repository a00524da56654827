// SPDX-License-Identifier: Apache-2.0

//! JSON as it is written: keys with their escapes, numbers with their digits, members in the order of the document.

/// A value with its text.
#[derive(Debug, Clone)]
pub struct Written<'a> {
    /// The text, without surrounding whitespace.
    pub text: &'a str,
    /// Its members or entries.
    pub inside: Inside<'a>,
}

/// What a value consists of.
#[derive(Debug, Clone)]
pub enum Inside<'a> {
    /// Neither a map nor a list.
    Leaf,
    /// Keys as written, with quotes and escapes, and their values.
    Map(Vec<(&'a str, Written<'a>)>),
    /// Entries.
    List(Vec<Written<'a>>),
}

impl<'a> Written<'a> {
    /// Parses a JSON document; none if the text is not JSON.
    #[must_use]
    pub fn of(text: &'a str) -> Option<Self> {
        serde_json::from_str::<serde::de::IgnoredAny>(text).ok()?;
        let mut rest = text;
        value(&mut rest)
    }

    /// The member with a key, whether or not the key is written with escapes.
    #[must_use]
    pub fn member(&self, key: &str) -> Option<&Self> {
        let Inside::Map(members) = &self.inside else { return None };
        members.iter().find(|(name, _)| decoded(name) == key).map(|(_, value)| value)
    }

    /// The members; none for anything but a map.
    #[must_use]
    pub fn members(&self) -> &[(&'a str, Self)] {
        match &self.inside {
            Inside::Map(members) => members,
            _ => &[],
        }
    }

    /// The entries; none for anything but a list.
    #[must_use]
    pub fn entries(&self) -> &[Self] {
        match &self.inside {
            Inside::List(entries) => entries,
            _ => &[],
        }
    }

    /// The value, if it is a string.
    #[must_use]
    pub fn string(&self) -> Option<String> {
        serde_json::from_str(self.text).ok()
    }
}

/// The key without quotes and escapes.
#[must_use]
pub fn decoded(key: &str) -> String {
    serde_json::from_str(key).unwrap_or_default()
}

fn value<'a>(rest: &mut &'a str) -> Option<Written<'a>> {
    *rest = rest.trim_start();
    let start = *rest;
    let inside = match rest.chars().next()? {
        '{' => Inside::Map(several(rest, '}', |rest| {
            let key = string(rest)?;
            *rest = rest.trim_start().strip_prefix(':')?;
            Some((key, value(rest)?))
        })?),
        '[' => Inside::List(several(rest, ']', value)?),
        '"' => string(rest).map(|_| Inside::Leaf)?,
        _ => {
            let end = rest.find([',', '}', ']', ' ', '\n', '\t', '\r']).unwrap_or(rest.len());
            *rest = rest.get(end..)?;
            Inside::Leaf
        }
    };
    Some(Written { text: start.get(..start.len() - rest.len())?, inside })
}

fn several<'a, T>(rest: &mut &'a str, end: char, mut one: impl FnMut(&mut &'a str) -> Option<T>) -> Option<Vec<T>> {
    let mut all = Vec::new();
    *rest = rest.get(1..)?.trim_start();
    while !rest.starts_with(end) {
        all.push(one(rest)?);
        *rest = rest.trim_start();
        *rest = rest.strip_prefix(',').unwrap_or(rest).trim_start();
    }
    *rest = rest.get(1..)?;
    Some(all)
}

fn string<'a>(rest: &mut &'a str) -> Option<&'a str> {
    let start = *rest;
    let mut is_escaped = false;
    let mut characters = start.char_indices().skip(1);
    let (end, _) = characters.find(|(_, character)| {
        let is_end = *character == '"' && !is_escaped;
        is_escaped = *character == '\\' && !is_escaped;
        is_end
    })?;
    *rest = start.get(end + 1..)?;
    start.get(..=end)
}

#[test]
fn takes_documents_apart() {
    let text = r#" {"a" : [1.50, {"b\"\\":null } ,"x,y"], "\u0063":-1e+9 } "#;
    let written = Written::of(text).unwrap();
    assert_eq!(written.text, text.trim());
    assert_eq!(written.members().iter().map(|(key, _)| *key).collect::<Vec<_>>(), [r#""a""#, r#""\u0063""#]);
    let list: Vec<&str> = written.member("a").unwrap().entries().iter().map(|entry| entry.text).collect();
    assert_eq!(list, ["1.50", r#"{"b\"\\":null }"#, r#""x,y""#]);
    assert_eq!(written.member("c").unwrap().text, "-1e+9");
    assert!(Written::of("{").is_none());
}
