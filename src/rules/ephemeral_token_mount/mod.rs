// SPDX-License-Identifier: Apache-2.0
//! `ephemeral-token-mount`: no ephemeral container can read a token.
//!
//! `kubectl debug` adds a container with any image to a running Pod. It can
//! mount any volume of the Pod, even one that no other container mounts, and
//! read the files of a container whose processes it shares.
//! <https://kubernetes.io/docs/concepts/workloads/pods/ephemeral-containers/>

use super::kubelet_host_path::{Guarded, Reached, Relation};
use super::legacy_token_mount::Legacy;
use super::{kubelet_host_path, legacy_token_mount};
use crate::admission::subject::SubjectKind;
use crate::diagnostic::findings::Findings;
use crate::diagnostic::message::Message;
use crate::diagnostic::severity::MaxSeverity;
use crate::engine::context::{CheckedContainer, ReviewError, RuleContext, Workload, object_path};
use crate::engine::rule::{Ability, Check, Restricted, Rule};
use crate::fast::names::Names;
use crate::messages;
use crate::object::pod::{ContainerList, Mount};
use crate::object::view::{ReadError, Text};
use crate::settings::action::CheckAction;
use crate::settings::doc::Doc;
use crate::settings::params::{Kind, Param, Params};

/// The rule.
pub static RULE: Rule = Rule {
    id: "ephemeral-token-mount",
    summary: Doc::new("forbids ephemeral containers that can read a token"),
    subjects: &[SubjectKind::EphemeralContainer],
    params: &[&TARGETS],
    messages: &[MESSAGES],
    ability: Ability::Check { default: CheckAction::Reject },
    restricted: Restricted::REJECT.with(&[("targets", r#""reject""#)]),
};

static TARGETS: Param = Param {
    name: "targets",
    kind: Kind::Choice(&["allow", "warn", "reject"]),
    default: r#""warn""#,
    doc: Doc::new(
        "action for an ephemeral container that can see the processes of a container with credentials (`targetContainerName`, `shareProcessNamespace`) or of the node (`hostPID`); never stricter than the rule's action",
    ),
};

messages! {
    TOKEN:
        "mounts the token in this volume",
        help: "remove the mount, or debug a copy of the Pod under an account without permissions";
    SECRET: "mounts Secret `{}`, a legacy token, which never expires", help: "remove the mount";
    HOST_PATH_ABOVE: "mounts `{}` of the node, where {} gives {}", help: "remove the mount";
    HOST_PATH: "mounts `{}` of the node, which gives {}", help: "remove the mount";
    SHARES:
        "shares processes with container `{}`, whose credentials it can read in /proc",
        help: "debug a container without credentials, or a copy of the Pod";
    HOST_PID:
        "shares the processes of the node (hostPID), whose credentials it can read in /proc",
        help: "debug a copy of the Pod without hostPID";
}

/// What to do about a shared process namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Targets {
    Allow,
    Warn,
    Reject,
}

pub(super) struct EphemeralTokenMount {
    targets: Targets,
}

/// Why a token can be read from a volume.
enum Holds {
    Token,
    Secret(String),
    HostPath(String, Reached),
}

/// What the volumes of a Pod contain.
struct Volumes<'s> {
    names: Names<'s>,
    holds: Vec<Option<Holds>>,
}

impl<'s> Volumes<'s> {
    fn read(context: &RuleContext<'_>, pod: &'s Workload<'_>, legacy: &Legacy<'_>) -> Result<Self, ReadError> {
        let guarded = kubelet_host_path::RULE.with_params(context, Guarded::read);
        let legacy = legacy.volumes(pod)?;
        let mut holds = Vec::with_capacity(pod.spec.volumes.len());
        for (index, volume) in pod.spec.volumes.iter().enumerate() {
            holds.push(if volume.tokens().next().is_some() {
                Some(Holds::Token)
            } else if let Some((_, secret, _)) = legacy.at(index).first() {
                Some(Holds::Secret(secret.clone()))
            } else {
                let reached = guarded.reached_by(pod, index, volume)?;
                reached.map(|(path, reached)| Holds::HostPath(path.to_string(), reached))
            });
        }
        Ok(Self { names: pod.spec.volume_names(), holds })
    }

    /// What can be read through a mount.
    fn opened(&self, mount: &Mount<'_>) -> Option<&Holds> {
        self.holds.get(self.names.position(mount.name.as_deref()?)?)?.as_ref()
    }

    /// The containers that hold credentials: in a mount, or in their environment.
    fn holders(&self, pod: &'s Workload<'_>, legacy: &Legacy<'_>) -> Result<Holders<'s>, ReadError> {
        let mut list = Vec::new();
        for (kind, index, container) in pod.spec.all_containers() {
            let mounts = container.mounts.iter().any(|mount| self.opened(mount).is_some());
            if mounts || legacy.is_in_env(pod, CheckedContainer { list: kind, index, container })? {
                list.push((container.name.as_deref().unwrap_or_default(), kind, index));
            }
        }
        let names: Vec<_> = list.iter().enumerate().map(|(position, (name, ..))| (*name, position)).collect();
        Ok(Holders { list, names: names.into() })
    }
}

/// The containers that hold credentials.
#[derive(Default)]
struct Holders<'s> {
    /// Name, list, and position there.
    list: Vec<(&'s str, ContainerList, usize)>,
    names: Names<'s>,
}

impl<'s> Holders<'s> {
    /// The first one whose processes a container shares.
    fn shared_with(&self, pod: &Workload<'_>, checked: CheckedContainer<'_>) -> Result<Option<&'s str>, ReadError> {
        if pod.spec.shares_processes() {
            let mut others =
                self.list.iter().filter(|(_, list, index)| (*list, *index) != (checked.list, checked.index));
            return Ok(others.next().map(|(name, ..)| *name));
        }
        let path = || object_path(&checked.path(pod).field("targetContainerName"));
        let target: Option<Text<'_>> = checked.container.target.read_at(&path)?;
        let target = target.filter(|target| !target.is_empty());
        let position = target.and_then(|target| self.names.position(&target));
        Ok(position.and_then(|position| self.list.get(position)).map(|(name, ..)| *name))
    }
}

impl EphemeralTokenMount {
    pub(super) fn new(params: &mut Params<'_, '_>) -> Self {
        let targets = match params.choice(&TARGETS) {
            "allow" => Targets::Allow,
            "reject" => Targets::Reject,
            _ => Targets::Warn,
        };
        Self { targets }
    }
}

impl Check for EphemeralTokenMount {
    fn check(&self, context: &RuleContext<'_>, findings: &mut Findings) -> Result<(), ReviewError> {
        let Some(pod) = context.pod() else { return Ok(()) };
        let legacy = legacy_token_mount::RULE.with_params(context, Legacy::read);
        let volumes = Volumes::read(context, pod, &legacy)?;
        let sees_node = self.targets != Targets::Allow && pod.spec.host_pid == Some(true);
        let holders = match self.targets {
            Targets::Warn | Targets::Reject if !sees_node => volumes.holders(pod, &legacy)?,
            _ => Holders::default(),
        };
        context.each_container(pod, &mut |checked| {
            for (position, mount) in checked.container.mounts.iter().enumerate() {
                let Some(holds) = volumes.opened(mount) else { continue };
                let field_path = checked.path(pod).field("volumeMounts").entry(mount.name.as_deref(), position);
                match holds {
                    Holds::Token => findings.add(field_path, &TOKEN, &[]),
                    Holds::Secret(secret) => findings.add(field_path, &SECRET, &[secret]),
                    Holds::HostPath(path, Reached { relation: Relation::Above, guarded, what, .. }) => {
                        findings.add(field_path, &HOST_PATH_ABOVE, &[path, guarded, what]);
                    }
                    Holds::HostPath(path, reached) => findings.add(field_path, &HOST_PATH, &[path, reached.what]),
                }
            }
            let severity = if self.targets == Targets::Reject { MaxSeverity::Action } else { MaxSeverity::Warning };
            if sees_node {
                findings.push(checked.path(pod), Message::new(&HOST_PID, &[]), severity);
            } else if let Some(target) = holders.shared_with(pod, checked)? {
                findings.push(checked.path(pod), Message::new(&SHARES, &[target]), severity);
            }
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests;
