// SPDX-License-Identifier: Apache-2.0
//! Service accounts of Google Cloud.

use super::error::{IdentityError, first_other, split};
use super::gcp_project::{GcpProject, is_id};
use crate::messages;

messages! {
    /// `serviceAccount:` and the like.
    MEMBER: "begins with `{}:`, the form of members in IAM policies", help: "write only the email address";
    /// `project.svc.id.goog[namespace/name]`.
    WORKLOAD: "names a Kubernetes ServiceAccount, as IAM policies do", help: "write the email address of the Google service account";
    /// `projects/-/serviceAccounts/...`.
    RESOURCE: "is a resource name", help: "write only the email address";
    /// 21 digits.
    UNIQUE_ID: "is a number", help: "write the email address";
    /// A bare name, or another cloud's name for an identity.
    NO_AT: "is not a valid email address", help: "write <name>@<project>.iam.gserviceaccount.com";
    /// Mostly a template that appends a suffix that is there already.
    TWO_ATS: "has two @ characters", help: "write one email address";
    /// Google's email addresses are in lower case.
    UPPER_CASE: "has upper-case letters", help: "write it in lower case";
    /// Outside of the alphabet.
    BAD_CHARACTER: "has `{}`, which is not allowed in the email address of a service account";
    /// `name@example.com:project.iam.gserviceaccount.com`.
    COLON:
        "has a colon after the @",
        help: "in email addresses, the project example.com:my-project is my-project.example.com";
    /// A user, a group, or a truncated or misspelled domain.
    OTHER_DOMAIN: "ends with `{}`, must end with .iam.gserviceaccount.com";
    /// `name@project.gserviceaccount.com`.
    NO_IAM: "has no .iam before .gserviceaccount.com";
    /// `name@iam.gserviceaccount.com`.
    NO_PROJECT: "has no project between the @ and iam.gserviceaccount.com";
    /// With `appspot`, `developer` or `cloudservices`.
    GOOGLE_MADE:
        "is not an account that Google creates",
        help: "these are <project>@appspot, <number>-compute@developer and <number>@cloudservices";
    /// The part before the `@`.
    NAME: "name is `{}`, must have 6 to 30 lower-case letters, digits and dashes, begin with a letter and not end with a dash";
}

/// The prefixes of email addresses in IAM policies.
/// <https://cloud.google.com/iam/docs/principal-identifiers>
const MEMBER_KINDS: &str = "serviceAccount:user:group:domain:principal:principalSet:deleted";

/// The email address of a service account:
/// `name@my-project.iam.gserviceaccount.com`, or that of an account that Google
/// creates.
/// <https://cloud.google.com/iam/docs/service-account-types>
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GcpServiceAccount<'t> {
    /// The project that it belongs to.
    pub project: GcpProject<'t>,
}

