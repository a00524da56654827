// SPDX-License-Identifier: Apache-2.0

//! Checks that the documentation matches the code: generated parts, examples, links, commands.
//!
//! The text between `<!-- generated:NAME -->` and `<!-- /generated:NAME -->` comes from the rules' own declarations;
//! `BLESS=1` rewrites it, and starts the page of a new rule from a template. A fenced block marked `yaml settings` is
//! validated; on a rule's page, the policy checks blocks marked `yaml accepted`, `yaml fixed` or `yaml rejected`.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result, bail, ensure};
use e2e_tests::case::{Host, shown};
use e2e_tests::case_file;
use e2e_tests::engine::Engine;
use libtest_mimic::Trial;
use policy_host::apiserver::{ApiServer, RequestOptions};
use policy_host::yaml;
use policy_tools::budgets::Budgets;
use serde_json::{Value, json};
use serviceaccount_hygiene::admission::subject::SubjectKind;
use serviceaccount_hygiene::rules::{RULES, Rule};
use serviceaccount_hygiene::settings::Profile;
use serviceaccount_hygiene::settings::params::{Kind, Param};

use crate::{failed, repository};

/// The sections of a rule's page, each with a description of its content.
const SECTIONS: &[(&str, &str)] = &[
    ("Requirement", "What the rule requires or forbids, in two or three sentences."),
    ("Why", "What goes wrong without the rule, with a real incident or upstream issue."),
    ("Behavior", "A table: unset, true, false, and other valid and invalid values, and the result of each."),
    ("Parameters", "<!-- generated:parameters -->\n<!-- /generated:parameters -->"),
    ("Messages", "<!-- generated:messages -->\n<!-- /generated:messages -->"),
    (
        "Examples",
        "An object that the rule rejects (in a block marked `yaml rejected`) and the corrected object (`yaml accepted`).",
    ),
    ("Known bypasses", "A table: each attempt that was considered, and its result."),
    ("Exemptions", "Who may need one, and how to write it (in a block marked `yaml settings`)."),
    ("Related checks", "Checks of other tools, and how they differ."),
];

/// Settings outside of the rule that the examples of some rules need.
const NEEDED: &[(&str, &str, &str)] =
    &[("identity-injection", "phase", "validating"), ("irsa-injection", "serviceAccountLookup", "required")];

/// The chapters of the web site.
const SUMMARY: &str = "\
# Summary

[serviceaccount-hygiene](../README.md)

# Guides

- [Examples](../examples/README.md)
- [Operations](operations.md)
- [Upgrading](upgrading.md)
- [Auditing a cluster](audit.md)
- [Checking manifests in a pipeline](check.md)
- [Migrating from other tools](migrating.md)

# Rules

RULES

# Background

- [Threat model](threat-model.md)
- [Cloud identities](cloud-identities.md)
- [Architecture](architecture.md)
- [Assurance](assurance.md)
- [Performance](performance.md)

# Project

- [Contributing](../CONTRIBUTING.md)
- [Test cases](../e2e-tests/README.md)
- [Security](../SECURITY.md)
- [Changelog](../CHANGELOG.md)
";

/// The prefix of what the author has to write in a new page.
const TODO: &str = "TODO: ";

pub fn trials(engine: &Arc<Engine>, bless: bool) -> Vec<Trial> {
    let mut trials = vec![
        Trial::test("docs::readme", move || readme(bless).map_err(failed)),
        Trial::test("docs::changed_messages", move || changed_messages(bless).map_err(failed)),
        Trial::test("docs::summary", move || summary(bless).map_err(failed)),
        Trial::test("docs::threat_model", move || threat_model(bless).map_err(failed)),
        Trial::test("docs::links", || links().map_err(failed)),
        Trial::test("docs::cases", || cases().map_err(failed)),
        Trial::test("docs::architecture", || architecture().map_err(failed)),
        Trial::test("docs::anchors", || anchors().map_err(failed)),
        Trial::test("docs::commands", || commands().map_err(failed)),
        Trial::test("docs::compared_with_the_webhook", || compared_with_the_webhook().map_err(failed)),
    ];
    let with_engine = Arc::clone(engine);
    trials.push(Trial::test("docs::readme_examples", move || readme_examples(&with_engine).map_err(failed)));
    let with_engine = Arc::clone(engine);
    trials.push(Trial::test("docs::settings", move || settings(&with_engine).map_err(failed)));
    for &rule in RULES {
        let engine = Arc::clone(engine);
        trials.push(Trial::test(format!("docs::{}", rule.id), move || page(rule, &engine, bless).map_err(failed)));
    }
    trials
}

