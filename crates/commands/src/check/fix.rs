// SPDX-License-Identifier: Apache-2.0

//! `--fix` and `--diff`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Result;
use policy_host::check::config::Output;
use policy_host::check::evaluate::Evaluator;
use policy_host::check::fix::{self, FileFixes, FixedFile};
use policy_host::check::input::Inputs;
use policy_host::check::report::{DiffReport, FixedFileReport, NotFixedReport, Outcome};
use policy_host::shown::{self, count};
use signal_hook::consts::{SIGINT, SIGTERM};

use super::resolved::Resolved;
use crate::{diff, printer};

/// Writes or shows the fixes. Returns whether it was interrupted: the files written until then are complete, and the others are
/// unchanged.
pub(super) fn run(
    resolved: &Resolved<'_>,
    inputs: &Inputs,
    evaluator: &Evaluator,
    outcome: &mut Outcome,
) -> Result<bool> {
    let args = resolved.args;
    let is_interrupted = Arc::new(AtomicBool::new(false));
    if args.fix {
        // A second signal ends the program immediately.
        for signal in [SIGINT, SIGTERM] {
            signal_hook::flag::register_conditional_default(signal, Arc::clone(&is_interrupted))?;
            signal_hook::flag::register(signal, Arc::clone(&is_interrupted))?;
        }
    }
    let stops = || is_interrupted.load(Ordering::Relaxed);
    let mut standard_input = None;
    let (mut written, mut skipped) = (0, 0);
    fix::plan(inputs, evaluator, args.unsafe_fixes, |fixes| {
        let FileFixes { name, fixed, refused } = fixes;
        let name = shown::text(&name);
        match fixed {
            Some(_) if stops() => skipped += 1,
            Some(file) if args.diff => show(resolved, &name, &file, outcome)?,
            Some(file) => {
                let objects = file.objects;
                if file.is_standard_input() {
                    standard_input = Some(file.after);
                    report_fixed(name.clone(), objects, outcome);
                } else {
                    match file.write() {
                        Ok(()) => {
                            written += 1;
                            report_fixed(name.clone(), objects, outcome);
                        }
                        Err(error) => report_refused(&name, None, &format!("{error:#}"), false, outcome),
                    }
                }
            }
            None => {}
        }
        for it in refused.into_iter().filter(|_| !stops()) {
            report_refused(&name, Some((it.line, it.title)), &it.why, it.is_unsafe, outcome);
        }
        Ok(())
    })?;
    let was_stopped = stops();
    // From here on, a signal ends the program as usual.
    is_interrupted.store(true, Ordering::Relaxed);
    if was_stopped {
        let rest = count(skipped, "file");
        printer::bad("interrupted:", &format!("{} fixed, {rest} left unchanged", count(written, "file")));
        return Ok(true);
    }
    if args.fix && resolved.reads_standard_input() {
        // Input without fixes is printed unchanged.
        let text = match standard_input {
            Some(text) => Some(text),
            None => inputs.standard_input_text(),
        };
        printer::document(&text.unwrap_or_default())?;
    }
    Ok(false)
}

fn show(resolved: &Resolved<'_>, name: &str, file: &FixedFile, outcome: &mut Outcome) -> Result<()> {
    if resolved.output == Output::Text {
        return printer::changes(&diff::of_texts(name, &file.before, &file.after)?);
    }
    let diff = diff::plain(name, &file.before, &file.after);
    outcome.diffs.push(DiffReport { file: name.to_owned(), diff });
    Ok(())
}

fn report_fixed(file: String, objects: usize, outcome: &mut Outcome) {
    printer::good("fixed:", &format!("{file}: {}", count(objects, "object")));
    outcome.fixed.push(FixedFileReport { file, objects });
}

fn report_refused(file: &str, object: Option<(usize, String)>, reason: &str, is_unsafe: bool, outcome: &mut Outcome) {
    let name = match &object {
        Some((line, title)) => format!("{file}:{line}: {title}"),
        None => file.to_owned(),
    };
    printer::bad("not fixed:", &format!("{name}: {reason}"));
    let (line, object) = object.unzip();
    outcome.not_fixed.push(NotFixedReport {
        file: file.to_owned(),
        line,
        object,
        reason: reason.to_owned(),
        is_unsafe,
    });
}
