// SPDX-License-Identifier: Apache-2.0
//! `projected-token-lifetime`: a token that someone writes into a volume by
//! hand does not live much longer than it is needed.
//!
//! The kubelet renews a token when a fifth of its lifetime is left, and every
//! day at the latest: a longer lifetime helps only whoever steals the token.
//! The default is the longest that webhooks request (IRSA, Linkerd: one day).
//! <https://github.com/kubernetes/kubernetes/blob/v1.34.0/pkg/kubelet/token/token_manager.go>

use crate::admission::subject::SubjectKind;
use crate::diagnostic::findings::{Changes, Findings};
use crate::engine::context::{Edit, ReviewError, RuleContext, Workload};
use crate::engine::rule::{Ability, Check, Fix, Restricted, Rule};
use crate::messages;
use crate::object::pod::{DEFAULT_LIFETIME_SECONDS, PLUGIN_LIFETIME_SECONDS};
use crate::rules::shared::tokens::{self, Token};
use crate::settings::action::FixAction;
use crate::settings::doc::Doc;
use crate::settings::params::{Kind, Param, Params};

/// The rule.
pub static RULE: Rule = Rule {
    id: "projected-token-lifetime",
    summary: Doc::new("limits the lifetime of hand-written projected tokens"),
    subjects: &[SubjectKind::Pod, SubjectKind::PodTemplate],
    params: &[&MAX_SECONDS, &PER_AUDIENCE],
    messages: &[MESSAGES],
    ability: Ability::Fix { default: FixAction::Mutate },
    restricted: Restricted::MUTATE,
};

/// What the API server accepts: ten minutes to 2^32 seconds.
/// <https://github.com/kubernetes/kubernetes/blob/v1.34.0/pkg/apis/core/validation/validation.go>
static SECONDS: Kind = Kind::Seconds { least: 600, most: 4_294_967_296 };

static MAX_SECONDS: Param = Param {
    name: "maxSeconds",
    kind: Kind::Seconds { least: 600, most: 4_294_967_296 },
    default: "86400",
    doc: Doc::new("maximum lifetime"),
};
static PER_AUDIENCE: Param = Param {
    name: "perAudience",
    kind: Kind::ByKey(&SECONDS),
    default: "{}",
    doc: Doc::new(
        "maximum lifetime for one audience, which can be longer or shorter; the key is the exact audience, or `\"\"` for a token without one",
    ),
};

messages! {
    TOO_LONG: "is {}, but at most {} is allowed", help: "the kubelet renews the token before it expires";
    LOWERED: "lowered from {} to {}";
}

const FIELD: &str = "expirationSeconds";

pub(super) struct ProjectedTokenLifetime {
    most: i64,
    per_audience: Vec<(String, i64)>,
}

impl ProjectedTokenLifetime {
    pub(super) fn new(params: &mut Params<'_, '_>) -> Self {
        Self { most: params.seconds(&MAX_SECONDS), per_audience: params.seconds_by_key(&PER_AUDIENCE) }
    }

    fn most(&self, audience: &str) -> i64 {
        self.per_audience.iter().find_map(|(key, most)| (key == audience).then_some(*most)).unwrap_or(self.most)
    }
}

impl ProjectedTokenLifetime {
    /// Calls `each` with every token whose lifetime is too long, and with its limit.
    fn each<'s>(
        &self,
        context: &RuleContext<'_>,
        workload: &'s Workload<'s>,
        each: &mut dyn FnMut(Token<'s>, i64) -> Result<(), ReviewError>,
    ) -> Result<(), ReviewError> {
        tokens::each(context, workload, &mut |token, is_plugin_volume| {
            let most = self.most(token.source.audience());
            if is_plugin_volume || token.source.lifetime() <= most { Ok(()) } else { each(token, most) }
        })
    }
}

impl Check for ProjectedTokenLifetime {
    fn check(&self, context: &RuleContext<'_>, findings: &mut Findings) -> Result<(), ReviewError> {
        let Some(workload) = context.workload() else { return Ok(()) };
        self.each(context, workload, &mut |token, most| {
            let lifetime = token.source.lifetime().to_string();
            findings.add(token.path(workload).field(FIELD), &TOO_LONG, &[&lifetime, &most.to_string()]);
            Ok(())
        })
    }
}

impl Fix for ProjectedTokenLifetime {
    fn fix(
        &self,
        context: &RuleContext<'_>,
        edit: &mut Edit<'_, '_>,
        changes: &mut Changes,
    ) -> Result<(), ReviewError> {
        let Some(workload) = context.workload() else { return Ok(()) };
        self.each(context, workload, &mut |token, most| {
            // The number that would make an API token last a year.
            let lower = if most == PLUGIN_LIFETIME_SECONDS { DEFAULT_LIFETIME_SECONDS } else { most };
            if edit.lower(&token.steps(), FIELD, lower)? {
                let lifetime = token.source.lifetime().to_string();
                changes.add(token.path(workload).field(FIELD), &LOWERED, &[&lifetime, &lower.to_string()]);
            }
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests;
