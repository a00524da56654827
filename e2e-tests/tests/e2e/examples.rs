// SPDX-License-Identifier: Apache-2.0

//! Runs every policy and every set of settings in `examples/`, each with its own mode, permissions and rules.
//!
//! `e2e-tests/examples.md` contains the requests, in a section for each policy of a file, and for each set of
//! `examples/settings/`. `BLESS=1` writes the expected results, as for other cases.

#![expect(clippy::indexing_slicing, reason = "of JSON values: what is missing reads as null")]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use e2e_tests::engine::Engine;
use e2e_tests::examples;
use e2e_tests::expectation::Verdict;
use libtest_mimic::Trial;
use policy_host::yaml;
use serde_json::{Map, Value, json};
use serviceaccount_hygiene::admission::subject::SubjectKind;
use serviceaccount_hygiene::rules::RULES;
use serviceaccount_hygiene::settings::Profile;

use crate::docs::{pages, read};
use crate::{cases, failed, repository};

pub fn trials(engine: &Arc<Engine>, bless: bool) -> Result<Vec<Trial>> {
    let mut trials = vec![
        Trial::test("example::profiles_are_one_line", || profiles().map_err(failed)),
        Trial::test("example::restricted_is_strict", || restricted_is_strict().map_err(failed)),
        Trial::test("example::rules_are_the_same", || same_rules().map_err(failed)),
        Trial::test("example::send_every_subject", || subjects().map_err(failed)),
        Trial::test("example::permissions_suffice", || permissions().map_err(failed)),
        Trial::test("example::are_all_named", || named().map_err(failed)),
        Trial::test("example::are_all_shown", || shown().map_err(failed)),
    ];
    let with_engine = Arc::clone(engine);
    trials.push(Trial::test("example::released_settings_still_load", move || {
        released(&with_engine, bless).map_err(failed)
    }));
    let with_engine = Arc::clone(engine);
    trials.push(Trial::test("example::profiles_are_valid", move || profiles_are_valid(&with_engine).map_err(failed)));
    for example in examples::find_all(&repository())? {
        let example = Arc::new(example);
        for request in example.requests() {
            let (example, request, engine) = (Arc::clone(&example), request.clone(), Arc::clone(engine));
            let name = format!("example::{}::{}::{}", example.file, example.name, request.name);
            trials.push(Trial::test(name, move || {
                let case = example.case(&request).map_err(failed)?;
                cases::run(&case, &engine, bless).map_err(failed)
            }));
        }
    }
    Ok(trials)
}

/// The settings of every example, with the location of each.
pub fn settings() -> Result<Vec<(String, Value)>> {
    let examples = examples::find_all(&repository())?;
    Ok(examples.into_iter().map(|example| (format!("{}/{}", example.file, example.name), example.settings)).collect())
}

/// Each example has a request that it accepts without findings, and one with findings.
fn shown() -> Result<()> {
    let mut missing = Vec::new();
    for example in examples::find_all(&repository())? {
        let mut verdicts = Vec::new();
        for case in example.cases()? {
            verdicts.extend(case.expectation()?.and_then(|expectation| expectation.verdict().cloned()));
        }
        let says = |verdict: &Verdict| !verdict.audit_annotations.is_empty();
        let id = example.id();
        if !verdicts.iter().any(says) {
            missing.push(format!("add a case for {id} to e2e-tests/examples.md that it has findings for"));
        }
        if !verdicts.iter().any(|verdict| verdict.allowed && !says(verdict)) {
            missing.push(format!("add a case for {id} to e2e-tests/examples.md that it accepts without findings"));
        }
    }
    ensure!(missing.is_empty(), "{}", missing.join("\n"));
    Ok(())
}

/// `settings/gentle.yaml` and `settings/strict.yaml` each consist of a profile, and the policies of `strict.yaml` have the same
/// profile as the latter.
fn profiles() -> Result<()> {
    for example in examples::find_all(&repository())? {
        let wanted = match (example.file.as_str(), example.name.as_str()) {
            ("strict", _) | ("settings", "strict") => json!("restricted"),
            ("settings", "gentle") => json!("observe"),
            _ => continue,
        };
        let name = format!("{}/{}", example.file, example.name);
        ensure!(example.settings["profile"] == wanted, "{name}: profile must be {wanted}");
        ensure!(example.settings["rules"].is_null(), "{name}: the profile says all there is to say about rules");
    }
    Ok(())
}

