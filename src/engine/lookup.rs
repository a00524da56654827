// SPDX-License-Identifier: Apache-2.0
//! Looks up the account of the object, at most twice per request: first as the
//! host has cached it and, unless the object is then accepted, as it is now.
//! Each permission of the account is queried only once.

use std::cell::{Cell, OnceCell, RefCell};

use super::error::ReviewError;
use crate::cluster::access_review::{self, Permission};
use crate::cluster::{Access, AccountRecord, Age, Cluster, LookupError};
use crate::settings::{Common, LookupMode, Profile};

/// What is known of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Account<'l> {
    /// It exists.
    Known(&'l AccountRecord),
    /// It does not exist.
    Absent,
    /// The policy does not, or may not, look it up.
    Unknown,
}

/// Whether an account has a permission.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Allowed {
    /// It may.
    Yes,
    /// It may not.
    No,
    /// The policy does not query this, may not query it, or got no answer.
    Unknown,
}

/// The account that was looked up, and the answer.
type Answer = (String, Result<AccountRecord, LookupError>);

/// The look-ups of a request.
pub struct Lookup<'l> {
    cluster: &'l dyn Cluster,
    mode: LookupMode,
    permission_mode: LookupMode,
    /// Whether a failed look-up is only a warning.
    observes: bool,
    namespace: &'l str,
    only: OnceCell<String>,
    age: Cell<Age>,
    recent: OnceCell<Answer>,
    fresh: OnceCell<Answer>,
    /// Each access review that was requested, with its answer.
    reviews: RefCell<Vec<(String, Result<bool, LookupError>)>>,
    /// Whether an access review that a rule used was not granted.
    is_review_denied: Cell<bool>,
}

impl<'l> Lookup<'l> {
    /// Starts without any look-up.
    #[must_use]
    pub const fn new(cluster: &'l dyn Cluster, common: &Common<'_>, namespace: &'l str) -> Self {
        Self {
            cluster,
            mode: common.lookup,
            permission_mode: common.permission_lookup,
            observes: matches!(common.profile, Profile::Observe),
            namespace,
            only: OnceCell::new(),
            age: Cell::new(Age::Recent),
            recent: OnceCell::new(),
            fresh: OnceCell::new(),
            reviews: RefCell::new(Vec::new()),
            is_review_denied: Cell::new(false),
        }
    }

    /// From now on, no other account is looked up: the account that an UPDATE
    /// moves away from does not matter for the new object.
    pub fn restrict_to(&self, name: &str) {
        self.only.get_or_init(|| name.to_owned());
    }

