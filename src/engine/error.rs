// SPDX-License-Identifier: Apache-2.0
//! Why a review ends early.

use crate::object::edit::NoSuchNode;
use crate::object::view::ReadError;

/// Why a review ends before the rules have checked the object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReviewError {
    /// Something could not be read.
    ReadError(ReadError),
    /// A fix and a view disagree about the structure of the object.
    CannotChange,
    /// Looking up an account failed.
    LookupFailed {
        /// `namespace/name` of the account.
        account: String,
    },
    /// The settings require a look-up that the cluster does not allow.
    LookupNotGranted,
    /// Looking up the permissions of an account failed.
    ReviewFailed {
        /// `namespace/name` of the account.
        account: String,
    },
    /// The settings require a permission look-up that the cluster does not allow.
    ReviewNotGranted,
    /// A rule needs the account as it is now, not as the host has cached it.
    Stale,
}

impl From<ReadError> for ReviewError {
    fn from(error: ReadError) -> Self {
        Self::ReadError(error)
    }
}

impl From<NoSuchNode> for ReviewError {
    fn from(_: NoSuchNode) -> Self {
        Self::CannotChange
    }
}