fn readme(bless: bool) -> Result<()> {
    let path = repository().join("README.md");
    let text = read(&path)?;
    let rows = RULES.iter().map(|rule| {
        format!(
            "| [`{id}`](docs/rules/{id}.md) | {} | {} | {} |\n",
            checked_kinds(rule),
            ALL_PROFILES.map(|profile| format!("`{}`", rule.action_in(profile).word())).join(" | "),
            rule.summary.text(),
            id = rule.id
        )
    });
    let table = "| rule | checks | observe | baseline | restricted | requirement |\n|---|---|---|---|---|---|\n"
        .to_owned()
        + &rows.collect::<String>();
    let filled = fill(&text, "rules", &table)?;
    compare_or_bless(&path, &text, &fill(&filled, "limits", &limits()?)?, bless)?;
    compare_part_or_bless(&repository().join("examples/README.md"), "examples", &examples_table()?, bless)
}

/// `docs/upgrading.md` lists every message that has changed since the last version.
fn changed_messages(bless: bool) -> Result<()> {
    let changelog = read(&repository().join("CHANGELOG.md"))?;
    let mut versions = changelog.lines().filter_map(|line| line.strip_prefix("## [")?.split(']').next());
    let last = versions.find(|version| *version != "Unreleased").context("CHANGELOG.md has no released version")?;
    let path = repository().join(format!("e2e-tests/released-messages/{last}.yaml"));
    if bless && !path.exists() {
        fs::write(&path, all_messages(last))?;
    }
    let released = yaml::load_file(&path)?.pop().context("no messages")?.value;
    let mut table = format!("| rule | message | {last} | now |\n|---|---|---|---|\n");
    for rule in RULES {
        let Some(old) = released.get(rule.id).and_then(Value::as_object) else { continue };
        let now = messages(rule);
        let find = |id: &str| now.iter().find(|(name, _)| name == id).map(|(_, text)| text.as_str());
        let mut rows = Vec::new();
        for (name, text) in &now {
            match old.get(name).and_then(Value::as_str) {
                Some(before) if before == text => {}
                before => rows.push((name.as_str(), before.unwrap_or("-"), text.as_str())),
            }
        }
        let gone = old.iter().filter(|(name, _)| find(name).is_none());
        rows.extend(gone.map(|(name, text)| (name.as_str(), text.as_str().unwrap_or_default(), "-")));
        for (name, before, text) in rows {
            let (before, text) = (prose(before), prose(text));
            let _ = writeln!(table, "| [`{id}`](rules/{id}.md) | {name} | {before} | {text} |", id = rule.id);
        }
    }
    compare_part_or_bless(&repository().join("docs/upgrading.md"), "changed-messages", &table, bless)
}

/// The messages of every rule, in the format of `e2e-tests/released-messages/`.
fn all_messages(version: &str) -> String {
    let mut text = format!(
        "# The messages of {version}, as the rules' pages showed them: rule, name, text. `make bless` writes such a file for a new \
         version.\n"
    );
    for rule in RULES.iter().filter(|rule| !rule.messages.is_empty()) {
        let _ = writeln!(text, "{}:", rule.id);
        for (name, message) in messages(rule) {
            let _ = writeln!(text, "  {name}: {}", Value::from(message));
        }
    }
    text
}

/// Name and text of each message of a rule.
fn messages(rule: &Rule) -> Vec<(String, String)> {
    let messages = rule.messages.iter().copied().flatten();
    messages.map(|message| (message.id(), message.text().replace("{}", "…"))).collect()
}

/// The table of contents of the web site (`make book`) lists every page exactly once.
fn summary(bless: bool) -> Result<()> {
    let path = repository().join("docs/SUMMARY.md");
    let rules =
        RULES.iter().map(|rule| format!("- [{id}](rules/{id}.md)", id = rule.id)).collect::<Vec<_>>().join("\n");
    let contents = SUMMARY.replace("RULES", &rules);
    compare_or_bless(&path, &read(&path).unwrap_or_default(), &contents, bless)?;
    for page in pages()?.iter().filter(|page| !page.ends_with("SUMMARY.md")) {
        let page = page.strip_prefix(repository())?.display().to_string();
        let link = page.strip_prefix("docs/").map_or_else(|| format!("](../{page})"), |page| format!("]({page})"));
        ensure!(contents.matches(&link).count() == 1, "docs/SUMMARY.md must name {page} once");
    }
    Ok(())
}

