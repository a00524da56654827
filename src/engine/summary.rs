// SPDX-License-Identifier: Apache-2.0
//! Diagnostics as users and the audit log see them: sorted, limited, and the
//! same text for the same request.

use crate::admission::response::POLICY;
use crate::admission::verdict::{Code, Rejection};
use crate::diagnostic::{Diagnostic, rendered};
use crate::fast::names::Names;

/// The maximum number of findings in a message.
const LISTED: usize = 20;

/// The maximum length of a warning, in characters. The API server may truncate
/// warnings of more than 256.
const WARNING: usize = 240;

/// The maximum length of all warnings of a response, in characters: two
/// policies respond, and the API server truncates their warnings to 4,096 in
/// total.
const WARNINGS: usize = 1800;

/// A message: a count, then one line per problem.
#[must_use]
pub fn message(path: &str, lines: &[&str], most: usize) -> String {
    let mut message = format!("{POLICY}: {} problem{}", lines.len(), if lines.len() == 1 { "" } else { "s" });
    if !path.is_empty() {
        message.push(' ');
        message.push_str(path);
    }
    for line in lines.iter().take(most) {
        message.push_str("\n- ");
        message.push_str(line);
    }
    if lines.len() > most {
        message.push_str("\n- and ");
        message.push_str(&(lines.len() - most).to_string());
        message.push_str(" more");
    }
    message
}

/// The rejection for these diagnostics.
#[must_use]
pub fn rejection(diagnostics: &[Diagnostic]) -> Rejection {
    let lines = rendered(diagnostics.iter(), Diagnostic::push_to);
    let lines = Names::of(lines.iter().map(String::as_str)).distinct();
    Rejection { code: Code::Forbidden, message: message("", &lines, LISTED) }
}

/// The warnings: one per finding, per fix and per expected fix.
#[must_use]
pub fn warnings(findings: &[Diagnostic], fixed: &[Diagnostic], expected: &[Diagnostic]) -> Vec<String> {
    let mut lines = rendered(findings.iter().chain(fixed), Diagnostic::push_to);
    lines.extend(rendered(expected.iter(), push_expected));
    let lines = Names::of(lines.iter().map(String::as_str)).distinct();
    let (count, mut used) = (lines.len(), 0);
    let mut kept = Vec::new();
    for line in lines {
        let line = cut(line);
        used += line.chars().count();
        if used > WARNINGS {
            break;
        }
        kept.push(line);
    }
    if kept.len() < count {
        let more = count - kept.len();
        kept.push(format!("{POLICY}: and {more} more {}", if more == 1 { "warning" } else { "warnings" }));
    }
    kept
}

/// A fix that the Pods will get, but not their template.
fn push_expected(diagnostic: &Diagnostic, out: &mut String) {
    out.push_str(diagnostic.rule);
    out.push_str(": ");
    diagnostic.path.push_to(out);
    out.push_str(": Pods made from this template will be changed: ");
    diagnostic.message.push_to(out);
}

fn cut(line: &str) -> String {
    if line.chars().count() <= WARNING {
        return line.to_owned();
    }
    line.chars().take(WARNING - 1).chain(['…']).collect()
}

