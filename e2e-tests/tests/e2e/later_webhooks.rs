// SPDX-License-Identifier: Apache-2.0

//! A token that the policy removed does not come back, whatever other webhooks do before and after the policy.
//!
//! A Pod passes through the whole admission: the API server's plugin, the webhooks in any order including the mutating policy,
//! the plugin again, the webhooks that request reinvocation, validation, and the validating policy.
//! <https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/#reinvocation-policy>

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use e2e_tests::case::Host;
use e2e_tests::engine::Engine;
use e2e_tests::expectation::Verdict;
use libtest_mimic::{Failed, Trial};
use policy_host::apiserver::{ApiServer, RequestOptions, Webhook};
use policy_testing::objects::{NAMESPACE, pod, written_pod};
use policy_testing::settings::settings;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use proptest::test_runner::{TestCaseError, TestRunner};
use serde_json::{Map, Value, json};
use serviceaccount_hygiene::rules::RULES;

use crate::properties::fixing;

/// The number of Pods.
const CASES: u32 = 500;

/// For each webhook, at least this many Pods must be stored without their token and with its injected parts.
const STORED: usize = 3;

/// At least this many Pods must be rejected by the Vault Agent injector because they lost their token.
const REFUSED_BY_VAULT: usize = 1;

pub fn trials(engine: &Arc<Engine>) -> Vec<Trial> {
    let (property, small) = (Arc::clone(engine), Arc::clone(engine));
    vec![
        Trial::test("property::a_denied_token_stays_away_from_later_webhooks", move || hold(&property)),
        Trial::test("property::what_webhooks_make_of_small_pods", move || small_pods(&small)),
        Trial::test("property::what_a_policy_must_not_do_to_webhooks", detects_unexpected_changes),
    ]
}

/// A webhook that is called for a Pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Caller {
    Policy,
    Webhook(Webhook),
    /// Mounts the API token into every container, even if it was removed.
    Rogue,
}

/// The webhooks and accounts of a cluster.
#[derive(Debug, Clone)]
struct ClusterSetup {
    /// In the order in which they are called.
    callers: Vec<Caller>,
    /// Whether the policy, and the other webhooks, request reinvocation.
    again: (bool, bool),
    openshift: bool,
    /// The accounts `app` and `default`.
    accounts: [Value; 2],
}

/// The outcome of a Pod.
#[derive(Debug)]
enum Outcome {
    /// The property does not apply: the Pod is invalid from the start, or the settings are.
    Skipped,
    /// The policy rejects it, in either phase, with this message.
    Refused(String),
    /// A webhook rejects it.
    Denied {
        by: Webhook,
        token_was_removed: bool,
    },
    Stored {
        token_was_removed: bool,
        injected: BTreeSet<Webhook>,
    },
}

/// The number of Pods with each outcome.
#[derive(Debug, Default)]
struct Tally {
    refused: usize,
    /// Stored without their original token.
    stored: usize,
    /// Of these, the number for each webhook that injected something; `None`: nothing was injected.
    injected: BTreeMap<Option<Webhook>, usize>,
    refused_by_vault: usize,
}

impl Tally {
    fn count(&mut self, end: &Outcome) {
        match end {
            Outcome::Refused(_) => self.refused += 1,
            Outcome::Denied { by: Webhook::VaultAgent, token_was_removed: true } => self.refused_by_vault += 1,
            Outcome::Stored { token_was_removed: true, injected } => {
                self.stored += 1;
                let mut kinds: Vec<_> = injected.iter().copied().map(Some).collect();
                kinds.extend(kinds.is_empty().then_some(None));
                for kind in kinds {
                    *self.injected.entry(kind).or_default() += 1;
                }
            }
            Outcome::Skipped | Outcome::Denied { .. } | Outcome::Stored { .. } => {}
        }
    }

    /// Whether every outcome occurred often enough for the property to be meaningful.
    fn is_enough(&self) -> bool {
        let kinds = Webhook::ALL.map(Some).into_iter().chain([None]);
        let mut counts = kinds.map(|kind| self.injected.get(&kind).copied().unwrap_or_default());
        counts.all(|count| count >= STORED) && self.refused_by_vault >= REFUSED_BY_VAULT && self.refused > 0
    }
}

