// SPDX-License-Identifier: Apache-2.0
//! `token-issuing-roles`: no role lets its holders create tokens of accounts,
//! or act as accounts.
//!
//! Whoever may create `serviceaccounts/token` can act as every account of the
//! namespace, or of the cluster; so can whoever may impersonate accounts, grant
//! roles or start Pods. Wildcards can hide such a grant, so they are read as the
//! RBAC authorizer reads them.
//! <https://kubernetes.io/docs/concepts/security/rbac-good-practices/#privilege-escalation-risks>

mod grants;
mod old_rule;

use crate::admission::subject::SubjectKind;
use crate::diagnostic::field_path::FieldPath;
use crate::diagnostic::findings::Findings;
use crate::diagnostic::message::{Message, MessageTemplate};
use crate::diagnostic::severity::MaxSeverity;
use crate::engine::context::{ReviewError, RuleContext};
use crate::engine::rule::{Ability, Check, Restricted, Rule};
use crate::fast::names::Names;
use crate::matching::glob;
use crate::object::rbac::PolicyRule;
use crate::object::view::Text;
use crate::rules::azure_workload_identity;
use crate::settings::action::CheckAction;
use crate::settings::doc::Doc;
use crate::settings::params::{Kind, Param, Params};
use crate::settings::reader::unknown;
use grants::{
    AUTHENTICATION, CONSTRAINED, CORE, GRANTED, LITERAL, MANAGED_IDENTITIES_GRANT, MANAGED_IDENTITY, MODES, NAMES,
    Target, granted, impersonates, widest,
};
use old_rule::{COMPARED, OldRule, push_sorted, reach};

/// The rule.
pub static RULE: Rule = Rule {
    id: "token-issuing-roles",
    summary: Doc::new("forbids roles that allow issuing ServiceAccount tokens or acting as a ServiceAccount"),
    subjects: &[SubjectKind::Role],
    params: &[&GRANTS, &INCLUDE_POD_CREATION],
    messages: &[grants::MESSAGES],
    ability: Ability::Check { default: CheckAction::Off },
    restricted: Restricted::REJECT,
};

static GRANTS: Param = Param {
    name: "grants",
    kind: Kind::Texts { of: "grants", problem: grant_problem },
    default: r#"["tokens", "impersonation", "escalation", "certificates", "nodeAudiences", "managedIdentities"]"#,
    doc: Doc::new(
        "permissions to check for: `tokens` (create `serviceaccounts/token`), `impersonation` (of ServiceAccounts, users and groups), `escalation` (`escalate` and `bind`), `certificates` (`approve` client certificates of the API server), `nodeAudiences` (node tokens for any audience), `managedIdentities` (AKS identity bindings)",
    ),
};
static INCLUDE_POD_CREATION: Param = Param {
    name: "includePodCreation",
    kind: Kind::Flag,
    default: "false",
    doc: Doc::new(
        "whether to check for permission to create Pods or write workloads too, which allows running as any ServiceAccount of the namespace",
    ),
};

/// The signer of client certificates for the API server, and the RBAC wildcard
/// that contains it.
const CLIENT_SIGNERS: [&str; 2] = ["kubernetes.io/kube-apiserver-client", "kubernetes.io/*"];

/// The signer of the kubelet's client certificates.
const KUBELET_SIGNER: &str = "kubernetes.io/kube-apiserver-client-kubelet";

/// The roles of every cluster that create tokens of accounts, run Pods, escalate,
/// or approve client certificates. The last two are roles of `OpenShift`.
/// <https://kubernetes.io/docs/reference/access-authn-authz/rbac/#default-roles-and-role-bindings>
const TOKEN_ISSUING_ROLES: [&str; 11] = [
    "cluster-admin",
    "admin",
    "edit",
    "system:aggregate-to-admin",
    "system:aggregate-to-edit",
    "system:kube-controller-manager",
    "system:node",
    "system:controller:*",
    "system:certificates.k8s.io:kube-apiserver-client-approver",
    "sudoer",
    "system:openshift:controller:*",
];

/// The separator of a list in a message, which has the outer backticks.
const BETWEEN: &str = "`, `";

/// Resources that look as if they granted tokens.
const LITERALS: [&str; 2] = ["*/*", "serviceaccounts/*"];

pub(super) struct TokenIssuingRoles {
    /// Which of [`NAMES`] the rule looks for.
    grants: [bool; NAMES.len()],
    includes_pods: bool,
}

