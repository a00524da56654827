// SPDX-License-Identifier: Apache-2.0
use rstest::rstest;

use super::*;
use crate::fast::distance::distance;

const EKS: &str = "eks.amazonaws.com";

fn near(key: &str) -> Reading {
    Reading::Misspelled(key.to_owned())
}

/// Keys that something reads, each with the page that documents it.
#[rstest]
// <https://docs.aws.amazon.com/eks/latest/userguide/associate-service-account-role.html>
#[case("eks.amazonaws.com/role-arn", On::Account)]
// <https://github.com/aws/amazon-eks-pod-identity-webhook/blob/master/pkg/annotations.go>
#[case("eks.amazonaws.com/audience", On::Account)]
#[case("eks.amazonaws.com/token-expiration", On::Both)]
#[case("eks.amazonaws.com/skip-containers", On::Pod)]
// <https://docs.aws.amazon.com/eks/latest/userguide/configure-sts-endpoint.html>
#[case("eks.amazonaws.com/sts-regional-endpoints", On::Account)]
// <https://github.com/kubernetes/cloud-provider-aws/issues/1264>
#[case("eks.amazonaws.com/ecr-role-arn", On::Account)]
// <https://cloud.google.com/kubernetes-engine/docs/how-to/workload-identity>
#[case("iam.gke.io/gcp-service-account", On::Account)]
#[case("iam.gke.io/return-principal-id-as-email", On::Account)]
#[case("iam.gke.io/credential-quota-project", On::Account)]
// <https://azure.github.io/azure-workload-identity/docs/topics/service-account-labels-and-annotations.html>
#[case("azure.workload.identity/client-id", On::Account)]
#[case("azure.workload.identity/tenant-id", On::Account)]
#[case("azure.workload.identity/service-account-token-expiration", On::Both)]
#[case("azure.workload.identity/skip-containers", On::Pod)]
#[case("azure.workload.identity/inject-proxy-sidecar", On::Pod)]
#[case("azure.workload.identity/proxy-sidecar-port", On::Pod)]
fn known_keys(#[case] key: &str, #[case] on: On) {
    assert!(matches!(read(key, EKS), Reading::Known(known) if known.on == on), "{:?}", read(key, EKS));
}

/// Keys of webhooks that share their prefix with others.
#[rstest]
#[case("pod-identity.alibabacloud.com/role-name", "pod-identity.alibabacloud.com/role_name")]
#[case("pod-identity.alibabacloud.com/role-name", "pod-identity.alibabacloud.com/role-arn")]
#[case("tke.cloud.tencent.com/role-arn", "tke.cloud.tencent.com/rolearn")]
#[case("tke.cloud.tencent.com/role-arn", "tke.cloud.tencent.co/role-arn")]
#[case("cloud.google.com/service-account-email", "cloud.google.com/serviceaccount-email")]
#[case("iam.gke.io/gcp-service-account", "cloud.google.com/gcp-service-account")]
#[case("kubernetes.azure.com/acr-client-id", "kubernetes.azure.com/acr-clientid")]
fn shared_prefixes(#[case] key: &str, #[case] misspelt: &str) {
    assert!(matches!(read(key, EKS), Reading::Known(known) if known.selects));
    assert_eq!(read(misspelt, EKS), Reading::Misspelled(key.to_owned()));
}

/// On Pods, misspelled prefixes are compared with only three; exact keys are
/// recognized for all.
#[test]
fn keys_on_pods() {
    assert!(matches!(read_on_pod("tke.cloud.tencent.com/role-arn", EKS), Reading::Known(_)));
    assert_eq!(read_on_pod("tke.cloud.tencent.co/role-arn", EKS), Reading::Other);
    assert!(matches!(read_on_pod("eks.amazon.com/role-arn", EKS), Reading::Misspelled(_)));
}

