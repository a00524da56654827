// SPDX-License-Identifier: Apache-2.0
use rstest::rstest;
use serde_json::{Value, json};

use crate::cluster::{AccountRecord, Age, LookupError};
use crate::testing::{FakeCluster, admitted_pod, create, deployment, only, outcome, review, tokenless_pod, update};

fn account(metadata: &Value, automount: bool) -> Value {
    json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata, "automountServiceAccountToken": automount})
}

/// Settings that reject a Pod of `default` that requests the token.
fn rejecting() -> Value {
    json!({"rules": {"pod-automount": {"optInOnDefault": "reject"}}})
}

fn no_cluster() -> FakeCluster {
    FakeCluster::with("shop", "nobody", AccountRecord::default())
}

#[test]
fn mirror_pods() {
    let mark = json!({"kubernetes.io/config.mirror": "x"});
    let mut pod = admitted_pod(&json!({"automountServiceAccountToken": true}));
    pod["metadata"]["annotations"] = mark.clone();
    assert_eq!(review(&create(&pod), &rejecting(), &no_cluster())["accepted"], true);
    let account = account(&json!({"name": "default", "annotations": mark}), true);
    assert_eq!(review(&create(&account), &rejecting(), &no_cluster())["accepted"], false);
    let mut workload = deployment(&json!({"automountServiceAccountToken": true}));
    workload["metadata"]["annotations"] = mark;
    assert_eq!(review(&create(&workload), &rejecting(), &no_cluster())["accepted"], false);
}

/// A workload with a controller is not checked: the template of its controller is.
#[rstest]
#[case::nobodys(json!(null), false)]
#[case::a_controllers(json!([{"kind": "Rollout", "controller": true}]), true)]
#[case::beside_an_owner(json!([{"kind": "Application"}, {"kind": "Rollout", "controller": true}]), true)]
#[case::an_owner_that_is_no_controller(json!([{"kind": "Application", "controller": false}]), false)]
#[case::an_owner(json!([{"kind": "Application"}]), false)]
fn skips_template_with_controller(#[case] owners: Value, #[case] accepted: bool) {
    let mut workload = deployment(&json!({"automountServiceAccountToken": true}));
    workload["metadata"]["ownerReferences"] = owners;
    assert_eq!(review(&create(&workload), &rejecting(), &no_cluster())["accepted"], accepted);
}

/// The account that a template moves away from is not looked up, so a failed
/// look-up cannot block the change.
#[test]
fn never_looks_up_old_account() {
    let old = deployment(&json!({"serviceAccountName": "old"}));
    let new = deployment(&json!({"serviceAccountName": "app", "automountServiceAccountToken": true}));
    let settings = json!({"rules": {"pod-automount": {"allowExplicitOptIn": false}}});
    let cluster = FakeCluster::failing(LookupError::Failed);
    let answer = review(&update(&old, &new), &settings, &cluster);
    assert_eq!((&answer["code"], cluster.lookups()), (&json!(403), 0), "{answer}");
    // An account that stays the same is looked up.
    let old = deployment(&json!({"serviceAccountName": "app"}));
    assert_eq!(review(&update(&old, &new), &settings, &cluster)["code"], 503);
}

/// A Kubernetes Job cannot be changed; a custom resource of that name can.
#[rstest]
#[case("batch/v1", false)]
#[case("batch.example.com/v1", true)]
fn never_fixes_job_on_update(#[case] api_version: &str, #[case] expected: bool) {
    let job = |spec: &Value| {
        let mut job = deployment(spec);
        (job["kind"], job["apiVersion"]) = (json!("Job"), json!(api_version));
        job
    };
    let settings = json!({
        "templates": "fix",
        "customTemplates": [{"apiGroup": "batch.example.com", "kind": "Job", "path": "spec.template"}],
    });
    let request = update(&job(&json!({})), &job(&json!({"nodeName": "b"})));
    let answer = review(&request, &settings, &no_cluster());
    assert_eq!((&answer["accepted"], answer.get("mutated_object").is_some()), (&json!(true), expected), "{answer}");
}

/// An object whose name is not generated yet is exempted only by patterns that
/// match every name that it can get.
#[rstest]
#[case("ci-*", true)]
#[case("ci-?????", true)]
#[case("*", true)]
#[case("ci-", false)]
#[case("ci-abcde", false)]
#[case("ci-?", false)]
fn exempts_generated_names(#[case] pattern: &str, #[case] expected: bool) {
    let mut pod = admitted_pod(&json!({"automountServiceAccountToken": true}));
    pod["metadata"] = json!({"generateName": "ci-"});
    let account = account(&json!({"generateName": "ci-"}), true);
    let by_name = json!([{"names": [pattern]}]);
    let by_account = json!([{"serviceAccounts": [format!("shop/{pattern}")]}]);
    for (object, exemptions) in [(&pod, &by_name), (&account, &by_name), (&account, &by_account)] {
        let rules = json!({
            "service-account-automount": {"explicitTrue": "reject"}, "pod-automount": {"optInOnDefault": "reject"},
        });
        let settings = json!({"exemptions": exemptions, "rules": rules});
        assert_eq!(review(&create(object), &settings, &no_cluster())["accepted"], expected, "{object} {exemptions}");
    }
}

