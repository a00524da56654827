// SPDX-License-Identifier: Apache-2.0
//! What several rules need.

pub mod cloud;
pub mod java_options;
pub mod permissions;
pub mod tokens;