fn hold(engine: &Engine) -> Result<(), Failed> {
    // The seed is PROPTEST_RNG_SEED, if it is set.
    let mut runner = TestRunner::new(ProptestConfig { cases: CASES, failure_persistence: None, ..Default::default() });
    let tally = RefCell::new(Tally::default());
    let outcome = runner.run(&(asking_pod(), paired_settings(), surroundings()), |(pod, settings, surroundings)| {
        let end = PodAdmission::new(engine, &settings, &surroundings).run(pod)?;
        tally.borrow_mut().count(&end);
        Ok(())
    });
    outcome.map_err(|error| Failed::from(error.to_string()))?;
    let tally = tally.into_inner();
    if tally.is_enough() { Ok(()) } else { Err(format!("too little happened: {tally:?}").into()) }
}

/// A Pod that requests injection from some of the webhooks.
fn asking_pod() -> BoxedStrategy<Value> {
    let mark = |kind: &'static str, key: &'static str, values: &'static [&'static str]| {
        option::weighted(0.75, select(values)).prop_map(move |value| value.map(|value| (kind, key, value)))
    };
    let marks = (
        mark("labels", "sidecar.istio.io/inject", &["true", "true", "true", "false"]),
        mark("annotations", "sidecar.istio.io/nativeSidecar", &["true", "false"]),
        mark("annotations", "linkerd.io/inject", &["enabled", "enabled", "ingress", "disabled"]),
        mark("annotations", "config.linkerd.io/proxy-enable-native-sidecar", &["true", "false"]),
        mark("annotations", "vault.hashicorp.com/agent-inject", &["true", "1", "T", "T"]),
    );
    // As Vault's documentation recommends for Pods without the API token.
    let own_token = prop::bool::weighted(0.2);
    (prop_oneof![3 => written_pod(), 1 => pod()], marks, own_token, prop::bool::weighted(0.7))
        .prop_map(|(mut pod, (a, b, c, d, e), own_token, is_silent)| {
            if is_silent {
                put(&mut pod, &["spec", "automountServiceAccountToken"], Value::Null);
            }
            let name = ("annotations", "vault.hashicorp.com/agent-service-account-token-volume-name", "vault-token");
            for (kind, key, value) in [a, b, c, d, e, own_token.then_some(name)].into_iter().flatten() {
                put(&mut pod, &["metadata", kind, key], json!(value));
            }
            if own_token {
                let token = json!({"audience": "vault", "expirationSeconds": 3600, "path": "token"});
                let volume = json!({"name": "vault-token", "projected": {"sources": [{"serviceAccountToken": token}]}});
                if let Some(spec) = pod.get_mut("spec").and_then(Value::as_object_mut) {
                    let volumes = spec.entry("volumes").or_insert_with(|| json!([]));
                    volumes.as_array_mut().into_iter().for_each(|volumes| volumes.push(volume.clone()));
                }
            }
            pod
        })
        .boxed()
}

/// Sets a value at a path of keys; missing maps are created.
fn put(value: &mut Value, path: &[&str], to: Value) {
    let mut node = value;
    for key in path {
        let Some(map) = node.as_object_mut() else { return };
        node = map.entry(*key).or_insert_with(|| json!({}));
    }
    *node = to;
}

