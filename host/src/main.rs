// SPDX-License-Identifier: Apache-2.0

//! `sa-hygiene`: the policy on the command line, without a cluster.

use std::process::ExitCode;

/// A third of what `check` takes for many objects was the system's allocator (docs/performance.md).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    sa_hygiene::cli::main()
}
