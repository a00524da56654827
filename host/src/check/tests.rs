// SPDX-License-Identifier: Apache-2.0

use serde_json::{Value, json};

use super::baseline::Baseline;
use super::finding::{API_SERVER, Level};
use super::fix::{self, Fixes};
use super::format::{self, Findings};
use super::report::{FailOn, Report};
use super::source::{Location, Sources};
use super::*;
use crate::yaml::load_str;

const POD: &str = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: web\n  namespace: shop\nspec:\n  containers:\n    - name: web\n      image: x\n";
const ACCOUNT: &str = "apiVersion: v1\nkind: ServiceAccount\nmetadata:\n  name: app\n  namespace: shop\n";

fn sources(text: &str) -> Sources {
    let mut sources = Sources::default();
    sources.add("x.yaml".into(), text.to_owned(), true);
    sources
}

fn options(settings: Value) -> Options {
    let config = PolicyConfig { settings, ..PolicyConfig::default() };
    Options { config, namespace: "default".to_owned(), ..Options::default() }
}

fn judge_of(sources: &Sources, options: Options) -> Judge {
    judge(sources, &crate::embedded_module().unwrap(), options).unwrap()
}

fn checked(text: &str, options: Options) -> Report {
    let sources = sources(text);
    check(&sources, &judge_of(&sources, options), &|| {})
}

/// Settings with which nobody is changed or refused.
fn warning() -> Value {
    json!({"rules": {"pod-automount": "warn", "default-service-account": "off"}})
}

/// Rule, level and line of each finding.
fn found(report: &Report) -> Vec<(String, Level, usize)> {
    report.findings().map(|(_, it)| (it.rule.clone(), it.level, it.location.line)).collect()
}

fn policies(manifests: &str, text: &str) -> Report {
    let sources = sources(text);
    let cluster = Arc::default();
    let module = crate::embedded_module().unwrap();
    let policies = Policies::from_manifests(&module, load_str(manifests, "p.yaml").unwrap(), &cluster).unwrap();
    let judge = Judge { policies, ..judge_of(&sources, options(Value::Null)) };
    check(&sources, &judge, &|| {})
}

fn policy(name: &str, spec: &str) -> String {
    format!(
        "---\napiVersion: policies.kubewarden.io/v1\nkind: ClusterAdmissionPolicy\nmetadata: {{name: {name}}}\nspec:\n  \
         module: registry://x/serviceaccount-hygiene:v1\n{spec}"
    )
}

#[test]
fn a_warning_a_fix_and_a_refusal_are_told_apart() {
    let fixed = checked(POD, options(json!({})));
    assert_eq!(found(&fixed), [("pod-automount".to_owned(), Level::Fixed, 6)]);
    let warned = checked(POD, options(warning()));
    assert_eq!(found(&warned), [("pod-automount".to_owned(), Level::Warned, 6)]);
    let refused = checked(POD, options(json!({"rules": {"pod-automount": "reject"}})));
    assert_eq!(found(&refused)[0].1, Level::Refused);
    assert!(!fixed.fails(FailOn::Reject) && fixed.fails(FailOn::Warn) && !fixed.fails(FailOn::Never));
    assert!(refused.fails(FailOn::Reject) && !refused.fails(FailOn::Never));
}

#[test]
fn accounts_are_found_among_the_manifests_and_missing_ones_are_said() {
    let pod = POD.replace("spec:\n", "spec:\n  serviceAccountName: app\n");
    let alone = checked(&pod, options(json!({})));
    assert!(alone.notes.iter().any(|note| note.ends_with(": shop/app")), "{:?}", alone.notes);
    let both = checked(&format!("{pod}---\n{ACCOUNT}automountServiceAccountToken: false\n"), options(json!({})));
    assert_eq!((both.notes.len(), found(&both).len()), (0, 0), "{:?}", both.notes);
}

#[test]
fn the_cluster_is_asked_after_the_manifests_and_then_nothing_is_unknown() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("accounts.yaml");
    std::fs::write(&file, format!("{ACCOUNT}automountServiceAccountToken: true\n")).unwrap();
    let options = || Options { cluster: vec![file.clone()], ..options(json!({})) };
    let pod = POD.replace("spec:\n", "spec:\n  serviceAccountName: app\n");
    assert_eq!(found(&checked(&pod, options())), [], "the account of the cluster asks for the token");
    let both = checked(&format!("{pod}---\n{ACCOUNT}"), options());
    assert_eq!(found(&both)[0].0, "pod-automount", "the manifest's account takes its place");
    let gone = checked(&pod.replace("Name: app", "Name: gone"), options());
    assert!(gone.findings().any(|(_, it)| it.text.contains("serviceaccount \"gone\" not found")));
}

