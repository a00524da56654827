// SPDX-License-Identifier: Apache-2.0

//! The objects that a policy may look up, and the ways in which a look-up can fail.
//!
//! The error messages are those that a policy receives from the policy server
//! (`crates/policy-evaluator/src/callback_handler/kubernetes/client.rs` of kubewarden/kubewarden-controller). A policy can only
//! use the message to distinguish a missing object, missing permissions and a temporary failure.

mod access_review;
mod field_mask;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::rbac::Authorizer;
use crate::yaml;

use crate::json::text_at;
pub use access_review::{AccessReview, CHECK_GROUP, CanI, ResourceAttributes, ReviewBehavior};
pub use field_mask::FieldMask;

/// The API server's answer to look-ups.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LookupBehavior {
    /// The object, or that it does not exist.
    #[default]
    Granted,
    /// The policy server's own account is not allowed to `get` this kind, as with Kubewarden's default RBAC for
    /// ServiceAccounts.
    RbacForbidden,
    /// The API server cannot be reached.
    Unavailable,
    /// The object, if it is known; otherwise RBAC denies the look-up. For incomplete snapshots, in which a missing object may
    /// exist in the cluster.
    KnownOnly,
}

/// A snapshot of a cluster for look-ups.
#[derive(Debug, Clone, Default)]
pub struct Cluster {
    objects: BTreeMap<Key, Value>,
    behavior: LookupBehavior,
    /// Whether every namespace has an account `default`, even if none was given.
    has_default_accounts: bool,
    /// Whether every account exists, even if it was not given; then it has no fields.
    assumes_accounts: bool,
    reviews: ReviewBehavior,
    /// The authorizer for its Roles and bindings.
    authorizer: OnceLock<Arc<Authorizer>>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    api_version: String,
    kind: String,
    namespace: Option<String>,
    name: String,
}

/// The payload of `kubernetes/get_resource`, as the SDK sends it.
#[derive(Debug, Clone, Deserialize)]
pub struct GetResource {
    /// `v1` for the core group, else `group/version`.
    pub api_version: String,
    /// The kind, singular and capitalized.
    pub kind: String,
    /// The object's name.
    pub name: String,
    /// The namespace; absent for cluster-scoped objects.
    pub namespace: Option<String>,
    /// Whether the policy server must ask the API server, instead of answering from its cache of the last five seconds.
    pub disable_cache: bool,
    /// The fields to return; absent or empty for all.
    pub field_masks: Option<BTreeSet<String>>,
}

impl Cluster {
    /// A cluster with these objects. A namespaced object without a namespace is in `default`.
    pub fn from_objects(objects: impl IntoIterator<Item = Value>) -> Result<Self> {
        let mut cluster = Self::default();
        for object in objects {
            cluster.insert(object)?;
        }
        Ok(cluster)
    }

    /// Reads YAML and JSON files, and directories with such files.
    pub fn load<P: AsRef<Path>>(paths: impl IntoIterator<Item = P>) -> Result<Self> {
        let mut cluster = Self::default();
        for path in paths {
            for file in files_below(path.as_ref())? {
                for document in yaml::flatten_lists(yaml::load_file(&file)?) {
                    let location = document.location();
                    cluster.insert(document.value).with_context(|| location)?;
                }
            }
        }
        Ok(cluster)
    }

    /// Sets the answer to look-ups.
    #[must_use]
    pub fn with_behavior(mut self, behavior: LookupBehavior) -> Self {
        self.behavior = behavior;
        self
    }

    /// Sets the answer to access reviews.
    #[must_use]
    pub fn with_review_behavior(mut self, behavior: ReviewBehavior) -> Self {
        self.reviews = behavior;
        self
    }

    /// Whether objects that are not known may exist.
    fn is_partial(&self) -> bool {
        self.behavior == LookupBehavior::KnownOnly
    }

