// SPDX-License-Identifier: Apache-2.0

//! Writes the cases as files, for other programs.
//!
//! ```text
//! cases prepare annotated-policy.wasm FOLDER     writes FOLDER/<case>/... and FOLDER/cases.bats, for `kwctl run`
//! cases compare FOLDER/<case>                    fails if the answer of `kwctl run` is not the expected one
//! cases seeds FOLDER                             writes requests and settings, for fuzzing to start from
//! ```

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use e2e_tests::engine::Engine;
use e2e_tests::{case_file, kwctl, repository};
use serde_json::json;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["prepare", module, folder] => prepare(Path::new(module), Path::new(folder)),
        ["compare", dir] => kwctl::compare(Path::new(dir)),
        ["seeds", folder] => seeds(Path::new(folder)),
        _ => bail!("cases prepare MODULE FOLDER, cases compare FOLDER, or cases seeds FOLDER"),
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

fn seeds(folder: &Path) -> Result<()> {
    for target in ["payload", "settings", "fix_round_trip"] {
        fs::create_dir_all(folder.join(target))?;
    }
    for (name, case) in case_file::load_all(&repository().join("e2e-tests/cases"))? {
        let (name, case) = (name.replace('/', "-"), case?);
        fs::write(folder.join("settings").join(&name), case.settings.to_string())?;
        let Some(request) = case.request()? else { continue };
        let payload = json!({"request": request, "settings": case.settings}).to_string();
        for target in ["payload", "fix_round_trip"] {
            fs::write(folder.join(target).join(&name), &payload)?;
        }
    }
    Ok(())
}
