// SPDX-License-Identifier: Apache-2.0
use rstest::rstest;
use serde_json::{Value, json};

use super::{Holder, PARAMS, RULE, RoleRules};
use crate::cluster::LookupError;
use crate::guest;
use crate::identity::{Partition, role_arn_error};
use crate::settings::Common;
use crate::settings::params::{self, Params};
use crate::settings::reader::{Path, Problems, Value as Given};
use crate::testing::{FakeCluster, create, only, update};

const GOOD: &str = "arn:aws:iam::123456789012:role/s3-upload-role";
const SHORT: &str = "arn:aws:iam::123456789:role/s3-upload-role";

/// An account of the namespace `shop`. It sets `false`, so that rules about
/// tokens report nothing.
fn account(name: &str, annotations: Value) -> Value {
    let mut account = json!({
        "apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": "shop"},
        "automountServiceAccountToken": false,
    });
    account["metadata"]["annotations"] = annotations;
    account
}

fn with_role(role: &str) -> Value {
    account("uploader", json!({"eks.amazonaws.com/role-arn": role}))
}

fn review(request: &Value, settings: &Value) -> Value {
    crate::testing::review(request, settings, &FakeCluster::failing(LookupError::Failed))
}

/// The lines that a new account gets with these parameters.
fn lines_of(object: &Value, params: &Value) -> Vec<String> {
    lines(&review(&create(object), &only(&json!({"role-arn": params}))))
}

/// The lines of a response, without the rule and the annotation if they are the
/// usual ones.
fn lines(answer: &Value) -> Vec<String> {
    if answer["accepted"] == json!(true) {
        assert_eq!(answer.get("message"), None);
        return Vec::new();
    }
    let message = answer["message"].as_str().unwrap();
    let short = |line: &str| {
        let line = line.strip_prefix("- ").unwrap_or(line);
        line.strip_prefix("role-arn: metadata.annotations[\"eks.amazonaws.com/role-arn\"]: ").unwrap_or(line).to_owned()
    };
    message.lines().skip(1).map(short).collect()
}

fn refused(role: &str, params: &Value) -> Vec<String> {
    lines_of(&with_role(role), params)
}

fn setting_problems(settings: &Value) -> Vec<String> {
    let answer: Value = serde_json::from_slice(&guest::validate_settings(settings.to_string().as_bytes())).unwrap();
    let message = answer["message"].as_str().unwrap_or_default();
    message.lines().skip(1).map(|line| line.trim_start_matches("- ").to_owned()).collect()
}

#[rstest]
#[case::plain(GOOD)]
#[case::with_a_path("arn:aws:iam::123456789012:role/service-role/team-a/s3")]
#[case::of_china("arn:aws-cn:iam::123456789012:role/x")]
#[case::of_the_newest_partition("arn:aws-eusc:iam::012345678901:role/x")]
#[case::with_every_character("arn:aws:iam::123456789012:role/+=,.@_-")]
fn accepts_valid_roles(#[case] role: &str) {
    let answer = review(&create(&with_role(role)), &json!({}));
    assert_eq!((answer["accepted"].clone(), answer.get("warnings")), (json!(true), None), "{answer}");
}

#[test]
fn accepts_account_without_role() {
    for annotations in [json!(null), json!({}), json!({"x": "y"}), json!({"eks.amazonaws.com/role-arn": null})] {
        assert_eq!(lines_of(&account("uploader", annotations), &json!({})), Vec::<String>::new());
    }
}

#[test]
fn message() {
    let answer = review(&create(&with_role(SHORT)), &json!({}));
    assert_eq!(answer["code"], 403);
    assert_eq!(
        answer["message"],
        "serviceaccount-hygiene: 1 problem\n- role-arn: metadata.annotations[\"eks.amazonaws.com/role-arn\"]: account ID has 9 digits, must have 12 (arn:aws:iam::123456789:role/s3-upload-role)"
    );
    assert_eq!(answer["audit_annotations"], json!({"role-arn": "rejected(1)"}));
}