    /// Adds the account `default` to every namespace that has none, as a controller would.
    #[must_use]
    pub fn with_default_accounts(mut self) -> Self {
        self.has_default_accounts = true;
        self
    }

    /// Assumes that accounts that were not given exist, without fields.
    #[must_use]
    pub fn with_assumed_accounts(mut self) -> Self {
        self.assumes_accounts = true;
        self
    }

    /// Adds an object, or replaces the one with the same name.
    pub fn insert(&mut self, object: Value) -> Result<()> {
        let text = |pointer: &str| text_at(&object, pointer).filter(|text| !text.is_empty());
        let (Some(api_version), Some(kind)) = (text("/apiVersion"), text("/kind")) else {
            bail!("an object of a cluster needs apiVersion and kind");
        };
        let Some(name) = text("/metadata/name") else {
            bail!("{kind} of a cluster without metadata.name");
        };
        let namespace = is_namespaced(kind).then(|| text("/metadata/namespace").unwrap_or("default").to_owned());
        let key = Key { api_version: api_version.to_owned(), kind: kind.to_owned(), namespace, name: name.to_owned() };
        self.objects.insert(key, object);
        self.authorizer = OnceLock::new();
        Ok(())
    }

    /// All objects, in a fixed order.
    pub fn objects(&self) -> impl Iterator<Item = &Value> {
        self.objects.values()
    }

    /// Whether there is any binding, whatever it grants.
    pub fn has_bindings(&self) -> bool {
        self.objects.keys().any(|key| matches!(key.kind.as_str(), "RoleBinding" | "ClusterRoleBinding"))
    }

    /// Answers `kubernetes/get_resource`; the error is the text that reaches the policy.
    pub fn get_resource(&self, request: &GetResource) -> Result<Value, String> {
        self.find(request).map_err(|text| format!("Callback evaluation failure: {text}"))
    }

    fn find(&self, request: &GetResource) -> Result<Value, String> {
        let GetResource { api_version, kind, name, namespace, field_masks, .. } = request;
        if self.behavior == LookupBehavior::Unavailable {
            return Err(CONNECTION_REFUSED.to_owned());
        }
        let namespace = match (is_namespaced(kind), namespace) {
            (true, None) => {
                return Err(format!("Resource {api_version}/{kind} is namespaced, but no namespace was provided"));
            }
            (true, Some(namespace)) => Some(namespace.clone()),
            (false, _) => None,
        };
        if self.behavior == LookupBehavior::RbacForbidden {
            return Err(forbidden(request));
        }
        let key = Key { api_version: api_version.clone(), kind: kind.clone(), namespace, name: name.clone() };
        let is_assumed = self.assumes_accounts || self.has_default_accounts && name == "default";
        let default = (is_assumed && kind == "ServiceAccount").then(|| unset_account(name, key.namespace.as_deref()));
        match self.objects.get(&key).or(default.as_ref()) {
            None if self.behavior == LookupBehavior::KnownOnly => Err(forbidden(request)),
            // The policy server prints `{:?}` of the whole option: `Some("team-a")`.
            None => Err(format!(
                "Cannot find {api_version}/{kind} named '{name}' inside of namespace '{:?}'",
                request.namespace.as_deref()
            )),
            Some(object) => {
                let mask = FieldMask::new(field_masks.iter().flatten());
                Ok(mask.apply_to_object(object.clone()))
            }
        }
    }
}

/// The YAML and JSON files at or below a path, sorted, so that output does not depend on the file system. In directories, names
/// that start with a dot are skipped, and symbolic links to directories, which may be circular, are not followed.
pub fn files_below(path: &Path) -> Result<Vec<PathBuf>> {
    if path.as_os_str() == "-" || !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut found = Vec::new();
    let entries = std::fs::read_dir(path).with_context(|| crate::shown::path(path))?;
    for entry in entries {
        let entry = entry.with_context(|| crate::shown::path(path))?;
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        let (name, entry) = (entry.file_name(), entry.path());
        let known =
            entry.extension().is_some_and(|extension| ["yaml", "yml", "json"].iter().any(|it| extension == *it));
        let is_hidden = name.as_encoded_bytes().starts_with(b".");
        if is_folder && !is_hidden {
            found.extend(files_below(&entry)?);
        } else if known && !is_hidden && !entry.is_dir() {
            found.push(entry);
        }
    }
    found.sort();
    Ok(found)
}

