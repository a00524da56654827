// SPDX-License-Identifier: Apache-2.0
//! `token-issuing-roles`: no role lets its holders make tokens of accounts, or
//! act as them.
//!
//! Whoever may create `serviceaccounts/token` is every account of the
//! namespace, or of the cluster; whoever may impersonate accounts, hand out roles
//! or start Pods as well. The grant hides in wildcards; they are read as the RBAC
//! authorizer reads them.
//! <https://kubernetes.io/docs/concepts/security/rbac-good-practices/#privilege-escalation-risks>

use crate::admission::subject::SubjectKind;
use crate::diagnostic::field_path::FieldPath;
use crate::diagnostic::findings::Findings;
use crate::diagnostic::message::{Message, MessageTemplate};
use crate::diagnostic::severity::MaxSeverity;
use crate::engine::context::{ReviewError, RuleContext};
use crate::engine::rule::{Ability, Check, Restricted, Rule};
use crate::fast::names::Names;
use crate::matching::glob;
use crate::messages;
use crate::object::rbac::PolicyRule;
use crate::object::view::{Text, listed};
use crate::settings::action::CheckAction;
use crate::settings::params::{Kind, Param, Params, for_people};
use crate::settings::reader::unknown;

/// The rule.
pub static RULE: Rule = Rule {
    id: "token-issuing-roles",
    summary: for_people("forbids roles that allow issuing ServiceAccount tokens or acting as a ServiceAccount"),
    subjects: &[SubjectKind::Role],
    params: &PARAMS,
    messages: &[MESSAGES],
    ability: Ability::Check { default: CheckAction::Off },
    restricted: Restricted::REJECT,
};

static PARAMS: [Param; 2] = [
    Param {
        name: "grants",
        kind: Kind::Texts { of: "grants", problem: grant_problem },
        default: r#"["tokens", "impersonation", "escalation", "certificates", "nodeAudiences", "managedIdentities"]"#,
        doc: for_people(
            "permissions to check for: `tokens` (create `serviceaccounts/token`), `impersonation` (of ServiceAccounts, users and groups), `escalation` (`escalate` and `bind`), `certificates` (`approve` client certificates of the API server), `nodeAudiences` (tokens of any audience for nodes), `managedIdentities` (AKS identity bindings)",
        ),
    },
    Param {
        name: "includePodCreation",
        kind: Kind::Flag,
        default: "false",
        doc: for_people(
            "whether to check for permission to create Pods or write workloads too, which allows running as any ServiceAccount of the namespace",
        ),
    },
];

messages! {
    GRANTS: "{} on {} lets its holders make tokens of {}", help: "take it out, or have the role exempted";
    IMPERSONATES: "{} on {} lets its holders act as {}", help: "take it out, or have the role exempted";
    CONSTRAINED:
        "{} on {} together with {} on {} lets its holders act as {}",
        help: "take one of them out, or have the role exempted";
    ESCALATES:
        "{} on {} lets its holders grant what they do not have, by {}",
        help: "take it out, or have the role exempted";
    CERTIFICATES:
        "{} on {} lets its holders act as {}, by a client certificate",
        help: "take it out, or have the role exempted";
    AUDIENCES: "{} on {} lets nodes ask for tokens of any audience", help: "name the audiences in resources";
    MANAGED_IDENTITIES:
        "{} on {} lets its holders use every managed identity that is bound to the cluster",
        help: "name the client IDs in resources";
    PODS:
        "{} on {} lets its holders run containers as any account of the namespace",
        help: "take it out, or have the role exempted";
    LITERAL:
        "{} grants nothing, since RBAC has no such wildcard",
        help: "take it out, or name the subresources that are meant";
}

/// What a rule of a role grants: by one of the verbs, in one of the API groups,
/// on one of the resources; the widest first.
/// <https://github.com/kubernetes/kubernetes/blob/master/pkg/apis/rbac/v1/evaluation_helpers.go>
struct Grant {
    /// The entry of `grants`, if one switches it on.
    name: &'static str,
    verbs: &'static [&'static str],
    api_groups: &'static [&'static str],
    resources: &'static [&'static str],
    message: &'static MessageTemplate,
    whose: Whose,
}

/// What the text of a grant names besides verb and resource.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Whose {
    /// The objects that `resourceNames` has, or these words where it has none.
    Names(&'static str),
    /// The same; only names of roles that hand out tokens are a finding.
    Roles,
    /// Every user; only names of signers whose certificates the API server takes
    /// from any user are a finding.
    Signers,
    /// Nothing.
    Nobody,
}

