// SPDX-License-Identifier: Apache-2.0
//! The rules, one room each. A room declares its id, documentation, parameters
//! and texts, and holds its check, its fix and its tests.
//!
//! To add a rule: write `rules/<rule>.rs` and add one line to `rules!`. The
//! tests then say what else is missing.

pub mod account_permissions;
pub mod azure_workload_identity;
pub mod binding_subjects;
pub mod cloud;
pub mod cloud_token_audience;
pub mod default_service_account;
pub mod ephemeral_token_mount;
pub mod gcp_service_account;
pub mod identity_annotation_keys;
pub mod identity_annotation_placement;
pub mod identity_annotations;
pub mod identity_editors;
pub mod identity_env;
pub mod identity_injection;
pub mod irsa_injection;
pub mod java_options;
pub mod kubelet_host_path;
pub mod legacy_token_mount;
pub mod legacy_token_secret;
pub mod one_year_token;
pub mod permissions;
pub mod pod_automount;
pub mod projected_token_audience;
pub mod projected_token_lifetime;
pub mod reserved_volume_name;
pub mod role_arn;
pub mod service_account_automount;
pub mod service_account_secrets;
pub mod static_credentials;
pub mod token_and_cloud_role;
pub mod token_issuing_roles;
pub mod token_request;
pub mod tokens;

use crate::admission::subject::SubjectKind;
use crate::diagnostic::findings::{Changes, Findings};
use crate::diagnostic::message::MessageTemplate;
use crate::engine::context::{Edit, ReviewError, RuleContext};
use crate::settings::Profile;
use crate::settings::action::{CheckAction, FixAction};
use crate::settings::params::{Param, Params};

/// A line for each rule: its module, the type that it is with its parameters,
/// and whether that has a fix. In the order of the documentation.
macro_rules! rules {
    ($($module:ident: $room:ident $(<$lt:lifetime>)? $(+ $fix:ident)?,)*) => {
        /// Every rule, in the order of the documentation.
        pub static RULES: &[&Rule] = &[$(&$module::RULE),*];

        enum AnyRule<'a> {
            $($room(Box<$module::$room $(<$lt>)?>),)*
        }

        impl<'a> AnyRule<'a> {
            /// The rule at a position of [`RULES`].
            fn open(position: usize, params: &mut Params<'_, 'a>) -> Option<Self> {
                // The compiler makes a jump of these.
                let mut rules = 0..RULES.len();
                $(if rules.next() == Some(position) {
                    return Some(Self::$room(Box::new($module::$room::new(params))));
                })*
                None
            }

            fn check(&self, context: &RuleContext<'_>, findings: &mut Findings) -> Result<(), ReviewError> {
                match self {
                    $(Self::$room(room) => room.check(context, findings),)*
                }
            }

            fn fix(&self, context: &RuleContext<'_>, edit: &mut Edit<'_, '_>, changes: &mut Changes) -> Result<(), ReviewError> {
                match self {
                    $($(Self::$room(room) => $fix::fix(room.as_ref(), context, edit, changes),)?)*
                    _ => Ok(()),
                }
            }
        }

        /// Whether there is a fix, for each of [`RULES`].
        #[cfg(test)]
        const HAVE_FIX: &[bool] = &[$(!stringify!($($fix)?).is_empty()),*];
    };
}

rules! {
    pod_automount: PodAutomount<'a> + Fix,
    default_service_account: DefaultServiceAccount,
    projected_token_audience: ProjectedTokenAudience<'a>,
    projected_token_lifetime: ProjectedTokenLifetime + Fix,
    one_year_token: OneYearToken + Fix,
    reserved_volume_name: ReservedVolumeName,
    legacy_token_mount: LegacyTokenMount<'a>,
    ephemeral_token_mount: EphemeralTokenMount,
    kubelet_host_path: KubeletHostPath<'a>,
    account_permissions: AccountPermissions<'a>,
    token_and_cloud_role: TokenAndCloudRole,
    static_credentials: StaticCredentials<'a>,
    identity_env: IdentityEnv,
    cloud_token_audience: CloudTokenAudience<'a>,
    identity_injection: IdentityInjection,
    identity_annotation_placement: IdentityAnnotationPlacement,
    service_account_automount: ServiceAccountAutomount<'a> + Fix,
    service_account_secrets: ServiceAccountSecrets<'a>,
    role_arn: RoleArnRule<'a>,
    identity_annotations: IdentityAnnotations<'a> + Fix,
    identity_annotation_keys: IdentityAnnotationKeys,
    identity_editors: IdentityEditors<'a>,
    gcp_service_account: GcpServiceAccountRule<'a>,
    azure_workload_identity: AzureWorkloadIdentity<'a>,
    token_request: TokenRequest<'a> + Fix,
    legacy_token_secret: LegacyTokenSecret<'a>,
    binding_subjects: BindingSubjects<'a>,
    token_issuing_roles: TokenIssuingRoles,
    irsa_injection: IrsaInjection<'a> + Fix,
}

