// SPDX-License-Identifier: Apache-2.0
//! `static-credentials`: no container has static cloud credentials in its
//! environment, and no `ConfigMap` or Secret contains them.
//!
//! They never expire, and anyone who can read the Pod has them. If the account
//! has a role too, they silently take precedence over it: in every SDK, the
//! environment comes before web identity.
//! <https://docs.aws.amazon.com/sdkref/latest/guide/standardized-credentials.html>
//! <https://github.com/kyverno/policies/pull/1497>

mod access_key;
mod objects;

use self::access_key::is_access_key_id;
use self::objects::Location;
use crate::admission::subject::SubjectKind;
use crate::diagnostic::field_path::FieldPath;
use crate::diagnostic::findings::Findings;
use crate::engine::context::{CheckedContainer, OBJECT, ReviewError, RuleContext, Workload, object_path};
use crate::engine::rule::{Ability, Check, Restricted, Rule};
use crate::fast::names::Names;
use crate::matching::glob::{self, Glob, validate_pattern};
use crate::messages;
use crate::object::data::Data;
use crate::object::env::{Env, SearchWords};
use crate::object::view::ReadError;
use crate::rules::shared::cloud::{self, Cloud};
use crate::rules::shared::java_options;
use crate::settings::action::CheckAction;
use crate::settings::doc::Doc;
use crate::settings::params::{Kind, Param, Params};

/// The rule.
pub static RULE: Rule = Rule {
    id: "static-credentials",
    summary: Doc::new("forbids static cloud credentials in container environments, ConfigMaps and Secrets"),
    subjects: &[
        SubjectKind::Pod,
        SubjectKind::PodTemplate,
        SubjectKind::EphemeralContainer,
        SubjectKind::ConfigMap,
        SubjectKind::Secret,
    ],
    params: &[&EXTRA_NAMES, &ALLOW_REFERENCES, &READ_SECRET_VALUES],
    messages: &[MESSAGES],
    ability: Ability::Check { default: CheckAction::Warn },
    restricted: Restricted::REJECT,
};

static EXTRA_NAMES: Param = Param {
    name: "extraNames",
    kind: Kind::Globs(validate_pattern),
    default: "[]",
    doc: Doc::new("names of other variables and keys that hold static credentials, for a cloud or any other service"),
};
static ALLOW_REFERENCES: Param = Param {
    name: "allowReferences",
    kind: Kind::Flag,
    default: "false",
    doc: Doc::new(
        "whether a variable with static credentials can take its value from elsewhere (`valueFrom`, `envFrom`), so that only literal values in the Pod are findings",
    ),
};
static READ_SECRET_VALUES: Param = Param {
    name: "readSecretValues",
    kind: Kind::Flag,
    default: "false",
    doc: Doc::new("whether to check the values of Secrets too, not only their keys"),
};

messages! {
    STATIC: "is a static {} credential", help: "use a ServiceAccount with {} for short-lived credentials instead";
    WINS: "is a static {} credential and overrides the {} of ServiceAccount `{}`", help: "remove it";
    KEY_ID:
        "holds the ID of an AWS access key",
        help: "use a ServiceAccount with {} for short-lived credentials instead";
    JAVA:
        "sets aws.{}, a static AWS credential that the AWS SDK for Java uses before any other",
        help: "use a ServiceAccount with {} for short-lived credentials instead";
    ACCESS_KEY:
        "is the secret of an AWS access key, whose ID is in the same object",
        help: "use a ServiceAccount with {} for short-lived credentials instead";
    KEY_FILE:
        "holds the private key of a Google service account",
        help: "use a ServiceAccount with {} for short-lived credentials instead";
    LISTED: "is listed as a static credential", help: "let the Pod use an identity of its ServiceAccount instead";
    PREFIX:
        "creates variables that begin with {} from all keys of Secret `{}`, which may be static credentials",
        help: "list the needed variables in env";
}

