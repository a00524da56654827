// SPDX-License-Identifier: Apache-2.0

//! The command as a pipeline sees it: exit codes, output streams, formats.

#![expect(clippy::unwrap_used, reason = "a failure here is a failed test")]

mod audit;
mod check;
mod github_action;
mod lint;
mod picture;
mod terminal;

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

const POD: &str = "apiVersion: v1\nkind: Pod\nmetadata: {name: web, namespace: team-a}\nspec:\n  containers: [{name: c, image: nginx}]\n";
const QUIET_POD: &str = "apiVersion: v1\nkind: Pod\nmetadata: {name: quiet}\nspec:\n  automountServiceAccountToken: off\n  containers: [{name: c, image: nginx}]\n";

struct Files(tempfile::TempDir);

impl Files {
    fn new(files: &[(&str, &str)]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        for (name, content) in files {
            let path = directory.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, content).unwrap();
        }
        Self(directory)
    }

    fn run(&self, arguments: &[&str]) -> Output {
        command(self.0.path(), arguments).output().unwrap()
    }
}

fn command(directory: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sa-hygiene"));
    command.args(arguments).current_dir(directory);
    for name in ["NO_COLOR", "CLICOLOR_FORCE", "GITHUB_ACTIONS", "TF_BUILD"] {
        command.env_remove(name);
    }
    command
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn exit_code_and_diff_of_a_fix() {
    let output = Files::new(&[("pod.yaml", POD)]).run(&["run", "pod.yaml"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let text = stdout(&output);
    assert!(text.starts_with("✎ would fix  Pod team-a/web  pod.yaml:1\n"), "{text}");
    assert!(text.contains("\n    +  automountServiceAccountToken: false\n"), "{text}");
    assert!(!text.contains('\u{1b}'), "no colours in a pipe");
}

#[test]
fn exit_code_of_a_refusal() {
    let settings = "rules: {pod-automount: reject}\n";
    let output = Files::new(&[("pod.yaml", POD), ("s.yaml", settings)]).run(&["run", "pod.yaml", "-s", "s.yaml"]);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert!(stdout(&output).starts_with("✘ would reject  Pod team-a/web"), "{}", stdout(&output));
}

#[test]
fn old_object() {
    let asking = "apiVersion: apps/v1\n  kind: Deployment\n  metadata: {name: web}\n  spec: {template: {spec: {automountServiceAccountToken: true, containers: [{name: c, image: nginx}]}}}\n";
    let quiet = asking.replace("true", "false");
    let update = |old: &str| format!("oldObject:\n  {old}object:\n  {asking}");
    let files = Files::new(&[
        ("old.yaml", &update(asking)),
        ("new.yaml", &update(&quiet)),
        ("half.yaml", "oldObject: {}\n"),
        ("refusing.yaml", "rules: {pod-automount: {optInOnDefault: reject}}\n"),
    ]);
    let output = files.run(&["run", "old.yaml"]);
    assert_eq!(output.status.code(), Some(0), "{}{}", stdout(&output), stderr(&output));
    assert!(stdout(&output).contains("would warn  UPDATE Deployment default/web"), "{}", stdout(&output));
    assert_eq!(files.run(&["run", "new.yaml", "--settings", "refusing.yaml"]).status.code(), Some(1));
    let output = files.run(&["run", "half.yaml"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("half.yaml:1:1: an update needs"), "{}", stderr(&output));
}

#[test]
fn several_objects() {
    let both = format!("{POD}---\n{QUIET_POD}");
    let output = Files::new(&[("both.yaml", &both)]).run(&["run", "both.yaml"]);
    let text = stdout(&output);
    assert!(text.lines().next().unwrap().contains("what happened"), "{text}");
    assert!(text.ends_with("2 objects: 1 accepted, 1 would be fixed\n"), "{text}");
}

#[test]
fn json_output() {
    let output = Files::new(&[("pod.yaml", POD)]).run(&["run", "-o", "json", "pod.yaml"]);
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    let result = &document["results"][0];
    assert_eq!(result["verdict"], "wouldFix");
    assert!(result["response"]["patch"].as_array().is_some_and(|patch| !patch.is_empty()), "{result}");
    assert_eq!(result["patchedObject"]["spec"]["automountServiceAccountToken"], false);
    assert_eq!(document["summary"]["wouldFix"], 1);
}

#[test]
fn captured_request_on_stdin() {
    let request = r#"{"uid": "1", "kind": {"group": "", "version": "v1", "kind": "Pod"}, "resource": {"group": "", "version": "v1", "resource": "pods"}, "operation": "DELETE", "userInfo": {}, "namespace": "n", "name": "web"}"#;
    let directory = tempfile::tempdir().unwrap();
    let mut child =
        command(directory.path(), &["run", "-"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(request.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(stdout(&output), "✔ accepted  DELETE Pod n/web  -:1\n\n");
}

#[test]
fn unusable_input() {
    let files = Files::new(&[
        ("broken.yaml", "a: [1\n"),
        ("twice.yaml", "apiVersion: v1\nkind: Pod\nkind: Pod\n"),
        ("what.yaml", "\nname: x\n"),
        ("pod.yaml", POD),
        ("settings.yaml", "rulez: {}\n"),
        ("empty.yaml", "# nothing\n"),
    ]);
    for (arguments, expected) in [
        (&["run", "broken.yaml"][..], "error: broken.yaml:"),
        (&["run", "twice.yaml"], "error: twice.yaml:3:1: key `kind` occurs twice in the same mapping\n"),
        (&["run", "what.yaml"], "error: what.yaml:2:1: neither a Kubernetes object"),
        (&["run", "missing.yaml"], "error: missing.yaml: No such file"),
        (&["run", "empty.yaml"], "error: empty.yaml: nothing to evaluate here\n"),
        (
            &["run", "pod.yaml", "-s", "settings.yaml"],
            "error: settings.yaml:1:1: rulez: unknown setting `rulez`; did you mean `rules`?",
        ),
        (&["run", "pod.yaml", "--policy", "pod.yaml"], "error: pod.yaml: cannot compile the module"),
        (&["run"], "error: the following required arguments"),
    ] {
        let output = files.run(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", stderr(&output));
        assert!(stderr(&output).starts_with(expected), "{arguments:?}: {}", stderr(&output));
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn missing_account_with_cluster() {
    let pod = POD.replace("spec:\n", "spec:\n  serviceAccountName: nobody\n");
    let account = "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: app, namespace: team-a}\n";
    let files = Files::new(&[("pod.yaml", &pod), ("cluster/app.yaml", account)]);
    let output = files.run(&["run", "pod.yaml", "--cluster", "cluster"]);
    assert_eq!(output.status.code(), Some(0), "other tools are there for what the API server takes");
    assert!(stdout(&output).starts_with("? invalid  Pod team-a/web"), "{}", stdout(&output));
    assert!(stdout(&output).contains("the API server rejects it: "), "{}", stdout(&output));
    assert_eq!(files.run(&["run", "pod.yaml"]).status.code(), Some(0), "without a cluster it is merely unknown");
}

#[test]
fn colours_can_be_forced() {
    let files = Files::new(&[("pod.yaml", POD)]);
    let output = command(files.0.path(), &["run", "pod.yaml"]).env("CLICOLOR_FORCE", "1").output().unwrap();
    assert!(stdout(&output).contains("\u{1b}[32m+  automountServiceAccountToken: false"), "{}", stdout(&output));
}

#[test]
fn corpus() {
    let review = r#"{"request": {"uid": "1", "kind": {"group": "", "version": "v1", "kind": "ConfigMap"}, "resource": {"group": "", "version": "v1", "resource": "configmaps"}, "operation": "CREATE", "userInfo": {}, "object": {}}}"#;
    let files = Files::new(&[("good/a.json", review), ("bad/a.json", review), ("bad/deep/b.json", "{\"a\": 1}")]);
    let good = files.run(&["corpus", "good"]);
    assert_eq!(good.status.code(), Some(0), "{}", stderr(&good));
    assert!(stdout(&good).ends_with("\n1 passed, 0 failed\n"), "{}", stdout(&good));
    let bad = files.run(&["corpus", "bad"]);
    assert_eq!(bad.status.code(), Some(1));
    assert!(stdout(&bad).ends_with("\n1 passed, 1 failed\n"), "{}", stdout(&bad));
}
