// SPDX-License-Identifier: Apache-2.0

//! The table of `pod-automount` (`docs/rules/pod-automount.md`): all combinations of the Pod's field, the account's field and
//! the result of the look-up, for Pods after the API server's plugin.

use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use e2e_tests::case::{Host, Lookup};
use e2e_tests::engine::Engine;
use e2e_tests::expectation::Verdict;
use libtest_mimic::Trial;
use policy_host::apiserver::{ApiServer, RequestOptions};
use serde_json::{Value, json};

use crate::failed;
use Account::{Absent, Broken, False, FalseSince, Forbidden, NotGranted, True, Unset};
use Outcome::{Fine, Fix, Reject, Unavailable, Warn};

/// The outcome of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Accepted without warnings.
    Fine,
    /// Accepted with a warning.
    Warn,
    /// Accepted without the token.
    Fix,
    /// Rejected with code 403.
    Reject,
    /// Rejected with code 503.
    Unavailable,
}

/// The account's field, or why it is unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Account {
    True,
    False,
    /// False now, but unset when the plugin saw the account.
    FalseSince,
    Unset,
    /// Deleted after the plugin saw it.
    Absent,
    /// The policy may not look up accounts.
    NotGranted,
    /// The policy server may not read accounts.
    Forbidden,
    /// The API server does not answer.
    Broken,
}

