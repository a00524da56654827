// SPDX-License-Identifier: Apache-2.0

//! The roll-out preview: how many objects would be warned about, changed or rejected, by rule and namespace.

use comfy_table::{Cell, CellAlignment, Color, Table};

use crate::check::report::{Row, Summary};

/// The columns.
pub const HEADER: [&str; 8] = [
    "rule",
    "namespace",
    "would warn",
    "would fix",
    "would reject",
    "loses an unused token",
    "keeps a needed one",
    "unknown",
];

/// The explanation of the numbers.
pub const LEGEND: &str =
    "The numbers count objects. The row `all` counts each object once, even if several rules have findings about it.";

/// Adds the rows of the table, and a last row for all rules together.
pub fn fill(table: &mut Table, summary: &Summary) {
    for ((rule, namespace), row) in &summary.by_rule {
        let namespace = if namespace.is_empty() { "(cluster)" } else { namespace };
        table.add_row(cells(rule, namespace, *row));
    }
    table.add_row(cells("all", "", summary.by_any_rule));
}

fn cells(rule: &str, namespace: &str, row: Row) -> Vec<Cell> {
    let number = |count: usize, color: Color| {
        let cell = Cell::new(if count == 0 { "·".to_owned() } else { count.to_string() });
        let cell = cell.set_alignment(CellAlignment::Right);
        if count == 0 { cell } else { cell.fg(color) }
    };
    vec![
        Cell::new(rule),
        Cell::new(namespace),
        number(row.warned, Color::Yellow),
        number(row.fixed, Color::Cyan),
        number(row.refused, Color::Red),
        number(row.unused, Color::Cyan),
        number(row.needed, Color::Yellow),
        number(row.unknown, Color::Yellow),
    ]
}
