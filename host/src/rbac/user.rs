// SPDX-License-Identifier: Apache-2.0

//! The user who makes a request.

/// The prefix of the user names of accounts.
const ACCOUNT_PREFIX: &str = "system:serviceaccount:";

/// The group of every account.
pub(super) const ALL_ACCOUNTS: &str = "system:serviceaccounts";

/// The group of all clients with a valid token or certificate.
pub(super) const AUTHENTICATED: &str = "system:authenticated";

/// A user with the groups that the authenticator adds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// The name.
    pub name: String,
    /// The groups.
    pub groups: Vec<String>,
}

impl User {
    /// A `ServiceAccount`, as its tokens are authenticated
    /// (<https://kubernetes.io/docs/reference/access-authn-authz/authentication/#service-account-tokens>).
    pub fn service_account(namespace: &str, name: &str) -> Self {
        Self {
            name: format!("{ACCOUNT_PREFIX}{namespace}:{name}"),
            groups: vec![ALL_ACCOUNTS.to_owned(), format!("{ALL_ACCOUNTS}:{namespace}"), AUTHENTICATED.to_owned()],
        }
    }

    /// Namespace and name, if the user is a `ServiceAccount`.
    pub fn account(&self) -> Option<(&str, &str)> {
        account(&self.name)
    }
}

/// Namespace and name of the `ServiceAccount` with this user name.
pub(super) fn account(user: &str) -> Option<(&str, &str)> {
    let (namespace, name) = user.strip_prefix(ACCOUNT_PREFIX)?.split_once(':')?;
    (!namespace.is_empty() && !name.is_empty() && !name.contains(':')).then_some((namespace, name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_names_of_accounts() {
        for (user, expected) in [
            ("system:serviceaccount:shop:web", Some(("shop", "web"))),
            ("system:serviceaccount:shop:", None),
            ("system:serviceaccount::web", None),
            ("system:serviceaccount:shop", None),
            ("system:serviceaccount:shop:web:x", None),
            ("system:serviceaccounts:shop", None),
            ("alice", None),
        ] {
            assert_eq!(account(user), expected, "{user}");
        }
    }

    #[test]
    fn account_groups() {
        let user = User::service_account("shop", "web");
        assert_eq!(user.account(), Some(("shop", "web")));
        assert_eq!(user.groups, ["system:serviceaccounts", "system:serviceaccounts:shop", "system:authenticated"]);
    }
}
