// SPDX-License-Identifier: Apache-2.0

use serde_json::{Value, json};

use super::baseline::{Baseline, NewBaseline};
use super::finding::{API_SERVER, Finding, Level};
use super::fix::{self, FileFixes};
use super::format::{self, Findings};
use super::report::{FailOn, FileReport, ObjectReport, Outcome, Summary};
use super::source::Location;
use super::verdict::{Column, Verdict};
use super::*;
use crate::yaml::load_str;

mod evidence;

const POD: &str = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: web\n  namespace: shop\nspec:\n  containers:\n    - name: web\n      image: x\n";
const ACCOUNT: &str = "apiVersion: v1\nkind: ServiceAccount\nmetadata:\n  name: app\n  namespace: shop\n";

/// The reports on all files, and their summary.
struct Report {
    files: Vec<FileReport>,
    summary: Summary,
}

impl Report {
    fn of(inputs: &Inputs, evaluator: &Evaluator, baseline: Option<Baseline>, fail_on: FailOn) -> Self {
        let mut applied = baseline.map(Baseline::applied);
        let mut report = Self { files: Vec::new(), summary: Summary::default() };
        run(inputs, evaluator, |mut file| {
            if let Some(applied) = &mut applied {
                applied.mark(&mut file);
            }
            report.summary.add(&mut file, fail_on);
            report.files.push(file);
            Ok(())
        })
        .unwrap();
        conclude(&mut report.summary, inputs, evaluator);
        report.summary.notes.extend(applied.and_then(|applied| applied.note(|_| true)));
        report
    }

    fn objects(&self) -> impl Iterator<Item = &ObjectReport> {
        self.files.iter().flat_map(|file| &file.objects)
    }

    fn findings(&self) -> impl Iterator<Item = &Finding> {
        self.objects().flat_map(|object| &object.findings)
    }

    fn fails(&self, on: FailOn) -> bool {
        self.findings().any(|finding| on.fails(finding))
    }

    fn notes(&self) -> String {
        self.summary.notes.join("; ")
    }

    fn verdict(&self) -> Column {
        self.objects().next().unwrap().verdict.column()
    }
}

fn options(settings: Value) -> Options {
    let config = PolicyConfig { settings, ..PolicyConfig::default() };
    Options { config, namespace: "default".to_owned(), ..Options::default() }
}

fn evaluator_of(inputs: &Inputs, options: Options) -> Evaluator {
    evaluator(index::of(inputs), &crate::testing::module(), options).unwrap()
}

fn checked(text: &str, options: Options) -> Report {
    let inputs = Inputs::of_text("x.yaml", text);
    Report::of(&inputs, &evaluator_of(&inputs, options), None, FailOn::Reject)
}

/// Settings with which nothing is changed or rejected.
fn warning() -> Value {
    json!({"rules": {"pod-automount": "warn", "default-service-account": "off"}})
}

/// Rule, level and line of each finding.
fn found(report: &Report) -> Vec<(String, Level, usize)> {
    report.findings().map(|it| (it.rule.clone(), it.level, it.location.line)).collect()
}

fn policies(manifests: &str, text: &str) -> Report {
    let inputs = Inputs::of_text("x.yaml", text);
    let module = crate::testing::module();
    let documents = load_str(manifests, "p.yaml").unwrap();
    let policies = Policies::from_manifests(&module, documents, &Arc::default(), true, true).unwrap();
    let evaluator = Evaluator { policies, ..evaluator_of(&inputs, options(Value::Null)) };
    Report::of(&inputs, &evaluator, None, FailOn::Reject)
}

fn policy(name: &str, spec: &str) -> String {
    format!(
        "---\napiVersion: policies.kubewarden.io/v1\nkind: ClusterAdmissionPolicy\nmetadata: {{name: {name}}}\nspec:\n  \
         module: registry://x/serviceaccount-hygiene:v1\n{spec}"
    )
}

