// SPDX-License-Identifier: Apache-2.0
use rstest::rstest;
use serde_json::{Value, json};

use crate::testing::{
    admitted_pod, create, ephemeral, only, outcome, projected, quiet_cluster, reported, review, settings_problems,
    token, tokenless_pod,
};

const ID: &str = "ephemeral-token-mount";

fn settings(params: &Value) -> Value {
    only(&json!({ID: params}))
}

/// A running Pod with these volumes.
fn pod(volumes: &Value) -> Value {
    tokenless_pod(&json!({"volumes": volumes}))
}

fn debugger(more: &Value) -> Value {
    let mut container = json!({"name": "debug", "image": "i"});
    container.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json!([container])
}

fn mounting(volume: &str) -> Value {
    debugger(&json!({"volumeMounts": [{"name": volume, "mountPath": "/t"}]}))
}

fn checked(pod: &Value, containers: &Value, params: &Value) -> Value {
    review(&ephemeral(pod, &json!([]), containers), &settings(params), &quiet_cluster())
}

#[test]
fn messages() {
    let text =
        |volume: Value| reported(&checked(&pod(&json!([volume])), &mounting("v"), &json!("reject")), ID).remove(0);
    assert_eq!(
        text(projected("v", &json!([token("", 3607)]))),
        "spec.ephemeralContainers[debug].volumeMounts[v]: mounts the token in this volume; remove the mount, or debug a copy of the Pod under an account without permissions"
    );
    assert_eq!(
        text(json!({"name": "v", "secret": {"secretName": "app-token-bcd24"}})),
        "spec.ephemeralContainers[debug].volumeMounts[v]: mounts Secret `app-token-bcd24`, a legacy token, which never expires; remove the mount"
    );
    assert_eq!(
        text(json!({"name": "v", "hostPath": {"path": "/var/lib"}})),
        "spec.ephemeralContainers[debug].volumeMounts[v]: mounts `/var/lib` of the node, where /var/lib/kubelet/pods gives access to credentials of other Pods or the node; remove the mount"
    );
    let app = admitted_pod(&json!({"serviceAccountName": "app"}));
    assert_eq!(
        reported(&checked(&app, &debugger(&json!({"targetContainerName": "web"})), &json!("reject")), ID),
        [
            "spec.ephemeralContainers[debug]: shares processes with container `web`, whose credentials it can read in /proc; debug a container without credentials, or a copy of the Pod"
        ]
    );
}

/// What can be mounted.
#[rstest]
#[case::api_token(projected("v", &json!([token("", 3600)])), "reject")]
#[case::cloud_token(projected("v", &json!([token("sts.amazonaws.com", 86400)])), "reject")]
#[case::token_behind_another_source(projected("v", &json!([{"configMap": {"name": "c"}}, token("vault", 600)])), "reject")]
#[case::legacy_token(json!({"name": "v", "secret": {"secretName": "app-token-bcd24"}}), "reject")]
#[case::legacy_token_in_a_projection(projected("v", &json!([{"secret": {"name": "x"}}, {"secret": {"name": "app-token-bcd24"}}])), "reject")]
#[case::every_pods_tokens(json!({"name": "v", "hostPath": {"path": "/var/lib/kubelet/pods"}}), "reject")]
#[case::socket(json!({"name": "v", "hostPath": {"path": "/run/containerd/containerd.sock"}}), "reject")]
#[case::empty_dir(json!({"name": "v", "emptyDir": {}}), "fine")]
#[case::other_secret(json!({"name": "v", "secret": {"secretName": "web-tls"}}), "fine")]
#[case::logs(json!({"name": "v", "hostPath": {"path": "/var/log"}}), "fine")]
#[case::no_token(projected("v", &json!([{"configMap": {"name": "c"}}])), "fine")]
fn volumes(#[case] volume: Value, #[case] expected: &str) {
    let volumes = json!([{"name": "data", "emptyDir": {}}, volume]);
    assert_eq!(outcome(&checked(&pod(&volumes), &mounting("v"), &json!("reject"))), expected);
    // A volume that is not mounted does not count.
    assert_eq!(outcome(&checked(&pod(&volumes), &mounting("data"), &json!("reject"))), "fine");
}

