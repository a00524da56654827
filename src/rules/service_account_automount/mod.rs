// SPDX-License-Identifier: Apache-2.0
//! `service-account-automount`: an account does not give its token to every Pod
//! that uses it, and `default` gives it to none.
//!
//! Setting `false` on the account is the simplest measure: its Pods are created
//! without the token volume, and a Pod that needs the token requests it.
//! <https://kubernetes.io/docs/tasks/configure-pod-container/configure-service-account/#opt-out-of-api-credential-automounting>
//!
//! Every namespace gets its `default` account from a controller that sends only
//! a name and retries forever if the account is rejected. Without the account,
//! the API server rejects the Pods of the namespace. So its creation is never
//! rejected.
//! <https://github.com/kubernetes/kubernetes/blob/master/pkg/controller/serviceaccount/serviceaccounts_controller.go>

use crate::admission::request::Operation;
use crate::admission::subject::SubjectKind;
use crate::diagnostic::field_path::FieldPath;
use crate::diagnostic::findings::{Changes, Findings};
use crate::diagnostic::message::{Message, MessageTemplate};
use crate::diagnostic::severity::MaxSeverity;
use crate::engine::context::{Edit, ReviewError, RuleContext};
use crate::engine::rule::{Ability, Check, Fix, Restricted, Rule};
use crate::matching::account;
use crate::matching::glob::Glob;
use crate::messages;
use crate::object::pod::DEFAULT_ACCOUNT;
use crate::object::service_account::ServiceAccount;
use crate::settings::action::FixAction;
use crate::settings::doc::Doc;
use crate::settings::params::{Kind, Param, Params};

