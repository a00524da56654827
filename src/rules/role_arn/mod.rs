// SPDX-License-Identifier: Apache-2.0
//! `role-arn`: a ServiceAccount names a valid role, and one that it may have.
//!
//! The EKS Pod identity webhook passes on whatever the annotation contains, and
//! STS responds with "not authorized" to a mistyped ARN just as to a forbidden
//! one. Only the role's trust policy decides who gets it: if roles trust the
//! whole cluster, every namespace can assume every role.
//! <https://docs.aws.amazon.com/eks/latest/userguide/associate-service-account-role.html>
//! <https://github.com/aws/amazon-eks-pod-identity-webhook/issues/104>

mod params;
mod pattern;
mod role_rules;

pub use pattern::Holder;
pub use role_rules::RoleRules;

use crate::admission::subject::SubjectKind;
use crate::diagnostic::field_path::FieldPath;
use crate::diagnostic::findings::Findings;
use crate::diagnostic::message::Message;
use crate::diagnostic::severity::MaxSeverity;
use crate::engine::context::{ReviewError, RuleContext};
use crate::engine::rule::{Ability, Check, Restricted, Rule};
use crate::identity::key::{self, ECR_KEY, ROLE_ARN};
use crate::identity::{role_arn_error, suspicious_char};
use crate::matching::account;
use crate::matching::glob::Glob;
use crate::messages;
use crate::object::pod::DEFAULT_ACCOUNT;
use crate::settings::action::CheckAction;
use crate::settings::doc::Doc;
use crate::settings::params::Params;
use params::{PARAMS, REQUIRED_FOR};

/// The rule.
pub static RULE: Rule = Rule {
    id: "role-arn",
    summary: Doc::new("requires a ServiceAccount's AWS role to be valid and allowed"),
    subjects: &[SubjectKind::ServiceAccount],
    params: PARAMS,
    messages: &[MESSAGES, role_rules::MESSAGES, role_arn_error::MESSAGES, suspicious_char::MESSAGES],
    ability: Ability::Check { default: CheckAction::Reject },
    restricted: Restricted::REJECT,
};

// Messages about the role are in `role_rules`, those about the ARN in `identity`.
messages! {
    /// Also reported by rules that act on the annotation.
    ON_DEFAULT:
        "is on the default account, so every Pod that names no account gets it",
        help: "give it to a dedicated account";
    MISSING: "is missing", help: "account `{}` must have a role";
}

pub(super) struct RoleArnRule<'a> {
    rules: RoleRules<'a>,
    required_for: Vec<Glob<'a>>,
}

impl<'a> RoleArnRule<'a> {
    pub(super) fn new(params: &mut Params<'_, 'a>) -> Self {
        Self { rules: RoleRules::read(params), required_for: params.globs(&REQUIRED_FOR) }
    }
}

impl Check for RoleArnRule<'_> {
    fn check(&self, context: &RuleContext<'_>, findings: &mut Findings) -> Result<(), ReviewError> {
        if context.service_account().is_none() {
            return Ok(());
        }
        let prefix = context.common.aws.annotation_prefix.as_str();
        let holder = Holder { namespace: context.request.namespace(), account: context.name() };
        let mut has_role = false;
        for (key, value) in context.annotations()?.iter() {
            let Some(value) = value else { continue };
            let rejections = if key::suffix(key, prefix) == Some(ROLE_ARN) {
                has_role = true;
                self.rules.rejections(&self.rules.injected(value), holder)
            } else if key == ECR_KEY {
                self.rules.rejections(value, holder)
            } else {
                continue;
            };
            for refusal in rejections {
                findings.push(annotation(key), refusal, MaxSeverity::Action);
            }
            if holder.account == DEFAULT_ACCOUNT && !self.rules.allow_on_default && !value.is_empty() {
                findings.push(annotation(key), Message::new(&ON_DEFAULT, &[]).about(value), MaxSeverity::Action);
            }
        }
        if !has_role && self.is_required(context, holder) {
            let account = [holder.namespace, "/", holder.account].concat();
            findings.add(annotation(&[prefix, "/", ROLE_ARN].concat()), &MISSING, &[&account]);
        }
        Ok(())
    }
}

impl RoleArnRule<'_> {
    /// Whether the account must have a role.
    fn is_required(&self, context: &RuleContext<'_>, holder: Holder<'_>) -> bool {
        account::any(&self.required_for, holder.namespace, &context.name_pattern())
    }
}

fn annotation(key: &str) -> FieldPath {
    FieldPath::at("metadata.annotations").key(key)
}

#[cfg(test)]
mod tests;
