// SPDX-License-Identifier: Apache-2.0

//! The values that generated objects and settings are made from.
//!
//! A new rule adds the values that it looks for to [`Vocabulary`], in a separate function that [`vocabulary`] calls. The rule's
//! settings are generated from its declared parameters. Nothing else has to change.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use crate::objects::{CANARY, NAMESPACE};

/// The values that objects are made from.
#[derive(Debug, Default)]
pub struct Vocabulary {
    /// The names of ServiceAccounts.
    pub(crate) accounts: Vec<&'static str>,
    /// The images of containers.
    pub(crate) images: Vec<&'static str>,
    /// Images for containers with certain names: container, image.
    pub(crate) images_of: Vec<(&'static str, &'static str)>,
    /// Annotations of Pods and templates.
    pub(crate) pod_annotations: Vec<(&'static str, &'static str)>,
    /// Annotations of ServiceAccounts.
    pub(crate) account_annotations: Vec<(&'static str, &'static str)>,
    /// Secrets that ServiceAccounts list.
    pub(crate) account_secrets: Vec<&'static str>,
    /// Objects of other kinds.
    pub(crate) others: Vec<Value>,
    /// The audiences of hand-written token volumes.
    pub(crate) audiences: Vec<&'static str>,
    /// The lifetimes of hand-written token volumes.
    pub(crate) lifetimes: Vec<i64>,
    /// Volumes other than hand-written token volumes.
    pub(crate) volumes: Vec<Value>,
    /// The names of hand-written token volumes.
    pub(crate) token_volume_names: Vec<&'static str>,
    /// Environment variables, whose values are canaries.
    pub(crate) env: Vec<&'static str>,
    /// Environment variables with values that are not secret.
    pub(crate) plain_env: Vec<(&'static str, &'static str)>,
    /// Prefixes for the variables that come from a whole Secret.
    pub(crate) env_prefixes: Vec<&'static str>,
    /// Strings that settings may contain, each where it is valid.
    pub(crate) words: Vec<&'static str>,
    /// Values of parameters that random generation would not find: rule, parameter, value.
    pub(crate) examples: Vec<(&'static str, &'static str, Value)>,
}

/// Everything that the rules look for.
#[must_use]
pub fn vocabulary() -> Vocabulary {
    let mut vocabulary = Vocabulary::default();
    any_rule(&mut vocabulary);
    pod_automount(&mut vocabulary);
    default_service_account(&mut vocabulary);
    token_and_cloud_role(&mut vocabulary);
    static_credentials(&mut vocabulary);
    identity_env(&mut vocabulary);
    cloud_token_audience(&mut vocabulary);
    service_accounts(&mut vocabulary);
    role_arn(&mut vocabulary);
    identity_annotations(&mut vocabulary);
    other_clouds(&mut vocabulary);
    identity_injection(&mut vocabulary);
    irsa_injection(&mut vocabulary);
    token_request(&mut vocabulary);
    legacy_token_secret(&mut vocabulary);
    persistent_volumes(&mut vocabulary);
    grants_and_data(&mut vocabulary);
    rbac(&mut vocabulary);
    vocabulary
}

