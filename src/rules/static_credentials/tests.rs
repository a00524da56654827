// SPDX-License-Identifier: Apache-2.0
use rstest::rstest;
use serde_json::{Value, json};

use super::is_access_key_id;
use crate::cluster::LookupError;
use crate::testing::{
    FakeCluster, annotated_cluster, create, deployment, ephemeral, only, outcome, quiet_cluster, reported, review,
    review_env, settings_problems, tokenless_pod, update,
};

const ID: &str = "static-credentials";
const KEY_ID: &str = "AKIAIOSFODNN7EXAMPLE";
const ROLE: (&str, &str) = ("eks.amazonaws.com/role-arn", "arn:aws:iam::123456789012:role/s3");

fn settings(params: &Value) -> Value {
    only(&json!({ID: params}))
}

fn checked(env: &Value, params: &Value) -> Value {
    review_env(env, &settings(params), &quiet_cluster())
}

fn variable(name: &str) -> Value {
    json!({"name": name, "value": "s3cret-value"})
}

fn reference(name: &str) -> Value {
    json!({"name": name, "valueFrom": {"secretKeyRef": {"name": "aws", "key": "k"}}})
}

#[test]
fn messages() {
    let env = json!([
        variable("AWS_SECRET_ACCESS_KEY"),
        reference("AZURE_CLIENT_SECRET"),
        {"name": "S3_KEY", "value": KEY_ID},
        variable("DB_PASSWORD"),
    ]);
    let params = json!({"action": "reject", "extraNames": ["*_PASSWORD"]});
    assert_eq!(
        reported(&checked(&env, &params), ID),
        [
            "spec.containers[web].env[AWS_SECRET_ACCESS_KEY]: is a static AWS credential; use a ServiceAccount with eks.amazonaws.com/role-arn for short-lived credentials instead",
            "spec.containers[web].env[AZURE_CLIENT_SECRET]: is a static Azure credential; use a ServiceAccount with azure.workload.identity/client-id for short-lived credentials instead",
            "spec.containers[web].env[DB_PASSWORD]: is listed as a static credential; let the Pod use an identity of its ServiceAccount instead",
            "spec.containers[web].env[S3_KEY]: holds the ID of an AWS access key; use a ServiceAccount with eks.amazonaws.com/role-arn for short-lived credentials instead",
        ]
    );
    let with_role = review_env(&env, &settings(&json!("reject")), &annotated_cluster(&[ROLE]));
    assert_eq!(
        reported(&with_role, ID)[0],
        "spec.containers[web].env[AWS_SECRET_ACCESS_KEY]: is a static AWS credential and overrides the eks.amazonaws.com/role-arn of ServiceAccount `app`; remove it"
    );
    let pod = tokenless_pod(&json!({"containers": [{"name": "web", "image": "i",
        "envFrom": [{"prefix": "AWS_", "secretRef": {"name": "s3"}}]}]}));
    let answer = review(&create(&pod), &settings(&json!("reject")), &quiet_cluster());
    assert_eq!(outcome(&answer), "warn");
    assert_eq!(
        reported(&answer, ID),
        [
            "spec.containers[web].envFrom[s3].prefix: creates variables that begin with AWS_ from all keys of Secret `s3`, which may be static credentials; list the needed variables in env"
        ]
    );
}

#[rstest]
#[case("AWS_ACCESS_KEY_ID", true)]
#[case("AWS_SECRET_ACCESS_KEY", true)]
#[case("AWS_SESSION_TOKEN", true)]
#[case("AWS_ACCESS_KEY", true)]
#[case("AWS_SECRET_KEY", true)]
#[case("AWS_BEARER_TOKEN_BEDROCK", true)]
#[case("GOOGLE_APPLICATION_CREDENTIALS_JSON", true)]
#[case("AZURE_CLIENT_SECRET", true)]
#[case("AZURE_CLIENT_CERTIFICATE_PASSWORD", true)]
#[case("AZURE_PASSWORD", true)]
#[case::of_the_webhook("AWS_ROLE_ARN", false)]
#[case::of_the_webhook("AWS_WEB_IDENTITY_TOKEN_FILE", false)]
#[case::of_the_agent("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", false)]
#[case::a_region("AWS_REGION", false)]
#[case::a_file("GOOGLE_APPLICATION_CREDENTIALS", false)]
#[case::no_secret("AZURE_CLIENT_ID", false)]
#[case::longer("MY_AWS_SECRET_ACCESS_KEY", false)]
#[case::another_case("aws_secret_access_key", false)]
fn names(#[case] name: &str, #[case] is_static: bool) {
    let expected = if is_static { "reject" } else { "fine" };
    for variable in [variable(name), reference(name)] {
        assert_eq!(outcome(&checked(&json!([variable]), &json!("reject"))), expected);
    }
}

