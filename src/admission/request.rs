// SPDX-License-Identifier: Apache-2.0
//! The admission request, borrowed from the payload, its objects kept as text.
//!
//! The SDK's own type drops the plural resource name, builds the objects and
//! puts payloads into its error texts.

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
        /// The object that is to be.
        pub object: Object<'a> = "object",
        /// The object that is, on UPDATE.
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
    /// Who asks. Empty when the audit scanner does.
    pub struct UserInfo<'a> {
        name: Option<Text<'a>> = "username",
        groups: Vec<Text<'a>> = "groups",
    }
}

/// The object under review: its text, and what the views of a Pod make of it.
///
/// Most objects are Pods, and its kind is known only by those who have read the
/// request to its end. To pass the text over and to read it afterwards would be
/// a third of what an accepted Pod costs.
#[derive(Debug, Default)]
pub struct Object<'a> {
    /// The text.
    pub raw: Raw<'a>,
    /// The object, if it reads as a Pod; not for other objects to be checked by.
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

/// What is being done to the object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// It is made.
    Create,
    /// It is changed.
    Update,
    /// DELETE, CONNECT, or none we know.
    Other,
}

impl Request<'_> {
    /// What no other request has; the host may leave it out.
    #[must_use]
    pub fn uid(&self) -> &str {
        self.uid.as_deref().unwrap_or_default()
    }

    /// The kind's API group; empty for the core group.
    #[must_use]
    pub fn group(&self) -> &str {
        self.kind.as_ref().and_then(|kind| kind.group.as_deref()).unwrap_or_default()
    }

    /// The kind. Dispatch never uses the resource: the audit scanner writes the
    /// kind there.
    #[must_use]
    pub fn kind(&self) -> &str {
        self.kind.as_ref().and_then(|kind| kind.kind.as_deref()).unwrap_or_default()
    }

    /// The subresource, empty for the object itself.
    #[must_use]
    pub fn sub_resource(&self) -> &str {
        self.sub_resource.as_deref().unwrap_or_default()
    }

    /// The object's name; empty when the API server has yet to make one.
    #[must_use]
    pub fn name(&self) -> &str {
        self.name.as_deref().unwrap_or_default()
    }

    /// The namespace; the object's own `metadata.namespace` is not trusted.
    #[must_use]
    pub fn namespace(&self) -> &str {
        self.namespace.as_deref().unwrap_or_default()
    }

    /// What is being done.
    #[must_use]
    pub fn operation(&self) -> Operation {
        match self.operation.as_deref() {
            Some("CREATE") => Operation::Create,
            Some("UPDATE") => Operation::Update,
            _ => Operation::Other,
        }
    }

    /// What exemptions are compared with, besides the object.
    #[must_use]
    pub fn envelope(&self) -> Envelope<'_> {
        let groups = self.user_info.as_ref().map_or(&[][..], |user| user.groups.as_slice());
        Envelope { namespace: self.namespace(), kind: self.kind(), user: self.user().name(), groups }
    }

    /// Who asks.
    #[must_use]
    pub const fn user(&self) -> User<'_> {
        User(self.user_info.as_ref())
    }
}

/// The caller, who may be nobody.
#[derive(Debug, Clone, Copy)]
pub struct User<'r>(Option<&'r UserInfo<'r>>);

impl<'r> User<'r> {
    /// The user name; empty when nobody is named.
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
