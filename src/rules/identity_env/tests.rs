// SPDX-License-Identifier: Apache-2.0
use rstest::rstest;
use serde_json::{Value, json};

use crate::cluster::LookupError;
use crate::testing::{
    FakeCluster, annotated_cluster, create, deployment, ephemeral, only, outcome, quiet_cluster, reported, review,
    review_env, settings_problems, tokenless_pod, update,
};

const ID: &str = "identity-env";
const KEY: &str = "eks.amazonaws.com/role-arn";
const ROLE: &str = "arn:aws:iam::123456789012:role/app";
const OTHER: &str = "arn:aws:iam::123456789012:role/admin";
const FILE: &str = "/var/run/secrets/eks.amazonaws.com/serviceaccount/token";

fn settings() -> Value {
    only(&json!({ID: "reject"}))
}

/// With lists of roles; `role-arn` itself stays off.
fn settings_with(role_arn: &Value) -> Value {
    let mut settings = settings();
    settings["rules"]["role-arn"] = role_arn.clone();
    settings["rules"]["role-arn"]["action"] = json!("off");
    settings
}

fn with_role() -> FakeCluster {
    annotated_cluster(&[(KEY, ROLE)])
}

fn unknown() -> FakeCluster {
    FakeCluster::failing(LookupError::NotGranted)
}

fn role(value: &str) -> Value {
    json!({"name": "AWS_ROLE_ARN", "value": value})
}

fn file(value: &str) -> Value {
    json!({"name": "AWS_WEB_IDENTITY_TOKEN_FILE", "value": value})
}

fn reference(name: &str) -> Value {
    json!({"name": name, "valueFrom": {"configMapKeyRef": {"name": "aws", "key": "k"}}})
}

fn plain(name: &str) -> Value {
    json!({"name": name, "value": "x"})
}

fn lines(env: &Value, settings: &Value, cluster: &FakeCluster) -> Vec<String> {
    reported(&review_env(env, settings, cluster), ID)
}

#[test]
fn messages() {
    assert_eq!(
        lines(&json!([role("arn:aws:iam::123456789:role/app")]), &settings(), &quiet_cluster()),
        [
            "spec.containers[web].env[AWS_ROLE_ARN]: is a role that role-arn rejects: account ID has 9 digits, must have 12"
        ]
    );
    assert_eq!(
        lines(&json!([role(OTHER), file(FILE)]), &settings(), &with_role()),
        [
            "spec.containers[web].env[AWS_ROLE_ARN]: is not the role of ServiceAccount `app` (arn:aws:iam::123456789012:role/app); remove it, or use a ServiceAccount with the intended role"
        ]
    );
    assert_eq!(
        lines(&json!([role(OTHER), file(FILE)]), &settings(), &quiet_cluster()),
        [
            "spec.containers[web].env[AWS_ROLE_ARN]: sets a role and a token for it, but ServiceAccount `app` has no role; use a ServiceAccount that has eks.amazonaws.com/role-arn instead"
        ]
    );
    assert_eq!(
        lines(&json!([reference("AWS_ROLE_ARN"), file(FILE)]), &settings(), &with_role()),
        [
            "spec.containers[web].env[AWS_ROLE_ARN]: takes its value from elsewhere, so it is not known whether ServiceAccount `app` may have that role; use a ServiceAccount that has eks.amazonaws.com/role-arn instead"
        ]
    );
    assert_eq!(
        lines(&json!([role(ROLE), plain("AWS_REGION")]), &settings(), &with_role()),
        [
            "spec.containers[web].env[AWS_ROLE_ARN]: is set without AWS_WEB_IDENTITY_TOKEN_FILE, and the webhook does not add the missing variable; remove it, so that the container gets the role of ServiceAccount `app`"
        ]
    );
}

