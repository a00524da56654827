// SPDX-License-Identifier: Apache-2.0

//! Whether an object is checked. Partial and exempt objects are not checked, nor are objects of a kind that no rule checks.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock};

use serde_json::{Value, json};
use serviceaccount_hygiene::admission::request::Request;
use serviceaccount_hygiene::admission::subject::Subject;
use serviceaccount_hygiene::engine::plan;
use serviceaccount_hygiene::engine::rule::Registry;
use serviceaccount_hygiene::object::json::Cursor;
use serviceaccount_hygiene::object::view;
use serviceaccount_hygiene::rules::AllRules;
use serviceaccount_hygiene::settings::reader::Problems;
use serviceaccount_hygiene::settings::{Settings, Templates};

use super::verdict::Reason;
use crate::apiserver::ApiServer;
use crate::json::{at, text_at};

/// The API group of `kustomization.yaml` files and components.
const KUSTOMIZE_GROUP: &str = "kustomize.config.k8s.io/";

/// Which objects a policy checks, according to its settings.
#[derive(Debug)]
pub(super) struct Coverage {
    /// As JSON, which the policy's own code reads.
    settings: String,
    /// For each entry of `exemptions`, whether it applies to all rules.
    applies_to_all_rules: Vec<bool>,
    /// Known results of `interest`, by `apiVersion` and kind.
    interests: RwLock<BTreeMap<String, KindCoverage>>,
}

/// What a policy does with objects of a kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum KindCoverage {
    /// At least one rule checks it.
    Some,
    /// No rule checks it.
    None,
    /// All rules that check it are off.
    Off,
    /// It is a template, and the settings have `templates: ignore`.
    IgnoredTemplate,
}

impl Coverage {
    pub fn of(settings: &Value) -> Self {
        let settings = if settings.is_null() { &json!({}) } else { settings };
        let entries = settings.get("exemptions").and_then(Value::as_array);
        let is_of_all = |entry: &Value| entry.get("rules").and_then(Value::as_array).is_none_or(Vec::is_empty);
        Self {
            settings: settings.to_string(),
            applies_to_all_rules: entries.into_iter().flatten().map(is_of_all).collect(),
            interests: RwLock::default(),
        }
    }

    fn with_settings<T>(&self, answer: impl FnOnce(&Settings<'_>) -> T) -> T {
        let mut problems = Problems::default();
        answer(&Settings::read(&mut Cursor::new(&self.settings), &AllRules.ids(), None, &mut problems))
    }

    /// What the policy does with objects of a kind, regardless of their content.
    pub fn interest(&self, api_version: &str, kind: &str) -> KindCoverage {
        let key = format!("{api_version} {kind}");
        if let Some(known) = self.interests.read().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return *known;
        }
        let found = self.find_interest(api_version, kind);
        self.interests.write().unwrap_or_else(PoisonError::into_inner).insert(key, found);
        found
    }

    fn find_interest(&self, api_version: &str, kind: &str) -> KindCoverage {
        let group = api_version.split_once('/').map_or("", |(group, _)| group);
        let request = json!({"kind": {"group": group, "kind": kind}, "operation": "CREATE"}).to_string();
        let Ok(request) = view::read::<Request<'_>>(&request, "") else { return KindCoverage::None };
        self.with_settings(|settings| {
            let Some(subject) = Subject::of(&request, &settings.common) else { return KindCoverage::None };
            if subject.is_template() && settings.common.templates == Templates::Ignore {
                return KindCoverage::IgnoredTemplate;
            }
            let rules = plan::plan(AllRules, settings, subject.kind(), &mut Problems::default());
            if rules.is_empty() { KindCoverage::Off } else { KindCoverage::Some }
        })
    }

    /// Whether the settings exempt the whole namespace.
    pub fn exempts_namespace(&self, namespace: &str) -> bool {
        self.with_settings(|settings| settings.common.exempts_namespace(namespace))
    }

    /// Whether an entry of `exemptions` applies to all rules.
    pub fn applies_to_all_rules(&self, entry: usize) -> bool {
        self.applies_to_all_rules.get(entry).copied().unwrap_or_default()
    }
}

/// The reason for a kustomization, which kubectl does not send to the API server.
pub(super) fn kustomization(folder: Option<&str>) -> Reason {
    Reason { why: "a kustomization", hint: Some(build_hint(folder)) }
}

/// The command that checks the output of kustomize for a directory.
pub(super) fn build_hint(folder: Option<&str>) -> String {
    format!("kustomize build {} | sa-hygiene check -", folder.unwrap_or("DIR"))
}

