// SPDX-License-Identifier: Apache-2.0
//! The parameters of `role-arn`.

use super::pattern;
use crate::identity::{AccountId, Partition};
use crate::matching::account;
use crate::matching::glob::validate_pattern;
use crate::settings::doc::Doc;
use crate::settings::params::{Kind, Param};

/// All parameters, in the order of the documentation.
pub(super) static PARAMS: &[&Param] = &[
    &PARTITIONS,
    &ACCOUNTS,
    &ROLES,
    &NAMESPACES,
    &ALLOW_ON_DEFAULT,
    &REQUIRED_FOR,
    &FORBID_RESERVED,
    &ANY_ROLE_PATH,
    &COMPOSE,
    &COMPOSE_ACCOUNT,
    &COMPOSE_PARTITION,
];

pub(super) static PARTITIONS: Param = Param {
    name: "partitions",
    kind: Kind::Texts { of: "partitions", problem: partition_problem },
    default: r#"["aws", "aws-cn", "aws-us-gov", "aws-iso", "aws-iso-b", "aws-iso-e", "aws-iso-f", "aws-eusc"]"#,
    doc: Doc::new("allowed AWS partitions"),
};
pub(super) static ACCOUNTS: Param = Param {
    name: "accounts",
    kind: Kind::Texts { of: "account IDs", problem: account_id_problem },
    default: "[]",
    doc: Doc::new("allowed AWS accounts, as 12 digits in quotes; if empty, any account is allowed"),
};
pub(super) static ROLES: Param = Param {
    name: "roles",
    kind: Kind::Texts { of: "role patterns", problem: pattern::problem },
    default: "[]",
    doc: Doc::new("allowed roles; if empty, any role is allowed"),
};
pub(super) static NAMESPACES: Param = Param {
    name: "namespaces",
    kind: Kind::ByKey(&Kind::Texts { of: "role patterns", problem: pattern::problem }),
    default: "{}",
    doc: Doc::new(
        "allowed roles of each namespace, by its name, or by `*` for namespaces that are not listed; if empty, any role is allowed",
    ),
};
pub(super) static ALLOW_ON_DEFAULT: Param = Param {
    name: "allowOnDefault",
    kind: Kind::Flag,
    default: "false",
    doc: Doc::new("whether the `default` ServiceAccount of a namespace can have a role"),
};
pub(super) static REQUIRED_FOR: Param = Param {
    name: "requiredFor",
    kind: Kind::Globs(account::problem),
    default: "[]",
    doc: Doc::new("ServiceAccounts (`namespace/name`) that must have a role"),
};
pub(super) static FORBID_RESERVED: Param = Param {
    name: "forbidReserved",
    kind: Kind::Flag,
    default: "true",
    doc: Doc::new("whether to reject roles below `aws-service-role/` and `aws-reserved/`"),
};
pub(super) static ANY_ROLE_PATH: Param = Param {
    name: "anyRolePath",
    kind: Kind::Flag,
    default: "false",
    doc: Doc::new("whether to accept any role path that IAM accepts (`!` to `~`), not only names separated by slashes"),
};
pub(super) static COMPOSE: Param = Param {
    name: "composeRoleArn",
    kind: Kind::Flag,
    default: "false",
    doc: Doc::new(
        "whether the webhook runs with `--compose-role-arn`, so that names and paths are completed before they are checked",
    ),
};
pub(super) static COMPOSE_ACCOUNT: Param = Param {
    name: "composeAccount",
    kind: Kind::Text(|text| if text.is_empty() { None } else { account_id_problem(text) }),
    default: r#""""#,
    doc: Doc::new("AWS account that the webhook adds to role names: the one it runs in"),
};
pub(super) static COMPOSE_PARTITION: Param = Param {
    name: "composePartition",
    kind: Kind::Choice(Partition::ALL),
    default: r#""aws""#,
    doc: Doc::new("AWS partition that the webhook adds to role names"),
};

fn partition_problem(text: &str) -> Option<String> {
    validate_pattern(text).or_else(|| text.parse::<Partition>().err().map(|error| error.to_string()))
}

fn account_id_problem(text: &str) -> Option<String> {
    validate_pattern(text).or_else(|| text.parse::<AccountId>().err().map(|error| error.to_string()))
}
