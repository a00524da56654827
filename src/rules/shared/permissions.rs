// SPDX-License-Identifier: Apache-2.0
//! What the rules about permissions share: a parameter with a list of
//! permissions, and whether an account has one of them.

use crate::cluster::access_review::Permission;
use crate::engine::context::{ReviewError, RuleContext, Workload};
use crate::engine::lookup::Allowed;
use crate::settings::Common;
use crate::settings::doc::Doc;
use crate::settings::params::{Kind, Param, Params};
use crate::settings::reader::{Path, Problems};

static VERB: Param = Param {
    name: "verb",
    kind: Kind::Text(verb_problem),
    default: "",
    doc: Doc::new("the verb, e.g. `get`; `*` for every verb"),
};
static GROUP: Param = Param {
    name: "group",
    kind: Kind::Text(group_problem),
    default: r#""""#,
    doc: Doc::new("the API group; empty for the core group, `*` for every group"),
};
static RESOURCE: Param = Param {
    name: "resource",
    kind: Kind::Text(resource_problem),
    default: "",
    doc: Doc::new("the plural name of the resource, e.g. `pods`; `*` for every resource"),
};
static SUBRESOURCE: Param = Param {
    name: "subresource",
    kind: Kind::Text(resource_problem),
    default: r#""""#,
    doc: Doc::new("the subresource, e.g. `token`"),
};
static CLUSTER_WIDE: Param = Param {
    name: "clusterWide",
    kind: Kind::Flag,
    default: "false",
    doc: Doc::new("whether the permission is checked for the whole cluster instead of the Pod's namespace"),
};

/// The fields of an entry.
pub static PERMISSION: &[&Param] = &[&VERB, &GROUP, &RESOURCE, &SUBRESOURCE, &CLUSTER_WIDE];

/// The permissions in the settings; `None` if the default applies. Reading the
/// default costs time in every request, so it is read only where it is needed
/// ([`by_default`]).
///
/// More than `most` are a problem: each needs an access review, one after the other.
pub fn given<'a>(params: &mut Params<'_, 'a>, param: &'static Param, most: usize) -> Option<Vec<Permission<'a>>> {
    if params.is_default(param) {
        return None;
    }
    let list = read(params, param);
    if list.len() > most {
        params.note(
            param,
            &format!("has {} entries, but at most {most} are allowed, because each needs an access review", list.len()),
        );
    }
    Some(list)
}

/// The default of a parameter.
#[must_use]
pub fn by_default(param: &'static Param) -> Vec<Permission<'static>> {
    let (common, mut problems) = (Common::default(), Problems::default());
    read(&mut Params::new(Vec::new(), &[], Path::Root, &mut problems, &common), param)
}

fn read<'a>(params: &mut Params<'_, 'a>, param: &'static Param) -> Vec<Permission<'a>> {
    params.entries(param, |entry| {
        Some(Permission {
            verb: entry.text(&VERB),
            group: entry.text(&GROUP),
            resource: entry.text(&RESOURCE),
            subresource: entry.text(&SUBRESOURCE),
            cluster_wide: entry.flag(&CLUSTER_WIDE),
        })
    })
}

/// Which permission of a list the account of a workload has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found<'p, 'a> {
    /// This one, and maybe more.
    May(&'p Permission<'a>),
    /// None.
    Nothing,
    /// It is unknown.
    Unknown,
}

/// The first permission of a list that the account has. Stops at the first
/// unknown answer: if one review fails, the next one does too.
///
/// # Errors
/// [`ReviewError`] when an answer is required and there is none.
pub fn first<'p, 'a>(
    context: &RuleContext<'_>,
    workload: &Workload<'_>,
    list: &'p [Permission<'a>],
) -> Result<Found<'p, 'a>, ReviewError> {
    for permission in list {
        match context.lookup.may(workload.spec.account(), permission)? {
            Allowed::Yes => return Ok(Found::May(permission)),
            Allowed::No => {}
            Allowed::Unknown => return Ok(Found::Unknown),
        }
    }
    Ok(Found::Nothing)
}

/// Where a permission applies, in words.
#[must_use]
pub fn extent(permission: &Permission<'_>) -> &'static str {
    if permission.cluster_wide { "cluster-wide" } else { "in its namespace" }
}

fn verb_problem(verb: &str) -> Option<String> {
    let fits = verb == "*" || verb.chars().all(|c| c.is_ascii_lowercase());
    (!fits).then(|| "must be a verb of the Kubernetes API in lower case, e.g. get".to_owned())
}

fn group_problem(group: &str) -> Option<String> {
    group.contains('/').then(|| "must be the group without a version, e.g. apps".to_owned())
}

fn resource_problem(resource: &str) -> Option<String> {
    let fits = resource == "*"
        || resource.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.');
    (!fits).then(|| {
        "must be one resource in the plural and in lower case, e.g. pods; write a subresource in its own key".to_owned()
    })
}