#[rstest]
#[case("", "is empty; write the ARN of a role, or remove it")]
#[case(
    "arn:aws:iam::123456789012:role/x\n",
    "has a line break; write the ARN on one line (arn:aws:iam::123456789012:role/x\\u{a})"
)]
#[case(
    " arn:aws:iam::123456789012:role/x",
    "begins or ends with whitespace; remove it ( arn:aws:iam::123456789012:role/x)"
)]
#[case(
    "arn:aws:iam::123456789012:role/my role",
    "contains whitespace; remove it (arn:aws:iam::123456789012:role/my role)"
)]
#[case(
    "'arn:aws:iam::123456789012:role/x'",
    "has quotes as part of the value; remove them ('arn:aws:iam::123456789012:role/x')"
)]
#[case(
    "arn:aws:iam::${ACCOUNT_ID}:role/x",
    "has a placeholder that was not replaced; write the value it stands for (arn:aws:iam::${ACCOUNT_ID}:role/x)"
)]
#[case(
    "ARN:aws:iam::123456789012:role/x",
    "begins with arn: in upper case; write it in lower case (ARN:aws:iam::123456789012:role/x)"
)]
#[case("s3-upload-role", "is a name, not an ARN; write arn:aws:iam::<account>:role/<name> (s3-upload-role)")]
#[case(
    "https://example.com/x",
    "is not an ARN; a role's ARN is arn:aws:iam::<account>:role/<name> (https://example.com/x)"
)]
#[case(
    "arn:aws:iam::123456789012:role/arn:aws:iam::123456789012:role/velero",
    "contains an ARN inside an ARN; write only one (arn:aws:iam::123456789012:role/arn:aws:iam::123456789012:role/velero)"
)]
#[case(
    "arn:aws:iam::123456789012",
    "is incomplete; a role's ARN is arn:aws:iam::<account>:role/<name> (arn:aws:iam::123456789012)"
)]
#[case("arn:aws:iam:123456789012:role/x", "has one colon after iam, must have two (arn:aws:iam:123456789012:role/x)")]
#[case("arn:iam::123456789012:role/x", "has no partition after arn:, such as aws (arn:iam::123456789012:role/x)")]
#[case(
    "arn:aws-gov:iam::123456789012:role/x",
    "unknown partition `aws-gov`; did you mean `aws-us-gov`? (arn:aws-gov:iam::123456789012:role/x)"
)]
#[case(
    "arn:acs:iam::123456789012:role/x",
    "unknown partition `acs`; did you mean `aws`? (arn:acs:iam::123456789012:role/x)"
)]
#[case(
    "arn:aliyun:iam::123456789012:role/x",
    "unknown partition `aliyun`; use one of aws, aws-cn, aws-us-gov, aws-iso, aws-iso-b, aws-iso-e, aws-iso-f, aws-eusc (arn:aliyun:iam::123456789012:role/x)"
)]
#[case("arn:aws:s3::123456789012:role/x", "names service `s3`, must name `iam` (arn:aws:s3::123456789012:role/x)")]
#[case(
    "arn:aws:iam:eu-west-1:123456789012:role/x",
    "has region `eu-west-1`; IAM has no regions, so leave it empty (arn:aws:iam:eu-west-1:123456789012:role/x)"
)]
#[case("arn:aws:iam::role/x", "has no account ID; write its 12 digits between iam:: and :role/ (arn:aws:iam::role/x)")]
#[case(SHORT, "account ID has 9 digits, must have 12 (arn:aws:iam::123456789:role/s3-upload-role)")]
#[case(
    "arn:aws:iam::1234-5678-9012:role/x",
    "account ID has dashes; write only its 12 digits (arn:aws:iam::1234-5678-9012:role/x)"
)]
#[case(
    "arn:aws:iam::12345678901O:role/x",
    "account ID is `12345678901O`, must be 12 digits (arn:aws:iam::12345678901O:role/x)"
)]
#[case(
    "arn:aws:sts::123456789012:assumed-role/x/session",
    "is a session of a role; write the ARN of the role itself (arn:aws:sts::123456789012:assumed-role/x/session)"
)]
#[case(
    "arn:aws:iam::123456789012:instance-profile/nodes",
    "is an instance profile; write the ARN of the role in it (arn:aws:iam::123456789012:instance-profile/nodes)"
)]
#[case(
    "arn:aws:iam::123456789012:user/alice",
    "names a resource of type `user`, must be `role` (arn:aws:iam::123456789012:user/alice)"
)]
#[case("arn:aws:iam::123456789012:Role/x", "has `Role/` in place of role/ (arn:aws:iam::123456789012:Role/x)")]
#[case("arn:aws:iam::123456789012:s3", "has no role/ before the name (arn:aws:iam::123456789012:s3)")]
#[case(
    "arn:aws:iam::123456789012:role/role/x",
    "has role twice; write role/ once (arn:aws:iam::123456789012:role/role/x)"
)]
#[case(
    "arn:aws:iam::123456789012:role:role/x",
    "has role twice; write role/ once (arn:aws:iam::123456789012:role:role/x)"
)]
#[case("arn:aws:iam::123456789012:role/", "ends with role/, without a name (arn:aws:iam::123456789012:role/)")]
#[case(
    "arn:aws:iam::123456789012:role/team-a/",
    "ends with a slash: it has a path, but no name (arn:aws:iam::123456789012:role/team-a/)"
)]
#[case(
    "arn:aws:iam::123456789012:role//x",
    "has nothing between two slashes, which is probably a mistake; remove one, or set anyRolePath (arn:aws:iam::123456789012:role//x)"
)]
#[case(
    "arn:aws:iam::123456789012:role/team-a/../admin",
    "has . or .. as a part of the path, which is probably a mistake; remove it, or set anyRolePath (arn:aws:iam::123456789012:role/team-a/../admin)"
)]
#[case(
    "arn:aws:iam::123456789012:role/team-a%2Fx",
    "is percent-encoded; write the characters themselves (arn:aws:iam::123456789012:role/team-a%2Fx)"
)]
#[case(
    "arn:aws:iam::123456789012:role/*",
    "has `*`, which is not allowed in the name of a role; names can contain letters, digits and + = , . @ _ - (arn:aws:iam::123456789012:role/*)"
)]
fn messages_of_errors(#[case] role: &str, #[case] expected: &str) {
    assert_eq!(refused(role, &json!({})), [expected]);
}

