// SPDX-License-Identifier: Apache-2.0

//! One generator of what a policy meets: Kubernetes objects, requests about them, settings, and clusters.
//!
//! A rule that joins adds what it looks for to [`Pantry`], in a function of its own; its settings are drawn from what
//! it declares. Nothing else has to change.

pub mod requests;
pub mod settings;
pub mod style;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde_json::{Map, Value, json};

/// Stands wherever a value may be secret. No answer may repeat it.
pub const CANARY: &str = "cAnArY-5f2d";

/// The namespace of most requests.
pub const NAMESPACE: &str = "shop";

/// The name that the API server's plugin gave to the token volume of these Pods.
pub const TOKEN_VOLUME: &str = "kube-api-access-bcd24";

const TOKEN_MOUNT_PATH: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// What objects are made from.
#[derive(Debug, Default)]
pub struct Pantry {
    /// The accounts of Pods and the names of ServiceAccounts.
    accounts: Vec<&'static str>,
    /// The images of containers.
    images: Vec<&'static str>,
    /// The images of containers of certain names.
    images_of: Vec<(&'static str, &'static str)>,
    /// Annotations of Pods and templates.
    pod_annotations: Vec<(&'static str, &'static str)>,
    /// Annotations of ServiceAccounts.
    account_annotations: Vec<(&'static str, &'static str)>,
    /// Secrets that ServiceAccounts list.
    account_secrets: Vec<&'static str>,
    /// Objects of other kinds.
    others: Vec<Value>,
    /// The audiences of hand-written tokens.
    audiences: Vec<&'static str>,
    /// The lifetimes of hand-written tokens.
    lifetimes: Vec<i64>,
    /// Volumes besides tokens.
    volumes: Vec<Value>,
    /// Names of token volumes that someone wrote.
    token_volume_names: Vec<&'static str>,
    /// Environment variables, whose values are canaries.
    env: Vec<&'static str>,
    /// Environment variables with values that are no secret.
    plain_env: Vec<(&'static str, &'static str)>,
    /// What the variables of a whole Secret are made to begin with.
    env_prefixes: Vec<&'static str>,
    /// Texts that settings may hold, each where it makes sense.
    words: Vec<&'static str>,
    /// Values of parameters that chance would not hit upon: rule, parameter, value.
    examples: Vec<(&'static str, &'static str, Value)>,
}

/// Everything that the rules look for.
#[must_use]
pub fn pantry() -> Pantry {
    let mut pantry = Pantry::default();
    any_rule(&mut pantry);
    pod_automount(&mut pantry);
    default_service_account(&mut pantry);
    token_and_cloud_role(&mut pantry);
    static_credentials(&mut pantry);
    identity_env(&mut pantry);
    cloud_token_audience(&mut pantry);
    service_accounts(&mut pantry);
    role_arn(&mut pantry);
    identity_annotations(&mut pantry);
    other_clouds(&mut pantry);
    identity_injection(&mut pantry);
    irsa_injection(&mut pantry);
    token_request(&mut pantry);
    legacy_token_secret(&mut pantry);
    persistent_volumes(&mut pantry);
    rbac(&mut pantry);
    pantry
}

