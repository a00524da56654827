// SPDX-License-Identifier: Apache-2.0

//! What a report looks like.

pub mod csv;
pub mod html;
pub mod text;

use super::report::{Permissions, Row, Token};

/// The day of a time.
fn day(time: &str) -> &str {
    time.get(..10).unwrap_or(time)
}

/// The last use of a row's token, as far as the log says.
fn last_used<'r>(row: &Row<'r>) -> Option<&'r str> {
    match row.workload {
        Some(workload) => workload.calls.as_ref(),
        None => row.account.calls.as_ref(),
    }
    .and_then(|calls| calls.last.as_deref())
}

/// What the token allows, in short.
fn may(permissions: &Permissions, is_known: bool) -> &str {
    permissions.summary.first().map_or(if is_known { "nothing" } else { "not known" }, String::as_str)
}

fn token(token: &Token) -> String {
    if token.why.is_empty() { "none".to_owned() } else { token.why.join("; ") }
}
