// SPDX-License-Identifier: Apache-2.0
//! `azure-workload-identity`: the annotations that Azure's webhook reads are
//! valid, so that its Pods start and get the identity that is meant.
//!
//! The webhook copies IDs unchecked into the environment, rejects Pods with an
//! invalid lifetime or port, and treats the mere presence of
//! `inject-proxy-sidecar` as a yes.
//! <https://azure.github.io/azure-workload-identity/docs/topics/service-account-labels-and-annotations.html>
//! <https://github.com/Azure/azure-workload-identity/blob/main/pkg/webhook/webhook.go>

use crate::admission::subject::SubjectKind;
use crate::diagnostic::field_path::FieldPath;
use crate::diagnostic::findings::Findings;
use crate::diagnostic::message::{Message, MessageTemplate};
use crate::diagnostic::severity::MaxSeverity;
use crate::engine::context::{ReviewError, RuleContext, Workload};
use crate::engine::rule::{Ability, Check, Restricted, Rule};
use crate::identity::key::USE_LABEL;
use crate::identity::{Guid, error, guid, suspicious_char};
use crate::messages;
use crate::object::view::{Text, listed};
use crate::settings::action::CheckAction;
use crate::settings::doc::Doc;
use crate::settings::params::{Kind, Param, Params};

/// The rule.
pub static RULE: Rule = Rule {
    id: "azure-workload-identity",
    summary: Doc::new("requires Azure workload identity annotations to be valid and the identity to be allowed"),
    subjects: &[SubjectKind::ServiceAccount, SubjectKind::Pod, SubjectKind::PodTemplate],
    params: &[&TENANTS, &CLIENTS],
    messages: &[MESSAGES, error::MESSAGES, suspicious_char::MESSAGES, guid::MESSAGES],
    ability: Ability::Check { default: CheckAction::Reject },
    restricted: Restricted::REJECT,
};

static TENANTS: Param = Param {
    name: "tenants",
    kind: Kind::Texts { of: "tenant IDs", problem: guid_problem },
    default: "[]",
    doc: Doc::new("allowed tenants; if empty, any tenant is allowed"),
};
static CLIENTS: Param = Param {
    name: "clients",
    kind: Kind::Texts { of: "client IDs", problem: guid_problem },
    default: "[]",
    doc: Doc::new("allowed identities, by client ID; if empty, any identity is allowed"),
};

messages! {
    CLIENT: "is not one of the allowed clients: {}";
    TENANT: "is not one of the allowed tenants: {}";
    LIFETIME:
        "is `{}`, must be a whole number of seconds from 3600 to 86400",
        help: "Azure's webhook rejects Pods otherwise";
    PORT: "is `{}`, must be a port from 1 to 65535", help: "otherwise, the webhook rejects the Pod";
    INJECTS: "is `{}`, but any value enables the sidecar", help: "remove it, or write true";
}

/// The prefix of each key.
const PREFIX: &str = "azure.workload.identity";

/// The prefix of the keys with which kubelets on AKS pull images as an identity.
/// <https://github.com/kubernetes-sigs/cloud-provider-azure/pull/9907>
const IMAGES_PREFIX: &str = "kubernetes.azure.com";

/// The lifetime of the token; the Pod takes precedence over the account.
const LIFETIME_KEY: &str = "service-account-token-expiration";

/// Whether the Pod gets a sidecar.
const INJECT: &str = "inject-proxy-sidecar";

/// Lifetimes that the webhook accepts.
const LIFETIMES: std::ops::RangeInclusive<i64> = 3600..=86400;

/// Whether there are lists, which an identity with unknown IDs cannot be on.
#[must_use]
pub fn has_lists(params: &mut Params<'_, '_>) -> bool {
    [&TENANTS, &CLIENTS].into_iter().any(|list| !params.texts(list).is_empty())
}

/// The allowed identities; none if any identity is allowed.
#[must_use]
pub fn allowed_clients<'a>(params: &mut Params<'_, 'a>) -> Vec<Text<'a>> {
    params.texts(&CLIENTS)
}

