// SPDX-License-Identifier: Apache-2.0
use rstest::rstest;
use serde_json::{Value, json};

use crate::cluster::{AccountRecord, LookupError};
use crate::testing::{
    FakeCluster, admitted_pod, create, deployment, inject, only, outcome, plugin_volume, review, update,
};

/// Only this rule, with these parameters.
fn settings(params: &Value) -> Value {
    only(&json!({"pod-automount": params}))
}

fn cluster(automount: &str) -> FakeCluster {
    let known = |automount| FakeCluster::with("shop", "app", AccountRecord::new(automount));
    match automount {
        "true" => known(Some(true)),
        "false" => known(Some(false)),
        "nothing" => known(None),
        "absent" => FakeCluster::with("shop", "nobody", AccountRecord::default()),
        "unknown" => FakeCluster::failing(LookupError::NotGranted),
        other => panic!("{other}"),
    }
}

/// A cell of the table: what the Pod sets, what its account sets, and the
/// outcome for a Pod with the plugin's volume and for a template.
#[rstest]
fn dedicated_account(
    #[values("default", "all")] scope: &str,
    #[values("serviceAccount", "pod")] opt_in: &str,
    #[values("true", "false", "nothing")] pod_says: &str,
    #[values("true", "false", "nothing", "absent", "unknown")] account_says: &str,
    #[values(false, true)] template: bool,
) {
    // Nothing is set, or the account's setting does not count as a request.
    let unasked = match (scope, template) {
        ("default", _) => "warn",
        (_, false) => "fix",
        // A fix that the Pods will get is a warning on the template.
        (_, true) => "warn",
    };
    let expected = match (pod_says, account_says) {
        ("false" | "true", _) => "fine",
        (_, "false") if template => "fine",
        (_, "false") => "fix",
        (_, "true") if opt_in == "serviceAccount" => "fine",
        (_, "unknown") => "warn",
        (_, "absent") if template => "warn",
        (_, _) => unasked,
    };
    let automount = match pod_says {
        "true" => json!(true),
        "false" => json!(false),
        _ => Value::Null,
    };
    let spec = json!({"serviceAccountName": "app", "automountServiceAccountToken": automount});
    let object = if template { deployment(&spec) } else { admitted_pod(&spec) };
    let answer = review(
        &create(&object),
        &settings(&json!({"action": "mutate", "scope": scope, "optIn": opt_in})),
        &cluster(account_says),
    );
    assert_eq!(outcome(&answer), expected, "{answer}");
}

#[rstest]
fn default_account(
    #[values("true", "false", "nothing")] pod_says: &str,
    #[values("true", "false", "nothing", "unknown")] account_says: &str,
    #[values(false, true)] template: bool,
) {
    let expected = match (pod_says, account_says, template) {
        ("false", ..) => "fine",
        ("true", ..) => "warn",
        (_, "false", true) => "fine",
        (.., true) => "warn",
        (.., false) => "fix",
    };
    let automount = match pod_says {
        "true" => json!(true),
        "false" => json!(false),
        _ => Value::Null,
    };
    let spec = json!({"automountServiceAccountToken": automount});
    let object = if template { deployment(&spec) } else { admitted_pod(&spec) };
    let record = match account_says {
        "true" => Some(true),
        "false" => Some(false),
        _ => None,
    };
    let cluster = if account_says == "unknown" {
        FakeCluster::failing(LookupError::NotGranted)
    } else {
        FakeCluster::with("shop", "default", AccountRecord::new(record))
    };
    assert_eq!(outcome(&review(&create(&object), &settings(&json!("mutate")), &cluster)), expected);
}

