// SPDX-License-Identifier: Apache-2.0
//! Pods and Pod templates.

pub use super::container::{Container, Mount};
use super::meta::Meta;
use super::view::{Raw, Strings, Text, view};
use crate::fast::names::Names;

/// The account of a Pod that specifies none.
pub const DEFAULT_ACCOUNT: &str = "default";

/// The lifetime in seconds that the API server's plugin requests. With the API
/// server's default flags, a token with exactly this lifetime is valid for a
/// year.
/// <https://github.com/kubernetes/kubernetes/blob/v1.34.0/pkg/serviceaccount/claims.go>
pub const PLUGIN_LIFETIME_SECONDS: i64 = 3607;

/// The lifetime of a token source that specifies none.
/// <https://github.com/kubernetes/kubernetes/blob/v1.34.0/pkg/apis/core/v1/defaults.go>
pub const DEFAULT_LIFETIME_SECONDS: i64 = 3600;

/// The prefix of the plugin's volume names, before five random characters.
pub const PLUGIN_VOLUME_PREFIX: &str = "kube-api-access-";

/// The alphabet of generated names in Kubernetes.
/// <https://github.com/kubernetes/apimachinery/blob/v0.34.0/pkg/util/rand/rand.go>
const NAME_ALPHABET: &str = "bcdfghjklmnpqrstvwxz2456789";

/// Whether these are five characters that Kubernetes could have generated.
#[must_use]
pub fn is_generated_suffix(chance: &str) -> bool {
    chance.len() == 5 && chance.chars().all(|c| NAME_ALPHABET.contains(c))
}

view! {
    /// A Pod or a Pod template: the parts that rules read have the same structure.
    pub struct Pod<'a> {
        /// The metadata.
        pub metadata: Option<Meta<'a>> = "metadata",
        /// The specification.
        pub spec: Option<PodSpec<'a>> = "spec",
    }
}

view! {
    /// A Pod's specification.
    pub struct PodSpec<'a> {
        /// Whether the Pod requests the API token.
        pub automount: Option<bool> = "automountServiceAccountToken",
        account_name: Option<Text<'a>> = "serviceAccountName",
        account_alias: Option<Text<'a>> = "serviceAccount",
        /// The labels that its node must have.
        pub node_selector: Raw<'a> = "nodeSelector",
        share_process_namespace: Option<bool> = "shareProcessNamespace",
        /// The volumes.
        pub volumes: Vec<Volume<'a>> = "volumes",
        init_containers: Vec<Container<'a>> = "initContainers",
        containers: Vec<Container<'a>> = "containers",
        ephemeral_containers: Vec<Container<'a>> = "ephemeralContainers",
        /// Whether containers see every process of the node.
        pub host_pid: Option<bool> = "hostPID",
        /// Whether they use the network of the node.
        pub host_network: Option<bool> = "hostNetwork",
    }
}

view! {
    /// A volume.
    pub struct Volume<'a> {
        /// Its name.
        pub name: Option<Text<'a>> = "name",
        /// Its sources, if it is a projected one.
        pub projected: Option<Projected<'a>> = "projected",
        /// The Secret in it, a [`SecretVolume`].
        pub secret: Raw<'a> = "secret",
        /// The part of the node's file system in it, a [`HostPath`].
        pub host_path: Raw<'a> = "hostPath",
        /// The volume of a driver, a [`CsiVolume`].
        pub csi: Raw<'a> = "csi",
        .. others
    }
}

view! {
    /// A projected volume.
    pub struct Projected<'a> {
        default_mode: Option<i64> = "defaultMode",
        /// The projected sources.
        pub sources: Vec<Source<'a>> = "sources",
        .. others
    }
}

view! {
    /// One source of a projected volume.
    pub struct Source<'a> {
        /// A token.
        pub token: Option<TokenSource<'a>> = "serviceAccountToken",
        config_map: Option<Keys<'a>> = "configMap",
        downward_api: Option<Keys<'a>> = "downwardAPI",
        /// A Secret, a [`SecretName`](super::secret::SecretName).
        pub secret: Raw<'a> = "secret",
        /// A certificate, a [`PodCertificate`].
        pub certificate: Raw<'a> = "podCertificate",
        .. others
    }
}

