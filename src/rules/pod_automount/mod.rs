// SPDX-License-Identifier: Apache-2.0
//! `pod-automount`: a Pod gets an API token only if someone requests it.
//!
//! The API server adds its token volume before it calls any webhook, and adds
//! it again if a webhook changes the Pod but does not set the field to `false`.
//! So the fix is one change in three parts (field, volume, mounts), none of
//! which is enough alone.
//! <https://kubernetes.io/docs/tasks/configure-pod-container/configure-service-account/#opt-out-of-api-credential-automounting>

mod token_containers;

use std::cell::OnceCell;

use crate::admission::subject::SubjectKind;
use crate::cluster::access_review::Permission;
use crate::diagnostic::findings::{Changes, Findings};
use crate::diagnostic::message::{Message, MessageTemplate};
use crate::diagnostic::severity::MaxSeverity;
use crate::engine::context::{Edit, ReviewError, RuleContext, Workload};
use crate::engine::lookup::Account;
use crate::engine::rule::{Ability, Check, Fix, Restricted, Rule};
use crate::fast::names::Names;
use crate::matching::glob::{self, Glob, validate_pattern};
use crate::messages;
use crate::object::edit::Step;
use crate::object::pod::PodSpec;
use crate::rules::shared::permissions::{self, Found, PERMISSION};
use crate::settings::Templates;
use crate::settings::action::FixAction;
use crate::settings::doc::Doc;
use crate::settings::params::{Kind, Param, Params};
use token_containers::{TOKEN_CONTAINERS, TokenContainer, keeps};

