// SPDX-License-Identifier: Apache-2.0

use std::path::Path;

use serde_json::{Value, json};

use super::*;
use crate::case::Subject;

const FILE: &str = "cases/role-arn.md";

fn read(text: &str) -> Vec<Case> {
    cases(Path::new(FILE), text).unwrap()
}

fn problems(text: &str) -> String {
    format!("{:#}", cases(Path::new(FILE), text).unwrap_err())
}

fn object(case: &Case) -> &Value {
    match &case.subject {
        Some(Subject::Object(object)) => object,
        other => panic!("{other:?}"),
    }
}

fn block(kind: &str, content: &str) -> String {
    format!("```{kind}\n{content}\n```\n")
}

#[test]
fn sections_without_sections_are_cases() {
    let text = "# role-arn\nprose\n## Account ID\n### nine digits\n### `twelve` digits, it's fine\n## role\n";
    let cases: Vec<_> = read(text).iter().map(|case| (case.full_name(), case.place.to_string())).collect();
    let expected = [
        ("role-arn/account-id/nine-digits", "cases/role-arn.md:4"),
        ("role-arn/account-id/twelve-digits-its-fine", "cases/role-arn.md:5"),
        ("role-arn/role", "cases/role-arn.md:6"),
    ];
    assert_eq!(cases, expected.map(|(name, place)| (name.to_owned(), place.to_owned())));
}

#[test]
fn blocks_are_inherited_and_changed() {
    let text = [
        "# role-arn\n",
        &block("yaml object", "a: 1\nb: {c: 2}"),
        &block("yaml settings", "rules: {x: warn}"),
        "## group\n",
        &block("yaml change", "b: {d: 3}"),
        "### inner\n",
        &block("yaml change", "a: null"),
        &block("yaml settings change", "phase: validating"),
        "### other\n",
        &block("yaml object", "z: 1"),
        &block("yaml settings", "{}"),
        "## last\n",
    ]
    .concat();
    let cases = read(&text);
    let inputs: Vec<_> = cases.iter().map(|case| (object(case).clone(), case.settings.clone())).collect();
    let warn = json!({"rules": {"x": "warn"}});
    assert_eq!(
        inputs,
        [
            (json!({"b": {"c": 2, "d": 3}}), json!({"rules": {"x": "warn"}, "phase": "validating"})),
            (json!({"z": 1}), json!({})),
            (json!({"a": 1, "b": {"c": 2}}), warn),
        ]
    );
}

#[test]
fn the_stored_object_is_whole_or_a_change_of_the_object() {
    let text = [
        "# role-arn\n",
        &block("yaml object", "a: 1"),
        &block("yaml old change", "b: 2"),
        "## one\n",
        &block("yaml change", "a: 3"),
        "## two\n",
        &block("yaml old", "c: 1"),
    ]
    .concat();
    let old: Vec<_> = read(&text).into_iter().map(|case| case.old).collect();
    assert_eq!(old, [Some(json!({"a": 3, "b": 2})), Some(json!({"c": 1}))]);
}

#[test]
fn changes_of_the_cluster_find_their_object() {
    let account = "{apiVersion: v1, kind: ServiceAccount, metadata: {namespace: shop, name: app}";
    let text = [
        "# role-arn\n",
        &block("yaml cluster", &format!("{account}, x: 1}}\n---\n{{kind: Secret, metadata: {{name: s}}}}")),
        "## one\n",
        &block(
            "yaml cluster change",
            &format!("{account}, x: null, z: 2}}\n---\n{{kind: Role, metadata: {{name: r}}}}"),
        ),
        "## two\n",
        &block("yaml cluster", ""),
    ]
    .concat();
    let clusters: Vec<_> = read(&text).into_iter().map(|case| case.cluster).collect();
    let account =
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"namespace": "shop", "name": "app"}, "z": 2});
    let others =
        [json!({"kind": "Secret", "metadata": {"name": "s"}}), json!({"kind": "Role", "metadata": {"name": "r"}})];
    let [secret, role] = others;
    assert_eq!(clusters, [vec![account, secret, role], vec![]]);
}

