// SPDX-License-Identifier: Apache-2.0
//! The part of `PersistentVolumes` that concerns directories of a node.

use super::meta::Meta;
use super::pod::HostPath;
use super::view::{Text, view};

view! {
    /// A `PersistentVolume`.
    pub struct PersistentVolume<'a> {
        /// The metadata; taken by the code that reads the object.
        pub metadata: Option<Meta<'a>> = "metadata",
        spec: Option<PersistentVolumeSpec<'a>> = "spec",
    }
}

view! {
    /// Its specification.
    pub struct PersistentVolumeSpec<'a> {
        host_path: Option<HostPath<'a>> = "hostPath",
        local: Option<HostPath<'a>> = "local",
        mount_options: Vec<Text<'a>> = "mountOptions",
    }
}

impl<'a> PersistentVolume<'a> {
    /// The mount options of the volume.
    #[must_use]
    pub fn mount_options(&self) -> &[Text<'a>] {
        self.spec.as_ref().map_or(&[], |spec| &spec.mount_options)
    }

    /// The paths on the node, each with its field in the specification.
    pub fn node_paths(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let spec = self.spec.iter();
        spec.flat_map(|spec| [("hostPath.path", &spec.host_path), ("local.path", &spec.local)])
            .filter_map(|(field, source)| Some((field, source.as_ref()?.path.as_deref()?)))
    }
}
