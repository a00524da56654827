// SPDX-License-Identifier: Apache-2.0

//! Case files: Markdown files whose headings name the cases and whose fenced blocks contain inputs and expected results.
//!
//! A section without subsections is a case. It inherits the blocks of the sections that contain it. The `README.md` of this
//! crate describes the format for users.

mod block;
mod section;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context as _, Result, bail};
use policy_host::diff;

use crate::case::{Case, Location, shown};
use crate::expectation::Expectation;
use block::Inputs;
use section::Section;

/// The cases by full name, `<file>/<group>/<case>`; if a whole file is invalid, its problems by the name of the file.
pub type Cases = Vec<(String, Result<Case>)>;

/// All cases of the files in a folder: files by name, cases in the order of the file.
///
/// # Errors
/// If the folder cannot be read.
pub fn load_all(folder: &Path) -> Result<Cases> {
    let mut files: Vec<PathBuf> = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
        files.push(entry?.path());
    }
    files.sort();
    Ok(files.iter().flat_map(|path| load(path)).collect())
}

/// All cases of a file.
#[must_use]
pub fn load(path: &Path) -> Cases {
    let name = stem(path);
    let read = || {
        if path.extension().is_none_or(|extension| extension != "md") {
            bail!("{}: only Markdown files belong here", shown(path));
        }
        cases(path, &fs::read_to_string(path).with_context(|| shown(path))?)
    };
    match read() {
        Ok(cases) => cases.into_iter().map(|case| (case.full_name(), Ok(case))).collect(),
        Err(error) => vec![(name, Err(error))],
    }
}

/// The cases of a text.
///
/// # Errors
/// All problems, one for each line.
pub fn cases(path: &Path, text: &str) -> Result<Vec<Case>> {
    let file = shown(path);
    let stem = stem(path);
    let mut problems: Vec<String> = Vec::new();
    let mut cases = Vec::new();
    let mut lines: BTreeMap<String, usize> = BTreeMap::new();
    // The sections that contain the current one: their names and inputs.
    let mut around: Vec<(String, Inputs)> = Vec::new();
    let sections = section::sections(text);
    for (index, section) in sections.iter().enumerate() {
        let mut report = |line: usize, message: &str| {
            let title = if section.title.is_empty() { String::new() } else { format!(" `{}`:", section.title) };
            problems.push(format!("{file}:{line}:{title} {message}"));
        };
        if let Some(message) = misplaced(section, around.len(), &stem) {
            report(section.line, &message);
            // The sections below would only repeat the problem.
            break;
        }
        around.truncate(section.level - 1);
        let inherited = around.last().map(|(_, inputs)| inputs.clone()).unwrap_or_default();
        let inputs = inherited.with(&section.blocks, text, &file).unwrap_or_else(|own| {
            for (line, message) in own {
                report(line, &message);
            }
            inherited
        });
        let is_case = sections.get(index + 1).is_none_or(|next| next.level <= section.level);
        if inputs.expected.is_some() && !is_case {
            report(section.line, "`expect` in a section that has sections of its own");
        }
        around.push((slug(&section.title), inputs.clone()));
        let path_of =
            |from: usize| around.iter().skip(from).map(|(name, _)| name.as_str()).collect::<Vec<_>>().join("/");
        let name = path_of(1);
        if let Some(earlier) = lines.insert(name.clone(), section.line) {
            report(section.line, &format!("the same name as in line {earlier}"));
        }
        if !is_case {
            continue;
        }
        match inputs.old() {
            Ok(_) if section.level == 1 => report(section.line, "no case below the heading"),
            Ok(old) => cases.push(Case {
                rule: stem.clone(),
                location: Location { path: path.to_owned(), section: name.clone(), line: section.line },
                name,
                subject: inputs.subject,
                old,
                settings: inputs.settings.unwrap_or_else(|| serde_json::json!({})),
                cluster: inputs.cluster.unwrap_or_default(),
                given: inputs.given,
                given_document: inputs.given_document.into(),
                expected: inputs.expected,
            }),
            Err(message) => report(section.line, &message),
        }
    }
    if sections.is_empty() {
        problems.push(format!("{file}: no heading"));
    }
    if problems.is_empty() { Ok(cases) } else { bail!("{}", problems.join("\n")) }
}

/// What is wrong with a heading. `depth` is the number of sections around the previous heading, itself included.
fn misplaced(section: &Section, depth: usize, stem: &str) -> Option<String> {
    let slug = slug(&section.title);
    match section.level {
        0 => Some("a block before the first heading".to_owned()),
        1 if depth > 0 => Some("a second heading of level 1".to_owned()),
        1 if slug != stem => Some(format!("the first heading must be `# {stem}`")),
        level if level > depth + 1 => Some(format!("a heading of level {level} below one of level {depth}")),
        _ if slug.is_empty() => Some("a heading without a name".to_owned()),
        _ => None,
    }
}

/// A heading as a part of a name: lower case, with dashes instead of blanks and punctuation.
#[must_use]
pub fn slug(title: &str) -> String {
    let mut slug = String::new();
    for character in title.chars().filter(|character| !matches!(character, '\'' | '’')) {
        if character.is_alphanumeric() {
            slug.extend(character.to_lowercase());
        } else if !slug.ends_with('-') && !slug.is_empty() {
            slug.push('-');
        }
    }
    slug.trim_end_matches('-').to_owned()
}