/// `restricted` equals what `settings/strict.yaml` was before profiles existed, plus later parameters.
fn restricted_is_strict() -> Result<()> {
    /// Parameters that were added later.
    const LATER: [&str; 2] = ["optInOnDefault", "keepIfAllowed"];
    let path = repository().join("e2e-tests/released/0.1.0.yaml");
    let released = yaml::load_file(&path)?.pop().context("0.1.0.yaml is empty")?.value;
    let rules = released["strict"]["rules"].as_object().context("strict.yaml has no rules")?;
    for (id, settings) in rules {
        let rule = RULES.iter().find(|rule| rule.id == id).with_context(|| id.clone())?;
        let mut params = settings.as_object().cloned().unwrap_or_default();
        let action = params.remove("action").unwrap_or_else(|| settings.clone());
        ensure!(action == json!(rule.action_in(Profile::Restricted).word()), "{id}: {action} in strict.yaml");
        let mut found: Map<String, Value> = Map::new();
        for (name, json) in rule.params_in(Profile::Restricted).iter().filter(|(name, _)| !LATER.contains(name)) {
            found.insert((*name).to_owned(), serde_json::from_str(json)?);
        }
        ensure!(params == found, "{id}: {params:?} in strict.yaml, {found:?} in the profile");
    }
    ensure!(rules.len() > 20, "strict.yaml had {} rules", rules.len());
    Ok(())
}

/// The defaults of a profile are valid settings.
fn profiles_are_valid(engine: &Engine) -> Result<()> {
    for profile in Profile::WORDS {
        let answer = engine.validate_settings(&json!({"profile": profile}))?;
        ensure!(answer.valid, "{profile}: {}", answer.message.unwrap_or_default());
    }
    let mut rules = Map::new();
    for rule in RULES.iter().filter(|rule| rule.action_in(Profile::Restricted).word() != "off") {
        let mut settings = json!({"action": rule.action_in(Profile::Restricted).word()});
        for (name, json) in rule.params_in(Profile::Restricted) {
            settings[name] = serde_json::from_str(json)?;
        }
        rules.insert(rule.id.to_owned(), settings);
    }
    let answer = engine.validate_settings(&json!({"rules": rules}))?;
    ensure!(answer.valid, "{}", answer.message.unwrap_or_default());
    Ok(())
}

