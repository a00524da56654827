// SPDX-License-Identifier: Apache-2.0
//! AWS accounts.

use std::fmt;
use std::str::FromStr;

use super::role_arn_error::RoleArnError;

/// The ID of an AWS account: 12 digits, the first of which may be zero.
/// <https://docs.aws.amazon.com/accounts/latest/reference/manage-acct-identifiers.html>
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AccountId([u8; 12]);

impl AccountId {
    /// The digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl FromStr for AccountId {
    type Err = RoleArnError;

    fn from_str(text: &str) -> Result<Self, RoleArnError> {
        if text.is_empty() {
            return Err(RoleArnError::NoAccount);
        }
        if text.bytes().all(|byte| byte.is_ascii_digit()) {
            let digits = text.len();
            return text.as_bytes().try_into().map(Self).map_err(|_| RoleArnError::AccountDigits { digits });
        }
        // As the console shows it: 1234-5678-9012.
        let is_dashed = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-')
            && text.bytes().filter(u8::is_ascii_digit).count() == 12;
        Err(if is_dashed {
            RoleArnError::AccountDashes
        } else {
            RoleArnError::AccountLetters { account: text.to_owned() }
        })
    }
}

impl fmt::Display for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn role_arn_error(text: &str) -> String {
        text.parse::<AccountId>().unwrap_err().to_string()
    }

    #[test]
    fn twelve_digits() {
        assert_eq!("123456789012".parse::<AccountId>().unwrap().to_string(), "123456789012");
    }

    #[test]
    fn leading_zeros_are_kept() {
        assert_eq!("000000000012".parse::<AccountId>().unwrap().to_string(), "000000000012");
    }

    #[test]
    fn rejects_eleven_digits() {
        assert_eq!(role_arn_error("12345678901"), "account ID has 11 digits, must have 12");
    }

    #[test]
    fn rejects_thirteen_digits() {
        assert_eq!(role_arn_error("1234567890123"), "account ID has 13 digits, must have 12");
    }

    #[test]
    fn rejects_no_digits() {
        assert_eq!(role_arn_error(""), "has no account ID; write its 12 digits between iam:: and :role/");
    }

    #[test]
    fn dashes_as_in_the_console() {
        assert_eq!(role_arn_error("1234-5678-9012"), "account ID has dashes; write only its 12 digits");
    }

    #[test]
    fn dashes_and_letters() {
        for text in ["1234-5678-901x", "1234-5678-9012x", "1234-5678-901"] {
            assert_eq!(text.parse::<AccountId>(), Err(RoleArnError::AccountLetters { account: text.to_owned() }));
        }
    }

    #[test]
    fn rejects_letters() {
        assert_eq!(role_arn_error("12345678901O"), "account ID is `12345678901O`, must be 12 digits");
    }

    #[test]
    fn alias() {
        assert_eq!(role_arn_error("my-company"), "account ID is `my-company`, must be 12 digits");
    }

    #[test]
    fn digits_of_other_scripts() {
        assert_eq!(role_arn_error("١٢٣٤٥٦٧٨٩٠١٢"), "account ID is `١٢٣٤٥٦٧٨٩٠١٢`, must be 12 digits");
    }
}
