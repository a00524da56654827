// SPDX-License-Identifier: Apache-2.0
//! The input and output of a review: requests, their subjects, verdicts, responses.

pub mod diagnostics;
pub mod payload;
pub mod request;
pub mod response;
pub mod subject;
pub mod verdict;