/// The examples, each with the first sentence of its comment.
fn examples_table() -> Result<String> {
    let mut table = "| file | description |\n|---|---|\n".to_owned();
    for folder in ["examples", "examples/settings"] {
        let mut paths = Vec::new();
        for entry in fs::read_dir(repository().join(folder)).with_context(|| folder.to_owned())? {
            paths.push(entry?.path());
        }
        paths.retain(|path| path.extension().is_some_and(|extension| extension == "yaml"));
        paths.sort();
        for path in paths {
            let text = read(&path)?;
            let name = path.file_stem().unwrap_or_default().to_string_lossy();
            let comment = text.lines().skip_while(|line| line.contains("yaml-language-server"));
            let comment: Vec<&str> = comment.map_while(|line| line.strip_prefix('#')).map(str::trim).collect();
            let comment = comment.join(" ");
            let (sentence, _) = comment.split_once(". ").unwrap_or((comment.trim_end_matches('.'), ""));
            ensure!(
                !sentence.is_empty(),
                "{folder}/{name}.yaml: the first line must be a comment that says what it is"
            );
            let shown = folder.trim_start_matches("examples").trim_start_matches('/');
            let shown = if shown.is_empty() { name.to_string() } else { format!("{shown}/{name}") };
            let _ = writeln!(table, "| [{shown}.yaml]({shown}.yaml) | {} |", cell(sentence));
        }
    }
    Ok(table)
}

/// The limits in `budgets.toml`, in words.
fn limits() -> Result<String> {
    let budgets = Budgets::embedded()?;
    let ratio = budgets.ratio.get("pod accepted").context("budgets.toml: no ratio for `pod accepted`")?;
    Ok(format!(
        "[budgets.toml](bench/budgets.toml) limits the module to {} KB (`make test` checks this), and the time for an ordinary Pod \
         to\n{ratio} times that of a policy that accepts everything without reading it (`make bench` measures this).\n",
        budgets.module.max_bytes / 1024,
    ))
}

fn page(rule: &Rule, engine: &Engine, bless: bool) -> Result<()> {
    let path = repository().join(format!("docs/rules/{}.md", rule.id));
    if !path.exists() {
        ensure!(bless, "docs/rules/{}.md is missing; `make bless` starts it from a template", rule.id);
        fs::create_dir_all(path.parent().context("no folder")?)?;
        fs::write(&path, template(rule))?;
    }
    let text = read(&path)?;
    let mut filled = text.clone();
    for (name, part) in [("rule", facts(rule)), ("parameters", parameters(rule)), ("messages", message_table(rule))] {
        filled = fill(&filled, name, &part)?;
    }
    compare_or_bless(&path, &text, &filled, bless)?;

    let headings: Vec<&str> = filled.lines().filter_map(|line| line.strip_prefix("## ")).collect();
    let wanted: Vec<&str> = SECTIONS.iter().map(|(heading, _)| *heading).collect();
    ensure!(headings == wanted, "the sections are {headings:?}, must be {wanted:?}");
    let left: Vec<&str> = filled.lines().filter(|line| line.contains(TODO)).collect();
    ensure!(left.is_empty(), "still to be written:\n{}", left.join("\n"));
    examples(rule, engine, &filled)
}

/// Compares or rewrites one generated part of a page.
pub fn compare_part_or_bless(path: &Path, name: &str, content: &str, bless: bool) -> Result<()> {
    let text = read(path)?;
    compare_or_bless(path, &text, &fill(&text, name, content)?, bless)
}