/// Settings of both policies, except for the phase. They are adjusted because, if every rule may reject and few Pods lose their
/// token, hardly any such Pod is stored.
fn paired_settings() -> BoxedStrategy<Value> {
    /// The rules that change tokens; their drawn settings stay.
    const FIXING: [&str; 4] = ["pod-automount", "projected-token-lifetime", "one-year-token", "irsa-injection"];
    (settings(), prop::bool::weighted(0.3), 0_u8..6)
        .prop_map(|(mut settings, keeps_for_vault, chance)| {
            fixing(&mut settings);
            if chance > 0 {
                for rule in RULES.iter().filter(|rule| !FIXING.contains(&rule.id)) {
                    put(&mut settings, &["rules", rule.id], json!("warn"));
                }
                put(&mut settings, &["treatWarnAs"], json!("warn"));
            }
            if chance > 1 {
                let mut rule = json!({"action": "mutate", "scope": "all", "optIn": "pod"});
                if !keeps_for_vault {
                    put(&mut rule, &["keepForAnnotations"], json!(["example.com/keep=please"]));
                }
                if chance > 3 {
                    let keepers = json!([{"name": "kuma-*", "image": "docker.io/kumahq/kuma-dp:*"}]);
                    put(&mut rule, &["tokenContainers"], keepers);
                    put(&mut settings, &["templates"], json!("check"));
                }
                put(&mut settings, &["rules", "pod-automount"], rule);
            }
            // If the policy kept the token for a token container, this rule at its default detects other containers that mount
            // it.
            if settings.pointer(TOKEN_CONTAINERS).is_some() {
                put(&mut settings, &["rules", "reserved-volume-name"], json!("reject"));
            }
            settings
        })
        .boxed()
}

fn surroundings() -> BoxedStrategy<ClusterSetup> {
    let eks = select(vec![Webhook::Irsa, Webhook::Irsa, Webhook::EksPodIdentity]);
    let others = vec![Webhook::Istio, Webhook::Linkerd, Webhook::VaultAgent];
    let others = prop_oneof![4 => subsequence(others, 1..=3), 1 => Just(Vec::new())];
    let webhooks = (option::weighted(0.6, eks), others).prop_map(|(eks, others)| {
        let webhooks = eks.into_iter().chain(others).map(Caller::Webhook);
        webhooks.chain([Caller::Policy]).collect::<Vec<_>>()
    });
    let annotation = |key: &'static str, values: &'static [&'static str]| {
        option::weighted(0.7, select(values)).prop_map(move |value| value.map(|value| (key.to_owned(), value.into())))
    };
    let annotations = (
        annotation("eks.amazonaws.com/role-arn", &["arn:aws:iam::123456789012:role/app"]),
        annotation("eks.amazonaws.com/audience", &["sts.amazonaws.com", "vault"]),
        annotation("eks.amazonaws.com/token-expiration", &["3600", "172800", "1h"]),
        annotation("eks.amazonaws.com/sts-regional-endpoints", &["true", "regional"]),
    );
    let automount = (option::of(any::<bool>()), option::of(any::<bool>()));
    (webhooks.prop_shuffle(), any::<(bool, bool)>(), any::<bool>(), annotations, automount)
        .prop_map(|(callers, again, openshift, (a, b, c, d), (app, default))| {
            let annotations: Map<_, _> = [a, b, c, d].into_iter().flatten().collect();
            let accounts = [account("app", app, &annotations), account("default", default, &annotations)];
            ClusterSetup { callers, again, openshift, accounts }
        })
        .boxed()
}

fn account(name: &str, automount: Option<bool>, annotations: &Map<String, Value>) -> Value {
    let metadata = json!({"name": name, "namespace": NAMESPACE, "annotations": annotations});
    json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata, "automountServiceAccountToken": automount})
}

/// The admission of a Pod.
struct PodAdmission<'a> {
    engine: &'a Engine,
    settings: &'a Value,
    surroundings: &'a ClusterSetup,
    server: ApiServer,
    options: RequestOptions,
}

impl<'a> PodAdmission<'a> {
    fn new(engine: &'a Engine, settings: &'a Value, surroundings: &'a ClusterSetup) -> Self {
        let server = ApiServer::new(&surroundings.accounts);
        let options = RequestOptions { openshift: surroundings.openshift, ..RequestOptions::default() };
        Self { engine, settings, surroundings, server, options }
    }

