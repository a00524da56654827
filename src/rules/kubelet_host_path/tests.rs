// SPDX-License-Identifier: Apache-2.0
use rstest::rstest;
use serde_json::{Value, json};

use crate::testing::{
    create, deployment, only, quiet_cluster, review, said, settings_problems, tokenless_pod, update, word,
};

const ID: &str = "kubelet-host-path";

fn settings(params: &Value) -> Value {
    only(&json!({ID: params}))
}

fn pod(path: &str) -> Value {
    tokenless_pod(&json!({"volumes": [{"name": "node", "hostPath": {"path": path, "type": "Directory"}}]}))
}

fn judged(path: &str, params: &Value) -> Value {
    review(&create(&pod(path)), &settings(params), &quiet_cluster())
}

#[test]
fn every_text_in_full() {
    assert_eq!(
        said(&judged("/var/lib", &json!("warn")), ID),
        [
            "spec.volumes[node].hostPath.path: /var/lib opens /var/lib/kubelet/pods of the node, and with it the credentials of others; mount only the directory that is needed"
        ]
    );
}

#[rstest]
#[case::logs("/var/log")]
#[case::plugins("/var/lib/kubelet/plugins")]
#[case::driver("/var/lib/kubelet/plugins/ebs.csi.aws.com")]
#[case::registry("/var/lib/kubelet/plugins_registry")]
#[case::old_registry("/var/lib/kubelet/plugins_registry/")]
#[case::devices("/var/lib/kubelet/device-plugins")]
#[case::pod_resources("/var/lib/kubelet/pod-resources")]
#[case::k0s_plugins("/var/lib/k0s/kubelet/plugins")]
#[case::begins_alike("/var/lib/kubelet/pods2")]
#[case::another_kubelet("/var/lib/kubelets/pods")]
#[case::cni("/etc/cni/net.d")]
#[case::dev("/dev")]
#[case::sys("/sys")]
#[case::modules("/lib/modules")]
#[case::lock("/run/xtables.lock")]
#[case::nfs("/exports")]
#[case::process("/process")]
#[case::windows("C:\\k")]
fn fine(#[case] path: &str) {
    assert_eq!(word(&judged(path, &json!("reject"))), "fine");
}

/// Equal to, above and below each of the guarded places, written in every way
/// that leads there.
#[rstest]
#[case::root("/", "/var/lib/kubelet/pods")]
#[case::var("/var", "/var/lib/kubelet/pods")]
#[case::kubelet("/var/lib/kubelet", "/var/lib/kubelet/pods")]
#[case::pods("/var/lib/kubelet/pods", "/var/lib/kubelet/pods")]
#[case::a_pods_token("/var/lib/kubelet/pods/8d0f/volumes/kubernetes.io~projected", "/var/lib/kubelet/pods")]
#[case::pki("/var/lib/kubelet/pki", "/var/lib/kubelet/pki")]
#[case::k0s("/var/lib/k0s", "/var/lib/k0s/kubelet/pods")]
#[case::microk8s("/var/snap/microk8s/common/var/lib/kubelet/pki/x", "/var/snap/microk8s/common/var/lib/kubelet/pki")]
#[case::etc("/etc", "/etc/kubernetes")]
#[case::admin("/etc/kubernetes/admin.conf", "/etc/kubernetes")]
#[case::proc("/proc", "/proc")]
#[case::the_root_of_a_process("/proc/1/root/var/lib", "/proc")]
#[case::secrets("/var/run/secrets/kubernetes.io", "/run/secrets")]
#[case::secrets_by_their_real_name("/run/secrets", "/run/secrets")]
#[case::run("/run", "/run/secrets")]
#[case::var_run("/var/run", "/run/secrets")]
#[case::docker("/var/run/docker.sock", "/run/docker.sock")]
#[case::docker_by_its_real_name("/run/docker.sock", "/run/docker.sock")]
#[case::containerd("/run/containerd", "/run/containerd/containerd.sock")]
#[case::crio("/var/run/crio/crio.sock", "/run/crio/crio.sock")]
#[case::k3s("/run/k3s/containerd/containerd.sock", "/run/k3s/containerd/containerd.sock")]
#[case::slash_at_the_end("/var/lib/kubelet/", "/var/lib/kubelet/pods")]
#[case::two_slashes("//var//lib/kubelet/pods", "/var/lib/kubelet/pods")]
#[case::dots("/var/./lib/kubelet/./pods", "/var/lib/kubelet/pods")]
#[case::and_back("/var/lib/kubelet/plugins/../pods", "/var/lib/kubelet/pods")]
#[case::and_back_beyond_the_root("/../../var/lib/kubelet/pods", "/var/lib/kubelet/pods")]
#[case::back_to_the_root("/var/log/../..", "/var/lib/kubelet/pods")]
#[case::no_slash_at_the_beginning("var/lib/kubelet/pods", "/var/lib/kubelet/pods")]
#[case::dot_alone(".", "/var/lib/kubelet/pods")]
#[case::windows("C:\\var\\lib\\kubelet\\pods", "/var/lib/kubelet/pods")]
#[case::windows_slashes("c:/Var/Lib/Kubelet/Pods", "/var/lib/kubelet/pods")]
#[case::windows_without_a_drive("/Var/Lib/Kubelet/pods", "/var/lib/kubelet/pods")]
#[case::windows_verbatim("\\\\?\\C:\\var\\lib\\kubelet\\pods", "/var/lib/kubelet/pods")]
#[case::windows_device("\\\\.\\C:\\var\\lib\\kubelet\\pods", "/var/lib/kubelet/pods")]
#[case::windows_share("\\\\localhost\\c$\\var\\lib\\kubelet\\pods", "/var/lib/kubelet/pods")]
#[case::windows_verbatim_share("\\\\?\\UNC\\localhost\\C$\\var\\lib", "/var/lib/kubelet/pods")]
#[case::windows_whole_share("\\\\localhost\\c$", "/var/lib/kubelet/pods")]
#[case::windows_dot_behind_a_name("C:\\var.\\lib \\kubelet\\pods", "/var/lib/kubelet/pods")]
#[case::windows_and_back("C:\\var\\lib\\x\\..\\kubelet\\pods", "/var/lib/kubelet/pods")]
#[case::dockers_containerd("/run/docker/containerd/containerd.sock", "/run/docker/containerd/containerd.sock")]
#[case::bottlerockets_containerd("/run/host-containerd/containerd.sock", "/run/host-containerd/containerd.sock")]
#[case::ttrpc("/run/containerd/containerd.sock.ttrpc", "/run/containerd/containerd.sock.ttrpc")]
#[case::plugins_of_runtimes("/var/run/nri/nri.sock", "/run/nri/nri.sock")]
#[case::windows_drive("C:\\", "/var/lib/kubelet/pods")]
#[case::windows_pipe("\\\\.\\pipe\\docker_engine", "/pipe/docker_engine")]
#[case::windows_pipe_of_containerd("\\\\.\\PIPE\\containerd-containerd", "/pipe/containerd-containerd")]
fn bypass(#[case] path: &str, #[case] reached: &str) {
    let answer = judged(path, &json!("reject"));
    assert_eq!(word(&answer), "reject");
    let expected = format!("opens {reached} of the node");
    assert!(said(&answer, ID)[0].contains(&expected), "{answer}");
}

