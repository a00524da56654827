// SPDX-License-Identifier: Apache-2.0

//! Reads calls to the API server from the formats of audit logs.
//!
//! | log | documentation | the Pod's name |
//! |---|---|---|
//! | API server (JSON lines, `EventList`) | <https://kubernetes.io/docs/reference/config-api/apiserver-audit.v1/> | yes |
//! | EKS, from `CloudWatch` Logs | <https://docs.aws.amazon.com/eks/latest/userguide/control-plane-logs.html> | yes |
//! | AKS, from Azure Monitor | <https://learn.microsoft.com/en-us/azure/azure-monitor/reference/tables/aksaudit> | yes |
//! | GKE, from Cloud Logging | <https://cloud.google.com/kubernetes-engine/docs/how-to/audit-logging> | no |
//!
//! EKS and AKS wrap the API server's own events; Cloud Logging has a different format
//! (<https://cloud.google.com/logging/docs/reference/audit/auditlog/rest/Shared.Types/AuditLog>).

mod gke;
mod k8s;
mod text;

use std::borrow::Cow;

use jiff::Timestamp;
use memchr::{memchr, memmem};
use serde::Deserialize;
use serde_json::value::RawValue;

use text::Text;

/// Text that every record about the token of an account contains, however it is wrapped.
const ACCOUNT_USER: &[u8] = b"system:serviceaccount:";

/// The longest prefix of a JSON object in its line: times and names of streams, as `aws logs` and container runtimes write
/// them.
const LONGEST_PREFIX: usize = 512;

/// The maximum depth of wrappers around a record.
const DEEPEST: usize = 3;

/// Longer names of accounts, Pods or resources are invalid.
const LONGEST_NAME: usize = 256;

/// The kind of log that contains an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Format {
    /// As the API server writes it.
    ApiServer,
    /// EKS: `CloudWatch` Logs.
    CloudWatch,
    /// AKS: Azure Monitor.
    AzureMonitor,
    /// GKE: Cloud Logging.
    CloudLogging,
}

/// The stage of a request in the API server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Not handled yet; a later event follows.
    Received,
    /// For requests that stay open, such as watches; a later event follows when they end.
    Started,
    /// The request has ended.
    Complete,
}

/// The scope of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// The account's own namespace.
    OwnNamespace,
    /// Another namespace.
    OtherNamespace,
    /// All namespaces, or objects without one.
    Cluster,
    /// A path that is not a resource.
    Path,
}

/// What was requested.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Action<'a> {
    /// `get`, `list` ...
    pub verb: Cow<'a, str>,
    /// API group; empty for the core group and for paths.
    pub group: Cow<'a, str>,
    /// `pods`, `pods/log`, or the first segment of a path.
    pub resource: Cow<'a, str>,
    /// The scope.
    pub scope: Scope,
}

impl Action<'_> {
    /// Whether the API server writes an event when such a request starts, besides the one when it ends
    /// (`BasicLongRunningRequestCheck` in `pkg/controlplane/apiserver/config.go` of
    /// <https://github.com/kubernetes/kubernetes>).
    fn stays_open(&self) -> bool {
        const SUBRESOURCES: [&str; 5] = ["attach", "exec", "log", "portforward", "proxy"];
        matches!(&*self.verb, "watch" | "proxy")
            || self.scope != Scope::Path
                && self.resource.split_once('/').is_some_and(|(_, subresource)| SUBRESOURCES.contains(&subresource))
    }
}

/// A call with the token of a `ServiceAccount`. Addresses, user agents and names of objects are not kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event<'a> {
    /// Namespace and name of the account, as `namespace:name`.
    pub account: Cow<'a, str>,
    /// The Pod that the token was issued for, if the log contains it.
    pub pod: Option<Cow<'a, str>>,
    /// What was requested.
    pub action: Action<'a>,
    /// Whether it was denied.
    pub is_denied: bool,
    /// For a legacy token: its Secret, or an empty string if the log does not contain it.
    pub legacy_secret: Option<Cow<'a, str>>,
    /// The ID of a request that stays open; its two events count once.
    pub open_request: Option<Cow<'a, str>>,
}

