// SPDX-License-Identifier: Apache-2.0
//! The ids of applications and tenants in Microsoft's cloud.

use std::fmt;
use std::str::FromStr;

use super::flaw::Flaw;
use crate::engine::finding::Wording;

/// `{...}`, as Windows writes them.
pub static BRACES: Wording = Wording { name: "braces", template: "has braces around it; remove them ({})" };
/// An identity's id in Azure.
pub static RESOURCE_ID: Wording = Wording {
    name: "resource-id",
    template: "is the id of a resource or an address, not a GUID; az identity show prints clientId and tenantId ({})",
};
/// `contoso.onmicrosoft.com`.
pub static DOMAIN_NAME: Wording =
    Wording { name: "domain-name", template: "is the name of a domain; write the GUID of its tenant ({})" };
/// A name, a secret, another cloud's id.
pub static NOT_GUID: Wording = Wording {
    name: "not-guid",
    template: "is no GUID; that is 32 hexadecimal digits in groups of 8, 4, 4, 4 and 12, with dashes between them ({})",
};
/// A letter O for a zero.
pub static NOT_HEX: Wording = Wording { name: "not-hex", template: "has {}, which is no hexadecimal digit ({})" };
/// One that got lost.
pub static DIGITS: Wording = Wording { name: "digits", template: "has {} hexadecimal digits, must have 32 ({})" };
/// None, or misplaced.
pub static DASHES: Wording =
    Wording { name: "dashes", template: "must have its dashes after 8, 12, 16 and 20 digits ({})" };
/// Of an example.
pub static ZEROS: Wording =
    Wording { name: "zeros", template: "is all zeros, which stands for none; write the one that is meant ({})" };

/// A GUID, in lower case. Microsoft compares them without case.
/// <https://learn.microsoft.com/en-us/entra/identity-platform/developer-glossary#application-id-client-id>
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Guid([u8; 36]);

/// Where the dashes are.
const DASHED: [usize; 4] = [8, 13, 18, 23];

impl FromStr for Guid {
    type Err = Flaw;

    fn from_str(text: &str) -> Result<Self, Flaw> {
        let flaw = |wording| Err(Flaw::new(wording));
        if text.len() == 38 && text.starts_with('{') && text.ends_with('}') {
            return flaw(&BRACES);
        }
        Flaw::in_general(text)?;
        if text.contains(['/', ':']) {
            return flaw(&RESOURCE_ID);
        }
        if text.contains('.') {
            return flaw(&DOMAIN_NAME);
        }
        let mut strange = text.chars().filter(|c| !c.is_ascii_hexdigit() && *c != '-');
        if let Some(first) = strange.next() {
            // One or two wrong letters are a slip; more are something else.
            let is_slip = text.chars().count() == 36 && strange.count() < 2;
            return if is_slip { Err(Flaw::naming(&NOT_HEX, first.to_string())) } else { flaw(&NOT_GUID) };
        }
        let digits = text.bytes().filter(|byte| *byte != b'-').count();
        if !(24..=40).contains(&digits) {
            return flaw(&NOT_GUID);
        }
        if digits != 32 {
            return Err(Flaw::naming(&DIGITS, digits.to_string()));
        }
        let Ok(mut guid) = <[u8; 36]>::try_from(text.as_bytes()) else { return flaw(&DASHES) };
        if guid.iter().enumerate().any(|(index, byte)| DASHED.contains(&index) != (*byte == b'-')) {
            return flaw(&DASHES);
        }
        if guid.iter().all(|byte| matches!(byte, b'0' | b'-')) {
            return flaw(&ZEROS);
        }
        guid.make_ascii_lowercase();
        Ok(Self(guid))
    }
}

impl Guid {
    /// The GUID as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Display for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GUID: &str = "6c9c0b1e-8d5f-4a3b-9e21-0123456789ab";

    #[track_caller]
    fn is_wrong(text: &str, words: &str) {
        assert_eq!(text.parse::<Guid>().unwrap_err().to_string(), words, "{text}");
    }

    const NO_GUID: &str =
        "is no GUID; that is 32 hexadecimal digits in groups of 8, 4, 4, 4 and 12, with dashes between them";
    const MISPLACED: &str = "must have its dashes after 8, 12, 16 and 20 digits";
    const RESOURCE: &str =
        "is the id of a resource or an address, not a GUID; az identity show prints clientId and tenantId";