/// Keys of others, each with the page that documents it.
#[rstest]
// <https://docs.aws.amazon.com/eks/latest/userguide/fargate-getting-started.html>
#[case("eks.amazonaws.com/compute-type")]
#[case("eks.amazonaws.com/fargate-profile")]
// <https://docs.aws.amazon.com/eks/latest/userguide/managed-node-groups.html>
#[case("eks.amazonaws.com/nodegroup")]
#[case("eks.amazonaws.com/nodegroup-image")]
#[case("eks.amazonaws.com/capacityType")]
#[case("eks.amazonaws.com/sourceLaunchTemplateId")]
// <https://github.com/aws/amazon-eks-pod-identity-webhook/blob/master/pkg/handler/handler.go>
#[case("eks.amazonaws.com/pod-identity")]
// <https://github.com/Azure/azure-workload-identity/blob/main/pkg/webhook/consts.go>
#[case("azure.workload.identity/use-proxy")]
// <https://cloud.google.com/kubernetes-engine/docs/how-to/workload-identity>
#[case("iam.gke.io/gke-metadata-server-enabled")]
// <https://kubernetes.io/docs/reference/labels-annotations-taints/>
#[case("kubernetes.io/enforce-mountable-secrets")]
#[case("kubectl.kubernetes.io/last-applied-configuration")]
#[case("cluster-autoscaler.kubernetes.io/safe-to-evict")]
// <https://docs.aws.amazon.com/eks/latest/userguide/sg-pods-example-deployment.html>
#[case("vpc.amazonaws.com/pod-eni")]
// <https://docs.aws.amazon.com/eks/latest/userguide/windows-support.html>
#[case("vpc.amazonaws.com/PrivateIPv4Address")]
// <https://docs.aws.amazon.com/eks/latest/userguide/cni-custom-network.html>
#[case("k8s.amazonaws.com/eniConfig")]
// <https://docs.aws.amazon.com/eks/latest/userguide/auto-configure-alb.html>
#[case("alb.ingress.kubernetes.io/scheme")]
// <https://cloud.google.com/kubernetes-engine/docs/how-to/container-native-load-balancing>
#[case("cloud.google.com/neg")]
#[case("networking.gke.io/load-balancer-type")]
// <https://learn.microsoft.com/en-us/azure/aks/internal-lb>
#[case("service.beta.kubernetes.io/azure-load-balancer-internal")]
#[case("aad.portal.azure.com/client-id")]
// Keys of other tools.
#[case("meta.helm.sh/release-name")]
#[case("prometheus.io/scrape")]
#[case("sidecar.istio.io/inject")]
#[case("vault.hashicorp.com/role")]
#[case("example.com/role-arn")]
#[case("crossplane.io/external-name")]
#[case("role-arn")]
#[case("")]
#[case("/")]
#[case("eks.amazonaws.com")]
fn other_keys(#[case] key: &str) {
    assert_eq!(read(key, EKS), Reading::Other);
}

#[rstest]
// <https://github.com/aws/amazon-eks-pod-identity-webhook/blob/master/deploy/mutatingwebhook.yaml>
#[case("eks.amazonaws.com/skip-pod-identity-webhook")]
// <https://azure.github.io/azure-workload-identity/docs/topics/service-account-labels-and-annotations.html>
#[case("azure.workload.identity/use")]
fn labels(#[case] key: &str) {
    assert_eq!(read(key, EKS), Reading::Label);
}

