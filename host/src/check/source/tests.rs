// SPDX-License-Identifier: Apache-2.0

use super::*;

fn read(text: &str, is_strict: bool) -> Sources {
    let mut sources = Sources::default();
    sources.add("x.yaml".into(), text.to_owned(), is_strict);
    sources
}

#[test]
fn a_broken_document_does_not_hide_the_others_and_does_not_move_them() {
    let text = "apiVersion: v1\nkind: A\n---\nkind: é\n\tx: 1\n---\n# Source: c/t.yaml\napiVersion: v1\nkind: B\nspec: {a: 1}\n";
    let sources = read(text, true);
    let kinds: Vec<_> = sources.manifests.iter().map(|manifest| manifest.text("/kind").unwrap()).collect();
    assert_eq!(kinds, ["A", "B"]);
    assert_eq!(sources.manifests[1].origin.as_deref(), Some("c/t.yaml"));
    assert_eq!(sources.manifests[0].origin, None);
    assert_eq!(sources.locate(&sources.manifests[1], "spec.a"), Location { line: 10, column: 8 });
    assert_eq!(sources.unreadable.len(), 1);
    assert!(sources.unreadable[0].to_line().starts_with("x.yaml:4:7: "), "{}", sources.unreadable[0].to_line());
    assert!(!sources.files[0].is_whole());
}

#[test]
fn entries_of_lists_are_found_where_they_are_written() {
    let text = "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: A\n- apiVersion: v1\n  kind: B\n  spec:\n    x: 1\n";
    let sources = read(text, true);
    assert_eq!(sources.locate(&sources.manifests[1], "spec.x"), Location { line: 9, column: 5 });
    assert_eq!(sources.locate(&sources.manifests[1], "spec.y.z"), Location { line: 8, column: 3 });
    assert_eq!(sources.locate(&sources.manifests[1], ""), Location { line: 6, column: 3 });
}

#[test]
fn what_is_no_object_is_a_mistake_only_where_it_was_named() {
    let values = "image: x\n---\napiVersion: v1\nkind: List\nitems: []\n---\napiVersion: v1\nkind: List\n";
    assert_eq!(read(values, true).unreadable.len(), 1);
    let lenient = read(values, false);
    assert_eq!((lenient.unreadable.len(), lenient.left_out), (0, 1));
    for text in ["List\nitems: [{a: 1}]\n", "List\nitems: {a: 1}\n", "AdmissionReview\nrequest: {}\n"] {
        let sources = read(&format!("apiVersion: v1\nkind: {text}"), false);
        assert_eq!((sources.unreadable.len(), sources.manifests.len()), (1, 0), "{text}");
    }
}

#[test]
fn a_template_that_was_not_rendered_is_named_as_such() {
    let sources = read("apiVersion: v1\nkind: A\nname: {{ .Values.x }}\n", true);
    assert!(sources.unreadable[0].message.contains("render it first"), "{:?}", sources.unreadable);
}
