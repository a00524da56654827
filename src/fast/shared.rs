// SPDX-License-Identifier: Apache-2.0
//! Values with several owners.
//!
//! Plain equivalent: `Rc`. In the module nothing is ever freed, so counting owners
//! is wasted work, and needs code wherever an owner is dropped: field paths that
//! share their parents made the module 6 KB larger with `Rc`. Outside of the module
//! this is an `Rc`, and the responses of both are compared for every case without
//! look-ups (`e2e-tests/tests/e2e/invariants.rs`).

use std::ops::Deref;

/// A value that lives as long as any of its owners.
#[derive(Debug, PartialEq, Eq)]
pub struct Shared<T: 'static>(Owner<T>);

#[cfg(not(target_arch = "wasm32"))]
type Owner<T> = std::rc::Rc<T>;

/// Never freed: an instance serves one request (docs/performance.md).
#[cfg(target_arch = "wasm32")]
type Owner<T> = &'static T;

impl<T> Shared<T> {
    /// A value with one owner.
    #[must_use]
    pub fn new(value: T) -> Self {
        #[cfg(target_arch = "wasm32")]
        return Self(Box::leak(Box::new(value)));
        #[cfg(not(target_arch = "wasm32"))]
        Self(std::rc::Rc::new(value))
    }
}

impl<T> Clone for Shared<T> {
    fn clone(&self) -> Self {
        Self(Owner::clone(&self.0))
    }
}

impl<T> Deref for Shared<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::Shared;

    #[test]
    fn owners_share_a_value() {
        let one = Shared::new("a".to_owned());
        let other = one.clone();
        assert_eq!((one.as_str(), std::ptr::eq(&raw const *one, &raw const *other)), ("a", true));
        drop(one);
        assert_eq!(*other, "a");
    }
}
