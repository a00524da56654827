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

/// How far a word is from a known one after the same folding; none if more than
/// `most`. Made for words that mostly are far away.
#[must_use]
pub fn within(word: &str, known: &str, most: usize) -> Option<usize> {
    let ((of_word, length), (of_known, known_length)) = (letters(word), letters(known));
    // A letter that only one of them has costs a change of its own.
    let only_one_has = (of_word & !of_known).count_ones().max((of_known & !of_word).count_ones());
    if length.abs_diff(known_length) > most || only_one_has as usize > most {
        return None;
    }
    Some(distance(&folded(word), &folded(known))).filter(|distance| *distance <= most)
}

/// The set of a word's letters, some of which share a bit, and its length; both
/// as after folding.
fn letters(word: &str) -> (u32, usize) {
    let folded = word.bytes().filter(|byte| !matches!(byte, b'-' | b'_'));
    folded.fold((0, 0), |(set, length), byte| (set | 1 << (byte.to_ascii_lowercase() & 31), length + 1))
}

fn folded(word: &str) -> String {
    word.chars().filter(|c| !matches!(c, '-' | '_')).take(64).map(|c| c.to_ascii_lowercase()).collect()
}

#[cfg(test)]
mod tests {
    use super::{distance, meant, within};
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

    #[rstest]
    #[case("role_ARN", "role-arn", 2, Some(0))]
    #[case("role-arm", "role-arn", 2, Some(1))]
    #[case("ralo-arm", "role-arn", 2, None)]
    #[case("eks.amazon.com", "eks.amazonaws.com", 3, Some(3))]
    #[case("eks.amazon.com", "eks.amazonaws.com", 2, None)]
    #[case("esk.amazonaws.com", "eks.amazonaws.com", 3, Some(1))]
    #[case("sidecar.istio.io", "eks.amazonaws.com", 3, None)]
    #[case("é", "e", 3, Some(1))]
    fn is_as_far(#[case] word: &str, #[case] known: &str, #[case] most: usize, #[case] expected: Option<usize>) {
        assert_eq!(within(word, known, most), expected);
    }

    /// What is sorted out early is indeed too far.
    #[test]
    fn the_short_cut_cuts_nothing_off() {
        let words = ["eks.amazonaws.com", "eks.amazon.com", "ecs.amazonaws.com", "iam.gke.io", "", "a-b_c", "cab"];
        for (word, known) in words.iter().flat_map(|word| words.map(|known| (*word, known))) {
            for most in 0..5 {
                let far = distance(&word.replace(['-', '_'], ""), &known.replace(['-', '_'], ""));
                assert_eq!(within(word, known, most), (far <= most).then_some(far), "{word} {known} {most}");
            }
        }
    }
}
