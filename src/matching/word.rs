// SPDX-License-Identifier: Apache-2.0
//! Finding words in a text.

/// Whether one of the words is in the text: one pass, however many there are.
/// The library's search goes through the text for each of them, and is a part of
/// the module wherever it is used.
#[must_use]
#[inline(never)]
pub fn any(words: &[&str], text: &str) -> bool {
    let bytes = text.as_bytes();
    let mut begins = [false; 256];
    for first in words.iter().filter_map(|word| word.bytes().next()) {
        if let Some(begins) = begins.get_mut(usize::from(first)) {
            *begins = true;
        }
    }
    for (at, byte) in bytes.iter().enumerate() {
        if begins.get(usize::from(*byte)) == Some(&true) {
            let rest = bytes.get(at..).unwrap_or_default();
            if words.iter().any(|word| !word.is_empty() && rest.starts_with(word.as_bytes())) {
                return true;
            }
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::any;

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
}
