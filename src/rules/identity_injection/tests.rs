// SPDX-License-Identifier: Apache-2.0
use rstest::rstest;
use serde_json::{Value, json};

use crate::cluster::{AccountRecord, LookupError};
use crate::testing::{
    FakeCluster, create, deployment, only, outcome, projected, quiet_cluster, reported, review, settings_problems,
    token, tokenless_pod,
};

const ID: &str = "identity-injection";
const ROLE: &str = "arn:aws:iam::123456789012:role/s3";
const DIRECTORY: &str = "/var/run/secrets/eks.amazonaws.com/serviceaccount";
const AGENT_DIRECTORY: &str = "/var/run/secrets/pods.eks.amazonaws.com/serviceaccount";

fn settings() -> Value {
    let mut settings = only(&json!({ID: "reject"}));
    settings["phase"] = json!("validating");
    settings
}

fn cluster() -> FakeCluster {
    let record = AccountRecord::new(None).with_annotations(&[("eks.amazonaws.com/role-arn", ROLE)]);
    FakeCluster::with("shop", "app", record)
}

fn env(pairs: &[(&str, &str)]) -> Value {
    pairs.iter().map(|(name, value)| json!({"name": name, "value": value})).collect()
}

/// The variables of IRSA, with a token file.
fn irsa(file: &str) -> Value {
    env(&[("AWS_ROLE_ARN", ROLE), ("AWS_WEB_IDENTITY_TOKEN_FILE", file)])
}

fn agent() -> Value {
    env(&[
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://169.254.170.23/v1/credentials"),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", &format!("{AGENT_DIRECTORY}/eks-pod-identity-token")),
    ])
}

fn mount(name: &str, directory: &str) -> Value {
    json!([{"name": name, "readOnly": true, "mountPath": directory}])
}

#[expect(clippy::needless_pass_by_value, reason = "tables read better")]
fn container(name: &str, env: Value, mounts: Value) -> Value {
    json!({"name": name, "image": "registry.example/web:1", "env": env, "volumeMounts": mounts})
}

/// A container as the webhook leaves it.
fn with_role(name: &str) -> Value {
    container(name, irsa(&format!("{DIRECTORY}/token")), mount("aws-iam-token", DIRECTORY))
}

fn volume() -> Value {
    projected("aws-iam-token", &json!([token("sts.amazonaws.com", 86400)]))
}

fn agent_volume() -> Value {
    projected(
        "eks-pod-identity-token",
        &json!([{"serviceAccountToken": {
        "path": "eks-pod-identity-token", "audience": "pods.eks.amazonaws.com", "expirationSeconds": 79200}}]),
    )
}

#[expect(clippy::needless_pass_by_value, reason = "tables read better")]
fn pod(containers: Value, volumes: Value) -> Value {
    tokenless_pod(&json!({"containers": containers, "volumes": volumes}))
}

fn checked(pod: &Value) -> &'static str {
    outcome(&review(&create(pod), &settings(), &cluster()))
}

#[test]
fn messages() {
    let lines = |pod: &Value, cluster: &FakeCluster| reported(&review(&create(pod), &settings(), cluster), ID);
    assert_eq!(
        lines(&tokenless_pod(&json!({})), &cluster()),
        [
            "spec.containers[web]: did not get the role of account `app`: the EKS Pod identity webhook is down, or did not know the account yet; recreate the Pod"
        ]
    );
    assert_eq!(
        lines(
            &pod(
                json!([container("web", env(&[("AWS_ROLE_ARN", ROLE)]), mount("aws-iam-token", DIRECTORY))]),
                json!([volume()])
            ),
            &cluster()
        ),
        [
            "spec.containers[web].env[AWS_ROLE_ARN]: is set without AWS_WEB_IDENTITY_TOKEN_FILE, and the EKS Pod identity webhook does not add the missing variable; remove it, or set both"
        ]
    );
    assert_eq!(
        lines(&pod(json!([with_role("web")]), json!([{"name": "aws-iam-token", "emptyDir": {}}])), &cluster()),
        [
            "spec.containers[web].env[AWS_WEB_IDENTITY_TOKEN_FILE]: names a file where the container has no token; rename volumes and mounts that have the webhook's names"
        ]
    );
    assert_eq!(
        lines(&tokenless_pod(&json!({})), &FakeCluster::failing(LookupError::NotGranted)),
        [
            "spec.serviceAccountName: account `app` could not be looked up, so it is not known whether a role is missing; let the policy server get serviceaccounts"
        ]
    );
}

