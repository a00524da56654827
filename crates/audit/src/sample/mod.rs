// SPDX-License-Identifier: Apache-2.0

//! Generated clusters and audit logs: the example in `examples/audit`, and large ones for measurements.

mod cluster;
mod events;
mod example;
mod large;

pub use example::{example_cluster, example_log};
pub use large::{large_cluster, write_log};
