// SPDX-License-Identifier: Apache-2.0
//! `reserved-volume-name`: a volume with the name of a token volume is one.
//!
//! The API server's plugin treats the first volume whose name begins with
//! `kube-api-access-` as its own, whatever it contains, and mounts it into
//! every container. The AWS webhooks leave a volume with their name as it is.
//! <https://github.com/kubernetes/kubernetes/blob/v1.34.0/plugin/pkg/admission/serviceaccount/admission.go>
//! <https://github.com/aws/amazon-eks-pod-identity-webhook/blob/master/pkg/handler/handler.go>

use crate::admission::subject::SubjectKind;
use crate::diagnostic::findings::Findings;
use crate::engine::context::{ReviewError, RuleContext};
use crate::engine::rule::{Ability, Check, Restricted, Rule};
use crate::messages;
use crate::object::pod::PLUGIN_VOLUME_PREFIX;
use crate::rules::shared::{cloud, tokens};
use crate::settings::action::CheckAction;
use crate::settings::doc::Doc;
use crate::settings::params::Params;

/// The rule.
pub static RULE: Rule = Rule {
    id: "reserved-volume-name",
    summary: Doc::new("reserves the names of the token volumes of Kubernetes and cloud providers"),
    subjects: &[SubjectKind::Pod, SubjectKind::PodTemplate],
    params: &[],
    messages: &[MESSAGES],
    ability: Ability::Check { default: CheckAction::Reject },
    restricted: Restricted::REJECT,
};

messages! {
    NOT_THE_PLUGINS:
        "makes the API server treat the volume as its token volume and mount it into every container",
        help: "rename it, or remove it if it was copied from a running Pod";
    NOT_TAKEN:
        "is reserved for the API server's token volume",
        help: "rename it, or it will be mounted into every container once automountServiceAccountToken is no longer false";
    NOT_THE_WEBHOOKS: "is reserved for a volume with one token for {} and nothing else", help: "rename the volume";
}

pub(super) struct ReservedVolumeName;

impl ReservedVolumeName {
    pub(super) const fn new(_: &mut Params<'_, '_>) -> Self {
        Self
    }
}

impl Check for ReservedVolumeName {
    fn check(&self, context: &RuleContext<'_>, findings: &mut Findings) -> Result<(), ReviewError> {
        let Some(workload) = context.workload() else { return Ok(()) };
        for (index, volume) in workload.spec.volumes.iter().enumerate() {
            let name = volume.name.as_deref().unwrap_or_default();
            let is_for_another =
                || volume.sole_token().is_some_and(|token| !context.common.is_api_audience(token.audience()));
            // If nothing is automounted, the name alone does no harm; vcluster
            // creates such Pods. A token in the volume does: it came from a Pod
            // that ran.
            let is_taken = workload.spec.automount != Some(false) || volume.tokens().next().is_some();
            if name.starts_with(PLUGIN_VOLUME_PREFIX) && !is_taken {
                findings.warn(workload.volume_path(index, volume).field("name"), &NOT_TAKEN, &[]);
                continue;
            }
            let path = || workload.volume_path(index, volume).field("name");
            if name.starts_with(PLUGIN_VOLUME_PREFIX) && !tokens::is_plugin_volume(context, workload, volume) {
                findings.add(path(), &NOT_THE_PLUGINS, &[]);
            } else if let Some(cloud) = cloud::of_volume(name).filter(|_| !is_for_another()) {
                findings.add(path(), &NOT_THE_WEBHOOKS, &[cloud.name()]);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
