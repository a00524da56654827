// SPDX-License-Identifier: Apache-2.0
//! Near misses: which known word did someone mean?

/// The number of single-character insertions, removals, replacements and swaps
/// of neighbours that lead from one word to the other; of each word the first 64
/// characters count.
///
/// A column of the usual table at a time, in the bits of a few numbers: each bit
/// says whether the table goes up or down by one there. Words of a request are
/// compared with this by the thousand, if someone wants the policy to work hard.
/// Hyyrö, A Bit-Vector Algorithm for Computing Levenshtein and Damerau Edit
/// Distances: <http://stringology.org/event/2002/p6.html>
#[must_use]
pub fn distance(a: impl Iterator<Item = char>, b: impl Iterator<Item = char>) -> usize {
    let mut word = ['\0'; LETTERS];
    let mut length = 0;
    for (letter, slot) in a.zip(&mut word) {
        *slot = letter;
        length += 1;
    }
    if length == 0 {
        return b.take(LETTERS).count();
    }
    let last = 1_u64 << (length - 1);
    let mut distance = length;
    // Where the column goes up, and down, from row to row; where the table stays
    // level along the diagonal; where the letter before is in the word.
    let (mut ups, mut downs, mut levels, mut before) = (u64::MAX, 0_u64, 0_u64, 0_u64);
    for letter in b.take(LETTERS) {
        let mut here = 0;
        for (row, other) in word.iter().take(length).enumerate() {
            here |= u64::from(*other == letter) << row;
        }
        let swaps = ((!levels & here) << 1) & before;
        levels = ((here & ups).wrapping_add(ups) ^ ups) | here | downs | swaps;
        let (right_ups, right_downs) = (downs | !(levels | ups), levels & ups);
        if right_ups & last != 0 {
            distance += 1;
        } else if right_downs & last != 0 {
            distance -= 1;
        }
        let right_ups = (right_ups << 1) | 1;
        ups = (right_downs << 1) | !(levels | right_ups);
        downs = right_ups & levels;
        before = here;
    }
    distance
}

/// The known word that is nearest, if it is near enough to be meant: at most a
/// third of its length away, after lower-casing and dropping `-` and `_`.
#[must_use]
pub fn closest_match<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    known
        .into_iter()
        .map(|candidate| (distance(folded(word), folded(candidate)), candidate))
        .filter(|(distance, candidate)| *distance * 3 <= candidate.len())
        .min()
        .map(|(_, candidate)| candidate)
}

/// What a word consists of after folding: the set of its letters, some of which
/// share a bit, and its length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    letters: u32,
    length: usize,
}

impl Shape {
    /// The shape of a word.
    #[must_use]
    pub const fn of(word: &str) -> Self {
        let mut shape = Self { letters: 0, length: 0 };
        let mut bytes = word.as_bytes();
        while let [byte, rest @ ..] = bytes {
            if !matches!(byte, b'-' | b'_') {
                shape.letters |= 1 << (byte.to_ascii_lowercase() & 31);
                shape.length += 1;
            }
            bytes = rest;
        }
        shape
    }

    /// Whether words of these shapes could be so near to each other: a letter
    /// that only one of them has costs a change of its own.
    const fn may_be_within(self, other: Self, most: usize) -> bool {
        let (mine, others) = (self.letters & !other.letters, other.letters & !self.letters);
        self.length.abs_diff(other.length) <= most
            && mine.count_ones() as usize <= most
            && others.count_ones() as usize <= most
    }
}

/// How far a word is from a known one after the same folding; none if more than
/// `most`. The shapes are theirs: most words are too far by those already.
#[must_use]
pub fn within((word, shape): (&str, Shape), (known, known_shape): (&str, Shape), most: usize) -> Option<usize> {
    if !shape.may_be_within(known_shape, most) {
        return None;
    }
    Some(distance(folded(word), folded(known))).filter(|distance| *distance <= most)
}

/// The most letters of a word that are compared.
const LETTERS: usize = 64;

