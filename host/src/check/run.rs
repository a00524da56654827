// SPDX-License-Identifier: Apache-2.0

//! Checks all files, several documents at a time. Reports are passed on in the order of the input as soon as they are ready.
//! Only documents in progress are in memory.

use std::ops::Range;
use std::sync::{Arc, mpsc};
use std::thread;

use anyhow::{Result, anyhow};
use rayon::iter::{IntoParallelRefIterator as _, ParallelIterator as _};
use serde_json::Value;

use super::coverage;
use super::evaluate::Evaluator;
use super::fix;
use super::input::Inputs;
use super::object::PartContext;
use super::report::{FileReport, Noted, ObjectReport};
use super::source::{Manifest, SourceFile, SourcePart};
use super::verdict::{Reason, Verdict};
use crate::json::at;
use crate::shown;

/// Bytes of text after which a unit of documents is complete.
const UNIT_BYTES: usize = 64 << 10;

/// Maximum number of documents in a unit.
const UNIT_PARTS: usize = 256;

/// Maximum number of units that are in progress or wait to be reported.
const MAX_IN_PROGRESS: usize = 32;

/// Minimum number of objects in a document that several threads check.
const LONG_LIST: usize = 32;

/// Checks every file. `each` is called with the reports on the documents, in the order of the input.
pub fn run(
    inputs: &Inputs,
    evaluator: &Evaluator,
    mut each: impl FnMut(FileReport) -> Result<()> + Send,
) -> Result<()> {
    for unreadable in &inputs.unreadable {
        let file = unreadable.file.as_str().into();
        each(FileReport { file, unreadable: vec![unreadable.clone()], ..FileReport::default() })?;
    }
    let (sender, receiver) = mpsc::sync_channel::<mpsc::Receiver<FileReport>>(MAX_IN_PROGRESS);
    thread::scope(|threads| {
        let reporter = threads.spawn(move || {
            for report in receiver {
                // The sender is dropped without a report only if the program is ending.
                if let Ok(report) = report.recv() {
                    each(report)?;
                }
            }
            Ok(())
        });
        rayon::in_place_scope(|scope| {
            for input in &inputs.files {
                match inputs.read(input) {
                    Err(unreadable) => {
                        let (result, report) = mpsc::sync_channel(1);
                        let file = unreadable.file.as_str().into();
                        let unreadable = vec![unreadable];
                        let _ = result.send(FileReport { file, unreadable, ..FileReport::default() });
                        if sender.send(report).is_err() {
                            return;
                        }
                    }
                    Ok(file) => {
                        let file = Arc::new(file);
                        for parts in units(&file) {
                            let (result, report) = mpsc::sync_channel(1);
                            // The receiver is dropped when a report could not be printed.
                            if sender.send(report).is_err() {
                                return;
                            }
                            let file = Arc::clone(&file);
                            scope.spawn(move |_| {
                                let _ = result.send(check_parts(evaluator, &file, parts));
                            });
                        }
                    }
                }
            }
            drop(sender);
        });
        reporter.join().map_err(|_| anyhow!("the reports could not be printed"))?
    })
}

/// The parts of a file that are checked together.
fn units(file: &SourceFile) -> Vec<Range<usize>> {
    let mut units = Vec::new();
    let (mut start, mut bytes) = (0, 0);
    for (number, part) in file.parts().iter().enumerate() {
        bytes += part.bytes.len();
        if bytes >= UNIT_BYTES || number + 1 - start >= UNIT_PARTS {
            units.push(start..number + 1);
            (start, bytes) = (number + 1, 0);
        }
    }
    if start < file.parts().len() {
        units.push(start..file.parts().len());
    }
    units
}

fn check_parts(evaluator: &Evaluator, file: &SourceFile, parts: Range<usize>) -> FileReport {
    let mut report = FileReport { file: file.name.clone(), ..FileReport::default() };
    for part in file.parts().get(parts).unwrap_or_default() {
        let part = file.part(part);
        let contents = part.read();
        report.unreadable.extend(contents.unreadable);
        report.warnings.extend(contents.warnings);
        report.others += contents.others;
        let context = evaluator.context_of(&part);
        let check = |manifest: &Manifest| check_object(evaluator, &part, manifest, &context);
        let checked: Vec<Checked> = if contents.objects.len() >= LONG_LIST {
            contents.objects.par_iter().map(check).collect()
        } else {
            contents.objects.iter().map(check).collect()
        };
        let are_whole = checked.iter().all(Checked::is_whole);
        report.warnings.extend(context.suppressions.warnings(are_whole, |rule| evaluator.selection.has(rule)));
        for it in checked {
            it.note(&mut report.noted);
            report.objects.extend(it.report);
        }
    }
    report
}

