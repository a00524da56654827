// SPDX-License-Identifier: Apache-2.0
//! Patterns of roles. They are compared part by part, so that no part of a
//! pattern can match more than one part of a role, and no name that a user
//! chooses is ever read as a pattern.

use crate::diagnostic::escaped::Escaped;
use crate::fast::cut;
use crate::identity::role_arn::fields;
use crate::identity::role_path::{named, takes};
use crate::identity::{AccountId, Partition, RoleArn, RoleArnError};
use crate::matching::glob::{self, validate_pattern};
use crate::object::view::Text;
use crate::settings::reader::unknown;

/// Who gets a role.
#[derive(Debug, Clone, Copy)]
pub struct Holder<'s> {
    /// The namespace.
    pub namespace: &'s str,
    /// The ServiceAccount; empty if the API server has not named it yet.
    pub account: &'s str,
}

/// A pattern of roles. One that begins with `arn:` is compared with the whole
/// ARN, field by field; any other with the part after `role/`, segment by
/// segment. `*` stays within a field or segment; `{namespace}` and
/// `{serviceAccount}` stand for the names of the holder.
#[derive(Debug)]
pub struct RolePattern<'a>(Text<'a>);

const PLACEHOLDERS: [&str; 2] = ["namespace", "serviceAccount"];

impl<'a> RolePattern<'a> {
    /// Any text; the settings reject those with a [`problem`].
    #[must_use]
    pub const fn new(text: Text<'a>) -> Self {
        Self(text)
    }

    /// The pattern as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this holder may have this role.
    #[must_use]
    pub fn allows(&self, arn: &RoleArn, holder: Holder<'_>) -> bool {
        let Some(rest) = self.0.strip_prefix("arn:") else { return allows_role(&self.0, arn, holder) };
        let ([partition, service, region, account, resource], _) = fields(rest);
        glob::matches(partition, arn.partition.as_str())
            && (service, region) == ("iam", "")
            && glob::matches(account, arn.account.as_str())
            && resource.strip_prefix("role/").is_some_and(|pattern| allows_role(pattern, arn, holder))
    }
}

fn allows_role(pattern: &str, arn: &RoleArn, holder: Holder<'_>) -> bool {
    let mut segments = arn.role.segments();
    let covered =
        cut::all(pattern, b'/').all(|pattern| segments.next().is_some_and(|segment| covers(pattern, segment, holder)));
    covered && segments.next().is_none()
}

fn covers(pattern: &str, segment: &str, holder: Holder<'_>) -> bool {
    let Some((before, rest)) = cut::once(pattern, b'{') else { return glob::matches(pattern, segment) };
    let Some((placeholder, after)) = cut::once(rest, b'}') else { return false };
    let name = match placeholder {
        "namespace" => holder.namespace,
        "serviceAccount" => holder.account,
        _ => return false,
    };
    // Compared as text, whatever the name contains. A name that the API server
    // has not generated yet is empty and matches nothing.
    !name.is_empty() && segment.strip_prefix(before).and_then(|rest| rest.strip_suffix(after)) == Some(name)
}

const ALPHABET: &str =
    "besides letters, digits and + = , . @ _ - a pattern can contain *, {namespace} and {serviceAccount}";
const TWO_STARS: &str =
    "has **, but * does not match a slash; write one pattern for each depth, e.g. team/* and team/*/*";
const NO_ARN: &str =
    "must be arn:<partition>:iam::<account>:role/<name>, in which parts can contain *, or only the part after role/";
const EMPTY_PART: &str = "has nothing, . or .. between two slashes; a path ends with a name, e.g. team/*";
// Names of namespaces and accounts can begin or end like others: with these
// patterns, the roles of team-a would be within reach of team, or of a.
const TWO_PLACEHOLDERS: &str = "has two placeholders in one segment, so that one account could have a role of another; put / between them, e.g. {namespace}/{serviceAccount}";
const STAR_AND_PLACEHOLDER: &str = "has * and a placeholder in one segment, so that team could have a role of team-a; put / between them, e.g. {namespace}/*";