    fn run(&self, pod: Value) -> Result<Outcome, TestCaseError> {
        let Ok(mut request) = self.server.request(pod, &self.options) else { return Ok(Outcome::Skipped) };
        let mut twin = self.settings.clone();
        put(&mut twin, &["phase"], json!("validating"));
        let mut object = request.get_mut("object").map(Value::take).unwrap_or_default();
        for settings in [self.settings, &twin] {
            if !self.engine.validate_settings(settings).map_err(|error| failed(&error))?.valid {
                return Ok(Outcome::Skipped);
            }
        }
        if self.server.validate(&object).is_err() {
            return Ok(Outcome::Skipped);
        }

        let written = object.clone();
        let mut injected = BTreeSet::new();
        let (mut taken, mut last): (Option<RemainingTokens>, Option<Value>) = (None, None);
        for is_first in [true, false] {
            if !is_first {
                object = self.server.second_pass(object, &self.options).map_err(|error| failed(&error.into()))?;
            }
            let (policy_again, others_again) = self.surroundings.again;
            for caller in &self.surroundings.callers {
                match caller {
                    Caller::Policy if is_first || policy_again => {
                        let fixed = match self.mutate(&request, &object)? {
                            Ok(fixed) => fixed,
                            Err(why) => return Ok(Outcome::Refused(why)),
                        };
                        own_tokens_stay(&object, &fixed)?;
                        if let Some(last) = &last {
                            nothing_new(last, &object, &fixed)?;
                            let third = self.mutate(&request, &fixed)?;
                            prop_assert_eq!(third.as_ref(), Ok(&fixed), "changed a third time");
                        }
                        taken = RemainingTokens::by(&object, &fixed, self.settings).or(taken);
                        last = Some(fixed.clone());
                        object = fixed;
                    }
                    Caller::Webhook(webhook) if is_first || others_again => {
                        let Ok(changed) = self.server.call(*webhook, object.clone(), &self.options) else {
                            return Ok(Outcome::Denied { by: *webhook, token_was_removed: taken.is_some() });
                        };
                        if changed != object {
                            injected.insert(*webhook);
                        }
                        object = changed;
                    }
                    Caller::Rogue if is_first => restore(&mut object, &written),
                    Caller::Policy | Caller::Webhook(_) | Caller::Rogue => {}
                }
            }
        }
        if let Err(errors) = self.server.validate(&object) {
            return Err(TestCaseError::fail(format!("the Pod is invalid: {}", errors.join("; "))));
        }
        let answer = self.evaluate(&request, &object, &twin)?;
        if !answer.allowed {
            return Ok(Outcome::Refused(answer.message.unwrap_or_default()));
        }
        if let Some(taken) = &taken {
            taken.stays_away(&object, &answer.warnings)?;
        }
        Ok(Outcome::Stored { token_was_removed: taken.is_some(), injected })
    }

    /// The object as the mutating policy returns it, or the message of its rejection.
    fn mutate(&self, request: &Value, object: &Value) -> Result<Result<Value, String>, TestCaseError> {
        let verdict = self.evaluate(request, object, self.settings)?;
        let object = || verdict.object.unwrap_or_else(|| object.clone());
        Ok(if verdict.allowed { Ok(object()) } else { Err(verdict.message.unwrap_or_default()) })
    }

    fn evaluate(&self, request: &Value, object: &Value, settings: &Value) -> Result<Verdict, TestCaseError> {
        let mut request = request.clone();
        if let Some(request) = request.as_object_mut() {
            request.insert("object".to_owned(), object.clone());
        }
        let mutating = settings.get("phase") != Some(&json!("validating"));
        let host = Host { mutating, ..Host::default() };
        let answer = self
            .engine
            .evaluate(&request, settings, &self.surroundings.accounts, &host)
            .map_err(|error| failed(&error))?;
        prop_assert!(!answer.failed, "the guest gave no answer: {:?}", answer.verdict);
        let verdict = answer.verdict;
        if !verdict.allowed {
            let message = verdict.message.clone().unwrap_or_default();
            let names_a_rule =
                message.lines().any(|line| RULES.iter().any(|rule| line.starts_with(&format!("- {}: ", rule.id))));
            prop_assert!(names_a_rule, "a refusal without a reason: {message}");
        }
        Ok(verdict)
    }
}