view! {
    /// A token that the kubelet requests and renews.
    /// <https://kubernetes.io/docs/concepts/storage/projected-volumes/#serviceaccounttoken>
    pub struct TokenSource<'a> {
        audience: Option<Text<'a>> = "audience",
        /// Its lifetime in seconds.
        pub expiration_seconds: Option<i64> = "expirationSeconds",
        /// The name of its file.
        pub path: Option<Text<'a>> = "path",
        .. others
    }
}

view! {
    /// A config map, or the Pod's own fields, as files.
    pub struct Keys<'a> {
        name: Option<Text<'a>> = "name",
        items: Vec<Item<'a>> = "items",
        .. others
    }
}

view! {
    /// One file.
    pub struct Item<'a> {
        key: Option<Text<'a>> = "key",
        path: Option<Text<'a>> = "path",
        field: Option<FieldRef<'a>> = "fieldRef",
        .. others
    }
}

view! {
    /// A field of the Pod.
    pub struct FieldRef<'a> {
        path: Option<Text<'a>> = "fieldPath",
    }
}

view! {
    /// A Secret as a volume.
    pub struct SecretVolume<'a> {
        /// The Secret's name.
        pub name: Option<Text<'a>> = "secretName",
    }
}

view! {
    /// A part of the node's file system.
    pub struct HostPath<'a> {
        /// Its path on the node.
        pub path: Option<Text<'a>> = "path",
    }
}

view! {
    /// A volume of a driver.
    pub struct CsiVolume<'a> {
        /// The driver's name.
        pub driver: Option<Text<'a>> = "driver",
    }
}

view! {
    /// A key and a certificate that the kubelet requests and renews.
    /// <https://kubernetes.io/docs/concepts/storage/projected-volumes/#podcertificate>
    pub struct PodCertificate<'a> {
        /// The signer.
        pub signer: Option<Text<'a>> = "signerName",
        /// The maximum lifetime in seconds.
        pub max_seconds: Option<i64> = "maxExpirationSeconds",
        /// Annotations for the signer.
        pub user_annotations: Strings<'a> = "userAnnotations",
    }
}

/// The lists of containers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContainerList {
    /// Run before the others, or beside them as sidecars.
    Init,
    /// The main containers.
    Main,
    /// Containers that are added to a running Pod.
    Ephemeral,
}

impl ContainerList {
    /// The field of the specification.
    #[must_use]
    pub const fn field(self) -> &'static str {
        match self {
            Self::Init => "initContainers",
            Self::Main => "containers",
            Self::Ephemeral => "ephemeralContainers",
        }
    }
}

impl<'a> PodSpec<'a> {
    /// The Pod's account. The alias is used if the name is empty.
    #[must_use]
    pub fn account(&self) -> &str {
        [&self.account_name, &self.account_alias]
            .into_iter()
            .filter_map(|name| name.as_deref())
            .find(|name| !name.is_empty())
            .unwrap_or(DEFAULT_ACCOUNT)
    }

    /// Whether containers can see each other's files and environment through `/proc`.
    #[must_use]
    pub fn shares_processes(&self) -> bool {
        self.share_process_namespace == Some(true) || self.host_pid == Some(true)
    }

    /// The volumes by name.
    #[must_use]
    pub fn volume_names(&self) -> Names<'_> {
        let volumes = self.volumes.iter().enumerate();
        let names: Vec<_> = volumes.filter_map(|(index, volume)| Some((volume.name.as_deref()?, index))).collect();
        names.into()
    }

    /// Every container, with its list and its position there.
    #[must_use]
    pub const fn all_containers(&self) -> Containers<'_, 'a> {
        Containers { spec: self, list: ContainerList::Init, index: 0 }
    }

    /// Replaces the ephemeral containers with those of another specification, and returns the previous ones.
    pub fn replace_ephemeral_containers(&mut self, other: Self) -> Vec<Container<'a>> {
        std::mem::replace(&mut self.ephemeral_containers, other.ephemeral_containers)
    }

    fn containers_of(&self, list: ContainerList) -> &[Container<'a>] {
        match list {
            ContainerList::Init => &self.init_containers,
            ContainerList::Main => &self.containers,
            ContainerList::Ephemeral => &self.ephemeral_containers,
        }
    }
}

