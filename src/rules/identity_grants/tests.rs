// SPDX-License-Identifier: Apache-2.0
use rstest::rstest;
use serde_json::{Value, json};

use super::lets_impersonate;
use crate::testing::{create, outcome, quiet_cluster, reported, review, update};

fn found(object: &Value, settings: &Value) -> Vec<String> {
    reported(&review(&create(object), settings, &quiet_cluster()), "identity-grants")
}

fn association(spec: &Value) -> Value {
    let mut object = json!({
        "apiVersion": "eks.services.k8s.aws/v1alpha1", "kind": "PodIdentityAssociation",
        "metadata": {"name": "uploader", "namespace": "shop"},
        "spec": {"namespace": "shop", "serviceAccount": "uploader", "roleARN": "arn:aws:iam::123456789012:role/uploader"},
    });
    for (key, value) in spec.as_object().unwrap() {
        object["spec"][key] = value.clone();
    }
    object
}

/// Every field that can hold a role is compared, and every field that can refer to one is found.
#[rstest]
#[case("roleARN")]
#[case("targetRoleARN")]
#[case("roleArn")]
#[case("targetRoleArn")]
fn fields_with_a_role(#[case] field: &str) {
    let settings = json!({"rules": {"role-arn": {"action": "reject", "accounts": ["123456789012"]}}});
    let object = association(&json!({field: "arn:aws:iam::210987654321:role/uploader"}));
    assert_eq!(
        found(&object, &settings),
        [format!(
            "spec.{field}: is a role that role-arn rejects: belongs to account `210987654321`, must belong to 123456789012 (arn:aws:iam::210987654321:role/uploader)"
        )]
    );
    assert!(found(&association(&json!({field: "arn:aws:iam::123456789012:role/uploader"})), &settings).is_empty());
}

/// A long list is cut off, the role is not.
#[test]
fn names_role_after_long_list() {
    let roles: Vec<String> = (0..40).map(|number| format!("team-{number}-reader")).collect();
    let settings = json!({"rules": {"role-arn": {"action": "reject", "roles": roles}}});
    let found = found(&association(&json!({"roleARN": "arn:aws:iam::123456789012:role/uploader"})), &settings);
    let [line] = found.as_slice() else { panic!("{found:?}") };
    assert!(line.starts_with("spec.roleARN: is a role that role-arn rejects: "), "{line}");
    assert!(line.ends_with("… (arn:aws:iam::123456789012:role/uploader)"), "{line}");
}

#[rstest]
#[case("roleRef", json!({"from": {"name": "uploader"}}))]
#[case("targetRoleRef", json!({"from": {"name": "uploader"}}))]
#[case("roleArnRef", json!({"name": "uploader"}))]
#[case("roleArnSelector", json!({}))]
#[case("targetRoleArnRef", json!({"name": "uploader"}))]
#[case("targetRoleArnSelector", json!({"matchLabels": {"app": "uploader"}}))]
fn references_to_a_role(#[case] field: &str, #[case] reference: Value) {
    let object = association(&json!({field: reference}));
    let line = format!(
        "spec.{field}: is a reference, which is resolved only after admission, so that no list can allow it; write the ARN of the role"
    );
    for list in [json!({"accounts": ["123456789012"]}), json!({"roles": ["*"]}), json!({"namespaces": {"shop": ["*"]}})]
    {
        let mut params = json!({"action": "reject"});
        params.as_object_mut().unwrap().extend(list.as_object().unwrap().clone());
        assert_eq!(found(&object, &json!({"rules": {"role-arn": params}})), [line.as_str()]);
    }
    assert!(found(&object, &json!({})).is_empty());
    assert!(
        found(
            &association(&json!({field: null})),
            &json!({"rules": {"role-arn": {"action": "reject", "roles": ["*"]}}})
        )
        .is_empty()
    );
}

