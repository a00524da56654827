// SPDX-License-Identifier: Apache-2.0
//! `identity-grants`: custom resources with which controllers grant cloud
//! identities name only what the annotations of an account may name.
//!
//! An EKS Pod Identity association, a federated identity credential of Azure or
//! an IAM policy of Google Cloud gives an account an identity without any
//! annotation. If a controller creates them from objects in the cluster, they
//! bypass every list of roles and projects.
//! <https://docs.aws.amazon.com/eks/latest/userguide/pod-identities.html>
//! <https://learn.microsoft.com/azure/aks/workload-identity-overview>
//! <https://cloud.google.com/kubernetes-engine/docs/how-to/workload-identity>

use crate::admission::subject::SubjectKind;
use crate::diagnostic::field_path::FieldPath;
use crate::diagnostic::findings::Findings;
use crate::diagnostic::message::{Message, MessageTemplate};
use crate::diagnostic::severity::MaxSeverity;
use crate::engine::context::{OBJECT, ReviewError, RuleContext};
use crate::engine::rule::{Ability, Check, Restricted, Rule};
use crate::matching::glob::{self, Glob, validate_pattern};
use crate::messages;
use crate::object::identity_grant::{
    Association, Credential, IdentityGrant, Member, Policy, Resource, account_of_subject,
};
use crate::object::pod::DEFAULT_ACCOUNT;
use crate::object::view::{Raw, ReadError, Text};
use crate::rules::azure_workload_identity;
use crate::rules::gcp_service_account::{self, Projects};
use crate::rules::role_arn::{self, Holder, RoleRules};
use crate::settings::action::CheckAction;
use crate::settings::doc::Doc;
use crate::settings::params::{Kind, Param, Params};

