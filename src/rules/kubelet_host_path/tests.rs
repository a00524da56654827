// SPDX-License-Identifier: Apache-2.0
use rstest::rstest;
use serde_json::{Value, json};

use crate::testing::{
    create, deployment, only, outcome, quiet_cluster, reported, review, settings_problems, tokenless_pod, update,
};

const ID: &str = "kubelet-host-path";

fn settings(params: &Value) -> Value {
    only(&json!({ID: params}))
}

fn pod(path: &str) -> Value {
    tokenless_pod(&json!({"volumes": [{"name": "node", "hostPath": {"path": path, "type": "Directory"}}]}))
}

fn checked(path: &str, params: &Value) -> Value {
    review(&create(&pod(path)), &settings(params), &quiet_cluster())
}

#[test]
fn messages() {
    assert_eq!(
        reported(&checked("/var/lib", &json!("warn")), ID),
        [
            "spec.volumes[node].hostPath.path: `/var/lib` exposes /var/lib/kubelet/pods on the node, which gives access to credentials of other Pods or the node; mount only the directory that is needed"
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
#[case::cni_binaries("/opt/cni/bin")]
#[case::disks("/mnt/disks/ssd0")]
#[case::gke_local_ssd_of_ones_own("/mnt/stateful_partition/kube-ephemeral-ssd/data")]
#[case::k3s_storage("/var/lib/rancher/k3s/storage/pvc-1")]
#[case::local_data("/local/data")]
#[case::ostree_config("/sysroot/ostree/repo")]
#[case::dev("/dev")]
#[case::sys("/sys")]
#[case::modules("/lib/modules")]
#[case::lock("/run/xtables.lock")]
#[case::nfs("/exports")]
#[case::process("/process")]
#[case::windows("C:\\k")]
fn accepts(#[case] path: &str) {
    assert_eq!(outcome(&checked(path, &json!("reject"))), "fine");
}

/// Equal to, above and below each of the guarded paths, in every form that leads there.
#[rstest]
#[case::root("/", "exposes /var/lib/kubelet/pods")]
#[case::var("/var", "exposes /var/lib/kubelet/pods")]
#[case::kubelet("/var/lib/kubelet", "exposes /var/lib/kubelet/pods")]
#[case::pods("/var/lib/kubelet/pods", "holds /var/lib/kubelet/pods")]
#[case::a_pods_token("/var/lib/kubelet/pods/8d0f/volumes/kubernetes.io~projected", "below /var/lib/kubelet/pods")]
#[case::pki("/var/lib/kubelet/pki", "holds /var/lib/kubelet/pki")]
#[case::k0s("/var/lib/k0s", "exposes /var/lib/k0s/kubelet/pods")]
#[case::microk8s(
    "/var/snap/microk8s/common/var/lib/kubelet/pki/x",
    "below /var/snap/microk8s/common/var/lib/kubelet/pki"
)]
#[case::etc("/etc", "exposes /etc/kubernetes")]
#[case::admin("/etc/kubernetes/admin.conf", "below /etc/kubernetes")]
#[case::proc("/proc", "holds /proc")]
#[case::the_root_of_a_process("/proc/1/root/var/lib", "below /proc")]
#[case::secrets("/var/run/secrets/kubernetes.io", "below /run/secrets")]
#[case::secrets_by_their_real_name("/run/secrets", "holds /run/secrets")]
#[case::run("/run", "exposes /run/secrets")]
#[case::var_run("/var/run", "exposes /run/secrets")]
#[case::docker("/var/run/docker.sock", "holds /run/docker.sock")]
#[case::docker_by_its_real_name("/run/docker.sock", "holds /run/docker.sock")]
#[case::containerd("/run/containerd", "holds /run/containerd")]
#[case::crio("/var/run/crio/crio.sock", "below /run/crio")]
#[case::k3s("/run/k3s/containerd/containerd.sock", "below /run/k3s/containerd")]
#[case::slash_at_the_end("/var/lib/kubelet/", "exposes /var/lib/kubelet/pods")]
#[case::two_slashes("//var//lib/kubelet/pods", "holds /var/lib/kubelet/pods")]
#[case::dots("/var/./lib/kubelet/./pods", "holds /var/lib/kubelet/pods")]
#[case::and_back("/var/lib/kubelet/plugins/../pods", "holds /var/lib/kubelet/pods")]
#[case::and_back_beyond_the_root("/../../var/lib/kubelet/pods", "holds /var/lib/kubelet/pods")]
#[case::back_to_the_root("/var/log/../..", "exposes /var/lib/kubelet/pods")]
#[case::no_slash_at_the_beginning("var/lib/kubelet/pods", "holds /var/lib/kubelet/pods")]
#[case::dot_alone(".", "exposes /var/lib/kubelet/pods")]
#[case::windows("C:\\var\\lib\\kubelet\\pods", "holds /var/lib/kubelet/pods")]
#[case::windows_slashes("c:/Var/Lib/Kubelet/Pods", "holds /var/lib/kubelet/pods")]
#[case::windows_without_a_drive("/Var/Lib/Kubelet/pods", "holds /var/lib/kubelet/pods")]
#[case::windows_verbatim("\\\\?\\C:\\var\\lib\\kubelet\\pods", "holds /var/lib/kubelet/pods")]
#[case::windows_device("\\\\.\\C:\\var\\lib\\kubelet\\pods", "holds /var/lib/kubelet/pods")]
#[case::windows_share("\\\\localhost\\c$\\var\\lib\\kubelet\\pods", "holds /var/lib/kubelet/pods")]
#[case::windows_verbatim_share("\\\\?\\UNC\\localhost\\C$\\var\\lib", "exposes /var/lib/kubelet/pods")]
#[case::windows_whole_share("\\\\localhost\\c$", "exposes /var/lib/kubelet/pods")]
#[case::windows_dot_behind_a_name("C:\\var.\\lib \\kubelet\\pods", "holds /var/lib/kubelet/pods")]
#[case::windows_and_back("C:\\var\\lib\\x\\..\\kubelet\\pods", "holds /var/lib/kubelet/pods")]
#[case::dockers_containerd("/run/docker/containerd/containerd.sock", "below /run/docker/containerd")]
#[case::bottlerockets_containerd("/run/host-containerd/containerd.sock", "below /run/host-containerd")]
#[case::ttrpc("/run/containerd/containerd.sock.ttrpc", "below /run/containerd")]
#[case::plugins_of_runtimes("/var/run/nri/nri.sock", "below /run/nri")]
#[case::windows_drive("C:\\", "exposes /var/lib/kubelet/pods")]
#[case::windows_pipe("\\\\.\\pipe\\docker_engine", "holds /pipe/docker_engine")]
#[case::windows_pipe_of_containerd("\\\\.\\PIPE\\containerd-containerd", "holds /pipe/containerd-containerd")]
#[case::shim_socket("/run/containerd/s/0f1e", "below /run/containerd")]
#[case::shim_sockets("/run/containerd/s", "below /run/containerd")]
#[case::k3s_ttrpc("/run/k3s/containerd/containerd.sock.ttrpc", "below /run/k3s/containerd")]
#[case::k0s_ttrpc("/run/k0s/containerd.sock.ttrpc", "below /run/k0s")]
#[case::kata("/run/vc/sbs", "below /run/vc")]
#[case::cni("/etc/cni/net.d", "holds /etc/cni/net.d")]
#[case::above_cni("/etc/cni", "exposes /etc/cni/net.d")]
#[case::cni_kubeconfig("/etc/cni/net.d/calico-kubeconfig", "below /etc/cni/net.d")]
#[case::below_etc_kubernetes("/etc/kubernetes/cni/net.d", "below /etc/kubernetes")]
#[case::kubeconfig("/var/lib/kubelet/kubeconfig", "holds /var/lib/kubelet/kubeconfig")]
#[case::bootstrap_kubeconfig("/var/lib/kubelet/bootstrap-kubeconfig", "holds /var/lib/kubelet/bootstrap-kubeconfig")]
#[case::cos("/mnt/stateful_partition/var/lib/kubelet/pods", "holds /mnt/stateful_partition/var/lib/kubelet/pods")]
#[case::cos_a_pods_token(
    "/mnt/stateful_partition/var/lib/kubelet/pods/8d0f",
    "below /mnt/stateful_partition/var/lib/kubelet/pods"
)]
#[case::cos_above(
    "/mnt/stateful_partition/var",
    "exposes /mnt/stateful_partition/var/lib/kubelet/pods on nodes of Container-Optimized OS"
)]
#[case::above_all_disks("/mnt", "exposes /mnt/aks/kubelet/pods on nodes of AKS")]
#[case::cos_run("/mnt/stateful_partition/var/run/docker.sock", "holds /mnt/stateful_partition/run/docker.sock")]
#[case::rhcos(
    "/sysroot/ostree/deploy/rhcos/var/lib/kubelet",
    "exposes /sysroot/ostree/deploy/*/var/lib/kubelet/pods on nodes of CoreOS"
)]
#[case::rhcos_etc(
    "/sysroot/ostree/deploy/rhcos/deploy/0a1b.0/etc/kubernetes/ca.crt",
    "below /sysroot/ostree/deploy/*/deploy/*/etc/kubernetes"
)]
#[case::rhcos_by_its_link("/ostree/deploy/rhcos/var/lib/kubelet/pki", "holds /ostree/deploy/*/var/lib/kubelet/pki")]
#[case::rhcos_above("/sysroot", "exposes /sysroot/ostree/deploy/*/var/lib/kubelet/pods on nodes of CoreOS")]
#[case::bottlerocket("/local/var/lib/kubelet/pods", "holds /local/var/lib/kubelet/pods")]
#[case::bottlerocket_above("/local", "exposes /local/var/lib/kubelet/pods on nodes of Bottlerocket")]
#[case::gke_local_ssd(
    "/mnt/stateful_partition/kube-ephemeral-ssd/kubelet/pods",
    "holds /mnt/stateful_partition/kube-ephemeral-ssd/kubelet/pods"
)]
#[case::gke_local_ssd_above(
    "/mnt/stateful_partition/kube-ephemeral-ssd",
    "exposes /mnt/stateful_partition/kube-ephemeral-ssd/kubelet/pods on nodes of GKE"
)]
#[case::gke("/etc/srv/kubernetes/pki", "below /etc/srv/kubernetes")]
#[case::minikube_disk("/mnt/vda1/var/lib/kubelet/pods", "holds /mnt/vda1/var/lib/kubelet/pods")]
#[case::user_data("/var/lib/cloud/instance", "below /var/lib/cloud")]
#[case::admin_of_the_node("/root/.kube/config", "below /root/.kube")]
#[case::k3s_with_docker("/run/k3s/cri-dockerd/cri-dockerd.sock", "below /run/k3s/cri-dockerd")]
#[case::aks("/mnt/aks/kubelet/pods", "holds /mnt/aks/kubelet/pods")]
#[case::aks_above("/mnt/aks", "exposes /mnt/aks/kubelet/pods on nodes of AKS")]
#[case::eks("/mnt/k8s-disks/0/kubelet/pki", "holds /mnt/k8s-disks/*/kubelet/pki")]
#[case::eks_above("/mnt/k8s-disks/0", "exposes /mnt/k8s-disks/*/kubelet/pods on nodes of EKS")]
#[case::cos_mounter(
    "/home/kubernetes/containerized_mounter/rootfs/var/lib/kubelet/pods",
    "holds /home/kubernetes/containerized_mounter/rootfs/var/lib/kubelet/pods"
)]
#[case::cos_home(
    "/home",
    "exposes /home/kubernetes/containerized_mounter/rootfs/var/lib/kubelet/pods on nodes of Container-Optimized OS"
)]
#[case::k3s_agent("/var/lib/rancher/k3s/agent/kubelet.kubeconfig", "below /var/lib/rancher/k3s/agent")]
#[case::k3s("/var/lib/rancher/k3s", "exposes /var/lib/rancher/k3s/agent on nodes of K3s")]
#[case::k3s_admin("/etc/rancher/k3s/k3s.yaml", "below /etc/rancher")]
#[case::rke2_admin("/etc/rancher/rke2", "below /etc/rancher")]
#[case::rke2("/var/lib/rancher/rke2/agent", "holds /var/lib/rancher/rke2/agent")]
#[case::k0s_kubeconfig("/var/lib/k0s/kubelet.conf", "holds /var/lib/k0s/kubelet.conf")]
#[case::microk8s_credentials(
    "/var/snap/microk8s/current/credentials/kubelet.config",
    "below /var/snap/microk8s/*/credentials"
)]
#[case::microk8s_revision("/var/snap/microk8s/7040", "exposes /var/snap/microk8s/*/credentials on nodes of MicroK8s")]
#[case::microk8s_cni("/var/snap/microk8s/7040/args/cni-network", "holds /var/snap/microk8s/*/args/cni-network")]
#[case::microk8s_datastore(
    "/var/snap/microk8s/x1/var",
    "exposes /var/snap/microk8s/*/var/kubernetes/backend on nodes of MicroK8s"
)]
#[case::kube_proxy("/var/lib/kube-proxy", "exposes /var/lib/kube-proxy/kubeconfig")]
#[case::kops("/srv/kubernetes", "holds /srv/kubernetes")]
#[case::kops_above("/srv", "exposes /srv/kubernetes on nodes of kOps")]
#[case::kops_scheduler("/var/lib/kube-scheduler", "exposes /var/lib/kube-scheduler/kubeconfig on nodes of kOps")]
#[case::kops_controllers(
    "/var/lib/kube-controller-manager/kubeconfig",
    "holds /var/lib/kube-controller-manager/kubeconfig"
)]
#[case::k0s_bootstrap("/var/lib/k0s/kubelet-bootstrap.conf", "holds /var/lib/k0s/kubelet-bootstrap.conf")]
#[case::k0s_datastore("/var/lib/k0s/db/state.db", "below /var/lib/k0s/db")]
#[case::etcd("/var/lib/etcd", "holds /var/lib/etcd")]
#[case::etcd_member("/var/lib/etcd/member/snap/db", "below /var/lib/etcd")]
#[case::minikube("/var/lib/minikube/certs", "below /var/lib/minikube")]
#[case::registry_credentials("/var/lib/kubelet/config.json", "holds /var/lib/kubelet/config.json")]
#[case::checkpoints("/var/lib/kubelet/checkpoints", "holds /var/lib/kubelet/checkpoints")]
#[case::talos_above("/system", "exposes /system/secrets on nodes of Talos")]
#[case::talos_machined("/system/run/machined/machine.sock", "below /system/run")]
#[case::talos("/system/secrets/kubernetes", "below /system/secrets")]
#[case::bottlerockets_api("/run/api.sock", "holds /run/api.sock")]
fn bypass(#[case] path: &str, #[case] expected: &str) {
    let answer = checked(path, &json!("reject"));
    assert_eq!(outcome(&answer), "reject");
    assert_eq!(reported(&answer, ID), [format!("spec.volumes[node].hostPath.path: {}", text(path, expected))]);
}

