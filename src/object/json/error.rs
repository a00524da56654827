// SPDX-License-Identifier: Apache-2.0
//! Why a document could not be read.

use std::fmt;

/// Why a document could not be read. Contains no value of the document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReadError {
    /// A value of the wrong kind.
    Kind {
        /// Where, e.g. `spec.containers[2].name`.
        path: String,
        /// The kind that was wanted, with its article.
        wanted: &'static str,
        /// The kind that was found, with its article.
        found: &'static str,
    },
    /// A key that occurs twice in one object.
    Twice {
        /// The path of the key.
        path: String,
    },
    /// Not JSON at all.
    Broken {
        /// Bytes from the start of the document to the error.
        offset: usize,
    },
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kind { path, wanted, found } => {
                f.write_str(path)?;
                f.write_str(": must be ")?;
                f.write_str(wanted)?;
                f.write_str(", is ")?;
                f.write_str(found)
            }
            Self::Twice { path } => {
                f.write_str(path)?;
                f.write_str(": appears twice")
            }
            Self::Broken { offset } => write!(f, "broken JSON at byte {offset}"),
        }
    }
}

impl ReadError {
    /// Puts a step in front of the path.
    #[must_use]
    pub fn inside(mut self: Box<Self>, step: &[&str]) -> Box<Self> {
        if let Self::Kind { path, .. } | Self::Twice { path } = &mut *self {
            path.insert_str(0, &step.concat());
        }
        self
    }

    /// Puts the index of a list entry in front of the path.
    #[cold]
    #[must_use]
    pub fn in_entry(self: Box<Self>, index: usize) -> Box<Self> {
        self.inside(&["[", &index.to_string(), "]"])
    }
}

/// The kinds of values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `{}`
    Object,
    /// `[]`
    List,
    /// `""`
    String,
    /// `true` or `false`
    Boolean,
    /// `null`
    Null,
    /// Anything else, which is a number if it is JSON.
    Number,
}

impl Kind {
    /// Its name, with the article.
    #[must_use]
    pub const fn noun(self) -> &'static str {
        match self {
            Self::Object => "an object",
            Self::List => "a list",
            Self::String => "a string",
            Self::Boolean => "a boolean",
            Self::Null => "null",
            Self::Number => "a number",
        }
    }
}

/// A result of reading a document. The error is boxed, because it is rare.
pub type Read<T> = Result<T, Box<ReadError>>;
