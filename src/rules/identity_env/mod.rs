// SPDX-License-Identifier: Apache-2.0
//! `identity-env`: a container has the AWS role of its ServiceAccount, and not
//! one that was written into its environment.
//!
//! Lists of roles for accounts do not cover a role that is set with
//! `AWS_ROLE_ARN`. And if a container has one variable of a pair, the EKS Pod
//! identity webhook does not add the other: the container then has a role but
//! no token, or continues with the role of the node.
//! <https://github.com/aws/amazon-eks-pod-identity-webhook/issues/82>
//! <https://github.com/aws/amazon-eks-pod-identity-webhook/issues/104>

use std::cell::OnceCell;

use super::role_arn::{self, Holder, RoleRules};
use crate::admission::subject::SubjectKind;
use crate::diagnostic::field_path::FieldPath;
use crate::diagnostic::findings::Findings;
use crate::engine::context::{CheckedContainer, ReviewError, RuleContext, Workload, object_path};
use crate::engine::rule::{Ability, Check, Restricted, Rule};
use crate::fast::names::Names;
use crate::fast::word;
use crate::messages;
use crate::object::env::{Env, SearchWords};
use crate::object::pod::ContainerList;
use crate::rules::shared::cloud::{self, Cloud, Declared, Identities};
use crate::rules::shared::java_options;
use crate::settings::action::CheckAction;
use crate::settings::doc::Doc;
use crate::settings::params::{Kind, Param, Params};

/// The rule.
pub static RULE: Rule = Rule {
    id: "identity-env",
    summary: Doc::new(
        "requires containers to use the AWS role of their ServiceAccount, not one from their environment",
    ),
    subjects: &[SubjectKind::Pod, SubjectKind::PodTemplate, SubjectKind::EphemeralContainer],
    params: &[&ROLE_SOURCE],
    messages: &[MESSAGES],
    ability: Ability::Check { default: CheckAction::Reject },
    restricted: Restricted::REJECT,
};

static ROLE_SOURCE: Param = Param {
    name: "roleSource",
    kind: Kind::Choice(&["serviceAccount", EXTERNAL]),
    default: r#""serviceAccount""#,
    doc: Doc::new(
        "where the webhook finds a ServiceAccount's role: in the annotation, or elsewhere (`--watch-config-map`), in which case roles are not compared",
    ),
};

const EXTERNAL: &str = "external";

messages! {
    REFUSED: "is a role that role-arn rejects: {}";
    OTHER:
        "is not the role of ServiceAccount `{}` ({})",
        help: "remove it, or use a ServiceAccount with the intended role";
    NO_ROLE:
        "sets a role and a token for it, but ServiceAccount `{}` has no role",
        help: "use a ServiceAccount that has {} instead";
    UNREADABLE:
        "takes its value from elsewhere, so it is not known whether ServiceAccount `{}` may have that role",
        help: "use a ServiceAccount that has {} instead";
    HALF:
        "is set without {}, and the webhook does not add the missing variable",
        help: "remove it, so that the container gets the role of ServiceAccount `{}`";
}

/// The variables that the rule looks for.
const KNOWN: [&str; 5] = [
    cloud::AWS_ROLE,
    cloud::AWS_TOKEN_FILE,
    cloud::AWS_CONTAINER_URI,
    cloud::AWS_CONTAINER_TOKEN_FILE,
    cloud::AWS_CONTAINER_TOKEN,
];

/// The system property from which the AWS SDK for Java reads a role, without the
/// prefix `aws.`. Each property takes precedence over its variable, so the token
/// that the webhook injects is used for this role.
/// <https://docs.aws.amazon.com/sdkref/latest/guide/feature-assume-role-credentials.html>
const JAVA_ROLE: &str = "roleArn";

/// Properties, and the variables that the SDK reads if they are not set.
const JAVA: [(&str, &str); 2] = [(JAVA_ROLE, cloud::AWS_ROLE), ("webIdentityTokenFile", cloud::AWS_TOKEN_FILE)];

/// The properties of [`JAVA`] that a container sets, with their paths and values.
#[cold]
fn java_properties(
    pod: &Workload<'_>,
    checked: CheckedContainer<'_>,
) -> Result<Vec<(&'static str, FieldPath, String)>, ReviewError> {
    let mut found = Vec::new();
    java_options::each_property(pod, checked, &JAVA.map(|(property, _)| property), &mut |path, property| {
        found.push((property.name, path, property.value.to_owned()));
        Ok(())
    })?;
    Ok(found)
}

pub(super) struct IdentityEnv {
    is_external: bool,
}