#[test]
fn fix_removes_field_volume_and_mounts_only() {
    let mut pod = admitted_pod(&json!({
        "initContainers": [{"name": "setup", "image": "i", "volumeMounts": [{"name": "data", "mountPath": "/data"}]}],
        "containers": [{"name": "web", "image": "i", "future": {"field": [1, null]}}, {"name": "side", "image": "i"}],
        "volumes": [{"name": "data", "emptyDir": {}}],
        "newField": 1,
    }));
    // A mount elsewhere, as in a copied Pod.
    pod["spec"]["containers"][1]["volumeMounts"][0]["mountPath"] = json!("/elsewhere");
    let answer = review(&create(&pod), &settings(&json!("mutate")), &cluster("nothing"));
    let mut expected = pod;
    expected["spec"]["automountServiceAccountToken"] = json!(false);
    expected["spec"]["volumes"].as_array_mut().unwrap().pop();
    expected["spec"]["initContainers"][0]["volumeMounts"].as_array_mut().unwrap().pop();
    expected["spec"]["containers"][0]["volumeMounts"] = json!([]);
    expected["spec"]["containers"][1]["volumeMounts"] = json!([]);
    assert_eq!(answer["mutated_object"], expected);
    assert_eq!(
        answer["warnings"],
        json!(["pod-automount: spec.automountServiceAccountToken: set to false, the token volume removed"])
    );
    assert_eq!(answer["audit_annotations"], json!({"pod-automount": "fixed(1)"}));
}

#[test]
fn messages() {
    let text = |object: &Value, params: &Value, automount: &str| {
        let answer = review(&create(object), &settings(params), &cluster(automount));
        let text = answer.get("message").or_else(|| answer["warnings"].get(0)).unwrap();
        text.as_str().unwrap().to_owned()
    };
    let app = |more: Value| {
        let mut spec = json!({"serviceAccountName": "app"});
        spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        admitted_pod(&spec)
    };
    let reject = json!("reject");
    assert_eq!(
        text(
            &admitted_pod(&json!({"automountServiceAccountToken": true})),
            &json!({"action": "reject", "optInOnDefault": "reject"}),
            "nothing"
        ),
        "serviceaccount-hygiene: 1 problem\n- pod-automount: spec.automountServiceAccountToken: is true on the default account; give the Pod a dedicated account, or set it to false"
    );
    assert_eq!(
        text(
            &app(json!({"automountServiceAccountToken": true})),
            &json!({"action": "reject", "allowExplicitOptIn": false}),
            "nothing"
        ),
        "serviceaccount-hygiene: 1 problem\n- pod-automount: spec.automountServiceAccountToken: is true, which is not allowed here; set it to false, or exempt account `app`"
    );
    assert_eq!(
        text(&admitted_pod(&json!({})), &reject, "nothing"),
        "serviceaccount-hygiene: 1 problem\n- pod-automount: spec.automountServiceAccountToken: is not set, so the token of the default account is mounted; set it to false, or use a dedicated account if the Pod calls the Kubernetes API"
    );
    // `true` on the ServiceAccount would not help.
    for account in ["true", "nothing"] {
        assert_eq!(
            text(&app(json!({})), &json!({"action": "reject", "optIn": "pod"}), account),
            "pod-automount: spec.automountServiceAccountToken: is not set, so the token of account `app` is mounted; set it to false, or to true if the Pod calls the Kubernetes API"
        );
    }
    assert_eq!(
        text(&app(json!({})), &json!({"action": "reject", "scope": "all"}), "nothing"),
        "serviceaccount-hygiene: 1 problem\n- pod-automount: spec.automountServiceAccountToken: is not set, so the token of account `app` is mounted; set it to false, or to true if the Pod calls the Kubernetes API"
    );
    assert_eq!(
        text(&app(json!({})), &reject, "nothing"),
        "pod-automount: spec.automountServiceAccountToken: is not set, so the token of account `app` is mounted; set it here or on the account: true if the Kubernetes API is called, else false"
    );
    assert_eq!(
        text(&app(json!({})), &reject, "unknown"),
        "pod-automount: spec.automountServiceAccountToken: is not set, and account `app` is unknown; set it to true if the Kubernetes API is called, else to false"
    );
    assert_eq!(
        text(&deployment(&json!({})), &json!("mutate"), "nothing"),
        "pod-automount: spec.template.spec.automountServiceAccountToken: Pods made from this template will be changed: set to false"
    );
    let mut vault = admitted_pod(&json!({}));
    vault["metadata"]["annotations"] = json!({"vault.hashicorp.com/agent-inject": "true"});
    assert_eq!(
        text(&vault, &json!("mutate"), "nothing"),
        "pod-automount: metadata.annotations[\"vault.hashicorp.com/agent-inject\"]: requests the API token on the default account; give the Pod a dedicated account"
    );
    vault["spec"]["serviceAccountName"] = json!("app");
    assert_eq!(
        text(&vault, &json!({"action": "reject", "allowExplicitOptIn": false}), "nothing"),
        "serviceaccount-hygiene: 1 problem\n- pod-automount: metadata.annotations[\"vault.hashicorp.com/agent-inject\"]: requests the API token, which is not allowed here; exempt account `app`"
    );
}

