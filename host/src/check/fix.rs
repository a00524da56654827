// SPDX-License-Identifier: Apache-2.0

//! Fixes written back. What comes out is read again, and must be what was there and the fix, and nothing else; then the
//! policies are asked once more.

use anyhow::{Context as _, Result, anyhow};
use rayon::iter::{IntoParallelRefIterator as _, ParallelIterator as _};
use serde_json::Value;

use super::coverage;
use super::evaluate::{Admission, Ask, Evaluation, Evaluator};
use super::evidence::FIELD;
use super::input::{Input, Inputs};
use super::merge;
use super::patch::{self, Edit};
use super::report::{ObjectReport, TextEdit};
use super::source::{Manifest, SourceFile, SourcePart};
use super::write;
use crate::yaml::parts::{self, What};

/// What fixing comes to for one file.
#[derive(Debug)]
pub struct FileFixes {
    /// As the user named it.
    pub name: String,
    /// The new content, where it changes.
    pub fixed: Option<FixedFile>,
    /// What has to be changed by hand.
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

/// A fix that cannot be written back.
#[derive(Debug, PartialEq, Eq)]
pub struct RefusedFix {
    /// The object's line.
    pub line: usize,
    /// The object.
    pub title: String,
    /// Why not.
    pub why: String,
}

/// A fix of one object.
struct Planned {
    part: usize,
    line: usize,
    title: String,
    items: Vec<usize>,
    object: Value,
    /// In bytes of the file.
    edits: Vec<Edit>,
}

/// Works out the fixes file by file; nothing is written.
pub fn plan(inputs: &Inputs, evaluator: &Evaluator, mut each: impl FnMut(FileFixes) -> Result<()>) -> Result<()> {
    // Several files at a time, in their order.
    const TOGETHER: usize = 16;
    for files in inputs.files.chunks(TOGETHER) {
        let planned: Vec<Option<FileFixes>> = files.par_iter().map(|input| of_file(inputs, input, evaluator)).collect();
        planned.into_iter().flatten().try_for_each(&mut each)?;
    }
    Ok(())
}

/// Nothing for a file that stays as it is, or cannot be read.
fn of_file(inputs: &Inputs, input: &Input, evaluator: &Evaluator) -> Option<FileFixes> {
    let file = inputs.read(input).ok()?;
    let parts: Vec<usize> = (0..file.parts().len()).collect();
    let found: Vec<PartFixes> = parts.par_iter().map(|number| of_part(evaluator, &file, *number)).collect();
    let is_broken = found.iter().any(|part| part.is_broken);
    let (mut planned, mut refused) = (Vec::new(), Vec::new());
    for result in found.into_iter().flat_map(|part| part.results) {
        match result {
            Ok(Planned { line, title, .. }) if is_broken => {
                refused.push(RefusedFix { line, title, why: "a document of the file cannot be read".to_owned() });
            }
            Ok(plan) => planned.push(plan),
            Err(refusal) => refused.push(refusal),
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
            })),
        }
    }
    let has_something = fixed.is_some() || !refused.is_empty();
    has_something.then(|| FileFixes { name: file.name.to_string(), fixed, refused })
}

/// The fixes of one document.
#[derive(Default)]
struct PartFixes {
    results: Vec<Result<Planned, RefusedFix>>,
    /// Whether something in it cannot be read.
    is_broken: bool,
}

fn of_part(evaluator: &Evaluator, file: &SourceFile, number: usize) -> PartFixes {
    let Some(part) = file.parts().get(number).map(|part| file.part(part)) else { return PartFixes::default() };
    let contents = part.read();
    let is_broken = !contents.unreadable.is_empty();
    let breaks = contents.remarks.iter().find(|remark| matches!(remark.what, What::LineBreak(_)));
    let results = contents.objects.iter().map(|manifest| {
        if super::is_partial(&part, &manifest.object) {
            return None;
        }
        let evaluation = evaluator.evaluate(&manifest.object, manifest.is_live());
        if evaluation.findings.is_empty() {
            return None;
        }
        let verdict = evaluation.verdict();
        let report = || ObjectReport::new(&part, manifest, &evaluator.namespace, verdict, Vec::new());
        let planned = match (fix(evaluator, &part, manifest), breaks) {
            (Ok(Some(_)), Some(_)) => Err(anyhow!("its text has line breaks that hardly anybody but kubectl knows")),
            (planned, _) => planned,
        };
        match planned {
            Ok(None) => None,
            Ok(Some((object, edits))) => {
                let report = report();
                let (line, title, items) = (report.location.line, report.title(), manifest.items.clone());
                Some(Ok(Planned { part: number, line, title, items, object, edits }))
            }
            Err(why) => {
                let report = report();
                Some(Err(RefusedFix { line: report.location.line, title: report.title(), why: format!("{why:#}") }))
            }
        }
    });
    PartFixes { results: results.flatten().collect(), is_broken }
}

