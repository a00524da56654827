// SPDX-License-Identifier: Apache-2.0

//! Case files: Markdown whose headings name the cases and whose fenced blocks hold what goes in and what must come out.
//!
//! A section without sections of its own is a case. It inherits the blocks of the sections around it. `README.md` of this
//! crate describes the format for people.

mod block;
mod section;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context as _, Result, bail};
use similar::TextDiff;

use crate::case::{Case, Place, shown};
use crate::expectation::Expectation;
use block::Inputs;
use section::Section;

/// The cases by their full name, `<file>/<group>/<case>`, or what is wrong with a whole file, by the file's name.
pub type Cases = Vec<(String, Result<Case>)>;

/// Every case of the files in a folder, in the order of names of files, and within a file as written.
///
/// # Errors
/// When the folder cannot be read.
pub fn load_all(folder: &Path) -> Result<Cases> {
    let mut files: Vec<PathBuf> = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
        files.push(entry?.path());
    }
    files.sort();
    Ok(files.iter().flat_map(|path| load(path)).collect())
}

/// Every case of a file.
#[must_use]
pub fn load(path: &Path) -> Cases {
    let name = stem(path);
    let read = || {
        if path.extension().is_none_or(|extension| extension != "md") {
            bail!("{}: only Markdown files belong here", shown(path));
        }
        cases(path, &fs::read_to_string(path).with_context(|| shown(path))?)
    };
    match read() {
        Ok(cases) => cases.into_iter().map(|case| (case.full_name(), Ok(case))).collect(),
        Err(error) => vec![(name, Err(error))],
    }
}

/// The cases of a text.
///
/// # Errors
/// Every problem, one a line.
pub fn cases(path: &Path, text: &str) -> Result<Vec<Case>> {
    let file = shown(path);
    let stem = stem(path);
    let mut problems: Vec<String> = Vec::new();
    let mut cases = Vec::new();
    let mut lines: BTreeMap<String, usize> = BTreeMap::new();
    // The sections around the current one: their names and inputs.
    let mut around: Vec<(String, Inputs)> = Vec::new();
    let sections = section::sections(text);
    for (index, section) in sections.iter().enumerate() {
        let mut report = |line: usize, message: &str| {
            let title = if section.title.is_empty() { String::new() } else { format!(" `{}`:", section.title) };
            problems.push(format!("{file}:{line}:{title} {message}"));
        };
        if let Some(message) = misplaced(section, around.len(), &stem) {
            report(section.line, &message);
            // What is below would be reported for the same reason.
            break;
        }
        around.truncate(section.level - 1);
        let inherited = around.last().map(|(_, inputs)| inputs.clone()).unwrap_or_default();
        let inputs = inherited.with(&section.blocks, text, &file).unwrap_or_else(|own| {
            own.into_iter().for_each(|(line, message)| report(line, &message));
            inherited
        });
        let is_case = sections.get(index + 1).is_none_or(|next| next.level <= section.level);
        if inputs.expected.is_some() && !is_case {
            report(section.line, "`expect` in a section that has sections of its own");
        }
        around.push((slug(&section.title), inputs.clone()));
        let path_of =
            |from: usize| around.iter().skip(from).map(|(name, _)| name.as_str()).collect::<Vec<_>>().join("/");
        let name = path_of(1);
        if let Some(earlier) = lines.insert(name.clone(), section.line) {
            report(section.line, &format!("the same name as in line {earlier}"));
        }
        if !is_case {
            continue;
        }
        match inputs.old() {
            Ok(_) if section.level == 1 => report(section.line, "no case below the heading"),
            Ok(old) => cases.push(Case {
                rule: stem.clone(),
                place: Place { path: path.to_owned(), section: name.clone(), line: section.line },
                name,
                subject: inputs.subject,
                old,
                settings: inputs.settings.unwrap_or_else(|| serde_json::json!({})),
                cluster: inputs.cluster.unwrap_or_default(),
                given: inputs.given,
                given_document: inputs.given_document.into(),
                expected: inputs.expected,
            }),
            Err(message) => report(section.line, &message),
        }
    }
    if sections.is_empty() {
        problems.push(format!("{file}: no heading"));
    }
    if problems.is_empty() { Ok(cases) } else { bail!("{}", problems.join("\n")) }
}