/// Each row of the table that compares `irsa-injection` with the webhook names a case that demonstrates it.
fn compared_with_the_webhook() -> Result<()> {
    let text = read(&repository().join("docs/rules/irsa-injection.md"))?;
    let (_, table) = text.split_once("### Compared with the webhook").context("the table is missing")?;
    let rows = table.lines().take_while(|line| !line.starts_with("## ")).filter(|line| line.starts_with("| "));
    let cases = case_file::load(&repository().join("e2e-tests/cases/irsa-injection.md"));
    let names: Vec<&str> = cases.iter().filter_map(|(name, _)| name.split_once('/')).map(|(_, name)| name).collect();
    let mut shown = 0;
    for row in rows.skip(1) {
        let case = row.trim_end_matches([' ', '|', '`']).rsplit('`').next().unwrap_or_default();
        ensure!(names.contains(&case), "{row}\nthere is no such case");
        shown += 1;
    }
    ensure!(shown > 40, "only {shown} rows");
    Ok(())
}

/// Compares a file with the expected text, or writes it.
pub fn compare_or_bless(path: &Path, text: &str, wanted: &str, bless: bool) -> Result<()> {
    if text == wanted {
        return Ok(());
    }
    if bless {
        fs::write(path, wanted)?;
        println!("\nblessed {}", path.display());
        return Ok(());
    }
    let difference = policy_host::diff::unified(("now", "expected"), text, wanted);
    bail!("{}: what is generated is not up to date; `make bless` rewrites it\n{difference}", shown(path))
}

/// The text with new content between the markers of a name.
fn fill(text: &str, name: &str, content: &str) -> Result<String> {
    let (open, close) = (format!("<!-- generated:{name} -->\n"), format!("<!-- /generated:{name} -->"));
    let (before, rest) = text.split_once(&open).with_context(|| format!("{} is missing", open.trim_end()))?;
    let (_, after) = rest.split_once(&close).with_context(|| format!("{close} is missing"))?;
    Ok(format!("{before}{open}{content}{close}{after}"))
}

fn template(rule: &Rule) -> String {
    let mut text = format!("# {}\n\n<!-- generated:rule -->\n<!-- /generated:rule -->\n", rule.id);
    for (heading, content) in SECTIONS {
        let todo = if content.starts_with("<!--") { "" } else { TODO };
        let _ = write!(text, "\n## {heading}\n\n{todo}{content}\n");
    }
    text
}

fn facts(rule: &Rule) -> String {
    let actions: Vec<String> = rule.actions().iter().map(|action| format!("`{action}`")).collect();
    let (first, rest) = rule.summary.text().split_at_checked(1).unwrap_or_default();
    format!(
        "**{}{rest}.**\n\nChecks {}. Actions: {}.\n\n{}",
        first.to_uppercase(),
        checked_kinds(rule),
        actions.join(", "),
        profiles(rule)
    )
}

/// The action and parameters of a rule in each profile.
fn profiles(rule: &Rule) -> String {
    let mut table = "| profile | action | parameters |\n|---|---|---|\n".to_owned();
    for profile in ALL_PROFILES {
        let params: Vec<String> =
            rule.params_in(profile).iter().map(|(name, json)| format!("`{name}: {}`", json.replace('"', ""))).collect();
        let params = if params.is_empty() { "defaults".to_owned() } else { params.join(", ") };
        let (word, action) = (format!("{profile:?}").to_lowercase(), rule.action_in(profile).word());
        let _ = writeln!(table, "| `{word}` | `{action}` | {params} |");
    }
    table
}

/// From the least to the most strict.
const ALL_PROFILES: [Profile; 3] = [Profile::Observe, Profile::Baseline, Profile::Restricted];

/// The kinds that a rule checks, as a list in words.
fn checked_kinds(rule: &Rule) -> String {
    let kinds: Vec<&str> = rule.subjects.iter().flat_map(|kind| plurals(*kind)).copied().collect();
    match kinds.as_slice() {
        [first @ .., last] if !first.is_empty() => format!("{} and {last}", first.join(", ")),
        kinds => kinds.concat(),
    }
}

const fn plurals(kind: SubjectKind) -> &'static [&'static str] {
    match kind {
        SubjectKind::Pod => &["Pods"],
        SubjectKind::PodTemplate => &["Pod templates"],
        SubjectKind::EphemeralContainer => &["ephemeral containers"],
        SubjectKind::ServiceAccount => &["ServiceAccounts"],
        SubjectKind::TokenRequest => &["TokenRequests"],
        SubjectKind::Secret => &["Secrets"],
        SubjectKind::Binding => &["RoleBindings", "ClusterRoleBindings"],
        SubjectKind::Role => &["Roles", "ClusterRoles"],
        SubjectKind::PersistentVolume => &["PersistentVolumes"],
        SubjectKind::IdentityGrant => &["custom resources that grant cloud identities"],
        SubjectKind::ConfigMap => &["ConfigMaps"],
    }
}