/// Pods as the webhook changes them, according to its own test data.
#[rstest]
#[case::irsa(with_role("web"))]
#[case::region_and_sts_first(container("web", env(&[
    ("AWS_STS_REGIONAL_ENDPOINTS", "regional"), ("AWS_DEFAULT_REGION", "eu-west-1"), ("AWS_REGION", "eu-west-1"),
    ("AWS_ROLE_ARN", ROLE), ("AWS_WEB_IDENTITY_TOKEN_FILE", &format!("{DIRECTORY}/token")),
]), mount("aws-iam-token", DIRECTORY)))]
#[case::the_other_order(container("web", env(&[
    ("AWS_WEB_IDENTITY_TOKEN_FILE", &format!("{DIRECTORY}/token")), ("X", "y"), ("AWS_ROLE_ARN", ROLE),
]), mount("aws-iam-token", DIRECTORY)))]
#[case::windows(container(
    "web",
    irsa(r"C:\var\run\secrets\eks.amazonaws.com\serviceaccount\token"),
    mount("aws-iam-token", DIRECTORY)
))]
#[case::agent(container("web", agent(), mount("eks-pod-identity-token", AGENT_DIRECTORY)))]
#[case::agent_beside_a_role_by_hand(container("web", {
    let mut both = agent();
    both.as_array_mut().unwrap().insert(0, json!({"name": "AWS_ROLE_ARN", "value": ROLE}));
    both
}, mount("eks-pod-identity-token", AGENT_DIRECTORY)))]
#[case::agent_on_windows(container("web", env(&[
    ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://169.254.170.23/v1/credentials"),
    ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", r"C:\var\run\secrets\pods.eks.amazonaws.com\serviceaccount\eks-pod-identity-token"),
]), mount("eks-pod-identity-token", AGENT_DIRECTORY)))]
#[case::behind_mounts_of_its_own(container("web", irsa(&format!("{DIRECTORY}/token")), json!([
    {"name": "data", "mountPath": "/data"}, {"name": "aws-iam-token", "readOnly": true, "mountPath": DIRECTORY},
])))]
fn as_the_webhook_leaves_it(#[case] container: Value) {
    let volumes = json!([volume(), agent_volume(), {"name": "data", "emptyDir": {}}]);
    assert_eq!(checked(&pod(json!([container]), volumes.clone())), "fine");
    // The same as an init container, and as a sidecar.
    let mut init = container;
    init["restartPolicy"] = json!("Always");
    let spec = json!({"initContainers": [init], "containers": [with_role("main")], "volumes": volumes});
    assert_eq!(checked(&tokenless_pod(&spec)), "fine");
}

/// What someone configured by hand, and the webhook leaves as it is.
#[rstest]
#[case::a_token_of_its_own(irsa("/tokens/aws"), mount("own", "/tokens"))]
#[case::a_file_alone(irsa("/tokens/aws"), json!([{"name": "own", "mountPath": "/tokens/aws", "subPath": "aws"}]))]
#[case::written_by_a_sidecar(irsa("/scratch/token"), mount("scratch", "/scratch"))]
#[case::from_a_config_map(json!([
    {"name": "AWS_ROLE_ARN", "value": ROLE},
    {"name": "AWS_WEB_IDENTITY_TOKEN_FILE", "valueFrom": {"configMapKeyRef": {"name": "c", "key": "k"}}},
]), json!([]))]
#[case::put_together(irsa("$(TOKENS)/aws"), json!([]))]
#[case::a_token_in_the_environment(env(&[
    ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://localhost:1338/latest/meta-data/container/security-credentials"),
    ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "x"),
]), json!([]))]
fn by_hand(#[case] env: Value, #[case] mounts: Value) {
    let own = json!({"name": "own", "projected": {"sources": [{"serviceAccountToken": {"path": "aws", "audience": "sts.amazonaws.com"}}]}});
    let volumes = json!([own, {"name": "scratch", "emptyDir": {}}, volume()]);
    assert_eq!(checked(&pod(json!([container("web", env, mounts)]), volumes)), "fine");
}

