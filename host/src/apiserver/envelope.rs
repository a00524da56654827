// SPDX-License-Identifier: Apache-2.0

//! The `AdmissionRequest` around the object.

use serde_json::{Map, Value, json};

use super::kinds::{self, Kind};
use super::node::Node;
use super::{ApiError, RequestOptions, UserInfo};
use crate::json::at;

/// What the URL of the request specifies.
#[derive(Debug, Clone)]
pub(super) struct Target {
    pub group: String,
    pub version: String,
    pub kind_name: String,
    /// `None` for an unknown kind, whose objects are not changed.
    pub kind: Option<&'static Kind>,
    pub resource: String,
    pub sub_resource: Option<String>,
    /// Empty for a CREATE with `generateName`.
    pub name: String,
    /// `name`, or else `generateName`: distinguishes the objects of a namespace.
    pub seed_name: String,
    pub namespace: Option<String>,
    pub operation: Operation,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operation {
    Create,
    Update,
}

impl Target {
    pub fn of(object: &mut Value, options: &RequestOptions) -> Result<Self, ApiError> {
        let mut root = Node::root(object)?;
        let required = |value: Option<&str>, what: &str| match value {
            Some(text) if !text.is_empty() => Ok(text.to_owned()),
            _ => Err(ApiError::BadRequest(format!("the object has no {what}"))),
        };
        let api_version = required(root.text("apiVersion")?, "apiVersion")?;
        let kind_name = required(root.text("kind")?, "kind")?;
        let (mut name, mut generate_name, mut namespace) = (None, None, None);
        if let Some(metadata) = root.child("metadata")? {
            name = metadata.text("name")?.map(str::to_owned);
            generate_name = metadata.text("generateName")?.map(str::to_owned);
            namespace = metadata.text("namespace")?.map(str::to_owned).filter(|n| !n.is_empty());
        }

        let (group, version) = api_version.split_once('/').unwrap_or(("", &api_version));
        let kind = kinds::find(group, &kind_name);
        let resource = match kind {
            Some(kind) => kind.resource.to_owned(),
            None => kinds::guess_resource(&kind_name),
        };
        let sub_resource = match kind {
            Some(kind) if kind.name == "TokenRequest" => Some("token".to_owned()),
            _ => options.sub_resource.clone(),
        };
        let name = options.name.clone().or(name).unwrap_or_default();
        let seed_name = if name.is_empty() { generate_name.unwrap_or_default() } else { name.clone() };
        Ok(Target {
            group: group.to_owned(),
            version: version.to_owned(),
            namespace: namespace_of(kind, &name, namespace, options)?,
            kind_name,
            kind,
            resource,
            sub_resource,
            name,
            seed_name,
            operation: if options.old_object.is_some() { Operation::Update } else { Operation::Create },
        })
    }

    /// A CREATE of the object itself.
    pub fn creates(&self) -> bool {
        self.operation == Operation::Create && self.sub_resource.is_none()
    }

    pub fn is_pod(&self) -> bool {
        self.kind.is_some_and(|kind| kind.group.is_empty() && kind.name == "Pod")
    }

    /// The error of an admission plugin (`staging/src/k8s.io/apiserver/pkg/admission/errors.go`).
    pub fn forbidden(&self, why: impl std::fmt::Display) -> ApiError {
        let resource = match self.group.as_str() {
            "" => self.resource.clone(),
            group => format!("{}.{group}", self.resource),
        };
        // If the name has not been generated yet, its prefix is used instead.
        let name = if self.seed_name.is_empty() { "Unknown" } else { &self.seed_name };
        ApiError::Forbidden(format!("{resource} \"{name}\" is forbidden: {why}"))
    }

    /// A hash of the object's identity, which is the same in every run.
    pub fn seed(&self, salt: &str) -> u64 {
        let namespace = self.namespace.as_deref().unwrap_or_default();
        let parts = [salt, &self.group, &self.kind_name, namespace, &self.seed_name];
        parts.iter().flat_map(|part| part.bytes().chain([b'/'])).fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3) // FNV-1a
        })
    }

    /// A value in the format of a version 4 UUID.
    fn uid(&self) -> String {
        let (a, b) = (self.seed("uid"), self.seed("uid-low"));
        format!(
            "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
            a >> 32,
            (a >> 16) & 0xffff,
            a & 0xfff,
            0x8000 | ((b >> 48) & 0x3fff),
            b & 0xffff_ffff_ffff
        )
    }
}

fn namespace_of(
    kind: Option<&Kind>,
    name: &str,
    in_object: Option<String>,
    options: &RequestOptions,
) -> Result<Option<String>, ApiError> {
    match kind {
        Some(kind) if kind.name == "Namespace" => Ok(Some(name.to_owned())),
        Some(kind) if !kind.namespaced => Ok(None),
        _ => match (&options.namespace, in_object) {
            (Some(in_url), Some(in_object)) if *in_url != in_object => Err(ApiError::BadRequest(
                "the namespace of the provided object does not match the namespace sent on the request".to_owned(),
            )),
            (Some(in_url), _) => Ok(Some(in_url.clone())),
            (None, in_object) => Ok(Some(in_object.unwrap_or_else(|| "default".to_owned()))),
        },
    }
}

