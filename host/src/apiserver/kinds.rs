// SPDX-License-Identifier: Apache-2.0

//! The kinds of the API server: resource names, scope, location of the Pod.

/// A kind this simulation knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Kind {
    pub group: &'static str,
    /// The version in which API servers store the kind today.
    pub api_version: &'static str,
    pub name: &'static str,
    pub resource: &'static str,
    pub namespaced: bool,
    /// The path of the Pod: of the object that contains its `metadata` and `spec`.
    pub pod_path: Option<&'static [&'static str]>,
}

const POD: Option<&[&str]> = Some(&[]);
const SPEC_TEMPLATE: Option<&[&str]> = Some(&["spec", "template"]);
const CRON_TEMPLATE: Option<&[&str]> = Some(&["spec", "jobTemplate", "spec", "template"]);
const TEMPLATE: Option<&[&str]> = Some(&["template"]);

const RBAC: &str = "rbac.authorization.k8s.io";
const IAM: &str = "iam.cnrm.cloud.google.com";

#[rustfmt::skip]
const KINDS: &[Kind] = &[
    Kind { group: "", api_version: "v1", name: "Pod", resource: "pods", namespaced: true, pod_path: POD },
    Kind { group: "apps", api_version: "apps/v1", name: "Deployment", resource: "deployments", namespaced: true, pod_path: SPEC_TEMPLATE },
    Kind { group: "apps", api_version: "apps/v1", name: "ReplicaSet", resource: "replicasets", namespaced: true, pod_path: SPEC_TEMPLATE },
    Kind { group: "apps", api_version: "apps/v1", name: "StatefulSet", resource: "statefulsets", namespaced: true, pod_path: SPEC_TEMPLATE },
    Kind { group: "apps", api_version: "apps/v1", name: "DaemonSet", resource: "daemonsets", namespaced: true, pod_path: SPEC_TEMPLATE },
    Kind { group: "batch", api_version: "batch/v1", name: "Job", resource: "jobs", namespaced: true, pod_path: SPEC_TEMPLATE },
    Kind { group: "batch", api_version: "batch/v1", name: "CronJob", resource: "cronjobs", namespaced: true, pod_path: CRON_TEMPLATE },
    Kind { group: "", api_version: "v1", name: "ReplicationController", resource: "replicationcontrollers", namespaced: true, pod_path: SPEC_TEMPLATE },
    Kind { group: "", api_version: "v1", name: "PodTemplate", resource: "podtemplates", namespaced: true, pod_path: TEMPLATE },
    Kind { group: "", api_version: "v1", name: "ServiceAccount", resource: "serviceaccounts", namespaced: true, pod_path: None },
    Kind { group: "", api_version: "v1", name: "Secret", resource: "secrets", namespaced: true, pod_path: None },
    Kind { group: "", api_version: "v1", name: "ConfigMap", resource: "configmaps", namespaced: true, pod_path: None },
    Kind { group: "", api_version: "v1", name: "Namespace", resource: "namespaces", namespaced: false, pod_path: None },
    Kind { group: "", api_version: "v1", name: "PersistentVolume", resource: "persistentvolumes", namespaced: false, pod_path: None },
    Kind { group: "authentication.k8s.io", api_version: "authentication.k8s.io/v1", name: "TokenRequest", resource: "serviceaccounts", namespaced: true, pod_path: None },
    Kind { group: RBAC, api_version: "rbac.authorization.k8s.io/v1", name: "RoleBinding", resource: "rolebindings", namespaced: true, pod_path: None },
    Kind { group: RBAC, api_version: "rbac.authorization.k8s.io/v1", name: "ClusterRoleBinding", resource: "clusterrolebindings", namespaced: false, pod_path: None },
    Kind { group: RBAC, api_version: "rbac.authorization.k8s.io/v1", name: "Role", resource: "roles", namespaced: true, pod_path: None },
    Kind { group: RBAC, api_version: "rbac.authorization.k8s.io/v1", name: "ClusterRole", resource: "clusterroles", namespaced: false, pod_path: None },
    Kind { group: "eks.services.k8s.aws", api_version: "eks.services.k8s.aws/v1alpha1", name: "PodIdentityAssociation", resource: "podidentityassociations", namespaced: true, pod_path: None },
    Kind { group: "eks.aws.upbound.io", api_version: "eks.aws.upbound.io/v1beta1", name: "PodIdentityAssociation", resource: "podidentityassociations", namespaced: false, pod_path: None },
    Kind { group: "eks.aws.m.upbound.io", api_version: "eks.aws.m.upbound.io/v1beta1", name: "PodIdentityAssociation", resource: "podidentityassociations", namespaced: true, pod_path: None },
    Kind { group: "eks.aws.crossplane.io", api_version: "eks.aws.crossplane.io/v1alpha1", name: "PodIdentityAssociation", resource: "podidentityassociations", namespaced: false, pod_path: None },
    Kind { group: "managedidentity.azure.com", api_version: "managedidentity.azure.com/v1api20230131", name: "FederatedIdentityCredential", resource: "federatedidentitycredentials", namespaced: true, pod_path: None },
    Kind { group: IAM, api_version: "iam.cnrm.cloud.google.com/v1beta1", name: "IAMPolicyMember", resource: "iampolicymembers", namespaced: true, pod_path: None },
    Kind { group: IAM, api_version: "iam.cnrm.cloud.google.com/v1beta1", name: "IAMPartialPolicy", resource: "iampartialpolicies", namespaced: true, pod_path: None },
    Kind { group: IAM, api_version: "iam.cnrm.cloud.google.com/v1beta1", name: "IAMPolicy", resource: "iampolicies", namespaced: true, pod_path: None },
];

pub(super) fn find(group: &str, name: &str) -> Option<&'static Kind> {
    KINDS.iter().find(|kind| kind.group == group && kind.name == name)
}

/// Every kind.
pub(super) fn all() -> impl Iterator<Item = &'static Kind> {
    KINDS.iter()
}

/// The plural that `kubectl` and code generators guess for a kind.
pub(super) fn guess_resource(kind: &str) -> String {
    let singular = kind.to_lowercase();
    if let Some(stem) = singular.strip_suffix('y')
        && !stem.ends_with(['a', 'e', 'i', 'o', 'u'])
    {
        return format!("{stem}ies");
    }
    if singular.ends_with(['s', 'x']) || singular.ends_with("ch") || singular.ends_with("sh") {
        return format!("{singular}es");
    }
    format!("{singular}s")
}

#[cfg(test)]
mod tests {
    use super::guess_resource;

    #[test]
    fn guesses_plurals() {
        for (kind, plural) in [
            ("Rollout", "rollouts"),
            ("NetworkPolicy", "networkpolicies"),
            ("Ingress", "ingresses"),
            ("Gateway", "gateways"),
            ("Mesh", "meshes"),
        ] {
            assert_eq!(guess_resource(kind), plural);
        }
    }
}
