// SPDX-License-Identifier: Apache-2.0
//! The annotations with which accounts and Pods request a cloud identity, and
//! common mistakes in their keys. Their readers silently ignore an unknown key,
//! and so a misspelled one.

use crate::fast::shape::Shape;
use crate::matching::closest;
use crate::matching::glob;

/// An annotation that a component reads.
#[derive(Debug, PartialEq, Eq)]
pub struct Key {
    /// The part after the prefix.
    pub suffix: &'static str,
    /// The objects on which it is read.
    pub on: On,
    /// Whether it selects the identity of an account in the cloud.
    pub selects: bool,
}

/// Where an annotation is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum On {
    /// On ServiceAccounts.
    Account,
    /// On Pods.
    Pod,
    /// On both; the Pod's takes precedence.
    Both,
}

/// The keys under one prefix.
#[derive(Debug, PartialEq, Eq)]
pub struct Family {
    prefix: &'static str,
    shape: Shape,
    keys: &'static [Key],
    /// Keys that are read as labels of Pods, not as annotations.
    labels: &'static [&'static str],
    /// Patterns for other known keys, possibly on other objects.
    others: &'static [&'static str],
    /// Common mistakes, and the key that is meant, where the edit distance is
    /// too large.
    confused: &'static [(&'static str, &'static str)],
    /// Prefixes that are mistaken for this one, where the edit distance is too large.
    confused_prefixes: &'static [&'static str],
    /// Whether others have keys under the prefix too, so that an unknown key
    /// may be theirs.
    is_shared: bool,
}

/// The EKS Pod identity webhook; a flag sets its prefix.
/// <https://github.com/aws/amazon-eks-pod-identity-webhook/blob/master/pkg/annotations.go>
static AWS: Family = Family {
    prefix: "eks.amazonaws.com",
    shape: Shape::of("eks.amazonaws.com"),
    keys: &[
        Key { suffix: ROLE_ARN, on: On::Account, selects: true },
        Key { suffix: AUDIENCE, on: On::Account, selects: false },
        Key { suffix: STS_REGIONAL_ENDPOINTS, on: On::Account, selects: false },
        Key { suffix: TOKEN_EXPIRATION, on: On::Both, selects: false },
        Key { suffix: SKIP_CONTAINERS, on: On::Pod, selects: false },
        Key { suffix: ECR_ROLE_ARN, on: On::Account, selects: true },
    ],
    // <https://github.com/aws/amazon-eks-pod-identity-webhook/blob/master/deploy/mutatingwebhook.yaml>
    labels: &["skip-pod-identity-webhook"],
    // Keys of EKS itself, mostly labels of nodes and Pods. The CoreDNS of EKS
    // has `compute-type` as an annotation of its template.
    // <https://docs.aws.amazon.com/eks/latest/userguide/fargate-getting-started.html>
    // <https://docs.aws.amazon.com/eks/latest/userguide/eks-compute.html>
    others: &["compute-type", "pod-identity", "fargate-profile", "nodegroup*", "capacityType", "sourceLaunchTemplate*"],
    confused: &[
        ("role", ROLE_ARN),
        ("iam-role", ROLE_ARN),
        ("iam-role-arn", ROLE_ARN),
        ("role-name", ROLE_ARN),
        ("arn", ROLE_ARN),
        ("token-audience", AUDIENCE),
        ("expiration", TOKEN_EXPIRATION),
        ("token-expiry", TOKEN_EXPIRATION),
        ("token-expiration-seconds", TOKEN_EXPIRATION),
        // Azure's key for the same.
        ("service-account-token-expiration", TOKEN_EXPIRATION),
        ("ecr-role", ECR_ROLE_ARN),
    ],
    confused_prefixes: &["amazonaws.com", "aws.amazon.com", "eks.aws.amazon.com", "eks.aws.com", "eks.aws"],
    is_shared: false,
};