/// A checked object, and its data for the summary.
struct Checked {
    /// `None` for a Pod whose template is checked instead.
    report: Option<ObjectReport>,
    has_findings: bool,
    unknown_account: Option<String>,
    unknown_namespace: Option<String>,
    exemptions: Vec<(usize, usize)>,
    kustomization: Option<String>,
    moved: Option<(String, &'static str)>,
}

impl Checked {
    fn of(report: ObjectReport) -> Self {
        Self {
            has_findings: !report.findings.is_empty(),
            report: Some(report),
            unknown_account: None,
            unknown_namespace: None,
            exemptions: Vec::new(),
            kustomization: None,
            moved: None,
        }
    }

    /// Whether all its findings are known.
    fn is_whole(&self) -> bool {
        self.report.as_ref().is_none_or(|report| report.verdict != Verdict::Partial)
    }

    fn note(&self, noted: &mut Noted) {
        noted.unknown_accounts.extend(self.unknown_account.clone());
        noted.unknown_namespaces.extend(self.unknown_namespace.clone());
        noted.exemptions.extend(self.exemptions.iter().copied());
        noted.kustomizations.extend(self.kustomization.clone());
        noted.moved.extend(self.moved.clone());
        if self.report.is_none() {
            noted.unlisted_pods.0 += 1;
            noted.unlisted_pods.1 += usize::from(self.has_findings);
        }
    }
}

fn check_object(evaluator: &Evaluator, part: &SourcePart<'_>, manifest: &Manifest, context: &PartContext) -> Checked {
    let object = &manifest.object;
    let unchecked = |verdict: Verdict| ObjectReport::new(part, manifest, &evaluator.namespace, verdict, Vec::new());
    let folder = || part.file.path.as_deref().map(|path| shown::path(super::input::parent(path)));
    if part.file.patch_of.is_some() {
        let kustomization = part.file.patch_of.clone();
        return Checked { kustomization, ..Checked::of(unchecked(Verdict::Partial)) };
    }
    if coverage::is_kustomization(object) || part.is_kustomization_file() {
        let reason: Reason = coverage::kustomization(folder().as_deref());
        return Checked::of(unchecked(Verdict::NotChecked(reason)));
    }
    if !manifest.is_live() && super::is_partial(part, object) {
        return Checked::of(unchecked(Verdict::Partial));
    }
    let mut evaluation = evaluator.check(part, manifest, context);
    let (verdict, findings) = (evaluation.verdict(), std::mem::take(&mut evaluation.findings));
    let has_findings = !findings.is_empty();
    let is_listed = !(manifest.is_live() && has_checked_controller(object));
    let fix = if evaluator.with_fixes { fix::of_object(evaluator, part, manifest, &findings) } else { None };
    let report = is_listed
        .then(|| ObjectReport { fix, ..ObjectReport::new(part, manifest, &evaluator.namespace, verdict, findings) });
    let version = manifest.text("/apiVersion").map(str::to_owned);
    Checked {
        report,
        has_findings,
        unknown_account: evaluation.unknown_account,
        unknown_namespace: evaluation.unknown_namespace,
        exemptions: evaluation.exemptions,
        kustomization: None,
        moved: version.zip(evaluation.moved_to),
    }
}

/// Whether a Pod belongs to a controller whose template is checked instead.
fn has_checked_controller(object: &Value) -> bool {
    const CHECKED: [&str; 5] = ["ReplicaSet", "StatefulSet", "DaemonSet", "Job", "ReplicationController"];
    let owners = at(object, "/metadata/ownerReferences").and_then(Value::as_array);
    object.get("kind").and_then(Value::as_str) == Some("Pod")
        && owners.into_iter().flatten().any(|owner| {
            owner.get("controller") == Some(&Value::Bool(true))
                && owner.get("kind").and_then(Value::as_str).is_some_and(|kind| CHECKED.contains(&kind))
        })
}
