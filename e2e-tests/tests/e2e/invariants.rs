// SPDX-License-Identifier: Apache-2.0

//! Checks that apply to every response.

use std::collections::BTreeSet;

use anyhow::{Context, Result, anyhow, ensure};
use e2e_tests::case::{Case, Mode};
use e2e_tests::engine::{Answer, Engine};
use e2e_tests::expectation::Verdict;
use policy_host::yaml;
use policy_testing::cluster::{FakeCluster, Known};
use serde::Deserialize;
use serde_json::{Value, json};
use serviceaccount_hygiene::admission::response::POLICY;
use serviceaccount_hygiene::diagnostic::escaped::Escaped;
use serviceaccount_hygiene::guest;

pub fn check(case: &Case, request: &Value, answer: &Answer, engine: &Engine) -> Result<()> {
    ensure!(!answer.failed, "the guest gave no answer, which is code 500: {:?}", answer.verdict.message);
    // Without permission, a list request never returns, and blocks every other policy of the server.
    let mut calls = answer.host_calls.iter().map(|call| call.operation.as_str());
    ensure!(calls.all(|operation| ["get_resource", "can_i"].contains(&operation)), "{:?}", answer.host_calls);

    is_presentable(answer)?;
    // Unlike a JSON parser, the YAML loader rejects duplicate keys.
    let text = String::from_utf8(answer.bytes.clone()).context("the answer is not UTF-8")?;
    yaml::load_str(&text, "answer.json").context("the guest's answer")?;

    let host = &case.given.host;
    let again = engine.evaluate(request, &case.settings, &case.cluster, host)?;
    ensure!(answer.bytes == again.bytes, "a second instance gives other bytes");

    // The native build of `src/fast` uses portable code where the module uses SIMD and an allocator that never frees.
    if answer.host_calls.is_empty() {
        let payload = engine.payload(request, &case.settings, &case.cluster, host)?;
        let native = guest::validate(&payload, &FakeCluster::new(Known::Failing));
        ensure!(answer.bytes == native, "the same code outside of the module gives other bytes");
    }

    agree(&answer.bytes, &engine.diagnose(request, &case.settings, &case.cluster, host)?)?;

    let Some(fixed) = &answer.verdict.object else { return Ok(()) };
    if host.mode == Mode::Protect {
        ensure!(
            answer.mutated_object.as_ref() == Some(fixed),
            "the patched object is not the object that the policy returned"
        );
    }
    fixed_again(case, request, fixed, engine)?;
    if !case.given.raw && is_pod(fixed) {
        survives_admission(case, request, fixed)?;
    }
    Ok(())
}

/// Messages are short, and contain no characters that could manipulate a terminal.
fn is_presentable(answer: &Answer) -> Result<()> {
    let Verdict { message, warnings, .. } = &answer.verdict;
    for warning in warnings {
        ensure!(warning.chars().count() <= 240, "a warning of more than 240 characters: {warning}");
    }
    for line in message.iter().flat_map(|message| message.split('\n')).chain(warnings.iter().map(String::as_str)) {
        ensure!(!line.chars().any(is_unsafe_character), "a control or bidirectional character in {line:?}");
    }
    Ok(())
}

