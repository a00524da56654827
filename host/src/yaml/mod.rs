// SPDX-License-Identifier: Apache-2.0

//! The loader for settings, manifests and test cases: YAML and JSON, read as kubectl reads them.
//!
//! kubectl reads YAML through [`sigs.k8s.io/yaml`](https://github.com/kubernetes-sigs/yaml), which uses go-yaml v2: YAML 1.1
//! booleans (`off` is `false`), octal `0755`, underscores in numbers, merge keys, and boolean or numeric keys that become
//! strings. A tool that reads a manifest differently from the cluster reports on a different object, so the same rules apply
//! here: `parts` splits a text, `scan` and `events` parse a part, `compose` builds the value, and `layout` records positions.
//! Settings and cases are stricter on purpose: a duplicate key is an error.
//!
//! Values are [`serde_json::Value`] without `preserve_order`, as in the policy server: keys come out sorted.

pub mod comments;
mod compose;
mod cursor;
mod events;
mod json;
pub mod layout;
pub mod lines;
pub mod parts;
mod scalar;
mod scalars;
mod scan;

use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;

use serde_json::{Map, Value};

use lines::Lines;
use parts::{Warning, WarningKind};

/// Why and where a file could not be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file cannot be opened or is not UTF-8 text.
    #[error("{file}: {error}")]
    Read {
        /// The file as the user named it.
        file: Arc<str>,
        /// The error of the operating system.
        error: std::io::Error,
    },
    /// The text is not what was expected at that position.
    #[error("{file}:{line}:{column}: {message}")]
    Content {
        /// The file as the user named it.
        file: Arc<str>,
        /// 1-based.
        line: usize,
        /// 1-based.
        column: usize,
        /// Lower case, without a full stop.
        message: String,
    },
}

/// One document of a file, and where it begins.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    /// The content.
    pub value: Value,
    /// The file as the user named it; `-` is the standard input.
    pub file: Arc<str>,
    /// 1-based line of the document's first node.
    pub line: usize,
    /// Its index in the file; documents without content are not counted.
    pub ordinal: usize,
    /// Its index in a `List`, followed by its indices in nested lists; empty if it is not in a list.
    pub items: Vec<usize>,
}

impl Document {
    /// An error about this document, at its first line.
    pub fn error(&self, message: impl Into<String>) -> Error {
        Error::Content { file: self.file.clone(), line: self.line, column: 1, message: message.into() }
    }

    /// `file:line`, as compilers print it.
    pub fn location(&self) -> String {
        format!("{}:{}", self.file, self.line)
    }
}

/// Reads every document of a file; `-` is the standard input. Empty documents are skipped.
pub fn load_file(path: impl AsRef<Path>) -> Result<Vec<Document>, Error> {
    let (file, text) = read_file(path)?;
    load_str(&text, &file)
}

/// The name and the text of a file; `-` is the standard input.
pub fn read_file(path: impl AsRef<Path>) -> Result<(Arc<str>, String), Error> {
    let path = path.as_ref();
    let file: Arc<str> = path.display().to_string().into();
    let mut text = String::new();
    let read = if path.as_os_str() == "-" {
        std::io::stdin().lock().read_to_string(&mut text)
    } else {
        std::fs::File::open(path).and_then(|mut opened| opened.read_to_string(&mut text))
    };
    match read {
        Ok(_) => Ok((file, text)),
        Err(error) => Err(Error::Read { file, error }),
    }
}

/// Reads every document of a text; `file` is only used for locations. A duplicate key is an error.
pub fn load_str(text: &str, file: &str) -> Result<Vec<Document>, Error> {
    let file: Arc<str> = file.into();
    let lines = Lines::of(text);
    let error = |at: usize, message: String| {
        let (line, column) = lines.line_and_column(text, at);
        Error::Content { file: file.clone(), line, column, message }
    };
    let mut documents = Vec::new();
    for part in parts::of(text) {
        let read = part.read(text).map_err(|problem| error(problem.at, problem.message))?;
        if let Some(Warning { at, what: WarningKind::Repeated(key) }) = read.warnings.into_iter().next() {
            return Err(error(at, format!("key `{key}` occurs twice in the same mapping")));
        }
        if let Some((at, value)) = read.document {
            let (line, _) = lines.line_and_column(text, at);
            documents.push(Document { value, file: file.clone(), line, ordinal: documents.len(), items: Vec::new() });
        }
    }
    Ok(documents)
}