#[test]
fn annotation_opts_in() {
    let mut pod = admitted_pod(&json!({"serviceAccountName": "app"}));
    pod["metadata"]["annotations"] = json!({"vault.hashicorp.com/agent-inject": "true", "x": null});
    let all = json!({"action": "mutate", "scope": "all"});
    assert_eq!(outcome(&review(&create(&pod), &settings(&all), &cluster("nothing"))), "fine");
    pod["metadata"]["annotations"] = json!({"vault.hashicorp.com/agent-inject": "false"});
    assert_eq!(outcome(&review(&create(&pod), &settings(&all), &cluster("nothing"))), "fix");
    pod["metadata"]["annotations"] = json!({"example.com/keep": "yes"});
    let own = json!({"action": "mutate", "scope": "all", "keepForAnnotations": ["example.com/*=yes"]});
    assert_eq!(outcome(&review(&create(&pod), &settings(&own), &cluster("nothing"))), "fine");
}

const KEEPER: &str = "docker.io/kumahq/kuma-dp:*";

fn meshed(image: &str) -> Value {
    admitted_pod(
        &json!({"serviceAccountName": "app", "containers": [{"name": "web", "image": "i"}, {"name": "kuma-sidecar", "image": image}]}),
    )
}

fn keeping() -> Value {
    json!({"action": "mutate", "scope": "all", "tokenContainers": [{"name": "kuma-sidecar", "image": KEEPER}]})
}

#[rstest]
#[case("docker.io/kumahq/kuma-dp:2.9")]
#[case("kumahq/kuma-dp:2.9")]
fn token_container_keeps_mount(#[case] image: &str) {
    let pod = meshed(image);
    let answer = review(&create(&pod), &settings(&keeping()), &cluster("nothing"));
    let mut expected = pod;
    expected["spec"]["automountServiceAccountToken"] = json!(false);
    expected["spec"]["containers"][0]["volumeMounts"] = json!([]);
    assert_eq!(answer["mutated_object"], expected);
    assert_eq!(
        answer["warnings"][0],
        "pod-automount: spec.automountServiceAccountToken: set to false, the token volume kept for kuma-sidecar only"
    );
}

/// Attempts to bypass `tokenContainers`.
#[rstest]
#[case::another_registry("evil.example/kumahq/kuma-dp:2.9")]
#[case::the_registry_as_a_path("evil.example/docker.io/kumahq/kuma-dp:2.9")]
#[case::library("kuma-dp:2.9")]
#[case::case_of_letters("docker.io/KumaHQ/kuma-dp:2.9")]
#[case::a_host_in_capitals("EVIL/kumahq/kuma-dp:2.9")]
fn token_container_must_match_image(#[case] image: &str) {
    let answer = review(&create(&meshed(image)), &settings(&keeping()), &cluster("nothing"));
    assert_eq!(answer["mutated_object"]["spec"]["volumes"], json!([]));
}

