// SPDX-License-Identifier: Apache-2.0

//! The in-tree ServiceAccount admission plugin
//! (`plugin/pkg/admission/serviceaccount/admission.go`).

use serde_json::{Map, Value, json};

use super::defaulting::{DEFAULT_MODE, set_account};
use super::envelope::Target;
use super::node::Node;
use super::{ApiError, ApiServer, Pass, RequestOptions};
use crate::json::at;

/// The path at which containers find the API token.
pub(super) const TOKEN_MOUNT_PATH: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// The prefix of the token volume's name.
const VOLUME_PREFIX: &str = "kube-api-access-";

/// `WarnOnlyBoundTokenExpirationSeconds` (`pkg/serviceaccount/claims.go`).
const INJECTED_EXPIRATION_SECONDS: u64 = 3607;

/// The characters of generated names (`staging/src/k8s.io/apimachinery/pkg/util/rand/rand.go`).
const NAME_ALPHABET: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";

const MIRROR_ANNOTATION: &str = "kubernetes.io/config.mirror";
const ENFORCE_MOUNTABLE_SECRETS: &str = "kubernetes.io/enforce-mountable-secrets";

/// The fields of a ServiceAccount that the plugin and webhooks read.
#[derive(Debug, Clone, Default)]
pub(super) struct Account {
    name: String,
    automount: Option<bool>,
    image_pull_secrets: Vec<String>,
    secrets: Vec<String>,
    enforce_mountable_secrets: bool,
    annotations: Map<String, Value>,
}

impl Account {
    /// An account without fields.
    pub fn named(name: &str) -> Self {
        Self { name: name.to_owned(), ..Self::default() }
    }

    /// Reads a stored account; fields of a wrong type are ignored.
    pub fn read(name: &str, object: &Value) -> Self {
        let names = |key: &str| {
            let entries = object.get(key).and_then(Value::as_array).into_iter().flatten();
            entries.filter_map(|entry| Some(entry.get("name")?.as_str()?.to_owned())).collect()
        };
        let annotations = at(object, "/metadata/annotations");
        let enforce = annotations.and_then(|a| a.get(ENFORCE_MOUNTABLE_SECRETS)).and_then(Value::as_str);
        Self {
            name: name.to_owned(),
            automount: object.get("automountServiceAccountToken").and_then(Value::as_bool),
            image_pull_secrets: names("imagePullSecrets"),
            secrets: names("secrets"),
            // The values that Go's `strconv.ParseBool` reads as true.
            enforce_mountable_secrets: matches!(enforce, Some("1" | "t" | "T" | "true" | "TRUE" | "True")),
            annotations: annotations.and_then(Value::as_object).cloned().unwrap_or_default(),
        }
    }

    /// An annotation, if it is a string.
    pub fn annotation(&self, key: &str) -> Option<&str> {
        self.annotations.get(key)?.as_str()
    }
}

pub(super) struct Plugin<'a> {
    pub server: &'a ApiServer,
    pub target: &'a Target,
    pub options: &'a RequestOptions,
    pub pass: Pass,
}

