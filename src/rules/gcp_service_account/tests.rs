// SPDX-License-Identifier: Apache-2.0
use rstest::rstest;
use serde_json::{Value, json};

use crate::cluster::LookupError;
use crate::testing::{FakeCluster, create, only, outcome, reported, settings_problems, update};

const ID: &str = "gcp-service-account";
const GOOD: &str = "uploader@my-project.iam.gserviceaccount.com";
const SHORT: &str = "uploader@shop.iam.gserviceaccount.com";

fn account(annotations: &Value) -> Value {
    json!({
        "apiVersion": "v1", "kind": "ServiceAccount", "automountServiceAccountToken": false,
        "metadata": {"name": "uploader", "namespace": "shop", "annotations": annotations},
    })
}

fn with_email(email: &str) -> Value {
    account(&json!({"iam.gke.io/gcp-service-account": email}))
}

fn review(request: &Value, settings: &Value) -> Value {
    crate::testing::review(request, settings, &FakeCluster::failing(LookupError::Failed))
}

fn of_projects(projects: &[&str]) -> Value {
    only(&json!({ID: {"action": "reject", "projects": projects}}))
}

#[test]
fn messages() {
    let line = |annotations: Value, settings: &Value| reported(&review(&create(&account(&annotations)), settings), ID);
    assert_eq!(
        line(json!({"iam.gke.io/gcp-service-account": "serviceAccount:x@y"}), &json!({})),
        [
            "metadata.annotations[\"iam.gke.io/gcp-service-account\"]: begins with `serviceAccount:`, the form of members in IAM policies; write only the email address (serviceAccount:x@y)"
        ]
    );
    assert_eq!(
        line(
            json!({"iam.gke.io/gcp-service-account": GOOD}),
            &of_projects(&["other-project", "example.com:my-project"])
        ),
        [
            "metadata.annotations[\"iam.gke.io/gcp-service-account\"]: belongs to project `my-project`, must belong to other-project, example.com:my-project (uploader@my-project.iam.gserviceaccount.com)"
        ]
    );
    assert_eq!(
        line(json!({"iam.gke.io/return-principal-id-as-email": "yes"}), &json!({})),
        ["metadata.annotations[\"iam.gke.io/return-principal-id-as-email\"]: is `yes`, must be true or false"]
    );
    assert_eq!(
        line(json!({"iam.gke.io/credential-quota-project": "projects/my-project"}), &json!({})),
        [
            "metadata.annotations[\"iam.gke.io/credential-quota-project\"]: is `projects/my-project`, which is not a valid project; write only the project ID, e.g. my-project or example.com:my-project"
        ]
    );
    assert_eq!(
        line(json!({"iam.gke.io/gcp-service-account": ""}), &json!({})),
        ["metadata.annotations[\"iam.gke.io/gcp-service-account\"]: is empty; write a value, or remove it"]
    );
}

#[rstest]
#[case::none(json!({}))]
#[case::good(json!({"iam.gke.io/gcp-service-account": GOOD}))]
#[case::null(json!({"iam.gke.io/gcp-service-account": null}))]
#[case::principal_id(json!({"iam.gke.io/return-principal-id-as-email": "true"}))]
#[case::no_principal_id(json!({"iam.gke.io/return-principal-id-as-email": "false"}))]
#[case::quota(json!({"iam.gke.io/credential-quota-project": "my-project"}))]
#[case::quota_of_a_domain(json!({"iam.gke.io/credential-quota-project": "example.com:my-project"}))]
#[case::quota_by_number(json!({"iam.gke.io/credential-quota-project": "123456789012"}))]
#[case::another_key(json!({"iam.gke.io/gcp-serviceaccount": "x"}))]
#[case::another_prefix(json!({"example.com/iam.gke.io/gcp-service-account": "x"}))]
fn accepted(#[case] annotations: Value) {
    assert_eq!(outcome(&review(&create(&account(&annotations)), &of_projects(&[]))), "fine");
}

#[rstest]
#[case::principal_id_in_upper_case(json!({"iam.gke.io/return-principal-id-as-email": "True"}))]
#[case::principal_id_empty(json!({"iam.gke.io/return-principal-id-as-email": ""}))]
#[case::quota_as_emails_write_it(json!({"iam.gke.io/credential-quota-project": "my-project.example.com"}))]
#[case::quota_empty(json!({"iam.gke.io/credential-quota-project": ""}))]
#[case::quota_in_upper_case(json!({"iam.gke.io/credential-quota-project": "My-Project"}))]
#[case::quota_with_a_blank(json!({"iam.gke.io/credential-quota-project": "my-project "}))]
#[case::good_beside_bad(json!({"iam.gke.io/gcp-service-account": GOOD, "iam.gke.io/credential-quota-project": "x"}))]
fn refused(#[case] annotations: Value) {
    assert_eq!(reported(&review(&create(&account(&annotations)), &json!({})), ID).len(), 1);
}

#[test]
fn actions() {
    let request = create(&with_email(SHORT));
    assert_eq!(outcome(&review(&request, &json!({}))), "reject");
    assert_eq!(outcome(&review(&request, &json!({"rules": {ID: "warn"}}))), "warn");
    assert_eq!(outcome(&review(&request, &json!({"rules": {ID: "off"}}))), "fine");
}

