// SPDX-License-Identifier: Apache-2.0
//! The object as fixes change it.

use crate::admission::subject::Subject;
use crate::object::edit::{End, NoSuchNode, Node, Step};

/// The object that fixes change; steps begin at the Pod or template.
#[derive(Debug)]
pub struct Edit<'e, 'a> {
    tree: &'e mut Node<'a>,
    root: Vec<Step<'e>>,
}

impl<'e, 'a> Edit<'e, 'a> {
    /// An edit of the part of `tree` that the subject is about.
    #[must_use]
    pub fn new(tree: &'e mut Node<'a>, subject: &'e Subject<'_>) -> Self {
        Self { tree, root: subject.steps().iter().map(|step| Step::Key(step)).collect() }
    }

    /// Sets a member of the object at `steps` to a JSON text. False when another
    /// fix took the object out: then nothing has changed.
    ///
    /// # Errors
    /// [`NoSuchNode`] when there is no such object.
    pub fn set(&mut self, steps: &[Step<'_>], key: &str, json: &str) -> Result<bool, NoSuchNode> {
        let path = self.path(steps);
        self.tree.set(&path, key, json.to_owned())
    }

    /// Lowers the number under `key` of the object at `steps` to `most`; sets it
    /// where it is absent. False when it is at most that already, or when
    /// another fix took the object out: then nothing has changed.
    ///
    /// # Errors
    /// [`NoSuchNode`] when there is no such object.
    pub fn lower(&mut self, steps: &[Step<'_>], key: &str, most: i64) -> Result<bool, NoSuchNode> {
        let path = self.path(steps);
        self.tree.lower(&path, key, most)
    }

    /// Adds entries, JSON texts with commas between them, to the list under `key`
    /// of the object at `steps`. Where there is none, one is made.
    ///
    /// # Errors
    /// [`NoSuchNode`] when there is no such object, or no list.
    pub fn extend(&mut self, steps: &[Step<'_>], key: &str, json: &str, end: End) -> Result<bool, NoSuchNode> {
        let path = self.path(steps);
        self.tree.extend(&path, key, json, end)
    }

    /// Takes out the value at `steps`. False when another fix took it out.
    ///
    /// # Errors
    /// [`NoSuchNode`] when there is none.
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