/// The rule.
pub static RULE: Rule = Rule {
    id: "pod-automount",
    summary: Doc::new("requires an explicit opt-in for mounting an API token"),
    subjects: &[SubjectKind::Pod, SubjectKind::PodTemplate],
    params: &[
        &SCOPE,
        &OPT_IN,
        &ALLOW_EXPLICIT_OPT_IN,
        &OPT_IN_ON_DEFAULT,
        &KEEP_IF_ALLOWED,
        &KEEP_FOR_ANNOTATIONS,
        &TOKEN_CONTAINERS,
    ],
    messages: &[MESSAGES],
    ability: Ability::Fix { default: FixAction::Mutate },
    restricted: Restricted::MUTATE.with(&[
        ("scope", r#""all""#),
        ("optIn", r#""pod""#),
        ("optInOnDefault", r#""reject""#),
        ("keepIfAllowed", "[]"),
    ]),
};

static SCOPE: Param = Param {
    name: "scope",
    kind: Kind::Choice(&["default", "all"]),
    default: r#""default""#,
    doc: Doc::new(
        "`default`: fix and reject only Pods of a `default` ServiceAccount, and warn if the field is unset for a dedicated one; `all`: treat all ServiceAccounts alike",
    ),
};
static OPT_IN: Param = Param {
    name: "optIn",
    kind: Kind::Choice(&["serviceAccount", "pod"]),
    default: r#""serviceAccount""#,
    doc: Doc::new(
        "where the opt-in must be; `serviceAccount`: `true` on a dedicated ServiceAccount is enough; `pod`: only the Pod's own field counts",
    ),
};
static ALLOW_EXPLICIT_OPT_IN: Param = Param {
    name: "allowExplicitOptIn",
    kind: Kind::Flag,
    default: "true",
    doc: Doc::new("whether a Pod of a dedicated ServiceAccount can request the token"),
};
static OPT_IN_ON_DEFAULT: Param = Param {
    name: "optInOnDefault",
    kind: Kind::Choice(MaxSeverity::WORDS),
    default: r#""warn""#,
    doc: Doc::new("action for a Pod that runs as `default` and requests the token"),
};
static KEEP_IF_ALLOWED: Param = Param {
    name: "keepIfAllowed",
    kind: Kind::Entries(PERMISSION),
    default: r#"[{"verb":"get","resource":"pods"},{"verb":"list","resource":"pods"},{"verb":"get","resource":"configmaps"},{"verb":"get","resource":"secrets"},{"verb":"get","group":"coordination.k8s.io","resource":"leases"},{"verb":"list","resource":"nodes","clusterWide":true}]"#,
    doc: Doc::new(
        "permissions that keep the token: if the ServiceAccount has one of them, or if its permissions are unknown, the token stays, with a warning; at most 8; with `[]`, the token is always removed",
    ),
};
static KEEP_FOR_ANNOTATIONS: Param = Param {
    name: "keepForAnnotations",
    kind: Kind::Globs(annotation_problem),
    default: r#"["vault.hashicorp.com/agent-inject=true"]"#,
    doc: Doc::new("annotations (`key=value`) that count as an opt-in by the Pod"),
};
messages! {
    ASKS_ON_DEFAULT: "is true on the default account", help: "give the Pod a dedicated account, or set it to false";
    KEPT_ON_DEFAULT: "requests the API token on the default account", help: "give the Pod a dedicated account";
    ASKS: "is true, which is not allowed here", help: "set it to false, or exempt account `{}`";
    KEPT: "requests the API token, which is not allowed here", help: "exempt account `{}`";
    UNASKED_DEFAULT:
        "is not set, so the token of the default account is mounted",
        help: "set it to false, or use a dedicated account if the Pod calls the Kubernetes API";
    UNASKED:
        "is not set, so the token of account `{}` is mounted",
        help: "set it to false, or to true if the Pod calls the Kubernetes API";
    UNASKED_DEDICATED:
        "is not set, so the token of account `{}` is mounted",
        help: "set it here or on the account: true if the Kubernetes API is called, else false";
    UNKNOWN_ACCOUNT:
        "is not set, and account `{}` is unknown",
        help: "set it to true if the Kubernetes API is called, else to false";
    MAY_ON_DEFAULT:
        "is not set, and the token stays: account `{}` may `{}` {}",
        help: "use a dedicated account, and set it to true";
    MAY:
        "is not set, and the token stays: account `{}` may `{}` {}",
        help: "set it to true if the Kubernetes API is called, else to false";
    UNKNOWN_PERMISSIONS:
        "is not set, and the token stays: the permissions of account `{}` are unknown",
        help: "set it, or let the policy server create subjectaccessreviews";
    TOKENLESS:
        "is not set, so there is no token: account `{}` sets false, but may `{}` {}",
        help: "set it to true to get one";
    FIXED_POD: "set to false, the token volume removed";
    FIXED_POD_BUT: "set to false, the token volume kept for {} only";
    FIXED_TEMPLATE: "set to false";
}

/// The maximum number of access reviews per request for this rule.
const MOST_REVIEWS: usize = 8;

const FIELD: &str = "automountServiceAccountToken";

pub(super) struct PodAutomount<'a> {
    every_account: bool,
    account_may_ask: bool,
    pod_may_ask: bool,
    /// The maximum severity for a Pod of `default` that requests the token, if any.
    asking_on_default: Option<MaxSeverity>,
    /// Empty until the default is needed.
    keep_if_allowed: OnceCell<Vec<Permission<'a>>>,
    keep_for_annotations: Vec<Glob<'a>>,
    token_containers: Vec<TokenContainer<'a>>,
}

/// What to do about a Pod: the cells of the rule's table.
enum Outcome {
    /// Nothing.
    Fine,
    /// The Pod requests a token that it must not have. A fix never overrides
    /// what a user wrote.
    Asks(OptIn),
    /// The Pod gets a token that nobody requests; it can be removed.
    Fixable,
    /// The Pod gets a token that nobody requests; removing it could break the Pod.
    Unasked(&'static MessageTemplate),
    /// The same, because the account has this permission.
    May(Allowance),
    /// There is no token, although the account has this permission.
    Tokenless(Allowance),
}

/// A permission of an account.
struct Allowance {
    permission: String,
    extent: &'static str,
}

/// How a Pod requests the token.
enum OptIn {
    Field,
    Annotation(String),
}

impl<'a> PodAutomount<'a> {
    pub(super) fn new(params: &mut Params<'_, 'a>) -> Self {
        let mut rule = Self {
            every_account: params.choice(&SCOPE) == "all",
            account_may_ask: params.choice(&OPT_IN) == "serviceAccount",
            pod_may_ask: params.flag(&ALLOW_EXPLICIT_OPT_IN),
            asking_on_default: MaxSeverity::chosen(params.choice(&OPT_IN_ON_DEFAULT)),
            keep_if_allowed: permissions::given(params, &KEEP_IF_ALLOWED, MOST_REVIEWS)
                .map(OnceCell::from)
                .unwrap_or_default(),
            keep_for_annotations: params.globs(&KEEP_FOR_ANNOTATIONS),
            token_containers: TokenContainer::read(params),
        };
        if !rule.pod_may_ask {
            rule.asking_on_default = Some(MaxSeverity::Action);
        }
        if !rule.token_containers.is_empty() && params.common.templates == Templates::Fix {
            params.note(
                &TOKEN_CONTAINERS,
                "cannot be combined with templates: fix, because a Pod whose template sets false gets no token volume to keep",
            );
        }
        rule
    }

    fn outcome(&self, context: &RuleContext<'_>, workload: &Workload<'_>) -> Result<Outcome, ReviewError> {
        let opt_in = match workload.spec.automount {
            Some(false) => return Ok(Outcome::Fine),
            Some(true) => Some(OptIn::Field),
            None => self.annotation(workload)?.map(OptIn::Annotation),
        };
        if let Some(opt_in) = opt_in {
            let allowed = self.pod_may_ask && !workload.is_default_account();
            return Ok(if allowed { Outcome::Fine } else { Outcome::Asks(opt_in) });
        }
        let is_in_scope = self.every_account || workload.is_default_account();
        if !workload.is_template && plugin_volumes(&workload.spec).next().is_none() {
            return if is_in_scope { self.tokenless(context, workload) } else { Ok(Outcome::Fine) };
        }
        if workload.is_default_account() {
            // A Pod with the volume loses it whatever its account sets. Only
            // for a template does the account decide whether its Pods get one.
            let account_says_no = workload.is_template
                && matches!(context.account(workload)?, Account::Known(record) if record.automount() == Some(false));
            return if account_says_no { self.tokenless(context, workload) } else { self.unasked(context, workload) };
        }
        Ok(match context.account(workload)? {
            Account::Unknown => Outcome::Unasked(&UNKNOWN_ACCOUNT),
            Account::Known(record) if record.automount() == Some(false) => {
                // A Pod that has the volume anyway: because of a race, or as a
                // copy of a Pod that ran.
                match workload.is_template {
                    true if is_in_scope => self.tokenless(context, workload)?,
                    true => Outcome::Fine,
                    false => Outcome::Fixable,
                }
            }
            Account::Known(record) if record.automount() == Some(true) && self.account_may_ask => Outcome::Fine,
            Account::Known(_) | Account::Absent if self.every_account => self.unasked(context, workload)?,
            Account::Known(_) | Account::Absent if self.account_may_ask => Outcome::Unasked(&UNASKED_DEDICATED),
            Account::Known(_) | Account::Absent => Outcome::Unasked(&UNASKED),
        })
    }

    /// A token that nobody requests stays if the account has one of the
    /// permissions, or if that is unknown.
    #[inline(never)]
    fn unasked(&self, context: &RuleContext<'_>, workload: &Workload<'_>) -> Result<Outcome, ReviewError> {
        Ok(match permissions::first(context, workload, self.keep_if_allowed())? {
            Found::Nothing => Outcome::Fixable,
            Found::May(permission) => Outcome::May(Allowance::new(permission)),
            Found::Unknown => Outcome::Unasked(&UNKNOWN_PERMISSIONS),
        })
    }

    /// A Pod without a token gets a warning if its account has one of the permissions.
    #[inline(never)]
    fn tokenless(&self, context: &RuleContext<'_>, workload: &Workload<'_>) -> Result<Outcome, ReviewError> {
        let Found::May(permission) = permissions::first(context, workload, self.keep_if_allowed())? else {
            return Ok(Outcome::Fine);
        };
        // An object that has not gone through the API server has no token yet. A
        // failed look-up must not reject what would be accepted without it.
        let says_no =
            matches!(context.account(workload), Ok(Account::Known(record)) if record.automount() == Some(false));
        Ok(if says_no { Outcome::Tokenless(Allowance::new(permission)) } else { Outcome::Fine })
    }

    fn keep_if_allowed(&self) -> &[Permission<'a>] {
        self.keep_if_allowed.get_or_init(|| permissions::by_default(&KEEP_IF_ALLOWED))
    }

    /// The annotation with which the Pod requests the token, if any.
    fn annotation(&self, workload: &Workload<'_>) -> Result<Option<String>, ReviewError> {
        if self.keep_for_annotations.is_empty() {
            return Ok(None);
        }
        let annotations = workload.annotations()?;
        let asking = annotations.iter().find(|(key, value)| {
            value.as_ref().is_some_and(|value| glob::any(&self.keep_for_annotations, &[key, "=", value].concat()))
        });
        Ok(asking.map(|(key, _)| key.to_owned()))
    }

    fn fix_pod(
        &self,
        workload: &Workload<'_>,
        edit: &mut Edit<'_, '_>,
        changes: &mut Changes,
    ) -> Result<(), ReviewError> {
        const SPEC: Step<'static> = Step::Key("spec");
        let spec = &workload.spec;
        edit.set(&[SPEC], FIELD, "false")?;
        // Sorted, so that each mount is looked up instead of compared with all of them.
        let volumes = Names::from(plugin_volumes(spec).map(|(index, name)| (name, index)).collect::<Vec<_>>());
        let mut kept = vec![false; spec.volumes.len()];
        let mut keepers = Vec::new();
        for (list, position, container) in spec.all_containers() {
            let mut is_keeper = None;
            for (mount, name) in container.mounts.iter().map(|mount| mount.name.as_deref()).enumerate() {
                let found = name.and_then(|name| volumes.position(name));
                let Some(found) = found else { continue };
                if *is_keeper.get_or_insert_with(|| keeps(&self.token_containers, spec, container)) {
                    kept.get_mut(found).into_iter().for_each(|kept| *kept = true);
                    continue;
                }
                let container = [SPEC, Step::Key(list.field()), Step::Entry(position)];
                edit.remove(&[&container[..], &[Step::Key("volumeMounts"), Step::Entry(mount)]].concat())?;
            }
            if is_keeper == Some(true) {
                keepers.push(container.name.as_deref().unwrap_or_default());
            }
        }
        for (index, _) in plugin_volumes(spec).filter(|(index, _)| kept.get(*index) != Some(&true)) {
            edit.remove(&[SPEC, Step::Key("volumes"), Step::Entry(index)])?;
        }
        let path = workload.spec_path().field(FIELD);
        if keepers.is_empty() {
            changes.add(path, &FIXED_POD, &[]);
        } else {
            changes.add(path, &FIXED_POD_BUT, &[&keepers.join(", ")]);
        }
        Ok(())
    }
}

impl Allowance {
    fn new(permission: &Permission<'_>) -> Self {
        Self { permission: permission.describe(), extent: permissions::extent(permission) }
    }
}

impl Check for PodAutomount<'_> {
    fn check(&self, context: &RuleContext<'_>, findings: &mut Findings) -> Result<(), ReviewError> {
        let Some(workload) = context.workload() else { return Ok(()) };
        let path = workload.spec_path().field(FIELD);
        let account = workload.spec.account();
        let asks_on_default = |findings: &mut Findings, path, template| {
            if let Some(severity) = self.asking_on_default {
                findings.push(path, Message::new(template, &[]), severity);
            }
        };
        match self.outcome(context, workload)? {
            Outcome::Fine => {}
            Outcome::Asks(OptIn::Field) if workload.is_default_account() => {
                asks_on_default(findings, path, &ASKS_ON_DEFAULT);
            }
            Outcome::Asks(OptIn::Field) => findings.add(path, &ASKS, &[account]),
            Outcome::Asks(OptIn::Annotation(key)) => {
                let path = workload.metadata_path().field("annotations").key(&key);
                if workload.is_default_account() {
                    asks_on_default(findings, path, &KEPT_ON_DEFAULT);
                } else {
                    findings.add(path, &KEPT, &[account]);
                }
            }
            Outcome::Fixable if workload.is_default_account() => findings.add(path, &UNASKED_DEFAULT, &[]),
            Outcome::Fixable => findings.add(path, &UNASKED, &[account]),
            Outcome::Unasked(message) => findings.warn(path, message, &[account]),
            Outcome::May(Allowance { permission, extent }) => {
                let message = if workload.is_default_account() { &MAY_ON_DEFAULT } else { &MAY };
                findings.warn(path, message, &[account, &permission, extent]);
            }
            Outcome::Tokenless(Allowance { permission, extent }) => {
                findings.warn(path, &TOKENLESS, &[account, &permission, extent]);
            }
        }
        Ok(())
    }
}

impl Fix for PodAutomount<'_> {
    fn fix(
        &self,
        context: &RuleContext<'_>,
        edit: &mut Edit<'_, '_>,
        changes: &mut Changes,
    ) -> Result<(), ReviewError> {
        let Some(workload) = context.workload() else { return Ok(()) };
        if !matches!(self.outcome(context, workload)?, Outcome::Fixable) {
            return Ok(());
        }
        if !workload.is_template {
            return self.fix_pod(workload, edit, changes);
        }
        edit.set(&[Step::Key("spec")], FIELD, "false")?;
        changes.add(workload.spec_path().field(FIELD), &FIXED_TEMPLATE, &[]);
        Ok(())
    }
}

/// The volumes that are mounted only by containers that keep the token, sorted.
/// They include the plugin's volumes that the fix leaves.
pub fn kept_volumes(context: &RuleContext<'_>, spec: &PodSpec<'_>) -> Vec<String> {
    let keepers = RULE.with_params(context, TokenContainer::read);
    if keepers.is_empty() {
        return Vec::new();
    }
    let (mut kept, mut others) = (Vec::new(), Vec::new());
    for (.., container) in spec.all_containers() {
        let list = if keeps(&keepers, spec, container) { &mut kept } else { &mut others };
        list.extend(container.mounts.iter().filter_map(|mount| mount.name.as_deref()).map(|volume| (volume, 0)));
    }
    let (kept, others) = (Names::from(kept), Names::from(others));
    kept.distinct().into_iter().filter(|volume| !others.has(volume)).map(str::to_owned).collect()
}

/// The volumes that the API server's plugin added, with their positions. Called
/// only if the Pod's own field is not `false`: with `false`, a volume of this
/// shape was added by someone else.
fn plugin_volumes<'s>(spec: &'s PodSpec<'_>) -> impl Iterator<Item = (usize, &'s str)> {
    spec.volumes
        .iter()
        .enumerate()
        .filter(|(_, volume)| volume.has_plugin_shape())
        .filter_map(|(index, volume)| Some((index, volume.name.as_deref()?)))
}

fn annotation_problem(pattern: &str) -> Option<String> {
    validate_pattern(pattern).or_else(|| {
        let (key, value) = pattern.split_once('=').unwrap_or((pattern, ""));
        (key.is_empty() || value.is_empty() || key.chars().all(|c| matches!(c, '*' | '?')))
            .then(|| "must be key=value, e.g. vault.hashicorp.com/agent-inject=true".to_owned())
    })
}

#[cfg(test)]
mod evidence_tests;
#[cfg(test)]
mod tests;
