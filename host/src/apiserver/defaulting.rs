// SPDX-License-Identifier: Apache-2.0

//! Conversion and defaulting, as far as tokens and identity are concerned
//! (`pkg/apis/core/v1/conversion.go`, `pkg/apis/core/v1/defaults.go`).

use serde_json::{Map, Value, json};

use super::ApiError;
use super::encoding::{self, Origin};
use super::envelope::Target;
use super::node::Node;

/// `ProjectedVolumeSourceDefaultMode` and its siblings: 0644.
pub(super) const DEFAULT_MODE: u64 = 420;

/// The default of `expirationSeconds` in a token projection.
pub(super) const DEFAULT_EXPIRATION_SECONDS: u64 = 3600;

/// Sets the defaults of an object of a known kind; objects of other kinds do not change.
pub(super) fn default_object(object: &mut Value, target: &Target, origin: Origin) -> Result<(), ApiError> {
    let Some(kind) = target.kind else {
        return Ok(());
    };
    if kind.name == "TokenRequest" {
        return default_token_request(Node::root(object)?);
    }
    encoding::reencode(object, origin);
    let Some(pod_path) = kind.pod_path else {
        return Ok(());
    };
    let Some(mut pod) = Node::root(object)?.descend(pod_path)? else {
        return Ok(());
    };
    match pod.child("spec")? {
        Some(spec) => default_pod_spec(spec),
        None => Ok(()),
    }
}

fn default_pod_spec(mut spec: Node<'_>) -> Result<(), ApiError> {
    sync_account_alias(&mut spec)?;
    for volume in spec.list("volumes")? {
        default_volume(volume)?;
    }
    for containers in ["initContainers", "containers", "ephemeralContainers"] {
        for mut container in spec.list(containers)? {
            default_env_files(&mut container)?;
        }
    }
    encoding::reencode_pod_spec(spec.fields);
    Ok(())
}

/// Variables from a file, since Kubernetes 1.35 (`pkg/apis/core/v1/zz_generated.defaults.go`). `podCertificate`, GA since 1.37,
/// has no default here: kubelet sets its `maxExpirationSeconds` (`pkg/apis/certificates/v1/defaults.go`).
fn default_env_files(container: &mut Node<'_>) -> Result<(), ApiError> {
    for mut variable in container.list("env")? {
        if let Some(mut source) = variable.child("valueFrom")?
            && let Some(mut file) = source.child("fileKeyRef")?
        {
            file.default_to("optional", false);
        }
    }
    Ok(())
}

/// `serviceAccountName` takes precedence; the deprecated `serviceAccount` is used only if it is empty. In the result both are
/// equal.
pub(super) fn sync_account_alias(spec: &mut Node<'_>) -> Result<(), ApiError> {
    let name = spec.text("serviceAccountName")?.filter(|name| !name.is_empty());
    let alias = spec.text("serviceAccount")?.filter(|alias| !alias.is_empty());
    if let Some(name) = name.or(alias).map(str::to_owned) {
        set_account(spec, &name);
    } else {
        spec.fields.remove("serviceAccountName");
        spec.fields.remove("serviceAccount");
    }
    Ok(())
}

pub(super) fn set_account(spec: &mut Node<'_>, name: &str) {
    for key in ["serviceAccountName", "serviceAccount"] {
        spec.fields.insert(key.to_owned(), name.into());
    }
}

fn default_volume(mut volume: Node<'_>) -> Result<(), ApiError> {
    if volume.fields.keys().all(|key| key == "name") {
        volume.default_to("emptyDir", Map::new());
    }
    for source in ["secret", "configMap", "downwardAPI", "projected"] {
        if let Some(mut source) = volume.child(source)? {
            source.default_to("defaultMode", DEFAULT_MODE);
        }
    }
    if let Some(mut downward_api) = volume.child("downwardAPI")? {
        default_field_refs(&mut downward_api)?;
    }
    let Some(mut projected) = volume.child("projected")? else {
        return Ok(());
    };
    for mut source in projected.list("sources")? {
        if let Some(mut token) = source.child("serviceAccountToken")? {
            token.default_to("expirationSeconds", DEFAULT_EXPIRATION_SECONDS);
        }
        if let Some(mut downward_api) = source.child("downwardAPI")? {
            default_field_refs(&mut downward_api)?;
        }
    }
    Ok(())
}

fn default_field_refs(downward_api: &mut Node<'_>) -> Result<(), ApiError> {
    for mut item in downward_api.list("items")? {
        if let Some(mut field_ref) = item.child("fieldRef")? {
            field_ref.default_to("apiVersion", "v1");
        }
    }
    Ok(())
}

/// The fields of a token request have no `omitempty`: absent fields are written as null
/// (`staging/src/k8s.io/api/authentication/v1/types.go`).
fn default_token_request(mut request: Node<'_>) -> Result<(), ApiError> {
    request.default_to("spec", Map::new());
    if let Some(mut spec) = request.child("spec")? {
        spec.default_to("audiences", Value::Null);
        spec.default_to("expirationSeconds", DEFAULT_EXPIRATION_SECONDS);
        spec.default_to("boundObjectRef", Value::Null);
    }
    request.default_to("status", json!({"token": "", "expirationTimestamp": null}));
    Ok(())
}