#[test]
fn messages_for_long_names_and_paths() {
    let (name, path) = ("n".repeat(65), format!("{}/x", "p".repeat(511)));
    for (role, words) in [
        (name, "name has 65 characters, must have at most 64"),
        (path, "path has 513 characters, must have at most 512"),
    ] {
        let role = format!("arn:aws:iam::123456789012:role/{role}");
        let shown: String = role.chars().take(120).collect();
        let dots = if role.len() > 120 { "…" } else { "" };
        assert_eq!(refused(&role, &json!({})), [format!("{words} ({shown}{dots})")]);
    }
}

#[test]
fn reports_all_problems_of_one_role() {
    assert_eq!(
        refused("arn:awz:iam:eu-west-1:12:role/role/x", &json!({})),
        [
            "account ID has 2 digits, must have 12 (arn:awz:iam:eu-west-1:12:role/role/x)",
            "has region `eu-west-1`; IAM has no regions, so leave it empty (arn:awz:iam:eu-west-1:12:role/role/x)",
            "has role twice; write role/ once (arn:awz:iam:eu-west-1:12:role/role/x)",
            "unknown partition `awz`; did you mean `aws`? (arn:awz:iam:eu-west-1:12:role/role/x)",
        ]
    );
}

#[test]
fn declares_every_message() {
    for template in role_arn_error::MESSAGES {
        assert!(RULE.messages.concat().contains(template), "{}", template.name);
    }
}

#[test]
fn default_partitions() {
    let partitions: Vec<&str> = serde_json::from_str(PARAMS[0].default).unwrap();
    assert_eq!(partitions, Partition::ALL);
}

#[rstest]
#[case(
    json!({"partitions": ["aws-cn", "aws-us-gov"]}),
    "is in partition `aws`, must be in aws-cn, aws-us-gov (arn:aws:iam::123456789012:role/s3-upload-role)"
)]
#[case(
    json!({"accounts": ["210987654321", "111122223333"]}),
    "belongs to account `123456789012`, must belong to 210987654321, 111122223333 (arn:aws:iam::123456789012:role/s3-upload-role)"
)]
#[case(
    json!({"roles": ["s3-download-*", "{namespace}/*"]}),
    "is not one of the allowed roles: s3-download-*, {namespace}/* (arn:aws:iam::123456789012:role/s3-upload-role)"
)]
#[case(
    json!({"namespaces": {"shop": ["db-*"], "*": ["*"]}}),
    "is not one of the roles that namespace `shop` may use: db-* (arn:aws:iam::123456789012:role/s3-upload-role)"
)]
#[case(
    json!({"namespaces": {"shop-2": ["*"], "*": ["db-*"]}}),
    "is not one of the roles that namespace `shop` may use: db-* (arn:aws:iam::123456789012:role/s3-upload-role)"
)]
#[case(
    json!({"namespaces": {"shop-2": ["*"], "sho": ["*"]}}),
    "is in namespace `shop`, which may not use any role (arn:aws:iam::123456789012:role/s3-upload-role)"
)]
fn messages_of_lists(#[case] params: Value, #[case] expected: &str) {
    assert_eq!(refused(GOOD, &params), [expected]);
}

#[rstest]
#[case(json!({"partitions": ["aws"]}))]
#[case(json!({"accounts": ["210987654321", "123456789012"]}))]
#[case(json!({"roles": ["db-*", "s3-*"]}))]
#[case(json!({"roles": ["arn:aws:iam::123456789012:role/*"]}))]
#[case(json!({"namespaces": {"shop": ["s3-*"]}}))]
#[case(json!({"namespaces": {"blog": ["db-*"], "*": ["s3-*"]}}))]
#[case(json!({"namespaces": {}}))]
#[case(json!({"accounts": [], "roles": null, "namespaces": ""}))]
fn allowing_lists(#[case] params: Value) {
    assert_eq!(refused(GOOD, &params), Vec::<String>::new());
}

#[test]
fn all_lists_must_allow() {
    let params = json!({
        "partitions": ["aws-cn"], "accounts": ["210987654321"], "roles": ["db-*"], "namespaces": {"*": ["db-*"]},
    });
    assert_eq!(
        refused(GOOD, &params),
        [
            "belongs to account `123456789012`, must belong to 210987654321 (arn:aws:iam::123456789012:role/s3-upload-role)",
            "is in partition `aws`, must be in aws-cn (arn:aws:iam::123456789012:role/s3-upload-role)",
            "is not one of the allowed roles: db-* (arn:aws:iam::123456789012:role/s3-upload-role)",
            "is not one of the roles that namespace `shop` may use: db-* (arn:aws:iam::123456789012:role/s3-upload-role)",
        ]
    );
    let params = json!({"accounts": ["123456789012"], "roles": ["*"], "namespaces": {"*": ["db-*"]}});
    assert_eq!(refused(GOOD, &params).len(), 1);
}

