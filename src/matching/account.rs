// SPDX-License-Identifier: Apache-2.0
//! Patterns for ServiceAccounts: `namespace/name`. Each half is a glob of its
//! own, so `*` never matches the slash.

use super::glob::{self, Glob, validate_pattern};
use crate::fast::cut;

/// Whether one of the patterns matches the account. No pattern matches an
/// account without a namespace.
#[must_use]
pub fn any(patterns: &[Glob<'_>], namespace: &str, name: &str) -> bool {
    !namespace.is_empty()
        && patterns.iter().any(|pattern| {
            cut::once(pattern.as_str(), b'/')
                .is_some_and(|(namespaces, names)| glob::matches(namespaces, namespace) && glob::matches(names, name))
        })
}

/// The problem with a pattern, if any.
#[must_use]
pub fn problem(pattern: &str) -> Option<String> {
    validate_pattern(pattern).or_else(|| {
        let is_pair = cut::once(pattern, b'/')
            .is_some_and(|(namespace, name)| !namespace.is_empty() && !name.is_empty() && !name.contains('/'));
        (!is_pair).then(|| "must be namespace/name, e.g. monitoring/prometheus-*".to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::{any, problem};
    use crate::matching::glob::Glob;
    use rstest::rstest;

    #[rstest]
    #[case("shop/app", "shop", "app", true)]
    #[case("shop/*", "shop", "app", true)]
    #[case("*/app", "shop", "app", true)]
    #[case("*/app", "", "app", false)]
    #[case("shop*/app", "shop", "app", true)]
    #[case("s*p", "shop", "app", false)]
    #[case("shop/app", "shop", "app2", false)]
    #[case("shop/app", "shop", "app*****", false)]
    #[case("shop/app-*", "shop", "app-*****", true)]
    #[case("shop/app-?????", "shop", "app-*****", true)]
    #[case("shop/app-x*", "shop", "app-*****", false)]
    fn covers(#[case] pattern: &str, #[case] namespace: &str, #[case] name: &str, #[case] expected: bool) {
        assert_eq!(any(&[Glob::new(pattern)], namespace, name), expected);
    }

    #[rstest]
    #[case("shop/app", true)]
    #[case("*/*", true)]
    #[case("app", false)]
    #[case("a/b/c", false)]
    #[case("/app", false)]
    #[case("shop/", false)]
    #[case("", false)]
    #[case("shop/a b", false)]
    fn validates_pairs(#[case] pattern: &str, #[case] expected: bool) {
        assert_eq!(problem(pattern).is_none(), expected);
    }
}
