// SPDX-License-Identifier: Apache-2.0
//! `irsa-injection`: does what the EKS Pod identity webhook does, in clusters
//! without it.
//!
//! IRSA does not need EKS: it works in any cluster whose issuer AWS can reach.
//! Such a cluster lacks only the webhook, and running that requires
//! certificates, a Deployment and a configuration that ignores failures. The
//! source of the webhook shows what it injects; the page of this rule lists the
//! differences.
//! <https://github.com/aws/amazon-eks-pod-identity-webhook/blob/master/SELF_HOSTED_SETUP.md>
//! <https://github.com/aws/amazon-eks-pod-identity-webhook/blob/master/pkg/handler/handler.go>

mod injection;

use super::identity_annotations::longest_lifetime;
use super::role_arn::{self, Holder, ON_DEFAULT, RoleRules};
use crate::admission::subject::SubjectKind;
use crate::diagnostic::findings::{Changes, Findings};
use crate::diagnostic::message::{Message, MessageTemplate};
use crate::engine::context::{CheckedContainer, Edit, ReviewError, RuleContext, Workload, object_path};
use crate::engine::lookup::Account;
use crate::engine::rule::{Ability, Check, Fix, Restricted, Rule};
use crate::fast::names::Names;
use crate::identity::key::{AUDIENCE as AUDIENCE_KEY, STS_REGIONAL_ENDPOINTS, TOKEN_EXPIRATION};
use crate::matching::account;
use crate::matching::glob::Glob;
use crate::messages;
use crate::object::edit::{ListEnd, Step};
use crate::object::pod::{ContainerList, DEFAULT_ACCOUNT};
use crate::object::view::Strings;
use crate::rules::shared::cloud::{Cloud, SKIP_LABEL, boolean, pod_option, skipped};
use crate::settings::doc::Doc;
use crate::settings::params::{Kind, Param, Params};
use crate::settings::{LookupMode, Phase};
use injection::{IRSA, IdentityMethod, Injection, POD_IDENTITY};

/// The rule.
pub static RULE: Rule = Rule {
    id: "irsa-injection",
    summary: Doc::new(
        "injects the AWS role of a Pod's ServiceAccount in clusters without the EKS Pod identity webhook",
    ),
    subjects: &[SubjectKind::Pod],
    params: &[&DEFAULT_EXPIRATION_SECONDS, &STS_REGIONAL_ENDPOINTS_PARAM, &POD_IDENTITY_PARAM],
    messages: &[MESSAGES],
    ability: Ability::Inject,
    restricted: Restricted::OFF,
};

static DEFAULT_EXPIRATION_SECONDS: Param = Param {
    name: "defaultExpirationSeconds",
    kind: Kind::Seconds { least: LEAST_SECONDS, most: MOST_SECONDS },
    default: "86400",
    doc: Doc::new(
        "token lifetime if neither the Pod nor its ServiceAccount sets one; limited by the maximum of `identity-annotations`",
    ),
};
static STS_REGIONAL_ENDPOINTS_PARAM: Param = Param {
    name: "stsRegionalEndpoints",
    kind: Kind::Flag,
    default: "false",
    doc: Doc::new("whether SDKs call the regional STS endpoint if the ServiceAccount does not set it"),
};
static POD_IDENTITY_PARAM: Param = Param {
    name: "podIdentity",
    kind: Kind::Globs(account::problem),
    default: "[]",
    doc: Doc::new("ServiceAccounts (`namespace/name`) that get EKS Pod Identity instead, even if they have a role"),
};

/// What the API server accepts.
const LEAST_SECONDS: i64 = 600;
const MOST_SECONDS: i64 = 4_294_967_296;

messages! {
    INJECTED: "added what AWS SDKs need for the role of account `{}`";
    REFUSED: "the role of account `{}` is not allowed, so nothing can be injected: {}";
    AUDIENCE: "the token of account `{}` would be valid for the Kubernetes API, so nothing can be injected: audience `{}`";
    FOREIGN_VOLUME:
        "is reserved for the volume with the AWS token, but this volume has no token in the file {}",
        help: "rename the volume";
    TAKEN: "is mounted where the webhook mounts the AWS token ({})", help: "mount it elsewhere";
}

pub(super) struct IrsaInjection<'a> {
    seconds: i64,
    is_regional: bool,
    pod_identity: Vec<Glob<'a>>,
}

