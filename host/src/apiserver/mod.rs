// SPDX-License-Identifier: Apache-2.0

//! A simulated API server: processes an object before a webhook receives it and after a webhook patched it, as far as tokens
//! are concerned.
//!
//! Pure functions on JSON. The behavior follows these files of
//! <https://github.com/kubernetes/kubernetes>:
//!
//! | here | there |
//! |---|---|
//! | [`envelope`] | `staging/src/k8s.io/apiserver/pkg/endpoints/handlers/create.go`, `.../admission/plugin/webhook/request/admissionreview.go` |
//! | [`defaulting`] | `pkg/apis/core/v1/{conversion,defaults}.go` |
//! | [`encoding`] | `staging/src/k8s.io/api/*/v1/types.go` |
//! | [`service_account_plugin`] | `plugin/pkg/admission/serviceaccount/admission.go` |
//! | [`pod_validation`] | `pkg/apis/core/validation/validation.go` |
//!
//! [`webhooks`] follows the documentation of other projects.

mod claims;
mod defaulting;
mod encoding;
mod envelope;
mod error;
mod kinds;
mod node;
mod path;
mod pod_validation;
mod service_account_plugin;
mod webhooks;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use error::ApiError;
pub use webhooks::Webhook;

use crate::json::text_at;
use encoding::Origin;
use envelope::Target;
use service_account_plugin::{Account, Plugin};

/// What the API server knows besides the object of a request.
///
/// Every namespace has a `default` account without fields, unless one was given.
#[derive(Debug, Clone, Default)]
pub struct ApiServer {
    /// By namespace and name.
    accounts: BTreeMap<(String, String), Account>,
    terminating_namespaces: Vec<String>,
    /// Whether unknown accounts are assumed to exist.
    assumes_accounts: bool,
}

/// How a request reaches the API server.
#[derive(Debug, Clone, Default)]
pub struct RequestOptions {
    /// The namespace in the URL; else the object's, else `default`.
    pub namespace: Option<String>,
    /// The name in the URL, if it is not the object's own: a `TokenRequest` is posted to an account.
    pub name: Option<String>,
    /// The stored object; makes the request an UPDATE.
    pub old_object: Option<Value>,
    /// The user; by default an administrator, or the controller that owns the Pod.
    pub user: Option<UserInfo>,
    /// The subresource in the URL; `TokenRequest` always has `token`.
    pub sub_resource: Option<String>,
    /// Whether the request is a dry run.
    pub dry_run: bool,
    /// Whether the plugin is that of `OpenShift`'s fork, which adds a fourth source to the token volume.
    pub openshift: bool,
    /// Whether the plugin is that of Kubernetes 1.21 or early 1.22, which left `defaultMode` of the token volume to later
    /// defaulting (kubernetes/kubernetes#104464).
    pub without_injected_default_mode: bool,
}

/// The caller, as in `authentication.k8s.io/v1 UserInfo`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct UserInfo {
    /// Empty for the audit scanner.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub username: String,
    /// Distinguishes users with the same name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub uid: String,
    /// The groups the user is in.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    /// Additional information from the authenticator.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub extra: BTreeMap<String, Vec<String>>,
}

impl ApiServer {
    /// An API server with these ServiceAccounts and with the Namespaces that are being deleted. Other objects are ignored. An
    /// account without a namespace is in `default`.
    #[must_use]
    pub fn new(objects: &[Value]) -> Self {
        let mut server = Self::default();
        for object in objects {
            let text = |pointer: &str| text_at(object, pointer);
            let name = text("/metadata/name").unwrap_or_default().to_owned();
            match (text("/apiVersion"), text("/kind")) {
                (Some("v1"), Some("ServiceAccount")) => {
                    let namespace = text("/metadata/namespace").unwrap_or("default").to_owned();
                    let account = Account::read(&name, object);
                    server.accounts.insert((namespace, name), account);
                }
                (Some("v1"), Some("Namespace"))
                    if text("/metadata/deletionTimestamp").is_some()
                        || text("/status/phase") == Some("Terminating") =>
                {
                    server.terminating_namespaces.push(name);
                }
                _ => {}
            }
        }
        server
    }