/// The problem with a pattern, if any. A valid pattern is scanned only once:
/// there may be hundreds.
#[must_use]
pub fn problem(pattern: &str) -> Option<String> {
    check(pattern).err().map(|problem| validate_pattern(pattern).unwrap_or(problem))
}

fn check(pattern: &str) -> Result<(), String> {
    let Some(rest) = pattern.strip_prefix("arn:") else {
        if pattern.starts_with("role/") {
            return Err("begins with role/; omit that, or write the whole ARN".to_owned());
        }
        return check_segments(pattern);
    };
    if rest.contains("**") {
        return Err(TWO_STARS.to_owned());
    }
    let ([partition, service, region, account, resource], _) = fields(rest);
    let role = resource.strip_prefix("role/");
    let (("iam", ""), Some(role)) = ((service, region), role) else { return Err(NO_ARN.to_owned()) };
    if !partition.contains('*') {
        partition.parse::<Partition>().map_err(|error| error.to_string())?;
    } else if !partition.bytes().all(|byte| byte.is_ascii_lowercase() || matches!(byte, b'-' | b'*')) {
        return Err(RoleArnError::UnknownPartition { partition: partition.to_owned() }.to_string());
    }
    if !account.contains('*') {
        account.parse::<AccountId>().map_err(|error| error.to_string())?;
    } else if !account.bytes().all(|byte| byte.is_ascii_digit() || byte == b'*') {
        return Err(RoleArnError::AccountLetters { account: account.to_owned() }.to_string());
    }
    check_segments(role)
}

fn check_segments(mut role: &str) -> Result<(), String> {
    while let Some(behind) = check_segment(role)? {
        role = behind;
    }
    Ok(())
}