fn any_rule(vocabulary: &mut Vocabulary) {
    vocabulary.accounts.extend(["default", "app", "app"]);
    vocabulary.images.extend(["registry.example/web:1", "busybox"]);
    vocabulary.pod_annotations.extend([("example.com/keep", "yes"), ("prometheus.io/scrape", "true")]);
    vocabulary.account_annotations.extend([("example.com/owner", "team-a")]);
    vocabulary.audiences.extend(["vault", "sts.amazonaws.com", "istio-ca", "https://issuer.example/x"]);
    vocabulary.lifetimes.extend([600, 3600, 3607, 86_400, 86_401, 31_536_000]);
    vocabulary.volumes.extend([
        json!({"name": "data", "emptyDir": {}}),
        json!({"name": "creds", "secret": {"secretName": "app-token-bcd24", "defaultMode": 420}}),
        json!({"name": "conf", "configMap": {"name": "conf", "defaultMode": 420, "items": [{"key": "a", "path": "a"}]}}),
        json!({"name": "host", "hostPath": {"path": "/var/lib/kubelet/pods"}}),
        json!({"name": "spiffe", "csi": {"driver": "csi.spiffe.io", "readOnly": true}}),
        json!({"name": "identity", "projected": {"defaultMode": 420, "sources": [{"podCertificate": {"signerName": "example.com/mesh", "maxExpirationSeconds": 604_800}}]}}),
        json!({"name": "mixed", "projected": {"defaultMode": 420, "sources": [{"secret": {"name": "s"}}, {"downwardAPI": {"items": [{"path": "l", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.labels"}}]}}]}}),
    ]);
    vocabulary.token_volume_names.extend(["token", "aws-iam-token"]);
    vocabulary.env.extend(["PASSWORD", "AWS_SECRET_ACCESS_KEY", "AWS_ROLE_ARN"]);
    vocabulary.words.extend([
        "*-a",
        "team-?",
        "shop/*",
        "example.com/keep=yes",
        "docker.io/kumahq/kuma-dp:*",
        "*.example/*",
    ]);
}

fn pod_automount(vocabulary: &mut Vocabulary) {
    let sidecars = ["kumahq/kuma-dp:2.9", "docker.io/kumahq/kuma-dp:2.9", "evil.example/kumahq/kuma-dp:2.9"];
    vocabulary.images_of.extend(sidecars.map(|image| ("kuma-sidecar", image)));
    vocabulary.pod_annotations.extend([
        ("vault.hashicorp.com/agent-inject", "true"),
        ("vault.hashicorp.com/agent-inject", "true"),
        ("vault.hashicorp.com/agent-inject", "false"),
    ]);
    vocabulary.token_volume_names.extend(["kube-api-access-bcd25", "kube-api-access-mine", "kube-api-access-"]);
    vocabulary.words.extend(["*", "kuma-*", "web", "vault.hashicorp.com/agent-inject=*"]);
    let sidecar = json!([{"name": "kuma-*", "image": "docker.io/kumahq/kuma-dp:*"}]);
    vocabulary.examples.push(("pod-automount", "tokenContainers", sidecar));
    // Without these values most tokens would stay, because permissions are unknown or the account has some.
    let permissions = [json!([]), json!([]), json!([{"verb": "get", "resource": "pods"}])];
    vocabulary.examples.extend(permissions.map(|list| ("pod-automount", "keepIfAllowed", list)));
}

fn default_service_account(vocabulary: &mut Vocabulary) {
    vocabulary.audiences.extend(["", "api", "https://kubernetes.default.svc.cluster.local"]);
}

/// Listed twice, so that a cloud role often occurs together with a token.
fn token_and_cloud_role(vocabulary: &mut Vocabulary) {
    vocabulary.env.extend(["AWS_ROLE_ARN", "AWS_ROLE_ARN"]);
}

fn static_credentials(vocabulary: &mut Vocabulary) {
    vocabulary.env.extend(["AWS_ACCESS_KEY_ID", "AZURE_CLIENT_SECRET", "GOOGLE_APPLICATION_CREDENTIALS_JSON"]);
    vocabulary.plain_env.extend([("S3_KEY", "AKIAIOSFODNN7EXAMPLE"), ("AWS_SESSION_TOKEN", "$(PASSWORD)")]);
    vocabulary.env_prefixes.extend(["", "AWS_", "DB_"]);
    vocabulary.words.extend(["PASSWORD", "AWS_*"]);
}

/// The pair of variables that the webhook injects, both or only one of them, and other roles.
fn identity_env(vocabulary: &mut Vocabulary) {
    const FILE: &str = "/var/run/secrets/eks.amazonaws.com/serviceaccount/token";
    vocabulary.plain_env.extend([
        ("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/app"),
        ("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/app"),
        ("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/admin"),
        ("AWS_ROLE_ARN", "arn:aws:iam::$(ACCOUNT):role/app"),
        ("AWS_ROLE_ARN", ""),
        ("AWS_WEB_IDENTITY_TOKEN_FILE", FILE),
        ("AWS_WEB_IDENTITY_TOKEN_FILE", FILE),
        ("AWS_WEB_IDENTITY_TOKEN_FILE", FILE),
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://169.254.170.23/v1/credentials"),
        ("AWS_REGION", "eu-west-1"),
    ]);
}

/// Listed twice, so that they are drawn as often as others.
fn cloud_token_audience(vocabulary: &mut Vocabulary) {
    vocabulary.audiences.extend(["sts.amazonaws.com", "api://AzureADTokenExchange"]);
}

/// `service-account-automount` and `service-account-secrets`.
fn service_accounts(vocabulary: &mut Vocabulary) {
    vocabulary.account_annotations.push(("kubernetes.io/enforce-mountable-secrets", "true"));
    vocabulary.account_secrets.extend(["app-token-bcd24", "app-dockercfg-bcd24"]);
}

fn role_arn(vocabulary: &mut Vocabulary) {
    let roles = [
        "arn:aws:iam::123456789012:role/app",
        "arn:aws:iam::123456789012:role/shop/app",
        "arn:aws-cn:iam::210987654321:role/aws-service-role/x",
        "arn:aws:iam::12345678901:role/app",
        "arn:aws:iam::123456789012:role/role/app",
        "arn:aws:iam::123456789012:user/app",
        "arn:aws:iam::123456789012:role/app\n",
        " arn:aws:iam::123456789012:role/app",
        "arn:aws:sts::123456789012:assumed-role/app/x",
        "arn:aws:iam:eu-west-1:123456789012:role/app",
        "app",
        "",
    ];
    vocabulary.account_annotations.extend(roles.map(|role| ("eks.amazonaws.com/role-arn", role)));
    vocabulary.account_annotations.extend(roles.map(|role| ("eks.amazonaws.com/ecr-role-arn", role)));
    vocabulary.words.extend(["123456789012", "aws", "shop/*", "{namespace}/*", "arn:aws:iam::123456789012:role/app"]);
}

/// Values, keys, placement and editors.
fn identity_annotations(vocabulary: &mut Vocabulary) {
    let role = "arn:aws:iam::123456789012:role/app";
    vocabulary.account_annotations.extend([
        ("eks.amazonaws.com/role-arn", role),
        ("eks.amazonaws.com/role-arn", role),
        ("eks.amazonaws.com/audience", "sts.amazonaws.com"),
        ("eks.amazonaws.com/audience", ""),
        ("eks.amazonaws.com/token-expiration", "3600"),
        ("eks.amazonaws.com/token-expiration", "172800"),
        ("eks.amazonaws.com/token-expiration", "1h"),
        ("eks.amazonaws.com/sts-regional-endpoints", "true"),
        ("eks.amazonaws.com/sts-regional-endpoints", "regional"),
        ("eks.amazonaws.com/skip-containers", "web"),
        ("eks.amazonaws.com/owner", "team-a"),
        ("eks.amazon.com/role-arn", role),
        ("iam.amazonaws.com/role", "app"),
        ("iam.gke.io/gcp-service-account", "app@project.iam.gserviceaccount.com"),
        ("azure.workload.identity/client_id", "x"),
        ("azure.workload.identity/use", "true"),
    ]);
    vocabulary.pod_annotations.extend([
        ("eks.amazonaws.com/token-expiration", "3600"),
        ("eks.amazonaws.com/token-expiration", "172800"),
        ("eks.amazonaws.com/token-expiration", "1h"),
        ("eks.amazonaws.com/skip-containers", "web, cache"),
        ("eks.amazonaws.com/skip-containers", "web,nginx"),
        ("eks.amazonaws.com/role-arn", role),
        ("eks.amazonaws.com/rolearn", role),
    ]);
    vocabulary.examples.extend([
        ("identity-editors", "users", json!(["alice"])),
        ("identity-editors", "groups", json!(["admins"])),
        ("identity-annotations", "maxTokenExpirationSeconds", json!(3600)),
        ("identity-annotations", "defaults", json!({"tokenExpirationSeconds": 3600, "stsRegionalEndpoints": true})),
        ("identity-annotations", "defaults", json!({"audience": "sts.amazonaws.com"})),
    ]);
}

/// `gcp-service-account` and `azure-workload-identity`.
fn other_clouds(vocabulary: &mut Vocabulary) {
    let emails = [
        "uploader@my-project.iam.gserviceaccount.com",
        "uploader@my-project.example.com.iam.gserviceaccount.com",
        "serviceAccount:uploader@my-project.iam.gserviceaccount.com",
        "123456789012-compute@developer.gserviceaccount.com",
        "alice@example.com",
    ];
    vocabulary.account_annotations.extend(emails.map(|email| ("iam.gke.io/gcp-service-account", email)));
    for id in ["6c9c0b1e-8d5f-4a3b-9e21-0123456789ab", "6C9C0B1E-8D5F-4A3B-9E21-0123456789AB", "app", ""] {
        let keys = ["azure.workload.identity/client-id", "azure.workload.identity/tenant-id"];
        vocabulary.account_annotations.extend(keys.map(|key| (key, id)));
    }
    for seconds in ["3600", "86401", "1h"] {
        let lifetime = ("azure.workload.identity/service-account-token-expiration", seconds);
        vocabulary.account_annotations.push(lifetime);
        vocabulary.pod_annotations.push(lifetime);
    }
    vocabulary.pod_annotations.push(("azure.workload.identity/inject-proxy-sidecar", "false"));
    vocabulary.words.extend(["my-project", "example.com:my-project", "6c9c0b1e-8d5f-4a3b-9e21-0123456789ab"]);
}

/// Variables that the EKS webhook injects, and an annotation that it reads; other functions add some of them as well.
fn identity_injection(vocabulary: &mut Vocabulary) {
    vocabulary.env.extend(["AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_CREDENTIALS_FULL_URI"]);
    vocabulary.pod_annotations.push(("eks.amazonaws.com/skip-containers", "web,setup"));
}

fn irsa_injection(vocabulary: &mut Vocabulary) {
    let seconds = ["3600", "1h", "31536000"];
    vocabulary.pod_annotations.extend(seconds.map(|seconds| ("eks.amazonaws.com/token-expiration", seconds)));
    vocabulary.env.extend(["AWS_REGION", "AWS_STS_REGIONAL_ENDPOINTS"]);
    let listed = json!(["shop/app"]);
    vocabulary.examples.push(("irsa-injection", "podIdentity", listed));
}

fn token_request(vocabulary: &mut Vocabulary) {
    for seconds in [json!(600), json!(3600), json!(3607), json!(1_000_000), Value::Null] {
        for audiences in [Value::Null, json!([]), json!(["vault"]), json!(["api", "vault"])] {
            for bound in [Value::Null, json!({"kind": "Pod", "name": "web"}), json!({"kind": "Node", "name": "n"})] {
                let spec = json!({"expirationSeconds": seconds, "audiences": audiences, "boundObjectRef": bound});
                vocabulary.others.push(json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest",
                    "metadata": {"name": "app", "namespace": NAMESPACE}, "spec": spec, "status": {"token": CANARY}}));
            }
        }
    }
}

fn legacy_token_secret(vocabulary: &mut Vocabulary) {
    for kind in ["kubernetes.io/service-account-token", "Opaque"] {
        for account in ["app", "default"] {
            let own = json!({"token": own_token(), "ca.crt": CANARY});
            for data in [Value::Null, json!({"token": CANARY, "ca.crt": CANARY}), json!({"token": ""}), own] {
                for labels in [json!({}), json!({"kubernetes.io/legacy-token-invalid-since": "2026-01-01"})] {
                    let annotations = json!({"kubernetes.io/service-account.name": account, "last": CANARY});
                    let metadata =
                        json!({"name": "s", "namespace": NAMESPACE, "annotations": annotations, "labels": labels});
                    vocabulary
                        .others
                        .push(json!({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": kind,
                        "data": data, "stringData": {"x": CANARY}}));
                }
            }
        }
    }
}

/// A legacy token of the Secret above; it contains canaries.
fn own_token() -> String {
    let claims = json!({
        "iss": "kubernetes/serviceaccount", "kubernetes.io/serviceaccount/namespace": NAMESPACE,
        "kubernetes.io/serviceaccount/secret.name": "s", "kubernetes.io/serviceaccount/service-account.name": "app",
        "kubernetes.io/serviceaccount/service-account.uid": CANARY,
    });
    STANDARD.encode(format!("{CANARY}.{}.{CANARY}", URL_SAFE_NO_PAD.encode(claims.to_string())))
}

/// `kubelet-host-path`.
fn persistent_volumes(vocabulary: &mut Vocabulary) {
    for source in [
        json!({"hostPath": {"path": "/var/lib/kubelet"}}),
        json!({"local": {"path": "/data"}}),
        json!({"csi": {"driver": "ebs.csi.aws.com", "volumeAttributes": {"secret": CANARY}}}),
    ] {
        vocabulary.others.push(
            json!({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "data"}, "spec": source}),
        );
    }
}

/// `identity-grants`, and `static-credentials` outside of Pods.
fn grants_and_data(vocabulary: &mut Vocabulary) {
    let metadata = json!({"name": "web", "namespace": NAMESPACE});
    for (api_version, kind, spec) in [
        (
            "eks.services.k8s.aws/v1alpha1",
            "PodIdentityAssociation",
            json!({"namespace": NAMESPACE, "serviceAccount": "default", "roleARN": "arn:aws:iam::1:role/x", "policy": CANARY}),
        ),
        (
            "eks.aws.m.upbound.io/v1beta1",
            "PodIdentityAssociation",
            json!({"forProvider": {"namespace": "other", "serviceAccount": "app"}, "initProvider": {"disableSessionTags": true}}),
        ),
        (
            "managedidentity.azure.com/v1api20230131",
            "FederatedIdentityCredential",
            json!({"owner": {"name": "app"}, "subject": "system:serviceaccount:other:default"}),
        ),
        (
            "iam.cnrm.cloud.google.com/v1beta1",
            "IAMPolicyMember",
            json!({"role": "roles/owner", "member": "allUsers", "resourceRef": {"kind": "Project", "name": "app"}}),
        ),
    ] {
        let grant = json!({"apiVersion": api_version, "kind": kind, "metadata": metadata, "spec": spec});
        vocabulary.others.push(grant);
    }
    for kind in ["ConfigMap", "Secret"] {
        let data =
            json!({"AZURE_CLIENT_SECRET": STANDARD.encode(CANARY), "id": STANDARD.encode("AKIAQYLPMN5HHHFPZAM2")});
        vocabulary.others.push(json!({"apiVersion": "v1", "kind": kind, "metadata": metadata, "data": data}));
    }
}

/// `binding-subjects` and `token-issuing-roles`.
fn rbac(vocabulary: &mut Vocabulary) {
    const API: &str = "rbac.authorization.k8s.io/v1";
    let subjects = [
        json!({"kind": "ServiceAccount", "name": "default", "namespace": NAMESPACE}),
        json!({"kind": "ServiceAccount", "name": "app", "namespace": "other"}),
        json!({"kind": "User", "name": "system:serviceaccount:other:default"}),
        json!({"kind": "Group", "name": "system:serviceaccounts:shop"}),
        json!({"kind": "Group", "name": "system:serviceaccounts"}),
        json!({"kind": "Group", "name": "system:authenticated"}),
        json!({"kind": "User", "name": "alice"}),
    ];
    let resources = ["serviceaccounts/token", "*", "*/*", "pods"];
    for subject in subjects {
        for kind in ["RoleBinding", "ClusterRoleBinding"] {
            let app = json!({"kind": "ServiceAccount", "name": "app", "namespace": NAMESPACE});
            let metadata = json!({"name": "b", "namespace": NAMESPACE});
            let role = json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "r"});
            vocabulary.others.push(json!({"apiVersion": API, "kind": kind, "metadata": metadata, "subjects": [app, subject], "roleRef": role}));
        }
    }
    let mut role = |rules: Value| {
        vocabulary.others.push(json!({"apiVersion": API, "kind": "Role", "metadata": {"name": "r"}, "rules": rules}));
    };
    for resource in resources {
        for verb in ["create", "get", "*"] {
            role(
                json!([{"verbs": [verb], "apiGroups": [""], "resources": ["pods", resource], "resourceNames": ["app"]}]),
            );
        }
    }
    role(
        json!([{"verbs": ["escalate", "bind"], "apiGroups": ["rbac.authorization.k8s.io"], "resources": ["clusterroles"]}]),
    );
    role(json!([
        {"verbs": ["impersonate:serviceaccount"], "apiGroups": ["authentication.k8s.io"], "resources": ["serviceaccounts"]},
        {"verbs": ["impersonate-on:serviceaccount:get", "impersonate"], "apiGroups": [""], "resources": ["users"]},
    ]));
}
