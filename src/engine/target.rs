// SPDX-License-Identifier: Apache-2.0
//! The object under review, read as the views of its subject.

use std::cell::OnceCell;

use crate::admission::subject::Subject;
use crate::diagnostic::field_path::FieldPath;
use crate::object;
use crate::object::data::{Data, DataObject};
use crate::object::identity_grant::IdentityGrant;
use crate::object::meta::{Head, Meta};
use crate::object::persistent_volume::PersistentVolume;
use crate::object::pod::{Container, ContainerList, DEFAULT_ACCOUNT, Pod, PodSpec, Volume};
use crate::object::rbac::{Binding, Role};
use crate::object::secret::TokenSecret;
use crate::object::service_account::ServiceAccount;
use crate::object::token_request::TokenRequest;
use crate::object::view::{self, Raw, ReadError, Strings, Text};

/// The object, as the views of its subject.
#[derive(Debug)]
pub enum Target<'a> {
    /// A Pod or a Pod template.
    Workload(Workload<'a>),
    /// A running Pod that gets ephemeral containers.
    Ephemeral(Workload<'a>),
    /// A ServiceAccount.
    ServiceAccount(ServiceAccount<'a>),
    /// A token request.
    TokenRequest(TokenRequest<'a>),
    /// A token Secret.
    TokenSecret(TokenSecret<'a>),
    /// A RoleBinding or ClusterRoleBinding.
    Binding(Binding<'a>),
    /// A Role or ClusterRole.
    Role(Role<'a>),
    /// A `PersistentVolume`.
    PersistentVolume(PersistentVolume<'a>),
    /// A custom resource that grants a cloud identity to ServiceAccounts.
    IdentityGrant(IdentityGrant<'a>),
    /// A `ConfigMap`, or a Secret without a token.
    Data(Data<'a>),
}

/// A Pod or a Pod template.
#[derive(Debug)]
pub struct Workload<'a> {
    /// The specification.
    pub spec: PodSpec<'a>,
    /// Whether it is a template, which Pods are created from.
    pub is_template: bool,
    /// The volumes that are mounted only by containers that keep the token;
    /// computed on first use.
    pub kept_volumes: OnceCell<Vec<String>>,
    /// The names of the ephemeral containers that the Pod already has.
    pub(super) known_ephemeral_containers: Vec<Text<'a>>,
    pub(super) raw_annotations: Raw<'a>,
    labels: Raw<'a>,
    root: FieldPath,
}

/// A container that is checked.
#[derive(Debug, Clone, Copy)]
pub struct CheckedContainer<'s> {
    /// The list that contains it.
    pub list: ContainerList,
    /// Its position in the list.
    pub index: usize,
    /// The container.
    pub container: &'s Container<'s>,
}

impl CheckedContainer<'_> {
    /// Its field path.
    #[must_use]
    pub fn path(&self, pod: &Workload<'_>) -> FieldPath {
        pod.spec_path().field(self.list.field()).entry(self.container.name.as_deref(), self.index)
    }
}

/// The path of the object in the request, for errors.
pub const OBJECT: &str = "object";

impl<'a> Target<'a> {
    /// Reads the metadata of an object and the part of it that is checked, if
    /// there is one. `pod` is the object if it has already been read as a Pod;
    /// `stored` is the object that it replaces.
    ///
    /// # Errors
    /// [`ReadError`] when a field that rules read has the wrong shape.
    pub fn read(
        subject: &Subject<'_>,
        object: &'a str,
        pod: Option<Pod<'a>>,
        stored: Raw<'a>,
    ) -> Result<(Meta<'a>, Option<Self>), ReadError> {
        match subject {
            Subject::Pod => {
                let mut pod = pod.map_or_else(|| view::read(object, OBJECT), Ok)?;
                let meta = pod.metadata.take().unwrap_or_default();
                let workload = Workload::new(&meta, pod.spec, false, FieldPath::root());
                Ok((meta, Some(Self::Workload(workload))))
            }
            Subject::EphemeralContainers => {
                let sent = pod.map_or_else(|| view::read(object, OBJECT), Ok)?;
                Self::read_ephemeral(sent, stored)
            }
            Subject::Template(steps) => {
                let meta = match pod {
                    Some(pod) => pod.metadata,
                    None => view::read::<Head<'a>>(object, OBJECT)?.metadata,
                };
                Self::read_template(steps, object, meta.unwrap_or_default())
            }
            Subject::ServiceAccount => {
                let mut account: ServiceAccount<'a> = view::read(object, OBJECT)?;
                Ok((account.metadata.take().unwrap_or_default(), Some(Self::ServiceAccount(account))))
            }
            Subject::TokenRequest => Ok((Meta::default(), Some(Self::TokenRequest(view::read(object, OBJECT)?)))),
            Subject::Secret => Ok(match TokenSecret::read(object, OBJECT)? {
                Some((meta, secret)) => (meta, Some(Self::TokenSecret(secret))),
                None => Self::read_data(object, true)?,
            }),
            Subject::ConfigMap => Self::read_data(object, false),
            Subject::Binding => {
                let mut binding: Binding<'a> = view::read(object, OBJECT)?;
                Ok((binding.metadata.take().unwrap_or_default(), Some(Self::Binding(binding))))
            }
            Subject::Role => {
                let mut role: Role<'a> = view::read(object, OBJECT)?;
                Ok((role.metadata.take().unwrap_or_default(), Some(Self::Role(role))))
            }
            Subject::PersistentVolume => {
                let mut volume: PersistentVolume<'a> = view::read(object, OBJECT)?;
                Ok((volume.metadata.take().unwrap_or_default(), Some(Self::PersistentVolume(volume))))
            }
            Subject::IdentityGrant(kind) => {
                let (meta, grant) = IdentityGrant::read(*kind, object, OBJECT)?;
                Ok((meta, grant.map(Self::IdentityGrant)))
            }
        }
    }

    fn read_data(object: &'a str, is_secret: bool) -> Result<(Meta<'a>, Option<Self>), ReadError> {
        let mut read: DataObject<'a> = view::read(object, OBJECT)?;
        Ok((read.metadata.take().unwrap_or_default(), Some(Self::Data(Data::of(&read, is_secret)))))
    }

    /// The stored Pod with the ephemeral containers of the request. The API
    /// server discards everything else in the request, after the mutating
    /// webhooks have seen it: account, volumes and metadata there prove nothing.
    /// <https://github.com/kubernetes/kubernetes/blob/master/pkg/registry/core/pod/strategy.go>
    fn read_ephemeral(sent: Pod<'a>, stored: Raw<'a>) -> Result<(Meta<'a>, Option<Self>), ReadError> {
        const STORED: &str = "oldObject";
        if stored.text().is_none() {
            return Err(ReadError::Kind { path: STORED.to_owned(), wanted: "an object", found: "absent" });
        }
        let mut pod: Pod<'a> = stored.read(STORED)?;
        let meta = pod.metadata.take().unwrap_or_default();
        let mut spec = pod.spec.unwrap_or_default();
        let known = spec.replace_ephemeral_containers(sent.spec.unwrap_or_default());
        let mut workload = Workload::new(&meta, Some(spec), false, FieldPath::root());
        workload.known_ephemeral_containers = known.into_iter().filter_map(|container| container.name).collect();
        Ok((meta, Some(Self::Ephemeral(workload))))
    }

    fn read_template(steps: &[&str], object: &'a str, meta: Meta<'a>) -> Result<(Meta<'a>, Option<Self>), ReadError> {
        let Some(template) = object::descend(object, steps, OBJECT)? else { return Ok((meta, None)) };
        let root = steps.join(".");
        let pod: Pod<'a> = view::read(template, &format!("{OBJECT}.{root}"))?;
        // A custom resource may have an empty template, or refer to the template of another.
        if pod.spec.is_none() {
            return Ok((meta, None));
        }
        let own = pod.metadata.unwrap_or_default();
        Ok((meta, Some(Self::Workload(Workload::new(&own, pod.spec, true, FieldPath::at(&root))))))
    }
}

/// A path as errors show it.
#[must_use]
pub fn object_path(path: &FieldPath) -> String {
    format!("{OBJECT}.{path}")
}

impl<'a> Workload<'a> {
    fn new(meta: &Meta<'a>, spec: Option<PodSpec<'a>>, is_template: bool, root: FieldPath) -> Self {
        let (annotations, labels) = (meta.annotations, meta.labels);
        Self {
            spec: spec.unwrap_or_default(),
            is_template,
            kept_volumes: OnceCell::new(),
            known_ephemeral_containers: Vec::new(),
            raw_annotations: annotations,
            labels,
            root,
        }
    }

    /// Whether it runs as the account `default`.
    #[must_use]
    pub fn is_default_account(&self) -> bool {
        self.spec.account() == DEFAULT_ACCOUNT
    }

    /// The path of one of its volumes.
    #[must_use]
    pub fn volume_path(&self, index: usize, volume: &Volume<'_>) -> FieldPath {
        self.spec_path().field("volumes").entry(volume.name.as_deref(), index)
    }

    /// The path of its metadata.
    #[must_use]
    pub fn metadata_path(&self) -> FieldPath {
        self.root.field("metadata")
    }

    /// The path of its specification.
    #[must_use]
    pub fn spec_path(&self) -> FieldPath {
        self.root.field("spec")
    }

    /// Reads its annotations.
    ///
    /// # Errors
    /// [`ReadError`] when they are not a map of strings.
    pub fn annotations(&self) -> Result<Strings<'a>, ReadError> {
        self.raw_annotations.read(&format!("{OBJECT}.{}", self.metadata_path().field("annotations")))
    }

    /// Whether it has labels.
    #[must_use]
    pub const fn is_labelled(&self) -> bool {
        self.labels.text().is_some()
    }

    /// Reads one of its labels.
    ///
    /// # Errors
    /// [`ReadError`] when they are not a map of strings.
    pub fn label(&self, key: &str) -> Result<Option<String>, ReadError> {
        // Most Pods do not contain the key; then nothing is parsed.
        if !self.labels.may_hold(key) {
            return Ok(None);
        }
        let labels: Strings<'a> = self.labels.read_at(&|| object_path(&self.metadata_path().field("labels")))?;
        Ok(labels.text(key).map(str::to_owned))
    }
}
