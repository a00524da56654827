// SPDX-License-Identifier: Apache-2.0
//! Requests for a token of an account.

use super::view::{Text, view};

view! {
    /// A TokenRequest. Its metadata are not read: the account is the one that
    /// the request's URL names, whatever the sender writes here. Nor is its
    /// status, which is where a token would be.
    pub struct TokenRequest<'a> {
        /// What is asked for.
        pub spec: Option<TokenRequestSpec<'a>> = "spec",
    }
}

view! {
    /// What is asked for.
    pub struct TokenRequestSpec<'a> {
        /// Who is to take the token; none means the API server.
        pub audiences: Vec<Text<'a>> = "audiences",
        /// How long the token is to live.
        pub expiration_seconds: Option<i64> = "expirationSeconds",
        /// What the token is to end with.
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
