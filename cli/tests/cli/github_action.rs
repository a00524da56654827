// SPDX-License-Identifier: Apache-2.0

//! The scripts of `action.yml`, run as GitHub runs them: `bash -eo pipefail`, with inputs as variables.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

use policy_host::yaml;
use serde_json::Value;

use super::audit::repository;

/// The results of the steps.
struct Ran {
    /// The exit code of each step that is a script, by the step's name.
    codes: BTreeMap<String, i32>,
    outputs: BTreeMap<String, String>,
    annotations: String,
}

fn run(inputs: &[(&str, &str)]) -> Ran {
    let action = yaml::load_file(repository().join("action.yml")).unwrap().pop().unwrap().value;
    let folder = tempfile::tempdir().unwrap();
    let outputs = folder.path().join("outputs");
    fs::write(&outputs, "").unwrap();
    let read = || -> BTreeMap<String, String> {
        let text = fs::read_to_string(&outputs).unwrap();
        text.lines().filter_map(|line| line.split_once('=')).map(|(name, value)| (name.into(), value.into())).collect()
    };
    let mut ran = Ran { codes: BTreeMap::new(), outputs: BTreeMap::new(), annotations: String::new() };
    for step in action.pointer("/runs/steps").and_then(Value::as_array).unwrap() {
        let Some(script) = step.get("run").and_then(Value::as_str) else { continue };
        let mut command = Command::new("bash");
        command.args(["--noprofile", "--norc", "-eo", "pipefail", "-c", script]).current_dir(repository());
        command.env("RUNNER_TEMP", folder.path()).env("GITHUB_OUTPUT", &outputs).env("GITHUB_ACTIONS", "true");
        for (name, value) in step.get("env").and_then(Value::as_object).into_iter().flatten() {
            let value = value.as_str().unwrap();
            let expression = value.strip_prefix("${{ ").and_then(|value| value.strip_suffix(" }}"));
            let value = match expression.and_then(|it| it.strip_prefix("inputs.")) {
                Some(input) => {
                    let given = inputs.iter().find(|(name, _)| *name == input).map(|(_, value)| *value);
                    let default = || action.pointer(&format!("/inputs/{input}/default")).and_then(Value::as_str);
                    given.or_else(default).unwrap_or_default().to_owned()
                }
                None => match expression.and_then(|it| it.strip_prefix("steps.check.outputs.")) {
                    Some(output) => read().get(output).cloned().unwrap_or_default(),
                    None => value.to_owned(),
                },
            };
            command.env(name, value);
        }
        let output = command.output().unwrap();
        let name = step.get("name").and_then(Value::as_str).unwrap().to_owned();
        ran.annotations.push_str(&String::from_utf8_lossy(&output.stdout));
        ran.codes.insert(name, output.status.code().unwrap());
    }
    ran.outputs = read();
    let sarif = fs::read_to_string(ran.outputs.get("sarif-file").unwrap()).unwrap();
    let sarif: Value = serde_json::from_str(&sarif).unwrap();
    assert!(sarif.pointer("/runs/0/results").is_some_and(Value::is_array), "no SARIF");
    ran
}

const BINARY: (&str, &str) = ("binary", env!("CARGO_BIN_EXE_sa-hygiene"));

#[test]
fn fails_on_findings() {
    let ran =
        run(&[BINARY, ("paths", "examples/demo/workloads\nexamples/demo/cluster\n"), ("args", "--namespace=shop\n")]);
    let codes: Vec<(&str, i32)> = ran.codes.iter().map(|(name, code)| (name.as_str(), *code)).collect();
    assert_eq!(codes, [("Check", 0), ("Install", 0), ("Result", 1)]);
    assert_eq!(ran.outputs.get("exit-code").unwrap(), "1");
    assert!(ran.annotations.contains("::error file=examples/demo/workloads/"), "{}", ran.annotations);
}

#[test]
fn fail_on_never() {
    let ran = run(&[BINARY, ("paths", "examples/demo/workloads"), ("fail-on", "never")]);
    assert_eq!(ran.codes.get("Result"), Some(&0));
}

#[test]
fn fails_on_unusable_input() {
    let ran = run(&[BINARY, ("paths", "no/such/file.yaml"), ("fail-on", "never")]);
    assert_eq!((ran.codes.get("Result"), ran.outputs.get("exit-code").unwrap().as_str()), (Some(&2), "2"));
}
