// SPDX-License-Identifier: Apache-2.0

//! The policy, natively, before a cluster that is made up.

use std::cell::RefCell;

use proptest::test_runner::TestCaseError;
use serde_json::Value;
use serviceaccount_hygiene::cluster::{Access, AccountRecord, Age, Cluster, LookupError};
use serviceaccount_hygiene::guest;

use super::objects::requests::{Known, Review};

/// An answer.
#[derive(Debug)]
pub struct Answer {
    /// The bytes.
    pub text: String,
    /// The same, read.
    pub value: Value,
    /// What was logged.
    pub logs: Vec<String>,
    /// How old the answers of the cluster might have been.
    pub ages: Vec<Age>,
}

struct FakeCluster {
    known: Known,
    /// What the host remembers; it remembers successes only.
    remembered: Option<Known>,
    logs: RefCell<Vec<String>>,
    ages: RefCell<Vec<Age>>,
}

impl Cluster for FakeCluster {
    fn service_account(&self, _: &str, _: &str, age: Age) -> Result<AccountRecord, LookupError> {
        self.ages.borrow_mut().push(age);
        match self.remembered.filter(|_| age == Age::Recent).unwrap_or(self.known) {
            Known::Account { automount, has_role: false } => Ok(AccountRecord::new(automount)),
            Known::Account { automount, has_role: true } => {
                let role = ("eks.amazonaws.com/role-arn", "arn:aws:iam::123456789012:role/app");
                Ok(AccountRecord::new(automount).with_annotations(&[role]))
            }
            Known::Absent => Err(LookupError::Absent),
            Known::NotGranted => Err(LookupError::NotGranted),
            Known::Failing => Err(LookupError::Failed),
        }
    }

    fn can_i(&self, _: &str) -> Result<bool, LookupError> {
        match self.known {
            Known::Account { automount: Some(true), has_role } => Ok(has_role),
            Known::Account { .. } => Ok(false),
            Known::Absent => Ok(false),
            Known::NotGranted => Err(LookupError::NotGranted),
            Known::Failing => Err(LookupError::Failed),
        }
    }

    fn log_not_granted(&self, access: Access, namespace: &str) {
        self.logs.borrow_mut().push(format!("{access:?} {namespace}"));
    }
}

/// Asks.
pub fn ask(review: &Review) -> Result<Answer, TestCaseError> {
    ask_with(&review.payload(), review.cluster)
}

/// Asks with any payload.
pub fn ask_with(payload: &str, known: Known) -> Result<Answer, TestCaseError> {
    ask_remembering(payload, known, None)
}

/// The same, where the host may remember an account as it was.
pub fn ask_remembering(payload: &str, known: Known, remembered: Option<Known>) -> Result<Answer, TestCaseError> {
    let remembered = remembered.filter(|known| matches!(known, Known::Account { .. }));
    let cluster = FakeCluster { known, remembered, logs: RefCell::default(), ages: RefCell::default() };
    let bytes = guest::validate(payload.as_bytes(), &cluster);
    let text = String::from_utf8(bytes).map_err(|error| TestCaseError::fail(error.to_string()))?;
    let value = read(&text)?;
    let answer = Answer { text, value, logs: cluster.logs.into_inner(), ages: cluster.ages.into_inner() };
    match (answer.is_accepted(), answer.code()) {
        (true, None) => {}
        (false, Some(400 | 403 | 503)) if answer.value.get("mutated_object").is_none() => {}
        _ => return Err(TestCaseError::fail(format!("no well-formed answer: {}", answer.text))),
    }
    Ok(answer)
}

/// Has settings checked: what is wrong with them, line by line.
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
    // `mutated_object` may hold numbers that only a text can hold; nothing here looks at them.
    let text = text.replace("-123456789012345678901234567890.123456789e+12", "0");
    serde_json::from_str(&text).map_err(|error| TestCaseError::fail(format!("no JSON, {error}: {text}")))
}

impl Answer {
    /// Whether the request may pass.
    pub fn is_accepted(&self) -> bool {
        self.value.get("accepted").and_then(Value::as_bool).unwrap_or_default()
    }

    /// The code of a rejection.
    pub fn code(&self) -> Option<u64> {
        self.value.get("code")?.as_u64()
    }

    /// The text of the fixed object.
    pub fn fixed(&self) -> Option<&str> {
        let fixed = super::text::Written::of(&self.text)?;
        Some(fixed.member("mutated_object")?.text)
    }

    /// Everything that people get to see, line by line.
    pub fn lines(&self) -> Vec<&str> {
        let message = self.value.get("message").and_then(Value::as_str).unwrap_or_default();
        let message = message.lines().map(|line| line.strip_prefix("- ").unwrap_or(line));
        let warnings = self.value.get("warnings").and_then(Value::as_array).into_iter().flatten();
        message.chain(warnings.filter_map(Value::as_str)).collect()
    }

    /// What is said in the name of a rule.
    pub fn lines_of(&self, rule: &str) -> Vec<&str> {
        let is_of = |line: &&str| line.strip_prefix(rule).is_some_and(|rest| rest.starts_with(": "));
        self.lines().into_iter().filter(is_of).collect()
    }

    /// What a rule rejects.
    pub fn rejections_of(&self, rule: &str) -> usize {
        let message = self.value.get("message").and_then(Value::as_str).unwrap_or_default();
        let prefix = format!("- {rule}: ");
        message.lines().filter(|line| line.starts_with(&prefix)).count()
    }

    /// What is noted of a rule in the audit log.
    pub fn audit(&self, key: &str) -> Option<&str> {
        self.value.get("audit_annotations")?.get(key)?.as_str()
    }

    /// The problems that the settings have, if that is what the answer is about.
    pub fn problems_of_settings(&self) -> Option<Vec<String>> {
        let message = self.value.get("message").and_then(Value::as_str)?;
        let is_about_settings = message.lines().next().is_some_and(|line| line.ends_with(" in the settings"));
        (self.code() == Some(400) && is_about_settings).then(|| problems(message))
    }

    /// Whether rules had their say.
    pub fn is_checked(&self) -> bool {
        let was_refused_before = self.code().is_some_and(|code| code != 403) || self.is_about_lookups();
        !was_refused_before
    }

    /// Whether the request was refused because a required look-up was not possible.
    pub fn is_about_lookups(&self) -> bool {
        let required = ["serviceAccountLookup is required", "permissionLookup is required"];
        self.lines().iter().any(|line| required.iter().any(|text| line.contains(text)))
    }
}
