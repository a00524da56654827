// SPDX-License-Identifier: Apache-2.0

//! Compares the result of kubectl for some texts (`record.py` describes how it was recorded) with that of this project.

use policy_host::check::source::SourceFile;
use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
struct Recorded {
    texts: Vec<Text>,
}

#[derive(Deserialize)]
struct Text {
    name: String,
    #[serde(rename = "text")]
    content: String,
    /// The objects as kubectl prints them.
    objects: Vec<Value>,
    /// Whether kubectl exits with an error.
    fails: bool,
}

/// Texts for which kubectl exits with an error although they are valid, and why.
const NOTHING_WRONG: &[(&str, &str)] = &[("only a comment", "kubectl wants an object")];

/// Go formats numbers differently, and stores large ones as floats.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a.as_f64() == b.as_f64(),
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| same(a, b)))
        }
        _ => a == b,
    }
}

#[test]
fn agrees_with_kubectl() {
    let recorded: Recorded = serde_json::from_str(include_str!("readings.json")).unwrap();
    let mut wrong = Vec::new();
    for text in &recorded.texts {
        let file = SourceFile::new("x.yaml", None, text.content.clone(), true);
        let contents: Vec<_> = file.parts().iter().map(|part| file.part(part).read()).collect();
        let unreadable: Vec<_> = contents.iter().flat_map(|it| &it.unreadable).collect();
        let objects: Vec<&Value> = contents.iter().flat_map(|it| &it.objects).map(|it| &it.object).collect();
        let is_wrong = text.fails && !NOTHING_WRONG.iter().any(|(name, _)| *name == text.name);
        // kubectl prints the documents before an error; this project also checks the other documents of the file.
        let is_start =
            objects.len() >= text.objects.len() && objects.iter().zip(&text.objects).all(|(a, b)| same(a, b));
        let is_same = is_start && (is_wrong || objects.len() == text.objects.len());
        if is_same && is_wrong != unreadable.is_empty() {
            continue;
        }
        wrong.push(format!(
            "{}: {:?}\n  kubectl: {} {:?}\n  here: {unreadable:?} {objects:?}",
            text.name,
            text.content.chars().take(80).collect::<String>(),
            if text.fails { "fails" } else { "reads" },
            text.objects,
        ));
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), recorded.texts.len(), wrong.join("\n"));
    assert!(recorded.texts.len() >= 140 && recorded.texts.iter().any(|text| text.fails));
}
