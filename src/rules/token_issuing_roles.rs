// SPDX-License-Identifier: Apache-2.0
//! `token-issuing-roles`: no role lets its holders make tokens of accounts.
//!
//! Whoever may create `serviceaccounts/token` is every account of the
//! namespace, or of the cluster. The grant hides in wildcards; they are read as
//! the RBAC authorizer reads them.
//! <https://kubernetes.io/docs/concepts/security/rbac-good-practices/#token-request>

use super::{Ability, Check, Rule};
use crate::admission::subject::SubjectKind;
use crate::engine::finding::{Findings, Wording};
use crate::engine::scene::{Scene, Stop};
use crate::matching::names::Names;
use crate::object::place::Place;
use crate::object::view::Text;
use crate::settings::action::CheckAction;
use crate::settings::params::{Params, for_people};

/// The rule.
pub static RULE: Rule = Rule {
    id: "token-issuing-roles",
    summary: for_people("no role lets its holders make tokens of accounts"),
    subjects: &[SubjectKind::Role],
    params: &[],
    wordings: &[&GRANTS, &LITERAL],
    ability: Ability::Check { default: CheckAction::Off },
};

static GRANTS: Wording = Wording {
    name: "grants",
    template: "{} on {} lets its holders make tokens of {}; take it out, or have the role exempted",
};
static LITERAL: Wording = Wording {
    name: "literal",
    template: "{} grants nothing, since RBAC has no such wildcard; take it out, or name the subresources that are meant",
};

/// What grants the making of tokens, the widest first.
/// <https://github.com/kubernetes/kubernetes/blob/master/pkg/apis/rbac/v1/evaluation_helpers.go>
const VERBS: [&str; 2] = ["*", "create"];
const API_GROUPS: [&str; 2] = ["*", ""];
const RESOURCES: [&str; 3] = ["*", "*/token", "serviceaccounts/token"];

/// What looks as if it did.
const LITERALS: [&str; 2] = ["*/*", "serviceaccounts/*"];

pub(super) struct TokenIssuingRoles;

impl TokenIssuingRoles {
    pub(super) const fn new(_: &mut Params<'_, '_>) -> Self {
        Self
    }
}

impl Check for TokenIssuingRoles {
    fn judge(&self, scene: &Scene<'_>, findings: &mut Findings) -> Result<(), Stop> {
        let Some(role) = scene.role() else { return Ok(()) };
        for rule in &role.rules {
            let verb = widest(&VERBS, &rule.verbs);
            let (Some(verb), Some(_)) = (verb, widest(&API_GROUPS, &rule.api_groups)) else { continue };
            // Not the entry's number: entries have no names, and one that
            // moves is none the newer for it.
            let place = Place::at("rules");
            if let Some(resource) = widest(&RESOURCES, &rule.resources) {
                let names = Names::of(rule.resource_names.iter().map(Text::as_str)).distinct();
                let whose = if names.is_empty() { "every account" } else { &names.join(", ") };
                // Names may hold any text: only this tells them apart.
                findings.add(place, &GRANTS, &[verb, resource, whose, &names.join("\0")]);
            } else if let Some(resource) = widest(&LITERALS, &rule.resources) {
                findings.warn(place, &LITERAL, &[resource]);
            }
        }
        Ok(())
    }
}

