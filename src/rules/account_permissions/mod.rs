// SPDX-License-Identifier: Apache-2.0
//! `account-permissions`: a container does not give control of the cluster.
//!
//! Whoever breaks into a container can do with its token whatever the account may
//! do. A few permissions are equivalent to all of them, everywhere; an account
//! with one of these is for a component of the cluster, not for a workload.
//! <https://kubernetes.io/docs/concepts/security/rbac-good-practices/#privilege-escalation-risks>

use crate::admission::subject::SubjectKind;
use crate::cluster::access_review::Permission;
use crate::diagnostic::findings::Findings;
use crate::engine::context::{ReviewError, RuleContext};
use crate::engine::lookup::Allowed;
use crate::engine::rule::{Ability, Check, Restricted, Rule};
use crate::messages;
use crate::rules::shared::permissions::{self, PERMISSION};
use crate::rules::shared::tokens;
use crate::settings::action::CheckAction;
use crate::settings::doc::Doc;
use crate::settings::params::{Kind, Param, Params};

/// The rule.
pub static RULE: Rule = Rule {
    id: "account-permissions",
    summary: Doc::new("forbids API tokens of ServiceAccounts whose permissions are equivalent to cluster-admin"),
    subjects: &[SubjectKind::Pod, SubjectKind::PodTemplate],
    params: &[&FORBIDDEN],
    messages: &[MESSAGES],
    ability: Ability::Check { default: CheckAction::Off },
    restricted: Restricted::WARN,
};

static FORBIDDEN: Param = Param {
    name: "forbidden",
    kind: Kind::Entries(PERMISSION),
    default: r#"[{"verb":"*","group":"*","resource":"*","clusterWide":true},{"verb":"get","resource":"secrets","clusterWide":true},{"verb":"create","resource":"pods","clusterWide":true},{"verb":"impersonate","resource":"users","clusterWide":true},{"verb":"create","resource":"serviceaccounts","subresource":"token","clusterWide":true},{"verb":"escalate","group":"rbac.authorization.k8s.io","resource":"clusterroles","clusterWide":true},{"verb":"bind","group":"rbac.authorization.k8s.io","resource":"clusterroles","clusterWide":true}]"#,
    doc: Doc::new("permissions that the ServiceAccount must not have; at most 12"),
};

messages! {
    MAY:
        "account `{}` of the API token may `{}` {}",
        help: "grant it fewer permissions, or set automountServiceAccountToken: false";
    UNKNOWN:
        "the permissions of account `{}` are unknown",
        help: "let the policy server create subjectaccessreviews";
}

/// The maximum number of access reviews per request for this rule.
const MOST_REVIEWS: usize = 12;

pub(super) struct AccountPermissions<'a> {
    forbidden: Option<Vec<Permission<'a>>>,
}

impl<'a> AccountPermissions<'a> {
    pub(super) fn new(params: &mut Params<'_, 'a>) -> Self {
        Self { forbidden: permissions::given(params, &FORBIDDEN, MOST_REVIEWS) }
    }
}

impl Check for AccountPermissions<'_> {
    fn check(&self, context: &RuleContext<'_>, findings: &mut Findings) -> Result<(), ReviewError> {
        let Some(workload) = context.workload() else { return Ok(()) };
        if tokens::api_token(context, workload)?.is_none() {
            return Ok(());
        }
        let path = workload.spec_path().field("serviceAccountName");
        let account = workload.spec.account();
        let default;
        let forbidden = if let Some(given) = &self.forbidden {
            given
        } else {
            default = permissions::by_default(&FORBIDDEN);
            &default
        };
        for permission in forbidden {
            match context.lookup.may(account, permission)? {
                Allowed::Yes => {
                    let extent = permissions::extent(permission);
                    findings.add(path.clone(), &MAY, &[account, &permission.describe(), extent]);
                }
                Allowed::No => {}
                // If one review fails, the next one does too.
                Allowed::Unknown => {
                    findings.warn(path, &UNKNOWN, &[account]);
                    return Ok(());
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
