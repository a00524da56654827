// SPDX-License-Identifier: Apache-2.0
//! Names of roles.

use std::fmt;
use std::str::FromStr;

use super::role_arn_error::RoleArnError;
use crate::fast::cut;

/// The name of a role with its path, if it has one: the part after `role/` in
/// an ARN, such as `team-a/s3-upload-role`.
///
/// Names and paths allow the same characters. A name has at most 64 characters,
/// a path with its outer slashes at most 512.
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html#identifiers-friendly-names>
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html#reference_iam-quotas-names>
/// <https://docs.aws.amazon.com/IAM/latest/APIReference/API_Role.html>
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RolePath(String);

/// The maximum length of a name.
const NAME: usize = 64;

/// The maximum length of a path, slashes included.
const PATH: usize = 512;

/// The paths of roles that AWS creates for its own services and for its
/// sign-in. Their trust policies cannot be changed, so no ServiceAccount can
/// assume them.
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_create-service-linked-role.html>
/// <https://docs.aws.amazon.com/singlesignon/latest/userguide/referencingpermissionsets.html>
const RESERVED: [&str; 2] = ["aws-service-role", "aws-reserved"];

/// Whether names and paths of roles allow this character.
#[must_use]
pub const fn takes(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '+' | '=' | ',' | '.' | '@' | '_' | '-')
}

/// Whether IAM allows this character in paths of roles. Most paths contain only
/// characters that [`takes`] allows.
/// <https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateRole.html>
const fn path_takes(character: char) -> bool {
    character.is_ascii_graphic()
}

/// A character in backticks, with its code point if it could look like another.
#[must_use]
pub fn named(character: char) -> String {
    if character.is_ascii() {
        format!("`{character}`")
    } else {
        format!("`{character}` (U+{:04X})", u32::from(character))
    }
}

impl RolePath {
    /// The segments of the path, and last the name.
    pub fn segments(&self) -> impl Iterator<Item = &str> {
        cut::all(&self.0, b'/')
    }

    /// The name of a role with any path that IAM accepts; `None` if it is not valid.
    #[must_use]
    pub fn of_any_path(text: &str) -> Option<Self> {
        let (path, name) = text.rsplit_once('/').unwrap_or(("", text));
        let is_role = !name.is_empty()
            && name.len() <= NAME
            && name.chars().all(takes)
            && path.len() + 2 <= PATH
            && path.chars().all(path_takes);
        is_role.then(|| Self(text.to_owned()))
    }

    /// The reserved path that the role is below, if there is one. IAM compares
    /// names case-insensitively.
    #[must_use]
    pub fn reserved(&self) -> Option<&'static str> {
        let (first, _) = self.0.split_once('/')?;
        RESERVED.into_iter().find(|reserved| first.eq_ignore_ascii_case(reserved))
    }
}

impl FromStr for RolePath {
    type Err = RoleArnError;