impl TokenIssuingRoles {
    pub(super) fn new(params: &mut Params<'_, '_>) -> Self {
        let stated = params.texts(&GRANTS);
        let is_stated = |name| stated.iter().any(|text| text.as_str() == name);
        Self { grants: NAMES.map(is_stated), includes_pods: params.flag(&INCLUDE_POD_CREATION) }
    }

    fn looks_for(&self, name: &str) -> bool {
        let position = NAMES.iter().position(|known| *known == name);
        position.map_or(self.includes_pods, |position| self.grants.get(position) == Some(&true))
    }

    /// Checks what one rule of a role grants; `old` are the previous rules of the role.
    fn check_rule(&self, rule: &PolicyRule<'_>, old: &[OldRule<'_>], findings: &mut Findings) {
        let names = names_of([rule]);
        let reach = reach(&[rule]);
        let mut wild: Vec<(&str, &str, bool)> = Vec::new();
        for grant in GRANTED.iter().filter(|grant| self.looks_for(grant.name)) {
            let Some((verb, resource)) = granted(grant, rule) else { continue };
            let is_old = old.iter().any(|old| old.grants(grant, rule));
            // One verb on everything is one problem, whatever it grants.
            let is_reported = |(name, reported, was_old): &(&str, &str, bool)| {
                *reported == verb && (verb == "*" || *name == grant.name) && (is_old || !was_old)
            };
            if resource == "*" && wild.iter().any(is_reported) {
                continue;
            }
            let whom = match grant.target {
                Target::Names(everybody) if names.is_empty() => everybody.to_owned(),
                Target::Roles if names.is_empty() => "every role".to_owned(),
                Target::Roles if !names.iter().any(|name| hands_out_tokens(name)) => continue,
                Target::Signers if names.is_empty() || names.iter().any(|name| CLIENT_SIGNERS.contains(name)) => {
                    "every user".to_owned()
                }
                Target::Signers if names.contains(&KUBELET_SIGNER) => "every node".to_owned(),
                Target::Signers => continue,
                Target::Names(_) | Target::Roles => quoted(&names),
                Target::None => {
                    add(findings, grant.message, is_old, &[verb, resource, &names.join("\0"), &reach]);
                    continue;
                }
            };
            if resource == "*" && names.is_empty() {
                wild.push((grant.name, verb, is_old));
            }
            // Names can contain any text: only the hidden values tell them apart.
            add(findings, grant.message, is_old, &[verb, resource, &whom, &names.join("\0"), &reach]);
        }
        if self.looks_for("tokens")
            && granted(&GRANTED[0], rule).is_none()
            && widest(GRANTED[0].verbs, &rule.verbs).is_some()
            && widest(CORE, &rule.api_groups).is_some()
            && let Some(resource) = widest(&LITERALS, &rule.resources)
        {
            findings.warn(FieldPath::at(RULES), &LITERAL, &[resource]);
        }
    }

    /// Checks the client IDs on which a rule grants `use-managed-identity`.
    fn check_identities(
        context: &RuleContext<'_>,
        rule: &PolicyRule<'_>,
        old: &[OldRule<'_>],
        findings: &mut Findings,
    ) {
        let Some(grant) = GRANTED.iter().find(|grant| grant.name == MANAGED_IDENTITIES_GRANT) else { return };
        let Some(verb) = widest(grant.verbs, &rule.verbs) else { return };
        if widest(grant.api_groups, &rule.api_groups).is_none() {
            return;
        }
        let allowed = azure_workload_identity::RULE.with_params(context, azure_workload_identity::allowed_clients);
        for resource in &rule.resources {
            let Some(reason) = azure_workload_identity::client_rejection(resource, &allowed) else { continue };
            let is_this = |name: &str| name == resource.as_str();
            let is_verb = |verb: &str| grant.verbs.contains(&verb);
            let is_group = |group: &str| grant.api_groups.contains(&group);
            let is_old = old.iter().any(|old| old.covers(rule, &is_verb, &is_group, &is_this));
            let severity = if is_old { MaxSeverity::Notice } else { MaxSeverity::Action };
            let message = Message::new(&MANAGED_IDENTITY, &[verb, &reason.message()]).about(resource);
            findings.push(FieldPath::at(RULES), message, severity);
        }
    }

    /// Checks what the rules of a role grant together: constrained
    /// impersonation requires two verbs.
    fn check_modes(rules: &[PolicyRule<'_>], old: &[OldRule<'_>], findings: &mut Findings) {
        for (mode, resource, everybody) in MODES {
            let who = ["impersonate:", mode].concat();
            let is_first = |rule: &&PolicyRule<'_>| {
                let has_verb = widest(&["*", &who], &rule.verbs).is_some();
                has_verb
                    && widest(&AUTHENTICATION, &rule.api_groups).is_some()
                    && widest(&["*", resource], &rule.resources).is_some()
                    // For a wildcard, plain impersonation is reported already.
                    && (rule.verbs.iter().any(|verb| verb.as_str() == who) || !impersonates(rule))
            };
            let firsts: Vec<&PolicyRule<'_>> = rules.iter().filter(is_first).collect();
            if firsts.is_empty() {
                continue;
            }
            let is_everybody = firsts.iter().any(|rule| rule.resource_names.is_empty());
            let names = if is_everybody { Vec::new() } else { names_of(firsts.iter().copied()) };
            let reach = reach(&firsts);
            let whom = if is_everybody { everybody.to_owned() } else { quoted(&names) };
            let prefix = ["impersonate-on:", mode, ":"].concat();
            let is_old_first = |first: &&PolicyRule<'_>| {
                let first_verb = |verb: &str| verb == "*" || verb == who;
                let first_group = |group: &str| AUTHENTICATION.contains(&group);
                let first_resource = |name: &str| name == "*" || name == resource;
                old.iter().any(|old| old.covers(first, &first_verb, &first_group, &first_resource))
            };
            let are_old_firsts = firsts.iter().all(is_old_first);
            for second in rules {
                let is_second = |verb: &&str| verb.starts_with(&prefix) || *verb == "*";
                let verbs: Vec<&str> = second.verbs.iter().map(Text::as_str).filter(is_second).collect();
                // Resources in the API group of the first verb are harmless.
                let is_first_alone = second.non_resource_urls.is_empty()
                    && second.api_groups.iter().all(|group| group.as_str() == AUTHENTICATION[1]);
                if verbs.is_empty() || is_first_alone {
                    continue;
                }
                let on = second.resources.iter().chain(&second.non_resource_urls).map(Text::as_str);
                let on = on.collect::<Vec<_>>().join(BETWEEN);
                // As somebody else, holders may do everything that the second
                // rule allows.
                let mut whole = String::new();
                for list in [&second.api_groups, &second.resources, &second.non_resource_urls, &second.resource_names] {
                    push_sorted(&mut whole, list, &|_| true);
                }
                let values = [&who, resource, &verbs.join(BETWEEN), &on, &whom, &names.join("\0"), &reach, &whole];
                let is_mode = |verb: &str| is_second(&verb);
                let is_old_second = || old.iter().any(|old| old.covers(second, &is_mode, &|_| true, &|_| true));
                add(findings, &CONSTRAINED, are_old_firsts && is_old_second(), &values);
            }
        }
    }
}

