// SPDX-License-Identifier: Apache-2.0
//! Projects of Google Cloud.

use std::fmt;

use super::error::{IdentityError, split};
use crate::matching::dns;
use crate::messages;

messages! {
    /// Not an ID.
    PROJECT_ID:
        "project ID is `{}`, must have 6 to 30 lower-case letters, digits and dashes, begin with a letter and not end with a dash";
    /// A number where an ID belongs.
    PROJECT_NUMBER: "has the project number `{}` in place of the project ID";
    /// The text after the ID, in the email address of a project that belongs to a domain.
    DOMAIN: "project ID `{}` is followed by something that is not a valid domain";
    /// A template that appends a suffix that is there already.
    DOUBLED: "has .iam.gserviceaccount.com twice", help: "write it once";
}

/// A project: its ID, and the domain that it belongs to, if any. For some
/// accounts that Google creates, only the project's number is known.
/// <https://cloud.google.com/resource-manager/docs/creating-managing-projects>
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GcpProject<'t> {
    id: &'t str,
    domain: &'t str,
}

impl<'t> GcpProject<'t> {
    /// The project with this number.
    #[must_use]
    pub fn numbered(id: &'t str) -> Option<Self> {
        is_number(id).then_some(Self { id, domain: "" })
    }

    /// The project in the email address of an account: `id`, or `id.example.com` for
    /// `example.com:id`.
    ///
    /// # Errors
    /// The problem with the text.
    #[inline(never)]
    pub fn in_email(text: &'t str) -> Result<Self, IdentityError<'t>> {
        match split(text, b'.') {
            None => Self::new(text, ""),
            Some((id, "")) => Err(IdentityError::of(id, &DOMAIN)),
            Some((id, domain)) => Self::new(id, domain),
        }
    }

    #[inline(never)]
    fn new(id: &'t str, domain: &'t str) -> Result<Self, IdentityError<'t>> {
        if is_number(id) {
            Err(IdentityError::of(id, &PROJECT_NUMBER))
        } else if !is_id(id) && !is_service_agent_project(id) {
            Err(IdentityError::of(id, &PROJECT_ID))
        } else if domain.ends_with("gserviceaccount.com") {
            Err(IdentityError::new(&DOUBLED))
        } else if !domain.is_empty() && !dns::is_subdomain(domain) {
            Err(IdentityError::of(id, &DOMAIN))
        } else {
            Ok(Self { id, domain })
        }
    }
}

/// As `gcloud` writes it: an ID, `example.com:id`, or a number. `id.example.com`
/// is accepted too.
impl<'t> TryFrom<&'t str> for GcpProject<'t> {
    type Error = IdentityError<'t>;

    fn try_from(text: &'t str) -> Result<Self, IdentityError<'t>> {
        IdentityError::in_general(text)?;
        match split(text, b':') {
            None => Self::numbered(text).map_or_else(|| Self::in_email(text), Ok),
            Some(("", id)) => Err(IdentityError::of(id, &DOMAIN)),
            Some((domain, id)) => Self::new(id, domain),
        }
    }
}

/// As it is written in email addresses.
impl fmt::Display for GcpProject<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id)?;
        f.write_str(if self.domain.is_empty() { "" } else { "." })?;
        f.write_str(self.domain)
    }
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The grammar of project IDs and of the names of service accounts.
/// <https://cloud.google.com/iam/docs/reference/rest/v1/projects.serviceAccounts/create>
#[must_use]
pub fn is_id(text: &str) -> bool {
    (6..=30).contains(&text.len()) && has_shape(text)
}

/// The projects of Google's own service agents do not follow the length limits.
/// <https://cloud.google.com/iam/docs/service-agents>
fn is_service_agent_project(text: &str) -> bool {
    text.starts_with("gcp-sa-") && has_shape(text)
}

fn has_shape(text: &str) -> bool {
    dns::is_label(text) && text.starts_with(|c: char| c.is_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn is(text: &str, project: &str) {
        assert_eq!(GcpProject::try_from(text).unwrap().to_string(), project);
    }

    #[track_caller]
    fn is_wrong(text: &str, words: &str) {
        assert_eq!(GcpProject::try_from(text).unwrap_err().to_string(), words);
    }

    #[test]
    fn id() {
        is("my-project-1", "my-project-1");
    }

    #[test]
    fn number() {
        is("123456789012", "123456789012");
    }

    #[test]
    fn of_a_domain_as_gcloud_writes_it() {
        is("example.com:my-project", "my-project.example.com");
    }

    #[test]
    fn of_a_domain_as_emails_write_it() {
        is("my-project.example.com", "my-project.example.com");
    }

    #[test]
    fn of_a_sovereign_cloud() {
        is("eu0:my-project", "my-project.eu0");
    }

    #[test]
    fn six_characters() {
        is("abcde1", "abcde1");
    }

    #[test]
    fn thirty_characters() {
        is(&"a".repeat(30), &"a".repeat(30));
    }

    #[test]
    fn five_characters() {
        is_wrong(
            "abcde",
            "project ID is `abcde`, must have 6 to 30 lower-case letters, digits and dashes, begin with a letter and not end with a dash",
        );
    }

    #[test]
    fn thirty_one_characters() {
        assert!(GcpProject::try_from(&*"a".repeat(31)).is_err());
    }

    #[test]
    fn of_a_service_agent() {
        is("gcp-sa-an-uncommonly-long-name-of-a-product", "gcp-sa-an-uncommonly-long-name-of-a-product");
    }

    #[test]
    fn upper_case() {
        assert!(GcpProject::try_from("My-project").is_err());
    }

    #[test]
    fn dash_at_the_end() {
        assert!(GcpProject::try_from("my-project-").is_err());
    }

    #[test]
    fn digit_at_the_beginning() {
        assert!(GcpProject::try_from("1-my-project").is_err());
    }

    #[test]
    fn nothing() {
        is_wrong("", "is empty; write a value, or remove it");
    }

    #[test]
    fn wildcard() {
        assert!(GcpProject::try_from("my-project-*").is_err());
    }

    #[test]
    fn two_colons() {
        assert!(GcpProject::try_from("a:b:my-project").is_err());
    }

    #[test]
    fn domain_on_both_sides() {
        is_wrong(
            "a.com:my-project.b.com",
            "project ID is `my-project.b.com`, must have 6 to 30 lower-case letters, digits and dashes, begin with a letter and not end with a dash",
        );
    }

    #[test]
    fn domain_that_is_none() {
        is_wrong("my-project.-x", "project ID `my-project` is followed by something that is not a valid domain");
    }

    #[test]
    fn dot_at_the_end() {
        is_wrong("my-project.", "project ID `my-project` is followed by something that is not a valid domain");
    }
}
