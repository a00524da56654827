// SPDX-License-Identifier: Apache-2.0
//! Custom resources with which a controller in the cluster grants cloud
//! identities to ServiceAccounts.

use super::meta::{Head, Meta};
use super::view::{self, Members, Raw, ReadError, Text, view};
use crate::fast::word;

/// The kinds of grants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GrantKind {
    /// An EKS Pod Identity association of ACK.
    /// <https://github.com/aws-controllers-k8s/eks-controller/blob/main/apis/v1alpha1/pod_identity_association.go>
    Ack,
    /// The same, of Crossplane: cluster-scoped or namespaced.
    /// <https://github.com/crossplane-contrib/provider-upjet-aws/blob/main/package/crds/eks.aws.m.upbound.io_podidentityassociations.yaml>
    Crossplane,
    /// A federated identity credential of Azure Service Operator.
    /// <https://azure.github.io/azure-service-operator/reference/managedidentity/>
    Azure,
    /// An IAM policy of Config Connector, or a part of one.
    /// <https://cloud.google.com/config-connector/docs/reference/resource-docs/iam/iampolicymember>
    Google,
}

const KINDS: [(&str, &str, GrantKind); 8] = [
    ("eks.services.k8s.aws", "PodIdentityAssociation", GrantKind::Ack),
    ("eks.aws.upbound.io", "PodIdentityAssociation", GrantKind::Crossplane),
    ("eks.aws.m.upbound.io", "PodIdentityAssociation", GrantKind::Crossplane),
    // Of the previous provider, which writes `roleARN`.
    // <https://github.com/crossplane-contrib/provider-aws/blob/master/apis/eks/v1alpha1/zz_pod_identity_association.go>
    ("eks.aws.crossplane.io", "PodIdentityAssociation", GrantKind::Crossplane),
    ("managedidentity.azure.com", "FederatedIdentityCredential", GrantKind::Azure),
    ("iam.cnrm.cloud.google.com", "IAMPolicyMember", GrantKind::Google),
    ("iam.cnrm.cloud.google.com", "IAMPartialPolicy", GrantKind::Google),
    ("iam.cnrm.cloud.google.com", "IAMPolicy", GrantKind::Google),
];

impl GrantKind {
    /// The kind of an object, if it grants an identity.
    #[must_use]
    pub fn of(group: &str, kind: &str) -> Option<Self> {
        KINDS.iter().find(|(g, k, _)| (*g, *k) == (group, kind)).map(|(_, _, grant)| *grant)
    }
}

/// A grant, with the fields that are read of its kind.
#[derive(Debug)]
pub enum IdentityGrant<'a> {
    /// Of an AWS role.
    Aws(Association<'a>),
    /// Of an Azure managed identity.
    Azure(Credential<'a>),
    /// Of Google Cloud roles.
    Google(Policy<'a>),
}

/// An EKS Pod Identity association.
#[derive(Debug)]
pub struct Association<'a> {
    /// The maps that contain its fields, with their paths. Crossplane takes
    /// fields that are missing in the first from the second.
    pub parts: Vec<(&'static str, Members<'a, Raw<'a>>)>,
    /// Every namespace in it, of which one takes effect.
    namespaces: Vec<Text<'a>>,
    /// Every account in it, of which one takes effect.
    accounts: Vec<Text<'a>>,
}

view! {
    /// A federated identity credential.
    pub struct Credential<'a> {
        /// The managed identity.
        pub owner: Option<Owner<'a>> = "owner",
        /// The issuer whose tokens are accepted.
        pub issuer: Option<Text<'a>> = "issuer",
        /// The same, from a `ConfigMap`.
        pub issuer_from: Raw<'a> = "issuerFromConfig",
        /// The subject whose token is required.
        pub subject: Option<Text<'a>> = "subject",
        /// The same, from a `ConfigMap`.
        pub subject_from: Raw<'a> = "subjectFromConfig",
    }
}

view! {
    /// A managed identity.
    pub struct Owner<'a> {
        /// The name of the object that represents it, in the same namespace.
        pub name: Option<Text<'a>> = "name",
        /// Its ID in Azure.
        pub arm_id: Option<Text<'a>> = "armId",
    }
}

