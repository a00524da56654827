// SPDX-License-Identifier: Apache-2.0
//! Requests for a token of an account.

use super::view::{Text, view};

view! {
    /// A TokenRequest. Its metadata is not read: the account is the one in the
    /// request's URL, whatever the client writes here. Nor is its status, which
    /// is where a token would be.
    pub struct TokenRequest<'a> {
        /// What is requested.
        pub spec: Option<TokenRequestSpec<'a>> = "spec",
    }
}

view! {
    /// What is requested.
    pub struct TokenRequestSpec<'a> {
        /// The audiences of the token; none means the API server.
        pub audiences: Vec<Text<'a>> = "audiences",
        /// The lifetime of the token.
        pub expiration_seconds: Option<i64> = "expirationSeconds",
        /// The object whose deletion invalidates the token.
        pub bound_object: Option<BoundObject<'a>> = "boundObjectRef",
    }
}

view! {
    /// The object that a token is bound to.
    pub struct BoundObject<'a> {
        /// Its kind.
        pub kind: Option<Text<'a>> = "kind",
    }
}
