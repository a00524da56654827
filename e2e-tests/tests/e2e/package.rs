// SPDX-License-Identifier: Apache-2.0

//! Checks that `metadata.yml` and the examples match the policy and each other.

#![expect(clippy::indexing_slicing, reason = "of JSON values: what is missing reads as null")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result, bail, ensure};
use libtest_mimic::Trial;
use policy_host::apiserver::{ApiServer, RequestOptions};
use policy_host::cluster::Cluster;
use policy_host::kubewarden::{Evaluation, Mode, Module, Policy, PolicyConfig};
use policy_host::yaml;
use serde_json::{Value, json};

use crate::{failed, repository};

/// The resources that the policy is registered for: Pods, workloads, ServiceAccounts. Separate policies check other subjects: a
/// subresource among the rules would exclude the whole policy from the background audit.
const RESOURCES: &[(&str, &[&str])] = &[
    ("/v1", &["replicationcontrollers", "podtemplates", "serviceaccounts"]),
    ("apps/v1", &["deployments", "replicasets", "statefulsets", "daemonsets"]),
    ("batch/v1", &["jobs", "cronjobs"]),
];

pub fn trials() -> Vec<Trial> {
    vec![
        Trial::test("package::metadata", || metadata().map_err(failed)),
        Trial::test("package::manifests_load", || manifests_load().map_err(failed)),
        Trial::test("package::layout", || layout().map_err(failed)),
        Trial::test("package::workflows", || workflows().map_err(failed)),
        Trial::test("package::twins_work_together", || paired_policies_agree().map_err(failed)),
        Trial::test("package::irsa_needs_no_webhook", || irsa_needs_no_webhook().map_err(failed)),
        Trial::test("package::demo_keeps_its_word", || demo_comments_match_verdicts().map_err(failed)),
    ]
}

/// The layout in CONTRIBUTING.md names each directory of `src/` and each crate, and no others.
fn layout() -> Result<()> {
    let text = fs::read_to_string(repository().join("CONTRIBUTING.md")).context("CONTRIBUTING.md")?;
    let layout = text.split_once("## Layout\n\n```\n").and_then(|(_, rest)| rest.split_once("```"));
    let (layout, _) = layout.context("CONTRIBUTING.md has no layout")?;
    let (mut named, mut parent) = (BTreeSet::new(), "");
    for line in layout.lines() {
        let name = line.split_whitespace().next().unwrap_or_default();
        if !line.starts_with(' ') {
            parent = "";
        }
        let path = format!("{parent}{name}");
        if parent.is_empty() {
            parent = name;
        }
        ensure!(repository().join(&path).is_dir(), "CONTRIBUTING.md: there is no directory {path}");
        named.insert(path);
    }
    let mut wanted = BTreeSet::new();
    for entry in fs::read_dir(repository().join("src"))? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            wanted.insert(format!("src/{}/", entry.file_name().to_string_lossy()));
        }
    }
    let manifest: toml::Table = toml::from_str(&fs::read_to_string(repository().join("Cargo.toml"))?)?;
    let members = manifest.get("workspace").and_then(|workspace| workspace.get("members")).and_then(|it| it.as_array());
    let members = members.context("Cargo.toml has no members")?.iter().filter_map(|member| member.as_str());
    wanted.extend(members.filter(|member| *member != ".").map(|member| format!("{member}/")));
    let missing: Vec<_> = wanted.difference(&named).collect();
    ensure!(missing.is_empty(), "the layout in CONTRIBUTING.md does not name {missing:?}");
    Ok(())
}