#[test]
fn circumstances_and_requests() {
    let text = [
        "# role-arn\n## one\n",
        &block("json request", "{\"uid\": \"1\"}"),
        &block("yaml given", "host: {lookup: forbidden}\nrequest: {name: a}"),
        &block("yaml expect", "allowed: true"),
        &block("yaml", "").replace("yaml", "console"),
    ]
    .concat();
    let case = read(&text).remove(0);
    assert!(matches!(case.subject, Some(Subject::Request(request)) if request == json!({"uid": "1"})));
    assert_eq!(case.given.host.lookup, crate::case::Lookup::Forbidden);
    assert_eq!(case.given_document, json!({"host": {"lookup": "forbidden"}, "request": {"name": "a"}}));
    assert!(case.expected.is_some());
}

#[test]
fn problems_have_file_line_and_heading() {
    let object = block("yaml object", "a: 1");
    let rows: &[(String, &str)] = &[
        (String::new(), "cases/role-arn.md: no heading"),
        ("# gcp\n".to_owned(), "cases/role-arn.md:1: `gcp`: the first heading must be `# role-arn`"),
        ("# role-arn\n".to_owned(), "cases/role-arn.md:1: `role-arn`: no case below the heading"),
        ("# role-arn\n## a\n# role-arn\n".to_owned(), "cases/role-arn.md:3: `role-arn`: a second heading of level 1"),
        ("# role-arn\n### a\n".to_owned(), "cases/role-arn.md:2: `a`: a heading of level 3 below one of level 1"),
        ("# role-arn\n## \n".to_owned(), "cases/role-arn.md:2: a heading without a name"),
        ("# role-arn\n## ...\n".to_owned(), "cases/role-arn.md:2: `...`: a heading without a name"),
        ("# role-arn\n## a b\n## A-b\n".to_owned(), "cases/role-arn.md:3: `A-b`: the same name as in line 2"),
        (format!("{object}# role-arn\n"), "cases/role-arn.md:1: a block before the first heading"),
        (
            format!("# role-arn\n## a\n{}", block("yaml objct", "a: 1")),
            "cases/role-arn.md:3: `a`: unknown block `objct`; did you mean `object`?",
        ),
        (
            format!("# role-arn\n## a\n{}", block("yaml pods", "a: 1")),
            "cases/role-arn.md:3: `a`: unknown block `pods`; one of object, change, request, old, old change, settings, \
             settings change, cluster, cluster change, given, given change, expect",
        ),
        (
            format!("# role-arn\n## a\n{}", block("yaml", "a: 1")),
            "cases/role-arn.md:3: `a`: a `yaml` block that does not say what it holds: object, change, request, old, old \
             change, settings, settings change, cluster, cluster change, given, given change, expect",
        ),
        (
            format!("# role-arn\n## a\n{object}{object}"),
            "cases/role-arn.md:6: `a`: a second block for the object: `object` after `object` in line 3",
        ),
        (
            format!("# role-arn\n## a\n{object}{}", block("yaml change", "b: 1")),
            "cases/role-arn.md:6: `a`: a second block for the object: `change` after `object` in line 3",
        ),
        (
            format!("# role-arn\n## a\n{}", block("yaml change", "b: 1")),
            "cases/role-arn.md:3: `a`: `change` without an `object` around it",
        ),
        (
            format!("# role-arn\n## a\n{}", block("yaml settings change", "b: 1")),
            "cases/role-arn.md:3: `a`: `settings change` without `settings` around it",
        ),
        (
            format!("# role-arn\n## a\n{}", block("yaml given change", "raw: true")),
            "cases/role-arn.md:3: `a`: `given change` without `given` around it",
        ),
        (
            format!("# role-arn\n## a\n{}", block("yaml cluster change", "kind: Pod")),
            "cases/role-arn.md:3: `a`: `cluster change` without a `cluster` around it",
        ),
        (
            format!("# role-arn\n{}## a\n{}", block("yaml cluster", ""), block("yaml cluster change", "kind: Pod")),
            "cases/role-arn.md:6: `a`: a document of `cluster change` must have `kind` and `metadata.name`",
        ),
        (
            format!("# role-arn\n## a\n{}", block("yaml old change", "b: 1")),
            "cases/role-arn.md:2: `a`: `old change` without an `object`",
        ),
        (
            format!("# role-arn\n## a\n{}", block("yaml object", "a: 1\n---\nb: 1")),
            "cases/role-arn.md:3: `a`: `object` must have exactly one document",
        ),
        (
            format!("# role-arn\n## a\n{}", block("yaml object", "a: 1\nb: 2\na: 3")),
            "cases/role-arn.md:6: `a`: column 1: key `a` occurs twice in the same mapping",
        ),
        (
            format!("# role-arn\n## a\n{}", block("yaml given", "hots: {}")),
            "cases/role-arn.md:3: `a`: unknown key `hots`; did you mean `host`?",
        ),
        (
            format!("# role-arn\n## a\n{}", block("yaml given", "host: {lookups: granted}")),
            "cases/role-arn.md:3: `a`: unknown key `host.lookups`; did you mean `lookup`?",
        ),
        (
            format!("# role-arn\n## a\n{}", block("yaml given", "request: {subresource: scale}")),
            "cases/role-arn.md:3: `a`: unknown key `request.subresource`; did you mean `subResource`?",
        ),
        (
            format!("# role-arn\n## a\n{}", block("yaml expect", "alowed: true")),
            "cases/role-arn.md:3: `a`: unknown key `alowed`; did you mean `allowed`?",
        ),
        (
            format!("# role-arn\n## a\n{}### b\n", block("yaml expect", "allowed: true")),
            "cases/role-arn.md:2: `a`: `expect` in a section that has sections of its own",
        ),
        (
            "# role-arn\n## a\n- ```yaml object\n  a: 1\n  ```\n".to_owned(),
            "cases/role-arn.md:3: `a`: `object` in a list or a quotation",
        ),
    ];
    for (text, expected) in rows {
        assert_eq!(problems(text), *expected, "{text}");
    }
}

