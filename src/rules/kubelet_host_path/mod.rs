// SPDX-License-Identifier: Apache-2.0
//! `kubelet-host-path`: no volume exposes the parts of the node that contain
//! the tokens of other Pods, or the keys of the kubelet and the control plane.
//!
//! The kubelet keeps the volumes of all Pods on its node in one directory,
//! including their tokens. The socket of a container runtime gives control of
//! every container, and `/proc` gives access to the files of every process. A
//! `PersistentVolume` can expose them just like a volume in the Pod.
//! <https://kubernetes.io/docs/concepts/storage/volumes/#hostpath>

use crate::admission::subject::SubjectKind;
use crate::diagnostic::field_path::FieldPath;
use crate::diagnostic::findings::Findings;
use crate::engine::context::{ReviewError, RuleContext, Workload, object_path};
use crate::engine::rule::{Ability, Check, Restricted, Rule};
use crate::fast::cut;
use crate::matching::glob::{self, Glob, validate_pattern};
use crate::messages;
use crate::object::persistent_volume::PersistentVolume;
use crate::object::pod::{HostPath, Volume};
use crate::object::view::{ReadError, Text};
use crate::settings::action::CheckAction;
use crate::settings::doc::Doc;
use crate::settings::params::{Kind, Param, Params};

/// The rule.
pub static RULE: Rule = Rule {
    id: "kubelet-host-path",
    summary: Doc::new("forbids volumes that expose credentials on the node"),
    subjects: &[SubjectKind::Pod, SubjectKind::PodTemplate, SubjectKind::PersistentVolume],
    params: &[&ROOTS],
    messages: &[MESSAGES],
    ability: Ability::Check { default: CheckAction::Warn },
    restricted: Restricted::REJECT,
};

static ROOTS: Param = Param {
    name: "roots",
    kind: Kind::Globs(root_problem),
    default: r#"["/var/lib/kubelet", "/var/lib/k0s/kubelet", "/var/snap/microk8s/common/var/lib/kubelet"]"#,
    doc: Doc::new(
        "root directories of the kubelet, whose `pods`, `checkpoints`, `pki`, kubeconfigs and registry credentials are protected; globs match one path segment at a time; also applies to `ephemeral-token-mount`",
    ),
};

messages! {
    EXPOSES: "`{}` exposes {} on the node, which gives {}", help: "mount only the directory that is needed";
    EXPOSES_ON: "`{}` exposes {} on nodes of {}, which gives {}", help: "mount only the directory that is needed";
    HOLDS: "`{}` on the node gives {}", help: "mount something else, or add an exemption";
    BELOW: "`{}` is below {}, which gives {}", help: "mount something else, or add an exemption";
    BIND_OPTION: "the option `{}` makes mount treat the volume's source as a directory on the node", help: "remove it, or add an exemption";
}

/// Guarded on every node, `/var/run` written as `/run`: the credentials of the
/// control plane and of CNI plugins, the files of every process, every Secret
/// (etcd), kube-proxy's credentials.
const CREDENTIALS: [&str; 8] = [
    "/etc/kubernetes",
    "/etc/cni/net.d",
    "/proc",
    "/run/secrets",
    "/var/lib/etcd",
    "/var/lib/kube-proxy/kubeconfig",
    "/root/.kube",
    // The user data of cloud-init, with which nodes join the cluster.
    "/var/lib/cloud",
];

