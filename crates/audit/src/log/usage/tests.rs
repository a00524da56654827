// SPDX-License-Identifier: Apache-2.0

use super::*;

fn known() -> BTreeSet<String> {
    BTreeSet::from(["shop:web".to_owned()])
}

fn event<'a>(account: &'a str, pod: Option<&'a str>, verb: &'a str) -> Event<'a> {
    let action = Action { verb: verb.into(), group: "".into(), resource: "pods".into(), scope: Scope::OwnNamespace };
    Event {
        account: account.into(),
        pod: pod.map(Into::into),
        action,
        is_denied: false,
        legacy_secret: None,
        open_request: None,
    }
}

fn found(event: Event<'_>, time: i64) -> Found<'_> {
    Found { format: Some(Format::ApiServer), time: Some(time), record: Record::Account(event) }
}

fn count(calls: u64, denied: u64, first: i64, last: i64) -> Count {
    Count { calls, denied, first: Some(first), last: Some(last) }
}

#[test]
fn counts_by_account_pod_verb_and_resource() {
    let (known, open) = (known(), OpenRequests::default());
    let mut one = Counter::new(&known, &open);
    let mut other = Counter::new(&known, &open);
    one.add(found(event("shop:web", Some("a"), "get"), 100));
    one.add(found(Event { is_denied: true, ..event("shop:web", Some("a"), "get") }, 50));
    other.add(found(event("shop:web", Some("a"), "get"), 200));
    other.add(found(event("shop:web", None, "list"), 7200));
    other.add(found(event("gone:old", None, "create"), 300));
    let mut usage = Usage::default();
    usage.merge(one);
    usage.merge(other);

    let web = &usage.accounts[&("shop".to_owned(), "web".to_owned())];
    assert_eq!(web.total, count(4, 1, 50, 7200));
    let details: Vec<_> =
        web.details.iter().map(|(it, count)| (it.pod.as_deref(), &*it.verb, count.calls, count.denied)).collect();
    assert_eq!(details, [(None, "list", 1, 0), (Some("a"), "get", 3, 1)]);
    assert_eq!(usage.accounts.len(), 2);
    let seen = &usage.seen;
    assert_eq!((seen.account_events, seen.account_reads, seen.with_pod), (5, 4, 3));
    assert_eq!((seen.first, seen.last, seen.hours.len()), (Some(50), Some(7200), 2));
}

#[test]
fn counts_watches_once() {
    let (known, open) = (known(), OpenRequests::default());
    let (mut one, mut other) = (Counter::new(&known, &open), Counter::new(&known, &open));
    let watch = |id: &'static str| Event { open_request: Some(id.into()), ..event("shop:web", None, "watch") };
    one.add(found(watch("1"), 100));
    other.add(found(watch("1"), 900));
    other.add(found(watch("2"), 200));
    one.add(found(watch("1"), 1000));
    let mut usage = Usage::default();
    usage.merge(one);
    usage.merge(other);
    let web = &usage.accounts[&("shop".to_owned(), "web".to_owned())];
    assert_eq!(web.total, count(3, 0, 100, 1000), "a third event with that ID belongs to another request");
    assert_eq!(usage.seen.account_events, 3);
}

#[test]
fn counts_overflow_together() {
    let (known, open) = (known(), OpenRequests::default());
    let mut usage = Usage::default();
    for _ in 0..2 {
        let mut counter = Counter { max_keys: 10, ..Counter::new(&known, &open) };
        for index in 0..30 {
            counter.add(found(event("shop:web", Some(&format!("pod-{index}")), "get"), index));
        }
        usage.merge(counter);
    }
    let web = &usage.accounts[&("shop".to_owned(), "web".to_owned())];
    assert_eq!(web.total.calls, 60);
    assert_eq!(web.details.len(), 10);
    assert_eq!(web.others.calls, 40);
    assert_eq!(web.details.values().map(|count| count.calls).sum::<u64>() + web.others.calls, 60);
}

#[test]
fn known_accounts_never_overflow() {
    let (known, open) = (known(), OpenRequests::default());
    let mut counter = Counter::new(&known, &open);
    for index in 0..MAX_FOREIGN_ACCOUNTS + 5 {
        counter.add(found(event(&format!("gone:{index}"), None, "get"), 1));
    }
    counter.add(found(event("shop:web", None, "get"), 1));
    let mut usage = Usage::default();
    usage.merge(counter);
    assert_eq!(usage.accounts.len(), MAX_FOREIGN_ACCOUNTS + 1);
    assert_eq!(usage.other_accounts.calls, 5);
    assert_eq!(usage.accounts[&("shop".to_owned(), "web".to_owned())].total.calls, 1);
}

#[test]
fn counts_secrets_by_name() {
    let (known, open) = (known(), OpenRequests::default());
    let mut counter = Counter::new(&known, &open);
    for index in 0..MAX_SECRETS + 3 {
        let name = format!("token-{index}");
        let legacy = Event { legacy_secret: Some(name.into()), ..event("shop:web", None, "get") };
        counter.add(found(legacy, 1));
    }
    let mut usage = Usage::default();
    usage.merge(counter);
    let legacy = &usage.accounts[&("shop".to_owned(), "web".to_owned())].legacy;
    assert_eq!(legacy.len(), MAX_SECRETS + 1);
    assert_eq!(legacy[""].calls, 3);
}
