// SPDX-License-Identifier: Apache-2.0

//! The policies and the sets of settings in `examples/`, and the cases for each.

#![expect(clippy::indexing_slicing, reason = "of JSON values: what is missing reads as null")]

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use policy_host::yaml;
use serde_json::{Value, json};

use crate::case::{Case, Host, Mode};
use crate::case_file;

/// A policy of a manifest, or a set of settings.
#[derive(Debug, Clone)]
pub struct Example {
    /// The name of the manifest without its extension; `settings` for a set of settings.
    pub file: String,
    /// The name of the policy or of the set.
    pub name: String,
    /// The policy's manifest; a set of settings has none.
    pub manifest: Option<Value>,
    /// The `spec` of the policy's manifest.
    pub spec: Option<Value>,
    /// The settings.
    pub settings: Value,
    /// How the policy is deployed.
    pub host: Host,
    /// The requests of `e2e-tests/examples.md` that are sent to it.
    requests: Vec<Case>,
}

/// The file with the requests.
const FILE: &str = "e2e-tests/examples.md";

/// All examples of the repository, in the order of the files.
///
/// # Errors
/// If a file cannot be read, or there are requests for an example that does not exist.
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
            requests: Vec::new(),
        });
    }
    let path = repository.join(FILE);
    for mut case in case_file::cases(&path, &fs::read_to_string(&path).context(FILE)?)? {
        let owner = examples.iter_mut().find(|example| {
            let rest = case.name.strip_prefix(&example.id()).and_then(|rest| rest.strip_prefix('/'));
            rest.is_some_and(|rest| !rest.contains('/'))
        });
        let owner = owner.with_context(|| format!("{}: there is no such example", case.location))?;
        case.rule = format!("examples/{}", owner.id());
        case.name = case.name.split_off(owner.id().len() + 1);
        owner.requests.push(case);
    }
    Ok(examples)
}

fn policy(file: String, manifest: Value) -> Result<Example> {
    let spec = &manifest["spec"];
    let name = manifest["metadata"]["name"].as_str().context("a policy without a name")?.to_owned();
    let account = json!({"apiVersion": "v1", "kind": "ServiceAccount"});
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
        requests: Vec::new(),
    })
}

/// Whether a policy receives requests for a resource, `resource` or `resource/subresource`.
#[must_use]
pub fn is_sent(spec: &Value, resource: &str) -> bool {
    let rules = spec["rules"].as_array().into_iter().flatten();
    rules.flat_map(|rule| rule["resources"].as_array().into_iter().flatten()).any(|name| name == resource)
}

impl Example {
    /// `<file>/<policy>`, or `settings/<set>`.
    #[must_use]
    pub fn id(&self) -> String {
        format!("{}/{}", self.file, self.name)
    }

    /// The requests that are sent to it, as cases without settings.
    #[must_use]
    pub fn requests(&self) -> &[Case] {
        &self.requests
    }

    /// Its cases, with its own settings and deployment.
    ///
    /// # Errors
    /// If a case has its own settings, or the policy does not receive its request.
    pub fn cases(&self) -> Result<Vec<Case>> {
        self.requests.iter().map(|request| self.case(request)).collect()
    }

    /// One of its requests, with its own settings and deployment.
    ///
    /// # Errors
    /// If the case has its own settings, or the policy does not receive its request.
    pub fn case(&self, request: &Case) -> Result<Case> {
        let mut case = request.clone();
        ensure!(case.settings == json!({}), "{}: the example has its own settings", case.location);
        let lookup = case.given.host.lookup;
        case.settings = self.settings.clone();
        case.given.host = Host { lookup, ..self.host.clone() };
        if let (Some(spec), Some(request)) = (&self.spec, case.request()?) {
            ensure!(is_matched(spec, &request), "{}: the example is not sent {}", case.location, described(&request));
        }
        Ok(case)
    }
}

fn is_matched(spec: &Value, request: &Value) -> bool {
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
