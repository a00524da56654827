// SPDX-License-Identifier: Apache-2.0
//! `legacy-token-mount`: no container can use a Secret with a legacy token.
//!
//! Such a token never expires, is valid for any audience, and outlives its Pod.
//! The Secret is recognized by its name alone: a policy that read Secrets to be
//! sure would be worse than what it prevents.
//! <https://kubernetes.io/docs/concepts/security/service-accounts/#get-a-token>

use crate::admission::subject::SubjectKind;
use crate::diagnostic::field_path::FieldPath;
use crate::diagnostic::findings::Findings;
use crate::diagnostic::message::MessageTemplate;
use crate::engine::context::{CheckedContainer, ReviewError, RuleContext, Workload, object_path};
use crate::engine::rule::{Ability, Check, Restricted, Rule};
use crate::fast::names::Names;
use crate::matching::glob::{self, Glob, validate_pattern};
use crate::messages;
use crate::object::env::{SearchWords, ValueFrom};
use crate::object::pod::{Container, SecretVolume, Volume, is_generated_suffix};
use crate::object::secret::SecretName;
use crate::object::view::ReadError;
use crate::settings::action::CheckAction;
use crate::settings::doc::Doc;
use crate::settings::params::{Kind, Param, Params};

/// The rule.
pub static RULE: Rule = Rule {
    id: "legacy-token-mount",
    summary: Doc::new("forbids containers from using Secrets with legacy tokens"),
    subjects: &[SubjectKind::Pod, SubjectKind::PodTemplate, SubjectKind::EphemeralContainer],
    params: &[&EXTRA_SECRET_NAMES],
    messages: &[MESSAGES],
    ability: Ability::Check { default: CheckAction::Warn },
    restricted: Restricted::REJECT,
};

static EXTRA_SECRET_NAMES: Param = Param {
    name: "extraSecretNames",
    kind: Kind::Globs(validate_pattern),
    default: "[]",
    doc: Doc::new(
        "names of Secrets with legacy tokens that do not follow the usual naming pattern; also applies to `ephemeral-token-mount`",
    ),
};

messages! {
    BY_NAME:
        "`{}` has the name of a legacy token, which never expires",
        help: "use a projected serviceAccountToken volume";
    LISTED:
        "`{}` is listed as a legacy token, which never expires",
        help: "use a projected serviceAccountToken volume";
}

/// The middle of the names of Secrets that the token controller created: the
/// account's name, this, and five characters.
/// <https://github.com/kubernetes/kubernetes/blob/v1.23.0/pkg/controller/serviceaccount/tokens_controller.go>
const INFIX: &str = "-token-";

/// Which Secrets are legacy tokens.
pub struct Legacy<'a> {
    extra: Vec<Glob<'a>>,
}

impl<'a> Legacy<'a> {
    /// Reads the rule's settings.
    pub fn read(params: &mut Params<'_, 'a>) -> Self {
        Self { extra: params.globs(&EXTRA_SECRET_NAMES) }
    }

    /// Whether a container's environment may contain a legacy token. Its
    /// default name shows that; if other names are listed, any Secret may be
    /// one.
    fn may_be_in_env(&self, container: &Container<'_>) -> bool {
        container.env.may_hold(if self.extra.is_empty() { SearchWords::LEGACY_TOKEN } else { SearchWords::SECRET })
    }

    /// The same for whole objects in its environment.
    fn may_be_in_env_from(&self, container: &Container<'_>) -> bool {
        container.env_from.may_hold(if self.extra.is_empty() { INFIX } else { "secretRef" })
    }

    fn message(&self, secret: &str) -> Option<&'static MessageTemplate> {
        let stem = secret.len().checked_sub(5).and_then(|at| secret.split_at_checked(at));
        let is_called_so = stem.is_some_and(|(stem, chance)| {
            is_generated_suffix(chance) && stem.strip_suffix(INFIX).is_some_and(|account| !account.is_empty())
        });
        if is_called_so {
            return Some(&BY_NAME);
        }
        glob::any(&self.extra, secret).then_some(&LISTED)
    }

    /// The legacy tokens in the volumes of a Pod.
    ///
    /// # Errors
    /// [`ReadError`] when a volume cannot be read.
    pub fn volumes<'s>(&self, pod: &'s Workload<'_>) -> Result<LegacyVolumes<'s>, ReadError> {
        let mut secrets = Vec::new();
        for (index, volume) in pod.spec.volumes.iter().enumerate() {
            each_secret(pod, (index, volume), &mut |secret, _| {
                secrets.extend(self.message(secret).map(|message| (index, secret.to_owned(), message)));
            })?;
        }
        Ok(LegacyVolumes { names: pod.spec.volume_names(), secrets })
    }

    /// Whether a container has a legacy token in its environment.
    ///
    /// # Errors
    /// [`ReadError`] when the environment cannot be read.
    pub fn is_in_env(&self, pod: &Workload<'_>, checked: CheckedContainer<'_>) -> Result<bool, ReadError> {
        let mut found = false;
        self.each_env_secret(pod, checked, &mut |secret, _| found = found || self.message(secret).is_some())?;
        Ok(found)
    }

    /// Calls `each` with the name of every Secret in a container's environment
    /// that could be a legacy token, and with its path.
    fn each_env_secret(
        &self,
        pod: &Workload<'_>,
        checked: CheckedContainer<'_>,
        each: &mut dyn FnMut(&str, &dyn Fn() -> FieldPath),
    ) -> Result<(), ReadError> {
        let container = || checked.path(pod);
        let path = || object_path(&container());
        // Most environments contain no such Secret; then nothing is parsed.
        if self.may_be_in_env(checked.container) {
            for (position, env) in checked.container.read_env(&path)?.iter().enumerate() {
                let field_path = || container().field("env").entry(env.name.as_deref(), position).field("valueFrom");
                let from: ValueFrom<'_> = env.value_from.read_at(&|| object_path(&field_path()))?;
                if let Some(secret) = from.secret.and_then(|secret| secret.name) {
                    each(&secret, &|| field_path().field("secretKeyRef.name"));
                }
            }
        }
        if self.may_be_in_env_from(checked.container) {
            for (position, from) in checked.container.read_env_from(&path)?.into_iter().enumerate() {
                if let Some(secret) = from.secret.and_then(|secret| secret.name) {
                    each(&secret, &|| {
                        container().field("envFrom").entry(Some(&secret), position).field("secretRef.name")
                    });
                }
            }
        }
        Ok(())
    }
}

