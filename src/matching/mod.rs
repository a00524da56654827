// SPDX-License-Identifier: Apache-2.0
//! Comparing text with patterns and with near misses.

pub mod account;
pub mod chunk;
pub mod closest;
pub mod cut;
pub mod glob;
pub mod names;
pub mod word;
