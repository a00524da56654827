// SPDX-License-Identifier: Apache-2.0

//! A simulated API server: what happens to an object before a webhook sees it
//! and after a webhook patched it, as far as tokens are concerned.
//!
//! Pure functions on JSON. The behaviour follows these files of
//! <https://github.com/kubernetes/kubernetes>:
//!
//! | here | there |
//! |---|---|
//! | [`envelope`] | `staging/src/k8s.io/apiserver/pkg/endpoints/handlers/create.go`, `.../admission/plugin/webhook/request/admissionreview.go` |
//! | [`defaulting`] | `pkg/apis/core/v1/{conversion,defaults}.go` |
//! | [`service_account_plugin`] | `plugin/pkg/admission/serviceaccount/admission.go` |
//! | [`pod_validation`] | `pkg/apis/core/validation/validation.go` |

mod defaulting;
mod envelope;
mod error;
mod kinds;
mod node;
mod pod_validation;
mod service_account_plugin;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use error::ApiError;

use envelope::Target;
use service_account_plugin::{Account, Plugin};

/// What the API server knows besides the object of a request.
///
/// Every namespace has a `default` account that says nothing, unless one was given.
#[derive(Debug, Clone, Default)]
pub struct ApiServer {
    /// By namespace and name.
    accounts: BTreeMap<(String, String), Account>,
    terminating_namespaces: Vec<String>,
}

/// How a request reaches the API server.
#[derive(Debug, Clone, Default)]
pub struct RequestOptions {
    /// The namespace in the URL; else the object's, else `default`.
    pub namespace: Option<String>,
    /// The name in the URL, where it is not the object's own: a `TokenRequest` is
    /// posted to an account.
    pub name: Option<String>,
    /// The object as stored: makes the request an UPDATE.
    pub old_object: Option<Value>,
    /// Who asks; else an administrator, or the controller that owns the Pod.
    pub user: Option<UserInfo>,
    /// The subresource in the URL; `TokenRequest` always has `token`.
    pub sub_resource: Option<String>,
    /// Nothing is to be stored.
    pub dry_run: bool,
    /// The plugin of `OpenShift`'s fork: a fourth source in the token volume.
    pub openshift: bool,
    /// The plugin of Kubernetes 1.21 and early 1.22, which left `defaultMode` of
    /// the token volume to later defaulting (kubernetes/kubernetes#104464).
    pub without_injected_default_mode: bool,
}

/// The caller, as in `authentication.k8s.io/v1 UserInfo`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct UserInfo {
    /// Empty for the audit scanner.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub username: String,
    /// Tells users of one name apart.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub uid: String,
    /// The groups the user is in.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    /// What the authenticator adds.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub extra: BTreeMap<String, Vec<String>>,
}

impl ApiServer {
    /// Remembers ServiceAccounts, and which Namespaces are being deleted. Anything
    /// else is ignored. An account without a namespace is in `default`.
    #[must_use]
    pub fn new(objects: &[Value]) -> Self {
        let mut server = Self::default();
        for object in objects {
            let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str);
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

    /// The `AdmissionRequest` that mutating webhooks are sent: decoded, defaulted,
    /// and through the in-tree plugins that run before webhooks.
    ///
    /// # Errors
    /// What the API server answers instead of asking any webhook.
    pub fn request(&self, mut object: Value, options: &RequestOptions) -> Result<Value, ApiError> {
        let target = Target::of(&mut object, options)?;
        decode(&mut object, &target)?;
        let mut old_object = options.old_object.clone();
        if let Some(old) = &mut old_object {
            decode(old, &target)?;
        }
        self.check_namespace(&target)?;
        self.run_plugin(&mut object, &target, options, Pass::First)?;
        Ok(envelope::wrap(object, old_object, &target, options))
    }

    /// The envelope around an object that is passed on as it is: what the audit
    /// scanner and `--raw` do.
    ///
    /// # Errors
    /// [`ApiError::BadRequest`] for something that is no object of any kind.
    pub fn raw_request(mut object: Value, options: &RequestOptions) -> Result<Value, ApiError> {
        let target = Target::of(&mut object, options)?;
        Ok(envelope::wrap(object, options.old_object.clone(), &target, options))
    }

    /// What becomes of an object that a webhook changed: it is decoded and defaulted
    /// again, and the in-tree plugins run once more
    /// (`staging/src/k8s.io/apiserver/pkg/admission/reinvocation.go`).
    ///
    /// # Errors
    /// What the API server answers instead of storing the object.
    pub fn second_pass(&self, mut object: Value, options: &RequestOptions) -> Result<Value, ApiError> {
        let target = Target::of(&mut object, options)?;
        decode(&mut object, &target)?;
        self.run_plugin(&mut object, &target, options, Pass::Second)?;
        Ok(object)
    }

    /// The validation of names, containers, volumes and mounts that follows admission,
    /// for Pods and Pod templates. Messages are the API server's, one per field error.
    ///
    /// # Errors
    /// Every field error.
    pub fn validate(&self, object: &Value) -> Result<(), Vec<String>> {
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
            None if name == "default" => Some(Account::named(name)),
            None => None,
        }
    }
}

/// What every decoder of the API server does: at the start, and after each patch.
fn decode(object: &mut Value, target: &Target) -> Result<(), ApiError> {
    envelope::fill_metadata(object, target)?;
    defaulting::default_object(object, target)
}

/// Which time the in-tree plugins see the object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pass {
    First,
    Second,
}

#[cfg(test)]
mod tests;
