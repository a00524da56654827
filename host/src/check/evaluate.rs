// SPDX-License-Identifier: Apache-2.0

//! Evaluates one object as the API server would: its own steps before admission, the policies in its order, and validation.

use anyhow::Context as _;
use serde_json::Value;
use serviceaccount_hygiene::admission::response::POLICY;

use super::coverage::{self, KindCoverage};
use super::evidence::{Evidence, account_of};
use super::exemptions;
use super::finding::{Finding, Level, findings};
use super::policies::{Fixing, Policies, PolicyUnit};
use super::scope::{Namespaces, PolicyMatch};
use super::selection::Selection;
use super::verdict::{Reason, Verdict};
use crate::apiserver::{ApiError, ApiServer, RequestOptions};
use crate::json::text_at;

/// How objects are evaluated.
#[derive(Debug)]
pub struct Evaluator {
    /// The policies.
    pub policies: Policies,
    /// The simulated API server.
    pub server: ApiServer,
    /// The bindings in the input and in `--cluster`.
    pub(super) evidence: Evidence,
    /// The labels of the known namespaces.
    pub(super) namespaces: Namespaces,
    /// The namespace of objects without one.
    pub namespace: String,
    /// Whether the Pods of templates are also evaluated.
    pub with_pods: bool,
    /// Whether reports contain the fixes that `--fix` would make.
    pub with_fixes: bool,
    /// Which rules' findings are reported.
    pub selection: Selection,
    /// Whether comments that suppress findings are ignored.
    pub ignore_suppressions: bool,
}

/// The result for an object.
#[derive(Debug, Default)]
pub(super) struct Evaluation {
    pub findings: Vec<Finding>,
    /// `namespace/name` of an account that a policy looked up and that is not in the input.
    pub unknown_account: Option<String>,
    /// A namespace that a policy selects by labels and that is not in the input.
    pub unknown_namespace: Option<String>,
    /// The exemptions that matched, each as the index of the policy and the index of the entry.
    pub exemptions: Vec<(usize, usize)>,
    /// Why it is not checked, if it is not.
    pub not_checked: Option<Reason>,
    /// The current `apiVersion` of its kind, if its own was removed.
    pub moved_to: Option<&'static str>,
    /// Changes to the Pods of a template by policies that can only validate. What happens to the Pods instead is known once one
    /// of them is evaluated.
    unfixed_pods: Vec<Finding>,
}

/// The result of the admission of an object.
#[derive(Debug)]
pub(super) struct Admission {
    /// The object as the first policy saw it.
    pub admitted: Value,
    /// The object as it would be stored.
    pub stored: Value,
    pub is_rejected: bool,
    /// Why the API server would reject the object.
    pub problems: Vec<String>,
}

/// A policy's answer to the API server.
#[derive(Debug)]
struct Answer {
    is_allowed: bool,
    /// The object as the policy changed it, if it did.
    patched: Option<Value>,
}

/// What a request is evaluated for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose<'r> {
    /// The cluster's verdict, from the policies that are enforced.
    Verdict,
    /// What the policies in monitor mode would do if all policies were enforced.
    Enforced,
    /// What the policies can fix.
    Fix(Fixing<'r>),
}

impl Purpose<'_> {
    pub fn is_fix(self) -> bool {
        matches!(self, Self::Fix(_))
    }
}

impl Evaluation {
    /// The verdict on the object.
    pub fn verdict(&self) -> Verdict {
        match &self.not_checked {
            Some(reason) if self.findings.is_empty() => Verdict::NotChecked(reason.clone()),
            _ => Verdict::of(&self.findings),
        }
    }
}

impl Evaluator {
    /// The cluster's verdict on an object.
    pub(super) fn evaluate(&self, object: &Value, is_live: bool) -> Evaluation {
        let mut evaluation = Evaluation { moved_to: coverage::moved_to(object), ..Evaluation::default() };
        let object = &*coverage::today(object);
        if let Some(reason) = self.not_checked(object) {
            evaluation.not_checked = Some(reason);
            return evaluation;
        }
        if is_live {
            self.audit(object, &mut evaluation);
            evaluation.not_checked = self.exemption_reason(object, &evaluation);
            return evaluation;
        }
        self.create(object, Purpose::Verdict, &mut evaluation);
        let has_unfixed_pods = !evaluation.unfixed_pods.is_empty();
        if (self.with_pods || has_unfixed_pods)
            && let Some((mut pod, path)) = ApiServer::pod_of(object)
        {
            let mut pod_evaluation = Evaluation::default();
            if let Some(metadata) = pod.pointer_mut("/metadata").and_then(Value::as_object_mut) {
                metadata.entry("namespace").or_insert_with(|| self.namespace.clone().into());
            }
            self.create(&pod, Purpose::Verdict, &mut pod_evaluation);
            if !self.with_pods {
                pod_evaluation.keep_rules_of(&evaluation.unfixed_pods);
            }
            evaluation.add_pod(pod_evaluation, &path.join("."));
        }
        evaluation.not_checked = self.exemption_reason(object, &evaluation);
        evaluation
    }

