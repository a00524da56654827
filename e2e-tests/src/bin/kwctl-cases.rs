// SPDX-License-Identifier: Apache-2.0

//! Prepares the cases for `kwctl run`, and compares what it answers. For `e2e.bats`.
//!
//! ```text
//! kwctl-cases prepare annotated-policy.wasm FOLDER     writes FOLDER/<case>/... and FOLDER/cases.bats
//! kwctl-cases compare FOLDER/<case>                    fails where the answer is not the expected one
//! ```

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use e2e_tests::engine::Engine;
use e2e_tests::{kwctl, repository};

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["prepare", module, folder] => prepare(Path::new(module), Path::new(folder)),
        ["compare", dir] => kwctl::compare(Path::new(dir)),
        _ => bail!("kwctl-cases prepare MODULE FOLDER, or kwctl-cases compare FOLDER"),
    }
}

fn prepare(module: &Path, folder: &Path) -> Result<()> {
    let module = module.canonicalize().with_context(|| module.display().to_string())?;
    fs::create_dir_all(folder)?;
    let folder = folder.canonicalize()?;
    let inputs = kwctl::inputs(&repository(), &format!("file://{}", module.display()), &Engine::load()?)?;
    for case in &inputs {
        case.write(&folder, &module)?;
    }
    fs::write(folder.join("cases.bats"), kwctl::bats(&inputs))?;
    println!("{} cases in {}", inputs.len(), folder.display());
    Ok(())
}
