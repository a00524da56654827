// SPDX-License-Identifier: Apache-2.0
//! Sorted names, for looking up many names among many.
//!
//! Plain equivalent: `slice::sort_unstable` and `BTreeMap`. The heapsort here made
//! the module 16 KB smaller than the library's sorts, which are faster only for
//! thousands of names. Comparing eight bytes at a time reduced 2,000 tokens in one
//! volume from 208 million instructions to 65 million.

/// Sorted names, each with a position, for looking up many names among many. If
/// each were compared with each, a hostile object could keep the policy busy
/// for minutes.
#[derive(Debug, Default)]
pub struct Names<'s>(Vec<(&'s str, usize)>);

impl<'s> Names<'s> {
    /// Texts, each with its position in their list.
    pub fn of(texts: impl Iterator<Item = &'s str>) -> Self {
        texts.enumerate().map(|(position, text)| (text, position)).collect::<Vec<_>>().into()
    }

    /// The position of a name; the lowest if it occurs more than once.
    #[must_use]
    pub fn position(&self, name: &str) -> Option<usize> {
        let first = self.0.partition_point(|(known, _)| *known < name);
        self.0.get(first).filter(|(known, _)| *known == name).map(|(_, position)| *position)
    }

    /// The names, sorted, each once.
    #[must_use]
    pub fn distinct(&self) -> Vec<&'s str> {
        let mut names: Vec<&str> = Vec::with_capacity(self.0.len());
        for (name, _) in &self.0 {
            if names.last() != Some(name) {
                names.push(name);
            }
        }
        names
    }

    /// Whether a name is among them.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.position(name).is_some()
    }
}

impl<'s> From<Vec<(&'s str, usize)>> for Names<'s> {
    #[inline(never)]
    fn from(mut names: Vec<(&'s str, usize)>) -> Self {
        sort(&mut names);
        Self(names)
    }
}

/// Heapsort: the library's sorts are faster only for thousands of names, and
/// took 16 KB of the module.
fn sort(names: &mut [(&str, usize)]) {
    let count = names.len();
    for root in (0..count / 2).rev() {
        sift_down(names, root);
    }
    for end in (1..count).rev() {
        names.swap(0, end);
        if let Some(rest) = names.get_mut(..end) {
            sift_down(rest, 0);
        }
    }
}

/// Moves the name at `root` below all greater names.
fn sift_down(names: &mut [(&str, usize)], mut root: usize) {
    loop {
        let left = 2 * root + 1;
        let greater = if is_less(names, left, left + 1) { left + 1 } else { left };
        if !is_less(names, root, greater) {
            return;
        }
        names.swap(root, greater);
        root = greater;
    }
}

/// Whether both names exist, and the first is less than the second. Texts that
/// a policy repeats many times have a common prefix, and WebAssembly compares
/// byte by byte, so equal text is skipped eight bytes at a time.
fn is_less(names: &[(&str, usize)], one: usize, other: usize) -> bool {
    let (Some((one, at)), Some((other, behind))) = (names.get(one), names.get(other)) else { return false };
    let ((ones, _), (others, _)) = (one.as_bytes().as_chunks::<8>(), other.as_bytes().as_chunks::<8>());
    let alike = 8 * ones.iter().zip(others).take_while(|(one, other)| one == other).count();
    (one.as_bytes().get(alike..), at) < (other.as_bytes().get(alike..), behind)
}

#[cfg(test)]
mod tests {
    use super::Names;
    use proptest::prelude::*;

    #[test]
    fn finds_first_position() {
        let names = Names::from(vec![("b", 2), ("a", 7), ("b", 1), ("", 3)]);
        assert_eq!(["a", "b", "", "c"].map(|name| names.position(name)), [Some(7), Some(1), Some(3), None]);
        assert_eq!(names.distinct(), ["", "a", "b"]);
        assert!(names.has("a") && !names.has("aa"));
        assert_eq!(Names::default().position(""), None);
    }

    proptest! {
        #[test]
        fn equals_plain(texts in prop::collection::vec("(aaaaaaaa){0,2}[a-cé]{0,3}", 0..40)) {
            let mut expected: Vec<(&str, usize)> = texts.iter().map(String::as_str).zip(0..).collect();
            expected.sort_unstable();
            prop_assert_eq!(Names::of(texts.iter().map(String::as_str)).0, expected);
        }
    }
}
