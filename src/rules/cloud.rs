// SPDX-License-Identifier: Apache-2.0
//! What the rules about cloud identity share: which identity a ServiceAccount
//! declares, and by which variables containers get at one.

use crate::engine::lookup::Account;
use crate::engine::scene::{Scene, Stop, Workload};
use crate::identity::skip_list;
use crate::settings::Common;

/// The role that a container is to have.
pub const AWS_ROLE: &str = "AWS_ROLE_ARN";
/// The file with the token that AWS takes for it.
pub const AWS_TOKEN_FILE: &str = "AWS_WEB_IDENTITY_TOKEN_FILE";
/// Where the agent of EKS Pod Identity answers.
pub const AWS_CONTAINER_URI: &str = "AWS_CONTAINER_CREDENTIALS_FULL_URI";
/// The file with the token for the agent.
pub const AWS_CONTAINER_TOKEN_FILE: &str = "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE";
/// The token for the agent itself.
pub const AWS_CONTAINER_TOKEN: &str = "AWS_CONTAINER_AUTHORIZATION_TOKEN";
/// The file with the token that Azure takes.
pub const AZURE_TOKEN_FILE: &str = "AZURE_FEDERATED_TOKEN_FILE";

/// A cloud that takes the tokens of the cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cloud {
    /// Amazon Web Services.
    Aws,
    /// Google Cloud.
    Google,
    /// Microsoft Azure.
    Azure,
}

impl Cloud {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Aws, Self::Google, Self::Azure];

    /// Its name for people.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Aws => "AWS",
            Self::Google => "Google Cloud",
            Self::Azure => "Azure",
        }
    }

    /// The annotation by which a ServiceAccount declares an identity there.
    #[must_use]
    pub fn key(self, common: &Common<'_>) -> String {
        match self {
            Self::Aws => [common.aws.annotation_prefix.as_str(), "/role-arn"].concat(),
            Self::Google => "iam.gke.io/gcp-service-account".to_owned(),
            Self::Azure => "azure.workload.identity/client-id".to_owned(),
        }
    }
}

/// What an account declares in a cloud.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Declared<'s> {
    /// This identity, as the annotation has it.
    Identity(&'s str),
    /// None: the account has no such annotation, or is not there.
    Nothing,
    /// Nobody knows.
    Unknown,
}

/// What the account of a Pod or template declares in a cloud. The webhooks take
/// an empty annotation for none.
///
/// # Errors
/// As [`Scene::account`].
pub fn declared<'s>(scene: &Scene<'s>, workload: &Workload<'_>, cloud: Cloud) -> Result<Declared<'s>, Stop> {
    Ok(match scene.account(workload)? {
        Account::Unknown => Declared::Unknown,
        Account::Absent => Declared::Nothing,
        Account::Known(record) => match record.annotation(&cloud.key(scene.common)) {
            None | Some("") => Declared::Nothing,
            Some(identity) => Declared::Identity(identity),
        },
    })
}

/// A Pod with this label asks the EKS Pod identity webhook to leave it alone. It
/// is part of the webhook's configuration, whatever the prefix of annotations.
/// <https://github.com/aws/amazon-eks-pod-identity-webhook/blob/master/deploy/mutatingwebhook.yaml>
pub const SKIP_LABEL: &str = "eks.amazonaws.com/skip-pod-identity-webhook";

/// An annotation of the Pod or template that the EKS webhook reads; `suffix`
/// begins with the slash.
///
/// # Errors
/// [`Stop`] when annotations are not a map of strings.
pub fn pod_option(scene: &Scene<'_>, suffix: &str) -> Result<Option<String>, Stop> {
    let key = [scene.common.aws.annotation_prefix.as_str(), suffix].concat();
    let mut found = None;
    scene.each_annotation(&key, &mut |rest, value, _| {
        if rest.is_empty() {
            found = Some(value.to_owned());
        }
    })?;
    Ok(found)
}

/// The containers that the EKS webhook is to leave alone.
///
/// # Errors
/// As [`pod_option`].
pub fn skipped_containers(scene: &Scene<'_>) -> Result<Vec<String>, Stop> {
    Ok(pod_option(scene, "/skip-containers")?.as_deref().and_then(skip_list::names).unwrap_or_default())
}