fn parameters(rule: &Rule) -> String {
    if rule.params.is_empty() {
        return "None besides `action`.\n".to_owned();
    }
    let mut table = "| parameter | type | default | description |\n|---|---|---|---|\n".to_owned();
    for param in rule.params {
        parameter(&mut table, "", param);
    }
    table
}

fn parameter(table: &mut String, above: &str, param: &Param) {
    let name = format!("{above}{}", param.name);
    let default = if param.default.is_empty() { "required".to_owned() } else { format!("`{}`", param.default) };
    let (takes, doc) = (param.kind.describe(), param.doc.text());
    let _ = writeln!(table, "| `{name}` | {} | {} | {} |", cell(&takes), cell(&default), cell(doc));
    let (fields, below) = match &param.kind {
        Kind::Entries(fields) => (*fields, "[]."),
        Kind::Map(fields) => (*fields, "."),
        _ => return,
    };
    for field in fields {
        parameter(table, &format!("{name}{below}"), field);
    }
}

fn message_table(rule: &Rule) -> String {
    let rows = messages(rule).into_iter().map(|(name, message)| format!("| {name} | {} |\n", prose(&message)));
    "| name | message |\n|---|---|\n".to_owned() + &rows.collect::<String>()
}

/// Escapes `|`, which would end a table cell.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

/// A text for a table cell, in which `<account>` is not read as HTML.
fn prose(text: &str) -> String {
    let parts = cell(text);
    let parts = parts.split('`').enumerate().map(|(at, part)| {
        // Every second part is code.
        if at % 2 == 0 { part.replace('<', "\\<") } else { part.to_owned() }
    });
    parts.collect::<Vec<_>>().join("`")
}

/// The policy checks the marked objects of the front page with default settings. The message for a rejected object follows it.
fn readme_examples(engine: &Engine) -> Result<()> {
    let text = read(&repository().join("README.md"))?;
    check_blocks(&json!({}), engine, &text)?;
    let blocks = blocks(&text);
    for (refused, said) in blocks.iter().zip(blocks.iter().skip(1)).filter(|(block, _)| block.mark == "yaml rejected") {
        let object = yaml::load_str(&refused.text, "README.md")?.pop().context("an empty block")?.value;
        let request = ApiServer::new(&[]).request(object, &RequestOptions::default())?;
        let verdict = engine.evaluate(&request, &json!({}), &[], &Host::default())?.verdict;
        let message = verdict.message.unwrap_or_default();
        ensure!(said.mark == "text" && said.text.trim_end() == message, "README.md: the message is\n{message}");
    }
    Ok(())
}

/// The list of the threat model: what the policy stops.
fn threat_model(bless: bool) -> Result<()> {
    let path = repository().join("docs/threat-model.md");
    let text = read(&path)?;
    let list = |is_off: bool| {
        let rules = RULES.iter().filter(|rule| (rule.default_action().word() == "off") == is_off);
        rules.fold(String::new(), |mut list, rule| {
            let _ = writeln!(list, "- {} ([{id}](rules/{id}.md))", rule.summary.text(), id = rule.id);
            list
        })
    };
    let filled = fill(&text, "stops", &list(false))?;
    compare_or_bless(&path, &text, &fill(&filled, "stops-on-request", &list(true))?, bless)
}

/// The policy checks each marked object with the rule's strongest action, and every other rule at its default.
fn examples(rule: &Rule, engine: &Engine, text: &str) -> Result<()> {
    let action = rule.actions().last().copied().unwrap_or_default();
    let mut settings = json!({"rules": {rule.id: action}});
    if let (Some((_, key, value)), Some(settings)) =
        (NEEDED.iter().find(|(id, ..)| *id == rule.id), settings.as_object_mut())
    {
        settings.insert((*key).to_owned(), json!(value));
    }
    check_blocks(&settings, engine, text)
}

