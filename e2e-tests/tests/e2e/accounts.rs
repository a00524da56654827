// SPDX-License-Identifier: Apache-2.0

//! The table of accounts and their Pods, end to end: the policy receives the account first, and may fix or reject it. Then it
//! receives a Pod and a template of the stored account, for every result of a look-up.

use std::sync::Arc;

use anyhow::{Result, ensure};
use e2e_tests::case::{Host, Lookup};
use e2e_tests::engine::Engine;
use e2e_tests::expectation::Verdict;
use libtest_mimic::Trial;
use policy_host::apiserver::{ApiServer, RequestOptions, UserInfo};
use serde_json::{Value, json};

use crate::failed;
use crate::table::Outcome::{self, Fine, Fix, Reject, Unavailable, Warn};
use crate::table::{account, outcome, pod};

/// The result of a look-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LookUp {
    /// The account is found.
    Found,
    /// The account was deleted after the API server's plugin saw it.
    Gone,
    /// The policy may not look up accounts.
    NotGranted,
    /// The policy server may not read accounts.
    Forbidden,
    /// The API server does not answer.
    Broken,
    /// The settings turn look-ups off.
    Off,
}

const LOOK_UPS: [LookUp; 6] =
    [LookUp::Found, LookUp::Gone, LookUp::NotGranted, LookUp::Forbidden, LookUp::Broken, LookUp::Off];

/// Every rule at its default; and the rules `pod-automount` and `service-account-automount` for all accounts.
const SETTINGS: [&str; 2] =
    ["{}", r#"{"rules": {"pod-automount": {"scope": "all"}, "service-account-automount": {"scope": "all"}}}"#];

/// One outcome per entry of `LOOK_UPS`.
type Outcomes = [Outcome; 6];

const FINE: Outcomes = [Fine; 6];
/// The token of `default` is requested explicitly.
const WARNED: Outcomes = [Warn; 6];
/// If nothing is known about the account, the token stays.
const WARN: Outcomes = [Warn, Warn, Warn, Warn, Unavailable, Warn];
const FINE_IF_FOUND: Outcomes = [Fine, Warn, Warn, Warn, Unavailable, Warn];
const FIX_IF_GONE: Outcomes = [Fine, Fix, Warn, Warn, Unavailable, Warn];

/// The outcomes of the account, its Pods, and templates of them.
struct Column {
    account: Outcome,
    pod: Outcomes,
    template: Outcomes,
}

const fn column(account: Outcome, pod: Outcomes, template: Outcomes) -> Column {
    Column { account, pod, template }
}

/// The account, its `automountServiceAccountToken`, that of the Pod; the outcomes with each of `SETTINGS`.
type Row = (&'static str, Option<bool>, Option<bool>, [Column; 2]);

#[rustfmt::skip]
const ROWS: &[Row] = &[
    ("app",     Some(true),  Some(true),  [column(Warn,   FINE,          FINE),          column(Warn,   FINE,        FINE)]),
    ("app",     Some(true),  Some(false), [column(Warn,   FINE,          FINE),          column(Warn,   FINE,        FINE)]),
    ("app",     Some(true),  None,        [column(Warn,   FINE_IF_FOUND, FINE_IF_FOUND), column(Warn,   FIX_IF_GONE, FINE_IF_FOUND)]),
    ("app",     Some(false), Some(true),  [column(Fine,   FINE,          FINE),          column(Fine,   FINE,        FINE)]),
    ("app",     Some(false), Some(false), [column(Fine,   FINE,          FINE),          column(Fine,   FINE,        FINE)]),
    // Such a Pod has no token, so there is no look-up; a template requires one.
    ("app",     Some(false), None,        [column(Fine,   FINE,          FINE_IF_FOUND), column(Fine,   FINE,        FINE_IF_FOUND)]),
    ("app",     None,        Some(true),  [column(Fine,   FINE,          FINE),          column(Fix,    FINE,        FINE)]),
    ("app",     None,        Some(false), [column(Fine,   FINE,          FINE),          column(Fix,    FINE,        FINE)]),
    ("app",     None,        None,        [column(Fine,   WARN,          WARN),          column(Fix,    FINE,        FINE_IF_FOUND)]),

    // The request is rejected, so the stored account is the one that the controller created and the policy fixed.
    ("default", Some(true),  Some(true),  [column(Reject, WARNED,        WARNED),        column(Reject, WARNED,      WARNED)]),
    ("default", Some(true),  Some(false), [column(Reject, FINE,          FINE),          column(Reject, FINE,        FINE)]),
    ("default", Some(true),  None,        [column(Reject, FINE,          FINE_IF_FOUND), column(Reject, FINE,        FINE_IF_FOUND)]),
    ("default", Some(false), Some(true),  [column(Fine,   WARNED,        WARNED),        column(Fine,   WARNED,      WARNED)]),
    ("default", Some(false), Some(false), [column(Fine,   FINE,          FINE),          column(Fine,   FINE,        FINE)]),
    ("default", Some(false), None,        [column(Fine,   FINE,          FINE_IF_FOUND), column(Fine,   FINE,        FINE_IF_FOUND)]),
    ("default", None,        Some(true),  [column(Fix,    WARNED,        WARNED),        column(Fix,    WARNED,      WARNED)]),
    ("default", None,        Some(false), [column(Fix,    FINE,          FINE),          column(Fix,    FINE,        FINE)]),
    ("default", None,        None,        [column(Fix,    FINE,          FINE_IF_FOUND), column(Fix,    FINE,        FINE_IF_FOUND)]),
];

const MAKER: &str = "system:serviceaccount:kube-system:service-account-controller";

pub fn trials(engine: &Arc<Engine>) -> Vec<Trial> {
    let word = |automount: &Option<bool>| automount.map_or("unset".to_owned(), |value| value.to_string());
    let trial = |row: &'static Row| {
        let engine = Arc::clone(engine);
        let (name, account_says, pod_says, _) = row;
        let name = format!("accounts::{name}::account_{}::pod_{}", word(account_says), word(pod_says));
        Trial::test(name, move || check(&engine, row).map_err(failed))
    };
    ROWS.iter().map(trial).collect()
}

fn check(engine: &Engine, (name, account_says, pod_says, columns): &Row) -> Result<()> {
    for (settings, column) in SETTINGS.into_iter().zip(columns) {
        let settings: Value = serde_json::from_str(settings)?;
        let (verdict, stored) = make_account(engine, &settings, name, *account_says)?;
        ensure!(outcome(&verdict) == column.account, "with {settings}: {verdict:#?}");

        let server = ApiServer::new(std::slice::from_ref(&stored));
        let template = json!({
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "web", "namespace": "shop"},
            "spec": {"template": {"spec": pod(name, *pod_says).pointer("/spec")}},
        });
        for (object, outcomes) in [(pod(name, *pod_says), column.pod), (template, column.template)] {
            let request = server.request(object, &RequestOptions::default())?;
            for (look_up, expected) in LOOK_UPS.into_iter().zip(outcomes) {
                let verdict = evaluate(engine, &request, &settings, &stored, look_up)?;
                let actual = outcome(&verdict);
                ensure!(
                    actual == expected,
                    "{} with {settings}, {look_up:?}: {actual:?}, expected {expected:?}: {verdict:#?}",
                    request.pointer("/kind/kind").unwrap_or_default()
                );
            }
        }
    }
    Ok(())
}