#[test]
fn reserved_roles() {
    let role = "arn:aws:iam::123456789012:role/aws-reserved/sso.amazonaws.com/AWSReservedSSO_Admin_0123456789abcdef";
    let words = format!("is below aws-reserved/, which AWS reserves for roles of its services ({role})");
    assert_eq!(refused(role, &json!({})), [words]);
    assert_eq!(refused(role, &json!({"forbidReserved": false})), Vec::<String>::new());
    let other_case = role.replace("aws-reserved", "AWS-Reserved");
    assert_eq!(refused(&other_case, &json!({})).len(), 1);
    assert_eq!(refused("arn:aws:iam::123456789012:role/team/aws-reserved/x", &json!({})), Vec::<String>::new());
}

#[test]
fn default_account() {
    let default = |role: &str| account("default", json!({"eks.amazonaws.com/role-arn": role}));
    assert_eq!(
        lines_of(&default(GOOD), &json!({})),
        [
            "is on the default account, so every Pod that names no account gets it; give it to a dedicated account (arn:aws:iam::123456789012:role/s3-upload-role)"
        ]
    );
    assert_eq!(lines_of(&default(GOOD), &json!({"allowOnDefault": true})), Vec::<String>::new());
    // An empty role counts as no role.
    assert_eq!(lines_of(&default(""), &json!({})), ["is empty; write the ARN of a role, or remove it"]);
    assert_eq!(lines_of(&default(SHORT), &json!({})).len(), 2);
    assert_eq!(lines_of(&account("default", json!({})), &json!({})), Vec::<String>::new());
}

#[test]
fn required_roles() {
    let params = json!({"requiredFor": ["shop/up*", "blog/*"]});
    let missing = ["is missing; account `shop/uploader` must have a role"];
    assert_eq!(lines_of(&account("uploader", json!({})), &params), missing);
    assert_eq!(lines_of(&account("uploader", json!({"eks.amazonaws.com/ecr-role-arn": GOOD})), &params), missing);
    assert_eq!(lines_of(&account("uploader", json!({"eks.amazonaws.com/role-arn": null})), &params), missing);
    assert_eq!(lines_of(&account("web", json!({})), &params), Vec::<String>::new());
    assert_eq!(lines_of(&with_role(GOOD), &params), Vec::<String>::new());
    // An empty one has its own message.
    assert_eq!(lines_of(&with_role(""), &params), ["is empty; write the ARN of a role, or remove it"]);
    let mut generated = account("x", json!({}));
    generated["metadata"] = json!({"generateName": "up-", "namespace": "shop"});
    assert_eq!(lines_of(&generated, &params), ["is missing; account `shop/` must have a role"]);
}

#[test]
fn ecr_role() {
    let ecr = |role: &str| account("uploader", json!({"eks.amazonaws.com/ecr-role-arn": role}));
    assert_eq!(lines_of(&ecr(GOOD), &json!({})), Vec::<String>::new());
    assert_eq!(
        lines_of(&ecr(SHORT), &json!({})),
        [
            "role-arn: metadata.annotations[\"eks.amazonaws.com/ecr-role-arn\"]: account ID has 9 digits, must have 12 (arn:aws:iam::123456789:role/s3-upload-role)"
        ]
    );
    assert_eq!(lines_of(&ecr(GOOD), &json!({"accounts": ["210987654321"]})).len(), 1);
    let mut default = ecr(GOOD);
    default["metadata"]["name"] = json!("default");
    assert_eq!(lines_of(&default, &json!({})).len(), 1);
    // The webhook's flag does not apply to the credential provider.
    let composing = json!({"composeRoleArn": true, "composeAccount": "123456789012"});
    assert_eq!(
        lines_of(&ecr("puller"), &composing),
        [
            "role-arn: metadata.annotations[\"eks.amazonaws.com/ecr-role-arn\"]: is a name, not an ARN; write arn:aws:iam::<account>:role/<name> (puller)"
        ]
    );
}