/// Walks the containers of all lists.
#[derive(Debug)]
pub struct Containers<'s, 'a> {
    spec: &'s PodSpec<'a>,
    list: ContainerList,
    index: usize,
}

impl<'s, 'a> Iterator for Containers<'s, 'a> {
    type Item = (ContainerList, usize, &'s Container<'a>);

    // Several rules use this iterator, so it is not inlined.
    #[inline(never)]
    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(container) = self.spec.containers_of(self.list).get(self.index) {
                self.index += 1;
                return Some((self.list, self.index - 1, container));
            }
            self.list = match self.list {
                ContainerList::Init => ContainerList::Main,
                ContainerList::Main => ContainerList::Ephemeral,
                ContainerList::Ephemeral => return None,
            };
            self.index = 0;
        }
    }
}

impl<'a> Volume<'a> {
    /// The tokens in it.
    pub fn tokens(&self) -> impl Iterator<Item = &TokenSource<'a>> {
        self.projected.iter().flat_map(|projected| projected.sources.iter().filter_map(|source| source.token.as_ref()))
    }

    /// The token, if the volume is projected from one token and nothing else.
    #[must_use]
    pub fn sole_token(&self) -> Option<&TokenSource<'a>> {
        let projected = self.projected.as_ref().filter(|_| self.is_one_type())?;
        match projected.sources.as_slice() {
            [source] => source.only_token(),
            _ => None,
        }
    }

    /// Whether the volume has no other type; the API server rejects a volume with two.
    fn is_one_type(&self) -> bool {
        let types = [self.secret, self.host_path, self.csi];
        !self.others && types.iter().all(|other| other.text().is_none())
    }

    /// Whether this is exactly what the API server's ServiceAccount plugin
    /// adds. A volume that is only similar was added by someone else.
    /// <https://github.com/kubernetes/kubernetes/blob/v1.34.0/plugin/pkg/admission/serviceaccount/admission.go>
    #[must_use]
    pub fn has_plugin_shape(&self) -> bool {
        let Some(projected) = &self.projected else { return false };
        // 420 is 0644; early 1.21 servers omitted it.
        let shape = self.is_one_type() && !projected.others && matches!(projected.default_mode, None | Some(420));
        let sources = match projected.sources.as_slice() {
            [token, ca, namespace] => {
                token.is_plugin_token() && ca.is_file_of("kube-root-ca.crt", "ca.crt") && namespace.is_namespace()
            }
            // OpenShift adds its service CA.
            [token, ca, namespace, service_ca] => {
                token.is_plugin_token()
                    && ca.is_file_of("kube-root-ca.crt", "ca.crt")
                    && namespace.is_namespace()
                    && service_ca.is_file_of("openshift-service-ca.crt", "service-ca.crt")
            }
            _ => false,
        };
        shape && sources && self.name.as_deref().is_some_and(is_plugin_volume_name)
    }
}

/// Whether the plugin could have generated this name.
fn is_plugin_volume_name(name: &str) -> bool {
    name.strip_prefix(PLUGIN_VOLUME_PREFIX).is_some_and(is_generated_suffix)
}

