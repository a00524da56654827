// SPDX-License-Identifier: Apache-2.0

//! Everything that is needed to run the policy without a cluster: an embedded Kubewarden host, a simulated API server, the
//! loader that reads files as kubectl does, and the checks of manifests on top of them.

#![expect(
    clippy::missing_errors_doc,
    clippy::must_use_candidate,
    reason = "a tool and its test kit: what fails is said by the error, and nothing here is called for its effects"
)]

pub mod apiserver;
pub mod check;
pub mod cluster;
pub mod diff;
pub mod docs;
pub mod json;
pub mod kubewarden;
pub mod ownership;
pub mod rbac;
pub mod shown;
pub mod yaml;

#[cfg(test)]
mod testing;
