// SPDX-License-Identifier: Apache-2.0

//! Validation of a Pod's names, containers, volumes and mounts (`pkg/apis/core/validation/validation.go`), limited to what a
//! fix could break.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;

use serde_json::{Map, Value};

use super::ApiError;
use super::claims;
use super::kinds;
use super::node::Node;
use super::path::Path;

const LABEL_RULE: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', \
    and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', \
    regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";

const SUBDOMAIN_RULE: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', \
    and must start and end with an alphanumeric character (e.g. 'example.com', \
    regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";

const ENV_RULE: &str =
    "a valid environment variable name must consist only of printable ASCII characters other than '='";

const NO_SOURCE: &str =
    "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`";

/// The errors of a Pod or of a workload's Pod template; objects of other kinds have none.
pub(super) fn validate(object: &mut Value) -> Result<(), Vec<String>> {
    let mut errors = Errors::default();
    let claims: BTreeSet<String> = claims::names(object).map(str::to_owned).collect();
    if let Err(error) = validate_object(object, claims, &mut errors) {
        errors.0.push(error.to_string());
    }
    if errors.0.is_empty() { Ok(()) } else { Err(errors.0) }
}

/// Field errors, in the format of `k8s.io/apimachinery/pkg/util/validation/field`.
#[derive(Default)]
struct Errors(Vec<String>);

impl Errors {
    fn required(&mut self, path: impl Display, detail: &str) {
        let separator = if detail.is_empty() { "" } else { ": " };
        self.0.push(format!("{path}: Required value{separator}{detail}"));
    }

    fn invalid(&mut self, path: impl Display, value: impl Into<Value>, detail: &str) {
        self.0.push(format!("{path}: Invalid value: {}: {detail}", value.into()));
    }

    fn duplicate(&mut self, path: impl Display, value: &str) {
        self.0.push(format!("{path}: Duplicate value: {}", Value::from(value)));
    }

    fn not_found(&mut self, path: impl Display, value: &str) {
        self.0.push(format!("{path}: Not found: {}", Value::from(value)));
    }

    fn forbidden(&mut self, path: impl Display, detail: &str) {
        self.0.push(format!("{path}: Forbidden: {detail}"));
    }

    fn not_supported(&mut self, path: impl Display, value: &str, supported: &[&str]) {
        let supported: Vec<String> = supported.iter().map(|value| Value::from(*value).to_string()).collect();
        let value = Value::from(value);
        self.0.push(format!("{path}: Unsupported value: {value}: supported values: {}", supported.join(", ")));
    }

    fn label(&mut self, path: &Path, value: &str) {
        if value.is_empty() {
            self.required(path, "");
        } else if value.len() > 63 {
            self.invalid(path, value, "must be no more than 63 characters");
        } else if !is_label(value) {
            self.invalid(path, value, LABEL_RULE);
        }
    }

    fn subdomain(&mut self, path: impl Display, value: &str) {
        if value.len() > 253 {
            self.invalid(path, value, "must be no more than 253 characters");
        } else if !value.split('.').all(is_label) {
            self.invalid(path, value, SUBDOMAIN_RULE);
        }
    }
}

fn is_label(text: &str) -> bool {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    !text.is_empty() && text.chars().all(inner) && !text.starts_with('-') && !text.ends_with('-')
}

fn validate_object(object: &mut Value, claims: BTreeSet<String>, errors: &mut Errors) -> Result<(), ApiError> {
    let mut root = Node::root(object)?;
    let api_version = root.text("apiVersion")?.unwrap_or_default();
    let group = api_version.split_once('/').map_or("", |(group, _)| group);
    let Some(kind) = kinds::find(group, root.text("kind")?.unwrap_or_default()) else {
        return Ok(());
    };
    let Some(pod_path) = kind.pod_path else {
        return Ok(());
    };

    validate_name(&mut root, errors)?;
    let in_template = !pod_path.is_empty();
    let Some(mut pod) = root.descend(pod_path)? else {
        errors.required(pod_path.join("."), "");
        return Ok(());
    };
    pod.default_to("spec", Map::new());
    match pod.child("spec")? {
        // The controller adds the volumes of a StatefulSet's claims; other kinds have no claims.
        Some(spec) => {
            validate_spec(spec, if kind.name == "StatefulSet" { claims } else { BTreeSet::new() }, in_template, errors)
        }
        None => Ok(()),
    }
}