fn is_unsafe_character(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The policy accepts the fixed object without changes.
fn fixed_again(case: &Case, request: &Value, fixed: &Value, engine: &Engine) -> Result<()> {
    let mut request = request.clone();
    if let Some(object) = request.get_mut("object") {
        *object = fixed.clone();
    }
    let second = engine.evaluate(&request, &case.settings, &case.cluster, &case.given.host)?.verdict;
    ensure!(second.allowed, "the fixed object is refused: {:?}", second.message);
    ensure!(second.object.is_none(), "the fixed object is changed again");
    Ok(())
}

/// After a patch, the in-tree plugin runs again, and then validation: what the fix removed must not come back.
fn survives_admission(case: &Case, request: &Value, fixed: &Value) -> Result<()> {
    let server = case.api_server();
    let stored = server.second_pass(fixed.clone(), &case.request_options()?).context("the second admission pass")?;
    server.validate(&stored).map_err(|errors| anyhow!("the fixed Pod is invalid: {}", errors.join("; ")))?;

    let (kept, stored) = (token_mounts(fixed), token_mounts(&stored));
    let back: Vec<_> = stored.difference(&kept).collect();
    ensure!(back.is_empty(), "the API server mounts a token again: {back:?}");

    let automount = "/spec/automountServiceAccountToken";
    let denied =
        fixed.pointer(automount) == Some(&json!(false)) && request.pointer("/object/spec") != fixed.get("spec");
    if denied && case.settings.pointer("/rules/pod-automount/tokenContainers").is_none() {
        let left: Vec<_> = stored.iter().filter(|mount| mount.volume.starts_with("kube-api-access-")).collect();
        ensure!(left.is_empty(), "the token is denied but mounted: {left:?}");
    }
    Ok(())
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TokenMount {
    container: String,
    volume: String,
}

/// The containers that mount a volume with a token for the Kubernetes API.
pub fn token_mounts(pod: &Value) -> BTreeSet<TokenMount> {
    let entries = |value: &Value, key: &str| value.get(key).and_then(Value::as_array).cloned().unwrap_or_default();
    let text = |value: &Value, key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let spec = pod.get("spec").cloned().unwrap_or_default();

    let holds_token = |volume: &Value| {
        let sources = volume.get("projected").map(|projected| entries(projected, "sources")).unwrap_or_default();
        sources
            .iter()
            .filter_map(|source| source.get("serviceAccountToken"))
            .any(|token| text(token, "audience").is_empty())
    };
    let volumes: BTreeSet<String> = entries(&spec, "volumes")
        .iter()
        .filter(|volume| holds_token(volume))
        .map(|volume| text(volume, "name"))
        .collect();

    let mut mounts = BTreeSet::new();
    for list in ["initContainers", "containers", "ephemeralContainers"] {
        for container in entries(&spec, list) {
            for mount in entries(&container, "volumeMounts") {
                let volume = text(&mount, "name");
                if volumes.contains(&volume) {
                    mounts.insert(TokenMount { container: text(&container, "name"), volume });
                }
            }
        }
    }
    mounts
}

fn is_pod(object: &Value) -> bool {
    object.get("apiVersion") == Some(&json!("v1")) && object.get("kind") == Some(&json!("Pod"))
}

/// A finding or fix in the response of `diagnose`.
#[derive(Deserialize)]
struct Diagnostic {
    rule: String,
    severity: String,
    field: String,
    message: String,
    #[serde(default)]
    help: String,
    value: Option<String>,
}

impl Diagnostic {
    fn line(&self) -> String {
        let Self { rule, severity, field, message, help, value } = self;
        let pods = if severity == "podChange" { "Pods made from this template will be changed: " } else { "" };
        let help = if help.is_empty() { String::new() } else { format!("; {help}") };
        let value = value.as_ref().map(|value| format!(" ({})", Escaped::new(value))).unwrap_or_default();
        format!("{rule}: {field}: {pods}{message}{help}{value}")
    }
}

/// The operations `validate` and `diagnose` agree: the messages of the first consist of the data of the second.
fn agree(validated: &[u8], diagnosed: &[u8]) -> Result<()> {
    let list = diagnosed
        .strip_prefix(br#"{"response":"#.as_slice())
        .and_then(|rest| rest.strip_prefix(validated))
        .and_then(|rest| rest.strip_prefix(br#","diagnostics":"#.as_slice()))
        .and_then(|rest| rest.strip_suffix(b"}"))
        .context("`diagnose` has another response than `validate`")?;
    let diagnostics: Vec<Diagnostic> = serde_json::from_slice(list).context("the diagnostics")?;
    let lines = |severities: &[&str]| {
        let found = diagnostics.iter().filter(|diagnostic| severities.contains(&diagnostic.severity.as_str()));
        let mut lines: Vec<String> = found.map(Diagnostic::line).collect();
        lines.sort();
        lines.dedup();
        lines
    };
    let response: Value = serde_json::from_slice(validated).context("the response")?;
    let member = |key: &str| response.get(key).unwrap_or(&Value::Null);

    let rejections = lines(&["rejection"]);
    if rejections.is_empty() {
        // If the request is rejected before the rules run, there are no diagnostics.
        ensure!(
            *member("accepted") == true || diagnostics.is_empty(),
            "diagnostics of a request that was not reviewed"
        );
    } else {
        ensure!(member("message").as_str() == Some(&rejection(&rejections)), "another message: {response}");
    }
    let has_changes = !lines(&["change"]).is_empty();
    ensure!(has_changes != member("mutated_object").is_null(), "changes without an object, or the other way round");

    let warnings = lines(&["warning", "change", "podChange"]);
    let shown: Vec<&str> = member("warnings").as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let (shown, more) = match shown.split_last() {
        Some((last, rest)) if last.starts_with(&format!("{POLICY}: and ")) => (rest, Some(*last)),
        _ => (shown.as_slice(), None),
    };
    let left = warnings.len().saturating_sub(shown.len());
    let expected_more =
        (left > 0).then(|| format!("{POLICY}: and {left} more warning{}", if left == 1 { "" } else { "s" }));
    ensure!(more == expected_more.as_deref(), "{left} warnings are not shown, but {more:?}");
    for (shown, line) in shown.iter().zip(&warnings) {
        let is_cut = shown.strip_suffix('…').is_some_and(|start| line.starts_with(start));
        ensure!(shown == line || is_cut, "another warning: {shown:?}, {line:?}");
    }
    Ok(())
}

fn rejection(lines: &[String]) -> String {
    const LISTED: usize = 20;
    let plural = if lines.len() == 1 { "" } else { "s" };
    let mut message = format!("{POLICY}: {} problem{plural}", lines.len());
    for line in lines.iter().take(LISTED) {
        message.extend(["\n- ", line]);
    }
    if lines.len() > LISTED {
        message.extend(["\n- and ", &(lines.len() - LISTED).to_string(), " more"]);
    }
    message
}
