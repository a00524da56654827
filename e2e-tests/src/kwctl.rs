// SPDX-License-Identifier: Apache-2.0

//! The cases for `kwctl run`: what it is given, and what it must answer.
//!
//! Each case becomes a folder:
//!
//! | file | what it is |
//! |---|---|
//! | `request.json` | the `AdmissionRequest`, with every field that kwctl demands |
//! | `policy.yaml` | a manifest: on the command line kwctl takes neither `mode` nor `mutating` |
//! | `session.yml` | the look-ups and their answers, which kwctl replays in this order and compares field by field |
//! | `arguments` | of `kwctl run`, one a line |
//! | `expect.yaml` | the case's own |
//!
//! How kwctl reads them: `crates/kwctl/src/{config/policy_definition,callback_handler/proxy}.rs` of
//! <https://github.com/kubewarden/kubewarden-controller>. A mismatch in a session is told to the policy, not to the user:
//! kwctl only logs it. So [`compare`] looks at the log too.

#![expect(clippy::indexing_slicing, reason = "of JSON values: what is missing reads as null")]

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use base64::Engine as _;
use sa_hygiene::apiserver::{ApiServer, RequestOptions};
use sa_hygiene::kubewarden::{AdmissionRequest, HostCall};
use sa_hygiene::yaml;
use serde_json::{Map, Value, json};

use crate::case::{Case, Host, Mode};
use crate::case_file;
use crate::engine::Engine;
use crate::examples::{self, Example};
use crate::expectation::{self, Expectation, SettingsAnswer, SettingsVerdict, Verdict};

/// The file with what the case expects.
const EXPECT: &str = "expect.yaml";

/// The name that the embedded host gives the policy, for the one text in which it occurs.
const POLICY: &str = "clusterwide-serviceaccount-hygiene";

/// What kwctl says before the policy's own text about its settings.
const BAD_SETTINGS: &str = "Provided settings are not valid: ";

/// What the log has when a session does not fit.
const REPLAY_ERRORS: [&str; 3] = ["have not been replayed", "Replay error", "list of recorded responses is empty"];

/// What kwctl is given for one case.
#[derive(Debug, Clone)]
pub struct Inputs {
    /// The case's full name.
    pub name: String,
    /// `request.json`.
    pub request: Value,
    /// `policy.yaml`; none where the case is run on the module itself.
    pub policy: Option<String>,
    /// `settings.yaml`, where the case is run on the module itself.
    pub settings: Option<String>,
    /// `session.yml`.
    pub session: String,
    /// `expect.yaml`.
    pub expectation: Expectation,
}

/// What kwctl is given for every case and every example.
///
/// # Errors
/// When a case or an example cannot be read, or was never blessed.
pub fn inputs(repository: &Path, module: &str, engine: &Engine) -> Result<Vec<Inputs>> {
    let mut all = Vec::new();
    for (name, case) in case_file::load_all(&repository.join("e2e-tests/cases"))? {
        let case = case.with_context(|| name.clone())?;
        let manifest = manifest(&case, module)?;
        all.push(of_case(&name, &case, Some(manifest), engine).with_context(|| name.clone())?);
    }
    for example in examples::find_all(repository)? {
        for case in example.cases()? {
            let name = case.full_name();
            let manifest = example.spec.as_ref().map(|_| own_manifest(repository, &example, module)).transpose()?;
            let mut inputs = of_case(&name, &case, manifest, engine).with_context(|| name.clone())?;
            if example.spec.is_none() {
                let path = repository.join(format!("examples/settings/{}.yaml", example.name));
                inputs.settings = Some(fs::read_to_string(path)?);
            }
            all.push(inputs);
        }
    }
    Ok(all)
}

fn of_case(name: &str, case: &Case, policy: Option<String>, engine: &Engine) -> Result<Inputs> {
    let expectation = case.expectation()?.context("no `expect` block; `make bless` writes it")?;
    let is_valid = engine.validate_settings(&case.settings)?.valid;
    let (request, session) = match case.request()? {
        Some(request) if is_valid => {
            let answer = engine.evaluate(&request, &case.settings, &case.cluster, &case.given.host)?;
            (request, session(&answer.host_calls)?)
        }
        Some(request) => (request, session(&[])?),
        // Settings are checked before the request is looked at, but there has to be one.
        None => (any_request()?, session(&[])?),
    };
    // What the policy server would read of it, which is what kwctl reads too.
    let request = serde_json::to_value(AdmissionRequest::read(&request).context("kwctl could not read the request")?)?;
    Ok(Inputs { name: name.to_owned(), request, policy, settings: None, session, expectation })
}

