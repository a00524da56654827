// SPDX-License-Identifier: Apache-2.0

//! Writes the built-in module, or another build of it, with the metadata that `kwctl annotate` would add
//! (`crates/policy-evaluator/src/policy_metadata.rs` of <https://github.com/kubewarden/kubewarden-controller>).

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::{env, fs};

use anyhow::{Context as _, Result};
use policy_host::yaml;
use serde_json::Value;
use wasm_encoder::{CustomSection, Encode as _, Section as _};

/// The path of another build of the module, without metadata, for measurements before and after a change.
pub const POLICY_WASM_FILE: &str = "POLICY_WASM";

const SECTION: &str = "io.kubewarden.metadata";

/// Writes the module, with the metadata of the repository's `metadata.yml`, into a folder.
///
/// # Errors
/// If a file cannot be read or written, including the one that `POLICY_WASM` names.
pub fn write(repository: &Path, folder: &Path) -> Result<PathBuf> {
    let mut metadata = yaml::load_file(repository.join("metadata.yml"))?.pop().context("metadata.yml is empty")?.value;
    if let Some(fields) = metadata.as_object_mut() {
        // The module's own answer to `protocol_version`.
        fields.insert("protocolVersion".to_owned(), "v1".into());
    }
    let wasm = match env::var_os(POLICY_WASM_FILE) {
        Some(file) => Cow::Owned(fs::read(&file).with_context(|| format!("{POLICY_WASM_FILE}: {}", file.display()))?),
        None => Cow::Borrowed(policy_module::WASM),
    };
    let path = folder.join("policy.wasm");
    fs::write(&path, annotate(&wasm, &metadata)?)?;
    Ok(path)
}

/// A module may have custom sections anywhere.
fn annotate(wasm: &[u8], metadata: &Value) -> Result<Vec<u8>> {
    let section = CustomSection { name: SECTION.into(), data: Cow::Owned(serde_json::to_vec(metadata)?) };
    let mut module = wasm.to_vec();
    module.push(section.id());
    section.encode(&mut module);
    Ok(module)
}