/// A mount of a part of the volume does not make the volume smaller.
#[test]
fn bypass_by_sub_path() {
    let mut pod = pod("/var");
    pod["spec"]["containers"][0]["volumeMounts"] =
        json!([{"name": "node", "mountPath": "/log", "subPath": "log", "readOnly": true}]);
    assert_eq!(word(&review(&create(&pod), &settings(&json!("reject")), &quiet_cluster())), "reject");
}

#[test]
fn roots_of_ones_own() {
    let params = json!({"action": "reject", "roots": ["/data/kubelet", "/mnt/*/kubelet/"]});
    let reviewed = |path: &str| word(&judged(path, &params));
    assert_eq!(reviewed("/data/kubelet/pods"), "reject");
    assert_eq!(reviewed("/mnt/disk1/kubelet/pki"), "reject");
    assert_eq!(reviewed("/mnt"), "reject");
    assert_eq!(reviewed("/mnt/disk1/sub/kubelet/pods"), "fine");
    // The list takes the place of the default; the rest stays guarded.
    assert_eq!(reviewed("/var/lib/kubelet/pods"), "fine");
    assert_eq!(reviewed("/proc"), "reject");
}

#[test]
fn templates_are_judged_and_what_was_wrong_before_stays_a_warning() {
    let with = |path: &str| deployment(&json!({"volumes": [{"name": "node", "hostPath": {"path": path}}]}));
    let reviewed = |old: &str, new: &str| {
        word(&review(&update(&with(old), &with(new)), &settings(&json!("reject")), &quiet_cluster()))
    };
    assert_eq!(reviewed("/var/lib/kubelet", "/var/lib/kubelet"), "warn");
    assert_eq!(reviewed("/var/lib/kubelet", "/var/lib/kubelet/pods"), "reject");
    assert_eq!(reviewed("/var/log", "/proc"), "reject");
}

#[test]
fn an_exempt_pod_is_not_judged() {
    let mut settings = settings(&json!("reject"));
    settings["exemptions"] = json!([{"rules": [ID], "serviceAccounts": ["shop/app"]}]);
    assert_eq!(word(&review(&create(&pod("/proc")), &settings, &quiet_cluster())), "fine");
}

#[test]
fn a_volume_of_the_wrong_type_is_read_only_where_it_matters() {
    let mut pod = pod("/x");
    pod["spec"]["volumes"][0]["hostPath"]["path"] = json!(["/proc"]);
    let reviewed = |action: &str| review(&create(&pod), &settings(&json!(action)), &quiet_cluster());
    assert_eq!(
        reviewed("reject")["message"],
        "serviceaccount-hygiene: the request cannot be read: object.spec.volumes[node].hostPath.path: must be a string, is a list"
    );
    assert_eq!(word(&reviewed("off")), "fine");
}

#[test]
fn wrong_parameters() {
    assert_eq!(
        settings_problems(&settings(&json!({"roots": ["var/lib/kubelet", "/", "/*", "", "/var/lib/kubelet"]}))),
        [
            "rules.kubelet-host-path.roots[0]: must be a directory of the node, e.g. /var/lib/kubelet",
            "rules.kubelet-host-path.roots[1]: must be a directory of the node, e.g. /var/lib/kubelet",
            "rules.kubelet-host-path.roots[2]: must be a directory of the node, e.g. /var/lib/kubelet",
            "rules.kubelet-host-path.roots[3]: is empty; remove it, or write what it is to match",
        ]
    );
}