/// The roles of a namespace are those of the namespace that the association is for.
#[test]
fn roles_of_a_namespace() {
    let settings = json!({"rules": {
        "role-arn": {"action": "reject", "namespaces": {"bank": ["ledger"], "shop": ["uploader"]}},
        "identity-grants": {"action": "reject", "fromNamespaces": ["shop"]},
    }});
    assert!(found(&association(&json!({})), &settings).is_empty());
    assert_eq!(
        found(&association(&json!({"namespace": "bank"})), &settings),
        [
            "spec.roleARN: is a role that role-arn rejects: is not one of the roles that namespace `bank` may use: ledger (arn:aws:iam::123456789012:role/uploader)"
        ]
    );
}

/// If two maps differ, every account that may result is compared.
#[test]
fn maps_that_differ() {
    let object = json!({
        "apiVersion": "eks.aws.m.upbound.io/v1beta1", "kind": "PodIdentityAssociation",
        "metadata": {"name": "uploader", "namespace": "shop"},
        "spec": {
            "forProvider": {"namespace": "shop", "serviceAccount": "uploader"},
            "initProvider": {"namespace": "bank", "serviceAccount": "default"},
        },
    });
    let default = |namespace: &str| {
        format!(
            "spec.initProvider.serviceAccount: is for the default account of namespace `{namespace}`, so every Pod there that names no account gets the identity; use a dedicated account"
        )
    };
    let other = |part: &str, account: &str| {
        format!(
            "spec.{part}.serviceAccount: is for ServiceAccount `bank/{account}`, while the object is in namespace `shop`; create it in the namespace of the ServiceAccount, or add the object's namespace to fromNamespaces"
        )
    };
    assert_eq!(
        found(&object, &json!({})),
        [other("forProvider", "uploader"), other("initProvider", "default"), default("bank"), default("shop")]
    );
}

#[rstest]
#[case("roles/iam.workloadIdentityUser", true)]
#[case("roles/iam.serviceAccountTokenCreator", true)]
#[case("roles/iam.serviceAccountOpenIdTokenCreator", true)]
#[case("roles/iam.serviceAccountUser", true)]
#[case("roles/owner", true)]
#[case("roles/viewer", false)]
#[case("roles/storage.objectViewer", false)]
#[case("projects/shop-prod/roles/uploader", false)]
fn roles_to_act_as_others(#[case] role: &str, #[case] expected: bool) {
    assert_eq!(lets_impersonate(role), expected);
}

/// On an UPDATE, a member that gains a rejected resource is new, and one that loses it is not.
#[test]
fn ratchet_of_members() {
    let settings = json!({"rules": {"gcp-service-account": {"action": "reject", "projects": ["shop-prod"]}}});
    let policy = |resource: &Value, members: &[&str]| {
        let members: Vec<String> =
            members.iter().map(|name| format!("serviceAccount:shop-prod.svc.id.goog[shop/{name}]")).collect();
        json!({
            "apiVersion": "iam.cnrm.cloud.google.com/v1beta1", "kind": "IAMPolicy",
            "metadata": {"name": "uploader", "namespace": "shop"},
            "spec": {
                "resourceRef": resource, "bindings": [{"role": "roles/iam.workloadIdentityUser", "members": members}],
            },
        })
    };
    for resource in [
        json!({"kind": "IAMServiceAccount", "external": "uploader@shop-dev.iam.gserviceaccount.com"}),
        json!({"kind": "IAMServiceAccount", "name": "uploader"}),
        json!({"kind": "Project", "external": "projects/shop-prod"}),
    ] {
        let changed = |old: &[&str], new: &[&str]| {
            let request = update(&policy(&resource, old), &policy(&resource, new));
            outcome(&review(&request, &settings, &quiet_cluster()))
        };
        // One line, however many members.
        assert_eq!(found(&policy(&resource, &["web", "api"]), &settings).len(), 1, "{resource}");
        assert_eq!(changed(&["web", "api"], &["web"]), "warn", "{resource}");
        assert_eq!(changed(&["web"], &["web", "api"]), "reject", "{resource}");
        assert_eq!(changed(&["web"], &["api"]), "reject", "{resource}");
    }
}