/// A registry in a pattern does not match a part of an image's path.
#[rstest]
#[case::the_registry("*.example.com/kuma-dp:*", "mirror.example.com/kuma-dp:2.9", true)]
#[case::in_the_path("*.example.com/kuma-dp:*", "evil.example/x.example.com/kuma-dp:2.9", false)]
#[case::one_character("e?x.example.com/kuma-dp:*", "e/x.example.com/kuma-dp:2.9", false)]
#[case::a_deeper_path("docker.io/*:*", "kumahq/kuma-dp:2.9", true)]
#[case::a_host_in_capitals("docker.io/*:*", "EVIL/kuma-dp:2.9", false)]
fn token_container_must_match_registry(#[case] pattern: &str, #[case] image: &str, #[case] keeps: bool) {
    let mut keeping = keeping();
    keeping["tokenContainers"][0]["image"] = json!(pattern);
    let answer = review(&create(&meshed(image)), &settings(&keeping), &cluster("nothing"));
    assert_eq!(answer["mutated_object"]["spec"]["volumes"] != json!([]), keeps, "{answer}");
}

#[test]
fn token_container_must_not_share_processes() {
    for field in ["shareProcessNamespace", "hostPID"] {
        let mut pod = meshed("kumahq/kuma-dp:2.9");
        pod["spec"][field] = json!(true);
        let answer = review(&create(&pod), &settings(&keeping()), &cluster("nothing"));
        assert_eq!(answer["mutated_object"]["spec"]["volumes"], json!([]), "{field}");
    }
}

/// Ways to bypass the rule, or its fix.
#[test]
fn bypass_by_two_plugin_volumes() {
    let mut pod = admitted_pod(&json!({}));
    let mut second = plugin_volume();
    second["name"] = json!("kube-api-access-zzzzz");
    pod["spec"]["volumes"].as_array_mut().unwrap().push(second);
    pod["spec"]["containers"][0]["volumeMounts"]
        .as_array_mut()
        .unwrap()
        .push(json!({"name": "kube-api-access-zzzzz", "mountPath": "/t"}));
    let answer = review(&create(&pod), &settings(&json!("mutate")), &cluster("nothing"));
    assert_eq!(answer["mutated_object"]["spec"]["volumes"], json!([]));
    assert_eq!(answer["mutated_object"]["spec"]["containers"][0]["volumeMounts"], json!([]));
}

#[test]
fn bypass_by_copied_pod() {
    let pod = admitted_pod(&json!({"serviceAccountName": "app"}));
    let answer = review(&create(&pod), &settings(&json!("mutate")), &cluster("false"));
    assert_eq!(answer["mutated_object"]["spec"]["volumes"], json!([]));
}

#[test]
fn bypass_by_alias_and_empty_name() {
    for spec in [
        json!({"serviceAccountName": ""}),
        json!({"serviceAccountName": null}),
        json!({"serviceAccountName": "default"}),
    ] {
        let answer = review(&create(&admitted_pod(&spec)), &settings(&json!("mutate")), &cluster("nothing"));
        assert_eq!(outcome(&answer), "fix", "{spec}");
    }
}

#[test]
fn bypass_by_ephemeral_container() {
    let mut pod = admitted_pod(&json!({}));
    pod["spec"]["ephemeralContainers"] = json!([{"name": "debug", "image": "i", "volumeMounts": [{"name": "kube-api-access-bcd24", "mountPath": "/t"}]}]);
    let answer = review(&create(&pod), &settings(&json!("mutate")), &cluster("nothing"));
    assert_eq!(answer["mutated_object"]["spec"]["ephemeralContainers"][0]["volumeMounts"], json!([]));
}

/// When a server-side apply creates an object, webhooks see a deletion timestamp
/// that the API server removes afterwards.
#[test]
fn bypass_by_forged_deletion() {
    let mut pod = admitted_pod(&json!({}));
    pod["metadata"]["deletionTimestamp"] = json!("2030-01-01T00:00:00Z");
    assert_eq!(outcome(&review(&create(&pod), &settings(&json!("mutate")), &cluster("nothing"))), "fix");
    let mut deleting = deployment(&json!({"automountServiceAccountToken": true}));
    deleting["metadata"]["deletionTimestamp"] = json!("2030-01-01T00:00:00Z");
    assert_eq!(
        outcome(&review(&update(&deployment(&json!({})), &deleting), &settings(&json!("mutate")), &cluster("nothing"))),
        "fine"
    );
}

