// SPDX-License-Identifier: Apache-2.0

//! `HashiCorp`'s Vault Agent injector, requested by an annotation of the Pod.
//!
//! - <https://developer.hashicorp.com/vault/docs/platform/k8s/injector/annotations>
//! - <https://github.com/hashicorp/vault-k8s/pull/288>
//! - <https://github.com/hashicorp/vault-k8s/blob/main/agent-inject/agent/agent.go>
//!
//! Its agent logs in with a token of the Pod's ServiceAccount, and the injector adds none. It uses the volume that an
//! annotation names, or else that of the first mount whose path contains `serviceaccount`, which is not necessarily the API
//! token (<https://github.com/hashicorp/vault-k8s/issues/335>). If there is no such mount, it rejects the Pod. Not simulated:
//! everything but volumes and mounts, and other methods to log in than Kubernetes.

use serde_json::{Value, json};

use super::{add_volume, mark, marked, spec_of};
use crate::apiserver::ApiError;
use crate::apiserver::node::Node;

const STATUS: &str = "vault.hashicorp.com/agent-inject-status";

/// The path at which the agent mounts a token that no other container mounts.
const OWN_MOUNT_PATH: &str = "/var/run/secrets/vault.hashicorp.com/serviceaccount";

/// The error is the webhook's reason for a rejection.
pub(super) fn inject(pod: &mut Node<'_>) -> Result<(), ApiError> {
    let is_requested = match marked(pod, "annotations", "vault.hashicorp.com/agent-inject") {
        Some("1" | "t" | "T" | "TRUE" | "true" | "True") => true,
        None | Some("" | "0" | "f" | "F" | "FALSE" | "false" | "False") => false,
        Some(_) => return refuse("error checking if should inject agent: not a boolean"),
    };
    if !is_requested || marked(pod, "annotations", STATUS) == Some("injected") {
        return Ok(());
    }
    let volume = marked(pod, "annotations", "vault.hashicorp.com/agent-service-account-token-volume-name");
    let volume = volume.unwrap_or_default().to_owned();
    let mut spec = spec_of(pod)?;
    let (token, token_path) = if volume.is_empty() {
        let Some(found) = mount(&mut spec, |_, path| path.contains("serviceaccount"))? else {
            return refuse("error creating new agent sidecar: failed to find service account volume mount");
        };
        found
    } else {
        named_token(&mut spec, &volume)?
    };

    for name in ["home-init", "home-sidecar", "vault-secrets"] {
        add_volume(&mut spec, name, "emptyDir", &json!({"medium": "Memory"}))?;
    }
    let secrets = json!({"name": "vault-secrets", "mountPath": "/vault/secrets"});
    for list in super::CONTAINER_LISTS {
        for mut container in spec.list(list)? {
            container.list_mut("volumeMounts")?.push(secrets.clone());
        }
    }
    let agent = |name: &str, home: &str| -> Value {
        json!({"name": name, "image": "docker.io/hashicorp/vault", "volumeMounts": [
            {"name": token, "mountPath": token_path, "readOnly": true},
            {"name": home, "mountPath": "/home/vault"},
            secrets,
        ]})
    };
    spec.list_mut("initContainers")?.push(agent("vault-agent-init", "home-init"));
    spec.list_mut("containers")?.push(agent("vault-agent", "home-sidecar"));
    mark(pod, "annotations", STATUS, "injected")
}

/// The volume that the Pod names, at the path where a container mounts it, or else at the agent's own path.
fn named_token(spec: &mut Node<'_>, volume: &str) -> Result<(String, String), ApiError> {
    let found = mount(spec, |name, _| name == volume)?;
    for mut entry in spec.list("volumes")? {
        if entry.text("name")? != Some(volume) {
            continue;
        }
        let Some(mut projected) = entry.child("projected")? else { break };
        for mut source in projected.list("sources")? {
            if source.child("serviceAccountToken")?.is_some() {
                return Ok(found.unwrap_or_else(|| (volume.to_owned(), OWN_MOUNT_PATH.to_owned())));
            }
        }
    }
    refuse("error creating new agent sidecar: failed to find service account volume")
}

/// Volume and path of the first matching mount; init containers are ignored.
fn mount(spec: &mut Node<'_>, is_it: impl Fn(&str, &str) -> bool) -> Result<Option<(String, String)>, ApiError> {
    for mut container in spec.list("containers")? {
        for mount in container.list("volumeMounts")? {
            let (name, path) = (mount.text("name")?.unwrap_or_default(), mount.text("mountPath")?.unwrap_or_default());
            if is_it(name, path) {
                return Ok(Some((name.to_owned(), path.to_owned())));
            }
        }
    }
    Ok(None)
}

fn refuse<T>(why: &str) -> Result<T, ApiError> {
    Err(ApiError::BadRequest(why.to_owned()))
}
