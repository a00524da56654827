// SPDX-License-Identifier: Apache-2.0

//! `policy-tools speed`: measures the time and memory of `sa-hygiene check` with generated inputs.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::Result;
use comfy_table::Cell;

use crate::process::{self, ROUNDS};
use crate::{Passed, table};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The program `sa-hygiene`
    program: PathBuf,
}

/// An input, and its limits.
struct Case {
    name: &'static str,
    text: String,
    /// Seconds.
    limit: f64,
    /// MB; `None` if it does not matter.
    memory: Option<u64>,
}

pub fn run(args: &Args) -> Result<Passed> {
    let folder = tempfile::tempdir()?;
    let mut table = table::new(["input", "MB", "seconds", "limit", "peak MB", "limit"]);
    let mut passed = true;
    for case in cases() {
        let file = folder.path().join("input.yaml");
        std::fs::write(&file, &case.text)?;
        measure(&args.program, &file)?;
        let mut best = (Duration::MAX, 0);
        for _ in 0..ROUNDS {
            best = best.min(measure(&args.program, &file)?);
        }
        let (time, memory) = (best.0.as_secs_f64(), best.1);
        let is_slow = time > case.limit;
        let is_large = case.memory.is_some_and(|limit| memory > limit);
        passed &= !is_slow && !is_large;
        table.add_row(vec![
            Cell::new(case.name),
            table::number(megabytes(case.text.len())),
            table::limited(format!("{time:.2}"), is_slow),
            table::number(format!("{:.2}", case.limit)),
            table::limited(memory, is_large),
            table::number(case.memory.map(|limit| limit.to_string()).unwrap_or_default()),
        ]);
    }
    println!("{table}\n\nthe best of {ROUNDS} runs");
    Ok(passed)
}

fn megabytes(bytes: usize) -> String {
    let tenths = bytes / 100_000;
    format!("{}.{}", tenths / 10, tenths % 10)
}

fn measure(program: &Path, file: &Path) -> Result<(Duration, u64)> {
    process::measure(Command::new(program).args(["check", "--fail-on", "never"]).arg(file))
}

fn cases() -> [Case; 5] {
    let pods = |count: usize| repeated(count, pod);
    let case = |name, text, limit, memory| Case { name, text, limit, memory };
    [
        case("one Pod", pod(0), 0.06, None),
        case("20,000 ConfigMaps", repeated(20_000, config_map), 1.0, None),
        case("5,000 Pods", pods(5_000), 0.8, None),
        case("388 objects, including CRDs", release(), 0.5, None),
        case("50 MB of small Pods", pods(50_000_000 / pod(100_000).len()), 6.0, Some(500)),
    ]
}

fn repeated(count: usize, document: impl Fn(usize) -> String) -> String {
    (0..count).map(document).collect::<Vec<_>>().join("---\n")
}

fn config_map(number: usize) -> String {
    format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: c{number}}}\n")
}

fn pod(number: usize) -> String {
    format!(
        "apiVersion: v1\nkind: Pod\nmetadata:\n  name: web-{number}\n  namespace: shop\n  labels: {{app: web, tier: front}}\n\
         spec:\n  containers:\n    - name: web\n      image: registry.example.com/shop/web:1.4.2\n      ports:\n        \
         - containerPort: 8080\n      env:\n        - name: LOG_LEVEL\n          value: info\n      resources:\n        \
         limits: {{cpu: 500m, memory: 128Mi}}\n"
    )
}

/// Like the release of a large operator: three CRDs with long schemas, and objects of several kinds.
fn release() -> String {
    let definition = |number: usize| {
        let mut text = format!(
            "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {{name: things{number}.example.com}}\n\
             spec:\n  versions:\n  - name: v1\n    schema:\n      openAPIV3Schema:\n        properties:\n"
        );
        for field in 0..6_000 {
            // Writing to a string cannot fail.
            let _ = write!(
                text,
                "          field{field}:\n            description: What the field is for, in a sentence that is long enough.\n            \
                 properties:\n              inner:\n                type: string\n            type: object\n"
            );
        }
        text
    };
    let account = |number: usize| {
        format!(
            "apiVersion: v1\nkind: ServiceAccount\nmetadata: {{name: a{number}}}\nautomountServiceAccountToken: false\n"
        )
    };
    let mut documents: Vec<String> = (0..3).map(definition).collect();
    documents.extend((0..385).map(|number| match number % 4 {
        0 => pod(number),
        1 => account(number),
        _ => config_map(number),
    }));
    documents.join("---\n")
}