/// The full text of a finding, which the cases abbreviate.
fn text(path: &str, expected: &str) -> String {
    const ONLY: &str = "mount only the directory that is needed";
    const ELSE: &str = "mount something else, or add an exemption";
    let (relation, guarded) = expected.split_once(' ').unwrap();
    let is_runtimes = ["/run/", "/pipe/", "/var/snap/microk8s/common/run"].iter().any(|start| guarded.contains(start))
        && !["/run/secrets", "/system/run"].iter().any(|start| guarded.starts_with(start));
    let what =
        if is_runtimes { "control of every container" } else { "access to credentials of other Pods or the node" };
    match (relation, guarded.split_once(" on nodes of ")) {
        ("exposes", None) => format!("`{path}` exposes {guarded} on the node, which gives {what}; {ONLY}"),
        ("exposes", Some((guarded, system))) => {
            format!("`{path}` exposes {guarded} on nodes of {system}, which gives {what}; {ONLY}")
        }
        ("holds", _) => format!("`{path}` on the node gives {what}; {ELSE}"),
        _ => format!("`{path}` is below {guarded}, which gives {what}; {ELSE}"),
    }
}

/// A `PersistentVolume` exposes such a directory to a Pod that only names a claim.
#[rstest]
#[case::host_path(json!({"hostPath": {"path": "/var/lib/kubelet/pods"}}), &["spec.hostPath.path: `/var/lib/kubelet/pods` on the node gives access to credentials of other Pods or the node; mount something else, or add an exemption"])]
#[case::local(json!({"local": {"path": "/proc/1/root"}}), &["spec.local.path: `/proc/1/root` is below /proc, which gives access to credentials of other Pods or the node; mount something else, or add an exemption"])]
#[case::harmless(json!({"hostPath": {"path": "/mnt/data"}}), &[])]
#[case::of_a_driver(json!({"csi": {"driver": "ebs.csi.aws.com", "volumeHandle": "vol-1"}}), &[])]
fn persistent_volumes(#[case] spec: Value, #[case] expected: &[&str]) {
    let volume = json!({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "data"}, "spec": spec});
    let mut request = create(&volume);
    request["namespace"] = json!("");
    assert_eq!(reported(&review(&request, &settings(&json!("reject")), &quiet_cluster()), ID), expected);
    // Its source is immutable, so its updates are never rejected.
    let mut request = update(&volume, &volume);
    request["namespace"] = json!("");
    assert_eq!(review(&request, &settings(&json!("reject")), &quiet_cluster()), json!({"accepted": true}));
}

