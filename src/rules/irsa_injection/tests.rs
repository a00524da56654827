// SPDX-License-Identifier: Apache-2.0
use rstest::rstest;
use serde_json::{Value, json};

use crate::cluster::{AccountRecord, LookupError};
use crate::guest;
use crate::testing::{
    FakeCluster, admitted_pod, create, deployment, only, outcome, projected, quiet_cluster, reported, review,
    settings_problems, token, tokenless_pod, update,
};

const ID: &str = "irsa-injection";
const ROLE: &str = "arn:aws:iam::123456789012:role/s3";
const DIRECTORY: &str = "/var/run/secrets/eks.amazonaws.com/serviceaccount";
const AGENT_DIRECTORY: &str = "/var/run/secrets/pods.eks.amazonaws.com/serviceaccount";

fn with(params: &Value) -> Value {
    let mut settings = only(&json!({ID: params}));
    settings["serviceAccountLookup"] = json!("required");
    settings
}

fn settings() -> Value {
    with(&json!("mutate"))
}

/// A region and regional endpoints, so that every variable is injected.
fn all_of_it() -> Value {
    let mut settings = with(&json!({"action": "mutate", "stsRegionalEndpoints": true}));
    settings["aws"] = json!({"region": "eu-west-1"});
    settings
}

fn cluster_of(annotations: &[(&str, &str)]) -> FakeCluster {
    FakeCluster::with("shop", "app", AccountRecord::new(None).with_annotations(annotations))
}

fn cluster() -> FakeCluster {
    cluster_of(&[("eks.amazonaws.com/role-arn", ROLE)])
}

fn with_option(suffix: &str, value: &str) -> FakeCluster {
    cluster_of(&[("eks.amazonaws.com/role-arn", ROLE), (&format!("eks.amazonaws.com/{suffix}"), value)])
}

/// The fixed object of a response that has one.
fn fixed(answer: &Value) -> &Value {
    assert_eq!(outcome(answer), "fix", "{answer}");
    &answer["mutated_object"]
}

fn injected(pod: &Value, settings: &Value, cluster: &FakeCluster) -> Value {
    fixed(&review(&create(pod), settings, cluster)).clone()
}

/// The exact text of the response.
fn answer_text(pod: &str, settings: &Value, cluster: &FakeCluster) -> String {
    let payload = format!(
        r#"{{"request":{{"uid":"1","kind":{{"group":"","version":"v1","kind":"Pod"}},"operation":"CREATE","namespace":"shop","object":{pod}}},"settings":{settings}}}"#
    );
    String::from_utf8(guest::validate(payload.as_bytes(), cluster)).unwrap()
}

fn env_of(pod: &Value, list: &str, index: usize) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let variables = pod["spec"][list][index]["env"].as_array().into_iter().flatten();
    variables.map(|variable| (text(&variable["name"]), text(&variable["value"]))).collect()
}

fn names_of(pod: &Value) -> Vec<String> {
    env_of(pod, "containers", 0).into_iter().map(|(name, _)| name).collect()
}

fn mounts_of(pod: &Value, list: &str, index: usize) -> Vec<String> {
    let mounts = pod["spec"][list][index]["volumeMounts"].as_array().into_iter().flatten();
    mounts
        .map(|mount| format!("{}:{}", mount["name"].as_str().unwrap(), mount["mountPath"].as_str().unwrap()))
        .collect()
}

fn volumes_of(pod: &Value) -> Vec<&str> {
    pod["spec"]["volumes"].as_array().into_iter().flatten().filter_map(|volume| volume["name"].as_str()).collect()
}

fn lifetime(pod: &Value) -> i64 {
    pod["spec"]["volumes"][0]["projected"]["sources"][0]["serviceAccountToken"]["expirationSeconds"].as_i64().unwrap()
}

fn with_env(env: &Value) -> Value {
    tokenless_pod(&json!({"containers": [{"name": "web", "image": "i", "env": env}]}))
}

const PAIR: [&str; 2] = ["AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE"];
const ALL: [&str; 5] =
    ["AWS_STS_REGIONAL_ENDPOINTS", "AWS_DEFAULT_REGION", "AWS_REGION", "AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE"];

#[test]
fn injects_exactly() {
    let pod = r#"{"kind":"Pod","metadata":{"name":"web"},"spec":{"serviceAccountName":"app","containers":[{"name":"web","image":"i"}]}}"#;
    let expected = format!(
        r#""mutated_object":{{"kind":"Pod","metadata":{{"name":"web"}},"spec":{{"serviceAccountName":"app","containers":[{{"name":"web","image":"i","env":[{{"name":"AWS_STS_REGIONAL_ENDPOINTS","value":"regional"}},{{"name":"AWS_DEFAULT_REGION","value":"eu-west-1"}},{{"name":"AWS_REGION","value":"eu-west-1"}},{{"name":"AWS_ROLE_ARN","value":"{ROLE}"}},{{"name":"AWS_WEB_IDENTITY_TOKEN_FILE","value":"{DIRECTORY}/token"}}],"volumeMounts":[{{"name":"aws-iam-token","readOnly":true,"mountPath":"{DIRECTORY}"}}]}}],"volumes":[{{"name":"aws-iam-token","projected":{{"sources":[{{"serviceAccountToken":{{"audience":"sts.amazonaws.com","expirationSeconds":86400,"path":"token"}}}}]}}}}]}}}}"#
    );
    let text = answer_text(pod, &all_of_it(), &cluster());
    assert!(text.contains(&expected), "{text}\n{expected}");
}

