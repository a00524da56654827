// SPDX-License-Identifier: Apache-2.0
//! `host-network-identity`: a Pod with its own cloud role does not use the
//! network of its node, where it can get the node's role as well.
//!
//! Clouds block Pods from the metadata service of the node by a hop limit, or
//! by a rule for the Pod network. Neither applies to a Pod in the network of
//! the node.
//! <https://docs.aws.amazon.com/eks/latest/best-practices/identity-and-access-management.html>
//! <https://cloud.google.com/kubernetes-engine/docs/concepts/workload-identity>

use crate::admission::subject::SubjectKind;
use crate::diagnostic::findings::Findings;
use crate::engine::context::{ReviewError, RuleContext};
use crate::engine::rule::{Ability, Check, Restricted, Rule};
use crate::matching::account;
use crate::matching::glob::Glob;
use crate::messages;
use crate::rules::shared::cloud;
use crate::settings::action::CheckAction;
use crate::settings::doc::Doc;
use crate::settings::params::{Kind, Param, Params};

/// The rule.
pub static RULE: Rule = Rule {
    id: "host-network-identity",
    summary: Doc::new("forbids Pods with a cloud role from using the host network"),
    subjects: &[SubjectKind::Pod, SubjectKind::PodTemplate],
    params: &[&ALLOWED_ACCOUNTS],
    messages: &[MESSAGES],
    ability: Ability::Check { default: CheckAction::Off },
    restricted: Restricted::REJECT,
};

static ALLOWED_ACCOUNTS: Param = Param {
    name: "allowedAccounts",
    kind: Kind::Globs(account::problem),
    default: "[]",
    doc: Doc::new("ServiceAccounts (`namespace/name`) whose Pods can have both a cloud role and the host network"),
};

messages! {
    REACHES:
        "is true, so the Pod can get its node's credentials in addition to its own cloud role ({})",
        help: "set it to false, or split the Pod";
}

pub(super) struct HostNetworkIdentity<'a> {
    allowed: Vec<Glob<'a>>,
}

impl<'a> HostNetworkIdentity<'a> {
    pub(super) fn new(params: &mut Params<'_, 'a>) -> Self {
        Self { allowed: params.globs(&ALLOWED_ACCOUNTS) }
    }
}

impl Check for HostNetworkIdentity<'_> {
    fn check(&self, context: &RuleContext<'_>, findings: &mut Findings) -> Result<(), ReviewError> {
        let Some(workload) = context.workload().filter(|workload| workload.spec.host_network == Some(true)) else {
            return Ok(());
        };
        if account::any(&self.allowed, context.request.namespace(), workload.spec.account()) {
            return Ok(());
        }
        if let Some(role) = cloud::role(context, workload)? {
            findings.add(workload.spec_path().field("hostNetwork"), &REACHES, &[&role]);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