/// What the webhook creates, in its order, and together with other webhooks
/// that ran before or after it.
/// <https://github.com/aws/amazon-eks-pod-identity-webhook/blob/master/pkg/handler/handler.go>
#[rstest]
#[case::before_it(json!([plain("LOG_LEVEL")]))]
#[case::before_it_without_env(json!(null))]
#[case::the_pair(json!([role(ROLE), file(FILE)]))]
#[case::with_region_and_sts(json!([plain("AWS_STS_REGIONAL_ENDPOINTS"), plain("AWS_DEFAULT_REGION"), plain("AWS_REGION"), role(ROLE), file(FILE)]))]
#[case::behind_the_authors(json!([plain("A"), plain("AWS_REGION"), plain("AWS_STS_REGIONAL_ENDPOINTS"), role(ROLE), file(FILE)]))]
#[case::before_another_webhooks(json!([role(ROLE), file(FILE), plain("AWS_REGION"), plain("DD_ENV")]))]
#[case::turned_round(json!([file(FILE), plain("A"), role(ROLE)]))]
#[case::windows(json!([role(ROLE), file("C:\\var\\run\\secrets\\eks.amazonaws.com\\serviceaccount\\token")]))]
#[case::called_twice(json!([role(ROLE), file(FILE), role(ROLE), file(FILE)]))]
#[case::pod_identity(json!([plain("AWS_CONTAINER_CREDENTIALS_FULL_URI"), plain("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE")]))]
#[case::pod_identity_with_region(json!([plain("AWS_STS_REGIONAL_ENDPOINTS"), plain("AWS_DEFAULT_REGION"), plain("AWS_REGION"), plain("AWS_CONTAINER_CREDENTIALS_FULL_URI"), plain("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE")]))]
#[case::pod_identity_beside_the_pair(json!([role(ROLE), file(FILE), plain("AWS_CONTAINER_CREDENTIALS_FULL_URI"), plain("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE")]))]
#[case::pod_identity_with_the_token_itself(json!([plain("AWS_CONTAINER_CREDENTIALS_FULL_URI"), plain("AWS_CONTAINER_AUTHORIZATION_TOKEN")]))]
fn accepts_injected_environment(#[case] env: Value) {
    // Even if the account may not have its role: `role-arn` reports that.
    for settings in [settings(), settings_with(&json!({"accounts": ["999999999999"]}))] {
        assert_eq!(lines(&env, &settings, &with_role()), Vec::<String>::new());
        let template = deployment(
            &json!({"serviceAccountName": "app", "initContainers": [{"name": "i", "image": "i", "env": env}]}),
        );
        assert_eq!(outcome(&review(&create(&template), &settings, &with_role())), "fine");
    }
    assert_eq!(lines(&env, &settings(), &unknown()), Vec::<String>::new());
}

/// Pods after the webhook has run. It does not complete half a pair, whether
/// its other variables are present or not.
#[rstest]
#[case::role(json!([role(ROLE)]), "AWS_ROLE_ARN")]
#[case::role_with_all_else(json!([role(ROLE), plain("AWS_REGION"), plain("AWS_STS_REGIONAL_ENDPOINTS")]), "AWS_ROLE_ARN")]
#[case::role_by_reference(json!([reference("AWS_ROLE_ARN")]), "AWS_ROLE_ARN")]
#[case::another_role(json!([role(OTHER)]), "AWS_ROLE_ARN")]
#[case::a_wrong_role(json!([role("app")]), "AWS_ROLE_ARN")]
#[case::an_empty_role(json!([role("")]), "AWS_ROLE_ARN")]
#[case::file(json!([file(FILE), plain("AWS_DEFAULT_REGION")]), "AWS_WEB_IDENTITY_TOKEN_FILE")]
#[case::file_by_reference(json!([reference("AWS_WEB_IDENTITY_TOKEN_FILE")]), "AWS_WEB_IDENTITY_TOKEN_FILE")]
#[case::uri(json!([plain("AWS_CONTAINER_CREDENTIALS_FULL_URI")]), "AWS_CONTAINER_CREDENTIALS_FULL_URI")]
#[case::uri_behind_the_pair(json!([role(ROLE), file(FILE), plain("AWS_CONTAINER_CREDENTIALS_FULL_URI")]), "AWS_CONTAINER_CREDENTIALS_FULL_URI")]
#[case::agents_file(json!([plain("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE")]), "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE")]
#[case::agents_file_and_token(json!([plain("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"), plain("AWS_CONTAINER_AUTHORIZATION_TOKEN")]), "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE")]
fn incomplete_pair(#[case] env: Value, #[case] name: &str) {
    let found = lines(&env, &settings(), &with_role());
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].starts_with(&format!("spec.containers[web].env[{name}]: is set without AWS_")), "{found:?}");
    // If the account has no role, there is nothing to complete.
    let found = lines(&env, &settings(), &quiet_cluster());
    assert!(!found.iter().any(|line| line.contains("is without")), "{found:?}");
}

