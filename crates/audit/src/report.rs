// SPDX-License-Identifier: Apache-2.0

//! What an audit found, as `-o json` prints it (`docs/audit.schema.json` is its schema).

use std::collections::BTreeMap;

#[cfg(feature = "schema")]
use schemars::JsonSchema;
use serde::Serialize;

pub use super::permissions::Level;
pub use super::recommend::Recommendation;
pub use super::snapshot::Identity;
use policy_host::rbac::PolicyRule;

/// The version of this format; it changes if programs that read the format must change.
pub const VERSION: u32 = 1;

/// A report on the API tokens of a cluster. Times are in UTC.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// The version of this format.
    pub version: u32,
    /// What was read.
    pub cluster: Cluster,
    /// The audit log; absent if none was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log: Option<LogInfo>,
    /// Totals.
    pub summary: Summary,
    /// The namespaces with ServiceAccounts or Pods, the most urgent first.
    pub namespaces: Vec<Namespace>,
    /// The rules of all roles that the bindings below grant; null for roles that were not read.
    pub roles: BTreeMap<String, Option<Vec<Rule>>>,
}

/// What was read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Cluster {
    /// The only namespace that was read; absent if all were.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// The number of namespaces with a ServiceAccount or a Pod.
    pub namespaces: usize,
    /// The number of ServiceAccounts.
    pub accounts: usize,
    /// The number of Pods that have not terminated.
    pub pods: usize,
    /// Whether Secrets with legacy tokens were listed.
    pub token_secrets: bool,
    /// What could not be read.
    pub not_read: Vec<NotRead>,
    /// Kind, namespace and name of objects that have a field of the wrong type.
    pub unreadable_objects: Vec<String>,
}

/// A kind that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct NotRead {
    /// The name of the resource in URLs.
    pub resource: String,
    /// The reason.
    pub why: String,
    /// Whether it was nevertheless read in the audited namespace.
    pub only_elsewhere: bool,
}

/// An audit log.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct LogInfo {
    /// Its files.
    pub files: Vec<LogFile>,
    /// `API server`, `EKS (CloudWatch)`, `AKS (Azure Monitor)`, `GKE (Cloud Logging)`.
    pub formats: Vec<String>,
    /// Whether `--complete` was set: the logs of all API servers are present.
    pub complete: bool,
    /// The first event.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first: Option<String>,
    /// The last event.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last: Option<String>,
    /// The time that the log covers, in seconds: from the first event to the last, without the gaps.
    pub covered_seconds: i64,
    /// Start and end of gaps of more than a day without an event.
    pub gaps: Vec<[String; 2]>,
    /// The reason why the log cannot show that a token was not used; absent if it can.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inconclusive: Option<String>,
    /// All records.
    pub records: u64,
    /// Calls by ServiceAccounts.
    pub account_calls: u64,
    /// Calls by ServiceAccounts that get or list objects.
    pub account_reads: u64,
    /// Calls by ServiceAccounts with the name of a Pod.
    pub with_pod: u64,
    /// Calls by other clients: people, nodes, components.
    pub other_calls: u64,
    /// Calls by ServiceAccounts that do not exist in the cluster, after the first 10,000 such ServiceAccounts.
    pub others: u64,
    /// Records that cannot be read.
    pub broken: u64,
    /// Records of more than 4 MB, which are skipped.
    pub oversized: u64,
    /// Lines that are not audit log records.
    pub foreign: u64,
}

/// A file of an audit log.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct LogFile {
    /// Its name.
    pub name: String,
    /// Whether the file contains an event.
    pub has_events: bool,
    /// Whether the file ends in the middle of an event.
    pub is_cut_off: bool,
    /// The reason why the file could not be read to its end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// Totals.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// Rows by recommendation: one for each workload, and one for each ServiceAccount with its own token.
    pub recommendations: BTreeMap<&'static str, usize>,
    /// Pods that hold a token.
    pub pods_with_token: usize,
    /// ServiceAccounts with at least one such Pod.
    pub accounts_with_token: usize,
    /// ServiceAccounts with a binding.
    pub accounts_bound: usize,
    /// ServiceAccounts with a cloud identity.
    pub accounts_with_identity: usize,
    /// Tokens that never expire, as far as they are known.
    pub legacy_tokens: usize,
}