/// The same, with the distribution whose nodes have them.
/// <https://docs.k3s.io/cluster-access>
/// <https://docs.rke2.io/cluster_access>
/// <https://docs.k0sproject.io/stable/cli/k0s_server/>
/// <https://microk8s.io/docs/configuring-services>
/// <https://docs.siderolabs.com/talos/v1.11/learn-more/architecture>
const OF_DISTRIBUTIONS: [(&str, &str); 23] = [
    ("/etc/rancher", "K3s and RKE2"),
    ("/var/lib/rancher/k3s/agent", "K3s"),
    ("/var/lib/rancher/k3s/server", "K3s"),
    ("/var/lib/rancher/rke2/agent", "RKE2"),
    ("/var/lib/rancher/rke2/server", "RKE2"),
    ("/var/lib/k0s/kubelet.conf", "k0s"),
    ("/var/lib/k0s/kubelet-bootstrap.conf", "k0s"),
    ("/var/lib/k0s/pki", "k0s"),
    ("/var/lib/k0s/etcd", "k0s"),
    ("/var/lib/k0s/db", "k0s"),
    // `current` links to the directory of a revision.
    ("/var/snap/microk8s/*/credentials", "MicroK8s"),
    ("/var/snap/microk8s/*/certs", "MicroK8s"),
    ("/var/snap/microk8s/*/args/cni-network", "MicroK8s"),
    ("/var/snap/microk8s/*/var/kubernetes/backend", "MicroK8s"),
    ("/srv/kubernetes", "kOps"),
    ("/var/lib/kube-controller-manager/kubeconfig", "kOps"),
    ("/var/lib/kube-scheduler/kubeconfig", "kOps"),
    ("/etc/srv/kubernetes", "GKE"),
    ("/system/secrets", "Talos"),
    ("/system/state", "Talos"),
    ("/system/run", "Talos"),
    ("/var/lib/minikube", "minikube"),
    ("/run/machined", "Talos"),
];

/// The same: the directories in which container runtimes, their shims and their plugins
/// keep their sockets, each of which can start or change any container. They belong to
/// containerd (its own, Docker's, the one beside it in Bottlerocket, K3s', k0s',
/// `MicroK8s`'), to NRI, Docker, CRI-O, cri-dockerd, Podman and Kata Containers, and to
/// Bottlerocket itself; the last two are named pipes of Windows.
/// <https://github.com/containerd/containerd/blob/main/pkg/shim/util_unix.go>
/// <https://github.com/containerd/nri>
const RUNTIMES: [&str; 17] = [
    "/run/containerd",
    "/run/docker/containerd",
    "/run/host-containerd",
    "/run/k3s/containerd",
    "/run/k3s/cri-dockerd",
    "/run/k0s",
    "/var/snap/microk8s/common/run",
    "/run/nri",
    "/run/docker.sock",
    "/run/crio",
    "/run/cri-dockerd.sock",
    "/run/dockershim.sock",
    "/run/podman",
    "/run/vc",
    "/run/api.sock",
    "/pipe/containerd-containerd",
    "/pipe/docker_engine",
];

/// What guarded paths give access to.
const OF_OTHERS: &str = "access to credentials of other Pods or the node";
const OF_RUNTIMES: &str = "control of every container";

/// Guarded in each of the kubelet's root directories. The sockets of plugins
/// next to them are not: drivers need them.
const IN_ROOT: [&str; 7] =
    ["pods", "pki", "kubeconfig", "bootstrap-kubeconfig", "config.json", ".dockercfg", "checkpoints"];

/// Other locations of the kubelet's root directory, on nodes with separate disks.
/// It is bind-mounted from there to its usual path.
/// <https://github.com/Azure/AgentBaker/blob/master/parts/linux/cloud-init/artifacts/bind-mount.sh>
/// <https://github.com/awslabs/amazon-eks-ami/blob/main/templates/shared/runtime/bin/setup-local-disks>
/// <https://github.com/kubernetes/kubernetes/blob/master/cluster/gce/gci/configure-helper.sh>
const OTHER_ROOTS: [(&str, &str); 3] = [
    ("/mnt/aks/kubelet", "AKS"),
    ("/mnt/k8s-disks/*/kubelet", "EKS"),
    ("/mnt/stateful_partition/kube-ephemeral-ssd/kubelet", "GKE"),
];