/// The letters of a word, all lower-case.
fn folded(word: &str) -> impl Iterator<Item = char> {
    word.chars().filter(|c| !matches!(c, '-' | '_')).map(|c| c.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::{LETTERS, Shape, closest_match, distance, within};
    use proptest::prelude::*;
    use rstest::rstest;

    /// The table in full, as in every book.
    fn by_the_book(a: &str, b: &str) -> usize {
        let [a, b] = [a, b].map(|word| word.chars().take(LETTERS).collect::<Vec<_>>());
        let mut table = vec![vec![0; b.len() + 1]; a.len() + 1];
        for row in 0..=a.len() {
            for column in 0..=b.len() {
                table[row][column] = match (row, column) {
                    (0, other) | (other, 0) => other,
                    _ => {
                        let cost = usize::from(a[row - 1] != b[column - 1]);
                        let mut least = (table[row - 1][column] + 1)
                            .min(table[row][column - 1] + 1)
                            .min(table[row - 1][column - 1] + cost);
                        if row > 1 && column > 1 && a[row - 1] == b[column - 2] && a[row - 2] == b[column - 1] {
                            least = least.min(table[row - 2][column - 2] + 1);
                        }
                        least
                    }
                };
            }
        }
        table[a.len()][b.len()]
    }

    proptest! {
        #[test]
        fn is_what_the_book_says(a in "[abcé]{0,12}", b in "[abcé]{0,12}") {
            prop_assert_eq!(distance(a.chars(), b.chars()), by_the_book(&a, &b));
        }

        #[test]
        fn is_what_the_book_says_of_long_words(a in "[ab]{60,70}", b in "[ab]{60,70}") {
            prop_assert_eq!(distance(a.chars(), b.chars()), by_the_book(&a, &b));
        }
    }

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
        assert_eq!(distance(a.chars(), b.chars()), expected);
    }

    #[rstest]
    #[case("pod-automont", Some("pod-automount"))]
    #[case("podAutomount", Some("pod-automount"))]
    #[case("pod_automount", Some("pod-automount"))]
    #[case("default-sa", None)]
    #[case("", None)]
    fn suggests(#[case] word: &str, #[case] expected: Option<&str>) {
        assert_eq!(closest_match(word, ["pod-automount", "default-service-account"]), expected);
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
        assert_eq!(within((word, Shape::of(word)), (known, Shape::of(known)), most), expected);
    }

    /// Most annotations are told from ours by this alone.
    #[rstest]
    #[case("abc", "abc", 0, true)]
    #[case("abc", "cab", 0, true)]
    #[case("abc", "abd", 0, false)]
    #[case("abc", "abd", 1, true)]
    #[case("abcd", "abef", 1, false)]
    // Letters that only the one has, or only the other.
    #[case("abcd", "aaaa", 2, false)]
    #[case("aaaa", "abcd", 2, false)]
    #[case("aaaa", "abcd", 3, true)]
    // Only the length differs.
    #[case("aaaa", "aa", 1, false)]
    #[case("aa", "aaaa", 1, false)]
    #[case("aaaa", "aa", 2, true)]
    // Folded.
    #[case("A-b_C", "abc", 0, true)]
    #[case("prometheus.io", "eks.amazonaws.com", 3, false)]
    fn shapes_sort_out(#[case] a: &str, #[case] b: &str, #[case] most: usize, #[case] expected: bool) {
        assert_eq!(Shape::of(a).may_be_within(Shape::of(b), most), expected);
    }

    /// What is sorted out early is indeed too far.
    #[test]
    fn the_short_cut_cuts_nothing_off() {
        let words = ["eks.amazonaws.com", "eks.amazon.com", "ecs.amazonaws.com", "iam.gke.io", "", "a-b_c", "cab"];
        for (word, known) in words.iter().flat_map(|word| words.map(|known| (*word, known))) {
            for most in 0..5 {
                let [one, other] = [word, known].map(|word| word.replace(['-', '_'], ""));
                let far = distance(one.chars(), other.chars());
                let found = within((word, Shape::of(word)), (known, Shape::of(known)), most);
                assert_eq!(found, (far <= most).then_some(far), "{word} {known} {most}");
            }
        }
    }
}