/// Checks the first segment; returns the part after its slash, if it has one.
fn check_segment(role: &str) -> Result<Option<&str>, String> {
    let (mut placeholders, mut has_star) = (0_usize, false);
    let mut rest = role;
    let behind = loop {
        let literal = rest.bytes().position(|byte| !takes(char::from(byte))).unwrap_or(rest.len());
        let mut next = rest.get(literal..).unwrap_or_default().chars();
        let found = next.next();
        rest = next.as_str();
        match found {
            None => break None,
            Some('/') => break Some(rest),
            Some('*') if rest.starts_with('*') => return Err(TWO_STARS.to_owned()),
            Some('*') => has_star = true,
            Some('{') => {
                let Some((placeholder, after)) = cut::once(rest, b'}') else {
                    return Err("has { without }".to_owned());
                };
                if !PLACEHOLDERS.contains(&placeholder) {
                    return Err(unknown(placeholder, "placeholder", &PLACEHOLDERS));
                }
                placeholders += 1;
                rest = after;
            }
            Some(other) => {
                return Err(format!("has {}, which patterns cannot have; {ALPHABET}", Escaped::new(&named(other))));
            }
        }
    };
    let segment = role.len() - behind.map_or(0, |behind| behind.len() + 1);
    match (role.get(..segment).unwrap_or_default(), placeholders, has_star) {
        ("" | "." | "..", ..) => Err(EMPTY_PART.to_owned()),
        (_, 2.., _) => Err(TWO_PLACEHOLDERS.to_owned()),
        (_, 1, true) => Err(STAR_AND_PLACEHOLDER.to_owned()),
        _ => Ok(behind),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    const HOLDER: Holder<'static> = Holder { namespace: "team", account: "app" };

    fn allows(pattern: &str, role: &str) -> bool {
        assert_eq!(problem(pattern), None, "{pattern}");
        let arn =
            if role.starts_with("arn:") { role.to_owned() } else { format!("arn:aws:iam::123456789012:role/{role}") };
        RolePattern::new(pattern.into()).allows(&arn.parse().unwrap(), HOLDER)
    }

    #[rstest]
    #[case("s3-upload", "s3-upload")]
    #[case("s3-*", "s3-upload")]
    #[case("*", "s3-upload")]
    #[case("*-upload", "s3-upload")]
    #[case("s3*", "s3")]
    #[case("team-a/*", "team-a/s3")]
    #[case("*/*/s3", "x/y/s3")]
    #[case("{namespace}", "team")]
    #[case("{namespace}/{serviceAccount}", "team/app")]
    #[case("k8s/{namespace}/*", "k8s/team/anything")]
    #[case("eks-{namespace}-role", "eks-team-role")]
    #[case("arn:aws:iam::123456789012:role/s3", "s3")]
    #[case("arn:*:iam::*:role/*", "s3")]
    #[case("arn:aws*:iam::1234*:role/{namespace}/*", "team/s3")]
    #[case("arn:aws-cn:iam::*:role/x", "arn:aws-cn:iam::210987654321:role/x")]
    fn covered(#[case] pattern: &str, #[case] role: &str) {
        assert!(allows(pattern, role));
    }

    /// Attempts to get around a pattern.
    #[rstest]
    // More or less text before, after and in between.
    #[case("s3-upload", "s3-upload-admin")]
    #[case("s3-upload", "my-s3-upload")]
    #[case("s3-upload", "team/s3-upload")]
    #[case("s3-*", "admin/s3-upload")]
    #[case("*", "admin/s3-upload")]
    #[case("team-a/*", "team-a/admin/s3")]
    #[case("team-a/*", "team-a")]
    #[case("team-a/*", "team-ab/s3")]
    #[case("team-a/*", "x/team-a/s3")]
    #[case("*/s3", "s3")]
    // Case.
    #[case("team-a/*", "Team-A/s3")]
    #[case("s3-upload", "S3-Upload")]
    // A namespace whose name is the beginning or the end of another.
    #[case("{namespace}", "team-a")]
    #[case("{namespace}/*", "team-a/s3")]
    #[case("{namespace}/*", "a-team/s3")]
    #[case("{namespace}-role", "team-a-role")]
    #[case("eks-{namespace}", "eks-a-team")]
    #[case("eks-{namespace}", "eks-team-a")]
    // A name in place of another.
    #[case("{namespace}/{serviceAccount}", "app/team")]
    #[case("{namespace}/{serviceAccount}", "team/team")]
    #[case("{namespace}/{serviceAccount}", "team/app/x")]
    #[case("{namespace}/{serviceAccount}", "team")]
    // Fields of the ARN.
    #[case("arn:aws:iam::123456789012:role/x", "arn:aws-cn:iam::123456789012:role/x")]
    #[case("arn:aws:iam::123456789012:role/x", "arn:aws:iam::123456789013:role/x")]
    #[case("arn:aws:iam::1234*:role/x", "arn:aws:iam::912341234123:role/x")]
    #[case("arn:aws:iam::*:role/x", "arn:aws:iam::123456789012:role/a/x")]
    #[case("arn:*:iam::123456789012:role/*", "arn:aws:iam::210987654321:role/x")]
    fn not_covered(#[case] pattern: &str, #[case] role: &str) {
        assert!(!allows(pattern, role));
    }

    /// No API server accepts such names, but nothing here relies on that.
    #[rstest]
    #[case("*", "app")]
    #[case("t*", "app")]
    #[case("?", "app")]
    #[case("{serviceAccount}", "app")]
    #[case("{namespace}", "app")]
    #[case("", "app")]
    #[case("team/app", "")]
    #[case("team", "*")]
    #[case("team", "{namespace}")]
    #[case("team", "")]
    #[case("TEAM", "app")]
    fn names_are_never_patterns(#[case] namespace: &str, #[case] account: &str) {
        let pattern = RolePattern::new("{namespace}/{serviceAccount}".into());
        let holder = Holder { namespace, account };
        assert!(!pattern.allows(&"arn:aws:iam::123456789012:role/team/app".parse().unwrap(), holder));
        let by_account = RolePattern::new("x{serviceAccount}".into());
        let nameless = Holder { namespace: "team", account: "" };
        assert!(!by_account.allows(&"arn:aws:iam::123456789012:role/x".parse().unwrap(), nameless));
    }

    fn bad(character: &str) -> String {
        format!("has `{character}`, which patterns cannot have; {ALPHABET}")
    }

    #[rstest]
    #[case("", "is empty; remove it, or write what it is to match")]
    #[case("a b", "has a blank or control character, so it cannot match anything (a b)")]
    #[case("**", TWO_STARS)]
    #[case("team/**", TWO_STARS)]
    #[case("x**y/a", TWO_STARS)]
    #[case("arn:aws:iam::*:role/**", TWO_STARS)]
    #[case("arn:aws**:iam::*:role/x", TWO_STARS)]
    #[case("arn:aws:iam::**:role/x", TWO_STARS)]
    #[case("a/.", EMPTY_PART)]
    #[case("a//b", EMPTY_PART)]
    #[case("*/{namespace}/a b", "has a blank or control character, so it cannot match anything (*/{namespace}/a b)")]
    #[case("*/{namespace}/a%", &bad("%"))]
    #[case("x-{namespace}{namespace}", TWO_PLACEHOLDERS)]
    #[case("{serviceAccount}*", STAR_AND_PLACEHOLDER)]
    #[case("role/x", "begins with role/; omit that, or write the whole ARN")]
    #[case("/x", EMPTY_PART)]
    #[case("team/", EMPTY_PART)]
    #[case("a/../b", EMPTY_PART)]
    #[case("{namespace", "has { without }")]
    #[case("{name}", "unknown placeholder `name`, must be one of namespace, serviceAccount")]
    #[case("{Namespace}", "unknown placeholder `Namespace`; did you mean `namespace`?")]
    #[case("{service-account}", "unknown placeholder `service-account`; did you mean `serviceAccount`?")]
    #[case("{}", "unknown placeholder ``, must be one of namespace, serviceAccount")]
    #[case("{{namespace}}", "unknown placeholder `{namespace`; did you mean `namespace`?")]
    #[case("namespace}", &bad("}"))]
    #[case("s3-?", &bad("?"))]
    #[case("[ab]", &bad("["))]
    #[case("%2F", &bad("%"))]
    #[case("123456789012:role/x", &bad(":"))]
    #[case("x\u{200b}", &format!("has `\\u{{200b}}` (U+200B), which patterns cannot have; {ALPHABET}"))]
    #[case("{namespace}-{serviceAccount}", TWO_PLACEHOLDERS)]
    #[case("{namespace}-*", STAR_AND_PLACEHOLDER)]
    #[case("*-{namespace}", STAR_AND_PLACEHOLDER)]
    #[case("arn:aws:iam::123456789012:*", NO_ARN)]
    #[case("arn:aws:*", NO_ARN)]
    #[case("arn:aws:*::123456789012:role/x", NO_ARN)]
    #[case("arn:aws:iam:*:123456789012:role/x", NO_ARN)]
    #[case("arn:aws:iam::123456789012:user/x", NO_ARN)]
    #[case("arn:aws-gov:iam::123456789012:role/x", "unknown partition `aws-gov`; did you mean `aws-us-gov`?")]
    #[case(
        "arn:{namespace}*:iam::123456789012:role/x",
        "unknown partition `{namespace}*`; use one of aws, aws-cn, aws-us-gov, aws-iso, aws-iso-b, aws-iso-e, aws-iso-f, aws-eusc"
    )]
    #[case("arn:aws:iam::123456789:role/x", "account ID has 9 digits, must have 12")]
    #[case("arn:aws:iam::{namespace}:role/x", "account ID is `{namespace}`, must be 12 digits")]
    #[case("arn:aws:iam::12a*:role/x", "account ID is `12a*`, must be 12 digits")]
    #[case("arn:aws:iam::*:role/", EMPTY_PART)]
    #[case("arn:aws:iam::*:role/{namespace}*", STAR_AND_PLACEHOLDER)]
    fn problems(#[case] pattern: &str, #[case] expected: &str) {
        assert_eq!(problem(pattern).as_deref(), Some(expected));
    }
}
