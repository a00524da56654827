// SPDX-License-Identifier: Apache-2.0

//! Compares the views with an oracle: whatever they read from an object is what the typed structs of `k8s-openapi` read.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1 as typed;
use policy_testing::cluster::{FakeCluster, Known};
use policy_testing::objects::{pod, service_account};
use policy_testing::requests::review_of;
use policy_testing::style::{Style, style, written};
use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;
use serde_json::Value;
use serviceaccount_hygiene::guest;
use serviceaccount_hygiene::object::meta::Meta;
use serviceaccount_hygiene::object::pod::{ContainerList, Pod};
use serviceaccount_hygiene::object::service_account::ServiceAccount;
use serviceaccount_hygiene::object::view::{self, Strings};

fn config() -> ProptestConfig {
    ProptestConfig {
        cases: 300,
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct("tests/regressions/views.txt"))),
        ..ProptestConfig::default()
    }
}

/// The fields of a Pod that rules read.
#[derive(Debug, PartialEq)]
struct ReadPod {
    meta: ReadMeta,
    account: String,
    automount: Option<bool>,
    shares_processes: bool,
    /// Each volume's name and tokens.
    volumes: Vec<(String, Vec<ReadToken>)>,
    /// Each container's list, name, image and the volumes that it mounts.
    containers: Vec<(&'static str, String, String, Vec<String>)>,
}

/// Audience, lifetime, path.
type ReadToken = (String, Option<i64>, String);

#[derive(Debug, PartialEq)]
struct ReadMeta {
    name: String,
    generate_name: String,
    has_controller: bool,
    annotations: BTreeMap<String, String>,
}

fn text(text: Option<impl AsRef<str>>) -> String {
    text.map(|text| text.as_ref().to_owned()).unwrap_or_default()
}

fn viewed_meta(meta: &Meta<'_>) -> Option<ReadMeta> {
    let [name, generate_name] = meta.names();
    let annotations: Strings<'_> = meta.annotations.read("").ok()?;
    Some(ReadMeta {
        name: name.to_owned(),
        generate_name: generate_name.to_owned(),
        has_controller: meta.has_controller(),
        annotations: annotations.iter().map(|(key, value)| (key.to_owned(), text(value.as_deref()))).collect(),
    })
}

fn typed_meta(meta: &k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta) -> ReadMeta {
    let owners = meta.owner_references.iter().flatten();
    ReadMeta {
        name: text(meta.name.as_ref()),
        generate_name: text(meta.generate_name.as_ref()),
        has_controller: owners.map(|owner| owner.controller).any(|controller| controller == Some(true)),
        annotations: meta.annotations.clone().unwrap_or_default(),
    }
}

fn viewed(json: &str) -> Option<ReadPod> {
    let pod: Pod<'_> = view::read(json, "").ok()?;
    let spec = pod.spec?;
    Some(ReadPod {
        meta: viewed_meta(&pod.metadata?)?,
        account: spec.account().to_owned(),
        automount: spec.automount,
        shares_processes: spec.shares_processes(),
        volumes: spec
            .volumes
            .iter()
            .map(|volume| {
                let tokens = volume.tokens();
                let tokens = tokens.map(|t| (t.audience().to_owned(), t.expiration_seconds, text(t.path.as_deref())));
                (text(volume.name.as_deref()), tokens.collect())
            })
            .collect(),
        containers: spec
            .all_containers()
            .map(|(list, _, container)| {
                let mounts = container.mounts.iter().map(|mount| text(mount.name.as_deref())).collect();
                (list.field(), text(container.name.as_deref()), text(container.image.as_deref()), mounts)
            })
            .collect(),
    })
}

fn read_typed(json: &str) -> Option<ReadPod> {
    let pod: typed::Pod = serde_json::from_str(json).ok()?;
    let spec = pod.spec?;
    let names = [&spec.service_account_name, &spec.service_account];
    let account = names.into_iter().flatten().find(|name| !name.is_empty());
    let tokens = |volume: &typed::Volume| {
        let sources = volume.projected.iter().flat_map(|projected| projected.sources.iter().flatten());
        let tokens = sources.filter_map(|source| source.service_account_token.as_ref());
        tokens.map(|t| (text(t.audience.as_ref()), t.expiration_seconds, t.path.clone())).collect()
    };
    let mounts = |mounts: &Option<Vec<typed::VolumeMount>>| {
        mounts.iter().flatten().map(|mount| mount.name.clone()).collect::<Vec<_>>()
    };
    let plain = |list: ContainerList, containers: &[typed::Container]| {
        let read =
            containers.iter().map(|c| (list.field(), c.name.clone(), text(c.image.as_ref()), mounts(&c.volume_mounts)));
        read.collect::<Vec<_>>()
    };
    let ephemeral = spec.ephemeral_containers.iter().flatten();
    let ephemeral = ephemeral
        .map(|c| (ContainerList::Ephemeral.field(), c.name.clone(), text(c.image.as_ref()), mounts(&c.volume_mounts)));
    Some(ReadPod {
        meta: typed_meta(&pod.metadata),
        account: account.cloned().unwrap_or_else(|| "default".to_owned()),
        automount: spec.automount_service_account_token,
        shares_processes: spec.share_process_namespace == Some(true) || spec.host_pid == Some(true),
        volumes: spec.volumes.iter().flatten().map(|volume| (volume.name.clone(), tokens(volume))).collect(),
        containers: [
            plain(ContainerList::Init, spec.init_containers.as_deref().unwrap_or_default()),
            plain(ContainerList::Main, &spec.containers),
            ephemeral.collect(),
        ]
        .concat(),
    })
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn pods_agree(pod in pod(), style in style()) {
        let json = written(&pod, style);
        let viewed_pod = viewed(&json);
        prop_assert!(viewed_pod.is_some());
        prop_assert_eq!(&viewed_pod, &read_typed(&json));
        // The result does not depend on the style.
        prop_assert_eq!(viewed_pod, viewed(&written(&pod, Style::PLAIN)));
    }

    #[test]
    fn service_accounts_agree(account in service_account(), style in style()) {
        let json = written(&account, style);
        let viewed: ServiceAccount<'_> = view::read(&json, "").unwrap();
        let typed: typed::ServiceAccount = serde_json::from_str(&json).unwrap();
        prop_assert_eq!(viewed.metadata.as_ref().and_then(viewed_meta), Some(typed_meta(&typed.metadata)));
        prop_assert_eq!(viewed.automount, typed.automount_service_account_token);
        let secrets = viewed.secrets().map_err(|error| TestCaseError::fail(error.to_string()))?;
        let secrets: Vec<String> = secrets.iter().map(|secret| text(secret.name.as_deref())).collect();
        let typed: Vec<String> = typed.secrets.iter().flatten().map(|secret| text(secret.name.as_ref())).collect();
        prop_assert_eq!(secrets, typed);
    }

    #[test]
    fn fixed_pods_decode(review in review_of(pod())) {
        let answer = guest::validate(review.payload().as_bytes(), &FakeCluster::new(Known::Absent));
        let answer: BTreeMap<String, &serde_json::value::RawValue> = serde_json::from_slice(&answer).unwrap();
        let Some(fixed) = answer.get("mutated_object") else { return Ok(()) };
        let fixed: Result<typed::Pod, _> = serde_json::from_str(fixed.get());
        prop_assert!(fixed.is_ok(), "{fixed:?}");
        let automount = fixed.unwrap().spec.unwrap().automount_service_account_token;
        // The only field of the Pod's `spec` that a fix sets, and only if it is unset.
        let before = review.object.pointer("/spec/automountServiceAccountToken").and_then(Value::as_bool);
        prop_assert!(automount == before || (automount, before) == (Some(false), None), "{before:?} became {automount:?}");
    }
}