/// The list of projects, and what it allows.
#[rstest]
#[case(&["my-project"], GOOD, true)]
#[case(&["other-project", "my-project"], GOOD, true)]
#[case(&["example.com:my-project"], "uploader@my-project.example.com.iam.gserviceaccount.com", true)]
#[case(&["my-project.example.com"], "uploader@my-project.example.com.iam.gserviceaccount.com", true)]
#[case(&["my-project"], "my-project@appspot.gserviceaccount.com", true)]
#[case(&["123456789012"], "123456789012-compute@developer.gserviceaccount.com", true)]
#[case(&["123456789012"], "123456789012@cloudservices.gserviceaccount.com", true)]
#[case(&["other-project"], GOOD, false)]
#[case(&["my-project"], "123456789012-compute@developer.gserviceaccount.com", false)]
#[case(&["my-project"], "service-123456789012@gcp-sa-pubsub.iam.gserviceaccount.com", false)]
fn lists_of_projects(#[case] projects: &[&str], #[case] email: &str, #[case] allowed: bool) {
    let answer = review(&create(&with_email(email)), &of_projects(projects));
    assert_eq!(outcome(&answer), if allowed { "fine" } else { "reject" });
}

/// Attempts to get an account of another project past `projects: [my-project]`.
#[rstest]
#[case::a_domain_of_ones_own("uploader@my-project.evil.example.iam.gserviceaccount.com")]
#[case::a_domain_with_the_name("uploader@evil-project.my-project.iam.gserviceaccount.com")]
#[case::a_longer_name("uploader@my-project-2.iam.gserviceaccount.com")]
#[case::a_shorter_name("uploader@my-proj.iam.gserviceaccount.com")]
#[case::upper_case("uploader@MY-PROJECT.iam.gserviceaccount.com")]
#[case::two_ats("uploader@evil-project.iam.gserviceaccount.com@my-project.iam.gserviceaccount.com")]
#[case::the_host_continues("uploader@my-project.iam.gserviceaccount.com.evil.example")]
#[case::the_name_of_the_account("my-project@evil-project.iam.gserviceaccount.com")]
#[case::a_look_alike("uploader@mу-project.iam.gserviceaccount.com")]
#[case::an_invisible_character("uploader@my-project\u{200b}.iam.gserviceaccount.com")]
#[case::app_engine_of_a_domain("my-project.evil.example@appspot.gserviceaccount.com")]
#[case::a_colon("uploader@evil.example:my-project.iam.gserviceaccount.com")]
#[case::a_null_byte("uploader@my-project\u{0}.iam.gserviceaccount.com")]
#[case::a_list("uploader@my-project.iam.gserviceaccount.com,x@evil-project.iam.gserviceaccount.com")]
#[case::a_line("uploader@my-project.iam.gserviceaccount.com\nx@evil-project.iam.gserviceaccount.com")]
#[case::a_resource("projects/evil-project/serviceAccounts/uploader@my-project.iam.gserviceaccount.com")]
#[case::a_number_for_the_project("uploader@123456789012.iam.gserviceaccount.com")]
#[case::googles_number("123456789012-my-project@developer.gserviceaccount.com")]
fn bypass(#[case] email: &str) {
    assert_eq!(outcome(&review(&create(&with_email(email)), &of_projects(&["my-project"]))), "reject");
}

/// Keys that are written with escapes, or twice.
#[test]
fn bypass_by_json() {
    let settings = of_projects(&["my-project"]);
    let object = with_email(GOOD).to_string();
    for changed in [
        object.replace("iam.gke.io/", "iam.gke.io\\u002f").replace("my-project", "evil-project"),
        object.replace(
            "\"iam.gke.io",
            "\"iam.gke.io/gcp-service-account\":\"x@evil-project.iam.gserviceaccount.com\",\"iam.gke.io",
        ),
    ] {
        assert_ne!(changed, object);
        let payload = format!(
            r#"{{"request":{{"kind":{{"group":"","version":"v1","kind":"ServiceAccount"}},"operation":"CREATE","namespace":"shop","object":{changed}}},"settings":{settings}}}"#
        );
        let answer = crate::guest::validate(payload.as_bytes(), &FakeCluster::failing(LookupError::Failed));
        let answer: Value = serde_json::from_slice(&answer).unwrap();
        assert_eq!(answer["accepted"], false, "{changed}");
    }
}

#[test]
fn old_problem_warns() {
    let mut labelled = with_email(SHORT);
    labelled["metadata"]["labels"] = json!({"team": "a"});
    assert_eq!(outcome(&review(&update(&with_email(SHORT), &labelled), &json!({}))), "warn");
    assert_eq!(outcome(&review(&update(&with_email(SHORT), &with_email("x")), &json!({}))), "reject");
    assert_eq!(outcome(&review(&update(&with_email(GOOD), &with_email(SHORT)), &json!({}))), "reject");
}

#[test]
fn exempt_account() {
    let settings = json!({"exemptions": [{"rules": [ID], "serviceAccounts": ["shop/uploader"]}]});
    assert_eq!(outcome(&review(&create(&with_email(SHORT)), &settings)), "fine");
}

#[test]
fn rejects_wrong_parameters() {
    assert_eq!(
        settings_problems(&json!({"rules": {ID: {"projects": ["my-project", "My-Project", "acme-*", "", 7, "a@b"]}}})),
        [
            "rules.gcp-service-account.projects[1]: project ID is `My-Project`, must have 6 to 30 lower-case letters, digits and dashes, begin with a letter and not end with a dash",
            "rules.gcp-service-account.projects[2]: project ID is `acme-*`, must have 6 to 30 lower-case letters, digits and dashes, begin with a letter and not end with a dash",
            "rules.gcp-service-account.projects[3]: is empty; write a value, or remove it",
            "rules.gcp-service-account.projects[4]: must be a string, is a number; write it in quotes",
            "rules.gcp-service-account.projects[5]: project ID is `a@b`, must have 6 to 30 lower-case letters, digits and dashes, begin with a letter and not end with a dash",
        ]
    );
}
