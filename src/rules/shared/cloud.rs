// SPDX-License-Identifier: Apache-2.0
//! What the rules about cloud identities share: which identity a ServiceAccount
//! declares, and which variables give a container access to one.

use std::cell::Cell;

use crate::cluster::AccountRecord;
use crate::engine::context::{ReviewError, RuleContext, Workload, object_path};
use crate::engine::lookup::Account;
use crate::fast::word;
use crate::identity::key::SKIP_CONTAINERS;
use crate::identity::skip_list;
use crate::object::env::{Environment, SearchWords};
use crate::settings::Common;

/// The variable with the role of a container.
pub const AWS_ROLE: &str = "AWS_ROLE_ARN";
/// The variable with the path of the token that AWS exchanges for the role.
pub const AWS_TOKEN_FILE: &str = "AWS_WEB_IDENTITY_TOKEN_FILE";
/// The variable with the URL of the EKS Pod Identity agent.
pub const AWS_CONTAINER_URI: &str = "AWS_CONTAINER_CREDENTIALS_FULL_URI";
/// The variable with the path of the token for the agent.
pub const AWS_CONTAINER_TOKEN_FILE: &str = "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE";
/// The variable with the token for the agent.
pub const AWS_CONTAINER_TOKEN: &str = "AWS_CONTAINER_AUTHORIZATION_TOKEN";
/// The variable with the path of the token that Azure accepts.
pub const AZURE_TOKEN_FILE: &str = "AZURE_FEDERATED_TOKEN_FILE";

/// What is known of a cloud that accepts tokens of the cluster. A row of
/// [`FAMILIES`] is all that the rules know of it, besides the keys of its
/// webhooks ([`key`](crate::identity::key)).
#[derive(Debug)]
struct Family {
    /// Its name in messages.
    name: &'static str,
    /// Annotations by which a ServiceAccount declares an identity there;
    /// help texts name the first. The prefix for AWS is a setting.
    keys: &'static [&'static str],
    /// Words in the audiences that it accepts.
    audiences: &'static [&'static str],
    /// Variables from which its SDKs read the identity.
    variables: &'static [&'static str],
    /// Variables from which its SDKs read static credentials.
    credentials: &'static [&'static str],
    /// Volumes that its webhooks add, with one token for this cloud and nothing else.
    volumes: &'static [&'static str],
    /// The files of such tokens in volumes with other names.
    files: &'static [&'static str],
}

/// <https://docs.aws.amazon.com/eks/latest/userguide/iam-roles-for-service-accounts.html>
/// <https://docs.aws.amazon.com/eks/latest/userguide/pod-id-how-it-works.html>
static AWS: Family = Family {
    name: "AWS",
    keys: &["/role-arn"],
    audiences: &["amazonaws.com"],
    variables: &[AWS_ROLE, AWS_CONTAINER_URI],
    // <https://docs.aws.amazon.com/sdkref/latest/guide/feature-static-credentials.html>
    credentials: &[
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        // The SDKs for Go read these if the usual ones are not set.
        // <https://github.com/aws/aws-sdk-go-v2/blob/main/config/env_config.go>
        "AWS_ACCESS_KEY",
        "AWS_SECRET_KEY",
        // An API key, which may live as long as its user.
        // <https://docs.aws.amazon.com/bedrock/latest/userguide/api-keys-use.html>
        "AWS_BEARER_TOKEN_BEDROCK",
    ],
    volumes: &["aws-iam-token", "eks-pod-identity-token"],
    files: &[],
};

/// Variables that work only with another one, each with the two that it needs one of.
/// <https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html>
pub const PAIRS: [(&str, [&str; 2]); 4] = [
    (AWS_ROLE, [AWS_TOKEN_FILE; 2]),
    (AWS_TOKEN_FILE, [AWS_ROLE; 2]),
    (AWS_CONTAINER_URI, [AWS_CONTAINER_TOKEN_FILE, AWS_CONTAINER_TOKEN]),
    (AWS_CONTAINER_TOKEN_FILE, [AWS_CONTAINER_URI; 2]),
];

/// The variable with the content of a Google Cloud key file.
pub const GOOGLE_KEY: &str = "GOOGLE_APPLICATION_CREDENTIALS_JSON";

