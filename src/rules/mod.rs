// SPDX-License-Identifier: Apache-2.0
//! The rules, one module each. [`engine::rule`](crate::engine::rule) defines what
//! a rule is. To add one, write `rules/<rule>/mod.rs` and add one line to
//! `rules!`; the tests report what else is missing.

pub mod account_permissions;
pub mod azure_workload_identity;
pub mod binding_subjects;
pub mod cloud_token_audience;
pub mod default_service_account;
pub mod ephemeral_token_mount;
pub mod gcp_service_account;
pub mod host_network_identity;
pub mod identity_annotation_keys;
pub mod identity_annotation_placement;
pub mod identity_annotations;
pub mod identity_editors;
pub mod identity_env;
pub mod identity_grants;
pub mod identity_injection;
pub mod irsa_injection;
pub mod kubelet_host_path;
pub mod legacy_token_mount;
pub mod legacy_token_secret;
pub mod one_year_token;
pub mod pod_automount;
pub mod projected_token_audience;
pub mod projected_token_lifetime;
pub mod reserved_volume_name;
pub mod role_arn;
pub mod service_account_automount;
pub mod service_account_secrets;
pub mod shared;
pub mod static_credentials;
pub mod token_and_cloud_role;
pub mod token_issuing_roles;
pub mod token_request;
pub mod workload_certificates;

use crate::diagnostic::findings::{Changes, Findings};
use crate::engine::context::{Edit, ReviewError, RuleContext};
pub use crate::engine::rule::Rule;
use crate::engine::rule::{Check, Fix, Registry};
use crate::settings::params::Params;

/// One line for each rule, in the order of the documentation: its module, its
/// type, and whether it has a fix.
macro_rules! rules {
    ($($module:ident: $rule:ident $(<$lt:lifetime>)? $(+ $fix:ident)?,)*) => {
        /// Every rule, in the order of the documentation.
        pub static RULES: &[&Rule] = &[$(&$module::RULE),*];

        enum AnyRule<'a> {
            $($rule(Box<$module::$rule $(<$lt>)?>),)*
        }

        impl<'a> AnyRule<'a> {
            /// The rule at a position of [`RULES`].
            fn open(position: usize, params: &mut Params<'_, 'a>) -> Option<Self> {
                // The compiler turns these comparisons into a jump.
                let mut rules = 0..RULES.len();
                $(if rules.next() == Some(position) {
                    return Some(Self::$rule(Box::new($module::$rule::new(params))));
                })*
                None
            }

            fn check(&self, context: &RuleContext<'_>, findings: &mut Findings) -> Result<(), ReviewError> {
                match self {
                    $(Self::$rule(rule) => rule.check(context, findings),)*
                }
            }

            fn fix(&self, context: &RuleContext<'_>, edit: &mut Edit<'_, '_>, changes: &mut Changes) -> Result<(), ReviewError> {
                match self {
                    $($(Self::$rule(rule) => $fix::fix(rule.as_ref(), context, edit, changes),)?)*
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
    host_network_identity: HostNetworkIdentity<'a>,
    workload_certificates: WorkloadCertificates<'a>,
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
    identity_grants: IdentityGrants<'a>,
    token_request: TokenRequest<'a> + Fix,
    legacy_token_secret: LegacyTokenSecret<'a>,
    binding_subjects: BindingSubjects<'a>,
    token_issuing_roles: TokenIssuingRoles,
    irsa_injection: IrsaInjection<'a> + Fix,
}

/// All rules, for the engine.
#[derive(Debug, Clone, Copy)]
pub struct AllRules;

impl Registry for AllRules {
    type Opened<'a> = OpenedRule<'a>;

    fn rules(self) -> &'static [&'static Rule] {
        RULES
    }

    fn open<'a>(self, position: usize, params: &mut Params<'_, 'a>) -> Option<OpenedRule<'a>> {
        AnyRule::open(position, params).map(OpenedRule)
    }
}

/// A rule with its parameters. Rules are dispatched by a jump, not through a
/// table of functions: indirect calls are slower in a fresh instance, and a
/// request would make dozens of them (docs/performance.md).
pub struct OpenedRule<'a>(AnyRule<'a>);

impl Check for OpenedRule<'_> {
    fn check(&self, context: &RuleContext<'_>, findings: &mut Findings) -> Result<(), ReviewError> {
        self.0.check(context, findings)
    }
}

impl Fix for OpenedRule<'_> {
    fn fix(
        &self,
        context: &RuleContext<'_>,
        edit: &mut Edit<'_, '_>,
        changes: &mut Changes,
    ) -> Result<(), ReviewError> {
        self.0.fix(context, edit, changes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matching::glob::Glob;
    use crate::object::view::Text;
    use crate::settings::params::Kind;
    use crate::settings::reader::{Path, Problems};
    use crate::settings::{Common, Profile};
    use serde_json::{Value, json};

    #[test]
    fn ids() {
        let mut ids: Vec<&str> = RULES.iter().map(|rule| rule.id).collect();
        for id in &ids {
            assert!(id.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'), "{id}");
        }
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), RULES.len());
    }

    #[test]
    fn abilities_match_fixes() {
        let can_mutate = RULES.iter().map(|rule| rule.changes_objects());
        assert_eq!(can_mutate.collect::<Vec<_>>(), HAVE_FIX);
        assert!(HAVE_FIX.contains(&true) && HAVE_FIX.contains(&false));
    }

    #[test]
    fn parameter_names() {
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

    /// Defaults are not validated when they are read.
    #[test]
    fn defaults_are_valid() {
        for rule in RULES {
            for param in rule.params.iter().filter(|param| !param.default.is_empty()) {
                let settings = format!(r#"{{"rules":{{"{}":{{"{}":{}}}}}}}"#, rule.id, param.name, param.default);
                let problem = crate::engine::settings_problem(AllRules, settings.as_bytes()).unwrap_or_default();
                // Some parameters are valid only together with another one.
                let of_its_own = format!(".{}", param.name);
                let alone = ["has no effect without", "is missing"];
                let is_bad = problem
                    .lines()
                    .any(|line| line.contains(&of_its_own) && !alone.iter().any(|text| line.contains(text)));
                assert!(!is_bad, "{problem}");
            }
        }
    }

    /// Defaults are read as text, not as JSON.
    #[test]
    fn defaults_are_plain() {
        let common = Common::default();
        let mut count = 0;
        for rule in RULES {
            let by_name = |name: &str| rule.params.iter().copied().find(|param| param.name == name);
            let of_profile = rule.params_in(Profile::Restricted).iter();
            let of_profile = of_profile.map(|(name, text)| (by_name(name).expect("a parameter"), *text));
            for (param, text) in rule.params.iter().map(|param| (*param, param.default)).chain(of_profile) {
                let mut problems = Problems::default();
                let mut params = Params::new(Vec::new(), &[], Path::Root, &mut problems, &common);
                params.of_profile = Box::leak(Box::new([(param.name, text)]));
                let read = match param.kind {
                    Kind::Flag => json!(params.flag(param)),
                    Kind::Choice(_) => json!(params.choice(param)),
                    Kind::Globs(_) => params.globs(param).iter().map(Glob::as_str).collect(),
                    Kind::Texts { .. } => params.texts(param).iter().map(Text::as_str).collect(),
                    Kind::Seconds { .. } => json!(params.seconds(param)),
                    _ => continue,
                };
                assert_eq!(read, serde_json::from_str::<Value>(text).unwrap(), "{}: {}", rule.id, param.name);
                count += 1;
            }
        }
        assert!(count > 50, "{count}");
    }

    #[test]
    fn message_style() {
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