    fn from_str(text: &str) -> Result<Self, RoleArnError> {
        if text.is_empty() {
            return Err(RoleArnError::NoName);
        }
        if text.starts_with("role/") || text.starts_with("role:") {
            return Err(RoleArnError::DoubledRole);
        }
        if text.contains('%') {
            return Err(RoleArnError::PercentEncoded);
        }
        let (path, name) = text.rsplit_once('/').unwrap_or(("", text));
        let suspicious_char = |text: &str| text.chars().find(|&character| !takes(character) && character != '/');
        if let Some(character) =
            suspicious_char(name).or_else(|| suspicious_char(path).filter(|&character| !path_takes(character)))
        {
            return Err(RoleArnError::BadCharacter { character: named(character) });
        }
        if let Some(character) = suspicious_char(path) {
            return Err(RoleArnError::PathCharacter { character: named(character) });
        }
        if text.starts_with('/') || text.contains("//") {
            return Err(RoleArnError::EmptyPart);
        }
        if name.is_empty() {
            return Err(RoleArnError::TrailingSlash);
        }
        if text.split('/').any(|part| matches!(part, "." | "..")) {
            return Err(RoleArnError::DotPart);
        }
        if name.len() > NAME {
            return Err(RoleArnError::LongName { characters: name.len() });
        }
        let characters = path.len() + 2;
        if characters > PATH {
            return Err(RoleArnError::LongPath { characters });
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for RolePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn role_arn_error(text: &str) -> String {
        text.parse::<RolePath>().unwrap_err().to_string()
    }

    fn segments(text: &str) -> Vec<String> {
        text.parse::<RolePath>().unwrap().segments().map(str::to_owned).collect()
    }

    #[test]
    fn name() {
        assert_eq!(segments("s3-upload-role"), ["s3-upload-role"]);
    }

    #[test]
    fn path() {
        assert_eq!(segments("division_abc/product_1234/Engineer"), ["division_abc", "product_1234", "Engineer"]);
    }

    #[test]
    fn every_character_that_names_take() {
        assert_eq!(segments("+=,.@_-azAZ09"), ["+=,.@_-azAZ09"]);
    }

    #[test]
    fn role_named_role() {
        assert_eq!(segments("role"), ["role"]);
    }

    #[test]
    fn role_deeper_in_a_path() {
        assert_eq!(segments("team/role/x"), ["team", "role", "x"]);
    }

    #[test]
    fn name_of_64_characters() {
        assert!("x".repeat(64).parse::<RolePath>().is_ok());
    }

    #[test]
    fn name_of_65_characters() {
        assert_eq!(role_arn_error(&"x".repeat(65)), "name has 65 characters, must have at most 64");
    }

    #[test]
    fn path_of_512_characters() {
        assert!(format!("{}/x", "p".repeat(510)).parse::<RolePath>().is_ok());
    }

    #[test]
    fn path_of_513_characters() {
        assert_eq!(role_arn_error(&format!("{}/x", "p".repeat(511))), "path has 513 characters, must have at most 512");
    }

    #[test]
    fn nothing() {
        assert_eq!(role_arn_error(""), "ends with role/, without a name");
    }

    #[test]
    fn path_without_a_name() {
        assert_eq!(role_arn_error("team-a/"), "ends with a slash: it has a path, but no name");
    }

    #[test]
    fn slash_in_front() {
        assert_eq!(
            role_arn_error("/x"),
            "has nothing between two slashes, which is probably a mistake; remove one, or set anyRolePath"
        );
    }

    #[test]
    fn two_slashes() {
        assert_eq!(
            role_arn_error("team//x"),
            "has nothing between two slashes, which is probably a mistake; remove one, or set anyRolePath"
        );
    }

    #[test]
    fn two_slashes_at_the_end() {
        assert_eq!(
            role_arn_error("team//"),
            "has nothing between two slashes, which is probably a mistake; remove one, or set anyRolePath"
        );
    }

    #[test]
    fn parent() {
        assert_eq!(
            role_arn_error("team-a/../admin"),
            "has . or .. as a part of the path, which is probably a mistake; remove it, or set anyRolePath"
        );
    }

    #[test]
    fn only_parent() {
        assert_eq!(
            role_arn_error(".."),
            "has . or .. as a part of the path, which is probably a mistake; remove it, or set anyRolePath"
        );
    }

    #[test]
    fn here() {
        assert_eq!(
            role_arn_error("./x"),
            "has . or .. as a part of the path, which is probably a mistake; remove it, or set anyRolePath"
        );
    }

    #[test]
    fn dots_in_a_name() {
        assert_eq!(segments("a..b/c."), ["a..b", "c."]);
    }

    #[test]
    fn percent_encoding() {
        assert_eq!(role_arn_error("team-a%2Fx"), "is percent-encoded; write the characters themselves");
    }

    #[test]
    fn star() {
        assert_eq!(
            role_arn_error("*"),
            "has `*`, which is not allowed in the name of a role; names can contain letters, digits and + = , . @ _ -"
        );
    }

    #[test]
    fn dash_that_is_none() {
        assert_eq!(
            role_arn_error("s3–upload"),
            "has `–` (U+2013), which is not allowed in the name of a role; names can contain letters, digits and + = , . @ _ -"
        );
    }

    #[test]
    fn doubled() {
        assert_eq!(role_arn_error("role/x"), "has role twice; write role/ once");
    }

    #[test]
    fn reserved_for_services() {
        let role: RolePath = "aws-service-role/eks.amazonaws.com/AWSServiceRoleForAmazonEKS".parse().unwrap();
        assert_eq!(role.reserved(), Some("aws-service-role"));
    }

    #[test]
    fn reserved_in_another_case() {
        assert_eq!("AWS-Reserved/sso/x".parse::<RolePath>().unwrap().reserved(), Some("aws-reserved"));
    }

    #[test]
    fn not_reserved() {
        for text in ["aws-reserved", "aws-reserved-2/x", "team/aws-reserved/x"] {
            assert_eq!(text.parse::<RolePath>().unwrap().reserved(), None, "{text}");
        }
    }

    #[test]
    fn path_characters_that_iam_takes() {
        let words = "has `!` in its path, which IAM accepts, but which is probably a mistake; write the path in letters, digits and + = , . @ _ -, or set anyRolePath";
        assert_eq!(role_arn_error("a!b/x"), words);
        // The name has no such exception.
        assert_eq!(
            role_arn_error("a!b/x!"),
            "has `!`, which is not allowed in the name of a role; names can contain letters, digits and + = , . @ _ -"
        );
        assert_eq!(
            role_arn_error("a\u{7f}/x"),
            "has `\\u{7f}`, which is not allowed in the name of a role; names can contain letters, digits and + = , . @ _ -"
        );
    }

    #[test]
    fn any_path() {
        for text in ["x", "a!b/x", "a//b/x", "../x", "%2F/x", "${team}/x", "role/x", "~!*?'\"<>/x"] {
            assert_eq!(RolePath::of_any_path(text).map(|role| role.to_string()).as_deref(), Some(text));
        }
        let long = format!("{}/x", "p".repeat(511));
        for text in ["", "a/", "a/x!", "a b/x", "\u{e9}/x", "a/b\u{200b}", &"x".repeat(65), &long] {
            assert_eq!(RolePath::of_any_path(text), None, "{text}");
        }
    }
}