    #[test]
    fn a_guid() {
        assert_eq!(GUID.parse::<Guid>().unwrap().to_string(), GUID);
    }

    #[test]
    fn upper_case_is_the_same() {
        assert_eq!(GUID.to_uppercase().parse::<Guid>(), GUID.parse::<Guid>());
    }

    #[test]
    fn any_version() {
        assert!("00000000-0000-0000-c000-000000000046".parse::<Guid>().is_ok());
    }

    #[test]
    fn empty() {
        is_wrong("", "is empty; write a value, or remove it");
    }

    #[test]
    fn a_line_break_at_the_end() {
        is_wrong(&format!("{GUID}\n"), "has a blank or a line break; remove it");
    }

    #[test]
    fn a_blank_in_front() {
        is_wrong(&format!(" {GUID}"), "has a blank or a line break; remove it");
    }

    #[test]
    fn a_blank_for_a_dash() {
        is_wrong(&GUID.replacen('-', " ", 1), "has a blank or a line break; remove it");
    }

    #[test]
    fn quotes() {
        is_wrong(&format!("\"{GUID}\""), "has quotes as a part of the value; remove them");
    }

    #[test]
    fn braces() {
        is_wrong(&format!("{{{GUID}}}"), "has braces around it; remove them");
    }

    #[test]
    fn a_value_of_a_template() {
        is_wrong("{{.Values.clientId}}", "has a placeholder that nobody filled in; write the value it stands for");
    }

    #[test]
    fn a_variable_of_a_shell() {
        is_wrong(
            "${USER_ASSIGNED_CLIENT_ID}",
            "has a placeholder that nobody filled in; write the value it stands for",
        );
    }

    #[test]
    fn an_example_of_the_documentation() {
        is_wrong("<client-id>", "has a placeholder that nobody filled in; write the value it stands for");
    }

    #[test]
    fn the_id_of_an_identity_in_azure() {
        is_wrong(
            "/subscriptions/6c9c0b1e-8d5f-4a3b-9e21-0123456789ab/resourcegroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/app",
            RESOURCE,
        );
    }

    #[test]
    fn an_address() {
        is_wrong(&format!("api://{GUID}"), RESOURCE);
    }

    #[test]
    fn a_urn() {
        is_wrong(&format!("urn:uuid:{GUID}"), RESOURCE);
    }

    #[test]
    fn the_domain_of_a_tenant() {
        is_wrong("contoso.onmicrosoft.com", "is the name of a domain; write the GUID of its tenant");
    }

    #[test]
    fn a_name() {
        is_wrong("uploader", NO_GUID);
    }

    #[test]
    fn a_name_of_hexadecimal_letters() {
        is_wrong("facade", NO_GUID);
    }

    #[test]
    fn the_arn_of_a_role() {
        is_wrong("arn:aws:iam::123456789012:role/x", RESOURCE);
    }

    #[test]
    fn a_secret() {
        is_wrong("x~8Q~abcdefghijklmnopqrstuvwxyz0123456789", NO_GUID);
    }

    #[test]
    fn a_letter_for_a_digit() {
        is_wrong(&GUID.replacen('0', "O", 1), "has O, which is no hexadecimal digit");
    }

    #[test]
    fn a_dash_of_a_word_processor() {
        is_wrong(&GUID.replacen('-', "–", 1), "has –, which is no hexadecimal digit");
    }

    #[test]
    fn a_digit_of_another_script() {
        is_wrong(&GUID.replacen('0', "٠", 1), "has ٠, which is no hexadecimal digit");
    }

    #[test]
    fn a_digit_too_few() {
        is_wrong(&GUID[..35], "has 31 hexadecimal digits, must have 32");
    }

    #[test]
    fn a_digit_too_many() {
        is_wrong(&format!("{GUID}0"), "has 33 hexadecimal digits, must have 32");
    }

    #[test]
    fn no_dashes() {
        is_wrong(&GUID.replace('-', ""), MISPLACED);
    }

    #[test]
    fn underscores() {
        is_wrong(&GUID.replace('-', "_"), NO_GUID);
    }

    #[test]
    fn a_dash_too_many() {
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
            "is all zeros, which stands for none; write the one that is meant",
        );
    }
}
