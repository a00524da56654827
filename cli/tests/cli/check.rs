// SPDX-License-Identifier: Apache-2.0

//! `sa-hygiene check` as a pipeline sees it.

use std::io::Write as _;
use std::process::Stdio;

use serde_json::{Value, json};

use super::{Files, POD, QUIET_POD, command, stderr, stdout};

const CERT_MANAGER: &str = include_str!("../fixtures/cert-manager.yaml");
const INGRESS: &str = include_str!("../fixtures/ingress-nginx.yaml");
const MONITORING: &str = include_str!("../fixtures/monitoring.yaml");
const WINDOWS: &str = include_str!("../fixtures/windows.yaml");
const ANCHORS: &str = include_str!("../fixtures/anchors.yaml");
const TABS: &str = include_str!("../fixtures/tabs.yaml");
const LIVE: &str = include_str!("../fixtures/live.yaml");

/// In block style, which most people use.
const WEB: &str = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: web\n  namespace: team-a\nspec: # of web\n  containers:\n    - name: c\n      image: nginx\n";
const WARN: &str = "rules: {pod-automount: warn, default-service-account: off}\n";
const REJECT: &str = "rules: {pod-automount: reject}\n";

fn release() -> Files {
    Files::new(&[
        ("cert-manager.yaml", CERT_MANAGER),
        ("sub/ingress-nginx.yaml", INGRESS),
        ("sub/monitoring.yaml", MONITORING),
        ("windows.yaml", WINDOWS),
        ("anchors.yaml", ANCHORS),
        ("live.yaml", LIVE),
        ("values.yaml", "image: x\n"),
        (".hidden/pod.yaml", POD),
    ])
}