/// An IAM policy, a part of one, or one member of one.
#[derive(Debug)]
pub struct Policy<'a> {
    /// The resource that the roles apply to.
    pub resource: Resource<'a>,
    /// Every member that is written out.
    pub members: Vec<PolicyMember<'a>>,
}

/// A role that a member has.
#[derive(Debug)]
pub struct PolicyMember<'a> {
    /// The role.
    pub role: Text<'a>,
    /// The member that has it.
    pub member: Text<'a>,
    /// The position of the binding, and of the member in it; `None` if the
    /// object is for one member.
    pub entry: Option<(usize, usize)>,
}

view! {
    /// The specification of a policy.
    pub struct PolicySpec<'a> {
        resource: Option<Resource<'a>> = "resourceRef",
        role: Option<Text<'a>> = "role",
        member: Option<Text<'a>> = "member",
        bindings: Vec<RoleBinding<'a>> = "bindings",
    }
}

view! {
    /// An object of Google Cloud.
    pub struct Resource<'a> {
        /// The kind of the object that represents it.
        pub kind: Option<Text<'a>> = "kind",
        /// The name of that object.
        pub name: Option<Text<'a>> = "name",
        /// Its namespace, if it is another one.
        pub namespace: Option<Text<'a>> = "namespace",
        /// Its name in Google Cloud.
        pub external: Option<Text<'a>> = "external",
    }
}

view! {
    /// A role and its members.
    pub struct RoleBinding<'a> {
        role: Option<Text<'a>> = "role",
        members: Vec<Raw<'a>> = "members",
    }
}

view! {
    /// A member, which may be a reference.
    pub struct MemberEntry<'a> {
        member: Option<Text<'a>> = "member",
    }
}

/// Who a member of an IAM policy is.
/// <https://cloud.google.com/iam/docs/principal-identifiers>
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Member<'t> {
    /// A ServiceAccount: namespace and name.
    Account(&'t str, &'t str),
    /// Many principals, possibly including ServiceAccounts, or one whose
    /// namespace and name are unknown.
    Many,
    /// Another principal.
    Other,
}

impl<'t> Member<'t> {
    /// Reads a member.
    #[must_use]
    pub fn of(text: &'t str) -> Self {
        // Pools of GKE are named `svc.id.goog`, those of old fleets `hub.id.goog`.
        if let Some((_, inside)) = text.split_once(".id.goog[") {
            let account = inside.strip_suffix(']').and_then(|inside| inside.split_once('/'));
            return account.map_or(Self::Many, |(namespace, name)| Self::Account(namespace, name));
        }
        if let Some(pool) = text.strip_prefix("principal:") {
            if let Some((namespace, name)) = pool.split_once("/subject/").and_then(|it| account_of_subject(it.1)) {
                return Self::Account(namespace, name);
            }
            // All members of such a pool are ServiceAccounts. They can also be
            // named by their UID, which reveals neither namespace nor name.
            // <https://cloud.google.com/kubernetes-engine/docs/concepts/workload-identity#principal-id-examples>
            return if word::any(&[".svc.id.goog/"], pool) { Self::Many } else { Self::Other };
        }
        if text.starts_with("principalSet:") || matches!(text, "allUsers" | "allAuthenticatedUsers") {
            return Self::Many;
        }
        Self::Other
    }
}

/// The ServiceAccount in the subject of a token, in the format of Kubernetes or of GKE.
#[must_use]
pub fn account_of_subject(subject: &str) -> Option<(&str, &str)> {
    match subject.strip_prefix("system:serviceaccount:") {
        Some(account) => account.split_once(':'),
        None => subject.strip_prefix("ns/")?.split_once("/sa/"),
    }
}

impl<'a> IdentityGrant<'a> {
    /// Reads a grant; `base` is the path of the object. `None` if it has no
    /// specification.
    ///
    /// # Errors
    /// [`ReadError`] when a field that is read has the wrong shape.
    pub fn read(kind: GrantKind, text: &'a str, base: &str) -> Result<(Meta<'a>, Option<Self>), ReadError> {
        let meta = view::read::<Head<'a>>(text, base)?.metadata.unwrap_or_default();
        let Some(spec) = super::descend(text, &["spec"], base)? else { return Ok((meta, None)) };
        let path = [base, ".spec"].concat();
        let grant = match kind {
            GrantKind::Ack => Self::Aws(Association::read(&[("spec", spec)], base)?),
            GrantKind::Crossplane => {
                let mut parts = Vec::new();
                for (field, part) in [("forProvider", "spec.forProvider"), ("initProvider", "spec.initProvider")] {
                    parts.extend(super::descend(spec, &[field], &path)?.map(|text| (part, text)));
                }
                Self::Aws(Association::read(&parts, base)?)
            }
            GrantKind::Azure => Self::Azure(view::read(spec, &path)?),
            GrantKind::Google => Self::Google(Policy::read(spec, &path)?),
        };
        Ok((meta, Some(grant)))
    }