/// Reads a settings file, which contains one mapping or nothing.
pub fn load_settings(path: impl AsRef<Path>) -> Result<Value, Error> {
    let mut documents = load_file(path)?.into_iter();
    match (documents.next(), documents.next()) {
        (None, _) => Ok(Value::Object(Map::new())),
        (Some(Document { value: value @ Value::Object(_), .. }), None) => Ok(value),
        (Some(document), None) => Err(document.error("settings must be a mapping")),
        (Some(_), Some(second)) => Err(second.error("unexpected second document; a settings file has only one")),
    }
}

/// Replaces each list of objects (a map with a kind and a list `items`, regardless of the kind) with its items, as kubectl
/// does.
pub fn flatten_lists(documents: Vec<Document>) -> Vec<Document> {
    documents
        .into_iter()
        .flat_map(|mut document| match take_items(&mut document.value) {
            None => vec![document],
            Some(items) => {
                let entries = items.into_iter().enumerate().map(|(index, value)| {
                    let mut entry = Document { value, ..document.clone() };
                    entry.items.push(index);
                    entry
                });
                flatten_lists(entries.collect())
            }
        })
        .collect()
}

fn take_items(value: &mut Value) -> Option<Vec<Value>> {
    let kind = value.get("kind")?.as_str()?.to_owned();
    let version = value.get("apiVersion").and_then(Value::as_str).map(str::to_owned);
    let mut items = std::mem::take(value.get_mut("items")?.as_array_mut()?);
    for item in &mut items {
        complete_item(item, version.as_deref(), &kind);
    }
    Some(items)
}

/// Adds kind and version to an item of a typed list (`PodList`), which has neither in the API server's own responses. As in
/// kubectl, both are added if both are missing.
pub(crate) fn complete_item(item: &mut Value, list_version: Option<&str>, list_kind: &str) {
    let item_kind = list_kind.strip_suffix("List").unwrap_or(list_kind);
    let is_set = |item: &Value, key: &str| item.get(key).is_some_and(|value| value.as_str() != Some(""));
    if item_kind.is_empty() || is_set(item, "kind") || is_set(item, "apiVersion") {
        return;
    }
    if let (Some(fields), Some(version)) = (item.as_object_mut(), list_version) {
        fields.insert("apiVersion".to_owned(), version.into());
        fields.insert("kind".to_owned(), item_kind.into());
    }
}