#[test]
fn injects_pod_identity_exactly() {
    let settings = with(&json!({"action": "mutate", "podIdentity": ["shop/app"], "defaultExpirationSeconds": 3600}));
    let pod = r#"{"kind":"Pod","metadata":{"name":"web"},"spec":{"serviceAccountName":"app","containers":[{"name":"web","env":null}],"volumes":[]}}"#;
    let expected = format!(
        r#""mutated_object":{{"kind":"Pod","metadata":{{"name":"web","labels":{{"eks.amazonaws.com/pod-identity":"enabled"}}}},"spec":{{"serviceAccountName":"app","containers":[{{"name":"web","env":[{{"name":"AWS_CONTAINER_CREDENTIALS_FULL_URI","value":"http://169.254.170.23/v1/credentials"}},{{"name":"AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE","value":"{AGENT_DIRECTORY}/eks-pod-identity-token"}}],"volumeMounts":[{{"name":"eks-pod-identity-token","readOnly":true,"mountPath":"{AGENT_DIRECTORY}"}}]}}],"volumes":[{{"name":"eks-pod-identity-token","projected":{{"sources":[{{"serviceAccountToken":{{"audience":"pods.eks.amazonaws.com","expirationSeconds":3600,"path":"eks-pod-identity-token"}}}}]}}}}]}}}}"#
    );
    let text = answer_text(pod, &settings, &quiet_cluster());
    assert!(text.contains(&expected), "{text}\n{expected}");
}

