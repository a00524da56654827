// SPDX-License-Identifier: Apache-2.0
//! What a rule collects: findings when it checks, changes when it fixes.

use super::Diagnostic;
use super::field_path::FieldPath;
use super::message::{Message, MessageTemplate};
use super::severity::MaxSeverity;

/// Something wrong with the object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What is wrong, and where.
    pub diagnostic: Diagnostic,
    /// The maximum severity.
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

    /// Adds a finding that the rule's action applies to. For `values`, see
    /// [`Message::new`].
    #[inline(never)]
    pub fn add(&mut self, path: FieldPath, template: &'static MessageTemplate, values: &[&str]) {
        self.push(path, Message::new(template, values), MaxSeverity::Action);
    }

    /// Adds a finding that is at most a warning.
    #[inline(never)]
    pub fn warn(&mut self, path: FieldPath, template: &'static MessageTemplate, values: &[&str]) {
        self.push(path, Message::new(template, values), MaxSeverity::Warning);
    }

    /// Adds a finding with a message and a maximum severity.
    #[inline(never)]
    pub fn push(&mut self, path: FieldPath, message: Message, severity: MaxSeverity) {
        self.list.push(Finding { diagnostic: Diagnostic { rule: self.rule, path, message }, severity });
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

    /// Adds a change.
    #[inline(never)]
    pub fn add(&mut self, path: FieldPath, template: &'static MessageTemplate, values: &[&str]) {
        self.list.push(Diagnostic { rule: self.rule, path, message: Message::new(template, values) });
    }

    /// The changes.
    #[must_use]
    pub fn into_vec(self) -> Vec<Diagnostic> {
        self.list
    }
}
