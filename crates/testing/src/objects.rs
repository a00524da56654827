// SPDX-License-Identifier: Apache-2.0

//! Generators of Kubernetes objects.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde_json::{Map, Value, json};

use crate::vocabulary::{Vocabulary, vocabulary};

/// A stand-in for every value that may be secret. No response may contain it.
pub const CANARY: &str = "cAnArY-5f2d";

/// The namespace of most requests.
pub const NAMESPACE: &str = "shop";

/// The name that the API server's plugin gave to the token volume of these Pods.
pub const TOKEN_VOLUME: &str = "kube-api-access-bcd24";

const TOKEN_MOUNT_PATH: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

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

/// The token volume of `OpenShift` or of an old API server, or one whose lifetime `one-year-token` lowered.
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

/// A hand-written volume that resembles the plugin's.
fn lookalike() -> impl Strategy<Value = Value> {
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

/// A Pod without `automountServiceAccountToken`, with a volume that only resembles the plugin's.
pub fn pod_with_lookalike() -> impl Strategy<Value = Value> {
    lookalike().prop_map(|volume| {
        let mount = json!({"name": name_of(&volume), "mountPath": TOKEN_MOUNT_PATH});
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "namespace": NAMESPACE},
            "spec": {"volumes": [volume], "containers": [{"name": "web", "image": "busybox", "volumeMounts": [mount]}]}})
    })
}

pub(crate) fn set(value: &mut Value, pointer: &str, key: &str, to: Value) {
    if let Some(map) = value.pointer_mut(pointer).and_then(Value::as_object_mut) {
        map.insert(key.to_owned(), to);
    }
}

/// A volume other than the plugin's.
fn volume(vocabulary: &Vocabulary) -> BoxedStrategy<Value> {
    let plain = select(vocabulary.volumes.clone());
    let lifetime = option::weighted(0.8, select(vocabulary.lifetimes.clone()));
    let token = (
        select(vocabulary.token_volume_names.clone()),
        vec((option::of(select(vocabulary.audiences.clone())), lifetime), 1..3),
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

/// The token volumes of a Pod after the API server's plugin.
fn injected() -> impl Strategy<Value = Vec<Value>> {
    prop_oneof![
        5 => Just(vec![token_volume()]),
        2 => token_volume_of_others().prop_map(|volume| vec![volume]),
        3 => lookalike().prop_map(|volume| vec![volume]),
        1 => lookalike().prop_map(|mut copy| {
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

fn containers(vocabulary: &Vocabulary, names: &'static [&'static str], least: usize) -> BoxedStrategy<Vec<Value>> {
    let secret = (select(vocabulary.env.clone()), 0_u8..4).prop_map(|(name, from)| match from {
        0 => json!({"name": name, "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}),
        _ => json!({"name": name, "value": format!("{CANARY}-env")}),
    });
    let plain = select(vocabulary.plain_env.clone()).prop_map(|(name, value)| json!({"name": name, "value": value}));
    let env = vec(prop_oneof![secret, plain], 0..4);
    let prefix = option::weighted(0.1, select(vocabulary.env_prefixes.clone()));
    let container = (select(vocabulary.images.clone()), env, prefix).prop_map(|(image, env, prefix)| {
        let mut container = json!({"image": image, "args": [format!("--password={CANARY}"), format!("-Daws.secretKey={CANARY}")], "env": env});
        if let Some(prefix) = prefix {
            set(&mut container, "", "envFrom", json!([{"prefix": prefix, "secretRef": {"name": "s"}}]));
        }
        container
    });
    let images_of = vocabulary.images_of.clone();
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

/// The `spec` of a Pod. With `is_admitted`, the API server's plugin has already run.
fn pod_spec(vocabulary: &Vocabulary, is_admitted: bool) -> BoxedStrategy<Value> {
    let account = option::weighted(0.9, prop_oneof![9 => select(vocabulary.accounts.clone()), 1 => Just("")]);
    let lists = (
        option::weighted(0.4, containers(vocabulary, &["setup", "istio-proxy"], 0)),
        containers(vocabulary, &["web", "kuma-sidecar", "cache"], 1),
        // The API server rejects ephemeral containers in a new Pod; copies of running Pods have them.
        if is_admitted {
            option::weighted(0.3, containers(vocabulary, &["debug"], 1)).boxed()
        } else {
            Just(None).boxed()
        },
    );
    let injected = if is_admitted { injected().boxed() } else { Just(Vec::new()).boxed() };
    let volumes = (vec(volume(vocabulary), 0..4), injected, any::<bool>());
    (account, option::weighted(0.2, any::<bool>()), automount(), lists, volumes, any::<u64>())
        .prop_map(|(account, shares, automount, (init, main, ephemeral), (volumes, injected, is_first), mounts)| {
            let mut spec = json!({"restartPolicy": "Always", "terminationGracePeriodSeconds": 30});
            let mut field = |key: &str, value: Option<Value>| {
                if let Some(value) = value {
                    set(&mut spec, "", key, value);
                }
            };
            // `serviceAccount` is an alias, which the API server keeps equal to `serviceAccountName`.
            field("serviceAccountName", account.map(Value::from));
            field("serviceAccount", account.filter(|name| !name.is_empty()).map(Value::from));
            field("shareProcessNamespace", shares.map(Value::from));
            field("hostPID", shares.map(|shares| (!shares).into()));
            field("hostNetwork", shares.map(Value::from));
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
                    // The plugin mounts at one path; copies of Pods may mount the volume at other paths, and more than once.
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

/// A Pod as admission webhooks receive it.
pub fn pod() -> BoxedStrategy<Value> {
    let vocabulary = vocabulary();
    (metadata(annotations(&vocabulary.pod_annotations)), pod_spec(&vocabulary, true))
        .prop_map(|(metadata, spec)| json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}))
        .boxed()
}

/// A Pod as a user writes it.
pub fn written_pod() -> BoxedStrategy<Value> {
    let vocabulary = vocabulary();
    (metadata(annotations(&vocabulary.pod_annotations)), pod_spec(&vocabulary, false))
        .prop_map(|(metadata, spec)| json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}))
        .boxed()
}

/// The built-in workloads, and a custom resource for `customTemplates`.
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
    let vocabulary = vocabulary();
    let template = (annotations(&vocabulary.pod_annotations), pod_spec(&vocabulary, false))
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
    let vocabulary = vocabulary();
    let secrets = option::of(vec(select(vocabulary.account_secrets), 0..3));
    (metadata(annotations(&vocabulary.account_annotations)), select(vocabulary.accounts), automount(), secrets)
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
    prop_oneof![6 => pod(), 4 => workload(), 4 => service_account(), 6 => select(vocabulary().others)].boxed()
}
