// SPDX-License-Identifier: Apache-2.0
use rstest::rstest;
use serde_json::{Value, json};

use crate::cluster::LookupError;
use crate::testing::{
    FakeCluster, create, deployment, only, outcome, reported, settings_problems, tokenless_pod, update,
};

const ID: &str = "azure-workload-identity";
const GUID: &str = "6c9c0b1e-8d5f-4a3b-9e21-0123456789ab";
const CUT: &str = "6c9c0b1e-8d5f-4a3b-9e21-0123456789a";
const OTHER: &str = "6c9c0b1e-8d5f-4a3b-9e21-0123456789ac";

fn account(annotations: &Value) -> Value {
    json!({
        "apiVersion": "v1", "kind": "ServiceAccount", "automountServiceAccountToken": false,
        "metadata": {"name": "uploader", "namespace": "shop", "annotations": annotations},
    })
}

/// A Pod that requests the webhook, with an annotation.
fn pod(key: &str, value: &str) -> Value {
    let mut pod = tokenless_pod(&json!({}));
    pod["metadata"]["labels"] = json!({"azure.workload.identity/use": "true"});
    pod["metadata"]["annotations"] = json!({format!("azure.workload.identity/{key}"): value});
    pod
}

fn review(request: &Value, settings: &Value) -> Value {
    crate::testing::review(request, settings, &FakeCluster::failing(LookupError::Failed))
}

fn on_account(key: &str, value: &str) -> Value {
    create(&account(&json!({format!("azure.workload.identity/{key}"): value})))
}

fn settings() -> Value {
    only(&json!({ID: "reject"}))
}

#[test]
fn messages() {
    let allows = |param: &str| only(&json!({ID: {"action": "reject", param: [OTHER.to_uppercase()]}}));
    let line = |request: &Value, settings: &Value| reported(&review(request, settings), ID).join("|");
    assert_eq!(
        line(&on_account("client-id", CUT), &json!({})),
        format!(
            "metadata.annotations[\"azure.workload.identity/client-id\"]: has too few or too many hexadecimal digits, must have 32 ({CUT})"
        )
    );
    assert_eq!(
        line(&on_account("client-id", GUID), &allows("clients")),
        format!(
            "metadata.annotations[\"azure.workload.identity/client-id\"]: is not one of the allowed clients: {} ({GUID})",
            OTHER.to_uppercase()
        )
    );
    assert_eq!(
        line(&on_account("tenant-id", GUID), &allows("tenants")),
        format!(
            "metadata.annotations[\"azure.workload.identity/tenant-id\"]: is not one of the allowed tenants: {} ({GUID})",
            OTHER.to_uppercase()
        )
    );
    assert_eq!(
        line(&on_account("service-account-token-expiration", "600"), &json!({})),
        "metadata.annotations[\"azure.workload.identity/service-account-token-expiration\"]: is `600`, must be a whole number of seconds from 3600 to 86400; Azure's webhook rejects Pods otherwise"
    );
    let mut both = pod("proxy-sidecar-port", "0");
    both["metadata"]["annotations"]["azure.workload.identity/inject-proxy-sidecar"] = json!("true");
    assert_eq!(
        line(&create(&both), &settings()),
        "metadata.annotations[\"azure.workload.identity/proxy-sidecar-port\"]: is `0`, must be a port from 1 to 65535; otherwise, the webhook rejects the Pod"
    );
    assert_eq!(
        line(&create(&pod("inject-proxy-sidecar", "false")), &settings()),
        "metadata.annotations[\"azure.workload.identity/inject-proxy-sidecar\"]: is `false`, but any value enables the sidecar; remove it, or write true"
    );
}

#[rstest]
#[case("client-id", GUID, true)]
#[case("tenant-id", GUID, true)]
#[case("tenant-id", &GUID.to_uppercase(), true)]
#[case("client-id", "", false)]
#[case("tenant-id", "", false)]
#[case("tenant-id", "contoso.onmicrosoft.com", false)]
#[case("client-id", "uploader", false)]
#[case("service-account-token-expiration", "3600", true)]
#[case("service-account-token-expiration", "86400", true)]
#[case("service-account-token-expiration", "+7200", true)]
#[case("service-account-token-expiration", "", true)]
#[case("service-account-token-expiration", "3599", false)]
#[case("service-account-token-expiration", "86401", false)]
#[case("service-account-token-expiration", "3600s", false)]
#[case("service-account-token-expiration", "1h", false)]
#[case("service-account-token-expiration", " 3600", false)]
#[case("service-account-token-expiration", "3600.0", false)]
#[case("service-account-token-expiration", "-3600", false)]
#[case("service-account-token-expiration", "99999999999999999999", false)]
// These are read only on Pods.
#[case("inject-proxy-sidecar", "false", true)]
#[case("proxy-sidecar-port", "x", true)]
#[case("client_id", "x", true)]
fn on_accounts(#[case] key: &str, #[case] value: &str, #[case] is_fine: bool) {
    assert_eq!(outcome(&review(&on_account(key, value), &settings())), if is_fine { "fine" } else { "reject" });
}

#[rstest]
#[case("service-account-token-expiration", "3600", "fine")]
#[case("service-account-token-expiration", "", "fine")]
#[case("service-account-token-expiration", "600", "reject")]
#[case("inject-proxy-sidecar", "true", "fine")]
#[case("inject-proxy-sidecar", "false", "warn")]
#[case("inject-proxy-sidecar", "", "warn")]
#[case("proxy-sidecar-port", "8000", "fine")]
#[case("proxy-sidecar-port", "65536", "warn")]
// These are read only on accounts.
#[case("client-id", "x", "fine")]
#[case("tenant-id", "x", "fine")]
fn on_pods(#[case] key: &str, #[case] value: &str, #[case] expected: &str) {
    assert_eq!(outcome(&review(&create(&pod(key, value)), &settings())), expected);
}