#[rstest]
#[case(KEY_ID, true)]
#[case::of_a_session("ASIAIOSFODNN7EXAMPLE", true)]
#[case::of_a_user("AIDAIOSFODNN7EXAMPLE", false)]
#[case::of_a_role("AROAIOSFODNN7EXAMPLE", false)]
#[case::short("AKIAIOSFODNN7EXAMPL", false)]
#[case::long("AKIAIOSFODNN7EXAMPLEA", false)]
#[case::lower_case("akiaiosfodnn7example", false)]
#[case::not_in_the_alphabet("AKIAIOSFODNN1EXAMPLE", false)]
#[case::not_ascii("AKIAÄÄÄÄÄÄÄÄ", false)]
#[case::in_a_sentence("key AKIAIOSFODNN7EXAMPLE", false)]
#[case::the_prefix_alone("AKIA", false)]
#[case::empty("", false)]
fn key_ids(#[case] value: &str, #[case] is_key_id: bool) {
    assert_eq!(is_access_key_id(value), is_key_id);
    let expected = if is_key_id { "reject" } else { "fine" };
    assert_eq!(outcome(&checked(&json!([{"name": "ANY", "value": value}]), &json!("reject"))), expected);
}

/// Charts leave such variables behind; they are empty.
#[rstest]
#[case(json!({"name": "AWS_ACCESS_KEY_ID", "value": ""}))]
#[case(json!({"name": "AWS_ACCESS_KEY_ID"}))]
#[case(json!({"name": "AWS_ACCESS_KEY_ID", "value": null, "valueFrom": null}))]
fn accepts_empty_values(#[case] variable: Value) {
    assert_eq!(outcome(&checked(&json!([variable]), &json!("reject"))), "fine");
}

/// `allowReferences`: references are accepted, but literal values are not, even
/// by way of another variable.
#[rstest]
#[case::from_a_secret(json!([reference("AWS_SECRET_ACCESS_KEY")]), "fine")]
#[case::listed(json!([reference("DB_PASSWORD")]), "fine")]
#[case::written(json!([variable("AWS_SECRET_ACCESS_KEY")]), "reject")]
#[case::listed_and_written(json!([variable("DB_PASSWORD")]), "reject")]
#[case::of_a_reference(json!([reference("S3"), {"name": "AWS_SECRET_ACCESS_KEY", "value": "$(S3)"}]), "fine")]
#[case::of_what_env_from_brings(json!([{"name": "AWS_SECRET_ACCESS_KEY", "value": "$(S3)"}]), "fine")]
#[case::of_what_is_written(json!([variable("S3"), {"name": "AWS_SECRET_ACCESS_KEY", "value": "$(S3)"}]), "reject")]
#[case::of_both(json!([reference("S3"), variable("S3"), {"name": "AWS_SECRET_ACCESS_KEY", "value": "$(S3)"}]), "reject")]
#[case::in_two_steps(json!([variable("A"), {"name": "B", "value": "$(A)"}, {"name": "AWS_SECRET_ACCESS_KEY", "value": "$(B)"}]), "reject")]
#[case::put_together(json!([reference("A"), {"name": "AWS_SECRET_ACCESS_KEY", "value": "$(A)$(B)"}]), "reject")]
#[case::more_than_a_reference(json!([reference("A"), {"name": "AWS_SECRET_ACCESS_KEY", "value": "$(A)x"}]), "reject")]
#[case::another_key_id(json!([{"name": "ANY", "value": KEY_ID}]), "reject")]
#[case::a_listed_key_id(json!([{"name": "DB_PASSWORD", "value": KEY_ID}]), "reject")]
fn references(#[case] env: Value, #[case] expected: &str) {
    let params = json!({"action": "reject", "allowReferences": true, "extraNames": ["*_PASSWORD"]});
    assert_eq!(outcome(&checked(&env, &params)), expected);
    // Without the parameter, all of them count.
    assert_eq!(outcome(&checked(&env, &json!({"action": "reject", "extraNames": ["*_PASSWORD"]}))), "reject");
}