/// The rule.
pub static RULE: Rule = Rule {
    id: "identity-grants",
    summary: Doc::new("restricts the cloud identities that custom resources can grant to ServiceAccounts"),
    subjects: &[SubjectKind::IdentityGrant],
    params: &[&FROM_NAMESPACES, &INLINE_POLICIES, &AZURE_IDENTITIES, &AZURE_ISSUERS],
    messages: &[MESSAGES],
    ability: Ability::Check { default: CheckAction::Reject },
    restricted: Restricted::REJECT.with(&[("inlinePolicies", r#""reject""#)]),
};

static FROM_NAMESPACES: Param = Param {
    name: "fromNamespaces",
    kind: Kind::Globs(validate_pattern),
    default: "[]",
    doc: Doc::new("namespaces from which identities can be granted to ServiceAccounts of other namespaces"),
};
static INLINE_POLICIES: Param = Param {
    name: "inlinePolicies",
    kind: Kind::Choice(&["warn", REJECT]),
    default: r#""warn""#,
    doc: Doc::new("action for an inline policy in an EKS Pod Identity association"),
};
static AZURE_IDENTITIES: Param = Param {
    name: "azureIdentities",
    kind: Kind::Globs(validate_pattern),
    default: "[]",
    doc: Doc::new(
        "managed identities that can be granted: Azure resource IDs, or `namespace/name` of `UserAssignedIdentity` objects; if empty, any identity is allowed, unless `azure-workload-identity` has a list",
    ),
};
static AZURE_ISSUERS: Param = Param {
    name: "azureIssuers",
    kind: Kind::Globs(validate_pattern),
    default: "[]",
    doc: Doc::new("token issuers that managed identities can trust; if empty, any issuer is allowed"),
};

const REJECT: &str = "reject";

messages! {
    ROLE: "is a role that role-arn rejects: {}";
    SERVICE_ACCOUNT: "is a service account that gcp-service-account rejects: {}";
    REFERENCE:
        "is a reference, which is resolved only after admission, so that no list can allow it",
        help: "write {}";
    OTHER_NAMESPACE:
        "is for ServiceAccount `{}`, while the object is in namespace `{}`",
        help: "create it in the namespace of the ServiceAccount, or add the object's namespace to fromNamespaces";
    DEFAULT:
        "is for the default account of namespace `{}`, so every Pod there that names no account gets the identity",
        help: "use a dedicated account";
    MANY:
        "does not name one ServiceAccount by its namespace and name",
        help: "name each of them";
    EVERY_IDENTITY:
        "is `{}`, where the role lets a ServiceAccount act as every service account",
        help: "grant the role on one IAMServiceAccount";
    SESSION_TAGS:
        "turns off the session tags by which policies in AWS tell namespaces and ServiceAccounts apart",
        help: "remove it, unless an inline policy requires it";
    INLINE_POLICY:
        "is a session policy, which is not reviewed together with the role",
        help: "use a role with only the permissions that are needed";
    IDENTITY: "is not one of the managed identities that can be granted: {}";
    UNLISTED:
        "names a managed identity by something other than its client ID, so that the lists of azure-workload-identity cannot allow it",
        help: "add it to azureIdentities";
    ISSUER: "is not one of the issuers that managed identities can trust: {}";
}

/// Fields of associations that contain a role: of ACK, and of Crossplane.
const ROLES: [&str; 4] = ["roleARN", "targetRoleARN", "roleArn", "targetRoleArn"];

/// Fields that contain a reference to a role.
const ROLE_REFERENCES: [&str; 6] =
    ["roleRef", "targetRoleRef", "roleArnRef", "roleArnSelector", "targetRoleArnRef", "targetRoleArnSelector"];

/// The kind whose policies determine who may impersonate a service account.
const SERVICE_ACCOUNT_KIND: &str = "IAMServiceAccount";

pub(super) struct IdentityGrants<'a> {
    from_namespaces: Vec<Glob<'a>>,
    inline_policy: MaxSeverity,
    azure_identities: Vec<Glob<'a>>,
    azure_issuers: Vec<Glob<'a>>,
}

impl<'a> IdentityGrants<'a> {
    pub(super) fn new(params: &mut Params<'_, 'a>) -> Self {
        let rejects_inline_policies = params.choice(&INLINE_POLICIES) == REJECT;
        Self {
            from_namespaces: params.globs(&FROM_NAMESPACES),
            inline_policy: if rejects_inline_policies { MaxSeverity::Action } else { MaxSeverity::Warning },
            azure_identities: params.globs(&AZURE_IDENTITIES),
            azure_issuers: params.globs(&AZURE_ISSUERS),
        }
    }
}

impl Check for IdentityGrants<'_> {
    fn check(&self, context: &RuleContext<'_>, findings: &mut Findings) -> Result<(), ReviewError> {
        match context.identity_grant() {
            Some(IdentityGrant::Aws(association)) => self.check_association(context, association, findings)?,
            Some(IdentityGrant::Azure(credential)) => self.check_credential(context, credential, findings),
            Some(IdentityGrant::Google(policy)) => self.check_policy(context, policy, findings),
            None => {}
        }
        Ok(())
    }
}

impl IdentityGrants<'_> {
    fn check_association(
        &self,
        context: &RuleContext<'_>,
        association: &Association<'_>,
        findings: &mut Findings,
    ) -> Result<(), ReadError> {
        let rules = role_arn::RULE.with_params(context, RoleRules::read);
        let mut holders: Vec<_> = association.accounts().collect();
        // Even without an account, the role must be one that some account may have.
        if holders.is_empty() {
            holders.push(("", ""));
        }
        for (part, fields) in &association.parts {
            for (key, value) in fields.iter() {
                let path = FieldPath::at(part).field(key);
                if ROLES.contains(&key) {
                    let role = text(*value, &path)?;
                    // An association without a second role leaves it empty.
                    if role.is_empty() {
                        continue;
                    }
                    for &(namespace, account) in &holders {
                        for reason in rules.rejections(&role, Holder { namespace, account }) {
                            rejected(&path, &ROLE, &reason, "", findings);
                        }
                    }
                } else if ROLE_REFERENCES.contains(&key) {
                    if let Some(reference) = value.text().filter(|_| rules.has_lists()) {
                        findings.add(path, &REFERENCE, &["the ARN of the role", reference]);
                    }
                } else if key == "disableSessionTags" {
                    if value.text() == Some("true") {
                        findings.warn(path, &SESSION_TAGS, &[]);
                    }
                } else if let ("policy", Some(policy)) = (key, value.text())
                    && policy != r#""""#
                {
                    findings.push(path, Message::new(&INLINE_POLICY, &[policy]), self.inline_policy);
                } else if key == "serviceAccount" {
                    let account = text(*value, &path)?;
                    for (namespace, name) in association.accounts().filter(|(_, name)| *name == &*account) {
                        self.check_account(context, (namespace, name), &path, rules.allow_on_default, findings);
                    }
                }
            }
        }
        Ok(())
    }

    fn check_credential(&self, context: &RuleContext<'_>, credential: &Credential<'_>, findings: &mut Findings) {
        let path = |field: &str| FieldPath::at("spec").field(field);
        let has_client_list = azure_workload_identity::RULE.with_params(context, azure_workload_identity::has_lists);
        // Who gets the identity is a hidden value of the findings about identity and
        // issuer: for another account, an old finding is new.
        let subject = credential.subject.as_deref().unwrap_or_default();
        if let Some(account) = account_of_subject(subject) {
            self.check_account(context, account, &path("subject"), false, findings);
        }
        // A subject that is not in the object cannot be compared with anything.
        if let Some(reference) = credential.subject_from.text()
            && (has_client_list || !self.azure_identities.is_empty() || !self.azure_issuers.is_empty())
        {
            findings.add(path("subjectFromConfig"), &REFERENCE, &["the subject itself", reference]);
        }
        if let Some(owner) = &credential.owner {
            let written = |text: &Option<Text<'_>>| text.as_deref().filter(|text| !text.is_empty()).map(str::to_owned);
            let in_cluster = written(&owner.name).map(|name| [context.request.namespace(), "/", &name].concat());
            for (field, identity) in [("owner.name", in_cluster), ("owner.armId", written(&owner.arm_id))] {
                let Some(identity) = identity else { continue };
                if self.azure_identities.is_empty() {
                    if has_client_list {
                        let message = Message::new(&UNLISTED, &[subject]).about(&identity);
                        findings.push(path(field), message, MaxSeverity::Action);
                    }
                } else if !glob::any(&self.azure_identities, &identity) {
                    let listed = glob::listed(&self.azure_identities);
                    let message = Message::new(&IDENTITY, &[&listed, subject]).about(&identity);
                    findings.push(path(field), message, MaxSeverity::Action);
                }
            }
        }
        if self.azure_issuers.is_empty() {
            return;
        }
        if let Some(reference) = credential.issuer_from.text() {
            findings.add(path("issuerFromConfig"), &REFERENCE, &["the issuer itself", reference]);
        }
        if let Some(issuer) = credential.issuer.as_deref().filter(|issuer| !glob::any(&self.azure_issuers, issuer)) {
            let message = Message::new(&ISSUER, &[&glob::listed(&self.azure_issuers), subject]).about(issuer);
            findings.push(path("issuer"), message, MaxSeverity::Action);
        }
    }

    fn check_policy(&self, context: &RuleContext<'_>, policy: &Policy<'_>, findings: &mut Findings) {
        let is_account = policy.resource.kind.as_deref() == Some(SERVICE_ACCOUNT_KIND);
        let mut members = Vec::new();
        for granted in &policy.members {
            let impersonates = lets_impersonate(&granted.role);
            // Every role on a service account may allow impersonating it.
            if !is_account && !impersonates {
                continue;
            }
            let path = match granted.entry {
                None => FieldPath::at("spec.member"),
                Some((binding, index)) => {
                    let binding = FieldPath::at("spec.bindings").entry(Some(granted.role.as_str()), binding);
                    binding.field("members").entry(Some(granted.member.as_str()), index)
                }
            };
            match Member::of(&granted.member) {
                Member::Account(namespace, name) => {
                    members.push([&*granted.role, "\0", &granted.member].concat());
                    self.check_account(context, (namespace, name), &path, false, findings);
                }
                Member::Many => {
                    members.push([&*granted.role, "\0", &granted.member].concat());
                    // Long members are truncated in the path: only this tells them apart.
                    findings.add(path, &MANY, &[&granted.member]);
                }
                Member::Other => {}
            }
        }
        if !members.is_empty() {
            check_resource(context, &policy.resource, is_account, &members, findings);
        }
    }

    /// Checks the account of a grant: its namespace and its name.
    fn check_account(
        &self,
        context: &RuleContext<'_>,
        (namespace, name): (&str, &str),
        path: &FieldPath,
        allow_on_default: bool,
        findings: &mut Findings,
    ) {
        if name == DEFAULT_ACCOUNT && !allow_on_default {
            findings.add(path.clone(), &DEFAULT, &[namespace]);
        }
        // Some kinds are cluster-scoped.
        let home = context.request.namespace();
        if !home.is_empty() && home != namespace && !glob::any(&self.from_namespaces, home) {
            findings.add(path.clone(), &OTHER_NAMESPACE, &[&[namespace, "/", name].concat(), home]);
        }
    }
}