/// What people wrote, and what they meant.
#[rstest]
// <https://github.com/aws/amazon-eks-pod-identity-webhook/issues/200>
#[case("eks.amazon.com/role-arn", "eks.amazonaws.com/role-arn")]
// <https://github.com/aws/amazon-eks-pod-identity-webhook/issues/77>
#[case("eks.amazoneaws.com/role-arn", "eks.amazonaws.com/role-arn")]
// <https://github.com/aws/amazon-eks-pod-identity-webhook/issues/110>
#[case("eks.amazonaws.com/sts-regional-endpoint", "eks.amazonaws.com/sts-regional-endpoints")]
// <https://github.com/Azure/azure-workload-identity/issues/1026>
#[case("azure.workload.identity/client_id", "azure.workload.identity/client-id")]
#[case("eks.amazonaws.com/rolearn", "eks.amazonaws.com/role-arn")]
#[case("eks.amazonaws.com/role_arn", "eks.amazonaws.com/role-arn")]
#[case("eks.amazonaws.com/roleArn", "eks.amazonaws.com/role-arn")]
#[case("eks.amazonaws.com/role-arm", "eks.amazonaws.com/role-arn")]
#[case("EKS.amazonaws.com/role-arn", "eks.amazonaws.com/role-arn")]
#[case("eks.amazonaws.com/Role-Arn", "eks.amazonaws.com/role-arn")]
#[case("eks.amazonaws.com/role", "eks.amazonaws.com/role-arn")]
#[case("eks.amazonaws.com/iam-role-arn", "eks.amazonaws.com/role-arn")]
#[case("eks.amazonaws.com/role-name", "eks.amazonaws.com/role-arn")]
#[case("eks.amazonaws.com/arn", "eks.amazonaws.com/role-arn")]
#[case("ecs.amazonaws.com/role-arn", "eks.amazonaws.com/role-arn")]
#[case("esk.amazonaws.com/role-arn", "eks.amazonaws.com/role-arn")]
#[case("eks.amazonaws.com.cn/role-arn", "eks.amazonaws.com/role-arn")]
#[case("iam.amazonaws.com/role-arn", "eks.amazonaws.com/role-arn")]
#[case("sts.amazonaws.com/role-arn", "eks.amazonaws.com/role-arn")]
#[case("amazonaws.com/role-arn", "eks.amazonaws.com/role-arn")]
#[case("aws.amazon.com/role-arn", "eks.amazonaws.com/role-arn")]
// Both halves.
#[case("eks.amazon.com/rolearn", "eks.amazonaws.com/role-arn")]
#[case("eks.amazonaws.com/audiences", "eks.amazonaws.com/audience")]
#[case("eks.amazonaws.com/token-audience", "eks.amazonaws.com/audience")]
#[case("eks.amazonaws.com/token-expiry", "eks.amazonaws.com/token-expiration")]
#[case("eks.amazonaws.com/service-account-token-expiration", "eks.amazonaws.com/token-expiration")]
#[case("eks.amazonaws.com/token-expiration-seconds", "eks.amazonaws.com/token-expiration")]
#[case("eks.amazonaws.com/skip-container", "eks.amazonaws.com/skip-containers")]
#[case("eks.amazonaws.com/skipcontainers", "eks.amazonaws.com/skip-containers")]
#[case("eks.amazonaws.com/ecr-rolearn", "eks.amazonaws.com/ecr-role-arn")]
#[case("eks.amazonaws.com/ecr-role", "eks.amazonaws.com/ecr-role-arn")]
#[case("eks.amazon.com/ecr-role-arn", "eks.amazonaws.com/ecr-role-arn")]
#[case("iam.gke.io/gcp-serviceaccount", "iam.gke.io/gcp-service-account")]
#[case("iam.gke.io/gcp-service-acount", "iam.gke.io/gcp-service-account")]
#[case("iam.gke.io/google-service-account", "iam.gke.io/gcp-service-account")]
#[case("iam.gke.com/gcp-service-account", "iam.gke.io/gcp-service-account")]
#[case("iam.gcp.io/gcp-service-account", "iam.gke.io/gcp-service-account")]
#[case("cloud.google.com/gcp-service-account", "iam.gke.io/gcp-service-account")]
#[case("azure.workload.identity/clientId", "azure.workload.identity/client-id")]
#[case("azure.workload.identity/clientid", "azure.workload.identity/client-id")]
#[case("azure.workload.identity/tenantid", "azure.workload.identity/tenant-id")]
#[case("azure.workload.identity/app-id", "azure.workload.identity/client-id")]
#[case("azure.workload.identity/token-expiration", "azure.workload.identity/service-account-token-expiration")]
#[case("azure.workload.identity/skip-container", "azure.workload.identity/skip-containers")]
#[case("azure.workload.identity/inject-proxy", "azure.workload.identity/inject-proxy-sidecar")]
#[case("azure.workload-identity/client-id", "azure.workload.identity/client-id")]
#[case("azure.workload.identity.io/client-id", "azure.workload.identity/client-id")]
#[case("azure.workloadidentity/client-id", "azure.workload.identity/client-id")]
#[case("azure.workload.indentity/client-id", "azure.workload.identity/client-id")]
#[case("workload.identity/client-id", "azure.workload.identity/client-id")]
fn misspelt_keys(#[case] key: &str, #[case] meant: &str) {
    assert_eq!(read(key, EKS), near(meant));
}