#[test]
fn composed_roles() {
    let composing = |more: Value| {
        let mut params = json!({"composeRoleArn": true, "composeAccount": "123456789012"});
        params.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        params
    };
    for role in ["s3-upload-role", "team-a/s3", GOOD] {
        assert_eq!(refused(role, &composing(json!({}))), Vec::<String>::new(), "{role}");
    }
    // It is checked as it will be injected.
    let roles = json!({"roles": ["arn:aws-cn:iam::123456789012:role/s3-*"], "composePartition": "aws-cn"});
    assert_eq!(refused("s3-upload-role", &composing(roles.clone())), Vec::<String>::new());
    assert_eq!(
        refused("db", &composing(roles)),
        [
            "is not one of the allowed roles: arn:aws-cn:iam::123456789012:role/s3-* (arn:aws-cn:iam::123456789012:role/db)"
        ]
    );
    assert_eq!(
        refused("s3", &composing(json!({"accounts": ["210987654321"]}))),
        ["belongs to account `123456789012`, must belong to 210987654321 (arn:aws:iam::123456789012:role/s3)"]
    );
    for (written, expected) in [
        (
            "/team-a/s3",
            "has nothing between two slashes, which is probably a mistake; remove one, or set anyRolePath (arn:aws:iam::123456789012:role//team-a/s3)",
        ),
        ("role/s3", "has role twice; write role/ once (arn:aws:iam::123456789012:role/role/s3)"),
        (
            "../s3",
            "has . or .. as a part of the path, which is probably a mistake; remove it, or set anyRolePath (arn:aws:iam::123456789012:role/../s3)",
        ),
        ("", "is empty; write the ARN of a role, or remove it"),
        (
            "ARN:aws:iam::123456789012:role/x",
            "has `:` in its path, which IAM accepts, but which is probably a mistake; write the path in letters, digits and + = , . @ _ -, or set anyRolePath (arn:aws:iam::123456789012:role/ARN:aws:iam::123456789012:role/x)",
        ),
        ("x-arn:y", "is not an ARN; a role's ARN is arn:aws:iam::<account>:role/<name> (x-arn:y)"),
    ] {
        assert_eq!(refused(written, &composing(json!({}))), [expected]);
    }
}

#[test]
fn configured_prefix() {
    let mut settings = only(&json!({"role-arn": {"requiredFor": ["shop/*"]}}));
    settings["aws"] = json!({"annotationPrefix": "irsa.example.com"});
    let answer = |annotations: Value| lines(&review(&create(&account("uploader", annotations)), &settings));
    assert_eq!(
        answer(json!({"irsa.example.com/role-arn": SHORT, "eks.amazonaws.com/role-arn": "not read"})),
        [
            "role-arn: metadata.annotations[\"irsa.example.com/role-arn\"]: account ID has 9 digits, must have 12 (arn:aws:iam::123456789:role/s3-upload-role)"
        ]
    );
    assert_eq!(answer(json!({"irsa.example.com/role-arn": GOOD})), Vec::<String>::new());
    assert_eq!(
        answer(json!({"eks.amazonaws.com/role-arn": GOOD})),
        [
            "role-arn: metadata.annotations[\"irsa.example.com/role-arn\"]: is missing; account `shop/uploader` must have a role"
        ]
    );
    // The credential provider has no such flag.
    assert_eq!(answer(json!({"irsa.example.com/role-arn": GOOD, "eks.amazonaws.com/ecr-role-arn": SHORT})).len(), 1);
}

#[test]
fn skips_other_keys() {
    for key in [
        "eks.amazonaws.com/role-arns",
        "eks.amazonaws.com/Role-Arn",
        "role-arn",
        "x.eks.amazonaws.com/role-arn",
        "eks.amazonaws.com.role-arn",
    ] {
        assert_eq!(lines_of(&account("uploader", json!({key: "x"})), &json!({})), Vec::<String>::new(), "{key}");
    }
}

/// Attempts to bypass the lists. The holder is the account `uploader` of the namespace
/// `shop`.
#[rstest]
#[case::a_longer_account(json!({"accounts": ["123456789012"]}), "arn:aws:iam::1234567890123:role/x")]
#[case::an_account_in_the_path(json!({"accounts": ["123456789012"]}), "arn:aws:iam::210987654321:role/123456789012/x")]
#[case::an_account_of_another_partition(json!({"partitions": ["aws"], "accounts": ["123456789012"]}), "arn:aws-cn:iam::123456789012:role/x")]
#[case::a_prefix(json!({"roles": ["s3-upload-role"]}), "arn:aws:iam::123456789012:role/s3-upload-role-admin")]
#[case::a_suffix(json!({"roles": ["s3-upload-role"]}), "arn:aws:iam::123456789012:role/admin/s3-upload-role")]
#[case::a_path_below_a_star(json!({"roles": ["s3-*"]}), "arn:aws:iam::123456789012:role/s3-x/admin")]
#[case::another_case(json!({"roles": ["admin"]}), "arn:aws:iam::123456789012:role/Admin")]
#[case::parents(json!({"roles": ["shop/*/*"]}), "arn:aws:iam::123456789012:role/shop/../admin")]
#[case::an_encoded_slash(json!({"roles": ["*"]}), "arn:aws:iam::123456789012:role/shop%2Fadmin")]
#[case::two_slashes(json!({"roles": ["*", "*/*", "*/*/*"]}), "arn:aws:iam::123456789012:role//admin")]
#[case::a_star_as_role(json!({"roles": ["*"]}), "arn:aws:iam::123456789012:role/*")]
#[case::a_placeholder_as_role(json!({"roles": ["{namespace}/*"]}), "arn:aws:iam::123456789012:role/{namespace}/x")]
#[case::a_longer_namespace(json!({"roles": ["{namespace}/*"]}), "arn:aws:iam::123456789012:role/shop-admin/x")]
#[case::a_shorter_namespace(json!({"roles": ["{namespace}/*"]}), "arn:aws:iam::123456789012:role/sho/x")]
#[case::the_namespace_as_account(json!({"roles": ["{namespace}/{serviceAccount}"]}), "arn:aws:iam::123456789012:role/uploader/shop")]
#[case::another_account(json!({"roles": ["{namespace}/{serviceAccount}"]}), "arn:aws:iam::123456789012:role/shop/uploader-2")]
#[case::an_arn_behind_an_arn(json!({"roles": ["*", "*/*"]}), "arn:aws:iam::123456789012:role/x:arn:aws:iam::210987654321:role/admin")]
#[case::two_lines(json!({"roles": ["s3"]}), "arn:aws:iam::123456789012:role/s3\narn:aws:iam::123456789012:role/admin")]
#[case::an_invisible_character(json!({"roles": ["*"]}), "arn:aws:iam::123456789012:role/admin\u{200b}")]
#[case::a_lookalike(json!({"roles": ["*"]}), "arn:aws:iam::123456789012:role/\u{430}dmin")]
#[case::digits_of_other_scripts(json!({"accounts": ["123456789012"]}), "arn:aws:iam::１２３４５６７８９０１２:role/x")]
fn bypasses(#[case] params: Value, #[case] role: &str) {
    assert_ne!(refused(role, &params), Vec::<String>::new());
}