/// Directories that contain other parts of the node a second time, each with its
/// operating system: a bind mount or its source, or the deployment behind a
/// link.
/// <https://cloud.google.com/container-optimized-os/docs/concepts/disks-and-filesystem>
/// <https://github.com/kubernetes/kubernetes/blob/master/cluster/gce/gci/configure-helper.sh>
/// <https://ostreedev.github.io/ostree/deployment/>
/// <https://github.com/bottlerocket-os/bottlerocket-core-kit/blob/develop/packages/release/var.mount>
const SECOND_NAMES: [(&str, &str); 8] = [
    ("/mnt/stateful_partition", COS),
    ("/home/kubernetes/containerized_mounter/rootfs", COS),
    ("/sysroot/ostree/deploy/*", OSTREE),
    ("/sysroot/ostree/deploy/*/deploy/*", OSTREE),
    ("/ostree/deploy/*", OSTREE),
    ("/ostree/deploy/*/deploy/*", OSTREE),
    ("/local", "Bottlerocket"),
    ("/mnt/vda1", "minikube"),
];

const COS: &str = "Container-Optimized OS";
const OSTREE: &str = "CoreOS";

/// The paths that must not be exposed.
pub struct Guarded<'a> {
    roots: Vec<Glob<'a>>,
}

impl<'a> Guarded<'a> {
    /// Reads the rule's settings.
    pub fn read(params: &mut Params<'_, 'a>) -> Self {
        Self { roots: params.globs(&ROOTS) }
    }

    /// The path of a volume that leads to a guarded path, and the guarded path.
    ///
    /// # Errors
    /// [`ReadError`] when the volume cannot be read.
    pub fn reached_by<'s>(
        &self,
        workload: &Workload<'_>,
        index: usize,
        volume: &Volume<'s>,
    ) -> Result<Option<(Text<'s>, Reached)>, ReadError> {
        if volume.host_path.text().is_none() {
            return Ok(None);
        }
        let field_path = || object_path(&workload.volume_path(index, volume).field("hostPath"));
        let host_path: HostPath<'s> = volume.host_path.read_at(&field_path)?;
        let Some(path) = host_path.path else { return Ok(None) };
        Ok(self.reached(&path).map(|reached| (path, reached)))
    }

    /// Tries a path as one of Linux and as one of Windows: it is unknown which node it is for.
    fn reached(&self, path: &str) -> Option<Reached> {
        let on_windows = || Some(on_windows(path)).filter(|other| other != path);
        self.reached_at(path).or_else(|| self.reached_at(&on_windows()?))
    }

    fn reached_at(&self, path: &str) -> Option<Reached> {
        let path = segments(path);
        if let Some(reached) = self.reached_as(&path, "") {
            return Some(reached);
        }
        for (root, system) in OTHER_ROOTS {
            if let Some(reached) = in_root(&path, root, "") {
                return Some(reached.on(system));
            }
        }
        for (name, system) in SECOND_NAMES {
            if !is_at(&path, name) {
                continue;
            }
            let depth = names(name).count();
            let rest = path.get(depth..).unwrap_or_default().join("/");
            if let Some(reached) = self.reached_as(&segments(&rest), name) {
                return Some(reached.on(system));
            }
        }
        None
    }

    /// What a path leads to below a directory, which messages put in front of it.
    fn reached_as(&self, path: &[&str], directory: &str) -> Option<Reached> {
        let in_roots = self.roots.iter().find_map(|root| in_root(path, root.as_str(), directory));
        let on_distributions = || {
            let (guarded, system) = OF_DISTRIBUTIONS.iter().find(|(guarded, _)| is_at(path, guarded))?;
            Some(Reached::new(guarded, path, directory, OF_OTHERS).on(system))
        };
        in_roots
            .or_else(|| reached_of(&CREDENTIALS, path, directory, OF_OTHERS))
            .or_else(|| reached_of(&RUNTIMES, path, directory, OF_RUNTIMES))
            .or_else(on_distributions)
    }
}

/// What a path leads to in one of the kubelet's root directories.
fn in_root(path: &[&str], root: &str, directory: &str) -> Option<Reached> {
    // Most paths are elsewhere; then the root is not split.
    let mut names = names(root);
    let first = match (names.next(), names.next()) {
        (Some("var"), Some("run")) => Some("run"),
        (first, _) => first.filter(|first| !matches!(*first, "" | "." | "..")),
    };
    if !is_reached(path, first.into_iter()) {
        return None;
    }
    let root = segments(root);
    let is_reached = |name: &&str| is_reached(path, root.iter().copied().chain([*name]));
    let name = IN_ROOT.into_iter().find(is_reached)?;
    let guarded = [directory, "/", &root.join("/"), "/", name].concat();
    Some(Reached { relation: Relation::of(path.len(), root.len() + 1), guarded, what: OF_OTHERS, system: None })
}