    /// What is known of an account. Only the first account that a rule asks for
    /// is looked up; any other (the one that an UPDATE moves away from) is
    /// unknown.
    ///
    /// # Errors
    /// [`ReviewError`] when the cluster does not answer, or when access is required
    /// but not granted.
    pub fn account(&self, name: &str) -> Result<Account<'_>, ReviewError> {
        if self.mode == LookupMode::Off || self.namespace.is_empty() {
            return Ok(Account::Unknown);
        }
        // The name becomes part of a URL. No account can have any other name.
        if !is_account_name(name) {
            return Ok(Account::Absent);
        }
        if self.only.get().is_some_and(|only| only != name) {
            return Ok(Account::Unknown);
        }
        let (asked, answer) = self.answer().get_or_init(|| {
            let answer = self.cluster.service_account(self.namespace, name, self.age.get());
            if answer == Err(LookupError::NotGranted) {
                self.cluster.log_not_granted(Access::Accounts, self.namespace);
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
            Err(LookupError::Failed) if self.warns_on_failure() => Ok(Account::Unknown),
            Err(LookupError::Failed) => {
                Err(ReviewError::LookupFailed { account: format!("{}/{name}", self.namespace) })
            }
        }
    }

    /// Whether an account has a permission. Each permission is queried once.
    /// For the account that an UPDATE moves away from, the answer is unknown.
    ///
    /// # Errors
    /// [`ReviewError`] when an answer is required and there is none.
    pub fn may(&self, name: &str, permission: &Permission<'_>) -> Result<Allowed, ReviewError> {
        if self.permission_mode == LookupMode::Off || self.namespace.is_empty() {
            return Ok(Allowed::Unknown);
        }
        // No account can have such a name, so none has any permission.
        if !is_account_name(name) {
            return Ok(Allowed::No);
        }
        if self.only.get().is_some_and(|only| only != name) {
            return Ok(Allowed::Unknown);
        }
        match self.review(access_review::request(self.namespace, name, permission)) {
            Ok(true) => Ok(Allowed::Yes),
            Ok(false) => Ok(Allowed::No),
            Err(_) if self.permission_mode != LookupMode::Required => Ok(Allowed::Unknown),
            Err(LookupError::NotGranted) => Err(ReviewError::ReviewNotGranted),
            Err(_) => Err(ReviewError::ReviewFailed { account: format!("{}/{name}", self.namespace) }),
        }
    }

    fn review(&self, request: String) -> Result<bool, LookupError> {
        let mut reviews = self.reviews.borrow_mut();
        let known = reviews.iter().find(|(asked, _)| *asked == request).map(|(_, answer)| *answer);
        let answer = known.unwrap_or_else(|| {
            let answer = self.cluster.can_i(&request);
            let refused = Err(LookupError::NotGranted);
            if answer == refused && !reviews.iter().any(|(_, answer)| *answer == refused) {
                self.cluster.log_not_granted(Access::Reviews, self.namespace);
            }
            reviews.push((request, answer));
            answer
        });
        if answer == Err(LookupError::NotGranted) {
            self.is_review_denied.set(true);
        }
        answer
    }

    /// Whether permission look-ups are not granted.
    #[must_use]
    pub fn is_review_not_granted(&self) -> bool {
        self.is_review_denied.get()
    }

    /// Whether what is known may come from the host's cache.
    #[must_use]
    pub fn may_be_stale(&self) -> bool {
        self.age.get() == Age::Recent && matches!(self.recent.get(), Some((_, Ok(_))))
    }

    /// From now on, the current account is used: it is looked up once more.
    pub fn refresh(&self) {
        self.age.set(Age::Fresh);
        self.is_review_denied.set(false);
    }

    /// Like [`Lookup::refresh`], for a rule that cannot rely on a cached record.
    ///
    /// # Errors
    /// [`ReviewError::Stale`] when a cached record has already been used: the review has
    /// to start again.
    pub fn require_fresh(&self) -> Result<(), ReviewError> {
        if self.may_be_stale() {
            return Err(ReviewError::Stale);
        }
        if self.recent.get().is_none() {
            self.refresh();
        }
        Ok(())
    }

    /// Whether a failed look-up leads to a warning instead of a rejection.
    fn warns_on_failure(&self) -> bool {
        self.observes && self.mode != LookupMode::Required
    }

    /// The account whose look-up failed, if that is only a warning.
    #[must_use]
    pub fn failed_account(&self) -> Option<&str> {
        let failed = self.answer().get().filter(|(_, answer)| *answer == Err(LookupError::Failed));
        failed.filter(|_| self.warns_on_failure()).map(|(name, _)| name.as_str())
    }

    /// Whether account look-ups are not granted.
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

/// Whether a name looks like a DNS subdomain, as the API server requires.
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

    fn lookup(cluster: &FakeCluster, mode: LookupMode) -> Lookup<'_> {
        Lookup::new(cluster, &Common { lookup: mode, permission_lookup: mode, ..Common::default() }, "shop")
    }

    fn account(cluster: &FakeCluster, mode: LookupMode, name: &str) -> Result<String, ReviewError> {
        lookup(cluster, mode).account(name).map(|account| format!("{account:?}"))
    }

