// SPDX-License-Identifier: Apache-2.0

//! `sa-hygiene audit` as users and pipelines see it. `kubectl` is a script that answers from files.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Output;

use policy_audit::sample;
use serde_json::{Value, json};

use super::{Files, command, stderr, stdout};

/// Texts that the output must never contain: values of variables, people, addresses, programs.
const NEVER: [&str; 4] = ["do-not-repeat-me", "alice", "10.0.0.7", "linux/amd64"];

pub(super) fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Compares with a file of the repository; `BLESS=1` writes it.
pub(super) fn is_as_in(file: &str, text: &str) {
    let path = repository().join(file);
    if std::env::var_os("BLESS").is_some() && std::env::var_os("CI").is_none() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    assert!(text == expected, "{file} differs; BLESS=1 rewrites it. It would be:\n{text}");
}

fn example(arguments: &[&str]) -> Output {
    let files = ["audit", "cluster.json", "--audit-log", "audit.log"];
    command(&repository().join("examples/audit"), &[&files[..], arguments].concat()).output().unwrap()
}

#[test]
fn example_is_generated() {
    is_as_in(
        "examples/audit/cluster.json",
        &(serde_json::to_string_pretty(&sample::example_cluster()).unwrap() + "\n"),
    );
    is_as_in("examples/audit/audit.log", &sample::example_log());
}

#[test]
fn example_in_all_formats() {
    for (format, file) in
        [("text", "report.txt"), ("json", "report.json"), ("csv", "report.csv"), ("html", "report.html")]
    {
        let output = example(&["-o", format]);
        assert_eq!((output.status.code(), stderr(&output)), (Some(0), String::new()));
        let text = stdout(&output);
        for never in NEVER {
            assert!(!text.contains(never), "{format}: {never}");
        }
        if format == "text" {
            let widest = text.lines().map(|line| line.chars().count()).max();
            assert!(widest <= Some(100), "{widest:?}");
        }
        // The page is too long for a readable difference; its parts have their own tests, and so does the page in a browser.
        if format != "html" {
            is_as_in(&format!("examples/audit/{file}"), &text);
        }
    }
}

/// The documentation shows the actual output.
#[test]
fn documentation_shows_example() {
    let page = fs::read_to_string(repository().join("docs/audit.md")).unwrap();
    let (before, rest) = page.split_once("<!-- report -->\n").unwrap();
    let (_, after) = rest.split_once("<!-- /report -->").unwrap();
    let text = stdout(&example(&[]));
    is_as_in("docs/audit.md", &format!("{before}<!-- report -->\n```text\n{text}```\n<!-- /report -->{after}"));
}

#[test]
fn schema_is_published() {
    let schema = policy_audit::report::schema();
    is_as_in("docs/audit.schema.json", &(serde_json::to_string_pretty(&schema).unwrap() + "\n"));
    let report: Value = serde_json::from_slice(&example(&["-o", "json"]).stdout).unwrap();
    jsonschema::validate(&schema, &report).unwrap();
}

#[test]
fn advice_overwrites_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (patches, settings) = (folder.path().join("patches"), folder.path().join("settings.yaml"));
    let arguments = ["--patch", patches.to_str().unwrap(), "--settings-out", settings.to_str().unwrap()];
    let output = example(&arguments);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let mut found = String::new();
    let mut folders = vec![patches.clone()];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    files.sort();
    for file in files {
        let name = file.strip_prefix(&patches).unwrap().display().to_string();
        found = [found, format!("==> {name} <==\n{}\n", fs::read_to_string(&file).unwrap())].concat();
    }
    is_as_in("examples/audit/advice.txt", &found);
    is_as_in("examples/audit/settings.yaml", &fs::read_to_string(&settings).unwrap());
    let again = example(&arguments);
    assert_eq!(again.status.code(), Some(2));
    assert!(stderr(&again).contains("is not empty"), "{}", stderr(&again));
}

