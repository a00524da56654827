// SPDX-License-Identifier: Apache-2.0

//! Tables in the format of Markdown, for docs/performance.md. On a terminal, what is not within its limit is red.

use comfy_table::{Cell, CellAlignment, Color, Table, presets};

/// An empty table.
pub fn new<const N: usize>(header: [&str; N]) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::ASCII_MARKDOWN).set_header(header);
    table
}

/// A number, aligned to the right.
pub fn number(text: impl ToString) -> Cell {
    Cell::new(text).set_alignment(CellAlignment::Right)
}

/// A number that has a limit.
pub fn limited(text: impl ToString, is_over: bool) -> Cell {
    if is_over { number(text).fg(Color::Red) } else { number(text) }
}