#[test]
fn levels() {
    let fixed = checked(POD, options(json!({})));
    assert_eq!(found(&fixed), [("pod-automount".to_owned(), Level::Fixed, 6)]);
    let warned = checked(POD, options(warning()));
    assert_eq!(found(&warned), [("pod-automount".to_owned(), Level::Warned, 6)]);
    let refused = checked(POD, options(json!({"rules": {"pod-automount": "reject"}})));
    assert_eq!(found(&refused).iter().map(|it| it.1).max(), Some(Level::Rejected));
    assert!(!fixed.fails(FailOn::Reject) && fixed.fails(FailOn::Warn) && !fixed.fails(FailOn::Never));
    assert!(refused.fails(FailOn::Reject) && !refused.fails(FailOn::Never));
}

#[test]
fn accounts_among_manifests() {
    let pod = POD.replace("spec:\n", "spec:\n  serviceAccountName: app\n");
    let alone = checked(&pod, options(json!({})));
    assert!(alone.notes().contains(": shop/app"), "{}", alone.notes());
    let both = checked(&format!("{pod}---\n{ACCOUNT}automountServiceAccountToken: false\n"), options(json!({})));
    assert_eq!((both.notes().as_str(), found(&both).len()), ("", 0));
}

#[test]
fn accounts_of_cluster_and_manifests() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("accounts.yaml");
    std::fs::write(&file, format!("{ACCOUNT}automountServiceAccountToken: true\n")).unwrap();
    let options = || Options { cluster: vec![file.clone()], ..options(json!({})) };
    let pod = POD.replace("spec:\n", "spec:\n  serviceAccountName: app\n");
    assert_eq!(found(&checked(&pod, options())), [], "the account of the cluster asks for the token");
    let both = checked(&format!("{pod}---\n{ACCOUNT}"), options());
    assert_eq!(found(&both)[0].0, "pod-automount", "the manifest's account takes its place");
    let gone = checked(&pod.replace("Name: app", "Name: gone"), options());
    assert!(gone.findings().any(|it| it.text().contains("serviceaccount \"gone\" not found")));
}

#[test]
fn at_most_three_notes_of_a_kind() {
    let notes = |count: usize| (0..count).map(|number| number.to_string());
    assert_eq!(shorten_notes(notes(3), "charts"), ["0", "1", "2"]);
    assert_eq!(shorten_notes(notes(5), "charts"), ["0", "1", "2", "2 more charts"]);
    assert!(shorten_notes(notes(0), "charts").is_empty());
}

#[test]
fn account_without_namespace() {
    let text = format!("{POD}---\n{ACCOUNT}automountServiceAccountToken: false\n").replace("  namespace: shop\n", "");
    let text = text.replace("spec:\n", "spec:\n  serviceAccountName: app\n");
    let report = checked(&text, Options { namespace: "team".to_owned(), ..options(json!({})) });
    assert_eq!((report.notes().as_str(), found(&report).len()), ("", 0));
    assert_eq!(report.objects().next().unwrap().title(), "Pod team/web");
}

#[test]
fn errors_of_the_api_server() {
    let report = checked(&format!("{POD}    - name: other\n"), options(json!({})));
    let finding = report.findings().find(|it| it.rule == API_SERVER).unwrap();
    assert_eq!(finding.to_line(), "api-server: spec.containers[1].image: the API server rejects it: Required value");
    assert_eq!((finding.level, finding.location), (Level::Invalid, Location { line: 10, column: 7 }));
    // The rules still check it, and the command does not fail because of it.
    assert_eq!(found(&report)[0], ("pod-automount".to_owned(), Level::Fixed, 6));
    assert_eq!((report.verdict(), report.fails(FailOn::Reject)), (Column::Found(Level::Invalid), false));
}

