// SPDX-License-Identifier: Apache-2.0
//! What a rule is, and the contract that it keeps.

use super::context::{Edit, ReviewError, RuleContext};
use crate::admission::subject::SubjectKind;
use crate::diagnostic::findings::{Changes, Findings};
use crate::diagnostic::message::{Message, MessageTemplate};
use crate::object::json::Cursor;
use crate::settings::Profile;
use crate::settings::action::{CheckAction, FixAction};
use crate::settings::doc::Doc;
use crate::settings::params::{self, Param, Params};
use crate::settings::reader::{Path, Problems, Value};

/// The declaration of a rule: everything that is known of it without settings.
///
/// The settings reader, the JSON schema, the forms, the documentation and many
/// tests are derived from it, so nothing is written twice. A rule is a module
/// of `rules` with
///
/// - `pub static RULE: Rule`, this declaration;
/// - its parameters, each a named constant, in one static array;
/// - its messages, declared with [`messages!`](crate::messages);
/// - a type that implements [`Check`] and, if the rule can fix what it finds,
///   [`Fix`]. Its `new` reads all parameters from [`Params`], which also
///   validates them.
///
/// One line in the registry, `rules/mod.rs`, adds the rule to the policy.
#[derive(Debug)]
pub struct Rule {
    /// The name of the rule in settings, messages, documentation and audit
    /// annotations, in kebab case.
    ///
    /// Once released, it never changes: settings and dashboards refer to it.
    pub id: &'static str,
    /// What the rule requires or forbids, in one line: "forbids containers from
    /// using Secrets with legacy tokens".
    pub summary: Doc,
    /// The kinds of objects that the rule checks. For other kinds, the rule is
    /// not even opened.
    pub subjects: &'static [SubjectKind],
    /// The parameters, in the order of the documentation.
    pub params: &'static [&'static Param],
    /// Every message that the rule can report: the lists of the modules that
    /// declare them. Tests ensure that each message is used, and that no other
    /// is.
    pub messages: &'static [&'static [&'static MessageTemplate]],
    /// What the rule can do, and what it does in the profile `baseline`.
    pub ability: Ability,
    /// What the rule does in the profile `restricted`.
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
    /// Off: only the operator of the cluster knows what is right there.
    pub const OFF: Self = Self::new(FixAction::Check(CheckAction::Off));
    /// Warns.
    pub const WARN: Self = Self::new(FixAction::Check(CheckAction::Warn));
    /// Rejects.
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
    /// Checks.
    Check {
        /// The action if the settings do not mention the rule.
        default: CheckAction,
    },
    /// Checks and fixes.
    Fix {
        /// The action if the settings do not mention the rule.
        default: FixAction,
    },
    /// Acts as another webhook: adds to a Pod what that webhook would add,
    /// before other rules fix the Pod. Off unless the settings turn it on.
    Inject,
}

/// A rule with its parameters, which checks objects.
///
/// The engine calls [`Check::check`] once for each object of the rule's
/// subjects, after all fixes; on an UPDATE also with the stored object, so that
/// findings which it already had are warnings and not rejections. A check
///
/// - reads the object, the request and the settings through the context, and
///   queries the cluster only through [`RuleContext::account`] and similar
///   methods, as late as possible: a look-up is by far the most expensive part of
///   a review;
/// - reports everything that is wrong, in any order, each finding with the path
///   of the field that has to change;
/// - does not decide whether a finding warns or rejects: the settings do. It can
///   limit a finding to a warning where a rejection would break running
///   workloads;
/// - gives the same findings for the same input, whatever other rules do;
/// - never panics, and never shows the value of an environment variable, a
///   Secret or a token, neither in the text of a message nor as one of its
///   values. A value that is needed to tell an old finding from a new one goes
///   into a position beyond those of the template, which is never shown.
///
/// Lints and property tests enforce the last two points.
pub trait Check {
    /// Adds the findings for the object to `findings`.
    ///
    /// # Errors
    /// [`ReviewError`] if the object or the cluster cannot be read: the request is
    /// rejected.
    fn check(&self, context: &RuleContext<'_>, findings: &mut Findings) -> Result<(), ReviewError>;
}

/// A rule that can fix what it finds.
///
/// The engine calls [`Fix::fix`] only if the rule's action is `mutate`, and only
/// if the fixes are applied or, for a template, predicted. It then reads the
/// changed object again, and every rule checks it: a finding that the fix leaves
/// is a rejection. A fix
///
/// - changes only the fields that it means to, and reports each change;
/// - makes all of its changes or none: if an [`Edit`] returns `false`, another
///   fix removed the object, and the change must not be reported;
/// - changes nothing the second time: the result passes the rule's own check;
/// - keeps every other byte of the object, and the order of its lists.
pub trait Fix: Check {
    /// Changes the object through `edit`, and adds each change to `changes`.
    ///
    /// # Errors
    /// [`ReviewError`] if the object or the cluster cannot be read.
    fn fix(&self, context: &RuleContext<'_>, edit: &mut Edit<'_, '_>, changes: &mut Changes)
    -> Result<(), ReviewError>;
}

/// The rules of the policy. The engine gets them as an argument and does not
/// know any of them by name.
pub trait Registry: Copy {
    /// Any of the rules, with its parameters. A rule that cannot fix does nothing
    /// in [`Fix::fix`].
    type Opened<'a>: Fix;

