// SPDX-License-Identifier: Apache-2.0

//! The request as the policy server reads it and passes it on.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Value};

/// An `admission.k8s.io/v1 AdmissionRequest`. The policy server reads requests into a type like this one and writes
/// them out again, so unknown fields and null fields do not reach a policy.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AdmissionRequest {
    /// Copied into the response.
    pub uid: String,
    /// The kind of the object.
    pub kind: GroupVersionKind,
    /// The resource in the URL.
    pub resource: GroupVersionResource,
    /// For instance `token`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sub_resource: Option<String>,
    /// The kind before conversion to the version that the webhook requested.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_kind: Option<GroupVersionKind>,
    /// The resource before conversion.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_resource: Option<GroupVersionResource>,
    /// The subresource before conversion.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_sub_resource: Option<String>,
    /// Empty or absent if the API server generates the name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Absent for cluster-scoped objects.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// CREATE, UPDATE, DELETE or CONNECT.
    pub operation: String,
    /// The user who makes the request.
    pub user_info: UserInfo,
    /// Absent on DELETE.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub object: Option<Value>,
    /// The object as stored, on UPDATE and DELETE.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub old_object: Option<Value>,
    /// Whether it is a dry run, so that nothing is stored.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dry_run: Option<bool>,
    /// For instance `CreateOptions`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub options: Option<Value>,
}

/// A kind with its group and version.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
pub struct GroupVersionKind {
    /// Empty for the core group.
    pub group: String,
    /// For instance `v1`.
    pub version: String,
    /// For instance `Pod`.
    pub kind: String,
}

/// A resource with its group and version.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
pub struct GroupVersionResource {
    /// Empty for the core group.
    pub group: String,
    /// For instance `v1`.
    pub version: String,
    /// For instance `pods`; the audit scanner puts the kind here.
    pub resource: String,
}

/// The caller; the audit scanner sends an empty one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
pub struct UserInfo {
    /// Additional attributes from the authenticator.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub extra: Option<BTreeMap<String, Option<Vec<String>>>>,
    /// The caller's groups.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub groups: Option<Vec<String>>,
    /// The caller's unique id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
    /// The caller's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
}

impl AdmissionRequest {
    /// Reads an `AdmissionReview` or the request alone, as `kwctl run` does.
    pub fn read(review_or_request: &Value) -> Result<Self, serde_json::Error> {
        let request = match review_or_request.get("request") {
            Some(request) if request.is_object() => request,
            _ => review_or_request,
        };
        let Some(fields) = request.as_object() else { return Self::deserialize(request) };
        // Objects are copied once, and not parsed.
        let is_object = |key: &str| matches!(key, "object" | "oldObject");
        let others = fields.iter().filter(|(key, _)| !is_object(key)).map(|(key, value)| (key.clone(), value.clone()));
        let mut read = Self::deserialize(Value::Object(others.collect()))?;
        let object = |key: &str| fields.get(key).filter(|value| !value.is_null()).cloned();
        (read.object, read.old_object) = (object("object"), object("oldObject"));
        Ok(read)
    }
}

/// A request as the policy server writes it: without null fields.
#[derive(Debug, Clone, Copy)]
pub(super) struct WithoutNulls<'r>(pub &'r Map<String, Value>);

impl Serialize for WithoutNulls<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().filter(|(_, value)| !value.is_null()))
    }
}
