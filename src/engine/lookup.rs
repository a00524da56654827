// SPDX-License-Identifier: Apache-2.0
//! Looking up the account of the object, at most twice per request: as the host
//! remembers it, and, where that leads to anything but acceptance, as it is now.

use std::cell::{Cell, OnceCell};

use super::context::ReviewError;
use crate::cluster::{AccountRecord, Age, Cluster, LookupError};
use crate::settings::LookupMode;

/// What is known of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Account<'l> {
    /// It is there.
    Known(&'l AccountRecord),
    /// It is not there.
    Absent,
    /// The policy does not, or may not, look it up.
    Unknown,
}

/// The account that was asked for, and the answer.
type Answer = (String, Result<AccountRecord, LookupError>);

/// The look-ups that a request may make.
pub struct Lookup<'l> {
    cluster: &'l dyn Cluster,
    mode: LookupMode,
    namespace: &'l str,
    only: OnceCell<String>,
    age: Cell<Age>,
    recent: OnceCell<Answer>,
    fresh: OnceCell<Answer>,
}

impl<'l> Lookup<'l> {
    /// Look-ups that have not been made.
    #[must_use]
    pub const fn new(cluster: &'l dyn Cluster, mode: LookupMode, namespace: &'l str) -> Self {
        Self {
            cluster,
            mode,
            namespace,
            only: OnceCell::new(),
            age: Cell::new(Age::Recent),
            recent: OnceCell::new(),
            fresh: OnceCell::new(),
        }
    }

    /// From now on no other account is looked up: the account that an UPDATE
    /// moves away from says nothing about the object that is to be.
    pub fn confine(&self, name: &str) {
        self.only.get_or_init(|| name.to_owned());
    }

    /// What is known of an account. Only the account that is asked for first is
    /// looked up; another one (the one an UPDATE moves away from) is unknown.
    ///
    /// # Errors
    /// [`ReviewError`] when the cluster does not answer, or when access is required
    /// and not granted.
    pub fn account(&self, name: &str) -> Result<Account<'_>, ReviewError> {
        if self.mode == LookupMode::Off || self.namespace.is_empty() {
            return Ok(Account::Unknown);
        }
        // The name becomes part of a URL; no account can have another kind of
        // name.
        if !is_account_name(name) {
            return Ok(Account::Absent);
        }
        if self.only.get().is_some_and(|only| only != name) {
            return Ok(Account::Unknown);
        }
        let (asked, answer) = self.answer().get_or_init(|| {
            let answer = self.cluster.service_account(self.namespace, name, self.age.get());
            if answer == Err(LookupError::NotGranted) {
                self.cluster.log_not_granted(self.namespace);
            }
            (name.to_owned(), answer)
        });
        if asked != name {
            return Ok(Account::Unknown);
        }
        match answer {
            Ok(record) => Ok(Account::Known(record)),
            Err(LookupError::Absent) => Ok(Account::Absent),
            Err(LookupError::NotGranted) if self.mode == LookupMode::Required => Err(ReviewError::LookupNotGranted),
            Err(LookupError::NotGranted) => Ok(Account::Unknown),
            Err(LookupError::Failed) => {
                Err(ReviewError::LookupFailed { account: format!("{}/{name}", self.namespace) })
            }
        }
    }

    /// Whether what is known may be a few seconds old.
    #[must_use]
    pub fn may_be_stale(&self) -> bool {
        self.age.get() == Age::Recent && matches!(self.recent.get(), Some((_, Ok(_))))
    }

    /// From now on the account is as it is now: it is looked up once more.
    pub fn refresh(&self) {
        self.age.set(Age::Fresh);
    }

    /// The same, for a rule for which a record of a moment ago is not enough.
    ///
    /// # Errors
    /// [`ReviewError::Stale`] when somebody has seen such a record already: the review has
    /// to begin anew.
    pub fn demand_fresh(&self) -> Result<(), ReviewError> {
        if self.may_be_stale() {
            return Err(ReviewError::Stale);
        }
        if self.recent.get().is_none() {
            self.refresh();
        }
        Ok(())
    }

    /// Whether access was missing.
    #[must_use]
    pub fn is_not_granted(&self) -> bool {
        matches!(self.answer().get(), Some((_, Err(LookupError::NotGranted))))
    }

    fn answer(&self) -> &OnceCell<Answer> {
        match self.age.get() {
            Age::Recent => &self.recent,
            Age::Fresh => &self.fresh,
        }
    }
}

