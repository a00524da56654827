// SPDX-License-Identifier: Apache-2.0
//! Errors in a text that should name a role, each with its own message.

use std::fmt;

use super::suspicious_char;
use crate::diagnostic::message::{Message, MessageTemplate};
use crate::messages;

/// Declares the errors: a variant, and its message. Each `{}` takes a field of
/// the variant. `shared` errors use the messages of another module.
macro_rules! role_arn_errors {
    (
        shared { $($(#[$other_doc:meta])* $other:ident = $other_name:path;)* }
        $(
            $(#[$doc:meta])* $variant:ident $({ $($field:ident: $ty:ty),* })?
                = $name:ident: $message:literal $(, help: $help:literal)?;
        )*
    ) => {
        /// An error in a text that should name a role.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub enum RoleArnError {
            $($(#[$doc])* $variant $({ $(#[doc = "What the message names."] $field: $ty),* })?,)*
            $($(#[$other_doc])* $other,)*
        }

        messages! { $($(#[$doc])* $name: $message $(, help: $help)?;)* }

        impl RoleArnError {
            const fn template(&self) -> &'static MessageTemplate {
                match self {
                    $(Self::$variant $({ $($field: _),* })? => &$name,)*
                    $(Self::$other => &$other_name,)*
                }
            }

            /// What the message names.
            fn details(&self) -> Vec<String> {
                match self {
                    $(Self::$variant $({ $($field),* })? => values(&[$($($field),*)?]),)*
                    $(Self::$other => Vec::new(),)*
                }
            }
        }
    };
}

role_arn_errors! {
    shared {
        /// Quotes left by YAML or a template.
        Quoted = suspicious_char::QUOTED;
        /// `${ACCOUNT_ID}`, `{{ .Values.role }}`, `<account>`.
        Unfilled = suspicious_char::UNFILLED;
    }
    /// Nothing at all.
    Empty = EMPTY: "is empty", help: "write the ARN of a role, or remove it";
    /// More than one line, mostly from a block scalar in YAML.
    LineBreak = LINE_BREAK: "has a line break", help: "write the ARN on one line";
    /// A blank at the beginning or end.
    OuterBlank = OUTER_BLANK: "begins or ends with whitespace", help: "remove it";
    /// A blank in between.
    InnerBlank = INNER_BLANK: "contains whitespace", help: "remove it";
    /// `ARN:` or `Arn:`.
    UpperCase = UPPER_CASE: "begins with arn: in upper case", help: "write it in lower case";
    /// A name or a path alone.
    BareName = BARE_NAME: "is a name, not an ARN", help: "write arn:aws:iam::<account>:role/<name>";
    /// Something else.
    NotArn = NOT_ARN: "is not an ARN", help: "a role's ARN is arn:aws:iam::<account>:role/<name>";
    /// An ARN where a part of one belongs.
    Nested = NESTED: "contains an ARN inside an ARN", help: "write only one";
    /// Too few parts.
    Incomplete = INCOMPLETE: "is incomplete", help: "a role's ARN is arn:aws:iam::<account>:role/<name>";
    /// `arn:aws:iam:123456789012:role/x`.
    OneColon = ONE_COLON: "has one colon after iam, must have two";
    /// `arn:iam::...` or `arn::iam::...`.
    NoPartition = NO_PARTITION: "has no partition after arn:, such as aws";
    /// A misspelled partition.
    SimilarPartition { partition: String, meant: &'static str } = SIMILAR_PARTITION: "unknown partition `{}`", help: "did you mean `{}`?";
    /// An unknown partition.
    UnknownPartition { partition: String } = UNKNOWN_PARTITION: "unknown partition `{}`", help: "use one of aws, aws-cn, aws-us-gov, aws-iso, aws-iso-b, aws-iso-e, aws-iso-f, aws-eusc";
    /// Not IAM.
    Service { service: String } = SERVICE: "names service `{}`, must name `iam`";
    /// A region, which IAM does not have.
    Region { region: String } = REGION: "has region `{}`", help: "IAM has no regions, so leave it empty";
    /// No account ID.
    NoAccount = NO_ACCOUNT: "has no account ID", help: "write its 12 digits between iam:: and :role/";
    /// Too few or too many digits. A leading zero is lost if a program treats
    /// the account ID as a number.
    AccountDigits { digits: usize } = ACCOUNT_DIGITS: "account ID has {} digits, must have 12";
    /// As the console shows it.
    AccountDashes = ACCOUNT_DASHES: "account ID has dashes", help: "write only its 12 digits";
    /// An alias, or a letter for a digit.
    AccountLetters { account: String } = ACCOUNT_LETTERS: "account ID is `{}`, must be 12 digits";
    /// What `aws sts get-caller-identity` prints.
    AssumedRole = ASSUMED_ROLE: "is a session of a role", help: "write the ARN of the role itself";
    /// What an EC2 instance has.
    InstanceProfile = INSTANCE_PROFILE: "is an instance profile", help: "write the ARN of the role in it";
    /// A user, a group, a policy, ...
    OtherKind { kind: String } = OTHER_KIND: "names a resource of type `{}`, must be `role`";
    /// `Role/`, `roles/`, `role:`.
    Misspelled { written: String } = MISSPELT: "has `{}` in place of role/";
    /// A name directly after the account.
    NoRole = NO_ROLE: "has no role/ before the name";
    /// `role/role/x`, `role:role/x`.
    DoubledRole = DOUBLED_ROLE: "has role twice", help: "write role/ once";
    /// Nothing after `role/`.
    NoName = NO_NAME: "ends with role/, without a name";
    /// A path without a name.
    TrailingSlash = TRAILING_SLASH: "ends with a slash: it has a path, but no name";
    /// `team//x`, or a slash in front.
    EmptyPart = EMPTY_PART: "has nothing between two slashes, which is probably a mistake", help: "remove one, or set anyRolePath";
    /// `.` or `..`.
    DotPart = DOT_PART: "has . or .. as a part of the path, which is probably a mistake", help: "remove it, or set anyRolePath";
    /// `%2F`.
    PercentEncoded = PERCENT_ENCODED: "is percent-encoded", help: "write the characters themselves";
    /// Not allowed in names.
    BadCharacter { character: String } = BAD_CHARACTER: "has {}, which is not allowed in the name of a role", help: "names can contain letters, digits and + = , . @ _ -";
    /// Allowed only in paths.
    PathCharacter { character: String } = PATH_CHARACTER: "has {} in its path, which IAM accepts, but which is probably a mistake", help: "write the path in letters, digits and + = , . @ _ -, or set anyRolePath";
    /// A name that is too long.
    LongName { characters: usize } = LONG_NAME: "name has {} characters, must have at most 64";
    /// A path that is too long.
    LongPath { characters: usize } = LONG_PATH: "path has {} characters, must have at most 512";
}

fn values(parts: &[&dyn fmt::Display]) -> Vec<String> {
    parts.iter().map(ToString::to_string).collect()
}

impl RoleArnError {
    /// The message, with the value as it was written.
    #[must_use]
    pub fn about(&self, written: &str) -> Message {
        if *self == Self::Empty { self.message() } else { self.message().about(written) }
    }

    fn message(&self) -> Message {
        let details = self.details();
        Message::new(self.template(), &details.iter().map(String::as_str).collect::<Vec<_>>())
    }
}

/// The message without the value.
impl fmt::Display for RoleArnError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.message().fmt(f)
    }
}

impl std::error::Error for RoleArnError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_have_details_and_value() {
        let error = RoleArnError::SimilarPartition { partition: "AWS".to_owned(), meant: "aws" };
        assert_eq!(error.about("arn:AWS").to_string(), "unknown partition `AWS`; did you mean `aws`? (arn:AWS)");
        assert_eq!(error.to_string(), "unknown partition `AWS`; did you mean `aws`?");
    }

    #[test]
    fn hides_empty_value() {
        assert_eq!(RoleArnError::Empty.about("").to_string(), "is empty; write the ARN of a role, or remove it");
    }
}