#[test]
fn rendered_releases() {
    let output = release().run(&["check", ".", "--fail-on", "never"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let text = stdout(&output);
    for line in [
        "cert-manager.yaml\n",
        "  Job cert-manager/cert-manager-startupapicheck: accepted; its Pods would be fixed  cert-manager/templates/startupapicheck-job.yaml\n",
        "    cert-manager.yaml:122:5: would fix pod-automount: in its Pods: spec.template.spec.automountServiceAccountToken: set to",
        "    cert-manager.yaml:5:1: would warn service-account-automount: automountServiceAccountToken: is true",
        "    sub/ingress-nginx.yaml:76:5: would warn pod-automount: spec.template.spec.automountServiceAccountToken: is not",
        "    sub/monitoring.yaml:74:19: would fix projected-token-lifetime: in its Pods: spec.template.spec.volumes[vault].projected",
        "    windows.yaml:15:5: would fix pod-automount: in its Pods: spec.template.spec.automountServiceAccountToken: set to",
        "    anchors.yaml:23:1: would fix pod-automount: spec.automountServiceAccountToken: set to false",
        "    live.yaml:32:5: would warn pod-automount: spec.automountServiceAccountToken: is true on the default account",
        "note: not listed, because their templates are checked: 1 Pod of controllers, 1 of them with findings\n",
        "note: skipped, not a Kubernetes object: 1 document\n",
        "note: not checked: no rule checks the kind (",
        "\n24 objects in 6 files: 5 would be warned about, 3 would be fixed, 5 accepted (their Pods would be fixed), 6 accepted, 5 not checked\n",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
    assert!(!text.contains("hidden"), "{text}");
    assert!(!text.contains('\u{1b}'), "no colours in a pipe");
}

#[test]
fn exit_codes() {
    let flow = "{apiVersion: v1, kind: ServiceAccount, metadata: {name: default}}\n";
    let files = Files::new(&[
        ("flow.yaml", flow),
        ("pod.yaml", POD),
        ("w.yaml", WARN),
        ("r.yaml", REJECT),
        ("tabs.yaml", TABS),
        ("quiet.yaml", QUIET_POD),
    ]);
    for (arguments, expected) in [
        (&["check", "quiet.yaml", "--fail-on", "warn"][..], 0),
        (&["check", "pod.yaml"], 0),
        (&["check", "pod.yaml", "-s", "w.yaml", "--fail-on", "warn"], 1),
        (&["check", "pod.yaml", "-s", "r.yaml", "tabs.yaml", "--fail-on", "never"], 2),
        (&["check", "pod.yaml", "-s", "r.yaml", "--fail-on", "never"], 0),
        (&["check", "pod.yaml", "-s", "r.yaml"], 1),
        (&["check", "w.yaml"], 2),
        (&["check", "w.yaml", "--skip-non-objects"], 0),
        (&["check", "flow.yaml", "--diff"], 3),
    ] {
        let output = files.run(arguments);
        assert_eq!(output.status.code(), Some(expected), "{arguments:?}: {}{}", stdout(&output), stderr(&output));
    }
}

#[test]
fn unreadable_documents() {
    let two = format!("{WEB}---\na: [\n---\n{}", WEB.replace("name: web", "name: web2"));
    let output =
        Files::new(&[("two.yaml", &two), ("tabs.yaml", TABS)]).run(&["check", "tabs.yaml", "two.yaml", "gone"]);
    assert_eq!(output.status.code(), Some(2));
    let (text, errors) = (stdout(&output), stderr(&output));
    assert!(text.contains("two.yaml:6:1: would fix") && text.contains("two.yaml:18:1: would fix"), "{text}");
    assert!(text.ends_with("2 objects in 1 file: 2 would be fixed, 3 unreadable\n"), "{text}");
    assert!(errors.starts_with("error: tabs.yaml:4:1: found character that cannot start any token"), "{errors}");
    assert!(errors.contains("error: two.yaml:12:1: ") && errors.contains("error: gone: No such file"), "{errors}");
    let nothing = Files::new(&[("a/values.yaml", "x: 1\n")]).run(&["check", "a"]);
    assert_eq!(nothing.status.code(), Some(2), "a folder without manifests is a mistake");
    assert!(stderr(&nothing).contains("nothing to check here"), "{}", stderr(&nothing));
}

#[test]
fn fixes_standard_input() {
    let directory = tempfile::tempdir().unwrap();
    let mut child = command(directory.path(), &["check", "-", "--fix", "-n", "team-b"]);
    let mut child = child.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(WEB.replace("  namespace: team-a\n", "").as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let text = WEB.replace("  namespace: team-a\n", "");
    assert_eq!(stdout(&output), text.replace("# of web\n", "# of web\n  automountServiceAccountToken: false\n"));
    assert!(
        stderr(&output).starts_with("fixed: -: 1 object\nstandard input\n  Pod team-b/web\n    -:5:1: would fix"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn fixes_are_idempotent() {
    let files = Files::new(&[("a/web.yaml", WEB), ("windows.yaml", WINDOWS), ("list.yaml", MONITORING)]);
    let read = |name: &str| std::fs::read_to_string(files.0.path().join(name)).unwrap();
    let diff = files.run(&["check", ".", "--diff"]);
    assert_eq!(diff.status.code(), Some(0), "{}", stderr(&diff));
    assert!(stdout(&diff).starts_with("--- a/web.yaml\n+++ a/web.yaml\n@@ "), "{}", stdout(&diff));
    assert!(stdout(&diff).contains("\n+  automountServiceAccountToken: false\n"), "{}", stdout(&diff));
    assert_eq!(read("a/web.yaml"), WEB, "--diff writes nothing");

    let first = files.run(&["check", ".", "--fix", "--fail-on", "warn"]);
    assert_eq!(first.status.code(), Some(0), "{}{}", stdout(&first), stderr(&first));
    assert!(stdout(&first).contains(" accepted, "), "{}", stdout(&first));
    assert_eq!(read("a/web.yaml"), WEB.replace("of web\n", "of web\n  automountServiceAccountToken: false\n"));
    assert!(read("list.yaml").contains("expirationSeconds: 86400 # ten days\n"));
    let windows = read("windows.yaml");
    assert_eq!(windows.matches('\n').count(), windows.matches("\r\n").count());
    assert_eq!(windows.len(), WINDOWS.len() + "automountServiceAccountToken: false\r\n".len() * 2 + "      ".len());

    let second = files.run(&["check", ".", "--fix"]);
    assert_eq!((second.status.code(), stderr(&second).as_str()), (Some(0), ""));
    assert_eq!(read("windows.yaml"), windows);
    let left: Vec<_> = std::fs::read_dir(files.0.path()).unwrap().map(|it| it.unwrap().file_name()).collect();
    assert_eq!(left.len(), 3, "no temporary files: {left:?}");
}

#[test]
fn unfixable_objects() {
    let files = Files::new(&[("pod.yaml", POD), ("anchors.yaml", ANCHORS)]);
    let output = files.run(&["check", ".", "--fix"]);
    assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
    let errors = stderr(&output);
    assert!(
        errors.contains("fixed: anchors.yaml: 1 object\n") && errors.contains("fixed: pod.yaml: 1 object\n"),
        "{errors}"
    );
    assert!(errors.contains("not fixed: anchors.yaml:1: Deployment shop/anchored: it has an anchor"), "{errors}");
}

/// Requests for `run` as a person would write them, with the changes that the API server makes to each object.
#[test]
fn same_verdict_as_run() {
    let request = |group: &str, kind: &str, resource: &str, namespace: &str, object: Value| {
        json!({
            "uid": "1", "operation": "CREATE", "namespace": namespace, "name": object["metadata"]["name"],
            "kind": {"group": group, "version": "v1", "kind": kind},
            "resource": {"group": group, "version": "v1", "resource": resource},
            "userInfo": {"username": "alice", "groups": ["system:authenticated"]},
            "object": object,
        })
    };
    // The name that the simulation generates for this Pod; a message contains it.
    let token = json!({"name": "kube-api-access-mbl96", "projected": {"defaultMode": 420, "sources": [
        {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
        {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
        {"downwardAPI": {"items": [{"path": "namespace", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}}]}},
    ]}});
    let mount = json!({"name": "kube-api-access-mbl96", "readOnly": true, "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount"});
    let pod = |spec: &str| {
        format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: web, namespace: shop}}\nspec:\n{spec}  containers: [{{name: c, image: nginx}}]\n"
        )
    };
    let admitted = |automount: Option<bool>| {
        let mut object = json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "namespace": "shop"},
            "spec": {
                "serviceAccount": "default", "serviceAccountName": "default", "volumes": [token],
                "containers": [{"name": "c", "image": "nginx", "volumeMounts": [mount]}],
            },
        });
        if let Some(automount) = automount {
            object["spec"]["automountServiceAccountToken"] = automount.into();
        }
        request("", "Pod", "pods", "shop", object)
    };
    let account = |arn: &str| {
        format!(
            "apiVersion: v1\nkind: ServiceAccount\nmetadata:\n  name: up\n  namespace: shop\n  annotations:\n    eks.amazonaws.com/role-arn: {arn}\n"
        )
    };
    let account_request = |arn: &str| {
        let metadata = json!({"name": "up", "namespace": "shop", "annotations": {"eks.amazonaws.com/role-arn": arn}});
        let object = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata});
        request("", "ServiceAccount", "serviceaccounts", "shop", object)
    };
    let deployment = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web, namespace: shop}\nspec:\n  selector: {}\n  template: {spec: {containers: [{name: c, image: nginx}]}}\n";
    let deployment_request = request(
        "apps",
        "Deployment",
        "deployments",
        "shop",
        json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "shop"},
            "spec": {"selector": {}, "template": {"spec": {"containers": [{"name": "c", "image": "nginx"}]}}},
        }),
    );
    let (bad, good) = ("arn:aws:iam::12345:role/up", "arn:aws:iam::123456789012:role/up");
    let pairs = [
        (pod(""), admitted(None)),
        (pod("  automountServiceAccountToken: true\n"), admitted(Some(true))),
        (account(bad), account_request(bad)),
        (account(good), account_request(good)),
        (deployment.to_owned(), deployment_request),
    ];
    let manifests: Vec<&str> = pairs.iter().map(|(manifest, _)| manifest.as_str()).collect();
    let requests: Vec<String> = pairs.iter().map(|(_, request)| request.to_string()).collect();
    let files = Files::new(&[("m.yaml", &manifests.join("---\n")), ("r.json", &requests.join("\n"))]);
    let json = |arguments: &[&str]| serde_json::from_slice::<Value>(&files.run(arguments).stdout).unwrap();
    let (check, run) = (json(&["check", "m.yaml", "-o", "json"]), json(&["run", "r.json", "-o", "json"]));
    let texts =
        |list: &Value, text: &dyn Fn(&Value) -> String| list.as_array().unwrap().iter().map(text).collect::<Vec<_>>();
    let mut verdicts = Vec::new();
    for (number, manifest) in manifests.iter().enumerate() {
        let (check, run) = (&check["objects"][number], &run["results"][number]);
        let found = texts(&check["findings"], &|it| {
            let text = |key: &str| it[key].as_str().unwrap();
            let pods = if it["inPods"] == true { "in its Pods: " } else { "" };
            format!("{}: {pods}{}: {}", text("rule"), text("field"), text("text"))
        });
        // Only `check` reports on bindings, because it knows that only files were read.
        let found: Vec<_> = found.iter().map(|line| line.replace(", no binding in the input", "")).collect();
        let said = texts(&run["findings"], &|it| it.as_str().unwrap().to_owned());
        let sorted = |mut lines: Vec<String>| {
            lines.sort();
            lines
        };
        assert_eq!(sorted(found), sorted(said), "{manifest}");
        let verdict = run["verdict"].as_str().unwrap();
        assert_eq!(check["verdict"], verdict, "{manifest}");
        verdicts.push(verdict);
    }
    assert_eq!(
        verdicts,
        ["wouldFix", "wouldWarn", "wouldReject", "accepted", "podsWouldBeFixed"],
        "not only one kind of them"
    );
}

