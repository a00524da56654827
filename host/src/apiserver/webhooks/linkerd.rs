// SPDX-License-Identifier: Apache-2.0

//! Linkerd's proxy injector, requested by an annotation of the Pod, with the proxy as a native sidecar unless the Pod disables
//! that.
//!
//! - <https://linkerd.io/2-edge/features/proxy-injection/>
//! - <https://linkerd.io/2021/12/28/using-kubernetess-new-bound-service-account-tokens-for-secure-workload-identity/>
//! - <https://github.com/linkerd/linkerd2/blob/main/pkg/inject/inject.go>
//!
//! It adds its own token; nevertheless its containers mount the API token if the *first* container of the Pod does. Not
//! simulated: everything but volumes and mounts.

use serde_json::{Value, json};

use super::{add_volume, has_named, marked, spec_of, token};
use crate::apiserver::ApiError;
use crate::apiserver::node::Node;
use crate::apiserver::service_account_plugin::TOKEN_MOUNT_PATH;

const PROXY: &str = "linkerd-proxy";
const INIT: &str = "linkerd-init";

pub(super) fn inject(pod: &mut Node<'_>) -> Result<(), ApiError> {
    let is_requested = matches!(marked(pod, "annotations", "linkerd.io/inject"), Some("enabled" | "ingress"));
    let native = marked(pod, "annotations", "config.linkerd.io/proxy-enable-native-sidecar");
    let is_native = native != Some("false");
    let mut spec = spec_of(pod)?;
    if !is_requested || spec.boolean("hostNetwork")? == Some(true) || has_sidecar(&mut spec)? {
        return Ok(());
    }
    let copied = token_mount(&mut spec)?;

    add_volume(&mut spec, "linkerd-proxy-init-xtables-lock", "emptyDir", &json!({}))?;
    add_volume(&mut spec, "linkerd-identity-end-entity", "emptyDir", &json!({"medium": "Memory"}))?;
    let token = token("identity.l5d.io", 86_400, "linkerd-identity-token");
    add_volume(&mut spec, "linkerd-identity-token", "projected", &token)?;

    let mounts = |own: &[(&str, &str)]| -> Vec<Value> {
        let own = own.iter().map(|(name, path)| json!({"name": name, "mountPath": path}));
        own.chain(copied.clone()).collect()
    };
    let init = json!({"name": INIT, "image": "cr.l5d.io/linkerd/proxy",
        "volumeMounts": mounts(&[("linkerd-proxy-init-xtables-lock", "/run")])});
    let mut proxy = json!({"name": PROXY, "image": "cr.l5d.io/linkerd/proxy", "volumeMounts": mounts(&[
        ("linkerd-identity-end-entity", "/var/run/linkerd/identity/end-entity"),
        ("linkerd-identity-token", "/var/run/secrets/tokens"),
    ])});
    if is_native {
        Node::root(&mut proxy)?.default_to("restartPolicy", "Always");
        let containers = spec.list_mut("initContainers")?;
        containers.insert(0, init);
        containers.insert(1, proxy);
    } else {
        spec.list_mut("initContainers")?.push(init);
        spec.list_mut("containers")?.insert(0, proxy);
    }
    Ok(())
}

/// Whether the Pod has containers of Linkerd or Istio.
fn has_sidecar(spec: &mut Node<'_>) -> Result<bool, ApiError> {
    const SIDECARS: [(&str, &str); 6] = [
        ("containers", PROXY),
        ("containers", "istio-proxy"),
        ("initContainers", PROXY),
        ("initContainers", "istio-proxy"),
        ("initContainers", INIT),
        ("initContainers", "istio-init"),
    ];
    SIDECARS.into_iter().try_fold(false, |found, (list, name)| Ok(found || has_named(spec, list, name)?))
}

/// The mount of the API token in the first container.
fn token_mount(spec: &mut Node<'_>) -> Result<Option<Value>, ApiError> {
    let Some(mut first) = spec.list("containers")?.into_iter().next() else { return Ok(None) };
    for mount in first.list("volumeMounts")? {
        if mount.text("mountPath")? == Some(TOKEN_MOUNT_PATH) {
            let is_read_only = mount.boolean("readOnly")?.unwrap_or(false);
            let name = mount.text("name")?.unwrap_or_default();
            return Ok(Some(json!({"name": name, "mountPath": TOKEN_MOUNT_PATH, "readOnly": is_read_only})));
        }
    }
    Ok(None)
}
