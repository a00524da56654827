// SPDX-License-Identifier: Apache-2.0

//! `policy-tools manifests`: checks and fixes a directory of projects by other authors, to test `check` itself. It fails if
//! `check` crashes, cannot read a file that kubectl can read, makes a fix that changes more than its findings, or reports a
//! rejection with the default settings that was not reviewed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use comfy_table::Cell;
use policy_host::check::evaluate::Evaluator;
use policy_host::check::finding::Level;
use policy_host::check::fix;
use policy_host::check::input::{InputOptions, Inputs};
use policy_host::check::report::{FailOn, FileReport, Summary};
use policy_host::check::verdict::Column;
use policy_host::check::{self, Options, index};
use policy_host::kubewarden::{Module, PolicyConfig};
use policy_host::shown::count;
use policy_host::yaml;
use serde::Deserialize;
use serde_json::Value;

use crate::{Passed, table};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Directory with a directory or file for each project
    #[arg(value_name = "DIR")]
    directory: PathBuf,

    /// Settings for a second check; the first check uses the defaults
    #[arg(long, value_name = "FILE")]
    strict: PathBuf,

    /// File with the expected rejections, each with a reason
    #[arg(long, value_name = "FILE")]
    expected: PathBuf,
}

/// The file of `--expected`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Expected {
    rejections: Vec<Rejection>,
}

/// An expected rejection.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rejection {
    /// Relative to the directory of projects.
    file: String,
    /// For example, `ServiceAccount shop/uploads`.
    object: String,
    rule: String,
    #[serde(default)]
    reason: String,
}

/// The result for one project.
struct Row {
    project: String,
    summary: Summary,
    strict: Summary,
    fixed_files: usize,
    seconds: f64,
}

/// A check of everything below a path.
struct Checked {
    summary: Summary,
    files: Vec<FileReport>,
    evaluator: Evaluator,
}

pub fn run(args: &Args) -> Result<Passed> {
    let entries = std::fs::read_dir(&args.directory).with_context(|| policy_host::shown::path(&args.directory))?;
    let mut projects: Vec<PathBuf> = entries.map(|entry| entry.map(|it| it.path())).collect::<Result<_, _>>()?;
    projects.retain(|path| path.is_dir() || path.extension().is_some_and(|it| it == "yaml" || it == "yml"));
    projects.sort();
    if projects.is_empty() {
        bail!("{}: no projects here", policy_host::shown::path(&args.directory));
    }
    let expected: Expected = serde_json::from_value(yaml::load_settings(&args.expected)?)
        .with_context(|| policy_host::shown::path(&args.expected))?;
    let strict = yaml::load_settings(&args.strict)?;
    let module = Module::for_many_requests(policy_module::WASM)?;

    let mut problems = Vec::new();
    let mut rows = Vec::new();
    for project in &projects {
        rows.push(self::project(&args.directory, project, &module, &strict, &expected, &mut problems)?);
    }
    println!("{}\n", table(&rows));
    for problem in &problems {
        eprintln!("problem: {}", policy_host::shown::text(problem));
    }
    println!("{}, {}", count(rows.len(), "project"), count(problems.len(), "problem"));
    Ok(problems.is_empty())
}

fn project(
    root: &Path,
    project: &Path,
    module: &Module,
    strict: &Value,
    expected: &Expected,
    problems: &mut Vec<String>,
) -> Result<Row> {
    let start = Instant::now();
    let checked = checked(project, module, &Value::Null)?;
    let seconds = start.elapsed().as_secs_f64();
    rejections(root, &checked.files, expected, problems);
    unreadable(&checked.files, problems);
    let strict = self::checked(project, module, strict)?.summary;

    let copy = tempfile::tempdir()?;
    let target = copy.path().join(project.file_name().unwrap_or_default());
    copy_all(project, &target)?;
    let fixed_files = fixed(&target, module, problems)?;
    Ok(Row {
        project: policy_host::shown::path(project.strip_prefix(root).unwrap_or(project)),
        summary: checked.summary,
        strict,
        fixed_files,
        seconds,
    })
}

fn checked(path: &Path, module: &Module, settings: &Value) -> Result<Checked> {
    let inputs = Inputs::find([path], &InputOptions::default());
    let config = PolicyConfig { settings: settings.clone(), ..PolicyConfig::default() };
    let options = Options { config, namespace: "default".to_owned(), ..Options::default() };
    let evaluator = check::evaluator(index::of(&inputs), module, options)?;
    let (mut summary, mut files) = (Summary::default(), Vec::new());
    check::run(&inputs, &evaluator, |mut report| {
        summary.add(&mut report, FailOn::Reject);
        files.push(report);
        Ok(())
    })?;
    Ok(Checked { summary, files, evaluator })
}

fn rejections(root: &Path, files: &[FileReport], expected: &Expected, problems: &mut Vec<String>) {
    for object in files.iter().flat_map(|file| &file.objects) {
        for finding in object.findings.iter().filter(|finding| finding.level.is_rejection()) {
            let file = Path::new(&*object.file);
            let file = file.strip_prefix(root.strip_prefix("./").unwrap_or(root)).unwrap_or(file);
            let (title, file) = (object.title(), policy_host::shown::path(file));
            let is_expected = |it: &Rejection| it.file == file && it.object == title && it.rule == finding.rule;
            if !expected.rejections.iter().any(is_expected) {
                problems.push(format!("{file}: {title}: a rejection that is not in the list: {}", finding.to_line()));
            }
        }
    }
}

