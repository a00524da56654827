// SPDX-License-Identifier: Apache-2.0

//! Determines whether an audit log can show that something was *not* done: what it records, and how much time it covers.

use croner::{Cron, Direction};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::log::{HOUR, Log, Seen};

/// After a longer time without any event, the log may be incomplete.
const LONGEST_GAP: i64 = 24 * HOUR;

/// The number of runs of a schedule that are considered.
const RUNS: usize = 30;

/// At most one in this many records may be broken.
const BROKEN_IN: u64 = 100;

const DAY: i64 = 24 * HOUR;

/// The time that a log covers.
#[derive(Debug, Clone)]
pub(super) struct Window {
    /// The times of the first and the last event, in seconds since 1970.
    pub span: Option<(i64, i64)>,
    /// The time that it covers, without long gaps.
    pub covered: i64,
    /// Gaps of more than a day.
    pub gaps: Vec<(i64, i64)>,
    needed: i64,
    /// The reason why it shows nothing for any subject.
    useless: Option<String>,
}

/// A workload or account whose calls the log should contain.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Subject<'a> {
    /// When it was created.
    pub created: Option<i64>,
    /// Its schedule.
    pub schedule: Option<&'a str>,
    /// Whether it creates no Pods.
    pub is_idle: bool,
}

impl Window {
    /// `needed` is the number of seconds that a log has to cover.
    pub fn new(log: Option<&Log>, needed: i64) -> Self {
        let Some(log) = log else {
            let useless = Some("no audit log was given".to_owned());
            return Self { span: None, covered: 0, gaps: Vec::new(), needed, useless };
        };
        let seen = &log.usage.seen;
        let span = seen.first.zip(seen.last);
        let gaps = gaps(seen);
        let lost: i64 = gaps.iter().map(|(start, end)| end - start).sum();
        let covered = span.map_or(0, |(first, last)| last - first - lost).max(0);
        Self { span, covered, gaps, needed, useless: useless(log, needed, covered) }
    }

    /// # Errors
    /// The reason why the log does not show that something was not done.
    pub fn shows_absence(&self, subject: Subject<'_>) -> Result<(), String> {
        if let Some(why) = &self.useless {
            return Err(why.clone());
        }
        let Some((first, last)) = self.span else { return Err("the log is empty".to_owned()) };
        if subject.is_idle {
            return Err("it is suspended or scaled to zero".to_owned());
        }
        let needed = match subject.schedule {
            None => self.needed,
            Some(schedule) => {
                let Some(interval) = longest_interval(schedule, last) else {
                    return Err("its schedule cannot be read".to_owned());
                };
                self.needed.max(interval)
            }
        };
        if self.covered < needed {
            return Err(format!("it runs once in {}, but the log covers only {}", days(needed), days(self.covered)));
        }
        match subject.created {
            Some(created) if last - created.max(first) < needed => {
                Err(format!("it was created {} before the end of the log", days((last - created).max(0))))
            }
            _ => Ok(()),
        }
    }
}

fn useless(log: &Log, needed: i64, covered: i64) -> Option<String> {
    let seen = &log.usage.seen;
    if seen.account_reads == 0 {
        return Some("the log contains no get or list call by a ServiceAccount".to_owned());
    }
    if covered < needed {
        return Some(format!("the log covers {}, less than {}", days(covered), days(needed)));
    }
    if let Some(file) = log.files.iter().find(|file| file.error.is_some()) {
        return Some(format!("a file of the log cannot be read to its end: {}", file.name));
    }
    let unreadable = seen.broken + seen.oversized;
    (unreadable * BROKEN_IN > seen.records).then(|| format!("{unreadable} of {} records cannot be read", seen.records))
}

fn gaps(seen: &Seen) -> Vec<(i64, i64)> {
    let hours = || seen.hours.iter().map(|hour| hour * HOUR);
    let pairs = hours().zip(hours().skip(1)).map(|(one, next)| (one + HOUR, next));
    pairs.filter(|(start, end)| end - start > LONGEST_GAP).collect()
}

/// A time in days, or in hours if it is less than two days.
pub(super) fn days(seconds: i64) -> String {
    let of = |count: i64, unit: &str| format!("{count} {unit}{}", if count == 1 { "" } else { "s" });
    if seconds >= 2 * DAY { of(seconds / DAY, "day") } else { of(seconds / HOUR, "hour") }
}