/// The audit annotations: for each rule, its most severe outcome and how often
/// it occurred.
#[must_use]
pub fn audit<'r>(
    rejected: &'r [Diagnostic],
    fixed: &'r [Diagnostic],
    warned: impl Iterator<Item = &'r Diagnostic>,
) -> Vec<(&'static str, String)> {
    let mut counts: Vec<(&'static str, &str, usize)> = Vec::new();
    let strongest_first = (rejected.iter().map(|diagnostic| ("rejected", diagnostic)))
        .chain(fixed.iter().map(|diagnostic| ("fixed", diagnostic)))
        .chain(warned.map(|diagnostic| ("warned", diagnostic)));
    for (word, diagnostic) in strongest_first {
        let at = counts.partition_point(|(rule, ..)| *rule < diagnostic.rule);
        match counts.get_mut(at).filter(|(rule, ..)| *rule == diagnostic.rule) {
            Some((_, strongest, count)) => *count += usize::from(*strongest == word),
            None => counts.insert(at, (diagnostic.rule, word, 1)),
        }
    }
    counts.into_iter().map(|(rule, word, count)| (rule, [word, "(", &count.to_string(), ")"].concat())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::field_path::FieldPath;
    use crate::diagnostic::findings::Findings;
    use crate::diagnostic::message::MessageTemplate;

    static VALUE: MessageTemplate = MessageTemplate { name: "VALUE", message: "is {}", help: "" };
    static LONG: MessageTemplate = MessageTemplate { name: "LONG", message: "{}{}{}", help: "" };

    fn diagnostics(rule: &'static str, values: &[&str]) -> Vec<Diagnostic> {
        let mut findings = Findings::new(rule);
        for value in values {
            findings.add(FieldPath::at("spec"), &VALUE, &[value]);
        }
        findings.into_vec().into_iter().map(|finding| finding.diagnostic).collect()
    }

    #[test]
    fn rejection_counts_and_sorts() {
        assert_eq!(
            rejection(&diagnostics("b", &["2", "1"])).message,
            "serviceaccount-hygiene: 2 problems\n- b: spec: is 1\n- b: spec: is 2"
        );
        assert_eq!(rejection(&diagnostics("b", &["1"])).message, "serviceaccount-hygiene: 1 problem\n- b: spec: is 1");
    }

    #[test]
    fn rejection_lists_twenty() {
        let values: Vec<String> = (0..25).map(|n| format!("{n:02}")).collect();
        let values: Vec<&str> = values.iter().map(String::as_str).collect();
        let message = rejection(&diagnostics("b", &values)).message;
        assert_eq!(message.lines().count(), 22);
        assert!(message.starts_with("serviceaccount-hygiene: 25 problems\n"));
        assert!(message.ends_with("\n- b: spec: is 19\n- and 5 more"));
    }

    #[test]
    fn rejection_of_twenty_has_no_rest() {
        let values: Vec<String> = (0..20).map(|n| format!("{n:02}")).collect();
        let values: Vec<&str> = values.iter().map(String::as_str).collect();
        let message = rejection(&diagnostics("b", &values)).message;
        assert!(message.ends_with("\n- b: spec: is 19"));
    }

    #[test]
    fn limits_warnings() {
        let long = "é".repeat(300);
        let values: Vec<String> = (0..40).map(|n| format!("{n:02}{long}")).collect();
        let values: Vec<&str> = values.iter().map(String::as_str).collect();
        let warnings = warnings(&diagnostics("b", &values), &[], &[]);
        assert!(warnings.iter().all(|warning| warning.chars().count() <= WARNING));
        let total: usize = warnings.iter().map(|warning| warning.chars().count()).sum();
        assert!(total <= WARNINGS + 60, "{total}");
        let kept = warnings.len() - 1;
        assert_eq!(warnings.last().unwrap(), &format!("serviceaccount-hygiene: and {} more warnings", 40 - kept));
    }

    #[test]
    fn limits_warnings_exactly() {
        let all = |lengths: &[usize]| {
            let mut findings = Findings::new("b");
            for (number, length) in lengths.iter().enumerate() {
                let text = number.to_string() + &"x".repeat(length - "b: spec: ".len() - 1);
                let (first, rest) = text.split_at(text.len().min(100));
                let (second, third) = rest.split_at(rest.len().min(100));
                findings.add(FieldPath::at("spec"), &LONG, &[first, second, third]);
            }
            let diagnostics: Vec<Diagnostic> =
                findings.into_vec().into_iter().map(|finding| finding.diagnostic).collect();
            let mut warnings = warnings(&diagnostics, &[], &[]);
            warnings.pop().filter(|last| last.contains(": and "))
        };
        let more = Some("serviceaccount-hygiene: and 1 more warning".to_owned());
        assert_eq!(all(&[240, 240, 240, 240, 240, 240, 240, 120]), None);
        assert_eq!(all(&[240, 240, 240, 240, 240, 240, 240, 121]), more);
        assert_eq!(all(&[240, 240, 240, 240, 240, 240, 240, 120, 240]), more);
    }

    #[test]
    fn cuts_long_warning() {
        let mut findings = Findings::new("b");
        let value = "x".repeat(120);
        findings.add(FieldPath::at("spec"), &LONG, &[&value, &value, &value]);
        let diagnostics: Vec<Diagnostic> = findings.into_vec().into_iter().map(|finding| finding.diagnostic).collect();
        let warnings = warnings(&diagnostics, &[], &[]);
        assert_eq!(warnings[0].chars().count(), WARNING);
        assert!(warnings[0].ends_with("x…"));
    }

    #[test]
    fn audit_has_strongest_outcome() {
        let (a, b) = (diagnostics("a", &["1", "2"]), diagnostics("b", &["1"]));
        let audit = audit(&b, &a, a.iter().chain(&b));
        assert_eq!(audit, [("a", "fixed(2)".to_owned()), ("b", "rejected(1)".to_owned())]);
    }
}