fn metadata() -> Result<()> {
    let text = fs::read_to_string(repository().join("metadata.yml")).context("metadata.yml")?;
    let metadata = load("metadata.yml")?.pop().context("metadata.yml is empty")?;

    let mut wanted: BTreeSet<String> = ["CREATE /v1 pods".to_owned()].into();
    for (api_version, resources) in RESOURCES {
        for resource in *resources {
            wanted.extend(["CREATE", "UPDATE"].map(|operation| format!("{operation} {api_version} {resource}")));
        }
    }
    ensure!(requests(&metadata) == wanted, "rules: {:#?}\nmust be: {wanted:#?}", requests(&metadata));
    ensure!(metadata["mutating"] == json!(true), "mutating");
    let account = json!([{"apiVersion": "v1", "kind": "ServiceAccount"}]);
    ensure!(metadata["contextAwareResources"] == account, "contextAwareResources");

    let shown = metadata["annotations"]["io.artifacthub.resources"].as_str().unwrap_or_default().to_lowercase();
    let shown: BTreeSet<String> = shown.split(", ").map(|kind| format!("{kind}s")).collect();
    let asked = requests(&metadata).iter().filter_map(|it| Some(it.rsplit_once(' ')?.1.to_owned())).collect();
    ensure!(shown == asked, "io.artifacthub.resources: {shown:?}\nmust be: {asked:?}");

    // The release job finds the version line by line.
    let key = "io.kubewarden.policy.version";
    ensure!(text.matches(key).count() == 1, "{key} must occur once");
    let manifest = fs::read_to_string(repository().join("Cargo.toml")).context("Cargo.toml")?;
    let manifest: toml::Table = toml::from_str(&manifest).context("Cargo.toml")?;
    let version = manifest["package"]["version"].as_str().unwrap_or_default();
    ensure!(metadata["annotations"][key] == json!(version), "{key} must be {version}, as in Cargo.toml");
    for (key, value) in metadata["annotations"].as_object().into_iter().flatten() {
        ensure!(value.as_str().is_some_and(|value| !value.is_empty()), "annotations.{key} must be a text");
    }
    Ok(())
}

/// Workflows use pinned actions and existing targets, and test on the oldest supported Rust version.
fn workflows() -> Result<()> {
    let read = |path: &str| fs::read_to_string(repository().join(path)).with_context(|| path.to_owned());
    let makefile = read("Makefile")?;
    let mut workflows = files(&repository().join(".github/workflows"))?;
    workflows.push(repository().join("action.yml"));
    for path in workflows {
        let (name, text) = (path.display(), fs::read_to_string(&path)?);
        for action in text.lines().filter_map(|line| line.trim_start_matches([' ', '-']).strip_prefix("uses: ")) {
            let (_, commit) = action.split_once('@').unwrap_or((action, ""));
            let commit = commit.split(' ').next().unwrap_or_default();
            let is_pinned = commit.len() == 40 && commit.bytes().all(|byte| byte.is_ascii_hexdigit());
            ensure!(is_pinned || action.starts_with("./"), "{name}: {action} must be pinned to a commit");
        }
        for command in
            text.split(['\n', '&']).filter_map(|line| line.trim().trim_start_matches("run: ").strip_prefix("make "))
        {
            let target = command.split(' ').next().unwrap_or_default();
            ensure!(makefile.contains(&format!("\n{target}:")), "{name}: `make {target}` does not exist");
        }
    }
    let manifest: toml::Table = toml::from_str(&read("Cargo.toml")?).context("Cargo.toml")?;
    let rust = manifest["workspace"]["package"]["rust-version"].as_str().unwrap_or_default();
    let wanted = format!("rust: [\"{rust}\", stable]");
    ensure!(
        read(".github/workflows/test.yml")?.contains(&wanted),
        "test.yml: must have {wanted}, as Cargo.toml promises"
    );
    // The checks of a release use a pattern that takes the first match as the version.
    let versions = read("Cargo.toml")?.lines().filter(|line| line.starts_with("version = \"")).count();
    ensure!(versions == 1, "Cargo.toml: one line must start with `version = \"`, {versions} do");
    Ok(())
}

/// The requests that a policy is registered for: `OPERATION group/version resource`.
fn requests(spec: &Value) -> BTreeSet<String> {
    let mut requests = BTreeSet::new();
    for rule in spec["rules"].as_array().into_iter().flatten() {
        let list = |key: &str| rule[key].as_array().into_iter().flatten().filter_map(Value::as_str);
        for group in list("apiGroups") {
            for version in list("apiVersions") {
                for resource in list("resources") {
                    requests.extend(list("operations").map(|it| format!("{it} {group}/{version} {resource}")));
                }
            }
        }
    }
    requests
}

