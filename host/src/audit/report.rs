// SPDX-License-Identifier: Apache-2.0

//! What an audit found, as `-o json` prints it (`docs/audit.schema.json` is its schema).

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

pub use super::power::Level;
pub use super::recommend::Recommendation;
pub use super::snapshot::Identity;
use crate::rbac::PolicyRule;

/// The version of this form; it changes where a program that reads it would have to.
pub const VERSION: u32 = 1;

/// A report on the API tokens of a cluster. Times are in UTC.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// The version of this form.
    pub version: u32,
    /// What was read.
    pub cluster: Cluster,
    /// The audit log; absent if none was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log: Option<LogInfo>,
    /// How many there are of what.
    pub summary: Summary,
    /// The namespaces with accounts or Pods, the worst first.
    pub namespaces: Vec<Namespace>,
    /// The rules of all roles that bindings below name; null for roles that were not read.
    pub roles: BTreeMap<String, Option<Vec<Rule>>>,
}

/// What was read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Cluster {
    /// The only namespace that was read; absent if all were.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// How many namespaces have an account or a Pod.
    pub namespaces: usize,
    /// How many `ServiceAccounts` there are.
    pub accounts: usize,
    /// How many Pods there are that have not ended.
    pub pods: usize,
    /// Whether Secrets with legacy tokens were listed.
    pub token_secrets: bool,
    /// What could not be read.
    pub not_read: Vec<NotRead>,
    /// Objects with a field of another type than in the API: kind, namespace and name.
    pub unreadable_objects: Vec<String>,
}

/// A kind that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NotRead {
    /// Its name in URLs.
    pub resource: String,
    /// Why.
    pub why: String,
    /// Whether it was read in the audited namespace all the same.
    pub only_elsewhere: bool,
}

/// An audit log.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LogInfo {
    /// Its files.
    pub files: Vec<LogFile>,
    /// `API server`, `EKS (CloudWatch)`, `AKS (Azure Monitor)`, `GKE (Cloud Logging)`.
    pub formats: Vec<String>,
    /// Whether the caller asserts that the logs of all API servers are here.
    pub complete: bool,
    /// The first event.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first: Option<String>,
    /// The last event.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last: Option<String>,
    /// The time that it covers, in seconds: from the first event to the last, without the gaps.
    pub covered_seconds: i64,
    /// When it has no event for more than a day: start and end.
    pub gaps: Vec<[String; 2]>,
    /// Why it cannot show that something was not used; absent if it can.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proves_no_absence: Option<String>,
    /// Records of any kind.
    pub records: u64,
    /// Calls by accounts.
    pub account_calls: u64,
    /// Those of them that get or list objects.
    pub account_reads: u64,
    /// Those of them with the name of a Pod.
    pub with_pod: u64,
    /// Calls by others: people, nodes, components.
    pub other_calls: u64,
    /// Calls by accounts that the cluster does not have, beyond the first 10,000 of these accounts.
    pub others: u64,
    /// Records that cannot be read.
    pub broken: u64,
    /// Records of more than 4 MB, which are skipped.
    pub oversized: u64,
    /// Lines that belong to no audit log.
    pub foreign: u64,
}

/// A file of an audit log.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LogFile {
    /// Its name.
    pub name: String,
    /// Whether there is an event in it.
    pub has_events: bool,
    /// Whether it ends in the middle of an event.
    pub is_cut_off: bool,
    /// Why it could not be read to its end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// How many there are of what.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// Rows by recommendation: one row for each workload, and one for each account with a token of its own.
    pub recommendations: BTreeMap<&'static str, usize>,
    /// Pods that hold a token.
    pub pods_with_token: usize,
    /// Accounts with at least one such Pod.
    pub accounts_with_token: usize,
    /// Accounts with a binding.
    pub accounts_bound: usize,
    /// Accounts with an identity in a cloud.
    pub accounts_with_identity: usize,
    /// Tokens that never expire, as far as they are known.
    pub legacy_tokens: usize,
}

/// A namespace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Namespace {
    /// Its name.
    pub name: String,
    /// Its accounts, the worst first.
    pub accounts: Vec<Account>,
}

/// An account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Account {
    /// Its name.
    pub name: String,
    /// Whether it exists; absent if accounts were not read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exists: Option<bool>,
    /// Its `automountServiceAccountToken`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub automount: Option<bool>,
    /// Its identities in clouds, from annotations.
    pub identities: Vec<Identity>,
    /// What to do.
    pub recommendation: Recommendation,
    /// Why.
    pub reason: String,
    /// The bindings that name it or a group that it is in, but for what every client is allowed.
    pub bindings: Vec<Binding>,
    /// Whether all bindings were read.
    pub bindings_known: bool,
    /// What the bindings come to.
    pub permissions: Permissions,
    /// Its tokens that never expire, as far as they are known.
    pub legacy_tokens: Vec<LegacyToken>,
    /// What the log says of it; absent without a log.
    #[serde(rename = "use", skip_serializing_if = "Option::is_none")]
    pub calls: Option<Calls>,
    /// Calls of it that are of no workload below.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unassigned: Option<Unassigned>,
    /// What runs with it.
    pub workloads: Vec<Workload>,
}

