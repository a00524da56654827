// SPDX-License-Identifier: Apache-2.0

//! `sa-hygiene check` as users expect a linter to work: selection, suppressions, configuration, fixes, rendering, errors.

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Output, Stdio};

use serde_json::{Value, json};

use super::{Files, POD, command, stderr, stdout};

const WEB: &str = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: web\n  namespace: shop\nspec:\n  containers:\n    - name: c\n      image: nginx\n";
/// An account with one finding: the AWS account ID of its role has only nine digits.
const UPLOADS: &str = "apiVersion: v1\nkind: ServiceAccount\nmetadata:\n  name: uploads\n  namespace: shop\n  annotations:\n    eks.amazonaws.com/role-arn: arn:aws:iam::123456789:role/uploads\n";
const DEPLOYMENT: &str = "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: web\n  namespace: shop\nspec:\n  selector: {matchLabels: {a: b}}\n  template:\n    metadata: {labels: {a: b}}\n    spec:\n      containers:\n        - name: web\n          image: x\n";

fn json_of(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).map_err(|error| format!("{error}: {}", stderr(output))).unwrap()
}

/// Runs the command with a text on standard input.
fn piped(directory: &Path, arguments: &[&str], text: &str) -> Output {
    let mut child = command(directory, arguments);
    let mut child = child.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

#[test]
fn same_words_as_run() {
    const BINDING: &str = "---\napiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\n\
        metadata: {name: view, namespace: shop}\n\
        roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: view}\n\
        subjects: [{kind: ServiceAccount, name: default, namespace: shop}]\n";
    const ROLE: &str = "---\napiVersion: rbac.authorization.k8s.io/v1\nkind: Role\n\
        metadata: {name: watch, namespace: shop}\n\
        rules: [{apiGroups: [''], resources: [services], verbs: [watch]}]\n";
    let files = Files::new(&[
        ("bound.yaml", &format!("{WEB}{BINDING}")),
        // It grants no permission that `pod-automount` checks.
        ("granted.yaml", &format!("{WEB}{}{ROLE}", BINDING.replace("ClusterRole, name: view", "Role, name: watch"))),
        ("deployment.yaml", DEPLOYMENT),
        ("pod.yaml", WEB),
        ("account.yaml", UPLOADS),
        ("validating.yaml", "phase: validating\n"),
        ("restricted.yaml", "profile: restricted\n"),
    ]);
    for settings in [&[][..], &["-s", "validating.yaml"], &["-s", "restricted.yaml"], &["--mode", "monitor"]] {
        for file in ["bound.yaml", "granted.yaml", "deployment.yaml", "pod.yaml", "account.yaml"] {
            let verdicts = ["check", "run"].map(|verb| {
                let json = json_of(&files.run(&[&[verb, file, "-o", "json"], settings].concat()));
                json["objects"][0]["verdict"].as_str().or(json["results"][0]["verdict"].as_str()).unwrap().to_owned()
            });
            assert_eq!(verdicts[0], verdicts[1], "{file} {settings:?}");
        }
    }
    let run = stdout(&files.run(&["run", "granted.yaml"]));
    let kept = "  pod-automount: spec.automountServiceAccountToken: would keep the token: account `default` is bound by RoleBinding \
        shop/view to Role shop/watch";
    assert!(run.contains(kept), "{run}");
    let run = json_of(&files.run(&["run", "granted.yaml", "-o", "json"]));
    let sorted = |list: &Value| {
        let mut lines: Vec<_> = list.as_array().unwrap().iter().map(|line| line.as_str().unwrap().to_owned()).collect();
        lines.sort();
        lines
    };
    let result = &run["results"][0];
    assert_eq!(sorted(&result["response"]["warnings"]), sorted(&result["findings"]));
    let run = stdout(&files.run(&["run", "deployment.yaml"]));
    assert!(run.starts_with("✔ accepted; its Pods would be fixed  Deployment shop/web  deployment.yaml:1\n"), "{run}");
    let check = stdout(&files.run(&["check", "deployment.yaml"]));
    assert!(check.contains("\n  Deployment shop/web: accepted; its Pods would be fixed\n"), "{check}");
    assert!(check.ends_with("1 object in 1 file: 1 accepted (its Pods would be fixed)\n"), "{check}");
    let output = files.run(&["check", "deployment.yaml", "-s", "validating.yaml"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stdout(&output).contains("  Deployment shop/web: accepted; its Pods would be rejected\n"),
        "{}",
        stdout(&output)
    );
}

#[test]
fn rules_are_selected_and_ignored() {
    let files = Files::new(&[("a.yaml", WEB), ("b.yaml", UPLOADS)]);
    let rules = |arguments: &[&str]| {
        let json = json_of(&files.run(&[&["check", ".", "-o", "json"], arguments].concat()));
        let findings = json["objects"].as_array().unwrap().iter().flat_map(|it| it["findings"].as_array().unwrap());
        let mut rules: Vec<String> = findings.map(|it| it["rule"].as_str().unwrap().to_owned()).collect();
        rules.dedup();
        rules
    };
    assert_eq!(rules(&[]), ["pod-automount", "role-arn"]);
    assert_eq!(rules(&["--select", "role-arn,role-arn"]), ["role-arn"]);
    assert_eq!(rules(&["--ignore", "role-arn"]), ["pod-automount"]);
    assert_eq!(files.run(&["check", ".", "--ignore", "role-arn"]).status.code(), Some(0));
    let unknown = files.run(&["check", ".", "--select", "role-arm"]);
    assert_eq!(
        (unknown.status.code(), stderr(&unknown)),
        (Some(2), "error: unknown rule `role-arm`; did you mean `role-arn`?\n".to_owned())
    );
    // Only selected rules fix objects.
    files.run(&["check", ".", "--select", "role-arn", "--fix"]);
    assert_eq!(std::fs::read_to_string(files.0.path().join("a.yaml")).unwrap(), WEB);
}

#[test]
fn excluded_files_are_counted() {
    let files = Files::new(&[("a.yaml", WEB), ("vendor/b.yaml", UPLOADS), ("c.yaml", "a: [\n")]);
    let output = files.run(&["check", ".", "--exclude", "vendor/", "--exclude", "c.*"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(stdout(&output).contains("note: excluded by patterns: 1 file\n"), "{}", stdout(&output));
    let named = files.run(&["check", "c.yaml", "--exclude", "c.*"]);
    assert_eq!(named.status.code(), Some(0), "also if they are named: {}", stderr(&named));
    let bad = files.run(&["check", ".", "--exclude", "[z-a]"]);
    assert_eq!(
        (bad.status.code(), stderr(&bad).starts_with("error: `[z-a]`: not a pattern")),
        (Some(2), true),
        "{}",
        stderr(&bad)
    );
}

#[test]
fn statistics_quiet_and_verbose() {
    let files = Files::new(&[
        ("a.yaml", WEB),
        ("b.yaml", UPLOADS),
        ("c.yaml", "apiVersion: v1\nkind: Service\nmetadata: {name: c}\n"),
    ]);
    let statistics = stdout(&files.run(&["check", ".", "--statistics"]));
    let rows: Vec<Vec<&str>> = statistics.lines().map(|line| line.split_whitespace().collect()).collect();
    assert!(rows.contains(&vec!["1", "pod-automount", "would", "fix"]), "{statistics}");
    assert!(!statistics.contains("a.yaml"), "{statistics}");
    let json = json_of(&files.run(&["check", ".", "--statistics", "-o", "json"]));
    assert!(
        json.as_array().unwrap().contains(&json!({"rule": "pod-automount", "verdict": "wouldFix", "count": 1})),
        "{json}"
    );
    let quiet = stdout(&files.run(&["check", ".", "-q"]));
    assert!(quiet.starts_with("a.yaml\n") && !quiet.contains("note:") && !quiet.contains("objects in"), "{quiet}");
    let verbose = stdout(&files.run(&["check", ".", "-v"]));
    assert!(verbose.contains("\n  Service default/c: not checked: no rule checks the kind\n"), "{verbose}");
    assert!(verbose.contains("  Pod shop/web: would fix\n"), "{verbose}");
}

#[test]
fn comments_suppress_findings() {
    let above_object = format!("# sa-hygiene: ignore[role-arn] migration, see #7\n{UPLOADS}");
    let on_line = WEB.replace("spec:\n", "spec: # sa-hygiene: ignore[pod-automount] calls the API\n");
    let text = WEB.replace(
        "image: nginx\n",
        "image: nginx\n      args:\n        - |\n          # sa-hygiene: ignore[pod-automount] no comment\n",
    );
    let files = Files::new(&[("a.yaml", &above_object), ("b.yaml", &on_line), ("c.yaml", &text)]);
    let output = files.run(&["check", "a.yaml", "b.yaml", "--fail-on", "warn"]);
    assert_eq!(output.status.code(), Some(0), "{}{}", stdout(&output), stderr(&output));
    assert_eq!(stdout(&output), "2 objects in 2 files: 2 accepted, 2 findings suppressed\n");
    let json = json_of(&files.run(&["check", "a.yaml", "-o", "json"]));
    let finding = &json["objects"][0]["findings"][0];
    assert_eq!(
        (&finding["suppressed"], &finding["fails"]),
        (&json!({"line": 1, "reason": "migration, see #7"}), &json!(false))
    );
    let sarif = json_of(&files.run(&["check", "a.yaml", "-o", "sarif"]));
    assert_eq!(
        sarif["runs"][0]["results"][0]["suppressions"],
        json!([{"kind": "inSource", "status": "accepted", "justification": "migration, see #7"}])
    );
    assert_eq!(files.run(&["check", "a.yaml", "--ignore-suppressions"]).status.code(), Some(1));
    assert!(stdout(&files.run(&["check", "c.yaml"])).contains("would fix pod-automount"), "text is not a comment");
    // It is not fixed either.
    files.run(&["check", "b.yaml", "--fix"]);
    assert_eq!(std::fs::read_to_string(files.0.path().join("b.yaml")).unwrap(), on_line);
}

#[test]
fn wrong_suppressions() {
    let text =
        format!("# sa-hygiene: ignore[role-arn]\n{UPLOADS}---\n# sa-hygiene: ignore[pod-automount] gone\n{UPLOADS}");
    let files = Files::new(&[("a.yaml", &text)]);
    let output = stdout(&files.run(&["check", "a.yaml"]));
    for line in [
        "  a.yaml:1:1: warning the suppression of `role-arn` has no reason; add one after it\n",
        "  a.yaml:10:1: warning the suppression of `pod-automount` suppresses nothing; remove it\n",
    ] {
        assert!(output.contains(line), "{line}{output}");
    }
    let selected = stdout(&files.run(&["check", "a.yaml", "--select", "role-arn"]));
    assert!(!selected.contains("suppresses nothing"), "its rule was not looked for: {selected}");
}

#[test]
fn finds_configuration_upwards() {
    let config = "settings:\n  rules: {pod-automount: reject}\nexclude: [vendor/]\nnamespace: team\nfailOn: never\noutput: json\nbaseline: known.yaml\nignore: [default-service-account]\n";
    let files = Files::new(&[
        (".sa-hygiene.yaml", config),
        ("known.yaml", "findings: []\n"),
        ("deploy/web/a.yaml", &WEB.replace("  namespace: shop\n", "")),
        ("deploy/vendor/b.yaml", "a: [\n"),
        ("other.yaml", "rules: {pod-automount: warn}\n"),
    ]);
    let output = files.run(&["check", "deploy"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let json = json_of(&output);
    assert_eq!((&json["config"], &json["objects"][0]["namespace"]), (&json!(".sa-hygiene.yaml"), &json!("team")));
    assert_eq!(json["objects"][0]["verdict"], "wouldReject");
    assert_eq!(json["notes"][0], "configuration: .sa-hygiene.yaml");
    // The command line takes precedence.
    let output = files.run(&["check", "deploy/web", "-s", "other.yaml", "-o", "text", "--fail-on", "warn", "-n", "x"]);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert!(
        stdout(&output).contains("  Pod x/web\n    deploy/web/a.yaml:5:1: would warn pod-automount"),
        "{}",
        stdout(&output)
    );
    assert!(stdout(&output).contains("note: configuration: .sa-hygiene.yaml\n"), "{}", stdout(&output));
    let without = files.run(&["check", "deploy", "--no-config"]);
    assert_eq!(without.status.code(), Some(2), "the excluded file cannot be read");
    let named = files.run(&["check", "deploy/web", "--config", "other.yaml"]);
    assert!(
        stderr(&named).starts_with("error: other.yaml:1:1: rules: unknown key, must be one of "),
        "{}",
        stderr(&named)
    );
    assert_eq!(named.status.code(), Some(2));
}

#[test]
fn lines_of_settings_in_configuration() {
    let files = Files::new(&[
        (".sa-hygiene.yaml", "settings:\n  exemption: []\n  rules:\n    pod-automont: null\n"),
        ("a.yaml", WEB),
    ]);
    let output = files.run(&["check"]);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(
        stderr(&output),
        "error: .sa-hygiene.yaml:2:3: exemption: unknown setting `exemption`; did you mean `exemptions`?\nerror: .sa-hygiene.yaml:4:5: rules.pod-automont: unknown rule `pod-automont`; did you mean `pod-automount`?\n"
    );
}

#[test]
fn settings_exclude_policy_manifests() {
    let policy = "apiVersion: policies.kubewarden.io/v1\nkind: ClusterAdmissionPolicy\nmetadata: {name: p}\nspec:\n  module: ghcr.io/x/serviceaccount-hygiene:v1\n  mutating: true\n  settings:\n    rules:\n      role-arn: {accounts: [\"${ACCOUNT}\"]}\n";
    let files = Files::new(&[
        ("p.yaml", policy),
        ("s.yaml", "phase: validating\n"),
        ("a.yaml", WEB),
        ("t.yaml", "rules: {{ toYaml .Values.rules }}\n"),
    ]);
    for (arguments, expected) in [
        (
            ["-s", "p.yaml"],
            "error: p.yaml:1:1: a ClusterAdmissionPolicy, not settings; pass it with --policy-manifest\n",
        ),
        (["-s", "a.yaml"], "error: a.yaml:1:1: a Pod, not settings\n"),
        (
            ["--policy-manifest", "s.yaml"],
            "error: policy manifests: s.yaml:1:1: not a policy manifest; settings are given with --settings\n",
        ),
        (
            ["--policy-manifest", "p.yaml"],
            "error: p.yaml:9:29: rules.role-arn.accounts[0]: `${ACCOUNT}` is a placeholder; substitute it first\n",
        ),
        (["-s", "t.yaml"], "error: t.yaml:1:9: a key must be a scalar (a template? render it first)\n"),
    ] {
        let output = files.run(&["check", "a.yaml", arguments[0], arguments[1]]);
        assert_eq!((output.status.code(), stderr(&output).as_str()), (Some(2), expected), "{arguments:?}");
    }
}

#[test]
fn templates_and_placeholders() {
    let account = |arn: &str| UPLOADS.replace("arn:aws:iam::123456789:role/uploads", arn);
    let files = Files::new(&[
        ("a.yaml", &account("\"arn:aws:iam::{{ .Values.account }}:role/x\"")),
        ("b.yaml", &account("arn:aws:iam::${ACCOUNT}:role/x")),
        ("c.yaml", &account("arn:aws:iam::__ACCOUNT__:role/x")),
    ]);
    let text = stdout(&files.run(&["check", "."]));
    for help in [
        "; `{{ .Values.account }}` is a template; render it first, for example with `helm template` (",
        "; `${ACCOUNT}` is a placeholder; substitute it first (",
        "; `__ACCOUNT__` is a placeholder; substitute it first (",
    ] {
        assert!(text.contains(help), "{help}\n{text}");
    }
}

/// The token of a named account may be needed if the account is not in the input.
#[test]
fn unsafe_fixes_need_their_flag() {
    let named = WEB.replace("spec:\n", "spec:\n  serviceAccountName: app\n");
    let files = Files::new(&[("web.yaml", &named), ("s.yaml", "rules: {pod-automount: {scope: all}}\n")]);
    let read = || std::fs::read_to_string(files.0.path().join("web.yaml")).unwrap();
    let output = files.run(&["check", "web.yaml", "-s", "s.yaml", "--fix"]);
    assert_eq!(
        (output.status.code(), read().as_str()),
        (Some(0), named.as_str()),
        "{}{}",
        stdout(&output),
        stderr(&output)
    );
    assert!(
        stderr(&output).contains("not fixed: web.yaml:1: Pod shop/web: unsafe, because account `app` is not in the input, so whether it needs its token is unknown; --unsafe-fixes makes this fix\n"),
        "{}",
        stderr(&output)
    );
    let json = json_of(&files.run(&["check", "web.yaml", "-s", "s.yaml", "-o", "json"]));
    assert_eq!(json["objects"][0]["fix"]["applicability"], "unsafe", "{json}");
    let output = files.run(&["check", "web.yaml", "-s", "s.yaml", "--fix", "--unsafe-fixes"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(read().contains("  automountServiceAccountToken: false\n"), "{}", read());
    assert_eq!(files.run(&["check", "web.yaml", "--unsafe-fixes"]).status.code(), Some(2));
}

#[test]
fn applicability_of_fixes() {
    let flow = "{apiVersion: v1, kind: Pod, metadata: {name: a}, spec: {containers: [{name: c, image: x}]}}\n";
    let files = Files::new(&[("a.yaml", WEB), ("b.yaml", flow), ("c.yaml", UPLOADS)]);
    let json = json_of(&files.run(&["check", ".", "-o", "json"]));
    let fixes: Vec<&Value> = json["objects"].as_array().unwrap().iter().map(|it| &it["fix"]["applicability"]).collect();
    assert_eq!(fixes, [&json!("safe"), &json!("displayOnly"), &Value::Null]);
    assert_eq!(json["objects"][0]["fix"]["edits"][0]["text"], "  automountServiceAccountToken: false\n");
    assert!(json["objects"][1]["fix"]["reason"].as_str().unwrap().contains("flow style"), "{json}");
}

#[test]
fn diff() {
    let files = Files::new(&[("a.yaml", WEB), ("b.yaml", UPLOADS)]);
    let output = files.run(&["check", ".", "--diff"]);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert!(stdout(&output).starts_with("--- a.yaml\n+++ a.yaml\n@@ "), "{}", stdout(&output));
    assert!(!stdout(&output).contains("would reject"), "the diff is read by `patch`");
    assert!(stderr(&output).contains("b.yaml:7:5: would reject role-arn"), "{}", stderr(&output));
    assert_eq!(files.run(&["check", ".", "--diff", "--fail-on", "never"]).status.code(), Some(0));
    assert_eq!(files.run(&["check", "a.yaml", "--diff", "--fail-on", "warn"]).status.code(), Some(1));
    let json = json_of(&files.run(&["check", ".", "--diff", "-o", "json"]));
    assert_eq!(json["diffs"][0]["file"], "a.yaml");
    assert!(
        json["diffs"][0]["diff"].as_str().unwrap().contains("\n+  automountServiceAccountToken: false\n"),
        "{json}"
    );
    assert_eq!(json["summary"]["wouldReject"], 1);
    assert_eq!(std::fs::read_to_string(files.0.path().join("a.yaml")).unwrap(), WEB);
}

#[test]
fn stdin_filename() {
    let files = Files::new(&[("prod/kustomization.yaml", "patches: [{path: web.yaml}]\n"), ("prod/web.yaml", WEB)]);
    let check =
        |name: &str| json_of(&piped(files.0.path(), &["check", "-o", "json", "--stdin-filename", name, "-"], WEB));
    let json = check("deploy/web.yaml");
    assert_eq!(
        (&json["objects"][0]["file"], &json["objects"][0]["verdict"]),
        (&json!("deploy/web.yaml"), &json!("wouldFix"))
    );
    assert_eq!(json["objects"][0]["fix"]["edits"][0]["start"], json!({"line": 7, "column": 1}));
    assert_eq!(check("prod/web.yaml")["objects"][0]["verdict"], "partial", "as in its folder");
    let without = files.run(&["check", "prod", "--stdin-filename", "x.yaml"]);
    assert_eq!((without.status.code(), stderr(&without).as_str()), (Some(2), "error: --stdin-filename needs `-`\n"));
    // Input without anything to fix is printed unchanged.
    let output = piped(files.0.path(), &["check", "-", "--fix"], UPLOADS);
    assert_eq!((stdout(&output).as_str(), output.status.code()), (UPLOADS, Some(1)));
}

#[test]
fn partial_baseline() {
    let files = Files::new(&[("a/web.yaml", WEB), ("b/uploads.yaml", UPLOADS)]);
    let read = || std::fs::read_to_string(files.0.path().join("known.yaml")).unwrap();
    files.run(&["check", ".", "--write-baseline", "known.yaml"]);
    let both = read();
    assert!(both.contains("pod-automount") && both.contains("role-arn"), "{both}");
    let output = files.run(&["check", "b", "--write-baseline", "known.yaml"]);
    assert_eq!(stderr(&output), "2 findings are in known.yaml, 1 of them not checked again\n");
    assert_eq!(read(), both);
    let part = files.run(&["check", "b", "--baseline", "known.yaml"]);
    assert_eq!(
        stdout(&part),
        "1 object in 1 file: 1 accepted, 1 finding in the baseline\n",
        "the other object was not read"
    );
    std::fs::write(
        files.0.path().join("a/web.yaml"),
        WEB.replace("spec:\n", "spec:\n  automountServiceAccountToken: false\n"),
    )
    .unwrap();
    let stale = stdout(&files.run(&["check", ".", "--baseline", "known.yaml"]));
    assert!(
        stale.contains("note: 1 finding of the baseline does not occur any more; --write-baseline removes them\n"),
        "{stale}"
    );
    assert_eq!(
        files.run(&["check", ".", "--write-baseline", "a/web.yaml"]).status.code(),
        Some(2),
        "a manifest is not replaced"
    );
}

/// In the row for all rules, an object with two findings counts once.
#[test]
fn preview_counts_once() {
    let warn = "rules: {pod-automount: warn, default-service-account: warn}\n";
    let files = Files::new(&[("a.yaml", WEB), ("s.yaml", warn)]);
    let text = stdout(&files.run(&["check", "a.yaml", "-s", "s.yaml", "--summary"]));
    let rows: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
    let of =
        |rule: &str| rows.iter().find(|row| row.first() == Some(&rule)).unwrap_or_else(|| panic!("{rule}: {text}"));
    assert_eq!((of("pod-automount")[2], of("default-service-account")[2], of("all")[1]), ("1", "1", "1"), "{text}");
    assert!(text.contains("The row `all` counts each object once"), "{text}");
}

#[test]
fn report_matches_schema() {
    let files = Files::new(&[
        ("a.yaml", WEB),
        ("b.yaml", UPLOADS),
        ("c.yaml", "a: [\n"),
        ("d.yaml", &format!("# sa-hygiene: ignore[x]\n{DEPLOYMENT}")),
    ]);
    let schema = policy_host::check::format::json::schema().unwrap();
    super::audit::is_as_in("docs/check.schema.json", &(serde_json::to_string_pretty(&schema).unwrap() + "\n"));
    for arguments in [
        &["check", ".", "-o", "json"][..],
        &["check", ".", "-o", "json", "--diff"],
        &["check", ".", "-o", "json", "--fix"],
    ] {
        jsonschema::validate(&schema, &json_of(&files.run(arguments)))
            .unwrap_or_else(|error| panic!("{arguments:?}: {error}"));
    }
    let schema = policy_host::check::config::schema().unwrap();
    super::audit::is_as_in("docs/check-config.schema.json", &(serde_json::to_string_pretty(&schema).unwrap() + "\n"));
    assert!(jsonschema::is_valid(
        &schema,
        &json!({"settings": {"phase": "validating"}, "failOn": "warn", "output": "sarif"})
    ));
    assert!(!jsonschema::is_valid(&schema, &json!({"failon": "warn"})));
}

#[test]
fn rules_as_json() {
    let files = Files::new(&[]);
    let rules = json_of(&files.run(&["rules", "-o", "json"]));
    let rule = rules.as_array().unwrap().iter().find(|rule| rule["id"] == "pod-automount").unwrap();
    assert_eq!(rule["actions"], json!({"observe": "warn", "baseline": "mutate", "restricted": "mutate"}));
    assert!(rule["parameters"].as_array().unwrap().iter().any(|it| it["name"] == "keepIfAllowed"), "{rule}");
    let page = json_of(&files.run(&["explain", "pod-automount", "-o", "json"]));
    assert!(page["page"].as_str().unwrap().starts_with("# pod-automount\n"), "{page}");
}

/// Adds a program that prints a text to `PATH`.
fn program(files: &Files, name: &str, script: &str) {
    let path = files.0.path().join("bin").join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, format!("#!/bin/sh\n{script}")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

fn run_with_programs(files: &Files, arguments: &[&str]) -> Output {
    command(files.0.path(), arguments)
        .env("PATH", format!("{}:/usr/bin:/bin", files.0.path().join("bin").display()))
        .output()
        .unwrap()
}

#[test]
fn charts_are_rendered_on_request() {
    let template = WEB.replace("name: web", "name: {{ .Release.Name }}");
    let files = Files::new(&[
        ("charts/shop/Chart.yaml", "apiVersion: v2\nname: shop\n"),
        ("charts/shop/values.yaml", "a: 1\n"),
        ("charts/shop/templates/web.yaml", &template),
        ("plain.yaml", UPLOADS),
    ]);
    let output = files.run(&["check", "charts"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        stdout(&output).contains("note: a chart has to be rendered before it is checked, with --render or: helm template shop charts/shop -n default | sa-hygiene check -n default -\n"),
        "{}",
        stdout(&output)
    );
    program(
        &files,
        "helm",
        &format!("echo \"$@\" >args\ncat <<'END'\n---\n# Source: shop/templates/web.yaml\n{WEB}END\n"),
    );
    let output = run_with_programs(&files, &["check", "charts", "--render", "-n", "shop"]);
    assert_eq!(output.status.code(), Some(0), "{}{}", stdout(&output), stderr(&output));
    assert!(
        stdout(&output).starts_with("charts/shop (rendered)\n  Pod shop/web  shop/templates/web.yaml\n    charts/shop (rendered):8:1: would fix pod-automount"),
        "{}",
        stdout(&output)
    );
    assert_eq!(std::fs::read_to_string(files.0.path().join("args")).unwrap(), "template shop charts/shop -n shop\n");
    let output = run_with_programs(&files, &["check", "charts", "--render", "--fix"]);
    assert!(
        stderr(&output).contains("it was rendered from charts/shop; fix the template or the values"),
        "{}",
        stderr(&output)
    );
    program(&files, "helm", "echo 'Error: \x1b[31mno such value' >&2; exit 1\n");
    let output = run_with_programs(&files, &["check", "charts", "--render"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        stderr(&output).contains("charts/shop (rendered): `helm` cannot render it: Error: \\u{1b}[31mno such value\n"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn kustomizations_are_rendered_once() {
    let files = Files::new(&[
        ("base/kustomization.yaml", "resources: [web.yaml]\n"),
        ("base/web.yaml", WEB),
        ("prod/kustomization.yaml", "resources: [../base]\npatches: [{path: patch.yaml}]\n"),
        ("prod/patch.yaml", WEB),
        ("other.yaml", UPLOADS),
    ]);
    program(&files, "kubectl", &format!("echo \"$@\" >>args\ncat <<'END'\n{WEB}END\n"));
    let output = run_with_programs(&files, &["check", ".", "--render", "-o", "json"]);
    let json = json_of(&output);
    let mut found: Vec<&str> =
        json["objects"].as_array().unwrap().iter().map(|it| it["file"].as_str().unwrap()).collect();
    found.sort_unstable();
    assert_eq!(found, ["other.yaml", "prod (rendered)"], "{json}");
    assert_eq!(std::fs::read_to_string(files.0.path().join("args")).unwrap(), "kustomize ./prod\n");
    let output = command(files.0.path(), &["check", "prod", "--render"]).env("PATH", "/nowhere").output().unwrap();
    assert!(
        stderr(&output).contains("prod (rendered): cannot be rendered: `kustomize` and `kubectl` not found\n"),
        "{}",
        stderr(&output)
    );
}

/// As shown in the README.
#[test]
fn first_command_of_readme() {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let output = command(repository, &["check", "examples/demo/workloads"]).output().unwrap();
    assert_eq!((output.status.code(), stderr(&output).as_str()), (Some(1), ""));
    assert!(
        stdout(&output).ends_with(
            "15 objects in 11 files: 2 would be rejected, 4 would be warned about, 5 would be fixed, 1 accepted (its Pods would be fixed), 3 accepted\n"
        ),
        "{}",
        stdout(&output)
    );
}

#[test]
fn without_arguments() {
    let files = Files::new(&[("deploy/web.yaml", POD)]);
    let output = files.run(&["check"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(stdout(&output).starts_with("deploy/web.yaml\n  Pod team-a/web\n"), "{}", stdout(&output));
}