const STATEFUL_SET: &str = "apiVersion: apps/v1\nkind: StatefulSet\nmetadata: {name: db, namespace: shop}\nspec:\n  selector: {matchLabels: {a: b}}\n  template:\n    spec:\n      automountServiceAccountToken: false\n      containers:\n      - name: db\n        image: x\n        volumeMounts:\n        - {name: data, mountPath: /data}\n  volumeClaimTemplates: [{metadata: {name: data}}]\n";

#[test]
fn claims_of_stateful_set() {
    for with_pods in [false, true] {
        let report = checked(STATEFUL_SET, Options { with_pods, ..options(json!({})) });
        assert_eq!((report.verdict(), found(&report)), (Column::Accepted, vec![]));
    }
    let other = checked(&STATEFUL_SET.replace("{name: data}}]", "{name: other}}]"), options(json!({})));
    let lines: Vec<_> = other.findings().map(|it| (it.to_line(), it.location.line)).collect();
    let path = "spec.template.spec.containers[0].volumeMounts[0].name";
    assert_eq!(lines, [(format!("api-server: {path}: the API server rejects it: Not found: \"data\""), 13)]);
    assert_eq!((other.verdict(), other.fails(FailOn::Warn)), (Column::Found(Level::Invalid), false));
}

#[test]
fn invalid_objects() {
    let text = POD.replace("spec:\n", "spec:\n  automountServiceAccountToken: true\n  volumes: none\n");
    let report = checked(&text, options(json!({})));
    assert_eq!(report.verdict(), Column::Found(Level::Invalid));
    assert_eq!(found(&report), [(API_SERVER.to_owned(), Level::Invalid, 8)]);
    let account = format!("{ACCOUNT}  annotations: {{eks.amazonaws.com/role-arn: 'arn:aws:iam::1:role/x', a: 1}}\n");
    let report = checked(&account, options(json!({})));
    assert!(report.fails(FailOn::Reject), "{:?}", found(&report));
}

/// Column, and why it is not checked.
fn ends(text: &str, settings: Value) -> (Column, Option<&'static str>, Option<String>) {
    let report = checked(text, options(settings));
    let object = report.objects().next().unwrap();
    match &object.verdict {
        Verdict::NotChecked(reason) => (Column::NotChecked, Some(reason.why), reason.hint.clone()),
        verdict => (verdict.column(), None, None),
    }
}

#[test]
fn reasons_for_not_checked() {
    let rollout = "apiVersion: argoproj.io/v1alpha1\nkind: Rollout\nmetadata: {name: a}\nspec: {template: {spec: {containers: [{name: a, image: x}]}}}\n";
    let reason = |text: &str, settings: Value| {
        let (column, why, hint) = ends(text, settings);
        assert_eq!(column, Column::NotChecked, "{text}");
        (why.unwrap(), hint.unwrap_or_default())
    };
    let no_rule = ("no rule checks the kind", String::new());
    assert_eq!(reason("apiVersion: v1\nkind: Namespace\n", json!({})), no_rule);
    assert_eq!(reason("apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\n", json!({})), no_rule);
    let (why, hint) = reason("apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n", json!({}));
    assert_eq!((why, hint.as_str()), ("a kustomization", "kustomize build . | sa-hygiene check -"));
    let (why, hint) = reason(rollout, json!({}));
    assert_eq!(why, "a custom resource with a Pod template");
    assert!(hint.contains("{apiGroup: argoproj.io, kind: Rollout, path: spec.template}"), "{hint}");
    let custom = json!({"customTemplates": [{"apiGroup": "argoproj.io", "kind": "Rollout", "path": "spec.template"}]});
    assert_eq!(ends(rollout, custom).0, Column::Found(Level::PodsFixed));
    let (why, hint) = reason("apiVersion: v1\nkind: pod\n", json!({}));
    assert_eq!(why, "Kubernetes has no such kind in the apiVersion");
    assert_eq!(hint, "did you mean `Pod` of `v1`, not `pod` of `v1`?");
    assert_eq!(
        reason("apiVersion: v1\nkind: Deployment\n", json!({})).1,
        "did you mean `Deployment` of `apps/v1`, not `Deployment` of `v1`?"
    );
    let role = "apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {name: a}\n";
    assert_eq!(reason(role, json!({})).0, "the rules for the kind are off");
    assert_eq!(ends(role, json!({"rules": {"token-issuing-roles": "reject"}})).0, Column::Accepted);
    assert_eq!(reason(&POD.replace("shop", "kube-system"), json!({})).0, "the namespace is exempt");
    let exempt = json!({"exemptions": [{"namespaces": ["shop"]}]});
    assert_eq!(reason(POD, exempt).0, "an entry of `exemptions` applies");
    let of_one_rule =
        json!({"exemptions": [{"namespaces": ["shop"], "rules": ["pod-automount", "default-service-account"]}]});
    assert_eq!(ends(POD, of_one_rule).0, Column::Accepted, "the other rules are about it");
    assert_eq!(reason(STATEFUL_SET, json!({"templates": "ignore"})).0, "`templates: ignore` in the settings");
}

