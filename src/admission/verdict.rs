// SPDX-License-Identifier: Apache-2.0
//! What the policy says about a request. A rejection cannot carry an object.

/// The outcome of a review.
#[derive(Debug, Default)]
pub struct Verdict {
    /// Accepted, fixed or rejected.
    pub outcome: Outcome,
    /// Texts for whoever sent the request, in their final form.
    pub warnings: Vec<String>,
    /// Marks for the API server's audit log, key and value, sorted by key.
    pub audit: Vec<(&'static str, String)>,
}

/// Accepted, fixed or rejected.
#[derive(Debug, Default)]
pub enum Outcome {
    /// As it is.
    #[default]
    Accepted,
    /// With this object (JSON text) in its place.
    Fixed(String),
    /// Not at all.
    Rejected(Rejection),
}

/// Why not.
#[derive(Debug, PartialEq, Eq)]
pub struct Rejection {
    /// The HTTP status that the client sees.
    pub code: Code,
    /// The text that the client sees.
    pub message: String,
}

/// The codes of a rejection. 500 is not among them: the audit scanner takes it
/// for an error of the policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// The request or the settings could not be read.
    BadRequest,
    /// A rule says no.
    Forbidden,
    /// The cluster did not answer a look-up.
    Unavailable,
}

impl Code {
    /// The number.
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
    /// A rejection and nothing else.
    #[must_use]
    pub fn rejected(code: Code, message: String) -> Self {
        Self { outcome: Outcome::Rejected(Rejection { code, message }), ..Self::default() }
    }
}