#[test]
fn every_problem_is_reported() {
    let text = ["# role-arn\n## a\n", &block("yaml objct", ""), "## b\n", &block("yaml old", "a: [")].concat();
    assert_eq!(problems(&text).lines().count(), 2, "{}", problems(&text));
}

#[test]
fn bless_replaces_the_block_and_nothing_else() {
    let expect = |content: &str| format!("```yaml expect\n{content}```\n");
    let before = "# role-arn\r\n## a\nprose   \n";
    let after = "\n\n\nmore *prose*\n## b\n```yaml expect\nallowed: true # kept\n```\n";
    let text = format!("{before}~~~yaml expect\nallowed: true\n~~~\n{after}");
    let (made, old) = with_expected(&text, "a", "allowed: false\n").unwrap();
    assert_eq!((made, old), (format!("{before}{}{after}", expect("allowed: false\n")), "allowed: true\n".to_owned()));
}

#[test]
fn bless_adds_a_block_at_the_end_of_the_section() {
    for (text, expected) in [
        ("# r\n## a\n## b\n", "# r\n## a\n\n```yaml expect\nx\n```\n\n## b\n"),
        ("# r\n## a\nprose\n\n\n## b\n", "# r\n## a\nprose\n\n```yaml expect\nx\n```\n\n## b\n"),
        ("# r\n## a\n```yaml old\n```\n", "# r\n## a\n```yaml old\n```\n\n```yaml expect\nx\n```\n"),
        ("# r\n## a\nprose", "# r\n## a\nprose\n\n```yaml expect\nx\n```\n"),
    ] {
        assert_eq!(with_expected(text, "a", "x\n").unwrap().0, expected, "{text}");
    }
}

#[test]
fn bless_chooses_a_fence_that_the_content_does_not_end() {
    let (made, _) = with_expected("# r\n## a\n", "a", "message: |-\n  ```\n").unwrap();
    assert!(made.ends_with("````yaml expect\nmessage: |-\n  ```\n````\n"), "{made}");
}
