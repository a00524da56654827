// SPDX-License-Identifier: Apache-2.0
//! The IDs of applications and tenants in Microsoft's cloud.

use super::error::{IdentityError, first_other, split};
use crate::messages;

messages! {
    /// `{...}`, as Windows writes it.
    BRACES: "has braces around it", help: "remove them";
    /// The resource ID of an identity in Azure.
    RESOURCE_ID:
        "is a resource ID or a URI, not a GUID",
        help: "az identity show prints clientId and tenantId";
    /// `contoso.onmicrosoft.com`.
    DOMAIN_NAME: "is a domain name", help: "write the GUID of its tenant";
    /// A name, a secret, the ID of another cloud.
    NOT_GUID:
        "is not a valid GUID",
        help: "write 32 hexadecimal digits in groups of 8, 4, 4, 4 and 12, separated by dashes";
    /// A letter O for a zero.
    NOT_HEX: "has `{}`, which is not a hexadecimal digit";
    /// A digit is missing or extra.
    DIGITS: "has too few or too many hexadecimal digits, must have 32";
    /// Dashes are missing or misplaced.
    DASHES: "must have its dashes after 8, 12, 16 and 20 digits";
    /// From an example.
    ZEROS: "is all zeros, which is a placeholder", help: "write the GUID of the identity";
}

/// A GUID. Microsoft compares GUIDs case-insensitively.
/// <https://learn.microsoft.com/en-us/entra/identity-platform/developer-glossary#application-id-client-id>
#[derive(Debug, Clone, Copy)]
pub struct Guid<'t>(&'t str);

impl PartialEq for Guid<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(other.0)
    }
}

impl Eq for Guid<'_> {}

