// SPDX-License-Identifier: Apache-2.0
//! What a rule sees: the request, the views of the object, the settings outside
//! of `rules`, and the look-ups. Rules see neither raw JSON nor the SDK.

use std::borrow::Cow;
use std::cell::OnceCell;

pub use super::edit::Edit;
pub use super::error::ReviewError;
use super::lookup::{Account, Lookup};
pub use super::target::{CheckedContainer, OBJECT, Target, Workload, object_path};
use crate::admission::request::{Operation, Request};
use crate::diagnostic::field_path::FieldPath;
use crate::diagnostic::severity::MaxSeverity;
use crate::fast::names::Names;
use crate::identity::key::{self, Reading};
use crate::object::data::Data;
use crate::object::identity_grant::IdentityGrant;
use crate::object::meta::{GENERATED, Meta};
use crate::object::persistent_volume::PersistentVolume;
use crate::object::pod::ContainerList;
use crate::object::rbac::{Accounts, Binding, Role};
use crate::object::secret::TokenSecret;
use crate::object::service_account::ServiceAccount;
use crate::object::token_request::TokenRequest;
use crate::object::view::{self, Members, Raw, ReadError, Strings, Text};
use crate::settings::Common;

/// What a rule sees.
pub struct RuleContext<'s> {
    /// The request.
    pub request: &'s Request<'s>,
    /// The settings outside of `rules`.
    pub common: &'s Common<'s>,
    /// The settings of each rule that `rules` names, as JSON text.
    pub rules: &'s [(String, &'s str)],
    /// The metadata of the object that is checked: the new one, or the stored one.
    pub meta: &'s Meta<'s>,
    /// The part of the object that is checked.
    pub target: &'s Target<'s>,
    /// The look-ups of the request.
    pub lookup: &'s Lookup<'s>,
    /// Filled on first use.
    pub identity_annotations: OnceCell<Vec<Annotation>>,
}

impl<'s> RuleContext<'s> {
    /// The Pod or template that is checked as a whole.
    #[must_use]
    pub const fn workload(&self) -> Option<&'s Workload<'s>> {
        if let Target::Workload(workload) = self.target { Some(workload) } else { None }
    }

    /// The Pod or template that is checked, either as a whole or only for its
    /// new ephemeral containers; [`RuleContext::each_container`] visits the
    /// containers to check.
    #[must_use]
    pub const fn pod(&self) -> Option<&'s Workload<'s>> {
        if let Target::Workload(pod) | Target::Ephemeral(pod) = self.target { Some(pod) } else { None }
    }

    /// Whether only the new ephemeral containers of a Pod are checked.
    #[must_use]
    pub const fn is_ephemeral(&self) -> bool {
        matches!(self.target, Target::Ephemeral(_))
    }

    /// Calls `each` with every container that is checked: all of them, or only
    /// the ephemeral containers that the stored Pod does not have. An ephemeral
    /// container cannot be changed later, so comparing names is enough.
    /// <https://github.com/kubernetes/kubernetes/blob/v1.34.0/pkg/apis/core/validation/validation.go>
    ///
    /// # Errors
    /// Those of `each`.
    pub fn each_container(
        &self,
        pod: &'s Workload<'s>,
        each: &mut dyn FnMut(CheckedContainer<'s>) -> Result<(), ReviewError>,
    ) -> Result<(), ReviewError> {
        let is_ephemeral = self.is_ephemeral();
        let known = Names::of(pod.known_ephemeral_containers.iter().map(Text::as_str));
        for (list, index, container) in pod.spec.all_containers() {
            let is_old = || container.name.as_deref().is_some_and(|name| known.has(name));
            if !is_ephemeral || list == ContainerList::Ephemeral && !is_old() {
                each(CheckedContainer { list, index, container })?;
            }
        }
        Ok(())
    }

    /// The ServiceAccount that is checked.
    #[must_use]
    pub const fn service_account(&self) -> Option<&'s ServiceAccount<'s>> {
        if let Target::ServiceAccount(account) = self.target { Some(account) } else { None }
    }

    /// The token request that is checked.
    #[must_use]
    pub const fn token_request(&self) -> Option<&'s TokenRequest<'s>> {
        if let Target::TokenRequest(request) = self.target { Some(request) } else { None }
    }

    /// The token Secret that is checked.
    #[must_use]
    pub const fn token_secret(&self) -> Option<&'s TokenSecret<'s>> {
        if let Target::TokenSecret(secret) = self.target { Some(secret) } else { None }
    }

    /// The token Secret that an UPDATE replaces.
    ///
    /// # Errors
    /// [`ReadError`] when it cannot be read.
    pub fn old_token_secret(&self) -> Result<Option<TokenSecret<'s>>, ReadError> {
        match (self.request.operation(), self.request.old_object.text()) {
            (Operation::Update, Some(old)) => Ok(TokenSecret::read(old, "oldObject")?.map(|(_, secret)| secret)),
            _ => Ok(None),
        }
    }

