// SPDX-License-Identifier: Apache-2.0
//! What the rules do not check. All fields of an entry have to match; the
//! values of a field are alternatives.

use std::borrow::Cow;

use super::reader::{Problems, Value, unknown};
use crate::matching::account;
use crate::matching::glob::{self, Glob, validate_pattern};
use crate::object::json::{Cursor, Read};
use crate::object::view::Text;

/// The exemptions that may match a request. All patterns are in one list, and an
/// entry has ranges of it: separate lists for each entry would be most of the
/// cost of large settings.
#[derive(Debug, Default)]
pub struct Exemptions<'a> {
    patterns: Vec<Glob<'a>>,
    entries: Vec<Entry>,
}

/// One entry of `exemptions`.
#[derive(Debug, Default)]
struct Entry {
    /// Its number in the settings.
    number: usize,
    /// The rules that it exempts from; empty means every rule.
    rules: Vec<&'static str>,
    namespaces: Span,
    service_accounts: Span,
    names: Span,
    kinds: Span,
    users: Span,
    groups: Span,
}

/// A range of the patterns.
type Span = std::ops::Range<usize>;

/// One entry of `exemptions`, with its patterns.
#[derive(Debug, Clone, Copy)]
pub struct Exemption<'e> {
    patterns: &'e [Glob<'e>],
    entry: &'e Entry,
}

impl Exemptions<'_> {
    /// The entries.
    pub fn iter(&self) -> impl Iterator<Item = Exemption<'_>> {
        self.entries.iter().map(|entry| Exemption { patterns: &self.patterns, entry })
    }
}

/// The part of a request outside of its object that exemptions are matched against.
#[derive(Debug, Clone, Copy)]
pub struct Envelope<'r> {
    /// The namespace; empty if there is none.
    pub namespace: &'r str,
    /// The kind of the object.
    pub kind: &'r str,
    /// The name of the user; empty if there is none.
    pub user: &'r str,
    /// The groups of the user.
    pub groups: &'r [Text<'r>],
}

/// A user that creates the Pods of everyone: an entry that matches it would
/// exempt everyone.
const POD_CREATOR: &str = "system:serviceaccount:kube-system:replicaset-controller";

pub(super) const KEYS: [&str; 8] =
    ["rules", "namespaces", "serviceAccounts", "names", "kinds", "users", "groups", "reason"];

impl<'e> Exemption<'e> {
    /// Its number in the settings, from 0.
    #[must_use]
    pub const fn number(self) -> usize {
        self.entry.number
    }

    /// Whether it exempts from this rule.
    #[must_use]
    pub fn covers(self, rule: &str) -> bool {
        self.entry.rules.is_empty() || self.entry.rules.contains(&rule)
    }

    /// Whether the part of the request outside of its object matches. A request
    /// without a namespace or a user does not match an entry that requires one.
    #[must_use]
    pub fn matches_envelope(self, envelope: Envelope<'_>) -> bool {
        let groups = self.patterns(&self.entry.groups);
        fits(self.patterns(&self.entry.namespaces), envelope.namespace)
            && fits(self.patterns(&self.entry.kinds), envelope.kind)
            && fits(self.patterns(&self.entry.users), envelope.user)
            && (groups.is_empty() || envelope.groups.iter().any(|group| glob::any(groups, group)))
    }

    /// Whether the object has to be read to decide.
    #[must_use]
    pub fn needs_object(self) -> bool {
        !self.entry.names.is_empty() || !self.entry.service_accounts.is_empty()
    }