#[test]
fn uses_namespace_of_request() {
    let mut object = with_role("arn:aws:iam::123456789012:role/admin/x");
    object["metadata"]["namespace"] = json!("admin");
    assert_eq!(lines_of(&object, &json!({"roles": ["{namespace}/*"]})).len(), 1);
    assert_eq!(lines_of(&object, &json!({"namespaces": {"admin": ["*/*"]}})).len(), 1);
}

#[test]
fn generated_name_matches_no_placeholder() {
    let mut object = with_role("arn:aws:iam::123456789012:role/k8s-");
    object["metadata"]["name"] = json!(null);
    object["metadata"]["generateName"] = json!("k8s-");
    let mut request = create(&object);
    request["name"] = json!("");
    let settings = json!({"rules": {"role-arn": {"roles": ["k8s-{serviceAccount}", "{serviceAccount}"]}}});
    assert_eq!(lines(&review(&request, &settings)).len(), 1);
}

#[test]
fn finds_escaped_key() {
    let payload = json!({"request": create(&account("uploader", json!({"KEY": SHORT}))), "settings": {}}).to_string();
    for key in ["eks.amazonaws.com\\/role-arn", "eks.amazonaws.com/role\\u002darn"] {
        let payload = payload.replace("KEY", key);
        let cluster = FakeCluster::failing(LookupError::Failed);
        let answer: Value = serde_json::from_slice(&guest::validate(payload.as_bytes(), &cluster)).unwrap();
        assert_eq!(lines(&answer).len(), 1, "{key}");
    }
    // Both values are checked, whichever a reader would use.
    for (first, second) in [(GOOD, SHORT), (SHORT, GOOD)] {
        let twice = format!("\"KEY\":\"{SHORT}\"");
        let both = format!("\"eks.amazonaws.com/role-arn\":\"{first}\",\"eks.amazonaws.com/role-arn\":\"{second}\"");
        let payload = payload.replace(&twice, &both);
        let cluster = FakeCluster::failing(LookupError::Failed);
        let answer: Value = serde_json::from_slice(&guest::validate(payload.as_bytes(), &cluster)).unwrap();
        assert_eq!(answer["accepted"], false);
    }
}

#[test]
fn rejects_unreadable_annotations() {
    let answer = review(&create(&account("uploader", json!({"eks.amazonaws.com/role-arn": 7}))), &json!({}));
    assert_eq!(answer["code"], 400);
    assert_eq!(
        answer["message"],
        "serviceaccount-hygiene: the request cannot be read: object.metadata.annotations[\"eks.amazonaws.com/role-arn\"]: must be a string, is a number"
    );
}

#[test]
fn warns() {
    let answer = review(&create(&with_role(SHORT)), &json!({"rules": {"role-arn": "warn"}}));
    assert_eq!(answer["accepted"], true);
    assert_eq!(
        answer["warnings"],
        json!([
            "role-arn: metadata.annotations[\"eks.amazonaws.com/role-arn\"]: account ID has 9 digits, must have 12 (arn:aws:iam::123456789:role/s3-upload-role)"
        ])
    );
}