/// What is wrong with a heading, given how many sections are around the one before it, itself included.
fn misplaced(section: &Section, depth: usize, stem: &str) -> Option<String> {
    let slug = slug(&section.title);
    match section.level {
        0 => Some("a block before the first heading".to_owned()),
        1 if depth > 0 => Some("a second heading of level 1".to_owned()),
        1 if slug != stem => Some(format!("the first heading must be `# {stem}`")),
        level if level > depth + 1 => Some(format!("a heading of level {level} below one of level {depth}")),
        _ if slug.is_empty() => Some("a heading without a name".to_owned()),
        _ => None,
    }
}

/// A heading as a part of a name: lower case, with dashes for blanks and punctuation.
#[must_use]
pub fn slug(title: &str) -> String {
    let mut slug = String::new();
    for character in title.chars().filter(|character| !matches!(character, '\'' | '’')) {
        if character.is_alphanumeric() {
            slug.extend(character.to_lowercase());
        } else if !slug.ends_with('-') && !slug.is_empty() {
            slug.push('-');
        }
    }
    slug.trim_end_matches('-').to_owned()
}

/// Rewrites what a case expects, if it is something else, and gives the difference. Everything else in the file stays as it
/// is.
///
/// # Errors
/// When the file cannot be read or written.
pub fn bless(case: &Case, actual: &Expectation) -> Result<Option<String>> {
    // Cases of one file run at the same time.
    static FILES: Mutex<()> = Mutex::new(());
    if case.expectation()?.as_ref() == Some(actual) {
        return Ok(None);
    }
    let _guard = FILES.lock().unwrap_or_else(PoisonError::into_inner);
    let path = &case.place.path;
    let text = fs::read_to_string(path)?;
    let base = case.request()?.and_then(|mut request| request.get_mut("object").map(serde_json::Value::take));
    let new = actual.to_yaml(base.as_ref())?;
    let (text, old) = with_expected(&text, &case.place.section, &new).with_context(|| case.place.to_string())?;
    fs::write(path, text)?;
    Ok(Some(TextDiff::from_lines(&old, &new).unified_diff().context_radius(2).to_string()))
}

/// The text with another `expect` block of a case, and the content of the earlier one.
fn with_expected(text: &str, name: &str, content: &str) -> Result<(String, String)> {
    let mut around: Vec<String> = Vec::new();
    let sections = section::sections(text);
    let section = sections.iter().find(|section| {
        around.truncate(section.level.saturating_sub(1));
        around.push(slug(&section.title));
        around.iter().skip(1).map(String::as_str).collect::<Vec<_>>().join("/") == name
    });
    let section = section.with_context(|| format!("no section {name}"))?;
    let fence = fence(content);
    let block = format!("{fence}yaml expect\n{content}{fence}\n");
    let found = section.blocks.iter().find(|block| block.info.split_whitespace().eq(["yaml", "expect"]));
    let cut = |from: usize, to: usize| text.get(from..to).unwrap_or_default();
    Ok(match found {
        Some(found) => {
            let old = cut(found.content.start, found.content.end).to_owned();
            let start = found.range.start;
            let end = start + cut(start, found.range.end).trim_end().len();
            let rest = cut(end, text.len()).split_once('\n').map_or("", |(_, rest)| rest);
            (format!("{}{block}{rest}", cut(0, start)), old)
        }
        None => {
            let before = cut(0, section.end).trim_end();
            let rest = cut(section.end, text.len()).trim_start_matches('\n');
            let gap = if rest.is_empty() { "" } else { "\n" };
            (format!("{before}\n\n{block}{gap}{rest}"), String::new())
        }
    })
}

/// A fence that does not occur in a text.
fn fence(content: &str) -> String {
    let runs = content.lines().map(|line| line.trim_start().chars().take_while(|character| *character == '`').count());
    "`".repeat(runs.max().unwrap_or_default().max(2) + 1)
}

fn stem(path: &Path) -> String {
    path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default()
}