    /// Whether the object matches: its name, and every account in it.
    #[must_use]
    pub fn matches_object(self, name: &str, accounts: &[(&str, Cow<'_, str>)]) -> bool {
        let patterns = self.patterns(&self.entry.service_accounts);
        let of_account = |(namespace, name): &(&str, Cow<'_, str>)| account::any(patterns, namespace, name);
        fits(self.patterns(&self.entry.names), name)
            && (patterns.is_empty() || (!accounts.is_empty() && accounts.iter().all(of_account)))
    }

    fn patterns(self, span: &Span) -> &'e [Glob<'e>] {
        self.patterns.get(span.clone()).unwrap_or_default()
    }
}

/// An empty list matches any text; a pattern does not match an empty text.
fn fits(patterns: &[Glob<'_>], text: &str) -> bool {
    patterns.is_empty() || (!text.is_empty() && glob::any(patterns, text))
}

/// Reads the list of exemptions. With an envelope, entries for other requests
/// are skipped unread: large organizations have hundreds, and they were
/// validated with the settings.
pub fn read<'a>(
    list: Value<'_, 'a, '_>,
    rule_ids: &[&'static str],
    envelope: Option<Envelope<'_>>,
    problems: &mut Problems,
) -> Exemptions<'a> {
    let mut exemptions = Exemptions::default();
    let Exemptions { patterns, entries } = &mut exemptions;
    list.list(problems, &mut |number, mut value, problems| {
        if envelope.is_some_and(|envelope| is_for_others(value.ahead(), envelope)) {
            return;
        }
        let path = value.path;
        let is_map = value.is_map();
        let mut entry = Entry { number, ..Entry::default() };
        let mut has_matcher = false;
        value.map(problems, &mut |key, value, problems| {
            let (span, problem): (_, fn(&str) -> Option<String>) = match key {
                "rules" => {
                    entry.rules = rules(value, rule_ids, problems);
                    return;
                }
                "reason" => return drop(value.text(problems)),
                "namespaces" => (&mut entry.namespaces, validate_pattern),
                "serviceAccounts" => (&mut entry.service_accounts, account::problem),
                "names" => (&mut entry.names, validate_pattern),
                "kinds" => (&mut entry.kinds, validate_pattern),
                "users" => (&mut entry.users, user_problem),
                "groups" => (&mut entry.groups, group_problem),
                other => return problems.note(&value.path, unknown(other, "key", &KEYS)),
            };
            has_matcher = true;
            let start = patterns.len();
            value.add_globs(problem, patterns, problems);
            *span = start..patterns.len();
        });
        if !has_matcher && is_map {
            problems.note(&path, "has no matcher, so it would exempt everything; name namespaces, serviceAccounts, names, kinds, users or groups");
        }
        entries.push(entry);
    });
    exemptions
}

/// Whether an entry names other namespaces, kinds or users than those of the
/// request. If it is malformed up to that point, it counts as matching, and is
/// read in full.
fn is_for_others(entry: Cursor<'_>, envelope: Envelope<'_>) -> bool {
    names_others(entry, envelope) == Ok(true)
}

/// The first list that does not match decides; the rest need not be read.
fn names_others(mut entry: Cursor<'_>, envelope: Envelope<'_>) -> Read<bool> {
    let mut more = entry.enter_object()?;
    while more {
        let text = match entry.key()?.written {
            "\"namespaces\"" => Some(envelope.namespace),
            "\"kinds\"" => Some(envelope.kind),
            "\"users\"" => Some(envelope.user),
            _ => None,
        };
        match text {
            Some(text) if !entry.nothing() => {
                if !any_fits(&mut entry, text)? {
                    return Ok(true);
                }
            }
            Some(_) => {}
            None => drop(entry.skip()?),
        }
        more = entry.more_members()?;
    }
    Ok(false)
}

/// Whether one of the patterns of a list matches.
fn any_fits(patterns: &mut Cursor<'_>, text: &str) -> Read<bool> {
    let mut fits = false;
    let mut more = patterns.enter_list()?;
    while more {
        let pattern = patterns.string()?;
        fits = fits || glob::matches(&pattern, text);
        more = patterns.more_entries()?;
    }
    Ok(fits)
}

fn rules(value: Value<'_, '_, '_>, rule_ids: &[&'static str], problems: &mut Problems) -> Vec<&'static str> {
    let mut rules = Vec::new();
    value.list(problems, &mut |_, entry, problems| {
        let path = entry.path;
        let Some(id) = entry.text(problems) else { return };
        match rule_ids.iter().find(|known| **known == id.as_str()) {
            Some(known) => rules.push(*known),
            None => problems.note(&path, unknown(&id, "rule", rule_ids)),
        }
    });
    rules
}

pub(super) fn user_problem(pattern: &str) -> Option<String> {
    validate_pattern(pattern).or_else(|| {
        glob::matches(pattern, POD_CREATOR)
            .then(|| format!("matches {POD_CREATOR}, which creates everyone's Pods; name people or other accounts"))
    })
}

/// The groups of [`POD_CREATOR`].
const POD_CREATOR_GROUPS: [&str; 3] =
    ["system:serviceaccounts", "system:serviceaccounts:kube-system", "system:authenticated"];

