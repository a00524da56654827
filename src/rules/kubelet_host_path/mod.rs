// SPDX-License-Identifier: Apache-2.0
//! `kubelet-host-path`: no volume opens the part of the node where the tokens
//! of other Pods, or the keys of kubelet and the control plane, are.
//!
//! kubelet keeps the volumes of every Pod of its node in one directory, tokens
//! included; a container runtime's socket gives every container, and `/proc`
//! the files of every process.
//! <https://kubernetes.io/docs/concepts/storage/volumes/#hostpath>

use super::tokens::object_path;
use super::{Ability, Check, Rule};
use crate::admission::subject::SubjectKind;
use crate::engine::finding::{Findings, Wording};
use crate::engine::scene::{Scene, Stop, Workload};
use crate::matching::cut;
use crate::matching::glob::{self, Glob};
use crate::object::pod::{HostPath, Volume};
use crate::object::view::{Misfit, Text};
use crate::settings::action::CheckAction;
use crate::settings::params::{Kind, Param, Params, for_people};
use crate::settings::reader::senseless;

/// The rule.
pub static RULE: Rule = Rule {
    id: "kubelet-host-path",
    summary: for_people("no volume opens the directories of the node that hold the credentials of others"),
    subjects: &[SubjectKind::Pod],
    params: &PARAMS,
    wordings: &[&REACHES],
    ability: Ability::Check { default: CheckAction::Warn },
};

static PARAMS: [Param; 1] = [Param {
    name: "roots",
    kind: Kind::Globs(root_problem),
    default: r#"["/var/lib/kubelet", "/var/lib/k0s/kubelet", "/var/snap/microk8s/common/var/lib/kubelet"]"#,
    doc: for_people(
        "kubelet's root directories, `pods` and `pki` in them are guarded; globs directory by directory; they count for `ephemeral-token-mount` too",
    ),
}];

static REACHES: Wording = Wording {
    name: "reaches",
    template: "{} opens {} of the node, and with it the credentials of others; mount only the directory that is needed",
};

/// Guarded on every node, `/var/run` written as `/run`. The sockets are those
/// of containerd (its own, Docker's, the one beside it in Bottlerocket), of its
/// plugins, which change any container, of Docker, CRI-O, cri-dockerd, Podman, K3s,
/// k0s and `MicroK8s`, the last two named pipes of Windows.
/// <https://github.com/containerd/nri>
const EVERYWHERE: [&str; 18] = [
    "/etc/kubernetes",
    "/proc",
    "/run/secrets",
    "/run/containerd/containerd.sock",
    "/run/containerd/containerd.sock.ttrpc",
    "/run/docker/containerd/containerd.sock",
    "/run/host-containerd/containerd.sock",
    "/run/nri/nri.sock",
    "/run/docker.sock",
    "/run/crio/crio.sock",
    "/run/cri-dockerd.sock",
    "/run/dockershim.sock",
    "/run/podman/podman.sock",
    "/run/k3s/containerd/containerd.sock",
    "/run/k0s/containerd.sock",
    "/var/snap/microk8s/common/run/containerd.sock",
    "/pipe/containerd-containerd",
    "/pipe/docker_engine",
];

/// Guarded in each of kubelet's root directories; the sockets of plugins beside
/// them are what drivers are there for.
const IN_ROOT: [&str; 2] = ["pods", "pki"];

/// What is not to be opened.
pub struct Guarded<'a> {
    roots: Vec<Glob<'a>>,
}

impl<'a> Guarded<'a> {
    /// As the rule's settings say.
    pub fn read(params: &mut Params<'_, 'a>) -> Self {
        Self { roots: params.globs(&PARAMS[0]) }
    }

    /// The path of a volume that opens a guarded place, and that place.
    ///
    /// # Errors
    /// [`Misfit`] when the volume cannot be read.
    pub fn reached_by<'s>(
        &self,
        workload: &Workload<'_>,
        index: usize,
        volume: &Volume<'s>,
    ) -> Result<Option<(Text<'s>, String)>, Misfit> {
        if volume.host_path.text().is_none() {
            return Ok(None);
        }
        let place = || object_path(&workload.volume_place(index, volume).field("hostPath"));
        let host_path: HostPath<'s> = volume.host_path.read_at(&place)?;
        let Some(path) = host_path.path else { return Ok(None) };
        Ok(self.reached(&path).map(|reached| (path, reached)))
    }

    /// A path is one of Linux and one of Windows: nobody says which node it is for.
    fn reached(&self, path: &str) -> Option<String> {
        let on_windows = || Some(on_windows(path)).filter(|other| other != path);
        self.reached_at(path).or_else(|| self.reached_at(&on_windows()?))
    }

    fn reached_at(&self, path: &str) -> Option<String> {
        let path = segments(path);
        for root in &self.roots {
            let root = segments(root.as_str());
            let is_reached = |directory: &&str| is_reached(&path, root.iter().copied().chain([*directory]));
            if let Some(directory) = IN_ROOT.into_iter().find(is_reached) {
                return Some(format!("/{}/{directory}", root.join("/")));
            }
        }
        let guarded = EVERYWHERE.into_iter().find(|guarded| is_reached(&path, cut::all(guarded, b'/').skip(1)));
        guarded.map(str::to_owned)
    }
}

/// Whether one of the two paths leads to the other, or both are the same.
fn is_reached<'g>(path: &[&str], guarded: impl Iterator<Item = &'g str>) -> bool {
    path.iter().zip(guarded).all(|(segment, pattern)| glob::matches(pattern, segment))
}

/// A path of a Windows node as one of Linux: no drive, be it the share of one,
/// and no backslash; case does not count, nor do blanks and dots behind a name.
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

/// The directories of a path as a kernel walks them, but for links: no empty
/// one, no `.`, and `..` undone. `/var/run` is `/run` everywhere.
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
    senseless(root).or_else(|| {
        let segments = segments(root);
        let is_senseless = !root.starts_with('/') || segments.is_empty() || segments.iter().all(|s| s.starts_with('*'));
        is_senseless.then(|| "must be a directory of the node, e.g. /var/lib/kubelet".to_owned())
    })
}

pub(super) struct KubeletHostPath<'a>(Guarded<'a>);

impl<'a> KubeletHostPath<'a> {
    pub(super) fn new(params: &mut Params<'_, 'a>) -> Self {
        Self(Guarded::read(params))
    }
}

impl Check for KubeletHostPath<'_> {
    fn judge(&self, scene: &Scene<'_>, findings: &mut Findings) -> Result<(), Stop> {
        let Some(workload) = scene.workload() else { return Ok(()) };
        for (index, volume) in workload.spec.volumes.iter().enumerate() {
            if let Some((path, reached)) = self.0.reached_by(workload, index, volume)? {
                let place = workload.volume_place(index, volume).field("hostPath.path");
                findings.add(place, &REACHES, &[&path, &reached]);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