fn any_request() -> Result<Value> {
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "any", "namespace": "default"},
        "spec": {"automountServiceAccountToken": false, "containers": [{"name": "any", "image": "any"}]}});
    Ok(ApiServer::new(&[]).request(pod, &RequestOptions::default())?)
}

/// A manifest made from a case.
fn manifest(case: &Case, module: &str) -> Result<String> {
    let Host { mode, mutating, context_aware_resources, .. } = &case.given.host;
    let account = json!({"apiVersion": "v1", "kind": "ServiceAccount"});
    let manifest = json!({
        "apiVersion": "policies.kubewarden.io/v1",
        "kind": "ClusterAdmissionPolicy",
        "metadata": {"name": POLICY},
        "spec": {
            "module": module,
            "mode": if *mode == Mode::Monitor { "monitor" } else { "protect" },
            "mutating": mutating,
            "rules": [],
            "contextAwareResources": if *context_aware_resources { vec![account] } else { vec![] },
            "settings": case.settings,
        },
    });
    // JSON is YAML, and leaves nothing to be read in two ways.
    Ok(serde_json::to_string_pretty(&manifest)? + "\n")
}

/// A policy of an example as it stands there, but for the module, which no registry has yet.
fn own_manifest(repository: &Path, example: &Example, module: &str) -> Result<String> {
    let path = repository.join(format!("examples/{}.yaml", example.file));
    let text = fs::read_to_string(&path)?;
    let own = format!("  name: {}\n", example.name);
    let document = text.split("\n---\n").find(|document| document.contains(&own)).context("no such policy")?;
    let mut manifest = String::new();
    for line in document.lines() {
        let is_module = line.trim_start().starts_with("module: registry://");
        let _ = if is_module { writeln!(manifest, "  module: {module}") } else { writeln!(manifest, "{line}") };
    }
    ensure!(manifest.contains(module), "{}: {} has no module", path.display(), example.name);
    Ok(manifest)
}

/// The look-ups as kwctl records them. One that the policy was not granted never leaves the host, so it is not among them.
fn session(calls: &[HostCall]) -> Result<String> {
    let mut exchanges = Vec::new();
    for call in calls {
        let response = match &call.error {
            None => json!({"type": "Success", "payload": String::from_utf8(call.answer.clone())?}),
            Some(text) => match text.strip_prefix("Callback evaluation failure: ") {
                Some(message) => json!({"type": "Error", "message": message}),
                None => continue,
            },
        };
        let fields: Value = serde_json::from_slice(&call.payload)?;
        let (tag, fields) = match call.operation.as_str() {
            "get_resource" => ("KubernetesGetResource", fields),
            "can_i" => {
                let (review, disable_cache) = (&fields["subject_access_review"], &fields["disable_cache"]);
                ("KubernetesCanI", json!({"request": review, "disable_cache": disable_cache}))
            }
            other => bail!("{other} cannot be replayed"),
        };
        let request = format!("!{tag}\n{}", yaml::to_string(&fields)?);
        exchanges.push(json!({"type": "Exchange", "request": request, "response": response}));
    }
    yaml::to_string(&Value::Array(exchanges))
}

impl Inputs {
    /// Writes the folder of the case.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn write(&self, root: &Path, module: &Path) -> Result<()> {
        let dir = root.join(&self.name);
        fs::create_dir_all(&dir)?;
        let file = |name: &str| dir.join(name).display().to_string();
        let mut arguments = vec!["--request-path".to_owned(), file("request.json")];
        arguments.extend(["--replay-host-capabilities-interactions".to_owned(), file("session.yml")]);
        match (&self.policy, &self.settings) {
            (Some(policy), _) => {
                fs::write(dir.join("policy.yaml"), policy)?;
                arguments.push(file("policy.yaml"));
            }
            (None, settings) => {
                fs::write(dir.join("settings.yaml"), settings.as_deref().unwrap_or("{}"))?;
                arguments.extend(["--allow-context-aware".to_owned(), "--settings-path".to_owned()]);
                arguments.extend([file("settings.yaml"), module.display().to_string()]);
            }
        }
        fs::write(dir.join("arguments"), arguments.join("\n") + "\n")?;
        fs::write(dir.join("request.json"), serde_json::to_string_pretty(&self.request)? + "\n")?;
        fs::write(dir.join("session.yml"), &self.session)?;
        fs::write(dir.join(EXPECT), self.expectation.to_yaml(None)?)?;
        Ok(())
    }
}