/// The metadata server of GKE.
/// <https://cloud.google.com/kubernetes-engine/docs/how-to/workload-identity>
static GKE: Family = Family {
    prefix: "iam.gke.io",
    shape: Shape::of("iam.gke.io"),
    keys: &[
        Key { suffix: "gcp-service-account", on: On::Account, selects: true },
        Key { suffix: "return-principal-id-as-email", on: On::Account, selects: false },
        Key { suffix: "credential-quota-project", on: On::Account, selects: false },
        // Managed workload identity.
        // <https://cloud.google.com/iam/docs/create-managed-workload-identities-gke>
        Key { suffix: "identity", on: On::Pod, selects: false },
    ],
    labels: &["identity-type"],
    // A label of nodes.
    others: &["gke-metadata-server-enabled"],
    confused: &[
        ("google-service-account", "gcp-service-account"),
        ("service-account", "gcp-service-account"),
        ("service-account-email", "gcp-service-account"),
        ("gsa", "gcp-service-account"),
    ],
    confused_prefixes: &["gke.io", "iam.google.com", "iam.googleapis.com", "cloud.google.com", "iam.cloud.google.com"],
    is_shared: false,
};

/// The webhook of Azure Workload Identity.
/// <https://azure.github.io/azure-workload-identity/docs/topics/service-account-labels-and-annotations.html>
static AZURE: Family = Family {
    prefix: "azure.workload.identity",
    shape: Shape::of("azure.workload.identity"),
    keys: &[
        Key { suffix: "client-id", on: On::Account, selects: true },
        Key { suffix: "tenant-id", on: On::Account, selects: true },
        Key { suffix: "service-account-token-expiration", on: On::Both, selects: false },
        Key { suffix: SKIP_CONTAINERS, on: On::Pod, selects: false },
        Key { suffix: "inject-proxy-sidecar", on: On::Pod, selects: false },
        Key { suffix: "proxy-sidecar-port", on: On::Pod, selects: false },
        // <https://learn.microsoft.com/azure/aks/identity-bindings>
        Key { suffix: "use-identity-binding", on: On::Pod, selects: false },
    ],
    labels: &[USE],
    // <https://github.com/Azure/azure-workload-identity/blob/main/pkg/webhook/consts.go>
    others: &["use-*"],
    confused: &[
        ("managed-identity-client-id", "client-id"),
        ("identity-client-id", "client-id"),
        ("application-id", "client-id"),
        ("app-id", "client-id"),
        ("token-expiration", "service-account-token-expiration"),
        ("inject-proxy", "inject-proxy-sidecar"),
        ("proxy-port", "proxy-sidecar-port"),
    ],
    confused_prefixes: &["workload.identity", "workload.identity.azure", "workload-identity.azure.com", "azure.com"],
    is_shared: false,
};

/// A family whose prefix others use too.
const fn shared(prefix: &'static str, keys: &'static [Key]) -> Family {
    let shape = Shape::of(prefix);
    Family { prefix, shape, keys, labels: &[], others: &[], confused: &[], confused_prefixes: &[], is_shared: true }
}

/// The webhook for workload identity federation with Google Cloud. It copies
/// the identity from the ServiceAccount to its Pods.
/// <https://github.com/pfnet-research/gcp-workload-identity-federation-webhook/blob/master/webhooks/annotations.go>
/// <https://github.com/pfnet-research/gcp-workload-identity-federation-webhook/blob/master/webhooks/mutatepod.go>
static GOOGLE_WEBHOOK: Family = shared(
    "cloud.google.com",
    &[
        Key { suffix: "workload-identity-provider", on: On::Both, selects: true },
        Key { suffix: "service-account-email", on: On::Both, selects: true },
        Key { suffix: AUDIENCE, on: On::Both, selects: false },
        Key { suffix: TOKEN_EXPIRATION, on: On::Both, selects: false },
        Key { suffix: "injection-mode", on: On::Account, selects: false },
        Key { suffix: "gcloud-run-as-user", on: On::Account, selects: false },
        Key { suffix: SKIP_CONTAINERS, on: On::Pod, selects: false },
        Key { suffix: "external-credentials-json", on: On::Pod, selects: false },
    ],
);