    /// Why an object is not checked, if its kind or its depth is the reason.
    fn not_checked(&self, object: &Value) -> Option<Reason> {
        let text = |key: &str| object.get(key).and_then(Value::as_str).unwrap_or_default();
        let (version, kind) = (text("apiVersion"), text("kind"));
        let interests: Vec<KindCoverage> =
            self.policies.units.iter().map(|unit| unit.coverage.interest(version, kind)).collect();
        let reason = |why: &'static str| Some(Reason { why, hint: None });
        match () {
            // The Pods of an ignored template are still evaluated.
            () if self.with_pods && interests.contains(&KindCoverage::IgnoredTemplate) => None,
            // The policy's answer contains the object, and has to be parsed.
            () if interests.contains(&KindCoverage::Some) && is_deeper(object, DEEPEST) => reason("nested too deeply"),
            () if interests.contains(&KindCoverage::Some) => None,
            () if interests.contains(&KindCoverage::Off) => reason("the rules for the kind are off"),
            () if interests.contains(&KindCoverage::IgnoredTemplate) => reason("`templates: ignore` in the settings"),
            () => Some(coverage::no_rule(object)),
        }
    }

    /// Why an object without findings is not checked: no policy selects it, or every policy that selects it exempts it.
    fn exemption_reason(&self, object: &Value, evaluation: &Evaluation) -> Option<Reason> {
        if !evaluation.findings.is_empty() {
            return None;
        }
        let request = ApiServer::raw_request(object.clone(), &self.request_options(object)).ok()?;
        let namespace = request.get("namespace").and_then(Value::as_str).unwrap_or_default();
        let units = self.policies.units.iter().enumerate();
        let mut selected =
            units.filter(|(_, unit)| unit.scope.reach(&request, &self.namespaces) != PolicyMatch::No).peekable();
        if selected.peek().is_none() {
            return Some(Reason { why: "not selected by any policy", hint: None });
        }
        let mut is_by_namespace = true;
        let mut is_exempt = |(number, unit): (usize, &PolicyUnit)| {
            if unit.coverage.exempts_namespace(namespace) {
                return true;
            }
            is_by_namespace = false;
            evaluation
                .exemptions
                .iter()
                .any(|(policy, entry)| *policy == number && unit.coverage.applies_to_all_rules(*entry))
        };
        if !selected.all(&mut is_exempt) {
            return None;
        }
        let why = if is_by_namespace { "the namespace is exempt" } else { "an entry of `exemptions` applies" };
        Some(Reason { why, hint: None })
    }

    fn request_options(&self, object: &Value) -> RequestOptions {
        let in_url = text_at(object, "/metadata/namespace").filter(|it| !it.is_empty());
        let namespace = in_url.unwrap_or(&self.namespace).to_owned();
        RequestOptions { namespace: Some(namespace), ..RequestOptions::default() }
    }

    /// Evaluates a CREATE of an object; `None` if the API server rejects it before admission.
    pub(super) fn create(
        &self,
        object: &Value,
        purpose: Purpose<'_>,
        evaluation: &mut Evaluation,
    ) -> Option<Admission> {
        let options = self.request_options(object);
        match self.server.request(object.clone(), &options) {
            Ok(request) => {
                let enforced = (purpose == Purpose::Verdict && self.policies.has_monitored()).then(|| request.clone());
                let admission = self.admit(request, &options, purpose, evaluation);
                if let Some(request) = enforced {
                    self.admit(request, &options, Purpose::Enforced, evaluation);
                }
                Some(admission)
            }
            Err(error) => self.create_invalid(object, &error, &options, purpose, evaluation),
        }
    }

