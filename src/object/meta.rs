// SPDX-License-Identifier: Apache-2.0
//! Object metadata.

use super::view::{Raw, Text, view};

/// The annotation of mirror Pods, the API server's copies of static Pods, which
/// no webhook may change.
/// <https://kubernetes.io/docs/reference/labels-annotations-taints/#kubernetes-io-config-mirror>
pub const MIRROR_POD: &str = "kubernetes.io/config.mirror";

/// Stands for the five random characters that the API server appends to
/// `generateName`. No name contains a `*`, so only the wildcards of a pattern
/// match it.
/// <https://kubernetes.io/docs/reference/using-api/api-concepts/#generated-values>
pub const GENERATED: &str = "*****";

view! {
    /// An object's metadata.
    pub struct Meta<'a> {
        name: Option<Text<'a>> = "name",
        generate_name: Option<Text<'a>> = "generateName",
        deletion_timestamp: Raw<'a> = "deletionTimestamp",
        owner_references: Vec<Owner<'a>> = "ownerReferences",
        /// The annotations, unread.
        pub annotations: Raw<'a> = "annotations",
        /// The labels, unread.
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
    /// Any object, reduced to its metadata.
    pub struct Head<'a> {
        /// The metadata.
        pub metadata: Option<Meta<'a>> = "metadata",
    }
}

impl Meta<'_> {
    /// The object's name, and the prefix of a name that is yet to be generated.
    #[must_use]
    pub fn names(&self) -> [&str; 2] {
        [self.name.as_deref().unwrap_or_default(), self.generate_name.as_deref().unwrap_or_default()]
    }

    /// Whether the object is being deleted.
    #[must_use]
    pub fn is_being_deleted(&self) -> bool {
        self.deletion_timestamp.text().is_some()
    }

    /// Whether a controller created the object and will create it again.
    #[must_use]
    pub fn has_controller(&self) -> bool {
        self.owner_references.iter().any(|owner| owner.controller == Some(true))
    }
}