fn check_blocks(settings: &Value, engine: &Engine, text: &str) -> Result<()> {
    for block in blocks(text) {
        let wanted = match block.mark {
            "yaml accepted" | "yaml fixed" | "yaml rejected" => block.mark.trim_start_matches("yaml "),
            _ => continue,
        };
        let objects: Vec<Value> =
            yaml::load_str(&block.text, "example")?.into_iter().map(|document| document.value).collect();
        let server = ApiServer::new(&objects.iter().cloned().chain(named_accounts(&objects)).collect::<Vec<_>>());
        let mut found = "accepted";
        for object in &objects {
            let request = server.request(object.clone(), &RequestOptions::default())?;
            let verdict = engine.evaluate(&request, settings, &objects, &Host::default())?.verdict;
            found = match (verdict.allowed, verdict.object.is_some()) {
                (false, _) => "rejected",
                (true, true) if found != "rejected" => "fixed",
                _ => found,
            };
        }
        ensure!(found == wanted, "this example is {found}, must be {wanted}:\n{}", block.text);
    }
    Ok(())
}

/// The accounts that Pods name: the API server knows them even if the example does not contain them.
fn named_accounts(objects: &[Value]) -> impl Iterator<Item = Value> {
    let pods = objects.iter().filter(|object| object.get("kind").and_then(Value::as_str) == Some("Pod"));
    pods.filter_map(|pod| {
        let name = pod.pointer("/spec/serviceAccountName")?;
        let namespace = pod.pointer("/metadata/namespace").cloned().unwrap_or_else(|| json!("default"));
        Some(json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": namespace}}))
    })
}

fn settings(engine: &Engine) -> Result<()> {
    for (location, settings) in settings_blocks()? {
        let answer = engine.validate_settings(&settings)?;
        ensure!(answer.valid, "{location}: {}\n{settings}", answer.message.unwrap_or_default());
    }
    Ok(())
}

/// The settings of every block marked `yaml settings`, with its page.
pub fn settings_blocks() -> Result<Vec<(String, Value)>> {
    let mut found = Vec::new();
    for path in pages()? {
        for block in blocks(&read(&path)?).into_iter().filter(|block| block.mark == "yaml settings") {
            let location = path.display().to_string();
            let documents = yaml::load_str(&block.text, &location)?;
            found.extend(documents.into_iter().map(|document| (location.clone(), document.value)));
        }
    }
    Ok(found)
}

/// Every link into the repository has an existing target.
fn links() -> Result<()> {
    for path in pages()? {
        let text = read(&path)?;
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let file = link.split('#').next().unwrap_or_default();
            let is_elsewhere = file.is_empty() || file.contains(':');
            let target = path.parent().unwrap_or(&path).join(file);
            ensure!(is_elsewhere || target.exists(), "{}: the link {link} leads nowhere", path.display());
        }
    }
    Ok(())
}

/// Everything that the description of the architecture names exists: files, directories, and every module of the policy.
fn architecture() -> Result<()> {
    let text = read(&repository().join("docs/architecture.md"))?;
    let outside: String = text.split("```").step_by(2).collect();
    let names: Vec<&str> = outside.split('`').skip(1).step_by(2).collect();
    let is_file = |name: &str| Path::new(name).extension().is_some_and(|extension| extension == "toml");
    let paths = names.iter().filter(|name| name.contains('/') || is_file(name));
    let mut found = 0;
    for path in paths {
        ensure!(repository().join(path).exists(), "docs/architecture.md: there is no {path}");
        found += 1;
    }
    ensure!(found > 10, "docs/architecture.md: {found} paths");
    for entry in fs::read_dir(repository().join("src"))? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        let is_named = names.contains(&format!("src/{name}").as_str());
        ensure!(
            is_named || matches!(name.as_str(), "lib.rs" | "testing.rs"),
            "docs/architecture.md: nothing on src/{name}"
        );
    }
    for member in ["cli", "host", "e2e-tests", "bench", "fuzz"] {
        ensure!(names.contains(&format!("{member}/").as_str()), "docs/architecture.md: nothing on {member}/");
    }
    // The rows have the order of the layers in the test of the imports.
    let layers = read(&repository().join("tests/source/layers.rs"))?;
    let (_, layers) = layers.split_once("const LAYERS").context("no LAYERS")?;
    let (layers, _) = layers.split_once(';').context("no end of LAYERS")?;
    let mut rows = Vec::new();
    for name in layers.split('"').skip(1).step_by(2).filter(|name| *name != "lib") {
        rows.push(text.find(&format!("\n| `src/{name}")).with_context(|| format!("no row for src/{name}"))?);
    }
    ensure!(rows.len() > 5 && rows.is_sorted(), "docs/architecture.md: the modules must be in the order of the layers");
    Ok(())
}