/// Reports files that kubectl can read but `check` cannot. Skipped if there is no kubectl.
fn unreadable(files: &[FileReport], problems: &mut Vec<String>) {
    let mut seen = BTreeMap::new();
    for unreadable in files.iter().flat_map(|file| &file.unreadable) {
        seen.entry(&unreadable.file).or_insert_with(|| unreadable.to_line());
    }
    for (file, line) in seen {
        let kubectl = Command::new("kubectl")
            .args(["patch", "--local", "--type", "merge", "-p", "{}", "-o", "name", "-f", file])
            .stdin(Stdio::null())
            .output();
        if kubectl.is_ok_and(|kubectl| kubectl.status.success()) {
            problems.push(format!("kubectl can read what `check` cannot: {line}"));
        }
    }
}

/// Fixes a copy, and compares the results. Returns the number of fixed files.
fn fixed(path: &Path, module: &Module, problems: &mut Vec<String>) -> Result<usize> {
    let before = checked(path, module, &Value::Null)?;
    let inputs = Inputs::find([path], &InputOptions::default());
    let mut files = 0;
    fix::plan(&inputs, &before.evaluator, true, |fixes| {
        let Some(file) = &fixes.fixed else { return Ok(()) };
        files += 1;
        let found = before.files.iter().filter(|report| *report.file == *fixes.name);
        let field_paths: Vec<&str> = found
            .flat_map(|report| &report.objects)
            .flat_map(|object| object.findings.iter().map(|finding| finding.field_path.as_str()))
            .collect();
        if let Some(change) = foreign_change(&file.before, &file.after, &field_paths) {
            problems.push(format!(
                "{}: the fix changes more than its findings: {change}",
                policy_host::shown::text(&fixes.name)
            ));
        }
        if let Err(error) = file.write() {
            problems.push(format!("{}: {error:#}", policy_host::shown::text(&fixes.name)));
        }
        Ok(())
    })?;
    let after = checked(path, module, &Value::Null)?;
    let inputs = Inputs::find([path], &InputOptions::default());
    fix::plan(&inputs, &after.evaluator, true, |fixes| {
        if fixes.fixed.is_some() {
            problems.push(format!("{}: would be fixed a second time", policy_host::shown::text(&fixes.name)));
        }
        Ok(())
    })?;
    if before.summary.tally.total() != after.summary.tally.total() {
        problems.push(format!("{}: the number of objects differs after the fix", policy_host::shown::path(path)));
    }
    Ok(files)
}

/// A change of the values that no finding reports: its path does not end with a field that a finding names.
fn foreign_change(before: &str, after: &str, field_paths: &[&str]) -> Option<String> {
    let values = |text: &str| -> Option<Vec<Value>> {
        let parts = yaml::parts::of(text);
        parts.iter().map(|part| Some(part.read(text).ok()?.document.map_or(Value::Null, |(_, value)| value))).collect()
    };
    let (Some(before), Some(after)) = (values(before), values(after)) else {
        return Some("it cannot be read".to_owned());
    };
    let field = |path: &str| path.rsplit(['.', '/']).next().unwrap_or_default().to_owned();
    let known: Vec<String> = field_paths.iter().map(|path| field(path)).collect();
    let changes = json_patch::diff(&Value::Array(before), &Value::Array(after));
    let foreign = changes.0.iter().find(|change| !known.contains(&field(change.path().as_str())));
    foreign.map(|change| change.path().to_string())
}

fn copy_all(from: &Path, to: &Path) -> Result<()> {
    if !from.is_dir() {
        std::fs::copy(from, to)?;
        return policy_host::ownership::make_writable(to).map_err(Into::into);
    }
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        // Links would lead back to the originals.
        if !entry.file_type()?.is_symlink() {
            copy_all(&entry.path(), &target)?;
        }
    }
    Ok(())
}

fn table(rows: &[Row]) -> comfy_table::Table {
    let mut table = table::new([
        "project",
        "objects",
        "accepted",
        "would fix",
        "would warn",
        "would reject",
        "invalid",
        "partial",
        "not checked",
        "unreadable",
        "unusual breaks",
        "strict: would reject",
        "files fixed",
        "seconds",
    ]);
    let mut sums = [0; 12];
    for row in rows {
        let tally = &row.summary.tally;
        let counts = [
            tally.total(),
            tally.of(Column::Accepted),
            tally.of(Column::Found(Level::Fixed)) + tally.of(Column::Found(Level::PodsFixed)),
            tally.of(Column::Found(Level::Warned)),
            tally.of(Column::Found(Level::Rejected)),
            tally.of(Column::Found(Level::Invalid)),
            tally.of(Column::Partial),
            tally.of(Column::NotChecked),
            row.summary.unreadable,
            row.summary.unusual_files,
            row.strict.tally.of(Column::Found(Level::Rejected)),
            row.fixed_files,
        ];
        sums.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
        let mut cells = vec![Cell::new(&row.project)];
        cells.extend(counts.map(table::number));
        cells.push(table::number(format!("{:.2}", row.seconds)));
        table.add_row(cells);
    }
    let mut cells = vec![Cell::new("all")];
    cells.extend(sums.map(table::number));
    let seconds: f64 = rows.iter().map(|row| row.seconds).sum();
    cells.push(table::number(format!("{seconds:.2}")));
    table.add_row(cells);
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unreported_change() {
        let field_paths = ["spec.automountServiceAccountToken"];
        let found = |after: &str| foreign_change("spec:\n  a: 1\n", after, &field_paths);
        assert_eq!(found("spec:\n  automountServiceAccountToken: false\n  a: 1\n"), None);
        assert_eq!(found("spec:\n  automountServiceAccountToken: false\n  a: 2\n").as_deref(), Some("/0/spec/a"));
    }
}
