// SPDX-License-Identifier: Apache-2.0

//! What the policies cost on a real control plane: `make cluster-bench` and `make cluster-load`.

pub mod latency;
pub mod load;
mod pods;
pub mod throughput;

use std::env;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::json;

use super::policies::Policy;

/// Modules of other policies to compare with, as `name=file.wasm,...`: validating policies for Pods, annotated.
pub const OTHER_POLICIES: &str = "OTHER_POLICIES";

/// The middle of a list, and what 95 in 100 stay below, in milliseconds; zero for an empty list.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Times {
    /// Half of them are below.
    pub median: f64,
    /// 95 in 100 are below.
    pub p95: f64,
    /// 99 in 100 are below.
    pub p99: f64,
}

impl Times {
    /// Sorts the times.
    #[must_use]
    pub fn of(mut times: Vec<Duration>) -> Self {
        times.sort();
        let at = |percent: usize| {
            let index = (times.len() * percent / 100).min(times.len().saturating_sub(1));
            times.get(index).map_or(0.0, |time| time.as_secs_f64() * 1000.0)
        };
        Self { median: at(50), p95: at(95), p99: at(99) }
    }
}

/// The other policies, by name.
///
/// # Errors
/// When an entry is not `name=file`, or its file is not there.
pub fn others() -> Result<Vec<(String, Policy)>> {
    let list = env::var(OTHER_POLICIES).unwrap_or_default();
    let entries = list.split(',').map(str::trim).filter(|entry| !entry.is_empty());
    let read = |entry: &str| {
        let (name, file) = entry.split_once('=').with_context(|| format!("{OTHER_POLICIES}: {entry} has no `=`"))?;
        let file = PathBuf::from(file).canonicalize().with_context(|| format!("{OTHER_POLICIES}: {file}"))?;
        let manifest = json!({
            "kind": "ClusterAdmissionPolicy",
            "metadata": {"name": name},
            "spec": {
                "module": format!("file://{}", file.display()),
                "mutating": false,
                "settings": {},
                "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"], "operations": ["CREATE"]}],
            },
        });
        Ok((name.to_owned(), Policy::of_manifest(&manifest)?))
    };
    entries.map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_sorted() {
        for (times, median, p95, p99) in [
            ((1..=100).rev().map(Duration::from_millis).collect(), 51.0, 96.0, 100.0),
            (vec![Duration::from_millis(7)], 7.0, 7.0, 7.0),
            (Vec::new(), 0.0, 0.0, 0.0),
        ] {
            assert_eq!(Times::of(times), Times { median, p95, p99 });
        }
    }
}
