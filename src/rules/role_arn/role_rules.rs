// SPDX-License-Identifier: Apache-2.0
//! Which roles may be used, and by whom. Other rules use this too, for roles
//! that reach Pods in other ways, whatever this rule's own action is.

use std::borrow::Cow;

use super::params::{
    ACCOUNTS, ALLOW_ON_DEFAULT, ANY_ROLE_PATH, COMPOSE, COMPOSE_ACCOUNT, COMPOSE_PARTITION, FORBID_RESERVED,
    NAMESPACES, PARTITIONS, ROLES,
};
use super::pattern::{Holder, RolePattern};
use crate::diagnostic::message::Message;
use crate::identity::{AccountId, Partition, RoleArn};
use crate::matching::dns;
use crate::messages;
use crate::object::view::Text;
use crate::settings::params::Params;

messages! {
    PARTITION: "is in partition `{}`, must be in {}";
    ACCOUNT: "belongs to account `{}`, must belong to {}";
    ROLE: "is not one of the allowed roles: {}";
    NAMESPACE: "is in namespace `{}`, which may not use any role";
    NAMESPACE_ROLES: "is not one of the roles that namespace `{}` may use: {}";
    RESERVED: "is below {}/, which AWS reserves for roles of its services";
}

/// The roles that may be used. Every list that is set must allow a role.
#[derive(Debug)]
pub struct RoleRules<'a> {
    partitions: Vec<Partition>,
    accounts: Vec<AccountId>,
    roles: Vec<RolePattern<'a>>,
    namespaces: Vec<(String, Vec<RolePattern<'a>>)>,
    forbid_reserved: bool,
    any_path: bool,
    /// Whether the account `default` may have a role.
    pub allow_on_default: bool,
    /// What the webhook puts in front of a name that is not an ARN.
    composed_with: Option<(Partition, AccountId)>,
}

/// The key of `namespaces` for namespaces without an entry of their own.
const OTHERS: &str = "*";

impl<'a> RoleRules<'a> {
    /// Reads the lists in the parameters of `role-arn`.
    #[inline(never)]
    pub fn read(params: &mut Params<'_, 'a>) -> Self {
        let partitions = parsed(&params.texts(&PARTITIONS));
        let accounts = parsed(&params.texts(&ACCOUNTS));
        let roles = patterns(params.texts(&ROLES));
        let namespaces = params.texts_by_key(&NAMESPACES);
        for (key, _) in namespaces.iter().filter(|(key, _)| key != OTHERS && !dns::is_label(key)) {
            params.note_key(&NAMESPACES, key, "is not a valid namespace name; write it in full, or * for all others");
        }
        let forbid_reserved = params.flag(&FORBID_RESERVED);
        let composes = params.flag(&COMPOSE);
        let (partition, account) = (params.choice(&COMPOSE_PARTITION), params.text(&COMPOSE_ACCOUNT));
        match (composes, params.gives(&COMPOSE_ACCOUNT)) {
            (true, false) => {
                params.note(&COMPOSE_ACCOUNT, "is missing; composeRoleArn needs the account that the webhook runs in");
            }
            (false, true) => params.note(&COMPOSE_ACCOUNT, "has no effect without composeRoleArn: true"),
            _ => {}
        }
        Self {
            partitions,
            accounts,
            roles,
            namespaces: namespaces.into_iter().map(|(key, texts)| (key, patterns(texts))).collect(),
            forbid_reserved,
            any_path: params.flag(&ANY_ROLE_PATH),
            allow_on_default: params.flag(&ALLOW_ON_DEFAULT),
            composed_with: composes.then(|| Some((partition.parse().ok()?, account.parse().ok()?))).flatten(),
        }
    }

    /// Whether there are lists, which a role that cannot be read cannot be on.
    /// Partitions do not count: by default, all are on their list.
    #[must_use]
    pub const fn has_lists(&self) -> bool {
        !(self.accounts.is_empty() && self.roles.is_empty() && self.namespaces.is_empty())
    }

    /// What the webhook injects for a `role-arn` annotation.
    #[must_use]
    #[inline(never)]
    pub fn injected<'v>(&self, annotation: &'v str) -> Cow<'v, str> {
        match self.composed_with {
            Some((partition, account)) if !annotation.is_empty() && !annotation.contains("arn:") => {
                Cow::Owned(format!("arn:{partition}:iam::{account}:role/{annotation}"))
            }
            _ => Cow::Borrowed(annotation),
        }
    }

    /// Why this holder may not use this role: the problems with the ARN, or
    /// else each list that does not allow it.
    #[must_use]
    #[inline(never)]
    pub fn rejections(&self, written: &str, holder: Holder<'_>) -> Vec<Message> {
        let parse = if self.any_path { RoleArn::parse_any_path } else { RoleArn::parse };
        let arn = match parse(written) {
            Ok(arn) => arn,
            Err(errors) => return errors.iter().map(|error| error.about(written)).collect(),
        };
        let mut rejections = Vec::new();
        let mut reject = |template, values: &[&str]| rejections.push(Message::new(template, values).about(written));
        if !self.partitions.contains(&arn.partition) {
            let allowed: Vec<&str> = self.partitions.iter().map(|partition| partition.as_str()).collect();
            reject(&PARTITION, &[arn.partition.as_str(), &allowed.join(", ")]);
        }
        if !self.accounts.is_empty() && !self.accounts.contains(&arn.account) {
            let allowed: Vec<&str> = self.accounts.iter().map(AccountId::as_str).collect();
            reject(&ACCOUNT, &[arn.account.as_str(), &allowed.join(", ")]);
        }
        if !self.roles.is_empty() && !allowed(&self.roles, &arn, holder) {
            reject(&ROLE, &[&listed(&self.roles)]);
        }
        if !self.namespaces.is_empty() {
            match self.roles_of(holder.namespace) {
                None => reject(&NAMESPACE, &[holder.namespace]),
                Some(roles) if !allowed(roles, &arn, holder) => {
                    reject(&NAMESPACE_ROLES, &[holder.namespace, &listed(roles)]);
                }
                Some(_) => {}
            }
        }
        if let Some(reserved) = arn.role.reserved().filter(|_| self.forbid_reserved) {
            reject(&RESERVED, &[reserved]);
        }
        rejections
    }

    /// The patterns for a namespace: its own, or else those for all others.
    fn roles_of(&self, namespace: &str) -> Option<&[RolePattern<'a>]> {
        let of =
            |wanted: &str| self.namespaces.iter().find(|(key, _)| key == wanted).map(|(_, roles)| roles.as_slice());
        of(namespace).or_else(|| of(OTHERS))
    }
}

/// Parses texts that were validated with the settings.
fn parsed<T: std::str::FromStr>(texts: &[Text<'_>]) -> Vec<T> {
    texts.iter().filter_map(|text| text.parse().ok()).collect()
}

fn patterns(texts: Vec<Text<'_>>) -> Vec<RolePattern<'_>> {
    texts.into_iter().map(RolePattern::new).collect()
}

fn allowed(patterns: &[RolePattern<'_>], arn: &RoleArn, holder: Holder<'_>) -> bool {
    patterns.iter().any(|pattern| pattern.allows(arn, holder))
}

fn listed(patterns: &[RolePattern<'_>]) -> String {
    patterns.iter().map(RolePattern::as_str).collect::<Vec<_>>().join(", ")
}
