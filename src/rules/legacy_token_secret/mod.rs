// SPDX-License-Identifier: Apache-2.0
//! `legacy-token-secret`: no new token that never expires.
//!
//! If a Secret of the token type holds no token, the token controller writes
//! one into it, of the account that its annotation names: without expiration,
//! without audience, and not bound to a Pod. So changing such a Secret can
//! create a token, just as creating one does. The rule compares the Secret with
//! the stored object. The token controller's own updates are accepted because
//! they add what is missing and remove nothing.
//!
//! The API server validates such a token by the Secret that it names, whatever
//! that Secret's type: a Secret of any type that holds its own token makes the
//! token valid.
//! <https://kubernetes.io/docs/concepts/configuration/secret/#serviceaccount-token-secrets>
//! <https://github.com/kubernetes/kubernetes/blob/master/pkg/serviceaccount/legacy.go>

use crate::admission::subject::SubjectKind;
use crate::diagnostic::field_path::FieldPath;
use crate::diagnostic::findings::Findings;
use crate::engine::context::{ReviewError, RuleContext};
use crate::engine::rule::{Ability, Check, Restricted, Rule};
use crate::matching::account;
use crate::matching::glob::{self, Glob, validate_pattern};
use crate::messages;
use crate::object::legacy_token::LegacyToken;
use crate::object::secret::{ACCOUNT_ANNOTATION, INVALID_LABEL, TokenSecret};
use crate::settings::action::CheckAction;
use crate::settings::doc::Doc;
use crate::settings::params::{Kind, Param, Params};

/// The rule.
pub static RULE: Rule = Rule {
    id: "legacy-token-secret",
    summary: Doc::new("forbids Secrets that hold non-expiring tokens"),
    subjects: &[SubjectKind::Secret],
    params: &[&ALLOWED, &ALLOWED_USERS],
    messages: &[MESSAGES],
    ability: Ability::Check { default: CheckAction::Reject },
    restricted: Restricted::REJECT,
};

static ALLOWED: Param = Param {
    name: "allowed",
    kind: Kind::Globs(account::problem),
    default: "[]",
    doc: Doc::new("ServiceAccounts (`namespace/name`) that can have non-expiring tokens"),
};
static ALLOWED_USERS: Param = Param {
    name: "allowedUsers",
    kind: Kind::Globs(user_problem),
    default: r#"["system:serviceaccount:cattle-*:*", "system:serviceaccount:openshift-infra:*"]"#,
    doc: Doc::new("users who can create non-expiring tokens; the default covers Rancher and old OpenShift versions"),
};

messages! {
    CREATED: "creates a token that never expires", help: "use a projected volume, or kubectl create token";
    HOLDS:
        "is a token of account `{}` that never expires and that this Secret makes valid",
        help: "remove it, and use a projected volume, or kubectl create token";
    RE_POINTED:
        "changed from `{}` to `{}`, whose token never expires",
        help: "use a projected volume, or kubectl create token";
    REVIVED:
        "is no longer set, which makes the token of account `{}` valid again",
        help: "keep the label, and delete the Secret";
    RE_MINTED:
        "is emptied, which creates a new token of account `{}` that never expires",
        help: "delete the Secret instead";
}

pub(super) struct LegacyTokenSecret<'a> {
    allowed: Vec<Glob<'a>>,
    allowed_users: Vec<Glob<'a>>,
}

impl<'a> LegacyTokenSecret<'a> {
    pub(super) fn new(params: &mut Params<'_, 'a>) -> Self {
        Self { allowed: params.globs(&ALLOWED), allowed_users: params.globs(&ALLOWED_USERS) }
    }

    fn is_allowed(&self, context: &RuleContext<'_>, account: &str) -> bool {
        account::any(&self.allowed, context.request.namespace(), account)
            || glob::any(&self.allowed_users, context.request.user().name())
    }

    /// Checks what creating or changing a Secret of the token type leads to.
    fn check_token_type(
        &self,
        context: &RuleContext<'_>,
        secret: &TokenSecret<'_>,
        old: Option<&TokenSecret<'_>>,
        findings: &mut Findings,
    ) {
        let account = secret.account();
        if self.is_allowed(context, account) {
            return;
        }
        let Some(old) = old else {
            findings.add(FieldPath::at("type"), &CREATED, &[]);
            return;
        };
        if old.account() != account {
            let path = FieldPath::at("metadata").field("annotations").key(ACCOUNT_ANNOTATION);
            findings.add(path, &RE_POINTED, &[old.account(), account]);
        }
        if old.has_token() && !secret.has_token() {
            findings.add(FieldPath::at("data").field("token"), &RE_MINTED, &[account]);
        }
    }

    /// Checks for a token that the Secret did not hold before.
    fn check_token(
        &self,
        context: &RuleContext<'_>,
        (secret, token): (&TokenSecret<'_>, &LegacyToken),
        old: Option<&TokenSecret<'_>>,
        findings: &mut Findings,
    ) {
        let is_new = !old.is_some_and(|old| old.has_token_of(secret));
        // The token controller does this; the Secret belonged to this account before.
        let is_filled_in =
            secret.is_token_type && old.is_some_and(|old| !old.has_token()) && token.account == secret.account();
        if is_new && !is_filled_in && !self.is_allowed(context, &token.account) {
            findings.add(FieldPath::at("data").field("token"), &HOLDS, &[&token.account]);
        }
    }
}

/// Whether the API server uses this very Secret to validate the token.
fn is_own(context: &RuleContext<'_>, token: &LegacyToken) -> bool {
    token.namespace == context.request.namespace() && context.may_be_named(&token.secret)
}

impl Check for LegacyTokenSecret<'_> {
    fn check(&self, context: &RuleContext<'_>, findings: &mut Findings) -> Result<(), ReviewError> {
        let Some(secret) = context.token_secret() else { return Ok(()) };
        let old = context.old_token_secret()?;
        let own = secret.legacy.as_ref().filter(|token| is_own(context, token));
        if secret.is_token_type {
            self.check_token_type(context, secret, old.as_ref(), findings);
        }
        if let Some(token) = own {
            self.check_token(context, (secret, token), old.as_ref(), findings);
        }
        let is_revived = old.as_ref().is_some_and(|old| old.is_invalidated) && !secret.is_invalidated;
        // The token itself says whose it is; if it cannot be read, the old
        // annotation does.
        let holder = own.map(|token| token.account.as_str());
        let holder = holder.or_else(|| old.as_ref().filter(|_| secret.is_token_type).map(TokenSecret::account));
        if let Some(account) = holder.filter(|account| is_revived && !self.is_allowed(context, account)) {
            findings.add(FieldPath::at("metadata").field("labels").key(INVALID_LABEL), &REVIVED, &[account]);
        }
        Ok(())
    }
}

fn user_problem(pattern: &str) -> Option<String> {
    validate_pattern(pattern).or_else(|| {
        pattern
            .chars()
            .all(|c| matches!(c, '*' | '?'))
            .then(|| "matches everyone; switch the rule off instead".to_owned())
    })
}

#[cfg(test)]
mod tests;