/// The namespace is set before admission (since Kubernetes 1.24). On CREATE, fields that only the system sets are removed, for
/// example in a copy of a live object (`staging/src/k8s.io/apiserver/pkg/registry/rest/meta.go`).
pub(super) fn fill_metadata(object: &mut Value, target: &Target) -> Result<(), ApiError> {
    let mut root = Node::root(object)?;
    root.default_to("metadata", Map::new());
    let Some(mut metadata) = root.child("metadata")? else {
        return Ok(());
    };
    if let Some(namespace) = &target.namespace
        && target.kind.is_none_or(|kind| kind.namespaced)
        && metadata.text("namespace")?.is_none_or(str::is_empty)
    {
        metadata.fields.insert("namespace".to_owned(), namespace.as_str().into());
    }
    if target.operation == Operation::Create {
        for key in ["creationTimestamp", "uid", "deletionTimestamp", "deletionGracePeriodSeconds", "selfLink"] {
            metadata.fields.remove(key);
        }
    }
    metadata.remove_null("creationTimestamp");
    Ok(())
}

/// The `AdmissionRequest` for webhooks, with the object in it.
pub(super) fn wrap(object: Value, old_object: Option<Value>, target: &Target, options: &RequestOptions) -> Value {
    let kind = json!({"group": target.group, "version": target.version, "kind": target.kind_name});
    let resource = match target.kind {
        // A token request is posted to a resource of the core group.
        Some(kind) if kind.name == "TokenRequest" => {
            json!({"group": "", "version": "v1", "resource": target.resource})
        }
        _ => json!({"group": target.group, "version": target.version, "resource": target.resource}),
    };
    let (operation, options_kind) = match target.operation {
        Operation::Create => ("CREATE", "CreateOptions"),
        Operation::Update => ("UPDATE", "UpdateOptions"),
    };
    let mut request_options = json!({
        "apiVersion": "meta.k8s.io/v1",
        "kind": options_kind,
        "fieldManager": "kubectl-client-side-apply",
        "fieldValidation": "Strict",
    });
    if let (true, Some(fields)) = (options.dry_run, request_options.as_object_mut()) {
        fields.insert("dryRun".to_owned(), json!(["All"]));
    }
    let mut user = options.user.clone().unwrap_or_else(|| default_user(&object, target));
    authenticate(&mut user);

    let mut request = Map::new();
    request.insert("uid".to_owned(), target.uid().into());
    request.insert("kind".to_owned(), kind.clone());
    request.insert("resource".to_owned(), resource.clone());
    if let Some(sub_resource) = &target.sub_resource {
        request.insert("subResource".to_owned(), sub_resource.as_str().into());
    }
    request.insert("requestKind".to_owned(), kind);
    request.insert("requestResource".to_owned(), resource);
    if let Some(sub_resource) = &target.sub_resource {
        request.insert("requestSubResource".to_owned(), sub_resource.as_str().into());
    }
    if !target.name.is_empty() {
        request.insert("name".to_owned(), target.name.as_str().into());
    }
    if let Some(namespace) = &target.namespace {
        request.insert("namespace".to_owned(), namespace.as_str().into());
    }
    request.insert("operation".to_owned(), operation.into());
    request.insert("userInfo".to_owned(), user_info(&user));
    request.insert("object".to_owned(), object);
    request.insert("oldObject".to_owned(), old_object.unwrap_or(Value::Null));
    request.insert("dryRun".to_owned(), options.dry_run.into());
    request.insert("options".to_owned(), request_options);
    Value::Object(request)
}

fn user_info(user: &UserInfo) -> Value {
    // A struct of strings and lists can always be serialized.
    serde_json::to_value(user).unwrap_or_default()
}

/// Adds the group of all authenticated users
/// (`staging/src/k8s.io/apiserver/pkg/authentication/group/authenticated_group_adder.go`).
fn authenticate(user: &mut UserInfo) {
    const AUTHENTICATED: &str = "system:authenticated";
    let is_known = !user.username.is_empty() && user.username != "system:anonymous";
    if is_known && !user.groups.iter().any(|group| group == AUTHENTICATED) {
        user.groups.push(AUTHENTICATED.to_owned());
    }
}

fn default_user(object: &Value, target: &Target) -> UserInfo {
    let owner_is_replica_set = || {
        let owners = at(object, "/metadata/ownerReferences").and_then(Value::as_array);
        owners.into_iter().flatten().any(|owner| {
            owner.get("controller") == Some(&Value::Bool(true))
                && owner.get("kind").and_then(Value::as_str) == Some("ReplicaSet")
        })
    };
    let (username, groups) = if target.is_pod() && owner_is_replica_set() {
        (
            "system:serviceaccount:kube-system:replicaset-controller",
            ["system:serviceaccounts", "system:serviceaccounts:kube-system", "system:authenticated"].as_slice(),
        )
    } else {
        ("kubernetes-admin", ["kubeadm:cluster-admins", "system:authenticated"].as_slice())
    };
    UserInfo {
        username: username.to_owned(),
        groups: groups.iter().map(|&group| group.to_owned()).collect(),
        ..UserInfo::default()
    }
}
