// SPDX-License-Identifier: Apache-2.0
//! Containers of Pods.

use super::env::{Arguments, Env, EnvFrom, Environment, SearchWords};
use super::view::{Raw, ReadError, Text, view};

view! {
    /// A container of any list.
    pub struct Container<'a> {
        /// Its name.
        pub name: Option<Text<'a>> = "name",
        /// Its image.
        pub image: Option<Text<'a>> = "image",
        /// Its volume mounts.
        pub mounts: Vec<Mount<'a>> = "volumeMounts",
        /// Its environment.
        pub env: Environment<'a> = "env",
        /// Whole objects in its environment, as a list of [`EnvFrom`].
        pub env_from: Raw<'a> = "envFrom",
        /// Its command.
        pub command: Arguments<'a> = "command",
        /// The arguments of the command.
        pub args: Arguments<'a> = "args",
        /// For an ephemeral container: the name of the container whose
        /// processes it sees.
        pub target: Raw<'a> = "targetContainerName",
    }
}

view! {
    /// A volume in a container.
    pub struct Mount<'a> {
        /// The volume's name.
        pub name: Option<Text<'a>> = "name",
        /// Where it is mounted.
        pub path: Option<Text<'a>> = "mountPath",
    }
}

impl<'a> Container<'a> {
    /// Whether it mounts a volume.
    #[must_use]
    pub fn mounts_volume(&self, volume: &str) -> bool {
        self.mounts.iter().any(|mount| mount.name.as_deref() == Some(volume))
    }

    /// Whether a JVM option may set a property for the AWS SDK. False is certain.
    #[must_use]
    #[inline]
    pub fn may_set_java_property(&self) -> bool {
        *self.args.sets_java_property.get_or_init(|| {
            self.env.may_hold(SearchWords::JAVA)
                || self.command.may_set_java_property()
                || self.args.may_set_java_property()
        })
    }

    /// The environment variables; `base` is the container's path, for errors.
    ///
    /// # Errors
    /// [`ReadError`] when they are not a list of objects.
    #[inline(never)]
    pub fn read_env(&self, base: &dyn Fn() -> String) -> Result<Vec<Env<'a>>, ReadError> {
        self.env.raw.read_at(&|| base() + ".env")
    }

    /// The objects in the environment; `base` is the container's path.
    ///
    /// # Errors
    /// [`ReadError`] when they are not a list of objects.
    #[inline(never)]
    pub fn read_env_from(&self, base: &dyn Fn() -> String) -> Result<Vec<EnvFrom<'a>>, ReadError> {
        self.env_from.read_at(&|| base() + ".envFrom")
    }
}
