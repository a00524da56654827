// SPDX-License-Identifier: Apache-2.0

//! A case folder: what is sent to the policy, and under which circumstances.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use sa_hygiene::apiserver::{ApiServer, RequestOptions};
use sa_hygiene::yaml;
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// The files a case folder may hold.
const FILES: &[&str] =
    &["cluster.yaml", "expect.yaml", "given.yaml", "object.yaml", "old.yaml", "request.json", "settings.yaml"];

/// One folder below `cases/<rule>/`.
#[derive(Debug, Clone)]
pub struct Case {
    /// The folder above: a rule's id, or `core`.
    pub rule: String,
    /// The folder's own name.
    pub name: String,
    /// Where it is.
    pub dir: PathBuf,
    /// What is judged.
    pub subject: Option<Subject>,
    /// `old.yaml`: the object as stored, which makes the request an UPDATE.
    pub old: Option<Value>,
    /// `settings.yaml`.
    pub settings: Value,
    /// `cluster.yaml`: what look-ups find and what the simulated API server knows.
    pub cluster: Vec<Value>,
    /// `given.yaml`.
    pub given: Given,
    given_document: Value,
}

/// What is judged. A case without one is about its settings alone.
#[derive(Debug, Clone)]
pub enum Subject {
    /// `request.json`: an `AdmissionRequest`, or the `AdmissionReview` around one, sent as it is.
    Request(Value),
    /// `object.yaml`: an object as a user writes it, sent through the simulated API server.
    Object(Value),
}

/// `given.yaml`: circumstances.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Given {
    /// The object is not sent through the simulated API server: the audit, for example.
    pub raw: bool,
    /// The API server is `OpenShift`'s.
    pub openshift: bool,
    /// Fields that replace those of the `AdmissionRequest`.
    pub request: Map<String, Value>,
    /// The deployment.
    pub host: Host,
}

/// How the policy is deployed, and how look-ups end.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Host {
    /// `spec.mode`.
    pub mode: Mode,
    /// `spec.mutating`.
    pub mutating: bool,
    /// Whether the policy was granted `v1/ServiceAccount`.
    pub context_aware_resources: bool,
    /// What the API server says to look-ups.
    pub lookup: Lookup,
    /// What the API server says to reviews.
    pub reviews: Lookup,
}

impl Default for Host {
    fn default() -> Self {
        Self {
            mode: Mode::Protect,
            mutating: true,
            context_aware_resources: true,
            lookup: Lookup::Granted,
            reviews: Lookup::Granted,
        }
    }
}

/// The policy's mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// The verdict holds.
    Protect,
    /// Everything is accepted unchanged.
    Monitor,
}

/// What the API server says to look-ups.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Lookup {
    /// The account, or that there is none.
    Granted,
    /// RBAC does not let the policy server read accounts.
    Forbidden,
    /// Nothing.
    Unavailable,
}

/// Every case below `root`, sorted, each read or with what is wrong with it.
///
/// # Errors
/// When a folder cannot be read, or a file is where folders belong.
pub fn find_all(root: &Path) -> Result<Vec<(String, Result<Case>)>> {
    let mut cases = Vec::new();
    for rule in folders(root)? {
        for dir in folders(&rule)? {
            let name = format!("{}/{}", file_name(&rule), file_name(&dir));
            cases.push((name.clone(), Case::load(&dir).with_context(|| name)));
        }
    }
    Ok(cases)
}

fn folders(dir: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).with_context(|| format!("cannot read {}", dir.display()))? {
        let path = entry?.path();
        ensure!(path.is_dir(), "{} is no folder", path.display());
        found.push(path);
    }
    found.sort();
    Ok(found)
}

fn file_name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