    /// Evaluates an object that the API server would reject before it calls any policy. The rules still check it, as it is
    /// written.
    fn create_invalid(
        &self,
        object: &Value,
        error: &ApiError,
        options: &RequestOptions,
        purpose: Purpose<'_>,
        evaluation: &mut Evaluation,
    ) -> Option<Admission> {
        evaluation.findings.push(Finding::of_api_server(&error.to_string()));
        let request = ApiServer::raw_request(object.clone(), options).ok()?;
        let mut rule_evaluation = Evaluation::default();
        for (number, unit) in self.policies.units.iter().enumerate() {
            let purpose = if unit.is_monitored() && purpose == Purpose::Verdict { Purpose::Enforced } else { purpose };
            self.call_policy(number, unit, &request, &request, purpose, &mut rule_evaluation);
        }
        // The API server's message already says why the policy cannot read the object either.
        rule_evaluation.findings.retain(Finding::is_of_a_rule);
        evaluation.unknown_account = rule_evaluation.unknown_account;
        evaluation.unknown_namespace = rule_evaluation.unknown_namespace;
        evaluation.exemptions.extend(rule_evaluation.exemptions);
        evaluation.add(rule_evaluation.findings);
        None
    }

    fn admit(
        &self,
        mut request: Value,
        options: &RequestOptions,
        purpose: Purpose<'_>,
        evaluation: &mut Evaluation,
    ) -> Admission {
        // Only fixes need the objects.
        let kept = |object: &Value| if purpose.is_fix() { object.clone() } else { Value::Null };
        let admitted = kept(object_of(&request));
        let mut is_rejected = false;
        let units = || {
            self.policies
                .units
                .iter()
                .enumerate()
                .filter(|(_, unit)| purpose != Purpose::Verdict || !unit.is_monitored())
        };
        for (number, unit) in units().filter(|(_, unit)| unit.is_mutating || purpose.is_fix()) {
            let Some(answer) = self.call_policy(number, unit, &request, &request, purpose, evaluation) else {
                continue;
            };
            if !answer.is_allowed {
                // After a rejection, the API server calls no other webhook.
                is_rejected = true;
                break;
            }
            if let Some(object) = answer.patched {
                set_object(&mut request, object);
            }
        }
        let mut problems = Vec::new();
        if !is_rejected {
            match self.server.second_pass(take_object(&mut request), options) {
                Ok(object) => set_object(&mut request, object),
                Err(error) => problems.push(error.to_string()),
            }
            for (number, unit) in units().filter(|(_, unit)| !unit.is_mutating && !purpose.is_fix()) {
                let answer = self.call_policy(number, unit, &request, &request, purpose, evaluation);
                is_rejected |= answer.is_some_and(|answer| !answer.is_allowed);
            }
        }
        let mut object = take_object(&mut request);
        let stored = kept(&object);
        if problems.is_empty() {
            problems = self.server.validate_in_place(&mut object).err().unwrap_or_default();
        }
        if purpose != Purpose::Enforced {
            evaluation.findings.extend(problems.iter().map(|problem| Finding::of_api_server(problem)));
        }
        Admission { admitted, stored, is_rejected, problems }
    }

    /// Evaluates as the audit scanner does: each policy on its own, on the unchanged object.
    fn audit(&self, object: &Value, evaluation: &mut Evaluation) {
        // As in the scanner, policies are selected by resource, and the request has the scanner's form.
        let selected = ApiServer::raw_request(object.clone(), &RequestOptions::default());
        let (selected, sent) = match (selected, ApiServer::audit_request(object.clone())) {
            (Ok(selected), Ok(sent)) => (selected, sent),
            (Err(error), _) | (_, Err(error)) => {
                return evaluation.findings.push(Finding::of_api_server(&error.to_string()));
            }
        };
        for (number, unit) in self.policies.units.iter().enumerate().filter(|(_, unit)| unit.is_audited) {
            let purpose = if unit.is_monitored() { Purpose::Enforced } else { Purpose::Verdict };
            self.call_policy(number, unit, &selected, &sent, purpose, evaluation);
        }
    }