/// In a container that the webhook skips, neither a missing role nor half a
/// pair is a finding. A role other than the account's was written by hand there
/// too.
#[rstest]
#[case::skipped("web", role(ROLE), "fine")]
#[case::one_of_two("sidecar,web", role(ROLE), "fine")]
#[case::the_file("web", file(FILE), "fine")]
#[case::another_role("web", role(OTHER), "reject")]
#[case::another_container("sidecar", role(ROLE), "reject")]
#[case::a_blank_that_counts("sidecar, web", role(ROLE), "reject")]
#[case::no_list_at_all("\"web", role(ROLE), "reject")]
fn skipped_containers(#[case] skipped: &str, #[case] variable: Value, #[case] expected: &str) {
    let mut pod = tokenless_pod(&json!({"containers": [{"name": "web", "image": "i", "env": [variable]}]}));
    pod["metadata"]["annotations"] = json!({"eks.amazonaws.com/skip-containers": skipped});
    assert_eq!(outcome(&review(&create(&pod), &settings(), &with_role())), expected);
}

/// If the account has no role, half a pair is ordinary configuration: an
/// application reads it and assumes the role by itself. Grammar and lists still
/// apply.
#[rstest]
#[case::role(json!([role(ROLE)]), "fine")]
#[case::empty(json!([role("")]), "fine")]
#[case::unset(json!([{"name": "AWS_ROLE_ARN"}]), "fine")]
#[case::by_reference(json!([reference("AWS_ROLE_ARN")]), "fine")]
#[case::put_together(json!([role("arn:aws:iam::$(ACCOUNT):role/app")]), "fine")]
#[case::file(json!([file("/tokens/aws")]), "fine")]
#[case::uri(json!([plain("AWS_CONTAINER_CREDENTIALS_FULL_URI")]), "fine")]
#[case::name(json!([role("app")]), "reject")]
#[case::nested(json!([role("arn:aws:iam::123456789012:role/arn:aws:iam::123456789012:role/app")]), "reject")]
#[case::doubled(json!([role("arn:aws:iam::123456789012:role:role/app")]), "reject")]
#[case::nobody_filled_in(json!([role("arn:aws:iam::${ACCOUNT}:role/app")]), "reject")]
#[case::a_user(json!([role("arn:aws:iam::123456789012:user/app")]), "reject")]
fn account_without_role(#[case] env: Value, #[case] expected: &str) {
    for cluster in [quiet_cluster(), annotated_cluster(&[(KEY, "")]), unknown()] {
        assert_eq!(outcome(&review_env(&env, &settings(), &cluster)), expected);
    }
    // Together with a token file, it is a role that the account does not have.
    let mut pair = env.clone();
    pair.as_array_mut().unwrap().push(file(FILE));
    if env[0]["name"] == "AWS_ROLE_ARN" && (env[0]["valueFrom"].is_object() || env[0]["value"] == ROLE) {
        assert_eq!(outcome(&review_env(&pair, &settings(), &quiet_cluster())), "reject");
        assert_eq!(outcome(&review_env(&pair, &settings(), &unknown())), "fine");
    }
}