fn failed(error: &anyhow::Error) -> TestCaseError {
    TestCaseError::fail(format!("{error:#}"))
}

/// The tokens that remain after the policy removed one.
#[derive(Debug)]
struct RemainingTokens {
    /// The containers that still have a token: a hand-written one, or one that a token container keeps.
    left: BTreeSet<ApiToken>,
    /// The hand-written volumes, which any container may mount; other rules check them.
    written: BTreeSet<String>,
}

/// A container that has an API token through a volume.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct ApiToken {
    container: String,
    volume: String,
}

impl RemainingTokens {
    /// The difference that the policy made; none if it did not remove the token.
    fn by(before: &Value, after: &Value, settings: &Value) -> Option<Self> {
        let says_no = |pod: &Value| pod.pointer(AUTOMOUNT) == Some(&json!(false));
        if says_no(before) || !says_no(after) {
            return None;
        }
        let has_keepers = settings.pointer(TOKEN_CONTAINERS).is_some();
        // Token containers keep the token in a projected volume with such a name.
        let is_kept = |name: &str| {
            let of_secret = |volume: &Value| text(volume, "name") == name && volume.get("secret").is_some();
            has_keepers && name.starts_with("kube-api-access-") && !volumes(after).iter().any(of_secret)
        };
        let written = api_volumes(after).filter(|name| !is_kept(name));
        Some(Self { left: api_tokens(after), written: written.map(str::to_owned).collect() })
    }

    fn stays_away(&self, stored: &Value, warnings: &[String]) -> Result<(), TestCaseError> {
        prop_assert_eq!(stored.pointer(AUTOMOUNT), Some(&json!(false)), "the field");
        for token in api_tokens(stored).difference(&self.left) {
            prop_assert!(self.written.contains(&token.volume), "{token:?} is back, of {self:?}; {warnings:?}");
        }
        Ok(())
    }
}

const AUTOMOUNT: &str = "/spec/automountServiceAccountToken";
const TOKEN_CONTAINERS: &str = "/rules/pod-automount/tokenContainers";
const LISTS: [&str; 3] = ["initContainers", "containers", "ephemeralContainers"];

fn entries<'v>(value: &'v Value, key: &str) -> &'v [Value] {
    value.get(key).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn containers(pod: &Value) -> impl Iterator<Item = &Value> {
    LISTS.iter().filter_map(|list| pod.get("spec")?.get(list)?.as_array()).flatten()
}

fn volumes(pod: &Value) -> &[Value] {
    pod.get("spec").map_or(&[], |spec| entries(spec, "volumes"))
}

fn tokens(volume: &Value) -> impl Iterator<Item = &Value> {
    let sources = volume.get("projected").map_or(&[][..], |projected| entries(projected, "sources"));
    sources.iter().filter_map(|source| source.get("serviceAccountToken"))
}

/// The names of the volumes with a token for the Kubernetes API, identified by their sources.
fn api_volumes(pod: &Value) -> impl Iterator<Item = &str> {
    const AUDIENCES: [&str; 3] = ["", "api", "kubernetes"];
    let is_api = |token: &Value| {
        let audience = text(token, "audience");
        AUDIENCES.contains(&audience) || audience.starts_with("https://kubernetes.default")
    };
    let is_legacy = |name: &str| name.rsplit_once("-token-").is_some_and(|(_, suffix)| suffix.len() == 5);
    let holds_token = move |volume: &&Value| {
        let secret = volume.get("secret").map_or("", |secret| text(secret, "secretName"));
        tokens(volume).any(is_api) || is_legacy(secret)
    };
    volumes(pod).iter().filter(holds_token).map(|volume| text(volume, "name"))
}

