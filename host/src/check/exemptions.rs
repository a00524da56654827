// SPDX-License-Identifier: Apache-2.0

//! Which entries of `exemptions` an object matches. The policy's answer does not contain this, so the policy's code is called a
//! second time, outside the module.

use serde_json::{Value, json};
use serviceaccount_hygiene::engine::exempt;
use serviceaccount_hygiene::rules::AllRules;

/// How many entries the settings have.
pub(super) fn count(settings: &Value) -> usize {
    settings.get("exemptions").and_then(Value::as_array).map_or(0, Vec::len)
}

/// The indices of the entries that match a request.
pub(super) fn matching(settings: &Value, request: &Value) -> Vec<usize> {
    if count(settings) == 0 {
        return Vec::new();
    }
    exempt::matching(AllRules, &json!({ "request": request, "settings": settings }).to_string())
}
