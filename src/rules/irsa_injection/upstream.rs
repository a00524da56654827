// SPDX-License-Identifier: Apache-2.0
//! The parts of the EKS Pod identity webhook that this policy reproduces, as of
//! the last review. When upstream changes: read the files of [`READ`] again,
//! put the new commit here and on the page of the rule, and adapt what differs.

use super::LEAST_SECONDS;
use super::injection::{IRSA, IdentityMethod, POD_IDENTITY};
use crate::identity::key::{
    AUDIENCE, ROLE_ARN, Reading, SKIP_CONTAINERS, STS_REGIONAL_ENDPOINTS, TOKEN_EXPIRATION, read,
};
use crate::rules::shared::cloud::{self, SKIP_LABEL};
use crate::settings::aws::Aws;

/// The commit of `aws/amazon-eks-pod-identity-webhook`, and its date.
const COMMIT: &str = "3bf80a34";
const DATE: &str = "2026-08-11";

/// The files that define what is reproduced here.
const READ: [&str; 7] = [
    "pkg/annotations.go",
    "pkg/constants.go",
    "pkg/validation.go",
    "pkg/cache/cache.go",
    "pkg/handler/handler.go",
    "pkg/containercredentials/config.go",
    "deploy/mutatingwebhook.yaml",
];

#[test]
fn the_page_names_commit_and_files() {
    let page = include_str!("../../../docs/rules/irsa-injection.md");
    for part in [COMMIT, DATE].into_iter().chain(READ) {
        assert!(page.contains(part), "docs/rules/irsa-injection.md does not name {part}");
    }
}

/// `pkg/annotations.go`, `main.go`: every key that the webhook reads, and no other.
#[test]
fn keys() {
    let ours = [ROLE_ARN, AUDIENCE, STS_REGIONAL_ENDPOINTS, TOKEN_EXPIRATION, SKIP_CONTAINERS];
    let upstream = ["role-arn", "audience", "sts-regional-endpoints", "token-expiration", "skip-containers"];
    assert_eq!(ours, upstream);
    let Reading::Unknown(family) = read("eks.amazonaws.com/something-else", "eks.amazonaws.com") else {
        panic!("the family has a key that upstream does not have");
    };
    // Another program reads the last key.
    let mut keys: Vec<_> = upstream.into_iter().chain(["ecr-role-arn"]).collect();
    let suffixes = family.suffixes();
    let mut known: Vec<_> = suffixes.split(", ").collect();
    keys.sort_unstable();
    known.sort_unstable();
    assert_eq!(known, keys);
}

/// `main.go`: the defaults of the flags; `deploy/mutatingwebhook.yaml`: the label.
#[test]
fn defaults() {
    let aws = Aws::default();
    assert_eq!(&*aws.annotation_prefix, "eks.amazonaws.com");
    assert_eq!(&*aws.token_mount_path, "/var/run/secrets/eks.amazonaws.com/serviceaccount");
    assert_eq!(&*aws.region, "");
    assert_eq!(&*aws.default_audience, "sts.amazonaws.com");
    assert_eq!(SKIP_LABEL, "eks.amazonaws.com/skip-pod-identity-webhook");
}

/// `pkg/handler/handler.go`, `main.go`: volumes, files, directories and audiences.
#[test]
fn volumes() {
    let parts = |method: &IdentityMethod| [method.volume, method.file, method.directory, method.audience];
    assert_eq!(
        parts(&IRSA),
        ["aws-iam-token", "token", "/var/run/secrets/eks.amazonaws.com/serviceaccount", "sts.amazonaws.com"]
    );
    assert_eq!(
        parts(&POD_IDENTITY),
        [
            "eks-pod-identity-token",
            "eks-pod-identity-token",
            "/var/run/secrets/pods.eks.amazonaws.com/serviceaccount",
            "pods.eks.amazonaws.com"
        ]
    );
    for method in [&IRSA, &POD_IDENTITY] {
        assert_eq!(cloud::of_volume(method.volume), Some(cloud::Cloud::AWS));
    }
}

/// `pkg/constants.go`, `pkg/validation.go`: the minimum lifetime, and how the
/// default one is spread, for Pod Identity only.
#[test]
fn lifetimes() {
    assert_eq!(LEAST_SECONDS, 600);
    let spread: Vec<_> = (0..1000).map(|uid| POD_IDENTITY.spread(86_400, &uid.to_string())).collect();
    assert!(spread.iter().all(|seconds| (79_200..=86_400).contains(seconds)));
    assert!(spread.iter().any(|seconds| *seconds < 81_000) && spread.iter().any(|seconds| *seconds > 85_000));
    assert_eq!((POD_IDENTITY.spread(86_399, "x"), IRSA.spread(86_400, "x")), (86_399, 86_400));
}

/// `pkg/handler/handler.go`: the variables that turn parts of the injection off.
#[test]
fn variables() {
    assert_eq!(
        [cloud::AWS_ROLE, cloud::AWS_TOKEN_FILE, cloud::AWS_CONTAINER_URI, cloud::AWS_CONTAINER_TOKEN_FILE],
        [
            "AWS_ROLE_ARN",
            "AWS_WEB_IDENTITY_TOKEN_FILE",
            "AWS_CONTAINER_CREDENTIALS_FULL_URI",
            "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"
        ]
    );
}
