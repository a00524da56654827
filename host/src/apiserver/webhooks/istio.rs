// SPDX-License-Identifier: Apache-2.0

//! Istio's sidecar injector, requested by a label of the Pod, with the proxy as a native sidecar unless the Pod disables that.
//!
//! - <https://istio.io/latest/docs/setup/additional-setup/sidecar-injection/>
//! - <https://istio.io/latest/docs/ops/best-practices/security/#configure-third-party-service-account-tokens>
//! - <https://github.com/istio/istio/blob/master/manifests/charts/istio-control/istio-discovery/files/injection-template.yaml>
//!
//! It adds its own token and does not need the Pod's: its containers get the API token only if the API server's plugin runs
//! again. Not simulated: everything but volumes and mounts.

use serde_json::{Value, json};

use super::{CONTAINER_LISTS, add_volume, has_named, marked, spec_of, token};
use crate::apiserver::ApiError;
use crate::apiserver::node::Node;

const MOUNTS: [(&str, &str); 9] = [
    ("workload-socket", "/var/run/secrets/workload-spiffe-uds"),
    ("credential-socket", "/var/run/secrets/credential-uds"),
    ("workload-certs", "/var/run/secrets/workload-spiffe-credentials"),
    ("istiod-ca-cert", "/var/run/secrets/istio"),
    ("istio-ca-crl", "/var/run/secrets/istio/crl"),
    ("istio-data", "/var/lib/istio/data"),
    ("istio-envoy", "/etc/istio/proxy"),
    ("istio-token", "/var/run/secrets/tokens"),
    ("istio-podinfo", "/etc/istio/pod"),
];

pub(super) fn inject(pod: &mut Node<'_>) -> Result<(), ApiError> {
    let is_requested = marked(pod, "labels", "sidecar.istio.io/inject") == Some("true");
    let is_native = marked(pod, "annotations", "sidecar.istio.io/nativeSidecar") != Some("false");
    let mut spec = spec_of(pod)?;
    if !is_requested || spec.boolean("hostNetwork")? == Some(true) {
        return Ok(());
    }
    for volume in ["workload-socket", "credential-socket", "workload-certs", "istio-data"] {
        add_volume(&mut spec, volume, "emptyDir", &json!({}))?;
    }
    add_volume(&mut spec, "istio-envoy", "emptyDir", &json!({"medium": "Memory"}))?;
    let info = |path: &str| json!({"path": path, "fieldRef": {"fieldPath": format!("metadata.{path}")}});
    add_volume(&mut spec, "istio-podinfo", "downwardAPI", &json!({"items": [info("labels"), info("annotations")]}))?;
    add_volume(&mut spec, "istio-token", "projected", &token("istio-ca", 43_200, "istio-token"))?;
    add_volume(&mut spec, "istiod-ca-cert", "configMap", &json!({"name": "istio-ca-root-cert"}))?;
    add_volume(&mut spec, "istio-ca-crl", "configMap", &json!({"name": "istio-ca-crl", "optional": true}))?;

    if !has_named(&mut spec, "initContainers", "istio-init")? {
        let init = json!({"name": "istio-init", "image": "docker.io/istio/proxyv2"});
        insert_container(&mut spec, "initContainers", init, is_native)?;
    }
    complete_proxy(&mut spec, is_native)
}

/// The template is merged with existing containers: if the Pod has its own proxy, missing parts are added.
fn complete_proxy(spec: &mut Node<'_>, is_native: bool) -> Result<(), ApiError> {
    for list in CONTAINER_LISTS {
        for mut container in spec.list(list)? {
            if container.text("name")? == Some("istio-proxy") {
                return mount(&mut container);
            }
        }
    }
    let mut proxy = json!({"name": "istio-proxy", "image": "docker.io/istio/proxyv2"});
    let mut fields = Node::root(&mut proxy)?;
    if is_native {
        fields.default_to("restartPolicy", "Always");
    }
    mount(&mut fields)?;
    if !is_native {
        return insert_container(spec, "containers", proxy, false);
    }
    // After the container that sets up the network.
    let containers = spec.list_mut("initContainers")?;
    let init = containers.iter().position(|container| container.get("name") == Some(&json!("istio-init")));
    containers.insert(init.map_or(0, |init| init + 1), proxy);
    Ok(())
}

/// Mounts are merged by their paths.
fn mount(container: &mut Node<'_>) -> Result<(), ApiError> {
    for (volume, path) in MOUNTS {
        let mut is_there = false;
        for mount in container.list("volumeMounts")? {
            is_there |= mount.text("mountPath")? == Some(path);
        }
        if !is_there {
            container.list_mut("volumeMounts")?.push(json!({"name": volume, "mountPath": path}));
        }
    }
    Ok(())
}

fn insert_container(spec: &mut Node<'_>, list: &'static str, container: Value, is_first: bool) -> Result<(), ApiError> {
    let containers = spec.list_mut(list)?;
    containers.insert(if is_first { 0 } else { containers.len() }, container);
    Ok(())
}
