// SPDX-License-Identifier: Apache-2.0
//! Documentation of rules and settings.

/// A line of documentation, as the command line, forms and the reference show it.
///
/// The wasm module shows none of it and is built without it: the lines are 6 KB,
/// and a fresh instance reads data faster if it is close together
/// (docs/performance.md).
#[derive(Debug, Clone, Copy)]
pub struct Doc(#[cfg(not(target_arch = "wasm32"))] &'static str);

impl Doc {
    /// A line, without a full stop.
    #[cfg(not(target_arch = "wasm32"))]
    #[must_use]
    pub const fn new(text: &'static str) -> Self {
        Self(text)
    }

    /// No line.
    #[cfg(target_arch = "wasm32")]
    #[must_use]
    pub const fn new(_: &'static str) -> Self {
        Self()
    }

    /// The line.
    #[cfg(not(target_arch = "wasm32"))]
    #[must_use]
    pub const fn text(self) -> &'static str {
        self.0
    }
}
