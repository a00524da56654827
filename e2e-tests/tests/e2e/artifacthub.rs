// SPDX-License-Identifier: Apache-2.0

//! `artifacthub-pkg.yml`, as `kwctl scaffold artifacthub` makes it from `metadata.yml` and `questions-ui.yml`
//! (`crates/policy-evaluator/src/policy_artifacthub.rs` of <https://github.com/kubewarden/kubewarden-controller>).
//!
//! `createdAt` is not compared: each release sets it. `make e2e-tests` checks that kwctl creates the same file.

#![expect(clippy::indexing_slicing, reason = "of JSON values: what is missing reads as null")]

use std::fmt::Write as _;
use std::fs;

use anyhow::{Context as _, Result, ensure};
use libtest_mimic::Trial;
use policy_host::yaml;
use serde_json::{Value, json};

use crate::docs::compare_or_bless;
use crate::{failed, questions, repository};

const FILE: &str = "artifacthub-pkg.yml";

/// The comment at the beginning of kwctl's output. Its last line ends with a blank, which editors remove.
const HEAD: &str = "# Kubewarden Artifacthub Package config
#
# Use this config to submit the policy to https://artifacthub.io.
#
# This config can be saved to its default location with:
#   kwctl scaffold artifacthub > artifacthub-pkg.yml
";

pub fn trials(bless: bool) -> Vec<Trial> {
    vec![
        Trial::test("artifacthub::package_is_generated", move || package(bless).map_err(failed)),
        Trial::test("artifacthub::repository_has_an_owner", || owner().map_err(failed)),
    ]
}

fn package(bless: bool) -> Result<()> {
    let path = repository().join(FILE);
    let text = fs::read_to_string(&path).unwrap_or_default();
    let created = text.lines().find_map(|line| line.strip_prefix("createdAt: ")).unwrap_or("2025-11-21T00:00:00Z");
    compare_or_bless(&path, &text, &made(created)?, bless)
}

fn made(created: &str) -> Result<String> {
    let metadata = yaml::load_file(repository().join("metadata.yml"))?.pop().context("metadata.yml is empty")?.value;
    let annotation = |key: &str| {
        let value = metadata["annotations"][key].as_str();
        value.with_context(|| format!("metadata.yml: annotations.{key} is missing; Artifact Hub needs it"))
    };
    let policy = |key: &str| annotation(&format!("io.kubewarden.policy.{key}"));
    let version = policy("version")?;
    let image = format!("{}:v{version}", policy("ociUrl")?);
    let (source, home) = (policy("source")?, policy("url")?);
    ensure!(source.starts_with("https://github.com/"), "only sources on github.com have a link to the module");
    let (name, mail) = policy("author")?.split_once(" <").context("the author must be `Name <mail>`")?;
    let mail = mail.trim_end_matches('>');
    let keywords = annotation("io.artifacthub.keywords")?;

    let mut text = HEAD.to_owned();
    let _ = writeln!(text, "version: {version}");
    let _ = writeln!(text, "name: {}", policy("title")?);
    let _ = writeln!(text, "displayName: {}", annotation("io.artifacthub.displayName")?);
    let _ = writeln!(text, "createdAt: {created}");
    let _ = writeln!(text, "description: {}", policy("description")?);
    let _ = writeln!(text, "license: {}", policy("license")?);
    let _ = writeln!(text, "homeURL: {home}");
    let _ = writeln!(text, "containersImages:\n- name: policy\n  image: {image}");
    text.push_str("keywords:\n");
    for keyword in keywords.split(',').map(str::trim) {
        ensure!(!keyword.is_empty(), "io.artifacthub.keywords has an empty word");
        let _ = writeln!(text, "- {keyword}");
    }
    let _ = writeln!(text, "links:\n- name: policy\n  url: {source}/releases/download/v{version}/policy.wasm");
    let _ = writeln!(text, "- name: source\n  url: {source}");
    text.push_str(&block("", "install", &install(&image)));
    let _ = writeln!(text, "maintainers:\n- name: {name}\n  email: {mail}");
    text.push_str("provider:\n  name: kubewarden\n");
    text.push_str(
        "recommendations:\n- url: https://artifacthub.io/packages/helm/kubewarden/kubewarden-controller\nannotations:\n",
    );
    text.push_str(&block("  ", "kubewarden/contextAwareResources", &resources(&metadata)));
    let _ = writeln!(text, "  kubewarden/mutation: '{}'", metadata["mutating"] == json!(true));
    text.push_str(&block("  ", "kubewarden/questions-ui", &questions::text()?));
    let _ = writeln!(text, "  kubewarden/resources: {}", annotation("io.artifacthub.resources")?);
    text.push_str(&block("  ", "kubewarden/rules", &rules(&metadata)));
    Ok(text)
}

fn install(image: &str) -> String {
    format!(
        "The policy can be obtained using [kwctl](https://docs.kubewarden.io/howtos/install-kwctl):\n\
         ```console\nkwctl pull {image}\n```\n\
         Then, generate the policy manifest and tune it to your liking. For example:\n\
         ```console\nkwctl scaffold manifest -t ClusterAdmissionPolicy registry://{image}\n```\n"
    )
}

fn resources(metadata: &Value) -> String {
    let mut text = String::new();
    for resource in metadata["contextAwareResources"].as_array().into_iter().flatten() {
        let field = |key: &str| resource[key].as_str().unwrap_or_default();
        let _ = writeln!(text, "- apiVersion: {}\n  kind: {}", field("apiVersion"), field("kind"));
    }
    text
}

fn rules(metadata: &Value) -> String {
    let mut text = String::new();
    for rule in metadata["rules"].as_array().into_iter().flatten() {
        let mut mark = '-';
        for key in ["apiGroups", "apiVersions", "resources", "operations"] {
            let _ = writeln!(text, "{mark} {key}:");
            mark = ' ';
            for entry in rule[key].as_array().into_iter().flatten().filter_map(Value::as_str) {
                let _ = writeln!(text, "  - {}", if entry.is_empty() { "''" } else { entry });
            }
        }
    }
    text
}

/// A block scalar that ends with a line break.
fn block(indent: &str, key: &str, content: &str) -> String {
    let mut text = format!("{indent}{key}: |\n");
    for line in content.lines() {
        let line = if line.is_empty() { String::new() } else { format!("{indent}  {line}") };
        let _ = writeln!(text, "{line}");
    }
    text
}

/// `artifacthub-repo.yml` names the owners who may claim the repository.
fn owner() -> Result<()> {
    let file = yaml::load_file(repository().join("artifacthub-repo.yml"))?.pop().context("it is empty")?.value;
    let owners = file["owners"].as_array().cloned().unwrap_or_default();
    ensure!(owners.iter().any(|owner| owner["email"].as_str().is_some_and(|mail| mail.contains('@'))), "no owner");
    Ok(())
}
