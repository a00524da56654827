// SPDX-License-Identifier: Apache-2.0
//! Why the cluster gives no answer.

/// Why there is no record, or no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LookupError {
    /// There is no such account.
    Absent,
    /// The policy may not ask, or the policy server may not read accounts.
    NotGranted,
    /// Anything else; a later try may succeed.
    Failed,
}

/// Whether the host, or the API server, does not allow the question.
pub(super) fn refused(error: &str) -> bool {
    error.contains("Policy has not been granted access to") || error.contains("is forbidden")
}
