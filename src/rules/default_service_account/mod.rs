// SPDX-License-Identifier: Apache-2.0
//! `default-service-account`: nothing that has an API token runs as `default`.
//!
//! Whatever is granted to `default` is granted to every Pod of the namespace
//! that specifies no account, and a token makes it usable. Tokens for others (a
//! mesh, a cloud, a vault) give no access to the Kubernetes API and do not
//! count.

use crate::admission::subject::SubjectKind;
use crate::diagnostic::findings::Findings;
use crate::engine::context::{ReviewError, RuleContext};
use crate::engine::rule::{Ability, Check, Restricted, Rule};
use crate::messages;
use crate::rules::shared::tokens::{self, ApiToken};
use crate::settings::action::CheckAction;
use crate::settings::doc::Doc;
use crate::settings::params::{Kind, Param, Params};

/// The rule.
pub static RULE: Rule = Rule {
    id: "default-service-account",
    summary: Doc::new("requires a dedicated ServiceAccount for every Pod that holds an API token"),
    subjects: &[SubjectKind::Pod, SubjectKind::PodTemplate],
    params: &[&STRICT_PARAM],
    messages: &[MESSAGES],
    ability: Ability::Check { default: CheckAction::Warn },
    restricted: Restricted::REJECT.with(&[("strict", "true")]),
};

static STRICT_PARAM: Param = Param {
    name: "strict",
    kind: Kind::Flag,
    default: "false",
    doc: Doc::new("whether Pods without an API token must name a ServiceAccount too"),
};

messages! {
    HOLDS_VOLUME:
        "runs as the default account with an API token (volume `{}`)",
        help: "use a dedicated account, or remove the token";
    WOULD_HOLD:
        "its Pods would run as the default account with an API token",
        help: "use a dedicated account, or set automountServiceAccountToken: false";
    STRICT: "runs as the default account", help: "use a dedicated account";
}

pub(super) struct DefaultServiceAccount {
    strict: bool,
}

impl DefaultServiceAccount {
    pub(super) fn new(params: &mut Params<'_, '_>) -> Self {
        Self { strict: params.flag(&STRICT_PARAM) }
    }
}

impl Check for DefaultServiceAccount {
    fn check(&self, context: &RuleContext<'_>, findings: &mut Findings) -> Result<(), ReviewError> {
        let Some(workload) = context.workload().filter(|workload| workload.is_default_account()) else { return Ok(()) };
        let path = workload.spec_path().field("serviceAccountName");
        match tokens::api_token(context, workload)? {
            // One finding for each volume: on UPDATE, a second volume is new,
            // but another order of the volumes is not.
            Some(ApiToken::In(first, _)) => {
                for volume in workload.spec.volumes.iter().skip(first) {
                    if volume.tokens().any(|token| context.common.is_api_audience(token.audience())) {
                        findings.add(path.clone(), &HOLDS_VOLUME, &[volume.name.as_deref().unwrap_or_default()]);
                    }
                }
            }
            Some(ApiToken::FromTemplate) => findings.add(path, &WOULD_HOLD, &[]),
            None if self.strict => findings.add(path, &STRICT, &[]),
            None => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
