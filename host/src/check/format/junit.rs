// SPDX-License-Identifier: Apache-2.0

//! A test report: a suite for each file, a case for each object.

use anyhow::Result;
use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use super::Findings;
use crate::check::report::ObjectReport;

/// The report as XML.
pub fn render(findings: Findings<'_>) -> Result<String> {
    let mut report = Report::new("sa-hygiene check");
    for (number, file) in findings.sources.files.iter().enumerate() {
        let mut suite = TestSuite::new(file.name.to_string());
        let objects = findings.report.objects.iter().filter(|object| object.file == number);
        suite.add_test_cases(objects.map(|object| case(findings, object)));
        if !suite.test_cases.is_empty() {
            report.add_test_suite(suite);
        }
    }
    for unreadable in &findings.sources.unreadable {
        let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
        status.set_message(unreadable.to_line());
        let mut suite = TestSuite::new(unreadable.file.clone());
        suite.add_test_case(TestCase::new("readable", status));
        report.add_test_suite(suite);
    }
    Ok(report.to_string()?)
}

fn case(findings: Findings<'_>, object: &ObjectReport) -> TestCase {
    let file = findings.file(object.file);
    let (mut failing, mut others) = (Vec::new(), Vec::new());
    for finding in &object.findings {
        let line = format!(
            "{file}:{}:{}: {} {}",
            finding.location.line,
            finding.location.column,
            finding.level.word(),
            finding.to_line()
        );
        if findings.fail_on.fails(finding) { failing.push(line) } else { others.push(line) }
    }
    let status = if failing.is_empty() {
        TestCaseStatus::success()
    } else {
        let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
        status.set_message(failing.first().cloned().unwrap_or_default());
        status.set_description(failing.join("\n"));
        status
    };
    let mut case = TestCase::new(object.title(), status);
    if !others.is_empty() {
        case.set_system_out(others.join("\n"));
    }
    case
}
