// SPDX-License-Identifier: Apache-2.0

//! The objects of a cluster that an audit needs, from files or through `kubectl`.
//!
//! ```text
//! file, standard input --\
//!                         read::documents --> Snapshot::add --> Snapshot
//! kubectl get --raw -----/
//! ```
//!
//! Lists are read item by item. For each object, only the fields in `object` are kept.

mod kubectl;
mod object;
mod read;
mod secrets;
mod tokens;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::de::DeserializeOwned;

pub use kubectl::{Error, Kubectl, Selection};
pub use object::Identity;
pub use read::{FileError, from_paths};
pub use secrets::ARGUMENTS as SECRET_ARGUMENTS;
pub use tokens::Tokens;

use object::Head;
use policy_host::rbac;

/// The objects that an audit has read. The keys of namespaced objects are namespace and name.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// The API server's audiences besides the default ones.
    pub api_audiences: Vec<String>,
    /// The namespaces.
    pub namespaces: BTreeSet<String>,
    /// The `ServiceAccounts`.
    pub accounts: BTreeMap<(String, String), Account>,
    /// The Pods.
    pub pods: BTreeMap<(String, String), Pod>,
    /// The objects that create Pods.
    pub workloads: BTreeMap<WorkloadId, Workload>,
    /// The Secrets with legacy tokens, without their data; `None` if they were not requested.
    pub token_secrets: Option<BTreeMap<(String, String), TokenSecret>>,
    /// Roles and bindings.
    pub rbac: rbac::Objects,
    /// Kinds that could not be read, with the reasons.
    pub unread: BTreeMap<Kind, String>,
    /// Kinds that could be read only in one namespace, with the reasons.
    pub unread_elsewhere: BTreeMap<Kind, String>,
    /// The number of objects of each kind.
    pub counts: BTreeMap<Kind, usize>,
    /// Objects that could not be read: kind, namespace and name, if known.
    pub broken: Vec<String>,
}

/// The kinds that are read, by their names in URLs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "they are the API's own names")]
pub enum Kind {
    Namespaces,
    ServiceAccounts,
    Pods,
    ReplicationControllers,
    ReplicaSets,
    Deployments,
    StatefulSets,
    DaemonSets,
    Jobs,
    CronJobs,
    Roles,
    ClusterRoles,
    RoleBindings,
    ClusterRoleBindings,
    Secrets,
}

/// A `ServiceAccount`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Account {
    /// `automountServiceAccountToken`.
    pub automount: Option<bool>,
    /// Its cloud identities.
    pub identities: Vec<Identity>,
    /// The Secrets that it lists.
    pub secrets: BTreeSet<String>,
    /// When it was created, in seconds since 1970.
    pub created: Option<i64>,
}

/// Identifies the object that creates Pods; a Pod without a controller identifies itself.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WorkloadId {
    /// Its namespace.
    pub namespace: String,
    /// `Deployment`, `CronJob` ..., or a kind that is not read here.
    pub kind: String,
    /// Its name.
    pub name: String,
}

/// The facts about a Pod, or about the Pods of a template.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PodFacts {
    /// The account's name.
    pub account: String,
    /// Its tokens.
    pub tokens: Tokens,
    /// The annotation that tells an injector to use the token.
    pub reads_token: Option<String>,
}

/// A Pod.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pod {
    /// The facts about it.
    pub facts: PodFacts,
    /// Kind and name of its controller.
    pub owner: Option<(String, String)>,
    /// For Pods of a Deployment, the suffix of the name of their `ReplicaSet`.
    pub template_hash: Option<String>,
    /// Whether its containers have terminated for good.
    pub is_finished: bool,
    /// When it was created, in seconds since 1970.
    pub created: Option<i64>,
}

/// An object that creates Pods from a template.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Workload {
    /// The facts about its template.
    pub template: PodFacts,
    /// Kind and name of its controller.
    pub owner: Option<(String, String)>,
    /// When it was created, in seconds since 1970.
    pub created: Option<i64>,
    /// The schedule of a `CronJob`.
    pub schedule: Option<String>,
    /// Whether it currently creates no Pods.
    pub is_idle: bool,
}

/// A Secret with a legacy token.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TokenSecret {
    /// The account's name, if known.
    pub account: Option<String>,
    /// The day of its last use, which the API server records on the Secret (`kubernetes.io/legacy-token-last-used`).
    pub last_used: Option<String>,
    /// The day since which it is invalid (`kubernetes.io/legacy-token-invalid-since`).
    pub invalid_since: Option<String>,
}