impl<'a> Source<'a> {
    /// The token, if this source is a token and nothing else.
    #[must_use]
    pub fn only_token(&self) -> Option<&TokenSource<'a>> {
        let alone = self.config_map.is_none() && self.downward_api.is_none() && !self.has_more();
        self.token.as_ref().filter(|_| alone)
    }

    fn has_more(&self) -> bool {
        self.others || self.secret.text().is_some() || self.certificate.text().is_some()
    }

    fn is_plugin_token(&self) -> bool {
        let Some(token) = self.only_token() else { return false };
        // 3600: the lifetime that `one-year-token` sets instead of the plugin's 3607.
        !token.others
            && token.audience().is_empty()
            && token.path.as_deref() == Some("token")
            && matches!(token.expiration_seconds, Some(PLUGIN_LIFETIME_SECONDS | 3600))
    }

    fn is_file_of(&self, config_map: &str, file: &str) -> bool {
        let Some(keys) = &self.config_map else { return false };
        let alone = self.token.is_none() && self.downward_api.is_none() && !self.has_more() && !keys.others;
        alone
            && keys.name.as_deref() == Some(config_map)
            && matches!(keys.items.as_slice(), [item] if item.key.as_deref() == Some(file)
                && item.path.as_deref() == Some(file) && item.field.is_none() && !item.others)
    }

    fn is_namespace(&self) -> bool {
        let Some(keys) = &self.downward_api else { return false };
        let alone = self.token.is_none() && self.config_map.is_none() && !self.has_more() && !keys.others;
        alone
            && keys.name.is_none()
            && matches!(keys.items.as_slice(), [item] if item.key.is_none() && item.path.as_deref() == Some("namespace")
                && item.field.as_ref().is_some_and(|field| field.path.as_deref() == Some("metadata.namespace"))
                && !item.others)
    }
}