#[rstest]
#[case("eks.amazonaws.com/owner", "eks.amazonaws.com")]
#[case("iam.gke.io/owner", "iam.gke.io")]
#[case("azure.workload.identity/inject", "azure.workload.identity")]
#[case("azure.workload.identity/", "azure.workload.identity")]
fn unknown_keys(#[case] key: &str, #[case] prefix: &str) {
    assert!(matches!(read(key, EKS), Reading::Unknown(family) if family.prefix == prefix), "{:?}", read(key, EKS));
}

/// <https://github.com/uswitch/kiam#overview>, <https://github.com/jtblin/kube2iam#usage>
#[rstest]
fn legacy_keys(#[values("role", "permitted", "allowed-roles", "external-id", "session-name")] suffix: &str) {
    assert_eq!(read(&format!("iam.amazonaws.com/{suffix}"), EKS), Reading::Legacy);
}

/// A webhook with its own prefix reads nothing else; the kubelet's credential provider reads only that of EKS.
#[rstest]
#[case("eks.amazonaws.com/role-arn", Reading::Elsewhere("irsa.example.com/role-arn".to_owned()))]
#[case("eks.amazonaws.com/skip-containers", Reading::Elsewhere("irsa.example.com/skip-containers".to_owned()))]
#[case("irsa.example.com/ecr-role-arn", Reading::Elsewhere(ECR_KEY.to_owned()))]
#[case("eks.amazonaws.com/rolearn", near("irsa.example.com/role-arn"))]
#[case("eks.amazon.com/role-arn", near("irsa.example.com/role-arn"))]
#[case("irsa.example.com/rolearn", near("irsa.example.com/role-arn"))]
#[case("irsa.example.co/role-arn", near("irsa.example.com/role-arn"))]
#[case("irsa.example.com/ecr-rolearn", near(ECR_KEY))]
#[case("eks.amazonaws.com/compute-type", Reading::Other)]
// The prefix may be that of a company with its own keys.
#[case("irsa.example.com/owner", Reading::Other)]
#[case("irsa.example.com/role", Reading::Other)]
#[case("irsa.example.com/use-it", Reading::Other)]
#[case("iam.gke.io/gcp-serviceaccount", near("iam.gke.io/gcp-service-account"))]
fn configured_prefix(#[case] key: &str, #[case] expected: Reading) {
    assert_eq!(read(key, "irsa.example.com"), expected);
}

/// A short prefix counts as misspelled only if at most a third of it differs.
#[rstest]
#[case("id.ix/role-arn", near("id.io/role-arn"))]
#[case("ix.ix/role-arn", Reading::Other)]
#[case("example.com/role-arn", Reading::Other)]
fn short_prefix(#[case] key: &str, #[case] expected: Reading) {
    assert_eq!(read(key, "id.io"), expected);
}

#[test]
fn configured_prefix_has_all_keys() {
    for key in
        ["irsa.example.com/role-arn", "irsa.example.com/token-expiration", ECR_KEY, "iam.gke.io/gcp-service-account"]
    {
        assert!(matches!(read(key, "irsa.example.com"), Reading::Known(_)), "{key}");
    }
}