/// With these settings, the policy changes no Pod that must keep its token, and still changes the others.
#[test]
fn settings_keep_tokens() {
    let cluster = sample::example_cluster();
    let pods: Vec<&Value> =
        cluster["items"].as_array().unwrap().iter().filter(|it| it["kind"] == "Deployment").collect();
    let files = Files::new(&[("pods.json", &json!({"kind": "List", "apiVersion": "v1", "items": pods}).to_string())]);
    let settings = repository().join("examples/audit/settings.yaml");
    let strict = "rules: {pod-automount: {action: reject, scope: all, optIn: pod}}\n";
    let text = fs::read_to_string(settings).unwrap() + strict;
    fs::write(files.0.path().join("settings.yaml"), text).unwrap();
    let output = files.run(&["check", "pods.json", "-s", "settings.yaml", "-o", "json", "--fail-on", "never"]);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let objects = report["objects"].as_array().unwrap();
    let is_named = |object: &Value| {
        object["findings"].as_array().unwrap().iter().any(|finding| finding["rule"] == "pod-automount")
    };
    let named: Vec<&str> = objects.iter().filter(|it| is_named(it)).filter_map(|it| it["name"].as_str()).collect();
    assert_eq!(named, ["site", "web"], "{report:#}");
}

/// A `kubectl` that answers from files next to it, which are named after the requested path, and records every call.
struct Stub(tempfile::TempDir);

const SCRIPT: &str = r#"#!/bin/sh
here=$(dirname "$0")
printf '%s\n' "$*" >>"$here/calls"
while [ "$1" = --kubeconfig ] || [ "$1" = --context ]; do shift 2; done
if [ "$2" = --raw ]; then name=$(printf %s "$3" | tr '/?&=' '____'); else name=table; fi
if [ -f "$here/$name.once" ]; then cat "$here/$name.once" >&2; rm "$here/$name.once"; exit 1; fi
if [ -f "$here/$name.error" ]; then cat "$here/$name.error" >&2; exit 1; fi
if [ -f "$here/$name" ]; then cat "$here/$name"; elif [ -f "$here/default.error" ]; then cat "$here/default.error" >&2; exit 1
else echo '{"kind":"List","apiVersion":"v1","metadata":{},"items":[]}'; fi
"#;

const KINDS: [(&str, &str, &str); 14] = [
    ("Namespace", "v1", "namespaces"),
    ("ServiceAccount", "v1", "serviceaccounts"),
    ("Pod", "v1", "pods"),
    ("ReplicationController", "v1", "replicationcontrollers"),
    ("ReplicaSet", "apps/v1", "replicasets"),
    ("Deployment", "apps/v1", "deployments"),
    ("StatefulSet", "apps/v1", "statefulsets"),
    ("DaemonSet", "apps/v1", "daemonsets"),
    ("Job", "batch/v1", "jobs"),
    ("CronJob", "batch/v1", "cronjobs"),
    ("Role", "rbac.authorization.k8s.io/v1", "roles"),
    ("ClusterRole", "rbac.authorization.k8s.io/v1", "clusterroles"),
    ("RoleBinding", "rbac.authorization.k8s.io/v1", "rolebindings"),
    ("ClusterRoleBinding", "rbac.authorization.k8s.io/v1", "clusterrolebindings"),
];

fn file_of(api_version: &str, plural: &str, rest: &str) -> String {
    let root = if api_version.contains('/') { "/apis/" } else { "/api/" };
    format!("{root}{api_version}/{rest}{plural}?limit=500").replace(['/', '?', '&', '='], "_")
}