fn validate_name(root: &mut Node<'_>, errors: &mut Errors) -> Result<(), ApiError> {
    let Some(metadata) = root.child("metadata")? else {
        errors.required("metadata.name", "name or generateName is required");
        return Ok(());
    };
    let name = metadata.text("name")?.unwrap_or_default();
    let prefix = metadata.text("generateName")?.unwrap_or_default();
    match (name, prefix) {
        ("", "") => errors.required("metadata.name", "name or generateName is required"),
        // The API server appends five characters, so a prefix may end in a dash.
        ("", prefix) => errors.subdomain("metadata.generateName", prefix.trim_end_matches('-')),
        (name, _) => errors.subdomain("metadata.name", name),
    }
    Ok(())
}

fn validate_spec(
    mut spec: Node<'_>,
    claims: BTreeSet<String>,
    in_template: bool,
    errors: &mut Errors,
) -> Result<(), ApiError> {
    let mut volumes = validate_volumes(&mut spec, errors)?;
    volumes.extend(claims);
    let ephemeral_path = spec.path_of("ephemeralContainers");
    let containers_path = spec.path_of("containers");
    if spec.list("containers")?.is_empty() {
        errors.required(&containers_path, "");
    }
    let mut names = BTreeSet::new();
    for containers in ["containers", "initContainers"] {
        for container in spec.list(containers)? {
            validate_container(container, &volumes, &mut names, errors)?;
        }
    }
    if !spec.list("ephemeralContainers")?.is_empty() {
        let detail =
            if in_template { "ephemeral containers not allowed in pod template" } else { "cannot be set on create" };
        errors.forbidden(&ephemeral_path, detail);
    }
    if let Some(account) = spec.text("serviceAccountName")?.filter(|name| !name.is_empty()) {
        errors.subdomain(spec.path_of("serviceAccountName"), account);
    }
    validate_env_files(&mut spec, errors)
}

/// The file for a variable (`fileKeyRef`, since Kubernetes 1.35) must be in an `emptyDir` (`validateFileKeyRefVolumes`).
fn validate_env_files(spec: &mut Node<'_>, errors: &mut Errors) -> Result<(), ApiError> {
    let mut is_empty_dir = BTreeMap::new();
    for volume in spec.list("volumes")? {
        is_empty_dir.insert(volume.text("name")?.unwrap_or_default().to_owned(), volume.has("emptyDir"));
    }
    for containers in ["initContainers", "containers", "ephemeralContainers"] {
        for mut container in spec.list(containers)? {
            for mut variable in container.list("env")? {
                let Some(mut source) = variable.child("valueFrom")? else {
                    continue;
                };
                let Some(file) = source.child("fileKeyRef")? else {
                    continue;
                };
                let (path, name) = (file.path_of("volumeName"), file.text("volumeName")?.unwrap_or_default());
                match is_empty_dir.get(name) {
                    None => errors.not_found(&path, name),
                    Some(false) => errors.invalid(&path, name, "referenced volume must be of type emptyDir"),
                    Some(true) => {}
                }
            }
        }
    }
    Ok(())
}

fn validate_volumes(spec: &mut Node<'_>, errors: &mut Errors) -> Result<BTreeSet<String>, ApiError> {
    let mut names = BTreeSet::new();
    for mut volume in spec.list("volumes")? {
        let path = volume.path_of("name");
        let name = volume.text("name")?.unwrap_or_default().to_owned();
        errors.label(&path, &name);
        if names.contains(&name) {
            errors.duplicate(&path, &name);
        }
        let mut sources = volume.fields.iter().filter(|(key, value)| *key != "name" && !value.is_null());
        match (sources.next(), sources.next()) {
            (None, _) => errors.required(&volume.path, "must specify a volume type"),
            (Some(_), None) => {}
            (Some(_), Some((second, _))) => {
                errors.forbidden(volume.path_of(second.clone()), "may not specify more than 1 volume type");
            }
        }
        if let Some(projected) = volume.child("projected")? {
            validate_projection(projected, errors)?;
        }
        names.insert(name);
    }
    Ok(names)
}

fn validate_projection(mut projected: Node<'_>, errors: &mut Errors) -> Result<(), ApiError> {
    // Errors about the path refer to the volume; those about the lifetime refer to the source.
    let path = projected.path_of("path");
    for mut source in projected.list("sources")? {
        if source.fields.values().filter(|value| !value.is_null()).count() > 1 {
            errors.forbidden(&source.path, "may not specify more than 1 volume type per source");
        }
        if let Some(certificate) = source.child("podCertificate")? {
            validate_pod_certificate(&certificate, errors)?;
        }
        let Some(token) = source.child("serviceAccountToken")? else {
            continue;
        };
        let expiration = token.path_of("expirationSeconds");
        let token_path = token.text("path")?.unwrap_or_default();
        if token_path.is_empty() {
            errors.required(&path, "");
        } else if token_path.starts_with('/') {
            errors.invalid(&path, token_path, "must be a relative path");
        } else if token_path.split('/').any(|part| part == "..") {
            errors.invalid(&path, token_path, "must not contain '..'");
        }
        match token.integer("expirationSeconds")? {
            Some(seconds) if seconds < 600 => {
                errors.invalid(&expiration, seconds, "may not specify a duration less than 10 minutes");
            }
            Some(seconds) if seconds > 1 << 32 => {
                errors.invalid(&expiration, seconds, "may not specify a duration larger than 2^32 seconds");
            }
            Some(_) | None => {}
        }
    }
    Ok(())
}