/// The number of clouds.
const COUNT: usize = 6;

/// The families, in the order of [`Cloud`].
static FAMILIES: [&Family; COUNT] = [
    &AWS,
    // <https://cloud.google.com/kubernetes-engine/docs/how-to/workload-identity>
    // <https://cloud.google.com/iam/docs/workload-identity-federation-with-kubernetes>
    // <https://github.com/pfnet-research/gcp-workload-identity-federation-webhook/blob/master/webhooks/constants.go>
    &Family {
        name: "Google Cloud",
        keys: &[
            "iam.gke.io/gcp-service-account",
            "cloud.google.com/workload-identity-provider",
            "cloud.google.com/service-account-email",
        ],
        audiences: &["googleapis.com", ".svc.id.goog"],
        variables: &[],
        credentials: &[GOOGLE_KEY],
        volumes: &["gcp-iam-token"],
        files: &[],
    },
    // <https://azure.github.io/azure-workload-identity/docs/concepts.html>
    // <https://learn.microsoft.com/azure/aks/identity-bindings-concepts>
    &Family {
        name: "Azure",
        keys: &["azure.workload.identity/client-id"],
        audiences: &["AzureADTokenExchange", "AKSIdentityBinding"],
        variables: &[AZURE_TOKEN_FILE],
        // <https://github.com/Azure/azure-sdk-for-go/blob/main/sdk/azidentity/README.md>
        credentials: &["AZURE_CLIENT_SECRET", "AZURE_CLIENT_CERTIFICATE_PASSWORD", "AZURE_PASSWORD"],
        volumes: &[],
        files: &["azure-identity-token"],
    },
    // <https://www.alibabacloud.com/help/en/container-service-for-kubernetes/latest/ack-pod-identity-webhook>
    // <https://www.alibabacloud.com/help/en/ack/ack-managed-and-ack-dedicated/user-guide/use-rrsa-to-authorize-pods-to-access-different-cloud-services>
    &Family {
        name: "Alibaba Cloud",
        keys: &["pod-identity.alibabacloud.com/role-name"],
        audiences: &["sts.aliyuncs.com"],
        variables: &["ALIBABA_CLOUD_ROLE_ARN", "ALIBABA_CLOUD_OIDC_TOKEN_FILE"],
        credentials: &[],
        volumes: &["rrsa-oidc-token"],
        files: &[],
    },
    // <https://cloud.tencent.com/document/product/457/81989>
    // <https://github.com/TencentCloud/tencentcloud-cli/blob/master/README.md>
    &Family {
        name: "Tencent Cloud",
        keys: &["tke.cloud.tencent.com/role-arn", "eks.tke.cloud.tencent.com/role-arn"],
        audiences: &["sts.cloud.tencent.com"],
        variables: &["TKE_ROLE_ARN", "TKE_WEB_IDENTITY_TOKEN_FILE"],
        credentials: &[],
        volumes: &[],
        files: &[],
    },
    // It accepts tokens for the Kubernetes API itself, and accounts declare
    // nothing for it, so its tokens cannot be told from others.
    // <https://docs.oracle.com/en-us/iaas/Content/ContEng/Tasks/contenggrantingworkloadaccesstoresources.htm>
    &Family {
        name: "Oracle Cloud",
        keys: &[],
        audiences: &[],
        variables: &[],
        credentials: &[],
        volumes: &[],
        files: &[],
    },
];

/// A cloud that accepts tokens of the cluster: its position in the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cloud(usize);

impl Cloud {
    /// Amazon Web Services.
    pub const AWS: Self = Self(0);
    /// Google Cloud.
    pub const GOOGLE: Self = Self(1);
    /// Microsoft Azure.
    pub const AZURE: Self = Self(2);

