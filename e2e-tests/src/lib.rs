// SPDX-License-Identifier: Apache-2.0

//! Cases as data: inputs, expected results, and the number of differences between two cases.
//!
//! A case is a section of a Markdown file in `cases/`; `README.md` describes the format.

pub mod case;
pub mod case_file;
#[cfg(feature = "cluster")]
pub mod cluster;
pub mod counted;
pub mod difference;
pub mod engine;
pub mod examples;
pub mod exceptions;
pub mod expectation;
pub mod kwctl;

use std::path::{Path, PathBuf};

/// The root of the repository.
#[must_use]
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or_else(|| Path::new("..")).to_owned()
}
