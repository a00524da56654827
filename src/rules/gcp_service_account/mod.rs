// SPDX-License-Identifier: Apache-2.0
//! `gcp-service-account`: a ServiceAccount names a Google service account that
//! can exist, and that it may use.
//!
//! GKE has no webhook that reads these annotations. Its metadata server reads
//! them when a Pod requests credentials, so a mistake shows up long after
//! admission, as "permission denied" from some API.
//! <https://cloud.google.com/kubernetes-engine/docs/how-to/workload-identity>

use crate::admission::subject::SubjectKind;
use crate::diagnostic::field_path::FieldPath;
use crate::diagnostic::findings::Findings;
use crate::diagnostic::message::Message;
use crate::diagnostic::severity::MaxSeverity;
use crate::engine::context::{ReviewError, RuleContext};
use crate::engine::rule::{Ability, Check, Restricted, Rule};
use crate::identity::{GcpProject, GcpServiceAccount, error, gcp_project, gcp_service_account, suspicious_char};
use crate::messages;
use crate::object::view::{Text, listed};
use crate::settings::action::CheckAction;
use crate::settings::doc::Doc;
use crate::settings::params::{Kind, Param, Params};

/// The rule.
pub static RULE: Rule = Rule {
    id: "gcp-service-account",
    summary: Doc::new("requires a ServiceAccount's Google service account to be valid and in an allowed project"),
    subjects: &[SubjectKind::ServiceAccount],
    params: &[&PROJECTS],
    messages: &[
        MESSAGES,
        error::MESSAGES,
        suspicious_char::MESSAGES,
        gcp_service_account::MESSAGES,
        gcp_project::MESSAGES,
    ],
    ability: Ability::Check { default: CheckAction::Reject },
    restricted: Restricted::REJECT,
};

static PROJECTS: Param = Param {
    name: "projects",
    kind: Kind::Texts {
        of: "projects",
        problem: |text| GcpProject::try_from(text).err().map(|error| error.to_string()),
    },
    default: "[]",
    doc: Doc::new(
        "allowed projects of Google service accounts, by ID, `example.com:id` or number; if empty, any project is allowed",
    ),
};

messages! {
    PROJECT: "belongs to project `{}`, must belong to {}";
    NOT_BOOLEAN: "is `{}`, must be true or false";
    QUOTA_PROJECT: "is `{}`, which is not a valid project", help: "write only the project ID, e.g. my-project or example.com:my-project";
}

/// The prefix of each key.
const PREFIX: &str = "iam.gke.io";

/// The prefix of the keys of the webhook for workload identity federation.
/// <https://github.com/pfnet-research/gcp-workload-identity-federation-webhook>
const WEBHOOK_PREFIX: &str = "cloud.google.com";

/// The projects whose service accounts may be used. Other rules use this too,
/// for service accounts that Pods reach in other ways.
pub struct Projects<'a>(Vec<Text<'a>>);

impl<'a> Projects<'a> {
    /// Reads the list in the parameters of the rule.
    #[inline(never)]
    pub fn read(params: &mut Params<'_, 'a>) -> Self {
        Self(params.texts(&PROJECTS))
    }

    /// Whether there is a list, which a service account that cannot be read
    /// cannot be on.
    #[must_use]
    pub const fn has_list(&self) -> bool {
        !self.0.is_empty()
    }

    /// Why the service account may not be used: a problem with its email address,
    /// or a project that is not on the list.
    #[must_use]
    #[inline(never)]
    pub fn refusal(&self, email: &str) -> Option<Message> {
        let project = match GcpServiceAccount::try_from(email) {
            Ok(account) => account.project,
            Err(error) => return Some(error.about(email)),
        };
        let is_allowed = self.0.is_empty() || self.0.iter().any(|it| GcpProject::try_from(&**it) == Ok(project));
        (!is_allowed).then(|| Message::new(&PROJECT, &[&project.to_string(), &listed(&self.0)]).about(email))
    }
}

pub(super) struct GcpServiceAccountRule<'a> {
    projects: Projects<'a>,
}

impl<'a> GcpServiceAccountRule<'a> {
    pub(super) fn new(params: &mut Params<'_, 'a>) -> Self {
        Self { projects: Projects::read(params) }
    }
}

impl Check for GcpServiceAccountRule<'_> {
    fn check(&self, context: &RuleContext<'_>, findings: &mut Findings) -> Result<(), ReviewError> {
        let check_email = |email: &str, path: FieldPath, findings: &mut Findings| {
            if let Some(refusal) = self.projects.refusal(email) {
                findings.push(path, refusal, MaxSeverity::Action);
            }
        };
        context.each_annotation(WEBHOOK_PREFIX, &mut |suffix, value, path| {
            if suffix == "service-account-email" {
                check_email(value, path, findings);
            }
        })?;
        context.each_annotation(PREFIX, &mut |suffix, value, path| match suffix {
            "gcp-service-account" => check_email(value, path, findings),
            "return-principal-id-as-email" if !matches!(value, "true" | "false") => {
                findings.add(path, &NOT_BOOLEAN, &[value]);
            }
            "credential-quota-project" if !is_quota_project(value) => {
                findings.add(path, &QUOTA_PROJECT, &[value]);
            }
            _ => {}
        })?;
        Ok(())
    }
}

/// Google's APIs accept the project of a domain only as `example.com:id`.
/// <https://cloud.google.com/docs/quotas/set-quota-project>
fn is_quota_project(text: &str) -> bool {
    GcpProject::try_from(text).is_ok() && (text.contains(':') || !text.contains('.'))
}

#[cfg(test)]
mod tests;
