// SPDX-License-Identifier: Apache-2.0

//! From a place as findings name it (`spec.containers[web].env[TOKEN]`) to the steps that lead there in an object.

use serde_json::Value;
use serviceaccount_hygiene::diagnostic::escaped::Escaped;

use crate::yaml::layout::Step;

/// The steps to a place, as far as they exist in the object; then, whether that is all the way.
pub(super) fn steps(object: &Value, place: &str) -> (Vec<Step>, bool) {
    let mut steps = Vec::new();
    let (mut value, mut rest) = (object, place);
    while !rest.is_empty() {
        let Some((step, below, left)) = next(value, rest) else { return (steps, false) };
        steps.push(step);
        (value, rest) = (below, left);
    }
    (steps, true)
}

/// The value at the end of some steps.
pub(super) fn value_at<'v>(object: &'v Value, steps: &[Step]) -> Option<&'v Value> {
    steps.iter().try_fold(object, |value, step| match step {
        Step::Key(key) => value.get(key),
        Step::Index(index) => value.get(*index),
    })
}

fn next<'v, 'p>(value: &'v Value, rest: &'p str) -> Option<(Step, &'v Value, &'p str)> {
    if let Some(quoted) = rest.strip_prefix("[\"") {
        let keys = value.as_object()?.iter();
        return keys
            .filter_map(|(key, below)| {
                let left = quoted.strip_prefix(&Escaped::new(key).to_string())?.strip_prefix("\"]")?;
                Some((Step::Key(key.clone()), below, left))
            })
            .min_by_key(|(_, _, left)| left.len());
    }
    if let Some(entry) = rest.strip_prefix('[') {
        return entry_of(value.as_array()?, entry);
    }
    let rest = rest.strip_prefix('.').unwrap_or(rest);
    let end = rest.find(['.', '[']).unwrap_or(rest.len());
    let (name, left) = rest.split_at_checked(end)?;
    Some((Step::Key(name.to_owned()), value.get(name)?, left))
}

/// An entry is called by its `name`, by the name, path or Secret of what is in it, or by its number.
fn entry_of<'v, 'p>(items: &'v [Value], text: &'p str) -> Option<(Step, &'v Value, &'p str)> {
    let called = |name: &str| text.strip_prefix(&Escaped::new(name).to_string())?.strip_prefix(']');
    let by_name = |item: &Value| called(item.get("name")?.as_str()?);
    let by_content = |item: &Value| texts(item, 3).into_iter().filter_map(called).min_by_key(|left| left.len());
    for matches in [&by_name as &dyn Fn(&Value) -> Option<&'p str>, &by_content] {
        if let Some((index, left)) = items.iter().enumerate().find_map(|(index, item)| Some((index, matches(item)?))) {
            return Some((Step::Index(index), items.get(index)?, left));
        }
    }
    let (number, left) = text.split_once(']')?;
    let index = number.parse().ok()?;
    Some((Step::Index(index), items.get(index)?, left))
}

fn texts(value: &Value, depth: usize) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Object(fields) if depth > 0 => fields.values().flat_map(|below| texts(below, depth - 1)).collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    // The place, the steps that exist (joined by blanks), whether these are all.
    #[rstest]
    #[case("", "", true)]
    #[case("spec.automountServiceAccountToken", "spec", false)]
    #[case("spec.containers[b.c].env[X]", "spec containers 1 env 0", true)]
    #[case("spec.containers[b.c].env[Y].value", "spec containers 1 env", false)]
    #[case("spec.containers[0]", "spec containers 0", true)]
    #[case("spec.containers[9]", "spec containers", false)]
    #[case(
        "spec.volumes[t].projected.sources[vault].serviceAccountToken",
        "spec volumes 0 projected sources 0 serviceAccountToken",
        true
    )]
    #[case("spec.volumes[t].projected.sources[s].secret.name", "spec volumes 0 projected sources 1 secret name", true)]
    #[case("metadata.annotations[\"a.b/c\"]", "metadata annotations a.b/c", true)]
    #[case("metadata.annotations[\"no\"]", "metadata annotations", false)]
    #[case("metadata.annotations[\"a\\u{a}b\"]", "metadata annotations a\nb", true)]
    fn places_are_found_in_the_object(#[case] place: &str, #[case] expected: &str, #[case] complete: bool) {
        let object = json!({
            "metadata": {"annotations": {"a.b/c": "x", "a\nb": "y"}},
            "spec": {
                "containers": [{"image": "x"}, {"name": "b.c", "env": [{"name": "X", "value": "1"}]}],
                "volumes": [{"name": "t", "projected": {"sources": [
                    {"serviceAccountToken": {"path": "vault"}}, {"secret": {"name": "s"}}]}}],
            },
        });
        let (found, is_all) = steps(&object, place);
        let words: Vec<_> = found
            .iter()
            .map(|step| match step {
                Step::Key(key) => key.clone(),
                Step::Index(index) => index.to_string(),
            })
            .collect();
        assert_eq!((words.join(" ").as_str(), is_all), (expected, complete));
        assert!(value_at(&object, &found).is_some());
    }
}