#[test]
fn an_account_without_a_namespace_is_in_the_given_one() {
    let text = format!("{POD}---\n{ACCOUNT}automountServiceAccountToken: false\n").replace("  namespace: shop\n", "");
    let text = text.replace("spec:\n", "spec:\n  serviceAccountName: app\n");
    let report = checked(&text, Options { namespace: "team".to_owned(), ..options(json!({})) });
    assert_eq!((report.notes.len(), found(&report).len()), (0, 0), "{:?}", report.notes);
    assert_eq!(report.objects[0].title(), "Pod team/web");
}

#[test]
fn what_the_api_server_refuses_is_said_in_its_words() {
    let report = checked(&POD.replace("      image: x\n", ""), options(json!({})));
    let (_, finding) = report.findings().find(|(_, it)| it.rule == API_SERVER).unwrap();
    assert!(finding.text.contains("spec.containers[0].image: Required value"), "{}", finding.text);
    assert_eq!(finding.level, Level::Refused);
}

#[test]
fn the_pods_of_a_template_are_judged_when_asked_for() {
    let deployment = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web, namespace: shop}\nspec:\n  selector: {}\n  template:\n    spec:\n      containers: [{name: a, image: x}]\n";
    let settings = || json!({"templates": "ignore", "rules": {"pod-automount": "reject"}});
    assert_eq!(found(&checked(deployment, options(settings()))), []);
    let report = checked(deployment, Options { with_pods: true, ..options(settings()) });
    let (_, finding) = report.findings().find(|(_, it)| it.rule == "pod-automount").unwrap();
    assert!(finding.to_line().starts_with("pod-automount: in its Pods: spec.template.spec."), "{}", finding.to_line());
    assert_eq!(finding.location, Location { line: 7, column: 5 });
}

#[test]
fn live_objects_are_judged_as_the_audit_scanner_does_and_copies_are_counted() {
    let live = |extra: &str| POD.replace("  name: web\n", &format!("  name: web\n  uid: u\n{extra}"));
    let owner = "  ownerReferences: [{kind: ReplicaSet, controller: true, name: x, uid: y}]\n";
    // Nothing is simulated: the API server has mounted no token, so there is none to take away.
    assert_eq!(found(&checked(&live(""), options(json!({})))), []);
    let asking = live(owner).replace("spec:\n", "spec:\n  automountServiceAccountToken: true\n");
    let report = checked(&asking, options(json!({})));
    assert_eq!((report.objects.len(), report.unlisted_pods, report.unlisted_pods_with_findings), (0, 1, 1));
    let report = checked(&live(&owner.replace("ReplicaSet", "Rollout")), options(json!({})));
    assert_eq!((report.objects.len(), report.unlisted_pods), (1, 0), "nobody judges a template that is not known");
}

#[test]
fn policies_are_asked_mutating_first_and_in_the_order_of_their_names() {
    let fixes = policy("z", "  mutating: true\n  settings: {rules: {default-service-account: off}}\n");
    let judges = policy("a", "  settings: {phase: validating}\n");
    let report = policies(&format!("{judges}{fixes}"), POD);
    // The validating policy sees what the mutating one made: nothing is left to refuse.
    assert_eq!(found(&report), [("pod-automount".to_owned(), Level::Fixed, 6)]);
    assert_eq!(found(&policies(&judges, POD)).iter().map(|it| it.1).max(), Some(Level::Refused));
}

#[test]
fn a_policy_is_asked_only_about_what_reaches_it() {
    let rules = "  rules: [{apiGroups: [''], apiVersions: [v1], resources: [serviceaccounts], operations: ['*']}]\n";
    assert_eq!(found(&policies(&policy("p", &format!("  mutating: true\n{rules}")), POD)), []);
    let selector = "  mutating: true\n  namespaceSelector: {matchLabels: {team: a}}\n";
    let unknown = policies(&policy("p", selector), POD);
    assert_eq!(found(&unknown).len(), 1);
    assert!(unknown.notes.iter().any(|note| note.contains("judged as if selected: shop")), "{:?}", unknown.notes);
    let namespace = "---\napiVersion: v1\nkind: Namespace\nmetadata: {name: shop, labels: {team: b}}\n";
    let known = policies(&policy("p", selector), &format!("{POD}{namespace}"));
    assert_eq!((found(&known), known.notes), (vec![], vec![]));
}