    /// The accounts that get the identity: namespace and name. An account
    /// without a name stands for many.
    #[must_use]
    pub fn accounts(&self) -> Vec<(&str, &str)> {
        match self {
            Self::Aws(association) => association.accounts().collect(),
            Self::Azure(credential) => credential.subject.as_deref().and_then(account_of_subject).into_iter().collect(),
            Self::Google(policy) => {
                let members = policy.members.iter().map(|member| Member::of(&member.member));
                let accounts = members.filter_map(|member| match member {
                    Member::Account(namespace, name) => Some((namespace, name)),
                    Member::Many => Some(("", "")),
                    Member::Other => None,
                });
                accounts.collect()
            }
        }
    }
}

impl<'a> Association<'a> {
    fn read(parts: &[(&'static str, &'a str)], base: &str) -> Result<Self, ReadError> {
        let mut association = Self { parts: Vec::new(), namespaces: Vec::new(), accounts: Vec::new() };
        for &(path, text) in parts {
            let members: Members<'a, Raw<'a>> = view::read(text, &[base, ".", path].concat())?;
            for (key, value) in members.iter() {
                let list = match key {
                    "namespace" => &mut association.namespaces,
                    "serviceAccount" => &mut association.accounts,
                    _ => continue,
                };
                let text: Text<'a> = value.read_at(&|| [base, ".", path, ".", key].concat())?;
                // The same value twice means one account.
                if !list.contains(&text) {
                    list.push(text);
                }
            }
            association.parts.push((path, members));
        }
        Ok(association)
    }

    /// Every account that may be meant: namespace and name.
    pub fn accounts(&self) -> impl Iterator<Item = (&str, &str)> {
        let with = move |namespace| self.accounts.iter().map(move |account| (namespace, account.as_str()));
        self.namespaces.iter().map(Text::as_str).flat_map(with)
    }
}