/// Unknown fields, numbers of any size, nulls, key order, escapes.
#[test]
fn keeps_unknown_fields() {
    let web = r#"{"future":{"x":123456789012345678901234567890},"name":"web","resources":null,"startupProbe":{"grpc":{"port":1,"service":null}},"e\u006ev":[ {"name":"A","value":"1.0", "future":1e400} ],"volumeMounts":[{"name":"d","mountPath":"/d","path":"x"}]"#;
    let pod = format!(
        r#"{{"kind":"Pod","metadata":{{"name":"web"}},"spec":{{"serviceAccountName":"app","containers":[{web}}}],"future":1.50,"volumes":[{{"name":"d","future":{{}}}}]}}}}"#
    );
    let text = answer_text(&pod, &settings(), &cluster());
    let behind = web
        .replace("1e400} ]", &format!(r#"1e400}},{{"name":"AWS_ROLE_ARN","value":"{ROLE}"}},{{"name":"AWS_WEB_IDENTITY_TOKEN_FILE","value":"{DIRECTORY}/token"}}]"#))
        .replace(r#"[ {"name":"A""#, r#"[{"name":"A""#)
        .replace(r#""path":"x"}]"#, &format!(r#""path":"x"}},{{"name":"aws-iam-token","readOnly":true,"mountPath":"{DIRECTORY}"}}]"#));
    assert!(text.contains(&behind), "{text}\n{behind}");
    assert!(text.contains(r#""future":1.50,"volumes":[{"name":"aws-iam-token","#), "{text}");
    assert!(text.contains(r#"},{"name":"d","future":{}}]"#), "{text}");
}

#[test]
fn messages() {
    let lines = |pod: &Value, cluster: &FakeCluster| reported(&review(&create(pod), &settings(), cluster), ID);
    let plain = tokenless_pod(&json!({}));
    assert_eq!(lines(&plain, &cluster()), ["spec: added what AWS SDKs need for the role of account `app`"]);
    assert_eq!(
        lines(&plain, &cluster_of(&[("eks.amazonaws.com/role-arn", "arn:aws:iam::123456789:role/s3")])),
        [
            "spec.serviceAccountName: the role of account `app` is not allowed, so nothing can be injected: account ID has 9 digits, must have 12 (arn:aws:iam::123456789:role/s3)"
        ]
    );
    assert_eq!(
        lines(&plain, &with_option("audience", "")),
        [
            "spec.serviceAccountName: the token of account `app` would be valid for the Kubernetes API, so nothing can be injected: audience `\"\"`"
        ]
    );
    assert_eq!(
        lines(&tokenless_pod(&json!({"volumes": [{"name": "aws-iam-token", "emptyDir": {}}]})), &cluster()),
        [
            "spec.volumes[aws-iam-token].name: is reserved for the volume with the AWS token, but this volume has no token in the file token; rename the volume"
        ]
    );
    let taken = json!([{"name": "web", "image": "i", "volumeMounts": [{"name": "own", "mountPath": DIRECTORY}]}]);
    assert_eq!(
        lines(&tokenless_pod(&json!({"containers": taken})), &cluster()),
        [format!(
            "spec.containers[web].volumeMounts[own]: is mounted where the webhook mounts the AWS token ({DIRECTORY}); mount it elsewhere"
        )]
    );
}

/// The variables that are there already, and the result. The webhook completes
/// no pair, and compares only names.
#[rstest]
#[case::nothing(&[], &ALL)]
#[case::a_region(&["AWS_REGION"], &["AWS_REGION", ALL[0], PAIR[0], PAIR[1]])]
#[case::a_default_region(&["AWS_DEFAULT_REGION"], &["AWS_DEFAULT_REGION", ALL[0], PAIR[0], PAIR[1]])]
#[case::region_and_sts(&["AWS_REGION", ALL[0]], &["AWS_REGION", ALL[0], PAIR[0], PAIR[1]])]
#[case::a_role(&[PAIR[0]], &[PAIR[0], ALL[0], ALL[1], ALL[2]])]
#[case::a_file(&[PAIR[1]], &[PAIR[1], ALL[0], ALL[1], ALL[2]])]
#[case::the_other_pair(&["AWS_CONTAINER_CREDENTIALS_FULL_URI"], &["AWS_CONTAINER_CREDENTIALS_FULL_URI", ALL[0], ALL[1], ALL[2], PAIR[0], PAIR[1]])]
#[case::another_case(&["aws_role_arn"], &["aws_role_arn", ALL[0], ALL[1], ALL[2], PAIR[0], PAIR[1]])]
fn variables(#[case] there: &[&str], #[case] expected: &[&str]) {
    let env: Value = there.iter().map(|name| json!({"name": name, "value": "own"})).collect();
    let pod = injected(&with_env(&env), &all_of_it(), &cluster());
    assert_eq!(names_of(&pod), expected);
    assert!(env_of(&pod, "containers", 0).iter().take(there.len()).all(|(_, value)| value == "own"));
    assert_eq!(mounts_of(&pod, "containers", 0), [format!("aws-iam-token:{DIRECTORY}")]);
}

/// A container that has one of each is left unchanged and gets no mount; the
/// Pod still gets the volume.
#[test]
fn complete_container() {
    let env: Value = ["AWS_ROLE_ARN", "AWS_REGION", ALL[0]].iter().map(|name| json!({"name": name})).collect();
    let pod = injected(&with_env(&env), &settings(), &cluster());
    assert_eq!(pod["spec"]["containers"], with_env(&env)["spec"]["containers"]);
    assert_eq!(volumes_of(&pod), ["aws-iam-token"]);
}

#[rstest]
#[case::not_said(settings(), None, None, &PAIR)]
#[case::by_setting(with(&json!({"action": "mutate", "stsRegionalEndpoints": true})), None, None, &[ALL[0], PAIR[0], PAIR[1]])]
#[case::account_says_yes(settings(), Some("true"), None, &[ALL[0], PAIR[0], PAIR[1]])]
#[case::account_says_t(settings(), Some("t"), None, &[ALL[0], PAIR[0], PAIR[1]])]
#[case::account_says_no(with(&json!({"action": "mutate", "stsRegionalEndpoints": true})), Some("false"), None, &PAIR)]
#[case::account_says_regional(settings(), Some("regional"), None, &PAIR)]
#[case::account_says_regional_beside_the_setting(with(&json!({"action": "mutate", "stsRegionalEndpoints": true})), Some("regional"), None, &[ALL[0], PAIR[0], PAIR[1]])]
#[case::on_the_pod_it_means_nothing(settings(), None, Some("true"), &PAIR)]
fn regional_endpoints(
    #[case] settings: Value,
    #[case] account: Option<&str>,
    #[case] on_pod: Option<&str>,
    #[case] expected: &[&str],
) {
    let cluster = account.map_or_else(cluster, |value| with_option("sts-regional-endpoints", value));
    let mut pod = with_env(&json!([]));
    if let Some(value) = on_pod {
        pod["metadata"]["annotations"] = json!({"eks.amazonaws.com/sts-regional-endpoints": value});
    }
    assert_eq!(names_of(&injected(&pod, &settings, &cluster)), expected);
}

/// The Pod takes precedence over the account, and the account over the setting;
/// a value that is not a number is skipped.
#[rstest]
#[case(None, None, 86400)]
#[case(Some("3600"), None, 3600)]
#[case(None, Some("3600"), 3600)]
#[case(Some("3600"), Some("7200"), 7200)]
#[case(Some("3600"), Some("1h"), 3600)]
#[case(Some("1h"), None, 86400)]
#[case(Some(""), Some(""), 86400)]
#[case(Some(" 3600"), None, 86400)]
#[case(Some("+3600"), None, 3600)]
#[case(None, Some("0"), 600)]
#[case(None, Some("-5"), 600)]
#[case(Some("599"), None, 600)]
#[case(None, Some("86401"), 86400)]
#[case(Some("9223372036854775807"), None, 86400)]
#[case(Some("9223372036854775808"), None, 86400)]
fn lifetimes(#[case] account: Option<&str>, #[case] on_pod: Option<&str>, #[case] expected: i64) {
    let cluster = account.map_or_else(cluster, |value| with_option("token-expiration", value));
    let mut pod = with_env(&json!([]));
    if let Some(value) = on_pod {
        pod["metadata"]["annotations"] = json!({"eks.amazonaws.com/token-expiration": value});
    }
    assert_eq!(lifetime(&injected(&pod, &settings(), &cluster)), expected);
}

/// The maximum is that of `identity-annotations`, even if that rule is off.
#[rstest]
#[case(3600, 86_400, None, 3600)]
#[case(3600, 86_400, Some("7200"), 7200)]
#[case(3600, 3600, Some("7200"), 3600)]
#[case(86_400, 3600, None, 3600)]
#[case(86_400, 604_800, Some("604800"), 604_800)]
fn configured_lifetimes(#[case] default: i64, #[case] most: i64, #[case] account: Option<&str>, #[case] expected: i64) {
    let mut settings = with(&json!({"action": "mutate", "defaultExpirationSeconds": default}));
    settings["rules"]["identity-annotations"] = json!({"action": "off", "maxTokenExpirationSeconds": most});
    let cluster = account.map_or_else(cluster, |value| with_option("token-expiration", value));
    assert_eq!(lifetime(&injected(&with_env(&json!([])), &settings, &cluster)), expected);
}

#[test]
fn audiences() {
    let audience = |settings: &Value, cluster: &FakeCluster| {
        let pod = injected(&with_env(&json!([])), settings, cluster);
        pod["spec"]["volumes"][0]["projected"]["sources"][0]["serviceAccountToken"]["audience"].clone()
    };
    assert_eq!(audience(&settings(), &cluster()), "sts.amazonaws.com");
    assert_eq!(audience(&settings(), &with_option("audience", "sts.amazonaws.com.cn")), "sts.amazonaws.com.cn");
    let mut own = settings();
    own["aws"] = json!({"defaultAudience": "irsa"});
    assert_eq!(audience(&own, &cluster()), "irsa");
    assert_eq!(audience(&own, &with_option("audience", "other")), "other");
}

/// If an account would give its Pods a token for the Kubernetes API in this
/// way, they get nothing.
#[rstest]
#[case("")]
#[case("https://kubernetes.default.svc.cluster.local")]
#[case("api")]
#[case("k3s")]
fn api_audiences(#[case] audience: &str) {
    let answer = review(&create(&with_env(&json!([]))), &settings(), &with_option("audience", audience));
    assert_eq!(outcome(&answer), "reject");
}

#[rstest]
#[case::none(json!(null), &["aws-iam-token"])]
#[case::empty(json!([]), &["aws-iam-token"])]
#[case::others(json!([{"name": "a", "emptyDir": {}}, {"name": "b", "emptyDir": {}}]), &["aws-iam-token", "a", "b"])]
#[case::the_webhooks(json!([{"name": "a", "emptyDir": {}}, projected("aws-iam-token", &json!([token("sts.amazonaws.com", 3600)]))]), &["a", "aws-iam-token"])]
fn lists_of_volumes(#[case] volumes: Value, #[case] expected: &[&str]) {
    let pod = injected(&tokenless_pod(&json!({"volumes": volumes})), &settings(), &cluster());
    assert_eq!(volumes_of(&pod), expected);
}

/// An existing mount of the volume is kept, wherever it is.
#[test]
fn existing_mounts() {
    let containers =
        json!([{"name": "web", "image": "i", "volumeMounts": [{"name": "aws-iam-token", "mountPath": "/elsewhere"}]}]);
    let volumes = json!([projected("aws-iam-token", &json!([token("sts.amazonaws.com", 3600)]))]);
    let pod = injected(&tokenless_pod(&json!({"containers": containers, "volumes": volumes})), &settings(), &cluster());
    assert_eq!(mounts_of(&pod, "containers", 0), ["aws-iam-token:/elsewhere"]);
    assert_eq!(env_of(&pod, "containers", 0)[1].1, format!("{DIRECTORY}/token"));
}

#[test]
fn all_container_lists() {
    let init = json!([{"name": "setup", "image": "i"}, {"name": "proxy", "image": "i", "restartPolicy": "Always"}]);
    let main = json!([{"name": "web", "image": "i"}, {"name": "log", "image": "i"}]);
    let spec =
        json!({"initContainers": init, "containers": main, "ephemeralContainers": [{"name": "debug", "image": "i"}]});
    let pod = injected(&tokenless_pod(&spec), &settings(), &cluster());
    for list in ["initContainers", "containers"] {
        for index in 0..2 {
            assert_eq!(env_of(&pod, list, index).len(), 2);
            assert_eq!(mounts_of(&pod, list, index), [format!("aws-iam-token:{DIRECTORY}")]);
        }
    }
    assert_eq!(pod["spec"]["initContainers"][1]["restartPolicy"], "Always");
    assert_eq!(pod["spec"]["ephemeralContainers"], spec["ephemeralContainers"]);
}

#[rstest]
#[case("web", true)]
#[case("x,web", true)]
#[case("x, web", false)]
#[case("\"web\"", true)]
#[case("web;x", false)]
#[case("web,\"", false)]
#[case("", false)]
fn skipped_containers(#[case] skipped: &str, #[case] is_skipped: bool) {
    let spec = json!({"initContainers": [{"name": "setup", "image": "i"}]});
    let mut pod = tokenless_pod(&spec);
    pod["metadata"]["annotations"] = json!({"eks.amazonaws.com/skip-containers": skipped});
    let pod = injected(&pod, &settings(), &cluster());
    assert_eq!(env_of(&pod, "containers", 0).is_empty(), is_skipped);
    assert_eq!(mounts_of(&pod, "containers", 0).is_empty(), is_skipped);
    assert_eq!(env_of(&pod, "initContainers", 0).len(), 2);
    assert_eq!(volumes_of(&pod), ["aws-iam-token"]);
}

#[test]
fn skip_label() {
    let mut pod = tokenless_pod(&json!({}));
    pod["metadata"]["labels"] = json!({"eks.amazonaws.com/skip-pod-identity-webhook": "no matter"});
    let fake = cluster();
    assert_eq!(outcome(&review(&create(&pod), &settings(), &fake)), "fine");
    assert_eq!(fake.lookups(), 0);
}

#[rstest]
#[case::windows(json!({"kubernetes.io/os": "windows"}), true)]
#[case::windows_as_it_was(json!({"beta.kubernetes.io/os": "windows"}), true)]
#[case::linux(json!({"kubernetes.io/os": "linux"}), false)]
#[case::another_label(json!({"os": "windows"}), false)]
#[case::another_case(json!({"kubernetes.io/os": "Windows"}), false)]
#[case::none(json!(null), false)]
fn windows(#[case] selector: Value, #[case] is_windows: bool) {
    let spec = json!({"nodeSelector": selector, "os": {"name": "windows"}});
    let pod = injected(&tokenless_pod(&spec), &settings(), &cluster());
    let path = if is_windows {
        r"C:\var\run\secrets\eks.amazonaws.com\serviceaccount\token".to_owned()
    } else {
        format!("{DIRECTORY}/token")
    };
    assert_eq!(env_of(&pod, "containers", 0)[1].1, path);
    // The mount path keeps its slashes.
    assert_eq!(mounts_of(&pod, "containers", 0), [format!("aws-iam-token:{DIRECTORY}")]);
}

#[test]
fn webhook_flags() {
    let mut settings = settings();
    settings["aws"] =
        json!({"annotationPrefix": "irsa.example.com", "tokenMountPath": "/run/aws", "region": "us-gov-west-1"});
    let own = cluster_of(&[("irsa.example.com/role-arn", ROLE), ("irsa.example.com/token-expiration", "3600")]);
    let mut pod = tokenless_pod(&json!({}));
    pod["metadata"]["annotations"] = json!({"eks.amazonaws.com/token-expiration": "7200"});
    assert_eq!(outcome(&review(&create(&pod), &settings, &cluster())), "fine");
    let pod = injected(&pod, &settings, &own);
    assert_eq!(lifetime(&pod), 3600);
    assert_eq!(mounts_of(&pod, "containers", 0), ["aws-iam-token:/run/aws"]);
    assert_eq!(
        env_of(&pod, "containers", 0)[3],
        ("AWS_WEB_IDENTITY_TOKEN_FILE".to_owned(), "/run/aws/token".to_owned())
    );
    assert_eq!(env_of(&pod, "containers", 0)[0], ("AWS_DEFAULT_REGION".to_owned(), "us-gov-west-1".to_owned()));
}

#[rstest]
#[case::none(&[])]
#[case::empty(&[("eks.amazonaws.com/role-arn", "")])]
#[case::for_images(&[("eks.amazonaws.com/ecr-role-arn", ROLE)])]
#[case::options_only(&[("eks.amazonaws.com/audience", "sts.amazonaws.com")])]
#[case::another_cloud(&[("iam.gke.io/gcp-service-account", "a@b.iam.gserviceaccount.com")])]
fn account_without_role(#[case] annotations: &[(&str, &str)]) {
    assert_eq!(outcome(&review(&create(&tokenless_pod(&json!({}))), &settings(), &cluster_of(annotations))), "fine");
}

/// A role that `role-arn` would reject is never injected, even if that rule is off.
#[rstest]
#[case::grammar("arn:aws:iam::123456789:role/s3", json!({}))]
#[case::a_bare_name("s3", json!({}))]
#[case::twice("arn:aws:iam::123456789012:role/arn:aws:iam::123456789012:role/s3", json!({}))]
#[case::a_line_break("arn:aws:iam::123456789012:role/s3\n", json!({}))]
#[case::reserved("arn:aws:iam::123456789012:role/aws-reserved/x", json!({}))]
#[case::an_account_not_listed(ROLE, json!({"accounts": ["210987654321"]}))]
#[case::a_role_not_listed(ROLE, json!({"roles": ["team-a/*"]}))]
#[case::a_namespace_not_listed(ROLE, json!({"namespaces": {"other": ["*"]}}))]
fn refused_role(#[case] role: &str, #[case] mut params: Value) {
    let cluster = cluster_of(&[("eks.amazonaws.com/role-arn", role)]);
    let mut settings = settings();
    params["action"] = json!("off");
    settings["rules"]["role-arn"] = params;
    let answer = review(&create(&tokenless_pod(&json!({}))), &settings, &cluster);
    assert_eq!(outcome(&answer), "reject", "{answer}");
}

#[test]
fn composed_role() {
    let mut settings = settings();
    settings["rules"]["role-arn"] = json!({"action": "off", "composeRoleArn": true, "composeAccount": "123456789012"});
    let pod = injected(&tokenless_pod(&json!({})), &settings, &cluster_of(&[("eks.amazonaws.com/role-arn", "s3")]));
    assert_eq!(env_of(&pod, "containers", 0)[0].1, ROLE);
}

#[test]
fn default_account() {
    let cluster = || {
        let record = AccountRecord::new(None).with_annotations(&[("eks.amazonaws.com/role-arn", ROLE)]);
        FakeCluster::with("shop", "default", record)
    };
    let pod = tokenless_pod(&json!({"serviceAccountName": "default"}));
    assert_eq!(outcome(&review(&create(&pod), &settings(), &cluster())), "reject");
    let mut settings = settings();
    settings["rules"]["role-arn"] = json!({"action": "off", "allowOnDefault": true});
    assert_eq!(outcome(&review(&create(&pod), &settings, &cluster())), "fix");
}

#[test]
fn unknown_account() {
    let answer = |error| review(&create(&tokenless_pod(&json!({}))), &settings(), &FakeCluster::failing(error));
    assert_eq!(outcome(&answer(LookupError::Absent)), "fine");
    assert_eq!(answer(LookupError::NotGranted)["code"], 403);
    assert_eq!(answer(LookupError::Failed)["code"], 503);
}

#[rstest]
#[case::no_token(json!({"name": "aws-iam-token", "hostPath": {"path": "/x"}}))]
#[case::another_file(projected("aws-iam-token", &json!([{"serviceAccountToken": {"path": "jwt", "audience": "sts.amazonaws.com"}}])))]
#[case::for_the_api(projected("aws-iam-token", &json!([token("", 3600)])))]
#[case::two_tokens(projected("aws-iam-token", &json!([token("sts.amazonaws.com", 3600), token("vault", 3600)])))]
fn foreign_volumes(#[case] volume: Value) {
    let pod = tokenless_pod(&json!({"volumes": [volume]}));
    assert_eq!(outcome(&review(&create(&pod), &settings(), &cluster())), "reject");
    // This does not matter if there is nothing to inject.
    assert_eq!(outcome(&review(&create(&pod), &settings(), &quiet_cluster())), "fine");
}

/// The API server would reject a Pod with two mounts at one path.
#[rstest]
#[case::the_path(DIRECTORY, json!([]), "reject")]
#[case::with_a_slash(&format!("{DIRECTORY}/"), json!([]), "reject")]
#[case::below(&format!("{DIRECTORY}/x"), json!([]), "fix")]
#[case::above("/var/run/secrets/eks.amazonaws.com", json!([]), "fix")]
#[case::of_a_container_that_is_left_alone(DIRECTORY, json!([{"name": "AWS_ROLE_ARN"}, {"name": "AWS_REGION"}, {"name": ALL[0]}]), "fix")]
fn conflicting_mount(#[case] path: &str, #[case] env: Value, #[case] expected: &str) {
    let container =
        json!({"name": "web", "image": "i", "env": env, "volumeMounts": [{"name": "own", "mountPath": path}]});
    let spec = json!({"containers": [container], "volumes": [{"name": "own", "emptyDir": {}}]});
    assert_eq!(outcome(&review(&create(&tokenless_pod(&spec)), &settings(), &cluster())), expected);
}

fn pod_identity(more: &Value) -> Value {
    let mut params = json!({"action": "mutate", "podIdentity": ["shop/app"]});
    for (key, value) in more.as_object().unwrap() {
        params[key] = value.clone();
    }
    with(&params)
}

/// EKS Pod Identity takes precedence over the role of the account, whose other
/// options still apply.
#[test]
fn with_pod_identity() {
    let mut settings = pod_identity(&json!({}));
    settings["aws"] = json!({"region": "eu-west-1"});
    let annotations = [
        ("eks.amazonaws.com/role-arn", "no role at all"),
        ("eks.amazonaws.com/sts-regional-endpoints", "true"),
        ("eks.amazonaws.com/token-expiration", "10000"),
        ("eks.amazonaws.com/audience", "ignored"),
    ];
    let pod = injected(
        &tokenless_pod(&json!({"volumes": [{"name": "a", "emptyDir": {}}]})),
        &settings,
        &cluster_of(&annotations),
    );
    assert_eq!(
        names_of(&pod),
        [ALL[0], ALL[1], ALL[2], "AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"]
    );
    assert_eq!(lifetime(&pod), 10000);
    assert_eq!(volumes_of(&pod), ["eks-pod-identity-token", "a"]);
    assert_eq!(pod["metadata"]["labels"], json!({"eks.amazonaws.com/pod-identity": "enabled"}));
    let audience = &pod["spec"]["volumes"][0]["projected"]["sources"][0]["serviceAccountToken"]["audience"];
    assert_eq!(audience, "pods.eks.amazonaws.com");
}

#[rstest]
#[case::listed("shop/app", true)]
#[case::a_pattern("shop/a*", true)]
#[case::another("shop/app2", false)]
#[case::another_namespace("other/app", false)]
fn pod_identity_accounts(#[case] pattern: &str, #[case] is_listed: bool) {
    let settings = with(&json!({"action": "mutate", "podIdentity": [pattern]}));
    let pod = injected(&tokenless_pod(&json!({})), &settings, &cluster());
    assert_eq!(volumes_of(&pod), [if is_listed { "eks-pod-identity-token" } else { "aws-iam-token" }]);
}

#[test]
fn pod_identity_label() {
    let label = |labels: Value| {
        let mut pod = tokenless_pod(&json!({}));
        pod["metadata"]["labels"] = labels;
        injected(&pod, &pod_identity(&json!({})), &cluster())["metadata"]["labels"].clone()
    };
    let expected = json!({"eks.amazonaws.com/pod-identity": "enabled"});
    assert_eq!(label(json!(null)), expected);
    assert_eq!(label(json!({})), expected);
    assert_eq!(label(json!({"eks.amazonaws.com/pod-identity": "x"})), expected);
    assert_eq!(label(json!({"a": "b"})), json!({"a": "b", "eks.amazonaws.com/pod-identity": "enabled"}));
}

#[test]
fn half_a_pod_identity_pair() {
    let env = json!([{"name": "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "value": "/x"}, {"name": "AWS_ROLE_ARN", "value": "own"}]);
    let pod = injected(&with_env(&env), &pod_identity(&json!({})), &cluster());
    assert_eq!(names_of(&pod), ["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "AWS_ROLE_ARN"]);
    assert_eq!(mounts_of(&pod, "containers", 0).len(), 1);
}

#[test]
fn pod_identity_on_windows() {
    let spec = json!({"nodeSelector": {"kubernetes.io/os": "windows"}});
    let pod = injected(&tokenless_pod(&spec), &pod_identity(&json!({})), &cluster());
    let path = r"C:\var\run\secrets\pods.eks.amazonaws.com\serviceaccount\eks-pod-identity-token";
    assert_eq!(env_of(&pod, "containers", 0)[1].1, path);
}

/// The default lifetime is spread, and the same for the same request.
#[test]
fn pod_identity_lifetimes() {
    let lifetime_of = |uid: &str, settings: &Value| {
        let mut request = create(&tokenless_pod(&json!({})));
        request["uid"] = json!(uid);
        lifetime(fixed(&review(&request, settings, &cluster())))
    };
    let settings = pod_identity(&json!({}));
    let all: Vec<i64> = (0..64).map(|n| lifetime_of(&n.to_string(), &settings)).collect();
    assert!(all.iter().all(|seconds| (79_200..=86_400).contains(seconds)), "{all:?}");
    let spread = all.iter().max().unwrap() - all.iter().min().unwrap();
    assert!(spread > 3600, "{all:?}");
    // 86,400 minus 0xe40c292c and 0xbf9cf968 modulo 7,201, which are the FNV-1a hashes of these texts.
    assert_eq!(["a", "foobar"].map(|uid| lifetime_of(uid, &settings)), [83_495, 85_909]);
    assert_eq!(lifetime_of("7", &settings), all[7]);
    assert_eq!(lifetime_of("7", &pod_identity(&json!({"defaultExpirationSeconds": 3600}))), 3600);
}

/// The API token is removed and the token for AWS is added, in one patch.
#[test]
fn with_pod_automount() {
    let mut settings = settings();
    settings["rules"]["pod-automount"] = json!({"action": "mutate", "scope": "all"});
    let pod = admitted_pod(&json!({"serviceAccountName": "app"}));
    let pod = injected(&pod, &settings, &cluster());
    assert_eq!(pod["spec"]["automountServiceAccountToken"], false);
    assert_eq!(volumes_of(&pod), ["aws-iam-token"]);
    assert_eq!(mounts_of(&pod, "containers", 0), [format!("aws-iam-token:{DIRECTORY}")]);
}

/// Other rules see what was injected: a lifetime that is too long is fixed, not
/// rejected.
#[test]
fn with_projected_token_lifetime() {
    let mut settings = settings();
    settings["rules"]["projected-token-lifetime"] = json!({"action": "mutate", "maxSeconds": 3600});
    assert_eq!(lifetime(&injected(&tokenless_pod(&json!({})), &settings, &cluster())), 3600);
}

#[rstest]
#[case::irsa(all_of_it())]
#[case::pod_identity(pod_identity(&json!({})))]
fn is_idempotent(#[case] settings: Value) {
    let init = json!({"initContainers": [{"name": "setup", "image": "i"}]});
    let first = injected(&tokenless_pod(&init), &settings, &cluster());
    assert_eq!(outcome(&review(&create(&first), &settings, &cluster())), "fine");
}

/// If the volume or the variables of one container are missing, they are added again and reported. A container that has
/// both variables is no longer changed.
#[rstest]
#[case("/spec", "volumes")]
#[case("/spec/containers/0", "env")]
#[case("/spec/initContainers/0", "env")]
fn completes_environment(#[case] owner: &str, #[case] field: &str) {
    let init = json!({"initContainers": [{"name": "setup", "image": "i"}]});
    let whole = injected(&tokenless_pod(&init), &all_of_it(), &cluster());
    let mut part = whole.clone();
    part.pointer_mut(owner).unwrap().as_object_mut().unwrap().remove(field);
    let answer = review(&create(&part), &all_of_it(), &cluster());
    assert_eq!(fixed(&answer), &whole);
    assert_eq!(answer["audit_annotations"][ID], "fixed(1)");
}

/// The real webhook ran before, or runs later.
#[test]
fn beside_webhook() {
    let by_webhook = json!({
        "containers": [{"name": "web", "image": "i",
            "env": [{"name": "AWS_ROLE_ARN", "value": ROLE}, {"name": "AWS_WEB_IDENTITY_TOKEN_FILE", "value": format!("{DIRECTORY}/token")}],
            "volumeMounts": [{"name": "aws-iam-token", "readOnly": true, "mountPath": DIRECTORY}]}],
        "volumes": [projected("aws-iam-token", &json!([token("sts.amazonaws.com", 86400)]))],
    });
    assert_eq!(outcome(&review(&create(&tokenless_pod(&by_webhook)), &settings(), &cluster())), "fine");
}

#[rstest]
#[case::irsa(all_of_it())]
#[case::pod_identity(pod_identity(&json!({})))]
fn result_passes_validating_phase(#[case] settings: Value) {
    for selector in [json!({}), json!({"kubernetes.io/os": "windows"})] {
        let spec = json!({"initContainers": [{"name": "setup", "image": "i"}], "nodeSelector": selector});
        let pod = injected(&tokenless_pod(&spec), &settings, &cluster());
        let mut validating = settings.clone();
        validating["phase"] = json!("validating");
        for rule in ["identity-injection", "reserved-volume-name", "default-service-account", "token-and-cloud-role"] {
            validating["rules"][rule] = json!("reject");
        }
        let answer = review(&create(&pod), &validating, &cluster());
        assert_eq!(outcome(&answer), "fine", "{answer}");
    }
}

#[test]
fn skips_all_but_new_pods() {
    let fake = cluster();
    let template = deployment(&json!({"serviceAccountName": "app"}));
    let mut fixing = settings();
    fixing["templates"] = json!("fix");
    assert_eq!(outcome(&review(&create(&template), &fixing, &fake)), "fine");
    let pod = tokenless_pod(&json!({}));
    assert_eq!(outcome(&review(&update(&pod, &pod), &settings(), &fake)), "fine");
    let mut validating = settings();
    validating["phase"] = json!("validating");
    assert_eq!(outcome(&review(&create(&pod), &validating, &fake)), "fine");
    assert_eq!(fake.lookups(), 0);
    assert_eq!(outcome(&review(&create(&pod), &json!({}), &cluster())), "fine");
}

/// If there is an obstacle, nothing at all is injected, and the fixes of other
/// rules are not returned either.
#[test]
fn all_or_nothing() {
    let mut settings = settings();
    settings["rules"]["pod-automount"] = json!({"action": "mutate", "scope": "all"});
    let spec = json!({"serviceAccountName": "app", "initContainers": [{"name": "a", "image": "i"}],
        "containers": [{"name": "web", "image": "i", "volumeMounts": [{"name": "own", "mountPath": DIRECTORY}]}]});
    let answer = review(&create(&admitted_pod(&spec)), &settings, &cluster());
    assert_eq!(outcome(&answer), "reject");
    assert_eq!(reported(&answer, ID).len(), 1);
}

/// Attempts to get past the lists, or to break the injection for others.
#[rstest]
#[case::role_on_the_pod(json!({"eks.amazonaws.com/role-arn": "arn:aws:iam::999999999999:role/admin"}))]
#[case::audience_on_the_pod(json!({"eks.amazonaws.com/audience": ""}))]
#[case::a_lifetime_for_ever(json!({"eks.amazonaws.com/token-expiration": "4294967297"}))]
#[case::another_prefix(json!({"example.com/skip-containers": "web"}))]
#[case::a_longer_key(json!({"eks.amazonaws.com/skip-containers-not": "web"}))]
fn bypass(#[case] annotations: Value) {
    let mut pod = tokenless_pod(&json!({}));
    pod["metadata"]["annotations"] = annotations;
    let pod = injected(&pod, &settings(), &cluster());
    let plain = injected(&tokenless_pod(&json!({})), &settings(), &cluster());
    assert_eq!(pod["spec"], plain["spec"]);
}

#[test]
fn escapes_role() {
    let mut settings = pod_identity(&json!({}));
    settings["aws"] = json!({"tokenMountPath": "/a\"b"});
    settings["rules"][ID]["podIdentity"] = json!([]);
    let pod = injected(&tokenless_pod(&json!({})), &settings, &cluster());
    assert_eq!(mounts_of(&pod, "containers", 0), ["aws-iam-token:/a\"b"]);
}

#[test]
fn exempt_pod() {
    let mut settings = settings();
    settings["exemptions"] = json!([{"rules": [ID], "serviceAccounts": ["shop/app"]}]);
    assert_eq!(outcome(&review(&create(&tokenless_pod(&json!({}))), &settings, &cluster())), "fine");
}

#[test]
fn rejects_wrong_settings() {
    let needs = "rules.irsa-injection: needs serviceAccountLookup: required, or a Pod would start without its role while accounts cannot be looked up";
    for lookup in ["optional", "off"] {
        assert_eq!(settings_problems(&json!({"serviceAccountLookup": lookup, "rules": {ID: "mutate"}})), [needs]);
    }
    assert_eq!(settings_problems(&json!({"rules": {ID: "off"}})), Vec::<String>::new());
    assert_eq!(settings_problems(&settings()), Vec::<String>::new());
    for action in ["warn", "reject"] {
        assert_eq!(
            settings_problems(&with(&json!(action))),
            [format!("rules.irsa-injection: unknown value `{action}`, must be one of off, mutate")]
        );
    }
    assert_eq!(
        settings_problems(&with(&json!({"action": "mutate", "defaultExpirationSeconds": 60, "podIdentity": ["app"]}))),
        [
            "rules.irsa-injection.defaultExpirationSeconds: is 60, must be 600 to 4294967296",
            "rules.irsa-injection.podIdentity[0]: must be namespace/name, e.g. monitoring/prometheus-*",
        ]
    );
}
