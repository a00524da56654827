// SPDX-License-Identifier: Apache-2.0
//! `binding-subjects`: an account gets permissions only in its own namespace,
//! and `default` gets none.
//!
//! A RoleBinding for an account of another namespace gives access to this
//! namespace to everyone who may run a Pod over there. Whatever is bound to
//! `default` applies to every Pod that specifies no account. A subject can be
//! written in several ways; all are compared as the accounts that they refer
//! to.
//! <https://kubernetes.io/docs/reference/access-authn-authz/rbac/#referring-to-subjects>

use crate::admission::subject::SubjectKind;
use crate::diagnostic::field_path::FieldPath;
use crate::diagnostic::findings::Findings;
use crate::engine::context::{ReviewError, RuleContext};
use crate::engine::rule::{Ability, Check, Restricted, Rule};
use crate::matching::glob::{self, Glob, validate_pattern};
use crate::messages;
use crate::object::kinds::ROLE_BINDING;
use crate::object::pod::DEFAULT_ACCOUNT;
use crate::object::rbac::Accounts;
use crate::settings::action::CheckAction;
use crate::settings::doc::Doc;
use crate::settings::params::{Kind, Param, Params};

/// The rule.
pub static RULE: Rule = Rule {
    id: "binding-subjects",
    summary: Doc::new("forbids binding roles to default ServiceAccounts or across namespaces"),
    subjects: &[SubjectKind::Binding],
    params: &[&ALLOW_CROSS_NAMESPACE, &ALLOW_FOR_EVERYONE],
    messages: &[MESSAGES],
    ability: Ability::Check { default: CheckAction::Off },
    restricted: Restricted::REJECT,
};

static ALLOW_CROSS_NAMESPACE: Param = Param {
    name: "allowCrossNamespace",
    kind: Kind::Globs(namespace_problem),
    default: "[]",
    doc: Doc::new("namespaces whose ServiceAccounts can be bound in any namespace"),
};
static ALLOW_FOR_EVERYONE: Param = Param {
    name: "allowForEveryone",
    kind: Kind::Globs(validate_pattern),
    default: r#"["system:discovery", "system:basic-user", "system:public-info-viewer", "system:service-account-issuer-discovery"]"#,
    doc: Doc::new(
        "ClusterRoles, or Roles as `namespace/name`, that can be granted to every ServiceAccount; the default contains the roles that Kubernetes itself binds",
    ),
};

messages! {
    OTHER_NAMESPACE:
        "is in namespace `{}`",
        help: "bind an account of this namespace, or add that one to allowCrossNamespace";
    DEFAULT:
        "is the default account of namespace `{}`, which every Pod that names no account uses",
        help: "bind a dedicated account";
    EVERY_ACCOUNT: "covers every account in namespace `{}`, including default", help: "bind the accounts that need it";
    EVERYONE:
        "covers every account in every namespace, including default",
        help: "bind the accounts that need it, or add the role to allowForEveryone";
}

pub(super) struct BindingSubjects<'a> {
    allow_cross_namespace: Vec<Glob<'a>>,
    allow_for_everyone: Vec<Glob<'a>>,
}

impl<'a> BindingSubjects<'a> {
    pub(super) fn new(params: &mut Params<'_, 'a>) -> Self {
        Self {
            allow_cross_namespace: params.globs(&ALLOW_CROSS_NAMESPACE),
            allow_for_everyone: params.globs(&ALLOW_FOR_EVERYONE),
        }
    }

    /// Whether every account may have a role. A `*` does not match a slash: a
    /// pattern without a slash is for `ClusterRoles` only.
    fn is_for_everyone(&self, role: &str) -> bool {
        let (namespace, name) = halves(role);
        self.allow_for_everyone.iter().any(|pattern| {
            let (in_namespace, named) = halves(pattern.as_str());
            in_namespace.is_some() == namespace.is_some()
                && glob::matches(in_namespace.unwrap_or_default(), namespace.unwrap_or_default())
                && glob::matches(named, name)
        })
    }
}

impl Check for BindingSubjects<'_> {
    fn check(&self, context: &RuleContext<'_>, findings: &mut Findings) -> Result<(), ReviewError> {
        let Some(binding) = context.binding() else { return Ok(()) };
        let home = context.request.namespace();
        // A ClusterRoleBinding has no namespace, so no account is in another one.
        let has_home = (context.request.group(), context.request.kind()) == ROLE_BINDING;
        for (index, subject) in binding.subjects.iter().enumerate() {
            let Some(accounts) = subject.accounts(home) else { continue };
            let name = subject.name.as_deref();
            let path = || FieldPath::at("subjects").entry(name, index);
            // Long names are truncated in the path: only this tells them apart.
            let name = name.unwrap_or_default();
            if let Accounts::One { namespace, .. } | Accounts::OfNamespace(namespace) = accounts
                && has_home
                && namespace != home
                && !glob::any(&self.allow_cross_namespace, namespace)
            {
                findings.add(path(), &OTHER_NAMESPACE, &[namespace, name]);
            }
            match accounts {
                Accounts::One { namespace, name: DEFAULT_ACCOUNT } => {
                    findings.add(path(), &DEFAULT, &[namespace, name]);
                }
                Accounts::One { .. } => {}
                Accounts::OfNamespace(namespace) => findings.add(path(), &EVERY_ACCOUNT, &[namespace, name]),
                Accounts::All if self.is_for_everyone(&binding.role_name(home)) => {}
                Accounts::All => findings.add(path(), &EVERYONE, &[name]),
            }
        }
        Ok(())
    }
}

/// The namespace of `namespace/name`, and the name.
fn halves(role: &str) -> (Option<&str>, &str) {
    role.split_once('/').map_or((None, role), |(namespace, name)| (Some(namespace), name))
}

fn namespace_problem(pattern: &str) -> Option<String> {
    validate_pattern(pattern).or_else(|| {
        pattern
            .contains(['/', ':'])
            .then(|| "must be a namespace without an account, e.g. monitoring or team-*".to_owned())
    })
}

#[cfg(test)]
mod tests;
