// SPDX-License-Identifier: Apache-2.0

//! `sa-hygiene`: the policy on the command line, without a cluster.

use std::process::ExitCode;

/// Makes `check` faster for many objects than the system's allocator (docs/performance.md).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    sa_hygiene::cli::main()
}
