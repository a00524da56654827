// SPDX-License-Identifier: Apache-2.0

//! Applies every manifest of `examples/` with strict validation against Kubewarden's own definitions.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use policy_host::cluster::files_below;
use policy_host::yaml;
use serde_json::Value;

use super::api::Api;
use super::preparation::define;
use super::report::Outcome;

/// A file or folder with Kubewarden's `CustomResourceDefinitions`: `charts/kubewarden-crds/templates/crds` of
/// <https://github.com/kubewarden/kubewarden-controller>.
pub const KUBEWARDEN_CRDS: &str = "KUBEWARDEN_CRDS";

/// The path of the definitions, if the variable is set.
#[must_use]
pub fn definitions() -> Option<PathBuf> {
    env::var_os(KUBEWARDEN_CRDS).filter(|path| !path.is_empty()).map(PathBuf::from)
}

/// Applies each manifest as a dry run.
///
/// # Errors
/// If the definitions or a manifest cannot be read.
pub fn run(repository: &Path, api: &Api, definitions: &Path) -> Result<Vec<Outcome>> {
    let mut found = Vec::new();
    for file in files_below(definitions)? {
        let documents = yaml::load_file(&file)?.into_iter().map(|document| document.value);
        found.extend(documents.filter(|document| kind(document) == "CustomResourceDefinition"));
    }
    ensure!(!found.is_empty(), "{KUBEWARDEN_CRDS}: no CustomResourceDefinition in {}", definitions.display());
    define(api, found.iter())?;
    let discovery = api.discover()?;
    let mut outcomes = Vec::new();
    let mut files = Vec::new();
    for folder in ["examples", "examples/components/policy-server"] {
        for entry in fs::read_dir(repository.join(folder))? {
            files.push(entry?.path());
        }
    }
    files.sort();
    for file in files.iter().filter(|file| file.extension().is_some_and(|extension| extension == "yaml")) {
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        // Values of charts have no kind.
        let manifests = yaml::load_file(file)?.into_iter().map(|document| document.value);
        for manifest in manifests.filter(|manifest| !matches!(kind(manifest), "" | "Kustomization" | "Component")) {
            let apply = || -> Result<()> {
                let namespace = manifest.pointer("/metadata/namespace").and_then(Value::as_str);
                namespace.map_or(Ok(()), |namespace| api.ensure_namespace(namespace))?;
                let path = discovery.path(&manifest)?;
                let query = "dryRun=All&fieldValidation=Strict&fieldManager=sa-hygiene&force=true";
                api.apply(&format!("{path}?{query}"), &manifest)?.success().with_context(|| path)?;
                Ok(())
            };
            let outcome = apply();
            outcomes.push(Outcome::of(&format!("{name}: {}", kind(&manifest)), outcome));
        }
    }
    Ok(outcomes)
}

fn kind(object: &Value) -> &str {
    object.get("kind").and_then(Value::as_str).unwrap_or_default()
}