/// The first of `granting` that is in a list.
fn widest(granting: &[&'static str], list: &[Text<'_>]) -> Option<&'static str> {
    granting.iter().find(|word| list.iter().any(|entry| entry.as_str() == **word)).copied()
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::{Value, json};

    use crate::cluster::LookupError;
    use crate::testing::{FakeCluster, create, review, update};

    fn role(rules: &Value) -> Value {
        json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "r"}, "rules": rules})
    }

    fn rule(verbs: &[&str], groups: &[&str], resources: &[&str]) -> Value {
        json!({"verbs": verbs, "apiGroups": groups, "resources": resources})
    }

    fn answer_with(settings: &Value, request: &Value) -> Value {
        let cluster = FakeCluster::failing(LookupError::Failed);
        let answer = review(request, settings, &cluster);
        assert_eq!(cluster.asked(), 0);
        answer
    }

    fn answer(request: &Value) -> Value {
        answer_with(&json!({"rules": {"token-issuing-roles": "reject"}}), request)
    }

    fn lines(answer: &Value) -> Vec<String> {
        let message = answer["message"].as_str().unwrap_or_default().lines().skip(1);
        message.map(|line| line.trim_start_matches("- ").to_owned()).collect()
    }

    fn accepts_unsaid(answer: &Value) -> bool {
        *answer == json!({"accepted": true})
    }

    fn word(answer: &Value) -> &'static str {
        match (answer["accepted"] == json!(true), answer.get("warnings").is_some()) {
            (false, _) => "reject",
            (true, true) => "warn",
            (true, false) => "fine",
        }
    }

    #[test]
    fn every_text_in_full() {
        let mut some = rule(&["get", "create"], &[""], &["serviceaccounts/token"]);
        some["resourceNames"] = json!(["deployer", "ci"]);
        let rules =
            json!([some, rule(&["*"], &["*"], &["*"]), rule(&["create"], &[""], &["pods", "serviceaccounts/*"])]);
        let answer = answer(&create(&role(&rules)));
        assert_eq!(
            lines(&answer),
            [
                "token-issuing-roles: rules: * on * lets its holders make tokens of every account; take it out, or have the role exempted",
                "token-issuing-roles: rules: create on serviceaccounts/token lets its holders make tokens of ci, deployer; take it out, or have the role exempted",
            ]
        );
        assert_eq!(
            answer["warnings"],
            json!([
                "token-issuing-roles: rules: serviceaccounts/* grants nothing, since RBAC has no such wildcard; take it out, or name the subresources that are meant"
            ])
        );
    }

    #[test]
    fn actions() {
        let request = create(&role(&json!([rule(&["create"], &[""], &["serviceaccounts/token"])])));
        assert!(accepts_unsaid(&answer_with(&json!({}), &request)));
        assert_eq!(word(&answer_with(&json!({"rules": {"token-issuing-roles": "warn"}}), &request)), "warn");
        assert_eq!(answer(&request)["code"], json!(403));
    }

    /// As the RBAC authorizer reads them.
    #[rstest]
    #[case(&["create"], &[""], &["serviceaccounts/token"], "reject")]
    #[case(&["*"], &[""], &["serviceaccounts/token"], "reject")]
    #[case(&["get", "*"], &["apps", "*"], &["pods", "serviceaccounts/token"], "reject")]
    #[case(&["create"], &["*"], &["*"], "reject")]
    #[case(&["create"], &[""], &["*"], "reject")]
    #[case(&["create"], &[""], &["*/token"], "reject")]
    #[case(&["create"], &[""], &["serviceaccounts/*"], "warn")]
    #[case(&["create"], &[""], &["*/*"], "warn")]
    #[case(&["create"], &[""], &["serviceaccounts/*", "serviceaccounts/token"], "reject")]
    #[case(&["get"], &[""], &["serviceaccounts/*"], "fine")]
    #[case(&["create"], &["apps"], &["*/*"], "fine")]
    #[case(&["create"], &[""], &["serviceaccounts"], "fine")]
    #[case(&["create"], &[""], &["serviceaccounts/tokens"], "fine")]
    #[case(&["create"], &[""], &["pods/token"], "fine")]
    #[case(&["create"], &["apps"], &["*"], "fine")]
    #[case(&["create"], &["authentication.k8s.io"], &["serviceaccounts/token"], "fine")]
    #[case(&["create"], &["authentication.k8s.io"], &["tokenrequests"], "fine")]
    #[case(&["get", "list", "update"], &["*"], &["*"], "fine")]
    #[case(&["Create"], &[""], &["serviceaccounts/token"], "fine")]
    #[case(&[], &[""], &["serviceaccounts/token"], "fine")]
    #[case(&["create"], &[], &["serviceaccounts/token"], "fine")]
    #[case(&["create"], &[""], &[], "fine")]
    fn grants(#[case] verbs: &[&str], #[case] groups: &[&str], #[case] resources: &[&str], #[case] expected: &str) {
        for kind in ["Role", "ClusterRole"] {
            let mut object = role(&json!([rule(&["get"], &[""], &["pods"]), rule(verbs, groups, resources)]));
            object["kind"] = json!(kind);
            assert_eq!(word(&answer(&create(&object))), expected, "{kind}");
        }
    }

    #[test]
    fn rules_without_resources() {
        for rules in [
            json!(null),
            json!([]),
            json!([{"verbs": ["*"], "nonResourceURLs": ["*"]}]),
            json!([{"verbs": ["create"], "apiGroups": [""], "resources": null}]),
        ] {
            assert!(accepts_unsaid(&answer(&create(&role(&rules)))), "{rules}");
        }
    }

    /// An aggregated role is what it is aggregated from: its rules are judged,
    /// whoever writes them.
    #[test]
    fn an_aggregated_role_is_judged_by_its_rules() {
        let mut old = role(&json!([]));
        old["kind"] = json!("ClusterRole");
        old["aggregationRule"] = json!({"clusterRoleSelectors": [{"matchLabels": {"x": "y"}}]});
        assert!(accepts_unsaid(&answer(&create(&old))));
        let mut new = old.clone();
        new["rules"] = json!([rule(&["create"], &[""], &["serviceaccounts/token"])]);
        let mut request = update(&old, &new);
        request["userInfo"] =
            json!({"username": "system:serviceaccount:kube-system:clusterrole-aggregation-controller"});
        request.as_object_mut().unwrap().remove("namespace");
        assert_eq!(word(&answer(&request)), "reject");
    }

    /// An old grant is a warning wherever in the list it is by now; a wider
    /// one is new.
    #[test]
    fn old_grants_do_not_block_a_change() {
        let grant = |names: Value| json!({"verbs": ["create"], "apiGroups": [""], "resources": ["serviceaccounts/token"], "resourceNames": names});
        let pods = rule(&["get"], &[""], &["pods"]);
        let change = |old: &Value, new: &Value| word(&answer(&update(&role(old), &role(new))));
        let ci = grant(json!(["ci"]));
        assert_eq!(change(&json!([ci]), &json!([pods, ci])), "warn");
        assert_eq!(change(&json!([grant(json!(["a", "b"]))]), &json!([grant(json!(["b", "a", "a"]))])), "warn");
        assert_eq!(change(&json!([ci]), &json!([grant(json!(["ci", "admin"]))])), "reject");
        assert_eq!(change(&json!([ci]), &json!([grant(json!([]))])), "reject");
        assert_eq!(change(&json!([ci]), &json!([ci, rule(&["*"], &["*"], &["*"])])), "reject");
        assert_eq!(change(&json!([ci]), &json!([pods])), "fine");
        // Names that read like others.
        assert_eq!(change(&json!([grant(json!(["every account"]))]), &json!([grant(json!([]))])), "reject");
        assert_eq!(change(&json!([grant(json!(["a, b"]))]), &json!([grant(json!(["a", "b"]))])), "reject");
    }

    /// Ways around the rule.
    #[rstest]
    #[case::mirror_annotation("annotations", json!({"kubernetes.io/config.mirror": "x"}))]
    #[case::controlled("ownerReferences", json!([{"controller": true}]))]
    #[case::kept_by_a_finalizer("deletionTimestamp", json!("2026-01-01T00:00:00Z"))]
    #[case::labelled_as_a_default("labels", json!({"kubernetes.io/bootstrapping": "rbac-defaults"}))]
    #[case::to_be_aggregated("labels", json!({"rbac.authorization.k8s.io/aggregate-to-view": "true"}))]
    fn bypasses(#[case] key: &str, #[case] value: Value) {
        let was = role(&json!([]));
        let mut new = role(&json!([rule(&["create"], &[""], &["serviceaccounts/token"])]));
        new["metadata"][key] = value;
        assert_eq!(word(&answer(&update(&was, &new))), "reject");
    }

    #[test]
    fn exemptions() {
        let request = create(&role(&json!([rule(&["*"], &["*"], &["*"])])));
        for (entry, expected) in [
            (json!({"names": ["r"]}), "fine"),
            (json!({"kinds": ["Role"]}), "fine"),
            (json!({"namespaces": ["shop"]}), "fine"),
            // A role is nobody's.
            (json!({"serviceAccounts": ["*/*"]}), "reject"),
        ] {
            let settings = json!({"rules": {"token-issuing-roles": "reject"}, "exemptions": [entry]});
            assert_eq!(word(&answer_with(&settings, &request)), expected, "{entry}");
        }
    }
}