    /// All of them.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..COUNT).map(Self)
    }

    fn family(self) -> &'static Family {
        FAMILIES.get(self.0).copied().unwrap_or(&AWS)
    }

    /// Its name in messages.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.family().name
    }

    /// The cloud that accepts tokens with this audience, if known.
    #[must_use]
    pub fn of_audience(audience: &str, common: &Common<'_>) -> Option<Self> {
        if audience == common.aws.default_audience.as_str() {
            return Some(Self::AWS);
        }
        Self::all().find(|cloud| word::any(cloud.family().audiences, audience))
    }

    /// The cloud whose static credentials a variable with this name holds.
    #[must_use]
    pub fn of_credential(name: &str) -> Option<Self> {
        Self::all().find(|cloud| cloud.credentials().contains(&name))
    }

    /// The variables from which its SDKs read static credentials.
    #[must_use]
    pub fn credentials(self) -> &'static [&'static str] {
        self.family().credentials
    }

    /// The annotation by which a ServiceAccount declares an identity there.
    #[must_use]
    #[inline(never)]
    pub fn key(self, common: &Common<'_>) -> String {
        let key = self.family().keys.first().copied().unwrap_or_default();
        if self == Self::AWS { [common.aws.annotation_prefix.as_str(), key].concat() } else { key.to_owned() }
    }
}

/// The cloud whose webhook uses a volume with this name for its token.
#[must_use]
pub fn of_volume(name: &str) -> Option<Cloud> {
    // Most volumes have other names. A test ensures that all in the table end like this.
    if !name.ends_with("-token") {
        return None;
    }
    Cloud::all().find(|cloud| cloud.family().volumes.contains(&name))
}

/// Whether a token in this volume and file looks like that of a webhook, which
/// adds it only if an account declares an identity.
#[must_use]
pub fn looks_like_webhook_token(volume: &str, file: &str) -> bool {
    of_volume(volume).is_some() || FAMILIES.iter().any(|family| family.files.iter().any(|end| file.ends_with(end)))
}

/// What an account declares in a cloud.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Declared<'s> {
    /// This identity, as written in the annotation.
    Identity(&'s str),
    /// No identity: the account does not exist or has no such annotation.
    Nothing,
    /// It is unknown.
    Unknown,
}

/// What the account of a Pod or template declares in a cloud. The webhooks
/// ignore an empty annotation.
///
/// # Errors
/// Same as [`RuleContext::account`].
#[inline(never)]
pub fn declared<'s>(
    context: &RuleContext<'s>,
    workload: &Workload<'_>,
    cloud: Cloud,
) -> Result<Declared<'s>, ReviewError> {
    Ok(match context.account(workload)? {
        Account::Unknown => Declared::Unknown,
        Account::Absent => Declared::Nothing,
        Account::Known(record) => match declaration(record, cloud, context.common) {
            Some((_, identity)) => Declared::Identity(identity),
            None => Declared::Nothing,
        },
    })
}

/// The key of the annotation by which the workload's account declares an
/// identity in a cloud; `None` if it declares none, or if the account is
/// unknown.
///
/// # Errors
/// [`ReviewError::LookupFailed`] if the account must be looked up, and that
/// fails.
pub fn declared_key(
    context: &RuleContext<'_>,
    workload: &Workload<'_>,
    cloud: Cloud,
) -> Result<Option<String>, ReviewError> {
    Ok(match context.account(workload)? {
        Account::Known(record) => declaration(record, cloud, context.common).map(|(key, _)| key),
        Account::Unknown | Account::Absent => None,
    })
}

