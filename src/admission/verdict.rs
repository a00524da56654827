// SPDX-License-Identifier: Apache-2.0
//! The verdict on a request. A rejection cannot carry an object.

/// The verdict on a request.
#[derive(Debug, Default)]
pub struct Verdict {
    /// Accepted, fixed or rejected.
    pub outcome: Outcome,
    /// Messages for the client, in their final form.
    pub warnings: Vec<String>,
    /// Annotations for the API server's audit log, key and value, sorted by key.
    pub audit: Vec<(&'static str, String)>,
}

/// Accepted, fixed or rejected.
#[derive(Debug, Default)]
pub enum Outcome {
    /// Accepted as it is.
    #[default]
    Accepted,
    /// Accepted, with this object (JSON text) in its place.
    Fixed(String),
    /// Rejected.
    Rejected(Rejection),
}

/// Why an object is rejected.
#[derive(Debug, PartialEq, Eq)]
pub struct Rejection {
    /// The HTTP status that the client sees.
    pub code: Code,
    /// The text that the client sees.
    pub message: String,
}

/// The codes of a rejection. 500 is not among them: the audit scanner treats it
/// as an error of the policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// The request or the settings could not be read.
    BadRequest,
    /// A rule rejects the object, or a required look-up is not granted.
    Forbidden,
    /// A look-up failed.
    Unavailable,
}

impl Code {
    /// The HTTP status code.
    #[must_use]
    pub const fn number(self) -> u16 {
        match self {
            Self::BadRequest => 400,
            Self::Forbidden => 403,
            Self::Unavailable => 503,
        }
    }
}

impl Verdict {
    /// A rejection without warnings or audit annotations.
    #[must_use]
    pub fn rejected(code: Code, message: String) -> Self {
        Self { outcome: Outcome::Rejected(Rejection { code, message }), ..Self::default() }
    }
}
