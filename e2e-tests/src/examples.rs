// SPDX-License-Identifier: Apache-2.0

//! The policies and the sets of settings in `examples/`, and the cases that are run through each.

#![expect(clippy::indexing_slicing, reason = "of JSON values: what is missing reads as null")]

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use sa_hygiene::yaml;
use serde_json::Value;

use crate::case::{Case, Host, Mode};

/// A policy of a manifest, or a set of settings.
#[derive(Debug, Clone)]
pub struct Example {
    /// The manifest's name without its ending; `settings` for a set of settings.
    pub file: String,
    /// The policy's name, or the set's.
    pub name: String,
    /// The policy's manifest; a set of settings has none.
    pub manifest: Option<Value>,
    /// What the policy's manifest says.
    pub spec: Option<Value>,
    /// The settings.
    pub settings: Value,
    /// How the policy is deployed.
    pub host: Host,
}

/// Every example of the repository, in the order of the files.
///
/// # Errors
/// When a file cannot be read.
pub fn find_all(repository: &Path) -> Result<Vec<Example>> {
    let mut examples = Vec::new();
    for path in files(&repository.join("examples"))? {
        for document in yaml::load_file(&path)? {
            let manifest = document.value;
            if manifest["kind"].as_str().is_some_and(|kind| kind.ends_with("AdmissionPolicy")) {
                examples.push(policy(stem(&path), manifest)?);
            }
        }
    }
    for path in files(&repository.join("examples/settings"))? {
        let mut documents = yaml::load_file(&path)?;
        let settings = documents.pop().map(|document| document.value).unwrap_or_default();
        examples.push(Example {
            file: "settings".to_owned(),
            name: stem(&path),
            manifest: None,
            spec: None,
            settings,
            host: Host::default(),
        });
    }
    Ok(examples)
}

fn policy(file: String, manifest: Value) -> Result<Example> {
    let spec = &manifest["spec"];
    let name = manifest["metadata"]["name"].as_str().context("a policy without a name")?.to_owned();
    let account = serde_json::json!({"apiVersion": "v1", "kind": "ServiceAccount"});
    Ok(Example {
        file,
        name,
        settings: spec["settings"].clone(),
        host: Host {
            mode: if spec["mode"] == "monitor" { Mode::Monitor } else { Mode::Protect },
            mutating: spec["mutating"] == true,
            context_aware_resources: spec["contextAwareResources"]
                .as_array()
                .is_some_and(|resources| resources.contains(&account)),
            ..Host::default()
        },
        spec: Some(spec.clone()),
        manifest: Some(manifest),
    })
}

/// Whether a policy is sent requests about a resource, `resource` or `resource/subresource`.
#[must_use]
pub fn is_sent(spec: &Value, resource: &str) -> bool {
    let rules = spec["rules"].as_array().into_iter().flatten();
    rules.flat_map(|rule| rule["resources"].as_array().into_iter().flatten()).any(|name| name == resource)
}

impl Example {
    /// Where its cases are.
    #[must_use]
    pub fn folder(&self, repository: &Path) -> PathBuf {
        repository.join("e2e-tests/examples").join(&self.file).join(&self.name)
    }

    /// The folders of its cases, sorted; none where there is no folder.
    ///
    /// # Errors
    /// When a folder cannot be read.
    pub fn cases(&self) -> Result<Vec<PathBuf>> {
        let folder = self.folder(&Path::new(env!("CARGO_MANIFEST_DIR")).join(".."));
        if !folder.is_dir() {
            return Ok(Vec::new());
        }
        let mut cases = Vec::new();
        for entry in fs::read_dir(folder)? {
            cases.push(entry?.path());
        }
        cases.sort();
        Ok(cases)
    }

    /// The full name of a case of it: `examples/<file>/<policy>/<case>`.
    #[must_use]
    pub fn name_of(&self, case: &Case) -> String {
        format!("examples/{}/{}/{}", self.file, self.name, case.name)
    }

    /// A case of it, under its own settings and deployment.
    ///
    /// # Errors
    /// When the case cannot be read, brings settings or a deployment of its own, or is about a request that the policy is
    /// not sent.
    pub fn case(&self, dir: &Path) -> Result<Case> {
        let mut case = Case::load(dir)?;
        ensure!(!dir.join("settings.yaml").exists(), "the example has its own settings");
        let lookup = case.given.host.lookup;
        case.settings = self.settings.clone();
        case.given.host = Host { lookup, ..self.host.clone() };
        if let (Some(spec), Some(request)) = (&self.spec, case.request()?) {
            ensure!(is_asked(spec, &request), "the example is not sent {}", described(&request));
        }
        Ok(case)
    }
}

fn is_asked(spec: &Value, request: &Value) -> bool {
    let has = |rule: &Value, key: &str, wanted: &str| {
        rule[key].as_array().is_some_and(|list| list.iter().any(|it| it == wanted))
    };
    let text = |pointer: &str| request.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let resource = match text("/subResource") {
        "" => text("/resource/resource").to_owned(),
        sub => format!("{}/{sub}", text("/resource/resource")),
    };
    spec["rules"].as_array().into_iter().flatten().any(|rule| {
        has(rule, "apiGroups", text("/resource/group"))
            && has(rule, "apiVersions", text("/resource/version"))
            && has(rule, "resources", &resource)
            && has(rule, "operations", text("/operation"))
    })
}

fn described(request: &Value) -> String {
    format!("{} {} {}", request["operation"], request["resource"], request["subResource"])
}

fn stem(path: &Path) -> String {
    path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default()
}

fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "yaml") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}