/// A DNS subdomain, as the API server demands.
fn is_account_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 253
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.'))
        && !name.starts_with('.')
        && !name.contains("..")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::FakeCluster;

    fn account(cluster: &FakeCluster, mode: LookupMode, name: &str) -> Result<String, ReviewError> {
        Lookup::new(cluster, mode, "shop").account(name).map(|account| format!("{account:?}"))
    }

    #[test]
    fn each_outcome() {
        let known = FakeCluster::with("shop", "app", AccountRecord::new(Some(false)));
        assert!(account(&known, LookupMode::Optional, "app").unwrap().starts_with("Known"));
        assert_eq!(account(&known, LookupMode::Optional, "other").unwrap(), "Absent");
        assert_eq!(account(&known, LookupMode::Off, "app").unwrap(), "Unknown");
        let forbidden = FakeCluster::failing(LookupError::NotGranted);
        assert_eq!(account(&forbidden, LookupMode::Optional, "app").unwrap(), "Unknown");
        assert_eq!(account(&forbidden, LookupMode::Required, "app"), Err(ReviewError::LookupNotGranted));
        let failing = FakeCluster::failing(LookupError::Failed);
        for mode in [LookupMode::Optional, LookupMode::Required] {
            assert_eq!(
                account(&failing, mode, "app"),
                Err(ReviewError::LookupFailed { account: "shop/app".to_owned() })
            );
        }
    }

    #[test]
    fn one_question_and_none_without_need() {
        let cluster = FakeCluster::with("shop", "app", AccountRecord::new(None));
        let lookup = Lookup::new(&cluster, LookupMode::Optional, "shop");
        assert_eq!(cluster.asked(), 0);
        assert!(matches!(lookup.account("app"), Ok(Account::Known(_))));
        assert!(matches!(lookup.account("app"), Ok(Account::Known(_))));
        assert_eq!(lookup.account("old"), Ok(Account::Unknown));
        assert_eq!(cluster.asked(), 1);
        assert!(!lookup.is_not_granted());
        assert_eq!(cluster.logged(), Vec::<String>::new());
    }

    #[test]
    fn that_access_is_missing_is_logged_once() {
        let cluster = FakeCluster::failing(LookupError::NotGranted);
        let lookup = Lookup::new(&cluster, LookupMode::Optional, "shop");
        assert!(!lookup.is_not_granted());
        assert_eq!([lookup.account("app"), lookup.account("app")], [Ok(Account::Unknown), Ok(Account::Unknown)]);
        assert!(lookup.is_not_granted());
        assert_eq!(cluster.logged(), ["shop"]);
    }

    /// Other names would be part of another URL; nobody is asked for them.
    #[test]
    fn names_are_subdomains() {
        let names = ["a", "app-1", "app.team", "0"].map(str::to_owned);
        for name in names.into_iter().chain(["x".repeat(253)]) {
            let cluster = FakeCluster::with("shop", &name, AccountRecord::new(None));
            assert!(account(&cluster, LookupMode::Optional, &name).unwrap().starts_with("Known"), "{name}");
        }
        let others = ["", "App", "a/b", "a b", "ä", ".", ".a", "a..b", "..", "a?b", "a%2fb"].map(str::to_owned);
        for name in others.into_iter().chain(["x".repeat(254)]) {
            let cluster = FakeCluster::with("shop", &name, AccountRecord::new(None));
            assert_eq!(account(&cluster, LookupMode::Optional, &name).unwrap(), "Absent", "{name}");
            assert_eq!(cluster.asked(), 0);
        }
    }

    #[test]
    fn another_account_is_not_asked_for() {
        let cluster = FakeCluster::failing(LookupError::Failed);
        let lookup = Lookup::new(&cluster, LookupMode::Optional, "shop");
        lookup.confine("app");
        assert_eq!(lookup.account("old"), Ok(Account::Unknown));
        assert_eq!(cluster.asked(), 0);
        assert!(lookup.account("app").is_err());
    }

    #[test]
    fn no_account_has_such_a_name() {
        let cluster = FakeCluster::failing(LookupError::Failed);
        for name in ["", "../secrets/x", "a/b", "A", "a b", ".a", "x?y"] {
            assert_eq!(account(&cluster, LookupMode::Optional, name).unwrap(), "Absent", "{name}");
        }
        assert_eq!(cluster.asked(), 0);
    }

    /// What the host remembers, what there is now, and what a rule is told.
    #[test]
    fn a_second_question_is_about_now() {
        let cluster = FakeCluster::with("shop", "app", AccountRecord::new(None)).now(AccountRecord::new(Some(false)));
        let lookup = Lookup::new(&cluster, LookupMode::Optional, "shop");
        assert!(!lookup.may_be_stale());
        assert_eq!(lookup.account("app"), Ok(Account::Known(&AccountRecord::new(None))));
        assert!(lookup.may_be_stale());
        lookup.refresh();
        assert!(!lookup.may_be_stale());
        assert_eq!(lookup.account("app"), Ok(Account::Known(&AccountRecord::new(Some(false)))));
        assert_eq!(cluster.ages(), [Age::Recent, Age::Fresh]);
    }

    /// The host remembers successes only.
    #[test]
    fn failures_are_never_stale() {
        for error in [LookupError::Absent, LookupError::NotGranted, LookupError::Failed] {
            let cluster = FakeCluster::failing(error);
            let lookup = Lookup::new(&cluster, LookupMode::Optional, "shop");
            drop(lookup.account("app"));
            assert!(!lookup.may_be_stale());
            assert_eq!(lookup.demand_fresh(), Ok(()));
            drop(lookup.account("app"));
            assert_eq!(cluster.asked(), 1);
        }
    }

    #[test]
    fn who_demands_a_fresh_record_gets_one_or_a_new_review() {
        let cluster = FakeCluster::with("shop", "app", AccountRecord::new(None));
        let first = Lookup::new(&cluster, LookupMode::Optional, "shop");
        assert_eq!(first.demand_fresh(), Ok(()));
        drop(first.account("app"));
        assert_eq!((first.may_be_stale(), cluster.ages()), (false, vec![Age::Fresh]));
        let late = Lookup::new(&cluster, LookupMode::Optional, "shop");
        drop(late.account("app"));
        assert_eq!(late.demand_fresh(), Err(ReviewError::Stale));
    }
}