/// With `bind`, what a driver mounts is a directory of the node.
#[rstest]
#[case::bind(json!(["bind"]), &["spec.mountOptions[0]: the option `bind` makes mount treat the volume's source as a directory on the node; remove it, or add an exemption"])]
#[case::among_others(json!(["ro", "nosuid, rbind,noexec"]), &["spec.mountOptions[1]: the option `rbind` makes mount treat the volume's source as a directory on the node; remove it, or add an exemption"])]
#[case::empty_value(json!(["vers=3.0,bind="]), &["spec.mountOptions[0]: the option `bind=` makes mount treat the volume's source as a directory on the node; remove it, or add an exemption"])]
#[case::upper_case(json!(["BIND"]), &["spec.mountOptions[0]: the option `BIND` makes mount treat the volume's source as a directory on the node; remove it, or add an exemption"])]
#[case::none(json!(["bind=x", "bindery", "x-bind", "nfsvers=4.1"]), &[])]
fn bind_option_of_persistent_volume(#[case] options: Value, #[case] expected: &[&str]) {
    let with = |options: &Value| {
        json!({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "data"},
            "spec": {"nfs": {"server": "nfs.example.com", "path": "/"}, "mountOptions": options}})
    };
    let reviewed = |mut request: Value| {
        request["namespace"] = json!("");
        reported(&review(&request, &settings(&json!("reject")), &quiet_cluster()), ID)
    };
    assert_eq!(reviewed(create(&with(&options))), expected);
    // Unlike the source, they can be changed later.
    assert_eq!(reviewed(update(&with(&json!(["ro"])), &with(&options))), expected);
}

