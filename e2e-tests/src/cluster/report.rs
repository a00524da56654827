// SPDX-License-Identifier: Apache-2.0

//! What came of a run.

use std::time::Duration;

/// What became of one thing that was tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// What was tried.
    pub name: String,
    /// How reality differs from what was expected; nothing, if it does not.
    pub differences: Vec<String>,
}

impl Outcome {
    /// An outcome.
    #[must_use]
    pub fn new(name: &str, differences: Vec<String>) -> Self {
        Self { name: name.to_owned(), differences }
    }

    /// An outcome that is an error, or none.
    #[must_use]
    pub fn of<T>(name: &str, result: anyhow::Result<T>) -> Self {
        Self::new(name, result.err().map(|error| vec![format!("{error:#}")]).unwrap_or_default())
    }
}

/// Parts of a run, each with how many things were tried and how many went wrong.
#[derive(Debug, Default)]
pub struct Report {
    failed: usize,
    skipped: usize,
}

impl Report {
    /// Prints a part: what went wrong, then the counts.
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

    /// Prints what could not be tried.
    pub fn skip(&mut self, name: &str, why: &str) {
        self.skipped += 1;
        println!("{name}: skipped, {why}");
    }

    /// Prints the sum. Nothing may be skipped where `is_ci`: nobody looks at what a green run has left out.
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
