// SPDX-License-Identifier: Apache-2.0

//! Checks one object of a file: locates its findings, selects them, and marks those that are suppressed.

use serde_json::Value;

use super::evaluate::{Evaluation, Evaluator};
use super::field_path;
use super::finding::Finding;
use super::placeholder::{self, Placeholder};
use super::source::{Manifest, SourcePart};
use super::suppress::Suppressions;
use crate::yaml::layout::Step;

/// Data from the text of a document that applies to the findings of all its objects.
pub(super) struct PartContext {
    pub suppressions: Suppressions,
    may_have_placeholders: bool,
}

impl Evaluator {
    /// Scans the text of a document once, regardless of the number of objects in it.
    pub(super) fn context_of(&self, part: &SourcePart<'_>) -> PartContext {
        let suppressions = if self.ignore_suppressions { Suppressions::default() } else { Suppressions::of(part) };
        PartContext { suppressions, may_have_placeholders: placeholder::may_be_in(part.part.text(&part.file.text)) }
    }

    /// Checks an object.
    pub(super) fn check(&self, part: &SourcePart<'_>, manifest: &Manifest, context: &PartContext) -> Evaluation {
        let mut evaluation = self.evaluate(&manifest.object, manifest.is_live());
        self.selection.retain(&mut evaluation.findings);
        if evaluation.findings.is_empty() {
            return evaluation;
        }
        for finding in &mut evaluation.findings {
            finding.location = part.locate(manifest, &finding.path);
            if context.may_have_placeholders {
                name_placeholder(&manifest.object, finding);
            }
        }
        if !context.suppressions.is_empty() {
            context.suppressions.apply(part.locate(manifest, &[]), &mut evaluation.findings);
        }
        evaluation.findings.sort_by(|a, b| (a.location, &a.rule, a.text()).cmp(&(b.location, &b.rule, b.text())));
        evaluation
    }
}

/// Replaces the help of a finding about an unrendered template or an unsubstituted variable.
fn name_placeholder(object: &Value, finding: &mut Finding) {
    if let Some(placeholder) = finding.value.as_deref().and_then(Placeholder::find) {
        finding.help = placeholder.help(true);
        return;
    }
    let (steps, is_complete) = field_path::steps(object, &finding.path);
    let value = steps.iter().filter(|_| is_complete).try_fold(object, |value, step| match step {
        Step::Key(key) => value.get(key),
        Step::Index(index) => value.get(index),
    });
    let written = value.filter(|_| is_complete).and_then(Value::as_str);
    if let Some(placeholder) = written.and_then(Placeholder::find) {
        // The policy does not show this value, because it may be a secret.
        finding.help = placeholder.help(false);
    }
}