#[test]
fn bind_option_in_annotation() {
    let volume = json!({"apiVersion": "v1", "kind": "PersistentVolume",
        "metadata": {"name": "data", "annotations": {"volume.beta.kubernetes.io/mount-options": "ro,bind"}},
        "spec": {"csi": {"driver": "smb.csi.k8s.io", "volumeHandle": "x"}}});
    let mut request = create(&volume);
    request["namespace"] = json!("");
    assert_eq!(
        reported(&review(&request, &settings(&json!("reject")), &quiet_cluster()), ID),
        [
            r#"metadata.annotations["volume.beta.kubernetes.io/mount-options"]: the option `bind` makes mount treat the volume's source as a directory on the node; remove it, or add an exemption"#
        ]
    );
}

/// Mounting only a part of the volume does not restrict the volume.
#[test]
fn bypass_by_sub_path() {
    let mut pod = pod("/var");
    pod["spec"]["containers"][0]["volumeMounts"] =
        json!([{"name": "node", "mountPath": "/log", "subPath": "log", "readOnly": true}]);
    assert_eq!(outcome(&review(&create(&pod), &settings(&json!("reject")), &quiet_cluster())), "reject");
}

#[test]
fn configured_roots() {
    let params =
        json!({"action": "reject", "roots": ["/data/kubelet", "/mnt/*/kubelet/", "/var/run/kubelet", "//x/y", "/./z"]});
    let reviewed = |path: &str| outcome(&checked(path, &params));
    assert_eq!(reviewed("/data/kubelet/pods"), "reject");
    assert_eq!(reviewed("/mnt/disk1/kubelet/pki"), "reject");
    assert_eq!(reviewed("/mnt"), "reject");
    assert_eq!(reviewed("/run/kubelet/pods"), "reject");
    assert_eq!(reviewed("/x/y/pki"), "reject");
    assert_eq!(reviewed("/z/pods/x"), "reject");
    assert_eq!(reviewed("/mnt/disk1/sub/kubelet/pods"), "fine");
    // The list replaces the default; everything else stays guarded.
    assert_eq!(reviewed("/var/lib/kubelet/pods"), "fine");
    assert_eq!(reviewed("/proc"), "reject");
}

