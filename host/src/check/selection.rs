// SPDX-License-Identifier: Apache-2.0

//! Which rules' findings are reported: `--select` and `--ignore`.
//!
//! The policies still evaluate every rule, because the rules depend on each other: a Pod from which one rule removes the token
//! has no finding of another rule.

use std::collections::BTreeSet;

use serviceaccount_hygiene::admission::response::POLICY;
use serviceaccount_hygiene::rules::RULES;

use super::finding::{API_SERVER, Finding};

/// Which rules' findings are reported; by default all.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    select: Option<BTreeSet<String>>,
    ignore: BTreeSet<String>,
}

impl Selection {
    /// Selects the findings of the rules in `select`, or of all rules if it is empty, except those in `ignore`. The error names
    /// a rule that does not exist.
    pub fn new(select: &[String], ignore: &[String]) -> Result<Self, String> {
        for rule in select.iter().chain(ignore) {
            if rule != API_SERVER && !RULES.iter().any(|known| known.id == rule) {
                return Err(super::suppress::unknown_rule(rule));
            }
        }
        let select = (!select.is_empty()).then(|| select.iter().cloned().collect());
        Ok(Self { select, ignore: ignore.iter().cloned().collect() })
    }

    /// Whether the findings of a rule are reported. Errors of the policy itself always are.
    pub fn has(&self, rule: &str) -> bool {
        rule == POLICY || self.select.as_ref().is_none_or(|select| select.contains(rule)) && !self.ignore.contains(rule)
    }

    /// Whether the findings of every rule are reported.
    pub fn is_everything(&self) -> bool {
        self.select.is_none() && self.ignore.is_empty()
    }

    /// The rules whose findings are not reported.
    pub(super) fn excluded(&self) -> BTreeSet<&'static str> {
        RULES.iter().map(|rule| rule.id).filter(|id| !self.has(id)).collect()
    }

    pub(super) fn retain(&self, findings: &mut Vec<Finding>) {
        if !self.is_everything() {
            findings.retain(|finding| self.has(&finding.rule));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_selected_and_ignored() {
        let new = |select: &[&str], ignore: &[&str]| {
            let owned = |rules: &[&str]| rules.iter().map(|rule| (*rule).to_owned()).collect::<Vec<_>>();
            Selection::new(&owned(select), &owned(ignore))
        };
        let has =
            |selection: &Selection| ["pod-automount", "role-arn", API_SERVER, POLICY].map(|rule| selection.has(rule));
        assert_eq!(has(&new(&[], &[]).unwrap()), [true; 4]);
        assert_eq!(has(&new(&["role-arn"], &[]).unwrap()), [false, true, false, true]);
        assert_eq!(has(&new(&[], &["role-arn", API_SERVER]).unwrap()), [true, false, false, true]);
        assert_eq!(has(&new(&["role-arn"], &["role-arn"]).unwrap()), [false, false, false, true]);
        assert_eq!(new(&[], &["role-arm"]).unwrap_err(), "unknown rule `role-arm`; did you mean `role-arn`?");
    }
}
