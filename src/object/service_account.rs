// SPDX-License-Identifier: Apache-2.0
//! ServiceAccounts.

use super::meta::Meta;
use super::view::{Raw, ReadError, Text, view};

view! {
    /// A ServiceAccount.
    pub struct ServiceAccount<'a> {
        /// The metadata; taken by the code that reads the object.
        pub metadata: Option<Meta<'a>> = "metadata",
        /// Whether the account's Pods get its token; unset means yes.
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
    /// Reads the Secrets that the account lists.
    ///
    /// # Errors
    /// [`ReadError`] when they are not a list of names.
    pub fn secrets(&self) -> Result<Vec<SecretReference<'a>>, ReadError> {
        self.secrets.read("object.secrets")
    }
}