    /// As [`ApiServer::new`], from the known objects of a cluster. If these are not all objects (`is_partial`), an account that
    /// is not known is assumed to exist, without fields.
    #[must_use]
    pub fn of_known<'m>(known: impl Iterator<Item = &'m Value>, is_partial: bool) -> Self {
        Self { assumes_accounts: is_partial, ..Self::new(&known.cloned().collect::<Vec<_>>()) }
    }

    /// The `AdmissionRequest` that mutating webhooks receive: the object is decoded and defaulted, and the in-tree plugins that
    /// precede webhooks have run.
    ///
    /// # Errors
    /// The error that the API server returns instead of calling webhooks.
    pub fn request(&self, mut object: Value, options: &RequestOptions) -> Result<Value, ApiError> {
        let target = Target::of(&mut object, options)?;
        decode(&mut object, &target, Origin::Body)?;
        let mut old_object = options.old_object.clone();
        if let Some(old) = &mut old_object {
            decode(old, &target, Origin::Store)?;
        }
        self.check_namespace(&target)?;
        self.run_plugin(&mut object, &target, options, Pass::First)?;
        Ok(envelope::wrap(object, old_object, &target, options))
    }

    /// An `AdmissionRequest` with the unchanged object, as with the audit scanner and `--raw`.
    ///
    /// # Errors
    /// [`ApiError::BadRequest`] for something that is not an object of a known kind.
    pub fn raw_request(mut object: Value, options: &RequestOptions) -> Result<Value, ApiError> {
        let target = Target::of(&mut object, options)?;
        Ok(envelope::wrap(object, options.old_object.clone(), &target, options))
    }

    /// The request that Kubewarden's audit scanner sends for an existing object: the object is unchanged, there is no user, and
    /// the kind is in the place of the resource (`internal/audit-scanner/scanner/admission_request.go` of
    /// kubewarden/kubewarden-controller).
    ///
    /// # Errors
    /// [`ApiError::BadRequest`] for something that is not an object of a known kind.
    pub fn audit_request(object: Value) -> Result<Value, ApiError> {
        let mut request = Self::raw_request(object, &RequestOptions::default())?;
        if let Some(fields) = request.as_object_mut() {
            const SENT: [&str; 7] = ["uid", "kind", "resource", "name", "namespace", "operation", "object"];
            fields.retain(|key, _| SENT.contains(&key.as_str()));
            fields.insert("userInfo".to_owned(), Value::Object(serde_json::Map::new()));
            let kind = fields.get("kind").and_then(|kind| kind.get("kind")).cloned().unwrap_or_default();
            if let Some(resource) = fields.get_mut("resource").and_then(Value::as_object_mut) {
                resource.insert("resource".to_owned(), kind);
            }
        }
        Ok(request)
    }

    /// The Pod that a controller creates for a workload, and the path of its template; none if this simulation does not know
    /// the kind of the workload, or it has no template.
    #[must_use]
    pub fn pod_of(workload: &Value) -> Option<(Value, &'static [&'static str])> {
        let text = |pointer: &str| text_at(workload, pointer);
        let kind_name = text("/kind")?;
        let group = text("/apiVersion")?.split_once('/').map_or("", |(group, _)| group);
        let path = kinds::find(group, kind_name)?.pod_path.filter(|path| !path.is_empty())?;
        let template = path.iter().try_fold(workload, |value, key| value.get(*key))?;
        let mut pod = template.as_object()?.clone();
        if kind_name == "StatefulSet" {
            claims::add_volumes(&mut pod, workload);
        }
        let mut metadata = pod.get("metadata").and_then(Value::as_object).cloned().unwrap_or_default();
        let name = text("/metadata/name").unwrap_or("workload");
        // The Pods of a Deployment belong to a ReplicaSet, and those of a CronJob to a Job.
        let owner = match kind_name {
            "Deployment" => "ReplicaSet",
            "CronJob" => "Job",
            other => other,
        };
        let controller = serde_json::json!([
            {"apiVersion": "apps/v1", "kind": owner, "name": name, "uid": "", "controller": true}
        ]);
        metadata.insert("generateName".to_owned(), format!("{name}-").into());
        metadata.insert("ownerReferences".to_owned(), controller);
        metadata.remove("name");
        metadata.remove("namespace");
        if let Some(namespace) = text("/metadata/namespace") {
            metadata.insert("namespace".to_owned(), namespace.into());
        }
        pod.insert("apiVersion".to_owned(), "v1".into());
        pod.insert("kind".to_owned(), "Pod".into());
        pod.insert("metadata".to_owned(), metadata.into());
        Some((Value::Object(pod), path))
    }

    /// The Pod template of a workload. `Some(None)` if it has none; `None` if this simulation does not know the kind.
    #[must_use]
    pub fn template_of(workload: &Value) -> Option<Option<&Value>> {
        let text = |pointer: &str| text_at(workload, pointer);
        let group = text("/apiVersion")?.split_once('/').map_or("", |(group, _)| group);
        let path = kinds::find(group, text("/kind")?)?.pod_path.filter(|path| !path.is_empty())?;
        Some(path.iter().try_fold(workload, |value, key| value.get(*key)))
    }

    /// The group and version of a kind in today's API server, as an `apiVersion`.
    #[must_use]
    pub fn api_version_of(kind: &str) -> Option<&'static str> {
        kinds::all().find(|known| known.name == kind).map(|known| known.api_version)
    }

    /// The kind that a word in another spelling refers to (`pod`).
    #[must_use]
    pub fn closest_kind(word: &str) -> Option<&'static str> {
        kinds::all().map(|known| known.name).find(|name| name.eq_ignore_ascii_case(word))
    }

    /// Whether this simulation knows a kind of a group.
    #[must_use]
    pub fn knows(api_version: &str, kind: &str) -> bool {
        kinds::find(api_version.split_once('/').map_or("", |(group, _)| group), kind).is_some()
    }

    /// Whether objects of this kind are namespaced; only known kinds can be cluster-scoped.
    #[must_use]
    pub fn is_namespaced(object: &Value) -> bool {
        let text = |pointer: &str| text_at(object, pointer).unwrap_or_default();
        let group = text("/apiVersion").split_once('/').map_or("", |(group, _)| group);
        kinds::find(group, text("/kind")).is_none_or(|kind| kind.namespaced)
    }

    /// The object that is stored after a webhook changed it: it is decoded and defaulted again, and the in-tree plugins run
    /// once more (`staging/src/k8s.io/apiserver/pkg/admission/reinvocation.go`).
    ///
    /// # Errors
    /// The error that the API server returns instead of storing the object.
    pub fn second_pass(&self, mut object: Value, options: &RequestOptions) -> Result<Value, ApiError> {
        let target = Target::of(&mut object, options)?;
        decode(&mut object, &target, Origin::Body)?;
        self.run_plugin(&mut object, &target, options, Pass::Second)?;
        Ok(object)
    }

    /// The validation after admission, of names, containers, volumes and mounts of Pods and Pod templates. The messages are the
    /// API server's, one per field error.
    ///
    /// # Errors
    /// All field errors.
    pub fn validate(&self, object: &Value) -> Result<(), Vec<String>> {
        self.validate_in_place(&mut object.clone())
    }

    /// The same as [`ApiServer::validate`], but missing fields of the object may be filled in.
    ///
    /// # Errors
    /// All field errors.
    pub fn validate_in_place(&self, object: &mut Value) -> Result<(), Vec<String>> {
        pod_validation::validate(object)
    }

    /// The `NamespaceLifecycle` plugin (`staging/src/k8s.io/apiserver/pkg/admission/plugin/namespace/lifecycle/admission.go`).
    fn check_namespace(&self, target: &Target) -> Result<(), ApiError> {
        match &target.namespace {
            Some(namespace) if target.creates() && self.terminating_namespaces.contains(namespace) => Err(target
                .forbidden(format!(
                    "unable to create new content in namespace {namespace} because it is being terminated"
                ))),
            _ => Ok(()),
        }
    }

    fn run_plugin(
        &self,
        object: &mut Value,
        target: &Target,
        options: &RequestOptions,
        pass: Pass,
    ) -> Result<(), ApiError> {
        Plugin { server: self, target, options, pass }.admit(object)
    }

    fn account(&self, namespace: &str, name: &str) -> Option<Account> {
        let key = (namespace.to_owned(), name.to_owned());
        match self.accounts.get(&key) {
            Some(account) => Some(account.clone()),
            None if name == "default" || self.assumes_accounts => Some(Account::named(name)),
            None => None,
        }
    }
}

/// The decoding that the API server does at the start and after each patch.
fn decode(object: &mut Value, target: &Target, origin: Origin) -> Result<(), ApiError> {
    envelope::fill_metadata(object, target)?;
    defaulting::default_object(object, target, origin)
}

/// The first or second run of the in-tree plugins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pass {
    First,
    Second,
}

#[cfg(test)]
mod tests;