/// Why an identity is not one of the allowed ones, if it is not. Anything but a client ID is not an identity.
#[must_use]
pub fn client_rejection(client: &str, allowed: &[Text<'_>]) -> Option<Message> {
    let client_id = Guid::try_from(client).ok()?;
    (!is_listed(client_id, allowed)).then(|| Message::new(&CLIENT, &[&listed(allowed)]).about(client))
}

pub(super) struct AzureWorkloadIdentity<'a> {
    tenants: Vec<Text<'a>>,
    clients: Vec<Text<'a>>,
}

impl<'a> AzureWorkloadIdentity<'a> {
    pub(super) fn new(params: &mut Params<'_, 'a>) -> Self {
        Self { tenants: params.texts(&TENANTS), clients: params.texts(&CLIENTS) }
    }
}

impl Check for AzureWorkloadIdentity<'_> {
    fn check(&self, context: &RuleContext<'_>, findings: &mut Findings) -> Result<(), ReviewError> {
        if let Some(pod) = context.workload() {
            return check_pod(context, pod, findings);
        }
        context.each_annotation(PREFIX, &mut |suffix, value, path| match suffix {
            "client-id" => check_guid(value, (&self.clients, &CLIENT), path, findings),
            "tenant-id" => check_guid(value, (&self.tenants, &TENANT), path, findings),
            LIFETIME_KEY if !is_lifetime(value) => findings.add(path, &LIFETIME, &[value]),
            _ => {}
        })?;
        context.each_annotation(IMAGES_PREFIX, &mut |suffix, value, path| match suffix {
            "acr-client-id" => check_guid(value, (&self.clients, &CLIENT), path, findings),
            "acr-tenant-id" => check_guid(value, (&self.tenants, &TENANT), path, findings),
            _ => {}
        })?;
        Ok(())
    }
}

fn check_pod(context: &RuleContext<'_>, pod: &Workload<'_>, findings: &mut Findings) -> Result<(), ReviewError> {
    let (mut has_any, mut injects) = (false, false);
    context.each_annotation(PREFIX, &mut |suffix, _, _| {
        has_any = true;
        // The port is read only if there is to be a sidecar.
        injects |= suffix == INJECT;
    })?;
    if !has_any {
        return Ok(());
    }
    // If the webhook is not called, a mistake has no effect.
    let is_requested = pod.label(USE_LABEL)?.as_deref() == Some("true");
    context.each_annotation(PREFIX, &mut |suffix, value, path| {
        let (message, matters) = match suffix {
            LIFETIME_KEY if !is_lifetime(value) => (&LIFETIME, true),
            "proxy-sidecar-port" if !is_port(value) => (&PORT, injects),
            INJECT if value != "true" => (&INJECTS, false),
            _ => return,
        };
        let severity = if is_requested && matters { MaxSeverity::Action } else { MaxSeverity::Warning };
        findings.push(path, Message::new(message, &[value]), severity);
    })?;
    Ok(())
}

#[inline(never)]
fn check_guid(
    value: &str,
    (allowed, message): (&[Text<'_>], &'static MessageTemplate),
    path: FieldPath,
    findings: &mut Findings,
) {
    match Guid::try_from(value) {
        Err(error) => findings.push(path, error.about(value), MaxSeverity::Action),
        Ok(guid) if !is_listed(guid, allowed) => {
            findings.push(path, Message::new(message, &[&listed(allowed)]).about(value), MaxSeverity::Action);
        }
        Ok(_) => {}
    }
}

/// Without a list, any identity is allowed.
fn is_listed(guid: Guid<'_>, allowed: &[Text<'_>]) -> bool {
    allowed.is_empty() || allowed.iter().any(|allowed| Guid::try_from(&**allowed) == Ok(guid))
}

/// As the webhook reads it: base 10, no blanks; empty counts as absent.
fn is_lifetime(text: &str) -> bool {
    text.is_empty() || text.parse().is_ok_and(|seconds| LIFETIMES.contains(&seconds))
}

fn is_port(text: &str) -> bool {
    text.parse::<u16>().is_ok_and(|port| port > 0)
}

fn guid_problem(text: &str) -> Option<String> {
    Guid::try_from(text).err().map(|error| error.to_string())
}

#[cfg(test)]
mod tests;
