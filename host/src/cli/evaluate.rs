// SPDX-License-Identifier: Apache-2.0

//! One input's way: through the simulated API server, through the policy, and back.

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use super::describe;
use super::input::{Input, Subject};
use crate::apiserver::{ApiServer, RequestOptions};
use crate::check::finding::entries;
use crate::kubewarden::{Evaluation, Mode, Policy};

/// How an input ended, from best to worst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Verdict {
    /// Without a word.
    Accepted,
    /// Changed, and accepted.
    Fixed,
    /// Accepted with warnings.
    Warned,
    /// The API server would not take it, as far as that is simulated.
    Invalid,
    /// By the policy.
    Refused,
    /// The policy failed.
    Failed,
}

impl Verdict {
    pub(super) const ALL: [Self; 6] =
        [Self::Accepted, Self::Fixed, Self::Warned, Self::Invalid, Self::Refused, Self::Failed];

    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Fixed => "fixed",
            Self::Warned => "warned",
            Self::Invalid => "invalid",
            Self::Refused => "refused",
            Self::Failed => "failed",
        }
    }

    pub(super) fn is_refusal(self) -> bool {
        matches!(self, Self::Refused | Self::Failed)
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
    /// The policy's part; absent where the API server refused the object before.
    pub(super) evaluation: Option<Evaluation>,
    /// The object after the patch, where there is one.
    pub(super) patched: Option<Value>,
}

/// How inputs are evaluated.
pub(super) struct Evaluator<'a> {
    pub(super) policy: &'a Policy,
    pub(super) server: ApiServer,
    /// Objects are sent as they are.
    pub(super) raw: bool,
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
                Ok(refused_before(input, object, format!("the API server refuses it: {error}")))
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
        let evaluation = self.policy.evaluate(request).with_context(|| input.source.clone())?;
        let patched = evaluation.patched_object().with_context(|| input.source.clone())?;
        let patched = patched.filter(|_| evaluation.response.patch.is_some());
        let written = match &input.subject {
            Subject::Object(object) => object,
            Subject::Request(request) => request.get("object").unwrap_or(&Value::Null),
        };
        let (mut verdict, mut findings) = self.verdict(&evaluation);
        if let Some(options) = simulated
            && !verdict.is_refusal()
            && let Err(problems) = self.after_admission(patched.as_ref().or(evaluation.object.as_ref()), options)
        {
            verdict = Verdict::Invalid;
            findings.extend(problems.into_iter().map(|problem| format!("the API server refuses it: {problem}")));
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

    fn verdict(&self, evaluation: &Evaluation) -> (Verdict, Vec<String>) {
        let response = &evaluation.response;
        let mut findings = response.warnings.clone();
        let verdict = if evaluation.failed() {
            Verdict::Failed
        } else if !response.allowed {
            Verdict::Refused
        } else if response.patch.is_some() {
            Verdict::Fixed
        } else if !response.warnings.is_empty() {
            Verdict::Warned
        } else {
            Verdict::Accepted
        };
        let refusal = evaluation.unconstrained.message().filter(|_| !evaluation.unconstrained.allowed);
        match (self.policy.config().mode, refusal) {
            (Mode::Monitor, Some(message)) => {
                findings.splice(0..0, entries(message).into_iter().map(|entry| format!("would be refused: {entry}")));
                return (verdict.max(Verdict::Warned), findings);
            }
            (Mode::Monitor, None) if evaluation.unconstrained.patch.is_some() => {
                findings.insert(0, "would be fixed".to_owned());
                return (verdict.max(Verdict::Warned), findings);
            }
            _ => {}
        }
        if let Some(message) = response.message().filter(|_| !response.allowed) {
            findings.splice(0..0, entries(message).into_iter().map(str::to_owned));
        }
        (verdict, findings)
    }

    /// What the API server does with an object after the webhooks: the plugins once more, then validation.
    fn after_admission(&self, object: Option<&Value>, options: &RequestOptions) -> Result<(), Vec<String>> {
        let Some(object) = object else { return Ok(()) };
        let object = self.server.second_pass(object.clone(), options).map_err(|error| vec![error.to_string()])?;
        self.server.validate(&object)
    }
}

/// The API server does not even ask the policy.
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
        verdict: Verdict::Invalid,
        findings: vec![why],
        evaluation: None,
        patched: None,
    }
}