/// The legacy tokens in the volumes of a Pod.
#[derive(Debug, Default)]
pub struct LegacyVolumes<'s> {
    names: Names<'s>,
    /// The position of a volume, a Secret in it, and the message about it; in
    /// the order of the volumes.
    secrets: Vec<(usize, String, &'static MessageTemplate)>,
}

impl LegacyVolumes<'_> {
    /// The legacy tokens in the volume with a name.
    #[must_use]
    pub fn of(&self, volume: &str) -> &[(usize, String, &'static MessageTemplate)] {
        self.names.position(volume).map(|index| self.at(index)).unwrap_or_default()
    }

    /// The legacy tokens in the volume at a position.
    #[must_use]
    pub fn at(&self, index: usize) -> &[(usize, String, &'static MessageTemplate)] {
        let first = self.secrets.partition_point(|(at, ..)| *at < index);
        let behind = self.secrets.partition_point(|(at, ..)| *at <= index);
        self.secrets.get(first..behind).unwrap_or_default()
    }
}

/// Calls `each` with the name of every Secret in a volume: the volume's own, or
/// those of its projected sources, with their positions.
fn each_secret(
    workload: &Workload<'_>,
    (index, volume): (usize, &Volume<'_>),
    each: &mut dyn FnMut(&str, Option<usize>),
) -> Result<(), ReadError> {
    let field_path = || workload.volume_path(index, volume);
    if volume.secret.text().is_some() {
        let own: SecretVolume<'_> = volume.secret.read_at(&|| object_path(&field_path().field("secret")))?;
        own.name.iter().for_each(|name| each(name, None));
    }
    for (position, source) in volume.projected.iter().flat_map(|projected| projected.sources.iter().enumerate()) {
        let path = || object_path(&field_path().field("projected.sources").entry(None, position).field("secret"));
        let secret: SecretName<'_> = source.secret.read_at(&path)?;
        secret.name.iter().for_each(|name| each(name, Some(position)));
    }
    Ok(())
}

pub(super) struct LegacyTokenMount<'a>(Legacy<'a>);

impl LegacyTokenMount<'_> {
    fn check_secret(&self, secret: &str, findings: &mut Findings, field_path: &dyn Fn() -> FieldPath) {
        if let Some(message) = self.0.message(secret) {
            findings.add(field_path(), message, &[secret]);
        }
    }

    fn check_volumes(&self, workload: &Workload<'_>, findings: &mut Findings) -> Result<(), ReadError> {
        for (index, volume) in workload.spec.volumes.iter().enumerate() {
            each_secret(workload, (index, volume), &mut |secret, source| {
                self.check_secret(secret, findings, &|| {
                    let field_path = workload.volume_path(index, volume);
                    match source {
                        None => field_path.field("secret.secretName"),
                        Some(position) => {
                            field_path.field("projected.sources").entry(Some(secret), position).field("secret.name")
                        }
                    }
                });
            })?;
        }
        Ok(())
    }

    /// A new ephemeral container may mount existing volumes of the Pod.
    fn check_mounts(
        pod: &Workload<'_>,
        checked: CheckedContainer<'_>,
        legacy: &LegacyVolumes<'_>,
        findings: &mut Findings,
    ) {
        for (position, mount) in checked.container.mounts.iter().enumerate() {
            let volume = mount.name.as_deref();
            for (_, secret, message) in volume.map(|volume| legacy.of(volume)).unwrap_or_default() {
                let field_path = checked.path(pod).field("volumeMounts").entry(volume, position);
                findings.add(field_path, message, &[secret]);
            }
        }
    }
}

impl<'a> LegacyTokenMount<'a> {
    pub(super) fn new(params: &mut Params<'_, 'a>) -> Self {
        Self(Legacy::read(params))
    }
}

impl Check for LegacyTokenMount<'_> {
    fn check(&self, context: &RuleContext<'_>, findings: &mut Findings) -> Result<(), ReviewError> {
        let Some(pod) = context.pod() else { return Ok(()) };
        let legacy = if context.is_ephemeral() {
            self.0.volumes(pod)?
        } else {
            self.check_volumes(pod, findings)?;
            LegacyVolumes::default()
        };
        context.each_container(pod, &mut |checked| {
            Self::check_mounts(pod, checked, &legacy, findings);
            let each =
                &mut |secret: &str, field_path: &dyn Fn() -> FieldPath| self.check_secret(secret, findings, field_path);
            Ok(self.0.each_env_secret(pod, checked, each)?)
        })
    }
}

#[cfg(test)]
mod tests;
