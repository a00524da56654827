// SPDX-License-Identifier: Apache-2.0
//! `identity-annotation-keys`: a key that looks like that of a cloud identity is one.
//!
//! A misspelled key causes no error: it is not read, and the Pod starts with
//! the identity of its node, or with none.
//! <https://github.com/aws/amazon-eks-pod-identity-webhook/issues/200>
//! <https://github.com/Azure/azure-workload-identity/issues/1026>

use crate::admission::subject::SubjectKind;
use crate::diagnostic::findings::Findings;
use crate::diagnostic::message::Message;
use crate::diagnostic::severity::MaxSeverity;
use crate::engine::context::{ReviewError, RuleContext};
use crate::engine::rule::{Ability, Check, Restricted, Rule};
use crate::identity::key::{ROLE_ARN, Reading};
use crate::messages;
use crate::settings::action::CheckAction;
use crate::settings::doc::Doc;
use crate::settings::params::{Kind, Param, Params};

/// The rule.
pub static RULE: Rule = Rule {
    id: "identity-annotation-keys",
    summary: Doc::new("forbids misspelled annotation keys for cloud identities"),
    subjects: &[SubjectKind::ServiceAccount, SubjectKind::Pod, SubjectKind::PodTemplate],
    params: &[&UNKNOWN_KEYS, &LEGACY_KEYS],
    messages: &[MESSAGES],
    ability: Ability::Check { default: CheckAction::Reject },
    restricted: Restricted::REJECT,
};

static UNKNOWN_KEYS: Param = Param {
    name: "unknownKeys",
    kind: Kind::Choice(MaxSeverity::WORDS),
    default: r#""warn""#,
    doc: Doc::new("action for any other key with an AWS, GKE or Azure prefix"),
};
static LEGACY_KEYS: Param = Param {
    name: "legacyKeys",
    kind: Kind::Choice(MaxSeverity::WORDS),
    default: r#""warn""#,
    doc: Doc::new("action for keys of kiam and kube2iam (`iam.amazonaws.com/*`)"),
};

messages! {
    NEAR: "is not a known key, so it has no effect", help: "did you mean `{}`?";
    ELSEWHERE: "is not read here: the webhook of this cluster has another prefix", help: "write `{}`";
    UNKNOWN: "is not a known key", help: "keys with this prefix are {}";
    LEGACY:
        "is a key of kiam and kube2iam, which the EKS webhook does not read",
        help: "remove it, and write {} on the ServiceAccount if it needs a role";
}

pub(super) struct IdentityAnnotationKeys {
    unknown: Option<MaxSeverity>,
    legacy: Option<MaxSeverity>,
}

impl IdentityAnnotationKeys {
    pub(super) fn new(params: &mut Params<'_, '_>) -> Self {
        Self {
            unknown: MaxSeverity::chosen(params.choice(&UNKNOWN_KEYS)),
            legacy: MaxSeverity::chosen(params.choice(&LEGACY_KEYS)),
        }
    }
}

impl Check for IdentityAnnotationKeys {
    fn check(&self, context: &RuleContext<'_>, findings: &mut Findings) -> Result<(), ReviewError> {
        for annotation in context.identity_annotations()? {
            let named;
            let (severity, message, value) = match &annotation.reading {
                Reading::Other | Reading::Known(_) | Reading::Label => continue,
                Reading::Misspelled(meant) => (Some(MaxSeverity::Action), &NEAR, meant),
                Reading::Elsewhere(meant) => (Some(MaxSeverity::Action), &ELSEWHERE, meant),
                Reading::Unknown(family) => {
                    named = family.suffixes();
                    (self.unknown, &UNKNOWN, &named)
                }
                Reading::Legacy => {
                    named = [context.common.aws.annotation_prefix.as_str(), "/", ROLE_ARN].concat();
                    (self.legacy, &LEGACY, &named)
                }
            };
            if let Some(severity) = severity {
                findings.push(
                    context.path_of(annotation),
                    Message::new(message, &[value]),
                    context.limited_on_pods(severity),
                );
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
