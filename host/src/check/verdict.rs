// SPDX-License-Identifier: Apache-2.0

//! How an object ended, and the counts of that.

use std::collections::BTreeMap;

use super::finding::{Finding, Level};

/// How an object ended: each object in one way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Checked, without findings.
    Accepted,
    /// The cluster changes it.
    Fixed,
    /// The cluster warns about it.
    Warned,
    /// A policy refuses it.
    Refused,
    /// The API server would not take it, as far as that is simulated.
    Invalid,
    /// Only a part of an object, such as a patch; not checked.
    Partial,
    /// Not checked.
    NotChecked(Reason),
}

/// Why an object is not checked.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reason {
    /// For counts: the same for all objects of that reason.
    pub why: &'static str,
    /// What would help, where something does.
    pub hint: Option<String>,
}

/// The column of a verdict in every table and summary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Column {
    /// See [`Verdict::Accepted`].
    Accepted,
    /// See [`Verdict::Fixed`].
    Fixed,
    /// See [`Verdict::Warned`].
    Warned,
    /// See [`Verdict::Refused`].
    Refused,
    /// See [`Verdict::Invalid`].
    Invalid,
    /// See [`Verdict::Partial`].
    Partial,
    /// See [`Verdict::NotChecked`].
    NotChecked,
}

impl Column {
    /// Every column, in the order of tables.
    pub const ALL: [Self; 7] =
        [Self::Accepted, Self::Fixed, Self::Warned, Self::Refused, Self::Invalid, Self::Partial, Self::NotChecked];

    /// For people.
    pub fn word(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Fixed => Level::Fixed.word(),
            Self::Warned => Level::Warned.word(),
            Self::Refused => Level::Refused.word(),
            Self::Invalid => Level::Invalid.word(),
            Self::Partial => "partial",
            Self::NotChecked => "not checked",
        }
    }

    /// For programs.
    pub fn key(self) -> &'static str {
        match self {
            Self::NotChecked => "notChecked",
            other => other.word(),
        }
    }
}

impl Verdict {
    /// The verdict on an object that was checked: that of the worst finding, without those that the baseline contains.
    pub fn of(findings: &[Finding]) -> Self {
        match findings.iter().filter(|finding| !finding.is_known).map(|finding| finding.level).max() {
            None => Self::Accepted,
            Some(Level::Fixed) => Self::Fixed,
            Some(Level::Warned) => Self::Warned,
            Some(Level::Invalid) => Self::Invalid,
            Some(Level::Refused) => Self::Refused,
        }
    }

    /// Where it is counted.
    pub fn column(&self) -> Column {
        match self {
            Self::Accepted => Column::Accepted,
            Self::Fixed => Column::Fixed,
            Self::Warned => Column::Warned,
            Self::Refused => Column::Refused,
            Self::Invalid => Column::Invalid,
            Self::Partial => Column::Partial,
            Self::NotChecked(_) => Column::NotChecked,
        }
    }

    /// Whether the object was checked.
    pub fn is_of_checked(&self) -> bool {
        !matches!(self, Self::Partial | Self::NotChecked(_))
    }
}

/// How many objects ended how.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    columns: BTreeMap<Column, usize>,
    /// Those that are not checked, by reason and hint.
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

    /// How many objects ended in a way.
    pub fn of(&self, column: Column) -> usize {
        self.columns.get(&column).copied().unwrap_or_default()
    }

    /// Every object.
    pub fn total(&self) -> usize {
        self.columns.values().sum()
    }

    /// Every column with its count.
    pub fn columns(&self) -> [(Column, usize); 7] {
        Column::ALL.map(|column| (column, self.of(column)))
    }

    /// How many objects are not checked, by reason alone.
    pub fn by_reason(&self) -> BTreeMap<&'static str, usize> {
        let mut counts: BTreeMap<&'static str, usize> = BTreeMap::new();
        for (reason, count) in &self.reasons {
            *counts.entry(reason.why).or_default() += count;
        }
        counts
    }
}