/// `podCertificate`, GA since Kubernetes 1.37. Earlier API servers remove it after admission unless it is enabled
/// (`dropDisabledPodCertificateProjection` of `pkg/api/pod/util.go`).
fn validate_pod_certificate(certificate: &Node<'_>, errors: &mut Errors) -> Result<(), ApiError> {
    const KEY_TYPES: [&str; 6] = ["RSA3072", "RSA4096", "ECDSAP256", "ECDSAP384", "ECDSAP521", "ED25519"];
    const PATHS: [&str; 3] = ["credentialBundlePath", "keyPath", "certificateChainPath"];
    let key_type = certificate.text("keyType")?.unwrap_or_default();
    if !KEY_TYPES.contains(&key_type) {
        errors.not_supported(certificate.path_of("keyType"), key_type, &KEY_TYPES);
    }
    let is_kubernetes = certificate.text("signerName")?.is_some_and(|name| name.starts_with("kubernetes.io/"));
    let most = if is_kubernetes { 86_400 } else { 7_862_400 };
    let path = certificate.path_of("maxExpirationSeconds");
    match certificate.integer("maxExpirationSeconds")? {
        Some(seconds) if seconds < 3600 => {
            errors.invalid(&path, seconds, "if provided, maxExpirationSeconds must be >= 3600");
        }
        Some(seconds) if seconds > most => {
            errors.invalid(&path, seconds, &format!("if provided, maxExpirationSeconds must be <= {most}"));
        }
        Some(_) | None => {}
    }
    let mut is_written = false;
    for path in PATHS {
        is_written |= certificate.text(path)?.is_some_and(|path| !path.is_empty());
    }
    if !is_written {
        let detail = "specify at least one of credentialBundlePath, keyPath, and certificateChainPath";
        errors.required(&certificate.path, detail);
    }
    Ok(())
}

fn validate_container(
    mut container: Node<'_>,
    volumes: &BTreeSet<String>,
    names: &mut BTreeSet<String>,
    errors: &mut Errors,
) -> Result<(), ApiError> {
    let path = container.path_of("name");
    let name = container.text("name")?.unwrap_or_default();
    errors.label(&path, name);
    if !name.is_empty() && !names.insert(name.to_owned()) {
        errors.duplicate(&path, name);
    }
    if container.text("image")?.is_none_or(str::is_empty) {
        errors.required(container.path_of("image"), "");
    }
    for variable in container.list("env")? {
        validate_variable(variable, errors)?;
    }
    let mut mount_paths = BTreeSet::new();
    for mount in container.list("volumeMounts")? {
        let name = mount.text("name")?.unwrap_or_default();
        if name.is_empty() {
            errors.required(mount.path_of("name"), "");
        }
        if !volumes.contains(name) {
            errors.not_found(mount.path_of("name"), name);
        }
        let mount_path = mount.text("mountPath")?.unwrap_or_default();
        if mount_path.is_empty() {
            errors.required(mount.path_of("mountPath"), "");
        }
        if !mount_paths.insert(mount_path.to_owned()) {
            errors.invalid(mount.path_of("mountPath"), mount_path, "must be unique");
        }
    }
    Ok(())
}

fn validate_variable(mut variable: Node<'_>, errors: &mut Errors) -> Result<(), ApiError> {
    let path = variable.path_of("name");
    match variable.text("name")?.unwrap_or_default() {
        "" => errors.required(&path, ""),
        name if name.chars().any(|c| c == '=' || !(' '..='~').contains(&c)) => errors.invalid(&path, name, ENV_RULE),
        _ => {}
    }
    let has_value = variable.text("value")?.is_some_and(|value| !value.is_empty());
    let path = variable.path_of("valueFrom");
    if let Some(source) = variable.child("valueFrom")? {
        match source.fields.values().filter(|value| !value.is_null()).count() {
            0 => errors.invalid(&path, "", NO_SOURCE),
            _ if has_value => errors.invalid(&path, "", "may not be specified when `value` is not empty"),
            1 => {}
            _ => errors.invalid(&path, "", "may not have more than one field specified at a time"),
        }
    }
    Ok(())
}
