// SPDX-License-Identifier: Apache-2.0
//! ARNs of roles.

use std::fmt;
use std::str::FromStr;

use super::account_id::AccountId;
use super::partition::Partition;
use super::role_arn_error::RoleArnError;
use super::role_path::RolePath;
use super::suspicious_char::SuspiciousChar;
use crate::matching::closest;

/// The ARN of a role: `arn:aws:iam::123456789012:role/team-a/s3-upload-role`.
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html#identifiers-arns>
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleArn {
    /// The partition.
    pub partition: Partition,
    /// The account.
    pub account: AccountId,
    /// The name, with its path.
    pub role: RolePath,
}

/// The other IAM resources with ARNs. Two more have messages of their own.
/// <https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsidentityandaccessmanagementiam.html#awsidentityandaccessmanagementiam-resources-for-iam-policies>
const OTHER_KINDS: [&str; 10] = [
    "user",
    "group",
    "policy",
    "root",
    "saml-provider",
    "oidc-provider",
    "mfa",
    "server-certificate",
    "federated-user",
    "access-report",
];

impl RoleArn {
    /// Reads an ARN whose role may have any path that IAM accepts. Otherwise
    /// like [`RoleArn::parse`].
    ///
    /// # Errors
    /// Those of [`RoleArn::parse`].
    pub fn parse_any_path(text: &str) -> Result<Self, Vec<RoleArnError>> {
        Self::parse(text).or_else(|errors| Self::of_any_path(text).ok_or(errors))
    }

    fn of_any_path(text: &str) -> Option<Self> {
        let ([partition, service, region, account, resource], _) = fields(text.strip_prefix("arn:")?);
        let role = RolePath::of_any_path(resource.strip_prefix("role/")?)?;
        let (partition, account) = (partition.parse().ok()?, account.parse().ok()?);
        ((service, region) == ("iam", "")).then_some(Self { partition, account, role })
    }

    /// Reads an ARN.
    ///
    /// # Errors
    /// The first problem with the text as a whole, or else the problems with its parts.
    pub fn parse(text: &str) -> Result<Self, Vec<RoleArnError>> {
        let (fields, count) = fields(after_arn(text).map_err(|error| vec![error])?);
        let [partition, service, region, account, resource] = fields;
        // Not the ARN of a role, but clearly intended as one.
        if service == "iam" && is_role(account) {
            if region.is_empty() {
                return Err(vec![RoleArnError::NoAccount]);
            }
            if region.bytes().all(|byte| byte.is_ascii_digit()) {
                return Err(vec![RoleArnError::OneColon]);
            }
        }
        if count < fields.len() {
            let unparted = partition == "iam" && is_role(account);
            return Err(vec![if unparted { RoleArnError::NoPartition } else { RoleArnError::Incomplete }]);
        }
        let mut errors = Vec::new();
        let partition = note(partition.parse::<Partition>(), &mut errors);
        let is_session = service == "sts" && resource.starts_with("assumed-role/");
        if service != "iam" && !is_session {
            errors.push(RoleArnError::Service { service: service.to_owned() });
        }
        if !region.is_empty() {
            errors.push(RoleArnError::Region { region: region.to_owned() });
        }
        let account = note(account.parse::<AccountId>(), &mut errors);
        let role = note(role(resource), &mut errors);
        match (partition, account, role) {
            (Some(partition), Some(account), Some(role)) if errors.is_empty() => Ok(Self { partition, account, role }),
            _ => Err(errors),
        }
    }
}

/// The fields after `arn:`, and their number: partition, service, region,
/// account, and the resource, which may contain colons. Missing fields are
/// empty.
#[must_use]
pub fn fields(rest: &str) -> ([&str; 5], usize) {
    let mut fields = [""; 5];
    let mut count = 0;
    for (slot, field) in fields.iter_mut().zip(rest.splitn(5, ':')) {
        *slot = field;
        count += 1;
    }
    (fields, count)
}

/// The text after `arn:`, if the text as a whole could be an ARN.
fn after_arn(text: &str) -> Result<&str, RoleArnError> {
    if text.is_empty() {
        return Err(RoleArnError::Empty);
    }
    if let Some(suspicious_char) = SuspiciousChar::most_telling(text) {
        return Err(match suspicious_char {
            SuspiciousChar::LineBreak => RoleArnError::LineBreak,
            SuspiciousChar::Blank if text.trim() != text => RoleArnError::OuterBlank,
            SuspiciousChar::Blank => RoleArnError::InnerBlank,
            SuspiciousChar::Quote => RoleArnError::Quoted,
            SuspiciousChar::Placeholder => RoleArnError::Unfilled,
            SuspiciousChar::Percent => RoleArnError::PercentEncoded,
        });
    }
    let Some(rest) = text.strip_prefix("arn:") else {
        return Err(match text.split_once(':') {
            Some((scheme, _)) if scheme.eq_ignore_ascii_case("arn") => RoleArnError::UpperCase,
            Some(_) => RoleArnError::NotArn,
            None => RoleArnError::BareName,
        });
    };
    // Another `arn:` at the start of a field or of a segment of the path.
    let (fields, _) = rest.rsplit_once(':').unwrap_or_default();
    if fields.split(':').any(|field| field.rsplit('/').next() == Some("arn")) {
        return Err(RoleArnError::Nested);
    }
    Ok(rest)
}

/// Whether a role is in the place of an account.
fn is_role(field: &str) -> bool {
    field == "role" || field.starts_with("role/")
}

fn role(resource: &str) -> Result<RolePath, RoleArnError> {
    if let Some(path) = resource.strip_prefix("role/") {
        return path.parse();
    }
    if resource.starts_with("role:role/") || resource.starts_with("role:role:") {
        return Err(RoleArnError::DoubledRole);
    }
    let kind = resource.split(['/', ':']).next().unwrap_or_default();
    let separator = resource.strip_prefix(kind).and_then(|rest| rest.chars().next());
    Err(match (kind, separator) {
        ("role", None) => RoleArnError::NoName,
        ("assumed-role", _) => RoleArnError::AssumedRole,
        ("instance-profile", _) => RoleArnError::InstanceProfile,
        _ if OTHER_KINDS.contains(&kind) => RoleArnError::OtherKind { kind: kind.to_owned() },
        (_, Some(separator)) if closest::closest_match(kind, ["role"]).is_some() => {
            let mut written = kind.to_owned();
            written.push(separator);
            RoleArnError::Misspelled { written }
        }
        _ => RoleArnError::NoRole,
    })
}

fn note<T>(part: Result<T, RoleArnError>, errors: &mut Vec<RoleArnError>) -> Option<T> {
    part.map_err(|error| errors.push(error)).ok()
}

impl FromStr for RoleArn {
    type Err = RoleArnError;

    /// Like [`RoleArn::parse`], but with only the first error.
    fn from_str(text: &str) -> Result<Self, RoleArnError> {
        Self::parse(text).map_err(|errors| errors.into_iter().next().unwrap_or(RoleArnError::NotArn))
    }
}

impl fmt::Display for RoleArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "arn:{}:iam::{}:role/{}", self.partition, self.account, self.role)
    }
}

#[cfg(test)]
mod tests;