impl Case {
    /// Reads a folder.
    ///
    /// # Errors
    /// When a file of it cannot be read, or does not belong there.
    pub fn load(dir: &Path) -> Result<Self> {
        for entry in fs::read_dir(dir)? {
            let name = file_name(&entry?.path());
            ensure!(FILES.contains(&name.as_str()), "unknown file {name}; a case has {}", FILES.join(", "));
        }
        let subject = match (read_one(dir, "request.json")?, read_one(dir, "object.yaml")?) {
            (Some(_), Some(_)) => bail!("request.json and object.yaml exclude each other"),
            (Some(request), None) => Some(Subject::Request(request)),
            (None, Some(object)) => Some(Subject::Object(object)),
            (None, None) => None,
        };
        let given_document = read_one(dir, "given.yaml")?.unwrap_or_else(|| json!({}));
        Ok(Self {
            rule: dir.parent().map(file_name).unwrap_or_default(),
            name: file_name(dir),
            dir: dir.to_owned(),
            subject,
            old: read_one(dir, "old.yaml")?,
            settings: read_one(dir, "settings.yaml")?.unwrap_or_else(|| json!({})),
            cluster: read_all(dir, "cluster.yaml")?,
            given: serde_json::from_value(given_document.clone()).context("given.yaml")?,
            given_document,
        })
    }

    /// Everything that goes in, as one document.
    #[must_use]
    pub fn inputs(&self) -> Value {
        let (request, object) = match &self.subject {
            Some(Subject::Request(request)) => (Some(request), None),
            Some(Subject::Object(object)) => (None, Some(object)),
            None => (None, None),
        };
        json!({
            "request": request,
            "object": object,
            "old": self.old,
            "settings": self.settings,
            "cluster": self.cluster,
            "given": self.given_document,
        })
    }

    /// An API server that knows the cluster.
    #[must_use]
    pub fn api_server(&self) -> ApiServer {
        ApiServer::new(&self.cluster)
    }

    /// How the request reaches it.
    ///
    /// # Errors
    /// When `given.yaml` names a user that is none.
    pub fn request_options(&self) -> Result<RequestOptions> {
        let given = |key: &str| self.given.request.get(key);
        let text = |key: &str| given(key).and_then(Value::as_str).map(str::to_owned);
        let user = match given("userInfo") {
            Some(user) => Some(serde_json::from_value(user.clone()).context("given.yaml: request.userInfo")?),
            None => None,
        };
        Ok(RequestOptions {
            namespace: text("namespace"),
            name: text("name"),
            old_object: self.old.clone(),
            user,
            sub_resource: text("subResource"),
            dry_run: given("dryRun").and_then(Value::as_bool).unwrap_or_default(),
            openshift: self.given.openshift,
            ..RequestOptions::default()
        })
    }

    /// The `AdmissionRequest`; none for a case that is about its settings alone.
    ///
    /// # Errors
    /// When the API server refuses the object before any webhook sees it.
    pub fn request(&self) -> Result<Option<Value>> {
        let mut request = match &self.subject {
            None => return Ok(None),
            Some(Subject::Request(review)) => review.get("request").unwrap_or(review).clone(),
            Some(Subject::Object(object)) if self.given.raw => {
                ApiServer::raw_request(object.clone(), &self.request_options()?)?
            }
            Some(Subject::Object(object)) => {
                let admitted = self.api_server().request(object.clone(), &self.request_options()?);
                admitted.context("the API server refuses the object before any webhook sees it")?
            }
        };
        let is_simulated = matches!(self.subject, Some(Subject::Object(_))) && !self.given.raw;
        let fields = request.as_object_mut().context("the request is no object")?;
        // The simulated API server was given the user already.
        let given = self.given.request.iter().filter(|(key, _)| !is_simulated || *key != "userInfo");
        fields.extend(given.map(|(key, value)| (key.clone(), value.clone())));
        Ok(Some(request))
    }
}

fn read_all(dir: &Path, name: &str) -> Result<Vec<Value>> {
    let path = dir.join(name);
    if !path.exists() {
        return Ok(Vec::new());
    }
    let documents = yaml::load_str(&fs::read_to_string(path)?, name)?;
    Ok(documents.into_iter().map(|document| document.value).collect())
}

fn read_one(dir: &Path, name: &str) -> Result<Option<Value>> {
    let mut documents = read_all(dir, name)?;
    ensure!(documents.len() <= 1, "{name} has more than one document");
    Ok(documents.pop())
}