/// The system properties from which the AWS SDKs for Java read static
/// credentials, without the prefix `aws.`; `secretKey` is that of the first
/// SDK.
const JAVA_PROPERTIES: [&str; 5] =
    ["accessKeyId", "secretAccessKey", "secretKey", "sessionToken", "bearerTokenBedrock"];

/// An environment without any of these contains nothing that the rule looks for.
const KEYWORDS: SearchWords =
    SearchWords::AWS.and(SearchWords::AZURE).and(SearchWords::GOOGLE_KEY).and(SearchWords::KEY_ID);

pub(super) struct StaticCredentials<'a> {
    extra: Vec<Glob<'a>>,
    allow_references: bool,
    read_secret_values: bool,
}

impl<'a> StaticCredentials<'a> {
    pub(super) fn new(params: &mut Params<'_, 'a>) -> Self {
        Self {
            extra: params.globs(&EXTRA_NAMES),
            allow_references: params.flag(&ALLOW_REFERENCES),
            // Not needed for Pods, which are most of the objects.
            read_secret_values: params.gives(&READ_SECRET_VALUES) && params.flag(&READ_SECRET_VALUES),
        }
    }

    #[cold]
    fn check_data(
        &self,
        context: &RuleContext<'_>,
        data: &Data<'_>,
        findings: &mut Findings,
    ) -> Result<(), ReviewError> {
        let path = |location: &Location| FieldPath::at(location.field).key(&location.key);
        let found = objects::search(data, OBJECT, !data.is_secret() || self.read_secret_values)?;
        // The value only tells an old finding from a new one.
        for location in found.access_keys() {
            findings.add(path(location), &ACCESS_KEY, &[&Cloud::AWS.key(context.common), &location.raw]);
        }
        for (location, cloud, is_by_value) in &found.others {
            let annotation = cloud.key(context.common);
            if *is_by_value {
                findings.add(path(location), &KEY_FILE, &[&annotation, &location.raw]);
            } else {
                findings.add(path(location), &STATIC, &[cloud.name(), &annotation, &location.raw]);
            }
        }
        data.each(OBJECT, &mut |entry| {
            if entry.is_set() && glob::any(&self.extra, entry.key) {
                findings.add(FieldPath::at(entry.field).key(entry.key), &LISTED, &[entry.raw()]);
            }
            Ok(())
        })?;
        Ok(())
    }

    fn check_env(
        &self,
        context: &RuleContext<'_>,
        pod: &Workload<'_>,
        checked: CheckedContainer<'_>,
        findings: &mut Findings,
    ) -> Result<(), ReviewError> {
        let variables = checked.container.read_env(&|| object_path(&checked.path(pod)))?;
        let written = if self.allow_references { written(&variables) } else { Names::default() };
        for (position, variable) in variables.iter().enumerate() {
            let name = variable.name.as_deref().unwrap_or_default();
            let path = || checked.path(pod).field("env").entry(Some(name), position);
            let value = variable.literal(&|| object_path(&path()))?;
            if value.is_empty() && variable.value_from.text().is_none() {
                continue;
            }
            let known = Cloud::of_credential(name);
            let passes = || self.allow_references && (value.is_empty() || is_reference(&value, &written));
            let source = variable.source();
            if let Some(cloud) = known.filter(|_| !passes()) {
                if let Some(key) = overridden_key(context, pod, cloud)? {
                    findings.add(path(), &WINS, &[cloud.name(), &key, pod.spec.account(), source]);
                } else {
                    findings.add(path(), &STATIC, &[cloud.name(), &cloud.key(context.common), source]);
                }
            } else if known.is_none() && glob::any(&self.extra, name) && !passes() {
                findings.add(path(), &LISTED, &[source]);
            } else if is_access_key_id(value.trim_ascii()) {
                findings.add(path(), &KEY_ID, &[&Cloud::AWS.key(context.common), source]);
            }
        }
        Ok(())
    }

