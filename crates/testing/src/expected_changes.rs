// SPDX-License-Identifier: Apache-2.0

//! The changes that each fix is expected to make. Any other difference between an object and the fixed object is a bug.
//!
//! A new rule with a fix adds its fields to [`may`].

use serde_json::{Value, json};

use crate::objects::{TOKEN_VOLUME, token_volume};
use crate::written::{Inside, Written, decoded};

/// What fixes may do at a path.
enum May {
    /// They may not change this value itself, but may change values below it.
    Nothing,
    /// They may set these members, or add them at the end.
    Set(&'static [&'static str]),
    /// They may remove these entries of the list.
    Take(Vec<bool>),
}

/// What `identity-annotations` sets on a Pod or template, and on an account.
const ON_PODS: [&str; 1] = ["eks.amazonaws.com/token-expiration"];
const ON_ACCOUNTS: [&str; 3] =
    ["eks.amazonaws.com/token-expiration", "eks.amazonaws.com/audience", "eks.amazonaws.com/sts-regional-endpoints"];

/// What all fixes together may do at `path` (keys, and `*` for entries of lists) of this object.
fn may(path: &[String], before: &Written<'_>, object: &Written<'_>) -> May {
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    let path = path.as_slice();
    match (object.member("kind").and_then(Written::string).unwrap_or_default().as_str(), path) {
        ("ServiceAccount", []) => May::Set(&["automountServiceAccountToken"]),
        ("ServiceAccount", ["metadata", "annotations"]) => May::Set(&ON_ACCOUNTS),
        ("TokenRequest", ["spec"]) => May::Set(&["expirationSeconds"]),
        ("ServiceAccount" | "TokenRequest", _) => May::Nothing,
        _ => may_in_pod(path, before, object),
    }
}

fn may_in_pod(path: &[&str], before: &Written<'_>, object: &Written<'_>) -> May {
    let template = path
        .strip_prefix(&["spec", "template"])
        .or_else(|| path.strip_prefix(&["spec", "jobTemplate", "spec", "template"]))
        .or_else(|| path.strip_prefix(&["template"]));
    let is_pod = object.member("kind").and_then(Written::string).as_deref() == Some("Pod");
    let metadata = if is_pod { Some(path) } else { template };
    if metadata == Some(&["metadata", "annotations"]) {
        return May::Set(&ON_PODS);
    }
    // pod-automount
    let in_pod = path.strip_prefix(&["spec"]);
    let in_template = template.and_then(|template| template.strip_prefix(&["spec"]));
    match (in_pod, in_template) {
        // projected-token-lifetime, one-year-token
        (Some(["volumes", "*", "projected", "sources", "*", "serviceAccountToken"]), _)
        | (_, Some(["volumes", "*", "projected", "sources", "*", "serviceAccountToken"])) => {
            May::Set(&["expirationSeconds"])
        }
        (Some([]), _) | (_, Some([])) => May::Set(&["automountServiceAccountToken"]),
        (Some(["volumes"]), None) => May::Take(before.entries().iter().map(is_token_volume).collect()),
        (Some(["initContainers" | "containers" | "ephemeralContainers", "*", "volumeMounts"]), None) => {
            let volumes = object.member("spec").and_then(|spec| spec.member("volumes"));
            let volumes: Vec<String> =
                volumes.into_iter().flat_map(Written::entries).filter(|v| is_token_volume(v)).map(name).collect();
            May::Take(before.entries().iter().map(|mount| volumes.contains(&name(mount))).collect())
        }
        _ => May::Nothing,
    }
}

/// Whether `irsa-injection` may add this key, or fill it if it is null.
fn may_be_added(path: &[String], key: &str) -> bool {
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    matches!(
        (path.as_slice(), key),
        (["metadata"], "labels")
            | (["metadata", "labels"], "eks.amazonaws.com/pod-identity")
            | (["spec"], "volumes")
            | (["spec", "initContainers" | "containers", "*"], "env" | "volumeMounts")
    )
}

/// How many entries at the beginning and at the end of a list `irsa-injection` may have added.
fn injected(path: &[String], old: &[Written<'_>], new: &[Written<'_>]) -> (usize, usize) {
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    let is_new = |entry: &&Written<'_>, known: &[&str]| {
        let name = name(entry);
        known.contains(&name.as_str()) && !old.iter().any(|old| self::name(old) == name)
    };
    let count = |known: &[&str]| new.iter().rev().take_while(|entry| is_new(entry, known)).count();
    match path.as_slice() {
        ["spec", "volumes"] => (new.iter().take(1).filter(|entry| is_new(entry, &INJECTED_VOLUMES)).count(), 0),
        ["spec", "initContainers" | "containers", "*", "volumeMounts"] => (0, count(&INJECTED_VOLUMES)),
        ["spec", "initContainers" | "containers", "*", "env"] => (0, count(&INJECTED_VARIABLES)),
        _ => (0, 0),
    }
}

const INJECTED_VOLUMES: [&str; 2] = ["aws-iam-token", "eks-pod-identity-token"];

const INJECTED_VARIABLES: [&str; 7] = [
    "AWS_STS_REGIONAL_ENDPOINTS",
    "AWS_DEFAULT_REGION",
    "AWS_REGION",
    "AWS_ROLE_ARN",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
];

fn name(entry: &Written<'_>) -> String {
    entry.member("name").and_then(Written::string).unwrap_or_default()
}