#[test]
fn object_that_no_policy_selects() {
    let rules = "  rules: [{apiGroups: [''], apiVersions: [v1], resources: [serviceaccounts], operations: ['*']}]\n";
    let report = policies(&policy("p", rules), POD);
    assert_eq!(report.verdict(), Column::NotChecked);
    assert_eq!(report.summary.tally.by_reason().into_keys().collect::<Vec<_>>(), ["not selected by any policy"]);
}

#[test]
fn removed_api_groups() {
    let text = "apiVersion: extensions/v1beta1\nkind: Deployment\nmetadata: {name: a, namespace: shop}\nspec:\n  template:\n    spec:\n      containers:\n      - {name: a, image: x}\n";
    let report = checked(text, options(json!({})));
    assert_eq!(report.verdict(), Column::Partial, "apps/v1 needs a selector");
    let text = text.replace("spec:\n  template", "spec:\n  selector: {matchLabels: {a: b}}\n  template");
    let report = checked(&text, options(json!({})));
    assert_eq!(report.verdict(), Column::Found(Level::PodsFixed));
    assert!(
        report
            .notes()
            .contains("`extensions/v1beta1` was removed from Kubernetes; its objects are checked as `apps/v1`")
    );
    let after = fixes("x.yaml", &text).unwrap().fixed.unwrap().after;
    assert_eq!(after, text.replace("    spec:\n", "    spec:\n      automountServiceAccountToken: false\n"));
}

#[test]
fn partial_objects() {
    let deployment = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a, namespace: shop}\nspec:\n";
    for (text, expected) in [
        // No container has an image; this takes precedence over an error of the API server.
        (format!("{deployment}  selector: {{}}\n  template: {{spec: {{containers: [{{name: a, args: [x]}}]}}}}\n"), Column::Partial),
        (format!("{deployment}  replicas: 3\n"), Column::Partial),
        (format!("{deployment}  template: {{spec: {{containers: [{{name: a, image: x}}]}}}}\n"), Column::Partial),
        (format!("{deployment}  selector: {{}}\n  template: {{spec: {{containers: [{{name: a, image: x}}]}}}}\n"), Column::Found(Level::PodsFixed)),
        (POD.replace("      image: x\n", ""), Column::Partial),
        // These groups default the selector.
        ("apiVersion: batch/v1\nkind: Job\nmetadata: {name: a}\nspec: {template: {spec: {containers: [{name: a, image: x}]}}}\n".to_owned(), Column::Found(Level::PodsFixed)),
        ("apiVersion: apps/v1beta1\nkind: Deployment\nmetadata: {name: a}\nspec: {template: {spec: {containers: [{name: a, image: x}]}}}\n".to_owned(), Column::Found(Level::PodsFixed)),
    ] {
        let report = checked(&text, options(json!({})));
        assert_eq!(report.verdict(), expected, "{text}");
        if expected == Column::Partial {
            assert!(found(&report).is_empty() && fixes("x.yaml", &text).is_none(), "{text}");
        }
    }
}

