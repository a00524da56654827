// SPDX-License-Identifier: Apache-2.0
//! Diagnostics: what a rule reports about one field of an object.
//!
//! This module does not depend on rules, settings or objects.

pub mod escaped;
pub mod field_path;
pub mod findings;
pub mod message;
pub mod severity;
mod text;

use field_path::FieldPath;
use message::Message;
use text::text;

/// What a rule reports about one field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// The rule's ID.
    pub rule: &'static str,
    /// The field.
    pub path: FieldPath,
    /// What is wrong with it or was changed, and what to do.
    pub message: Message,
}

impl Diagnostic {
    /// Appends `rule: path: message; help (value)` to a text.
    pub fn push_to(&self, out: &mut String) {
        out.push_str(self.rule);
        out.push_str(": ");
        self.path.push_to(out);
        out.push_str(": ");
        self.message.push_to(out);
    }

    /// The diagnostic as a line.
    #[must_use]
    pub fn line(&self) -> String {
        text(|out| self.push_to(out))
    }

    /// Appends what identifies the diagnostic, to recognize an earlier one about
    /// the same problem: rule, field, and every value of the message. Never
    /// shown.
    pub fn push_identity(&self, out: &mut String) {
        out.push_str(self.rule);
        out.push('\0');
        self.path.push_to(out);
        out.push('\0');
        self.message.push_identity(out);
    }
}

/// A text for each diagnostic, without spare capacity: there may be thousands,
/// and the memory that a growing string leaves behind is never reused
/// (docs/performance.md).
pub fn rendered<'d>(
    diagnostics: impl Iterator<Item = &'d Diagnostic>,
    push: impl Fn(&Diagnostic, &mut String),
) -> Vec<String> {
    let mut scratch = String::new();
    diagnostics
        .map(|diagnostic| {
            scratch.clear();
            push(diagnostic, &mut scratch);
            scratch.as_str().to_owned()
        })
        .collect()
}