impl IdentityEnv {
    pub(super) fn new(params: &mut Params<'_, '_>) -> Self {
        Self { is_external: params.choice(&ROLE_SOURCE) == EXTERNAL }
    }
}

impl Check for IdentityEnv {
    fn check(&self, context: &RuleContext<'_>, findings: &mut Findings) -> Result<(), ReviewError> {
        let Some(pod) = context.pod() else { return Ok(()) };
        let (identities, rules) = (Identities::new(context, pod), OnceCell::new());
        let (skip_list, skipped) = (OnceCell::new(), OnceCell::new());
        context.each_container(pod, &mut |checked| {
            // Most containers have nothing to do with AWS; then nothing is parsed.
            let (has_env, has_java) =
                (checked.container.env.may_hold(SearchWords::AWS), checked.container.may_set_java_property());
            if !has_env && !has_java {
                return Ok(());
            }
            let variables = checked.container.read_env(&|| object_path(&checked.path(pod)))?;
            let java = if has_java { java_properties(pod, checked)? } else { Vec::new() };
            let mut present = KNOWN.to_vec();
            present.retain(|known| {
                let is_property = JAVA
                    .iter()
                    .any(|(property, variable)| variable == known && java.iter().any(|(name, ..)| name == property));
                is_property || variables.iter().any(|variable| variable.name.as_deref() == Some(known))
            });
            if present.is_empty() {
                return Ok(());
            }
            let has_token = has_injected_token(context, pod, checked, &variables)?;
            let (identities, rules, skipped) = (&identities, &rules, (&skip_list, &skipped));
            let container_check =
                ContainerCheck { context, pod, identities, checked, present, has_token, rules, skipped };
            for (position, variable) in variables.iter().enumerate() {
                self.check_variable(&container_check, position, variable, findings)?;
            }
            for (_, path, value) in java.into_iter().filter(|(name, ..)| *name == JAVA_ROLE) {
                self.check_java(&container_check, path, &value, findings)?;
            }
            Ok(())
        })
    }
}

/// What a variable is checked against.
struct ContainerCheck<'j, 's> {
    context: &'j RuleContext<'s>,
    pod: &'j Workload<'j>,
    identities: &'j Identities<'j, 's>,
    checked: CheckedContainer<'j>,
    /// The variables of [`KNOWN`] that the container has.
    present: Vec<&'static str>,
    /// Whether its token is where the webhook puts it.
    has_token: bool,
    rules: &'j OnceCell<RoleRules<'s>>,
    /// The containers that the webhook skips, once read.
    skipped: (&'j OnceCell<Vec<String>>, &'j OnceCell<Names<'j>>),
}

impl IdentityEnv {
    #[cold]
    fn check_java(
        &self,
        container_check: &ContainerCheck<'_, '_>,
        path: FieldPath,
        value: &str,
        findings: &mut Findings,
    ) -> Result<(), ReviewError> {
        let ContainerCheck { context, pod, identities, rules, .. } = container_check;
        let declared = if self.is_external { Declared::Unknown } else { identities.of(Cloud::AWS)? };
        let is_half = !container_check.present.contains(&cloud::AWS_TOKEN_FILE);
        // As in `check_variable`.
        if is_half && declared == Declared::Nothing {
            context.lookup.require_fresh()?;
        }
        // A shell expands `$NAME` as well.
        let role =
            WrittenRole { value, is_unset: false, is_written: !value.contains('$'), source: value, is_injected: true };
        role.check((context, pod, rules), (declared, is_half), path, findings);
        Ok(())
    }

    fn check_variable(
        &self,
        container_check: &ContainerCheck<'_, '_>,
        position: usize,
        variable: &Env<'_>,
        findings: &mut Findings,
    ) -> Result<(), ReviewError> {
        let name = variable.name.as_deref().unwrap_or_default();
        let Some((_, partners)) = cloud::PAIRS.iter().find(|(known, _)| *known == name) else { return Ok(()) };
        let is_half = !partners.iter().any(|partner| container_check.present.contains(partner));
        if !is_half && name != cloud::AWS_ROLE {
            return Ok(());
        }
        let ContainerCheck { pod, identities, checked, .. } = container_check;
        let declared = if self.is_external { Declared::Unknown } else { identities.of(Cloud::AWS)? };
        let path = checked.path(pod).field("env").entry(Some(name), position);
        // Half a pair is accepted for the life of the Pod, so the record must
        // be current.
        if is_half && declared == Declared::Nothing {
            container_check.context.lookup.require_fresh()?;
        }
        if is_half && matches!(declared, Declared::Identity(_)) && container_check.is_handled_by_webhook()? {
            findings.add(path, &HALF, &[partners[0], pod.spec.account()]);
        } else if name == cloud::AWS_ROLE {
            container_check.check_role(variable, (declared, is_half), path, findings)?;
        }
        Ok(())
    }
}

impl ContainerCheck<'_, '_> {
    /// Whether the webhook would process this container.
    fn is_handled_by_webhook(&self) -> Result<bool, ReviewError> {
        if self.checked.list == ContainerList::Ephemeral || self.pod.label(cloud::SKIP_LABEL)?.is_some() {
            return Ok(false);
        }
        let (list, names) = self.skipped;
        let skipped = if let Some(skipped) = names.get() {
            skipped
        } else {
            let read = cloud::skipped(self.context)?;
            let list = list.get_or_init(|| read);
            names.get_or_init(|| Names::of(list.iter().map(String::as_str)))
        };
        let name = self.checked.container.name.as_deref().unwrap_or_default();
        Ok(!skipped.has(name))
    }