#[rstest]
#[case::of_all("", "secretRef", "fine")]
#[case::of_aws("AWS_", "secretRef", "warn")]
#[case::of_keys("AWS_SECRET_", "secretRef", "warn")]
#[case::of_azure("AZURE_CLIENT_", "secretRef", "warn")]
#[case::of_google("GOOGLE_APPLICATION_CREDENTIALS_", "secretRef", "warn")]
#[case::a_letter("A", "secretRef", "warn")]
#[case::of_a_database("DB_", "secretRef", "fine")]
#[case::of_no_credential("AWS_S3_", "secretRef", "fine")]
#[case::no_secret("AWS_", "configMapRef", "fine")]
fn prefixes(#[case] prefix: &str, #[case] kind: &str, #[case] expected: &str) {
    let pod = tokenless_pod(&json!({"containers": [{"name": "web", "image": "i",
        "envFrom": [{"prefix": prefix, kind: {"name": "s3"}}]}]}));
    let reviewed = |params: &Value| outcome(&review(&create(&pod), &settings(params), &quiet_cluster()));
    assert_eq!(reviewed(&json!("reject")), expected);
    assert_eq!(reviewed(&json!({"action": "reject", "allowReferences": true})), "fine");
}

/// The keys override only an identity of the same cloud.
#[rstest]
#[case("AWS_ACCESS_KEY_ID", ROLE, true)]
#[case("AWS_ACCESS_KEY_ID", ("eks.amazonaws.com/role-arn", ""), false)]
#[case("AZURE_PASSWORD", ROLE, false)]
#[case("AZURE_PASSWORD", ("azure.workload.identity/client-id", "6c9c"), true)]
#[case("GOOGLE_APPLICATION_CREDENTIALS_JSON", ("iam.gke.io/gcp-service-account", "a@b"), true)]
fn messages_name_what_they_override(#[case] name: &str, #[case] annotation: (&str, &str), #[case] wins: bool) {
    let cluster = annotated_cluster(&[annotation]);
    let lines = reported(&review_env(&json!([variable(name)]), &settings(&json!("warn")), &cluster), ID);
    assert_eq!(lines[0].contains("overrides"), wins, "{lines:?}");
}

#[test]
fn configured_prefix() {
    let mut settings = settings(&json!("warn"));
    settings["aws"] = json!({"annotationPrefix": "irsa.example.com"});
    let cluster = annotated_cluster(&[("irsa.example.com/role-arn", ROLE.1)]);
    let lines = reported(&review_env(&json!([variable("AWS_SESSION_TOKEN")]), &settings, &cluster), ID);
    assert!(lines[0].contains("overrides the irsa.example.com/role-arn of"), "{lines:?}");
}

#[test]
fn names_the_annotation_that_is_there() {
    let cluster =
        annotated_cluster(&[("cloud.google.com/service-account-email", "app@project-1.iam.gserviceaccount.com")]);
    let env = json!([variable("GOOGLE_APPLICATION_CREDENTIALS_JSON")]);
    assert_eq!(
        reported(&review_env(&env, &settings(&json!("warn")), &cluster), ID),
        [
            "spec.containers[web].env[GOOGLE_APPLICATION_CREDENTIALS_JSON]: is a static Google Cloud credential and overrides the cloud.google.com/service-account-email of ServiceAccount `app`; remove it"
        ]
    );
}

