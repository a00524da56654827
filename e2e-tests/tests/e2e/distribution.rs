// SPDX-License-Identifier: Apache-2.0

//! Everything that distributes the command: archives, image, GitHub action, GitLab template, hooks, package managers. Each is
//! well-formed, has the version of `Cargo.toml`, and names archives that a release creates.

#![expect(clippy::indexing_slicing, reason = "of JSON values: what is missing reads as null")]

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use libtest_mimic::Trial;
use policy_host::yaml;
use serde_json::{Value, json};

use crate::{failed, repository};

/// A placeholder that a release replaces with the checksum.
const NO_SUM: &str = "0000000000000000000000000000000000000000000000000000000000000000";

const RELEASES: &str = "https://github.com/kubewarden/serviceaccount-hygiene/releases/download";

/// The text before each version of this project that a file names.
const BEFORE_VERSIONS: [&str; 7] = [
    "serviceaccount-hygiene:v",
    "serviceaccount-hygiene@v",
    "serviceaccount-hygiene/v",
    "sa-hygiene:v",
    "?ref=v",
    "rev: v",
    "releases/download/v",
];

type Test = fn() -> Result<()>;

pub fn trials() -> Vec<Trial> {
    let tests: [(&str, Test); 10] = [
        ("versions", versions),
        ("github_action", github_action),
        ("github_example", github_example),
        ("gitlab_template", gitlab_template),
        ("pre_commit_hooks", pre_commit_hooks),
        ("image", image),
        ("krew", krew),
        ("homebrew", homebrew),
        ("checksums", checksums),
        ("machine_code", machine_code),
    ];
    tests.map(|(name, test)| Trial::test(format!("distribution::{name}"), move || test().map_err(failed))).into()
}

fn read(path: &str) -> Result<String> {
    fs::read_to_string(repository().join(path)).with_context(|| path.to_owned())
}

fn load(path: &str) -> Result<Vec<Value>> {
    Ok(yaml::load_file(repository().join(path))?.into_iter().map(|document| document.value).collect())
}

fn only(path: &str) -> Result<Value> {
    load(path)?.pop().with_context(|| format!("{path} is empty"))
}

fn version() -> Result<String> {
    let version = |path: &str| -> Result<String> {
        let manifest: toml::Table = toml::from_str(&read(path)?).with_context(|| path.to_owned())?;
        Ok(manifest["package"]["version"].as_str().unwrap_or_default().to_owned())
    };
    let policy = version("Cargo.toml")?;
    // `--version` prints the version of the subcommands, and the reports of `check` state that of the host.
    for path in ["cli/Cargo.toml", "crates/commands/Cargo.toml", "host/Cargo.toml"] {
        let other = version(path)?;
        ensure!(policy == other, "the policy has version {policy}, {path} has {other}");
    }
    Ok(policy)
}

/// The targets that a release has a command for.
fn targets() -> Result<BTreeSet<String>> {
    let workflow = only(".github/workflows/binaries.yml")?;
    let matrix = workflow["jobs"]["build"]["strategy"]["matrix"]["include"].as_array().cloned().unwrap_or_default();
    let targets: BTreeSet<String> =
        matrix.iter().filter_map(|entry| Some(entry["target"].as_str()?.to_owned())).collect();
    ensure!(targets.len() == 5, "targets: {targets:?}");
    Ok(targets)
}

/// The policy is compiled for every target, once.
fn machine_code() -> Result<()> {
    let workflow = only(".github/workflows/binaries.yml")?;
    let steps = workflow["jobs"]["module"]["steps"].as_array().cloned().unwrap_or_default();
    let commands = steps.iter().filter_map(|step| step["run"].as_str()?.strip_prefix(".ci/module module "));
    let compiled: Vec<&str> = commands.flat_map(str::split_whitespace).filter(|word| *word != "\\").collect();
    let compiled_once: BTreeSet<String> = compiled.iter().copied().map(str::to_owned).collect();
    ensure!(compiled.len() == compiled_once.len(), "compiled twice: {compiled:?}");
    ensure!(compiled_once == targets()?, "compiled for {compiled:?}");
    Ok(())
}