/// What a path leads to, among the paths of a list.
fn reached_of(list: &[&str], path: &[&str], directory: &str, what: &'static str) -> Option<Reached> {
    let guarded = list.iter().find(|guarded| is_at(path, guarded))?;
    Some(Reached::new(guarded, path, directory, what))
}

/// Whether a path leads to a guarded one, which does not begin with a wildcard.
/// Most begin with another name; then nothing is split.
fn is_at(path: &[&str], guarded: &str) -> bool {
    let begins_alike = |first: &&str| guarded.get(1..).is_some_and(|rest| rest.starts_with(*first));
    path.first().is_none_or(begins_alike) && is_reached(path, names(guarded))
}

/// The names in an absolute, normalized path.
fn names(path: &str) -> impl Iterator<Item = &str> {
    cut::all(path, b'/').skip(1)
}

/// What a path leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reached {
    /// The relation of the path to the guarded path.
    pub relation: Relation,
    /// The guarded path.
    pub guarded: String,
    /// What the guarded path gives access to.
    pub what: &'static str,
    /// The operating system whose nodes have it, if not all do.
    system: Option<&'static str>,
}

impl Reached {
    fn new(guarded: &str, path: &[&str], directory: &str, what: &'static str) -> Self {
        let relation = Relation::of(path.len(), names(guarded).count());
        Self { relation, guarded: [directory, guarded].concat(), what, system: None }
    }

    /// The same, only on the nodes of one system. A path that names the guarded
    /// path, or something in it, needs no such hint.
    fn on(self, system: &'static str) -> Self {
        Self { system: Some(system).filter(|_| self.relation == Relation::Above), ..self }
    }
}

/// The relation of a path to a guarded path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Relation {
    /// It leads to a directory that contains the guarded path.
    Above,
    /// It is the guarded path.
    At,
    /// It leads to something inside the guarded path.
    Below,
}

impl Relation {
    const fn of(path: usize, guarded: usize) -> Self {
        if path < guarded {
            Self::Above
        } else if path == guarded {
            Self::At
        } else {
            Self::Below
        }
    }
}

/// Whether one of the two paths leads to the other, or both are the same.
fn is_reached<'g>(path: &[&str], guarded: impl Iterator<Item = &'g str>) -> bool {
    path.iter().zip(guarded).all(|(segment, pattern)| glob::matches(pattern, segment))
}

/// A path on Windows in the form of a path on Linux: without the drive, even if
/// it is a share of one, and without backslashes, upper case, and blanks and
/// dots at the end of a name.
/// <https://learn.microsoft.com/en-us/dotnet/standard/io/file-path-formats>
fn on_windows(path: &str) -> String {
    let path = path.replace('\\', "/").to_ascii_lowercase();
    let path = ["//?/unc/", "//?/", "//./", "//"].iter().find_map(|prefix| path.strip_prefix(prefix)).unwrap_or(&path);
    let rest = match (path.split_once(':'), path.splitn(3, '/').collect::<Vec<_>>().as_slice()) {
        (Some((drive, rest)), _) if is_drive(drive) => rest,
        (_, [_, share, rest @ ..]) if share.strip_suffix('$').is_some_and(is_drive) => rest.first().unwrap_or(&""),
        _ => path,
    };
    let name = |segment| match segment {
        "." | ".." => segment,
        _ => segment.trim_end_matches(['.', ' ']),
    };
    rest.split('/').map(name).collect::<Vec<_>>().join("/")
}

fn is_drive(name: &str) -> bool {
    matches!(name.as_bytes(), [letter] if letter.is_ascii_alphabetic())
}

/// The directories of a path as a kernel resolves them, except for links: no
/// empty ones, no `.`, and `..` resolved. `/var/run` is always `/run`.
fn segments(path: &str) -> Vec<&str> {
    let mut segments = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => drop(segments.pop()),
            segment => segments.push(segment),
        }
    }
    if segments.starts_with(&["var", "run"]) {
        segments.remove(0);
    }
    segments
}

