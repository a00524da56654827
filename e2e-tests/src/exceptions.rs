// SPDX-License-Identifier: Apache-2.0

//! The cases that cannot exist on a real API server: `cluster/exceptions.yaml`.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use policy_host::yaml;
use serde::Deserialize;

use crate::case::{Case, Subject};
use crate::{case_file, examples};

const FILE: &str = "e2e-tests/cluster/exceptions.yaml";

/// At most one case in this many may be an exception.
const ONE_IN: usize = 10;

/// An entry of the list.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exception {
    /// Why these cases cannot exist there.
    pub reason: String,
    /// Their names.
    pub cases: Vec<String>,
}

/// The names of the cases in the list.
///
/// # Errors
/// If the list cannot be read, names a case twice or one that does not exist, or has too many cases.
pub fn names(repository: &Path) -> Result<BTreeSet<String>> {
    let list = yaml::load_file(repository.join(FILE))?.pop().context("an empty file")?.value;
    let list: Vec<Exception> = serde_json::from_value(list).context(FILE)?;
    let mut names = BTreeSet::new();
    for exception in list {
        ensure!(!exception.reason.trim().is_empty(), "{FILE}: no reason for {:?}", exception.cases);
        for case in exception.cases {
            ensure!(names.insert(case.clone()), "{FILE}: {case} appears twice");
        }
    }
    let all = all(repository)?;
    let unknown: Vec<_> = names.difference(&all).collect();
    ensure!(unknown.is_empty(), "{FILE}: no such cases with an object: {unknown:?}");
    ensure!(
        names.len() * ONE_IN <= all.len(),
        "{FILE} has {} of {} cases; no more than one in {ONE_IN} may be there",
        names.len(),
        all.len()
    );
    Ok(names)
}

/// The names of all cases with an object, and of all examples.
fn all(repository: &Path) -> Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    for (name, case) in case_file::load_all(&repository.join("e2e-tests/cases"))? {
        if matches!(case.with_context(|| name.clone())?.subject, Some(Subject::Object(_))) {
            names.insert(name);
        }
    }
    for example in examples::find_all(repository)? {
        names.extend(example.cases()?.iter().map(Case::full_name));
    }
    Ok(names)
}
