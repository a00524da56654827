// SPDX-License-Identifier: Apache-2.0

//! Writing fixes back. What comes out is read again, and must be what was there and the fix, and nothing else; then the
//! policies are asked once more.

use std::io::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result, anyhow};
use serde_json::Value;

use super::judge::{Ask, Judge, Opinion};
use super::merge;
use super::patch::{self, Edit};
use super::report::{ObjectReport, Report};
use super::source::{Manifest, SourceFile, Sources};
use crate::yaml;

/// What fixing comes to.
#[derive(Debug, Default)]
pub struct Fixes {
    /// Files with their new content.
    pub files: Vec<FixedFile>,
    /// What has to be changed by hand.
    pub refused: Vec<RefusedFix>,
}

/// A file whose content changes.
#[derive(Debug)]
pub struct FixedFile {
    /// As the user named it.
    pub name: String,
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
    /// The object's file.
    pub file: String,
    /// The object's line.
    pub line: usize,
    /// The object.
    pub title: String,
    /// Why not.
    pub why: String,
}

/// A fix of one object.
struct Planned<'m> {
    manifest: &'m Manifest,
    title: String,
    object: Value,
    edits: Vec<Edit>,
}

/// Works out every fix; nothing is written.
pub fn plan(sources: &Sources, judge: &Judge, report: &Report) -> Fixes {
    let mut fixes = Fixes::default();
    for (number, file) in sources.files.iter().enumerate() {
        let mut planned = Vec::new();
        for object in report.objects.iter().filter(|object| object.file == number && !object.findings.is_empty()) {
            let Some(manifest) = sources.manifests.get(object.manifest) else { continue };
            match fix(judge, file, manifest) {
                Ok(None) => {}
                Ok(Some((fixed, edits))) => {
                    planned.push(Planned { manifest, title: object.title(), object: fixed, edits });
                }
                Err(why) => fixes.refused.push(refused(file, object, &why)),
            }
        }
        if planned.is_empty() {
            continue;
        }
        match rewritten(file, &planned) {
            Ok(after) => fixes.files.push(FixedFile {
                name: file.name.to_string(),
                before: file.text.clone(),
                after,
                objects: planned.len(),
            }),
            Err(why) => fixes.refused.extend(planned.iter().map(|it| RefusedFix {
                file: file.name.to_string(),
                line: it.manifest.line,
                title: it.title.clone(),
                why: format!("{why:#}"),
            })),
        }
    }
    fixes
}

fn refused(file: &SourceFile, object: &ObjectReport, why: &anyhow::Error) -> RefusedFix {
    let title = object.title();
    RefusedFix { file: file.name.to_string(), line: object.location.line, title, why: format!("{why:#}") }
}

/// The object as it is to be, and the edits of its file; nothing where the policies change nothing.
fn fix(judge: &Judge, file: &SourceFile, manifest: &Manifest) -> Result<Option<(Value, Vec<Edit>)>> {
    let written = &manifest.object;
    let Some(fixed) = fixed(judge, written)? else { return Ok(None) };
    if manifest.is_live() {
        return Err(anyhow!("it was read from a cluster; fix the manifest that it comes from"));
    }
    if &*file.name == "-" {
        return Err(anyhow!("the standard input cannot be written to"));
    }
    if !file.is_whole() {
        return Err(anyhow!("a document of the file cannot be read"));
    }
    let node = file.node_of(manifest).ok_or_else(|| anyhow!("its text was not found"))?;
    let document = file.layout().and_then(|nodes| nodes.get(manifest.ordinal));
    let text = document.and_then(|document| file.text.get(document.bytes.clone())).unwrap_or_default();
    if text.contains("{{") {
        return Err(anyhow!("it looks like a template ({{{{ …); fix what it is rendered from"));
    }
    if fixed_again(judge, &fixed) {
        return Err(anyhow!("the fix would not last: written into the manifest, the policies would change it again"));
    }
    let edits = patch::edits(&file.text, node, written, &fixed)?;
    Ok(Some((fixed, edits)))
}

/// The object with what the policies, told to fix, would change in it.
fn fixed(judge: &Judge, written: &Value) -> Result<Option<Value>> {
    let admission = judge.create(written, Ask::Fix, &mut Opinion::default());
    let Some(admission) = admission.filter(|admission| !admission.is_refused && admission.admitted != admission.stored)
    else {
        return Ok(None);
    };
    let fixed = merge::carry(&admission.admitted, &admission.stored, written)
        .ok_or_else(|| anyhow!("the fix changes what the API server adds, not what is written"))?;
    Ok((fixed != *written).then_some(fixed))
}

fn fixed_again(judge: &Judge, object: &Value) -> bool {
    !matches!(fixed(judge, object), Ok(None))
}

/// The new text of a file, proven: its documents are the old ones, with the fixed objects in their places.
fn rewritten(file: &SourceFile, planned: &[Planned<'_>]) -> Result<String> {
    let edits = planned.iter().flat_map(|it| it.edits.clone()).collect();
    let after = patch::apply(&file.text, edits).ok_or_else(|| anyhow!("two fixes change the same lines"))?;
    let mut expected = yaml::flatten_lists(yaml::load_str(&file.text, &file.name)?);
    for it in planned {
        let same = |document: &&mut yaml::Document| {
            (document.ordinal, &document.items) == (it.manifest.ordinal, &it.manifest.items)
        };
        expected.iter_mut().find(same).context("the object was not found again")?.value = it.object.clone();
    }
    let found = yaml::flatten_lists(yaml::load_str(&after, &file.name).context("the result cannot be read")?);
    let values = |documents: Vec<yaml::Document>| {
        documents.into_iter().map(|it| (it.ordinal, it.items, it.value)).collect::<Vec<_>>()
    };
    if values(found) != values(expected) {
        return Err(anyhow!("the result would not be the manifest with the fix and nothing else"));
    }
    Ok(after)
}

/// Puts a file in the place of another one, or leaves that as it is.
pub fn replace_file(path: &Path, content: &[u8]) -> Result<()> {
    // Through a link to what it stands for: the link stays.
    let path = &path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = path.file_name().context("not a file")?.to_string_lossy();
    let temporary = folder.join(format!(".{name}.{}.tmp", std::process::id()));
    let written = (|| {
        let mut file = std::fs::OpenOptions::new().write(true).create_new(true).open(&temporary)?;
        file.write_all(content)?;
        if let Ok(metadata) = std::fs::metadata(path) {
            file.set_permissions(metadata.permissions())?;
        }
        file.sync_all()?;
        std::fs::rename(&temporary, path)
    })();
    if written.is_err() {
        // Best effort: what cannot be written often cannot be removed either.
        let _ = std::fs::remove_file(&temporary);
    }
    written.context("cannot be written")
}

impl Fixes {
    /// Writes the files; those that fail are said.
    pub fn write(&self) -> Vec<anyhow::Error> {
        let failed = |file: &FixedFile| {
            let unchanged = std::fs::read(&file.name).is_ok_and(|now| now == file.before.as_bytes());
            let result = if unchanged {
                replace_file(Path::new(&file.name), file.after.as_bytes())
            } else {
                Err(anyhow!("it was changed meanwhile"))
            };
            result.with_context(|| file.name.clone()).err()
        };
        self.files.iter().filter_map(failed).collect()
    }
}
