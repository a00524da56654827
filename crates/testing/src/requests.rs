// SPDX-License-Identifier: Apache-2.0

//! Admission requests.

use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

use crate::cluster::{Known, any_cluster};
use crate::objects::{NAMESPACE, object, set};
use crate::settings::settings;
use crate::style::{Style, style, written};

/// A request, with everything that its response depends on.
#[derive(Debug, Clone)]
pub struct Review {
    /// The request without its objects.
    pub envelope: Value,
    /// The new object.
    pub object: Value,
    /// The old object.
    pub old: Value,
    /// How the objects are written.
    pub style: Style,
    /// The settings.
    pub settings: Value,
    /// The cluster.
    pub cluster: Known,
}

/// Any request with any object.
pub fn review() -> BoxedStrategy<Review> {
    review_of(object())
}

/// Any request with one of these objects.
pub fn review_of(object: BoxedStrategy<Value>) -> BoxedStrategy<Review> {
    let operation = prop_oneof![
        8 => Just(("CREATE", false)),
        1 => Just(("CREATE", true)),
        4 => Just(("UPDATE", false)),
        1 => Just(("DELETE", false)),
    ];
    let people = (select(vec!["alice", "bob", ""]), option::of(select(vec!["admins", "developers"])));
    let path = (select(vec![NAMESPACE, NAMESPACE, NAMESPACE, "team-a", "kube-system", ""]), operation, people);
    let old = (option::of(object.clone()), 0_u8..4);
    (object, old, path, style(), settings(), any_cluster())
        .prop_map(|(object, old, (namespace, (operation, is_audit), (user, group)), style, settings, cluster)| {
            let old = match (operation, old) {
                ("CREATE", _) => Value::Null,
                ("UPDATE", (_, 0)) => Value::Null,
                ("UPDATE", (_, 1)) => object.clone(),
                ("UPDATE", (_, 2)) => {
                    let mut labelled = object.clone();
                    set(&mut labelled, "/metadata", "labels", json!({"old": "x"}));
                    labelled
                }
                // The other object that was drawn, if it has the same kind.
                (_, (Some(old), _)) if old.get("kind") == object.get("kind") => old,
                (_, _) => object.clone(),
            };
            let mut envelope = envelope(&object, namespace, operation, is_audit, (user, group));
            let mut old = old;
            // Ephemeral containers are added to a Pod that already runs.
            let adds_container = operation == "UPDATE" && object.pointer("/spec/ephemeralContainers").is_some();
            if adds_container && object.get("kind") == Some(&json!("Pod")) {
                set(&mut envelope, "", "subResource", json!("ephemeralcontainers"));
                old = object.clone();
                if let Some(spec) = old.pointer_mut("/spec").and_then(Value::as_object_mut) {
                    spec.remove("ephemeralContainers");
                }
            }
            let object = if operation == "DELETE" { Value::Null } else { object };
            Review { envelope, object, old, style, settings, cluster }
        })
        .boxed()
}

fn envelope(
    object: &Value,
    namespace: &str,
    operation: &str,
    is_audit: bool,
    (user, group): (&str, Option<&str>),
) -> Value {
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let (api_version, kind) = (text("/apiVersion"), text("/kind"));
    let (group_name, version) = api_version.rsplit_once('/').unwrap_or(("", api_version));
    // The audit scanner puts the kind in the place of the resource, and sends no user.
    let resource = if is_audit { kind.to_owned() } else { format!("{}s", kind.to_lowercase()) };
    let user_info = if is_audit {
        json!({})
    } else {
        json!({"username": user, "groups": group.into_iter().chain(["system:authenticated"]).collect::<Vec<_>>()})
    };
    let mut envelope = json!({
        "uid": "00000000-0000-4000-8000-000000000000",
        "kind": {"group": group_name, "version": version, "kind": kind},
        "resource": {"group": group_name, "version": version, "resource": resource},
        "operation": operation,
        "namespace": namespace,
        "name": text("/metadata/name"),
        "userInfo": user_info,
        "dryRun": false,
    });
    if kind == "TokenRequest" {
        set(&mut envelope, "", "subResource", json!("token"));
    }
    envelope
}

impl Review {
    /// The text of the object.
    #[must_use]
    pub fn object_text(&self) -> String {
        written(&self.object, self.style)
    }

    /// The payload that the host sends, with this object and these settings (JSON texts).
    #[must_use]
    pub fn payload_of(&self, object: &str, settings: &str) -> String {
        let envelope = self.envelope.to_string();
        let envelope = envelope.strip_suffix('}').unwrap_or(&envelope);
        let old = written(&self.old, self.style);
        format!(r#"{{"settings":{settings},"request":{envelope},"object":{object},"oldObject":{old}}}}}"#)
    }

    /// The payload that the host sends.
    #[must_use]
    pub fn payload(&self) -> String {
        self.payload_of(&self.object_text(), &self.settings.to_string())
    }

    /// The same request with other settings.
    #[must_use]
    pub fn with_settings(&self, settings: Value) -> Self {
        Self { settings, ..self.clone() }
    }

    /// The same request with another action for a rule; the parameters of the rule stay.
    #[must_use]
    pub fn with_action(&self, rule: &str, action: &str) -> Self {
        let mut settings = self.settings.clone();
        let Some(rules) = settings.pointer_mut("/rules").and_then(Value::as_object_mut) else {
            set(&mut settings, "", "rules", json!({rule: action}));
            return self.with_settings(settings);
        };
        match rules.get_mut(rule) {
            Some(Value::Object(params)) => drop(params.insert("action".to_owned(), action.into())),
            _ => drop(rules.insert(rule.to_owned(), action.into())),
        }
        self.with_settings(settings)
    }

    /// The same request with one setting changed.
    #[must_use]
    pub fn with_setting(&self, key: &str, value: Value) -> Self {
        let mut settings = self.settings.clone();
        set(&mut settings, "", key, value);
        self.with_settings(settings)
    }
}
