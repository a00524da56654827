// SPDX-License-Identifier: Apache-2.0

//! The tokens that a Pod holds, or that the Pods of a template will hold.

use std::collections::BTreeSet;

use serviceaccount_hygiene::object::pod::{PLUGIN_VOLUME_PREFIX, is_generated_suffix};
use serviceaccount_hygiene::settings::Common;

use super::object::PodSpec;

/// The parts of a Pod's `spec` that concern tokens.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tokens {
    /// `automountServiceAccountToken` of the Pod.
    pub automount: Option<bool>,
    /// Whether a container mounts the volume that the API server adds.
    pub is_mounted: bool,
    /// Hand-written volumes with an API token that a container mounts.
    pub by_hand: BTreeSet<String>,
    /// Secrets that a container mounts or has in its environment; some of them may contain legacy tokens.
    pub secrets: BTreeSet<String>,
}

impl Tokens {
    /// Reads a `spec`. `audiences` are the API server's audiences besides the default ones.
    pub(super) fn of(spec: &PodSpec, audiences: &[String]) -> Self {
        let mut tokens = Self { automount: spec.automount_service_account_token, ..Self::default() };
        let mounted: BTreeSet<&str> =
            spec.all_containers().flat_map(|it| &it.volume_mounts).map(|mount| mount.name.as_str()).collect();
        let usual = Common::default();
        let is_api = |audience: &str| usual.is_api_audience(audience) || audiences.iter().any(|it| it == audience);
        for volume in spec.volumes.iter().filter(|volume| mounted.contains(volume.name.as_str())) {
            let has_token = volume
                .projected
                .sources
                .iter()
                .any(|source| source.service_account_token.as_ref().is_some_and(|token| is_api(&token.audience)));
            let is_plugin_volume = volume.name.strip_prefix(PLUGIN_VOLUME_PREFIX).is_some_and(is_generated_suffix);
            if has_token && is_plugin_volume {
                tokens.is_mounted = true;
            } else if has_token {
                tokens.by_hand.insert(volume.name.clone());
            }
            tokens.secrets.insert(volume.secret.secret_name.clone());
            tokens.secrets.extend(volume.projected.sources.iter().map(|source| source.secret.name.clone()));
        }
        for container in spec.all_containers() {
            tokens.secrets.extend(container.env.iter().map(|env| env.value_from.secret_key_ref.name.clone()));
            tokens.secrets.extend(container.env_from.iter().map(|from| from.secret_ref.name.clone()));
        }
        tokens.secrets.remove("");
        tokens
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn tokens(spec: Value) -> Tokens {
        Tokens::of(&serde_json::from_value(spec).unwrap(), &["https://issuer.example.com".to_owned()])
    }

    #[expect(clippy::needless_pass_by_value, reason = "`json!` makes values")]
    fn projected(name: &str, token: Value) -> Value {
        json!({"name": name, "projected": {"sources": [{"serviceAccountToken": token}, {"configMap": {"name": "kube-root-ca.crt"}}]}})
    }

    #[expect(clippy::needless_pass_by_value, reason = "`json!` makes values")]
    fn mounting(volume: Value) -> Value {
        let mount = json!([{"name": volume["name"], "mountPath": "/x"}]);
        json!({"volumes": [volume], "containers": [{"name": "c", "volumeMounts": mount}]})
    }

    fn set(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn plugin_volume() {
        let volume = projected("kube-api-access-x2b4c", json!({"path": "token", "expirationSeconds": 3607}));
        assert!(tokens(mounting(volume.clone())).is_mounted);
        let unmounted = json!({"volumes": [volume], "containers": [{"name": "c"}]});
        assert_eq!(tokens(unmounted), Tokens::default());
    }

    #[test]
    fn hand_written_volumes() {
        for (audience, is_api) in [
            (json!(null), true),
            (json!(""), true),
            (json!("https://kubernetes.default.svc"), true),
            (json!("https://issuer.example.com"), true),
            (json!("vault"), false),
            (json!("sts.amazonaws.com"), false),
        ] {
            let found = tokens(mounting(projected("token", json!({"audience": audience}))));
            assert_eq!(found.by_hand, if is_api { set(&["token"]) } else { set(&[]) }, "{audience}");
            assert!(!found.is_mounted);
        }
    }

    #[test]
    fn mounted_by_any_container() {
        for list in ["containers", "initContainers", "ephemeralContainers"] {
            let mut spec = json!({"volumes": [projected("token", json!({}))]});
            spec[list] = json!([{"name": "other"}, {"name": "c", "volumeMounts": [{"name": "token"}]}]);
            assert_eq!(tokens(spec).by_hand, set(&["token"]), "{list}");
        }
    }

    #[test]
    fn secrets_from_volumes_and_the_environment() {
        let found = tokens(json!({
            "automountServiceAccountToken": false,
            "volumes": [
                {"name": "a", "secret": {"secretName": "in-volume"}},
                {"name": "b", "secret": {"secretName": "not-mounted"}},
                {"name": "c", "projected": {"sources": [{"secret": {"name": "in-projection"}}]}},
                {"name": "d", "emptyDir": {}}
            ],
            "containers": [{
                "name": "x", "volumeMounts": [{"name": "a"}, {"name": "c"}, {"name": "d"}],
                "env": [{"name": "A", "value": "x"}, {"name": "B", "valueFrom": {"secretKeyRef": {"name": "in-variable", "key": "token"}}}],
                "envFrom": [{"secretRef": {"name": "in-environment"}}, {"configMapRef": {"name": "y"}}]
            }]
        }));
        assert_eq!(found.secrets, set(&["in-environment", "in-projection", "in-variable", "in-volume"]));
        assert_eq!(found.automount, Some(false));
    }
}
