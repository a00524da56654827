// SPDX-License-Identifier: Apache-2.0

//! Escapes text from files, so that it can be printed.

use std::path::Path;

use serviceaccount_hygiene::diagnostic::escaped::Escaped;

/// A text from a manifest, as in the policy's messages: characters that could forge lines, colours or the order of text are
/// written as escapes.
pub fn text(text: &str) -> String {
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return text.to_owned();
    }
    text.chars().map(|character| Escaped::new(character.encode_utf8(&mut [0; 4])).to_string()).collect()
}

/// A path, as readers and code hosts write it.
pub fn path(path: &Path) -> String {
    let path = path.display().to_string();
    text(path.strip_prefix("./").unwrap_or(&path))
}

/// `1 object`, `2 objects`.
pub fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_control_characters() {
        assert_eq!(text("a-b é"), "a-b é");
        assert_eq!(text("a\u{1b}[31m\n::error::\u{202e}"), "a\\u{1b}[31m\\u{a}::error::\\u{202e}");
        assert_eq!(path(Path::new("./a\nb")), "a\\u{a}b");
    }
}