    /// The declarations, in the order of the documentation.
    fn rules(self) -> &'static [&'static Rule];

    /// The rule at a position of [`Registry::rules`], if there is one.
    fn open<'a>(self, position: usize, params: &mut Params<'_, 'a>) -> Option<Self::Opened<'a>>;

    /// The IDs of the rules.
    fn ids(self) -> Vec<&'static str> {
        self.rules().iter().map(|rule| rule.id).collect()
    }
}

impl Rule {
    /// Reads the parameters of this rule for another rule. They apply even
    /// where this rule is off or exempt; only this rule reports their problems.
    pub fn with_params<'s, T>(
        &'static self,
        context: &RuleContext<'s>,
        read: impl FnOnce(&mut Params<'_, 's>) -> T,
    ) -> T {
        let mut problems = Problems::default();
        let mut members = Vec::new();
        if let Some((_, text)) = context.rules.iter().find(|(id, _)| id == self.id) {
            let mut json = Cursor::new(text);
            let mut value = Value::new(&mut json, Path::Root);
            if value.is_map() {
                members = params::members(value, self.params, &mut problems);
            }
        }
        let mut params = Params::new(members, self.params, Path::Root, &mut problems, context.common);
        params.of_profile = self.params_in(context.common.profile);
        read(&mut params)
    }

    /// The action in a profile, if the settings do not mention the rule.
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

    /// The parameters whose defaults a profile changes, as JSON.
    #[must_use]
    pub const fn params_in(&self, profile: Profile) -> &'static [(&'static str, &'static str)] {
        match profile {
            Profile::Restricted => self.restricted.params,
            Profile::Baseline | Profile::Observe => &[],
        }
    }

    /// Whether the declaration contains a message.
    #[must_use]
    pub fn declares(&self, message: &Message) -> bool {
        self.messages.iter().copied().flatten().any(|template| *template == message.template())
    }

    /// The action if the settings mention neither the rule nor a profile.
    #[must_use]
    pub const fn default_action(&self) -> FixAction {
        match self.ability {
            Ability::Check { default } => FixAction::Check(default),
            Ability::Fix { default } => default,
            Ability::Inject => FixAction::Check(CheckAction::Off),
        }
    }

    /// The actions that the rule can have.
    #[must_use]
    pub const fn actions(&self) -> &'static [&'static str] {
        match self.ability {
            Ability::Check { .. } => CheckAction::WORDS,
            Ability::Fix { .. } => FixAction::WORDS,
            Ability::Inject => &["off", "mutate"],
        }
    }

    /// Whether the rule can change objects.
    #[must_use]
    pub const fn changes_objects(&self) -> bool {
        !matches!(self.ability, Ability::Check { .. })
    }

    /// Whether the rule changes objects before other rules do.
    #[must_use]
    pub const fn injects(&self) -> bool {
        matches!(self.ability, Ability::Inject)
    }
}
