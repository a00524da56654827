// SPDX-License-Identifier: Apache-2.0

//! The cost of requests in instructions and memory, compared with the costs in `counts.toml`; and the limits in `budgets.toml`
//! that can be counted.
//!
//! The numbers depend on the compiler, so they are compared only if the compiler is the same as for `counts.toml`; otherwise
//! they are printed.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::process::Command;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use anyhow::{Context as _, Result, anyhow, ensure};
use e2e_tests::case::Host;
use e2e_tests::counted::{Count, CountedModule};
use e2e_tests::engine::Engine;
use libtest_mimic::Trial;
use policy_tools::budgets::Budgets;
use policy_tools::subjects::{self, Settings, Subject};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{docs, failed, repository};

/// The increase, in percent, that is tolerated.
const TOLERATED: u64 = 3;

/// The account that look-ups find.
const ACCOUNT: &str = r#"{"metadata":{"annotations":{}}}"#;

/// `counts.toml`.
#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Counts {
    rustc: String,
    module: BTreeMap<String, u64>,
    instructions: BTreeMap<String, BTreeMap<String, u64>>,
    pages: BTreeMap<String, BTreeMap<String, u64>>,
}

/// The module with its counters on; the first test that needs it compiles it.
#[derive(Default)]
pub(crate) struct Lazy(OnceLock<Result<CountedModule, String>>);

impl Lazy {
    pub(crate) fn get(&self) -> Result<&CountedModule> {
        let module = self.0.get_or_init(|| CountedModule::load().map_err(|error| format!("{error:#}")));
        module.as_ref().map_err(|error| anyhow!("{error}"))
    }
}

type Test = Box<dyn FnOnce(&CountedModule, &Engine) -> Result<()> + Send>;

pub fn trials(engine: &Arc<Engine>, lazy: &Arc<Lazy>, bless: bool) -> Vec<Trial> {
    let trial = |name: &str, test: Test| {
        let (lazy, engine) = (Arc::clone(lazy), Arc::clone(engine));
        Trial::test(name, move || lazy.get().and_then(|module| test(module, &engine)).map_err(failed))
    };
    let with_engine = Arc::clone(engine);
    vec![
        Trial::test("budget::module_size", move || module_size(&with_engine).map_err(failed)),
        trial("count::requests", Box::new(move |module, engine| requests(module, engine, bless))),
        trial("count::phases", Box::new(move |module, _| phases(module, bless))),
        trial("count::cost_is_linear", Box::new(move |module, _| growth(module, bless))),
        trial("count::hosts_agree", Box::new(hosts_agree)),
    ]
}

fn requests(module: &CountedModule, engine: &Engine, bless: bool) -> Result<()> {
    let found = count(module, engine)?;
    let path = repository().join("bench/counts.toml");
    let text = fs::read_to_string(&path).unwrap_or_default();
    let known: Option<Counts> = toml::from_str(&text).ok();
    if bless {
        fs::write(&path, write(&found))?;
        return Ok(());
    }
    let known = known.context("counts.toml cannot be read; `make bless` writes it")?;
    if known.rustc != found.rustc {
        println!("counted with {}, counts.toml with {}: not compared\n{}", found.rustc, known.rustc, write(&found));
        return Ok(());
    }
    let mut worse = String::new();
    let rows = |counts: &Counts| {
        let tables = [("instructions", counts.instructions.clone()), ("pages", counts.pages.clone())];
        let module = [("module", BTreeMap::from([("all".to_owned(), counts.module.clone())]))];
        let mut rows = BTreeMap::new();
        for (table, groups) in tables.into_iter().chain(module) {
            for (settings, counts) in groups {
                rows.extend(counts.into_iter().map(|(name, count)| (format!("{table}, {settings}: {name}"), count)));
            }
        }
        rows
    };
    let (known, found) = (rows(&known), rows(&found));
    for (name, count) in &found {
        match known.get(name) {
            None => drop(writeln!(worse, "{name}: {count}, not in counts.toml")),
            Some(before) if count * 100 > before * (100 + TOLERATED) => {
                let _ = writeln!(worse, "{name}: {count}, was {before}");
            }
            Some(_) => {}
        }
    }
    ensure!(
        worse.is_empty(),
        "costs more than {TOLERATED} % more than it did; make it cheaper, or let `make bless` write it down:\n{worse}"
    );
    Ok(())
}