/// Pods that start without a role. Each differs in one point from what the
/// webhook creates.
#[rstest]
#[case::as_written(container("web", json!([]), json!([])))]
#[case::no_environment(json!({"name": "web", "image": "i"}))]
#[case::other_variables(container("web", env(&[("AWS_REGION", "eu-west-1")]), json!([])))]
#[case::only_a_role(container("web", env(&[("AWS_ROLE_ARN", ROLE)]), mount("aws-iam-token", DIRECTORY)))]
#[case::only_a_file(container("web", env(&[("AWS_WEB_IDENTITY_TOKEN_FILE", &format!("{DIRECTORY}/token"))]), mount("aws-iam-token", DIRECTORY)))]
#[case::only_an_address(container("web", env(&[("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://169.254.170.23/v1/credentials")]), json!([])))]
#[case::half_of_each(container("web", env(&[("AWS_ROLE_ARN", ROLE), ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "/x")]), mount("aws-iam-token", DIRECTORY)))]
#[case::no_mount(container("web", irsa(&format!("{DIRECTORY}/token")), json!([])))]
#[case::mounted_elsewhere(container("web", irsa(&format!("{DIRECTORY}/token")), mount("aws-iam-token", "/elsewhere")))]
#[case::mounted_beside(container("web", irsa(&format!("{DIRECTORY}/token")), mount("aws-iam-token", &format!("{DIRECTORY}2"))))]
#[case::no_such_file(container("web", irsa(&format!("{DIRECTORY}/jwt")), mount("aws-iam-token", DIRECTORY)))]
#[case::an_empty_file(container("web", irsa(""), mount("aws-iam-token", DIRECTORY)))]
#[case::the_agents_volume(container("web", irsa(&format!("{DIRECTORY}/token")), mount("eks-pod-identity-token", DIRECTORY)))]
#[case::the_last_of_a_name_counts(container("web", env(&[
    ("AWS_ROLE_ARN", ROLE), ("AWS_WEB_IDENTITY_TOKEN_FILE", &format!("{DIRECTORY}/token")), ("AWS_WEB_IDENTITY_TOKEN_FILE", "/nowhere"),
]), mount("aws-iam-token", DIRECTORY)))]
fn without_a_role(#[case] container: Value) {
    let volumes = json!([volume(), agent_volume()]);
    assert_eq!(checked(&pod(json!([container.clone()]), volumes.clone())), "reject");
    assert_eq!(checked(&pod(json!([with_role("main"), container.clone()]), volumes.clone())), "reject");
    let spec =
        json!({"initContainers": [container.clone()], "containers": [with_role("main")], "volumes": volumes.clone()});
    assert_eq!(checked(&tokenless_pod(&spec)), "reject");
    // None of this matters to a Pod whose account has no role.
    assert_eq!(outcome(&review(&create(&pod(json!([container]), volumes)), &settings(), &quiet_cluster())), "fine");
}

/// If two ways are incomplete, the finding is about the first. A pair without
/// its token is reported before half a pair.
#[rstest]
#[case::a_file(&[("AWS_WEB_IDENTITY_TOKEN_FILE", "/x")], "AWS_WEB_IDENTITY_TOKEN_FILE", "is set without AWS_ROLE_ARN")]
#[case::halves(
    &[("AWS_ROLE_ARN", ROLE), ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://169.254.170.23")],
    "AWS_ROLE_ARN",
    "is set without AWS_WEB_IDENTITY_TOKEN_FILE"
)]
#[case::halves_with_files(
    &[("AWS_WEB_IDENTITY_TOKEN_FILE", "/x"), ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "/y")],
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "is set without AWS_ROLE_ARN"
)]
#[case::no_token_and_an_address(
    &[
        ("AWS_ROLE_ARN", ROLE),
        ("AWS_WEB_IDENTITY_TOKEN_FILE", "/x"),
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://169.254.170.23"),
    ],
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "names a file where the container has no token"
)]
#[case::half_and_no_token(
    &[
        ("AWS_ROLE_ARN", ROLE),
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://169.254.170.23"),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "/y"),
    ],
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    "names a file where the container has no token"
)]
fn which_way_is_named(#[case] variables: &[(&str, &str)], #[case] named: &str, #[case] words: &str) {
    let pod = pod(json!([container("web", env(variables), json!([]))]), json!([]));
    let lines = reported(&review(&create(&pod), &settings(), &cluster()), ID);
    let [line] = lines.as_slice() else { panic!("{lines:?}") };
    assert!(line.starts_with(&format!("spec.containers[web].env[{named}]: {words}")), "{line}");
}