fn root_problem(root: &str) -> Option<String> {
    validate_pattern(root).or_else(|| {
        let segments = segments(root);
        let is_invalid = !root.starts_with('/') || segments.is_empty() || segments.iter().all(|s| s.starts_with('*'));
        is_invalid.then(|| "must be a directory of the node, e.g. /var/lib/kubelet".to_owned())
    })
}

pub(super) struct KubeletHostPath<'a>(Guarded<'a>);

impl<'a> KubeletHostPath<'a> {
    pub(super) fn new(params: &mut Params<'_, 'a>) -> Self {
        Self(Guarded::read(params))
    }
}

impl Check for KubeletHostPath<'_> {
    fn check(&self, context: &RuleContext<'_>, findings: &mut Findings) -> Result<(), ReviewError> {
        if let Some(volume) = context.persistent_volume() {
            // The source of a volume is immutable, but its mount options are not.
            let paths = volume.node_paths().filter(|_| !context.is_update());
            for (field, path) in paths {
                if let Some(reached) = self.0.reached(path) {
                    add(findings, FieldPath::at("spec").field(field), path, &reached);
                }
            }
            check_mount_options(context, volume, findings)?;
        }
        let Some(workload) = context.workload() else { return Ok(()) };
        for (index, volume) in workload.spec.volumes.iter().enumerate() {
            if let Some((path, reached)) = self.0.reached_by(workload, index, volume)? {
                add(findings, workload.volume_path(index, volume).field("hostPath.path"), &path, &reached);
            }
        }
        Ok(())
    }
}

/// Drivers pass these options to `mount`. With `bind`, the source is a directory of
/// the node whatever the type: `//var/lib/kubelet/pods` is an SMB share, too.
/// <https://man7.org/linux/man-pages/man8/mount.8.html#BIND_MOUNT_OPERATION>
fn check_mount_options(
    context: &RuleContext<'_>,
    volume: &PersistentVolume<'_>,
    findings: &mut Findings,
) -> Result<(), ReviewError> {
    for (index, options) in volume.mount_options().iter().enumerate() {
        if let Some(option) = bind_option(options) {
            findings.add(FieldPath::at("spec.mountOptions").entry(None, index), &BIND_OPTION, &[option]);
        }
    }
    if let Some(Some(options)) = context.annotations()?.find(MOUNT_OPTIONS)
        && let Some(option) = bind_option(options)
    {
        let field_path = FieldPath::at("metadata").field("annotations").key(MOUNT_OPTIONS);
        findings.add(field_path, &BIND_OPTION, &[option]);
    }
    Ok(())
}

/// The older annotation for mount options, which is read first.
/// <https://github.com/kubernetes/kubernetes/blob/v1.36.0/pkg/volume/util/util.go>
const MOUNT_OPTIONS: &str = "volume.beta.kubernetes.io/mount-options";

/// Finds the option in any case, as `BusyBox` reads it, and with an empty value, as libmount does.
fn bind_option(options: &str) -> Option<&str> {
    let is_bind = |option: &&str| {
        let name = option.strip_suffix('=').unwrap_or(option);
        ["bind", "rbind"].iter().any(|bind| name.eq_ignore_ascii_case(bind))
    };
    cut::all(options, b',').map(str::trim_ascii).find(is_bind)
}

fn add(findings: &mut Findings, field_path: FieldPath, path: &str, reached: &Reached) {
    let Reached { relation, guarded, what, system } = reached;
    match (relation, system) {
        (Relation::Above, None) => findings.add(field_path, &EXPOSES, &[path, guarded, what]),
        (Relation::Above, Some(system)) => findings.add(field_path, &EXPOSES_ON, &[path, guarded, system, what]),
        (Relation::At, _) => findings.add(field_path, &HOLDS, &[path, what]),
        (Relation::Below, _) => findings.add(field_path, &BELOW, &[path, guarded, what]),
    }
}

#[cfg(test)]
mod tests;
