// SPDX-License-Identifier: Apache-2.0

//! Entries of Cloud Logging. They contain the audit annotations of the API server as labels, but no other details about the
//! user, such as the Pod.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::k8s::Annotations;
use super::text::Text;
use super::{Action, Event, Format, Found, Record, account, resource, scope, seconds, short};

/// The code for `PERMISSION_DENIED` in `google.rpc.Code`.
const PERMISSION_DENIED: i64 = 7;

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Payload<'a> {
    #[serde(borrow)]
    authentication_info: AuthenticationInfo<'a>,
    #[serde(borrow)]
    method_name: Text<'a>,
    #[serde(borrow)]
    resource_name: Text<'a>,
    status: Option<Status>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct AuthenticationInfo<'a> {
    #[serde(borrow)]
    principal_email: Text<'a>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Status {
    code: i64,
}

pub(super) fn read<'a>(
    payload: &'a RawValue,
    timestamp: Option<&'a RawValue>,
    labels: Option<&'a RawValue>,
) -> Found<'a> {
    let Ok(payload) = serde_json::from_str::<Payload<'_>>(payload.get()) else {
        return Found::nothing(Record::Broken);
    };
    let time = timestamp.and_then(|time| serde_json::from_str::<Text<'_>>(time.get()).ok());
    let labels = labels.and_then(|labels| serde_json::from_str::<Annotations<'_>>(labels.get()).ok());
    let Some((method, verb)) = split(&payload.method_name, |method| method.rsplit_once('.')) else {
        return Found::nothing(Record::Foreign);
    };
    // Other services of Google Cloud log in the same format, but their methods are not verbs of Kubernetes.
    if !method.contains(".v") {
        return Found::nothing(Record::Foreign);
    }
    let record = match account(&payload.authentication_info.principal_email) {
        None => Record::Other,
        Some(account) => {
            let labels = labels.unwrap_or_default();
            let is_denied = payload.status.is_some_and(|it| it.code == PERMISSION_DENIED) || labels.is_denied();
            let action = action(&account, verb, &payload.resource_name);
            let legacy_secret = labels.legacy_secret();
            Record::Account(Event { account, pod: None, action, is_denied, legacy_secret, open_request: None })
        }
    };
    Found { format: Some(Format::CloudLogging), time: time.and_then(|time| seconds(&time)), record }
}

fn split<'a>(text: &Text<'a>, at: impl Fn(&str) -> Option<(&str, &str)>) -> Option<(Cow<'a, str>, Cow<'a, str>)> {
    let (head, tail) = (text.map(|it| Some(at(it)?.0))?, text.map(|it| Some(at(it)?.1))?);
    Some((head, tail))
}

/// Reads `GROUP/VERSION/[namespaces/NAMESPACE/]RESOURCE[/NAME[/SUBRESOURCE]]`, where the core group is called `core`.
fn action<'a>(account: &str, verb: Cow<'a, str>, resource_name: &str) -> Action<'a> {
    let segments: Vec<&str> = resource_name.split('/').collect();
    let (group, rest) = match segments.as_slice() {
        [group, _version, rest @ ..] => (*group, rest),
        _ => ("", segments.as_slice()),
    };
    let group = if group == "core" { "" } else { group };
    let (namespace, rest) = match rest {
        ["namespaces", namespace, rest @ ..] if !rest.is_empty() => (*namespace, rest),
        _ => ("", rest),
    };
    let (name, subresource) = match rest {
        [resource, _name, subresource, ..] => (*resource, *subresource),
        [resource, ..] => (*resource, ""),
        [] => ("", ""),
    };
    Action {
        verb: short(verb),
        group: short(group.to_owned().into()),
        resource: resource(name.to_owned().into(), subresource),
        scope: scope(account, namespace),
    }
}
