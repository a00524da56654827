// SPDX-License-Identifier: Apache-2.0
//! Finding words in a text.

use super::chunk::{Chunk, WIDTH};

/// Whether one of the words is in the text: one pass, however many there are.
/// The library's search goes through the text for each of them, and is a part of
/// the module wherever it is used.
#[must_use]
pub fn any(words: &[&str], text: &str) -> bool {
    let mut is_found = false;
    each(words, text, &mut |_| {
        is_found = true;
        true
    });
    is_found
}

/// Which of the words are in the text: one bit for each, by its position. At most
/// 32 words.
#[must_use]
pub fn found(words: &[&str], text: &str) -> u32 {
    let mut found = 0;
    each(words, text, &mut |position| {
        found |= 1 << position;
        false
    });
    found
}

/// Calls `is_enough` with the position of every word that is met, until it is.
#[inline(never)]
fn each(words: &[&str], text: &str, is_enough: &mut dyn FnMut(usize) -> bool) {
    let bytes = text.as_bytes();
    for start in (0..bytes.len()).step_by(WIDTH) {
        let chunk = Chunk::at(bytes, start).unwrap_or_else(|| Chunk::last_at(bytes, start));
        for (position, word) in words.iter().enumerate() {
            let Some(first) = word.bytes().next() else { continue };
            let mut begins = chunk.equal(first);
            while begins != 0 {
                let rest = bytes.get(start + begins.trailing_zeros() as usize..).unwrap_or_default();
                begins &= begins - 1;
                if rest.starts_with(word.as_bytes()) && is_enough(position) {
                    return;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{any, found};

    #[test]
    fn finds_each_word_anywhere() {
        for text in ["AWS_", "x AWS_", "AAWS_X", "AZURE_", "ÄAKIA"] {
            assert!(any(&["AWS_", "AKIA", "AZURE_"], text), "{text}");
        }
        for text in ["", "AWS", "aws_", "AKI A", "Ä"] {
            assert!(!any(&["AWS_", "AKIA", "AZURE_"], text), "{text}");
        }
        assert!(!any(&[], "x") && !any(&[""], "x"));
    }

    #[test]
    fn finds_all_that_are_there() {
        assert_eq!(found(&["AWS_", "AZURE_", "A", "x"], "AZURE_AWS"), 0b0110);
        assert_eq!(found(&["x"; 32], "x"), u32::MAX);
    }
}
