// SPDX-License-Identifier: Apache-2.0

//! Converts the path of a diagnostic to steps in an object.

use serde_json::Value;

use crate::kubewarden::Segment;
use crate::yaml::layout::Step;

/// The steps to a field that exist in the object, and whether these are all of them.
pub(super) fn steps(object: &Value, path: &[Segment]) -> (Vec<Step>, bool) {
    let (mut steps, mut value) = (Vec::new(), object);
    for segment in path {
        let Some((step, below)) = step(value, segment) else { return (steps, false) };
        steps.push(step);
        value = below;
    }
    (steps, true)
}

fn step<'v>(value: &'v Value, segment: &Segment) -> Option<(Step, &'v Value)> {
    match segment {
        Segment::Field(name) | Segment::Key { key: name } => Some((Step::Key(name.clone()), value.get(name)?)),
        Segment::Index { index } => Some((Step::Index(*index), value.get(index)?)),
        Segment::Name { name } => {
            let items = value.as_array()?;
            let by_name = |item: &Value| item.get("name").and_then(Value::as_str) == Some(name);
            let by_content = |item: &Value| texts(item, 3).contains(&name.as_str());
            let index = items.iter().position(by_name).or_else(|| items.iter().position(by_content))?;
            Some((Step::Index(index), items.get(index)?))
        }
    }
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

    // The path, the steps that exist (separated by spaces), and whether these are all of them.
    #[rstest]
    #[case(json!([]), "", true)]
    #[case(json!(["spec", "automountServiceAccountToken"]), "spec", false)]
    #[case(json!(["spec", "containers", {"name": "b.c"}, "env", {"name": "X"}]), "spec containers 1 env 0", true)]
    #[case(json!(["spec", "containers", {"name": "b.c"}, "env", {"name": "Y"}, "value"]), "spec containers 1 env", false)]
    #[case(json!(["spec", "containers", {"index": 0}]), "spec containers 0", true)]
    #[case(json!(["spec", "containers", {"index": 9}]), "spec containers", false)]
    #[case(
        json!(["spec", "volumes", {"name": "t"}, "projected", "sources", {"name": "vault"}, "serviceAccountToken"]),
        "spec volumes 0 projected sources 0 serviceAccountToken",
        true
    )]
    #[case(
        json!(["spec", "volumes", {"name": "t"}, "projected", "sources", {"name": "s"}, "secret", "name"]),
        "spec volumes 0 projected sources 1 secret name",
        true
    )]
    #[case(json!(["metadata", "annotations", {"key": "a.b/c"}]), "metadata annotations a.b/c", true)]
    #[case(json!(["metadata", "annotations", {"key": "no"}]), "metadata annotations", false)]
    #[case(json!(["metadata", "annotations", {"key": "a\nb"}]), "metadata annotations a\nb", true)]
    fn finds_paths(#[case] path: Value, #[case] expected: &str, #[case] complete: bool) {
        let object = json!({
            "metadata": {"annotations": {"a.b/c": "x", "a\nb": "y"}},
            "spec": {
                "containers": [{"image": "x"}, {"name": "b.c", "env": [{"name": "X", "value": "1"}]}],
                "volumes": [{"name": "t", "projected": {"sources": [
                    {"serviceAccountToken": {"path": "vault"}}, {"secret": {"name": "s"}}]}}],
            },
        });
        let path: Vec<Segment> = serde_json::from_value(path).unwrap();
        let (found, is_all) = steps(&object, &path);
        let words: Vec<_> = found
            .iter()
            .map(|step| match step {
                Step::Key(key) => key.clone(),
                Step::Index(index) => index.to_string(),
            })
            .collect();
        assert_eq!((words.join(" ").as_str(), is_all), (expected, complete));
    }
}