/// The annotation by which an account declares an identity in a cloud: key and
/// value.
fn declaration<'s>(record: &'s AccountRecord, cloud: Cloud, common: &Common<'_>) -> Option<(String, &'s str)> {
    let identity = |key: &str| Some((key.to_owned(), record.annotation(key).filter(|identity| !identity.is_empty())?));
    if cloud == Cloud::AWS {
        identity(&cloud.key(common))
    } else {
        cloud.family().keys.iter().find_map(|key| identity(key))
    }
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

/// The EKS Pod identity webhook skips a Pod with this label. The label is part
/// of the webhook's configuration, whatever the annotation prefix.
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

/// What the account of a Pod or template declares, computed once for each
/// cloud: a hostile Pod can have thousands of variables, and its account
/// thousands of annotations.
pub struct Identities<'i, 's> {
    context: &'i RuleContext<'s>,
    workload: &'i Workload<'i>,
    known: Cell<[Option<Declared<'s>>; COUNT]>,
}

impl<'i, 's> Identities<'i, 's> {
    /// Starts without any look-up.
    #[must_use]
    pub const fn new(context: &'i RuleContext<'s>, workload: &'i Workload<'i>) -> Self {
        Self { context, workload, known: Cell::new([None; COUNT]) }
    }

    /// Like [`declared`].
    ///
    /// # Errors
    /// Same as [`declared`].
    #[inline(never)]
    pub fn of(&self, cloud: Cloud) -> Result<Declared<'s>, ReviewError> {
        let mut known = self.known.get();
        if let Some(Some(declared)) = known.get(cloud.0) {
            return Ok(*declared);
        }
        let declared = declared(self.context, self.workload, cloud)?;
        if let Some(slot) = known.get_mut(cloud.0) {
            *slot = Some(declared);
        }
        self.known.set(known);
        Ok(declared)
    }
}

/// The containers that the EKS Pod identity webhook skips.
///
/// # Errors
/// [`ReviewError`] when the annotations cannot be read.
pub fn skipped(context: &RuleContext<'_>) -> Result<Vec<String>, ReviewError> {
    Ok(pod_option(context, SKIP_CONTAINERS)?.as_deref().and_then(skip_list::names).unwrap_or_default())
}

/// Where a Pod or template gets a cloud role from, for messages: a variable of
/// a container, or an annotation of its account.
///
/// # Errors
/// [`ReviewError`] when the object or the account cannot be read.
pub fn role(context: &RuleContext<'_>, workload: &Workload<'_>) -> Result<Option<String>, ReviewError> {
    Ok(match role_in_env(context, workload)? {
        Some(role) => Some(role),
        None => role_of_account(context, workload)?,
    })
}

fn role_in_env(context: &RuleContext<'_>, workload: &Workload<'_>) -> Result<Option<String>, ReviewError> {
    let mut role = None;
    context.each_container(workload, &mut |checked| {
        let container = checked.container;
        if role.is_some() || !may_have_role(&container.env) {
            return Ok(());
        }
        let variables = container.read_env(&|| object_path(&checked.path(workload)))?;
        let mut names = variables.iter().filter_map(|variable| variable.name.as_deref());
        if let Some(name) = names.find(|name| FAMILIES.iter().any(|family| family.variables.contains(name))) {
            role = Some([name, " of container ", container.name.as_deref().unwrap_or_default()].concat());
        }
        Ok(())
    })?;
    Ok(role)
}

/// Whether a variable of the table may be in the environment. False is certain.
/// Few policies need this, so the scan of all containers does not look for the
/// other clouds.
fn may_have_role(env: &Environment<'_>) -> bool {
    env.may_hold(SearchWords::AWS.and(SearchWords::AZURE)) || env.may_name(&["ALIBABA_CLOUD_", "TKE_"])
}

fn role_of_account(context: &RuleContext<'_>, workload: &Workload<'_>) -> Result<Option<String>, ReviewError> {
    let Account::Known(record) = context.account(workload)? else { return Ok(None) };
    let key = Cloud::all().find_map(|cloud| declaration(record, cloud, context.common));
    Ok(key.map(|(key, _)| [&key, " of account ", workload.spec.account()].concat()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clouds_have_their_rows() {
        let names = [Cloud::AWS, Cloud::GOOGLE, Cloud::AZURE].map(Cloud::name);
        assert_eq!(names, ["AWS", "Google Cloud", "Azure"]);
        assert_eq!(Cloud::all().map(Cloud::name).last(), Some("Oracle Cloud"));
    }

    #[test]
    fn every_volume_is_found() {
        for cloud in Cloud::all() {
            assert!(cloud.family().volumes.iter().all(|name| of_volume(name) == Some(cloud)), "{}", cloud.name());
        }
        assert_eq!([of_volume("token"), of_volume("vault-token")], [None; 2]);
    }

    /// The rules about annotations know all keys of the table.
    #[test]
    fn every_key_is_known_and_selects_an_identity() {
        use crate::identity::key::{Reading, read};
        for cloud in Cloud::all() {
            for key in cloud.family().keys {
                let key = if cloud == Cloud::AWS { cloud.key(&Common::default()) } else { (*key).to_owned() };
                assert!(matches!(read(&key, "eks.amazonaws.com"), Reading::Known(known) if known.selects), "{key}");
            }
        }
    }
}
