// SPDX-License-Identifier: Apache-2.0
//! Finding one of many names.

/// Names, each with a position, sorted: where many are looked up among many,
/// comparing each with each would take a hostile object's author no effort and
/// the policy minutes.
#[derive(Debug, Default)]
pub struct Names<'s>(Vec<(&'s str, usize)>);

impl Names<'_> {
    /// The position of a name; the least, where it occurs more than once.
    #[must_use]
    pub fn position(&self, name: &str) -> Option<usize> {
        let first = self.0.partition_point(|(known, _)| *known < name);
        self.0.get(first).filter(|(known, _)| *known == name).map(|(_, position)| *position)
    }

    /// The names, sorted.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| *name)
    }

    /// Whether a name is there.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.position(name).is_some()
    }
}

impl<'s> From<Vec<(&'s str, usize)>> for Names<'s> {
    fn from(mut names: Vec<(&'s str, usize)>) -> Self {
        names.sort_unstable();
        Self(names)
    }
}

#[cfg(test)]
mod tests {
    use super::Names;

    #[test]
    fn finds_the_first_of_a_name() {
        let names = Names::from(vec![("b", 2), ("a", 7), ("b", 1), ("", 3)]);
        assert_eq!(["a", "b", "", "c"].map(|name| names.position(name)), [Some(7), Some(1), Some(3), None]);
        assert_eq!(names.iter().collect::<Vec<_>>(), ["", "a", "b", "b"]);
        assert!(names.has("a") && !names.has("aa"));
        assert_eq!(Names::default().position(""), None);
    }
}
