// SPDX-License-Identifier: Apache-2.0

//! Determines the recommendation for a token.

#[cfg(feature = "schema")]
use schemars::JsonSchema;
use serde::Serialize;

/// What to do about a token, in the order of precedence.
///
/// A token that was used is never called removable: it is kept, or one of the next three recommends how to reduce its
/// permissions. `move off default` also applies to tokens of `default` that may have been used, and
/// `replace legacy token` applies to all tokens that never expire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
pub enum Recommendation {
    /// It was used, and there is nothing to improve.
    #[serde(rename = "keep, used")]
    KeepUsed,
    /// The Pods need a dedicated ServiceAccount.
    #[serde(rename = "move off default")]
    MoveOffDefault,
    /// It never expires.
    #[serde(rename = "replace legacy token")]
    ReplaceLegacyToken,
    /// It was used, but its permissions allow far more.
    #[serde(rename = "narrow")]
    Narrow,
    /// The ServiceAccount is bound, but the token was not used.
    #[serde(rename = "remove, unused")]
    RemoveUnused,
    /// The ServiceAccount is not bound, and the token was not used.
    #[serde(rename = "remove")]
    Remove,
    /// The log does not show enough, or there is none.
    #[serde(rename = "unknown")]
    Unknown,
    /// There is no token.
    #[serde(rename = "no token")]
    NoToken,
}

impl Recommendation {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::KeepUsed,
        Self::MoveOffDefault,
        Self::ReplaceLegacyToken,
        Self::Narrow,
        Self::RemoveUnused,
        Self::Remove,
        Self::Unknown,
        Self::NoToken,
    ];

    /// The name of the recommendation in reports.
    pub const fn word(self) -> &'static str {
        match self {
            Self::KeepUsed => "keep, used",
            Self::MoveOffDefault => "move off default",
            Self::ReplaceLegacyToken => "replace legacy token",
            Self::Narrow => "narrow",
            Self::RemoveUnused => "remove, unused",
            Self::Remove => "remove",
            Self::Unknown => "unknown",
            Self::NoToken => "no token",
        }
    }
}

/// Whether bindings name an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bound {
    Yes,
    No,
    /// Some bindings were not read.
    Unknown,
}

/// Whether a token was used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Used {
    /// It was used, or may have been: its account was used, and the log does not contain the Pods.
    Yes,
    /// The log shows that it was not.
    No,
    /// Unknown, with the reason.
    Unknown(String),
}

/// The facts that determine a recommendation.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "they are independent of each other")]
pub(super) struct Facts {
    /// Whether there is a token that Kubernetes renews.
    pub has_token: bool,
    /// Whether there are legacy tokens.
    pub has_legacy: bool,
    /// Whether its account is `default`.
    pub is_default: bool,
    pub bound: Bound,
    pub used: Used,
    /// Whether its permissions go far beyond what was used.
    pub is_too_wide: bool,
    /// The annotation that tells an injector to use the token in a way that the audit log cannot show.
    pub used_elsewhere: Option<String>,
}