    fn check_role(
        &self,
        variable: &Env<'_>,
        declared: (Declared<'_>, bool),
        path: FieldPath,
        findings: &mut Findings,
    ) -> Result<(), ReviewError> {
        let value = variable.literal(&|| object_path(&path))?;
        let role = WrittenRole {
            value: &value,
            is_unset: value.is_empty() && variable.value_from.text().is_none(),
            // The kubelet expands `$(NAME)`.
            is_written: !value.is_empty() && !word::any(&["$("], &value),
            source: variable.source(),
            is_injected: self.has_token,
        };
        role.check((self.context, self.pod, self.rules), declared, path, findings);
        Ok(())
    }
}

/// A role that is written into a container.
struct WrittenRole<'v> {
    value: &'v str,
    /// Whether there is no role after all.
    is_unset: bool,
    /// Whether the value is the role itself, not a reference to it.
    is_written: bool,
    /// The value, or where it comes from; never shown.
    source: &'v str,
    /// Whether the webhook wrote it, provided that it is the account's role.
    is_injected: bool,
}

impl WrittenRole<'_> {
    /// `is_half`: whether there is no token.
    fn check<'s>(
        &self,
        (context, pod, rules): (&RuleContext<'s>, &Workload<'_>, &OnceCell<RoleRules<'s>>),
        (declared, is_half): (Declared<'_>, bool),
        path: FieldPath,
        findings: &mut Findings,
    ) {
        let Self { value, is_unset, is_written, source, is_injected } = *self;
        let rules = rules.get_or_init(|| role_arn::RULE.with_params(context, RoleRules::read));
        let account = pod.spec.account();
        let key = || Cloud::AWS.key(context.common);
        match declared {
            Declared::Identity(role) if is_written && *value == *rules.injected(role) => {
                if is_injected {
                    return;
                }
            }
            Declared::Identity(_) if !is_written && !is_unset => {
                findings.add(path, &UNREADABLE, &[account, &key(), source]);
                return;
            }
            Declared::Identity(role) => {
                findings.add(path, &OTHER, &[account, &rules.injected(role), source]);
                return;
            }
            Declared::Nothing if !is_half && !is_unset => {
                findings.add(path.clone(), &NO_ROLE, &[account, &key(), source]);
            }
            Declared::Nothing | Declared::Unknown => {}
        }
        if is_written {
            let holder = Holder { namespace: context.request.namespace(), account };
            for refusal in rules.rejections(value, holder) {
                findings.add(path.clone(), &REFUSED, &[&refusal.redacted(value).to_string(), source]);
            }
        } else if !is_unset && rules.has_lists() {
            findings.add(path, &UNREADABLE, &[account, &key(), source]);
        }
    }
}

/// Whether the token is where the webhook puts it. For Windows, the webhook
/// writes a Windows path.
/// <https://github.com/aws/amazon-eks-pod-identity-webhook/blob/master/pkg/handler/handler.go>
fn has_injected_token(
    context: &RuleContext<'_>,
    pod: &Workload<'_>,
    checked: CheckedContainer<'_>,
    variables: &[Env<'_>],
) -> Result<bool, ReviewError> {
    let unix = [context.common.aws.token_mount_path.as_str(), "/token"].concat();
    for (position, variable) in variables.iter().enumerate() {
        if variable.name.as_deref() == Some(cloud::AWS_TOKEN_FILE) {
            let path = || checked.path(pod).field("env").entry(variable.name.as_deref(), position);
            let file = variable.literal(&|| object_path(&path()))?;
            let slashed = |byte| if byte == b'\\' { b'/' } else { byte };
            let is_windows = file.strip_prefix("C:").is_some_and(|path| path.bytes().map(slashed).eq(unix.bytes()));
            if *file == *unix || is_windows {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests;
