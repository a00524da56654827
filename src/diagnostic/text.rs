// SPDX-License-Identifier: Apache-2.0
//! Builds a text from a function that appends to it.

/// The text that `push` appends.
pub(super) fn text(push: impl FnOnce(&mut String)) -> String {
    let mut text = String::new();
    push(&mut text);
    text
}