    #[test]
    fn outcomes() {
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
    fn asks_once() {
        let cluster = FakeCluster::with("shop", "app", AccountRecord::new(None));
        let lookup = lookup(&cluster, LookupMode::Optional);
        assert_eq!(cluster.lookups(), 0);
        assert!(matches!(lookup.account("app"), Ok(Account::Known(_))));
        assert!(matches!(lookup.account("app"), Ok(Account::Known(_))));
        assert_eq!(lookup.account("old"), Ok(Account::Unknown));
        assert_eq!(cluster.lookups(), 1);
        assert!(!lookup.is_not_granted());
        assert_eq!(cluster.logged(), Vec::<String>::new());
    }

    #[test]
    fn logs_missing_access_once() {
        let cluster = FakeCluster::failing(LookupError::NotGranted);
        let lookup = lookup(&cluster, LookupMode::Optional);
        assert!(!lookup.is_not_granted());
        assert_eq!([lookup.account("app"), lookup.account("app")], [Ok(Account::Unknown), Ok(Account::Unknown)]);
        assert!(lookup.is_not_granted());
        assert_eq!(cluster.logged(), ["shop"]);
    }

    /// Any other name would change the URL, and is never looked up.
    #[test]
    fn account_names() {
        let names = ["a", "app-1", "app.team", "0"].map(str::to_owned);
        for name in names.into_iter().chain(["x".repeat(253)]) {
            let cluster = FakeCluster::with("shop", &name, AccountRecord::new(None));
            assert!(account(&cluster, LookupMode::Optional, &name).unwrap().starts_with("Known"), "{name}");
        }
        let others = ["", "App", "a/b", "a b", "ä", ".", ".a", "a..b", "..", "a?b", "a%2fb"].map(str::to_owned);
        for name in others.into_iter().chain(["x".repeat(254)]) {
            let cluster = FakeCluster::with("shop", &name, AccountRecord::new(None));
            assert_eq!(account(&cluster, LookupMode::Optional, &name).unwrap(), "Absent", "{name}");
            assert_eq!(cluster.lookups(), 0);
        }
    }

    #[test]
    fn asks_for_one_account() {
        let cluster = FakeCluster::failing(LookupError::Failed);
        let lookup = lookup(&cluster, LookupMode::Optional);
        lookup.restrict_to("app");
        assert_eq!(lookup.account("old"), Ok(Account::Unknown));
        assert_eq!(cluster.lookups(), 0);
        assert!(lookup.account("app").is_err());
    }

    #[test]
    fn never_asks_for_invalid_name() {
        let cluster = FakeCluster::failing(LookupError::Failed);
        for name in ["", "../secrets/x", "a/b", "A", "a b", ".a", "x?y"] {
            assert_eq!(account(&cluster, LookupMode::Optional, name).unwrap(), "Absent", "{name}");
        }
        assert_eq!(cluster.lookups(), 0);
    }

    /// What the host has cached, what there is now, and what a rule gets.
    #[test]
    fn refreshes() {
        let cluster = FakeCluster::with("shop", "app", AccountRecord::new(None)).now(AccountRecord::new(Some(false)));
        let lookup = lookup(&cluster, LookupMode::Optional);
        assert!(!lookup.may_be_stale());
        assert_eq!(lookup.account("app"), Ok(Account::Known(&AccountRecord::new(None))));
        assert!(lookup.may_be_stale());
        lookup.refresh();
        assert!(!lookup.may_be_stale());
        assert_eq!(lookup.account("app"), Ok(Account::Known(&AccountRecord::new(Some(false)))));
        assert_eq!(cluster.ages(), [Age::Recent, Age::Fresh]);
    }

    /// The host caches only successful look-ups.
    #[test]
    fn failures_are_never_stale() {
        for error in [LookupError::Absent, LookupError::NotGranted, LookupError::Failed] {
            let cluster = FakeCluster::failing(error);
            let lookup = lookup(&cluster, LookupMode::Optional);
            drop(lookup.account("app"));
            assert!(!lookup.may_be_stale());
            assert_eq!(lookup.require_fresh(), Ok(()));
            drop(lookup.account("app"));
            assert_eq!(cluster.lookups(), 1);
        }
    }

    #[test]
    fn demands_fresh_record() {
        let cluster = FakeCluster::with("shop", "app", AccountRecord::new(None));
        let first = lookup(&cluster, LookupMode::Optional);
        assert_eq!(first.require_fresh(), Ok(()));
        drop(first.account("app"));
        assert_eq!((first.may_be_stale(), cluster.ages()), (false, vec![Age::Fresh]));
        let late = lookup(&cluster, LookupMode::Optional);
        drop(late.account("app"));
        assert_eq!(late.require_fresh(), Err(ReviewError::Stale));
    }

    fn permission(verb: &str) -> Permission<'_> {
        Permission {
            verb: verb.into(),
            group: "".into(),
            resource: "pods".into(),
            subresource: "".into(),
            cluster_wide: false,
        }
    }

    #[test]
    fn asks_once_per_permission() {
        let cluster = FakeCluster::failing(LookupError::Failed).allowing(&["get pods"]);
        let lookup = lookup(&cluster, LookupMode::Optional);
        for _ in 0..2 {
            assert_eq!(lookup.may("app", &permission("list")), Ok(Allowed::No));
            assert_eq!(lookup.may("app", &permission("get")), Ok(Allowed::Yes));
            lookup.refresh();
        }
        assert_eq!(cluster.reviewed(), ["shop/app list pods in shop", "shop/app get pods in shop"]);
        lookup.restrict_to("app");
        assert_eq!(lookup.may("old", &permission("get")), Ok(Allowed::Unknown));
        assert_eq!(lookup.may("../x", &permission("get")), Ok(Allowed::No));
        assert_eq!(cluster.reviewed().len(), 2);
        assert!(!lookup.is_review_not_granted());
    }

    #[test]
    fn review_fails_only_if_required() {
        let may = |error, mode| {
            let cluster = FakeCluster::failing(LookupError::Absent).failing_reviews(error);
            let lookup = lookup(&cluster, mode);
            let answers = [lookup.may("app", &permission("get")), lookup.may("app", &permission("list"))];
            (answers, cluster.reviewed().len(), cluster.logged(), lookup.is_review_not_granted())
        };
        let unknown = || [Ok(Allowed::Unknown), Ok(Allowed::Unknown)];
        let logged = || vec!["shop".to_owned()];
        assert_eq!(may(LookupError::Failed, LookupMode::Off), (unknown(), 0, Vec::new(), false));
        assert_eq!(may(LookupError::Failed, LookupMode::Optional), (unknown(), 2, Vec::new(), false));
        assert_eq!(may(LookupError::NotGranted, LookupMode::Optional), (unknown(), 2, logged(), true));
        let failed = || Err(ReviewError::ReviewFailed { account: "shop/app".to_owned() });
        assert_eq!(may(LookupError::Failed, LookupMode::Required), ([failed(), failed()], 2, Vec::new(), false));
        let refused = || Err(ReviewError::ReviewNotGranted);
        assert_eq!(may(LookupError::NotGranted, LookupMode::Required), ([refused(), refused()], 2, logged(), true));
    }
}
