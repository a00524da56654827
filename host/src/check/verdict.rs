// SPDX-License-Identifier: Apache-2.0

//! The verdict on an object, and the counts of verdicts.

use std::collections::BTreeMap;

use super::finding::{Finding, Level};

/// The verdict on an object. Every object has exactly one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Checked, without findings.
    Accepted,
    /// Checked; the level is that of the most severe finding that counts.
    Found(Level),
    /// Only a part of an object, such as a patch; not checked.
    Partial,
    /// Not checked.
    NotChecked(Reason),
}

/// Why an object is not checked.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reason {
    /// The reason; the same for all objects that are counted together.
    pub why: &'static str,
    /// What to do about it, if anything.
    pub hint: Option<String>,
}

/// The column of a verdict in every table and summary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Column {
    /// See [`Verdict::Accepted`].
    Accepted,
    /// See [`Verdict::Found`].
    Found(Level),
    /// See [`Verdict::Partial`].
    Partial,
    /// See [`Verdict::NotChecked`].
    NotChecked,
}

impl Column {
    /// Every column, in the order of tables.
    pub const ALL: [Self; 10] = [
        Self::Accepted,
        Self::Found(Level::PodsFixed),
        Self::Found(Level::Monitored),
        Self::Found(Level::Fixed),
        Self::Found(Level::Warned),
        Self::Found(Level::Invalid),
        Self::Found(Level::PodsRejected),
        Self::Found(Level::Rejected),
        Self::Partial,
        Self::NotChecked,
    ];

    /// The text in reports for people.
    pub fn word(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Found(Level::PodsFixed) => "accepted; its Pods would be fixed",
            Self::Found(Level::PodsRejected) => "accepted; its Pods would be rejected",
            Self::Found(level) => level.word(),
            Self::Partial => "partial",
            Self::NotChecked => "not checked",
        }
    }

    /// A count as text, for example `2 would be fixed`.
    pub fn count(self, count: usize) -> String {
        let pods = if count == 1 { "its Pods" } else { "their Pods" };
        match self {
            Self::Accepted => format!("{count} accepted"),
            Self::Found(Level::PodsFixed) => format!("{count} accepted ({pods} would be fixed)"),
            Self::Found(Level::Monitored) => format!("{count} monitored"),
            Self::Found(Level::Fixed) => format!("{count} would be fixed"),
            Self::Found(Level::Warned) => format!("{count} would be warned about"),
            Self::Found(Level::Invalid) => format!("{count} invalid"),
            Self::Found(Level::PodsRejected) => format!("{count} accepted ({pods} would be rejected)"),
            Self::Found(Level::Rejected) => format!("{count} would be rejected"),
            Self::Partial => format!("{count} partial"),
            Self::NotChecked => format!("{count} not checked"),
        }
    }

    /// The key in machine-readable reports.
    pub fn key(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Found(level) => level.key(),
            Self::Partial => "partial",
            Self::NotChecked => "notChecked",
        }
    }
}

impl Verdict {
    /// The verdict on a checked object: the level of the most severe finding that counts.
    pub fn of(findings: &[Finding]) -> Self {
        let levels = findings.iter().filter(|finding| !finding.passes()).map(|finding| finding.level);
        levels.max().map_or(Self::Accepted, Self::Found)
    }

    /// The column in which it is counted.
    pub fn column(&self) -> Column {
        match self {
            Self::Accepted => Column::Accepted,
            Self::Found(level) => Column::Found(*level),
            Self::Partial => Column::Partial,
            Self::NotChecked(_) => Column::NotChecked,
        }
    }

    /// Whether the object was checked.
    pub fn is_of_checked(&self) -> bool {
        !matches!(self, Self::Partial | Self::NotChecked(_))
    }
}

/// The number of objects by verdict.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    columns: BTreeMap<Column, usize>,
    /// The objects that are not checked, by reason and hint.
    pub reasons: BTreeMap<Reason, usize>,
}

impl Tally {
    /// Counts an object.
    pub fn add(&mut self, verdict: &Verdict) {
        *self.columns.entry(verdict.column()).or_default() += 1;
        if let Verdict::NotChecked(reason) = verdict {
            *self.reasons.entry(reason.clone()).or_default() += 1;
        }
    }

    /// The number of objects in a column.
    pub fn of(&self, column: Column) -> usize {
        self.columns.get(&column).copied().unwrap_or_default()
    }

    /// The number of all objects.
    pub fn total(&self) -> usize {
        self.columns.values().sum()
    }

    /// Every column with its count.
    pub fn columns(&self) -> [(Column, usize); 10] {
        Column::ALL.map(|column| (column, self.of(column)))
    }

    /// The number of objects that are not checked, by reason alone.
    pub fn by_reason(&self) -> BTreeMap<&'static str, usize> {
        let mut counts: BTreeMap<&'static str, usize> = BTreeMap::new();
        for (reason, count) in &self.reasons {
            *counts.entry(reason.why).or_default() += count;
        }
        counts
    }
}
