// SPDX-License-Identifier: Apache-2.0
//! `token-request`: a requested token is short-lived, has a specific audience,
//! and ends with the object that it is for.
//!
//! Whoever may create `serviceaccounts/token` chooses lifetime, audiences and
//! binding freely; the API server limits only the maximum lifetime. The control
//! plane requests the tokens of every Pod in the same way and must never be
//! blocked, so the caller decides whether anything is checked at all.
//! <https://kubernetes.io/docs/reference/kubernetes-api/authentication-resources/token-request-v1/>

mod callers;

use self::callers::{CALLER, Caller, Requested, allows_api};
use crate::admission::request::User;
use crate::admission::subject::SubjectKind;
use crate::diagnostic::field_path::FieldPath;
use crate::diagnostic::findings::{Changes, Findings};
use crate::engine::context::{Edit, ReviewError, RuleContext};
use crate::engine::rule::{Ability, Check, Fix, Restricted, Rule};
use crate::matching::glob::{self, Glob, validate_pattern};
use crate::messages;
use crate::object::edit::Step;
use crate::object::token_request::TokenRequestSpec;
use crate::object::view::listed;
use crate::settings::action::FixAction;
use crate::settings::doc::Doc;
use crate::settings::params::{Kind, Param, Params};

/// The rule.
pub static RULE: Rule = Rule {
    id: "token-request",
    summary: Doc::new("limits the lifetime, audiences and binding of requested tokens"),
    subjects: &[SubjectKind::TokenRequest],
    params: &[&MAX_SECONDS, &ALLOWED_AUDIENCES, &REQUIRE_BOUND_OBJECT, &CALLERS, &ONLY_LISTED_CALLERS],
    messages: &[MESSAGES],
    ability: Ability::Fix { default: FixAction::Mutate },
    restricted: Restricted::MUTATE.with(&[("maxSeconds", "3600")]),
};

static MAX_SECONDS: Param = Param {
    name: "maxSeconds",
    kind: Kind::Seconds { least: 600, most: 1 << 32 },
    default: "86400",
    doc: Doc::new("maximum lifetime; the fix shortens longer lifetimes"),
};
static ALLOWED_AUDIENCES: Param = Param {
    name: "allowedAudiences",
    kind: Kind::Globs(validate_pattern),
    default: "[]",
    doc: Doc::new(
        "if set, any other audience is a finding; a request without an audience is for the Kubernetes API, which you can allow with e.g. `https://kubernetes.default*`",
    ),
};
static REQUIRE_BOUND_OBJECT: Param = Param {
    name: "requireBoundObject",
    kind: Kind::Flag,
    default: "false",
    doc: Doc::new(
        "whether the token must be bound to an object, so that it becomes invalid when the object is deleted",
    ),
};
static CALLERS: Param = Param {
    name: "callers",
    kind: Kind::Entries(CALLER),
    default: "[]",
    doc: Doc::new(
        "what particular callers can request; if several entries name a caller, it is sufficient that one of them allows the request",
    ),
};
static ONLY_LISTED_CALLERS: Param = Param {
    name: "onlyListedCallers",
    kind: Kind::Flag,
    default: "false",
    doc: Doc::new("whether to reject all requests of callers that no entry of `callers` names"),
};

messages! {
    TOO_LONG: "is {}, but the maximum is {}", help: "request a new token before it expires";
    ONE_YEAR: "is 3607, for which the API server may sign a one-year token", help: "request 3600";
    AUDIENCE: "audience `{}` is not allowed", help: "request one that is, or exempt account `{}`";
    API_AUDIENCE:
        "requests an audience of the Kubernetes API, which is not allowed",
        help: "name an audience that is, or exempt account `{}`";
    UNBOUND: "is not set", help: "bind the token to the Pod or Secret whose deletion must invalidate it";
    NODE: "is Node, which only nodes may request", help: "bind the token to a Pod or Secret";
    NOT_FOR_CALLER:
        "caller `{}` is not allowed to request a token of ServiceAccount `{}` for {}",
        help: "request one that an entry of callers allows";
    OTHER_CALLER:
        "caller `{}` is not allowed to request tokens, but requests one of ServiceAccount `{}`",
        help: "add the caller to callers";
    FIXED: "lowered from {} to {}";
}

/// The API server's default.
const DEFAULT_SECONDS: i64 = 3600;

/// The lifetime of the tokens that Pods get. The API server assumes that such a
/// Pod does not expect its token to expire, and signs it for a year.
/// <https://github.com/kubernetes/kubernetes/blob/master/pkg/serviceaccount/claims.go>
const YEAR_SECONDS: i64 = 3607;

pub(super) struct TokenRequest<'a> {
    max_seconds: i64,
    allowed_audiences: Vec<Glob<'a>>,
    require_bound_object: bool,
    callers: Vec<Caller<'a>>,
    only_listed_callers: bool,
}

impl<'a> TokenRequest<'a> {
    pub(super) fn new(params: &mut Params<'_, 'a>) -> Self {
        Self {
            max_seconds: params.seconds(&MAX_SECONDS),
            allowed_audiences: params.globs(&ALLOWED_AUDIENCES),
            require_bound_object: params.flag(&REQUIRE_BOUND_OBJECT),
            callers: params.entries(&CALLERS, Caller::read),
            only_listed_callers: params.flag(&ONLY_LISTED_CALLERS),
        }
    }

