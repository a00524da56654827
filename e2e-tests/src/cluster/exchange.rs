// SPDX-License-Identifier: Apache-2.0

//! Sends a case's object to the real API server.

#![expect(clippy::indexing_slicing, reason = "of JSON values: what is missing reads as null")]

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::api::{Answer, Api, Caller};
use super::fixtures::Stored;

/// A dry run, with the other parameters that kubectl sends.
const QUERY: &str = "dryRun=All&fieldManager=kubectl-client-side-apply&fieldValidation=Strict";

/// How the objects of a request are sent.
#[derive(Debug)]
pub struct Exchange<'s> {
    api: Api,
    method: &'static str,
    path: String,
    caller: Caller,
    stored: &'s Stored,
}

impl<'s> Exchange<'s> {
    /// Sends objects to the path of a simulated request, as the same user.
    ///
    /// # Errors
    /// If the request has no user.
    pub fn new(api: Api, request: &Value, stored: &'s Stored) -> Result<Self> {
        let text = |pointer: &str| request.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        ensure!(!text("/userInfo/username").is_empty(), "a request of nobody cannot be sent");
        let user = serde_json::from_value(request["userInfo"].clone()).context("userInfo")?;
        let root = match text("/resource/group") {
            "" => format!("/api/{}", text("/resource/version")),
            group => format!("/apis/{group}/{}", text("/resource/version")),
        };
        let (resource, name, sub) = (text("/resource/resource"), text("/name"), text("/subResource"));
        let mut path = match text("/namespace") {
            "" => format!("{root}/{resource}"),
            namespace => format!("{root}/namespaces/{namespace}/{resource}"),
        };
        let is_update = text("/operation") == "UPDATE";
        if is_update || !sub.is_empty() {
            path = format!("{path}/{name}");
        }
        if !sub.is_empty() {
            path = format!("{path}/{sub}");
        }
        Ok(Self {
            api,
            method: if is_update { "PUT" } else { "POST" },
            path: format!("{path}?{QUERY}"),
            caller: Caller { user: Some(user), mark: None },
            stored,
        })
    }

    /// Sends an object with the mark of one webhook. An UPDATE applies the difference between the case's old and new objects to
    /// the stored object; its other fields stay as the API server set them.
    ///
    /// # Errors
    /// If there is no response.
    pub fn send(&self, object: &Value, mark: &str) -> Result<Answer> {
        let mut body = match &self.stored.before {
            Some((old, stored)) => changed(stored, old, object),
            None => object.clone(),
        };
        if let Some(account) = &self.stored.account {
            // A case cannot contain the uids, because they exist only once the objects are stored.
            let uid = |object: &Value| object["metadata"]["uid"].clone();
            let bound = self.stored.bound.as_ref().map(uid).unwrap_or_default();
            for (pointer, uid) in [("/metadata/uid", uid(account)), ("/spec/boundObjectRef/uid", bound)] {
                if let Some(node) = body.pointer_mut(pointer) {
                    *node = uid;
                }
            }
        }
        let caller = Caller { mark: Some(mark.to_owned()), ..self.caller.clone() };
        self.api.call(self.method, &self.path, Some(&body), &caller)
    }
}

/// `stored` with the changes from `old` to `new`.
fn changed(stored: &Value, old: &Value, new: &Value) -> Value {
    match (stored, old, new) {
        _ if old == new => stored.clone(),
        (Value::Object(stored), Value::Object(old), Value::Object(new)) => {
            let mut fields = stored.clone();
            fields.retain(|key, _| new.contains_key(key) || !old.contains_key(key));
            for (key, new) in new {
                let value = match (stored.get(key), old.get(key)) {
                    (Some(stored), Some(old)) => changed(stored, old, new),
                    // The API server did not store this field, because it has no effect.
                    (None, Some(old)) if old == new => continue,
                    _ => new.clone(),
                };
                fields.insert(key.clone(), value);
            }
            Value::Object(fields)
        }
        (Value::Array(stored), Value::Array(old), Value::Array(new))
            if stored.len() == old.len() && old.len() == new.len() =>
        {
            stored.iter().zip(old).zip(new).map(|((stored, old), new)| changed(stored, old, new)).collect()
        }
        _ => new.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn update_keeps_server_fields() {
        let old = json!({"spec": {"a": 1, "list": [{"x": 1}], "gone": 1}, "empty": []});
        let stored =
            json!({"metadata": {"uid": "u"}, "spec": {"a": 1, "list": [{"x": 1, "default": 1}], "gone": 1, "made": 1}});
        let new = json!({"spec": {"a": 2, "list": [{"x": 2}], "more": 1}, "empty": []});
        assert_eq!(
            changed(&stored, &old, &new),
            json!({"metadata": {"uid": "u"}, "spec": {"a": 2, "list": [{"x": 2, "default": 1}], "made": 1, "more": 1}})
        );
        let longer = json!({"spec": {"list": [{"x": 1}, {"x": 2}]}});
        assert_eq!(changed(&stored, &old, &longer)["spec"]["list"], json!([{"x": 1}, {"x": 2}]));
    }

    #[test]
    fn request_urls() {
        let user = json!({"username": "alice"});
        let url = |request: Value| {
            let mut request = request;
            request["userInfo"] = user.clone();
            let agent = ureq::Agent::new_with_defaults();
            let stored = Stored::default();
            Exchange::new(Api::of(agent, "https://x"), &request, &stored).map(|it| format!("{} {}", it.method, it.path))
        };
        for (request, expected) in [
            (
                json!({"resource": {"group": "", "version": "v1", "resource": "pods"}, "namespace": "shop", "operation": "CREATE"}),
                "POST /api/v1/namespaces/shop/pods",
            ),
            (
                json!({"resource": {"group": "apps", "version": "v1", "resource": "deployments"}, "namespace": "shop", "name": "web", "operation": "UPDATE"}),
                "PUT /apis/apps/v1/namespaces/shop/deployments/web",
            ),
            (
                json!({"resource": {"group": "", "version": "v1", "resource": "serviceaccounts"}, "subResource": "token", "namespace": "shop", "name": "app", "operation": "CREATE"}),
                "POST /api/v1/namespaces/shop/serviceaccounts/app/token",
            ),
            (
                json!({"resource": {"group": "", "version": "v1", "resource": "persistentvolumes"}, "operation": "CREATE"}),
                "POST /api/v1/persistentvolumes",
            ),
        ] {
            assert_eq!(url(request).unwrap(), format!("{expected}?{QUERY}"));
        }
        assert!(
            Exchange::new(Api::of(ureq::Agent::new_with_defaults(), ""), &json!({"userInfo": {}}), &Stored::default())
                .is_err()
        );
    }
}