impl Stub {
    /// The cluster of the example, as the API server lists it: items have no `kind`. Each page has seven Pods.
    fn new() -> Self {
        let stub = Self(tempfile::tempdir().unwrap());
        stub.write("kubectl", SCRIPT);
        fs::set_permissions(stub.path("kubectl"), fs::Permissions::from_mode(0o755)).unwrap();
        let cluster = sample::example_cluster();
        let objects = cluster.get("items").and_then(Value::as_array).unwrap();
        for (kind, api_version, plural) in KINDS {
            let mut items: Vec<Value> =
                objects.iter().filter(|it| it.get("kind").is_some_and(|it| it == kind)).cloned().collect();
            for item in &mut items {
                item.as_object_mut().unwrap().retain(|key, _| key != "kind" && key != "apiVersion");
            }
            let mut pages: Vec<&[Value]> = items.chunks(7).collect();
            if pages.is_empty() {
                pages.push(&[]);
            }
            for (index, page) in pages.iter().enumerate() {
                let continue_token =
                    if index + 1 < pages.len() { format!("page/{}+=", index + 1) } else { String::new() };
                let list = json!({"kind": format!("{kind}List"), "apiVersion": api_version,
                    "metadata": {"resourceVersion": "1", "continue": continue_token}, "items": page});
                let token = if index == 0 { String::new() } else { format!("_continue_page%2F{index}%2B%3D") };
                stub.write(&(file_of(api_version, plural, "") + &token), &list.to_string());
            }
        }
        stub
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    fn audit(&self, arguments: &[&str]) -> Output {
        let log = repository().join("examples/audit/audit.log");
        let program = self.path("kubectl");
        let fixed = ["audit", "--kubectl", program.to_str().unwrap(), "--audit-log", log.to_str().unwrap()];
        command(self.0.path(), &[&fixed[..], arguments].concat()).output().unwrap()
    }

    fn calls(&self) -> Vec<String> {
        let mut calls: Vec<String> =
            fs::read_to_string(self.path("calls")).unwrap().lines().map(str::to_owned).collect();
        calls.sort();
        calls
    }
}

#[test]
fn same_report_through_kubectl() {
    let stub = Stub::new();
    let output = stub.audit(&["-o", "csv"]);
    assert_eq!((output.status.code(), stderr(&output)), (Some(0), String::new()));
    assert_eq!(stdout(&output), stdout(&example(&["-o", "csv"])));
    let calls = stub.calls();
    assert!(calls.iter().all(|it| it.starts_with("get --raw /api")), "{calls:?}");
    assert!(calls.contains(&"get --raw /api/v1/pods?limit=500&continue=page%2F1%2B%3D".to_owned()), "{calls:?}");
    assert!(!calls.iter().any(|it| it.contains("secrets")), "{calls:?}");
}

#[test]
fn passes_context_on() {
    let stub = Stub::new();
    stub.audit(&["--context", "prod", "--kubeconfig", "other.yaml"]);
    assert!(stub.calls().iter().all(|it| it.starts_with("--kubeconfig other.yaml --context prod get --raw /api")));
}

#[test]
fn one_namespace() {
    let stub = Stub::new();
    let output = stub.audit(&["-n", "shop", "-o", "json"]);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["cluster"]["namespace"], "shop");
    let calls = stub.calls();
    assert!(calls.contains(&"get --raw /api/v1/namespaces/shop/pods?limit=500".to_owned()), "{calls:?}");
    // A binding of any namespace can name an account of this one.
    assert!(
        calls.contains(&"get --raw /apis/rbac.authorization.k8s.io/v1/rolebindings?limit=500".to_owned()),
        "{calls:?}"
    );
    assert!(!calls.iter().any(|it| it.contains("/namespaces/shop/rolebindings")), "{calls:?}");

    let why = "Error from server (Forbidden): rolebindings.rbac.authorization.k8s.io is forbidden: User \"bob\" cannot list\n";
    stub.write(&(file_of("rbac.authorization.k8s.io/v1", "rolebindings", "") + ".error"), why);
    let output = stub.audit(&["-n", "shop"]);
    assert_eq!(output.status.code(), Some(0));
    assert!(
        stdout(&output).contains("not read: rolebindings of other namespaces: (Forbidden): "),
        "{}",
        stdout(&output)
    );
}

#[test]
fn missing_permission() {
    let stub = Stub::new();
    let why = "Error from server (Forbidden): pods is forbidden: User \"bob\" cannot list resource \"pods\"\n";
    stub.write(&(file_of("v1", "pods", "") + ".error"), why);
    let output = stub.audit(&[]);
    assert_eq!((output.status.code(), stderr(&output)), (Some(0), String::new()));
    let text = stdout(&output);
    assert!(
        text.contains("not read: pods: (Forbidden): pods is forbidden: User \"bob\" cannot list resource"),
        "{text}"
    );
    assert!(text.contains("its Pods will get a token"), "templates are there: {text}");
}

