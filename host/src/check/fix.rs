// SPDX-License-Identifier: Apache-2.0

//! Writes fixes to files. The result is parsed again: it must be the original with the fix and nothing else, and the policies
//! must not change it again.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, anyhow};
use rayon::iter::{IntoParallelRefIterator as _, ParallelIterator as _};
use serde_json::Value;

use super::coverage;
use super::evaluate::{Admission, Evaluation, Evaluator, Purpose};
use super::evidence::{FIELD, POD_AUTOMOUNT};
use super::finding::{Finding, Pass};
use super::input::{Input, Inputs};
use super::merge;
use super::patch::{self, Edit};
use super::policies::Fixing;
use super::report::{Applicability, ObjectFix, ObjectReport, TextEdit};
use super::source::{Manifest, SourceFile, SourcePart};
use super::write;
use crate::apiserver::ApiServer;
use crate::yaml::parts;

/// The fixes of one file.
#[derive(Debug)]
pub struct FileFixes {
    /// As the user named it.
    pub name: String,
    /// The new content, if it changes.
    pub fixed: Option<FixedFile>,
    /// Fixes that have to be made by hand or are unsafe.
    pub refused: Vec<RefusedFix>,
}

/// A file whose content changes.
#[derive(Debug)]
pub struct FixedFile {
    input: Input,
    /// The old content.
    pub before: String,
    /// The new content.
    pub after: String,
    /// How many objects are fixed.
    pub objects: usize,
}

/// A fix that is not written.
#[derive(Debug, PartialEq, Eq)]
pub struct RefusedFix {
    /// The object's line.
    pub line: usize,
    /// The object's title.
    pub title: String,
    /// Why it is not written.
    pub why: String,
    /// Whether `--unsafe-fixes` would make it.
    pub is_unsafe: bool,
}

/// A fix of one object.
struct Planned {
    part: usize,
    line: usize,
    title: String,
    items: Vec<usize>,
    object: Value,
    /// Positions are bytes of the file.
    edits: Vec<Edit>,
}

/// Computes the fixes file by file, without writing them. `with_unsafe` includes fixes that are [`Applicability::Unsafe`].
pub fn plan(
    inputs: &Inputs,
    evaluator: &Evaluator,
    with_unsafe: bool,
    mut each: impl FnMut(FileFixes) -> Result<()>,
) -> Result<()> {
    // Several files are processed at a time; the results keep their order.
    const TOGETHER: usize = 16;
    for files in inputs.files.chunks(TOGETHER) {
        let planned: Vec<Option<FileFixes>> =
            files.par_iter().map(|input| of_file(inputs, input, evaluator, with_unsafe)).collect();
        planned.into_iter().flatten().try_for_each(&mut each)?;
    }
    Ok(())
}

/// `None` for a file that has no fixes or cannot be read.
fn of_file(inputs: &Inputs, input: &Input, evaluator: &Evaluator, with_unsafe: bool) -> Option<FileFixes> {
    let file = inputs.read(input).ok()?;
    let parts: Vec<usize> = (0..file.parts().len()).collect();
    let found: Vec<PartFixes> =
        parts.par_iter().map(|number| of_part(evaluator, &file, *number, with_unsafe)).collect();
    let is_broken = found.iter().any(|part| part.is_broken);
    let (mut planned, mut refused) = (Vec::new(), Vec::new());
    for part in found {
        refused.extend(part.refused);
        for plan in part.planned {
            if is_broken {
                let (line, title) = (plan.line, plan.title);
                let why = "a document of the file cannot be read".to_owned();
                refused.push(RefusedFix { line, title, why, is_unsafe: false });
            } else {
                planned.push(plan);
            }
        }
    }
    let mut fixed = None;
    if !planned.is_empty() {
        match rewritten(&file, &planned) {
            Ok(after) => {
                let objects = planned.len();
                fixed = Some(FixedFile { input: input.clone(), before: file.text.clone(), after, objects });
            }
            Err(why) => refused.extend(planned.into_iter().map(|it| RefusedFix {
                line: it.line,
                title: it.title,
                why: format!("{why:#}"),
                is_unsafe: false,
            })),
        }
    }
    refused.sort_by_key(|refused| refused.line);
    let has_something = fixed.is_some() || !refused.is_empty();
    has_something.then(|| FileFixes { name: file.name.to_string(), fixed, refused })
}