#[test]
fn required_lookup_of_files() {
    let strict =
        json!({"serviceAccountLookup": "required", "rules": {"pod-automount": {"action": "reject", "scope": "all"}}});
    let named = POD.replace("spec:\n", "spec:\n  serviceAccountName: app\n");
    let text = format!("{named}---\n{}---\n{POD}", named.replace("name: web\n  name", "name: web2\n  name"));
    let report = checked(&text, options(strict));
    assert!(report.findings().all(|it| !it.text().contains("serviceAccountLookup")), "{:?}", found(&report));
    let note = "with --cluster): shop/app";
    assert_eq!(report.notes().matches(note).count(), 1, "{}", report.notes());
    assert!(!report.notes().contains("shop/default"), "the account `default` always exists");
}

#[test]
fn pods_of_a_template() {
    let deployment = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web, namespace: shop}\nspec:\n  selector: {}\n  template:\n    spec:\n      containers: [{name: a, image: x}]\n";
    let settings = || json!({"templates": "ignore", "rules": {"pod-automount": "reject"}});
    assert_eq!(found(&checked(deployment, options(settings()))), []);
    let report = checked(deployment, Options { with_pods: true, ..options(settings()) });
    let finding = report.findings().find(|it| it.rule == "pod-automount").unwrap();
    assert!(finding.to_line().starts_with("pod-automount: in its Pods: spec.template.spec."), "{}", finding.to_line());
    assert_eq!(finding.location, Location { line: 7, column: 5 });
}

#[test]
fn live_objects() {
    let live = |extra: &str| POD.replace("  name: web\n", &format!("  name: web\n  uid: u\n{extra}"));
    let owner = "  ownerReferences: [{kind: ReplicaSet, controller: true, name: x, uid: y}]\n";
    // Nothing is simulated: the API server has mounted no token, so there is none to take away.
    assert_eq!(found(&checked(&live(""), options(json!({})))), []);
    let asking = live(owner).replace("spec:\n", "spec:\n  automountServiceAccountToken: true\n");
    let report = checked(&asking, options(json!({})));
    assert_eq!((report.objects().count(), report.summary.noted.unlisted_pods), (0, (1, 1)));
    let report = checked(&live(&owner.replace("ReplicaSet", "Rollout")), options(json!({})));
    assert_eq!(
        (report.objects().count(), report.summary.noted.unlisted_pods),
        (1, (0, 0)),
        "no rule checks a template that is not known"
    );
}

#[test]
fn order_of_policies() {
    let fixes = policy("z", "  mutating: true\n  settings: {rules: {default-service-account: off}}\n");
    let validates = policy("a", "  settings: {phase: validating}\n");
    let report = policies(&format!("{validates}{fixes}"), POD);
    // The validating policy gets the object as the mutating one changed it, so nothing is left to reject.
    assert_eq!(found(&report), [("pod-automount".to_owned(), Level::Fixed, 6)]);
    assert_eq!(found(&policies(&validates, POD)).iter().map(|it| it.1).max(), Some(Level::Rejected));
}

#[test]
fn rules_and_selectors_of_a_policy() {
    let rules = "  rules: [{apiGroups: [''], apiVersions: [v1], resources: [serviceaccounts], operations: ['*']}]\n";
    assert_eq!(found(&policies(&policy("p", &format!("  mutating: true\n{rules}")), POD)), []);
    let selector = "  mutating: true\n  namespaceSelector: {matchLabels: {team: a}}\n";
    let unknown = policies(&policy("p", selector), POD);
    assert_eq!(found(&unknown).len(), 1);
    assert!(unknown.notes().contains("checked as if selected: shop"), "{}", unknown.notes());
    let namespace = "---\napiVersion: v1\nkind: Namespace\nmetadata: {name: shop, labels: {team: b}}\n";
    let known = policies(&policy("p", selector), &format!("{POD}{namespace}"));
    assert_eq!((found(&known), known.notes()), (vec![], String::new()));
}

