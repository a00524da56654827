// SPDX-License-Identifier: Apache-2.0
//! The object that fixes change.

use crate::admission::subject::Subject;
use crate::object::edit::{ListEnd, NoSuchNode, Node, Step};

/// The object that fixes change. Steps are relative to the Pod or template.
#[derive(Debug)]
pub struct Edit<'e, 'a> {
    tree: &'e mut Node<'a>,
    root: Vec<Step<'e>>,
}

impl<'e, 'a> Edit<'e, 'a> {
    /// Edits the part of `tree` that the subject checks.
    #[must_use]
    pub fn new(tree: &'e mut Node<'a>, subject: &'e Subject<'_>) -> Self {
        Self { tree, root: subject.steps().iter().map(|step| Step::Key(step)).collect() }
    }

    /// Sets a member of the object at `steps` to a JSON text. Returns false, and
    /// changes nothing, if another fix removed the object.
    ///
    /// # Errors
    /// [`NoSuchNode`] when there is no such object.
    pub fn set(&mut self, steps: &[Step<'_>], key: &str, json: &str) -> Result<bool, NoSuchNode> {
        let path = self.path(steps);
        self.tree.set(&path, key, json.to_owned())
    }

    /// Lowers the number under `key` of the object at `steps` to `most`, or sets
    /// it if it is absent. Returns false, and changes nothing, if the number is
    /// low enough already or if another fix removed the object.
    ///
    /// # Errors
    /// [`NoSuchNode`] when there is no such object.
    pub fn lower(&mut self, steps: &[Step<'_>], key: &str, most: i64) -> Result<bool, NoSuchNode> {
        let path = self.path(steps);
        self.tree.lower(&path, key, most)
    }

    /// Adds entries, as JSON texts separated by commas, to the list under `key`
    /// of the object at `steps`. Creates the list if it is absent.
    ///
    /// # Errors
    /// [`NoSuchNode`] when there is no such object, or the value under `key` is
    /// not a list.
    pub fn extend(&mut self, steps: &[Step<'_>], key: &str, json: &str, end: ListEnd) -> Result<bool, NoSuchNode> {
        let path = self.path(steps);
        self.tree.extend(&path, key, json, end)
    }

    /// Removes the value at `steps`. Returns false if another fix removed it already.
    ///
    /// # Errors
    /// [`NoSuchNode`] when there is no such value.
    pub fn remove(&mut self, steps: &[Step<'_>]) -> Result<bool, NoSuchNode> {
        let path = self.path(steps);
        self.tree.remove(&path)
    }

    fn path<'s>(&self, steps: &[Step<'s>]) -> Vec<Step<'s>>
    where
        'e: 's,
    {
        self.root.iter().chain(steps).copied().collect()
    }
}