impl<'t> TryFrom<&'t str> for Guid<'t> {
    type Error = IdentityError<'t>;

    fn try_from(text: &'t str) -> Result<Self, IdentityError<'t>> {
        let error = |message| Err(IdentityError::new(message));
        if text.len() == 38 && text.starts_with('{') && text.ends_with('}') {
            return error(&BRACES);
        }
        IdentityError::in_general(text)?;
        if split(text, b'/').is_some() || split(text, b':').is_some() {
            return error(&RESOURCE_ID);
        }
        if split(text, b'.').is_some() {
            return error(&DOMAIN_NAME);
        }
        let (mut digits, mut has_dashes, mut is_zero) = (0, true, true);
        for (index, byte) in text.bytes().enumerate() {
            has_dashes &= matches!(index, 8 | 13 | 18 | 23) == (byte == b'-');
            is_zero &= matches!(byte, b'0' | b'-');
            digits += usize::from(byte.is_ascii_hexdigit());
        }
        // A few wrong characters are a slip; more mean that it is something else.
        if digits < 28 {
            return error(&NOT_GUID);
        }
        if let Some(other) = first_other(text, &|byte| byte.is_ascii_hexdigit() || byte == b'-') {
            return Err(IdentityError::of(other, &NOT_HEX));
        }
        if digits != 32 {
            return error(&DIGITS);
        }
        if !has_dashes || text.len() != 36 {
            return error(&DASHES);
        }
        if is_zero { error(&ZEROS) } else { Ok(Self(text)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GUID: &str = "6c9c0b1e-8d5f-4a3b-9e21-0123456789ab";

    #[track_caller]
    fn is_wrong(text: &str, words: &str) {
        assert_eq!(Guid::try_from(text).unwrap_err().to_string(), words, "{text}");
    }

    const NO_GUID: &str =
        "is not a valid GUID; write 32 hexadecimal digits in groups of 8, 4, 4, 4 and 12, separated by dashes";
    const MISPLACED: &str = "must have its dashes after 8, 12, 16 and 20 digits";
    const RESOURCE: &str = "is a resource ID or a URI, not a GUID; az identity show prints clientId and tenantId";

    #[test]
    fn guid() {
        assert!(Guid::try_from(GUID).is_ok());
    }

    #[test]
    fn upper_case_is_the_same() {
        assert_eq!(Guid::try_from(&*GUID.to_uppercase()), Guid::try_from(GUID));
    }

    #[test]
    fn any_version() {
        assert!(Guid::try_from("00000000-0000-0000-c000-000000000046").is_ok());
    }

    #[test]
    fn empty() {
        is_wrong("", "is empty; write a value, or remove it");
    }

    #[test]
    fn line_break_at_the_end() {
        is_wrong(&format!("{GUID}\n"), "contains a space or a line break; remove it");
    }

    #[test]
    fn blank_in_front() {
        is_wrong(&format!(" {GUID}"), "contains a space or a line break; remove it");
    }

    #[test]
    fn blank_for_a_dash() {
        is_wrong(&GUID.replacen('-', " ", 1), "contains a space or a line break; remove it");
    }

    #[test]
    fn quotes() {
        is_wrong(&format!("\"{GUID}\""), "has quotes as part of the value; remove them");
    }

    #[test]
    fn braces() {
        is_wrong(&format!("{{{GUID}}}"), "has braces around it; remove them");
    }

    #[test]
    fn value_of_a_template() {
        is_wrong("{{.Values.clientId}}", "has a placeholder that was not replaced; write the value it stands for");
    }

    #[test]
    fn variable_of_a_shell() {
        is_wrong(
            "${USER_ASSIGNED_CLIENT_ID}",
            "has a placeholder that was not replaced; write the value it stands for",
        );
    }

    #[test]
    fn example_of_the_documentation() {
        is_wrong("<client-id>", "has a placeholder that was not replaced; write the value it stands for");
    }

    #[test]
    fn id_of_an_identity_in_azure() {
        is_wrong(
            "/subscriptions/6c9c0b1e-8d5f-4a3b-9e21-0123456789ab/resourcegroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/app",
            RESOURCE,
        );
    }

    #[test]
    fn address() {
        is_wrong(&format!("api://{GUID}"), RESOURCE);
    }

    #[test]
    fn urn() {
        is_wrong(&format!("urn:uuid:{GUID}"), RESOURCE);
    }

    #[test]
    fn domain_of_a_tenant() {
        is_wrong("contoso.onmicrosoft.com", "is a domain name; write the GUID of its tenant");
    }

    #[test]
    fn name() {
        is_wrong("uploader", NO_GUID);
    }

    #[test]
    fn name_of_hexadecimal_letters() {
        is_wrong("facade", NO_GUID);
        is_wrong(&"a".repeat(27), NO_GUID);
        assert_ne!(Guid::try_from(&*"a".repeat(28)).unwrap_err().to_string(), NO_GUID);
    }

    #[test]
    fn arn_of_a_role() {
        is_wrong("arn:aws:iam::123456789012:role/x", RESOURCE);
    }

    #[test]
    fn secret() {
        is_wrong("x~8Q~abcdefghijklmnopqrstuvwxyz0123456789", NO_GUID);
    }

    #[test]
    fn letter_for_a_digit() {
        is_wrong(&GUID.replacen('0', "O", 1), "has `O`, which is not a hexadecimal digit");
    }

    #[test]
    fn dash_of_a_word_processor() {
        is_wrong(&GUID.replacen('-', "–", 1), "has `–`, which is not a hexadecimal digit");
    }

    #[test]
    fn digit_of_another_script() {
        is_wrong(&GUID.replacen('0', "٠", 1), "has `٠`, which is not a hexadecimal digit");
    }

    #[test]
    fn digit_too_few() {
        is_wrong("6c9c0b1e-8d5f-4a3b-9e21-0123456789a", "has too few or too many hexadecimal digits, must have 32");
    }

    #[test]
    fn digit_too_many() {
        is_wrong(&format!("{GUID}0"), "has too few or too many hexadecimal digits, must have 32");
    }

    #[test]
    fn no_dashes() {
        is_wrong(&GUID.replace('-', ""), MISPLACED);
    }

    #[test]
    fn underscores() {
        is_wrong(&GUID.replace('-', "_"), "has `_`, which is not a hexadecimal digit");
    }

    #[test]
    fn dash_too_many() {
        is_wrong(&format!("{GUID}-"), MISPLACED);
    }

    #[test]
    fn dashes_elsewhere() {
        is_wrong("6c9c0b1e8-d5f-4a3b-9e21-0123456789ab", MISPLACED);
    }

    #[test]
    fn zeros() {
        is_wrong(
            "00000000-0000-0000-0000-000000000000",
            "is all zeros, which is a placeholder; write the GUID of the identity",
        );
    }
}
