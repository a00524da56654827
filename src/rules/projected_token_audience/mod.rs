// SPDX-License-Identifier: Apache-2.0
//! `projected-token-audience`: a token that someone writes into a volume by
//! hand is not for the Kubernetes API.
//!
//! Where automounting is forbidden, charts move the same token into a projected
//! volume of their own. That complies with the ban, but the Pod has the token.
//! <https://kubernetes.io/docs/concepts/storage/projected-volumes/#serviceaccounttoken>

use crate::admission::subject::SubjectKind;
use crate::diagnostic::findings::Findings;
use crate::engine::context::{ReviewError, RuleContext};
use crate::engine::rule::{Ability, Check, Restricted, Rule};
use crate::matching::glob::{self, Glob, validate_pattern};
use crate::messages;
use crate::rules::shared::tokens;
use crate::settings::action::CheckAction;
use crate::settings::doc::Doc;
use crate::settings::params::{Kind, Param, Params};

/// The rule.
pub static RULE: Rule = Rule {
    id: "projected-token-audience",
    summary: Doc::new("forbids hand-written projected tokens for the Kubernetes API"),
    subjects: &[SubjectKind::Pod, SubjectKind::PodTemplate],
    params: &[&ALLOWED_AUDIENCES],
    messages: &[MESSAGES],
    ability: Ability::Check { default: CheckAction::Warn },
    restricted: Restricted::REJECT,
};

static ALLOWED_AUDIENCES: Param = Param {
    name: "allowedAudiences",
    kind: Kind::Globs(validate_pattern),
    default: "[]",
    doc: Doc::new(
        "if set, the only allowed token audiences; wildcards do not match an audience of the Kubernetes API, which must be listed in full",
    ),
};

messages! {
    UNSET: "is not set, so this is an API token", help: "name the intended audience, or use automountServiceAccountToken: true";
    API: "`{}` is the Kubernetes API", help: "name the intended audience, or use automountServiceAccountToken: true";
    NOT_ALLOWED: "`{}` is not an allowed audience", help: "use one of {}";
}

pub(super) struct ProjectedTokenAudience<'a> {
    allowed: Vec<Glob<'a>>,
}

impl<'a> ProjectedTokenAudience<'a> {
    pub(super) fn new(params: &mut Params<'_, 'a>) -> Self {
        Self { allowed: params.globs(&ALLOWED_AUDIENCES) }
    }
}

impl Check for ProjectedTokenAudience<'_> {
    fn check(&self, context: &RuleContext<'_>, findings: &mut Findings) -> Result<(), ReviewError> {
        let Some(workload) = context.workload() else { return Ok(()) };
        tokens::each(context, workload, &mut |token, is_plugin_volume| {
            if is_plugin_volume {
                return Ok(());
            }
            let audience = token.source.audience();
            let path = || token.path(workload).field("audience");
            if context.common.is_api_audience(audience) {
                if audience.is_empty() {
                    findings.add(path(), &UNSET, &[]);
                } else if !self.allowed.iter().any(|allowed| allowed.as_str() == audience) {
                    findings.add(path(), &API, &[audience]);
                }
            } else if !self.allowed.is_empty() && !glob::any(&self.allowed, audience) {
                findings.add(path(), &NOT_ALLOWED, &[audience, &glob::listed(&self.allowed)]);
            }
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests;
