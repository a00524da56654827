// SPDX-License-Identifier: Apache-2.0

//! Evaluates one input with the simulated API server and the policy.

use anyhow::{Context as _, Result};
use policy_host::apiserver::{ApiServer, RequestOptions};
use policy_host::check::evidence::Evidence;
use policy_host::check::finding::{Finding, Level, Token, entries, findings};
use policy_host::check::verdict::Column;
use policy_host::kubewarden::{Evaluation, Mode, Policy};
use serde_json::{Value, json};

use super::describe;
use super::input::{Input, Subject};

/// The verdict on an input, from best to worst, with the words of `check`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Verdict {
    /// Without a finding.
    Accepted,
    /// With a finding of this level.
    Found(Level),
    /// The policy failed.
    Failed,
}

impl Verdict {
    /// Every verdict, in the order of the columns.
    pub(super) fn all() -> impl Iterator<Item = Self> {
        let of_checked = Column::ALL.into_iter().filter_map(|column| match column {
            Column::Accepted => Some(Self::Accepted),
            Column::Found(level) => Some(Self::Found(level)),
            Column::Partial | Column::NotChecked => None,
        });
        of_checked.chain([Self::Failed])
    }

    /// The column in which `check` counts it; `None` if the policy failed.
    fn column(self) -> Option<Column> {
        match self {
            Self::Accepted => Some(Column::Accepted),
            Self::Found(level) => Some(Column::Found(level)),
            Self::Failed => None,
        }
    }

    pub(super) fn word(self) -> &'static str {
        self.column().map_or("failed", Column::word)
    }

    /// The key in machine-readable output.
    pub(super) fn key(self) -> &'static str {
        self.column().map_or("failed", Column::key)
    }

    /// A count as text.
    pub(super) fn count(self, count: usize) -> String {
        self.column().map_or_else(|| format!("{count} failed"), |column| column.count(count))
    }

    pub(super) fn is_rejection(self) -> bool {
        match self {
            Self::Found(level) => level.is_rejection(),
            Self::Failed => true,
            Self::Accepted => false,
        }
    }
}

/// An input with its result.
#[derive(Debug)]
pub(super) struct Evaluated {
    pub(super) source: String,
    pub(super) title: String,
    pub(super) fields: String,
    pub(super) verdict: Verdict,
    /// The findings, one per line.
    pub(super) findings: Vec<String>,
    /// The evaluation by the policy; `None` if the API server rejected the object before admission.
    pub(super) evaluation: Option<Evaluation>,
    /// The object after the patch, if there is one.
    pub(super) patched: Option<Value>,
}

/// How inputs are evaluated.
pub(super) struct Evaluator<'a> {
    /// The policy as the cluster runs it, for admission requests.
    pub(super) policy: &'a Policy,
    /// How objects from files are evaluated; if `None`, in the same way as admission requests.
    pub(super) files: Option<Files>,
    pub(super) server: ApiServer,
    /// Whether objects are sent unchanged.
    pub(super) raw: bool,
    /// Whether the policy returns its diagnostics as data; older modules and other policies do not.
    pub(super) has_diagnostics: bool,
}

/// The policy for objects that come from files: as in `check`, a binding is sufficient evidence that a token is needed.
pub(super) struct Files {
    pub(super) policy: Policy,
    pub(super) evidence: Evidence,
}