#[test]
fn off_and_exempt() {
    for settings in [
        json!({"rules": {"role-arn": "off"}}),
        json!({"exemptions": [{"rules": ["role-arn"], "serviceAccounts": ["shop/uploader"]}]}),
        json!({"exemptions": [{"namespaces": ["shop"]}]}),
    ] {
        let answer = review(&create(&with_role(SHORT)), &settings);
        assert_eq!((answer["accepted"].clone(), answer.get("warnings")), (json!(true), None), "{settings}");
    }
    let settings = json!({"exemptions": [{"rules": ["role-arn"], "serviceAccounts": ["shop/upload"]}]});
    assert_eq!(review(&create(&with_role(SHORT)), &settings)["accepted"], false);
}

/// The response to an update in one word.
fn change(old: &Value, new: &Value, params: &Value) -> &'static str {
    let answer = review(&update(old, new), &json!({"rules": {"role-arn": params}}));
    match (answer["accepted"].as_bool().unwrap(), answer.get("warnings").is_some()) {
        (false, _) => "reject",
        (true, true) => "warn",
        (true, false) => "fine",
    }
}

#[test]
fn old_problem_warns_until_it_changes() {
    let none = json!({});
    let labelled = |mut account: Value| {
        account["metadata"]["labels"] = json!({"team": "shop"});
        account
    };
    assert_eq!(change(&with_role(SHORT), &labelled(with_role(SHORT)), &none), "warn");
    assert_eq!(change(&with_role(SHORT), &with_role("arn:aws:iam::1234:role/s3-upload-role"), &none), "reject");
    // The same mistake with another value is new.
    assert_eq!(change(&with_role(SHORT), &with_role("arn:aws:iam::123456789:role/admin"), &none), "reject");
    assert_eq!(change(&with_role(SHORT), &with_role(GOOD), &none), "fine");
    assert_eq!(change(&with_role(SHORT), &account("uploader", json!({})), &none), "fine");
    assert_eq!(change(&account("uploader", json!({})), &with_role(SHORT), &none), "reject");
    assert_eq!(change(&with_role(GOOD), &with_role(SHORT), &none), "reject");
    // Another key is another field.
    let ecr = account("uploader", json!({"eks.amazonaws.com/ecr-role-arn": SHORT}));
    assert_eq!(change(&with_role(SHORT), &ecr, &none), "reject");
    // Values that are truncated in messages are still told apart.
    let long = |end: &str| with_role(&format!("arn:aws:iam::123:role/{}{end}", "p/".repeat(80)));
    assert_eq!(change(&long("a"), &long("b"), &none), "reject");
    assert_eq!(change(&long("a"), &labelled(long("a")), &none), "warn");
}

#[test]
fn lists_apply_to_changes() {
    let params = json!({"accounts": ["210987654321"], "requiredFor": ["shop/*"]});
    assert_eq!(change(&with_role(GOOD), &with_role(GOOD), &params), "warn");
    assert_eq!(change(&with_role(GOOD), &with_role("arn:aws:iam::123456789012:role/admin"), &params), "reject");
    assert_eq!(change(&with_role(GOOD), &account("uploader", json!({})), &params), "reject");
    assert_eq!(change(&account("uploader", json!({})), &account("uploader", json!({"x": "y"})), &params), "warn");
    let default = |role: &str| account("default", json!({"eks.amazonaws.com/role-arn": role}));
    assert_eq!(change(&default(GOOD), &default(GOOD), &json!({})), "warn");
    assert_eq!(change(&default(GOOD), &default("arn:aws:iam::123456789012:role/admin"), &json!({})), "reject");
}

#[test]
fn reports_every_settings_problem() {
    let problems = setting_problems(&json!({
        "aws": {"annotationPrefix": "eks.amazonaws.com/", "tokenPath": "/x"},
        "rules": {"role-arn": {
            "partitions": ["aws", "aws-gov", ""],
            "accounts": [123_456_789_012_u64, "123456789", "my-company", "1234*", "210987654321"],
            "roles": ["role/x", "team/**", "{namespace}-*"],
            "namespaces": {"team-*": ["x"], "shop": [], "blog": ["?"], "*": "x", "Shop": null},
            "allowOnDefault": "no",
            "requiredFor": ["shop"],
            "composeRoleArn": true,
            "composePartition": "aws-chn",
            "account": ["1"],
        }},
    }));
    assert_eq!(
        problems,
        [
            "aws.annotationPrefix: must be a DNS name in lower case, without the slash that follows it, e.g. eks.amazonaws.com",
            "aws.tokenPath: unknown key `tokenPath`, must be one of annotationPrefix, tokenMountPath, region, defaultAudience",
            "rules.role-arn.account: unknown parameter `account`; did you mean `accounts`?",
            "rules.role-arn.partitions[1]: unknown partition `aws-gov`; did you mean `aws-us-gov`?",
            "rules.role-arn.partitions[2]: is empty; remove it, or write what it is to match",
            "rules.role-arn.accounts[0]: must be a string, is a number; write it in quotes",
            "rules.role-arn.accounts[1]: account ID has 9 digits, must have 12",
            "rules.role-arn.accounts[2]: account ID is `my-company`, must be 12 digits",
            "rules.role-arn.accounts[3]: account ID is `1234*`, must be 12 digits",
            "rules.role-arn.roles[0]: begins with role/; omit that, or write the whole ARN",
            "rules.role-arn.roles[1]: has **, but * does not match a slash; write one pattern for each depth, e.g. team/* and team/*/*",
            "rules.role-arn.roles[2]: has * and a placeholder in one segment, so that team could have a role of team-a; put / between them, e.g. {namespace}/*",
            "rules.role-arn.namespaces.*: must be a list, is a string",
            "rules.role-arn.namespaces.Shop: is empty; write what it allows, or remove the key",
            "rules.role-arn.namespaces.blog[0]: has `?`, which patterns cannot have; besides letters, digits and + = , . @ _ - a pattern can contain *, {namespace} and {serviceAccount}",
            "rules.role-arn.namespaces.shop: is empty; write what it allows, or remove the key",
            "rules.role-arn.namespaces.team-*: is not a valid namespace name; write it in full, or * for all others",
            "rules.role-arn.composePartition: unknown value `aws-chn`; did you mean `aws-cn`?",
            "rules.role-arn.composeAccount: is missing; composeRoleArn needs the account that the webhook runs in",
            "rules.role-arn.allowOnDefault: must be true or false, is a string",
            "rules.role-arn.requiredFor[0]: must be namespace/name, e.g. monitoring/prometheus-*",
        ]
    );
}