#[test]
fn unreadable_cluster() {
    let stub = Stub::new();
    fs::remove_dir_all(stub.0.path()).unwrap();
    fs::create_dir(stub.0.path()).unwrap();
    stub.write("kubectl", SCRIPT);
    fs::set_permissions(stub.path("kubectl"), fs::Permissions::from_mode(0o755)).unwrap();
    stub.write("default.error", "E1128 memcache.go:265\nUnable to connect to the server: dial tcp: lookup nowhere\n");
    let output = stub.audit(&[]);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(
        stderr(&output),
        "error: nothing can be read from the cluster: Unable to connect to the server: dial tcp: lookup nowhere\n"
    );
    let output = stub.audit(&["--kubectl", "no-such-kubectl"]);
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn error_without_kubectl() {
    let folder = tempfile::tempdir().unwrap();
    let output = command(folder.path(), &["audit"]).env("PATH", "").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(
        stderr(&output),
        "error: `kubectl` cannot be started: No such file or directory (os error 2); install kubectl, or name it with --kubectl\n"
    );
}

#[test]
fn expired_list() {
    let stub = Stub::new();
    let page = file_of("v1", "pods", "") + "_continue_page%2F1%2B%3D";
    let why = "Error from server (Expired): The provided continue parameter is too old to display a consistent list result.\n";
    stub.write(&(page.clone() + ".once"), why);
    let output = stub.audit(&["-o", "csv"]);
    assert_eq!(stdout(&output), stdout(&example(&["-o", "csv"])));
    stub.write(&(page + ".error"), why);
    let output = stub.audit(&[]);
    assert!(stdout(&output).contains("not read: pods: the list changed too fast to be read"), "{}", stdout(&output));
}

#[test]
fn answer_that_is_not_a_list() {
    let stub = Stub::new();
    stub.write(&file_of("v1", "pods", ""), "{\"kind\": \"PodList\", \"items\": [{\"spec\": hunter2}]}");
    let text = stdout(&stub.audit(&[]));
    assert!(text.contains("not read: pods: the answer is not valid JSON, line 1 column"), "{text}");
    assert!(!text.contains("hunter2"));
}

#[test]
fn table_of_token_secrets() {
    let stub = Stub::new();
    let table = "NAMESPACE   NAME                   TYPE                                  DATA   AGE   LEGACY-TOKEN-LAST-USED   LEGACY-TOKEN-INVALID-SINCE
ci          deployer-token-x2b4c   kubernetes.io/service-account-token   3      9d    2026-11-20               \n";
    stub.write("table", table);
    let output = stub.audit(&["--secrets", "-o", "json"]);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["cluster"]["tokenSecrets"], true);
    let deployer = report["namespaces"][0]["accounts"].as_array().unwrap().iter().find(|it| it["name"] == "deployer");
    let expected = json!([{"secret": "deployer-token-x2b4c", "lastUsed": "2026-11-20", "calls": 2}]);
    assert_eq!(deployer.unwrap()["legacyTokens"], expected);
    let calls = stub.calls();
    let secrets: Vec<_> = calls.iter().filter(|it| it.contains("secrets")).collect();
    // Without `-o` and `--raw`, the API server sends a table, which contains no data.
    assert_eq!(
        secrets,
        [
            "get secrets --field-selector=type=kubernetes.io/service-account-token --label-columns=kubernetes.io/legacy-token-last-used,kubernetes.io/legacy-token-invalid-since --chunk-size=500 --server-print=true --all-namespaces"
        ]
    );
}

#[test]
fn messages_of_login_plugins() {
    let stub = Stub::new();
    let script = SCRIPT.replace("here=", "echo 'To sign in, open a page and enter the code ABC' >&2\nhere=");
    stub.write("kubectl", &script);
    let output = stub.audit(&["-o", "csv"]);
    assert_eq!(stderr(&output), "To sign in, open a page and enter the code ABC\n", "once");
    assert_eq!(stdout(&output), stdout(&example(&["-o", "csv"])));
}

#[test]
fn as_a_plugin_of_kubectl() {
    let folder = tempfile::tempdir().unwrap();
    let plugin = folder.path().join("kubectl-sa_hygiene");
    symlink(env!("CARGO_BIN_EXE_sa-hygiene"), &plugin).unwrap();
    let output = std::process::Command::new(&plugin).args(["audit", "--help"]).output().unwrap();
    assert!(stdout(&output).contains("Usage: kubectl sa-hygiene audit [OPTIONS] [FILE]..."), "{}", stdout(&output));
    let cluster = repository().join("examples/audit/cluster.json");
    let output = std::process::Command::new(&plugin).arg("audit").arg(cluster).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
}

