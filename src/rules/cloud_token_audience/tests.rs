// SPDX-License-Identifier: Apache-2.0
use rstest::rstest;
use serde_json::{Value, json};

use crate::cluster::LookupError;
use crate::testing::{
    FakeCluster, admitted_pod, annotated_cluster, create, deployment, only, outcome, projected, quiet_cluster,
    reported, review, settings_problems, token, tokenless_pod, update,
};

const ID: &str = "cloud-token-audience";
const AWS: &str = "sts.amazonaws.com";
const AZURE: &str = "api://AzureADTokenExchange";
const ROLE: (&str, &str) = ("eks.amazonaws.com/role-arn", "arn:aws:iam::123456789012:role/app");
const CLIENT: (&str, &str) = ("azure.workload.identity/client-id", "6c9c0b1e-0000-0000-0000-000000000000");
const GOOGLE: (&str, &str) = ("iam.gke.io/gcp-service-account", "app@project-1.iam.gserviceaccount.com");

fn settings(params: &Value) -> Value {
    only(&json!({ID: params}))
}

fn pod(volume: &str, audience: &str) -> Value {
    tokenless_pod(&json!({"volumes": [projected(volume, &json!([token(audience, 3600)]))]}))
}

fn checked(pod: &Value, cluster: &FakeCluster) -> Value {
    review(&create(pod), &settings(&json!("reject")), cluster)
}

fn unknown() -> FakeCluster {
    FakeCluster::failing(LookupError::NotGranted)
}

#[test]
fn messages() {
    assert_eq!(
        reported(&checked(&pod("t", AWS), &quiet_cluster()), ID),
        [
            "spec.volumes[t].projected.sources[token].serviceAccountToken.audience: makes the token a credential of AWS, where ServiceAccount `app` declares no identity; use one with eks.amazonaws.com/role-arn"
        ]
    );
    assert_eq!(
        reported(&checked(&pod("t", AZURE), &unknown()), ID),
        [
            "spec.volumes[t].projected.sources[token].serviceAccountToken.audience: makes the token a credential of Azure; make sure that ServiceAccount `app`, which is unknown here, has azure.workload.identity/client-id"
        ]
    );
}

#[test]
fn other_token_beside() {
    let volume = |name: &str, audience: &str| projected(name, &json!([token(audience, 3600)]));
    let pod = tokenless_pod(&json!({"volumes": [volume("v", "vault"), volume("t", AWS)]}));
    assert_eq!(
        reported(&checked(&pod, &quiet_cluster()), ID),
        reported(&checked(&self::pod("t", AWS), &quiet_cluster()), ID)
    );
}

/// Each cloud requires its own annotation.
#[rstest]
#[case(AWS, &[ROLE], "fine")]
#[case(AWS, &[("eks.amazonaws.com/role-arn", "")], "reject")]
#[case(AWS, &[("eks.amazonaws.com/audience", AWS)], "reject")]
#[case(AWS, &[CLIENT, GOOGLE], "reject")]
#[case(AZURE, &[CLIENT], "fine")]
#[case(AZURE, &[("azure.workload.identity/tenant-id", "x")], "reject")]
#[case(AZURE, &[ROLE, GOOGLE], "reject")]
#[case::for_nobody_we_know("vault", &[], "fine")]
#[case::the_agent_of_eks("pods.eks.amazonaws.com", &[], "fine")]
#[case::the_api("", &[], "fine")]
fn clouds(#[case] audience: &str, #[case] annotations: &[(&str, &str)], #[case] expected: &str) {
    assert_eq!(outcome(&checked(&pod("t", audience), &annotated_cluster(annotations))), expected);
}