/// Checks the service accounts that members can use; a member is a role and a name. There is one finding for each member, all
/// with the same text: on an UPDATE, only those for new members are new.
fn check_resource(
    context: &RuleContext<'_>,
    resource: &Resource<'_>,
    is_account: bool,
    members: &[String],
    findings: &mut Findings,
) {
    let path = |field: &str| FieldPath::at("spec.resourceRef").field(field);
    let text = |text: &Option<Text<'_>>| text.as_deref().unwrap_or_default().to_owned();
    // Hidden, so that a finding for another resource in this place is new.
    let which = [text(&resource.name), text(&resource.namespace), text(&resource.external)].join("\0");
    let of_member = |member: &str| [which.as_str(), "\0", member].concat();
    if !is_account {
        for member in members {
            findings.add(path("kind"), &EVERY_IDENTITY, &[&text(&resource.kind), &of_member(member)]);
        }
        return;
    }
    let projects = gcp_service_account::RULE.with_params(context, Projects::read);
    match resource.external.as_deref().filter(|external| !external.is_empty()) {
        Some(external) => {
            let Some(reason) = projects.refusal(email(external)) else { return };
            for member in members {
                rejected(&path("external"), &SERVICE_ACCOUNT, &reason, member, findings);
            }
        }
        None if projects.has_list() => {
            const WANTED: &str = "the email address of the service account in the field external";
            for member in members {
                findings.add(path("name"), &REFERENCE, &[WANTED, &of_member(member)]);
            }
        }
        None => {}
    }
}

