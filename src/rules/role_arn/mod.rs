// SPDX-License-Identifier: Apache-2.0
//! `role-arn`: a ServiceAccount names a role that exists, and that it may have.
//!
//! The EKS Pod identity webhook passes on whatever the annotation holds, and
//! STS answers "not authorized" to a mistyped ARN as to a forbidden one. Only
//! the role's trust policy decides who gets it, so that in a cluster whose
//! roles trust the cluster every namespace can take every role.
//! <https://docs.aws.amazon.com/eks/latest/userguide/associate-service-account-role.html>
//! <https://github.com/aws/amazon-eks-pod-identity-webhook/issues/104>

mod pattern;
mod role_rules;

pub use role_rules::{Holder, RoleRules};

use super::{Ability, Check, Restricted, Rule};
use crate::admission::subject::SubjectKind;
use crate::diagnostic::field_path::FieldPath;
use crate::diagnostic::findings::Findings;
use crate::diagnostic::message::Message;
use crate::diagnostic::severity::MaxSeverity;
use crate::engine::context::{ReviewError, RuleContext};
use crate::identity::key::{self, ECR_KEY, ROLE_ARN};
use crate::identity::{AccountId, Partition};
use crate::identity::{role_arn_error, suspicious_char};
use crate::matching::account;
use crate::matching::glob::{Glob, validate_pattern};
use crate::messages;
use crate::object::pod::DEFAULT_ACCOUNT;
use crate::settings::action::CheckAction;
use crate::settings::params::{Kind, Param, Params, for_people};

/// The rule.
pub static RULE: Rule = Rule {
    id: "role-arn",
    summary: for_people("requires a ServiceAccount's AWS role to be valid and allowed"),
    subjects: &[SubjectKind::ServiceAccount],
    params: &PARAMS,
    messages: &[MESSAGES, role_arn_error::MESSAGES, suspicious_char::MESSAGES],
    ability: Ability::Check { default: CheckAction::Reject },
    restricted: Restricted::REJECT,
};

static PARAMS: [Param; 11] = [
    PARTITIONS,
    ACCOUNTS,
    ROLES,
    NAMESPACES,
    ALLOW_ON_DEFAULT,
    REQUIRED_FOR,
    FORBID_RESERVED,
    ANY_ROLE_PATH,
    COMPOSE,
    COMPOSE_ACCOUNT,
    COMPOSE_PARTITION,
];

const PARTITIONS: Param = Param {
    name: "partitions",
    kind: Kind::Texts { of: "partitions", problem: partition_problem },
    default: r#"["aws", "aws-cn", "aws-us-gov", "aws-iso", "aws-iso-b", "aws-iso-e", "aws-iso-f", "aws-eusc"]"#,
    doc: for_people("allowed AWS partitions"),
};
const ACCOUNTS: Param = Param {
    name: "accounts",
    kind: Kind::Texts { of: "account ids", problem: account_id_problem },
    default: "[]",
    doc: for_people("allowed AWS accounts, as 12 digits in quotes; if empty, any account is allowed"),
};
const ROLES: Param = Param {
    name: "roles",
    kind: Kind::Texts { of: "role patterns", problem: pattern::problem },
    default: "[]",
    doc: for_people("allowed roles; if empty, any role is allowed"),
};
const NAMESPACES: Param = Param {
    name: "namespaces",
    kind: Kind::ByKey(&Kind::Texts { of: "role patterns", problem: pattern::problem }),
    default: "{}",
    doc: for_people(
        "allowed roles of each namespace, by its name, or by `*` for namespaces that are not listed; if empty, any role is allowed",
    ),
};
const ALLOW_ON_DEFAULT: Param = Param {
    name: "allowOnDefault",
    kind: Kind::Flag,
    default: "false",
    doc: for_people("whether the `default` ServiceAccount of a namespace can have a role"),
};
const REQUIRED_FOR: Param = Param {
    name: "requiredFor",
    kind: Kind::Globs(account::problem),
    default: "[]",
    doc: for_people("ServiceAccounts (`namespace/name`) that must have a role"),
};
const FORBID_RESERVED: Param = Param {
    name: "forbidReserved",
    kind: Kind::Flag,
    default: "true",
    doc: for_people("whether to reject roles below `aws-service-role/` and `aws-reserved/`"),
};
const ANY_ROLE_PATH: Param = Param {
    name: "anyRolePath",
    kind: Kind::Flag,
    default: "false",
    doc: for_people(
        "whether to accept any role path that IAM accepts (`!` to `~`), not only names separated by slashes",
    ),
};
const COMPOSE: Param = Param {
    name: "composeRoleArn",
    kind: Kind::Flag,
    default: "false",
    doc: for_people(
        "whether the webhook runs with `--compose-role-arn`, so that names and paths are completed before they are checked",
    ),
};
const COMPOSE_ACCOUNT: Param = Param {
    name: "composeAccount",
    kind: Kind::Text(|text| if text.is_empty() { None } else { account_id_problem(text) }),
    default: r#""""#,
    doc: for_people("AWS account that the webhook completes names with: the one it runs in"),
};
const COMPOSE_PARTITION: Param = Param {
    name: "composePartition",
    kind: Kind::Choice(Partition::ALL),
    default: r#""aws""#,
    doc: for_people("AWS partition that the webhook completes names with"),
};

