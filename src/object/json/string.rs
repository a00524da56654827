// SPDX-License-Identifier: Apache-2.0
//! Strings in JSON.

/// The text with its escapes resolved; `None` if it has a lone surrogate.
pub(super) fn unescape(inner: &str) -> Option<String> {
    let mut text = String::with_capacity(inner.len());
    let mut parts = inner.split('\\');
    text.push_str(parts.next()?);
    while let Some(part) = parts.next() {
        let Some(escape) = part.chars().next() else {
            // An escaped backslash: the text after it is plain.
            text.push('\\');
            text.push_str(parts.next()?);
            continue;
        };
        let mut rest = part.get(1..)?;
        match escape {
            'b' => text.push('\u{8}'),
            'f' => text.push('\u{c}'),
            'n' => text.push('\n'),
            'r' => text.push('\r'),
            't' => text.push('\t'),
            'u' => {
                let mut unit = hex(rest)?;
                rest = rest.get(4..)?;
                if (0xd800..0xdc00).contains(&unit) {
                    // Nothing may stand between the halves of a pair.
                    let low = parts.next().filter(|_| rest.is_empty())?.strip_prefix('u')?;
                    let second = hex(low).filter(|low| (0xdc00..0xe000).contains(low))?;
                    unit = 0x10000 + ((unit - 0xd800) << 10) + (second - 0xdc00);
                    rest = low.get(4..)?;
                }
                text.push(char::from_u32(unit)?);
            }
            '"' | '/' => text.push(escape),
            _ => return None,
        }
        text.push_str(rest);
    }
    Some(text)
}

fn hex(digits: &str) -> Option<u32> {
    digits.get(..4)?.chars().try_fold(0, |number, digit| Some(number << 4 | digit.to_digit(16)?))
}

/// Writes a JSON string.
pub fn write_string(text: &str, out: &mut String) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            control if control.is_control() => {
                let code = u32::from(control);
                out.push_str("\\u");
                for shift in [12, 8, 4, 0] {
                    out.push(char::from_digit((code >> shift) & 0xf, 16).unwrap_or('0'));
                }
            }
            character => out.push(character),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::super::{Cursor, Key};
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    #[rstest]
    #[case(r#""\x""#)]
    #[case(r#""\u12g4""#)]
    #[case(r#""\u+123""#)]
    #[case(r#""\u12""#)]
    #[case(r#""\é""#)]
    fn rejects_invalid_escapes(#[case] text: &str) {
        assert!(Cursor::new(text).string().is_err());
        assert!(serde_json::from_str::<String>(text).is_err());
    }

    #[rstest]
    #[case(r#""""#, "")]
    #[case(r#""plain é""#, "plain é")]
    #[case(r#""\\""#, "\\")]
    #[case(r#""\\\\n""#, "\\\\n")]
    #[case(r#""\\\n\\""#, "\\\n\\")]
    #[case(r#""\"\/\b\f\n\r\t""#, "\"/\u{8}\u{c}\n\r\t")]
    #[case(r#""\u00e9x\ud83d\ude00y\\""#, "éx😀y\\")]
    fn reads_strings(#[case] text: &str, #[case] expected: &str) {
        assert_eq!(Cursor::new(text).string().unwrap(), expected);
        assert_eq!(serde_json::from_str::<String>(text).unwrap(), expected);
        assert_eq!(Key::new(text, true).text(), expected);
    }

    #[rstest]
    #[case(r#""\ud83d""#)]
    #[case(r#""\ude00""#)]
    #[case(r#""\ud83dx\ude00""#)]
    #[case(r#""\ud83d\u0041""#)]
    #[case(r#""\ud83d\n""#)]
    fn rejects_lone_surrogate(#[case] text: &str) {
        assert!(Cursor::new(text).string().is_err());
        assert!(serde_json::from_str::<String>(text).is_err());
    }

    proptest! {
        #[test]
        fn agrees_with_serde_json_on_strings(text: String) {
            let mut written = String::new();
            write_string(&text, &mut written);
            prop_assert_eq!(&Cursor::new(&written).string().unwrap(), &text);
            prop_assert_eq!(&serde_json::from_str::<String>(&written).unwrap(), &text);
            let written = serde_json::to_string(&text).unwrap();
            prop_assert_eq!(&Cursor::new(&written).string().unwrap(), &text);
        }
    }
}
