// SPDX-License-Identifier: Apache-2.0

//! A case: what is sent to the policy, under which circumstances, and what the policy must answer.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use policy_host::apiserver::{ApiServer, RequestOptions};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::expectation::{Expectation, Expected};

/// One case of a case file.
#[derive(Debug, Clone)]
pub struct Case {
    /// The name of the file without its extension: a rule's ID, or a topic.
    pub rule: String,
    /// Its name in the file.
    pub name: String,
    /// Its location in the file.
    pub location: Location,
    /// The object or request that is sent.
    pub subject: Option<Subject>,
    /// The stored object; it makes the request an UPDATE.
    pub old: Option<Value>,
    /// The policy's settings.
    pub settings: Value,
    /// The objects that look-ups find and that the simulated API server knows.
    pub cluster: Vec<Value>,
    /// The circumstances.
    pub given: Given,
    /// The circumstances as written in the file.
    pub given_document: Value,
    /// What the policy must answer; none for a case that was never blessed.
    pub expected: Option<Expected>,
}

/// The location of a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    /// The file.
    pub path: PathBuf,
    /// The titles of its heading and of those above it, except the first.
    pub section: String,
    /// The line, 1-based.
    pub line: usize,
}

/// The object or request that is sent. A case without one only tests its settings.
#[derive(Debug, Clone)]
pub enum Subject {
    /// An `AdmissionRequest`, or an `AdmissionReview` with one, sent unchanged.
    Request(Value),
    /// An object as a user writes it, sent through the simulated API server.
    Object(Value),
}

/// The keys of `given`.
const GIVEN: &[&str] = &["raw", "openshift", "request", "host"];

/// The keys of `given.host`.
const HOST: &[&str] = &["mode", "mutating", "contextAwareResources", "lookup", "reviews"];

/// The keys of `given.request`: the fields of an `AdmissionRequest`
/// (<https://pkg.go.dev/k8s.io/api/admission/v1#AdmissionRequest>).
const REQUEST: &[&str] = &[
    "uid",
    "kind",
    "resource",
    "subResource",
    "requestKind",
    "requestResource",
    "requestSubResource",
    "name",
    "namespace",
    "operation",
    "userInfo",
    "object",
    "oldObject",
    "dryRun",
    "options",
];

/// The circumstances of a request.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Given {
    /// The object is not sent through the simulated API server, as in the background audit.
    pub raw: bool,
    /// The API server is that of `OpenShift`.
    pub openshift: bool,
    /// Fields that replace those of the `AdmissionRequest`.
    pub request: Map<String, Value>,
    /// How the policy is deployed.
    pub host: Host,
}

/// How the policy is deployed, and what its look-ups return.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub struct Host {
    /// `spec.mode`.
    pub mode: Mode,
    /// `spec.mutating`.
    pub mutating: bool,
    /// Whether the policy was granted `v1/ServiceAccount`.
    pub context_aware_resources: bool,
    /// The API server's answer to look-ups.
    pub lookup: Lookup,
    /// The API server's answer to access reviews.
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
    /// The verdict is enforced.
    Protect,
    /// Everything is accepted unchanged.
    Monitor,
}

/// The API server's answer to look-ups.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Lookup {
    /// The account, or that it does not exist.
    Granted,
    /// RBAC does not allow the policy server to read accounts.
    Forbidden,
    /// The API server cannot be reached.
    Unavailable,
}

impl Case {
    /// `<rule>/<name>`.
    #[must_use]
    pub fn full_name(&self) -> String {
        format!("{}/{}", self.rule, self.name)
    }

    /// What the policy must answer; none for a case that was never blessed.
    ///
    /// # Errors
    /// If the expected object is a merge patch, and the request has no object.
    pub fn expectation(&self) -> Result<Option<Expectation>> {
        let Some(expected) = &self.expected else { return Ok(None) };
        expected
            .resolve(|| Ok(self.request()?.and_then(|mut request| request.get_mut("object").map(Value::take))))
            .map(Some)
    }

    /// All inputs, as one document.
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

    /// A simulated API server that knows the objects of the cluster.
    #[must_use]
    pub fn api_server(&self) -> ApiServer {
        ApiServer::new(&self.cluster)
    }

    /// How the request reaches the simulated API server.
    ///
    /// # Errors
    /// If `given.request.userInfo` is not a valid user.
    pub fn request_options(&self) -> Result<RequestOptions> {
        let given = |key: &str| self.given.request.get(key);
        let text = |key: &str| given(key).and_then(Value::as_str).map(str::to_owned);
        let user = match given("userInfo") {
            Some(user) => Some(serde_json::from_value(user.clone()).context("given: request.userInfo")?),
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

    /// The `AdmissionRequest`; none for a case that only tests its settings.
    ///
    /// # Errors
    /// If the API server rejects the object before it calls webhooks.
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
        let fields = request.as_object_mut().context("the request is not an object")?;
        // The simulated API server has already received the user.
        let given = self.given.request.iter().filter(|(key, _)| !is_simulated || *key != "userInfo");
        fields.extend(given.map(|(key, value)| (key.clone(), value.clone())));
        Ok(Some(request))
    }
}

/// Reads the circumstances.
///
/// # Errors
/// If a key is unknown, or a value has the wrong type.
pub fn read_given(document: &Value) -> Result<Given, String> {
    check_keys(document, "", GIVEN)?;
    check_keys(document.get("host").unwrap_or(&Value::Null), "host.", HOST)?;
    check_keys(document.get("request").unwrap_or(&Value::Null), "request.", REQUEST)?;
    serde_json::from_value(document.clone()).map_err(|error| error.to_string())
}

/// Checks that a mapping has no other keys.
///
/// # Errors
/// The first unknown key.
pub fn check_keys(document: &Value, prefix: &str, known: &[&str]) -> Result<(), String> {
    let mut keys = document.as_object().into_iter().flat_map(Map::keys);
    match keys.find(|key| !known.contains(&key.as_str())) {
        Some(key) => Err(format!("unknown key `{prefix}{key}`{}", did_you_mean(key, known))),
        None => Ok(()),
    }
}

/// The end of a message about an unknown word: a suggestion, if there is one.
#[must_use]
pub fn did_you_mean(word: &str, known: &[&str]) -> String {
    // Accept one typo in a short word, and two in a longer one.
    let most = if word.len() < 6 { 1 } else { 2 };
    let near = known.iter().map(|known| (strsim::damerau_levenshtein(word, known), known));
    match near.min_by_key(|(distance, _)| *distance) {
        Some((distance, known)) if distance <= most => format!("; did you mean `{known}`?"),
        _ => format!("; one of {}", known.join(", ")),
    }
}

/// A path for messages: relative to the root of the repository.
#[must_use]
pub fn shown(path: &Path) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
    let inside = root.and_then(|root| path.strip_prefix(root).ok()).unwrap_or(path);
    inside.display().to_string()
}

impl std::fmt::Display for Location {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", shown(&self.path), self.line)
    }
}
