// SPDX-License-Identifier: Apache-2.0

//! `sa-hygiene`: the policy on the command line, without a cluster.

use std::process::ExitCode;

fn main() -> ExitCode {
    sa_hygiene::cli::main()
}