#[test]
fn absent_account() {
    let env = json!([role(ROLE), file(FILE)]);
    let absent = FakeCluster::failing(LookupError::Absent);
    assert_eq!(outcome(&review_env(&env, &settings(), &absent)), "reject");
    // `kubectl apply -f dir` sends Deployments before ServiceAccounts.
    let template =
        deployment(&json!({"serviceAccountName": "app", "containers": [{"name": "web", "image": "i", "env": env}]}));
    assert_eq!(outcome(&review(&create(&template), &settings(), &absent)), "fine");
}

/// The lists of `role-arn` apply here too, even if that rule is off.
#[rstest]
#[case::no_list(json!({}), "fine")]
#[case::accounts(json!({"accounts": ["999999999999"]}), "reject")]
#[case::roles(json!({"roles": ["team-a/*"]}), "reject")]
#[case::roles_allow(json!({"roles": ["{serviceAccount}"]}), "fine")]
#[case::partitions(json!({"partitions": ["aws-cn"]}), "reject")]
#[case::namespaces(json!({"namespaces": {"other": ["*"]}}), "reject")]
#[case::namespaces_allow(json!({"namespaces": {"shop": ["app"], "*": ["nothing"]}}), "fine")]
fn lists(#[case] role_arn: Value, #[case] expected: &str) {
    for cluster in [quiet_cluster(), unknown()] {
        assert_eq!(outcome(&review_env(&json!([role(ROLE)]), &settings_with(&role_arn), &cluster)), expected);
    }
}

#[test]
fn reports_list() {
    let settings = settings_with(&json!({"accounts": ["999999999999"], "roles": ["team-a/*"]}));
    assert_eq!(
        lines(&json!([role(ROLE)]), &settings, &unknown()),
        [
            "spec.containers[web].env[AWS_ROLE_ARN]: is a role that role-arn rejects: belongs to account `…`, must belong to 999999999999",
            "spec.containers[web].env[AWS_ROLE_ARN]: is a role that role-arn rejects: is not one of the allowed roles: team-a/*",
        ]
    );
    // Parts of three letters or fewer reveal nothing.
    assert_eq!(
        lines(&json!([role(ROLE)]), &settings_with(&json!({"partitions": ["aws-cn"]})), &unknown()),
        [
            "spec.containers[web].env[AWS_ROLE_ARN]: is a role that role-arn rejects: is in partition `aws`, must be in aws-cn"
        ]
    );
}

/// A role that cannot be read cannot be on a list. All partitions are on theirs.
#[rstest]
#[case::no_list(json!({}), "fine")]
#[case::partitions(json!({"partitions": ["aws"]}), "fine")]
#[case::accounts(json!({"accounts": ["123456789012"]}), "reject")]
#[case::roles(json!({"roles": ["*"]}), "reject")]
#[case::namespaces(json!({"namespaces": {"*": ["*"]}}), "reject")]
fn unreadable_role(#[case] role_arn: Value, #[case] expected: &str) {
    let settings = settings_with(&role_arn);
    for env in [json!([reference("AWS_ROLE_ARN")]), json!([role("arn:aws:iam::$(ACCOUNT):role/app")])] {
        assert_eq!(outcome(&review_env(&env, &settings, &unknown())), expected);
        // It cannot be compared either.
        let pair = json!([env[0], file(FILE)]);
        assert_eq!(outcome(&review_env(&pair, &settings, &with_role())), "reject");
    }
}

/// A separate token for the role of the account was written by hand: then the
/// lists apply.
#[rstest]
#[case::where_the_webhook_puts_it(FILE, "fine")]
#[case::elsewhere("/tokens/aws", "reject")]
#[case::windows_elsewhere("C:\\tokens\\aws", "reject")]
#[case::another_file("/var/run/secrets/eks.amazonaws.com/serviceaccount/jwt", "reject")]
#[case::nowhere("", "reject")]
fn token_file(#[case] path: &str, #[case] expected: &str) {
    let env = json!([role(ROLE), file(path)]);
    let settings_with = settings_with(&json!({"roles": ["other"]}));
    assert_eq!(outcome(&review_env(&env, &settings_with, &with_role())), expected);
    assert_eq!(outcome(&review_env(&env, &settings(), &with_role())), "fine");
}

