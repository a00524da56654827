// SPDX-License-Identifier: Apache-2.0
//! What AWS access keys look like.

/// The prefixes of access key IDs: of users, and of sessions.
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html#identifiers-unique-ids>
pub const KEY_ID_PREFIXES: [&str; 2] = ["AKIA", "ASIA"];

/// Whether this is the ID of an access key.
#[must_use]
pub fn is_access_key_id(value: &str) -> bool {
    let rest = KEY_ID_PREFIXES.iter().find_map(|prefix| value.strip_prefix(prefix));
    rest.is_some_and(|rest| rest.len() == 16 && rest.bytes().all(|byte| matches!(byte, b'A'..=b'Z' | b'2'..=b'7')))
}

/// Whether this looks like the secret of an access key: 40 characters of base64,
/// with upper case, lower case and digits. Hexadecimal digests have no upper
/// case.
#[must_use]
pub fn is_secret(text: &str) -> bool {
    let has = |is_kind: fn(&u8) -> bool| text.as_bytes().iter().any(is_kind);
    text.len() == 40 && has(u8::is_ascii_uppercase) && has(u8::is_ascii_lowercase) && has(u8::is_ascii_digit)
}
