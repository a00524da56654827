// SPDX-License-Identifier: Apache-2.0

//! A simulated cluster for the look-ups of the policy.

use std::cell::RefCell;

use proptest::option;
use proptest::prelude::*;
use serviceaccount_hygiene::cluster::{Access, AccountRecord, Age, Cluster, LookupError};

/// The result of every look-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Known {
    /// The account exists.
    Account {
        /// Its `automountServiceAccountToken`.
        automount: Option<bool>,
        /// Whether it has an annotation with a cloud role.
        has_role: bool,
    },
    /// The account does not exist.
    Absent,
    /// The policy is not allowed to look up accounts.
    NotGranted,
    /// The cluster does not respond.
    Failing,
}

/// Any cluster.
pub fn any_cluster() -> impl Strategy<Value = Known> + Clone {
    prop_oneof![
        6 => (option::of(any::<bool>()), any::<bool>())
            .prop_map(|(automount, has_role)| Known::Account { automount, has_role }),
        1 => Just(Known::Absent),
        2 => Just(Known::NotGranted),
        1 => Just(Known::Failing),
    ]
}

/// A cluster in which every look-up has the same result.
#[derive(Debug)]
pub struct FakeCluster {
    known: Known,
    /// What the host has cached; it caches only successful look-ups.
    remembered: Option<Known>,
    logs: RefCell<Vec<String>>,
    ages: RefCell<Vec<Age>>,
}

impl FakeCluster {
    /// A cluster with this result.
    #[must_use]
    pub fn new(known: Known) -> Self {
        Self { known, remembered: None, logs: RefCell::default(), ages: RefCell::default() }
    }

    /// Sets the result that the host may have cached.
    #[must_use]
    pub fn remembering(self, remembered: Option<Known>) -> Self {
        Self { remembered, ..self }
    }

    /// What the policy logged.
    #[must_use]
    pub fn logs(&self) -> Vec<String> {
        self.logs.borrow().clone()
    }

    /// For each look-up, how old its result was allowed to be.
    #[must_use]
    pub fn ages(&self) -> Vec<Age> {
        self.ages.borrow().clone()
    }
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