/// A namespace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Namespace {
    /// Its name.
    pub name: String,
    /// Its ServiceAccounts, the most urgent first.
    pub accounts: Vec<Account>,
}

/// A ServiceAccount.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Account {
    /// Its name.
    pub name: String,
    /// Whether it exists; absent if ServiceAccounts were not read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exists: Option<bool>,
    /// Its `automountServiceAccountToken`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub automount: Option<bool>,
    /// Its cloud identities, from annotations.
    pub identities: Vec<Identity>,
    /// The recommendation.
    pub recommendation: Recommendation,
    /// The reason.
    pub reason: String,
    /// The bindings that name it or one of its groups, except those that apply to every client.
    pub bindings: Vec<Binding>,
    /// Whether all bindings were read.
    pub bindings_known: bool,
    /// The permissions that the bindings grant.
    pub permissions: Permissions,
    /// Its tokens that never expire, as far as they are known.
    pub legacy_tokens: Vec<LegacyToken>,
    /// Its calls in the log; absent without a log.
    #[serde(rename = "use", skip_serializing_if = "Option::is_none")]
    pub calls: Option<Calls>,
    /// Its calls that cannot be assigned to one of the workloads below.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unassigned: Option<Unassigned>,
    /// The workloads that use it.
    pub workloads: Vec<Workload>,
}

/// Calls that cannot be assigned to a workload that exists.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Unassigned {
    /// Calls by Pods whose workloads no longer exist.
    pub by_pods_that_are_gone: u64,
    /// Calls with tokens that do not name a Pod, or in a log that does not contain the name.
    pub without_pod: u64,
    /// Calls with legacy tokens.
    pub with_legacy_tokens: u64,
}

/// A workload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Workload {
    /// Its kind; `Pod` for a Pod without a controller.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// The number of its running Pods.
    pub pods: usize,
    /// Its tokens.
    pub token: Token,
    /// The recommendation.
    pub recommendation: Recommendation,
    /// The reason.
    pub reason: String,
    /// The calls of its Pods; absent without a log.
    #[serde(rename = "use", skip_serializing_if = "Option::is_none")]
    pub calls: Option<Calls>,
}

/// The tokens of a workload's Pods.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Token {
    /// Whether they hold a token for the Kubernetes API.
    pub held: bool,
    /// Whether the API server mounts a token.
    pub is_automatic: bool,
    /// The reason, with one sentence for each token.
    pub why: Vec<String>,
    /// Hand-written volumes with a token.
    pub volumes: Vec<String>,
    /// Secrets with legacy tokens that containers use.
    pub legacy_secrets: Vec<String>,
    /// Whether no Pod is running, so that this is derived from the template.
    pub is_prediction: bool,
}

/// A binding that names a ServiceAccount.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Binding {
    /// `RoleBinding` or `ClusterRoleBinding`.
    pub kind: &'static str,
    /// The namespace of a `RoleBinding`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
    /// The role that it grants: a key of `roles`.
    pub role: String,
    /// The group in the binding that contains the ServiceAccount; absent if the binding names the ServiceAccount itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
}

/// A rule of a role.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Rule {
    /// The verbs.
    pub verbs: Vec<String>,
    /// The API groups.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub api_groups: Vec<String>,
    /// The resources.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub resources: Vec<String>,
    /// The names of objects, if the rule is restricted to some.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub resource_names: Vec<String>,
    /// Non-resource URLs.
    #[serde(rename = "nonResourceURLs", skip_serializing_if = "Vec::is_empty")]
    pub non_resource_urls: Vec<String>,
}

/// The permissions that bindings grant.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Permissions {
    /// The level of the permissions.
    pub level: Level,
    /// The permissions in words, the most dangerous first.
    pub summary: Vec<String>,
}

/// A token that never expires.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct LegacyToken {
    /// Its Secret; empty if the log does not name it.
    pub secret: String,
    /// The day of its last use, which the API server records on the Secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_used: Option<String>,
    /// The day since which the token is invalid, if Kubernetes has invalidated it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub invalid_since: Option<String>,
    /// Calls with this token in the log; absent without a log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub calls: Option<u64>,
}