impl Evaluator<'_> {
    pub(super) fn evaluate(&self, input: &Input) -> Result<Evaluated> {
        let options = RequestOptions { old_object: input.old.clone(), ..RequestOptions::default() };
        let request = match &input.subject {
            Subject::Request(request) => Ok(request.clone()),
            Subject::Object(object) if self.raw => ApiServer::raw_request(object.clone(), &options),
            Subject::Object(object) => self.server.request(object.clone(), &options),
        };
        match (request, &input.subject) {
            (Ok(request), subject) => {
                let simulated = matches!(subject, Subject::Object(_)) && !self.raw;
                self.evaluate_request(input, &request, simulated.then_some(&options))
            }
            (Err(error), Subject::Object(object)) => {
                Ok(refused_before(input, object, format!("the API server rejects it: {error}")))
            }
            (Err(error), Subject::Request(_)) => Err(error).with_context(|| input.source.clone()),
        }
    }

    fn evaluate_request(
        &self,
        input: &Input,
        request: &Value,
        simulated: Option<&RequestOptions>,
    ) -> Result<Evaluated> {
        let files = self.files.as_ref().filter(|_| matches!(input.subject, Subject::Object(_)));
        let policy = files.map_or(self.policy, |files| &files.policy);
        let mut evaluation = policy.evaluate(request).with_context(|| input.source.clone())?;
        let patched = evaluation.patched_object().with_context(|| input.source.clone())?;
        let patched = patched.filter(|_| evaluation.response.patch.is_some());
        let written = match &input.subject {
            Subject::Object(object) => object,
            Subject::Request(request) => request.get("object").unwrap_or(&Value::Null),
        };
        let (mut verdict, mut findings) =
            self.verdict(policy, files.map(|files| &files.evidence), &mut evaluation, request);
        if let Some(options) = simulated
            && !verdict.is_rejection()
            && let Err(problems) = self.after_admission(patched.as_ref().or(evaluation.object.as_ref()), options)
        {
            verdict = verdict.max(Verdict::Found(Level::Invalid));
            findings.extend(problems.into_iter().map(|problem| format!("the API server rejects it: {problem}")));
        }
        Ok(Evaluated {
            source: input.source.clone(),
            title: describe::title(request),
            fields: describe::fields(written),
            verdict,
            findings,
            evaluation: Some(evaluation),
            patched,
        })
    }

    fn verdict(
        &self,
        policy: &Policy,
        evidence: Option<&Evidence>,
        evaluation: &mut Evaluation,
        request: &Value,
    ) -> (Verdict, Vec<String>) {
        let config = policy.config();
        let diagnosed = if self.has_diagnostics { policy.diagnose_any(request).ok() } else { None };
        let Some(diagnosed) = diagnosed.filter(|_| !evaluation.failed()) else {
            return without_diagnostics(evaluation, config.mode);
        };
        let mut found = findings(&diagnosed);
        if let Some(evidence) = evidence {
            explain(evidence, request, &mut found, &mut evaluation.response.warnings);
        }
        let is_validating = config.settings.get("phase").and_then(Value::as_str) == Some("validating");
        if is_validating || !config.allowed_to_mutate {
            let unfixed: Vec<Finding> = found.extract_if(.., |finding| finding.level == Level::PodsFixed).collect();
            found.extend(self.of_pods(policy, evidence, request, &unfixed));
        }
        if config.mode == Mode::Monitor {
            found = found.into_iter().map(Finding::into_monitored).collect();
        }
        let verdict = found.iter().map(|finding| finding.level).max().map_or(Verdict::Accepted, Verdict::Found);
        let lines = found.iter().map(|finding| match finding.monitored {
            Some(_) => format!("{}: {}", finding.word(), finding.to_line()),
            None => finding.to_line(),
        });
        (verdict, lines.collect())
    }

    /// What happens to the Pods of a template if the policy would have to fix them but can only validate.
    fn of_pods(
        &self,
        policy: &Policy,
        evidence: Option<&Evidence>,
        request: &Value,
        unfixed: &[Finding],
    ) -> Vec<Finding> {
        let object = request.get("object").unwrap_or(&Value::Null);
        let Some((pod, path)) = ApiServer::pod_of(object).filter(|_| !unfixed.is_empty()) else { return Vec::new() };
        let namespace = request.get("namespace").and_then(Value::as_str).map(str::to_owned);
        let options = RequestOptions { namespace, ..RequestOptions::default() };
        let Ok(request) = self.server.request(pod, &options) else { return Vec::new() };
        let mut pod_findings = policy.diagnose_any(&request).as_ref().map(findings).unwrap_or_default();
        if let Some(evidence) = evidence {
            explain(evidence, &request, &mut pod_findings, &mut []);
        }
        let of_unfixed_rules =
            pod_findings.into_iter().filter(|finding| unfixed.iter().any(|it| it.rule == finding.rule));
        of_unfixed_rules.map(|finding| finding.into_pods(&path.join("."))).collect()
    }

    /// What the API server does with an object after the webhooks: it runs the plugins again, and validates the object.
    fn after_admission(&self, object: Option<&Value>, options: &RequestOptions) -> Result<(), Vec<String>> {
        let Some(object) = object else { return Ok(()) };
        let object = self.server.second_pass(object.clone(), options).map_err(|error| vec![error.to_string()])?;
        self.server.validate(&object)
    }
}

/// Adds the evidence of a binding to the findings and to the warnings of the response.
fn explain(evidence: &Evidence, request: &Value, found: &mut [Finding], warnings: &mut [String]) {
    let mut explained = found.to_vec();
    evidence.explain(request, &mut explained);
    for (finding, explained) in found.iter_mut().zip(explained) {
        if explained.token == Some(Token::Needed) {
            let line = finding.to_line();
            warnings.iter_mut().filter(|warning| **warning == line).for_each(|it| *it = explained.to_line());
            *finding = explained;
        }
    }
}

/// The verdict that follows from the policy's answer alone.
fn without_diagnostics(evaluation: &Evaluation, mode: Mode) -> (Verdict, Vec<String>) {
    let response = &evaluation.response;
    let mut findings = response.warnings.clone();
    let verdict = if evaluation.failed() {
        Verdict::Failed
    } else if !response.allowed {
        Verdict::Found(Level::Rejected)
    } else if response.patch.is_some() {
        Verdict::Found(Level::Fixed)
    } else if !response.warnings.is_empty() {
        Verdict::Found(Level::Warned)
    } else {
        Verdict::Accepted
    };
    let monitored = Verdict::Found(Level::Monitored);
    let refusal = evaluation.unconstrained.message().filter(|_| !evaluation.unconstrained.allowed);
    match (mode, refusal) {
        (Mode::Monitor, Some(message)) => {
            let entries = entries(message).into_iter().map(|entry| format!("monitored, would reject: {entry}"));
            findings.splice(0..0, entries);
            return (verdict.max(monitored), findings);
        }
        (Mode::Monitor, None) if evaluation.unconstrained.patch.is_some() => {
            findings.insert(0, "monitored, would fix".to_owned());
            return (verdict.max(monitored), findings);
        }
        _ => {}
    }
    if let Some(message) = response.message().filter(|_| !response.allowed) {
        findings.splice(0..0, entries(message).into_iter().map(str::to_owned));
    }
    (verdict, findings)
}

/// The result for an object that the API server rejects before it calls the policy.
fn refused_before(input: &Input, object: &Value, why: String) -> Evaluated {
    let metadata = object.get("metadata");
    let request = json!({
        "operation": "CREATE",
        "kind": {"kind": object.get("kind")},
        "namespace": metadata.and_then(|metadata| metadata.get("namespace")),
        "object": object,
    });
    Evaluated {
        source: input.source.clone(),
        title: describe::title(&request),
        fields: describe::fields(object),
        verdict: Verdict::Found(Level::Invalid),
        findings: vec![why],
        evaluation: None,
        patched: None,
    }
}
