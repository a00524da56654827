// SPDX-License-Identifier: Apache-2.0
//! `identity-injection`: a Pod whose account has a role got it from the EKS Pod
//! identity webhook.
//!
//! The webhook's configuration ignores failures, and its cache may not contain
//! an account that was created a moment ago. In both cases the Pod starts, and
//! runs with the role of its node until someone deletes it.
//! <https://github.com/aws/amazon-eks-pod-identity-webhook/issues/174>
//! <https://github.com/aws/amazon-eks-pod-identity-webhook/issues/225>

use crate::admission::subject::SubjectKind;
use crate::diagnostic::field_path::FieldPath;
use crate::diagnostic::findings::Findings;
use crate::engine::context::{ReviewError, RuleContext, Workload, object_path};
use crate::engine::rule::{Ability, Check, Restricted, Rule};
use crate::fast::names::Names;
use crate::messages;
use crate::object::env::{Env, SearchWords, named};
use crate::object::pod::{Container, ContainerList};
use crate::object::view::Text;
use crate::rules::shared::cloud::{
    AWS_CONTAINER_TOKEN, AWS_CONTAINER_TOKEN_FILE, AWS_CONTAINER_URI, AWS_ROLE, AWS_TOKEN_FILE, Cloud, Declared,
    SKIP_LABEL, declared, skipped,
};
use crate::settings::action::CheckAction;
use crate::settings::doc::Doc;
use crate::settings::params::Params;
use crate::settings::{LookupMode, Phase};

/// The rule.
pub static RULE: Rule = Rule {
    id: "identity-injection",
    summary: Doc::new("forbids Pods that lack the AWS role of their ServiceAccount"),
    subjects: &[SubjectKind::Pod],
    params: &[],
    messages: &[MESSAGES],
    ability: Ability::Check { default: CheckAction::Off },
    restricted: Restricted::OFF,
};

messages! {
    NOT_INJECTED:
        "did not get the role of account `{}`: the EKS Pod identity webhook is down, or did not know the account yet",
        help: "recreate the Pod";
    HALF: "is set without {}, and the EKS Pod identity webhook does not add the missing variable", help: "remove it, or set both";
    NO_TOKEN:
        "names a file where the container has no token",
        help: "rename volumes and mounts that have the webhook's names";
    UNKNOWN:
        "account `{}` could not be looked up, so it is not known whether a role is missing",
        help: "let the policy server get serviceaccounts";
}

/// The volumes that the webhook adds, unless one with that name exists.
const VOLUMES: [&str; 2] = ["aws-iam-token", "eks-pod-identity-token"];

/// The two ways to get a role: IRSA and EKS Pod Identity, each with the
/// variable of its token file last.
const IDENTITY_METHODS: [[&str; 2]; 2] = [[AWS_ROLE, AWS_TOKEN_FILE], [AWS_CONTAINER_URI, AWS_CONTAINER_TOKEN_FILE]];

pub(super) struct IdentityInjection;

/// What a container lacks.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Missing {
    /// Everything that the webhook injects.
    Everything,
    /// One of the variables, while the other one is present.
    Half { there: &'static str, missing: &'static str },
    /// The file that this variable names.
    Token(&'static str),
}

impl IdentityInjection {
    pub(super) fn new(params: &mut Params<'_, '_>) -> Self {
        if params.common.lookup == LookupMode::Off {
            params.note_rule("looks accounts up, so serviceAccountLookup must be optional or required");
        }
        Self
    }
}