    /// The lifetime to set instead of one that is not allowed.
    fn lower(&self, seconds: i64) -> Option<i64> {
        let most = if self.max_seconds == YEAR_SECONDS { DEFAULT_SECONDS } else { self.max_seconds };
        match seconds {
            seconds if seconds > self.max_seconds => Some(most),
            YEAR_SECONDS => Some(DEFAULT_SECONDS),
            _ => None,
        }
    }

    /// One finding for every audience that is not allowed. The API server's own
    /// audiences count as one: the mutating phase sees none, the validating
    /// phase sees the defaults.
    fn check_audiences(&self, context: &RuleContext<'_>, spec: &TokenRequestSpec<'_>, findings: &mut Findings) {
        let account = context.request.name();
        let path = || FieldPath::at("spec").field("audiences");
        let mut asks_for_api = spec.audiences.is_empty();
        for audience in &spec.audiences {
            if glob::any(&self.allowed_audiences, audience) {
                continue;
            }
            if context.common.is_api_audience(audience) {
                asks_for_api = true;
            } else {
                findings.add(path(), &AUDIENCE, &[audience, account]);
            }
        }
        if asks_for_api && !allows_api(&self.allowed_audiences, context.common) {
            findings.add(path(), &API_AUDIENCE, &[account]);
        }
    }

    /// Whether the caller may request this. A request without a user name has
    /// no caller.
    fn check_caller(&self, context: &RuleContext<'_>, spec: &TokenRequestSpec<'_>, findings: &mut Findings) {
        let user = context.request.user();
        if user.name().is_empty() || self.callers.is_empty() && !self.only_listed_callers {
            return;
        }
        let (namespace, name) = (context.request.namespace(), context.request.name());
        let account = [namespace, "/", name].concat();
        let requested = Requested { namespace, account: name, audiences: &spec.audiences };
        let mut entries = self.callers.iter().filter(|caller| caller.names(user)).peekable();
        if entries.peek().is_none() {
            if self.only_listed_callers {
                findings.add(FieldPath::at("spec"), &OTHER_CALLER, &[user.name(), &account]);
            }
        } else if !entries.any(|caller| caller.allows(requested, context.common)) {
            let audiences = listed(&spec.audiences);
            let audiences = if audiences.is_empty() { "the Kubernetes API" } else { &audiences };
            findings.add(FieldPath::at("spec"), &NOT_FOR_CALLER, &[user.name(), &account, audiences]);
        }
    }
}

impl Check for TokenRequest<'_> {
    fn check(&self, context: &RuleContext<'_>, findings: &mut Findings) -> Result<(), ReviewError> {
        let Some(request) = checked(context) else { return Ok(()) };
        let unset = TokenRequestSpec::default();
        let spec = request.spec.as_ref().unwrap_or(&unset);
        let seconds = seconds(spec);
        if self.lower(seconds).is_some() {
            let path = FieldPath::at("spec").field(SECONDS);
            if seconds > self.max_seconds {
                findings.add(path, &TOO_LONG, &[&seconds.to_string(), &self.max_seconds.to_string()]);
            } else {
                findings.add(path, &ONE_YEAR, &[]);
            }
        }
        if !self.allowed_audiences.is_empty() {
            self.check_audiences(context, spec, findings);
        }
        self.check_caller(context, spec, findings);
        let kind = spec.bound_object.as_ref().and_then(|bound| bound.kind.as_deref()).unwrap_or_default();
        match kind {
            "" if self.require_bound_object => {
                findings.add(FieldPath::at("spec").field("boundObjectRef"), &UNBOUND, &[]);
            }
            "Node" => findings.add(FieldPath::at("spec").field("boundObjectRef").field("kind"), &NODE, &[]),
            _ => {}
        }
        Ok(())
    }
}

impl Fix for TokenRequest<'_> {
    fn fix(
        &self,
        context: &RuleContext<'_>,
        edit: &mut Edit<'_, '_>,
        changes: &mut Changes,
    ) -> Result<(), ReviewError> {
        let Some(spec) = checked(context).and_then(|request| request.spec.as_ref()) else { return Ok(()) };
        let seconds = seconds(spec);
        let Some(lower) = self.lower(seconds) else { return Ok(()) };
        let lower = lower.to_string();
        edit.set(&[Step::Key("spec")], SECONDS, &lower)?;
        changes.add(FieldPath::at("spec").field(SECONDS), &FIXED, &[&seconds.to_string(), &lower]);
        Ok(())
    }
}

const SECONDS: &str = "expirationSeconds";

fn seconds(spec: &TokenRequestSpec<'_>) -> i64 {
    spec.expiration_seconds.unwrap_or(DEFAULT_SECONDS)
}

/// The request, unless it comes from the control plane.
fn checked<'s>(context: &RuleContext<'s>) -> Option<&'s crate::object::token_request::TokenRequest<'s>> {
    context.token_request().filter(|_| !is_control_plane(context.request.user()))
}

/// Kubelets request the tokens of every Pod, the controller manager those of
/// its controllers, and whatever runs in kube-system is part of the cluster.
/// Nodes are recognized by their group: a user may be named `system:node:x`
/// without being a node.
fn is_control_plane(user: User<'_>) -> bool {
    user.name() == "system:kube-controller-manager"
        || user.name().starts_with("system:serviceaccount:kube-system:")
        || user.groups().any(|group| group == "system:nodes")
}

#[cfg(test)]
mod tests;