/// Whether this volume is what the API server's plugin would write. This compares with a volume of the plugin and does not use
/// the policy's own check.
fn is_token_volume(volume: &Written<'_>) -> bool {
    let mut volume = read(volume);
    let name = volume.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
    let chance = name.strip_prefix("kube-api-access-").unwrap_or_default();
    if chance.len() != 5 || !chance.chars().all(|c| "bcdfghjklmnpqrstvwxz2456789".contains(c)) {
        return false;
    }
    let mut plain = token_volume();
    if let Some(volume) = volume.as_object_mut() {
        volume.insert("name".to_owned(), json!(TOKEN_VOLUME));
    }
    if volume.pointer("/projected/defaultMode").is_none()
        && let Some(projected) = plain.pointer_mut("/projected").and_then(Value::as_object_mut)
    {
        projected.remove("defaultMode");
    }
    if volume.pointer("/projected/sources/3").is_some()
        && let Some(sources) = plain.pointer_mut("/projected/sources").and_then(Value::as_array_mut)
    {
        sources.push(json!({"configMap": {"name": "openshift-service-ca.crt", "items": [{"key": "service-ca.crt", "path": "service-ca.crt"}]}}));
    }
    let seconds = "/projected/sources/0/serviceAccountToken/expirationSeconds";
    if volume.pointer(seconds) == Some(&json!(3600))
        && let Some(seconds) = plain.pointer_mut(seconds)
    {
        *seconds = json!(3600);
    }
    volume == plain
}

/// The value without nulls, which all decoders of the API server ignore.
fn read(written: &Written<'_>) -> Value {
    match &written.inside {
        Inside::Leaf => serde_json::from_str(written.text).unwrap_or_default(),
        Inside::List(entries) => entries.iter().map(read).collect(),
        Inside::Map(members) => Value::Object(
            members
                .iter()
                .filter(|(_, value)| value.text != "null")
                .map(|(key, value)| (decoded(key), read(value)))
                .collect(),
        ),
    }
}

/// The first difference between `before` and `after` that no fix is expected to make: in keys, their order, or the exact text
/// of values. With `all`, also the first part that a fix should have removed and did not.
#[must_use]
pub fn unexpected_change(before: &Written<'_>, after: &Written<'_>, all: bool) -> Option<String> {
    unexpected_change_at(&[], before, after, (before, all))
}

fn unexpected_change_at(
    path: &[String],
    before: &Written<'_>,
    after: &Written<'_>,
    (object, all): (&Written<'_>, bool),
) -> Option<String> {
    // Maps and lists are compared even if their text is unchanged: they may contain parts that should have been removed.
    if before.text == after.text && !(all && matches!(before.inside, Inside::Map(_) | Inside::List(_))) {
        return None;
    }
    let is_pod = object.member("kind").and_then(Written::string).as_deref() == Some("Pod");
    let here = |what: &str| Some(format!("{}: {what}: {} became {}", path.join("."), before.text, after.text));
    match (&before.inside, &after.inside) {
        (Inside::Map(old), Inside::Map(new)) => {
            let settable = match may(path, before, object) {
                May::Set(keys) => keys,
                May::Nothing | May::Take(_) => &[],
            };
            let is_new = |key: &str| !old.iter().any(|(known, _)| *known == key);
            let is_meant = |key: &str| settable.contains(&key) || is_pod && may_be_added(path, key);
            let mut kept = new.iter().filter(|(key, _)| !(is_new(key) && is_meant(&decoded(key))));
            for (key, value) in old {
                let Some((found, changed)) = kept.next() else { return here("a field is gone") };
                if found != key {
                    return here("keys differ");
                }
                let is_filled = is_pod && value.text == "null" && may_be_added(path, &decoded(key));
                // The fix may overwrite the label if it has another value.
                let is_label = is_pod && path == ["metadata", "labels"] && may_be_added(path, &decoded(key));
                if settable.contains(&decoded(key).as_str()) || is_filled || is_label {
                    continue;
                }
                let below = [path, &[decoded(key)]].concat();
                if let Some(unexpected_change) = unexpected_change_at(&below, value, changed, (object, all)) {
                    return Some(unexpected_change);
                }
            }
            if kept.next().is_some() { here("a field is new") } else { None }
        }
        (Inside::List(old), Inside::List(new)) => {
            let takeable = match may(path, before, object) {
                May::Take(takeable) => takeable,
                May::Nothing | May::Set(_) => Vec::new(),
            };
            let (front, back) = if is_pod { injected(path, old, new) } else { (0, 0) };
            let mut new = new.iter().take(new.len() - back).skip(front).peekable();
            let below = [path, &["*".to_owned()]].concat();
            for (index, value) in old.iter().enumerate() {
                let is_takeable = takeable.get(index).copied().unwrap_or_default();
                if is_takeable && new.peek().is_none_or(|next| name(next) != name(value)) {
                    continue;
                }
                if is_takeable && all {
                    return here(&format!("entry {index} is left"));
                }
                let Some(next) = new.next() else { return here(&format!("entry {index} is gone")) };
                if let Some(unexpected_change) = unexpected_change_at(&below, value, next, (object, all)) {
                    return Some(unexpected_change);
                }
            }
            if new.next().is_some() { here("an entry is new") } else { None }
        }
        _ => here("a value differs"),
    }
}
