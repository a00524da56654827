// SPDX-License-Identifier: Apache-2.0
//! Comparing text with patterns, with known words, and with the grammars of
//! names.

pub mod account;
pub mod closest;
pub mod dns;
pub mod glob;
