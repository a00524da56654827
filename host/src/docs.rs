// SPDX-License-Identifier: Apache-2.0

//! The rules and their pages in the repository.

use std::sync::LazyLock;

use serviceaccount_hygiene::rules::{RULES, Rule};

/// The URL of the repository.
pub const REPOSITORY: &str = env!("CARGO_PKG_REPOSITORY");

/// Name and text of each page in `docs/rules/`, collected by the build script.
static PAGES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/rule_pages.rs"));

/// Every rule with its page, in the order of the documentation.
pub static RULES_WITH_PAGES: LazyLock<Vec<(&'static Rule, &'static str)>> =
    LazyLock::new(|| RULES.iter().map(|rule| (*rule, page(rule.id).unwrap_or_default())).collect());

/// The page of a rule.
pub fn page(id: &str) -> Option<&'static str> {
    PAGES.iter().find(|(name, _)| *name == id).map(|(_, page)| *page)
}

/// The URL of the page of a rule.
pub fn page_url(id: &str) -> String {
    format!("{REPOSITORY}/blob/main/docs/rules/{id}.md")
}

/// A page without the markers of generated parts.
pub fn plain(page: &str) -> String {
    let lines = page.lines().filter(|line| !line.trim_start().starts_with("<!--"));
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_have_pages() {
        for (rule, page) in RULES_WITH_PAGES.iter() {
            assert!(page.starts_with(&format!("# {}\n", rule.id)), "docs/rules/{}.md", rule.id);
        }
    }
}
