// SPDX-License-Identifier: Apache-2.0

//! The policy server's cache of look-ups: it keeps successes for five seconds, regardless of which fields were requested.
//! Reviews are cached with all their attributes, including the groups.
//!
//! The original is in `crates/policy-evaluator/src/callback_handler/kubernetes` of kubewarden/kubewarden-controller. A look-up
//! with `disable_cache` neither reads nor refreshes the cache; concurrent misses wait for each other.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::cluster::{AccessReview, CanI, GetResource};

/// How long an answer is cached.
const AGE: Duration = Duration::from_secs(5);

/// Kind with its group and version, namespace and name.
type Key = (String, String, Option<String>, String);

/// The answers of the last five seconds.
#[derive(Debug, Default)]
pub(super) struct Memory {
    answers: Mutex<HashMap<Key, (Instant, Value)>>,
    reviews: Mutex<HashMap<AccessReview, (Instant, Value)>>,
}

impl Memory {
    /// The cached answer to a look-up, or the result of `ask`.
    pub(super) fn get(
        &self,
        request: &GetResource,
        fetch: impl FnOnce() -> Result<Value, String>,
    ) -> Result<Value, String> {
        if request.disable_cache {
            return fetch();
        }
        let GetResource { api_version, kind, namespace, name, .. } = request;
        remembered(&self.answers, (api_version.clone(), kind.clone(), namespace.clone(), name.clone()), fetch)
    }

    /// The cached answer to a review, or the result of `ask`.
    pub(super) fn review(
        &self,
        request: &CanI,
        fetch: impl FnOnce() -> Result<Value, String>,
    ) -> Result<Value, String> {
        if request.disable_cache {
            return fetch();
        }
        remembered(&self.reviews, request.subject_access_review.clone(), fetch)
    }
}

fn remembered<K: Eq + Hash>(
    answers: &Mutex<HashMap<K, (Instant, Value)>>,
    key: K,
    fetch: impl FnOnce() -> Result<Value, String>,
) -> Result<Value, String> {
    let mut answers = answers.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((asked, answer)) = answers.get(&key)
        && asked.elapsed() < AGE
    {
        return Ok(answer.clone());
    }
    let answer = fetch()?;
    answers.insert(key, (Instant::now(), answer.clone()));
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use serde_json::json;

    use super::*;

    fn request(name: &str, disable_cache: bool) -> GetResource {
        GetResource {
            api_version: "v1".to_owned(),
            kind: "ServiceAccount".to_owned(),
            name: name.to_owned(),
            namespace: Some("shop".to_owned()),
            disable_cache,
            field_masks: None,
        }
    }

    #[test]
    fn caches_successes() {
        let (memory, asked) = (Memory::default(), Cell::new(0));
        let fetch = |name: &str, disable_cache| {
            memory.get(&request(name, disable_cache), || {
                asked.set(asked.get() + 1);
                if name == "gone" { Err("gone".to_owned()) } else { Ok(json!(asked.get())) }
            })
        };
        assert_eq!([fetch("app", false), fetch("app", false)], [Ok(json!(1)), Ok(json!(1))]);
        // The cache is neither read nor refreshed.
        assert_eq!([fetch("app", true), fetch("app", false)], [Ok(json!(2)), Ok(json!(1))]);
        assert_eq!(fetch("other", false), Ok(json!(3)));
        assert!(fetch("gone", false).is_err() && fetch("gone", false).is_err());
        assert_eq!(asked.get(), 5);
    }
}
