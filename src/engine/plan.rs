// SPDX-License-Identifier: Apache-2.0
//! Which rules apply to a request, each with its action and parameters.

use super::rule::{Registry, Rule};
use crate::admission::subject::SubjectKind;
use crate::object::json::Cursor;
use crate::settings::action::{CheckAction, FixAction};
use crate::settings::params::{self, Params};
use crate::settings::reader::{Path, Problems, Value, unknown};
use crate::settings::{Common, Settings};

/// A rule that is on.
pub struct Planned<R> {
    /// The rule.
    pub rule: &'static Rule,
    /// What its findings lead to.
    pub level: Level,
    /// Whether its action is `mutate`.
    pub fixes: bool,
    /// The rule with its parameters.
    pub opened: R,
}

/// What a finding leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// A warning.
    Warn,
    /// A rejection.
    Reject,
}

/// The rules that are on for a kind of subject. The settings of other rules are
/// not read.
#[must_use]
pub fn plan<'a, R: Registry>(
    registry: R,
    settings: &Settings<'a>,
    kind: SubjectKind,
    problems: &mut Problems,
) -> Vec<Planned<R::Opened<'a>>> {
    let rules = registry.rules().iter().enumerate();
    rules
        .filter(|(_, rule)| rule.subjects.contains(&kind))
        .filter_map(|(position, rule)| {
            let given = settings.rules.iter().find(|(id, _)| id == rule.id);
            planned(registry, (position, rule), given.map(|(_, text)| *text), &settings.common, problems)
        })
        .collect()
}

/// Reads the settings of every rule that they name, to find their problems.
pub fn read_all<R: Registry>(registry: R, settings: &Settings<'_>, problems: &mut Problems) {
    let path = Path::Key(&Path::Root, "rules");
    for (id, text) in &settings.rules {
        match registry.rules().iter().enumerate().find(|(_, rule)| rule.id == id) {
            Some((position, rule)) => drop(planned(registry, (position, rule), Some(text), &settings.common, problems)),
            None => problems.note(&Path::Key(&path, id), unknown(id, "rule", &registry.ids())),
        }
    }
}

/// A rule with its settings; `None` if it is off or its settings are invalid.
fn planned<'a, R: Registry>(
    registry: R,
    (position, rule): (usize, &'static Rule),
    given: Option<&'a str>,
    common: &Common<'a>,
    problems: &mut Problems,
) -> Option<Planned<R::Opened<'a>>> {
    let rules = Path::Key(&Path::Root, "rules");
    let path = Path::Key(&rules, rule.id);
    let of_profile = rule.action_in(common.profile);
    let mut action = Some(of_profile);
    let mut members = Vec::new();
    if given.is_none() && level(of_profile).is_none() {
        return None;
    }
    if let Some(text) = given {
        let mut json = Cursor::new(text);
        let mut value = Value::new(&mut json, path);
        let stated = if value.is_map() {
            members = params::members(value, rule.params, problems);
            let stated = members.iter().position(|(key, _)| key == "action").map(|at| members.remove(at).1);
            let path = Path::Key(&path, "action");
            stated.map(|text| Value::new(&mut Cursor::new(text), path).choice(rule.actions(), problems))
        } else {
            Some(value.choice(rule.actions(), problems))
        };
        match stated {
            // An invalid action has been reported already; the parameters may have more problems.
            Some(word) => action = word.map(FixAction::from_word),
            None if action == Some(FixAction::Check(CheckAction::Off)) && !members.is_empty() => {
                problems.note(&path, "has parameters, but the rule is off by default; set an action, or remove them");
            }
            None => {}
        }
    }
    let mut params = Params::new(members, rule.params, path, problems, common);
    params.of_profile = rule.params_in(common.profile);
    params.is_on = action.and_then(level).is_some();
    let opened = registry.open(position, &mut params)?;
    Some(Planned { rule, level: level(action?)?, fixes: action == Some(FixAction::Mutate), opened })
}

/// What findings lead to; `None` if the rule is off.
const fn level(action: FixAction) -> Option<Level> {
    match action {
        FixAction::Check(CheckAction::Off) => None,
        FixAction::Check(CheckAction::Warn) => Some(Level::Warn),
        // A finding that a fix leaves is rejected.
        FixAction::Check(CheckAction::Reject) | FixAction::Mutate => Some(Level::Reject),
    }
}
