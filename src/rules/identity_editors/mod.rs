// SPDX-License-Identifier: Apache-2.0
//! `identity-editors`: only some users may set the cloud identity of an account.
//!
//! Whoever may edit ServiceAccounts can name any role, and gets it if its trust
//! policy trusts the whole cluster. RBAC cannot restrict single fields.
//! <https://github.com/aws/amazon-eks-pod-identity-webhook/issues/104>

use crate::admission::request::Operation;
use crate::admission::subject::SubjectKind;
use crate::diagnostic::findings::Findings;
use crate::diagnostic::message::Message;
use crate::diagnostic::severity::MaxSeverity;
use crate::engine::context::{ReviewError, RuleContext};
use crate::engine::rule::{Ability, Check, Restricted, Rule};
use crate::identity::key::Reading;
use crate::matching::glob::{self, Glob, validate_pattern};
use crate::messages;
use crate::object::meta::Head;
use crate::object::view::{self, Strings};
use crate::settings::action::CheckAction;
use crate::settings::doc::Doc;
use crate::settings::params::{Kind, Param, Params};

/// The rule.
pub static RULE: Rule = Rule {
    id: "identity-editors",
    summary: Doc::new("restricts who can give a ServiceAccount a cloud identity"),
    subjects: &[SubjectKind::ServiceAccount],
    params: &[&USERS, &GROUPS],
    messages: &[MESSAGES],
    ability: Ability::Check { default: CheckAction::Off },
    restricted: Restricted::OFF,
};

static USERS: Param = Param {
    name: "users",
    kind: Kind::Globs(validate_pattern),
    default: "[]",
    doc: Doc::new(
        "allowed users, as the API server knows them; a controller is `system:serviceaccount:<namespace>:<name>`",
    ),
};
static GROUPS: Param = Param {
    name: "groups",
    kind: Kind::Globs(validate_pattern),
    default: "[]",
    doc: Doc::new("groups whose members are allowed"),
};

messages! {
    ADDED: "is added by `{}`, who is not allowed to give accounts a cloud identity", help: "allowed: {}";
    CHANGED: "is changed from `{}` to `{}` by `{}`, who is not allowed to give accounts a cloud identity", help: "allowed: {}";
}

pub(super) struct IdentityEditors<'a> {
    users: Vec<Glob<'a>>,
    groups: Vec<Glob<'a>>,
}

impl<'a> IdentityEditors<'a> {
    pub(super) fn new(params: &mut Params<'_, 'a>) -> Self {
        Self { users: params.globs(&USERS), groups: params.globs(&GROUPS) }
    }

    /// The users and groups that may, for messages.
    #[cold]
    fn listed(&self) -> String {
        match (glob::listed(&self.users).as_str(), glob::listed(&self.groups).as_str()) {
            ("", "") => "nobody".to_owned(),
            (users, "") => ["users ", users].concat(),
            ("", groups) => ["groups ", groups].concat(),
            (users, groups) => ["users ", users, ", groups ", groups].concat(),
        }
    }
}

impl Check for IdentityEditors<'_> {
    fn check(&self, context: &RuleContext<'_>, findings: &mut Findings) -> Result<(), ReviewError> {
        let user = context.request.user();
        // The audit scanner sends existing objects without a user.
        if context.service_account().is_none() || user.name().is_empty() {
            return Ok(());
        }
        if glob::any(&self.users, user.name()) || user.groups().any(|group| glob::any(&self.groups, group)) {
            return Ok(());
        }
        let old = old_annotations(context);
        for annotation in context.identity_annotations()? {
            if !matches!(annotation.reading, Reading::Known(key) if key.selects) {
                continue;
            }
            let value = context.text_of(annotation)?;
            let before = old.text(&annotation.key).unwrap_or_default();
            // Without a value there is no identity: that is a removal.
            if value.is_empty() || *value == *before {
                continue;
            }
            let (path, may) = (context.path_of(annotation), self.listed());
            if before.is_empty() {
                let message = Message::new(&ADDED, &[user.name(), &may]).about(&value);
                findings.push(path, message, MaxSeverity::Action);
            } else {
                findings.add(path, &CHANGED, &[before, &value, user.name(), &may]);
            }
        }
        Ok(())
    }
}

/// The annotations that an UPDATE replaces. If they cannot be read, every
/// identity is new.
#[inline(never)]
fn old_annotations<'s>(context: &RuleContext<'s>) -> Strings<'s> {
    let old = context.request.old_object.text().filter(|_| context.request.operation() == Operation::Update);
    let head = old.and_then(|old| view::read::<Head<'_>>(old, "oldObject").ok());
    let annotations = head.and_then(|head| head.metadata).map(|metadata| metadata.annotations);
    annotations.and_then(|annotations| annotations.read("oldObject.metadata.annotations").ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests;