/// What to do about a Pod.
enum Plan<'s> {
    /// Nothing.
    Nothing,
    /// Nothing, for this reason.
    Refused(&'static MessageTemplate, Vec<String>),
    /// Inject this.
    Inject(Injection<'s>),
}

impl<'a> IrsaInjection<'a> {
    pub(super) fn new(params: &mut Params<'_, 'a>) -> Self {
        if params.common.lookup != LookupMode::Required {
            params.note_rule(
                "needs serviceAccountLookup: required, or a Pod would start without its role while accounts cannot be looked up",
            );
        }
        Self {
            seconds: params.seconds(&DEFAULT_EXPIRATION_SECONDS),
            is_regional: params.flag(&STS_REGIONAL_ENDPOINTS_PARAM),
            pod_identity: params.globs(&POD_IDENTITY_PARAM),
        }
    }
}

impl IrsaInjection<'_> {
    fn plan<'s>(&self, context: &RuleContext<'s>, pod: &Workload<'_>) -> Result<Plan<'s>, ReviewError> {
        if context.common.phase != Phase::Mutating || pod.label(SKIP_LABEL)?.is_some() {
            return Ok(Plan::Nothing);
        }
        let (namespace, name) = (context.request.namespace(), pod.spec.account());
        // A Pod that starts without its role never gets it.
        context.lookup.require_fresh()?;
        let Account::Known(record) = context.account(pod)? else { return Ok(Plan::Nothing) };
        let aws = &context.common.aws;
        let option = |suffix: &str| record.annotation(&[aws.annotation_prefix.as_str(), "/", suffix].concat());
        let method = if account::any(&self.pod_identity, namespace, name) { &POD_IDENTITY } else { &IRSA };
        let (mut role, mut audience, mut directory) = (String::new(), method.audience, method.directory);
        if method.is_irsa() {
            let Some(annotation) = record.annotation(&Cloud::AWS.key(context.common)).filter(|role| !role.is_empty())
            else {
                return Ok(Plan::Nothing);
            };
            let rules = role_arn::RULE.with_params(context, RoleRules::read);
            role = rules.injected(annotation).into_owned();
            let rejections = rules.rejections(&role, Holder { namespace, account: name });
            let mut reasons: Vec<String> = rejections.iter().map(ToString::to_string).collect();
            if name == DEFAULT_ACCOUNT && !rules.allow_on_default {
                reasons.push(Message::new(&ON_DEFAULT, &[]).about(&role).to_string());
            }
            if !reasons.is_empty() {
                return Ok(Plan::Refused(&REFUSED, reasons));
            }
            directory = aws.token_mount_path.as_str();
            audience = option(AUDIENCE_KEY).unwrap_or(aws.default_audience.as_str());
            if context.common.is_api_audience(audience) {
                let shown = if audience.is_empty() { "\"\"" } else { audience };
                return Ok(Plan::Refused(&AUDIENCE, vec![shown.to_owned()]));
            }
        }
        // Values that cannot be read are skipped, as in the webhook.
        let seconds = |text: &str| text.parse::<i64>().ok();
        let of_pod = pod_option(context, TOKEN_EXPIRATION)?.as_deref().and_then(seconds);
        let seconds = of_pod.or_else(|| seconds(option(TOKEN_EXPIRATION)?)).unwrap_or(self.seconds);
        Ok(Plan::Inject(Injection {
            method,
            role,
            directory,
            audience,
            seconds: method.spread(seconds.clamp(LEAST_SECONDS, longest_lifetime(context)), context.request.uid()),
            region: aws.region.as_str(),
            is_regional: option(STS_REGIONAL_ENDPOINTS).and_then(boolean).unwrap_or(self.is_regional),
            is_windows: is_windows(pod)?,
        }))
    }
}

impl Check for IrsaInjection<'_> {
    fn check(&self, context: &RuleContext<'_>, findings: &mut Findings) -> Result<(), ReviewError> {
        let Some(pod) = context.workload() else { return Ok(()) };
        match self.plan(context, pod)? {
            Plan::Nothing => Ok(()),
            Plan::Refused(message, reasons) => {
                for reason in reasons {
                    let path = pod.spec_path().field("serviceAccountName");
                    findings.add(path, message, &[pod.spec.account(), &reason]);
                }
                Ok(())
            }
            Plan::Inject(injection) => obstacles(context, pod, &injection, findings),
        }
    }
}

