// SPDX-License-Identifier: Apache-2.0

//! What the policy is measured with, and what it may cost. The program `policy-tools` and the end-to-end tests use it.

#![expect(clippy::missing_errors_doc, reason = "errors mean that a file of this source tree is invalid")]

pub mod budgets;
pub mod subjects;
