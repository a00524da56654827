// SPDX-License-Identifier: Apache-2.0

//! Bindings as evidence that a token is used.
//!
//! In a cluster, the policy asks whether the account has a permission that most programs with a token need. For files, a
//! binding of the account is sufficient evidence that its token is needed, regardless of what the role grants and whether the
//! role is in the input. The policy is therefore configured to ask only whether the account is bound ([`CHECK_GROUP`]), and the
//! finding names the binding and the role.

use std::sync::Arc;

use serde_json::{Value, json};

use super::finding::{Finding, Level};
use crate::apiserver::ApiServer;
use crate::cluster::{CHECK_GROUP, Cluster, GetResource};
use crate::json::text_at;
use crate::rbac::{Grant, User, Via};

/// The rule that checks the tokens of Pods.
pub(super) const POD_AUTOMOUNT: &str = "pod-automount";

/// The rule that checks the field of ServiceAccounts.
const ACCOUNT_AUTOMOUNT: &str = "service-account-automount";

/// The field that both rules set.
pub(super) const FIELD: &str = "automountServiceAccountToken";

/// Whether the token of an account is needed, according to the bindings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Token {
    /// The token would be removed, and no binding names the account.
    Unused,
    /// A binding names the account.
    Needed,
    /// It is not known whether the token is needed.
    Unknown,
}

impl Token {
    /// The value in machine-readable output.
    pub fn key(self) -> &'static str {
        match self {
            Self::Unused => "unused",
            Self::Needed => "needed",
            Self::Unknown => "unknown",
        }
    }
}

/// The bindings in the input and in `--cluster`.
#[derive(Debug)]
pub struct Evidence {
    cluster: Arc<Cluster>,
    /// Whether `--cluster` is not given, so that bindings may exist that are not in the input.
    is_partial: bool,
}

impl Evidence {
    /// What is known of the accounts; `is_partial` if the files are not the whole cluster.
    pub fn new(cluster: Arc<Cluster>, is_partial: bool) -> Self {
        Self { cluster, is_partial }
    }

    /// Describes the binding that names an account most directly, for example ``account `default` is bound by RoleBinding
    /// shop/web to ClusterRole view``.
    fn bound(&self, namespace: &str, name: &str) -> Option<String> {
        let user = User::service_account(namespace, name);
        let Grant { binding, role, via, .. } = self.cluster.evidence(&user)?;
        let who = match via {
            Via::Account | Via::User => format!("account `{name}`"),
            Via::Group(group) => format!("group `{group}` of account `{name}`"),
        };
        Some(format!("{who} is bound by {binding} to {role}"))
    }

    /// Whether an account is in the input or in `--cluster`.
    pub fn knows_account(&self, namespace: &str, name: &str) -> bool {
        let request = GetResource {
            api_version: "v1".to_owned(),
            kind: "ServiceAccount".to_owned(),
            name: name.to_owned(),
            namespace: Some(namespace.to_owned()),
            disable_cache: false,
            field_masks: None,
        };
        self.cluster.get_resource(&request).is_ok()
    }

    /// Whether an object is an account that a binding names.
    pub fn is_bound_account(&self, object: &Value, default_namespace: &str) -> bool {
        let text = |pointer: &str| text_at(object, pointer).filter(|text| !text.is_empty());
        text("/kind") == Some("ServiceAccount")
            && text("/metadata/name").is_some_and(|name| {
                self.bound(text("/metadata/namespace").unwrap_or(default_namespace), name).is_some()
            })
    }

