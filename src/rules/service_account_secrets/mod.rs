// SPDX-License-Identifier: Apache-2.0
//! `service-account-secrets`: an account lists no Secrets.
//!
//! Until Kubernetes 1.24, the list contained the account's tokens, which never
//! expire. Kubernetes no longer needs it: a Pod mounts what its own
//! specification names, and the annotation that made the list a restriction is
//! deprecated. Some tools still read it, such as Tekton for the credentials of
//! its tasks.
//! <https://github.com/tektoncd/pipeline/blob/main/pkg/pod/creds_init.go>
//! <https://kubernetes.io/docs/reference/labels-annotations-taints/#enforce-mountable-secrets>

use crate::admission::subject::SubjectKind;
use crate::diagnostic::field_path::FieldPath;
use crate::diagnostic::findings::Findings;
use crate::engine::context::{ReviewError, RuleContext};
use crate::engine::rule::{Ability, Check, Restricted, Rule};
use crate::matching::glob::{self, Glob, validate_pattern};
use crate::messages;
use crate::settings::action::CheckAction;
use crate::settings::doc::Doc;
use crate::settings::params::{Kind, Param, Params};

/// The rule.
pub static RULE: Rule = Rule {
    id: "service-account-secrets",
    summary: Doc::new("forbids entries in the secrets field of ServiceAccounts"),
    subjects: &[SubjectKind::ServiceAccount],
    params: &[&ALLOWED],
    messages: &[MESSAGES],
    ability: Ability::Check { default: CheckAction::Warn },
    restricted: Restricted::REJECT,
};

static ALLOWED: Param = Param {
    name: "allowed",
    kind: Kind::Globs(validate_pattern),
    default: r#"["*-dockercfg-*"]"#,
    doc: Doc::new("names of Secrets that can be listed"),
};

messages! {
    LISTED:
        "is listed, like the non-expiring tokens of Kubernetes before 1.24",
        help: "delete the Secret if it is such a token, or add it to allowed if Tekton or another tool reads it from here";
    ENFORCED: "is deprecated since Kubernetes 1.32", help: "remove it, and isolate Secrets in separate namespaces";
}

/// The annotation that makes the list of Secrets a restriction for the account's Pods.
const ENFORCE: &str = "kubernetes.io/enforce-mountable-secrets";

pub(super) struct ServiceAccountSecrets<'a> {
    allowed: Vec<Glob<'a>>,
}

impl<'a> ServiceAccountSecrets<'a> {
    pub(super) fn new(params: &mut Params<'_, 'a>) -> Self {
        Self { allowed: params.globs(&ALLOWED) }
    }
}

impl Check for ServiceAccountSecrets<'_> {
    fn check(&self, context: &RuleContext<'_>, findings: &mut Findings) -> Result<(), ReviewError> {
        let Some(account) = context.service_account() else { return Ok(()) };
        for (index, secret) in account.secrets()?.iter().enumerate() {
            let name = secret.name.as_deref();
            if !glob::any(&self.allowed, name.unwrap_or_default()) {
                findings.add(FieldPath::at("secrets").entry(name, index), &LISTED, &[]);
            }
        }
        if context.annotations()?.text(ENFORCE).is_some() {
            findings.add(FieldPath::at("metadata.annotations").key(ENFORCE), &ENFORCED, &[]);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
