// SPDX-License-Identifier: Apache-2.0
//! `legacy-token-secret`: no new token that never expires.
//!
//! A Secret of the token type is filled in by the token controller, whenever
//! it holds no token, with one of the account that its annotation names: no
//! end, no audience, no Pod that it dies with. So changing such a Secret can
//! make a token as well as creating one. The rule compares with the object as
//! it was, and the token controller's own updates pass because they add what
//! is missing and take nothing away.
//! <https://kubernetes.io/docs/concepts/configuration/secret/#serviceaccount-token-secrets>

use super::{Ability, Check, Rule};
use crate::admission::subject::SubjectKind;
use crate::engine::finding::{Findings, Wording};
use crate::engine::scene::{Scene, Stop};
use crate::matching::account;
use crate::matching::glob::{self, Glob};
use crate::object::place::Place;
use crate::object::secret::{ACCOUNT_ANNOTATION, INVALID_LABEL};
use crate::settings::action::CheckAction;
use crate::settings::params::{Kind, Param, Params, for_people};
use crate::settings::reader::senseless;

/// The rule.
pub static RULE: Rule = Rule {
    id: "legacy-token-secret",
    summary: for_people("nobody makes a token that never expires"),
    subjects: &[SubjectKind::Secret],
    params: &PARAMS,
    wordings: &[&CREATED, &RE_POINTED, &REVIVED, &RE_MINTED],
    ability: Ability::Check { default: CheckAction::Reject },
};

static PARAMS: [Param; 2] = [
    Param {
        name: "allowed",
        kind: Kind::Globs(account::problem),
        default: "[]",
        doc: for_people("accounts (`namespace/name`) that may have such tokens"),
    },
    Param {
        name: "allowedUsers",
        kind: Kind::Globs(user_problem),
        default: r#"["system:serviceaccount:cattle-*:*", "system:serviceaccount:openshift-infra:*"]"#,
        doc: for_people("callers that may make them; the default is Rancher and old OpenShift"),
    },
];

static CREATED: Wording = Wording {
    name: "created",
    template: "makes a token that never expires; use a projected volume, or kubectl create token",
};
static RE_POINTED: Wording = Wording {
    name: "re-pointed",
    template: "changed from {} to {}, whose token never expires; use a projected volume, or kubectl create token",
};
static REVIVED: Wording = Wording {
    name: "revived",
    template: "is no longer set, which makes the token of account {} valid again; leave the label, and delete the Secret",
};
static RE_MINTED: Wording = Wording {
    name: "re-minted",
    template: "is emptied, which makes a new token of account {} that never expires; delete the Secret instead",
};

pub(super) struct LegacyTokenSecret<'a> {
    allowed: Vec<Glob<'a>>,
    allowed_users: Vec<Glob<'a>>,
}

impl<'a> LegacyTokenSecret<'a> {
    pub(super) fn new(params: &mut Params<'_, 'a>) -> Self {
        let [allowed, allowed_users] = &PARAMS;
        Self { allowed: params.globs(allowed), allowed_users: params.globs(allowed_users) }
    }

    fn is_allowed(&self, scene: &Scene<'_>, account: &str) -> bool {
        account::any(&self.allowed, scene.request.namespace(), account)
            || glob::any(&self.allowed_users, scene.request.user().name())
    }
}

impl Check for LegacyTokenSecret<'_> {
    fn judge(&self, scene: &Scene<'_>, findings: &mut Findings) -> Result<(), Stop> {
        let Some(secret) = scene.token_secret() else { return Ok(()) };
        let account = secret.account();
        let is_allowed = self.is_allowed(scene, account);
        let Some(old) = scene.old_token_secret()? else {
            if !is_allowed {
                findings.add(Place::at("type"), &CREATED, &[]);
            }
            return Ok(());
        };
        let metadata = Place::at("metadata");
        if !is_allowed && old.account() != account {
            findings.add(metadata.field("annotations").key(ACCOUNT_ANNOTATION), &RE_POINTED, &[old.account(), account]);
        }
        // Whose token it is says the token itself, and no annotation since.
        if old.is_invalidated && !secret.is_invalidated && !self.is_allowed(scene, old.account()) {
            findings.add(metadata.field("labels").key(INVALID_LABEL), &REVIVED, &[old.account()]);
        }
        if !is_allowed && old.has_token && !secret.has_token {
            findings.add(Place::at("data").field("token"), &RE_MINTED, &[account]);
        }
        Ok(())
    }
}

fn user_problem(pattern: &str) -> Option<String> {
    senseless(pattern).or_else(|| {
        pattern
            .chars()
            .all(|c| matches!(c, '*' | '?'))
            .then(|| "matches everyone; switch the rule off instead".to_owned())
    })
}

#[cfg(test)]
mod tests;