const CORE: &[&str] = &["*", ""];
const RBAC: &[&str] = &["*", "rbac.authorization.k8s.io"];
const EVERY_ACCOUNT: Whose = Whose::Names("every account");

const GRANTED: [Grant; 12] = [
    Grant {
        name: "tokens",
        verbs: &["*", "create"],
        api_groups: CORE,
        resources: &["*", "*/token", "serviceaccounts/token"],
        message: &GRANTS,
        whose: EVERY_ACCOUNT,
    },
    Grant {
        name: "impersonation",
        verbs: &["*", "impersonate"],
        api_groups: CORE,
        resources: &["*", "serviceaccounts"],
        message: &IMPERSONATES,
        whose: EVERY_ACCOUNT,
    },
    // Users and groups can be those of the control plane, of nodes and of accounts.
    Grant {
        name: "impersonation",
        verbs: &["*", "impersonate"],
        api_groups: CORE,
        resources: &["*", "users"],
        message: &IMPERSONATES,
        whose: Whose::Names("every user"),
    },
    Grant {
        name: "impersonation",
        verbs: &["*", "impersonate"],
        api_groups: CORE,
        resources: &["*", "groups"],
        message: &IMPERSONATES,
        whose: Whose::Names("every group"),
    },
    Grant {
        name: "escalation",
        verbs: &["*", "escalate"],
        api_groups: RBAC,
        resources: &["*", "clusterroles", "roles"],
        message: &ESCALATES,
        whose: Whose::Names("every role"),
    },
    Grant {
        name: "escalation",
        verbs: &["*", "bind"],
        api_groups: RBAC,
        resources: &["*", "clusterroles", "roles"],
        message: &ESCALATES,
        whose: Whose::Roles,
    },
    // Approved, a certificate of this signer is whatever user it names.
    // <https://kubernetes.io/docs/reference/access-authn-authz/certificate-signing-requests/#authorization>
    Grant {
        name: "certificates",
        verbs: &["*", "approve"],
        api_groups: &["*", "certificates.k8s.io"],
        resources: &["*", "signers"],
        message: &CERTIFICATES,
        whose: Whose::Signers,
    },
    // The resource is the audience.
    // <https://kubernetes.io/docs/reference/access-authn-authz/admission-controllers/#noderestriction>
    Grant {
        name: "nodeAudiences",
        verbs: &["*", "request-serviceaccounts-token-audience"],
        api_groups: CORE,
        resources: &["*"],
        message: &AUDIENCES,
        whose: Whose::Nobody,
    },
    // The resource is the client ID; a role for one identity is the documented grant.
    // <https://learn.microsoft.com/azure/aks/identity-bindings>
    Grant {
        name: "managedIdentities",
        verbs: &["*", "use-managed-identity"],
        api_groups: &["*", "cid.wi.aks.azure.com"],
        resources: &["*"],
        message: &MANAGED_IDENTITIES,
        whose: Whose::Nobody,
    },
    Grant {
        name: POD_CREATION,
        verbs: &["*", "create"],
        api_groups: CORE,
        resources: &["*", "pods"],
        message: &PODS,
        whose: Whose::Nobody,
    },
    Grant {
        name: POD_CREATION,
        verbs: &["*", "update", "patch"],
        api_groups: CORE,
        resources: &["*", "*/ephemeralcontainers", "pods/ephemeralcontainers"],
        message: &PODS,
        whose: Whose::Nobody,
    },
    // Of a workload, who may change the template may as well name another account.
    Grant {
        name: POD_CREATION,
        verbs: &["*", "create", "update", "patch"],
        api_groups: &["*", "apps", "batch", ""],
        resources: &[
            "*",
            "replicationcontrollers",
            "deployments",
            "statefulsets",
            "daemonsets",
            "replicasets",
            "jobs",
            "cronjobs",
        ],
        message: &PODS,
        whose: Whose::Nobody,
    },
];

/// Not an entry of `grants`: a parameter of its own switches it on.
const POD_CREATION: &str = "";

/// The entries of `grants`.
const NAMES: [&str; 6] =
    ["tokens", "impersonation", "escalation", "certificates", "nodeAudiences", "managedIdentities"];

/// The signer of client certificates for the API server, and the wildcard of RBAC
/// that contains it.
const CLIENT_SIGNERS: [&str; 2] = ["kubernetes.io/kube-apiserver-client", "kubernetes.io/*"];