/// Whether a kind is namespaced, based on a list of cluster-scoped kinds; the real client uses the API server's discovery.
fn is_namespaced(kind: &str) -> bool {
    !matches!(
        kind,
        "Namespace"
            | "Node"
            | "PersistentVolume"
            | "ClusterRole"
            | "ClusterRoleBinding"
            | "StorageClass"
            | "PriorityClass"
            | "RuntimeClass"
            | "IngressClass"
            | "CustomResourceDefinition"
            | "APIService"
            | "ValidatingWebhookConfiguration"
            | "MutatingWebhookConfiguration"
            | "ValidatingAdmissionPolicy"
            | "ValidatingAdmissionPolicyBinding"
            | "ClusterAdmissionPolicy"
            | "ClusterAdmissionPolicyGroup"
            | "PolicyServer"
    )
}

/// An account without fields, as the controller creates it for each namespace.
fn unset_account(name: &str, namespace: Option<&str>) -> Value {
    json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": namespace}})
}

/// `anyhow`'s output for kube-rs's error if a connection is refused.
const CONNECTION_REFUSED: &str = "ServiceError: client error (Connect)\n\nCaused by:\n    0: client error (Connect)\n    \
     1: tcp connect error: Connection refused (os error 111)\n    2: Connection refused (os error 111)";

/// `anyhow`'s output for kube-rs's error for a 403: the message, the whole `Status` in Rust's debug format, the cause.
fn forbidden(request: &GetResource) -> String {
    let GetResource { api_version, kind, name, namespace, .. } = request;
    let group = api_version.split_once('/').map_or("", |(group, _)| group);
    let resource = format!("{}s", kind.to_lowercase());
    let qualified = if group.is_empty() { resource.clone() } else { format!("{resource}.{group}") };
    let scope = match namespace {
        Some(namespace) => format!("in the namespace \"{namespace}\""),
        None => "at the cluster scope".to_owned(),
    };
    let message = format!(
        "{qualified} \"{name}\" is forbidden: User \"system:serviceaccount:kubewarden:policy-server\" cannot get \
         resource \"{resource}\" in API group \"{group}\" {scope}"
    );
    forbidden_status(&message, name, group, &resource)
}

