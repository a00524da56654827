// SPDX-License-Identifier: Apache-2.0
//! Which entries of `exemptions` a request matches, for tools that report
//! unused entries. The verdict does not contain this, and the wasm module is
//! built without it.

use super::Review;
use super::context::Target;
use super::lookup::Lookup;
use super::rule::Registry;
use crate::admission::payload::Payload;
use crate::admission::subject::Subject;
use crate::cluster::{Access, AccountRecord, Age, Cluster, LookupError};
use crate::settings::exemptions::Exemption;

/// The numbers of the entries that match the request of a payload; empty if the
/// payload cannot be read, which the verdict reports.
#[must_use]
pub fn matching<R: Registry>(registry: R, payload: &str) -> Vec<usize> {
    read(payload, &registry.ids()).unwrap_or_default()
}

fn read(payload: &str, rule_ids: &[&'static str]) -> Option<Vec<usize>> {
    let Payload { mut request, settings, .. } = Payload::read(payload, rule_ids).ok()?;
    let pod = request.as_mut().and_then(|request| request.object.pod.take());
    let (request, common) = (request.as_ref()?, &settings.common);
    let subject = Subject::of(request, common)?;
    let (meta, target) = Target::read(&subject, request.object.raw.text()?, pod, request.old_object).ok()?;
    let target = target?;
    let lookup = Lookup::new(&NoCluster, common, request.namespace());
    let review = Review { request, settings: &settings, subject: &subject, lookup: &lookup };
    let context = review.context(&meta, &target);
    let (name, accounts) = (context.name_pattern(), context.accounts());
    let matches = common.exemptions.iter().filter(|exemption| {
        exemption.matches_envelope(request.envelope())
            && (!exemption.needs_object() || exemption.matches_object(&name, &accounts))
    });
    Some(matches.map(Exemption::number).collect())
}

/// A cluster that grants nothing: matching exemptions needs no look-ups.
struct NoCluster;

impl Cluster for NoCluster {
    fn service_account(&self, _: &str, _: &str, _: Age) -> Result<AccountRecord, LookupError> {
        Err(LookupError::NotGranted)
    }

    fn can_i(&self, _: &str) -> Result<bool, LookupError> {
        Err(LookupError::NotGranted)
    }

    fn log_not_granted(&self, _: Access, _: &str) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::AllRules;

    #[test]
    fn numbers_matching_entries() {
        let settings = r#"{"exemptions": [
            {"namespaces": ["other"]},
            {"namespaces": ["shop"], "names": ["web-*"]},
            {"serviceAccounts": ["shop/app"]},
            {"names": ["db"]},
            {"kinds": ["Pod"]}
        ]}"#;
        let request = r#"{
            "uid": "1", "operation": "CREATE", "namespace": "shop", "name": "web-1", "userInfo": {},
            "kind": {"group": "", "version": "v1", "kind": "Pod"},
            "object": {"metadata": {"name": "web-1"}, "spec": {"serviceAccountName": "app"}}
        }"#;
        assert_eq!(matching(AllRules, &format!(r#"{{"request": {request}, "settings": {settings}}}"#)), [1, 2, 4]);
        assert_eq!(matching(AllRules, &format!(r#"{{"request": {request}, "settings": {{}}}}"#)), Vec::<usize>::new());
        assert_eq!(matching(AllRules, "{"), Vec::<usize>::new());
    }
}