/// The annotations that kubelets on AKS read to pull images.
/// <https://github.com/kubernetes-sigs/cloud-provider-azure/pull/9907>
static AZURE_IMAGES: Family = shared(
    "kubernetes.azure.com",
    &[
        Key { suffix: "acr-client-id", on: On::Account, selects: true },
        Key { suffix: "acr-tenant-id", on: On::Account, selects: true },
    ],
);

/// The webhook of Alibaba Cloud, `ack-pod-identity-webhook`. The label applies
/// to namespaces and Pods. New versions add keys, so an unknown key is not a
/// mistake.
/// <https://www.alibabacloud.com/help/en/container-service-for-kubernetes/latest/ack-pod-identity-webhook>
/// <https://help.aliyun.com/zh/ack/product-overview/ack-pod-identity-webhook>
static ALIBABA: Family = Family {
    prefix: "pod-identity.alibabacloud.com",
    shape: Shape::of("pod-identity.alibabacloud.com"),
    keys: &[
        Key { suffix: "role-name", on: On::Account, selects: true },
        Key { suffix: "service-account-token-expiration", on: On::Both, selects: false },
        Key { suffix: "inject-sts-endpoint", on: On::Account, selects: false },
        Key { suffix: "only-containers", on: On::Pod, selects: false },
        Key { suffix: SKIP_CONTAINERS, on: On::Pod, selects: false },
        Key { suffix: "override-env", on: On::Pod, selects: false },
    ],
    labels: &["injection"],
    others: &[],
    confused: &[(ROLE_ARN, "role-name"), (TOKEN_EXPIRATION, "service-account-token-expiration")],
    confused_prefixes: &[],
    is_shared: true,
};

const TENCENT_KEYS: &[Key] = &[
    Key { suffix: ROLE_ARN, on: On::Account, selects: true },
    Key { suffix: AUDIENCE, on: On::Account, selects: false },
    Key { suffix: TOKEN_EXPIRATION, on: On::Both, selects: false },
];

/// The webhook of Tencent Cloud, and that of its serverless clusters, where Pods
/// have other keys under the same prefix.
/// <https://cloud.tencent.com/document/product/457/81989>
/// <https://cloud.tencent.com/document/product/457/44173>
static TENCENT: Family = shared("tke.cloud.tencent.com", TENCENT_KEYS);
static TENCENT_SERVERLESS: Family = shared("eks.tke.cloud.tencent.com", TENCENT_KEYS);

static FAMILIES: [&Family; 8] =
    [&AWS, &GKE, &AZURE, &GOOGLE_WEBHOOK, &AZURE_IMAGES, &ALIBABA, &TENCENT, &TENCENT_SERVERLESS];

/// The shapes of the families' prefixes.
static SHAPES: [Shape; FAMILIES.len()] = [
    AWS.shape,
    GKE.shape,
    AZURE.shape,
    GOOGLE_WEBHOOK.shape,
    AZURE_IMAGES.shape,
    ALIBABA.shape,
    TENCENT.shape,
    TENCENT_SERVERLESS.shape,
];

/// The shapes of prefixes that must match exactly.
#[expect(clippy::indexing_slicing, reason = "a position that is wrong does not compile")]
static CONFUSED: [Shape; 15] = {
    let mut shapes = [Shape::of(LEGACY_PREFIX); 15];
    let (mut count, mut families) = (1, FAMILIES.as_slice());
    while let [family, more @ ..] = families {
        let mut prefixes = family.confused_prefixes;
        while let [prefix, more @ ..] = prefixes {
            shapes[count] = Shape::of(prefix);
            count += 1;
            prefixes = more;
        }
        families = more;
    }
    assert!(count == shapes.len(), "the length of the array must be the number of prefixes");
    shapes
};

