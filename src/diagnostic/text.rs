// SPDX-License-Identifier: Apache-2.0
//! Texts made by what appends to them.

/// The text that `push` appends.
pub(super) fn text(push: impl FnOnce(&mut String)) -> String {
    let mut text = String::new();
    push(&mut text);
    text
}
