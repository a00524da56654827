// SPDX-License-Identifier: Apache-2.0

//! The results of a run.

use std::time::Duration;

/// The result of one test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The name of the test.
    pub name: String,
    /// The differences between the actual and the expected result; empty if there are none.
    pub differences: Vec<String>,
}

impl Outcome {
    /// An outcome.
    #[must_use]
    pub fn new(name: &str, differences: Vec<String>) -> Self {
        Self { name: name.to_owned(), differences }
    }

    /// The outcome of a result: its error, or no difference.
    #[must_use]
    pub fn of<T>(name: &str, result: anyhow::Result<T>) -> Self {
        Self::new(name, result.err().map(|error| vec![format!("{error:#}")]).unwrap_or_default())
    }
}

/// Counts the failed tests and skipped parts of a run.
#[derive(Debug, Default)]
pub struct Report {
    failed: usize,
    skipped: usize,
}

impl Report {
    /// Prints a part of a run: the failures, then the counts.
    pub fn part(&mut self, name: &str, outcomes: &[Outcome], elapsed: Duration) {
        let failed = outcomes.iter().filter(|outcome| !outcome.differences.is_empty());
        for outcome in failed.clone() {
            println!("FAILED {}", outcome.name);
            for line in outcome.differences.iter().flat_map(|difference| difference.lines()) {
                println!("    {line}");
            }
        }
        let failed = failed.count();
        self.failed += failed;
        let passed = outcomes.len() - failed;
        println!("{name}: {passed} passed, {failed} failed ({:.0} s)", elapsed.as_secs_f64());
    }

    /// Prints that a part was skipped, and why.
    pub fn skip(&mut self, name: &str, why: &str) {
        self.skipped += 1;
        println!("{name}: skipped, {why}");
    }

    /// Prints the totals. In CI, a skipped part is a failure, because nobody would notice it in a successful run.
    #[must_use]
    pub fn is_passed(&self, is_ci: bool) -> bool {
        println!("{} failed, {} skipped", self.failed, self.skipped);
        self.failed == 0 && !(is_ci && self.skipped > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn skipped_in_ci() {
        let mut report = Report::default();
        report.part("cases", &[Outcome::new("a", Vec::new())], Duration::ZERO);
        assert!(report.is_passed(true));
        report.skip("flows", "no controller manager");
        assert!(report.is_passed(false) && !report.is_passed(true));
        report.part("cases", &[Outcome::new("a", vec!["differs".to_owned()])], Duration::ZERO);
        assert!(!report.is_passed(false));
    }
}
