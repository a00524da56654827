// SPDX-License-Identifier: Apache-2.0
//! The rules, one room each. A room declares its id, documentation, parameters
//! and texts, and holds its check, its fix and its tests.
//!
//! To add a rule: write `rules/<rule>.rs` and add one line to [`RULES`]. The
//! tests then say what else is missing.

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
pub mod static_credentials;
pub mod token_and_cloud_role;
pub mod token_issuing_roles;
pub mod token_request;
pub mod tokens;

use std::fmt;

use crate::admission::subject::SubjectKind;
use crate::engine::finding::{Changes, Findings, Wording};
use crate::engine::scene::{Edit, Scene, Stop};
use crate::settings::action::{CheckAction, FixAction};
use crate::settings::params::{Param, Params};

/// Every rule, in the order of the documentation.
pub static RULES: &[&Rule] = &[
    &pod_automount::RULE,
    &default_service_account::RULE,
    &projected_token_audience::RULE,
    &projected_token_lifetime::RULE,
    &one_year_token::RULE,
    &reserved_volume_name::RULE,
    &legacy_token_mount::RULE,
    &ephemeral_token_mount::RULE,
    &kubelet_host_path::RULE,
    &token_and_cloud_role::RULE,
    &static_credentials::RULE,
    &identity_env::RULE,
    &cloud_token_audience::RULE,
    &identity_injection::RULE,
    &identity_annotation_placement::RULE,
    &service_account_automount::RULE,
    &service_account_secrets::RULE,
    &role_arn::RULE,
    &identity_annotations::RULE,
    &identity_annotation_keys::RULE,
    &identity_editors::RULE,
    &gcp_service_account::RULE,
    &azure_workload_identity::RULE,
    &token_request::RULE,
    &legacy_token_secret::RULE,
    &binding_subjects::RULE,
    &token_issuing_roles::RULE,
    &irsa_injection::RULE,
];

/// A rule: what is known of it without any settings.
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
    pub wordings: &'static [&'static Wording],
    /// How it is made from settings.
    pub room: Room,
}

/// A rule that only judges, or one that also fixes.
pub enum Room {
    /// Judges.
    Check {
        /// What it does when the settings say nothing.
        default: CheckAction,
        /// Reads its parameters.
        build: for<'a> fn(&mut Params<'_, 'a>) -> Box<dyn Check + 'a>,
    },
    /// Judges and fixes.
    Fix {
        /// What it does when the settings say nothing.
        default: FixAction,
        /// Reads its parameters.
        build: for<'a> fn(&mut Params<'_, 'a>) -> Box<dyn Fix + 'a>,
    },
    /// Acts as another webhook: adds to a Pod what that one would, before the
    /// fixes see it. Off unless the settings ask for it.
    Inject {
        /// Reads its parameters.
        build: for<'a> fn(&mut Params<'_, 'a>) -> Box<dyn Fix + 'a>,
    },
}

/// A rule with its parameters.
pub trait Check {
    /// Notes what is wrong.
    ///
    /// # Errors
    /// [`Stop`] when the object or the cluster cannot be read.
    fn judge(&self, scene: &Scene<'_>, findings: &mut Findings) -> Result<(), Stop>;
}

/// A rule that can mend what it finds.
pub trait Fix: Check {
    /// Changes only the fields it means to, all or none of them. Afterwards
    /// the rule judges the changed object.
    ///
    /// # Errors
    /// [`Stop`] when the object or the cluster cannot be read.
    fn fix(&self, scene: &Scene<'_>, edit: &mut Edit<'_, '_>, changes: &mut Changes) -> Result<(), Stop>;
}

impl Rule {
    /// The action when the settings say nothing.
    #[must_use]
    pub const fn default_action(&self) -> FixAction {
        match self.room {
            Room::Check { default, .. } => FixAction::Check(default),
            Room::Fix { default, .. } => default,
            Room::Inject { .. } => FixAction::Check(CheckAction::Off),
        }
    }

    /// The actions it can have.
    #[must_use]
    pub const fn actions(&self) -> &'static [&'static str] {
        match self.room {
            Room::Check { .. } => CheckAction::WORDS,
            Room::Fix { .. } => FixAction::WORDS,
            Room::Inject { .. } => &["off", "mutate"],
        }
    }

    /// Whether it changes objects.
    #[must_use]
    pub const fn changes_objects(&self) -> bool {
        !matches!(self.room, Room::Check { .. })
    }

    /// Whether it does so before others.
    #[must_use]
    pub const fn injects(&self) -> bool {
        matches!(self.room, Room::Inject { .. })
    }
}

impl fmt::Debug for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id)
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
            for wording in rule.wordings {
                let first = wording.template.chars().next();
                assert!(first.is_some_and(|c| !c.is_uppercase()), "{}", wording.template);
                assert!(!wording.template.ends_with('.'), "{}", wording.template);
                names.push(wording.name);
            }
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), rule.wordings.len(), "{}", rule.id);
        }
    }
}
