// SPDX-License-Identifier: Apache-2.0

//! The examples: every policy and every set of settings in `examples/` runs, with its own mode, rights and rules.
//!
//! What they are sent is in `e2e-tests/examples/<file>/<policy>/<case>/`, case folders without `settings.yaml`; for
//! `examples/settings/<set>.yaml` that is `settings/<set>/<case>/`. `BLESS=1` writes what they expect, as for other cases.

#![expect(clippy::indexing_slicing, reason = "of JSON values: what is missing reads as null")]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use e2e_tests::engine::Engine;
use e2e_tests::examples;
use e2e_tests::expectation::{Expectation, Verdict};
use libtest_mimic::Trial;
use sa_hygiene::yaml;
use serde_json::{Value, json};
use serviceaccount_hygiene::admission::subject::SubjectKind;
use serviceaccount_hygiene::rules::{RULES, Rule};
use serviceaccount_hygiene::settings::action::FixAction;

use crate::docs::{pages, read, settle};
use crate::{cases, failed, repository};

pub fn trials(engine: &Arc<Engine>, bless: bool) -> Result<Vec<Trial>> {
    let mut trials = vec![
        Trial::test("example::strict_and_gentle_name_every_rule", move || sets(bless).map_err(failed)),
        Trial::test("example::rules_are_the_same", || same_rules().map_err(failed)),
        Trial::test("example::send_every_subject", || subjects().map_err(failed)),
        Trial::test("example::permissions_suffice", || permissions().map_err(failed)),
        Trial::test("example::are_all_named", || named().map_err(failed)),
        Trial::test("example::are_all_shown", || shown().map_err(failed)),
    ];
    let with_engine = Arc::clone(engine);
    trials.push(Trial::test("example::released_settings_still_load", move || released(&with_engine).map_err(failed)));
    for example in examples::find_all(&repository())? {
        for dir in example.cases()? {
            let (example, engine) = (example.clone(), Arc::clone(engine));
            let case = dir.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            let name = format!("example::{}::{}::{case}", example.file, example.name);
            trials.push(Trial::test(name, move || {
                let case = example.case(&dir).map_err(failed)?;
                cases::run(&case, &engine, bless).map_err(failed)
            }));
        }
    }
    Ok(trials)
}

/// The settings of every example, with the place where they are.
pub fn settings() -> Result<Vec<(String, Value)>> {
    let examples = examples::find_all(&repository())?;
    Ok(examples.into_iter().map(|example| (format!("{}/{}", example.file, example.name), example.settings)).collect())
}

/// Each example has a request that it lets pass in silence, and one that it has something to say about.
fn shown() -> Result<()> {
    let mut missing = Vec::new();
    for example in examples::find_all(&repository())? {
        let mut verdicts = Vec::new();
        for dir in example.cases()? {
            let expectation = Expectation::load(&dir)?;
            verdicts.extend(expectation.and_then(|expectation| expectation.verdict().cloned()));
        }
        let says = |verdict: &Verdict| !verdict.audit_annotations.is_empty();
        let folder = example.folder(&repository());
        let folder = folder.strip_prefix(repository()).unwrap_or(&folder).display();
        if !verdicts.iter().any(says) {
            missing.push(format!("add a case to {folder}/ that the example has something to say about"));
        }
        if !verdicts.iter().any(|verdict| verdict.allowed && !says(verdict)) {
            missing.push(format!("add a case to {folder}/ that the example lets pass"));
        }
    }
    ensure!(missing.is_empty(), "{}", missing.join("\n"));
    Ok(())
}

/// `settings/gentle.yaml` and `settings/strict.yaml` say something about every rule that does something by default; what is
/// missing is added by `BLESS=1`. `strict.yaml` in `examples/` has the rules of the latter.
fn sets(bless: bool) -> Result<()> {
    let root = repository().join("examples");
    let gentle = root.join("settings/gentle.yaml");
    complete(&gentle, bless, |rule| match rule.default_action().word() {
        // What is off stays off, and what warns already needs no line.
        "off" | "warn" => Line::None,
        _ => Line::Add("warn".to_owned()),
    })?;
    let strict = root.join("settings/strict.yaml");
    complete(&strict, bless, |rule| match rule.default_action() {
        action if action.word() == "off" => Line::Ask,
        FixAction::Check(_) if rule.actions().contains(&"mutate") => Line::Add("mutate".to_owned()),
        _ => Line::Add(rule.actions().last().copied().unwrap_or_default().to_owned()),
    })?;

    let text = read(&strict)?;
    let (_, rules) = text.split_once("rules:\n").context("settings/strict.yaml has no rules")?;
    let mut block = String::new();
    for line in rules.lines().skip(1) {
        let _ = writeln!(block, "    {line}");
    }
    let manifest = root.join("strict.yaml");
    let text = read(&manifest)?;
    let (open, close) = ("      # generated:rules\n", "      # /generated:rules");
    let mut parts = text.split(open);
    let mut wanted = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (_, after) = part.split_once(close).context("strict.yaml: a block without its end")?;
        wanted = wanted + open + &block + close + after;
    }
    ensure!(wanted.matches(open).count() == 2, "strict.yaml must have two blocks {}", open.trim());
    settle(&manifest, &text, &wanted, bless)
}

