// SPDX-License-Identifier: Apache-2.0
//! What particular callers may request. Controllers that may create tokens of
//! any account do so for whoever writes their custom resources.
//! <https://github.com/external-secrets/external-secrets/issues/4703>

use crate::admission::request::User;
use crate::matching::account;
use crate::matching::glob::{self, Glob, validate_pattern};
use crate::object::view::Text;
use crate::settings::Common;
use crate::settings::doc::Doc;
use crate::settings::params::{Kind, Param, Params};

/// The parameters of an entry.
pub static CALLER: &[&Param] = &[&USERS, &GROUPS, &NAMESPACES, &SERVICE_ACCOUNTS, &AUDIENCES];

static USERS: Param = Param {
    name: "users",
    kind: Kind::Globs(validate_pattern),
    default: "[]",
    doc: Doc::new("user names of callers, as the API server knows them"),
};
static GROUPS: Param =
    Param { name: "groups", kind: Kind::Globs(validate_pattern), default: "[]", doc: Doc::new("groups of callers") };
static NAMESPACES: Param = Param {
    name: "namespaces",
    kind: Kind::Globs(validate_pattern),
    default: "[]",
    doc: Doc::new("namespaces of the ServiceAccounts; if empty, any namespace is allowed"),
};
static SERVICE_ACCOUNTS: Param = Param {
    name: "serviceAccounts",
    kind: Kind::Globs(account::problem),
    default: "[]",
    doc: Doc::new("ServiceAccounts (`namespace/name`); if empty, any ServiceAccount is allowed"),
};
static AUDIENCES: Param = Param {
    name: "audiences",
    kind: Kind::Globs(validate_pattern),
    default: "[]",
    doc: Doc::new("audiences, which must cover all audiences of the token; if empty, any audience is allowed"),
};

/// Common API audiences, to tell whether a pattern is meant to allow them. The
/// policy does not know those of the cluster.
const USUAL_API_AUDIENCES: [&str; 3] =
    ["", "https://kubernetes.default.svc", "https://kubernetes.default.svc.cluster.local"];

/// An entry of `callers`.
#[derive(Debug)]
pub struct Caller<'a> {
    users: Vec<Glob<'a>>,
    groups: Vec<Glob<'a>>,
    namespaces: Vec<Glob<'a>>,
    accounts: Vec<Glob<'a>>,
    audiences: Vec<Glob<'a>>,
}

/// What is requested.
#[derive(Debug, Clone, Copy)]
pub struct Requested<'s> {
    /// The namespace of the account.
    pub namespace: &'s str,
    /// The account.
    pub account: &'s str,
    /// The audiences; empty means the API server.
    pub audiences: &'s [Text<'s>],
}

impl<'a> Caller<'a> {
    /// Reads an entry; one without a caller is a problem.
    pub fn read(params: &mut Params<'_, 'a>) -> Option<Self> {
        if !params.gives(&USERS) && !params.gives(&GROUPS) {
            params.note(&USERS, "is missing; name users or groups");
            return None;
        }
        Some(Self {
            users: params.globs(&USERS),
            groups: params.globs(&GROUPS),
            namespaces: params.globs(&NAMESPACES),
            accounts: params.globs(&SERVICE_ACCOUNTS),
            audiences: params.globs(&AUDIENCES),
        })
    }

    /// Whether the entry applies to a caller.
    #[must_use]
    pub fn names(&self, user: User<'_>) -> bool {
        glob::any(&self.users, user.name()) || user.groups().any(|group| glob::any(&self.groups, group))
    }

    /// Whether it allows what is requested.
    #[must_use]
    pub fn allows(&self, requested: Requested<'_>, common: &Common<'_>) -> bool {
        let covers = |audience: &str| {
            glob::any(&self.audiences, audience)
                || common.is_api_audience(audience) && allows_api(&self.audiences, common)
        };
        (self.namespaces.is_empty() || glob::any(&self.namespaces, requested.namespace))
            && (self.accounts.is_empty() || account::any(&self.accounts, requested.namespace, requested.account))
            && (self.audiences.is_empty()
                || match requested.audiences {
                    [] => covers(""),
                    audiences => audiences.iter().all(|audience| covers(audience)),
                })
    }
}

/// Whether one of the patterns allows the Kubernetes API.
#[must_use]
pub fn allows_api(patterns: &[Glob<'_>], common: &Common<'_>) -> bool {
    patterns.iter().any(|pattern| {
        common.is_api_audience(pattern.as_str()) || USUAL_API_AUDIENCES.iter().any(|audience| pattern.matches(audience))
    })
}