impl<'a> Policy<'a> {
    fn read(spec: &'a str, path: &str) -> Result<Self, ReadError> {
        let spec: PolicySpec<'a> = view::read(spec, path)?;
        let mut members = Vec::new();
        if let Some(member) = spec.member {
            members.push(PolicyMember { role: spec.role.unwrap_or_default(), member, entry: None });
        }
        for (position, binding) in spec.bindings.into_iter().enumerate() {
            let role = binding.role.unwrap_or_default();
            for (index, entry) in binding.members.into_iter().enumerate() {
                let path = || format!("{path}.bindings[{position}].members[{index}]");
                let is_text = entry.text().is_some_and(|text| text.starts_with('"'));
                let member =
                    if is_text { Some(entry.read_at(&path)?) } else { entry.read_at::<MemberEntry<'a>>(&path)?.member };
                if let Some(member) = member {
                    members.push(PolicyMember { role: role.clone(), member, entry: Some((position, index)) });
                }
            }
        }
        Ok(Self { resource: spec.resource.unwrap_or_default(), members })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("serviceAccount:shop-prod.svc.id.goog[shop/uploader]", Member::Account("shop", "uploader"))]
    #[case("serviceAccount:shop-prod.svc.id.goog[shop]", Member::Many)]
    #[case("serviceAccount:shop-prod.svc.id.goog[shop/uploader", Member::Many)]
    #[case(
        "principal://iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p.svc.id.goog/subject/ns/shop/sa/uploader",
        Member::Account("shop", "uploader")
    )]
    #[case(
        "principal://iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/subject/system:serviceaccount:shop:uploader",
        Member::Account("shop", "uploader")
    )]
    #[case(
        "principal://iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/subject/repo:a/b",
        Member::Other
    )]
    #[case(
        "principal://iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p.svc.id.goog/kubernetes.serviceaccount.uid/7f3c",
        Member::Many
    )]
    #[case(
        "principal://iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p.svc.id.goog/subject/shop/uploader",
        Member::Many
    )]
    #[case("serviceAccount:shop-prod.hub.id.goog[shop/uploader]", Member::Account("shop", "uploader"))]
    #[case(
        "principalSet://iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p.svc.id.goog/namespace/shop",
        Member::Many
    )]
    #[case("allUsers", Member::Many)]
    #[case("allAuthenticatedUsers", Member::Many)]
    #[case("serviceAccount:uploader@shop-prod.iam.gserviceaccount.com", Member::Other)]
    #[case("user:alice@example.com", Member::Other)]
    #[case("", Member::Other)]
    fn members(#[case] text: &str, #[case] expected: Member<'_>) {
        assert_eq!(Member::of(text), expected);
    }

    fn accounts(kind: GrantKind, text: &str) -> Result<Vec<String>, String> {
        let (_, grant) = IdentityGrant::read(kind, text, "object").map_err(|error| error.to_string())?;
        let accounts = grant.iter().flat_map(IdentityGrant::accounts);
        Ok(accounts.map(|(namespace, name)| [namespace, name].join("/")).collect())
    }

    #[rstest]
    #[case(GrantKind::Ack, r#"{"spec":{"namespace":"shop","serviceAccount":"uploader"}}"#, &["shop/uploader"])]
    #[case(GrantKind::Ack, r#"{"spec":{"namespace":"shop"}}"#, &[])]
    #[case(GrantKind::Ack, r#"{"metadata":{}}"#, &[])]
    #[case(
        GrantKind::Crossplane,
        r#"{"spec":{"forProvider":{"namespace":"shop"},"initProvider":{"namespace":"bank","serviceAccount":"uploader"}}}"#,
        &["shop/uploader", "bank/uploader"]
    )]
    #[case(
        GrantKind::Crossplane,
        r#"{"spec":{"forProvider":{"namespace":"shop"},"initProvider":{"namespace":"shop","serviceAccount":"uploader"}}}"#,
        &["shop/uploader"]
    )]
    #[case(GrantKind::Crossplane, r#"{"spec":{"namespace":"shop","serviceAccount":"uploader"}}"#, &[])]
    #[case(GrantKind::Azure, r#"{"spec":{"subject":"system:serviceaccount:shop:uploader"}}"#, &["shop/uploader"])]
    #[case(GrantKind::Azure, r#"{"spec":{"subject":"repo:a/b"}}"#, &[])]
    #[case(GrantKind::Google, r#"{"spec":{"member":"serviceAccount:p.svc.id.goog[shop/uploader]"}}"#, &["shop/uploader"])]
    #[case(
        GrantKind::Google,
        r#"{"spec":{"bindings":[{"role":"r","members":["serviceAccount:p.svc.id.goog[shop/a]",{"member":"allUsers"},{"memberFrom":{}}]}]}}"#,
        &["shop/a", "/"]
    )]
    fn accounts_of_grants(#[case] kind: GrantKind, #[case] text: &str, #[case] expected: &[&str]) {
        assert_eq!(accounts(kind, text).unwrap(), expected);
    }

    #[rstest]
    #[case(GrantKind::Ack, r#"{"spec":7}"#, "object.spec: must be an object, is a number")]
    #[case(GrantKind::Ack, r#"{"spec":{"namespace":7}}"#, "object.spec.namespace: must be a string, is a number")]
    #[case(
        GrantKind::Crossplane,
        r#"{"spec":{"forProvider":[]}}"#,
        "object.spec.forProvider: must be an object, is a list"
    )]
    #[case(GrantKind::Azure, r#"{"spec":{"owner":"x"}}"#, "object.spec.owner: must be an object, is a string")]
    #[case(
        GrantKind::Google,
        r#"{"spec":{"bindings":[{"members":[7]}]}}"#,
        "object.spec.bindings[0].members[0]: must be an object, is a number"
    )]
    fn what_cannot_be_read(#[case] kind: GrantKind, #[case] text: &str, #[case] expected: &str) {
        assert_eq!(accounts(kind, text).unwrap_err(), expected);
    }
}