/// The archives that a release creates.
fn archives() -> Result<BTreeSet<String>> {
    let version = version()?;
    let archive = |target: String| {
        let ending = if target.contains("-windows-") { "zip" } else { "tar.gz" };
        format!("sa-hygiene-v{version}-{target}.{ending}")
    };
    Ok(targets()?.into_iter().map(archive).collect())
}

/// Every version of this project in a file is that of `Cargo.toml`.
fn versions() -> Result<()> {
    let version = version()?;
    let mut files: Vec<PathBuf> = crate::docs::pages()?;
    files.retain(|path| !path.ends_with("CHANGELOG.md"));
    for folder in ["", "packaging", "examples", "examples/ci", "examples/overlays/base"] {
        for entry in fs::read_dir(repository().join(folder))? {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let is_ours = [".yaml", ".yml", ".rb"].iter().any(|ending| name.ends_with(ending)) || name == "Dockerfile";
            files.extend(is_ours.then_some(path));
        }
    }
    let mut found = 0;
    for path in files {
        let text = fs::read_to_string(&path)?;
        for before in BEFORE_VERSIONS {
            for (_, rest) in text.match_indices(before).map(|(at, before)| text.split_at(at + before.len())) {
                let named: String = rest.chars().take_while(|c| c.is_ascii_digit() || *c == '.').collect();
                let named = named.trim_end_matches('.');
                ensure!(named.is_empty() || named == version, "{}: {before}{named}, not {version}", path.display());
                found += usize::from(!named.is_empty());
            }
        }
    }
    ensure!(found > 20, "{found} versions");
    Ok(())
}

fn github_action() -> Result<()> {
    let action = only("action.yml")?;
    let version = format!("v{}", version()?);
    ensure!(action["inputs"]["version"]["default"] == json!(version), "the action installs another version");
    let steps = action["runs"]["steps"].as_array().cloned().unwrap_or_default();
    let install = steps[0]["run"].as_str().context("the first step installs")?;
    let named = install.lines().filter_map(|line| line.split_once(") archive=")?.1.strip_suffix(" ;;"));
    let named: BTreeSet<String> = named.map(|archive| archive.replace("$VERSION", &version)).collect();
    ensure!(named == archives()?, "the action installs {named:?}");
    // Inputs are passed to the shell as variables; inserted into the script, they could be executed.
    for step in &steps {
        let script = step["run"].as_str().unwrap_or_default();
        ensure!(!script.contains("${{"), "an expression in a script: {script}");
    }
    let inputs = action["inputs"].as_object().context("inputs")?;
    let text = read("action.yml")?;
    for input in inputs.keys() {
        ensure!(text.contains(&format!("inputs.{input}")), "nothing reads the input {input}");
    }
    Ok(())
}

/// All inputs in the example exist in the action.
fn github_example() -> Result<()> {
    let inputs = only("action.yml")?["inputs"].clone();
    let example = only("examples/ci/github.yaml")?;
    let steps = example["jobs"]["check"]["steps"].as_array().cloned().unwrap_or_default();
    let uses =
        |step: &&Value| step["uses"].as_str().is_some_and(|it| it.starts_with("kubewarden/serviceaccount-hygiene@"));
    let step = steps.iter().find(uses).context("the example does not use the action")?;
    for (name, _) in step["with"].as_object().context("no inputs")? {
        ensure!(inputs.get(name).is_some(), "the action has no input {name}");
    }
    ensure!(example["jobs"]["check"]["permissions"]["security-events"] == json!("write"), "permissions of the example");
    Ok(())
}

fn gitlab_template() -> Result<()> {
    let documents = load("examples/ci/gitlab.yaml")?;
    let [header, jobs] = documents.as_slice() else { anyhow::bail!("a header and the jobs, not {}", documents.len()) };
    let version = format!("v{}", version()?);
    let inputs = header["spec"]["inputs"].as_object().context("no inputs")?;
    ensure!(inputs["version"]["default"] == json!(version), "the template installs another version");
    let job = &jobs["sa-hygiene"];
    ensure!(job["variables"]["RELEASES"] == json!(RELEASES), "RELEASES");
    let text = jobs.to_string();
    for (input, _) in inputs {
        ensure!(text.contains(&format!("$[[ inputs.{input} ]]")), "nothing reads the input {input}");
    }
    let used = text.split("$[[ inputs.").skip(1).filter_map(|rest| rest.split(" ]]").next());
    for input in used {
        ensure!(inputs.contains_key(input), "there is no input {input}");
    }
    let script = job["before_script"].to_string();
    for machine in ["x86_64", "aarch64"] {
        let archive = format!("sa-hygiene-{version}-{machine}-unknown-linux-musl.tar.gz");
        ensure!(archives()?.contains(&archive), "no release has {archive}");
    }
    ensure!(script.contains("archive=sa-hygiene-$VERSION-$(uname -m)-unknown-linux-musl.tar.gz"), "{script}");
    Ok(())
}

