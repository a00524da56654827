// SPDX-License-Identifier: Apache-2.0
//! `one-year-token`: no API token lasts a year by accident.
//!
//! The API server extends a Pod's token of exactly 3607 seconds to a year, so
//! that old clients which read the file only once keep working. It takes the
//! number as the mark of its own volume, but charts copy the volume, including
//! the number.
//! <https://github.com/kubernetes/kubernetes/blob/v1.34.0/pkg/registry/core/serviceaccount/storage/token.go>

use crate::admission::subject::SubjectKind;
use crate::diagnostic::findings::{Changes, Findings};
use crate::engine::context::{Edit, ReviewError, RuleContext, Workload};
use crate::engine::rule::{Ability, Check, Fix, Restricted, Rule};
use crate::messages;
use crate::object::pod::{DEFAULT_LIFETIME_SECONDS, PLUGIN_LIFETIME_SECONDS};
use crate::rules::shared::tokens::{self, Token};
use crate::settings::action::{CheckAction, FixAction};
use crate::settings::doc::Doc;
use crate::settings::params::{Kind, Param, Params};

/// The rule.
pub static RULE: Rule = Rule {
    id: "one-year-token",
    summary: Doc::new("forbids API tokens with a lifetime of 3607 seconds, which the API server extends to a year"),
    subjects: &[SubjectKind::Pod, SubjectKind::PodTemplate],
    params: &[&INCLUDE_INJECTED],
    messages: &[MESSAGES],
    ability: Ability::Fix { default: FixAction::Check(CheckAction::Warn) },
    restricted: Restricted::MUTATE.with(&[("includeInjected", "true")]),
};

static INCLUDE_INJECTED: Param = Param {
    name: "includeInjected",
    kind: Kind::Flag,
    default: "false",
    doc: Doc::new("whether to check the API server's own token volume too, which always requests 3607 seconds"),
};

messages! {
    HAND_WRITTEN: "is 3607, so the API server signs a token that is valid for a year", help: "write 3600";
    INJECTED:
        "is 3607 in the API server's own volume, so the token is good for a year",
        help: "with action mutate, this rule sets it to 3600";
    FIXED: "set to 3600, because the API server extends 3607 to a year";
}

const FIELD: &str = "expirationSeconds";

pub(super) struct OneYearToken {
    include_injected: bool,
}

impl OneYearToken {
    pub(super) fn new(params: &mut Params<'_, '_>) -> Self {
        Self { include_injected: params.flag(&INCLUDE_INJECTED) }
    }

    /// Calls `each` with every token that is affected, and with whether it is in
    /// the plugin's volume.
    fn each<'s>(
        &self,
        context: &RuleContext<'_>,
        workload: &'s Workload<'s>,
        each: &mut dyn FnMut(Token<'s>, bool) -> Result<(), ReviewError>,
    ) -> Result<(), ReviewError> {
        tokens::each(context, workload, &mut |token, is_plugin_volume| {
            let is_concerned = token.source.lifetime() == PLUGIN_LIFETIME_SECONDS
                && (self.include_injected || !is_plugin_volume)
                && context.common.is_api_audience(token.source.audience());
            if is_concerned { each(token, is_plugin_volume) } else { Ok(()) }
        })
    }
}

impl Check for OneYearToken {
    fn check(&self, context: &RuleContext<'_>, findings: &mut Findings) -> Result<(), ReviewError> {
        let Some(workload) = context.workload() else { return Ok(()) };
        self.each(context, workload, &mut |token, is_plugin_volume| {
            let message = if is_plugin_volume { &INJECTED } else { &HAND_WRITTEN };
            findings.add(token.path(workload).field(FIELD), message, &[]);
            Ok(())
        })
    }
}

impl Fix for OneYearToken {
    fn fix(
        &self,
        context: &RuleContext<'_>,
        edit: &mut Edit<'_, '_>,
        changes: &mut Changes,
    ) -> Result<(), ReviewError> {
        let Some(workload) = context.workload() else { return Ok(()) };
        self.each(context, workload, &mut |token, _| {
            // False if `pod-automount` removed the volume, or
            // `projected-token-lifetime` allows less.
            if edit.lower(&token.steps(), FIELD, DEFAULT_LIFETIME_SECONDS)? {
                changes.add(token.path(workload).field(FIELD), &FIXED, &[]);
            }
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests;