/// Volumes with the webhook's name that keep it from adding its own.
#[rstest]
#[case::a_host_path(json!([{"name": "aws-iam-token", "hostPath": {"path": "/x"}}]))]
#[case::a_token_at_another_path(json!([{"name": "aws-iam-token", "projected": {"sources": [{"serviceAccountToken": {"path": "jwt"}}]}}]))]
#[case::none(json!([]))]
#[case::another_name(json!([projected("aws-iam-token-2", &json!([token("sts.amazonaws.com", 86400)]))]))]
fn foreign_volumes(#[case] volumes: Value) {
    assert_eq!(checked(&pod(json!([with_role("web")]), volumes)), "reject");
}

/// `skip-containers` as the webhook reads it: blanks are not trimmed.
#[rstest]
#[case("proxy", "fine")]
#[case("x,proxy", "fine")]
#[case("\"proxy\"", "fine")]
#[case("x, proxy", "reject")]
#[case("proxy;x", "reject")]
#[case("Proxy", "reject")]
#[case("proxy,\"", "reject")]
#[case("", "reject")]
fn skipped_containers(#[case] skipped: &str, #[case] expected: &str) {
    let mut pod = pod(json!([with_role("web"), container("proxy", json!([]), json!([]))]), json!([volume()]));
    pod["metadata"]["annotations"] = json!({"eks.amazonaws.com/skip-containers": skipped});
    assert_eq!(checked(&pod), expected);
    // An init container is skipped by the same list.
    pod["spec"]["initContainers"] = json!([pod["spec"]["containers"][1]]);
    pod["spec"]["containers"] = json!([with_role("web")]);
    assert_eq!(checked(&pod), expected);
}

#[rstest]
#[case::any_value(json!({"eks.amazonaws.com/skip-pod-identity-webhook": ""}), "fine")]
#[case::even_false(json!({"eks.amazonaws.com/skip-pod-identity-webhook": "false"}), "fine")]
#[case::another(json!({"eks.amazonaws.com/skip-pod-identity": "true"}), "reject")]
fn skipped_pods(#[case] labels: Value, #[case] expected: &str) {
    let mut pod = tokenless_pod(&json!({}));
    pod["metadata"]["labels"] = labels.clone();
    assert_eq!(checked(&pod), expected);
    // As an annotation, the key has no meaning.
    pod["metadata"] = json!({"name": "web", "annotations": labels});
    assert_eq!(checked(&pod), "reject");
}

#[test]
fn webhook_flags() {
    let mut settings = settings();
    settings["aws"] = json!({"annotationPrefix": "irsa.example.com", "tokenMountPath": "/run/aws"});
    let record = AccountRecord::new(None).with_annotations(&[("irsa.example.com/role-arn", ROLE)]);
    let own = FakeCluster::with("shop", "app", record);
    let mut plain = tokenless_pod(&json!({}));
    assert_eq!(outcome(&review(&create(&plain), &settings, &own)), "reject");
    assert_eq!(outcome(&review(&create(&plain), &settings, &cluster())), "fine");
    plain["metadata"]["annotations"] = json!({"irsa.example.com/skip-containers": "web"});
    assert_eq!(outcome(&review(&create(&plain), &settings, &own)), "fine");
    let injected = container("web", irsa("/run/aws/token"), mount("aws-iam-token", "/run/aws"));
    assert_eq!(outcome(&review(&create(&pod(json!([injected]), json!([volume()]))), &settings, &own)), "fine");
}

/// In the mutating phase, the webhook may still run.
#[test]
fn skips_mutating_phase_and_templates() {
    let plain = tokenless_pod(&json!({}));
    let mutating = only(&json!({ID: "reject"}));
    let fake = cluster();
    assert_eq!(outcome(&review(&create(&plain), &mutating, &fake)), "fine");
    assert_eq!(
        outcome(&review(&create(&deployment(&json!({"serviceAccountName": "app"}))), &settings(), &fake)),
        "fine"
    );
    assert_eq!(fake.lookups(), 0);
}