/// Calls that cannot be assigned to a workload that exists.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Unassigned {
    /// By Pods that no longer exist, of workloads that no longer exist.
    pub by_pods_that_are_gone: u64,
    /// With tokens that name no Pod, or in a log that does not say it.
    pub without_pod: u64,
    /// With legacy tokens.
    pub with_legacy_tokens: u64,
}

/// A workload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Workload {
    /// Its kind; `Pod` for a Pod that nothing made.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// How many of its Pods run.
    pub pods: usize,
    /// Its tokens.
    pub token: Token,
    /// What to do.
    pub recommendation: Recommendation,
    /// Why.
    pub reason: String,
    /// What its Pods did; absent without a log.
    #[serde(rename = "use", skip_serializing_if = "Option::is_none")]
    pub calls: Option<Calls>,
}

/// The tokens of a workload's Pods.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Token {
    /// Whether they hold a token for the Kubernetes API.
    pub held: bool,
    /// Whether the API server adds one.
    pub is_automatic: bool,
    /// Why: one sentence for each token.
    pub why: Vec<String>,
    /// Volumes with a token that somebody wrote.
    pub volumes: Vec<String>,
    /// Secrets with legacy tokens that containers have.
    pub legacy_secrets: Vec<String>,
    /// Whether no Pod runs, so that this is what the template will lead to.
    pub is_prediction: bool,
}

/// A binding that names an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Binding {
    /// `RoleBinding` or `ClusterRoleBinding`.
    pub kind: &'static str,
    /// Where a `RoleBinding` is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
    /// The role that it grants: a key of `roles`.
    pub role: String,
    /// The group by which it names the account; absent if it names the account itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
}

/// A rule of a role.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
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
    /// The names of objects, if it is restricted to some.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub resource_names: Vec<String>,
    /// Paths that are not resources.
    #[serde(rename = "nonResourceURLs", skip_serializing_if = "Vec::is_empty")]
    pub non_resource_urls: Vec<String>,
}

/// What bindings come to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Permissions {
    /// How much.
    pub level: Level,
    /// In words, the worst first.
    pub summary: Vec<String>,
}

/// A token that never expires.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LegacyToken {
    /// Its Secret; empty where the log does not name it.
    pub secret: String,
    /// The day of its last use, as the API server notes it on the Secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_used: Option<String>,
    /// Since when the API server's cleaner has switched it off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub invalid_since: Option<String>,
    /// Calls with it in the log; absent without a log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub calls: Option<u64>,
}

/// Calls to the API server.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Calls {
    /// How many.
    pub calls: u64,
    /// How many of them were refused.
    pub denied: u64,
    /// The first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first: Option<String>,
    /// The last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last: Option<String>,
    /// How many Pods made them.
    pub pods: usize,
    /// The names of some of these Pods.
    pub pod_names: Vec<String>,
    /// What was done.
    pub actions: Vec<Action>,
}

/// What was done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Action {
    /// The verbs.
    pub verbs: Vec<String>,
    /// The resource with its group, `deployments.apps`; or the beginning of a path.
    pub resource: String,
    /// Where.
    pub scope: &'static str,
    /// How many calls.
    pub calls: u64,
    /// How many of them were refused.
    pub denied: u64,
}

/// What gets a line in tables: a workload, or an account with a token of its own.
#[derive(Debug, Clone, Copy)]
pub struct Row<'r> {
    /// The namespace.
    pub namespace: &'r str,
    /// The account.
    pub account: &'r Account,
    /// The workload; none for the account's own line.
    pub workload: Option<&'r Workload>,
}

impl<'r> Row<'r> {
    /// What to do.
    pub fn recommendation(&self) -> Recommendation {
        self.workload.map_or(self.account.recommendation, |it| it.recommendation)
    }

    /// Why.
    pub fn reason(&self) -> &'r str {
        self.workload.map_or(&self.account.reason, |it| &it.reason)
    }

    /// What was done.
    pub fn calls(&self) -> Option<&'r Calls> {
        self.workload.map_or(self.account.calls.as_ref(), |it| it.calls.as_ref())
    }
}

impl Namespace {
    /// The lines of this namespace, the worst first.
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
    /// Whether there is more to say of it than of its workloads.
    pub fn has_own_row(&self) -> bool {
        !self.legacy_tokens.is_empty()
            || self.workloads.iter().all(|it| it.recommendation == Recommendation::NoToken)
                && self.recommendation != Recommendation::NoToken
    }
}

/// What comes first: something to do, by what the token allows; then what is not known; then what stays.
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

/// The schema of the JSON form.
pub fn schema() -> serde_json::Value {
    let settings = schemars::generate::SchemaSettings::draft2020_12().for_serialize();
    let mut schema = settings.into_generator().into_root_schema_for::<Report>();
    schema.insert("title".to_owned(), "sa-hygiene audit -o json".into());
    schema.into()
}
