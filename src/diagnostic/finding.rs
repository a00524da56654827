// SPDX-License-Identifier: Apache-2.0
//! What rules say: findings and changes, each a named text with the user's
//! values filled in.

use std::fmt;

use crate::diagnostic::field_path::{Escaped, FieldPath};
use crate::fast::cut;

/// A text that a rule can give. Named, so that tests can tell which texts no
/// case has ever produced.
#[derive(Debug, PartialEq, Eq)]
pub struct MessageTemplate {
    /// Unique within the rule.
    pub name: &'static str,
    /// Lower case, no error at the end; each `{}` takes one value.
    pub template: &'static str,
}

/// Writes a template with its values, which are shown as users' text is.
///
/// # Errors
/// As the writer.
pub fn fill(template: &str, values: &[String], f: &mut impl fmt::Write) -> fmt::Result {
    let (mut values, mut rest) = (values.iter(), template);
    while let Some((before, behind)) = cut::once(rest, b'{') {
        f.write_str(before)?;
        if let Some(value) = values.next() {
            write!(f, "{}", Escaped(value))?;
        }
        rest = behind.strip_prefix('}').unwrap_or(behind);
    }
    f.write_str(rest)
}

/// How far a finding can go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MaxSeverity {
    /// As far as the rule's action.
    Action,
    /// A warning at the most.
    Warning,
    /// A warning whatever warnings count as: a rejection would break something.
    Notice,
}

impl MaxSeverity {
    /// The words of parameters that choose it.
    pub const WORDS: &'static [&'static str] = &["allow", "warn", "reject"];

    /// The strength that a word chooses; none for `allow`.
    #[must_use]
    pub fn chosen(word: &str) -> Option<Self> {
        match word {
            "allow" => None,
            "warn" => Some(Self::Warning),
            _ => Some(Self::Action),
        }
    }
}

/// A text at a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// The rule's id.
    pub rule: &'static str,
    /// Where in the object.
    pub path: FieldPath,
    message: &'static MessageTemplate,
    values: Vec<String>,
}

impl Diagnostic {
    /// Rule, place and text. There may be thousands, and what a line leaves behind
    /// while it grows is never given back.
    #[must_use]
    pub fn line(&self) -> String {
        let values: usize = self.values.iter().map(|value| Escaped(value).length()).sum();
        let length = self.rule.len() + self.path.as_str().len() + self.message.template.len() + values;
        let mut line = String::with_capacity(length + 4);
        for part in [self.rule, ": ", self.path.as_str(), ": "] {
            line.push_str(part);
        }
        // Writing to a string cannot fail.
        let _ = self.write_text(&mut line);
        line
    }

    /// The text without rule and place.
    fn write_text(&self, f: &mut impl fmt::Write) -> fmt::Result {
        fill(self.message.template, &self.values, f)
    }

    /// The text without rule and place.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = self.write_text(&mut text);
        text
    }

    /// What the remark is about, for telling whether an old one is about the
    /// same: the rule, the place and the offending value. Never shown.
    #[must_use]
    pub fn identity(&self) -> String {
        let mut identity = [self.rule, "\0", self.path.as_str(), "\0", self.message.name].concat();
        for value in &self.values {
            identity.push('\0');
            identity.push_str(value);
        }
        identity
    }
}

/// Something wrong with the object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What.
    pub diagnostic: Diagnostic,
    /// How far it can go.
    pub severity: MaxSeverity,
}

/// The findings of one rule.
#[derive(Debug)]
pub struct Findings {
    rule: &'static str,
    list: Vec<Finding>,
}

impl Findings {
    /// No finding yet.
    #[must_use]
    pub const fn new(rule: &'static str) -> Self {
        Self { rule, list: Vec::new() }
    }

    /// Notes a finding that the rule's action applies to. A value beyond those
    /// that the template takes is never shown, and only tells findings apart.
    #[inline(never)]
    pub fn add(&mut self, path: FieldPath, message: &'static MessageTemplate, values: &[&str]) {
        self.note(path, message, values, MaxSeverity::Action);
    }

    /// Notes a finding that is a warning at the most.
    #[inline(never)]
    pub fn warn(&mut self, path: FieldPath, message: &'static MessageTemplate, values: &[&str]) {
        self.note(path, message, values, MaxSeverity::Warning);
    }

    /// Notes a finding that goes as far as its rule has worked out.
    pub fn note(&mut self, path: FieldPath, message: &'static MessageTemplate, values: &[&str], severity: MaxSeverity) {
        let diagnostic =
            Diagnostic { rule: self.rule, path, message, values: values.iter().map(|&v| v.to_owned()).collect() };
        self.list.push(Finding { diagnostic, severity });
    }

    /// The findings.
    #[must_use]
    pub fn into_vec(self) -> Vec<Finding> {
        self.list
    }
}

/// What the fixes of one rule changed.
#[derive(Debug)]
pub struct Changes {
    rule: &'static str,
    list: Vec<Diagnostic>,
}

impl Changes {
    /// No change yet.
    #[must_use]
    pub const fn new(rule: &'static str) -> Self {
        Self { rule, list: Vec::new() }
    }

    /// Notes a change.
    #[inline(never)]
    pub fn add(&mut self, path: FieldPath, message: &'static MessageTemplate, values: &[&str]) {
        let values = values.iter().map(|&v| v.to_owned()).collect();
        self.list.push(Diagnostic { rule: self.rule, path, message, values });
    }

    /// The changes.
    #[must_use]
    pub fn into_vec(self) -> Vec<Diagnostic> {
        self.list
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static WORDING: MessageTemplate = MessageTemplate { name: "x", template: "is {}, must be {}" };

    #[test]
    fn a_diagnostic_reads_rule_path_text() {
        let mut findings = Findings::new("some-rule");
        findings.add(FieldPath::at("spec"), &WORDING, &["a\nb", "c {}"]);
        let finding = findings.into_vec().remove(0);
        assert_eq!(finding.diagnostic.line(), "some-rule: spec: is a\\u{a}b, must be c {}");
        assert_eq!(finding.diagnostic.text(), "is a\\u{a}b, must be c {}");
    }

    #[test]
    fn a_value_beyond_the_template_is_hidden() {
        let mut findings = Findings::new("some-rule");
        for hidden in ["s3cret", "s3cret", "other"] {
            findings.add(FieldPath::at("spec"), &WORDING, &["a", "b", hidden]);
        }
        let findings = findings.into_vec();
        let identities: Vec<String> = findings.iter().map(|finding| finding.diagnostic.identity()).collect();
        assert!(findings.iter().all(|finding| finding.diagnostic.line() == "some-rule: spec: is a, must be b"));
        assert_eq!(identities[0], identities[1]);
        assert_ne!(identities[1], identities[2]);
    }
}
