// SPDX-License-Identifier: Apache-2.0

//! `sa-hygiene corpus`: evaluates requests that real API servers sent. Any verdict is fine; a trap, an internal error or a
//! patch that does not apply is a failure.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use comfy_table::{Cell, Color};
use policy_host::check::finding::Level;
use policy_host::cluster::files_below;
use policy_host::kubewarden::Policy;
use serde_json::Value;

use super::Outcome;
use super::embedded::EmbeddedPolicy;
use super::evaluate::Verdict;
use super::input::{self, Subject};
use super::options::PolicyArgs;
use super::output;
use super::printer;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Directory with captured requests (`*.json`, `*.yaml`), read recursively
    #[arg(value_name = "DIR")]
    directory: PathBuf,

    #[command(flatten)]
    policy: PolicyArgs,
}

/// One request, or why a file has none.
struct Row {
    file: String,
    kind: String,
    operation: String,
    result: Result<Passed, String>,
}

struct Passed {
    verdict: Verdict,
    code: Option<u16>,
    warnings: usize,
    operations: usize,
}

pub(super) fn run(args: &Args, embedded: EmbeddedPolicy) -> Result<Outcome> {
    if !args.directory.is_dir() {
        bail!("{}: not a directory", policy_host::shown::path(&args.directory));
    }
    let policy = args.policy.load(&args.policy.module(embedded)?, args.policy.cluster()?)?;
    let files = files_below(&args.directory)?;
    if files.is_empty() {
        bail!("{}: no requests here", policy_host::shown::path(&args.directory));
    }
    let rows: Vec<Row> = files.iter().flat_map(|file| rows(&policy, &args.directory, file)).collect();

    let mut table = output::new_table(["file", "kind", "operation", "verdict", "code", "warnings", "patch"]);
    for row in &rows {
        let mut cells = vec![Cell::new(&row.file), Cell::new(&row.kind), Cell::new(&row.operation)];
        match &row.result {
            Ok(passed) => cells.extend([
                output::verdict_cell(passed.verdict),
                Cell::new(passed.code.map(|code| code.to_string()).unwrap_or_default()),
                Cell::new(passed.warnings),
                Cell::new(passed.operations),
            ]),
            Err(why) => cells.push(Cell::new(why).fg(Color::Red)),
        }
        table.add_row(cells);
    }
    let failed = rows.iter().filter(|row| row.result.is_err()).count();
    printer::text(&format!("{}\n\n{} passed, {failed} failed\n", output::render(&table), rows.len() - failed))?;
    Ok(if failed == 0 { Outcome::AllAccepted } else { Outcome::SomethingRefused })
}

fn rows(policy: &Policy, directory: &Path, file: &Path) -> Vec<Row> {
    let name = policy_host::shown::path(file.strip_prefix(directory).unwrap_or(file));
    let broken =
        |why: String| vec![Row { file: name.clone(), kind: String::new(), operation: String::new(), result: Err(why) }];
    let inputs = match input::read([file]) {
        Ok(inputs) => inputs,
        Err(error) => return broken(format!("{error:#}")),
    };
    let mut rows = Vec::new();
    for input in inputs {
        let Subject::Request(request) = input.subject else { return broken("not an admission request".to_owned()) };
        let text = |pointer: &str| request.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        let kind = match text("/subResource") {
            sub_resource if sub_resource.is_empty() => text("/kind/kind"),
            sub_resource => format!("{}/{sub_resource}", text("/kind/kind")),
        };
        rows.push(Row { file: name.clone(), kind, operation: text("/operation"), result: evaluate(policy, &request) });
    }
    rows
}

fn evaluate(policy: &Policy, request: &Value) -> Result<Passed, String> {
    let evaluation = policy.evaluate(request).map_err(|error| format!("{error:#}"))?;
    if evaluation.failed() {
        return Err(evaluation.unconstrained.message().unwrap_or("internal error").to_owned());
    }
    evaluation.patched_object().map_err(|error| format!("{error:#}"))?;
    let response = &evaluation.response;
    let verdict = match (response.allowed, &response.patch, response.warnings.is_empty()) {
        (false, _, _) => Verdict::Found(Level::Rejected),
        (true, Some(_), _) => Verdict::Found(Level::Fixed),
        (true, None, false) => Verdict::Found(Level::Warned),
        (true, None, true) => Verdict::Accepted,
    };
    Ok(Passed {
        verdict,
        code: response.code(),
        warnings: response.warnings.len(),
        operations: response.patch.as_ref().map_or(0, |patch| patch.len()),
    })
}