/// The settings of `pod-automount`, one per column of outcomes.
const COLUMNS: [&str; 4] = ["{}", r#"{"scope": "all"}"#, r#"{"optIn": "pod"}"#, r#"{"allowExplicitOptIn": false}"#];

type Row = (&'static str, Option<bool>, Account, [Outcome; 4]);

/// ServiceAccount, the Pod's field, the account's field; the outcomes with the settings of each column.
#[rustfmt::skip]
const ROWS: &[Row] = &[
    ("app",     Some(false), True,       [Fine, Fine, Fine, Fine]),
    ("app",     Some(false), False,      [Fine, Fine, Fine, Fine]),
    ("app",     Some(false), FalseSince, [Fine, Fine, Fine, Fine]),
    ("app",     Some(false), Unset,      [Fine, Fine, Fine, Fine]),
    ("app",     Some(false), Absent,     [Fine, Fine, Fine, Fine]),
    ("app",     Some(false), NotGranted, [Fine, Fine, Fine, Fine]),
    ("app",     Some(false), Forbidden,  [Fine, Fine, Fine, Fine]),
    ("app",     Some(false), Broken,     [Fine, Fine, Fine, Fine]),

    ("app",     Some(true),  True,       [Fine, Fine, Fine, Reject]),
    ("app",     Some(true),  False,      [Fine, Fine, Fine, Reject]),
    ("app",     Some(true),  FalseSince, [Fine, Fine, Fine, Reject]),
    ("app",     Some(true),  Unset,      [Fine, Fine, Fine, Reject]),
    ("app",     Some(true),  Absent,     [Fine, Fine, Fine, Reject]),
    ("app",     Some(true),  NotGranted, [Fine, Fine, Fine, Reject]),
    ("app",     Some(true),  Forbidden,  [Fine, Fine, Fine, Reject]),
    ("app",     Some(true),  Broken,     [Fine, Fine, Fine, Reject]),

    ("app",     None,        True,       [Fine, Fine, Warn, Fine]),
    ("app",     None,        False,      [Fine, Fine, Fine, Fine]),
    ("app",     None,        FalseSince, [Fix,  Fix,  Fix,  Fix]),
    ("app",     None,        Unset,      [Warn, Fix,  Warn, Warn]),
    ("app",     None,        Absent,     [Warn, Fix,  Warn, Warn]),
    ("app",     None,        NotGranted, [Warn, Warn, Warn, Warn]),
    ("app",     None,        Forbidden,  [Warn, Warn, Warn, Warn]),
    ("app",     None,        Broken,     [Unavailable, Unavailable, Unavailable, Unavailable]),

    ("default", Some(false), True,       [Fine, Fine, Fine, Fine]),
    ("default", Some(false), False,      [Fine, Fine, Fine, Fine]),
    ("default", Some(false), FalseSince, [Fine, Fine, Fine, Fine]),
    ("default", Some(false), Unset,      [Fine, Fine, Fine, Fine]),
    ("default", Some(false), Absent,     [Fine, Fine, Fine, Fine]),
    ("default", Some(false), NotGranted, [Fine, Fine, Fine, Fine]),
    ("default", Some(false), Forbidden,  [Fine, Fine, Fine, Fine]),
    ("default", Some(false), Broken,     [Fine, Fine, Fine, Fine]),

    ("default", Some(true),  True,       [Warn, Warn, Warn, Reject]),
    ("default", Some(true),  False,      [Warn, Warn, Warn, Reject]),
    ("default", Some(true),  FalseSince, [Warn, Warn, Warn, Reject]),
    ("default", Some(true),  Unset,      [Warn, Warn, Warn, Reject]),
    ("default", Some(true),  Absent,     [Warn, Warn, Warn, Reject]),
    ("default", Some(true),  NotGranted, [Warn, Warn, Warn, Reject]),
    ("default", Some(true),  Forbidden,  [Warn, Warn, Warn, Reject]),
    ("default", Some(true),  Broken,     [Warn, Warn, Warn, Reject]),

    ("default", None,        True,       [Fix,  Fix,  Fix,  Fix]),
    ("default", None,        False,      [Fine, Fine, Fine, Fine]),
    ("default", None,        FalseSince, [Fix,  Fix,  Fix,  Fix]),
    ("default", None,        Unset,      [Fix,  Fix,  Fix,  Fix]),
    ("default", None,        Absent,     [Fix,  Fix,  Fix,  Fix]),
    ("default", None,        NotGranted, [Fix,  Fix,  Fix,  Fix]),
    ("default", None,        Forbidden,  [Fix,  Fix,  Fix,  Fix]),
    // No value of the account's field would keep this token, so there is no look-up.
    ("default", None,        Broken,     [Fix,  Fix,  Fix,  Fix]),
];

pub fn trials(engine: &Arc<Engine>) -> Vec<Trial> {
    let trial = |row: &'static Row| {
        let engine = Arc::clone(engine);
        let (account, pod_says, account_says, _) = row;
        let pod_says = pod_says.map_or("unset".to_owned(), |value| value.to_string());
        let name = format!("table::{account}::pod_{pod_says}::account_{account_says:?}");
        Trial::test(name, move || check(&engine, row).map_err(failed))
    };
    ROWS.iter().map(trial).collect()
}

fn check(engine: &Engine, (name, pod_says, account_says, expected): &Row) -> Result<()> {
    let server = ApiServer::new(&[account(name, seen_by_plugin(*account_says))]);
    let request = server.request(pod(name, *pod_says), &RequestOptions::default())?;
    let cluster = match account_says {
        Absent => Vec::new(),
        FalseSince => vec![account(name, Some(false))],
        True | False | Unset | NotGranted | Forbidden | Broken => vec![account(name, seen_by_plugin(*account_says))],
    };
    let host = Host {
        context_aware_resources: *account_says != NotGranted,
        lookup: match account_says {
            Forbidden => Lookup::Forbidden,
            Broken => Lookup::Unavailable,
            True | False | FalseSince | Unset | Absent | NotGranted => Lookup::Granted,
        },
        ..Host::default()
    };
    for (column, expected) in COLUMNS.into_iter().zip(expected) {
        let parameters: Value = serde_json::from_str(column).context("a column of the table")?;
        let settings = json!({"rules": {"pod-automount": parameters, "default-service-account": "off"}});
        let verdict = engine.evaluate(&request, &settings, &cluster, &host)?.verdict;
        let actual = outcome(&verdict);
        ensure!(actual == *expected, "with {column}: {actual:?}, expected {expected:?}: {verdict:#?}");
    }
    Ok(())
}

pub fn outcome(verdict: &Verdict) -> Outcome {
    match (verdict.allowed, &verdict.object, verdict.code) {
        (true, Some(_), _) => Fix,
        (true, None, _) if verdict.warnings.is_empty() => Fine,
        (true, None, _) => Warn,
        (false, _, Some(503)) => Unavailable,
        (false, _, _) => Reject,
    }
}

/// The account as the plugin sees it. The plugin has its own cache, and queries the API server for accounts that are not in it.
fn seen_by_plugin(automount: Account) -> Option<bool> {
    match automount {
        True => Some(true),
        False => Some(false),
        FalseSince | Unset | Absent | NotGranted | Forbidden | Broken => None,
    }
}

pub fn account(name: &str, automount: Option<bool>) -> Value {
    with_automount(
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": "shop"}}),
        "",
        automount,
    )
}

pub fn pod(account: &str, automount: Option<bool>) -> Value {
    let pod = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "web", "namespace": "shop"},
        "spec": {
            "serviceAccountName": account,
            "initContainers": [{"name": "migrate", "image": "registry.example.com/shop/migrate:1.4.2"}],
            "containers": [{"name": "web", "image": "registry.example.com/shop/web:1.4.2"}],
        },
    });
    with_automount(pod, "/spec", automount)
}

fn with_automount(mut object: Value, pointer: &str, automount: Option<bool>) -> Value {
    if let (Some(fields), Some(automount)) = (object.pointer_mut(pointer).and_then(Value::as_object_mut), automount) {
        fields.insert("automountServiceAccountToken".to_owned(), automount.into());
    }
    object
}