impl fmt::Display for WorkloadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, self.name)
    }
}

impl Kind {
    /// All kinds except Secrets, the most numerous first.
    pub const ALL: [Self; 14] = [
        Self::Pods,
        Self::ReplicaSets,
        Self::ServiceAccounts,
        Self::Deployments,
        Self::Jobs,
        Self::RoleBindings,
        Self::Roles,
        Self::StatefulSets,
        Self::DaemonSets,
        Self::CronJobs,
        Self::ReplicationControllers,
        Self::ClusterRoles,
        Self::ClusterRoleBindings,
        Self::Namespaces,
    ];

    /// API group, version, plural and kind.
    const fn names(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Namespaces => ("v1", "namespaces", "Namespace"),
            Self::ServiceAccounts => ("v1", "serviceaccounts", "ServiceAccount"),
            Self::Pods => ("v1", "pods", "Pod"),
            Self::ReplicationControllers => ("v1", "replicationcontrollers", "ReplicationController"),
            Self::ReplicaSets => ("apps/v1", "replicasets", "ReplicaSet"),
            Self::Deployments => ("apps/v1", "deployments", "Deployment"),
            Self::StatefulSets => ("apps/v1", "statefulsets", "StatefulSet"),
            Self::DaemonSets => ("apps/v1", "daemonsets", "DaemonSet"),
            Self::Jobs => ("batch/v1", "jobs", "Job"),
            Self::CronJobs => ("batch/v1", "cronjobs", "CronJob"),
            Self::Roles => ("rbac.authorization.k8s.io/v1", "roles", "Role"),
            Self::ClusterRoles => ("rbac.authorization.k8s.io/v1", "clusterroles", "ClusterRole"),
            Self::RoleBindings => ("rbac.authorization.k8s.io/v1", "rolebindings", "RoleBinding"),
            Self::ClusterRoleBindings => ("rbac.authorization.k8s.io/v1", "clusterrolebindings", "ClusterRoleBinding"),
            Self::Secrets => ("v1", "secrets", "Secret"),
        }
    }

    /// Group and version.
    pub const fn api_version(self) -> &'static str {
        self.names().0
    }

    /// The name in URLs.
    pub const fn plural(self) -> &'static str {
        self.names().1
    }

    /// The `kind` of its objects.
    pub const fn name(self) -> &'static str {
        self.names().2
    }

    /// Whether its objects are cluster-scoped.
    pub const fn is_cluster_wide(self) -> bool {
        matches!(self, Self::Namespaces | Self::ClusterRoles | Self::ClusterRoleBindings)
    }

    fn of(api_version: &str, kind: &str) -> Option<Self> {
        let group =
            |api_version: &str| api_version.rsplit_once('/').map_or(String::new(), |(group, _)| group.to_owned());
        let mut all = Self::ALL.into_iter().chain([Self::Secrets]);
        all.find(|it| it.name() == kind && group(it.api_version()) == group(api_version))
    }
}

impl Snapshot {
    /// An empty snapshot. `api_audiences` are the API server's audiences besides the default ones.
    pub fn new(api_audiences: &[String]) -> Self {
        Self {
            api_audiences: api_audiences.to_vec(),
            namespaces: BTreeSet::new(),
            accounts: BTreeMap::new(),
            pods: BTreeMap::new(),
            workloads: BTreeMap::new(),
            token_secrets: None,
            rbac: rbac::Objects::new("default"),
            unread: BTreeMap::new(),
            unread_elsewhere: BTreeMap::new(),
            counts: BTreeMap::new(),
            broken: Vec::new(),
        }
    }

    /// Adds an object; returns whether its kind is used. Items of typed lists have no `kind`; then `kind_of_list` applies. Of
    /// an object that cannot be read, only kind, namespace and name are kept.
    pub fn add(&mut self, object: &str, kind_of_list: Option<Kind>) -> bool {
        let Ok(head) = serde_json::from_str::<Head>(object) else { return false };
        let kind = if head.kind.is_empty() { kind_of_list } else { Kind::of(&head.api_version, &head.kind) };
        let Some(kind) = kind.filter(|_| !head.metadata.name.is_empty()) else { return false };
        *self.counts.entry(kind).or_default() += 1;
        // The error of serde is not shown, because it contains the value.
        if self.add_as(kind, object).is_err() {
            let object::HeadMetadata { name, namespace } = head.metadata;
            self.broken.push(match namespace {
                Some(namespace) => format!("{} {namespace}/{name}", kind.name()),
                None => format!("{} {name}", kind.name()),
            });
        }
        true
    }

