// SPDX-License-Identifier: Apache-2.0
//! Why a query to the cluster has no answer.

/// Why there is no record, or no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LookupError {
    /// There is no such account.
    Absent,
    /// The policy may not send the query, or the policy server may not read accounts.
    NotGranted,
    /// Anything else; a retry may succeed.
    Failed,
}

/// Whether the host or the API server denies the query.
pub(super) fn refused(error: &str) -> bool {
    error.contains("Policy has not been granted access to") || error.contains("is forbidden")
}
