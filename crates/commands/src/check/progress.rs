// SPDX-License-Identifier: Apache-2.0

//! Shows the progress of the check on a terminal.

use std::io::IsTerminal as _;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Number of objects after which progress is shown.
const MANY: u64 = 200;

pub(super) struct Progress {
    bar: ProgressBar,
    is_quiet: bool,
}

impl Progress {
    pub fn new(is_quiet: bool) -> Self {
        let style = ProgressStyle::with_template("{spinner} {pos} objects");
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
        Self { bar: bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner())), is_quiet }
    }

    pub fn add(&self, objects: usize) {
        let bar = &self.bar;
        if !self.is_quiet && bar.is_hidden() && bar.position() >= MANY && std::io::stderr().is_terminal() {
            bar.set_draw_target(ProgressDrawTarget::stderr());
        }
        bar.inc(objects as u64);
    }

    /// Hides the progress while `print` runs.
    pub fn aside<T>(&self, print: impl FnOnce() -> T) -> T {
        if self.bar.is_hidden() { print() } else { self.bar.suspend(print) }
    }

    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