#[test]
fn unreadable_input() {
    let cluster = sample::example_cluster().to_string();
    let (before, after) = cluster.split_at(cluster.rfind(r#""kind":"Deployment""#).unwrap());
    let broken = format!("{before}oops{after}");
    let files = Files::new(&[
        ("broken.json", &broken),
        ("empty.json", ""),
        ("other.json", "{\"apiVersion\": \"v1\", \"kind\": \"ConfigMap\"}"),
        ("good.json", &cluster),
        ("pod.yaml", super::POD),
    ]);
    fs::write(files.0.path().join("bad.log.gz"), [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 0xff, 0xff, 0xff, 0xff]).unwrap();
    for (arguments, expected, reports) in [
        (&["audit", "broken.json"][..], "error: broken.json: is not valid JSON, line 1 column", true),
        (&["audit", "good.json", "missing.json"], "error: missing.json: No such file", false),
        (&["audit", "empty.json"], "error: nothing to audit here: ", false),
        (&["audit", "other.json"], "error: nothing to audit here: ", false),
        (&["audit", "good.json", "--audit-log", "missing.log"], "error: missing.log: No such file", false),
        (
            &["audit", "good.json", "--audit-log", "bad.log.gz"],
            "note: no audit events in the log\nerror: bad.log.gz: ",
            true,
        ),
        (&["audit", "-", "--audit-log", "-"], "error: the standard input cannot be both", false),
        (&["audit", "good.json", "--complete"], "error: the following required arguments", false),
        (&["audit", "good.json", "-n", "shop"], "error: the argument '[FILE]...' cannot be used with", false),
        (&["audit", "good.json", "--audit-log", "good.json", "--window", "soon"], "error: invalid value 'soon'", false),
    ] {
        let output = files.run(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", stderr(&output));
        assert!(stderr(&output).starts_with(expected), "{arguments:?}: {}", stderr(&output));
        assert_eq!(!output.stdout.is_empty(), reports, "{arguments:?}");
    }
    let output = files.run(&["audit", "pod.yaml"]);
    assert_eq!(output.status.code(), Some(0));
    assert!(stdout(&output).contains("not read: clusterrolebindings: not in the input"), "{}", stdout(&output));
}

#[test]
fn escapes_names() {
    let name = "<img src=x onerror=alert(1)>\u{1b}[2J\n::error::x\u{202e}=cmd|'x'";
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": name},
        "spec": {"serviceAccountName": name, "volumes": [{"name": name, "projected": {"sources": [{"serviceAccountToken": {}}]}}],
            "containers": [{"name": "c", "volumeMounts": [{"name": name}]}]}});
    let files = Files::new(&[("pod.json", &pod.to_string())]);
    let run = |format: &str| {
        let output = files.run(&[
            "audit",
            "pod.json",
            "-o",
            format,
            "--patch",
            &format!("patch-{format}"),
            "--settings-out",
            "s.yaml",
        ]);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        stdout(&output)
    };
    let text = run("text");
    assert!(!text.contains('\u{1b}') && !text.contains('\u{202e}') && !text.contains("\n::"), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
    assert!(!run("html").contains("<img"));
    let report: Value = serde_json::from_str(&run("json")).unwrap();
    assert_eq!(report["namespaces"][0]["name"], name);
    assert_eq!(run("csv").lines().next().unwrap().split(',').count(), 17);
    assert_eq!(fs::read_to_string(files.0.path().join("s.yaml")).unwrap().matches("rules:").count(), 0);
    let script = fs::read_to_string(files.0.path().join("patch-text/commands.sh")).unwrap();
    assert!(script.lines().all(|line| line.is_empty() || line.starts_with('#') || line == "set -eu"), "{script}");
}

#[test]
fn several_logs() {
    let log = sample::example_log();
    let (first, second) = log.split_at(log.find("api-5d8f7c9b64-z4k9d").unwrap());
    let cut = first.rfind('\n').unwrap() + 1;
    let files = Files::new(&[
        ("cluster.json", &sample::example_cluster().to_string()),
        ("logs/1.log", first.get(..cut).unwrap()),
        ("logs/2.log", &format!("{}{second}", first.get(cut..).unwrap())),
    ]);
    let output = files.run(&["audit", "cluster.json", "--audit-log", "logs", "-o", "csv"]);
    assert_eq!(stdout(&output), stdout(&example(&["-o", "csv"])));
    let output =
        files.run(&["audit", "cluster.json", "--audit-log", "logs/1.log", "--audit-log", "logs/2.log", "-o", "csv"]);
    assert_eq!(stdout(&output), stdout(&example(&["-o", "csv"])));
    let stdin = fs::File::open(files.0.path().join("cluster.json")).unwrap();
    let output =
        command(files.0.path(), &["audit", "-", "--audit-log", "logs", "-o", "csv"]).stdin(stdin).output().unwrap();
    assert_eq!(stdout(&output), stdout(&example(&["-o", "csv"])));
}