/// A prefix that its shape rules out is really unknown.
#[test]
fn shapes_rule_out_nothing_that_is_read() {
    assert_eq!(SHAPES, FAMILIES.map(|family| family.shape));
    let mut prefixes = vec!["prometheus.io".to_owned(), "checksum".to_owned(), LEGACY_PREFIX.to_owned()];
    for prefix in FAMILIES.iter().flat_map(|family| family.confused_prefixes.iter().chain([&family.prefix])) {
        for cut in 0..=prefix.len() {
            let (before, behind) = prefix.split_at(cut);
            for changed in [[before, behind].concat(), [before, "x-", behind].concat(), behind.to_owned()] {
                prefixes.extend([changed.to_uppercase(), changed.replacen('a', "xyz", 1), changed]);
            }
        }
    }
    for prefix in &prefixes {
        for (suffix, aws_prefix) in [(ROLE_ARN, EKS), ("gcp-service-account", EKS), ("clientid", "eks.example.com")] {
            let key = [prefix, "/", suffix].concat();
            for compared in [FAMILIES.len(), ON_PODS] {
                let plain = read_ours((prefix, Shape::of(prefix)), suffix, aws_prefix, compared);
                assert_eq!(read_like(&key, aws_prefix, compared), plain, "{key}");
            }
        }
    }
}

/// No entry of a table contradicts another.
#[test]
fn tables_agree() {
    for family in FAMILIES {
        let is_key = |suffix: &str| family.keys.iter().any(|key| key.suffix == suffix);
        for (written, meant) in family.confused {
            assert!(!is_key(written) && is_key(meant), "{written} {meant}");
            assert!(!family.others.iter().any(|pattern| glob::matches(pattern, written)), "{written}");
        }
        for suffix in family.labels.iter().chain(family.others) {
            assert_eq!(family.nearest(suffix), None, "{suffix} looks like a key");
        }
        for (index, key) in family.keys.iter().enumerate() {
            assert_eq!(family.nearest(key.suffix), Some(key.suffix));
            // Then the first suffix within two changes is the nearest, and two changes are at most a third of a suffix.
            let shortest =
                family.keys.iter().take(index).map(|other| distance(other.suffix.chars(), key.suffix.chars())).min();
            assert!(shortest.is_none_or(|shortest| shortest >= 4), "{} is like another", key.suffix);
            assert!(key.suffix.len() >= 6, "{} is short", key.suffix);
        }
        // Unknown keys under a shared prefix are compared with the other families.
        let is_own = |prefix: &str| FAMILIES.iter().any(|other| other.prefix == prefix && !other.is_shared);
        assert!(!family.confused_prefixes.iter().any(|prefix| is_own(prefix)));
    }
    let identities: Vec<String> = FAMILIES
        .iter()
        .flat_map(|family| family.keys.iter().filter(|key| key.selects).map(|key| family.key(key.suffix, EKS)))
        .collect();
    assert_eq!(
        identities,
        [
            "eks.amazonaws.com/role-arn",
            "eks.amazonaws.com/ecr-role-arn",
            "iam.gke.io/gcp-service-account",
            "azure.workload.identity/client-id",
            "azure.workload.identity/tenant-id",
            "cloud.google.com/workload-identity-provider",
            "cloud.google.com/service-account-email",
            "kubernetes.azure.com/acr-client-id",
            "kubernetes.azure.com/acr-tenant-id",
            "pod-identity.alibabacloud.com/role-name",
            "tke.cloud.tencent.com/role-arn",
            "eks.tke.cloud.tencent.com/role-arn",
        ]
    );
}

/// The configured prefix and the slash must match as a whole.
#[test]
fn suffix_follows_prefix() {
    assert_eq!(suffix("eks.amazonaws.com/role-arn", EKS), Some("role-arn"));
    for key in ["eks.amazonaws.com.role-arn", "x.eks.amazonaws.com/role-arn", "eks.amazonaws.com", "role-arn"] {
        assert_eq!(suffix(key, EKS), None, "{key}");
    }
}
