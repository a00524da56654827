// SPDX-License-Identifier: Apache-2.0
//! Near misses: which known word did someone mean?

/// The number of single-character insertions, removals, replacements and swaps
/// of neighbours that lead from one word to the other.
#[must_use]
pub fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    // Three rows of the table of prefixes; `before` is needed for swaps.
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=b.len()).collect();
    let mut last = None;
    for (row, from) in a.chars().enumerate() {
        let mut current = vec![row + 1];
        for (column, to) in b.iter().enumerate() {
            let at = |line: &[usize], index: usize| line.get(index).copied().unwrap_or(usize::MAX);
            let mut cost = (at(&above, column) + usize::from(from != *to))
                .min(at(&above, column + 1) + 1)
                .min(at(&current, column) + 1);
            let swapped = column > 0 && b.get(column - 1) == Some(&from) && last == Some(*to);
            if swapped && from != *to {
                cost = cost.min(at(&before, column - 1).saturating_add(1));
            }
            current.push(cost);
        }
        last = Some(from);
        before = std::mem::replace(&mut above, current);
    }
    above.last().copied().unwrap_or_default()
}

/// The known word that is nearest, if it is near enough to be meant: at most a
/// third of its length away, after lower-casing and dropping `-` and `_`.
#[must_use]
pub fn meant<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let word = folded(word);
    known
        .into_iter()
        .map(|candidate| (distance(&word, &folded(candidate)), candidate))
        .filter(|(distance, candidate)| *distance * 3 <= candidate.len())
        .min()
        .map(|(_, candidate)| candidate)
}

fn folded(word: &str) -> String {
    word.chars().filter(|c| !matches!(c, '-' | '_')).take(64).map(|c| c.to_ascii_lowercase()).collect()
}

#[cfg(test)]
mod tests {
    use super::{distance, meant};
    use rstest::rstest;

    #[rstest]
    #[case("", "", 0)]
    #[case("abc", "", 3)]
    #[case("", "abc", 3)]
    #[case("role-arn", "role-arn", 0)]
    #[case("rolearn", "role-arn", 1)]
    #[case("reglect", "reject", 2)]
    #[case("rejcet", "reject", 1)]
    #[case("kitten", "sitting", 3)]
    fn counts(#[case] a: &str, #[case] b: &str, #[case] expected: usize) {
        assert_eq!(distance(a, b), expected);
    }

    #[rstest]
    #[case("pod-automont", Some("pod-automount"))]
    #[case("podAutomount", Some("pod-automount"))]
    #[case("pod_automount", Some("pod-automount"))]
    #[case("default-sa", None)]
    #[case("", None)]
    fn suggests(#[case] word: &str, #[case] expected: Option<&str>) {
        assert_eq!(meant(word, ["pod-automount", "default-service-account"]), expected);
    }
}