/// The signer of kubelet's client certificates.
const KUBELET_SIGNER: &str = "kubernetes.io/kube-apiserver-client-kubelet";

/// The roles of every cluster that make tokens of accounts, run Pods, escalate, or
/// approve client certificates; the last two of `OpenShift`.
/// <https://kubernetes.io/docs/reference/access-authn-authz/rbac/#default-roles-and-role-bindings>
const HAND_OUT_TOKENS: [&str; 11] = [
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

/// Constrained impersonation: a mode, the resource of its first verb, and whom its
/// holders act as. The second verb is asked for the request itself, with the
/// request's own verb behind it.
/// <https://github.com/kubernetes/kubernetes/blob/master/staging/src/k8s.io/apiserver/pkg/endpoints/filters/impersonation/mode.go>
const MODES: [(&str, &str, &str); 5] = [
    ("serviceaccount", "serviceaccounts", "every account"),
    ("user-info", "users", "every user"),
    ("user-info", "groups", "every group"),
    ("arbitrary-node", "nodes", "every node"),
    ("associated-node", "nodes", "the node that they run on"),
];

/// The API group of the first verb.
const AUTHENTICATION: [&str; 2] = ["*", "authentication.k8s.io"];

/// What looks as if it granted tokens.
const LITERALS: [&str; 2] = ["*/*", "serviceaccounts/*"];

pub(super) struct TokenIssuingRoles {
    /// Which of [`NAMES`] are looked for.
    grants: [bool; NAMES.len()],
    includes_pods: bool,
}

impl TokenIssuingRoles {
    pub(super) fn new(params: &mut Params<'_, '_>) -> Self {
        let [grants, pods] = &PARAMS;
        let stated = params.texts(grants);
        let is_stated = |name| stated.iter().any(|text| text.as_str() == name);
        Self { grants: NAMES.map(is_stated), includes_pods: params.flag(pods) }
    }

    fn looks_for(&self, name: &str) -> bool {
        let position = NAMES.iter().position(|known| *known == name);
        position.map_or(self.includes_pods, |position| self.grants.get(position) == Some(&true))
    }

    /// What one rule of a role grants, `old` being the role's rules so far.
    fn check_rule(&self, rule: &PolicyRule<'_>, old: &[OldRule<'_>], findings: &mut Findings) {
        let names = names_of([rule]);
        let reach = reach(&[rule]);
        let mut wild: Vec<(&str, &str, bool)> = Vec::new();
        for grant in GRANTED.iter().filter(|grant| self.looks_for(grant.name)) {
            let Some((verb, resource)) = granted(grant, rule) else { continue };
            let is_old = old.iter().any(|old| old.grants(grant, rule));
            // One verb on everything is one problem, whatever it grants.
            let is_said = |(name, said, was_old): &(&str, &str, bool)| {
                *said == verb && (verb == "*" || *name == grant.name) && (is_old || !was_old)
            };
            if resource == "*" && wild.iter().any(is_said) {
                continue;
            }
            let whose = match grant.whose {
                Whose::Names(everybody) if names.is_empty() => everybody.to_owned(),
                Whose::Roles if names.is_empty() => "every role".to_owned(),
                Whose::Roles if !names.iter().any(|name| hands_out_tokens(name)) => continue,
                Whose::Signers if names.is_empty() || names.iter().any(|name| CLIENT_SIGNERS.contains(name)) => {
                    "every user".to_owned()
                }
                Whose::Signers if names.contains(&KUBELET_SIGNER) => "every node".to_owned(),
                Whose::Signers => continue,
                Whose::Names(_) | Whose::Roles => names.join(", "),
                Whose::Nobody => {
                    add(findings, grant.message, is_old, &[verb, resource, &names.join("\0"), &reach]);
                    continue;
                }
            };
            if resource == "*" && names.is_empty() {
                wild.push((grant.name, verb, is_old));
            }
            // Names may hold any text: only the hidden values tell them apart.
            add(findings, grant.message, is_old, &[verb, resource, &whose, &names.join("\0"), &reach]);
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

    /// What the rules of a role grant together: constrained impersonation takes
    /// two verbs.
    fn check_modes(rules: &[PolicyRule<'_>], old: &[OldRule<'_>], findings: &mut Findings) {
        for (mode, resource, everybody) in MODES {
            let who = ["impersonate:", mode].concat();
            let is_first = |rule: &&PolicyRule<'_>| {
                let has_verb = widest(&["*", &who], &rule.verbs).is_some();
                has_verb
                    && widest(&AUTHENTICATION, &rule.api_groups).is_some()
                    && widest(&["*", resource], &rule.resources).is_some()
                    // By a wildcard it is said of plain impersonation already.
                    && (rule.verbs.iter().any(|verb| verb.as_str() == who) || !impersonates(rule))
            };
            let firsts: Vec<&PolicyRule<'_>> = rules.iter().filter(is_first).collect();
            if firsts.is_empty() {
                continue;
            }
            let is_everybody = firsts.iter().any(|rule| rule.resource_names.is_empty());
            let names = if is_everybody { Vec::new() } else { names_of(firsts.iter().copied()) };
            let reach = reach(&firsts);
            let whom = if is_everybody { everybody.to_owned() } else { names.join(", ") };
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
                // What the API group of the first verb has itself is harmless.
                let is_first_alone = second.non_resource_urls.is_empty()
                    && second.api_groups.iter().all(|group| group.as_str() == AUTHENTICATION[1]);
                if verbs.is_empty() || is_first_alone {
                    continue;
                }
                let on = [listed(&second.resources), listed(&second.non_resource_urls)];
                let on = on.into_iter().filter(|list| !list.is_empty()).collect::<Vec<_>>().join(", ");
                // As somebody else, they may do all that the second rule says.
                let mut whole = String::new();
                for list in [&second.api_groups, &second.resources, &second.non_resource_urls, &second.resource_names] {
                    push_sorted(&mut whole, list, &|_| true);
                }
                let values = [&who, resource, &verbs.join(", "), &on, &whom, &names.join("\0"), &reach, &whole];
                let is_mode = |verb: &str| is_second(&verb);
                let is_old_second = || old.iter().any(|old| old.covers(second, &is_mode, &|_| true, &|_| true));
                add(findings, &CONSTRAINED, are_old_firsts && is_old_second(), &values);
            }
        }
    }
}