#[test]
fn bypass_by_generated_name() {
    let mut exempting = settings(&json!("mutate"));
    exempting["exemptions"] = json!([{"names": ["legacy-*"]}]);
    let outcome = |metadata: &Value| {
        let mut pod = admitted_pod(&json!({}));
        pod["metadata"] = metadata.clone();
        outcome(&review(&create(&pod), &exempting, &cluster("nothing")))
    };
    assert_eq!(outcome(&json!({"name": "web", "generateName": "legacy-"})), "fix");
    assert_eq!(outcome(&json!({"generateName": "legacy-"})), "fine");
    assert_eq!(outcome(&json!({"name": "legacy-x", "generateName": "web-"})), "fine");
}

#[test]
fn bypass_by_owner() {
    let mut pod = admitted_pod(&json!({}));
    pod["metadata"]["ownerReferences"] = json!([{"controller": true, "kind": "ReplicaSet", "name": "x"}]);
    assert_eq!(outcome(&review(&create(&pod), &settings(&json!("mutate")), &cluster("nothing"))), "fix");
}

/// Pods that must be accepted.
#[test]
fn accepts_pod_without_plugin_volume() {
    // Every container has its own mount at the well-known path.
    let mut pod = admitted_pod(&json!({"automountServiceAccountToken": false}));
    pod["spec"].as_object_mut().unwrap().remove("automountServiceAccountToken");
    assert_eq!(
        outcome(&review(&create(&pod), &settings(&json!({"action": "mutate", "scope": "all"})), &cluster("nothing"))),
        "fine"
    );
}

#[test]
fn skips_hand_written_token() {
    let mut pod = admitted_pod(&json!({"automountServiceAccountToken": false}));
    inject(&mut pod);
    assert_eq!(outcome(&review(&create(&pod), &settings(&json!("mutate")), &cluster("nothing"))), "fine");
}

#[test]
fn validating_phase_rejects() {
    let mut validating = settings(&json!("mutate"));
    validating["phase"] = json!("validating");
    let answer = review(&create(&admitted_pod(&json!({}))), &validating, &cluster("nothing"));
    assert_eq!((outcome(&answer), &answer["code"]), ("reject", &json!(403)));
    // A template is not rejected for what the fix will remove from its Pods.
    assert_eq!(outcome(&review(&create(&deployment(&json!({}))), &validating, &cluster("nothing"))), "warn");
}

#[test]
fn fixes_template() {
    let mut fixing = settings(&json!("mutate"));
    fixing["templates"] = json!("fix");
    let old = deployment(&json!({}));
    let answer = review(&create(&old), &fixing, &cluster("nothing"));
    let mut expected = old.clone();
    expected["spec"]["template"]["spec"]["automountServiceAccountToken"] = json!(false);
    assert_eq!(answer["mutated_object"], expected);
    // A label must not start a rollout.
    let mut labelled = old.clone();
    labelled["metadata"]["labels"] = json!({"a": "b"});
    assert_eq!(outcome(&review(&update(&old, &labelled), &fixing, &cluster("nothing"))), "warn");
    // A change of the template starts one anyway.
    let mut changed = old.clone();
    changed["spec"]["template"]["spec"]["containers"][0]["image"] = json!("registry.example/web:2");
    assert_eq!(outcome(&review(&update(&old, &changed), &fixing, &cluster("nothing"))), "fix");
    // But not for a Job, whose template is immutable.
    let job = |object: &Value| {
        let mut job = object.clone();
        (job["kind"], job["apiVersion"]) = (json!("Job"), json!("batch/v1"));
        job
    };
    assert_eq!(outcome(&review(&update(&job(&old), &job(&changed)), &fixing, &cluster("nothing"))), "warn");
}