#[test]
fn webhook_flags() {
    let mut settings = settings_with(&json!({"roles": ["other"]}));
    settings["aws"] = json!({"annotationPrefix": "irsa.example.com", "tokenMountPath": "/run/aws"});
    let cluster = annotated_cluster(&[("irsa.example.com/role-arn", ROLE), (KEY, OTHER)]);
    assert_eq!(outcome(&review_env(&json!([role(ROLE), file("/run/aws/token")]), &settings, &cluster)), "fine");
    assert_eq!(outcome(&review_env(&json!([role(ROLE), file("C:\\run\\aws\\token")]), &settings, &cluster)), "fine");
    assert_eq!(outcome(&review_env(&json!([role(ROLE), file(FILE)]), &settings, &cluster)), "reject");
    let found = lines(&json!([role(OTHER), file("/run/aws/token")]), &settings, &cluster);
    assert!(
        found[0].contains("is not the role of ServiceAccount `app` (arn:aws:iam::123456789012:role/app)"),
        "{found:?}"
    );
}

/// With `--compose-role-arn`, the webhook injects the ARN that it composes from
/// the name.
#[test]
fn composed_role() {
    let settings =
        settings_with(&json!({"composeRoleArn": true, "composeAccount": "123456789012", "roles": ["other"]}));
    let cluster = annotated_cluster(&[(KEY, "app")]);
    assert_eq!(outcome(&review_env(&json!([role(ROLE), file(FILE)]), &settings, &cluster)), "fine");
    assert_eq!(outcome(&review_env(&json!([role("app"), file(FILE)]), &settings, &cluster)), "reject");
}

/// `roleSource: external`: nothing is compared and nothing is looked up;
/// grammar and lists apply.
#[rstest]
#[case::another_role(json!([role(OTHER), file(FILE)]), "fine")]
#[case::half(json!([role(ROLE)]), "fine")]
#[case::by_reference(json!([reference("AWS_ROLE_ARN"), file(FILE)]), "fine")]
#[case::wrong(json!([role("app"), file(FILE)]), "reject")]
fn external_role_source(#[case] env: Value, #[case] expected: &str) {
    let cluster = with_role();
    let mut settings = settings();
    settings["rules"][ID] = json!({"action": "reject", "roleSource": "external"});
    assert_eq!(outcome(&review_env(&env, &settings, &cluster)), expected);
    settings["rules"]["role-arn"] = json!({"action": "off", "roles": ["other"]});
    assert_eq!(outcome(&review_env(&env, &settings, &cluster)), "reject");
    assert_eq!(cluster.lookups(), 0);
}

#[test]
fn lookups() {
    let cluster = with_role();
    for env in [json!([plain("AWS_REGION")]), json!([plain("AWS_CONTAINER_AUTHORIZATION_TOKEN")]), json!([])] {
        assert_eq!(outcome(&review_env(&env, &settings(), &cluster)), "fine");
    }
    assert_eq!(cluster.lookups(), 0);
    let both = json!([{"name": "a", "image": "i", "env": [role(ROLE), file(FILE)]},
        {"name": "b", "image": "i", "env": [role(ROLE), file(FILE)]}]);
    review(&create(&tokenless_pod(&json!({"containers": both}))), &settings(), &cluster);
    assert_eq!(cluster.lookups(), 1);
    let broken = FakeCluster::failing(LookupError::Failed);
    assert_eq!(review_env(&json!([role(ROLE), file(FILE)]), &settings(), &broken)["code"], 503);
}

