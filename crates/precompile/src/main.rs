// SPDX-License-Identifier: Apache-2.0

//! `precompile TARGET WASM OUTPUT` writes the machine code of a policy for [`policy_precompile::file`]'s readers.

use std::env;
use std::path::PathBuf;

use anyhow::{Context as _, Result, anyhow};

fn main() -> Result<()> {
    let arguments: Vec<_> = env::args_os().skip(1).collect();
    let [target, wasm, output] = arguments.as_slice() else {
        return Err(anyhow!("usage: precompile TARGET WASM OUTPUT"));
    };
    let target = target.to_str().context("TARGET is not a target triple")?;
    let [wasm, output] = [wasm, output].map(PathBuf::from);
    let module = std::fs::read(&wasm).with_context(|| wasm.display().to_string())?;
    let file = policy_precompile::file(&module, target)?;
    std::fs::write(&output, file).with_context(|| output.display().to_string())
}
