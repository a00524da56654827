// SPDX-License-Identifier: Apache-2.0

//! The type of an unquoted scalar, as in go-yaml v2's `resolve` (`resolve.go`), which kubectl uses.

use serde_json::Value;

use super::scalars::STANDARD;

/// A scalar with its YAML type.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Scalar<'a> {
    Null,
    Bool(bool),
    Int(i64),
    /// Greater than `i64::MAX`.
    Uint(u64),
    Float(f64),
    Str(&'a str),
}

impl<'a> Scalar<'a> {
    /// Resolves a plain (unquoted, untagged) scalar.
    pub(super) fn plain(text: &'a str) -> Self {
        match text {
            "" | "~" | "null" | "Null" | "NULL" => return Self::Null,
            "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
                return Self::Bool(true);
            }
            "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
                return Self::Bool(false);
            }
            ".nan" | ".NaN" | ".NAN" => return Self::Float(f64::NAN),
            ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => return Self::Float(f64::INFINITY),
            "-.inf" | "-.Inf" | "-.INF" => return Self::Float(f64::NEG_INFINITY),
            _ => {}
        }
        let number = match text.as_bytes().first() {
            Some(b'.') => float(&separated(text)),
            Some(b'0'..=b'9' | b'+' | b'-') => {
                let plain = text.replace('_', "");
                integer(&plain).or_else(|| float(&plain))
            }
            _ => None,
        };
        number.unwrap_or(Self::Str(text))
    }

    /// The value as JSON; `None` for infinities and NaN. A whole float is written without its point, as in Go.
    pub(super) fn to_json(self) -> Option<Value> {
        /// Whole floats below this are exact integers.
        const EXACT: f64 = 9_007_199_254_740_992.0;
        Some(match self {
            Self::Null => Value::Null,
            Self::Bool(value) => value.into(),
            Self::Int(value) => value.into(),
            Self::Uint(value) => value.into(),
            #[expect(clippy::cast_possible_truncation, reason = "whole and small enough to be exact")]
            Self::Float(value) if value.fract() == 0.0 && value.abs() <= EXACT => (value as i64).into(),
            Self::Float(value) => serde_json::Number::from_f64(value)?.into(),
            Self::Str(text) => text.into(),
        })
    }

    /// The scalar as the key of a mapping: sigs.k8s.io/yaml turns numbers and booleans into strings and rejects the rest.
    pub(super) fn to_key(self) -> Result<String, &'static str> {
        Ok(match self {
            Self::Null => return Err(NULL_KEY),
            Self::Bool(value) => value.to_string(),
            Self::Int(value) => value.to_string(),
            Self::Uint(_) => return Err("an integer outside the range of int64 cannot be a key"),
            Self::Float(value) => go_float(value),
            Self::Str(text) => text.to_owned(),
        })
    }

    /// A scalar with a standard tag, as in go-yaml's `resolve`; `None` if the text does not match the tag.
    pub(super) fn tagged(wanted: &str, text: &'a str) -> Option<Self> {
        match (wanted, Self::plain(text)) {
            ("null", found @ Self::Null)
            | ("bool", found @ Self::Bool(_))
            | ("int", found @ (Self::Int(_) | Self::Uint(_)))
            | ("float", found @ Self::Float(_)) => Some(found),
            #[expect(clippy::cast_precision_loss, reason = "what the tag asks for")]
            ("float", Self::Int(value)) => Some(Self::Float(value as f64)),
            ("null" | "bool" | "int" | "float", _) => None,
            _ => Some(Self::Str(text)),
        }
    }
}

/// Why null cannot be a key.
pub(super) const NULL_KEY: &str = "null cannot be a key";

/// The name of a standard tag.
pub(super) fn standard_tag(tag: &str) -> Option<&str> {
    tag.strip_prefix(STANDARD)
}

/// Whether a key is the merge key `<<`.
pub(super) fn is_merge(text: &str, is_plain: bool, tag: Option<&str>) -> bool {
    text == "<<" && (is_plain || tag.and_then(standard_tag) == Some("merge"))
}

/// Go's `ParseFloat` allows underscores between digits. Other underscores stay, so that the text is not a number.
fn separated(text: &str) -> std::borrow::Cow<'_, str> {
    let digit = |at: Option<usize>| at.and_then(|at| text.as_bytes().get(at)).is_some_and(u8::is_ascii_digit);
    let is_between = |at: usize| digit(at.checked_sub(1)) && digit(Some(at + 1));
    if text.contains('_') && text.match_indices('_').all(|(at, _)| is_between(at)) {
        text.replace('_', "").into()
    } else {
        text.into()
    }
}

/// Go's `ParseInt(text, 0, 64)`, then `ParseUint`: the prefix determines the base, and a leading zero alone means octal.
fn integer(text: &str) -> Option<Scalar<'static>> {
    let (negative, unsigned) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let prefixes = [("0x", 16), ("0X", 16), ("0o", 8), ("0O", 8), ("0b", 2), ("0B", 2), ("0", 8)];
    let prefixed = prefixes.iter().find_map(|(prefix, base)| {
        let digits = unsigned.strip_prefix(prefix).filter(|digits| !digits.is_empty())?;
        Some((digits, *base))
    });
    let (digits, base) = prefixed.unwrap_or((unsigned, 10));
    if !digits.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return None;
    }
    let magnitude = u64::from_str_radix(digits, base).ok()?;
    if negative {
        return 0_i64.checked_sub_unsigned(magnitude).map(Scalar::Int);
    }
    match i64::try_from(magnitude) {
        Ok(value) => Some(Scalar::Int(value)),
        Err(_) if text.starts_with('+') => None,
        Err(_) => Some(Scalar::Uint(magnitude)),
    }
}

/// `[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?` and in range.
fn float(text: &str) -> Option<Scalar<'static>> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let starts_well = match unsigned.as_bytes() {
        [b'.', next, ..] => next.is_ascii_digit(),
        [first, ..] => first.is_ascii_digit(),
        [] => false,
    };
    if !starts_well || !unsigned.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'e' | b'E' | b'-' | b'+')) {
        return None;
    }
    text.parse::<f64>().ok().filter(|value| value.is_finite()).map(Scalar::Float)
}

/// Go's `FormatFloat(value, 'g', -1, 32)`.
fn go_float(value: f64) -> String {
    #[expect(clippy::cast_possible_truncation, reason = "the reader formats keys with 32 bits")]
    let value = value as f32;
    if value.is_nan() {
        return ".nan".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { ".inf" } else { "-.inf" }.to_owned();
    }
    let scientific = format!("{value:e}");
    let exponent = scientific.split_once('e').and_then(|(_, exponent)| exponent.parse::<i32>().ok());
    match (scientific.split_once('e'), exponent) {
        (Some((mantissa, _)), Some(exponent))
            if !(-4..21).contains(&exponent) || exponent >= 6 && value.fract() == 0.0 =>
        {
            let sign = if exponent < 0 { '-' } else { '+' };
            format!("{mantissa}e{sign}{:02}", exponent.unsigned_abs())
        }
        _ => value.to_string(),
    }
}