/// The containers that mount such a volume.
fn api_tokens(pod: &Value) -> BTreeSet<ApiToken> {
    let names: BTreeSet<&str> = api_volumes(pod).collect();
    let mounts = containers(pod).flat_map(|container| {
        entries(container, "volumeMounts").iter().map(|mount| (text(container, "name"), text(mount, "name")))
    });
    mounts
        .filter(|(_, volume)| names.contains(volume))
        .map(|(container, volume)| ApiToken { container: container.to_owned(), volume: volume.to_owned() })
        .collect()
}

/// The policy does not change tokens that other webhooks add for other services, except to lower their lifetimes.
fn own_tokens_stay(before: &Value, after: &Value) -> Result<(), TestCaseError> {
    const OWN: [&str; 5] =
        ["aws-iam-token", "eks-pod-identity-token", "istio-token", "linkerd-identity-token", "vault-token"];
    for name in OWN {
        let is_own = |volume: &&Value| text(volume, "name") == name;
        let (Some(was), now) = (volumes(before).iter().find(is_own), volumes(after).iter().find(is_own)) else {
            continue;
        };
        let now = now.ok_or_else(|| TestCaseError::fail(format!("the policy removed the volume {name}")))?;
        for (was, now) in tokens(was).zip(tokens(now)) {
            let lifetime = |token: &Value| token.get("expirationSeconds").and_then(Value::as_i64);
            prop_assert!(lifetime(now) <= lifetime(was), "the policy raised the lifetime of {}", name);
        }
        prop_assert_eq!(without_lifetimes(was), without_lifetimes(now), "the policy changed the volume");
        let mounts = |pod: &Value| -> Vec<(String, Value)> {
            let all = containers(pod).flat_map(|container| {
                let mounts = entries(container, "volumeMounts").iter().filter(|mount| text(mount, "name") == name);
                mounts.map(|mount| (text(container, "name").to_owned(), mount.clone())).collect::<Vec<_>>()
            });
            all.collect()
        };
        let (was, now) = (mounts(before), mounts(after));
        let lost: Vec<_> = was.iter().filter(|mount| !now.contains(mount)).collect();
        prop_assert!(lost.is_empty(), "the policy removed mounts: {:?}", lost);
    }
    Ok(())
}

fn without_lifetimes(volume: &Value) -> Value {
    let mut volume = volume.clone();
    let sources = volume.pointer_mut("/projected/sources").and_then(Value::as_array_mut);
    for source in sources.into_iter().flatten() {
        if let Some(token) = source.get_mut("serviceAccountToken").and_then(Value::as_object_mut) {
            token.remove("expirationSeconds");
        }
    }
    volume
}

/// When it is called again, the policy changes only what was changed in between.
fn nothing_new(last: &Value, now: &Value, fixed: &Value) -> Result<(), TestCaseError> {
    if last == now {
        prop_assert_eq!(now, fixed, "nothing came in between");
    }
    for list in ["volumes", "initContainers", "containers"] {
        let of = |pod: &Value| -> Vec<Value> { pod.get("spec").map_or(&[][..], |spec| entries(spec, list)).to_vec() };
        let (now_there, fixed) = (of(now), of(fixed));
        // A volume that other containers mount in the meantime counts as changed.
        let is_untouched = |entry: &Value| {
            now_there.contains(entry) && (list != "volumes" || mounters(last, entry) == mounters(now, entry))
        };
        let changed: Vec<_> =
            of(last).into_iter().filter(is_untouched).filter(|entry| !fixed.contains(entry)).collect();
        prop_assert!(changed.is_empty(), "changed though nobody touched them: {:?}", changed);
    }
    Ok(())
}

/// The containers that mount a volume.
fn mounters<'p>(pod: &'p Value, volume: &Value) -> BTreeSet<&'p str> {
    let mounts = |container: &&Value| {
        entries(container, "volumeMounts").iter().any(|mount| text(mount, "name") == text(volume, "name"))
    };
    containers(pod).filter(mounts).map(|container| text(container, "name")).collect()
}

/// A webhook that restores what the policy removed.
fn restore(pod: &mut Value, written: &Value) {
    for key in ["volumes", "containers"] {
        let was = written.get("spec").and_then(|spec| spec.get(key)).cloned().unwrap_or_default();
        put(pod, &["spec", key], was);
    }
}

