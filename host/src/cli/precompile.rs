// SPDX-License-Identifier: Apache-2.0

//! `sa-hygiene precompile`: what the compiler makes of the built-in policy, for the next build of this program.

use std::path::PathBuf;

use anyhow::{Context as _, Result};

use super::Outcome;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The file to write; `SA_HYGIENE_COMPILED` names it to the build
    output: PathBuf,
}

pub(super) fn run(args: &Args) -> Result<Outcome> {
    let compiled = crate::precompiled()?;
    std::fs::write(&args.output, compiled).with_context(|| crate::shown::path(&args.output))?;
    Ok(Outcome::AllAccepted)
}