/// Calls to the API server.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Calls {
    /// The number of calls.
    pub calls: u64,
    /// The number of calls that were denied.
    pub denied: u64,
    /// The time of the first call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first: Option<String>,
    /// The time of the last call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last: Option<String>,
    /// The number of Pods that made them.
    pub pods: usize,
    /// The names of some of these Pods.
    pub pod_names: Vec<String>,
    /// The calls by verb and resource.
    pub actions: Vec<Action>,
}

/// Calls with the same verbs, resource and scope.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Action {
    /// The verbs.
    pub verbs: Vec<String>,
    /// The resource with its group (`deployments.apps`), or the beginning of a path.
    pub resource: String,
    /// The scope of the calls.
    pub scope: &'static str,
    /// The number of calls.
    pub calls: u64,
    /// The number of calls that were denied.
    pub denied: u64,
}

/// A row of a table: a workload, or an account with its own token.
#[derive(Debug, Clone, Copy)]
pub struct Row<'r> {
    /// The namespace.
    pub namespace: &'r str,
    /// The account.
    pub account: &'r Account,
    /// The workload; none for the row of the account.
    pub workload: Option<&'r Workload>,
}

impl<'r> Row<'r> {
    /// The recommendation.
    pub fn recommendation(&self) -> Recommendation {
        self.workload.map_or(self.account.recommendation, |it| it.recommendation)
    }

    /// The reason.
    pub fn reason(&self) -> &'r str {
        self.workload.map_or(&self.account.reason, |it| &it.reason)
    }

    /// The calls.
    pub fn calls(&self) -> Option<&'r Calls> {
        self.workload.map_or(self.account.calls.as_ref(), |it| it.calls.as_ref())
    }
}

impl Namespace {
    /// The rows of this namespace, the most urgent first.
    pub fn rows(&self) -> Vec<Row<'_>> {
        let mut rows: Vec<Row<'_>> = self
            .accounts
            .iter()
            .flat_map(|account| {
                let own = account.has_own_row().then_some(Row { namespace: &self.name, account, workload: None });
                let workloads = account.workloads.iter();
                own.into_iter().chain(workloads.map(move |it| Row {
                    namespace: &self.name,
                    account,
                    workload: Some(it),
                }))
            })
            .collect();
        rows.sort_by_key(|row| {
            let workload = row.workload.map(|it| (&it.kind, &it.name));
            (weight(row.recommendation(), row.account.permissions.level), &row.account.name, workload)
        });
        rows
    }
}

impl Account {
    /// Whether the account has a row in addition to those of its workloads.
    pub fn has_own_row(&self) -> bool {
        !self.legacy_tokens.is_empty()
            || self.workloads.iter().all(|it| it.recommendation == Recommendation::NoToken)
                && self.recommendation != Recommendation::NoToken
    }
}

/// The sort key of a row: first what needs an action, ordered by the permissions of the token; then what is unknown; then what
/// stays.
pub(super) fn weight(recommendation: Recommendation, level: Level) -> (u8, std::cmp::Reverse<Level>, Recommendation) {
    let group = match recommendation {
        Recommendation::MoveOffDefault
        | Recommendation::ReplaceLegacyToken
        | Recommendation::Narrow
        | Recommendation::RemoveUnused
        | Recommendation::Remove => 0,
        Recommendation::Unknown => 1,
        Recommendation::KeepUsed => 2,
        Recommendation::NoToken => 3,
    };
    (group, std::cmp::Reverse(level), recommendation)
}

impl From<&PolicyRule> for Rule {
    fn from(rule: &PolicyRule) -> Self {
        let PolicyRule { verbs, api_groups, resources, resource_names, non_resource_urls } = rule.clone();
        Self { verbs, api_groups, resources, resource_names, non_resource_urls }
    }
}

/// The schema of the JSON format.
#[cfg(feature = "schema")]
pub fn schema() -> serde_json::Value {
    let settings = schemars::generate::SchemaSettings::draft2020_12().for_serialize();
    let mut schema = settings.into_generator().into_root_schema_for::<Report>();
    schema.insert("title".to_owned(), "sa-hygiene audit -o json".into());
    schema.into()
}