/// A rule with its parameters. Rules are told apart by a jump, not by a table of
/// their functions: calls through WebAssembly's table cost a fresh instance
/// extra, and here there would be dozens in a request (docs/performance.md).
pub struct OpenRule<'a>(AnyRule<'a>);

impl<'a> OpenRule<'a> {
    /// The rule at a position of [`RULES`], if there is one.
    pub fn open(position: usize, params: &mut Params<'_, 'a>) -> Option<Self> {
        AnyRule::open(position, params).map(Self)
    }

    /// As [`Check::judge`].
    ///
    /// # Errors
    /// As [`Check::judge`].
    pub fn check(&self, context: &RuleContext<'_>, findings: &mut Findings) -> Result<(), ReviewError> {
        self.0.check(context, findings)
    }

    /// As [`Fix::fix`]; a rule without a fix changes nothing.
    ///
    /// # Errors
    /// As [`Fix::fix`].
    pub fn fix(
        &self,
        context: &RuleContext<'_>,
        edit: &mut Edit<'_, '_>,
        changes: &mut Changes,
    ) -> Result<(), ReviewError> {
        self.0.fix(context, edit, changes)
    }
}

/// A rule: what is known of it without any settings.
#[derive(Debug)]
pub struct Rule {
    /// The same word in settings, messages, documentation and audit
    /// annotations.
    pub id: &'static str,
    /// One line for people.
    pub summary: &'static str,
    /// What it judges.
    pub subjects: &'static [SubjectKind],
    /// Its parameters.
    pub params: &'static [Param],
    /// Every text that it can give.
    pub messages: &'static [&'static [&'static MessageTemplate]],
    /// Whether it only judges, and what it does in the profile `baseline`.
    pub ability: Ability,
    /// What it does in the profile `restricted`.
    pub restricted: Restricted,
}

/// What a rule does in the profile `restricted`.
#[derive(Debug)]
pub struct Restricted {
    action: FixAction,
    /// Parameters that differ from their defaults, as JSON.
    params: &'static [(&'static str, &'static str)],
}

impl Restricted {
    /// Not asked: only whoever runs the cluster can say what is right there.
    pub const OFF: Self = Self::new(FixAction::Check(CheckAction::Off));
    /// Warns.
    pub const WARN: Self = Self::new(FixAction::Check(CheckAction::Warn));
    /// Refuses.
    pub const REJECT: Self = Self::new(FixAction::Check(CheckAction::Reject));
    /// Fixes.
    pub const MUTATE: Self = Self::new(FixAction::Mutate);

    const fn new(action: FixAction) -> Self {
        Self { action, params: &[] }
    }

    /// The same with these parameters, as JSON.
    #[must_use]
    pub const fn with(self, params: &'static [(&'static str, &'static str)]) -> Self {
        Self { action: self.action, params }
    }
}

/// What a rule can do.
#[derive(Debug)]
pub enum Ability {
    /// Judges.
    Check {
        /// What it does when the settings say nothing.
        default: CheckAction,
    },
    /// Judges and fixes.
    Fix {
        /// What it does when the settings say nothing.
        default: FixAction,
    },
    /// Acts as another webhook: adds to a Pod what that one would, before the
    /// fixes see it. Off unless the settings ask for it.
    Inject,
}

/// A rule with its parameters.
pub trait Check {
    /// Notes what is wrong.
    ///
    /// # Errors
    /// [`ReviewError`] when the object or the cluster cannot be read.
    fn check(&self, context: &RuleContext<'_>, findings: &mut Findings) -> Result<(), ReviewError>;
}

/// A rule that can mend what it finds.
pub trait Fix: Check {
    /// Changes only the fields it means to, all or none of them. Afterwards
    /// the rule judges the changed object.
    ///
    /// # Errors
    /// [`ReviewError`] when the object or the cluster cannot be read.
    fn fix(&self, context: &RuleContext<'_>, edit: &mut Edit<'_, '_>, changes: &mut Changes)
    -> Result<(), ReviewError>;
}

impl Rule {
    /// The action in a profile, when the settings say nothing of the rule.
    #[must_use]
    pub const fn action_in(&self, profile: Profile) -> FixAction {
        match (profile, self.default_action()) {
            (Profile::Restricted, _) => self.restricted.action,
            (Profile::Observe, FixAction::Check(CheckAction::Reject) | FixAction::Mutate) => {
                FixAction::Check(CheckAction::Warn)
            }
            (_, default) => default,
        }
    }