/// What a set must say about a rule.
enum Line {
    /// Nothing.
    None,
    /// This action, unless something else is there.
    Add(String),
    /// Something that only a person can decide.
    Ask,
}

/// Adds the lines that a set lacks, each after those of the rule before it.
fn complete(path: &Path, bless: bool, line: impl Fn(&Rule) -> Line) -> Result<()> {
    let text = read(path)?;
    let (head, rules) = text.split_once("rules:\n").with_context(|| format!("{} has no rules", path.display()))?;
    let mut lines: Vec<String> = rules.lines().map(str::to_owned).collect();
    let mut undecided = Vec::new();
    for (index, rule) in RULES.iter().enumerate() {
        let is_about = |line: &str, id: &str| {
            let line = line.strip_prefix("  ").unwrap_or_default();
            line.strip_prefix("# ").unwrap_or(line).strip_prefix(id).is_some_and(|rest| rest.starts_with(':'))
        };
        if lines.iter().any(|line| is_about(line, rule.id)) {
            continue;
        }
        match line(rule) {
            Line::None => {}
            Line::Ask => undecided.push(rule.id),
            Line::Add(action) => {
                let before = RULES.iter().take(index).rev().find_map(|earlier| {
                    let start = lines.iter().position(|line| is_about(line, earlier.id))?;
                    let below = lines.iter().skip(start + 1).take_while(|line| line.starts_with("    ")).count();
                    Some(start + 1 + below)
                });
                lines.insert(before.unwrap_or(1), format!("  {}: {action}", rule.id));
            }
        }
    }
    let wanted = format!("{head}rules:\n{}\n", lines.join("\n"));
    settle(path, &text, &wanted, bless)?;
    ensure!(
        undecided.is_empty(),
        "examples/settings/{}: nothing is said of what is off by default: {}. Add a line `  <rule>: <action>`, or a comment `  # <rule>: why not`",
        path.file_name().unwrap_or_default().display(),
        undecided.join(", ")
    );
    Ok(())
}

/// Policies for the same kinds of objects are sent the same requests, and the deployments that belong together have the same
/// rules; where one differs, a comment says so.
fn same_rules() -> Result<()> {
    let metadata = yaml::load_file(repository().join("metadata.yml"))?.pop().context("metadata.yml is empty")?.value;
    let mut by_settings: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for example in examples::find_all(&repository())? {
        let Some(spec) = &example.spec else { continue };
        let is_single_purpose = !examples::is_sent(spec, "pods");
        if is_single_purpose {
            let text = read(&repository().join(format!("examples/{}.yaml", example.file)))?;
            let said = "This is a separate policy";
            ensure!(
                text.contains(said),
                "{}: other rules than metadata.yml's, and no word why (`{said}`)",
                example.file
            );
            continue;
        }
        ensure!(spec["rules"] == metadata["rules"], "examples/{}.yaml: rules must be metadata.yml's", example.file);
        let family = match example.file.as_str() {
            "strict" => "strict",
            "irsa-without-webhook" => "injecting",
            _ => "default",
        };
        by_settings.entry(family).or_default().insert(spec["settings"]["rules"].to_string());
    }
    for (family, rules) in by_settings {
        ensure!(rules.len() == 1, "the {family} examples have different settings.rules: {rules:#?}");
    }
    Ok(())
}