/// The account affects only the message: a failed look-up rejects nothing, and
/// nothing is looked up without need.
#[test]
fn lookups() {
    for error in [LookupError::Failed, LookupError::NotGranted, LookupError::Absent] {
        let failing = FakeCluster::failing(error);
        let answer = review_env(&json!([variable("AWS_ACCESS_KEY_ID")]), &settings(&json!("warn")), &failing);
        assert_eq!(outcome(&answer), "warn");
        assert!(reported(&answer, ID)[0].contains("is a static AWS credential; "));
    }
    let quiet = FakeCluster::failing(LookupError::Failed);
    for env in [json!([variable("AWS_REGION")]), json!([{"name": "X", "value": KEY_ID}]), json!([])] {
        review_env(&env, &settings(&json!("warn")), &quiet);
    }
    assert_eq!(quiet.lookups(), 0);
    let mut required = settings(&json!("warn"));
    required["serviceAccountLookup"] = json!("required");
    let answer =
        review_env(&json!([variable("AWS_ACCESS_KEY_ID")]), &required, &FakeCluster::failing(LookupError::NotGranted));
    assert_eq!(answer["code"], 403);
}

/// Attempts to bypass the rule.
#[rstest]
#[case::init("initContainers", json!([variable("AWS_ACCESS_KEY_ID")]))]
#[case::a_later_container("containers", json!([variable("A"), variable("AWS_ACCESS_KEY_ID")]))]
#[case::ephemeral_in_a_new_pod("ephemeralContainers", json!([variable("AWS_ACCESS_KEY_ID")]))]
#[case::twice_and_empty_at_last("containers", json!([variable("AWS_ACCESS_KEY_ID"), {"name": "AWS_ACCESS_KEY_ID", "value": ""}]))]
#[case::twice_and_empty_at_first("containers", json!([{"name": "AWS_ACCESS_KEY_ID", "value": ""}, variable("AWS_ACCESS_KEY_ID")]))]
#[case::of_a_config_map("containers", json!([{"name": "AWS_ACCESS_KEY_ID", "valueFrom": {"configMapKeyRef": {"name": "c", "key": "k"}}}]))]
#[case::of_an_annotation("containers", json!([{"name": "AWS_ACCESS_KEY_ID", "valueFrom": {"fieldRef": {"fieldPath": "metadata.annotations['k']"}}}]))]
#[case::optional("containers", json!([{"name": "AWS_ACCESS_KEY_ID", "valueFrom": {"secretKeyRef": {"name": "c", "key": "k", "optional": true}}}]))]
#[case::of_another_variable("containers", json!([variable("A"), {"name": "AWS_ACCESS_KEY_ID", "value": "$(A)"}]))]
#[case::another_name("containers", json!([{"name": "X", "value": KEY_ID}]))]
#[case::blanks_around_it("containers", json!([{"name": "X", "value": format!(" {KEY_ID}\n")}]))]
#[case::no_name("containers", json!([{"value": KEY_ID}]))]
fn bypass(#[case] list: &str, #[case] env: Value) {
    let pod = tokenless_pod(&json!({list: [{"name": "c", "image": "i", "restartPolicy": "Always", "env": env}]}));
    let cluster = quiet_cluster();
    assert_eq!(outcome(&review(&create(&pod), &settings(&json!("reject")), &cluster)), "reject");
    let other = deployment(&json!({list: [{"name": "c", "image": "i", "env": env}]}));
    assert_eq!(outcome(&review(&create(&other), &settings(&json!("reject")), &cluster)), "reject");
}