// What is wrong with the ARN itself has its words in `identity::mistake`.
messages! {
    PARTITION: "is in partition {}, must be in {}";
    ACCOUNT: "is of account {}, must be of {}";
    ROLE: "is none of the roles that are allowed: {}";
    NAMESPACE: "is in namespace {}, which may use no role at all";
    NAMESPACE_ROLES: "is none of the roles that namespace {} may use: {}";
    RESERVED: "is below {}/, where AWS keeps roles for itself that no ServiceAccount can have";
    /// Also said by those who act on the annotation.
    ON_DEFAULT:
        "is on the default account, so that every Pod that names no account has it",
        help: "give it to an account of its own";
    MISSING: "is missing", help: "account {} must have a role";
}

pub(super) struct RoleArnRule<'a> {
    rules: RoleRules<'a>,
    required_for: Vec<Glob<'a>>,
}

impl<'a> RoleArnRule<'a> {
    pub(super) fn new(params: &mut Params<'_, 'a>) -> Self {
        Self { rules: RoleRules::read(params), required_for: params.globs(&REQUIRED_FOR) }
    }
}

impl Check for RoleArnRule<'_> {
    fn check(&self, context: &RuleContext<'_>, findings: &mut Findings) -> Result<(), ReviewError> {
        if context.service_account().is_none() {
            return Ok(());
        }
        let prefix = context.common.aws.annotation_prefix.as_str();
        let holder = Holder { namespace: context.request.namespace(), account: context.name() };
        let mut has_role = false;
        for (key, value) in context.annotations()?.iter() {
            let Some(value) = value else { continue };
            let refusals = if key::suffix(key, prefix) == Some(ROLE_ARN) {
                has_role = true;
                self.rules.refusals(&self.rules.injected(value), holder)
            } else if key == ECR_KEY {
                self.rules.refusals(value, holder)
            } else {
                continue;
            };
            for refusal in refusals {
                findings.push(annotation(key), refusal, MaxSeverity::Action);
            }
            if holder.account == DEFAULT_ACCOUNT && !self.rules.allow_on_default && !value.is_empty() {
                findings.push(annotation(key), Message::new(&ON_DEFAULT, &[]).about(value), MaxSeverity::Action);
            }
        }
        if !has_role && self.is_required(context, holder) {
            let account = [holder.namespace, "/", holder.account].concat();
            findings.add(annotation(&[prefix, "/", ROLE_ARN].concat()), &MISSING, &[&account]);
        }
        Ok(())
    }
}

impl RoleArnRule<'_> {
    /// Whether the account has to have a role.
    fn is_required(&self, context: &RuleContext<'_>, holder: Holder<'_>) -> bool {
        account::any(&self.required_for, holder.namespace, &context.name_pattern())
    }
}

fn annotation(key: &str) -> FieldPath {
    FieldPath::at("metadata.annotations").key(key)
}

fn partition_problem(text: &str) -> Option<String> {
    validate_pattern(text).or_else(|| text.parse::<Partition>().err().map(|error| error.to_string()))
}

fn account_id_problem(text: &str) -> Option<String> {
    validate_pattern(text).or_else(|| text.parse::<AccountId>().err().map(|error| error.to_string()))
}

#[cfg(test)]
mod tests;
