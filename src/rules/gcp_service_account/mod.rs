// SPDX-License-Identifier: Apache-2.0
//! `gcp-service-account`: a ServiceAccount names a Google service account that
//! can exist, and that it may act as.
//!
//! No webhook reads these annotations. GKE's metadata server does when a Pod
//! asks for credentials, so that a mistake shows as "permission denied" of some
//! API, long after admission.
//! <https://cloud.google.com/kubernetes-engine/docs/how-to/workload-identity>

use super::{Ability, Check, Rule};
use crate::admission::subject::SubjectKind;
use crate::diagnostic::field_path::FieldPath;
use crate::diagnostic::finding::{Findings, MessageTemplate};
use crate::engine::context::{ReviewError, RuleContext};
use crate::identity::gcp_project::{DOMAIN, DOUBLED, PROJECT_ID, PROJECT_NUMBER};
use crate::identity::gcp_service_account::{
    BAD_CHARACTER, COLON, GOOGLE_MADE, MEMBER, NAME, NO_AT, NO_IAM, NO_PROJECT, OTHER_DOMAIN, RESOURCE, TWO_ATS,
    UNIQUE_ID, UPPER_CASE, WORKLOAD,
};
use crate::identity::{GcpProject, GcpServiceAccount, error, role_arn_error};
use crate::object::view::{Text, listed};
use crate::settings::action::CheckAction;
use crate::settings::params::{Kind, Param, Params, for_people};

/// The rule.
pub static RULE: Rule = Rule {
    id: "gcp-service-account",
    summary: for_people("a ServiceAccount's Google service account is written correctly and of an allowed project"),
    subjects: &[SubjectKind::ServiceAccount],
    params: &PARAMS,
    messages: &[
        &error::EMPTY,
        &error::BLANK,
        &role_arn_error::QUOTED,
        &role_arn_error::UNFILLED,
        &MEMBER,
        &WORKLOAD,
        &RESOURCE,
        &UNIQUE_ID,
        &NO_AT,
        &TWO_ATS,
        &UPPER_CASE,
        &BAD_CHARACTER,
        &COLON,
        &OTHER_DOMAIN,
        &NO_IAM,
        &NO_PROJECT,
        &GOOGLE_MADE,
        &NAME,
        &PROJECT_ID,
        &PROJECT_NUMBER,
        &DOMAIN,
        &DOUBLED,
        &PROJECT,
        &NOT_BOOLEAN,
        &QUOTA_PROJECT,
    ],
    ability: Ability::Check { default: CheckAction::Reject },
};

static PARAMS: [Param; 1] = [Param {
    name: "projects",
    kind: Kind::Texts {
        of: "projects",
        problem: |text| GcpProject::try_from(text).err().map(|error| error.to_string()),
    },
    default: "[]",
    doc: for_people(
        "the projects that Google service accounts may be of, by id, `example.com:id` or number; empty: any",
    ),
}];

static PROJECT: MessageTemplate = MessageTemplate { name: "project", template: "is of project {}, must be of {} ({})" };
static NOT_BOOLEAN: MessageTemplate = MessageTemplate { name: "not-boolean", template: "is {}, must be true or false" };
static QUOTA_PROJECT: MessageTemplate = MessageTemplate {
    name: "quota-project",
    template: "is {}, which is no project; write its id alone, e.g. my-project or example.com:my-project",
};

/// What stands before each key.
const PREFIX: &str = "iam.gke.io";

pub(super) struct GcpServiceAccountRule<'a> {
    projects: Vec<Text<'a>>,
}

impl<'a> GcpServiceAccountRule<'a> {
    pub(super) fn new(params: &mut Params<'_, 'a>) -> Self {
        let [projects] = &PARAMS;
        Self { projects: params.texts(projects) }
    }
}

impl GcpServiceAccountRule<'_> {
    fn check_email(&self, email: &str, path: FieldPath, findings: &mut Findings) {
        let project = match GcpServiceAccount::try_from(email) {
            Ok(account) => account.project,
            Err(error) => return findings.add(path, error.message, &error.values(email)),
        };
        if !self.projects.is_empty()
            && !self.projects.iter().any(|allowed| GcpProject::try_from(&**allowed) == Ok(project))
        {
            findings.add(path, &PROJECT, &[&project.to_string(), &listed(&self.projects), email]);
        }
    }
}

impl Check for GcpServiceAccountRule<'_> {
    fn check(&self, context: &RuleContext<'_>, findings: &mut Findings) -> Result<(), ReviewError> {
        context.each_annotation(PREFIX, &mut |suffix, value, path| match suffix {
            "gcp-service-account" => self.check_email(value, path, findings),
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

/// Google's APIs know a project of a domain as `example.com:id` only.
/// <https://cloud.google.com/docs/quotas/set-quota-project>
fn is_quota_project(text: &str) -> bool {
    GcpProject::try_from(text).is_ok() && (text.contains(':') || !text.contains('.'))
}

#[cfg(test)]
mod tests;
