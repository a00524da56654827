// SPDX-License-Identifier: Apache-2.0

use std::fmt;

/// Why the API server rejects an object, with the API server's own message if it has one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ApiError {
    /// The object cannot be read as its kind.
    BadRequest(String),
    /// An in-tree admission plugin rejected it.
    Forbidden(String),
}

impl ApiError {
    /// The HTTP status code.
    #[must_use]
    pub fn code(&self) -> u16 {
        match self {
            Self::BadRequest(_) => 400,
            Self::Forbidden(_) => 403,
        }
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadRequest(text) | Self::Forbidden(text) => f.write_str(text),
        }
    }
}

impl std::error::Error for ApiError {}
