// SPDX-License-Identifier: Apache-2.0

//! The path of a node in an object.

use std::borrow::Cow;
use std::fmt;
use std::rc::Rc;

/// The path of a node in the format of the API server: `spec.volumes[0].name`. Every node has one, and hardly any is printed.
/// So a path is a list of steps that shares those of its parent, and not a string.
#[derive(Debug, Clone, Default)]
pub(super) struct Path(Option<Rc<Step>>);

#[derive(Debug)]
struct Step {
    parent: Path,
    key: Key,
}

#[derive(Debug)]
enum Key {
    Field(Cow<'static, str>),
    Index(usize),
}

impl Path {
    /// The path of a field of the node.
    pub fn field(&self, key: impl Into<Cow<'static, str>>) -> Self {
        self.below(Key::Field(key.into()))
    }

    /// The path of an item of the node.
    pub fn index(&self, index: usize) -> Self {
        self.below(Key::Index(index))
    }

    fn below(&self, key: Key) -> Self {
        Self(Some(Rc::new(Step { parent: self.clone(), key })))
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(step) = &self.0 else { return Ok(()) };
        step.parent.fmt(f)?;
        match &step.key {
            Key::Field(key) if step.parent.0.is_none() => f.write_str(key),
            Key::Field(key) => write!(f, ".{key}"),
            Key::Index(index) => write!(f, "[{index}]"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_the_api_server_writes_it() {
        let volume = Path::default().field("spec").field("volumes").index(2);
        assert_eq!(volume.field("name").to_string(), "spec.volumes[2].name");
        assert_eq!(volume.to_string(), "spec.volumes[2]");
        assert_eq!(Path::default().to_string(), "");
    }
}
