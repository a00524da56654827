// SPDX-License-Identifier: Apache-2.0

//! The cases for `kwctl run`: its inputs, and the expected response.
//!
//! Each case becomes a folder:
//!
//! | file | what it is |
//! |---|---|
//! | `request.json` | the `AdmissionRequest`, with every field that kwctl requires |
//! | `policy.yaml` | a manifest, because kwctl has no command-line options for `mode` and `mutating` |
//! | `session.yml` | the look-ups and their answers, which kwctl replays in this order and compares field by field |
//! | `arguments` | the arguments of `kwctl run`, one per line |
//! | `expect.yaml` | the expected response of the case |
//!
//! How kwctl reads them: `crates/kwctl/src/{config/policy_definition,callback_handler/proxy}.rs` of
//! <https://github.com/kubewarden/kubewarden-controller>. If a session does not match, kwctl returns the error to the policy
//! and only logs it for the user. So [`compare`] also checks the log.

#![expect(clippy::indexing_slicing, reason = "of JSON values: what is missing reads as null")]

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use base64::Engine as _;
use policy_host::apiserver::{ApiServer, RequestOptions};
use policy_host::kubewarden::{AdmissionRequest, HostCall};
use policy_host::yaml;
use serde_json::{Map, Value, json};

use crate::case::{Case, Host, Mode};
use crate::case_file;
use crate::engine::Engine;
use crate::examples::{self, Example};
use crate::expectation::{self, Expectation, SettingsAnswer, SettingsVerdict, Verdict};

/// The file with what the case expects.
const EXPECT: &str = "expect.yaml";

/// The policy's name on the embedded host; one message contains it.
const POLICY: &str = "clusterwide-serviceaccount-hygiene";

/// The prefix that kwctl adds to the policy's message about its settings.
const BAD_SETTINGS: &str = "Provided settings are not valid: ";

/// What the log contains if a session does not match.
const REPLAY_ERRORS: [&str; 3] = ["have not been replayed", "Replay error", "list of recorded responses is empty"];

/// The inputs of kwctl for one case.
#[derive(Debug, Clone)]
pub struct Inputs {
    /// The case's full name.
    pub name: String,
    /// The content of `request.json`.
    pub request: Value,
    /// The content of `policy.yaml`; none if the case runs on the module itself.
    pub policy: Option<String>,
    /// The content of `settings.yaml`, if the case runs on the module itself.
    pub settings: Option<String>,
    /// The content of `session.yml`.
    pub session: String,
    /// The content of `expect.yaml`.
    pub expectation: Expectation,
}

/// The inputs of kwctl for every case and every example.
///
/// # Errors
/// If a case or an example cannot be read, or was never blessed.
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
        // kwctl validates the settings before it reads the request, but requires one.
        None => (any_request()?, session(&[])?),
    };
    // The fields that the policy server would read; kwctl reads the same ones.
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
    // JSON is valid YAML, and is unambiguous.
    Ok(serde_json::to_string_pretty(&manifest)? + "\n")
}

/// The manifest of an example with another module, because no registry has the policy's module yet.
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

/// The look-ups as kwctl records them. A look-up that the policy was not granted never leaves the host, so it is not recorded.
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
    /// If a file cannot be written.
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

/// Compares the output of `kwctl run` in a folder (`status`, `stdout`, `stderr`) with what the case expects.
///
/// # Errors
/// All differences.
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

/// Runs a case, and compares the result with what the case expects.
const RUN_CASE: &str = r#"run_case() {
    local dir=$KWCTL_CASES/$1 arguments status=0
    mapfile -t arguments <"$dir/arguments"
    # A stack trace would stand behind the message.
    RUST_BACKTRACE=0 kwctl run "${arguments[@]}" >"$dir/stdout" 2>"$dir/stderr" </dev/null || status=$?
    echo "$status" >"$dir/status"
    "$CASES_BIN" compare "$dir"
}
"#;

/// The bats tests, one for each case, so that a report names the case.
#[must_use]
pub fn bats(inputs: &[Inputs]) -> String {
    let mut text = RUN_CASE.to_owned();
    for Inputs { name, .. } in inputs {
        let _ = write!(text, "\n@test \"{name}\" {{\n    run_case \"{name}\"\n}}\n");
    }
    text
}