/// Writes a value as YAML, the way `kubectl get -o yaml` shows it.
pub fn to_string(value: &Value) -> anyhow::Result<String> {
    let options = serde_saphyr::ser_options! { prefer_block_scalars: true, folded_wrap_chars: usize::MAX };
    let mut text = String::new();
    serde_saphyr::to_fmt_writer_with_options(&mut text, value, options)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    fn one(text: &str) -> Value {
        let mut documents = load_str(text, "test.yaml").unwrap();
        assert_eq!(documents.len(), 1, "{documents:?}");
        documents.remove(0).value
    }

    fn error(text: &str) -> String {
        load_str(text, "test.yaml").unwrap_err().to_string()
    }

    #[rstest]
    #[case("y", json!(true))]
    #[case("Y", json!(true))]
    #[case("yes", json!(true))]
    #[case("Yes", json!(true))]
    #[case("YES", json!(true))]
    #[case("on", json!(true))]
    #[case("On", json!(true))]
    #[case("ON", json!(true))]
    #[case("true", json!(true))]
    #[case("True", json!(true))]
    #[case("TRUE", json!(true))]
    #[case("n", json!(false))]
    #[case("N", json!(false))]
    #[case("no", json!(false))]
    #[case("No", json!(false))]
    #[case("NO", json!(false))]
    #[case("off", json!(false))]
    #[case("Off", json!(false))]
    #[case("OFF", json!(false))]
    #[case("false", json!(false))]
    #[case("yEs", json!("yEs"))]
    #[case("oN", json!("oN"))]
    #[case("tRUE", json!("tRUE"))]
    #[case("'off'", json!("off"))]
    #[case("\"no\"", json!("no"))]
    #[case("!!str off", json!("off"))]
    #[case("!!bool 'off'", json!(false))]
    #[case("~", json!(null))]
    #[case("null", json!(null))]
    #[case("Null", json!(null))]
    #[case("NULL", json!(null))]
    #[case("", json!(null))]
    #[case("nUll", json!("nUll"))]
    #[case("0755", json!(493))]
    #[case("0o17", json!(15))]
    #[case("0x1F", json!(31))]
    #[case("0b101", json!(5))]
    #[case("-0b101", json!(-5))]
    #[case("1_000", json!(1000))]
    #[case("+12", json!(12))]
    #[case("-12", json!(-12))]
    #[case("08", json!(8))]
    #[case("0", json!(0))]
    #[case("123456789012", json!(123_456_789_012_u64))]
    #[case("012345678901", json!(12_345_678_901_u64))]
    #[case("18446744073709551615", json!(u64::MAX))]
    #[case("1.0", json!(1))]
    #[case("1.5", json!(1.5))]
    #[case(".5", json!(0.5))]
    #[case("1e3", json!(1000))]
    #[case("12e400", json!("12e400"))]
    #[case("1:30", json!("1:30"))]
    #[case("0x", json!("0x"))]
    #[case("_1", json!("_1"))]
    #[case("-", json!([null]))]
    #[case("1.2.3", json!("1.2.3"))]
    #[case("2001-12-14", json!("2001-12-14"))]
    #[case("!!float 3", json!(3))]
    #[case("!!binary aGk=", json!("hi"))]
    #[case("!custom 3", json!("3"))]
    #[case("<<", json!("<<"))]
    fn reads_scalars_as_go_yaml(#[case] text: &str, #[case] expected: Value) {
        let document = if text == "-" { "v:\n  -".to_owned() } else { format!("v: {text}") };
        assert_eq!(one(&document), json!({ "v": expected }));
    }

    #[rstest]
    #[case("off: 1", json!({"false": 1}))]
    #[case("y: 1", json!({"true": 1}))]
    #[case("12: 1", json!({"12": 1}))]
    #[case("0x10: 1", json!({"16": 1}))]
    #[case("1.5: 1", json!({"1.5": 1}))]
    #[case("1e7: 1", json!({"1e+07": 1}))]
    #[case("'12': 1", json!({"12": 1}))]
    fn reads_keys_as_strings(#[case] text: &str, #[case] expected: Value) {
        assert_eq!(one(text), expected);
    }

    #[test]
    fn expands_merge_keys_and_aliases() {
        let text =
            "base: &base {a: 1, b: 2}\nother: &other {b: 3}\nmade:\n  <<: [*base, *other]\n  a: 9\nsame: *base\n";
        assert_eq!(
            one(text),
            json!({
                "base": {"a": 1, "b": 2},
                "other": {"b": 3},
                "made": {"a": 9, "b": 2},
                "same": {"a": 1, "b": 2},
            })
        );
    }

    #[rstest]
    #[case("a: 1\nb: 2\na: 3\n", "test.yaml:3:1: key `a` occurs twice in the same mapping")]
    #[case("x:\n  off: 1\n  no: 2\n", "test.yaml:3:3: key `false` occurs twice in the same mapping")]
    #[case("{\"a\": 1, \"a\": 2}", "test.yaml:1:1: key `a` occurs twice in the same mapping")]
    #[case("a: &x\n  b: *x\n", "test.yaml:2:6: an anchor contains itself")]
    #[case("a: .inf\n", "test.yaml:1:4: `.inf` cannot be represented in JSON")]
    #[case("a: !!int word\n", "test.yaml:1:4: `word` is not a valid !!int")]
    #[case("<<: 3\n", "test.yaml:1:5: a merge key needs a mapping or a list of mappings")]
    #[case("? [a]\n: 1\n", "test.yaml:1:3: a key must be a scalar")]
    #[case("~: 1\n", "test.yaml:1:1: null cannot be a key")]
    fn errors_have_positions(#[case] text: &str, #[case] expected: &str) {
        assert_eq!(error(text), expected);
    }

    #[rstest]
    #[case("a: [1, 2\nb: 3\n")]
    #[case("a: b: c\n")]
    #[case("a: *nobody\n")]
    #[case("a:\n\tb: 1\n")]
    fn location_of_broken_yaml(#[case] text: &str) {
        let error = error(text);
        let mut parts = error.splitn(4, ':');
        assert_eq!(parts.next(), Some("test.yaml"));
        assert!(parts.next().unwrap().parse::<usize>().unwrap() >= 1, "{error}");
        assert!(parts.next().unwrap().parse::<usize>().unwrap() >= 1, "{error}");
        assert!(!parts.next().unwrap().trim().is_empty(), "{error}");
    }

    #[test]
    fn reports_broken_json_as_json() {
        let error = load_str("{\"a\": 1,\n \"b\" 2}", "r.json").unwrap_err().to_string();
        assert_eq!(error, "r.json:2:6: expected `:`");
    }

    #[test]
    fn rejects_alias_bombs() {
        let mut text = String::from("a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n");
        for level in 1..12 {
            let previous = level - 1;
            let items = vec![format!("*a{previous}"); 10].join(",");
            text = format!("{text}a{level}: &a{level} [{items}]\n");
        }
        assert!(error(&text).contains("aliases expand to more than"));
    }

    #[test]
    fn lines_of_documents() {
        let documents = load_str("# note\n---\na: 1\n---\n---\n# b\nb: 2\n", "m.yaml").unwrap();
        let locations: Vec<_> = documents.iter().map(Document::location).collect();
        assert_eq!(locations, ["m.yaml:3", "m.yaml:7"]);
    }

    #[test]
    fn reads_json_documents() {
        let documents = load_str("{\"a\": 1.0}\n{\"b\":\t\"off\"}\n", "m.json").unwrap();
        assert_eq!(documents[0].value, json!({"a": 1.0}));
        assert_eq!(documents[1].value, json!({"b": "off"}));
        assert_eq!(documents[1].line, 2);
        assert_eq!(one("{a: off, b: [1, 2]}"), json!({"a": false, "b": [1, 2]}));
    }

    #[test]
    fn flattens_lists() {
        let text = "apiVersion: v1\nkind: List\nitems: [{kind: Pod}, {kind: Secret}]\n---\n\
                    apiVersion: v1\nkind: PodList\nitems: [{metadata: {name: a}}]\n---\nkind: Pod\n";
        let kinds: Vec<_> = flatten_lists(load_str(text, "l.yaml").unwrap())
            .into_iter()
            .map(|document| document.value["kind"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(kinds, ["Pod", "Secret", "Pod", "Pod"]);
    }

    #[test]
    fn paths_of_list_items() {
        let text = "kind: Pod\n---\napiVersion: v1\nkind: List\nitems: [{kind: Pod}, {apiVersion: v1, kind: List, items: [{kind: Secret}]}]\n";
        let ways: Vec<_> = flatten_lists(load_str(text, "l.yaml").unwrap())
            .into_iter()
            .map(|document| (document.ordinal, document.items))
            .collect();
        assert_eq!(ways, [(0, vec![]), (1, vec![0]), (1, vec![1, 0])]);
    }

    #[test]
    fn round_trip() {
        let value = json!({"a": ["off", "1.0", "", " x", "a: b", "#"], "b": {"c": null, "d": "l1\nl2\n", "e": {}, "f": []},
            "n": -3, "t": true, "long": "word ".repeat(60)});
        assert_eq!(one(&to_string(&value).unwrap()), value);
    }
}