    /// Evaluates the request with a policy, if it reaches the policy.
    fn call_policy(
        &self,
        number: usize,
        unit: &PolicyUnit,
        selected: &Value,
        request: &Value,
        purpose: Purpose<'_>,
        evaluation: &mut Evaluation,
    ) -> Option<Answer> {
        match unit.scope.reach(selected, &self.namespaces) {
            PolicyMatch::No => return None,
            PolicyMatch::Yes => {}
            PolicyMatch::Unknown => {
                evaluation.unknown_namespace = request.get("namespace").and_then(Value::as_str).map(str::to_owned);
            }
        }
        let fixer = match purpose {
            Purpose::Verdict | Purpose::Enforced => None,
            Purpose::Fix(fixing) => Some(unit.fixer(fixing)),
        };
        let policy = match &fixer {
            None => &unit.policy,
            Some(Ok(fixer)) => fixer,
            Some(Err(error)) => {
                evaluation.findings.push(Finding::new(POLICY, &format!("{error:#}"), Level::Rejected));
                return None;
            }
        };
        let entries = exemptions::matching(&policy.config().settings, request);
        evaluation.exemptions.extend(entries.into_iter().map(|entry| (number, entry)));
        // Requests that the simulation made do not have to be parsed first.
        let answer = request.as_object().context("not an admission request").and_then(|fields| policy.diagnose(fields));
        let mut answer = match answer {
            Ok(answer) => answer,
            Err(error) => {
                evaluation.findings.push(Finding::new(POLICY, &format!("{error:#}"), Level::Rejected));
                return None;
            }
        };
        if answer.response.audit_annotations.get("lookup").is_some_and(|value| value == "not-granted") {
            evaluation.unknown_account = account_of(request);
        }
        // Only the changes of enforced policies are needed here; their findings are already recorded.
        if purpose == Purpose::Enforced && !unit.is_monitored() {
            return Some(Answer { is_allowed: answer.response.allowed, patched: answer.take_object() });
        }
        let mut found = findings(&answer);
        self.evidence.explain(request, &mut found);
        if !unit.can_fix && !purpose.is_fix() {
            let unfixed = found.extract_if(.., |finding| finding.level == Level::PodsFixed);
            let by_another = |finding: &Finding| evaluation.findings.iter().any(|known| known.is_same(finding));
            let unfixed: Vec<Finding> = unfixed.filter(|finding| !by_another(finding)).collect();
            evaluation.unfixed_pods.extend(unfixed);
        }
        // A failure of the policy itself stays an error in monitor mode.
        if unit.is_monitored() && !answer.unconstrained.is_failure() {
            found = found.into_iter().map(Finding::into_monitored).collect();
        }
        evaluation.add(found);
        Some(Answer { is_allowed: answer.response.allowed, patched: answer.take_object() })
    }
}

impl Evaluation {
    /// Two policies with the same module often report the same finding; the higher level applies.
    fn add(&mut self, findings: Vec<Finding>) {
        for finding in findings {
            match self.findings.iter_mut().find(|known| known.is_same(&finding)) {
                Some(known) => known.level = known.level.max(finding.level),
                None => self.findings.push(finding),
            }
        }
    }

    /// Keeps only the findings of the rules in `others`.
    fn keep_rules_of(&mut self, others: &[Finding]) {
        self.findings.retain(|finding| others.iter().any(|other| other.rule == finding.rule));
    }

    /// Adds the findings about a Pod of a template, except those that the template itself has.
    fn add_pod(&mut self, pod: Self, template: &str) {
        self.unknown_account = self.unknown_account.take().or(pod.unknown_account);
        self.unknown_namespace = self.unknown_namespace.take().or(pod.unknown_namespace);
        self.exemptions.extend(pod.exemptions);
        for finding in pod.findings.into_iter().map(|finding| finding.into_pods(template)) {
            let is_known = self.findings.iter().any(|known| {
                known.rule == finding.rule
                    && known.field_path == finding.field_path
                    && known.enforced() >= finding.enforced()
            });
            if !is_known {
                self.findings.push(finding);
            }
        }
    }
}

/// Maximum nesting of an object. JSON is read with at most 128 levels, and the policy's answer adds some.
const DEEPEST: usize = 120;

fn is_deeper(value: &Value, levels: usize) -> bool {
    let below = |value: &Value| levels == 0 || is_deeper(value, levels - 1);
    match value {
        Value::Array(items) => items.iter().any(below),
        Value::Object(fields) => fields.values().any(below),
        _ => false,
    }
}

fn object_of(request: &Value) -> &Value {
    request.get("object").unwrap_or(&Value::Null)
}

fn take_object(request: &mut Value) -> Value {
    request.get_mut("object").map(Value::take).unwrap_or_default()
}

fn set_object(request: &mut Value, object: Value) {
    if let Some(fields) = request.as_object_mut() {
        fields.insert("object".to_owned(), object);
    }
}