/// A policy server accepts every policy in `examples/`.
fn manifests_load() -> Result<()> {
    let mut found = 0;
    let metadata = load("metadata.yml")?.pop().context("metadata.yml is empty")?;
    let annotation = |key: &str| metadata["annotations"][key].as_str().unwrap_or_default().to_owned();
    let (image, version) = (annotation("io.kubewarden.policy.ociUrl"), annotation("io.kubewarden.policy.version"));
    let module = format!("registry://{image}:v{version}");
    for path in manifests()? {
        let name = path.display();
        let text = fs::read_to_string(&path)?;
        for manifest in load(&path)?.iter().filter(|manifest| is_policy(manifest)) {
            found += 1;
            let spec = &manifest["spec"];
            policy(spec, Cluster::default()).with_context(|| name.to_string())?;
            let mutating = spec["mutating"] == json!(true);
            ensure!(
                mutating == (spec["settings"]["phase"] != json!("validating")),
                "{name}: phase and mutating differ"
            );
            // A policy that only observes must not block requests while the policy server is down.
            let wanted = if spec["mode"] == json!("monitor") { "Ignore" } else { "Fail" };
            ensure!(spec["failurePolicy"] == json!(wanted), "{name}: failurePolicy must be {wanted}");
            let (webhook, evaluation) = (spec["timeoutSeconds"].as_u64(), spec["timeoutEvalSeconds"].as_u64());
            ensure!(webhook > evaluation && evaluation.is_some(), "{name}: timeoutSeconds and timeoutEvalSeconds");
            let has_namespace = manifest["kind"] == json!("AdmissionPolicy");
            // A namespace selector cannot exclude objects without a namespace.
            let is_cluster_wide = spec["rules"]
                .as_array()
                .is_some_and(|rules| rules.iter().all(|rule| rule["resources"] == json!(["persistentvolumes"])));
            ensure!(
                has_namespace || spec["namespaceSelector"].is_object() != is_cluster_wide,
                "{name}: namespaceSelector"
            );
            let is_settled = !text.contains("registry://") || text.contains(&module);
            ensure!(is_settled, "{name}: the module must be {module}, as in metadata.yml");
        }
    }
    ensure!(found >= 2, "examples/ has {found} policies");
    Ok(())
}

/// The mutating policy removes a token; the validating policy accepts the result, and rejects the original Pod.
fn paired_policies_agree() -> Result<()> {
    let spec = |path: &str| -> Result<Value> {
        let manifests = load(path)?;
        Ok(manifests.iter().find(|manifest| is_policy(manifest)).context("no policy")?["spec"].clone())
    };
    let (mutating, validating) = (spec("examples/mutating.yaml")?, spec("examples/validating.yaml")?);
    ensure!(mutating["settings"]["rules"] == validating["settings"]["rules"], "the settings of the twins differ");
    let metadata = load("metadata.yml")?.pop().context("metadata.yml is empty")?;
    for twin in [&mutating, &validating] {
        ensure!(requests(twin) == requests(&metadata), "the rules of the twins must be those of metadata.yml");
    }

    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"containers": [{"name": "web", "image": "registry.example.com/web:1"}]}});
    let mut request = ApiServer::new(&[]).request(pod, &RequestOptions::default())?;
    let fixed = policy(&mutating, Cluster::default())?.evaluate(&request)?;
    let validating = policy(&validating, Cluster::default())?;
    ensure!(!validating.evaluate(&request)?.response.allowed, "the validating twin accepts what was not fixed");
    ensure!(fixed.response.allowed && fixed.response.patch.is_some(), "the mutating twin fixes nothing");
    request["object"] = fixed.patched_object()?.context("no object")?;
    let checked = validating.evaluate(&request)?;
    ensure!(checked.response.allowed, "the validating twin refuses what was fixed: {:?}", checked.response.message());
    Ok(())
}