/// The longest interval between two runs, starting at the given second.
fn longest_interval(schedule: &str, now: i64) -> Option<i64> {
    let cron: Cron = schedule.parse().ok()?;
    let start = TimeZone::UTC.to_datetime(Timestamp::from_second(now).ok()?);
    let second = |time: jiff::civil::DateTime| TimeZone::UTC.to_timestamp(time).ok().map(Timestamp::as_second);
    let runs: Vec<i64> = cron.iter_from(start, Direction::Forward).take(RUNS).filter_map(second).collect();
    runs.iter().zip(runs.iter().skip(1)).map(|(one, next)| next - one).max()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use rstest::rstest;

    use super::*;
    use crate::log::{FileReport, Usage};

    const NOW: i64 = 1_795_882_551;

    /// A log of this many hours with an event in each, except in the hours `without`.
    fn log(hours: i64, without: std::ops::Range<i64>) -> Log {
        let first = NOW - hours * HOUR;
        let hours: BTreeSet<i64> =
            (0..=hours).filter(|hour| !without.contains(hour)).map(|hour| (first + hour * HOUR) / HOUR).collect();
        let seen = Seen {
            first: Some(first),
            last: Some(NOW),
            hours,
            account_reads: 1,
            records: 1_000,
            account_events: 1,
            ..Seen::default()
        };
        Log { usage: Usage { seen, ..Usage::default() }, files: vec![FileReport::default()] }
    }

    fn verdict(log: &Log, subject: Subject<'_>) -> String {
        Window::new(Some(log), 7 * DAY).shows_absence(subject).err().unwrap_or_else(|| "ok".to_owned())
    }

    #[rstest]
    #[case::whole_week(168, 0..0, "ok")]
    #[case::a_day_short(144, 0..0, "the log covers 6 days, less than 7 days")]
    #[case::an_hour(1, 0..0, "the log covers 1 hour, less than 7 days")]
    #[case::short_gap(168, 10..30, "ok")]
    #[case::long_gap(168, 10..60, "the log covers 4 days, less than 7 days")]
    #[case::long_gap_in_a_longer_log(240, 10..60, "ok")]
    fn covered_time(#[case] hours: i64, #[case] without: std::ops::Range<i64>, #[case] expected: &str) {
        assert_eq!(verdict(&log(hours, without), Subject::default()), expected);
    }

    #[rstest]
    #[case::hourly("0 * * * *", "ok")]
    #[case::weekly("0 3 * * 1", "ok")]
    #[case::monthly("0 3 1 * *", "it runs once in 31 days, but the log covers only 10 days")]
    #[case::yearly("@yearly", "it runs once in 366 days, but the log covers only 10 days")]
    #[case::nonsense("whenever", "its schedule cannot be read")]
    fn schedules(#[case] schedule: &str, #[case] expected: &str) {
        let subject = Subject { schedule: Some(schedule), ..Subject::default() };
        assert_eq!(verdict(&log(240, 0..0), subject), expected);
    }

    #[test]
    fn new_or_idle_workloads() {
        let log = log(240, 0..0);
        let created = |seconds: i64| Subject { created: Some(NOW - seconds), ..Subject::default() };
        assert_eq!(verdict(&log, created(3 * DAY)), "it was created 3 days before the end of the log");
        assert_eq!(verdict(&log, created(8 * DAY)), "ok");
        assert_eq!(verdict(&log, Subject { is_idle: true, ..Subject::default() }), "it is suspended or scaled to zero");
    }

    #[test]
    fn finds_gaps() {
        assert_eq!(Window::new(None, 0).shows_absence(Subject::default()), Err("no audit log was given".to_owned()));
        let with = |change: fn(&mut Log)| {
            let mut log = log(240, 0..0);
            change(&mut log);
            verdict(&log, Subject::default())
        };
        assert_eq!(
            with(|log| log.usage.seen.account_reads = 0),
            "the log contains no get or list call by a ServiceAccount"
        );
        assert_eq!(with(|log| log.usage.seen.broken = 10), "ok");
        assert_eq!(with(|log| log.usage.seen.oversized = 11), "11 of 1000 records cannot be read");
        assert_eq!(
            with(|log| log.files =
                vec![FileReport { name: "a.gz".into(), error: Some("x".into()), ..FileReport::default() }]),
            "a file of the log cannot be read to its end: a.gz"
        );
    }
}