/// The fixes of one document.
#[derive(Default)]
struct PartFixes {
    planned: Vec<Planned>,
    refused: Vec<RefusedFix>,
    /// Whether something in it cannot be read.
    is_broken: bool,
}

fn of_part(evaluator: &Evaluator, file: &SourceFile, number: usize, with_unsafe: bool) -> PartFixes {
    let Some(part) = file.parts().get(number).map(|part| file.part(part)) else { return PartFixes::default() };
    let contents = part.read();
    let mut fixes = PartFixes { is_broken: !contents.unreadable.is_empty(), ..PartFixes::default() };
    let has_unusual_breaks = contents.warnings.iter().any(|warning| warning.what.is_line_break());
    let context = evaluator.context_of(&part);
    for manifest in &contents.objects {
        if super::is_partial(&part, &manifest.object) {
            continue;
        }
        let evaluation = evaluator.check(&part, manifest, &context);
        if evaluation.findings.iter().all(Finding::passes) {
            continue;
        }
        let verdict = evaluation.verdict();
        let report = ObjectReport::new(&part, manifest, &evaluator.namespace, verdict, Vec::new());
        let (line, title) = (report.location.line, report.title());
        let refusal = |why: String| RefusedFix { line, title: title.clone(), why, is_unsafe: false };
        let suppressed = suppressed_rules(&evaluation.findings);
        let found = match fixes_of(evaluator, &part, manifest, &suppressed) {
            Ok(found) => found,
            Err(why) => {
                fixes.refused.push(refusal(format!("{why:#}")));
                continue;
            }
        };
        let Fixes { safe, with_unsafe: full, unsafe_reason } = found;
        if let Some(reason) = unsafe_reason.as_ref().filter(|_| !with_unsafe) {
            let why = format!("{reason}; --unsafe-fixes makes this fix");
            fixes.refused.push(RefusedFix { is_unsafe: true, ..refusal(why) });
        }
        let chosen = if with_unsafe { full } else { safe };
        match chosen {
            None => {}
            Some(_) if has_unusual_breaks => {
                fixes.refused.push(refusal("its text has line breaks that only kubectl recognizes".to_owned()));
            }
            Some((object, edits)) => {
                let (title, items) = (title.clone(), manifest.items.clone());
                fixes.planned.push(Planned { part: number, line, title, items, object, edits });
            }
        }
    }
    fixes
}

/// The rules that a comment suppresses in an object. They do not change the object.
fn suppressed_rules(findings: &[Finding]) -> BTreeSet<&str> {
    let suppressed = findings.iter().filter(|it| matches!(it.pass, Some(Pass::Suppressed { .. })));
    suppressed.map(|finding| finding.rule.as_str()).collect()
}

/// The fix of an object for reports; `None` if the policies change nothing.
pub(super) fn of_object(
    evaluator: &Evaluator,
    part: &SourcePart<'_>,
    manifest: &Manifest,
    findings: &[Finding],
) -> Option<ObjectFix> {
    let may_be_fixed = |finding: &&Finding| finding.enforced().is_fix() || finding.rule == POD_AUTOMOUNT;
    if !findings.iter().filter(may_be_fixed).any(|finding| !finding.passes()) {
        return None;
    }
    let found = fixes_of(evaluator, part, manifest, &suppressed_rules(findings));
    let (applicability, reason, edits) = match found {
        Err(why) => (Applicability::DisplayOnly, Some(format!("{why:#}")), Vec::new()),
        Ok(Fixes { with_unsafe, unsafe_reason, .. }) => {
            let (_, edits) = with_unsafe?;
            let applicability = if unsafe_reason.is_some() { Applicability::Unsafe } else { Applicability::Safe };
            (applicability, unsafe_reason, edits)
        }
    };
    let located = edits.into_iter().map(|edit| TextEdit {
        start: part.file.location(edit.range.start),
        end: part.file.location(edit.range.end),
        text: edit.text,
    });
    Some(ObjectFix { applicability, reason, edits: located.collect() })
}

