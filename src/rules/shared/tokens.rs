// SPDX-License-Identifier: Apache-2.0
//! What the rules about tokens share: which tokens a Pod has, and who added
//! them. A token is recognized by its source, never by the name of its volume.

use crate::diagnostic::field_path::FieldPath;
use crate::engine::context::{ReviewError, RuleContext, Workload};
use crate::engine::lookup::Account;
use crate::object::edit::Step;
use crate::object::pod::{TokenSource, Volume};
use crate::rules::pod_automount;

/// A token in a volume.
#[derive(Debug, Clone, Copy)]
pub struct Token<'s> {
    /// The projected source that requests it.
    pub source: &'s TokenSource<'s>,
    volume: &'s Volume<'s>,
    index: usize,
    position: usize,
}

impl Token<'_> {
    /// Its field path.
    #[must_use]
    pub fn path(&self, workload: &Workload<'_>) -> FieldPath {
        let sources = workload.volume_path(self.index, self.volume).field("projected.sources");
        sources.entry(self.source.path.as_deref(), self.position).field("serviceAccountToken")
    }

    /// The name of its volume.
    #[must_use]
    pub fn volume_name(&self) -> &str {
        self.volume.name.as_deref().unwrap_or_default()
    }

    /// The steps to it from the Pod or template.
    #[must_use]
    pub const fn steps(&self) -> [Step<'static>; 7] {
        [
            Step::Key("spec"),
            Step::Key("volumes"),
            Step::Entry(self.index),
            Step::Key("projected"),
            Step::Key("sources"),
            Step::Entry(self.position),
            Step::Key("serviceAccountToken"),
        ]
    }
}

/// Calls `each` with every token of a Pod or template, and with whether it is
/// in the volume of the API server's admission plugin. All other tokens were
/// added by someone else.
///
/// # Errors
/// Those of `each`.
pub fn each<'s>(
    context: &RuleContext<'_>,
    workload: &'s Workload<'s>,
    each: &mut EachToken<'_, 's>,
) -> Result<(), ReviewError> {
    for (index, volume) in workload.spec.volumes.iter().enumerate() {
        let Some(projected) = &volume.projected else { continue };
        for (position, source) in projected.sources.iter().enumerate() {
            if let Some(source) = &source.token {
                each(Token { source, volume, index, position }, is_plugin_volume(context, workload, volume))?;
            }
        }
    }
    Ok(())
}

/// What to do with a token; the flag is true if it is in the plugin's volume.
type EachToken<'e, 's> = dyn FnMut(Token<'s>, bool) -> Result<(), ReviewError> + 'e;

/// Whether the API server's plugin added this volume. It adds one only to Pods,
/// and not to a Pod that sets `automountServiceAccountToken: false`. There,
/// someone else added a volume of that shape, unless the fix of `pod-automount`
/// left it to containers that keep the token.
#[must_use]
pub fn is_plugin_volume(context: &RuleContext<'_>, workload: &Workload<'_>, volume: &Volume<'_>) -> bool {
    !workload.is_template
        && volume.has_plugin_shape()
        && (workload.spec.automount != Some(false)
            || volume.name.as_deref().is_some_and(|name| is_kept(context, workload, name)))
}

fn is_kept(context: &RuleContext<'_>, workload: &Workload<'_>, volume: &str) -> bool {
    let kept = workload.kept_volumes.get_or_init(|| pod_automount::kept_volumes(context, &workload.spec));
    kept.binary_search_by(|kept| kept.as_str().cmp(volume)).is_ok()
}

/// How a Pod gets an API token.
#[derive(Debug, Clone, Copy)]
pub enum ApiToken<'s> {
    /// From a volume, at this position.
    In(usize, &'s Volume<'s>),
    /// The API server will add it to the Pods of the template.
    FromTemplate,
}