impl Plugin<'_> {
    /// Processes an object; only the CREATE of a Pod has an effect.
    pub fn admit(&self, object: &mut Value) -> Result<(), ApiError> {
        if !self.target.is_pod() || !self.target.creates() {
            return Ok(());
        }
        let mut pod = Node::root(object)?;
        let is_mirror = match pod.child("metadata")? {
            Some(mut metadata) => match metadata.child("annotations")? {
                Some(annotations) => annotations.fields.contains_key(MIRROR_ANNOTATION),
                None => false,
            },
            None => false,
        };
        pod.default_to("spec", Map::new());
        let Some(mut spec) = pod.child("spec")? else {
            return Ok(());
        };
        if is_mirror {
            return self.check_mirror_pod(&mut spec);
        }

        let account = self.account_of(&mut spec)?;
        let automount = spec.boolean("automountServiceAccountToken")?;
        if automount.or(account.automount).unwrap_or(true) {
            self.mount_token(&mut spec)?;
        }
        copy_pull_secrets(&mut spec, &account)?;
        if account.enforce_mountable_secrets {
            self.limit_secret_references(&mut spec, &account)?;
        }
        Ok(())
    }

    fn account_of(&self, spec: &mut Node<'_>) -> Result<Account, ApiError> {
        let name = spec.text("serviceAccountName")?.unwrap_or("default").to_owned();
        set_account(spec, &name);
        let namespace = self.target.namespace.as_deref().unwrap_or_default();
        self.server.account(namespace, &name).ok_or_else(|| {
            self.target.forbidden(format!(
                "error looking up service account {namespace}/{name}: serviceaccount \"{name}\" not found"
            ))
        })
    }

    /// Any volume with the prefix counts as the token volume, whatever its content; any mount at exactly this path counts as
    /// the token's, whatever its volume.
    fn mount_token(&self, spec: &mut Node<'_>) -> Result<(), ApiError> {
        let mut existing = None;
        for volume in spec.list("volumes")? {
            let name = volume.text("name")?.unwrap_or_default();
            if name.starts_with(VOLUME_PREFIX) {
                existing = Some(name.to_owned());
                break;
            }
        }
        let name = existing.clone().unwrap_or_else(|| self.generate_name());
        let mount = json!({"name": name, "readOnly": true, "mountPath": TOKEN_MOUNT_PATH});

        let mut mounted = false;
        for containers in ["initContainers", "containers"] {
            for mut container in spec.list(containers)? {
                let mut has_mount = false;
                for mount in container.list("volumeMounts")? {
                    has_mount |= mount.text("mountPath")? == Some(TOKEN_MOUNT_PATH);
                }
                if !has_mount {
                    container.list_mut("volumeMounts")?.push(mount.clone());
                    mounted = true;
                }
            }
        }
        if existing.is_none() && mounted {
            let projected = self.token_volume_source();
            spec.list_mut("volumes")?.push(json!({"name": name, "projected": projected}));
        }
        Ok(())
    }

    fn token_volume_source(&self) -> Value {
        let mut sources = vec![
            json!({"serviceAccountToken": {"expirationSeconds": INJECTED_EXPIRATION_SECONDS, "path": "token"}}),
            json!({"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}}),
            json!({"downwardAPI": {"items": [
                {"path": "namespace", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}}
            ]}}),
        ];
        if self.options.openshift {
            let items = json!([{"key": "service-ca.crt", "path": "service-ca.crt"}]);
            sources.push(json!({"configMap": {"name": "openshift-service-ca.crt", "items": items}}));
        }
        if self.options.without_injected_default_mode {
            json!({"sources": sources})
        } else {
            json!({"defaultMode": DEFAULT_MODE, "sources": sources})
        }
    }

    /// The name is random in a cluster; here it depends on the Pod, and is a different one in the second pass.
    fn generate_name(&self) -> String {
        let mut rest = self.target.seed(match self.pass {
            Pass::First => "first",
            Pass::Second => "second",
        });
        let mut name = VOLUME_PREFIX.to_owned();
        for _ in 0..5 {
            let index = rest % 27;
            rest /= 27;
            let character = usize::try_from(index).ok().and_then(|index| NAME_ALPHABET.get(index));
            name.push(char::from(*character.unwrap_or(&b'b')));
        }
        name
    }

    fn check_mirror_pod(&self, spec: &mut Node<'_>) -> Result<(), ApiError> {
        if spec.text("serviceAccountName")?.is_some_and(|name| !name.is_empty()) {
            return Err(self.target.forbidden("a mirror pod may not reference service accounts"));
        }
        if references_secret(&Value::Object(spec.fields.clone())) {
            return Err(self.target.forbidden("a mirror pod may not reference secrets"));
        }
        for mut volume in spec.list("volumes")? {
            let Some(mut projected) = volume.child("projected")? else {
                continue;
            };
            if projected.list("sources")?.iter().any(|source| source.has("serviceAccountToken")) {
                let why = "a mirror pod may not use ServiceAccountToken volume projections";
                return Err(self.target.forbidden(why));
            }
        }
        Ok(())
    }

    /// Secrets of volumes, variables and pull secrets must be in the account's lists. Secrets in projected volumes are not
    /// checked.
    fn limit_secret_references(&self, spec: &mut Node<'_>, account: &Account) -> Result<(), ApiError> {
        let refuse = |what: String, list: &str| {
            let account = &account.name;
            Err(self.target.forbidden(format!(
                "{what} is not allowed because service account {account} does not reference that {list}"
            )))
        };
        let mountable = |name: &str| account.secrets.iter().any(|secret| secret == name);
        for mut volume in spec.list("volumes")? {
            let Some(secret) = volume.child("secret")? else {
                continue;
            };
            let name = secret.text("secretName")?.unwrap_or_default();
            if !mountable(name) {
                return refuse(format!("volume with secret.secretName=\"{name}\""), "secret");
            }
        }
        for (containers, label) in [("initContainers", "init container"), ("containers", "container")] {
            for mut container in spec.list(containers)? {
                let owner = format!("{label} {}", container.text("name")?.unwrap_or_default());
                for mut env in container.list("env")? {
                    let variable = env.text("name")?.unwrap_or_default().to_owned();
                    let Some(mut source) = env.child("valueFrom")? else {
                        continue;
                    };
                    let Some(key) = source.child("secretKeyRef")? else {
                        continue;
                    };
                    let name = key.text("name")?.unwrap_or_default();
                    if !mountable(name) {
                        let what = format!("{owner} with envVar {variable} referencing secret.secretName=\"{name}\"");
                        return refuse(what, "secret");
                    }
                }
                for mut env_from in container.list("envFrom")? {
                    let Some(secret) = env_from.child("secretRef")? else {
                        continue;
                    };
                    let name = secret.text("name")?.unwrap_or_default();
                    if !mountable(name) {
                        let what = format!("{owner} with envFrom referencing secret.secretName=\"{name}\"");
                        return refuse(what, "secret");
                    }
                }
            }
        }
        for (index, secret) in spec.list("imagePullSecrets")?.iter().enumerate() {
            let name = secret.text("name")?.unwrap_or_default();
            if !account.image_pull_secrets.iter().any(|allowed| allowed == name) {
                return refuse(format!("imagePullSecrets[{index}].name=\"{name}\""), "imagePullSecret");
            }
        }
        Ok(())
    }
}

/// A Pod with its own pull secrets gets none of the account's.
fn copy_pull_secrets(spec: &mut Node<'_>, account: &Account) -> Result<(), ApiError> {
    if spec.list("imagePullSecrets")?.is_empty() {
        spec.fields.remove("imagePullSecrets");
        if !account.image_pull_secrets.is_empty() {
            let secrets = account.image_pull_secrets.iter().map(|name| json!({"name": name}));
            spec.fields.insert("imagePullSecrets".to_owned(), secrets.collect());
        }
    }
    Ok(())
}

/// Whether a value contains one of the fields in which `VisitPodSecretNames` (`pkg/api/v1/pod/util.go`) finds Secrets. In a
/// Pod, these names have no other meaning.
fn references_secret(value: &Value) -> bool {
    match value {
        Value::Object(fields) => fields.iter().any(|(key, value)| {
            let names_secret = match key.as_str() {
                "secret" | "secretRef" | "secretKeyRef" | "nodePublishSecretRef" => value.is_object(),
                "imagePullSecrets" => value.as_array().is_some_and(|list| !list.is_empty()),
                _ => false,
            };
            names_secret || references_secret(value)
        }),
        Value::Array(entries) => entries.iter().any(references_secret),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}
