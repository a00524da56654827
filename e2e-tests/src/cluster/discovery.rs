// SPDX-License-Identifier: Apache-2.0

//! The kinds that the API server serves, and the URLs of their objects.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, anyhow};
use serde_json::Value;

/// The resource of a kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resource {
    /// The prefix of URLs: `/api/v1`, `/apis/apps/v1`.
    pub root: String,
    /// For example `deployments`.
    pub plural: String,
    /// Whether its objects are namespaced.
    pub namespaced: bool,
}

/// The kinds that the API server serves, by `apiVersion` and `kind`.
#[derive(Debug, Clone, Default)]
pub struct Discovery {
    resources: BTreeMap<(String, String), Resource>,
}

impl Discovery {
    /// Adds the resources of an API group's list.
    pub(super) fn read(&mut self, root: &str, list: &Value) {
        let version = root.trim_start_matches("/apis/").trim_start_matches("/api/");
        for resource in list.get("resources").and_then(Value::as_array).into_iter().flatten() {
            let text = |key: &str| resource.get(key).and_then(Value::as_str).unwrap_or_default();
            if text("name").contains('/') {
                continue;
            }
            let found = Resource {
                root: root.to_owned(),
                plural: text("name").to_owned(),
                namespaced: resource.get("namespaced") == Some(&Value::Bool(true)),
            };
            self.resources.insert((version.to_owned(), text("kind").to_owned()), found);
        }
    }

    /// The resource of an object's kind.
    ///
    /// # Errors
    /// If the API server does not serve the kind.
    pub fn resource(&self, object: &Value) -> Result<&Resource> {
        let text = |key: &str| object.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        let key = (text("apiVersion"), text("kind"));
        self.resources.get(&key).ok_or_else(|| anyhow!("the API server has no {} {}", key.0, key.1))
    }

    /// The URL that an object is posted to.
    ///
    /// # Errors
    /// If the API server does not serve the kind.
    pub fn collection(&self, object: &Value) -> Result<String> {
        let Resource { root, plural, namespaced } = self.resource(object)?;
        let namespace = object.pointer("/metadata/namespace").and_then(Value::as_str).unwrap_or("default");
        Ok(if *namespaced { format!("{root}/namespaces/{namespace}/{plural}") } else { format!("{root}/{plural}") })
    }

    /// The URL of an object.
    ///
    /// # Errors
    /// If the API server does not serve the kind, or the object has no name.
    pub fn path(&self, object: &Value) -> Result<String> {
        let name = object.pointer("/metadata/name").and_then(Value::as_str).context("an object without a name")?;
        Ok(format!("{}/{name}", self.collection(object)?))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn paths_come_from_discovery() {
        let mut discovery = Discovery::default();
        discovery.read(
            "/apis/apps/v1",
            &json!({"resources": [
                {"name": "deployments", "kind": "Deployment", "namespaced": true},
                {"name": "deployments/scale", "kind": "Scale", "namespaced": true}
            ]}),
        );
        let namespace = json!({"name": "namespaces", "kind": "Namespace", "namespaced": false});
        discovery.read("/api/v1", &json!({"resources": [namespace]}));
        let deployment = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}});
        assert_eq!(discovery.path(&deployment).unwrap(), "/apis/apps/v1/namespaces/default/deployments/web");
        let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}});
        assert_eq!(discovery.collection(&namespace).unwrap(), "/api/v1/namespaces");
        assert!(discovery.collection(&json!({"apiVersion": "apps/v1", "kind": "Scale"})).is_err());
    }
}