fn hands_out_tokens(role: &str) -> bool {
    TOKEN_ISSUING_ROLES.iter().any(|pattern| glob::matches(pattern, role))
}

/// The objects that rules of a role name, sorted, each once.
fn names_of<'r>(rules: impl IntoIterator<Item = &'r PolicyRule<'r>>) -> Vec<&'r str> {
    Names::of(rules.into_iter().flat_map(|rule| rule.resource_names.iter().map(Text::as_str))).distinct()
}

fn quoted(names: &[&str]) -> String {
    ["`", &names.join(BETWEEN), "`"].concat()
}

/// Without the entry's number: entries have no names, and an entry that moves is
/// not new.
const RULES: &str = "rules";

/// Adds a finding. If the old role granted at least as much, it stays a
/// warning, so that a role can be narrowed step by step.
#[inline(never)]
fn add(findings: &mut Findings, message: &'static MessageTemplate, is_old: bool, values: &[&str]) {
    let severity = if is_old { MaxSeverity::Notice } else { MaxSeverity::Action };
    findings.push(FieldPath::at(RULES), Message::new(message, values), severity);
}

impl Check for TokenIssuingRoles {
    fn check(&self, context: &RuleContext<'_>, findings: &mut Findings) -> Result<(), ReviewError> {
        let Some(role) = context.role() else { return Ok(()) };
        let old = context.old_role();
        let old: Vec<OldRule<'_>> = old.iter().flat_map(|role| &role.rules).take(COMPARED).map(OldRule::new).collect();
        for rule in &role.rules {
            self.check_rule(rule, &old, findings);
            if self.looks_for(MANAGED_IDENTITIES_GRANT) {
                Self::check_identities(context, rule, &old, findings);
            }
        }
        if self.looks_for("impersonation") {
            Self::check_modes(&role.rules, &old, findings);
        }
        Ok(())
    }
}

fn grant_problem(name: &str) -> Option<String> {
    (!NAMES.contains(&name)).then(|| unknown(name, "grant", &NAMES))
}

#[cfg(test)]
mod tests;