impl TokenSource<'_> {
    /// The audience of the token; empty means the API server.
    #[must_use]
    pub fn audience(&self) -> &str {
        self.audience.as_deref().unwrap_or_default()
    }

    /// Its lifetime in seconds; the API server sets the default before it calls
    /// any webhook.
    #[must_use]
    pub fn lifetime(&self) -> i64 {
        self.expiration_seconds.unwrap_or(DEFAULT_LIFETIME_SECONDS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object::view;
    use rstest::rstest;

    const PLUGIN: &str = r#"{"name":"kube-api-access-bcd24","projected":{"sources":[{"serviceAccountToken":{"path":"token","expirationSeconds":3607}},
        {"configMap":{"name":"kube-root-ca.crt","items":[{"key":"ca.crt","path":"ca.crt"}]}},
        {"downwardAPI":{"items":[{"path":"namespace","fieldRef":{"apiVersion":"v1","fieldPath":"metadata.namespace"}}]}}],"defaultMode":420}}"#;
    const SERVICE_CA: &str = r#",{"configMap":{"name":"openshift-service-ca.crt","items":[{"key":"service-ca.crt","path":"service-ca.crt"}]}}],"defaultMode""#;

    fn has_plugin_shape(text: &str) -> bool {
        view::read::<Volume<'_>>(text, "").unwrap().has_plugin_shape()
    }

    #[rstest]
    #[case::as_injected("", "")]
    #[case::before_1_22(r#","defaultMode":420"#, "")]
    #[case::after_one_year_token_fixed_it("3607", "3600")]
    #[case::on_openshift(r#"],"defaultMode""#, SERVICE_CA)]
    #[case::null_audience(r#""path":"token""#, r#""path":"token","audience":null"#)]
    #[case::null_emptydir(r#""projected""#, r#""emptyDir":null,"projected""#)]
    fn plugin_volumes(#[case] from: &str, #[case] to: &str) {
        assert!(has_plugin_shape(&PLUGIN.replacen(from, to, 1)));
    }

    #[rstest]
    #[case::name_without_chance("access-bcd24", "access-")]
    #[case::name_with_a_vowel("bcd24", "abc24")]
    #[case::name_too_long("bcd24", "bcd245")]
    #[case::name_of_a_person("kube-api-access-bcd24", "token")]
    #[case::lifetime("3607", "31536000")]
    #[case::no_lifetime(r#","expirationSeconds":3607"#, "")]
    #[case::audience(r#""path":"token""#, r#""path":"token","audience":"api""#)]
    #[case::token_path(r#""path":"token""#, r#""path":"jwt""#)]
    #[case::token_with_more(r#""path":"token""#, r#""path":"token","x":1"#)]
    #[case::mode("420", "292")]
    #[case::other_config_map("kube-root-ca.crt", "my-ca")]
    #[case::other_file(r#""path":"ca.crt""#, r#""path":"x.crt""#)]
    #[case::other_field("metadata.namespace", "metadata.name")]
    #[case::second_token(r#"],"defaultMode""#, r#",{"serviceAccountToken":{"path":"t"}}],"defaultMode""#)]
    #[case::a_secret_too(r#"],"defaultMode""#, r#",{"secret":{"name":"s"}}],"defaultMode""#)]
    #[case::secret_beside_token(r#"{"serviceAccountToken""#, r#"{"secret":{"name":"s"},"serviceAccountToken""#)]
    #[case::optional_config_map(r#""name":"kube-root-ca.crt""#, r#""name":"kube-root-ca.crt","optional":true"#)]
    #[case::token_beside_ca(r#"{"configMap""#, r#"{"serviceAccountToken":{"path":"t"},"configMap""#)]
    #[case::field_beside_ca(r#"{"configMap""#, r#"{"downwardAPI":{},"configMap""#)]
    #[case::secret_beside_ca(r#"{"configMap""#, r#"{"secret":{"name":"s"},"configMap""#)]
    #[case::more_beside_ca(r#"{"configMap""#, r#"{"x":1,"configMap""#)]
    #[case::ca_with_a_mode(r#""path":"ca.crt""#, r#""path":"ca.crt","mode":256"#)]
    #[case::ca_with_a_field(r#""path":"ca.crt""#, r#""path":"ca.crt","fieldRef":{}"#)]
    #[case::token_beside_namespace(r#"{"downwardAPI""#, r#"{"serviceAccountToken":{"path":"t"},"downwardAPI""#)]
    #[case::config_map_beside_namespace(r#"{"downwardAPI""#, r#"{"configMap":{"name":"c"},"downwardAPI""#)]
    #[case::secret_beside_namespace(r#"{"downwardAPI""#, r#"{"secret":{"name":"s"},"downwardAPI""#)]
    #[case::more_beside_namespace(r#"{"downwardAPI""#, r#"{"x":1,"downwardAPI""#)]
    #[case::namespace_with_more(r#"{"downwardAPI":{"#, r#"{"downwardAPI":{"x":1,"#)]
    #[case::namespace_with_a_name(r#"{"downwardAPI":{"#, r#"{"downwardAPI":{"name":"n","#)]
    #[case::namespace_with_a_mode(r#""path":"namespace""#, r#""path":"namespace","mode":256"#)]
    #[case::namespace_with_a_key(r#""path":"namespace""#, r#""path":"namespace","key":"k""#)]
    #[case::namespace_elsewhere(r#""path":"namespace""#, r#""path":"ns""#)]
    #[case::another_volume_type(r#""projected""#, r#""emptyDir":{},"projected""#)]
    #[case::a_volume_of_a_driver(r#""projected""#, r#""csi":{},"projected""#)]
    #[case::certificate_beside_token(r#"{"serviceAccountToken""#, r#"{"podCertificate":{},"serviceAccountToken""#)]
    fn not_plugin_volumes(#[case] from: &str, #[case] to: &str) {
        let text = PLUGIN.replacen(from, to, 1);
        assert_ne!(text, PLUGIN);
        assert!(!has_plugin_shape(&text));
    }

    #[rstest]
    #[case("{}", "default")]
    #[case(r#"{"serviceAccountName":""}"#, "default")]
    #[case(r#"{"serviceAccountName":"app"}"#, "app")]
    #[case(r#"{"serviceAccount":"app"}"#, "app")]
    #[case(r#"{"serviceAccountName":"","serviceAccount":"app"}"#, "app")]
    #[case(r#"{"serviceAccountName":"app","serviceAccount":"other"}"#, "app")]
    fn account_name_wins_over_alias(#[case] text: &str, #[case] account: &str) {
        assert_eq!(view::read::<PodSpec<'_>>(text, "").unwrap().account(), account);
    }
}
