// SPDX-License-Identifier: Apache-2.0

//! Which accounts of a cluster hold API tokens, what those allow, and which were ever used.

pub mod log;