fn count(module: &CountedModule, engine: &Engine) -> Result<Counts> {
    let mut counts =
        Counts { rustc: rustc()?, module: BTreeMap::new(), instructions: BTreeMap::new(), pages: BTreeMap::new() };
    let mut start = 0;
    for Settings { name, value } in subjects::settings() {
        let (mut instructions, mut pages) = (BTreeMap::new(), BTreeMap::new());
        for subject in subjects::subjects()? {
            let count = validate_subject(module, &subject, &value)?;
            start = count.start;
            instructions.insert(subject.name.to_owned(), count.call);
            pages.insert(subject.name.to_owned(), count.pages);
        }
        counts.instructions.insert(name.to_owned(), instructions);
        counts.pages.insert(name.to_owned(), pages);
    }
    counts.module = BTreeMap::from([
        ("bytes".to_owned(), u64::try_from(engine.module_size())?),
        ("functions-imported".to_owned(), u64::try_from(module.imports().len())?),
        ("functions-exported".to_owned(), u64::try_from(module.exports().len())?),
        ("instructions-to-start".to_owned(), start),
    ]);
    Ok(counts)
}

fn write(counts: &Counts) -> String {
    let mut text =
        "# The cost of requests: instructions of the module (wasmtime's fuel) and pages of memory (64 KiB).\n\
        # `make bless` writes this file; `make test` fails if a cost increases by more than 3 %, with this compiler.\n\n"
            .to_owned();
    let _ = writeln!(text, "rustc = \"{}\"\n\n[module]", counts.rustc);
    for (name, count) in &counts.module {
        let _ = writeln!(text, "{name} = {}", grouped(*count, "_"));
    }
    for (table, groups) in [("instructions", &counts.instructions), ("pages", &counts.pages)] {
        for (settings, counts) in groups {
            let _ = writeln!(text, "\n[{table}.\"{settings}\"]");
            for (name, count) in counts {
                let _ = writeln!(text, "\"{name}\" = {}", grouped(*count, "_"));
            }
        }
    }
    text
}

/// A number with separators between thousands.
fn grouped(number: u64, separator: &str) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push_str(separator);
        }
        text.push(digit);
    }
    text
}

/// The version of the compiler on `PATH`, which builds the module.
fn rustc() -> Result<String> {
    let output = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into())).arg("--version").output();
    let text = String::from_utf8(output.context("rustc")?.stdout)?;
    Ok(text.split_whitespace().nth(1).unwrap_or_default().to_owned())
}

fn validate(module: &CountedModule, request: &Value, settings: &Value) -> Result<Count> {
    let payload = serde_json::to_vec(&json!({"request": request, "settings": settings}))?;
    module.call("validate", &payload, Some(ACCOUNT), false)
}

/// Validates the request of a subject, in its cluster.
fn validate_subject(module: &CountedModule, subject: &Subject, settings: &Value) -> Result<Count> {
    let payload = serde_json::to_vec(&json!({"request": subject.request, "settings": settings}))?;
    let account = subject.account.as_ref().map_or_else(|| ACCOUNT.to_owned(), Value::to_string);
    module.call("validate", &payload, Some(&account), !subject.grants.is_empty())
}

fn subject(name: &str) -> Result<Subject> {
    subjects::subjects()?.into_iter().find(|subject| subject.name == name).with_context(|| format!("no subject {name}"))
}

