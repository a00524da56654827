// SPDX-License-Identifier: Apache-2.0
//! Kinds of Kubernetes objects: the API group, which is empty for the core group, and the kind, as `request.kind` names them.
//! <https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/#request>
//!
//! A test compares them with `k8s-openapi`. The policy needs only these names, and `k8s-openapi` takes longer to build than the
//! policy itself.

/// The version of the core API group.
pub const CORE_VERSION: &str = "v1";

/// A `ClusterRole`.
pub const CLUSTER_ROLE: (&str, &str) = ("rbac.authorization.k8s.io", "ClusterRole");
/// A `ClusterRoleBinding`.
pub const CLUSTER_ROLE_BINDING: (&str, &str) = ("rbac.authorization.k8s.io", "ClusterRoleBinding");
/// A `ConfigMap`.
pub const CONFIG_MAP: (&str, &str) = ("", "ConfigMap");
/// A `CronJob`.
pub const CRON_JOB: (&str, &str) = ("batch", "CronJob");
/// A `DaemonSet`.
pub const DAEMON_SET: (&str, &str) = ("apps", "DaemonSet");
/// A Deployment.
pub const DEPLOYMENT: (&str, &str) = ("apps", "Deployment");
/// A Job.
pub const JOB: (&str, &str) = ("batch", "Job");
/// A `PersistentVolume`.
pub const PERSISTENT_VOLUME: (&str, &str) = ("", "PersistentVolume");
/// A Pod.
pub const POD: (&str, &str) = ("", "Pod");
/// A `PodTemplate`.
pub const POD_TEMPLATE: (&str, &str) = ("", "PodTemplate");
/// A `ReplicaSet`.
pub const REPLICA_SET: (&str, &str) = ("apps", "ReplicaSet");
/// A `ReplicationController`.
pub const REPLICATION_CONTROLLER: (&str, &str) = ("", "ReplicationController");
/// A Role.
pub const ROLE: (&str, &str) = ("rbac.authorization.k8s.io", "Role");
/// A `RoleBinding`.
pub const ROLE_BINDING: (&str, &str) = ("rbac.authorization.k8s.io", "RoleBinding");
/// A Secret.
pub const SECRET: (&str, &str) = ("", "Secret");
/// A `ServiceAccount`.
pub const SERVICE_ACCOUNT: (&str, &str) = ("", "ServiceAccount");
/// A `StatefulSet`.
pub const STATEFUL_SET: (&str, &str) = ("apps", "StatefulSet");
/// A request for a token of a `ServiceAccount`.
pub const TOKEN_REQUEST: (&str, &str) = ("authentication.k8s.io", "TokenRequest");

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::Resource;
    use k8s_openapi::api::{apps, authentication, batch, core, rbac};

    fn of<R: Resource>() -> (&'static str, &'static str) {
        (R::GROUP, R::KIND)
    }

    #[test]
    fn kinds_are_those_of_kubernetes() {
        let expected = [
            (CLUSTER_ROLE, of::<rbac::v1::ClusterRole>()),
            (CLUSTER_ROLE_BINDING, of::<rbac::v1::ClusterRoleBinding>()),
            (CONFIG_MAP, of::<core::v1::ConfigMap>()),
            (CRON_JOB, of::<batch::v1::CronJob>()),
            (DAEMON_SET, of::<apps::v1::DaemonSet>()),
            (DEPLOYMENT, of::<apps::v1::Deployment>()),
            (JOB, of::<batch::v1::Job>()),
            (PERSISTENT_VOLUME, of::<core::v1::PersistentVolume>()),
            (POD, of::<core::v1::Pod>()),
            (POD_TEMPLATE, of::<core::v1::PodTemplate>()),
            (REPLICA_SET, of::<apps::v1::ReplicaSet>()),
            (REPLICATION_CONTROLLER, of::<core::v1::ReplicationController>()),
            (ROLE, of::<rbac::v1::Role>()),
            (ROLE_BINDING, of::<rbac::v1::RoleBinding>()),
            (SECRET, of::<core::v1::Secret>()),
            (SERVICE_ACCOUNT, of::<core::v1::ServiceAccount>()),
            (STATEFUL_SET, of::<apps::v1::StatefulSet>()),
            (TOKEN_REQUEST, of::<authentication::v1::TokenRequest>()),
        ];
        for (ours, theirs) in expected {
            assert_eq!(ours, theirs);
        }
        assert_eq!(CORE_VERSION, core::v1::ServiceAccount::API_VERSION);
    }
}
