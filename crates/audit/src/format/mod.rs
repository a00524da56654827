// SPDX-License-Identifier: Apache-2.0

//! The formats of a report.

pub mod csv;
pub mod html;
pub mod text;

use super::report::{Permissions, Row, Token};

/// The date of a time.
fn day(time: &str) -> &str {
    time.get(..10).unwrap_or(time)
}

/// The time at which a row's token was last used, according to the log.
fn last_used<'r>(row: &Row<'r>) -> Option<&'r str> {
    match row.workload {
        Some(workload) => workload.calls.as_ref(),
        None => row.account.calls.as_ref(),
    }
    .and_then(|calls| calls.last.as_deref())
}

/// The permissions of the token, in short.
fn may(permissions: &Permissions, is_known: bool) -> &str {
    permissions.summary.first().map_or(if is_known { "nothing" } else { "not known" }, String::as_str)
}

fn token(token: &Token) -> String {
    if token.why.is_empty() { "none".to_owned() } else { token.why.join("; ") }
}
