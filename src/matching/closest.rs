// SPDX-License-Identifier: Apache-2.0
//! Finds the known word that someone meant.

use crate::fast::distance::distance;
use crate::fast::shape::Shape;

/// The closest known word, if it is close enough to be meant: at most a third
/// of its length away, after lowercasing and removing `-` and `_`.
#[must_use]
pub fn closest_match<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    known
        .into_iter()
        .map(|candidate| (distance(folded(word), folded(candidate)), candidate))
        .filter(|(distance, candidate)| *distance * 3 <= candidate.len())
        .min()
        .map(|(_, candidate)| candidate)
}

/// The distance of a word from a known one after the same folding; `None` if it
/// is more than `most`. The shapes are those of the words, and rule out most
/// words.
#[must_use]
pub fn within((word, shape): (&str, Shape), (known, known_shape): (&str, Shape), most: usize) -> Option<usize> {
    if !shape.may_be_within(known_shape, most) {
        return None;
    }
    Some(distance(folded(word), folded(known))).filter(|distance| *distance <= most)
}

/// The letters of a word in lower case, without `-` and `_`.
fn folded(word: &str) -> impl Iterator<Item = char> {
    word.chars().filter(|c| !matches!(c, '-' | '_')).map(|c| c.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::{Shape, closest_match, within};
    use crate::fast::distance::distance;
    use rstest::rstest;

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
    fn within_distance(#[case] word: &str, #[case] known: &str, #[case] most: usize, #[case] expected: Option<usize>) {
        assert_eq!(within((word, Shape::of(word)), (known, Shape::of(known)), most), expected);
    }

    /// Words that are ruled out early are indeed too far away.
    #[test]
    fn shape_never_excludes_near_words() {
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
