// SPDX-License-Identifier: Apache-2.0
//! Roles and bindings.

use std::borrow::Cow;

use super::meta::Meta;
use super::view::{Text, view};

view! {
    /// A RoleBinding or ClusterRoleBinding. Its role is immutable, so a subject
    /// that it already had gains nothing.
    pub struct Binding<'a> {
        /// The metadata; taken by the code that reads the object.
        pub metadata: Option<Meta<'a>> = "metadata",
        /// The role that it grants.
        pub role: Option<RoleRef<'a>> = "roleRef",
        /// The subjects that get the role.
        pub subjects: Vec<BindingSubject<'a>> = "subjects",
    }
}

view! {
    /// The role of a binding.
    pub struct RoleRef<'a> {
        kind: Option<Text<'a>> = "kind",
        name: Option<Text<'a>> = "name",
    }
}

view! {
    /// A subject of a binding.
    pub struct BindingSubject<'a> {
        kind: Option<Text<'a>> = "kind",
        /// Its name.
        pub name: Option<Text<'a>> = "name",
        namespace: Option<Text<'a>> = "namespace",
    }
}

view! {
    /// A Role or ClusterRole.
    pub struct Role<'a> {
        /// The metadata; taken by the code that reads the object.
        pub metadata: Option<Meta<'a>> = "metadata",
        /// What it grants.
        pub rules: Vec<PolicyRule<'a>> = "rules",
    }
}

view! {
    /// An entry of `rules`.
    pub struct PolicyRule<'a> {
        /// The verbs that are allowed.
        pub verbs: Vec<Text<'a>> = "verbs",
        /// The API groups of the resources.
        pub api_groups: Vec<Text<'a>> = "apiGroups",
        /// The resources.
        pub resources: Vec<Text<'a>> = "resources",
        /// Instead of resources, paths of the API server.
        pub non_resource_urls: Vec<Text<'a>> = "nonResourceURLs",
        /// The names of the only objects that it applies to; empty means all objects.
        pub resource_names: Vec<Text<'a>> = "resourceNames",
    }
}

/// The accounts that a subject refers to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accounts<'a> {
    /// One account.
    One {
        /// Its namespace.
        namespace: &'a str,
        /// Its name.
        name: &'a str,
    },
    /// Every account of a namespace.
    OfNamespace(&'a str),
    /// Every account.
    All,
}

/// The group of all accounts. Followed by a colon and a namespace, it is the
/// group of all accounts in the namespace.
/// <https://kubernetes.io/docs/reference/access-authn-authz/authentication/#service-account-tokens>
const ACCOUNTS_GROUP: &str = "system:serviceaccounts";

/// The group of all authenticated users, including accounts.
/// <https://kubernetes.io/docs/reference/access-authn-authz/rbac/#discovery-roles>
const AUTHENTICATED_GROUP: &str = "system:authenticated";

/// The prefix of the user name of every account.
const ACCOUNT_USER: &str = "system:serviceaccount:";

impl Binding<'_> {
    /// The name of the role that is granted. A Role's name is prefixed with the
    /// binding's namespace and a slash, which no ClusterRole's name contains.
    #[must_use]
    pub fn role_name(&self, namespace: &str) -> Cow<'_, str> {
        let Some(role) = &self.role else { return Cow::Borrowed("") };
        let name = role.name.as_deref().unwrap_or_default();
        match role.kind.as_deref() {
            Some("ClusterRole") => Cow::Borrowed(name),
            _ => Cow::Owned([namespace, "/", name].concat()),
        }
    }
}

impl BindingSubject<'_> {
    /// The accounts that the subject refers to, however it is written; `None`
    /// if it does not refer to accounts. An account without a namespace is in
    /// the namespace of the binding.
    #[must_use]
    pub fn accounts<'s>(&'s self, binding_namespace: &'s str) -> Option<Accounts<'s>> {
        let name = self.name.as_deref().unwrap_or_default();
        match self.kind.as_deref()? {
            "ServiceAccount" => {
                let namespace = self.namespace.as_deref().filter(|namespace| !namespace.is_empty());
                Some(Accounts::One { namespace: namespace.unwrap_or(binding_namespace), name })
            }
            "User" => {
                let (namespace, name) = name.strip_prefix(ACCOUNT_USER)?.split_once(':')?;
                Some(Accounts::One { namespace, name })
            }
            "Group" if name == AUTHENTICATED_GROUP => Some(Accounts::All),
            "Group" => match name.strip_prefix(ACCOUNTS_GROUP)? {
                "" => Some(Accounts::All),
                rest => rest.strip_prefix(':').map(Accounts::OfNamespace),
            },
            _ => None,
        }
    }
}

/// Longer than the name of any namespace, and made of a character that no name
/// contains, so that neither text nor a row of `?` matches it.
const ANY: &str = "****************************************************************";

impl<'a> Accounts<'a> {
    /// Namespace and name, to match against `namespace/name` patterns. If any
    /// is possible, it is a text that only `*` matches.
    #[must_use]
    pub const fn compared(self) -> (&'a str, &'a str) {
        match self {
            Self::One { namespace, name } => (namespace, name),
            Self::OfNamespace(namespace) => (namespace, ANY),
            Self::All => (ANY, ANY),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object::view;
    use rstest::rstest;

    const APP: Option<Accounts<'_>> = Some(Accounts::One { namespace: "team-a", name: "app" });
    const APP_OF_SHOP: Option<Accounts<'_>> = Some(Accounts::One { namespace: "shop", name: "app" });

    #[rstest]
    #[case(r#"{"kind":"ServiceAccount","namespace":"team-a","name":"app"}"#, APP)]
    #[case(r#"{"kind":"ServiceAccount","name":"app"}"#, APP_OF_SHOP)]
    #[case(r#"{"kind":"ServiceAccount","namespace":"","name":"app"}"#, APP_OF_SHOP)]
    #[case(r#"{"kind":"User","name":"system:serviceaccount:team-a:app"}"#, APP)]
    #[case(r#"{"kind":"Group","name":"system:serviceaccounts:team-a"}"#, Some(Accounts::OfNamespace("team-a")))]
    #[case(r#"{"kind":"Group","name":"system:serviceaccounts"}"#, Some(Accounts::All))]
    #[case(r#"{"kind":"Group","name":"system:serviceaccountsx"}"#, None)]
    #[case(r#"{"kind":"Group","name":"system:serviceaccount:team-a:app"}"#, None)]
    #[case(r#"{"kind":"User","name":"system:serviceaccounts"}"#, None)]
    #[case(r#"{"kind":"User","name":"system:serviceaccount:team-a"}"#, None)]
    #[case(r#"{"kind":"User","name":"alice"}"#, None)]
    #[case(r#"{"kind":"Group","name":"system:authenticated"}"#, Some(Accounts::All))]
    #[case(r#"{"kind":"Group","name":"system:unauthenticated"}"#, None)]
    #[case(r#"{"kind":"User","name":"system:authenticated"}"#, None)]
    #[case("{}", None)]
    fn normalizes_subjects(#[case] text: &str, #[case] expected: Option<Accounts<'_>>) {
        let subject: BindingSubject<'_> = view::read(text, "").unwrap();
        assert_eq!(subject.accounts("shop"), expected);
    }
}
