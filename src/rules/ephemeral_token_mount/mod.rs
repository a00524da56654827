// SPDX-License-Identifier: Apache-2.0
//! `ephemeral-token-mount`: no ephemeral container gets at a token.
//!
//! `kubectl debug` puts a container of anyone's image into a running Pod. It
//! may mount any volume that the Pod has, one that no container mounts too, and
//! read the files of a container whose processes it shares.
//! <https://kubernetes.io/docs/concepts/workloads/pods/ephemeral-containers/>

use super::kubelet_host_path::Guarded;
use super::legacy_token_mount::Legacy;
use super::tokens::object_path;
use super::{Check, Room, Rule, kubelet_host_path, legacy_token_mount};
use crate::admission::subject::SubjectKind;
use crate::engine::finding::{Findings, Wording};
use crate::engine::scene::{Judged, Scene, Stop, Workload};
use crate::object::pod::Mount;
use crate::object::view::{Misfit, Text};
use crate::settings::action::CheckAction;
use crate::settings::params::{Kind, Param, Params};

/// The rule.
pub static RULE: Rule = Rule {
    id: "ephemeral-token-mount",
    summary: "no ephemeral container gets at a token",
    subjects: &[SubjectKind::EphemeralContainer],
    params: &PARAMS,
    wordings: &[&TOKEN, &SECRET, &HOST_PATH, &SHARES],
    room: Room::Check { default: CheckAction::Reject, build: |params| Box::new(EphemeralTokenMount::new(params)) },
};

static PARAMS: [Param; 1] = [Param {
    name: "targets",
    kind: Kind::Choice(&["allow", "warn", "reject"]),
    default: r#""warn""#,
    doc: "what to do about one that shares its processes (`targetContainerName`, `shareProcessNamespace`) with a container that mounts a token; never more than the rule's action",
}];

static TOKEN: Wording = Wording {
    name: "token",
    template: "mounts the token in this volume; leave the mount out, or debug a copy of the Pod under an account without permissions",
};
static SECRET: Wording =
    Wording { name: "secret", template: "mounts Secret {}, a legacy token, which never expires; leave the mount out" };
static HOST_PATH: Wording = Wording {
    name: "host-path",
    template: "mounts {} of the node, and with {} the credentials of others; leave the mount out",
};
static SHARES: Wording = Wording {
    name: "shares",
    template: "shares processes with container {}, whose token it can read in /proc; debug a container without a token, or a copy of the Pod",
};

/// What a shared process namespace leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Targets {
    Allow,
    Warn,
    Reject,
}

struct EphemeralTokenMount {
    targets: Targets,
}

/// What makes a volume one that a token can be read from.
enum Holds {
    Token,
    Secret(String),
    HostPath(String, String),
}

/// What other rules' settings say about volumes.
struct Lists<'a> {
    legacy: Legacy<'a>,
    guarded: Guarded<'a>,
}

impl Lists<'_> {
    /// What a mount holds.
    fn held(&self, pod: &Workload<'_>, mount: &Mount<'_>) -> Result<Option<Holds>, Misfit> {
        for (index, volume) in pod.spec.volumes_named(mount.name.as_deref()) {
            if volume.tokens().next().is_some() {
                return Ok(Some(Holds::Token));
            }
            if let Some(secret) = self.legacy.in_volume(pod, index, volume)? {
                return Ok(Some(Holds::Secret(secret)));
            }
            if let Some((path, reached)) = self.guarded.reached_by(pod, index, volume)? {
                return Ok(Some(Holds::HostPath(path.to_string(), reached)));
            }
        }
        Ok(None)
    }

    /// The name of the first container whose processes are shared and which
    /// mounts a token.
    fn target(&self, pod: &Workload<'_>, judged: Judged<'_>) -> Result<Option<String>, Misfit> {
        let path = || object_path(&judged.place(pod).field("targetContainerName"));
        let target: Option<Text<'_>> = judged.container.target.read_at(&path)?;
        let target = target.as_deref().filter(|target| !target.is_empty());
        let shares_all = pod.spec.share_process_namespace == Some(true);
        for (list, index, other) in pod.spec.all_containers() {
            let is_itself = (list, index) == (judged.list, judged.index);
            let is_target = target.is_some() && other.name.as_deref() == target;
            if is_itself || !(shares_all || is_target) {
                continue;
            }
            for mount in &other.mounts {
                if matches!(self.held(pod, mount)?, Some(Holds::Token | Holds::Secret(_))) {
                    return Ok(Some(other.name.as_deref().unwrap_or_default().to_owned()));
                }
            }
        }
        Ok(None)
    }
}

impl EphemeralTokenMount {
    fn new(params: &mut Params<'_, '_>) -> Self {
        let targets = match params.choice(&PARAMS[0]) {
            "allow" => Targets::Allow,
            "reject" => Targets::Reject,
            _ => Targets::Warn,
        };
        Self { targets }
    }
}

impl Check for EphemeralTokenMount {
    fn judge(&self, scene: &Scene<'_>, findings: &mut Findings) -> Result<(), Stop> {
        let Some(pod) = scene.pod() else { return Ok(()) };
        let lists = Lists {
            legacy: scene.params_of(&legacy_token_mount::RULE, Legacy::read),
            guarded: scene.params_of(&kubelet_host_path::RULE, Guarded::read),
        };
        scene.each_container(pod, &mut |judged| {
            for (position, mount) in judged.container.mounts.iter().enumerate() {
                let place = || judged.place(pod).field("volumeMounts").entry(mount.name.as_deref(), position);
                match lists.held(pod, mount)? {
                    Some(Holds::Token) => findings.add(place(), &TOKEN, &[]),
                    Some(Holds::Secret(secret)) => findings.add(place(), &SECRET, &[&secret]),
                    Some(Holds::HostPath(path, reached)) => findings.add(place(), &HOST_PATH, &[&path, &reached]),
                    None => {}
                }
            }
            if self.targets == Targets::Allow {
                return Ok(());
            }
            if let Some(target) = lists.target(pod, judged)? {
                if self.targets == Targets::Reject {
                    findings.add(judged.place(pod), &SHARES, &[&target]);
                } else {
                    findings.warn(judged.place(pod), &SHARES, &[&target]);
                }
            }
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests;