    fn add_as(&mut self, kind: Kind, object: &str) -> Result<(), serde_json::Error> {
        match kind {
            Kind::Namespaces => {
                self.namespaces.insert(read::<object::Other>(object)?.metadata.name);
            }
            Kind::ServiceAccounts => {
                let object: object::ServiceAccount = read(object)?;
                let account = Account {
                    automount: object.automount_service_account_token,
                    created: object.metadata.created(),
                    secrets: object.secrets.into_iter().map(|secret| secret.name).collect(),
                    identities: object.metadata.annotations.identities.clone(),
                };
                self.accounts.insert(object.metadata.key(), account);
            }
            Kind::Pods => {
                let object: object::Pod = read(object)?;
                let pod = Pod {
                    facts: self.facts(&object.metadata, &object.spec),
                    owner: object.metadata.owner(),
                    template_hash: object.metadata.labels.pod_template_hash.clone(),
                    is_finished: matches!(object.status.phase.as_str(), "Succeeded" | "Failed"),
                    created: object.metadata.created(),
                };
                self.pods.insert(object.metadata.key(), pod);
            }
            Kind::Roles => self.rbac.add_role(read(object)?),
            Kind::ClusterRoles => self.rbac.add_cluster_role(read(object)?),
            Kind::RoleBindings => self.rbac.add_role_binding(read(object)?),
            Kind::ClusterRoleBindings => self.rbac.add_cluster_role_binding(read(object)?),
            Kind::Secrets => self.add_secret(read(object)?),
            _ => self.add_workload(kind, &read(object)?),
        }
        Ok(())
    }

    fn facts(&self, metadata: &object::Metadata, spec: &object::PodSpec) -> PodFacts {
        PodFacts {
            account: spec.account().to_owned(),
            tokens: Tokens::of(spec, &self.api_audiences),
            reads_token: metadata.annotations.reads_token.clone(),
        }
    }

    fn add_workload(&mut self, kind: Kind, object: &object::Workload) {
        let object::Workload { metadata, spec } = object;
        let template = match &spec.job_template {
            Some(job) => &job.spec.template,
            None => spec.template.as_ref().unwrap_or(&object::NO_TEMPLATE),
        };
        let (namespace, name) = metadata.key();
        let workload = Workload {
            template: self.facts(&template.metadata, &template.spec),
            owner: metadata.owner(),
            created: metadata.created(),
            schedule: spec.schedule.clone(),
            is_idle: spec.suspend || spec.replicas == Some(0),
        };
        self.workloads.insert(WorkloadId { namespace, kind: kind.name().to_owned(), name }, workload);
    }

    fn add_secret(&mut self, secret: object::Secret) {
        if secret.secret_type != object::TOKEN_SECRET {
            return;
        }
        let key = secret.metadata.key();
        let token = TokenSecret {
            account: secret.metadata.annotations.service_account,
            last_used: secret.metadata.labels.legacy_token_last_used,
            invalid_since: secret.metadata.labels.legacy_token_invalid_since,
        };
        self.token_secrets.get_or_insert_default().insert(key, token);
    }

    /// Adds the objects of another part of the cluster.
    pub fn merge(&mut self, other: Self) {
        self.namespaces.extend(other.namespaces);
        self.accounts.extend(other.accounts);
        self.pods.extend(other.pods);
        self.workloads.extend(other.workloads);
        if let Some(secrets) = other.token_secrets {
            self.token_secrets.get_or_insert_default().extend(secrets);
        }
        self.rbac.merge(other.rbac);
        self.unread.extend(other.unread);
        self.unread_elsewhere.extend(other.unread_elsewhere);
        for (kind, count) in other.counts {
            *self.counts.entry(kind).or_default() += count;
        }
        self.broken.extend(other.broken);
    }

    /// Whether `RoleBindings` and `ClusterRoleBindings` were both read.
    pub fn knows_bindings(&self) -> bool {
        !self.unread.contains_key(&Kind::RoleBindings) && !self.unread.contains_key(&Kind::ClusterRoleBindings)
    }
}

fn read<T: DeserializeOwned>(object: &str) -> Result<T, serde_json::Error> {
    serde_json::from_str(object)
}

#[cfg(test)]
mod tests;