#[test]
fn old_problem_warns() {
    let asking = json!({"automountServiceAccountToken": true});
    let settings = || settings(&json!({"action": "mutate", "optInOnDefault": "reject"}));
    let old = deployment(&asking);
    let mut labelled = old.clone();
    labelled["metadata"]["labels"] = json!({"a": "b"});
    assert_eq!(outcome(&review(&update(&old, &labelled), &settings(), &cluster("nothing"))), "warn");
    assert_eq!(outcome(&review(&update(&deployment(&json!({})), &old), &settings(), &cluster("nothing"))), "reject");
    let mut no_old = update(&old, &labelled);
    no_old["oldObject"] = Value::Null;
    assert_eq!(outcome(&review(&no_old, &settings(), &cluster("nothing"))), "reject");
}

/// A custom resource stores whatever its schema accepts.
#[test]
fn unreadable_old_object() {
    let rollout = |template: Value| json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "metadata": {"name": "web"}, "spec": {"template": template}});
    let mut custom = settings(&json!("mutate"));
    custom["customTemplates"] = json!([{"apiGroup": "argoproj.io", "kind": "Rollout", "path": "spec.template"}]);
    let outcome =
        |old: Value, new: Value| outcome(&review(&update(&rollout(old), &rollout(new)), &custom, &cluster("nothing")));
    let (broken, good) = (json!({"spec": {"volumes": {}}}), json!({"spec": {"containers": []}}));
    assert_eq!(outcome(broken.clone(), good.clone()), "warn");
    assert_eq!(outcome(good, broken), "reject");
    // A template that is elsewhere: `spec.workloadRef`.
    for empty in [json!({}), json!({"spec": null}), Value::Null] {
        assert_eq!(outcome(Value::Null, empty), "fine");
    }
}

/// Only the account of the new object is looked up.
#[test]
fn never_looks_up_old_account() {
    let spec = |account: &str, automount: Value| json!({"serviceAccountName": account, "automountServiceAccountToken": automount});
    let old = deployment(&spec("app", Value::Null));
    let new = deployment(&spec("default", json!(true)));
    let failing = FakeCluster::failing(LookupError::Failed);
    let answer = review(&update(&old, &new), &settings(&json!("warn")), &failing);
    assert_eq!((outcome(&answer), failing.lookups()), ("warn", 0));
}

#[test]
fn many_volumes_and_mounts_are_fast() {
    let mut pod = admitted_pod(&json!({"automountServiceAccountToken": false}));
    pod["spec"]["automountServiceAccountToken"] = Value::Null;
    let name = |n: usize| {
        let letters: Vec<char> = "bcdfghjklmnpqrstvwxz2456789".chars().collect();
        let chance: String = (0..5).map(|digit| letters[n / 27_usize.pow(digit) % 27]).collect();
        format!("kube-api-access-{chance}")
    };
    let volumes = (0..1000).map(|n| {
        let mut volume = plugin_volume();
        volume["name"] = json!(name(n));
        volume
    });
    pod["spec"]["volumes"] = volumes.collect();
    let mounts = (0..1000).map(|n| json!({"name": name(n), "mountPath": format!("/{n}")}));
    pod["spec"]["containers"][0]["volumeMounts"] = mounts.collect();
    let answer = review(&create(&pod), &settings(&json!("mutate")), &cluster("nothing"));
    assert_eq!(answer["mutated_object"]["spec"]["volumes"], json!([]));
    assert_eq!(answer["mutated_object"]["spec"]["containers"][0]["volumeMounts"], json!([]));
}

