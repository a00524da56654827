// SPDX-License-Identifier: Apache-2.0
//! `token-and-cloud-role`: a Pod that works with a cloud holds no API token.
//!
//! The webhooks of the clouds bring a token of their own and need no other. Who
//! breaks into such a Pod gets two doors where one was needed.
//! <https://docs.aws.amazon.com/eks/latest/best-practices/identity-and-access-management.html>

use crate::admission::subject::SubjectKind;
use crate::diagnostic::findings::Findings;
use crate::engine::context::{ReviewError, RuleContext, Workload, object_path};
use crate::engine::rule::{Ability, Check, Restricted, Rule};
use crate::messages;
use crate::object::env::Marks;
use crate::rules::shared::cloud::{self, Cloud, Declared};
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
        "holds an API token beside the cloud role of the Pod ({})",
        help: "set automountServiceAccountToken: false, or split the Pod";
    WOULD_HOLD:
        "is not false, so Pods get an API token beside their cloud role ({})",
        help: "set it to false, or split the Pod";
}

/// The variables by which the SDKs find a role: IRSA, EKS Pod Identity, Azure.
const VARIABLES: [&str; 3] = [cloud::AWS_ROLE, cloud::AWS_CONTAINER_URI, cloud::AZURE_TOKEN_FILE];

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
        let role = match role_in_env(context, workload)? {
            Some(role) => role,
            None => match role_of_account(context, workload)? {
                Some(role) => role,
                None => return Ok(()),
            },
        };
        match token {
            ApiToken::In(index, volume) => findings.add(workload.volume_path(index, volume), &HOLDS, &[&role]),
            ApiToken::ToCome => {
                findings.add(workload.spec_path().field("automountServiceAccountToken"), &WOULD_HOLD, &[&role]);
            }
        }
        Ok(())
    }
}

fn role_in_env(context: &RuleContext<'_>, workload: &Workload<'_>) -> Result<Option<String>, ReviewError> {
    let mut role = None;
    context.each_container(workload, &mut |checked| {
        let container = checked.container;
        if role.is_some() || !container.env.may_hold(Marks::AWS.and(Marks::AZURE)) {
            return Ok(());
        }
        let variables = container.read_env(&|| object_path(&checked.path(workload)))?;
        let mut names = variables.iter().filter_map(|variable| variable.name.as_deref());
        if let Some(name) = names.find(|name| VARIABLES.contains(name)) {
            role = Some([name, " of container ", container.name.as_deref().unwrap_or_default()].concat());
        }
        Ok(())
    })?;
    Ok(role)
}

fn role_of_account(context: &RuleContext<'_>, workload: &Workload<'_>) -> Result<Option<String>, ReviewError> {
    for cloud in Cloud::ALL {
        if let Declared::Identity(_) = cloud::declared(context, workload, cloud)? {
            return Ok(Some([&cloud.key(context.common), " of account ", workload.spec.account()].concat()));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests;