/// The kinds of records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Record<'a> {
    /// A call by an account.
    Account(Event<'a>),
    /// A call by another client: a person, a node, a component.
    Other,
    /// An event of an early stage; a later event follows.
    Unfinished,
    /// Not an audit log record.
    Foreign,
    /// Not JSON, or a field has the wrong type.
    Broken,
}

/// A record, with the information that is independent of the client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found<'a> {
    /// The log's format; none if the record is not an event.
    pub format: Option<Format>,
    /// The time, in seconds since 1970.
    pub time: Option<i64>,
    /// The record.
    pub record: Record<'a>,
}

impl Found<'_> {
    const fn nothing(record: Record<'static>) -> Found<'static> {
        Found { format: None, time: None, record }
    }
}

/// Whether a record can be about the token of an account.
pub fn may_matter(record: &[u8]) -> bool {
    memmem::find(record, ACCOUNT_USER).is_some()
}

/// Reads a record, which may contain several events.
pub fn read(record: &[u8], each: &mut dyn FnMut(Found<'_>)) {
    let Some(object) = object_in(record) else {
        return each(Found::nothing(Record::Foreign));
    };
    read_object(object, Format::ApiServer, 0, each);
}

/// The JSON object in a line, after any prefix of a tool.
fn object_in(line: &[u8]) -> Option<&[u8]> {
    let line = line.strip_prefix("\u{feff}".as_bytes()).unwrap_or(line);
    let start = memchr(b'{', line.get(..LONGEST_PREFIX).unwrap_or(line))?;
    line.get(start..)
}

fn read_object(object: &[u8], format: Format, depth: usize, each: &mut dyn FnMut(Found<'_>)) {
    match k8s::read(object) {
        k8s::Reading::Event { is_azure, time, record } => {
            let format = if is_azure { Format::AzureMonitor } else { format };
            return each(Found { format: Some(format), time, record });
        }
        k8s::Reading::Other => {}
        k8s::Reading::Broken => return each(Found::nothing(Record::Broken)),
    }
    let Ok(wrapper) = serde_json::from_slice::<Wrapper<'_>>(object) else {
        return each(Found::nothing(Record::Broken));
    };
    if depth == DEEPEST {
        return each(Found::nothing(Record::Foreign));
    }
    wrapper.read(object, format, depth, each);
}

/// The wrappers around events.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Wrapper<'a> {
    // Lists of events, if several are in one line.
    #[serde(borrow)]
    events: Option<&'a RawValue>,
    #[serde(borrow, rename = "logEvents")]
    log_events: Option<&'a RawValue>,
    #[serde(borrow)]
    records: Option<&'a RawValue>,
    #[serde(borrow)]
    items: Option<&'a RawValue>,
    // CloudWatch: `filter-log-events`, subscriptions, and Logs Insights.
    #[serde(borrow)]
    message: Option<&'a RawValue>,
    #[serde(borrow, rename = "@message")]
    insights_message: Option<&'a RawValue>,
    // Azure: `properties.log` in storage and Event Hubs, `log_s` in the table AzureDiagnostics.
    #[serde(borrow)]
    properties: Option<&'a RawValue>,
    #[serde(borrow)]
    log_s: Option<&'a RawValue>,
    // Container runtimes, and Azure's own `properties`.
    #[serde(borrow)]
    log: Option<&'a RawValue>,
    // Cloud Logging.
    #[serde(borrow, rename = "protoPayload")]
    proto_payload: Option<&'a RawValue>,
    #[serde(borrow)]
    timestamp: Option<&'a RawValue>,
    #[serde(borrow)]
    labels: Option<&'a RawValue>,
    // Azure's tables AKSAudit and AKSAuditAdmin.
    #[serde(borrow, rename = "AuditId")]
    aks_audit_id: Option<&'a RawValue>,
}