#[test]
fn conditions_other_modules_and_groups_are_said() {
    let conditions = policy("p", "  mutating: true\n  matchConditions: [{name: a, expression: 'false'}]\n");
    let other = policy("other", "").replace("serviceaccount-hygiene", "pod-privileged");
    let report = policies(&format!("{conditions}{other}"), POD);
    assert!(report.notes.iter().any(|note| note.starts_with("policy p: matchConditions are not evaluated")));
    assert!(report.notes.iter().any(|note| note.contains("registry://x/pod-privileged:v1")));
    assert_eq!(found(&report).len(), 1);
    let error = Policies::from_manifests(
        &crate::embedded_module().unwrap(),
        load_str(&other, "p.yaml").unwrap(),
        &Arc::default(),
    );
    assert!(error.unwrap_err().to_string().contains("found registry://x/pod-privileged:v1"));
}

#[test]
fn a_policy_that_monitors_only_warns() {
    let report = policies(
        &policy("p", "  mutating: true\n  mode: monitor\n  settings: {rules: {pod-automount: reject}}\n"),
        POD,
    );
    assert_eq!(found(&report).iter().map(|it| it.1).max(), Some(Level::Warned));
    assert!(report.findings().all(|(_, it)| it.text.contains("the policy only monitors")));
}

#[test]
fn exemptions_that_matched_nothing_are_said() {
    let settings = json!({"exemptions": [{"namespaces": ["shop"]}, {"namespaces": ["gone"], "reason": "x"}]});
    let report = checked(POD, options(settings));
    assert_eq!((found(&report), report.notes.join("; ")), (vec![], "exemptions[1] matched nothing here".to_owned()));
}

#[test]
fn a_baseline_lets_pass_what_was_there_and_nothing_worse() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("baseline.yaml");
    let warned = checked(POD, options(warning()));
    assert_eq!(Baseline::of(&warned).write(&file).unwrap(), 1);
    let baseline = Baseline::read(&file).unwrap();

    let moved = format!("# a line more\n{POD}");
    let mut again = checked(&moved, options(warning()));
    baseline.apply(&mut again);
    assert_eq!((again.known(), again.fails(FailOn::Warn), again.notes.len()), (1, false, 0));

    let mut worse = checked(POD, options(json!({"rules": {"pod-automount": "reject"}})));
    baseline.apply(&mut worse);
    assert!(worse.fails(FailOn::Reject));

    let mut other = checked(&POD.replace("name: web\n  namespace", "name: new\n  namespace"), options(json!({})));
    baseline.apply(&mut other);
    assert!(other.fails(FailOn::Warn));
    assert!(other.notes[0].starts_with("1 findings of the baseline do not occur any more"), "{:?}", other.notes);
}

#[test]
fn the_preview_counts_objects_by_rule_and_namespace() {
    let two = format!("{POD}---\n{}", POD.replace("name: web\n  name", "name: web2\n  name"));
    let rows = checked(&two, options(json!({}))).summary();
    let row = rows.get(&("pod-automount".to_owned(), "shop".to_owned())).unwrap();
    assert_eq!((row.fixed, row.without_token, row.warned, row.refused), (2, 2, 0, 0));
}

fn fixes(text: &str) -> Fixes {
    let sources = sources(text);
    let judge = judge_of(&sources, options(json!({})));
    let report = check(&sources, &judge, &|| {});
    fix::plan(&sources, &judge, &report)
}

#[test]
fn what_is_fixed_passes_and_is_not_fixed_again() {
    let account = ACCOUNT.replace("name: app", "name: default");
    for text in [
        POD.to_owned(),
        format!("# a\n{POD}---\n# Source: x\n{account}"),
        format!("{POD}---\n{account}").replace('\n', "\r\n"),
        // Tabs in a text are no indentation.
        format!("{POD}      args:\n        - |\n          a:\n          \tb\n"),
        format!("apiVersion: v1\nkind: List\nitems:\n- {}", POD.trim_end().replace('\n', "\n  ")),
    ] {
        let fixes = fixes(&text);
        assert_eq!((fixes.files.len(), fixes.refused.as_slice()), (1, &[][..]), "{text}");
        let after = &fixes.files[0].after;
        assert_eq!(after.contains("\r\n"), text.contains("\r\n"), "line ends are kept");
        assert_eq!(
            after.matches("\r\n").count() * usize::from(text.contains('\r')),
            after.matches('\n').count() * usize::from(text.contains('\r'))
        );
        let kept: Vec<&str> =
            after.lines().filter(|line| !line.contains("automountServiceAccountToken: false")).collect();
        assert_eq!(kept, text.lines().collect::<Vec<_>>(), "all other lines stay");
        assert_eq!(found(&checked(after, options(json!({})))), []);
        assert!(self::fixes(after).files.is_empty());
    }
}