#[rstest]
#[case::china("sts.amazonaws.com.cn", &[ROLE], "fine")]
#[case::china("sts.amazonaws.com.cn", &[CLIENT], "reject")]
#[case::azure_for_governments("api://AzureADTokenExchangeUSGov", &[CLIENT], "fine")]
#[case::azure_for_governments("api://AzureADTokenExchangeUSGov", &[ROLE], "reject")]
#[case::google("https://iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/k", &[GOOGLE], "fine")]
#[case::google("https://iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/k", &[ROLE], "reject")]
#[case::any_cloud("my-cloud", &[GOOGLE], "fine")]
#[case::any_cloud("my-cloud", &[], "reject")]
#[case::not_listed_any_more("sts.amazonaws.com", &[], "fine")]
#[case::the_api("", &[], "fine")]
fn configured_audiences(#[case] audience: &str, #[case] annotations: &[(&str, &str)], #[case] expected: &str) {
    let list = json!(["sts.amazonaws.com.*", "api://AzureADTokenExchange?*", "*googleapis.com/*", "my-*"]);
    let params = json!({"action": "reject", "cloudAudiences": list});
    let answer = review(&create(&pod("t", audience)), &settings(&params), &annotated_cluster(annotations));
    assert_eq!(outcome(&answer), expected);
    if audience == "my-cloud" && expected == "reject" {
        let lines = reported(&answer, ID);
        assert!(
            lines[0].contains("a credential of a cloud, ") && lines[0].ends_with("; use one with an identity"),
            "{lines:?}"
        );
    }
}

#[test]
fn webhook_flags() {
    let mut settings = settings(&json!({"action": "reject", "cloudAudiences": ["my-aws"]}));
    settings["aws"] = json!({"annotationPrefix": "irsa.example.com", "defaultAudience": "my-aws"});
    let reviewed =
        |cluster: &FakeCluster| outcome(&review(&create(&pod("aws-iam-token", "my-aws")), &settings, cluster));
    assert_eq!(reviewed(&annotated_cluster(&[("irsa.example.com/role-arn", ROLE.1)])), "fine");
    assert_eq!(reviewed(&annotated_cluster(&[ROLE, CLIENT])), "reject");
}

/// The webhooks add their tokens only if an account declares an identity. If it
/// still does, or is unknown by now, their tokens are accepted.
#[rstest]
#[case::irsa("aws-iam-token", AWS, "token", ROLE)]
#[case::azure("azure-identity-token", AZURE, "azure-identity-token", CLIENT)]
#[case::azure_of_late("azure-workload-identity-reserved-0123456789", AZURE, "token/azure-identity-token", CLIENT)]
fn webhooks_token(#[case] volume: &str, #[case] audience: &str, #[case] path: &str, #[case] annotation: (&str, &str)) {
    let mut pod = pod(volume, audience);
    pod["spec"]["volumes"][0]["projected"]["sources"][0]["serviceAccountToken"]["path"] = json!(path);
    assert_eq!(outcome(&checked(&pod, &annotated_cluster(&[annotation]))), "fine");
    assert_eq!(outcome(&checked(&pod, &unknown())), "fine");
    assert_eq!(outcome(&checked(&pod, &quiet_cluster())), "reject");
}

#[test]
fn account_lookup() {
    assert_eq!(outcome(&checked(&pod("t", AWS), &unknown())), "warn");
    let absent = FakeCluster::failing(LookupError::Absent);
    assert_eq!(outcome(&checked(&pod("t", AWS), &absent)), "reject");
    let template = deployment(&json!({"volumes": [projected("t", &json!([token(AWS, 3600)]))]}));
    assert_eq!(outcome(&checked(&template, &absent)), "warn");
    assert_eq!(checked(&pod("t", AWS), &FakeCluster::failing(LookupError::Failed))["code"], 503);
    // Nothing is looked up for tokens for others.
    let quiet = quiet_cluster();
    checked(&pod("t", "vault"), &quiet);
    checked(&admitted_pod(&json!({"serviceAccountName": "app"})), &quiet);
    assert_eq!(quiet.lookups(), 0);
}

