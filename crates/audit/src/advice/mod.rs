// SPDX-License-Identifier: Apache-2.0

//! Files for the recommendations of a report: patches that remove tokens, settings that keep others. The cluster is not
//! changed.

mod manifests;
pub mod patches;
pub mod settings;