#[test]
fn what_cannot_be_written_is_refused_with_the_reason() {
    let flow = "apiVersion: v1\nkind: Pod\nmetadata: {name: web}\nspec: {containers: [{name: a, image: x}]}\n";
    let json = "{\"apiVersion\": \"v1\", \"kind\": \"Pod\", \"metadata\": {\"name\": \"web\"}, \"spec\": {\"containers\": [{\"name\": \"a\", \"image\": \"x\"}]}}";
    let anchored = POD.replace("spec:\n", "spec: &a\n");
    let template = POD.replace("image: x", "image: '{{ .Values.image }}'");
    let live = ACCOUNT.replace("  name: app\n", "  name: default\n  uid: u\n");
    let broken = format!("{POD}---\na: [\n");
    for (text, why) in [
        (flow, "flow style"),
        (json, "flow style"),
        (&anchored, "an anchor"),
        (&template, "looks like a template"),
        (&live, "read from a cluster"),
        (&broken, "cannot be read"),
    ] {
        let fixes = fixes(text);
        assert!(fixes.files.is_empty(), "{text}");
        assert!(fixes.refused[0].why.contains(why), "{}", fixes.refused[0].why);
    }
    let mut sources = Sources::default();
    sources.add("-".into(), POD.to_owned(), true);
    let judge = judge_of(&sources, options(json!({})));
    let fixes = fix::plan(&sources, &judge, &check(&sources, &judge, &|| {}));
    assert!(fixes.refused[0].why.contains("standard input"));
}

#[test]
fn sarif_is_valid_and_says_where() {
    let sources = sources(&format!("{POD}---\na: [\n"));
    let report = check(&sources, &judge_of(&sources, options(json!({}))), &|| {});
    let sarif = format::sarif::render(Findings { sources: &sources, report: &report, fail_on: FailOn::Reject });
    let mut schema: Value = serde_json::from_str(&sarif_schema()).unwrap();
    // As published, this pattern is no regular expression; reports name no language.
    schema.pointer_mut("/definitions/run/properties/language").unwrap().as_object_mut().unwrap().remove("pattern");
    schema
        .pointer_mut("/definitions/toolComponent/properties/language")
        .unwrap()
        .as_object_mut()
        .unwrap()
        .remove("pattern");
    let validator = jsonschema::validator_for(&schema).unwrap();
    let problems: Vec<String> = validator.iter_errors(&sarif).map(|error| error.to_string()).collect();
    assert_eq!(problems, Vec::<String>::new());
    let typed: serde_sarif::sarif::Sarif = serde_json::from_value(sarif.clone()).unwrap();
    assert_eq!(typed.runs.len(), 1);
    let result = &sarif["runs"][0]["results"][0];
    assert_eq!(result["locations"][0]["physicalLocation"]["region"]["startLine"], 6);
    let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
    assert_eq!(sarif["runs"][0]["tool"]["driver"]["rules"][index]["id"], result["ruleId"]);
    assert_eq!(sarif["runs"][0]["invocations"][0]["executionSuccessful"], false);
    // The check of the check: without its version it is no SARIF.
    let mut broken = sarif;
    broken.as_object_mut().unwrap().remove("version");
    assert!(!validator.is_valid(&broken));
}

/// The published schema, as the crate `serde-sarif` has it.
fn sarif_schema() -> String {
    let cargo = std::process::Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--offline", "--locked"])
        .args(["--manifest-path", concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")])
        // What was not built was perhaps never downloaded.
        .args(["--filter-platform", env!("SA_HYGIENE_TARGET")])
        .output()
        .unwrap();
    assert!(cargo.status.success(), "{}", String::from_utf8_lossy(&cargo.stderr));
    let metadata: Value = serde_json::from_slice(&cargo.stdout).unwrap();
    let package = metadata["packages"].as_array().unwrap().iter().find(|it| it["name"] == "serde-sarif").unwrap();
    let manifest = std::path::Path::new(package["manifest_path"].as_str().unwrap());
    std::fs::read_to_string(manifest.with_file_name("src").join("schema.json")).unwrap()
}