/// Compares what `kwctl run` left in a folder (`status`, `stdout`, `stderr`) with what the case expects.
///
/// # Errors
/// Every way in which they differ.
pub fn compare(dir: &Path) -> Result<()> {
    let read = |name: &str| fs::read_to_string(dir.join(name)).with_context(|| name.to_owned());
    let expected = yaml::load_str(&read(EXPECT)?, EXPECT)?.pop().context("an empty expect.yaml")?.value;
    let expected = expectation::read(expected).map_err(anyhow::Error::msg)?.resolve(|| Ok(None))?;
    let (status, stdout, stderr) = (read("status")?, read("stdout")?, read("stderr")?);
    if let Some(error) = REPLAY_ERRORS.iter().find(|error| stderr.contains(*error)) {
        bail!("the look-ups are not those of the session (`{error}`):\n{stderr}");
    }
    let actual = match &expected {
        Expectation::Settings(_) => {
            Expectation::Settings(SettingsAnswer { settings: about_settings(&status, &stderr) })
        }
        Expectation::Verdict(expected) => {
            ensure!(status.trim() == "0", "kwctl ended with {}:\n{stderr}", status.trim());
            let request: Value = serde_json::from_str(&read("request.json")?)?;
            let answer: Value = serde_json::from_str(&stdout).context("kwctl printed no JSON")?;
            ensure!(answer["uid"] == request["uid"], "the answer is to another request");
            let Verdict { lookups, reviews, .. } = *expected;
            Expectation::Verdict(Verdict { lookups, reviews, ..verdict(&answer, &request)? })
        }
    };
    expected.compare(&actual).map_err(|difference| anyhow::anyhow!("kwctl answers something else\n{difference}"))
}

fn about_settings(status: &str, stderr: &str) -> SettingsVerdict {
    match stderr.split_once(BAD_SETTINGS) {
        Some((_, message)) => SettingsVerdict { valid: false, message: Some(message.trim_end().to_owned()) },
        None => SettingsVerdict { valid: status.trim() == "0", message: None },
    }
}

/// kwctl's answer, with its patch applied.
fn verdict(answer: &Value, request: &Value) -> Result<Verdict> {
    let object = match answer["patch"].as_str() {
        None => None,
        Some(patch) => {
            ensure!(answer["patchType"] == "JSONPatch", "patchType is {}", answer["patchType"]);
            let patch = base64::engine::general_purpose::STANDARD.decode(patch).context("the patch is not base64")?;
            let patch: json_patch::Patch = serde_json::from_slice(&patch).context("the patch is not a JSON patch")?;
            let mut object = request["object"].clone();
            json_patch::patch(&mut object, &patch).context("the patch does not apply")?;
            Some(object)
        }
    };
    let text = |value: &Value| value.as_str().map(str::to_owned);
    Ok(Verdict {
        allowed: answer["allowed"] == true,
        code: answer["status"]["code"].as_u64().map(u16::try_from).transpose()?,
        message: text(&answer["status"]["message"]),
        warnings: answer["warnings"].as_array().into_iter().flatten().filter_map(text).collect(),
        audit_annotations: {
            let annotations: Map<String, Value> = answer["auditAnnotations"].as_object().cloned().unwrap_or_default();
            annotations.into_iter().filter_map(|(key, value)| Some((key, text(&value)?))).collect()
        },
        lookups: 0,
        reviews: 0,
        object,
    })
}

/// Runs a case, and compares the answer with what the case expects.
const RUN_CASE: &str = r#"run_case() {
    local dir=$KWCTL_CASES/$1 arguments status=0
    mapfile -t arguments <"$dir/arguments"
    # A stack trace would stand behind the message.
    RUST_BACKTRACE=0 kwctl run "${arguments[@]}" >"$dir/stdout" 2>"$dir/stderr" </dev/null || status=$?
    echo "$status" >"$dir/status"
    "$CASES_BIN" compare "$dir"
}
"#;

/// The tests for bats: one for each case, so that a report names it.
#[must_use]
pub fn bats(inputs: &[Inputs]) -> String {
    let mut text = RUN_CASE.to_owned();
    for Inputs { name, .. } in inputs {
        let _ = write!(text, "\n@test \"{name}\" {{\n    run_case \"{name}\"\n}}\n");
    }
    text
}