/// The edits that fixing an object comes to; none where it cannot be fixed in its file.
pub(super) fn edits(evaluator: &Evaluator, part: &SourcePart<'_>, manifest: &Manifest) -> Vec<TextEdit> {
    let edits = fix(evaluator, part, manifest).ok().flatten().map(|(_, edits)| edits).unwrap_or_default();
    let located = edits.into_iter().map(|edit| TextEdit {
        start: part.file.location(edit.range.start),
        end: part.file.location(edit.range.end),
        text: edit.text,
    });
    located.collect()
}

/// The object as it is to be, and the edits of its file; nothing where the policies change nothing.
fn fix(evaluator: &Evaluator, part: &SourcePart<'_>, manifest: &Manifest) -> Result<Option<(Value, Vec<Edit>)>> {
    let written = &manifest.object;
    let Some(fixed) = fixed(evaluator, written)? else { return Ok(None) };
    if manifest.is_live() {
        return Err(anyhow!("it was read from a cluster; fix the manifest that it comes from"));
    }
    if part.file.path.is_none() {
        return Err(anyhow!("the standard input cannot be written to"));
    }
    let text = part.part.text(&part.file.text);
    let node = part.node_of(manifest).ok_or_else(|| anyhow!("its text was not found"))?;
    if text.contains("{{") {
        return Err(anyhow!("it looks like a template ({{{{ …); fix what it is rendered from"));
    }
    if fixed_again(evaluator, &fixed) {
        return Err(anyhow!("the fix would not last: written into the manifest, the policies would change it again"));
    }
    let start = part.part.bytes.start;
    let edits = patch::edits(text, node, written, &fixed)?;
    let edits = edits.into_iter().map(|edit| Edit { range: edit.range.start + start..edit.range.end + start, ..edit });
    Ok(Some((fixed, edits.collect())))
}

/// The object with the changes that the fixing policies make in it.
fn fixed(evaluator: &Evaluator, written: &Value) -> Result<Option<Value>> {
    let today = coverage::today(written);
    let admission = evaluator.create(&today, Ask::Fix, &mut Evaluation::default());
    let Some(admission) = admission.filter(|admission| !admission.is_refused && admission.admitted != admission.stored)
    else {
        return Ok(None);
    };
    let admission = kept(evaluator, admission);
    if admission.admitted == admission.stored {
        return Ok(None);
    }
    // What was wrong before is not the fix's fault.
    let before = evaluator.server.validate(&admission.admitted).err().unwrap_or_default();
    if let Some(problem) = admission.problems.iter().find(|problem| !before.contains(problem)) {
        return Err(anyhow!("the API server would not take what the fix makes of it: {problem}"));
    }
    let fixed = merge::carry(&admission.admitted, &admission.stored, written)
        .ok_or_else(|| anyhow!("the fix changes what the API server adds, not what is written"))?;
    Ok((fixed != *written).then_some(fixed))
}

/// What would become of an object, but for the token of an account that a binding names: the cluster sets `false` there,
/// and the author of the manifest may need another value.
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

fn fixed_again(evaluator: &Evaluator, object: &Value) -> bool {
    !matches!(fixed(evaluator, object), Ok(None))
}

/// The new text of a file, proven: its documents are the old ones, with the fixed objects in their places.
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
    if is_as_expected {
        Ok(after)
    } else {
        Err(anyhow!("the result would not be the manifest with the fix and nothing else"))
    }
}

/// Puts an object in its place in a list of objects. What a typed list leaves to kubectl is left to it.
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
    /// Replaces the file, if it is still what was read.
    pub fn write(&self) -> Result<()> {
        write::replace(&self.input, &self.before, &self.after).context("left as it is")
    }
}