fn forbidden_status(message: &str, name: &str, group: &str, resource: &str) -> String {
    format!(
        "ApiError: {message}: Forbidden (Status {{ status: Some(Failure), code: 403, message: {message:?}, metadata: \
         Some(ListMeta {{ continue_: None, remaining_item_count: None, resource_version: None, self_link: None }}), \
         reason: \"Forbidden\", details: Some(StatusDetails {{ name: {name:?}, group: {group:?}, kind: {resource:?}, \
         uid: \"\", causes: [], retry_after_seconds: 0 }}) }})\n\nCaused by:\n    {message}: Forbidden"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account() -> Value {
        json!({
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": {"name": "app", "namespace": "team-a", "annotations": {"a": "b"}, "creationTimestamp": null},
            "automountServiceAccountToken": false,
            "secrets": [{"name": "s"}],
        })
    }

    fn request(name: &str) -> GetResource {
        GetResource {
            api_version: "v1".to_owned(),
            kind: "ServiceAccount".to_owned(),
            name: name.to_owned(),
            namespace: Some("team-a".to_owned()),
            disable_cache: true,
            field_masks: None,
        }
    }

    fn cluster() -> Cluster {
        Cluster::from_objects([account()]).unwrap()
    }

    #[test]
    fn finds_whole_object() {
        let found = cluster().get_resource(&request("app")).unwrap();
        assert_eq!(found["secrets"], json!([{"name": "s"}]));
        assert_eq!(found["kind"], "ServiceAccount");
    }

    #[test]
    fn masks_prune_other_fields() {
        let masks = ["metadata.annotations", "automountServiceAccountToken"].map(str::to_owned).into();
        let found = cluster().get_resource(&GetResource { field_masks: Some(masks), ..request("app") }).unwrap();
        assert_eq!(
            found,
            json!({
                "apiVersion": "v1",
                "kind": "ServiceAccount",
                "metadata": {"name": "app", "namespace": "team-a", "annotations": {"a": "b"}},
                "automountServiceAccountToken": false,
            })
        );
    }

    #[test]
    fn absent_object_error() {
        assert_eq!(
            cluster().get_resource(&request("nobody")).unwrap_err(),
            "Callback evaluation failure: Cannot find v1/ServiceAccount named 'nobody' inside of namespace \
             'Some(\"team-a\")'"
        );
    }

    #[test]
    fn namespaced_kind_needs_namespace() {
        assert_eq!(
            cluster().get_resource(&GetResource { namespace: None, ..request("app") }).unwrap_err(),
            "Callback evaluation failure: Resource v1/ServiceAccount is namespaced, but no namespace was provided"
        );
    }

    #[test]
    fn rbac_error() {
        let text = cluster().with_behavior(LookupBehavior::RbacForbidden).get_resource(&request("app")).unwrap_err();
        assert!(text.starts_with(
            "Callback evaluation failure: ApiError: serviceaccounts \"app\" is forbidden: User \
             \"system:serviceaccount:kubewarden:policy-server\" cannot get resource \"serviceaccounts\" in API group \
             \"\" in the namespace \"team-a\": Forbidden (Status { status: Some(Failure), code: 403,"
        ));
    }

    #[test]
    fn incomplete_snapshot() {
        let cluster = cluster().with_behavior(LookupBehavior::KnownOnly);
        assert!(cluster.get_resource(&request("app")).is_ok());
        assert!(cluster.get_resource(&request("nobody")).unwrap_err().contains("is forbidden"));
    }

    #[test]
    fn default_accounts() {
        let cluster = cluster().with_behavior(LookupBehavior::KnownOnly);
        assert!(cluster.get_resource(&request("default")).is_err());
        let found = cluster.with_default_accounts().get_resource(&request("default")).unwrap();
        assert_eq!(found["metadata"]["name"], "default");
    }

    #[test]
    fn unreachable_api_server() {
        let text = cluster().with_behavior(LookupBehavior::Unavailable).get_resource(&request("app")).unwrap_err();
        assert!(text.contains("Connection refused"));
        assert!(!text.contains("Cannot find") && !text.contains("is forbidden"));
    }

    #[test]
    fn loads_directory_recursively() {
        let directory = tempfile::tempdir().unwrap();
        let below = directory.path().join("below");
        std::fs::create_dir(&below).unwrap();
        std::fs::write(below.join("a.yaml"), "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: one}\n").unwrap();
        std::fs::write(directory.path().join("b.json"), account().to_string()).unwrap();
        std::fs::write(directory.path().join("notes.txt"), "not yaml: [").unwrap();
        let cluster = Cluster::load([directory.path()]).unwrap();
        assert_eq!(cluster.objects().count(), 2);
        let request = GetResource { namespace: Some("default".to_owned()), ..request("one") };
        assert!(cluster.get_resource(&request).is_ok());
    }

    #[test]
    fn reports_nameless_object() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("a.yaml");
        std::fs::write(&file, "\napiVersion: v1\nkind: ServiceAccount\n").unwrap();
        let error = format!("{:#}", Cluster::load([&file]).unwrap_err());
        assert!(error.ends_with("a.yaml:2: ServiceAccount of a cluster without metadata.name"), "{error}");
    }
}