/// Whether the object belongs to the API group of kustomize.
pub(super) fn is_kustomization(object: &Value) -> bool {
    text(object, "/apiVersion").starts_with(KUSTOMIZE_GROUP)
}

fn text<'o>(object: &'o Value, pointer: &str) -> &'o str {
    text_at(object, pointer).unwrap_or_default()
}

/// Removed `apiVersion`s with some of their kinds, and the current `apiVersion` of these kinds.
const MOVED: &[(&str, &[&str], &str)] = &[
    ("extensions/v1beta1", &["Deployment", "DaemonSet", "ReplicaSet"], "apps/v1"),
    ("extensions/v1beta1", &["Job"], "batch/v1"),
];

/// The current `apiVersion` of the object's kind, if the object's own `apiVersion` was removed.
pub(super) fn moved_to(object: &Value) -> Option<&'static str> {
    let (version, kind) = (text(object, "/apiVersion"), text(object, "/kind"));
    MOVED.iter().find(|(old, kinds, _)| *old == version && kinds.contains(&kind)).map(|(_, _, new)| *new)
}

/// The object with its current `apiVersion`.
pub(super) fn today(object: &Value) -> Cow<'_, Value> {
    let Some(version) = moved_to(object) else { return Cow::Borrowed(object) };
    let mut object = object.clone();
    if let Some(fields) = object.as_object_mut() {
        fields.insert("apiVersion".to_owned(), version.into());
    }
    Cow::Owned(object)
}

/// Why no rule checks an object.
pub(super) fn no_rule(object: &Value) -> Reason {
    let (version, kind) = (text(object, "/apiVersion"), text(object, "/kind"));
    let group = version.split_once('/').map_or("", |(group, _)| group);
    let suggestion = ApiServer::closest_kind(kind);
    let is_builtin_group = group.is_empty() || !group.contains('.') || group.ends_with(".k8s.io");
    if ApiServer::knows(version, kind) {
        return Reason { why: "no rule checks the kind", hint: None };
    }
    if let Some((suggestion, current)) =
        suggestion.and_then(|suggestion| Some((suggestion, ApiServer::api_version_of(suggestion)?)))
        && is_builtin_group
    {
        let hint = format!("did you mean `{suggestion}` of `{current}`, not `{kind}` of `{version}`?");
        return Reason { why: "Kubernetes has no such kind in the apiVersion", hint: Some(hint) };
    }
    if let Some(path) = template_path(object) {
        let hint = format!(
            "to check it, set customTemplates: [{{apiGroup: {group}, kind: {kind}, path: {path}}}] in the settings"
        );
        return Reason { why: "a custom resource with a Pod template", hint: Some(hint) };
    }
    Reason { why: "no rule checks the kind", hint: None }
}

/// The path of what looks like a Pod template in a custom resource.
fn template_path(object: &Value) -> Option<String> {
    const DEPTH: usize = 6;
    fn search(value: &Value, path: &str, depth: usize) -> Option<String> {
        let fields = value.as_object().filter(|_| depth > 0)?;
        let has_containers =
            |spec: &Value| spec.get("containers").and_then(Value::as_array).is_some_and(|it| has_image(it));
        if !path.is_empty() && fields.get("spec").is_some_and(has_containers) {
            return Some(path.to_owned());
        }
        let below = fields.iter().filter(|(key, _)| !path.is_empty() || *key == "spec" || *key == "template");
        below.into_iter().find_map(|(key, value)| {
            let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            search(value, &path, depth - 1)
        })
    }
    fn has_image(containers: &[Value]) -> bool {
        containers.iter().any(|container| container.get("image").is_some_and(Value::is_string))
    }
    search(object, "", DEPTH)
}

/// Whether an object is partial: no container has an image, or the object has no selector and its API group does not default
/// it.
pub(super) fn is_partial(object: &Value) -> bool {
    let kind = text(object, "/kind");
    let version = text(object, "/apiVersion");
    let pod = match kind {
        "Pod" if version == "v1" => object.get("spec"),
        _ => match ApiServer::template_of(object) {
            None => return false,
            Some(template) => template.and_then(|template| template.get("spec")),
        },
    };
    let lists = ["containers", "initContainers"].into_iter().filter_map(|key| pod?.get(key)?.as_array());
    let has_image = lists.flatten().any(|container| container.get("image").is_some_and(|image| !image.is_null()));
    // `apps/v1beta1` defaulted the selector to the labels of the template.
    let needs_selector = matches!(version, "apps/v1" | "apps/v1beta2");
    let has_selector = at(object, "/spec/selector").is_some_and(|selector| !selector.is_null());
    !has_image || needs_selector && !has_selector
}
