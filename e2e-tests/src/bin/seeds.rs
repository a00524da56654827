// SPDX-License-Identifier: Apache-2.0

//! Writes what the cases send as files, for fuzzing to start from: `seeds FOLDER`.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use e2e_tests::case_file;
use serde_json::json;

fn main() -> Result<()> {
    let folder = std::env::args_os().nth(1).context("which folder?")?;
    let folder = Path::new(&folder);
    for target in ["payload", "settings", "fix_round_trip"] {
        fs::create_dir_all(folder.join(target))?;
    }
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("cases");
    for (name, case) in case_file::load_all(&cases)? {
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