/// What a rule judges is sent to some policy, and a rule that only single-purpose policies can ask is named by one of them.
fn subjects() -> Result<()> {
    let examples = examples::find_all(&repository())?;
    let mut missing = Vec::new();
    for rule in RULES {
        let resources: Vec<&str> = rule.subjects.iter().map(|subject| resource(*subject)).collect();
        let is_sent = |resource: &str| {
            let mut specs = examples.iter().filter_map(|example| example.spec.as_ref());
            specs.any(|spec| examples::is_sent(spec, resource))
        };
        for resource in resources.iter().filter(|resource| !is_sent(resource)) {
            missing.push(format!("{}: no policy in examples/ is sent {resource}; add it to the rules of one", rule.id));
        }
        let is_common = resources.iter().any(|resource| matches!(*resource, "pods" | "serviceaccounts"));
        let is_named = examples.iter().any(|example| {
            let spec = example.spec.as_ref();
            let is_asked = spec.is_some_and(|spec| resources.iter().any(|resource| examples::is_sent(spec, resource)));
            is_asked && (rule.default_action().word() != "off" || !example.settings["rules"][rule.id].is_null())
        });
        if !is_common && !is_named {
            missing.push(format!("{}: off by default, and no policy in examples/ turns it on", rule.id));
        }
    }
    ensure!(missing.is_empty(), "{}", missing.join("\n"));
    Ok(())
}

/// What a webhook is registered for to be sent a subject.
fn resource(subject: SubjectKind) -> &'static str {
    match subject {
        SubjectKind::Pod => "pods",
        SubjectKind::EphemeralContainer => "pods/ephemeralcontainers",
        SubjectKind::ServiceAccount => "serviceaccounts",
        SubjectKind::TokenRequest => "serviceaccounts/token",
        SubjectKind::Secret => "secrets",
        SubjectKind::Binding => "rolebindings",
        SubjectKind::Role => "roles",
        SubjectKind::PersistentVolume => "persistentvolumes",
    }
}

/// `permissions.yaml` and `helm-values.yaml` grant what `metadata.yml` says that the policy reads, and nothing else to it.
fn permissions() -> Result<()> {
    let load = |file: &str| -> Result<Vec<Value>> {
        let documents = yaml::load_file(repository().join("examples").join(file))?;
        Ok(documents.into_iter().map(|document| document.value).collect())
    };
    let role = load("permissions.yaml")?;
    let wanted = json!([{"apiGroups": [""], "resources": ["serviceaccounts"], "verbs": ["get"]}]);
    ensure!(role.iter().any(|object| object["rules"] == wanted), "permissions.yaml must grant {wanted}");
    let values = load("helm-values.yaml")?.pop().context("helm-values.yaml is empty")?;
    let wanted = json!({"apiGroup": "", "resources": ["serviceaccounts"], "verbs": ["get"]});
    let granted = values["policyServer"]["permissions"].as_array().cloned().unwrap_or_default();
    ensure!(granted.contains(&wanted), "helm-values.yaml must grant {wanted}");
    Ok(())
}

/// README names every example.
fn named() -> Result<()> {
    let mut text = String::new();
    for page in pages()? {
        text += &read(&page)?;
    }
    let mut unnamed = Vec::new();
    for folder in ["examples", "examples/settings"] {
        for entry in fs::read_dir(repository().join(folder))? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            let is_file = Path::new(&name).extension().is_some_and(|extension| extension == "yaml");
            if is_file && !text.contains(&format!("{folder}/{name}")) {
                unnamed.push(format!("{folder}/{name}"));
            }
        }
    }
    ensure!(unnamed.is_empty(), "no page names {}", unnamed.join(", "));
    Ok(())
}

/// Settings that worked in a release work in every later one: a policy server exits on settings that it cannot read.
fn released(engine: &Engine) -> Result<()> {
    let changelog = read(&repository().join("CHANGELOG.md"))?;
    let root = repository().join("e2e-tests/released");
    let headings = changelog.lines().filter_map(|line| line.strip_prefix("## [")?.split(']').next());
    let versions: Vec<&str> = headings.filter(|version| *version != "Unreleased").collect();
    ensure!(!versions.is_empty(), "CHANGELOG.md has no released version");
    let mut folders: Vec<PathBuf> = vec![repository().join("examples/settings")];
    folders.extend(versions.iter().map(|version| root.join(version)));
    for entry in fs::read_dir(&root)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        ensure!(versions.contains(&name.as_str()), "e2e-tests/released/{name} has no heading in CHANGELOG.md");
    }
    for folder in folders {
        let hint = || format!("copy examples/settings/ to {}", folder.display());
        let mut read = 0;
        for entry in fs::read_dir(&folder).with_context(hint)? {
            let path = entry?.path();
            for document in yaml::load_file(&path)? {
                let answer = engine.validate_settings(&document.value)?;
                ensure!(answer.valid, "{}: {}", path.display(), answer.message.unwrap_or_default());
                read += 1;
            }
        }
        ensure!(read > 0, "no settings in {}: {}", folder.display(), hint());
    }
    Ok(())
}