/// Policies for the same kinds of objects receive the same requests, and policies that are deployed together have the same
/// rules; if one differs, a comment explains why.
fn same_rules() -> Result<()> {
    let metadata = yaml::load_file(repository().join("metadata.yml"))?.pop().context("metadata.yml is empty")?.value;
    let mut by_settings: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for example in examples::find_all(&repository())? {
        let Some(spec) = &example.spec else { continue };
        let is_single_purpose = !examples::is_sent(spec, "pods");
        if is_single_purpose {
            let text = read(&repository().join(format!("examples/{}.yaml", example.file)))?;
            let said = "This is a separate policy";
            ensure!(text.contains(said), "{}: other rules than metadata.yml's, and no reason (`{said}`)", example.file);
            continue;
        }
        ensure!(spec["rules"] == metadata["rules"], "examples/{}.yaml: rules must be metadata.yml's", example.file);
        let family = match example.file.as_str() {
            "strict" => "restricted",
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

/// Every resource that a rule checks is sent to some policy. A rule that only single-purpose policies can use is turned on by
/// one of them.
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

/// The resource that a webhook must be registered for to receive a subject.
fn resource(subject: SubjectKind) -> &'static str {
    match subject {
        SubjectKind::Pod => "pods",
        SubjectKind::PodTemplate => "deployments",
        SubjectKind::EphemeralContainer => "pods/ephemeralcontainers",
        SubjectKind::ServiceAccount => "serviceaccounts",
        SubjectKind::TokenRequest => "serviceaccounts/token",
        SubjectKind::Secret => "secrets",
        SubjectKind::Binding => "rolebindings",
        SubjectKind::Role => "roles",
        SubjectKind::PersistentVolume => "persistentvolumes",
        SubjectKind::IdentityGrant => "podidentityassociations",
        SubjectKind::ConfigMap => "configmaps",
    }
}

/// The values for Kubewarden's chart up to 1.36, and for that of later versions.
const VALUES: [&str; 2] = ["helm-values.yaml", "helm-values-admission-controller.yaml"];

/// `permissions.yaml` grants only `get` for ServiceAccounts; the values of the charts grant at least that and access reviews.
fn permissions() -> Result<()> {
    let load = |file: &str| -> Result<Vec<Value>> {
        let documents = yaml::load_file(repository().join("examples").join(file))?;
        Ok(documents.into_iter().map(|document| document.value).collect())
    };
    let role = load("permissions.yaml")?;
    let wanted = json!([{"apiGroups": [""], "resources": ["serviceaccounts"], "verbs": ["get"]}]);
    ensure!(role.iter().any(|object| object["rules"] == wanted), "permissions.yaml must grant {wanted}");
    let wanted = json!({"apiGroup": "", "resources": ["serviceaccounts"], "verbs": ["get"]});
    let stock = json!({"apiGroup": "authorization.k8s.io", "resources": ["subjectaccessreviews"], "verbs": ["create"]});
    for file in VALUES {
        let values = load(file)?.pop().context(file)?;
        let granted = values["policyServer"]["permissions"].as_array().cloned().unwrap_or_default();
        ensure!(granted.contains(&wanted) && granted.contains(&stock), "{file} must grant {wanted} and {stock}");
    }
    Ok(())
}

/// A page links to every example, component and overlay.
fn named() -> Result<()> {
    let mut text = String::new();
    for page in pages()? {
        // Makes links relative to the root, for all pages.
        text += &read(&page)?.replace("](../examples/", "](examples/");
    }
    text += &read(&repository().join("examples/README.md"))?.replace("](", "](examples/");
    let mut unnamed = Vec::new();
    for folder in ["examples", "examples/settings", "examples/components", "examples/ci"] {
        for entry in fs::read_dir(repository().join(folder))? {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let is_page = path.extension().is_some_and(|extension| extension == "md");
            let is_example = path.is_dir() == (folder == "examples/components");
            if is_example && !is_page && !text.contains(&format!("]({folder}/{name}")) {
                unnamed.push(format!("{folder}/{name}"));
            }
        }
    }
    ensure!(unnamed.is_empty(), "no page names {}", unnamed.join(", "));
    Ok(())
}

/// Settings that a release accepts are accepted by all later releases: a policy server exits if it cannot read the settings.
fn released(engine: &Engine, bless: bool) -> Result<()> {
    let changelog = read(&repository().join("CHANGELOG.md"))?;
    let root = repository().join("e2e-tests/released");
    let headings = changelog.lines().filter_map(|line| line.strip_prefix("## [")?.split(']').next());
    let versions: Vec<&str> = headings.filter(|version| *version != "Unreleased").collect();
    ensure!(!versions.is_empty(), "CHANGELOG.md has no released version");
    for entry in fs::read_dir(&root)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        let version = name.trim_end_matches(".yaml");
        ensure!(versions.contains(&version), "e2e-tests/released/{name} has no heading in CHANGELOG.md");
    }
    let mut all: Vec<(String, Value)> = Vec::new();
    for path in settings_files()? {
        all.extend(yaml::load_file(&path)?.into_iter().map(|document| (path.display().to_string(), document.value)));
    }
    for version in versions {
        let path = root.join(format!("{version}.yaml"));
        if bless && !path.exists() {
            fs::write(&path, all_settings(version)?)?;
        }
        let released = yaml::load_file(&path)?.pop().map(|document| document.value);
        let released = released.as_ref().and_then(Value::as_object).filter(|settings| !settings.is_empty());
        let released = released.with_context(|| format!("no settings in {}", path.display()))?;
        all.extend(released.iter().map(|(name, settings)| (format!("{version}: {name}"), settings.clone())));
    }
    for (name, settings) in all {
        let answer = engine.validate_settings(&settings)?;
        ensure!(answer.valid, "{name}: {}", answer.message.unwrap_or_default());
    }
    Ok(())
}

/// The files in `examples/settings/`, sorted.
fn settings_files() -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(repository().join("examples/settings"))?;
    let mut paths = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}

/// The settings of the examples by file name, in the format of `e2e-tests/released/`.
fn all_settings(version: &str) -> Result<String> {
    let mut text = format!(
        "# The settings in examples/settings/ of {version}. Later versions must accept them. `make bless` writes such a file for a new \
         version.\n"
    );
    for path in settings_files()? {
        let _ = writeln!(text, "{}:", path.file_stem().unwrap_or_default().to_string_lossy());
        for line in read(&path)?.lines().filter(|line| !line.contains("yaml-language-server")) {
            let _ = writeln!(text, "{}{line}", if line.is_empty() { "" } else { "  " });
        }
    }
    Ok(text)
}