impl Check for IdentityInjection {
    fn check(&self, context: &RuleContext<'_>, findings: &mut Findings) -> Result<(), ReviewError> {
        // Only in this phase have all webhooks run.
        if context.common.phase != Phase::Validating {
            return Ok(());
        }
        let Some(pod) = context.workload() else { return Ok(()) };
        if pod.label(SKIP_LABEL)?.is_some() {
            return Ok(());
        }
        // The webhook misses a role that the account got a moment ago, so the record must be current.
        context.lookup.require_fresh()?;
        let listed = skipped(context)?;
        // A hostile Pod can have thousands of each.
        let skipped = Names::from(listed.iter().map(|name| (name.as_str(), 0)).collect::<Vec<_>>());
        let volumes = Volumes { pod, names: pod.spec.volume_names() };
        let mut is_known = true;
        context.each_container(pod, &mut |checked| {
            // The webhook does not process ephemeral containers.
            let is_skipped = skipped.has(checked.container.name.as_deref().unwrap_or_default());
            if checked.list == ContainerList::Ephemeral || is_skipped || !is_known {
                return Ok(());
            }
            let field_path = checked.path(pod);
            let Some(missing) = missing(&volumes, checked.container, &field_path)? else { return Ok(()) };
            let account = pod.spec.account();
            let variable = |name| field_path.field("env").entry(Some(name), 0);
            match (declared(context, pod, Cloud::AWS)?, missing) {
                (Declared::Nothing, _) => {}
                (Declared::Unknown, _) => {
                    is_known = false;
                    findings.warn(pod.spec_path().field("serviceAccountName"), &UNKNOWN, &[account]);
                }
                (_, Missing::Everything) => findings.add(field_path, &NOT_INJECTED, &[account]),
                (_, Missing::Half { there, missing }) => findings.add(variable(there), &HALF, &[missing]),
                (_, Missing::Token(file)) => findings.add(variable(file), &NO_TOKEN, &[]),
            }
            Ok(())
        })
    }
}

/// What a container lacks. The order of the variables does not matter, nor do
/// other variables: the webhook appends to what it finds.
fn missing(
    volumes: &Volumes<'_>,
    container: &Container<'_>,
    field_path: &FieldPath,
) -> Result<Option<Missing>, ReviewError> {
    if !container.env.may_hold(SearchWords::AWS) {
        return Ok(Some(Missing::Everything));
    }
    let path = || object_path(field_path);
    let env = container.read_env(&path)?;
    let find = |name: &str| named(&env, name);
    let mut missing = Missing::Everything;
    for [other, file] in IDENTITY_METHODS {
        match (find(other), find(file)) {
            (Some(_), Some(variable)) if has_token(volumes, container, variable, &path)? => return Ok(None),
            (Some(_), Some(_)) => missing = Missing::Token(file),
            // The agent also accepts a token from the environment.
            (Some(_), None) if other == AWS_CONTAINER_URI && find(AWS_CONTAINER_TOKEN).is_some() => return Ok(None),
            (Some(_), None) if missing == Missing::Everything => {
                missing = Missing::Half { there: other, missing: file }
            }
            (None, Some(_)) if missing == Missing::Everything => {
                missing = Missing::Half { there: file, missing: other }
            }
            _ => {}
        }
    }
    Ok(Some(missing))
}

/// Whether there is a token at the path that a variable names. A path that
/// someone wrote by hand is their responsibility; for the webhook's own names,
/// there must be what the webhook adds.
fn has_token(
    volumes: &Volumes<'_>,
    container: &Container<'_>,
    variable: &Env<'_>,
    path: &dyn Fn() -> String,
) -> Result<bool, ReviewError> {
    let value: Option<Text<'_>> = variable.value.read_at(&|| path() + ".env.value")?;
    let Some(value) = value.filter(|value| !value.contains("$(")) else { return Ok(true) };
    let file = unix(&value);
    Ok(container.mounts.iter().any(|mount| {
        let (Some(name), Some(directory)) = (mount.name.as_deref(), mount.path.as_deref()) else { return false };
        let Some(inside) = file.strip_prefix(unix(directory).trim_end_matches('/')) else { return false };
        let Some(inside) = inside.strip_prefix('/') else { return inside.is_empty() };
        !VOLUMES.contains(&name) || volumes.has_token(name, inside)
    }))
}

/// On Windows, the webhook writes `C:\var\run\...\token`, but a mount path with
/// slashes.
fn unix(path: &str) -> String {
    path.strip_prefix("C:").unwrap_or(path).replace('\\', "/")
}

/// The volumes of a Pod.
struct Volumes<'s> {
    pod: &'s Workload<'s>,
    names: Names<'s>,
}

impl Volumes<'_> {
    /// Whether a volume has a token at this path.
    fn has_token(&self, name: &str, path: &str) -> bool {
        let volume = self.names.position(name).and_then(|index| self.pod.spec.volumes.get(index));
        volume.is_some_and(|volume| volume.tokens().any(|token| token.path.as_deref() == Some(path)))
    }
}

#[cfg(test)]
mod tests;
