// SPDX-License-Identifier: Apache-2.0

//! Mutating webhooks that clusters often have besides the policy, as far as tokens, the volumes that hold them and the
//! containers that mount them are concerned.
//!
//! Each follows the documentation of its project, with the defaults of its chart or manifest. Namespaces have no effect in this
//! simulation: a Pod itself requests the injection.

mod eks;
mod istio;
mod linkerd;
mod vault;

use std::fmt;

use serde_json::{Map, Value, json};

use super::encoding::Origin;
use super::envelope::Target;
use super::node::Node;
use super::service_account_plugin::Account;
use super::{ApiError, ApiServer, RequestOptions, decode};

/// A webhook.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Webhook {
    /// The EKS Pod identity webhook, for an account with the annotation `eks.amazonaws.com/role-arn`.
    Irsa,
    /// The same webhook, in a cluster where the Pod's account has an EKS Pod Identity association.
    EksPodIdentity,
    /// Istio's sidecar injector.
    Istio,
    /// Linkerd's proxy injector.
    Linkerd,
    /// `HashiCorp`'s Vault Agent injector.
    VaultAgent,
}

impl Webhook {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Irsa, Self::EksPodIdentity, Self::Istio, Self::Linkerd, Self::VaultAgent];

    fn inject(self, pod: &mut Node<'_>, account: &Account) -> Result<(), ApiError> {
        match self {
            Self::Irsa => eks::inject_role(pod, account),
            Self::EksPodIdentity => eks::inject_container_credentials(pod, account),
            Self::Istio => istio::inject(pod),
            Self::Linkerd => linkerd::inject(pod),
            Self::VaultAgent => vault::inject(pod).map_err(|why| self.denied(&why)),
        }
    }

    /// The rejection by a webhook in the format of the API server
    /// (`staging/src/k8s.io/apiserver/pkg/admission/plugin/webhook/errors/statuserror.go`).
    fn denied(self, why: &ApiError) -> ApiError {
        ApiError::BadRequest(format!("admission webhook \"{self}\" denied the request: {why}"))
    }
}

/// The name under which it is registered.
impl fmt::Display for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Irsa | Self::EksPodIdentity => "pod-identity-webhook.amazonaws.com",
            Self::Istio => "object.sidecar-injector.istio.io",
            Self::Linkerd => "linkerd-proxy-injector.linkerd.io",
            Self::VaultAgent => "vault.hashicorp.com",
        })
    }
}

impl ApiServer {
    /// A new Pod after a call of this webhook: the patch is applied, and the Pod is decoded and defaulted again, as the next
    /// webhook receives it.
    ///
    /// # Errors
    /// If the webhook or the decoder rejects the Pod.
    pub fn call(&self, webhook: Webhook, mut pod: Value, options: &RequestOptions) -> Result<Value, ApiError> {
        let target = Target::of(&mut pod, options)?;
        let mut root = Node::root(&mut pod)?;
        root.default_to("spec", Map::new());
        let name = match root.child("spec")? {
            Some(spec) => spec.text("serviceAccountName")?.unwrap_or_default().to_owned(),
            None => String::new(),
        };
        let account = self.account(target.namespace.as_deref().unwrap_or_default(), &name).unwrap_or_default();
        webhook.inject(&mut root, &account)?;
        decode(&mut pod, &target, Origin::Body)?;
        Ok(pod)
    }
}

/// The lists of containers that webhooks process, in the order in which containers start.
const CONTAINER_LISTS: [&str; 2] = ["initContainers", "containers"];

/// An annotation or label of a Pod; none if it is not a string.
fn marked<'p>(pod: &'p Node<'_>, kind: &str, key: &str) -> Option<&'p str> {
    pod.fields.get("metadata")?.get(kind)?.get(key)?.as_str()
}

/// Sets an annotation or a label.
fn mark(pod: &mut Node<'_>, kind: &'static str, key: &str, value: &str) -> Result<(), ApiError> {
    pod.default_to("metadata", Map::new());
    if let Some(mut metadata) = pod.child("metadata")? {
        metadata.default_to(kind, Map::new());
        if let Some(marks) = metadata.child(kind)? {
            marks.fields.insert(key.to_owned(), value.into());
        }
    }
    Ok(())
}

/// The Pod's `spec`, which [`ApiServer::call`] has created if it was missing.
fn spec_of<'p>(pod: &'p mut Node<'_>) -> Result<Node<'p>, ApiError> {
    pod.child("spec")?.ok_or_else(|| ApiError::BadRequest("the Pod has no spec".to_owned()))
}

/// Whether a list has an entry with this name.
fn has_named(owner: &mut Node<'_>, list: &'static str, name: &str) -> Result<bool, ApiError> {
    for entry in owner.list(list)? {
        if entry.text("name")? == Some(name) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Adds a volume unless there is one with its name.
fn add_volume(spec: &mut Node<'_>, name: &str, source: &str, value: &Value) -> Result<(), ApiError> {
    if !has_named(spec, "volumes", name)? {
        spec.list_mut("volumes")?.push(json!({"name": name, source: value}));
    }
    Ok(())
}

/// A projected volume with one token.
fn token(audience: &str, seconds: i64, path: &str) -> Value {
    let token = json!({"audience": audience, "expirationSeconds": seconds, "path": path});
    json!({"sources": [{"serviceAccountToken": token}]})
}

#[cfg(test)]
mod tests;
