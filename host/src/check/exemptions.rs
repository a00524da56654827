// SPDX-License-Identifier: Apache-2.0

//! Which entries of `exemptions` an object matches. The policy's answer does not say; so the policy's own code is asked
//! a second time, outside of the module.

use serde_json::Value;
use serviceaccount_hygiene::admission::request::Payload;
use serviceaccount_hygiene::admission::subject::Subject;
use serviceaccount_hygiene::cluster::{AccountRecord, Cluster, LookupError};
use serviceaccount_hygiene::engine::lookup::Lookup;
use serviceaccount_hygiene::engine::plan::rule_ids;
use serviceaccount_hygiene::engine::scene::{Scene, Target};
use serviceaccount_hygiene::object::view;
use serviceaccount_hygiene::settings::reader::Problems;
use serviceaccount_hygiene::settings::{LookupMode, Settings};

/// How many entries the settings have.
pub(super) fn count(settings: &Value) -> usize {
    settings.get("exemptions").and_then(Value::as_array).map_or(0, Vec::len)
}

/// The numbers of the entries that match a request.
pub(super) fn matching(settings: &Value, request: &Value) -> Vec<usize> {
    if count(settings) == 0 {
        return Vec::new();
    }
    let payload = serde_json::json!({ "request": request, "settings": settings }).to_string();
    // What cannot be read is refused by the policy, with the reason.
    matching_in(&payload).unwrap_or_default()
}

fn matching_in(payload: &str) -> Option<Vec<usize>> {
    let payload = view::read::<Payload<'_>>(payload, "").ok()?;
    let request = payload.request.as_ref()?;
    let settings = Settings::read(payload.settings.text(), &rule_ids(), &mut Problems::default());
    let common = &settings.common;
    let subject = Subject::of(request, common)?;
    let (meta, target) = Target::read(&subject, request.object.text()?).ok()?;
    let target = target?;
    let lookup = Lookup::new(&Nobody, LookupMode::Off, request.namespace());
    let scene = Scene { request, common, rules: &settings.rules, meta: &meta, target: &target, lookup: &lookup };
    let (name, accounts) = (scene.name_to_be(), scene.accounts());
    let matches = common.exemptions.iter().enumerate().filter(|(_, exemption)| {
        exemption.matches_envelope(request) && (!exemption.needs_object() || exemption.matches_object(&name, &accounts))
    });
    Some(matches.map(|(number, _)| number).collect())
}

/// Exemptions do not look anything up.
struct Nobody;

impl Cluster for Nobody {
    fn service_account(&self, _: &str, _: &str) -> Result<AccountRecord, LookupError> {
        Err(LookupError::NotGranted)
    }

    fn log_not_granted(&self, _: &str) {}
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_entries_that_match_are_numbered() {
        let settings = json!({"exemptions": [
            {"namespaces": ["other"]},
            {"namespaces": ["shop"], "names": ["web-*"]},
            {"serviceAccounts": ["shop/app"]},
            {"names": ["db"]},
            {"kinds": ["Pod"]},
        ]});
        let request = json!({
            "uid": "1", "operation": "CREATE", "namespace": "shop", "name": "web-1", "userInfo": {},
            "kind": {"group": "", "version": "v1", "kind": "Pod"},
            "object": {"metadata": {"name": "web-1"}, "spec": {"serviceAccountName": "app"}},
        });
        assert_eq!(matching(&settings, &request), [1, 2, 4]);
        assert_eq!(matching(&json!({}), &request), Vec::<usize>::new());
    }
}