/// An object with a name is exempted only by its name: any object can be given
/// a prefix.
#[test]
fn generate_name_beside_name_exempts_nothing() {
    let account = account(&json!({"name": "default", "generateName": "ci-"}), true);
    let settings = json!({"exemptions": [{"names": ["ci-*"]}]});
    assert_eq!(review(&create(&account), &settings, &no_cluster())["accepted"], false);
}

/// An account that is kept by a finalizer still gives its Pods a role. Old
/// findings do not prevent its deletion.
#[test]
fn checks_account_being_deleted() {
    let deleting = |account_id: &str, finalizers: &Value| {
        json!({
            "apiVersion": "v1", "kind": "ServiceAccount",
            "metadata": {
                "name": "app", "namespace": "shop", "deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": finalizers,
                "annotations": {"eks.amazonaws.com/role-arn": format!("arn:aws:iam::{account_id}:role/app")},
            },
        })
    };
    let settings = json!({"rules": {"role-arn": {"action": "reject", "accounts": ["123456789012"]}}});
    let (ours, theirs) = ("123456789012", "999999999999");
    let checked = |old: &Value, new: &Value| review(&update(old, new), &settings, &no_cluster())["accepted"].clone();
    assert_eq!(checked(&deleting(ours, &json!(["a/b"])), &deleting(theirs, &json!(["a/b"]))), false);
    assert_eq!(checked(&deleting(theirs, &json!(["a/b"])), &deleting(theirs, &json!([]))), true);
}

/// Such a template can no longer be read, but it must be possible to remove its
/// finalizer.
#[test]
fn skips_unreadable_template_being_deleted() {
    let rollout = |metadata: &Value| {
        json!({
            "apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "metadata": metadata,
            "spec": {"template": {"spec": {"volumes": "x"}}},
        })
    };
    let settings =
        json!({"customTemplates": [{"apiGroup": "argoproj.io", "kind": "Rollout", "path": "spec.template"}]});
    let deleting = json!({"name": "web", "deletionTimestamp": "2026-01-01T00:00:00Z"});
    let change = |metadata: &Value| review(&update(&rollout(metadata), &rollout(metadata)), &settings, &no_cluster());
    assert_eq!(change(&deleting), json!({"accepted": true}));
    assert_eq!(change(&json!({"name": "web"}))["code"], 400);
}

/// A name may be truncated in a message, but not in a comparison.
#[rstest]
#[case::short(1)]
#[case::longer_than_a_message_shows(200)]
fn long_names_differ_in_identity(#[case] length: usize) {
    let binding = |last: &str| {
        let name = "x".repeat(length) + last;
        json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": "b", "namespace": "shop"},
            "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": "other"}],
        })
    };
    let settings = json!({"rules": {"binding-subjects": "reject"}});
    let change = |old: &str, new: &str| {
        review(&update(&binding(old), &binding(new)), &settings, &no_cluster())["accepted"].clone()
    };
    assert_eq!(change("a", "a"), true);
    assert_eq!(change("a", "b"), false);
}

/// A new finding is recognized among thousands of old ones.
#[test]
fn new_finding_among_many_old() {
    let binding = |count: usize| {
        let subject =
            |number: usize| json!({"kind": "ServiceAccount", "name": format!("s{number}"), "namespace": "other"});
        json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": "b", "namespace": "shop"},
            "subjects": (0..count).map(subject).collect::<Vec<_>>(),
        })
    };
    let settings = json!({"rules": {"binding-subjects": "reject"}});
    let answer = review(&update(&binding(5000), &binding(5001)), &settings, &no_cluster());
    assert_eq!(
        answer["message"],
        "serviceaccount-hygiene: 1 problem\n- binding-subjects: subjects[s5000]: is in namespace `other`; bind an account of this namespace, or add that one to allowCrossNamespace"
    );
}

/// The audit log shows that accounts were unknown because look-ups are not granted.
#[test]
fn audits_missing_access() {
    let pod = admitted_pod(&json!({"serviceAccountName": "app"}));
    let answer = review(&create(&pod), &json!({}), &FakeCluster::failing(LookupError::NotGranted));
    assert_eq!(answer["audit_annotations"]["lookup"], "not-granted");
    let answer = review(&create(&pod), &json!({}), &FakeCluster::failing(LookupError::Absent));
    assert_eq!(answer["audit_annotations"].get("lookup"), None);
}