/// The fixed object, and the edits to its file.
type Fix = (Value, Vec<Edit>);

/// What can be fixed in an object.
struct Fixes {
    /// The safe fix.
    safe: Option<Fix>,
    /// The fix with its unsafe changes.
    with_unsafe: Option<Fix>,
    /// Why the full fix is not safe, if it is not.
    unsafe_reason: Option<String>,
}

fn fixes_of(
    evaluator: &Evaluator,
    part: &SourcePart<'_>,
    manifest: &Manifest,
    suppressed: &BTreeSet<&str>,
) -> Result<Fixes> {
    let mut without = evaluator.selection.excluded();
    without
        .extend(serviceaccount_hygiene::rules::RULES.iter().map(|rule| rule.id).filter(|id| suppressed.contains(id)));
    let fix_with = |assumes_accounts| fix(evaluator, part, manifest, Fixing { without: &without, assumes_accounts });
    let safe = fix_with(false)?;
    let Some(account) = unknown_account(evaluator, &manifest.object) else {
        return Ok(Fixes { with_unsafe: safe.clone(), safe, unsafe_reason: None });
    };
    let with_unsafe = fix_with(true)?;
    let is_safe = safe.as_ref().map(|(object, _)| object) == with_unsafe.as_ref().map(|(object, _)| object);
    let unsafe_reason = (!is_safe).then(|| {
        format!("unsafe, because account `{account}` is not in the input, so whether it needs its token is unknown")
    });
    Ok(Fixes { safe, with_unsafe, unsafe_reason })
}

/// The named account of a Pod or template, if it is not in the input. `default` exists in every namespace, and keeps its token
/// if a binding names it.
fn unknown_account(evaluator: &Evaluator, written: &Value) -> Option<String> {
    let written = coverage::today(written);
    let pod = ApiServer::pod_of(&written).map(|(pod, _)| pod);
    let spec = pod.as_ref().unwrap_or(&written).get("spec")?;
    let text = |key: &str| spec.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
    let account = text("serviceAccountName").or_else(|| text("serviceAccount"))?;
    let namespace = written.pointer("/metadata/namespace").and_then(Value::as_str).filter(|it| !it.is_empty());
    let namespace = namespace.unwrap_or(&evaluator.namespace);
    let is_unknown = account != "default" && !evaluator.evidence.knows_account(namespace, account);
    is_unknown.then(|| crate::shown::text(account))
}

/// The fix of an object with some rules off; `None` if the policies change nothing.
fn fix(evaluator: &Evaluator, part: &SourcePart<'_>, manifest: &Manifest, fixing: Fixing<'_>) -> Result<Option<Fix>> {
    let written = &manifest.object;
    let Some(fixed) = fixed(evaluator, written, fixing)? else { return Ok(None) };
    if manifest.is_live() {
        return Err(anyhow!("it was read from a cluster; fix the manifest that it comes from"));
    }
    if let Some(source) = &part.file.rendered_from {
        return Err(anyhow!("it was rendered from {source}; fix the template or the values"));
    }
    let text = part.part.text(&part.file.text);
    let node = part.node_of(manifest).ok_or_else(|| anyhow!("its text was not found"))?;
    if text.contains("{{") {
        return Err(anyhow!("it looks like a template ({{{{ …); fix what it is rendered from"));
    }
    if fixed_again(evaluator, &fixed, fixing) {
        return Err(anyhow!("the fix is not stable: the policies would change the fixed manifest again"));
    }
    let start = part.part.bytes.start;
    let edits = patch::edits(text, node, written, &fixed)?;
    let edits = edits.into_iter().map(|edit| Edit { range: edit.range.start + start..edit.range.end + start, ..edit });
    Ok(Some((fixed, edits.collect())))
}