/// Attempts to bypass the rule.
#[rstest]
#[case::the_name_of_the_webhooks(json!([projected("aws-iam-token", &json!([token(AWS, 86400)]))]))]
#[case::beside_another(json!([projected("t", &json!([token("vault", 600), token(AWS, 600)]))]))]
#[case::in_a_later_volume(json!([{"name": "e", "emptyDir": {}}, projected("t", &json!([token(AWS, 600)]))]))]
#[case::mounted_nowhere(json!([projected("unused", &json!([token(AWS, 600)]))]))]
#[case::the_name_of_the_plugin(json!([projected("kube-api-access-bcd24", &json!([token(AWS, 3607)]))]))]
#[case::of_two_clouds(json!([projected("t", &json!([token(AWS, 600), token(AZURE, 600)]))]))]
fn bypass(#[case] volumes: Value) {
    let cluster = annotated_cluster(&[CLIENT]);
    assert_eq!(outcome(&checked(&tokenless_pod(&json!({"volumes": volumes})), &cluster)), "reject");
    let template = deployment(&json!({"serviceAccountName": "app", "volumes": volumes}));
    assert_eq!(outcome(&checked(&template, &cluster)), "reject");
}

#[test]
fn old_problem_warns() {
    let with = |audience: &str, replicas: usize| {
        let mut object = deployment(
            &json!({"serviceAccountName": "app", "volumes": [projected("t", &json!([token(audience, 3600)]))]}),
        );
        object["spec"]["replicas"] = json!(replicas);
        object
    };
    let reviewed =
        |old: &Value, new: &Value| outcome(&review(&update(old, new), &settings(&json!("reject")), &quiet_cluster()));
    assert_eq!(reviewed(&with(AWS, 1), &with(AWS, 2)), "warn");
    assert_eq!(reviewed(&with(AWS, 1), &with(AZURE, 1)), "reject");
}

#[test]
fn exempt_pod() {
    let mut settings = settings(&json!("reject"));
    settings["exemptions"] = json!([{"rules": [ID], "serviceAccounts": ["shop/app"]}]);
    assert_eq!(outcome(&review(&create(&pod("t", AWS)), &settings, &quiet_cluster())), "fine");
}

#[test]
fn warns_by_default() {
    let answer = review(&create(&pod("t", AWS)), &json!({}), &quiet_cluster());
    assert_eq!((outcome(&answer), reported(&answer, ID).len()), ("warn", 1));
}

#[test]
fn rejects_wrong_parameters() {
    assert_eq!(
        settings_problems(&settings(&json!({"cloudAudiences": "sts.amazonaws.com"}))),
        ["rules.cloud-token-audience.cloudAudiences: must be a list, is a string"]
    );
}

/// The comparison without patterns agrees with the default.
#[rstest]
#[case("sts.amazonaws.com")]
#[case("sts.amazonaws.com.cn")]
#[case("api://AzureADTokenExchange")]
#[case("api://AzureADTokenExchangeChina")]
#[case("xapi://AzureADTokenExchange")]
#[case("api://AKSIdentityBinding")]
#[case("api://AKSIdentityBindings")]
#[case("sts.aliyuncs.com")]
#[case("sts.cloud.tencent.com")]
#[case("sts.googleapis.com")]
#[case("//iam.googleapis.com/projects/1")]
#[case("https://iam.googleapis.com/projects/1")]
#[case("iam.googleapis.com")]
#[case("shop-prod.svc.id.goog")]
#[case("shop-prod.svc.id.goog/x")]
#[case("vault")]
fn default_audiences(#[case] audience: &str) {
    let patterns: Vec<String> = serde_json::from_str(super::CLOUD_AUDIENCES.default).unwrap();
    let is_listed = patterns.iter().any(|pattern| crate::matching::glob::matches(pattern, audience));
    assert_eq!(super::is_cloud_audience(audience), is_listed);
}
