// SPDX-License-Identifier: Apache-2.0
//! What the rules about cloud identity share: which identity a ServiceAccount
//! declares, and by which variables containers get at one.

use std::cell::Cell;

use crate::engine::context::{ReviewError, RuleContext, Workload};
use crate::engine::lookup::Account;
use crate::fast::word;
use crate::identity::key::SKIP_CONTAINERS;
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

    /// Whom a token of this audience is a credential for, where that is known.
    /// <https://docs.aws.amazon.com/eks/latest/userguide/iam-roles-for-service-accounts.html>
    /// <https://cloud.google.com/iam/docs/workload-identity-federation-with-kubernetes>
    /// <https://azure.github.io/azure-workload-identity/docs/concepts.html>
    #[must_use]
    pub fn of_audience(audience: &str, common: &Common<'_>) -> Option<Self> {
        if audience == common.aws.default_audience.as_str() || word::any(&["amazonaws.com"], audience) {
            Some(Self::Aws)
        } else if word::any(&["AzureADTokenExchange"], audience) {
            Some(Self::Azure)
        } else if word::any(&["googleapis.com"], audience) {
            Some(Self::Google)
        } else {
            None
        }
    }

    /// The annotation by which a ServiceAccount declares an identity there.
    #[must_use]
    #[inline(never)]
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
/// As [`RuleContext::account`].
#[inline(never)]
pub fn declared<'s>(
    context: &RuleContext<'s>,
    workload: &Workload<'_>,
    cloud: Cloud,
) -> Result<Declared<'s>, ReviewError> {
    Ok(match context.account(workload)? {
        Account::Unknown => Declared::Unknown,
        Account::Absent => Declared::Nothing,
        Account::Known(record) => match record.annotation(&cloud.key(context.common)) {
            None | Some("") => Declared::Nothing,
            Some(identity) => Declared::Identity(identity),
        },
    })
}

/// A flag as Go's `strconv.ParseBool` reads it.
/// <https://pkg.go.dev/strconv#ParseBool>
#[must_use]
pub fn boolean(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Some(true),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Some(false),
        _ => None,
    }
}

/// A Pod with this label asks the EKS Pod identity webhook to leave it alone. It
/// is part of the webhook's configuration, whatever the prefix of annotations.
/// <https://github.com/aws/amazon-eks-pod-identity-webhook/blob/master/deploy/mutatingwebhook.yaml>
pub const SKIP_LABEL: &str = "eks.amazonaws.com/skip-pod-identity-webhook";

/// An annotation of the Pod or template that the EKS webhook reads.
///
/// # Errors
/// [`ReviewError`] when annotations are not a map of strings.
pub fn pod_option(context: &RuleContext<'_>, suffix: &str) -> Result<Option<String>, ReviewError> {
    let mut found = None;
    context.each_annotation(context.common.aws.annotation_prefix.as_str(), &mut |there, value, _| {
        if there == suffix {
            found = Some(value.to_owned());
        }
    })?;
    Ok(found)
}

/// What the account of a Pod or template declares, worked out once for each
/// cloud: a hostile Pod has thousands of variables, and its account of
/// annotations.
pub struct Identities<'i, 's> {
    context: &'i RuleContext<'s>,
    workload: &'i Workload<'i>,
    known: Cell<[Option<Declared<'s>>; 3]>,
}

impl<'i, 's> Identities<'i, 's> {
    /// Nothing is asked yet.
    #[must_use]
    pub const fn new(context: &'i RuleContext<'s>, workload: &'i Workload<'i>) -> Self {
        Self { context, workload, known: Cell::new([None; 3]) }
    }

    /// As [`declared`].
    ///
    /// # Errors
    /// As [`declared`].
    #[inline(never)]
    pub fn of(&self, cloud: Cloud) -> Result<Declared<'s>, ReviewError> {
        let [mut aws, mut google, mut azure] = self.known.get();
        let slot = match cloud {
            Cloud::Aws => &mut aws,
            Cloud::Google => &mut google,
            Cloud::Azure => &mut azure,
        };
        if let Some(declared) = *slot {
            return Ok(declared);
        }
        let declared = declared(self.context, self.workload, cloud)?;
        *slot = Some(declared);
        self.known.set([aws, google, azure]);
        Ok(declared)
    }
}

/// The containers that the EKS Pod identity webhook is to leave alone.
///
/// # Errors
/// [`ReviewError`] when the annotations cannot be read.
pub fn skipped(context: &RuleContext<'_>) -> Result<Vec<String>, ReviewError> {
    Ok(pod_option(context, SKIP_CONTAINERS)?.as_deref().and_then(skip_list::names).unwrap_or_default())
}