/// Whether a rule of a role grants plain impersonation.
fn impersonates(rule: &PolicyRule<'_>) -> bool {
    GRANTED.iter().filter(|grant| grant.name == "impersonation").any(|grant| granted(grant, rule).is_some())
}

fn hands_out_tokens(role: &str) -> bool {
    HAND_OUT_TOKENS.iter().any(|pattern| glob::matches(pattern, role))
}

/// The objects that rules of a role name, sorted, each once.
fn names_of<'r>(rules: impl IntoIterator<Item = &'r PolicyRule<'r>>) -> Vec<&'r str> {
    Names::of(rules.into_iter().flat_map(|rule| rule.resource_names.iter().map(Text::as_str))).distinct()
}

/// Not with the entry's number: entries have no names, and one that moves is not
/// new for that.
const RULES: &str = "rules";

/// Adds a finding; one that the role as it was had at least as widely stays a
/// warning, so that a role can be narrowed step by step.
#[inline(never)]
fn add(findings: &mut Findings, message: &'static MessageTemplate, is_old: bool, values: &[&str]) {
    let severity = if is_old { MaxSeverity::Notice } else { MaxSeverity::Action };
    findings.push(FieldPath::at(RULES), Message::new(message, values), severity);
}

/// How many rules of a role a new one is compared with. Where there are more, a
/// rule that was not changed is still an old one.
const COMPARED: usize = 64;

/// A rule of the role as it was.
struct OldRule<'r> {
    rule: &'r PolicyRule<'r>,
    verbs: Names<'r>,
    api_groups: Names<'r>,
    resources: Names<'r>,
    resource_names: Names<'r>,
    urls: Names<'r>,
}

impl<'r> OldRule<'r> {
    #[inline(never)]
    fn new(rule: &'r PolicyRule<'r>) -> Self {
        let names = |list: &'r [Text<'r>]| Names::of(list.iter().map(Text::as_str));
        Self {
            rule,
            verbs: names(&rule.verbs),
            api_groups: names(&rule.api_groups),
            resources: names(&rule.resources),
            resource_names: names(&rule.resource_names),
            urls: names(&rule.non_resource_urls),
        }
    }

    /// Whether it had all that a rule grants by this.
    #[inline(never)]
    fn grants(&self, grant: &Grant, rule: &PolicyRule<'_>) -> bool {
        self.covers(
            rule,
            &|verb| grant.verbs.contains(&verb),
            &|group| grant.api_groups.contains(&group),
            &|resource| grant.resources.contains(&resource),
        )
    }

    /// Whether it had all of a rule, as far as verbs, API groups and resources matter.
    #[inline(never)]
    fn covers(
        &self,
        rule: &PolicyRule<'_>,
        verb: &dyn Fn(&str) -> bool,
        group: &dyn Fn(&str) -> bool,
        resource: &dyn Fn(&str) -> bool,
    ) -> bool {
        let has_names = self.rule.resource_names.is_empty()
            || !rule.resource_names.is_empty() && are_in(&self.resource_names, &rule.resource_names, &|_| true);
        has_names
            && are_in(&self.verbs, &rule.verbs, verb)
            && are_in(&self.api_groups, &rule.api_groups, group)
            && are_in(&self.resources, &rule.resources, resource)
            && are_in(&self.urls, &rule.non_resource_urls, &|_| true)
    }
}

