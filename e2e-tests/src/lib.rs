// SPDX-License-Identifier: Apache-2.0

//! Cases as data: what goes in, what must come out, and how two of them differ.
//!
//! A case is a folder `cases/<rule>/<case>/`; `README.md` beside it says what is in it.

pub mod case;
#[cfg(feature = "cluster")]
pub mod cluster;
pub mod counted;
pub mod difference;
pub mod engine;
pub mod examples;
pub mod exceptions;
pub mod expectation;
pub mod kwctl;