    /// Adds to each finding about a token whether the token is needed.
    pub fn explain(&self, request: &Value, findings: &mut [Finding]) {
        let account = account_of(request);
        let Some((namespace, name)) = account.as_deref().and_then(|account| account.split_once('/')) else { return };
        for finding in findings {
            match finding.rule.as_str() {
                POD_AUTOMOUNT => self.explain_pod(namespace, name, finding),
                ACCOUNT_AUTOMOUNT if finding.level == Level::Fixed => {
                    let Some(bound) = self.bound(namespace, name) else {
                        finding.token = Some(Token::Unused);
                        continue;
                    };
                    finding.level = Level::Warned;
                    finding.message = format!("the cluster would set it to false, although {bound}");
                    "set it here".clone_into(&mut finding.help);
                    finding.token = Some(Token::Needed);
                }
                _ => {}
            }
        }
    }

    fn explain_pod(&self, namespace: &str, name: &str, finding: &mut Finding) {
        let level = finding.level;
        let is_mounted = matches!(finding.id.as_str(), "unasked-default" | "unasked" | "unasked-dedicated");
        let is_kept =
            matches!(finding.id.as_str(), "may" | "may-on-default" | "unknown-permissions" | "unknown-account");
        let goes = level.is_fix() || is_mounted && level == Level::Rejected;
        if !(is_mounted || is_kept || goes || finding.id == "tokenless") {
            return;
        }
        let Some(bound) = self.bound(namespace, name) else {
            if goes {
                let whose = if self.is_partial { "no binding in the input" } else { "no binding" };
                finding.message = format!("{}, {whose}", finding.message);
                finding.token = Some(Token::Unused);
            } else if is_kept {
                finding.token = Some(Token::Unknown);
            }
            return;
        };
        finding.token = Some(Token::Needed);
        if goes {
            // The settings remove the token regardless of what the account may do.
            finding.message = format!("{}, although {bound}", finding.message);
        } else if finding.id == "tokenless" {
            finding.message =
                format!("is not set here, and false on the account, so there is no token, although {bound}");
        } else {
            finding.message = format!("would keep the token: {bound}");
        }
    }
}

/// The account whose token the request concerns, or that the request creates.
pub(super) fn account_of(request: &Value) -> Option<String> {
    let object = request.get("object").unwrap_or(&Value::Null);
    if object.get("kind").and_then(Value::as_str) == Some("ServiceAccount") {
        let name = text_at(object, "/metadata/name")?;
        return Some(format!("{}/{name}", request.get("namespace")?.as_str()?));
    }
    let pod = ApiServer::pod_of(object).map(|(pod, _)| pod);
    let spec = pod.as_ref().unwrap_or(object).get("spec");
    let text = |key: &str| spec?.get(key)?.as_str().filter(|text| !text.is_empty());
    let name = text("serviceAccountName").or_else(|| text("serviceAccount")).unwrap_or("default");
    Some(format!("{}/{name}", request.get("namespace")?.as_str()?))
}