/// The instructions of each phase of a request, measured by leaving parts out.
fn phases(module: &CountedModule, bless: bool) -> Result<()> {
    let accepted = subject("pod accepted")?.request;
    let changed = |pointer: &str, value: &str| -> Result<Value> {
        let mut request = accepted.clone();
        *request.pointer_mut(pointer).with_context(|| format!("no {pointer}"))? = json!(value);
        Ok(request)
    };
    let cost = |request: &Value| Ok::<_, anyhow::Error>(validate(module, request, &json!({}))?.call);
    let nothing = module.call("protocol_version", b"", None, false)?;
    // The first request matches no rule; the second is exempt, but its plan is made.
    let (read, planned) = (cost(&changed("/kind/kind", "Namespace")?)?, cost(&changed("/namespace", "kube-system")?)?);
    let checked = cost(&accepted)?;
    let rows = [
        ("start of the instance: memory, WASI, the table of operations", nothing.start),
        ("an empty call", nothing.call),
        ("reading the payload: request, object, settings", read.saturating_sub(nothing.call)),
        ("planning: every rule reads its parameters", planned.saturating_sub(read)),
        ("checking the rules and writing the response", checked.saturating_sub(planned)),
        ("total for a Pod of 6 KB that is accepted", nothing.start + checked),
        ("additional for a Pod that is fixed", cost(&subject("pod fixed")?.request)?.saturating_sub(checked)),
        ("additional for a Pod that is rejected", cost(&subject("pod rejected")?.request)?.saturating_sub(checked)),
    ];
    let mut table = "| phase | instructions |\n|---|---:|\n".to_owned();
    for (phase, instructions) in rows {
        let _ = writeln!(table, "| {phase} | {} |", grouped(instructions, ","));
    }
    compare_or_bless("phases", &table, bless)
}

/// How the cost grows with the size of the object and of the settings.
fn growth(module: &CountedModule, bless: bool) -> Result<()> {
    const SIZES: [usize; 4] = [1, 10, 100, 1000];
    let accepted = subject("pod accepted")?.request;
    let mut containers = Vec::new();
    let mut exemptions = Vec::new();
    for size in SIZES {
        let mut request = accepted.clone();
        let list = request.pointer_mut("/object/spec/containers").and_then(Value::as_array_mut);
        list.context("no containers")?.extend((0..size).map(|number| {
            let env: Vec<_> = (0..5).map(|entry| json!({"name": format!("N{entry}"), "value": "some value"})).collect();
            json!({"name": format!("w{number:04}"), "image": "registry.example.com/worker:1", "env": env})
        }));
        containers.push(validate(module, &request, &json!({}))?.call);
        let settings = json!({"exemptions": subjects::exemptions(size)});
        exemptions.push(validate(module, &accepted, &settings)?.call);
    }
    let mut table = "| number | containers with five variables | exemptions |\n|---:|---:|---:|\n".to_owned();
    for ((size, containers), exemptions) in SIZES.iter().zip(&containers).zip(&exemptions) {
        let _ = writeln!(
            table,
            "| {} | {} | {} |",
            grouped(u64::try_from(*size)?, ","),
            grouped(*containers, ","),
            grouped(*exemptions, ",")
        );
    }
    for counts in [&containers, &exemptions] {
        // If the cost is linear, the step from a hundred to a thousand costs ten times as much as the step from ten to a
        // hundred.
        let linear =
            matches!(counts.as_slice(), [_, ten, hundred, thousand] if thousand - hundred <= (hundred - ten) * 11);
        ensure!(linear, "costs are not linear:\n{table}");
    }
    compare_or_bless("growth", &table, bless)
}

/// Compares or rewrites a generated part of `docs/performance.md`.
fn compare_or_bless(name: &str, table: &str, bless: bool) -> Result<()> {
    // Tests run concurrently, and two of them write this page.
    static PAGE: Mutex<()> = Mutex::new(());
    if !bless {
        let counts: Counts = toml::from_str(&fs::read_to_string(repository().join("bench/counts.toml"))?)?;
        if counts.rustc != rustc()? {
            println!("counted with another compiler than counts.toml: not compared\n{table}");
            return Ok(());
        }
    }
    let _page = PAGE.lock().unwrap_or_else(PoisonError::into_inner);
    docs::compare_part_or_bless(&repository().join("docs/performance.md"), name, table, bless)
}

/// The host that counts must return the same responses as the embedded host.
fn hosts_agree(module: &CountedModule, engine: &Engine) -> Result<()> {
    for subject in subjects::subjects()? {
        let accounts: Vec<Value> = subject.account.iter().chain(&subject.grants).cloned().collect();
        let first = engine.evaluate(&subject.request, &json!({}), &accounts, &Host::default())?.bytes;
        let second = validate_subject(module, &subject, &json!({}))?.answer;
        ensure!(first == second, "{}: the hosts disagree", subject.name);
    }
    Ok(())
}

fn module_size(engine: &Engine) -> Result<()> {
    let (size, limit) = (engine.module_size(), Budgets::embedded()?.module.max_bytes);
    ensure!(size <= limit, "the module has {size} bytes, {} more than budgets.toml allows", size - limit);
    Ok(())
}