/// Whether those entries of a list that matter are in another, `*` and `*/sub` read
/// as wildcards.
#[inline(never)]
fn are_in(known: &Names<'_>, list: &[Text<'_>], matters: &dyn Fn(&str) -> bool) -> bool {
    let is_wild = known.has("*");
    let is_in = |entry: &str| {
        known.has(entry)
            || entry.split_once('/').is_some_and(|(name, sub)| {
                // A URL begins with the slash; there `*` is a wildcard at the end only.
                !name.is_empty() && !sub.is_empty() && known.has(&["*/", sub].concat())
            })
    };
    list.iter().map(Text::as_str).filter(|entry| matters(entry)).all(|entry| is_wild || is_in(entry))
}

/// Where rules of a role grant something: their verbs, API groups and resources, as far
/// as some grant is about them. One more makes a finding new, so that a role with
/// an old problem cannot grow; what grants nothing may come and go.
#[inline(never)]
fn reach(rules: &[&PolicyRule<'_>]) -> String {
    let grants_in_group =
        |group: &str| AUTHENTICATION.contains(&group) || GRANTED.iter().any(|grant| grant.api_groups.contains(&group));
    let grants_on_resource = |resource: &str| {
        MODES.iter().any(|(_, of_mode, _)| *of_mode == resource)
            || GRANTED.iter().any(|grant| grant.resources.contains(&resource))
    };
    let mut reach = String::new();
    for rule in rules {
        push_sorted(&mut reach, &rule.verbs, &|verb| GRANTED.iter().any(|grant| grant.verbs.contains(&verb)));
        push_sorted(&mut reach, &rule.api_groups, &grants_in_group);
        push_sorted(&mut reach, &rule.resources, &grants_on_resource);
    }
    reach
}

/// Appends those entries of a list that matter, sorted, or the wildcard alone.
#[inline(never)]
fn push_sorted(out: &mut String, list: &[Text<'_>], matters: &dyn Fn(&str) -> bool) {
    let sorted = Names::of(list.iter().map(Text::as_str)).distinct();
    let is_wild = sorted.contains(&"*");
    for entry in sorted {
        if if is_wild { entry == "*" } else { matters(entry) } {
            out.push_str(entry);
            out.push('\0');
        }
    }
    out.push('\0');
}

impl Check for TokenIssuingRoles {
    fn check(&self, context: &RuleContext<'_>, findings: &mut Findings) -> Result<(), ReviewError> {
        let Some(role) = context.role() else { return Ok(()) };
        let old = context.old_role();
        let old: Vec<OldRule<'_>> = old.iter().flat_map(|role| &role.rules).take(COMPARED).map(OldRule::new).collect();
        for rule in &role.rules {
            self.check_rule(rule, &old, findings);
        }
        if self.looks_for("impersonation") {
            Self::check_modes(&role.rules, &old, findings);
        }
        Ok(())
    }
}

/// The widest verb and resource by which a rule grants this.
fn granted(grant: &Grant, rule: &PolicyRule<'_>) -> Option<(&'static str, &'static str)> {
    let verb = widest(grant.verbs, &rule.verbs)?;
    widest(grant.api_groups, &rule.api_groups)?;
    Some((verb, widest(grant.resources, &rule.resources)?))
}

/// The first of `granting` that is in a list.
fn widest<'g>(granting: &[&'g str], list: &[Text<'_>]) -> Option<&'g str> {
    granting.iter().find(|word| list.iter().any(|entry| entry.as_str() == **word)).copied()
}

fn grant_problem(name: &str) -> Option<String> {
    (!NAMES.contains(&name)).then(|| unknown(name, "grant", &NAMES))
}

#[cfg(test)]
mod tests;