/// Ways to bypass the rule.
#[rstest]
#[case::sub_path_expression(json!([{"name": "v", "mountPath": "/x", "subPathExpr": "token"}]))]
#[case::at_the_usual_place(json!([{"name": "v", "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount", "readOnly": true}]))]
#[case::second_mount(json!([{"name": "data", "mountPath": "/d"}, {"name": "v", "mountPath": "/x"}]))]
fn bypass(#[case] mounts: Value) {
    // No container of the Pod mounts the volume yet.
    let pod = pod(&json!([{"name": "data", "emptyDir": {}}, projected("v", &json!([token("", 3600)]))]));
    assert_eq!(outcome(&checked(&pod, &debugger(&json!({"volumeMounts": mounts})), &json!("reject"))), "reject");
}

#[test]
fn bypass_kept_plugin_volume() {
    let mut pod = admitted_pod(&json!({"serviceAccountName": "app"}));
    pod["spec"]["automountServiceAccountToken"] = json!(false);
    assert_eq!(outcome(&checked(&pod, &mounting("kube-api-access-bcd24"), &json!("reject"))), "reject");
}

/// Only new containers are checked, whatever else the Pod contains.
#[test]
fn checks_new_containers_only() {
    let pod = pod(&json!([projected("v", &json!([token("", 3600)]))]));
    let reviewed = |old: &Value, new: &Value| {
        outcome(&review(&ephemeral(&pod, old, new), &settings(&json!("reject")), &quiet_cluster()))
    };
    let old = mounting("v");
    let harmless = json!([old[0], {"name": "second", "image": "i"}]);
    let harmful = json!([old[0], {"name": "second", "image": "i", "volumeMounts": [{"name": "v", "mountPath": "/t"}]}]);
    assert_eq!(reviewed(&old, &old), "fine");
    assert_eq!(reviewed(&old, &harmless), "fine");
    assert_eq!(reviewed(&old, &harmful), "reject");
    // A name in another list is not a name in this list; containers without a
    // name never match.
    let named_web = json!([{"name": "web", "image": "i", "volumeMounts": [{"name": "v", "mountPath": "/t"}]}]);
    assert_eq!(reviewed(&json!([]), &named_web), "reject");
    let nameless = json!([{"image": "i", "volumeMounts": [{"name": "v", "mountPath": "/t"}]}]);
    assert_eq!(reviewed(&nameless, &nameless), "reject");
    // Without the stored Pod, it is unknown what is mounted.
    let mut request = ephemeral(&pod, &old, &old);
    request["oldObject"] = Value::Null;
    assert_eq!(
        review(&request, &settings(&json!("reject")), &quiet_cluster())["message"],
        "serviceaccount-hygiene: the request cannot be read: oldObject: must be an object, is absent"
    );
    request["oldObject"] = json!({"spec": {"ephemeralContainers": {}}});
    let answer = review(&request, &settings(&json!("reject")), &quiet_cluster());
    assert_eq!(
        answer["message"],
        "serviceaccount-hygiene: the request cannot be read: oldObject.spec.ephemeralContainers: must be a list, is an object"
    );
}

/// An ephemeral container that was rejected before does not excuse a new one.
#[test]
fn no_ratchet() {
    let mut pod = pod(&json!([projected("v", &json!([token("", 3600)]))]));
    pod["metadata"]["labels"] = json!({"a": "b"});
    let again = json!([mounting("v")[0], {"name": "debug-2", "image": "i", "volumeMounts": [{"name": "v", "mountPath": "/t"}]}]);
    let answer = review(&ephemeral(&pod, &mounting("v"), &again), &settings(&json!("reject")), &quiet_cluster());
    assert_eq!(reported(&answer, ID).len(), 1);
    assert_eq!(outcome(&answer), "reject");
}

/// Lists of other rules apply here, whether those rules are on or off.
#[rstest]
#[case("off")]
#[case("warn")]
fn parameters_of_other_rules(#[case] action: &str) {
    let settings = only(&json!({
        ID: "reject",
        "legacy-token-mount": {"action": action, "extraSecretNames": ["deployer"]},
        "kubelet-host-path": {"action": action, "roots": ["/data/kubelet"]},
    }));
    let reviewed = |volume: Value| {
        let request = ephemeral(&pod(&json!([volume])), &json!([]), &mounting("v"));
        reported(&review(&request, &settings, &quiet_cluster()), ID).len()
    };
    assert_eq!(reviewed(json!({"name": "v", "secret": {"secretName": "deployer"}})), 1);
    assert_eq!(reviewed(json!({"name": "v", "hostPath": {"path": "/data"}})), 1);
    assert_eq!(reviewed(json!({"name": "v", "hostPath": {"path": "/var/lib/kubelet/pods"}})), 0);
}