/// An exempt object need not be readable.
#[test]
fn never_reads_exempt_object() {
    let mut pod = admitted_pod(&json!({}));
    pod["spec"]["volumes"] = json!("none");
    let accepted = |exemption: Value| {
        review(&create(&pod), &json!({"exemptions": [exemption]}), &no_cluster())["accepted"].clone()
    };
    assert_eq!(accepted(json!({"namespaces": ["shop"]})), true);
    assert_eq!(accepted(json!({"namespaces": ["shop"], "names": ["web"]})), false);
}

/// The API server rejects an object that has neither a name nor a prefix; until then, no exemption covers it.
#[test]
fn nameless_object_is_not_exempt() {
    let mut pod = admitted_pod(&json!({"automountServiceAccountToken": true}));
    pod["metadata"] = json!({"namespace": "shop"});
    let mut settings = rejecting();
    settings["exemptions"] = json!([{"names": ["*"]}]);
    assert_eq!(review(&create(&pod), &settings, &no_cluster())["accepted"], false);
}

const ROLE: (&str, &str) = ("eks.amazonaws.com/role-arn", "arn:aws:iam::123456789012:role/app");

fn remembered(was: AccountRecord, is: AccountRecord) -> FakeCluster {
    FakeCluster::with("shop", "app", was).now(is)
}

/// A Pod that does not set `automountServiceAccountToken`: its account decides.
#[rstest]
#[case::still_acceptable(Some(true), Some(true), "fine", &[Age::Recent])]
#[case::acceptable_a_moment_ago(Some(true), None, "fine", &[Age::Recent])]
#[case::acceptable_by_now(None, Some(true), "fine", &[Age::Recent, Age::Fresh])]
#[case::still_not(None, None, "warn", &[Age::Recent, Age::Fresh])]
fn cached_record_only_accepts(
    #[case] was: Option<bool>,
    #[case] is: Option<bool>,
    #[case] expected: &str,
    #[case] ages: &[Age],
) {
    let cluster = remembered(AccountRecord::new(was), AccountRecord::new(is));
    let pod = admitted_pod(&json!({"serviceAccountName": "app"}));
    let settings = only(&json!({"pod-automount": "mutate"}));
    assert_eq!(outcome(&review(&create(&pod), &settings, &cluster)), expected);
    assert_eq!(cluster.ages(), ages);
}

/// A role that the account got a moment ago.
#[rstest]
#[case::irsa_injection("irsa-injection", json!({"action": "mutate"}), "mutating", json!([]), "fix", &[Age::Fresh])]
#[case::identity_injection("identity-injection", json!("reject"), "validating", json!([]), "reject", &[Age::Fresh])]
#[case::incomplete_pair("identity-env", json!("reject"), "mutating", json!([{"name": "AWS_ROLE_ARN", "value": ROLE.1}]), "reject", &[Age::Recent, Age::Fresh])]
#[case::half_a_pair_of_java("identity-env", json!("reject"), "mutating", json!([{"name": "JAVA_TOOL_OPTIONS", "value": "-Daws.roleArn=arn:aws:iam::123456789012:role/other"}]), "reject", &[Age::Recent, Age::Fresh])]
fn cached_record_without_role_is_refreshed(
    #[case] rule: &str,
    #[case] params: Value,
    #[case] phase: &str,
    #[case] env: Value,
    #[case] expected: &str,
    #[case] ages: &[Age],
) {
    let with_role = AccountRecord::default().with_annotations(&[ROLE]);
    let cluster = remembered(AccountRecord::default(), with_role);
    let pod = tokenless_pod(&json!({"containers": [{"name": "web", "image": "i", "env": env}]}));
    let mut settings = only(&json!({rule: params}));
    settings["phase"] = json!(phase);
    settings["serviceAccountLookup"] = json!("required");
    assert_eq!(outcome(&review(&create(&pod), &settings, &cluster)), expected);
    assert_eq!(cluster.ages(), ages);
}

/// If the second look-up fails, the cached record is not used.
#[test]
fn second_look_up_fails() {
    let cluster = FakeCluster::with("shop", "app", AccountRecord::new(None)).failing_now(LookupError::Failed);
    let pod = admitted_pod(&json!({"serviceAccountName": "app"}));
    let answer = review(&create(&pod), &only(&json!({"pod-automount": "mutate"})), &cluster);
    assert_eq!(answer["code"], json!(503));
    assert_eq!(cluster.ages(), [Age::Recent, Age::Fresh]);
}