/// Every link to a heading has an existing target.
fn anchors() -> Result<()> {
    for path in pages()? {
        let text = read(&path)?;
        let links = text.split("](").skip(1).filter_map(|rest| rest.split(')').next()).filter(|it| !it.contains(':'));
        for (file, anchor) in links.filter_map(|link| link.split_once('#')) {
            let target = if file.is_empty() { path.clone() } else { path.parent().unwrap_or(&path).join(file) };
            let target = read(&target)?;
            let mut headings = target.lines().filter(|line| line.starts_with('#')).map(slug);
            ensure!(headings.any(|it| it == anchor), "{}: there is no heading #{anchor} in `{file}`", path.display());
        }
    }
    Ok(())
}

/// Every case in a last column `case` of a table exists. On a rule's page the name of the rule is omitted.
fn cases() -> Result<()> {
    let all = case_file::load_all(&repository().join("e2e-tests/cases"))?;
    let known: Vec<&str> = all.iter().map(|(name, _)| name.as_str()).collect();
    let mut count = 0;
    for path in pages()? {
        let text = read(&path)?;
        let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let prefix = if RULES.iter().any(|rule| rule.id == stem) { stem + "/" } else { String::new() };
        let mut is_listed = false;
        for line in text.lines() {
            is_listed &= line.starts_with('|');
            let Some((_, cell)) = line.strip_suffix(" |").and_then(|row| row.rsplit_once("| ")) else { continue };
            is_listed |= cell == "case";
            for name in cell.split('`').skip(1).step_by(2).filter(|_| is_listed) {
                let name = [&prefix, name].concat();
                ensure!(known.contains(&name.as_str()), "{}: there is no case {name}", path.display());
                count += 1;
            }
        }
    }
    ensure!(count > 50, "only {count} cases are named");
    Ok(())
}

/// The anchor that GitHub creates for a heading.
fn slug(heading: &str) -> String {
    let text = heading.trim_start_matches('#').trim().to_lowercase().replace(' ', "-");
    text.chars().filter(|c| c.is_alphanumeric() || matches!(c, '-' | '_')).collect()
}

/// Every `make` target that a page names exists.
fn commands() -> Result<()> {
    let makefile = read(&repository().join("Makefile"))?;
    let targets: Vec<&str> = makefile
        .lines()
        .filter(|line| !line.starts_with(['\t', '#', '.']))
        .filter_map(|line| Some(line.split_once(':')?.0))
        .collect();
    for path in pages()? {
        let text = read(&path)?;
        let commands = text.split(['`', '\n']).filter_map(|piece| piece.strip_prefix("make "));
        for target in commands.filter_map(|command| command.split([' ', '=']).next()) {
            ensure!(targets.contains(&target), "{}: `make {target}` does not exist", path.display());
        }
    }
    Ok(())
}

/// A fenced block.
struct Block<'t> {
    /// The words after the opening fence.
    mark: &'t str,
    text: String,
}

fn blocks(text: &str) -> Vec<Block<'_>> {
    let mut blocks = Vec::new();
    let mut open: Option<Block<'_>> = None;
    for line in text.lines() {
        match (line.strip_prefix("```"), open.as_mut()) {
            (Some(mark), None) => open = Some(Block { mark: mark.trim(), text: String::new() }),
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (None, Some(block)) => {
                block.text.push_str(line);
                block.text.push('\n');
            }
            (None, None) => {}
        }
    }
    blocks
}

/// Every page of the documentation.
pub fn pages() -> Result<Vec<PathBuf>> {
    let root = repository();
    let mut pages = vec![root.join("e2e-tests/README.md"), root.join("examples/README.md")];
    for folder in ["", "docs", "docs/rules"] {
        for entry in fs::read_dir(root.join(folder)).with_context(|| folder.to_owned())? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "md") {
                pages.push(path);
            }
        }
    }
    pages.sort();
    Ok(pages)
}

pub fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| path.display().to_string())
}
