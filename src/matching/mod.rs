// SPDX-License-Identifier: Apache-2.0
//! Comparing text with patterns and with known words.

pub mod account;
pub mod closest;
pub mod glob;