#[test]
fn rejects_wrong_parameters() {
    let mut settings = settings(&json!({
        "action": "mutte", "scope": "none", "optIn": true, "allowExplicitOptIn": "yes", "keepForAnnotations": ["vault", "*=true", ""],
        "optInOnDefault": "of", "keepIfAllowed": [{"verb": "Get", "group": "apps/v1", "resource": "pods/exec", "cluster": true}, 7],
        "tokenContainers": [{"name": "a"}, {"name": "b", "image": "kuma-dp:*"}, {"name": "", "image": "docker.io/x", "imag": "y"}, 1], "scop": "all",
    }));
    settings["rules"]["pod-automout"] = json!("off");
    let answer: Value =
        serde_json::from_slice(&crate::guest::validate_settings(settings.to_string().as_bytes())).unwrap();
    assert_eq!(answer["valid"], false);
    let lines: Vec<&str> = answer["message"].as_str().unwrap().lines().collect();
    assert_eq!(lines[0], "serviceaccount-hygiene: 20 problems in the settings");
    assert_eq!(lines[1], "- rules.pod-automount.action: unknown value `mutte`; did you mean `mutate`?");
    assert_eq!(lines[20], "- rules.pod-automout: unknown rule `pod-automout`; did you mean `pod-automount`?");
    settings["rules"].as_object_mut().unwrap().remove("pod-automout");
    settings["rules"]["pod-automount"]["action"] = json!("mutate");
    let answer: Value =
        serde_json::from_slice(&crate::guest::validate_settings(settings.to_string().as_bytes())).unwrap();
    let lines: Vec<&str> = answer["message"].as_str().unwrap().lines().collect();
    assert_eq!(
        lines,
        [
            "serviceaccount-hygiene: 18 problems in the settings",
            "- rules.pod-automount.scop: unknown parameter `scop`; did you mean `scope`?",
            "- rules.pod-automount.scope: unknown value `none`, must be one of default, all",
            "- rules.pod-automount.optIn: must be one of serviceAccount, pod, is a boolean",
            "- rules.pod-automount.allowExplicitOptIn: must be true or false, is a string",
            "- rules.pod-automount.optInOnDefault: unknown value `of`, must be one of allow, warn, reject",
            "- rules.pod-automount.keepIfAllowed[0].cluster: unknown parameter `cluster`, must be one of verb, group, resource, subresource, clusterWide",
            "- rules.pod-automount.keepIfAllowed[0].verb: must be a verb of the Kubernetes API in lower case, e.g. get",
            "- rules.pod-automount.keepIfAllowed[0].group: must be the group without a version, e.g. apps",
            "- rules.pod-automount.keepIfAllowed[0].resource: must be one resource in the plural and in lower case, e.g. pods; write a subresource in its own key",
            "- rules.pod-automount.keepIfAllowed[1]: must be a map, is a number",
            "- rules.pod-automount.keepForAnnotations[0]: must be key=value, e.g. vault.hashicorp.com/agent-inject=true",
            "- rules.pod-automount.keepForAnnotations[1]: must be key=value, e.g. vault.hashicorp.com/agent-inject=true",
            "- rules.pod-automount.keepForAnnotations[2]: is empty; remove it, or write what it is to match",
            "- rules.pod-automount.tokenContainers[0]: image is missing",
            "- rules.pod-automount.tokenContainers[1].image: must begin with a registry, e.g. docker.io/kumahq/kuma-dp:*; else anyone's image of that name would keep the token",
            "- rules.pod-automount.tokenContainers[2].imag: unknown parameter `imag`; did you mean `image`?",
            "- rules.pod-automount.tokenContainers[2]: name is missing",
            "- rules.pod-automount.tokenContainers[3]: must be a map, is a number",
        ]
    );
}

#[test]
fn rejects_token_containers_with_fixed_templates() {
    let mut settings = settings(&keeping());
    settings["templates"] = json!("fix");
    let answer: Value =
        serde_json::from_slice(&crate::guest::validate_settings(settings.to_string().as_bytes())).unwrap();
    assert_eq!(
        answer["message"],
        "serviceaccount-hygiene: 1 problem in the settings\n- rules.pod-automount.tokenContainers: cannot be combined with templates: fix, because a Pod whose template sets false gets no token volume to keep"
    );
}