    /// The binding that is checked.
    #[must_use]
    pub const fn binding(&self) -> Option<&'s Binding<'s>> {
        if let Target::Binding(binding) = self.target { Some(binding) } else { None }
    }

    /// The role that is checked.
    #[must_use]
    pub const fn role(&self) -> Option<&'s Role<'s>> {
        if let Target::Role(role) = self.target { Some(role) } else { None }
    }

    /// The role that an UPDATE replaces; `None` if it cannot be read.
    #[must_use]
    pub fn old_role(&self) -> Option<Role<'s>> {
        self.request.old_object.text().filter(|_| self.is_update()).and_then(|old| view::read(old, "oldObject").ok())
    }

    /// The `PersistentVolume` that is checked.
    #[must_use]
    pub const fn persistent_volume(&self) -> Option<&'s PersistentVolume<'s>> {
        if let Target::PersistentVolume(volume) = self.target { Some(volume) } else { None }
    }

    /// The identity grant that is checked.
    #[must_use]
    pub const fn identity_grant(&self) -> Option<&'s IdentityGrant<'s>> {
        if let Target::IdentityGrant(grant) = self.target { Some(grant) } else { None }
    }

    /// The data of the `ConfigMap` or Secret that is checked.
    #[must_use]
    pub const fn data(&self) -> Option<&'s Data<'s>> {
        match self.target {
            Target::Data(data) => Some(data),
            Target::TokenSecret(secret) => Some(&secret.data),
            _ => None,
        }
    }

    /// Whether the request is an UPDATE.
    #[must_use]
    pub fn is_update(&self) -> bool {
        self.request.operation() == Operation::Update
    }

    /// The object's name; empty if the API server has not generated it yet.
    #[must_use]
    pub fn name(&self) -> &'s str {
        let [name, _] = self.meta.names();
        if name.is_empty() { self.request.name() } else { name }
    }

    /// The object's name for messages: its `generateName` if it has no name yet.
    #[must_use]
    pub fn known_name(&self) -> &'s str {
        match (self.name(), self.meta.names()) {
            ("", [_, prefix]) => prefix,
            (name, _) => name,
        }
    }

    /// The object's name for pattern matching. If the API server has not
    /// generated it yet, only a pattern that matches every possible name
    /// matches this one.
    #[must_use]
    pub fn name_pattern(&self) -> Cow<'s, str> {
        match (self.name(), self.meta.names()) {
            ("", [_, prefix]) if !prefix.is_empty() => Cow::Owned([prefix, GENERATED].concat()),
            (name, _) => Cow::Borrowed(name),
        }
    }

    /// Whether the object has this name, or can get it from its `generateName`.
    /// <https://github.com/kubernetes/apiserver/blob/master/pkg/storage/names/generate.go>
    #[must_use]
    pub fn may_be_named(&self, name: &str) -> bool {
        /// The API server keeps at most this many characters of `generateName`.
        const KEPT: usize = 58;
        match (self.name(), self.meta.names()) {
            ("", [_, prefix]) => name.starts_with(prefix.get(..KEPT).unwrap_or(prefix)),
            (own, _) => own == name,
        }
    }

    /// Reads the object's annotations.
    ///
    /// # Errors
    /// [`ReadError`] when they are not a map of strings.
    pub fn annotations(&self) -> Result<Strings<'s>, ReadError> {
        self.meta.annotations.read("object.metadata.annotations")
    }

    /// The annotations whose keys are, or look like, those of cloud identities:
    /// of the ServiceAccount, or of the Pod or template. Read once for all rules.
    ///
    /// # Errors
    /// [`ReadError`] when they are not a map.
    pub fn identity_annotations(&self) -> Result<&[Annotation], ReadError> {
        if let Some(annotations) = self.identity_annotations.get() {
            return Ok(annotations);
        }
        let raw = self.workload().map_or(self.meta.annotations, |workload| workload.raw_annotations);
        let mut found = Vec::new();
        let is_pod = self.workload().is_some();
        // Every such key contains a slash.
        if raw.may_hold("/") {
            let all: Members<'s, Raw<'s>> = raw.read_at(&|| object_path(&self.annotations_path()))?;
            for (key, value) in all.iter() {
                let prefix = self.common.aws.annotation_prefix.as_str();
                let reading = if is_pod { key::read_on_pod(key, prefix) } else { key::read(key, prefix) };
                if let (Some(value), true) = (value.text(), reading != Reading::Other) {
                    found.push(Annotation { key: key.to_owned(), value: value.to_owned(), reading });
                }
            }
        }
        Ok(self.identity_annotations.get_or_init(|| found))
    }

    /// Calls `each` for every identity annotation with a prefix: with the key
    /// without the prefix and its slash, the value and the path.
    ///
    /// # Errors
    /// [`ReadError`] when they are not a map of strings.
    #[inline(never)]
    pub fn each_annotation(&self, prefix: &str, each: &mut dyn FnMut(&str, &str, FieldPath)) -> Result<(), ReadError> {
        for annotation in self.identity_annotations()? {
            if let Some(suffix) = key::suffix(&annotation.key, prefix) {
                each(suffix, &self.text_of(annotation)?, self.path_of(annotation));
            }
        }
        Ok(())
    }

    /// The value of an identity annotation.
    ///
    /// # Errors
    /// [`ReadError`] when it is not a string.
    #[inline(never)]
    pub fn text_of<'t>(&self, annotation: &'t Annotation) -> Result<Text<'t>, ReadError> {
        view::read(&annotation.value, &object_path(&self.path_of(annotation)))
    }

    /// The path of an identity annotation.
    #[must_use]
    #[inline(never)]
    pub fn path_of(&self, annotation: &Annotation) -> FieldPath {
        self.annotations_path().key(&annotation.key)
    }

    /// The path of the annotations that are checked.
    #[must_use]
    pub fn annotations_path(&self) -> FieldPath {
        self.workload().map_or_else(|| FieldPath::at("metadata"), Workload::metadata_path).field("annotations")
    }

    /// The severity of a finding about annotations: at most a warning on a Pod,
    /// because running workloads must survive the drain of a node.
    #[must_use]
    pub fn limited_on_pods(&self, severity: MaxSeverity) -> MaxSeverity {
        if self.workload().is_some_and(|workload| !workload.is_template) { MaxSeverity::Warning } else { severity }
    }

    /// The accounts that exemptions are matched against, as namespace and name.
    #[must_use]
    pub fn accounts(&self) -> Vec<(&'s str, Cow<'s, str>)> {
        let namespace = self.request.namespace();
        match self.target {
            Target::Workload(pod) | Target::Ephemeral(pod) => vec![(namespace, Cow::Borrowed(pod.spec.account()))],
            Target::ServiceAccount(_) => vec![(namespace, self.name_pattern())],
            Target::TokenRequest(_) => vec![(namespace, Cow::Borrowed(self.request.name()))],
            // The token of a Secret can belong to another account than the
            // annotation says, for example to that of the stored Secret. If the
            // stored Secret cannot be read, an empty account is added, which no
            // pattern of an exemption matches.
            Target::TokenSecret(secret) => {
                let mut accounts: Vec<_> = secret.accounts().map(|name| (namespace, Cow::Borrowed(name))).collect();
                match self.old_token_secret() {
                    Ok(old) => {
                        let old = old.iter().flat_map(TokenSecret::accounts);
                        accounts.extend(old.map(|name| (namespace, Cow::Owned(name.to_owned()))));
                    }
                    Err(_) => accounts.push(("", Cow::Borrowed(""))),
                }
                accounts
            }
            Target::Binding(binding) => {
                let accounts = binding.subjects.iter().filter_map(|subject| subject.accounts(namespace));
                let compared = accounts.map(Accounts::compared);
                compared.map(|(namespace, name)| (namespace, Cow::Borrowed(name))).collect()
            }
            Target::IdentityGrant(grant) => {
                let accounts = grant.accounts().into_iter();
                accounts.map(|(namespace, name)| (namespace, Cow::Borrowed(name))).collect()
            }
            Target::Role(_) | Target::PersistentVolume(_) | Target::Data(_) => Vec::new(),
        }
    }

    /// The ServiceAccount that an UPDATE replaces.
    ///
    /// # Errors
    /// [`ReadError`] when it cannot be read.
    pub fn old_service_account(&self) -> Result<Option<ServiceAccount<'s>>, ReadError> {
        self.request.old_object.text().map(|old| view::read(old, "oldObject")).transpose()
    }

    /// What is known of the workload's account. If the account of a template
    /// does not exist, it counts as unknown: `kubectl apply -f dir` sends
    /// Deployments before ServiceAccounts.
    ///
    /// # Errors
    /// Same as [`Lookup::account`].
    pub fn account(&self, workload: &Workload<'_>) -> Result<Account<'s>, ReviewError> {
        match self.lookup.account(workload.spec.account())? {
            Account::Absent if workload.is_template => Ok(Account::Unknown),
            account => Ok(account),
        }
    }
}

/// An annotation whose value has not been parsed.
#[derive(Debug)]
pub struct Annotation {
    /// The key.
    pub key: String,
    /// What kind of key it is.
    pub reading: Reading,
    /// The value, as JSON text.
    value: String,
}