pub(super) fn group_problem(pattern: &str) -> Option<String> {
    validate_pattern(pattern).or_else(|| {
        POD_CREATOR_GROUPS.iter().find(|group| glob::matches(pattern, group)).map(|group| {
            format!("matches {group}, a group of {POD_CREATOR}, which creates everyone's Pods; name a group of people")
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::reader::Path;
    use proptest::collection::vec;
    use proptest::option;
    use proptest::prelude::*;
    use proptest::sample::select;

    const IDS: [&str; 2] = ["pod-automount", "default-service-account"];

    fn read_all(text: &str) -> (Exemptions<'_>, Vec<String>) {
        let mut problems = Problems::default();
        let exemptions =
            read(Value::new(&mut Cursor::new(text), Path::Key(&Path::Root, "exemptions")), &IDS, None, &mut problems);
        (exemptions, problems.into_lines())
    }

    fn one(text: &str) -> Exemption<'_> {
        let (exemptions, problems) = read_all(text);
        assert_eq!(problems, Vec::<String>::new());
        // Leaked, so that a test can be written in one line.
        Box::leak(Box::new(exemptions)).iter().next().unwrap()
    }

    #[test]
    fn problems() {
        let (_, problems) = read_all(
            r#"[{}, {"reason":"x"}, {"rules":["pod-automont"],"names":["a"]}, {"namespaces":[""]}, {"serviceAccounts":["prometheus","a/b/c","/x"]},
                {"users":["*","system:serviceaccount:*"]}, {"groups":["system:authenticated","*"]}, {"namespace":["x"],"names":["y"]}, {"names":[]}, "x"]"#,
        );
        assert_eq!(
            problems,
            [
                "exemptions[0]: has no matcher, so it would exempt everything; name namespaces, serviceAccounts, names, kinds, users or groups",
                "exemptions[1]: has no matcher, so it would exempt everything; name namespaces, serviceAccounts, names, kinds, users or groups",
                "exemptions[2].rules[0]: unknown rule `pod-automont`; did you mean `pod-automount`?",
                "exemptions[3].namespaces[0]: is empty; remove it, or write what it is to match",
                "exemptions[4].serviceAccounts[0]: must be namespace/name, e.g. monitoring/prometheus-*",
                "exemptions[4].serviceAccounts[1]: must be namespace/name, e.g. monitoring/prometheus-*",
                "exemptions[4].serviceAccounts[2]: must be namespace/name, e.g. monitoring/prometheus-*",
                "exemptions[5].users[0]: matches system:serviceaccount:kube-system:replicaset-controller, which creates everyone's Pods; name people or other accounts",
                "exemptions[5].users[1]: matches system:serviceaccount:kube-system:replicaset-controller, which creates everyone's Pods; name people or other accounts",
                "exemptions[6].groups[0]: matches system:authenticated, a group of system:serviceaccount:kube-system:replicaset-controller, which creates everyone's Pods; name a group of people",
                "exemptions[6].groups[1]: matches system:serviceaccounts, a group of system:serviceaccount:kube-system:replicaset-controller, which creates everyone's Pods; name a group of people",
                "exemptions[7].namespace: unknown key `namespace`; did you mean `namespaces`?",
                "exemptions[8]: has no matcher, so it would exempt everything; name namespaces, serviceAccounts, names, kinds, users or groups",
                "exemptions[9]: must be a map, is a string",
            ]
        );
    }

    #[test]
    fn compares_all_fields() {
        let exemption = one(
            r#"[{"namespaces":["team-*","x"],"kinds":["Job"],"users":["alice*"],"groups":["admins"],"reason":"why"}]"#,
        );
        let matches = |namespace: &str, kind: &str, user: &str, group: &str| {
            let groups = [Text::from(group)];
            exemption.matches_envelope(Envelope { namespace, kind, user, groups: &groups })
        };
        assert!(matches("team-a", "Job", "alice@example.com", "admins"));
        assert!(matches("x", "Job", "alice", "admins"));
        assert!(!matches("y", "Job", "alice", "admins"));
        assert!(!matches("x", "Pod", "alice", "admins"));
        assert!(!matches("x", "Job", "bob", "admins"));
        assert!(!matches("x", "Job", "alice", "people"));
        assert!(!matches("", "Job", "alice", "admins"));
        assert!(!matches("x", "Job", "", "admins"));
    }

    #[test]
    fn compares_names_and_accounts() {
        let exemption = one(r#"[{"serviceAccounts":["team-*/app","*/web"],"names":["p*"]}]"#);
        assert!(exemption.needs_object());
        let matches = |name: &str, accounts: &[(&'static str, &'static str)]| {
            let accounts: Vec<_> = accounts.iter().map(|(namespace, name)| (*namespace, Cow::from(*name))).collect();
            exemption.matches_object(name, &accounts)
        };
        assert!(matches("p1", &[("team-a", "app")]));
        assert!(matches("p1", &[("team-a", "app"), ("x", "web")]));
        assert!(!matches("p1", &[("team-a", "app"), ("x", "other")]));
        assert!(!matches("p1", &[]));
        assert!(!matches("", &[("team-a", "app")]));
        assert!(!matches("q", &[("team-a", "app")]));
        assert!(!matches("p1", &[("team-a", "app2")]));
        assert!(!matches("p1", &[("", "web")]));
    }

    fn pod<'g>(groups: &'g [Text<'g>]) -> Envelope<'g> {
        Envelope { namespace: "shop", kind: "Pod", user: "alice", groups }
    }

    fn read_for(envelope: Envelope<'_>, text: &str) -> (Vec<usize>, Vec<String>) {
        let mut problems = Problems::default();
        let mut json = Cursor::new(text);
        let exemptions = read(Value::new(&mut json, Path::Root), &IDS, Some(envelope), &mut problems);
        assert_eq!(json.end(), Ok(()), "{text}");
        (exemptions.iter().map(Exemption::number).collect(), problems.into_lines())
    }

    #[test]
    fn skips_entries_for_others() {
        let numbers = |text: &str| {
            let (numbers, problems) = read_for(pod(&[]), text);
            assert_eq!(problems, Vec::<String>::new(), "{text}");
            numbers
        };
        assert_eq!(numbers(r#"[{"namespaces":["team-*","bank"],"reason":"x"},{"namespaces":["b*","sh*"]}]"#), [1]);
        assert_eq!(
            numbers(r#"[{"kinds":["Job"]},{"kinds":["P?d","Job"]},{"users":["bob"]},{"users":["al*"]}]"#),
            [1, 3]
        );
        assert_eq!(numbers(r#"[{"kinds":["Pod"],"namespaces":["bank"],"users":["alice"]}]"#), [0; 0]);
        // Fields that count as absent, and fields that only the object can match.
        assert_eq!(numbers(r#"[{"namespaces":[ ],"kinds":null,"users":"","names":["a"]},{"groups":["b"]}]"#), [0, 1]);
        assert_eq!(numbers(r#"[{"namespaces":["\u0073hop"]}]"#), [0]);
        // The rest of a skipped entry was validated with the settings.
        assert_eq!(numbers(r#"[{"namespaces":["bank"],"namespace":7,"rules":{"x":["]"]}},{"names":["a"]}]"#), [1]);
        assert_eq!(numbers(r#"[{"namespaces":["bank"],"users":"alice"},{"names":["a"]}]"#), [1]);
    }

    #[test]
    fn reads_invalid_entries_in_full() {
        for (text, problem) in [
            (r#"[{"namespaces":"bank"}]"#, "settings[0].namespaces: must be a list, is a string"),
            (
                r#"[{"namespaces":["bank",7]}]"#,
                "settings[0].namespaces[1]: must be a string, is a number; write it in quotes",
            ),
            (r#"[["bank"]]"#, "settings[0]: must be a map, is a list"),
        ] {
            assert_eq!(read_for(pod(&[]), text).1, [problem]);
        }
    }

    proptest! {
        #[test]
        fn skips_no_entry_that_matches(entries in vec(entry(), 0..5)) {
            let text = format!("[{}]", entries.join(","));
            let groups = [Text::from("people")];
            let pod = pod(&groups);
            let (all, problems) = read_all(&text);
            let matching = |exemptions: &Exemptions<'_>| -> Vec<usize> {
                exemptions.iter().filter(|entry| entry.matches_envelope(pod)).map(Exemption::number).collect()
            };
            prop_assert_eq!(problems, Vec::<String>::new());
            let (read, _) = read_for(pod, &text);
            let wanted = matching(&all);
            prop_assert!(wanted.iter().all(|number| read.contains(number)), "{:?} of {:?}", read, wanted);
        }
    }

    /// An entry with some of the fields, in any order.
    fn entry() -> impl Strategy<Value = String> {
        let field = |key: &'static str, words: &'static [&'static str]| {
            vec(select(words), 1..3).prop_map(move |words| format!("{key:?}:{words:?}"))
        };
        let fields = (
            option::of(field("namespaces", &["shop", "bank", "*", "s*p"])),
            option::of(field("kinds", &["Pod", "Job", "P*"])),
            option::of(field("users", &["alice", "bob", "a*e"])),
            option::of(field("groups", &["people", "p*", "robots"])),
            field("names", &["web", "*"]),
        );
        fields
            .prop_map(|(a, b, c, d, e)| [a, b, c, d, Some(e)].into_iter().flatten().collect::<Vec<String>>())
            .prop_shuffle()
            .prop_map(|fields| format!("{{{}}}", fields.join(",")))
    }

    #[test]
    fn covers_rules() {
        assert!(one(r#"[{"names":["x"]}]"#).covers("pod-automount"));
        let exemption = one(r#"[{"names":["x"],"rules":["pod-automount"]}]"#);
        assert!(exemption.covers("pod-automount") && !exemption.covers("default-service-account"));
    }
}