#[test]
fn off_by_default_and_warns() {
    let plain = tokenless_pod(&json!({}));
    assert_eq!(outcome(&review(&create(&plain), &json!({"phase": "validating"}), &cluster())), "fine");
    let mut settings = settings();
    settings["rules"][ID] = json!("warn");
    assert_eq!(outcome(&review(&create(&plain), &settings, &cluster())), "warn");
}

#[test]
fn unknown_account() {
    let plain = tokenless_pod(&json!({}));
    let answer = |error, settings: &Value| review(&create(&plain), settings, &FakeCluster::failing(error));
    assert_eq!(outcome(&answer(LookupError::Absent, &settings())), "fine");
    assert_eq!(outcome(&answer(LookupError::NotGranted, &settings())), "warn");
    assert_eq!(answer(LookupError::Failed, &settings())["code"], 503);
    let mut required = settings();
    required["serviceAccountLookup"] = json!("required");
    assert_eq!(answer(LookupError::NotGranted, &required)["code"], 403);
}

/// If nothing is missing, nothing is looked up.
#[test]
fn no_lookup_for_injected_pod() {
    let fake = cluster();
    let injected = pod(json!([with_role("web")]), json!([volume()]));
    assert_eq!(outcome(&review(&create(&injected), &settings(), &fake)), "fine");
    assert_eq!(fake.lookups(), 0);
}

/// Attempts to look as if the role had been injected.
#[rstest]
#[case::variables_of_another_container(json!([with_role("main"), container("web", json!([]), mount("aws-iam-token", DIRECTORY))]))]
#[case::names_that_are_longer(json!([container("web", env(&[("AWS_ROLE_ARN_", ROLE), ("AWS_WEB_IDENTITY_TOKEN_FILE_", "x")]), mount("aws-iam-token", DIRECTORY))]))]
#[case::in_another_case(json!([container("web", env(&[("aws_role_arn", ROLE), ("aws_web_identity_token_file", "x")]), mount("aws-iam-token", DIRECTORY))]))]
#[case::env_from(json!([{"name": "web", "image": "i", "envFrom": [{"configMapRef": {"name": "AWS_ROLE_ARN"}}]}]))]
#[case::in_a_value(json!([container("web", env(&[("X", "AWS_ROLE_ARN AWS_WEB_IDENTITY_TOKEN_FILE")]), mount("aws-iam-token", DIRECTORY))]))]
#[case::a_name_with_escapes_in_another_place(json!([container("web", env(&[("AWS\u{5f}X", "\\")]), json!([]))]))]
fn bypass(#[case] containers: Value) {
    assert_eq!(checked(&pod(containers, json!([volume()]))), "reject");
}

#[test]
fn escaped_names() {
    let injected = pod(json!([with_role("web")]), json!([volume()])).to_string().replace("AWS_", "\\u0041WS_");
    let payload = format!(
        r#"{{"request":{{"kind":{{"group":"","version":"v1","kind":"Pod"}},"operation":"CREATE","namespace":"shop","object":{injected}}},"settings":{}}}"#,
        settings()
    );
    let answer: Value = serde_json::from_slice(&crate::guest::validate(payload.as_bytes(), &cluster())).unwrap();
    assert_eq!(answer["accepted"], true);
}

#[test]
fn exempt_pod() {
    let mut settings = settings();
    settings["exemptions"] = json!([{"rules": [ID], "serviceAccounts": ["shop/app"]}]);
    assert_eq!(outcome(&review(&create(&tokenless_pod(&json!({}))), &settings, &cluster())), "fine");
}

#[test]
fn requires_lookup() {
    let problem = "rules.identity-injection: looks accounts up, so serviceAccountLookup must be optional or required";
    let problems = |rule: Value| settings_problems(&json!({"serviceAccountLookup": "off", "rules": {ID: rule}}));
    assert_eq!(problems(json!("warn")), [problem]);
    assert_eq!(problems(json!({"action": "reject"})), [problem]);
    assert_eq!(problems(json!("off")), Vec::<String>::new());
    assert_eq!(settings_problems(&json!({"rules": {ID: "reject"}})), Vec::<String>::new());
    assert_eq!(settings_problems(&json!({"serviceAccountLookup": "off"})), Vec::<String>::new());
}