impl<'t> TryFrom<&'t str> for GcpServiceAccount<'t> {
    type Error = IdentityError<'t>;

    fn try_from(text: &'t str) -> Result<Self, IdentityError<'t>> {
        IdentityError::in_general(text)?;
        let error = |message| Err(IdentityError::new(message));
        if split(text, b'[').is_some_and(|(pool, _)| pool.ends_with(".svc.id.goog")) {
            return error(&WORKLOAD);
        }
        if let Some((kind, _)) = split(text, b':')
            && MEMBER_KINDS.split(':').any(|known| kind.eq_ignore_ascii_case(known))
        {
            return Err(IdentityError::of(kind, &MEMBER));
        }
        if split(text, b'/').is_some() {
            return error(&RESOURCE);
        }
        let Some((name, host)) = split(text, b'@') else {
            return error(if GcpProject::numbered(text).is_some() { &UNIQUE_ID } else { &NO_AT });
        };
        if split(host, b'@').is_some() {
            return error(&TWO_ATS);
        }
        if split(host, b':').is_some() {
            return error(&COLON);
        }
        let is_known =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'.' | b'@');
        if let Some(other) = first_other(text, &is_known) {
            let is_upper = other.as_bytes().first().is_some_and(u8::is_ascii_uppercase);
            return if is_upper { error(&UPPER_CASE) } else { Err(IdentityError::of(other, &BAD_CHARACTER)) };
        }
        let Some(front) = host.strip_suffix(".gserviceaccount.com") else {
            return Err(IdentityError::of(host, &OTHER_DOMAIN));
        };
        let project = match front {
            "iam" => return error(&NO_PROJECT),
            "appspot" => GcpProject::in_email(name).ok(),
            "developer" | "cloudservices" | "cloudbuild" | "project" => {
                GcpProject::numbered(split(name, b'-').map_or(name, |(number, _)| number))
            }
            _ => {
                let Some(project) = front.strip_suffix(".iam") else { return error(&NO_IAM) };
                if !is_id(name) {
                    return Err(IdentityError::of(name, &NAME));
                }
                Some(GcpProject::in_email(project)?)
            }
        };
        project.map(|project| Self { project }).ok_or(IdentityError::new(&GOOGLE_MADE))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAME_WORDS: &str =
        "must have 6 to 30 lower-case letters, digits and dashes, begin with a letter and not end with a dash";

    #[track_caller]
    fn is_of(text: &str, project: &str) {
        assert_eq!(GcpServiceAccount::try_from(text).unwrap().project.to_string(), project);
    }

    #[track_caller]
    fn is_wrong(text: &str, words: &str) {
        assert_eq!(GcpServiceAccount::try_from(text).unwrap_err().to_string(), words, "{text}");
    }

    #[test]
    fn plain_account() {
        is_of("uploader@my-project.iam.gserviceaccount.com", "my-project");
    }

    #[test]
    fn of_a_project_with_digits() {
        is_of("uploader-1@my-project-378912.iam.gserviceaccount.com", "my-project-378912");
    }

    #[test]
    fn of_a_project_of_a_domain() {
        is_of("uploader@my-project.example.com.iam.gserviceaccount.com", "my-project.example.com");
    }

    #[test]
    fn of_a_sovereign_cloud() {
        is_of("uploader@my-project.s3ns.iam.gserviceaccount.com", "my-project.s3ns");
    }

    #[test]
    fn of_app_engine() {
        is_of("my-project@appspot.gserviceaccount.com", "my-project");
    }

    #[test]
    fn of_app_engine_in_a_domain() {
        is_of("my-project.example.com@appspot.gserviceaccount.com", "my-project.example.com");
    }

    #[test]
    fn of_compute_engine() {
        is_of("123456789012-compute@developer.gserviceaccount.com", "123456789012");
    }

    #[test]
    fn of_the_apis() {
        is_of("123456789012@cloudservices.gserviceaccount.com", "123456789012");
    }

    #[test]
    fn of_cloud_build() {
        is_of("123456789012@cloudbuild.gserviceaccount.com", "123456789012");
    }

    #[test]
    fn service_agent() {
        is_of("service-123456789012@gcp-sa-pubsub.iam.gserviceaccount.com", "gcp-sa-pubsub");
    }

    #[test]
    fn service_agent_of_another_project() {
        is_of("service-123456789012@container-engine-robot.iam.gserviceaccount.com", "container-engine-robot");
    }

    #[test]
    fn empty() {
        is_wrong("", "is empty; write a value, or remove it");
    }

    #[test]
    fn line_break_at_the_end() {
        is_wrong("uploader@my-project.iam.gserviceaccount.com\n", "contains a space or a line break; remove it");
    }

    #[test]
    fn leading_blank() {
        is_wrong(" uploader@my-project.iam.gserviceaccount.com", "contains a space or a line break; remove it");
    }

    #[test]
    fn quotes() {
        is_wrong("'uploader@my-project.iam.gserviceaccount.com'", "has quotes as part of the value; remove them");
    }

    #[test]
    fn placeholder() {
        is_wrong(
            "uploader@${PROJECT_ID}.iam.gserviceaccount.com",
            "has a placeholder that was not replaced; write the value it stands for",
        );
    }

    // https://github.com/google-github-actions/get-secretmanager-secrets/issues/151
    #[test]
    fn member_of_a_policy() {
        is_wrong(
            "serviceAccount:uploader@my-project.iam.gserviceaccount.com",
            "begins with `serviceAccount:`, the form of members in IAM policies; write only the email address",
        );
    }

    #[test]
    fn member_in_another_case() {
        is_wrong(
            "serviceaccount:uploader@my-project.iam.gserviceaccount.com",
            "begins with `serviceaccount:`, the form of members in IAM policies; write only the email address",
        );
    }

    #[test]
    fn principal() {
        is_wrong(
            "principal://iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/subject/s",
            "begins with `principal:`, the form of members in IAM policies; write only the email address",
        );
    }

    #[test]
    fn workload() {
        is_wrong(
            "my-project.svc.id.goog[shop/uploader]",
            "names a Kubernetes ServiceAccount, as IAM policies do; write the email address of the Google service account",
        );
    }

    #[test]
    fn workload_as_a_member() {
        is_wrong(
            "serviceAccount:my-project.svc.id.goog[shop/uploader]",
            "names a Kubernetes ServiceAccount, as IAM policies do; write the email address of the Google service account",
        );
    }

    #[test]
    fn resource() {
        is_wrong(
            "projects/-/serviceAccounts/uploader@my-project.iam.gserviceaccount.com",
            "is a resource name; write only the email address",
        );
    }

    #[test]
    fn full_resource() {
        is_wrong(
            "//iam.googleapis.com/projects/-/serviceAccounts/uploader@my-project.iam.gserviceaccount.com",
            "is a resource name; write only the email address",
        );
    }

    #[test]
    fn unique_id() {
        is_wrong("103456789012345678901", "is a number; write the email address");
    }

    #[test]
    fn name_alone() {
        is_wrong("uploader", "is not a valid email address; write <name>@<project>.iam.gserviceaccount.com");
    }

    #[test]
    fn arn_of_a_role() {
        is_wrong(
            "arn:aws:iam::123456789012:user",
            "is not a valid email address; write <name>@<project>.iam.gserviceaccount.com",
        );
    }

    #[test]
    fn suffix_twice() {
        is_wrong(
            "uploader@my-project.iam.gserviceaccount.com@my-project.iam.gserviceaccount.com",
            "has two @ characters; write one email address",
        );
    }

    #[test]
    fn domain_twice() {
        is_wrong(
            "uploader@my-project.iam.gserviceaccount.com.iam.gserviceaccount.com",
            "has .iam.gserviceaccount.com twice; write it once",
        );
    }

    #[test]
    fn upper_case() {
        is_wrong("Uploader@my-project.iam.gserviceaccount.com", "has upper-case letters; write it in lower case");
    }

    #[test]
    fn upper_case_in_the_domain() {
        is_wrong("uploader@my-project.iam.gserviceaccount.COM", "has upper-case letters; write it in lower case");
    }

    #[test]
    fn underscore() {
        is_wrong(
            "up_loader@my-project.iam.gserviceaccount.com",
            "has `_`, which is not allowed in the email address of a service account",
        );
    }

    #[test]
    fn letter_of_another_script() {
        is_wrong(
            "uplоader@my-project.iam.gserviceaccount.com",
            "has `о`, which is not allowed in the email address of a service account",
        );
    }

    #[test]
    fn two_accounts() {
        is_wrong(
            "uploader@my-project.iam.gserviceaccount.com,other",
            "has `,`, which is not allowed in the email address of a service account",
        );
    }

    #[test]
    fn project_of_a_domain_as_gcloud_writes_it() {
        is_wrong(
            "uploader@example.com:my-project.iam.gserviceaccount.com",
            "has a colon after the @; in email addresses, the project example.com:my-project is my-project.example.com",
        );
    }

    #[test]
    fn user() {
        is_wrong("alice@example.com", "ends with `example.com`, must end with .iam.gserviceaccount.com");
    }

    #[test]
    fn plural() {
        is_wrong(
            "uploader@my-project.iam.gserviceaccounts.com",
            "ends with `my-project.iam.gserviceaccounts.com`, must end with .iam.gserviceaccount.com",
        );
    }

    #[test]
    fn dot_at_the_end() {
        assert!(GcpServiceAccount::try_from("uploader@my-project.iam.gserviceaccount.com.").is_err());
    }

    #[test]
    fn project_alone() {
        is_wrong("uploader@my-project", "ends with `my-project`, must end with .iam.gserviceaccount.com");
    }

    #[test]
    fn without_iam() {
        is_wrong("uploader@my-project.gserviceaccount.com", "has no .iam before .gserviceaccount.com");
    }

    #[test]
    fn without_a_project() {
        is_wrong("uploader@iam.gserviceaccount.com", "has no project between the @ and iam.gserviceaccount.com");
    }

    #[test]
    fn number_of_a_project() {
        is_wrong(
            "uploader@123456789012.iam.gserviceaccount.com",
            "has the project number `123456789012` in place of the project ID",
        );
    }

    #[test]
    fn short_project() {
        is_wrong("uploader@shop.iam.gserviceaccount.com", &format!("project ID is `shop`, {NAME_WORDS}"));
    }

    #[test]
    fn short_name() {
        is_wrong("app@my-project.iam.gserviceaccount.com", &format!("name is `app`, {NAME_WORDS}"));
    }

    #[test]
    fn name_with_a_dot() {
        is_wrong("up.loader@my-project.iam.gserviceaccount.com", &format!("name is `up.loader`, {NAME_WORDS}"));
    }

    #[test]
    fn long_name() {
        let name = "a".repeat(31);
        is_wrong(&format!("{name}@my-project.iam.gserviceaccount.com"), &format!("name is `{name}`, {NAME_WORDS}"));
    }

    #[test]
    fn no_name() {
        is_wrong("@my-project.iam.gserviceaccount.com", &format!("name is ``, {NAME_WORDS}"));
    }

    #[test]
    fn name_where_google_has_numbers() {
        is_wrong(
            "uploader@developer.gserviceaccount.com",
            "is not an account that Google creates; these are <project>@appspot, <number>-compute@developer and <number>@cloudservices",
        );
    }
}