/// The email address in `projects/my-project/serviceAccounts/name@my-project.iam.gserviceaccount.com`.
/// Any other form is used as a whole: its end may not be what Google reads.
fn email(external: &str) -> &str {
    let parts = external.strip_prefix("projects/").and_then(|rest| rest.split_once("/serviceAccounts/"));
    let is_plain = |project: &str| project.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-.:".contains(&byte));
    parts.filter(|(project, _)| is_plain(project)).map_or(external, |(_, email)| email)
}

/// Whether a role on more than one service account lets its members impersonate
/// them, or gain the right to do so. Custom roles are unknown.
/// <https://cloud.google.com/iam/docs/service-account-permissions>
fn lets_impersonate(role: &str) -> bool {
    role.starts_with("roles/iam.serviceAccount") || matches!(role, "roles/iam.workloadIdentityUser" | "roles/owner")
}

/// Reports why another rule rejects a value. The value itself comes last, so that a long reason does not cut it off. `hidden`
/// only tells findings apart.
#[inline(never)]
fn rejected(
    path: &FieldPath,
    template: &'static MessageTemplate,
    reason: &Message,
    hidden: &str,
    findings: &mut Findings,
) {
    let help = reason.help();
    let separator = if help.is_empty() { "" } else { "; " };
    let message = Message::new(template, &[&[&reason.message(), separator, &help].concat(), hidden]);
    let message = match reason.value() {
        Some(value) => message.about(value),
        None => message,
    };
    findings.push(path.clone(), message, MaxSeverity::Action);
}

fn text<'a>(value: Raw<'a>, path: &FieldPath) -> Result<Text<'a>, ReadError> {
    value.read_at(&|| format!("{OBJECT}.{path}"))
}

#[cfg(test)]
mod tests;
