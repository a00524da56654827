// SPDX-License-Identifier: Apache-2.0

//! The EKS Pod identity webhook, in its two modes.
//!
//! - <https://github.com/aws/amazon-eks-pod-identity-webhook#readme>
//! - <https://docs.aws.amazon.com/eks/latest/userguide/pod-id-how-it-works.html>
//!
//! Not simulated: regions, Windows, quotes in `skip-containers`, roles from a `ConfigMap`, and the replacement of whole lists
//! of containers.

use serde_json::{Value, json};

use super::{Account, CONTAINER_LISTS, has_named, mark, marked, spec_of, token};
use crate::apiserver::ApiError;
use crate::apiserver::node::Node;

/// The label that excludes a Pod in the webhook's default configuration.
const SKIP_LABEL: &str = "eks.amazonaws.com/skip-pod-identity-webhook";

/// What the webhook adds in one of its modes.
struct Credentials<'a> {
    volume: &'a str,
    mount_path: &'a str,
    audience: &'a str,
    file: &'a str,
    seconds: i64,
    /// Whether the webhook adds a label to the Pod.
    is_labelled: bool,
    /// If a container has one of these variables, neither is added.
    env: [(&'a str, String); 2],
}

/// IAM roles for service accounts.
pub(super) fn inject_role(pod: &mut Node<'_>, account: &Account) -> Result<(), ApiError> {
    const MOUNT_PATH: &str = "/var/run/secrets/eks.amazonaws.com/serviceaccount";
    let Some(role) = account.annotation("eks.amazonaws.com/role-arn").filter(|role| !role.is_empty()) else {
        return Ok(());
    };
    let credentials = Credentials {
        volume: "aws-iam-token",
        mount_path: MOUNT_PATH,
        audience: account.annotation("eks.amazonaws.com/audience").unwrap_or("sts.amazonaws.com"),
        file: "token",
        seconds: lifetime(pod, account),
        is_labelled: false,
        env: [("AWS_ROLE_ARN", role.to_owned()), ("AWS_WEB_IDENTITY_TOKEN_FILE", format!("{MOUNT_PATH}/token"))],
    };
    inject(pod, account, &credentials)
}

/// EKS Pod Identity. It is not enabled by an annotation, but by a list of accounts in the cluster.
pub(super) fn inject_container_credentials(pod: &mut Node<'_>, account: &Account) -> Result<(), ApiError> {
    const MOUNT_PATH: &str = "/var/run/secrets/pods.eks.amazonaws.com/serviceaccount";
    const FILE: &str = "eks-pod-identity-token";
    let credentials = Credentials {
        volume: FILE,
        mount_path: MOUNT_PATH,
        audience: "pods.eks.amazonaws.com",
        file: FILE,
        // For a lifetime of a whole day, the webhook uses a random shorter one, at least 79,200 seconds.
        seconds: match lifetime(pod, account) {
            86_400 => 79_200,
            seconds => seconds,
        },
        is_labelled: true,
        env: [
            ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://169.254.170.23/v1/credentials".to_owned()),
            ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", format!("{MOUNT_PATH}/{FILE}")),
        ],
    };
    inject(pod, account, &credentials)
}

/// The Pod's annotation takes precedence over the account's; values that are not numbers are ignored.
fn lifetime(pod: &Node<'_>, account: &Account) -> i64 {
    const KEY: &str = "eks.amazonaws.com/token-expiration";
    let wishes = [marked(pod, "annotations", KEY), account.annotation(KEY)];
    wishes.into_iter().flatten().find_map(|wish| wish.parse().ok()).unwrap_or(86_400).max(600)
}

fn inject(pod: &mut Node<'_>, account: &Account, credentials: &Credentials<'_>) -> Result<(), ApiError> {
    if marked(pod, "labels", SKIP_LABEL).is_some() {
        return Ok(());
    }
    // One CSV record; blanks are part of the values.
    let skipped = marked(pod, "annotations", "eks.amazonaws.com/skip-containers").unwrap_or_default();
    let skipped: Vec<String> = skipped.lines().next().unwrap_or_default().split(',').map(str::to_owned).collect();
    let regional = account.annotation("eks.amazonaws.com/sts-regional-endpoints");
    let regional = matches!(regional, Some("1" | "t" | "T" | "TRUE" | "true" | "True"));

    if credentials.is_labelled {
        mark(pod, "labels", "eks.amazonaws.com/pod-identity", "enabled")?;
    }
    let mut spec = spec_of(pod)?;
    for list in CONTAINER_LISTS {
        for mut container in spec.list(list)? {
            let is_skipped = container.text("name")?.is_some_and(|name| skipped.iter().any(|skip| skip == name));
            if !is_skipped {
                complete(&mut container, credentials, regional)?;
            }
        }
    }
    // Only the name is compared, and the volume is inserted first.
    if !has_named(&mut spec, "volumes", credentials.volume)? {
        let projected = token(credentials.audience, credentials.seconds, credentials.file);
        spec.list_mut("volumes")?.insert(0, json!({"name": credentials.volume, "projected": projected}));
    }
    Ok(())
}

/// Adds what a container lacks. Existing variables are not changed, and an incomplete pair is not completed.
fn complete(container: &mut Node<'_>, credentials: &Credentials<'_>, regional: bool) -> Result<(), ApiError> {
    const STS: &str = "AWS_STS_REGIONAL_ENDPOINTS";
    let mut has = |names: &[&str]| -> Result<bool, ApiError> {
        names.iter().try_fold(false, |found, name| Ok(found || has_named(container, "env", name)?))
    };
    let has_own = has(&credentials.env.each_ref().map(|(name, _)| *name))?;
    let (has_region, has_sts) = (has(&["AWS_REGION", "AWS_DEFAULT_REGION"])?, has(&[STS])?);
    if has_own && has_region && has_sts {
        return Ok(());
    }
    let variable = |name: &str, value: &str| -> Value { json!({"name": name, "value": value}) };
    if regional && !has_sts {
        container.list_mut("env")?.push(variable(STS, "regional"));
    }
    if !has_own {
        let pair = credentials.env.iter().map(|(name, value)| variable(name, value));
        container.list_mut("env")?.extend(pair);
    }
    if !has_named(container, "volumeMounts", credentials.volume)? {
        let mount = json!({"name": credentials.volume, "readOnly": true, "mountPath": credentials.mount_path});
        container.list_mut("volumeMounts")?.push(mount);
    }
    Ok(())
}
