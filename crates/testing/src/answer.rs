// SPDX-License-Identifier: Apache-2.0

//! The responses of the policy, which is called natively with a simulated cluster.

use proptest::test_runner::TestCaseError;
use serde_json::Value;
use serviceaccount_hygiene::cluster::Age;
use serviceaccount_hygiene::guest;

use crate::cluster::{FakeCluster, Known};
use crate::requests::Review;
use crate::written::Written;

/// A response of the policy.
#[derive(Debug)]
pub struct Answer {
    /// The response as the policy returned it.
    pub text: String,
    /// The parsed response.
    pub value: Value,
    /// The lines that the policy logged.
    pub logs: Vec<String>,
    /// For each look-up, how old its result was allowed to be.
    pub ages: Vec<Age>,
}

/// Sends a request to the policy.
///
/// # Errors
/// If the response is malformed.
pub fn evaluate(review: &Review) -> Result<Answer, TestCaseError> {
    evaluate_with(&review.payload(), review.cluster)
}

/// Sends any payload to the policy.
///
/// # Errors
/// If the response is malformed.
pub fn evaluate_with(payload: &str, known: Known) -> Result<Answer, TestCaseError> {
    evaluate_cached(payload, known, None)
}

/// Sends any payload to the policy, in a cluster where the host may have cached an earlier state of the account.
///
/// # Errors
/// If the response is malformed.
pub fn evaluate_cached(payload: &str, known: Known, remembered: Option<Known>) -> Result<Answer, TestCaseError> {
    let remembered = remembered.filter(|known| matches!(known, Known::Account { .. }));
    let cluster = FakeCluster::new(known).remembering(remembered);
    let bytes = guest::validate(payload.as_bytes(), &cluster);
    let text = String::from_utf8(bytes).map_err(|error| TestCaseError::fail(error.to_string()))?;
    let value = read(&text)?;
    let answer = Answer { text, value, logs: cluster.logs(), ages: cluster.ages() };
    match (answer.is_accepted(), answer.code()) {
        (true, None) => {}
        (false, Some(400 | 403 | 503)) if answer.value.get("mutated_object").is_none() => {}
        _ => return Err(TestCaseError::fail(format!("no well-formed answer: {}", answer.text))),
    }
    Ok(answer)
}

/// The problems that `validate_settings` reports, one for each line.
///
/// # Errors
/// If the response is malformed.
pub fn problems_of_settings(settings: &str) -> Result<Vec<String>, TestCaseError> {
    let text = String::from_utf8(guest::validate_settings(settings.as_bytes()))
        .map_err(|error| TestCaseError::fail(error.to_string()))?;
    let value = read(&text)?;
    match (value.get("valid").and_then(Value::as_bool), value.get("message").and_then(Value::as_str)) {
        (Some(true), None) => Ok(Vec::new()),
        (Some(false), Some(message)) => Ok(problems(message)),
        _ => Err(TestCaseError::fail(format!("no well-formed answer: {text}"))),
    }
}

fn problems(message: &str) -> Vec<String> {
    message.lines().skip(1).map(str::to_owned).collect()
}

fn read(text: &str) -> Result<Value, TestCaseError> {
    // `mutated_object` may contain a number that no numeric type can hold; no test reads it.
    let text = text.replace("-123456789012345678901234567890.123456789e+12", "0");
    serde_json::from_str(&text).map_err(|error| TestCaseError::fail(format!("no JSON, {error}: {text}")))
}

impl Answer {
    /// Whether the request is accepted.
    #[must_use]
    pub fn is_accepted(&self) -> bool {
        self.value.get("accepted").and_then(Value::as_bool).unwrap_or_default()
    }

    /// The code of a rejection.
    #[must_use]
    pub fn code(&self) -> Option<u64> {
        self.value.get("code")?.as_u64()
    }

    /// The text of the fixed object.
    #[must_use]
    pub fn fixed(&self) -> Option<&str> {
        let fixed = Written::of(&self.text)?;
        Some(fixed.member("mutated_object")?.text)
    }

    /// All lines that users see.
    #[must_use]
    pub fn lines(&self) -> Vec<&str> {
        let message = self.value.get("message").and_then(Value::as_str).unwrap_or_default();
        let message = message.lines().map(|line| line.strip_prefix("- ").unwrap_or(line));
        let warnings = self.value.get("warnings").and_then(Value::as_array).into_iter().flatten();
        message.chain(warnings.filter_map(Value::as_str)).collect()
    }

    /// The lines that name a rule.
    #[must_use]
    pub fn lines_of(&self, rule: &str) -> Vec<&str> {
        let is_of = |line: &&str| line.strip_prefix(rule).is_some_and(|rest| rest.starts_with(": "));
        self.lines().into_iter().filter(is_of).collect()
    }

    /// The number of findings of a rule in a rejection.
    #[must_use]
    pub fn rejections_of(&self, rule: &str) -> usize {
        let message = self.value.get("message").and_then(Value::as_str).unwrap_or_default();
        let prefix = format!("- {rule}: ");
        message.lines().filter(|line| line.starts_with(&prefix)).count()
    }

    /// The audit annotation of a rule.
    #[must_use]
    pub fn audit(&self, key: &str) -> Option<&str> {
        self.value.get("audit_annotations")?.get(key)?.as_str()
    }

    /// The problems of the settings, if the request is rejected because of them.
    #[must_use]
    pub fn problems_of_settings(&self) -> Option<Vec<String>> {
        let message = self.value.get("message").and_then(Value::as_str)?;
        let is_about_settings = message.lines().next().is_some_and(|line| line.ends_with(" in the settings"));
        (self.code() == Some(400) && is_about_settings).then(|| problems(message))
    }

    /// Whether the rules were evaluated.
    #[must_use]
    pub fn is_checked(&self) -> bool {
        let was_refused_before = self.code().is_some_and(|code| code != 403) || self.is_about_lookups();
        !was_refused_before
    }

    /// Whether the request is rejected because a required look-up is not possible.
    #[must_use]
    pub fn is_about_lookups(&self) -> bool {
        let required = ["serviceAccountLookup is required", "permissionLookup is required"];
        self.lines().iter().any(|line| required.iter().any(|text| line.contains(text)))
    }
}