/// Rewrites the `expect` block of a case if the result differs, and returns the difference. The rest of the file does not
/// change.
///
/// # Errors
/// If the file cannot be read or written.
pub fn bless(case: &Case, actual: &Expectation) -> Result<Option<String>> {
    // Cases of one file run concurrently.
    static FILES: Mutex<()> = Mutex::new(());
    if case.expectation()?.as_ref() == Some(actual) {
        return Ok(None);
    }
    let _guard = FILES.lock().unwrap_or_else(PoisonError::into_inner);
    let path = &case.location.path;
    let text = fs::read_to_string(path)?;
    let base = case.request()?.and_then(|mut request| request.get_mut("object").map(serde_json::Value::take));
    let new = actual.to_yaml(base.as_ref())?;
    let (text, old) = with_expected(&text, &case.location.section, &new).with_context(|| case.location.to_string())?;
    fs::write(path, text)?;
    Ok(Some(diff::unified(("before", "after"), &old, &new)))
}

/// The text with a new `expect` block for a case, and the content of the old block.
fn with_expected(text: &str, name: &str, content: &str) -> Result<(String, String)> {
    let mut around: Vec<String> = Vec::new();
    let sections = section::sections(text);
    let section = sections.iter().find(|section| {
        around.truncate(section.level.saturating_sub(1));
        around.push(slug(&section.title));
        around.iter().skip(1).map(String::as_str).collect::<Vec<_>>().join("/") == name
    });
    let section = section.with_context(|| format!("no section {name}"))?;
    let fence = fence(content);
    let block = format!("{fence}yaml expect\n{content}{fence}\n");
    let found = section.blocks.iter().find(|block| block.info.split_whitespace().eq(["yaml", "expect"]));
    let cut = |from: usize, to: usize| text.get(from..to).unwrap_or_default();
    if let Some(found) = found {
        let old = cut(found.content.start, found.content.end).to_owned();
        let start = found.range.start;
        let end = start + cut(start, found.range.end).trim_end().len();
        let rest = cut(end, text.len()).split_once('\n').map_or("", |(_, rest)| rest);
        return Ok((format!("{}{block}{rest}", cut(0, start)), old));
    }
    let before = cut(0, section.end).trim_end();
    let rest = cut(section.end, text.len()).trim_start_matches('\n');
    let gap = if rest.is_empty() { "" } else { "\n" };
    Ok((format!("{before}\n\n{block}{gap}{rest}"), String::new()))
}

/// A fence that does not occur in a text.
fn fence(content: &str) -> String {
    let runs = content.lines().map(|line| line.trim_start().chars().take_while(|character| *character == '`').count());
    "`".repeat(runs.max().unwrap_or_default().max(2) + 1)
}

fn stem(path: &Path) -> String {
    path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
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
        let cases: Vec<_> = read(text).iter().map(|case| (case.full_name(), case.location.to_string())).collect();
        let expected = [
            ("role-arn/account-id/nine-digits", "cases/role-arn.md:4"),
            ("role-arn/account-id/twelve-digits-its-fine", "cases/role-arn.md:5"),
            ("role-arn/role", "cases/role-arn.md:6"),
        ];
        assert_eq!(cases, expected.map(|(name, location)| (name.to_owned(), location.to_owned())));
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
    fn old_object() {
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
    fn changes_of_the_cluster() {
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
        let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"namespace": "shop", "name": "app"}, "z": 2});
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
    fn locations_of_problems() {
        let object = block("yaml object", "a: 1");
        let rows: &[(String, &str)] = &[
            (String::new(), "cases/role-arn.md: no heading"),
            ("# gcp\n".to_owned(), "cases/role-arn.md:1: `gcp`: the first heading must be `# role-arn`"),
            ("# role-arn\n".to_owned(), "cases/role-arn.md:1: `role-arn`: no case below the heading"),
            (
                "# role-arn\n## a\n# role-arn\n".to_owned(),
                "cases/role-arn.md:3: `role-arn`: a second heading of level 1",
            ),
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
    fn bless_replaces_block() {
        let expect = |content: &str| format!("```yaml expect\n{content}```\n");
        let before = "# role-arn\r\n## a\nprose   \n";
        let after = "\n\n\nmore *prose*\n## b\n```yaml expect\nallowed: true # kept\n```\n";
        let text = format!("{before}~~~yaml expect\nallowed: true\n~~~\n{after}");
        let (made, old) = with_expected(&text, "a", "allowed: false\n").unwrap();
        assert_eq!(
            (made, old),
            (format!("{before}{}{after}", expect("allowed: false\n")), "allowed: true\n".to_owned())
        );
    }

    #[test]
    fn bless_adds_block() {
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
    fn bless_chooses_fence() {
        let (made, _) = with_expected("# r\n## a\n", "a", "message: |-\n  ```\n").unwrap();
        assert!(made.ends_with("````yaml expect\nmessage: |-\n  ```\n````\n"), "{made}");
    }
}
