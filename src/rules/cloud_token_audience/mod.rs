// SPDX-License-Identifier: Apache-2.0
//! `cloud-token-audience`: a token for a cloud is mounted only if the
//! ServiceAccount declares an identity there.
//!
//! The cloud requires nothing but the token: whoever has it can assume any role
//! that trusts the account, whatever variables and annotations say.
//! <https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html>

use crate::admission::subject::SubjectKind;
use crate::diagnostic::findings::Findings;
use crate::engine::context::{ReviewError, RuleContext};
use crate::engine::rule::{Ability, Check, Restricted, Rule};
use crate::fast::word;
use crate::matching::glob::{self, Glob, validate_pattern};
use crate::messages;
use crate::object::pod::Volume;
use crate::rules::shared::cloud::{self, Cloud, Declared, Identities};
use crate::rules::shared::tokens;
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
    default: r#"["sts.amazonaws.com", "api://AzureADTokenExchange*", "api://AKSIdentityBinding", "sts.aliyuncs.com", "sts.cloud.tencent.com", "sts.googleapis.com", "*iam.googleapis.com/*", "*.svc.id.goog"]"#,
    doc: Doc::new("audiences whose tokens are cloud credentials"),
};

messages! {
    UNDECLARED:
        "makes the token a credential of {}, where ServiceAccount `{}` declares no identity",
        help: "use one with {}";
    UNKNOWN: "makes the token a credential of {}", help: "make sure that ServiceAccount `{}`, which is unknown here, has {}";
}

/// What the default of the parameter covers, without patterns: reading and
/// comparing those would cost every Pod with a token more than the rest of the
/// rule.
fn is_cloud_audience(audience: &str) -> bool {
    matches!(
        audience,
        "sts.amazonaws.com"
            | "api://AKSIdentityBinding"
            | "sts.aliyuncs.com"
            | "sts.cloud.tencent.com"
            | "sts.googleapis.com"
    ) || audience.starts_with("api://AzureADTokenExchange")
        || audience.ends_with(".svc.id.goog")
        || word::any(&["iam.googleapis.com/"], audience)
}

pub(super) struct CloudTokenAudience<'a> {
    /// `None` means the default.
    audiences: Option<Vec<Glob<'a>>>,
}

impl<'a> CloudTokenAudience<'a> {
    pub(super) fn new(params: &mut Params<'_, 'a>) -> Self {
        let is_default = params.is_default(&CLOUD_AUDIENCES);
        Self { audiences: (!is_default).then(|| params.globs(&CLOUD_AUDIENCES)) }
    }
}

impl CloudTokenAudience<'_> {
    /// Whether a token with this audience is a credential for a cloud.
    fn is_requested(&self, audience: &str) -> bool {
        !audience.is_empty()
            && match &self.audiences {
                Some(audiences) => glob::any(audiences, audience),
                None => is_cloud_audience(audience),
            }
    }
}

impl Check for CloudTokenAudience<'_> {
    fn check(&self, context: &RuleContext<'_>, findings: &mut Findings) -> Result<(), ReviewError> {
        let Some(workload) = context.workload() else { return Ok(()) };
        let mut tokens = workload.spec.volumes.iter().flat_map(Volume::tokens);
        if !tokens.any(|token| self.is_requested(token.audience())) {
            return Ok(());
        }
        let identities = Identities::new(context, workload);
        tokens::each(context, workload, &mut |token, is_plugin_volume| {
            let audience = token.source.audience();
            if is_plugin_volume || !self.is_requested(audience) {
                return Ok(());
            }
            let cloud = Cloud::of_audience(audience, context.common);
            let mut is_known = true;
            for candidate in Cloud::all().filter(|candidate| cloud.is_none_or(|cloud| cloud == *candidate)) {
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
            } else if !cloud::looks_like_webhook_token(
                token.volume_name(),
                token.source.path.as_deref().unwrap_or_default(),
            ) {
                findings.warn(path(), &UNKNOWN, &values);
            }
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests;