#[test]
fn rejects_contradicting_settings() {
    assert_eq!(
        setting_problems(&json!({"rules": {"role-arn": {"composeAccount": "123456789012"}}})),
        ["rules.role-arn.composeAccount: has no effect without composeRoleArn: true"]
    );
    assert_eq!(
        setting_problems(&json!({"rules": {"role-arn": {"composeRoleArn": true, "composeAccount": "12"}}})),
        ["rules.role-arn.composeAccount: account ID has 2 digits, must have 12"]
    );
    assert_eq!(
        setting_problems(&json!({"rules": {"role-arn": "mutate"}})),
        ["rules.role-arn: unknown value `mutate`, must be one of off, warn, reject"]
    );
}

/// Other rules use the lists, whatever this rule's action is.
#[test]
fn role_rules_for_other_rules() {
    let text = r#"{"accounts":["123456789012"],"namespaces":{"*":["{namespace}/*"]}}"#;
    let (mut problems, common) = (Problems::default(), Common::default());
    let mut json = crate::object::json::Cursor::new(text);
    let members = params::members(Given::new(&mut json, Path::Root), RULE.params, &mut problems);
    let rules = RoleRules::read(&mut Params::new(members, PARAMS, Path::Root, &mut problems, &common));
    assert!(problems.is_empty());
    assert!(rules.has_lists());
    let holder = Holder { namespace: "shop", account: "web" };
    let texts = |role: &str| rules.rejections(role, holder).iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(texts("arn:aws:iam::123456789012:role/shop/s3"), Vec::<String>::new());
    assert_eq!(
        texts("arn:aws:iam::210987654321:role/shop/s3"),
        ["belongs to account `210987654321`, must belong to 123456789012 (arn:aws:iam::210987654321:role/shop/s3)"]
    );
    assert_eq!(texts("s3"), ["is a name, not an ARN; write arn:aws:iam::<account>:role/<name> (s3)"]);
    assert_eq!(rules.injected("s3"), "s3");
}

/// Characters that IAM accepts in paths beyond those in names are a choice for paths, but not for names.
#[rstest]
#[case("arn:aws:iam::123456789012:role/team!a/s3", true)]
#[case("arn:aws:iam::123456789012:role/a//b/s3", true)]
#[case("arn:aws:iam::123456789012:role/../s3", true)]
#[case("arn:aws:iam::123456789012:role/%2F/s3", true)]
#[case("arn:aws:iam::123456789012:role/role/s3", true)]
#[case("arn:aws:iam::123456789012:role/${team}/s3", true)]
#[case("arn:aws:iam::123456789012:role/team/s3!", false)]
#[case("arn:aws:iam::123456789012:role/a b/s3", false)]
#[case("arn:aws:iam::123456789:role/team!a/s3", false)]
#[case("arn:aws:sts::123456789012:role/team!a/s3", false)]
fn any_role_path(#[case] arn: &str, #[case] takes: bool) {
    assert_eq!(refused(arn, &json!({"anyRolePath": true})).is_empty(), takes, "{arn}");
    assert!(!refused(arn, &json!({})).is_empty(), "{arn}");
}

/// Such a path is matched against lists like any other.
#[test]
fn any_role_path_and_lists() {
    let params = json!({"anyRolePath": true, "roles": ["team*/s3"]});
    assert_eq!(refused("arn:aws:iam::123456789012:role/team!a/s3", &params), Vec::<String>::new());
    assert_eq!(
        refused("arn:aws:iam::123456789012:role/other!a/s3", &params),
        ["is not one of the allowed roles: team*/s3 (arn:aws:iam::123456789012:role/other!a/s3)"]
    );
}