/// The object as the policies for fixes change it; `None` if they change nothing.
fn fixed(evaluator: &Evaluator, written: &Value, fixing: Fixing<'_>) -> Result<Option<Value>> {
    let today = coverage::today(written);
    let admission = evaluator.create(&today, Purpose::Fix(fixing), &mut Evaluation::default());
    let Some(admission) =
        admission.filter(|admission| !admission.is_rejected && admission.admitted != admission.stored)
    else {
        return Ok(None);
    };
    let admission = kept(evaluator, admission);
    if admission.admitted == admission.stored {
        return Ok(None);
    }
    // Problems that the object had before are not caused by the fix.
    let before = evaluator.server.validate(&admission.admitted).err().unwrap_or_default();
    if let Some(problem) = admission.problems.iter().find(|problem| !before.contains(problem)) {
        return Err(anyhow!("the API server would reject the fixed object: {problem}"));
    }
    let fixed = merge::carry(&admission.admitted, &admission.stored, written)
        .ok_or_else(|| anyhow!("the fix changes what the API server adds, not what is written"))?;
    Ok((fixed != *written).then_some(fixed))
}

/// The admission without the `false` that the cluster sets on an account that a binding names: the author of the manifest may
/// need another value.
fn kept(evaluator: &Evaluator, mut admission: Admission) -> Admission {
    let is_set = admission.admitted.get(FIELD).is_some();
    if !is_set
        && evaluator.evidence.is_bound_account(&admission.stored, &evaluator.namespace)
        && let Some(fields) = admission.stored.as_object_mut()
    {
        fields.remove(FIELD);
    }
    admission
}

fn fixed_again(evaluator: &Evaluator, object: &Value, fixing: Fixing<'_>) -> bool {
    !matches!(fixed(evaluator, object, fixing), Ok(None))
}

/// The new text of a file. Verifies that its documents are the old ones with the fixed objects in their places.
fn rewritten(file: &SourceFile, planned: &[Planned]) -> Result<String> {
    let edits = planned.iter().flat_map(|it| it.edits.clone()).collect();
    let after = patch::apply(&file.text, edits).ok_or_else(|| anyhow!("two fixes change the same lines"))?;
    let (before_parts, after_parts) = (file.parts(), parts::of(&after));
    let is_as_expected = before_parts.len() == after_parts.len()
        && before_parts.iter().zip(&after_parts).enumerate().all(|(number, (before, now))| {
            let fixes: Vec<&Planned> = planned.iter().filter(|it| it.part == number).collect();
            if fixes.is_empty() {
                return before.text(&file.text) == now.text(&after);
            }
            let value = |part: &parts::Part, text: &str| Some(part.read(text).ok()?.document?.1);
            let (Some(mut expected), Some(found)) = (value(before, &file.text), value(now, &after)) else {
                return false;
            };
            fixes.into_iter().all(|fix| replace(&mut expected, &fix.items, &fix.object)) && found == expected
        });
    if is_as_expected { Ok(after) } else { Err(anyhow!("the fix would change other parts of the manifest")) }
}

/// Replaces an object in a list of objects. If an entry of a typed list has no `apiVersion` and `kind`, they are not added.
fn replace(document: &mut Value, items: &[usize], object: &Value) -> bool {
    let slot = items.iter().try_fold(document, |value, index| value.get_mut("items")?.get_mut(*index));
    let Some(slot) = slot else { return false };
    let mut object = object.clone();
    if let (Some(fields), false) = (object.as_object_mut(), items.is_empty()) {
        fields.retain(|key, _| !matches!(key.as_str(), "apiVersion" | "kind") || slot.get(key).is_some());
    }
    *slot = object;
    true
}

impl FixedFile {
    /// Whether it was read from the standard input, so that the new content is written to the standard output.
    pub fn is_standard_input(&self) -> bool {
        self.input.is_standard_input()
    }

    /// Replaces the file, unless it changed after it was read.
    pub fn write(&self) -> Result<()> {
        write::replace(&self.input, &self.before, &self.after).context("left unchanged")
    }
}