/// The rule.
pub static RULE: Rule = Rule {
    id: "service-account-automount",
    summary: Doc::new("requires ServiceAccounts to disable automatic token mounting"),
    subjects: &[SubjectKind::ServiceAccount],
    params: &[&SCOPE, &FIX_ON_UPDATE, &EXPLICIT_TRUE, &ALLOW_EXPLICIT_TRUE],
    messages: &[MESSAGES],
    ability: Ability::Fix { default: FixAction::Mutate },
    restricted: Restricted::MUTATE.with(&[("scope", r#""all""#)]),
};

static SCOPE: Param = Param {
    name: "scope",
    kind: Kind::Choice(&["default", "all"]),
    default: r#""default""#,
    doc: Doc::new(
        "which ServiceAccounts are fixed or rejected if the field is unset; `default`: only those named `default`; `all`: all of them",
    ),
};
static FIX_ON_UPDATE: Param = Param {
    name: "fixOnUpdate",
    kind: Kind::Flag,
    default: "false",
    doc: Doc::new(
        "whether to fix existing ServiceAccounts when they are updated; otherwise only a `default` ServiceAccount that was `false` before is fixed",
    ),
};
static EXPLICIT_TRUE: Param = Param {
    name: "explicitTrue",
    kind: Kind::Choice(&["allow", "warn", "reject"]),
    default: r#""warn""#,
    doc: Doc::new("action for `true` on a ServiceAccount other than `default`; on `default` it is always a finding"),
};
static ALLOW_EXPLICIT_TRUE: Param = Param {
    name: "allowExplicitTrue",
    kind: Kind::Globs(account::problem),
    default: "[]",
    doc: Doc::new("ServiceAccounts (`namespace/name`) that can be set to `true`"),
};

messages! {
    TRUE_ON_DEFAULT:
        "is true on the default account",
        help: "set it to false and let Pods that need a token use an account of their own";
    TRUE:
        "is true, so Pods of account `{}` get a token by default",
        help: "set it to false, and to true in the Pods that call the Kubernetes API";
    UNSET_ON_DEFAULT:
        "is not set on the default account, so its Pods get a token by default",
        help: "set it to false and let Pods that need a token use an account of their own";
    UNSET:
        "is not set, so Pods of account `{}` get a token by default",
        help: "set it to false, and to true in the Pods that call the Kubernetes API";
    NO_LONGER_FALSE:
        "was false on the default account and is no longer set, so its Pods get a token again",
        help: "set it to false";
    FIXED: "set to false";
}

const FIELD: &str = "automountServiceAccountToken";

/// The accounts of `OpenShift` for builds and deployments, whose Pods use its API.
/// <https://docs.redhat.com/en/documentation/openshift_container_platform/4.20/html/authentication_and_authorization/using-service-accounts>
const OPENSHIFT_ACCOUNTS: [&str; 2] = ["builder", "deployer"];

/// The namespace of the controllers that create them.
const OPENSHIFT_CONTROLLERS: &str = "system:serviceaccount:openshift-infra:";

pub(super) struct ServiceAccountAutomount<'a> {
    every_account: bool,
    fix_on_update: bool,
    explicit_true: &'static str,
    allow_explicit_true: Vec<Glob<'a>>,
}

/// What to do about an account.
enum Outcome {
    /// Nothing.
    Fine,
    /// It sets `true`, and a fix never overrides what a user wrote.
    True(&'static MessageTemplate, MaxSeverity),
    /// The field is unset, and can be set to `false`.
    Fixable(&'static MessageTemplate, MaxSeverity),
    /// The field is unset, and setting it could break running Pods.
    Unset(&'static MessageTemplate),
}

impl<'a> ServiceAccountAutomount<'a> {
    pub(super) fn new(params: &mut Params<'_, 'a>) -> Self {
        Self {
            every_account: params.choice(&SCOPE) == "all",
            fix_on_update: params.flag(&FIX_ON_UPDATE),
            explicit_true: params.choice(&EXPLICIT_TRUE),
            allow_explicit_true: params.globs(&ALLOW_EXPLICIT_TRUE),
        }
    }

    fn outcome(&self, context: &RuleContext<'_>, account: &ServiceAccount<'_>) -> Result<Outcome, ReviewError> {
        if account.automount == Some(false) || is_changed_by_openshift(context) {
            return Ok(Outcome::Fine);
        }
        let is_default = context.name() == DEFAULT_ACCOUNT;
        if account.automount == Some(true) {
            return Ok(self.explicit_true(context, is_default));
        }
        if !is_default && !self.every_account {
            return Ok(Outcome::Fine);
        }
        let message = if is_default { &UNSET_ON_DEFAULT } else { &UNSET };
        if context.request.operation() == Operation::Create {
            // A rejection would leave a namespace without its account. The audit
            // scanner sends no user: for it, a rejection is only a line in a
            // report.
            let makes_default = is_default && !context.request.user().name().is_empty();
            return Ok(Outcome::Fixable(
                message,
                if makes_default { MaxSeverity::Notice } else { MaxSeverity::Action },
            ));
        }
        if is_default && context.old_service_account()?.is_some_and(|old| old.automount == Some(false)) {
            return Ok(Outcome::Fixable(&NO_LONGER_FALSE, MaxSeverity::Action));
        }
        Ok(if self.fix_on_update { Outcome::Fixable(message, MaxSeverity::Action) } else { Outcome::Unset(message) })
    }

    fn explicit_true(&self, context: &RuleContext<'_>, is_default: bool) -> Outcome {
        if account::any(&self.allow_explicit_true, context.request.namespace(), &context.name_pattern()) {
            return Outcome::Fine;
        }
        match self.explicit_true {
            _ if is_default => Outcome::True(&TRUE_ON_DEFAULT, MaxSeverity::Action),
            "allow" => Outcome::Fine,
            "warn" => Outcome::True(&TRUE, MaxSeverity::Warning),
            _ => Outcome::True(&TRUE, MaxSeverity::Action),
        }
    }
}

impl Check for ServiceAccountAutomount<'_> {
    fn check(&self, context: &RuleContext<'_>, findings: &mut Findings) -> Result<(), ReviewError> {
        let Some(account) = context.service_account() else { return Ok(()) };
        let (message, severity) = match self.outcome(context, account)? {
            Outcome::Fine => return Ok(()),
            Outcome::True(message, severity) | Outcome::Fixable(message, severity) => (message, severity),
            Outcome::Unset(message) => (message, MaxSeverity::Warning),
        };
        findings.push(FieldPath::at(FIELD), Message::new(message, &[context.known_name()]), severity);
        Ok(())
    }
}

impl Fix for ServiceAccountAutomount<'_> {
    fn fix(
        &self,
        context: &RuleContext<'_>,
        edit: &mut Edit<'_, '_>,
        changes: &mut Changes,
    ) -> Result<(), ReviewError> {
        let Some(account) = context.service_account() else { return Ok(()) };
        if let Outcome::Fixable(..) = self.outcome(context, account)? {
            edit.set(&[], FIELD, "false")?;
            changes.add(FieldPath::at(FIELD), &FIXED, &[]);
        }
        Ok(())
    }
}

/// Whether `OpenShift` is changing one of its own accounts.
fn is_changed_by_openshift(context: &RuleContext<'_>) -> bool {
    OPENSHIFT_ACCOUNTS.contains(&context.name()) && context.request.user().name().starts_with(OPENSHIFT_CONTROLLERS)
}

#[cfg(test)]
mod tests;