/// Attempts to bypass the rule.
#[rstest]
#[case::twice_and_right_at_first(json!([role(ROLE), role(OTHER), file(FILE)]))]
#[case::twice_and_right_at_last(json!([role(OTHER), role(ROLE), file(FILE)]))]
#[case::twice_and_by_reference(json!([role(ROLE), reference("AWS_ROLE_ARN"), file(FILE)]))]
#[case::another_case(json!([role("arn:aws:iam::123456789012:role/App"), file(FILE)]))]
#[case::a_blank_behind(json!([role(&format!("{ROLE} ")), file(FILE)]))]
#[case::a_line_break_behind(json!([role(&format!("{ROLE}\n")), file(FILE)]))]
#[case::by_another_variable(json!([{"name": "R", "value": OTHER}, role("$(R)"), file(FILE)]))]
#[case::an_escaped_reference(json!([role("$$(R)"), file(FILE)]))]
#[case::the_file_by_reference(json!([role(OTHER), reference("AWS_WEB_IDENTITY_TOKEN_FILE")]))]
#[case::a_file_of_its_own(json!([role(OTHER), file("/tokens/aws")]))]
#[case::half(json!([role(OTHER)]))]
fn bypass(#[case] env: Value) {
    assert_eq!(outcome(&review_env(&env, &settings(), &with_role())), "reject");
    for list in ["initContainers", "ephemeralContainers"] {
        let container = json!({"name": "c", "image": "i", "restartPolicy": "Always", "env": env});
        let pod = tokenless_pod(&json!({list: [container]}));
        assert_eq!(outcome(&review(&create(&pod), &settings(), &with_role())), "reject");
    }
    let template =
        deployment(&json!({"serviceAccountName": "app", "containers": [{"name": "web", "image": "i", "env": env}]}));
    assert_eq!(outcome(&review(&create(&template), &settings(), &with_role())), "reject");
}