#[test]
fn notes_on_conditions_other_modules_and_groups() {
    let conditions = policy("p", "  mutating: true\n  matchConditions: [{name: a, expression: 'false'}]\n");
    let other = policy("other", "").replace("serviceaccount-hygiene", "pod-privileged");
    let report = policies(&format!("{conditions}{other}"), POD);
    assert!(report.notes().contains("policy p: matchConditions are not evaluated"));
    assert!(report.notes().contains("registry://x/pod-privileged:v1"));
    assert_eq!(found(&report).len(), 1);
    let error = Policies::from_manifests(
        &crate::testing::module(),
        load_str(&other, "p.yaml").unwrap(),
        &Arc::default(),
        true,
        true,
    );
    assert!(error.unwrap_err().to_string().contains("found registry://x/pod-privileged:v1"));
}

#[test]
fn monitor_mode() {
    let report = policies(
        &policy("p", "  mutating: true\n  mode: monitor\n  settings: {rules: {pod-automount: reject}}\n"),
        POD,
    );
    let words: Vec<String> = report.findings().map(Finding::word).collect();
    assert_eq!(words, ["would warn", "monitored, would reject"]);
    assert_eq!(report.verdict(), Column::Found(Level::Warned));
    assert!(!report.fails(FailOn::Reject) && report.fails(FailOn::Warn));
}

const DEPLOYMENT: &str = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web, namespace: shop}\nspec:\n  selector: {}\n  template:\n    spec:\n      containers: [{name: a, image: x}]\n";

/// A mutating and a validating policy, both in a mode.
fn both(mode: &str) -> String {
    let mutating = policy("m", &format!("  mutating: true\n  mode: {mode}\n  settings: {{phase: mutating}}\n"));
    mutating + &policy("v", &format!("  mode: {mode}\n  settings: {{phase: validating}}\n"))
}

#[test]
fn monitored_policies() {
    let lines =
        |report: &Report| report.findings().map(|it| format!("{} {}", it.word(), it.to_line())).collect::<Vec<_>>();
    let pod = policies(&both("monitor"), POD);
    let fix = "pod-automount: spec.automountServiceAccountToken: set to false, the token volume removed, no binding in the input";
    assert_eq!(lines(&pod), [format!("monitored, would fix {fix}")]);
    assert_eq!(pod.verdict(), Column::Found(Level::Monitored));
    assert_eq!(lines(&policies(&both("protect"), POD)), [format!("would fix {fix}")]);
    let pods = "pod-automount: in its Pods: spec.template.spec.automountServiceAccountToken: set to false, no binding in the input";
    assert_eq!(lines(&policies(&both("monitor"), DEPLOYMENT)), [format!("monitored, would fix {pods}")]);
    // An enforced policy rejects the Pod, regardless of what the monitored policy would have changed.
    let both = both("monitor");
    let (mutating, validating) = both.split_at(both.rfind("---").unwrap());
    let mixed = policies(&format!("{mutating}{}", validating.replace("monitor", "protect")), POD);
    let words: Vec<String> = mixed.findings().map(Finding::word).collect();
    assert_eq!(words, ["would warn", "would reject", "monitored, would fix"]);
}

