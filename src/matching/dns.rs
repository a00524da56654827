// SPDX-License-Identifier: Apache-2.0
//! The two grammars of names in Kubernetes.
//! <https://kubernetes.io/docs/concepts/overview/working-with-objects/names/>

/// Whether this is a DNS label, like the name of a namespace.
#[must_use]
pub fn is_label(text: &str) -> bool {
    text.len() <= 63 && has_label_shape(text)
}

/// Whether this is a DNS subdomain, like the prefix of an annotation.
#[must_use]
pub fn is_subdomain(text: &str) -> bool {
    text.len() <= 253 && text.split('.').all(has_label_shape)
}

fn has_label_shape(text: &str) -> bool {
    !text.is_empty()
        && !text.starts_with('-')
        && !text.ends_with('-')
        && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels() {
        for text in ["a", "team-a", "1", "0-9", &"x".repeat(63)] {
            assert!(is_label(text), "{text}");
        }
        for text in ["", "-a", "a-", "A", "a.b", "a_b", "team-*", "é", &"x".repeat(64)] {
            assert!(!is_label(text), "{text}");
        }
    }

    #[test]
    fn subdomains() {
        for text in ["a", "eks.amazonaws.com", "a-b.c", &"x".repeat(253)] {
            assert!(is_subdomain(text), "{text}");
        }
        for text in ["", ".", "a.", ".a", "a..b", "Eks.amazonaws.com", "eks.amazonaws.com/", "a b", &"x".repeat(254)] {
            assert!(!is_subdomain(text), "{text}");
        }
    }
}
