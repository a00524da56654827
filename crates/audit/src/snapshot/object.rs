// SPDX-License-Identifier: Apache-2.0

//! Objects as the API server returns them, limited to the fields that an audit needs: values of environment variables, data of
//! Secrets and the annotation of `kubectl apply` are never kept.

use std::fmt;
use std::sync::LazyLock;

use policy_host::json::null_as_default;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Serialize};
use serviceaccount_hygiene::identity::key::{self, Reading};

/// The default prefix of the EKS Pod identity webhook.
const AWS_PREFIX: &str = "eks.amazonaws.com";

/// The type of Secrets with a legacy token.
pub(super) const TOKEN_SECRET: &str = "kubernetes.io/service-account-token";

/// The template of a workload that has none.
pub(super) static NO_TEMPLATE: LazyLock<Template> = LazyLock::new(Template::default);

/// Annotations of Pods whose injectors read the API token, with the value that requests injection.
const TOKEN_READERS: [(&str, &str); 1] = [("vault.hashicorp.com/agent-inject", "true")];

/// Any object.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Head {
    #[serde(deserialize_with = "null_as_default")]
    pub api_version: String,
    #[serde(deserialize_with = "null_as_default")]
    pub kind: String,
    #[serde(deserialize_with = "null_as_default")]
    pub metadata: HeadMetadata,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct HeadMetadata {
    #[serde(deserialize_with = "null_as_default")]
    pub name: String,
    pub namespace: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Metadata {
    #[serde(deserialize_with = "null_as_default")]
    pub name: String,
    pub namespace: Option<String>,
    pub creation_timestamp: Option<String>,
    #[serde(deserialize_with = "null_as_default")]
    pub labels: Labels,
    #[serde(deserialize_with = "null_as_default")]
    pub annotations: Annotations,
    #[serde(deserialize_with = "null_as_default")]
    pub owner_references: Vec<OwnerReference>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Labels {
    /// The label of Pods and `ReplicaSets` of a Deployment: the suffix of the `ReplicaSet`'s name.
    #[serde(rename = "pod-template-hash")]
    pub pod_template_hash: Option<String>,
    /// The label of Secrets with a legacy token: the day of its last use.
    #[serde(rename = "kubernetes.io/legacy-token-last-used")]
    pub legacy_token_last_used: Option<String>,
    /// The label of Secrets whose token the API server's cleaner has invalidated.
    #[serde(rename = "kubernetes.io/legacy-token-invalid-since")]
    pub legacy_token_invalid_since: Option<String>,
}

/// The annotations that an audit reads.
#[derive(Debug, Default)]
pub(super) struct Annotations {
    /// Those that give an account a cloud identity.
    pub identities: Vec<Identity>,
    /// The one by which a Pod requests an injector that uses its token.
    pub reads_token: Option<String>,
    /// The account of a Secret with a legacy token.
    pub service_account: Option<String>,
}

/// An annotation that gives a ServiceAccount a cloud identity.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Identity {
    /// The key.
    pub annotation: String,
    /// The role, the Google service account or the client ID.
    pub value: String,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct OwnerReference {
    #[serde(deserialize_with = "null_as_default")]
    pub kind: String,
    #[serde(deserialize_with = "null_as_default")]
    pub name: String,
    #[serde(deserialize_with = "null_as_default")]
    pub controller: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Pod {
    #[serde(deserialize_with = "null_as_default")]
    pub metadata: Metadata,
    #[serde(deserialize_with = "null_as_default")]
    pub spec: PodSpec,
    #[serde(deserialize_with = "null_as_default")]
    pub status: PodStatus,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct PodStatus {
    #[serde(deserialize_with = "null_as_default")]
    pub phase: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct PodSpec {
    #[serde(deserialize_with = "null_as_default")]
    pub service_account_name: String,
    /// The deprecated name of the field.
    #[serde(deserialize_with = "null_as_default")]
    pub service_account: String,
    pub automount_service_account_token: Option<bool>,
    #[serde(deserialize_with = "null_as_default")]
    pub volumes: Vec<Volume>,
    #[serde(deserialize_with = "null_as_default")]
    pub containers: Vec<Container>,
    #[serde(deserialize_with = "null_as_default")]
    pub init_containers: Vec<Container>,
    #[serde(deserialize_with = "null_as_default")]
    pub ephemeral_containers: Vec<Container>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Volume {
    #[serde(deserialize_with = "null_as_default")]
    pub name: String,
    #[serde(deserialize_with = "null_as_default")]
    pub projected: Projected,
    #[serde(deserialize_with = "null_as_default")]
    pub secret: SecretVolume,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Projected {
    #[serde(deserialize_with = "null_as_default")]
    pub sources: Vec<Source>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Source {
    pub service_account_token: Option<TokenSource>,
    #[serde(deserialize_with = "null_as_default")]
    pub secret: Named,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct TokenSource {
    #[serde(deserialize_with = "null_as_default")]
    pub audience: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct SecretVolume {
    #[serde(deserialize_with = "null_as_default")]
    pub secret_name: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Container {
    #[serde(deserialize_with = "null_as_default")]
    pub volume_mounts: Vec<Named>,
    #[serde(deserialize_with = "null_as_default")]
    pub env: Vec<Env>,
    #[serde(deserialize_with = "null_as_default")]
    pub env_from: Vec<EnvFrom>,
}

/// The Secret that a variable comes from; never its value.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Env {
    #[serde(deserialize_with = "null_as_default")]
    pub value_from: ValueFrom,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct ValueFrom {
    #[serde(deserialize_with = "null_as_default")]
    pub secret_key_ref: Named,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct EnvFrom {
    #[serde(deserialize_with = "null_as_default")]
    pub secret_ref: Named,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Named {
    #[serde(deserialize_with = "null_as_default")]
    pub name: String,
}

/// An object that creates Pods from a template.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Workload {
    #[serde(deserialize_with = "null_as_default")]
    pub metadata: Metadata,
    #[serde(deserialize_with = "null_as_default")]
    pub spec: WorkloadSpec,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct WorkloadSpec {
    pub replicas: Option<i64>,
    pub template: Option<Template>,
    pub job_template: Option<JobTemplate>,
    pub schedule: Option<String>,
    #[serde(deserialize_with = "null_as_default")]
    pub suspend: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Template {
    #[serde(deserialize_with = "null_as_default")]
    pub metadata: Metadata,
    #[serde(deserialize_with = "null_as_default")]
    pub spec: PodSpec,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct JobTemplate {
    #[serde(deserialize_with = "null_as_default")]
    pub spec: JobSpec,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct JobSpec {
    #[serde(deserialize_with = "null_as_default")]
    pub template: Template,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct ServiceAccount {
    #[serde(deserialize_with = "null_as_default")]
    pub metadata: Metadata,
    pub automount_service_account_token: Option<bool>,
    #[serde(deserialize_with = "null_as_default")]
    pub secrets: Vec<Named>,
}

/// A Secret without its data.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Secret {
    #[serde(deserialize_with = "null_as_default")]
    pub metadata: Metadata,
    #[serde(rename = "type", deserialize_with = "null_as_default")]
    pub secret_type: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Other {
    #[serde(deserialize_with = "null_as_default")]
    pub metadata: Metadata,
}

impl<'de> Deserialize<'de> for Annotations {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Keeping;

        impl<'de> Visitor<'de> for Keeping {
            type Value = Annotations;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("annotations")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut kept = Annotations::default();
                while let Some(key) = map.next_key::<String>()? {
                    if key == "kubernetes.io/service-account.name" {
                        kept.service_account = Some(map.next_value()?);
                    } else if let Some((_, asking)) = TOKEN_READERS.iter().find(|(reader, _)| *reader == key) {
                        if map.next_value::<String>()? == *asking {
                            kept.reads_token = Some(key);
                        }
                    } else if matches!(key::read(&key, AWS_PREFIX), Reading::Known(known) if known.selects) {
                        kept.identities.push(Identity { annotation: key, value: map.next_value()? });
                    } else {
                        map.next_value::<IgnoredAny>()?;
                    }
                }
                kept.identities.sort();
                Ok(kept)
            }
        }

        deserializer.deserialize_map(Keeping)
    }
}

impl Metadata {
    /// Namespace and name.
    pub fn key(&self) -> (String, String) {
        let namespace = self.namespace.as_deref().filter(|it| !it.is_empty()).unwrap_or("default");
        (namespace.to_owned(), self.name.clone())
    }

    /// Kind and name of the object's controller.
    pub fn owner(&self) -> Option<(String, String)> {
        let owner = self.owner_references.iter().find(|owner| owner.controller)?;
        Some((owner.kind.clone(), owner.name.clone()))
    }

    /// When the object was created, in seconds since 1970.
    pub fn created(&self) -> Option<i64> {
        let time: jiff::Timestamp = self.creation_timestamp.as_ref()?.parse().ok()?;
        Some(time.as_second())
    }
}

impl PodSpec {
    /// The Pod's account.
    pub fn account(&self) -> &str {
        let names = [&self.service_account_name, &self.service_account];
        names.into_iter().find(|name| !name.is_empty()).map_or("default", String::as_str)
    }

    /// The containers of all lists.
    pub fn all_containers(&self) -> impl Iterator<Item = &Container> {
        [&self.init_containers, &self.containers, &self.ephemeral_containers].into_iter().flatten()
    }
}
