// SPDX-License-Identifier: Apache-2.0
//! What can be wrong with a text that is to name a role, each in words of its
//! own.

use std::fmt;

use crate::diagnostic::finding::{MessageTemplate, fill};

/// Declares the mistakes: a variant, the name of its text, and the text. Each
/// `{}` takes a field of the variant; the last one, in parentheses, takes the
/// value as it was written.
macro_rules! role_arn_errors {
    ($($(#[$doc:meta])* $variant:ident $({ $($field:ident: $ty:ty),* })? = $message:ident, $name:literal, $template:literal;)*) => {
        /// What is wrong with a text that is to name a role.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub enum RoleArnError {
            $($(#[$doc])* $variant $({ $(#[doc = "What the words name."] $field: $ty),* })?,)*
        }

        $($(#[$doc])* pub static $message: MessageTemplate = MessageTemplate { name: $name, template: $template };)*

        /// The texts of all mistakes.
        pub static MESSAGES: &[&MessageTemplate] = &[$(&$message),*];

        impl RoleArnError {
            /// The text, which ends with the value as it was written.
            #[must_use]
            pub const fn message(&self) -> &'static MessageTemplate {
                match self {
                    $(Self::$variant $({ $($field: _),* })? => &$message,)*
                }
            }

            /// What the text names besides the value.
            fn details(&self) -> Vec<String> {
                match self {
                    $(Self::$variant $({ $($field),* })? => texts(&[$($($field),*)?]),)*
                }
            }
        }
    };
}

role_arn_errors! {
    /// Nothing at all.
    Empty = EMPTY, "empty", "is empty; write the ARN of a role, or remove it";
    /// More than one line, mostly by a block of YAML.
    LineBreak = LINE_BREAK, "line-break", "has a line break; write the ARN in one line ({})";
    /// A blank at one of the ends.
    OuterBlank = OUTER_BLANK, "outer-blank", "begins or ends with a blank; remove it ({})";
    /// A blank in between.
    InnerBlank = INNER_BLANK, "inner-blank", "has a blank inside; an ARN has none ({})";
    /// Quotes that YAML or a template left in.
    Quoted = QUOTED, "quoted", "has quotes as a part of the value; remove them ({})";
    /// `${ACCOUNT_ID}`, `{{ .Values.role }}`, `<account>`.
    Unfilled = UNFILLED, "unfilled", "has a placeholder that nobody filled in; write the value it stands for ({})";
    /// `ARN:` or `Arn:`.
    UpperCase = UPPER_CASE, "upper-case", "begins with arn: in upper case; write it in lower case ({})";
    /// A name or a path alone.
    BareName = BARE_NAME, "bare-name", "is a name, not an ARN; write arn:aws:iam::<account>:role/<name> ({})";
    /// Something else.
    NotArn = NOT_ARN, "not-arn", "is not an ARN; a role's is arn:aws:iam::<account>:role/<name> ({})";
    /// An ARN where a part of one belongs.
    Nested = NESTED, "nested", "has an ARN inside an ARN; write one alone ({})";
    /// Too few parts.
    Incomplete = INCOMPLETE, "incomplete", "is incomplete; a role's ARN is arn:aws:iam::<account>:role/<name> ({})";
    /// `arn:aws:iam:123456789012:role/x`.
    OneColon = ONE_COLON, "one-colon", "has one colon after iam, must have two ({})";
    /// `arn:iam::...` or `arn::iam::...`.
    NoPartition = NO_PARTITION, "no-partition", "has no partition after arn:, where aws or another belongs ({})";
    /// A partition that is nearly one.
    SimilarPartition { partition: String, meant: &'static str } = SIMILAR_PARTITION, "similar-partition",
        "unknown partition {}; did you mean {}? ({})";
    /// A partition that is none.
    UnknownPartition { partition: String } = UNKNOWN_PARTITION, "unknown-partition",
        "unknown partition {}; there are aws, aws-cn, aws-us-gov, aws-iso, aws-iso-b, aws-iso-e, aws-iso-f, aws-eusc ({})";
    /// Not IAM's.
    Service { service: String } = SERVICE, "service", "is of service {}, must be of iam ({})";
    /// IAM is the same everywhere.
    Region { region: String } = REGION, "region", "has region {}; IAM has none, so nothing stands between the two colons ({})";
    /// No account.
    NoAccount = NO_ACCOUNT, "no-account", "has no account id; write its 12 digits between iam:: and :role/ ({})";
    /// Too few or too many digits. A leading zero is lost where a program took
    /// the account for a number.
    AccountDigits { digits: usize } = ACCOUNT_DIGITS, "account-digits", "account id has {} digits, must have 12 ({})";
    /// As the console writes it.
    AccountDashes = ACCOUNT_DASHES, "account-dashes", "account id has dashes; write its 12 digits alone ({})";
    /// An alias, or a letter for a digit.
    AccountLetters { account: String } = ACCOUNT_LETTERS, "account-letters", "account id is {}, must be 12 digits ({})";
    /// What `aws sts get-caller-identity` prints.
    AssumedRole = ASSUMED_ROLE, "assumed-role", "is a session of a role; write the ARN of the role itself ({})";
    /// What an EC2 instance has.
    InstanceProfile = INSTANCE_PROFILE, "instance-profile", "is an instance profile; write the ARN of the role in it ({})";
    /// A user, a group, a policy, ...
    OtherKind { kind: String } = OTHER_KIND, "other-kind", "is of kind {}, must be of kind role ({})";
    /// `Role/`, `roles/`, `role:`.
    Misspelt { written: String } = MISSPELT, "misspelt", "has {} where role/ belongs ({})";
    /// A name right after the account.
    NoRole = NO_ROLE, "no-role", "has no role/ before the name ({})";
    /// `role/role/x`, `role:role/x`.
    DoubledRole = DOUBLED_ROLE, "doubled-role", "has role twice; write role/ once ({})";
    /// Nothing after `role/`.
    NoName = NO_NAME, "no-name", "ends with role/, without a name ({})";
    /// A path without a name.
    TrailingSlash = TRAILING_SLASH, "trailing-slash", "ends with a slash: it has a path, but no name ({})";
    /// `team//x`, or a slash in front.
    EmptyPart = EMPTY_PART, "empty-part", "has nothing between two slashes, which is mostly a mistake; remove one, or set anyRolePath ({})";
    /// `.` or `..`.
    DotPart = DOT_PART, "dot-part", "has . or .. as a part of the path, which is mostly a mistake; remove it, or set anyRolePath ({})";
    /// `%2F`.
    PercentEncoded = PERCENT_ENCODED, "percent-encoded", "is percent-encoded; write the characters themselves ({})";
    /// Not in the alphabet of names.
    BadCharacter { character: String } = BAD_CHARACTER, "bad-character",
        "has {}, which no role has; names take letters, digits and + = , . @ _ - ({})";
    /// In the alphabet of paths alone.
    PathCharacter { character: String } = PATH_CHARACTER, "path-character",
        "has {} in its path, which IAM takes and few mean; write the path in letters, digits and + = , . @ _ -, or set anyRolePath ({})";
    /// A name that is too long.
    LongName { characters: usize } = LONG_NAME, "long-name", "name has {} characters, must have 64 at most ({})";
    /// A path that is too long.
    LongPath { characters: usize } = LONG_PATH, "long-path", "path has {} characters, must have 512 at most ({})";
}

fn texts(parts: &[&dyn fmt::Display]) -> Vec<String> {
    parts.iter().map(ToString::to_string).collect()
}

/// What stands for the value at the end of a text.
pub const VALUE: &str = " ({})";

/// A text without the value.
#[must_use]
pub fn without_value(message: &MessageTemplate) -> &'static str {
    message.template.strip_suffix(VALUE).unwrap_or(message.template)
}

impl RoleArnError {
    /// The values that the text takes, the last one the value as it was
    /// written.
    #[must_use]
    pub fn values(&self, written: &str) -> Vec<String> {
        let mut values = self.details();
        if self.message().template.ends_with(VALUE) {
            values.push(written.to_owned());
        }
        values
    }
}

/// The text without the value.
impl fmt::Display for RoleArnError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fill(without_value(self.message()), &self.details(), f)
    }
}

impl std::error::Error for RoleArnError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_shows_the_value_unless_it_is_empty() {
        let without: Vec<_> = MESSAGES.iter().filter(|message| !message.template.ends_with(VALUE)).collect();
        assert_eq!(without, [&&EMPTY]);
    }

    #[test]
    fn details_come_before_the_value() {
        let error = RoleArnError::SimilarPartition { partition: "AWS".to_owned(), meant: "aws" };
        assert_eq!(error.values("arn:AWS"), ["AWS", "aws", "arn:AWS"]);
        assert_eq!(RoleArnError::Empty.values(""), Vec::<String>::new());
    }
}