#[test]
fn pods_of_templates() {
    let fixed = policies(&both("protect"), DEPLOYMENT);
    assert_eq!(
        (found(&fixed), fixed.verdict()),
        (vec![("pod-automount".to_owned(), Level::PodsFixed, 7)], Column::Found(Level::PodsFixed))
    );
    assert_eq!(fixed.verdict().word(), "accepted; its Pods would be fixed");
    assert!(!fixed.fails(FailOn::Reject));
    let validating = policies(&policy("v", "  settings: {phase: validating}\n"), DEPLOYMENT);
    assert_eq!(
        (found(&validating), validating.verdict()),
        (vec![("pod-automount".to_owned(), Level::PodsRejected, 7)], Column::Found(Level::PodsRejected))
    );
    assert_eq!(validating.verdict().word(), "accepted; its Pods would be rejected");
    assert!(validating.fails(FailOn::Reject));
    let line = validating.findings().next().unwrap().to_line();
    assert!(
        line.starts_with(
            "pod-automount: in its Pods: spec.template.spec.automountServiceAccountToken: is not set, so the token"
        ),
        "{line}"
    );
}

#[test]
fn reports_unused_exemptions() {
    let settings = json!({"exemptions": [{"namespaces": ["shop"]}, {"namespaces": ["gone"], "reason": "x"}]});
    let report = checked(POD, options(settings));
    assert_eq!((found(&report), report.notes()), (vec![], "exemptions[1] matched nothing here".to_owned()));
}

#[test]
fn baseline() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("baseline.yaml");
    let warned = checked(POD, options(warning()));
    let mut found = NewBaseline::begin(&file).unwrap();
    warned.files.iter().for_each(|file| found.add(file));
    assert_eq!(found.write(&file, |_| true).unwrap(), (1, 0));
    let compared = |text: &str, settings: Value| {
        let inputs = Inputs::of_text("x.yaml", text);
        let baseline = Baseline::read(&file).unwrap();
        Report::of(&inputs, &evaluator_of(&inputs, options(settings)), Some(baseline), FailOn::Warn)
    };
    let again = compared(&format!("# a line more\n{POD}"), warning());
    assert_eq!((again.summary.known, again.summary.fails, again.notes().as_str()), (1, false, ""));
    assert_eq!(again.verdict(), Column::Accepted);
    let worse = compared(POD, json!({"rules": {"pod-automount": "reject"}}));
    assert!(worse.summary.fails && worse.fails(FailOn::Reject));
    let other = compared(&POD.replace("name: web\n  namespace", "name: new\n  namespace"), json!({}));
    assert!(other.summary.fails);
    assert_eq!(other.notes(), "", "the object of the baseline was not read");
    let fixed = compared(&POD.replace("spec:\n", "spec:\n  automountServiceAccountToken: false\n"), warning());
    assert_eq!(fixed.notes(), "1 finding of the baseline does not occur any more; --write-baseline removes them");
}

#[test]
fn partial_baseline() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("baseline.yaml");
    let write = |text: &str, is_selected: &dyn Fn(&str) -> bool| {
        let mut new = NewBaseline::begin(&file).unwrap();
        checked(text, options(warning())).files.iter().for_each(|file| new.add(file));
        new.write(&file, is_selected).unwrap()
    };
    let other = POD.replace("name: web\n  namespace", "name: other\n  namespace");
    assert_eq!(write(POD, &|_| true), (1, 0));
    assert_eq!(write(&other, &|_| true), (2, 1));
    let fixed = POD.replace("spec:\n", "spec:\n  automountServiceAccountToken: false\n");
    assert_eq!(write(&fixed, &|rule| rule != "pod-automount"), (2, 2), "the rule was not selected");
    assert_eq!(write(&fixed, &|_| true), (1, 1), "the finding is gone");
    std::fs::write(&file, POD).unwrap();
    assert!(NewBaseline::begin(&file).is_err(), "a manifest is not replaced");
}

#[test]
fn preview_counts() {
    let two = format!("{POD}---\n{}", POD.replace("name: web\n  name", "name: web2\n  name"));
    let rows = checked(&two, options(json!({}))).summary.by_rule;
    let row = rows.get(&("pod-automount".to_owned(), "shop".to_owned())).unwrap();
    assert_eq!((row.fixed, row.without_token, row.warned, row.refused), (2, 2, 0, 0));
}

