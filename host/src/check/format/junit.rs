// SPDX-License-Identifier: Apache-2.0

//! A test report in XML: a suite for each file, and a case for each object.

use std::collections::BTreeSet;
use std::sync::Arc;

use anyhow::Result;
use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use super::Findings;
use crate::check::finding::Pass;
use crate::check::report::ObjectReport;
use crate::check::verdict::Verdict;
use crate::shown;

/// The report as XML.
pub fn render(findings: Findings<'_>) -> Result<String> {
    let mut report = Report::new("sa-hygiene check");
    let mut seen: BTreeSet<&Arc<str>> = BTreeSet::new();
    for file in findings.files.iter().filter(|file| !file.objects.is_empty()) {
        // A large file has several reports, one after the other.
        if seen.insert(&file.file) {
            report.add_test_suite(TestSuite::new(shown::text(&file.file)));
        }
        if let Some(suite) = report.test_suites.last_mut() {
            suite.add_test_cases(file.objects.iter().map(|object| case(findings, object)));
        }
    }
    for unreadable in findings.files.iter().flat_map(|file| &file.unreadable) {
        let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
        status.set_message(unreadable.to_line());
        let mut suite = TestSuite::new(shown::text(&unreadable.file));
        suite.add_test_case(TestCase::new("readable", status));
        report.add_test_suite(suite);
    }
    // Added again, so that the report counts the cases that were added to suites later.
    let suites = std::mem::take(&mut report.test_suites);
    let mut report = Report::new("sa-hygiene check");
    report.add_test_suites(suites);
    Ok(report.to_string()?)
}

fn case(findings: Findings<'_>, object: &ObjectReport) -> TestCase {
    let (mut failing, mut others) = (Vec::new(), Vec::new());
    for finding in &object.findings {
        let line = format!(
            "{}:{}:{}: {} {}",
            shown::text(&object.file),
            finding.location.line,
            finding.location.column,
            finding.word(),
            finding.to_line()
        );
        let line = match &finding.pass {
            Some(Pass::Baseline) => format!("{line} (in the baseline)"),
            Some(Pass::Suppressed { line: number, .. }) => format!("{line} (suppressed on line {number})"),
            None => line,
        };
        if findings.fail_on.fails(finding) { failing.push(line) } else { others.push(line) }
    }
    let status = match &object.verdict {
        _ if !failing.is_empty() => {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
            status.set_message(failing.first().cloned().unwrap_or_default());
            status.set_description(failing.join("\n"));
            status
        }
        Verdict::NotChecked(reason) => {
            let mut status = TestCaseStatus::skipped();
            status.set_message(format!("not checked: {}", reason.why));
            status
        }
        Verdict::Partial => {
            let mut status = TestCaseStatus::skipped();
            status.set_message("only a part of an object");
            status
        }
        _ => TestCaseStatus::success(),
    };
    let mut case = TestCase::new(object.title(), status);
    if !others.is_empty() {
        case.set_system_out(others.join("\n"));
    }
    case
}