fn pre_commit_hooks() -> Result<()> {
    let hooks = only(".pre-commit-hooks.yaml")?;
    let hook = |id: &str| {
        let mut hooks = hooks.as_array().into_iter().flatten();
        hooks.find(|hook| hook["id"] == json!(id)).cloned().with_context(|| format!("no hook {id}"))
    };
    let (docker, system) = (hook("sa-hygiene-docker")?, hook("sa-hygiene")?);
    ensure!(docker["language"] == json!("docker_image") && system["language"] == json!("system"), "languages");
    let image = format!("ghcr.io/kubewarden/sa-hygiene:v{} ", version()?);
    let arguments = docker["entry"].as_str().and_then(|entry| entry.strip_prefix(&image));
    let arguments = arguments.with_context(|| format!("the entry must begin with {image}"))?;
    ensure!(system["entry"] == json!(format!("sa-hygiene {arguments}")), "the hooks do different things");
    for field in ["types_or", "require_serial"] {
        ensure!(docker[field] == system[field] && !docker[field].is_null(), "{field}");
    }
    Ok(())
}

fn image() -> Result<()> {
    let text = read("Dockerfile")?.replace("\\\n", " ");
    let instructions: Vec<(&str, &str)> =
        text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once(' ')).collect();
    let all = |name: &str| instructions.iter().filter(|(it, _)| *it == name).map(|(_, rest)| *rest).collect::<Vec<_>>();
    ensure!(all("FROM") == ["scratch"], "there is nothing in the image but the command");
    ensure!(all("USER") == ["65532:65532"], "the image must not run as root");
    ensure!(all("ENTRYPOINT") == [r#"["/sa-hygiene"]"#], "the image is the command");
    let version = format!(r#"org.opencontainers.image.version="{}""#, version()?);
    ensure!(all("LABEL").iter().any(|label| label.contains(&version)), "the label must be {version}");
    // The paths where make and the release put the programs.
    let copied = "dist/linux-${TARGETARCH}/sa-hygiene /sa-hygiene";
    ensure!(all("COPY").iter().any(|copy| copy.ends_with(copied)), "{copied} must be copied");
    ensure!(read(".dockerignore")?.lines().any(|line| line == "!dist"), ".dockerignore leaves dist out");
    for file in ["Makefile", ".github/workflows/release.yml"] {
        ensure!(read(file)?.contains("dist/linux-"), "{file} does not fill dist/");
    }
    Ok(())
}

/// <https://krew.sigs.k8s.io/docs/developer-guide/plugin-manifest/>
fn krew() -> Result<()> {
    let plugin = only("packaging/krew.yaml")?;
    let version = version()?;
    ensure!(plugin["metadata"]["name"] == json!("sa-hygiene"), "the name of the plugin");
    ensure!(plugin["spec"]["version"] == json!(format!("v{version}")), "the version of the plugin");
    let short = plugin["spec"]["shortDescription"].as_str().unwrap_or_default();
    ensure!((1..=50).contains(&short.len()) && !short.ends_with('.'), "krew's index has up to 50 characters: {short}");
    let mut found = BTreeSet::new();
    for platform in plugin["spec"]["platforms"].as_array().into_iter().flatten() {
        let uri = platform["uri"].as_str().unwrap_or_default();
        let archive = uri.strip_prefix(&format!("{RELEASES}/v{version}/")).with_context(|| uri.to_owned())?;
        let labels = &platform["selector"]["matchLabels"];
        let (os, arch) = (labels["os"].as_str().unwrap_or_default(), labels["arch"].as_str().unwrap_or_default());
        let words = match (os, arch) {
            ("linux", "amd64") => "x86_64-unknown-linux-musl",
            ("linux", "arm64") => "aarch64-unknown-linux-musl",
            ("darwin", "amd64") => "x86_64-apple-darwin",
            ("darwin", "arm64") => "aarch64-apple-darwin",
            ("windows", "amd64") => "x86_64-pc-windows-msvc",
            other => anyhow::bail!("a platform {other:?}"),
        };
        ensure!(archive.contains(words), "{os} {arch} gets {archive}");
        let program = if os == "windows" { "sa-hygiene.exe" } else { "sa-hygiene" };
        ensure!(platform["bin"] == json!(program), "bin for {os}");
        ensure!(platform["files"][0]["from"] == json!(format!("*/{program}")), "files for {os}");
        ensure!(platform["sha256"] == json!(NO_SUM), "a release writes the checksum of {archive}");
        found.insert(archive.to_owned());
    }
    ensure!(found == archives()?, "krew installs {found:?}");
    Ok(())
}

fn homebrew() -> Result<()> {
    let formula = read("packaging/sa-hygiene.rb")?;
    let version = version()?;
    ensure!(formula.contains(&format!("version \"{version}\"")), "the version of the formula");
    let urls = formula.lines().filter_map(|line| line.trim().strip_prefix("url \"")?.strip_suffix('"'));
    let urls: BTreeSet<String> = urls.map(str::to_owned).collect();
    let wanted = archives()?.into_iter().filter(|archive| !archive.contains("-windows-"));
    let wanted: BTreeSet<String> = wanted.map(|archive| format!("{RELEASES}/v{version}/{archive}")).collect();
    ensure!(urls == wanted, "the formula installs {urls:?}");
    ensure!(formula.matches(NO_SUM).count() == wanted.len(), "a release writes the checksums");
    let archive = read(".ci/archive")?;
    ensure!(formula.contains("Dir[\"man/*.1\"]"), "the formula does not install the man pages");
    ensure!(archive.contains("man --out-dir \"$out/$name/man\""), ".ci/archive does not pack the man pages");
    for file in ["completions/sa-hygiene.bash", "completions/_sa-hygiene", "completions/sa-hygiene.fish"] {
        ensure!(formula.contains(&format!("\"{file}\"")), "the formula does not install {file}");
        ensure!(archive.contains(&format!("/{file}\"")), ".ci/archive does not pack {file}");
    }
    Ok(())
}

/// `.ci/packages` writes each checksum next to its archive's name, and fails if an archive is missing.
fn checksums() -> Result<()> {
    let folder = std::env::temp_dir().join(format!("sa-hygiene-packages-{}", std::process::id()));
    fs::create_dir_all(&folder)?;
    let sum = |at: usize| format!("{at:064x}");
    let archives: Vec<String> = archives()?.into_iter().collect();
    let run = |lines: usize| -> Result<bool> {
        let sums: Vec<String> = archives
            .iter()
            .take(lines)
            .enumerate()
            .map(|(at, archive)| format!("{}  {archive}\n", sum(at + 1)))
            .collect();
        fs::write(folder.join("SHA256SUMS"), sums.concat())?;
        let script = repository().join(".ci/packages");
        let mut command = Command::new("bash");
        Ok(command.arg(script).arg(folder.join("SHA256SUMS")).arg(&folder).output()?.status.success())
    };
    let is_complete = run(archives.len())?;
    let krew = yaml::load_file(folder.join("krew.yaml"))?.pop().context("nothing was written")?.value;
    let formula = fs::read_to_string(folder.join("sa-hygiene.rb"))?;
    let is_incomplete = run(archives.len() - 1)?;
    fs::remove_dir_all(&folder)?;
    ensure!(is_complete && !is_incomplete, "a missing checksum must be an error, and nothing else");
    for platform in krew["spec"]["platforms"].as_array().into_iter().flatten() {
        let archive = platform["uri"].as_str().and_then(|uri| uri.rsplit('/').next()).unwrap_or_default();
        let at = archives.iter().position(|it| it == archive).with_context(|| archive.to_owned())?;
        ensure!(platform["sha256"] == json!(sum(at + 1)), "{archive} has {}", platform["sha256"]);
    }
    ensure!(!formula.contains(NO_SUM), "a checksum is missing in the formula");
    Ok(())
}
