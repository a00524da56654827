// SPDX-License-Identifier: Apache-2.0
//! ServiceAccounts.

use super::meta::Meta;
use super::view::{Raw, ReadError, Text, view};

view! {
    /// A ServiceAccount.
    pub struct ServiceAccount<'a> {
        /// The metadata; taken out by whoever reads the object.
        pub metadata: Option<Meta<'a>> = "metadata",
        /// Whether the account's Pods get its token; nothing said is yes.
        pub automount: Option<bool> = "automountServiceAccountToken",
        secrets: Raw<'a> = "secrets",
    }
}

view! {
    /// A Secret by name.
    pub struct SecretReference<'a> {
        /// Its name.
        pub name: Option<Text<'a>> = "name",
    }
}

impl<'a> ServiceAccount<'a> {
    /// The Secrets that the account lists, read now.
    ///
    /// # Errors
    /// [`ReadError`] when they are not a list of names.
    pub fn secrets(&self) -> Result<Vec<SecretReference<'a>>, ReadError> {
        self.secrets.read("object.secrets")
    }
}
