// SPDX-License-Identifier: Apache-2.0

//! The reasons of recommendations, in words.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::Shared;
use super::parts::report_calls;
use crate::recommend::{Bound, Facts, Recommendation};
use crate::report::{Binding, LegacyToken};
use crate::usage;

pub(super) struct Words<'w> {
    pub seen: String,
    pub beyond: Option<String>,
    pub token: &'w [String],
    pub legacy: &'w [LegacyToken],
}

pub(super) fn unknown_use(why: &str) -> String {
    format!("not known whether it was used: {why}")
}

pub(super) fn reason(recommendation: Recommendation, facts: &Facts, shared: &Shared<'_>, words: &Words<'_>) -> String {
    let mut parts: Vec<String> = Vec::new();
    let bound = || match facts.bound {
        Bound::No => "no binding".to_owned(),
        Bound::Unknown => "bindings not read".to_owned(),
        Bound::Yes => {
            format!(
                "bound to {}: {}",
                roles(shared.bindings),
                some(&shared.permissions.phrases, 2, "permissions not known")
            )
        }
    };
    if recommendation == Recommendation::NoToken {
        parts.push("no API token".to_owned());
        if facts.bound == Bound::Yes {
            parts.push(bound());
        }
    } else {
        if recommendation == Recommendation::ReplaceLegacyToken && !words.legacy.is_empty() {
            let names: Vec<String> = words.legacy.iter().map(legacy_words).collect();
            parts.push(some(&names, 3, ""));
        }
        parts.push(words.seen.clone());
        match &words.beyond {
            Some(beyond) if recommendation == Recommendation::Narrow => {
                let used = actions_in_words(&shared.calls.total);
                parts.push(format!("calls: {used}"));
                parts.push(format!("bound to {}, which allows far more: {beyond}", roles(shared.bindings)));
            }
            _ => parts.push(bound()),
        }
        if let Some(annotation) = &facts.used_elsewhere {
            parts.push(format!("{annotation} tells an injector to use the token, which the audit log cannot show"));
        }
    }
    parts.extend(words.token.iter().cloned());
    if !shared.identities.is_empty() {
        parts.push(format!("cloud identity {}", shared.identities));
    }
    parts.join("; ")
}

fn legacy_words(token: &LegacyToken) -> String {
    let name =
        if token.secret.is_empty() { "a token of a Secret".to_owned() } else { format!("Secret {}", token.secret) };
    let mut text = format!("{name} never expires");
    if let Some(day) = &token.invalid_since {
        text = format!("{name} invalid since {day}");
    }
    let used = match (token.calls, &token.last_used) {
        (Some(0), _) => "no call in the log".to_owned(),
        (Some(calls), _) => format!("used {}", times(calls)),
        (None, Some(day)) => format!("last used {day}"),
        (None, None) => return text,
    };
    format!("{text} ({used})")
}

/// The calls by action, the most frequent first.
fn actions_in_words(calls: &usage::Calls) -> String {
    let actions: Vec<String> =
        report_calls(calls).actions.into_iter().map(|it| format!("{} {}", it.verbs.join("/"), it.resource)).collect();
    some(&actions, 3, "nothing")
}

fn roles(bindings: &[Binding]) -> String {
    let roles: BTreeSet<&str> = bindings.iter().map(|it| it.role.as_str()).collect();
    some(&roles.into_iter().collect::<Vec<_>>(), 2, "")
}

fn some<T: AsRef<str>>(texts: &[T], count: usize, none: &str) -> String {
    if texts.is_empty() {
        return none.to_owned();
    }
    let text = texts.iter().take(count).map(AsRef::as_ref).collect::<Vec<_>>().join(", ");
    if texts.len() > count { format!("{text} and {} more", texts.len() - count) } else { text }
}

/// With separators between thousands.
pub(crate) fn number(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

pub(super) fn times(count: u64) -> String {
    if count == 1 { "once".to_owned() } else { format!("{} times", number(count)) }
}

pub(super) fn time(second: i64) -> String {
    Timestamp::from_second(second).map(|it| it.to_string()).unwrap_or_default()
}

pub(super) fn minute(second: i64) -> String {
    time(second).get(..16).unwrap_or_default().replace('T', " ")
}