impl Fix for IrsaInjection<'_> {
    fn fix(
        &self,
        context: &RuleContext<'_>,
        edit: &mut Edit<'_, '_>,
        changes: &mut Changes,
    ) -> Result<(), ReviewError> {
        let Some(pod) = context.workload() else { return Ok(()) };
        let Plan::Inject(injection) = self.plan(context, pod)? else { return Ok(()) };
        let mut in_the_way = Findings::new(RULE.id);
        obstacles(context, pod, &injection, &mut in_the_way)?;
        if !in_the_way.into_vec().is_empty() {
            return Ok(());
        }
        let mut has_changed = label(pod, injection.method, edit)?;
        if !pod.spec.volume_names().has(injection.method.volume) {
            has_changed |= edit.extend(&[Step::Key("spec")], "volumes", &injection.volume(), ListEnd::Front)?;
        }
        each(context, pod, &mut |checked| {
            let container = checked.container;
            let env = injection.env(container, &|| object_path(&checked.path(pod)))?;
            let steps = [Step::Key("spec"), Step::Key(checked.list.field()), Step::Entry(checked.index)];
            let Some(env) = env else { return Ok(()) };
            if !env.is_empty() {
                has_changed |= edit.extend(&steps, "env", &env, ListEnd::Back)?;
            }
            if !container.mounts_volume(injection.method.volume) {
                has_changed |= edit.extend(&steps, "volumeMounts", &injection.mount(), ListEnd::Back)?;
            }
            Ok(())
        })?;
        if has_changed {
            changes.add(pod.spec_path(), &INJECTED, &[pod.spec.account()]);
        }
        Ok(())
    }
}

/// Reports what would make a Pod that the API server or the SDK cannot use.
fn obstacles(
    context: &RuleContext<'_>,
    pod: &Workload<'_>,
    injection: &Injection<'_>,
    findings: &mut Findings,
) -> Result<(), ReviewError> {
    let method = injection.method;
    let there = pod.spec.volume_names().position(method.volume);
    if let Some((index, volume)) = there.and_then(|index| Some((index, pod.spec.volumes.get(index)?))) {
        let token = volume.sole_token().filter(|token| !context.common.is_api_audience(token.audience()));
        if token.is_none_or(|token| token.path.as_deref() != Some(method.file)) {
            findings.add(pod.volume_path(index, volume).field("name"), &FOREIGN_VOLUME, &[method.file]);
        }
    }
    each(context, pod, &mut |checked| {
        let (container, field_path) = (checked.container, checked.path(pod));
        let needs_mount = !container.mounts_volume(method.volume)
            && injection.env(container, &|| object_path(&field_path))?.is_some();
        for (index, mount) in container.mounts.iter().enumerate().filter(|_| needs_mount) {
            let path = mount.path.as_deref().unwrap_or_default();
            if path.trim_end_matches('/') == injection.directory {
                let path = field_path.field("volumeMounts").entry(mount.name.as_deref(), index);
                findings.add(path, &TAKEN, &[injection.directory]);
            }
        }
        Ok(())
    })
}

/// Calls `each` with every container that the webhook would process.
fn each<'s>(
    context: &RuleContext<'s>,
    pod: &'s Workload<'s>,
    each: &mut dyn FnMut(CheckedContainer<'s>) -> Result<(), ReviewError>,
) -> Result<(), ReviewError> {
    let listed = skipped(context)?;
    let skipped = Names::from(listed.iter().map(|name| (name.as_str(), 0)).collect::<Vec<_>>());
    context.each_container(pod, &mut |checked| {
        let is_skipped = skipped.has(checked.container.name.as_deref().unwrap_or_default());
        if is_skipped || checked.list == ContainerList::Ephemeral { Ok(()) } else { each(checked) }
    })
}

/// Whether the Pod is for Windows nodes, as far as the webhook can tell: it
/// reads only the two node labels, neither affinity nor `spec.os`.
fn is_windows(pod: &Workload<'_>) -> Result<bool, ReviewError> {
    let selector = pod.spec.node_selector;
    if !selector.may_hold("windows") {
        return Ok(false);
    }
    let labels: Strings<'_> = selector.read_at(&|| object_path(&pod.spec_path().field("nodeSelector")))?;
    Ok(["beta.kubernetes.io/os", "kubernetes.io/os"].iter().any(|key| labels.text(key) == Some("windows")))
}

/// The label with which EKS counts Pods that use Pod Identity.
fn label(pod: &Workload<'_>, method: &IdentityMethod, edit: &mut Edit<'_, '_>) -> Result<bool, ReviewError> {
    const KEY: &str = "eks.amazonaws.com/pod-identity";
    if method.is_irsa() || pod.label(KEY)?.as_deref() == Some("enabled") {
        return Ok(false);
    }
    let metadata = [Step::Key("metadata"), Step::Key("labels")];
    Ok(if pod.is_labelled() {
        edit.set(&metadata, KEY, r#""enabled""#)?
    } else {
        edit.set(&[Step::Key("metadata")], "labels", r#"{"eks.amazonaws.com/pod-identity":"enabled"}"#)?
    })
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod upstream;