/// Names and values may be written with escapes.
#[rstest]
#[case(json!([variable("AWS_ACCESS_KEY_ID")]), "AWS_ACCESS", "AWS\\u005fACCESS")]
#[case(json!([{"name": "X", "value": KEY_ID}]), "AKIA", "\\u0041KIA")]
fn bypass_by_escapes(#[case] env: Value, #[case] plain: &str, #[case] escaped: &str) {
    let pod = tokenless_pod(&json!({"containers": [{"name": "web", "image": "i", "env": env}]}));
    let request = create(&pod).to_string();
    let payload =
        format!(r#"{{"request":{},"settings":{}}}"#, request.replace(plain, escaped), settings(&json!("reject")));
    assert!(payload.contains(escaped));
    let answer: Value = serde_json::from_slice(&crate::guest::validate(payload.as_bytes(), &quiet_cluster())).unwrap();
    assert_eq!(answer["code"], 403);
}

#[test]
fn never_shows_values() {
    let env = json!([
        variable("AWS_SECRET_ACCESS_KEY"),
        {"name": "X", "value": KEY_ID},
        variable("DB_PASSWORD"),
        {"name": "AWS_SESSION_TOKEN", "valueFrom": {"secretKeyRef": {"name": "s3cret-value", "key": KEY_ID}}},
    ]);
    let params = json!({"action": "reject", "extraNames": ["DB_*"]});
    let answer = checked(&env, &params).to_string();
    assert!(!answer.contains("s3cret") && !answer.contains(KEY_ID), "{answer}");
    let wrong = checked(&json!([{"name": "AWS_SESSION_TOKEN", "value": 7_777_777}]), &params);
    assert_eq!(
        wrong["message"],
        "serviceaccount-hygiene: the request cannot be read: object.spec.containers[web].env[AWS_SESSION_TOKEN].value: must be a string, is a number"
    );
}

/// In a running Pod, only new ephemeral containers are checked.
#[test]
fn ephemeral_container() {
    let pod =
        tokenless_pod(&json!({"containers": [{"name": "web", "image": "i", "env": [variable("AWS_ACCESS_KEY_ID")]}]}));
    let debugger = |env: Value| json!([{"name": "debug", "image": "i", "env": env}]);
    let (none, plain, keys) = (json!([]), debugger(json!([])), debugger(json!([variable("AWS_SESSION_TOKEN")])));
    let reviewed = |old: &Value, new: &Value| {
        reported(&review(&ephemeral(&pod, old, new), &settings(&json!("reject")), &quiet_cluster()), ID)
    };
    let lines = reviewed(&none, &keys);
    assert_eq!(lines.len(), 1);
    assert!(lines[0].starts_with("spec.ephemeralContainers[debug].env[AWS_SESSION_TOKEN]: "), "{lines:?}");
    assert_eq!(reviewed(&none, &plain), Vec::<String>::new());
    assert_eq!(reviewed(&keys, &keys), Vec::<String>::new());
}

/// A key that was there before stays a warning; another one in its place is
/// new, although neither of them is shown.
#[test]
fn old_problem_warns() {
    let with = |value: &str, replicas: usize| {
        let env = json!([{"name": "AWS_SECRET_ACCESS_KEY", "value": value}]);
        let mut object = deployment(&json!({"containers": [{"name": "web", "image": "i", "env": env}]}));
        object["spec"]["replicas"] = json!(replicas);
        object
    };
    let reviewed =
        |old: &Value, new: &Value| outcome(&review(&update(old, new), &settings(&json!("reject")), &quiet_cluster()));
    assert_eq!(reviewed(&with("one", 1), &with("one", 2)), "warn");
    assert_eq!(reviewed(&with("one", 1), &with("two", 1)), "reject");
    assert_eq!(reviewed(&with("one", 1), &with("", 1)), "fine");
}

#[test]
fn reads_environment_lazily() {
    let wrong = |text: &str| checked(&json!({text: 1}), &json!("reject"));
    assert_eq!(outcome(&wrong("OTHER")), "fine");
    assert_eq!(wrong("AWS_")["code"], 400);
    assert_eq!(checked(&json!({"OTHER": 1}), &json!({"action": "warn", "extraNames": ["X"]}))["code"], 400);
}

#[test]
fn exempt_pod() {
    let mut settings = settings(&json!("reject"));
    settings["exemptions"] = json!([{"rules": [ID], "serviceAccounts": ["shop/app"]}]);
    assert_eq!(outcome(&review_env(&json!([variable("AWS_ACCESS_KEY_ID")]), &settings, &quiet_cluster())), "fine");
}

#[test]
fn warns_by_default() {
    let answer = review_env(&json!([variable("AWS_ACCESS_KEY_ID")]), &json!({}), &quiet_cluster());
    assert_eq!((outcome(&answer), reported(&answer, ID).len()), ("warn", 1));
}

#[test]
fn rejects_wrong_parameters() {
    let params = json!({"extraNames": ["A B", ""], "allowReferences": "yes"});
    assert_eq!(
        settings_problems(&settings(&params)),
        [
            "rules.static-credentials.extraNames[0]: has a blank or control character, so it cannot match anything (A B)",
            "rules.static-credentials.extraNames[1]: is empty; remove it, or write what it is to match",
            "rules.static-credentials.allowReferences: must be true or false, is a string",
        ]
    );
}

fn java_options(field: &str, options: &Value, params: &Value) -> Value {
    let pod = tokenless_pod(&json!({"containers": [{"name": "web", "image": "i", field: options}]}));
    review(&create(&pod), &settings(params), &quiet_cluster())
}

#[rstest]
#[case::variable("env", json!([{"name": "JAVA_TOOL_OPTIONS", "value": "-Xmx1g -Daws.secretAccessKey=s3cret-value"}]), "env[JAVA_TOOL_OPTIONS]", "secretAccessKey")]
#[case::launcher("env", json!([{"name": "JDK_JAVA_OPTIONS", "value": "-Daws.accessKeyId=s3cret-value"}]), "env[JDK_JAVA_OPTIONS]", "accessKeyId")]
#[case::old_variable("env", json!([{"name": "_JAVA_OPTIONS", "value": "-Daws.sessionToken=s3cret-value"}]), "env[_JAVA_OPTIONS]", "sessionToken")]
#[case::of_a_script("env", json!([{"name": "CATALINA_OPTS", "value": "-Daws.secretKey=s3cret-value"}]), "env[CATALINA_OPTS]", "secretKey")]
#[case::argument("args", json!(["-jar", "-Daws.secretKey=s3cret-value"]), "args[1]", "secretKey")]
#[case::command("command", json!(["sh", "-c", "exec java \"-Daws.secretKey=s3cret-value\" -jar a.jar"]), "command[2]", "secretKey")]
fn java_properties(#[case] field: &str, #[case] options: Value, #[case] path: &str, #[case] property: &str) {
    let answer = java_options(field, &options, &json!("reject"));
    assert_eq!(
        reported(&answer, ID),
        [format!(
            "spec.containers[web].{path}: sets aws.{property}, a static AWS credential that the AWS SDK for Java uses before any other; use a ServiceAccount with eks.amazonaws.com/role-arn for short-lived credentials instead"
        )]
    );
    assert!(!answer.to_string().contains("s3cret"), "{answer}");
}

#[rstest]
#[case::reference("-Daws.secretKey=$(AWS_KEY)", "reject", "fine")]
#[case::reference_in_a_shell("-Daws.secretKey=${AWS_KEY}", "reject", "fine")]
#[case::written("-Daws.secretKey=x", "reject", "reject")]
#[case::reference_with_a_default("-Daws.secretKey=${AWS_KEY:-x}", "reject", "reject")]
#[case::empty("-Daws.secretKey=", "fine", "fine")]
#[case::region("-Daws.region=eu-west-1", "fine", "fine")]
#[case::role("-Daws.roleArn=arn:aws:iam::123456789012:role/app", "fine", "fine")]
fn property_values(#[case] option: &str, #[case] expected: &str, #[case] with_references: &str) {
    let params = json!({"action": "reject", "allowReferences": true});
    assert_eq!(outcome(&java_options("args", &json!([option]), &json!("reject"))), expected);
    assert_eq!(outcome(&java_options("args", &json!([option]), &params)), with_references);
}

#[test]
fn rejects_unreadable_arguments() {
    let answer = java_options("args", &json!("-Daws.secretKey=s3cret-value"), &json!("reject"));
    assert_eq!(
        answer["message"],
        "serviceaccount-hygiene: the request cannot be read: object.spec.containers[web].args: must be a list, is a string"
    );
}

/// A variable with a literal value next to it.
#[test]
fn references_in_properties() {
    let params = json!({"action": "reject", "allowReferences": true});
    let env = |key: Value| json!([key, {"name": "JAVA_TOOL_OPTIONS", "value": "-Daws.secretAccessKey=$(K)"}]);
    assert_eq!(outcome(&checked(&env(variable("K")), &params)), "reject");
    assert_eq!(outcome(&checked(&env(reference("K")), &params)), "fine");
}