/// Settings with which the policy asks whether an account is bound. Settings that remove tokens regardless of permissions stay
/// unchanged, except when files are fixed: then a bound account keeps its token. If there are no bindings at all, the answer is
/// known and the policy asks nothing, which saves a fifth of the time for a Pod.
pub fn with_binding_check(settings: &Value, cluster: &Cluster, is_fixing: bool) -> Value {
    let mut settings = if settings.is_null() { json!({}) } else { settings.clone() };
    let is_restricted = settings.get("profile").and_then(Value::as_str) == Some("restricted");
    // If the settings do not allow the question, the answer is unknown.
    let can_ask = settings.get("permissionLookup").and_then(Value::as_str) != Some("off");
    let Some(fields) = settings.as_object_mut() else { return settings };
    let rules = fields.entry("rules").or_insert_with(|| json!({}));
    if rules.is_null() {
        *rules = json!({});
    }
    let Some(rules) = rules.as_object_mut() else { return settings };
    let rule = rules.entry(POD_AUTOMOUNT).or_insert_with(|| json!({}));
    match rule {
        Value::String(action) => *rule = json!({"action": action}),
        Value::Null => *rule = json!({}),
        _ => {}
    }
    let Some(rule) = rule.as_object_mut() else { return settings };
    let asks = match rule.get("keepIfAllowed") {
        None | Some(Value::Null) => !is_restricted,
        Some(Value::Array(list)) => !list.is_empty(),
        // Invalid; the policy reports it.
        Some(_) => return settings,
    };
    if asks || is_fixing {
        let marker = json!({"verb": "use", "group": CHECK_GROUP, "resource": "bindings"});
        let questions = if can_ask && !cluster.has_bindings() { Vec::new() } else { vec![marker] };
        rule.insert("keepIfAllowed".to_owned(), questions.into());
    }
    settings
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(json!(null), false, json!({}), true)]
    #[case(json!({"rules": {"pod-automount": "warn"}}), false, json!({"action": "warn"}), true)]
    #[case(json!({"rules": {"pod-automount": {"scope": "all"}}}), false, json!({"scope": "all"}), true)]
    #[case(json!({"rules": {"pod-automount": {"keepIfAllowed": []}}}), false, json!({"keepIfAllowed": []}), false)]
    #[case(json!({"rules": {"pod-automount": {"keepIfAllowed": []}}}), true, json!({}), true)]
    #[case(json!({"profile": "restricted"}), false, json!({}), false)]
    #[case(json!({"profile": "restricted"}), true, json!({}), true)]
    #[case(json!({"rules": {"pod-automount": {"keepIfAllowed": "x"}}}), true, json!({"keepIfAllowed": "x"}), false)]
    fn policies_ask_for_bindings(
        #[case] settings: Value,
        #[case] is_fixing: bool,
        #[case] mut expected: Value,
        #[case] asks: bool,
    ) {
        let found = with_binding_check(&settings, &with_binding(), is_fixing);
        if asks {
            expected["keepIfAllowed"] = json!([{"verb": "use", "group": CHECK_GROUP, "resource": "bindings"}]);
        }
        assert_eq!(found["rules"]["pod-automount"], expected);
        let found = with_binding_check(&settings, &Cluster::default(), is_fixing);
        if asks {
            expected["keepIfAllowed"] = json!([]);
        }
        assert_eq!(found["rules"]["pod-automount"], expected, "without any binding");
    }

    #[test]
    fn lookups_that_are_off() {
        let settings = json!({"permissionLookup": "off"});
        let found = with_binding_check(&settings, &Cluster::default(), false);
        assert_eq!(found, with_binding_check(&settings, &with_binding(), false));
    }

    fn with_binding() -> Cluster {
        let binding = json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": "b"},
            "roleRef": {"kind": "Role", "name": "r"}, "subjects": [],
        });
        Cluster::from_objects([binding]).unwrap()
    }

    #[test]
    fn rule_that_is_off() {
        let off = json!({"rules": {"pod-automount": false}});
        assert_eq!(with_binding_check(&off, &with_binding(), true), off);
    }

    #[test]
    fn names_most_direct_binding() {
        let binding = |kind: &str, name: &str, subject: Value| {
            json!({
                "apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind,
                "metadata": {"name": name, "namespace": "shop"},
                "roleRef": {"kind": "ClusterRole", "name": "view"}, "subjects": [subject],
            })
        };
        let group = binding("ClusterRoleBinding", "a", json!({"kind": "Group", "name": "system:serviceaccounts:shop"}));
        let account = binding("RoleBinding", "b", json!({"kind": "ServiceAccount", "name": "web"}));
        let evidence = Evidence::new(Arc::new(Cluster::from_objects([group, account]).unwrap()), true);
        assert_eq!(
            evidence.bound("shop", "web").unwrap(),
            "account `web` is bound by RoleBinding shop/b to ClusterRole view"
        );
        assert_eq!(
            evidence.bound("shop", "db").unwrap(),
            "group `system:serviceaccounts:shop` of account `db` is bound by ClusterRoleBinding a to ClusterRole view"
        );
        assert_eq!(evidence.bound("other", "web"), None);
    }
}
