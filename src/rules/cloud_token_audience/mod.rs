// SPDX-License-Identifier: Apache-2.0
//! `cloud-token-audience`: a token for a cloud is mounted where the
//! ServiceAccount declares an identity there.
//!
//! The cloud asks for nothing but the token: who has it takes any role that
//! trusts the account, whatever variables say and annotations leave out.
//! <https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html>

use crate::admission::subject::SubjectKind;
use crate::diagnostic::findings::Findings;
use crate::engine::context::{ReviewError, RuleContext};
use crate::engine::rule::{Ability, Check, Restricted, Rule};
use crate::matching::glob::{self, Glob, validate_pattern};
use crate::messages;
use crate::object::pod::Volume;
use crate::rules::shared::cloud::{Cloud, Declared, Identities};
use crate::rules::shared::tokens::{self, Token};
use crate::settings::action::CheckAction;
use crate::settings::doc::Doc;
use crate::settings::params::{Kind, Param, Params};

/// The rule.
pub static RULE: Rule = Rule {
    id: "cloud-token-audience",
    summary: Doc::new("forbids cloud tokens in Pods whose ServiceAccount declares no identity in that cloud"),
    subjects: &[SubjectKind::Pod, SubjectKind::PodTemplate],
    params: &[&CLOUD_AUDIENCES],
    messages: &[MESSAGES],
    ability: Ability::Check { default: CheckAction::Warn },
    restricted: Restricted::REJECT,
};

static CLOUD_AUDIENCES: Param = Param {
    name: "cloudAudiences",
    kind: Kind::Globs(validate_pattern),
    default: r#"["sts.amazonaws.com", "api://AzureADTokenExchange"]"#,
    doc: Doc::new("audiences whose tokens are cloud credentials"),
};

messages! {
    UNDECLARED:
        "makes the token a credential of {}, where ServiceAccount `{}` declares no identity",
        help: "use one with {}";
    UNKNOWN: "makes the token a credential of {}", help: "make sure that ServiceAccount `{}`, which is unknown here, has {}";
}

pub(super) struct CloudTokenAudience<'a> {
    audiences: Vec<Glob<'a>>,
}

impl<'a> CloudTokenAudience<'a> {
    pub(super) fn new(params: &mut Params<'_, 'a>) -> Self {
        Self { audiences: params.globs(&CLOUD_AUDIENCES) }
    }
}

impl Check for CloudTokenAudience<'_> {
    fn check(&self, context: &RuleContext<'_>, findings: &mut Findings) -> Result<(), ReviewError> {
        let Some(workload) = context.workload() else { return Ok(()) };
        let is_asked = |audience: &str| !audience.is_empty() && glob::any(&self.audiences, audience);
        let mut tokens = workload.spec.volumes.iter().flat_map(Volume::tokens);
        if !tokens.any(|token| is_asked(token.audience())) {
            return Ok(());
        }
        let identities = Identities::new(context, workload);
        tokens::each(context, workload, &mut |token, is_plugins| {
            let audience = token.source.audience();
            if is_plugins || !is_asked(audience) {
                return Ok(());
            }
            let cloud = Cloud::of_audience(audience, context.common);
            let mut is_known = true;
            for candidate in Cloud::ALL.into_iter().filter(|candidate| cloud.is_none_or(|cloud| cloud == *candidate)) {
                match identities.of(candidate)? {
                    Declared::Identity(_) => return Ok(()),
                    Declared::Nothing => {}
                    Declared::Unknown => is_known = false,
                }
            }
            let (name, key) =
                cloud.map_or(("a cloud", "an identity".to_owned()), |cloud| (cloud.name(), cloud.key(context.common)));
            let values = [name, workload.spec.account(), &key, audience];
            let path = || token.path(workload).field("audience");
            if is_known {
                findings.add(path(), &UNDECLARED, &values);
            } else if !is_webhooks(&token) {
                findings.warn(path(), &UNKNOWN, &values);
            }
            Ok(())
        })
    }
}

/// Whether this looks like a token that the webhook of AWS or Azure adds, which
/// does so only where an account says so.
/// <https://github.com/aws/amazon-eks-pod-identity-webhook/blob/master/pkg/handler/handler.go>
/// <https://github.com/Azure/azure-workload-identity/blob/main/pkg/webhook/consts.go>
fn is_webhooks(token: &Token<'_>) -> bool {
    let file = token.source.path.as_deref().unwrap_or_default();
    token.volume_name() == "aws-iam-token" || file.ends_with("azure-identity-token")
}

#[cfg(test)]
mod tests;
