// SPDX-License-Identifier: Apache-2.0
//! Projects of Google Cloud.

use std::fmt;
use std::str::FromStr;

use super::flaw::Flaw;
use crate::engine::finding::Wording;
use crate::settings::dns;

/// Not an id.
pub static PROJECT_ID: Wording = Wording {
    name: "project-id",
    template: "project id is {}, must have 6 to 30 lower-case letters, digits and dashes, begin with a letter and end with none ({})",
};
/// A number where an id belongs.
pub static PROJECT_NUMBER: Wording =
    Wording { name: "project-number", template: "has the number of a project, {}, where its id belongs ({})" };
/// What follows the id, in the e-mail of a project that belongs to a domain.
pub static DOMAIN: Wording =
    Wording { name: "domain", template: "has {} behind the project id, which is no domain ({})" };
/// A template that appends what was there already.
pub static DOUBLED: Wording =
    Wording { name: "doubled", template: "has .iam.gserviceaccount.com twice; write it once ({})" };

/// A project as e-mails of service accounts name it: its id, and behind a dot
/// the domain that it belongs to, if any. Of some accounts that Google makes
/// only the project's number is known.
/// <https://cloud.google.com/resource-manager/docs/creating-managing-projects>
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GcpProject(String);

impl GcpProject {
    /// The project by its number.
    #[must_use]
    pub fn numbered(number: &str) -> Option<Self> {
        is_number(number).then(|| Self(number.to_owned()))
    }

    /// The project in the e-mail of an account: `id`, or `id.example.com` for
    /// `example.com:id`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn in_email(text: &str) -> Result<Self, Flaw> {
        let (id, domain) = text.split_once('.').map_or((text, None), |(id, domain)| (id, Some(domain)));
        if is_number(id) {
            return Err(Flaw::naming(&PROJECT_NUMBER, id.to_owned()));
        }
        if !is_id(id) && !is_googles(id) {
            return Err(Flaw::naming(&PROJECT_ID, id.to_owned()));
        }
        match domain {
            Some(domain) if domain.contains("gserviceaccount") => Err(Flaw::new(&DOUBLED)),
            Some(domain) if !dns::is_subdomain(domain) => Err(Flaw::naming(&DOMAIN, [".", domain].concat())),
            _ => Ok(Self(text.to_owned())),
        }
    }

    /// The project.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// As `gcloud` writes it: an id, `example.com:id`, or a number. `id.example.com`
/// is fine too.
impl FromStr for GcpProject {
    type Err = Flaw;

    fn from_str(text: &str) -> Result<Self, Flaw> {
        Flaw::in_general(text)?;
        match text.split_once(':') {
            None => Self::numbered(text).map_or_else(|| Self::in_email(text), Ok),
            Some((domain, id)) if id.contains('.') => Err(Flaw::naming(&PROJECT_ID, [domain, ":", id].concat())),
            Some((domain, id)) => Self::in_email(&[id, ".", domain].concat()),
        }
    }
}

impl fmt::Display for GcpProject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The grammar that project ids and the names of service accounts share.
/// <https://cloud.google.com/iam/docs/reference/rest/v1/projects.serviceAccounts/create>
#[must_use]
pub fn is_id(text: &str) -> bool {
    (6..=30).contains(&text.len()) && has_shape(text)
}

/// The projects of Google's own service agents keep to no length.
/// <https://cloud.google.com/iam/docs/service-agents>
fn is_googles(text: &str) -> bool {
    text.starts_with("gcp-sa-") && text.len() <= 63 && has_shape(text)
}

fn has_shape(text: &str) -> bool {
    dns::is_label(text) && text.starts_with(|c: char| c.is_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn is(text: &str, project: &str) {
        assert_eq!(text.parse::<GcpProject>().unwrap().to_string(), project);
    }

    #[track_caller]
    fn is_wrong(text: &str, words: &str) {
        assert_eq!(text.parse::<GcpProject>().unwrap_err().to_string(), words);
    }

    #[test]
    fn an_id() {
        is("my-project-1", "my-project-1");
    }

    #[test]
    fn a_number() {
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
            "project id is abcde, must have 6 to 30 lower-case letters, digits and dashes, begin with a letter and end with none",
        );
    }

    #[test]
    fn thirty_one_characters() {
        assert!("a".repeat(31).parse::<GcpProject>().is_err());
    }

    #[test]
    fn of_a_service_agent() {
        is("gcp-sa-an-uncommonly-long-name-of-a-product", "gcp-sa-an-uncommonly-long-name-of-a-product");
    }

    #[test]
    fn upper_case() {
        assert!("My-project".parse::<GcpProject>().is_err());
    }

    #[test]
    fn a_dash_at_the_end() {
        assert!("my-project-".parse::<GcpProject>().is_err());
    }

    #[test]
    fn a_digit_at_the_beginning() {
        assert!("1-my-project".parse::<GcpProject>().is_err());
    }

    #[test]
    fn nothing() {
        is_wrong("", "is empty; write a value, or remove it");
    }

    #[test]
    fn a_wildcard() {
        assert!("my-project-*".parse::<GcpProject>().is_err());
    }

    #[test]
    fn two_colons() {
        assert!("a:b:my-project".parse::<GcpProject>().is_err());
    }

    #[test]
    fn a_domain_on_both_sides() {
        is_wrong(
            "a.com:my-project.b.com",
            "project id is a.com:my-project.b.com, must have 6 to 30 lower-case letters, digits and dashes, begin with a letter and end with none",
        );
    }

    #[test]
    fn a_domain_that_is_none() {
        is_wrong("my-project.-x", "has .-x behind the project id, which is no domain");
    }

    #[test]
    fn a_dot_at_the_end() {
        is_wrong("my-project.", "has . behind the project id, which is no domain");
    }
}