    /// Defaults of the parameters, as JSON, that a profile changes.
    #[must_use]
    pub const fn params_in(&self, profile: Profile) -> &'static [(&'static str, &'static str)] {
        match profile {
            Profile::Restricted => self.restricted.params,
            Profile::Baseline | Profile::Observe => &[],
        }
    }

    /// The action when the settings say nothing, not even a profile.
    #[must_use]
    pub const fn default_action(&self) -> FixAction {
        match self.ability {
            Ability::Check { default } => FixAction::Check(default),
            Ability::Fix { default } => default,
            Ability::Inject => FixAction::Check(CheckAction::Off),
        }
    }

    /// The actions it can have.
    #[must_use]
    pub const fn actions(&self) -> &'static [&'static str] {
        match self.ability {
            Ability::Check { .. } => CheckAction::WORDS,
            Ability::Fix { .. } => FixAction::WORDS,
            Ability::Inject => &["off", "mutate"],
        }
    }

    /// Whether it changes objects.
    #[must_use]
    pub const fn changes_objects(&self) -> bool {
        !matches!(self.ability, Ability::Check { .. })
    }

    /// Whether it does so before others.
    #[must_use]
    pub const fn injects(&self) -> bool {
        matches!(self.ability, Ability::Inject)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_kebab_case_and_unique() {
        let mut ids: Vec<&str> = RULES.iter().map(|rule| rule.id).collect();
        for id in &ids {
            assert!(id.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'), "{id}");
        }
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), RULES.len());
    }

    #[test]
    fn what_can_mutate_has_a_fix() {
        let can_mutate = RULES.iter().map(|rule| rule.changes_objects());
        assert_eq!(can_mutate.collect::<Vec<_>>(), HAVE_FIX);
        assert!(HAVE_FIX.contains(&true) && HAVE_FIX.contains(&false));
    }

    #[test]
    fn parameters_are_camel_case_and_unique() {
        for rule in RULES {
            let mut names: Vec<&str> = rule.params.iter().map(|param| param.name).collect();
            for name in &names {
                assert!(
                    name.starts_with(|c: char| c.is_ascii_lowercase())
                        && name.chars().all(|c| c.is_ascii_alphanumeric()),
                    "{name}"
                );
                assert_ne!(*name, "action", "{}", rule.id);
            }
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), rule.params.len(), "{}", rule.id);
        }
    }

    /// Defaults are not checked when they are read.
    #[test]
    fn defaults_are_values_that_could_be_given() {
        for rule in RULES {
            for param in rule.params.iter().filter(|param| !param.default.is_empty()) {
                let settings = format!(r#"{{"rules":{{"{}":{{"{}":{}}}}}}}"#, rule.id, param.name, param.default);
                let problem = crate::engine::settings_problem(settings.as_bytes()).unwrap_or_default();
                // Some go only with another one.
                let of_its_own = format!(".{}", param.name);
                let alone = ["has no effect without", "is missing"];
                let is_bad = problem
                    .lines()
                    .any(|line| line.contains(&of_its_own) && !alone.iter().any(|text| line.contains(text)));
                assert!(!is_bad, "{problem}");
            }
        }
    }

    #[test]
    fn texts_are_lower_case_without_a_stop_and_named_once() {
        for rule in RULES {
            let mut names = Vec::new();
            for template in rule.messages.iter().copied().flatten() {
                for text in [template.message, template.help].into_iter().filter(|text| !text.is_empty()) {
                    assert!(!text.ends_with('.'), "{text}");
                    assert!(!text.replace("{}", "").contains(['{', '}']), "{text}");
                }
                // The help may begin with a name, such as `IAM`.
                assert!(template.message.starts_with(|c: char| !c.is_uppercase()), "{}", template.name);
                names.push(template.name);
            }
            let count = names.len();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), count, "{}", rule.id);
        }
    }
}