impl Wrapper<'_> {
    fn read(&self, object: &[u8], format: Format, depth: usize, each: &mut dyn FnMut(Found<'_>)) {
        if self.aks_audit_id.is_some() {
            return k8s::read_row(object, &mut |reading| match reading {
                k8s::Reading::Event { time, record, .. } => {
                    each(Found { format: Some(Format::AzureMonitor), time, record });
                }
                k8s::Reading::Other | k8s::Reading::Broken => each(Found::nothing(Record::Foreign)),
            });
        }
        let lists = [
            (self.items, format),
            (self.events, Format::CloudWatch),
            (self.log_events, Format::CloudWatch),
            (self.records, Format::AzureMonitor),
        ];
        let texts = [
            (self.message, Format::CloudWatch),
            (self.insights_message, Format::CloudWatch),
            (self.log_s, Format::AzureMonitor),
            (self.log, format),
        ];
        if let Some(payload) = self.proto_payload {
            return each(gke::read(payload, self.timestamp, self.labels));
        }
        for (list, format) in lists {
            if let Some(Ok(list)) = list.map(|list| serde_json::from_str::<Vec<&RawValue>>(list.get())) {
                return list.iter().for_each(|object| read_object(object.get().as_bytes(), format, depth + 1, each));
            }
        }
        if let Some(properties) = self.properties {
            return read_object(properties.get().as_bytes(), Format::AzureMonitor, depth + 1, each);
        }
        for (text, format) in texts {
            let Some(Ok(text)) = text.map(|text| serde_json::from_str::<Text<'_>>(text.get())) else { continue };
            return match object_in(text.as_bytes()) {
                Some(object) => read_object(object.trim_ascii_end(), format, depth + 1, each),
                None => each(Found::nothing(Record::Foreign)),
            };
        }
        each(Found::nothing(Record::Foreign));
    }
}

/// Namespace and name of the account of a user name, as `namespace:name`.
fn account<'a>(user: &Text<'a>) -> Option<Cow<'a, str>> {
    user.map(|user| {
        let account = user.strip_prefix("system:serviceaccount:")?;
        let (namespace, name) = account.split_once(':')?;
        let is_account = !namespace.is_empty() && !name.is_empty() && !name.contains(':');
        (is_account && account.len() <= 2 * LONGEST_NAME).then_some(account)
    })
}

/// Seconds since 1970.
fn seconds(time: &str) -> Option<i64> {
    time.parse::<Timestamp>().ok().map(Timestamp::as_second)
}

/// The first segment of a path; the others may contain names of objects.
fn path(uri: &str) -> Cow<'static, str> {
    let path = uri.split(['?', '#']).next().unwrap_or_default();
    let mut segments = path.split('/').filter(|segment| !segment.is_empty());
    let first = segments.next().unwrap_or_default();
    let rest = if segments.next().is_some() { "/*" } else { "" };
    short(format!("/{first}{rest}").into())
}

fn scope(account: &str, namespace: &str) -> Scope {
    match account.split_once(':') {
        _ if namespace.is_empty() => Scope::Cluster,
        Some((own, _)) if own == namespace => Scope::OwnNamespace,
        _ => Scope::OtherNamespace,
    }
}

fn resource<'a>(resource: Cow<'a, str>, subresource: &str) -> Cow<'a, str> {
    if subresource.is_empty() { short(resource) } else { short(format!("{resource}/{subresource}").into()) }
}

/// Limits the length of verbs, groups and resources, which are parts of URLs that a client can choose freely.
fn short(text: Cow<'_, str>) -> Cow<'_, str> {
    if text.len() > LONGEST_NAME { "(too long)".into() } else { text }
}

#[cfg(test)]
mod tests;
