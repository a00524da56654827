// SPDX-License-Identifier: Apache-2.0
//! ServiceAccounts.

use super::meta::Meta;
use super::view::{Text, view};

view! {
    /// A ServiceAccount.
    pub struct ServiceAccount<'a> {
        /// The metadata; taken out by whoever reads the object.
        pub metadata: Option<Meta<'a>> = "metadata",
        /// Whether the account's Pods get its token; nothing said is yes.
        pub automount: Option<bool> = "automountServiceAccountToken",
        /// The Secrets that the account lists.
        pub secrets: Vec<SecretReference<'a>> = "secrets",
    }
}

view! {
    /// A Secret by name.
    pub struct SecretReference<'a> {
        /// Its name.
        pub name: Option<Text<'a>> = "name",
    }
}
