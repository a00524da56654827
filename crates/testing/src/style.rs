// SPDX-License-Identifier: Apache-2.0

//! The many ways to write the same object.

use proptest::prelude::*;
use serde_json::{Map, Value};

use crate::objects::{CANARY, TOKEN_VOLUME};

/// How an object is written. All styles have the same meaning.
#[derive(Debug, Clone, Copy)]
pub struct Style {
    seed: u64,
    /// Keys in random order.
    shuffled: bool,
    /// Whitespace, and keys with escapes.
    odd: bool,
    /// Unknown fields, as of a later version of Kubernetes, with numbers that no numeric type can hold; and nulls.
    future: bool,
}

impl Style {
    /// As a machine writes it: without whitespace.
    pub const PLAIN: Self = Self { seed: 0, shuffled: false, odd: false, future: false };
}

/// Any style.
pub fn style() -> impl Strategy<Value = Style> + Clone {
    (any::<u64>(), any::<bool>(), any::<bool>(), any::<bool>()).prop_map(|(seed, shuffled, odd, future)| Style {
        seed,
        shuffled,
        odd,
        future,
    })
}

/// The text of a value. The text of a field depends only on its path and the style, so that two objects with the same template
/// have the same text there.
#[must_use]
pub fn written(value: &Value, style: Style) -> String {
    let mut out = String::new();
    write(value, style, style.seed ^ 0xcbf2_9ce4_8422_2325, FieldPath::Fields, &mut out);
    out
}

/// What the keys of a map are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum FieldPath {
    /// Fields of a type, which may have more fields than are known here.
    Fields,
    /// Data, such as annotations: only strings.
    Data,
    /// Exactly the fields of the API server's token volume; with others it would not be recognized as such.
    Exact,
}

fn write(value: &Value, style: Style, chance: u64, path: FieldPath, out: &mut String) {
    match value {
        Value::Object(members) => write_map(members, style, chance, path, out),
        Value::Array(entries) => {
            out.push('[');
            for (index, entry) in entries.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                blank(style, chance, out);
                write(entry, style, mixed(chance, &index.to_string()), path, out);
            }
            out.push(']');
        }
        leaf => out.push_str(&leaf.to_string()),
    }
}

fn write_map(members: &Map<String, Value>, style: Style, chance: u64, path: FieldPath, out: &mut String) {
    let is_token_volume = members.get("name").and_then(Value::as_str).is_some_and(|name| name == TOKEN_VOLUME);
    let path = if is_token_volume { FieldPath::Exact } else { path };
    let mut lines: Vec<(u64, String)> = Vec::new();
    for (key, value) in members {
        let chance = mixed(chance, key);
        let inner = match key.as_str() {
            "annotations" | "labels" | "data" | "stringData" | "nodeSelector" => FieldPath::Data,
            _ => path,
        };
        let mut line = written_key(key, style, chance);
        line.push(':');
        blank(style, chance, &mut line);
        write(value, style, chance, inner, &mut line);
        lines.push((chance, line));
    }
    if style.future && path == FieldPath::Fields && chance.is_multiple_of(3) {
        let big = "-123456789012345678901234567890.123456789e+12";
        lines.push((chance >> 3, format!(r#""futureField":{{"big":{big},"n":null,"list":[1.50,"{CANARY}"]}}"#)));
    }
    if style.future && path != FieldPath::Data && chance.is_multiple_of(5) {
        lines.push((chance >> 5, r#""futureNull":null"#.to_owned()));
    }
    if style.shuffled {
        lines.sort_by_key(|(chance, _)| *chance);
    }
    out.push('{');
    for (index, (_, line)) in lines.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        out.push_str(line);
        blank(style, chance, out);
    }
    out.push('}');
}

fn written_key(key: &str, style: Style, chance: u64) -> String {
    let plain = Value::from(key).to_string();
    if !(style.odd && chance.is_multiple_of(4)) {
        return plain;
    }
    // Only the first character is escaped; in `plain` it may already be an escape.
    match key.chars().next() {
        Some(first) if first.is_ascii_alphanumeric() => {
            let rest = plain.get(2..).unwrap_or_default();
            format!("\"\\u{:04x}{rest}", u32::from(first))
        }
        _ => plain,
    }
}

fn blank(style: Style, chance: u64, out: &mut String) {
    if style.odd {
        out.push_str(match chance % 5 {
            0 => " ",
            1 => "\n  ",
            2 => "\t",
            _ => "",
        });
    }
}

/// The next pseudorandom number: FNV, then the finalizer of `SplitMix64`.
fn mixed(chance: u64, key: &str) -> u64 {
    let hash = key.bytes().fold(chance, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3));
    let hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}
