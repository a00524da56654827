// SPDX-License-Identifier: Apache-2.0

//! Determines who may do what, from Roles and bindings: the RBAC authorizer of the API server on a snapshot of its objects.
//!
//! ```text
//! Objects --Authorizer::new--> Authorizer --may(user, attributes)--> Allowed | Denied | Unknown
//!                                         --grants(user)-----------> bindings, roles and their rules
//! ```
//!
//! Names and behavior are those of `plugin/pkg/auth/authorizer/rbac` of <https://github.com/kubernetes/kubernetes>;
//! `host/tests/rbac` compares with the answers of a real API server. The snapshot may be incomplete: `cluster-admin`, `admin`,
//! `edit` and `view` are built in with their rules; the permissions of any other missing role are *unknown*. Other authorizers
//! of a cluster (webhooks, the node authorizer) are not taken into account.

mod aggregation;
mod authorizer;
mod bootstrap;
mod object;
mod rule;
mod user;

use std::collections::BTreeMap;

use serde::Deserialize as _;
use serde_json::Value;

pub use authorizer::{Authorizer, BindingId, Decision, Grant, RoleId, Via};
pub use object::{AggregationRule, Binding, LabelSelector, Metadata, PolicyRule, Role, RoleRef, Subject};
pub use rule::{Attributes, Resource, Target};
pub use user::User;

/// The API group of Roles and bindings.
pub const API_GROUP: &str = "rbac.authorization.k8s.io";

/// Roles and bindings as they were read. If two have the same name, the later one replaces the other, as with `kubectl apply`.
#[derive(Debug, Clone)]
pub struct Objects {
    default_namespace: String,
    cluster_roles: BTreeMap<String, Role>,
    roles: BTreeMap<(String, String), Role>,
    bindings: BTreeMap<BindingId, Binding>,
}

impl Objects {
    /// An empty set of objects. Roles and `RoleBindings` without a namespace are added to this namespace.
    pub fn new(default_namespace: &str) -> Self {
        Self {
            default_namespace: default_namespace.to_owned(),
            cluster_roles: BTreeMap::new(),
            roles: BTreeMap::new(),
            bindings: BTreeMap::new(),
        }
    }

    /// Adds an object of the four kinds; returns whether it was one. Objects of other kinds are skipped.
    ///
    /// # Errors
    /// If a field has the wrong type, for which an API server would reject the object.
    pub fn add(&mut self, object: &Value) -> Result<bool, serde_json::Error> {
        let text = |key: &str| object.get(key).and_then(Value::as_str).unwrap_or_default();
        if text("apiVersion").split_once('/').is_none_or(|(group, _)| group != API_GROUP) {
            return Ok(false);
        }
        match text("kind") {
            "ClusterRole" => self.add_cluster_role(Role::deserialize(object)?),
            "Role" => self.add_role(Role::deserialize(object)?),
            "ClusterRoleBinding" => self.add_cluster_role_binding(Binding::deserialize(object)?),
            "RoleBinding" => self.add_role_binding(Binding::deserialize(object)?),
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Adds a `ClusterRole`.
    pub fn add_cluster_role(&mut self, role: Role) {
        self.cluster_roles.insert(role.metadata.name.clone(), role);
    }

    /// Adds a Role.
    pub fn add_role(&mut self, role: Role) {
        self.roles.insert((self.namespace_of(&role.metadata), role.metadata.name.clone()), role);
    }

    /// Adds a `ClusterRoleBinding`.
    pub fn add_cluster_role_binding(&mut self, binding: Binding) {
        self.bindings.insert(BindingId { namespace: None, name: binding.metadata.name.clone() }, binding);
    }

    /// Adds a `RoleBinding`.
    pub fn add_role_binding(&mut self, binding: Binding) {
        let namespace = Some(self.namespace_of(&binding.metadata));
        self.bindings.insert(BindingId { namespace, name: binding.metadata.name.clone() }, binding);
    }

    /// Adds the objects of another part of the cluster.
    pub fn merge(&mut self, other: Self) {
        self.cluster_roles.extend(other.cluster_roles);
        self.roles.extend(other.roles);
        self.bindings.extend(other.bindings);
    }

    fn namespace_of(&self, metadata: &Metadata) -> String {
        let namespace = metadata.namespace.as_ref().filter(|namespace| !namespace.is_empty());
        namespace.unwrap_or(&self.default_namespace).clone()
    }
}

#[cfg(test)]
mod tests;