/// The number of families with keys that people write on Pods. Keys of a Pod are
/// compared only with these: most Pods have some annotations, and none of these.
const ON_PODS: usize = 3;

/// The suffix of the role of an account.
pub const ROLE_ARN: &str = "role-arn";
/// The suffix of the audience of an account's tokens.
pub const AUDIENCE: &str = "audience";
/// The suffix of the choice of STS endpoints.
pub const STS_REGIONAL_ENDPOINTS: &str = "sts-regional-endpoints";
/// The suffix of the lifetime of tokens.
pub const TOKEN_EXPIRATION: &str = "token-expiration";
/// The suffix of the list of containers that get no identity.
pub const SKIP_CONTAINERS: &str = "skip-containers";
/// The label that makes Azure's webhook process a Pod.
pub const USE_LABEL: &str = "azure.workload.identity/use";
const USE: &str = "use";
const ECR_ROLE_ARN: &str = "ecr-role-arn";

/// The annotation that the kubelet's credential provider reads to pull images.
/// It reads no other prefix, and needs a complete ARN.
/// <https://github.com/kubernetes/cloud-provider-aws/blob/master/cmd/ecr-credential-provider/main.go>
pub const ECR_KEY: &str = "eks.amazonaws.com/ecr-role-arn";

/// The prefix of the keys with which kiam and kube2iam gave roles to Pods.
const LEGACY_PREFIX: &str = "iam.amazonaws.com";

/// The classification of a key.
#[derive(Debug, PartialEq, Eq)]
pub enum Reading {
    /// Not a key of a cloud identity.
    Other,
    /// A key that is read.
    Known(&'static Key),
    /// A key that is read as a label of Pods.
    Label,
    /// Not a key, but similar to this one.
    Misspelled(String),
    /// Not a key in this cluster, whose webhook has another prefix; this is the
    /// right key.
    Elsewhere(String),
    /// Not a key, under a prefix that has only these keys.
    Unknown(&'static Family),
    /// A key of kube2iam or kiam.
    Legacy,
}

/// The part of a key after the prefix and its slash.
#[must_use]
pub fn suffix<'k>(key: &'k str, prefix: &str) -> Option<&'k str> {
    key.strip_prefix(prefix)?.strip_prefix('/')
}

/// Classifies a key of an account's annotations. `aws_prefix` is the prefix of
/// the EKS webhook.
#[must_use]
pub fn read(key: &str, aws_prefix: &str) -> Reading {
    read_like(key, aws_prefix, FAMILIES.len())
}

/// Like [`read`], for a key of a Pod's annotations.
#[must_use]
pub fn read_on_pod(key: &str, aws_prefix: &str) -> Reading {
    read_like(key, aws_prefix, ON_PODS)
}

/// Classifies a key. A misspelled key is compared only with the first
/// `compared` families.
fn read_like(key: &str, aws_prefix: &str, compared: usize) -> Reading {
    let Some((prefix, suffix)) = key.split_once('/') else { return Reading::Other };
    let shape = Shape::of(prefix);
    // Most keys belong to none of the families, as the letters of the prefix show.
    let (near, exact) = SHAPES.split_at_checked(compared).unwrap_or((&SHAPES, &[]));
    let may_be_ours = near.iter().any(|known| shape.may_be_within(*known, MOST_CHANGES))
        || exact.iter().chain(&CONFUSED).any(|known| *known == shape)
        || aws_prefix != AWS.prefix && shape.may_be_within(Shape::of(aws_prefix), MOST_CHANGES);
    if may_be_ours { read_ours((prefix, shape), suffix, aws_prefix, compared) } else { Reading::Other }
}