/// Shared processes: the parameter sets the severity, and the action limits it.
#[rstest]
#[case("reject", "allow", "fine")]
#[case("reject", "warn", "warn")]
#[case("reject", "reject", "reject")]
#[case("warn", "reject", "warn")]
#[case("warn", "allow", "fine")]
#[case("off", "reject", "fine")]
fn targets_by_action(#[case] action: &str, #[case] targets: &str, #[case] expected: &str) {
    let app = admitted_pod(&json!({"serviceAccountName": "app"}));
    let params = json!({"action": action, "targets": targets});
    assert_eq!(outcome(&checked(&app, &debugger(&json!({"targetContainerName": "web"})), &params)), expected);
}

#[rstest]
#[case::by_default(json!({"targetContainerName": "web"}), json!(null), "warn")]
#[case::no_target(json!({}), json!(null), "fine")]
#[case::empty_target(json!({"targetContainerName": ""}), json!(null), "fine")]
#[case::null_target(json!({"targetContainerName": null}), json!(null), "fine")]
#[case::target_with_a_host_path(json!({"targetContainerName": "side"}), json!(null), "warn")]
#[case::target_without_credentials(json!({"targetContainerName": "plain"}), json!(null), "fine")]
#[case::target_with_a_legacy_token_in_its_environment(json!({"targetContainerName": "env"}), json!(null), "warn")]
#[case::target_with_a_whole_legacy_token_in_its_environment(json!({"targetContainerName": "env-from"}), json!(null), "warn")]
#[case::target_that_is_not_there(json!({"targetContainerName": "nobody"}), json!(null), "fine")]
#[case::init_container(json!({"targetContainerName": "setup"}), json!(null), "warn")]
#[case::all_processes_are_shared(json!({}), json!(true), "warn")]
#[case::all_processes_whatever_the_target(json!({"targetContainerName": "side"}), json!(true), "warn")]
#[case::not_shared(json!({}), json!(false), "fine")]
fn shared_processes(#[case] more: Value, #[case] share: Value, #[case] expected: &str) {
    let mut pod = tokenless_pod(&json!({
        "shareProcessNamespace": share,
        "initContainers": [{"name": "setup", "image": "i", "volumeMounts": [{"name": "v", "mountPath": "/t"}]}],
        "containers": [
            {"name": "web", "image": "i", "volumeMounts": [{"name": "v", "mountPath": "/t"}]},
            {"name": "side", "image": "i", "volumeMounts": [{"name": "node", "mountPath": "/n"}]},
            {"name": "plain", "image": "i", "env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "web-tls", "key": "k"}}}]},
            {"name": "env", "image": "i", "env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "app-token-bcd24", "key": "token"}}}]},
            {"name": "env-from", "image": "i", "envFrom": [{"secretRef": {"name": "app-token-bcd24"}}]},
        ],
        "volumes": [projected("v", &json!([token("vault", 600)])), {"name": "node", "hostPath": {"path": "/proc"}}],
    }));
    assert_eq!(outcome(&checked(&pod, &debugger(&more), &json!("reject"))), expected);
    pod["spec"]["volumes"][0] = json!({"name": "v", "secret": {"secretName": "app-token-bcd24"}});
    assert_eq!(outcome(&checked(&pod, &debugger(&more), &json!("reject"))), expected);
    pod["spec"]["volumes"] =
        json!([{"name": "v", "secret": {"secretName": "web-tls"}}, {"name": "node", "hostPath": {"path": "/var/log"}}]);
    for container in [3, 4] {
        pod["spec"]["containers"][container]["env"] = json!(null);
        pod["spec"]["containers"][container]["envFrom"] = json!(null);
    }
    assert_eq!(outcome(&checked(&pod, &debugger(&more), &json!("reject"))), "fine");
}

/// If a container sees the node's processes, no container of the Pod has to
/// hold credentials.
#[rstest]
#[case::by_default(json!({}), json!(true), "warn")]
#[case::refused(json!({"targets": "reject"}), json!(true), "reject")]
#[case::allowed(json!({"targets": "allow"}), json!(true), "fine")]
#[case::not_shared(json!({}), json!(false), "fine")]
fn host_pid_by_targets(#[case] mut params: Value, #[case] host_pid: Value, #[case] expected: &str) {
    params["action"] = json!("reject");
    let pod = tokenless_pod(&json!({"hostPID": host_pid}));
    let answer = checked(&pod, &debugger(&json!({"targetContainerName": "web"})), &params);
    assert_eq!(outcome(&answer), expected);
    let text = "spec.ephemeralContainers[debug]: shares the processes of the node (hostPID), whose credentials it can read in /proc; debug a copy of the Pod without hostPID";
    assert!(reported(&answer, ID).iter().all(|reported| reported == text), "{answer}");
}

/// Of a Pod in the request, the API server keeps only the new containers.
#[rstest]
#[case::volumes("/spec/volumes", json!([{"name": "v", "emptyDir": {}}]))]
#[case::account("/spec/serviceAccountName", json!("debugger"))]
#[case::deletion("/metadata/deletionTimestamp", json!("2026-01-01T00:00:00Z"))]
#[case::name("/metadata/name", json!("exempt"))]
#[case::mirror("/metadata/annotations", json!({"kubernetes.io/config.mirror": "x"}))]
#[case::metadata("/metadata", json!({}))]
#[case::no_volumes("/spec/volumes", json!([]))]
fn bypass_by_forged_pod(#[case] pointer: &str, #[case] forged: Value) {
    let pod = pod(&json!([projected("v", &json!([token("", 3600)]))]));
    let mut settings = settings(&json!("reject"));
    settings["exemptions"] = json!([{"serviceAccounts": ["shop/debugger"]}, {"names": ["exempt"]}]);
    let mut request = ephemeral(&pod, &json!([]), &mounting("v"));
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    request["object"].pointer_mut(parent).unwrap()[key] = forged;
    assert_eq!(
        reported(&review(&request, &settings, &quiet_cluster()), ID),
        [
            "spec.ephemeralContainers[debug].volumeMounts[v]: mounts the token in this volume; remove the mount, or debug a copy of the Pod under an account without permissions"
        ]
    );
}

/// The stored Pod decides, even if it is being deleted.
#[test]
fn pod_being_deleted() {
    let mut pod = pod(&json!([projected("v", &json!([token("", 3600)]))]));
    pod["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
    let request = ephemeral(&pod, &json!([]), &mounting("v"));
    assert_eq!(outcome(&review(&request, &settings(&json!("reject")), &quiet_cluster())), "reject");
}

/// With shared processes, an earlier ephemeral container counts like any other.
#[test]
fn bypass_by_older_ephemeral_container() {
    let mut pod = pod(&json!([projected("v", &json!([token("", 3600)]))]));
    pod["spec"]["shareProcessNamespace"] = json!(true);
    let new = json!([mounting("v")[0], {"name": "second", "image": "i"}]);
    let answer = review(&ephemeral(&pod, &mounting("v"), &new), &settings(&json!("reject")), &quiet_cluster());
    assert_eq!(outcome(&answer), "warn");
    assert!(
        reported(&answer, ID)[0]
            .starts_with("spec.ephemeralContainers[second]: shares processes with container `debug`,")
    );
}

#[test]
fn skips_other_requests() {
    let pod = pod(&json!([projected("v", &json!([token("", 3600)]))]));
    let mut with = pod.clone();
    with["spec"]["ephemeralContainers"] = mounting("v");
    assert_eq!(outcome(&review(&create(&with), &settings(&json!("reject")), &quiet_cluster())), "fine");
    for (sub_resource, operation) in
        [("", "UPDATE"), ("status", "UPDATE"), ("resize", "UPDATE"), ("ephemeralcontainers", "CREATE")]
    {
        let mut request = ephemeral(&pod, &json!([]), &mounting("v"));
        request["subResource"] = json!(sub_resource);
        request["operation"] = json!(operation);
        assert_eq!(outcome(&review(&request, &settings(&json!("reject")), &quiet_cluster())), "fine", "{sub_resource}");
    }
}

#[rstest]
#[case(json!({"serviceAccounts": ["shop/app"]}), "fine")]
#[case(json!({"serviceAccounts": ["shop/other"]}), "reject")]
#[case(json!({"names": ["web"]}), "fine")]
#[case(json!({"users": ["alice"]}), "fine")]
#[case(json!({"rules": ["legacy-token-mount"], "users": ["alice"]}), "reject")]
fn exemptions(#[case] exemption: Value, #[case] expected: &str) {
    let mut settings = settings(&json!("reject"));
    settings["exemptions"] = json!([exemption]);
    let pod = pod(&json!([projected("v", &json!([token("", 3600)]))]));
    assert_eq!(outcome(&review(&ephemeral(&pod, &json!([]), &mounting("v")), &settings, &quiet_cluster())), expected);
}

#[test]
fn rejects_wrong_parameters() {
    assert_eq!(
        settings_problems(&settings(&json!({"targets": "off"}))),
        ["rules.ephemeral-token-mount.targets: unknown value `off`, must be one of allow, warn, reject"]
    );
}