/// `None` if there are no fixes.
fn fixes(name: &str, text: &str) -> Option<FileFixes> {
    let inputs = Inputs::of_text(name, text);
    let mut found = Vec::new();
    fix::plan(&inputs, &evaluator_of(&inputs, options(json!({}))), false, |fixes| {
        found.push(fixes);
        Ok(())
    })
    .unwrap();
    found.pop()
}

#[test]
fn fixes_are_idempotent() {
    let account = ACCOUNT.replace("name: app", "name: default");
    for text in [
        POD.to_owned(),
        format!("# a\n{POD}---\n# Source: x\n{account}"),
        format!("{POD}---\n{account}").replace('\n', "\r\n"),
        // Tabs in a block scalar are not indentation.
        format!("{POD}      args:\n        - |\n          a:\n          \tb\n"),
        format!("apiVersion: v1\nkind: List\nitems:\n- {}", POD.trim_end().replace('\n', "\n  ")),
    ] {
        let fixes = fixes("x.yaml", &text).unwrap();
        assert_eq!(fixes.refused, [], "{text}");
        let after = &fixes.fixed.unwrap().after;
        assert_eq!(after.contains("\r\n"), text.contains("\r\n"), "line ends are kept");
        assert_eq!(
            after.matches("\r\n").count() * usize::from(text.contains('\r')),
            after.matches('\n').count() * usize::from(text.contains('\r'))
        );
        let kept: Vec<&str> =
            after.lines().filter(|line| !line.contains("automountServiceAccountToken: false")).collect();
        assert_eq!(kept, text.lines().collect::<Vec<_>>(), "all other lines stay");
        assert_eq!(found(&checked(after, options(json!({})))), []);
        assert!(self::fixes("x.yaml", after).is_none());
    }
}

#[test]
fn reasons_for_not_fixing() {
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
        (&POD.replace("name: web\n  name", "name: web # \u{2028}  labels: {a: b}\n  name"), "only kubectl"),
    ] {
        let fixes = fixes("x.yaml", text).unwrap();
        assert!(fixes.fixed.is_none(), "{text}");
        assert!(fixes.refused[0].why.contains(why), "{}", fixes.refused[0].why);
    }
    assert!(fixes("-", POD).unwrap().fixed.unwrap().is_standard_input());
}

#[test]
fn sarif() {
    let Report { files, summary } = checked(&format!("{POD}---\na: [\n"), options(json!({})));
    let sarif = format::sarif::render(Findings {
        files: &files,
        summary: &summary,
        outcome: &Outcome::default(),
        fail_on: FailOn::Reject,
    });
    let mut schema: Value = serde_json::from_str(&sarif_schema()).unwrap();
    // As published, this pattern is not a valid regular expression; reports have no language.
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
    // Confirms that the validator rejects invalid SARIF, here without a version.
    let mut broken = sarif;
    broken.as_object_mut().unwrap().remove("version");
    assert!(!validator.is_valid(&broken));
}

/// The published schema, from the crate `serde-sarif`.
fn sarif_schema() -> String {
    let cargo = std::process::Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--offline", "--locked"])
        .args(["--manifest-path", concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")])
        // Dependencies of other platforms may not have been downloaded.
        .args(["--filter-platform", env!("SA_HYGIENE_TARGET")])
        .output()
        .unwrap();
    assert!(cargo.status.success(), "{}", String::from_utf8_lossy(&cargo.stderr));
    let metadata: Value = serde_json::from_slice(&cargo.stdout).unwrap();
    let package = metadata["packages"].as_array().unwrap().iter().find(|it| it["name"] == "serde-sarif").unwrap();
    let manifest = std::path::Path::new(package["manifest_path"].as_str().unwrap());
    std::fs::read_to_string(manifest.with_file_name("src").join("schema.json")).unwrap()
}