#[cold]
fn read_ours((prefix, shape): (&str, Shape), suffix: &str, aws_prefix: &str, compared: usize) -> Reading {
    for family in FAMILIES {
        if prefix == family.prefix || prefix == family.prefix_of("", aws_prefix) {
            let reading = family.read(suffix, prefix, aws_prefix);
            // A key that is not of this family may be of another.
            if reading != Reading::Other || !family.is_shared {
                return reading;
            }
        }
    }
    for family in FAMILIES.into_iter().take(compared) {
        if family.resembles((prefix, shape), aws_prefix)
            && let Some(meant) = family.nearest(suffix)
        {
            return Reading::Misspelled(family.key(meant, aws_prefix));
        }
    }
    if prefix == LEGACY_PREFIX { Reading::Legacy } else { Reading::Other }
}

/// The maximum number of changes between a prefix and the one that is meant.
const MOST_CHANGES: usize = 3;

impl Family {
    /// The suffixes of its keys, for messages.
    #[must_use]
    #[cold]
    pub fn suffixes(&self) -> String {
        self.keys.iter().map(|key| key.suffix).collect::<Vec<_>>().join(", ")
    }

    /// Classifies a suffix under the family's own prefix, or under the one in
    /// the settings.
    #[cold]
    fn read(&'static self, suffix: &str, prefix: &str, aws_prefix: &str) -> Reading {
        if let Some(key) = self.keys.iter().find(|key| key.suffix == suffix) {
            let is_here = prefix == self.prefix_of(suffix, aws_prefix);
            return if is_here { Reading::Known(key) } else { Reading::Elsewhere(self.key(suffix, aws_prefix)) };
        }
        // A prefix in the settings may be that of a company with its own keys.
        let is_own = prefix == self.prefix;
        if is_own && self.labels.contains(&suffix) {
            return Reading::Label;
        }
        if is_own && self.others.iter().any(|pattern| glob::matches(pattern, suffix)) {
            return Reading::Other;
        }
        let confused = || self.confused.iter().find(|(written, _)| is_own && written.eq_ignore_ascii_case(suffix));
        match self.nearest(suffix).or_else(|| confused().map(|(_, meant)| *meant)) {
            Some(meant) => Reading::Misspelled(self.key(meant, aws_prefix)),
            None if is_own && !self.is_shared => Reading::Unknown(self),
            None => Reading::Other,
        }
    }

    /// The prefix that a suffix has in a cluster.
    fn prefix_of<'k>(&self, suffix: &str, aws_prefix: &'k str) -> &'k str
    where
        'static: 'k,
    {
        if self.prefix == AWS.prefix && suffix != ECR_ROLE_ARN { aws_prefix } else { self.prefix }
    }

    #[cold]
    fn key(&self, suffix: &str, aws_prefix: &str) -> String {
        [self.prefix_of(suffix, aws_prefix), "/", suffix].concat()
    }

    /// Whether a prefix is nearly one of this family's: at most three changes,
    /// and at most a third of its length.
    fn resembles(&self, prefix: (&str, Shape), aws_prefix: &str) -> bool {
        let is_near =
            |known: &str, shape| closest::within(prefix, (known, shape), (known.len() / 3).min(MOST_CHANGES)).is_some();
        let set = self.prefix_of("", aws_prefix);
        is_near(self.prefix, self.shape)
            || set != self.prefix && is_near(set, Shape::of(set))
            || self.confused_prefixes.contains(&prefix.0)
    }

    /// The suffix that is nearly this one: at most two changes. No two suffixes
    /// are so similar that a word could be closer to the second.
    #[cold]
    fn nearest(&self, suffix: &str) -> Option<&'static str> {
        let word = (suffix, Shape::of(suffix));
        let is_near = |key: &&Key| closest::within(word, (key.suffix, Shape::of(key.suffix)), 2).is_some();
        self.keys.iter().find(is_near).map(|key| key.suffix)
    }
}

#[cfg(test)]
mod tests;