/// The first recommendation that applies.
pub(super) fn recommend(facts: &Facts) -> Recommendation {
    use Recommendation as R;
    let is_used = facts.used == Used::Yes;
    // The token may be needed.
    let may_be_needed =
        is_used || facts.used != Used::No && facts.bound == Bound::Yes || facts.used_elsewhere.is_some();
    match () {
        () if !facts.has_token && !facts.has_legacy && !is_used => R::NoToken,
        () if facts.has_token && facts.is_default && may_be_needed => R::MoveOffDefault,
        () if facts.has_legacy => R::ReplaceLegacyToken,
        () if is_used && facts.is_too_wide => R::Narrow,
        () if is_used => R::KeepUsed,
        () if facts.used_elsewhere.is_some() => R::Unknown,
        () if facts.used == Used::No && facts.bound == Bound::No => R::Remove,
        () if facts.used == Used::No => R::RemoveUnused,
        () => R::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn facts() -> Facts {
        Facts {
            has_token: true,
            has_legacy: false,
            is_default: false,
            bound: Bound::Yes,
            used: Used::Yes,
            is_too_wide: false,
            used_elsewhere: None,
        }
    }

    fn unknown() -> Used {
        Used::Unknown("no audit log was given".to_owned())
    }

    #[rstest]
    #[case::used(facts(), "keep, used")]
    #[case::used_without_a_binding(Facts { bound: Bound::No, ..facts() }, "keep, used")]
    #[case::used_by_default(Facts { is_default: true, ..facts() }, "move off default")]
    #[case::used_by_default_and_wide(Facts { is_default: true, is_too_wide: true, has_legacy: true, ..facts() }, "move off default")]
    #[case::default_bound_unknown(Facts { is_default: true, used: unknown(), ..facts() }, "move off default")]
    #[case::default_bound_unused(Facts { is_default: true, used: Used::No, ..facts() }, "remove, unused")]
    #[case::default_unbound_unknown(Facts { is_default: true, used: unknown(), bound: Bound::No, ..facts() }, "unknown")]
    #[case::default_unbound_unused(Facts { is_default: true, used: Used::No, bound: Bound::No, ..facts() }, "remove")]
    #[case::default_for_vault(Facts { is_default: true, used: Used::No, bound: Bound::No, used_elsewhere: Some("a".into()), ..facts() }, "move off default")]
    #[case::default_with_a_legacy_secret_alone(Facts { is_default: true, has_token: false, has_legacy: true, ..facts() }, "replace legacy token")]
    #[case::legacy_used(Facts { has_legacy: true, ..facts() }, "replace legacy token")]
    #[case::legacy_unused(Facts { has_legacy: true, used: Used::No, ..facts() }, "replace legacy token")]
    #[case::legacy_wide(Facts { has_legacy: true, is_too_wide: true, ..facts() }, "replace legacy token")]
    #[case::wide(Facts { is_too_wide: true, ..facts() }, "narrow")]
    #[case::wide_unused(Facts { is_too_wide: true, used: Used::No, ..facts() }, "remove, unused")]
    #[case::unused(Facts { used: Used::No, ..facts() }, "remove, unused")]
    #[case::unused_bindings_unread(Facts { used: Used::No, bound: Bound::Unknown, ..facts() }, "remove, unused")]
    #[case::unused_unbound(Facts { used: Used::No, bound: Bound::No, ..facts() }, "remove")]
    #[case::unused_for_vault(Facts { used: Used::No, used_elsewhere: Some("a".into()), ..facts() }, "unknown")]
    #[case::unknown(Facts { used: unknown(), ..facts() }, "unknown")]
    #[case::unknown_unbound(Facts { used: unknown(), bound: Bound::No, ..facts() }, "unknown")]
    #[case::no_token(Facts { has_token: false, used: Used::No, ..facts() }, "no token")]
    #[case::no_token_unknown(Facts { has_token: false, used: unknown(), ..facts() }, "no token")]
    #[case::used_by_pods_that_are_gone(Facts { has_token: false, ..facts() }, "keep, used")]
    fn precedence(#[case] facts: Facts, #[case] expected: &str) {
        assert_eq!(recommend(&facts).word(), expected);
    }

    /// Checks all combinations of facts.
    #[test]
    fn never_removes_used_or_unknown() {
        let bools = [false, true];
        for bits in 0..64_usize {
            let bit = |index: usize| bools[(bits >> index) & 1];
            for bound in [Bound::Yes, Bound::No, Bound::Unknown] {
                for used in [Used::Yes, unknown()] {
                    let facts = Facts {
                        has_token: bit(0),
                        has_legacy: bit(1),
                        is_default: bit(2),
                        is_too_wide: bit(3),
                        used_elsewhere: bit(4).then(String::new),
                        bound,
                        used,
                    };
                    let word = recommend(&facts).word();
                    assert!(!word.starts_with("remove"), "{facts:?}");
                }
            }
        }
    }
}