/// A small Pod, and its expected outcome.
#[derive(Debug, Clone)]
struct Scenario {
    callers: Vec<Caller>,
    /// The annotations of the Pod, and of its account.
    pod: Value,
    account: Value,
    /// The parameters of `pod-automount`.
    params: Value,
    /// The rules that are off.
    off: &'static [&'static str],
    ends: &'static str,
}

/// Typical combinations of webhooks. They also show that the property can fail: the validating policy rejects the Pod; with its
/// rules off, the property fails.
fn small_pods(engine: &Engine) -> Result<(), Failed> {
    use Caller::{Policy, Rogue, Webhook as Other};
    use Webhook::{EksPodIdentity, Irsa, Istio, Linkerd, VaultAgent};

    const LOST: &str = "Stored { token_was_removed: true";
    const RESERVED: &str = "- reserved-volume-name: spec.volumes[kube-api-access-";
    const CHECKS_OFF: &[&str] = &["reserved-volume-name", "default-service-account", "one-year-token"];
    let plain = Scenario {
        callers: vec![Policy],
        pod: json!({}),
        account: json!({"eks.amazonaws.com/role-arn": "arn:aws:iam::123456789012:role/app"}),
        params: json!({}),
        off: &[],
        ends: LOST,
    };
    let mut scenarios = vec![plain.clone()];
    for webhook in [Irsa, EksPodIdentity, Istio, Linkerd] {
        for callers in [vec![Policy, Other(webhook)], vec![Other(webhook), Policy]] {
            scenarios.push(Scenario { callers, pod: json!({"linkerd.io/inject": "enabled"}), ..plain.clone() });
        }
    }

    // The agent needs a token. The policy keeps it because of the annotation, but only with the value that the default
    // contains.
    let vault = Scenario {
        callers: vec![Policy, Other(VaultAgent)],
        pod: json!({"vault.hashicorp.com/agent-inject": "true"}),
        ends: "Stored { token_was_removed: false, injected: {VaultAgent} }",
        ..plain.clone()
    };
    let refused = "Denied { by: VaultAgent, token_was_removed: true }";
    let keeps_nothing = json!({"keepForAnnotations": ["example.com/keep=please"]});
    let spelt_otherwise = json!({"vault.hashicorp.com/agent-inject": "T"});
    // If another token is mounted at a path that contains `serviceaccount`, the agent uses that one.
    let after_aws = vec![Policy, Other(Irsa), Other(VaultAgent)];
    scenarios.extend([
        vault.clone(),
        Scenario { params: keeps_nothing.clone(), ends: refused, ..vault.clone() },
        Scenario { pod: spelt_otherwise.clone(), ends: refused, ..vault.clone() },
        Scenario { params: keeps_nothing, callers: after_aws, ends: LOST, ..vault.clone() },
    ]);

    // Other webhooks copy the mount that a token container keeps.
    let keeper = json!({"tokenContainers": [{"name": "web", "image": "docker.io/library/web"}]});
    let kept = Scenario { params: keeper, pod: json!({"linkerd.io/inject": "enabled"}), ..plain.clone() };
    let copied = Scenario { callers: vec![Policy, Other(Linkerd)], ..kept.clone() };
    scenarios.extend([
        kept,
        Scenario { ends: RESERVED, ..copied.clone() },
        Scenario { off: CHECKS_OFF, ends: "is back", ..copied.clone() },
        Scenario { callers: vec![Policy, Other(VaultAgent)], pod: spelt_otherwise, ends: RESERVED, ..copied },
    ]);

    // With an empty audience, the account turns the webhook's token into one for the Kubernetes API.
    let empty =
        json!({"eks.amazonaws.com/role-arn": "arn:aws:iam::123456789012:role/app", "eks.amazonaws.com/audience": ""});
    let for_the_api = Scenario { callers: vec![Policy, Other(Irsa)], account: empty, ..plain.clone() };
    scenarios.extend([
        Scenario { ends: "- reserved-volume-name: spec.volumes[aws-iam-token]", ..for_the_api.clone() },
        Scenario { off: CHECKS_OFF, ends: "is back", ..for_the_api },
    ]);

    let rogue = Scenario { callers: vec![Policy, Rogue], ..plain };
    scenarios
        .extend([Scenario { ends: RESERVED, ..rogue.clone() }, Scenario { off: CHECKS_OFF, ends: "is back", ..rogue }]);

    let ends = scenarios.into_iter().map(|story| (story.end(engine), story));
    let problems = ends.filter(|(end, story)| !end.contains(story.ends));
    let problems: Vec<String> = problems.map(|(end, story)| format!("{story:?}: {end}")).collect();
    if problems.is_empty() { Ok(()) } else { Err(problems.join("\n").into()) }
}

