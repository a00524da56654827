// SPDX-License-Identifier: Apache-2.0
//! The admission request, borrowed from the payload. Its objects stay text.
//!
//! The SDK's own type drops the plural resource name, parses the objects and
//! copies payloads into its error messages.

use crate::object::json::{Cursor, Read};
use crate::object::pod::Pod;
use crate::object::view::{Raw, Text, View, view};
use crate::settings::exemptions::Envelope;

view! {
    /// An admission request.
    /// <https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/#request>
    pub struct Request<'a> {
        uid: Option<Text<'a>> = "uid",
        kind: Option<GroupKind<'a>> = "kind",
        sub_resource: Option<Text<'a>> = "subResource",
        name: Option<Text<'a>> = "name",
        namespace: Option<Text<'a>> = "namespace",
        operation: Option<Text<'a>> = "operation",
        user_info: Option<UserInfo<'a>> = "userInfo",
        /// The new object.
        pub object: Object<'a> = "object",
        /// The stored object, on UPDATE.
        pub old_object: Raw<'a> = "oldObject",
    }
}

view! {
    /// The type of the object.
    pub struct GroupKind<'a> {
        group: Option<Text<'a>> = "group",
        kind: Option<Text<'a>> = "kind",
    }
}

view! {
    /// The user who sent the request. Empty in requests of the audit scanner.
    pub struct UserInfo<'a> {
        name: Option<Text<'a>> = "username",
        groups: Vec<Text<'a>> = "groups",
    }
}

/// The object under review: its text, and what the views of a Pod read from it.
///
/// Most objects are Pods, but the kind is known only after the whole request
/// has been read. To skip the text and read it afterwards would take a third of
/// the time of an accepted Pod.
#[derive(Debug, Default)]
pub struct Object<'a> {
    /// The text.
    pub raw: Raw<'a>,
    /// The object, if it can be read as a Pod. Objects of other kinds are not checked with it.
    pub pod: Option<Pod<'a>>,
}

impl<'a> View<'a> for Object<'a> {
    fn fill(&mut self, json: &mut Cursor<'a>) -> Read<()> {
        let mut ahead = json.clone();
        if self.pod.insert(Pod::default()).fill(&mut ahead).is_err() {
            self.pod = None;
            return self.raw.fill(json);
        }
        self.raw = json.follow(&ahead).into();
        Ok(())
    }
}

/// The operation on the object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// The object is created.
    Create,
    /// The object is updated.
    Update,
    /// DELETE, CONNECT, or an unknown operation.
    Other,
}

impl Request<'_> {
    /// The unique ID of the request; the host may omit it.
    #[must_use]
    pub fn uid(&self) -> &str {
        self.uid.as_deref().unwrap_or_default()
    }

    /// The kind's API group; empty for the core group.
    #[must_use]
    pub fn group(&self) -> &str {
        self.kind.as_ref().and_then(|kind| kind.group.as_deref()).unwrap_or_default()
    }

    /// The kind. The resource is never used to select rules: the audit scanner
    /// writes the kind there.
    #[must_use]
    pub fn kind(&self) -> &str {
        self.kind.as_ref().and_then(|kind| kind.kind.as_deref()).unwrap_or_default()
    }

    /// The subresource, empty for the object itself.
    #[must_use]
    pub fn sub_resource(&self) -> &str {
        self.sub_resource.as_deref().unwrap_or_default()
    }

    /// The object's name; empty if the API server has not generated it yet.
    #[must_use]
    pub fn name(&self) -> &str {
        self.name.as_deref().unwrap_or_default()
    }

    /// The namespace; the object's own `metadata.namespace` is not trusted.
    #[must_use]
    pub fn namespace(&self) -> &str {
        self.namespace.as_deref().unwrap_or_default()
    }

    /// The operation.
    #[must_use]
    pub fn operation(&self) -> Operation {
        match self.operation.as_deref() {
            Some("CREATE") => Operation::Create,
            Some("UPDATE") => Operation::Update,
            _ => Operation::Other,
        }
    }

    /// What exemptions are matched against, apart from the object.
    #[must_use]
    pub fn envelope(&self) -> Envelope<'_> {
        let groups = self.user_info.as_ref().map_or(&[][..], |user| user.groups.as_slice());
        Envelope { namespace: self.namespace(), kind: self.kind(), user: self.user().name(), groups }
    }

    /// The user who sent the request.
    #[must_use]
    pub const fn user(&self) -> User<'_> {
        User(self.user_info.as_ref())
    }
}

/// The user who sent the request, if there is one.
#[derive(Debug, Clone, Copy)]
pub struct User<'r>(Option<&'r UserInfo<'r>>);

impl<'r> User<'r> {
    /// The user name; empty if there is none.
    #[must_use]
    pub fn name(self) -> &'r str {
        self.0.and_then(|user| user.name.as_deref()).unwrap_or_default()
    }

    /// The user's groups.
    pub fn groups(self) -> impl Iterator<Item = &'r str> {
        self.0.into_iter().flat_map(|user| user.groups.iter().map(Text::as_str))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object::view;

    #[test]
    fn reads_audit_request() {
        let request: Request<'_> =
            view::read(r#"{"kind":{"group":"","kind":"Pod"},"operation":"CREATE","userInfo":{},"oldObject":null}"#, "")
                .unwrap();
        assert_eq!((request.kind(), request.group(), request.name()), ("Pod", "", ""));
        assert_eq!((request.user().name(), request.user().groups().count()), ("", 0));
        assert_eq!(request.operation(), Operation::Create);
        assert!(request.old_object.text().is_none());
    }

    #[test]
    fn reads_unknown_operation() {
        let request: Request<'_> = view::read(r#"{"operation":"create"}"#, "").unwrap();
        assert_eq!(request.operation(), Operation::Other);
    }
}