fn any_rule(pantry: &mut Pantry) {
    pantry.accounts.extend(["default", "app", "app"]);
    pantry.images.extend(["registry.example/web:1", "busybox"]);
    pantry.pod_annotations.extend([("example.com/keep", "yes"), ("prometheus.io/scrape", "true")]);
    pantry.account_annotations.extend([("example.com/owner", "team-a")]);
    pantry.audiences.extend(["vault", "sts.amazonaws.com", "istio-ca", "https://issuer.example/x"]);
    pantry.lifetimes.extend([600, 3600, 3607, 86_400, 86_401, 31_536_000]);
    pantry.volumes.extend([
        json!({"name": "data", "emptyDir": {}}),
        json!({"name": "creds", "secret": {"secretName": "app-token-bcd24", "defaultMode": 420}}),
        json!({"name": "conf", "configMap": {"name": "conf", "defaultMode": 420, "items": [{"key": "a", "path": "a"}]}}),
        json!({"name": "host", "hostPath": {"path": "/var/lib/kubelet/pods"}}),
        json!({"name": "mixed", "projected": {"defaultMode": 420, "sources": [{"secret": {"name": "s"}}, {"downwardAPI": {"items": [{"path": "l", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.labels"}}]}}]}}),
    ]);
    pantry.token_volume_names.extend(["token", "aws-iam-token"]);
    pantry.env.extend(["PASSWORD", "AWS_SECRET_ACCESS_KEY", "AWS_ROLE_ARN"]);
    pantry.words.extend([
        "*-a",
        "team-?",
        "shop/*",
        "example.com/keep=yes",
        "docker.io/kumahq/kuma-dp:*",
        "*.example/*",
    ]);
}

fn pod_automount(pantry: &mut Pantry) {
    let sidecars = ["kumahq/kuma-dp:2.9", "docker.io/kumahq/kuma-dp:2.9", "evil.example/kumahq/kuma-dp:2.9"];
    pantry.images_of.extend(sidecars.map(|image| ("kuma-sidecar", image)));
    pantry.pod_annotations.extend([
        ("vault.hashicorp.com/agent-inject", "true"),
        ("vault.hashicorp.com/agent-inject", "true"),
        ("vault.hashicorp.com/agent-inject", "false"),
    ]);
    pantry.token_volume_names.extend(["kube-api-access-bcd25", "kube-api-access-mine", "kube-api-access-"]);
    pantry.words.extend(["*", "kuma-*", "web", "vault.hashicorp.com/agent-inject=*"]);
    let sidecar = json!([{"name": "kuma-*", "image": "docker.io/kumahq/kuma-dp:*"}]);
    pantry.examples.push(("pod-automount", "tokenContainers", sidecar));
    // Else most tokens would stay: nobody knows, or the account may do something.
    let permissions = [json!([]), json!([]), json!([{"verb": "get", "resource": "pods"}])];
    pantry.examples.extend(permissions.map(|list| ("pod-automount", "keepIfAllowed", list)));
}

fn default_service_account(pantry: &mut Pantry) {
    pantry.audiences.extend(["", "api", "https://kubernetes.default.svc.cluster.local"]);
}

/// Twice, so that a cloud role is drawn together with a token.
fn token_and_cloud_role(pantry: &mut Pantry) {
    pantry.env.extend(["AWS_ROLE_ARN", "AWS_ROLE_ARN"]);
}

fn static_credentials(pantry: &mut Pantry) {
    pantry.env.extend(["AWS_ACCESS_KEY_ID", "AZURE_CLIENT_SECRET", "GOOGLE_APPLICATION_CREDENTIALS_JSON"]);
    pantry.plain_env.extend([("S3_KEY", "AKIAIOSFODNN7EXAMPLE"), ("AWS_SESSION_TOKEN", "$(PASSWORD)")]);
    pantry.env_prefixes.extend(["", "AWS_", "DB_"]);
    pantry.words.extend(["PASSWORD", "AWS_*"]);
}

/// The pair that the webhook injects, whole and by halves, and other roles.
fn identity_env(pantry: &mut Pantry) {
    const FILE: &str = "/var/run/secrets/eks.amazonaws.com/serviceaccount/token";
    pantry.plain_env.extend([
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

/// Twice, so that they are drawn as often as others.
fn cloud_token_audience(pantry: &mut Pantry) {
    pantry.audiences.extend(["sts.amazonaws.com", "api://AzureADTokenExchange"]);
}

/// `service-account-automount` and `service-account-secrets`.
fn service_accounts(pantry: &mut Pantry) {
    pantry.account_annotations.push(("kubernetes.io/enforce-mountable-secrets", "true"));
    pantry.account_secrets.extend(["app-token-bcd24", "app-dockercfg-bcd24"]);
}

fn role_arn(pantry: &mut Pantry) {
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
    pantry.account_annotations.extend(roles.map(|role| ("eks.amazonaws.com/role-arn", role)));
    pantry.account_annotations.extend(roles.map(|role| ("eks.amazonaws.com/ecr-role-arn", role)));
    pantry.words.extend(["123456789012", "aws", "shop/*", "{namespace}/*", "arn:aws:iam::123456789012:role/app"]);
}

/// Values, keys, places and editors.
fn identity_annotations(pantry: &mut Pantry) {
    let role = "arn:aws:iam::123456789012:role/app";
    pantry.account_annotations.extend([
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
    pantry.pod_annotations.extend([
        ("eks.amazonaws.com/token-expiration", "3600"),
        ("eks.amazonaws.com/token-expiration", "172800"),
        ("eks.amazonaws.com/token-expiration", "1h"),
        ("eks.amazonaws.com/skip-containers", "web, cache"),
        ("eks.amazonaws.com/skip-containers", "web,nginx"),
        ("eks.amazonaws.com/role-arn", role),
        ("eks.amazonaws.com/rolearn", role),
    ]);
    pantry.examples.extend([
        ("identity-editors", "users", json!(["alice"])),
        ("identity-editors", "groups", json!(["admins"])),
        ("identity-annotations", "maxTokenExpirationSeconds", json!(3600)),
        ("identity-annotations", "defaults", json!({"tokenExpirationSeconds": 3600, "stsRegionalEndpoints": true})),
        ("identity-annotations", "defaults", json!({"audience": "sts.amazonaws.com"})),
    ]);
}

/// `gcp-service-account` and `azure-workload-identity`.
fn other_clouds(pantry: &mut Pantry) {
    let emails = [
        "uploader@my-project.iam.gserviceaccount.com",
        "uploader@my-project.example.com.iam.gserviceaccount.com",
        "serviceAccount:uploader@my-project.iam.gserviceaccount.com",
        "123456789012-compute@developer.gserviceaccount.com",
        "alice@example.com",
    ];
    pantry.account_annotations.extend(emails.map(|email| ("iam.gke.io/gcp-service-account", email)));
    for id in ["6c9c0b1e-8d5f-4a3b-9e21-0123456789ab", "6C9C0B1E-8D5F-4A3B-9E21-0123456789AB", "app", ""] {
        let keys = ["azure.workload.identity/client-id", "azure.workload.identity/tenant-id"];
        pantry.account_annotations.extend(keys.map(|key| (key, id)));
    }
    for seconds in ["3600", "86401", "1h"] {
        let lifetime = ("azure.workload.identity/service-account-token-expiration", seconds);
        pantry.account_annotations.push(lifetime);
        pantry.pod_annotations.push(lifetime);
    }
    pantry.pod_annotations.push(("azure.workload.identity/inject-proxy-sidecar", "false"));
    pantry.words.extend(["my-project", "example.com:my-project", "6c9c0b1e-8d5f-4a3b-9e21-0123456789ab"]);
}

/// The variables and the volume of the EKS webhook, some of which the others draw as well.
fn identity_injection(pantry: &mut Pantry) {
    pantry.env.extend(["AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_CREDENTIALS_FULL_URI"]);
    pantry.pod_annotations.push(("eks.amazonaws.com/skip-containers", "web,setup"));
}

fn irsa_injection(pantry: &mut Pantry) {
    let seconds = ["3600", "1h", "31536000"];
    pantry.pod_annotations.extend(seconds.map(|seconds| ("eks.amazonaws.com/token-expiration", seconds)));
    pantry.env.extend(["AWS_REGION", "AWS_STS_REGIONAL_ENDPOINTS"]);
    let listed = json!(["shop/app"]);
    pantry.examples.push(("irsa-injection", "podIdentity", listed));
}

fn token_request(pantry: &mut Pantry) {
    for seconds in [json!(600), json!(3600), json!(3607), json!(1_000_000), Value::Null] {
        for audiences in [Value::Null, json!([]), json!(["vault"]), json!(["api", "vault"])] {
            for bound in [Value::Null, json!({"kind": "Pod", "name": "web"}), json!({"kind": "Node", "name": "n"})] {
                let spec = json!({"expirationSeconds": seconds, "audiences": audiences, "boundObjectRef": bound});
                pantry.others.push(json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest",
                    "metadata": {"name": "app", "namespace": NAMESPACE}, "spec": spec, "status": {"token": CANARY}}));
            }
        }
    }
}

fn legacy_token_secret(pantry: &mut Pantry) {
    for kind in ["kubernetes.io/service-account-token", "Opaque"] {
        for account in ["app", "default"] {
            let own = json!({"token": own_token(), "ca.crt": CANARY});
            for data in [Value::Null, json!({"token": CANARY, "ca.crt": CANARY}), json!({"token": ""}), own] {
                for labels in [json!({}), json!({"kubernetes.io/legacy-token-invalid-since": "2026-01-01"})] {
                    let annotations = json!({"kubernetes.io/service-account.name": account, "last": CANARY});
                    let metadata =
                        json!({"name": "s", "namespace": NAMESPACE, "annotations": annotations, "labels": labels});
                    pantry
                        .others
                        .push(json!({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": kind,
                        "data": data, "stringData": {"x": CANARY}}));
                }
            }
        }
    }
}

/// A legacy token of the Secret above, with what nobody may be told in it.
fn own_token() -> String {
    let claims = json!({
        "iss": "kubernetes/serviceaccount", "kubernetes.io/serviceaccount/namespace": NAMESPACE,
        "kubernetes.io/serviceaccount/secret.name": "s", "kubernetes.io/serviceaccount/service-account.name": "app",
        "kubernetes.io/serviceaccount/service-account.uid": CANARY,
    });
    STANDARD.encode(format!("{CANARY}.{}.{CANARY}", URL_SAFE_NO_PAD.encode(claims.to_string())))
}

/// `kubelet-host-path`.
fn persistent_volumes(pantry: &mut Pantry) {
    for source in [
        json!({"hostPath": {"path": "/var/lib/kubelet"}}),
        json!({"local": {"path": "/data"}}),
        json!({"csi": {"driver": "ebs.csi.aws.com", "volumeAttributes": {"secret": CANARY}}}),
    ] {
        pantry.others.push(
            json!({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "data"}, "spec": source}),
        );
    }
}

/// `binding-subjects` and `token-issuing-roles`.
fn rbac(pantry: &mut Pantry) {
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
            pantry.others.push(json!({"apiVersion": API, "kind": kind, "metadata": metadata, "subjects": [app, subject], "roleRef": role}));
        }
    }
    let mut role = |rules: Value| {
        pantry.others.push(json!({"apiVersion": API, "kind": "Role", "metadata": {"name": "r"}, "rules": rules}));
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

/// The volume that the API server's plugin adds.
#[must_use]
pub fn token_volume() -> Value {
    json!({"name": TOKEN_VOLUME, "projected": {"defaultMode": 420, "sources": [
        {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
        {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
        {"downwardAPI": {"items": [
            {"path": "namespace", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}}]}},
    ]}})
}

/// The same from `OpenShift`, an old API server, or after `one-year-token` mended it.
fn token_volume_of_others() -> impl Strategy<Value = Value> {
    (0_u8..4).prop_map(|which| {
        let mut volume = token_volume();
        let Some(projected) = volume.pointer_mut("/projected").and_then(Value::as_object_mut) else { return volume };
        match which {
            0 => drop(projected.remove("defaultMode")),
            1 => {
                let ca = json!({"configMap": {"name": "openshift-service-ca.crt", "items": [{"key": "service-ca.crt", "path": "service-ca.crt"}]}});
                if let Some(sources) = projected.get_mut("sources").and_then(Value::as_array_mut) {
                    sources.push(ca);
                }
            }
            2 => set(&mut volume, "/projected/sources/0/serviceAccountToken", "audience", Value::Null),
            _ => set(&mut volume, "/projected/sources/0/serviceAccountToken", "expirationSeconds", json!(3600)),
        }
        volume
    })
}

/// A volume that someone wrote so that it looks like the plugin's.
fn near_miss() -> impl Strategy<Value = Value> {
    const TOKEN: &str = "/projected/sources/0/serviceAccountToken";
    const UNKNOWN: [&str; 5] =
        ["", "/projected", "/projected/sources/0", TOKEN, "/projected/sources/2/downwardAPI/items/0"];
    (0_u8..15).prop_map(|which| {
        let mut volume = token_volume();
        match which {
            0 => set(&mut volume, TOKEN, "expirationSeconds", json!(31_536_000)),
            1 => set(&mut volume, TOKEN, "audience", json!("api")),
            2 => set(&mut volume, TOKEN, "audience", json!("vault")),
            3 => set(&mut volume, TOKEN, "path", json!("jwt")),
            4 => set(&mut volume, "/projected", "defaultMode", json!(292)),
            5 => set(&mut volume, "/projected/sources/1/configMap", "optional", json!(true)),
            6 => set(&mut volume, "/projected/sources/1/configMap", "name", json!("my-ca")),
            7 => set(&mut volume, "", "name", json!("kube-api-access-abc24")),
            8 => return json!({"name": TOKEN_VOLUME, "emptyDir": {}}),
            10.. => {
                let path = UNKNOWN.into_iter().nth(usize::from(which - 10)).unwrap_or_default();
                set(&mut volume, path, "future", json!(0));
            }
            _ => return json!({"name": TOKEN_VOLUME, "secret": {"secretName": "app-token-bcd24", "defaultMode": 420}}),
        }
        volume
    })
}

/// A Pod that says nothing, with a volume that only looks like the plugin's.
pub fn pod_with_near_miss() -> impl Strategy<Value = Value> {
    near_miss().prop_map(|volume| {
        let mount = json!({"name": name_of(&volume), "mountPath": TOKEN_MOUNT_PATH});
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "namespace": NAMESPACE},
            "spec": {"volumes": [volume], "containers": [{"name": "web", "image": "busybox", "volumeMounts": [mount]}]}})
    })
}

fn set(value: &mut Value, pointer: &str, key: &str, to: Value) {
    if let Some(map) = value.pointer_mut(pointer).and_then(Value::as_object_mut) {
        map.insert(key.to_owned(), to);
    }
}

/// A volume besides the plugin's.
fn volume(pantry: &Pantry) -> BoxedStrategy<Value> {
    let plain = select(pantry.volumes.clone());
    let lifetime = option::weighted(0.8, select(pantry.lifetimes.clone()));
    let token = (
        select(pantry.token_volume_names.clone()),
        vec((option::of(select(pantry.audiences.clone())), lifetime), 1..3),
    )
        .prop_map(|(name, tokens)| {
            let source = |(index, (audience, lifetime)): (usize, (Option<&str>, Option<i64>))| {
                let mut token = json!({"path": format!("token-{index}")});
                if let Some(audience) = audience {
                    set(&mut token, "", "audience", json!(audience));
                }
                if let Some(lifetime) = lifetime {
                    set(&mut token, "", "expirationSeconds", json!(lifetime));
                }
                json!({"serviceAccountToken": token})
            };
            let sources: Vec<Value> = tokens.into_iter().enumerate().map(source).collect();
            json!({"name": name, "projected": {"defaultMode": 420, "sources": sources}})
        });
    prop_oneof![2 => plain, 3 => token].boxed()
}

/// What the API server's plugin left behind.
fn injected() -> impl Strategy<Value = Vec<Value>> {
    prop_oneof![
        5 => Just(vec![token_volume()]),
        2 => token_volume_of_others().prop_map(|volume| vec![volume]),
        3 => near_miss().prop_map(|volume| vec![volume]),
        1 => near_miss().prop_map(|mut copy| {
            set(&mut copy, "", "name", json!("kube-api-access-zzzzz"));
            vec![token_volume(), copy]
        }),
        1 => token_volume_of_others().prop_map(|mut copy| {
            set(&mut copy, "", "name", json!("kube-api-access-zzzzz"));
            vec![copy, token_volume()]
        }),
        3 => Just(Vec::new()),
    ]
}

fn containers(pantry: &Pantry, names: &'static [&'static str], least: usize) -> BoxedStrategy<Vec<Value>> {
    let secret = (select(pantry.env.clone()), 0_u8..4).prop_map(|(name, from)| match from {
        0 => json!({"name": name, "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}),
        _ => json!({"name": name, "value": format!("{CANARY}-env")}),
    });
    let plain = select(pantry.plain_env.clone()).prop_map(|(name, value)| json!({"name": name, "value": value}));
    let env = vec(prop_oneof![secret, plain], 0..4);
    let prefix = option::weighted(0.1, select(pantry.env_prefixes.clone()));
    let container = (select(pantry.images.clone()), env, prefix).prop_map(|(image, env, prefix)| {
        let mut container = json!({"image": image, "args": [format!("--password={CANARY}"), format!("-Daws.secretKey={CANARY}")], "env": env});
        if let Some(prefix) = prefix {
            set(&mut container, "", "envFrom", json!([{"prefix": prefix, "secretRef": {"name": "s"}}]));
        }
        container
    });
    let images_of = pantry.images_of.clone();
    (subsequence(names, least..=names.len()), vec((container, any::<prop::sample::Index>()), names.len()))
        .prop_map(move |(names, containers)| {
            let named = |(name, (mut container, chance)): (&str, (Value, prop::sample::Index))| {
                set(&mut container, "", "name", json!(name));
                let images: Vec<_> = images_of.iter().filter(|(of, _)| *of == name).collect();
                if !images.is_empty() {
                    set(&mut container, "", "image", json!(chance.get(&images).1));
                }
                container
            };
            names.into_iter().zip(containers).map(named).collect()
        })
        .boxed()
}

fn automount() -> impl Strategy<Value = Option<Value>> {
    prop_oneof![
        4 => Just(None),
        1 => Just(Some(Value::Null)),
        2 => Just(Some(json!(true))),
        2 => Just(Some(json!(false))),
    ]
}

/// A Pod's specification. `is_admitted`: the API server's plugin has seen it.
fn pod_spec(pantry: &Pantry, is_admitted: bool) -> BoxedStrategy<Value> {
    let account = option::weighted(0.9, prop_oneof![9 => select(pantry.accounts.clone()), 1 => Just("")]);
    let lists = (
        option::weighted(0.4, containers(pantry, &["setup", "istio-proxy"], 0)),
        containers(pantry, &["web", "kuma-sidecar", "cache"], 1),
        // The API server takes none in a new Pod; copies of Pods that ran have them.
        if is_admitted { option::weighted(0.3, containers(pantry, &["debug"], 1)).boxed() } else { Just(None).boxed() },
    );
    let injected = if is_admitted { injected().boxed() } else { Just(Vec::new()).boxed() };
    let volumes = (vec(volume(pantry), 0..4), injected, any::<bool>());
    (account, option::weighted(0.2, any::<bool>()), automount(), lists, volumes, any::<u64>())
        .prop_map(|(account, shares, automount, (init, main, ephemeral), (volumes, injected, is_first), mounts)| {
            let mut spec = json!({"restartPolicy": "Always", "terminationGracePeriodSeconds": 30});
            let mut field = |key: &str, value: Option<Value>| {
                if let Some(value) = value {
                    set(&mut spec, "", key, value);
                }
            };
            // The alias, which the API server keeps equal.
            field("serviceAccountName", account.map(Value::from));
            field("serviceAccount", account.filter(|name| !name.is_empty()).map(Value::from));
            field("shareProcessNamespace", shares.map(Value::from));
            field("hostPID", shares.map(|shares| (!shares).into()));
            field("automountServiceAccountToken", automount);

            let mut all =
                if is_first { [injected.clone(), volumes].concat() } else { [volumes, injected.clone()].concat() };
            let mut names: Vec<String> = Vec::new();
            all.retain(|volume| {
                let name = name_of(volume);
                let is_new = !names.contains(&name);
                names.push(name);
                is_new
            });
            let mut bit = mounts;
            let mut mounting = |mut container: Value| {
                let mut list = Vec::new();
                for volume in &all {
                    bit = bit.rotate_right(7).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ mounts;
                    let (name, is_token) = (name_of(volume), injected.contains(volume));
                    if bit.is_multiple_of(if is_token { 5 } else { 2 }) {
                        continue;
                    }
                    // The plugin mounts at one path; copies of Pods may mount elsewhere, more than once.
                    let path = if is_token { TOKEN_MOUNT_PATH.to_owned() } else { format!("/mnt/{name}") };
                    list.push(json!({"name": name, "readOnly": true, "mountPath": path}));
                    if is_token && bit.is_multiple_of(7) {
                        list.push(json!({"name": name, "mountPath": format!("/again/{name}")}));
                    }
                }
                list.dedup_by(|a, b| a.get("mountPath") == b.get("mountPath"));
                if !list.is_empty() {
                    set(&mut container, "", "volumeMounts", list.into());
                }
                container
            };
            let mut mounted =
                |list: Option<Vec<Value>>| list.map(|list| list.into_iter().map(&mut mounting).collect::<Vec<_>>());
            let lists = [
                ("initContainers", mounted(init)),
                ("containers", mounted(Some(main))),
                ("ephemeralContainers", mounted(ephemeral)),
            ];
            for (key, list) in lists {
                if let Some(list) = list {
                    set(&mut spec, "", key, list.into());
                }
            }
            if !all.is_empty() {
                set(&mut spec, "", "volumes", all.into());
            }
            spec
        })
        .boxed()
}

fn name_of(value: &Value) -> String {
    value.get("name").and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn annotations(from: &[(&'static str, &'static str)]) -> BoxedStrategy<Value> {
    vec(select(from.to_vec()), 0..6)
        .prop_map(|pairs| {
            let mut map: Map<String, Value> = pairs.into_iter().map(|(k, v)| (k.to_owned(), v.into())).collect();
            if map.len() == 1 {
                map.insert("kubectl.kubernetes.io/last-applied-configuration".to_owned(), CANARY.into());
            }
            Value::Object(map)
        })
        .boxed()
}

fn metadata(annotations: BoxedStrategy<Value>) -> BoxedStrategy<Value> {
    let owner = prop_oneof![
        8 => Just(None),
        1 => Just(Some(json!(true))),
        1 => Just(Some(Value::Null)),
    ];
    (select(vec!["web", "legacy-web", ""]), option::of(annotations), owner, any::<bool>())
        .prop_map(|(name, annotations, owner, labelled)| {
            let mut metadata = json!({"namespace": NAMESPACE});
            if name.is_empty() {
                set(&mut metadata, "", "generateName", json!("web-"));
            } else {
                set(&mut metadata, "", "name", json!(name));
            }
            if let Some(annotations) = annotations {
                set(&mut metadata, "", "annotations", annotations);
            }
            if let Some(controller) = owner {
                let owner = json!({"apiVersion": "v1", "kind": "X", "name": "x", "uid": "1", "controller": controller});
                set(&mut metadata, "", "ownerReferences", json!([owner]));
            }
            if labelled {
                set(&mut metadata, "", "labels", json!({"app": "web", "e\"s\\c\u{e9}": "x"}));
            }
            metadata
        })
        .boxed()
}

/// A Pod as admission webhooks see it.
pub fn pod() -> BoxedStrategy<Value> {
    let pantry = pantry();
    (metadata(annotations(&pantry.pod_annotations)), pod_spec(&pantry, true))
        .prop_map(|(metadata, spec)| json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}))
        .boxed()
}

/// A Pod as someone writes it.
pub fn written_pod() -> BoxedStrategy<Value> {
    let pantry = pantry();
    (metadata(annotations(&pantry.pod_annotations)), pod_spec(&pantry, false))
        .prop_map(|(metadata, spec)| json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}))
        .boxed()
}

/// The workloads, and a custom resource that settings may name.
const WORKLOADS: [(&str, &str); 9] = [
    ("apps/v1", "Deployment"),
    ("apps/v1", "ReplicaSet"),
    ("apps/v1", "StatefulSet"),
    ("apps/v1", "DaemonSet"),
    ("batch/v1", "Job"),
    ("batch/v1", "CronJob"),
    ("v1", "ReplicationController"),
    ("v1", "PodTemplate"),
    ("argoproj.io/v1", "Rollout"),
];

/// A workload with a Pod template.
pub fn workload() -> BoxedStrategy<Value> {
    let pantry = pantry();
    let template = (annotations(&pantry.pod_annotations), pod_spec(&pantry, false))
        .prop_map(|(annotations, spec)| json!({"metadata": {"annotations": annotations}, "spec": spec}));
    (select(WORKLOADS.to_vec()), metadata(annotations(&[("example.com/owner", "team-a")])), template)
        .prop_map(|((api_version, kind), metadata, template)| {
            let mut object = json!({"apiVersion": api_version, "kind": kind, "metadata": metadata});
            let (key, value) = match kind {
                "PodTemplate" => ("template", template),
                "CronJob" => {
                    ("spec", json!({"schedule": "* * * * *", "jobTemplate": {"spec": {"template": template}}}))
                }
                _ => ("spec", json!({"replicas": 2, "template": template})),
            };
            set(&mut object, "", key, value);
            object
        })
        .boxed()
}

/// A ServiceAccount.
pub fn service_account() -> BoxedStrategy<Value> {
    let pantry = pantry();
    let secrets = option::of(vec(select(pantry.account_secrets), 0..3));
    (metadata(annotations(&pantry.account_annotations)), select(pantry.accounts), automount(), secrets)
        .prop_map(|(mut metadata, name, automount, secrets)| {
            set(&mut metadata, "", "name", json!(name));
            let mut account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata});
            if let Some(automount) = automount {
                set(&mut account, "", "automountServiceAccountToken", automount);
            }
            if let Some(secrets) = secrets {
                let secrets: Vec<Value> = secrets.into_iter().map(|name| json!({"name": name})).collect();
                set(&mut account, "", "secrets", secrets.into());
            }
            account
        })
        .boxed()
}

/// Any object.
pub fn object() -> BoxedStrategy<Value> {
    prop_oneof![6 => pod(), 4 => workload(), 4 => service_account(), 6 => select(pantry().others)].boxed()
}
