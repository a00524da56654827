// SPDX-License-Identifier: Apache-2.0
//! The conclusion of a review: the diagnostics that the verdict is built from.

use super::summary;
use crate::admission::verdict::{Outcome, Verdict};
use crate::diagnostic::Diagnostic;
use crate::diagnostic::severity::Severity;

/// Receives every diagnostic of a verdict.
pub type Sink<'s> = &'s mut dyn FnMut(Severity, &Diagnostic);

/// The diagnostics of a review, by severity.
#[derive(Debug, Default)]
pub(super) struct Conclusion {
    /// Why the object is rejected, if it is.
    pub rejections: Vec<Diagnostic>,
    /// The other findings.
    pub warnings: Vec<Diagnostic>,
    /// What was changed in the object.
    pub changes: Vec<Diagnostic>,
    /// What will be changed in the Pods of a template.
    pub pod_changes: Vec<Diagnostic>,
    /// The object (JSON text) with the changes.
    pub fixed: Option<String>,
}

impl Conclusion {
    /// Whether the object is accepted unchanged and without diagnostics.
    pub(super) fn is_acceptance(&self) -> bool {
        [&self.rejections, &self.warnings, &self.changes, &self.pod_changes].iter().all(|list| list.is_empty())
    }

    /// Calls `sink` with every diagnostic.
    #[inline(never)]
    pub(super) fn each_diagnostic(&self, sink: Sink<'_>) {
        let lists = [
            (Severity::Rejection, &self.rejections),
            (Severity::Warning, &self.warnings),
            (Severity::Change, &self.changes),
            (Severity::PodChange, &self.pod_changes),
        ];
        for (severity, list) in lists {
            for diagnostic in list {
                sink(severity, diagnostic);
            }
        }
    }

    /// The verdict, with its messages and audit annotations.
    pub(super) fn into_verdict(self) -> Verdict {
        let Self { rejections, warnings, changes, pod_changes, fixed } = self;
        let audit = summary::audit(&rejections, &changes, warnings.iter().chain(&pod_changes));
        let outcome = if !rejections.is_empty() {
            Outcome::Rejected(summary::rejection(&rejections))
        } else if changes.is_empty() {
            Outcome::Accepted
        } else {
            fixed.map_or(Outcome::Accepted, Outcome::Fixed)
        };
        Verdict { outcome, warnings: summary::warnings(&warnings, &changes, &pod_changes), audit }
    }
}