/// Without an EKS webhook, the mutating policy injects the role of an account; the validating policy accepts the result, and
/// rejects the original Pod.
fn irsa_needs_no_webhook() -> Result<()> {
    let manifests = load("examples/irsa-without-webhook.yaml")?;
    let [mutating, validating] = manifests.as_slice() else { bail!("not two policies") };
    let (mutating, validating) = (&mutating["spec"], &validating["spec"]);
    for field in ["rules", "aws", "serviceAccountLookup"] {
        ensure!(mutating["settings"][field] == validating["settings"][field], "{field} of the twins differ");
    }
    let accounts = Cluster::load(&[repository().join("examples/demo/irsa/accounts.yaml")])?;
    let server = ApiServer::new(&accounts.objects().cloned().collect::<Vec<_>>());
    let pod = load("examples/demo/irsa/pod.yaml")?.pop().context("no Pod")?;
    let request = server.request(pod, &RequestOptions::default())?;
    let validating = policy(validating, accounts.clone())?;
    ensure!(!validating.evaluate(&request)?.response.allowed, "the validating twin accepts what was not injected");
    let demo = load("examples/demo/irsa/settings.yaml")?.pop().context("no settings")?;
    let demo = policy(&json!({"mutating": true, "settings": demo}), accounts.clone())?;
    for policy in [demo, policy(mutating, accounts)?] {
        let object = policy.evaluate(&request)?.patched_object()?.context("nothing is injected")?;
        let env = object["spec"]["containers"][0]["env"].as_array().map(Vec::len);
        ensure!(env >= Some(4), "role and region are not injected");
        let mut injected = request.clone();
        injected["object"] = object;
        let checked = validating.evaluate(&injected)?;
        ensure!(checked.response.allowed, "what was injected is refused: {:?}", checked.response.message());
        ensure!(policy.evaluate(&injected)?.response.patch.is_none(), "something is injected again");
    }
    Ok(())
}

/// The policy rejects an object of a demo file if and only if the comment says "rejects it".
fn demo_comments_match_verdicts() -> Result<()> {
    let accounts = Cluster::load(&[repository().join("examples/demo/cluster")])?;
    for path in files(&repository().join("examples/demo/workloads"))? {
        let text = fs::read_to_string(&path)?;
        let announced = text.lines().any(|line| line.starts_with('#') && line.contains("rejects it"));
        let objects: Vec<Value> = yaml::load_file(&path)?.into_iter().map(|document| document.value).collect();
        let mut cluster = accounts.clone();
        for account in objects.iter().filter(|object| object["kind"] == json!("ServiceAccount")) {
            cluster.insert(account.clone())?;
        }
        let server = ApiServer::new(&cluster.objects().cloned().collect::<Vec<_>>());
        let policy = policy(&json!({"mutating": true}), cluster)?;
        let mut answers: Vec<Evaluation> = Vec::new();
        for object in objects {
            // A document with `oldObject` and `object` is an UPDATE.
            let (object, old_object) = match object.get("oldObject") {
                Some(old) => (object["object"].clone(), Some(old.clone())),
                None => (object, None),
            };
            let options = RequestOptions { old_object, ..RequestOptions::default() };
            answers.push(policy.evaluate(&server.request(object, &options)?)?);
        }
        let refused = answers.iter().find(|answer| !answer.response.allowed);
        let why = refused.and_then(|answer| answer.response.message()).unwrap_or("nothing is refused");
        ensure!(refused.is_some() == announced, "{} announces something else: {why}", path.display());
    }
    Ok(())
}

/// A policy as its manifest configures it.
fn policy(spec: &Value, cluster: Cluster) -> Result<Policy> {
    let context_aware = match spec.get("contextAwareResources") {
        Some(resources) => serde_json::from_value(resources.clone()).context("contextAwareResources")?,
        None => PolicyConfig::default().context_aware,
    };
    let config = PolicyConfig {
        settings: spec["settings"].clone(),
        mode: if spec["mode"] == json!("monitor") { Mode::Monitor } else { Mode::Protect },
        allowed_to_mutate: spec["mutating"] == json!(true),
        context_aware,
        cluster: Arc::new(cluster),
        ..PolicyConfig::default()
    };
    Policy::load(&Module::new(policy_module::WASM)?, config)
}

fn is_policy(manifest: &Value) -> bool {
    manifest["kind"].as_str().is_some_and(|kind| kind.ends_with("AdmissionPolicy"))
}

fn manifests() -> Result<Vec<PathBuf>> {
    let mut manifests = files(&repository().join("examples"))?;
    manifests.retain(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    Ok(manifests)
}

fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        if path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn load(path: impl AsRef<Path>) -> Result<Vec<Value>> {
    let documents = yaml::load_file(repository().join(path))?;
    Ok(documents.into_iter().map(|document| document.value).collect())
}
