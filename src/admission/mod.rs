// SPDX-License-Identifier: Apache-2.0
//! The edges of a review: what is asked, about what, and what is answered.

pub mod diagnostics;
pub mod payload;
pub mod request;
pub mod response;
pub mod subject;
pub mod verdict;
