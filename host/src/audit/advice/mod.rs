// SPDX-License-Identifier: Apache-2.0

//! What follows from a report: patches for what can go, settings for what stays. Nothing here touches the cluster.

mod manifests;
pub mod patches;
pub mod settings;
