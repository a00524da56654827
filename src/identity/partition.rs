// SPDX-License-Identifier: Apache-2.0
//! Partitions of AWS.

use std::fmt;
use std::str::FromStr;

use super::role_arn_error::RoleArnError;
use crate::matching::closest;

/// A part of AWS with its own accounts and its own IAM.
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference-arns.html>
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Partition(&'static str);

impl Partition {
    /// All partitions: the three in the documentation, then those that the SDKs know.
    /// <https://github.com/boto/botocore/blob/develop/botocore/data/partitions.json>
    pub const ALL: &'static [&'static str] =
        &["aws", "aws-cn", "aws-us-gov", "aws-iso", "aws-iso-b", "aws-iso-e", "aws-iso-f", "aws-eusc"];

    /// The partition's name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.0
    }
}

impl FromStr for Partition {
    type Err = RoleArnError;

    fn from_str(text: &str) -> Result<Self, RoleArnError> {
        if let Some(known) = Self::ALL.iter().find(|known| **known == text) {
            return Ok(Self(known));
        }
        if text.is_empty() {
            return Err(RoleArnError::NoPartition);
        }
        let partition = text.to_owned();
        Err(match closest::closest_match(text, Self::ALL.iter().copied()) {
            Some(meant) => RoleArnError::SimilarPartition { partition, meant },
            None => RoleArnError::UnknownPartition { partition },
        })
    }
}

impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn role_arn_error(text: &str) -> String {
        text.parse::<Partition>().unwrap_err().to_string()
    }

    #[test]
    fn accepts_all() {
        for name in Partition::ALL {
            assert_eq!(name.parse::<Partition>().unwrap().to_string(), *name);
        }
        assert_eq!(Partition::ALL.len(), 8);
    }

    #[test]
    fn message_lists_all() {
        assert_eq!(role_arn_error("gcp"), format!("unknown partition `gcp`; use one of {}", Partition::ALL.join(", ")));
    }

    #[test]
    fn upper_case() {
        assert_eq!(role_arn_error("AWS"), "unknown partition `AWS`; did you mean `aws`?");
    }

    #[test]
    fn government_without_its_country() {
        assert_eq!(role_arn_error("aws-gov"), "unknown partition `aws-gov`; did you mean `aws-us-gov`?");
    }

    #[test]
    fn without_the_dash() {
        assert_eq!(role_arn_error("awscn"), "unknown partition `awscn`; did you mean `aws-cn`?");
    }

    #[test]
    fn none() {
        assert_eq!(role_arn_error(""), "has no partition after arn:, such as aws");
    }
}
