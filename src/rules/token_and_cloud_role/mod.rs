// SPDX-License-Identifier: Apache-2.0
//! `token-and-cloud-role`: a Pod with a cloud role has no API token.
//!
//! The webhooks of the clouds add a token of their own, and need no other.
//! Whoever breaks into such a Pod gets two credentials where one is needed.
//! <https://docs.aws.amazon.com/eks/latest/best-practices/identity-and-access-management.html>

use crate::admission::subject::SubjectKind;
use crate::diagnostic::findings::Findings;
use crate::engine::context::{ReviewError, RuleContext};
use crate::engine::rule::{Ability, Check, Restricted, Rule};
use crate::messages;
use crate::rules::shared::cloud;
use crate::rules::shared::tokens::{self, ApiToken};
use crate::settings::action::CheckAction;
use crate::settings::doc::Doc;
use crate::settings::params::Params;

/// The rule.
pub static RULE: Rule = Rule {
    id: "token-and-cloud-role",
    summary: Doc::new("forbids API tokens in Pods with a cloud role"),
    subjects: &[SubjectKind::Pod, SubjectKind::PodTemplate],
    params: &[],
    messages: &[MESSAGES],
    ability: Ability::Check { default: CheckAction::Off },
    restricted: Restricted::WARN,
};

messages! {
    HOLDS:
        "holds an API token in addition to the cloud role of the Pod ({})",
        help: "set automountServiceAccountToken: false, or split the Pod";
    WOULD_HOLD:
        "is not false, so Pods get an API token in addition to their cloud role ({})",
        help: "set it to false, or split the Pod";
}

pub(super) struct TokenAndCloudRole;

impl TokenAndCloudRole {
    pub(super) const fn new(_: &mut Params<'_, '_>) -> Self {
        Self
    }
}

impl Check for TokenAndCloudRole {
    fn check(&self, context: &RuleContext<'_>, findings: &mut Findings) -> Result<(), ReviewError> {
        let Some(workload) = context.workload() else { return Ok(()) };
        let Some(token) = tokens::api_token(context, workload)? else { return Ok(()) };
        let Some(role) = cloud::role(context, workload)? else { return Ok(()) };
        match token {
            ApiToken::In(index, volume) => findings.add(workload.volume_path(index, volume), &HOLDS, &[&role]),
            ApiToken::FromTemplate => {
                findings.add(workload.spec_path().field("automountServiceAccountToken"), &WOULD_HOLD, &[&role]);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