#[rstest]
#[case("1", true)]
#[case("65535", true)]
#[case("+80", true)]
#[case("0", false)]
#[case("65536", false)]
#[case("-1", false)]
#[case("http", false)]
#[case("", false)]
#[case("80 ", false)]
fn ports_of_sidecars(#[case] port: &str, #[case] is_fine: bool) {
    let mut pod = pod("proxy-sidecar-port", port);
    pod["metadata"]["annotations"]["azure.workload.identity/inject-proxy-sidecar"] = json!("true");
    assert_eq!(outcome(&review(&create(&pod), &settings())), if is_fine { "fine" } else { "reject" });
}

/// Without the label, Azure's webhook is not called for the Pod, and the Pod starts.
#[rstest]
#[case::none(json!(null))]
#[case::other(json!({"app": "web"}))]
#[case::another_value(json!({"azure.workload.identity/use": "false"}))]
fn warns_about_unread_annotations(#[case] labels: Value) {
    let mut pod = pod("service-account-token-expiration", "600");
    pod["metadata"]["labels"] = labels;
    assert_eq!(outcome(&review(&create(&pod), &settings())), "warn");
}

#[test]
fn checks_metadata_of_template() {
    let mut template = deployment(&json!({"automountServiceAccountToken": false}));
    template["metadata"]["annotations"] = json!({"azure.workload.identity/service-account-token-expiration": "1"});
    assert_eq!(outcome(&review(&create(&template), &settings())), "fine");
    template["spec"]["template"]["metadata"] = pod("service-account-token-expiration", "600")["metadata"].clone();
    assert_eq!(
        reported(&review(&create(&template), &settings()), ID),
        [
            "spec.template.metadata.annotations[\"azure.workload.identity/service-account-token-expiration\"]: is `600`, must be a whole number of seconds from 3600 to 86400; Azure's webhook rejects Pods otherwise"
        ]
    );
}

#[test]
fn rejects_unreadable_labels() {
    let mut pod = pod("service-account-token-expiration", "600");
    pod["metadata"]["labels"] = json!({"azure.workload.identity/use": true});
    let answer = review(&create(&pod), &settings());
    assert_eq!(answer["code"], 400);
    assert!(
        answer["message"]
            .as_str()
            .unwrap()
            .ends_with("object.metadata.labels[\"azure.workload.identity/use\"]: must be a string, is a boolean")
    );
}

/// Attempts to get an identity that `clients` or `tenants` do not allow.
#[rstest]
#[case::another(OTHER)]
#[case::cut(CUT)]
#[case::longer(&format!("{GUID}0"))]
#[case::in_a_list(&format!("{GUID},{OTHER}"))]
#[case::behind_a_line(&format!("{OTHER}\n{GUID}"))]
#[case::in_braces(&format!("{{{GUID}}}"))]
#[case::without_dashes(&GUID.replace('-', ""))]
#[case::a_look_alike(&GUID.replacen('c', "с", 1))]
#[case::a_name("contoso.onmicrosoft.com")]
#[case::empty("")]
fn bypass(#[case] value: &str) {
    let settings = only(&json!({ID: {"action": "reject", "clients": [GUID], "tenants": [GUID]}}));
    assert_eq!(outcome(&review(&on_account("client-id", GUID), &settings)), "fine");
    assert_eq!(outcome(&review(&on_account("client-id", value), &settings)), "reject");
    assert_eq!(outcome(&review(&on_account("tenant-id", value), &settings)), "reject");
}

#[test]
fn default_tenant() {
    let settings = only(&json!({ID: {"action": "reject", "clients": [GUID], "tenants": [OTHER]}}));
    assert_eq!(outcome(&review(&on_account("client-id", GUID), &settings)), "fine");
}

#[test]
fn lists_ignore_case() {
    let settings = only(&json!({ID: {"action": "reject", "clients": [GUID.to_uppercase()]}}));
    assert_eq!(outcome(&review(&on_account("client-id", GUID), &settings)), "fine");
    assert_eq!(outcome(&review(&on_account("client-id", &GUID.to_uppercase()), &settings)), "fine");
}

#[test]
fn old_problem_warns() {
    let old = account(&json!({"azure.workload.identity/client-id": "x"}));
    let new = account(&json!({"azure.workload.identity/client-id": "y"}));
    let mut labelled = old.clone();
    labelled["metadata"]["labels"] = json!({"team": "a"});
    assert_eq!(outcome(&review(&update(&old, &labelled), &json!({}))), "warn");
    assert_eq!(outcome(&review(&update(&old, &new), &json!({}))), "reject");
}

#[test]
fn exempt_account() {
    let settings = json!({"exemptions": [{"rules": [ID], "serviceAccounts": ["shop/uploader"]}]});
    assert_eq!(outcome(&review(&on_account("client-id", "x"), &settings)), "fine");
}

#[test]
fn rejects_wrong_parameters() {
    assert_eq!(
        settings_problems(&json!({"rules": {ID: {"tenants": ["contoso.com"], "clients": [GUID, CUT]}}})),
        [
            "rules.azure-workload-identity.tenants[0]: is a domain name; write the GUID of its tenant",
            "rules.azure-workload-identity.clients[1]: has too few or too many hexadecimal digits, must have 32",
        ]
    );
}