#[test]
fn templates_and_old_problems() {
    let with = |path: &str| deployment(&json!({"volumes": [{"name": "node", "hostPath": {"path": path}}]}));
    let reviewed = |old: &str, new: &str| {
        outcome(&review(&update(&with(old), &with(new)), &settings(&json!("reject")), &quiet_cluster()))
    };
    assert_eq!(reviewed("/var/lib/kubelet", "/var/lib/kubelet"), "warn");
    assert_eq!(reviewed("/var/lib/kubelet", "/var/lib/kubelet/pods"), "reject");
    assert_eq!(reviewed("/var/log", "/proc"), "reject");
}

#[test]
fn exempt_pod() {
    let mut settings = settings(&json!("reject"));
    settings["exemptions"] = json!([{"rules": [ID], "serviceAccounts": ["shop/app"]}]);
    assert_eq!(outcome(&review(&create(&pod("/proc")), &settings, &quiet_cluster())), "fine");
}

#[test]
fn reads_volumes_lazily() {
    let mut pod = pod("/x");
    pod["spec"]["volumes"][0]["hostPath"]["path"] = json!(["/proc"]);
    let reviewed = |action: &str| review(&create(&pod), &settings(&json!(action)), &quiet_cluster());
    assert_eq!(
        reviewed("reject")["message"],
        "serviceaccount-hygiene: the request cannot be read: object.spec.volumes[node].hostPath.path: must be a string, is a list"
    );
    assert_eq!(outcome(&reviewed("off")), "fine");
}

#[test]
fn rejects_wrong_parameters() {
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
