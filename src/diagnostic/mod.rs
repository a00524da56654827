// SPDX-License-Identifier: Apache-2.0
//! Diagnostics: what a rule says about one field of an object.
//!
//! A leaf: it knows no rule, no setting and no object.

pub mod field_path;
pub mod finding;
