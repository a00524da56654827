// SPDX-License-Identifier: Apache-2.0
//! Object metadata.

use super::view::{Raw, Text, view};

/// Marks the API server's copy of a static Pod, which no webhook may change.
/// <https://kubernetes.io/docs/reference/labels-annotations-taints/#kubernetes-io-config-mirror>
pub const MIRROR_POD: &str = "kubernetes.io/config.mirror";

/// Stands for the five random characters that the API server appends to
/// `generateName`. No name has a `*` in it, so only the wildcards of a pattern
/// cover these.
/// <https://kubernetes.io/docs/reference/using-api/api-concepts/#generated-values>
pub const GENERATED: &str = "*****";

view! {
    /// An object's metadata.
    pub struct Meta<'a> {
        name: Option<Text<'a>> = "name",
        generate_name: Option<Text<'a>> = "generateName",
        deletion_timestamp: Raw<'a> = "deletionTimestamp",
        owner_references: Vec<Owner<'a>> = "ownerReferences",
        /// The annotations, read by those who need them.
        pub annotations: Raw<'a> = "annotations",
        /// The labels, likewise.
        pub labels: Raw<'a> = "labels",
    }
}

view! {
    /// An entry of `ownerReferences`.
    pub struct Owner<'a> {
        controller: Option<bool> = "controller",
    }
}

view! {
    /// Any object, as far as its metadata.
    pub struct Head<'a> {
        /// The metadata.
        pub metadata: Option<Meta<'a>> = "metadata",
    }
}

impl Meta<'_> {
    /// The object's name, or what its name will begin with.
    #[must_use]
    pub fn names(&self) -> [&str; 2] {
        [self.name.as_deref().unwrap_or_default(), self.generate_name.as_deref().unwrap_or_default()]
    }

    /// Whether the object is on its way out.
    #[must_use]
    pub fn is_being_deleted(&self) -> bool {
        self.deletion_timestamp.text().is_some()
    }

    /// Whether a controller made the object and will make it again.
    #[must_use]
    pub fn has_controller(&self) -> bool {
        self.owner_references.iter().any(|owner| owner.controller == Some(true))
    }
}