/// Creates the account as a user would, or as the controller does if its field is unset. If the policy rejects `default`, the
/// controller creates it. Returns the verdict and the stored account.
fn make_account(engine: &Engine, settings: &Value, name: &str, automount: Option<bool>) -> Result<(Verdict, Value)> {
    let host = Host::default();
    let user = |name: &str| UserInfo { username: name.to_owned(), ..UserInfo::default() };
    let make = |object: Value, by: &str| -> Result<(Verdict, Value)> {
        let options = RequestOptions { user: Some(user(by)), ..RequestOptions::default() };
        let request = ApiServer::new(&[]).request(object, &options)?;
        let verdict = engine.evaluate(&request, settings, &[], &host)?.verdict;
        let stored = verdict.object.clone().or_else(|| request.get("object").cloned()).unwrap_or_default();
        Ok((verdict, stored))
    };
    let (verdict, stored) = make(account(name, automount), if automount.is_none() { MAKER } else { "alice" })?;
    if verdict.allowed {
        return Ok((verdict, stored));
    }
    ensure!(name == "default", "an account that is refused has no Pods: {verdict:#?}");
    Ok((verdict, make(account(name, None), MAKER)?.1))
}

fn evaluate(engine: &Engine, request: &Value, settings: &Value, stored: &Value, look_up: LookUp) -> Result<Verdict> {
    let host = Host {
        context_aware_resources: look_up != LookUp::NotGranted,
        lookup: match look_up {
            LookUp::Forbidden => Lookup::Forbidden,
            LookUp::Broken => Lookup::Unavailable,
            LookUp::Found | LookUp::Gone | LookUp::NotGranted | LookUp::Off => Lookup::Granted,
        },
        ..Host::default()
    };
    let cluster = if look_up == LookUp::Gone { Vec::new() } else { vec![stored.clone()] };
    let mut settings = settings.clone();
    if let (LookUp::Off, Some(fields)) = (look_up, settings.as_object_mut()) {
        fields.insert("serviceAccountLookup".to_owned(), json!("off"));
    }
    Ok(engine.evaluate(request, &settings, &cluster, &host)?.verdict)
}