    #[cold]
    fn check_java(
        &self,
        context: &RuleContext<'_>,
        pod: &Workload<'_>,
        checked: CheckedContainer<'_>,
        findings: &mut Findings,
    ) -> Result<(), ReviewError> {
        let variables = checked.container.read_env(&|| object_path(&checked.path(pod)))?;
        let written = if self.allow_references { written(&variables) } else { Names::default() };
        java_options::each_property(pod, checked, &JAVA_PROPERTIES, &mut |path, property| {
            let is_reference = property.variable().is_some_and(|variable| !written.has(variable));
            if !(self.allow_references && is_reference) {
                findings.add(path, &JAVA, &[property.name, &Cloud::AWS.key(context.common), property.value]);
            }
            Ok(())
        })
    }

    /// The keys of the Secret are unknown here. But if the prefix is the
    /// beginning of a credential's name, it shows what they are for.
    fn check_env_from(
        pod: &Workload<'_>,
        checked: CheckedContainer<'_>,
        findings: &mut Findings,
    ) -> Result<(), ReadError> {
        let objects = checked.container.read_env_from(&|| object_path(&checked.path(pod)))?;
        for (position, object) in objects.iter().enumerate() {
            let prefix = object.prefix.as_deref().unwrap_or_default();
            let secret = object.secret.as_ref().and_then(|secret| secret.name.as_deref());
            let (Some(secret), false) = (secret, prefix.is_empty()) else { continue };
            if Cloud::all().flat_map(Cloud::credentials).any(|name| name.starts_with(prefix)) {
                let path = checked.path(pod).field("envFrom").entry(Some(secret), position).field("prefix");
                findings.warn(path, &PREFIX, &[prefix, secret]);
            }
        }
        Ok(())
    }
}

impl Check for StaticCredentials<'_> {
    fn check(&self, context: &RuleContext<'_>, findings: &mut Findings) -> Result<(), ReviewError> {
        let Some(pod) = context.pod() else {
            return context.data().map_or(Ok(()), |data| self.check_data(context, data, findings));
        };
        context.each_container(pod, &mut |checked| {
            let container = checked.container;
            // Most environments contain none of these; then nothing is parsed.
            let may_match = !self.extra.is_empty() || container.env.may_hold(KEYWORDS);
            if may_match {
                self.check_env(context, pod, checked, findings)?;
            }
            if container.may_set_java_property() {
                self.check_java(context, pod, checked, findings)?;
            }
            if !self.allow_references && container.env_from.may_hold("prefix") {
                Self::check_env_from(pod, checked, findings)?;
            }
            Ok(())
        })
    }
}

/// The annotation of the account whose identity the credentials override. Only
/// the message depends on it, so a failed look-up must not reject the Pod.
fn overridden_key(context: &RuleContext<'_>, pod: &Workload<'_>, cloud: Cloud) -> Result<Option<String>, ReviewError> {
    match cloud::declared_key(context, pod, cloud) {
        Err(ReviewError::LookupFailed { .. }) => Ok(None),
        key => key,
    }
}

/// The variables with literal values.
fn written<'v>(variables: &'v [Env<'_>]) -> Names<'v> {
    let written = variables.iter().enumerate().filter(|(_, variable)| variable.value.text().is_some());
    let names = written.filter_map(|(position, variable)| Some((variable.name.as_deref()?, position)));
    Names::from(names.collect::<Vec<_>>())
}

/// Whether a value is that of another variable that has no literal value here.
/// The kubelet expands `$(NAME)`.
/// <https://kubernetes.io/docs/tasks/inject-data-application/define-interdependent-environment-variables/>
fn is_reference(value: &str, written: &Names<'_>) -> bool {
    let other = value.strip_prefix("$(").and_then(|rest| rest.strip_suffix(')'));
    other.is_some_and(|other| !other.contains(')') && !written.has(other))
}

#[cfg(test)]
mod tests;