impl Scenario {
    fn end(&self, engine: &Engine) -> String {
        let labels = json!({"sidecar.istio.io/inject": "true"});
        let metadata = json!({"name": "web", "namespace": NAMESPACE, "annotations": self.pod, "labels": labels});
        let spec = json!({"serviceAccountName": "app", "containers": [{"name": "web", "image": "web"}]});
        let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec});
        let mut settings = json!({"phase": "mutating", "rules": {"pod-automount": self.params}});
        put(&mut settings, &["rules", "pod-automount", "action"], json!("mutate"));
        put(&mut settings, &["rules", "pod-automount", "scope"], json!("all"));
        self.off.iter().for_each(|rule| put(&mut settings, &["rules", rule], json!("off")));
        let annotations = self.account.as_object().cloned().unwrap_or_default();
        let surroundings = ClusterSetup {
            callers: self.callers.clone(),
            again: (false, false),
            openshift: false,
            accounts: [account("app", None, &annotations), account("default", None, &annotations)],
        };
        match PodAdmission::new(engine, &settings, &surroundings).run(pod) {
            Ok(Outcome::Refused(why)) => why,
            Ok(end) => format!("{end:?}"),
            Err(error) => error.to_string(),
        }
    }
}

/// The checks detect changes that the policy has never made.
fn detects_unexpected_changes() -> Result<(), Failed> {
    const LIFETIME: &str = "/spec/volumes/0/projected/sources/0/serviceAccountToken/expirationSeconds";
    let token = json!({"audience": "istio-ca", "expirationSeconds": 43_200, "path": "istio-token"});
    let pod = json!({"spec": {
        "volumes": [{"name": "istio-token", "projected": {"sources": [{"serviceAccountToken": token}]}}],
        "containers": [{"name": "web", "volumeMounts": [{"name": "istio-token", "mountPath": "/t"}]}],
    }});
    let changed = |pointer: &str, to: Value| {
        let mut pod = pod.clone();
        if let Some(node) = pod.pointer_mut(pointer) {
            *node = to;
        }
        pod
    };
    let audience = LIFETIME.replace("expirationSeconds", "audience");
    for (harmed, tokens_stay, is_old) in [
        (pod.clone(), true, true),
        (changed(LIFETIME, json!(3600)), true, false),
        (changed(LIFETIME, json!(86_400)), false, false),
        (changed(&audience, json!("api")), false, false),
        (changed("/spec/volumes", json!([])), false, false),
        (changed("/spec/containers/0/volumeMounts", json!([])), false, false),
    ] {
        let found = (own_tokens_stay(&pod, &harmed).is_ok(), nothing_new(&pod, &pod, &harmed).is_ok());
        if found != (tokens_stay, is_old) {
            return Err(format!("{harmed}: {found:?}").into());
        }
    }
    // Changes in between do not excuse other changes.
    let mut between = pod.clone();
    put(&mut between, &["spec", "initContainers"], json!([{"name": "istio-init"}]));
    let mut harmed = between.clone();
    put(&mut harmed, &["spec", "containers"], json!([]));
    if nothing_new(&pod, &between, &harmed).is_ok() {
        return Err("a container that nobody touched is gone".into());
    }
    Ok(())
}
