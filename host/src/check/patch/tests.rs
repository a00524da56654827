// SPDX-License-Identifier: Apache-2.0

use rstest::rstest;
use serde_json::json;

use super::*;

fn patched(text: &str, change: impl Fn(&mut Value)) -> Result<String, Refusal> {
    let before = yaml::load_str(text, "x").unwrap().remove(0).value;
    let mut after = before.clone();
    change(&mut after);
    let node = yaml::layout::first_document(text).unwrap();
    let result = apply(text, edits(text, &node, &before, &after)?).unwrap();
    assert_eq!(yaml::load_str(&result, "x").unwrap().remove(0).value, after, "{result}");
    Ok(result)
}

fn set(pointer: &'static str, key: &'static str, value: Value) -> impl Fn(&mut Value) {
    move |object| {
        object.pointer_mut(pointer).unwrap()[key] = value.clone();
    }
}

fn remove(pointer: &'static str, key: &'static str) -> impl Fn(&mut Value) {
    move |object| match object.pointer_mut(pointer).unwrap() {
        Value::Object(fields) => drop(fields.remove(key)),
        Value::Array(items) => drop(items.remove(key.parse().unwrap())),
        other => *other = Value::Null,
    }
}

#[test]
fn adds_fields() {
    let text = "a: 1\nspec: # why\n  # first\n  x: 1 # one\n\n  y: 2\n# end\n";
    assert_eq!(
        patched(text, set("/spec", "z", json!(false))).unwrap(),
        "a: 1\nspec: # why\n  z: false\n  # first\n  x: 1 # one\n\n  y: 2\n# end\n"
    );
    assert_eq!(
        patched(text, set("", "z", json!(false))).unwrap(),
        "a: 1\nspec: # why\n  # first\n  x: 1 # one\n\n  y: 2\nz: false\n# end\n"
    );
}

#[test]
fn keeps_line_ends() {
    assert_eq!(
        patched("a: 1\r\nb:\r\n  c: 2\r\n", set("/b", "z", json!(1))).unwrap(),
        "a: 1\r\nb:\r\n  z: 1\r\n  c: 2\r\n"
    );
    assert_eq!(patched("a: 1\r\nb: 2", set("", "z", json!(1))).unwrap(), "a: 1\r\nb: 2\r\nz: 1");
    assert_eq!(patched("a: |\n  x\n", set("", "z", json!(1))).unwrap(), "a: |\n  x\nz: 1\n");
}

#[test]
fn field_in_list_entry() {
    let text = "l:\n- name: x\n  v:\n    p: 1\n- name: y\n";
    assert_eq!(
        patched(text, set("/l/0", "z", json!({"a": ["b"]}))).unwrap(),
        "l:\n- name: x\n  v:\n    p: 1\n  z:\n    a:\n    - b\n- name: y\n"
    );
}

#[rstest]
#[case("a: 3600 # an hour\nb: 1\n", "a", json!(600), "a: 600 # an hour\nb: 1\n")]
#[case("a: 'on'\n", "a", json!(true), "a: true\n")]
#[case("a:\nb: 1\n", "a", json!(false), "a: false\nb: 1\n")]
#[case("a: # none\nb: 1\n", "a", json!(false), "a: false # none\nb: 1\n")]
#[case("a: ~\n", "a", json!("on"), "a: \"on\"\n")]
fn replaces_scalars(#[case] text: &str, #[case] key: &'static str, #[case] value: Value, #[case] expected: &str) {
    let found = patched(text, set("", key, value)).unwrap();
    assert_eq!(found.replace('\'', "\""), expected);
}

#[test]
fn removes_lines() {
    let text = "a: 1\nl:\n  # x\n  - n: 1\n    m: 2 # two\n  - n: 3\nz: 1\n";
    assert_eq!(patched(text, remove("/l", "0")).unwrap(), "a: 1\nl:\n  # x\n  - n: 3\nz: 1\n");
    assert_eq!(patched(text, remove("/l/0", "m")).unwrap(), "a: 1\nl:\n  # x\n  - n: 1\n  - n: 3\nz: 1\n");
    assert_eq!(patched(text, remove("", "a")).unwrap(), "l:\n  # x\n  - n: 1\n    m: 2 # two\n  - n: 3\nz: 1\n");
    assert_eq!(patched("a:\n- 1\n- 2\nb: 1\n", |it| it["a"] = json!([])).unwrap(), "a: []\nb: 1\n");
}

#[rstest]
#[case("a: {b: 1}\n", "/a", Refusal::Flow)]
#[case("a: &x\n  b: 1\nc: *x\n", "/a", Refusal::Shared)]
#[case("a: &x\n  b: 1\nc: *x\n", "/c", Refusal::Shared)]
#[case("x: &x\n  b: 1\na:\n  <<: *x\n  c: 1\n", "/a", Refusal::Shared)]
#[case("{\"a\": {\"b\": 1}}\n", "/a", Refusal::Flow)]
#[case("a:\n  b: |\n    x\n", "/a", Refusal::Shape)]
#[case("a:\n  b: x\n    y\n", "/a", Refusal::Shape)]
fn rejects_unpatchable_text(#[case] text: &str, #[case] pointer: &'static str, #[case] expected: Refusal) {
    assert_eq!(patched(text, set(pointer, "b", json!(9))), Err(expected));
}

#[test]
fn first_field_of_entry() {
    assert_eq!(patched("l:\n- a: 1\n  b: 2\n", remove("/l/0", "a")), Err(Refusal::Shape));
}
