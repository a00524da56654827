// SPDX-License-Identifier: Apache-2.0
//! Code that several rules share.

pub mod cloud;
pub mod java_options;
pub mod permissions;
pub mod tokens;