/// The API token that a Pod has, or that the Pods of a template will have.
///
/// # Errors
/// Those of [`RuleContext::account`], which is called for templates without `automountServiceAccountToken`.
pub fn api_token<'s>(
    context: &RuleContext<'_>,
    workload: &'s Workload<'s>,
) -> Result<Option<ApiToken<'s>>, ReviewError> {
    let is_api = |volume: &Volume<'_>| volume.tokens().any(|token| context.common.is_api_audience(token.audience()));
    if let Some((index, volume)) = workload.spec.volumes.iter().enumerate().find(|(_, volume)| is_api(volume)) {
        return Ok(Some(ApiToken::In(index, volume)));
    }
    let is_to_come = match workload.spec.automount {
        _ if !workload.is_template => false,
        Some(asked) => asked,
        None => match context.account(workload)? {
            Account::Known(record) => record.automount() != Some(false),
            Account::Absent | Account::Unknown => true,
        },
    };
    Ok(is_to_come.then_some(ApiToken::FromTemplate))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::cluster::AccountRecord;
    use crate::testing::{FakeCluster, admitted_pod, create, inject, outcome, plugin_volume, projected, review, token};

    /// What a Pod has of its own: nothing, the API server's volume (the Pod is
    /// a copy of one that ran), a token added by hand, a legacy token, a volume
    /// with a reserved name.
    const VOLUMES: [&str; 5] = ["nothing", "injected", "by hand", "secret", "reserved"];

    type Row = (Option<bool>, Option<bool>, [&'static str; 5]);

    /// What the account sets, what the Pod sets, and for each of [`VOLUMES`] the
    /// outcome with the default settings and the rules that report something, by
    /// the letters below.
    #[rustfmt::skip]
    const DEDICATED: [Row; 9] = [
        (None,        None,        ["warn A",         "warn A",         "warn A P",       "reject A L",     "reject N"]),
        (None,        Some(true),  ["fine",           "fine",           "warn P",         "reject L",       "reject N"]),
        (None,        Some(false), ["fine",           "reject N P Y",   "warn P",         "reject L",       "warn N"]),
        (Some(true),  None,        ["fine",           "fine",           "warn P",         "reject L",       "reject N"]),
        (Some(true),  Some(true),  ["fine",           "fine",           "warn P",         "reject L",       "reject N"]),
        (Some(true),  Some(false), ["fine",           "reject N P Y",   "warn P",         "reject L",       "warn N"]),
        (Some(false), None,        ["fine",           "fix A",          "warn P",         "reject L",       "reject N"]),
        (Some(false), Some(true),  ["fine",           "fine",           "warn P",         "reject L",       "reject N"]),
        (Some(false), Some(false), ["fine",           "reject N P Y",   "warn P",         "reject L",       "warn N"]),
    ];

    #[rustfmt::skip]
    const DEFAULT: [Row; 9] = [
        (None,        None,        ["fix A",          "fix A",          "fix A D P",      "reject L",       "reject N"]),
        (None,        Some(true),  ["warn A D",       "warn A D",       "warn A D P",     "reject A D L",   "reject A N"]),
        (None,        Some(false), ["fine",           "reject D N P Y", "warn D P",       "reject L",       "warn N"]),
        (Some(true),  None,        ["fix A",          "fix A",          "fix A D P",      "reject L",       "reject N"]),
        (Some(true),  Some(true),  ["warn A D",       "warn A D",       "warn A D P",     "reject A D L",   "reject A N"]),
        (Some(true),  Some(false), ["fine",           "reject D N P Y", "warn D P",       "reject L",       "warn N"]),
        (Some(false), None,        ["fine",           "fix A",          "warn D P",       "reject L",       "reject N"]),
        (Some(false), Some(true),  ["warn A D",       "warn A D",       "warn A D P",     "reject A D L",   "reject A N"]),
        (Some(false), Some(false), ["fine",           "reject D N P Y", "warn D P",       "reject L",       "warn N"]),
    ];

    fn pod(account: &str, (account_says, pod_says): (Option<bool>, Option<bool>), volume: &str) -> Value {
        let own = match volume {
            "injected" => vec![plugin_volume()],
            "by hand" => vec![projected("token", &json!([token("", 3600)]))],
            "secret" => vec![json!({"name": "token", "secret": {"secretName": "app-token-bcd24"}})],
            "reserved" => vec![json!({"name": "kube-api-access-x", "emptyDir": {}})],
            _ => vec![],
        };
        let mut pod = admitted_pod(
            &json!({"serviceAccountName": account, "automountServiceAccountToken": false, "volumes": own}),
        );
        pod["spec"]["automountServiceAccountToken"] = json!(pod_says);
        // The plugin treats a volume with its prefix as its own.
        let takes_another = matches!(volume, "injected" | "reserved");
        if pod_says.or(account_says).unwrap_or(true) && !takes_another {
            inject(&mut pod);
        }
        pod
    }

    /// A rule in the tables.
    fn letter(rule: &str) -> &str {
        match rule {
            "pod-automount" => "A",
            "default-service-account" => "D",
            "projected-token-audience" => "P",
            "one-year-token" => "Y",
            "reserved-volume-name" => "N",
            "legacy-token-mount" => "L",
            other => other,
        }
    }

    fn row(account: &str, automount: (Option<bool>, Option<bool>), volume: &str) -> String {
        let cluster = FakeCluster::with("shop", account, AccountRecord::new(automount.0));
        let settings = json!({"rules": {"legacy-token-mount": "reject"}});
        let answer = review(&create(&pod(account, automount, volume)), &settings, &cluster);
        let rules = answer["audit_annotations"].as_object();
        let mut words = vec![outcome(&answer)];
        words.extend(rules.iter().flat_map(|rules| rules.keys()).map(|rule| letter(rule)));
        words[1..].sort_unstable();
        words.join(" ")
    }

    #[test]
    fn outcomes() {
        for (account, table) in [("app", DEDICATED), ("default", DEFAULT)] {
            for (account_says, pod_says, cells) in table {
                for (volume, expected) in VOLUMES.into_iter().zip(cells) {
                    let actual = row(account, (account_says, pod_says), volume);
                    assert_eq!(actual, expected, "{account} {account_says:?} {pod_says:?} {volume}");
                }
            }
        }
    }

    #[test]
    fn tables_are_complete() {
        for table in [DEDICATED, DEFAULT] {
            let mut rows = table.map(|(account_says, pod_says, _)| (account_says, pod_says));
            rows.sort_unstable();
            assert!(rows.windows(2).all(|pair| pair[0] != pair[1]));
        }
    }
}