#[test]
fn policies_of_the_cluster() {
    let policy = |name: &str, settings: &str| {
        format!(
            "apiVersion: policies.kubewarden.io/v1\nkind: ClusterAdmissionPolicy\nmetadata: {{name: {name}}}\nspec:\n  module: ghcr.io/x/serviceaccount-hygiene:v1\n  mutating: {}\n  settings: {settings}\n  rules: [{{apiGroups: [''], apiVersions: [v1], resources: [pods], operations: [CREATE]}}]\n",
            name == "a"
        )
    };
    let both = format!(
        "{}---\n{}",
        policy("b", "{phase: validating, rules: {pod-automount: off, default-service-account: off}}"),
        policy("a", "{rules: {pod-automount: off, default-service-account: reject}}")
    );
    let files = Files::new(&[
        ("pod.yaml", POD),
        ("both.yaml", &both),
        ("other.yaml", &both.replace("hygiene", "x")),
        (
            "kustomization.yaml",
            "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: [both.yaml]\n",
        ),
    ]);
    let output = files.run(&["check", "pod.yaml", "--policy-manifest", "both.yaml"]);
    assert_eq!(output.status.code(), Some(1), "{}{}", stdout(&output), stderr(&output));
    assert!(stdout(&output).contains("would reject default-service-account: "), "{}", stdout(&output));
    let output = files.run(&["check", "pod.yaml", "--policy-manifest", "kustomization.yaml"]);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(
        stderr(&output),
        "error: policy manifests: kustomization.yaml:1:1: a kustomization; pipe the output of `kustomize build` to `--policy-manifest -`\n"
    );
    let output = files.run(&["check", "pod.yaml", "--policy-manifest", "other.yaml"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("no policy with the module serviceaccount-hygiene"), "{}", stderr(&output));
}

#[test]
fn writes_and_applies_baseline() {
    let files = Files::new(&[("pod.yaml", POD), ("r.yaml", REJECT)]);
    assert_eq!(
        files.run(&["check", "pod.yaml", "-s", "r.yaml", "--write-baseline", "known.yaml"]).status.code(),
        Some(0)
    );
    let output = files.run(&["check", "pod.yaml", "-s", "r.yaml", "--baseline", "known.yaml"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(stdout(&output).contains(" in the baseline"), "{}", stdout(&output));
    assert!(!stdout(&output).contains("pod.yaml:"), "what is known is not listed: {}", stdout(&output));
    let output = files.run(&["check", "pod.yaml", "--baseline", "pod.yaml"]);
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn preview() {
    let output = release().run(&["check", ".", "--summary", "--fail-on", "never"]);
    let text = stdout(&output);
    let rows: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
    assert!(rows.contains(&vec!["pod-automount", "shop", "1", "4", "·", "4", "·", "·"]), "{text}");
    assert!(rows.contains(&vec!["projected-token-lifetime", "monitoring", "·", "1", "·", "·", "·", "·"]), "{text}");
}

#[test]
fn machine_readable_formats() {
    let files = Files::new(&[("pod.yaml", POD), ("tabs.yaml", TABS), ("r.yaml", REJECT)]);
    let run = |format: &str| stdout(&files.run(&["check", "pod.yaml", "tabs.yaml", "-s", "r.yaml", "-o", format]));
    let json: Value = serde_json::from_str(&run("json")).unwrap();
    assert_eq!(
        (&json["version"], &json["summary"]["wouldReject"], &json["unreadable"][0]["line"]),
        (&json!(2), &json!(1), &json!(4))
    );
    assert_eq!(json["objects"][0]["findings"][0]["line"], 4);
    let sarif: Value = serde_json::from_str(&run("sarif")).unwrap();
    assert_eq!(
        sarif["runs"][0]["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"],
        "pod.yaml"
    );
    let junit = run("junit");
    assert!(
        junit.contains("<testsuites name=\"sa-hygiene check\" tests=\"2\" skipped=\"0\" failures=\"1\" errors=\"1\">"),
        "{junit}"
    );
    let github = run("github");
    assert!(github.contains("::error file=pod.yaml,line=4,col=1,title=Pod team-a/web would reject::"), "{github}");
    assert!(
        github.contains("::error file=tabs.yaml,line=4,col=1::found character that cannot start any token"),
        "{github}"
    );
}

/// The replacements in SARIF have the same result as `--fix`.
#[test]
fn fixes_in_sarif() {
    let files = Files::new(&[("pod.yaml", POD)]);
    let sarif: Value = serde_json::from_str(&stdout(&files.run(&["check", "pod.yaml", "-o", "sarif"]))).unwrap();
    let results = sarif["runs"][0]["results"].as_array().unwrap();
    let fix = results.iter().find_map(|result| result["fixes"].get(0)).unwrap_or_else(|| panic!("{sarif}"));
    let [change] = fix["artifactChanges"].as_array().unwrap().as_slice() else { panic!("{fix}") };
    assert_eq!(change["artifactLocation"]["uri"], "pod.yaml");
    let mut text = POD.to_owned();
    // Starts at the end, so that earlier positions stay valid.
    for replacement in change["replacements"].as_array().unwrap().iter().rev() {
        let region = &replacement["deletedRegion"];
        let number = |key: &str| usize::try_from(region[key].as_u64().unwrap()).unwrap();
        let at = |line: usize, column: usize| {
            let before: usize = POD.split_inclusive('\n').take(line - 1).map(str::len).sum();
            before + column - 1
        };
        let range = at(number("startLine"), number("startColumn"))..at(number("endLine"), number("endColumn"));
        text.replace_range(range, replacement["insertedContent"]["text"].as_str().unwrap());
    }
    files.run(&["check", "pod.yaml", "--fix"]);
    assert_ne!(text, POD);
    assert_eq!(text, std::fs::read_to_string(files.0.path().join("pod.yaml")).unwrap());
}

#[test]
fn rules_and_explain() {
    let files = Files::new(&[]);
    let list = stdout(&files.run(&["rules"]));
    assert!(list.lines().any(|line| line.starts_with("pod-automount ") && line.contains("mutate")), "{list}");
    let page = stdout(&files.run(&["explain", "pod-automount"]));
    assert!(
        page.starts_with("pod-automount\n") && page.contains("keepForAnnotations") && !page.contains("<!--"),
        "{page}"
    );
    let unknown = files.run(&["explain", "pod-automont"]);
    assert_eq!(unknown.status.code(), Some(2));
    assert!(
        stderr(&unknown).contains("unknown rule `pod-automont`; did you mean `pod-automount`?"),
        "{}",
        stderr(&unknown)
    );
}

#[test]
fn completions_and_man_pages() {
    let files = Files::new(&[]);
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        assert!(stdout(&files.run(&["completions", shell])).contains("write-baseline"), "{shell}");
    }
    let man = stdout(&files.run(&["man", "check"]));
    assert!(
        man.contains(".TH sa-hygiene-check 1") && man.contains("write\\-baseline") && man.contains("Exit codes"),
        "{man}"
    );
    assert!(stdout(&files.run(&["man"])).contains(".TH sa-hygiene 1"));
    assert_eq!(files.run(&["man", "chekc"]).status.code(), Some(2));
    assert_eq!(files.run(&["man", "--out-dir", "man1"]).status.code(), Some(0));
    let mut pages: Vec<std::ffi::OsString> =
        std::fs::read_dir(files.0.path().join("man1")).unwrap().map(|it| it.unwrap().file_name()).collect();
    pages.sort();
    let expected = ["audit", "check", "completions", "corpus", "explain", "man", "rules", "run"]
        .map(|it| format!("sa-hygiene-{it}.1"));
    assert_eq!(
        pages.iter().map(|it| it.to_str().unwrap()).collect::<Vec<_>>().join(" "),
        format!("{} sa-hygiene.1", expected.join(" "))
    );
}

const PATCH: &str = "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: web\nspec:\n  selector: {matchLabels: {a: b}}\n  template:\n    spec:\n      containers:\n      - name: c\n        image: x\n";

#[test]
fn patches_of_kustomizations() {
    let files = Files::new(&[
        ("prod/kustomization.yaml", "resources: [../base]\npatches: [{path: web.yaml}, {path: ../more.yaml}]\n"),
        ("prod/web.yaml", PATCH),
        ("more.yaml", PATCH),
        ("base/kustomization.yaml", "resources: [web.yaml]\n"),
        ("base/web.yaml", WEB),
    ]);
    let read = |name: &str| std::fs::read_to_string(files.0.path().join(name)).unwrap();
    for arguments in [&["check", ".", "--fix"][..], &["check", "prod/web.yaml", "more.yaml", "--fix"]] {
        let output = files.run(arguments);
        assert!(matches!(output.status.code(), Some(0)), "{}{}", stdout(&output), stderr(&output));
        assert!(stdout(&output).contains("2 partial"), "{}", stdout(&output));
        assert_eq!((read("prod/web.yaml").as_str(), read("more.yaml").as_str()), (PATCH, PATCH));
    }
    assert_ne!(read("base/web.yaml"), WEB, "a resource is an object");
    let output = files.run(&["check", ".", "--fix"]);
    assert!(
        stdout(&output).contains("note: patches of prod are not checked; check the result with --render or: kustomize build prod | sa-hygiene check -\n"),
        "{}",
        stdout(&output)
    );
    assert!(stdout(&output).contains("a kustomization (2)"), "{}", stdout(&output));
}

#[test]
fn escapes_names() {
    let evil = "a\n::error::b\u{1b}[2J.yaml";
    let pod = POD
        .replace("name: web", "name: \"w\\n::error::x\\e[31m\"")
        .replace("image: nginx", "image: nginx, volumeMounts: [{name: x, mountPath: /x}]");
    let files =
        Files::new(&[(evil, &pod), ("::error::c.yaml", "a: [\n"), ("d\u{1b}[1m/e.yaml", &format!("{WEB}---\na: [\n"))]);
    for arguments in [
        &["check", "."][..],
        &["check", ".", "--diff"],
        &["check", ".", "--summary"],
        &["check", ".", "-o", "github"],
        &["run", "."],
        &["run", evil],
        &["check", evil, "--fix"],
        &["check", "\u{1b}[31m\n::error::gone"],
    ] {
        let output = files.run(arguments);
        for text in [stdout(&output), stderr(&output)] {
            assert!(!text.contains('\u{1b}'), "{arguments:?}: {text}");
            let commands = text.lines().filter(|line| line.trim_start().starts_with("::"));
            let is_own = |line: &str| {
                arguments.contains(&"github")
                    && (line.starts_with("::error file=")
                        || line.starts_with("::no")
                        || line.starts_with("::warning file="))
            };
            assert_eq!(commands.filter(|line| !is_own(line)).collect::<Vec<_>>(), Vec::<&str>::new(), "{arguments:?}");
        }
    }
}

#[test]
fn exit_code_of_invalid_and_partial_objects() {
    let invalid =
        WEB.replace("      image: nginx\n", "      image: nginx\n      volumeMounts: [{name: gone, mountPath: /x}]\n");
    let files = Files::new(&[
        ("pod.yaml", &invalid),
        ("patch.yaml", "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\nspec: {replicas: 2}\n"),
    ]);
    let output = files.run(&["check", ".", "-o", "json"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&json["summary"]["invalid"], &json["summary"]["partial"]), (&json!(1), &json!(1)));
    assert_eq!(json["objects"][1]["verdict"], "invalid");
    let text = stdout(&files.run(&["check", "."]));
    assert!(text.contains("pod.yaml:10:23: invalid api-server: spec.containers[0].volumeMounts[0].name: the API server rejects it: Not found: \"gone\"\n"), "{text}");
    assert!(text.contains("validate manifests with `kubeconform` too"), "{text}");
}

#[test]
fn documents_are_complete() {
    let files = Files::new(&[("empty/notes.txt", "x")]);
    for format in ["json", "sarif", "junit"] {
        for folder in ["empty", "gone"] {
            let output = files.run(&["check", folder, "-o", format]);
            assert_eq!(output.status.code(), Some(2), "{format} {folder}");
            let text = stdout(&output);
            assert!(text.trim_end().ends_with(if format == "junit" { '>' } else { '}' }), "{format} {folder}: {text}");
            assert!(format == "junit" || serde_json::from_str::<Value>(&text).is_ok(), "{text}");
        }
    }
}

#[test]
fn special_files() {
    let files = Files::new(&[("web.yaml", WEB)]);
    let pipe = files.0.path().join("pipe.yaml");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let output = files.run(&["check", "."]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("error: pipe.yaml: not a regular file"), "{}", stderr(&output));
    assert!(stdout(&output).contains("1 would be fixed, 1 unreadable"), "{}", stdout(&output));
    let large = Files::new(&[("web.yaml", &format!("{WEB}# {}\n", "x".repeat(1 << 20)))]);
    assert_eq!(large.run(&["check", "web.yaml", "--max-file-size", "1"]).status.code(), Some(2));
    assert_eq!(large.run(&["check", "web.yaml", "--max-file-size", "2"]).status.code(), Some(0));
}

/// The findings of the first file are printed before a later file has been checked.
#[test]
fn streams_findings() {
    let many = format!("{WEB}---\n").repeat(20_000);
    let files = Files::new(&[("a.yaml", WEB), ("b.yaml", &many)]);
    let mut child = command(files.0.path(), &["check", "a.yaml", "b.yaml"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(child.stdout.take().unwrap()));
    let first: Vec<String> = lines.by_ref().take(2).map(Result::unwrap).collect();
    assert_eq!(first, ["a.yaml", "  Pod team-a/web"]);
    assert!(child.try_wait().unwrap().is_none(), "it goes on");
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn deep_nesting_and_expanding_aliases() {
    let deep = format!("{WEB}x: {}{}\n", "[".repeat(50_000), "]".repeat(50_000));
    let long = format!("a: &a {}\nb: [{}]\n", "x".repeat(1 << 20), "*a,".repeat(100));
    let files = Files::new(&[("deep.yaml", &deep), ("long.yaml", &long)]);
    let errors = stderr(&files.run(&["check", "."]));
    assert!(errors.contains("deep.yaml:10:259: nested deeper than 256 levels"), "{errors}");
    assert!(errors.contains("aliases expand to more than 32 MB"), "{errors}");
}

#[test]
fn link_out_of_the_tree() {
    let files = Files::new(&[("outside.yaml", WEB), ("tree/in.yaml", WEB)]);
    std::os::unix::fs::symlink("../outside.yaml", files.0.path().join("tree/link.yaml")).unwrap();
    let output = files.run(&["check", "tree", "--fix"]);
    assert_eq!(output.status.code(), Some(3));
    assert!(
        stderr(&output).contains("not fixed: tree/link.yaml: left unchanged: a symbolic link that points outside of"),
        "{}",
        stderr(&output)
    );
    assert!(stderr(&output).contains("fixed: tree/in.yaml: 1 object\n"), "{}", stderr(&output));
    assert_eq!(std::fs::read_to_string(files.0.path().join("outside.yaml")).unwrap(), WEB);
}