#[test]
fn bypass_by_escapes() {
    let pod = tokenless_pod(&json!({"containers": [{"name": "web", "image": "i", "env": [role(OTHER), file(FILE)]}]}));
    let request = create(&pod).to_string().replace("AWS_", "\\u0041WS_");
    let payload = format!(r#"{{"request":{request},"settings":{}}}"#, settings());
    let answer: Value = serde_json::from_slice(&crate::guest::validate(payload.as_bytes(), &with_role())).unwrap();
    assert_eq!(answer["code"], 403);
}

/// Whatever a value contains, at most a count or a character of it is shown.
#[test]
fn never_shows_values() {
    let secrets = [
        "s3cret",
        "arn:s3cret:iam::123456789012:role/app",
        "arn:aws:s3cret::123456789012:role/app",
        "arn:aws:iam:s3cret:123456789012:role/app",
        "arn:aws:iam::s3cret:role/app",
        "arn:aws:iam::123456789012:s3cret/app",
        "arn:aws:iam::123456789012:role/s3cret/",
        "arn:aws:iam::123456789012:role/s3cret app",
        "arn:awss:iam::123456789012:role/s3cret!",
        "arn:aws:iam::123456789012:role/aws-reserved/s3cret",
        "arn:aws-cn:iam::123456789012:role/s3cret",
        "$(s3cret)",
    ];
    let lists = json!({"accounts": ["999999999999"], "partitions": ["aws"], "namespaces": {"other": ["*"]}});
    for secret in secrets {
        for cluster in [with_role(), quiet_cluster(), unknown()] {
            for env in [json!([role(secret), file("s3cret")]), json!([role(secret)])] {
                let answer = review_env(&env, &settings_with(&lists), &cluster);
                assert_eq!(outcome(&answer), "reject", "{secret}");
                assert!(!answer.to_string().contains("s3cret"), "{answer}");
            }
        }
    }
}

/// In a running Pod, only new ephemeral containers are checked. No webhook sees
/// them, so their roles were written by hand.
#[test]
fn ephemeral_container() {
    let pod = tokenless_pod(&json!({"containers": [{"name": "web", "image": "i", "env": [role(OTHER), file(FILE)]}]}));
    let debugger = |env: Value| json!([{"name": "debug", "image": "i", "env": env}]);
    let none = json!([]);
    let reviewed =
        |old: &Value, new: &Value| reported(&review(&ephemeral(&pod, old, new), &settings(), &with_role()), ID);
    let other = debugger(json!([role(OTHER), file(FILE)]));
    let found = reviewed(&none, &other);
    assert!(found[0].starts_with("spec.ephemeralContainers[debug].env[AWS_ROLE_ARN]: is not the role"), "{found:?}");
    assert_eq!(found.len(), 1);
    for env in [json!([role(ROLE), file(FILE)]), json!([role(ROLE)]), json!([file(FILE)])] {
        assert_eq!(reviewed(&none, &debugger(env)), Vec::<String>::new());
    }
    assert_eq!(reviewed(&none, &debugger(json!([role(OTHER)]))), found);
    assert_eq!(reviewed(&other, &other), Vec::<String>::new());
}

/// A role that was there before stays a warning; another one in its place is
/// new, although neither of them is shown.
#[test]
fn old_problem_warns() {
    let with = |value: Value, replicas: usize| {
        let env = json!([value, file(FILE)]);
        let mut object = deployment(
            &json!({"serviceAccountName": "app", "containers": [{"name": "web", "image": "i", "env": env}]}),
        );
        object["spec"]["replicas"] = json!(replicas);
        object
    };
    let reviewed =
        |old: &Value, new: &Value, cluster: &FakeCluster| outcome(&review(&update(old, new), &settings(), cluster));
    for cluster in [with_role(), quiet_cluster()] {
        assert_eq!(reviewed(&with(role(OTHER), 1), &with(role(OTHER), 2), &cluster), "warn");
        let third = "arn:aws:iam::123456789012:role/root";
        assert_eq!(reviewed(&with(role(OTHER), 1), &with(role(third), 1), &cluster), "reject");
        assert_eq!(reviewed(&with(role(OTHER), 1), &with(reference("AWS_ROLE_ARN"), 1), &cluster), "reject");
    }
    let wrong = |digits: &str| with(role(&format!("arn:aws:iam::{digits}:role/app")), 1);
    assert_eq!(reviewed(&wrong("12345"), &wrong("12345"), &unknown()), "warn");
    assert_eq!(reviewed(&wrong("12345"), &wrong("54321"), &unknown()), "reject");
}

#[test]
fn reads_environment_lazily() {
    assert_eq!(outcome(&review_env(&json!({"OTHER": 1}), &settings(), &with_role())), "fine");
    assert_eq!(review_env(&json!({"AWS_": 1}), &settings(), &with_role())["code"], 400);
    let answer = review_env(&json!([{"name": "AWS_ROLE_ARN", "value": 7}, file(FILE)]), &settings(), &with_role());
    assert_eq!(
        answer["message"],
        "serviceaccount-hygiene: the request cannot be read: object.spec.containers[web].env[AWS_ROLE_ARN].value: must be a string, is a number"
    );
}

#[test]
fn exempt_pod() {
    let mut settings = settings();
    settings["exemptions"] = json!([{"rules": [ID], "serviceAccounts": ["shop/app"]}]);
    assert_eq!(outcome(&review_env(&json!([role(OTHER), file(FILE)]), &settings, &with_role())), "fine");
}

#[test]
fn rejects_by_default() {
    let answer = review_env(&json!([role(OTHER), file(FILE)]), &json!({}), &with_role());
    assert_eq!((outcome(&answer), reported(&answer, ID).len()), ("reject", 1));
}

#[test]
fn rejects_wrong_parameters() {
    let mut settings = settings();
    settings["rules"][ID] = json!({"roleSource": "configMap"});
    assert_eq!(
        settings_problems(&settings),
        ["rules.identity-env.roleSource: unknown value `configMap`, must be one of serviceAccount, external"]
    );
}

fn java(option: &str) -> Value {
    json!([{"name": "JAVA_TOOL_OPTIONS", "value": format!("-Xmx1g {option}")}])
}

/// The AWS SDK for Java reads its own properties before the environment, and uses
/// the token that the webhook injects for the role that they name.
#[test]
fn bypass_by_java_property() {
    let option = format!("-Daws.roleArn={OTHER}");
    assert_eq!(
        lines(&java(&option), &settings(), &with_role()),
        [
            "spec.containers[web].env[JAVA_TOOL_OPTIONS]: is not the role of ServiceAccount `app` (arn:aws:iam::123456789012:role/app); remove it, or use a ServiceAccount with the intended role"
        ]
    );
    let args = |field: &str| {
        let pod =
            tokenless_pod(&json!({"containers": [{"name": "web", "image": "i", field: ["java", &option, "-jar"]}]}));
        reported(&review(&create(&pod), &settings(), &with_role()), ID)
    };
    for field in ["command", "args"] {
        assert_eq!(
            args(field),
            [format!(
                "spec.containers[web].{field}[1]: is not the role of ServiceAccount `app` (arn:aws:iam::123456789012:role/app); remove it, or use a ServiceAccount with the intended role"
            )]
        );
    }
}

#[rstest]
#[case::the_accounts_own(format!("-Daws.roleArn={ROLE}"), with_role(), 0)]
#[case::reference("-Daws.roleArn=$(ROLE)".to_owned(), with_role(), 1)]
#[case::without_a_token(format!("-Daws.roleArn={OTHER}"), quiet_cluster(), 0)]
#[case::with_a_token(format!("-Daws.roleArn={OTHER} -Daws.webIdentityTokenFile=/t"), quiet_cluster(), 1)]
#[case::reference_of_a_shell("-Daws.roleArn=arn:aws:iam::123456789012:role/$TEAM".to_owned(), with_role(), 1)]
#[case::not_an_arn("-Daws.roleArn=admin".to_owned(), unknown(), 1)]
#[case::other_property("-Daws.roleSessionName=x".to_owned(), with_role(), 0)]
fn java_properties(#[case] option: String, #[case] cluster: FakeCluster, #[case] expected: usize) {
    assert_eq!(lines(&java(&option), &settings(), &cluster).len(), expected);
}

/// The webhook skips such a Pod, so it would not complete half a pair.
#[test]
fn half_a_pair_in_skipped_pod() {
    let reviewed = |labels: Value| {
        let mut pod = tokenless_pod(&json!({"containers": [{"name": "web", "image": "i", "env": [role(ROLE)]}]}));
        pod["metadata"]["labels"] = labels;
        reported(&review(&create(&pod), &settings(), &with_role()), ID)
    };
    assert_eq!(reviewed(json!({"eks.amazonaws.com/skip-pod-identity-webhook": "true"})), Vec::<String>::new());
    assert_eq!(reviewed(json!({"app": "web"})).len(), 1);
}

/// The SDK reads each of them separately.
#[rstest]
#[case::role_as_a_property(json!([file("/t"), {"name": "JAVA_TOOL_OPTIONS", "value": format!("-Daws.roleArn={OTHER}")}]), "JAVA_TOOL_OPTIONS")]
#[case::token_as_a_property(json!([role(OTHER), {"name": "JAVA_TOOL_OPTIONS", "value": "-Daws.webIdentityTokenFile=/t"}]), "AWS_ROLE_ARN")]
fn bypass_by_halves_of_two_kinds(#[case] env: Value, #[case] name: &str) {
    assert_eq!(
        lines(&env, &settings(), &quiet_cluster()),
        [format!(
            "spec.containers[web].env[{name}]: sets a role and a token for it, but ServiceAccount `app` has no role; use a ServiceAccount that has eks.amazonaws.com/role-arn instead"
        )]
    );
}
