// SPDX-License-Identifier: Apache-2.0

//! Collects the pages of the rules, which `sa-hygiene explain` prints.

use std::env;
use std::path::{Path, PathBuf};
use std::process::exit;

fn main() {
    println!("cargo::rustc-env=SA_HYGIENE_TARGET={}", variable("TARGET").display());
    if let Err(error) = collect_pages() {
        println!("cargo::error=docs/rules: {error}");
        exit(1)
    }
}

/// The pages of the rules, as a table of names and `include_str!`.
fn collect_pages() -> std::io::Result<()> {
    let folder = Path::new(&variable("CARGO_MANIFEST_DIR")).join("../docs/rules").canonicalize()?;
    println!("cargo::rerun-if-changed=../docs/rules");
    let mut pages: Vec<PathBuf> =
        folder.read_dir()?.map(|entry| entry.map(|it| it.path())).collect::<Result<_, _>>()?;
    pages.retain(|page| page.extension().is_some_and(|extension| extension == "md"));
    pages.sort();
    let rows = pages.iter().filter_map(|page| {
        Some(format!("    ({:?}, include_str!({:?})),\n", page.file_stem()?.to_str()?, page.to_str()?))
    });
    std::fs::write(
        Path::new(&variable("OUT_DIR")).join("rule_pages.rs"),
        format!("&[\n{}]\n", rows.collect::<String>()),
    )
}

fn variable(name: &str) -> std::ffi::OsString {
    env::var_os(name).unwrap_or_default()
}
